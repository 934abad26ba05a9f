"""Training pairs read from datasets, placed, deformed and augmented on the fly.

Without Keras, so that the processes that prepare them start quickly and stay small.
"""

from atlalign.pairs.source import Pair, PairSource

__all__ = ["Pair", "PairSource"]
