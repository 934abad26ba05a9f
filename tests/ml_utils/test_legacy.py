"""Models that Keras 2 wrote: those of atlalign 0.6.2, and single points of their format."""

import shutil
from pathlib import Path

import cv2
import h5py
import keras
import numpy as np
import pytest

from atlalign.base import DisplacementField
from atlalign.errors import ModelError
from atlalign.ml_utils import _containers
from atlalign.ml_utils.legacy import translate_config
from atlalign.ml_utils.models import forward_model, load_model, merge_global_local, save_model
from tests.ml_utils import keras2_files as k2

MODELS = Path(__file__).resolve().parents[1] / "data" / "legacy_models"


@pytest.fixture(scope="module")
def expected():
    with np.load(MODELS / "expected.npz", allow_pickle=False) as file:
        return dict(file)


@pytest.fixture(scope="module")
def pair(expected):
    """(1, 320, 456, 2): the input whose outputs were kept."""
    channels = [cv2.resize(expected["x_small"][0, ..., i], (456, 320), interpolation=cv2.INTER_CUBIC) for i in (0, 1)]
    return np.clip(np.stack(channels, axis=-1), 0, 1)[None]


def arrays(outputs):
    return [keras.ops.convert_to_numpy(output) for output in outputs]


def answers(model, X):
    return arrays(model(X if len(model.inputs) == 1 else [X, X[..., ::-1]], training=False))


def refusal(path):
    """What `load_model` says against a file, if anything."""
    try:
        load_model(path)
    except ModelError as error:
        return str(error)
    return ""


class TestFilesOfTheAncestor:
    @pytest.mark.parametrize("form", ["whole.h5", "separate"])
    def test_global_model_computes_what_it_did(self, form, expected, pair):
        image, field = (output[0, ::8, ::8] for output in answers(load_model(MODELS / f"global_{form}"), pair))
        np.testing.assert_allclose(image[..., 0], expected["global_img"], atol=1e-4)
        np.testing.assert_allclose(field, expected["global_dvf"], atol=1e-3)

    @pytest.mark.parametrize("form", ["whole.h5", "separate"])
    def test_local_model_computes_what_it_did(self, form, expected, pair):
        outputs = [output[0, ::8, ::8] for output in answers(load_model(MODELS / f"local_{form}"), pair)]
        np.testing.assert_allclose(outputs[0][..., 0], expected["local_img"], atol=1e-4)
        np.testing.assert_allclose(outputs[1], expected["local_dvf"], atol=1e-4)
        np.testing.assert_allclose(outputs[2], expected["local_inv"], atol=1e-4)

    def test_both_fields_of_the_local_model_come_from_the_same_weights(self):
        assert load_model(MODELS / "local_separate").count_params() == 1291

    @pytest.mark.parametrize("name", ["new", "new.keras"])
    def test_saved_in_our_form_it_stays_the_same(self, name, pair, tmp_path):
        model = load_model(MODELS / "local_whole.h5")
        save_model(model, tmp_path / name, separate=name == "new")
        for a, b in zip(answers(model, pair), answers(load_model(tmp_path / name), pair), strict=True):
            np.testing.assert_array_equal(a, b)

    def test_merged_field_is_global_of_local(self, pair):
        model_g, model_l = load_model(MODELS / "global_whole.h5"), load_model(MODELS / "local_separate")
        image_g, dvf_g = answers(model_g, pair)
        dvf_l = arrays(forward_model(model_l)(np.concatenate([pair[..., :1], image_g], axis=-1)))[1]
        by_hand = DisplacementField.from_deltas_xy(dvf_g[0])(DisplacementField.from_deltas_xy(dvf_l[0]))
        image, dvf = answers(merge_global_local(model_g, model_l), pair)
        np.testing.assert_allclose(dvf[0], by_hand.deltas_xy, atol=1e-3)
        np.testing.assert_allclose(image[0, ..., 0], by_hand.warp(pair[0, ..., 1]), atol=1e-3)

    def test_folder_of_another_name_is_read_if_it_holds_one_model(self, tmp_path):
        shutil.copytree(MODELS / "global_separate", tmp_path / "renamed")
        assert load_model(tmp_path / "renamed").count_params() == 1534
        shutil.copy(MODELS / "local_separate" / "local_separate.json", tmp_path / "renamed")
        with pytest.raises(ModelError, match=r"with 2 \.json files\. Call the model's own renamed\.json"):
            load_model(tmp_path / "renamed")

    def test_weights_of_another_model_are_refused(self, tmp_path):
        shutil.copytree(MODELS / "global_separate", tmp_path / "m")
        shutil.copy(MODELS / "local_separate" / "local_separate.h5", tmp_path / "m" / "global_separate.h5")
        with pytest.raises(ModelError, match="Weights must fit the architecture"):
            load_model(tmp_path / "m")

    def test_weights_alone_are_refused(self):
        with pytest.raises(ModelError, match=r"weights only\. Give the folder"):
            load_model(MODELS / "local_separate" / "local_separate.h5")

    def test_what_trained_it_is_said_to_be_gone(self):
        with pytest.raises(ModelError, match=r"Only \.keras files keep losses and optimizer"):
            load_model(MODELS / "local_whole.h5", compile=True)


