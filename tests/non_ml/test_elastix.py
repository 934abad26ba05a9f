"""Registration by elastix: the field is what elastix itself does."""

import numpy as np
import pytest

from atlalign.errors import AtlalignError
from atlalign.non_ml import elastix_registration

QUICK = {"n_resolutions": 2, "n_iterations": 80, "random_state": 0}


@pytest.fixture(scope="module")
def bent(bent_pair):
    return elastix_registration(bent_pair.fixed, bent_pair.moving, **QUICK)


@pytest.fixture(scope="module")
def affine(affine_pair):
    return elastix_registration(affine_pair.fixed, affine_pair.moving, transforms="affine", **QUICK)


def test_the_field_of_affine_and_b_splines_warps_as_elastix_does(bent_pair, bent):
    field, meta = bent
    inside = bent_pair.inside(field)
    assert inside.mean() > 0.8
    np.testing.assert_allclose(field.warp(bent_pair.moving)[inside], meta["result"][inside], atol=1e-4)


def test_the_field_of_an_affine_transformation_warps_as_elastix_does(affine_pair, affine):
    field, meta = affine
    inside = affine_pair.inside(field)
    np.testing.assert_allclose(field.warp(affine_pair.moving)[inside], meta["result"][inside], atol=1e-4)


def test_a_known_affine_transformation_is_found(affine_pair, affine):
    field, _ = affine
    assert field.shape == affine_pair.fixed.shape != affine_pair.moving.shape
    assert affine_pair.error(field) < 0.3 < affine_pair.identity_error() / 10


def test_a_known_deformation_is_found_better_than_by_its_affine_part(bent_pair, bent):
    affine, _ = elastix_registration(bent_pair.fixed, bent_pair.moving, transforms="affine", **QUICK)
    assert bent_pair.error(bent[0]) < bent_pair.error(affine) / 2 < bent_pair.identity_error() / 4


def test_the_inverse_of_the_field_is_the_registration_the_other_way(affine_pair, affine):
    back, _ = elastix_registration(affine_pair.moving, affine_pair.fixed, transforms="affine", **QUICK)
    points = np.array([[40.0, 30.0], [60.0, 50.0]])
    np.testing.assert_allclose(back.transform_points(affine[0].transform_points(points)), points, atol=0.5)


def test_the_parameters_are_those_of_each_stage_in_pixels_x_first(bent_pair, bent):
    parameters = bent[1]["parameters"]
    assert [stage["Transform"][0] for stage in parameters] == ["AffineTransform", "BSplineTransform"]
    h, w = bent_pair.fixed.shape
    assert parameters[0]["Size"] == (str(w), str(h))


def test_the_same_seed_gives_the_same_field_and_another_another(affine_pair, affine):
    again, other = (
        elastix_registration(
            affine_pair.fixed, affine_pair.moving, transforms=["affine"], **QUICK | {"random_state": seed}
        )[0]
        for seed in (0, np.random.default_rng(5))
    )
    np.testing.assert_allclose(again.deltas_xy, affine[0].deltas_xy, atol=1e-4)
    assert np.abs(other.deltas_xy - affine[0].deltas_xy).max() > 1e-3


def test_images_of_8_bits_come_back_in_their_grey_levels(affine_pair, affine):
    images = (np.rint(img * 255).astype("uint8") for img in (affine_pair.fixed, affine_pair.moving))
    _, meta = elastix_registration(*images, transforms="affine", **QUICK)
    np.testing.assert_allclose(meta["result"], affine[1]["result"] * 255, atol=8)


@pytest.mark.parametrize("metric", ["correlation", "meansquares"])
@pytest.mark.parametrize("transform", ["translation", "rigid"])
def test_other_metrics_and_poorer_transforms_bring_the_images_closer(affine_pair, metric, transform):
    field, meta = elastix_registration(
        affine_pair.fixed, affine_pair.moving, transforms=transform, metric=metric, **QUICK
    )
    assert affine_pair.error(field) < affine_pair.identity_error() / 2
    inside = affine_pair.inside(field)
    np.testing.assert_allclose(field.warp(affine_pair.moving)[inside], meta["result"][inside], atol=1e-4)


def test_a_wider_grid_bends_less(bent_pair, bent):
    wide, _ = elastix_registration(bent_pair.fixed, bent_pair.moving, grid_spacing=200, **QUICK)
    assert np.abs(wide.jacobian - wide.jacobian.mean()).mean() < np.abs(bent[0].jacobian - 1).mean()


def test_nothing_stays_on_the_disk(affine_pair, clean):
    elastix_registration(affine_pair.fixed, affine_pair.moving, transforms="translation", **QUICK)


def test_images_that_lose_each_other_are_refused_with_elastixs_reason_and_nothing_stays(clean):
    fixed, moving = np.zeros((2, 64, 64), np.float32)
    fixed[:8, :8], moving[-8:, -8:] = 1, 1
    with pytest.raises(AtlalignError, match=r"^elastix must [^\n]*samples map outside[^\n]*feature_based[^\n]*$"):
        elastix_registration(fixed, moving, transforms="affine", random_state=0)


def test_verbose_lets_elastix_speak(affine_pair, capfd):
    elastix_registration(affine_pair.fixed, affine_pair.moving, transforms="translation", **QUICK)
    assert capfd.readouterr().out == ""
    elastix_registration(affine_pair.fixed, affine_pair.moving, transforms="translation", verbose=True, **QUICK)
    assert "elastix" in capfd.readouterr().out
