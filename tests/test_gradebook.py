"""Rows of the gradebook, cell by cell."""

from __future__ import annotations

import time
from fractions import Fraction

import pytest

from scangrade.answers.collate import collate
from scangrade.answers.identify import identify
from scangrade.grades.cells import is_formula, safe_text
from scangrade.grades.gradebook import COLUMNS, gradebook
from scangrade.grades.score import score
from scangrade.model import (
    Identity,
    MatchStatus,
    Part,
    Policy,
    QuestionScore,
    Roster,
    Rubric,
    Scorecard,
    Student,
)
from tests.records import answer, choice, layout, number_answers, number_grid, question, read

ADA = Student("0012345", "Lovelace", "Ada", "ada@example.org")
EMMY = Student("0067890", "Noether", "Emmy")
GRACE = Student("0011111", "Hopper", "Grace")
QUESTIONS = (question("1a", Policy.ALL_OR_NOTHING, 4, "A"), question("2", Policy.SINGLE, "1.5", "A"))
RUBRIC = Rubric(
    "exam",
    "Exam",
    QUESTIONS,
    parts=(Part("P1", "", Fraction(4), ("1a",)), Part("P2", "", Fraction("1.5"), ("2",))),
    total=Fraction("5.5"),
)
NUMBER = Fraction


def card(booklet: str, first: str, second: str, high: str = "") -> Scorecard:
    """Points of both questions; with `high` the second is open between the two."""
    one, low, top = NUMBER(first), NUMBER(second), NUMBER(high or second)
    certain = None if high else low
    return Scorecard(
        booklet,
        "",
        (QuestionScore("1a", one, one, one, ""), QuestionScore("2", certain, low, top, "")),
        None if high else one + low,
        one + low,
        one + top,
    )


def matched(booklet: str, student: Student) -> Identity:
    return Identity(booklet, MatchStatus.MATCHED, student.number, student)


def test_students_in_roster_order_then_booklets_without_one() -> None:
    cards = [card("b1", "0", "0"), card("b2", "4", "-5/3"), card("b3", "4", "0", "1.5")]
    identities = [Identity("b1", MatchStatus.UNKNOWN, "001234?"), matched("b3", ADA), matched("b2", EMMY)]
    table, issues = gradebook(cards, identities, RUBRIC, Roster((EMMY, GRACE, ADA)))
    assert list(table.columns) == [*COLUMNS, "1a", "2", "part:P1", "part:P2"]
    assert ",".join(COLUMNS) == (
        "student_number,last_name,first_name,email,booklet,status,points,max_points,points_low,points_high"
    )
    assert table.to_numpy().tolist() == [
        ["0067890", "Noether", "Emmy", "", "b2", "graded", "2.33", "5.5", "2.33", "2.33", "4", "-1.67", "4", "-1.67"],
        ["0011111", "Hopper", "Grace", "", "", "absent", "", "5.5", "", "", "", "", "", ""],
        ["0012345", "Lovelace", "Ada", "ada@example.org", "b3", "needs_review", "", "5.5", "4", "5.5", "4", "", "4", ""],
        ["", "", "", "", "b1", "unknown_student", "0", "5.5", "0", "0", "0", "0", "0", "0"],
    ]
    assert not issues


def test_two_booklets_of_one_student_stand_together() -> None:
    cards = [card("b1", "4", "0"), card("b2", "0", "0", "1.5"), card("b3", "0", "0")]
    identities = [
        Identity("b1", MatchStatus.DUPLICATE, ADA.number, ADA),
        Identity("b2", MatchStatus.DUPLICATE, ADA.number, ADA),
        matched("b3", EMMY),
    ]
    table, _ = gradebook(cards, identities, RUBRIC, Roster((ADA, EMMY)))
    rows = table[["student_number", "booklet", "status", "points"]].to_numpy().tolist()
    assert rows == [
        ["0012345", "b1", "duplicate", "4"],
        ["0012345", "b2", "duplicate", ""],
        ["0067890", "b3", "graded", "0"],
    ]


def test_without_a_roster_the_number_is_all_there_is() -> None:
    identities = [Identity("b1", MatchStatus.NO_ROSTER, "0012345"), Identity("b2", MatchStatus.DUPLICATE, "7")]
    table, _ = gradebook([card("b1", "4", "1"), card("b2", "0", "0")], identities, RUBRIC, None)
    rows = table[["student_number", "last_name", "booklet", "status", "points"]].to_numpy().tolist()
    assert rows == [["0012345", "", "b1", "graded", "5"], ["7", "", "b2", "duplicate", "0"]]


