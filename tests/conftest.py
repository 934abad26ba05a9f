"""Fixtures that every part of the tests shares."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[1].parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real material beside the project."""
    if not SHARED.is_dir():
        pytest.skip(f"the real sections and atlas volumes are not at {SHARED}")
    return SHARED
