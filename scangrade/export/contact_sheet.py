"""Contact sheets: numbered pictures of boxes on A4 pages, to be looked through on a screen or on paper.

What the machine says stands beside each picture as a word, since colour alone does not reach everybody. Whose booklet it is stands
nowhere, so that nobody judges a mark by the student.
"""

from __future__ import annotations

import functools
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from scangrade.model import Box, Shape
from scangrade.paper.crops import Crop
from scangrade.settings import AuditSettings

_DPI: Final = 150
_WIDTH, _HEIGHT = 1240, 1754  # A4
_EDGE: Final = 70
_HEAD: Final = 172  # where the first row begins
_BLACK, _GRAY, _LINE, _OUTLINE = (20, 20, 20), (95, 95, 95), (190, 190, 190), (0, 114, 178)
_BIG, _PLAIN, _SMALL = 28, 21, 16  # sizes of letters, in pixels


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """One box on a sheet."""

    number: int
    word: str  #: what the machine says
    place: tuple[str, str]  #: two short lines: where the box is
    crop: Crop
    box: Box


def draw_sheets(cells: Sequence[Cell], *, title: str, advice: Sequence[str], settings: AuditSettings) -> tuple[bytes, ...]:
    """Draw contact sheets.

    Parameters
    ----------
    cells : sequence of Cell
        In the order in which they are shown, left to right and then down.
    title : str
        Head of each sheet; which numbers it holds is added.
    advice : sequence of str
        Two lines below it at most.
    settings : AuditSettings
        Boxes across and down a sheet, and the line around each box.

    Returns
    -------
    tuple of bytes
        PNG files.
    """
    each = settings.columns * settings.rows
    return tuple(
        _sheet(cells[start : start + each], f"{title}: {_numbers(cells[start : start + each])}", advice, settings)
        for start in range(0, len(cells), each)
    )


def _numbers(cells: Sequence[Cell]) -> str:
    first, last = cells[0].number, cells[-1].number
    return f"number {first}" if first == last else f"numbers {first} to {last}"


def _sheet(cells: Sequence[Cell], title: str, advice: Sequence[str], settings: AuditSettings) -> bytes:
    step_x = (_WIDTH - 2 * _EDGE - settings.crop_px) // max(settings.columns - 1, 1)
    step_y = (_HEIGHT - _HEAD - _EDGE // 2) // settings.rows
    height = min(_HEIGHT, _HEAD + math.ceil(len(cells) / settings.columns) * step_y + _EDGE // 2)
    sheet = Image.new("RGB", (_WIDTH, height), "white")
    pen = ImageDraw.Draw(sheet)
    _write(pen, (_EDGE, 50), title, _BIG, _BLACK)
    for line, text in enumerate(advice):
        _write(pen, (_EDGE, 94 + 28 * line), text, _PLAIN, _GRAY)
    for position, cell in enumerate(cells):
        row, column = divmod(position, settings.columns)
        _draw(sheet, pen, cell, (_EDGE + column * step_x, _HEAD + row * step_y), settings.outline_mm)
    out = io.BytesIO()
    sheet.save(out, "PNG", dpi=(_DPI, _DPI))
    return out.getvalue()


def _draw(sheet: Image.Image, pen: ImageDraw.ImageDraw, cell: Cell, place: tuple[int, int], outline_mm: float) -> None:
    x, y = place
    side = len(cell.crop.pixels)
    _write(pen, (x, y + _BIG), str(cell.number), _BIG, _BLACK, anchor="ls")
    _write(pen, (x + side, y + _BIG), cell.word, _PLAIN, _BLACK, anchor="rs")
    top = y + _BIG + 8
    sheet.paste(Image.fromarray(cell.crop.pixels), (x, top))
    _outline(pen, cell, (x, top), outline_mm)
    pen.rectangle((x - 1, top - 1, x + side, top + side), outline=_LINE)
    for line, text in enumerate(cell.place):
        _write(pen, (x, top + side + 5 + line * (_SMALL + 3)), text, _SMALL, _GRAY)


def _outline(pen: ImageDraw.ImageDraw, cell: Cell, place: tuple[int, int], outline_mm: float) -> None:
    """A thin line around the box, outside of its frame."""
    middle = len(cell.crop.pixels) / 2
    beyond = cell.box.frame_mm + outline_mm
    half_x = (cell.box.width_mm / 2 + beyond) * cell.crop.pixels_per_mm
    half_y = (cell.box.height_mm / 2 + beyond) * cell.crop.pixels_per_mm
    x, y = place[0] + middle, place[1] + middle
    corners = (round(x - half_x), round(y - half_y), round(x + half_x), round(y + half_y))
    if cell.box.shape is Shape.CIRCLE:
        pen.ellipse(corners, outline=_OUTLINE)
    else:
        pen.rectangle(corners, outline=_OUTLINE)


def _write(
    pen: ImageDraw.ImageDraw,
    place: tuple[int, int],
    text: str,
    size: int,
    colour: tuple[int, int, int],
    *,
    anchor: str = "la",
) -> None:
    """Text at a place, which is its top left corner unless Pillow's `anchor` says otherwise."""
    pen.text(place, text, fill=colour, font=_font(size), anchor=anchor)


_font = functools.cache(ImageFont.load_default)  # making one takes longer than drawing a sheet
