"""The image of a section: its levels, its windows, and its values on any other grid."""

from __future__ import annotations

import numpy as np

from atlalign.section import _levels
from atlalign.section._pixels import Pixels
from atlalign.section.resampling import compose_affine, invert_affine, resample


class SectionImage:
    """What a section can do with its pixels, at whichever resolution.

    Attributes
    ----------
    image : ndarray, shape (h', w'), (h', w', 3) or (h', w', 4)
        The image at the working resolution.
    """

    image: np.ndarray
    _pixels: Pixels
    _image_to_section: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width at full resolution, px."""
        return self.level_shapes[0]

    @property
    def level_shapes(self) -> tuple[tuple[int, int], ...]:
        """Height and width of each level, the finest first: one, unless the file is a pyramid."""
        return self._pixels.level_shapes

    def checked_window(self, window: tuple[int, int, int, int] | None, level: int = 0) -> tuple[int, int, int, int]:
        """Return a window (x, y, width, height) of a level, all of it for None, having seen that it lies inside.

        Raises
        ------
        ValueError
            If there is no such level, or the window does not lie inside it.

        Examples
        --------
        >>> from atlalign import Section
        >>> Section(np.zeros((60, 80), np.uint8)).checked_window(None)
        (0, 0, 80, 60)
        """
        return _levels.checked_window(window, level, self.level_shapes)

    def level(self, level: int) -> np.ndarray:
        """Read a whole level, (h, w), (h, w, 3) or (h, w, 4).

        Level n covers the section edge to edge: its pixel centres i lie at (i + 0.5) * scale - 0.5 px.
        """
        return self._pixels.read(level, *self.checked_window(None, level))

    def read_window(self, x: int, y: int, width: int, height: int, level: int = 0) -> np.ndarray:
        """Read a part of a level.

        Parameters
        ----------
        x, y, width, height : int
            The window, px of that level.
        level : int
            0 is the full resolution.

        Returns
        -------
        ndarray, shape (height, width), (height, width, 3) or (height, width, 4)

        Raises
        ------
        ValueError
            If there is no such level, or the window does not lie inside it.

        Examples
        --------
        >>> from atlalign import Section
        >>> section = Section(np.arange(12, dtype=np.uint8).reshape(3, 4))
        >>> section.read_window(1, 2, 2, 1)
        array([[ 9, 10]], dtype=uint8)
        """
        return self._pixels.read(level, *self.checked_window((x, y, width, height), level))

    def resample(
        self,
        shape: tuple[int, int],
        grid_to_section: np.ndarray,
        *,
        deltas_xy: np.ndarray | None = None,
        fill: float = 0.0,
    ) -> np.ndarray:
        """Interpolate the section on another grid, from the level that is just fine enough.

        Parameters
        ----------
        shape, grid_to_section, deltas_xy, fill
            As in `atlalign.section.resampling.resample`, of the section at its full resolution.

        Returns
        -------
        ndarray, shape (h, w), (h, w, 3) or (h, w, 4)
            With the dtype of `image`.

        Examples
        --------
        >>> from atlalign import Section
        >>> section = Section(np.full((60, 80), 7, np.uint8))
        >>> section.resample((1, 2), np.array([[1.0, 0, 78], [0, 1, 0]])), section.resample((1, 1), np.eye(2, 3))
        (array([[7, 7]], dtype=uint8), array([[7]], dtype=uint8))
        """
        image, grid_to_image = self._image_for(shape, grid_to_section, deltas_xy)
        return resample(image, grid_to_image, shape, deltas_xy=deltas_xy, fill=fill)

    def _image_for(
        self, shape: tuple[int, int], grid_to_section: np.ndarray, deltas_xy: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return pixels that are fine enough for a grid, and the map from px of the grid to theirs."""
        image, to_section = self.image, self._image_to_section
        if not _levels.is_fine_enough(to_section, grid_to_section):
            points = _levels.grid_points(shape, grid_to_section, deltas_xy)
            image, to_section = _levels.read_for(self._pixels, points, _levels.grid_step(grid_to_section))
        return image, compose_affine(invert_affine(to_section), grid_to_section)
