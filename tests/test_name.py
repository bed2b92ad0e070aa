"""Names are read where nothing else settles whose a booklet is, once, and settle nothing themselves."""

from __future__ import annotations

import csv
import html
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
import pytesseract
import pytest

from scangrade import reading
from scangrade.authoring.ink import paint
from scangrade.authoring.person import FILLERS, fill_booklet
from scangrade.authoring.scanner import GOOD, ScannedImage, scan_page, write_scan
from scangrade.authoring.simulate import PAPER_DPI, PrintedForm, print_form
from scangrade.definitions.layout import load_layout
from scangrade.forget import forget
from scangrade.grade import grade
from scangrade.graded import graded_run
from scangrade.model import Region
from scangrade.paper.name import read_name
from scangrade.run.store import MIGRATIONS, Store
from tests.test_guard import serve

LAYOUT = """
format = 1
name = "named"
title = "Exam with names"
convention = "fill-wins"
pages = 1

[box]
size = 4.0
frame = 0.3

[[fiducials]]
kind = "square"
size = 5
at = [[12, 12], [198, 12], [12, 285], [198, 285]]

[[fields]]
id = "name"
kind = "text"
role = "name"
page = 1
region = [20, 40, 90, 14]

[[fields]]
id = "number"
kind = "handwritten"
role = "student_number"
page = 1
places = 6
origin = [30, 80]
place_step = [7, 0]
size = [6.5, 9]

[[fields]]
ids = ["1", "2", "3"]
kind = "choice"
select = "one"
page = 1
values = "ABCD"
origin = [30, 120]
step = [10, 0]
field_step = [0, 12]
"""
RUBRIC = """
format = 1
name = "named"
title = "Exam with names"
total = 3
floor = 0
""" + "".join(f'[questions.{one}]\npolicy = "single"\npoints = 1\nkey = "A"\n' for one in (1, 2, 3))
ROSTER = """student_number,last_name,first_name
123456,Moorland,Ada
123457,Kestrelli,Bruno
204060,Wintergreen,Vera
"""


@pytest.fixture
def exam(tmp_path: Path) -> Path:
    for name, text in (("layout.toml", LAYOUT), ("rubric.toml", RUBRIC), ("roster.csv", ROSTER)):
        (tmp_path / name).write_text(text)
    return tmp_path


def booklet(printed: PrintedForm, number: str, name: str, *, seed: int) -> ScannedImage:
    """A page with a number by hand, and a name as a typewriter prints it."""
    rng = np.random.default_rng(seed)
    page = printed.page(1).copy()
    filling = fill_booklet(printed.layout, {}, FILLERS[0], rng, texts={"number": number})
    paint(page, filling.marks, dpi=printed.dpi, rng=rng)
    scale = printed.dpi / 25.4
    place = (round(24 * scale), round(51.5 * scale))
    cv2.putText(page, name, place, cv2.FONT_HERSHEY_SIMPLEX, 2.0, 0.0, 5, cv2.LINE_AA)
    return scan_page(page, GOOD, rng, page_dpi=printed.dpi)


@pytest.fixture
def scanned(exam: Path) -> Path:
    layout, _ = load_layout(exam / "layout.toml")
    assert layout is not None
    printed = print_form(layout, dpi=PAPER_DPI)
    images = [
        booklet(printed, "204060", "VERA WINTERGREEN", seed=1),
        booklet(printed, "", "BRUNO KESTRELLI", seed=2),
        booklet(printed, "999999", "", seed=3),
    ]
    (path,) = write_scan(images, exam / "scan.pdf")
    return path


def run(exam: Path) -> list[dict[str, str]]:
    grade(
        [exam / "scan.pdf"],
        layout=exam / "layout.toml",
        rubric=exam / "rubric.toml",
        roster=exam / "roster.csv",
        out=exam / "run",
        workers=0,
    )
    with (exam / "run" / "flags.csv").open(encoding="utf-8-sig", newline="") as stream:
        return [one for one in csv.DictReader(stream) if one["kind"] == "unknown_student"]


@pytest.fixture
def names_read() -> Iterator[mock.Mock]:
    with mock.patch("scangrade.paper.name.read_name", side_effect=read_name) as seen:
        yield seen


def test_a_name_ranks_students_and_settles_nothing(exam: Path, scanned: Path, names_read: mock.Mock) -> None:
    flags = run(exam)
    assert len(flags) == 2  # the first booklet is settled by its number
    assert "123457 Kestrelli, Bruno" in flags[0]["detail"] and "The name is read as" in flags[0]["detail"]
    assert "name" not in flags[1]["detail"]
    assert names_read.call_count == 2  # not that of the booklet which is settled


