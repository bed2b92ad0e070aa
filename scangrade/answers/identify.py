"""Whose booklet it is, by the student number marked in its digit grid and by the label pasted on it.

A number counts only if every column is certain and exactly one student has it. Everything else is a flag that offers who it could be; a
near miss is never taken for a hit, however likely, since a wrong one gives somebody another person's grade. Flags about identity do not
make points blank: the booklet's points are what they are, whoever wrote it.

A label's code, the number printed beside it, and the grid are witnesses of one decision. The code alone is enough, since it checks
itself; print alone never is. Where two of them say something else, nothing is decided.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scangrade.answers.sticker import as_number, as_words, contradicts, printed_of, word_of
from scangrade.model import (
    Answer,
    Booklet,
    Field,
    FieldKind,
    Flag,
    FlagKind,
    Identity,
    Layout,
    MatchStatus,
    PageRead,
    Roster,
    StickerRead,
    Student,
)
from scangrade.settings import IDENTIFY, IdentifyLimits

ROLE: Final = "student_number"

# Codes of a column beside the digits 0 to 9.
_EMPTY: Final = 10
_OPEN: Final = 11
_OTHER: Final = 12  # a character of a student's number that no grid can hold


@dataclass(frozen=True, slots=True)
class _Grid:
    """A student's number as one or more grids hold it."""

    columns: tuple[int, ...]  #: by place: a digit, `_EMPTY` or `_OPEN`
    fields: tuple[Field, ...]  #: by place
    conflict: str = ""  #: how grids contradict each other

    @property
    def inner(self) -> tuple[int, ...]:
        """The columns without those left empty at either end, which a shorter number leaves."""
        used = [place for place, one in enumerate(self.columns) if one != _EMPTY]
        return self.columns[used[0] : used[-1] + 1] if used else ()

    @property
    def number(self) -> str:
        """As read; "?" for a column without a certain digit, "" where nothing is marked."""
        return "".join(str(one) if one < _EMPTY else "?" for one in self.inner)

    @property
    def certain(self) -> bool:
        """Whether the number has no gap, no open column, and no contradiction."""
        return bool(self.inner) and not self.conflict and all(one < _EMPTY for one in self.inner)

    @property
    def short(self) -> bool:
        """Whether columns were left empty at an end."""
        return len(self.inner) < len(self.columns)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A student whose number is near to the one read."""

    student: Student
    distance: int  #: columns that differ or are open; 1 if only zeros at the start differ
    zeros: bool  #: whether only zeros at the start differ


def identify(
    answers: Mapping[str, Sequence[Answer]],
    layout: Layout,
    roster: Roster | None,
    *,
    stickers: Mapping[str, StickerRead] | None = None,
    limits: IdentifyLimits = IDENTIFY,
) -> tuple[tuple[Identity, ...], tuple[Flag, ...]]:
    """Tell whose booklets these are.

    Parameters
    ----------
    answers : mapping of booklet id to sequence of Answer
        A field whose page did not come in has no answer.
    layout : Layout
        Its digit fields with the role "student_number" are read; several grids in a booklet must agree.
    roster : Roster or None
    stickers : mapping of booklet id to StickerRead, optional
        What was read on the labels; a booklet whose page with the label did not come in is not in it.
    limits : IdentifyLimits

    Returns
    -------
    tuple of Identity
        One per booklet, in the order of `answers`.
    tuple of Flag
        One per booklet that is not certain (`UNKNOWN_STUDENT`) or that claims the same student as another (`DUPLICATE_STUDENT`).

    Notes
    -----
    A number shorter than the grid (columns empty at either end, none between) is matched when the roster has it and no longer number
    that fits the marked columns. Without a roster it is taken as it stands.
    """
    grids = _number_grids(layout)
    stickers = stickers or {}
    place = next((one for one in layout.fields if one.kind is FieldKind.STICKER), None)
    if not grids and place is None:
        return _without_grid(answers, layout)
    searches = {len(grid): _Search(roster.students if roster else (), len(grid)) for grid in grids}
    identities, flags = [], []
    for booklet, held in answers.items():
        grid = _read(held, grids)
        flag: Flag | None
        if grids:
            identity, flag = _identify_one(booklet, grid, grids, searches, limits, listed=roster is not None)
        else:
            identity, flag = Identity(booklet, MatchStatus.UNKNOWN, ""), None
        if place is not None:
            identity, flag = _with_sticker(identity, flag, grid, stickers.get(booklet), place, roster)
        identities.append(identity)
        flags += [flag] if flag else []
    checked, double = claimed_twice(identities, layout)
    return checked, (*flags, *double)


def _number_grids(layout: Layout) -> tuple[tuple[Field, ...], ...]:
    """The columns of every grid for the student number, leftmost first; the grid with the most columns first."""
    groups: dict[str, list[Field]] = defaultdict(list)
    for one in layout.fields:
        if one.kind is FieldKind.DIGIT and one.role == ROLE:
            groups[one.group].append(one)
    grids = (tuple(sorted(columns, key=lambda column: column.place)) for columns in groups.values())
    return tuple(sorted(grids, key=len, reverse=True))


def _read(answers: Sequence[Answer], grids: Sequence[Sequence[Field]]) -> _Grid | None:
    """The number that all grids of a booklet hold together; None where none of them came in."""
    by_field = {one.field: one for one in answers}
    read = [
        (tuple(_column(by_field[column.id]) for column in grid), grid)
        for grid in grids
        if all(one.id in by_field for one in grid)
    ]
    used = [(columns, grid) for columns, grid in read if any(one != _EMPTY for one in columns)]
    if not used:
        return _Grid(read[0][0], tuple(read[0][1])) if read else None
    first, fields = used[0]
    merged = list(first)
    conflict = ""
    for columns, grid in used[1:]:
        if len(columns) != len(merged):
            conflict = f"the grids on pages {fields[0].page} and {grid[0].page} have different numbers of columns"
            continue
        for place, other in enumerate(columns):
            if {merged[place], other} == {_OPEN, _EMPTY}:
                merged[place] = _OPEN
            elif merged[place] == _OPEN:
                merged[place] = other
            elif other not in (_OPEN, merged[place]):
                conflict = f"the grids on pages {fields[0].page} and {grid[0].page} differ in column {place + 1}"
    return _Grid(tuple(merged), tuple(fields), conflict)


def _column(answer: Answer) -> int:
    """A digit where exactly one box is marked and none is open, `_EMPTY` where none is marked, else `_OPEN`."""
    if answer.open or len(answer.marked) > 1:
        return _OPEN
    return int(next(iter(answer.marked))) if answer.marked else _EMPTY


def _identify_one(
    booklet: str,
    grid: _Grid | None,
    grids: Sequence[Sequence[Field]],
    searches: Mapping[int, _Search],
    limits: IdentifyLimits,
    *,
    listed: bool,
) -> tuple[Identity, Flag | None]:
    """One booklet's student, as far as it alone tells."""
    first = grids[0][0]
    if grid is None:
        detail = f"the page with the student number (page {first.page}) is missing. Find out whose booklet it is by its other pages."
        return Identity(booklet, MatchStatus.UNKNOWN, ""), _unknown(booklet, detail, first.page, first.group)
    if grid.certain and not listed:
        return Identity(booklet, MatchStatus.NO_ROSTER, grid.number), None
    search = searches[len(grid.columns)]
    fault = _fault(grid)
    if not fault:
        exact = search.exact(grid.number)
        longer = search.longer(grid) if grid.short else ()
        if len(exact) == 1 and not longer:
            return Identity(booklet, MatchStatus.MATCHED, grid.number, exact[0]), None
        fault = "longer numbers of the roster fit as well" if exact and longer else "nobody on the roster has it"
        fault = fault if len(exact) < 2 else "several students of the roster have it"
    near = search.near(grid, limits)
    open_fields = [field for field, one in zip(grid.fields, grid.columns, strict=True) if one == _OPEN]
    where = open_fields[0].id if len(open_fields) == 1 else first.group
    advice = _offer(near, search) if listed else "Read the number on the page and enter it."
    number = f"student number {grid.number}" if grid.number else "student number"
    identity = Identity(booklet, MatchStatus.UNKNOWN, grid.number, candidates=tuple(one.student for one in near))
    return identity, _unknown(booklet, f"{number}: {fault}. {advice}", grid.fields[0].page, where)


