"""`atlalign-train global|local|position`, also reached as `atlalign train`: every setting is an option."""

import inspect
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer

from atlalign.cli.options import new_app, parse_path, refuse_empty, show_help_without_command
from atlalign.training.config import TrainingConfig, belongs_to
from atlalign.training.config_file import PRESETS

app = new_app()

_FLAGS = {"compute_inv": "--inverse/--no-inverse"}  # the setting's name is the argument of the factory
_BEFORE = ("out", "atlas")  # what a person types first comes first in the help


@app.callback(invoke_without_command=True)
def _help(context: typer.Context) -> None:
    """Train a network on HDF5 datasets of labelled pairs."""
    show_help_without_command(context)


def _command(kind: str, text: str) -> None:
    """Make the command of a kind of network from the fields of the configuration."""

    def train(context: typer.Context, **_: Any) -> None:
        _train(kind, context)

    fields = {name: field for name, field in TrainingConfig.model_fields.items() if belongs_to(field, kind)}
    parameters = [
        _parameter("context", typer.Context),
        _parameter(
            "data",
            Annotated[
                list[Path] | None,
                typer.Argument(parser=parse_path, metavar="DATA.h5...", help="Datasets of labelled pairs."),
            ],
        ),
        *(_option(name, fields[name]) for name in fields if name not in ("kind", "data")),
        _parameter(
            "config",
            Annotated[
                Path | None,
                typer.Option(parser=parse_path, metavar="FILE.toml", help="Settings; options given here win."),
            ],
        ),
        *([_preset()] if any(kind in preset for preset in PRESETS.values()) else []),
        _parameter(
            "resume",
            Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")],
            default=False,
        ),
    ]
    train.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    train.__doc__ = text
    app.command(kind)(train)


def _parameter(name: str, annotation: Any, default: Any = None) -> inspect.Parameter:
    if annotation is typer.Context:
        default = inspect.Parameter.empty
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _preset() -> inspect.Parameter:
    return _parameter("preset", Annotated[str | None, typer.Option(metavar="paper", help="Losses as published.")])


def _option(name: str, field: Any) -> inspect.Parameter:
    """Return an option without a value of its own: what is not given stays with the file or the default."""
    flag = "--" + name.replace("_", "-")
    if field.annotation is bool:
        names = _FLAGS.get(name, f"{flag}/--no{flag[1:]}")
        text = f"{field.description}  [default: {names.split('/')[0 if field.default else 1]}]"
        return _parameter(name, Annotated[bool | None, typer.Option(names, help=text)])
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    default = "" if field.default in (None, ()) or field.is_required() else f"  [default: {_as_text(field.default)}]"
    option = typer.Option(flag, help=field.description + default, metavar="|".join(choices) or _metavar(name, field))
    option.callback = refuse_empty
    return _parameter(name, Annotated[str | None, option])


def _metavar(name: str, field: Any) -> str:
    text = str(field.annotation)
    for part, metavar in (("Path", "PATH"), ("tuple[str", "NAMES"), ("tuple", "NUMBERS"), ("int", "N"), ("float", "X")):
        if part in text:
            return metavar
    return name.upper()


def _as_text(value: Any) -> str:
    return ",".join(f"{part:g}" for part in value) if isinstance(value, tuple) else str(value)


_command(
    "global",
    """Train the network that finds the affine part of a registration.

    Example: atlalign-train global pairs.h5 --out runs/global --epochs 20
    """,
)
_command(
    "local",
    """Train the network that finds the dense displacement field left after the affine part.

    Example: atlalign-train local pairs.h5 --out runs/local --epochs 20
    """,
)
_command(
    "position",
    """Train the network that finds where in the atlas a section lies, and how its plane slopes.

    Example: atlalign-train position pairs.h5 --out runs/position --epochs 20 --batch-size 32
    """,
)


def _train(kind: str, context: typer.Context) -> None:
    """Start or resume a run with the settings that were given, whose names are the options'."""
    from atlalign._progress import track
    from atlalign.cli.quiet import load_keras
    from atlalign.training import effective_config, fit
    from atlalign.training import resume as resume_run
    from atlalign.training.config import needed_weights
    from atlalign.weights import fetch_weights

    given = {name: value for name, value in context.params.items() if value not in (None, [], ())}
    file, preset, going_on = (given.pop(name, None) for name in ("config", "preset", "resume"))
    if going_on and (file or preset):
        raise ValueError(
            "A resumed run has its own settings. Received: --resume with --config or --preset. Leave it out."
        )
    if going_on:
        changes = _resumed_settings(kind, given)
    else:
        config = effective_config(kind, given, file, preset)
        for name in needed_weights(config):
            fetch_weights(name, progress=lambda sizes, **how: track(sizes, "Fetching weights (MB)", **how))

    load_keras()
    from atlalign.ml_utils.callbacks import ProgressReport

    report = ProgressReport()

    def checking(items: Iterable, **how: int) -> Iterable:
        return track(items, "Checking pairs", **how)

    try:
        folder = resume_run(given["out"], changes, checking, [report]) if going_on else fit(config, checking, [report])
    except KeyboardInterrupt:
        report.close()
        out = Path(given["out"]) if going_on else config.out
        typer.echo(f"Interrupted. Go on with: atlalign-train {kind} --out '{out}' --resume", err=True)
        sys.exit(130)
    finally:
        report.close()
    typer.echo(f"Best model: {folder.best_model}")


def _resumed_settings(kind: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return what was given as validated settings."""
    from atlalign.training import effective_config

    if "out" not in given:
        raise ValueError("--resume goes on with the run in --out. Received: no --out. Give the run folder.")
    config = effective_config(kind, {"data": "none.h5", **given})
    return {"kind": kind, **{name: getattr(config, name) for name in given}}
