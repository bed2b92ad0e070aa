"""A short run of the fuzzing in `tests/fuzz`, the same every time; and definitions with any value in any place, by Hypothesis."""

from __future__ import annotations

import copy
import io
import json
import re
import sqlite3
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scangrade.authoring.importers.bring import import_layout
from scangrade.authoring.importers.converted import ImportFaultsError
from scangrade.authoring.importers.numbers import exact
from scangrade.definitions.layout import load_layout
from scangrade.definitions.rubric import load_rubric
from scangrade.errors import Severity, UsageError
from scangrade.export.foreign import as_number
from scangrade.export.workbook import read_workbook
from scangrade.grades.by_hand import points_in
from tests.export_run import GRADEBOOKS
from tests.forms import form
from tests.fuzz.campaign import input_of, run_here, take_watched
from tests.fuzz.targets import TARGETS, Target
from tests.test_importers import amc_project

ROOT = Path(__file__).parents[1]

#: Inputs of each target: together some 15 s of CPU. `python -m tests.fuzz` runs a hundred thousand.
SHORT = {
    "layout": 50,
    "rubric": 60,
    "roster": 150,
    "gradebook": 60,
    "workbook": 30,
    "points": 100,
    "omrchecker": 30,
    "evaluation": 30,
    "amc": 15,
    "nops": 30,
    "image": 150,
    "pdf": 40,
    "blank form": 4,
    "page": 8,
}


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_no_input_is_answered_with_a_traceback(target: Target) -> None:
    found = [(number, what) for number, what in run_here(target, 1, range(SHORT[target.name])) if what]
    assert not found, (
        f"again with: python -m tests.fuzz --target '{target.name}' --seed 1 --again {found[0][0]}\n{found[0][1]}"
    )


def test_the_criteria_find_what_they_should(tmp_path: Path) -> None:
    """Tests the tester: a traceback, a file elsewhere."""

    def fails(content: bytes, suffix: str, folder: Path) -> None:
        raise KeyError(suffix)

    def strays(content: bytes, suffix: str, folder: Path) -> None:
        (folder.parent / "stray").write_bytes(content)

    def behaves(content: bytes, suffix: str, folder: Path) -> None:
        (folder / "made").write_bytes(content)

    told = {}
    for take in (fails, strays, behaves):
        folder = tmp_path / take.__name__
        folder.mkdir()
        target = Target("any", lambda _: [], lambda content, _: content, take, 1)
        told[take.__name__] = take_watched(target, b"x", ".x", folder)
    assert "KeyError: '.x'" in told["fails"]
    assert told["strays"].startswith("wrote ") and told["strays"].endswith("stray")
    assert told["behaves"] == ""


def test_an_input_is_known_by_its_number() -> None:
    seeds = [(b"student_number,name\n1,Ada\n", ".csv")]
    roster = next(one for one in TARGETS if one.name == "roster")
    made = [input_of(roster, seeds, 1, number) for number in range(50)]
    assert made == [input_of(roster, seeds, 1, number) for number in range(50)]
    assert len(set(made)) > 30


# --------------------------------------------------------------------------- any value in any place


