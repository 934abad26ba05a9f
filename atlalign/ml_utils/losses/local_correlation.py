"""Correlation in local windows."""

from keras import ops

from atlalign.ml_utils.losses._base import NamedLoss, as_images, register
from atlalign.ml_utils.losses._per_image import mean_over_images
from atlalign.ml_utils.losses._windows import box_sum


@register
class NCC(NamedLoss):
    """Minus the mean squared local cross-correlation of two images (n, h, w, c).

    Parameters
    ----------
    win : int
        Side of the square window, in px. Windows are zero-padded at the border.
    eps : float
        Added to the product of the variances.

    Notes
    -----
    -mean(cross^2 / (var_I var_J + eps)) over all windows, the sums as in Avants et al. 2008
    (doi 10.1016/j.media.2007.06.004). Between -1 (each window of one image is a linear function of the other's, of
    either sign) and 0.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.random.default_rng(0).random((1, 32, 32, 1)).astype("float32")
    >>> round(float(NCC(win=9).loss(image, 0.5 * image)), 2)
    -1.0
    """

    def __init__(self, win=9, eps=1e-5, name="ncc", **kwargs):
        super().__init__(name=name, **kwargs)
        if int(win) != win or win < 2:
            raise ValueError(f"win must be an integer of at least 2 px. Received: win={win}")
        self.win = int(win)
        self.eps = eps

    def ncc(self, I, J):
        """Squared local correlation of each window, (n, h, w, c)."""
        I, J = as_images(I, J)
        return _squared_correlation(I, J, self.win, self.eps)

    def loss(self, I, J):
        """Return the loss of a batch of images `I` against `J`, both (n, h, w, c)."""
        return -mean_over_images(_mean_squared_correlation, *as_images(I, J), win=self.win, eps=self.eps)

    def get_config(self):
        """Return what the constructor takes."""
        return {**super().get_config(), "win": self.win, "eps": self.eps}


def _mean_squared_correlation(I, J, win, eps):
    return ops.mean(_squared_correlation(I, J, win, eps), axis=(1, 2, 3))


def _squared_correlation(I, J, win, eps):
    area = win**2
    sum_i, sum_j, sum_ii, sum_jj, sum_ij = (box_sum(x, win) for x in (I, J, I * I, J * J, I * J))
    cross = sum_ij - sum_i * sum_j / area
    # Rounding can make the variance of a constant window slightly negative.
    var_i = ops.maximum(sum_ii - sum_i * sum_i / area, 0.0)
    var_j = ops.maximum(sum_jj - sum_j * sum_j / area, 0.0)
    return cross * cross / (var_i * var_j + eps)
