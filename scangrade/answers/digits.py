"""Which digit a cell holds: a small network, trained on digits that we draw ourselves and on 1,797 real ones.

A cell's picture less what is printed is brought to one size, one slant and one place; the directions of its edges, place by place, are
what a network of two hidden layers looks at. It tells how probable each digit is, and besides that nothing was written, or something that
is no digit: what was crossed out, two digits over each other. It is evaluated with numpy alone; the weights are in `digits.npz`, and
`tests/training/README.md` says how they are made, and from what.

References
----------
.. [1] C.-L. Liu, K. Nakashima, H. Sako, H. Fujisawa, Pattern Recognition 36(10), 2003. DOI 10.1016/S0031-3203(03)00085-2: normalisation
   and gradient directions as features of handwritten digits.
.. [2] C. Guo et al., ICML 2017, arXiv:1706.04599: temperature scaling, by which the probabilities are calibrated.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from scangrade.answers.empty_boxes import added_ink
from scangrade.model import CELL_REACH, CELL_SIDE

Pictures = NDArray[np.uint8]
Floats = NDArray[np.float32]

NOTHING: Final = 10  #: code of a cell in which nothing is written
OTHER: Final = 11  #: code of a cell that holds something else than one digit

#: What a cell may hold, by code.
SYMBOLS: Final = (*"0123456789", "nothing", "other")

_AT_ONCE: Final = 1024  # cells: more only take more memory
_SIDE: Final = 24  # pixels of a digit brought to one size
_LONGER: Final = 20  # of them, the digit's longer side
_DIRECTIONS: Final = 8
_POOLS: Final = 5  # places along a side at which directions are summed
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
        seen, features = look(cells[some], empty[some] if len(empty) > 1 else empty, size)
        if seen.any():
            result[some][seen] = evaluate(features[seen], networks())
    return result


def of_paper(count: int) -> Floats:
    """Probabilities of so many cells in which no stroke is seen."""
    result = np.full((count, len(SYMBOLS)), (1 - _PAPER) / (len(SYMBOLS) - 1), np.float32)
    result[:, NOTHING] = _PAPER
    return result


def look(cells: Pictures, empty: Pictures, size: CellSize) -> tuple[NDArray[np.bool_], Floats]:
    """What the network looks at.

    Returns
    -------
    (N,) bool array
        Whether there is a stroke at all.
    (N, F) float32 array
        Features; 0 where there is none.
    """
    added = added_ink(cells, empty)
    along = [_along(one) for one in empty]
    digits = np.zeros((len(cells), _SIDE, _SIDE), np.float32)
    shapes = np.zeros((len(cells), _SHAPES), np.float32)
    seen = np.zeros(len(cells), np.bool_)
    half = size.half_px
    for index, ink in enumerate(added):
        strokes = _strokes(ink, along[index if len(along) > 1 else 0], half)
        if strokes is not None:
            seen[index] = True
            digits[index], shapes[index] = _normalised(strokes, half)
    return seen, np.hstack([_directions(digits), shapes])


def _along(print_: Pictures) -> Floats:
    """1 on a cell's print and beside it, flat."""
    dark = (print_ > _PRINT * max(int(print_.max()), _FAINTEST)).astype(np.uint8)
    return cv2.dilate(dark, _AROUND_PIXEL).ravel().astype(np.float32)


_AROUND_PIXEL: Final = np.ones((3, 3), np.uint8)


def _strokes(ink: Pictures, along: Floats, half: tuple[float, float]) -> Floats | None:
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
    return np.where((near > 0) & (own | (names == 0)), ink, 0).astype(np.float32)


_SHAPES: Final = 5
_X, _Y = (one.ravel().astype(np.float32) for one in np.meshgrid(np.arange(CELL_SIDE), np.arange(CELL_SIDE)))


