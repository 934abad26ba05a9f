"""Weights in the HDF5 layout of Keras 2: a group a layer, whose attribute lists its arrays in order."""

import h5py
import keras
import numpy as np

from atlalign.errors import ModelError


def load_legacy_weights(model: keras.Model, group: h5py.Group) -> None:
    """Set the weights of each layer of `model` from the group of its name.

    Parameters
    ----------
    model : keras.Model
        A model whose layers have the names that they had when the weights were saved.
    group : h5py.Group
        The file, or the group ``model_weights`` of a file that holds a whole model.

    Raises
    ------
    ModelError
        If a layer's weights are missing, or differ in number or shape, or the file has more.
    """
    known = {layer.name for layer in model.layers}
    for name in _names(group, "layer_names"):
        # An inner model that shares its layers has their weights a second time.
        if name not in known and any(path.split("/")[1] not in known for path in _weight_paths(group, name)):
            raise ModelError(
                f"Weights must fit the architecture. Received: weights of a layer {name!r} that it does not have. "
                "Take architecture and weights from one model."
            )
    for layer in model.layers:
        variables = layer.trainable_weights + layer.non_trainable_weights  # the order of Keras 2
        if not variables:
            continue
        values = [group[path] for path in _weight_paths(group, layer.name)] if layer.name in group else []
        shapes = [tuple(value.shape) for value in values]
        expected = [tuple(variable.shape) for variable in variables]
        if shapes != expected:
            raise ModelError(
                f"Weights must fit the architecture. Received: layer {layer.name!r} with arrays of shapes {shapes} "
                f"where it needs {expected}. Take architecture and weights from one model."
            )
        for variable, value in zip(variables, values, strict=True):
            variable.assign(np.asarray(value))


def has_weights_of_its_own(group: h5py.Group, model_name: str) -> bool:
    """Tell whether an inner model's weights differ from those that the outer model's layers of the same names have.

    Parameters
    ----------
    group : h5py.Group
        As for `load_legacy_weights`.
    model_name : str
        The inner model.
    """
    if model_name not in group:
        return False
    inner = {path.removeprefix(f"{model_name}/"): path for path in _weight_paths(group, model_name)}
    for name, path in inner.items():
        outer = f"{name.split('/')[0]}/{name}"
        if outer not in group or not np.array_equal(group[outer], group[path]):
            return True
    return False


def is_legacy_weights(group: h5py.Group) -> bool:
    """Tell whether a file of weights, or a group, has the layout of Keras 2."""
    return bool(_names(group, "layer_names"))


def _weight_paths(group: h5py.Group, layer_name: str) -> list[str]:
    return [f"{layer_name}/{name}" for name in _names(group[layer_name], "weight_names")]


def _names(group: h5py.Group, attribute: str) -> list[str]:
    """Read a list of names, which Keras splits into numbered attributes when it is long."""
    if attribute in group.attrs:
        parts = [group.attrs[attribute]]
    else:
        parts = []
        while f"{attribute}{len(parts)}" in group.attrs:
            parts.append(group.attrs[f"{attribute}{len(parts)}"])
    return [name.decode() if isinstance(name, bytes) else str(name) for part in parts for name in part]
