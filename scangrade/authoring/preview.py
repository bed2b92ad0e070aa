"""Pictures of a layout laid over its form, or over a scan as registered: the way to see that the boxes sit right.

The picture is in the layout's own frame, so a scan appears turned and straightened: a box that sits beside its print here is
read beside its print. Local refinement, by which a reading follows each box a little further, is not shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from scangrade.authoring.form import rasterise_blank
from scangrade.definitions.layout import load_layout
from scangrade.errors import DefinitionError, OutputError, UsageError
from scangrade.geometry import MM_PER_INCH, as_matrix
from scangrade.model import Box, Fiducial, FiducialKind, Field, FieldKind, Layout, LayoutPage, PageSetAside, Shape
from scangrade.paper.rasterise import open_scan
from scangrade.paper.read import FormReader, read_page
from scangrade.run.files import write_whole
from scangrade.settings import RASTERISE

Picture = NDArray[np.uint8]  # (H, W, 3) BGR

DPI: Final = 150.0
_PX_PER_MM: Final = DPI / MM_PER_INCH
_CANVAS_TO_MM: Final = (
    np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, _PX_PER_MM]]) / _PX_PER_MM
)  # the first pixel's centre is 0, 0
_SHIFT: Final = 4  # cv2 draws to 1/16 of a pixel
_FADE: Final = 0.4  # how much of the page's own contrast stays, so that the drawing stands out

# Dark enough to be read on paper, and told apart by people who do not see red and green alike (after Okabe and Ito). BGR.
_COLOURS: Final = {
    FieldKind.CHOICE: (178, 114, 0),
    FieldKind.DIGIT: (115, 158, 0),
    FieldKind.CREDIT: (0, 94, 213),
    FieldKind.VERSION: (167, 121, 204),
    FieldKind.STICKER: (0, 100, 140),
    FieldKind.HANDWRITTEN: (115, 158, 0),
    FieldKind.TEXT: (0, 100, 140),
}
_FIDUCIAL: Final = (0, 0, 200)
_CODE: Final = (150, 0, 150)


@dataclass(frozen=True, slots=True)
class Preview:
    """Pictures that were written, and what a person should know about pages that have none."""

    pictures: tuple[Path, ...]
    notes: tuple[str, ...]


def preview(layout: Path, scan: Path | None = None, *, output: Path, page: int | None = None) -> Preview:
    """Draw a layout's boxes, registration marks, regions and ids over its form, or over a scan as registered.

    Parameters
    ----------
    layout : Path
        Layout file.
    scan : Path, optional
        Scan to draw over; without one, the layout's blank form, or one drawn from the layout if it has none.
    output : Path
        PNG file; of several pages, ``name-1.png``, ``name-2.png`` and so on are written.
    page : int, optional
        Only this page of the scan, or of the layout, counted from 1.

    Raises
    ------
    DefinitionError
        If the layout has faults.
    UsageError
        If there is no such page, or the layout could not be laid over any page of the scan.
    OutputError
        If a picture cannot be written.
    """
    form, issues = load_layout(layout)
    if form is None:
        raise DefinitionError(issues)
    if output.suffix.lower() != ".png":
        raise UsageError(f"{output}: the picture is a PNG file. Give a name that ends in .png.")
    if not output.parent.is_dir():
        raise OutputError(f"{output.parent}: no such folder. Make it first, or choose another place with `--output`.")
    notes = [str(issue) for issue in issues]
    drawn: list[tuple[int, Picture]] = []
    for number, found in _over_form(form, page) if scan is None else _over_scan(form, scan, page):
        if isinstance(found, PageSetAside):
            notes.append(f"{scan}, page {number}: {found.reason.value.replace('_', ' ')}: {found.detail}")
        else:
            drawn.append((number, found))
    if not drawn:
        raise UsageError("\n".join(["no page to draw on.", *notes]))
    single = len(drawn) == 1
    pictures = []
    for number, picture in drawn:
        path = output if single else output.with_name(f"{output.stem}-{number}{output.suffix}")
        write_whole(path, as_png(picture))
        pictures.append(path)
    return Preview(tuple(pictures), tuple(notes))


def _over_form(layout: Layout, page: int | None) -> Iterator[tuple[int, Picture]]:
    if page is not None and page > len(layout.pages):
        raise UsageError(f"page {page}: the layout has {_pages(len(layout.pages))} only. Give `--page` a number up to that.")
    wanted = [one for one in layout.pages if page in (None, one.number)]
    if layout.reference is None:
        drawn = rasterise_blank(layout, dpi=DPI)
        blanks = {one.number: drawn[one.number - 1] for one in wanted}
    else:
        blanks = pages_of(layout.reference, layout, wanted)
    for one in wanted:
        blank = blanks[one.number]
        gray = cv2.cvtColor(blank, cv2.COLOR_RGB2GRAY) if blank.ndim == 3 else blank
        size = _size(one)
        paper = cv2.resize(gray, size, interpolation=cv2.INTER_AREA if gray.shape[1] > size[0] else cv2.INTER_LINEAR)
        yield one.number, draw(layout, one.number, np.asarray(paper, dtype=np.uint8))


def pages_of(reference: Path, layout: Layout, wanted: list[LayoutPage]) -> dict[int, NDArray[np.uint8]]:
    """Pages of a layout's blank form, gray, by number.

    Raises
    ------
    UsageError
        If one of them cannot be read.
    """
    opened = open_scan(reference, limits=RASTERISE)
    if isinstance(opened, PageSetAside):
        raise UsageError(f"{reference}, the layout's blank form: {opened.detail}")
    blanks = {}
    with opened as scan:
        for one in wanted:
            if one.number > scan.page_count:
                raise UsageError(
                    f"{reference}, the layout's blank form: it has {_pages(scan.page_count)}, the layout {len(layout.pages)}."
                    " Give one page per page of the layout."
                )
            image = scan.page(one.number - 1, channel=layout.dropout)
            if isinstance(image, PageSetAside):
                raise UsageError(f"{reference}, page {one.number}: {image.detail}")
            blanks[one.number] = image.pixels
    return blanks


def _over_scan(layout: Layout, path: Path, page: int | None) -> Iterator[tuple[int, Picture | PageSetAside]]:
    opened = open_scan(path, limits=RASTERISE)
    if isinstance(opened, PageSetAside):
        raise UsageError(f"{path}: {opened.detail}")
    with opened as scan:
        if page is not None and page > scan.page_count:
            raise UsageError(f"{path}: it has {_pages(scan.page_count)} only. Give `--page` a number up to that.")
        form = FormReader(layout)
        for number in range(1, scan.page_count + 1) if page is None else [page]:
            image = scan.page(number - 1, channel=layout.dropout)
            if isinstance(image, PageSetAside):
                yield number, image
                continue
            result = read_page(image, form, expected_page=(number - 1) % len(layout.pages) + 1)
            if isinstance(result, PageSetAside):
                yield number, result
                continue
            straight = cv2.warpPerspective(
                image.pixels,
                as_matrix(result.transform) @ _CANVAS_TO_MM,
                _size(layout.page(result.page)),
                flags=cv2.INTER_AREA | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_CONSTANT,
                borderValue=(200.0,),
            )
            yield number, draw(layout, result.page, np.asarray(straight, dtype=np.uint8))


def draw(layout: Layout, page: int, paper: NDArray[np.uint8]) -> Picture:
    """Draw one page of a layout over a picture of it.

    Parameters
    ----------
    layout : Layout
    page : int
        Page of the layout, counted from 1.
    paper : (H, W) uint8 array
        The page upright at `DPI`, 0 black to 255 white.

    Returns
    -------
    (H, W, 3) uint8 array
        Blue, green, red.
    """
    faded = 255 - (255 - paper.astype(np.float32)) * _FADE
    canvas: Picture = np.asarray(cv2.cvtColor(faded.astype(np.uint8), cv2.COLOR_GRAY2BGR), dtype=np.uint8)
    for mark in layout.page(page).fiducials:
        _draw_fiducial(canvas, mark)
    code = layout.page_code
    if code is not None:
        if code.region is not None:
            region = code.region
            _draw_rectangle(canvas, region.x_mm, region.y_mm, region.width_mm, region.height_mm, _CODE)
            _write(canvas, region.x_mm, region.y_mm + region.height_mm + 3, "page code", _CODE)
        for box in code.bits:
            if box.page in (0, page):
                _draw_box(canvas, box, _CODE, value=False)
    for field in layout.fields:
        _draw_field(canvas, field, page)
    return canvas


def _draw_field(canvas: Picture, field: Field, page: int) -> None:
    colour = _COLOURS[field.kind]
    boxes = [box for box in field.boxes if box.page == page]
    for box in boxes:
        _draw_box(canvas, box, colour, value=True)
    if boxes:
        first = boxes[0]
        name = str(field.place) if field.group else field.id
        _write(canvas, first.x_mm - first.width_mm / 2 - 1, first.y_mm + 1, name, colour, right=True, scale=0.45)
        if field.group and field.place == 1:
            last = boxes[-1]  # below it is free, as a rule: what a grid is for is written above it
            _write(canvas, last.x_mm - last.width_mm / 2, last.y_mm + last.height_mm / 2 + 4.0, field.group, colour)
    if field.cells and field.page == page:
        for cell in field.cells:
            _draw_box(canvas, cell, colour, value=False)
        first = field.cells[0]
        _write(canvas, first.x_mm - first.width_mm / 2, first.y_mm + first.height_mm / 2 + 4.0, field.id, colour)
    elif field.region is not None and field.page == page:
        region = field.region
        _draw_rectangle(canvas, region.x_mm, region.y_mm, region.width_mm, region.height_mm, colour)
        _write(canvas, region.x_mm + 1, region.y_mm + region.height_mm - 1, f"{field.id} ({field.kind.value})", colour)


def _draw_box(canvas: Picture, box: Box, colour: tuple[int, int, int], *, value: bool) -> None:
    if box.shape is Shape.CIRCLE:
        axes = (_fixed(box.width_mm / 2 * _PX_PER_MM), _fixed(box.height_mm / 2 * _PX_PER_MM))
        cv2.ellipse(canvas, _point(box.x_mm, box.y_mm), axes, 0, 0, 360, colour, 1, cv2.LINE_AA, _SHIFT)
    else:
        left, top = box.x_mm - box.width_mm / 2, box.y_mm - box.height_mm / 2
        _draw_rectangle(canvas, left, top, box.width_mm, box.height_mm, colour)
    if value:
        _write(canvas, box.x_mm + box.width_mm / 2 + 0.4, box.y_mm - box.height_mm / 2 + 0.6, box.value, colour, scale=0.32)


def _draw_fiducial(canvas: Picture, mark: Fiducial) -> None:
    """The outline of a mark, and a hair cross at the place that the layout gives."""
    half = mark.size_mm / 2
    if mark.kind in (FiducialKind.CIRCLE, FiducialKind.RING):
        radius = _fixed(half * _PX_PER_MM)
        cv2.circle(canvas, _point(mark.x_mm, mark.y_mm), radius, _FIDUCIAL, 1, cv2.LINE_AA, _SHIFT)
    elif mark.kind is FiducialKind.CORNER:
        turn = np.radians(mark.turn_deg)
        across = np.array([np.cos(turn), np.sin(turn)]) * mark.size_mm
        down = np.array([-np.sin(turn), np.cos(turn)]) * mark.size_mm
        corner = np.array([mark.x_mm, mark.y_mm])
        for arm in (across, down):
            cv2.line(canvas, _point(*corner), _point(*(corner + arm)), _FIDUCIAL, 1, cv2.LINE_AA, _SHIFT)
    elif mark.kind is FiducialKind.SQUARE:
        _draw_rectangle(canvas, mark.x_mm - half, mark.y_mm - half, mark.size_mm, mark.size_mm, _FIDUCIAL)
    reach = half + 1.5
    for x, y in ((reach, 0.0), (0.0, reach)):
        ends = _point(mark.x_mm - x, mark.y_mm - y), _point(mark.x_mm + x, mark.y_mm + y)
        cv2.line(canvas, *ends, _FIDUCIAL, 1, cv2.LINE_AA, _SHIFT)


def _draw_rectangle(
    canvas: Picture, left: float, top: float, width: float, height: float, colour: tuple[int, int, int]
) -> None:
    cv2.rectangle(canvas, _point(left, top), _point(left + width, top + height), colour, 1, cv2.LINE_AA, _SHIFT)


def _write(
    canvas: Picture, x: float, y: float, text: str, colour: tuple[int, int, int], *, right: bool = False, scale: float = 0.4
) -> None:
    """Text on a white halo, its baseline beginning (or, with `right`, ending) at a place in mm."""
    font = cv2.FONT_HERSHEY_SIMPLEX
    shown = text.encode("ascii", "replace").decode()  # cv2's font has no other letters
    (width, _), _ = cv2.getTextSize(shown, font, scale, 1)
    place = (round(x * _PX_PER_MM) - (width if right else 0), round(y * _PX_PER_MM))
    cv2.putText(canvas, shown, place, font, scale, (255, 255, 255), 5, cv2.LINE_AA)
    cv2.putText(canvas, shown, place, font, scale, colour, 1, cv2.LINE_AA)


def _point(x_mm: float, y_mm: float) -> tuple[int, int]:
    return _fixed(x_mm * _PX_PER_MM - 0.5), _fixed(y_mm * _PX_PER_MM - 0.5)  # the first pixel's centre is half a pixel in


def _fixed(pixels: float) -> int:
    return round(pixels * (1 << _SHIFT))


def _size(page: LayoutPage) -> tuple[int, int]:
    return round(page.width_mm * _PX_PER_MM), round(page.height_mm * _PX_PER_MM)


def _pages(number: int) -> str:
    return "1 page" if number == 1 else f"{number} pages"


def as_png(picture: Picture) -> bytes:
    """A picture as the bytes of a PNG file."""
    _, encoded = cv2.imencode(".png", picture)
    return encoded.tobytes()
