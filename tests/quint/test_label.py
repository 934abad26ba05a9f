"""The labelled pair of a section: what a network sees of it, and where the field leads."""

import numpy as np
import pytest

from atlalign import DisplacementField, Plane, Registrar, Section
from atlalign.quint import Markers, label_section
from atlalign.quint.turning import turn_upright
from atlalign.section import Canvas
from atlalign.section.resampling import apply_affine
from tests.quint.series_maker import ATLAS, SHAPE, WAYS, oblique_plane, picture, turn

# Where on the section (n) what the overlay shows at o lies, px from the outer edges of an image of 252 x 188.
ROWS = np.array([[70, 60, 77, 64], [170, 70, 168, 66], [120, 120, 122, 129], [60, 110, 55, 108.0]])
MARKERS = Markers(ROWS[:, :2], ROWS[:, 2:], (252.0, 188.0))


def seen_by_the_networks(section, **where):
    """Return reference and moving image as `Registrar` feeds them to its networks."""
    seen = []

    def predict(reference, moving):
        seen.extend((reference, moving))
        return np.zeros((*reference.shape, 2))

    Registrar(ATLAS, local_model=predict).register(section, **where)
    return seen


def turned_markers(mirrored, turns):
    """Return MARKERS on the image that `turn` makes."""

    def move(points):
        width, height = MARKERS.size
        if mirrored:
            points = np.array([width, 0]) + points * [-1, 1]
        for _ in range(turns):
            points = np.stack([points[:, 1], width - points[:, 0]], axis=-1)
            width, height = height, width
        return points

    size = MARKERS.size if turns % 2 == 0 else MARKERS.size[::-1]
    return Markers(move(MARKERS.overlay_xy), move(MARKERS.section_xy), size)


def dot_at(image, x, y):
    """Return the image with a dark dot at an (x, y) that counts from the outer edges."""
    row, column = np.indices(image.shape) + 0.5
    return np.where(np.hypot(column - x, row - y) < 4, 0, image)


def centre(weights):
    y, x = np.indices(weights.shape)
    return np.array([(x * weights).sum(), (y * weights).sum()]) / weights.sum()


@pytest.mark.parametrize("place_by", ["tissue", "anchoring"])
@pytest.mark.parametrize("way", WAYS, ids=str)
def test_what_lies_under_a_marker_is_registered_to_where_the_overlay_showed_it(way, place_by):
    plane = oblique_plane()
    image, turned_plane = turn(picture(plane), plane, *way)
    markers = turned_markers(*way)
    pair = label_section(Section(image), ATLAS, turned_plane, SHAPE, markers=markers, place_by=place_by)
    label = DisplacementField.from_deltas_xy(pair.deltas_xy)
    reference = Plane.from_corners(pair.corners_um)
    for row, (overlay, place) in enumerate(zip(MARKERS.overlay_xy, MARKERS.section_xy, strict=True)):
        # as a person would see it: a dark dot on the section, there where the marker was put
        dotted, _ = turn(dot_at(picture(plane), *place), plane, *way)
        with_dot = label_section(Section(dotted), ATLAS, turned_plane, SHAPE, markers=markers, place_by=place_by)
        before, after = (label.warp(img.astype(np.float32)) for img in (pair.img, with_dot.img))
        dot = np.clip(after - before, 25, None) - 25
        expected = reference.um_to_pixels(plane.pixels_to_um([overlay - 0.5], (188, 252)), SHAPE)[0]
        assert np.abs(centre(dot) - expected).max() < 0.6, row


@pytest.mark.parametrize("place_by", ["tissue", "anchoring"])
@pytest.mark.parametrize("markers", [None, MARKERS])
def test_the_two_fields_are_inverse(place_by, markers):
    section = Section(picture(oblique_plane()))
    pair = label_section(section, ATLAS, oblique_plane(), SHAPE, markers=markers, place_by=place_by)
    field, inverse = map(DisplacementField.from_deltas_xy, (pair.deltas_xy, pair.inv_deltas_xy))
    inner = np.s_[8:-8, 8:-8]
    for there_and_back in (field(inverse).norm[inner], inverse(field).norm[inner]):
        assert np.median(there_and_back) < 1e-4
        # the fields bend between pixels, at the triangles' edges: there linear interpolation misses a little
        assert there_and_back.max() < (1e-3 if markers is None else 0.15)


