"""Read pickled NumPy arrays, and nothing else.

Unpickling a file runs whatever the file asks for. Here a file may ask for three things, with which NumPy describes an
array, and none is looked up by the name that the file gives.
"""

import pickle
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from atlalign.errors import InvalidFileError, one_line

_RECONSTRUCT = np.empty(0).__reduce__()[0]
_ADMITTED = {
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,  # as NumPy 1 wrote it
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str) -> Any:
        try:
            return _ADMITTED[module_name, global_name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module_name}.{global_name}") from None


def read_pickled_arrays(file: BinaryIO, name: str) -> dict[str, np.ndarray]:
    """Read a pickled dict, of dicts to any depth, of arrays of real numbers.

    Parameters
    ----------
    file : binary file
        What to read. Its checksum should be known to be right.
    name : str
        What messages call it.

    Returns
    -------
    dict of str to ndarray
        The arrays; their keys are joined by slashes.

    Raises
    ------
    atlalign.errors.InvalidFileError
        If the file holds, or asks for, anything else. Nothing that it asks for is run.

    Examples
    --------
    >>> import io
    >>> file = io.BytesIO(pickle.dumps({"Conv_0": {"bias": np.zeros(2, "float32")}}))
    >>> read_pickled_arrays(file, "weights.ckpt")
    {'Conv_0/bias': array([0., 0.], dtype=float32)}
    >>> read_pickled_arrays(io.BytesIO(pickle.dumps(print)), "weights.ckpt")
    Traceback (most recent call last):
    ...
    atlalign.errors.InvalidFileError: weights.ckpt must hold NumPy arrays and nothing else. Received: it asks for
    builtins.print. Do not use this file.
    """
    try:
        found = _ArrayUnpickler(file).load()
        return dict(_flattened(found, ""))
    except Exception as error:  # a damaged pickle fails in any way
        raise InvalidFileError(
            f"{name} must hold NumPy arrays and nothing else. Received: {one_line(error)}. Do not use this file."
        ) from None


def _flattened(found: Any, prefix: str) -> Iterator[tuple[str, np.ndarray]]:
    if type(found) is dict:
        for key, value in found.items():
            yield from _flattened(value, f"{prefix}/{key}" if prefix else str(key))
    elif type(found) is np.ndarray and found.dtype.kind in "fiu":
        yield prefix, found
    else:
        raise ValueError(f"{type(found).__name__} at {prefix or 'the top'!r}")