@cache
def definition(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def places(node: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place of a definition that holds something."""
    if path:
        yield path
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield from places(value, (*path, key))


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["A", "none", "roster", "1/0"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=50)
@given(
    name=st.sampled_from(
        ["layouts/uva-deep-learning-1.toml", "layouts/nops.toml", "rubrics/uva-all-or-nothing.toml", "rubrics/nops.toml"]
    ),
    place=st.integers(0, 10**6),
    value=ANYTHING,
)
def test_any_value_in_any_place_of_a_definition(
    name: str, place: int, value: object, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = copy.deepcopy(tomllib.loads(definition(name)))
    everywhere = list(places(data))
    *above, last = everywhere[place % len(everywhere)]
    node = data
    for key in above:
        node = node[key]  # type: ignore[index]
    node[last] = value  # type: ignore[index]
    path = tmp_path_factory.mktemp("definition") / "changed.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    load = load_layout if name.startswith("layouts") else load_rubric
    loaded, issues = load(path)
    assert (loaded is None) == any(one.severity is Severity.ERROR for one in issues)
    assert all(str(one).encode() and one.message for one in issues)


@pytest.mark.parametrize("folder", ["layouts", "rubrics"])
def test_half_a_character_is_told_with_its_line(folder: str, tmp_path: Path) -> None:
    path = tmp_path / "half.json"
    path.write_text(json.dumps(tomllib.loads(definition(f"{folder}/nops.toml")) | {"title": "a\ud800b"}, indent=1))
    load = load_layout if folder == "layouts" else load_rubric
    loaded, (issue,) = load(path)
    assert loaded is None
    assert issue.where.startswith(f"{path}:") and issue.where.endswith(", title")
    assert "half of a character" in issue.message


def test_bytes_that_are_no_text_at_all(tmp_path: Path) -> None:
    rng = Random(1)
    for number in range(40):
        path = tmp_path / f"{number}.toml"
        path.write_bytes(rng.randbytes(rng.randrange(200)))
        for load in (load_layout, load_rubric):
            loaded, issues = load(path)
            assert loaded is None and issues


# --------------------------------------------------------------------------- what was found


@pytest.mark.parametrize("number", ["9" * 5000, "1e999999999", "1e-999999999", "9" * 5000 + ",5"])
def test_a_number_that_would_take_all_time_is_none(number: str) -> None:
    assert as_number(number) is None
    assert points_in(number) is None
    with pytest.raises(ValueError, match="is not a number"):
        exact(number)


def test_numbers_are_still_exact() -> None:
    assert [exact(one) for one in ("0.1", "-1/3", 0.1 + 0.2, 4, "1e-3")] == [
        Fraction(1, 10),
        Fraction(-1, 3),
        Fraction("0.30000000000000004"),
        Fraction(4),
        Fraction(1, 1000),
    ]


def workbook(cell: str) -> bytes:
    """The list of TUMonline with another cell in the place of its first one."""
    out = io.BytesIO()
    with zipfile.ZipFile(GRADEBOOKS / "campusonline.xlsx") as archive, zipfile.ZipFile(out, "w") as made:
        for name in archive.namelist():
            content = archive.read(name)
            if name == "xl/worksheets/sheet1.xml":
                content = re.sub(rb"<c .*?</c>", cell.encode(), content, count=1, flags=re.DOTALL)
            made.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize("value", ["Infinity", "NaN", "1e999999999", "-1e-999999999"])
def test_a_workbook_with_a_number_that_is_none(value: str) -> None:
    book = read_workbook(workbook(f'<c r="A1"><v>{value}</v></c>'), "list.xlsx", known=lambda _: True)
    assert book.rows[0].cells[0] == value


@pytest.mark.parametrize("place", ["XFE1", "ZZZZZZZ1", "A" * 300 + "1"])
def test_a_workbook_that_reaches_too_far(place: str) -> None:
    with pytest.raises(UsageError, match="damaged, or no Excel workbook"):
        read_workbook(workbook(f'<c r="{place}"><v>1</v></c>'), "list.xlsx", known=lambda _: True)


def test_a_workbook_broken_inside() -> None:
    raw = bytearray((GRADEBOOKS / "campusonline.xlsx").read_bytes())
    with zipfile.ZipFile(io.BytesIO(bytes(raw))) as archive:
        at = archive.getinfo("xl/worksheets/sheet1.xml").header_offset + 200
    raw[at : at + 60] = b"\xff" * 60
    with pytest.raises(UsageError, match="damaged, or no Excel workbook"):
        read_workbook(bytes(raw), "list.xlsx", known=lambda _: True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE layout_mark SET x = 'left' WHERE corner = 1", "holds 'left' as x, in row 1: that is no place on paper"),
        ("UPDATE layout_box SET question = 'first'", "holds 'first' as question, in row 1: that is no number"),
        ("ALTER TABLE layout_page DROP COLUMN markdiameter", "its table layout_page has no column markdiameter"),
        ("UPDATE layout_page SET width = 1e300", "holds 1e+300 as width, in row 1: that is no place on paper"),
    ],
)
def test_a_project_of_amc_with_cells_of_another_kind(change: str, said: str, tmp_path: Path) -> None:
    path = amc_project(tmp_path, form(questions=3))
    with closing(sqlite3.connect(path)) as base:
        base.execute(change)
        base.commit()
    with pytest.raises(ImportFaultsError) as caught:
        import_layout(path, output=tmp_path / "layout.toml")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("mid,1", "the type of the question is missing"),
        ("mid,1,schoice", 'the solution is ""; it must be 2 to 5 of 0 and 1'),
        ("mid", 'the question is ""'),
    ],
)
def test_a_row_of_an_exam_that_ends_early(row: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "exam.csv"
    path.write_text(f"exam,question,type,solution,points\n{row}\nmid,2,schoice,01000,1\n")
    with pytest.raises(ImportFaultsError, match=re.escape(said)):
        import_layout(path, output=tmp_path / "made.toml")


def test_a_project_of_amc_with_text_that_is_none(tmp_path: Path) -> None:
    path = amc_project(tmp_path, form(questions=3))
    content = path.read_bytes()
    assert content.count(b"layout_box") > 1
    path.write_bytes(content.replace(b"layout_box", b"layout_b\xff\xb6"))
    with pytest.raises(UsageError):
        import_layout(path, output=tmp_path / "made.toml")
