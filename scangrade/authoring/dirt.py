"""What falls on a page beside the marks: notes, doodles, hairs, smears, coffee, highlighter, folded corners, staples, shadows.

Each is drawn near a box, since only there it matters. What it means for the boxes under it is told in `mishaps.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from scangrade.authoring.form import Rect
from scangrade.authoring.ink import FloatArray, Ink, Mark, Stroke
from scangrade.authoring.person import by_hand, spiral, write_line
from scangrade.model import LayoutPage

#: Yellow, pink, green: light, middling and light gray in a gray scan.
HIGHLIGHTERS = ((255, 238, 70), (255, 150, 190), (150, 245, 130))

_HAIR_INK = Ink((60, 55, 50), 0.09, 0.85, 0.15)
_STEEL = Ink((120, 120, 125), 0.5, 0.95, 0.0)
_BACKING = Ink((205, 205, 208), 0.3, 1.0, 0.0)
_CREASE = Ink((120, 120, 120), 0.25, 0.8, 0.0)


@dataclass(frozen=True, slots=True)
class Spot:
    """Where something falls: the centre of a box, its page, and the pen at hand."""

    page: LayoutPage
    x_mm: float
    y_mm: float
    pen: Ink


def notes(spot: Spot, rng: np.random.Generator) -> list[Mark]:
    """A line or two of handwriting across a box."""
    marks = []
    height, length = rng.uniform(3.0, 6.0), rng.uniform(18, 70)
    left = spot.x_mm - rng.uniform(0.05, 0.95) * length
    top = spot.y_mm - height * rng.uniform(0.1, 1.0)
    for row in range(1 if rng.random() < 0.6 else 2):
        words = " ".join("x" * int(rng.integers(2, 8)) for _ in range(max(1, int(length / 14))))
        line = Rect(left, top + row * height * 1.6, left + length, top + row * height * 1.6 + height)
        marks.append(Mark(spot.page.number, "notes", spot.pen, write_line(words, line, spot.pen.width_mm, rng)))
    return marks


def doodle(spot: Spot, rng: np.random.Generator) -> list[Mark]:
    """A spiral, a zigzag or a star near a box, or over it."""
    x, y = np.array([spot.x_mm, spot.y_mm]) + rng.normal(0, 4.0, 2)
    radius = rng.uniform(3, 8)
    match int(rng.integers(3)):
        case 0:
            line = spiral(x, y, radius, rng.uniform(2, 4), rng)
        case 1:
            along = np.linspace(-1, 1, int(rng.integers(6, 14)))
            line = np.column_stack([x + along * radius * 1.6, y + radius * 0.5 * (-1.0) ** np.arange(len(along))])
        case _:
            turns = np.arange(6) * 4 * np.pi / 5 + rng.uniform(0, 6)
            line = np.column_stack([x + radius * np.cos(turns), y + radius * np.sin(turns)])
    stroke = Stroke(by_hand(line, rng, 0.2), spot.pen.width_mm)
    return [Mark(spot.page.number, "doodle", spot.pen, (stroke,))]


def hair(spot: Spot, rng: np.random.Generator) -> list[Mark]:
    """A hair on the glass or on the paper, near a box."""
    angle, bend, length = rng.uniform(0, 2 * np.pi), rng.normal(0, 1.2), rng.uniform(5, 22)
    along = np.linspace(-0.5, 0.5, 24)
    heading = angle + bend * along
    steps = np.column_stack([np.cos(heading), np.sin(heading)]) * (length / len(along))
    line = np.cumsum(steps, axis=0)
    line += np.array([spot.x_mm, spot.y_mm]) + rng.normal(0, 2.0, 2) - line[int(rng.integers(len(line)))]
    width = rng.uniform(0.06, 0.13)
    return [Mark(spot.page.number, "hair", replace(_HAIR_INK, width_mm=width), (Stroke(line, width),))]


def _blob(x: float, y: float, across: float, down: float, turn: float, rng: np.random.Generator) -> FloatArray:
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    edge = 1 + 0.15 * np.sin(angle * 2 + rng.uniform(0, 6)) + 0.1 * np.sin(angle * 5 + rng.uniform(0, 6))
    round_ = np.column_stack([np.cos(angle) * across, np.sin(angle) * down]) * edge[:, None]
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    out: FloatArray = round_ @ matrix.T + (x, y)
    return out


def smudge(spot: Spot, rng: np.random.Generator) -> list[Mark]:
    """A gray smear, as a hand leaves."""
    gray = int(rng.integers(60, 120))
    ink = Ink((gray, gray, gray), 0.3, rng.uniform(0.08, 0.28), 0.5, blur_mm=rng.uniform(0.6, 1.6), sheer=True)
    x, y = np.array([spot.x_mm, spot.y_mm]) + rng.normal(0, 2.0, 2)
    shape = _blob(x, y, rng.uniform(5, 16), rng.uniform(1.5, 5), rng.normal(0.3, 0.5), rng)
    return [Mark(spot.page.number, "smudge", ink, shapes=(shape,))]


def stain(spot: Spot, rng: np.random.Generator) -> list[Mark]:
    """The ring that a cup leaves, and a little coffee within."""
    radius, turn = rng.uniform(22, 38), rng.uniform(0, 2 * np.pi)
    x, y = spot.x_mm - radius * np.cos(turn), spot.y_mm - radius * np.sin(turn)
    opacity, brown = rng.uniform(0.2, 0.45), (150, 105, 60)
    angle = np.linspace(turn - rng.uniform(1.2, 3.1), turn + rng.uniform(1.2, 3.1), 90)
    wave = radius * (1 + 0.01 * np.sin(angle * 5))
    ring = np.column_stack([x + wave * np.cos(angle), y + wave * np.sin(angle)])
    inner = np.column_stack([x + (wave - 1.2) * np.cos(angle), y + (wave - 1.2) * np.sin(angle)])
    strokes = (Stroke(ring, rng.uniform(0.9, 2.4)), Stroke(inner, rng.uniform(0.3, 0.7)))
    marks = [Mark(spot.page.number, "stain", Ink(brown, 1.5, opacity, 0.25, blur_mm=0.2, sheer=True), strokes)]
    if rng.random() < 0.4:
        pale = Ink(brown, 1.0, opacity * 0.3, 0.2, blur_mm=1.5, sheer=True)
        marks.append(Mark(spot.page.number, "stain", pale, shapes=(_blob(x, y, radius, radius, 0.0, rng),)))
    return marks


def highlighter(spot: Spot, rng: np.random.Generator) -> list[Mark]:
    """A band of a highlighter across a box and what is beside it."""
    colour = HIGHLIGHTERS[int(rng.integers(len(HIGHLIGHTERS)))]
    width, length = rng.uniform(3.5, 5.0), rng.uniform(12, 90)
    left, y = spot.x_mm - rng.uniform(0.1, 0.9) * length, spot.y_mm + rng.normal(0, 0.8)
    line = by_hand(np.array([(left, y + rng.normal(0, 0.4)), (left + length, y + rng.normal(0, 0.4))]), rng, 0.3)
    ink = Ink(colour, width, rng.uniform(0.7, 0.95), 0.08, sheer=True)
    return [Mark(spot.page.number, "highlighter", ink, (Stroke(line, width),))]


def _corner(spot: Spot, rng: np.random.Generator) -> tuple[float, float, float, float]:
    """A corner of the page, and which way the page lies from there."""
    page = spot.page
    right, bottom = bool(rng.integers(2)), bool(rng.integers(2))
    return (
        page.width_mm if right else 0.0,
        page.height_mm if bottom else 0.0,
        -1.0 if right else 1.0,
        -1.0 if bottom else 1.0,
    )


def fold(spot: Spot, rng: np.random.Generator) -> list[Mark]:
    """A corner of the page folded over: what is below it is gone."""
    x, y, across, down = _corner(spot, rng)
    wide, high = rng.uniform(8, 24, 2)
    corner = np.array([(x, y), (x + across * wide, y), (x, y + down * high)])
    edge = Stroke(corner[1:], 0.25)
    return [
        Mark(spot.page.number, "fold", _BACKING, shapes=(corner,)),
        Mark(spot.page.number, "fold", _CREASE, (edge,)),
    ]


def staple(spot: Spot, rng: np.random.Generator) -> list[Mark]:
    """A staple near a corner of the page."""
    x, y, across, down = _corner(spot, rng)
    middle = np.array([x + across * rng.uniform(6, 16), y + down * rng.uniform(6, 16)])
    turn = rng.uniform(0, np.pi)
    half = np.array([np.cos(turn), np.sin(turn)]) * 6.0
    ink = _STEEL if rng.random() < 0.5 else replace(_STEEL, colour=(45, 45, 50))
    return [Mark(spot.page.number, "staple", ink, (Stroke(np.array([middle - half, middle + half]), 0.6),))]


def shadow(spot: Spot, rng: np.random.Generator) -> list[Mark]:
    """The dark edge of a page that does not lie flat, left or right."""
    page = spot.page
    wide, soft = rng.uniform(2, 9), rng.uniform(2.0, 4.0)
    left, right = (-9.0, wide) if rng.random() < 0.7 else (page.width_mm - wide, page.width_mm + 9.0)
    shape = np.array([(left, -20.0), (right, -20.0), (right, page.height_mm + 20.0), (left, page.height_mm + 20.0)])
    ink = Ink((30, 30, 30), 0.3, rng.uniform(0.3, 0.75), 0.0, blur_mm=soft, sheer=True)
    return [Mark(spot.page.number, "shadow", ink, shapes=(shape,))]
