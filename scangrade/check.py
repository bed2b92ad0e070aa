"""What people wrote about an exam, loaded and held against each other: layout, rubric, roster."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from scangrade.definitions.check import check as hold_against_each_other
from scangrade.definitions.layout import load_layout
from scangrade.definitions.roster import load_roster
from scangrade.definitions.rubric import load_rubric, with_alternatives
from scangrade.errors import DefinitionError, Issue, Severity, UsageError
from scangrade.model import Layout, Roster, Rubric


@dataclass(frozen=True, slots=True)
class Source:
    """A definition file as it was when it was loaded."""

    path: Path  #: as given
    text: str
    sha256: str  #: of its bytes


@dataclass(frozen=True, slots=True)
class Definitions:
    """Definitions without a fault that stops a run."""

    layout: Layout
    rubric: Rubric
    roster: Roster | None
    layout_source: Source
    rubric_source: Source
    roster_source: Source | None
    warnings: tuple[Issue, ...]


def check(layout: Path, rubric: Path, roster: Path | None = None) -> tuple[Issue, ...]:
    """Every fault of the definitions, errors and warnings; nothing is raised for them.

    Raises
    ------
    UsageError
        If one of the files cannot be read at all.
    """
    try:
        return load_definitions(layout, rubric, roster).warnings
    except DefinitionError as error:
        return error.issues


def load_definitions(layout: Path, rubric: Path, roster: Path | None = None) -> Definitions:
    """Load all definitions and hold them against each other.

    Raises
    ------
    DefinitionError
        If there is an error among their faults; it holds all faults of all files.
    UsageError
        If one of the files cannot be read at all.
    """
    layout_source, rubric_source = _source(layout), _source(rubric)
    roster_source = _source(roster) if roster else None
    form, issues = load_layout(layout)
    key, more = load_rubric(rubric)
    issues += more
    people: Roster | None = None
    if roster:
        people, more = load_roster(roster)
        issues += more
    if form is not None and key is not None:
        issues += hold_against_each_other(form, key, people)
    if form is None or key is None or any(issue.severity is Severity.ERROR for issue in issues):
        raise DefinitionError(issues)
    return Definitions(form, with_alternatives(key, form), people, layout_source, rubric_source, roster_source, issues)


def _source(path: Path) -> Source:
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such file. Check the name, or the folder you are in.") from error
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read: {error.strerror or error}. Check the file and your rights to it."
        ) from error
    return Source(path, _text(content), hashlib.sha256(content).hexdigest())


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")  # loses nothing, whatever the encoding was
