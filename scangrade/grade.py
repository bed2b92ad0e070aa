"""The main job, end to end: scanned booklets in, a gradebook out.

This module only strings the stages together and counts. Pages are read once and stored; everything after that is derived from
the store each time, so running it again, with more scans or a corrected key, never reads a page twice.
"""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scangrade.check import Definitions, load_definitions
from scangrade.cluster import scheduler_address
from scangrade.errors import ExitCode, Issue
from scangrade.export.tables import FLAGS, GRADEBOOK, MARKS, PAGES, SCORES
from scangrade.model import FlagKind, MatchStatus, PageRead
from scangrade.opening import exposed, open_run, record_definitions, take_in
from scangrade.paper.formats import SUFFIXES, looks_like_scan
from scangrade.progress import Progress, Silent
from scangrade.reading import ReaderFactory, paper_reader, read_names, read_pending
from scangrade.run.intake import find_scans

if TYPE_CHECKING:
    from scangrade.derive import Results


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What happened: every page that went in is counted in `pages_read` or in `pages_set_aside`."""

    run: Path
    pages_in: int  #: a file that could not be opened counts as one
    pages_read: int
    pages_set_aside: int
    booklets: int
    matched: int  #: booklets whose student is certain
    students: int | None  #: on the roster; None without one
    flags: Mapping[FlagKind, int]  #: open flags by kind, most frequent first
    files: tuple[Path, ...]  #: written
    warnings: tuple[Issue, ...]  #: about the definitions and the gradebook
    notes: tuple[str, ...]  #: what else a person should know about this time

    @property
    def exit_code(self) -> ExitCode:
        """Whether flags wait for a person."""
        return ExitCode.FLAGGED if self.flags else ExitCode.DECIDED


def grade(
    scans: Sequence[Path],
    *,
    layout: Path,
    rubric: Path,
    roster: Path | None = None,
    out: Path,
    workers: int | None = None,
    cluster: str = "",
    progress: Progress | None = None,
    reader: ReaderFactory = paper_reader,
) -> RunSummary:
    """Grade scans into a run folder; into one that is there already, add what is new and go on where it stopped.

    Worker processes are spawned: a script that calls this must do so under ``if __name__ == "__main__":``.

    Parameters
    ----------
    scans : sequence of Path
        PDF and TIFF files, images, and folders of them, in the order in which they count.
    layout, rubric, roster : Path
        Definitions; without a roster booklets are matched to nobody.
    out : Path
        Run folder; made if need be.
    workers : int, optional
        Processes that read pages; one per core, if not given. 0 reads in this process, for tests and debuggers: a page that crashes
        a decoder then ends the run, where in a process of its own it is set aside.
    cluster : str
        Address of a Dask scheduler whose workers read the pages instead of this machine (`cluster.scheduler_address`).
    progress : Progress, optional
        Is told how far the reading is.
    reader : callable
        Makes what reads pages in each worker.

    Raises
    ------
    DefinitionError
        If layout, rubric or roster have faults.
    UsageError
        If there is nothing to read, the run cannot take these scans or this layout, or the cluster is not there.
    OutputError
        If the run folder cannot be written.
    """
    if cluster:
        scheduler_address(cluster)  # a typing error is told before all scans are looked through
    definitions = load_definitions(layout, rubric, roster)
    blank_form = definitions.layout.reference
    found = find_scans(scans, suffixes=SUFFIXES, leave_out=[out, blank_form] if blank_form else [out], is_scan=looks_like_scan)
    with open_run(out, writes=(GRADEBOOK, SCORES, MARKS, FLAGS, PAGES)) as store:
        changes = record_definitions(store, definitions, found.scans)
        notes = take_in(store, found)
        crew = _usable_cores() if workers is None else workers
        read_pending(
            store,
            definitions.layout,
            workers=crew,
            cluster=cluster,
            progress=progress or Silent(),
            reader=reader,
        )
        # imported once the pages are read: what decides and scores takes a fifth of the time until the first one can be
        from scangrade.derive import grade_again, uncollected, write_files  # noqa: PLC0415

        with uncollected():
            names = functools.partial(read_names, store, definitions.layout, workers=crew)
            results = grade_again(store, definitions, names)
            files = write_files(out, results, definitions)
    return _summary(out, results, definitions, files, (*changes, *notes, *exposed(out)))


def _summary(
    out: Path, results: Results, definitions: Definitions, files: tuple[Path, ...], notes: tuple[str, ...]
) -> RunSummary:
    read = sum(isinstance(page.result, PageRead) for page in results.pages)
    return RunSummary(
        run=out,
        pages_in=len(results.pages),
        pages_read=read,
        pages_set_aside=len(results.pages) - read,
        booklets=len(results.booklets),
        matched=sum(one.status is MatchStatus.MATCHED for one in results.identities),
        students=len(definitions.roster.students) if definitions.roster else None,
        flags=dict(Counter(flag.kind for flag in results.flags).most_common()),
        files=files,
        warnings=(*definitions.warnings, *results.issues),
        notes=notes,
    )


def _usable_cores() -> int:
    """Cores that this process may use, which in a container are fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
