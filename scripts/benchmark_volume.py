"""Time the interpolation between sections against SciPy's interp1d, pixel by pixel, in one run.

The alternative would take seconds to minutes for a whole volume: it is timed on pixels drawn at random, and its time is
scaled by the number of pixels. It does the same work for each of them, so that only the time for its output array is
left out, in its favour. Results on those pixels are compared. Ratios matter, not milliseconds: run it on a quiet
machine.

    python scripts/benchmark_volume.py --json ratios.json
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
from scipy.interpolate import interp1d

from atlalign.volume import CoronalInterpolator, GappedVolume


def make_sections(n: int, shape: tuple[int, int], n_planes: int, damage: str) -> GappedVolume:
    """Draw sections; a tenth of their pixels is NaN: scattered, or in one rectangle a section, as a tear leaves it."""
    generator = np.random.default_rng(0)
    numbers = generator.choice(n_planes, n, replace=False)
    imgs = generator.random((n, *shape), dtype=np.float32)
    if damage == "scattered":
        imgs[generator.random(imgs.shape, dtype=np.float32) < 0.1] = np.nan
    elif damage == "torn":
        height, width = (round(0.1**0.5 * size) for size in shape)
        for img in imgs:
            top, left = generator.integers(0, (shape[0] - height + 1, shape[1] - width + 1))
            img[top : top + height, left : left + width] = np.nan
    return GappedVolume(numbers, imgs)


def pixel_by_pixel(gv: GappedVolume, pixels: np.ndarray, n_planes: int, kind: str) -> np.ndarray:
    """Interpolate some pixels as SciPy does, each without its NaN."""
    planes = np.arange(n_planes)
    out = np.empty((n_planes, len(pixels)), np.float32)
    for i, (row, column) in enumerate(pixels):
        values = gv.imgs[:, row, column]
        known = ~np.isnan(values)
        function = interp1d(gv.sn[known], values[known], kind=kind, fill_value=0, bounds_error=False)
        out[:, i] = function(planes)
    return out


def measure(gv: GappedVolume, kind: str, n_planes: int, n_pixels: int, repeats: int) -> dict[str, float | str]:
    """Time both ways and compare their results."""
    interpolator = CoronalInterpolator(kind)
    volume = interpolator.interpolate(gv, n_planes)
    pixels = np.random.default_rng(1).integers(0, gv.shape, (n_pixels, 2))
    times, scipy_times, expected = [], [], []
    # In turns, so that both see the same machine.
    for part in np.array_split(pixels, repeats):
        start = time.perf_counter()
        interpolator.interpolate(gv, n_planes)
        times.append(time.perf_counter() - start)
        start = time.perf_counter()
        expected.append(pixel_by_pixel(gv, part, n_planes, kind))
        scipy_times.append((time.perf_counter() - start) / len(part))
    own, other = float(np.median(times)), float(np.median(scipy_times)) * gv.shape[0] * gv.shape[1]
    error = float(np.abs(volume[:, pixels[:, 0], pixels[:, 1]] - np.concatenate(expected, axis=1)).max())
    return {
        "share_nan": float(np.isnan(gv.imgs).mean()),
        "ms": 1e3 * own,
        "interp1d_ms_scaled": 1e3 * other,
        "ratio": other / own,
        "largest_difference": error,
    }


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--shape", type=int, nargs=2, default=(320, 456), metavar=("H", "W"), help="px (default: 320 456)"
    )
    parser.add_argument("--sections", type=int, default=55, help="sections with an image (default: 55)")
    parser.add_argument("--planes", type=int, default=528, help="planes of the volume (default: 528)")
    parser.add_argument("--pixels", type=int, default=3000, help="pixels that interp1d is timed on (default: 3000)")
    parser.add_argument("--repeats", type=int, default=7, help="calls that a median is of (default: 7)")
    parser.add_argument("--json", metavar="FILE", help="also write the rows as JSON; - prints JSON alone")
    arguments = parser.parse_args()
    if (
        not 4 <= arguments.sections <= arguments.planes
        or min(arguments.pixels, arguments.repeats, *arguments.shape) < 1
    ):
        parser.error("--sections must be from 4 to --planes, and the other numbers at least 1.")

    rows: list[dict[str, float | str]] = []
    for kind in ("linear", "nearest", "cubic"):
        for damage in ("whole",) if kind == "cubic" else ("whole", "torn", "scattered"):
            gv = make_sections(arguments.sections, tuple(arguments.shape), arguments.planes, damage)
            row = measure(gv, kind, arguments.planes, arguments.pixels, arguments.repeats)
            rows.append({"kind": kind, "damage": damage} | row)
    if arguments.json == "-":
        json.dump(rows, sys.stdout, indent=2)
        return
    for row in rows:
        what = f"{row['kind']}, {row['damage']} ({100 * float(row['share_nan']):.0f} % NaN)"
        print(f"{what:28} {row['ms']:8.0f} ms   {row['ratio']:6.0f} x faster than interp1d", end="")
        print(f" (scaled: {row['interp1d_ms_scaled']:.0f} ms; largest difference {row['largest_difference']:.1e})")
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
