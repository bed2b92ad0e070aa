"""The best assignment and its margins, held against all assignments of small problems."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from scangrade.answers.assign import Assigned, Options, assign


def best_of_all(rows: Sequence[Options], *, without: tuple[int, int] | None = None) -> tuple[float, tuple[int | None, ...]]:
    """By trying everything; `without` forbids a row its column, and to stay alone because another has it."""

    def choices(row: int) -> list[tuple[int | None, float]]:
        one = rows[row]
        forbidden = without is not None and without[0] == row
        weights = [(column, weight) for column, weight in one.weights.items() if without != (row, column)]
        return [*weights, (None, one.alone if forbidden else max(one.alone, one.again))]

    best: tuple[float, tuple[int | None, ...]] = (float("-inf"), ())
    for chosen in itertools.product(*(choices(row) for row in range(len(rows)))):
        columns = [column for column, _ in chosen if column is not None]
        if len(columns) == len(set(columns)):
            best = max(best, (sum(weight for _, weight in chosen), tuple(column for column, _ in chosen)), key=lambda x: x[0])
    return best


@pytest.mark.parametrize("seed", range(40))
def test_as_good_as_trying_everything(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count, columns = int(rng.integers(1, 6)), int(rng.integers(1, 6))
    rows = []
    for _ in range(count):
        weights = {column: float(rng.normal(0, 4)) for column in range(columns) if rng.random() < 0.7}
        again = max(weights.values()) - float(rng.uniform(1, 4)) if weights and rng.random() < 0.7 else float("-inf")
        rows.append(Options(weights, float(rng.normal(-3, 3)), again))
    total, chosen = best_of_all(rows)
    found = assign(rows, enough=1e9)
    assert tuple(one.column for one in found) == chosen
    for row, one in enumerate(found):
        if one.column is not None:
            assert one.margin == pytest.approx(total - best_of_all(rows, without=(row, one.column))[0], abs=1e-9)


def test_who_is_left_counts_for_no_more_than_that_one_wrote_twice() -> None:
    rows = [Options({0: 10.0, 1: 10.0}, -20.0, 4.0), Options({0: 30.0}, -20.0, 24.0)]
    assert [one.column for one in assign(rows, enough=50)] == [1, 0]
    assert assign(rows, enough=50)[0].margin == pytest.approx(6.0)


def test_nobody_is_left_to_take_what_is_nobodys() -> None:
    assert assign([Options({0: 1.0}, 2.0)], enough=10) == (Assigned(None),)
    assert assign([Options({}, 0.0)], enough=10) == (Assigned(None),)
    assert assign([], enough=10) == ()


def test_the_search_for_a_margin_ends_where_it_is_enough() -> None:
    (found,) = assign([Options({0: 100.0}, 0.0)], enough=12)
    assert found == Assigned(0, 12)


def test_a_thousand_booklets_with_near_numbers_take_no_time() -> None:
    rng = np.random.default_rng(7)
    rows = []
    for row in range(1000):
        others = rng.integers(0, 1100, 30).tolist()
        rows.append(Options({other: float(rng.normal(0, 3)) for other in others} | {row: 8.0}, -8.0, 2.0))
    found = assign(rows, enough=10)
    assert sum(one.column == row for row, one in enumerate(found)) > 950
