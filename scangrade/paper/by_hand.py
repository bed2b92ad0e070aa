"""Reading a page of which a person says what it is, and, if need be, where it lies.

The machine set the page aside because it could not be sure which page it is, or how it lies. Told the page, it looks for that one only;
told four corners too, it needs to find no mark. The printed boxes must be found all the same: a click in the wrong place reads nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from scangrade.geometry import MM_PER_INCH, as_transform, local_scale, project
from scangrade.model import Layout, PageRead, PageSetAside, Reason
from scangrade.paper.frames import Frames, find_frames, sampling
from scangrade.paper.locate import KnownForm, Unlocated, locate
from scangrade.paper.measure import measure
from scangrade.paper.patches import PageInk, page_ink
from scangrade.paper.rasterise import PageImage
from scangrade.paper.read import FormReader, prints_on, reduced, sticker_on, to_stored, with_cells
from scangrade.settings import FRAMES, HAND, MEASURE, PAGE

Points = NDArray[np.float64]


def corner_marks(layout: Layout, page: int) -> Points:
    """Where the four points lie that a person points at, in mm: top left, top right, bottom right, bottom left.

    They are the outermost registration marks where there is one near each corner, else the corners of the paper.
    """
    sheet = layout.page(page)
    paper = np.array([(0, 0), (sheet.width_mm, 0), (sheet.width_mm, sheet.height_mm), (0, sheet.height_mm)], dtype=np.float64)
    marks = np.array([(one.x_mm, one.y_mm) for one in sheet.fiducials], dtype=np.float64).reshape(-1, 2)
    if len(marks) < 4:
        return paper
    nearest = [int(np.linalg.norm(marks - corner, axis=1).argmin()) for corner in paper]
    return marks[nearest] if len(set(nearest)) == 4 else paper


def read_as(
    image: PageImage, form: FormReader, *, page: int, corners: Sequence[tuple[float, float]] = ()
) -> PageRead | PageSetAside:
    """Read a page image as a certain page of the form.

    Parameters
    ----------
    image : PageImage
    form : FormReader
    page : int
        Page of the layout.
    corners : sequence of (float, float)
        Where the four points of `corner_marks` lie on the image, in pixels; without them the page's marks, or its boxes, are looked for.

    Returns
    -------
    PageRead or PageSetAside
        `NOT_REGISTERED` where the page's boxes are not found.
    """
    sheet = form.layout.page(page)
    gray, factor = reduced(image.pixels, sheet, PAGE)
    ink = page_ink(gray, max(gray.shape) / max(sheet.width_mm, sheet.height_mm), least_contrast=FRAMES.least_contrast)
    if corners:
        placed = _by_corners(ink, form, page, (np.asarray(corners, dtype=np.float64) + 0.5) * factor - 0.5)
    else:
        placed = _by_machine(ink, form, page, None if image.dpi is None else image.dpi * factor)
    if isinstance(placed, str):
        return PageSetAside(Reason.NOT_REGISTERED, placed, image.sha256, page=page)
    matrix, frames = placed
    scale = local_scale(matrix, sheet.width_mm / 2, sheet.height_mm / 2)
    readings = measure(
        ink,
        matrix,
        form.boxes[page],
        frames,
        form.empty.get(page),
        page_mm=(sheet.width_mm, sheet.height_mm),
        mapped=page in form.mapped,
        pixels_per_mm=scale,
        settings=MEASURE,
    )
    readings = with_cells(readings, ink, matrix, form.cells[page], scale, form.empty.get(page))
    to_image = to_stored(factor) @ matrix
    return PageRead(
        image_sha256=image.sha256,
        page=page,
        copy="",
        page_source="hand",
        rotation=_rotation(matrix),
        residual_mm=float(frames.residual_mm) if np.isfinite(frames.residual_mm) else 0.0,
        dpi=scale / factor * MM_PER_INCH,
        transform=as_transform(to_image),
        readings=readings,
        sticker=sticker_on(image.pixels, to_image, form.layout, page),
        prints=prints_on(image.pixels, to_image, form.layout, page),
    )


_Placed = tuple[NDArray[np.float64], Frames]


def _by_corners(ink: PageInk, form: FormReader, page: int, corners: Points) -> _Placed | str:
    """Laid under the form by four points, then drawn to where its boxes are printed."""
    if corners.shape != (4, 2) or not cv2.isContourConvex(corners.astype(np.float32)):
        return "the four corners do not make a page: click them in their order, around the page"
    onto = corner_marks(form.layout, page).astype(np.float32)
    matrix = np.asarray(cv2.getPerspectiveTransform(onto, corners.astype(np.float32)), dtype=np.float64)
    sheet = form.layout.page(page)
    middle = (sheet.width_mm / 2, sheet.height_mm / 2)
    centres = form.boxes[page].centres
    frames = _frames(ink, matrix, form, page)
    for _ in range(HAND.fits):  # a hand is a millimetre off: what is found shows where the rest is
        seen = frames.seen
        if seen.sum() < 2 * PAGE.least_boxes:
            break
        found = project(matrix, centres[seen] + frames.offset_mm[seen])
        spread = centres[seen].max(axis=0) - centres[seen].min(axis=0)
        if spread.min() < HAND.least_spread * min(sheet.width_mm, sheet.height_mm):
            break  # boxes in one row or column tell nothing of the rest of the page
        refined, _inliers = cv2.findHomography(centres[seen], found, cv2.RANSAC, HAND.reach_mm * local_scale(matrix, *middle))
        if refined is None:
            break
        matrix = np.asarray(refined, dtype=np.float64)
        frames = _frames(ink, matrix, form, page)
    framed = int(np.isfinite(frames.score).sum())
    if framed >= PAGE.least_boxes and frames.support < PAGE.least_support:
        return (
            f"only {round(frames.support * framed)} of the {framed} boxes of page {page} are where these corners put them:"
            " check the corners, their order, and the page's number"
        )
    return matrix, frames


def _frames(ink: PageInk, matrix: NDArray[np.float64], form: FormReader, page: int) -> Frames:
    sheet = form.layout.page(page)
    scale = local_scale(matrix, sheet.width_mm / 2, sheet.height_mm / 2)
    return find_frames(ink, matrix, form.boxes[page], pixels_per_mm=sampling(scale, FRAMES), limits=FRAMES)


def _by_machine(ink: PageInk, form: FormReader, page: int, dpi: float | None) -> _Placed | str:
    """Registered as usual, but as a form that has this page only, and no page code."""
    layout = form.layout
    alone = replace(
        layout,
        pages=(replace(layout.page(page), number=1),),
        fields=tuple(
            replace(one, page=1, boxes=tuple(replace(box, page=1) for box in one.boxes), cells=())
            for one in layout.fields
            if one.page == page
        ),
        page_code=None,
        reference=None,
    )
    blanks = {1: form.blanks[page]} if page in form.blanks else {}
    located = locate(ink, KnownForm(alone, {1: form.boxes[page]}, blanks), dpi=dpi, expected_page=1, limits=PAGE)
    if isinstance(located, Unlocated):
        return f"{located.detail}; click its four corners"
    return located.placement.matrix, located.frames


def _rotation(matrix: NDArray[np.float64]) -> int:
    """Clockwise turn, in quarters, that brings the image upright."""
    (x0, y0), (x1, y1) = project(matrix, [(0, 0), (10, 0)])
    angle = float(np.degrees(np.arctan2(y1 - y0, x1 - x0)))
    return round(-angle / 90) % 4 * 90