def _normalised(ink: Floats, half: tuple[float, float]) -> tuple[Floats, Floats]:
    """A digit brought to one size, slant and place; and what it was before: height, width, both to the cell, thinness, slant, ink."""
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
            [across, -across * slant, across * (-x + slant * y - (left + right) / 2) + (_SIDE - 1) / 2],
            [0, down, down * (-y - (top + bottom) / 2) + (_SIDE - 1) / 2],
        ]
    )
    digit = cv2.warpAffine(ink, matrix, (_SIDE, _SIDE), flags=cv2.INTER_LINEAR)
    strong = 0.9 * (len(weights) - 1)  # as numpy.percentile has it, at a tenth of its cost
    below = int(strong)
    ordered = np.partition(weights, (below, min(below + 1, len(weights) - 1)))
    peak = float(ordered[below] + (strong - below) * (ordered[min(below + 1, len(weights) - 1)] - ordered[below]))
    shapes = (height / (2 * half[1]), width / (2 * half[1]), thin, slant, total / 255 / (4 * half[0] * half[1]))
    return np.minimum(digit / max(peak, 1.0), 1), np.array(shapes, np.float32)


@lru_cache(maxsize=1)
def _pooling() -> Floats:
    """(_POOLS, _SIDE): weights by which pixels along a side are summed at each place."""
    centres = (np.arange(_POOLS) + 0.5) / _POOLS * _SIDE - 0.5
    away = (np.arange(_SIDE)[None, :] - centres[:, None]) / (_SIDE / _POOLS * 0.6)
    weights = np.exp(-0.5 * away**2)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def _directions(digits: Floats) -> Floats:
    """How strongly edges run in each direction, place by place: (N, _DIRECTIONS x _POOLS x _POOLS)."""
    count = len(digits)
    padded = np.pad(digits, ((0, 0), (1, 1), (1, 1)))
    smooth_x = padded[:, :, :-2] + 2 * padded[:, :, 1:-1] + padded[:, :, 2:]
    smooth_y = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    down, across = smooth_x[:, 2:] - smooth_x[:, :-2], smooth_y[:, :, 2:] - smooth_y[:, :, :-2]
    strength = np.hypot(across, down)
    turn = np.arctan2(down, across) / np.float32(2 * np.pi / _DIRECTIONS) % _DIRECTIONS
    low = turn.astype(np.int8)
    part = (turn - low) * strength
    planes = np.zeros((count, _DIRECTIONS + 2, _SIDE, _SIDE), np.float32)
    np.put_along_axis(planes, low[:, None].astype(np.intp), (strength - part)[:, None], axis=1)
    np.put_along_axis(planes[:, 1:], low[:, None].astype(np.intp), part[:, None], axis=1)
    planes[:, 0] += planes[:, _DIRECTIONS]  # the circle is closed
    planes[:, 1] += planes[:, _DIRECTIONS + 1]
    pool = _pooling()
    features = pool @ planes[:, :_DIRECTIONS] @ pool.T
    return np.sqrt(features).reshape(count, _DIRECTIONS * _POOLS * _POOLS)


def evaluate(features: Floats, networks: Sequence[Mapping[str, Floats]]) -> Floats:
    """Mean of the probabilities that networks give."""
    total = np.zeros((len(features), len(SYMBOLS)), np.float32)
    for one in networks:
        x = (features - one["mean"]) / one["spread"]
        layers = sum(name.startswith("weights") for name in one)
        for layer in range(layers):
            x = x @ one[f"weights{layer}"] + one[f"bias{layer}"]
            if layer < layers - 1:
                np.maximum(x, 0, out=x)
        x /= one["temperature"]
        x = np.exp(x - x.max(axis=1, keepdims=True))
        total += x / x.sum(axis=1, keepdims=True)
    return total / np.float32(len(networks))


@lru_cache(maxsize=1)
def networks() -> Sequence[Mapping[str, Floats]]:
    """The networks whose weights are stored."""
    with np.load(io.BytesIO(_stored()), allow_pickle=False) as stored:
        names = sorted({name.partition("/")[0] for name in stored.files})
        return [
            {name.partition("/")[2]: stored[name].astype(np.float32) for name in stored.files if name.startswith(f"{one}/")}
            for one in names
        ]


def _stored() -> bytes:
    return (files("scangrade.answers") / "digits.npz").read_bytes()
