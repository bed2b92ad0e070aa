"""Sheets of labels: each label says whose it is, and stands where the paper is cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pikepdf
import pytest
from pdf2image import convert_from_path

from scangrade.authoring.printing.stickers import PAPERS, print_stickers
from scangrade.errors import DefinitionError, OutputError, UsageError
from scangrade.geometry import MM_PER_INCH
from scangrade.model import Region
from scangrade.paper.sticker import read_sticker

_DPI = 300


def roster(folder: Path, count: int) -> Path:
    names = ["Łąkowska,Zoë", "أحمد,محمد", "שלום,דוד", "van der Weide-Silverbeck-Montgomery-Featherstonehaugh,Willem Alexander"]
    rows = [f"{17000000 + 7919 * number},{names[number % len(names)]},B-{number}" for number in range(count)]
    path = folder / "roster.csv"
    path.write_text("\n".join(["student_number,last_name,first_name,seat", *rows]), encoding="utf-8")
    return path


@pytest.mark.parametrize("paper", PAPERS)
def test_every_label_is_read_as_its_student(tmp_path: Path, paper: str) -> None:
    """As the sticker field of a layout reads it: both witnesses, code and print."""
    places = PAPERS[paper].labels
    count = len(places) + 2
    made = print_stickers(roster(tmp_path, count), output=tmp_path / "labels.pdf", paper=paper, skip=1)
    assert (made.labels, made.sheets) == (count, 2)
    sheets = [np.asarray(page, dtype=np.uint8) for page in convert_from_path(made.pdf, dpi=_DPI, grayscale=True)]
    matrix = np.diag([_DPI / MM_PER_INCH, _DPI / MM_PER_INCH, 1.0])
    for place in (1, len(places) - 1, len(places), count):  # student 0 is on label 1
        label = places[place % len(places)]
        sheet = sheets[place // len(places)].copy()
        outside = np.ones(sheet.shape, bool)
        rows, columns = (
            slice(round(low * _DPI / MM_PER_INCH), round(high * _DPI / MM_PER_INCH))
            for low, high in ((label.top, label.bottom), (label.left, label.right))
        )
        outside[rows, columns] = False
        sheet[outside] = 255  # only what is on this label
        read = read_sticker(
            sheet, matrix, Region(1, label.left, label.top, label.right - label.left, label.bottom - label.top)
        )
        number = str(17000000 + 7919 * (place - 1))
        assert [one.text for one in read.codes] == [number]
        assert number in read.printed
    for label in places[:1]:
        assert (
            sheets[0][: round(label.bottom * _DPI / MM_PER_INCH), : round(label.right * _DPI / MM_PER_INCH)] == 255
        ).all(), "skipped"


def test_print_stays_away_from_the_cuts(tmp_path: Path) -> None:
    print_stickers(roster(tmp_path, 21), output=tmp_path / "labels.pdf")
    sheet = np.asarray(convert_from_path(tmp_path / "labels.pdf", dpi=_DPI, grayscale=True)[0], dtype=np.uint8)
    for label in PAPERS["L7160"].labels:
        top, left = round(label.top * _DPI / MM_PER_INCH), round(label.left * _DPI / MM_PER_INCH)
        margin = round(0.9 * _DPI / MM_PER_INCH)
        assert (sheet[max(0, top - margin) : top + margin] == 255).all()
        assert (sheet[:, max(0, left - margin) : left + margin] == 255).all()


def test_papers_lie_on_the_sheet() -> None:
    for name, paper in PAPERS.items():
        first, last = paper.labels[0], paper.labels[-1]
        assert first.left > 3 and first.top > 3, name
        assert last.right == pytest.approx(210 - first.left) and last.bottom == pytest.approx(297 - first.top)


def test_fonts_are_embedded(tmp_path: Path) -> None:
    print_stickers(roster(tmp_path, 5), output=tmp_path / "labels.pdf")
    with pikepdf.open(tmp_path / "labels.pdf") as pdf:
        assert pdf.check_pdf_syntax() == []
        found = [one for one in pdf.objects if isinstance(one, pikepdf.Dictionary) and one.get("/Type") == "/FontDescriptor"]
        assert found and all("/FontFile2" in one or "/FontFile3" in one for one in found)


def test_faults_are_told(tmp_path: Path) -> None:
    students = roster(tmp_path, 3)
    with pytest.raises(UsageError, match=r"A1: no such paper is known\. There are L7160, "):
        print_stickers(students, output=tmp_path / "labels.pdf", paper="A1")
    with pytest.raises(UsageError, match="has 21 labels"):
        print_stickers(students, output=tmp_path / "labels.pdf", skip=21)
    with pytest.raises(UsageError, match=r"Give a name that ends so"):
        print_stickers(students, output=tmp_path / "labels.txt")
    (tmp_path / "labels.pdf").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match="is there already"):
        print_stickers(students, output=tmp_path / "labels.pdf")
    with pytest.raises(DefinitionError):
        print_stickers(tmp_path / "nobody.csv", output=tmp_path / "other.pdf")
