"""Files that other systems wrote and will read again: looked at cell by cell, given back with some cells replaced and nothing else touched.

Header, order, quoting, encoding and line ends of such a file are the other system's business. So it is never taken apart and put
together again: a value is set into the place of the one that was there (`delimited.py` for text, `workbook.py` for Excel files).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from scangrade.settings import EXPORT

_NUMBER: Final = re.compile(r"[+-]?\d{1,15}([.,]\d{1,15})?")  # no points, and no number of a student, are longer


@dataclass(frozen=True, slots=True)
class ForeignRow:
    """A row of another system's file."""

    line: int  #: where it begins, as an editor or a spreadsheet counts, from 1
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """What goes into a cell."""

    text: str  #: a number with a decimal point, or words
    is_number: bool

    def shown(self, decimal: str) -> str:
        """As it stands in a file of text with this decimal sign."""
        return self.text.replace(".", decimal) if self.is_number else self.text


#: Row, as an index of `Foreign.rows`, and column, from 0.
Place = tuple[int, int]


class Foreign(Protocol):
    """A file that was read; the head row is `rows[0]`."""

    @property
    def name(self) -> str:
        """The file, for people."""

    @property
    def rows(self) -> tuple[ForeignRow, ...]:
        """Rows that are not empty; the first one holds the heads."""

    @property
    def kind(self) -> str:
        """What kind of file it is, for people: "UTF-16, separated by tabs"."""

    @property
    def delimiter(self) -> str:
        """What separates cells; "" in a workbook."""

    def filled(self, values: Mapping[Place, Written], *, decimal: str) -> bytes:
        """The file with these cells replaced."""


def as_number(cell: str) -> str | None:
    """A cell's number with a decimal point; None where it holds none, or one with a thousands sign that could be a decimal one.

    Examples
    --------
    >>> as_number(" 12,50 "), as_number("-3"), as_number("1.000,5"), as_number("EX")
    ('12.50', '-3', None, None)
    """
    bare = cell.strip()
    return bare.replace(",", ".") if _NUMBER.fullmatch(bare) else None


def from_heads(rows: Sequence[ForeignRow], known: Callable[[Sequence[str]], bool]) -> tuple[ForeignRow, ...]:
    """Rows from the head row on: the first one that is known as such, else the first of all. What stands before stays in the file."""
    start = next((at for at, row in enumerate(rows[: EXPORT.head_rows]) if known(row.cells)), 0)
    return tuple(rows[start:])
