"""What was written beside the boxes of a question: a word, an arrow, a letter that takes a mark back or makes one anew.

Such signs count on forms whose convention says so, and only a person can read them; here it is only noticed that there is ink which
does not belong to the form. What belongs to it is on every booklet: it is learned from the batch, or told by the blank form. Where
neither tells, nothing is noticed.

On a dense sheet of boxes every square millimetre near them is print; there `words.py` looks closer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from scangrade.answers.empty_boxes import Sheet, darker, low_quantile
from scangrade.model import Box, Field, FieldKind, Layout
from scangrade.settings import DecideSettings

Cells = NDArray[np.bool_]
Shades = NDArray[np.uint8]

_BLACK = 255


def learn_print_map(sheets: Sequence[Sheet], layout: Layout, *, settings: DecideSettings) -> Mapping[int, Shades]:
    """How dark a cell of each page's ink map may be and say nothing of a question.

    Any darkness says nothing where the form itself may have some, or ink belongs (boxes, regions for writing, stickers), or no question
    is near.

    Parameters
    ----------
    sheets : sequence of Sheet
        Of any number of booklets.
    layout : Layout
    settings : DecideSettings

    Returns
    -------
    mapping of page number to (H, W) uint8 array
        0 to 255, as in the ink map. Only for pages of which it is known.
    """
    pages: dict[int, list[Sheet]] = {}
    for sheet in sheets:
        pages.setdefault(sheet.page, []).append(sheet)
    known: dict[int, Shades] = {}
    for page, found in pages.items():
        some = found[:: max(1, len(found) // settings.most_for_print_map)]
        maps = [sheet.readings.ink_map for sheet in some if sheet.readings.ink_map.size]
        blank = next((sheet.readings.blank_map for sheet in some if sheet.readings.blank_map.size), None)
        if not maps:
            continue
        if len(maps) >= settings.least_for_print_map:
            usual = low_quantile(np.stack(maps), settings.print_quantile)
        elif blank is not None:
            usual = blank
        else:
            continue
        printed = cv2.dilate((usual > settings.print_cell * 255).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        for field in layout.fields:
            if field.region is not None and field.page == page:
                region = field.region
                _put(printed, *region.edges)
        for box in layout.boxes(page):
            _put_box(printed, box, settings.empty_spill_mm)
        beside = np.zeros_like(printed)
        for field in layout.fields:
            if field.kind is FieldKind.CHOICE and field.page == page:
                beside[_zone(field, settings)] = True
        known[page] = np.where(printed | ~beside, _BLACK, np.uint8(settings.written_cell * _BLACK)).astype(np.uint8)
    return known


def _put_box(cells: Cells, box: Box, spill_mm: float) -> None:
    reach_x, reach_y = box.width_mm / 2 + box.frame_mm + spill_mm, box.height_mm / 2 + box.frame_mm + spill_mm
    _put(cells, box.x_mm - reach_x, box.y_mm - reach_y, box.x_mm + reach_x, box.y_mm + reach_y)


def _put(cells: Cells, left: float, top: float, right: float, bottom: float) -> None:
    cells[max(0, int(top)) : max(0, int(np.ceil(bottom))), max(0, int(left)) : max(0, int(np.ceil(right)))] = True


def written_beside(
    sheet: Sheet, most: Shades | None, marked: Iterable[Box], layout: Layout, *, settings: DecideSettings
) -> Mapping[str, int]:
    """How much is written beside the boxes of each choice field of a sheet.

    Parameters
    ----------
    sheet : Sheet
    most : (H, W) uint8 array or None
        How dark its cells may be and say nothing, as learned; None where it is not known.
    marked : iterable of Box
        Boxes of the sheet that are not empty: their marks may spill over.
    layout : Layout
    settings : DecideSettings

    Returns
    -------
    mapping of field id to int
        Cells, square millimetres, with ink that is not the form's; nothing where nothing is, or the form's print is
        not known.
    """
    ink = sheet.readings.ink_map
    if most is None or not ink.size or ink.shape != most.shape:
        return {}
    if not cv2.countNonZero(cv2.subtract(ink, most)):  # mostly nothing is
        return {}
    written = ink > most
    belongs = np.zeros_like(written)
    for box in marked:
        _put_box(belongs, box, settings.spill_mm)
    written &= ~belongs
    if not written.any():
        return {}
    written &= ~_ruled(darker(ink, settings.written_cell), settings)
    return {
        field.id: int(written[_zone(field, settings)].sum())
        for field in layout.fields
        if field.kind is FieldKind.CHOICE and field.page == sheet.page
    }


def _ruled(dark: Cells, settings: DecideSettings) -> Cells:
    """Lines longer than anybody writes, up and down or from side to side: dirt on the scanner's glass, folds, edges of the paper."""
    cells = dark.astype(np.uint8)
    lines = np.zeros_like(cells)
    if not cells.size:  # a sheet of which no map was kept
        return lines > 0
    for across, down, length in ((3, 1, settings.streak_mm), (1, 3, 3 * settings.streak_mm)):
        kernel = np.ones((length, 1) if down == 1 else (1, length), np.uint8)
        wide = cv2.dilate(cells, np.ones((down, across), np.uint8))  # the scan may be askew
        lines |= np.asarray(cv2.morphologyEx(wide, cv2.MORPH_OPEN, kernel), np.uint8)
    return lines > 0


def _zone(field: Field, settings: DecideSettings) -> tuple[slice, slice]:
    across, along = settings.beside_mm, settings.above_mm
    left = min(box.x_mm - box.width_mm / 2 for box in field.boxes) - across
    right = max(box.x_mm + box.width_mm / 2 for box in field.boxes) + across
    top = min(box.y_mm - box.height_mm / 2 for box in field.boxes) - along
    bottom = max(box.y_mm + box.height_mm / 2 for box in field.boxes) + along
    return slice(max(0, int(top)), max(0, int(np.ceil(bottom)))), slice(max(0, int(left)), max(0, int(np.ceil(right))))
