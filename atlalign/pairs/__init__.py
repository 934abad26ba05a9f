"""Training pairs read from datasets, placed, deformed and augmented on the fly.

Without Keras, so that the processes that prepare them start quickly and stay small.
"""

from atlalign.pairs.source import Pair, PairSource
from atlalign.pairs.unplaced import UnplacedSample, UnplacedSource

__all__ = ["Pair", "PairSource", "UnplacedSample", "UnplacedSource"]
