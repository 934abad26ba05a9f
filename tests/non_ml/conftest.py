"""Pairs of images whose true field is known."""

from dataclasses import dataclass

import numpy as np
import pytest

from atlalign import Atlas, DisplacementField


@dataclass(frozen=True)
class Pair:
    """``true.warp(moving)`` is ``fixed``; nothing in the images is symmetric, square or of one size."""

    fixed: np.ndarray
    moving: np.ndarray
    true: DisplacementField

    def error(self, field: DisplacementField) -> float:
        """Mean endpoint error in the tissue, pixels."""
        return float(np.linalg.norm(field.deltas_xy - self.true.deltas_xy, axis=-1)[self.fixed > 0.05].mean())

    def identity_error(self) -> float:
        return self.error(DisplacementField.generate(self.fixed.shape))

    def inside(self, field: DisplacementField) -> np.ndarray:
        """Pixels that take their value from within the moving image: at its edge every tool has its own rule."""
        (x, y), (h, w) = field.transformation, self.moving.shape
        return (x >= 0) & (y >= 0) & (x <= w - 1) & (y <= h - 1)


def make_pair(bend: float) -> Pair:
    shape = (72, 96)
    fixed = Atlas.load("phantom").reference_plane(5000, shape)
    fixed[40:48, 60:75] *= 0.3
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    true = DisplacementField.generate(
        shape, "affine_simple", rotation=0.08, scale_x=1.05, translation_x=3, translation_y=-2
    )
    local = DisplacementField(bend * np.sin(x / 14) * np.cos(y / 17), 0.8 * bend * np.cos(x / 19 + 1) * np.sin(y / 12))
    true = true(local)
    moving = true.pseudo_inverse().warp(fixed)
    # Of another size, so that neither axis nor origin can be mistaken without notice.
    moving = np.pad(moving, ((6, 3), (2, 9)))
    return Pair(fixed, moving, DisplacementField(true.delta_x + 2, true.delta_y + 6))


@pytest.fixture(scope="session")
def affine_pair() -> Pair:
    return make_pair(bend=0)


@pytest.fixture(scope="session")
def bent_pair() -> Pair:
    return make_pair(bend=2)


@pytest.fixture
def clean(tmp_path, monkeypatch):
    """Work in an empty folder with an empty folder for temporary files; afterwards both must be empty."""
    work, temporary = tmp_path / "work", tmp_path / "temporary"
    work.mkdir()
    temporary.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    yield work
    assert list(work.iterdir()) == []
    assert list(temporary.iterdir()) == []
