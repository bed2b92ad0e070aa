"""How far a counted share may be off: exact bounds after Clopper and Pearson.

Clopper and Pearson, Biometrika 26(4), 1934. DOI 10.1093/biomet/26.4.404
"""

from __future__ import annotations

import math
from collections.abc import Callable


def upper_bound(errors: int, total: int, *, confidence: float = 0.95) -> float:
    """One-sided upper bound of a probability that was seen `errors` times in `total`; 1 without any trial."""
    if errors >= total:
        return 1.0
    return _solve(lambda p: _at_most(errors, total, p) - (1 - confidence), errors / total)


def lower_bound(hits: int, total: int, *, confidence: float = 0.95) -> float:
    """One-sided lower bound of a probability that was seen `hits` times in `total`; 0 without any trial."""
    return 1.0 - upper_bound(total - hits, total, confidence=confidence) if total else 0.0


def _at_most(errors: int, total: int, p: float) -> float:
    """Probability of at most `errors` in `total`; the terms are summed from the greatest down, so it is quick for few errors."""
    if p <= 0 or p >= 1:
        return float(p <= 0)
    if errors > total / 2:
        return 1.0 - _at_most(total - errors - 1, total, 1 - p)
    log_term = (
        math.lgamma(total + 1)
        - math.lgamma(errors + 1)
        - math.lgamma(total - errors + 1)
        + errors * math.log(p)
        + (total - errors) * math.log1p(-p)
    )
    term = total_sum = 1.0
    for k in range(errors, 0, -1):
        term *= k / (total - k + 1) * (1 - p) / p
        total_sum += term
        if term < 1e-12 * total_sum:
            break
    return min(1.0, math.exp(log_term) * total_sum)


def _solve(falling: Callable[[float], float], low: float) -> float:
    high = 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return high
