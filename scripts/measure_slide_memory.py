"""Measure the peak memory of reading a large slide and of making the networks' image of it.

A synthetic section, a smooth pattern that compresses well, is written tile by tile (or strip by strip). Then a process
of its own reads it with `Section.read` and normalises it on a grid of 320 x 456 px, and another does the same with a
section of 320 x 456 px: what they differ by is what the slide takes. Peaks are those that the operating system counts
(ru_maxrss).

    python scripts/measure_slide_memory.py --size 40000 --layout pyramid tiles strips
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

TILE = 512
MODEL_SHAPE = (320, 456)
LAYOUTS = ("pyramid", "tiles", "strips")

MEASURED = """
import resource, sys, time
import numpy as np
from atlalign.section import Section
started = time.perf_counter()
section = Section.read(sys.argv[1])
model_image = section.normalized({shape})
seconds = time.perf_counter() - started
assert 0.2 < np.mean(model_image > 0.1) < 0.8
print(section.shape, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, seconds, sep="|")
"""


def pattern(x0: int, y0: int, width: int, height: int, size: int, step: int):
    """Return a window of the section, uint8, at every `step`-th pixel: stripes in an ellipse on a bright background."""
    import numpy as np

    x = (np.arange(x0, x0 + width, dtype=np.float32) + 0.5) * step / size
    y = ((np.arange(y0, y0 + height, dtype=np.float32) + 0.5) * step / size)[:, None]
    tissue = np.hypot((x - 0.5) / 0.4, (y - 0.5) / 0.35) < 1
    return np.where(tissue, 120 + 40 * np.sin(60 * x) * np.cos(45 * y), 240).astype(np.uint8)


def parts(size: int, step: int, shape: tuple[int, int]) -> Iterator:
    """Yield the tiles, or the strips, of one level, each of `shape` where the level does not end."""
    side = -(-size // step)
    rows, columns = shape
    for y in range(0, side, rows):
        for x in range(0, side, columns):
            # a strip ends where the image does, a tile does not
            height = min(rows, side - y) if columns >= side else rows
            yield pattern(x, y, columns, height, size, step)


def write(path: Path, size: int, layout: str) -> None:
    """Write a slide."""
    import tifffile

    how = {"dtype": "uint8", "compression": "zlib", "photometric": "minisblack"}
    with tifffile.TiffWriter(path, bigtiff=True) as tif:
        if layout == "strips":
            # tifffile takes strips one by one only as they are to be stored
            strips = (zlib.compress(strip.tobytes()) for strip in parts(size, 1, (TILE, size)))
            tif.write(strips, shape=(size, size), rowsperstrip=TILE, **how)
            return
        steps = [2**n for n in range(8) if n == 0 or (layout == "pyramid" and size >= 2**n * 256)]
        for step in steps:
            side = -(-size // step)
            extra = {"subifds": len(steps) - 1} if step == 1 else {"subfiletype": 1}
            tif.write(parts(size, step, (TILE, TILE)), shape=(side, side), tile=(TILE, TILE), **extra, **how)


def measure(path: Path) -> tuple[str, float, float]:
    """Return the shape that was read, and the peak in MiB and the seconds of reading and normalising it."""
    code = MEASURED.format(shape=MODEL_SHAPE)
    answer = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    shape, peak_kib, seconds = answer.stdout.strip().split("|")
    return shape, int(peak_kib) / 1024, float(seconds)


def written(path: Path, size: int, layout: str) -> Path:
    """Write a slide in a process of its own, so that its peak is not counted for the measured ones."""
    words = [sys.executable, __file__, "--size", str(size), "--layout", layout, "--write", str(path)]
    subprocess.run(words, check=True)
    return path


def main() -> None:
    """Parse the arguments, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=40_000, help="width and height of the slide, px (default 40000)")
    parser.add_argument("--layout", nargs="+", choices=LAYOUTS, default=["pyramid"], help="how it is stored")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    parser.add_argument("--write", type=Path, metavar="FILE", help="only write the slide, and keep it")
    arguments = parser.parse_args()
    if arguments.write:
        write(arguments.write, arguments.size, arguments.layout[0])
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        small = measure(written(Path(folder) / "small.tif", MODEL_SHAPE[1], "tiles"))[1]
        print(f"a section of {MODEL_SHAPE[1]} x {MODEL_SHAPE[1]} px: {small:.0f} MiB")
        for layout in arguments.layout:
            started = time.perf_counter()
            path = written(Path(folder) / f"{layout}.tif", arguments.size, layout)
            took = time.perf_counter() - started
            shape, peak, seconds = measure(path)
            row = {"layout": layout, "shape": shape, "file_mib": path.stat().st_size / 2**20, "peak_mib": peak}
            row |= {"more_than_small_mib": peak - small, "seconds": seconds, "pixels_mib": arguments.size**2 / 2**20}
            rows.append(row)
            print(
                f"{layout}: {shape} px, {row['pixels_mib']:.0f} MiB of pixels in a file of {row['file_mib']:.0f} MiB "
                f"(written in {took:.0f} s): peak {peak:.0f} MiB, {peak - small:.0f} more, {seconds:.1f} s"
            )
            path.unlink()
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
