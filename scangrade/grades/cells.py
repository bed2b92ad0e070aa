"""Words from outside in cells of our own files, made harmless for spreadsheets.

A name on the class list such as ``=HYPERLINK(...)`` would run in the lecturer's spreadsheet (CWE-1236; OWASP ASVS 1.2.10), and quoting in
the CSV file does not help, since the quotes are gone before the cell is looked at. So a quote is put before such text. This goes by
column: numbers are written by the number formatter and never pass through here, or -1.5 points would become text.
"""

from __future__ import annotations

from typing import Final

_SIGNS: Final = frozenset("=+-@|\uff1d\uff0b\uff0d\uff20")  # the last four are = + - @ in full width
_LEADING: Final = frozenset("\t\r\n\0")  # dangerous as the first character, whatever follows
_CONTROLS: Final = "".join(map(chr, (*range(32), 127)))
_REMOVED: Final = dict.fromkeys(map(ord, "\0\r\n"))


def is_formula(text: str) -> bool:
    """Whether a spreadsheet could take text as a formula: by its first character, and by the first that is no space or control."""
    bare = text.lstrip(_CONTROLS + " \u00a0\ufeff")
    return text[:1] in _LEADING or bare.lstrip()[:1] in _SIGNS


def safe_text(text: str) -> str:
    """Text for one cell: without NUL and line ends, and with a quote before it if it could be taken as a formula.

    Examples
    --------
    >>> safe_text("=1+1"), safe_text("O'Neil"), safe_text(" @SUM(A1)")
    ("'=1+1", "O'Neil", "' @SUM(A1)")
    """
    if text.isalnum():  # most cells
        return text
    clean = text.translate(_REMOVED)
    return f"'{clean}" if is_formula(text) else clean
