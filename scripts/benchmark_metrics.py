"""Time the metrics of one section against the same numbers computed label by label, in one run.

The alternative is what one writes first: scikit-image's similarity metrics, NumPy's histogram, gradient and arc cosine,
and for each depth of the hierarchy a collapsed annotation, warped twice, and two masks for each label. Both are given
the same fields and inverses, and must agree; a further line adds the time that inverting two fields takes.

Numbers are medians of the processor's time, in one thread.

    python scripts/benchmark_metrics.py --atlas path/to/ccf_2017 --json ratios.json
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity
from timing import median_seconds

from atlalign.atlas import Atlas
from atlalign.base import DisplacementField
from atlalign.metrics import dice_per_depth, evaluate_single

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
DEPTHS = tuple(range(9))
BATCH = 8
Row = dict[str, float | str]


class LabelByLabel:
    """The same metrics from scikit-image, NumPy and masks."""

    def __init__(self, atlas: Atlas, true: DisplacementField, pred: DisplacementField, image: np.ndarray, p: float):
        self.atlas, self.true, self.pred, self.image = atlas, true, pred, image
        self.inverses = true.pseudo_inverse(), pred.pseudo_inverse()
        self.annotation = atlas.annotation_plane(p, image.shape)

    def images_and_fields(self) -> dict[str, float]:
        """Compare the registered images and the fields."""
        first, second = self.true.warp(self.image), self.pred.warp(self.image)
        x, y = (np.moveaxis(df.deltas_xy, -1, 0) for df in (self.true, self.pred))
        d_dy, d_dx = np.gradient(y, axis=(1, 2))
        jacobian = (1 + d_dx[0]) * (1 + d_dy[1]) - d_dy[0] * d_dx[1]
        lengths = np.linalg.norm(x, axis=0), np.linalg.norm(y, axis=0)
        cosine = np.clip((x * y).sum(axis=0) / (lengths[0] * lengths[1]), -1, 1)
        joint = np.histogram2d(first.ravel(), second.ravel(), bins=32)[0] / first.size
        independent = np.outer(joint.sum(axis=1), joint.sum(axis=0))
        some = joint > 0
        return {
            "mse_img": mean_squared_error(first, second),
            "mae_img": np.abs(first - second).mean(),
            "psnr_img": peak_signal_noise_ratio(first, second, data_range=1),
            "ssmi_img": structural_similarity(first, second, data_range=1),
            "histogram_mi": np.sum(joint[some] * np.log(joint[some] / independent[some])),
            "cc_img": np.corrcoef(first.ravel(), second.ravel())[0, 1] ** 2,
            "norm": lengths[1].mean(),
            "corrupted_pixels": np.mean(jacobian < 0),
            "euclidean_distance": np.linalg.norm(x - y, axis=0).mean(),
            "angular_error": np.average(np.rad2deg(np.arccos(cosine)), weights=lengths[0]),
        }

    def annotations(self) -> dict[str, float]:
        """Compare the annotations at each depth, label by label."""
        scores = {}
        for depth in DEPTHS:
            collapsed = self.atlas.structures.at_depth(self.annotation, depth)
            true, pred = (inverse.warp_annotation(collapsed) for inverse in self.inverses)
            iou = dice = 0.0
            labels = [label for label in np.unique(true) if label]
            for label in labels:
                mask_true, mask_pred = true == label, pred == label
                intersection, union = (mask_true & mask_pred).sum(), (mask_true | mask_pred).sum()
                iou += mask_true.sum() * intersection / union
                dice += mask_true.sum() * 2 * intersection / (mask_true.sum() + mask_pred.sum())
            scores |= {f"iou_{depth}": iou / (true > 0).sum(), f"dice_{depth}": dice / (true > 0).sum()}
        return scores


def median_ms(function: Callable[[], object], repeats: int) -> float:
    """Return the median of the processor's time of some calls, after one that does not count."""
    return 1e3 * median_seconds(function, repeats, time.process_time)


def measure(atlas: Atlas, shape: tuple[int, int], p: float, repeats: int) -> list[Row]:
    """Time both on one pair of fields, and stop if they disagree."""
    true, pred = (DisplacementField.generate(shape, "diffeomorphic", random_state=seed) for seed in (0, 1))
    image = atlas.reference_plane(p, shape)
    other = LabelByLabel(atlas, true, pred, image, p)
    inverses = {"deltas_true_inv": other.inverses[0], "deltas_pred_inv": other.inverses[1]}

    def with_depths(**given: DisplacementField) -> dict[str, float]:
        return evaluate_single(true, pred, image, p=p, atlas=atlas, depths=DEPTHS, **given)[0]

    own = with_depths(**inverses)
    for name, value in (other.images_and_fields() | other.annotations()).items():
        if name in own and not np.isclose(own[name], value, rtol=1e-4):
            raise SystemExit(f"{name}: {own[name]} against {value}")

    few = max(1, repeats // 3)
    slow = median_ms(other.images_and_fields, repeats), median_ms(other.annotations, few)
    stacks = [np.stack([inverse.warp_annotation(other.annotation)] * BATCH) for inverse in other.inverses]
    rows: list[Row] = [
        {
            "what": "evaluate_single, no depths",
            "ms": median_ms(lambda: evaluate_single(true, pred, image), repeats),
            "against_ms": slow[0],
        },
        {
            "what": "evaluate_single, depths 0..8",
            "ms": median_ms(lambda: with_depths(**inverses), repeats),
            "against_ms": sum(slow),
        },
        {
            "what": f"dice_per_depth, {BATCH} planes",
            "ms": median_ms(lambda: dice_per_depth(*stacks, atlas.structures, DEPTHS), few),
            "against_ms": BATCH * slow[1],
        },
    ]
    for row in rows:
        row["ratio"] = float(row["against_ms"]) / float(row["ms"])
    return [*rows, {"what": "evaluate_single, depths 0..8, inverting too", "ms": median_ms(with_depths, repeats)}]


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--atlas", default="phantom", help="name or folder of an atlas (default: phantom)")
    parser.add_argument("--position-um", type=float, default=6000, help="of the section (default: 6000)")
    parser.add_argument("--shape", type=int, nargs=2, default=(320, 456), metavar=("H", "W"), help="default: 320 456")
    parser.add_argument("--repeats", type=int, default=15, help="calls that a median is of (default: 15)")
    parser.add_argument("--json", metavar="FILE", help="also write the rows as JSON; - prints JSON alone")
    arguments = parser.parse_args()
    if arguments.repeats < 1 or min(arguments.shape) < 64:
        parser.error("--repeats must be at least 1 and both sides of --shape at least 64.")
    if any(os.environ.get(variable) != "1" for variable in THREAD_VARIABLES):  # NumPy reads them when it is imported
        os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
        os.execv(sys.executable, [sys.executable, *sys.argv])
    cv2.setNumThreads(1)
    shape = (arguments.shape[0], arguments.shape[1])
    rows = measure(Atlas.load(arguments.atlas), shape, arguments.position_um, arguments.repeats)
    if arguments.json == "-":
        json.dump(rows, sys.stdout, indent=2)
        return
    for row in rows:
        print(f"{row['what']:44} {row['ms']:8.1f} ms", end="")
        print(
            f"   {row['ratio']:6.1f} x faster than label by label ({row['against_ms']:.0f} ms)"
            if "ratio" in row
            else ""
        )
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
