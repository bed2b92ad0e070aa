"""Other systems' forms: the boxes come to lie where they are, scans are graded with them, faults are told, nothing is overwritten."""

from __future__ import annotations

import csv
import json
import sqlite3
import tomllib
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from scangrade.answers.collate import collate
from scangrade.answers.decide import decide
from scangrade.authoring.form import rasterise_blank
from scangrade.authoring.importers.bring import import_layout
from scangrade.authoring.importers.converted import ImportFaultsError
from scangrade.authoring.importers.marker_picture import look_at_marker
from scangrade.authoring.importers.toml_text import as_toml
from scangrade.authoring.scanner import OFFICE
from scangrade.cli import main
from scangrade.definitions.layout import load_layout
from scangrade.definitions.rubric import load_rubric
from scangrade.errors import UsageError
from scangrade.grade import grade
from scangrade.model import (
    Convention,
    FiducialKind,
    FieldKind,
    Layout,
    PageRead,
    PageRef,
    Policy,
    Rubric,
    ScannedPage,
    Verdict,
)
from scangrade.paper.read import FormReader, read_page
from scangrade.settings import DECIDE
from tests.forms import form, scan

ROOT = Path(__file__).parents[1]
EXAMPLES = Path(__file__).parent / "resources" / "importers"
PX_PER_MM = 10.0
NEAR_MM = 0.1  # templates are in whole pixels: half a pixel is 0.05 mm, twice where size and place are rounded


def layout_at(path: Path) -> Layout:
    layout, issues = load_layout(path)
    assert layout is not None, issues
    return layout


def rubric_at(path: Path) -> Rubric:
    rubric, issues = load_rubric(path)
    assert rubric is not None, issues
    return rubric


def template_of(layout: Layout, *, left: float = 0.0, top: float = 0.0, wider: float = 0.0) -> dict[str, Any]:
    """A template of a layout's choices, in pixels from a place of the page; bubbles may be given wider than they are, in mm."""
    blocks = {}
    for field in layout.fields:
        first, second = field.boxes[:2]
        side = first.width_mm + 2 * first.frame_mm + wider
        blocks[field.id] = {
            "fieldType": "QTYPE_MCQ4",
            "origin": [round((first.x_mm - side / 2 - left) * PX_PER_MM), round((first.y_mm - side / 2 - top) * PX_PER_MM)],
            "bubblesGap": round((second.x_mm - first.x_mm) * PX_PER_MM),
            "labelsGap": 0,
            "fieldLabels": [f"q{field.id}"],
            "bubbleDimensions": [round(side * PX_PER_MM)] * 2,
        }
    page = layout.page(1)
    size = [
        round((page.width_mm - 2 * left) * PX_PER_MM) + bool(left),
        round((page.height_mm - 2 * top) * PX_PER_MM) + bool(top),
    ]
    return {"pageDimensions": size, "bubbleDimensions": [50, 50], "preProcessors": [], "fieldBlocks": blocks}


def written(folder: Path, template: dict[str, Any], evaluation: dict[str, Any] | None = None) -> Path:
    path = folder / "template.json"
    path.write_text(json.dumps(template), encoding="utf-8")
    if evaluation is not None:
        (folder / "evaluation.json").write_text(json.dumps(evaluation), encoding="utf-8")
    return path


def assert_same_places(found: Layout, known: Layout) -> None:
    for one, other in zip(found.fields, known.fields, strict=True):
        for box, true in zip(one.boxes, other.boxes, strict=True):
            assert box.value == true.value
            assert (box.x_mm, box.y_mm) == pytest.approx((true.x_mm, true.y_mm), abs=NEAR_MM)


def marker(path: Path, draw: Callable[[np.ndarray[Any, np.dtype[np.uint8]]], object]) -> Path:
    picture = np.full((200, 200), 255, np.uint8)
    draw(picture)
    cv2.imwrite(str(path), picture)
    return path


# --------------------------------------------------------------------------- OMRChecker: places


def test_boxes_of_a_template_lie_where_the_form_has_them(tmp_path: Path) -> None:
    known = form()
    import_layout(written(tmp_path, template_of(known)), output=tmp_path / "layout.toml")
    found = layout_at(tmp_path / "layout.toml")
    assert_same_places(found, known)
    assert (found.page(1).width_mm, found.page(1).height_mm) == (210, 297)


