"""The measures of scripts/benchmark_accuracy.py."""

import doctest
import importlib
from pathlib import Path

import numpy as np
import pytest

from atlalign import DisplacementField
from atlalign.atlas import Atlas, Structures

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
PIXEL_UM = (100.0, 100.0)


@pytest.fixture
def accuracy(monkeypatch):
    """Import a module of scripts/accuracy."""
    monkeypatch.syspath_prepend(SCRIPTS)
    return lambda name: importlib.import_module(f"accuracy.{name}")


@pytest.fixture(scope="module")
def plane():
    """A reference plane and its labels."""
    atlas = Atlas.load("phantom:100")
    return atlas.reference_plane(6000), atlas.structures.at_depth(atlas.annotation_plane(6000), 4)


@pytest.mark.parametrize("name", ["measures", "landmarks", "tables"])
def test_the_examples_hold(accuracy, name):
    results = doctest.testmod(accuracy(name))
    assert results.attempted > 0
    assert results.failed == 0


def test_an_error_is_measured_along_each_axis_in_its_own_micrometres(accuracy):
    deltas_pred = np.zeros((4, 5, 2))
    deltas_pred[..., 0] = 2
    errors = accuracy("measures").endpoint_errors_um(np.zeros((4, 5, 2)), deltas_pred, (30, 7))
    assert errors.shape == (4, 5)
    assert (errors == 60).all()


@pytest.mark.parametrize("shift", [-3, 0, 3])
def test_what_a_shift_brings_in_from_outside_is_not_shown(accuracy, shift):
    field = DisplacementField.generate((8, 10), "affine_simple", translation_x=shift)
    shown = accuracy("measures").is_shown(field.deltas_xy)
    assert shown.sum() == 8 * (10 - abs(shift))


def test_a_structure_counts_with_all_that_is_inside_it(accuracy):
    measures = accuracy("measures")
    rows = [(1, "root", "", None, (0, 0, 0)), (2, "CTX", "", 1, (0, 0, 0)), (3, "Isocortex", "", 2, (0, 0, 0))]
    structures = Structures([*rows, (4, "VISp", "", 3, (0, 0, 0)), (5, "HPF", "", 2, (0, 0, 0))])
    members = measures.members_of(structures)
    assert {name: sorted(ids) for name, ids in members.items()} == {"Isocortex": [3, 4], "HPF": [5]}


def test_pieces_below_the_least_size_are_left_out(accuracy):
    true = np.array([[3, 3, 3, 5]])
    members = {"A": np.array([3]), "B": np.array([5])}
    assert accuracy("measures").structure_dice(true, true, members, least_pixels=2) == {"A": 1.0}


@pytest.mark.parametrize("measure", ["explained_by_structures", "edge_agreement"])
@pytest.mark.parametrize("invert", [False, True], ids=["as it is", "inverted"])
def test_agreement_with_structures_falls_as_the_image_moves_off_them(accuracy, plane, measure, invert):
    image, labels = plane
    image = np.where(labels > 0, 1 - image, 0) if invert else image
    measured = [
        getattr(accuracy("measures"), measure)(np.roll(image, shift, axis=(0, 1)), labels, PIXEL_UM) for shift in (0, 4)
    ]
    assert measured[0] > measured[1] + 0.05


@pytest.mark.parametrize("measure", ["explained_by_structures", "edge_agreement"])
def test_an_image_without_contrast_or_tissue_has_no_agreement(accuracy, plane, measure):
    agreement = getattr(accuracy("measures"), measure)
    assert np.isnan(agreement(np.full(plane[1].shape, 0.4), plane[1], PIXEL_UM))
    assert np.isnan(agreement(plane[0], np.zeros_like(plane[1]), PIXEL_UM))


def test_images_of_two_sizes_keep_centre_and_scale_on_the_grid(accuracy):
    shapes = [(40, 61), (33, 20)]
    maps = accuracy("landmarks").grids_to_images(shapes, (32, 48))
    assert maps[0][0, 0] == maps[1][0, 0] == pytest.approx(61 / 48)
    for shape, grid_to_image in zip(shapes, maps, strict=True):
        centre = grid_to_image @ [23.5, 15.5, 1]
        assert centre == pytest.approx([(shape[1] - 1) / 2, (shape[0] - 1) / 2])


def test_a_method_that_finds_nothing_leaves_the_images_and_is_counted(accuracy):
    method = accuracy("methods").Method("none", lambda reference, moving: None, (4, 6))
    assert not method(np.zeros((4, 6)), np.zeros((4, 6))).any()
    assert method.costs()["not_found"] == 1


def test_the_first_call_of_a_method_is_made_twice_and_counted_once(accuracy):
    calls = []
    method = accuracy("methods").Method(
        "counting", lambda reference, moving: calls.append(1) or DisplacementField.generate((4, 6)), (4, 6)
    )
    for _ in range(2):
        method(np.zeros((4, 6)), np.zeros((4, 6)))
    assert len(calls) == 3
    assert len(method.seconds) == 2


@pytest.mark.parametrize("bright", [False, True])
def test_every_image_gets_a_dark_background(accuracy, bright):
    image = np.zeros((60, 80), np.uint8)
    image[15:45, 20:60] = 200
    image = 255 - image if bright else image
    canvas = accuracy("methods").as_canvas(image)
    assert canvas.dtype == np.float32
    assert canvas[2, 2] == 0
    assert canvas[30, 40] > 0.7
