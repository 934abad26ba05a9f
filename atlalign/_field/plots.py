"""Pictures of a field: what `DisplacementField` draws."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any

from atlalign._field.measures import FieldMeasures
from atlalign._field.sampling import pixel_grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class FieldPlots(FieldMeasures):
    """Methods of a field that draw it.

    Each draws into the axes it is given, and returns them. Without any it makes a figure with pyplot, so that notebooks
    and ``plt.show()`` show it; where many are drawn, give axes of a `matplotlib.figure.Figure`, which pyplot does not
    keep.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from atlalign.base import DisplacementField
    >>> ax = DisplacementField.generate((40, 60)).plot_outside(ax=Figure().add_subplot())
    >>> ax.get_title()
    'outside: 0.0 % of the pixels'
    """

    def plot_dvf(self, ds_f: int = 8, figsize: tuple[float, float] = (15, 15), ax: Axes | None = None) -> Axes:
        """Draw the displacements as arrows, coloured by their length.

        An arrow starts at a pixel of the output and ends where that pixel takes its value in the input.

        Parameters
        ----------
        ds_f : int
            Pixels from one arrow to the next, across and down.
        figsize : (float, float)
            Width and height of a new figure in inches.
        ax : matplotlib.axes.Axes or None
            Where to draw; None makes a figure.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        ValueError
            If `ds_f` is no positive integer.

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> from atlalign.base import DisplacementField
        >>> df = DisplacementField.generate((40, 60), "affine_simple", rotation=0.1)
        >>> ax = df.plot_dvf(ds_f=10, ax=Figure().add_subplot())
        >>> len(ax.collections[0].U)
        24
        """
        every = _every(ds_f, "ds_f")
        ax = _axes(ax, figsize)
        x, y = (axis[every, every] for axis in pixel_grid(self.shape))
        arrows = ax.quiver(
            x,
            y,
            self.delta_x[every, every],
            self.delta_y[every, every],
            self.norm[every, every],
            angles="xy",
            scale_units="xy",
            scale=1,
            cmap="viridis",
        )
        ax.figure.colorbar(arrows, ax=ax, label="displacement (px)", fraction=0.03, pad=0.02)
        ax.set_title(f"one displacement in {ds_f} x {ds_f} px")
        return self._frame(ax)

    def plot_outside(self, figsize: tuple[float, float] = (15, 15), ax: Axes | None = None) -> Axes:
        """Show, in white, the pixels that take their value from outside an input image of the same size.

        Parameters
        ----------
        figsize : (float, float)
            Width and height of a new figure in inches.
        ax : matplotlib.axes.Axes or None
            Where to draw; None makes a figure.

        Returns
        -------
        matplotlib.axes.Axes

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> from atlalign.base import DisplacementField
        >>> df = DisplacementField.generate((40, 60), "affine_simple", translation_x=15)
        >>> df.plot_outside(ax=Figure().add_subplot()).get_title()
        'outside: 25.0 % of the pixels'
        """
        ax = _axes(ax, figsize)
        outside = self.outsiders
        ax.imshow(outside, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        ax.set_title(f"outside: {100 * outside.mean():.1f} % of the pixels")
        return self._frame(ax)

    def plot_ranges(
        self,
        freq: int = 10,
        figsize: tuple[float, float] = (15, 10),
        kwargs_domain: dict[str, Any] | None = None,
        kwargs_range: dict[str, Any] | None = None,
        ax: Axes | None = None,
    ) -> Axes:
        """Draw a grid of points of the output, and where they lie in the input.

        Parameters
        ----------
        freq : int
            Pixels from one point to the next, across and down.
        figsize : (float, float)
            Width and height of a new figure in inches.
        kwargs_domain, kwargs_range : dict or None
            How the points of the output and those of the input look: what `matplotlib.axes.Axes.scatter` takes.
        ax : matplotlib.axes.Axes or None
            Where to draw; None makes a figure.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        ValueError
            If `freq` is no positive integer.

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> from atlalign.base import DisplacementField
        >>> df = DisplacementField.generate((40, 60), "affine_simple", translation_x=15)
        >>> ax = df.plot_ranges(ax=Figure().add_subplot(), kwargs_range={"marker": "x"})
        >>> ax.collections[1].get_offsets()[0].tolist()
        [15.0, 0.0]
        """
        every = _every(freq, "freq")
        ax = _axes(ax, figsize)
        for name, grid, color, kwargs in (
            ("output (registered)", pixel_grid(self.shape), "#b0b0b0", kwargs_domain),
            ("input (moving)", self.transformation, "#1f5fa8", kwargs_range),
        ):
            x, y = (axis[every, every].ravel() for axis in grid)
            color_given = {"c", "color", "facecolor", "facecolors"} & set(kwargs or {})
            style: dict[str, Any] = {"s": 8, "label": name} | ({} if color_given else {"c": color})
            ax.scatter(x, y, **(style | (kwargs or {})))
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
        return self._frame(ax, zoom=False)

    def _frame(self, ax: Axes, zoom: bool = True) -> Axes:
        """Show the whole image, or all that is drawn, y down and pixels square."""
        height, width = self.shape
        ax.set(aspect="equal", xlabel="x (px)", ylabel="y (px)")
        if zoom:
            ax.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
        else:
            ax.yaxis.set_inverted(True)
        return ax


def _every(step: int, name: str) -> slice:
    if not isinstance(step, Integral) or step < 1:
        raise ValueError(f"{name} must be an integer of at least 1 px. Received: {step!r}.")
    return slice(None, None, int(step))


def _axes(ax: Axes | None, figsize: tuple[float, float]) -> Axes:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt  # here, since fields must load quickly where nothing is drawn

    return plt.subplots(figsize=figsize)[1]
