"""How far off the positions are that the position network proposes and the search finds, and which way up sections are.

Each section is found by the network alone, by the search alone (candidates along the axis, through the global network),
and by both. --series also finds each real set as a series, by the numbers in the names where there are any, with and
without a common tilt, and tries which orientation is found of sections that lie right, are turned by half or by a
quarter, or are mirrored. --tilted N also finds N simulated series of each of four tilts.

The simulated pairs should be of planes that training never saw:

    atlalign dataset simulate --atlas ATLAS --n 400 --shape 80,114 --seed 99 --planes held-out --place-by tissue held.h5

What is known of the real sections is less sure than the simulated truth: the anchorings of brightfield_glta and
ish_allen were themselves predicted (by DeepSlice, or by eye after it), the Nissl sections lie on a line through twenty
that were judged by eye (to some 250 um), the planes of the whole brain and of its standard space correlate best (to
some 100 um), and the two-photon section was registered to one plane. Tilts are compared where they are known.

Example:

    python scripts/benchmark_position.py --atlas ../shared/atlas/ccf_2017 --shared ../shared --pairs held.h5 --series
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from accuracy.measures import evenly
from accuracy.progress import say
from accuracy.tables import markdown
from accuracy.tilted_series import TILTS, simulated_series, structure_share
from accuracy.two_photon import POSITION_UM
from accuracy.unlabelled import RealSection, nissl_sections, real_sets

from atlalign import Atlas, Registrar
from atlalign.pairs import UnplacedSource
from atlalign.plane_slopes import Tilt, position_and_slopes, tilt_degrees
from atlalign.registration import find_series_planes, section_number
from atlalign.registration.locating import Locator
from atlalign.registration.orienting import oriented_further
from atlalign.registration.position import load_position_model, propose_position
from atlalign.registration.search import search_position
from atlalign.section import Section
from atlalign.weights import MissingWeightsError

_ALL = 1000

_WAYS = ("network", "search", "both", "coronal series", "series")
# What is done to a section that lies right, and what its orientation must then be found to be.
_CHANGES = {"as it is": (0, False), "half turn": (180, False), "quarter": (90, False), "mirrored": (0, True)}


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


def measure(sections, searching, guided, model):
    """Return a row for each section: where it lies, and where it is found."""
    rows = []
    for section, (position_um, *slopes) in sections:
        start = time.perf_counter()
        row = {"section": section.name, "position_um": float(position_um)}
        row["tilt_degrees"] = float(tilt_degrees(np.array(slopes)))
        try:
            row["search_um"] = _search(searching, section)
        except ValueError as error:  # as of a mask without signal
            say(f"left out {section.name}: {error}")
            continue
        row["seconds"] = time.perf_counter() - start
        if model is not None:
            proposed = propose_position(section, searching.atlas, model)
            row["network_um"], row["disagreement_um"] = proposed.position_um, proposed.disagreement_um
            row["tilt_error_degrees"] = float(tilt_degrees(np.array(slopes), np.array(proposed.slopes)))
            row["both_um"] = _search(guided, section)
        rows.append(row)
    return rows


def _search(registrar, section):
    locator = registrar.locator
    prior_um = locator.proposed_um(section)
    return search_position(section, locator.likeness, locator.canvas_maker(), prior_um=prior_um).position_um


def measure_series(sections, rows, registrar, registering=None):
    """Add to each row where the section is found as one of a series, and return what is found of the series."""
    planes = np.array([plane for _, plane in sections])
    sections = [section for section, _ in sections]
    known = planes[:, 0]
    numbers = _series_numbers(sections, known)
    coronal, series = (find_series_planes(registrar, sections, numbers, tilt=tilt) for tilt in ((0, 0), "auto"))
    for row, position_um, coronal_um in zip(rows, series.positions_um, coronal.positions_um, strict=True):
        row["series_um"], row["coronal series_um"] = float(position_um), float(coronal_um)
    found = {
        "spacing_um": series.spacing_um,
        "known_um": float(np.polyfit(series.numbers, known, 1)[0]),
        "direction": series.direction,
        "bad": [f"{entry.name}: {entry.reason}" for entry in series.bad],
        "tilt": series.tilt_search.summary,
        "estimated_degrees": list(series.tilt_search.estimate),
        "mean_error_um": float(np.abs(series.positions_um - known).mean()),
        "coronal_mean_error_um": float(np.abs(coronal.positions_um - known).mean()),
    }
    if np.isfinite(planes).all():
        found["known_degrees"] = np.degrees(np.arctan(planes[:, 1:].mean(axis=0))).round(2).tolist()
    if registering is not None:
        found["coronal"] = structure_share(registering, sections, coronal.positions_um, Tilt())
        found["tilted"] = structure_share(registering, sections, series.positions_um, series.tilt)
    return found


def _series_numbers(sections, known):
    """Return None where the names hold the numbers; else numbers that follow from how the sections were cut."""
    if all(section_number(section.name) is not None for section in sections):
        return None
    return known / 100


def measure_orientations(sections, locator):
    """Return how many sections are found to lie right, of each change that was made to them."""
    found = dict.fromkeys(_CHANGES, 0)
    for section, _ in sections:
        for name, (turn, mirror) in _CHANGES.items():
            best = locator.orient(oriented_further(section, turn, mirror=mirror), locator.canvas_maker()).best
            found[name] += best == oriented_further(section, 0).orientation
    return found


def summary(name, rows):
    """Return a set's lines of the table: one for each way of finding its sections."""
    known = np.array([row["position_um"] for row in rows])
    lines = []
    for way in _WAYS:
        if f"{way}_um" not in rows[0]:
            continue
        errors = np.array([row[f"{way}_um"] for row in rows]) - known
        far = np.abs(errors)
        numbers = (np.median(far), far.mean(), np.percentile(far, 95))
        tilt = "-"
        if way == "network":
            tilts = np.array([row["tilt_error_degrees"] for row in rows])
            tilt = f"{np.nanmean(tilts):.1f}" if np.isfinite(tilts).any() else "-"
        lines.append([name, way, str(len(rows)), *(f"{value:.0f}" for value in numbers), f"{errors.mean():+.0f}", tilt])
    return lines


