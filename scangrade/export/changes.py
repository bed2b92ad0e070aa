"""Tables of two scorings held against each other: who changes by a regrade, and booklets under two rubrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from scangrade.grades.cells import safe_text
from scangrade.grades.compare import Change, Comparison, QuestionChange
from scangrade.grades.gradebook import booklet_number
from scangrade.grades.rounding import exact, rounded
from scangrade.model import Identity, QuestionScore, Student
from scangrade.run.files import Table

_PERSON = ("student_number", "last_name", "first_name", "booklet")


def changes_table(changes: Sequence[Change], identities: Mapping[str, Identity]) -> Table:
    """One row per booklet whose points or grade, or what they can become, changed; points are as the gradebook shows them."""
    rows = []
    for one in changes:
        before, after = one.before, one.after
        cells = [before.points, after.points, one.difference, before.low, before.high, after.low, after.high]
        numbers = ["" if cell is None else exact(cell) for cell in cells]
        questions = "; ".join(_question(change) for change in one.questions)
        rows.append((*_person(one.booklet, identities), *numbers, before.grade, after.grade, safe_text(questions)))
    header = (
        *(*_PERSON, "points_before", "points_after", "change", "low_before", "high_before", "low_after", "high_after"),
        *("grade_before", "grade_after", "questions"),
    )
    return Table("changes.csv", header, tuple(rows))


def _question(change: QuestionChange) -> str:
    return f"{change.question}: {_worth(change.before)} to {_worth(change.after)}"


def _worth(score: QuestionScore | None) -> str:
    if score is None:
        return "not in the rubric"
    return exact(score.low) if score.low == score.high else f"{exact(score.low)}..{exact(score.high)}"


def comparison_table(comparison: Comparison, identities: Mapping[str, Identity], places: int) -> Table:
    """One row per booklet: its points under both rubrics, the difference, and its questions under both."""
    names = [one.question for one in comparison.questions]
    header = (
        *(*_PERSON, "points_first", "points_second", "compared_first", "compared_second", "difference"),
        *(f"{side}:{name}" for name in names for side in ("first", "second")),
    )
    rows = []
    for one in comparison.booklets:
        sides = one.compared or (None, None)
        first, second = ({score.question: score.points for score in card.questions} for card in (one.first, one.second))
        cells: list[Fraction | None] = [one.first.points, one.second.points, *sides, one.difference]
        cells += [side.get(name) for name in names for side in (first, second)]
        numbers = ("" if cell is None else rounded(cell, places) for cell in cells)
        rows.append((*_person(one.booklet, identities), *numbers))
    return Table("comparison.csv", header, tuple(rows))


def _person(booklet: str, identities: Mapping[str, Identity]) -> tuple[str, ...]:
    identity = identities[booklet]
    student = identity.student or Student(booklet_number(identity))
    words = student.number, student.last_name, student.first_name
    return tuple(safe_text(one) for one in (*words, booklet))
