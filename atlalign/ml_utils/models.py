"""Saving, loading and merging models."""

import json
from pathlib import Path

import keras

from atlalign._files import atomic_folder, atomic_path
from atlalign.errors import ModelError, one_line

# Importing these registers them with Keras, so that files that name them load.
from atlalign.ml_utils import losses  # noqa: F401
from atlalign.ml_utils.layers import BilinearInterpolation, DVFComposition, NoOp


def save_model(model, path, separate=True, overwrite=True):
    """Save a model, whole or not at all.

    Parameters
    ----------
    model : keras.Model
        What to save.
    path : path-like
        A folder when `separate`, else a file ending in ``.keras``.
    separate : bool
        Write a folder with the architecture (``NAME.json``) and the weights (``NAME.weights.h5``), NAME being the
        folder's own; or one ``.keras`` file that also holds the optimizer's state.
    overwrite : bool
        Whether what is at `path` may be replaced.

    Raises
    ------
    FileExistsError
        If something is at `path` and may not be replaced.
    ValueError
        If a single file does not end in ``.keras``.

    Examples
    --------
    >>> import tempfile
    >>> from atlalign.nn import supervised_global_model_factory
    >>> model = supervised_global_model_factory(filters=(2,), dense_layers=None, shape=(16, 16))
    >>> path = tempfile.mkdtemp() + "/small.keras"
    >>> save_model(model, path, separate=False)
    >>> load_model(path).count_params() == model.count_params()
    True
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise FileExistsError(f"Nothing may exist at the path of a model. Received: {path}. Pass overwrite=True.")
    if separate:
        with atomic_folder(path) as folder:
            architecture = json.loads(model.to_json())
            architecture.pop("compile_config", None)  # what trained it is not part of the architecture
            (folder / f"{path.name}.json").write_text(json.dumps(architecture), encoding="utf-8")
            model.save_weights(folder / f"{path.name}.weights.h5")
    else:
        if path.suffix != ".keras":
            raise ValueError(f"A model in one file must be called *.keras. Received: {path}. Rename it.")
        with atomic_path(path) as temporary:
            model.save(temporary)


def load_model(path, compile=False):  # noqa: A002
    """Load what `save_model` wrote.

    Parameters
    ----------
    path : path-like
        A ``.keras`` file, or the folder of architecture and weights.
    compile : bool
        Whether to restore losses and optimizer as well; only ``.keras`` files hold them.

    Returns
    -------
    keras.Model
        The model. Files that would run code of their own are refused.

    Raises
    ------
    FileNotFoundError
        If nothing is there.
    ModelError
        If it is not a model that Keras can read safely.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"A model must be an existing file or folder. Received: {path}. Check the path.")
    if path.is_file() and path.suffix != ".keras":
        raise ModelError(f"A model must be a .keras file or a folder of .json and weights. Received: {path}.")
    if path.is_dir() and compile:
        raise ModelError(f"Only .keras files keep losses and optimizer. Received: {path}. Pass compile=False.")
    try:
        return _load_separate(path) if path.is_dir() else keras.saving.load_model(path, compile=compile)
    except Exception as error:  # Keras and HDF5 raise errors of every class on a damaged file
        reason = one_line(error)
        reason = reason if len(reason) <= 200 else reason[:200] + "..."
        raise ModelError(
            f"A model must be one that atlalign saved. Received: {path}, on which Keras says: {reason}"
        ) from error


def _load_separate(folder: Path):
    architecture = folder / f"{folder.name}.json"
    weights = folder / f"{folder.name}.weights.h5"
    model = keras.models.model_from_json(architecture.read_text(encoding="utf-8"))
    model.load_weights(weights)
    return model


