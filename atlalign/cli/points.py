"""`atlalign points`: the structure and atlas coordinates of points of a registered section, and back."""

import json
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from atlalign.cli.options import parse_numbers, parse_path, refuse_empty


def points_command(
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="The result folder of atlalign register.", parser=parse_path),
    ],
    points: Annotated[
        Path,
        typer.Argument(
            metavar="POINTS.csv",
            help="A table with the columns x and y, px of the section; or as QuPath exports it. For --to section: "
            "ap_um, dv_um and ml_um.",
            parser=parse_path,
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="The table to write; tabs in a .tsv.", metavar="OUT.csv", parser=parse_path)
    ],
    to: Annotated[
        str,
        typer.Option(
            help="atlas: add um and structure of section points. section: add px of atlas points.",
            metavar="atlas|section",
        ),
    ] = "atlas",
    atlas: Annotated[
        str | None,
        typer.Option(
            "--atlas",
            help="The atlas of the registration, where it has moved.  [default: what the folder's record names]",
            metavar="ATLAS",
            callback=refuse_empty,
            show_default=False,
        ),
    ] = None,
    counts: Annotated[
        Path | None,
        typer.Option(
            help="Also write points, area (mm2) and density per structure and hemisphere.",
            metavar="COUNTS.csv",
            parser=parse_path,
        ),
    ] = None,
    depth: Annotated[
        int | None,
        typer.Option(min=0, help="Count what is deeper in the hierarchy as its ancestor here; 0: root.", metavar="N"),
    ] = None,
    groups: Annotated[
        Path | None,
        typer.Option(
            help="Count groups of structures, children included: a table with the columns group and acronym, or JSON.",
            metavar="GROUPS.csv|json",
            parser=parse_path,
        ),
    ] = None,
    pixel_size_um: Annotated[
        str | None,
        typer.Option(
            "--pixel-size-um",
            help="Size of a pixel in um, across and down, with which points in um were computed.  "
            "[default: the record's, unless it is a guess]",
            metavar="X[,Y]",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what became of the points as JSON.")] = False,
) -> None:
    """Say where points of a registered section lie in the atlas, and count them.

    Adds to each row ap_um, dv_um, ml_um, structure_id, acronym, name and hemisphere (left or right of the animal).
    Points outside the atlas's structures get the id 0. With --to section: x, y (px) and distance_um, from the plane.

    Example: atlalign points s1 cells.csv --out located.csv --counts counts.csv
    """
    from atlalign._progress import track
    from atlalign.registration import convert_points, read_groups, read_registration

    size = None if pixel_size_um is None else parse_numbers(pixel_size_um, "--pixel-size-um")
    summary = convert_points(
        read_registration(folder, atlas=atlas),
        points,
        out,
        to=to,
        counts=counts,
        groups=None if groups is None else read_groups(groups),
        depth=depth,
        pixel_size_um=size[0] if size and len(size) == 1 else size,
        progress=partial(track, description="Blocks of points"),
    )
    if as_json:
        files = {"folder": folder, "points": points, "out": out, "counts": counts}
        named = {name: None if path is None else str(path) for name, path in files.items()}
        typer.echo(json.dumps({**named, **summary}))
        return
    what = f"{summary['n_points']} points"
    if to == "section":
        typer.echo(f"{points.name}: {what}, at most {summary['farthest_um']:g} um from the plane, written to {out}")
    else:
        found = summary["n_points"] - summary["n_outside"]
        typer.echo(f"{points.name}: {found} of {what} in {summary['n_structures']} structures, written to {out}")
    for note in summary["notes"]:
        typer.echo(f"  note: {note}")