def test_scans_are_graded_with_what_was_imported(tmp_path: Path) -> None:
    known = form(kind=FiducialKind.RING)
    marker(tmp_path / "omr_marker.jpg", lambda picture: cv2.circle(picture, (100, 100), 84, 0, 32))
    template = template_of(known, left=12, top=12)
    options = {"relativePath": "omr_marker.jpg", "sheetToMarkerWidthRatio": 210 / 5}
    template["preProcessors"] = [{"name": "GaussianBlur", "options": {}}, {"name": "CropOnMarkers", "options": options}]
    key = ["ABCD"[number % 4] for number in range(12)]
    marked = {
        f"1.{n}": frozenset({key[n - 1] if n <= 9 else "ABCD"[n % 4]}) for n in range(1, 12)
    }  # 9 right, 2 wrong, 1 blank
    evaluation = {
        "source_type": "custom",
        "options": {"questions_in_order": [f"q1.{n}" for n in range(1, 13)], "answers_in_order": key},
        "marking_schemes": {"DEFAULT": {"correct": "3", "incorrect": "-1/2", "unmarked": "0.25"}},
    }
    made = import_layout(
        written(tmp_path, template, evaluation), output=tmp_path / "layout.toml", rubric=tmp_path / "rubric.toml"
    )
    found = layout_at(made.layout)
    assert_same_places(found, known)
    assert {mark.kind for mark in found.page(1).fiducials} == {FiducialKind.RING}
    pages, _ = scan(known, marked, OFFICE, seed=3)
    (tmp_path / "scans").mkdir()
    Image.fromarray(pages[0].pixels).save(tmp_path / "scans" / "one.png", dpi=(pages[0].dpi or 200,) * 2)
    assert made.rubric is not None
    done = grade([tmp_path / "scans"], layout=made.layout, rubric=made.rubric, out=tmp_path / "run", workers=1)
    assert done.pages_read == 1
    with (tmp_path / "run" / "gradebook.csv").open(encoding="utf-8-sig", newline="") as lines:
        (row,) = csv.DictReader(lines)
    assert (row["points_low"], row["points_high"]) == ("26.25", "26.25")  # 9 * 3 - 2 * 1/2 + 1/4


def test_a_template_with_everything(tmp_path: Path) -> None:
    made = import_layout(EXAMPLES / "template.json", output=tmp_path / "layout.toml", rubric=tmp_path / "rubric.toml")
    found = layout_at(made.layout)
    fields = {field.id: field for field in found.fields}
    number = [field for field in found.fields if field.kind is FieldKind.DIGIT]
    assert [field.group for field in number] == ["Roll"] * 4
    assert {field.role for field in number} == {"student_number"}
    assert [box.value for box in number[0].boxes] == list("1234567890")
    assert [box.value for box in fields["q3"].boxes] == list("EDCBA")  # right to left
    assert [box.value for box in fields["sum"].boxes][:3] == ["1.0", "1.1", "1.2"]  # an answer of two digits
    gaps = [b.boxes[0].y_mm - a.boxes[0].y_mm for a, b in ((fields["q4"], fields["q5"]), (fields["q5"], fields["q6"]))]
    assert gaps == pytest.approx([4.0, 8.0], abs=0.01)  # given one by one
    assert fields["q1"].boxes[0].width_mm != fields["q3"].boxes[0].width_mm
    told = "\n".join((*made.left_out, *made.to_check))
    for word in ("MedianBlur", "CropPage", "ReadBarcode", "Roll", "set", "sum"):
        assert word in told
    questions = {question.id: question for question in rubric_at(tmp_path / "rubric.toml").questions}
    assert questions["q1"].policy is Policy.SINGLE
    assert questions["q2"].policy is Policy.ALL_OR_NOTHING
    assert fields["q2"].many
    assert not fields["q1"].many
    assert questions["q3"].policy is Policy.PER_ALTERNATIVE
    assert questions["sum"].policy is Policy.ALL_OR_NOTHING
    written_rubric = tomllib.loads((tmp_path / "rubric.toml").read_text(encoding="utf-8"))["questions"]
    assert written_rubric["sum"]["key"] == ["1.4", "2.6"]
    assert written_rubric["q2"]["key"] == ["B", "C"]
    assert written_rubric["q3"]["values"] == {"E": -1, "D": -1, "C": 1.5, "B": -1, "A": 3}
    assert written_rubric["q4"]["void"] == "full"
    assert "key" not in written_rubric["q6"]


