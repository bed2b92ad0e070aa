"""Workbooks of other systems, filled: openpyxl reads what came out, and every other part is the same byte by byte."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import openpyxl
import pytest
import xlsxwriter

from scangrade.errors import UsageError
from scangrade.export.foreign import Written
from scangrade.export.workbook import Workbook, read_workbook
from scangrade.settings import EXPORT
from tests.export_run import GRADEBOOKS


def read(raw: bytes, head: str = "REGISTRATION_NUMBER") -> Workbook:
    return read_workbook(raw, "list.xlsx", known=lambda heads: head in heads)


def made(rows: Sequence[Sequence[object]], **formats: str) -> bytes:
    """A workbook with these rows; `formats` gives cells a number format."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    for cell, code in formats.items():
        sheet[cell].number_format = code
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def parts(raw: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def test_only_the_cells_change() -> None:
    raw = (GRADEBOOKS / "campusonline.xlsx").read_bytes()
    book = read(raw)
    assert book.kind == "Excel workbook, sheet Prüfungsliste"
    assert [row.line for row in book.rows] == list(range(1, 10))
    assert book.rows[1].cells[:5] == ("0012345", "1630 17 030", "20221", "Moorland", "Ada")
    grade, points = book.rows[0].cells.index("GRADE"), book.rows[0].cells.index("TOTAL_POINTS")
    values = {(1, grade): Written("1.3", is_number=True), (2, grade): Written("X", False), (8, points): Written("2.5", True)}
    filled = book.filled(values, decimal=",")
    before, after = parts(raw), parts(filled)
    assert list(before) == list(after)
    changed = [name for name in before if before[name] != after[name]]
    assert changed == ["xl/worksheets/sheet1.xml"]
    old, new = (openpyxl.load_workbook(io.BytesIO(one)) for one in (raw, filled))
    sheet = new["Prüfungsliste"]
    assert (sheet["G2"].value, sheet["G3"].value, sheet["V9"].value) == (1.3, "X", 2.5)
    assert sheet["G2"].fill.fgColor.rgb == old["Prüfungsliste"]["G2"].fill.fgColor.rgb == "00FFFFCC"
    assert sheet.data_validations.dataValidation[0].formula1 == '"1,0,1,3,5,0"'
    for there, here in zip(old["Prüfungsliste"].iter_rows(), sheet.iter_rows(), strict=True):
        for one, other in zip(there, here, strict=True):
            assert one.coordinate in ("G2", "G3", "V9") or (one.value, one.data_type) == (other.value, other.data_type)


def test_a_cell_that_is_not_there_is_made_in_its_place() -> None:
    raw = made([["ID", "Grade", "Remark"], ["0012", None, "late"], ["0013"]])
    assert b'r="B2"' not in parts(raw)["xl/worksheets/sheet1.xml"]
    filled = read(raw, "ID").filled({(1, 1): Written("4", True), (2, 1): Written("5.5", True)}, decimal=".")
    sheet = openpyxl.load_workbook(io.BytesIO(filled)).active
    assert sheet is not None
    assert [[cell.value for cell in row] for row in sheet.iter_rows()] == [
        ["ID", "Grade", "Remark"],
        ["0012", 4, "late"],
        ["0013", 5.5, None],
    ]
    xml = parts(filled)["xl/worksheets/sheet1.xml"]
    assert xml.index(b'r="A2"') < xml.index(b'r="B2"') < xml.index(b'r="C2"')


def test_words_that_cells_share() -> None:
    """As Excel itself writes them, and XlsxWriter."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as book:
        sheet = book.add_worksheet()
        for line, row in enumerate([["ID", "Grade"], ["0012", "ID"], ["0013", ""]]):
            for column, cell in enumerate(row):
                sheet.write_string(line, column, cell)
        sheet.write_rich_string(2, 0, "00", book.add_format({"bold": True}), "13")
    raw = out.getvalue()
    assert b"<si>" in parts(raw)["xl/sharedStrings.xml"]
    assert [row.cells for row in read(raw, "ID").rows] == [("ID", "Grade"), ("0012", "ID"), ("0013", "")]
    again = openpyxl.load_workbook(io.BytesIO(read(raw, "ID").filled({(1, 1): Written("A-", False)}, decimal="."))).active
    assert again is not None
    assert [[cell.value for cell in row] for row in again.iter_rows(max_row=2)] == [["ID", "Grade"], ["0012", "A-"]]


def test_numbers_as_people_see_them() -> None:
    """An id that is a number with a format of zeros shows zeros; rows end where they end."""
    raw = made([["ID", "a", "b", "c"], [12345, 1.5, True, 12345678901.0], [7]], A2="0000000")
    assert [row.cells for row in read(raw, "ID").rows] == [
        ("ID", "a", "b", "c"),
        ("0012345", "1.5", "1", "12345678901"),
        ("7", "", "", ""),
    ]


def test_heads_in_the_eighth_row_of_the_second_sheet() -> None:
    book = openpyxl.Workbook()
    sheet = book.create_sheet("Results")
    for _ in range(6):
        sheet.append(["Course", "X"])
    sheet.append([])
    sheet.append(["REGISTRATION_NUMBER", "GRADE"])
    sheet.append(["0012", None])
    out = io.BytesIO()
    book.save(out)
    found = read(out.getvalue())
    assert (found.sheet, [row.line for row in found.rows]) == ("Results", [8, 9])
    again = openpyxl.load_workbook(io.BytesIO(found.filled({(1, 1): Written("7", True)}, decimal=".")))["Results"]
    assert (again["B9"].value, again["A1"].value) == (7, "Course")


def test_a_formula_is_not_written_over() -> None:
    raw = made([["ID", "Grade"], ["1", "=1+1"]])
    with pytest.raises(UsageError, match=r"list\.xlsx: cell B2 holds a formula"):
        read(raw, "ID").filled({(1, 1): Written("4", True)}, decimal=".")


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"PK\x03\x04 and no more", "is damaged, or no Excel workbook"),
        (made([]), "holds no row"),
    ],
)
def test_what_is_no_workbook(raw: bytes, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read(raw)


def test_another_kind_of_archive() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("content.xml", "<a/>")
    with pytest.raises(UsageError, match=r"is no Excel workbook \(\.xlsx\)"):
        read(out.getvalue())


def test_an_archive_made_to_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = made([["ID", "Grade"]])
    size = sum(map(len, parts(raw).values()))
    monkeypatch.setattr("scangrade.export.workbook.EXPORT", replace(EXPORT, most_workbook_bytes=size))
    assert read(raw, "ID").rows
    monkeypatch.setattr("scangrade.export.workbook.EXPORT", replace(EXPORT, most_workbook_bytes=size - 1))
    with pytest.raises(UsageError, match="is too large"):
        read(raw, "ID")


def test_entities_do_not_read_files(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("SECRET")
    evil = f'<!DOCTYPE worksheet [<!ENTITY x SYSTEM "{(tmp_path / "secret").as_uri()}">]><worksheet'.encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in parts(made([["ID", "Grade"], ["Ada", None]])).items():
            archive.writestr(name, content.replace(b"<worksheet", evil, 1).replace(b"Ada", b"&x;Ada"))
    assert b"&x;Ada" in parts(out.getvalue())["xl/worksheets/sheet1.xml"]
    assert "SECRET" not in str(read(out.getvalue(), "ID").rows)
