"""`atlalign register`: sections in, result folders out."""

import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from atlalign.cli.options import AtlasOption, FlipOption, InvertOption, RotateOption, parse_numbers, parse_path


def register_command(
    sections: Annotated[
        list[Path],
        typer.Argument(
            metavar="SECTION...",
            help="Images: PNG, JPEG, TIFF and its pyramids, OME-Zarr or CZI; grey or RGB(A).",
            parser=parse_path,
        ),
    ],
    atlas: AtlasOption,
    out: Annotated[
        Path,
        typer.Option(
            help="Folder of the results; with several sections, a folder in it for each.",
            metavar="DIR",
            parser=parse_path,
        ),
    ],
    position_um: Annotated[
        float | None,
        typer.Option("--position-um", help="Coronal position in um from the atlas's anterior end.", metavar="P"),
    ] = None,
    anchoring: Annotated[
        Path | None,
        typer.Option(
            help="Instead of a position: a QuickNII or DeepSlice file (JSON, XML, CSV) that names the sections.",
            metavar="FILE",
            parser=parse_path,
        ),
    ] = None,
    pixel_size_um: Annotated[
        str | None,
        typer.Option(
            "--pixel-size-um",
            help="Size of a section's pixel in um, across and down; not with an anchoring, which implies its own.  "
            "[default: what the file states, else estimated from the tissue's extent]",
            metavar="X[,Y]",
        ),
    ] = None,
    channel: Annotated[
        int | None, typer.Option(min=0, help="Which channel of a multi-channel image, from 0.", metavar="N")
    ] = None,
    flip: FlipOption = None,
    rotate: RotateOption = 0,
    invert: InvertOption = None,
    global_model: Annotated[
        Path | None,
        typer.Option(
            help="Model that atlalign-train global made, or 'default'. Without either model: both default ones.",
            metavar="M",
            parser=parse_path,
        ),
    ] = None,
    local_model: Annotated[
        Path | None,
        typer.Option(help="Model that atlalign-train local made, or 'default'.", metavar="M", parser=parse_path),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the quality of each section as JSON.")] = False,
) -> None:
    """Register sections to an atlas.

    Each result folder holds the registered image, the structure of each pixel at the section's own size
    (labels.tif), the field both ways, structure areas, an overlay with outlines, and a record of it all.

    Example: atlalign register s1.tif --atlas allen_mouse_25um --position-um 5400 --pixel-size-um 10 --out s1
    """
    from atlalign._progress import track
    from atlalign.atlas import Atlas
    from atlalign.section import Section

    folders = _result_folders(sections, out)
    size = None if pixel_size_um is None else parse_numbers(pixel_size_um, "--pixel-size-um")
    pixel_size = size[0] if size and len(size) == 1 else size
    if anchoring is not None and size is not None:
        raise ValueError(
            f"--pixel-size-um goes with --position-um: an anchoring implies its own pixel size. Received: "
            f"{pixel_size_um} with --anchoring {anchoring}. Leave one of them out."
        )
    if anchoring is not None and (flip is not None or rotate):
        raise ValueError(
            "--flip and --rotate go with --position-um: an anchoring says how each image lies. Received: "
            f"{f'--flip {flip}' if flip else f'--rotate {rotate}'} with --anchoring {anchoring}. Leave one of them out."
        )
    loaded_atlas = Atlas.load(atlas)
    planes = _planes(sections, position_um, anchoring, loaded_atlas)

    def read(path: Path) -> Section:
        how: Any = {"flip": flip, "rotate": rotate, "invert": invert}
        return Section.read(path, pixel_size_um=pixel_size, channel=channel, **how)

    for path in sections:  # what cannot be read or is blank is refused before any work, the last of a series too
        first = read(path)
        _ = first.tissue_box

    from atlalign.cli.quiet import load_keras

    load_keras()
    from atlalign.registration import Registrar

    registrar = Registrar(loaded_atlas, global_model=global_model, local_model=local_model)
    for path, folder in track(list(zip(sections, folders, strict=True)), "Registering sections"):
        where = {"plane": planes[path]} if anchoring else {"position_um": position_um}
        section = first if len(sections) == 1 else read(path)
        registration = registrar.register(section, **where)
        registration.save(folder)
        _report(path, folder, registration.quality(), as_json)


def _result_folders(sections: list[Path], out: Path) -> list[Path]:
    """Return where the results of each section go, having seen that nothing is in their way."""
    folders = [out] if len(sections) == 1 else _folders_in(out, sections)
    for folder in folders:
        _require_free(folder)
    return folders


def _require_free(folder: Path) -> None:
    from atlalign.registration.files import RegistrationFiles

    for path in (folder, *folder.parents):
        if path.exists() and not path.is_dir():
            raise NotADirectoryError(f"The output must be a folder. Received a file: {path}. Choose another name.")
    for file in vars(RegistrationFiles(folder)).values():
        if file != folder and file.is_dir():
            raise IsADirectoryError(
                f"A result must be a file. Received a folder: {file}. Remove it or choose another output."
            )


def _folders_in(out: Path, sections: list[Path]) -> list[Path]:
    name, count = Counter(path.stem for path in sections).most_common(1)[0]
    if count > 1:
        raise ValueError(
            f"Sections registered together need different names. Received: {count} called {name}. Rename them."
        )
    return [out / path.stem for path in sections]


def _planes(sections: list[Path], position_um, anchoring, atlas) -> dict:
    """Check where the sections lie, and return their oblique planes if a file says so."""
    if (position_um is None) == (anchoring is None):
        received = "neither" if anchoring is None else "both"
        raise ValueError(f"Give one of --position-um and --anchoring. Received: {received}.")
    if anchoring is None:
        atlas.plane(position_um)  # refuses a position outside the atlas
        return {}
    from atlalign.plane_io import read_anchorings

    known = read_anchorings(anchoring, extent_um=atlas.shape_um)
    for path in sections:
        if path.name not in known:
            raise ValueError(
                f"The anchoring file must name every section. Received: {path.name}, which is not among the "
                f"{len(known)} in {anchoring}. Rename the image or give --position-um."
            )
    return {path: known[path.name] for path in sections}


def _report(path: Path, folder: Path, quality: dict, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"section": str(path), "out": str(folder), "quality": quality}))
        return
    before, after = (quality[f"tissue_overlap_{when}"]["value"] for when in ("before", "after"))
    typer.echo(f"{path.name}: tissue overlap {before:.3f} -> {after:.3f}, results in {folder}")
    for entry in quality.values():
        if entry["flag"]:
            typer.echo(f"  note: {entry['flag']}")
