"""QuPath: the structures of a section as annotations in GeoJSON."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_DNS, uuid5

import numpy as np
import shapely
from shapely.geometry import mapping, shape
from shapely.geometry.base import BaseGeometry

from atlalign._files import atomic_path, require_file
from atlalign.errors import InvalidFileError, one_line
from atlalign.export._polygons import label_polygons

if TYPE_CHECKING:
    from atlalign.registration.result import Registration

STYLES = ("atlalign", "abba")

_SIDES = {1: "Left", 2: "Right"}
_SIDES_IN_KEY = 4  # a structure's id and its side make one label of the image that is outlined

_UNLISTED_RGB = (128, 128, 128)
_NAMESPACE = uuid5(NAMESPACE_DNS, "atlalign")


@dataclass(frozen=True, eq=False)
class Outline:
    """An annotation of QuPath.

    Attributes
    ----------
    name : str
        Its name, which QuPath shows: the structure's acronym.
    structure_id : int or None
        Its measurement `ID`; None for annotations that are no structure.
    side : {"left", "right"} or None
        The animal's side, as its classification says.
    rgb : tuple of 3 int or None
        Its colour.
    geometry : shapely.Polygon or shapely.MultiPolygon
        In px of the full-resolution image, counted from its outer edges: the centre of pixel (x, y) lies at
        (x + 0.5, y + 0.5).
    """

    name: str
    structure_id: int | None
    side: str | None
    rgb: tuple[int, int, int] | None
    geometry: shapely.Polygon | shapely.MultiPolygon


def write_qupath(
    path: str | os.PathLike,
    registration: Registration,
    *,
    style: str = "atlalign",
    depth: int | None = None,
    max_pixels: int = 4_000_000,
) -> Path:
    """Write the structures of a section as annotations that QuPath imports.

    Each structure on either side of the animal is one locked annotation, named by its acronym, in the atlas's colour,
    and classified ``Left: ACRONYM`` or ``Right: ACRONYM``; its measurement `ID` is the structure's id. Outlines follow
    the pixels' edges: neighbours neither overlap nor leave gaps. A structure in several pieces is one MultiPolygon.
    The same section gives the same object identifiers each time.

    Parameters
    ----------
    path : path-like
        The file, replaced if it exists. QuPath looks for the ending ``.geojson``.
    registration : Registration
    style : {"atlalign", "abba"}
        The structures as the atlas annotates them; or, as ABBA imports them, with every structure that contains them
        up to the root, and the measurement `Parent ID` beside `ID`.
    depth : int, optional
        Structures deeper in the hierarchy than this count as their ancestor there; the root has depth 0.
    max_pixels : int
        Larger sections are outlined on a coarser grid of at most as many pixels, and the outlines enlarged.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ValueError
        If an argument is out of range.
    FileNotFoundError
        If the folder does not exist.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from atlalign import Atlas, register
    >>> atlas = Atlas.load("phantom:100")
    >>> def nothing_to_do(reference, moving):
    ...     return np.zeros((*reference.shape, 2))
    >>> image = atlas.reference_plane(6000, shape=(160, 228))
    >>> registration = register(image, atlas, position_um=6000, local_model=nothing_to_do)
    >>> path = write_qupath(pathlib.Path(tempfile.mkdtemp()) / "section.geojson", registration)
    >>> outline = next(outline for outline in read_qupath(path) if outline.name == "CP" and outline.side == "left")
    >>> outline.structure_id == atlas.structures["CP"].id, outline.rgb == atlas.structures["CP"].rgb
    (True, True)
    >>> areas = registration.structure_areas().set_index("acronym")
    >>> pixel_mm2 = areas["total_area_mm2"]["CP"] / areas["pixels"]["CP"]
    >>> bool(np.isclose(outline.geometry.area * pixel_mm2, areas["left_area_mm2"]["CP"]))
    True
    """
    if style not in STYLES:
        raise ValueError(f"style must be one of {', '.join(STYLES)}. Received: {style!r}. Choose one of them.")
    if max_pixels < 1:
        raise ValueError(f"max_pixels must be positive. Received: {max_pixels}. Leave it out for 4 million.")
    outlines = _outlines(registration, depth, max_pixels)
    if style == "abba":
        outlines = _with_ancestors(registration, outlines)
    features = [
        _feature(registration, style, identifier, side, geometry) for (identifier, side), geometry in outlines.items()
    ]
    collection = {"type": "FeatureCollection", "features": features}
    path = Path(path)
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        json.dump(collection, file, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return path


def read_qupath(path: str | os.PathLike) -> list[Outline]:
    """Read the annotations of a GeoJSON file that `write_qupath` or QuPath wrote.

    Parameters
    ----------
    path : path-like
        A .geojson file. Objects that are not areas, such as points and lines, are left out.

    Returns
    -------
    list of Outline
        In the order of the file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InvalidFileError
        If the file is not GeoJSON as QuPath writes it.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "drawn.geojson"
    >>> square = {"type": "Polygon", "coordinates": [[[0, 0], [4, 0], [4, 4], [0, 4], [0, 0]]]}
    >>> drawn = {"type": "Feature", "geometry": square, "properties": {"name": "lesion"}}
    >>> _ = path.write_text(json.dumps({"type": "FeatureCollection", "features": [drawn]}))
    >>> [(outline.name, outline.geometry.area) for outline in read_qupath(path)]
    [('lesion', 16.0)]
    """
    path = require_file(path, "GeoJSON file")
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        # QuPath writes a collection, a list of objects or, where there is one, the object itself
        if isinstance(content, dict):
            content = content.get("features", [content])
        return list(_read_features(content))
    except (LookupError, TypeError, AttributeError, ArithmeticError, *_UNREADABLE) as error:
        raise InvalidFileError(
            f"{path} must be GeoJSON as QuPath writes it. "
            f"Received: {type(error).__name__}: {one_line(error)}. Export the annotations again."
        ) from None


_UNREADABLE = (ValueError, RecursionError, shapely.errors.ShapelyError)
_Outlines = dict[tuple[int, int], BaseGeometry]  # by structure and side


def _outlines(registration: Registration, depth: int | None, max_pixels: int) -> _Outlines:
    height, width = registration.section.shape
    shrink = max(1.0, float(np.sqrt(height * width / max_pixels)))
    rows, columns = max(1, int(height / shrink)), max(1, int(width / shrink))
    keys = np.zeros((rows, columns), dtype=np.int64)
    atlas = registration.atlas
    grid = ((np.arange(n) + 0.5) * size / n - 0.5 for n, size in ((columns, width), (rows, height)))
    for part, labels, sides in registration.labels_and_sides_at(*grid):
        if depth is not None:
            labels = atlas.structures.at_depth(labels, depth)
        keys[part] = np.where(labels > 0, labels.astype(np.int64) * _SIDES_IN_KEY + sides, 0)
    scale = np.array([width / columns, height / rows])
    return {
        divmod(key, _SIDES_IN_KEY): shapely.transform(outline, lambda corners: np.round(corners * scale, 3))
        for key, outline in label_polygons(keys).items()
    }


def _with_ancestors(registration: Registration, outlines: _Outlines) -> _Outlines:
    """Return the outlines of all that contains these structures, each outline that of all that lies in it."""
    structures = registration.atlas.structures
    parts: dict[tuple[int, int], list[BaseGeometry]] = {}
    for (identifier, side), geometry in outlines.items():
        path = structures[identifier].path if identifier in structures else (identifier,)
        for ancestor in path:
            parts.setdefault((ancestor, side), []).append(geometry)
    whole = {key: shapely.coverage_union_all(geometries) for key, geometries in parts.items()}
    depth = {key: structures[key[0]].depth if key[0] in structures else 0 for key in whole}
    return {key: whole[key] for key in sorted(whole, key=lambda key: (depth[key], key))}


def _feature(registration: Registration, style: str, identifier: int, side: int, geometry: BaseGeometry) -> dict:
    atlas = registration.atlas
    structure = atlas.structures.get(identifier)
    acronym, rgb = (structure.acronym, list(structure.rgb)) if structure else (str(identifier), list(_UNLISTED_RGB))
    if isinstance(geometry, shapely.MultiPolygon) and len(geometry.geoms) == 1:
        geometry = geometry.geoms[0]
    measurements = {"ID": identifier}
    if style == "abba" and structure and structure.parent_id is not None:
        measurements["Parent ID"] = structure.parent_id
    origin = "/".join([registration.section.name, atlas.name, style, str(identifier), str(side)])
    properties: dict[str, Any] = {
        "objectType": "annotation",
        "name": acronym,
        "color": rgb,
        "classification": {"name": f"{_SIDES[side]}: {acronym}" if side in _SIDES else acronym, "color": rgb},
        "isLocked": True,
        "measurements": measurements,
        "metadata": {"structure": structure.name if structure else "not in the atlas's list of structures"},
    }
    return {
        "type": "Feature",
        "id": str(uuid5(_NAMESPACE, origin)),
        "geometry": mapping(geometry),
        "properties": properties,
    }


def _read_features(features: Any) -> Iterator[Outline]:
    for feature in features:
        if feature["geometry"]["type"] not in ("Polygon", "MultiPolygon"):
            continue
        properties = feature.get("properties") or {}
        measurements = properties.get("measurements") or {}
        if isinstance(measurements, list):  # before QuPath 0.4
            measurements = {entry["name"]: entry["value"] for entry in measurements}
        identifier, rgb = measurements.get("ID"), properties.get("color")
        yield Outline(
            name=str(properties.get("name") or ""),
            structure_id=None if identifier is None else int(identifier),
            side=_side(properties.get("classification") or {}),
            rgb=(int(rgb[0]), int(rgb[1]), int(rgb[2])) if isinstance(rgb, list) else None,
            geometry=shape(feature["geometry"]),
        )


def _side(classification: dict[str, Any]) -> str | None:
    """Return the side of a class, which QuPath writes as one name or as a list of them."""
    names = classification.get("names") or str(classification.get("name") or "").split(":")
    first = str(names[0]).strip()
    return first.lower() if first in _SIDES.values() else None
