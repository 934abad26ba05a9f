"""`atlalign dataset`: make and check datasets of labelled pairs."""

import json
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Annotated

import typer

from atlalign.cli.options import (
    AtlasOption,
    SeedOption,
    new_app,
    parse_numbers,
    parse_path,
    refuse_empty,
    show_help_without_command,
)

app = new_app()

_NAMES_SHOWN = 5

ShapeOption = Annotated[
    str | None,
    typer.Option(help="Image size in px.  [default: the atlas's own grid]", metavar="HEIGHT,WIDTH"),
]


@app.callback(invoke_without_command=True)
def _help(context: typer.Context) -> None:
    """Make and check datasets of labelled pairs."""
    show_help_without_command(context)


@app.command("simulate")
def simulate_command(
    out: Annotated[Path, typer.Argument(metavar="OUT.h5", help="File to write.", parser=parse_path)],
    atlas: AtlasOption,
    n: Annotated[int, typer.Option("--n", min=1, help="Number of pairs.")],
    deformation: Annotated[str, typer.Option(help="affine, local, or both.", metavar="affine|local|both")] = "both",
    shape: ShapeOption = None,
    max_tilt_degrees: Annotated[
        float, typer.Option(help="Half of the planes are oblique, by up to this, from 0 to 45.", metavar="DEGREES")
    ] = 10.0,
    damage: Annotated[
        float, typer.Option(help="Share of torn, folded, covered or incomplete sections, from 0 to 1.", metavar="SHARE")
    ] = 0.3,
    planes: Annotated[
        str,
        typer.Option(
            help="Where planes lie: anywhere, or so that those of training and those held out never meet.",
            metavar="all|training|held-out",
        ),
    ] = "all",
    place_by: Annotated[
        str,
        typer.Option(
            help="Where sections lie in their images: where the deformation has them, or as register places them.",
            metavar="anywhere|tissue",
        ),
    ] = "anywhere",
    local_strength: Annotated[
        float, typer.Option(help="Size of local deformations, from 0 to 1: 0.4 is more like good sections.")
    ] = 1.0,
    workers: Annotated[int, typer.Option(min=1, help="Number of processes.")] = 1,
    seed: SeedOption = 0,
) -> None:
    """Simulate pairs from atlas planes: random stains, damage and deformations whose fields are known.

    An interrupted call, given again, goes on where it stopped.

    Example: atlalign dataset simulate --atlas phantom --n 1000 --shape 160,228 --workers 2 pairs.h5
    """
    from atlalign._progress import track
    from atlalign.simulate import simulate_dataset

    simulate_dataset(
        out,
        atlas,
        n,
        _size(shape),
        deformation,
        seed,
        workers,
        progress=lambda blocks, **how: track(blocks, "Simulating pairs (blocks of 8)", **how),
        max_tilt_degrees=max_tilt_degrees,
        damage=damage,
        planes=planes,
        place_by=place_by,
        local_strength=local_strength,
    )
    typer.echo(f"Wrote {n} pairs to {out}")


