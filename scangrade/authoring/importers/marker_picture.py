"""What kind of registration mark a picture of one shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

_FULL: Final = 0.70  # ink of its square; a disc has 0.785
_ROUND: Final = (0.70, 0.85)  # area inside of the outline, of its square; a disc has 0.785
_CORNER: Final = 0.12  # side of the corners looked at, of the mark


@dataclass(frozen=True, slots=True)
class Marker:
    """A registration mark."""

    kind: str  #: square, circle or ring
    share: float  #: of the picture's width that it covers
    line: float = 0.0  #: ring: stroke, in sizes of the mark


def look_at_marker(path: Path) -> Marker | None:
    """The mark that a picture shows; of several rings in each other the outermost. None where it is no ring, disc or square."""
    picture = cv2.imdecode(np.fromfile(path, dtype=np.uint8), cv2.IMREAD_GRAYSCALE)
    if picture is None:
        return None
    _, dark = cv2.threshold(picture, 0, 1, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)
    found, _ = cv2.findContours(dark, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not found:
        return None
    outline = max(found, key=cv2.contourArea)
    x, y, width, height = cv2.boundingRect(outline)
    if min(width, height) < 8 or not 0.85 < width / height < 1.18:
        return None
    ink = np.asarray(dark[y : y + height, x : x + width], dtype=np.uint8)
    share = width / picture.shape[1]
    if ink.mean() > _FULL:
        side = max(1, round(_CORNER * min(width, height)))
        corners = np.concatenate(
            [
                ink[rows, columns].ravel()
                for rows in (slice(side), slice(-side, None))
                for columns in (slice(side), slice(-side, None))
            ]
        )
        return Marker("square" if corners.mean() > 0.5 else "circle", share)
    if not _ROUND[0] < cv2.contourArea(outline) / (width * height) < _ROUND[1]:
        return None
    line = float(np.median(_strokes(ink))) / width
    return Marker("ring", share, line) if 0 < line < 0.4 else None


def _strokes(ink: NDArray[np.uint8]) -> list[int]:
    """Length of the ink that begins at the middle of each side."""
    height, width = ink.shape
    rays = (ink[height // 2], ink[height // 2, ::-1], ink[:, width // 2], ink[::-1, width // 2])
    lengths = []
    for ray in rays:
        start = int(np.argmax(ray))
        gap = np.flatnonzero(ray[start:] == 0)
        lengths.append(int(gap[0]) if gap.size else ray.size)
    return lengths
