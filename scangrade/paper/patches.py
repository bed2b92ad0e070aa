"""Small pictures of boxes, cut out of a page in layout millimetres, as darkness against the paper around them.

Only these patches are ever resampled, never the page: a page has a hundred boxes, and together they cover a few percent of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from scangrade.model import Box, Shape

_REMAP_ROWS = 30_000  # OpenCV's remap takes pictures of less than 32,767 rows


@dataclass(frozen=True, slots=True, eq=False)
class PageInk:
    """A page's gray values with what is needed to turn them into darkness.

    `contrast` is how much darker than the paper this page's print is, as a share of the paper's brightness, so that a darkness of
    1 is the blackest that this scanner gives.
    """

    gray: NDArray[np.uint8]
    paper: NDArray[np.uint8]
    contrast: float


@dataclass(frozen=True, slots=True)
class BoxGeometry:
    """What boxes must share to be cut out together; millimetres."""

    width_mm: float
    height_mm: float
    frame_mm: float
    shape: Shape


def paper_brightness(gray: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """Brightness of the bare paper around every pixel.

    Parameters
    ----------
    gray : (H, W) uint8 array
    scale : float
        Pixels per millimetre.

    Returns
    -------
    (H, W) uint8 array
        The brightest neighbourhood mean within a few millimetres, smoothed: ink thinner than that does not darken it.
    """
    height, width = gray.shape
    step = max(1.0, 1.5 * scale)
    small = cv2.resize(gray, (max(1, round(width / step)), max(1, round(height / step))), interpolation=cv2.INTER_AREA)
    bright = cv2.blur(cv2.dilate(small, np.ones((7, 7), np.uint8)), (5, 5))
    return np.asarray(cv2.resize(bright, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def page_ink(gray: NDArray[np.uint8], scale: float, *, least_contrast: float) -> PageInk:
    """Find how bright paper and how black black is on this page: the latter from its darkest three in a thousand pixels.

    Parameters
    ----------
    gray : (H, W) uint8 array
    scale : float
        Pixels per millimetre, roughly.
    least_contrast : float
        Of black to paper, that is believed.
    """
    paper = paper_brightness(gray, scale)
    sample, bright = gray[::3, ::3].astype(np.float32), paper[::3, ::3].astype(np.float32)
    darkness = 1.0 - sample / np.maximum(bright, 1.0)
    return PageInk(gray, paper, float(np.clip(np.percentile(darkness, 99.7), least_contrast, 1.0)))


def by_geometry(boxes: Sequence[Box]) -> Iterator[tuple[BoxGeometry, list[int]]]:
    """Groups of boxes of one size and shape, as positions in `boxes`."""
    groups: dict[BoxGeometry, list[int]] = {}
    for position, box in enumerate(boxes):
        groups.setdefault(BoxGeometry(box.width_mm, box.height_mm, box.frame_mm, box.shape), []).append(position)
    yield from groups.items()


def cut(
    ink: PageInk,
    matrix: NDArray[np.float64],
    centres_mm: NDArray[np.float64],
    half_mm: tuple[float, float],
    pixels_per_mm: float,
) -> NDArray[np.float32]:
    """Darkness around points of the layout.

    Parameters
    ----------
    ink : PageInk
    matrix : (3, 3) array
        Layout mm to image pixels.
    centres_mm : (N, 2) array
    half_mm : (float, float)
        Half width and half height of a patch.
    pixels_per_mm : float
        Resolution of the patches.

    Returns
    -------
    (N, 2 h + 1, 2 w + 1) float32 array
        0 bare paper to 1 the page's black, below 0 where noise is brighter than paper; NaN outside the image.
    """
    w, h = round(half_mm[0] * pixels_per_mm), round(half_mm[1] * pixels_per_mm)
    rows, columns = 2 * h + 1, 2 * w + 1
    x = np.arange(-w, w + 1) / pixels_per_mm
    y = np.arange(-h, h + 1) / pixels_per_mm
    at_once = max(1, _REMAP_ROWS // rows)
    parts = []
    for start in range(0, len(centres_mm), at_once):
        centres = centres_mm[start : start + at_once]
        u = np.broadcast_to(centres[:, 0, None, None] + x[None, None, :], (len(centres), rows, columns))
        v = np.broadcast_to(centres[:, 1, None, None] + y[None, :, None], (len(centres), rows, columns))
        bottom = matrix[2, 0] * u + matrix[2, 1] * v + matrix[2, 2]
        map_x = ((matrix[0, 0] * u + matrix[0, 1] * v + matrix[0, 2]) / bottom).astype(np.float32).reshape(-1, columns)
        map_y = ((matrix[1, 0] * u + matrix[1, 1] * v + matrix[1, 2]) / bottom).astype(np.float32).reshape(-1, columns)
        seen = cv2.remap(ink.gray, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
        bright = cv2.remap(ink.paper, map_x, map_y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
        darkness = np.clip((1.0 - seen / np.maximum(bright, 1.0)) / ink.contrast, -1.0, 1.0)
        height, width = ink.gray.shape
        darkness[(map_x < 0) | (map_y < 0) | (map_x > width - 1) | (map_y > height - 1)] = np.nan
        parts.append(darkness.reshape(len(centres), rows, columns))
    return np.concatenate(parts) if parts else np.zeros((0, rows, columns), np.float32)


def outline_distance(geometry: BoxGeometry, half_px: tuple[int, int], pixels_per_mm: float) -> NDArray[np.float64]:
    """Signed distance in mm of a patch's pixels from the inner edge of the frame: negative inside, positive on it and beyond."""
    x = np.abs(np.arange(-half_px[0], half_px[0] + 1)) / pixels_per_mm
    y = np.abs(np.arange(-half_px[1], half_px[1] + 1)) / pixels_per_mm
    if geometry.shape is Shape.CIRCLE:
        a, b = geometry.width_mm / 2, geometry.height_mm / 2
        radius = np.hypot(x[None, :] / a, y[:, None] / b)
        return np.asarray((radius - 1.0) * min(a, b))
    return np.asarray(np.maximum(x[None, :] - geometry.width_mm / 2, y[:, None] - geometry.height_mm / 2))