@app.command("augment")
def augment_command(
    original: Annotated[Path, typer.Argument(metavar="IN.h5", help="Dataset of labelled pairs.", parser=parse_path)],
    out: Annotated[Path, typer.Argument(metavar="OUT.h5", help="File to write; not the same.", parser=parse_path)],
    per_sample: Annotated[int, typer.Option(min=1, help="Pairs that are made from each pair.")] = 10,
    p_reg: Annotated[
        float, typer.Option(help="Probability of starting from the registered image, not the moving one, from 0 to 1.")
    ] = 0.5,
    anchor: Annotated[
        bool, typer.Option("--anchor/--no-anchor", help="Smooth the fields and lead them to 0 at the image's corners.")
    ] = True,
    max_corrupted_pixels: Annotated[
        int, typer.Option(min=1, help="Accept a field with fewer folded pixels than this.")
    ] = 500,
    max_trials: Annotated[int, typer.Option(min=1, help="Tries before the original pair is copied.")] = 5,
    workers: Annotated[int, typer.Option(min=1, help="Number of processes.")] = 1,
    dask: Annotated[
        str | None,
        typer.Option(
            help="Let the workers of a running Dask cluster do it; they must see both files under the same paths.",
            metavar="ADDRESS",
            callback=refuse_empty,
        ),
    ] = None,
    seed: SeedOption = 0,
) -> None:
    """Make many pairs from each: deformed moving images, and labels that still register them.

    An interrupted call, given again, goes on where it stopped.

    Example: atlalign dataset augment labelled.h5 augmented.h5 --per-sample 10 --workers 2
    """
    from atlalign._progress import track
    from atlalign.augmentations import DatasetAugmenter

    augmenter = DatasetAugmenter(original)
    copies = augmenter.augment(
        out,
        per_sample,
        anchor,
        p_reg,
        seed,
        max_corrupted_pixels,
        max_trials=max_trials,
        workers=workers,
        progress=lambda blocks, **how: track(blocks, "Augmenting pairs (blocks of 8)", **how),
        check_progress=lambda samples: track(samples, "Checking pairs"),
        dask=dask,
    )
    typer.echo(f"Wrote {augmenter.n_orig * per_sample} pairs to {out}")
    if copies:
        typer.echo(f"{copies} of them are copies of their original pair: no deformation of it was accepted")


