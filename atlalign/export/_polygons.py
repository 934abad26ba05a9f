"""The outlines of a label image as polygons: along the pixels' edges, without gaps or overlaps between neighbours."""

from __future__ import annotations

import numpy as np
import shapely


def label_polygons(labels: np.ndarray) -> dict[int, shapely.MultiPolygon]:
    """Return what each label of an image covers.

    Convention: coordinates are (x, y) px counted from the image's outer left and top edges, so that pixel (0, 0) covers
    the square from (0, 0) to (1, 1). All are whole numbers.

    Parameters
    ----------
    labels : ndarray of int, shape (h, w)
        0 is nothing and has no outline.

    Returns
    -------
    dict of int to shapely.MultiPolygon
        By label, in ascending order. Each is valid; parts that touch at a corner alone are parts of their own.

    Examples
    --------
    >>> labels = np.ones((3, 4), int)
    >>> labels[1, 1] = 0
    >>> outline = label_polygons(labels)[1]
    >>> outline.area, len(outline.geoms[0].interiors), outline.bounds
    (11.0, 1, (0.0, 0.0, 4.0, 3.0))
    """
    faces = shapely.get_parts(shapely.polygonize(_borders(labels)))
    if not len(faces):
        return {}
    corners, owner = shapely.get_coordinates(shapely.get_exterior_ring(faces), return_index=True)
    corners = corners.astype(np.int64)
    # below and to the right of a face's topmost corner (of several, the leftmost) lies a pixel of the face
    order = np.lexsort((corners[:, 0], corners[:, 1], owner))
    x, y = corners[order[np.unique(owner[order], return_index=True)[1]]].T
    of_face = labels[y, x]
    return {
        int(label): shapely.MultiPolygon(list(faces[of_face == label])) for label in np.unique(of_face) if label != 0
    }


def _borders(labels: np.ndarray) -> np.ndarray:
    """Return the straight lines between pixels of different labels and around the image, cut where borders meet."""
    height, width = labels.shape
    # an edge runs along the top (left) of a pixel when the pixel above (to the left) is another, or none
    across = np.ones((height + 1, width), dtype=bool)
    across[1:-1] = labels[1:] != labels[:-1]
    down = np.ones((height, width + 1), dtype=bool)
    down[:, 1:-1] = labels[:, 1:] != labels[:, :-1]
    return shapely.linestrings(np.concatenate([_runs(across, down), _runs(down.T, across.T)[..., ::-1]]))


def _runs(edges: np.ndarray, crossing: np.ndarray) -> np.ndarray:
    """Return start and end (n, 2, 2) of the runs of edges along x, cut wherever an edge of the other kind begins."""
    meets = np.zeros((edges.shape[0], edges.shape[1] + 1), dtype=bool)
    meets[:-1] |= crossing
    meets[1:] |= crossing
    # no border ends in the middle of nothing: a run begins and ends where it meets another, and the nth start of a row
    # belongs to the nth end
    starts = np.argwhere(edges & meets[:, :-1])
    ends = np.argwhere(edges & meets[:, 1:]) + np.array([0, 1])
    return np.stack([starts, ends], axis=1)[..., ::-1].astype(np.float64)
