"""Feedback for students: what is drawn where, on whose file, and what becomes of booklets that are not certain."""

from __future__ import annotations

import csv
import io
import shutil
import sqlite3
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pikepdf
import pytest
from numpy.typing import NDArray
from pdf2image import convert_from_path
from PIL import Image

from scangrade.annotate import Annotated, FileStatus, OpenPoints, annotate_run
from scangrade.authoring.samples import make_demo
from scangrade.cli import main
from scangrade.definitions.layout import load_layout
from scangrade.errors import ExitCode, OutputError, UsageError
from scangrade.grade import grade
from scangrade.model import FieldKind, Layout
from scangrade.settings import ANNOTATE

DPI = 150
BLUE, GREEN, RED = np.array([26, 92, 158]), np.array([13, 115, 77]), np.array([194, 38, 31])


@dataclass(frozen=True)
class Demo:
    """The sample booklets, graded."""

    folder: Path
    layout: Layout

    @property
    def run(self) -> Path:
        return self.folder / "run"

    def rows(self, name: str) -> list[dict[str, str]]:
        return rows_of(self.run / name)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("demo")
    made = make_demo(folder)
    scans = [folder / "scans"]
    grade(scans, layout=made.layout, rubric=made.rubric, roster=made.roster, out=folder / "run", workers=0)
    layout, _ = load_layout(made.layout)
    assert layout is not None
    return Demo(folder, layout)


@pytest.fixture
def copy(demo: Demo, tmp_path: Path) -> Demo:
    """A copy of the run, since a test changes it; scans stay where they were."""
    shutil.copytree(demo.run, tmp_path / "demo" / "run")
    return Demo(tmp_path / "demo", demo.layout)


@pytest.fixture(scope="module")
def given(demo: Demo) -> Annotated:
    return annotate_run(demo.run, out=demo.folder / "feedback")


def text_of(path: Path) -> str:
    done = subprocess.run(["pdftotext", "-layout", str(path), "-"], capture_output=True, text=True, check=True)
    return done.stdout


def test_every_booklet_has_a_file_and_a_row(demo: Demo, given: Annotated) -> None:
    gradebook = {row["booklet"]: row for row in demo.rows("gradebook.csv") if row["booklet"]}
    rows = {row["booklet"]: row for row in rows_of(given.table)}
    assert rows.keys() == gradebook.keys()
    assert {path.name for path in given.folder.glob("*.pdf")} == {row["file"] for row in rows.values()}
    for booklet, row in rows.items():
        held = gradebook[booklet]
        for column in ("student_number", "last_name", "first_name", "points", "max_points", "points_low", "points_high"):
            assert row[column] == held[column], (booklet, column)
        for column, value in row.items():
            if column.startswith("question:"):
                assert value == held[column.removeprefix("question:")]
        assert row["status"] == ("final" if held["points"] else "provisional")
        named = held["status"] not in ("unknown_student", "duplicate")
        expected = f"{held['student_number']}_{held['last_name']}.pdf" if named else f"unidentified-{booklet}.pdf"
        assert row["file"] == expected
    assert given.exit_code is ExitCode.FLAGGED


def test_points_and_names_stand_on_it(demo: Demo, given: Annotated) -> None:
    for row in rows_of(given.table):
        text = text_of(given.folder / row["file"])
        total = row["points"] or f"{row['points_low']} to {row['points_high']}"
        assert f"{total} of {row['max_points']} points" in text
        assert ("PROVISIONAL" in text) == (row["status"] == "provisional")
        if row["student_number"]:
            assert f"Student number {row['student_number']}" in text and row["last_name"] in text
        else:
            assert "Student not certain" in text
        for column, points in row.items():
            if column.startswith("question:") and points:
                assert f"{points}/" in text.replace(" ", "")
    assert "is missing from the scans" in "".join(text_of(path) for path in given.folder.glob("*.pdf"))


