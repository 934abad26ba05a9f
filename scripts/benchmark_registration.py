r"""Time the registration of one section, and its memory, beside ANTs and elastix on the same pair and machine.

Each method runs in a process of its own, alone. It registers the section twice over: from two arrays in memory to the
field, and from the file to the folder of results, which is read, placed, registered and written with labels, areas,
overlay and quality. Times are medians of --repeats calls after one that does not count, in which models load. Peaks of
memory are those that the operating system counts (ru_maxrss); "identity", which moves nothing, is what all of it takes
without a registration. "x as long" is the time from arrays to field against that of both networks.

Without --section, one is simulated from a plane of the atlas, on 25 um pixels.

Example:
    python scripts/benchmark_registration.py --atlas ../shared/atlas/ccf_2017
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from accuracy.methods import METHODS, make_methods
from accuracy.progress import say
from accuracy.tables import markdown, number
from timing import median_seconds

OURS = "global+local"
DEFAULT_METHODS = ("identity", "ants_affine", "ants_syn", "elastix_affine", "elastix_bspline", "global", OURS)
PIXEL_UM = 25


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--atlas", default="phantom:25", help="a BrainGlobe name, a folder or a phantom: %(default)s")
    parser.add_argument("--section", type=Path, help="an image of a section; simulated without it")
    parser.add_argument("--position-um", type=float, default=6000.0, help="where it lies, um: %(default)s")
    parser.add_argument("--pixel-size-um", type=float, help="of its pixels; what the file states without it")
    parser.add_argument("--shape", default="320x456", help="grid of the two arrays: %(default)s")
    parser.add_argument("--methods", default=",".join(DEFAULT_METHODS), help=f"some of {','.join(METHODS)}")
    parser.add_argument("--repeats", type=int, default=5, help="calls that count: %(default)s")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.alone:
        print(json.dumps(measure(given)))
        return
    names = given.methods.split(",")
    unknown = sorted(set(names) - set(METHODS))
    if unknown or given.repeats < 1:
        parser.error(f"methods must be some of {', '.join(METHODS)}, and --repeats at least 1. Received: {unknown}")
    with tempfile.TemporaryDirectory() as temporary:
        section, size = given.section, given.pixel_size_um
        if section is None:
            section, size = simulate(given, Path(temporary)), PIXEL_UM
        numbers = {}
        for name in names:
            say(f"{name} ...")
            numbers[name] = run_alone(given, name, section, size)
    print(table(numbers))
    if given.json:
        given.json.write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")


def simulate(given: argparse.Namespace, folder: Path) -> Path:
    """Write a section of the atlas that nobody has trained on, and return its path."""
    import imageio.v3 as iio

    from atlalign.atlas import Atlas
    from atlalign.simulate import simulate_pair

    pair = simulate_pair(Atlas.load(given.atlas), shape=(320, 456), deformation="both", random_state=11, damage=0)
    given.position_um = float(pair.p)
    path = folder / "section.png"
    iio.imwrite(path, pair.img)
    return path


def run_alone(given: argparse.Namespace, name: str, section: Path, pixel_um: float | None) -> dict[str, Any]:
    """Measure one method in a process of its own."""
    command = [
        sys.executable,
        __file__,
        "--alone",
        "--atlas",
        given.atlas,
        "--section",
        str(section),
        "--methods",
        name,
    ]
    command += ["--position-um", str(given.position_um), "--shape", given.shape, "--repeats", str(given.repeats)]
    command += [] if pixel_um is None else ["--pixel-size-um", str(pixel_um)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"})
    if done.returncode:
        sys.exit(f"{name} failed: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(given: argparse.Namespace) -> dict[str, float]:
    """Return the seconds of one method, and the peak of this process, MiB."""
    from atlalign import Registrar
    from atlalign.section import Section

    height, width = map(int, given.shape.split("x"))
    method = make_methods([given.methods], (height, width))[0]
    registrar = Registrar(given.atlas, local_model=method)

    def register() -> Any:
        section = Section.read(given.section, pixel_size_um=given.pixel_size_um)
        return registrar.register(section, position_um=given.position_um)

    registration = register()
    moving, reference = registration.moving, registration.reference
    arrays = median_seconds(lambda: method(reference, moving), given.repeats)
    with tempfile.TemporaryDirectory() as folder:
        whole = median_seconds(lambda: register().save(folder), given.repeats)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"arrays_s": arrays, "whole_s": whole, "peak_mib": peak / (2**20 if sys.platform == "darwin" else 2**10)}


def table(numbers: dict[str, dict[str, float]]) -> str:
    """Return the numbers as a Markdown table."""
    ours = numbers.get(OURS, {}).get("arrays_s")
    rows = [
        [
            name,
            number(found["arrays_s"], 3),
            "-" if ours is None or name == "identity" else number(found["arrays_s"] / ours, 1),
            number(found["whole_s"], 2),
            number(found["peak_mib"], 0),
        ]
        for name, found in numbers.items()
    ]
    return markdown(["method", "arrays to field, s", "x as long", "file to folder, s", "peak MiB"], rows)


if __name__ == "__main__":
    main()
