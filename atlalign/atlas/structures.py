"""The structures of an atlas: their names, colours and hierarchy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from atlalign.errors import AtlasError

_Row = tuple[int, str, str, int | None, tuple[int, int, int]]


class UnknownStructureError(AtlasError, KeyError):
    """An atlas has no structure of that id or acronym."""

    # KeyError would print the message in quotes
    __str__ = BaseException.__str__


@dataclass(frozen=True)
class Structure:
    """One structure of an atlas.

    Attributes
    ----------
    id : int
        The value of its voxels in the annotation.
    acronym, name : str
        Short and full name.
    parent_id : int or None
        The structure it is a part of; None for the root.
    rgb : tuple of 3 int
        Colour, 0..255.
    depth : int
        Steps from the root, whose depth is 0.
    path : tuple of int
        Ids from the root down to the structure itself.

    Examples
    --------
    >>> from atlalign import Atlas
    >>> structure = Atlas.load("phantom:100").structures["TH"]
    >>> structure.name, structure.depth == len(structure.path) - 1
    ('thalamus', True)
    """

    id: int
    acronym: str
    name: str
    parent_id: int | None
    rgb: tuple[int, int, int]
    depth: int
    path: tuple[int, ...]


class Structures(Mapping[int | str, Structure]):
    """The structures of an atlas, by id or acronym.

    Iteration and `len` go over ids, from the root down in the order of the file.

    Parameters
    ----------
    rows : iterable of (id, acronym, name, parent_id, rgb)
        One row a structure, in any order; `parent_id` None (or equal to the id) for a root.

    Raises
    ------
    AtlasError
        If an id or an acronym is repeated, an id is not positive or not below 2**32, a colour is outside
        0..255, a parent is missing, the parents form a loop, or there is more than one root.

    Examples
    --------
    >>> structures = Structures([
    ...     (1, "root", "root", None, (255, 255, 255)),
    ...     (2, "CTX", "cortex", 1, (0, 255, 0)),
    ...     (3, "L1", "layer 1", 2, (0, 200, 0)),
    ... ])
    >>> structures["L1"].depth, structures[3].path
    (2, (1, 2, 3))
    >>> structures.at_depth([0, 1, 3], depth=1).tolist()
    [0, 1, 2]
    """

    def __init__(self, rows: Iterable[_Row]):
        table: dict[int, _Row] = {}
        for row in rows:
            identifier = int(row[0])
            if not 0 < identifier < 2**32:
                raise AtlasError(
                    "A structure's id must satisfy 0 < id < 2**32; 0 means outside. "
                    f"Received: {identifier} ({row[1]}). Correct the structures file."
                )
            if identifier in table:
                raise AtlasError(
                    f"Each structure id must occur once. Received: {identifier} twice "
                    f"({table[identifier][1]}, {row[1]}). Correct the structures file."
                )
            if len(row[4]) != 3 or not all(0 <= value <= 255 for value in row[4]):
                raise AtlasError(
                    "A structure's colour must be three numbers from 0 to 255. "
                    f"Received: {tuple(row[4])} of {row[1]}. Correct the structures file."
                )
            table[identifier] = row
        if not table:
            raise AtlasError("An atlas must have at least one structure. Received: none. Check the structures file.")
        paths = _paths({identifier: row[3] for identifier, row in table.items()})
        roots = [table[identifier][1] for identifier, path in paths.items() if len(path) == 1]
        if len(roots) > 1:
            raise AtlasError(
                "Structures must have one root that contains the others. "
                f"Received: {len(roots)} without a parent ({', '.join(map(str, roots[:5]))}). "
                "Give them a common parent in the structures file."
            )
        self._by_id: dict[int, Structure] = {}
        self._by_acronym: dict[str, Structure] = {}
        for identifier, (_, acronym, name, _, rgb) in table.items():
            path = paths[identifier]
            structure = Structure(
                identifier,
                str(acronym),
                str(name),
                path[-2] if len(path) > 1 else None,
                (int(rgb[0]), int(rgb[1]), int(rgb[2])),
                len(path) - 1,
                path,
            )
            self._by_id[identifier] = structure
            other = self._by_acronym.setdefault(structure.acronym, structure)
            if other is not structure:
                raise AtlasError(
                    f"Each acronym must occur once. Received: {structure.acronym!r} of {other.id} and {identifier}. "
                    "Correct the structures file."
                )

    def __getitem__(self, key: int | str) -> Structure:
        table: Mapping[Any, Structure] = self._by_acronym if isinstance(key, str) else self._by_id
        try:
            return table[key if isinstance(key, str) else int(key)]
        except (KeyError, TypeError, ValueError):
            raise UnknownStructureError(
                f"A structure must be an id or an acronym of this atlas. Received: {key!r}. "
                "Acronyms are case-sensitive; [s.acronym for s in atlas.structures.values()] lists them."
            ) from None

    def __iter__(self) -> Iterator[int]:
        return iter(self._by_id)

    def __len__(self) -> int:
        return len(self._by_id)

    def ancestors(self, key: int | str) -> list[Structure]:
        """Return the structures that contain a structure, the root first.

        Parameters
        ----------
        key : int or str
            Id or acronym.

        Examples
        --------
        >>> structures = Structures([(1, "root", "", None, (0, 0, 0)), (2, "CTX", "", 1, (0, 0, 0))])
        >>> [structure.acronym for structure in structures.ancestors("CTX")]
        ['root']
        """
        return [self._by_id[identifier] for identifier in self[key].path[:-1]]

    def descendants(self, key: int | str) -> list[Structure]:
        """Return the structures inside a structure, at any depth, without itself.

        Parameters
        ----------
        key : int or str
            Id or acronym.

        Examples
        --------
        >>> structures = Structures([(1, "root", "", None, (0, 0, 0)), (2, "CTX", "", 1, (0, 0, 0))])
        >>> [structure.acronym for structure in structures.descendants("root")]
        ['CTX']
        """
        identifier = self[key].id
        return [s for s in self._by_id.values() if identifier in s.path[:-1]]

    def children(self, key: int | str) -> list[Structure]:
        """Return the structures directly below a structure.

        Parameters
        ----------
        key : int or str
            Id or acronym.

        Examples
        --------
        >>> structures = Structures([(1, "root", "", None, (0, 0, 0)), (2, "CTX", "", 1, (0, 0, 0))])
        >>> [structure.acronym for structure in structures.children("root")]
        ['CTX']
        """
        identifier = self[key].id
        return [s for s in self._by_id.values() if s.parent_id == identifier]

    def at_depth(self, ids: Any, depth: int) -> np.ndarray:
        """Return an annotation with each structure replaced by its ancestor at a depth.

        Parameters
        ----------
        ids : array_like of int, any shape
            Structure ids; 0 is outside and stays. Ids that the atlas does not list stay, as do structures
            that are not deeper than `depth`.
        depth : int
            Steps from the root: 0 collapses everything to the root.

        Returns
        -------
        ndarray of uint32, the shape of `ids`

        Raises
        ------
        ValueError
            If `depth` is negative, or `ids` are not whole numbers from 0 to 2**32 - 1.

        Examples
        --------
        >>> structures = Structures([(1, "root", "", None, (0, 0, 0)), (2, "CTX", "", 1, (0, 0, 0))])
        >>> structures.at_depth([[0, 2]], depth=0)
        array([[0, 1]], dtype=uint32)
        """
        if depth < 0 or depth != int(depth):
            raise ValueError(
                f"depth must be a whole number from 0, the root's. Received: {depth}. Count steps from the root."
            )
        found, inverse = np.unique(np.asarray(ids), return_inverse=True)
        if found.size and (found.dtype.kind not in "ui" or found[0] < 0 or found[-1] >= 2**32):
            raise ValueError(
                "Structure ids must be whole numbers from 0 to 2**32 - 1. "
                f"Received: {found.dtype} from {found[0]} to {found[-1]}. Pass an annotation, such as uint32."
            )
        collapsed = np.array([self._collapse(int(value), int(depth)) for value in found], dtype=np.uint32)
        return collapsed[inverse].reshape(np.shape(ids))

    def colors(self, ids: Any) -> np.ndarray:
        """Return the colour of each id; 0 and ids that the atlas does not list are black.

        Parameters
        ----------
        ids : array_like of int, any shape
            Structure ids.

        Returns
        -------
        ndarray of uint8, shape (..., 3)

        Examples
        --------
        >>> Structures([(1, "root", "", None, (9, 8, 7))]).colors([1, 0]).tolist()
        [[9, 8, 7], [0, 0, 0]]
        """
        found, inverse = np.unique(np.asarray(ids), return_inverse=True)
        palette = np.zeros((found.size, 3), dtype=np.uint8)
        for row, value in enumerate(found):
            structure = self._by_id.get(int(value))
            if structure is not None:
                palette[row] = structure.rgb
        return palette[inverse].reshape(*np.shape(ids), 3)

    def _collapse(self, identifier: int, depth: int) -> int:
        structure = self._by_id.get(identifier)
        if structure is None or structure.depth <= depth:
            return identifier
        return structure.path[depth]


def _paths(parents: dict[int, int | None]) -> dict[int, tuple[int, ...]]:
    """Return the ids from the root to each structure."""
    paths: dict[int, tuple[int, ...]] = {}
    for start in parents:
        chain: list[int] = []
        seen: set[int] = set()
        node: int | None = start
        while node is not None and node not in paths:
            if node in seen:
                raise AtlasError(
                    f"Structures must form a tree. Received: {node} among its own ancestors. "
                    "Correct parent_id in the structures file."
                )
            if node not in parents:
                raise AtlasError(
                    f"A structure's parent must be in the file. Received: {chain[-1]} with parent {node}. "
                    "Add the parent or leave parent_id empty for the root."
                )
            seen.add(node)
            chain.append(node)
            parent = parents[node]
            node = None if parent == node else parent
        prefix = paths[node] if node is not None else ()
        for node in reversed(chain):
            prefix = (*prefix, node)
            paths[node] = prefix
    return paths
