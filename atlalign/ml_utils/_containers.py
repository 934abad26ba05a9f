"""What a model file may be as a container, whatever model is inside: no links to other files, no bombs."""

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from atlalign.errors import ModelError, one_line
from atlalign.ml_utils import _hdf5_probe

# A hundred times the largest of our models; small enough for any computer to hold.
MAX_BYTES = 2 << 30
_MAX_CONFIG_BYTES = 64 << 20
# How long an HDF5 file of no size may take to read; ten times what a busy computer needs.
PROBE_SECONDS = 20.0
# HDF5 of trained weights shrinks by less than two.
_MAX_EXPANSION = 100
_MEMBERS = {"metadata.json", "config.json", "model.weights.h5"}
_OPTIONAL_MEMBERS = {"training_state.npz"}


@contextmanager
def damage_in_one_line(source: object) -> Iterator[None]:
    """Turn whatever Keras and HDF5 raise on a damaged file into a ModelError of one line."""
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        reason = one_line(error).rsplit("Exception encountered: ")[-1]  # Keras wraps one error into another
        reason = reason if len(reason) <= 200 else reason[:200] + "..."
        raise ModelError(
            f"A model must be one that atlalign saved, undamaged. Received: {source}, which cannot be read: {reason}"
        ) from error


@contextmanager
def open_weights(path: Path | io.BytesIO, source: object) -> Iterator[h5py.File]:
    """Open an HDF5 file of weights that holds all of its data itself, of a size that a computer can hold.

    Parameters
    ----------
    path : Path or io.BytesIO
        The file.
    source : object
        What to call it in messages.

    Raises
    ------
    ModelError
        If it links to another place or file, or declares more than `MAX_BYTES`.
    OSError
        If it is no HDF5 file.
    """
    if isinstance(path, Path):
        _probe(path)
    with h5py.File(path, "r") as file:
        _check_hdf5(file, source)
        yield file


def _probe(path: Path) -> None:
    """Raise an OSError if HDF5 cannot read a file to its end."""
    if "python" not in Path(sys.executable or "").name.lower():
        return  # inside another program, which is no interpreter to start
    command = [sys.executable, "-P", _hdf5_probe.__file__, str(path), str(MAX_BYTES)]
    seconds = PROBE_SECONDS + path.stat().st_size / 1e7
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as error:
        raise OSError("HDF5 does not come to its end") from error
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise OSError(said[-1] if said else "HDF5 crashes on it")


def _check_hdf5(file: h5py.File, source: object) -> None:
    pending, seen, n_bytes = [file], set(), 0
    while pending:
        group = pending.pop()
        for name in group:
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise ModelError(
                    _no_links(source, f"{group.name.rstrip('/')}/{name} is a link ({type(link).__name__})")
                )
            item = group[name]
            address = h5py.h5o.get_info(item.id).addr
            if address in seen:
                continue
            seen.add(address)
            if isinstance(item, h5py.Group):
                pending.append(item)
            elif isinstance(item, h5py.Dataset):
                if item.is_virtual or item.external:
                    raise ModelError(_no_links(source, f"{item.name} is kept in another file"))
                n_bytes += item.nbytes
    if n_bytes > MAX_BYTES:
        raise ModelError(_too_large(source, n_bytes))


def read_archive(path: Path) -> tuple[Any, io.BytesIO]:
    """Read the configuration and the weights of a ``.keras`` file.

    Raises
    ------
    ModelError
        If it holds anything else, or members out of all proportion.
    zipfile.BadZipFile
        If it is no such file.
    """
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
        names = sorted(info.filename for info in infos)
        if set(names) - _OPTIONAL_MEMBERS != _MEMBERS or len(set(names)) < len(names):
            raise ModelError(
                f"A .keras file must hold one each of {', '.join(sorted(_MEMBERS))}. Received: {path}, which holds "
                f"{', '.join(names)[:200]}. Save the model again."
            )
        for info in infos:
            limit = _MAX_CONFIG_BYTES if info.filename.endswith(".json") else MAX_BYTES
            if info.file_size > limit or info.file_size > _MAX_EXPANSION * info.compress_size:
                raise ModelError(_too_large(f"{path} ({info.filename})", info.file_size))
        return json.loads(archive.read("config.json")), io.BytesIO(archive.read("model.weights.h5"))


def read_json(path: Path) -> Any:
    """Read a JSON file, also one whose only value is a string that holds JSON, as atlalign 0.6.2 wrote it."""
    n_bytes = path.stat().st_size
    if n_bytes > _MAX_CONFIG_BYTES:
        raise ModelError(_too_large(path, n_bytes))
    value = json.loads(path.read_text(encoding="utf-8"))
    return json.loads(value) if isinstance(value, str) else value


def _no_links(source: object, what: str) -> str:
    return f"A model's weights must be in its own file. Received: {source}, where {what}. Save the model again."


def _too_large(source: object, n_bytes: int) -> str:
    return (
        f"A model must declare at most {MAX_BYTES} bytes of weights and {_MAX_CONFIG_BYTES} of configuration, in "
        f"proportion to its file. Received: {source} of {n_bytes}. Get the file again from where it comes from."
    )
