"""Pairs with known labels, and methods whose scores are known."""

import numpy as np
import pytest

from atlalign.pairs import PairSource
from atlalign.simulate import simulate_dataset

SHAPE = (48, 64)


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("evaluation") / "pairs.h5"
    simulate_dataset(path, "phantom:100", n=4, shape=SHAPE, random_state=0, max_tilt_degrees=0, damage=0)
    return path


@pytest.fixture(scope="session")
def source(data):
    return PairSource([data])


@pytest.fixture(scope="session")
def truth(source):
    """A method that knows the answer, field and inverse."""
    pairs = [source.pair(index) for index in range(len(source))]

    def answer(reference, moving):
        (pair,) = (pair for pair in pairs if np.array_equal(pair.moving, moving))
        return pair.deltas_xy, pair.inv_deltas_xy

    return answer
