"""The correction of a field by pairs of points."""

import numpy as np
import pytest

from atlalign import DisplacementField
from atlalign.label import METHODS, Pair, Warper

SHAPE = (80, 114)


def bent():
    return DisplacementField.generate(SHAPE, "diffeomorphic", amplitude=4, sigma=15, random_state=0)


def some_pairs(field, n=12, far=2.0, seed=0):
    """Pairs on a jittered grid, each some px from where the field has it."""
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.linspace(15, 98, 4), np.linspace(15, 65, 3))
    places = np.stack([x.ravel(), y.ravel()], axis=-1)[:n] + rng.uniform(-3, 3, (n, 2))
    there = field.transform_points(places) + rng.uniform(-far, far, (n, 2))
    return tuple(
        Pair(i + 1, tuple(place), tuple(point)) for i, (place, point) in enumerate(zip(places, there, strict=True))
    )


@pytest.mark.parametrize("method", METHODS)
def test_every_method_takes_each_pair_where_it_belongs(method):
    field = bent()
    pairs = some_pairs(field)
    warp = Warper(field).correct(pairs, method)
    assert warp.residuals(pairs).max() < 0.1


@pytest.mark.parametrize("method", METHODS)
def test_the_quick_field_is_near_the_exact_one(method):
    warper = Warper(bent())
    pairs = some_pairs(warper.automatic)
    quick, exact = (warper.correct(pairs, method, quickly=how).correction for how in (True, False))
    assert np.hypot(*(quick.deltas_xy - exact.deltas_xy).reshape(-1, 2).T).max() < 1


def test_without_pairs_the_automatic_field_is_left_as_it_is():
    field = bent()
    assert Warper(field).correct(()).field == field


def test_automatic_pairs_change_nothing_though_they_are_not_where_the_field_is():
    field = bent()
    pairs = tuple(
        Pair(i, pair.reference_xy, pair.moving_xy, automatic=True) for i, pair in enumerate(some_pairs(field))
    )
    assert Warper(field).correct(pairs).field == field


def test_automatic_pairs_hold_the_field_around_them():
    field = bent()
    moved = Pair(1, (30.0, 40.0), tuple(field.transform_points([[30, 40]])[0] + [4, 0]))
    held = tuple(Pair(i, (90.0, float(y)), (0.0, 0.0), automatic=True) for i, y in enumerate((20, 40, 60), start=2))
    free, holding = (Warper(field).correct(pairs).correction for pairs in ((moved,), (moved, *held)))
    assert free.norm[40, 90] > 0.2
    assert holding.norm[40, 90] < 0.05
    assert holding.norm[40, 30] == pytest.approx(free.norm[40, 30], abs=0.1)


def test_one_pair_is_enough_and_fades_with_the_distance():
    warp = Warper(DisplacementField.generate(SHAPE)).correct((Pair(1, (57.0, 40.0), (60.0, 40.0)),))
    assert warp.field.sample([[57, 40]])[0] == pytest.approx([3, 0], abs=0.01)
    assert warp.correction.norm[0, 0] < 1.2


@pytest.mark.parametrize("method", METHODS)
def test_pairs_on_one_place_count_as_their_mean(method):
    pairs = (Pair(1, (40.0, 40.0), (42.0, 40.0)), Pair(2, (40.0, 40.0), (44.0, 40.0)))
    warp = Warper(DisplacementField.generate(SHAPE)).correct(pairs, method)
    assert warp.field.sample([[40, 40]])[0] == pytest.approx([3, 0], abs=0.05)


def test_a_placed_pair_counts_before_an_automatic_one_on_its_place():
    pairs = (Pair(1, (40.0, 40.0), (40.0, 40.0), automatic=True), Pair(2, (40.2, 40.0), (43.2, 40.0)))
    warp = Warper(DisplacementField.generate(SHAPE)).correct(pairs)
    assert warp.residuals(pairs[1:]).max() < 0.01


def test_pairs_that_cross_fold_the_field_and_the_share_says_so():
    pairs = (Pair(1, (40.0, 40.0), (60.0, 40.0)), Pair(2, (60.0, 40.0), (40.0, 40.0)))
    warp = Warper(DisplacementField.generate(SHAPE)).correct(pairs)
    assert warp.folds.any()
    assert warp.percent_without_folds == pytest.approx(100 * (1 - warp.folds.mean()))


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="method must be one of"):
        Warper(bent()).correct((), "spline")
