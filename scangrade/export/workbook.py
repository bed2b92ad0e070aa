"""Excel workbooks that other systems wrote, filled in place: one sheet's cells are set, every other part is copied as it is.

A library that reads a workbook and writes it again loses what it does not know (drawings, validation, conditional formats), and a system
that checks its own file for changes then refuses it. So the sheet's XML is edited cell by cell (ECMA-376, SpreadsheetML).
"""

from __future__ import annotations

import io
import lzma
import posixpath
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Final

from lxml import etree

from scangrade.errors import UsageError
from scangrade.export.foreign import ForeignRow, Place, Written, from_heads
from scangrade.settings import EXPORT

MAGIC: Final = b"PK\x03\x04"

#: Old binary workbooks, and workbooks with a password.
OLE_MAGIC: Final = b"\xd0\xcf\x11\xe0"

_MAIN: Final = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_REL_ID: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_WORKBOOK: Final = "xl/workbook.xml"
_REF: Final = re.compile(r"([A-Z]+)(\d+)")
_ZEROS: Final = re.compile(r"0{2,}")
_MOST_COLUMNS: Final = 16_384  # of a sheet, by the format
_MOST_DIGITS: Final = 300  # of a number, which is a double: beyond, there is none

#: What a damaged archive, or one made to harm, raises from any place.
_DAMAGED: Final = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    etree.XMLSyntaxError,
    LookupError,
    ValueError,
    ArithmeticError,
    AttributeError,
    TypeError,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,  # a part with a password
)


class _TooWideError(Exception):
    """A sheet whose rows, as far as they reach, have more cells than fit into memory."""


@dataclass(frozen=True, slots=True)
class Workbook:
    """One sheet of a workbook."""

    name: str
    rows: tuple[ForeignRow, ...]
    raw: bytes = field(repr=False)
    part: str  #: the sheet's file in the archive
    sheet: str  #: its title
    delimiter: str = ""

    @property
    def kind(self) -> str:
        """Which sheet, for people."""
        return f"Excel workbook, sheet {self.sheet}"

    def filled(self, values: Mapping[Place, Written], *, decimal: str) -> bytes:
        """The workbook with some cells of the sheet replaced, each with the format that it had; numbers are numbers there.

        Raises
        ------
        UsageError
            If such a cell holds a formula.
        """
        del decimal  # numbers have no sign of their own in a workbook
        out = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(self.raw)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
            for info in source.infolist():
                content = source.read(info)
                target.writestr(info, self._with(content, values) if info.filename == self.part else content)
        return out.getvalue()

    def _with(self, content: bytes, values: Mapping[Place, Written]) -> bytes:
        root = _parsed(content)
        rows = dict(_numbered(root))
        for (row, column), value in values.items():
            line = self.rows[row].line
            cell = _cell(rows[line], line, column)
            if cell.find(f"{_MAIN}f") is not None:
                raise UsageError(
                    f"{self.name}: cell {_letters(column)}{line} holds a formula. Take it out of the grade column."
                )
            _set(cell, value)
        made: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8", standalone=True)
        return made


