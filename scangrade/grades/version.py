"""Which version of the exam a booklet is: never guessed, since another version's key makes every answer wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from scangrade.model import Answer, Field, FieldKind, Flag, FlagKind, Layout, Rubric, Student


def version_of(
    booklet: str,
    answers: Sequence[Answer],
    layout: Layout,
    rubric: Rubric,
    *,
    student: Student | None,
    prints: Mapping[str, str] = MappingProxyType({}),
) -> tuple[str | None, tuple[Flag, ...]]:
    """Tell a booklet's version as the rubric's `version_from` says.

    Parameters
    ----------
    booklet : str
        The booklet's id.
    answers : sequence of Answer
        Of this booklet.
    layout : Layout
    rubric : Rubric
    student : Student or None
        Whose booklet it is, only where that is certain.
    prints : mapping of field id to str
        What is printed where the pages of the booklet have a version.

    Returns
    -------
    str or None
        The version; "" where the exam has none; None where it is not certain.
    tuple of Flag
        One of `FlagKind.UNKNOWN_VERSION` with None, else empty.
    """
    if not rubric.versions:
        return "", ()
    if rubric.version_from in rubric.versions:
        return rubric.version_from, ()
    fields = [one for one in layout.fields if one.kind is FieldKind.VERSION]
    match rubric.version_from:
        case "roster":
            told = _from_roster(student)
        case "code":
            told = _from_code(booklet, rubric)
        case "print":
            told = _from_print(prints, rubric)
        case _:
            told = _from_marks(answers, fields)
    if told in rubric.versions:
        return told, ()
    if rubric.version_from == "print":
        fields = [one for one in layout.fields if one.role == "version"]
    where = fields[0] if fields and rubric.version_from in ("mark", "print") else None
    known = ", ".join(rubric.versions)
    if not told:
        if rubric.version_from == "roster":
            why = "the roster has none for its student" if student else "it is not certain whose booklet it is"
        elif rubric.version_from == "code":
            why = f"what its page code says of the copy, {booklet!r}, tells none"
        elif rubric.version_from == "print":
            why = _unclear(prints)
        else:
            why = "it is not marked, not clearly marked, or its page is missing"
    else:
        why = f"{told!r} is none of the rubric's versions"
    detail = f"booklet {booklet}: the version of the exam is not known: {why}. It must be one of {known}."
    flag = Flag(FlagKind.UNKNOWN_VERSION, detail, booklet, where.page if where else 0, field=where.id if where else "")
    return None, (flag,)


def _from_roster(student: Student | None) -> str:
    return student.version if student else ""


def _from_code(copy: str, rubric: Rubric) -> str:
    """The version of a copy by its number or pattern, "" where it tells none; a booklet without a page code is called otherwise."""
    copies = rubric.copies
    if copies is None:
        return ""
    if copies.pattern:
        match = copy_pattern(copies.pattern).fullmatch(copy)
        return match["version"] if match else ""
    if not copy.isdecimal():
        return ""
    number = int(copy)
    return next((one for one, held in copies.ranges.items() if any(first <= number <= last for first, last in held)), "")


def _from_print(prints: Mapping[str, str], rubric: Rubric) -> str:
    """The version that is among the words of every place where one is printed, and no other with it; "" where they do not agree."""
    told = set()
    for text in prints.values():
        words = text.translate(_MARKS_OF_PRINT).split()
        versions = [one for one in rubric.versions if _holds(words, one.split())]
        # "Version A 2" holds "A", "A 2" and "2": the longest is meant
        longest = [
            one for one in versions if not any(one != other and _holds(other.split(), one.split()) for other in versions)
        ]
        told.add(longest[0] if len(longest) == 1 else "")
    return told.pop() if len(told) == 1 else ""


_MARKS_OF_PRINT = str.maketrans(dict.fromkeys(":;,.()[]{}|_/\\\"'", " "))


def _holds(words: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether words stand within others in this order."""
    return any(list(words[start : start + len(wanted)]) == list(wanted) for start in range(len(words) - len(wanted) + 1))


def _unclear(prints: Mapping[str, str]) -> str:
    texts = sorted({text for text in prints.values() if text})
    if not texts:
        return "nothing can be read where it is printed, or its page is missing"
    return f"what is printed there, read as {', '.join(map(repr, texts))}, tells none, or several"


def copy_pattern(pattern: str) -> re.Pattern[str]:
    """What matches copies: literal text, with ``{version}``, and ``{number}`` for digits.

    Examples
    --------
    >>> copy_pattern("{version}-{number}").fullmatch("B-0042")["version"]
    'B'
    """
    places = {"{version}": "(?P<version>.+?)", "{number}": "[0-9]+"}
    return re.compile("".join(places.get(part, re.escape(part)) for part in re.split(r"(\{version\}|\{number\})", pattern)))


def printed_as(question: str, version: str, rubric: Rubric) -> tuple[str, Mapping[str, str]]:
    """As which question a version prints one of the rubric's, and which alternatives its boxes are, where they are not what they say."""
    permutation = rubric.permutations.get(version)
    if permutation is None:
        return question, {}
    there = {meant: place for place, meant in permutation.questions.items()}
    place = there.get(question, "" if question in permutation.questions else question)
    return place, permutation.alternatives.get(place, {})


def asked_at(place: str, version: str, rubric: Rubric) -> str:
    """Which of the rubric's questions a version prints as this one: the reverse of `printed_as`."""
    permutation = rubric.permutations.get(version)
    return permutation.questions.get(place, place) if permutation else place


def _from_marks(answers: Sequence[Answer], fields: Sequence[Field]) -> str:
    """The only mark in the version fields that came in, all alike; "" if there is none, or several, or any doubt."""
    by_field = {one.field: one for one in answers}
    found = [by_field[one.id] for one in fields if one.id in by_field]
    marked = {frozenset() if one.open else one.marked for one in found}
    only = marked.pop() if len(marked) == 1 else frozenset()
    return next(iter(only)) if len(only) == 1 else ""