@app.command("from-quint")
def from_quint_command(
    series: Annotated[
        Path,
        typer.Argument(
            metavar="SERIES", help="Series of QuickNII, VisuAlign or DeepSlice: JSON, XML or CSV.", parser=parse_path
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT.h5", help="File to write.", parser=parse_path)],
    images: Annotated[Path, typer.Option(help="Folder of the sections' images.", metavar="DIR", parser=parse_path)],
    atlas: AtlasOption,
    place_by: Annotated[
        str,
        typer.Option(
            help="Where sections lie on their canvas: by their tissue, as register --position-um places them, and the "
            "fields hold all; or by their anchoring, and the fields hold the markers alone.",
            metavar="tissue|anchoring",
        ),
    ] = "tissue",
    shape: ShapeOption = None,
    least_overlap: Annotated[
        float,
        typer.Option(help="Leave out sections whose registered tissue overlaps the atlas's less; Dice, from 0 to 1."),
    ] = 0.0,
    pixel_size_um: Annotated[
        str | None,
        typer.Option(
            "--pixel-size-um",
            help="Size of the images' pixels in um, across and down, to place tissue with.  "
            "[default: estimated from the tissue's extent]",
            metavar="X[,Y]",
        ),
    ] = None,
    channel: Annotated[
        int | None, typer.Option(min=0, help="Which channel of multi-channel TIFFs, from 0.", metavar="N")
    ] = None,
    dataset_id: Annotated[
        int | None,
        typer.Option(min=0, help="Number of the brain.  [default: follows from the sections' names]", metavar="N"),
    ] = None,
    stain: Annotated[str, typer.Option(help="How the sections look, in free words.")] = "",
    workers: Annotated[int, typer.Option(min=1, help="Number of processes.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print what became of each section as JSON.")] = False,
) -> None:
    """Make a pair of each section that was registered with QuickNII, VisuAlign or DeepSlice.

    Says which sections were left out, and why. An interrupted call, given again, goes on where it stopped.

    Example: atlalign dataset from-quint brain.json --images sections --atlas allen_mouse_25um pairs.h5
    """
    from atlalign._progress import track
    from atlalign.quint import dataset_from_quint

    made = dataset_from_quint(
        series,
        images,
        atlas,
        out,
        shape=_size(shape),
        place_by=place_by,
        least_overlap=least_overlap,
        pixel_size_um=None if pixel_size_um is None else _one_or_two(pixel_size_um),
        channel=channel,
        dataset_id=dataset_id,
        stain=stain,
        workers=workers,
        progress=lambda sections, **how: track(sections, "Converting sections", **how),
    )
    if as_json:
        typer.echo(json.dumps({"file": str(out), **asdict(made)}))
        return
    overlaps = sorted((overlap, name) for name, overlap in made.tissue_overlap.items())
    typer.echo(f"Wrote {len(overlaps)} pairs to {out}")
    middle, (lowest, its_name) = median(overlap for overlap, _ in overlaps), overlaps[0]
    typer.echo(f"Tissue overlap with the atlas: median {middle:.3f}, lowest {lowest:.3f} ({its_name})")
    for names, what in ((made.without_image, "no image"), (made.without_anchoring, "no anchoring")):
        if names:
            typer.echo(f"Left out {len(names)} with {what}: {_some(names)}", err=True)
    for name, reason in made.left_out.items():
        typer.echo(f"Left out {name}: {reason}", err=True)


@app.command("from-labels")
def from_labels_command(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder that atlalign label worked on.", parser=parse_path)
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT.h5", help="File to write.", parser=parse_path)],
    images: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder of the sections' images; may be given several times.", metavar="DIR", parser=parse_path
        ),
    ] = None,
    atlas: Annotated[
        str | None,
        typer.Option(
            "--atlas",
            help="The atlas, if it has moved.  [default: the one that the sections were registered to]",
            metavar="ATLAS",
            callback=refuse_empty,
        ),
    ] = None,
    shape: Annotated[
        str | None,
        typer.Option(help="Image size in px.  [default: that of the registrations]", metavar="HEIGHT,WIDTH"),
    ] = None,
    max_folded_pixels: Annotated[
        int, typer.Option(min=1, help="Leave out sections whose field folds at so many pixels.")
    ] = 500,
    channel: Annotated[
        int | None, typer.Option(min=0, help="Which channel of multi-channel images, from 0.", metavar="N")
    ] = None,
    dataset_id: Annotated[
        int | None,
        typer.Option(min=0, help="Number of the brain.  [default: follows from the sections' names]", metavar="N"),
    ] = None,
    stain: Annotated[str, typer.Option(help="How the sections look, in free words.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print what became of each section as JSON.")] = False,
) -> None:
    """Make a pair of each section that a person corrected with atlalign label.

    Says which sections were left out, and why: those that nobody looked at, the rejected ones, those that fold.

    Example: atlalign dataset from-labels run labelled.h5 --images sections
    """
    from atlalign._progress import track
    from atlalign.label import dataset_from_labels
    from atlalign.label.opening import images_of

    made = dataset_from_labels(
        folder,
        out,
        atlas=atlas,
        images=images_of(images or []),
        shape=_size(shape),
        max_folded_pixels=max_folded_pixels,
        channel=channel,
        dataset_id=dataset_id,
        stain=stain,
        progress=lambda sections: track(sections, "Making pairs"),
    )
    if as_json:
        typer.echo(json.dumps({"file": str(out), **asdict(made)}))
        return
    typer.echo(f"Wrote {len(made.written)} pairs to {out}")
    for name, reason in made.left_out.items():
        typer.echo(f"Left out {name}: {reason}", err=True)


@app.command("check")
def check_command(
    file: Annotated[Path, typer.Argument(metavar="FILE.h5", help="Dataset to check.", parser=parse_path)],
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


def _size(shape: str | None) -> tuple | None:
    return None if shape is None else parse_numbers(shape, "--shape", int)


def _one_or_two(pixel_size_um: str) -> float | tuple:
    size = parse_numbers(pixel_size_um, "--pixel-size-um")
    return size[0] if len(size) == 1 else size


def _some(names: list[str]) -> str:
    """Return a few names, and how many there are besides."""
    shown = ", ".join(names[:_NAMES_SHOWN])
    return shown if len(names) <= _NAMES_SHOWN else f"{shown} and {len(names) - _NAMES_SHOWN} more"
