"""Pictures of the cells in which a number is written by hand, cut out while the page is at hand.

Their frames are looked for as those of boxes are, so that each picture is centred on its cell, wherever the feed of the scanner or the
printer put it. What digits they hold is not decided here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scangrade.model import CELL_REACH, CELL_SIDE, Box, no_cells
from scangrade.paper.frames import find_frames, sampling
from scangrade.paper.patches import PageBoxes, PageInk, thumbnails
from scangrade.settings import FRAMES, MEASURE, FrameLimits, MeasureSettings


def cut_cells(
    ink: PageInk,
    matrix: NDArray[np.float64],
    cells: Sequence[Box],
    *,
    pixels_per_mm: float,
    limits: FrameLimits = FRAMES,
    settings: MeasureSettings = MEASURE,
) -> NDArray[np.uint8]:
    """Cut the cells for handwritten digits out of a registered page.

    Parameters
    ----------
    ink : PageInk
    matrix : (3, 3) array
        Layout mm to image pixels.
    cells : sequence of Box
        In layout order.
    pixels_per_mm : float
        Of the image.
    limits : FrameLimits
    settings : MeasureSettings

    Returns
    -------
    (N, CELL_SIDE, CELL_SIDE) uint8 array
        As `Readings.cells`.
    """
    pictures = no_cells(len(cells))
    if not len(cells):
        return pictures
    places = PageBoxes.of(cells)
    centres = places.centres
    frames = find_frames(ink, matrix, places, pixels_per_mm=sampling(pixels_per_mm, limits), limits=limits)
    if frames.seen.any():
        # writing hides single frames: all cells of a row move with those that were seen
        usual = np.median(frames.offset_mm[frames.seen], axis=0)
        centres = centres + np.where(frames.seen[:, None], frames.offset_mm, usual)
    for geometry, index in places.groups:
        half_mm = CELL_REACH * max(geometry.width_mm, geometry.height_mm) / 2
        pictures[index] = thumbnails(
            ink, matrix, centres[index], (half_mm, half_mm), CELL_SIDE, finest_per_mm=settings.finest_of_cells_per_mm
        )
    return pictures
