"""A registration in the formats of other tools, beside its own files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from atlalign.registration.files import RegistrationFiles
    from atlalign.registration.result import Registration

Export = Literal["brainglobe", "itk", "ome", "qupath", "qupath-abba", "quint"]


def check_exports(names: Sequence[str]) -> tuple[Export, ...]:
    """Return the names of formats, each once, or raise a ValueError that names those there are.

    Examples
    --------
    >>> check_exports(["qupath", "itk", "qupath"])
    ('qupath', 'itk')
    >>> check_exports(["QuPath"])
    Traceback (most recent call last):
    ...
    ValueError: An export must be one of brainglobe, itk, ome, qupath, qupath-abba, quint. Received: 'QuPath'
    """
    for name in names:
        if name not in get_args(Export):
            raise ValueError(f"An export must be one of {', '.join(get_args(Export))}. Received: {name!r}")
    chosen = dict.fromkeys(names)
    if {"qupath", "qupath-abba"} <= set(chosen):
        raise ValueError("Exports for QuPath go into one file. Received: qupath and qupath-abba. Choose one of them")
    return tuple(chosen)  # type: ignore[arg-type]


def write_exports(registration: Registration, files: RegistrationFiles, names: Sequence[Export]) -> None:
    """Write a registration in formats of other tools, each of them whole or not at all.

    Parameters
    ----------
    registration : Registration
    files : RegistrationFiles
        Says where each goes; the folder must exist.
    names : sequence of str
        What `check_exports` returns.
    """
    for name in names:
        path, write = _writers(files)[name]
        write(registration, path)


def _writers(files: RegistrationFiles) -> dict[str, tuple[Path, Callable[[Registration, Path], Any]]]:
    from atlalign import export

    return {
        "brainglobe": (files.brainglobe, export.write_brainglobe),
        "itk": (files.itk, export.write_itk),
        "ome": (files.ome, lambda registration, path: export.write_registered_ome(path, registration)),
        "qupath": (files.qupath, lambda registration, path: export.write_qupath(path, registration)),
        "qupath-abba": (files.qupath, lambda registration, path: export.write_qupath(path, registration, style="abba")),
        "quint": (files.quint, lambda registration, path: export.write_quint(path, registration)),
    }
