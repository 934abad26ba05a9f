"""An affine map that every part of the image has a say in."""

import keras
from keras import layers

from atlalign.ml_utils.layers import (
    Affine2DVF,
    AffineProduct,
    BilinearInterpolation,
    CentredAffine,
    ExtractMoving,
    FitAffine,
)
from atlalign.nn.blocks import convolution


def vote_for_affine(pair, filters, passes, rng, activation, normalization):
    """Return the matrix (n, 2, 3), in pixel coordinates, that registers a pair (n, h, w, 2).

    Parameters
    ----------
    pair : keras.KerasTensor, shape (n, h, w, 2)
        Reference and moving image.
    filters : sequence of int
        Channels of each block of two 3x3 convolutions; a 2x2 max-pooling stands between two blocks.
    passes : int
        How often the network looks: from the second time on at the moving image as the time before left it.
    rng : numpy.random.Generator
        Where the initial weights come from.
    activation, normalization
        As `atlalign.nn.blocks.convolution` takes them.
    """
    shape = tuple(pair.shape[1:3])
    net = _voting_net(shape, filters, rng, activation, normalization)
    reference, moving = pair[..., :1], ExtractMoving(name="votes_moving")(pair)
    pixel_matrix = CentredAffine(shape, name="pixel_matrix_0")(net(pair))
    for number in range(1, passes):
        field = Affine2DVF(shape, name=f"dvf_{number - 1}")(pixel_matrix)
        moved = BilinearInterpolation(name=f"moved_{number - 1}")([moving, field])
        seen = layers.Concatenate(name=f"pair_{number}")([reference, moved])
        correction = CentredAffine(shape, name=f"pixel_matrix_{number}")(net(seen))
        pixel_matrix = AffineProduct(name=f"product_{number}")([pixel_matrix, correction])
    return pixel_matrix


def _voting_net(shape, filters, rng, activation, normalization) -> keras.Model:
    """Build the network from a pair to the centred matrix (n, 2, 3)."""
    pair = keras.Input((*shape, 2), name="pair")
    x = pair
    for i, n_filters in enumerate(filters):
        if i:
            x = layers.MaxPooling2D(name=f"pool_{i - 1}")(x)
        for j in range(2):
            x = convolution(x, n_filters, rng, f"conv_{i}_{j}", activation, normalization)
    votes = layers.Conv2D(3, 1, kernel_initializer="zeros", dtype="float32", name="votes")(x)
    return keras.Model(pair, FitAffine(shape, 2 ** (len(filters) - 1), name="matrix")(votes), name="voting")
