from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from importlib import resources
from pathlib import Path

import numpy as np
import pikepdf
import pytest

from scangrade.authoring.person import FILLERS
from scangrade.authoring.samples import RECIPES, Batch, draw_answers, make_demo, make_samples
from scangrade.authoring.scanner import OFFICE, Encoding
from scangrade.authoring.simulate import placed, print_form, simulate_booklet
from scangrade.authoring.truth import BatchTruth, load_truth, truth_answers
from scangrade.definitions.layout import load_layout
from scangrade.definitions.rubric import load_rubric
from scangrade.errors import DefinitionError
from scangrade.geometry import as_matrix, project
from scangrade.model import FieldKind, Layout, Rubric, Student, Verdict

ROOT = Path(__file__).parents[1]


def definitions(folder: Path) -> tuple[Layout, Rubric]:
    layout, issues = load_layout(folder / "layout.toml")
    rubric, more = load_rubric(folder / "rubric.toml")
    assert layout is not None and rubric is not None, (*issues, *more)
    return layout, rubric


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Batch:
    return make_demo(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def truth(demo: Batch) -> BatchTruth:
    return load_truth(demo.truth)


def students(roster: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(roster.read_text(encoding="utf-8"))))


def test_the_demo_has_its_definitions_beside_its_scans(demo: Batch) -> None:
    definitions(demo.layout.parent)
    assert demo.layout.parent == demo.rubric.parent == demo.roster.parent
    assert all(scan.parent == demo.layout.parent / "scans" for scan in demo.scans)


def test_every_scanned_page_is_in_the_truth_once(demo: Batch, truth: BatchTruth) -> None:
    places = Counter((page.scan, page.scan_page) for one in truth.booklets for page in one.pages)
    assert set(places.values()) == {1}
    for scan in demo.scans:
        with pikepdf.open(scan) as pdf:
            assert sorted(page for name, page in places if name == scan.name) == list(range(1, len(pdf.pages) + 1))


def test_the_demo_yields_its_few_doubts(demo: Batch, truth: BatchTruth) -> None:
    layout, _ = definitions(demo.layout.parent)
    answers = truth_answers(truth.booklets, layout)
    assert len(truth.booklets) == 6
    assert sum(len(one.pages) < len(layout.pages) for one in truth.booklets) == 1
    assert any(answer.open for one in answers.values() for answer in one)
    digits = {one.id for one in layout.fields if one.kind is FieldKind.DIGIT}
    double = [copy for copy, one in answers.items() if any(a.field in digits and len(a.marked) > 1 for a in one)]
    assert len(double) == 1


def test_numbers_on_the_sheets_are_those_of_the_class_list(demo: Batch, truth: BatchTruth) -> None:
    layout, _ = definitions(demo.layout.parent)
    rows = students(demo.roster)
    known = {row["student_number"] for row in rows}
    assert len(known) == len(rows) == 8  # two of them absent
    assert len({one.student_number for one in truth.booklets}) == 6
    for one in truth.booklets:
        assert one.student_number in known
        marked = [
            {box.box for box in one.boxes if box.field == field.id and box.verdict is Verdict.MARKED}
            for field in layout.fields
            if field.kind is FieldKind.DIGIT
        ]
        assert all(digit in column for digit, column in zip(one.student_number, marked, strict=True))


def test_same_recipe_same_files(demo: Batch, tmp_path: Path) -> None:
    again = make_demo(tmp_path)
    assert again.truth.read_bytes() == demo.truth.read_bytes()
    assert again.roster.read_bytes() == demo.roster.read_bytes()
    assert [scan.read_bytes() for scan in again.scans] == [scan.read_bytes() for scan in demo.scans]


