"""Forms of no system in particular, drawn at random: what the network is trained on, so that it knows no form by heart.

Boxes of 2 to 7 mm, square, oblong or round, with frames thin or thick, black or pale, letters inside in several fonts or none,
white or shaded; in lists with sentences beside them, in rows, in tight grids of digits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from scangrade.authoring.form import Look
from scangrade.model import (
    Box,
    Convention,
    Fiducial,
    FiducialKind,
    Field,
    FieldKind,
    Layout,
    LayoutPage,
    Shape,
)

_FONTS = ("Vera", "VeraBd", "Helvetica", "Helvetica-Bold", "Times-Roman", "Courier", "Helvetica-Oblique")
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#: What alternatives are called; a row takes some that follow each other.
_NAMES = (_ALPHABET, _ALPHABET.lower(), "1234567890", "TF", "YN", "+-?", "WXYZ")
_WIDTH, _HEIGHT = 210.0, 297.0
_LEFT, _TOP, _RIGHT, _BOTTOM = 22.0, 34.0, 190.0, 268.0
_MOST_BOXES = (50, 110)  #: a sheet with few boxes has sentences


@dataclass(frozen=True, slots=True)
class WildForm:
    """A form as it is printed, and as the layout that it is read with says."""

    printed: Layout
    read: Layout
    look: Look


def wild_form(rng: np.random.Generator, name: str) -> WildForm:
    """Draw a form of one page.

    Parameters
    ----------
    rng : Generator
    name : str
        Of the layout.

    Returns
    -------
    WildForm
        Its convention is `ANY`, so that people mark it in every way there is.
    """
    geometry = _geometry(rng)
    inside = rng.random() < 0.6
    fields: list[Field] = []
    y = _TOP
    most = _MOST_BOXES[int(rng.integers(2))]
    while y < _BOTTOM - 12 and sum(len(one.boxes) for one in fields) < most:
        kind = rng.random() * (0.7 if most < 60 else 1.0)
        if kind < 0.42:
            more, y = _rows(rng, geometry, y, len(fields), inside, narrow=most < 60)
        elif kind < 0.7:
            more, y = _lists(rng, geometry, y, len(fields), inside)
        elif kind < 0.9:
            more, y = _digits(rng, geometry, y, len(fields), inside)
        else:
            more, y = _letters(rng, geometry, y, len(fields), inside)
        fields += more
        if rng.random() < 0.3:
            geometry = _geometry(rng)
    look = Look(
        frame=float(rng.choice([0.0, 0.0, 0.0, 0.2, 0.4, 0.6])),
        letter=float(rng.choice([0.0, 0.0, 0.0, 0.2, 0.35, 0.5, 0.7])),
        letter_share=rng.uniform(0.45, 0.95),
        font=_FONTS[int(rng.integers(len(_FONTS)))],
        shade=1.0 if rng.random() < 0.9 else rng.uniform(0.78, 0.93),
        ground=1.0 if rng.random() < 0.8 else rng.uniform(0.6, 0.95),
    )
    page = LayoutPage(1, _WIDTH, _HEIGHT, _fiducials(rng))
    layout = Layout(name, "Forma " + name, Convention.ANY, (page,), tuple(fields))
    read = layout
    if inside and rng.random() < 0.4:  # layouts often do not say what is printed in their boxes
        bare = tuple(replace(one, boxes=tuple(replace(box, printed="") for box in one.boxes)) for one in fields)
        read = replace(layout, fields=bare)
    return WildForm(layout, read, look)


@dataclass(frozen=True, slots=True)
class _Geometry:
    width: float
    height: float
    frame: float
    shape: Shape
    gap: float  #: between frames


def _geometry(rng: np.random.Generator) -> _Geometry:
    width = float(np.exp(rng.uniform(np.log(2.0), np.log(4.5 if rng.random() < 0.5 else 6.5))))
    aspect = 1.0 if rng.random() < 0.7 else rng.uniform(0.55, 1.5)
    frame = rng.uniform(0.1, 0.25) if rng.random() < 0.5 else rng.uniform(0.25, 0.6)
    shape = Shape.CIRCLE if rng.random() < 0.5 else Shape.SQUARE
    return _Geometry(width, float(np.clip(width * aspect, 1.9, 7.5)), min(frame, width / 6), shape, rng.uniform(0.5, 6.0))


def _box(field: str, value: str, x: float, y: float, one: _Geometry, inside: bool) -> Box:
    return Box(field, value, 1, x, y, one.width, one.height, one.frame, one.shape, value if inside else "")


def _rows(
    rng: np.random.Generator, one: _Geometry, y: float, start: int, inside: bool, *, narrow: bool
) -> tuple[list[Field], float]:
    count, columns = int(rng.integers(2, 8)), int(rng.integers(2, 7))
    across = one.width + 2 * one.frame + one.gap
    down = one.height + 2 * one.frame + rng.uniform(0.8, 7.0)
    blocks = int(np.clip((_RIGHT - _LEFT) // (across * columns + 14), 1, 4))
    fields: list[Field] = []
    names = _names(rng, columns)
    columns = len(names)
    for row in range(count):
        at = y + 6 + row * down
        if at > _BOTTOM:
            break
        for block in range(1 if narrow else blocks):
            x = _LEFT + 8 + block * (across * columns + 14)
            name = f"{start + len(fields) + 1}"
            boxes = tuple(_box(name, names[k], x + k * across, at, one, inside) for k in range(columns))
            fields.append(Field(name, FieldKind.CHOICE, 1, boxes, question=name, many=True))
    return fields, y + 12 + count * down


def _lists(rng: np.random.Generator, one: _Geometry, y: float, start: int, inside: bool) -> tuple[list[Field], float]:
    options = int(rng.integers(2, 6))
    down = one.height + 2 * one.frame + rng.uniform(0.6, 5.0)
    fields: list[Field] = []
    names = _names(rng, options)
    for column in range(1 if rng.random() < 0.6 else 2):
        name = f"{start + len(fields) + 1}"
        x = _LEFT + 8 + column * 85 + rng.uniform(0, 12)
        boxes = tuple(_box(name, value, x, y + 8 + k * down, one, inside) for k, value in enumerate(names))
        fields.append(Field(name, FieldKind.CHOICE, 1, boxes, question=name, many=rng.random() < 0.6))
    return fields, y + 14 + options * down


def _digits(rng: np.random.Generator, one: _Geometry, y: float, start: int, inside: bool) -> tuple[list[Field], float]:
    columns = int(rng.integers(3, 8))
    across = one.width + 2 * one.frame + min(one.gap, 3.5)
    down = one.height + 2 * one.frame + rng.uniform(0.4, 2.5)
    x = _LEFT + 6 + rng.uniform(0, 80)
    values = "1234567890" if rng.random() < 0.5 else "0123456789"
    fields: list[Field] = []
    for column in range(columns):
        name = f"{start + column + 1}"
        boxes = tuple(_box(name, value, x + column * across, y + 8 + k * down, one, inside) for k, value in enumerate(values))
        fields.append(Field(name, FieldKind.DIGIT, 1, boxes, group=f"g{start}", place=column + 1))
    return fields, y + 16 + 10 * down


def _letters(rng: np.random.Generator, one: _Geometry, y: float, start: int, inside: bool) -> tuple[list[Field], float]:
    """Columns of all letters, in which names are marked: small, and many."""
    one = replace(one, width=min(one.width, 3.4), height=min(one.height, 3.4), frame=min(one.frame, 0.4))
    across = one.width + 2 * one.frame + min(one.gap, 2.5)
    down = one.height + 2 * one.frame + rng.uniform(0.4, 1.5)
    count = int(min(len(_ALPHABET), (_BOTTOM - y - 8) // down))
    if count < 10:
        return [], y + 12
    x = _LEFT + 6 + rng.uniform(0, 60)
    fields: list[Field] = []
    for column in range(int(rng.integers(3, 10))):
        name = f"{start + column + 1}"
        boxes = tuple(
            _box(name, value, x + column * across, y + 8 + k * down, one, inside) for k, value in enumerate(_ALPHABET[:count])
        )
        fields.append(Field(name, FieldKind.CHOICE, 1, boxes, question=name, many=False))
    return fields, y + 16 + count * down


def _names(rng: np.random.Generator, count: int) -> str:
    """Names of at most `count` alternatives: most often A and what follows."""
    if rng.random() < 0.5:
        return _ALPHABET[:count]
    names = _NAMES[int(rng.integers(len(_NAMES)))]
    first = int(rng.integers(max(1, len(names) - count + 1)))
    return names[first : first + count]


def _fiducials(rng: np.random.Generator) -> tuple[Fiducial, ...]:
    kind = (FiducialKind.SQUARE, FiducialKind.CIRCLE, FiducialKind.CORNER)[int(rng.integers(3))]
    size, line = rng.uniform(4, 7), 1.0 if kind is FiducialKind.CORNER else 0.0
    corners = (((11.0, 11.0), 0), ((199.0, 11.0), 90), ((199.0, 286.0), 180), ((11.0, 286.0), 270))
    return tuple(Fiducial(kind, x, y, size, line, turn if line else 0) for (x, y), turn in corners)