def test_paper_is_said_or_noted(tmp_path: Path) -> None:
    template = template_of(form())
    template["pageDimensions"] = [2100, 2400]  # of no paper
    with_guess = import_layout(written(tmp_path, template), output=tmp_path / "guess.toml")
    assert any("--page-size" in note for note in with_guess.to_check)
    import_layout(tmp_path / "template.json", output=tmp_path / "said.toml", page_mm=(210, 240))
    assert_same_places(layout_at(tmp_path / "said.toml"), form())


# --------------------------------------------------------------------------- OMRChecker: what an image tells


def test_boxes_are_as_large_as_a_sheet_prints_them(tmp_path: Path) -> None:
    known = form()
    pages, _ = scan(known, {f"1.{n}": frozenset("B") for n in range(1, 9)}, OFFICE, seed=4)
    Image.fromarray(pages[0].pixels).save(tmp_path / "filled.png", dpi=(pages[0].dpi or 200,) * 2)
    template = written(tmp_path, template_of(known, wider=1.0))
    import_layout(template, output=tmp_path / "layout.toml", image=tmp_path / "filled.png")
    found = layout_at(tmp_path / "layout.toml")
    box, true = found.fields[0].boxes[0], known.fields[0].boxes[0]
    assert box.shape is true.shape
    assert box.width_mm == pytest.approx(true.width_mm, abs=0.4)  # the search goes in steps of a twenty-fifth of the rectangle
    assert found.reference is None  # it is filled in


def test_a_blank_form_becomes_the_reference(tmp_path: Path) -> None:
    known = form()
    Image.fromarray(rasterise_blank(known, dpi=150)[0]).save(tmp_path / "blank.png", dpi=(150, 150))
    template = written(tmp_path, template_of(known))
    made = import_layout(template, output=tmp_path / "layout.toml", image=tmp_path / "blank.png")
    assert layout_at(made.layout).reference == tmp_path / "blank.png"
    assert any("blank form" in note for note in made.to_check)


def test_marks_are_recognised_on_their_picture(tmp_path: Path) -> None:
    ring = look_at_marker(
        marker(tmp_path / "ring.png", lambda p: (cv2.circle(p, (100, 100), 80, 0, 16), cv2.circle(p, (100, 100), 20, 0, -1)))
    )
    assert ring is not None
    assert ring.kind == "ring"
    assert (ring.share, ring.line) == pytest.approx((0.88, 0.09), abs=0.02)
    disc = look_at_marker(marker(tmp_path / "disc.png", lambda p: cv2.circle(p, (100, 100), 80, 0, -1)))
    square = look_at_marker(marker(tmp_path / "square.png", lambda p: cv2.rectangle(p, (40, 40), (159, 159), 0, -1)))
    assert (disc and disc.kind, square and square.kind) == ("circle", "square")
    assert (
        look_at_marker(
            marker(
                tmp_path / "cross.png",
                lambda p: (cv2.line(p, (40, 100), (160, 100), 0, 8), cv2.line(p, (100, 40), (100, 160), 0, 8)),
            )
        )
        is None
    )
    assert look_at_marker(marker(tmp_path / "none.png", lambda _: None)) is None


# --------------------------------------------------------------------------- OMRChecker: faults


