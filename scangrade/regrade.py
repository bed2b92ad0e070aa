"""Scoring again: a corrected rubric over the stored readings, and two rubrics side by side.

No page is read and no box decided again, and all of people's decisions stay. What is told beforehand is what the gradebook said until
now: the scorecards that were kept when its files were last written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scangrade.check import Definitions
from scangrade.derive import Results, keep_results, results_of, uncollected, write_files
from scangrade.errors import ExitCode, Issue, UsageError
from scangrade.export.changes import changes_table, comparison_table
from scangrade.export.comparison_picture import comparison_picture
from scangrade.grades.compare import Change, Comparison, changes, compare
from scangrade.model import Entry, Identity, Scorecard, Topic
from scangrade.opening import open_graded_run, record_rubric, recorded_definitions, recorded_rubric
from scangrade.run.files import Table, as_csv, write_whole
from scangrade.run.intake import content_sha256
from scangrade.run.journal import Journal
from scangrade.run.kept import Kept
from scangrade.run.store import FORGOTTEN, Store
from scangrade.standing import kept_scorecards, machine_is_kept


@dataclass(frozen=True, slots=True)
class Regraded:
    """What a regrade changed."""

    run: Path
    rubric: Path
    booklets: int
    changes: tuple[Change, ...]  #: booklets whose points, or what they can become, differ
    table: Table  #: one row per change
    decisions: int  #: of people, all of them kept
    flags: int  #: that wait for a person
    files: tuple[Path, ...]  #: written
    warnings: tuple[Issue, ...]
    notes: tuple[str, ...]

    @property
    def exit_code(self) -> ExitCode:
        """Whether flags wait for a person."""
        return ExitCode.FLAGGED if self.flags else ExitCode.DECIDED


@dataclass(frozen=True, slots=True)
class Compared:
    """One run under two rubrics; nothing in the run was changed."""

    comparison: Comparison
    first: str  #: what the rubrics are called
    second: str
    table: Table  #: one row per booklet
    flags: int  #: that wait for a person under either rubric
    files: tuple[Path, ...]  #: written
    warnings: tuple[Issue, ...]

    @property
    def exit_code(self) -> ExitCode:
        """Whether flags wait for a person."""
        return ExitCode.FLAGGED if self.flags else ExitCode.DECIDED


_DECIDED_ANEW = (
    "The program or its thresholds are not those that this run was graded with: boxes were decided anew, and what changed by that is"
    " among the changes."
)


def regrade(run: Path, *, rubric: Path | None = None) -> Regraded:
    """Score a run again from its stored readings, and write its files.

    Parameters
    ----------
    run : Path
        Run folder.
    rubric : Path, optional
        The rubric that holds from now on. By default the file that the run was graded with, as it is now; where it is not there any
        more, what is on record of it.

    Raises
    ------
    DefinitionError
        If the rubric has faults.
    UsageError
        If this is no run, nothing was graded in it, or another process works on it.
    OutputError
        If the run folder cannot be written.
    """
    with open_graded_run(run) as store:
        recorded = recorded_definitions(store)
        path, notes = _rubric_now(store, rubric)
        definitions = recorded if path is None else recorded_definitions(store, path)
        entries = Journal(store).entries()
        with uncollected():
            anew = not machine_is_kept(store)
            before = _scorecards_until_now(store, recorded, entries)
            results = results_of(store, definitions, entries)
            record_rubric(store, definitions.rubric_source)
            files = write_files(run, results, definitions)
            keep_results(store, definitions, results, entries)
        found = changes(before, results.scorecards, recorded.rubric, definitions.rubric)
        decided = sum(one.topic not in (Topic.UNDO, Topic.REDO, Topic.SAMPLE, Topic.CHECK) for one in entries)
        return Regraded(
            run,
            definitions.rubric_source.path,
            len(results.scorecards),
            found,
            changes_table(found, _by_booklet(results)),
            decided,
            len(results.flags),
            files,
            (*definitions.warnings, *results.issues),
            (
                *notes,
                *([_DECIDED_ANEW] if anew else []),
                *_what_else_changed(store, recorded),
                *_lost_points(entries, definitions),
            ),
        )


def compare_rubrics(
    run: Path, second: Path, *, first: Path | None = None, table: Path | None = None, picture: Path | None = None
) -> Compared:
    """Score a run under two rubrics side by side, and change nothing in it.

    Parameters
    ----------
    run : Path
        Run folder.
    second : Path
        A rubric for the same layout.
    first : Path, optional
        By default the rubric of the run as it is on record.
    table : Path, optional
        CSV file to write the comparison to.
    picture : Path, optional
        SVG file to draw it in.

    Raises
    ------
    DefinitionError
        If a rubric has faults.
    UsageError
        If this is no run, nothing was graded in it, another process works on it, or the picture is to be something else than SVG.
    OutputError
        If a file cannot be written.
    """
    if picture is not None and picture.suffix.casefold() != ".svg":
        raise UsageError(f"{picture}: the picture is drawn as SVG. Give it a name that ends in .svg.")
    with open_graded_run(run) as store:
        one, other = recorded_definitions(store, first), recorded_definitions(store, second)
        entries = Journal(store).entries()
        with uncollected():
            results, others = results_of(store, one, entries), results_of(store, other, entries)
    comparison = compare(one.rubric, results.scorecards, other.rubric, others.scorecards)
    names = _names(one, other)
    made = comparison_table(comparison, _by_booklet(results), max(one.rubric.places, other.rubric.places))
    files = []
    if table is not None:
        write_whole(table, as_csv(made))
        files.append(table)
    if picture is not None:
        write_whole(picture, comparison_picture(comparison, first=names[0], second=names[1]).encode())
        files.append(picture)
    return Compared(
        comparison,
        *names,
        made,
        max(len(results.flags), len(others.flags)),
        tuple(files),
        tuple(dict.fromkeys((*one.warnings, *other.warnings))),
    )


def _names(one: Definitions, other: Definitions) -> tuple[str, str]:
    """What the rubrics are called: by their own names where these tell them apart, else by their files."""
    if one.rubric.name != other.rubric.name:
        return one.rubric.name, other.rubric.name
    first, second = str(one.rubric_source.path), str(other.rubric_source.path)
    return (first, second) if first != second else (f"{first} (on record)", second)


def _rubric_now(store: Store, wanted: Path | None) -> tuple[Path | None, tuple[str, ...]]:
    """The rubric's file, None where what is on record holds, and what is to be said of it."""
    known = recorded_rubric(store)
    if wanted is None and not known.path.is_file():
        return None, (
            f"{known.path} is not there any more, so the rubric as it is on record was used. Name another with `--rubric`.",
        )
    if wanted is not None:
        return wanted, ()
    if content_sha256(known.path) == known.sha256:
        return known.path, (f"The rubric {known.path} is what it was.",)
    return known.path, ()