def read_workbook(raw: bytes, name: str, *, known: Callable[[Sequence[str]], bool]) -> Workbook:
    """Read the sheet of a workbook whose head row is known, else its first sheet.

    Parameters
    ----------
    raw : bytes
    name : str
        The file, for messages.
    known : callable
        Whether a row holds heads that we know.

    Raises
    ------
    UsageError
        If it is no workbook, or empty.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            if sum(info.file_size for info in archive.infolist()) > EXPORT.most_workbook_bytes:
                raise UsageError(f"{name}: is too large for a class list. Export it again, or save its sheet as CSV (UTF-8).")
            if _WORKBOOK not in archive.namelist():
                raise UsageError(f"{name}: is no Excel workbook (.xlsx). Save it as one, or as CSV (UTF-8).")
            sheets = _sheets(archive)
            texts, pads = _shared_texts(archive), _paddings(archive)
            read = [(title, part, tuple(_rows(_parsed(archive.read(part)), texts, pads))) for title, part in sheets]
    except _TooWideError as error:
        raise UsageError(
            f"{name}: its rows reach too far for a class list. Delete what stands far to the right, or save the sheet as CSV (UTF-8)."
        ) from error
    except _DAMAGED as error:
        raise UsageError(f"{name}: is damaged, or no Excel workbook. Export it again.") from error
    full = [(title, part, rows) for title, part, rows in read if rows]
    if not full:
        raise UsageError(f"{name}: holds no row. Export it again.")
    title, part, rows = next((one for one in full if any(known(row.cells) for row in one[2][: EXPORT.head_rows])), full[0])
    kept = from_heads(rows, known)
    width = len(kept[0].cells)
    padded = tuple(ForeignRow(row.line, row.cells + ("",) * (width - len(row.cells))) for row in kept)
    return Workbook(name, padded, raw, part, title)


def _parsed(content: bytes) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_blank_text=False)
    return etree.fromstring(content, parser)


def _sheets(archive: zipfile.ZipFile) -> list[tuple[str, str]]:
    """Titles and parts of the sheets, in order."""
    links = {
        one.get("Id"): posixpath.normpath(posixpath.join("xl", one.get("Target", "")))
        if not one.get("Target", "").startswith("/")
        else one.get("Target", "")[1:]
        for one in _parsed(archive.read("xl/_rels/workbook.xml.rels"))
    }
    listed = _parsed(archive.read(_WORKBOOK)).iter(f"{_MAIN}sheet")
    named = [(one.get("name", ""), links[one.get(_REL_ID)]) for one in listed]
    return [(title, part) for title, part in named if part.startswith("xl/worksheets/")]


def _shared_texts(archive: zipfile.ZipFile) -> list[str]:
    if "xl/sharedStrings.xml" not in archive.namelist():
        return []
    return [_text(one) for one in _parsed(archive.read("xl/sharedStrings.xml")).iter(f"{_MAIN}si")]


def _text(element: etree._Element) -> str:
    """All letters of a string, without the readings that stand above Japanese ones."""
    return "".join(
        one.text or "" for one in element.iter(f"{_MAIN}t") if not any(True for _ in one.iterancestors(f"{_MAIN}rPh"))
    )


def _paddings(archive: zipfile.ZipFile) -> list[int]:
    """By cell style: to how many digits it fills a number with zeros, as "00000000" does; 0 for none."""
    if "xl/styles.xml" not in archive.namelist():
        return []
    root = _parsed(archive.read("xl/styles.xml"))
    codes = {one.get("numFmtId"): one.get("formatCode", "") for one in root.iter(f"{_MAIN}numFmt")}
    styles = root.find(f"{_MAIN}cellXfs")
    used = [codes.get(one.get("numFmtId"), "") for one in styles] if styles is not None else []
    return [len(code) if _ZEROS.fullmatch(code) else 0 for code in used]


def _numbered(root: etree._Element) -> Iterator[tuple[int, etree._Element]]:
    """Rows with their numbers, which may be left out in the file."""
    number = 0
    for row in root.iter(f"{_MAIN}row"):
        number = int(row.get("r", number + 1))
        yield number, row


def _rows(root: etree._Element, texts: Sequence[str], pads: Sequence[int]) -> Iterator[ForeignRow]:
    room = 0
    for number, row in _numbered(root):
        cells: dict[int, str] = {}
        for column, cell in _columns(row):
            cells[column] = _shown(cell, texts, pads)
        if any(one.strip() for one in cells.values()):
            room += max(cells) + 1
            if room > EXPORT.most_workbook_cells:
                raise _TooWideError
            yield ForeignRow(number, tuple(cells.get(one, "") for one in range(max(cells) + 1)))


def _columns(row: etree._Element) -> Iterator[tuple[int, etree._Element]]:
    column = -1
    for cell in row.iterchildren(f"{_MAIN}c"):
        found = _REF.fullmatch(cell.get("r", ""))
        column = _index(found[1]) if found else column + 1
        if column >= _MOST_COLUMNS:
            raise ValueError(f"column {column} of a sheet, which has {_MOST_COLUMNS} at most")
        yield column, cell


def _shown(cell: etree._Element, texts: Sequence[str], pads: Sequence[int]) -> str:
    kind, value = cell.get("t", "n"), cell.findtext(f"{_MAIN}v") or ""
    if kind == "s":
        return texts[int(value)]
    if kind == "inlineStr":
        return _text(cell)
    if kind != "n" or not value:
        return value
    try:
        number = Decimal(value)
    except InvalidOperation:
        return value
    if not number.is_finite() or abs(number.adjusted()) > _MOST_DIGITS:
        return value
    if number != number.to_integral_value():
        return f"{number.normalize():f}"
    style = int(cell.get("s", "0"))
    return f"{int(number)}".zfill(pads[style] if style < len(pads) else 0)


def _cell(row: etree._Element, line: int, column: int) -> etree._Element:
    """The cell of a row, made in its place where there is none."""
    after = None
    for there, cell in _columns(row):
        if there == column:
            return cell
        if there > column:
            after = cell
            break
    made = etree.SubElement(row, f"{_MAIN}c", r=f"{_letters(column)}{line}")
    if after is not None:
        after.addprevious(made)
    return made


def _set(cell: etree._Element, value: Written) -> None:
    for child in list(cell):
        cell.remove(child)
    if value.is_number:
        cell.attrib.pop("t", None)
        etree.SubElement(cell, f"{_MAIN}v").text = value.text
    else:
        cell.set("t", "inlineStr")
        text = etree.SubElement(etree.SubElement(cell, f"{_MAIN}is"), f"{_MAIN}t")
        text.text = value.text
        text.set("{http://www.w3.org/XML/1998/namespace}space", "preserve")


def _index(letters: str) -> int:
    """Column from 0 by its letters.

    Examples
    --------
    >>> _index("A"), _index("Z"), _index("AB")
    (0, 25, 27)
    """
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - ord("A") + 1
    return number - 1


def _letters(column: int) -> str:
    """Letters of a column.

    Examples
    --------
    >>> _letters(0), _letters(25), _letters(27)
    ('A', 'Z', 'AB')
    """
    letters, number = "", column + 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
