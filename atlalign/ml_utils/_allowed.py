"""Which objects a model file may ask Keras to build."""

import importlib
import inspect
import math
import re
from collections.abc import Mapping
from typing import Any

import keras

from atlalign.errors import ModelError

# Importing these registers our own classes, so that files that name them load.
from atlalign.ml_utils import layers, losses  # noqa: F401

_BASES: dict[str, type | tuple[type, ...]] = {
    "keras": (keras.Sequential, keras.Model, keras.dtype_policies.DTypePolicy, keras.dtype_policies.DTypePolicyMap),
    "keras.models": (keras.Sequential, keras.Model),
    "keras.layers": keras.Layer,
    "keras.initializers": keras.initializers.Initializer,
    "keras.regularizers": keras.regularizers.Regularizer,
    "keras.constraints": keras.constraints.Constraint,
    "keras.dtype_policies": (keras.dtype_policies.DTypePolicy, keras.dtype_policies.DTypePolicyMap),
    "keras.losses": keras.losses.Loss,
    "keras.metrics": keras.metrics.Metric,
    "keras.optimizers": keras.optimizers.Optimizer,
    "keras.optimizers.schedules": keras.optimizers.schedules.LearningRateSchedule,
    # What Keras writes for functional models and for operations such as slicing.
    "keras.src.models.functional": keras.Model,
    "keras.src.ops.image": keras.Operation,
    "keras.src.ops.math": keras.Operation,
    "keras.src.ops.nn": keras.Operation,
    "keras.src.ops.numpy": keras.Operation,
}
_FUNCTIONS = ("builtins", "keras.activations", "keras.losses", "keras.metrics")
# They run code that the file brings, or read other files that it names.
_REFUSED_LAYERS = {
    "FlaxLayer",
    "IntegerLookup",
    "JaxLayer",
    "Lambda",
    "StringLookup",
    "TFSMLayer",
    "TextVectorization",
    "TorchModuleWrapper",
}
_VALUES = {"__bytes__", "__ellipsis__", "__keras_tensor__", "__numpy__", "__slice__", "__tensor__"}


def check_config(
    config: Any,
    source: object,
    custom_objects: Mapping[str, Any] | None = None,
    *,
    weights_bytes: float = math.inf,
) -> None:
    """Raise a ModelError unless a configuration names only modelling objects of Keras and of atlalign.

    This runs before Keras builds anything. Keras itself refuses Python lambdas and importing from anywhere; what
    it admits beyond this list (wrappers of other frameworks, lookups that read files, objects that another package
    registered) has no place in a registration model.

    Parameters
    ----------
    config : dict
        A configuration of Keras 3.
    source : object
        Where it comes from, for the message.
    custom_objects : mapping of str to class or function, optional
        What the caller trusts besides.
    weights_bytes : float
        Size of the file of its weights: no layer can have more channels.

    Examples
    --------
    >>> lookup = {"module": "keras.utils", "class_name": "function", "config": "get_file", "registered_name": None}
    >>> check_config({"layers": [lookup]}, "a.keras")
    Traceback (most recent call last):
    ...
    atlalign.errors.ModelError: A model may hold only what Keras and atlalign define. Received: a.keras, which holds
    keras.utils.get_file. Build it from their layers, or pass custom_objects if you trust it.
    """
    custom_objects = dict(custom_objects or {})
    pending = [(config, "")]
    while pending:
        value, layer = pending.pop()
        if isinstance(value, dict):
            layer = _layer_name(value) or layer
            if "class_name" in value and not _is_allowed(value, custom_objects):
                raise ModelError(_refusal(value, layer, source))
            if _channels(value) > weights_bytes:
                raise ModelError(
                    f"A model's layers must not be larger than its weights. Received: {source}, whose layer {layer!r} "
                    f"has {_channels(value)} channels. Get the file again from where it comes from."
                )
            pending += [(item, layer) for item in value.values()]
        elif isinstance(value, list | tuple):
            pending += [(item, layer) for item in value]
        elif isinstance(value, str) and ">" in value and not _is_trusted(value, custom_objects):
            # Keras takes the name alone of a registered function for the function.
            raise ModelError(_refusal({"class_name": value}, layer, source))


def _is_allowed(entry: dict, custom_objects: dict) -> bool:
    class_name, module = entry["class_name"], entry.get("module")
    if not isinstance(class_name, str) or not isinstance(module, str | None):
        return False
    if class_name in _VALUES:
        return True
    is_function = class_name == "function"
    name = entry.get("config") if is_function else class_name
    # Keras looks among registered objects first.
    registered = name if is_function else entry.get("registered_name", class_name)
    if not isinstance(name, str) or not isinstance(registered, str | None):
        return False
    if registered is not None and keras.saving.get_registered_object(registered, custom_objects) is not None:
        return _is_trusted(registered, custom_objects)
    if is_function:
        return module in _FUNCTIONS and _is_builtin_function(module, name)
    if module not in _BASES or name in _REFUSED_LAYERS:
        return False
    found = getattr(importlib.import_module(module), name, None)
    return inspect.isclass(found) and issubclass(found, _BASES[module])


def _is_trusted(name: str, custom_objects: dict) -> bool:
    """Whether the object that Keras knows by `name`, if any, is ours or one that the caller trusts."""
    found = keras.saving.get_registered_object(name, custom_objects)
    return found is None or name.startswith("atlalign>") or any(found is trusted for trusted in custom_objects.values())


def _is_builtin_function(module: str, name: str) -> bool:
    if name in ("get", "serialize", "deserialize"):
        return False
    modules = _FUNCTIONS[1:] if module == "builtins" else [module]
    return any(inspect.isfunction(getattr(importlib.import_module(module), name, None)) for module in modules)


def _channels(config: dict) -> int:
    sizes = [config.get(key) for key in ("filters", "units")]
    return max((size for size in sizes if isinstance(size, int)), default=0)


def _layer_name(entry: dict) -> str:
    config = entry.get("config")
    name = config.get("name") if isinstance(config, dict) else None
    return name if isinstance(name, str) else ""


def _refusal(entry: dict, layer: str, source: object) -> str:
    rule = f"A model may hold only what Keras and atlalign define. Received: {source}, "
    class_name, module = entry["class_name"], entry.get("module")
    if class_name in ("Lambda", "__lambda__"):
        return (
            f"{rule}whose layer {layer!r} is a Lambda: code of its own. "
            "Migrate it with atlalign.ml_utils.models.replace_lambda_in_config."
        )
    if class_name == "function":
        class_name = entry.get("config")
    what = ".".join(str(part) for part in (module, class_name) if part)
    if re.match("atlalign[.>]", what):
        return f"{rule}which holds {what}, unknown to this version of atlalign. Install the version that wrote it."
    verb = "is" if _layer_name(entry) else "holds"
    where = f"whose layer {layer!r} {verb} {what}" if layer else f"which holds {what}"
    if class_name in _REFUSED_LAYERS:
        where += ", which runs code or reads files of its own"
    return f"{rule}{where}. Build it from their layers, or pass custom_objects if you trust it."
