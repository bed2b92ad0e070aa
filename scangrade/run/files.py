"""Writing the run's files whole: a reader, or a kill, never meets half a gradebook.

The CSV dialect is the one of all our files: UTF-8 with a byte order mark (without it Excel breaks names), CRLF, RFC 4180
quoting, decimal point.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
from collections.abc import Iterable, Sequence
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
    for row in (table.header, *table.rows):  # one by one: between them another thread gets its turn
        writer.writerow(row)
    return out.getvalue()


def csv_lines(rows: Rows) -> bytes:
    """Rows as they stand in our CSV files, below the header."""
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue().encode()


def write_whole(path: Path, content: bytes | Iterable[bytes], *, at_a_time: int | None = None) -> None:
    """Put a file in its place in one step: temporary file beside it, to disk, rename, folder to disk.

    The temporary file has a fixed name, so that one left by a kill is overwritten the next time and never piles up.

    Parameters
    ----------
    path : Path
    content : bytes, or iterable of bytes
        All of it, or its pieces in order.
    at_a_time : int, optional
        Bytes after which what was written so far is put to disk, so that whoever else waits for the disk never waits for all of it.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        try:
            with temporary.open("wb") as file:
                unsynced = 0
                for piece in [content] if isinstance(content, bytes) else content:
                    file.write(piece)
                    unsynced += len(piece)
                    if at_a_time is not None and unsynced >= at_a_time:
                        file.flush()
                        os.fsync(file.fileno())
                        unsynced = 0
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
