"""What else happens to a filled booklet: second thoughts, notes across boxes, smears, stains, hairs, folded corners.

`person.py` draws people who mark as they mean to. Here their booklets meet the rest of life, on top of what was drawn, and the truth
follows:

- Corrections (`OF_QUESTIONS`) happen to a question and say themselves what its boxes mean then.
- Ink that was not meant for a box (notes, doodles, tails of ticks, words, hairs) counts by how much of a box' inside it covers. In an
  empty box: less than 1 % is not there; up to 9 %, not quite a ballpoint's line from side to side, brushes it: the box is empty, though
  nobody minds being asked; beyond that a person should look. A fill stays a fill whatever runs over it, another mark stays one up to
  25 %; from 4 % on nobody minds being asked.
- What shines through (smudges, coffee, highlighter) and dirt on the scanner's glass changes no meaning.

Kinds in the truth: that of the correction; "notes brush", "notes through", "notes over" (a mark); "smudge", "stain", ... for an empty
box, and as a suffix ("cross+smudge") for another one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import cv2
import numpy as np

from scangrade.authoring import dirt
from scangrade.authoring.form import Rect, frame_rect
from scangrade.authoring.ink import Ink, Mark, Stroke
from scangrade.authoring.person import (
    BROAD_FELT,
    MEANING,
    PENCIL_DARK,
    Filling,
    Persona,
    Style,
    by_hand,
    draw_mark,
    fill_all_and_point,
    fluid,
    hatch,
    rub_out,
    write_line,
)
from scangrade.authoring.truth import BoxTruth
from scangrade.model import Box, Convention, Field, FieldKind, Layout, Shape, Verdict


class Mishap(StrEnum):
    """Something that happens to a question, or to a page."""

    FAINT_GHOST = "faint ghost"  #: a mark in another box was rubbed out, and is nearly gone
    STRONG_GHOST = "strong ghost"  #: it is still plain to see: meant, or not?
    PAINTED = "painted"  #: a mark in another box was covered with correction fluid, and the frame with it
    LABEL = "white label"  #: the same with a white sticker
    REDONE = "redone"  #: the mark was painted over, and then made again on top
    ARROW = "fill-all"  #: every box filled, an arrow at one
    TWO_AND_WORD = "word"  #: two marks, "this one" written beside one of them, perhaps with an arrow
    REMARKED = "re-marked"  #: forms where filling undoes: an undone box, and a word that takes that back
    STRUCK_OUT = "struck out"  #: a line through all boxes of the question
    DOT = "dot"
    LINE = "line"
    RING = "ring"
    SECOND_PARTIAL = "partial"
    HIGHLIGHTED = "highlighted"  #: a box filled with a highlighter
    LONG_TAIL = "long tail"  #: a tick whose tail runs through what is beside it
    BLEEDING = "bleeding"  #: a broad felt tip runs over the edge, perhaps into the next box

    NOTES = "notes"  #: handwriting through boxes
    DOODLE = "doodle"
    HAIR = "hair"  #: on the glass
    SMUDGE = "smudge"  #: a smear by a hand
    STAIN = "stain"  #: the ring of a coffee cup
    HIGHLIGHTER = "highlighter"  #: a band across boxes
    FOLD = "fold"  #: a corner folded over
    STAPLE = "staple"
    SHADOW = "shadow"  #: along the spine


OF_QUESTIONS: tuple[Mishap, ...] = tuple(Mishap)[: tuple(Mishap).index(Mishap.NOTES)]
OF_PAGES: tuple[Mishap, ...] = tuple(Mishap)[len(OF_QUESTIONS) :]

#: What happens to columns of a digit grid, too.
_OF_DIGITS = frozenset(
    {Mishap.FAINT_GHOST, Mishap.STRONG_GHOST, Mishap.PAINTED, Mishap.LABEL, Mishap.REDONE, Mishap.DOT, Mishap.LONG_TAIL}
)

#: Marks of `person.py` that reach beyond what they are meant for.
_REACHING = ("arrow", "strike", Style.TICK.value, "writing")
#: One stroke through a box on a form where any mark counts.
SLASH = "slash"
#: Kinds whose boxes may as well be asked about: the verdict is certain enough that the opposite is an error, but hardly more. A thin
#: zigzag is hardly a fill where only fills count.
FAIR_TO_ASK: frozenset[str] = frozenset(
    {SLASH, Style.ZIGZAG.value, *(f"{kind} {how}" for kind in (*Mishap, *_REACHING) for how in ("brush", "over"))}
)
#: Kinds that a black and white scanner may lose, or blacken.
PALE: frozenset[str] = frozenset({Mishap.STRONG_GHOST.value, Mishap.HIGHLIGHTED.value})

_GONE, _BRUSHED, _UNHARMED, _STILL_A_MARK = 0.01, 0.09, 0.04, 0.25  # shares of a box' inside
_LEAST_OVERLAY = 0.15  # share of a box' inside from which what shines through is worth a kind of its own
_FINE = 12.0  # pixels per mm at which coverage is measured

_WHITE = Ink((251, 251, 249), 0.3, 1.0, 0.0)
_EDGE = Ink((190, 190, 190), 0.1, 0.5, 0.0)

_M, _E, _U, _D = Verdict.MARKED, Verdict.EMPTY, Verdict.UNDONE, Verdict.UNSURE

Befall = Callable[["_Scene", Field, Persona, np.random.Generator], None]


def befall(
    filling: Filling,
    layout: Layout,
    persona: Persona,
    chances: Mapping[Mishap, float],
    rng: np.random.Generator,
    *,
    pages: Collection[int] | None = None,
) -> Filling:
    """Let things happen to a filled booklet.

    Parameters
    ----------
    filling : Filling
        As `person.fill_booklet` made it.
    layout : Layout
    persona : Persona
        Who filled it in, and has the second thoughts.
    chances : mapping of Mishap to float
        For mishaps of questions, the probability per question (a fifth of it per digit column); for those of pages, the
        probability per page with boxes.
    rng : Generator
    pages : collection of int, optional
        The only pages that matter, by default all.

    Returns
    -------
    Filling
    """
    scene = _Scene(layout, filling)
    kinds = [one for one in OF_QUESTIONS if chances.get(one, 0) > 0]
    bounds = np.cumsum([chances[one] for one in kinds])
    for one in layout.fields:
        if len(one.boxes) < 2 or one.kind is FieldKind.CREDIT or (pages is not None and one.page not in pages):
            continue
        draw = rng.random() * (5.0 if one.kind is FieldKind.DIGIT else 1.0)
        index = int(np.searchsorted(bounds, draw, side="right"))
        if index < len(kinds) and (one.kind is not FieldKind.DIGIT or kinds[index] in _OF_DIGITS) and scene.pristine(one):
            _QUESTION[kinds[index]](scene, one, persona, rng)
    for page in layout.pages:
        boxes = layout.boxes(page.number)
        if not boxes or (pages is not None and page.number not in pages):
            continue
        for kind in OF_PAGES:
            if rng.random() < chances.get(kind, 0):
                near = boxes[int(rng.integers(len(boxes)))]
                spot = dirt.Spot(page, near.x_mm, near.y_mm, persona.ink)
                for mark in _ON_PAGE[kind](spot, rng):
                    scene.add(replace(mark, kind=kind.value), loose=True)
    scene.weigh()
    return scene.filling()


@dataclass(slots=True)
class _Scene:
    """A booklet to which things happen."""

    layout: Layout
    marks: list[Mark]
    truths: dict[str, BoxTruth]
    loose: list[Mark]  #: marks that were not meant for the boxes they lie on

    def __init__(self, layout: Layout, filling: Filling) -> None:
        self.layout = layout
        self.marks = list(filling.marks)
        self.truths = {f"{one.field}/{one.box}": one for one in filling.boxes}
        self.loose = [mark for mark in filling.marks if mark.kind in _REACHING]

    def filling(self) -> Filling:
        return Filling(tuple(self.marks), tuple(self.truths.values()))

    def add(self, *marks: Mark, loose: bool = False) -> None:
        self.marks += marks
        if loose:
            self.loose += marks

    def remove(self, boxes: Sequence[Box]) -> None:
        keys = {box.key for box in boxes}
        self.marks = [mark for mark in self.marks if mark.box not in keys]
        self.loose = [mark for mark in self.loose if mark.box not in keys]

    def say(self, box: Box, verdict: Verdict, kind: str) -> None:
        self.truths[box.key] = replace(self.truths[box.key], verdict=verdict, kind=kind)

    def pristine(self, one: Field) -> bool:
        """Whether nothing but plain marks is in a field."""
        return all(self.truths[box.key].verdict in (_M, _E) for box in one.boxes) and not any(
            self.truths[box.key].verdict is _E and self.truths[box.key].kind for box in one.boxes
        )

    def marked(self, one: Field) -> list[Box]:
        return [box for box in one.boxes if self.truths[box.key].verdict is _M]

    def free(self, one: Field) -> list[Box]:
        return [box for box in one.boxes if self.truths[box.key].verdict is _E]

    def weigh(self) -> None:
        """Let the loose marks change what the boxes under them are."""
        by_page: dict[int, list[Mark]] = {}
        for mark in self.loose:
            by_page.setdefault(mark.page, []).append(mark)
        for page, marks in by_page.items():
            boxes = self.layout.boxes(page)
            centres = np.array([(box.x_mm, box.y_mm) for box in boxes])
            for mark in marks:
                points = np.concatenate([*(stroke.points for stroke in mark.strokes), *mark.shapes])
                reach = max((stroke.width_mm for stroke in mark.strokes), default=0.0) + max(
                    max(box.width_mm, box.height_mm) for box in boxes
                )
                low, high = points.min(axis=0) - reach, points.max(axis=0) + reach
                for index in np.flatnonzero(((centres >= low) & (centres <= high)).all(axis=1)).tolist():
                    if boxes[index].key != mark.box:
                        self._weigh_one(boxes[index], mark)

    def _weigh_one(self, box: Box, mark: Mark) -> None:
        share = covered(box, mark)
        truth = self.truths[box.key]
        if mark.ink.sheer:
            if share >= _LEAST_OVERLAY and mark.kind not in truth.kind:
                self.say(box, truth.verdict, f"{truth.kind}+{mark.kind}" if truth.kind else mark.kind)
        elif mark.kind == Mishap.FOLD and share >= _BRUSHED:
            self.say(box, _D, f"{mark.kind} through")  # whatever is below it, nobody can see it
        elif truth.verdict is _E and truth.kind in ("", *_SHEER):
            if share >= _BRUSHED:
                self.say(box, _D, f"{mark.kind} through")
            elif share >= _GONE:
                self.say(box, _E, f"{mark.kind} brush")
        elif (share >= _STILL_A_MARK and truth.kind not in _FILLED) or (share >= _UNHARMED and truth.verdict is not _M):
            self.say(box, _D, f"{mark.kind} through")
        elif share >= _UNHARMED:
            self.say(box, truth.verdict, f"{mark.kind} over")


_FILLED = frozenset({Style.FULL.value, Style.SLOPPY.value, Style.SCRIBBLE.value, Style.ZIGZAG.value})
_SHEER = frozenset({Mishap.SMUDGE.value, Mishap.STAIN.value, Mishap.HIGHLIGHTER.value, Mishap.SHADOW.value})


def covered(box: Box, mark: Mark) -> float:
    """Share of a box' inside that a mark covers, 0 to 1."""
    half = np.array([box.width_mm, box.height_mm]) / 2
    origin = np.array([box.x_mm, box.y_mm]) - half
    width, height = (max(1, round(float(side * _FINE))) for side in 2 * half)
    inside = np.zeros((height, width), np.uint8)
    for shape in mark.shapes:
        cv2.fillPoly(inside, [np.rint((shape - origin) * _FINE).astype(np.int32)], 1)
    for stroke in mark.strokes:
        points = np.rint((stroke.points - origin) * _FINE).astype(np.int32)
        cv2.polylines(inside, [points], False, 1, max(1, round(stroke.width_mm * _FINE)))
    if box.shape is Shape.CIRCLE:
        disc = np.zeros_like(inside)
        cv2.ellipse(disc, (width // 2, height // 2), (width // 2, height // 2), 0, 0, 360, 1, -1)
        return float(inside[disc > 0].mean())
    return float(inside.mean())


# --------------------------------------------------------------------------- questions


def _one_of(boxes: Sequence[Box], rng: np.random.Generator) -> Box:
    return boxes[int(rng.integers(len(boxes)))]


def _style(persona: Persona, layout: Layout) -> Style:
    """How this person marks; where that alone would be doubtful, as the form asks."""
    if MEANING[layout.convention][persona.style] is _M:
        return persona.style
    return Style.CROSS if layout.convention is Convention.CROSS else Style.FULL


def _ghost(scene: _Scene, one: Field, persona: Persona, rng: np.random.Generator, shares: tuple[float, float]) -> Box | None:
    free = scene.free(one)
    if not free:
        return None
    box = _one_of(free, rng)
    pencil = replace(persona, ink=replace(PENCIL_DARK, width_mm=persona.ink.width_mm))
    mark = rub_out(draw_mark(box, _style(persona, scene.layout), pencil, rng), rng)
    scene.add(replace(mark, ink=replace(mark.ink, opacity=PENCIL_DARK.opacity * rng.uniform(*shares))))
    return box


def _faint_ghost(scene: _Scene, one: Field, persona: Persona, rng: np.random.Generator) -> None:
    box = _ghost(scene, one, persona, rng, (0.04, 0.15))
    if box is not None:
        scene.say(box, _E, Mishap.FAINT_GHOST.value)


def _strong_ghost(scene: _Scene, one: Field, persona: Persona, rng: np.random.Generator) -> None:
    box = _ghost(scene, one, persona, rng, (0.32, 0.5))
    if box is not None:
        scene.say(box, _D, Mishap.STRONG_GHOST.value)


def _painted(scene: _Scene, one: Field, persona: Persona, rng: np.random.Generator) -> None:
    free = scene.free(one)
    if not free:
        return
    box = _one_of(free, rng)
    scene.add(draw_mark(box, _style(persona, scene.layout), persona, rng), fluid(box, rng))
    scene.say(box, _E, Mishap.PAINTED.value)


def _label(scene: _Scene, one: Field, persona: Persona, rng: np.random.Generator) -> None:
    free = scene.free(one)
    if not free:
        return
    box = _one_of(free, rng)
    scene.add(draw_mark(box, _style(persona, scene.layout), persona, rng))
    turn = np.deg2rad(rng.normal(0, 4))
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    half = np.array([box.width_mm, box.height_mm]) / 2 + rng.uniform(0.5, 1.2)
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half @ matrix.T + (box.x_mm, box.y_mm) + rng.normal(0, 0.15, 2)
    edge = Stroke(np.concatenate([corners, corners[:1]]), _EDGE.width_mm)
    scene.add(Mark(box.page, "label", _WHITE, shapes=(corners,), box=box.key))
    scene.add(Mark(box.page, "label", _EDGE, (edge,), box=box.key))
    scene.say(box, _E, Mishap.LABEL.value)


def _redone(scene: _Scene, one: Field, persona: Persona, rng: np.random.Generator) -> None:
    marked = scene.marked(one)
    if not marked:
        return
    box, style = _one_of(marked, rng), _style(persona, scene.layout)
    scene.add(fluid(box, rng), draw_mark(box, style, persona, rng))
    scene.say(box, _M, Mishap.REDONE.value)


def _arrow(scene: _Scene, one: Field, persona: Persona, rng: np.random.Generator) -> None:
    marked = scene.marked(one)
    if len(marked) != 1 or one.kind is not FieldKind.CHOICE:
        return
    scene.remove(one.boxes)
    drawn, truths = fill_all_and_point(one, marked[0].value, persona, rng)
    scene.truths.update({f"{truth.field}/{truth.box}": truth for truth in truths})
    scene.add(*drawn)
    scene.loose += [mark for mark in drawn if mark.kind == "arrow"]


def _beside(one: Field, box: Box, persona: Persona, rng: np.random.Generator) -> Mark:
    """A word or two next to a box, where the form leaves room: below a row, left of a column; now and then with an arrow."""
    rect = frame_rect(box)
    upright = abs(one.boxes[1].y_mm - one.boxes[0].y_mm) > abs(one.boxes[1].x_mm - one.boxes[0].x_mm)
    length, height = rng.uniform(7, 13), rng.uniform(2.2, 3.2)
    arrow = rng.random() < 0.5
    if upright:
        right = rect.left - (5.5 if arrow else 1.2)
        place = Rect(right - length, box.y_mm - height / 2, right, box.y_mm + height / 2)
        tail, tip, barbs = (right + 0.5, box.y_mm), (rect.left - 0.7, box.y_mm), ((-1.4, -1.2), (-1.4, 1.2))
    else:
        top = rect.bottom + (3.5 if arrow else 0.6)
        place = Rect(box.x_mm - length / 2, top, box.x_mm + length / 2, top + height)
        tail, tip, barbs = (box.x_mm, top - 0.2), (box.x_mm, rect.bottom + 0.5), ((-1.0, 1.1), (1.0, 1.1))
    strokes = list(write_line("xxxx xxx" if rng.random() < 0.6 else "xxxx", place, persona.ink.width_mm, rng))
    if arrow:
        lines = [np.array([tail, tip]), *(np.array([(tip[0] + dx, tip[1] + dy), tip]) for dx, dy in barbs)]
        strokes += [Stroke(by_hand(line, rng, 0.12), persona.ink.width_mm) for line in lines]
    return Mark(box.page, Mishap.TWO_AND_WORD.value, persona.ink, tuple(strokes), box=box.key)


def _two_and_word(scene: _Scene, one: Field, persona: Persona, rng: np.random.Generator) -> None:
    marked, free = scene.marked(one), scene.free(one)
    if scene.layout.convention not in (Convention.CROSS, Convention.FILL_WINS):
        return  # elsewhere what is written beside the boxes does not count
    if not marked or not free or one.kind is not FieldKind.CHOICE:
        return
    first, second = _one_of(marked, rng), _one_of(free, rng)
    scene.add(draw_mark(second, _style(persona, scene.layout), persona, rng))
    scene.add(_beside(one, second, persona, rng), loose=True)
    for box in (first, second):
        scene.say(box, _D, Mishap.TWO_AND_WORD.value)


def _remarked(scene: _Scene, one: Field, persona: Persona, rng: np.random.Generator) -> None:
    free = scene.free(one)
    if scene.layout.convention is not Convention.CROSS or not free or one.kind is not FieldKind.CHOICE:
        return
    box = _one_of(free, rng)
    scene.add(draw_mark(box, Style.CROSS, persona, rng), draw_mark(box, Style.FULL, persona, rng))
    scene.add(_beside(one, box, persona, rng), loose=True)
    scene.say(box, _D, Mishap.REMARKED.value)


def _struck_out(scene: _Scene, one: Field, persona: Persona, rng: np.random.Generator) -> None:
    if one.kind is not FieldKind.CHOICE:
        return
    first, last = (np.array([box.x_mm, box.y_mm]) for box in (one.boxes[0], one.boxes[-1]))
    along = (last - first) / max(1e-6, float(np.hypot(*(last - first))))
    strokes = []
    for _ in range(1 if rng.random() < 0.6 else 2):
        ends = np.array([first - along * rng.uniform(3, 6), last + along * rng.uniform(3, 6)])
        strokes.append(Stroke(by_hand(ends + rng.normal(0, 0.35, (2, 2)), rng, 0.25), persona.ink.width_mm))
    mark = Mark(one.page, Mishap.STRUCK_OUT.value, persona.ink, tuple(strokes))
    scene.add(mark)
    for box in one.boxes:
        if covered(box, mark) >= _GONE:
            scene.say(box, _D, Mishap.STRUCK_OUT.value)


def _odd_style(style: Style) -> Befall:
    def happen(scene: _Scene, one: Field, persona: Persona, rng: np.random.Generator) -> None:
        free = scene.free(one)
        if not free:
            return
        box = _one_of(free, rng)
        scene.add(draw_mark(box, style, persona, rng))
        if style is Style.LINE and scene.layout.convention in (Convention.CROSS, Convention.ANY):
            scene.say(box, _M, SLASH)  # any mark counts there, and half a cross is one
        else:
            scene.say(box, _D, style.value)

    return happen


def _highlighted(
    scene: _Scene,
    one: Field,
    persona: Persona,  # noqa: ARG001 - one signature for all
    rng: np.random.Generator,
) -> None:
    free = scene.free(one)
    if not free:
        return
    box = _one_of(free, rng)
    ink = Ink(dirt.HIGHLIGHTERS[int(rng.integers(2))], 2.0, rng.uniform(0.75, 0.95), 0.1, sheer=True)
    lines = hatch(box, 1.4, rng, over=0.3)
    scene.add(Mark(box.page, Mishap.HIGHLIGHTED.value, ink, tuple(Stroke(line, 2.0) for line in lines), box=box.key))
    scene.say(box, _D, Mishap.HIGHLIGHTED.value)


def _long_tail(scene: _Scene, one: Field, persona: Persona, rng: np.random.Generator) -> None:
    marked = scene.marked(one)
    if not marked or MEANING[scene.layout.convention][Style.TICK] is not _M:
        return
    if scene.layout.convention is Convention.FILL_WINS and persona.style is not Style.TICK and len(marked) > 1:
        return  # a tick beside a fill would be another question
    box = _one_of(marked, rng)
    scene.remove([box])
    width, height = box.width_mm, box.height_mm
    tail = np.array([rng.uniform(1.6, 3.0) * width, -rng.uniform(0.8, 2.2) * height])
    points = np.array([(-0.4 * width, -0.05 * height), (-0.1 * width, 0.36 * height), tail * 0.3, tail])
    line = by_hand(points + rng.normal(0, 0.12, points.shape) + (box.x_mm, box.y_mm), rng, 0.08)
    mark = Mark(box.page, Mishap.LONG_TAIL.value, persona.ink, (Stroke(line, persona.ink.width_mm),), box=box.key)
    scene.add(mark, loose=True)
    scene.say(box, _M, Mishap.LONG_TAIL.value)


def _bleeding(scene: _Scene, one: Field, persona: Persona, rng: np.random.Generator) -> None:
    marked = scene.marked(one)
    if len(marked) != 1 or one.kind is not FieldKind.CHOICE:
        return
    box = marked[0]
    if scene.layout.convention is Convention.CROSS:
        felt = replace(persona, ink=replace(BROAD_FELT, width_mm=rng.uniform(0.75, 0.95)), neatness=0.5)
        mark = draw_mark(box, Style.CROSS, felt, rng)
    else:
        felt = replace(persona, ink=BROAD_FELT)
        lines = hatch(box, 0.9, rng, over=rng.uniform(0.4, 1.3))
        mark = Mark(box.page, "", BROAD_FELT, tuple(Stroke(line, BROAD_FELT.width_mm) for line in lines), box=box.key)
    scene.remove([box])
    scene.add(replace(mark, kind=Mishap.BLEEDING.value), loose=True)
    scene.say(box, _M, Mishap.BLEEDING.value)


_QUESTION: Mapping[Mishap, Befall] = {
    Mishap.FAINT_GHOST: _faint_ghost,
    Mishap.STRONG_GHOST: _strong_ghost,
    Mishap.PAINTED: _painted,
    Mishap.LABEL: _label,
    Mishap.REDONE: _redone,
    Mishap.ARROW: _arrow,
    Mishap.TWO_AND_WORD: _two_and_word,
    Mishap.REMARKED: _remarked,
    Mishap.STRUCK_OUT: _struck_out,
    Mishap.DOT: _odd_style(Style.DOT),
    Mishap.LINE: _odd_style(Style.LINE),
    Mishap.RING: _odd_style(Style.RING),
    Mishap.SECOND_PARTIAL: _odd_style(Style.PARTIAL),
    Mishap.HIGHLIGHTED: _highlighted,
    Mishap.LONG_TAIL: _long_tail,
    Mishap.BLEEDING: _bleeding,
}

#: How what happens to pages is drawn.
_ON_PAGE: Mapping[Mishap, Callable[[dirt.Spot, np.random.Generator], list[Mark]]] = {
    Mishap.NOTES: dirt.notes,
    Mishap.DOODLE: dirt.doodle,
    Mishap.HAIR: dirt.hair,
    Mishap.SMUDGE: dirt.smudge,
    Mishap.STAIN: dirt.stain,
    Mishap.HIGHLIGHTER: dirt.highlighter,
    Mishap.FOLD: dirt.fold,
    Mishap.STAPLE: dirt.staple,
    Mishap.SHADOW: dirt.shadow,
}
