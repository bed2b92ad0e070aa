"""Tells whether a number is printed on a picture, and no other one, in a tenth of the time in which Tesseract reads it.

Print is taken apart into connected pieces; a small network says which digit a piece is, or that it is none. Pieces beside each other that
may be digits are a stretch. A number is there if one stretch surely is that number, and no other one is as long as a number. Whatever
cannot be told, print that is too small, too pale, or touches, counts as digits: then somebody else must read. The weights are in
`print_digits.npz`; `tests/training/README.md` says how they are made, and from what.

References
----------
.. [1] Y. LeCun et al., Proc. IEEE 86(11), 1998. DOI 10.1109/5.726791: learned recognition of segmented digits.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from scangrade.settings import PAGE_CODE_READING, PRINTED_DIGITS, PrintedDigitSettings

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

SIDE: Final = 20  #: pixels of a piece brought to one height
OTHER: Final = 10  #: code of a piece that is no digit


def is_only_number(
    pixels: Pixels, number: str, pixels_per_mm: float, *, least_digits: int, settings: PrintedDigitSettings = PRINTED_DIGITS
) -> bool:
    """Whether a number is surely printed on a picture, and nothing else that may be one.

    Parameters
    ----------
    pixels : (H, W) uint8 array
        Upright within a few degrees.
    number : str
        Digits.
    pixels_per_mm : float
        Of the picture.
    least_digits : int
        What has fewer digits is no number.
    settings : PrintedDigitSettings
    """
    if not pixels.size:
        return False
    faint = pieces_of(dark_of(pixels, settings.faintest), pixels_per_mm, settings=settings)
    only: _Stretch | None = None
    sure = False
    for turn, level in enumerate(settings.levels):
        pieces = pieces_of(dark_of(pixels, level), pixels_per_mm, settings=settings)
        if len(pieces) + len(faint) > settings.most_pieces:
            return False
        # numbers of students are about as long as each other: what cannot be read and is shorter is a word
        numbers = [
            one
            for one in _stretches(pixels, pieces, faint, settings)
            if one.digits >= (least_digits if one.text else len(number) - 1) and (one.text or one.even)
        ]
        if only is None:
            if len(numbers) != 1:
                return False
            only = numbers[0]
        here = [one for one in numbers if one.lies_on(only)]
        if turn < settings.levels_of_others and len(here) < len(numbers):
            return False
        if any(one.text != number for one in here if len(one.text) == len(number)):
            return False  # whatever another level makes of it
        sure = sure or ([one.text for one in here] == [number] and here[0].probability >= settings.sure)
        if sure and turn + 1 >= settings.levels_of_others:
            return True
    return False


def dark_of(pixels: Pixels, level: float = 0.5) -> Pixels:
    """1 where a picture is darker than so far from its black (0) to its paper (1); nowhere on paper alone."""
    black, paper = percentiles(pixels, (0.5, 75))
    bound = black + level * (paper - black) if paper - black >= PAGE_CODE_READING.least_contrast else 0.0
    return (pixels < bound).astype(np.uint8)


def percentiles(pixels: Pixels, wanted: Sequence[float]) -> list[float]:
    """As `numpy.percentile` gives them, in a tenth of its time: there are only 256 levels."""
    below = np.cumsum(cv2.calcHist([pixels], [0], None, [256], [0, 256]).ravel().astype(np.int64))
    found = []
    for one in wanted:
        at = one / 100 * (pixels.size - 1)
        low, high = np.searchsorted(below, (math.floor(at), math.ceil(at)), side="right").tolist()
        found.append(low + (high - low) * (at - math.floor(at)))
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A connected piece of print, in pixels."""

    left: int
    top: int
    width: int
    height: int
    own: NDArray[np.bool_]  #: (height, width) where it is

    @property
    def right(self) -> int:
        """Column after its last one."""
        return self.left + self.width

    def height_among(self, others: Sequence[Piece]) -> int:
        """How high what is there is within its columns, itself included; where it is broken, that is more than its own height."""
        highest = self.height
        for other in others:
            if self.touches(other):
                rows = np.flatnonzero(other.own[:, max(0, self.left - other.left) : self.right - other.left].any(axis=1))
                highest = max(highest, int(rows[-1] - rows[0]) + 1 if len(rows) else 0)
        return highest

    def touches(self, other: Piece) -> bool:
        """Whether their rectangles meet."""
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.top + other.height and other.top < self.top + self.height


