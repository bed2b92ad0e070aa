"""The README keeps its word: its files load, its commands run, and it leaves nothing out that a user meets."""

from __future__ import annotations

import ast
import csv
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import click
import pytest

import scangrade
from scangrade import settings
from scangrade.authoring.samples import Recipe, make_batch
from scangrade.authoring.scanner import OFFICE
from scangrade.check import check
from scangrade.cli import main
from scangrade.definitions.layout import load_layout
from scangrade.definitions.roster import load_roster
from scangrade.definitions.rubric import load_rubric
from scangrade.errors import ExitCode
from scangrade.grades.gradebook import COLUMNS, Status
from scangrade.model import Convention, FiducialKind, FieldKind, FlagKind, Outcome, Policy, Reason, Shape, Verdict
from scangrade.paper.formats import SUFFIXES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the file that it is, and its text."""

    language: str
    name: str
    text: str


@dataclass(frozen=True)
class Command:
    """A command line, and what the README says it prints."""

    words: list[str]
    printed: list[str]


BLOCKS = [
    Block(*match.groups()) for match in re.finditer(r"^```(\w+)(?: ([\w.-]+))?\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
]
FILES = {block.name: block.text for block in BLOCKS if block.name}
PROSE = re.sub(r"^```.*?^```$", "", README, flags=re.MULTILINE | re.DOTALL)

#: How many flags there are depends on thresholds; the rest of what a command prints does not.
_FLAGS = re.compile(r"Flags |          +\d+ ")


def commands() -> list[Command]:
    found = []
    for block in BLOCKS:
        if block.language == "console":
            for text in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
                line, *printed = text.splitlines()
                found.append(Command(shlex.split(line), [one for one in printed if one and not _FLAGS.match(one)]))
    return found


@pytest.fixture
def exam(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_its_definitions_fit_together(exam: Path) -> None:
    assert set(FILES) == {"layout.toml", "rubric.toml", "roster.csv", "exam.toml"}
    assert check(exam / "layout.toml", exam / "rubric.toml", exam / "roster.csv") == ()


def test_its_definitions_show_everything(exam: Path) -> None:
    layout, rubric = load_layout(exam / "layout.toml")[0], load_rubric(exam / "rubric.toml")[0]
    roster = load_roster(exam / "roster.csv")[0]
    assert layout is not None and rubric is not None and roster is not None
    assert {field.kind for field in layout.fields} == set(FieldKind)
    assert {field.many for field in layout.fields if field.kind is FieldKind.CHOICE} == {True, False}
    assert {question.policy for question in rubric.questions} <= set(Policy)
    assert len({question.policy for question in rubric.questions}) == 5  # the others are in rubrics/README.md, tested there
    assert roster.students[0].number == "01234567"


def test_its_faults_are_told_as_it_says(exam: Path) -> None:
    rubric = FILES["rubric.toml"]
    told = [block.text for block in BLOCKS if block.language == "text"]
    made = (rubric.replace("key =", "kye =", 1), rubric.replace('key = "B"', 'key = "G"'))
    for text, faulty in zip(told, made, strict=True):
        (exam / "rubric.toml").write_text(faulty, encoding="utf-8")
        command = [sys.executable, "-m", "scangrade", "check", "-l", "layout.toml", "-r", "rubric.toml"]
        done = subprocess.run(command, cwd=exam, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout + done.stderr) == (ExitCode.USAGE, text)


@pytest.mark.slow
def test_its_commands_run(exam: Path) -> None:
    recipe = Recipe("readme", ((OFFICE, 2),), absent=1, seed=4)
    make_batch(exam, recipe, layout=exam / "layout.toml", rubric=exam / "rubric.toml")
    assert len(commands()) >= 5
    for command in commands():
        assert command.words[0] == "scangrade"
        done = subprocess.run(
            [sys.executable, "-m", *command.words], cwd=exam, capture_output=True, text=True, encoding="utf-8", check=False
        )
        assert done.returncode in (ExitCode.DECIDED, ExitCode.FLAGGED), (command.words, done.stderr)
        said = (done.stdout + done.stderr).splitlines()
        assert [line for line in command.printed if line not in said] == [], command.words
    for folder in ("run", "scangrade-demo/run"):
        for table in ("gradebook", "scores", "flags", "marks", "pages"):
            check_columns(exam / folder / f"{table}.csv")
    (exam / "example.py").write_text(next(block.text for block in BLOCKS if block.language == "python"), encoding="utf-8")
    done = subprocess.run([sys.executable, "example.py"], cwd=exam, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("4 4 2 2 ")


def check_columns(table: Path) -> None:
    """Every column is described in the section about its file."""
    section = PROSE.split(f"### `{table.name}`")[1].split("\n## ")[0].split("\n### ")[0]
    with table.open(encoding="utf-8-sig", newline="") as file:
        columns = next(csv.reader(file))
    if table.name == "gradebook.csv":
        columns = list(COLUMNS)
    assert [name for name in columns if f"`{name}`" not in section] == []


@pytest.mark.parametrize("words", [FlagKind, Reason, Status, Verdict, Outcome, Policy, Convention, FiducialKind])
def test_every_word_is_explained(words: type[StrEnum]) -> None:
    text = (ROOT / "rubrics" / "README.md").read_text(encoding="utf-8") if words is Policy else PROSE
    marks = '`"'
    assert [one.value for one in words if not any(f"{mark}{one.value}{mark}" in text for mark in marks)] == []


def test_every_kind_of_field_is_shown() -> None:
    kinds = {FieldKind.DIGIT: "digits"}
    layout = FILES["layout.toml"]
    assert [one for one in FieldKind if f'kind = "{kinds.get(one, one.value)}"' not in layout] == []
    assert [one for one in Shape if f'"{one.value}"' not in layout] == []


def test_every_exit_code_is_explained() -> None:
    table = PROSE.split("| exit code | meaning |")[1].split("\n\n")[0]
    assert re.findall(r"^\| (\d) \|", table, re.MULTILINE) == [str(code.value) for code in ExitCode]


def test_every_kind_of_scan_is_named() -> None:
    others = {".tif": "TIFF", ".tiff": "TIFF", ".jpg": "JPEG", ".webp": "WebP"}
    assert [one for one in SUFFIXES if others.get(one, one[1:].upper()) not in PROSE] == []


def all_commands(group: click.Group, path: str) -> dict[str, click.Command]:
    found: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found |= all_commands(command, f"{path} {name}")
        else:
            found[f"{path} {name}"] = command
    return found


def test_every_command_and_option_is_named() -> None:
    found = all_commands(main, "scangrade")
    assert len(found) >= 5
    for path, command in found.items():
        assert path in README
        for option in [*main.params, *command.params]:
            if isinstance(option, click.Option):
                longest = max(option.opts, key=len)
                assert re.search(rf"{longest}\b", README), (path, longest)


def test_its_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)]+)\)", README)
    heads = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in re.findall(r"^#+ (.*)$", README, re.MULTILINE)}
    assert len(links) > 10
    assert [link for link in links if not (link[1:] in heads if link.startswith("#") else (ROOT / link).exists())] == []


def test_every_public_function_is_named() -> None:
    assert [name for name in scangrade.__all__ if not name.startswith("_") and name not in README] == []


def undocumented(source: str) -> list[str]:
    """Fields of classes without a docstring below them; up to three that belong together may share one."""
    found = []
    for group in ast.parse(source).body:
        if not isinstance(group, ast.ClassDef):
            continue
        waiting: list[str] = []
        for node in group.body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                waiting.append(f"{group.name}.{node.target.id}")
                continue
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
                waiting = waiting[:-3]
            found += waiting
            waiting = []
        found += waiting
    return found


def test_every_threshold_says_why() -> None:
    assert undocumented(Path(settings.__file__).read_text(encoding="utf-8")) == []
    assert undocumented('class A:\n    """Doc."""\n    x: int = 1\n    """Why."""\n    y: int = 2') == ["A.y"]
    assert undocumented('class A:\n    a: int\n    b: int\n    c: int\n    d: int\n    """Why."""') == ["A.a"]