def stored_bytes(path: Path) -> list[bytes]:
    """Data of the pictures on a PDF's pages, in order."""
    found = []
    with pikepdf.open(path) as pdf:
        for page in pdf.pages:
            held = page.obj.Resources.get("/XObject")
            if isinstance(held, pikepdf.Dictionary):
                found += [held[name].read_raw_bytes() for name in held.keys()]  # noqa: SIM118 - of a PDF's dictionary
    return found


def test_scans_keep_their_own_bytes(demo: Demo, given: Annotated) -> None:
    stored = {one for scan in (demo.folder / "scans").glob("*.pdf") for one in stored_bytes(scan)}
    shown = [one for path in given.folder.glob("*.pdf") for one in stored_bytes(path)]
    assert len(shown) == sum(row["outcome"] == "read" for row in demo.rows("pages.csv"))
    assert set(shown) <= stored and len(set(shown)) == len(shown)
    for path in given.folder.glob("*.pdf"):
        with pikepdf.open(path) as pdf:
            assert "/AcroForm" not in pdf.Root and "/Names" not in pdf.Root


@dataclass(frozen=True)
class Rendered:
    """A page as people see it."""

    pixels: NDArray[np.int64]

    def near(self, x_mm: float, y_mm: float, reach_mm: float, colour: NDArray[np.int64]) -> int:
        """Pixels of about a colour around a place of the form."""
        k = DPI / 25.4
        top = ANNOTATE.head_mm
        left, right = round((x_mm - reach_mm) * k), round((x_mm + reach_mm) * k)
        above, below = round((y_mm + top - reach_mm) * k), round((y_mm + top + reach_mm) * k)
        cut = self.pixels[max(above, 0) : below, max(left, 0) : right]
        return int((np.abs(cut - colour).sum(axis=2) < 90).sum())


def rendered(path: Path) -> Iterator[tuple[int, Rendered]]:
    """Pages of the form in a booklet's file, by number."""
    for image in convert_from_path(path, dpi=DPI)[1:]:
        yield 0, Rendered(np.asarray(image.convert("RGB"), dtype=np.int64))


def test_marks_are_drawn_where_the_boxes_are(demo: Demo, given: Annotated) -> None:
    """Around every box that was read as marked there is an outline, around no empty one that is rightly empty; and the scan lies right:
    the registration marks are black where the layout has them, to half a millimetre."""
    files = {row["booklet"]: row["file"] for row in rows_of(given.table)}
    marked: dict[tuple[str, int], list[tuple[str, str]]] = defaultdict(list)
    empty: dict[tuple[str, int], list[tuple[str, str]]] = defaultdict(list)
    for row in demo.rows("marks.csv"):
        key = row["booklet"], int(row["page"])
        if row["flagged"] == "false":
            (marked if row["verdict"] == "marked" else empty)[key].append((row["field"], row["box"]))
    checked = 0
    for booklet in ("0003", "0006"):
        numbers = sorted(int(row["page"]) for row in demo.rows("pages.csv") if row["booklet"] == booklet)
        for number, (_, page) in zip(numbers, rendered(given.folder / files[booklet]), strict=True):
            for fiducial in demo.layout.page(number).fiducials:
                x, y, half = fiducial.x_mm, fiducial.y_mm, fiducial.size_mm / 2
                dark, across = np.array([10, 10, 10]), (half - 0.5)
                inside = page.near(x, y, across, dark)
                assert inside > 0.9 * (2 * across * DPI / 25.4) ** 2
                for step in ((half + 0.8, 0), (-half - 0.8, 0), (0, half + 0.8), (0, -half - 0.8)):
                    assert page.near(x + step[0], y + step[1], 0.2, dark) == 0
            boxes = {(box.field, box.value): box for box in demo.layout.boxes(number)}
            for name in marked[booklet, number]:
                box = boxes[name]
                assert page.near(box.x_mm, box.y_mm, box.width_mm / 2 + 2, BLUE) > 60, name
                checked += 1
            for name in empty[booklet, number]:
                box = boxes[name]
                field = demo.layout.field(name[0])
                if field.kind is not FieldKind.CHOICE:
                    assert page.near(box.x_mm, box.y_mm, box.width_mm / 2 + 0.9, BLUE) < 25, name
    assert checked > 30


