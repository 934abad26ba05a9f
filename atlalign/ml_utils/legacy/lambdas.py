"""Lambda layers of old configurations, said as the layers that they stand for."""

import json
import logging
import os
import re
from pathlib import Path
from typing import Any

import keras

from atlalign._files import require_file
from atlalign.errors import ModelError
from atlalign.ml_utils._allowed import check_config
from atlalign.ml_utils._containers import damage_in_one_line, read_json
from atlalign.ml_utils.legacy.files import load_legacy
from atlalign.ml_utils.legacy.translation import translate_config

_logger = logging.getLogger(__name__)

# Names of Lambda layers that atlalign up to 0.6.2 made with `use_lambda=True`.
LAMBDA_NAMES = {"extract_moving": "ExtractMoving", "inv_dvf": "NoOp"}
OUTPUT_FORMATS = ("dict", "json", "keras")


class UnknownLambdaError(ModelError, KeyError):
    """A layer cannot be migrated; atlalign 0.6.2 raised a KeyError."""

    __str__ = Exception.__str__


def replace_lambda_in_config(input_config, output_format="dict", verbose=False):
    """Replace the Lambda layers of a model of atlalign 0.6.2 or older by the layers that they stand for.

    A layer is recognised by its name: ``extract_moving`` becomes `ExtractMoving`, ``inv_dvf`` becomes `NoOp`.
    The code that the file keeps for them is never run.

    Parameters
    ----------
    input_config : dict, str, path-like or keras.Model
        What holds the architecture: the dictionary of `keras.Model.get_config` or of the whole JSON; the JSON text;
        the path of a ``.json`` file, of an ``.h5`` file that holds a whole model, or of the folder of both; or a model.
    output_format : {"dict", "json", "keras"}
        What to return: a dictionary for `keras.Model.from_config`, a text for `keras.models.model_from_json`, or
        the model. The model has trained weights if `input_config` has them: a model, an ``.h5`` file or a folder.
    verbose : bool
        Whether to log each replacement, at level INFO.

    Returns
    -------
    dict, str or keras.Model
        As `output_format` says, in the words of Keras 3.

    Raises
    ------
    TypeError
        If `input_config` or `output_format` is none of these.
    ValueError
        If a path is no folder and ends in neither ``.json`` nor ``.h5``.
    KeyError
        If a Lambda layer has another name (the error is a `ModelError` as well), or a layer no class or configuration.
    ModelError
        If the architecture holds anything else that neither Keras nor atlalign defines.

    Examples
    --------
    >>> import keras
    >>> pair = keras.Input((8, 8, 2))
    >>> moving = keras.layers.Lambda(lambda x: x[..., 1:], output_shape=(8, 8, 1), name="extract_moving")(pair)
    >>> model = replace_lambda_in_config(keras.Model(pair, moving), output_format="keras")
    >>> type(model.get_layer("extract_moving")).__name__
    'ExtractMoving'
    """
    if output_format not in OUTPUT_FORMATS:
        raise TypeError(f"output_format must be one of {', '.join(OUTPUT_FORMATS)}. Received: {output_format!r}.")
    if not isinstance(input_config, dict | str | os.PathLike | keras.Model):
        raise TypeError(
            "input_config must be a dictionary, a JSON text, a path or a keras.Model. "
            f"Received: {type(input_config).__name__}. Pass keras.Model.get_config()."
        )
    path = _path(input_config)
    with damage_in_one_line(path or "input_config"):
        if path is None or path.suffix == ".json":
            return _migrate(read_json(path) if path else _read(input_config), input_config, output_format, verbose)
        model = load_legacy(path, lambda config: _prepare(config, verbose))
        return model if output_format == "keras" else _formatted(json.loads(model.to_json()), output_format)


def _path(input_config: Any) -> Path | None:
    is_json = isinstance(input_config, str) and input_config.lstrip()[:1] in ("{", '"')
    if is_json or not isinstance(input_config, str | os.PathLike):
        return None
    path = Path(input_config)
    if path.is_dir():
        return path
    if path.suffix not in (".json", ".h5", ".hdf5"):
        raise ValueError(
            f"A model's architecture must be in a .json or .h5 file. Received: {path}. "
            "Give the .json file in its folder, or the .h5 file that holds the whole model."
        )
    return require_file(path, "model")


def _read(input_config: Any) -> Any:
    if isinstance(input_config, keras.Model):
        return json.loads(input_config.to_json())
    config = json.loads(input_config) if isinstance(input_config, str) else input_config
    return json.loads(config) if isinstance(config, str) else config


def _migrate(config: Any, input_config: Any, output_format: str, verbose: bool):
    translated = translate_config(_prepare(config, verbose))
    check_config(translated, "input_config")
    if output_format != "keras":
        return _formatted(translated, output_format)
    model = keras.saving.deserialize_keras_object(translated)
    if isinstance(input_config, keras.Model):
        model.set_weights(input_config.get_weights())
    return model


def _prepare(config: dict, verbose: bool) -> dict:
    whole: dict = config if "class_name" in config else {"class_name": "Functional", "config": config}
    return {**whole, "config": _replace(whole["config"], verbose)}


def _formatted(config: dict, output_format: str) -> dict | str:
    config.pop("compile_config", None)
    return json.dumps(config) if output_format == "json" else config["config"]


def _replace(config: dict, verbose: bool) -> dict:
    return {**config, "layers": [_replace_layer(layer, verbose) for layer in config["layers"]]}


def _replace_layer(layer: dict, verbose: bool) -> dict:
    for key in ("class_name", "config"):
        if key not in layer:
            raise UnknownLambdaError(
                f"Each layer of a configuration must have a {key!r}. Received: keys {sorted(layer)}. "
                "Pass what keras.Model.get_config gives."
            )
    config = layer["config"]
    if isinstance(config, dict) and isinstance(config.get("layers"), list):
        return {**layer, "config": _replace(config, verbose)}
    if layer["class_name"] != "Lambda":
        return layer
    name = config["name"]
    class_name = LAMBDA_NAMES.get(re.sub(r"_\d+$", "", name))
    if class_name is None:
        raise UnknownLambdaError(
            f"Lambda layers must be called {' or '.join(LAMBDA_NAMES)} to be migrated. Received: {name!r}. "
            "Build the model again without it; models merged by 0.6.2 are merged again with merge_global_local."
        )
    if verbose:
        _logger.info("Lambda layer %r becomes %s", name, class_name)
    kept = {key: config[key] for key in ("name", "trainable", "dtype") if key in config}
    # What a Lambda is called with besides its input, a mask, these layers do not take.
    nodes = [{**node, "kwargs": {}} if isinstance(node, dict) else node for node in layer["inbound_nodes"]]
    return {**layer, "class_name": class_name, "config": kept, "inbound_nodes": nodes}
