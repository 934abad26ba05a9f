"""Counting errors in bins agrees with keeping them all."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from atlalign.evaluation import ErrorDistribution

ERRORS = arrays(np.float64, st.integers(1, 40), elements=st.floats(0, 1e6))


@given(ERRORS, ERRORS)
def test_shares_are_those_of_all_errors(first, second):
    errors = ErrorDistribution()
    errors.add(first)
    errors.add(second)
    together = np.concatenate([first, second])
    expected = [(together <= edge).mean() for edge in errors.edges_um]
    np.testing.assert_allclose(errors.shares, expected)


def test_nothing_counted_has_no_shares():
    assert np.isnan(ErrorDistribution().shares).all()
