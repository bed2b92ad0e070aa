"""How wrong decided boxes can be at most, from how many of a sample were wrong.

The bounds are exact ones after Clopper and Pearson [1]_: whatever the true share is, they fall below it in at most one case of
twenty (at 95 %), also where nothing was found wrong. No approximation by a normal distribution would hold there.

References
----------
.. [1] C. J. Clopper, E. S. Pearson, Biometrika 26(4), 1934. DOI 10.1093/biomet/26.4.404
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_HALVINGS = 60  # an interval of 1 halved so often is as narrow as a float can tell


@dataclass(frozen=True, slots=True)
class Stratum:
    """Boxes of one kind: how many there are, how many of them were checked, how many of these were wrong."""

    population: int
    checked: int
    wrong: int

    def __post_init__(self) -> None:
        if not 0 <= self.wrong <= self.checked <= self.population:
            raise ValueError(f"{self.wrong} wrong of {self.checked} checked of {self.population}")


def upper_bound(wrong: int, checked: int, *, confidence: float) -> float:
    """One-sided upper bound of a share of which a sample was drawn.

    Parameters
    ----------
    wrong, checked : int
        Found, and looked at; ``0 <= wrong <= checked``.
    confidence : float
        Between 0 and 1.

    Returns
    -------
    float
        The share at which a sample with so few wrong ones has a probability of 1 - `confidence`; 1 where nothing is known.

    Examples
    --------
    >>> round(upper_bound(0, 60, confidence=0.95), 4)
    0.0487
    """
    if wrong >= checked:
        return 1.0
    low, high = wrong / checked, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _at_most(wrong, checked, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def _at_most(wrong: int, checked: int, share: float) -> float:
    """Probability of at most so many wrong ones: the binomial distribution's lower tail."""
    if share >= 1:
        return 0.0
    if share <= 0:
        return 1.0
    whole = math.lgamma(checked + 1)
    return math.fsum(
        math.exp(
            whole
            - math.lgamma(k + 1)
            - math.lgamma(checked - k + 1)
            + k * math.log(share)
            + (checked - k) * math.log1p(-share)
        )
        for k in range(wrong + 1)
    )


def stratum_bound(stratum: Stratum, *, confidence: float) -> float:
    """Upper bound of the share of wrong boxes of one kind; exactly that share where all of them were checked.

    Boxes are drawn without putting them back, for which the binomial bound is a little too high, never too low.
    """
    if stratum.population == 0:
        return 0.0
    if not stratum.checked:
        return 1.0
    unseen = stratum.population - stratum.checked
    possible = (stratum.wrong + unseen) / stratum.population
    return min(possible, upper_bound(stratum.wrong, stratum.checked, confidence=confidence)) if unseen else possible


def overall_bound(strata: Sequence[Stratum], *, confidence: float) -> float:
    """Upper bound of the share of wrong boxes among the boxes of all kinds.

    Each kind's bound is weighted with its share of the boxes. That all of them hold together is sure if the probabilities with which
    each fails add up to 1 - `confidence` (Bonferroni). This allowance is divided beforehand, by the design of the sample and not by what
    was found: in proportion to a kind's share of the boxes over its number in the sample, which is where the sum of the bounds is
    least while little is wrong. Kinds that were checked completely, or not at all, need no part of it.
    """
    total = sum(one.population for one in strata)
    drawn = [one for one in strata if 0 < one.checked < one.population]
    needs = sum(one.population / one.checked for one in drawn)
    bound = 0.0
    for one in strata:
        part = one.population / one.checked / needs if one in drawn else 0.0
        bound += one.population / max(total, 1) * stratum_bound(one, confidence=1 - (1 - confidence) * part)
    return bound
