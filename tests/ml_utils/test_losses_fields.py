"""Field losses: known answers from NumPy and from the class of fields."""

import numpy as np
import pytest

from atlalign.base import DisplacementField
from atlalign.ml_utils.losses import (
    ALL_DVF_LOSSES,
    Grad,
    VDClipper,
    bending_energy,
    inverse_consistency,
    jacobian,
    jacobian_distance,
    mse_po,
    vector_distance,
)
from tests.ml_utils.losses_support import check_gradient, fields, gradient_of

SHAPE = (40, 48)


def smooth(seed=0, amplitude=3.0, shape=SHAPE):
    return DisplacementField.generate(shape, "diffeomorphic", amplitude=amplitude, sigma=7, random_state=seed)


def batch(*dfs):
    return np.stack([df.deltas_xy for df in dfs])


def determinants(field):
    """Of one field (h, w, 2), in NumPy."""
    (xy, xx), (yy, yx) = (np.gradient(field[..., i]) for i in (0, 1))
    return (1 + xx) * (1 + yy) - xy * yx


class TestDistances:
    def test_mse_po_sums_the_components(self):
        y_true, y_pred = fields()
        assert float(mse_po(y_true, y_pred)) == pytest.approx(((y_true - y_pred) ** 2).sum(-1).mean(), rel=1e-5)

    def test_vector_distance_is_the_mean_rounded_length(self):
        y_true, y_pred = fields()
        expected = np.sqrt(((y_true - y_pred) ** 2).sum(-1) + 0.001).mean()
        assert float(vector_distance(y_true, y_pred)) == pytest.approx(expected, rel=1e-5)

    @pytest.mark.parametrize("name", ["mae", "mse"])
    def test_mae_and_mse_act_on_whole_pixels(self, name):
        y_true, y_pred = fields()
        expected = {"mae": np.abs(y_true - y_pred).mean(), "mse": ((y_true - y_pred) ** 2).mean()}[name]
        assert float(ALL_DVF_LOSSES[name](y_true, y_pred)) == pytest.approx(expected, rel=1e-5)

    @pytest.mark.parametrize(("name", "expected"), [("vdclip2", 4), ("vdclip3", 8)])
    def test_vdclip_is_a_power_of_the_mean_distance(self, name, expected):
        y_pred = np.zeros((1, 4, 4, 2), "float32")
        y_true = y_pred + np.float32([0, 40])
        assert float(ALL_DVF_LOSSES[name](y_true, y_pred)) == pytest.approx(expected, rel=1e-4)

    def test_vdclip_refuses_a_distance_that_is_none(self):
        with pytest.raises(ValueError, match=r"value must be a positive distance in px. Received: value=0"):
            VDClipper(value=0)

    def test_refuses_what_is_no_field(self):
        with pytest.raises(ValueError, match=r"must be \(n, h, w, 2\). Received: \(1, 4, 4, 1\)"):
            vector_distance(np.zeros((1, 4, 4, 1)), np.zeros((1, 4, 4, 1)))


class TestRoughness:
    def test_grad_of_a_constant_field_is_zero(self):
        assert float(Grad().loss(None, np.full((1, 5, 6, 2), 7.0))) == 0

    @pytest.mark.parametrize("penalty", ["l1", "l2"])
    def test_grad_averages_both_axes(self, penalty):
        field = fields()[0]
        size = {"l1": np.abs, "l2": np.square}[penalty]
        expected = (size(np.diff(field, axis=1)).mean() + size(np.diff(field, axis=2)).mean()) / 2
        assert float(Grad(penalty).loss(None, field)) == pytest.approx(expected, rel=1e-5)

    def test_bending_energy_of_an_affine_field_is_zero(self):
        df = DisplacementField.generate(SHAPE, "affine_simple", rotation=0.5, scale_x=1.4, translation_x=9)
        assert float(bending_energy(None, batch(df).astype("float64"))) == pytest.approx(0, abs=1e-9)

    def test_bending_energy_of_a_quadratic_field_is_that_of_its_derivatives(self):
        y, x = np.mgrid[:9, :12].astype(float)
        field = np.stack([2 * x**2 + 3 * x * y + y, x - 0.5 * y**2], axis=-1)[None]
        assert float(bending_energy(None, field)) == pytest.approx(np.mean([4**2 + 2 * 3**2, 1**2]))


