"""Privacy after the exam: pictures and names go, grades stay.

What goes: the small pictures of boxes and the maps of ink in the store, the crops of the review, the sheets of audits; names and e-mail
addresses of the roster; where scans lie. What stays: student numbers (unless they are to go too), verdicts, points, decisions with the
names of reviewers, and the run's files. What the machine had made of the pages is kept for good before its pictures go, so that a run
can be scored again for ever; no box can be decided again by machine, and no page looked at.

Not done here: the scans themselves, which lie outside of the run, and files that others put into the run folder; both are told. On
a disk, what was deleted may lie about until it is written over; the SQLite file itself is written anew without it.
"""

from __future__ import annotations

import csv
import hashlib
import io
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from scangrade import settings
from scangrade.answers.decisions import fold
from scangrade.check import Definitions
from scangrade.conclude import Read, added_pages, grade_booklets, lay_decisions, made_by_hand
from scangrade.derive import keep_results, page_finder, results_of, uncollected, write_files
from scangrade.errors import OutputError, UsageError
from scangrade.export.tables import FLAGS, GRADEBOOK, MARKS, PAGES, SCORES
from scangrade.model import (
    Decisions,
    FieldKind,
    Flag,
    FlagKind,
    Identity,
    MatchStatus,
    Roster,
    Student,
    Topic,
)
from scangrade.opening import open_graded_run, recorded_definitions
from scangrade.run.journal import Journal
from scangrade.run.lock import LOCK_NAME
from scangrade.run.store import FORGOTTEN, STORE_NAME, Store
from scangrade.standing import keep_forgotten

#: Files and folders of a run that are pictures, by pattern: they go.
PICTURES: Final = ("review-crops.sqlite*", "audit-*/sheet-*.png", ".*.part")

