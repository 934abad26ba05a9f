"""Many labelled pairs from few: each is deformed at random, and its label with it."""

from atlalign.augmentations.augmenter import DatasetAugmenter

__all__ = ["DatasetAugmenter"]
