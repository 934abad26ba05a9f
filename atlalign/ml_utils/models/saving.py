"""Writing models."""

import json
from pathlib import Path

from atlalign._files import atomic_folder, atomic_path


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
        folder's own; or one ``.keras`` file that also holds losses and the optimizer's state.
    overwrite : bool
        Whether what is at `path` may be replaced. Other files in the folder stay.

    Raises
    ------
    FileExistsError
        If a model is at `path` and may not be replaced.
    ValueError
        If a single file does not end in ``.keras``, or a folder has the name of a file of a model.

    Examples
    --------
    >>> import tempfile
    >>> from atlalign.ml_utils.models import load_model
    >>> from atlalign.nn import supervised_global_model_factory
    >>> model = supervised_global_model_factory(filters=(2,), dense_layers=None, shape=(16, 16))
    >>> path = tempfile.mkdtemp() + "/small.keras"
    >>> save_model(model, path, separate=False)
    >>> load_model(path).count_params() == model.count_params()
    True
    """
    path = Path(path)
    if separate and path.suffix in (".keras", ".h5", ".hdf5"):
        raise ValueError(f"A model in a folder must not be called as a file. Received: {path}. Pass separate=False.")
    if not separate and path.suffix != ".keras":
        raise ValueError(
            f"A model in one file must be called *.keras. Received: {path}. Call it {path.stem}.keras; "
            ".h5 files of older versions are still read."
        )
    files = [path / f"{path.name}.json", path / f"{path.name}.weights.h5"] if separate else [path]
    if not overwrite and any(file.exists() for file in files):
        raise FileExistsError(f"Nothing may exist at the path of a model. Received: {path}. Pass overwrite=True.")
    if separate:
        with atomic_folder(path) as folder:
            architecture = json.loads(model.to_json())
            architecture.pop("compile_config", None)  # what trained it is not part of the architecture
            (folder / files[0].name).write_text(json.dumps(architecture), encoding="utf-8")
            model.save_weights(folder / files[1].name)
    else:
        with atomic_path(path) as temporary:
            model.save(temporary)
