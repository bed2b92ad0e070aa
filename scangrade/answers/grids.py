"""A student number as it is marked in a grid of boxes: what the columns say, and which students of a roster have a number like it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scangrade.model import Answer, Field, FieldKind, Layout, Student, Verdict
from scangrade.settings import IdentifyLimits

ROLE: Final = "student_number"

# Codes of a column beside the digits 0 to 9.
EMPTY: Final = 10
OPEN: Final = 11
_OTHER: Final = 12  # a character of a student's number that no grid can hold


@dataclass(frozen=True, slots=True)
class Grid:
    """A student's number as one or more grids hold it."""

    columns: tuple[int, ...]  #: by place: a digit, `EMPTY` or `OPEN`
    fields: tuple[Field, ...]  #: by place
    conflict: str = ""  #: how grids contradict each other

    @property
    def inner(self) -> tuple[int, ...]:
        """The columns without those left empty at either end, which a shorter number leaves."""
        used = [place for place, one in enumerate(self.columns) if one != EMPTY]
        return self.columns[used[0] : used[-1] + 1] if used else ()

    @property
    def number(self) -> str:
        """As read; "?" for a column without a certain digit, "" where nothing is marked."""
        return "".join(str(one) if one < EMPTY else "?" for one in self.inner)

    @property
    def certain(self) -> bool:
        """Whether the number has no gap, no open column, and no contradiction."""
        return bool(self.inner) and not self.conflict and all(one < EMPTY for one in self.inner)

    @property
    def short(self) -> bool:
        """Whether columns were left empty at an end."""
        return len(self.inner) < len(self.columns)


@dataclass(frozen=True, slots=True)
class NearNumber:
    """A student whose number is near to the one read."""

    student: Student
    distance: int  #: columns that differ or are open; 1 if only zeros at the start differ
    zeros: bool  #: whether only zeros at the start differ


def number_grids(layout: Layout) -> tuple[tuple[Field, ...], ...]:
    """The columns of every grid for the student number, leftmost first; the grid with the most columns first."""
    groups: dict[str, list[Field]] = defaultdict(list)
    for one in layout.fields:
        if one.kind is FieldKind.DIGIT and one.role == ROLE:
            groups[one.group].append(one)
    grids = (tuple(sorted(columns, key=lambda column: column.place)) for columns in groups.values())
    return tuple(sorted(grids, key=len, reverse=True))


def read_grids(answers: Sequence[Answer], grids: Sequence[Sequence[Field]]) -> Grid | None:
    """The number that all grids of a booklet hold together; None where none of them came in."""
    by_field = {one.field: one for one in answers}
    read = [
        (tuple(_column(by_field[column.id]) for column in grid), grid)
        for grid in grids
        if all(one.id in by_field for one in grid)
    ]
    used = [(columns, grid) for columns, grid in read if any(one != EMPTY for one in columns)]
    if not used:
        return Grid(read[0][0], tuple(read[0][1])) if read else None
    first, fields = used[0]
    merged = list(first)
    conflict = ""
    for columns, grid in used[1:]:
        if len(columns) != len(merged):
            conflict = f"the grids on pages {fields[0].page} and {grid[0].page} have different numbers of columns"
            continue
        for place, other in enumerate(columns):
            if {merged[place], other} == {OPEN, EMPTY}:
                merged[place] = OPEN
            elif merged[place] == OPEN:
                merged[place] = other
            elif other not in (OPEN, merged[place]):
                conflict = f"the grids on pages {fields[0].page} and {grid[0].page} differ in column {place + 1}"
    return Grid(tuple(merged), tuple(fields), conflict)


def _column(answer: Answer) -> int:
    """A digit where exactly one box is marked and none is open, `EMPTY` where none is marked, else `OPEN`."""
    said = [one.verdict for one in answer.verdicts]
    marked = said.count(_MARKED)
    if answer.doubt or marked > 1 or _UNSURE in said:
        return OPEN
    return int(answer.verdicts[said.index(_MARKED)].box) if marked else EMPTY


