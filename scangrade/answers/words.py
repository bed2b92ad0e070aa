"""Whether a word, or an arrow, stands beside a mark, on dense sheets of boxes, where every square millimetre near them is print.

The pictures of a page's boxes, each with its surroundings, nearly cover such a sheet. Put together, and what is printed taken off, they
show what somebody wrote between the boxes; but crosses and ticks reach there as well. A small convolutional network, which sees the
place around a mark some boxes wide, tells tails of marks and handwriting apart. Its weights are in `words.npz`;
`tests/training/README.md` says how they are made, and from what.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from scangrade.answers.empty_boxes import INSIDE, EmptyBoxes, Sheet, added_ink, darker
from scangrade.answers.network import Floats, Networks
from scangrade.model import Box

#: Pixels of a view's side, and per millimetre: so much around a mark that a word beside it is in view, and thin enough for a pencil.
VIEW_SIDE: Final = 56
VIEW_PER_MM: Final = 3.0

#: What the network knows beside the view, in order.
CONTEXT: Final = ("log_width", "log_height", "scale", "contrast")

View = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]


@dataclass(frozen=True, slots=True, eq=False)
class Surroundings:
    """What the pictures of a sheet's boxes show together.

    Attributes
    ----------
    ink : (H, W) uint8 array
        Darkness beyond the form's own print, 0 to 255.
    visible : (H, W) uint8 array
        255 where ink would be seen, less where something is printed, 0 where there is no picture.
    origin_mm : (float, float)
        Place in the layout of the first pixel's corner.
    near : tuple of int
        Positions of the boxes that are there.
    """

    ink: NDArray[np.uint8]
    visible: NDArray[np.uint8]
    origin_mm: tuple[float, float]
    near: tuple[int, ...]


def ink_around(added: NDArray[np.uint8], *, darkness: float) -> NDArray[np.int64]:
    """How much ink, that is not the form's, lies around boxes, outside of their frames, as far as their pictures reach.

    Parameters
    ----------
    added : (N, PATCH_SIDE, PATCH_SIDE) uint8 array
        Ink beyond the empty boxes.
    darkness : float
        From which on it is ink, 0 to 1.

    Returns
    -------
    (N,) int array
        Pixels.
    """
    found = np.zeros(len(added), np.int64)
    some = np.flatnonzero(darker(added.reshape(len(added), -1).max(axis=1), darkness))  # in most there is nothing
    dark = darker(added[some], darkness)
    found[some] = np.count_nonzero(dark, axis=(1, 2)) - np.count_nonzero(dark[:, _FRAMED, _FRAMED], axis=(1, 2))
    return found


#: A box with its frame, in its picture.
_FRAMED = slice(INSIDE.start - 2, INSIDE.stop + 2)


def surroundings(sheet: Sheet, empty: EmptyBoxes, rows: Sequence[int]) -> Surroundings:
    """Put the pictures of a sheet's boxes together; those around which it is not known what is printed are left out.

    Parameters
    ----------
    sheet : Sheet
    empty : EmptyBoxes
        Its boxes as they are when empty.
    rows : sequence of int
        Positions in `sheet.boxes`, at least one: what is in view of these.
    """
    largest = max(max(box.width_mm, box.height_mm) for box in sheet.boxes)
    margin = VIEW_SIDE / VIEW_PER_MM / 2 + 1 + math.ceil(2 * largest)
    some = [sheet.boxes[row] for row in rows]
    left, top = min(box.x_mm - box.width_mm for box in some) - margin, min(box.y_mm - box.height_mm for box in some) - margin
    right, bottom = (max(box.x_mm for box in some) + largest + margin, max(box.y_mm for box in some) + largest + margin)
    shape = (round((bottom - top) * VIEW_PER_MM) + 1, round((right - left) * VIEW_PER_MM) + 1)
    ink, visible = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    inside = largest + 1 / VIEW_PER_MM  # whose pictures, twice as large as they are, lie within as a whole
    near = tuple(
        row
        for row, box in enumerate(sheet.boxes)
        if left + inside < box.x_mm < right - inside and top + inside < box.y_mm < bottom - inside
    )
    known = [row for row in near if empty.around_known[row]]
    added = added_ink(sheet.readings.patches[known], empty.patches[known])
    for row, beyond in zip(known, added, strict=True):
        box = sheet.boxes[row]
        place = _place(box, (box.width_mm, box.height_mm), (left, top))
        for canvas, picture in ((ink, beyond), (visible, 255 - empty.patches[row])):
            there = canvas[place]
            np.maximum(there, cv2.resize(picture, there.shape[::-1], interpolation=cv2.INTER_AREA), out=there)
    return Surroundings(ink, visible, (left, top), near)


def _place(box: Box, reach_mm: tuple[float, float], origin_mm: tuple[float, float]) -> tuple[slice, slice]:
    """Rows and columns of what reaches so far from a box' middle."""
    x, y = box.x_mm - reach_mm[0] - origin_mm[0], box.y_mm - reach_mm[1] - origin_mm[1]
    size = tuple(max(1, round(2 * reach * VIEW_PER_MM)) for reach in reach_mm)
    column, row = round(x * VIEW_PER_MM), round(y * VIEW_PER_MM)
    return slice(row, row + size[1]), slice(column, column + size[0])


