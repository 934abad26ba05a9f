"""Where a section lies on the canvas."""

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from atlalign.atlas import Atlas
from atlalign.plane import Plane
from atlalign.section import Section
from atlalign.section.canvas import Canvas

ATLAS = Atlas.load("phantom:100")
SHAPE = (80, 114)


def _tilted(angle_deg, ap_slope, dv_slope, mirrored, position_um=6500):
    """Return a plane of 9000 x 7000 um that is turned in itself and tilted out of the coronal."""
    angle = np.deg2rad(angle_deg)
    across, down = np.array([ap_slope, 0, 1]), np.array([dv_slope, 1, 0])
    u = 9000 * (np.cos(angle) * across + np.sin(angle) * down)
    v = 7000 * (-np.sin(angle) * across + np.cos(angle) * down)
    if mirrored:
        u = -u
    middle = np.array([position_um, 4100, 5600])
    return Plane(middle - u / 2 - v / 2, u, v)


@settings(max_examples=30)
@given(st.floats(-180, 180), st.floats(-0.3, 0.3), st.floats(-0.3, 0.3), st.booleans(), st.integers(10, 900))
def test_an_anchored_canvas_maps_every_pixel_to_where_the_anchoring_says(angle, slope_u, slope_v, flip, width):
    plane = _tilted(angle, slope_u, slope_v, flip)
    section = Section(np.zeros((70, width), np.uint8))
    canvas = Canvas.by_anchoring(section, ATLAS, plane, SHAPE)
    points = np.array([[0, 0], [width - 1, 0], [3.2, 69], [width / 2, 20]])
    there = canvas.plane.pixels_to_um(canvas.section_to_canvas(points), SHAPE)
    assert np.allclose(there, plane.pixels_to_um(points, section.shape), atol=1e-6)
    assert np.allclose(canvas.canvas_to_section(canvas.section_to_canvas(points)), points, atol=1e-9)


@given(st.floats(-180, 180), st.floats(-0.3, 0.3), st.floats(-0.3, 0.3), st.booleans())
def test_an_anchored_canvas_is_upright_in_asr_and_as_large_as_a_slice(angle, slope_u, slope_v, flip):
    section = Section(np.zeros((70, 90), np.uint8))
    plane = Canvas.by_anchoring(section, ATLAS, _tilted(angle, slope_u, slope_v, flip), SHAPE).plane
    assert plane.u_um[2] > 0
    assert plane.v_um[1] > 0
    assert abs(plane.u_um[1]) < 0.1 * plane.width_um
    assert abs(plane.u_um @ plane.v_um) < 1e-3
    assert (plane.width_um, plane.height_um) == pytest.approx((11400, 8000))


def test_the_canvas_of_a_whole_coronal_plane_is_that_plane():
    plane = ATLAS.plane(5400)
    canvas = Canvas.by_anchoring(Section(np.zeros(SHAPE, np.uint8)), ATLAS, plane, SHAPE)
    assert np.allclose(canvas.plane.corners_um, plane.corners_um)
    assert np.allclose(canvas.from_section, np.eye(2, 3), atol=1e-9)


def test_a_sagittal_plane_is_refused():
    plane = Plane([0, 0, 5000], [13200, 0, 0], [0, 8000, 0])
    with pytest.raises(ValueError, match="nearer to coronal"):
        Canvas.by_anchoring(Section(np.zeros(SHAPE, np.uint8)), ATLAS, plane, SHAPE)


@pytest.mark.parametrize("size", [20, (40, 25)])
def test_a_given_pixel_size_sets_the_scale_and_the_tissues_centres_meet(size):
    across, down = np.broadcast_to(size, 2)
    shape = (round(8000 / down), round(11400 / across))
    image = ATLAS.reference_plane(6000, shape)
    moved = np.pad(image, ((30, 0), (0, 50)))
    canvas = Canvas.by_tissue(Section(moved), ATLAS, 6000, SHAPE, size)
    assert canvas.pixel_size_source == "given"
    points = np.array([[100.0, 130.0], [20, 30]])
    there = canvas.plane.pixels_to_um(canvas.section_to_canvas(points), SHAPE)
    truth = ATLAS.plane(6000).pixels_to_um(points - [0, 30], shape)
    assert np.allclose(there, truth, atol=100)
    assert np.allclose(np.diff(there, axis=0), np.diff(truth, axis=0), atol=1e-6)


def test_the_sections_own_pixel_size_is_used_unless_another_is_given():
    section = Section(ATLAS.reference_plane(6000, (160, 228)), pixel_size_um=50)
    assert Canvas.by_tissue(section, ATLAS, 6000, SHAPE).section_pixel_um == (50.0, 50.0)
    assert Canvas.by_tissue(section, ATLAS, 6000, SHAPE, 60).section_pixel_um == (60.0, 60.0)


