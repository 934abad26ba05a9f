"""Time what displacement fields do against named alternatives, in one run.

Each line is the median time of a function of atlalign, that of the alternative, and their ratio; then,
where it applies, errors in pixels. Ratios matter, not milliseconds: run it on a quiet machine.

    python scripts/benchmark_fields.py --json ratios.json
"""

import argparse
import json
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.interpolate import Rbf, griddata
from scipy.ndimage import map_coordinates
from timing import median_seconds

from atlalign._field.rbf import rbf_field
from atlalign._field.sampling import sample_points
from atlalign.base import DisplacementField

Row = dict[str, float | str]


def median_ms(function: Callable[[], object], repeats: int) -> float:
    """Return the median time of some calls in milliseconds, after one that does not count."""
    return 1e3 * median_seconds(function, repeats)


def percentiles(error: np.ndarray) -> Row:
    """Name the errors that the project promises."""
    return {
        "error_mean_px": float(error.mean()),
        "error_p99_px": float(np.quantile(error, 0.99)),
        "error_max_px": float(error.max()),
    }


@lru_cache
def edges(shape: tuple[int, int]) -> np.ndarray:
    """Draw two ellipses, as the outlines of a section and of a structure in it."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    radius = np.hypot((y / shape[0] - 0.5) / 0.4, (x / shape[1] - 0.5) / 0.4)
    return (np.abs(radius - 1) < 0.01) | (np.abs(radius - 0.5) < 0.01)


def stretched(shape: tuple[int, int], seed: int = 0) -> DisplacementField:
    """Make the field that the dataset augmentation makes: edge stretching with linear rbf."""
    return 0.7 * DisplacementField.generate(
        shape,
        "edge_stretching",
        edge_mask=edges(shape),
        n_perturbation_points=6,
        radius_max=60,
        interpolation_method="rbf",
        interpolator_kwargs={"function": "linear"},
        random_state=seed,
    )


def scipy_rbf(points_xy: np.ndarray, values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Evaluate SciPy's Rbf at every pixel."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.stack([Rbf(*points_xy.T, v, function="linear")(x, y) for v in values.T], axis=-1)


def inverse_rows(shape: tuple[int, int], repeats: int) -> list[Row]:
    """Compare the default inverse with interpolating in the forward field, whole and one pixel in 8."""
    df = stretched(shape)
    f_x, f_y = df.transformation
    grid = tuple(np.mgrid[: shape[0], : shape[1]][::-1])

    def scipy_griddata(ds_f: int) -> list[np.ndarray]:
        points = np.stack([f_x[::ds_f, ::ds_f].ravel(), f_y[::ds_f, ::ds_f].ravel()], axis=-1)
        return [griddata(points, -delta[::ds_f, ::ds_f].ravel(), grid) for delta in (df.delta_x, df.delta_y)]

    inverse, converged = df.invert()
    x, y = inverse.transformation
    residual = np.hypot(
        inverse.delta_x + sample_points(df.delta_x, x, y), inverse.delta_y + sample_points(df.delta_y, x, y)
    )
    inside = ~inverse.outsiders
    own = median_ms(df.pseudo_inverse, repeats)
    field_of_inverse = {f"f(inverse)_{name}": value for name, value in percentiles(residual[inside]).items()}
    inverse_of_field = percentiles(inverse(df).norm[~df.outsiders])
    errors = field_of_inverse | {f"inverse(f)_{name}": value for name, value in inverse_of_field.items()}
    named: list[tuple[str, Callable[[], object]]] = [
        ("griddata_custom", lambda: df.pseudo_inverse(1, "griddata_custom")),
        ("griddata_custom, ds_f=8", lambda: df.pseudo_inverse(8, "griddata_custom")),
        ("SciPy griddata, two calls", lambda: scipy_griddata(1)),
        ("SciPy griddata, two calls, ds_f=8", lambda: scipy_griddata(8)),
    ]
    few = max(1, repeats // 5)
    return [
        {"what": "pseudo_inverse", "against": name, "ms": own, "against_ms": median_ms(function, few)}
        | (errors | {"converged": float(converged.mean())} if i == 0 else {})
        for i, (name, function) in enumerate(named)
    ]


def composition_rows(shape: tuple[int, int], repeats: int) -> list[Row]:
    """Compare composition with SciPy's sampling in double precision."""
    outer, inner = stretched(shape, 0), stretched(shape, 1)
    x, y = (axis.astype(np.float64) for axis in inner.transformation)

    def reference() -> np.ndarray:
        sampled = [
            map_coordinates(np.float64(d), [y, x], order=1, mode="nearest") for d in (outer.delta_x, outer.delta_y)
        ]
        return inner.deltas_xy + np.stack(sampled, axis=-1)

    error = np.hypot(*np.moveaxis(outer(inner).deltas_xy - reference(), -1, 0))
    return [
        {
            "what": "composition",
            "against": "SciPy map_coordinates, float64",
            "ms": median_ms(lambda: outer(inner), repeats),
            "against_ms": median_ms(reference, repeats),
        }
        | percentiles(error)
    ]