def views(sheet: Sheet, around: Surroundings, rows: Sequence[int], filled: Collection[int]) -> View:
    """What is around some boxes of a sheet.

    Parameters
    ----------
    sheet : Sheet
    around : Surroundings
        What is in view of these boxes.
    rows : sequence of int
        Positions in `sheet.boxes` of those to look at.
    filled : collection of int
        Positions of the boxes that are not empty.

    Returns
    -------
    tuple of three (N, VIEW_SIDE, VIEW_SIDE) uint8 arrays
        Ink, boxes (255 one that is not empty, 128 an empty one), and where ink would be seen; the box in the middle.
    """
    boxes = np.zeros_like(around.ink)
    left, top = around.origin_mm
    for row in around.near:
        box = sheet.boxes[row]
        reach = box.width_mm / 2 + box.frame_mm, box.height_mm / 2 + box.frame_mm
        boxes[_place(box, reach, around.origin_mm)] = 255 if row in filled else 128
    found = np.empty((3, len(rows), VIEW_SIDE, VIEW_SIDE), np.uint8)
    for k, row in enumerate(rows):
        box = sheet.boxes[row]
        x, y = (
            round((centre - start) * VIEW_PER_MM) - VIEW_SIDE // 2 for centre, start in ((box.x_mm, left), (box.y_mm, top))
        )
        for channel, canvas in enumerate((around.ink, boxes, around.visible)):
            found[channel, k] = canvas[y : y + VIEW_SIDE, x : x + VIEW_SIDE]
    return found[0], found[1], found[2]


def context(sheet: Sheet, rows: Sequence[int]) -> Floats:
    """What the network knows of boxes beside their views, (N, len(CONTEXT))."""
    sizes = np.array([(sheet.boxes[row].width_mm, sheet.boxes[row].height_mm) for row in rows]).reshape(-1, 2)
    scale, contrast = (sheet.feature(name)[list(rows)] for name in ("scale", "contrast"))
    found = np.column_stack([np.log(sizes / 4), np.minimum(scale / 6, 2), contrast])
    return np.nan_to_num(found.astype(np.float32))


def word_beside(view: View, known: Floats) -> Floats:
    """How probable it is that something is written beside boxes.

    Parameters
    ----------
    view : tuple of arrays
        As `views` gives it.
    known : (N, len(CONTEXT)) float32 array
        As `context` gives it.

    Returns
    -------
    (N,) float32 array
        Of sheets on which one question in seven has a word; where they are rarer, so is a word that seems probable.
    """
    return _networks()(view, known)[:, 1]


@lru_cache(maxsize=1)
def _networks() -> Networks:
    return Networks.stored("words.npz", brightest=255)