def pieces_of(dark: Pixels, pixels_per_mm: float, *, settings: PrintedDigitSettings = PRINTED_DIGITS) -> list[Piece]:
    """Pieces of print that may be digits, or several that touch, left to right: not what is too small, too tall, a rule, or cut off."""
    _, names, stats, _ = cv2.connectedComponentsWithStats(dark, connectivity=8, ltype=cv2.CV_32S)
    wide, high, area = (stats[:, one] for one in (cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT, cv2.CC_STAT_AREA))
    low, most = settings.least_height_mm * pixels_per_mm, settings.greatest_height_mm * pixels_per_mm
    rule = (wide > most) & (area < settings.least_fill * wide * high)
    chosen = np.flatnonzero((high >= low) & (high <= most) & ~rule)
    found = []
    for k in chosen[np.argsort(stats[chosen, cv2.CC_STAT_LEFT], kind="stable")].tolist():
        left, top, width, height = stats[k, :4].tolist()
        cut = left == 0 or top == 0 or left + width == dark.shape[1] or top + height == dark.shape[0]
        if k and not cut:  # 0 is the paper
            found.append(Piece(left, top, width, height, names[top : top + height, left : left + width] == k))
    return found


def rows_of(pieces: Sequence[Piece], *, settings: PrintedDigitSettings = PRINTED_DIGITS) -> list[list[Piece]]:
    """Pieces, given from left to right, of which each begins soon after the one before it ends, about as high and as low."""
    rows: list[list[Piece]] = []
    open_rows: list[list[Piece]] = []
    tallest = max((one.height for one in pieces), default=0)
    for piece in pieces:
        open_rows = [row for row in open_rows if piece.left - row[-1].right <= settings.greatest_gap * tallest]
        best: list[Piece] | None = None
        for row in open_rows:
            last = row[-1]
            taller = max(last.height, piece.height)
            together = min(last.top + last.height, piece.top + piece.height) - max(last.top, piece.top)
            near = piece.left - last.right <= settings.greatest_gap * taller
            if near and together >= settings.least_overlap * taller and (best is None or last.left > best[-1].left):
                best = row
        if best is None:
            best = []
            rows.append(best)
            open_rows.append(best)
        best.append(piece)
    return rows


def pictures_of(pixels: Pixels, pieces: Sequence[Piece], *, settings: PrintedDigitSettings = PRINTED_DIGITS) -> Pixels:
    """Each piece alone, as dark as it is, brought to one height in the middle of a square: (N, SIDE, SIDE), 255 its darkest."""
    pictures = np.zeros((len(pieces), SIDE, SIDE), np.uint8)
    for piece, picture in zip(pieces, pictures, strict=True):
        top, left = max(0, piece.top - 1), max(0, piece.left - 1)
        seen = pixels[top : piece.top + piece.height + 1, left : piece.right + 1].astype(np.float32)
        own = np.zeros(seen.shape, np.uint8)
        row, column = piece.top - top, piece.left - left
        own[row : row + piece.height, column : column + piece.width] = piece.own
        own = np.asarray(cv2.dilate(own, np.ones((3, 3), np.uint8)), np.uint8)
        bright = round(settings.paper_quantile * (seen.size - 1))
        paper, black = float(np.partition(seen, bright, axis=None)[bright]), float(seen[own > 0].min())
        ink = np.where(own > 0, (paper - seen) / max(paper - black, 1.0), 0).clip(0, 1).astype(np.float32)
        height = SIDE - 2
        width = min(height, max(1, round(ink.shape[1] * height / ink.shape[0])))
        start = (SIDE - width) // 2
        picture[1:-1, start : start + width] = np.rint(cv2.resize(ink, (width, height), interpolation=cv2.INTER_AREA) * 255)
    return pictures


