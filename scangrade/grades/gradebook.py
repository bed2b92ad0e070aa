"""All scorecards against the class list: one row per booklet, and one per student who handed in none.

A flag about marks makes points blank; a flag about identity does not, since the booklet earned them whoever wrote it: such a row says
`unknown_student` or `duplicate` instead, and an unknown student's row has no number, so that no program takes its points for somebody's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from scangrade.errors import Issue, Severity
from scangrade.grades.cells import is_formula, safe_text
from scangrade.grades.rounding import rounded
from scangrade.grades.score import MadeTotals, part_totals
from scangrade.grades.total import grade_of, shown_points
from scangrade.model import Identity, MatchStatus, Roster, Rubric, Scorecard, Student

if TYPE_CHECKING:
    import pandas as pd


class Status(StrEnum):
    """What a row of the gradebook is."""

    GRADED = "graded"
    NEEDS_REVIEW = "needs_review"  #: an open flag could change the points
    ABSENT = "absent"  #: on the class list, without a booklet
    UNKNOWN_STUDENT = "unknown_student"
    DUPLICATE = "duplicate"  #: two booklets claim this student


#: Columns that hold words from outside.
TEXT_COLUMNS: Final = ("student_number", "last_name", "first_name", "email", "booklet")

#: Columns that every gradebook begins with; then one per question id, then one per part: "part:" and its id; then "grade" with a scale.
COLUMNS: Final = (*TEXT_COLUMNS, "status", "points", "max_points", "points_low", "points_high")
GRADE: Final = "grade"


def gradebook(
    scorecards: Sequence[Scorecard], identities: Sequence[Identity], rubric: Rubric, roster: Roster | None
) -> tuple[pd.DataFrame, tuple[Issue, ...]]:
    """Make the gradebook.

    Parameters
    ----------
    scorecards : sequence of Scorecard
    identities : sequence of Identity
        One per scorecard, in any order.
    rubric : Rubric
    roster : Roster or None

    Returns
    -------
    DataFrame
        Cells are text. Students in roster order, those without a booklet as `absent`; then booklets without a student, in the order
        of `scorecards`. Points have at most `rubric.places` decimals, rounded half up once, and are blank where they are not certain.
        The exam's points are rounded to the rubric's step, where it has one.
        A question whose id is one of `COLUMNS` has "question:" before it.
    tuple of Issue
        One per column with text that a spreadsheet would have run as a formula, and that was given a quote.

    Raises
    ------
    KeyError
        If a scorecard has no identity.
    """
    import pandas as pd  # noqa: PLC0415 - takes half a second, which nobody need wait for before pages are read

    header, rows, issues = gradebook_rows(scorecards, identities, rubric, roster)
    return pd.DataFrame(rows, columns=header, dtype=object), issues


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the gradebook."""

    cells: tuple[str, ...]  #: made harmless for spreadsheets
    formulas: tuple[tuple[str, str], ...]  #: column and text of those that a spreadsheet would have run


#: Rows that were made before, by booklet, each with the scorecard and the identity that it was made from.
MadeRows = dict[str, tuple[Scorecard, Identity, Row]]


