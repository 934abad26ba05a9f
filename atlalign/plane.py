"""Where an image lies in an atlas: a coronal position or any oblique parallelogram."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

# QuickNII counts voxels from the left, the back and the bottom, an atlas from the right, the front and the
# top. Voxel q of QuickNII covers [q, q + 1) and is voxel N - 1 - q of the atlas; mirroring alone would send
# that interval to (N - 1 - q, N - q], closed at the wrong end, and a whole number, which is what a default
# anchoring holds, to the next voxel. A millionth of a voxel restores the side that the floor needs.
_HALF_OPEN = 1e-6

_ALLEN_25_RESOLUTION = (456, 528, 320)

# No anchoring reaches so far; beyond, a double holds no micrometres.
_FARTHEST_VOXEL = 1e7


@dataclass(frozen=True, eq=False)
class Plane:
    """A parallelogram in an atlas that an image fills edge to edge.

    Convention: atlas points are (ap, dv, ml) in micrometres from the outer corner of the first voxel, in
    orientation `asr`. A fraction (s, t) of the image's width and height lies at
    ``origin_um + s * u_um + t * v_um``; the centre of pixel (x, y) of an image of shape (h, w) is the
    fraction ``((x + 0.5) / w, (y + 0.5) / h)``.

    Parameters
    ----------
    origin_um : array_like, shape (3,)
        The image's top-left outer corner.
    u_um : array_like, shape (3,)
        From the top-left to the top-right outer corner.
    v_um : array_like, shape (3,)
        From the top-left to the bottom-left outer corner.

    Raises
    ------
    ValueError
        If a vector has not three finite numbers, or `u_um` and `v_um` span no plane.

    Examples
    --------
    >>> plane = Plane.coronal(5400, shape_um=(13200, 8000, 11400))
    >>> plane.position_um, plane.is_coronal
    (5400.0, True)
    >>> plane.pixels_to_um([[0, 0]], shape=(320, 456))
    array([[5400. ,   12.5,   12.5]])
    """

    origin_um: np.ndarray
    u_um: np.ndarray
    v_um: np.ndarray

    def __post_init__(self) -> None:
        for name in ("origin_um", "u_um", "v_um"):
            vector = np.array(getattr(self, name), dtype=np.float64)
            if vector.shape != (3,) or not np.isfinite(vector).all():
                raise ValueError(
                    f"{name} must be three finite numbers (ap, dv, ml) in um. "
                    f"Received: {vector.tolist()}. Give the plane's corners in atlas micrometres."
                )
            vector.setflags(write=False)
            object.__setattr__(self, name, vector)
        area = np.linalg.norm(np.cross(self.u_um, self.v_um))
        if area <= 1e-9 * max(self.width_um * self.height_um, 1e-300):
            raise ValueError(
                "u_um and v_um must span a plane: neither zero nor parallel. "
                f"Received: u_um={self.u_um.tolist()}, v_um={self.v_um.tolist()}. Check the anchoring."
            )

    @classmethod
    def coronal(cls, position_um: float, shape_um: Any) -> Plane:
        """Return the whole coronal plane at a position.

        Parameters
        ----------
        position_um : float
            Position along the anterior-posterior axis, um.
        shape_um : array_like, shape (3,)
            Extent of the atlas (ap, dv, ml), um.

        Raises
        ------
        ValueError
            If `shape_um` is not three positive numbers, or the position is outside ``[0, shape_um[0])``.

        Examples
        --------
        >>> Plane.coronal(0, (13200, 8000, 11400)).u_um
        array([    0.,     0., 11400.])
        """
        extent = np.asarray(shape_um, dtype=np.float64)
        if extent.shape != (3,) or not (np.isfinite(extent) & (extent > 0)).all():
            raise ValueError(
                "shape_um must be three positive numbers, the atlas's extent (ap, dv, ml) in um. "
                f"Received: {shape_um}. Give atlas.shape_um."
            )
        if not 0 <= position_um < extent[0]:
            raise ValueError(
                f"position_um must satisfy 0 <= position_um < {extent[0]:g}. "
                f"Received: {position_um}. Choose a position inside the atlas."
            )
        return cls(np.array([position_um, 0, 0]), np.array([0, 0, extent[2]]), np.array([0, extent[1], 0]))

    @classmethod
    def from_corners(cls, corners_um: Any) -> Plane:
        """Return the plane with the given outer corners.

        Parameters
        ----------
        corners_um : array_like, shape (4, 3)
            Top-left, top-right, bottom-left, bottom-right corners, um.

        Raises
        ------
        ValueError
            If the corners are not those of a parallelogram.

        Examples
        --------
        >>> plane = Plane.coronal(100, (13200, 8000, 11400))
        >>> Plane.from_corners(plane.corners_um) == plane
        True
        """
        corners = np.asarray(corners_um, dtype=np.float64)
        if corners.shape != (4, 3):
            raise ValueError(
                "corners_um must have the shape (4, 3): top-left, top-right, bottom-left, bottom-right. "
                f"Received: shape {corners.shape}. Give four (ap, dv, ml) corners."
            )
        plane = cls(corners[0], corners[1] - corners[0], corners[2] - corners[0])
        gap = np.linalg.norm(plane.corners_um[3] - corners[3])
        # float32 files hold corners to a few thousandths of a micrometre
        if not gap <= 1e-6 * (plane.width_um + plane.height_um) + 1e-3:
            raise ValueError(
                "corners_um must be the corners of a parallelogram. "
                f"Received: a bottom-right corner {gap:g} um away from where the others put it. "
                "Check their order: top-left, top-right, bottom-left, bottom-right."
            )
        return plane

    @classmethod
    def from_quicknii(
        cls, anchoring: Any, *, target_resolution: Any = _ALLEN_25_RESOLUTION, voxel_um: float = 25.0
    ) -> Plane:
        """Return the plane of a QuickNII anchoring.

        Convention: QuickNII's axes run left to right, posterior to anterior, inferior to superior, so all
        three are mirrored; its voxel q is the atlas's voxel ``N - 1 - q``.

        Parameters
        ----------
        anchoring : array_like, shape (9,)
            ox, oy, oz, ux, uy, uz, vx, vy, vz in voxels of the target.
        target_resolution : sequence of 3 int
            Voxels of the target from left to right, posterior to anterior, inferior to superior.
        voxel_um : float
            Edge of a target voxel, um.

        Raises
        ------
        ValueError
            If `anchoring` has not nine finite numbers of at most 10 million voxels, or spans no plane; or if
            `target_resolution` or `voxel_um` is not positive.

        Examples
        --------
        >>> plane = Plane.from_quicknii([0, 300, 320, 456, 0, 0, 0, 0, -320])
        >>> bool(plane.position_um // 25 == 527 - 300)
        True
        """
        numbers = np.asarray(anchoring, dtype=np.float64)
        if numbers.shape != (9,) or not np.isfinite(numbers).all():
            raise ValueError(
                "An anchoring must be nine finite numbers ox oy oz ux uy uz vx vy vz. "
                f"Received: {numbers.tolist()}. Check the QuickNII file."
            )
        if np.abs(numbers).max() > _FARTHEST_VOXEL:
            raise ValueError(
                f"An anchoring's numbers must be at most {_FARTHEST_VOXEL:g} voxels. "
                f"Received: {numbers.tolist()}. Check the QuickNII file."
            )
        extent = _voxels(target_resolution)
        _check_voxel(voxel_um)
        origin, u, v = numbers.reshape(3, 3)
        return cls(_to_asr(extent - origin - _HALF_OPEN) * voxel_um, _to_asr(-u) * voxel_um, _to_asr(-v) * voxel_um)

    def to_quicknii(self, *, target_resolution: Any = _ALLEN_25_RESOLUTION, voxel_um: float = 25.0) -> np.ndarray:
        """Return the QuickNII anchoring of the plane, the inverse of `from_quicknii`.

        Parameters
        ----------
        target_resolution : sequence of 3 int
            Voxels of the target from left to right, posterior to anterior, inferior to superior.
        voxel_um : float
            Edge of a target voxel, um.

        Returns
        -------
        ndarray, shape (9,)
            ox, oy, oz, ux, uy, uz, vx, vy, vz in voxels of the target.

        Raises
        ------
        ValueError
            If `target_resolution` or `voxel_um` is not positive.

        Examples
        --------
        >>> anchoring = [0, 300, 320, 456, 0, 0, 0, 0, -320]
        >>> bool(np.allclose(Plane.from_quicknii(anchoring).to_quicknii(), anchoring, atol=1e-9))
        True
        """
        _check_voxel(voxel_um)
        origin = _voxels(target_resolution) - _from_asr(self.origin_um) / voxel_um - _HALF_OPEN
        return np.concatenate([origin, -_from_asr(self.u_um) / voxel_um, -_from_asr(self.v_um) / voxel_um])

    @property
    def corners_um(self) -> np.ndarray:
        """Top-left, top-right, bottom-left and bottom-right outer corners, (4, 3) um."""
        o, u, v = self.origin_um, self.u_um, self.v_um
        return np.stack([o, o + u, o + v, o + u + v])

    @property
    def position_um(self) -> float:
        """Position of the plane's centre along the anterior-posterior axis, um."""
        return float(self.origin_um[0] + (self.u_um[0] + self.v_um[0]) / 2)

    @property
    def is_coronal(self) -> bool:
        """Whether every point of the plane has the same anterior-posterior position."""
        return bool(self.u_um[0] == 0 and self.v_um[0] == 0)

    @property
    def width_um(self) -> float:
        """Length of the image's top edge, um."""
        return float(np.linalg.norm(self.u_um))

    @property
    def height_um(self) -> float:
        """Length of the image's left edge, um."""
        return float(np.linalg.norm(self.v_um))

    def pixels_to_um(self, points_xy: Any, shape: tuple[int, ...]) -> np.ndarray:
        """Return the atlas points of image points.

        Parameters
        ----------
        points_xy : array_like, shape (n, 2)
            (x, y) px; whole numbers are pixel centres.
        shape : (h, w)
            Shape of the image that fills the plane.

        Returns
        -------
        ndarray, shape (n, 3)
            (ap, dv, ml) um.

        Examples
        --------
        >>> Plane.coronal(0, (10, 20, 40)).pixels_to_um([[3, 1]], shape=(2, 4))
        array([[ 0., 15., 35.]])
        """
        steps = np.stack([self.u_um / shape[1], self.v_um / shape[0]])
        return self.origin_um + (_points(points_xy, 2) + 0.5) @ steps

    def um_to_pixels(self, points_um: Any, shape: tuple[int, ...]) -> np.ndarray:
        """Return the image points of atlas points, projected at right angles onto the plane.

        Parameters
        ----------
        points_um : array_like, shape (n, 3)
            (ap, dv, ml) um.
        shape : (h, w)
            Shape of the image that fills the plane.

        Returns
        -------
        ndarray, shape (n, 2)
            (x, y) px; whole numbers are pixel centres.

        Examples
        --------
        >>> Plane.coronal(0, (10, 20, 40)).um_to_pixels([[5, 15, 35]], shape=(2, 4)).round(6)
        array([[3., 1.]])
        """
        to_fractions = np.linalg.pinv(np.stack([self.u_um, self.v_um], axis=1))
        fractions = (_points(points_um, 3) - self.origin_um) @ to_fractions.T
        return fractions * np.array([shape[1], shape[0]]) - 0.5

    def grid_um(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return the atlas points of all pixel centres.

        Parameters
        ----------
        shape : (h, w)
            Shape of the image that fills the plane.

        Returns
        -------
        ndarray, shape (h, w, 3)
            (ap, dv, ml) um.

        Examples
        --------
        >>> Plane.coronal(0, (10, 20, 40)).grid_um((2, 4))[1, 3]
        array([ 0., 15., 35.])
        """
        return np.stack(np.broadcast_arrays(*self.axes_um(shape)), axis=-1)

    def axes_um(self, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return `grid_um` as three arrays (ap, dv, ml) that broadcast to (h, w).

        An axis along which the plane is constant has length one, so that what depends on it alone is
        computed once: a whole coronal plane gives shapes (1, 1), (h, 1) and (1, w).

        Parameters
        ----------
        shape : (h, w)
            Shape of the image that fills the plane.

        Returns
        -------
        tuple of 3 ndarray
            ap, dv and ml, um.

        Examples
        --------
        >>> [axis.shape for axis in Plane.coronal(0, (10, 20, 40)).axes_um((2, 4))]
        [(1, 1), (2, 1), (1, 4)]
        """
        h, w = shape[:2]
        # multiples of one step, not fractions of the whole: on a grid of round numbers they are exact, and
        # a point on the border of two voxels falls on the same side in every row
        x = (np.arange(w) + 0.5)[None, :]
        y = (np.arange(h) + 0.5)[:, None]
        axes = []
        for origin, u, v in zip(self.origin_um, self.u_um, self.v_um, strict=True):
            axis = np.full((1, 1), origin)
            if u != 0:
                axis = axis + x * (u / w)
            if v != 0:
                axis = axis + y * (v / h)
            axes.append(axis)
        return axes[0], axes[1], axes[2]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Plane):
            return NotImplemented
        return bool(np.array_equal(self._numbers, other._numbers))

    def __hash__(self) -> int:
        return hash(self._numbers.tobytes())

    @property
    def _numbers(self) -> np.ndarray:
        # + 0.0 turns -0.0 into 0.0, so that equal planes hash alike
        return np.concatenate([self.origin_um, self.u_um, self.v_um]) + 0.0


def _voxels(target_resolution: Any) -> np.ndarray:
    voxels = np.asarray(target_resolution, dtype=np.float64)
    if voxels.shape != (3,) or not (np.isfinite(voxels) & (voxels > 0)).all():
        raise ValueError(
            "target_resolution must be three positive numbers (left-right, posterior-anterior, "
            f"inferior-superior). Received: {target_resolution}. "
            "The Allen atlas at 25 um has (456, 528, 320)."
        )
    return voxels


def _check_voxel(voxel_um: float) -> None:
    if not (np.isfinite(voxel_um) and voxel_um > 0):
        raise ValueError(
            f"voxel_um must be a positive number. Received: {voxel_um}. The edge of a voxel of the target, in um."
        )


def _to_asr(ml_ap_dv: np.ndarray) -> np.ndarray:
    return ml_ap_dv[[1, 2, 0]] + 0.0


def _from_asr(ap_dv_ml: np.ndarray) -> np.ndarray:
    return ap_dv_ml[[2, 0, 1]] + 0.0


def _points(points: Any, dimensions: int) -> np.ndarray:
    array = np.asarray(points, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != dimensions:
        names = "(x, y)" if dimensions == 2 else "(ap, dv, ml)"
        raise ValueError(
            f"Points must have the shape (n, {dimensions}), one {names} a row. "
            f"Received: shape {array.shape}. Reshape them."
        )
    return array
