"""Whole outputs or none: files and folders are written beside their target and renamed when complete."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside `path` that replaces `path` when the block ends without an error.

    Parameters
    ----------
    path : path-like
        The file to write. Its folder must exist. The temporary name keeps the suffix, which many writers
        look at.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "a.txt"
    >>> with atomic_path(target) as temporary:
    ...     _ = temporary.write_text("whole")
    >>> target.read_text()
    'whole'
    """
    path = Path(path)
    require_folder(path.parent)
    require_no_folder(path)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    os.chmod(temporary, 0o666 & ~_umask())
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary folder whose files land in `path` when the block ends without an error.

    A new folder appears by one rename. Into a folder that exists the files move one by one, replacing their
    namesakes and leaving everything else in it alone: a person's own files are never removed.

    Parameters
    ----------
    path : path-like
        The folder to write; parents are created.

    Raises
    ------
    NotADirectoryError
        If `path` is an existing file.
    IsADirectoryError
        If a folder is where a file should go; then none is moved.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "results"
    >>> with atomic_folder(target) as temporary:
    ...     _ = (temporary / "a.txt").write_text("whole")
    >>> [file.name for file in target.iterdir()]
    ['a.txt']
    """
    path = Path(path)
    existed = path.exists()
    if existed and not path.is_dir():
        raise NotADirectoryError(f"The output must be a folder. Received a file: {path}. Choose another name.")
    if not existed:
        path.parent.mkdir(parents=True, exist_ok=True)
    # Inside a folder that exists: it may be a mount point or a link to another disk, where renaming across fails.
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path if existed else path.parent))
    os.chmod(temporary, 0o777 & ~_umask())
    try:
        yield temporary
        if existed:
            _move_into(temporary, path)
        else:
            try:
                os.replace(temporary, path)
            except OSError:
                if not path.is_dir():
                    raise
                _move_into(temporary, path)  # somebody else has just made it
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _move_into(source: Path, target: Path) -> None:
    """Move what is in a folder into another one, all of it or nothing where a folder is in a file's place."""
    entries = sorted(source.iterdir())
    for entry in entries:
        require_no_folder(target / entry.name)
    for entry in entries:
        os.replace(entry, target / entry.name)


def require_folder(folder: Path) -> None:
    """Raise an error with the remedy unless `folder` is an existing folder."""
    if not folder.is_dir():
        raise FileNotFoundError(
            f"The output's folder must exist. Received: {folder}. Create it with: mkdir -p '{folder}'"
        )


def require_no_folder(path: Path) -> None:
    """Raise an error with the remedy if a folder is where a file should go."""
    if path.is_dir():
        raise IsADirectoryError(f"An output file must not be a folder. Received: {path}. Remove that folder.")


def require_file(path: str | os.PathLike, what: str = "file") -> Path:
    """Return `path` as a Path, or raise an error that says which `what` is missing.

    Examples
    --------
    >>> require_file("nowhere.h5", "dataset")
    Traceback (most recent call last):
    ...
    FileNotFoundError: The dataset must be an existing file. Received: nowhere.h5. Check the path.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"The {what} must be an existing file. Received: {path}. Check the path.")
    return path


def _umask() -> int:
    value = os.umask(0)
    os.umask(value)
    return value