def generator_rows(shape: tuple[int, int], repeats: int) -> list[Row]:
    """Compare radial basis functions, edge stretching and anchoring with SciPy's Rbf on the same points."""
    generator = np.random.default_rng(0)
    few = max(1, repeats // 5)
    rows: list[Row] = []
    flat = generator.choice(shape[0] * shape[1], 1000, replace=False)
    points = np.stack([flat % shape[1], flat // shape[1]], axis=-1).astype(float)
    smooth = DisplacementField.generate(shape, "diffeomorphic", amplitude=10, sigma=30, random_state=0).sample(points)
    rough = generator.uniform(-10, 10, (1000, 2))
    for what, values in (
        ("1000 smooth control points, rbf", smooth),
        ("1000 rough control points, rbf", rough),
    ):

        def own(values: np.ndarray = values) -> np.ndarray:
            return rbf_field(points, values, shape, function="linear")

        exact = rbf_field(points, values, shape, function="linear", exact=True)
        other = median_ms(lambda values=values: scipy_rbf(points, values, shape), few)
        rows.append(
            {"what": what, "against": "SciPy Rbf", "ms": median_ms(own, repeats), "against_ms": other}
            | percentiles(np.hypot(*np.moveaxis(own() - exact, -1, 0)))
        )

    ten = np.concatenate([points[:6], [[0, 0], [shape[1] - 1, 0], [0, shape[0] - 1], [shape[1] - 1, shape[0] - 1]]])
    ten_values = np.concatenate([rough[:6], np.zeros((4, 2))])
    rows.append(
        {
            "what": "edge stretching, 6 points, rbf",
            "against": "SciPy Rbf, 6 points and 4 corners",
            "ms": median_ms(lambda: stretched(shape), repeats),
            "against_ms": median_ms(lambda: scipy_rbf(ten, ten_values, shape), few),
        }
    )

    df = DisplacementField.generate(shape, "affine_simple", rotation=0.1)(stretched(shape))
    kept = [np.arange(size - round(0.75 * size), size)[::20] - (size - round(0.75 * size)) // 2 for size in shape]
    y, x = (axis.ravel() for axis in np.meshgrid(*kept, indexing="ij"))
    anchors = np.concatenate([np.stack([x, y], axis=-1), ten[6:]])
    anchor_values = np.concatenate([df.deltas_xy[y, x], np.zeros((4, 2))])
    exact = rbf_field(anchors, anchor_values, shape, function="linear", exact=True)
    error = np.hypot(*np.moveaxis(rbf_field(anchors, anchor_values, shape, function="linear") - exact, -1, 0))
    rows.append(
        {
            "what": "anchor, ds_f=20",
            "against": f"SciPy Rbf, {len(anchors)} points",
            "ms": median_ms(lambda: df.anchor(ds_f=20), repeats),
            "against_ms": median_ms(lambda: scipy_rbf(anchors, anchor_values, shape), few),
        }
        | percentiles(error)
    )
    return rows


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--shape", type=int, nargs=2, default=(320, 456), metavar=("H", "W"), help="px (default: 320 456)"
    )
    parser.add_argument("--repeats", type=int, default=15, help="calls that a median is of (default: 15)")
    parser.add_argument("--json", metavar="FILE", help="also write the rows as JSON; - prints JSON alone")
    arguments = parser.parse_args()
    if arguments.repeats < 1 or min(arguments.shape) < 64:
        parser.error("--repeats must be at least 1 and both sides of --shape at least 64.")
    shape = (arguments.shape[0], arguments.shape[1])

    rows: list[Row] = []
    for measure in (inverse_rows, composition_rows, generator_rows):
        rows += measure(shape, arguments.repeats)
    for row in rows:
        row["ratio"] = float(row["against_ms"]) / float(row["ms"])
    if arguments.json == "-":
        json.dump(rows, sys.stdout, indent=2)
        return
    for row in rows:
        print(f"{row['what']:32} {row['ms']:9.2f} ms", end="")
        print(f"   {row['ratio']:7.1f} x faster than {row['against']} ({row['against_ms']:.0f} ms)")
        for name, value in row.items():
            if "error" in name or name == "converged":
                print(f"    {name:32} {value:.6f}")
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
