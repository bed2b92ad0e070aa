"""Two scorings held against each other: what counts as a change, and what can be compared."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from scangrade.export.changes import changes_table, comparison_table
from scangrade.export.comparison_picture import comparison_picture
from scangrade.grades.compare import Change, changes, compare
from scangrade.model import Identity, MatchStatus, Policy, QuestionScore, Rubric, Scale, Scorecard, Student
from tests.records import question

ADA = Student("007", "=Lovelace", "Ada")
WHO = {"b1": Identity("b1", MatchStatus.MATCHED, "007", ADA), "b2": Identity("b2", MatchStatus.UNKNOWN, "00?")}


def plain(value: object) -> object:
    """The same, so that points may be compared with whole numbers."""
    return value


def card(booklet: str, *worth: str) -> Scorecard:
    """Points of questions 1, 2, ...: "4", or "0..4" where they are open."""
    scores = []
    for number, one in enumerate(worth, start=1):
        low, _, high = one.partition("..")
        least, most = Fraction(low), Fraction(high or low)
        scores.append(QuestionScore(str(number), least if least == most else None, least, most, ""))
    low_sum, high_sum = (sum((getattr(one, side) for one in scores), Fraction(0)) for side in ("low", "high"))
    return Scorecard(booklet, "", tuple(scores), low_sum if low_sum == high_sum else None, low_sum, high_sum)


EXAM = Rubric("exam", "Exam", (), total=Fraction(10))


def changed(before: Scorecard, after: Scorecard) -> Change:
    (one,) = changes([before], [after], EXAM, EXAM)
    return one


def rubric(name: str, *points: int) -> Rubric:
    asked = tuple(question(str(number), Policy.OPEN, one) for number, one in enumerate(points, start=1))
    return Rubric(name, name.title(), asked, total=Fraction(sum(points)))


def test_only_what_differs_is_a_change() -> None:
    before = [card("b1", "4", "0"), card("b2", "4", "1"), card("b3", "0", "2"), card("b4", "0", "0")]
    after = [card("b1", "4", "0"), card("b2", "2", "1"), card("b3", "1", "1"), card("b5", "0", "0")]
    found = changes(before, after, EXAM, EXAM)
    assert plain([(one.booklet, one.difference, [pair.question for pair in one.questions]) for one in found]) == [
        ("b2", -2, ["1"]),
        ("b3", 0, ["1", "2"]),
    ]


def test_what_waits_leaves_a_difference_certain_only_where_it_moves_alike() -> None:
    one = changed(card("b1", "4", "0..5"), card("b1", "1", "0..5"))
    assert plain(one.difference) == -3
    one = changed(card("b1", "4", "0..5"), card("b1", "4", "0..6"))
    assert one.difference is None
    one = changed(card("b1", "0..4"), card("b1", "1..5"))
    assert one.difference is None  # by as much at both ends, and yet nobody knows between
    floored = Scorecard("b1", "", card("b1", "-3", "0..5").questions, None, Fraction(0), Fraction(2))
    one = changed(card("b1", "1", "0..5"), floored)
    assert one.difference is None


def test_a_question_that_comes_or_goes_is_a_change() -> None:
    one = changed(card("b1", "1", "2"), card("b1", "1"))
    assert changes_table([one], WHO).rows == (
        ("007", "'=Lovelace", "Ada", "b1", "3", "1", "-2", "3", "3", "1", "1", "", "", "2: 2 to not in the rubric"),
    )


def test_another_scale_or_rounding_is_a_change_too() -> None:
    scale = Scale((Fraction(0), Fraction(5)), ("F", "A"), line=False)
    graded, stepped = replace(EXAM, scale=scale), replace(EXAM, round_to=Fraction(1, 2))
    (one,) = changes([card("b1", "4.9")], [card("b1", "4.9")], graded, replace(graded, round_to=Fraction(1, 2)))
    assert (one.before.grade, one.after.grade, one.difference) == ("F", "A", Fraction(1, 10))
    (one,) = changes([card("b1", "4")], [card("b1", "4")], EXAM, graded)
    assert changes_table([one], WHO).rows[0][-3:] == ("", "F", "")
    assert changes([card("b1", "4")], [card("b1", "4")], EXAM, stepped) == ()


def test_thirds_are_compared_exactly_and_shown_rounded() -> None:
    one = changed(card("b1", "1/3"), card("b1", "1/2"))
    (row,) = changes_table([one], WHO).rows
    assert row[4:7] == ("0.33", "0.5", "0.17")
    assert row[-1] == "1: 1/3 to 0.5"


def test_whole_exams_are_compared_by_their_points() -> None:
    a, b = rubric("a", 4, 4), rubric("b", 4, 4)
    floored = Scorecard("b2", "", card("b2", "-2", "1").questions, Fraction(0), Fraction(0), Fraction(0))
    held = compare(a, [card("b1", "4", "0"), card("b2", "0", "1")], b, [card("b1", "2", "1"), floored])
    assert held.whole
    assert plain([one.compared for one in held.booklets]) == [(4, 3), (1, 0)]
    assert plain([(one.question, one.first, one.second) for one in held.questions]) == [("1", 2, 0), ("2", Fraction(1, 2), 1)]


def test_questions_that_wait_everywhere_are_left_out() -> None:
    a, b = rubric("a", 4, 4), rubric("b", 4, 4)
    held = compare(
        a,
        [card("b1", "4", "0..4"), card("b2", "0..4", "0..4")],
        b,
        [card("b1", "1", "0..4"), card("b2", "1", "0..4")],
    )
    assert (held.whole, held.left_out) == (False, ("2",))
    assert plain([one.compared for one in held.booklets]) == [(4, 1), None]
    table = comparison_table(held, WHO, 2)
    assert table.header[4:] == (
        *("points_first", "points_second", "compared_first", "compared_second", "difference", "first:1", "second:1"),
    )
    assert table.rows == (
        ("007", "'=Lovelace", "Ada", "b1", "", "", "4", "1", "-3", "4", "1"),
        ("", "", "", "b2", "", "", "", "", "", "", "1"),
    )


def test_a_picture_shows_every_booklet_that_is_certain() -> None:
    a, b = rubric("a", 4, 4), rubric("b<", 4, 4)
    held = compare(a, [card(f"b{n}", str(n % 4), "1") for n in range(8)], b, [card(f"b{n}", "2", "-1") for n in range(8)])
    drawn = comparison_picture(held, first="a", second="b<")
    assert drawn.startswith("<svg ") and drawn.rstrip().endswith("</svg>")
    assert drawn.count(": 2 booklets</title>") == 4  # each of four outcomes twice
    assert "b&lt;" in drawn and "b<" not in drawn.replace("b&lt;", "")
    assert "8 booklets: 6 earn less with the second rubric, 0 more, 2 the same." in drawn


def test_a_picture_of_nothing_can_be_drawn() -> None:
    held = compare(rubric("a", 4), [card("b1", "0..4")], rubric("b", 4), [card("b1", "0..4")])
    assert "0 booklets" in comparison_picture(held, first="a", second="b")
    assert "0 booklets" in comparison_picture(compare(rubric("a"), [], rubric("b"), []), first="a", second="b")
