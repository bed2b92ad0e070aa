"""The journal of what people decided: rows are added and never changed or deleted (the store's triggers see to that).

A decision is on disk before `append` returns. Undo and redo are rows as well, so what was decided, by whom, and what was taken back
can be shown for ever. What all rows amount to is folded elsewhere (`answers/decisions.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Final

from scangrade.model import Entry, PageRead, Topic
from scangrade.run.store import Store

_COLUMNS: Final = tuple(f'"{one.name}"' for one in fields(Entry))
_ADDED: Final = _COLUMNS[1:]  # the sequence is given by the database


class Journal:
    """The decisions of one run."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def entries(self, after: int = 0) -> tuple[Entry, ...]:
        """Everything that was decided since a sequence number, in order."""
        rows = self._store.query(f"SELECT {', '.join(_COLUMNS)} FROM decisions WHERE seq > ? ORDER BY seq", (after,))
        return tuple(_entry(row) for row in rows)

    def append(self, entries: Sequence[Entry], by_hand: Mapping[str, PageRead] | None = None) -> tuple[Entry, ...]:
        """Add decisions, all or none of them; one whose id is there already is not added again.

        Parameters
        ----------
        entries : sequence of Entry
            Their `seq` is given here.
        by_hand : mapping of decision id to PageRead, optional
            How pages were read that these decisions lay under their form.

        Returns
        -------
        tuple of Entry
            Those that were added, with their `seq`.

        Raises
        ------
        OutputError
            If the store cannot be written; then nothing is added.
        """
        marks = ", ".join("?" * len(_ADDED))
        statement = f"INSERT INTO decisions ({', '.join(_ADDED)}) VALUES ({marks}) ON CONFLICT (id) DO NOTHING RETURNING seq"
        added = []
        with self._store.writing() as db:
            for entry in entries:
                values = [getattr(entry, name.strip('"')) for name in _ADDED]
                row = db.execute(statement, values).fetchone()
                if row is not None:
                    added.append(_entry((row[0], *values)))
                    if by_hand and entry.id in by_hand:
                        self._store.insert_by_hand(db, entry.id, by_hand[entry.id])
        return tuple(added)


def _entry(row: Sequence[object]) -> Entry:
    held = dict(zip((one.name for one in fields(Entry)), row, strict=True))
    held["topic"] = Topic(str(held["topic"]))
    held["settles"] = bool(held["settles"])
    return Entry(**held)  # type: ignore[arg-type]
