"""Kill writers at random moments; run by test_writers.py in a process of its own, which forks.

Arguments: a folder, how many kills for each writer. Prints, as JSON, what each writer left that is neither what was
there before nor what it was writing.
"""

import json
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from atlalign import Atlas, DisplacementField, register
from atlalign.dataset import Attributes, create_dataset
from atlalign.export.itk import write_field_nrrd
from atlalign.registration import RegistrationFiles
from atlalign.report import write_page
from atlalign.run_folder import RunFolder
from atlalign.section import Section
from atlalign.training.provenance import write_provenance

SIZE = (300, 400)


class Writer(NamedTuple):
    """A writer of one of two contents, 0 and 1, and a reader that says which of them it finds."""

    write: Callable[[Path, int], Any]
    read: Callable[[Path], int]


def nothing(reference, moving):
    """Register by not moving."""
    return np.zeros((*reference.shape, 2))


def registrations():
    """Return two registrations that differ in their sections."""
    atlas = Atlas.load("phantom:200")
    image = (255 * atlas.reference_plane(6000)).astype(np.uint8)
    sections = (Section(image, 200), Section(image[:-5], 200))
    return [register(section, atlas, position_um=6000, local_model=nothing) for section in sections]


def write_dataset(path: Path, which: int) -> None:
    """Write a dataset of one sample."""
    columns = {"img": np.full((1, *SIZE), 1 + which, np.uint8), "p": [6000], "image_id": [1], "dataset_id": [1]}
    fields = {name: np.zeros((1, *SIZE, 2), np.float16) for name in ("deltas_xy", "inv_deltas_xy")}
    with create_dataset(path, 1, SIZE, Attributes(atlas="phantom")) as file:
        for name, values in (columns | fields).items():
            file[name][:] = values


def read_dataset(path: Path) -> int:
    """Return which dataset it is."""
    from atlalign.dataset import open_dataset

    with open_dataset(path) as file:
        (which,) = np.unique(file["img"][:]) - 1
    return int(which)


def writers() -> dict[str, Writer]:
    """Return the writers by the name of the file or folder that they write."""
    both = registrations()
    heights = [one.section.shape[0] for one in both]
    fields = [DisplacementField(np.full(SIZE, float(which)), np.zeros(SIZE)) for which in (0, 1)]
    rows = [[{"epoch": epoch, "loss": float(which)} for epoch in range(200)] for which in (0, 1)]

    def read_folder(path: Path) -> int:
        # Files of a folder that exists are replaced one by one: each is whole, the record last.
        files = RegistrationFiles(path)
        files.read_field()
        files.read_registered()
        files.read_areas()
        files.read_labels()
        return heights.index(files.read_record()["section"]["height"])

    def read_history(path: Path) -> int:
        history = RunFolder(path).read_history()
        assert len(history) == 200
        return int(history[0]["loss"])

    return {
        "field.npy": Writer(
            lambda path, which: fields[which].save(path),
            lambda path: int(DisplacementField.from_file(path).delta_x[-1, -1]),
        ),
        "field.nrrd": Writer(
            lambda path, which: write_field_nrrd(path, fields[which], 1.0),
            lambda path: int(_read_nrrd(path)[-1, -1]),
        ),
        "pairs.h5": Writer(write_dataset, read_dataset),
        "results": Writer(lambda path, which: both[which].save(path), read_folder),
        "areas.geojson": Writer(_write_qupath(both), _read_qupath),
        "page.html": Writer(
            lambda path, which: write_page(path, "page", [str(which)] * 20_000, {}),
            lambda path: _the_one({int(part[0]) for part in path.read_text().split("<p>")[1:]}),
        ),
        "run": Writer(lambda path, which: RunFolder(_made(path)).write_history(rows[which]), read_history),
        "provenance.json": Writer(
            lambda path, which: write_provenance(path, {"which": [which] * 50_000}),
            lambda path: _the_one(set(json.loads(path.read_text())["which"])),
        ),
    }


def _made(path: Path) -> Path:
    path.mkdir(exist_ok=True)
    return path


def _the_one(found: set[int]) -> int:
    (one,) = found
    return one


def _read_nrrd(path: Path):
    from atlalign.export.itk import read_field_nrrd

    return read_field_nrrd(path)[0].delta_x


def _write_qupath(both):
    from atlalign.export.qupath import write_qupath

    return lambda path, which: write_qupath(path, both[which])


def _read_qupath(path: Path) -> int:
    from atlalign.export.qupath import read_qupath

    assert read_qupath(path)
    return 0


def in_child(act: Callable[[], None]) -> int:
    """Start a process that acts, and return its number."""
    number = os.fork()
    if number == 0:
        try:
            act()
        finally:
            os._exit(0)
    return number


def kill_once(writer: Writer, path: Path, rng: random.Random) -> str | None:
    """Let a process write one content after the other, kill it, and return what is wrong with what it left."""

    def write_on() -> None:
        while True:
            for which in (0, 1):
                writer.write(path, which)

    child = in_child(write_on)
    time.sleep(rng.uniform(0.01, 0.25))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    try:
        found = writer.read(path)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None if found in (0, 1) else f"found {found}"


def fill_up(writer: Writer, path: Path) -> str | None:
    """Write where there is room for 1000 bytes a file, and return what is wrong with what is there afterwards."""
    before = writer.read(path)
    read_end, write_end = os.pipe()

    def write() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
        try:
            writer.write(path, 1 - before)
        except (OSError, ValueError) as error:
            os.write(write_end, type(error).__name__.encode()[:50])

    os.waitpid(in_child(write), 0)
    os.close(write_end)
    with os.fdopen(read_end) as answer:
        if not answer.read():
            return "the writer did not say that there is no room"
    left = sorted(entry.name for entry in path.parent.iterdir() if entry.name.startswith("."))
    if left:
        return f"it left {left}"
    return None if writer.read(path) == before else "what was there before is gone"


def main() -> None:
    """Go through the writers."""
    folder, n_kills = Path(sys.argv[1]), int(sys.argv[2])
    rng = random.Random(0)
    wrong: dict[str, list[str]] = {}
    for name, writer in writers().items():
        path = folder / name
        writer.write(path, 0)
        found = [kill_once(writer, path, rng) for _ in range(n_kills)]
        for entry in path.parent.iterdir():
            if entry.name.startswith("."):  # what a killed process could not take away
                _remove(entry)
        found.append(fill_up(writer, path))
        wrong[name] = [what for what in found if what]
    sys.stdout.write(json.dumps(wrong))


def _remove(path: Path) -> None:
    import shutil

    shutil.rmtree(path) if path.is_dir() else path.unlink()


if __name__ == "__main__":
    main()
