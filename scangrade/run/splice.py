"""A long CSV file of a run brought up to date: the rows of a few booklets replaced, all others carried over as they stand.

A run of 5,000 pages has a quarter of a million rows of marks, and a decision changes some two hundred of them. To make the others again, or
only to look at each of them, would keep the decisions waiting that come in meanwhile. So it is remembered where in the file the rows of
each booklet lie; the new file is pieced together from stretches of the old one, and takes its place whole (`files.write_whole`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from scangrade.errors import OutputError
from scangrade.run.files import Rows, csv_lines, write_whole
from scangrade.settings import STORE

_CELL = rb'(?:"(?:[^"]|"")*+"|[^",\r\n]*+),'


@dataclass(frozen=True, slots=True)
class Stretch:
    """Neighbouring rows of one key; the header is a stretch without one."""

    key: bytes  #: the cells that its rows begin with, as they stand in the file, with the comma after each
    start: int
    end: int  #: offsets in bytes


class SplicedFile:
    """One of our CSV files, and where in it the rows of each key lie. Cells hold no line ends (`grades.cells`).

    Parameters
    ----------
    path : Path
    columns : int
        Cells of a key, 1 or more: those that a row begins with.
    """

    def __init__(self, path: Path, *, columns: int) -> None:
        self.path = path
        self._rows = re.compile(rb"((?:%b){%d})[^\n]*+\n(?:\1[^\n]*+\n)*+" % (_CELL, columns))
        self._known: tuple[tuple[int, ...], tuple[Stretch, ...]] | None = None

    def replace(self, rows: Mapping[tuple[str, ...], Rows]) -> None:
        """Put other rows in the place of those of some keys; those of keys that the file lacks come last.

        Parameters
        ----------
        rows : mapping of key to rows
            No rows take the key's out.

        Raises
        ------
        OutputError
            If the folder cannot be written, or the file is none of ours any more.
        """
        if not rows:
            return
        stretches = self.look_up()
        left = {csv_lines([[*key, ""]])[:-2]: csv_lines(held) for key, held in rows.items()}
        named = frozenset(left)
        made: list[Stretch] = []
        parts: list[Stretch | bytes] = []
        at = 0
        for one in stretches:
            part: Stretch | bytes = left.pop(one.key, b"") if one.key in named else one
            length = len(part) if isinstance(part, bytes) else one.end - one.start
            if length:
                made.append(Stretch(one.key, at, at + length))
                parts.append(part)
                at += length
        for key, text in left.items():
            if text:
                made.append(Stretch(key, at, at + len(text)))
                parts.append(text)
                at += len(text)
        self._known = None
        write_whole(self.path, self._pieces(parts), at_a_time=STORE.synced_bytes)
        self._known = _print(self.path), tuple(made)

    def look_up(self) -> tuple[Stretch, ...]:
        """Where the rows lie; looked up anew where somebody else wrote the file since.

        Raises
        ------
        OutputError
            If the file is none of ours any more.
        """
        if self._known is not None and self._known[0] == _print(self.path):
            return self._known[1]
        seen = _print(self.path)
        content = self.path.read_bytes()
        at = content.find(b"\n") + 1
        found = [Stretch(b"", 0, at)]
        for match in self._rows.finditer(content, at):
            if match.start() != at:
                break
            at = match.end()
            found.append(Stretch(match[1], match.start(), at))
        if not found[0].end or at != len(content):
            raise OutputError(
                f"{self.path}: is not as scangrade wrote it (from byte {at} on), so it cannot be brought up to date. Another program"
                " changed it: move it away, and `scangrade regrade` writes it anew."
            )
        self._known = seen, tuple(found)
        return self._known[1]

    def _pieces(self, parts: list[Stretch | bytes]) -> Iterator[bytes]:
        """The new file's content in pieces, neighbours of the old file read together."""
        with self.path.open("rb", buffering=0) as file:
            start = end = 0
            for part in [*parts, b""]:
                if isinstance(part, Stretch) and part.start == end:
                    end = part.end
                    continue
                while start < end:
                    file.seek(start)
                    held = file.read(min(end - start, STORE.synced_bytes))
                    if not held:
                        raise OutputError(f"{self.path}: was cut short by another program while it was brought up to date.")
                    start += len(held)
                    yield held
                if isinstance(part, Stretch):
                    start, end = part.start, part.end
                else:
                    start = end = -1
                    yield part


def _print(path: Path) -> tuple[int, ...]:
    """What tells a file from another one that took its place."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns
