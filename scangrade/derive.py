"""From what was read to a run's results and its files: derived from the store each time, so that nothing is ever read twice for it."""

from __future__ import annotations

import functools
import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from scangrade.answers.decisions import fold
from scangrade.check import Definitions
from scangrade.conclude import FindPage, Laid, Machine, ReadNames, grade_booklets, no_names, read_by_machine
from scangrade.errors import Issue
from scangrade.export.tables import flags_table, gradebook_table, marks_table, pages_table, scores_table
from scangrade.grades.gradebook import gradebook
from scangrade.model import (
    NOTHING_DECIDED,
    Answer,
    Booklet,
    Decisions,
    Entry,
    Flag,
    Identity,
    PageRead,
    ScannedPage,
    Scorecard,
    page_key,
)
from scangrade.reading import known_names
from scangrade.run.files import as_csv, write_whole
from scangrade.run.journal import Journal
from scangrade.run.store import Store
from scangrade.standing import keep, kept_machine

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Derived:
    """On the way to the results: what can be kept, so that a review need not derive it again."""

    machine: Machine
    laid: tuple[Laid, ...]  #: by booklet
    flags: Mapping[str, tuple[Flag, ...]]  #: by booklet, without those of other booklets' claims


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that is derived from the pages of a run."""

    pages: tuple[ScannedPage, ...]
    booklets: tuple[Booklet, ...]
    answers: Mapping[str, tuple[Answer, ...]]  #: by booklet id
    identities: tuple[Identity, ...]
    scorecards: tuple[Scorecard, ...]
    gradebook: pd.DataFrame
    flags: tuple[Flag, ...]
    issues: tuple[Issue, ...]
    derived: Derived


def grade_again(store: Store, definitions: Definitions, names: ReadNames | None = None) -> Results:
    """Derive a run's results from what its store holds, and keep them there for a review to begin with.

    Boxes are decided anew only where pages, form, thresholds or program changed since the last time: another rubric costs the scoring.
    Names are read where nothing else settles whose a booklet is; without `names` those that were read before are all there are.
    """
    entries = Journal(store).entries()
    results = results_of(store, definitions, entries, names)
    keep_results(store, definitions, results, entries)
    return results


def keep_results(store: Store, definitions: Definitions, results: Results, entries: Sequence[Entry]) -> None:
    """Keep results for a review to begin with, and for scoring again; the definitions must be on record."""
    made = results.derived
    keep(
        store,
        definitions.layout,
        made.machine,
        made.laid,
        results.identities,
        results.scorecards,
        made.flags,
        entries[-1].seq if entries else 0,
    )


def results_of(store: Store, definitions: Definitions, entries: Sequence[Entry], names: ReadNames | None = None) -> Results:
    """Derive a run's results from what its store holds and from decisions, by the shortest way, and change nothing.

    Parameters
    ----------
    store : Store
    definitions : Definitions
        Of this run; the rubric may be another one than is on record.
    entries : sequence of Entry
        Decisions of its journal.
    names : callable, optional
        Reads names on booklets; by default, those are known that were read before.
    """
    names = names or functools.partial(known_names, store, definitions.layout)
    decisions, by_hand = fold(entries), store.pages_by_hand()
    pages = store.pages(readings=False)
    machine = kept_machine(store, definitions.layout, pages, decisions)
    if machine is None:
        pages = store.pages()
        results = derive(pages, definitions, decisions, by_hand, names)
    else:
        results = _results(pages, machine, definitions, decisions, by_hand, page_finder(store, pages))
    _account(results.pages, store.page_count())
    return results


def page_finder(store: Store, pages: Sequence[ScannedPage]) -> FindPage:
    """What finds a page by its key, with what was measured on it."""
    refs = {page_key(page): page.ref for page in reversed(pages)}

    def find(image: str) -> ScannedPage | None:
        return next(iter(store.pages_at([refs[image]])), None) if image in refs else None

    return find


def derive(
    pages: Sequence[ScannedPage],
    definitions: Definitions,
    decisions: Decisions = NOTHING_DECIDED,
    by_hand: Mapping[str, PageRead] = MappingProxyType({}),
    names: ReadNames = no_names,
) -> Results:
    """From readings and decisions to grades: a pure function, the same on every machine and in any order of reading.

    Parameters
    ----------
    pages : sequence of ScannedPage
    definitions : Definitions
    decisions : Decisions
        What people decided.
    by_hand : mapping of decision id to PageRead
        Pages that people laid under their form, read.
    names : callable
        Reads names on booklets.
    """
    machine = read_by_machine(pages, definitions, names)
    by_key = {page_key(page): page for page in reversed(pages)} if decisions.rulings else {}
    return _results(pages, machine, definitions, decisions, by_hand, by_key.get)


def _results(
    pages: Sequence[ScannedPage],
    machine: Machine,
    definitions: Definitions,
    decisions: Decisions,
    by_hand: Mapping[str, PageRead],
    find: FindPage,
) -> Results:
    graded = grade_booklets(machine, definitions, decisions, by_hand, find)
    table, issues = gradebook(graded.cards, graded.identities, definitions.rubric, definitions.roster)
    return Results(
        tuple(pages),
        tuple(one.booklet for one in graded.laid),
        {one.booklet.id: one.answers for one in graded.laid},
        graded.identities,
        graded.cards,
        table,
        graded.flags,
        issues,
        Derived(machine, graded.laid, graded.own_flags),
    )


def write_files(out: Path, results: Results, definitions: Definitions) -> tuple[Path, ...]:
    """Write the run's CSV files, each whole; the gradebook last, so that it never is newer than what explains it."""
    tables = (
        pages_table(results.pages, results.booklets),
        marks_table(results.booklets, results.answers, results.flags, definitions.layout),
        flags_table(results.flags),
        scores_table(results.scorecards, results.identities, definitions.rubric),
        gradebook_table(results.gradebook),
    )
    for table in tables:
        write_whole(out / table.name, as_csv(table))
    return tuple(out / table.name for table in reversed(tables))


@contextmanager
def uncollected() -> Iterator[None]:
    """Pause the search for cyclic garbage: there is none among hundreds of thousands of records, and it takes a third of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _account(pages: Sequence[ScannedPage], went_in: int) -> None:
    if len(pages) != went_in:
        raise AssertionError(f"{went_in} pages went in, but {len(pages)} were read or set aside")
