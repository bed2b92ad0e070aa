"""Where results are kept so that a review of a large run opens at once: a copy, never the truth.

Everything here can be derived again from pages, definitions and decisions. A print of these says whether the copy still holds. Texts are
JSON whose meaning is `scangrade.standing`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from scangrade.run.store import Store

_PRINT: Final = "standing.print"
_MACHINE: Final = "standing.machine"
_SEQ: Final = "standing.seq"
_GENERAL: Final = "standing.general"


@dataclass(frozen=True, slots=True)
class KeptBooklet:
    """What is kept of one booklet, as JSON texts."""

    booklet: str
    machine: str
    identity: str
    flags: str
    unsure: str
    scorecard: str


class Kept:
    """The kept results of a run."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def holds(self, fingerprint: str) -> bool:
        """Whether results are kept that were derived from what the print tells."""
        return self._store.facts().get(_PRINT) == fingerprint

    def machine_holds(self, machine_print: str) -> bool:
        """Whether what the machine makes of the pages is kept as it was derived from what the print tells."""
        return self._store.facts().get(_MACHINE) == machine_print

    def is_there(self) -> bool:
        """Whether results are kept at all, whatever they were derived from."""
        return _SEQ in self._store.facts()

    def seq(self) -> int:
        """The last decision that went into the kept results."""
        return int(self._store.facts()[_SEQ])

    def general(self) -> str:
        """What is kept of the run as a whole."""
        return self._store.facts()[_GENERAL]

    def replace(self, fingerprint: str, machine_print: str, seq: int, general: str, booklets: Sequence[KeptBooklet]) -> None:
        """Keep new results in the place of all others."""
        with self._store.writing() as db:
            db.execute("DELETE FROM standing")
            rows = [
                (place, one.booklet, one.machine, one.identity, one.flags, one.unsure, one.scorecard)
                for place, one in enumerate(booklets)
            ]
            db.executemany("INSERT INTO standing VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            facts = [(_PRINT, fingerprint), (_MACHINE, machine_print), (_SEQ, str(seq)), (_GENERAL, general)]
            db.executemany("INSERT INTO run VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", facts)

    def update(self, seq: int | None, booklets: Sequence[KeptBooklet], gone: Sequence[str] = ()) -> None:
        """Keep what decisions made of some booklets; new ones come last, `gone` are none any more.

        With `seq`, all that decisions up to this one changed is kept from now on. It goes to disk with the next decision: what a power cut
        takes is derived again, as if it had not been kept.
        """
        with self._store.writing(durable=False) as db:
            db.executemany("DELETE FROM standing WHERE booklet = ?", [(one,) for one in gone])
            db.executemany(
                "INSERT INTO standing (booklet, machine, identity, flags, unsure, scorecard) VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (booklet) DO UPDATE SET"
                " identity = excluded.identity, flags = excluded.flags, unsure = excluded.unsure, scorecard = excluded.scorecard",
                [(one.booklet, one.machine, one.identity, one.flags, one.unsure, one.scorecard) for one in booklets],
            )
            if seq is not None:
                db.execute("UPDATE run SET value = ? WHERE key = ?", (str(seq), _SEQ))

    def summaries(self) -> list[tuple[str, str, str]]:
        """Identity, flags and unsure boxes of all, in the order of booklets."""
        return [
            (identity, flags, unsure)
            for identity, flags, unsure in self._store.query("SELECT identity, flags, unsure FROM standing ORDER BY position")
        ]

    def scorecards(self) -> list[str]:
        """All scorecards, in the order of booklets."""
        return [text for (text,) in self._store.query("SELECT scorecard FROM standing ORDER BY position")]

    def machines(self) -> list[tuple[str, str]]:
        """What the machine makes of each of its booklets, in order."""
        return [
            (booklet, text)
            for booklet, text in self._store.query(
                "SELECT booklet, machine FROM standing WHERE machine <> '' ORDER BY position"
            )
        ]

    def machine(self, booklet: str) -> str | None:
        """What the machine makes of one booklet; None where it is none of the machine's."""
        return next(
            (text for (text,) in self._store.query("SELECT machine FROM standing WHERE booklet = ?", (booklet,))), None
        )
