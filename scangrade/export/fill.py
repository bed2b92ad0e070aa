"""Filling another system's file: which value goes into which cell, and what becomes of everybody else.

Pure: rows and results in, values and an account of every row and every booklet out. What the other system would drop, cap or
misunderstand without a word is refused here, or done in sight, with the names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Final

from scangrade.errors import UsageError
from scangrade.export.dialects import Dialect, Fate, Quantity, plain
from scangrade.export.foreign import Foreign, ForeignRow, Place, Written, as_number
from scangrade.export.match import Claimed, Whose, match_rows, told_student
from scangrade.export.results import Result
from scangrade.grades.cells import is_formula
from scangrade.grades.gradebook import Status
from scangrade.grades.rounding import rounded
from scangrade.model import Student
from scangrade.settings import EXPORT

_BLANK: Final = ("", "-")  # what stands in the cell of a student without a grade
_PLACE: Final = re.compile(r"#(\d{1,5})")
_HARMLESS: Final = re.compile(r"[-+]?[\d\s().,/:-]*")  # numbers, dates and telephone numbers


class Outcome(StrEnum):
    """What became of a row, or of a student or booklet without one."""

    WRITTEN = "written"
    SAME = "same"  #: the value stood there already
    NO_BOOKLET = "no_booklet"
    NO_STUDENT = "no_student"  #: a row of maxima or settings, or a test student
    STRANGER = "stranger"  #: nobody in this run
    OPEN = "open"  #: flags can still change the points
    CLAIMED = "claimed"  #: two booklets claim the student
    TWICE = "twice"
    CONFLICT = "conflict"
    OTHER_NAME = "other_name"
    OTHER_VALUE = "other_value"  #: the cell holds another value
    LOCKED = "locked"  #: the other system takes no grade for it
    NO_GRADE = "no_grade"  #: the grade scale gives none
    NOT_ON_FILE = "not_on_file"  #: a booklet's student of whom the file has no row
    NOBODYS = "nobodys"  #: a booklet of which nobody knows whose it is


#: What a decision in the review can settle.
UNDECIDED: Final = (Outcome.OPEN, Outcome.CLAIMED, Outcome.NOBODYS)

#: What a person must look at.
WAITING: Final = (
    *UNDECIDED,
    Outcome.TWICE,
    Outcome.CONFLICT,
    Outcome.OTHER_NAME,
    Outcome.OTHER_VALUE,
    Outcome.LOCKED,
    Outcome.NO_GRADE,
    Outcome.NOT_ON_FILE,
)

_OF_ROW: Final = {
    Whose.TWICE: Outcome.TWICE,
    Whose.CONFLICT: Outcome.CONFLICT,
    Whose.OTHER_NAME: Outcome.OTHER_NAME,
    Whose.STRANGER: Outcome.STRANGER,
    Whose.NO_STUDENT: Outcome.NO_STUDENT,
}


@dataclass(frozen=True, slots=True)
class FillOptions:
    """What the user asks for."""

    quantity: Quantity | None = None  #: None: what the system usually takes
    column: str = ""  #: to write into: its head, or a part of it that no other one has
    match: str = ""  #: column that tells students apart
    decimal: str = ""  #: "." or ","; "" as the file's own numbers, or the system, have it
    replace: bool = False  #: write over other values
    clamp: bool = False  #: write 0 for less, and the maximum for more
    trust_numbers: bool = False


@dataclass(frozen=True, slots=True)
class ExamPoints:
    """What points mean in this exam."""

    total: Fraction
    places: int  #: decimals of what is converted
    shown: Callable[[Fraction], str]  #: points as the rubric rounds them, once
    has_grades: bool = False  #: whether results have them


@dataclass(frozen=True, slots=True)
class Handled:
    """What became of one row, student or booklet."""

    outcome: Outcome
    told: str  #: who, for people
    line: int = 0  #: in the file; 0 for none
    value: str = ""  #: that was written, or would have been
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Filled:
    """Values for a file, and an account of all its rows and all booklets."""

    column: str  #: head of the column written into
    matched_by: str
    quantity: Quantity
    maximum: Fraction | None  #: as the file states it
    decimal: str
    values: Mapping[Place, Written]
    handled: tuple[Handled, ...]
    notes: tuple[str, ...]

    def count(self, *outcomes: Outcome) -> int:
        """How many came out so."""
        return sum(one.outcome in outcomes for one in self.handled)


def fill(foreign: Foreign, dialect: Dialect, results: Sequence[Result], exam: ExamPoints, options: FillOptions) -> Filled:
    """Find the value of every row of another system's file.

    Parameters
    ----------
    foreign : Foreign
    dialect : Dialect
    results : sequence of Result
        All of this run.
    exam : ExamPoints
    options : FillOptions

    Raises
    ------
    UsageError
        If the column or the students are not certain, the file counts to another maximum than the exam, or some points are out of
        the range that the system takes.
    """
    rows = foreign.rows
    quantity = _quantity(dialect, exam, options)
    column = choose_column(rows[0].cells, dialect, quantity, options.column)
    matched = match_rows(rows, dialect, results, by=options.match, trust_numbers=options.trust_numbers)
    if rows[0].cells[column] == matched.by:
        raise UsageError(f"The column {matched.by!r} tells students apart; grades cannot be written into it.")
    _check_widths(foreign, [one for one in matched.rows if one.whose is not Whose.NO_STUDENT])
    maximum = _maximum(foreign, dialect, column, [one.row for one in matched.rows if one.whose is not Whose.NO_STUDENT])
    _check_maximum(maximum, quantity, exam, rows[0].cells[column])
    decimal = options.decimal or _decimal_of(foreign, dialect, column) or dialect.decimal
    valued = _Values(quantity, exam, maximum, dialect, options.clamp)
    by_student: dict[str, list[Result]] = {}
    for result in results:
        if result.student is not None:
            by_student.setdefault(result.student.number, []).append(result)
    locked = _locked(rows[0].cells, dialect)
    values: dict[Place, Written] = {}
    handled = []
    for one in matched.rows:
        if one.whose is not Whose.MATCHED or one.student is None:
            handled.append(Handled(_OF_ROW[one.whose], one.told, one.line, detail=one.detail))
            continue
        row = rows[one.row]
        done, written = _handle(one, row, by_student[one.student.number], valued, column, locked, decimal, options)
        handled.append(done)
        if written is not None:
            values[one.row, column] = written
    handled += [_not_on_file(student, near, by_student[student.number]) for student, near in matched.missing]
    handled += [
        Handled(Outcome.NOBODYS, f"booklet {one.booklet}", detail=one.waits_for) for one in results if one.student is None
    ]
    notes = list(valued.notes())
    if maximum is None and quantity is not Quantity.GRADE:
        counts = rounded(exam.total if quantity is Quantity.POINTS else Fraction(100), exam.places)
        notes.insert(0, f"The file does not say what {rows[0].cells[column]!r} counts to: it must be {counts} there.")
    return Filled(
        rows[0].cells[column],
        matched.by,
        quantity,
        maximum,
        decimal,
        values,
        tuple(handled),
        (*notes, *_dangerous(foreign), *_foreign_delimiter(foreign, dialect)),
    )


# --------------------------------------------------------------------------- the column


def choose_column(heads: Sequence[str], dialect: Dialect, quantity: Quantity, wanted: str) -> int:
    """The column to write into.

    Raises
    ------
    UsageError
        If it is none of those that the system takes, or it is not certain which.
    """
    scale = next((head for head in heads if plain(head) in dialect.scale_heads), "")
    if scale and quantity is not Quantity.GRADE:
        raise UsageError(
            f"The file takes words of a scale (column {scale!r}), not {quantity.value}. Set points there and export again."
        )
    pattern = dialect.columns[quantity]
    fitting = [index for index, head in enumerate(heads) if head.strip() and pattern.fullmatch(head)]
    if wanted:
        found = _named(heads, wanted)
        among = [one for one in found if one in fitting]
        if len(among) == 1:
            return among[0]
        if len(found) == 1:
            raise UsageError(
                f"--column {wanted}: {dialect.system} takes no {quantity.value} in {heads[found[0]]!r}. The head of such a"
                f" column is {dialect.column_hint}. Where the system speaks a language that we do not know, use `--format table`."
                f"{_listed(heads, fitting)}"
            )
        why = "several columns are called so" if found else "no column is called so"
        raise UsageError(f"--column {wanted}: {why}.{_listed(heads, found or fitting)}")
    if dialect.name == "table":
        raise UsageError(f"Say with `--column` into which column of the file to write.{_listed(heads, range(len(heads)))}")
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise UsageError(f"Several columns can take the {quantity.value}: name one with `--column`.{_listed(heads, fitting)}")
    raise UsageError(
        f"No column of the file can take {quantity.value}; its head would be {dialect.column_hint}."
        f" Was the exam made as a grade item there before the export?{_listed(heads, range(len(heads)))}"
    )


def _named(heads: Sequence[str], wanted: str) -> list[int]:
    """Columns of this head; else of one like it; else with this in it. "#7" is the seventh, where heads are the same."""
    place = _PLACE.fullmatch(wanted.strip())
    if place and 1 <= int(place[1]) <= len(heads):
        return [int(place[1]) - 1]
    exact = [index for index, head in enumerate(heads) if head.strip() == wanted.strip()]
    like = [index for index, head in enumerate(heads) if plain(head) == plain(wanted)]
    within = [index for index, head in enumerate(heads) if plain(wanted) and plain(wanted) in plain(head)]
    return exact or like or within


def _listed(heads: Sequence[str], columns: Sequence[int]) -> str:
    there = [column for column in columns if heads[column].strip()]
    several = len({heads[column] for column in there}) < len(there)
    told = [f"\n  {f'#{column + 1} ' if several else ''}{heads[column]}" for column in there]
    more = len(told) - EXPORT.most_named
    return "".join(told[: EXPORT.most_named]) + (f"\n  and {more} more" if more > 0 else "")


def _quantity(dialect: Dialect, exam: ExamPoints, options: FillOptions) -> Quantity:
    wanted = options.quantity or next(one for one in dialect.quantities if one is not Quantity.GRADE or exam.has_grades)
    if options.quantity is None and wanted is not dialect.quantities[0] and not options.column:
        raise UsageError(
            f"{dialect.system} takes grades, and the rubric has no grade scale. Add one, or write points with"
            " `--value points` where the file has a column for them."
        )
    if wanted is Quantity.GRADE and not exam.has_grades:
        raise UsageError("--value grade: the rubric has no grade scale. Add one, and score the run again.")
    return wanted


def _check_widths(foreign: Foreign, claimed: Sequence[Claimed]) -> None:
    """A cell that holds the delimiter without quotes would shift all that follow into other columns."""
    width = len(foreign.rows[0].cells)
    for one in claimed:
        cells = foreign.rows[one.row].cells
        if len(cells) < width or any(cell.strip() for cell in cells[width:]):
            raise UsageError(
                f"{foreign.name}:{one.line}: the row has {len(cells)} cells, the head row {width}. Export the file again;"
                " a cell with the delimiter in it must be in quotes."
            )


def _maximum(foreign: Foreign, dialect: Dialect, column: int, students: Sequence[int]) -> Fraction | None:
    """What the file says that the column counts to; None where it says nothing."""
    rows = foreign.rows
    head = rows[0].cells[column]
    told = dialect.columns[Quantity.POINTS].fullmatch(head)
    stated = {(told.groupdict().get("max") or "") if told else ""}
    for row in rows[1:]:
        if dialect.max_row is not None and dialect.max_row.fullmatch(row.cells[0]) and column < len(row.cells):
            cell = row.cells[column]
            if dialect.read_only is not None and dialect.read_only.fullmatch(cell):
                raise UsageError(f"The column {head!r} is read-only in {dialect.system}. Name another one with `--column`.")
            stated.add(cell)
    for place in [index for index, one in enumerate(rows[0].cells) if plain(one) in dialect.max_heads]:
        stated |= {rows[student].cells[place] for student in students}
    numbers = {Fraction(number) for number in map(as_number, stated) if number is not None}
    if len(numbers) > 1:
        shown = " and ".join(rounded(one, 5) for one in sorted(numbers))
        raise UsageError(f"{foreign.name}: states more than one maximum for {head!r}: {shown}. Export it again.")
    return next(iter(numbers), None)


def _check_maximum(maximum: Fraction | None, quantity: Quantity, exam: ExamPoints, head: str) -> None:
    if quantity in (Quantity.SCALED, Quantity.PERCENT) and not exam.total:
        raise UsageError(f"--value {quantity.value}: the exam has 0 points in all.")
    if quantity is Quantity.SCALED and maximum is None:
        raise UsageError("--value scaled: the file does not say what the column counts to. Use `--value points` or `percent`.")
    expected = {Quantity.POINTS: exam.total, Quantity.PERCENT: Fraction(100)}.get(quantity)
    places = max(exam.places, 2)  # a maximum of 100/3 is 33.33 there
    if maximum is None or expected is None or rounded(maximum, places) == rounded(expected, places):
        return
    ours, theirs = rounded(expected, exam.places), rounded(maximum, 5)
    what, instead = "the exam", ", or let the points be converted with `--value scaled`"
    if quantity is Quantity.PERCENT:
        what, instead = "a percentage", ""
    raise UsageError(
        f"The column {head!r} counts to {theirs}, {what} to {ours}: the same number would mean something else there."
        f" Set the maximum there to {ours} and export again{instead}."
    )


def _decimal_of(foreign: Foreign, dialect: Dialect, column: int) -> str:
    """The decimal sign of the numbers that stand in the column and beside it; of all, in a file that a spreadsheet saved; "" for none."""
    heads = foreign.rows[0].cells
    places = [column, *(index for index, head in enumerate(heads) if plain(head) in dialect.max_heads)]
    signs = _signs(foreign.rows, places)
    if not signs and foreign.delimiter and foreign.delimiter != dialect.delimiters[0]:
        signs = _signs(foreign.rows, range(len(heads)))
    return next(iter(signs)) if len(signs) == 1 else ""


def _signs(rows: Sequence[ForeignRow], places: Sequence[int]) -> frozenset[str]:
    numbers = [row.cells[place].strip() for row in rows[1:] for place in places if place < len(row.cells)]
    return frozenset("," if "," in one else "." for one in numbers if as_number(one) and not one.lstrip("+-").isdecimal())


def _locked(heads: Sequence[str], dialect: Dialect) -> int | None:
    return next((index for index, head in enumerate(heads) if plain(head) in dialect.locked_heads), None)


# --------------------------------------------------------------------------- a row


def _handle(
    one: Claimed,
    row: ForeignRow,
    results: Sequence[Result],
    valued: _Values,
    column: int,
    locked: int | None,
    decimal: str,
    options: FillOptions,
) -> tuple[Handled, Written | None]:
    assert one.student is not None
    told = told_student(one.student)
    undecided = _undecided(results)
    if undecided is not None:
        return Handled(undecided[0], told, one.line, detail=undecided[1]), None
    result = results[0]
    if result.status is Status.ABSENT:
        return Handled(Outcome.NO_BOOKLET, told, one.line), None
    value = valued.of(result, told)
    if value is None:
        return Handled(Outcome.NO_GRADE, told, one.line), None
    shown = value.shown(decimal)
    there = row.cells[column].strip()
    if _same(there, value, decimal):
        return Handled(Outcome.SAME, told, one.line, shown), None
    if locked is not None and row.cells[locked].strip().casefold() in valued.dialect.locked_words:
        return Handled(Outcome.LOCKED, told, one.line, shown), None
    if there in _BLANK:
        return Handled(Outcome.WRITTEN, told, one.line, shown), value
    if not options.replace:
        return Handled(Outcome.OTHER_VALUE, told, one.line, shown, f"holds {there}"), None
    return Handled(Outcome.WRITTEN, told, one.line, shown, f"held {there}"), value


def _undecided(results: Sequence[Result]) -> tuple[Outcome, str] | None:
    """Why a student's results cannot be written yet."""
    if len(results) > 1 or results[0].status is Status.DUPLICATE:
        booklets = " and ".join(one.booklet for one in results)
        return Outcome.CLAIMED, f"booklets {booklets}"
    (result,) = results
    if result.status is not Status.ABSENT and result.points is None:
        return (
            Outcome.OPEN,
            f"booklet {result.booklet}: {result.waits_for}" if result.waits_for else f"booklet {result.booklet}",
        )
    return None


