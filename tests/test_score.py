"""Booklets of which the points are known by hand, and bounds that must hold whatever a person decides."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scangrade.grades.policies import widest
from scangrade.grades.score import Given, Made, MadeTotals, doubtful_pages, part_totals, score
from scangrade.grades.total import grade_of, shown_points, total_rule
from scangrade.grades.version import version_of
from scangrade.model import (
    Answer,
    CopyNumbers,
    Field,
    FieldKind,
    Flag,
    FlagKind,
    GuessCorrection,
    Part,
    Permutation,
    Policy,
    Question,
    QuestionScore,
    Region,
    RExamsRule,
    Rubric,
    Scale,
    Scorecard,
    Student,
    Void,
)
from tests.records import answer, choice, credit_columns, field, layout, question

FORM_1A = choice("1a")
ALL = question("1a", Policy.ALL_OR_NOTHING, 4, "AC")
UVA = question(
    "1a",
    Policy.PER_ALTERNATIVE,
    4,
    values={"": {"A": Fraction(2), "B": Fraction(-2), "C": Fraction(2), "D": Fraction(-2)}},
    cap=Fraction(4),
)
ONE = question("1a", Policy.SINGLE, 4, "A", wrong=Fraction(-1))


def rubric(*questions: Question, **more: object) -> Rubric:
    total = sum((one.points for one in questions), Fraction(0))
    return Rubric("exam", "Exam", questions, **{"total": total, **more})  # type: ignore[arg-type]


def plain(value: object) -> object:
    """The same, so that points may be compared with whole numbers."""
    return value


def scored(
    asked: Question, held: Iterable[Answer], *fields: Field, version: str | None = ""
) -> tuple[QuestionScore, tuple[Flag, ...]]:
    card, flags = score("b1", tuple(held), layout(*(fields or (FORM_1A,))), rubric(asked), version=version)
    (one,) = card.questions
    assert (card.points, card.low, card.high) == (one.points, one.low, one.high)
    return one, flags


def test_certain_marks_have_certain_points() -> None:
    one, flags = scored(ALL, [answer(FORM_1A, "AC")])
    assert one == QuestionScore("1a", Fraction(4), Fraction(4), Fraction(4), "all-or-nothing: marked A C, key A C")
    assert not flags


@pytest.mark.parametrize(
    ("asked", "marked", "unsure", "low", "high"),
    [
        (ALL, "A", "C", 0, 4),
        (ALL, "AC", "B", 0, 4),
        (ALL, "B", "AC", 0, 0),  # wrong whatever they are
        (UVA, "A", "B", 0, 2),
        (UVA, "", "ABCD", -4, 4),
        (UVA, "C", "AD", 0, 4),
        (ONE, "", "A", 0, 4),
        (ONE, "", "B", -1, 0),
        (ONE, "A", "B", -1, 4),  # both: which one counts is asked
        (ONE, "", "BC", -1, 0),
    ],
)
def test_unsure_marks_bound_the_points(asked: Question, marked: str, unsure: str, low: int, high: int) -> None:
    one, (flag,) = scored(asked, [answer(FORM_1A, marked, unsure)])
    assert plain((one.low, one.high, one.points)) == (low, high, Fraction(low) if low == high else None)
    assert (flag.kind, flag.booklet, flag.field, flag.page) == (FlagKind.UNSURE_MARK, "b1", "1a", 1)
    assert flag.can_change_points == (low != high)
    assert all(f"{box} (could be either)" in flag.detail for box in unsure)


@pytest.mark.parametrize(("asked", "low", "high"), [(ALL, 0, 4), (UVA, -4, 4), (ONE, -1, 4)])
def test_doubtful_answer_can_become_anything(asked: Question, low: int, high: int) -> None:
    one, (flag,) = scored(asked, [answer(FORM_1A, "ABCD", doubt="all boxes are filled")])
    assert plain((one.low, one.high, one.points)) == (low, high, None)
    assert flag.kind is FlagKind.DOUBTFUL_ANSWER
    assert "all boxes are filled" in flag.detail


def test_several_marks_where_one_counts() -> None:
    one, (flag,) = scored(ONE, [answer(FORM_1A, "BA")])
    assert plain((one.points, one.low, one.high)) == (None, -1, 4)
    assert (flag.kind, flag.can_change_points) == (FlagKind.DOUBTFUL_ANSWER, True)
    one, (flag,) = scored(question("1a", Policy.SINGLE, 4, "A"), [answer(FORM_1A, "BC")])  # wrong and blank are both 0
    assert plain((one.points, flag.can_change_points)) == (0, False)
    one, flags = scored(question("1a", Policy.SINGLE, 4, "A", multiple=Fraction(-2)), [answer(FORM_1A, "AB")])
    assert plain((one.points, flags)) == (-2, ())


def test_too_many_open_boxes_have_the_questions_bounds() -> None:
    wide = choice("1a", [str(number) for number in range(1, 31)])
    asked = question("1a", Policy.ALL_OR_NOTHING, 3, keys={"": (frozenset({"1"}),)})
    one, _ = scored(asked, [answer(wide, ["2"], [str(number) for number in range(3, 31)])], wide)
    assert plain((one.low, one.high)) == (0, 3)


def test_missing_page_leaves_everything_possible() -> None:
    one, flags = scored(UVA, [])
    assert plain((one.points, one.low, one.high)) == (None, -4, 4)
    assert "page 1 is missing" in one.rule
    assert not flags  # the missing page is flagged by who finds it


def test_question_without_points_stands_even_if_nothing_is_known() -> None:
    one, _ = scored(question("1a", Policy.ALL_OR_NOTHING, 0, "A"), [])
    assert one.points == 0


def test_missing_key_waits() -> None:
    one, (flag,) = scored(question("1a", Policy.ALL_OR_NOTHING, 4), [answer(FORM_1A, "A")])
    assert plain((one.points, one.low, one.high)) == (None, 0, 4)
    assert flag.kind is FlagKind.OPEN_POINTS
    assert "no key yet for question 1a" in flag.detail


def test_question_in_two_fields_is_one_set_of_marks() -> None:
    left, right = choice("left", "AB", question="1a"), choice("right", "CD", page=2, question="1a")
    one, _ = scored(ALL, [answer(left, "A"), answer(right, "C")], left, right)
    assert one.points == 4
    one, flags = scored(ALL, [answer(left, "A"), answer(right, "", "C")], left, right)
    assert plain((one.low, one.high, [flag.field for flag in flags])) == (0, 4, ["right"])
    one, _ = scored(ALL, [answer(left, "A")], left, right)
    assert one.rule == "all-or-nothing: page 2 is missing"


def test_versions_have_keys_and_an_unknown_one_counts_all() -> None:
    asked = question("1a", Policy.SINGLE, 4, keys={"A": (frozenset("A"),), "B": (frozenset("B"),)})
    exam = rubric(asked, versions=("A", "B"), version_from="mark")
    held = (answer(FORM_1A, "A"),)
    points = [score("b1", held, layout(FORM_1A), exam, version=version)[0] for version in ("A", "B", None)]
    assert plain([(card.version, card.points, card.low, card.high) for card in points]) == [
        ("A", 4, 4, 4),
        ("B", 0, 0, 0),
        ("", None, 0, 4),
    ]
    blank, _ = score("b1", (answer(FORM_1A),), layout(FORM_1A), exam, version=None)
    assert blank.points == 0  # blank in every version
    unsure = (answer(FORM_1A, "A", "C"),)
    _, (flag,) = score("b1", unsure, layout(FORM_1A), rubric(question("1a", Policy.SINGLE, 4, "D")), version="")
    assert not flag.can_change_points


# --------------------------------------------------------------------------- credit columns

CREDITS = credit_columns("2.1", 3)
CREDIT = question("2.1", Policy.CREDIT, 3)


def credits(first: str, second: str = "", unsure: str = "") -> tuple[Answer, Answer]:
    return answer(CREDITS[0], first.split(), unsure.split()), answer(CREDITS[1], second.split())


@pytest.mark.parametrize(
    ("first", "second", "points"),
    [("2", "", "2"), ("2 2H", "", "2.5"), ("0", "", "0"), ("3", "3", "3"), ("1 1H", "1 1H", "1.5")],
)
def test_credit(first: str, second: str, points: str) -> None:
    one, flags = scored(CREDIT, credits(first, second), *CREDITS)
    assert one.points == Fraction(points)
    assert not flags


@pytest.mark.parametrize(
    ("first", "second", "low", "high", "said"),
    [
        ("", "", "0", "3", "no credit is marked"),
        ("2H", "", "0", "3", "no credit"),
        ("1 2", "", "1", "2", "no credit"),
        ("1 2H", "", "1", "1", "no credit"),
        ("1 2 2H", "", "1", "2.5", "no credit"),
        ("2", "2 2H", "2", "2.5", "disagree"),
        ("", "2", "0", "3", "only a later correction"),
    ],
)
def test_credit_that_a_person_must_look_at(first: str, second: str, low: str, high: str, said: str) -> None:
    one, (flag,) = scored(CREDIT, credits(first, second), *CREDITS)
    assert (one.low, one.high) == (Fraction(low), Fraction(high))
    assert (flag.kind, flag.field, flag.can_change_points) == (FlagKind.CREDIT, "2.1/1", low != high)
    assert said in flag.detail


def test_credit_above_the_points_is_asked_about() -> None:
    one, (flag,) = scored(question("2.1", Policy.CREDIT, 2), credits("3"), *CREDITS)
    assert plain((one.points, one.low, one.high)) == (None, 0, 2)
    assert "more than the question's 2" in flag.detail


def test_unsure_credit() -> None:
    one, (flag,) = scored(CREDIT, credits("2", unsure="2H"), *CREDITS)
    assert plain((one.low, one.high, flag.kind)) == (2, Fraction(5, 2), FlagKind.UNSURE_MARK)
    one, _ = scored(CREDIT, credits("", unsure="2"), *CREDITS)
    assert plain((one.low, one.high)) == (0, 3)  # if it is none, anything
    one, (flag,) = scored(CREDIT, (answer(CREDITS[0], ["1"], doubt="a correction"), answer(CREDITS[1])), *CREDITS)
    assert plain((one.low, one.high, flag.kind)) == (0, 3, FlagKind.DOUBTFUL_ANSWER)


def test_single_credit_column() -> None:
    (column,) = credit_columns("2.1", 3, corrections=1)
    one, _ = scored(CREDIT, [answer(column, ["1", "1H"])], column)
    assert (one.points, one.rule) == (Fraction(3, 2), "credit: marked 1 1H")


# --------------------------------------------------------------------------- totals


def test_open_questions_are_one_flag() -> None:
    exam = rubric(ALL, question("2a", Policy.OPEN, 5), question("2b", Policy.OPEN, 0), question("2c", Policy.OPEN, "2.5"))
    card, (flag,) = score("b1", [answer(FORM_1A, "AC")], layout(FORM_1A), exam, version="")
    assert plain((card.points, card.low, card.high)) == (None, 4, Fraction("11.5"))
    assert flag.kind is FlagKind.OPEN_POINTS
    assert "questions 2a, 2c" in flag.detail


def test_floor_of_the_exam_holds_for_the_total_only() -> None:
    exam = rubric(ONE, floor=Fraction(0), parts=(Part("1", "Choice", Fraction(4), ("1a",)),))
    card, _ = score("b1", [answer(FORM_1A, "B")], layout(FORM_1A), exam, version="")
    assert plain((card.questions[0].points, card.points)) == (-1, 0)
    assert plain([(part.part, part.points) for part in part_totals(card, exam)]) == [("1", -1)]
    card, _ = score("b1", [answer(FORM_1A, "", "B")], layout(FORM_1A), exam, version="")
    assert card.questions[0].points is None
    assert card.points == 0  # the floor takes what is open


def test_three_times_a_third_is_one() -> None:
    fields = [choice(name) for name in "123"]
    exam = rubric(*(question(name, Policy.SINGLE, 1, "A", wrong=Fraction(-1, 3)) for name in "123"))
    card, _ = score("b1", [answer(one, "B") for one in fields], layout(*fields), exam, version="")
    assert card.points == -1


def test_parts_are_open_where_a_question_is() -> None:
    fields = (choice("1"), choice("2", page=2))
    asked = [question(name, Policy.ALL_OR_NOTHING, 2, "A") for name in "12"]
    exam = rubric(*asked, parts=(Part("P1", "", Fraction(2), ("1",)), Part("P2", "", Fraction(2), ("2",))))
    card, _ = score("b1", [answer(fields[0], "A")], layout(*fields, pages=2), exam, version="")
    assert plain([(one.points, one.low, one.high) for one in part_totals(card, exam)]) == [(2, 2, 2), (None, 0, 2)]


def test_totals_of_parts_are_each_booklets_own_where_booklets_share_some() -> None:
    fields = (choice("1"), choice("2"))
    asked = [question(name, Policy.ALL_OR_NOTHING, 2, "A") for name in "12"]
    exam = rubric(*asked, parts=(Part("P1", "", Fraction(2), ("1",)), Part("P2", "", Fraction(2), ("2",))))
    scores: Made = {}
    totals: MadeTotals = {}
    for marks in ("AA", "AB", "BA", "AA", "BB"):
        held = [answer(one, mark) for one, mark in zip(fields, marks, strict=True)]
        card, _ = score("b1", held, layout(*fields), exam, version="", made=scores)
        assert part_totals(card, exam, totals) == part_totals(card, exam)
    assert len(totals) == 4


# --------------------------------------------------------------------------- questions that do not count, and bonus


@pytest.mark.parametrize(("void", "points", "said"), [(Void.FULL, 4, "full points for everybody"), (Void.OUT, 0, "taken out")])
def test_a_void_question_asks_nobody(void: Void, points: int, said: str) -> None:
    asked = replace(ALL, void=void)
    assert plain(widest(asked, "")) == (points, points)
    for held in (
        [answer(FORM_1A, "B", "A")],
        [answer(FORM_1A, "ABCD", doubt="smeared")],
        [],
    ):  # unsure, doubtful, page missing
        card, flags = score(
            "b1", held, layout(FORM_1A), rubric(asked), version="", given={"1a": Given((Fraction(3),), "3 by Ada")}
        )
        assert plain((card.points, flags)) == (points, ())
        assert said in card.questions[0].rule


def test_points_by_hand_that_the_rubric_does_not_have_any_more_are_asked_about() -> None:
    exam = rubric(question("1a", Policy.OPEN, 4))
    card, (flag,) = score("b1", [], layout(), exam, version="", given={"1a": Given((Fraction(5),), "5 by Ada")})
    assert plain((card.points, card.low, card.high)) == (None, 0, 4)
    assert (flag.kind, flag.can_change_points) == (FlagKind.CREDIT, True)
    assert "points by hand (5 by Ada) are not within the 0 to 4" in flag.detail


# --------------------------------------------------------------------------- from questions to the exam


def exam_of(points: str, **more: object) -> Scorecard:
    """An exam of 40 points of which these are earned, by hand."""
    exam = rubric(question("1", Policy.OPEN, 40), **more)
    given = {"1": Given((Fraction(points),), "by hand")}
    return score("b1", [], layout(), exam, version="", given=given)[0]


def test_guess_correction() -> None:
    guess = GuessCorrection(Fraction(1, 4), ("1",))
    assert exam_of("28", guess=guess).points == 24
    assert exam_of("40", guess=guess).points == 40
    assert exam_of("10", guess=guess).points == 0
    assert exam_of("4", guess=guess).points == -8
    assert exam_of("4", guess=guess, floor=Fraction(0)).points == 0
    card, exam = exam_of("28", guess=guess), rubric(question("1", Policy.OPEN, 40), guess=guess)
    assert total_rule(card, exam) == "sum 28, guess correction 0.25 on 28 of 40: 24"


def test_guess_correction_leaves_other_questions_alone() -> None:
    asked = [question(name, Policy.OPEN, 20) for name in "123"]
    guess = GuessCorrection(Fraction(1, 4), ("1", "2"))
    exam = rubric(asked[0], replace(asked[1], void=Void.FULL), asked[2], guess=guess)
    card, _ = score("b1", [], layout(), exam, version="", given={name: Given((Fraction(14),), "by hand") for name in "123"})
    assert card.points == 12 + 20 + 14  # (14 - 5) / 15 x 20, what is void in full, and the open question as it is


def test_cap_of_the_exam_holds_a_bonus() -> None:
    exam = rubric(question("1", Policy.OPEN, 40), question("2", Policy.OPEN, 5, bonus=True), cap=Fraction(40))
    given = {"1": Given((Fraction(38),), "by hand"), "2": Given((Fraction(5),), "by hand")}
    card, _ = score("b1", [], layout(), exam, version="", given=given)
    assert card.points == 40
    assert total_rule(card, exam) == "sum 43, cap 40"


@pytest.mark.parametrize(
    ("points", "step", "shown"),
    [("7.25", "0.5", "7.5"), ("7.24", "0.5", "7"), ("-7.25", "0.5", "-7.5"), ("1.005", None, "1.01"), ("7.1", "0.25", "7")],
)
def test_exam_points_are_rounded_once_half_up(points: str, step: str | None, shown: str) -> None:
    exam = rubric(question("1", Policy.OPEN, 40), round_to=None if step is None else Fraction(step), places=2)
    assert shown_points(Fraction(points), exam) == shown


def test_the_rule_of_the_exam_tells_the_rounding() -> None:
    exam = rubric(question("1", Policy.OPEN, 40), round_to=Fraction("0.5"))
    assert total_rule(exam_of("7.25", round_to=exam.round_to), exam) == "sum 7.25, rounded to 0.5: 7.5"
    assert total_rule(exam_of("7", round_to=exam.round_to), exam) == "sum 7"


LINE = Scale((Fraction(0), Fraction(55), Fraction(100)), ("1", "5.5", "10"), line=True)
STEPS = Scale((Fraction(0), Fraction(50), Fraction(85)), ("5.0", "4.0", "1.0"), line=False)


@pytest.mark.parametrize(
    ("scale", "points", "grade"),
    [
        (LINE, "0", "1.0"),
        (LINE, "55", "5.5"),
        (LINE, "54.9", "5.5"),  # 5.492
        (LINE, "77.5", "7.8"),  # 7.75, half up
        (LINE, "100", "10.0"),
        (LINE, "104", "10.0"),
        (LINE, "-3", "1.0"),
        (replace(LINE, round_to=Fraction(1, 2)), "60", "6.0"),
        (replace(LINE, round_to=Fraction(1)), "60", "6"),
        (STEPS, "49.99", "5.0"),
        (STEPS, "49.995", "4.0"),  # shows as 50
        (STEPS, "50", "4.0"),
        (STEPS, "84.9", "4.0"),
        (STEPS, "100", "1.0"),
        (STEPS, "-1", "5.0"),
    ],
)
def test_grades_follow_from_the_points_as_they_are_shown(scale: Scale, points: str, grade: str) -> None:
    assert grade_of(Fraction(points), rubric(scale=scale)) == grade


# --------------------------------------------------------------------------- pages of which the image is open


def test_double_page_makes_its_questions_open() -> None:
    fields = (choice("1"), choice("2", page=2))
    exam = rubric(*(question(name, Policy.ALL_OR_NOTHING, 2, "A") for name in "12"))
    flags = [
        Flag(FlagKind.DUPLICATE_PAGE, "", "b1", 2),
        Flag(FlagKind.DUPLICATE_PAGE, "", "b2", 1, can_change_points=False),
        Flag(FlagKind.PAGE_ORDER, "", "b3"),
        Flag(FlagKind.MISSING_PAGE, "", "b4", 1),
    ]
    doubtful = doubtful_pages(flags)
    assert doubtful == {"b1": frozenset({2}), "b3": frozenset({0})}
    held = [answer(one, "A") for one in fields]

    def points(booklet: str) -> list[Fraction | None]:
        card, _ = score(booklet, held, layout(*fields, pages=2), exam, version="", doubtful=doubtful.get(booklet, frozenset()))
        return [one.points for one in card.questions]

    assert points("b1") == [2, None]
    assert points("b2") == [2, 2]
    assert points("b3") == [None, None]


def test_double_page_with_the_version_makes_the_version_open() -> None:
    asked = question("1", Policy.SINGLE, 2, keys={"A": (frozenset("A"),), "B": (frozenset("B"),)})
    mark = field("version", FieldKind.VERSION, "AB", page=1)
    one = choice("1", page=2)
    exam = rubric(asked, versions=("A", "B"), version_from="mark")
    card, _ = score("b1", [answer(one, "A")], layout(mark, one, pages=2), exam, version="A", doubtful=frozenset({1}))
    assert plain((card.version, card.low, card.high)) == ("", 0, 2)


def test_scores_made_for_other_booklets_change_none() -> None:
    one, two, corrected = choice("1"), choice("2", page=2), choice("3")
    questions = (
        question("1", Policy.SINGLE, 2, keys={"A": (frozenset("A"),), "B": (frozenset("B"),)}),
        question("2", Policy.ALL_OR_NOTHING, 3, "AC"),
        question("3", Policy.SINGLE, 2, "A"),
        question("4", Policy.OPEN, 5),
    )
    exam, form = rubric(*questions, versions=("A", "B"), version_from="roster"), layout(one, two, corrected, pages=2)
    held = [
        [answer(field, marked, unsure) for field, marked, unsure in zip((one, two, corrected)[:came], *seen, strict=False)]
        for came in (1, 2, 3)
        for seen in ((("A", "AC", "A"), ("", "", "")), (("B", "C", "AB"), ("", "", "")), (("A", "A", ""), ("B", "C", "A")))
    ]
    held.append([answer(one, "A"), answer(two, "AC"), replace(answer(corrected, "A"), doubt="ink beside")])
    by_hand = {"2": Given((Fraction(1),), "1 by Ada"), "4": Given((Fraction(4),), "4 by Ada")}
    made: Made = {}
    for version in ("A", "B", None):
        for doubtful in (frozenset[int](), frozenset({2})):
            for given_ in ({}, by_hand, {}):
                for number, answers in enumerate(held):
                    alone = score(f"b{number}", answers, form, exam, version=version, doubtful=doubtful, given=given_)
                    among = score(
                        f"b{number}", answers, form, exam, version=version, doubtful=doubtful, given=given_, made=made
                    )
                    assert among == alone
    assert made


# --------------------------------------------------------------------------- versions

MARK = field("version", FieldKind.VERSION, "AB")
AGAIN = field("again", FieldKind.VERSION, "AB", page=2)


def told(*held: Answer, source: str = "mark", student: Student | None = None) -> tuple[str | None, tuple[Flag, ...]]:
    exam = rubric(ALL, versions=("A", "B"), version_from=source)
    return version_of("b1", held, layout(MARK, AGAIN, pages=2), exam, student=student)


def test_exam_without_versions() -> None:
    assert version_of("b1", (), layout(FORM_1A), rubric(ALL), student=None) == ("", ())


def test_version_is_told_by_mark_roster_or_rubric() -> None:
    assert told(answer(MARK, "B")) == ("B", ())  # the other page is missing
    assert told(answer(MARK, "B"), answer(AGAIN, "B")) == ("B", ())
    assert told(source="A") == ("A", ())
    assert told(source="roster", student=Student("1", version="B")) == ("B", ())


@pytest.mark.parametrize(
    ("held", "source", "student", "said"),
    [
        ((), "mark", None, "not marked"),
        ((answer(MARK),), "mark", None, "not marked"),
        ((answer(MARK, "AB"),), "mark", None, "not marked"),
        ((answer(MARK, "A", "B"),), "mark", None, "not marked"),
        ((answer(MARK, "A", doubt="smeared"),), "mark", None, "not marked"),
        ((answer(MARK, "A"), answer(AGAIN, "B")), "mark", None, "not marked"),
        ((answer(MARK, "A"), answer(AGAIN)), "mark", None, "not marked"),
        ((), "roster", None, "not certain whose"),
        ((), "roster", Student("1"), "roster has none"),
        ((), "roster", Student("1", version="C"), "'C' is none of"),
    ],
)
def test_version_is_never_guessed(held: tuple[Answer, ...], source: str, student: Student | None, said: str) -> None:
    version, (flag,) = told(*held, source=source, student=student)
    assert version is None
    assert (flag.kind, flag.booklet) == (FlagKind.UNKNOWN_VERSION, "b1")
    assert said in flag.detail
    assert "A, B" in flag.detail


CODES = CopyNumbers(pattern="{version}-{number}")
NUMBERS = CopyNumbers(ranges={"A": ((1, 100), (205, 205)), "B": ((101, 204),)})


@pytest.mark.parametrize(
    ("copies", "copy", "version"),
    [
        (CODES, "A-0042", "A"),
        (CODES, "B-1", "B"),
        (CODES, "C-0001", None),
        (CODES, "0042", None),
        (CODES, "A-12.pdf 1", None),  # called by its file, since it has no code
        (NUMBERS, "0042", "A"),
        (NUMBERS, "205", "A"),
        (NUMBERS, "101", "B"),
        (NUMBERS, "206", None),
        (NUMBERS, "room 1", None),
    ],
)
def test_version_by_code(copies: CopyNumbers, copy: str, version: str | None) -> None:
    exam = rubric(ALL, versions=("A", "B"), version_from="code", copies=copies)
    told_version, flags = version_of(copy, (), layout(MARK), exam, student=None)
    assert told_version == version
    assert [flag.kind for flag in flags] == ([] if version else [FlagKind.UNKNOWN_VERSION])
    assert all(f"its page code says of the copy, '{copy}', tells none" in flag.detail or copy[0] == "C" for flag in flags)


PRINTED = Field("printed", FieldKind.TEXT, 1, region=Region(1, 20, 20, 40, 10), role="version")


@pytest.mark.parametrize(
    ("versions", "prints", "version"),
    [
        (("A", "B"), {"printed": "Version B"}, "B"),
        (("A", "B"), {"printed": "Exam (Version: A)."}, "A"),
        (("A", "B"), {"printed": "Version A", "more": "A"}, "A"),
        (("A", "B"), {"printed": "Version A", "more": "Version B"}, None),
        (("A", "B"), {"printed": "Version A", "more": ""}, None),
        (("A", "B"), {"printed": "A or B"}, None),
        (("A", "B"), {"printed": "Version C"}, None),
        (("A", "B"), {"printed": "version a"}, None),  # one letter: what is not the same is not meant
        (("A", "B"), {"printed": ""}, None),
        (("A", "B"), {}, None),
        (("red", "dark red"), {"printed": "Version dark red"}, "dark red"),
        (("red", "dark red"), {"printed": "Version red"}, "red"),
        (("red", "dark red"), {"printed": "Version dark"}, None),
    ],
)
def test_version_by_print(versions: tuple[str, ...], prints: dict[str, str], version: str | None) -> None:
    exam = rubric(ALL, versions=versions, version_from="print")
    told_version, flags = version_of("b1", (), layout(PRINTED), exam, student=None, prints=prints)
    assert told_version == version
    assert [(flag.kind, flag.field) for flag in flags] == ([] if version else [(FlagKind.UNKNOWN_VERSION, "printed")])
    if not any(prints.values()):
        assert "nothing can be read where it is printed" in flags[0].detail


# --------------------------------------------------------------------------- versions in another order

FIRST, SECOND = choice("1"), choice("2", page=2)
PERMUTED = rubric(
    question("1", Policy.SINGLE, 2, "A"),
    question("2", Policy.ALL_OR_NOTHING, 3, "CD"),
    versions=("A", "B"),
    version_from="mark",
    permutations={"B": Permutation({"1": "2", "2": "1"}, {"1": {"A": "D", "B": "C", "C": "B", "D": "A"}})},
)


def permuted(first: str, second: str, version: str | None, unsure: str = "") -> tuple[Scorecard, tuple[Flag, ...]]:
    held = [answer(FIRST, first, unsure), answer(SECOND, second)]
    return score("b1", held, layout(FIRST, SECOND, pages=2), PERMUTED, version=version)


def test_a_permuted_version_earns_the_same_for_the_same() -> None:
    card, _ = permuted("A", "CD", "A")
    assert plain([one.points for one in card.questions]) == [2, 3]
    card, _ = permuted("AB", "A", "B")  # there boxes A and B of field 1 are alternatives D and C of question 2
    assert plain([one.points for one in card.questions]) == [2, 3]
    assert card.questions[1].rule == "all-or-nothing: marked C D, key C D (printed as question 1: A B)"
    card, _ = permuted("A", "CD", "B")
    assert plain([one.question for one in card.questions if one.points]) == []


def test_an_unsure_mark_of_a_permuted_version_moves_the_question_that_is_printed_there() -> None:
    card, (flag,) = permuted("A", "A", "B", unsure="B")
    assert plain([(one.low, one.high) for one in card.questions]) == [(2, 2), (0, 3)]
    assert (flag.field, flag.page) == ("1", 1)


def test_an_unknown_version_counts_every_order() -> None:
    card, _ = permuted("AB", "A", None)
    assert plain([(one.low, one.high) for one in card.questions]) == [(0, 2), (0, 3)]
    assert "version not known; A: " in card.questions[0].rule
    same, _ = permuted("", "", None)
    assert same.points == 0


def test_a_missing_page_concerns_the_question_that_is_printed_there() -> None:
    card, _ = score("b1", [answer(FIRST, "AB")], layout(FIRST, SECOND, pages=2), PERMUTED, version="B")
    assert plain([(one.low, one.high) for one in card.questions]) == [(0, 2), (3, 3)]


# --------------------------------------------------------------------------- whatever a person decides

POINTS = st.fractions(min_value=-5, max_value=5, max_denominator=6)
STATES = st.lists(st.sampled_from(["empty", "marked", "unsure"]), min_size=4, max_size=4)


@st.composite
def questions(draw: st.DrawFn) -> Question:
    policy = draw(st.sampled_from([one for one in Policy if one not in (Policy.CREDIT, Policy.OPEN)]))
    floor, cap = sorted((draw(POINTS), draw(POINTS)))
    right = st.frozensets(st.sampled_from("ABCD"), max_size=1 if policy is Policy.SINGLE else 4)
    keys = draw(st.lists(right, min_size=1, max_size=2))
    return question(
        "1a",
        policy,
        Fraction(draw(st.integers(0, 5))),
        keys={"": tuple(keys)},
        values={"": {one: draw(POINTS) / (5 if policy is Policy.MOODLE else 1) for one in "ABCD"}},
        alternatives=tuple("ABCD"),
        negative=draw(st.sampled_from([Fraction(0), Fraction(1, 4), Fraction(1)])),
        rule=draw(st.sampled_from(RExamsRule)),
        partial=draw(st.booleans()),
        multiple_is_wrong=draw(st.booleans()),
        floor=draw(st.sampled_from([None, floor])),
        cap=draw(st.sampled_from([None, cap])),
        wrong=draw(POINTS),
        blank=draw(POINTS),
        multiple=draw(st.one_of(st.none(), POINTS)),
    )


def named(states: Iterable[str], wanted: str, boxes: Iterable[str] = "ABCD") -> list[str]:
    return [box for box, state in zip(boxes, states, strict=True) if state == wanted]


@given(asked=questions(), states=STATES, doubt=st.booleans(), decisions=st.lists(st.booleans(), min_size=4, max_size=4))
def test_every_decision_lands_within_the_bounds(
    asked: Question, states: list[str], doubt: bool, decisions: list[bool]
) -> None:
    one, flags = scored(asked, [answer(FORM_1A, named(states, "marked"), named(states, "unsure"), "smeared" if doubt else "")])
    least, most = widest(asked, "")
    assert least <= one.low <= one.high <= most
    assert (one.points is None) == (one.low != one.high)
    assert bool(flags) or one.points is not None
    decided = [
        ("marked" if decision else "empty") if doubt or state == "unsure" else state
        for state, decision in zip(states, decisions, strict=True)
    ]
    after, _ = scored(asked, [answer(FORM_1A, named(decided, "marked"))])
    assert one.low <= after.low <= after.high <= one.high


COLUMN = [box.value for box in CREDITS[0].boxes]


@given(
    most=st.integers(1, 3),
    states=st.lists(st.sampled_from(["empty", "empty", "marked", "unsure"]), min_size=14, max_size=14),
    decisions=st.lists(st.booleans(), min_size=14, max_size=14),
)
def test_every_decision_about_credit_lands_within_the_bounds(most: int, states: list[str], decisions: list[bool]) -> None:
    def held(all_states: list[str]) -> list[Answer]:
        return [
            answer(one, named(part, "marked", COLUMN), named(part, "unsure", COLUMN))
            for one, part in zip(CREDITS, (all_states[:7], all_states[7:]), strict=True)
        ]

    asked = question("2.1", Policy.CREDIT, most)
    before, flags = scored(asked, held(states), *CREDITS)
    assert 0 <= before.low <= before.high <= most
    assert bool(flags) or before.points is not None
    decided = [
        ("marked" if decision else "empty") if state == "unsure" else state
        for state, decision in zip(states, decisions, strict=True)
    ]
    after, _ = scored(asked, held(decided), *CREDITS)
    assert before.low <= after.low <= after.high <= before.high


def test_scorecard_of_no_questions() -> None:
    assert score("b1", (), layout(FORM_1A), rubric(), version="") == (
        Scorecard("b1", "", (), Fraction(0), Fraction(0), Fraction(0)),
        (),
    )
