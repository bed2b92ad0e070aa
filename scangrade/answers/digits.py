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
    empty : (N, CELL_SIDE, CELL_SIDE) uint8 array
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
        seen, features = look(cells[some], empty[some], size)
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
    digits = np.zeros((len(cells), _SIDE, _SIDE), np.float32)
    shapes = np.zeros((len(cells), _SHAPES), np.float32)
    seen = np.zeros(len(cells), np.bool_)
    half = size.half_px
    for index, (ink, print_) in enumerate(zip(added, empty, strict=True)):
        strokes = _strokes(ink, print_, half)
        if strokes is not None:
            seen[index] = True
            digits[index], shapes[index] = _normalised(strokes, half)
    return seen, np.hstack([_directions(digits), shapes])


def _strokes(ink: Pictures, print_: Pictures, half: tuple[float, float]) -> Floats | None:
    """The ink of the strokes that belong to a cell; None where there is none. What lies along its print is left of that."""
    x, y = (int(CELL_SIDE / 2 - length) for length in half)
    level = max(_FAINTEST, _INK * int(ink[y : CELL_SIDE - y, x : CELL_SIDE - x].max()))
    count, names, stats, middles = cv2.connectedComponentsWithStats((ink > level).astype(np.uint8), connectivity=8)
    if count < 2:
        return None
    away = np.abs(middles - (CELL_SIDE - 1) / 2) / (np.array(half) * _AROUND)
    kept = (stats[:, cv2.CC_STAT_AREA] >= _LEAST_PIXELS) & (away.max(axis=1) <= 1)
    kept[0] = False
    if not kept.any():
        return None
    along = cv2.dilate((print_ > _PRINT * max(int(print_.max()), _FAINTEST)).astype(np.uint8), np.ones((3, 3), np.uint8))
    kept &= np.bincount(names.ravel(), along.ravel(), count) <= _ALONG * stats[:, cv2.CC_STAT_AREA]
    if not kept.any():
        return None
    near = cv2.dilate(kept[names].astype(np.uint8), np.ones((3, 3), np.uint8))
    others = (~kept[names]) & (names > 0)
    return np.where((near > 0) & ~others, ink, 0).astype(np.float32)


_SHAPES: Final = 5


def _normalised(ink: Floats, half: tuple[float, float]) -> tuple[Floats, Floats]:
    """A digit brought to one size, slant and place; and what it was before: height, width, both to the cell, thinness, slant, ink."""
    rows, columns = np.nonzero(ink > _FAINTEST / 2)
    weights = ink[rows, columns]
    total = float(weights.sum())
    x, y = float(columns @ weights) / total, float(rows @ weights) / total
    dx, dy = columns - x, rows - y
    upright = float((dy * dy) @ weights)
    slant = float(np.clip((dx * dy) @ weights / max(upright, 1e-6), -_MOST_SLANT, _MOST_SLANT))
    straight = dx - slant * dy
    width, height = float(np.ptp(straight)) + 1, float(np.ptp(dy)) + 1
    thin = min(width, height) / max(width, height)
    short = _LONGER * float(np.sqrt(np.sin(np.pi / 2 * thin)))
    new_width, new_height = (short, _LONGER) if width < height else (_LONGER, short)
    across, down = new_width / width, new_height / height
    middle_x, middle_y = (float(straight.max()) + float(straight.min())) / 2, (float(dy.max()) + float(dy.min())) / 2
    # from the picture's pixels to the digit's: straight = (u - x) - slant (v - y)
    matrix = np.array(
        [
            [across, -across * slant, across * (-x + slant * y - middle_x) + (_SIDE - 1) / 2],
            [0, down, down * (-y - middle_y) + (_SIDE - 1) / 2],
        ]
    )
    digit = cv2.warpAffine(ink, matrix, (_SIDE, _SIDE), flags=cv2.INTER_LINEAR)
    peak = float(np.percentile(weights, 90))
    shapes = (height / (2 * half[1]), width / (2 * half[1]), thin, slant, total / 255 / (4 * half[0] * half[1]))
    return np.clip(digit / max(peak, 1.0), 0, 1), np.array(shapes, np.float32)


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
    turn = np.arctan2(down, across) / (2 * np.pi / _DIRECTIONS) % _DIRECTIONS
    low = np.floor(turn).astype(np.int64)
    part = (turn - low).astype(np.float32)
    low %= _DIRECTIONS
    pool = _pooling()
    features = np.empty((count, _DIRECTIONS, _POOLS, _POOLS), np.float32)
    for one in range(_DIRECTIONS):
        plane = strength * (np.where(low == one, 1 - part, 0) + np.where((low + 1) % _DIRECTIONS == one, part, 0))
        features[:, one] = pool @ plane.astype(np.float32) @ pool.T
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
