"""One writer per run: two `grade` on one run at once would read the same pages twice and write the files over each other.

The lock is the operating system's on an open file, so a killed process never leaves it behind; the file itself stays and means
nothing by itself.
"""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from types import TracebackType
from typing import IO, Final

from scangrade.errors import OutputError, UsageError

LOCK_NAME: Final = "run.lock"

#: What the systems say where another process holds the lock; anything else means that there are no locks here.
_HELD: Final = frozenset((errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK))

if sys.platform == "win32":
    import msvcrt

    def _take(file: IO[bytes]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _take(file: IO[bytes]) -> None:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)


class RunLock:
    """Holds a run folder for this process; use it in a ``with`` statement.

    Raises
    ------
    UsageError
        On entering, if another process holds the run.
    OutputError
        On entering, if the lock file cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: IO[bytes] | None = None

    def __enter__(self) -> RunLock:
        path = self._folder / LOCK_NAME
        try:
            file = path.open("ab")
        except OSError as error:
            raise OutputError(f"{path}: cannot be written: {error.strerror}. Choose another folder with `--out`.") from error
        try:
            _take(file)
        except OSError as error:
            file.close()
            if error.errno not in _HELD:
                raise OutputError(
                    f"{path}: cannot be locked: {error.strerror or error}. This file system does not keep two programs from writing the"
                    " same run; choose a folder on another one with `--out`."
                ) from error
            raise UsageError(
                f"{self._folder}: another scangrade is working on this run."
                " Wait until it has finished, then run the command again."
            ) from error
        self._file = file
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()  # lets go of the lock as well
            self._file = None
