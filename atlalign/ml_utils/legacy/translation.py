"""Configurations of functional models that Keras 2 wrote, said in the words of Keras 3.

Keras 3 reads some of them itself. It stumbles over a model that is called inside another one (whose calls Keras 2
counts from 1), over modules that are gone, and over renamed arguments.
"""

from collections.abc import Collection
from typing import Any

import keras

OUR_LAYERS = ("Affine2DVF", "BilinearInterpolation", "DVFComposition", "ExtractMoving", "NoOp")
_PACKAGE = "atlalign>"
_FUNCTIONAL = ("Functional", "Model")
_OBJECT_MODULES = {
    "initializer": "keras.initializers",
    "regularizer": "keras.regularizers",
    "constraint": "keras.constraints",
    "activation": "keras.layers",
    "layer": "keras.layers",
}


def translate_config(config: dict, independent: Collection[str] = ()) -> dict:
    """Translate the configuration of a whole model.

    Keras 2 wrote a model whose layers another model shares twice: its layers among those of the outer model, and the
    model itself, called on another input. Here those layers are called twice and the inner model is gone; what is
    computed is the same.

    Parameters
    ----------
    config : dict
        With keys ``class_name`` ("Functional" or "Model") and ``config``, as `json.loads` gives them.
    independent : collection of str
        Names of inner models that have weights of their own although all of their layers have namesakes outside.

    Returns
    -------
    dict
        What `keras.saving.deserialize_keras_object` takes. `config` is left as it is.

    Raises
    ------
    KeyError, TypeError, IndexError
        If `config` does not have the form of a functional model.

    Examples
    --------
    >>> config = {"name": "act", "alpha": 0.2}
    >>> layer = {"class_name": "LeakyReLU", "config": config, "name": "act", "inbound_nodes": []}
    >>> model = {"name": "m", "layers": [layer], "input_layers": [], "output_layers": []}
    >>> new = translate_config({"class_name": "Functional", "config": model})
    >>> new["config"]["layers"][0]["config"]
    {'name': 'act', 'negative_slope': 0.2}
    """
    return _model({**config, "name": config["config"]["name"], "inbound_nodes": []}, independent)


def shared_models(config: dict) -> list[str]:
    """Names of the inner models of a functional model all of whose layers have namesakes outside."""
    layers = config["config"]["layers"]
    return [layer["name"] for layer in layers if layer["class_name"] in _FUNCTIONAL and _is_shared(layer, layers)]


def _is_shared(model: dict, layers: list[dict]) -> bool:
    outer = {layer["name"]: layer["config"] for layer in layers if layer is not model}
    config = model["config"]
    inner = [layer for layer in config["layers"] if layer["class_name"] != "InputLayer"]
    return (
        [len(config["input_layers"]), len(config["output_layers"])] == [1, 1]
        and all(isinstance(node, list) for layer in (model, *layers, *inner) for node in layer["inbound_nodes"])
        and all(outer.get(layer["name"]) == layer["config"] and len(layer["inbound_nodes"]) == 1 for layer in inner)
    )


def _model(entry: dict, independent: Collection[str]) -> dict:
    config = entry["config"]
    for name in shared_models(entry):
        if name not in independent:
            config = _call_twice(config, name)
    inner = {layer["name"] for layer in config["layers"] if layer["class_name"] in _FUNCTIONAL}
    return {
        "module": "keras.models",
        "class_name": "Model",
        "registered_name": None,
        "config": {
            **config,
            "layers": [_layer(layer, inner, independent) for layer in config["layers"]],
            "input_layers": _unpacked(config["input_layers"]),
            "output_layers": _unpacked(config["output_layers"]),
        },
        "name": entry["name"],
        "inbound_nodes": entry["inbound_nodes"],
    }


def _unpacked(tensors: list) -> list:
    """Keras 3 tells a tensor from a list of one."""
    return tensors[0] if len(tensors) == 1 else tensors


