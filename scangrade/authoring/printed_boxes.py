"""What the boxes of a form look like on paper, measured on a scan.

Most boxes of a scan are empty, so the median of all of them, laid on each other, is an empty box. Where other systems' templates give a
rectangle around each bubble, sometimes wide, sometimes beside it, a layout needs the clear inside of what is printed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

SAMPLES: Final = 48  #: per rectangle's side, and half as many around it on each side
MOST_BOXES: Final = 150  #: more tell nothing new

_PRINT_INK = 0.06  # of the middle of an empty bubble; letters have 0.15 and more, paper 0.03
_FARTHEST = 0.3  # from the template's place, in rectangles; beyond lies the neighbour
_LEAST_LIKENESS = 0.5  # of the median bubble with an outline; brackets and shaded patches without an outline stay below


@dataclass(frozen=True, slots=True)
class PrintedBox:
    """A printed outline, in shares of the template's rectangle."""

    shape: Literal["circle", "square"]
    inside: float
    frame: float  #: 0 where no outline is printed
    right: float = 0.0  #: from the rectangle's centre
    below: float = 0.0
    filled_in: bool = False  #: something is printed inside, commonly the value


def sample_grid() -> NDArray[np.float64]:
    """Where a patch is sampled, in rectangles from the left or upper edge of the rectangle."""
    return (np.arange(2 * SAMPLES) + 0.5) / SAMPLES - 0.5


def as_light(patch: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A patch with its paper as 1."""
    return (patch.astype(np.float32) / max(1.0, float(np.percentile(patch, 90)))).clip(0, 1)


def common_outline(patches: Sequence[NDArray[np.float32]]) -> PrintedBox:
    """The outline that boxes have in common; where none is seen, the rectangle itself.

    Parameters
    ----------
    patches : sequence of (2 * SAMPLES, 2 * SAMPLES) float32 arrays
        Surroundings of rectangles, which cover the middle half; 0 black to 1 paper.
    """
    nothing = PrintedBox("square", 1.0, 0.0)
    if not patches:
        return nothing
    ink = (1.0 - np.median(np.stack(patches), axis=0)).astype(np.float32)
    best, best_likeness = nothing, _LEAST_LIKENESS
    shapes: tuple[Literal["circle", "square"], ...] = ("circle", "square")
    for shape in shapes:
        for half in np.arange(0.36, 0.62, 0.02):
            for frame in (0.03, 0.05, 0.08, 0.11, 0.14):
                outline = _outline(shape, half, frame)
                likeness = cv2.matchTemplate(_near(ink, outline), outline, cv2.TM_CCOEFF_NORMED)
                _, greatest, _, at = cv2.minMaxLoc(likeness)
                if greatest > best_likeness:
                    shift = [at[axis] / SAMPLES - (likeness.shape[1 - axis] - 1) / 2 / SAMPLES for axis in (0, 1)]
                    best_likeness = greatest
                    best = PrintedBox(shape, float(2 * (half - frame)), frame, *shift)
    return replace(best, filled_in=float(np.median(ink_inside(patches, best))) > _PRINT_INK)  # most are empty: it is print


def ink_inside(patches: Sequence[NDArray[np.float32]], box: PrintedBox) -> list[float]:
    """Darkness in the middle of each box, 0 paper to 1 black."""
    half = box.inside * SAMPLES * 0.35
    x, y = (SAMPLES * (1 + shift) for shift in (box.right, box.below))
    middle = (slice(round(y - half), round(y + half)), slice(round(x - half), round(x + half)))
    return [float(1.0 - patch[middle].mean()) for patch in patches]


def _near(ink: NDArray[np.float32], outline: NDArray[np.float32]) -> NDArray[np.float32]:
    """The part of the median bubble within which the outline may lie."""
    slack = round(_FARTHEST * SAMPLES)
    height, width = (min(side + 2 * slack, whole) for side, whole in zip(outline.shape, ink.shape, strict=True))
    top, left = (ink.shape[0] - height) // 2, (ink.shape[1] - width) // 2
    return np.ascontiguousarray(ink[top : top + height, left : left + width])


def _outline(shape: Literal["circle", "square"], half: float, frame: float) -> NDArray[np.float32]:
    """An ideal outline with a little paper around it, `half` to its outer edge."""
    reach = round((half + 0.08) * SAMPLES)
    axis = (np.arange(2 * reach) + 0.5 - reach) / SAMPLES
    x, y = np.meshgrid(axis, axis)
    out = np.hypot(x, y) if shape == "circle" else np.maximum(np.abs(x), np.abs(y))
    drawn = ((out <= half) & (out >= half - frame)).astype(np.float32)
    return cv2.GaussianBlur(drawn, (0, 0), 1.0).astype(np.float32, copy=False)
