"""Initial weights that come from a generator of the caller, not from a global seed."""

import keras
import numpy as np


def seeded_glorot(rng: np.random.Generator) -> keras.initializers.Initializer:
    """Return a Glorot-uniform initialiser whose seed is the next number of `rng`.

    Examples
    --------
    >>> first, second = (seeded_glorot(np.random.default_rng(0))((2, 3)) for _ in range(2))
    >>> bool(keras.ops.all(first == second))
    True
    """
    return keras.initializers.GlorotUniform(seed=int(rng.integers(2**31)))