def test_without_markers_what_the_anchoring_placed_stays():
    pair = label_section(Section(picture(oblique_plane())), ATLAS, oblique_plane(), SHAPE, place_by="anchoring")
    assert np.abs(pair.deltas_xy).max() < 1e-9
    assert np.abs(pair.inv_deltas_xy).max() < 1e-9
    assert pair.tissue_overlap > 0.97


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_placed_by_tissue_every_way_up_gives_the_same_pair(way):
    plane = oblique_plane()
    upright = label_section(Section(picture(plane)), ATLAS, plane, SHAPE)
    image, turned_plane = turn(picture(plane), plane, *way)
    turned = label_section(Section(image), ATLAS, turned_plane, SHAPE)
    assert np.abs(turned.deltas_xy - upright.deltas_xy).max() < 0.5
    assert np.mean(np.abs(turned.img.astype(int) - upright.img)) < 2
    assert turned.tissue_overlap == pytest.approx(upright.tissue_overlap, abs=0.01)
    assert np.linalg.det(np.eye(2) + np.stack(np.gradient(turned.deltas_xy, axis=(1, 0)), axis=-1)).min() > 0.5


def test_placed_by_anchoring_the_pair_is_what_the_registrar_shows_its_networks():
    plane = oblique_plane()
    image, mirrored = turn(picture(plane), plane, True, 1)
    pair = label_section(Section(image), ATLAS, mirrored, markers=turned_markers(True, 1), place_by="anchoring")
    reference, moving = seen_by_the_networks(Section(image), plane=mirrored)
    assert np.abs(pair.img / 255 - moving).max() <= 0.5 / 255 + 1e-6
    stored = Plane.from_corners(pair.corners_um.astype(np.float32))
    assert np.abs(ATLAS.reference_plane(stored, SHAPE) - reference).max() < 1e-4


def test_placed_by_tissue_the_pair_of_a_coronal_section_is_what_the_registrar_shows_its_networks():
    plane = ATLAS.plane(6100 - 1e-4)  # in float32, 6100: the next plane of the atlas
    section = Section(np.pad(picture(plane), ((20, 0), (0, 31)), mode="edge"))
    steps = np.array([1 / 252, 1 / 188])
    u, v = plane.u_um * (1 + 31 * steps[0]), plane.v_um * (1 + 20 * steps[1])
    anchored = Plane(plane.origin_um - plane.v_um * 20 * steps[1], u, v)
    pair = label_section(section, ATLAS, anchored, markers=None)
    reference, moving = seen_by_the_networks(section, position_um=pair.p)
    assert np.abs(pair.img / 255 - moving).max() <= 0.5 / 255 + 1e-6
    stored = Plane.from_corners(pair.corners_um.astype(np.float32))
    assert np.array_equal(ATLAS.reference_plane(stored, SHAPE), reference)
    assert pair.p == 6099


@pytest.mark.parametrize("size", [None, (52.0, 49.0)])
def test_placed_by_tissue_an_oblique_section_is_shown_as_the_registrar_shows_it(size):
    plane = oblique_plane()
    section = Section(picture(plane), size)
    pair = label_section(section, ATLAS, plane)
    _, moving = seen_by_the_networks(section, position_um=pair.p)
    assert np.abs(pair.img / 255 - moving).max() <= 0.5 / 255 + 1e-6
    reference, _ = seen_by_the_networks(section, plane=plane)
    assert np.abs(ATLAS.reference_plane(Plane.from_corners(pair.corners_um), SHAPE) - reference).max() < 1e-5


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_turned_section_is_put_upright_without_moving_a_pixel(way):
    image, turned_plane = turn(picture(ATLAS.plane(7400)), ATLAS.plane(7400), *way)
    section = Section(image, (30, 40))
    canvas = Canvas.by_anchoring(section, ATLAS, turned_plane, SHAPE)
    upright = turn_upright(section, canvas.from_section)
    x, y = apply_affine(upright.orientation.to_upright(section.shape), np.array([17.0, 90.0]))
    assert np.array_equal(upright.image, image)
    assert picture(ATLAS.plane(7400))[round(y), round(x)] == image[90, 17]


def test_a_section_beyond_the_atlas_is_refused():
    with pytest.raises(ValueError, match="must show tissue of the atlas"):
        label_section(Section(picture(oblique_plane())), ATLAS, oblique_plane(14000, tilt=0))


def test_a_section_whose_anchoring_misses_the_slice_is_refused():
    plane = oblique_plane(tilt=0)
    beside = Plane(plane.origin_um + np.array([0, 0, 12000]), plane.u_um, plane.v_um)
    with pytest.raises(ValueError, match="must lie on the atlas's slice"):
        label_section(Section(picture(plane)), ATLAS, beside)


def test_an_anchoring_of_another_scale_is_refused():
    plane = oblique_plane(tilt=0)
    tiny = Plane(plane.pixels_to_um([[120, 90]], (188, 252))[0], plane.u_um / 5, plane.v_um / 5)
    with pytest.raises(ValueError, match=r"as large by its anchoring as by its tissue.*0\.2"):
        label_section(Section(picture(plane)), ATLAS, tiny)


def test_a_section_without_tissue_is_refused():
    with pytest.raises(ValueError, match="tissue"):
        label_section(Section(np.full((188, 252), 250, np.uint8)), ATLAS, oblique_plane())
