"""The worked examples of rubrics/README.md: every table of points is what its rubric gives."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest

from scangrade.definitions.rubric import load_rubric, with_alternatives
from scangrade.grades.policies import POLICIES, criteria_points, widest
from scangrade.grades.total import grade_of
from scangrade.model import Policy, Question, Rubric
from tests.records import choice, layout

README = (Path(__file__).parents[1] / "rubrics" / "README.md").read_text(encoding="utf-8")
HEAD = 'format = 1\nname = "example"\n'


@dataclass(frozen=True)
class Example:
    """A rubric, the boxes that its comment names, and what marks earn by the table below it."""

    kind: str
    text: str
    table: dict[str, str]

    @property
    def boxes(self) -> str:
        named = re.search(r"# of ((?:[A-Z] ?)+)", self.text)
        return named[1].replace(" ", "") if named else "ABCD"


def examples() -> list[Example]:
    found = []
    for match in re.finditer(r"```toml ?(\w*)\n(.*?)```\n(?:\n\|(.*?)\|\n\|[-|]+\|\n\|(.*?)\|\n)?", README, re.DOTALL):
        kind, text, head, row = match.groups()
        cells = [[cell.strip() for cell in line.split("|")] for line in (head or "", row or "")]
        found.append(Example(kind, text, dict(zip(cells[0][1:], cells[1][1:], strict=True))))
    return found


EXAMPLES = examples()
OF_POLICIES = [one for one in EXAMPLES if not one.kind]


def loaded(path: Path, text: str, boxes: str = "ABCD") -> Rubric:
    path.write_text(text, encoding="utf-8")
    rubric, issues = load_rubric(path)
    assert rubric is not None, issues
    assert issues == ()
    return with_alternatives(rubric, layout(choice("q", boxes)))


def of_question(path: Path, example: Example) -> Question:
    points = re.search(r"^points = (\S+)", example.text, re.MULTILINE)
    assert points is not None
    rubric = loaded(path, f"{HEAD}total = {points[1]}\n[questions.q]\n{example.text}", example.boxes)
    return rubric.question("q")


def test_every_policy_has_an_example() -> None:
    shown = {Policy(one) for example in EXAMPLES for one in re.findall(r'^policy = "([\w-]+)"', example.text, re.MULTILINE)}
    assert shown == set(Policy) - {Policy.CREDIT}  # which has a table only: it needs nothing but its policy
    assert [one for one in Policy if f"| `{one.value}` |" not in README] == []


@pytest.mark.parametrize("example", OF_POLICIES, ids=lambda one: re.sub(r"\W+", "-", one.text.split("\n")[0])[:40])
def test_points_are_as_the_table_says(tmp_path: Path, example: Example) -> None:
    asked = of_question(tmp_path / "rubric.toml", example)
    assert len(example.table) >= 2
    least, most = widest(asked, "")
    for marks, points in example.table.items():
        marked = frozenset(marks.replace("-", "").split())
        award = POLICIES[asked.policy](asked, "", marked)
        assert award.points == Fraction(points), (marks, award.rule)
        assert least <= award.points <= most
        assert award.rule.startswith(asked.policy.value)


def test_criteria_sum_as_the_table_says(tmp_path: Path) -> None:
    (example,) = (one for one in EXAMPLES if one.kind == "open")
    asked = of_question(tmp_path / "rubric.toml", example)
    assert len(example.table) >= 5
    for names, points in example.table.items():
        assert criteria_points(asked, names.replace("-", "").split()) == Fraction(points), names


def test_credit_table_is_tested() -> None:
    """The same cells as in `test_policies.test_credit`."""
    assert "| marked | 2 | 2 2H | - | 2H | 1 2 |" in README


def test_grades_are_as_the_table_says(tmp_path: Path) -> None:
    (example,) = (one for one in EXAMPLES if one.kind == "exam")
    points = {"1": 1, "2": 1, "3": 38}
    more = "".join(f'[questions.{name}]\npolicy = "open"\npoints = {most}\n' for name, most in points.items())
    path = tmp_path / "rubric.toml"
    path.write_text(HEAD + example.text + more, encoding="utf-8")
    rubric, issues = load_rubric(path)
    assert [str(issue) for issue in issues if "no part has" not in str(issue)] == []
    assert rubric is not None
    table = re.search(r"\| points \|(.*?)\|\n\|[-|]+\|\n\| grade \|(.*?)\|\n", README)
    assert table is not None
    cells = [[cell.strip() for cell in line.split("|")] for line in table.groups()]
    for points, grade in zip(*cells, strict=True):
        assert grade_of(Fraction(points), rubric) == grade, points


def test_the_permutation_is_one(tmp_path: Path) -> None:
    (example,) = (one for one in EXAMPLES if one.kind == "version")
    questions = "".join(f'[questions.{n}]\npolicy = "single"\npoints = 1\nkey = "A"\n' for n in (1, 2))
    rubric = loaded(
        tmp_path / "rubric.toml", HEAD + 'total = 2\nversions = ["A", "B"]\nversion_from = "mark"\n' + example.text + questions
    )
    assert rubric.permutations["B"].questions == {"1": "2", "2": "1"}
