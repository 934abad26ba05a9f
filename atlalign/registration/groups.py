"""Gather structures into rows of a table: at a depth of the hierarchy, or in groups of one's own."""

from __future__ import annotations

import csv
import difflib
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from atlalign._files import require_file
from atlalign.atlas.structures import Structure, Structures, UnknownStructureError
from atlalign.errors import InvalidFileError, one_line

Groups = Mapping[str, Sequence[str]]

UNLISTED = "not in the atlas's list of structures"

_REMEDY = 'Write rows "group,acronym" under that header, or JSON such as {"cortex": ["CTX"]}.'


def read_groups(path: str | os.PathLike) -> dict[str, list[str]]:
    r"""Read groups of structures.

    Parameters
    ----------
    path : path-like
        A ``.json`` file of an object that gives each name its acronyms, one or a list; or a CSV file with the columns
        group and acronym, one acronym a row. UTF-8.

    Returns
    -------
    dict of str to list of str
        The acronyms of each group, in the order of the file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    atlalign.errors.InvalidFileError
        If it holds something else, or no group.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "groups.csv"
    >>> _ = path.write_text("group,acronym\nstriatum,CP\nstriatum,ACB\n")
    >>> read_groups(path)
    {'striatum': ['CP', 'ACB']}
    """
    path = require_file(path, "file of groups")
    try:
        text = path.read_text(encoding="utf-8-sig")
        pairs = list(_json_pairs(text) if path.suffix.lower() == ".json" else _csv_pairs(text))
        if not pairs:
            raise ValueError("no group")
    except (ValueError, RecursionError, csv.Error) as error:
        raise InvalidFileError(
            "Groups must be a table with columns group and acronym, or a JSON object. "
            f"Received: {path} ({one_line(error)}). {_REMEDY}"
        ) from None
    groups: dict[str, list[str]] = {}
    for name, acronym in pairs:
        groups.setdefault(name, []).append(acronym)
    return groups


def check_gathering(groups: Groups | None, depth: int | None, structures: Structures) -> None:
    """Raise an error that says what is wrong with the arguments of `gather`, if anything is.

    Examples
    --------
    >>> from atlalign import Atlas
    >>> check_gathering({"striatum": ["Cp"]}, None, Atlas.load("phantom").structures)
    Traceback (most recent call last):
    ...
    atlalign.atlas.structures.UnknownStructureError: A group must hold acronyms of the atlas. Received: 'Cp' in group
    'striatum'. The nearest is CP, caudoputamen.
    """
    if groups is not None and depth is not None:
        raise ValueError(
            "Structures are gathered in groups or at a depth, not both. "
            f"Received: {len(groups)} groups and depth {depth}. Leave one of them out."
        )
    if depth is not None:
        structures.at_depth([], depth)
    if groups is not None:
        structures_of_groups(groups, structures)


def structures_of_groups(groups: Groups, structures: Structures) -> dict[int, str]:
    """Return the group of each structure that is in one, children included.

    Parameters
    ----------
    groups : mapping of str to sequence of str
        Acronyms of each group.
    structures : Structures

    Returns
    -------
    dict of int to str
        Name of the group of each id.

    Raises
    ------
    atlalign.errors.AtlasError
        If an acronym is unknown; the message names the nearest.
    ValueError
        If a structure is in two groups, itself or within another; or a group is empty.

    Examples
    --------
    >>> from atlalign import Atlas
    >>> found = structures_of_groups({"amygdala": ["LA", "BLA"], "septum": ["LS"]}, Atlas.load("phantom").structures)
    >>> found
    {100: 'amygdala', 101: 'amygdala', 83: 'septum'}
    """
    owners: dict[int, tuple[str, Structure]] = {}
    for name, acronyms in groups.items():
        if isinstance(acronyms, str) or not acronyms:
            raise ValueError(
                f"A group must hold acronyms, at least one. Received: {acronyms!r} for group {name!r}. Give a list."
            )
        for acronym in acronyms:
            top = _find(acronym, name, structures)
            for structure in (top, *structures.descendants(top.id)):
                other, through = owners.setdefault(structure.id, (name, top))
                if other != name:
                    inside = [f" within {t.acronym}" if t.id != structure.id else "" for t in (through, top)]
                    raise ValueError(
                        f"A structure must be in one group, children included. Received: {structure.acronym} in "
                        f"{other!r}{inside[0]} and in {name!r}{inside[1]}. Take it out of one of them."
                    )
    return {identifier: name for identifier, (name, _) in owners.items()}


