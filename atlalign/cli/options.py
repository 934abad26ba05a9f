"""What several commands share: how an application is made, options, and the values that they parse."""

from pathlib import Path
from typing import Annotated, Any

import typer


def parse_path(text: str | Path) -> Path:
    """Return a path; the empty one, which Python takes for the current folder, is refused.

    Examples
    --------
    >>> parse_path("runs/global").name
    'global'
    """
    _require_text(str(text), "A path")
    return Path(text)


def parse_um(text: str | float) -> float:
    """Return a position in um.

    Examples
    --------
    >>> parse_um("5400.5")
    5400.5
    """
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"A position must be a number of um, with a point. Received: {text}") from None


def refuse_empty(text: str | None) -> str | None:
    """Return the text of an option if it is not empty, or nothing where the option was not given.

    Examples
    --------
    >>> refuse_empty("phantom")
    'phantom'
    """
    if text is not None:
        _require_text(text, "A value")
    return text


def _require_text(text: str, what: str) -> None:
    if not text.strip():
        raise typer.BadParameter(f"{what} must not be empty. Received: {text!r}. Give a name.")


AtlasOption = Annotated[
    str,
    typer.Option(
        "--atlas",
        help="A folder with an atlas.toml, the name of an installed BrainGlobe atlas, or phantom.",
        metavar="ATLAS",
        callback=refuse_empty,
    ),
]
FlipOption = Annotated[
    str | None,
    typer.Option(
        "--flip",
        help="Mirror the section: horizontal changes left and right, vertical top and bottom.",
        metavar="horizontal|vertical",
    ),
]
RotateOption = Annotated[
    int, typer.Option("--rotate", help="Then turn it clockwise by so many degrees.", metavar="0|90|180|270")
]
InvertOption = Annotated[
    bool | None,
    typer.Option(
        "--invert/--no-invert",
        help="The background is bright, or dark.  [default: found out]",
        show_default=False,
    ),
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Start of all randomness.")]


def new_app(**options: Any) -> typer.Typer:
    """Return an application whose help has no boxes: readable in logs, and quicker to start."""
    return typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False, **options)


def show_help_without_command(context: typer.Context) -> None:
    """Print the help of an application that was called without a command, and stop."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit


def parse_numbers(text: str, option: str, kind: type = float) -> tuple:
    """Parse comma-separated numbers.

    Examples
    --------
    >>> parse_numbers("12.4,14.2", "--pixel-size-um")
    (12.4, 14.2)
    >>> parse_numbers("wide", "--shape", int)
    Traceback (most recent call last):
    ...
    ValueError: --shape must be numbers separated by commas. Received: 'wide'
    """
    try:
        return tuple(kind(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"{option} must be numbers separated by commas. Received: {text!r}") from None
