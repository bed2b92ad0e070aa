"""The corpus' case files become layouts of ours: tried on made-up cases, since the corpus itself is not part of the project."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from scangrade.definitions.layout import load_layout
from scangrade.model import Convention, FiducialKind, Layout, PageCodeKind, Shape
from tests.benchmarks.accuracy import Tally, grade_case, table
from tests.benchmarks.corpus import Case, as_layout_file, find_cases, load_case, plain
from tests.benchmarks.printed_boxes import measure_printed_boxes

UNIT = 25.4 / 300


def booklet_box(question: str, answer: int, x: float, y: float, **more: Any) -> dict[str, Any]:
    box = {"question": question, "answer": answer, "xmin": x - 22, "xmax": x + 22, "ymin": y - 22, "ymax": y + 22}
    return {**box, "role": "answer", **more}


def booklet_page(student: int, page: int, copy: int, boxes: list[dict[str, Any]], ticked: list[bool | None]) -> dict[str, Any]:
    digits = [
        {"number": number, "digit": digit, "xmin": 700 + 40 * at, "xmax": 730 + 40 * at, "ymin": 180, "ymax": 210}
        for at, (number, digit) in enumerate([(2, 2), (2, 1), (1, 3), (1, 1), (1, 2), (3, 1)])
    ]
    layout = {
        "width": 2480.31,
        "height": 3507.87,
        "markdiameter": 42.52,
        "marks": [[300, 300], [2180, 300], [2180, 3200], [300, 3200]],
        "digits": digits,
        "boxes": boxes,
    }
    scan = f"copy{copy}.png"
    return {
        "scan": scan,
        "scan_page": page,
        "student": student,
        "page": page,
        "copy": copy,
        "layout": layout,
        "ticked": ticked,
    }


@pytest.fixture
def booklets(tmp_path: Path) -> Path:
    first = [
        booklet_box("a/1", 1, 500, 900),
        booklet_box("a/1", 2, 600, 900, char="B"),
        booklet_box("x", 1, 900, 900, dontscan=1),
    ]
    second = [booklet_box("a/1", 3, 500, 900, shape="oval"), booklet_box("id[1]", 1, 700, 900, role="code digit")]
    data = {
        "config": {"seuil_up": 0.7, "ignore_red": 1},
        "pages": [
            booklet_page(3, 3, 0, second, [None, True]),
            booklet_page(3, 2, 0, first, [True, False, True]),
            booklet_page(5, 2, 0, first, [False, False]),
        ],
        "skipped_scans": [["copy9.png", "blank"], ["copy9.png", 3, "cover"]],
    }
    folder = tmp_path / "exam"
    folder.mkdir()
    (folder / "case.json").write_text(json.dumps(data), encoding="utf-8")
    return folder


def loaded(case: Case, at: int, tmp_path: Path) -> Layout:
    layout, issues = load_layout(as_layout_file(case.forms[at], tmp_path))
    assert layout is not None, issues
    return layout


def test_booklets_become_one_layout_per_student(booklets: Path, tmp_path: Path) -> None:
    case = load_case(booklets)
    assert [form.name for form in case.forms] == ["exam-3", "exam-5"]
    layout = loaded(case, 0, tmp_path)
    assert len(layout.pages) == 2
    assert layout.convention is Convention.CROSS  # its upper threshold says that blackened boxes are cancelled
    assert layout.dropout == "red"
    assert layout.page(1).width_mm == pytest.approx(210, abs=0.01)
    disc = layout.page(1).fiducials[2]
    assert disc.kind is FiducialKind.CIRCLE
    assert (disc.x_mm, disc.y_mm) == pytest.approx((2180 * UNIT, 3200 * UNIT), abs=1e-3)
    a, b = layout.boxes(1)
    assert (a.field, a.value, b.printed) == ("a-1@1", "1", "B")
    assert (a.x_mm, a.width_mm) == pytest.approx((500 * UNIT, 44 * UNIT), abs=1e-3)
    assert layout.boxes(2)[0].shape is Shape.CIRCLE
    assert layout.field("a-1@1").many
    assert not layout.field("id[1]").many


def test_booklets_are_told_apart_by_their_bits(booklets: Path, tmp_path: Path) -> None:
    case = load_case(booklets)
    code = loaded(case, 0, tmp_path).page_code
    assert code is not None
    assert code.kind is PageCodeKind.BITS
    assert len(code.bits) == 5  # without the checksum
    assert code.patterns == {1: "01110", 2: "01111"}  # student 3 in three bits, pages 2 and 3 in two
    assert code.bits[0].x_mm == pytest.approx((715 + 40 * 3) * UNIT, abs=1e-3)  # digit 1 of number 1, the most significant


def test_truth_of_booklets(booklets: Path) -> None:
    case = load_case(booklets)
    by_page = {page.page: page for page in case.forms[0].pages if not page.reject}
    assert by_page[1].truth == {"a-1@1/1": True, "a-1@1/2": False}  # a box that is not scanned is in neither
    assert by_page[2].truth == {"a-1@2/3": None, "id[1]/1": True}
    rejected = [(page.scan.name, page.scan_page) for page in case.forms[0].pages if page.reject]
    assert rejected == [("copy9.png", 1), ("copy9.png", 3)]
    assert not any(page.reject for page in case.forms[1].pages)


def test_a_sheet_with_marks_at_its_corners(tmp_path: Path) -> None:
    folder = tmp_path / "sheet"
    (folder / "scans").mkdir(parents=True)
    scan = np.full((600, 460), 255, np.uint8)
    bubbles: list[dict[str, Any]] = [
        {"value": value, "x": 50 + 40 * at, "y": 100, "w": 30, "h": 30} for at, value in enumerate("ABCD")
    ]
    for bubble in bubbles:
        cv2.circle(scan, (bubble["x"] + 15 + 30, bubble["y"] + 15 + 50), 12, 0, 2)
    cv2.imwrite(str(folder / "scans" / "1.png"), scan)
    data = {
        "layout": {
            "page_width": 400,
            "page_height": 500,
            "registration": {
                "kind": "corner marks",
                "marks": [
                    {"shape": "L", "x": 0, "y": 0, "w": 60, "h": 60, "arm": 30},
                    {"shape": "square", "x": 370, "y": 470, "w": 30, "h": 30},
                ],
            },
            "fields": [
                {"name": "q 1", "kind": "single", "bubbles": bubbles},
                {"name": "q2", "kind": "multi", "bubbles": [{**bubble, "y": 200} for bubble in bubbles]},
            ],
        },
        "pages": [
            {
                "scan": "1.png",
                "expect": "read",
                "answers": {"q 1": "B", "q2": ["A", "D"]},
                "doubtful": {"q2": "faint"},
                "template_to_scan_homography": [[1, 0, 30], [0, 1, 50], [0, 0, 1]],
            },
            {"scan": "2.png", "expect": "reject"},
        ],
    }
    (folder / "case.json").write_text(json.dumps(data), encoding="utf-8")
    assert list(find_cases(tmp_path)) == [folder]
    assert list(find_cases(tmp_path, ["another"])) == []
    case = load_case(folder)
    layout = loaded(case, 0, tmp_path)
    corner, square = layout.page(1).fiducials
    per_pixel = (square.x_mm - corner.x_mm) / 385
    assert (corner.kind, corner.turn_deg) == (FiducialKind.CORNER, 0)
    assert corner.line_mm == pytest.approx(30 * per_pixel, rel=1e-3)
    box = layout.boxes(1)[1]
    assert box.x_mm - corner.x_mm == pytest.approx(105 * per_pixel, abs=per_pixel)
    assert box.shape is Shape.CIRCLE
    assert 18 * per_pixel < box.width_mm < 24 * per_pixel  # the inside of the printed circle, not the template's rectangle
    read, rejected = case.forms[0].pages
    assert rejected.reject
    assert read.truth["q-1/B"] is True
    assert read.truth["q-1/A"] is False
    assert read.truth["q2/A"] is None


def test_sheets_may_say_next_to_nothing(tmp_path: Path) -> None:
    bubble = {"value": "A/B", "x": 10, "y": 20, "w": 10, "h": 10}
    data: dict[str, Any] = {
        "layout": {"page_width": 300, "page_height": 400, "fields": [{"name": "q/1", "bubbles": [bubble]}]},
        "pages": [{"scan": "damaged.png"}],
    }
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "damaged.png").write_bytes(b"no picture")
    (tmp_path / "case.json").write_text(json.dumps(data), encoding="utf-8")
    case = load_case(tmp_path)
    assert loaded(case, 0, tmp_path).boxes(1)[0].key == "q-1/A-B"
    assert case.forms[0].pages[0].truth == {"q-1/A-B": None}
    printed = measure_printed_boxes(tmp_path, data)
    assert (printed.inside, printed.frame) == (1.0, 0.0)
    tally, results = grade_case(case, tmp_path)
    assert results == []
    assert tally.aside == {"unreadable_file": 1}
    (tmp_path / "scans" / "damaged.png").unlink()
    tally, _ = grade_case(case, tmp_path)
    assert (tally.pages, tally.faults) == (0, ["damaged.png: not there, left out"])


def test_an_unknown_format_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "case.json").write_text("{}", encoding="utf-8")
    case = load_case(tmp_path)
    assert case.forms == ()
    assert case.faults == ("its format is not known",)
    tally, _ = grade_case(case, tmp_path)
    assert "format is not known" in table([tally])


def test_plain_names() -> None:
    assert [plain(name) for name in ("a/b c", 7, " ", "hist:1[2]")] == ["a-b-c", "7", "-", "hist:1[2]"]


def test_table_sums_up() -> None:
    one = Tally("one", pages=2, read=1, boxes=10, right=7, wrong=1, flagged=2)
    one.aside["blank"] = 1
    text = table([one, one])
    assert text.splitlines()[-3].split() == ["all", "4", "2", "2", "blank", "20", "14", "2", "4", "0/0", "0"]
    assert "silent errors 10.000% of boxes, flagged though clear 20.00%" in text


def test_numbers_that_the_bits_cannot_hold_make_no_page_code(tmp_path: Path) -> None:
    page = booklet_page(9, 2, 0, [booklet_box("q", 1, 500, 900)], [True])
    (tmp_path / "case.json").write_text(json.dumps({"pages": [page]}), encoding="utf-8")
    case = load_case(tmp_path)
    layout = loaded(case, 0, tmp_path)
    assert layout.page_code is None  # 9 needs four bits
    assert layout.convention is Convention.ANY
