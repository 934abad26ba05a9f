"""SupervisedGenerator: what a batch holds, its order, its reproducibility, what it refuses."""

import sys
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from atlalign import Atlas, DisplacementField
from atlalign.errors import AtlasError, InvalidFileError, MissingExtraError
from atlalign.ml_utils.augmentation import augmenter_1
from atlalign.ml_utils.io import SupervisedGenerator
from atlalign.simulate import simulate_dataset

SHAPE = (48, 64)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "pairs.h5"
    simulate_dataset(path, "phantom:100", n=7, shape=SHAPE, random_state=0, max_tilt_degrees=0, damage=0)
    return path


def all_batches(generator):
    return [generator[i] for i in range(len(generator))]


def test_a_batch_holds_pairs_registered_images_and_fields(path):
    X, (reg_images, deltas_xy) = SupervisedGenerator(path, batch_size=4)[0]
    assert X.shape == (4, *SHAPE, 2)
    assert reg_images.shape == (4, *SHAPE, 1)
    assert deltas_xy.shape == (4, *SHAPE, 2)
    assert X.dtype == reg_images.dtype == deltas_xy.dtype == np.float32


def test_channels_are_the_reference_and_the_moving_image(path):
    X, _ = SupervisedGenerator(path)[0]
    with h5py.File(path) as file:
        moving, p = file["img"][2], file["p"][2]
    np.testing.assert_allclose(X[2, ..., 1], moving / np.float32(255), atol=1e-7)
    np.testing.assert_allclose(X[2, ..., 0], Atlas.load("phantom:100").reference_plane(float(p), SHAPE), atol=1e-5)


def test_the_registered_image_is_the_moving_one_warped_by_the_field(path):
    X, (reg_images, deltas_xy) = SupervisedGenerator(path, augmenter_mov=augmenter_1(1), random_state=0)[0]
    for i in range(len(X)):
        expected = DisplacementField.from_deltas_xy(deltas_xy[i]).warp(X[i, ..., 1])
        np.testing.assert_allclose(reg_images[i, ..., 0], expected, atol=1e-6)


def test_the_inverse_comes_with_the_pair_in_reverse_order(path):
    (X_rm, X_mr), (_, _, inv_deltas_xy) = SupervisedGenerator(path, return_inverse=True)[0]
    np.testing.assert_array_equal(X_rm[..., ::-1], X_mr)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(inv_deltas_xy, file["inv_deltas_xy"][:].astype("float32"))


def test_the_last_incomplete_batch_is_kept(path):
    sizes = [len(X) for X, _ in all_batches(SupervisedGenerator(path, batch_size=3))]
    assert sizes == [3, 3, 1]


def test_each_epoch_shuffles_anew_and_shows_every_sample_once(path):
    generator = SupervisedGenerator(path, batch_size=3, shuffle=True, random_state=0)
    with h5py.File(path) as file:
        known = [image.tobytes() for image in file["img"][:]]
    orders = []
    for _ in range(2):
        images = np.concatenate([X[..., 1] for X, _ in all_batches(generator)])
        orders.append([known.index(np.round(image * 255).astype(np.uint8).tobytes()) for image in images])
        generator.on_epoch_end()
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(7))
    assert orders[0] != orders[1]


def test_an_epoch_can_be_reached_without_going_through_those_before(path):
    def make():
        return SupervisedGenerator(path, 3, shuffle=True, augmenter_mov=augmenter_1(), random_state=1)

    walked, jumped = make(), make()
    walked.on_epoch_end()
    walked.on_epoch_end()
    jumped.epoch = 2
    np.testing.assert_array_equal(walked[1][0], jumped[1][0])


def test_augmented_inputs_stay_in_range(path):
    generator = SupervisedGenerator(path, augmenter_ref=augmenter_1(1), augmenter_mov=augmenter_1(1), random_state=0)
    for _ in range(5):
        X, _ = generator.get_all_data()
        assert X.min() >= 0
        assert X.max() <= 1
        generator.on_epoch_end()


