"""Opening another system's file, whatever it is: text or a workbook."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scangrade.errors import UsageError
from scangrade.export.delimited import read_delimited
from scangrade.export.dialects import plain, recognise
from scangrade.export.foreign import Foreign
from scangrade.export.workbook import MAGIC, OLE_MAGIC, read_workbook


def read_foreign(path: Path, *, column: str = "") -> Foreign:
    """Read a file that another system exported.

    Parameters
    ----------
    path : Path
    column : str
        Head of a column that is in its head row, for files of systems that we do not know.

    Raises
    ------
    UsageError
        If it cannot be read, or is no table.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read: {error.strerror or error}. Check the file and your rights to it."
        ) from error

    def known(heads: Sequence[str]) -> bool:
        named = bool(column) and any(plain(head) == plain(column) for head in heads)
        return named or recognise(heads) is not None

    if raw.startswith(MAGIC):
        return read_workbook(raw, str(path), known=known)
    if raw.startswith(OLE_MAGIC):
        raise UsageError(
            f"{path}: is an old Excel workbook (.xls), or one with a password. Save it as .xlsx without a password, or as CSV (UTF-8)."
        )
    return read_delimited(raw, str(path), known=known)
