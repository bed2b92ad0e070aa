"""Whose row is whose, in another system's file: by student number, e-mail or login, never by likeness; by name only if that is asked for.

A row counts for a student only where nothing contradicts it: its other ids point to nobody else, no second row does so too, and the
name beside the number, in a script that can be compared, is not a stranger's. Everything else is said, with what it nearly was.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from rapidfuzz.distance import OSA

from scangrade.errors import UsageError, near_miss
from scangrade.export.dialects import Dialect, Holds, IdColumn, plain
from scangrade.export.foreign import ForeignRow
from scangrade.export.results import Result
from scangrade.model import Student
from scangrade.settings import EXPORT

_PROTECTED: Final = re.compile(r'="(.*)"')  # how ids are kept from spreadsheets that drop zeros
_ROUNDED: Final = re.compile(r"\d([.,]\d+)?E\+\d+", re.IGNORECASE)
_LAST_NUMBER: Final = re.compile(r"\D+(\d+)")
_SHOWN: Final = 6  # heads named in a message


class Whose(StrEnum):
    """Whether a row is a student's, and if not, why."""

    MATCHED = "matched"
    TWICE = "twice"  #: another row is the same student's
    CONFLICT = "conflict"  #: its ids are two students', or one of them is nobody's
    OTHER_NAME = "other_name"  #: the name beside the number is another one
    STRANGER = "stranger"  #: nobody in this run
    NO_STUDENT = "no_student"  #: maxima, settings, a test student


@dataclass(frozen=True, slots=True)
class Claimed:
    """A row of the file, and whose it is."""

    row: int  #: index among the rows, 0 being the heads
    line: int
    told: str  #: id and name as the file has them
    whose: Whose
    student: Student | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Matched:
    """Whose rows these are."""

    by: str  #: head of the column that decided
    rows: tuple[Claimed, ...]  #: all but the head row
    missing: tuple[tuple[Student, str], ...]  #: students with a booklet of whom the file has no row, and what may be theirs


def match_rows(
    rows: Sequence[ForeignRow], dialect: Dialect, results: Sequence[Result], *, by: str = "", trust_numbers: bool = False
) -> Matched:
    """Find the student of every row.

    Parameters
    ----------
    rows : sequence of ForeignRow
        The head row first.
    dialect : Dialect
    results : sequence of Result
    by : str
        Head of the column that tells students apart, where it is not one that the dialect knows. It may also hold logins as in e-mail
        addresses, words with a number after them, or whole names that one student only has.
    trust_numbers : bool
        Take a row also where the name beside the number is another one.

    Raises
    ------
    UsageError
        If no column tells students apart, or none of its rows is a student of this run.
    """
    heads = rows[0].cells
    people = _People.of(results)
    columns = _id_columns(heads, dialect, by)
    names = _NameColumns.of(heads, dialect)
    body = [(index, row) for index, row in enumerate(rows) if index]
    students = [(index, row) for index, row in body if not _is_furniture(row, dialect)]
    deciding = _deciding(students, heads, columns, people)
    numbers = _number_column(students, columns, deciding, people)
    found = []
    for index, row in body:
        if _is_furniture(row, dialect):
            found.append(Claimed(index, row.line, row.cells[0].strip(), Whose.NO_STUDENT))
        else:
            found.append(_claim(index, row, deciding, numbers, columns, names, people, trust_numbers=trust_numbers))
    counted = Counter(one.student.number for one in found if one.student is not None and one.whose is not Whose.CONFLICT)
    claimed = []
    for one in found:
        if one.student is not None and one.whose is not Whose.CONFLICT and counted[one.student.number] > 1:
            lines = [other.line for other in found if other.student == one.student]
            detail = f"lines {' and '.join(str(line) for line in lines)} are the same student's"
            claimed.append(Claimed(one.row, one.line, one.told, Whose.TWICE, one.student, detail))
        else:
            claimed.append(one)
    there = {one.student.number for one in claimed if one.student is not None}
    wanted = {one.student.number: one.student for one in results if one.student is not None and one.booklet}
    left = [(one, rows[one.row]) for one in claimed if one.whose is Whose.STRANGER]
    missing = tuple(
        (student, _nearest(student, left, deciding, names)) for number, student in wanted.items() if number not in there
    )
    return Matched(heads[deciding.column], tuple(claimed), missing)