def changed(**blocks: object) -> dict[str, Any]:
    template = template_of(form(questions=2))
    template["fieldBlocks"]["1.1"] |= blocks
    return template


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ({"Dimensions": [1, 1], "BubbleDimensions": [1, 1], "QBlocks": {}}, "before 2022"),
        (changed(fieldType="QTYPE_MCQ9"), "fieldBlocks.1.1: the field type is"),
        (changed(fieldType=["QTYPE_MCQ4"]), "fieldBlocks.1.1: the field type is"),
        (changed(origin=[1]), "fieldBlocks.1.1.origin: `origin` is [1]"),
        (changed(fieldLabels=["q9..1"]), "does not rise"),
        (changed(bubblesGap=None), "`bubblesGap` is"),
        (changed(bubblesGap=1), "overlaps"),
        (changed(origin=[99999, 1]) | {"pageDimensions": [0, 5]}, "`pageDimensions` is [0, 5]"),
        (changed() | {"customLabels": {"Roll": ["nobody"]}}, "no block has the label"),
        (changed() | {"fieldBlocks": {}}, "no bubbles are in it"),
    ],
)
def test_faults_of_a_template_are_told_with_their_place(template: dict[str, Any], told: str, tmp_path: Path) -> None:
    path = written(tmp_path, template)
    with pytest.raises(ImportFaultsError) as caught:
        import_layout(path, output=tmp_path / "layout.toml", system="omrchecker")
    assert told in str(caught.value)
    assert str(path) in str(caught.value)
    assert not (tmp_path / "layout.toml").exists()


@pytest.mark.parametrize("steps", [True, 5, [{"name": ["CropPage"]}], [7]])
def test_steps_before_reading_that_make_no_sense_are_named(steps: object, tmp_path: Path) -> None:
    made = import_layout(
        written(tmp_path, template_of(form()) | {"preProcessors": steps}), output=tmp_path / "layout.toml", system="omrchecker"
    )
    assert made.left_out


def test_nothing_is_overwritten_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = written(tmp_path, template_of(form())), tmp_path / "layout.toml"
    out.write_text("mine", encoding="utf-8")

    def code(*more: str) -> object:
        with pytest.raises(SystemExit) as stop:
            main.main(["layout", "import", str(path), "-o", str(out), *more])
        return stop.value.code

    assert code() == 4
    assert out.read_text(encoding="utf-8") == "mine"
    assert "--force" in capsys.readouterr().err
    assert code("--page-size", "large") == 2
    assert "210x297" in capsys.readouterr().err
    assert code("--force") == 0
    done = capsys.readouterr()
    assert done.out == f"{out}\n"
    assert "layout preview" in done.err


def test_a_file_of_no_known_system_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(UsageError, match="--from"):
        import_layout(path, output=tmp_path / "layout.toml")


# --------------------------------------------------------------------------- R/exams


def test_the_sheet_of_an_exam_is_the_one_in_layouts(tmp_path: Path) -> None:
    rows = [f"e1,{n},{'schoice' if n <= 15 else 'mchoice'},{'01000' if n <= 15 else '01010'},1" for n in range(1, 46)]
    path = tmp_path / "exam.csv"
    path.write_text("\n".join(["exam,question,type,solution,points", *rows]), encoding="utf-8")
    import_layout(path, output=tmp_path / "layout.toml", rubric=tmp_path / "rubric.toml")
    found, known = layout_at(tmp_path / "layout.toml"), layout_at(ROOT / "layouts" / "nops.toml")
    boxes = {box.key: box for page in known.pages for box in known.boxes(page.number)}
    imported = found.boxes(1)
    assert {box.key for box in imported} == set(boxes)
    for box in imported:
        true = boxes[box.key]
        assert (box.x_mm, box.y_mm, box.width_mm) == pytest.approx((true.x_mm, true.y_mm, true.width_mm), abs=0.001)
    assert found.page(1).fiducials == known.page(1).fiducials


