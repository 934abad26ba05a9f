"""Sums and weighted means over the windows of images."""

from keras import ops


def box_sum(images, win, *, padding="same"):
    """Sum over square windows of `win` px.

    Average pooling is what compilers know as a sliding sum: on every backend with one it takes a fraction of the time
    of a convolution or of running sums, and unlike these loses no digits.

    Parameters
    ----------
    images : tensor (n, h, w, c)
        Each channel is summed for itself.
    win : int
        Side of the window in px.
    padding : {"same", "valid"}
        "same" surrounds the images with zeros, of an even window one row and column more after than before; "valid"
        keeps the windows that lie inside.

    Returns
    -------
    tensor (n, h, w, c) or (n, h - win + 1, w - win + 1, c)
        The sums.
    """
    if padding == "same":
        around = ((win - 1) // 2, win // 2)
        images = ops.pad(images, ((0, 0), around, around, (0, 0)))
    for window in ((win, 1), (1, win)):
        images = ops.average_pool(images, window, strides=1, padding="valid")
    return images * win**2


def gaussian_mean(images, size, sigma):
    """Mean over square windows weighted by a Gaussian, of the windows that lie inside.

    A product with a band matrix an axis: on a CPU, compiled or not, that takes less time than a convolution with one
    channel, although most of the matrix is zeros.

    Parameters
    ----------
    images : tensor (n, h, w, c)
        Each channel is averaged for itself.
    size : int
        Side of the window in px.
    sigma : float
        Standard deviation of the Gaussian in px.

    Returns
    -------
    tensor (n, h - size + 1, w - size + 1, c)
        The means.
    """
    down, across = (_band(ops.shape(images)[axis], size, sigma, images.dtype) for axis in (1, 2))
    channels = []
    for c in range(images.shape[-1]):
        channels.append(ops.matmul(ops.matmul(ops.transpose(down), images[..., c]), across))
    return ops.stack(channels, axis=-1)


def _band(length, size, sigma, dtype):
    """Weights of each of `length` pixels in each window of an axis, (length, length - size + 1)."""
    pixel = ops.expand_dims(ops.arange(length), 1)
    window = ops.expand_dims(ops.arange(length - size + 1), 0)
    offset = ops.cast(pixel - window, dtype) - (size - 1) / 2
    weights = ops.where(ops.abs(offset) <= (size - 1) / 2, ops.exp(-0.5 * ops.square(offset / sigma)), 0.0)
    return weights / ops.sum(weights, axis=0, keepdims=True)
