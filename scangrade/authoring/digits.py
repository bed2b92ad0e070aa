"""Digits as different people write them: strokes, not pictures, so that pens, scanners and sizes are somebody else's business.

A `Hand` is one writer: which form of each digit they learned (a one with an upstroke or without, a seven with or without its bar, a four
that is open or closed), how they slant, how round and how steady they are. The same hand writes the same digit alike, though never the
same. The forms are those that people in Europe and North America use; each is given by some points of its skeleton.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from scangrade.authoring.ink import FloatArray, Ink, Mark, Stroke
from scangrade.model import Field

_Points = tuple[tuple[float, float], ...]
_Form = tuple[_Points, ...]  #: strokes, in a square from (0, 0) top left to (1, 1)

#: The forms of each digit, and how usual each is.
_FORMS: Final[Mapping[str, tuple[tuple[float, _Form], ...]]] = {
    "0": (
        (6, (((0.55, 0.02), (0.2, 0.2), (0.1, 0.55), (0.25, 0.92), (0.55, 0.98), (0.85, 0.7), (0.88, 0.3), (0.65, 0.05), (0.5, 0.04)),)),
        (3, (((0.7, 0.12), (0.45, 0.0), (0.12, 0.3), (0.12, 0.72), (0.45, 1.0), (0.85, 0.75), (0.9, 0.3), (0.6, 0.04), (0.35, 0.1)),)),
        (1, (((0.5, 0.0), (0.85, 0.12), (0.9, 0.6), (0.6, 0.98), (0.25, 0.92), (0.1, 0.5), (0.2, 0.12), (0.52, 0.02)),)),
        (0.6, (
            ((0.55, 0.02), (0.2, 0.2), (0.1, 0.55), (0.25, 0.92), (0.55, 0.98), (0.85, 0.7), (0.88, 0.3), (0.6, 0.03)),
            ((0.8, 0.15), (0.2, 0.85)),
        )),
    ),
    "1": (
        (4, (((0.2, 0.34), (0.55, 0.03), (0.53, 0.98)),)),
        (3, (((0.05, 0.5), (0.3, 0.3), (0.6, 0.02), (0.58, 0.98)),)),
        (3, (((0.52, 0.02), (0.48, 0.98)),)),
        (1.5, (((0.2, 0.28), (0.52, 0.03), (0.5, 0.95)), ((0.2, 0.97), (0.82, 0.96)))),
        (1, (((0.3, 0.2), (0.56, 0.03), (0.5, 0.5), (0.46, 0.98)),)),
    ),
    "2": (
        (4, (((0.15, 0.25), (0.4, 0.03), (0.75, 0.12), (0.75, 0.4), (0.4, 0.72), (0.12, 0.95), (0.88, 0.93)),)),
        (3, (
            ((0.15, 0.22), (0.45, 0.02), (0.8, 0.15), (0.7, 0.45), (0.35, 0.8), (0.12, 0.95), (0.15, 0.75),
             (0.4, 0.78), (0.65, 0.97), (0.92, 0.88)),
        )),
        (2, (((0.2, 0.1), (0.6, 0.02), (0.82, 0.25), (0.55, 0.6), (0.1, 0.97), (0.1, 0.97), (0.9, 0.97)),)),
    ),
    "3": (
        (4, (
            ((0.18, 0.12), (0.5, 0.02), (0.78, 0.17), (0.65, 0.42), (0.42, 0.47), (0.75, 0.55), (0.82, 0.8), (0.5, 0.99), (0.14, 0.88)),
        )),
        (2, (((0.15, 0.05), (0.8, 0.04), (0.8, 0.04), (0.42, 0.4), (0.75, 0.5), (0.85, 0.78), (0.5, 0.99), (0.12, 0.9)),)),
        (2, (((0.2, 0.2), (0.5, 0.0), (0.8, 0.2), (0.5, 0.45), (0.35, 0.48), (0.45, 0.5), (0.85, 0.7),
         (0.6, 1.0), (0.2, 0.97), (0.1, 0.82)),)),
    ),
    "4": (
        (4, (((0.55, 0.03), (0.12, 0.62), (0.9, 0.6)), ((0.66, 0.35), (0.62, 0.99)))),
        (3, (((0.15, 0.05), (0.1, 0.5), (0.1, 0.52), (0.85, 0.5)), ((0.75, 0.05), (0.7, 0.98)))),
        (2, (((0.7, 0.98), (0.72, 0.03), (0.72, 0.03), (0.08, 0.65), (0.08, 0.66), (0.95, 0.64)),)),
        (1, (((0.3, 0.05), (0.15, 0.55), (0.5, 0.6), (0.85, 0.5)), ((0.7, 0.25), (0.55, 0.99)))),
    ),
    "5": (
        (4, (((0.3, 0.05), (0.22, 0.45), (0.6, 0.4), (0.82, 0.65), (0.62, 0.95), (0.15, 0.93)), ((0.3, 0.06), (0.82, 0.04)))),
        (3, (((0.85, 0.04), (0.25, 0.05), (0.25, 0.06), (0.2, 0.48), (0.55, 0.4), (0.85, 0.62), (0.7, 0.95), (0.35, 1.0), (0.1, 0.88)),)),
        (1, (((0.8, 0.08), (0.35, 0.1), (0.3, 0.42), (0.7, 0.5), (0.8, 0.75), (0.5, 0.98), (0.12, 0.9)),)),
    ),
    "6": (
        (4, (((0.7, 0.04), (0.3, 0.35), (0.15, 0.72), (0.38, 0.98), (0.75, 0.88), (0.75, 0.6), (0.42, 0.52), (0.18, 0.72)),)),
        (2, (((0.5, 0.0), (0.2, 0.4), (0.12, 0.75), (0.4, 1.0), (0.8, 0.85), (0.7, 0.55), (0.35, 0.55), (0.14, 0.8)),)),
        (1, (((0.85, 0.12), (0.55, 0.02), (0.2, 0.3), (0.12, 0.7), (0.4, 0.99), (0.8, 0.85), (0.78, 0.6), (0.45, 0.5), (0.15, 0.68)),)),
    ),
    "7": (
        (4, (((0.12, 0.08), (0.86, 0.05), (0.86, 0.05), (0.55, 0.5), (0.4, 0.99)), ((0.3, 0.52), (0.75, 0.48)))),
        (4, (((0.12, 0.08), (0.88, 0.05), (0.88, 0.05), (0.5, 0.55), (0.35, 0.99)),)),
        (1.5, (((0.12, 0.2), (0.14, 0.06), (0.85, 0.05), (0.86, 0.06), (0.55, 0.5), (0.45, 0.99)),)),
        (1, (((0.1, 0.1), (0.45, 0.14), (0.85, 0.03), (0.6, 0.45), (0.5, 0.98)), ((0.25, 0.5), (0.85, 0.46)))),
    ),
    "8": (
        (5, (
            (
                (0.7, 0.15), (0.42, 0.03), (0.22, 0.2), (0.5, 0.46), (0.82, 0.75),
                (0.5, 0.98), (0.17, 0.78), (0.5, 0.48), (0.75, 0.22), (0.62, 0.08),
            ),
        )),
        (2, (
            ((0.5, 0.46), (0.2, 0.3), (0.3, 0.05), (0.68, 0.04), (0.78, 0.28), (0.5, 0.47)),
            ((0.5, 0.47), (0.14, 0.7), (0.3, 0.97), (0.72, 0.97), (0.86, 0.7), (0.52, 0.47)),
        )),
        (1, (
            (
                (0.8, 0.08), (0.4, 0.0), (0.2, 0.22), (0.55, 0.45), (0.85, 0.7), (0.6, 0.98), (0.2, 0.9),
                 (0.25, 0.65), (0.6, 0.42), (0.85, 0.1),
            ),
        )),
    ),
    "9": (
        (4, (((0.8, 0.22), (0.45, 0.03), (0.18, 0.28), (0.45, 0.5), (0.78, 0.25), (0.75, 0.6), (0.58, 0.98)),)),
        (2, (((0.78, 0.2), (0.45, 0.02), (0.15, 0.25), (0.4, 0.48), (0.78, 0.22), (0.78, 0.65), (0.6, 0.95), (0.2, 0.92)),)),
        (2, (((0.75, 0.3), (0.6, 0.03), (0.2, 0.1), (0.15, 0.4), (0.5, 0.5), (0.76, 0.2), (0.76, 0.22), (0.72, 0.98)),)),
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Hand:
    """How one person writes digits."""

    forms: Mapping[str, _Form]  #: the form they learned, in their own proportions
    others: Mapping[str, _Form]  #: a form that slips in now and then
    slips: float  #: how often it does
    slant: float  #: of the top to the right, per height
    height: float  #: of a digit, as a share of the room it has
    width: float  #: of a digit, as a share of its height
    unsteady: float  #: sigma of each point, as a share of the digit
    rising: float  #: of the line they write on, per width


def draw_hand(rng: np.random.Generator, *, care: float = 0.6) -> Hand:
    """A writer, drawn at random.

    Parameters
    ----------
    rng : Generator
    care : float
        0 for a scrawl, 1 for somebody who takes their time.
    """
    own = 0.055 * (1.25 - care)

    def form(digit: str) -> _Form:
        weights = np.array([weight for weight, _ in _FORMS[digit]])
        chosen = _FORMS[digit][int(rng.choice(len(weights), p=weights / weights.sum()))][1]
        return tuple(tuple((x + rng.normal(0, own), y + rng.normal(0, own)) for x, y in stroke) for stroke in chosen)

    return Hand(
        forms={digit: form(digit) for digit in _FORMS},
        others={digit: form(digit) for digit in _FORMS},
        slips=0.06,
        slant=float(rng.normal(0.1, 0.14)),
        height=float(np.clip(rng.normal(0.74, 0.1), 0.45, 0.98)),
        width=float(np.clip(rng.normal(0.62, 0.1), 0.38, 0.9)),
        unsteady=float(0.012 + 0.03 * (1 - care) * rng.uniform(0.5, 1.5)),
        rising=float(rng.normal(0, 0.03)),
    )


def digit_strokes(digit: str, hand: Hand, rng: np.random.Generator) -> tuple[FloatArray, ...]:
    """One digit as its strokes, in units of its height: about (-0.5, -0.5) to (0.5, 0.5), around its middle; no two are the same."""
    form = hand.others[digit] if rng.random() < hand.slips else hand.forms[digit]
    slant = hand.slant + rng.normal(0, 0.04)
    width = hand.width * (1 + rng.normal(0, 0.07)) * (0.75 if digit == "1" else 1.0)
    turn = rng.normal(0, 0.035)
    cos, sin = np.cos(turn), np.sin(turn)
    strokes = []
    for points in form:
        at = np.array(points) + rng.normal(0, hand.unsteady, (len(points), 2)) - 0.5
        at = rounded(at)
        at = np.column_stack([at[:, 0] * width - slant * at[:, 1], at[:, 1]])
        strokes.append(at @ np.array([[cos, sin], [-sin, cos]]))
    return tuple(strokes)


def write_number(field: Field, number: str, hand: Hand, ink: Ink, rng: np.random.Generator) -> tuple[Mark, ...]:
    """Write a number into the cells of a field, a digit into each from the first on; what is no digit leaves its cell empty.

    Parameters
    ----------
    field : Field
        With cells.
    number : str
        No longer than there are cells.
    """
    marks = []
    for cell, digit in zip(field.cells, number, strict=False):
        if digit not in _FORMS:
            continue
        height = min(hand.height * cell.height_mm, 1.25 * cell.width_mm) * (1 + rng.normal(0, 0.04))
        middle = np.array([cell.x_mm, cell.y_mm + 0.04 * cell.height_mm]) + rng.normal(0, 0.05, 2) * (
            cell.width_mm,
            cell.height_mm,
        )
        middle[1] -= hand.rising * (cell.x_mm - field.cells[0].x_mm)
        strokes = tuple(Stroke(one * height + middle, ink.width_mm) for one in digit_strokes(digit, hand, rng))
        marks.append(Mark(cell.page, "digit", ink, strokes, box=cell.key))
    return tuple(marks)


def with_correction(field: Field, marks: Sequence[Mark], hand: Hand, ink: Ink, rng: np.random.Generator) -> tuple[Mark, ...]:
    """The same, where the writer first wrote another digit into one of the cells and then wrote over it, as people do with a pen."""
    if not marks:
        return tuple(marks)
    at = int(rng.integers(len(marks)))
    (wrong,) = write_number(
        replace(field, cells=(next(one for one in field.cells if one.key == marks[at].box),)),
        str(int(rng.integers(10))),
        hand,
        ink,
        rng,
    )
    return (*marks[:at], wrong, *marks[at:])


def rounded(points: FloatArray) -> FloatArray:
    """Cut the corners of a polyline twice (Chaikin), as a hand in motion does."""
    for _ in range(2):
        first, second = points[:-1], points[1:]
        middle = np.empty((2 * len(first), 2))
        middle[0::2], middle[1::2] = 0.75 * first + 0.25 * second, 0.25 * first + 0.75 * second
        points = np.concatenate([points[:1], middle, points[-1:]])
    return points
