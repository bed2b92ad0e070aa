"""The run store: the one SQLite file of a run that everything else is derived from.

It holds what is dear to make again: which scans came in, and what was read on each of their pages. Verdicts, points and the
CSV files are derived from it each time and never stored as truth.

A kill at any moment leaves a store that is right as far as it goes: scans are registered in one transaction, the pages of a
chunk are stored in one transaction, and a page is pending until its result is stored. Nothing in the store depends on the
order in which workers finish; what does depend on order (which of two equal images counts) is settled when pages are loaded.

A transaction is on disk before it counts as done (`synchronous = FULL`), whatever the power does then; but for copies of what can be
derived again, which go to disk with the next one. While a store is open, what is
new goes to the end of its write-ahead log only, and the file itself stays as it is until the store is closed, or the log has grown very
long: so whoever copies the folder meanwhile copies a whole state, the log's end at most cut off. A log that was left behind, by a kill or
in such a copy, is no reason for trust: the store is then checked through and through before it is used.

Not done here: who may use the store at a time (`lock.py`), what people decided (`journal.py`), and what is kept of the results so
that they need not be derived again (`standing.py`).
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import numpy as np

from scangrade.errors import OutputError, UsageError
from scangrade.model import (
    Outcome,
    PageRead,
    PageRef,
    PageResult,
    PageSetAside,
    Readings,
    Reason,
    ScannedPage,
    StickerCode,
    StickerRead,
    Transform,
)
from scangrade.run.packing import PackedReadings, packed
from scangrade.settings import STORE

STORE_NAME: Final = "run.sqlite"

#: The fact that pictures and names were taken out of a run: when.
FORGOTTEN: Final = "forgotten"

#: Marks the file as ours ("SCGR"), so that another program's SQLite file is never migrated.
APPLICATION_ID: Final = 0x53434752

#: Statements that lead from each schema version to the next; version n is reached after the first n steps. Steps that were
#: released never change: a new one is added at the end.
MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        """
        CREATE TABLE run (
            key TEXT PRIMARY KEY,
            value TEXT NOT NULL
        )
        """,
        """
        CREATE TABLE scans (
            id INTEGER PRIMARY KEY,
            sha256 TEXT NOT NULL UNIQUE,
            name TEXT NOT NULL UNIQUE,
            path TEXT NOT NULL,
            position INTEGER NOT NULL UNIQUE,
            page_count INTEGER CHECK (page_count > 0),
            outcome TEXT CHECK (outcome = 'set_aside'),
            reason TEXT,
            detail TEXT,
            CHECK (outcome IS NULL OR page_count IS NULL),
            CHECK ((outcome IS NULL) = (reason IS NULL))
        )
        """,
        """
        CREATE TABLE pages (
            scan INTEGER NOT NULL REFERENCES scans (id),
            scan_page INTEGER NOT NULL CHECK (scan_page >= 1),
            state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'done')),
            outcome TEXT CHECK (outcome IN ('read', 'set_aside')),
            reason TEXT,
            detail TEXT,
            image_sha256 TEXT,
            page INTEGER,
            copy TEXT,
            page_source TEXT,
            rotation INTEGER,
            residual_mm REAL,
            dpi REAL,
            transform TEXT,
            readings BLOB,
            PRIMARY KEY (scan, scan_page),
            CHECK ((state = 'done') = (outcome IS NOT NULL)),
            CHECK (outcome IS NOT 'read' OR (transform IS NOT NULL AND readings IS NOT NULL)),
            CHECK (outcome IS NOT 'set_aside' OR reason IS NOT NULL)
        )
        """,
        "CREATE INDEX pages_pending ON pages (scan, scan_page) WHERE state = 'pending'",
    ),
    (
        # pictures of the boxes are kept beside the numbers; pages read without them are read again
        "ALTER TABLE pages ADD COLUMN pictures BLOB",
        "UPDATE pages SET state = 'pending', outcome = NULL WHERE outcome = 'read'",
    ),
    (
        """
        CREATE TABLE decisions (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            made TEXT NOT NULL,
            reviewer TEXT NOT NULL CHECK (reviewer <> ''),
            topic TEXT NOT NULL,
            image TEXT NOT NULL,
            item TEXT NOT NULL,
            value TEXT NOT NULL,
            "group" TEXT NOT NULL,
            remark TEXT NOT NULL,
            settles INTEGER NOT NULL,
            machine TEXT NOT NULL,
            probability REAL,
            booklet TEXT NOT NULL,
            page INTEGER NOT NULL,
            scan TEXT NOT NULL,
            scan_page INTEGER NOT NULL,
            scangrade TEXT NOT NULL
        )
        """,
        """
        CREATE TRIGGER decisions_are_kept BEFORE DELETE ON decisions
        BEGIN SELECT raise(ABORT, 'decisions are never deleted, only taken back by a further one'); END
        """,
        """
        CREATE TRIGGER decisions_stand BEFORE UPDATE ON decisions
        BEGIN SELECT raise(ABORT, 'decisions are never changed, only taken back by a further one'); END
        """,
        """
        CREATE TABLE pages_by_hand (
            decision TEXT PRIMARY KEY,
            outcome TEXT NOT NULL CHECK (outcome = 'read'),
            reason TEXT,
            detail TEXT,
            image_sha256 TEXT NOT NULL,
            page INTEGER NOT NULL,
            copy TEXT NOT NULL,
            page_source TEXT NOT NULL,
            rotation INTEGER NOT NULL,
            residual_mm REAL NOT NULL,
            dpi REAL NOT NULL,
            transform TEXT NOT NULL,
            readings BLOB NOT NULL,
            pictures BLOB NOT NULL
        )
        """,
        """
        CREATE TABLE standing (
            position INTEGER PRIMARY KEY,
            booklet TEXT NOT NULL UNIQUE,
            machine TEXT NOT NULL,
            identity TEXT NOT NULL,
            flags TEXT NOT NULL,
            unsure TEXT NOT NULL,
            scorecard TEXT NOT NULL
        )
        """,
        "CREATE INDEX pages_by_image ON pages (image_sha256)",
    ),
    (
        # what was read on a pasted label, as JSON; pages read before say nothing of it
        "ALTER TABLE pages ADD COLUMN sticker TEXT",
        "ALTER TABLE pages_by_hand ADD COLUMN sticker TEXT",
    ),
    (
        # how the store's file began when it was last opened: what its log belongs to
        "CREATE TABLE opened (only INTEGER PRIMARY KEY CHECK (only = 1), head TEXT NOT NULL)",
    ),
    (
        # what is printed where the layout has a version, as JSON by field
        "ALTER TABLE pages ADD COLUMN prints TEXT",
        "ALTER TABLE pages_by_hand ADD COLUMN prints TEXT",
        # names as Tesseract read them, "" where it read none: they are read only where they are needed, and only once
        """
        CREATE TABLE names (
            image TEXT NOT NULL,
            field TEXT NOT NULL,
            text TEXT NOT NULL,
            PRIMARY KEY (image, field)
        )
        """,
    ),
    # pictures are packed by Zstandard, which an earlier scangrade cannot unpack; those packed by zlib stay as they are
    (),
)

_DONE_PAGES: Final = (
    "SELECT name, position, scan_page, pages.outcome, pages.reason, pages.detail, image_sha256, page, copy,"
    " page_source, rotation, residual_mm, dpi, transform, readings, pictures, sticker, prints"
    " FROM pages JOIN scans ON scans.id = pages.scan"
)

#: That no person decided about a page which is known by its place only.
_UNDECIDED: Final = "NOT EXISTS (SELECT 1 FROM decisions WHERE image = scans.name || '#' || {page})"
_FAILED_PAGE: Final = f"state = 'done' AND pages.reason = '{Reason.FAILED}' AND {_UNDECIDED.format(page='pages.scan_page')}"

_DISK_TROUBLE: Final = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
    }
)
_HEAD_BYTES: Final = 100  # SQLite's file header
_NOT_A_STORE: Final = frozenset({sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT})


@dataclass(frozen=True, slots=True)
class ScanOnDisk:
    """A scan file as found: the name that the user knows it by, where it lies, and what is in it."""

    name: str
    path: Path
    sha256: str


@dataclass(frozen=True, slots=True)
class Repeat:
    """A file whose content the run already has under another name."""

    name: str
    known_as: str


@dataclass(frozen=True, slots=True)
class Scan:
    """A scan that the run knows."""

    id: int
    name: str
    path: Path
    sha256: str
    page_count: int | None  #: None until it was opened


class Store:
    """The SQLite file of one run. One process writes at a time; see `lock.RunLock`.

    Parameters
    ----------
    folder : Path
        The run folder; it must exist. The store is made there if there is none, and brought to the newest schema.

    Raises
    ------
    UsageError
        If the file there was made by a newer scangrade, is damaged, or is not a run store.
    OutputError
        If the file cannot be opened or written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / STORE_NAME
        log = folder / f"{STORE_NAME}-wal"
        with self._explained():
            head, heads = _head(self.path), _logged_heads(log)
            self._connect()
            try:
                if heads is not None:
                    self._check_through(head, heads)
                self._migrate()
                self._db.execute("PRAGMA journal_mode = WAL")
            finally:
                self._db.close()  # which folds a log that was left behind into the file
            # read while no connection is open: closing a file lets go of all locks that this process has on it (POSIX)
            head = _head(self.path)
            self._connect()
            try:
                self._db.execute(f"PRAGMA wal_autocheckpoint = {STORE.most_log_pages}")
                with self._transaction() as db:
                    db.execute("INSERT OR REPLACE INTO opened VALUES (1, ?)", (head,))
                    db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")  # so that no two sessions leave the same head
            except BaseException:
                self._db.close()
                raise

    def _connect(self) -> None:
        self._db = sqlite3.connect(self.path, isolation_level=None)
        try:
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("PRAGMA fullfsync = ON")  # macOS: past the drive's own memory as well
            self._db.execute("PRAGMA foreign_keys = ON")
        except BaseException:
            self._db.close()
            raise

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; the write-ahead log is folded into it."""
        self._db.close()

    # ----------------------------------------------------------------- facts about the run

    def facts(self) -> dict[str, str]:
        """What is recorded about the run as a whole: versions, definitions, thresholds."""
        return {key: _stored(value) for key, value in self._db.execute("SELECT key, value FROM run ORDER BY key")}

    def record(self, facts: Mapping[str, str]) -> None:
        """Record facts about the run, each in the place of an earlier one with its key."""
        with self._transaction() as db:
            db.executemany(
                "INSERT INTO run (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                [(key, _storable(value)) for key, value in sorted(facts.items())],
            )

    def forget(self, keys: Sequence[str]) -> None:
        """Take facts out again, such as those on a roster that is not used any more."""
        with self._transaction() as db:
            db.executemany("DELETE FROM run WHERE key = ?", [(key,) for key in keys])

    # ----------------------------------------------------------------- scans

    def register(self, files: Sequence[ScanOnDisk]) -> tuple[Repeat, ...]:
        """Take scans in, in this order and all at once; a content that the run has already adds nothing.

        A known scan keeps its first name and place; only where it lies now is noted. A new scan whose name is taken by another
        content becomes "name (2)", so that a name always tells one scan.

        Returns
        -------
        tuple of Repeat
            Files that repeat a content under another name.
        """
        repeats = []
        with self._transaction() as db:
            for file in files:
                known = db.execute("SELECT id, name FROM scans WHERE sha256 = ?", (file.sha256,)).fetchone()
                if known is None:
                    db.execute(
                        "INSERT INTO scans (sha256, name, path, position)"
                        " VALUES (?, ?, ?, (SELECT coalesce(max(position) + 1, 0) FROM scans))",
                        (file.sha256, self._free_name(file.name), _storable(str(file.path))),
                    )
                    continue
                scan_id, name = known
                db.execute("UPDATE scans SET path = ? WHERE id = ?", (_storable(str(file.path)), scan_id))
                if name != file.name:
                    repeats.append(Repeat(file.name, name))
        return tuple(repeats)

    def _free_name(self, wanted: str) -> str:
        name, number = wanted, 1
        while self._db.execute("SELECT 1 FROM scans WHERE name = ?", (name,)).fetchone():
            number += 1
            name = f"{wanted} ({number})"
        return name

    def scans(self) -> tuple[Scan, ...]:
        """All scans, in the order in which they came in."""
        return self._scans("")

    def unfinished(self) -> tuple[Scan, ...]:
        """Scans that were not opened yet, or of which pages are pending."""
        return self._scans(
            "WHERE (page_count IS NULL AND outcome IS NULL)"
            " OR EXISTS (SELECT 1 FROM pages WHERE pages.scan = scans.id AND state = 'pending')"
        )

    def unopened(self) -> tuple[Scan, ...]:
        """Scans of which it is not known yet how many pages they have."""
        return self._scans("WHERE page_count IS NULL AND outcome IS NULL")

    def _scans(self, where: str) -> tuple[Scan, ...]:
        rows = self._db.execute(f"SELECT id, name, path, sha256, page_count FROM scans {where} ORDER BY position")
        return tuple(Scan(one, name, Path(_stored(path)), sha256, count) for one, name, path, sha256, count in rows)

    def give_up(self, scan: int) -> int:
        """Wait no longer for a scan whose content is gone: what was read of it stays, the rest is set aside; nothing of it, if nothing was.

        Returns
        -------
        int
            Pages set aside.
        """
        with self._transaction() as db:
            (done,) = db.execute("SELECT count(*) FROM pages WHERE scan = ? AND state = 'done'", (scan,)).fetchone()
            if not done:
                db.execute("DELETE FROM pages WHERE scan = ?", (scan,))
                db.execute("DELETE FROM scans WHERE id = ?", (scan,))
                return 0
            gone = db.execute(
                "UPDATE pages SET state = 'done', outcome = ?, reason = ?, detail = ?, image_sha256 = '', page = 0, copy = ''"
                " WHERE scan = ? AND state = 'pending'",
                (Outcome.SET_ASIDE, Reason.UNREADABLE_PAGE, "The file changed before this page was read", scan),
            )
            return gone.rowcount

    def failed(self) -> tuple[Scan, ...]:
        """Scans that failed to be opened, or of which pages failed to be read, and about which no person decided since."""
        return self._scans(
            f"WHERE (reason = '{Reason.FAILED}' AND {_UNDECIDED.format(page='0')})"
            f" OR EXISTS (SELECT 1 FROM pages WHERE pages.scan = scans.id AND {_FAILED_PAGE})"
        )

    def try_again(self, scans: Sequence[Scan]) -> int:
        """Have what failed of these scans read once more, since what made it fail may be gone: too little memory, for one.

        Returns
        -------
        int
            Pages, and files that could not be opened.
        """
        count = 0
        with self._transaction() as db:
            for scan in scans:
                count += db.execute(
                    "UPDATE pages SET state = 'pending', outcome = NULL, reason = NULL, detail = NULL, image_sha256 = NULL,"
                    " page = NULL, copy = NULL"
                    f" WHERE scan = ? AND EXISTS (SELECT 1 FROM scans WHERE scans.id = pages.scan AND {_FAILED_PAGE})",
                    (scan.id,),
                ).rowcount
                count += db.execute(
                    "UPDATE scans SET outcome = NULL, reason = NULL, detail = NULL"
                    f" WHERE id = ? AND reason = '{Reason.FAILED}' AND {_UNDECIDED.format(page='0')}",
                    (scan.id,),
                ).rowcount
        return count

    def read_anew(self) -> None:
        """Have every page wait to be read once more; what people decided stays."""
        with self._transaction() as db:
            db.execute("UPDATE pages SET state = 'pending', outcome = NULL WHERE state = 'done'")

    def pages_laid_by_hand(self) -> bool:
        """Whether there are pages that people laid under their form."""
        return self._db.execute("SELECT 1 FROM pages_by_hand LIMIT 1").fetchone() is not None

    def save_opened(self, scan: int, opened: int | PageSetAside) -> None:
        """Store how many pages a scan has, each pending from now on; or why the whole file is set aside."""
        with self._transaction() as db:
            if isinstance(opened, PageSetAside):
                db.execute(
                    "UPDATE scans SET outcome = ?, reason = ?, detail = ? WHERE id = ?",
                    (Outcome.SET_ASIDE, opened.reason, opened.detail, scan),
                )
            else:
                db.execute("UPDATE scans SET page_count = ? WHERE id = ?", (opened, scan))
                db.executemany(
                    "INSERT INTO pages (scan, scan_page) VALUES (?, ?)", [(scan, number) for number in range(1, opened + 1)]
                )

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """What is saved in the ``with`` block goes to disk together, or not at all: each time that takes as long as reading a page."""
        with self._transaction():
            yield

    # ----------------------------------------------------------------- pages

    def pending(self) -> tuple[tuple[Scan, tuple[int, ...]], ...]:
        """Pages that are still to be read, by scan in order; pages are counted from 1."""
        waiting: dict[int, list[int]] = {}
        for scan, number in self._db.execute("SELECT scan, scan_page FROM pages WHERE state = 'pending' ORDER BY scan_page"):
            waiting.setdefault(scan, []).append(number)
        return tuple((scan, tuple(waiting[scan.id])) for scan in self.scans() if scan.id in waiting)

    def save_pages(self, scan: int, results: Mapping[int, PageResult]) -> None:
        """Store the results of pages of one scan, by page number, in one transaction."""
        rows = [(*_as_row(result), scan, number) for number, result in results.items()]
        with self._transaction() as db:
            done = db.executemany(
                "UPDATE pages SET state = 'done', outcome = ?, reason = ?, detail = ?, image_sha256 = ?, page = ?, copy = ?,"
                " page_source = ?, rotation = ?, residual_mm = ?, dpi = ?, transform = ?, readings = ?, pictures = ?, sticker = ?,"
                " prints = ?"
                " WHERE scan = ? AND scan_page = ? AND state = 'pending'",
                rows,
            )
            if done.rowcount != len(rows):
                raise AssertionError(f"{len(rows)} results for {done.rowcount} pending pages of scan {scan}")

    def pages(self, *, readings: bool = True) -> tuple[ScannedPage, ...]:
        """Every page that was read or set aside, in the order of scans and their pages, repeated images set aside.

        A file that was set aside as a whole is one entry with page number 0.

        Parameters
        ----------
        readings : bool
            Whether what was measured in the boxes is wanted too, which takes by far the most of the time.
        """
        width = self._width()
        query = _DONE_PAGES if readings else _DONE_PAGES.replace("readings, pictures,", "NULL, NULL,")
        pages = [
            ScannedPage(PageRef(name, 0, position), PageSetAside(Reason(reason), detail))
            for name, position, reason, detail in self._db.execute(
                "SELECT name, position, reason, detail FROM scans WHERE outcome IS NOT NULL"
            )
        ]
        for name, position, number, *row in self._db.execute(f"{query} WHERE state = 'done'"):
            pages.append(ScannedPage(PageRef(name, number, position), _from_row(row, width)))
        pages.sort(key=lambda page: (page.ref.scan_order, page.ref.scan_page))
        return set_repeats_aside(pages)

    def pages_at(self, refs: Iterable[PageRef]) -> tuple[ScannedPage, ...]:
        """Single pages as they were read or set aside, without regard to whether an image is repeated; those known, in this order.

        For looking at some pages of a large run: `pages` loads all of them.
        """
        width = self._width()
        query = f"{_DONE_PAGES} WHERE state = 'done' AND name = ? AND scan_page = ?"
        found = []
        for ref in refs:
            for name, position, number, *row in self._db.execute(query, (ref.scan, ref.scan_page)):
                found.append(ScannedPage(PageRef(name, number, position), _from_row(row, width)))
        return tuple(found)

    def _width(self) -> int:
        """How many features were measured in a box."""
        row = self._db.execute("SELECT value FROM run WHERE key = 'features'").fetchone()
        return len(json.loads(row[0])) if row else 0

    def state(self) -> str:
        """Text that changes whenever a scan comes in or a page is read, be it once more."""
        counts = (
            "SELECT (SELECT count(*) FROM scans), (SELECT count(*) FROM pages WHERE state = 'done'),"
            " (SELECT count(*) FROM pages WHERE outcome = 'read')"
        )
        return "/".join(str(one) for one in self._db.execute(f"{counts}, count(outcome) FROM scans").fetchone())

    # ----------------------------------------------------------------- what people add

    @contextmanager
    def writing(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """A transaction for those who keep tables of their own here.

        Parameters
        ----------
        durable : bool
            Whether it is on disk once the ``with`` block ends; else it is with the next transaction that is, and nobody waits for it.
        """
        if durable or self._db.in_transaction:
            with self._transaction() as db:
                yield db
            return
        self._db.execute("PRAGMA synchronous = NORMAL")
        try:
            with self._transaction() as db:
                yield db
        finally:
            self._db.execute("PRAGMA synchronous = FULL")

    def query(self, statement: str, values: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
        """Rows of a table that is kept here."""
        with self._explained():
            yield from self._db.execute(statement, values)

    def insert_by_hand(self, db: sqlite3.Connection, decision: str, page: PageRead) -> None:
        """Store, in a transaction under way, how a page was read that a person laid under its form."""
        row = _as_row(page)
        db.execute(f"INSERT INTO pages_by_hand VALUES (?{', ?' * len(row)})", (decision, *row))

    def pages_by_hand(self) -> dict[str, PageRead]:
        """Pages that a person laid under their form, by the id of that decision."""
        width = self._width()
        found = {}
        for decision, *row in self._db.execute("SELECT * FROM pages_by_hand"):
            page = _from_row(row, width)
            assert isinstance(page, PageRead)
            found[decision] = page
        return found

    def names(self) -> dict[tuple[str, str], str]:
        """Names that were read, by page image and field; "" where nothing could be read."""
        return {(image, field): text for image, field, text in self._db.execute("SELECT image, field, text FROM names")}

    def save_names(self, names: Mapping[tuple[str, str], str]) -> None:
        """Store names that were read."""
        with self._transaction() as db:
            db.executemany("INSERT OR REPLACE INTO names VALUES (?, ?, ?)", [(*place, text) for place, text in names.items()])

    def scrub(self, facts: Mapping[str, str], digits: Sequence[str] | None = None) -> None:
        """Take pictures and names out of the store, all at once, and record facts in the place of those that held names.

        Decisions stay, with who made them and when. With `digits` the student numbers go as well: from decisions about students and about
        boxes of these fields their content, from all decisions the remarks, and from all pages what was measured.

        Parameters
        ----------
        facts : mapping of str to str
            An empty text takes a fact out.
        digits : sequence of str, optional
            Fields in which student numbers are marked.
        """
        nothing = packed(Readings(np.zeros((0, self._width()), np.float32)))
        with self._transaction() as db:
            db.execute("PRAGMA secure_delete = ON")
            for table in ("pages", "pages_by_hand"):
                db.execute(f"UPDATE {table} SET pictures = ? WHERE pictures IS NOT NULL", (nothing,))
                if digits is not None:
                    db.execute(f"UPDATE {table} SET readings = x'' WHERE readings IS NOT NULL")
                    db.execute(f"UPDATE {table} SET sticker = NULL WHERE sticker IS NOT NULL")
            db.execute("DELETE FROM names")
            db.execute("UPDATE scans SET path = name")
            if digits is not None:
                _scrub_decisions(db, digits)
            gone = [(key,) for key, value in facts.items() if not value]
            db.executemany("DELETE FROM run WHERE key = ?", gone)
            db.executemany(
                "INSERT INTO run VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                [(key, value) for key, value in facts.items() if value],
            )

    def compact(self) -> None:
        """Write the file anew without anything that was taken out: no free page and no write-ahead log holds it any more."""
        with self._explained():
            self._db.execute("PRAGMA secure_delete = ON")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._db.execute("VACUUM")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def has_results(self) -> bool:
        """Whether any page was read, or set aside, already."""
        return self._db.execute("SELECT 1 FROM pages WHERE state = 'done' LIMIT 1").fetchone() is not None

    def page_count(self) -> int:
        """How many pages went in, as far as it is known; a file that was set aside as a whole counts as one."""
        (count,) = self._db.execute("SELECT coalesce(sum(page_count), 0) + count(outcome) FROM scans").fetchone()
        return int(count)

    # ----------------------------------------------------------------- the file itself

    def _check_through(self, head: str, heads: frozenset[str]) -> None:
        """Make sure that file and log are of one state, and sound.

        The log holds how the file began when the log did; a kill while the log was folded into the file leaves a later beginning, which
        is in the log as well. Any other one is of another moment: parts of two states may even look sound together.
        """
        faults = [str(row[0]) for row in self._db.execute("PRAGMA integrity_check(5)") if row[0] != "ok"]
        faults += [f"{row[0]} refers to a row that is not there" for row in self._db.execute("PRAGMA foreign_key_check")][:5]
        known = self._db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'opened'").fetchone()
        began = self._db.execute("SELECT head FROM opened").fetchone() if known else None
        if began is not None and heads and head not in {began[0], *heads}:
            faults.append("its log belongs to another state of it")
        if faults:
            raise UsageError(
                f"{self.path}: damaged ({'; '.join(faults)}). If this folder is a copy, it was made while a program wrote to the run: copy"
                " it again when none does. Else restore it from a copy, or choose another folder with `--out`."
            )

    def _migrate(self) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        (application,) = self._db.execute("PRAGMA application_id").fetchone()
        (tables,) = self._db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if tables and application != APPLICATION_ID:
            raise UsageError(f"{self.path}: this SQLite file was not made by scangrade. Choose another folder with `--out`.")
        if version > len(MIGRATIONS):
            raise UsageError(
                f"{self.path}: made by a newer scangrade (schema {version}, this one knows up to {len(MIGRATIONS)})."
                " Update scangrade, or choose another folder with `--out`."
            )
        for number, statements in enumerate(MIGRATIONS[version:], start=version + 1):
            with self._transaction() as db:
                for statement in statements:
                    db.execute(statement)
                db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                db.execute(f"PRAGMA user_version = {number}")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        if self._db.in_transaction:  # a part of `at_once`
            yield self._db
            return
        with self._explained():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn SQLite's errors that a person can do something about into ours."""
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the kind; the rest says more about it
            if code in _DISK_TROUBLE:
                raise OutputError(
                    f"{self.path}: cannot be written: {error}. Check the folder's rights and the free space."
                ) from error
            if code in _NOT_A_STORE:
                raise UsageError(
                    f"{self.path}: damaged, or not a run store: {error}."
                    " Choose another folder with `--out`, or restore the file."
                ) from error
            raise
        except UnicodeDecodeError as error:  # what SQLite quotes of a damaged schema need not be text
            raise UsageError(
                f"{self.path}: damaged, or not a run store. Choose another folder with `--out`, or restore the file."
            ) from error


