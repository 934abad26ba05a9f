"""`replace_lambda_in_config`: what it takes, what it gives, what it refuses."""

import copy
import json
import logging

import keras
import numpy as np
import pytest

from atlalign.errors import ModelError
from atlalign.ml_utils.layers import ExtractMoving, NoOp
from atlalign.ml_utils.models import load_model, replace_lambda_in_config
from tests.ml_utils import keras2_files as k2

X = np.random.default_rng(0).normal(size=(1, *k2.SHAPE, 2)).astype("float32")
FACTORS = {"conv2d": 3.0, "model": {"conv2d": 3.0}}


def with_lambdas():
    """A model of atlalign 0.6.2 that was built with ``use_lambda=True``."""
    return k2.ancestor(extract="Lambda", no_op="Lambda")


@pytest.fixture(params=["dict", "whole dict", "json", "json in json", "path", "text path"])
def config(request, tmp_path):
    path = k2.write_separate(tmp_path / "m", with_lambdas(), FACTORS) / "m.json"
    text = json.loads(path.read_text())
    return {
        "dict": json.loads(text)["config"],
        "whole dict": json.loads(text),
        "json": text,
        "json in json": path.read_text(),
        "path": path,
        "text path": str(path),
    }[request.param]


def check(model):
    assert isinstance(model.get_layer("extract_moving"), ExtractMoving)
    assert isinstance(model.get_layer("inv_dvf"), NoOp)
    assert model.output_names == ["img_registered", "dvf", "inv_dvf"]


class TestForms:
    def test_dict_is_for_from_config(self, config):
        check(keras.Model.from_config(replace_lambda_in_config(config)))

    def test_json_is_for_model_from_json(self, config):
        check(keras.models.model_from_json(replace_lambda_in_config(config, output_format="json")))

    def test_keras_is_a_model(self, config):
        check(replace_lambda_in_config(config, output_format="keras"))

    @pytest.mark.parametrize("write", [k2.write_whole, k2.write_separate])
    def test_files_with_weights_give_a_model_with_them(self, write, tmp_path):
        path = write(tmp_path / ("m.h5" if write is k2.write_whole else "m"), with_lambdas(), FACTORS)
        model = replace_lambda_in_config(path, output_format="keras")
        check(model)
        inv_dvf = keras.ops.convert_to_numpy(model([X, X[..., ::-1]])[2])
        np.testing.assert_allclose(inv_dvf, k2.leaky(3 * X[..., ::-1]), rtol=1e-5)

    def test_a_model_in_memory_keeps_its_weights(self):
        pair = keras.Input((*k2.SHAPE, 2))
        x = keras.layers.Conv2D(2, 1)(pair)
        x = keras.layers.Lambda(lambda x: x, output_shape=x.shape[1:], name="inv_dvf")(x)
        moving = keras.layers.Lambda(lambda x: x[..., 1:], output_shape=(*k2.SHAPE, 1), name="extract_moving")(x)
        model = keras.Model(pair, moving)
        new = replace_lambda_in_config(model, output_format="keras")
        np.testing.assert_array_equal(*(keras.ops.convert_to_numpy(m(X)) for m in (model, new)))

    def test_the_original_stays_as_it_was(self):
        config = with_lambdas()["config"]
        before = copy.deepcopy(config)
        replace_lambda_in_config(config)
        assert config == before

    def test_verbose_logs_each_replacement(self, caplog):
        with caplog.at_level(logging.INFO):
            replace_lambda_in_config(with_lambdas()["config"], verbose=True)
        assert [record.message for record in caplog.records] == [
            "Lambda layer 'extract_moving' becomes ExtractMoving",
            "Lambda layer 'inv_dvf' becomes NoOp",
        ]


class TestRefusals:
    def test_loading_names_the_layer_and_the_remedy(self, tmp_path):
        path = k2.write_whole(tmp_path / "m.h5", with_lambdas(), FACTORS)
        with pytest.raises(ModelError, match=r"layer 'inv_dvf' is a Lambda.*replace_lambda_in_config"):
            load_model(path)

    @pytest.mark.parametrize("error", [KeyError, ModelError])
    def test_a_lambda_of_another_name(self, error):
        config = with_lambdas()["config"]
        config["layers"][4]["config"]["name"] = "lambda_3"
        with pytest.raises(error, match=r"must be called .* to be migrated\. Received: 'lambda_3'"):
            replace_lambda_in_config(config)

    @pytest.mark.parametrize("key", ["class_name", "config"])
    def test_a_layer_without_class_or_configuration(self, key):
        config = with_lambdas()["config"]
        del config["layers"][1][key]
        with pytest.raises(KeyError, match=f"must have a '{key}'"):
            replace_lambda_in_config(config)

    def test_another_foreign_layer(self):
        config = with_lambdas()["config"]
        config["layers"][1]["class_name"] = "TFOpLambda"
        with pytest.raises(ModelError, match=r"'conv2d' is keras\.layers\.TFOpLambda"):
            replace_lambda_in_config(config)

    def test_other_types(self):
        with pytest.raises(TypeError, match=r"input_config must be .* Received: int"):
            replace_lambda_in_config(3)
        with pytest.raises(TypeError, match="output_format must be one of dict, json, keras"):
            replace_lambda_in_config({}, output_format="yaml")

    @pytest.mark.parametrize(("name", "error"), [("model.txt", ValueError), ("model.json", FileNotFoundError)])
    def test_other_paths(self, tmp_path, name, error):
        with pytest.raises(error, match="Received"):
            replace_lambda_in_config(tmp_path / name)

    @pytest.mark.parametrize("text", ["{", '{"a": 1}', '{"class_name": "Functional", "config": {"layers": 3}}'])
    def test_what_is_no_configuration(self, text):
        with pytest.raises(ModelError, match=r"undamaged\. Received: input_config"):
            replace_lambda_in_config(text)