def _with_sticker(
    identity: Identity, flag: Flag | None, grid: _Grid | None, sticker: StickerRead | None, place: Field, roster: Roster | None
) -> tuple[Identity, Flag | None]:
    """One booklet's student by its label and what the grid alone tells; a form without a grid brings no flag."""
    booklet = identity.booklet
    read = sticker or StickerRead()
    word = word_of(read, roster)
    by_grid = identity.number if identity.status is not MatchStatus.UNKNOWN else ""
    number = word.number or by_grid
    other = contradicts(read.printed, number, roster) if number else ""
    same = not word.number or (_fits(grid, word.number) and by_grid in ("", word.number))
    if same and not word.fault and not other:
        if by_grid:
            return identity, None
        if word.number:
            status = MatchStatus.MATCHED if word.student else MatchStatus.NO_ROSTER
            return Identity(booklet, status, word.number, word.student), None
    code, printed = as_words(read)
    named = [word.student, *word.candidates, identity.student, *printed_of(read.printed, roster), *identity.candidates]
    candidates = tuple(dict.fromkeys(one for one in named if one is not None))
    if not code and not other:
        if flag is not None:
            return replace(identity, candidates=candidates), _also_printed(flag, printed)
        return _unread_sticker(booklet, sticker, printed, candidates, place)
    said = (
        [f"the sticker's code says {code}" + (f", which {word.fault}" if word.fault else _name_of(word.student))]
        if code
        else []
    )
    said += [f"the number printed on it is {printed}"] if printed else []
    if grid is not None and grid.inner:
        said.append(f"the grid has {grid.number}{f' ({grid.conflict})' if grid.conflict else ''}{_name_of(identity.student)}")
    likely = candidates[: IDENTIFY.most_candidates]
    offer = f"It could be {'; '.join(_person(one) for one in likely)}. " if likely else ""
    detail = f"{', '.join(said)}. {offer}Look at the sticker on page {place.page} and say whose booklet it is."
    read_as = word.number or (as_number(read.codes[0].text) if read.codes else "") or identity.number
    unknown = Identity(booklet, MatchStatus.UNKNOWN, read_as, candidates=candidates)
    return unknown, _unknown(booklet, detail, place.page, place.id)


