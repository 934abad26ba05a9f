"""The options of `atlalign register`: their names, and what its help says of them."""

from pathlib import Path
from typing import Annotated

import typer

from atlalign.cli.options import parse_path, parse_um, refuse_empty

SectionsArgument = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="SECTION|DIR...",
        help="Images, or folders of images: PNG, JPEG, TIFF and its pyramids, OME-Zarr or CZI; grey or RGB(A).",
        parser=parse_path,
        show_default=False,
    ),
]
OutOption = Annotated[
    Path,
    typer.Option(
        "--out",
        help="Folder of the results; with several sections, a folder in it for each.",
        metavar="DIR",
        parser=parse_path,
    ),
]
ManifestOption = Annotated[
    Path | None,
    typer.Option(
        "--manifest",
        help="Instead of sections: a table with a row for each, in the columns section and, where it has any, "
        "position_um, anchoring, pixel_size_um, channel, flip, rotate, invert, hemisphere, mask, out. "
        "Options hold where a cell is empty.",
        metavar="FILE.csv",
        parser=parse_path,
    ),
]
PositionOption = Annotated[
    float | None,
    typer.Option(
        "--position-um",
        help="Coronal position in um from the atlas's anterior end.  [default: searched for]",
        metavar="P",
        parser=parse_um,
    ),
]
AnchoringOption = Annotated[
    Path | None,
    typer.Option(
        "--anchoring",
        help="Instead of a position: a QuickNII or DeepSlice file (JSON, XML, CSV) that names the sections.",
        metavar="FILE",
        parser=parse_path,
    ),
]
TiltOption = Annotated[
    str,
    typer.Option(
        "--tilt",
        help="How far from coronal the sections were cut, degrees about the DV axis (positive: the animal's left lies "
        "farther back) and about the ML axis (positive: the bottom lies farther back). auto finds that of a series and "
        "takes a section alone for coronal.",
        metavar="auto|none|DV,ML",
    ),
]
PixelSizeOption = Annotated[
    str | None,
    typer.Option(
        "--pixel-size-um",
        help="Size of a section's pixel in um, across and down; not with an anchoring, which implies its own.  "
        "[default: what the file states, else estimated from the tissue's extent]",
        metavar="X[,Y]",
    ),
]
ChannelOption = Annotated[
    int | None, typer.Option("--channel", min=0, help="Which channel of a multi-channel image, from 0.", metavar="N")
]
HemisphereOption = Annotated[
    str,
    typer.Option(
        "--hemisphere",
        help="Which of the animal's hemispheres the sections show; auto finds out.",
        metavar="auto|both|left|right",
    ),
]
MaskOption = Annotated[
    Path | None,
    typer.Option(
        "--mask",
        help="Image of the section's size or proportions, 0 where the section does not count; of several sections, a "
        "folder of such images with the sections' names.",
        metavar="FILE|DIR",
        parser=parse_path,
    ),
]
AutoOrientOption = Annotated[
    bool,
    typer.Option(
        "--auto-orient",
        help="Turn or mirror sections where they fit clearly better so. Otherwise that is only reported.",
    ),
]
SeriesOption = Annotated[
    bool,
    typer.Option(
        "--series",
        help="The sections are of one brain, evenly spaced: their positions are found together, by the numbers in "
        "names such as x_s012.png, else by their order.",
    ),
]
GlobalModelOption = Annotated[
    Path | None,
    typer.Option(
        "--global-model",
        help="Model that atlalign-train global made, or 'default'. Without either model: both default ones.",
        metavar="M",
        parser=parse_path,
    ),
]
LocalModelOption = Annotated[
    Path | None,
    typer.Option(
        "--local-model",
        help="Model that atlalign-train local made, or 'default'.",
        metavar="M",
        parser=parse_path,
    ),
]
ExportOption = Annotated[
    str,
    typer.Option(
        "--export",
        help="Also write for other tools, several with commas: brainglobe, itk, ome, qupath or qupath-abba, quint.",
        metavar="NAMES",
    ),
]
RefineOption = Annotated[
    int,
    typer.Option("--refine", min=0, help="Gradient steps on each section, after the networks: 30 to 100.", metavar="N"),
]
LandmarksOption = Annotated[
    Path | None,
    typer.Option(
        "--landmarks",
        help="Table of places that must be met: x, y in px of the section; ap_um, dv_um, ml_um; section, its name.",
        metavar="FILE",
        parser=parse_path,
    ),
]
LandmarksSmoothingOption = Annotated[
    float,
    typer.Option(
        "--landmarks-smoothing",
        min=0,
        help="How far landmarks may be missed, root mean square, px of the registered image.",
        metavar="S",
    ),
]
VariationsOption = Annotated[
    int,
    typer.Option(
        "--variations",
        min=0,
        help="Also register so many variations of each section, to see where the networks are not sure; 6 will do.",
        metavar="N",
    ),
]
WorkersOption = Annotated[
    int, typer.Option("--workers", min=1, help="Number of processes, each with models of its own.", metavar="N")
]
DaskOption = Annotated[
    str | None,
    typer.Option(
        "--dask",
        help="Let the workers of a running Dask cluster do it; they must see all files under the same paths.",
        metavar="ADDRESS",
        callback=refuse_empty,
    ),
]
RedoOption = Annotated[
    bool, typer.Option("--redo", help="Register again what an earlier call has done with the same options.")
]
ReportOption = Annotated[
    bool, typer.Option("--report", help="Also write report.html: all sections, their pictures, numbers and flags.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the quality of each section as JSON.")]
