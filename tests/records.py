"""Small layouts, pages and answers made from the answer, for the tests of the pure stages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

import numpy as np

from scangrade.model import (
    Answer,
    Box,
    BoxVerdict,
    Convention,
    Field,
    FieldKind,
    Layout,
    LayoutPage,
    PageRead,
    PageRef,
    PageSetAside,
    Policy,
    Question,
    Readings,
    Reason,
    Region,
    ScannedPage,
    Transform,
    Verdict,
)


def field(field_id: str, kind: FieldKind, values: Iterable[str], page: int = 1, **more: object) -> Field:
    """A field with a row of boxes; a choice and a credit column answer the question of their id, if no other is named."""
    boxes = tuple(Box(field_id, value, page, 20.0 + 8 * place, 40.0, 4.0, 4.0, 0.3) for place, value in enumerate(values))
    if kind in (FieldKind.CHOICE, FieldKind.CREDIT):
        more.setdefault("question", field_id)
    return Field(field_id, kind, page, boxes, **more)  # type: ignore[arg-type]


def choice(field_id: str, values: Iterable[str] = "ABCD", page: int = 1, *, question: str = "") -> Field:
    return field(field_id, FieldKind.CHOICE, values, page, many=True, question=question or field_id)


def credit_columns(question: str, most: int, corrections: int = 2, page: int = 1) -> tuple[Field, ...]:
    values = [value for number in range(most) for value in (str(number), f"{number}H")] + [str(most)]
    return tuple(
        field(f"{question}/{one}", FieldKind.CREDIT, values, page, question=question, correction=one)
        for one in range(1, corrections + 1)
    )


def number_grid(places: int = 8, page: int = 1, group: str = "student_number") -> tuple[Field, ...]:
    return tuple(
        field(f"{group}.{place}", FieldKind.DIGIT, "1234567890", page, group=group, place=place, role="student_number")
        for place in range(1, places + 1)
    )


def region(field_id: str, kind: FieldKind, page: int = 1, role: str = "") -> Field:
    return Field(field_id, kind, page, region=Region(page, 10, 10, 50, 10), role=role)


def layout(*fields: Field, pages: int = 1) -> Layout:
    return Layout(
        "exam", "Exam", Convention.ANY, tuple(LayoutPage(one, 210, 297, ()) for one in range(1, pages + 1)), tuple(fields)
    )


def question(question_id: str, policy: Policy, points: str | int | Fraction, *key: str, **more: object) -> Question:
    """A question whose `key` holds alternative keys, one character per alternative: "AC", or "" for none right."""
    if key and "keys" not in more:
        more["keys"] = {"": tuple(frozenset(one) for one in key)}
    return Question(question_id, policy, Fraction(points), **more)  # type: ignore[arg-type]


def answer(one: Field, marked: Iterable[str] = (), unsure: Iterable[str] = (), doubt: str = "") -> Answer:
    """What a field holds: `marked` and `unsure` are values of its boxes."""
    marked, unsure = set(marked), set(unsure)
    assert marked | unsure <= {box.value for box in one.boxes}

    def verdict(value: str) -> Verdict:
        return Verdict.UNSURE if value in unsure else Verdict.MARKED if value in marked else Verdict.EMPTY

    verdicts = tuple(BoxVerdict(one.id, box.value, verdict(box.value), 0.6) for box in one.boxes)
    return Answer(one.id, verdicts, doubt)


def number_answers(grid: Sequence[Field], number: str) -> tuple[Answer, ...]:
    """A marked student number: "_" for an empty column, "?" for an unsure one, "*" for two marks."""
    made = []
    for column, digit in zip(grid, number, strict=True):
        marks = {"_": "", "?": "", "*": "35"}.get(digit, digit)
        made.append(answer(column, marks, "4" if digit == "?" else ""))
    return tuple(made)


def read(page: int, copy: str = "", *, at: int, scan: str = "scan.pdf", order: int = 0, image: str = "") -> ScannedPage:
    """A page that was read: page `at` of a scan."""
    result = PageRead(
        image or f"{scan}:{order}:{at}",
        page,
        copy,
        "code",
        0,
        0.1,
        150.0,
        Transform((1, 0, 0, 0, 1, 0, 0, 0, 1)),
        Readings(np.zeros((0, 0), np.float32)),
    )
    return ScannedPage(PageRef(scan, at, order), result)


def set_aside(
    reason: Reason, *, at: int, copy: str = "", page: int = 0, scan: str = "scan.pdf", order: int = 0
) -> ScannedPage:
    """A page that was not read."""
    return ScannedPage(PageRef(scan, at, order), PageSetAside(reason, "", f"{scan}:{order}:{at}", copy, page))
