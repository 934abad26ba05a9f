"""Layers that warp by displacement fields, compose and integrate them."""

from atlalign.ml_utils.layers.base import CoordinateLayer, register_layer
from atlalign.ml_utils.losses import inverse_consistency
from atlalign.ml_utils.sampling import bilinear_warp, check_border_mode


@register_layer
class BilinearInterpolation(CoordinateLayer):
    """Warp images by displacement fields.

    Parameters
    ----------
    border_mode : {"constant", "replicate"}
        What is outside the image: 0, or its nearest edge value.

    Notes
    -----
    Input [images (n, h, w, c), fields (n, h', w', 2)]; output (n, h', w', c). Pixel p of the output is the
    input at p + delta(p).

    Examples
    --------
    >>> import numpy as np
    >>> image = np.arange(4, dtype="float32").reshape(1, 1, 4, 1)
    >>> field = np.zeros((1, 1, 4, 2), dtype="float32")
    >>> field[..., 0] = 1.5
    >>> np.asarray(BilinearInterpolation()([image, field])).ravel().tolist()
    [1.5, 2.5, 1.5, 0.0]
    """

    def __init__(self, border_mode="constant", **kwargs):
        super().__init__(**kwargs)
        self.border_mode = check_border_mode(border_mode)

    def call(self, tensors, mask=None):
        """Return the warped images, (n, h', w', c)."""
        images, fields = tensors
        return bilinear_warp(images, fields, self.border_mode)

    def compute_output_shape(self, input_shape):
        """(n, h, w, c), (n, h', w', 2) -> (n, h', w', c)."""
        images, fields = input_shape
        return (*fields[:3], images[3])

    def get_config(self):
        """Return what the constructor takes."""
        return {**super().get_config(), "border_mode": self.border_mode}


@register_layer
class DVFComposition(CoordinateLayer):
    """Compose displacement fields: x -> outer(inner(x)).

    Warping by the result equals warping by `outer` first and its result by `inner`, so a whole registration is
    ``DVFComposition()([global_field, local_field])``.

    Notes
    -----
    Input [outer (n, h, w, 2), inner (n, h, w, 2)]; output (n, h, w, 2). Outside the grid the nearest edge
    displacement of `outer` counts, so that two translations compose to their sum everywhere.

    Examples
    --------
    >>> import numpy as np
    >>> three, four = (np.full((1, 2, 2, 2), value, dtype="float32") for value in (3, 4))
    >>> np.unique(np.asarray(DVFComposition()([three, four]))).tolist()
    [7.0]
    """

    def call(self, tensors, mask=None):
        """Return the composed fields, (n, h, w, 2)."""
        outer, inner = tensors
        return inner + bilinear_warp(outer, inner, "replicate")

    def compute_output_shape(self, input_shape):
        """(n, h, w, 2) twice -> (n, h, w, 2)."""
        return input_shape[1]


@register_layer
class DVFIntegration(CoordinateLayer):
    """Integrate a stationary velocity field over unit time by scaling and squaring.

    The result has an inverse: the integral of the negative velocity.

    Parameters
    ----------
    steps : int
        How often to square: the velocity is divided by ``2**steps``, and the field composed with itself `steps`
        times.

    Notes
    -----
    Input velocity (n, h, w, 2) in pixels a unit of time, (x, y) last; output field (n, h, w, 2). Outside the grid the
    edge of the velocity goes on. The number of steps is part of the network's graph, so unlike
    `atlalign.zoo.integrate_velocity` it does not grow with the velocity: a slope of more than ``2**steps / 2`` px a px
    may fold.

    References
    ----------
    Arsigny et al. (2006), A log-Euclidean framework for statistics on diffeomorphisms, doi 10.1007/11866565_113.

    Examples
    --------
    >>> import numpy as np
    >>> velocity = np.full((1, 2, 2, 2), 3.0, dtype="float32")
    >>> np.unique(np.asarray(DVFIntegration()(velocity))).tolist()
    [3.0]
    """

    def __init__(self, steps=7, **kwargs):
        super().__init__(**kwargs)
        if int(steps) != steps or steps < 0:
            raise ValueError(f"steps must be a whole number of at least 0. Received: steps={steps!r}")
        self.steps = int(steps)

    def call(self, velocity, mask=None):
        """Return the displacement fields, (n, h, w, 2)."""
        field = velocity / 2**self.steps
        for _ in range(self.steps):
            field = field + bilinear_warp(field, field, "replicate")
        return field

    def compute_output_shape(self, input_shape):
        """(n, h, w, 2) -> (n, h, w, 2)."""
        return input_shape

    def get_config(self):
        """Return what the constructor takes."""
        return {**super().get_config(), "steps": self.steps}


@register_layer
class InverseConsistency(CoordinateLayer):
    """Ask of a field and its inverse, while training, that they undo each other.

    Adds ``weight * inverse_consistency(dvf, inv_dvf)`` to the loss of the model and returns `inv_dvf` as it is.

    Parameters
    ----------
    weight : float
        Weight of the term beside the model's losses.

    Notes
    -----
    Input [dvf (n, h, w, 2), inv_dvf (n, h, w, 2)]; output (n, h, w, 2). See
    `atlalign.ml_utils.losses.inverse_consistency`.

    Examples
    --------
    >>> import numpy as np
    >>> field = np.full((1, 4, 4, 2), 2.0, dtype="float32")
    >>> np.unique(np.asarray(InverseConsistency(0.5)([field, -field]))).tolist()
    [-2.0]
    """

    def __init__(self, weight=1.0, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= weight < float("inf"):
            raise ValueError(f"weight must be a number of at least 0. Received: weight={weight!r}")
        self.weight = float(weight)

    def call(self, tensors, mask=None):
        """Add the loss and return the inverse fields, (n, h, w, 2)."""
        dvf, inv_dvf = tensors
        self.add_loss(self.weight * inverse_consistency(dvf, inv_dvf))
        return inv_dvf

    def compute_output_shape(self, input_shape):
        """(n, h, w, 2) twice -> (n, h, w, 2)."""
        return input_shape[1]

    def get_config(self):
        """Return what the constructor takes."""
        return {**super().get_config(), "weight": self.weight}
