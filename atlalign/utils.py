"""Small helpers that several modules share."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import LinearNDInterpolator
from scipy.spatial import ConvexHull, QhullError


def as_generator(random_state: int | np.random.Generator | None = None) -> np.random.Generator:
    """Return a random generator without touching NumPy's global one.

    Parameters
    ----------
    random_state : None, int or numpy.random.Generator
        None draws a fresh seed from the system; an int gives the same draws each time; a generator is used
        as it is, and advances.

    Returns
    -------
    numpy.random.Generator

    Raises
    ------
    TypeError
        If `random_state` is something else.
    ValueError
        If it is a negative int.

    Examples
    --------
    >>> bool(as_generator(3).integers(100) == as_generator(3).integers(100))
    True
    """
    if isinstance(random_state, np.random.Generator):
        return random_state
    if isinstance(random_state, bool | np.bool_) or not (
        random_state is None or isinstance(random_state, int | np.integer)
    ):
        raise TypeError(
            f"random_state must be None, an int or a numpy.random.Generator. Received: {random_state!r}. "
            "Use numpy.random.default_rng to make a generator."
        )
    if random_state is not None and random_state < 0:
        raise ValueError(f"random_state must be at least 0. Received: {random_state}. Choose another seed.")
    return np.random.default_rng(random_state)


def griddata_custom(
    points: ArrayLike, values_f_1: ArrayLike, values_f_2: ArrayLike, xi: Any, *, fill_value: float = np.nan
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Interpolate two functions linearly from the same scattered points, with one triangulation for both.

    Parameters
    ----------
    points : array-like, (n, 2)
        Where the functions are known.
    values_f_1, values_f_2 : array-like, (n,)
        Their values there.
    xi : tuple of two ndarrays (...), or array-like (..., 2)
        Where they are wanted, in the order of the columns of `points`.
    fill_value : float
        Value outside the convex hull of `points`.

    Returns
    -------
    f_1, f_2 : ndarray, float64, (...)

    Raises
    ------
    ValueError
        If the lengths differ, or the points span no triangle.

    Examples
    --------
    >>> corners = [[0, 0], [0, 2], [2, 0], [2, 2]]
    >>> f_1, f_2 = griddata_custom(corners, [0, 2, 0, 2], [5, 5, 5, 5], [[1.0, 0.5]])
    >>> f_1, f_2
    (array([0.5]), array([5.]))
    """
    points = np.asarray(points, dtype=np.float64)
    values = (
        np.column_stack([np.ravel(values_f_1), np.ravel(values_f_2)])
        if (np.size(values_f_1) == np.size(values_f_2))
        else None
    )
    if points.ndim != 2 or points.shape[1] != 2 or values is None or len(values) != len(points):
        raise ValueError(
            "points must be (n, 2) with n values of each function. Received: points "
            f"{points.shape}, values {np.shape(values_f_1)} and {np.shape(values_f_2)}. "
            "Give one value a point."
        )
    where = np.stack(np.broadcast_arrays(*xi), axis=-1) if isinstance(xi, tuple) else np.asarray(xi)
    result = np.full(where.shape, fill_value, dtype=np.float64)
    inside = inside_hull(points, where)
    result[inside] = LinearNDInterpolator(points, values.astype(np.float64), fill_value=fill_value)(where[inside])
    return result[..., 0], result[..., 1]