def _also_printed(flag: Flag, printed: str) -> Flag:
    """A grid's flag with the only word of a label whose code could not be read."""
    return replace(flag, detail=f"{flag.detail} The sticker has the number {printed} printed on it.") if printed else flag


def _unread_sticker(
    booklet: str, sticker: StickerRead | None, printed: str, candidates: tuple[Student, ...], place: Field
) -> tuple[Identity, Flag]:
    """A form without a grid, and a label without a code that could be read."""
    if sticker is None:
        detail = f"the sticker on page {place.page} was not read, or the page is missing: say whose booklet it is."
    elif printed:
        whose = f", which is {'; '.join(_person(one) for one in candidates)}" if candidates else ""
        detail = f"the code on the sticker could not be read, only the number printed on it: {printed}{whose}."
        detail += f" Look at the sticker on page {place.page} and say whose booklet it is."
    else:
        detail = f"the sticker could not be read; look at the sticker on page {place.page} and say whose booklet it is."
    number = sticker.printed[0] if sticker and sticker.printed else ""
    return Identity(booklet, MatchStatus.UNKNOWN, number, candidates=candidates), _unknown(
        booklet, detail, place.page, place.id
    )


def _fits(grid: _Grid | None, number: str) -> bool:
    """Whether no column that is marked for certain contradicts a number; columns left empty or open say nothing."""
    if grid is None or not grid.inner:
        return True
    if grid.conflict:
        return False
    columns = grid.columns
    return any(
        all(
            one >= _EMPTY or (0 <= place - start < len(number) and number[place - start] == str(one))
            for place, one in enumerate(columns)
        )
        for start in range(len(columns) - len(number) + 1)
    )


