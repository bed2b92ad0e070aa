"""Where everything stands on the pages of a booklet: heights in, places and fields out.

All versions share one layout, so the room at the place of a question is that of the longest question which any version prints
there, row by row. A question is never split between pages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from scangrade.authoring.printing.typeset import Extent
from scangrade.authoring.printing.versions import Versions
from scangrade.definitions.exam import LETTERS, Asked, Exam, Front, StudentEntry
from scangrade.errors import Issue, Severity
from scangrade.model import (
    Box,
    Fiducial,
    FiducialKind,
    Field,
    FieldKind,
    Layout,
    LayoutPage,
    PageCode,
    PageCodeKind,
    Policy,
    Region,
)
from scangrade.settings import PRINT, PrintSettings

_PAPER = {"a4": (210.0, 297.0), "letter": (215.9, 279.4)}
_COPY = "{exam}/{copy}/{page}"


@dataclass(frozen=True, slots=True)
class Paper:
    """A page, and the part of it that holds the exam, in mm."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float

    @property
    def across(self) -> float:
        """Width of the part that holds the exam."""
        return self.right - self.left


@dataclass(frozen=True, slots=True)
class Slot:
    """The place of a question."""

    place: str  #: id of the question that the exam file has there
    page: int
    head: float | None  #: top of its part's heading, where one stands here
    stem: float  #: top of the question's text
    rows: tuple[tuple[float, float], ...] = ()  #: left and top of the text of each alternative
    credit: float | None = None  #: top of what stands above the boxes for graders
    frame: Region | None = None


@dataclass(frozen=True, slots=True)
class Cover:
    """What stands on the first page, from its top. Tops in mm; None for what is not there."""

    title: float
    lines: float
    name: Region | None
    label: Region | None
    written: Region | None
    number: tuple[float, float] | None  #: left and top of the caption of the student number
    marking: float
    instructions: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Arrangement:
    """All pages of a booklet."""

    paper: Paper
    layout: Layout
    cover: Cover
    slots: tuple[Slot, ...]
    free: tuple[int, ...] = ()  #: pages with nothing to answer


def paper_of(exam: Exam, *, settings: PrintSettings = PRINT) -> Paper:
    """The exam's paper."""
    return paper_sized(*_PAPER[exam.file.paper], settings=settings)


def paper_sized(width: float, height: float, *, settings: PrintSettings = PRINT) -> Paper:
    """Paper of some size with our margins."""
    return Paper(width, height, settings.left_mm, width - settings.left_mm, settings.top_mm, height - settings.bottom_mm)


def stem_width(paper: Paper, *, settings: PrintSettings = PRINT) -> float:
    """Width of a question's text, between its number and its points."""
    return paper.across - settings.number_mm - settings.points_mm


def alternative_width(paper: Paper, columns: int, *, settings: PrintSettings = PRINT) -> float:
    """Width of an alternative's text."""
    gap = 0.0 if columns == 1 else settings.text_gap_mm
    return (paper.across - settings.number_mm) / columns - settings.alternative_mm - gap


def _cover_widths(front: Front, paper: Paper, settings: PrintSettings) -> tuple[float, float]:
    """Widths of the cover's left part, for name and label, and of the grid on the right; 0 where there is none."""
    grid = front.student.digits * settings.digit_step_mm[0]
    return (paper.across - grid - 8 if grid else paper.across), grid


def marks(paper: Paper, *, settings: PrintSettings = PRINT) -> tuple[Fiducial, ...]:
    """Registration marks of a page."""
    inset = settings.mark_inset_mm
    places = [(x, y) for y in (inset, paper.height - inset) for x in (inset, paper.width - inset)]
    return tuple(Fiducial(FiducialKind.SQUARE, x, y, settings.mark_mm) for x, y in places)


def page_code(paper: Paper, exam: str, *, settings: PrintSettings = PRINT) -> PageCode:
    """The code of every page: exam, copy and page."""
    region = Region(0, paper.width - settings.code_right_mm, settings.code_top_mm, settings.code_mm, settings.code_mm)
    return PageCode(PageCodeKind.BARCODE, region, _COPY, exam)


