"""What is written by hand in the cells for a number: how probable each digit is, cell by cell, on every page of every booklet.

What cells look like when nothing is written in them is learned from each scan, as for boxes; but over all cells together, since in one cell
everybody may have written the same digit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scangrade.answers.digits import NOTHING, CellSize, recognise_digits
from scangrade.model import CELL_REACH, CELL_SIDE, Booklet, Box, FieldKind, Layout, PageRead
from scangrade.settings import HANDWRITING, HandwritingSettings

Pictures = NDArray[np.uint8]

_THIN_LINE: Final = 0.8  # darkness, of the page's black, that scanners leave of a thin black line
_PLACES: Final = 5  # decimals that are kept of a probability


@dataclass(frozen=True, slots=True)
class Written:
    """What the cells of one field hold."""

    field: str
    page: int
    cells: tuple[tuple[float, ...], ...]  #: by cell from the left: the probability of each of `SYMBOLS`

    @property
    def blank(self) -> bool:
        """Whether nothing is written at all."""
        return all(one[NOTHING] > 0.5 for one in self.cells)

    def number(self, settings: HandwritingSettings = HANDWRITING) -> str:
        """As read, without empty cells at the ends; "?" where no digit is clear, "_" for an empty cell between."""
        best = [int(np.argmax(one)) for one in self.cells]
        shown = [
            "_" if code == NOTHING else str(code) if code < NOTHING and one[code] >= settings.shown else "?"
            for code, one in zip(best, self.cells, strict=True)
        ]
        return "".join(shown).strip("_")


def read_handwriting(
    booklets: Sequence[Booklet], layout: Layout, *, settings: HandwritingSettings = HANDWRITING
) -> dict[str, tuple[Written, ...]]:
    """Read the handwritten numbers of booklets.

    Parameters
    ----------
    booklets : sequence of Booklet
        All of a run, since what cells look like when empty is learned from them.
    layout : Layout
    settings : HandwritingSettings

    Returns
    -------
    mapping of booklet id to tuple of Written
        One per field whose page came in with pictures, in layout order.
    """
    fields = [one for one in layout.fields if one.kind is FieldKind.HANDWRITTEN]
    if not fields:
        return {}
    rows = {one.page: {cell.key: row for row, cell in enumerate(layout.cells(one.page))} for one in fields}
    # scanners differ in how dark and how wide they make a line: what cells look like is learned scan by scan
    kinds: dict[tuple[CellSize, str], list[tuple[int, str, int, Pictures, Pictures | None]]] = {}
    frames: dict[CellSize, tuple[Box, ...]] = {}
    for index, booklet in enumerate(booklets):
        for field in fields:
            page = booklet.pages.get(field.page)
            if page is None or not isinstance(page.result, PageRead):
                continue
            readings, at = page.result.readings, [rows[field.page][cell.key] for cell in field.cells]
            if len(readings.cells) != len(rows[field.page]):
                continue  # the pictures were removed
            size = CellSize(field.cells[0].width_mm, field.cells[0].height_mm)
            frames.setdefault(size, field.cells)
            blank = readings.blank_cells[at] if len(readings.blank_cells) else None
            kinds.setdefault((size, page.ref.scan), []).append((index, field.id, field.page, readings.cells[at], blank))
    found: dict[tuple[int, str], Written] = {}
    for (size, _), held in kinds.items():
        pictures = np.concatenate([cells for *_, cells, _ in held])
        learned = _empty(pictures, frames[size], settings)
        if all(blank is None for *_, blank in held):
            empty = learned[None]
        else:
            empty = np.concatenate([_repeated(learned, len(cells)) if blank is None else blank for *_, cells, blank in held])
        probabilities = recognise_digits(pictures, empty, size)
        start = 0
        for index, field_id, number, cells, _ in held:
            own = probabilities[start : start + len(cells)].astype(float).round(_PLACES).tolist()
            found[index, field_id] = Written(field_id, number, tuple(tuple(one) for one in own))
            start += len(cells)
    return {
        booklet.id: tuple(found[index, one.id] for one in fields if (index, one.id) in found)
        for index, booklet in enumerate(booklets)
    }


def _repeated(picture: Pictures, count: int) -> Pictures:
    return np.repeat(picture[None], count, axis=0)


def _empty(pictures: Pictures, row: tuple[Box, ...], settings: HandwritingSettings) -> Pictures:
    """A cell in which nothing is written: a low quantile of all of them, or what the layout says where there are few."""
    if len(pictures) < settings.least_cells:
        return _frame(row)
    step = max(1, len(pictures) // settings.most_cells)
    some = pictures[::step]
    rank = int(settings.quantile * (len(some) - 1))
    return np.asarray(np.partition(some, rank, axis=0)[rank], dtype=np.uint8)


@lru_cache(maxsize=16)
def _frame(row: tuple[Box, ...]) -> Pictures:
    """A cell in the middle of its row as the layout describes it, on white paper, as dark as scanners leave thin black lines."""
    finer = 4
    middle = row[len(row) // 2]
    side_mm = CELL_REACH * max(middle.width_mm, middle.height_mm)
    at = ((np.arange(CELL_SIDE * finer) + 0.5) / (CELL_SIDE * finer) - 0.5) * side_mm
    line = np.zeros((len(at), len(at)), np.bool_)
    for cell in row:
        x, y = np.abs(at + middle.x_mm - cell.x_mm), np.abs(at + middle.y_mm - cell.y_mm)
        beyond = np.maximum(x[None, :] - cell.width_mm / 2, y[:, None] - cell.height_mm / 2)
        line |= (beyond >= 0) & (beyond <= cell.frame_mm)
    pixels = line.reshape(CELL_SIDE, finer, CELL_SIDE, finer).mean(axis=(1, 3))
    return np.asarray(np.rint(pixels * _THIN_LINE * 255), dtype=np.uint8)
