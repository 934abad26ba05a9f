"""Pairs on the fly: labels stay exact whatever is done to the moving image."""

import numpy as np
import pytest

from atlalign.base import DisplacementField
from atlalign.errors import InvalidFileError
from atlalign.ml_utils.augmentation import augmenter_1
from atlalign.pairs import PairSource
from atlalign.pairs.processes import BatchProcesses
from atlalign.pairs.source import _mirrored
from atlalign.simulate import simulate_dataset

SHAPE = (64, 96)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("pairs") / "pairs.h5"
    simulate_dataset(path, "phantom:100", n=4, shape=SHAPE, random_state=0)
    return path


def inside(field):
    """Pixels whose value comes from well inside the image."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    x, y = x + field[..., 0], y + field[..., 1]
    return (x > 2) & (x < SHAPE[1] - 3) & (y > 2) & (y < SHAPE[0] - 3)


def placements(n):
    rng = np.random.default_rng(5)
    return np.stack([np.eye(2, 3) + rng.normal(0, [[0.05, 0.05, 3]] * 2) for _ in range(n)])


CHANGES = {
    "placed": {"placements": placements(4)},
    "deformed": {"deformation": "both", "p_reg": 0.0},
    "deformed from the registered image": {"deformation": "both", "p_reg": 1.0},
    "placed and deformed": {"placements": placements(4), "deformation": "local", "p_reg": 0.5},
}


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_the_registered_image_is_that_of_the_file(path, changes):
    plain, changed = PairSource([path]), PairSource([path], **changes)
    for index in range(4):
        before, after = plain.pair(index, 7), changed.pair(index, 7)
        assert np.abs(after.moving - before.moving).mean() > 0.005
        known = inside(before.deltas_xy) & inside(after.deltas_xy)
        # Two interpolations instead of one blur edges; a wrong label would shift them.
        assert np.abs(after.registered - before.registered)[known].mean() < 0.02


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_field_and_inverse_stay_inverse(path, changes):
    pair = PairSource([path], **changes).pair(1, 3)
    field, inverse = (DisplacementField.from_deltas_xy(d) for d in (pair.deltas_xy, pair.inv_deltas_xy))
    known = inside(pair.deltas_xy) & inside(inverse.deltas_xy)
    assert np.percentile(inverse(field).norm[known], 95) < 0.3


def test_a_deformation_from_the_registered_image_is_its_own_label(path):
    from atlalign.simulate import random_deformation

    pair = PairSource([path], deformation="affine", p_reg=1.0).pair(0, 3)
    rng = np.random.default_rng(3)
    rng.random()  # which image to start from
    field, inverse = random_deformation(SHAPE, "affine", rng)
    np.testing.assert_allclose(pair.deltas_xy, field.deltas_xy, atol=1e-4)
    np.testing.assert_allclose(pair.inv_deltas_xy, inverse.deltas_xy, atol=1e-4)


def test_what_is_not_changed_is_what_the_file_has(path):
    import h5py

    pair = PairSource([path]).pair(2)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(pair.deltas_xy, file["deltas_xy"][2].astype("float32"))
        np.testing.assert_array_equal(pair.moving, file["img"][2].astype("float32") / 255)


def test_samples_go_on_from_one_file_to_the_next(path):
    one, two = PairSource([path]), PairSource([path, path])
    assert len(two) == 8
    np.testing.assert_array_equal(one.pair(1).moving, two.pair(5).moving)
    assert two.image_ids.tolist() == [*one.image_ids, *one.image_ids]


def test_files_of_different_sizes_are_refused(path, tmp_path):
    simulate_dataset(tmp_path / "small.h5", "phantom:100", n=1, shape=(32, 48), random_state=0)
    with pytest.raises(InvalidFileError, match="images of one size"):
        PairSource([path, tmp_path / "small.h5"])


def test_worker_processes_prepare_the_same_batches(path):
    source = PairSource([path], deformation="both", augmenter_ref=augmenter_1(), augmenter_mov=augmenter_1())
    seeds = [[0, 1, position] for position in range(3)]
    processes = BatchProcesses(source, 1)
    try:
        for here, there in zip(source.batch([0, 2, 3], seeds), processes.batch([0, 2, 3], seeds), strict=True):
            np.testing.assert_allclose(here, there, atol=2e-5)
    finally:
        processes.close()


def test_a_mirrored_pair_is_the_mirror_image_of_the_pair(path):
    plain, mirrored = PairSource([path]).pair(2, 1), PairSource([path], mirror=1.0).pair(2, 1)
    for before, after in zip(plain[:2], mirrored[:2], strict=True):
        np.testing.assert_array_equal(after, before[:, ::-1])
    # The image as the field registers it says whether the field was mirrored as well.
    np.testing.assert_allclose(mirrored.registered, plain.registered[:, ::-1], atol=1e-4)


def test_mirroring_a_mirrored_field_gives_it_back(path):
    field = PairSource([path]).pair(0, 0).deltas_xy
    np.testing.assert_array_equal(_mirrored(_mirrored(field)), field)


@pytest.mark.parametrize("changes", [*CHANGES.values(), {"mirror": 1.0}], ids=[*CHANGES, "mirrored"])
def test_without_inverses_everything_else_is_the_same(path, changes):
    with_it, without = (
        PairSource([path], inverse=inverse, **changes).batch([1, 3], [0, 1]) for inverse in (True, False)
    )
    assert without.inv_deltas_xy is None
    for one, other in zip(with_it[:4], without[:4], strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_share_of_the_pairs_is_mirrored_anew_for_each_seed(path):
    plain, half = PairSource([path]).pair(1, 0).reference, PairSource([path], mirror=0.5)
    share = np.mean([not np.array_equal(half.pair(1, seed).reference, plain) for seed in range(40)])
    assert 0.25 < share < 0.75


def test_a_share_above_one_is_refused(path):
    with pytest.raises(ValueError, match=r"from 0 to 1\. Received: mirror=2"):
        PairSource([path], mirror=2)
