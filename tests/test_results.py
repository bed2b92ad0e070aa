"""One result per booklet, and per student without one."""

from __future__ import annotations

from fractions import Fraction

from scangrade.export.results import results_of
from scangrade.grades.gradebook import Status
from scangrade.model import Flag, FlagKind, Identity, MatchStatus, Roster, Scorecard, Student

ADA, BO, CY = Student("01", "Moorland"), Student("02", "Silverbeck"), Student("03", "Tannwald")


def card(booklet: str, points: int | None, high: int = 0) -> Scorecard:
    low = Fraction(points or 0)
    return Scorecard(booklet, "", (), None if points is None else low, low, low if points is not None else Fraction(high))


def test_every_booklet_and_every_student() -> None:
    cards = [card("b1", 3), card("b2", None, 5), card("b3", 2)]
    identities = [
        Identity("b3", MatchStatus.UNKNOWN, "0?", candidates=(CY,)),
        Identity("b1", MatchStatus.MATCHED, "01", ADA),
        Identity("b2", MatchStatus.MATCHED, "02", BO),
    ]
    flags = [
        Flag(FlagKind.UNSURE_MARK, "", "b2"),
        Flag(FlagKind.UNSURE_MARK, "", "b2"),
        Flag(FlagKind.MISSING_PAGE, "", "b2"),
        Flag(FlagKind.PAGE_ORDER, "", "b2", can_change_points=False),
        Flag(FlagKind.UNKNOWN_STUDENT, "", "b3", can_change_points=False),
        Flag(FlagKind.PAGE_SET_ASIDE, ""),
    ]
    found = results_of(cards, identities, Roster((CY, ADA, BO)), flags, grade_of=lambda points: f"g{points}")
    assert [(one.status, one.student, one.booklet, one.points, one.grade, one.waits_for) for one in found] == [
        (Status.GRADED, ADA, "b1", 3, "g3", ""),
        (Status.NEEDS_REVIEW, BO, "b2", None, "", "2 unsure mark, 1 missing page"),
        (Status.UNKNOWN_STUDENT, None, "b3", 2, "g2", "1 unknown student"),
        (Status.ABSENT, CY, "", None, "", ""),
    ]
    assert found[1].low == 0 and found[1].high == 5


def test_without_a_class_list() -> None:
    identities = [
        Identity("b1", MatchStatus.NO_ROSTER, "01"),
        Identity("b2", MatchStatus.DUPLICATE, "02"),
        Identity("b3", MatchStatus.DUPLICATE, "02"),
    ]
    found = results_of([card(one, 1) for one in ("b1", "b2", "b3")], identities, None, [])
    assert [(one.status, one.student, one.grade) for one in found] == [
        (Status.GRADED, Student("01"), ""),
        (Status.DUPLICATE, Student("02"), ""),
        (Status.DUPLICATE, Student("02"), ""),
    ]
