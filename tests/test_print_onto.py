"""Booklets from an exam that is a PDF already: nothing of it is lost, and what is stamped on it can be read and graded."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pdfplumber
import pikepdf
import pytest
from click.testing import CliRunner
from pdf2image import convert_from_path
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from scangrade.authoring.person import CROSSERS
from scangrade.authoring.printing.onto import print_onto
from scangrade.authoring.scanner import OFFICE, ScannedImage, write_scan
from scangrade.authoring.simulate import PrintedForm, simulate_booklet
from scangrade.cli import main
from scangrade.definitions.layout import load_layout
from scangrade.errors import UsageError
from scangrade.geometry import MM_PER_INCH
from scangrade.grade import grade
from scangrade.model import FieldKind, Layout

_MM = MM_PER_INCH / 72
_BOX = 4.0  # mm, between the middles of its lines
_LINE = 0.3


def exam(
    folder: Path, *, top: float = 60, right: float = 100, pages: int = 2, header: bool = False, turned: bool = False
) -> Path:
    """Four questions of four alternatives a page, whose text ends at `right` mm; with a header in the corner of each page if wanted."""
    path = folder / "exam.pdf"
    canvas = Canvas(str(path), pagesize=(210 * mm, 297 * mm), invariant=1)
    canvas.setTitle("Algebra I")
    for page in range(pages):
        canvas.setFont("Helvetica", 11)
        if header:
            canvas.drawRightString(200 * mm, (297 - 12) * mm, "Algebra I, 1 March")
        for number in range(4):
            y = top + 50 * number
            canvas.drawString(25 * mm, (297 - y) * mm, f"{4 * page + number + 1}. Which of these is right?  (2 points)")
            canvas.line(25 * mm, (297 - y - 2) * mm, right * mm, (297 - y - 2) * mm)
            canvas.setLineWidth(_LINE * mm)
            for place, letter in enumerate("ABCD"):
                row = y + 9 + 8 * place
                canvas.rect(28 * mm, (297 - row - _BOX) * mm, _BOX * mm, _BOX * mm)
                canvas.drawString(35 * mm, (297 - row - 3.4) * mm, f"{letter}  some text")
        canvas.showPage()
    canvas.save()
    if turned:
        with pikepdf.open(path, allow_overwriting_input=True) as pdf:
            for one in pdf.pages:
                one.rotate(180, relative=True)
            pdf.save(path)
    return path


def loaded(path: Path) -> Layout:
    layout, issues = load_layout(path)
    assert layout is not None, issues
    return layout


def printed_boxes(pdf: Path, page: int) -> list[tuple[float, float, float]]:
    """Centre and size of the squares on a page, from its vectors."""
    with pdfplumber.open(pdf) as opened:
        return [
            ((one["x0"] + one["x1"]) / 2 * _MM, (one["top"] + one["bottom"]) / 2 * _MM, one["width"] * _MM)
            for one in opened.pages[page - 1].rects
        ]


def assert_boxes_sit(pdf: Path, layout: Layout) -> None:
    for page in layout.pages:
        printed = printed_boxes(pdf, page.number)
        for box in layout.boxes(page.number):
            x, y, size = min(printed, key=lambda one: abs(one[0] - box.x_mm) + abs(one[1] - box.y_mm))
            # boxes of a grid are written to 0.05 mm
            assert abs(x - box.x_mm) < 0.06 and abs(y - box.y_mm) < 0.06, box.key
            assert size == pytest.approx(box.width_mm + box.frame_mm, abs=0.06)


@pytest.mark.slow
def test_a_stamped_exam_is_graded(tmp_path: Path) -> None:
    made = print_onto(exam(tmp_path), output=tmp_path / "b.pdf", copies=3, digits=6)
    layout = loaded(made.layout)
    assert not any("cover" in note or "%" in note for note in made.notes), "there was room"
    assert made.pages == 2 and layout.name == "exam" and layout.title == "Algebra I"
    choices = [one for one in layout.fields if one.kind is FieldKind.CHOICE]
    assert [one.id for one in choices] == [str(number) for number in range(1, 9)]
    assert_boxes_sit(tmp_path / "b.pdf", layout)
    rubric = tmp_path / "rubric.toml"
    questions = [f'[questions.{number}]\npolicy = "all-or-nothing"\npoints = {number}\nkey = ["B"]' for number in range(1, 9)]
    rubric.write_text('format = 1\nname = "x"\ntotal = 36\n' + "\n".join(questions), encoding="utf-8")
    paper = [np.asarray(page, dtype=np.uint8) for page in convert_from_path(tmp_path / "b.pdf", dpi=200, grayscale=True)]
    bare, rng = replace(layout, page_code=None), np.random.default_rng(1)
    stack: list[ScannedImage] = []
    truth = {}
    for copy in range(3):
        form = PrintedForm(bare, tuple(paper[2 * copy : 2 * copy + 2]), 200)
        number = f"{700001 + 1234 * copy}"
        right = {one.id for one in choices if (int(one.id) + copy) % 3}
        answers = {one.id: frozenset("B" if one.id in right else "D") for one in choices}
        answers |= {one.id: frozenset(number[one.place - 1]) for one in layout.fields if one.kind is FieldKind.DIGIT}
        person = replace(CROSSERS[0], mistakes=0.0, specks=0.0)
        images, _ = simulate_booklet(bare, answers, person, replace(OFFICE, dpi=200), rng, form=form)
        stack += images[::-1]  # copies and pages are told by their codes
        truth[f"{copy + 1:04}"] = (number, sum(int(one) for one in right))
    write_scan(stack, tmp_path / "scan.pdf")
    grade([tmp_path / "scan.pdf"], layout=made.layout, rubric=rubric, out=tmp_path / "run", workers=1)
    text = (tmp_path / "run" / "gradebook.csv").read_text(encoding="utf-8-sig")
    got = {row["booklet"]: (row["student_number"], int(row["points"])) for row in csv.DictReader(io.StringIO(text))}
    assert got == truth


def test_pages_become_smaller_where_print_is_in_the_way(tmp_path: Path) -> None:
    made = print_onto(exam(tmp_path, header=True), output=tmp_path / "b.pdf")
    # its letters end at 12 mm from the top; at 85 % they begin at 29.5, below the code, and at 88 % at 25
    assert "pages are printed at 85% of their size, so that nothing lies where marks and codes go." in made.notes
    layout = loaded(made.layout)
    assert_boxes_sit(tmp_path / "b.pdf", layout)
    with pdfplumber.open(tmp_path / "b.pdf") as pdf:
        assert "1 March" in (pdf.pages[0].extract_text() or "")


def test_a_cover_stands_in_front_where_there_is_no_room(tmp_path: Path) -> None:
    made = print_onto(exam(tmp_path, top=40, right=190), output=tmp_path / "b.pdf", convention="cross")  # type: ignore[arg-type]
    assert any("a cover stands in front" in note for note in made.notes)
    layout = loaded(made.layout)
    assert made.pages == 4 and len(layout.pages) == 4, "cover, two pages, and one so that the next booklet begins on a sheet"
    assert {one.page for one in layout.fields if one.kind is FieldKind.DIGIT} == {1}
    assert {one.page for one in layout.fields if one.kind is FieldKind.CHOICE} == {2, 3}
    assert layout.convention == "cross"
    assert_boxes_sit(tmp_path / "b.pdf", layout)


def test_turned_pages_lie_upright(tmp_path: Path) -> None:
    plain = print_onto(exam(tmp_path), output=tmp_path / "a.pdf")
    turned = exam(tmp_path, turned=True)
    made = print_onto(turned, output=tmp_path / "b.pdf", digits=0)
    layout = loaded(made.layout)
    assert_boxes_sit(tmp_path / "b.pdf", layout)
    first = {
        box.key: (210 - box.x_mm, 297 - box.y_mm)
        for box in loaded(plain.layout).boxes(1)
        if not box.field.startswith("student")
    }
    there = sorted((box.x_mm, box.y_mm) for box in layout.boxes(1))
    assert np.allclose(there, sorted(first.values()), atol=0.11)


def test_a_class_list_has_its_labels(tmp_path: Path) -> None:
    roster = tmp_path / "class.csv"
    roster.write_text(
        "student_number,last_name,first_name\n00000001,Moorland,Ada\n00000002,Silverbeck,Bruno\n", encoding="utf-8"
    )
    made = print_onto(exam(tmp_path), output=tmp_path / "b.pdf", roster=roster)
    layout = loaded(made.layout)
    assert any(one.kind is FieldKind.STICKER for one in layout.fields)
    with pdfplumber.open(tmp_path / "b.pdf") as pdf:
        texts = [page.extract_text() or "" for page in pdf.pages]
    assert "Moorland, Ada" in texts[0] and "00000002" in texts[made.pages]
    assert (
        made.table is not None and made.table.read_text(encoding="utf-8-sig").splitlines()[1] == "0001,,00000001,Moorland,Ada,"
    )


def test_an_exam_without_boxes_is_stamped_too(tmp_path: Path) -> None:
    canvas = Canvas(str(tmp_path / "open.pdf"), pagesize=(210 * mm, 297 * mm))
    canvas.drawString(30 * mm, 200 * mm, "1. Prove it.")
    canvas.save()
    made = print_onto(tmp_path / "open.pdf", output=tmp_path / "b.pdf")
    assert {one.kind for one in loaded(made.layout).fields} == {FieldKind.DIGIT, FieldKind.HANDWRITTEN}


def test_the_pdf_is_valid_and_our_fonts_are_embedded(tmp_path: Path) -> None:
    print_onto(exam(tmp_path), output=tmp_path / "b.pdf", copies=2)
    with pikepdf.open(tmp_path / "b.pdf") as pdf:
        assert pdf.check_pdf_syntax() == []
        fonts = [one for one in pdf.objects if isinstance(one, pikepdf.Dictionary) and one.get("/Type") == "/FontDescriptor"]
        assert fonts and all("/FontFile2" in one or "/FontFile3" in one for one in fonts)


def test_faults_are_told(tmp_path: Path) -> None:
    given, out = exam(tmp_path), tmp_path / "b.pdf"
    with pytest.raises(UsageError, match="would lie on print"):
        print_onto(given, output=out, number_at=(20, 60))
    with pytest.raises(UsageError, match="leaves the page of 210 x 297 mm"):
        print_onto(given, output=out, number_at=(180, 60))
    with pytest.raises(UsageError, match="on a registration mark, on the page code"):
        print_onto(given, output=out, number_at=(130, 10))
    with pytest.raises(UsageError, match="there is no such file"):
        print_onto(tmp_path / "nowhere.pdf", output=out)
    (tmp_path / "text.pdf").write_text("no PDF", encoding="utf-8")
    with pytest.raises(UsageError, match="it is no PDF that can be read"):
        print_onto(tmp_path / "text.pdf", output=out)
    with pikepdf.open(given) as pdf:
        pdf.save(tmp_path / "locked.pdf", encryption=pikepdf.Encryption(owner="a", user="b"))
        pdf.pages[0].mediabox = pikepdf.Array([0, 0, 500, 500])
        pdf.save(tmp_path / "sizes.pdf")
    with pytest.raises(UsageError, match="it needs a password"):
        print_onto(tmp_path / "locked.pdf", output=out)
    with pytest.raises(UsageError, match="its pages have several sizes"):
        print_onto(tmp_path / "sizes.pdf", output=out)
    canvas = Canvas(str(tmp_path / "full.pdf"), pagesize=(148 * mm, 210 * mm))  # A5: there the least size is too large still
    canvas.rect(0, 0, 148 * mm, 210 * mm, fill=1)
    canvas.save()
    with pytest.raises(
        UsageError, match=r"page 1 of the exam has print in its corners or at its top, even at 80% of its size"
    ):
        print_onto(tmp_path / "full.pdf", output=out)
    assert not out.exists() and not (tmp_path / "b-layout.toml").exists()


def test_options_that_do_not_belong_are_refused(tmp_path: Path) -> None:
    given = exam(tmp_path)
    out = ["-o", str(tmp_path / "b.pdf")]
    for arguments, told in (
        ([str(given), *out, "--seed", "1"], "--seed: an exam that is a PDF has no versions and no key."),
        ([str(tmp_path / "exam.toml"), *out, "--digits", "7"], "--digits: an exam file says this itself."),
        ([str(given), *out, "--number-at", "12"], "'12' is no place in mm; it must be like 120,60."),
    ):
        done = CliRunner().invoke(main, ["layout", "print", *arguments])
        assert done.exit_code == 2 and told in done.output, done.output
    done = CliRunner().invoke(main, ["layout", "print", str(given), *out, "--number-at", "120,90", "--language", "nl"])
    assert done.exit_code == 0, done.output
    assert "Next: see whether all boxes were found" in done.output
