"""A series in a batch is of one kind."""

import imageio.v3 as iio
import numpy as np
import pytest

from atlalign import Atlas, Registrar
from atlalign.registration.jobs import SectionJob
from atlalign.registration.placed_series import place_series

ATLAS = Atlas.load("phantom:200")


def nothing(reference, moving):
    return np.zeros((*reference.shape, 2), np.float32)


@pytest.fixture
def place(tmp_path):
    def place(shown, hemisphere="auto"):
        """Place sections at 5, 6, 7 and 8 mm, of which those that are named show one hemisphere alone."""
        jobs = []
        for number, position_um in enumerate(range(5000, 9000, 1000)):
            image = np.uint8(255 * ATLAS.reference_plane(position_um))
            if number in shown:
                image[:, image.shape[1] // 2 :] = 0  # the animal's left
            path = tmp_path / f"x_s{number:03d}.png"
            iio.imwrite(path, image)
            jobs.append(SectionJob(path, pixel_size_um=200, hemisphere=hemisphere))
        return place_series(jobs, Registrar(ATLAS, global_model=nothing)).place(jobs)

    return place


def test_one_half_among_whole_sections_is_a_damaged_whole(place):
    assert {job.hemisphere for job in place({2})} == {"both"}


def test_of_a_series_of_halves_each_is_a_half(place):
    assert {job.hemisphere for job in place({0, 1, 2, 3})} == {"right"}


def test_what_a_person_says_of_a_section_is_left_alone(place):
    assert {job.hemisphere for job in place({0}, hemisphere="right")} == {"right"}
