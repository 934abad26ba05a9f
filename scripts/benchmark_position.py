"""How far off the positions are that the position network proposes: on simulated pairs, and on real sections.

The simulated pairs should be of planes that training never saw:

    atlalign dataset simulate --atlas ATLAS --n 400 --shape 80,114 --seed 99 --planes held-out --place-by tissue held.h5

What is known of the real sections is less sure than the simulated truth: the anchorings of brightfield_glta and
ish_allen were themselves predicted (by DeepSlice, or by eye after it), the Nissl sections lie on a line through twenty
that were judged by eye (to some 250 um), the planes of the whole brain and of its standard space correlate best (to
some 100 um), and the two-photon section was registered to one plane. Tilts are compared where they are known.

Example: python scripts/benchmark_position.py --atlas ../shared/atlas/ccf_2017 --shared ../shared --pairs held.h5
"""

import argparse
import json
from pathlib import Path

import numpy as np
from accuracy.tables import markdown
from accuracy.two_photon import POSITION_UM
from accuracy.unlabelled import RealSection, nissl_sections, real_sets

from atlalign import Atlas
from atlalign.pairs import UnplacedSource
from atlalign.plane_slopes import position_and_slopes, tilt_degrees
from atlalign.registration.position import load_position_model, propose_position
from atlalign.section import Section

_ALL = 1000


def sections_of_pairs(path, atlas):
    """Yield the moving images of a dataset, and their planes as numbers."""
    source = UnplacedSource([path], atlas)
    for index in range(len(source)):
        section = Section(source.pairs.stored_image(index), invert=False, name=f"pair {index}")
        yield section, position_and_slopes(source.pairs.plane(index), atlas.shape_um)


def sections_of_series(series, atlas):
    """Yield real sections, and their planes as numbers: without slopes where they are not known."""
    for real in series:
        plane = real.where.get("plane")
        if plane is None:
            yield real.section, np.array([real.where["position_um"], np.nan, np.nan])
            continue
        # A section on which the animal's left is on the left must be mirrored to be upright.
        flip = "horizontal" if plane.u_um[2] < 0 else None
        numbers = position_and_slopes(plane, atlas.shape_um)
        if 0 <= numbers[0] < atlas.shape_um[0]:  # some are anchored beyond the atlas
            yield real.section.oriented(flip=flip), numbers


def every_set(shared, pairs, atlas):
    """Return the sections of each set that there is, by name."""
    sets = {"simulated": sections_of_pairs(pairs, atlas)} if pairs else {}
    if shared is None:
        return sets
    real = real_sets(shared, atlas)
    if "nissl_ptm902" in real:
        real["nissl_ptm902"] = nissl_sections(shared / "sections" / "nissl_ptm902", _ALL)
    two_photon = shared / "sections" / "stpt_hippocampus" / "sample_hipp.tif"
    if two_photon.is_file():
        real["stpt_hippocampus"] = iter([RealSection(Section.read(two_photon), {"position_um": POSITION_UM})])
    return sets | {name: sections_of_series(series, atlas) for name, series in real.items()}


def measure(sections, atlas, model):
    """Return a row for each section."""
    rows = []
    for section, (position_um, *slopes) in sections:
        proposed = propose_position(section, atlas, model)
        rows.append(
            {
                "section": section.name,
                "position_um": float(position_um),
                "proposed_um": proposed.position_um,
                "disagreement_um": proposed.disagreement_um,
                "tilt_degrees": float(tilt_degrees(np.array(slopes))),
                "tilt_error_degrees": float(tilt_degrees(np.array(slopes), np.array(proposed.slopes))),
            }
        )
    return rows


def summary(name, rows):
    """Return a set's line of the table."""
    errors = np.array([row["proposed_um"] - row["position_um"] for row in rows])
    tilts, tilt_errors = (np.array([row[key] for row in rows]) for key in ("tilt_degrees", "tilt_error_degrees"))
    known = np.isfinite(tilts)
    return [
        name,
        str(len(rows)),
        *(f"{value:.0f}" for value in (np.median(abs(errors)), abs(errors).mean(), np.percentile(abs(errors), 95))),
        f"{errors.mean():+.0f}",
        *(f"{values[known].mean():.1f}" if known.any() else "-" for values in (tilt_errors, tilts)),
    ]


def main():
    """Print a table, and write a row for each section where that is wanted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a position network; the default one without it")
    parser.add_argument("--atlas", required=True, help="the Allen CCFv3: a BrainGlobe name or a folder")
    parser.add_argument("--shared", type=Path, help="folder that holds sections/ and brains/")
    parser.add_argument("--pairs", type=Path, help="a dataset of simulated pairs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write what each section got")
    arguments = parser.parse_args()
    atlas, model = Atlas.load(arguments.atlas), load_position_model(arguments.model)
    sets = every_set(arguments.shared, arguments.pairs, atlas)
    rows = {name: measure(sections, atlas, model) for name, sections in sets.items()}
    heading = ["set", "n", "median um", "mean um", "p95 um", "bias um", "tilt error deg", "tilt deg"]
    print(markdown(heading, [summary(name, found) for name, found in rows.items() if found]))
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
