"""Augmentation of image intensities with imgaug."""

import numpy as np

from atlalign.ml_utils.imgaug_compat import iaa


def augmenter_1(p=0.99):
    """Pipeline of blurs, noise, contrast changes and edge enhancements for images in [0, 1].

    Parameters
    ----------
    p : float
        Probability that an image is changed at all.

    Returns
    -------
    imgaug.augmenters.Augmenter
        Takes float32 images in [0, 1], (h, w) or (h, w, c). It changes intensities only, never geometry, so that
        displacement fields stay true. Some of its steps leave [0, 1]: use `augment`, which clips.

    Raises
    ------
    ValueError
        If `p` is not a probability.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.full((32, 32), 0.5, dtype="float32")
    >>> augmented = augment(augmenter_1(), image, random_state=3)
    >>> augmented.shape, augmented.dtype, bool(augmented.min() >= 0), bool(augmented.max() <= 1)
    ((32, 32), dtype('float32'), True, True)
    """
    if not 0 <= p <= 1:
        raise ValueError(f"p must be a probability between 0 and 1. Received: p={p}")
    blurs = iaa.OneOf([iaa.GaussianBlur((0.5, 2.0)), iaa.AverageBlur((2, 5)), iaa.MedianBlur((3, 5))])
    contrast = iaa.OneOf(
        [
            iaa.GammaContrast((0.5, 2.0)),
            iaa.LinearContrast((0.6, 1.4)),
            iaa.Multiply((0.7, 1.3)),
            iaa.Add((-0.15, 0.15)),
            iaa.Invert(1.0, min_value=0.0, max_value=1.0),
        ]
    )
    noise = iaa.OneOf(
        [
            iaa.AdditiveGaussianNoise(scale=(0.01, 0.06)),
            iaa.CoarseDropout((0.0, 0.04), size_percent=(0.05, 0.2)),
            iaa.Dropout((0.0, 0.05)),
        ]
    )
    edges = iaa.OneOf([iaa.Sharpen((0.0, 0.6), (0.8, 1.3)), iaa.Emboss((0.0, 0.4), (0.2, 0.8))])
    # Contrast first: gamma takes no negative values, which sharpening and noise may leave.
    return iaa.Sometimes(p, iaa.SomeOf((1, 3), [contrast, blurs, edges, noise]))


def augment(augmenter, image: np.ndarray, random_state=None) -> np.ndarray:
    """Apply an imgaug augmenter to one image in [0, 1], reproducibly and within [0, 1].

    Parameters
    ----------
    augmenter : imgaug.augmenters.Augmenter
        What to apply; its own random state is left alone.
    image : ndarray (h, w)
        Float image in [0, 1].
    random_state : None, int or numpy.random.Generator
        Where the randomness comes from.

    Returns
    -------
    ndarray (h, w)
        float32 in [0, 1].

    Examples
    --------
    >>> image = np.linspace(0, 1, 48).reshape(6, 8)
    >>> first, again = (augment(augmenter_1(p=1), image, random_state=3) for _ in range(2))
    >>> first.shape, bool((first == again).all()), bool((first == image).all())
    ((6, 8), True, False)
    """
    seed = int(np.random.default_rng(random_state).integers(2**31))
    fresh = augmenter.deepcopy()
    fresh.seed_(seed)
    augmented = fresh.augment_image(np.ascontiguousarray(image, dtype=np.float32))
    return np.clip(augmented, 0.0, 1.0, dtype=np.float32)