def main():
    """Print tables, and write a row for each section where that is wanted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a position network; the default one, if there is one, without it")
    parser.add_argument("--atlas", required=True, help="the Allen CCFv3: a BrainGlobe name or a folder")
    parser.add_argument("--shared", type=Path, help="folder that holds sections/ and brains/")
    parser.add_argument("--pairs", type=Path, help="a dataset of simulated pairs")
    parser.add_argument("--series", action="store_true", help="also find real sets as series, and orientations")
    parser.add_argument("--tilted", type=int, default=0, metavar="N", help="also N simulated series of each tilt")
    parser.add_argument("--most", type=int, default=_ALL, help="sections of each set, evenly spaced; all without it")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write what each section got")
    arguments = parser.parse_args()
    try:
        model = load_position_model(arguments.model)
    except MissingWeightsError:
        model = None
    atlas = Atlas.load(arguments.atlas)
    guided = Registrar(atlas, global_model="default", position_model=model)
    searching = Registrar(atlas, global_model="default")
    searching.locator = Locator(atlas, searching.locator.likeness.predict)  # without any position network
    rows, found = {}, {}
    for name, every in every_set(arguments.shared, arguments.pairs, atlas).items():
        every = list(every)
        sections = [every[int(index)] for index in evenly(np.arange(len(every)), arguments.most)]
        rows[name] = measure(sections, searching, guided, model)
        usable = [entry for entry in sections if entry[0].name in {row["section"] for row in rows[name]}]
        if arguments.series and name != "simulated" and len(usable) > 1:
            found[name] = measure_series(usable, rows[name], searching, Registrar(atlas))
            found[name]["orientations"] = measure_orientations(usable, searching.locator)
        say(f"{name}: {len(usable)} sections, {np.median([row['seconds'] for row in rows[name]]):.1f} s each")
    for tilt in TILTS * arguments.tilted:
        name = f"simulated, {tilt}, number {len(found)}"
        sections = list(simulated_series(atlas, tilt, len(found)))
        found[name] = measure_series(sections, [{} for _ in sections], searching)
        say(f"{name}: {found[name]['tilt']}")
    heading = ["set", "by", "n", "median um", "mean um", "p95 um", "bias um", "tilt error deg"]
    print(markdown(heading, [line for name, mine in rows.items() if mine for line in summary(name, mine)]))
    for name, of_series in found.items():
        print(name, json.dumps(of_series, indent=1))
    if arguments.json:
        arguments.json.write_text(json.dumps({"sections": rows, "series": found}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
