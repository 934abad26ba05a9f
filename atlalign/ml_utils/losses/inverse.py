"""Whether two fields undo each other."""

from atlalign.ml_utils.losses._base import as_fields
from atlalign.ml_utils.losses.distances import mean_length
from atlalign.ml_utils.sampling import bilinear_warp


def inverse_consistency(field, inverse):
    """Mean displacement that remains after one field and then the other, both ways averaged.

    It compares two outputs of a model, not one with its truth, and so has no name among the losses; the layer
    `atlalign.ml_utils.layers.InverseConsistency` adds it to a model's loss.

    Parameters
    ----------
    field, inverse : tensor (n, h, w, 2)
        Fields in px that should be each other's inverse, such as moving to registered and registered to moving.

    Returns
    -------
    tensor ()
        The mean over the batch, in px; 0.03 where the fields undo each other, as for `vector_distance`.

    Notes
    -----
    With F(p) = p + field(p) and G of `inverse`, half the mean length of F(G(p)) - p plus half that of G(F(p)) - p, each
    length as sqrt(dx^2 + dy^2 + 0.001). Outside the image a displacement is that of the nearest edge pixel. Christensen
    and Johnson 2001 (doi 10.1109/42.932742).

    Examples
    --------
    >>> import numpy as np
    >>> field = np.full((1, 6, 6, 2), 2.0)
    >>> round(float(inverse_consistency(field, -field)), 3)
    0.032
    >>> round(float(inverse_consistency(field, -0.5 * field)), 3)   # 1 px remains in x, and in y
    1.415
    """
    field, inverse = as_fields(field, inverse)
    remainders = (
        inverse + bilinear_warp(field, inverse, "replicate"),
        field + bilinear_warp(inverse, field, "replicate"),
    )
    return sum(mean_length(remainder) for remainder in remainders) / 2
