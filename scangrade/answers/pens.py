"""What the marks of many writers have in common, writer by writer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def lower_thirds(values: Values, owner: NDArray[np.int64], owners: int) -> Values:
    """The value below which a third of each owner's lie.

    Parameters
    ----------
    values : (N,) array
        Of all owners, in any order.
    owner : (N,) int array
        Whose each is, from 0.
    owners : int
        How many there are.

    Returns
    -------
    (owners,) array
        Between two values as `numpy.quantile` does it; 0 for an owner of none.

    Examples
    --------
    >>> lower_thirds(np.array([4.0, 1.0, 7.0, 3.0]), np.array([0, 0, 0, 2]), 3)
    array([3., 0., 3.])
    """
    ordered = np.asarray(values, np.float64)[np.lexsort((values, owner))]
    counts = np.bincount(owner, minlength=owners)
    result = np.zeros(owners)
    some = np.flatnonzero(counts)
    first = (np.cumsum(counts) - counts)[some]
    at = (counts[some] - 1) / 3
    below = np.floor(at).astype(np.int64)
    low = ordered[first + below]
    high = ordered[first + np.minimum(below + 1, counts[some] - 1)]
    result[some] = low + (high - low) * (at - below)
    return result
