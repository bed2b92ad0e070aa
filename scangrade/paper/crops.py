"""Pictures of single boxes with their surroundings, upright, for people to look at."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from scangrade.geometry import as_matrix
from scangrade.model import Box, Transform


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """A square picture with a box in its middle."""

    pixels: NDArray[np.uint8]  #: (S, S), 0 black to 255 white; grey beyond the edge of the image
    pixels_per_mm: float


def crop_box(
    pixels: NDArray[np.uint8],
    transform: Transform,
    box: Box,
    *,
    offset_mm: tuple[float, float],
    margin_mm: float,
    side_px: int,
) -> Crop:
    """Cut a box with its surroundings out of a page image.

    Parameters
    ----------
    pixels : (H, W) uint8 array
        Gray page image, as stored.
    transform : Transform
        From layout millimetres to these pixels; it turns the picture upright.
    box : Box
    offset_mm : (float, float)
        How far right and down of its place in the layout the box was found.
    margin_mm : float
        Surroundings on each side of the frame of the box' longer side.
    side_px : int
        Side of the picture.
    """
    side_mm = max(box.width_mm, box.height_mm) + 2 * (box.frame_mm + margin_mm)
    scale = side_px / side_mm
    left, top = box.x_mm + offset_mm[0] - side_mm / 2, box.y_mm + offset_mm[1] - side_mm / 2
    # the centre of the first pixel lies half a pixel inside of the picture
    to_layout = np.array([[1 / scale, 0, left + 0.5 / scale], [0, 1 / scale, top + 0.5 / scale], [0, 0, 1]])
    seen = cv2.warpPerspective(
        pixels,
        as_matrix(transform) @ to_layout,
        (side_px, side_px),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(200.0,),
    )
    return Crop(np.asarray(seen, dtype=np.uint8), scale)
