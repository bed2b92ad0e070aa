"""People filling in forms: how they hold a pen, what they draw into a box, how they change their mind.

The marks follow what is seen on scanned exams: dense fills and hatched ones with white gaps, crosses that miss the corners, ticks
whose tail runs out of the box, dots, rings around a box, rubbed-out pencil that left a shadow, correction fluid, boxes filled to
undo them, everything filled with an arrow to the one that counts. With each mark goes what it means under the form's
convention; `UNSURE` where a fair person would have to ask.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from scangrade.authoring.digits import Hand, draw_hand, rounded, write_number
from scangrade.authoring.form import FREE_TOP_MM, Rect, barcode_modules, frame_rect, runs
from scangrade.authoring.ink import FloatArray, Ink, Mark, Stroke
from scangrade.authoring.truth import BoxTruth
from scangrade.model import Box, Convention, Field, FieldKind, Layout, Region, Shape, Verdict


class Style(StrEnum):
    """What somebody draws into a box."""

    FULL = "full"  #: the whole box, dense
    SLOPPY = "sloppy"  #: the whole box, with white gaps and over the edge
    SCRIBBLE = "scribble"  #: loops that cover most of the box
    PARTIAL = "partial"  #: about half of the box
    CROSS = "cross"
    TICK = "tick"  #: the tail leaves the box
    LINE = "line"  #: one stroke through the box
    DOT = "dot"
    RING = "ring"  #: around the box
    LOOPED = "looped cross"  #: drawn without lifting the pen, a loop between the arms
    SMALL = "small cross"  #: somewhere in the box, half its size
    ALPHA = "alpha"  #: a cross in one go like the letter, often small
    ZIGZAG = "zigzag"  #: to and fro across the box, paper between the strokes


class Correction(StrEnum):
    """How somebody takes a mark back."""

    ERASE = "erase"  #: rubs it out; a shadow stays
    FLUID = "fluid"  #: paints it over with correction fluid
    UNDO = "undo"  #: fills the crossed box, or strikes the filled one through, as the form's convention has it
    ARROW = "arrow"  #: fills every box of the question and points at the one that counts


@dataclass(frozen=True, slots=True)
class Persona:
    """How one person marks."""

    name: str
    ink: Ink
    style: Style
    sometimes: tuple[Style, ...] = ()  #: styles that turn up in a question now and then
    sometimes_share: float = 0.0  #: in which share of the questions they do
    neatness: float = 0.7  #: 0 careless to 1 careful
    correction: Correction = Correction.ERASE
    mistakes: float = 0.0  #: share of the choice questions in which a mark is first made wrongly and then taken back
    specks: float = 0.0  #: share of the empty boxes in which the resting pen leaves a small dot


BLUE = Ink((38, 52, 150), 0.42, 0.93, 0.22)
BLACK = Ink((30, 30, 34), 0.42, 0.95, 0.2)
FELT = Ink((18, 18, 24), 0.95, 0.98, 0.04)
FINELINER = Ink((25, 25, 30), 0.3, 0.97, 0.06)
PENCIL_DARK = Ink((70, 70, 74), 0.6, 0.88, 0.42)
PENCIL_LIGHT = Ink((112, 112, 116), 0.55, 0.72, 0.6)
PENCIL_FAINT = Ink((125, 125, 128), 0.45, 0.58, 0.62)
RED = Ink((190, 30, 40), 0.45, 0.93, 0.2)
GREEN = Ink((30, 130, 70), 0.42, 0.93, 0.2)
GREY = Ink((105, 105, 112), 0.5, 0.9, 0.15)
SKY = Ink((70, 120, 210), 0.4, 0.9, 0.2)
BROAD_FELT = Ink((40, 30, 110), 1.3, 0.97, 0.04)

#: People who fill boxes.
FILLERS: tuple[Persona, ...] = (
    Persona("careful ballpoint", BLUE, Style.FULL, neatness=0.9, correction=Correction.FLUID, mistakes=0.03),
    Persona("hasty ballpoint", BLACK, Style.SLOPPY, neatness=0.35, correction=Correction.UNDO, mistakes=0.05, specks=0.01),
    Persona("soft pencil", PENCIL_DARK, Style.FULL, neatness=0.65, correction=Correction.ERASE, mistakes=0.12),
    Persona("pale pencil", PENCIL_LIGHT, Style.SLOPPY, neatness=0.6, correction=Correction.ERASE, mistakes=0.08),
    Persona("felt tip", FELT, Style.FULL, neatness=0.6, correction=Correction.ARROW, mistakes=0.03),
    Persona("scribbler", BLUE, Style.SCRIBBLE, neatness=0.45, correction=Correction.UNDO, mistakes=0.04),
    Persona("half filler", FINELINER, Style.FULL, (Style.PARTIAL,), 0.2, neatness=0.5, correction=Correction.FLUID),
)

#: People who cross boxes.
CROSSERS: tuple[Persona, ...] = (
    Persona("careful crosser", BLUE, Style.CROSS, neatness=0.9, correction=Correction.UNDO, mistakes=0.06),
    Persona("hasty crosser", BLACK, Style.CROSS, (Style.TICK,), 0.1, neatness=0.3, correction=Correction.UNDO, mistakes=0.08),
    Persona("pencil crosser", PENCIL_DARK, Style.CROSS, neatness=0.6, correction=Correction.ERASE, mistakes=0.12),
    Persona("pale crosser", PENCIL_LIGHT, Style.CROSS, neatness=0.6, correction=Correction.ERASE, mistakes=0.05),
    Persona("ticker", FINELINER, Style.TICK, neatness=0.6, correction=Correction.UNDO, mistakes=0.05),
    Persona("felt crosser", FELT, Style.CROSS, neatness=0.7, correction=Correction.ARROW, mistakes=0.04, specks=0.01),
)

#: Fillers and crossers with other pens: coloured, grey, faint, broad. Not among those whom `personas_for` gives.
ODD_FILLERS: tuple[Persona, ...] = (
    Persona("red filler", RED, Style.FULL, neatness=0.7, correction=Correction.FLUID, mistakes=0.02),
    Persona("green filler", GREEN, Style.SLOPPY, neatness=0.5, correction=Correction.UNDO, mistakes=0.03),
    Persona("grey filler", GREY, Style.FULL, neatness=0.7, correction=Correction.ERASE, mistakes=0.05),
    Persona("sky blue filler", SKY, Style.SCRIBBLE, neatness=0.5, correction=Correction.FLUID, mistakes=0.03),
    Persona("faint pencil", PENCIL_FAINT, Style.FULL, neatness=0.6, correction=Correction.ERASE, mistakes=0.05),
    Persona("broad felt tip", BROAD_FELT, Style.FULL, neatness=0.4, correction=Correction.ARROW, mistakes=0.02),
    Persona("zigzag filler", BLACK, Style.ZIGZAG, neatness=0.5, correction=Correction.FLUID, mistakes=0.02),
)
ODD_CROSSERS: tuple[Persona, ...] = (
    Persona("red crosser", RED, Style.CROSS, neatness=0.7, correction=Correction.UNDO, mistakes=0.03),
    Persona("green ticker", GREEN, Style.TICK, neatness=0.5, correction=Correction.UNDO, mistakes=0.03),
    Persona("grey crosser", GREY, Style.CROSS, neatness=0.6, correction=Correction.ERASE, mistakes=0.05),
    Persona("sky blue crosser", SKY, Style.CROSS, neatness=0.4, correction=Correction.FLUID, mistakes=0.03),
    Persona("faint crosser", PENCIL_FAINT, Style.CROSS, neatness=0.6, correction=Correction.ERASE, mistakes=0.04),
    Persona("small crosser", FINELINER, Style.SMALL, neatness=0.8, correction=Correction.UNDO, mistakes=0.03),
    Persona("cursive crosser", BLACK, Style.LOOPED, neatness=0.5, correction=Correction.UNDO, mistakes=0.04),
    Persona("alpha crosser", BLACK, Style.ALPHA, neatness=0.6, correction=Correction.UNDO, mistakes=0.03),
)

#: Whoever grades with a pen crosses credit boxes in red.
GRADER = Persona("grader", RED, Style.CROSS, neatness=0.7)

_M, _E, _U, _D = Verdict.MARKED, Verdict.EMPTY, Verdict.UNDONE, Verdict.UNSURE

#: Styles that count as filling. A crosser cannot strike a fill out where fills win: the crosses beside it would lose.
_FILLS = frozenset({Style.FULL, Style.SLOPPY, Style.SCRIBBLE, Style.PARTIAL, Style.ZIGZAG})

#: What a mark that stands alone in its question means.
MEANING: Mapping[Convention, Mapping[Style, Verdict]] = {
    Convention.FILL_WINS: {
        Style.FULL: _M, Style.SLOPPY: _M, Style.SCRIBBLE: _M, Style.PARTIAL: _M, Style.CROSS: _M, Style.TICK: _M,
        Style.LINE: _D, Style.DOT: _D, Style.RING: _D, Style.LOOPED: _M, Style.SMALL: _M, Style.ALPHA: _M, Style.ZIGZAG: _M,
    },
    Convention.CROSS: {
        Style.FULL: _U, Style.SLOPPY: _U, Style.SCRIBBLE: _D, Style.PARTIAL: _D, Style.CROSS: _M, Style.TICK: _M,
        Style.LINE: _D, Style.DOT: _D, Style.RING: _D, Style.LOOPED: _M, Style.SMALL: _M, Style.ALPHA: _M, Style.ZIGZAG: _D,
    },
    Convention.ANY: {
        Style.FULL: _M, Style.SLOPPY: _M, Style.SCRIBBLE: _M, Style.PARTIAL: _M, Style.CROSS: _M, Style.TICK: _M,
        Style.LINE: _M, Style.DOT: _D, Style.RING: _D, Style.LOOPED: _M, Style.SMALL: _M, Style.ALPHA: _M, Style.ZIGZAG: _M,
    },
    Convention.FILL: {
        Style.FULL: _M, Style.SLOPPY: _M, Style.SCRIBBLE: _M, Style.PARTIAL: _D, Style.CROSS: _D, Style.TICK: _D,
        Style.LINE: _D, Style.DOT: _D, Style.RING: _D, Style.LOOPED: _D, Style.SMALL: _D, Style.ALPHA: _D, Style.ZIGZAG: _M,
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Filling:
    """A filled booklet: what was drawn, in order, and what it means."""

    marks: tuple[Mark, ...]
    boxes: tuple[BoxTruth, ...]  #: every box of the layout, in layout order


def personas_for(convention: Convention) -> tuple[Persona, ...]:
    """People who mark as the form asks them to."""
    if convention is Convention.CROSS:
        return CROSSERS
    if convention is Convention.ANY:
        return CROSSERS[:3] + FILLERS[:3]
    return FILLERS


def fill_booklet(
    layout: Layout,
    answers: Mapping[str, frozenset[str]],
    persona: Persona,
    rng: np.random.Generator,
    *,
    grader: Persona = GRADER,
    texts: Mapping[str, str] | None = None,
    stickers: Mapping[str, str] | None = None,
    styles: Mapping[str, Style] | None = None,
    pages: Collection[int] | None = None,
    hand: Hand | None = None,
) -> Filling:
    """Fill a booklet in as a person does.

    Parameters
    ----------
    layout : Layout
    answers : mapping of field id to box values
        Which boxes the person means to mark; fields that are not in it stay blank. Credit fields are marked by the grader.
    persona, grader : Persona
    rng : Generator
    texts : mapping of field id to str, optional
        What is written into text regions. Digits are legible, letters are scribbles of the text's length; "" leaves a region
        blank, and one that is not mentioned gets some lines of scribble where it is for an answer.
    stickers : mapping of field id to str, optional
        Text of the sticker that is pasted into a sticker region.
    styles : mapping of field id to Style, optional
        Fields that are marked in another style than the persona's own, without mistakes.
    pages : collection of int, optional
        The only pages that are filled, where the others are not wanted; by default all.
    hand : Hand, optional
        Who writes the digits in cells; drawn at random, if not given, where there are any.

    Raises
    ------
    KeyError
        If `answers` names a field or a box that the layout does not have.
    """
    marks: list[Mark] = []
    truths: dict[str, BoxTruth] = {}
    for field_id in answers:
        layout.field(field_id)
    for one in layout.fields:
        wanted = answers.get(one.id, frozenset())
        unknown = wanted - {box.value for box in one.boxes}
        if unknown:
            raise KeyError(f"field {one.id} has no box {', '.join(sorted(unknown))}")
        if pages is not None and one.page not in pages:
            truths.update({box.key: BoxTruth(one.id, box.value, box.page, Verdict.EMPTY) for box in one.boxes})
        elif one.boxes:
            writer = grader if one.kind is FieldKind.CREDIT else persona
            if styles and one.id in styles:
                writer = replace(writer, style=styles[one.id], sometimes=(), mistakes=0.0)
            drawn, verdicts = _fill_field(one, wanted, writer, layout.convention, rng)
            marks += drawn
            truths.update({f"{one.id}/{truth.box}": truth for truth in verdicts})
        elif one.cells:
            text = (texts or {}).get(one.id, "")
            hand = hand or draw_hand(rng, care=persona.neatness)
            marks += write_number(one, text, hand, persona.ink, rng)
        elif one.region is not None and one.kind is FieldKind.STICKER:
            text = (stickers or {}).get(one.id, "")
            if text:
                marks += _sticker(one.region, text, rng)
        elif one.region is not None:
            marks += _write_text(one, one.region, (texts or {}).get(one.id), persona, rng)
    for page in layout.pages:
        if pages is not None and page.number not in pages:
            continue
        on_page = [one for one in layout.fields if one.page == page.number]
        if not any(one.boxes or one.role == "answer" or one.kind is FieldKind.STICKER for one in on_page):
            room = Region(page.number, 18.0, FREE_TOP_MM, page.width_mm - 36.0, page.height_mm - FREE_TOP_MM - 30.0)
            if rng.random() < 0.7:
                marks += _write_lines(room, persona, rng)
    boxes = tuple(truths[box.key] for one in layout.fields for box in one.boxes)
    return Filling(tuple(marks), boxes)


# --------------------------------------------------------------------------- fields


def _fill_field(
    one: Field, wanted: frozenset[str], persona: Persona, convention: Convention, rng: np.random.Generator
) -> tuple[list[Mark], list[BoxTruth]]:
    style = persona.style
    if persona.sometimes and one.kind is FieldKind.CHOICE and rng.random() < persona.sometimes_share:
        style = persona.sometimes[int(rng.integers(len(persona.sometimes)))]
    verdicts = {box.value: (Verdict.EMPTY, "") for box in one.boxes}
    marks: list[Mark] = []
    spare = [box for box in one.boxes if box.value not in wanted]
    if one.kind is FieldKind.CHOICE and spare and rng.random() < persona.mistakes:
        wrong = spare[int(rng.integers(len(spare)))]
        if persona.correction is Correction.ARROW and len(wanted) == 1:
            return fill_all_and_point(one, next(iter(wanted)), persona, rng)
        drawn, verdict = _take_back(wrong, style, persona, convention, rng)
        marks += drawn
        verdicts[wrong.value] = verdict
    for box in one.boxes:
        if box.value in wanted:
            marks.append(draw_mark(box, style, persona, rng))
            verdicts[box.value] = (MEANING[convention][style], style.value)
        elif verdicts[box.value][1] == "" and rng.random() < persona.specks:
            marks.append(_speck(box, persona, rng))
            verdicts[box.value] = (Verdict.EMPTY, "speck")
    return marks, [BoxTruth(one.id, box.value, box.page, *verdicts[box.value]) for box in one.boxes]


def _take_back(
    box: Box, style: Style, persona: Persona, convention: Convention, rng: np.random.Generator
) -> tuple[list[Mark], tuple[Verdict, str]]:
    """A mark made and taken back."""
    correction = persona.correction
    if correction is Correction.UNDO and convention is Convention.CROSS:
        crossed = draw_mark(box, style, persona, rng)
        return [crossed, draw_mark(box, Style.FULL, persona, rng)], (Verdict.UNDONE, "undone")
    if correction is Correction.UNDO and convention is Convention.FILL_WINS and style in _FILLS:
        filled = draw_mark(box, Style.FULL, persona, rng)
        return [filled, _strike(box, persona, rng)], (Verdict.UNDONE, "struck")
    first = draw_mark(box, style, persona, rng)
    if correction is Correction.ERASE:
        return [rub_out(first, rng)], (Verdict.EMPTY, "ghost")
    return [first, fluid(box, rng)], (Verdict.EMPTY, "fluid")


def fill_all_and_point(
    one: Field, value: str, persona: Persona, rng: np.random.Generator
) -> tuple[list[Mark], list[BoxTruth]]:
    """Every box of a field filled, and an arrow at one: a person must say what that means."""
    marks = [draw_mark(box, Style.FULL, persona, rng) for box in one.boxes]
    target = next(box for box in one.boxes if box.value == value)
    rect = frame_rect(target)
    upright = len(one.boxes) > 1 and abs(one.boxes[1].y_mm - one.boxes[0].y_mm) > abs(one.boxes[1].x_mm - one.boxes[0].x_mm)
    if upright:  # from the left, where a list of alternatives has its margin
        tip, tail, barb = (rect.left - 0.8, target.y_mm), (rect.left - 9.0, target.y_mm + 1.5), ((-2.0, -1.6), (-2.0, 1.6))
    else:
        tip, tail, barb = (target.x_mm, rect.bottom + 0.6), (target.x_mm + 1.0, rect.bottom + 5.0), ((-1.3, 1.5), (1.3, 1.5))
    lines = [np.array([tail, tip])] + [np.array([(tip[0] + dx, tip[1] + dy), tip]) for dx, dy in barb]
    strokes = tuple(Stroke(by_hand(line, rng, 0.15), persona.ink.width_mm) for line in lines)
    marks.append(Mark(one.page, "arrow", persona.ink, strokes))
    return marks, [BoxTruth(one.id, box.value, box.page, Verdict.UNSURE, "fill-all") for box in one.boxes]


# --------------------------------------------------------------------------- marks in boxes


def draw_mark(box: Box, style: Style, persona: Persona, rng: np.random.Generator) -> Mark:
    """One mark of a style in a box."""
    pen, care = persona.ink, persona.neatness
    match style:
        case Style.FULL:
            over = 0.25 * (1 - care) - 0.2 * pen.width_mm
            lines = [*hatch(box, pen.width_mm * 0.72, rng, over=over), _outline(box, rng, pen.width_mm / 2)]
            if care < 0.8:
                lines += hatch(box, pen.width_mm * 1.0, rng, over=0.2 * (1 - care))
        case Style.SLOPPY:
            lines = hatch(box, pen.width_mm * 1.25, rng, over=0.7 * (1 - care))
            lines += hatch(box, pen.width_mm * 2.2, rng, over=0.9 * (1 - care))
        case Style.SCRIBBLE:
            lines = [_loops(box, pen.width_mm, rng), _loops(box, pen.width_mm, rng)]
        case Style.PARTIAL:
            part = _part(box, rng)
            lines = hatch(part, pen.width_mm * 0.85, rng, over=0.05)
        case Style.CROSS:
            lines = _cross(box, care, rng)
        case Style.TICK:
            lines = [_tick(box, care, rng)]
        case Style.LINE:
            lines = _cross(box, care, rng)[:1]
        case Style.DOT:
            radius = min(box.width_mm, box.height_mm) * rng.uniform(0.08, 0.16)
            lines = [spiral(box.x_mm + rng.normal(0, 0.3), box.y_mm + rng.normal(0, 0.3), radius, 2.0, rng)]
        case Style.RING:
            radius = max(box.width_mm, box.height_mm) * rng.uniform(0.8, 0.95)
            lines = [_ring(box, radius, rng)]
        case Style.LOOPED:
            lines = [_looped_cross(box, care, rng)]
        case Style.ALPHA:
            lines = [_alpha(box, rng)]
        case Style.ZIGZAG:
            lines = [_zigzag(box, pen.width_mm, rng)]
        case Style.SMALL:
            lines = _cross(_somewhere_in(box, rng), min(care, 0.8), rng)
    return Mark(box.page, style.value, pen, tuple(Stroke(line, pen.width_mm) for line in lines), box=box.key)


def by_hand(line: FloatArray, rng: np.random.Generator, wobble_mm: float, step_mm: float = 0.35) -> FloatArray:
    """A polyline as a hand draws it: finely divided, with a smooth tremor."""
    lengths = np.hypot(*np.diff(line, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(lengths)])
    if along[-1] == 0:
        return line
    steps = max(3, int(along[-1] / step_mm))
    at = np.linspace(0, along[-1], steps)
    points = np.column_stack([np.interp(at, along, line[:, axis]) for axis in (0, 1)])
    phase = rng.uniform(0, 2 * np.pi, (2, 3))
    waves = np.array([rng.uniform(3, 7), rng.uniform(7, 13), rng.uniform(1.3, 2.6)])  # mm
    sway = np.sin(at[None, None, :] * 2 * np.pi / waves[None, :, None] + phase[:, :, None])
    weights = rng.normal(0, 1, (2, 3)) * np.array([1.0, 1.0, 0.35])
    moved: FloatArray = points + (sway * weights[:, :, None]).sum(axis=1).T * wobble_mm * 0.5
    return moved


def hatch(box: Box, spacing_mm: float, rng: np.random.Generator, *, over: float) -> list[FloatArray]:
    """Zigzag over a box; `over` mm beyond its inside on average, negative for staying within."""
    angle = rng.uniform(-0.35, 0.35) + (np.pi / 4 if rng.random() < 0.6 else 0.0) + (np.pi / 2 if rng.random() < 0.25 else 0.0)
    axis, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    half = np.array([box.width_mm, box.height_mm]) / 2 + over
    reach = float(half.min()) if box.shape is Shape.CIRCLE else float(np.abs(across) @ half)
    centre = np.array([box.x_mm, box.y_mm])
    points: list[FloatArray] = []
    offsets = np.arange(-reach + spacing_mm / 2, reach, spacing_mm)
    for index, offset in enumerate(offsets + rng.normal(0, spacing_mm * 0.12, len(offsets))):
        low, high = _chord(across * offset, axis, half, box.shape)
        if high - low < spacing_mm / 2:
            continue
        jitter = rng.normal(0, 0.06 + 0.25 * max(over, 0.0), 2)
        ends = [centre + across * offset + axis * (low + jitter[0]), centre + across * offset + axis * (high + jitter[1])]
        points += ends if index % 2 == 0 else ends[::-1]
    return [by_hand(np.array(points), rng, 0.05, step_mm=0.45)] if len(points) > 1 else []


def _chord(start: FloatArray, axis: FloatArray, half: FloatArray, shape: Shape) -> tuple[float, float]:
    """Where a line through `start` along `axis` enters and leaves a box around the origin."""
    if shape is Shape.CIRCLE:
        along = float(start @ axis)
        inside = float(half.min()) ** 2 - float(start @ start) + along**2
        root = max(inside, 0.0) ** 0.5
        return -along - root, -along + root
    with np.errstate(divide="ignore", invalid="ignore"):
        bounds = np.sort(np.array([(-half - start) / axis, (half - start) / axis]), axis=0)
    bounds = np.where(np.isnan(bounds), np.array([[-np.inf], [np.inf]]), bounds)
    return float(bounds[0].max()), float(bounds[1].min())


def _outline(box: Box, rng: np.random.Generator, inset: float) -> FloatArray:
    half_width, half_height = max(0.2, box.width_mm / 2 - inset), max(0.2, box.height_mm / 2 - inset)
    turns = np.linspace(0, 2 * np.pi, 25) + rng.uniform(0, 2 * np.pi)
    cos, sin = np.cos(turns), np.sin(turns)
    if box.shape is Shape.SQUARE:  # a circle pressed into the corners
        stretch = 1 / np.maximum(np.abs(cos), np.abs(sin)) * 0.96
        cos, sin = cos * stretch, sin * stretch
    points = np.column_stack([box.x_mm + half_width * cos, box.y_mm + half_height * sin])
    return by_hand(points, rng, 0.06)


def _loops(box: Box, pen_mm: float, rng: np.random.Generator) -> FloatArray:
    """A tangle of loops that wanders through the box."""
    turns = int(np.clip(box.width_mm / pen_mm * 0.75, 4, 14))
    along = np.linspace(0, 1, turns * 12)
    angle = along * turns * 2 * np.pi + rng.uniform(0, 2 * np.pi)
    swing = 0.5 * rng.uniform(0.75, 1.0) + 0.1 * np.sin(along * rng.uniform(9, 15))
    drift = np.cos(along * np.pi + rng.uniform(-0.3, 0.3)) * 0.45
    tilt = rng.uniform(-0.5, 0.5)
    x = box.x_mm + box.width_mm * (0.32 * np.cos(angle) * swing * 1.5 + drift * 0.75)
    y = box.y_mm + box.height_mm * (0.92 * np.sin(angle) * swing + tilt * drift * 0.4)
    return by_hand(np.column_stack([x, y]), rng, 0.1)


def _part(box: Box, rng: np.random.Generator) -> Box:
    """A piece of a box: about half of it."""
    share = rng.uniform(0.45, 0.62)
    side = int(rng.integers(4))
    if side < 2:
        shift = (1 - share) / 2 * box.width_mm * (1 if side else -1)
        return replace(box, x_mm=box.x_mm + shift, width_mm=box.width_mm * share, shape=Shape.SQUARE)
    shift = (1 - share) / 2 * box.height_mm * (1 if side == 2 else -1)
    return replace(box, y_mm=box.y_mm + shift, height_mm=box.height_mm * share, shape=Shape.SQUARE)


def _cross(box: Box, care: float, rng: np.random.Generator) -> list[FloatArray]:
    half = np.array([box.width_mm, box.height_mm]) / 2
    reach = half * rng.uniform(0.78, 0.95 + 0.45 * (1 - care))
    loose = 0.12 + 0.55 * (1 - care)
    centre = np.array([box.x_mm, box.y_mm]) + rng.normal(0, 0.1 + 0.25 * (1 - care), 2)
    lines = []
    for sign in (1.0, -1.0):
        ends = np.array([[-1.0, -sign], [1.0, sign]]) * reach + rng.normal(0, loose * 0.5, (2, 2))
        bow = np.array([-sign, 1.0]) * rng.normal(0, 0.18)
        lines.append(by_hand(np.array([centre + ends[0], centre + bow, centre + ends[1]]), rng, 0.06 + 0.1 * (1 - care)))
    return lines


def _looped_cross(box: Box, care: float, rng: np.random.Generator) -> FloatArray:
    """A cross in one go: down one diagonal, around beside the box, and back along the other."""
    half = np.array([box.width_mm, box.height_mm]) / 2 * rng.uniform(0.55, 0.9 + 0.3 * (1 - care))
    side = 1.0 if rng.random() < 0.5 else -1.0
    bulge = rng.uniform(1.05, 1.35)
    points = np.array([(-side, -1.0), (0.0, 0.0), (side, 0.9), (side * bulge, 0.2), (side, -0.8), (0.0, 0.1), (-side, 1.0)])
    points += rng.normal(0, 0.06 + 0.1 * (1 - care), points.shape)
    centre = np.array([box.x_mm, box.y_mm]) + rng.normal(0, 0.15 + 0.25 * (1 - care), 2)
    return by_hand(rounded(points * half) + centre, rng, 0.06)


def _alpha(box: Box, rng: np.random.Generator) -> FloatArray:
    """A loop with crossing tails, as large as the box or half of it, turned and placed as it comes."""
    angle = np.linspace(0.25 * np.pi, 1.75 * np.pi, 14)
    loop = np.column_stack([0.55 * np.cos(angle) - 0.25, rng.uniform(0.45, 0.8) * np.sin(angle)])
    tails = np.array([(1.0, -rng.uniform(0.6, 1.0)), (1.0, rng.uniform(0.6, 1.0))])
    points = np.concatenate([tails[:1], loop, tails[1:]])  # over the crossing, around, and back over it
    points *= (1.0 if rng.random() < 0.7 else -1.0, 1.0)
    turn = rng.normal(0, 0.35)
    points = points @ np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]).T
    size = rng.uniform(0.4, 1.05) * np.array([box.width_mm, box.height_mm]) / 2
    room = np.maximum(np.array([box.width_mm, box.height_mm]) / 2 - size, 0)
    centre = np.array([box.x_mm, box.y_mm]) + rng.uniform(-0.7, 0.7, 2) * room
    return by_hand(rounded(points * size) + centre, rng, 0.05)


def _zigzag(box: Box, pen_mm: float, rng: np.random.Generator) -> FloatArray:
    """To and fro across most of the box, in one go."""
    turns = int(np.clip(box.width_mm / (pen_mm * rng.uniform(1.0, 2.2)), 5, 18))
    along = np.linspace(-1, 1, turns) * rng.uniform(0.75, 1.0)
    swing = np.where(np.arange(turns) % 2, 1.0, -1.0) * rng.uniform(0.7, 1.02, turns)
    points = np.column_stack([along, swing])
    match int(rng.integers(3)):
        case 0:
            points = points[:, ::-1]
        case 1:
            points = points @ np.array([[0.71, -0.71], [0.71, 0.71]]) * 0.95
        case _:
            pass
    centre = np.array([box.x_mm, box.y_mm]) + rng.normal(0, 0.1, 2)
    return by_hand(points * np.array([box.width_mm, box.height_mm]) / 2 + centre, rng, 0.08)


def _somewhere_in(box: Box, rng: np.random.Generator) -> Box:
    """A smaller box within a box."""
    share = rng.uniform(0.42, 0.6)
    room = np.array([box.width_mm, box.height_mm]) * (1 - share) / 2 * 0.8
    x, y = np.array([box.x_mm, box.y_mm]) + rng.uniform(-1, 1, 2) * room
    return replace(box, x_mm=x, y_mm=y, width_mm=box.width_mm * share, height_mm=box.height_mm * share)


def _tick(box: Box, care: float, rng: np.random.Generator) -> FloatArray:
    width, height = box.width_mm, box.height_mm
    tail = rng.uniform(0.65, 0.9 + 0.5 * (1 - care))
    points = np.array(
        [
            (-0.38 * width, -0.02 * height),
            (-0.12 * width, 0.36 * height),
            (-0.04 * width, 0.38 * height),
            (tail * 0.55 * width, -0.35 * height),
            (tail * width, -tail * 0.95 * height),
        ]
    )
    return by_hand(points + rng.normal(0, 0.12, points.shape) + (box.x_mm, box.y_mm), rng, 0.06)


def spiral(x: float, y: float, radius: float, turns: float, rng: np.random.Generator) -> FloatArray:
    """A spiral outwards from a point."""
    angle = np.linspace(0, turns * 2 * np.pi, 20) + rng.uniform(0, 2 * np.pi)
    grow = np.linspace(0.1, 1, 20) * radius
    return np.column_stack([x + grow * np.cos(angle), y + grow * np.sin(angle)])


def _ring(box: Box, radius: float, rng: np.random.Generator) -> FloatArray:
    angle = np.linspace(0, 2 * np.pi * rng.uniform(1.0, 1.12), 30) + rng.uniform(0, 2 * np.pi)
    grow = radius * (1 + np.linspace(-0.05, 0.08, 30))
    points = np.column_stack([box.x_mm + grow * 1.05 * np.cos(angle), box.y_mm + grow * 0.95 * np.sin(angle)])
    return by_hand(points, rng, 0.12)


def _speck(box: Box, persona: Persona, rng: np.random.Generator) -> Mark:
    x = box.x_mm + rng.uniform(-0.3, 0.3) * box.width_mm
    y = box.y_mm + rng.uniform(-0.3, 0.3) * box.height_mm
    width = min(persona.ink.width_mm, 0.4)
    line = np.array([(x, y), (x + rng.normal(0, 0.12), y + rng.normal(0, 0.12)), (x + 0.05, y)])
    return Mark(box.page, "speck", persona.ink, (Stroke(line, width),), box=box.key)


def _strike(box: Box, persona: Persona, rng: np.random.Generator) -> Mark:
    """A large cross over a filled box that reaches well out of it."""
    wide = replace(box, width_mm=box.width_mm * 2.1, height_mm=box.height_mm * 2.1)
    strokes = tuple(Stroke(one, persona.ink.width_mm) for one in _cross(wide, 0.8, rng))
    return Mark(box.page, "strike", persona.ink, strokes, box=box.key)


def rub_out(mark: Mark, rng: np.random.Generator) -> Mark:
    """What is left of a mark that was rubbed out: a pale smear."""
    pale = replace(mark.ink, opacity=mark.ink.opacity * rng.uniform(0.07, 0.2), blur_mm=rng.uniform(0.08, 0.3))
    return replace(mark, kind="ghost", ink=pale)


def fluid(box: Box, rng: np.random.Generator) -> Mark:
    """A patch of correction fluid, a little more than the box and not as round as it should be."""
    reach = np.array([box.width_mm, box.height_mm]) / 2 + rng.uniform(0.5, 1.1)
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    edge = 1 + 0.06 * np.sin(angle * 3 + rng.uniform(0, 6)) + 0.05 * np.sin(angle * 7 + rng.uniform(0, 6))
    square = np.power(np.abs(np.cos(angle)) ** 4 + np.abs(np.sin(angle)) ** 4, -0.25)
    offset = rng.normal(0, 0.2, 2)
    points = np.column_stack([np.cos(angle), np.sin(angle)]) * (edge * square)[:, None] * reach + offset + (box.x_mm, box.y_mm)
    return Mark(box.page, "fluid", Ink((250, 250, 247), 0.3, 0.97, 0.03, blur_mm=0.06), shapes=(points,), box=box.key)


# --------------------------------------------------------------------------- writing

#: Skeletons of handwritten digits in a square from (0, 0) top left to (1, 1).
_DIGITS: Mapping[str, tuple[tuple[tuple[float, float], ...], ...]] = {
    "0": (((0.55, 0.02), (0.2, 0.2), (0.1, 0.55), (0.25, 0.92), (0.55, 0.98), (0.85, 0.7), (0.88, 0.3), (0.65, 0.05), (0.5, 0.04)),),
    "1": (((0.25, 0.3), (0.55, 0.03), (0.53, 0.98)),),
    "2": (((0.15, 0.25), (0.4, 0.03), (0.75, 0.12), (0.75, 0.4), (0.4, 0.72), (0.12, 0.95), (0.88, 0.93)),),
    "3": (
        ((0.18, 0.12), (0.5, 0.02), (0.78, 0.17), (0.65, 0.42), (0.42, 0.47), (0.75, 0.55), (0.82, 0.8), (0.5, 0.99), (0.14, 0.88)),
    ),
    "4": (((0.55, 0.03), (0.12, 0.62), (0.9, 0.6)), ((0.66, 0.35), (0.62, 0.99))),
    "5": (((0.3, 0.05), (0.22, 0.45), (0.6, 0.4), (0.82, 0.65), (0.62, 0.95), (0.15, 0.93)), ((0.3, 0.06), (0.82, 0.04))),
    "6": (((0.7, 0.04), (0.3, 0.35), (0.15, 0.72), (0.38, 0.98), (0.75, 0.88), (0.75, 0.6), (0.42, 0.52), (0.18, 0.72)),),
    "7": (((0.12, 0.08), (0.86, 0.05), (0.55, 0.5), (0.4, 0.99)), ((0.3, 0.52), (0.75, 0.48))),
    "8": (
        (
            (0.7, 0.15), (0.42, 0.03), (0.22, 0.2), (0.5, 0.46), (0.82, 0.75),
            (0.5, 0.98), (0.17, 0.78), (0.5, 0.48), (0.75, 0.22), (0.62, 0.08),
        ),
    ),
    "9": (((0.8, 0.22), (0.45, 0.03), (0.18, 0.28), (0.45, 0.5), (0.78, 0.25), (0.75, 0.6), (0.58, 0.98)),),
}  # fmt: skip


def _write_text(one: Field, region: Region, text: str | None, persona: Persona, rng: np.random.Generator) -> list[Mark]:
    """Writing in a text region: one line of the given text, or scribbled lines where none is given for an answer."""
    if text is None:
        return _write_lines(region, persona, rng) if one.role == "answer" else []
    if text == "":
        return []
    height = min(region.height_mm * 0.55, 8.0)
    width = min(region.width_mm * 0.9, len(text) * height * 0.75)
    top = region.y_mm + region.height_mm - height * 1.35
    left = region.x_mm + region.width_mm * 0.05
    strokes = write_line(text, Rect(left, top, left + width, top + height), persona.ink.width_mm, rng)
    return [Mark(region.page, "writing", persona.ink, strokes)]


def _write_lines(region: Region, persona: Persona, rng: np.random.Generator) -> list[Mark]:
    marks = []
    line_height = rng.uniform(6.5, 9.0)
    share = rng.uniform(0.25, 0.9) if region.height_mm > 20 else 1.0
    y = region.y_mm + min(4.0, region.height_mm * 0.25)
    while y + line_height * 0.8 < region.y_mm + region.height_mm * share:
        words = " ".join("x" * int(rng.integers(2, 9)) for _ in range(max(1, int(region.width_mm / 22))))
        right = region.x_mm + region.width_mm * rng.uniform(0.55, 0.95)
        line = Rect(region.x_mm + 4.0, y, max(right, region.x_mm + 10.0), y + line_height * 0.55)
        marks.append(Mark(region.page, "writing", persona.ink, write_line(words, line, persona.ink.width_mm, rng)))
        y += line_height
    return marks


def write_line(text: str, line: Rect, pen_mm: float, rng: np.random.Generator) -> tuple[Stroke, ...]:
    """Write a line by hand into a rectangle: digits as digits, words as joined-up scribble of their length."""
    if not text:
        return ()
    advance = (line.right - line.left) / len(text)
    height = line.bottom - line.top
    slant = rng.normal(0.12, 0.12)
    strokes: list[Stroke] = []
    position = 0
    for word in text.split(" "):
        left = line.left + position * advance
        if word.isdigit():
            for index, digit in enumerate(word):
                size = np.array([advance * rng.uniform(0.62, 0.78), height * rng.uniform(0.88, 1.0)])
                origin = np.array([left + (index + 0.12) * advance, line.top]) + rng.normal(0, 0.04 * height, 2)
                for skeleton in _DIGITS[digit]:
                    points = np.array(skeleton) + rng.normal(0, 0.025, (len(skeleton), 2))
                    points[:, 0] += slant * (0.5 - points[:, 1])
                    strokes.append(Stroke(by_hand(rounded(points * size + origin), rng, 0.06), pen_mm))
        elif word:
            strokes.append(Stroke(_scribbled_word(len(word), left, line.top, advance, height, slant, rng), pen_mm))
        position += len(word) + 1
    return tuple(strokes)


def _scribbled_word(
    letters: int, left: float, top: float, advance: float, height: float, slant: float, rng: np.random.Generator
) -> FloatArray:
    """Joined-up writing that means nothing: arches and loops, some of them tall."""
    points: list[tuple[float, float]] = [(0.0, 0.9)]
    for index in range(letters):
        x = index * advance
        tall = rng.random()
        peak = 0.02 if tall < 0.2 else rng.uniform(0.4, 0.55)
        foot = 1.3 if tall > 0.88 else rng.uniform(0.88, 1.0)
        points += [
            (x + advance * 0.25, (peak + 0.9) / 2),
            (x + advance * rng.uniform(0.4, 0.6), peak),
            (x + advance * rng.uniform(0.3, 0.45), peak + 0.1),
            (x + advance * rng.uniform(0.45, 0.6), foot),
            (x + advance * 0.9, rng.uniform(0.75, 0.9)),
        ]
    line = np.array(points)
    out = np.column_stack([left + line[:, 0] + slant * height * (1 - line[:, 1]), top + line[:, 1] * height])
    return by_hand(rounded(out), rng, 0.1)


# --------------------------------------------------------------------------- stickers

_LABEL = Ink((252, 252, 250), 0.3, 1.0, 0.0)
_LABEL_EDGE = Ink((150, 150, 150), 0.12, 0.6, 0.0)
_LABEL_PRINT = Ink((15, 15, 15), 0.35, 1.0, 0.0)


def _sticker(region: Region, text: str, rng: np.random.Generator) -> list[Mark]:
    """A printed label with a DataMatrix and its text, pasted a little askew into a region."""
    width, height = min(56.0, region.width_mm * 0.85), min(20.0, region.height_mm * 0.8)
    turn = np.deg2rad(rng.uniform(-3.5, 3.5))
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    centre = np.array([region.x_mm + region.width_mm / 2, region.y_mm + region.height_mm / 2])
    centre += rng.normal(0, 1, 2) * (0.02 * region.width_mm, 0.04 * region.height_mm)

    def pasted(points: FloatArray) -> FloatArray:
        out: FloatArray = points @ matrix.T + centre
        return out

    corners = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)]) * (width, height)
    modules = barcode_modules(text)
    module = min(0.7, (height - 4) / len(modules))
    left, top = -width / 2 + 3, -module * len(modules) / 2
    black = tuple(
        pasted(_rectangle(left + first * module, top + row * module, left + end * module, top + (row + 1) * module))
        for row, first, end in runs(modules)
    )
    printed = Rect(left + module * modules.shape[1] + 3, -2.0, width / 2 - 3, 2.0)
    steady = np.random.default_rng(0)
    digits = tuple(Stroke(pasted(stroke.points), 0.4) for stroke in write_line(text, printed, 0.4, steady))
    return [
        Mark(region.page, "sticker", _LABEL, shapes=(pasted(corners),)),
        Mark(region.page, "sticker", _LABEL_EDGE, (Stroke(pasted(np.concatenate([corners, corners[:1]])), 0.12),)),
        Mark(region.page, "sticker", _LABEL_PRINT, digits, black),
    ]


def _rectangle(left: float, top: float, right: float, bottom: float) -> FloatArray:
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
