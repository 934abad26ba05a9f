"""Which pairs are evaluated."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from atlalign.evaluation import spread
from atlalign.evaluation.samples import locate
from atlalign.pairs import PairSource


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=60, unique=True), st.integers(1, 80))
def test_a_spread_takes_as_many_as_asked_for_each_once_in_order(indexes, n):
    indexes = sorted(indexes)
    chosen = spread(indexes, n).tolist()
    assert len(chosen) == min(n, len(indexes))
    assert chosen == sorted(set(chosen))
    assert set(chosen) <= set(indexes)


@given(st.integers(2, 500), st.integers(2, 100))
def test_a_spread_has_no_gap_twice_as_wide_as_another(length, n):
    chosen = spread(range(length), n)
    gaps = np.diff(chosen)
    assert gaps.max() - gaps.min() <= 1


def test_samples_of_several_files_are_found(data):
    source = PairSource([data, data, data])
    assert locate(source, [0, 3, 4, 11]) == [(data, 0), (data, 3), (data, 0), (data, 3)]
