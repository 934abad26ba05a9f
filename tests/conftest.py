"""Fixtures that every part of the tests shares."""

from pathlib import Path

import hypothesis
import pytest

# How long a test takes says something of the machine, not of the code.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

SHARED = Path(__file__).resolve().parents[1].parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real material beside the project."""
    if not SHARED.is_dir():
        pytest.skip(f"the real sections and atlas volumes are not at {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def lpips_weights() -> None:
    """The weights of LPIPS, fetched once into the cache, which survives between runs."""
    from atlalign.weights import FetchError, fetch_weights

    try:
        fetch_weights("lpips")
    except FetchError as error:
        if not error.no_connection:
            raise
        pytest.skip(f"the weights of LPIPS are not in the cache and there is no network: {error}")
