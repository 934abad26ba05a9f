"""Files that would run code, read other files or fill the memory are refused before anything is built."""

import io
import json
import shutil
import zipfile

import h5py
import keras
import numpy as np
import pytest

from atlalign.errors import ModelError
from atlalign.ml_utils.models import load_model, save_model
from tests.nn.networks import answers, pairs, small_local

SHAPE = (16, 32)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder with one model in both forms."""
    folder = tmp_path_factory.mktemp("models")
    model = small_local(SHAPE)
    save_model(model, folder / "m.keras", separate=False)
    save_model(model, folder / "m")
    return folder


def rewritten(saved, tmp_path, edit=lambda config: None, compression=zipfile.ZIP_STORED, **members):
    """The saved model as a file, with its configuration edited and members replaced."""
    with zipfile.ZipFile(saved / "m.keras") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    edit(config)
    parts |= {"config.json": json.dumps(config).encode(), **{name.replace("__", "."): x for name, x in members.items()}}
    with zipfile.ZipFile(tmp_path / "m.keras", "w", compression) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return tmp_path / "m.keras"


def unet_layers(config):
    unet = next(layer for layer in config["config"]["layers"] if layer["name"] == "unet")
    return {layer["name"]: layer for layer in unet["config"]["layers"]}


def layer_as(**entry):
    """An edit that makes the layer 'field' something else."""
    return lambda config: unet_layers(config)["field"].update(entry)


def activation_as(**entry):
    return lambda config: unet_layers(config)["field"]["config"].update(activation=entry)


class TestForeignObjects:
    @pytest.mark.parametrize(
        ("edit", "says"),
        [
            (layer_as(class_name="Lambda"), "layer 'field' is a Lambda: code of its own. Migrate it"),
            (
                activation_as(class_name="__lambda__", config={"value": ["", None, None]}),
                "is a Lambda: code of its own",
            ),
            (layer_as(module="subprocess", class_name="Popen"), "layer 'field' is subprocess.Popen"),
            (layer_as(class_name="TFSMLayer"), "is keras.layers.TFSMLayer, which runs code or reads files"),
            (layer_as(class_name="TorchModuleWrapper"), "is keras.layers.TorchModuleWrapper, which runs code"),
            (layer_as(class_name="StringLookup"), "is keras.layers.StringLookup, which runs code or reads files"),
            (layer_as(module=None), "layer 'field' is Conv2D"),
            (layer_as(module="keras.src.saving.saving_lib", class_name="H5IOStore"), "saving_lib.H5IOStore"),
            (layer_as(registered_name="atlalign>Later", module="atlalign.new", class_name="Later"), "unknown to this"),
            (
                activation_as(class_name="function", module="os", config="system", registered_name="function"),
                "layer 'field' holds os.system",
            ),
            (
                activation_as(class_name="function", module="keras.utils", config="get_file", registered_name=None),
                "layer 'field' holds keras.utils.get_file",
            ),
            (
                activation_as(class_name="function", module="builtins", config="deserialize", registered_name=None),
                "layer 'field' holds builtins.deserialize",
            ),
            (
                activation_as(
                    class_name="__typespec__", module="os", spec_name="system", registered_name=None, config=[]
                ),
                "layer 'field' holds os.__typespec__",
            ),
        ],
    )
    def test_are_named(self, saved, tmp_path, edit, says):
        with pytest.raises(ModelError) as raised:
            load_model(rewritten(saved, tmp_path, edit))
        assert says in str(raised.value)
        assert "\n" not in str(raised.value)

    def test_are_refused_in_a_folder_too(self, saved, tmp_path):
        shutil.copytree(saved / "m", tmp_path / "m")
        path = tmp_path / "m" / "m.json"
        config = json.loads(path.read_text())
        layer_as(class_name="Lambda")(config)
        path.write_text(json.dumps(config))
        with pytest.raises(ModelError, match=r"m\.json, whose layer 'field' is a Lambda"):
            load_model(path.parent)

    def test_are_refused_as_keras_writes_them(self, tmp_path):
        model = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x + 1)])
        model.save(tmp_path / "evil.keras")
        with pytest.raises(ModelError, match="is a Lambda"):
            load_model(tmp_path / "evil.keras")

    def test_among_losses_matter_only_when_compiling(self, saved, tmp_path):
        foreign = {"module": "os", "class_name": "function", "config": "system", "registered_name": None}
        path = rewritten(saved, tmp_path, lambda config: config["compile_config"].update(loss=foreign))
        load_model(path)
        with pytest.raises(ModelError, match=r"holds os\.system"):
            load_model(path, compile=True)


@keras.saving.register_keras_serializable(package="someone_else")
class Doubled(keras.layers.Layer):
    """A layer that another package registered."""

    def call(self, x):
        return 2 * x


@keras.saving.register_keras_serializable(package="someone_else")
def squashed(x):
    """An activation that another package registered."""
    return keras.ops.tanh(x)


class TestRegisteredByOthers:
    @pytest.fixture
    def path(self, tmp_path):
        pair = keras.Input((4, 4, 2))
        x = keras.layers.Conv2D(2, 1, activation=squashed)(Doubled(name="mine")(pair))
        save_model(keras.Model(pair, x), tmp_path / "m.keras", separate=False)
        return tmp_path / "m.keras"

    def test_are_refused_unless_the_caller_trusts_them(self, path):
        with pytest.raises(ModelError, match=r"someone_else>squashed.*or pass custom_objects if you trust it"):
            load_model(path, custom_objects={"Doubled": Doubled})
        with pytest.raises(ModelError, match=r"'mine' is .*Doubled"):
            load_model(path, custom_objects={"squashed": squashed})
        assert load_model(path, custom_objects={"Doubled": Doubled, "squashed": squashed}).count_params() == 6

    def test_are_refused_by_name_alone(self, saved, tmp_path):
        def edit(config):
            unet_layers(config)["field"]["config"]["activation"] = "someone_else>squashed"

        with pytest.raises(ModelError, match="layer 'field' holds someone_else>squashed"):
            load_model(rewritten(saved, tmp_path, edit))


def hdf5(write):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        write(file)
    return buffer.getvalue()


def link_outside(file):
    file["a"] = h5py.ExternalLink("/etc/hostname", "/b")


def declare_terabytes(file):
    file.create_dataset("a", (1 << 40,), "f4", chunks=True, compression="gzip")


class TestContainers:
    def test_recompressed_is_fine(self, saved, tmp_path):
        path = rewritten(saved, tmp_path, compression=zipfile.ZIP_DEFLATED)
        X = pairs(1, SHAPE)
        np.testing.assert_array_equal(answers(load_model(path), X)[1], answers(load_model(saved / "m.keras"), X)[1])

    @pytest.mark.parametrize(
        ("write", "says"), [(link_outside, "a is a link"), (declare_terabytes, "at most 2147483648 bytes")]
    )
    def test_weights_that_are_elsewhere_or_nowhere(self, saved, tmp_path, write, says):
        with pytest.raises(ModelError, match=says):
            load_model(rewritten(saved, tmp_path, model__weights__h5=hdf5(write)))

    def test_a_member_that_unpacks_to_a_multiple_of_the_file(self, saved, tmp_path):
        path = rewritten(saved, tmp_path, compression=zipfile.ZIP_DEFLATED, metadata__json=bytes(10 << 20))
        with pytest.raises(ModelError, match=r"in proportion to its file. Received: .*metadata\.json"):
            load_model(path)

    def test_layers_that_are_larger_than_the_weights(self, saved, tmp_path):
        def edit(config):
            unet_layers(config)["start_0"]["config"]["filters"] = 10_000_000

        with pytest.raises(ModelError, match="layer 'start_0' has 10000000 channels"):
            load_model(rewritten(saved, tmp_path, edit))

    def test_members_that_no_model_has(self, saved, tmp_path):
        with pytest.raises(ModelError, match="which holds assets"):
            load_model(rewritten(saved, tmp_path, assets=b"x"))

    def test_configuration_without_bottom(self, saved, tmp_path):
        with pytest.raises(ModelError, match="cannot be read: maximum recursion"):
            load_model(rewritten(saved, tmp_path, config__json=b"[" * 200_000))


class TestDamage:
    @pytest.mark.parametrize("content", [b"", b"not a model", b"PK\x03\x04broken"])
    def test_is_refused_in_one_line_with_the_path(self, tmp_path, content):
        path = tmp_path / "m.keras"
        path.write_bytes(content)
        with pytest.raises(ModelError) as raised:
            load_model(path)
        assert "\n" not in str(raised.value)
        assert str(path) in str(raised.value)

    @pytest.mark.parametrize("seed", range(8))
    def test_anywhere_is_refused(self, saved, tmp_path, seed):
        rng = np.random.default_rng(seed)
        content = bytearray((saved / "m.keras").read_bytes())
        if seed % 2:
            content = content[: rng.integers(len(content))]
        else:
            start = rng.integers(200, len(content) - 400)
            content[start : start + 200] = rng.bytes(200)
        (tmp_path / "m.keras").write_bytes(content)
        with pytest.raises(ModelError) as raised:
            load_model(tmp_path / "m.keras")
        assert "\n" not in str(raised.value)
