"""Strokes of pens and pencils, and how they look on paper.

A mark is geometry in millimetres; here it becomes darkness on a page picture. Pens are not uniform: their width and density
vary along a stroke, ballpoints skip, pencil catches the grain of the paper. A reader tuned on uniform black would be tuned on
nobody's exam.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from scangrade.geometry import MM_PER_INCH

#: Marks are drawn this much finer than the page and averaged down, for smooth edges.
_FINER = 2
_SHIFT = 4
#: Points of a stroke that share one width and density.
_PIECE = 6
_GRAIN_MM = 0.085
_GRAIN_TILE = 512

FloatArray = NDArray[np.float64]
Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Ink:
    """What a pen leaves on paper."""

    colour: tuple[int, int, int]  #: red, green, blue of a dense stroke, 0 to 255
    width_mm: float
    opacity: float = 1.0  #: 0 leaves nothing, 1 covers what is below
    grain: float = 0.1  #: share of density lost in the grain of the paper, 0 to 1
    blur_mm: float = 0.0  #: smear, of erased marks
    sheer: bool = False  #: what is below shines through, as with a highlighter; opacity is then how strongly it colours


@dataclass(frozen=True, slots=True, eq=False)
class Stroke:
    """A line that a pen draws without being lifted."""

    points: FloatArray  #: (N, 2) mm
    width_mm: float


@dataclass(frozen=True, slots=True, eq=False)
class Mark:
    """Strokes, or solid shapes, that belong together."""

    page: int
    kind: str
    ink: Ink
    strokes: tuple[Stroke, ...] = ()
    shapes: tuple[FloatArray, ...] = ()  #: outlines filled with the ink, (N, 2) mm each
    box: str = ""  #: key of the box that it was made in, "" elsewhere


def paint(picture: Picture, marks: Iterable[Mark], *, dpi: float, rng: np.random.Generator) -> None:
    """Draw marks on a page picture, one over the other.

    Parameters
    ----------
    picture : (H, W) or (H, W, 3) uint8 array
        Gray or RGB page, changed in place.
    marks : iterable of Mark
    dpi : float
        Resolution of the picture, whose top left corner is that of the page.
    rng : Generator
        Chooses how width and density vary.
    """
    for mark in marks:
        _paint_one(picture, mark, dpi / MM_PER_INCH, rng)


def _paint_one(picture: Picture, mark: Mark, scale: float, rng: np.random.Generator) -> None:
    lines = [stroke.points for stroke in mark.strokes] + list(mark.shapes)
    if not lines:
        return
    reach = max([stroke.width_mm for stroke in mark.strokes], default=0.0) + 3 * mark.ink.blur_mm + 0.2
    every = np.concatenate(lines)
    height, width = picture.shape[:2]
    left, top = (np.floor((every.min(axis=0) - reach) * scale)).astype(int)
    right, bottom = (np.ceil((every.max(axis=0) + reach) * scale)).astype(int)
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    if left >= right or top >= bottom:
        return
    cover = _cover(mark, (left, top, right, bottom), scale, rng)
    window = picture[top:bottom, left:right]
    alpha = cover * (mark.ink.opacity / 255.0)
    if mark.ink.grain > 0:
        alpha *= 1.0 - mark.ink.grain * _grain_window(alpha.shape, scale, rng)
    red, green, blue = mark.ink.colour
    if mark.ink.sheer:
        shade = np.array([red, green, blue], np.float32) / 255
        if picture.ndim == 2:
            window[:] = np.rint(window * (1 - alpha * (1 - shade @ np.array([0.299, 0.587, 0.114], np.float32)))).astype(
                np.uint8
            )
        else:
            window[:] = np.rint(window * (1 - alpha[:, :, None] * (1 - shade))).astype(np.uint8)
    elif picture.ndim == 2:
        colour = np.float32(0.299 * red + 0.587 * green + 0.114 * blue)
        window[:] = np.rint(window * (1 - alpha) + colour * alpha).astype(np.uint8)
    else:
        window[:] = np.rint(
            window * (1 - alpha[:, :, None]) + np.array([red, green, blue], np.float32) * alpha[:, :, None]
        ).astype(np.uint8)


def _cover(mark: Mark, window: tuple[int, int, int, int], scale: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """How densely each pixel of a window is covered, 0 to 255."""
    left, top, right, bottom = window
    fine = np.zeros(((bottom - top) * _FINER, (right - left) * _FINER), np.uint8)
    scale_fine = scale * _FINER
    origin = np.array([left, top]) * _FINER + 0.5
    for shape in mark.shapes:
        cv2.fillPoly(fine, [_fixed(shape * scale_fine - origin)], 255, cv2.LINE_8, _SHIFT)
    for stroke in mark.strokes:
        points = _fixed(stroke.points * scale_fine - origin)
        pieces = max(1, (len(points) - 1) // _PIECE)
        wanders = np.cumsum(rng.normal(0, 0.05, pieces)) if pieces > 1 else np.zeros(1)
        widths = stroke.width_mm * scale_fine * np.clip(1 + wanders, 0.78, 1.22)
        patchy = 6 + 80 * mark.ink.grain  # a pen that shows the paper's grain is also uneven along the stroke
        densities = np.clip(rng.normal(250 - 0.6 * patchy, patchy, pieces), 150, 255)
        for index in range(pieces):
            end = (index + 1) * _PIECE + 1 if index < pieces - 1 else len(points)
            piece = points[index * _PIECE : end]
            cv2.polylines(
                fine, [piece], False, float(densities[index]), max(1, round(float(widths[index]))), cv2.LINE_8, _SHIFT
            )
    cover = cv2.resize(fine, (right - left, bottom - top), interpolation=cv2.INTER_AREA)
    if mark.ink.blur_mm > 0:
        cover = cv2.GaussianBlur(cover, (0, 0), mark.ink.blur_mm * scale)
    return np.asarray(cover, dtype=np.float32)


def _fixed(points: FloatArray) -> NDArray[np.int32]:
    return np.rint(points * (1 << _SHIFT)).astype(np.int32)


def _grain_window(shape: tuple[int, ...], scale: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """A piece of the paper's grain, 0 to 1, at a random place."""
    tile = _grain_tile(round(scale, 3))
    y, x = rng.integers(0, _GRAIN_TILE, 2)
    rows, columns = (np.arange(shape[0]) + y) % _GRAIN_TILE, (np.arange(shape[1]) + x) % _GRAIN_TILE
    window: NDArray[np.float32] = tile[np.ix_(rows, columns)]
    return window


@lru_cache(maxsize=8)
def _grain_tile(scale: float) -> NDArray[np.float32]:
    noise = np.random.default_rng(7).standard_normal((_GRAIN_TILE, _GRAIN_TILE)).astype(np.float32)
    smooth = np.asarray(cv2.GaussianBlur(noise, (0, 0), max(0.4, _GRAIN_MM * scale)), dtype=np.float32)
    return np.asarray(1.0 / (1.0 + np.exp(-1.6 * smooth / smooth.std())), dtype=np.float32)
