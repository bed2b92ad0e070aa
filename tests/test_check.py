"""Layout, rubric and roster held against each other: built from records, one misfit each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from scangrade.definitions.check import check
from scangrade.definitions.layout import load_layout
from scangrade.definitions.rubric import load_rubric
from scangrade.errors import Severity
from scangrade.model import (
    Box,
    Convention,
    Field,
    FieldKind,
    Layout,
    LayoutPage,
    PageCode,
    PageCodeKind,
    Permutation,
    Policy,
    Question,
    Roster,
    Rubric,
    Student,
)
from tests.written import number_cells


def field(name: str, kind: FieldKind, values: Sequence[str], *, many: bool = True, question: str = "") -> Field:
    boxes = tuple(Box(name, value, 1, 30.0 + 8 * place, 60.0, 4, 4, 0.3) for place, value in enumerate(values))
    return Field(name, kind, 1, boxes, question=question, many=many)


CHOICE = field("1a", FieldKind.CHOICE, "ABCD", question="1a")
SINGLE = field("1b", FieldKind.CHOICE, "ABCD", many=False, question="1b")
CREDIT = field("2.1", FieldKind.CREDIT, ["0", "0H", "1", "1H", "2"], question="2.1")
ANSWER = Field("3", FieldKind.TEXT, 1, question="3", role="answer")
VERSION = field("version", FieldKind.VERSION, "AB")
GRID = tuple(
    replace(field(f"n.{place}", FieldKind.DIGIT, "0123456789"), group="n", place=place, role="student_number")
    for place in (1, 2, 3)
)
QUESTIONS = (
    Question("1a", Policy.ALL_OR_NOTHING, Fraction(4), keys={"": (frozenset("AC"),)}),
    Question("1b", Policy.SINGLE, Fraction(4), keys={"": (frozenset("B"),)}),
    Question("2.1", Policy.CREDIT, Fraction(2)),
    Question("3", Policy.OPEN, Fraction(5)),
)
FIELDS = (CHOICE, SINGLE, CREDIT, ANSWER, *GRID)


def layout(*fields: Field) -> Layout:
    return Layout("form", "", Convention.CROSS, (LayoutPage(1, 210, 297, ()),), fields or FIELDS)


def rubric(*questions: Question, versions: tuple[str, ...] = (), version_from: str = "") -> Rubric:
    return Rubric("key", "", questions or QUESTIONS, versions=versions, version_from=version_from)


def the_issue(form: Layout, key: Rubric, roster: Roster | None = None) -> tuple[Severity, str]:
    (issue,) = check(form, key, roster)
    return issue.severity, str(issue)


def test_what_fits_has_no_issue() -> None:
    assert check(layout(), rubric(), Roster((Student("001"), Student("002")))) == ()


# --------------------------------------------------------------------------- questions


def test_a_question_without_field_has_its_near_miss() -> None:
    form = layout(replace(CHOICE, id="1aa", question="1aa"), SINGLE, CREDIT, ANSWER)
    error, warning = check(form, rubric(), None)
    assert (error.severity, warning.severity) == (Severity.ERROR, Severity.WARNING)
    assert str(error) == (
        "rubric key, questions.1a: policy all-or-nothing needs a choice field of the layout for question \"1a\"; it has none. "
        "Did you mean `1aa`?"
    )  # fmt: skip
    assert "the rubric has no question for the choice field of 1aa" in str(warning)


def test_a_question_with_a_field_of_another_kind() -> None:
    key = rubric(*QUESTIONS[:2], replace(QUESTIONS[2], policy=Policy.SINGLE, keys={"": (frozenset("A"),)}), QUESTIONS[3])
    severity, text = the_issue(layout(), key)
    assert severity is Severity.ERROR
    assert "it has only 2.1 (credit)." in text


def test_two_fields_of_one_question() -> None:
    severity, text = the_issue(layout(*FIELDS, replace(CHOICE, id="1c")), rubric())
    assert (severity, "fields 1a and 1c all answer it." in text) == (Severity.ERROR, True)


def test_a_key_of_a_box_that_is_not_there() -> None:
    key = rubric(replace(QUESTIONS[0], keys={"": (frozenset("AE"),)}), *QUESTIONS[1:])
    severity, text = the_issue(layout(), key)
    assert severity is Severity.ERROR
    assert text == 'rubric key, questions.1a: the key names "E"; field "1a" has the boxes A, B, C and D.'


def test_a_key_in_small_letters_has_its_near_miss() -> None:
    key = rubric(replace(QUESTIONS[0], keys={"": (frozenset("a"),)}), *QUESTIONS[1:])
    assert the_issue(layout(), key)[1].endswith("Did you mean `A`?")


def test_points_of_an_alternative_that_is_not_there_and_none_of_one_that_is() -> None:
    values = {"": {"A": Fraction(2), "B": Fraction(2), "C": Fraction(-2), "E": Fraction(-2)}}
    key = rubric(replace(QUESTIONS[0], policy=Policy.PER_ALTERNATIVE, keys={}, values=values), *QUESTIONS[1:])
    unknown, lacking = check(layout(), key, None)
    assert 'the points name "E"' in str(unknown)
    assert "the points say nothing of alternative D." in str(lacking)
    assert {unknown.severity, lacking.severity} == {Severity.ERROR}


def test_single_choice_where_many_may_be_marked() -> None:
    severity, text = the_issue(layout(CHOICE, replace(SINGLE, many=True), CREDIT, ANSWER), rubric())
    assert (severity, "takes any number of marks" in text) == (Severity.WARNING, True)


def test_a_key_of_two_where_one_may_be_marked() -> None:
    severity, text = the_issue(layout(replace(CHOICE, many=False), SINGLE, CREDIT, ANSWER), rubric())
    assert (severity, 'the key is A and C, but field "1a" takes one mark only.' in text) == (Severity.WARNING, True)


@pytest.mark.parametrize(("points", "severity"), [(Fraction(1), Severity.ERROR), (Fraction(3), Severity.WARNING)])
def test_credit_boxes_that_go_as_far_as_the_points(points: Fraction, severity: Severity) -> None:
    key = rubric(*QUESTIONS[:2], replace(QUESTIONS[2], points=points), QUESTIONS[3])
    got, text = the_issue(layout(), key)
    assert (got, f"has {points} points, but field \"2.1\" goes up to 2" in text) == (severity, True)  # fmt: skip


def test_an_open_question_with_boxes() -> None:
    key = rubric(replace(QUESTIONS[0], policy=Policy.OPEN, keys={}), *QUESTIONS[1:])
    severity, text = the_issue(layout(), key)
    assert (severity, "nobody looks at the boxes of field 1a" in text) == (Severity.WARNING, True)


def test_an_open_question_needs_no_field() -> None:
    assert check(layout(CHOICE, SINGLE, CREDIT), rubric(), None) == ()


def test_fields_without_question() -> None:
    severity, text = the_issue(layout(*FIELDS, replace(CHOICE, id="9", question="9")), rubric())
    assert (severity, "no question for the choice field of 9" in text) == (Severity.WARNING, True)


# --------------------------------------------------------------------------- versions


def test_versions_by_mark_need_their_boxes() -> None:
    severity, text = the_issue(layout(), rubric(versions=("A", "B"), version_from="mark"))
    assert (severity, "the layout has no version field" in text) == (Severity.ERROR, True)
    assert check(layout(*FIELDS, VERSION), rubric(versions=("A", "B"), version_from="mark"), None) == ()


def test_a_key_that_all_versions_share_is_told_once() -> None:
    keys = {"A": (frozenset("G"),), "B": (frozenset("G"),)}
    form = layout(*FIELDS, VERSION)
    shared = Question("1b", Policy.SINGLE, Fraction(4), keys=keys)
    severity, text = the_issue(form, rubric(QUESTIONS[0], shared, *QUESTIONS[2:], versions=("A", "B"), version_from="mark"))
    assert (severity, 'the key names "G"' in text) == (Severity.ERROR, True)
    own = Question("1b", Policy.SINGLE, Fraction(4), keys=keys | {"B": (frozenset("H"),)})
    issues = check(form, rubric(QUESTIONS[0], own, *QUESTIONS[2:], versions=("A", "B"), version_from="mark"), None)
    assert [issue.message.split(";")[0] for issue in issues] == [
        'the key of version A names "G"',
        'the key of version B names "H"',
    ]


def test_version_boxes_of_other_versions() -> None:
    severity, text = the_issue(layout(*FIELDS, VERSION), rubric(versions=("A", "C"), version_from="mark"))
    assert (severity, "the versions are A and C, but the layout's version boxes are A and B." in text) == (
        Severity.ERROR,
        True,
    )


def test_version_boxes_that_nobody_looks_at() -> None:
    severity, text = the_issue(layout(*FIELDS, VERSION), rubric())
    assert (severity, "the rubric has no versions" in text) == (Severity.WARNING, True)


def test_versions_by_roster() -> None:
    key = rubric(versions=("A", "B"), version_from="roster")
    assert "there is none. Give the class list with --roster." in the_issue(layout(), key)[1]
    roster = Roster((Student("001", version="A"), Student("002", version="D"), Student("003")))
    unknown, without = check(layout(), key, roster)
    assert (unknown.severity, without.severity) == (Severity.ERROR, Severity.WARNING)
    assert 'unknown version "D" of 002. The versions are A and B.' in str(unknown)
    assert "no version is given for 003" in str(without)


# --------------------------------------------------------------------------- student numbers


def test_numbers_that_the_grid_cannot_hold() -> None:
    roster = Roster((Student("001"), Student("1234"), Student("s12")))
    severity, text = the_issue(layout(), rubric(), roster)
    assert (severity, "has 3 digits; another form has the number of 1234 and s12." in text) == (Severity.WARNING, True)


def test_many_numbers_are_not_all_listed() -> None:
    roster = Roster(tuple(Student(f"1{number:03}") for number in range(20)))
    assert "1000, 1001, 1002, 1003, 1004 and 15 more" in the_issue(layout(), rubric(), roster)[1]


# --------------------------------------------------------------------------- what comes with the project

ROOT = Path(__file__).parents[1]
FORMS = {"uva-all-or-nothing": "uva-deep-learning-1", "uva-per-alternative": "uva-deep-learning-1"}


@pytest.mark.parametrize("path", sorted((ROOT / "rubrics").glob("*.toml")), ids=lambda path: path.stem)
def test_our_rubrics_fit_our_layouts(path: Path) -> None:
    form, _ = load_layout(ROOT / "layouts" / f"{FORMS.get(path.stem, path.stem)}.toml")
    key, _ = load_rubric(path)
    assert form is not None
    assert key is not None
    assert (
        check(form, key, Roster((Student("1234567" if path.stem in ("nops", "twente-deep-learning") else "12345678"),))) == ()
    )


# --------------------------------------------------------------------------- what policies and versions ask of the layout


def single_of(boxes: str, **more: object) -> tuple[Layout, Rubric]:
    asked = Question("1", Policy.SINGLE, Fraction(4), keys={"": (frozenset("A"),)}, **more)  # type: ignore[arg-type]
    form = layout(replace(SINGLE, id="1", question="1", boxes=SINGLE.boxes[: len(boxes)]))
    return form, Rubric("exam", "Exam", (asked,), total=Fraction(4))


def test_the_formula_needs_alternatives() -> None:
    assert check(*single_of("AB", wrong=None), None) == ()
    severity, text = the_issue(*single_of("A", wrong=None))
    assert (severity, 'wrong = "formula" needs two alternatives or more' in text) == (Severity.ERROR, True)


def test_versions_by_code_need_a_copy_in_it() -> None:
    exam = rubric(versions=("A", "B"), version_from="code")
    severity, text = the_issue(layout(), exam)
    assert (severity, "the layout's says no copy. It needs {copy}" in text) == (Severity.ERROR, True)
    code = PageCode(PageCodeKind.BARCODE, content="{exam}/{copy}/{page}")
    assert check(replace(layout(), page_code=code), exam, None) == ()


def permuted(permutation: Permutation) -> tuple[Layout, Rubric]:
    boxes = [
        replace(CHOICE, id=name, question=name, boxes=CHOICE.boxes[:count]) for name, count in (("1", 2), ("2", 2), ("3", 3))
    ]
    asked = tuple(
        Question(name, Policy.ALL_OR_NOTHING, Fraction(1), keys={"": (frozenset(boxes[0].boxes[0].value),)}) for name in "123"
    )
    exam = Rubric("exam", "", asked, versions=("A", "B"), version_from="A", permutations={"B": permutation}, total=Fraction(3))
    return layout(*boxes), exam


def test_a_permutation_needs_the_same_boxes_or_says_which_is_which() -> None:
    assert check(*permuted(Permutation({"1": "2", "2": "1"})), None) == ()
    issues = check(*permuted(Permutation({"1": "3", "3": "1"})), None)
    assert [issue.severity for issue in issues] == [Severity.ERROR] * 2
    assert 'version B prints question "3" as "1", whose boxes are' in str(issues[0])
    first, second = (box.value for box in CHOICE.boxes[:2])
    assert check(*permuted(Permutation({}, {"1": {first: second, second: first}})), None) == ()
    severity, text = the_issue(*permuted(Permutation({}, {"1": {first: second}})))
    assert (severity, "it is not said which box is which" in text) == (Severity.ERROR, True)


def test_handwritten_numbers_that_the_cells_cannot_hold_or_that_nothing_is_held_against() -> None:
    form = layout(CHOICE, SINGLE, CREDIT, ANSWER, number_cells(places=6))
    assert check(form, rubric(), Roster((Student("123456"), Student("0123")))) == ()
    severity, text = the_issue(form, rubric(), Roster((Student("1234567"), Student("ist12"), Student("123456"))))
    assert severity is Severity.WARNING
    assert "6 cells" in text and "1234567 and ist12" in text
    severity, text = the_issue(form, rubric())
    assert severity is Severity.WARNING
    assert "held against the roster, and there is none" in text
    assert check(layout(*FIELDS, number_cells()), rubric(), None) == ()  # a grid tells a number without one
