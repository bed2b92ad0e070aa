"""The run's files brought up to date with what was decided: only what changed is made anew, so that decisions need not wait for it."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from scangrade.check import Definitions
from scangrade.export.tables import (
    GRADEBOOK,
    MARKS,
    PAGES,
    SCORES,
    flags_table,
    marks_table,
    scores_table,
)
from scangrade.grades.cells import safe_text
from scangrade.grades.gradebook import MadeRows, gradebook_rows
from scangrade.model import Flag, Identity, Scorecard
from scangrade.run.files import Rows, Table, as_csv, write_whole
from scangrade.run.splice import SplicedFile
from scangrade.settings import STORE
from scangrade.standing import Concluded


@dataclass(frozen=True, slots=True)
class Changes:
    """What the files are to follow."""

    changed: tuple[Concluded, ...]  #: booklets about which something was decided since, as they stand
    gone: tuple[str, ...]  #: those that are none any more
    pages: Rows  #: rows of pages that were moved, as in `pages_table`
    cards: Sequence[Scorecard]  #: of all booklets, in order
    identities: Sequence[Identity]
    flags: Sequence[Flag]


class FollowingFiles:
    """The files of one run.

    Parameters
    ----------
    folder : Path
        The run folder.
    definitions : Definitions
    """

    def __init__(self, folder: Path, definitions: Definitions) -> None:
        self._folder = folder
        self._definitions = definitions
        self._marks = SplicedFile(folder / MARKS, columns=1)
        self._pages = SplicedFile(folder / PAGES, columns=2)
        self._scores = SplicedFile(folder / SCORES, columns=1)
        self._gradebook_rows: MadeRows = {}
        self._flag_rows: dict[Flag, tuple[str, ...]] = {}
        self._lock = threading.Lock()

    def make_ready(self, changes: Changes) -> None:
        """Make ahead, of a run as it stands, what every writing needs and few decisions change."""
        definitions = self._definitions
        with self._lock:
            for file in (self._marks, self._scores):
                if file.path.is_file():
                    file.look_up()
            flags_table(changes.flags, self._flag_rows)
            gradebook_rows(changes.cards, changes.identities, definitions.rubric, definitions.roster, self._gradebook_rows)

    def follow(self, changes: Changes) -> None:
        """Write every file that changes, each whole; the gradebook last, so that it never is newer than what explains it.

        Raises
        ------
        OutputError
            If one cannot be written.
        """
        with self._lock:
            self._follow(changes)

    def _follow(self, changes: Changes) -> None:
        layout, rubric, roster = self._definitions.layout, self._definitions.rubric, self._definitions.roster
        no_rows: dict[tuple[str, ...], Rows] = {(safe_text(one),): () for one in changes.gone}
        if self._marks.path.is_file():
            of_booklet: dict[str, list[Flag]] = defaultdict(list)
            for flag in changes.flags:
                of_booklet[flag.booklet].append(flag)
            marks = dict(no_rows)
            for held in changes.changed:
                booklet = held.laid.booklet
                answers = {booklet.id: held.laid.answers}
                marks[safe_text(booklet.id),] = marks_table([booklet], answers, of_booklet[booklet.id], layout).rows
            self._marks.replace(marks)
        if self._pages.path.is_file():
            self._pages.replace({tuple(row[:2]): (row,) for row in changes.pages})
        self._write(flags_table(changes.flags, self._flag_rows))
        if self._scores.path.is_file():
            cards, identities = [one.card for one in changes.changed], [one.identity for one in changes.changed]
            scored = groupby(scores_table(cards, identities, rubric).rows, key=lambda row: row[:1])
            self._scores.replace(no_rows | {key: tuple(rows) for key, rows in scored})
        else:
            self._write(scores_table(changes.cards, changes.identities, rubric))
        header, rows, _ = gradebook_rows(changes.cards, changes.identities, rubric, roster, self._gradebook_rows)
        self._write(Table(GRADEBOOK, header, tuple(rows)))

    def _write(self, table: Table) -> None:
        write_whole(self._folder / table.name, as_csv(table), at_a_time=STORE.synced_bytes)
