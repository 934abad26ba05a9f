"""The position network and its loss."""

import keras
import numpy as np
import pytest

from atlalign.errors import ModelError
from atlalign.ml_utils.losses import PlaneDistance
from atlalign.ml_utils.models import check_is_position_model, load_model, save_model
from atlalign.nn import position_model_factory, supervised_global_model_factory

SMALL = {"filters": (2, 3), "dense_layers": (4,), "shape": (16, 24)}


def test_a_network_that_knows_nothing_says_the_middle_and_coronal():
    views = np.random.default_rng(0).random((2, 16, 24, 1), dtype=np.float32)
    np.testing.assert_allclose(position_model_factory(**SMALL).predict_on_batch(views), [[0.5, 0, 0]] * 2, atol=1e-6)


def test_there_is_no_normalisation():
    kinds = {type(layer).__name__ for layer in position_model_factory().layers}
    assert kinds == {"InputLayer", "Conv2D", "MaxPooling2D", "Flatten", "Dense"}


def test_it_learns_what_brightness_says():
    rng = np.random.default_rng(0)
    share = rng.uniform(0, 1, 32).astype(np.float32)
    views = share[:, None, None, None] * np.ones((1, 16, 24, 1), np.float32)
    planes = np.stack([share, 0.2 * share, -0.2 * share], axis=1)
    model = position_model_factory((4, 8), (16,), (16, 24), optimizer=keras.optimizers.Adam(0.005), random_state=0)
    before = model.evaluate(views, planes, verbose=0)
    model.fit(views, planes, epochs=40, verbose=0)
    assert model.evaluate(views, planes, verbose=0) < 0.5 * before


def test_a_saved_network_goes_on_learning(tmp_path):
    model = position_model_factory(**SMALL, shape_um=(1000, 2000, 3000), random_state=0)
    save_model(model, tmp_path / "position.keras", separate=False)
    loaded = load_model(tmp_path / "position.keras", compile=True)
    assert loaded.loss.shape_um == (1000, 2000, 3000)
    views = np.random.default_rng(0).random((2, 16, 24, 1), dtype=np.float32)
    loaded.train_on_batch(views, np.zeros((2, 3), np.float32))
    assert np.isfinite(loaded.predict_on_batch(views)).all()


def test_the_seed_alone_says_where_it_starts():
    one, same, other = (position_model_factory(**SMALL, random_state=seed).get_weights() for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_images_too_small_for_the_poolings_are_refused():
    with pytest.raises(ValueError, match="at least 32 px"):
        position_model_factory(shape=(80, 30))


def test_a_registration_model_is_no_position_model():
    with pytest.raises(ModelError, match=r"must take views.*Train one with atlalign-train position"):
        check_is_position_model(supervised_global_model_factory((2,), None, shape=(16, 24)))


SHAPE_UM = (10000, 5000, 20000)


@pytest.mark.parametrize(
    ("off", "mm"),
    [((0.1, 0, 0), 1.0), ((0, 0.1, 0), 0.4), ((0, 0, 0.1), 0.1), ((0.1, -0.1, 0.1), 1.5)],
)
def test_the_distance_is_in_millimetres(off, mm):
    planes = np.array([[0.3, 0.1, -0.1]] * 2)
    assert float(PlaneDistance(SHAPE_UM).loss(planes, planes + off)) == pytest.approx(mm, abs=0.03)


@pytest.mark.parametrize("off", [(0.05, 0, 0), (0, 0.3, 0), (0, 0, -0.8)])
def test_the_distance_is_that_of_points_spread_over_the_slice(off):
    points = np.random.default_rng(0).normal(0, 1, (200_000, 2)) * [0.2 * 20000, 0.2 * 5000]  # um right and down
    along = off[0] * 10000 + points @ off[1:]
    distance = float(PlaneDistance(SHAPE_UM).loss(np.zeros((1, 3)), np.array([off])))
    assert distance == pytest.approx(np.sqrt((along**2).mean()) / 1000, abs=0.03)


def test_a_loss_without_an_extent_is_refused():
    with pytest.raises(ValueError, match="three positive numbers"):
        PlaneDistance((10000, 5000))