# --------------------------------------------------------------------------- people


@dataclass(frozen=True, slots=True)
class _People:
    """Students of this run, by what may stand in a file."""

    numbers: Mapping[str, Student]
    emails: Mapping[str, Student]
    locals: Mapping[str, Student]  #: by what stands before the @ of their address, where that is one student's only
    names: Mapping[frozenset[str], Student]  #: by the words of their name, where one student only has these

    @classmethod
    def of(cls, results: Iterable[Result]) -> _People:
        students = {one.student.number: one.student for one in results if one.student is not None}
        emails, parts, names = defaultdict(list), defaultdict(list), defaultdict(list)
        for one in students.values():
            names[frozenset(_name_words(f"{one.first_name} {one.last_name}"))].append(one)
            if one.email:
                emails[one.email.strip().casefold()].append(one)
                parts[one.email.strip().casefold().partition("@")[0]].append(one)
        return cls(
            {number.casefold(): one for number, one in students.items()},
            {email: held[0] for email, held in emails.items() if len(held) == 1},
            {part: held[0] for part, held in parts.items() if len(held) == 1},
            {words: held[0] for words, held in names.items() if len(held) == 1 and len(words) > 1},
        )


@dataclass(frozen=True, slots=True)
class _Id:
    """A column that tells students apart."""

    column: int
    holds: Holds | None  #: None: the user named it, and it may hold any of these

    def student(self, cell: str, people: _People) -> Student | None:
        key = _bare(cell).casefold()
        if not key:
            return None
        numbers, emails = people.numbers.get(key), people.emails.get(key)
        if self.holds is Holds.NUMBER:
            return numbers
        if self.holds is Holds.EMAIL:
            return emails
        if self.holds is Holds.LOGIN:
            return numbers or emails
        last = _LAST_NUMBER.fullmatch(key)  # "Participant 4711", where 4711 is what the class list calls the student
        number = people.numbers.get(last[1]) if last else None
        return numbers or emails or people.locals.get(key) or number or people.names.get(frozenset(_name_words(key)))


def _bare(cell: str) -> str:
    """An id without what was put around it so that spreadsheets leave its zeros alone."""
    text = cell.strip()
    protected = _PROTECTED.fullmatch(text)
    return (protected[1] if protected else text).removeprefix("#").strip()


def _id_columns(heads: Sequence[str], dialect: Dialect, by: str) -> list[_Id]:
    known = [plain(head) for head in heads]
    columns = [_Id(known.index(head), one.holds) for one in dialect.ids for head in one.heads if head in known]
    if by:
        found = [index for index, head in enumerate(heads) if head.strip() == by.strip()]
        found = found or [index for index, head in enumerate(known) if head == plain(by)]
        if len(found) != 1:
            why = "is there more than once" if found else "is not there"
            close = near_miss(by, [head for head in heads if head.strip()])
            raise UsageError(f"--match {by}: this column {why}. {close or f'The file has {_some(heads)}.'}")
        return [_Id(found[0], None), *(one for one in columns if one.column != found[0])]
    if not columns:
        hint = ""
        if "moodle" in dialect.name:
            hint = " A worksheet of an assignment with anonymous submissions has none: reveal the identities there, and download it again."
        raise UsageError(
            f"No column of the file says whose row is whose: {dialect.system} has it in {_heads_told(dialect.ids)}."
            f"{hint} Or name the column that holds student numbers or e-mail addresses with `--match`; the file has {_some(heads)}."
        )
    return columns


