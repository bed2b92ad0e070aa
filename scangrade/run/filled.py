"""Reading our CSV files back after a person had them open in a spreadsheet.

A spreadsheet saves with the encoding and the delimiter of its country: UTF-8 with a byte order mark, Windows-1252, or UTF-16 with
tabs; commas, or semicolons where the comma is the decimal sign. Columns may have been moved, and others added.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from scangrade.errors import UsageError

_DELIMITERS = ",;\t"


def filled_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Rows of a CSV file that are not empty.

    Parameters
    ----------
    path : Path
    columns : sequence of str
        Names from the head row of the columns wanted.

    Yields
    ------
    tuple of int and tuple of str
        Line on which the row begins, from 1; and its cells in the order of `columns`, without the blanks around them.

    Raises
    ------
    UsageError
        If the file cannot be read, is no CSV file, or lacks one of the columns.
    """
    places = None
    for line, cells in filled_table(path):
        if places is None:
            places = _places(path, line, cells, columns)
        else:
            yield line, tuple(cells[place] if place < len(cells) else "" for place in places)


def filled_table(path: Path) -> Iterator[tuple[int, tuple[str, ...]]]:
    """All rows of a CSV file that are not empty, the head row first: the line on which each begins, from 1, and its cells.

    Raises
    ------
    UsageError
        If the file cannot be read, is no CSV file, or is empty.
    """
    text = _text(path)
    if text[:4].casefold() == "sep=":  # written by spreadsheets to tell each other the delimiter
        delimiter, head_line = text[4:5], 2
    else:
        head = text.partition("\n")[0]
        delimiter, head_line = max(_DELIMITERS, key=head.count), 1
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    before, headed = 0, False
    try:
        for row in rows:
            line, before = before + 1, rows.line_num
            cells = tuple(cell.strip() for cell in row)
            if line >= head_line and (any(cells) or not headed):
                headed = True
                yield line, cells
    except csv.Error as error:
        raise UsageError(
            f"{path}:{before + 1}: the quotes do not fit together: {error}. Correct them in this line."
        ) from error
    if not headed:
        raise UsageError(f"{path}: is empty. It needs the head row that it had when it was written.")


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}. Check the path and its permissions.") from error
    if raw.startswith(b"PK\x03\x04"):
        raise UsageError(f"{path}: is a spreadsheet, not a CSV file. Save it as CSV (UTF-8), and give that file.")
    try:
        if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return raw.decode("utf-16")
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")


def _places(path: Path, line: int, heads: Sequence[str], columns: Sequence[str]) -> tuple[int, ...]:
    known = [head.casefold() for head in heads]
    lacking = [name for name in columns if name not in known]
    if lacking:
        raise UsageError(
            f"{path}:{line}: there is no column `{lacking[0]}`; the first row holds {', '.join(heads[:12])}."
            " Leave the head row as it was written."
        )
    return tuple(known.index(name) for name in columns)
