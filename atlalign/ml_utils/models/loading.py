"""Reading models: ours, in either form, and those of atlalign 0.6.2."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from atlalign.errors import ModelError
from atlalign.ml_utils._allowed import check_config
from atlalign.ml_utils._containers import damage_in_one_line, open_weights, read_archive, read_json
from atlalign.ml_utils.legacy import build_legacy, find_files, is_legacy_weights, load_legacy


def load_model(path, compile=False, *, custom_objects=None):  # noqa: A002
    """Load what `save_model` wrote, here or in atlalign 0.6.2.

    Parameters
    ----------
    path : path-like
        A ``.keras`` file; a folder of architecture (``.json``) and weights (``.weights.h5``, or the ``.h5`` of
        0.6.2); or an ``.h5`` file that holds a whole model.
    compile : bool
        Whether to restore losses and optimizer as well; only ``.keras`` files keep them.
    custom_objects : dict of str to class or function, optional
        Layers and functions of your own that the model may hold, by name. They are run: pass only what you trust.
        Files of 0.6.2 cannot hold any.

    Returns
    -------
    keras.Model
        The model.

    Raises
    ------
    FileNotFoundError
        If nothing is there.
    ModelError
        If it is damaged, or holds anything that neither Keras nor atlalign defines. Nothing from the file is run.

    Examples
    --------
    >>> load_model("nowhere.keras")
    Traceback (most recent call last):
    ...
    FileNotFoundError: A model must be an existing file or folder. Received: nowhere.keras. Check the path.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"A model must be an existing file or folder. Received: {path}. Check the path.")
    if not path.is_dir() and not (path.is_file() and path.suffix in (".keras", ".h5", ".hdf5")):
        raise ModelError(f"A model must be a .keras or .h5 file, or a folder of .json and weights. Received: {path}.")
    if compile and (path.is_dir() or path.suffix != ".keras"):
        raise ModelError(f"Only .keras files keep losses and optimizer. Received: {path}. Pass compile=False.")
    with damage_in_one_line(path):
        if path.is_dir():
            return _load_folder(path, custom_objects)
        return _load_archive(path, compile, custom_objects) if path.suffix == ".keras" else load_legacy(path)


def _load_archive(path: Path, compile: bool, custom_objects: Mapping[str, Any] | None) -> keras.Model:  # noqa: A002
    config, weights = read_archive(path)
    config = config if compile else {**config, "compile_config": None}
    check_config(config, path, custom_objects, weights_bytes=len(weights.getbuffer()))
    with open_weights(weights, path):
        pass
    return keras.saving.load_model(path, custom_objects, compile=compile, safe_mode=True)


def _load_folder(folder: Path, custom_objects: Mapping[str, Any] | None) -> keras.Model:
    architecture, weights = find_files(folder)
    config = read_json(architecture)
    with open_weights(weights, weights) as file:
        if is_legacy_weights(file):
            return build_legacy(config, file, architecture)
    check_config(config, architecture, custom_objects, weights_bytes=weights.stat().st_size)
    model = keras.saving.deserialize_keras_object(config, custom_objects, safe_mode=True)
    model.load_weights(weights)
    return model
