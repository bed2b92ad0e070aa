"""Layouts drafted from blank forms: what was drawn from a layout comes back as that layout."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pikepdf
import pytesseract
import pytest
from click.testing import CliRunner, Result
from pdf2image import convert_from_bytes
from PIL import Image
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from scangrade.authoring.detect import detect
from scangrade.authoring.form import draw_blank, draw_booklet
from scangrade.authoring.person import FILLERS
from scangrade.authoring.printing.booklets import print_booklets
from scangrade.authoring.scanner import GOOD
from scangrade.authoring.simulate import simulate_booklet
from scangrade.check import check
from scangrade.cli import main
from scangrade.definitions.layout import load_layout
from scangrade.errors import UsageError
from scangrade.grade import grade
from scangrade.model import Box, Field, FieldKind, Layout, PageCode, PageCodeKind, PageRead, Region, Shape
from scangrade.paper.rasterise import PageImage
from scangrade.paper.read import FormReader, read_page
from tests.forms import form

LAYOUTS = sorted((Path(__file__).parent.parent / "layouts").glob("*.toml"))
NEAR_MM = 0.1  # what vectors and the grid's rounding can be off together; a reading allows 2 mm
SEEN_MM = 0.15  # of a picture at 300 dpi: two pixels


def loaded(path: Path) -> Layout:
    layout, issues = load_layout(path)
    assert layout is not None, issues
    return layout


def drafted(folder: Path, blank: bytes, name: str = "blank.pdf") -> tuple[Layout, tuple[str, ...]]:
    (folder / name).write_bytes(blank)
    made = detect(folder / name, output=folder / "layout.toml")
    return loaded(made.path), made.notes


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["layout", "detect", *(str(one) for one in arguments)])


def near(one: Box, other: Box, tolerance: float) -> bool:
    places = ((one.x_mm, other.x_mm), (one.y_mm, other.y_mm), (one.width_mm, other.width_mm), (one.height_mm, other.height_mm))
    return all(abs(a - b) <= tolerance for a, b in places) and one.shape is other.shape


def key(one: Field) -> tuple[object, ...]:
    """What a field is, its boxes to the half millimetre; ids of grids are made up."""
    boxes = tuple((box.value, round(box.x_mm * 2), round(box.y_mm * 2), box.printed) for box in one.boxes)
    return one.kind, one.page, one.question, one.place, one.correction, one.role, boxes


def assert_same_boxes(found: Layout, true: Layout, tolerance: float) -> None:
    for page in true.pages:
        wanted, have = true.boxes(page.number), found.boxes(page.number)
        assert len(have) == len(wanted)
        assert all(any(near(one, other, tolerance) for other in have) for one in wanted)


# --------------------------------------------------------------------------- forms whose truth is known


@pytest.mark.slow
@pytest.mark.parametrize("path", LAYOUTS, ids=lambda path: path.stem)
def test_a_drawn_layout_comes_back(path: Path, tmp_path: Path) -> None:
    true = loaded(path)
    found, _ = drafted(tmp_path, draw_booklet(true, copy="0042"))
    assert_same_boxes(found, true, NEAR_MM)
    assert {key(one) for one in found.fields if one.boxes} == {key(one) for one in true.fields if one.boxes}
    assert found.pages == true.pages  # sizes, and all registration marks
    assert (found.page_code is None) == (true.page_code is None)
    if found.page_code and true.page_code:
        assert (found.page_code.content, found.page_code.exam) == (true.page_code.content, true.page_code.exam)
    regions = {(one.page, one.role, one.kind, rounded(one.region)) for one in true.fields if one.region}
    assert {(one.page, one.role, one.kind, rounded(one.region)) for one in found.fields if one.region} == regions
    answers = {one.question for one in true.fields if one.role == "answer"}
    assert {one.question for one in found.fields if one.role == "answer"} == answers


def rounded(region: Region | None) -> tuple[int, ...]:
    assert region is not None
    return tuple(round(one * 5) for one in (region.x_mm, region.y_mm, region.width_mm, region.height_mm))


def test_without_page_codes_the_form_itself_is_the_reference(tmp_path: Path) -> None:
    true = loaded(LAYOUTS[0])
    found, notes = drafted(tmp_path, draw_blank(true))
    assert found.page_code is None
    assert found.reference == tmp_path / "blank.pdf"
    assert any("reference" in note for note in notes)


@pytest.mark.parametrize("shape", list(Shape))
def test_a_scanned_blank(shape: Shape, tmp_path: Path) -> None:
    true = form(pages=1, questions=8)
    true = replace(
        true,
        fields=tuple(replace(one, boxes=tuple(replace(box, shape=shape) for box in one.boxes)) for one in true.fields),
    )
    image = convert_from_bytes(draw_booklet(true), dpi=300, grayscale=True)[0]
    out = io.BytesIO()
    image.save(out, "PDF", resolution=300)
    found, notes = drafted(tmp_path, out.getvalue())
    assert_same_boxes(found, true, SEEN_MM)
    assert [len(one.boxes) for one in found.fields] == [4] * 8
    for one, other in zip(found.pages[0].fiducials, true.pages[0].fiducials, strict=True):
        assert any(
            abs(mark.x_mm - one.x_mm) < SEEN_MM and abs(mark.y_mm - one.y_mm) < SEEN_MM for mark in true.pages[0].fiducials
        )
        assert one.kind is other.kind
    assert any("labels were read by Tesseract" in note for note in notes)
    assert [one.id for one in found.fields] == [one.id for one in true.fields], "as their labels say"


def test_a_scanned_blank_without_tesseract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise pytesseract.TesseractNotFoundError

    monkeypatch.setattr(pytesseract, "image_to_data", missing)
    found, notes = drafted(tmp_path, pictures(draw_booklet(form(pages=1, questions=8))))
    assert [len(one.boxes) for one in found.fields] == [4] * 8
    assert any("no labels could be read (is Tesseract installed?)" in note for note in notes)
    assert any("8 questions have no label" in note and "p1.1 to p1.8" in note for note in notes)


def test_a_scanned_sheet_of_numbered_rows(tmp_path: Path) -> None:
    """Ten rows of five circles are no number where the tenth is called 10."""
    found, _ = drafted(tmp_path, pictures(pdf(bubbles)))
    assert {len(one.boxes) for one in found.fields} == {5}
    assert len(found.fields) == 20


# --------------------------------------------------------------------------- forms of others


def ballots(canvas: Canvas, marked: str = "") -> None:
    """Questions as LaTeX and Word set them: letters of a font as boxes, alternatives below each other."""
    for question in range(3):
        y = 250 - 60 * question
        canvas.setFont("Helvetica", 11)
        canvas.drawString(20 * mm, y * mm, f"{question + 1}. Which of these holds? (2 points)")
        for place, letter in enumerate("ABCD"):
            low = y - 10 - (9 + question) * place
            canvas.setFont("ZapfDingbats", 14)
            canvas.drawString(25 * mm, low * mm, "\u2751")
            canvas.setFont("Helvetica", 11)
            canvas.drawString(33 * mm, low * mm, f"{letter}) Something or other")
            if letter in marked:
                canvas.setLineWidth(0.5 * mm)
                canvas.line(25 * mm, low * mm, 30 * mm, (low + 4) * mm)
                canvas.line(25 * mm, (low + 4) * mm, 30 * mm, low * mm)


def bubbles(canvas: Canvas, marked: str = "") -> None:
    """A sheet of circles with their letters inside, twenty questions in two columns."""
    for place in range(20):
        x, y = (30 if place < 10 else 120), 240 - 12 * (place % 10)
        canvas.setFont("Helvetica", 10)
        canvas.drawRightString((x - 5) * mm, (y - 1.2) * mm, f"{place + 1}.")
        for index, letter in enumerate("ABCDE"):
            canvas.setLineWidth(0.25 * mm)
            canvas.circle((x + 8 * index) * mm, y * mm, 2.5 * mm)
            canvas.setFont("Helvetica", 8)
            canvas.drawCentredString((x + 8 * index) * mm, (y - 1) * mm, letter)
            if letter in marked:
                canvas.circle((x + 8 * index) * mm, y * mm, 2.2 * mm, stroke=0, fill=1)


def pdf(draw: Callable[[Canvas], None]) -> bytes:
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=(210 * mm, 297 * mm), invariant=1)
    draw(canvas)
    canvas.showPage()
    canvas.save()
    return out.getvalue()


def test_boxes_that_are_letters_of_a_font(tmp_path: Path) -> None:
    found, _ = drafted(tmp_path, pdf(ballots))
    assert [(one.id, "".join(box.value for box in one.boxes)) for one in found.fields] == [(n, "ABCD") for n in "123"]
    assert found.reference is not None  # there are no registration marks


def test_a_sheet_of_circles(tmp_path: Path) -> None:
    found, _ = drafted(tmp_path, pdf(bubbles))
    assert {one.id: "".join(box.value for box in one.boxes) for one in found.fields} == {str(n): "ABCDE" for n in range(1, 21)}
    assert not any(one.many for one in found.fields)
    boxes = [box for one in found.fields for box in one.boxes]
    assert all(box.shape is Shape.CIRCLE and abs(box.width_mm - 4.75) < NEAR_MM for box in boxes)
    first = found.field("1").boxes[0]
    assert max(abs(first.x_mm - 30), abs(first.y_mm - 57)) < NEAR_MM


def mixed(canvas: Canvas) -> None:
    """Statements (a), (b) with a row of two boxes each; alternatives without letters; credits, a frame, digits from left to right."""
    canvas.setFont("Helvetica", 11)
    y = 270.0
    for question in (1, 2):
        canvas.drawString(20 * mm, y * mm, f"{question}. Consider the following network of words.")
        for index, letter in enumerate("abc"):
            low = y - 8 - 9 * index
            canvas.drawString(25 * mm, low * mm, f"({letter}) A statement that is long enough to be one")
            for place, word in enumerate(("True", "False")):
                canvas.rect((130 + 20 * place) * mm, (low - 0.5) * mm, 4 * mm, 4 * mm)
                canvas.drawString((136 + 20 * place) * mm, low * mm, word)
        y -= 41
    canvas.drawString(20 * mm, y * mm, "Question 3 (4 points) pick what fits")
    for low, words in ((8, "first thing"), (14, "second thing, which is longer"), (31, "third"), (37, "fourth")):
        canvas.rect(25 * mm, (y - low - 0.5) * mm, 4 * mm, 4 * mm)
        canvas.drawString(32 * mm, (y - low) * mm, words)
    y -= 49
    canvas.drawString(20 * mm, y * mm, "4. Explain.")
    for points in range(5):
        canvas.rect((100 + 8 * points) * mm, (y - 0.5) * mm, 5 * mm, 5 * mm)
        canvas.drawString((101.5 + 8 * points) * mm, (y + 0.5) * mm, str(points))
    canvas.rect(20 * mm, (y - 60) * mm, 170 * mm, 50 * mm)
    canvas.drawString(20 * mm, (y - 67) * mm, "Matrikelnummer")
    for row in range(3):
        for digit in range(10):
            canvas.circle((60 + 7 * digit) * mm, (y - 70 - 7 * row) * mm, 2.5 * mm)
            canvas.drawCentredString((60 + 7 * digit) * mm, (y - 71.2 - 7 * row) * mm, str(digit))


def test_an_exam_of_many_kinds(tmp_path: Path) -> None:
    found, _ = drafted(tmp_path, pdf(mixed))
    kinds = {one.id: (one.kind, tuple(box.value for box in one.boxes)) for one in found.fields}
    assert kinds == {
        **{f"{question}{letter}": (FieldKind.CHOICE, ("True", "False")) for question in (1, 2) for letter in "abc"},
        "3": (FieldKind.CHOICE, tuple("ABCD")),
        "4": (FieldKind.CREDIT, tuple("01234")),
        "4.text": (FieldKind.TEXT, ()),
        **{f"student_number.{place}": (FieldKind.DIGIT, tuple("0123456789")) for place in (1, 2, 3)},
    }
    assert found.field("4.text").question == "4"


def grids(canvas: Canvas, questions: list[list[list[str]]], step: float) -> None:
    """Questions whose alternatives stand in rows of several, each letter to the right of its box."""
    canvas.setFont("Helvetica", 11)
    y = 40.0
    for number, rows in enumerate(questions, start=1):
        canvas.drawString(20 * mm, (297 - y) * mm, f"{number}. Which of these is it?")
        for line, letters in enumerate(rows):
            for place, letter in enumerate(letters):
                x, low = 30 + step * place, y + 8 + 8 * line
                canvas.rect(x * mm, (297 - low - 4) * mm, 4 * mm, 4 * mm)
                canvas.drawString((x + 6) * mm, (297 - low - 3.2) * mm, letter)
        y += 18 + 8 * len(rows)


@pytest.mark.parametrize("step", [25.0, 70.0])  # nearer than alternatives of a row are, and farther
def test_alternatives_in_several_columns_are_one_question(tmp_path: Path, step: float) -> None:
    questions = [
        [["A", "B"], ["C", "D"]],
        [["A", "D"], ["B", "E"], ["C"]],  # column by column
        [["A", "B"], ["C", "D"], ["E"]],
        [["A", "B"]],
        [["A"], ["B"], ["C"]],
    ]
    found, _ = drafted(tmp_path, pdf(lambda canvas: grids(canvas, questions, step)))
    values = {one.id: "".join(box.value for box in one.boxes) for one in found.fields}
    assert values == {"1": "ABCD", "2": "ABCDE", "3": "ABCDE", "4": "AB", "5": "ABC"}
    places = [(round(box.x_mm), round(box.y_mm)) for box in found.field("2").boxes]
    assert places == sorted(places), "in the order of its letters: down the first column, then the second"


def test_two_questions_side_by_side_stay_two(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", 11)
        for place in range(2):
            canvas.drawString((20 + 90 * place) * mm, 250 * mm, f"{place + 1}. Which?")
            for row, letter in enumerate("AB"):
                canvas.rect((25 + 90 * place) * mm, (240 - 8 * row) * mm, 4 * mm, 4 * mm)
                canvas.drawString((31 + 90 * place) * mm, (240.8 - 8 * row) * mm, letter)

    found, _ = drafted(tmp_path, pdf(draw))
    assert {one.id: "".join(box.value for box in one.boxes) for one in found.fields} == {"1": "AB", "2": "AB"}


def test_our_own_print_is_found_as_it_was_laid_out(tmp_path: Path) -> None:
    exam = Path(__file__).parents[1] / "samples" / "printed" / "exam.toml"
    print_booklets(exam, output=tmp_path / "b.pdf")
    true, found = loaded(tmp_path / "b-layout.toml"), loaded(detect(tmp_path / "b.pdf", output=tmp_path / "found.toml").path)
    kinds = (FieldKind.CHOICE, FieldKind.CREDIT)
    wanted = {
        (one.id, box.value, round(box.x_mm, 1), round(box.y_mm, 1))
        for one in true.fields
        if one.kind in kinds
        for box in one.boxes
    }
    have = {
        (one.id, box.value, round(box.x_mm, 1), round(box.y_mm, 1))
        for one in found.fields
        if one.kind in kinds and one.page > 1
        for box in one.boxes
    }
    assert have == wanted  # the cover shows how to mark, in two boxes that are not to be read


# --------------------------------------------------------------------------- page codes of boxes


def with_bits(patterns: dict[int, str], *, constant: str = "") -> Layout:
    """A form whose pages are counted by boxes at the top, with a second row that is the same on all pages if wanted."""
    rows = [(60.0, 12.0, len(patterns[1])), (60.0, 20.0, len(constant))]
    places = [(x + 5 * k, y) for x, y, count in rows for k in range(count)]
    bits = tuple(Box("page_code", str(k), 0, x, y, 3.0, 3.0, 0.3) for k, (x, y) in enumerate(places, start=1))
    code = PageCode(PageCodeKind.BITS, bits=bits, patterns={page: one + constant for page, one in patterns.items()})
    return replace(form(pages=len(patterns), questions=5, printed=True), page_code=code)


def pictures(blank: bytes) -> bytes:
    """The same form as a scan of it: pictures without text."""
    first, *more = convert_from_bytes(blank, dpi=300, grayscale=True)
    out = io.BytesIO()
    first.save(out, "PDF", resolution=300, save_all=True, append_images=more)
    return out.getvalue()


def test_a_page_code_of_boxes(tmp_path: Path) -> None:
    true = with_bits({1: "0001", 2: "0010", 3: "0011"})
    found, notes = drafted(tmp_path, draw_booklet(true))
    code = found.page_code
    assert code is not None and code.kind is PageCodeKind.BITS and true.page_code is not None
    assert dict(code.patterns) == dict(true.page_code.patterns)
    assert all(near(one, other, NEAR_MM) for one, other in zip(code.bits, true.page_code.bits, strict=True))
    assert len(found.boxes(1)) == len(true.boxes(1)), "no bit is taken for an answer"
    assert any("taken for the page's number in bits" in note for note in notes)


def test_bits_of_a_picture_are_seen_too(tmp_path: Path) -> None:
    true = with_bits({1: "01", 2: "10"}, constant="1011")
    found, notes = drafted(tmp_path, pictures(draw_booklet(true)))
    code = found.page_code
    assert code is None, "two boxes are too few to be believed"
    true = with_bits({1: "011", 2: "101"}, constant="1011")
    (tmp_path / "layout.toml").unlink()
    for one in tmp_path.glob("*.png"):
        one.unlink()
    found, notes = drafted(tmp_path, pictures(draw_booklet(true)))
    code = found.page_code
    assert code is not None and dict(code.patterns) == {1: "011", 2: "101"}
    assert any("the same on all pages: taken for the number of the copy" in note for note in notes)


def test_a_form_with_bits_is_graded_by_them(tmp_path: Path) -> None:
    """The layout that was drafted reads pages in any order."""
    true = with_bits({1: "001", 2: "010", 3: "011"})
    found, _ = drafted(tmp_path, draw_booklet(true))
    form_read = FormReader(found)
    images, _ = simulate_booklet(true, {}, FILLERS[0], GOOD, np.random.default_rng(2))
    pages = [
        read_page(PageImage(image.pixels(), image.dpi, str(k)), form_read, expected_page=1) for k, image in enumerate(images)
    ]
    assert [(one.page, one.page_source) for one in pages if isinstance(one, PageRead)] == [
        (1, "code"),
        (2, "code"),
        (3, "code"),
    ]


# --------------------------------------------------------------------------- key and rubric


@pytest.mark.parametrize("draw", [ballots, bubbles])
def test_a_key_makes_a_rubric(draw: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / "blank.pdf").write_bytes(pdf(draw))
    (tmp_path / "key.pdf").write_bytes(pdf(lambda canvas: draw(canvas, "BD")))
    done = run(tmp_path / "blank.pdf", "-o", tmp_path / "layout.toml", "--key", tmp_path / "key.pdf")
    assert done.exit_code == 0, done.output
    rubric = (tmp_path / "rubric.toml").read_text(encoding="utf-8")
    count = 3 if draw is ballots else 20
    assert rubric.count('key = ["B", "D"]') == count
    assert rubric.count("points = 2\n") == (3 if draw is ballots else 0)
    assert not [issue for issue in check(tmp_path / "layout.toml", tmp_path / "rubric.toml") if issue.severity == "error"]


def test_a_key_of_another_form_is_refused(tmp_path: Path) -> None:
    (tmp_path / "blank.pdf").write_bytes(pdf(ballots))
    (tmp_path / "key.pdf").write_bytes(draw_blank(form(pages=2, questions=3)))
    done = run(tmp_path / "blank.pdf", "-o", tmp_path / "layout.toml", "--key", tmp_path / "key.pdf")
    assert (done.exit_code, "2 pages" in done.stderr) == (2, True), done.output
    assert not (tmp_path / "layout.toml").exists()


def test_a_key_whose_boxes_moved_gives_no_key(tmp_path: Path) -> None:
    (tmp_path / "blank.pdf").write_bytes(pdf(bubbles))

    def moved(canvas: Canvas) -> None:
        canvas.translate(0, -6 * mm)
        bubbles(canvas, "A")

    (tmp_path / "key.pdf").write_bytes(pdf(moved))
    done = run(tmp_path / "blank.pdf", "-o", tmp_path / "layout.toml", "--key", tmp_path / "key.pdf")
    assert done.exit_code == 0
    assert "not at its place in the key" in done.stderr
    assert 'key = "' not in (tmp_path / "rubric.toml").read_text(encoding="utf-8")


# --------------------------------------------------------------------------- from paper to the same marks


def test_booklets_are_read_alike_with_the_detected_layout(tmp_path: Path) -> None:
    true = form(pages=1, questions=6)
    (tmp_path / "blank.pdf").write_bytes(draw_booklet(true))
    (tmp_path / "key.pdf").write_bytes(draw_booklet(true))
    done = run(tmp_path / "blank.pdf", "-o", tmp_path / "layout.toml", "--key", tmp_path / "key.pdf")
    assert done.exit_code == 0, done.output
    rng = np.random.default_rng(7)
    scans = tmp_path / "scans"
    scans.mkdir()
    truth: set[tuple[str, str, str]] = set()
    for copy in range(3):
        answers = {one.id: frozenset(rng.choice(list("ABCD"), 1)) for one in true.fields}
        images, _ = simulate_booklet(true, answers, FILLERS[0], GOOD, rng)
        for number, image in enumerate(images):
            (scans / f"{copy}-{number}.jpg").write_bytes(image.data)
        truth |= {(f"{copy}-0.jpg", name, value) for name, values in answers.items() for value in values}
    grade([scans], layout=tmp_path / "layout.toml", rubric=tmp_path / "rubric.toml", out=tmp_path / "run", workers=1)
    with (tmp_path / "run" / "marks.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * len(true.boxes(1))
    marked = {(Path(row["scan"]).name, row["field"], row["box"]) for row in rows if row["verdict"] == "marked"}
    assert marked == truth


# --------------------------------------------------------------------------- what cannot be


def test_a_form_without_boxes(tmp_path: Path) -> None:
    (tmp_path / "blank.pdf").write_bytes(pdf(lambda canvas: canvas.drawString(100, 700, "OOO Only words 000")))
    with pytest.raises(UsageError, match="no boxes"):
        detect(tmp_path / "blank.pdf", output=tmp_path / "layout.toml")
    assert list(tmp_path.iterdir()) == [tmp_path / "blank.pdf"]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    good = pdf(bubbles)
    with pikepdf.open(io.BytesIO(good)) as opened:
        opened.save(tmp_path / "locked.pdf", encryption=pikepdf.Encryption(owner="o", user="u"))
    (tmp_path / "broken.pdf").write_bytes(good[:300])
    (tmp_path / "words.pdf").write_text("no form at all")
    picture = io.BytesIO()
    scanned = Canvas(picture)
    noise = np.random.default_rng(1).integers(0, 255, (600, 400), dtype=np.uint8)
    scanned.drawInlineImage(Image.fromarray(noise), 0, 0, 595, 842)
    scanned.save()
    (tmp_path / "cut.pdf").write_bytes(picture.getvalue()[: len(picture.getvalue()) // 2])  # in the middle of its image
    said = {"locked.pdf": "password", "broken.pdf": "damaged", "words.pdf": "not a PDF", "none.pdf": "no such file"}
    said["cut.pdf"] = "damaged"
    for name, words in said.items():
        done = run(tmp_path / name, "-o", tmp_path / "layout.toml")
        assert (done.exit_code, words in done.stderr) == (2, True), done.output
        assert "Traceback" not in done.output


def test_nothing_is_written_over_without_force(tmp_path: Path) -> None:
    (tmp_path / "blank.pdf").write_bytes(pdf(bubbles))
    (tmp_path / "layout.png").write_bytes(b"mine")
    done = run(tmp_path / "blank.pdf", "-o", tmp_path / "layout.toml")
    assert (done.exit_code, "--force" in done.stderr) == (4, True)
    assert (tmp_path / "layout.png").read_bytes() == b"mine"
    assert not (tmp_path / "layout.toml").exists()
    assert run(tmp_path / "blank.pdf", "-o", tmp_path / "layout.toml", "--force").exit_code == 0
    assert (tmp_path / "layout.png").read_bytes().startswith(b"\x89PNG")


def test_fields_of_a_drafted_layout_are_of_the_right_kind(tmp_path: Path) -> None:
    true = next(one for one in map(loaded, LAYOUTS) if one.name.startswith("ist"))
    found, _ = drafted(tmp_path, draw_booklet(true))
    assert [one.id for one in found.fields if one.kind is FieldKind.VERSION] == ["version"]