def _heads_told(ids: Sequence[IdColumn]) -> str:
    words = {Holds.NUMBER: "a student number", Holds.EMAIL: "an e-mail address", Holds.LOGIN: "a login"}
    return ", ".join(dict.fromkeys(words[one.holds] for one in ids))


def _some(heads: Sequence[str]) -> str:
    told = [repr(head) for head in heads if head.strip()]
    more = len(told) - _SHOWN
    return ", ".join(told[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _deciding(rows: Sequence[tuple[int, ForeignRow]], heads: Sequence[str], columns: Sequence[_Id], people: _People) -> _Id:
    """The column by which most rows are students of this run; the best one of several."""
    if columns[0].holds is None:
        chosen, most = columns[0], _count(rows, columns[0], people)
    else:
        chosen = max(columns, key=lambda one: _count(rows, one, people))
        most = _count(rows, chosen, people)
    if not most:
        held = next((_cell(row, chosen.column).strip() for _, row in rows if _cell(row, chosen.column).strip()), "")
        ours = next(iter(people.numbers), "nobody")
        address = next(iter(people.emails), "")
        raise UsageError(
            f"None of the {len(rows)} rows is a student of this run: the file has for example {held!r} in the column"
            f" {heads[chosen.column]!r}, the run {ours!r}{f' and {address!r}' if address else ''}. Is it the file of another"
            f" course? If another column holds these, name it with `--match`; the file has {_some(heads)}."
        )
    return chosen


def _number_column(
    rows: Sequence[tuple[int, ForeignRow]], columns: Sequence[_Id], deciding: _Id, people: _People
) -> _Id | None:
    """Where another column decides: the one that holds our student numbers too, so that one which is nobody's is a contradiction.

    Some systems have other numbers under such a head, which then say nothing.
    """
    least = _count(rows, deciding, people) / 2
    others = [one for one in columns if one is not deciding and one.holds is Holds.NUMBER]
    return next((one for one in others if _count(rows, one, people) >= least), None)


def _count(rows: Sequence[tuple[int, ForeignRow]], one: _Id, people: _People) -> int:
    return sum(one.student(_cell(row, one.column), people) is not None for _, row in rows)


def _cell(row: ForeignRow, column: int) -> str:
    return row.cells[column] if column < len(row.cells) else ""


# --------------------------------------------------------------------------- rows


def _is_furniture(row: ForeignRow, dialect: Dialect) -> bool:
    first = row.cells[0]
    if dialect.max_row is not None and dialect.max_row.fullmatch(first):
        return True
    if dialect.idle_cell is not None and all(dialect.idle_cell.fullmatch(cell) for cell in row.cells):
        return True
    return first.strip() in dialect.test_students


def _claim(
    index: int,
    row: ForeignRow,
    deciding: _Id,
    numbers: _Id | None,
    columns: Sequence[_Id],
    names: _NameColumns,
    people: _People,
    *,
    trust_numbers: bool,
) -> Claimed:
    own = _bare(_cell(row, deciding.column))
    name = names.of_row(row)
    told = " ".join(dict.fromkeys(filter(None, (own or "(no id)", name))))
    student = deciding.student(own, people)
    others = {one.column: one.student(_cell(row, one.column), people) for one in columns if one is not deciding}
    elsewhere = next((one for one in others.values() if one is not None and one != student), None)
    told_number = _bare(_cell(row, numbers.column)) if numbers is not None else ""
    unknown = told_number if numbers is not None and others.get(numbers.column) is None else ""
    if student is None and deciding.holds in (Holds.NUMBER, None):
        unknown = own  # an address may be another one of the same person's, a number may not
    found = student or elsewhere
    if unknown and found is not None:
        detail = f"{unknown!r} is nobody's, but another column is that of {told_student(found)}"
        return Claimed(index, row.line, told, Whose.CONFLICT, found, detail)
    if student is not None and elsewhere is not None:
        detail = f"one column is that of {told_student(student)}, another that of {told_student(elsewhere)}"
        return Claimed(index, row.line, told, Whose.CONFLICT, student, detail)
    student = student or elsewhere
    if student is None:
        detail = (
            "a spreadsheet has rounded the number: export the file again, and do not save it there"
            if _ROUNDED.fullmatch(own)
            else ""
        )
        return Claimed(index, row.line, told, Whose.STRANGER, None, detail)
    if not trust_numbers and not alike(name, f"{student.first_name} {student.last_name}"):
        return Claimed(index, row.line, told, Whose.OTHER_NAME, student, f"in this run it is {told_student(student)}")
    return Claimed(index, row.line, told, Whose.MATCHED, student)


def told_student(student: Student) -> str:
    """A student as messages name them."""
    name = f"{student.first_name} {student.last_name}".strip()
    return f"{name} ({student.number})" if name else student.number


@dataclass(frozen=True, slots=True)
class _NameColumns:
    """Where names stand."""

    columns: tuple[int, ...]

    @classmethod
    def of(cls, heads: Sequence[str], dialect: Dialect) -> _NameColumns:
        known = [plain(head) for head in heads]

        def find(names: Sequence[str]) -> tuple[int, ...]:
            return next(((known.index(name),) for name in names if name in known), ())

        return cls(find(dialect.first_names) + find(dialect.last_names) or find(dialect.full_names))

    def of_row(self, row: ForeignRow) -> str:
        words = [_cell(row, column).strip() for column in self.columns]
        protected = [_PROTECTED.fullmatch(word) for word in words]
        return " ".join(found[1] if found else word for found, word in zip(protected, words, strict=True) if word)


def alike(one: str, other: str) -> bool:
    """Whether two names can be the same person's: they share a word, or cannot be compared, being blank or of different scripts.

    Examples
    --------
    >>> alike("Müller-Lüdenscheidt, Anna", "Anna Muller"), alike("Ada Lovelace", "Grace Hopper"), alike("李 小龙", "Xiaolong Li")
    (True, False, True)
    """
    first, second = _name_words(one), _name_words(other)
    if not first or not second or _scripts(first).isdisjoint(_scripts(second)):
        return True
    whole, other_whole = "".join(second), "".join(first)
    return any(word in whole for word in first) or any(word in other_whole for word in second)


def _name_words(name: str) -> tuple[str, ...]:
    """Words of a name without case and accents; single Latin letters, being initials, tell nothing."""
    spread = unicodedata.normalize("NFKD", name).casefold()
    bare = "".join(one for one in spread if not unicodedata.combining(one))
    words = re.findall(r"[^\W\d_]+", bare)
    return tuple(word for word in words if len(word) > 1 or not word.isascii())


def _scripts(words: Iterable[str]) -> frozenset[str]:
    return frozenset(unicodedata.name(word[0], "?").partition(" ")[0] for word in words)


def _nearest(student: Student, strangers: Sequence[tuple[Claimed, ForeignRow]], deciding: _Id, names: _NameColumns) -> str:
    """What the file has that may be a student who is not on it; "" for nothing."""
    name = set(_name_words(f"{student.first_name} {student.last_name}"))
    for one, row in strangers:
        own = _bare(_cell(row, deciding.column))
        if own and own.lstrip("0") == student.number.lstrip("0"):
            return f"line {one.line} has {one.told}: a spreadsheet has dropped the zeros. Export the file again"
        near = OSA.distance(own.casefold(), student.number.casefold(), score_cutoff=EXPORT.near_number) <= EXPORT.near_number
        same_name = len(name) > 1 and name == set(_name_words(names.of_row(row)))
        if same_name or (own and near and len(student.number) > 2 * EXPORT.near_number):
            return f"line {one.line} has {one.told}: perhaps meant? Correct it there, or in the class list"
    return ""
