"""Numbers are marked from a student's number, damaged, and must be matched, offered or left open."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scangrade.answers.identify import identify
from scangrade.model import Answer, FieldKind, Flag, FlagKind, Identity, MatchStatus, Roster, Student
from tests.records import answer, choice, layout, number_answers, number_grid, region

GRID = number_grid()
FORM = layout(*GRID, choice("q1"))
ADA = Student("12345678", "Lovelace", "Ada")
EMMY = Student("00918273", "Noether", "Emmy")
SHORT = Student("7654321", "Hopper", "Grace")
ROSTER = Roster((ADA, EMMY, SHORT))


def booklets(*numbers: str) -> Mapping[str, tuple[Answer, ...]]:
    return {f"b{place}": number_answers(GRID, number) for place, number in enumerate(numbers, 1)}


def one(number: str, roster: Roster | None = ROSTER) -> tuple[Identity, tuple[Flag, ...]]:
    (identity,), flags = identify(booklets(number), FORM, roster)
    return identity, flags


@pytest.mark.parametrize(
    ("marked", "student"), [("12345678", ADA), ("00918273", EMMY), ("7654321_", SHORT), ("_7654321", SHORT)]
)
def test_exact_number_is_matched(marked: str, student: Student) -> None:
    identity, flags = one(marked)
    assert identity == Identity("b1", MatchStatus.MATCHED, student.number, student)
    assert not flags


@pytest.mark.parametrize(
    ("marked", "number", "column"),
    [
        ("12345679", "12345679", "student_number"),  # one digit off
        ("123456?8", "123456?8", "student_number.7"),  # one column unsure
        ("*2345678", "?2345678", "student_number.1"),  # two marks in a column
        ("1234_678", "1234?678", "student_number"),  # a gap
        ("1234567_", "1234567", "student_number"),  # the last left out
        ("_2345678", "2345678", "student_number"),
    ],
)
def test_near_miss_is_offered_never_taken(marked: str, number: str, column: str) -> None:
    identity, (flag,) = one(marked)
    assert identity == Identity("b1", MatchStatus.UNKNOWN, number, candidates=(ADA,))
    assert (flag.kind, flag.booklet, flag.field, flag.page) == (FlagKind.UNKNOWN_STUDENT, "b1", column, 1)
    assert flag.can_change_points
    assert "Only 12345678 Lovelace, Ada comes near" in flag.detail


@given(st.integers(0, 7), st.sampled_from("0123456789_?*"))
def test_no_damaged_number_is_ever_matched(place: int, digit: str) -> None:
    marked = ADA.number[:place] + digit + ADA.number[place + 1 :]
    identity, flags = one(marked)
    assert (identity.status is MatchStatus.MATCHED) == (marked == ADA.number) == (not flags)
    assert identity.student in (None, ADA)


def test_two_candidates_are_both_named_and_none_offered() -> None:
    twin = Student("12345670", "Byron", "Anne")
    identity, (flag,) = one("1234567?", Roster((ADA, EMMY, twin)))
    assert identity.candidates == (ADA, twin)
    assert "Only" not in flag.detail
    assert "Byron" in flag.detail
    assert "Lovelace" in flag.detail


def test_candidates_are_ranked_and_few() -> None:
    roster = Roster(
        tuple(Student(number) for number in ("12345999", "12345688", "99999999", "12345671", "12345998", "12345689"))
    )
    identity, _ = one("12345678", roster)
    assert [student.number for student in identity.candidates] == ["12345688", "12345671", "12345998"]


def test_nobody_near() -> None:
    identity, (flag,) = one("99999999")
    assert (identity.candidates, identity.number) == ((), "99999999")
    assert "Nobody on the roster has a number like it" in flag.detail


def test_nothing_marked() -> None:
    identity, (flag,) = one("________")
    assert (identity.status, identity.number, identity.candidates) == (MatchStatus.UNKNOWN, "", ())
    assert "nothing is marked" in flag.detail


def test_shorter_number_is_open_where_a_longer_one_fits_too() -> None:
    identity, (flag,) = one("7654321_", Roster((SHORT, Student("76543219", "Else", "Somebody"))))
    assert identity.status is MatchStatus.UNKNOWN
    assert [student.number for student in identity.candidates] == ["7654321", "76543219"]
    assert "longer numbers" in flag.detail


def test_two_students_with_one_number_are_nobody() -> None:
    identity, (flag,) = one("12345678", Roster((ADA, Student("12345678", "Other", "Person"))))
    assert identity.status is MatchStatus.UNKNOWN
    assert len(identity.candidates) == 2
    assert "several students" in flag.detail


def test_zeros_that_a_spreadsheet_dropped_are_named() -> None:
    identity, (flag,) = one("00918273", Roster((ADA, Student("918273", "Noether", "Emmy"))))
    assert (identity.status, [student.number for student in identity.candidates]) == (MatchStatus.UNKNOWN, ["918273"])
    assert "zeros" in flag.detail


def test_two_booklets_of_one_student_are_both_flagged() -> None:
    identities, flags = identify(booklets("12345678", "00918273", "12345678"), FORM, ROSTER)
    assert [found.status for found in identities] == [MatchStatus.DUPLICATE, MatchStatus.MATCHED, MatchStatus.DUPLICATE]
    assert [found.student for found in identities] == [ADA, EMMY, ADA]
    assert [(flag.kind, flag.booklet) for flag in flags] == [
        (FlagKind.DUPLICATE_STUDENT, "b1"),
        (FlagKind.DUPLICATE_STUDENT, "b3"),
    ]
    assert "b3" in flags[0].detail
    assert "b1" in flags[1].detail


def test_without_a_roster_certain_numbers_stand() -> None:
    identities, flags = identify(booklets("12345678", "_765432_", "1?345678", "87654321", "87654321"), FORM, None)
    assert [(found.status, found.number) for found in identities] == [
        (MatchStatus.NO_ROSTER, "12345678"),
        (MatchStatus.NO_ROSTER, "765432"),
        (MatchStatus.UNKNOWN, "1?345678"),
        (MatchStatus.DUPLICATE, "87654321"),
        (MatchStatus.DUPLICATE, "87654321"),
    ]
    assert [flag.booklet for flag in flags] == ["b3", "b4", "b5"]
    assert all(found.student is None for found in identities)


def test_missing_page_with_the_grid() -> None:
    (identity,), (flag,) = identify({"b1": ()}, layout(*number_grid(page=3), pages=3), ROSTER)
    assert identity == Identity("b1", MatchStatus.UNKNOWN, "")
    assert flag.page == 3
    assert "missing" in flag.detail


def test_doubtful_column_is_open() -> None:
    held = list(number_answers(GRID, ADA.number))
    held[2] = answer(GRID[2], "3", doubt="all boxes are filled")
    (identity,), _ = identify({"b1": tuple(held)}, FORM, ROSTER)
    assert (identity.status, identity.number, identity.candidates) == (MatchStatus.UNKNOWN, "12?45678", (ADA,))


SECOND = number_grid(page=2, group="again")


@pytest.mark.parametrize(
    ("first", "second", "status", "number"),
    [
        ("12345678", "12345678", MatchStatus.MATCHED, "12345678"),
        ("12345678", "________", MatchStatus.MATCHED, "12345678"),
        ("________", "12345678", MatchStatus.MATCHED, "12345678"),
        ("1234567?", "12345678", MatchStatus.MATCHED, "12345678"),
        ("12345678", "*2345678", MatchStatus.MATCHED, "12345678"),
        ("12345678", "12345679", MatchStatus.UNKNOWN, "12345678"),
        ("1234567_", "12345678", MatchStatus.UNKNOWN, "1234567"),
        ("7654321?", "7654321_", MatchStatus.UNKNOWN, "7654321?"),
    ],
)
def test_grids_of_one_booklet_vote(first: str, second: str, status: MatchStatus, number: str) -> None:
    held = (*number_answers(GRID, first), *number_answers(SECOND, second))
    (identity,), flags = identify({"b1": held}, layout(*GRID, *SECOND, pages=2), ROSTER)
    assert (identity.status, identity.number) == (status, number)
    assert bool(flags) == (status is MatchStatus.UNKNOWN)


def test_narrower_grid_counts_where_the_wider_page_is_missing() -> None:
    narrow = number_grid(places=7, page=2, group="again")
    form = layout(*GRID, *narrow, pages=2)
    (identity,), _ = identify({"b1": number_answers(narrow, "7654321")}, form, ROSTER)
    assert identity.student == SHORT
    (identity,), (flag,) = identify({"b1": number_answers(narrow, "7654320")}, form, ROSTER)
    assert identity.candidates == (SHORT,)
    assert "Grace" in flag.detail


@pytest.mark.parametrize(
    ("fields", "page", "said"),
    [
        ((region("sticker", FieldKind.STICKER, page=2),), 2, "sticker on page 2 was not read"),
        ((region("name", FieldKind.TEXT, page=1, role="name"),), 1, "handwriting on page 1"),
        ((region("essay", FieldKind.TEXT, page=1, role="answer"),), 0, "no grid"),
    ],
)
def test_form_without_a_grid_asks_for_every_booklet(fields: tuple[object, ...], page: int, said: str) -> None:
    identities, flags = identify({"b1": (), "b2": ()}, layout(*fields, pages=2), ROSTER)  # type: ignore[arg-type]
    assert [found.status for found in identities] == [MatchStatus.UNKNOWN] * 2
    assert [(flag.booklet, flag.page) for flag in flags] == [("b1", page), ("b2", page)]
    assert said in flags[0].detail
