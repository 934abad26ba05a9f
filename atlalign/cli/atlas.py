"""`atlalign atlas`: what atlases there are, and what one holds."""

import json
from typing import Annotated

import typer

from atlalign.cli.options import new_app, show_help_without_command

app = new_app()


@app.callback(invoke_without_command=True)
def _help(context: typer.Context) -> None:
    """List atlases, and say what one holds."""
    show_help_without_command(context)


@app.command("list")
def list_command(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> None:
    """List the atlases that can be named: the phantom, and the BrainGlobe atlases on this computer.

    Example: atlalign atlas list
    """
    from atlalign.atlas.brainglobe import installed_brainglobe

    names = ["phantom", *installed_brainglobe()]
    typer.echo(json.dumps(names) if as_json else "\n".join(names))


@app.command("info")
def info_command(
    atlas: Annotated[
        str,
        typer.Argument(
            help="A folder with an atlas.toml, the name of an installed BrainGlobe atlas, or phantom.", metavar="ATLAS"
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object.")] = False,
) -> None:
    """Say what an atlas holds: grid, extent, structures, and the positions that it takes.

    Example: atlalign atlas info phantom
    """
    from atlalign.atlas import Atlas

    loaded = Atlas.load(atlas)
    facts = {
        "name": loaded.name,
        "version": loaded.version,
        "species": loaded.species,
        "resolution_um": list(loaded.resolution_um),
        "shape": list(loaded.shape),
        "extent_um": list(loaded.shape_um),
        "structures": len(loaded.structures),
        "citation": loaded.citation,
        "license": loaded.license,
    }
    if as_json:
        typer.echo(json.dumps(facts))
        return
    for name, value in facts.items():
        typer.echo(f"{name:14s} {' x '.join(f'{part:g}' for part in value) if isinstance(value, list) else value}")
    typer.echo(f"{'positions':14s} 0 <= position_um < {loaded.shape_um[0]:g}, anterior to posterior")
