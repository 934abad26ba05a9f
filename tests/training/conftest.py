"""What trainings in tests learn from."""

import pytest

from atlalign.simulate import simulate_dataset


@pytest.fixture(scope="package")
def data(tmp_path_factory):
    """A file of six pairs of the phantom."""
    path = tmp_path_factory.mktemp("data") / "pairs.h5"
    simulate_dataset(path, "phantom:100", n=6, shape=(48, 64), random_state=0)
    return path
