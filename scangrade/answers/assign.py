"""Everybody's booklet at once: which booklet is whose, where each student has one at most, and by how much that beats any other way.

Booklets are rows, students columns, and what they weigh is a logarithm of probability. A booklet may also stay alone, for a price of its
own. The best assignment is found by shortest augmenting paths [1]_; the margin of a row is what the best assignment loses if that row must
not have its student: the cheapest way round through the rows that it would displace. Only options within reach are told, so rows that
have nothing to do with each other cost nothing.

References
----------
.. [1] R. Jonker, A. Volgenant, Computing 38, 1987. DOI 10.1007/BF02278710.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """What one row may have."""

    weights: Mapping[int, float]  #: by column
    alone: float  #: weight of having none of them, because none is right
    again: float = float("-inf")  #: weight of having none though one is right: another row has it


@dataclass(frozen=True, slots=True)
class Assigned:
    """What one row has."""

    column: int | None  #: None where it stays alone
    margin: float = 0.0  #: what the best assignment loses if this row must not have it; 0 where it stays alone


def assign(rows: Sequence[Options], *, enough: float) -> tuple[Assigned, ...]:
    """Assign columns to rows, each to one at most, so that the sum of weights is the largest.

    Parameters
    ----------
    rows : sequence of Options
        Columns are 0 or more.
    enough : float
        Margins above are not told apart: the search ends there.

    Returns
    -------
    tuple of Assigned
        In the order of the rows.
    """
    solver = _Solver(rows)
    for row in range(len(rows)):
        solver.add(row)
    return tuple(solver.assigned(row, enough) for row in range(len(rows)))


class _Solver:
    """Shortest augmenting paths over reduced costs, which prices of rows and columns keep at 0 or more.

    Costs are what a row loses against its own best. To stay alone is a column of the row's own: -1 for row 0, -2 for row 1.
    """

    def __init__(self, rows: Sequence[Options]) -> None:
        best = [max(one.alone, one.again, *one.weights.values()) for one in rows]
        self._costs = [
            {column: top - weight for column, weight in one.weights.items()} | {-1 - row: top - max(one.alone, one.again)}
            for row, (one, top) in enumerate(zip(rows, best, strict=True))
        ]
        self._nobody = [top - one.alone for one, top in zip(rows, best, strict=True)]
        self._wanted_by: dict[int, list[int]] = {}
        for row, costs in enumerate(self._costs):
            for column in costs:
                self._wanted_by.setdefault(column, []).append(row)
        self._row_price = [0.0] * len(rows)
        self._price: dict[int, float] = {}  #: of a column: 0 or less; 0 where nobody has it
        self._column_of: dict[int, int] = {}
        self._row_of: dict[int, int] = {}

    def _reduced(self, row: int, column: int) -> float:
        cost = self._costs[row][column] - self._row_price[row] - self._price.get(column, 0.0)
        return max(cost, 0.0)  # sums of floats are off by their last digits

    def add(self, row: int) -> None:
        """Let a row in, with everything rearranged that pays."""
        waiting = [(self._reduced(row, column), column, row) for column in self._costs[row]]
        heapq.heapify(waiting)
        settled: dict[int, tuple[float, int]] = {}  # column to its distance, and the row that it is reached from
        while True:
            length, column, before = heapq.heappop(waiting)
            if column in settled:
                continue
            if column not in self._row_of:
                break
            settled[column] = length, before
            owner = self._row_of[column]
            for other in self._costs[owner]:
                if other not in settled:
                    heapq.heappush(waiting, (length + self._reduced(owner, other), other, owner))
        self._row_price[row] += length
        for reached, (distance, _) in settled.items():
            self._price[reached] = self._price.get(reached, 0.0) + distance - length
            self._row_price[self._row_of[reached]] += length - distance
        while True:
            left = self._column_of.get(before)
            self._column_of[before], self._row_of[column] = column, before
            if left is None:
                return
            column, before = left, settled[left][1]

    def assigned(self, row: int, enough: float) -> Assigned:
        """What a row has in the end, and what it would cost to take that from it."""
        own = self._column_of[row]
        if own < 0:
            return Assigned(None)
        left = self._loss_of_leaving(own, row, enough)
        waiting = [(self._reduced(row, column), column) for column in self._costs[row] if column >= 0 and column != own]
        waiting.append((max(self._nobody[row] - self._row_price[row], 0.0), -1 - row))
        heapq.heapify(waiting)
        seen: set[int] = set()
        found = enough
        while waiting:
            length, column = heapq.heappop(waiting)
            if length >= found:
                break
            if column in seen:
                continue
            seen.add(column)
            if column == own:
                found = min(found, length)  # another row takes it over
                continue
            if column not in self._row_of:
                found = min(found, length + left)
                continue
            owner = self._row_of[column]
            for other in self._costs[owner]:
                if other not in seen:
                    heapq.heappush(waiting, (length + self._reduced(owner, other), other))
        return Assigned(own, found)

    def _loss_of_leaving(self, column: int, leaver: int, enough: float) -> float:
        """What is lost if nobody but other rows can have a column any more: one takes it, whose own another one takes, and so on."""
        waiting = [(0.0, column)]
        seen: set[int] = set()
        found = enough
        while waiting:
            length, free = heapq.heappop(waiting)
            if length >= found:
                break
            if free in seen:
                continue
            seen.add(free)
            found = min(found, length - self._price.get(free, 0.0))  # the last in the chain stays free
            for row in self._wanted_by[free]:
                other = self._column_of[row]
                if row != leaver and other not in seen:
                    heapq.heappush(waiting, (length + self._reduced(row, free), other))
        return found