def _scorecards_until_now(store: Store, recorded: Definitions, entries: Sequence[Entry]) -> tuple[Scorecard, ...]:
    """What the gradebook says: as kept with its files, or derived from what is on record where decisions came in since."""
    last = entries[-1].seq if entries else 0
    kept = Kept(store)
    if kept.is_there() and kept.seq() == last:
        return kept_scorecards(store)
    return results_of(store, recorded, entries).scorecards


def _by_booklet(results: Results) -> Mapping[str, Identity]:
    return {one.booklet: one for one in results.identities}


def _what_else_changed(store: Store, recorded: Definitions) -> tuple[str, ...]:
    """Files of layout and roster that are not what was graded with: a regrade takes up the rubric only."""
    notes = []
    source = recorded.roster_source
    if (
        source is not None
        and FORGOTTEN not in store.facts()
        and source.path.is_file()
        and content_sha256(source.path) != source.sha256
    ):
        notes.append(
            f"The roster {source.path} has changed, which does not count here: run `scangrade grade` again to match booklets anew."
        )
    layout = recorded.layout_source
    if layout.path.is_file() and content_sha256(layout.path) != layout.sha256:
        notes.append(
            f"The layout {layout.path} has changed, which does not count here: pages are read for one layout only. Grade into a new"
            f" run folder if {store.path.parent} should follow it."
        )
    return tuple(notes)


def _lost_points(entries: Sequence[Entry], definitions: Definitions) -> tuple[str, ...]:
    """Points that people gave to questions that the rubric does not have: kept, and without effect."""
    known = {one.id for one in definitions.rubric.questions}
    lost = sorted({one.item for one in entries if one.topic is Topic.POINTS and one.item not in known})
    if not lost:
        return ()
    return (
        f"People gave points to {', '.join(lost)}, which this rubric does not have: these decisions are kept, and count for nothing.",
    )