def gradebook_rows(
    scorecards: Sequence[Scorecard],
    identities: Sequence[Identity],
    rubric: Rubric,
    roster: Roster | None,
    made: MadeRows | None = None,
) -> tuple[tuple[str, ...], list[tuple[str, ...]], tuple[Issue, ...]]:
    """Make the gradebook as header and rows of text; else as `gradebook` says.

    Parameters
    ----------
    scorecards, identities, rubric, roster
        See `gradebook`.
    made : dict, optional
        Rows that were made before with this rubric and roster: those of the very same scorecards and identities are taken over, and the
        new ones are put in. A decision changes one of a thousand.
    """
    made = {} if made is None else made
    totals: MadeTotals = {}
    identity_of = {one.booklet: one for one in identities}
    of_student: dict[str, list[Scorecard]] = defaultdict(list)
    others = []
    for card in scorecards:
        student = identity_of[card.booklet].student
        if student is None:
            others.append(card)
        else:
            of_student[student.number].append(card)

    def row_of(card: Scorecard, student: Student | None) -> Row:
        identity = identity_of[card.booklet]
        known = made.get(card.booklet)
        if known is None or known[0] is not card or known[1] is not identity:
            known = made[card.booklet] = card, identity, _harmless(_row(card, identity, student, rubric, totals))
        return known[2]

    rows: list[Row] = []
    for student in roster.students if roster else ():
        cards = of_student.pop(student.number, ())
        rows += [row_of(card, student) for card in cards] or [_harmless(_absent(student, rubric))]
    left = [card for cards in of_student.values() for card in cards]
    rows += [row_of(card, identity_of[card.booklet].student) for card in (*left, *others)]
    names = [f"question:{one.id}" if one.id in (*COLUMNS, GRADE) else one.id for one in rubric.questions]
    header = (*COLUMNS, *names, *(f"part:{one.id}" for one in rubric.parts), *([GRADE] if rubric.scale else []))
    return header, [row.cells for row in rows], _formula_issues(rows)


def _harmless(cells: Sequence[str]) -> Row:
    text, rest = cells[: len(TEXT_COLUMNS)], cells[len(TEXT_COLUMNS) :]
    formulas = tuple((column, cell) for column, cell in zip(TEXT_COLUMNS, text, strict=True) if is_formula(cell))
    return Row((*(safe_text(cell) for cell in text), *rest), formulas)


def _row(card: Scorecard, identity: Identity, student: Student | None, rubric: Rubric, totals: MadeTotals) -> tuple[str, ...]:
    number = booklet_number(identity)
    exam = [card.points, rubric.total, card.low, card.high]
    points = [*(one.points for one in card.questions), *(one.points for one in part_totals(card, rubric, totals))]
    return (
        *_person(student or Student(number)),
        card.booklet,
        status_of(card, identity).value,
        *("" if one is None else shown_points(one, rubric) for one in exam),
        *("" if one is None else rounded(one, rubric.places) for one in points),
        *([] if rubric.scale is None else ["" if card.points is None else grade_of(card.points, rubric)]),
    )


def booklet_number(identity: Identity) -> str:
    """The number that stands beside a booklet: none where it is not certain whose it is, so that no program takes it for somebody's."""
    if identity.student is not None:
        return identity.student.number
    return identity.number if identity.status in (MatchStatus.NO_ROSTER, MatchStatus.DUPLICATE) else ""


def _absent(student: Student, rubric: Rubric) -> tuple[str, ...]:
    blank = [""] * (2 + len(rubric.questions) + len(rubric.parts) + (rubric.scale is not None))
    return (*_person(student), "", Status.ABSENT.value, "", shown_points(rubric.total, rubric), *blank)


def _person(student: Student) -> tuple[str, str, str, str]:
    return student.number, student.last_name, student.first_name, student.email


def status_of(card: Scorecard, identity: Identity) -> Status:
    """What a booklet's row is."""
    if identity.status is MatchStatus.UNKNOWN:
        return Status.UNKNOWN_STUDENT
    if identity.status is MatchStatus.DUPLICATE:
        return Status.DUPLICATE
    return Status.NEEDS_REVIEW if card.points is None else Status.GRADED


def _formula_issues(rows: Iterable[Row]) -> tuple[Issue, ...]:
    found: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        for column, cell in row.formulas:
            found[column].append(cell)
    return tuple(
        Issue(
            Severity.WARNING,
            f"gradebook, column {column}",
            f"{len(cells)} value{'s' if len(cells) > 1 else ''} would run as a formula in a spreadsheet, the first is {cells[0]!r}.",
            "A quote was put before it; correct it in the roster or rename the scan if it is a mistake.",
        )
        for column, cells in found.items()
    )
