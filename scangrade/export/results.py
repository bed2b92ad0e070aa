"""What is to be handed over: one exact result per booklet, and per student of the class list who handed in none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from scangrade.grades.gradebook import Status, status_of
from scangrade.model import Flag, FlagKind, Identity, Roster, Scorecard, Student

#: The grade for an exam's points, by its grade scale.
GradeOf = Callable[[Fraction], str]


@dataclass(frozen=True, slots=True)
class Result:
    """A booklet's result, or that a student has no booklet."""

    status: Status
    student: Student | None  #: None where nobody knows whose it is
    booklet: str  #: "" for none
    points: Fraction | None  #: None while an open flag can change them
    low: Fraction = Fraction(0)
    high: Fraction = Fraction(0)
    grade: str = ""  #: "" where there is no grade scale, or the points are open
    waits_for: str = ""  #: the open flags that can change it, in words


def results_of(
    scorecards: Sequence[Scorecard],
    identities: Sequence[Identity],
    roster: Roster | None,
    flags: Iterable[Flag],
    *,
    grade_of: GradeOf | None = None,
) -> tuple[Result, ...]:
    """Results of all booklets in order, then students without one in the class list's order.

    Parameters
    ----------
    scorecards : sequence of Scorecard
    identities : sequence of Identity
        Of the same booklets.
    roster : Roster or None
    flags : iterable of Flag
        All that are open.
    grade_of : callable, optional
        The exam's grade scale.
    """
    identity_of = {one.booklet: one for one in identities}
    open_flags: dict[str, list[FlagKind]] = {}
    for flag in flags:
        if flag.booklet and (flag.can_change_points or flag.kind in (FlagKind.UNKNOWN_STUDENT, FlagKind.DUPLICATE_STUDENT)):
            open_flags.setdefault(flag.booklet, []).append(flag.kind)
    made = []
    for card in scorecards:
        identity = identity_of[card.booklet]
        status = status_of(card, identity)
        student = identity.student
        if student is None and status is not Status.UNKNOWN_STUDENT and identity.number:
            student = Student(identity.number)  # there is no class list, or two booklets have this number
        grade = grade_of(card.points) if grade_of is not None and card.points is not None else ""
        waits = _in_words(open_flags.get(card.booklet, ()))
        made.append(Result(status, student, card.booklet, card.points, card.low, card.high, grade, waits))
    there = {one.student.number for one in made if one.student is not None}
    absent = [one for one in (roster.students if roster else ()) if one.number not in there]
    return (*made, *(Result(Status.ABSENT, one, "", None) for one in absent))


def _in_words(kinds: Sequence[FlagKind]) -> str:
    counts: dict[FlagKind, int] = {}
    for kind in kinds:
        counts[kind] = counts.get(kind, 0) + 1
    return ", ".join(f"{count} {kind.value.replace('_', ' ')}" for kind, count in counts.items())
