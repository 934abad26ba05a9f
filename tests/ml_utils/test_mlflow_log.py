"""Arguments that are logged to MLflow."""

import sys
from types import SimpleNamespace

import keras
import pytest

from atlalign.errors import MissingExtraError
from atlalign.nn import supervised_global_model_factory, supervised_model_factory


def tiny_global(**kwargs):
    return supervised_global_model_factory((2,), None, ("mse", "mse_po"), shape=(16, 16), **kwargs)


def tiny_local(**kwargs):
    return supervised_model_factory((2,), (2,), (2,), (2,), (2,), ("mse", "mse_po"), shape=(16, 16), **kwargs)


@pytest.fixture
def logged(monkeypatch):
    parameters = {}
    monkeypatch.setitem(sys.modules, "mlflow", SimpleNamespace(log_params=parameters.update))
    return parameters


@pytest.mark.parametrize("factory", [tiny_global, tiny_local])
def test_nothing_is_logged_unless_asked(factory, logged):
    factory()
    assert logged == {}


def test_every_argument_of_a_factory_is_logged(logged):
    tiny_local(mlflow_log=True, diffeomorphic=True, optimizer=keras.optimizers.Adam())
    assert logged.keys() >= {"start_filters", "losses_weights", "compute_inv", "shape", "diffeomorphic"}
    assert (logged["losses"], logged["optimizer"], logged["diffeomorphic"]) == ("(mse, mse_po)", "Adam", True)


def test_objects_are_logged_by_their_names(logged):
    encoder = keras.layers.GlobalMaxPooling2D(name="largest")
    tiny_global(mlflow_log=True, encoder=encoder, activation=keras.activations.gelu)
    assert (logged["encoder"], logged["activation"], logged["dense_layers"]) == ("largest", "gelu", None)


def test_a_factory_that_refuses_logs_nothing(logged):
    with pytest.raises(ValueError, match="n_gpus"):
        tiny_global(mlflow_log=True, n_gpus=2)
    assert logged == {}


@pytest.mark.parametrize("factory", [tiny_global, tiny_local])
def test_without_mlflow_the_extra_is_named(factory, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MissingExtraError, match=r"atlalign\[mlflow\]"):
        factory(mlflow_log=True)
