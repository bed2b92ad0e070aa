"""Faults in people's data, as values; the exceptions of a run that cannot go on; exit codes.

ScangradeError                 exit code
├── UsageError                 2   wrong use of a command
│   └── FaultsError            2   faults in a file of people's; holds all of them
│       ├── DefinitionError    2   in layout, rubric or roster
│       └── PointsError        2   in a file of points
└── OutputError                4   a file or folder cannot be written
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum


class ExitCode(IntEnum):
    """What a command's exit code says."""

    DECIDED = 0
    INTERNAL = 1
    USAGE = 2
    FLAGGED = 3
    OUTPUT = 4


class Severity(StrEnum):
    """How bad a fault is."""

    ERROR = "error"  #: cannot go on with this
    WARNING = "warning"  #: can go on; a person should know


@dataclass(frozen=True, slots=True)
class Issue:
    """A fault in somebody's data: where, what is wrong, what to do."""

    severity: Severity
    where: str  #: file, line and key: 'rubrics/midterm.toml:12, questions.1a.key'
    message: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" + (f" {self.advice}" if self.advice else "")


class ScangradeError(Exception):
    """A run that cannot go on."""

    exit_code: ExitCode = ExitCode.INTERNAL


class UsageError(ScangradeError):
    """The command was used in a way that cannot work; the message says how it can."""

    exit_code = ExitCode.USAGE


class FaultsError(UsageError):
    """A file of people's has faults: all of those found, not only the first."""

    so = ""  #: what follows from them, for people

    def __init__(self, issues: Sequence[Issue]) -> None:
        super().__init__("\n".join(str(issue) for issue in issues))
        self.issues = tuple(issues)

    def __reduce__(self) -> tuple[type[FaultsError], tuple[tuple[Issue, ...]]]:
        """Take the issues along on the way out of a worker process, not only their text."""
        return type(self), (self.issues,)


class DefinitionError(FaultsError):
    """Layout, rubric or roster have faults."""

    so = "Nothing can be graded with these."


class PointsError(FaultsError):
    """A file of points has faults."""

    so = "Nothing was taken in: correct the file, and give it again."


class OutputError(ScangradeError):
    """A file or folder cannot be written."""

    exit_code = ExitCode.OUTPUT


def near_miss(word: str, known: Iterable[str]) -> str:
    """Advice that names the known word nearest to an unknown one, "" where none is near."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"Did you mean `{close[0]}`?" if close else ""