def test_total_is_rounded_once() -> None:
    thirds = card("b1", "1/3", "1/3")
    table, _ = gradebook([thirds], [matched("b1", ADA)], RUBRIC, Roster((ADA,)))
    assert table[["1a", "2", "points"]].to_numpy()[0].tolist() == ["0.33", "0.33", "0.67"]
    whole = Rubric("exam", "Exam", QUESTIONS, total=Fraction("5.5"), places=0)
    table, _ = gradebook([thirds], [matched("b1", ADA)], whole, Roster((ADA,)))
    assert table[["1a", "points", "max_points"]].to_numpy()[0].tolist() == ["0", "1", "6"]


def test_question_named_like_a_column_keeps_apart() -> None:
    rubric = Rubric("exam", "Exam", (question("points", Policy.OPEN, 1),), total=Fraction(1))
    table, _ = gradebook([], [], rubric, Roster((ADA,)))
    assert list(table.columns)[-1] == "question:points"
    assert table.columns.is_unique


def test_nothing_at_all() -> None:
    table, _ = gradebook([], [], RUBRIC, None)
    assert table.empty
    assert list(table.columns)[:10] == list(COLUMNS)


def test_scorecard_without_identity_is_a_mistake() -> None:
    with pytest.raises(KeyError, match="b1"):
        gradebook([card("b1", "0", "0")], [], RUBRIC, None)


# --------------------------------------------------------------------------- spreadsheets


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1+1",
        "-1+1",
        "@SUM(1+1)",
        "|calc",
        "  =cmd|' /C calc'!A0",
        "\t=1",
        "\tx",
        "\r=1",
        "\n=1",
        "\0=1",
        "\x1b=1",
        "\u00a0=1",
        "\uff1d1",
        "\uff0b1",
        "\uff0d1",
        "\uff201",
        '=HYPERLINK("http://example.org","x")',
    ],
)
def test_text_that_would_run_gets_a_quote(text: str) -> None:
    assert is_formula(text)
    safe = safe_text(text)
    assert safe[0] == "'"
    assert not {"\0", "\r", "\n"} & set(safe)
    assert not is_formula(safe)
    assert safe_text(safe) == safe


@pytest.mark.parametrize("text", ["", "Ada", "O'Neil", "'t Hooft", "Müller-Lüdenscheidt", "a=b", "1.5", "\u6e6f\u5ddd"])
def test_other_text_stays(text: str) -> None:
    assert safe_text(text) == text


def test_names_are_made_harmless_and_reported_points_are_left() -> None:
    bad = Student("0012345", "=1+1", "@Ada", "ada@example.org")
    worse = Student("0067890", "=2", "Emmy")
    table, issues = gradebook([card("-b1", "0", "-1.5")], [matched("-b1", bad)], RUBRIC, Roster((bad, worse)))
    assert table[["last_name", "first_name", "booklet", "points", "2"]].to_numpy()[0].tolist() == [
        "'=1+1",
        "'@Ada",
        "'-b1",
        "-1.5",
        "-1.5",
    ]
    assert [issue.where for issue in issues] == [
        "gradebook, column last_name",
        "gradebook, column first_name",
        "gradebook, column booklet",
    ]
    assert issues[0].message.startswith("2 values")


# --------------------------------------------------------------------------- the stages together


def test_a_thousand_booklets_take_little_time() -> None:
    grid = number_grid()
    fields = [choice(f"q{number}") for number in range(5)]
    form = layout(*grid, *fields)
    rubric = Rubric(
        "exam",
        "Exam",
        tuple(question(one.id, Policy.ALL_OR_NOTHING, 1, "A") for one in fields),
        total=Fraction(5),
    )
    students = tuple(Student(f"{10_000_000 + 37 * number}") for number in range(300))
    start = time.process_time()
    booklets, _ = collate([read(1, f"{number:04d}", at=number + 1) for number in range(300)], form)
    marks = tuple(answer(one, "A") for one in fields)
    answers = {
        one.id: (*number_answers(grid, student.number), *marks) for one, student in zip(booklets, students, strict=True)
    }
    identities, flags = identify(answers, form, Roster(students))
    cards = [score(one, held, form, rubric, version="")[0] for one, held in answers.items()]
    table, _ = gradebook(cards, identities, rubric, Roster(students))
    assert not flags
    assert set(table["status"]) == {"graded"}
    assert set(table["points"]) == {"5"}
    assert time.process_time() - start < 5  # seconds; a tenth of it is usual, a lookup per lookup would take a minute
