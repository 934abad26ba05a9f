"""How errors are distributed over all pixels of all pairs, in memory that does not grow with them."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

_LOWEST_UM, _HIGHEST_UM = 0.1, 1e5
_BINS_A_DECADE = 50


class ErrorDistribution:
    """Counts of errors in um, in bins that are 5 % wide.

    Attributes
    ----------
    edges_um : ndarray, float64, (n,)
        Upper edges of the bins, um; the last one is infinite.

    Examples
    --------
    >>> errors = ErrorDistribution()
    >>> errors.add([5.0, 20.0]); errors.add([30.0, 2000.0])
    >>> errors.share_below(100.0)
    0.75
    """

    def __init__(self) -> None:
        n_bins = round(np.log10(_HIGHEST_UM / _LOWEST_UM) * _BINS_A_DECADE)
        self.edges_um = np.append(np.geomspace(_LOWEST_UM, _HIGHEST_UM, n_bins + 1), np.inf)
        self._counts = np.zeros(len(self.edges_um), dtype=np.int64)

    def add(self, errors_um: ArrayLike) -> None:
        """Count errors, um."""
        bins = np.searchsorted(self.edges_um, np.ravel(errors_um), side="left")
        self._counts += np.bincount(bins, minlength=len(self._counts))

    @property
    def shares(self) -> NDArray[np.float64]:
        """Share of the errors up to each edge, from 0 to 1; NaN where nothing was counted."""
        total = self._counts.sum()
        return np.cumsum(self._counts) / total if total else np.full(len(self._counts), np.nan)

    def share_below(self, um: float) -> float:
        """Return the share of the errors up to the edge that is nearest to `um`."""
        return float(self.shares[np.argmin(np.abs(self.edges_um[:-1] - um))])