@dataclass(frozen=True, slots=True)
class _Stretch:
    """What stands beside each other and may be digits."""

    digits: int  #: how many, where they touch as many as have room
    text: str  #: as it reads; "" where a part of it cannot be read
    probability: float  #: of the least certain digit
    even: bool  #: whether all is as high, as digits are, and letters of a word seldom
    place: tuple[int, int, int, int]  #: left, top, right and bottom in pixels

    def lies_on(self, other: _Stretch) -> bool:
        """Whether it is where another one is, and nowhere else, but for a letter's width."""
        (x0, y0, x1, y1), (left, top, right, bottom) = self.place, other.place
        slack = (bottom - top) / 2
        return left - slack <= x0 and x1 <= right + slack and top - slack <= y0 and y1 <= bottom + slack


def _stretches(
    pixels: Pixels, pieces: Sequence[Piece], faint: Sequence[Piece], settings: PrintedDigitSettings
) -> list[_Stretch]:
    """Everything on a picture that may be digits: between pieces that surely are none, or a wide space."""
    whole = [
        one
        for one in pieces
        if one.width <= settings.greatest_width * one.height and one.height >= settings.least_whole * one.height_among(faint)
    ]
    told = dict(zip(map(id, whole), _network()(pictures_of(pixels, whole, settings=settings)), strict=True)) if whole else {}
    pale = [one for one in faint if not any(one.touches(other) for other in pieces)]
    found = []
    for row in rows_of(sorted([*pieces, *pale], key=lambda one: one.left), settings=settings):
        stretch: list[Piece] = []
        for piece in (*row, None):
            other = piece is None or (id(piece) in told and told[id(piece)][OTHER] >= settings.surely_other)
            if other and stretch:
                heights = [one.height_among(faint) for one in stretch]
                even = max(heights) <= settings.most_uneven * min(heights) + 1
                found.append(_read(stretch, told, even, settings))
                stretch = []
            if piece is not None and not other:
                stretch.append(piece)
    return found


def _read(stretch: Sequence[Piece], told: dict[int, Floats], even: bool, settings: PrintedDigitSettings) -> _Stretch:
    digits, texts, least = 0, [], 1.0
    for piece in stretch:
        if id(piece) in told:
            probabilities = told[id(piece)]
            code = int(probabilities.argmax())
            least = min(least, float(probabilities[code]))
            texts.append("" if code == OTHER else str(code))
            digits += 1
        else:
            texts.append("")
            digits += max(1, round(piece.width / (settings.digit_width * piece.height)))
    left, right = min(one.left for one in stretch), max(one.right for one in stretch)
    top, bottom = min(one.top for one in stretch), max(one.top + one.height for one in stretch)
    return _Stretch(digits, "".join(texts) if all(texts) else "", least, even, (left, top, right, bottom))


class Network:
    """Dense layers that see a piece and say which digit it is.

    Parameters
    ----------
    weights, biases : sequence of array
        Of each layer: (inputs, outputs) and (outputs,).
    """

    def __init__(self, weights: Sequence[Floats], biases: Sequence[Floats]) -> None:
        self._layers = list(zip(weights, biases, strict=True))

    @classmethod
    def of(cls, content: bytes) -> Network:
        """That whose layers a file of numpy's holds: "weights0", "biases0" and so on."""
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            count = len(stored.files) // 2
            layers = [[stored[f"{what}{k}"].astype(np.float32) for k in range(count)] for what in ("weights", "biases")]
        return cls(*layers)

    def save(self, path: Path) -> None:
        """Write the layers as `of` reads them; half as many digits are enough for the weights."""
        stored: dict[str, Any] = {}
        for k, (weights, biases) in enumerate(self._layers):
            stored |= {f"weights{k}": weights.astype(np.float16), f"biases{k}": biases}
        np.savez_compressed(path, **stored)

    def __call__(self, pictures: Pixels) -> Floats:
        """Probabilities (N, 11) of the digits, and of something else, for (N, SIDE, SIDE) pictures."""
        x = pictures.reshape(len(pictures), -1).astype(np.float32) / np.float32(255)
        for number, (weights, biases) in enumerate(self._layers):
            x = (np.maximum(x, 0) if number else x) @ weights + biases
        x = np.exp(x - x.max(axis=1, keepdims=True))
        return np.asarray(x / x.sum(axis=1, keepdims=True), dtype=np.float32)


@lru_cache(maxsize=1)
def _network() -> Network:
    return Network.of((files("scangrade.paper") / "print_digits.npz").read_bytes())
