"""A field at work, as a film."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from atlalign.base import DisplacementField

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation
    from matplotlib.image import AxesImage


def create_animation(
    df: DisplacementField,
    img: NDArray,
    frames_per_second: float = 30,
    n_seconds: float = 3,
    repeat: bool = False,
    blit: bool = False,
    cmap: str = "gray",
    img_ref: NDArray | None = None,
    n_ref: int = 3,
    duration_ref: float = 1,
) -> FuncAnimation:
    """Animate the way from a moving image to the registered one.

    The displacements grow evenly from 0 to those of the field.

    Parameters
    ----------
    df : DisplacementField, (h, w)
        Moving to registered.
    img : ndarray, (h, w) or (h, w, 3)
        The moving image, of a dtype that `DisplacementField.warp` takes.
    frames_per_second : float
        Speed of the film.
    n_seconds : float
        How long the image is on its way.
    repeat : bool
        Whether a window that shows the film starts it again at its end.
    blit : bool
        Whether a window draws only what changes, which is quicker.
    cmap : str
        Name of matplotlib's colours for grey images, black to white being the darkest value of `img` to its brightest.
    img_ref : ndarray, (h, w) or (h, w, 3), or None
        The reference image, to flash at the end in turns with the registered one.
    n_ref : int
        How often it does.
    duration_ref : float
        Seconds of each of both.

    Returns
    -------
    matplotlib.animation.FuncAnimation
        Keep it as long as it runs. ``save("film.gif")`` writes it, ``to_jshtml()`` makes a player for notebooks, and
        ``plt.show()`` opens a window, as its figure is pyplot's.

    Raises
    ------
    ValueError
        If the speed or a duration is not positive, `n_ref` is negative, or the reference is of another shape than the
        field.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> df = DisplacementField.generate((30, 40), "affine_simple", translation_x=5)
    >>> film = create_animation(df, np.zeros((30, 40), "uint8"), frames_per_second=10, n_seconds=1)
    >>> len(list(film.new_frame_seq()))
    10
    >>> _ = film.to_jshtml()
    >>> plt.close()
    """
    for name, value in (
        ("frames_per_second", frames_per_second),
        ("n_seconds", n_seconds),
        ("duration_ref", duration_ref),
    ):
        if not 0 < value < np.inf:
            raise ValueError(f"{name} must be a positive number. Received: {value!r}.")
    if n_ref < 0:
        raise ValueError(f"n_ref must be at least 0. Received: {n_ref!r}. img_ref=None leaves the reference out.")
    if img_ref is not None and np.shape(img_ref)[:2] != df.shape:
        raise ValueError(f"img_ref must be of the field's shape, {df.shape}. Received: {np.shape(img_ref)}. Resize it.")
    import matplotlib.pyplot as plt
    from matplotlib.animation import FuncAnimation

    n_frames = max(2, round(frames_per_second * n_seconds))
    n_still = max(1, round(frames_per_second * duration_ref))
    shares = np.linspace(0, 1, n_frames).tolist()
    # None stands for the reference.
    script: list[float | None] = list(shares)
    if img_ref is not None:
        script += ([None] * n_still + [1.0] * n_still) * n_ref

    figure = plt.figure(figsize=(8, 8 * df.shape[0] / df.shape[1]))
    ax = figure.add_axes((0, 0, 1, 1))
    ax.axis("off")
    shown = ax.imshow(_shortened(df, 0).warp(img), cmap=cmap, vmin=float(np.min(img)), vmax=float(np.max(img)))

    def draw(share: float | None) -> tuple[AxesImage]:
        shown.set_data(img_ref if share is None else _shortened(df, share).warp(img))
        return (shown,)

    return FuncAnimation(figure, draw, frames=script, interval=1000 / frames_per_second, repeat=repeat, blit=blit)


def _shortened(df: DisplacementField, share: float) -> DisplacementField:
    return DisplacementField(df.delta_x * share, df.delta_y * share)
