"""What the pictures of a report show."""

import base64
import io

import cv2
import numpy as np
import pytest
from PIL import Image

from atlalign import Atlas, Section, register
from atlalign.registration import read_registration
from atlalign.registration.overlay import section_picture
from atlalign.report.pictures import data_uri, draw_checkerboard, draw_map
from atlalign.report.views import take_views

ATLAS = Atlas.load("phantom:100")


def _views(image, shift=0, **how):
    def predict(reference, moving):
        return np.broadcast_to(np.float32([shift, 0]), (*reference.shape, 2))

    where = {"position_um": 6000, "pixel_size_um": 50, **how}
    return take_views(register(Section(image), ATLAS, local_model=predict, **where))


IMAGE = ATLAS.reference_plane(6000, (160, 228))


def test_a_data_uri_is_the_picture():
    kind, content = data_uri(np.full((6, 9, 3), 80, np.uint8)).split(",")
    assert kind == "data:image/jpeg;base64"
    assert np.asarray(Image.open(io.BytesIO(base64.b64decode(content)))).shape == (6, 9, 3)


def test_squares_take_turns():
    board = draw_checkerboard(np.ones((80, 80), np.float32), np.zeros((80, 80), np.float32))
    assert board[:10, :10].min() == 255
    assert board[:10, 10:20].max() == 0
    assert board[10:20, 10:20].min() == 255


def test_before_and_after_lie_apart_by_the_field():
    views = _views(IMAGE, shift=10)  # 10 px of the canvas are 80 px of the picture
    assert np.abs(views.before[:, 80:].astype(int) - views.after[:, :-80]).mean() < 2
    assert np.abs(views.before.astype(int) - views.after).mean() > 10


@pytest.mark.parametrize(("image", "empty"), [(IMAGE, 0), (1 - IMAGE, 255)])
def test_outside_the_section_is_the_colour_of_its_background(image, empty):
    views = _views(image, shift=30)
    assert (views.after[:, -200:] == empty).all()


@pytest.mark.parametrize("colour", [False, True])
def test_a_saved_pale_section_has_the_contrast_of_the_one_in_memory(tmp_path, colour):
    # Tilted within its image, so that the corners of the canvas lie outside it.
    turn = cv2.getRotationMatrix2D((113.5, 79.5), 25, 1)
    image = cv2.warpAffine(np.uint8(235 - 120 * IMAGE), turn, (228, 160), borderValue=235)
    image = np.repeat(image[..., None], 3, axis=2) if colour else image

    def turned_back(reference, moving):
        height, width = reference.shape
        x, y = np.meshgrid(np.arange(width), np.arange(height))
        back = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), 25, 1)
        return np.float32(np.stack([x, y, np.ones_like(x)], axis=-1) @ back.T - np.stack([x, y], axis=-1))

    registration = register(Section(image), ATLAS, position_um=6000, pixel_size_um=50, local_model=turned_back)
    views = take_views(registration)
    saved = take_views(read_registration(registration.save(tmp_path / "s1")))
    tissue = views.annotation > 0
    assert np.median(views.registered[tissue]) > 0.3
    assert np.abs(saved.registered - views.registered)[tissue].mean() < 0.03
    outside = (saved.after == 255).all(axis=2)
    assert outside.any()
    assert saved.registered[outside].max() < 0.1
    assert np.abs(saved.before.astype(int) - views.before).mean() < 12


@pytest.mark.parametrize("shape", [(160, 228), (90, 130), (333, 456)])
def test_a_picture_of_a_section_has_no_frame(shape):
    section = Section(np.full((160, 228, 3), 235, np.uint8))
    assert (section_picture(section, shape) == 235).all()


def test_an_absent_hemisphere_has_no_outlines_and_no_reference():
    half = IMAGE.copy()
    half[:, 114:] = 0
    views = _views(half, hemisphere="right")
    assert not views.annotation[:, 456:].any()
    assert not views.reference[:, 456:].any()
    assert views.annotation[:, :456].any()


def test_a_map_leaves_what_is_not_known_pale_and_marks_in_red():
    values = np.full((20, 20), 10.0)
    values[:, :5] = np.nan
    marked = np.zeros((20, 20), bool)
    marked[10, 10] = True
    heat = draw_map(values, np.ones((20, 20), int), "viridis", marked)
    assert heat.picture[5, 2].min() > 230
    assert heat.picture[10, 10].tolist() == [230, 30, 30]
    assert heat.most == 10
    assert draw_map(values * 0, np.ones((20, 20), int), "viridis").most == 0
