"""Writing the run's files whole: a reader, or a kill, never meets half a gradebook.

The CSV dialect is the one of all our files: UTF-8 with a byte order mark (without it Excel breaks names), CRLF, RFC 4180
quoting, decimal point.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
from dataclasses import dataclass
from pathlib import Path

from scangrade.errors import OutputError


@dataclass(frozen=True, slots=True)
class Table:
    """What goes into one CSV file; every cell is written as it stands."""

    name: str  #: of the file
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]  #: each as long as `header`


def as_csv(table: Table) -> bytes:
    """The bytes of a table's CSV file."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(table.header)
    writer.writerows(table.rows)
    return out.getvalue().encode("utf-8-sig")


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
        _sync_folder(path.parent)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written: {error.strerror or error}."
            " Close it where it is open, check the folder's rights and the free space, and run the command again."
        ) from error


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":  # elsewhere a folder cannot be opened to be synced
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