_MARKED, _UNSURE = Verdict.MARKED, Verdict.UNSURE  # looking up a name of an enumeration takes longer than comparing


def fits(grid: Grid | None, number: str) -> bool:
    """Whether no column that is marked for certain contradicts a number; columns left empty or open say nothing."""
    if grid is None or not grid.inner:
        return True
    if grid.conflict:
        return False
    columns = grid.columns
    return any(
        all(
            one >= EMPTY or (0 <= place - start < len(number) and number[place - start] == str(one))
            for place, one in enumerate(columns)
        )
        for start in range(len(columns) - len(number) + 1)
    )


def fault_of(grid: Grid) -> str:
    """Why a number cannot be relied on, "" if it can."""
    if not grid.inner:
        return "nothing is marked"
    if grid.conflict:
        return grid.conflict
    start = next(place for place, one in enumerate(grid.columns, 1) if one != EMPTY)
    faults = [
        f"column {place} is {'empty' if one == EMPTY else 'not certain'}"
        for place, one in enumerate(grid.inner, start)
        if one >= EMPTY
    ]
    return ", ".join(faults)


class NearNumbers:
    """The roster's numbers, laid under a grid once for all booklets.

    A number shorter than the grid is laid under it at every offset, with empty columns around it.
    """

    def __init__(self, students: Sequence[Student], width: int) -> None:
        self._students = students
        self._width = width
        self._by_number: dict[str, list[Student]] = defaultdict(list)
        rows: list[tuple[int, ...]] = []
        owners: list[int] = []
        for index, student in enumerate(students):
            self._by_number[student.number].append(student)
            codes = tuple(int(one) if one.isascii() and one.isdigit() else _OTHER for one in student.number)
            for offset in range(width - len(codes) + 1):
                rows.append((*[EMPTY] * offset, *codes, *[EMPTY] * (width - offset - len(codes))))
                owners.append(index)
        self._rows: NDArray[np.uint8] = np.array(rows, dtype=np.uint8).reshape(-1, width)
        self._owners: NDArray[np.intp] = np.array(owners, dtype=np.intp)

    def exact(self, number: str) -> tuple[Student, ...]:
        """Students with exactly this number."""
        return tuple(self._by_number.get(number, ()))

    def longer(self, grid: Grid) -> tuple[Student, ...]:
        """Students whose number has more digits and agrees with every marked column of a grid with empty columns at an end."""
        read = np.array(grid.columns, dtype=np.uint8)
        agrees = ((self._rows == read) | (read == EMPTY)).all(axis=1) & (self._rows != read).any(axis=1)
        found = dict.fromkeys(self._owners[agrees].tolist())
        return tuple(one for index in found if len((one := self._students[index]).number) > len(grid.inner))

    def near(self, grid: Grid, limits: IdentifyLimits) -> list[NearNumber]:
        """Students by the number of columns in which their number differs, or that are open; nearest first, then in roster order."""
        if not len(self._rows) or not grid.inner:
            return []
        differs = (self._rows != np.array(grid.columns, dtype=np.uint8)).sum(axis=1)
        least: dict[int, int] = {}
        for row in np.flatnonzero(differs <= limits.farthest).tolist():
            owner = int(self._owners[row])
            least[owner] = min(least.get(owner, self._width), int(differs[row]))
        found = []
        for owner, distance in least.items():
            student = self._students[owner]
            zeros = grid.certain and distance > 0 and student.number.lstrip("0") == grid.number.lstrip("0")
            found.append((1 if zeros else distance, owner, NearNumber(student, 1 if zeros else distance, zeros)))
        return [one for _, _, one in sorted(found, key=lambda item: item[:2])][: limits.most_candidates]

    def reason(self, candidate: NearNumber) -> str:
        """How a student's number compares to the one read, for people."""
        if candidate.zeros:
            return "the same number but for zeros at its start, which spreadsheets drop: correct the roster if so"
        if candidate.distance == 0:
            return "the same number"
        return f"{candidate.distance} of {self._width} columns not the same"