#: What a run folder keeps: it holds no names once it is written anew.
_KEPT: Final = frozenset(
    {STORE_NAME, f"{STORE_NAME}-wal", f"{STORE_NAME}-shm", LOCK_NAME, GRADEBOOK, SCORES, MARKS, FLAGS, PAGES}
)
_WHOSE: Final = (FlagKind.UNKNOWN_STUDENT, FlagKind.DUPLICATE_STUDENT)


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was removed, and what a person must see to."""

    run: Path
    booklets: int  #: whose grades stay
    numbers: bool  #: whether student numbers went as well
    removed: tuple[Path, ...]  #: files that held pictures
    left: tuple[Path, ...]  #: files in the run folder that are none of a run's
    scans: tuple[str, ...]  #: names of scans, by which booklets may be called


def forget(run: Path, *, numbers: bool = False) -> Forgotten:
    """Remove pictures and names from a run, and keep its grades. A second time changes nothing.

    Parameters
    ----------
    run : Path
        Run folder.
    numbers : bool
        Whether student numbers, and the remarks of decisions, go as well: then grades stand by booklet only.

    Raises
    ------
    UsageError
        If this is no run, nothing was graded in it, pages of it are still to be read, or another process works on it.
    OutputError
        If the run folder cannot be written.
    """
    with open_graded_run(run) as store:
        definitions = recorded_definitions(store)
        _refuse(store, definitions, numbers=numbers)
        journal = Journal(store)
        entries = journal.entries()
        digits = [one.id for one in definitions.layout.fields if one.kind is FieldKind.DIGIT] if numbers else None
        with uncollected():
            results = results_of(store, definitions, entries)
            decisions, machine = fold(entries), results.derived.machine
            only_pages = Decisions({key: one for key, one in decisions.rulings.items() if key[0] is Topic.PAGE})
            find = page_finder(store, results.pages)
            added = added_pages(decisions, store.pages_by_hand(), find)
            known = {one.booklet.id for one in machine.booklets}
            reads = [*machine.booklets, *(made_by_hand(one, definitions) for one in sorted(added.keys() - known))]
            neighbours = [one.booklet for one in machine.booklets[: settings.DECIDE.neighbours]]
            laid = (
                lay_decisions(one, added.get(one.booklet.id, ()), definitions, only_pages, neighbours=neighbours)
                for one in reads
            )
            identified = {one.booklet.id: one.identity for one in results.derived.laid}
            for_good = [
                _nameless(
                    Read(one.booklet, one.answers, (), identified[one.booklet.id] if numbers else one.identity, ()),
                    one.flags,
                    digits,
                )
                for one in laid
            ]
            nameless = replace(machine, booklets=tuple(for_good))
            plain = replace(definitions, roster=_without_names(definitions.roster, numbers=numbers))
            unnamed = {key: one for key, one in decisions.rulings.items() if not (numbers and key[0] is Topic.STUDENT)}
            graded = grade_booklets(nameless, plain, Decisions(unnamed), store.pages_by_hand(), find)
            keep_forgotten(store, for_good, nameless, graded, entries[-1].seq if entries else 0)
            store.scrub(_facts(store, plain, numbers=numbers), digits)
            plain = recorded_definitions(store)
            entries = journal.entries()
            results = results_of(store, plain, entries)
            write_files(run, results, plain)
            keep_results(store, plain, results, entries)
        removed = _remove(run)
        store.compact()
        scans = tuple(one.name for one in store.scans())
    return Forgotten(run, len(results.booklets), numbers, removed, _left(run), scans)


def _refuse(store: Store, definitions: Definitions, *, numbers: bool) -> None:
    run = store.path.parent
    waiting = store.unfinished()
    if waiting:
        raise UsageError(
            f"{run}: pages of {waiting[0].name} are still to be read. Run `scangrade grade` again to finish, then forget."
        )
    if numbers and definitions.rubric.version_from == "roster":
        raise UsageError(
            f"{run}: versions come from the roster, so without student numbers no booklet could be scored again."
            " Forget without `--numbers`."
        )


def _nameless(read: Read, flags: Sequence[Flag], digits: Sequence[str] | None) -> Read:
    """The same without names, and with `digits` without numbers."""
    identity = read.identity
    student = Student(identity.student.number, version=identity.student.version) if identity.student else None
    identity = replace(identity, student=student, candidates=())
    answers = read.answers
    if digits is not None:
        status = MatchStatus.UNKNOWN if identity.status is MatchStatus.UNKNOWN else MatchStatus.NO_ROSTER
        identity = Identity(identity.booklet, status, "")
        answers = tuple(one for one in answers if one.field not in digits)
    detail = f"booklet {identity.booklet}: it was not certain whose it is; the names that came near were removed."
    whose = [replace(one, detail=detail) for one in flags if one.kind in _WHOSE]
    if digits is not None:
        whose = [] if identity.status is not MatchStatus.UNKNOWN else whose
    others = tuple(one for one in flags if one.kind not in _WHOSE)
    return Read(read.booklet, answers, others, identity, tuple(whose))


def _without_names(roster: Roster | None, *, numbers: bool) -> Roster | None:
    if roster is None or numbers:
        return None
    return Roster(tuple(Student(one.number, version=one.version) for one in roster.students))


def _facts(store: Store, definitions: Definitions, *, numbers: bool) -> dict[str, str]:
    """What is put on record; the date of the first time stays."""
    before = store.facts()
    facts = {FORGOTTEN: before.get(FORGOTTEN) or datetime.now(UTC).isoformat(timespec="seconds")}
    if definitions.roster is None:
        return facts | {key: "" for key in before if key.startswith("roster.")} if numbers else facts
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["student_number", "version"])
    writer.writerows((one.number, one.version) for one in definitions.roster.students)
    text = out.getvalue()
    return facts | {
        "roster.path": "roster without names.csv",
        "roster.text": text,
        "roster.sha256": hashlib.sha256(text.encode()).hexdigest(),
    }


# --------------------------------------------------------------------------- files


def _remove(run: Path) -> tuple[Path, ...]:
    found = sorted({path for pattern in PICTURES for path in run.glob(pattern)})
    for path in found:
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(
                f"{path}: cannot be removed: {error.strerror or error}. Close it where it is open, and run the command again."
            ) from error
    return tuple(found)


def _left(run: Path) -> tuple[Path, ...]:
    """What lies in the run folder and is none of a run's own files: nobody but a person knows what is in there."""
    return tuple(sorted(_others(run.iterdir())))


def _others(paths: Iterable[Path]) -> Iterable[Path]:
    for path in paths:
        if path.name not in _KEPT and not (path.is_dir() and not any(path.iterdir())):
            yield path
