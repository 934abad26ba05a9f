"""Layers of the networks' heads: affine maps fitted to votes, products of maps, fields made finer."""

import numpy as np
import pytest
from keras import ops

from atlalign.base import DisplacementField
from atlalign.ml_utils.layers import AffineProduct, CentredAffine, FitAffine, RefineDVF
from tests.ml_utils.layers_support import as_numpy, assert_gradients_are_differences

SHAPE, STRIDE = (32, 48), 8


def votes_for(pixel_matrix, shape=SHAPE, stride=STRIDE):
    """What every cell says if the image is moved by that map (2, 3), all with the same weight."""
    rows, columns = shape[0] // stride, shape[1] // stride
    y, x = np.mgrid[:rows, :columns] * stride + (stride - 1) / 2
    points = np.stack([x, y], axis=-1)
    moved = points @ pixel_matrix[:, :2].T + pixel_matrix[:, 2]
    displacement = (moved - points) / (np.hypot(*shape) / 2)
    return np.concatenate([displacement, np.zeros((rows, columns, 1))], axis=-1)[None]


class TestFitAffine:
    def test_finds_the_map_that_all_cells_agree_on(self):
        matrix = np.array([[1.1, -0.2, 3.0], [0.15, 0.9, -2.0]])
        fitted = CentredAffine(SHAPE, dtype="float64")(FitAffine(SHAPE, STRIDE, dtype="float64")(votes_for(matrix)))
        corners = np.array([[0, 0, 1], [SHAPE[1] - 1, 0, 1], [0, SHAPE[0] - 1, 1]])
        np.testing.assert_allclose(corners @ as_numpy(fitted)[0].T, corners @ matrix.T, atol=0.02)

    def test_does_not_listen_to_cells_without_weight(self):
        votes = votes_for(np.array([[1.0, 0, 3], [0, 1, 0]]))
        votes[0, 1, 2] = (5, 5, -50)
        layer = FitAffine(SHAPE, STRIDE, dtype="float64")
        alone = votes_for(np.array([[1.0, 0, 3], [0, 1, 0]]))
        np.testing.assert_allclose(as_numpy(layer(votes)), as_numpy(layer(alone)), atol=1e-3)

    def test_one_cell_that_decides_everything_does_not_divide_by_zero(self):
        votes = votes_for(np.eye(2, 3))
        votes[0, 0, 0, 2] = 1000
        assert np.isfinite(as_numpy(FitAffine(SHAPE, STRIDE)(votes.astype("float32")))).all()

    def test_gradient_agrees_with_finite_differences(self):
        rng = np.random.default_rng(0)
        weights, votes = rng.normal(size=(1, 2, 3)), rng.normal(size=(1, 4, 6, 3))
        layer = FitAffine(SHAPE, STRIDE, dtype="float64")
        assert_gradients_are_differences(lambda v: ops.sum(layer(v) * weights), votes)


def test_a_product_of_affine_maps_is_their_composition():
    outer, inner = np.random.default_rng(0).normal(size=(2, 3, 2, 3))
    product = as_numpy(AffineProduct(dtype="float64")([outer, inner]))
    points = np.array([[3.0, -4.0], [0.5, 7.0]])
    for k in range(3):
        once = points @ inner[k, :, :2].T + inner[k, :, 2]
        twice = once @ outer[k, :, :2].T + outer[k, :, 2]
        np.testing.assert_allclose(points @ product[k, :, :2].T + product[k, :, 2], twice)


class TestRefineDVF:
    @pytest.mark.parametrize("factor", [2, 4])
    def test_agrees_with_the_numpy_class_where_the_coarse_grid_covers_the_fine_one(self, factor):
        coarse = DisplacementField.generate((6, 9), approach="microsoft", alpha=20, sigma=1.5, random_state=0)
        shape = (6 * factor, 9 * factor)
        fine = as_numpy(RefineDVF(shape, factor, dtype="float64")(coarse.deltas_xy[None].astype("float64")))[0]
        np.testing.assert_allclose(fine, coarse.resize_constant(shape).deltas_xy, atol=1e-5)

    def test_goes_on_as_at_the_edge_in_the_margin(self):
        field = np.arange(4, dtype="float32").reshape(1, 1, 2, 2)
        fine = as_numpy(RefineDVF((2, 8), 2)(field))[0, 0]
        np.testing.assert_array_equal(fine[:3], np.repeat(fine[2:3], 3, axis=0))
        np.testing.assert_array_equal(fine[5:], np.repeat(fine[5:6], 3, axis=0))

    def test_gradient_agrees_with_finite_differences(self):
        rng = np.random.default_rng(0)
        weights, layer = rng.normal(size=(1, 10, 14, 2)), RefineDVF((10, 14), 2, dtype="float64")
        assert_gradients_are_differences(lambda f: ops.sum(layer(f) * weights), rng.normal(size=(1, 5, 6, 2)))

    @pytest.mark.parametrize("factor", [0, 1.5])
    def test_a_factor_that_is_none_is_refused(self, factor):
        with pytest.raises(ValueError, match="whole number of at least 1"):
            RefineDVF((4, 4), factor)
