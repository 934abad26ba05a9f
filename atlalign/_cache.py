"""Where atlalign keeps what it has fetched, and a lock for processes that would fetch the same thing twice."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import platformdirs

try:
    import fcntl
except ImportError:  # Windows has no such locks: there, two processes both fetch, and the last one's files stay
    fcntl = None  # type: ignore[assignment]


def cache_folder() -> Path:
    """Return the folder of the cache: the environment variable ``ATLALIGN_CACHE``, or the user's cache.

    The folder need not exist.

    Examples
    --------
    >>> cache_folder().is_absolute()
    True
    """
    chosen = os.environ.get("ATLALIGN_CACHE", "")
    if chosen.strip():
        return Path(chosen).expanduser().absolute()
    return platformdirs.user_cache_path("atlalign", appauthor=False)


@contextmanager
def waiting_lock(path: Path) -> Iterator[None]:
    """Hold the lock of a file that is made for it; wait while another process or thread holds it.

    The system takes the lock back from a process that ends, however it ends. The file stays.

    Parameters
    ----------
    path : Path
        The file. Its folder must exist.

    Examples
    --------
    >>> import tempfile
    >>> with waiting_lock(Path(tempfile.mkdtemp()) / "lock"):
    ...     "alone"
    'alone'
    """
    with path.open("ab") as file:
        if fcntl is not None:
            with suppress(OSError):  # a file system without locks is no reason to refuse the work
                fcntl.flock(file, fcntl.LOCK_EX)
        yield
