"""Time the augmentation of labelled pairs against the same steps made with SciPy, in one run.

Both deform the same simulated pairs: find edges, stretch them at 6 points, compose with the label, anchor, invert,
count folded pixels, warp the image, and try again if the field is refused. The alternative interpolates with SciPy's
Rbf at every pixel, composes with map_coordinates, and inverts with SciPy's griddata: once between all pixels, which is
about as exact as ours, and once between one pixel in 8 each way, which is off by a third of a pixel.

Numbers are medians over rows of the processor's time, in one thread: what a row costs a core.

    python scripts/benchmark_augmentation.py --json ratios.json
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from scipy.interpolate import Rbf, griddata
from scipy.ndimage import map_coordinates
from skimage.feature import canny

from atlalign.augmentations import DatasetAugmenter
from atlalign.augmentations.pair import LabelledPair, Recipe
from atlalign.base import DisplacementField
from atlalign.dataset import open_dataset
from atlalign.simulate import DEFORMATIONS, simulate_dataset

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
N_PAIRS = 6
RECIPE = Recipe(anchor=True, p_reg=0.5, max_corrupted_pixels=500, max_trials=5)


class WithSciPy:
    """The same steps with SciPy's general-purpose interpolators; fields are (h, w, 2)."""

    def __init__(self, shape: tuple[int, int], ds_f: int):
        height, width = shape
        self.shape, self.ds_f = shape, ds_f
        self.y, self.x = np.mgrid[:height, :width].astype(float)
        self.corners = np.array([[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]])

    def deform(self, pair: LabelledPair, rng: np.random.Generator) -> tuple | None:
        """Return image, label and inverse of a deformed pair."""
        label, inverse = pair.label.deltas_xy, pair.inverse.deltas_xy
        from_registered = rng.random() < RECIPE.p_reg
        start = pair.label.warp(pair.img) if from_registered else pair.img
        candidates = np.argwhere(canny(start / start.max()))[:, ::-1]
        for _ in range(RECIPE.max_trials):
            points = rng.choice(candidates, 6, replace=False)
            radius = rng.normal(0.7, 0.3) * rng.uniform(0, 60 * self.shape[1] / 456, 6)
            angle = rng.uniform(0, 2 * np.pi, 6)
            new_inverse = self.interpolate(points, np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1))
            if not from_registered:
                new_inverse = self.compose(inverse, new_inverse)
            new_inverse = self.anchor(new_inverse)
            new_label = self.invert(new_inverse)
            folded = [
                (DisplacementField.from_deltas_xy(field).jacobian < 0).sum() for field in (new_label, new_inverse)
            ]
            if max(folded) < RECIPE.max_corrupted_pixels:
                whole = self.compose(label, new_inverse)
                at = [self.y + whole[..., 1], self.x + whole[..., 0]]
                return map_coordinates(pair.img, at, order=1), new_label, new_inverse
        return None

    def interpolate(self, points_xy: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Interpolate displacements, none at the corners."""
        points = np.concatenate([points_xy, self.corners])
        values = np.concatenate([values, np.zeros((4, 2))])
        return np.stack([Rbf(*points.T, v, function="linear")(self.x, self.y) for v in values.T], axis=-1)

    def anchor(self, deltas: np.ndarray) -> np.ndarray:
        """Interpolate between displacements about 50 px apart (at a width of 456 px)."""
        spacing = round(50 * self.shape[1] / 456)
        rows, columns = (np.arange(round(0.05 * size), round(0.95 * size), spacing) for size in self.shape)
        x, y = (axis.ravel() for axis in np.meshgrid(columns, rows))
        return self.interpolate(np.stack([x, y], axis=-1), deltas[y, x])

    def compose(self, outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
        """Return x -> outer(inner(x))."""
        at = [self.y + inner[..., 1], self.x + inner[..., 0]]
        return inner + np.stack([map_coordinates(outer[..., i], at, order=1, mode="nearest") for i in (0, 1)], axis=-1)

    def invert(self, deltas: np.ndarray) -> np.ndarray:
        """Interpolate between where pixels are sent; outside their hull take the nearest."""
        some = np.s_[:: self.ds_f, :: self.ds_f]
        part = deltas[some]
        sent_to = np.stack([(self.x[some] + part[..., 0]).ravel(), (self.y[some] + part[..., 1]).ravel()], axis=-1)
        grid = (self.x, self.y)
        found = griddata(sent_to, -part.reshape(-1, 2), grid)
        outside = ~np.isfinite(found[..., 0])
        at = (self.x[outside], self.y[outside])
        found[outside] = griddata(sent_to, -part.reshape(-1, 2), at, method="nearest")
        return found


def times_ms(function: Callable[[int], object], rows: range) -> list[float]:
    """Return the processor's time for each row, after one row that does not count."""
    function(rows[0])
    times = []
    for row in rows:
        start = time.process_time()
        function(row)
        times.append(1e3 * (time.process_time() - start))
    return times


def measure(folder: Path, deformation: str, shape: tuple[int, int], n_rows: int) -> dict[str, float | str]:
    """Simulate pairs and augment them in each way."""
    path = folder / f"{deformation}.h5"
    simulate_dataset(path, "phantom:100", n=N_PAIRS, shape=shape, deformation=deformation, random_state=0)
    with open_dataset(path) as file:
        data = [[file[name][i] for name in ("img", "deltas_xy", "inv_deltas_xy")] for i in range(N_PAIRS)]

    def pair(row: int) -> LabelledPair:
        return LabelledPair(*data[row % N_PAIRS])

    def own(row: int) -> object:
        return pair(row).deform(RECIPE, np.random.default_rng(row))

    result: dict[str, float | str] = {"pairs": deformation, "ms": float(np.median(times_ms(own, range(10 * n_rows))))}
    for name, ds_f in (("all_pixels", 1), ("one_in_8", 8)):
        alternative = WithSciPy(shape, ds_f)
        times = times_ms(lambda row, way=alternative: way.deform(pair(row), np.random.default_rng(row)), range(n_rows))
        result |= {f"scipy_{name}_ms": float(np.median(times)), f"ratio_{name}": float(np.median(times)) / result["ms"]}
    n_iter = -(-10 * n_rows // N_PAIRS)
    start = time.process_time()
    copies = DatasetAugmenter(path).augment(folder / "augmented.h5", n_iter, random_state=0)
    result["augment_ms_a_row"] = 1e3 * (time.process_time() - start) / (n_iter * N_PAIRS)
    return result | {"share_of_copies": copies / (n_iter * N_PAIRS)}


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", type=int, nargs=2, default=(320, 456), metavar=("H", "W"), help="default: 320 456")
    parser.add_argument("--rows", type=int, default=7, help="rows of the alternative; ten times of ours (default: 7)")
    parser.add_argument("--json", metavar="FILE", help="also write the numbers as JSON; - prints JSON alone")
    arguments = parser.parse_args()
    if arguments.rows < 1 or min(arguments.shape) < 64:
        parser.error("--rows must be at least 1 and both sides of --shape at least 64.")
    if any(os.environ.get(variable) != "1" for variable in THREAD_VARIABLES):  # NumPy reads them when it is imported
        os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
        os.execv(sys.executable, [sys.executable, *sys.argv])
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        shape = (arguments.shape[0], arguments.shape[1])
        results = [measure(Path(folder), deformation, shape, arguments.rows) for deformation in DEFORMATIONS]
    if arguments.json == "-":
        json.dump(results, sys.stdout, indent=2)
        return
    for result in results:
        print(f"{result['pairs']} pairs: {result['ms']:.1f} ms a row")
        for name in ("all_pixels", "one_in_8"):
            against = f"SciPy Rbf and griddata of {name.replace('_', ' ')} ({result[f'scipy_{name}_ms']:.0f} ms)"
            print(f"    {result[f'ratio_{name}']:6.1f} x faster than {against}")
        print(f"    whole augment, files included: {result['augment_ms_a_row']:.1f} ms a row", end="")
        print(f", {result['share_of_copies']:.0%} copies")
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