def wrong_answers(demo: Demo) -> list[tuple[str, str, str]]:
    """Booklets, and questions of page 2 of which one box is marked there, for no points; and that box."""
    questions = {box.field for box in demo.layout.boxes(2)}
    marked: dict[tuple[str, str], list[str]] = {}
    for row in demo.rows("marks.csv"):
        if row["field"] in questions and row["verdict"] == "marked":
            marked.setdefault((row["booklet"], row["field"]), []).append(row["box"])
    points = {row["booklet"]: row for row in demo.rows("gradebook.csv")}
    return [
        (booklet, question, boxes[0])
        for (booklet, question), boxes in sorted(marked.items())
        if len(boxes) == 1 and float(points[booklet][question] or 1) == 0
    ]


def told_of(path: Path, question: str) -> list[str]:
    """The words of the table's line on a question."""
    return next(line.split() for line in text_of(path).splitlines() if line.split()[:1] == [question])


def test_right_wrong_and_missed_differ_by_sign(demo: Demo, given: Annotated) -> None:
    files = {row["booklet"]: given.folder / row["file"] for row in rows_of(given.table)}
    lines = [(told_of(files[booklet], question), booklet, wrong) for booklet, question, wrong in wrong_answers(demo)]
    line, booklet, wrong = next(found for found in lines if len(found[0]) > 4)  # its right boxes are told, such as "A, C"
    question, points, _, marked, *right = (word.rstrip(",") for word in line)
    assert (points, marked) == ("0", wrong) and wrong not in right
    (page,) = (page for number, (_, page) in enumerate(rendered(files[booklet]), start=1) if number == 2)
    boxes = {box.value: box for box in demo.layout.boxes(2) if box.field == question}

    def seen(value: str, colour: NDArray[np.int64]) -> int:
        box = boxes[value]
        return page.near(box.x_mm, box.y_mm, box.width_mm / 2 + 1.6, colour)

    assert seen(wrong, RED) > 40 and seen(wrong, GREEN) < 10
    assert all(seen(one, GREEN) > 100 and seen(one, RED) < 10 and seen(one, BLUE) < 10 for one in right)
    others = boxes.keys() - {wrong, *right}
    assert others
    assert {seen(value, colour) < 10 for value in others for colour in (RED, GREEN, BLUE)} == {True}


def test_without_the_key(demo: Demo, tmp_path: Path) -> None:
    booklet, question, wrong = wrong_answers(demo)[0]
    made = annotate_run(demo.run, out=tmp_path / "out", with_key=False)
    row = next(row for row in rows_of(made.table) if row["booklet"] == booklet)
    text = text_of(tmp_path / "out" / row["file"])
    assert "should have been marked" not in text and "Right" not in text
    line = told_of(tmp_path / "out" / row["file"], question)
    assert (line[1], line[3:]) == ("0", [wrong])


