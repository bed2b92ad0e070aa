"""Files of delimited text that other systems wrote: CSV of any delimiter and encoding, and what is called .xls but is text.

Every field's place in the text is kept, so that a new value takes exactly the old one's place. Before anything is read it is made sure
that decoding and encoding give the same bytes back.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from scangrade.errors import UsageError
from scangrade.export.foreign import ForeignRow, Place, Written, from_heads

DELIMITERS: Final[Mapping[str, str]] = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", ":": "colons"}

_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8", "UTF-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "UTF-16"),
)
_SEP_LINE: Final = re.compile(r'"?sep=(.)"?(\r\n|\r|\n)', re.IGNORECASE)
_END: Final = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class _Field:
    """Where a field stands in the text, its quotes included."""

    start: int
    end: int
    quoted: bool


@dataclass(frozen=True, slots=True)
class DelimitedText:
    """A file of delimited text."""

    name: str
    rows: tuple[ForeignRow, ...]
    delimiter: str
    encoding: str
    told_encoding: str
    bom: bytes
    text: str
    places: tuple[tuple[_Field, ...], ...]  #: by row and column
    all_quoted: bool  #: every field that holds anything is quoted

    @property
    def kind(self) -> str:
        """Encoding and delimiter, for people."""
        return f"{self.told_encoding}, separated by {DELIMITERS.get(self.delimiter, self.delimiter)}"

    def filled(self, values: Mapping[Place, Written], *, decimal: str) -> bytes:
        """The file's bytes with some fields replaced; a field that was quoted stays so.

        Raises
        ------
        UsageError
            If a value has a letter that the file's encoding lacks.
        """
        parts, at = [], 0
        for (row, column), value in sorted(values.items()):
            place = self.places[row][column]
            parts += [self.text[at : place.start], self._quoted(value.shown(decimal), place)]
            at = place.end
        parts.append(self.text[at:])
        try:
            return self.bom + "".join(parts).encode(self.encoding)
        except UnicodeEncodeError as error:
            letter = error.object[error.start : error.end]
            raise UsageError(f"{self.name}: is in {self.told_encoding}, which has no {letter!r}.") from error

    def _quoted(self, text: str, place: _Field) -> str:
        needed = any(one in text for one in (self.delimiter, '"', "\r", "\n"))
        if place.quoted or needed or (self.all_quoted and place.start == place.end):
            return '"' + text.replace('"', '""') + '"'
        return text


def read_delimited(raw: bytes, name: str, *, known: Callable[[Sequence[str]], bool]) -> DelimitedText:
    """Read a file of delimited text.

    Parameters
    ----------
    raw : bytes
    name : str
        The file, for messages.
    known : callable
        Whether a head row is that of a system we know: that decides between delimiters, then the number of columns.

    Raises
    ------
    UsageError
        If it is empty, no text, or its quotes do not fit together.
    """
    bom, encoding, told = _encoding_of(raw)
    try:
        text = raw[len(bom) :].decode(encoding)
    except UnicodeDecodeError as error:
        raise UsageError(f"{name}: begins like {told}, but is damaged at byte {error.start}. Export it again.") from error
    if "\0" in text or text.encode(encoding) != raw[len(bom) :]:
        raise UsageError(f"{name}: is no table of text. Give the file as the other system exported it: CSV, or its .xls.")
    if not text.strip():
        raise UsageError(f"{name}: is empty. Export it again.")
    told_delimiter = _SEP_LINE.match(text)
    if told_delimiter:
        delimiter = told_delimiter[1]
    else:
        heads = {one: _heads(text, one) for one in DELIMITERS}
        delimiter = max(heads, key=lambda one: (known(heads[one]), len(heads[one])))
    rows, places = [], []
    for line, cells, fields in _rows(text, delimiter, name, told_delimiter.end() if told_delimiter else 0):
        if any(cell.strip() for cell in cells):
            rows.append(ForeignRow(line, cells))
            places.append(fields)
    if not rows:
        raise UsageError(f"{name}: holds no row. Export it again.")
    kept = from_heads(rows, known)
    places = places[len(rows) - len(kept) :]
    full = [field for row in places for field in row if field.end > field.start]
    return DelimitedText(name, kept, delimiter, encoding, told, bom, text, tuple(places), all(one.quoted for one in full))


def _encoding_of(raw: bytes) -> tuple[bytes, str, str]:
    """Byte order mark, encoding, and its name for people."""
    for bom, encoding, told in _BOMS:
        if raw.startswith(bom):
            return bom, encoding, told
    start = raw[:2000]
    if len(start) >= 4 and len(start) % 2 == 0:  # UTF-16 without its mark: every other byte of Latin letters is zero
        half = len(start) // 2
        if start[1::2].count(0) > 0.6 * half and start[::2].count(0) == 0:
            return b"", "utf-16-le", "UTF-16"
        if start[::2].count(0) > 0.6 * half and start[1::2].count(0) == 0:
            return b"", "utf-16-be", "UTF-16"
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        pass
    else:
        return b"", "utf-8", "UTF-8"
    try:
        raw.decode("cp1252")
    except UnicodeDecodeError:
        return b"", "latin-1", "Latin-1"
    return b"", "cp1252", "Windows-1252"


def _heads(text: str, delimiter: str) -> tuple[str, ...]:
    try:
        return next((cells for _, cells, _ in _rows(text, delimiter, "", 0) if any(one.strip() for one in cells)), ())
    except UsageError:
        return ()


def _rows(text: str, delimiter: str, name: str, at: int) -> Iterator[tuple[int, tuple[str, ...], tuple[_Field, ...]]]:
    """Rows with their line, cells and fields' places, from a place in the text on."""
    mark = re.escape(delimiter)
    field = re.compile(rf'"([^"]*(?:""[^"]*)*)"(?={mark}|\r|\n|\Z)|([^{mark}\r\n]*)')
    line, size = 1 + len(_END.findall(text, 0, at)), len(text)
    cells: list[str] = []
    fields: list[_Field] = []
    first = line
    while at < size or fields:
        found = field.match(text, at)
        assert found is not None  # the second branch matches anything
        quoted = found[1] is not None
        if not quoted and text[at : at + 1] == '"':
            raise UsageError(
                f"{name}:{line}: the quotes do not fit together. Export the file again, or correct them in this line."
            )
        cells.append(found[1].replace('""', '"') if quoted else found[2])
        fields.append(_Field(at, found.end(), quoted))
        if quoted:
            line += len(_END.findall(found[0]))
        at = found.end()
        if text[at : at + 1] == delimiter and at < size:
            at += 1
            continue
        yield first, tuple(cells), tuple(fields)
        cells, fields = [], []
        if at >= size:
            return
        at += 2 if text.startswith("\r\n", at) else 1
        line += 1
        first = line
