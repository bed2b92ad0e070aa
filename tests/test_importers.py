"""Other systems' forms: the boxes come to lie where they are, scans are graded with them, faults are told, nothing is overwritten."""

from __future__ import annotations

import csv
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

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
from scangrade.model import FiducialKind, FieldKind, Layout, Policy, Rubric
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