def inside_hull(points: ArrayLike, xi: ArrayLike) -> NDArray[np.bool_]:
    """Say which positions lie in the convex hull of some points.

    SciPy's interpolators search every triangle for a position outside, which takes them a hundred times
    longer than one inside: ask here first.

    Parameters
    ----------
    points : array-like, (n, 2)
        What the hull is spanned by.
    xi : array-like, (..., 2)
        Positions.

    Returns
    -------
    ndarray, bool, (...)

    Raises
    ------
    ValueError
        If the points span no triangle.

    Examples
    --------
    >>> inside_hull([[0, 0], [0, 2], [2, 0]], [[0.5, 0.5], [1.0, 1.0], [1.5, 1.5]])
    array([ True,  True, False])
    """
    points, xi = np.asarray(points, dtype=np.float64), np.asarray(xi, dtype=np.float64)
    try:
        equations = ConvexHull(points).equations
    except (QhullError, ValueError):  # ValueError: no points at all
        raise ValueError(
            f"points must span at least one triangle. Received: {len(points)}, too few or on one line. "
            "Add points elsewhere."
        ) from None
    inside = np.ones(xi.shape[:-1], dtype=bool)
    for normal_x, normal_y, offset in equations:
        inside &= normal_x * xi[..., 0] + normal_y * xi[..., 1] + offset <= 1e-9
    return inside


def find_labels_dic(segmentation_array: ArrayLike, dic: Mapping[str, Any], chosen_depth: int) -> NDArray:
    """Collapse the structures of an annotation to their ancestors at one depth of the hierarchy.

    Parameters
    ----------
    segmentation_array : array-like of an integer dtype, any shape
        Structure ids.
    dic : dict
        The hierarchy, as `atlalign.data.segmentation_collapsing_labels` reads it: a structure with its `id` and its
        `children`, which are structures too; or the whole of an Allen ontology, which has the root in ``dic["msg"]``.
    chosen_depth : int
        Steps from the root, whose depth is 0.

    Returns
    -------
    ndarray, the shape and dtype of `segmentation_array`
        Ids of ancestors; int64 where one of them does not fit the dtype. Structures that are not deeper than
        `chosen_depth` stay, as do 0 and ids that the hierarchy does not list.

    Raises
    ------
    TypeError
        If the annotation is not of an integer dtype.
    ValueError
        If the depth is negative or `dic` is no such hierarchy.

    See Also
    --------
    atlalign.atlas.Structures.at_depth : the same for the structures of an atlas.

    Examples
    --------
    >>> cortex = {"id": 5, "children": [{"id": 8, "children": []}, {"id": 9, "children": []}]}
    >>> find_labels_dic([[0, 1], [8, 9]], {"id": 1, "children": [cortex]}, chosen_depth=1)
    array([[0, 1],
           [5, 5]])
    """
    annotation = np.asarray(segmentation_array)
    if annotation.dtype.kind not in "iu":
        raise TypeError(f"An annotation must be of an integer dtype. Received: {annotation.dtype}. Use astype.")
    if chosen_depth < 0:
        raise ValueError(f"chosen_depth must be at least 0, the root's. Received: {chosen_depth}.")
    present, where = np.unique(annotation, return_inverse=True)
    ancestors = _ancestors_at(dic, chosen_depth)
    collapsed = np.array([ancestors.get(label, label) for label in present.tolist()], dtype=np.int64)
    if collapsed.max(initial=0) <= np.iinfo(annotation.dtype).max:
        collapsed = collapsed.astype(annotation.dtype)
    return collapsed[where].reshape(annotation.shape)


def _ancestors_at(dic: Mapping[str, Any], depth: int) -> dict[int, int]:
    """Return the ancestor at a depth of each structure that is deeper."""
    try:
        roots = dic.get("msg", [dic])
        nodes: list[tuple[Any, int, int | None]] = [(root, 0, None) for root in roots]
        found: dict[int, int] = {}
        while nodes:
            node, level, ancestor = nodes.pop()
            label = int(node["id"])
            if ancestor is not None:
                found[label] = ancestor
            elif level == depth:
                ancestor = label
            nodes += [(child, level + 1, ancestor) for child in node.get("children", [])]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(
            "dic must be a structure with its id and its children, as segmentation_collapsing_labels returns it. "
            f"Received: a {type(dic).__name__} where that fails ({type(error).__name__}: {error})."
        ) from None
    return found