def check_is_registration_model(model, what: str = "model"):
    """Return `model` if it registers pairs of images, else raise a ModelError.

    Parameters
    ----------
    model : keras.Model
        Should take (n, h, w, 2), once or twice, and give (n, h, w, 1), (n, h, w, 2) and perhaps a second field.
    what : str
        How to call it in the message, such as ``"global model"``.

    Examples
    --------
    >>> import keras
    >>> check_is_registration_model(keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]), "global model")
    Traceback (most recent call last):
    ...
    atlalign.errors.ModelError: A global model must take pairs (n, h, w, 2) and give registered images (n, h, w, 1) and
    fields (n, h, w, 2). Received: inputs [(None, 4)], outputs [(None, 2)]. Train one with atlalign-train.
    """
    # A model that was never built has neither.
    inputs, outputs = ([tuple(x.shape) for x in getattr(model, name, None) or []] for name in ("inputs", "outputs"))
    grid = inputs[0][:3] if inputs else ()
    pair, image = (*grid, 2), (*grid, 1)
    if not (
        len(pair) == 4
        and None not in pair[1:]
        and inputs in ([pair], [pair, pair])
        and outputs in ([image, pair], [image, pair, pair])
    ):
        raise ModelError(
            f"A {what} must take pairs (n, h, w, 2) and give registered images (n, h, w, 1) and fields (n, h, w, 2). "
            f"Received: inputs {inputs}, outputs {outputs}. Train one with atlalign-train."
        )
    return model


def forward_model(model):
    """Return the part of a registration model that maps one pair to its registered image and field.

    A local model that also predicts the inverse field spends half its time on it; this leaves that half out.

    Parameters
    ----------
    model : keras.Model
        Any registration model.

    Returns
    -------
    keras.Model
        Input (n, h, w, 2), outputs (n, h, w, 1) and (n, h, w, 2); it shares the weights of `model`.
    """
    return keras.Model(model.inputs[0], model.outputs[:2], name=f"{model.name}_forward")


def merge_global_local(model_g, model_l, expose_global=False):
    """Chain a global and a local model into one whose field is ``global(local)``.

    Parameters
    ----------
    model_g, model_l : keras.Model
        Models of one image size. The local one sees the moving image warped by the global one.
    expose_global : bool
        Whether the merged model also gives the global model's image and field.

    Returns
    -------
    keras.Model
        Input (n, h, w, 2): reference and moving image. Outputs ``img_registered`` (n, h, w, 1), the moving image
        warped once by ``dvf`` (n, h, w, 2), and with `expose_global` ``img_global`` and ``dvf_global``.

    Raises
    ------
    ModelError
        If one of them is not a registration model, or their sizes differ.

    Examples
    --------
    >>> from atlalign.nn import supervised_global_model_factory, supervised_model_factory
    >>> model_g = supervised_global_model_factory(filters=(2,), dense_layers=None, shape=(16, 32))
    >>> model_l = supervised_model_factory((2,), (2,), (2,), (2,), (2,), shape=(16, 32))
    >>> merged = merge_global_local(model_g, model_l)
    >>> [tuple(output.shape) for output in merged.outputs]
    [(None, 16, 32, 1), (None, 16, 32, 2)]
    """
    check_is_registration_model(model_g, "global model")
    check_is_registration_model(model_l, "local model")
    shapes = [tuple(model.inputs[0].shape[1:3]) for model in (model_g, model_l)]
    if shapes[0] != shapes[1]:
        raise ModelError(
            f"A global and a local model must be of one image size. Received: {shapes[0]} and {shapes[1]}. "
            "Train both on datasets of one size."
        )
    pair = keras.Input((*shapes[0], 2), name="reg_mov")
    reference, moving = pair[..., 0:1], pair[..., 1:2]
    image_g, dvf_g = forward_model(model_g)(pair)
    _, dvf_l = forward_model(model_l)(keras.layers.Concatenate(name="reg_mov_global")([reference, image_g]))
    dvf = DVFComposition(name="dvf")([dvf_g, dvf_l])
    outputs = [BilinearInterpolation(name="img_registered")([moving, dvf]), dvf]
    if expose_global:
        outputs += [NoOp(name="img_global")(image_g), NoOp(name="dvf_global")(dvf_g)]
    return keras.Model(pair, outputs, name="merged")
