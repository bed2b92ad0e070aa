"""The version that a form prints decides which key holds, page by page, and never where it cannot be read beyond doubt."""

from __future__ import annotations

import csv
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
import pytest
import reportlab
from PIL import Image, ImageDraw, ImageFont

from scangrade.authoring.ink import paint
from scangrade.authoring.person import FILLERS, fill_booklet
from scangrade.authoring.scanner import GOOD, ScannedImage, scan_page, write_scan
from scangrade.authoring.simulate import PAPER_DPI, PrintedForm, print_form
from scangrade.check import check
from scangrade.definitions.layout import load_layout
from scangrade.grade import grade
from scangrade.model import Region
from scangrade.paper import name
from scangrade.run.store import Store
from scangrade.standing import kept_scorecards
from tests.test_name import LAYOUT, RUBRIC

WHERE = """
[[fields]]
id = "version"
kind = "text"
role = "version"
page = 1
region = [120, 40, 60, 14]
"""
FONT = Path(reportlab.__file__).parent / "fonts" / "Vera.ttf"
VERSIONS = 'versions = ["red", "blue"]\nversion_from = "print"\n'


@pytest.fixture
def exam(tmp_path: Path) -> Path:
    (tmp_path / "layout.toml").write_text(LAYOUT + WHERE)
    rubric = RUBRIC.replace('key = "A"', 'key = { red = ["A"], blue = ["B"] }').replace(
        "total = 3\n", "total = 3\n" + VERSIONS
    )
    (tmp_path / "rubric.toml").write_text(rubric)
    return tmp_path


def sheet(printed: PrintedForm, words: str, answer: str, *, seed: int) -> ScannedImage:
    """A page that says which version it is, with one answer to all questions."""
    rng = np.random.default_rng(seed)
    page = printed.page(1).copy()
    answers = {str(one): frozenset(answer) for one in (1, 2, 3)}
    marks = fill_booklet(printed.layout, answers, FILLERS[0], rng, texts={"number": "204060"}).marks
    paint(page, marks, dpi=printed.dpi, rng=rng)
    scale = printed.dpi / 25.4
    font = ImageFont.truetype(FONT, round(4.2 * scale))  # of 12 points
    letters = Image.new("L", (round(50 * scale), round(6 * scale)), 255)
    ImageDraw.Draw(letters).text((0, 0), words, fill=0, font=font)
    top, left = round(44 * scale), round(124 * scale)
    page[top : top + letters.height, left : left + letters.width] = np.asarray(letters)
    return scan_page(page, GOOD, rng, page_dpi=printed.dpi)


def test_the_key_of_the_printed_version_holds(exam: Path) -> None:
    layout, _ = load_layout(exam / "layout.toml")
    assert layout is not None
    printed = print_form(layout, dpi=PAPER_DPI)
    images = [
        sheet(printed, text, "B", seed=seed) for seed, text in enumerate(("Version red", "Version blue", "", "red or blue"))
    ]
    (scan,) = write_scan(images, exam / "scan.pdf")
    for _ in range(2):  # the second time from the store
        grade([scan], layout=exam / "layout.toml", rubric=exam / "rubric.toml", out=exam / "run", workers=0)
        with Store(exam / "run") as store:
            cards = sorted(kept_scorecards(store), key=lambda one: one.booklet)
        assert [one.version for one in cards] == ["red", "blue", "", ""]
        assert [f"{one.low} to {one.high}" for one in cards] == ["0 to 0", "3 to 3", "0 to 3", "0 to 3"]
        with (exam / "run" / "flags.csv").open(encoding="utf-8-sig", newline="") as stream:
            unknown = [one["detail"] for one in csv.DictReader(stream) if one["kind"] == "unknown_version"]
        assert len(unknown) == 2
        assert "read as 'Version', tells none" in unknown[0]  # the form's own word for the place
        assert "read as 'Version red or blue', tells none, or several" in unknown[1]


def test_what_two_readings_give_otherwise_was_not_read() -> None:
    paper = np.full((400, 800), 255, np.uint8)
    cv2.putText(paper, "Version red", (60, 200), cv2.FONT_HERSHEY_SIMPLEX, 3, 0, 8)
    matrix = np.diag([12.0, 12.0, 1.0])
    region = Region(1, 0, 0, 66, 33)
    assert name.read_print(paper, matrix, region) == "Version red"
    with mock.patch.object(name, "_words", side_effect=[["Version", "red"], ["Version", "rad"]]):
        assert name.read_print(paper, matrix, region) == ""


def test_check_tells_what_is_missing_and_what_is_risky(exam: Path) -> None:
    def said(layout: str, rubric: str) -> str:
        (exam / "l.toml").write_text(layout)
        (exam / "r.toml").write_text(rubric)
        return "\n".join(str(one) for one in check(exam / "l.toml", exam / "r.toml", None))

    rubric = (exam / "rubric.toml").read_text()
    assert "the layout does not say where" in said(LAYOUT, rubric)
    assert "nobody looks at the printed version" in said(LAYOUT + WHERE, RUBRIC)
    assert "misread" not in said(LAYOUT + WHERE, rubric)
    assert "A and B can be misread" in said(LAYOUT + WHERE, rubric.replace("red", "A").replace("blue", "B"))
