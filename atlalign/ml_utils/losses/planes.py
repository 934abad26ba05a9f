"""Distance between the planes of sections."""

from keras import ops

from atlalign.ml_utils.losses._base import NamedLoss, as_pair, register

# Keeps the gradient of a length finite at 0, mm^2.
_ROUNDING = 1e-4
# Standard deviation of where tissue is, as a share of a slice's width or height: that of an ellipse over most of it.
_SPREAD = 0.2


@register
class PlaneDistance(NamedLoss):
    """How far slices are apart along the atlas's middle axis, in mm: the positions, and what each slope adds to that.

    Being off by 100 um along the axis costs 0.1. So does a slope that puts the slice's tissue off by 100 um, root mean
    square. The three are added, so that each is learned whatever the others are.

    Parameters
    ----------
    shape_um : sequence of 3 float
        Extent of the atlas (ap, dv, ml), um.

    Examples
    --------
    >>> import numpy as np
    >>> true, found = np.array([[0.5, 0.0, 0.0]]), np.array([[0.52, 0.1, 0.0]])
    >>> round(float(PlaneDistance((13200, 8000, 11400)).loss(true, found)), 2)   # 264 um, and 228 across a slice
    0.5
    """

    def __init__(self, shape_um=(13200.0, 8000.0, 11400.0), name="plane_distance", **kwargs):
        super().__init__(name=name, **kwargs)
        shape_um = tuple(float(extent) for extent in shape_um)
        if len(shape_um) != 3 or not min(shape_um) > 0:
            raise ValueError(
                f"shape_um must be three positive numbers, the atlas's extent in um. Received: shape_um={shape_um}"
            )
        self.shape_um = shape_um

    def loss(self, y_true, y_pred):
        """Return the mean distance of a batch of planes (n, 3): share of the length, slopes across and down."""
        y_true, y_pred = as_pair(y_true, y_pred)
        length, height, width = (extent / 1000 for extent in self.shape_um)
        millimetres = ops.convert_to_tensor([length, _SPREAD * width, _SPREAD * height], dtype=y_pred.dtype)
        parts = ops.sqrt(ops.square((y_true - y_pred) * millimetres) + _ROUNDING)
        return ops.mean(ops.sum(parts, axis=-1))

    def get_config(self):
        """Return what the constructor takes."""
        return {**super().get_config(), "shape_um": self.shape_um}
