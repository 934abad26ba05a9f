r"""Measure how sharp the upsampled reference of an atlas folder is against genuine planes of full resolution.

For each genuine plane it prints, as one JSON line: the Pearson correlation with the atlas's own plane, the
share of the genuine plane's gradient energy and of its power beyond given wavelengths that the atlas's plane
has, and the wavelength at which its power falls to half of the genuine one. Both planes are brought to one
scale of brightness first.

Example:
    python scripts/measure_reference_sharpness.py ../shared/atlas/ccf_2017 \
        --plane 210 average_template_25um_plane_212.tif --plane 293 average_template_25um_plane_294.tif
"""

import argparse
import json
from pathlib import Path

import numpy as np
import tifffile

from atlalign.atlas import Atlas

_WAVELENGTHS_UM = (400, 200, 100)


def radial_power(image: np.ndarray, spacing_um: float, n_bins: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Return frequencies, 1/um, and the total power of an image in rings about each of them."""
    window = np.hanning(image.shape[0])[:, None] * np.hanning(image.shape[1])[None, :]
    power = np.abs(np.fft.fft2((image - image.mean()) * window)) ** 2
    rows, columns = (np.fft.fftfreq(n, spacing_um) for n in image.shape)
    frequency = np.hypot(rows[:, None], columns[None, :])
    edges = np.linspace(0, 0.5 / spacing_um, n_bins + 1)
    total, _ = np.histogram(frequency, edges, weights=power)
    return (edges[1:] + edges[:-1]) / 2, total


def compare(upsampled: np.ndarray, genuine: np.ndarray, spacing_um: float) -> dict[str, float]:
    """Return the measures of an upsampled plane against a genuine one, (h, w) each."""
    slope, offset = np.polyfit(upsampled.ravel(), genuine.ravel(), 1)
    fitted = slope * upsampled + offset
    energy = [sum(float((g**2).sum()) for g in np.gradient(image)) for image in (fitted, genuine)]
    frequency, power = radial_power(fitted, spacing_um)
    _, expected = radial_power(genuine, spacing_um)
    ratio = np.convolve(power, np.ones(3), "same") / np.convolve(expected, np.ones(3), "same")
    below_half = np.nonzero(ratio < 0.5)[0]
    measures = {
        "correlation": float(np.corrcoef(upsampled.ravel(), genuine.ravel())[0, 1]),
        "gradient_energy_ratio": energy[0] / energy[1],
        "half_power_wavelength_um": float(1 / frequency[below_half[0]]) if below_half.size else 2 * spacing_um,
    }
    for wavelength in _WAVELENGTHS_UM:
        fine = frequency > 1 / wavelength
        measures[f"power_ratio_below_{wavelength}_um"] = float(power[fine].sum() / expected[fine].sum())
    return {name: round(value, 4) for name, value in measures.items()}


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("atlas", help="an atlas folder, or anything else that Atlas.load takes")
    parser.add_argument(
        "--plane",
        nargs=2,
        action="append",
        required=True,
        metavar=("INDEX", "TIFF"),
        help="index of an atlas plane and the genuine plane to compare it with, relative to the atlas",
    )
    arguments = parser.parse_args()
    atlas = Atlas.load(arguments.atlas)
    for index, name in arguments.plane:
        position = (int(index) + 0.5) * atlas.resolution_um[0]
        genuine = tifffile.imread(Path(arguments.atlas) / name).astype(float)
        upsampled = atlas.reference_plane(position, genuine.shape).astype(float)
        print(json.dumps({"plane": int(index), "genuine": name} | compare(upsampled, genuine, atlas.resolution_um[1])))


if __name__ == "__main__":
    main()