def gather(
    table: pd.DataFrame, structures: Structures, *, groups: Groups | None = None, depth: int | None = None
) -> pd.DataFrame:
    """Sum the rows of a table of structures that belong together.

    Parameters
    ----------
    table : pandas.DataFrame
        A column id, and numbers that can be summed.
    structures : Structures
    groups : mapping of str to sequence of str, optional
        Acronyms of each group; children are included, and what is in no group is left out.
    depth : int, optional
        Structures deeper than this are counted as their ancestor at that depth; 0 is the root.

    Returns
    -------
    pandas.DataFrame
        The columns group, or id, acronym and name; then the sums. A row for each group, in their order; else one for
        each structure, by id.

    Examples
    --------
    >>> from atlalign import Atlas
    >>> table = pd.DataFrame({"id": [80, 81, 83], "count": [5, 1, 2]})
    >>> gather(table, Atlas.load("phantom").structures, depth=4)
       id acronym      name  count
    0  16     STR  striatum      8
    """
    check_gathering(groups, depth, structures)
    numbers = table.drop(columns="id")
    if groups is not None:
        group_of = structures_of_groups(groups, structures)
        keys = table["id"].map(group_of)
        sums = numbers.groupby(keys).sum().reindex(list(groups), fill_value=0)
        return sums.rename_axis("group").reset_index()
    identifiers = table["id"].to_numpy(dtype=np.int64)
    if depth is not None:
        identifiers = structures.at_depth(identifiers, depth).astype(np.int64)
    sums = numbers.groupby(identifiers).sum()
    known = [structures.get(int(identifier)) for identifier in sums.index]
    sums.insert(0, "id", sums.index)
    sums.insert(1, "acronym", [structure.acronym if structure else "" for structure in known])
    sums.insert(2, "name", [structure.name if structure else UNLISTED for structure in known])
    return sums.reset_index(drop=True)


def _find(acronym: Any, group: str, structures: Structures) -> Structure:
    if isinstance(acronym, str) and acronym in structures:
        return structures[acronym]
    nearest = structures[_nearest(str(acronym), structures)]
    raise UnknownStructureError(
        f"A group must hold acronyms of the atlas. Received: {acronym!r} in group {group!r}. "
        f"The nearest is {nearest.acronym}, {nearest.name}."
    )


def _nearest(word: str, structures: Structures) -> int:
    """Return the id of the structure whose acronym or name is most like a word."""

    def likeness(structure: Structure) -> tuple[float, ...]:
        matcher = difflib.SequenceMatcher(b=word.lower())
        ratios = []
        for text in (structure.acronym, structure.name):
            matcher.set_seq1(text.lower())
            ratios.append(matcher.ratio())
        return max(ratios), difflib.SequenceMatcher(None, structure.acronym, word).ratio()

    return max(structures.values(), key=likeness).id


def _json_pairs(text: str) -> Iterable[tuple[str, str]]:
    def once(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) < len(items):
            raise ValueError("a group twice")
        return found

    content = json.loads(text, object_pairs_hook=once)
    if not isinstance(content, dict):
        raise ValueError(f"a {type(content).__name__}")
    for name, acronyms in content.items():
        acronyms = [acronyms] if isinstance(acronyms, str) else acronyms
        if not isinstance(acronyms, list) or not acronyms or not all(isinstance(word, str) for word in acronyms):
            raise ValueError(f"group {name!r} is not a list of acronyms")
        yield from ((name, acronym) for acronym in acronyms)


def _csv_pairs(text: str) -> Iterable[tuple[str, str]]:
    header = text.splitlines()[0] if text else ""
    delimiter = next((mark for mark in ",;\t" if mark in header), ",")
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows = [[cell.strip() for cell in row] for row in lines if any(row)]
    if not rows or [word.lower() for word in rows[0]] != ["group", "acronym"]:
        raise ValueError(f"header {header!r}")
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != 2 or not all(row):
            raise ValueError(f"row {number} is not a group and an acronym")
        yield row[0], row[1]
