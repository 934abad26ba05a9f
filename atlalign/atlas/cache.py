"""A small memory-bounded store of recent planes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

import numpy as np


class PlaneCache:
    """Keep the most recently used arrays up to a number of bytes.

    Training reads the same few reference planes again and again; whole volumes must not pile up.

    Parameters
    ----------
    max_bytes : int
        Least recently used arrays leave when the sum of sizes passes this.

    Examples
    --------
    >>> cache = PlaneCache(max_bytes=1000)
    >>> cache.get("a", lambda: np.zeros(3)).tolist()
    [0.0, 0.0, 0.0]
    >>> cache.get("a", lambda: np.ones(3)).tolist()
    [0.0, 0.0, 0.0]
    """

    def __init__(self, max_bytes: int):
        self.max_bytes = max_bytes
        self.n_bytes = 0
        self._arrays: OrderedDict[Hashable, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], np.ndarray]) -> np.ndarray:
        """Return a copy of the array stored under a key, made first where there is none."""
        with self._lock:
            stored = self._arrays.get(key)
            if stored is not None:
                self._arrays.move_to_end(key)
                return stored.copy()
        made = make()
        with self._lock:
            if key not in self._arrays and made.nbytes <= self.max_bytes:
                self._arrays[key] = made.copy()
                self.n_bytes += made.nbytes
            while self.n_bytes > self.max_bytes:
                _, dropped = self._arrays.popitem(last=False)
                self.n_bytes -= dropped.nbytes
        return made