def test_training_is_the_same_whatever_the_workers(path):
    from atlalign.nn import supervised_global_model_factory

    def weights(**how):
        model = supervised_global_model_factory((2,), None, losses=("mse", "mse_po"), shape=SHAPE, random_state=0)
        generator = SupervisedGenerator(path, 3, shuffle=True, augmenter_mov=augmenter_1(), random_state=0, **how)
        model.fit(generator, epochs=3, shuffle=False, verbose=0)
        return model.get_weights()

    alone = weights()
    together = weights(workers=3)
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("as_file", [False, True])
def test_indexes_choose_samples_also_repeatedly(path, tmp_path, as_file):
    indexes = [5, 2, 2]
    if as_file:
        np.save(tmp_path / "indexes.npy", indexes)
    X, _ = SupervisedGenerator(path, indexes=tmp_path / "indexes.npy" if as_file else indexes)[0]
    with h5py.File(path) as file:
        expected = file["img"][:][indexes] / np.float32(255)
    np.testing.assert_allclose(X[..., 1], expected, atol=1e-7)


@pytest.mark.parametrize("indexes", [[], [7], [-1], [0.5], [[1, 2]]])
def test_indexes_that_do_not_fit_are_refused(path, indexes):
    with pytest.raises(ValueError, match="indexes must"):
        SupervisedGenerator(path, indexes=indexes)


def test_all_data_come_at_once_in_the_order_of_the_epoch(path):
    generator = SupervisedGenerator(path, batch_size=3, shuffle=True, random_state=0)
    X, _ = generator.get_all_data()
    np.testing.assert_array_equal(X, np.concatenate([batch for batch, _ in all_batches(generator)]))


def test_a_file_of_the_past_takes_the_plane_from_its_position(path, tmp_path):
    old = tmp_path / "old.h5"
    old.write_bytes(path.read_bytes())
    with h5py.File(old, "r+") as file:
        del file["corners_um"]
        file.attrs.clear()
        file["p"][0] = 999_999  # clipped to the last plane
    atlas = Atlas.load("phantom:100")
    X, _ = SupervisedGenerator(old, atlas=atlas)[0]
    expected = SupervisedGenerator(path)[0][0]
    np.testing.assert_allclose(X[1:, ..., 0], expected[1:, ..., 0], atol=1e-6)
    last = atlas.reference_plane(13150, SHAPE)
    np.testing.assert_allclose(X[0, ..., 0], last, atol=1e-6)


def test_without_any_atlas_the_error_names_the_argument(path, tmp_path):
    nameless = tmp_path / "nameless.h5"
    nameless.write_bytes(path.read_bytes())
    with h5py.File(nameless, "r+") as file:
        del file.attrs["atlas"]
    with pytest.raises(AtlasError, match="Pass atlas="):
        SupervisedGenerator(nameless)


def test_a_field_that_is_not_finite_is_refused_with_its_sample(path, tmp_path):
    broken = tmp_path / "broken.h5"
    broken.write_bytes(path.read_bytes())
    with h5py.File(broken, "r+") as file:
        file["deltas_xy"][3, 0, 0, 0] = np.nan
    with pytest.raises(InvalidFileError, match="sample 3"):
        SupervisedGenerator(broken)[0]


def test_arguments_are_logged_to_mlflow_when_asked(path, monkeypatch):
    logged = {}
    monkeypatch.setitem(sys.modules, "mlflow", SimpleNamespace(log_params=logged.update))
    SupervisedGenerator(path, batch_size=5, mlflow_log=True)
    assert logged["batch_size"] == 5
    assert logged["n_samples"] == 7


def test_logging_without_mlflow_names_the_extra(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MissingExtraError, match=r"atlalign\[mlflow\]"):
        SupervisedGenerator(path, mlflow_log=True)