def test_the_transform_of_a_scanned_page_finds_its_fiducials(demo: Batch) -> None:
    layout, rubric = definitions(demo.layout.parent)
    student = Student("12345678", version="A")
    rng = np.random.default_rng(1)
    scanner = replace(OFFICE, wobble_mm=0.0, dust=0)
    images, booklet = simulate_booklet(
        layout, draw_answers(layout, rubric, student, rng), FILLERS[0], scanner, rng, "0001", skip={1, 3, 4}
    )
    (page,) = booklet.pages
    (image,) = images
    assert page.page == 2 and image.encoding is Encoding.JPEG
    pixels = image.pixels()
    fiducials = layout.page(2).fiducials
    for place in project(as_matrix(page.transform), [(one.x_mm, one.y_mm) for one in fiducials]):
        reach = 4 * image.dpi / 25.4
        left, top = int(place[0] - reach), int(place[1] - reach)
        ink = np.clip(200.0 - pixels[top : int(place[1] + reach), left : int(place[0] + reach)], 0, None)
        y, x = np.mgrid[: ink.shape[0], : ink.shape[1]]
        found = np.array([(x * ink).sum(), (y * ink).sum()]) / ink.sum() + (left, top)
        assert np.abs(found - place).max() * 25.4 / image.dpi < 0.06  # mm: the renderer puts edges on whole pixels


def test_a_lost_page_is_missing_from_images_and_truth(demo: Batch) -> None:
    layout, _ = definitions(demo.layout.parent)
    rng = np.random.default_rng(0)
    form = print_form(layout, dpi=100)
    images, booklet = simulate_booklet(layout, {}, FILLERS[0], replace(OFFICE, dpi=100), rng, form=form, skip={2})
    assert len(images) == 3 and [one.page for one in booklet.pages] == [1, 3, 4]
    assert [one.scan_page for one in placed(booklet, "x.pdf", (5, 6, 7)).pages] == [5, 6, 7]
    assert {one.page for one in booklet.boxes} == {1, 2, 3, 4}


def test_an_able_student_answers_as_the_key_says(demo: Batch) -> None:
    layout, rubric = definitions(demo.layout.parent)
    for version in "AB":
        student = Student("12345678", version=version)
        answers = draw_answers(layout, rubric, student, np.random.default_rng(0), ability=1.0)
        assert answers["1a"] == rubric.question("1a").keys[version][0]
        assert answers["2a"] == rubric.question("2a").keys[version][0]
        worth = rubric.question("1d").values[version]
        assert sum(worth[value] for value in answers["1d"]) == Fraction(4)
        assert answers["version"] == {version}
        assert [answers[f"student_number.{place}"] for place in range(1, 9)] == [frozenset(digit) for digit in "12345678"]


def test_half_points_are_a_number_and_the_half_box_after_it(demo: Batch) -> None:
    layout, rubric = definitions(demo.layout.parent)
    seen = set()
    for seed in range(60):
        marked = draw_answers(layout, rubric, Student("12345678"), np.random.default_rng(seed))["3a.points"]
        seen.add(len(marked))
        number = min(marked)
        assert marked in ({number}, {number, f"{number}H"})
        assert Fraction(number) + Fraction(len(marked) - 1, 2) <= rubric.question("3a").points
    assert seen == {1, 2}


def test_every_recipe_has_its_layout_and_rubric() -> None:
    for recipe in RECIPES:
        assert (ROOT / "layouts" / f"{recipe.name}.toml").is_file()
        assert (ROOT / "rubrics" / f"{recipe.rubric or recipe.name}.toml").is_file()
        assert 4 <= sum(number for _, number in recipe.scans) <= 6


def test_one_sample_can_be_made_alone(tmp_path: Path) -> None:
    (batch,) = make_samples(tmp_path, ["nops"], layouts=ROOT / "layouts", rubrics=ROOT / "rubrics")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["nops"]
    assert sum(scan.stat().st_size for scan in batch.scans) < 3_000_000
    truth = load_truth(batch.truth)
    assert {box.kind for one in truth.booklets for box in one.boxes} >= {"", "cross", "dot"}
    assert len(students(batch.roster)) == len(truth.booklets) + 3


def test_unknown_samples_and_broken_definitions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nobs"):
        make_samples(tmp_path, ["nobs"])
    with pytest.raises(DefinitionError):
        make_samples(tmp_path, ["nops"], layouts=tmp_path, rubrics=tmp_path)


def test_demo_definitions_are_package_data() -> None:
    source = resources.files("scangrade.authoring") / "demo"
    assert {one.name for one in source.iterdir()} == {"layout.toml", "rubric.toml"}
