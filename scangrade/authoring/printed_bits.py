"""Finds page codes that are rows of boxes, some of them filled: the same places on every page, filled otherwise on each."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from scangrade.authoring.artwork import Artwork, Outline
from scangrade.model import Box, PageCode, PageCodeKind
from scangrade.settings import DETECT, DetectSettings


@dataclass(slots=True, eq=False)
class _Cell:
    """A place at which there is a square on every page."""

    x: float
    y: float
    filled: list[bool] = field(default_factory=list)  #: by page
    hollow: list[Outline] = field(default_factory=list)

    @property
    def varies(self) -> bool:
        return len(set(self.filled)) > 1


@dataclass(frozen=True, slots=True)
class FoundBits:
    """What was found, and the pages without it."""

    code: PageCode | None
    pages: tuple[Artwork, ...]  #: without boxes that stand for bits, so that nobody takes them for answers
    notes: tuple[str, ...]


def find_bits(pages: Sequence[Artwork], *, settings: DetectSettings = DETECT) -> FoundBits:
    """Find the page code of a form that is made of boxes.

    Parameters
    ----------
    pages : sequence of Artwork
        All pages of a blank form.
    settings : DetectSettings

    Returns
    -------
    FoundBits
        Its code is None where there are no such boxes, or where they do not tell the pages apart.
    """
    rows = [row for row in _rows(_cells(pages, settings), settings) if _mixed(row, len(pages))]
    if not rows:
        return FoundBits(None, tuple(pages), ())
    notes = []
    told = [row for row in rows if any(cell.varies for cell in row)] if len(pages) > 1 else rows
    constant = [row for row in rows if row not in told]
    if constant:
        x, y = constant[0][0].x, constant[0][0].y
        notes.append(
            f"the row of filled and empty boxes at ({x:.0f}, {y:.0f}) is the same on all pages: taken for the number of the copy,"
            " which such a code cannot say here, and left out."
        )
    rest = tuple(_without(page, [cell for row in rows for cell in row]) for page in pages)
    cells = [cell for row in told for cell in row]
    patterns = {page.number: "".join("1" if cell.filled[index] else "0" for cell in cells) for index, page in enumerate(pages)}
    if not cells or len(set(patterns.values())) < len(patterns):
        if cells:
            notes.append("the rows of filled and empty boxes do not tell all pages apart: write [page_code] by hand.")
        return FoundBits(None, rest, tuple(notes))
    hollow = [one for cell in cells for one in cell.hollow]
    width, height, frame = (
        round(statistics.median(values), 2)
        for values in zip(*((one.width, one.height, one.frame) for one in hollow), strict=True)
    )
    notes.append(
        f"the boxes from ({cells[0].x:.0f}, {cells[0].y:.0f}) on are filled otherwise on each page: taken for the page's number in bits."
        " Take out those of them that differ between copies."
    )
    boxes = tuple(
        Box("page_code", str(place), 0, round(cell.x, 2), round(cell.y, 2), width, height, frame)
        for place, cell in enumerate(cells, start=1)
    )
    return FoundBits(PageCode(PageCodeKind.BITS, bits=boxes, patterns=patterns), rest, tuple(notes))


def _cells(pages: Sequence[Artwork], settings: DetectSettings) -> list[_Cell]:
    """Places of squares that all pages have."""
    cells: list[_Cell] = []
    for index, page in enumerate(pages):
        hollow = [one for one in page.hollows if abs(one.width - one.height) < 0.5]
        solid = list(page.solids)
        # a box that is drawn as a line and a fill is both
        dark = [one for one in hollow if any(_near(one, other, settings) for other in solid)]
        for filled, squares in ((True, solid), (False, [one for one in hollow if one not in dark])):
            for one in squares:
                cell = next((cell for cell in cells if _near(one, cell, settings)), None)
                if cell is None and index == 0:
                    cells.append(cell := _Cell(one.x, one.y))
                if cell is not None and len(cell.filled) == index:
                    cell.filled.append(filled)
                    if not filled:
                        cell.hollow.append(one)
        cells = [cell for cell in cells if len(cell.filled) == index + 1]
    return cells


def _near(one: Outline, other: Outline | _Cell, settings: DetectSettings) -> bool:
    return math.dist((one.x, one.y), (other.x, other.y)) <= settings.line_mm


def _rows(cells: Sequence[_Cell], settings: DetectSettings) -> Iterator[list[_Cell]]:
    """Cells in line at equal steps, close to each other."""
    lines: list[list[_Cell]] = []
    for cell in sorted(cells, key=lambda one: (one.y, one.x)):
        line = next((line for line in lines if abs(line[0].y - cell.y) <= settings.line_mm), None)
        if line is None:
            lines.append([cell])
        else:
            line.append(cell)
    for line in lines:
        ordered = sorted(line, key=lambda one: one.x)
        run = ordered[:1]
        for last, cell in pairwise(ordered):
            step = run[1].x - run[0].x if len(run) > 1 else cell.x - last.x
            if cell.x - last.x <= settings.greatest_box_mm and abs(cell.x - last.x - step) <= settings.line_mm:
                run.append(cell)
            else:
                if len(run) >= settings.least_bits:
                    yield run
                run = [cell]
        if len(run) >= settings.least_bits:
            yield run


def _mixed(row: Sequence[_Cell], pages: int) -> bool:
    """Whether some are filled and some are not: the boxes for answers of a blank form are all empty."""
    return any(len({cell.filled[page] for cell in row}) > 1 for page in range(pages)) and any(cell.hollow for cell in row)


def _without(page: Artwork, cells: Sequence[_Cell]) -> Artwork:
    def kept(outlines: Sequence[Outline]) -> tuple[Outline, ...]:
        return tuple(one for one in outlines if not any(math.dist((one.x, one.y), (cell.x, cell.y)) < 1 for cell in cells))

    return replace(page, outlines=kept(page.outlines), left_out=kept(page.left_out))