def _same(there: str, value: Written, decimal: str) -> bool:
    number = as_number(there)
    if value.is_number and number is not None:
        return Fraction(number) == Fraction(value.text)
    return there == value.shown(decimal)


def _not_on_file(student: Student, near: str, results: Sequence[Result]) -> Handled:
    """Whether decided or not: what is open need not be decided for a file that does not have the student."""
    undecided = _undecided(results)
    detail = "; ".join(filter(None, (near, undecided[1] if undecided is not None else "")))
    return Handled(Outcome.NOT_ON_FILE, told_student(student), detail=detail)


class _Values:
    """Values of results; remembers whose were out of range, to refuse them all at once."""

    def __init__(self, quantity: Quantity, exam: ExamPoints, maximum: Fraction | None, dialect: Dialect, clamp: bool) -> None:
        self.dialect = dialect
        self._quantity, self._exam, self._clamp = quantity, exam, clamp
        self._most = {Quantity.PERCENT: Fraction(100), Quantity.SCALED: maximum}.get(quantity, maximum or exam.total)
        self._factor = Fraction(1)
        if quantity in (Quantity.PERCENT, Quantity.SCALED) and self._most is not None:
            self._factor = self._most / exam.total
        self._below: list[str] = []
        self._above: list[str] = []

    def of(self, result: Result, told: str) -> Written | None:
        """The value, rounded half up once; None where the scale gives no grade."""
        if self._quantity is Quantity.GRADE:
            return Written(*_grade(result.grade)) if result.grade else None
        assert result.points is not None
        places = self._exam.places
        converted = self._quantity is not Quantity.POINTS
        text = rounded(result.points * self._factor, places) if converted else self._exam.shown(result.points)
        if Fraction(text) < 0:
            self._below.append(f"{told}: {text}")
            text = "0" if self._clamp else text
        if self._most is not None and Fraction(text) > Fraction(rounded(self._most, places)):
            self._above.append(f"{told}: {text}")
            text = rounded(self._most, places) if self._clamp else text
        return Written(text, is_number=True)

    def notes(self) -> tuple[str, ...]:
        """What is worth knowing about values out of range.

        Raises
        ------
        UsageError
            If the other system would drop or change some of them.
        """
        dialect, notes = self.dialect, []
        for whose, fate, what, clamped in (
            (self._below, dialect.below_zero, "below 0", "0"),
            (self._above, dialect.above_maximum, "above the maximum", "the maximum"),
        ):
            if not whose:
                continue
            students = f"{len(whose)} {'student has' if len(whose) == 1 else 'students have'} points {what}"
            names = "".join(f"\n  {one}" for one in whose)
            if self._clamp:
                notes.append(f"{students}; {clamped} was written for them (--clamp):{names}")
            elif fate is Fate.LOST:
                raise UsageError(
                    f"{students}, which {dialect.system} would drop or change without a word. Write {clamped} for them with"
                    f" `--clamp`, or state it in the rubric (`floor`, `cap`):{names}"
                )
            elif fate is Fate.UNKNOWN:
                notes.append(
                    f"{students}; how {dialect.system} takes that is not documented. Look at them after the upload:{names}"
                )
        return tuple(notes)


def _grade(grade: str) -> tuple[str, bool]:
    """A grade's text, and whether it is a number."""
    number = as_number(grade)
    return (number, True) if number is not None else (grade, False)


# --------------------------------------------------------------------------- what to know about the file


def _dangerous(foreign: Foreign) -> tuple[str, ...]:
    """Words in the file that a spreadsheet would run; they stay, since changing them would break the import."""
    found = [
        (row.line, cell) for row in foreign.rows for cell in row.cells if is_formula(cell) and not _HARMLESS.fullmatch(cell)
    ]
    if not found:
        return ()
    line, cell = found[0]
    return (
        f"{len(found)} {'cell' if len(found) == 1 else 'cells'} of the file would run as a formula in a spreadsheet, the first in"
        f" line {line}: {cell.strip()[:60]!r}. They were left as they are, so do not open the file there.",
    )


def _foreign_delimiter(foreign: Foreign, dialect: Dialect) -> tuple[str, ...]:
    if not foreign.delimiter or foreign.delimiter in dialect.delimiters:
        return ()
    return (
        f"{foreign.name} is {foreign.kind}, which {dialect.system} does not write: it was saved by a spreadsheet, which may have"
        " changed numbers and dates. Better export it again, and fill that.",
    )