class TestJacobian:
    def test_is_the_share_that_the_class_of_fields_calls_folded(self):
        dfs = [DisplacementField(*np.moveaxis(field, -1, 0)) for field in fields()[0]]
        expected = np.mean([df.jacobian <= 0 for df in dfs])
        assert 0.2 < expected < 0.8
        assert float(jacobian(None, batch(*dfs))) == pytest.approx(expected)

    def test_of_a_diffeomorphism_is_zero(self):
        assert float(jacobian(None, batch(smooth()))) == 0

    def test_a_determinant_of_zero_counts(self):
        field = np.zeros((1, 6, 6, 2))
        field[..., 0] = -np.arange(6)  # every pixel reads the first column
        assert float(jacobian(None, field)) == 1

    def test_gradient_is_that_of_how_negative_the_determinants_are(self):
        field = fields(dtype="float64")[0][:1]
        direction = np.random.default_rng(1).normal(size=field.shape)

        def depth(y):
            return np.maximum(-determinants(y[0]), 0).mean()

        expected = (depth(field + 1e-6 * direction) - depth(field - 1e-6 * direction)) / 2e-6
        slope = (gradient_of(lambda y: jacobian(None, y), field) * direction).sum()
        assert slope == pytest.approx(expected, rel=1e-5)

    def test_following_the_gradient_unfolds(self):
        field = batch(DisplacementField.generate(SHAPE, "microsoft", alpha=250, sigma=6, random_state=0))
        before = float(jacobian(None, field))
        for _ in range(20):
            field = field - 400 * gradient_of(lambda y: jacobian(None, y), field)
        assert float(jacobian(None, field)) < 0.8 * before

    @pytest.mark.parametrize(("norm", "size"), [("l1", np.abs), ("l2", np.square)])
    def test_distance_is_that_of_the_determinants(self, norm, size):
        y_true, y_pred = fields(dtype="float64")
        expected = np.mean([size(determinants(a) - determinants(b)) for a, b in zip(y_true, y_pred, strict=True)])
        assert float(jacobian_distance(y_true, y_pred, norm=norm)) == pytest.approx(expected)

    def test_distance_refuses_another_norm(self):
        with pytest.raises(ValueError, match=r"norm must be l1 or l2. Received: norm='max'"):
            jacobian_distance(*fields(), norm="max")

    @pytest.mark.parametrize(("name", "share"), [("", 0.5), ("_02", 0.2)])
    def test_mixed_with_the_vector_distance_has_the_published_shares(self, name, share):
        pair = fields()
        expected = share * float(vector_distance(*pair)) + (1 - share) * float(jacobian_distance(*pair))
        assert float(ALL_DVF_LOSSES[f"vector_jacobian_distance{name}"](*pair)) == pytest.approx(expected, rel=1e-5)


class TestInverseConsistency:
    def test_is_nothing_but_the_rounding_for_a_field_and_its_inverse(self):
        df = smooth()
        assert float(inverse_consistency(batch(df), batch(df.pseudo_inverse()))) == pytest.approx(0.0316, abs=0.02)

    def test_is_the_mean_length_of_both_compositions(self):
        f, g = smooth(1), smooth(2)
        lengths = [np.sqrt((composed.deltas_xy**2).sum(-1) + 0.001).mean() for composed in (f(g), g(f))]
        assert float(inverse_consistency(batch(f), batch(g))) == pytest.approx(np.mean(lengths), rel=1e-3)

    def test_goes_both_ways(self):
        f, g = batch(smooth(1)), batch(smooth(2))
        assert float(inverse_consistency(f, g)) == pytest.approx(float(inverse_consistency(g, f)), rel=1e-6)

    @pytest.mark.parametrize("which", [0, 1])
    def test_gradient_is_that_of_finite_differences(self, which):
        pair = [batch(smooth(seed, shape=(16, 20))).astype("float64") for seed in (1, 2)]

        def value(y):
            return inverse_consistency(*(y if i == which else field for i, field in enumerate(pair)))

        check_gradient(value, pair[which])

    def test_gradient_is_finite_where_nothing_moves(self):
        field = np.zeros((1, 8, 8, 2), "float32")
        assert np.isfinite(gradient_of(lambda y: inverse_consistency(y, field), field)).all()
