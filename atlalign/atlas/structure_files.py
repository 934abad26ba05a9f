"""Read the structures of an atlas folder: Allen ontologies, BrainGlobe's structures.json, CSV."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from atlalign.atlas.structures import Structures
from atlalign.errors import AtlasError, one_line

_Row = tuple[int, str, str, int | None, tuple[int, int, int]]


def read_structures(path: Path, file_format: str) -> Structures:
    r"""Read the structures of an atlas.

    Parameters
    ----------
    path : Path
        The file.
    file_format : {"allen", "brainglobe", "csv"}
        "allen": JSON with nested children (under `msg[0]` where there is a `msg`); "brainglobe":
        structures.json; "csv": columns id, acronym, name, parent_id, r, g, b.

    Returns
    -------
    Structures

    Raises
    ------
    AtlasError
        If the file does not hold structures in that format.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "structures.csv"
    >>> _ = path.write_text("id,acronym,name,parent_id,r,g,b\n1,root,whole brain,,255,255,255\n")
    >>> read_structures(path, "csv")["root"].rgb
    (255, 255, 255)
    """
    readers: dict[str, Callable[[str], Iterator[_Row]]] = {
        "allen": _allen,
        "brainglobe": _brainglobe,
        "csv": _csv,
    }
    try:
        return Structures(readers[file_format](path.read_text(encoding="utf-8-sig")))
    except AtlasError as error:
        raise AtlasError(f"{path}: {error}") from None
    # csv.Error: an overlong field; RecursionError: JSON that is nested too deeply
    except (
        *(KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError),
        *(csv.Error, RecursionError),
    ) as error:
        reason = one_line(f"{type(error).__name__}: {error}")
        raise AtlasError(
            f"A structures file must be of the format that atlas.toml says, {file_format!r}. "
            f"Received: {path} ({reason}). Correct the file or its format."
        ) from None


def _allen(text: str) -> Iterator[_Row]:
    tree = json.loads(text)
    if isinstance(tree, dict) and "msg" in tree:
        tree = tree["msg"]
    nodes: list[tuple[Any, int | None]] = [(node, None) for node in (tree if isinstance(tree, list) else [tree])]
    while nodes:
        node, parent = nodes.pop()
        yield node["id"], node["acronym"], node["name"], parent, _hex(node["color_hex_triplet"])
        # reversed, since the last is taken first: structures come in the order of the file
        nodes.extend((child, node["id"]) for child in reversed(node.get("children", [])))


def _brainglobe(text: str) -> Iterator[_Row]:
    return brainglobe_rows(json.loads(text))


def brainglobe_rows(entries: Any) -> Iterator[_Row]:
    """Yield rows for `Structures` from BrainGlobe's list of structures."""
    for entry in entries:
        path = entry["structure_id_path"]
        red, green, blue = entry["rgb_triplet"]
        parent = int(path[-2]) if len(path) > 1 else None
        yield int(entry["id"]), entry["acronym"], entry["name"], parent, (int(red), int(green), int(blue))


def _csv(text: str) -> Iterator[_Row]:
    for row in csv.DictReader(text.splitlines()):
        parent = row["parent_id"].strip()
        yield (
            int(row["id"]),
            row["acronym"],
            row["name"],
            int(float(parent)) if parent else None,
            (int(row["r"]), int(row["g"]), int(row["b"])),
        )


def _hex(triplet: str) -> tuple[int, int, int]:
    # spreadsheets eat the leading zeros of a triplet
    digits = str(triplet).lstrip("#").zfill(6)
    return int(digits[0:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)
