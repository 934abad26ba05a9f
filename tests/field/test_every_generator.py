"""Laws that hold for the random fields of every generator."""

import numpy as np
import pytest

from atlalign.base import DisplacementField

SHAPE = (48, 64)
INSIDE = (slice(12, -12), slice(16, -16))
EDGES = np.zeros(SHAPE, bool)
EDGES[10:38, 12] = EDGES[10:38, 50] = EDGES[10, 12:50] = True

# Each at a strength that does not fold.
GENERATORS = {
    "identity": {},
    "affine": {"matrix": [[1.05, 0.1, -2], [-0.08, 0.95, 3]]},
    "affine_simple": {"rotation": 0.2, "scale_x": 1.1, "translation_y": 3},
    "projective": {"matrix": [[1, 0.05, 1], [0.02, 1, -1], [0.0004, 0.0002, 1]]},
    "control_points": {
        "points": np.array([[20, 20], [30, 44]]),
        "values_delta_x": np.array([2.0, -2.0]),
        "values_delta_y": np.array([1.0, 2.0]),
        "interpolation_method": "rbf",
        "interpolator_kwargs": {"function": "thin_plate"},
    },
    "edge_stretching": {"edge_mask": EDGES, "radius_max": 3, "interpolation_method": "rbf"},
    "single_frequency": {"grid_spacing": 12, "n_perturbation_points": 3, "radius_mean": 1.0},
    "paper": {"n_pixels": 5, "v_min": -60, "v_max": 60, "kernel_sigma": 8},
    "microsoft": {"alpha": 30, "sigma": 6},
    "diffeomorphic": {"amplitude": 4, "sigma": 8},
}
DRAWING = {"edge_stretching", "single_frequency", "paper", "microsoft", "diffeomorphic"}


@pytest.fixture(params=GENERATORS)
def field(request):
    kwargs = dict(GENERATORS[request.param])
    if request.param in DRAWING:
        kwargs["random_state"] = 5
    field = DisplacementField.generate(SHAPE, request.param, **kwargs)
    assert (field.jacobian[INSIDE] > 0).all()
    return field


def other(seed):
    return DisplacementField.generate(SHAPE, "diffeomorphic", amplitude=2, sigma=10, random_state=seed)


def test_the_field_of_its_inverse_is_the_identity_inside(field):
    assert field(field.pseudo_inverse()).norm[INSIDE].max() < 0.01


def test_the_inverse_of_its_inverse_is_the_field_inside(field):
    twice = field.pseudo_inverse().pseudo_inverse()
    error = np.abs(twice.deltas_xy - field.deltas_xy)[INSIDE]
    assert error.mean() < 0.02


def test_composition_is_associative_inside(field):
    first, second = other(1), other(2)
    difference = field(first)(second).deltas_xy - field(first(second)).deltas_xy
    assert np.abs(difference)[INSIDE].mean() < 0.02


def test_the_identity_is_neutral_on_both_sides(field):
    identity = DisplacementField.generate(SHAPE)
    np.testing.assert_allclose(field(identity).deltas_xy, field.deltas_xy, atol=1e-4)
    np.testing.assert_allclose(identity(field).deltas_xy, field.deltas_xy, atol=1e-4)


def test_a_field_for_twice_the_image_does_the_same_to_it(field):
    image = np.random.default_rng(0).random(SHAPE).astype("float32")
    smooth = DisplacementField.generate(SHAPE).resize((96, 128)).warp(image, border_mode="replicate")
    there = field.resize_constant((96, 128)).warp(smooth, border_mode="replicate")
    expected = (
        DisplacementField.generate(SHAPE)
        .resize((96, 128))
        .warp(field.warp(image, border_mode="replicate"), border_mode="replicate")
    )
    inside = (slice(24, -24), slice(32, -32))
    assert np.corrcoef(there[inside].ravel(), expected[inside].ravel())[0, 1] > 0.85


def test_a_warped_annotation_has_no_new_label(field):
    labels = np.random.default_rng(0).choice([0, 3, 2_000_000_011], SHAPE).astype("uint32")
    assert set(np.unique(field.warp_annotation(labels))) <= {0, 3, 2_000_000_011}


def test_saving_loses_nothing(field, tmp_path):
    field.save(tmp_path / "field.npy")
    assert DisplacementField.from_file(tmp_path / "field.npy") == field
