"""Reads numbers printed in a typeface, such as those on a label, a hundred times as fast as Tesseract.

Print is taken apart into connected pieces; a small network says which digit a piece is, or that it is none; digits beside each other on a
line are a number. It is there to confirm what is known already: where it is not sure of every digit, somebody else must read. The weights
are in `print_digits.npz`; `tests/training/README.md` says how they are made, and from what.

References
----------
.. [1] Y. LeCun et al., Proc. IEEE 86(11), 1998. DOI 10.1109/5.726791: learned recognition of segmented digits.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from scangrade.settings import PRINTED_DIGITS, PrintedDigitSettings

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

SIDE: Final = 20  #: pixels of a piece brought to one height
OTHER: Final = 10  #: code of a piece that is no digit


@dataclass(frozen=True, slots=True)
class PrintedNumber:
    """Digits that stand beside each other."""

    text: str
    probability: float  #: of its least certain digit, 0 to 1


@dataclass(frozen=True, slots=True)
class Piece:
    """Where a connected piece of print lies, in pixels."""

    left: int
    top: int
    width: int
    height: int


def read_printed_numbers(
    pixels: Pixels,
    dark: Pixels,
    pixels_per_mm: float,
    *,
    least_digits: int,
    settings: PrintedDigitSettings = PRINTED_DIGITS,
) -> tuple[PrintedNumber, ...]:
    """Read the numbers on a picture.

    Parameters
    ----------
    pixels : (H, W) uint8 array
        Upright within a few degrees.
    dark : (H, W) uint8 array
        1 where there is print.
    pixels_per_mm : float
        Of the picture.
    least_digits : int
        Of a number.
    settings : PrintedDigitSettings

    Returns
    -------
    tuple of PrintedNumber
        From top to bottom; each as many digits as stand beside each other, whatever stands there besides.
    """
    lines, pictures = lines_of(pixels, dark, pixels_per_mm, least_pieces=least_digits, settings=settings)
    if not lines:
        return ()
    probabilities = _network()(pictures)
    found = []
    first = 0
    for line in lines:
        told = probabilities[first : first + len(line)]
        first += len(line)
        digits = told.argmax(axis=1)
        for is_digit, run in groupby(range(len(line)), key=lambda k, digits=digits: digits[k] != OTHER):  # type: ignore[misc]
            members = list(run)
            if is_digit and len(members) >= least_digits:
                text = "".join(str(digits[k]) for k in members)
                found.append(PrintedNumber(text, float(told[members, digits[members]].min())))
    return tuple(found)


def lines_of(
    pixels: Pixels,
    dark: Pixels,
    pixels_per_mm: float,
    *,
    least_pieces: int,
    settings: PrintedDigitSettings = PRINTED_DIGITS,
) -> tuple[list[list[Piece]], Pixels]:
    """Pieces of print as large as digits that stand beside each other, from left to right, line by line; and all their pictures.

    Parameters are those of `read_printed_numbers`; lines of less than `least_pieces` are left out.

    Returns
    -------
    list of list of Piece, (N, SIDE, SIDE) uint8 array
        Darkness of each piece alone, 0 paper to 255 its darkest, in order.
    """
    _, names, stats, _ = cv2.connectedComponentsWithStats(dark, connectivity=8, ltype=cv2.CV_32S)
    low, high = (round(length * pixels_per_mm) for length in (settings.least_height_mm, settings.greatest_height_mm))
    tall = (stats[:, cv2.CC_STAT_HEIGHT] >= low) & (stats[:, cv2.CC_STAT_HEIGHT] <= high)
    slim = stats[:, cv2.CC_STAT_WIDTH] <= settings.greatest_width * stats[:, cv2.CC_STAT_HEIGHT]
    chosen = [k for k in np.flatnonzero(tall & slim).tolist() if k]  # 0 is the paper
    pieces = {Piece(*stats[k, :4].tolist()): k for k in chosen}
    found = _lines(sorted(pieces, key=lambda one: one.left), settings)
    lines = sorted((line for line in found if len(line) >= least_pieces), key=lambda line: line[0].top)
    pictures = [_picture(pixels, np.asarray(names, np.int32), pieces[piece], piece) for line in lines for piece in line]
    return lines, np.array(pictures, dtype=np.uint8).reshape(-1, SIDE, SIDE)


def _lines(pieces: Sequence[Piece], settings: PrintedDigitSettings) -> Iterator[list[Piece]]:
    """Pieces from left to right, those of which each begins soon after the one before it ends, as high and as low."""
    open_lines: list[list[Piece]] = []
    for piece in pieces:
        best = None
        for line in open_lines:
            last = line[-1]
            together = min(last.top + last.height, piece.top + piece.height) - max(last.top, piece.top)
            taller = max(last.height, piece.height)
            gap = piece.left - (last.left + last.width)
            near = -0.3 * taller <= gap <= settings.greatest_gap * taller
            if near and together >= settings.least_overlap * taller and (best is None or line[-1].left > best[-1].left):
                best = line
        if best is None:
            open_lines.append([piece])
        else:
            best.append(piece)
    yield from open_lines


def _picture(pixels: Pixels, names: NDArray[np.int32], name: int, piece: Piece) -> Pixels:
    """A piece alone, as dark as it is, brought to one height and put into the middle of a square."""
    rim = 1
    top, left = max(0, piece.top - rim), max(0, piece.left - rim)
    window = (slice(top, piece.top + piece.height + rim), slice(left, piece.left + piece.width + rim))
    own = cv2.dilate((names[window] == name).astype(np.uint8), np.ones((3, 3), np.uint8))
    seen = pixels[window].astype(np.float32)
    bright = round(0.95 * (seen.size - 1))
    paper, black = float(np.partition(seen, bright, axis=None)[bright]), float(seen[own > 0].min())
    ink = np.where(own > 0, (paper - seen) / max(paper - black, 1.0), 0).clip(0, 1).astype(np.float32)
    height = SIDE - 2
    width = min(height, max(1, round(ink.shape[1] * height / ink.shape[0])))
    shrunk = cv2.resize(ink, (width, height), interpolation=cv2.INTER_AREA)
    picture = np.zeros((SIDE, SIDE), np.uint8)
    start = (SIDE - width) // 2
    picture[1:-1, start : start + width] = np.rint(shrunk * 255)
    return picture


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