def _call_twice(config: dict, name: str) -> dict:
    """Replace each call of the inner model `name` by a further call of each of its layers."""
    layers = {layer["name"]: {**layer, "inbound_nodes": list(layer["inbound_nodes"])} for layer in config["layers"]}
    model = layers.pop(name)
    entrance = model["config"]["input_layers"][0][0]
    exit_name, _, exit_tensor = model["config"]["output_layers"][0]
    n_calls = {layer: len(entry["inbound_nodes"]) for layer, entry in layers.items()}

    def exit_of(reference: list) -> list:
        source, call, _, *rest = reference
        # The inner model's own calls are counted from 1.
        return [exit_name, n_calls[exit_name] + call - 1, exit_tensor, *rest] if source == name else reference

    for call, [outer_input] in enumerate(model["inbound_nodes"]):
        for layer in model["config"]["layers"]:
            for node in layer["inbound_nodes"]:
                layers[layer["name"]]["inbound_nodes"].append(
                    [
                        [*outer_input[:3], *rest]
                        if source == entrance
                        else [source, n_calls[source] + call, tensor, *rest]
                        for source, _, tensor, *rest in node
                    ]
                )
    for entry in layers.values():
        entry["inbound_nodes"] = [[exit_of(reference) for reference in node] for node in entry["inbound_nodes"]]
    outputs = [exit_of(reference) for reference in config["output_layers"]]
    return {**config, "layers": list(layers.values()), "output_layers": outputs}


def _layer(entry: dict, inner_models: Collection[str], independent: Collection[str]) -> dict:
    nodes = [_node(node, inner_models) for node in entry["inbound_nodes"]]
    entry = {**entry, "inbound_nodes": nodes}
    if entry["class_name"] in _FUNCTIONAL:
        return _model(entry, independent)
    return {**_object(entry, entry.get("module") or "keras.layers"), "name": entry["name"], "inbound_nodes": nodes}


def _node(node: Any, inner_models: Collection[str]) -> Any:
    if not isinstance(node, list):  # already a node of Keras 3
        return node
    # Keras 2 counts the call that made an inner model, Keras 3 does not.
    return [[name, call - (name in inner_models), *rest] for name, call, *rest in node]


def _object(entry: dict, module: str) -> dict:
    """Translate a layer, an initializer or another object of a configuration."""
    # Keras 3 writes registered names into its own files of the old form.
    class_name = entry["class_name"].removeprefix(_PACKAGE)
    config = {key: _value(key, value) for key, value in entry["config"].items()}
    registered_name = None
    if class_name in OUR_LAYERS or _PACKAGE in (entry["class_name"] + str(entry.get("registered_name"))):
        module, registered_name = "atlalign.ml_utils.layers", f"{_PACKAGE}{class_name}"
    elif isinstance(getattr(keras.layers, class_name, None), type):
        module = "keras.layers"
    return {
        "module": module,
        "class_name": class_name,
        "registered_name": registered_name,
        "config": _rename(class_name, module, config),
    }


def _value(key: str, value: Any) -> Any:
    if not isinstance(value, dict) or "class_name" not in value:
        return value
    if key == "dtype":  # a mixed-precision policy of Keras 2
        return value["config"]["name"]
    module = _OBJECT_MODULES.get(key.rsplit("_", 1)[-1])
    return _object(value, module) if module else value


def _rename(class_name: str, module: str, config: dict) -> dict:
    shape = config.pop("batch_input_shape", None)
    if class_name == "InputLayer":
        config.pop("ragged", None)
        config.setdefault("batch_shape", shape)
    elif class_name == "LeakyReLU" and "alpha" in config:
        config["negative_slope"] = config.pop("alpha")
    elif class_name == "BatchNormalization" and isinstance(config.get("axis"), list):
        (config["axis"],) = config["axis"]
    elif module == "keras.initializers":
        config.pop("dtype", None)
        if config.get("distribution") == "normal":
            config["distribution"] = "truncated_normal"
    return config
