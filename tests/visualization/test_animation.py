"""The film of a field."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from atlalign import DisplacementField
from atlalign.visualization import create_animation

SHIFT = DisplacementField.generate((20, 30), "affine_simple", translation_x=6)
IMG = np.tile(np.arange(30, dtype="float32"), (20, 1))


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def shown(film):
    """Draw all frames and return the picture of each."""
    pictures = []
    for frame in film.new_frame_seq():
        (artist,) = film._func(frame)
        pictures.append(np.asarray(artist.get_array()))
    film._draw_was_started = True  # else matplotlib warns that nobody has seen it
    return pictures


def test_the_film_goes_from_the_moving_image_to_the_registered_one():
    pictures = shown(create_animation(SHIFT, IMG, frames_per_second=4, n_seconds=2))
    assert len(pictures) == 8
    np.testing.assert_array_equal(pictures[0], IMG)
    np.testing.assert_array_equal(pictures[-1], SHIFT.warp(IMG))
    np.testing.assert_allclose([p[0, 10] for p in pictures], 10 + np.linspace(0, 6, 8), rtol=1e-5)


def test_the_reference_flashes_at_the_end():
    reference = np.full((20, 30), 5, "float32")
    film = create_animation(SHIFT, IMG, 4, 1, img_ref=reference, n_ref=2, duration_ref=0.5)
    is_reference = [bool((picture == reference).all()) for picture in shown(film)]
    assert is_reference == [False] * 4 + [True, True, False, False] * 2


def test_it_is_written_whole(tmp_path):
    create_animation(SHIFT, IMG, 4, 1).save(tmp_path / "film.gif", writer="pillow")
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames > 1


@pytest.mark.parametrize(
    "kwargs",
    [
        {"frames_per_second": 0},
        {"n_seconds": -1},
        {"duration_ref": 0},
        {"n_ref": -1},
        {"img_ref": np.zeros((9, 9))},
    ],
)
def test_wrong_arguments_are_refused(kwargs):
    with pytest.raises(ValueError, match="Received"):
        create_animation(SHIFT, IMG, **kwargs)
    assert plt.get_fignums() == []
