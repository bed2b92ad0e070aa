"""What of an answer is called right and wrong."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scangrade.grades.feedback import Feedback, answered, feedback, right_alternatives
from scangrade.grades.policies import all_or_nothing
from scangrade.model import Permutation, Policy, Rubric, Void
from tests.records import answer, choice, layout, question

LETTERS = {"right": "+", "wrong": "-", "missed": "!", "left": ".", "marked": "m", "open": "?"}


def told(asked: object, marked: str, open_boxes: str = "", version: str | None = "", names: str = "ABCD") -> str:
    found = feedback(asked, version, frozenset(marked), frozenset(open_boxes), names)  # type: ignore[arg-type]
    return "".join(LETTERS[found[one]] for one in names)


ALL = question("1", Policy.ALL_OR_NOTHING, 4, "AB")
EITHER = question("1", Policy.ALL_OR_NOTHING, 4, "AB", "CD")
NONE = question("1", Policy.ALL_OR_NOTHING, 2, "")
VALUES = question(
    "1",
    Policy.PER_ALTERNATIVE,
    4,
    values={"": {"A": Fraction(4), "B": Fraction("-1.67"), "C": Fraction(0)}},
)


@pytest.mark.parametrize(
    ("asked", "marked", "expected"),
    [
        (ALL, "AB", "++.."),
        (ALL, "A", "+!.."),
        (ALL, "C", "!!-."),
        (ALL, "", "!!.."),
        (NONE, "", "...."),
        (NONE, "B", ".-.."),
        (EITHER, "CD", "..++"),
        (EITHER, "C", "..+!"),
        (EITHER, "AC", "+!-."),  # equally near: the first key
        (VALUES, "ABC", "+-m."),
        (VALUES, "", "!..."),
        (VALUES, "D", "!..m"),
    ],
)
def test_right_and_wrong(asked: object, marked: str, expected: str) -> None:
    assert told(asked, marked) == expected


def test_what_is_open_is_neither() -> None:
    assert told(ALL, "A", "BC") == "+??."


def test_without_a_version_or_a_key_nothing_is_right() -> None:
    assert told(ALL, "AC", version=None) == "m.m."
    assert told(question("1", Policy.SINGLE, 2), "A") == "m..."
    assert told(VALUES, "AB", version=None) == "mm.."


def test_by_version() -> None:
    asked = question("1", Policy.SINGLE, 2, keys={"X": (frozenset("A"),), "Y": (frozenset("B"),)})
    assert (told(asked, "A", version="X"), told(asked, "A", version="Y")) == ("+...", "-!..")
    assert right_alternatives(asked, "Y") == {"B"}


@given(st.frozensets(st.sampled_from("ABCD")), st.lists(st.frozensets(st.sampled_from("ABCD")), min_size=1, max_size=3))
def test_all_is_right_exactly_where_the_points_are_full(marked: frozenset[str], keys: list[frozenset[str]]) -> None:
    asked = question("1", Policy.ALL_OR_NOTHING, 3, keys={"": tuple(keys)})
    faults = {Feedback.WRONG, Feedback.MISSED} & set(feedback(asked, "", marked, frozenset(), "ABCD").values())
    assert (not faults) == (all_or_nothing(asked, "", marked).points == 3)


def test_a_voided_question_is_neither() -> None:
    for void in Void:
        assert told(question("1", Policy.ALL_OR_NOTHING, 4, "AB", void=void), "AC") == "m.m."


@pytest.mark.parametrize("policy", [Policy.PER_BOX, Policy.ONE_DEVIATION_HALF, Policy.NO_OVER_SELECTION, Policy.R_EXAMS])
def test_policies_with_a_key(policy: Policy) -> None:
    assert told(question("1", policy, 4, "AB"), "AC") == "+!-."


def test_policies_with_values() -> None:
    moodle = question("1", Policy.MOODLE, 4, values={"": {"A": Fraction(1, 2), "B": Fraction(1, 2), "C": Fraction(-1)}})
    assert told(moodle, "AC") == "+!-."
    qti = question("1", Policy.QTI, 4, values={"": {"A": Fraction(2)}}, default=Fraction(-1))
    assert told(qti, "AD") == "+..-"


def test_versions_that_print_questions_elsewhere_and_alternatives_in_another_order() -> None:
    """Version Y prints question 2 where the form has question 1, and its box A is alternative C."""
    first, second = choice("1"), choice("2", "ABC")
    permuted = {"Y": Permutation({"1": "2", "2": "1"}, {"1": {"A": "C", "C": "A"}})}
    asked = (question("1", Policy.SINGLE, 1, "B"), question("2", Policy.SINGLE, 1, "C"))
    rubric = Rubric("exam", "Exam", asked, versions=("X", "Y"), permutations=permuted)
    form = layout(first, second)
    answers = [answer(first, "A", "B"), answer(second, "B")]
    found = answered(answers, "X", form, rubric)
    assert [set(one) for one in (found["1"].marked, found["1"].open, found["2"].marked)] == [{"A"}, {"B"}, {"B"}]
    found = answered(answers, "Y", form, rubric)
    assert [set(one) for one in (found["2"].marked, found["2"].open, found["1"].marked)] == [{"C"}, {"B"}, {"B"}]
    assert found["2"].alternatives == ("C", "B", "A", "D")
    assert found["2"].fields == (first,)
    assert answered(answers, None, form, rubric) == {}
    assert answered(answers[:1], "X", form, rubric).keys() == {"1"}
