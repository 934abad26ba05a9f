"""Keeping a field in a file: what `DisplacementField` reads and writes."""

import os
from pathlib import Path
from tokenize import TokenError
from typing import Self

import numpy as np

from atlalign._field.measures import FieldMeasures
from atlalign._files import atomic_path, require_file
from atlalign.errors import InvalidFileError, one_line


class FieldFiles(FieldMeasures):
    """Methods of a field that read and write files.

    Examples
    --------
    >>> from atlalign.base import DisplacementField
    >>> issubclass(DisplacementField, FieldFiles)
    True
    """

    @classmethod
    def from_file(cls, file_path: str | os.PathLike) -> Self:
        """Read a field that `save` wrote.

        Parameters
        ----------
        file_path : path-like
            An ``.npy`` file of (h, w, 2) numbers, (delta_x, delta_y) last.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        atlalign.errors.InvalidFileError
            If it holds something else. Pickled objects are never read.

        Examples
        --------
        >>> import tempfile, pathlib
        >>> from atlalign.base import DisplacementField
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "field.npy"
        >>> df = DisplacementField.generate((3, 4))
        >>> df.save(path)
        >>> DisplacementField.from_file(path) == df
        True
        """
        path = require_file(file_path, "displacement field")
        remedy = "Write it with DisplacementField.save."
        try:
            # Mapping compares the size that the header promises with the file's before anything is allocated.
            content = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, OSError, EOFError, OverflowError, TokenError) as error:
            reason = one_line(error)[:200]
            raise InvalidFileError(
                f"A displacement field must be a whole .npy file of numbers. Received: {path} ({reason}). {remedy}"
            ) from None
        if not isinstance(content, np.ndarray):
            raise InvalidFileError(f"A displacement field must be an .npy file. Received: {path} (.npz). {remedy}")
        if content.ndim != 3 or content.shape[2] != 2 or content.dtype.kind not in "fiu" or content.size == 0:
            raise InvalidFileError(
                "A displacement field must be an (h, w, 2) array of real numbers. "
                f"Received: {path} with shape {content.shape} of {content.dtype}. {remedy}"
            )
        return cls(content[..., 0], content[..., 1])

    def save(self, path: str | os.PathLike) -> None:
        """Write the field, whole or not at all, as an ``.npy`` file of float32 (h, w, 2).

        Parameters
        ----------
        path : path-like
            The file; ``.npy`` is added to a name without it. Its folder must exist.

        Raises
        ------
        FileNotFoundError
            If the folder does not exist.

        Examples
        --------
        >>> import tempfile, pathlib
        >>> from atlalign.base import DisplacementField
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> DisplacementField.generate((3, 4)).save(folder / "field")
        >>> np.load(folder / "field.npy").shape
        (3, 4, 2)
        """
        path = Path(path)
        if path.suffix != ".npy":
            path = path.with_name(path.name + ".npy")
        with atomic_path(path) as temporary:
            np.save(temporary, self.deltas_xy, allow_pickle=False)
