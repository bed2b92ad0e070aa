"""Where a question and its boxes are, and how they stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scangrade.answers.decisions import said
from scangrade.model import MACHINE, Field, FieldKind, Layout, PageRead, Region, Topic, Verdict, page_key
from scangrade.review.desk import Desk, box_name
from scangrade.review.front import LETTERS, to
from scangrade.review.pictures import strip_size
from scangrade.settings import REVIEW
from scangrade.standing import Concluded


def together(layout: Layout, field: Field) -> list[Field]:
    """Fields that are looked at together: a grid's columns, all fields of a question on the page."""
    if field.group:
        return [one for one in layout.fields if one.group == field.group and one.page == field.page]
    if field.question:
        return [one for one in layout.fields if one.question == field.question and one.page == field.page and one.boxes]
    return [field]


def region_of(layout: Layout, fields: Sequence[Field]) -> Region:
    """The part of a page that is shown for fields: with their surroundings, as wide as the page where they are a question."""
    page = layout.page(fields[0].page)
    boxes = [box for one in fields for box in one.boxes]
    margin = REVIEW.strip_margin_mm
    top, bottom = min(box.y_mm - box.height_mm / 2 for box in boxes), max(box.y_mm + box.height_mm / 2 for box in boxes)
    margin = max(margin, (REVIEW.strip_least_mm - (bottom - top)) / 2)
    top, bottom = max(0.0, top - margin), min(page.height_mm, bottom + margin)
    if fields[0].group:
        left = max(0.0, min(box.x_mm for box in boxes) - 3 * margin)
        right = min(page.width_mm, max(box.x_mm for box in boxes) + 3 * margin)
    else:
        left, right = 4.0, page.width_mm - 4.0
    return Region(fields[0].page, left, top, right - left, bottom - top)


def shown_region(layout: Layout, field: Field) -> Region:
    """The part of a page that is shown for a field: its own place with a margin, else its boxes and those that belong to them."""
    own, margin = field.region, REVIEW.region_margin_mm
    if own is None:
        return region_of(layout, together(layout, field))
    return Region(field.page, own.x_mm - margin, own.y_mm - margin, own.width_mm + 2 * margin, own.height_mm + 2 * margin)


@dataclass(frozen=True, slots=True)
class Strip:
    """Where the picture of a field comes from, and its size in pixels, which keeps its place on a screen until it comes."""

    url: str
    width: int
    height: int


def strip_of(layout: Layout, booklet: str, field: Field) -> Strip:
    """The picture of a field in a booklet."""
    return Strip(to("/region", b=booklet, n=str(field.page), q=field.id), *strip_size(shown_region(layout, field)))


def paper_of(layout: Layout, page: int) -> tuple[int, int]:
    """Width and height of a page's paper in mm, about as its scan is; that of the first one where the page is not known."""
    known = next((one for one in layout.pages if one.number == page), layout.pages[0])
    return round(known.width_mm), round(known.height_mm)


def boxes_of(desk: Desk, concluded: Concluded, fields: Sequence[Field], current: Field | None) -> list[dict[str, Any]]:
    """Boxes with their verdicts and where they are, in mm of the layout."""
    layout, made = desk.definitions.layout, []
    by_machine = {(one.field, one.box): one for answer in concluded.read.answers for one in answer.verdicts}
    for field in fields:
        answer = next((one for one in concluded.laid.answers if one.field == field.id), None)
        page = concluded.laid.booklet.pages.get(field.page)
        if answer is None or page is None or not isinstance(page.result, PageRead):
            continue
        rows = {box.key: row for row, box in enumerate(layout.boxes(field.page))}
        image = page_key(page)
        for box, verdict in zip(field.boxes, answer.verdicts, strict=True):
            row = rows[box.key]
            across, down = desk.place(page.result, row).offset_mm
            ruling = desk.standing.decisions.on(Topic.MARK, image, box.key)
            machine = by_machine.get((field.id, box.value))
            made.append(
                {
                    "name": box_name(image, field.page, row, concluded.laid.booklet.id),
                    "row": row,
                    "field": field.id,
                    "value": box.value,
                    "label": field.question or field.id,
                    "x": box.x_mm + across,
                    "y": box.y_mm + down,
                    "width": box.width_mm + 2 * box.frame_mm,
                    "height": box.height_mm + 2 * box.frame_mm,
                    "verdict": verdict.verdict.value,
                    "letter": LETTERS[verdict.verdict],
                    "by": verdict.decided_by if verdict.decided_by != MACHINE else "",
                    "machine": machine.verdict.value if machine else "",
                    "probability": machine.probability if machine else 0.0,
                    "guess": guess_of(machine) if machine else "empty",
                    "open": box.value in answer.open,
                    "said": said(ruling) if ruling and ruling.disputed else "",
                    "own": current is None or field.id == current.id,
                }
            )
    return made


def guess_of(verdict: Any) -> str:
    """What the machine would say, had it to say something."""
    if verdict.verdict is not Verdict.UNSURE:
        return str(verdict.verdict.value)
    return "marked" if verdict.probability >= 0.5 else "empty"


def answer_field(layout: Layout, question: str) -> Field | None:
    """Where the answer to a question is written: a text field that belongs to it, or is called like it; else boxes of it."""
    own = [one for one in layout.fields if question in (one.question, one.id)]
    own += [one for one in layout.fields if not one.question and one.id.startswith(f"{question}.")]
    written = [one for one in own if one.kind is FieldKind.TEXT and one.region is not None]
    return next(iter(written or [one for one in own if one.boxes]), None)
