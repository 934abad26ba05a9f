"""Dice of a registered real section against its reference labels, before and after registration.

The section is the two-photon one of the material kept beside the project (``shared/sections/stpt_hippocampus``),
whose labels are plane 293 of the Allen CCFv3 annotation, warped by an affine that elastix found.

Example: python scripts/measure_real_section.py ../shared --global-model runs/global/best.keras
"""

import argparse
import json
from pathlib import Path

import numpy as np
import tifffile

from atlalign import Atlas, register

POSITION_UM = 293 * 25 + 12.5
DEPTHS = (2, 4, 6, 8)


def nothing(reference, moving):
    """Predict that nothing has to move: the section as its tissue places it."""
    return np.zeros((*reference.shape, 2), np.float32)


def dice(truth, found):
    """Mean Dice over the structures of the truth: plain, and weighted by their share of it."""
    ids, counts = np.unique(truth[truth > 0], return_counts=True)
    scores = []
    for structure in ids:
        a, b = truth == structure, found == structure
        scores.append(2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b)))
    return float(np.mean(scores)), float(np.average(scores, weights=counts))


def main():
    """Print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path, help="folder that holds atlas/ccf_2017 and sections/stpt_hippocampus")
    parser.add_argument("--global-model", type=Path)
    parser.add_argument("--local-model", type=Path)
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()

    atlas = Atlas.load(arguments.shared / "atlas" / "ccf_2017")
    folder = arguments.shared / "sections" / "stpt_hippocampus"
    truth = tifffile.imread(folder / "registered_atlas.tiff")
    where = {"position_um": POSITION_UM, "pixel_size_um": 25}
    runs = {"before": {"global_model": nothing}}
    if arguments.global_model:
        runs["global"] = {"global_model": arguments.global_model}
    if arguments.local_model:
        runs["global + local" if arguments.global_model else "local"] = {
            "global_model": arguments.global_model,
            "local_model": arguments.local_model,
        }
    table = {}
    for name, models in runs.items():
        labels = register(folder / "sample_hipp.tif", atlas, **where, **models).labels()
        row = {"same label": float((labels == truth)[truth > 0].mean())}
        for depth in DEPTHS:
            plain, weighted = dice(atlas.structures.at_depth(truth, depth), atlas.structures.at_depth(labels, depth))
            row |= {f"dice depth {depth}": plain, f"weighted depth {depth}": weighted}
        table[name] = row
    if arguments.json:
        print(json.dumps(table))
        return
    for name, row in table.items():
        print(f"{name:15s} " + "  ".join(f"{key} {value:.3f}" for key, value in row.items()))


if __name__ == "__main__":
    main()