def _head(path: Path) -> str:
    """The beginning of the store's file, which counts its changes; "" where there is none yet."""
    try:
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES).hex()
    except FileNotFoundError:
        return ""


def _logged_heads(log: Path) -> frozenset[str] | None:
    """The beginnings of the store's file that a write-ahead log holds (SQLite's file format, section 4); None where there is no log."""
    found = set()
    try:
        with log.open("rb") as file:
            start = file.read(32)
            if len(start) < 32:
                return None
            page_bytes, salts, at = int.from_bytes(start[8:12], "big"), start[16:24], 32
            while len(frame := file.read(24 + _HEAD_BYTES)) == 24 + _HEAD_BYTES and frame[8:16] == salts:
                if frame[:4] == b"\0\0\0\1":
                    found.add(frame[24:].hex())
                at += 24 + page_bytes
                file.seek(at)
    except FileNotFoundError:
        return None
    return frozenset(found)


def _storable(text: str) -> str | bytes:
    """Text as SQLite takes it: a path may hold bytes that are no characters, and is then stored as bytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return os.fsencode(text)
    return text


def _stored(kept: str | bytes) -> str:
    return kept if isinstance(kept, str) else os.fsdecode(kept)


def _scrub_decisions(db: sqlite3.Connection, digits: Sequence[str]) -> None:
    """The one place where rows of the journal are changed: a law on privacy stands above the one that they never are.

    Rows that said a number say nothing any more (`Topic.CHECK` decides nothing), but who decided something then.
    """
    triggers = db.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'decisions'").fetchall()
    for name, _ in triggers:
        db.execute(f"DROP TRIGGER {name}")
    db.execute("UPDATE decisions SET remark = ''")
    said = "UPDATE decisions SET topic = 'check', item = '', value = '', machine = '' WHERE topic"
    db.execute(f"{said} = 'student' AND value <> 'nobody'")
    for one in digits:
        db.execute(f"{said} = 'mark' AND substr(item, 1, ?) = ?", (len(one) + 1, f"{one}/"))
    for _, statement in triggers:
        db.execute(statement)


def set_repeats_aside(pages: Sequence[ScannedPage]) -> tuple[ScannedPage, ...]:
    """Set aside every image that was read before in the given order; the first one counts.

    Only images that were read count as read before: two pages with nothing on them may be equal to the last pixel.
    """
    first: dict[str, PageRef] = {}
    kept = []
    for page in pages:
        result = page.result
        if isinstance(result, PageRead):
            seen = first.setdefault(result.image_sha256, page.ref)
            if seen is not page.ref:
                detail = f"the same image as {seen.scan}, page {seen.scan_page}"
                aside = PageSetAside(Reason.DUPLICATE, detail, result.image_sha256, result.copy, result.page)
                kept.append(ScannedPage(page.ref, aside))
                continue
        kept.append(page)
    return tuple(kept)


def _as_row(result: PageResult) -> tuple[object, ...]:
    if isinstance(result, PageSetAside):
        empty = (None,) * 9
        return (Outcome.SET_ASIDE, result.reason, result.detail, result.image_sha256, result.page, result.copy, *empty)
    return (
        Outcome.READ,
        None,
        None,
        result.image_sha256,
        result.page,
        result.copy,
        result.page_source,
        result.rotation,
        result.residual_mm,
        result.dpi,
        json.dumps(result.transform.matrix),
        np.ascontiguousarray(result.readings.values, dtype="<f4").tobytes(),
        packed(result.readings),
        None if result.sticker is None else json.dumps(asdict(result.sticker)),
        json.dumps(dict(result.prints)) if result.prints else None,
    )


def _from_row(row: Sequence[object], width: int) -> PageResult:
    outcome, reason, detail, image_sha256, page, copy, page_source, rotation, residual_mm, dpi, transform, *blobs = row
    readings, pictures, sticker, prints = blobs
    if outcome == Outcome.SET_ASIDE:
        return PageSetAside(Reason(str(reason)), str(detail), str(image_sha256), str(copy), _int(page))
    assert isinstance(transform, str)
    if readings is None:
        measured = Readings(np.zeros((0, width), np.float32))
    else:
        assert isinstance(readings, bytes) and isinstance(pictures, bytes)
        values = np.frombuffer(readings, dtype="<f4").astype(np.float32, copy=False).reshape(-1, width)
        measured = PackedReadings.of(values, pictures)
    return PageRead(
        image_sha256=str(image_sha256),
        page=_int(page),
        copy=str(copy),
        page_source=str(page_source),
        rotation=_int(rotation),
        residual_mm=_float(residual_mm),
        dpi=_float(dpi),
        transform=Transform(tuple(json.loads(transform))),
        readings=measured,
        sticker=None if sticker is None else _sticker(str(sticker)),
        prints={} if prints is None else json.loads(str(prints)),
    )


def _sticker(text: str) -> StickerRead:
    held = json.loads(text)
    return StickerRead(tuple(StickerCode(**one) for one in held["codes"]), tuple(held["printed"]))


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value


def _float(value: object) -> float:
    assert isinstance(value, float)
    return value