def test_anonymous(demo: Demo, tmp_path: Path) -> None:
    made = annotate_run(demo.run, out=tmp_path / "out", anonymous=True)
    assert sorted(path.name for path in (tmp_path / "out").glob("*.pdf")) == [f"{copy:04}.pdf" for copy in range(1, 7)]
    assert next(iter(rows_of(made.table)[0])) == "booklet"
    told = made.table.read_text(encoding="utf-8-sig")
    students = [row for row in demo.rows("gradebook.csv") if row["student_number"]]
    assert not any(row["student_number"] in told or row["last_name"] in told for row in students)
    for row in rows_of(made.table):
        path = tmp_path / "out" / row["file"]
        text = text_of(path)
        assert not any(one["student_number"] in text or one["last_name"] in text for one in students)
        with pikepdf.open(path) as pdf:
            assert not any(one["last_name"] in str(pdf.docinfo.get("/Title")) for one in students)
    page = next(page for _, page in rendered(tmp_path / "out" / "0003.pdf"))
    for field in demo.layout.fields:
        if field.role == "name" and field.region is not None:
            middle = field.region.x_mm + field.region.width_mm / 2, field.region.y_mm + field.region.height_mm / 2
            assert page.near(*middle, field.region.height_mm / 2, np.array([40, 40, 40])) == 0


def test_points_that_are_open_can_be_left_out(demo: Demo, tmp_path: Path) -> None:
    made = annotate_run(demo.run, out=tmp_path / "out", open_points=OpenPoints.LEAVE_OUT)
    rows = rows_of(made.table)
    assert {row["status"] for row in rows} == {"final", "left_out"}
    assert all((row["file"] == "") == (row["points"] == "") for row in rows)
    assert len(list((tmp_path / "out").glob("*.pdf"))) == sum(row["status"] == "final" for row in rows)


def test_names_by_template(demo: Demo, tmp_path: Path) -> None:
    annotate_run(demo.run, out=tmp_path / "out", name="result {version}")
    names = sorted(path.name for path in (tmp_path / "out").glob("*.pdf"))
    assert len(names) == 6  # although there are two versions only
    assert "result A.pdf" in names and "result A_2.pdf" in names


# --------------------------------------------------------------------------- what goes wrong


def test_a_page_that_is_not_the_one_read_costs_its_booklet_only(copy: Demo, tmp_path: Path) -> None:
    with closing(sqlite3.connect(copy.run / "run.sqlite")) as db, db:
        db.execute("UPDATE pages SET image_sha256 = 'other' WHERE copy = '0003' AND page = 2")
    made = annotate_run(copy.run, out=tmp_path / "out")
    failed = [one for one in made.booklets if one.status is FileStatus.FAILED]
    assert [one.booklet for one in failed] == ["0003"]
    assert "page 2 (" in failed[0].detail and "it is not the image that was read" in failed[0].detail
    assert len(list((tmp_path / "out").glob("*.pdf"))) == 5
    assert made.exit_code is ExitCode.FLAGGED
    assert next(row["file"] for row in rows_of(made.table) if row["booklet"] == "0003") == ""


def move_scans(demo: Demo, folder: Path, *, names: str = "*.pdf") -> Path:
    """Let the run believe that its scans lie in a folder, and put them there."""
    folder.mkdir()
    with closing(sqlite3.connect(demo.run / "run.sqlite")) as db, db:
        for (path,) in db.execute("SELECT path FROM scans").fetchall():
            shutil.copy(path, folder / Path(path).name)
            db.execute("UPDATE scans SET path = ? WHERE path = ?", (str(folder / Path(path).name), path))
    return folder


