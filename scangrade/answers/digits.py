"""Which digit a cell holds: small convolutional networks, trained on digits that we draw ourselves and on real ones.

A cell's picture less what is printed is brought to one size, one slant and one place, and the cell as it is and as it is when empty are
brought along, so that the networks see where a stroke may be hidden by print. They tell how probable each digit is, and besides that
nothing was written, or something that is no digit: what was crossed out, two digits over each other. They are evaluated with numpy alone
(`network.py`); the weights are in `digits.npz`, and `tests/training/README.md` says how they are made, and from what.

References
----------
.. [1] C.-L. Liu, K. Nakashima, H. Sako, H. Fujisawa, Pattern Recognition 36(10), 2003. DOI 10.1016/S0031-3203(03)00085-2: normalisation
   of handwritten digits.
.. [2] Y. LeCun et al., Proc. IEEE 86(11), 1998. DOI 10.1109/5.726791: convolution, and learned features of handwritten digits.
.. [3] C. Guo et al., ICML 2017, arXiv:1706.04599: temperature scaling, by which the probabilities are calibrated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from scangrade.answers.empty_boxes import added_ink
from scangrade.answers.network import Networks
from scangrade.model import CELL_REACH, CELL_SIDE

Pictures = NDArray[np.uint8]
Floats = NDArray[np.float32]

NOTHING: Final = 10  #: code of a cell in which nothing is written
OTHER: Final = 11  #: code of a cell that holds something else than one digit

#: What a cell may hold, by code.
SYMBOLS: Final = (*"0123456789", "nothing", "other")

#: Of the cells that the networks learned from, how many hold each of the digits, and something else: what they say is true of such.
DIGIT_SHARE: Final = 0.086
OTHER_SHARE: Final = 0.08

_AT_ONCE: Final = 1024  # cells: more only take more memory
SIDE: Final = 24  # pixels of a digit brought to one size
_LONGER: Final = 20  # of them, the digit's longer side
_MOST_SLANT: Final = 0.6
_INK: Final = 0.35  # share of the darkest added ink that a pixel of a stroke has, at least
_FAINTEST: Final = 18  # of 255: what is paler is noise
_LEAST_PIXELS: Final = 5  # of a stroke: specks are smaller
_PRINT: Final = 0.25  # share of the darkest print that is print
_ALONG: Final = (
    0.7  # share of a stroke's pixels along the print, from which it is left of that: scans differ in how dark they make frames
)
_PAPER: Final = 0.98  # probability that nothing is written where no stroke is seen: some pencils are fainter than noise
_AROUND: Final = 1.1  # times the cell: a stroke whose middle lies farther out is a neighbour's


@dataclass(frozen=True, slots=True)
class CellSize:
    """Inside of a cell in mm."""

    width_mm: float
    height_mm: float

    @property
    def half_px(self) -> tuple[float, float]:
        """Half of its width and of its height in its picture."""
        per_mm = CELL_SIDE / (CELL_REACH * max(self.width_mm, self.height_mm))
        return self.width_mm / 2 * per_mm, self.height_mm / 2 * per_mm


def recognise_digits(cells: Pictures, empty: Pictures, size: CellSize) -> Floats:
    """Say what cells of one size hold.

    Parameters
    ----------
    cells : (N, CELL_SIDE, CELL_SIDE) uint8 array
        As `Readings.cells`.
    empty : (N, CELL_SIDE, CELL_SIDE) uint8 array, or (1, CELL_SIDE, CELL_SIDE) for all alike
        The same cells when nothing is written in them.
    size : CellSize

    Returns
    -------
    (N, len(SYMBOLS)) float32 array
        Calibrated probabilities, one row per cell.
    """
    result = of_paper(len(cells))
    for start in range(0, len(cells), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        looked = look(cells[some], empty[some] if len(empty) > 1 else empty, size)
        if looked.seen.any():
            result[some][looked.seen] = networks()([one[looked.seen] for one in looked.pictures], looked.shapes[looked.seen])
    return result


def of_paper(count: int) -> Floats:
    """Probabilities of so many cells in which no stroke is seen."""
    result = np.full((count, len(SYMBOLS)), (1 - _PAPER) / (len(SYMBOLS) - 1), np.float32)
    result[:, NOTHING] = _PAPER
    return result


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """What the networks look at."""

    seen: NDArray[np.bool_]  #: (N,): whether there is a stroke at all; where there is none, everything else is 0
    pictures: tuple[Pictures, Pictures, Pictures]  #: (N, SIDE, SIDE) each: the cell's strokes, the cell, the cell when empty
    shapes: Floats  #: (N, SHAPES): height, width, both to the cell, thinness, slant, ink


def look(cells: Pictures, empty: Pictures, size: CellSize) -> Looked:
    """Bring what is written in cells to one size, slant and place."""
    added = added_ink(cells, empty)
    along = [_along(one) for one in empty]
    count = len(cells)
    digits, around, below = (np.zeros((count, SIDE, SIDE), np.uint8) for _ in range(3))
    shapes = np.zeros((count, SHAPES), np.float32)
    seen = np.zeros(count, np.bool_)
    half = size.half_px
    darkest = added.max(axis=(1, 2), initial=0)
    for index in np.flatnonzero(darkest > _FAINTEST).tolist():  # in the others nothing is written
        print_ = index if len(along) > 1 else 0
        strokes = _strokes(added[index], along[print_], half)
        if strokes is None:
            continue
        seen[index] = True
        place, gain, shapes[index] = _place(strokes, half)
        for picture, out in ((strokes, digits), (cells[index], around), (empty[print_], below)):
            brought = cv2.warpAffine(picture, place, (SIDE, SIDE), flags=cv2.INTER_LINEAR)
            cv2.convertScaleAbs(brought, dst=out[index], alpha=gain)
    return Looked(seen, (digits, around, below), shapes)


def _along(print_: Pictures) -> Floats:
    """1 on a cell's print and beside it, flat."""
    dark = (print_ > _PRINT * max(int(print_.max()), _FAINTEST)).astype(np.uint8)
    return cv2.dilate(dark, _AROUND_PIXEL).ravel().astype(np.float32)


