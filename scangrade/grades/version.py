"""Which version of the exam a booklet is: never guessed, since another version's key makes every answer wrong."""

from __future__ import annotations

from collections.abc import Sequence

from scangrade.model import Answer, Field, FieldKind, Flag, FlagKind, Layout, Rubric, Student


def version_of(
    booklet: str, answers: Sequence[Answer], layout: Layout, rubric: Rubric, *, student: Student | None
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
    told = _from_roster(student) if rubric.version_from == "roster" else _from_marks(answers, fields)
    if told in rubric.versions:
        return told, ()
    where = fields[0] if fields and rubric.version_from != "roster" else None
    known = ", ".join(rubric.versions)
    if not told:
        if rubric.version_from == "roster":
            why = "the roster has none for its student" if student else "it is not certain whose booklet it is"
        else:
            why = "it is not marked, not clearly marked, or its page is missing"
    else:
        why = f"{told!r} is none of the rubric's versions"
    detail = f"booklet {booklet}: the version of the exam is not known: {why}. It must be one of {known}."
    flag = Flag(FlagKind.UNKNOWN_VERSION, detail, booklet, where.page if where else 0, field=where.id if where else "")
    return None, (flag,)


def _from_roster(student: Student | None) -> str:
    return student.version if student else ""


def _from_marks(answers: Sequence[Answer], fields: Sequence[Field]) -> str:
    """The only mark in the version fields that came in, all alike; "" if there is none, or several, or any doubt."""
    by_field = {one.field: one for one in answers}
    found = [by_field[one.id] for one in fields if one.id in by_field]
    marked = {frozenset() if one.open else one.marked for one in found}
    only = marked.pop() if len(marked) == 1 else frozenset()
    return next(iter(only)) if len(only) == 1 else ""