def arrange(
    exam: Exam, versions: Versions, extents: Mapping[str, Extent], *, with_label: bool, settings: PrintSettings = PRINT
) -> tuple[Arrangement | None, tuple[Issue, ...]]:
    """Place everything.

    Parameters
    ----------
    exam : Exam
    versions : Versions
        What each version prints where.
    extents : mapping of str to Extent
        Sizes of all texts: ``stem/ID``, ``alternative/ID/NUMBER``, ``part/NUMBER``, ``title``, ``lines``, ``marking``,
        ``instructions``.
    with_label : bool
        Whether there is a place for a label, even if the exam file does not ask for one.

    Returns
    -------
    Arrangement, or None exactly where something is larger than a page; and what is larger.
    """
    paper = paper_of(exam, settings=settings)
    front, cover_fields = cover(exam.file, paper, extents, with_label=with_label, settings=settings)
    issues = []
    if front.bottom > paper.bottom:
        over = front.bottom - paper.bottom
        issues.append(
            _too_large(
                exam.source.where(("instructions",)),
                f"the cover is {over:.0f} mm too high for its page",
                "Shorten the instructions.",
            )
        )
    flow = _Flow(paper, 2 if exam.file.cover else 1, paper.top if exam.file.cover else front.bottom + settings.question_gap_mm)
    slots: list[Slot] = []
    fields: list[Field] = list(cover_fields)
    for one in exam.questions:
        shape = _shape(one, versions, extents, settings)
        head = extents[f"part/{one.part}"].height_mm + settings.text_gap_mm if _begins_part(one, exam) else 0.0
        if head + shape.height > paper.bottom - paper.top:
            room = paper.bottom - paper.top
            longest = shape.longest or one
            issues.append(
                _too_large(
                    exam.where(longest.place),
                    f"question {longest.id} is {head + shape.height:.0f} mm high, and a page has room for {room:.0f} mm",
                    "Shorten it, make its frame lower, set its alternatives in columns, or make two questions of it.",
                )
            )
            continue
        page, top = flow.place(head + shape.height, settings.question_gap_mm)
        try:
            slot, own = _slot(one, page, top, head, shape, paper, settings)
        except ValueError as error:
            issues.append(
                _too_large(
                    exam.where(one.place, "points"), str(error), "Make two questions of it, or take the half points out."
                )
            )
            continue
        slots.append(slot)
        fields += own
    if any(issue.severity is Severity.ERROR for issue in issues):
        return None, tuple(issues)
    pages = flow.page
    even = pages + pages % 2 if exam.file.duplex and pages > 1 else pages
    free = tuple(range(pages + 1, even + 1))
    layout = Layout(
        exam.file.name,
        exam.file.title,
        exam.file.convention,
        tuple(LayoutPage(page, paper.width, paper.height, marks(paper, settings=settings)) for page in range(1, even + 1)),
        tuple(fields),
        page_code(paper, exam.file.name, settings=settings),
    )
    return Arrangement(paper, layout, front, tuple(slots), free), tuple(issues)


def _too_large(where: str, what: str, advice: str) -> Issue:
    return Issue(Severity.ERROR, where, f"{what}.", advice)


def _begins_part(one: Asked, exam: Exam) -> bool:
    part = exam.parts[one.part]
    return part.place == one.place and bool(part.title)


@dataclass(slots=True)
class _Flow:
    """Goes down the pages."""

    paper: Paper
    page: int
    y: float

    def place(self, height: float, gap: float) -> tuple[int, float]:
        """Page and top for something of this height: on the next page where this one has no room left."""
        if self.y + height > self.paper.bottom + 1e-9:
            self.page, self.y = self.page + 1, self.paper.top
        top = self.y
        self.y += height + gap
        return self.page, top


# --------------------------------------------------------------------------- questions


@dataclass(frozen=True, slots=True)
class _Shape:
    """Sizes at a place, in all versions."""

    stem: float
    rows: tuple[float, ...]  #: heights of rows of alternatives
    firsts: tuple[float, ...]  #: heights of first lines, by row
    height: float
    longest: Asked | None = None  #: whose text makes the place as high as it is


