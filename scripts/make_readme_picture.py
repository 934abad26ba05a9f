"""Draw the README's picture: real sections with the outlines of structures, placed by their tissue and registered.

The sections are not part of the project. Each is given as IMAGE=POSITION_UM, or as IMAGE=ANCHORING.json; needs the
default networks and the Allen CCFv3. The outlines are those of structures of one depth of its ontology.

Example: python scripts/make_readme_picture.py --atlas ../shared/atlas/ccf_2017 s089.png=GLTa.json nissl.jpg=5400
"""

import argparse
import sys
from pathlib import Path

import cv2
import imageio.v3 as iio
import numpy as np

from atlalign.atlas import Atlas
from atlalign.errors import AtlalignError
from atlalign.plane_io import read_anchorings
from atlalign.registration import Registrar, Registration
from atlalign.registration.overlay import draw_outlines, section_picture
from atlalign.section import Section
from atlalign.section.resampling import apply_affine, resize_affine

ROOT = Path(__file__).resolve().parents[1]
_GAP = 8  # px between pictures
_MARGIN = 0.04  # of the picture's height and width, around the structures


def registered(registrar: Registrar, image: Path, where: str, rotate: int) -> Registration:
    """Register a section to a position, um, or by its anchoring in a file."""
    if where.replace(".", "", 1).isdigit():
        pixels = np.rot90(iio.imread(image), rotate // 90)  # so that the picture, too, shows it upright
        return registrar.register(Section(pixels), position_um=float(where))
    planes = read_anchorings(where, extent_um=registrar.atlas.shape_um)
    return registrar.register(image, plane=planes[image.name])


def draw(registration: Registration, box: tuple[slice, slice], shape: tuple[int, int], depth: int) -> np.ndarray:
    """Return a part of the section with outlines, RGB."""
    section, structures = registration.section, registration.atlas.structures
    to_section = resize_affine(shape, section.shape)
    columns = apply_affine(to_section, np.stack([np.arange(shape[1]), np.zeros(shape[1])], axis=1))[:, 0]
    rows = apply_affine(to_section, np.stack([np.zeros(shape[0]), np.arange(shape[0])], axis=1))[:, 1]
    labels = structures.at_depth(registration.labels_at(columns, rows), depth)
    return draw_outlines(section_picture(section, shape), labels, structures)[box]


def pair_of_pictures(registration: Registration, height: int, depth: int) -> np.ndarray:
    """Return the section before and after the networks, side by side, cut to its tissue."""
    section = registration.section
    x0, y0, x1, y1 = section.tissue_box
    scale = height * (1 - 2 * _MARGIN) / (y1 - y0)
    shape = (round(section.shape[0] * scale), round(section.shape[1] * scale))
    margin = round(_MARGIN * height)
    box = tuple(
        slice(max(0, round(low * scale) - margin), round(high * scale) + margin) for low, high in ((y0, y1), (x0, x1))
    )
    placed = registration
    for step in registration.steps[1:]:
        placed = placed.without(step.name)
    pictures = [draw(which, box, shape, depth) for which in (placed, registration)]
    gap = np.full((pictures[0].shape[0], _GAP, 3), 255, np.uint8)
    return np.hstack([pictures[0], gap, pictures[1]])


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="+", metavar="IMAGE=WHERE")
    parser.add_argument("--atlas", required=True, help="the Allen CCFv3: a BrainGlobe name or a folder")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "real_sections.jpg")
    parser.add_argument("--width", type=int, default=1200, help="of the picture, px")
    parser.add_argument("--depth", type=int, default=6, help="of the structures whose outlines are drawn")
    parser.add_argument(
        "--rotate", type=int, default=0, choices=(0, 90, 180, 270), help="turn left those that have no anchoring"
    )
    arguments = parser.parse_args()
    registrar = Registrar(Atlas.load(arguments.atlas))
    rows = []
    for given in arguments.sections:
        image, _, where = given.rpartition("=")
        try:
            registration = registered(registrar, Path(image), where, arguments.rotate)
        except (AtlalignError, OSError, ValueError) as error:
            sys.exit(f"{given}: {error}")
        rows.append(pair_of_pictures(registration, 600, arguments.depth))
    scales = [arguments.width / row.shape[1] for row in rows]
    sizes = [(arguments.width, round(row.shape[0] * scale)) for row, scale in zip(rows, scales, strict=True)]
    rows = [cv2.resize(row, size, interpolation=cv2.INTER_AREA) for row, size in zip(rows, sizes, strict=True)]
    gap = np.full((_GAP, arguments.width, 3), 255, np.uint8)
    picture = np.vstack([part for row in rows for part in (row, gap)][:-1])
    iio.imwrite(arguments.out, picture, quality=88)
    print(f"{arguments.out}: {picture.shape[1]} x {picture.shape[0]} px")


if __name__ == "__main__":
    main()
