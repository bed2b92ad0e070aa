"""Drawing undisputed boxes: how many of each kind, and the same ones for the same seed."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scangrade.answers.sampling import KINDS, Mark, allot, draw
from scangrade.model import Verdict
from scangrade.settings import AUDIT

MARKED, UNDONE, EMPTY = KINDS


def marks(marked: int, undone: int, empty: int) -> list[Mark]:
    kinds = [MARKED] * marked + [UNDONE] * undone + [EMPTY] * empty
    return [Mark(f"{n // 40}", 1, "a.pdf", n // 40 + 1, f"q{n % 40}", "A", kind) for n, kind in enumerate(kinds)]


@pytest.mark.parametrize(
    ("there", "size", "drawn"),
    [
        ((800, 0, 8_000), 60, (30, 0, 30)),
        ((800, 8, 8_000), 60, (24, 6, 30)),  # rare ones are represented
        ((800, 3, 8_000), 60, (27, 3, 30)),  # as far as there are any
        ((100, 700, 8_000), 60, (6, 24, 30)),
        ((10, 0, 8_000), 60, (10, 0, 50)),  # what one kind lacks is drawn from the others
        ((800, 0, 10), 60, (50, 0, 10)),
        ((10, 5, 20), 60, (10, 5, 20)),
        ((800, 5, 8_000), 1, (1, 0, 0)),
        ((800, 5, 8_000), 4, (1, 1, 2)),
        ((0, 0, 9), 5, (0, 0, 5)),
    ],
)
def test_each_kind_has_its_part(there: tuple[int, ...], size: int, drawn: tuple[int, ...]) -> None:
    assert tuple(allot(dict(zip(KINDS, there, strict=True)), size, settings=AUDIT).values()) == drawn


@given(st.tuples(*[st.integers(0, 200)] * 3), st.integers(1, 300))
def test_a_sample_is_as_large_as_it_can_be(there: tuple[int, ...], size: int) -> None:
    parts = allot(dict(zip(KINDS, there, strict=True)), size, settings=AUDIT)
    assert sum(parts.values()) == min(size, sum(there))
    assert all(0 <= parts[kind] <= count for kind, count in zip(KINDS, there, strict=True))


def test_the_same_seed_draws_the_same_boxes_in_any_order() -> None:
    all_of_them = marks(100, 5, 900)
    first = draw(all_of_them, size=60, seed=3, settings=AUDIT)
    assert draw(all_of_them[::-1], size=60, seed=3, settings=AUDIT) == first
    other = draw(all_of_them, size=60, seed=4, settings=AUDIT)
    assert set(other.marks) != set(first.marks)
    assert other.digest != first.digest
    assert len(set(first.marks)) == 60
    assert first.drawn == {MARKED: 25, UNDONE: 5, EMPTY: 30}
    assert [mark.verdict for mark in first.marks] == [MARKED] * 25 + [UNDONE] * 5 + [EMPTY] * 30


def test_the_digest_tells_whether_anything_changed() -> None:
    first = draw(marks(100, 5, 900), size=60, seed=3, settings=AUDIT)
    one_more = draw(marks(100, 5, 901), size=60, seed=3, settings=AUDIT)
    assert first.digest != one_more.digest


def test_every_box_is_drawn_equally_often() -> None:
    population = marks(10, 0, 40)
    seen = Counter(mark for seed in range(600) for mark in draw(population, size=10, seed=seed, settings=AUDIT).marks)
    counts = {kind: [seen[mark] for mark in population if mark.verdict is kind] for kind in (Verdict.MARKED, Verdict.EMPTY)}
    # 5 of 10 and 5 of 40 in each of 600 samples; four standard deviations on either side
    assert all(251 <= count <= 349 for count in counts[Verdict.MARKED])
    assert all(42 <= count <= 108 for count in counts[Verdict.EMPTY])