def _shape(one: Asked, versions: Versions, extents: Mapping[str, Extent], settings: PrintSettings) -> _Shape:
    printed = [places[one.id] for places in versions.values()]
    stem = max(extents[f"stem/{each.question.id}"].height_mm for each in printed)
    longest = max((each.question for each in printed), key=lambda each: extents[f"stem/{each.id}"].height_mm)
    if not one.alternatives:
        return _Shape(stem, (), (), stem + settings.text_gap_mm + _credit_height(one, settings) + one.space_mm)
    rows: list[float] = []
    firsts: list[float] = []
    for first in range(0, len(one.alternatives), one.columns):
        held = [
            extents[f"alternative/{each.question.id}/{each.order[box]}"]
            for each in printed
            for box in range(first, min(first + one.columns, len(one.alternatives)))
        ]
        firsts.append(max(min(extent.first_mm for extent in held), settings.box_mm))
        rows.append(max(settings.row_mm, max(extent.height_mm for extent in held) + settings.text_gap_mm * 0.6))
    return _Shape(stem, tuple(rows), tuple(firsts), stem + settings.text_gap_mm + sum(rows), longest)


def _slot(
    one: Asked, page: int, top: float, head: float, shape: _Shape, paper: Paper, settings: PrintSettings
) -> tuple[Slot, list[Field]]:
    stem = top + head
    below = stem + shape.stem + settings.text_gap_mm
    slot = Slot(one.id, page, top if head else None, stem)
    if one.alternatives:
        return _choice(one, slot, below, shape, paper, settings)
    return _written(one, slot, below, paper, settings)


def _choice(
    one: Asked, slot: Slot, below: float, shape: _Shape, paper: Paper, settings: PrintSettings
) -> tuple[Slot, list[Field]]:
    left = paper.left + settings.number_mm
    step = (paper.right - left) / one.columns
    outer = settings.box_mm + 2 * settings.frame_mm
    rows: list[tuple[float, float]] = []
    boxes: list[Box] = []
    y = below
    for row, (height, first) in enumerate(zip(shape.rows, shape.firsts, strict=True)):
        for column in range(one.columns):
            box = row * one.columns + column
            if box >= len(one.alternatives):
                break
            x = left + column * step
            # the box stands at the middle of the first line, whatever the formulas in it
            middle = y + max(first, outer) / 2
            boxes.append(_box(one.id, LETTERS[box], slot.page, x + outer / 2, middle, settings))
            rows.append((x + settings.alternative_mm, y + max(0.0, outer - first) / 2))
        y += height
    field_ = Field(one.id, FieldKind.CHOICE, slot.page, tuple(boxes), question=one.id, many=one.many)
    return replace(slot, rows=tuple(rows)), [field_]


def _box(name: str, value: str, page: int, x: float, y: float, settings: PrintSettings, *, printed: str = "") -> Box:
    # places are written to a hundredth of a millimetre, so they are printed there
    return Box(
        name, value, page, round(x, 2), round(y, 2), settings.box_mm, settings.box_mm, settings.frame_mm, printed=printed
    )


def _credit_height(one: Asked, settings: PrintSettings) -> float:
    if one.policy is not Policy.CREDIT:
        return 0.0
    return settings.caption_mm + settings.row_mm * one.corrections


def _written(one: Asked, slot: Slot, below: float, paper: Paper, settings: PrintSettings) -> tuple[Slot, list[Field]]:
    left = paper.left + settings.number_mm
    top = below + _credit_height(one, settings)
    region = Region(slot.page, round(left, 2), round(top, 2), round(paper.right - left, 2), one.space_mm)
    if one.policy is not Policy.CREDIT:
        return replace(slot, frame=region), [
            Field(one.id, FieldKind.TEXT, slot.page, region=region, question=one.id, role="answer")
        ]
    fields = list(_credits(one, slot.page, below + settings.caption_mm, left, paper, settings))
    text = Field(f"{one.id}.text", FieldKind.TEXT, slot.page, region=region, question=one.id, role="answer")
    return replace(slot, credit=below, frame=region), [*fields, text]


def _credits(one: Asked, page: int, top: float, left: float, paper: Paper, settings: PrintSettings) -> Iterator[Field]:
    most = int(one.points)
    outer = settings.box_mm + 2 * settings.frame_mm
    label = 8.0 if one.corrections > 1 else 0.0
    room = paper.right - left - label - outer
    wide, least = settings.credit_step_mm, settings.least_credit_step_mm
    if not one.halves:
        wide, least = wide * 2 / 3, least * 2 / 3
    step = min(wide, room / most)
    if step < least:
        raise ValueError(f"a credit row for {most} points{' and their halves' if one.halves else ''} is wider than the page")
    step = round(step, 2)
    x = left + label + outer / 2
    for correction in range(one.corrections):
        name = f"{one.id}/{correction + 1}" if one.corrections > 1 else one.id
        y = top + correction * settings.row_mm + outer / 2
        boxes: list[Box] = []
        for number in range(most + 1):
            boxes.append(_box(name, str(number), page, x + number * step, y, settings, printed=str(number)))
            if one.halves and number < most:
                boxes.append(_box(name, f"{number}H", page, x + (number + 0.5) * step, y, settings, printed="H"))
        yield Field(name, FieldKind.CREDIT, page, tuple(boxes), question=one.id, correction=correction + 1)


