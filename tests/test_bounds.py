"""Bounds of a share: known values, what must hold for all, and that they hold as often as they say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scangrade.answers.bounds import Stratum, overall_bound, stratum_bound, upper_bound


@pytest.mark.parametrize(
    ("wrong", "checked", "bound"),
    [(0, 60, 0.0487), (0, 20, 0.1391), (1, 100, 0.0466), (0, 1, 0.95), (5, 5, 1.0), (3, 10, 0.6066), (0, 0, 1.0)],
)
def test_known_values(wrong: int, checked: int, bound: float) -> None:
    assert upper_bound(wrong, checked, confidence=0.95) == pytest.approx(bound, abs=5e-5)


@given(st.integers(1, 400), st.data(), st.floats(0.5, 0.999))
def test_the_tail_at_the_bound_is_what_is_left_of_the_confidence(checked: int, data: st.DataObject, confidence: float) -> None:
    wrong = data.draw(st.integers(0, checked - 1))
    bound = upper_bound(wrong, checked, confidence=confidence)
    tail = sum(math.comb(checked, k) * bound**k * (1 - bound) ** (checked - k) for k in range(wrong + 1))
    assert tail == pytest.approx(1 - confidence, rel=1e-6)
    assert wrong / checked < bound <= 1


@given(st.integers(1, 300), st.data())
def test_more_wrong_ones_raise_the_bound(checked: int, data: st.DataObject) -> None:
    wrong = data.draw(st.integers(1, checked))
    assert upper_bound(wrong, checked, confidence=0.95) > upper_bound(wrong - 1, checked, confidence=0.95)


def test_a_kind_that_was_checked_completely_is_known() -> None:
    assert stratum_bound(Stratum(12, 12, 3), confidence=0.95) == 0.25
    assert stratum_bound(Stratum(12, 0, 0), confidence=0.95) == 1.0
    assert stratum_bound(Stratum(0, 0, 0), confidence=0.95) == 0.0
    # of twelve, one was not looked at: at most this one is wrong
    assert stratum_bound(Stratum(12, 11, 0), confidence=0.95) == pytest.approx(1 / 12)


def test_one_kind_alone_has_its_own_bound() -> None:
    alone = overall_bound([Stratum(10**6, 60, 0), Stratum(0, 0, 0)], confidence=0.95)
    assert alone == pytest.approx(upper_bound(0, 60, confidence=0.95))
    # a small kind that is known completely costs nothing of the confidence
    both = overall_bound([Stratum(999_990, 60, 0), Stratum(10, 10, 0)], confidence=0.95)
    assert both == pytest.approx(upper_bound(0, 60, confidence=0.95), rel=1e-4)


def test_kinds_are_weighted_by_how_many_there_are() -> None:
    strata = [Stratum(9_000, 30, 0), Stratum(1_000, 30, 0)]
    bound = overall_bound(strata, confidence=0.95)
    # allowance 0.045 and 0.005, in proportion to 9,000 / 30 and 1,000 / 30
    assert bound == pytest.approx(0.9 * (1 - 0.045 ** (1 / 30)) + 0.1 * (1 - 0.005 ** (1 / 30)))
    equal = sum(share * upper_bound(0, 30, confidence=0.975) for share in (0.9, 0.1))
    assert bound < equal
    assert overall_bound([Stratum(9_000, 30, 1), Stratum(1_000, 30, 0)], confidence=0.95) > bound
    assert overall_bound([Stratum(9_000, 0, 0), Stratum(1_000, 1_000, 0)], confidence=0.95) == pytest.approx(0.9)


@pytest.mark.parametrize("shares", [(0.02, 0.3), (0.1, 0.1), (0.05, 0.0)])
def test_the_bound_holds_as_often_as_it_says(shares: tuple[float, float]) -> None:
    """Draw again and again from runs of which the truth is known."""
    rng = np.random.default_rng(5)
    sizes = (900, 100)
    bad = [round(share * size) for share, size in zip(shares, sizes, strict=True)]
    truth = sum(bad) / sum(sizes)
    samples = [
        [int(rng.hypergeometric(wrong, size - wrong, 30)) for wrong, size in zip(bad, sizes, strict=True)] for _ in range(300)
    ]
    bounds = {
        tuple(sample): overall_bound(
            [Stratum(size, 30, wrong) for size, wrong in zip(sizes, sample, strict=True)], confidence=0.95
        )
        for sample in samples
    }
    held = np.mean([truth <= bounds[tuple(sample)] for sample in samples])
    assert held >= 0.95


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="3 wrong of 2 checked of 10"):
        Stratum(10, 2, 3)