def _lying(image, flip, rotate):
    """Return an image as it lies before `flip` and then `rotate` bring it upright."""
    image = np.rot90(image, rotate // 90)
    return image if flip is None else image[:, ::-1] if flip == "horizontal" else image[::-1]


@pytest.mark.parametrize("flip", [None, "horizontal", "vertical"])
@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
@pytest.mark.parametrize("size", [(40, 50), None])
def test_a_section_that_must_be_turned_lies_as_the_upright_one_in_px_of_its_own(flip, rotate, size):
    upright = np.pad(ATLAS.reference_plane(6000, (160, 285)), ((30, 0), (0, 50)))
    lying = _lying(upright, flip, rotate)
    own_size = size[::-1] if size and rotate % 180 else size
    there = Canvas.by_tissue(Section(upright, size), ATLAS, 6000, SHAPE)
    here = Canvas.by_tissue(Section(lying, own_size, flip=flip, rotate=rotate), ATLAS, 6000, SHAPE)
    y, x = np.indices(upright.shape)
    own = np.stack([_lying(x, flip, rotate), _lying(y, flip, rotate)], axis=-1)  # where each pixel comes to lie
    for row, column in [(0, 0), (3, 100), (lying.shape[0] - 1, 17)]:
        assert np.allclose(
            here.section_to_canvas([column, row]), there.section_to_canvas(own[row, column]), atol=1 if size else 1.5
        )
    assert here.section_pixel_um == (own_size or pytest.approx(there.section_pixel_um, rel=0.02))


@pytest.mark.parametrize(
    ("flip", "rotate", "side"),
    [(None, 0, "right"), ("horizontal", 0, "left"), ("vertical", 0, "right"), (None, 90, "top"), (None, 180, "left")],
)
def test_a_turned_section_says_where_the_animals_left_is_in_the_file(flip, rotate, side):
    image = _lying(ATLAS.reference_plane(6000, (160, 228)), flip, rotate)
    assert Canvas.by_tissue(Section(image, 50, flip=flip, rotate=rotate), ATLAS, 6000, SHAPE).animal_left == side


def test_the_same_section_can_be_placed_in_another_way():
    upright = ATLAS.reference_plane(6000, (160, 228))
    section = Section(np.rot90(upright), 50)
    turned = section.oriented(rotate=90)
    assert section.orientation.is_upright
    canvas = Canvas.by_tissue(turned, ATLAS, 6000, SHAPE)
    moving = turned.normalized(SHAPE, grid_to_section=canvas.to_section)
    expected = Section(upright).normalized(SHAPE)
    assert np.abs(moving - expected).mean() < 0.02


def test_an_anchored_section_must_not_be_turned_as_well():
    section = Section(np.zeros((70, 90), np.uint8), flip="horizontal")
    with pytest.raises(ValueError, match="must not be flipped or rotated") as caught:
        Canvas.by_anchoring(section, ATLAS, ATLAS.plane(5400), SHAPE)
    assert "\n" not in str(caught.value)


def test_the_canvas_says_which_metadata_the_pixel_size_is_from(tmp_path):
    image = (ATLAS.reference_plane(6000, (160, 228)) * 255).astype(np.uint8)
    metadata = {"PhysicalSizeX": 0.05, "PhysicalSizeXUnit": "mm", "PhysicalSizeY": 50}
    tifffile.imwrite(tmp_path / "a.ome.tif", image, metadata=metadata)
    canvas = Canvas.by_tissue(Section.read(tmp_path / "a.ome.tif"), ATLAS, 6000, SHAPE)
    assert canvas.pixel_size_source == "OME-XML"
    assert canvas.section_pixel_um == pytest.approx((50, 50))


def test_without_a_pixel_size_it_is_estimated_and_said_so():
    canvas = Canvas.by_tissue(Section(ATLAS.reference_plane(6000, (160, 228))), ATLAS, 6000, SHAPE)
    assert canvas.pixel_size_source == "estimated"
    assert canvas.section_pixel_um == pytest.approx((50, 50), rel=0.04)


def test_a_plane_without_tissue_is_refused():
    section = Section(ATLAS.reference_plane(6000))
    with pytest.raises(ValueError, match=r"where atlas .* has none"):
        Canvas.by_tissue(section, ATLAS, 0, SHAPE, 100)


@pytest.mark.parametrize(
    ("angle", "mirrored", "side"),
    [
        (0, False, "right"),
        (0, True, "left"),
        (180, False, "left"),
        (90, False, "top"),
        (-90, False, "bottom"),
    ],
)
def test_the_side_of_the_animals_left_is_named(angle, mirrored, side):
    section = Section(np.zeros((90, 90), np.uint8))
    assert Canvas.by_anchoring(section, ATLAS, _tilted(angle, 0, 0, mirrored), SHAPE).animal_left == side


@pytest.mark.parametrize("position", [13426, -300])
def test_an_anchored_plane_outside_the_atlas_is_refused_in_one_line(position):
    section = Section(np.zeros((70, 90), np.uint8))
    with pytest.raises(ValueError, match=rf"must show tissue.*through {position} um of 13200 um.*has none") as caught:
        Canvas.by_anchoring(section, ATLAS, _tilted(0, 0, 0, False, position), SHAPE)
    assert "\n" not in str(caught.value)


@pytest.mark.shared
def test_a_real_section_anchored_beyond_the_atlas_is_refused(shared):
    from atlalign.plane_io import read_anchorings

    planes = read_anchorings(shared / "sections" / "ish_allen" / "alignment.json", extent_um=ATLAS.shape_um)
    section = Section(np.zeros((70, 90), np.uint8))
    with pytest.raises(ValueError, match="must show tissue"):
        Canvas.by_anchoring(section, ATLAS, planes["71661813_s0001.jpg"], SHAPE)