# --------------------------------------------------------------------------- cover


def cover(
    front: Front, paper: Paper, extents: Mapping[str, Extent], *, with_label: bool, settings: PrintSettings = PRINT
) -> tuple[Cover, list[Field]]:
    """The first page, and what is to be read on it; `extents` as for `arrange`."""
    student, gap, caption = front.student, settings.text_gap_mm, settings.caption_mm
    lines = paper.top + extents["title"].height_mm + gap
    y = lines + (extents["lines"].height_mm + gap if front.lines else 0.0) + gap
    left_width, grid_width = _cover_widths(front, paper, settings)
    fields: list[Field] = []
    left_y = right_y = y
    name = label = written = None
    if student.name:
        name = _region(paper.left, left_y + caption, left_width, 12.0)
        fields.append(Field("name", FieldKind.TEXT, 1, region=name, role="name"))
        left_y += caption + 12.0 + gap
    if student.label or with_label:
        width, height = settings.label_mm
        label = _region(paper.left, left_y + caption, min(width, left_width), height)
        fields.append(Field("label", FieldKind.STICKER, 1, region=label))
        left_y += caption + height + gap
    if student.digits:
        number, right_y = number_grid(student, paper.right - grid_width, right_y, settings=settings)
        fields += number
    elif student.written:
        written = _region(paper.left, left_y + caption, min(80.0, left_width), 10.0)
        fields.append(Field("student_number_written", FieldKind.TEXT, 1, region=written, role="student_number"))
        left_y += caption + 10.0 + gap
    marking = max(left_y, right_y) + gap
    instructions = marking + extents["marking"].height_mm + gap
    bottom = instructions + (extents["instructions"].height_mm if front.instructions.strip() else -gap)
    grid = (paper.right - grid_width, y) if student.digits else (paper.left, left_y - caption - 10.0 - gap)
    place = grid if student.digits or student.written else None
    return Cover(paper.top, lines, name, label, written, place, marking, instructions, bottom), fields


def number_grid(
    student: StudentEntry, left: float, top: float, *, settings: PrintSettings = PRINT
) -> tuple[list[Field], float]:
    """The grid for a student number under its caption, and the frame to write the number in; and where they end."""
    across, down = settings.digit_step_mm
    fields: list[Field] = []
    y = top + settings.caption_mm
    if student.written and student.digits > 1:
        width, height = settings.cell_mm
        middle = y + settings.cell_frame_mm + height / 2
        name = "student_number_written"
        cells = tuple(
            Box(
                name,
                str(place + 1),
                1,
                round(left + (place + 0.5) * across, 2),
                round(middle, 2),
                width,
                height,
                settings.cell_frame_mm,
            )
            for place in range(student.digits)
        )
        row = _region(left, y, student.digits * across, height + 2 * settings.cell_frame_mm)
        fields.append(Field(name, FieldKind.HANDWRITTEN, 1, region=row, role="student_number", cells=cells))
        y += height + 2 * settings.cell_frame_mm + settings.text_gap_mm
    y += settings.box_mm / 2 + settings.frame_mm
    for place in range(student.digits):
        name = f"student_number.{place + 1}"
        boxes = tuple(
            _box(name, digit, 1, left + (place + 0.5) * across, y + row * down, settings, printed=digit)
            for row, digit in enumerate("1234567890")
        )
        fields.append(Field(name, FieldKind.DIGIT, 1, boxes, group="student_number", place=place + 1, role="student_number"))
    return fields, y + 9 * down + settings.box_mm / 2 + settings.text_gap_mm


def _region(left: float, top: float, width: float, height: float) -> Region:
    return Region(1, round(left, 2), round(top, 2), round(width, 2), round(height, 2))
