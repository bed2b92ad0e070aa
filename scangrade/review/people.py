"""Whose booklet it is: students that a number or a name could mean, ranked, each with the reason."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz, process

from scangrade.model import Student

_MOST = 12
_LIKE = 2  # rank from which names are only like what was typed, and numbers differ from it
_LEAST_LIKENESS = 60.0  # of 100: below it names have only single letters in common


@dataclass(frozen=True, slots=True)
class Candidate:
    """A student with the reason why it may be the one."""

    student: Student
    reason: str
    rank: float  #: less is likelier


def search(students: Sequence[Student], query: str) -> tuple[Candidate, ...]:
    """Students for what a person typed: digits of a number (anywhere in it, one of them wrong) or parts of a name.

    Parameters
    ----------
    students : sequence of Student
    query : str

    Returns
    -------
    tuple of Candidate
        The likeliest first, in roster order where they are alike.
    """
    words = query.strip()
    digits = re.sub(r"[\s.-]", "", words)
    if not digits:
        return ()
    by_number = digits.isascii() and digits.isdigit()
    found = _by_number(students, digits) if by_number else _by_name(students, words)
    if any(one.rank < _LIKE for one in found):  # what is only like it would stand between those that hold it
        found = [one for one in found if one.rank < _LIKE]
    return tuple(sorted(found, key=lambda one: one.rank)[:_MOST])


def near_number(students: Sequence[Student], read: str) -> tuple[Candidate, ...]:
    """Students whose number is near to one that was read, "?" standing for a digit that is not certain."""
    if not read.strip("?"):
        return ()
    found = []
    for student in students:
        if len(student.number) != len(read):
            continue
        open_ones = sum(one == "?" for one in read)
        wrong = sum(one not in ("?", other) for one, other in zip(read, student.number, strict=True))
        if wrong + open_ones <= 3 and wrong <= 2:
            found.append(Candidate(student, _differs(wrong, open_ones), wrong + open_ones / 2))
    return tuple(sorted(found, key=lambda one: one.rank)[:_MOST])


def _differs(wrong: int, open_ones: int) -> str:
    said = []
    if wrong:
        said.append("one digit differs" if wrong == 1 else f"{wrong} digits differ")
    if open_ones:
        said.append("one digit is open" if open_ones == 1 else f"{open_ones} digits are open")
    return ", ".join(said) or "the number as read"


def _by_number(students: Sequence[Student], digits: str) -> list[Candidate]:
    found = []
    for student in students:
        number = student.number
        if number == digits:
            found.append(Candidate(student, "the number", 0))
        elif number.startswith(digits):
            found.append(Candidate(student, "the number begins so", 1))
        elif digits in number:
            found.append(Candidate(student, "the number holds this", 1.5))
        elif len(digits) >= 3 and _one_wrong(number, digits):
            found.append(Candidate(student, "one digit differs", 3))
    return found


def _one_wrong(number: str, digits: str) -> bool:
    width = len(digits)
    return any(
        sum(one != other for one, other in zip(number[at : at + width], digits, strict=True)) == 1
        for at in range(len(number) - width + 1)
    )


def _plain(text: str) -> str:
    """Without case and accents."""
    spread = unicodedata.normalize("NFKD", text.casefold().replace("ß", "ss").replace("ł", "l").replace("ø", "o"))
    return "".join(one for one in spread if not unicodedata.combining(one))


def _by_name(students: Sequence[Student], words: str) -> list[Candidate]:
    names = [_plain(f"{one.last_name} {one.first_name}") for one in students]
    wanted = _plain(words)
    parts = wanted.replace(",", " ").split()
    found = []
    scores = process.cdist([wanted], names, scorer=fuzz.WRatio)[0] if names else []
    for student, name, score in zip(students, names, scores, strict=True):
        pieces = name.split()
        if all(any(piece.startswith(part) for piece in pieces) for part in parts):
            found.append(Candidate(student, "the name begins so", 0))
        elif all(part in name for part in parts):
            found.append(Candidate(student, "the name holds this", 1))
        elif score >= _LEAST_LIKENESS:
            found.append(Candidate(student, f"a name like it ({score:.0f} of 100)", 2 + (100 - float(score)) / 100))
    return found
