"""The story of a page: laid under its form, told which one it is, measured. Runs in worker processes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from scangrade.errors import DefinitionError, Issue, Severity
from scangrade.geometry import MM_PER_INCH, as_transform
from scangrade.model import FieldKind, Layout, LayoutPage, PageRead, PageResult, PageSetAside, Readings, Reason, StickerRead
from scangrade.paper.cells import cut_cells
from scangrade.paper.frames import find_frames, sampling
from scangrade.paper.locate import BlankPage, KnownForm, Located, Unlocated, locate
from scangrade.paper.measure import measure
from scangrade.paper.name import read_print
from scangrade.paper.patches import PageBoxes, PageInk, page_ink
from scangrade.paper.rasterise import PageImage, open_scan
from scangrade.paper.reference import find_print
from scangrade.paper.sticker import read_sticker
from scangrade.settings import FRAMES, MEASURE, PAGE, REFERENCE, PageLimits


class FormReader:
    """A layout with what is prepared once for all pages: its blank form's print, and what its boxes look like when empty.

    Raises
    ------
    DefinitionError
        If the layout's blank form cannot be read, or has another number of pages.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.boxes = {page.number: PageBoxes(layout.boxes(page.number)) for page in layout.pages}
        self.blanks: dict[int, BlankPage] = {}
        self.known = KnownForm(layout, self.boxes, self.blanks)
        self.cells = {page.number: PageBoxes(layout.cells(page.number)) for page in layout.pages}
        self.empty: dict[int, Readings] = {}
        #: pages with questions, beside whose boxes something may be written: of these a map of the ink is kept
        self.mapped = frozenset(one.page for one in layout.fields if one.kind is FieldKind.CHOICE)
        if layout.reference is not None:
            for page, pixels in zip(layout.pages, _reference_pages(layout, layout.reference), strict=True):
                self._learn(page, pixels)

    def _learn(self, page: LayoutPage, pixels: NDArray[np.uint8]) -> None:
        height, width = pixels.shape
        across, down = width / page.width_mm, height / page.height_mm
        matrix = np.array([[across, 0, -0.5], [0, down, -0.5], [0, 0, 1]])
        scale = (across * down) ** 0.5
        self.blanks[page.number] = BlankPage(find_print(pixels, scale, limits=REFERENCE), (across, down))
        boxes = self.boxes[page.number]
        ink = page_ink(pixels, scale, least_contrast=FRAMES.least_contrast)
        frames = find_frames(ink, matrix, boxes, pixels_per_mm=sampling(scale, FRAMES), limits=FRAMES)
        size = (page.width_mm, page.height_mm)
        empty = measure(ink, matrix, boxes, frames, None, page_mm=size, pixels_per_mm=scale, settings=MEASURE)
        # some blanks are only a page's heading, kept for registration: they tell nothing of boxes that they do not show
        hidden = np.isfinite(frames.score) & ~frames.seen
        if not frames.support >= PAGE.least_support_of_blank:
            hidden[:] = True
        empty.values[hidden] = np.nan
        self.empty[page.number] = with_cells(empty, ink, matrix, self.cells[page.number], scale, None)


def read_page(image: PageImage, form: FormReader, *, expected_page: int) -> PageResult:
    """Read one page image.

    Parameters
    ----------
    image : PageImage
    form : FormReader
    expected_page : int
        The page that this would be if the scan were complete and in order; decides only between pages that look alike.

    Returns
    -------
    PageRead or PageSetAside
    """
    layout = form.layout
    gray, factor = reduced(image.pixels, layout.pages[0], PAGE)
    dpi = None if image.dpi is None else image.dpi * factor
    scale = max(gray.shape) / max(layout.pages[0].width_mm, layout.pages[0].height_mm)
    ink = page_ink(gray, scale, least_contrast=FRAMES.least_contrast)
    located = locate(ink, form.known, dpi=dpi, expected_page=expected_page, limits=PAGE)
    if isinstance(located, Unlocated):
        if located.reason is Reason.NOT_REGISTERED and not located.page and _is_blank(ink):
            return PageSetAside(Reason.BLANK, "nothing is on it", image.sha256)
        return PageSetAside(located.reason, located.detail, image.sha256, located.copy, located.page)
    page = layout.page(located.page)
    readings = measure(
        ink,
        located.placement.matrix,
        form.boxes[located.page],
        located.frames,
        form.empty.get(located.page),
        page_mm=(page.width_mm, page.height_mm),
        mapped=located.page in form.mapped,
        pixels_per_mm=located.pixels_per_mm,
        settings=MEASURE,
    )
    blank = form.empty.get(located.page)
    matrix, scale = located.placement.matrix, located.pixels_per_mm
    readings = with_cells(readings, ink, matrix, form.cells[located.page], scale, blank)
    # the centre of the first pixel lies half a pixel inside of either image
    to_image = to_stored(factor) @ located.placement.matrix
    return PageRead(
        image_sha256=image.sha256,
        page=located.page,
        copy=located.copy,
        page_source=located.source,
        rotation=located.placement.rotation,
        residual_mm=_residual(located),
        dpi=located.pixels_per_mm / factor * MM_PER_INCH,
        transform=as_transform(to_image),
        readings=readings,
        sticker=sticker_on(image.pixels, to_image, layout, located.page),
        prints=prints_on(image.pixels, to_image, layout, located.page),
    )


