"""Whose number a pasted label gives, and whether what is printed on it, or marked in a grid, contradicts that.

A code says a student if its text, or a number within its text, is the number of exactly one student of the roster. Nothing here is taken
for somebody because it is near: a code is right or it is not read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from scangrade.model import Roster, StickerRead, Student
from scangrade.settings import STICKER, StickerReading

_MOST_SHOWN: Final = 40  # characters of a code's text
_LONGEST_NUMBER: Final = 20  # characters of a student's number that is on no list


@dataclass(frozen=True, slots=True)
class StickerWord:
    """What a label's code says."""

    number: str  #: of the student that it names; "" where it names none, or several
    student: Student | None  #: None without a roster as well
    fault: str = ""  #: why it names none, in words; "" where there is no code
    candidates: tuple[Student, ...] = ()


def word_of(sticker: StickerRead, roster: Roster | None, *, settings: StickerReading = STICKER) -> StickerWord:
    """Tell whose number the codes of a label give.

    Parameters
    ----------
    sticker : StickerRead
    roster : Roster or None
        Without one a code's text is taken for a number as it stands if it is one, or holds exactly one.
    settings : StickerReading
    """
    texts = list(dict.fromkeys(one.text for one in sticker.codes))
    if not texts:
        return StickerWord("", None)
    if roster is None:
        numbers = {number for text in texts for number in _numbers_in(text, settings)}
        if len(numbers) == 1:
            return StickerWord(numbers.pop(), None)
        return StickerWord("", None, "holds no number" if not numbers else "holds several numbers")
    named = {text: [one for one in roster.students if _names(text, one.number, settings)] for text in texts}
    students = tuple(dict.fromkeys(one for found in named.values() for one in found))
    nobody = [text for text, found in named.items() if not found]
    if len(students) == 1 and not nobody:
        return StickerWord(students[0].number, students[0])
    if len(students) > 1:
        return StickerWord("", None, "is that of several students of the roster", students)
    if students:
        return StickerWord(
            "", None, f"is not the only one: nobody on the roster has {' or '.join(map(shown, nobody))}", students
        )
    like = tuple(one for one in roster.students if any(_same_but_zeros(text, one.number) for text in texts))
    fault = "is of nobody on the roster"
    if like:
        fault += ", but for zeros at the start, which spreadsheets drop: correct the roster if so"
    return StickerWord("", None, fault, like)


def contradicts(printed: Sequence[str], number: str, roster: Roster | None, *, settings: StickerReading = STICKER) -> str:
    """The printed number that is not the one that another witness gives, "" where none contradicts it.

    Print with another number of digits is something else on the label, or part of a number: it says nothing, unless another student
    has it.
    """
    others = {one.number for one in roster.students} - {number} if roster else set()
    of_others = [one for one in printed if one in others and len(one) >= settings.least_digits]
    if of_others:
        return of_others[0]
    if any(number in one for one in printed):
        return ""
    return next((one for one in printed if len(one) == len(number) and number.isdigit()), "")


def printed_of(printed: Sequence[str], roster: Roster | None) -> tuple[Student, ...]:
    """Students whose number is printed."""
    return tuple(one for one in roster.students if one.number in printed) if roster else ()


def as_words(sticker: StickerRead) -> tuple[str, str]:
    """What was read as code and as print, for people; "" for what was not."""
    codes = " and ".join(f"{shown(one.text)} ({one.format})" for one in sticker.codes)
    return codes, " and ".join(sticker.printed)


def shown(text: str) -> str:
    """A code's text for people: anybody can paste a code, which may hold thousands of characters, or such as no screen shows."""
    plain = "".join(one if one.isprintable() else " " for one in text).strip() or "nothing legible"
    return plain if len(plain) <= _MOST_SHOWN else f"{plain[:_MOST_SHOWN]}..."


def _names(text: str, number: str, settings: StickerReading) -> bool:
    """Whether a code's text is a student's number, or has it in it as a number of its own."""
    if text.strip() == number:
        return bool(number)
    if len(number) < settings.least_digits or number not in text:  # most by far: a pattern for each would take minutes
        return False
    edge = "[0-9]" if number.isdigit() else "[0-9A-Za-z]"
    return re.search(f"(?<!{edge}){re.escape(number)}(?!{edge})", text) is not None


def _numbers_in(text: str, settings: StickerReading) -> set[str]:
    whole = as_number(text)
    if whole:
        return {whole}
    return {one for one in re.findall("[0-9]+", text) if settings.least_digits <= len(one) <= _LONGEST_NUMBER}


def as_number(text: str) -> str:
    """A code's text where it can be a number as it stands, else ""."""
    whole = text.strip()
    known = whole.isascii() and whole.isalnum() and any(one.isdigit() for one in whole) and len(whole) <= _LONGEST_NUMBER
    return whole if known else ""


def _same_but_zeros(text: str, number: str) -> bool:
    return number.isdigit() and text.strip().lstrip("0") == number.lstrip("0") != ""
