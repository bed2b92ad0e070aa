"""Writing the run's files whole: a reader, or a kill, never meets half a gradebook.

The CSV dialect is the one of all our files: UTF-8 with a byte order mark (without it Excel breaks names), CRLF, RFC 4180
quoting, decimal point.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scangrade.errors import OutputError


@dataclass(frozen=True, slots=True)
class Table:
    """What goes into one CSV file; every cell is written as it stands."""

    name: str  #: of the file
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]  #: each as long as `header`


Rows = Sequence[Sequence[str]]


def as_csv(table: Table) -> bytes:
    """The bytes of a table's CSV file."""
    return _written(table, "\r\n").encode("utf-8-sig")


def csv_text(table: Table) -> str:
    """A table as CSV for the standard output: without the byte order mark, and with the line ends of programs."""
    return _written(table, "\n")


def _written(table: Table, line_end: str) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator=line_end)
    writer.writerow(table.header)
    writer.writerows(table.rows)
    return out.getvalue()


def with_rows(content: bytes, rows: Mapping[tuple[str, ...], Rows], *, columns: int) -> bytes:
    """One of our CSV files with the rows of some keys replaced, in their place; those of keys that it lacks come last.

    A file of a million rows is so brought up to date within a second. Cells hold no line ends (`grades.cells`).

    Parameters
    ----------
    content : bytes
        As `as_csv` makes it.
    rows : mapping of key to rows
        The key is the cells that a row begins with; no rows take the key's out.
    columns : int
        Cells of a key.
    """
    left = {_line([*key, ""])[:-2]: held for key, held in rows.items()}
    starts = frozenset(left)
    out: list[str] = []
    lines = content.decode("utf-8-sig").split("\r\n")
    for line in lines[:1]:
        out.append(line)
    for line in lines[1:-1]:
        start = _start(line, columns)
        if start not in starts:
            out.append(line)
        elif start in left:
            out += [_line(row)[:-2] for row in left.pop(start)]
    out += [_line(row)[:-2] for more in left.values() for row in more]
    return ("\r\n".join(out) + "\r\n").encode("utf-8-sig")


def _start(line: str, columns: int) -> str:
    """The beginning of a line that holds its first cells, with the comma after them."""
    at = 0
    for _ in range(columns):
        if line[at : at + 1] == '"':
            end = at + 1
            while True:
                end = line.index('"', end) + 1
                if line[end : end + 1] != '"':
                    break
                end += 1
            at = end + 1
        else:
            at = line.index(",", at) + 1
    return line[:at]


def _line(cells: Sequence[str]) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n").writerow(cells)
    return out.getvalue()


def write_whole(path: Path, content: bytes) -> None:
    """Put a file in its place in one step: temporary file beside it, to disk, rename, folder to disk.

    The temporary file has a fixed name, so that one left by a kill is overwritten the next time and never piles up.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written: {error.strerror or error}."
            " Close it where it is open, check the folder's rights and the free space, and run the command again."
        ) from error


def sync_folder(folder: Path) -> None:
    """Put to disk which files a folder holds, on systems where that is not done with the files themselves."""
    if os.name != "posix":  # elsewhere a folder cannot be opened to be synced
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