_AROUND_PIXEL: Final = np.ones((3, 3), np.uint8)


def _strokes(ink: Pictures, along: Floats, half: tuple[float, float]) -> Pictures | None:
    """The ink of the strokes that belong to a cell; None where there is none. What lies along its print is left of that."""
    x, y = (int(CELL_SIDE / 2 - length) for length in half)
    level = max(_FAINTEST, _INK * int(ink[y : CELL_SIDE - y, x : CELL_SIDE - x].max()))
    count, names, stats, middles = cv2.connectedComponentsWithStats((ink > level).view(np.uint8), connectivity=8)
    kept = np.zeros(count, np.bool_)
    middle, (reach_x, reach_y) = (CELL_SIDE - 1) / 2, (_AROUND * half[0], _AROUND * half[1])
    printed = np.bincount(names.ravel(), along, count) if count > 1 else ()
    for one in range(1, count):  # a handful: arrays of so few cost more than a loop
        area = int(stats[one, cv2.CC_STAT_AREA])
        within = abs(middles[one, 0] - middle) <= reach_x and abs(middles[one, 1] - middle) <= reach_y
        kept[one] = area >= _LEAST_PIXELS and within and printed[one] <= _ALONG * area
    if not kept.any():
        return None
    own = kept[names]
    near = cv2.dilate(own.view(np.uint8), _AROUND_PIXEL)
    return np.where((near > 0) & (own | (names == 0)), ink, 0).astype(np.uint8)


SHAPES: Final = 5
_X, _Y = (one.ravel().astype(np.float32) for one in np.meshgrid(np.arange(CELL_SIDE), np.arange(CELL_SIDE)))


def _place(ink: Pictures, half: tuple[float, float]) -> tuple[NDArray[np.float64], float, Floats]:
    """Where strokes are brought to, by what their darkness is multiplied, and what they are before that."""
    flat = ink.ravel()
    at = np.flatnonzero(flat > _FAINTEST / 2)
    weights = flat[at].astype(np.float64)
    total = float(weights.sum())
    columns, rows = _X[at], _Y[at]
    x, y = float(columns @ weights) / total, float(rows @ weights) / total
    dx, dy = columns - x, rows - y
    leaning = dy * weights
    slant = float(leaning @ dx) / max(float(leaning @ dy), 1e-6)
    slant = min(max(slant, -_MOST_SLANT), _MOST_SLANT)
    straight = dx - slant * dy
    left, right, top, bottom = float(straight.min()), float(straight.max()), float(dy.min()), float(dy.max())
    width, height = right - left + 1, bottom - top + 1
    thin = min(width, height) / max(width, height)
    short = _LONGER * math.sqrt(math.sin(math.pi / 2 * thin))
    new_width, new_height = (short, _LONGER) if width < height else (_LONGER, short)
    across, down = new_width / width, new_height / height
    # from the picture's pixels to the digit's: straight = (u - x) - slant (v - y)
    matrix = np.array(
        [
            [across, -across * slant, across * (-x + slant * y - (left + right) / 2) + (SIDE - 1) / 2],
            [0, down, down * (-y - (top + bottom) / 2) + (SIDE - 1) / 2],
        ]
    )
    strong = 0.9 * (len(weights) - 1)  # as numpy.percentile has it, at a tenth of its cost
    below = int(strong)
    ordered = np.partition(weights, (below, min(below + 1, len(weights) - 1)))
    peak = float(ordered[below] + (strong - below) * (ordered[min(below + 1, len(weights) - 1)] - ordered[below]))
    shapes = (height / (2 * half[1]), width / (2 * half[1]), thin, slant, total / 255 / (4 * half[0] * half[1]))
    return matrix, 255 / max(peak, 1.0), np.array(shapes, np.float32)


@lru_cache(maxsize=1)
def networks() -> Networks:
    """The networks whose weights are stored."""
    return Networks.stored("digits.npz", brightest=255)