class TestSharedInnerModel:
    X = np.random.default_rng(0).normal(size=(1, *k2.SHAPE, 2)).astype("float32")

    @pytest.mark.parametrize("write", [k2.write_whole, k2.write_separate])
    @pytest.mark.parametrize("inner", [3.0, -2.0])
    def test_its_copy_of_the_weights_counts(self, tmp_path, write, inner):
        """0.6.2 loaded the separate form as two copies, which further training moved apart."""
        weights = {"conv2d": 3.0, "model": {"conv2d": inner}}
        path = write(tmp_path / ("m.h5" if write is k2.write_whole else "m"), k2.ancestor(), weights)
        model = load_model(path)
        _, dvf, inv_dvf = answers(model, self.X)
        np.testing.assert_allclose(dvf, k2.leaky(3 * self.X), rtol=1e-5)
        np.testing.assert_allclose(inv_dvf, k2.leaky(inner * self.X[..., ::-1]), rtol=1e-5)
        assert model.count_params() == (4 if inner == 3.0 else 8)

    def test_may_be_an_output_itself(self, tmp_path):
        config = k2.ancestor()
        config["config"]["layers"].pop()
        config["config"]["output_layers"][2] = ["model", 1, 0]
        model = load_model(k2.write_whole(tmp_path / "m.h5", config, {"conv2d": 3.0}))
        np.testing.assert_allclose(answers(model, self.X)[2], k2.leaky(3 * self.X[..., ::-1]), rtol=1e-5)

    def test_without_namesakes_outside_stays_a_model(self, tmp_path):
        inner = k2.model(
            "inner",
            [k2.input_layer("in"), k2.scale("conv2d", k2.node(("in", 0)))],
            ["in"],
            [("conv2d", 0)],
            k2.node(("reg_mov", 0)),
            k2.node(("inner", 1)),
        )
        config = k2.model("m", [k2.input_layer("reg_mov"), inner], ["reg_mov"], [("inner", 1), ("inner", 2)])
        model = load_model(k2.write_whole(tmp_path / "m.h5", config, {"inner": {"conv2d": 3.0}}))
        for output, factor in zip(answers(model, self.X), (3, 9), strict=True):
            np.testing.assert_allclose(output, factor * self.X, rtol=1e-5)


def translated(class_name, **config):
    entry = k2.layer(class_name, "it", **config)
    return translate_config(k2.model("m", [entry], [], []))["config"]["layers"][0]["config"]


class TestRenamedArguments:
    def test_slope_of_leaky_relu(self):
        assert translated("LeakyReLU", alpha=0.2)["negative_slope"] == 0.2

    def test_slope_of_leaky_relu_as_an_activation(self):
        activation = {"class_name": "LeakyReLU", "config": {"name": "a", "alpha": 0.2}}
        assert translated("Dense", activation=activation)["activation"]["config"]["negative_slope"] == 0.2

    def test_axis_of_batch_normalization(self):
        assert translated("BatchNormalization", axis=[3])["axis"] == 3

    def test_mixed_precision_policy(self):
        policy = {"class_name": "Policy", "config": {"name": "mixed_float16"}}
        assert translated("Dense", dtype=policy)["dtype"] == "mixed_float16"

    def test_initializers(self):
        config = {"scale": 2.0, "distribution": "normal", "dtype": "float32"}
        initializer = translated("Dense", kernel_initializer={"class_name": "VarianceScaling", "config": config})
        revived = keras.saving.deserialize_keras_object(initializer["kernel_initializer"])
        assert (revived.scale, revived.distribution) == (2.0, "truncated_normal")

    def test_translating_leaves_the_original_as_it_was(self):
        config = k2.ancestor()
        translate_config(config)
        assert config == k2.ancestor()


class TestDamage:
    def test_an_endless_file_is_refused_after_a_while(self, tmp_path, monkeypatch):
        """HDF5 reads a heap whose free space has no size for ever."""
        content = bytearray((MODELS / "global_whole.h5").read_bytes())
        start = content.index(b"GCOL") + 16
        content[start : start + 16] = bytes(16)
        (tmp_path / "m.h5").write_bytes(content)
        monkeypatch.setattr(_containers, "PROBE_SECONDS", 1.0)
        with pytest.raises(ModelError, match="HDF5 does not come to its end"):
            load_model(tmp_path / "m.h5")

    @pytest.mark.parametrize("seed", range(6))
    def test_any_damage_is_refused_in_one_line_or_harmless(self, tmp_path, seed):
        rng = np.random.default_rng(seed)
        content = bytearray((MODELS / "global_whole.h5").read_bytes())
        if seed % 2:
            content = content[: rng.integers(len(content))]
        else:
            for position in rng.integers(4096, size=10):
                content[position] = rng.integers(256)
        (tmp_path / "m.h5").write_bytes(content)
        assert "\n" not in refusal(tmp_path / "m.h5")

    @pytest.mark.parametrize("link", [h5py.SoftLink("/conv2d"), h5py.ExternalLink("other.h5", "/conv2d")])
    def test_links_are_not_followed(self, tmp_path, link):
        path = k2.write_whole(tmp_path / "m.h5", k2.ancestor(), {"conv2d": 3.0})
        with h5py.File(path, "a") as file:
            file["model_weights/other"] = link
        with pytest.raises(ModelError, match="must be in its own file"):
            load_model(path)

    def test_weights_kept_in_another_file_are_not_read(self, tmp_path):
        (tmp_path / "secret").write_bytes(bytes(16))
        path = k2.write_whole(tmp_path / "m.h5", k2.ancestor(), {"conv2d": 3.0})
        with h5py.File(path, "a") as file:
            file.create_dataset("stolen", (4,), "f4", external=[(tmp_path / "secret", 0, 16)])
        with pytest.raises(ModelError, match="/stolen is kept in another file"):
            load_model(path)
