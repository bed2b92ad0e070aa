"""Our own files: the gradebook with a row per student (wide), and a row per question of every booklet (long).

Columns are numbers or words, and that is known by the column, never guessed from a cell: numbers get the decimal sign that is asked
for, words keep their zeros and cannot run as formulas.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from scangrade.errors import UsageError
from scangrade.export.results import Result
from scangrade.grades.cells import safe_text
from scangrade.grades.gradebook import COLUMNS, GRADE
from scangrade.grades.rounding import rounded
from scangrade.grades.version import printed_as
from scangrade.model import Answer, Layout, Rubric, Scorecard

if TYPE_CHECKING:
    import pandas as pd

#: By the name that a user gives: Python's name, and what people call it.
ENCODINGS: Final[Mapping[str, tuple[str, str]]] = {
    "utf-8-bom": ("utf-8-sig", "UTF-8"),
    "utf-8": ("utf-8", "UTF-8"),
    "utf-16": ("utf-16", "UTF-16"),
    "windows-1252": ("cp1252", "Windows-1252"),
}

_LONG: Final = (
    *("student_number", "last_name", "first_name", "booklet", "status", "version", "question"),
    *("points", "max_points", "points_low", "points_high", "marks_read", "marks", "decided_by", "rule"),
)
_NUMBERS: Final = ("points", "max_points", "points_low", "points_high")


@dataclass(frozen=True, slots=True)
class TypedTable:
    """A table whose columns are numbers (with a decimal point, or blank) or words (made harmless for spreadsheets)."""

    title: str
    header: tuple[str, ...]
    numeric: tuple[bool, ...]  #: by column
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class CsvStyle:
    """How a CSV file is written."""

    delimiter: str = ","
    decimal: str = "."
    encoding: str = "utf-8-bom"  #: one of `ENCODINGS`


@dataclass(frozen=True, slots=True)
class AnsweredBooklet:
    """A booklet's answers, as the machine read them and as they count."""

    result: Result
    card: Scorecard
    read: tuple[Answer, ...]
    final: tuple[Answer, ...]


def wide_table(gradebook: pd.DataFrame, *, grades_are_numbers: bool) -> TypedTable:
    """A row per student, then one per booklet that is nobody's: as in the run's gradebook.

    Parameters
    ----------
    gradebook : DataFrame
    grades_are_numbers : bool
        Whether the rubric's scale holds numbers only; 1.3 as a word would become a date in a German spreadsheet.
    """
    header = tuple(str(name) for name in gradebook.columns)
    words = set(COLUMNS) - set(_NUMBERS) | (set() if grades_are_numbers else {GRADE})
    numeric = tuple(name not in words for name in header)
    rows = tuple(tuple(str(cell) for cell in row) for row in gradebook.itertuples(index=False, name=None))
    return TypedTable("Gradebook", header, numeric, rows)


def long_table(booklets: Iterable[AnsweredBooklet], layout: Layout, rubric: Rubric) -> TypedTable:
    """A row per question of every booklet: what was marked, who decided, what it is worth, and by which rule.

    Marks are those of the boxes that the booklet's version prints for the question, by what the boxes say.
    """
    fields: dict[str, list[str]] = {}
    for field in layout.fields:
        if field.question and field.boxes:
            fields.setdefault(field.question, []).append(field.id)
    most = {one.id: rounded(one.points, rubric.places) for one in rubric.questions}
    rows = []
    for booklet in booklets:
        student = booklet.result.student
        person = (student.number, student.last_name, student.first_name) if student else ("", "", "")
        about = (
            *map(safe_text, (*person, booklet.card.booklet)),
            booklet.result.status.value,
            safe_text(booklet.card.version),
        )
        read = {one.field: one for one in booklet.read}
        final = {one.field: one for one in booklet.final}
        for score in booklet.card.questions:
            own = fields.get(printed_as(score.question, booklet.card.version, rubric)[0], [])
            points = "" if score.points is None else rounded(score.points, rubric.places)
            bounds = (rounded(score.low, rubric.places), rounded(score.high, rubric.places))
            decided = sorted({box.decided_by for one in own if one in final for box in final[one].verdicts})
            marks = (_marks(own, read), _marks(own, final), ", ".join(decided), score.rule)
            rows.append((*about, score.question, points, most[score.question], *bounds, *map(safe_text, marks)))
    return TypedTable("Questions", _LONG, tuple(name in _NUMBERS for name in _LONG), tuple(rows))


def _marks(fields: Sequence[str], answers: Mapping[str, Answer]) -> str:
    """Marked boxes of a question's fields, a question mark after those that are not certain."""
    told = []
    for field in fields:
        if field in answers:
            one = answers[field]
            boxes = [box.box + "?" * (box.box in one.open) for box in one.verdicts if box.box in one.marked | one.open]
            told.append(" ".join(boxes))
    return "; ".join(told)


def typed_csv(table: TypedTable, style: CsvStyle) -> bytes:
    """The bytes of a table's CSV file, with CRLF line ends and RFC 4180 quoting.

    Raises
    ------
    UsageError
        If a word has a letter that the encoding lacks.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=style.delimiter, lineterminator="\r\n")
    writer.writerow(table.header)
    for row in table.rows:
        cells = zip(row, table.numeric, strict=True)
        writer.writerow([cell.replace(".", style.decimal) if is_number else cell for cell, is_number in cells])
    codec, told = ENCODINGS[style.encoding]
    try:
        return out.getvalue().encode(codec)
    except UnicodeEncodeError as error:
        start = error.object.rfind("\n", 0, error.start) + 1
        line = error.object[start : error.object.find("\r", error.start)]
        raise UsageError(
            f"--encoding {style.encoding}: {told} lacks {error.object[error.start]!r}, which stands in {line[:60]!r}. Use utf-8-bom."
        ) from error