def _name_of(student: Student | None) -> str:
    name = ", ".join(part for part in (student.last_name, student.first_name) if part) if student else ""
    return f": {name}" if name else ""


def _fault(grid: _Grid) -> str:
    """Why a number cannot be relied on, "" if it can."""
    if not grid.inner:
        return "nothing is marked"
    if grid.conflict:
        return grid.conflict
    start = next(place for place, one in enumerate(grid.columns, 1) if one != _EMPTY)
    faults = [
        f"column {place} is {'empty' if one == _EMPTY else 'not certain'}"
        for place, one in enumerate(grid.inner, start)
        if one >= _EMPTY
    ]
    return ", ".join(faults)


def _offer(near: Sequence[_Candidate], search: _Search) -> str:
    if not near:
        return "Nobody on the roster has a number like it. Find out whose booklet it is by the name on it."
    if near[0].distance <= 1 and (len(near) == 1 or near[1].distance > 1):
        return f"Only {_person(near[0].student)} comes near ({search.reason(near[0])}). Confirm it, or say who it is."
    return f"It could be {'; '.join(f'{_person(one.student)} ({search.reason(one)})' for one in near)}. Say who it is."


def _person(student: Student) -> str:
    name = ", ".join(part for part in (student.last_name, student.first_name) if part)
    return f"{student.number} {name}".rstrip()


def _unknown(booklet: str, detail: str, page: int, field: str) -> Flag:
    return Flag(FlagKind.UNKNOWN_STUDENT, detail, booklet, page, field=field)


def claimed_twice(identities: Sequence[Identity], layout: Layout) -> tuple[tuple[Identity, ...], tuple[Flag, ...]]:
    """Booklets whose number another booklet has too: both are flagged, neither is preferred.

    Parameters
    ----------
    identities : sequence of Identity
        Each as its booklet alone tells: none is `DUPLICATE`.
    layout : Layout

    Returns
    -------
    tuple of Identity
        In the same order.
    tuple of Flag
        One of `FlagKind.DUPLICATE_STUDENT` per booklet concerned.
    """
    first = next(iter(_number_grids(layout)), (None,))[0]
    first = first or next((one for one in layout.fields if one.kind is FieldKind.STICKER), None)
    page, group = (first.page, first.group or first.id) if first else (0, "")
    stuck = any(one.kind is FieldKind.STICKER for one in layout.fields)
    claims: dict[str, list[str]] = defaultdict(list)
    sure = (MatchStatus.MATCHED, MatchStatus.NO_ROSTER)
    for one in identities:
        if one.status in sure and one.number:
            claims[one.number].append(one.booklet)
    checked, flags = [], []
    for one in identities:
        claimed = claims[one.number] if one.status in sure and one.number else []
        others = [other for other in claimed if other != one.booklet]
        checked.append(replace(one, status=MatchStatus.DUPLICATE) if others else one)
        if others:
            whose = _person(one.student) if one.student else one.number
            detail = (
                f"student number {one.number}: {', '.join(others)} and this booklet are both "
                + (f"{whose}'s by what was read on them." if stuck else f"marked as {whose}'s.")
                + " Look at the names on them and say whose each is."
            )
            flags.append(Flag(FlagKind.DUPLICATE_STUDENT, detail, one.booklet, page, field=group))
    return tuple(checked), tuple(flags)


def _without_grid(answers: Iterable[str], layout: Layout) -> tuple[tuple[Identity, ...], tuple[Flag, ...]]:
    """A form that identifies its student by handwriting, or not at all."""
    where = next((one for one in layout.fields if one.kind is FieldKind.TEXT and one.role in (ROLE, "name")), None)
    detail = "the form has no grid for the student number"
    if where is not None:
        detail += f"; look at the handwriting on page {where.page}"
    page, field = (where.page, where.id) if where else (0, "")
    identities = tuple(Identity(booklet, MatchStatus.UNKNOWN, "") for booklet in answers)
    return identities, tuple(
        _unknown(one.booklet, f"{detail} and say whose booklet it is.", page, field) for one in identities
    )


