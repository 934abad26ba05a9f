"""`atlalign label`: label and correct in the browser."""

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atlalign.cli.options import (
    FlipOption,
    InvertOption,
    RotateOption,
    parse_numbers,
    parse_path,
    parse_um,
    refuse_empty,
)

if TYPE_CHECKING:
    from atlalign.label import LabelFolder


def label_command(
    what: Annotated[
        list[Path],
        typer.Argument(
            metavar="WHAT...",
            help="A section's image, a folder that atlalign register wrote, a series of QuickNII or VisuAlign, or REF "
            "MOV OUT: two pictures and a folder.",
            parser=parse_path,
        ),
    ],
    atlas: Annotated[
        str | None,
        typer.Option(
            "--atlas",
            help="Of a section or a series: a folder with an atlas.toml, the name of an installed BrainGlobe atlas, or "
            "phantom. A result folder knows its own.",
            metavar="ATLAS",
            callback=refuse_empty,
        ),
    ] = None,
    position_um: Annotated[
        float | None,
        typer.Option(
            "--position-um",
            help="Of a section: position in um from the anterior end, to begin with.",
            metavar="P",
            parser=parse_um,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the results of a section or a series.  [default: the name of the section or series]",
            metavar="DIR",
            parser=parse_path,
        ),
    ] = None,
    images: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder of the sections' images; may be given several times. Besides these, the folders around the "
            "results and the current one are looked at, and where each was registered.",
            metavar="DIR",
            parser=parse_path,
        ),
    ] = None,
    networks: Annotated[
        bool, typer.Option("--networks", help="Let the default networks register a section first.")
    ] = False,
    pixel_size_um: Annotated[
        str | None,
        typer.Option(
            "--pixel-size-um", help="Of a section: size of its pixel in um, across and down.", metavar="X[,Y]"
        ),
    ] = None,
    channel: Annotated[
        int | None, typer.Option(min=0, help="Which channel of multi-channel images, from 0.", metavar="N")
    ] = None,
    flip: FlipOption = None,
    rotate: RotateOption = 0,
    invert: InvertOption = None,
    person: Annotated[
        str | None,
        typer.Option(help="Who corrects: names the files of what is said.  [default: the user of this computer]"),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")] = 0,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page, or only print its address.")
    ] = True,
    apply: Annotated[
        bool,
        typer.Option("--apply", help="Open no page: write the results of all sections that were changed, and stop."),
    ] = False,
    export: Annotated[
        str,
        typer.Option(
            help="With --apply, also write for other tools, several with commas: brainglobe, itk, ome, qupath or "
            "qupath-abba, quint.",
            metavar="NAMES",
        ),
    ] = "",
) -> None:
    """Label a section, or correct what the networks made of it, in the browser.

    The page is served on this computer only, under an address that nobody can guess. Every change is saved at once.

    Example: atlalign label s1.tif --atlas allen_mouse_25um --position-um 5400 --out s1
    """
    from atlalign.label.folder import require_shown
    from atlalign.label.opening import images_of
    from atlalign.label.saving import check_person
    from atlalign.registration.exporting import check_exports

    exports = check_exports([name.strip() for name in export.split(",") if name.strip()])
    if exports and not apply:
        raise ValueError(f"--export goes with --apply. Received: --export {export} alone. Add --apply.")
    who = check_person(getpass.getuser() if person is None else person)
    if not apply:
        import atlalign.label.server  # noqa: F401 - says what is missing before any work
    size = None if pixel_size_um is None else parse_numbers(pixel_size_um, "--pixel-size-um")
    folder = _open(
        what,
        atlas,
        out,
        images_of(images or []),
        channel,
        position_um=position_um,
        networks=networks,
        pixel_size_um=size[0] if size and len(size) == 1 else size,
        flip=flip,
        rotate=rotate,
        invert=invert,
    )
    if apply:
        _apply(folder, exports)
    else:
        require_shown(folder)
        _serve(folder, who, port, browser)


def _open(
    what: list[Path],
    atlas: str | None,
    out: Path | None,
    images: list[Path],
    channel: int | None,
    *,
    networks: bool,
    **of_section: Any,
) -> "LabelFolder":
    from atlalign.label import LabelFolder
    from atlalign.label.opening import SERIES, start_pictures, start_section, start_series

    if len(what) == 3:
        return start_pictures(*what)
    if len(what) != 1:
        raise ValueError(
            "Give one thing to label, or three: REF MOV OUT. "
            f"Received: {len(what)}. Several sections are labelled in the folder that atlalign register makes of them."
        )
    [path] = what
    if path.is_dir():
        return LabelFolder(path, images, channel)
    if path.suffix.lower() in SERIES:
        if atlas is None or not images:
            raise ValueError(
                f"A series needs an atlas and its images. Received: {path} without "
                f"{'--atlas' if atlas is None else '--images'}. Give both."
            )
        from atlalign._progress import track

        folder, left_out = start_series(
            path,
            images[0],
            atlas,
            Path(path.stem) if out is None else out,
            channel=channel,
            progress=lambda sections: track(sections, "Opening sections"),
        )
        for name, reason in left_out.items():
            typer.echo(f"Left out {name}: {reason}", err=True)
        return folder
    if networks:
        from atlalign.cli.quiet import load_keras

        load_keras()
    where = Path(path.stem) if out is None else out
    return start_section(path, atlas, where, networks=networks, channel=channel, **of_section)


def _apply(folder: "LabelFolder", exports: tuple[str, ...]) -> None:
    from atlalign._progress import track
    from atlalign.label import write_results

    said = [section for section in folder.sections if section.latest() is not None]
    for section in track(said, "Writing results"):
        write_results(section, section.load(folder.atlas), exports)
    typer.echo(f"Wrote the results of {len(said)} of {len(folder.sections)} sections to {folder.root}")


def _serve(folder: "LabelFolder", person: str, port: int, browser: bool) -> None:
    import logging

    from atlalign.label.server import LabelServer
    from atlalign.label.workspace import Workspace

    for name in ("bokeh", "tornado"):
        logging.getLogger(name).setLevel(logging.ERROR)
    workspace = Workspace(folder, person)
    server = LabelServer(workspace.open, port)
    n = len(folder.sections)
    typer.echo(f"Labelling {n} section{'s' if n > 1 else ''} of {folder.root} as {person}: {server.url}")
    typer.echo("Stop with Ctrl-C.")
    try:
        server.run(browser=browser)
    except KeyboardInterrupt:
        typer.echo("Stopped. Everything is saved; the same call goes on.")
    finally:
        workspace.wait()