def test_scans_that_were_moved(copy: Demo, tmp_path: Path) -> None:
    folder = move_scans(copy, tmp_path / "scans")
    moved = folder.rename(tmp_path / "archive")
    for place, path in enumerate(sorted(moved.iterdir())):
        path.rename(moved / f"renamed-{place}.pdf")
    with pytest.raises(UsageError, match=r"not there any more, or changed:(?s:.)*--scans"):
        annotate_run(copy.run, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    made = annotate_run(copy.run, out=tmp_path / "out", scans=moved)
    assert len(list((tmp_path / "out").glob("*.pdf"))) == 6 and not made.lost


def test_a_scan_that_is_lost_costs_its_booklets_only(copy: Demo, tmp_path: Path) -> None:
    folder = move_scans(copy, tmp_path / "scans")
    (folder / "batch-2.pdf").unlink()
    made = annotate_run(copy.run, out=tmp_path / "out")
    scans = {row["booklet"]: Path(row["scan"]).name for row in copy.rows("pages.csv")}
    failed = {one.booklet for one in made.booklets if one.status is FileStatus.FAILED}
    assert failed == {booklet for booklet, scan in scans.items() if scan == "batch-2.pdf"} != set(scans)
    assert "batch-2.pdf" in made.lost and "--scans" in made.lost


def test_a_folder_with_files_is_not_written_over(demo: Demo, tmp_path: Path) -> None:
    out = tmp_path / "out"
    annotate_run(demo.run, out=out)
    with pytest.raises(OutputError, match="holds files already"):
        annotate_run(demo.run, out=out)
    made = annotate_run(demo.run, out=out, name="{booklet}", force=True)
    assert "13924046_Moorland.pdf" in made.leftovers and "unidentified-0002.pdf" not in made.leftovers
    assert annotate_run(demo.run, out=out, name="{booklet}", force=True).leftovers == ()
    with pytest.raises(OutputError, match="is a file"):
        annotate_run(demo.run, out=out / "feedback.csv", force=True)


def test_the_same_run_gives_the_same_files(demo: Demo, given: Annotated, tmp_path: Path) -> None:
    made = annotate_run(demo.run, out=tmp_path / "out")
    for path in given.folder.iterdir():
        assert (made.folder / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--name", "{grade}"], 2, "`grade` is no field"),
        (["--anonymous", "--name", "{last_name}"], 2, "tells who it is"),
        (["--scans", "nowhere"], 3, "6 PDFs"),
        ([], 3, ": points are open in question"),
        (["--open", "leave-out"], 3, "Left out  "),
        (["--without-key"], 3, "6 PDFs in "),
    ],
)
def test_the_command(
    demo: Demo, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str
) -> None:
    with pytest.raises(SystemExit) as stop:
        main.main(["annotate", str(demo.run), "--out", str(tmp_path / "out"), *arguments])
    out, err = capsys.readouterr()
    assert stop.value.code == code
    assert words in err
    assert out == ("" if code == 2 else f"{tmp_path / 'out' / 'feedback.csv'}\n")
    assert (tmp_path / "out").exists() == (code != 2)


def test_pages_of_an_image_file(demo: Demo, tmp_path: Path) -> None:
    """A booklet that came as a TIFF of four pages: its pixels are kept."""
    scan = demo.folder / "scans" / "batch-1.pdf"
    with pikepdf.open(scan) as pdf:
        held = [page.obj.Resources.XObject for page in pdf.pages][:4]
        stored = [one[next(iter(one.keys()))].read_raw_bytes() for one in held]
        inches = float(pdf.pages[0].mediabox[2]) / 72
    frames = [Image.open(io.BytesIO(one)).convert("L") for one in stored]
    dpi = round(frames[0].width / inches)
    path = tmp_path / "scan.tif"
    frames[0].save(path, save_all=True, append_images=frames[1:], dpi=(dpi, dpi), compression="tiff_lzw")
    names = {name: demo.folder / f"{name}.{'csv' if name == 'roster' else 'toml'}" for name in ("layout", "rubric", "roster")}
    grade([path], layout=names["layout"], rubric=names["rubric"], roster=names["roster"], out=tmp_path / "run", workers=0)
    made = annotate_run(tmp_path / "run", out=tmp_path / "out")
    (row,) = rows_of(made.table)
    with pikepdf.open(tmp_path / "out" / row["file"]) as pdf:
        held = [page.obj.Resources.XObject for page in pdf.pages if "/XObject" in page.obj.Resources]
        found = [pikepdf.PdfImage(one[next(iter(one.keys()))]).as_pil_image() for one in held]  # type: ignore[arg-type]
        equal = [np.array_equal(np.asarray(a), np.asarray(b)) for a, b in zip(found, frames, strict=True)]
    assert equal == [True] * 4
