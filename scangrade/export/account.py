"""What became of everybody in a filled file, in words: every row and every booklet is counted, and whoever was left out is named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from scangrade.export.fill import Filled, Handled, Outcome
from scangrade.export.results import Result
from scangrade.grades.gradebook import Status
from scangrade.grades.rounding import rounded
from scangrade.settings import EXPORT

#: By outcome, those that need no person first: what a count says, and the head above the names ("" where they are not listed).
_WORDS: Final = {
    Outcome.WRITTEN: ("written", ""),
    Outcome.SAME: ("with this value already", ""),
    Outcome.NO_BOOKLET: ("without a booklet", "Left as they are, having no booklet in this run"),
    Outcome.STRANGER: ("not in this run", "Left as they are, being nobody in this run"),
    Outcome.NO_STUDENT: ("no students", ""),
    Outcome.OPEN: ("not decided", "Not decided yet"),
    Outcome.CLAIMED: ("claimed by two booklets", "Claimed by two booklets"),
    Outcome.TWICE: ("twice on the file", "Twice on the file; which row is meant is not guessed"),
    Outcome.CONFLICT: ("with contradicting ids", "With ids that contradict each other"),
    Outcome.OTHER_NAME: ("with another name", "The name beside the number is another one (--trust-numbers writes them all the same)"),
    Outcome.OTHER_VALUE: ("holding another value", "Hold another value, which stays (--replace writes over it)"),
    Outcome.LOCKED: ("locked", "Locked: the system would leave them out without a word. Unlock them there"),
    Outcome.NO_GRADE: ("without a grade", "The grade scale gives no grade for these points"),
    Outcome.NOT_ON_FILE: ("not on the file", "With a booklet, but not on the file; their points went nowhere"),
    Outcome.NOBODYS: ("nobody's", "Booklets of which nobody knows whose they are"),
}  # fmt: skip


def account(filled: Filled, *, written: bool) -> tuple[str, ...]:
    """Lines that count all rows, and all students and booklets without one, and name those who were left out.

    Parameters
    ----------
    filled : Filled
    written : bool
        Whether the file was made.
    """
    rows = [one for one in filled.handled if one.line]
    others = [one for one in filled.handled if not one.line]
    maximum = "" if filled.maximum is None else f", which counts to {rounded(filled.maximum, 5)}"
    lines = [f"Column    {_printable(filled.column)}{maximum}: {filled.quantity.value}; students by {filled.matched_by}"]
    lines += [f"Rows      {len(rows)} on the file = {_sum(rows, written=written)}"]
    if others:
        lines.append(f"Others    {len(others)} = {_sum(others, written=written)}")
    replaced = [one for one in rows if one.outcome is Outcome.WRITTEN and one.detail]
    if replaced:
        lines += _named("Written over another value" if written else "Would be written over another value", replaced)
    for outcome, (_, head) in _WORDS.items():
        held = [one for one in filled.handled if one.outcome is outcome]
        if head and held:
            lines += _named(head, held)
    return tuple(lines)


def waiting(results: Sequence[Result]) -> tuple[str, ...]:
    """Lines that count all students and booklets of our own files, and say how many of them wait."""
    counts = [(sum(one.status is status for one in results), status) for status in Status]
    told = " + ".join(f"{count} {status.value.replace('_', ' ')}" for count, status in counts if count)
    lines = [f"Rows      {len(results)} = {told}" if results else "Rows      0"]
    waits = sum(count for count, status in counts if status not in (Status.GRADED, Status.ABSENT))
    if waits:
        lines.append(f"Waiting   {waits} for a person's decision; points that are not certain are blank")
    return tuple(lines)


def _sum(held: Sequence[Handled], *, written: bool) -> str:
    words = {outcome: told for outcome, (told, _) in _WORDS.items()}
    if not written:
        words[Outcome.WRITTEN] = "ready"
    counts = [(sum(one.outcome is outcome for one in held), told) for outcome, told in words.items()]
    return " + ".join(f"{count} {words}" for count, words in counts if count) or "0"


def _named(head: str, held: Sequence[Handled]) -> list[str]:
    lines = [f"{head}:"]
    for one in held[: EXPORT.most_named]:
        place = f", line {one.line}" if one.line else ""
        value = f": {one.value}" if one.value else ""
        detail = f" ({one.detail})" if one.detail else ""
        lines.append(f"  {_printable(f'{one.told}{place}{value}{detail}')}")
    more = len(held) - EXPORT.most_named
    return [*lines, f"  and {more} more"] if more > 0 else lines


def _printable(text: str) -> str:
    """Without what a terminal would obey, since names come from another system's file."""
    return "".join(one if one.isprintable() else "?" for one in text)
