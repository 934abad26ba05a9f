"""`atlalign dataset`: make and check datasets of labelled pairs."""

import json
from pathlib import Path
from typing import Annotated

import typer

from atlalign.cli.options import AtlasOption, SeedOption, new_app, parse_numbers, show_help_without_command

app = new_app()


@app.callback(invoke_without_command=True)
def _help(context: typer.Context) -> None:
    """Make and check datasets of labelled pairs."""
    show_help_without_command(context)


@app.command("simulate")
def simulate_command(
    out: Annotated[Path, typer.Argument(metavar="OUT.h5", help="File to write.")],
    atlas: AtlasOption,
    n: Annotated[int, typer.Option("--n", min=1, help="Number of pairs.")],
    deformation: Annotated[str, typer.Option(help="affine, local, or both.", metavar="affine|local|both")] = "both",
    shape: Annotated[
        str | None,
        typer.Option(help="Image size in px.  [default: the atlas's own grid]", metavar="HEIGHT,WIDTH"),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Number of processes.")] = 1,
    seed: SeedOption = 0,
) -> None:
    """Simulate pairs from atlas planes: random stains and deformations whose fields are known.

    An interrupted call, given again, goes on where it stopped.

    Example: atlalign dataset simulate --atlas phantom --n 1000 --shape 160,228 --workers 2 pairs.h5
    """
    from atlalign._progress import track
    from atlalign.simulate import simulate_dataset

    size = parse_numbers(shape, "--shape", int) if shape else None
    simulate_dataset(
        out,
        atlas,
        n,
        size,
        deformation,
        seed,
        workers,
        progress=lambda blocks, **how: track(blocks, "Simulating pairs (blocks of 8)", **how),
    )
    typer.echo(f"Wrote {n} pairs to {out}")


@app.command("check")
def check_command(
    file: Annotated[Path, typer.Argument(metavar="FILE.h5", help="Dataset to check.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the faults as JSON.")] = False,
) -> None:
    """Name every fault of a dataset with its sample; exit code 2 if there is one.

    Example: atlalign dataset check pairs.h5
    """
    from atlalign._progress import track
    from atlalign.dataset import check_dataset

    faults = check_dataset(file, lambda samples: track(samples, "Checking pairs"))
    if as_json:
        typer.echo(json.dumps({"file": str(file), "faults": faults}))
    else:
        typer.echo("\n".join(faults) or f"{file}: no faults")
    raise typer.Exit(2 if faults else 0)
