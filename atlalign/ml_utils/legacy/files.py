"""Reading the files of atlalign 0.6.2 as Keras 3 models."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras

from atlalign.errors import ModelError
from atlalign.ml_utils._allowed import check_config
from atlalign.ml_utils._containers import open_weights, read_json
from atlalign.ml_utils.legacy.translation import shared_models, translate_config
from atlalign.ml_utils.legacy.weights import has_weights_of_its_own, load_legacy_weights


def load_legacy(path: Path, prepare: Callable[[Any], Any] = lambda config: config) -> keras.Model:
    """Load an HDF5 file that holds architecture and weights, or the folder of both.

    Parameters
    ----------
    path : Path
        The ``.h5`` file, or the folder.
    prepare : callable
        Applied to the configuration before it is translated.

    Raises
    ------
    ModelError
        If the architecture is missing, or holds anything that is not allowed.
    """
    if path.is_dir():
        architecture, weights = find_files(path)
        with open_weights(weights, weights) as file:
            return build_legacy(prepare(read_json(architecture)), file, architecture)
    with open_weights(path, path) as file:
        if "model_config" not in file.attrs:
            raise ModelError(
                f"An .h5 file must hold a whole model. Received: {path}, which has weights only. "
                "Give the folder that also has its architecture, a .json file."
            )
        return build_legacy(prepare(json.loads(file.attrs["model_config"])), file["model_weights"], path)


def build_legacy(config: dict, group: h5py.Group, source: object) -> keras.Model:
    """Build the model of a configuration of Keras 2 and give it its weights.

    Parameters
    ----------
    config : dict
        As for `translate_config`.
    group : h5py.Group
        As for `load_legacy_weights`.
    source : object
        Where the configuration comes from, for messages.

    Raises
    ------
    ModelError
        If it holds anything that is not allowed, or the weights do not fit.
    """
    independent = [name for name in shared_models(config) if has_weights_of_its_own(group, name)]
    translated = translate_config(config, independent)
    check_config(translated, source, weights_bytes=Path(group.file.filename).stat().st_size)
    model = keras.saving.deserialize_keras_object(translated)
    load_legacy_weights(model, group)
    return model


def find_files(folder: Path) -> tuple[Path, Path]:
    """Return the paths of architecture and weights in the folder of a model, here or in atlalign 0.6.2.

    They have the folder's own name, or are the only ones of their kind.

    Raises
    ------
    ModelError
        If there is none, or more than one.
    """
    return _the_file(folder, ".json"), _the_file(folder, ".weights.h5", ".h5")


def _the_file(folder: Path, *endings: str) -> Path:
    for ending in endings:
        if (named := folder / f"{folder.name}{ending}").is_file():
            return named
    found = sorted(file for file in folder.glob(f"*{endings[-1]}") if not file.name.startswith("."))
    if len(found) != 1:
        raise ModelError(
            f"A model's folder must hold one .json and one .h5 file. Received: {folder}, with {len(found)} "
            f"{endings[-1]} files. Call the model's own {folder.name}{endings[0]}."
        )
    return found[0]
