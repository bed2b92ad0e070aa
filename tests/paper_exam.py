"""A small exam on paper, printed, filled and scanned at 150 dpi: what a pile is made of that tests lay together in their own ways."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from scangrade.authoring.person import FILLERS
from scangrade.authoring.scanner import COPIER, Encoding, ScannedImage, write_scan
from scangrade.authoring.simulate import PrintedForm, print_form, simulate_booklet
from scangrade.definitions.layout import load_layout
from scangrade.grade import RunSummary, grade
from scangrade.model import Layout, Transform
from tests.fake_reader import LAYOUT, ROSTER

DPI = 150

_VERSION = """
[[fields]]
id = "version"
kind = "version"
page = 1
values = "AB"
origin = [120, 60]
step = [10, 0]
"""

_RUBRIC = """
format = 1
name = "mini"
title = "A small exam"
total = 6
floor = "none"
versions = ["A", "B"]
version_from = "mark"

[questions.q]
policy = "all-or-nothing"
points = 4
key = { A = ["A", "C"], B = ["B"] }

[questions.r]
policy = "all-or-nothing"
points = 2
key = { A = ["B"], B = ["C"] }
"""


@dataclass(frozen=True, slots=True)
class Student:
    """Who fills a booklet in, and how."""

    copy: str
    number: str
    version: str
    q: str
    r: str


#: Points 6, 2 and 4, in this order.
STUDENTS = (
    Student("01", "11", "A", "AC", "B"),
    Student("02", "12", "B", "AC", "C"),
    Student("03", "13", "B", "B", "A"),
)
POINTS = {"11": "6", "12": "2", "13": "4"}

_SCANNER = replace(COPIER, white=266.0, noise=1.0, dust=0)
_NEAT = replace(FILLERS[0], mistakes=0.0, specks=0.0)


def write_definitions(folder: Path, *, copies: bool = True, exam: str = "mini") -> dict[str, Path]:
    """Layout, rubric and roster; without `copies` the page code says the page only."""
    folder.mkdir(parents=True, exist_ok=True)
    # the code beside the mark in the corner, not under it as in the pretended form
    layout = LAYOUT.replace("[180, 8, 20, 20]", "[150, 7, 22, 22]").replace('name = "mini"', f'name = "{exam}"') + _VERSION
    if not copies:
        layout = layout.replace("{exam}/{copy}/{page}", "{exam}/{page}")
    paths = {"layout": folder / "layout.toml", "rubric": folder / "rubric.toml", "roster": folder / "roster.csv"}
    for name, text in (("layout", layout), ("rubric", _RUBRIC), ("roster", ROSTER)):
        paths[name].write_text(text, encoding="utf-8")
    return paths


@cache
def _form(copies: bool, exam: str) -> tuple[Layout, PrintedForm]:
    with tempfile.TemporaryDirectory() as folder:
        layout, issues = load_layout(write_definitions(Path(folder), copies=copies, exam=exam)["layout"])
    assert layout is not None, issues
    return layout, print_form(layout, dpi=DPI)


@cache
def pages_of(student: Student, *, copies: bool = True, exam: str = "mini", seed: int = 1) -> tuple[ScannedImage, ...]:
    """Both pages of a booklet as scanned; another `seed` is another time on the glass, of a booklet filled in alike."""
    layout, printed = _form(copies, exam)
    answers = {f"n.{place}": frozenset(digit) for place, digit in enumerate(student.number, start=1)}
    answers |= {"version": frozenset(student.version), "q": frozenset(student.q), "r": frozenset(student.r)}
    rng = np.random.default_rng([seed, int(student.copy)])
    images, _ = simulate_booklet(
        layout, answers, _NEAT, _SCANNER, rng, student.copy if copies else "", form=printed, student_number=student.number
    )
    return images


def image_of(pixels: np.ndarray) -> ScannedImage:
    """A page image of these gray pixels."""
    height, width = pixels.shape
    identity = Transform((1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()
    return ScannedImage(data, Encoding.JPEG, width, height, 1, DPI, identity, 0)


def paper(seed: int) -> np.ndarray:
    """A white sheet as scanned."""
    rng = np.random.default_rng(seed)
    return np.clip(rng.normal(252, 1.5, (1754, 1240)), 0, 255).astype(np.uint8)


def separator(seed: int) -> ScannedImage:
    """A sheet with the bars of a patch code and a word, as put between booklets."""
    sheet = paper(seed)
    for side in (100, 900):
        for place, width in enumerate((24, 8, 24, 8, 8, 24)):
            cv2.rectangle(sheet, (side, 300 + 60 * place), (side + 240, 300 + 60 * place + width), 20, -1)
    cv2.putText(sheet, "SEPARATOR", (330, 1000), cv2.FONT_HERSHEY_SIMPLEX, 3, 30, 8)
    return image_of(sheet)


def turned(page: ScannedImage) -> ScannedImage:
    """The page upside down."""
    pixels = np.asarray(cv2.imdecode(np.frombuffer(page.data, np.uint8), cv2.IMREAD_GRAYSCALE))
    return image_of(np.ascontiguousarray(pixels[::-1, ::-1]).astype(np.uint8))


def scan(folder: Path, name: str, pages: Sequence[ScannedImage]) -> Path:
    """A scan file of these pages."""
    folder.mkdir(parents=True, exist_ok=True)
    write_scan(pages, folder / name)
    return folder / name


def grade_pile(folder: Path, *scans: Path, copies: bool = True) -> RunSummary:
    """Grade scans, in this process, into `folder / "run"`."""
    definitions = write_definitions(folder / "exam", copies=copies)
    return grade(scans or [folder / "scans"], **definitions, out=folder / "run", workers=0)  # type: ignore[arg-type]


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    """One of the run's files."""
    with (folder / "run" / name).open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def points(folder: Path) -> Mapping[str, str]:
    """Points by student number, of all that have a booklet."""
    return {row["student_number"]: row["points"] for row in rows(folder, "gradebook.csv") if row["booklet"]}