def test_names_are_read_once(exam: Path, scanned: Path, names_read: mock.Mock) -> None:
    first = run(exam)
    before = names_read.call_count
    with Store(exam / "run") as store:
        store.forget(["standing.machine"])  # all is derived again
    assert run(exam) == first
    assert names_read.call_count == before
    with Store(exam / "run") as store:
        assert any("KESTRELLI" in one for one in store.names().values())


def test_a_scan_that_is_gone_costs_its_names_only(exam: Path, scanned: Path) -> None:
    with mock.patch.object(reading, "read_names", return_value={}), mock.patch("scangrade.grade.read_names", return_value={}):
        flags = run(exam)
    assert "Kestrelli" not in flags[0]["detail"]
    scanned.unlink()
    with Store(exam / "run") as store:
        pages = store.pages()
    layout, _ = load_layout(exam / "layout.toml")
    assert layout is not None
    from scangrade.answers.collate import collate  # noqa: PLC0415

    booklets, _ = collate(pages, layout)
    with Store(exam / "run") as store:
        assert reading.read_names(store, layout, booklets, workers=1) == {}
        assert store.names() == {}


def test_names_go_when_a_run_is_forgotten(exam: Path, scanned: Path) -> None:
    run(exam)
    forget(exam / "run")
    with Store(exam / "run") as store:
        assert store.names() == {}
    assert b"KESTRELLI" not in (exam / "run" / "run.sqlite").read_bytes()


def test_older_runs_open(tmp_path: Path) -> None:
    with mock.patch("scangrade.run.store.MIGRATIONS", MIGRATIONS[:5]):
        Store(tmp_path).close()
    with Store(tmp_path) as store:
        assert store.names() == {}
        store.save_names({("sha", "name"): "Ada"})
        store.save_names({("sha", "name"): "Ada L", ("sha", "other"): ""})
        assert store.names() == {("sha", "name"): "Ada L", ("sha", "other"): ""}


REGION = Region(1, 5.0, 5.0, 80.0, 14.0)


def picture(text: str) -> np.ndarray:
    page = np.full((300, 1000), 255, np.uint8)
    cv2.putText(page, text, (90, 190), cv2.FONT_HERSHEY_SIMPLEX, 2.2, 0.0, 6, cv2.LINE_AA)
    return page


SCALE = np.diag([300 / 25.4, 300 / 25.4, 1.0])


def test_print_is_read_and_paper_costs_nothing() -> None:
    assert "MOORLAND" in read_name(picture("ADA MOORLAND"), SCALE, REGION)
    with mock.patch.object(pytesseract, "image_to_data") as seen:
        assert read_name(picture(""), SCALE, REGION) == ""
    seen.assert_not_called()


@pytest.mark.parametrize(
    "trouble",
    [pytesseract.TesseractNotFoundError(), RuntimeError("Tesseract process timeout"), pytesseract.TesseractError(1, "x")],
)
def test_without_tesseract_there_is_no_name(trouble: Exception) -> None:
    with mock.patch.object(pytesseract, "image_to_data", side_effect=trouble):
        assert read_name(picture("ADA MOORLAND"), SCALE, REGION) == ""


def test_the_reviewer_sees_each_witness(exam: Path, scanned: Path) -> None:
    flags = run(exam)
    for served in serve(exam / "run"):
        response, _ = served.ask(served.links[-1], cookie="")
        served.session = response.headers["set-cookie"].partition("=")[2].partition(";")[0]
        _, data = served.ask(f"/student?b={flags[0]['booklet']}")
        page = html.unescape(data.decode())
        assert "<dt>By hand</dt><dd>nothing</dd>" in page and "<dt>Name, as read</dt>" in page
        assert "the name is read as" in page and "Kestrelli, Bruno" in page
        _, data = served.ask(f"/student?b={flags[1]['booklet']}")
        assert "By hand, page 1: 999999" in data.decode()
        response, data = served.ask(f"/region?b={flags[1]['booklet']}&n=1&q=number")
        assert (response.status, response.headers["content-type"]) == (200, "image/jpeg")
        assert served.status("/student?b=none") == 404


def test_what_was_read_is_kept_with_the_run(exam: Path, scanned: Path) -> None:
    """A review opens with it: nothing is read again, and a decision about a mark does not lose it."""
    run(exam)
    with mock.patch("scangrade.conclude.read_handwriting", side_effect=AssertionError), graded_run(exam / "run") as graded:
        first, second, third = [graded.standing.booklet(one) for one in graded.standing.booklets]
    assert [one.number() for one in first.read.written] == ["204060"]
    assert first.identity.student is not None and first.identity.student.number == "204060"
    assert "KESTRELLI" in second.read.name
    assert [one.number() for one in third.read.written] == ["999999"]
