"""The command-line applications, and how they answer errors: one line and exit code 2."""

import os
import sys
import warnings
from typing import Annotated, Any

import typer

import atlalign
from atlalign.cli import atlas, dataset, demo, evaluate, label, points, register, train, weights
from atlalign.cli.options import new_app, show_help_without_command
from atlalign.errors import AtlalignError, one_line

app = new_app()
app.command("register")(register.register_command)
app.command("points")(points.points_command)
app.command("label")(label.label_command)
app.add_typer(train.app, name="train")
app.command("evaluate")(evaluate.evaluate_command)
app.add_typer(dataset.app, name="dataset")
app.add_typer(atlas.app, name="atlas")
app.add_typer(weights.app, name="weights")
app.command("demo")(demo.demo_command)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"atlalign {atlalign.__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop."),
    ] = False,
) -> None:
    """Register 2D brain sections to a reference atlas, and train the networks that do it."""
    show_help_without_command(context)


def main() -> None:
    """Run the command `atlalign`."""
    _run(app, "atlalign")


def main_train() -> None:
    """Run the command `atlalign-train`."""
    _run(train.app, "atlalign-train")


def main_label() -> None:
    """Run the command `label-tool`, as `atlalign label` was called."""
    tool = new_app()
    tool.command()(label.label_command)
    _run(tool, "label-tool")


def _run(application: typer.Typer, name: str) -> None:
    """Run a command; whatever is wrong with the input is said in one line."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's start-up messages are not the user's
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            result = application(prog_name=name, standalone_mode=False)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        _stop(f"{error.format_message().rstrip('.')}. See: {context.command_path if context else name} --help", 2)
    except (KeyboardInterrupt, typer.Abort):
        _stop("Interrupted.", 130)
    except (AtlalignError, ValueError, TypeError, OSError, ArithmeticError, MemoryError) as error:
        if os.environ.get("ATLALIGN_DEBUG"):
            raise
        _stop(one_line(error), 2)
    except Exception as error:  # a bug, or a library's own error on input that nobody foresaw
        if os.environ.get("ATLALIGN_DEBUG"):
            raise
        text = one_line(f"{type(error).__name__}: {error}")
        _stop(f"Something unexpected went wrong. Received: {text}. Set ATLALIGN_DEBUG=1 for where.", 2)
    if result == 130:  # Typer's answer to Ctrl-C
        _stop("Interrupted.", 130)
    sys.exit(result if isinstance(result, int) else 0)


def _show_warning(message: Warning | str, *_where: Any, **_how: Any) -> None:
    """Say a warning in one line, without the line of code that it comes from."""
    sys.stderr.write(f"Warning: {one_line(message)}\n")


def _stop(message: str, code: int) -> None:
    sys.stderr.write(f"{'' if code == 130 else 'Error: '}{message}\n")
    sys.exit(code)
