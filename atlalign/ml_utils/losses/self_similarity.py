"""Comparison of images of different stains by what each looks like around every pixel."""

from keras import ops

from atlalign.ml_utils.losses._base import NamedLoss, as_images, register
from atlalign.ml_utils.losses._per_image import mean_over_images
from atlalign.ml_utils.losses._windows import box_sum

_NEIGHBOURS = {
    4: ((0, 1), (0, -1), (1, 0), (-1, 0)),
    8: ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1)),
}
# Share of the image's mean variance that is added to each pixel's, so that noise in empty background is no structure.
_FLOOR = 1e-2
_EPSILON = 1e-12


@register
class MIND(NamedLoss):
    """Mean squared difference of the modality-independent neighbourhood descriptors of two images.

    It compares how each image looks around a pixel with how it looks next to it, and so does not change when one of
    them is inverted or gets another brightness or contrast: for stains that show the same structures in other greys.

    Parameters
    ----------
    radius : int
        Patches are squares of 2 radius + 1 px.
    dilation : int
        Distance in px between a patch and its neighbours.
    neighbours : {4, 8}
        To the sides, or to the corners too.

    Notes
    -----
    With D_k the mean squared difference of the patch at a pixel and its neighbour k, and V the mean of D over the
    neighbours, the descriptor is m_k = exp(-(D_k - min D) / V): largest, 1, for the most similar neighbour. Heinrich et
    al. 2012 (doi 10.1016/j.media.2012.05.008). A hundredth of the image's mean V is added to V. Images are
    (n, h, w, c), each channel for itself, at least 2 (radius + dilation) + 1 px high and wide; the outermost
    radius + dilation px have no descriptor. Between 0, at equal images, and 1.

    Examples
    --------
    >>> import numpy as np
    >>> image, other = np.random.default_rng(0).random((2, 1, 24, 24, 1))
    >>> loss = MIND()
    >>> float(loss.loss(image, 1 - 0.5 * image)) < 1e-6 < float(loss.loss(image, other))
    True
    """

    def __init__(self, radius=1, dilation=2, neighbours=4, name="mind", **kwargs):
        super().__init__(name=name, **kwargs)
        if int(radius) != radius or radius < 0:
            raise ValueError(f"radius must be an integer of at least 0 px. Received: radius={radius}")
        if int(dilation) != dilation or dilation < 1:
            raise ValueError(f"dilation must be an integer of at least 1 px. Received: dilation={dilation}")
        if neighbours not in _NEIGHBOURS:
            raise ValueError(f"neighbours must be 4 or 8. Received: neighbours={neighbours}")
        self.radius = int(radius)
        self.dilation = int(dilation)
        self.neighbours = neighbours

    def loss(self, y_true, y_pred):
        """Return the loss of a batch of images, both (n, h, w, c)."""
        pair = as_images(y_true, y_pred, at_least=2 * (self.radius + self.dilation) + 1)
        return mean_over_images(_difference, *pair, **self._geometry())

    def descriptor(self, images):
        """Return the descriptors of images (n, h, w, c): (n, h - 2 m, w - 2 m, c, k), m = radius + dilation px."""
        images, _ = as_images(images, images, at_least=2 * (self.radius + self.dilation) + 1)
        return ops.stack(_descriptor(images, **self._geometry()), axis=-1)

    def _geometry(self):
        return {"radius": self.radius, "dilation": self.dilation, "neighbours": self.neighbours}

    def get_config(self):
        """Return what the constructor takes."""
        return {**super().get_config(), **self._geometry()}


def _difference(y_true, y_pred, **geometry):
    """Mean squared difference of the descriptors of each pair of images, (n,)."""
    pairs = zip(_descriptor(y_true, **geometry), _descriptor(y_pred, **geometry), strict=True)
    squares = [ops.mean(ops.square(a - b), axis=(1, 2, 3)) for a, b in pairs]
    return sum(squares) / len(squares)


def _descriptor(images, radius, dilation, neighbours):
    """One image a neighbour, (n, h - 2 m, w - 2 m, c)."""
    height, width = ops.shape(images)[1:3]
    side = 2 * radius + 1

    def shifted(down, right):
        rows = slice(dilation * (1 + down), height - dilation * (1 - down))
        columns = slice(dilation * (1 + right), width - dilation * (1 - right))
        return images[:, rows, columns]

    centre = shifted(0, 0)
    squares = [ops.square(shifted(*step) - centre) for step in _NEIGHBOURS[neighbours]]
    distances = [box_sum(square, side, padding="valid") / side**2 for square in squares]
    variance = sum(distances) / len(distances)
    variance = variance + _FLOOR * ops.mean(variance, axis=(1, 2, 3), keepdims=True) + _EPSILON
    smallest = distances[0]
    for distance in distances[1:]:
        smallest = ops.minimum(smallest, distance)
    return [ops.exp((smallest - distance) / variance) for distance in distances]
