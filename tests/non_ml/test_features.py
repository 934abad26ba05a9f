"""Registration by features."""

import numpy as np
import pytest

from atlalign import Atlas, DisplacementField
from atlalign.errors import AtlalignError
from atlalign.non_ml import feature_based_registration

PARTS = {
    "rigid": {"rotation": 0.5, "translation_x": 3, "translation_y": -4},
    "similarity": {"rotation": 2.5, "scale_x": 1.1, "scale_y": 1.1},
    "affine": {"rotation": -0.3, "scale_x": 1.1, "shear": 0.1, "translation_x": 6},
}


@pytest.fixture(scope="module")
def fixed():
    return Atlas.load("phantom").reference_plane(5000, (96, 120))


@pytest.mark.parametrize("method", ["sift", "orb"])
@pytest.mark.parametrize("model", PARTS)
def test_a_known_transformation_is_found_to_half_a_pixel_however_far_it_turns(fixed, method, model):
    true = DisplacementField.generate(fixed.shape, "affine_simple", **PARTS[model])
    moving = true.pseudo_inverse().warp(fixed)
    field, meta = feature_based_registration(fixed, moving, method=method, model=model, random_state=0)
    assert true.norm.mean() > 5
    assert np.linalg.norm(field.deltas_xy - true.deltas_xy, axis=-1).mean() < 0.5
    assert meta["n_matches"] >= meta["n_inliers"] >= 8


def test_the_field_belongs_to_the_fixed_image_and_reaches_into_a_moving_one_of_another_size(affine_pair):
    field, _ = feature_based_registration(affine_pair.fixed, affine_pair.moving, random_state=0)
    assert field.shape == affine_pair.fixed.shape != affine_pair.moving.shape
    assert affine_pair.error(field) < 0.3 < affine_pair.identity_error() / 10


def test_the_inverse_of_the_field_is_the_registration_the_other_way(affine_pair):
    there, _ = feature_based_registration(affine_pair.fixed, affine_pair.moving, random_state=0)
    back, _ = feature_based_registration(affine_pair.moving, affine_pair.fixed, random_state=0)
    points = np.array([[40.0, 30.0], [60.0, 50.0]])
    np.testing.assert_allclose(back.transform_points(there.transform_points(points)), points, atol=0.5)


def test_matrix_and_matches_say_what_the_field_says(affine_pair):
    field, meta = feature_based_registration(affine_pair.fixed, affine_pair.moving, random_state=0)
    mapped = np.c_[meta["fixed_xy"], np.ones(meta["n_inliers"])] @ meta["matrix"].T
    np.testing.assert_allclose(mapped[:, :2], field.transform_points(meta["fixed_xy"]), atol=1e-3)
    assert np.linalg.norm(mapped[:, :2] - meta["moving_xy"], axis=1).max() < 3


@pytest.mark.parametrize("model", ["rigid", "similarity"])
def test_a_poorer_model_stays_poor(fixed, model):
    moving = DisplacementField.generate(fixed.shape, "affine_simple", scale_x=1.15, rotation=0.2).warp(fixed)
    _, meta = feature_based_registration(fixed, moving, model=model, residual_threshold=8, random_state=0)
    gram = meta["matrix"][:2, :2].T @ meta["matrix"][:2, :2]
    np.testing.assert_allclose(gram, (1 if model == "rigid" else gram[0, 0]) * np.eye(2), atol=1e-9)


def test_the_same_seed_gives_the_same_field_and_8_bits_are_as_good_as_floats(fixed):
    moving = DisplacementField.generate(fixed.shape, "affine_simple", rotation=0.2).warp(fixed)
    fixed_8, moving_8 = (np.rint(img * 255).astype("uint8") for img in (fixed, moving))
    fields = [feature_based_registration(*pair, random_state=3)[0] for pair in [(fixed, moving), (fixed_8, moving_8)]]
    assert fields[0] == fields[1]


def test_one_outlier_in_three_matches_changes_nothing(fixed):
    # A third of the moving image is cut out and put elsewhere, so its features lie in the wrong place.
    moving = fixed.copy()
    moving[:, 80:] = np.roll(fixed, 11, axis=0)[:, 80:]
    field, meta = feature_based_registration(fixed, moving, model="rigid", random_state=0)
    assert meta["n_inliers"] < meta["n_matches"]
    assert field.norm.max() < 0.5


@pytest.mark.parametrize("method", ["sift", "orb"])
def test_images_of_nothing_in_common_are_refused_with_a_remedy(method):
    rng = np.random.default_rng(0)
    with pytest.raises(AtlalignError, match=r"^At least 8 [^\n]*Received: [^\n]*antspy_registration\.$"):
        feature_based_registration(rng.random((96, 96)), rng.random((96, 96)), method=method, random_state=0)


def test_images_without_a_feature_are_refused():
    ramp = np.tile(np.linspace(0, 1, 64), (64, 1))
    with pytest.raises(AtlalignError, match="Received: 0 matches"):
        feature_based_registration(ramp, ramp)
