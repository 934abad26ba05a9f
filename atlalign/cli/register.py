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
    hemisphere: Annotated[
        str,
        typer.Option(
            help="Which of the animal's hemispheres the sections show; auto finds out.",
            metavar="auto|both|left|right",
        ),
    ] = "auto",
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
    export: Annotated[
        str,
        typer.Option(
            help="Also write for other tools, several with commas: brainglobe, itk, ome, qupath or qupath-abba, quint.",
            metavar="NAMES",
        ),
    ] = "",
    refine: Annotated[
        int, typer.Option(min=0, help="Gradient steps on each section, after the networks: 30 to 100.", metavar="N")
    ] = 0,
    landmarks: Annotated[
        Path | None,
        typer.Option(
            help="Table of places that must be met: x, y in px of the section; ap_um, dv_um, ml_um; section, its name.",
            metavar="FILE",
            parser=parse_path,
        ),
    ] = None,
    landmarks_smoothing: Annotated[
        float,
        typer.Option(
            "--landmarks-smoothing",
            min=0,
            help="How far landmarks may be missed, root mean square, px of the registered image.",
            metavar="S",
        ),
    ] = 0.0,
    variations: Annotated[
        int,
        typer.Option(
            min=0,
            help="Also register so many variations of each section, to see where the networks are not sure; 6 will do.",
            metavar="N",
        ),
    ] = 0,
    report: Annotated[
        bool, typer.Option("--report", help="Also write report.html: all sections, their pictures, numbers and flags.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the quality of each section as JSON.")] = False,
) -> None:
    """Register sections to an atlas.

    Each result folder holds the registered image, the structure of each pixel at the section's own size
    (labels.tif), the field both ways, structure areas, an overlay with outlines, and a record of it all.

    Example: atlalign register s1.tif --atlas allen_mouse_25um --position-um 5400 --pixel-size-um 10 --out s1
    """
    from atlalign._progress import track
    from atlalign.atlas import Atlas
    from atlalign.registration.exporting import check_exports
    from atlalign.registration.placing import check_hemisphere
    from atlalign.section import Section

    check_hemisphere(hemisphere)
    exports = check_exports([name.strip() for name in export.split(",") if name.strip()])
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
    pairs = _landmarks(sections, landmarks)
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

    page = out / "report.html"
    if report and page.is_dir():
        raise IsADirectoryError(
            f"A report must be a file. Received a folder: {page}. Remove it, or choose another --out."
        )
    registrar = Registrar(loaded_atlas, global_model=global_model, local_model=local_model, refine=refine)
    for path, folder in track(list(zip(sections, folders, strict=True)), "Registering sections"):
        given: dict[str, Any] = {"plane": planes[path]} if anchoring else {"position_um": position_um}
        given |= {"landmarks": pairs.get(path), "landmarks_smoothing": landmarks_smoothing}
        given |= {"hemisphere": hemisphere, "variations": variations}
        section = first if len(sections) == 1 else read(path)
        registration = registrar.register(section, **given)
        registration.save(folder, exports)
        steps = {step.name: step.quality for step in registration.steps if step.quality}
        _report(path, folder, registration.quality(), steps, as_json)
    if report:
        from atlalign.report import write_report

        write_report(page, track(folders, "Writing the report"), atlas=loaded_atlas)


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
    files = RegistrationFiles(folder)
    for file in vars(files).values():
        if file not in (folder, files.brainglobe, files.itk) and file.is_dir():
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


def _landmarks(sections: list[Path], file: Path | None) -> dict:
    """Return the landmarks of each section that has some."""
    if file is None:
        return {}
    from atlalign.registration.landmark_files import read_landmark_pairs

    table = read_landmark_pairs(file)
    if len(sections) > 1 and not table.names_sections:
        raise ValueError(
            "Landmarks of several sections need a column section, with the name of the image. "
            f"Received: {file} without it, for {len(sections)} sections. Add it."
        )
    found = {path: table.of(path.name) for path in sections}
    if not any(found.values()):
        raise ValueError(
            f"A table of landmarks must name a section of the call. Received: {file} with "
            f"{', '.join(list(table.by_section)[:5])}. Name images as their files are."
        )
    return found


def _report(path: Path, folder: Path, quality: dict, steps: dict, as_json: bool) -> None:
    if as_json:
        record = {"section": str(path), "out": str(folder), "quality": quality, "steps": steps}
        typer.echo(json.dumps(record))
        return
    before, after = (quality[f"tissue_overlap_{when}"]["value"] for when in ("before", "after"))
    typer.echo(f"{path.name}: tissue overlap {before:.3f} -> {after:.3f}, results in {folder}")
    for entries in (quality, *steps.values()):
        for entry in entries.values():
            if entry["flag"]:
                typer.echo(f"  note: {entry['flag']}")
