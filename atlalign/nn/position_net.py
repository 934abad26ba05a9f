"""The position network: which slice of the atlas a section is."""

import keras
import numpy as np
from keras import layers

from atlalign.ml_utils.initializers import seeded_glorot
from atlalign.ml_utils.losses import PlaneDistance
from atlalign.nn.blocks import check_shape, convolution

MOUSE_UM = (13200.0, 8000.0, 11400.0)


def position_model_factory(
    filters=(16, 32, 64, 96, 96),
    dense_layers=(64,),
    shape=(80, 114),
    *,
    optimizer="adam",
    shape_um=MOUSE_UM,
    random_state=None,
):
    """Small convolutional network that says where in the atlas a section lies.

    Parameters
    ----------
    filters : sequence of int
        Channels of each scale: two 3x3 convolutions with ReLU and a 2x2 max-pooling, one convolution at the last.
    dense_layers : sequence of int or None
        Sizes of the dense layers with ReLU between the convolutions and the three numbers.
    shape : tuple (h, w)
        Size of the images.
    optimizer : str or keras.optimizers.Optimizer
        What `compile` takes.
    shape_um : sequence of 3 float
        Extent of the atlas (ap, dv, ml), um, for the loss; that of the mouse by default.
    random_state : None, int or numpy.random.Generator
        Where the initial weights come from.

    Returns
    -------
    keras.Model
        Compiled with `PlaneDistance`. Input (n, h, w, 1): views as `atlalign.section.unplaced` makes them. Output
        ``plane`` (n, 3): position on the middle axis as a share of the atlas's length, and the slopes of
        `atlalign.plane_slopes`, across and down.

    Raises
    ------
    ValueError
        If there are no filters, or the images are too small for the poolings.

    Notes
    -----
    There is no batch normalisation: on a CPU it costs more than the convolutions, and the views are normalised already.

    Examples
    --------
    >>> model = position_model_factory()
    >>> model.count_params(), model.output_shape
    (330387, (None, 3))
    """
    if not filters:
        raise ValueError(f"filters must be the channels of at least one scale. Received: filters={filters}")
    shape = check_shape(shape, minimum=2 ** len(filters))
    rng = np.random.default_rng(random_state)
    view = keras.Input((*shape, 1), name="view")
    x = view
    for i, n_filters in enumerate(filters):
        for j in range(2 if i < len(filters) - 1 else 1):
            x = convolution(x, n_filters, rng, f"conv_{i}_{j}", keras.activations.relu, None)
        x = layers.MaxPooling2D(name=f"pool_{i}")(x)
    x = layers.Flatten(name="flatten")(x)
    for i, size in enumerate(dense_layers or ()):
        x = layers.Dense(size, activation="relu", kernel_initializer=seeded_glorot(rng), name=f"dense_{i}")(x)
    to_plane = layers.Dense(3, kernel_initializer="zeros", dtype="float32", name="plane")
    model = keras.Model(view, to_plane(x), name="position")
    # A network that knows nothing says: the middle, coronal.
    to_plane.set_weights([np.zeros((x.shape[-1], 3)), np.array([0.5, 0.0, 0.0])])
    model.compile(optimizer=optimizer, loss=PlaneDistance(shape_um))
    return model
