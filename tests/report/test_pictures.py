"""What the pictures of a report show."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from atlalign import Atlas, Section, register
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