def test_an_exam_with_versions_and_open_questions(tmp_path: Path) -> None:
    made = import_layout(
        EXAMPLES / "exam.csv", output=tmp_path / "layout.toml", rubric=tmp_path / "rubric.toml", student_number="8"
    )
    found = layout_at(made.layout)
    assert [field.id for field in found.fields if field.kind is FieldKind.CHOICE] == ["1", "2", "3"]
    places = [field for field in found.fields if field.kind is FieldKind.DIGIT]
    assert len(places) == 8
    assert places[-1].boxes[0].x_mm == 183  # the number grows to the left
    rubric = tomllib.loads((tmp_path / "rubric.toml").read_text(encoding="utf-8"))
    assert (rubric["versions"], rubric["version_from"]) == (["230115001", "230115002"], "roster")
    assert rubric["total"] == 5.5
    assert rubric["questions"]["1"]["key"] == {"230115001": "b", "230115002": "d"}
    assert rubric["questions"]["2"]["key"] == ["a", "c"]  # the same in both
    assert rubric["questions"]["3"]["partial"] is False  # none is right
    assert rubric["questions"]["4"]["policy"] == "open"
    assert any("version" in note for note in made.to_check)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("e1,1,schoice,1000,1", "question 2 of exam e1 is missing"),
        ("e1,2,schoice,1,1", "Spreadsheets drop zeros"),
        ("e1,2,schoice,1100,1", "exactly one"),
        ("e1,99,schoice,10,1", "room for 45"),
        ("e1,2,mchoice,10,much", "must be a number"),
        ("e1,3,schoice,10,1", "is there twice"),
    ],
)
def test_faults_of_an_exam_are_told_with_their_line(row: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "exam.csv"
    path.write_text(f"exam;question;type;solution;points\n{row.replace(',', ';')}\ne1;3;schoice;0100;1\n", encoding="utf-8")
    with pytest.raises(ImportFaultsError, match=told):
        import_layout(path, output=tmp_path / "layout.toml")


# --------------------------------------------------------------------------- AMC


def amc_project(
    folder: Path, layout: Layout, *, sheets: Sequence[int] = (1,), shuffled: bool = False, scored: bool = True
) -> Path:
    """A project's data bases with a layout's choices and registration discs, and a code of two digits; question 1.1 is question 1."""
    data = folder / "data"
    data.mkdir()
    scale = 300 / 25.4
    with closing(sqlite3.connect(data / "layout.sqlite")) as base:
        base.executescript("""
            CREATE TABLE layout_page (student INTEGER, page INTEGER, checksum INTEGER, sourceid INTEGER, subjectpage INTEGER,
                dpi REAL, width REAL, height REAL, markdiameter REAL);
            CREATE TABLE layout_mark (student INTEGER, page INTEGER, corner INTEGER, x REAL, y REAL);
            CREATE TABLE layout_box (student INTEGER, page INTEGER, role INTEGER DEFAULT 1, question INTEGER, answer INTEGER,
                xmin REAL, xmax REAL, ymin REAL, ymax REAL, flags INTEGER DEFAULT 0);
            CREATE TABLE layout_digit (student INTEGER, page INTEGER, numberid INTEGER, digitid INTEGER,
                xmin REAL, xmax REAL, ymin REAL, ymax REAL);
            CREATE TABLE layout_question (question INTEGER PRIMARY KEY, name TEXT);
            CREATE TABLE layout_char (question INTEGER, answer INTEGER, char TEXT);
        """)
        for sheet in sheets:
            page = layout.page(1)
            row = (sheet, 1, 0, 1, 1, 300, page.width_mm * scale, page.height_mm * scale, 5 * scale)
            base.execute("INSERT INTO layout_page VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            for corner, mark in enumerate(page.fiducials, start=1):
                base.execute(
                    "INSERT INTO layout_mark VALUES (?, 1, ?, ?, ?)", (sheet, corner, mark.x_mm * scale, mark.y_mm * scale)
                )
            for question, field in enumerate(layout.fields, start=1):
                for answer, box in enumerate(field.boxes, start=1):
                    at = len(field.boxes) + 1 - answer if shuffled and sheet > 1 else answer
                    _amc_box(base, sheet, question, at, box.x_mm, box.y_mm, box.width_mm)
            for place, name in ((1, "student[2]"), (2, "student[1]")):
                base.execute("INSERT OR REPLACE INTO layout_question VALUES (?, ?)", (900 + place, name))
                for digit in range(10):
                    _amc_box(base, sheet, 900 + place, digit + 1, 120 + 8 * digit, 30 + 8 * place, 4.0)
            _amc_box(base, sheet, 1, 99, 10, 150, 4.0, flags=1)  # not to be scanned
            for bit in range(1, 5):
                corners = [(60 + 5 * bit) * scale, (63 + 5 * bit) * scale, 8 * scale, 11 * scale]
                base.execute("INSERT INTO layout_digit VALUES (?, 1, ?, ?, ?, ?, ?, ?)", (sheet, 1 + bit // 3, bit, *corners))
        for question, field in enumerate(layout.fields, start=1):
            base.execute("INSERT INTO layout_question VALUES (?, ?)", (question, f"q{field.id}"))
        base.commit()
    if scored:
        _amc_scoring(data / "scoring.sqlite", sheets, len(layout.fields))
    return data / "layout.sqlite"


def _amc_box(
    base: sqlite3.Connection, sheet: int, question: int, answer: int, x: float, y: float, side: float, *, flags: int = 0
) -> None:
    scale = 300 / 25.4
    inside = [(x - side / 2) * scale, (x + side / 2) * scale, (y - side / 2) * scale, (y + side / 2) * scale]
    base.execute("INSERT INTO layout_box VALUES (?, 1, 1, ?, ?, ?, ?, ?, ?, ?)", (sheet, question, answer, *inside, flags))


def _amc_scoring(path: Path, sheets: Sequence[int], questions: int) -> None:
    with closing(sqlite3.connect(path)) as base:
        base.executescript("""
            CREATE TABLE scoring_default (type INTEGER, strategy TEXT);
            CREATE TABLE scoring_main (student INTEGER, strategy TEXT);
            CREATE TABLE scoring_question (student INTEGER, question INTEGER, type INTEGER, indicative INTEGER DEFAULT 0, strategy TEXT);
            CREATE TABLE scoring_answer (student INTEGER, question INTEGER, answer INTEGER, correct INTEGER, strategy TEXT);
            INSERT INTO scoring_default VALUES (1, 'e=0,v=0,m=-1,b=2'), (2, '');
        """)
        strategies = {3: (2, "mz=3"), 4: (2, ""), 5: (1, "formula=N"), 6: (1, "b=1,v=0.5,e=-2")}
        for sheet in sheets:
            for question in range(1, questions + 1):
                kind, strategy = strategies.get(question, (1, ""))
                base.execute("INSERT INTO scoring_question VALUES (?, ?, ?, 0, ?)", (sheet, question, kind, strategy))
                for answer in range(1, 5):
                    right = answer == 2 or (kind == 2 and answer == 4)
                    own = ",1.5" if (question, answer) == (7, 3) else ""
                    base.execute("INSERT INTO scoring_answer VALUES (?, ?, ?, ?, ?)", (sheet, question, answer, right, own))
        base.commit()


def test_a_project_of_amc(tmp_path: Path) -> None:
    known = form(questions=7)
    made = import_layout(amc_project(tmp_path, known), output=tmp_path / "layout.toml", rubric=tmp_path / "rubric.toml")
    found = layout_at(made.layout)
    choices = [field for field in found.fields if field.kind is FieldKind.CHOICE]
    for field, other in zip(choices, known.fields, strict=True):
        assert field.id == f"q{other.id}"
        for box, true in zip(field.boxes, other.boxes, strict=True):
            seen = (box.x_mm, box.y_mm, box.width_mm, box.height_mm)
            assert seen == pytest.approx((true.x_mm, true.y_mm, true.width_mm, true.height_mm), abs=0.002)
    places = [field for field in found.fields if field.kind is FieldKind.DIGIT]
    assert [place.boxes[0].y_mm for place in places] == [38, 46]  # student[2] is the left one
    assert [box.value for box in places[0].boxes] == list("0123456789")
    assert [(mark.x_mm, mark.y_mm) for mark in found.page(1).fiducials] == [
        (mark.x_mm, mark.y_mm) for mark in known.page(1).fiducials
    ]
    assert found.page_code is not None
    assert len(found.page_code.bits) == 4
    questions = tomllib.loads((tmp_path / "rubric.toml").read_text(encoding="utf-8"))["questions"]
    assert questions["q1.1"] == {"policy": "single", "points": 2, "key": "2", "wrong": -1, "blank": 0, "multiple": 0}
    assert questions["q1.3"] == {"policy": "all-or-nothing", "points": 3, "key": ["2", "4"]}
    assert questions["q1.4"] == {"policy": "per-box", "points": 4, "key": ["2", "4"]}
    assert questions["q1.6"] == {"policy": "single", "points": 1, "key": "2", "wrong": -1, "blank": 0.5, "multiple": -2}
    assert questions["q1.7"]["values"] == {"1": -1, "2": 2, "3": 1.5, "4": -1}
    assert any("q1.5" in note and "formula" in note for note in made.to_check)
    assert found.convention is Convention.ANY


def test_scans_of_amc_are_read_with_what_was_imported(tmp_path: Path) -> None:
    (tmp_path / "options.xml").write_text(
        "<project><seuil_up>0.5</seuil_up><ignore_red>1</ignore_red></project>", encoding="utf-8"
    )
    made = import_layout(amc_project(tmp_path, form()), output=tmp_path / "layout.toml")
    found = layout_at(made.layout)
    assert (found.convention, found.dropout) == (Convention.CROSS, "red")
    marked = {f"q1.{n}": frozenset("1234"[n % 4]) for n in range(1, 13)} | {
        "student.1": frozenset("4"),
        "student.2": frozenset("2"),
    }
    pages, _ = scan(found, marked, OFFICE, seed=5)
    read = read_page(pages[0], FormReader(found), expected_page=1)
    assert isinstance(read, PageRead)
    booklets, _ = collate([ScannedPage(PageRef("one.png", 1, 0), read)], found)
    (answers,) = decide(booklets, found, settings=DECIDE).values()
    seen = {
        one.field: frozenset(one.box for one in answer.verdicts if one.verdict is Verdict.MARKED)
        for answer in answers
        for one in answer.verdicts
    }
    assert seen == marked


def test_sheets_that_differ_are_imported_one_by_one(tmp_path: Path) -> None:
    file = amc_project(tmp_path, form(questions=2), sheets=(1, 2), shuffled=True, scored=False)
    with pytest.raises(ImportFaultsError, match="--sheet"):
        import_layout(file, output=tmp_path / "layout.toml")
    with pytest.raises(ImportFaultsError, match="no sheet 7"):
        import_layout(file, output=tmp_path / "layout.toml", sheet=7)
    made = import_layout(file, output=tmp_path / "layout.toml", rubric=tmp_path / "rubric.toml", sheet=2)
    first = layout_at(made.layout).fields[-1].boxes[0]
    assert first.value == "1"
    assert first.x_mm == pytest.approx(form(questions=2).fields[0].boxes[3].x_mm, abs=0.01)
    assert made.rubric is None  # it has no scoring
    assert any("scoring" in note for note in made.left_out)


_SP = 65536 * 72.27 / 300  # TeX's smallest unit, per pixel at 300 dpi


def as_xy(base: Path, folder: Path) -> Path:
    """What LaTeX writes for a project: lines in TeX's units from the lower left corner; a question that is not to be scanned as well."""
    lines = ["\\version{1}", "\\with{lang=}"]
    with closing(sqlite3.connect(base)) as rows:
        (width, height) = rows.execute("SELECT width, height FROM layout_page").fetchone()
        names = dict(rows.execute("SELECT question, name FROM layout_question"))
        lines += [f"\\question{{{number}}}{{{name}}}" for number, name in names.items()]
        lines.append(f"\\page{{1/1/42}}{{{width / 300:.5f}in}}{{{height / 300 * 25.4:.5f}mm}}{{0sp}}{{0sp}}")

        def thing(name: str, left: float, right: float, top: float, bottom: float, shape: str = "square") -> None:
            for x, y in ((left, top), (right, bottom)):
                lines.append(f"\\tracepos{{1/1:{name}}}{{{round(x * _SP)}sp}}{{{round((height - y) * _SP)}sp}}{{{shape}}}")

        for name, (x, y) in zip(
            ("HG", "HD", "BG", "BD"), rows.execute("SELECT x, y FROM layout_mark ORDER BY corner").fetchall(), strict=True
        ):
            radius = 2.5 * 300 / 25.4
            thing(f"position{name}", x - radius, x + radius, y - radius, y + radius)
        for number, digit, *sides in rows.execute("SELECT numberid, digitid, xmin, xmax, ymin, ymax FROM layout_digit"):
            thing(f"chiffre:{number},{digit}", *sides)
        query = "SELECT question, answer, xmin, xmax, ymin, ymax FROM layout_box WHERE flags = 0"
        for question, answer, *sides in rows.execute(query):
            thing(f"case:{names[question]}:{question},{answer}", *sides)
        thing("case:free:77,1", 100, 150, 2000, 2050)
        thing("score:free:77,1", 100, 150, 2100, 2150)
        lines += ["\\boxchar{1/1:case:free:77,1}{0}", "\\dontscan{1,77}"]
    path = folder / "DOC-calage.xy"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_what_latex_writes_is_the_same_project(tmp_path: Path) -> None:
    base = amc_project(tmp_path, form(questions=7))
    first = import_layout(base, output=tmp_path / "a.toml", rubric=tmp_path / "a-rubric.toml")
    second = import_layout(as_xy(base, tmp_path), output=tmp_path / "b.toml", rubric=tmp_path / "b-rubric.toml")
    assert second.system == first.system
    one, other = layout_at(first.layout), layout_at(second.layout)
    assert [field.id for field in one.fields] == [field.id for field in other.fields], "77 is not to be scanned"
    for box, same in zip(one.boxes(1), other.boxes(1), strict=True):
        assert (box.key, box.shape) == (same.key, same.shape)
        seen = (same.x_mm, same.y_mm, same.width_mm, same.height_mm)
        assert seen == pytest.approx((box.x_mm, box.y_mm, box.width_mm, box.height_mm), abs=0.002)
    marks = {(round(mark.x_mm, 2), round(mark.y_mm, 2), mark.size_mm) for mark in one.page(1).fiducials}
    assert {(round(mark.x_mm, 2), round(mark.y_mm, 2), mark.size_mm) for mark in other.page(1).fiducials} == marks
    assert one.page_code is not None and other.page_code is not None
    assert one.page_code.patterns == other.page_code.patterns
    rubrics = [tomllib.loads((tmp_path / f"{name}-rubric.toml").read_text(encoding="utf-8")) for name in "ab"]
    assert rubrics[0] == rubrics[1]


def test_a_broken_xy_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "DOC-calage.xy"
    path.write_text("nothing of this kind\n", encoding="utf-8")
    with pytest.raises(UsageError, match="it cannot be told which system this is from"):
        import_layout(path, output=tmp_path / "layout.toml")
    with pytest.raises(ImportFaultsError, match="has no sheet with boxes"):
        import_layout(path, output=tmp_path / "layout.toml", system="amc")
    path.write_text("\\page{1/1/2}{210mm}{297mm}\n\\tracepos{1/1:positionHG}{12furlongs}{3mm}{square}\n", encoding="utf-8")
    with pytest.raises(ImportFaultsError, match="line 2: '12furlongs' is no length"):
        import_layout(path, output=tmp_path / "layout.toml")
    with pytest.raises(ImportFaultsError, match="cannot be read"):
        import_layout(tmp_path / "nowhere.xy", output=tmp_path / "layout.toml", system="amc")


def test_a_data_base_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "layout.sqlite"
    with closing(sqlite3.connect(path)) as base:
        base.execute("CREATE TABLE other (x)")
    with pytest.raises(ImportFaultsError, match="has no table layout_page"):
        import_layout(path, output=tmp_path / "layout.toml", system="amc")
    path.write_text("not a data base at all, but long enough to look like a file", encoding="utf-8")
    with pytest.raises(ImportFaultsError, match="cannot be read"):
        import_layout(path, output=tmp_path / "layout.toml", system="amc")


# --------------------------------------------------------------------------- the writer


def test_what_is_written_is_read_back() -> None:
    data = {
        "name": 'a "b" \\ ü \t',
        "size": [1.5, -0.25, 3],
        "many": [f"question {number}" for number in range(40)],
        "box": {"frame": 0.0, "odd key": True},
        "fields": [{"id": "1", "boxes": [{"value": "A", "at": [1, 2.125]}, {"value": "=", "at": [3, 4]}]}, {"id": "2"}],
        "questions": {"1a": {"key": []}, "1 b": {"values": {"A": "1/3"}}},
    }
    assert tomllib.loads(as_toml(data, ["a comment", ""])) == data
