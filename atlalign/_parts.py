"""The folder of an unfinished job: its finished blocks, the journal of what they were made from, and its lock."""

import json
import os
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from atlalign._files import atomic_path
from atlalign.errors import AtlalignError

try:
    import fcntl
except ImportError:  # Windows has no such locks: there, nobody watches over two jobs with one output
    fcntl = None  # type: ignore[assignment]

_LOCK = "lock"


def journal_path(parts: Path) -> Path:
    """Return where the journal is."""
    return parts / "settings.json"


def block_path(parts: Path, block: int) -> Path:
    """Return where a finished block is."""
    return parts / f"{block:06d}.npz"


def has_blocks(parts: Path) -> bool:
    """Say whether any block is finished, damaged or not."""
    return any(parts.glob("[0-9]*.npz"))


def is_whole(path: Path) -> bool:
    """Say whether a block's file is there and undamaged, by the checksums in it.

    Examples
    --------
    >>> is_whole(Path("nowhere.npz"))
    False
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return bool(archive.namelist()) and archive.testzip() is None
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, OSError):
        return False


@contextmanager
def own(parts: Path, output: Path) -> Iterator[None]:
    """Make the folder and keep other jobs off it; when the block fails and nothing is finished, remove it.

    Parameters
    ----------
    parts : Path
        The folder. What an earlier job left in it stays.
    output : Path
        What the job makes, for messages.

    Raises
    ------
    AtlalignError
        If another job is at work in the folder.
    """
    with _locked(parts, output):
        try:
            yield
        except BaseException:
            if not has_blocks(parts):
                shutil.rmtree(parts, ignore_errors=True)
            raise


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Make a folder of results, and keep other jobs off it; when nothing comes into it, remove it.

    Raises
    ------
    AtlalignError
        If another job is at work in the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = folder / ".lock"
    try:
        with own(lock, folder):
            yield
            shutil.rmtree(lock, ignore_errors=True)
    finally:
        with suppress(OSError):
            folder.rmdir()


def begin_or_resume(parts: Path, settings: dict[str, Any], seed: int | None, new_seed: int, what: str) -> int:
    """Return the seed of the unfinished job in the folder; if there is none, write the journal of a new one.

    Parameters
    ----------
    parts : Path
        The folder, owned.
    settings : dict
        What the blocks depend on besides the seed, as JSON gives it back.
    seed : int, optional
        The seed that an unfinished job must have.
    new_seed : int
        The seed of a new job.
    what : str
        The name of the job, for messages.

    Raises
    ------
    AtlalignError
        If the folder has blocks of a job with other settings, or with a journal that is damaged.
    """
    journal = journal_path(parts)
    if journal.exists() and has_blocks(parts):
        stored = _read_journal(journal, what)
        stored_seed = stored.pop("seed")
        if stored != settings or seed not in (None, stored_seed):
            raise AtlalignError(
                f"An unfinished {what} with other settings is in the way. Received: {parts}. "
                "Repeat its settings to finish it, or remove that folder."
            )
        return stored_seed
    _empty(parts)  # of what is left of a finished job, or of one that finished nothing
    with atomic_path(journal) as temporary:
        temporary.write_text(json.dumps({**settings, "seed": new_seed}), encoding="utf-8")
    return new_seed


def _read_journal(journal: Path, what: str) -> dict[str, Any]:
    try:
        stored = json.loads(journal.read_text(encoding="utf-8"))
        if isinstance(stored, dict) and isinstance(stored.get("seed"), int):
            return stored
    except (ValueError, OSError):
        pass
    raise AtlalignError(
        f"The settings of an unfinished {what} must be readable. Received: {journal}, which is damaged. "
        f"Remove its folder to begin anew: rm -r '{journal.parent}'"
    )


def _empty(parts: Path) -> None:
    for entry in parts.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != _LOCK:
            entry.unlink()


@contextmanager
def _locked(parts: Path, output: Path) -> Iterator[None]:
    """Hold the folder's lock, which the system takes back from a process that ends, however it ends."""
    while True:
        parts.mkdir(exist_ok=True)
        try:
            file = (parts / _LOCK).open("ab")
        except FileNotFoundError:  # the job that had the folder has just removed it
            continue
        with file:
            _lock(file, output)
            if _is_at(file, parts / _LOCK):
                yield
                return


def _lock(file: BinaryIO, output: Path) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise AtlalignError(
            "Only one job at a time can make a file or fill a folder. "
            f"Received: {output}, at which another job is at work. "
            "Wait until it ends, or choose another name."
        ) from None
    except OSError:  # a file system without locks is no reason to refuse the work
        return


def _is_at(file: BinaryIO, path: Path) -> bool:
    """Say whether an open file is still at its path; the job that held the lock removes it with the folder."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
