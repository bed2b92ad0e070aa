"""Our own Excel workbook: numbers are numbers, ids and names are words that keep their zeros and never run as formulas.

Written with XlsxWriter's `write_string` and `write_number` only: its plain `write`, as other writers do, turns a name such as ``=1+1``
into a live formula.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Final

import xlsxwriter

from scangrade.errors import UsageError
from scangrade.export.own import TypedTable

_MOST_ROWS: Final = 1_048_576  # of a sheet, the head row included
_MOST_COLUMNS: Final = 16_384
_WIDEST: Final = 40  # of a column, in letters


def excel_workbook(tables: Sequence[TypedTable], about: Sequence[tuple[str, str]]) -> bytes:
    """A workbook with a sheet per table, heads that stay in sight and can filter, and a last sheet that says what it is.

    Parameters
    ----------
    tables : sequence of TypedTable
    about : sequence of (str, str)
        What stands on the last sheet: name and value.

    Raises
    ------
    UsageError
        If a table is larger than a sheet can be.
    """
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    bold = book.add_format({"bold": True, "text_wrap": True, "valign": "top"})
    words = book.add_format({"num_format": "@"})  # stays text if somebody edits the cell
    for table in tables:
        if len(table.rows) >= _MOST_ROWS or len(table.header) > _MOST_COLUMNS:
            raise UsageError(
                f"{table.title}: {len(table.rows):,} rows are more than a sheet of Excel holds. Use `--format csv-long`."
            )
        sheet = book.add_worksheet(table.title)
        for column, (head, is_number) in enumerate(zip(table.header, table.numeric, strict=True)):
            longest = max([len(row[column]) for row in table.rows] + [min(len(head), 14)])
            sheet.set_column(column, column, min(longest + 2, _WIDEST), None if is_number else words)
            sheet.write_string(0, column, head, bold)
            for line, row in enumerate(table.rows, start=1):
                if not row[column]:
                    continue
                if is_number:
                    sheet.write_number(line, column, float(row[column]))
                else:
                    sheet.write_string(line, column, row[column], words)
        sheet.freeze_panes(1, 3 if table.header[:1] == ("student_number",) else 0)
        sheet.autofilter(0, 0, max(len(table.rows), 1), len(table.header) - 1)
    sheet = book.add_worksheet("About")
    sheet.set_column(0, 0, 22)
    sheet.set_column(1, 1, 90, words)
    for line, (name, value) in enumerate(about):
        sheet.write_string(line, 0, name, bold)
        sheet.write_string(line, 1, value, words)
    book.close()
    return out.getvalue()