def with_cells(
    readings: Readings,
    ink: PageInk,
    matrix: NDArray[np.float64],
    cells: PageBoxes,
    pixels_per_mm: float,
    blank: Readings | None,
) -> Readings:
    """A page's readings with the pictures of its cells for handwritten digits, and those of the blank form; as they are without cells."""
    if not cells:
        return readings
    pictures = cut_cells(ink, matrix, cells, pixels_per_mm=pixels_per_mm)
    return replace(readings, cells=pictures) if blank is None else replace(readings, cells=pictures, blank_cells=blank.cells)


def prints_on(pixels: NDArray[np.uint8], matrix: NDArray[np.float64], layout: Layout, page: int) -> dict[str, str]:
    """What is printed where a page has a version, by field; parameters as those of `sticker_on`."""
    places = [one for one in layout.fields if one.role == "version" and one.page == page]
    return {one.id: read_print(pixels, matrix, one.region) for one in places if one.region is not None}


def sticker_on(pixels: NDArray[np.uint8], matrix: NDArray[np.float64], layout: Layout, page: int) -> StickerRead | None:
    """What the label on a page says; None where the page has no place for one.

    Parameters
    ----------
    pixels : (H, W) uint8 array
        Page image as stored.
    matrix : (3, 3) float array
        From layout millimetres to its pixels.
    layout : Layout
    page : int
    """
    places = [one.region for one in layout.fields if one.kind is FieldKind.STICKER and one.page == page]
    if not places or places[0] is None:
        return None
    code = layout.page_code.region if layout.page_code is not None else None
    return read_sticker(pixels, matrix, places[0], beside=() if code is None or code.page not in (0, page) else (code,))


def _residual(located: Located) -> float:
    """Residual in mm: of the printed boxes where there are some, else of the registration marks."""
    of_frames = located.frames.residual_mm
    return of_frames if np.isfinite(of_frames) else located.placement.residual_mm


def reduced(pixels: NDArray[np.uint8], page: LayoutPage, limits: PageLimits) -> tuple[NDArray[np.uint8], float]:
    """The image at no more than the resolution that reading needs, and the factor by which it was reduced."""
    fits = min(max(pixels.shape) / max(page.width_mm, page.height_mm), min(pixels.shape) / min(page.width_mm, page.height_mm))
    factor = min(1.0, limits.most_pixels_per_mm / fits)
    if factor > 0.8:  # hardly smaller: resampling would only blur
        return pixels, 1.0
    return np.asarray(cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)), factor


def to_stored(factor: float) -> NDArray[np.float64]:
    """Pixels of an image that was reduced by a factor to those of the image as stored; the centre of the first pixel is (0, 0)."""
    return np.array([[1 / factor, 0, 0.5 / factor - 0.5], [0, 1 / factor, 0.5 / factor - 0.5], [0, 0, 1]])


def _is_blank(ink: PageInk) -> bool:
    height, width = ink.gray.shape
    edge = max(1, round(0.04 * min(height, width)))  # scanners draw shadows along the edges
    inner = (slice(edge, height - edge), slice(edge, width - edge))
    # against this page's own black: what a pale scan leaves of a page is still a page
    level = 1.0 - PAGE.blank_share_of_black * ink.contrast
    return bool(np.count_nonzero(ink.below(level)[inner]) < PAGE.blank_ink_share * ink.gray[inner].size)


def _reference_pages(layout: Layout, path: Path) -> list[NDArray[np.uint8]]:
    opened = open_scan(path)
    where = f"layout {layout.name}, reference {path.name}"
    if isinstance(opened, PageSetAside):
        raise DefinitionError([Issue(Severity.ERROR, where, opened.detail, "Give the blank form as a PDF or an image.")])
    pages = []
    with opened as scan:
        if scan.page_count != len(layout.pages):
            message = f"it has {scan.page_count} pages, the layout {len(layout.pages)}."
            raise DefinitionError(
                [Issue(Severity.ERROR, where, message, "Give one page of the blank form per page of the layout.")]
            )
        for index in range(scan.page_count):
            image = scan.page(index, channel=layout.dropout)
            if isinstance(image, PageSetAside):
                raise DefinitionError([Issue(Severity.ERROR, f"{where}, page {index + 1}", image.detail)])
            pages.append(image.pixels)
    return pages