@dataclass(frozen=True, slots=True)
class Testimony:
    """What one witness says about whose booklet it is, for people."""

    witness: str
    word: str


def words_of_witnesses(
    booklet: Booklet, answers: Sequence[Answer], layout: Layout, roster: Roster | None
) -> tuple[Testimony, ...]:
    """What grid, label and page codes say of a booklet, each by itself; a witness that the form does not have is not named.

    Parameters
    ----------
    booklet : Booklet
    answers : sequence of Answer
    layout : Layout
    roster : Roster or None
    """
    said = []
    grids = _number_grids(layout)
    if grids:
        grid = _read(answers, grids)
        word = "its page is missing" if grid is None else grid.conflict or grid.number or "nothing is marked"
        said.append(Testimony("Grid", word + (_whose(grid.number, roster) if grid and grid.certain else "")))
    if any(one.kind is FieldKind.STICKER for one in layout.fields):
        read = [
            page.result.sticker for page in booklet.pages.values() if isinstance(page.result, PageRead) and page.result.sticker
        ]
        sticker = read[0] if read else StickerRead()
        code, printed = as_words(sticker)
        by_code = word_of(sticker, roster)
        whose = _name_of(by_code.student) or (f", which {by_code.fault}" if by_code.fault else "")
        said.append(Testimony("Sticker's code", f"{code}{whose}" if code else "not read"))
        said.append(Testimony("Printed on the sticker", printed + _whose(printed, roster) if printed else "not read"))
    copies = sorted({page.result.copy for page in booklet.pages.values() if isinstance(page.result, PageRead)} - {""})
    if copies:
        said.append(Testimony("Page codes", f"copy {', '.join(copies)}"))
    return tuple(said)


def _whose(number: str, roster: Roster | None) -> str:
    """The name of the student with this number, as it follows the number; that there is none, if so."""
    if roster is None:
        return ""
    found = [one for one in roster.students if one.number == number]
    return _name_of(found[0]) if len(found) == 1 else ", which nobody on the roster has" if not found else ""


class _Search:
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
                rows.append((*[_EMPTY] * offset, *codes, *[_EMPTY] * (width - offset - len(codes))))
                owners.append(index)
        self._rows: NDArray[np.uint8] = np.array(rows, dtype=np.uint8).reshape(-1, width)
        self._owners: NDArray[np.intp] = np.array(owners, dtype=np.intp)

    def exact(self, number: str) -> tuple[Student, ...]:
        """Students with exactly this number."""
        return tuple(self._by_number.get(number, ()))

    def longer(self, grid: _Grid) -> tuple[Student, ...]:
        """Students whose number has more digits and agrees with every marked column of a grid with empty columns at an end."""
        read = np.array(grid.columns, dtype=np.uint8)
        agrees = ((self._rows == read) | (read == _EMPTY)).all(axis=1) & (self._rows != read).any(axis=1)
        found = dict.fromkeys(self._owners[agrees].tolist())
        return tuple(one for index in found if len((one := self._students[index]).number) > len(grid.inner))

    def near(self, grid: _Grid, limits: IdentifyLimits) -> list[_Candidate]:
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
            found.append((1 if zeros else distance, owner, _Candidate(student, 1 if zeros else distance, zeros)))
        return [one for _, _, one in sorted(found, key=lambda item: item[:2])][: limits.most_candidates]

    def reason(self, candidate: _Candidate) -> str:
        """How a student's number compares to the one read, for people."""
        if candidate.zeros:
            return "the same number but for zeros at its start, which spreadsheets drop: correct the roster if so"
        if candidate.distance == 0:
            return "the same number"
        return f"{candidate.distance} of {self._width} columns not the same"
