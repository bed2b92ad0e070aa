"""Rubrics: points are exact, what is left open by the writer is asked for, and every fault is reported with its line."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scangrade.definitions.rubric import load_rubric, rubric_schema
from scangrade.definitions.source import Source, read_source
from scangrade.errors import Severity
from scangrade.model import Policy, Rubric

RUBRIC = """
format = 1
name = "midterm"
total = 16

[[parts]]
id = "1"
title = "Multiple choice"
points = 12
questions = ["1a", "1b", "1c"]

[[parts]]
id = "2"
points = 4
questions = ["2.1", "3"]

[questions.1a]
policy = "all-or-nothing"
points = 4
key = ["A", "C"]

[questions.1b]
policy = "per-alternative"
points = 4
values = { A = -1.67, B = "-4/3", C = 4 }
floor = "none"
cap = 4

[questions.1c]
policy = "single"
points = 4
key = "B"
wrong = -0.25

[questions."2.1"]
policy = "credit"
points = 2.5

[questions.3]
policy = "open"
points = 1.5
"""

VERSIONS = """
format = 1
name = "midterm"
total = 12
versions = ["A", "B"]
version_from = "mark"
[questions.1]
policy = "all-or-nothing"
points = 4
key = { A = ["a"], B = [] }
[questions.2]
policy = "single"
points = 4
key = { A = "a", B = "b" }
[questions.3]
policy = "per-alternative"
points = 4
values = { A = { a = 4, b = -4 }, B = { a = -4, b = 4 } }
floor = 0
cap = 4
"""


def write(tmp_path: Path, text: str, name: str = "rubric.toml") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def loaded(tmp_path: Path, text: str) -> Rubric:
    rubric, issues = load_rubric(write(tmp_path, text))
    assert issues == ()
    assert rubric is not None
    return rubric


def faults(tmp_path: Path, text: str) -> list[str]:
    rubric, issues = load_rubric(write(tmp_path, text))
    assert rubric is None
    assert any(issue.severity is Severity.ERROR for issue in issues)
    return [str(issue).removeprefix(f"{tmp_path}/") for issue in issues]


# --------------------------------------------------------------------------- what a rubric becomes


def test_points_are_exact(tmp_path: Path) -> None:
    rubric = loaded(tmp_path, RUBRIC)
    assert [question.id for question in rubric.questions] == ["1a", "1b", "1c", "2.1", "3"]
    assert rubric.question("1b").values == {"": {"A": Fraction(-167, 100), "B": Fraction(-4, 3), "C": Fraction(4)}}
    assert (rubric.question("1b").floor, rubric.question("1b").cap) == (None, Fraction(4))
    assert rubric.question("2.1").points == Fraction(5, 2)
    assert (rubric.total, rubric.floor, rubric.places) == (Fraction(16), None, 2)
    assert (rubric.parts[0].title, rubric.parts[0].questions) == ("Multiple choice", ("1a", "1b", "1c"))


def test_keys_and_what_other_answers_earn(tmp_path: Path) -> None:
    rubric = loaded(tmp_path, RUBRIC)
    assert rubric.question("1a").keys == {"": (frozenset("AC"),)}
    single = rubric.question("1c")
    assert single.keys == {"": (frozenset("B"),)}
    assert (single.wrong, single.blank, single.multiple) == (Fraction(-1, 4), Fraction(0), None)
    assert rubric.question("3").policy is Policy.OPEN


def test_an_empty_key_is_a_key(tmp_path: Path) -> None:
    rubric = loaded(tmp_path, RUBRIC.replace('["A", "C"]', "[]"))
    assert rubric.question("1a").keys == {"": (frozenset(),)}


def test_either_of_several_keys(tmp_path: Path) -> None:
    text = RUBRIC.replace('key = ["A", "C"]', 'keys = [["A"], ["B", "C"]]').replace('key = "B"', 'keys = ["B", "C"]')
    rubric = loaded(tmp_path, text)
    assert rubric.question("1a").keys == {"": (frozenset("A"), frozenset("BC"))}
    assert rubric.question("1c").keys == {"": (frozenset("B"), frozenset("C"))}


def test_a_key_for_every_version(tmp_path: Path) -> None:
    rubric = loaded(tmp_path, VERSIONS)
    assert (rubric.versions, rubric.version_from) == (("A", "B"), "mark")
    assert rubric.question("1").keys == {"A": (frozenset("a"),), "B": (frozenset(),)}
    assert rubric.question("2").keys == {"A": (frozenset("a"),), "B": (frozenset("b"),)}
    assert rubric.question("3").values["B"] == {"a": Fraction(-4), "b": Fraction(4)}


def test_a_key_given_once_holds_for_all_versions(tmp_path: Path) -> None:
    text = VERSIONS.replace('{ A = "a", B = "b" }', '"a"').replace('{ A = ["a"], B = [] }', "[]")
    rubric = loaded(tmp_path, text)
    assert rubric.question("2").keys == {"A": (frozenset("a"),), "B": (frozenset("a"),)}


@pytest.mark.parametrize(("written", "meant"), [('"ask"', None), ("0", Fraction(0)), ("-0.5", Fraction(-1, 2))])
def test_several_marks_in_a_single_choice(tmp_path: Path, written: str, meant: Fraction | None) -> None:
    text = RUBRIC.replace("wrong = -0.25", f"multiple = {written}")
    assert loaded(tmp_path, text).question("1c").multiple == meant


def test_json_and_toml_mean_the_same(tmp_path: Path) -> None:
    source = read_source(write(tmp_path, RUBRIC))
    assert isinstance(source, Source)
    as_json = write(tmp_path, json.dumps(source.data, default=float), "rubric.json")
    assert load_rubric(as_json) == load_rubric(tmp_path / "rubric.toml")


@settings(max_examples=50, deadline=None)
@given(points=st.decimals(min_value=0, max_value=1000, places=3), minus=st.fractions(-10, 10, max_denominator=1000))
def test_any_number_is_read_exactly(tmp_path_factory: pytest.TempPathFactory, points: Decimal, minus: Fraction) -> None:
    text = f'format = 1\nname = "x"\ntotal = {points}\n[questions.1]\npolicy = "single"\npoints = {points}\nkey = "A"\n'
    rubric = loaded(tmp_path_factory.mktemp("rubric"), text + f'wrong = "{min(minus, Fraction(points))}"\n')
    assert rubric.question("1").points == Fraction(points) == rubric.total
    assert rubric.question("1").wrong == min(minus, Fraction(points))


# --------------------------------------------------------------------------- faults, one each


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("[questions.1a]", "[quesions.1a]", "quesions: unknown key `quesions`."),
        ("total = 16", "totl = 16", "rubric.toml:4, totl: unknown key `totl`. Did you mean `total`?"),
        ("total = 16", "total = 17", "`total` is 17, but the questions add up to 16. Correct one of them."),
        ("total = 16", 'total = "many"', '`total` is "many"; it must be a number, or a fraction in quotes like "4/3".'),
        ("total = 16", "total = 16\nfloor = 20", "`floor` is 20, above the total 16."),
        ("total = 16", 'total = 16\nfloor = "no"', '`floor` is "no"; it must be a number or "none".'),
        ("total = 16", "total = 16\nplaces = 9", "`places` is 9; it must be at most 6."),
        ("points = 12", "points = 11.5", "parts.1.points: `points` is 11.5, but its questions add up to 12."),
        ('["2.1", "3"]', '["2.1", "3", "1a"]', 'question "1a" is in part "1" already.'),
        ('["2.1", "3"]', '["2.1", "3", "4"]', 'there is no question "4".'),
        ('["1a", "1b", "1c"]', '["1a", "1b", "1c", "1aa"]', 'parts.1.questions[4]: there is no question "1aa". Did you mean `1a`?'),
        ('id = "2"', 'id = "1"', 'there is a part "1" already.'),
        ('key = ["A", "C"]', 'key = "AC"', '`key` is "AC"; it must be a list of alternatives like ["A", "C"].'),
        ('key = ["A", "C"]', 'key = ["A", "A"]', "it names an alternative twice."),
        ('key = ["A", "C"]', 'key = ["A"]\nkeys = [["B"]]', "there are both `key` and `keys`."),
        ('key = ["A", "C"]', "keys = []", "it must be a list of keys like"),
        ('key = ["A", "C"]', 'key = { A = ["A"] }', "it is given by version, but the exam has no `versions`."),
        ('key = "B"', 'key = ["A", "B"]', "a single choice question has one right alternative"),
        ("wrong = -0.25", "wrong = 5", "`wrong` earns 5, more than the question's 4 points."),
        ("wrong = -0.25", 'multiple = "aks"', '`multiple` is "aks"; it must be a number, "wrong" or "ask".'),
        ("wrong = -0.25", 'wrong = "formul"', '`wrong` is "formul"; it must be a number or "formula".'),
        ("points = 1.5", "points = 1.5\nfloor = 2", "`floor` is 2, above the question's 1.5 points."),
        ("points = 1.5", 'points = 1.5\nvoid = "gone"', '`void` is "gone"; it must be "full" or "out".'),
        ("points = 1.5", "points = 1.5\nbonus = true", "`total` is 16, but the questions add up to 14.5."),
        (
            "points = 1.5",
            'points = 1.5\ncriteria = [{ id = "a", points = 2 }, { id = "a", points = 1 }]',
            'there is a criterion "a" already.',
        ),
        ("points = 1.5", 'points = 1.5\ncriteria = [{ id = "a b", points = 2 }]', 'a criterion cannot be called "a b"'),
        ("total = 16", "total = 16\nfloor = 3\ncap = 2", "`floor` is 3, above the cap 2."),
        ("total = 16", "total = 16\nround_to = 0", "`round_to` is 0; it must be a decimal number above 0"),
        ("total = 16", 'total = 16\nround_to = "1/3"', "`round_to` is 1/3; it must be a decimal number above 0"),
        ("total = 16", "total = 16\nguess_correction = { chance = 1 }", "`chance` is 1; it must be at least 0 and below 1."),
        (
            "total = 16",
            'total = 16\nguess_correction = { chance = 0.5, questions = ["1x"] }',
            'guess_correction.questions[1]: there is no question "1x".',
        ),
        (
            "total = 16",
            'total = 16\nscale = { kind = "steps", points = [0, 8], grades = ["5", "4", "1"] }',
            "there are 3 grades and 2 points.",
        ),
        ("total = 16", 'total = 16\nscale = { kind = "steps", points = [8, 8], grades = ["5", "4"] }', "the points do not rise."),
        ("total = 16", 'total = 16\nscale = { kind = "line", points = [0, 8], grades = ["F", "A"] }', '"F" is no number'),
        (
            "total = 16",
            'total = 16\nscale = { kind = "steps", points = [0, 8], grades = ["F", "A"], round_to = 1 }',
            "grades in steps are not rounded.",
        ),
        ("total = 16", 'total = 16\nversion_code = "{version}"', '`version_code` is only for version_from = "code".'),
        (
            'policy = "all-or-nothing"',
            'policy = "r-exams"\nnegative = "much"',
            '`negative` is "much"; it must be true, false or a number.',
        ),
        ('policy = "all-or-nothing"', 'policy = "r-exams"\nrule = "flase"', '`rule` is "flase"; it must be "false2", "false"'),
        (
            'policy = "all-or-nothing"\npoints = 4\nkey = ["A", "C"]',
            'policy = "moodle"\npoints = 4\nfractions = { A = 50, B = 50 }',
            "the fraction of A and B is not between -1 and 1.",
        ),
        (
            'policy = "all-or-nothing"\npoints = 4\nkey = ["A", "C"]',
            'policy = "qti"\npoints = 4\nmapping = { A = 5 }\nlower = 3\nupper = 2',
            "`lower` is 3, above the upper 2.",
        ),
        ('floor = "none"\n', "", "`floor` is missing. Add it: Least points of the question"),
        ("cap = 4\n", "", "`cap` is missing. Add it:"),
        ("cap = 4", "cap = 5", "`cap` is 5, above the question's 4 points."),
        ("C = 4 }\nfloor = \"none\"\ncap = 4", "C = 5 }\nfloor = 0\ncap = \"none\"", "more than the question's 4 points. Set cap = 4."),
        ('floor = "none"', "floor = 5", "`floor` is 5, above the cap 4."),
        ('B = "-4/3"', 'B = "4/0"', '`values` of alternative "B" is "4/0"; it must be a number'),
        ("values = { A = -1.67, B = \"-4/3\", C = 4 }", "values = {}", "it must give points by alternative"),
        ('[questions."2.1"]', "[questions.2.1]", 'the dot in `2.1` splits it in two. Put the id in quotes: [questions."2.1"].'),
        ('policy = "credit"', 'policy = "credits"', 'Did you mean `credit`?'),
        ('policy = "credit"', "", "`policy` is missing. Add it:"),
        ("points = 2.5", "points = -2.5", "`points` is -2.5; it must be at least 0."),
        ("points = 2.5", "points = 1e999999", "it must be a number"),
        ("points = 2.5", "points = nan", "it must be a number"),
        ("points = 2.5", "points = true", "`points` is true; it must be a number"),
        ("points = 2.5", 'points = 2.5\nkey = ["A"]', "unknown key `key`. Keys that may stand here: points, void, bonus, policy."),
        ("total = 16", 'total = 16\nversion_from = "mark"', "there are no `versions`."),
    ],
)  # fmt: skip
def test_a_fault_is_named(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in RUBRIC
    found = faults(tmp_path, RUBRIC.replace(old, new, 1))
    assert any(expected in fault for fault in found), found


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('version_from = "mark"', "", "`version_from` is missing."),
        (
            '"mark"',
            '"marks"',
            '`version_from` is "marks"; it must be one of "mark", "code", "print", "roster", "A", "B". Did you mean `mark`?',
        ),
        ('["A", "B"]', '["A", "B", "A"]', 'version "A" is there 2 times.'),
        ('["A", "B"]', '["A", "roster"]', 'a version cannot be called "roster"'),
        ('"mark"', '"code"', "it is not said how a copy tells its version."),
        ('"mark"', '"code"\nversion_code = "{nr}"', '`version_code` is "{nr}"; it must have "{version}" in it, once.'),
        ('"mark"', '"code"\nversion_copies = { A = ["1-9"] }', 'there are no copies of version "B".'),
        (
            '"mark"',
            '"code"\nversion_copies = { A = ["1-9"], B = ["9-1"] }',
            'is "9-1"; it must be a number or a range like "1-100".',
        ),
        ('"mark"', '"code"\nversion_copies = { A = ["1-9"], B = ["7"] }', '7 has copies in it that are version "A" already.'),
        ('"mark"', '"mark"\npermutations.C.questions = {}', 'permutations.C: unknown version "C".'),
        ('"mark"', '"mark"\npermutations.B.questions = { 1 = "2" }', '1 stands nowhere in version "B".'),
        ('"mark"', '"mark"\npermutations.B.questions = { 1 = "2", 2 = "2" }', '2 stands in two places in version "B".'),
        ('"mark"', '"mark"\npermutations.B.questions = { 1 = "7", 7 = "1" }', 'there is no question "7".'),
        ('"mark"', '"mark"\npermutations.B.alternatives.1 = { a = "b", b = "b" }', "two boxes are the same alternative."),
        (
            '{ A = "a", B = "b" }',
            '{ A = "a", B = "b", C = "b" }',
            'questions.2.key.C: unknown version "C". There are A and B.',
        ),
        ("B = { a = -4, b = 4 }", "C = { a = -4, b = 4 }", 'questions.3.values.C: unknown version "C".'),
    ],
)
def test_a_fault_of_versions_is_named(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in VERSIONS
    found = faults(tmp_path, VERSIONS.replace(old, new, 1))
    assert any(expected in fault for fault in found), found


def test_all_faults_are_reported_at_once(tmp_path: Path) -> None:
    text = (
        RUBRIC.replace("total", "totl")
        .replace('key = "B"', "")
        .replace("points = 12", "points = 13")
        .replace("cap = 4", "cap = 5")
    )
    found = faults(tmp_path, text)
    assert [fault.split(": ", 1)[1].split(".")[0] for fault in found] == [
        "unknown key `totl`",
        "`cap` is 5, above the question's 4 points",
        'question "1c" has no `key` yet: booklets are read, and their points wait until it is there',
        "`points` is 13, but its questions add up to 12",
    ]


def test_an_alternative_that_cannot_earn_the_points_is_a_warning(tmp_path: Path) -> None:
    rubric, (issue,) = load_rubric(write(tmp_path, RUBRIC.replace("C = 4 }", "C = 3 }")))
    assert rubric is not None
    assert "at most 3 of the question's 4 points can be earned." in str(issue)


@pytest.mark.parametrize(
    ("text", "old", "new", "said"),
    [
        (RUBRIC, 'key = ["A", "C"]', "", 'question "1a" has no `key` yet: booklets are read, and their points wait'),
        (RUBRIC, 'values = { A = -1.67, B = "-4/3", C = 4 }', "", 'question "1b" has no `values` yet'),
        (VERSIONS, '{ A = ["a"], B = [] }', '{ A = ["a"] }', "questions.1.key: there is nothing for version B yet"),
        (
            RUBRIC,
            'policy = "all-or-nothing"\npoints = 4\nkey = ["A", "C"]',
            'policy = "moodle"\npoints = 4\nfractions = { A = 0.5 }',
            "the fractions add up to 0.5 at most",
        ),
        (
            RUBRIC,
            'policy = "all-or-nothing"\npoints = 4\nkey = ["A", "C"]',
            'policy = "r-exams"\npoints = 4\nkey = []',
            "so nothing can be earned where none is right. Set partial = false.",
        ),
        (
            RUBRIC,
            "points = 1.5",
            'points = 1.5\ncriteria = [{ id = "a", points = 1 }]',
            "at most 1 of the question's 1.5 points can be earned by them.",
        ),
    ],
)
def test_what_can_be_lived_with_is_a_warning(tmp_path: Path, text: str, old: str, new: str, said: str) -> None:
    assert old in text
    rubric, issues = load_rubric(write(tmp_path, text.replace(old, new, 1)))
    assert rubric is not None
    assert [issue.severity for issue in issues] == [Severity.WARNING]
    assert said in str(issues[0])


def test_a_void_question_needs_no_key_and_may_leave_the_maximum(tmp_path: Path) -> None:
    rubric = loaded(tmp_path, RUBRIC.replace('key = ["A", "C"]', 'void = "full"'))
    assert rubric.total == 16
    rubric = loaded(tmp_path, RUBRIC.replace('key = ["A", "C"]', 'void = "out"'))
    assert rubric.total == 12


def test_a_bonus_is_not_in_the_total(tmp_path: Path) -> None:
    bonus = RUBRIC.replace("points = 1.5", "points = 1.5\nbonus = true").replace("total = 16", "total = 14.5")
    rubric = loaded(tmp_path, bonus.replace('points = 4\nquestions = ["2.1"', 'points = 2.5\nquestions = ["2.1"'))
    assert (rubric.total, rubric.question("3").maximum) == (Fraction("14.5"), Fraction(0))


def test_a_question_in_no_part_is_a_warning(tmp_path: Path) -> None:
    rubric, (issue,) = load_rubric(write(tmp_path, RUBRIC + '[questions.x]\npolicy = "open"\npoints = 0\n'))
    assert rubric is not None
    assert (issue.severity, issue.message) == (Severity.WARNING, "no part has question x.")


# --------------------------------------------------------------------------- what comes with the project

RUBRICS = sorted((Path(__file__).parents[1] / "rubrics").glob("*.toml"))
TOTALS = {"ist-deep-learning": 100, "nops": 45, "tum-introduction-to-deep-learning": 90, "twente-deep-learning": 40}


@pytest.mark.parametrize("path", RUBRICS, ids=lambda path: path.stem)
def test_a_rubric_of_ours_has_no_fault(path: Path) -> None:
    rubric, issues = load_rubric(path)
    assert [str(issue) for issue in issues] == []
    assert rubric is not None
    assert rubric.name == path.stem
    assert rubric.total == TOTALS.get(path.stem, 100)


def test_parts_of_ours_have_the_exams_points() -> None:
    def parts(name: str) -> list[int]:
        rubric, _ = load_rubric(RUBRICS[0].with_name(f"{name}.toml"))
        assert rubric is not None
        return [int(part.points) for part in rubric.parts]

    assert parts("ist-deep-learning") == [32, 18, 25, 25]
    assert parts("tum-introduction-to-deep-learning") == [18, 16, 14, 10, 10, 12, 10]
    assert parts("twente-deep-learning") == [6, 7, 10, 9, 8]


def test_the_schema_describes_every_key() -> None:
    schema = rubric_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for table in (schema, *schema["$defs"].values()):
        for name, one in table.get("properties", {}).items():
            assert one.get("description"), name
