"""What is drawn on a blank form: outlines that could be boxes or frames, registration marks, words, codes; in mm from the top left.

A PDF's own vectors say it to the hundredth of a millimetre. What they do not say (ballot boxes that are letters of a font, boxes
put together from rules, a scanned blank) is found in a picture of the page. Nothing here knows what a question is.
"""

from __future__ import annotations

import logging
import math
import re
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pdfplumber
import zxingcpp
from numpy.typing import NDArray
from pdfminer.pdfexceptions import PDFException
from pdfplumber.utils.exceptions import MalformedPDFException, PdfminerException

from scangrade.errors import UsageError
from scangrade.geometry import MM_PER_INCH
from scangrade.model import Fiducial, FiducialKind, PageSetAside, Shape
from scangrade.paper.rasterise import open_scan
from scangrade.settings import DETECT, RASTERISE, DetectSettings

Gray = NDArray[np.uint8]
_MM_PER_POINT = MM_PER_INCH / 72
_SYMBOLS = re.compile(r"dingbat|wingding|webding|wasy|msam|msbm|symbol|fontawesome", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Outline:
    """A closed line around white paper, placed by its centre; sizes are those of the inside."""

    x: float
    y: float
    width: float
    height: float
    frame: float  #: width of the line
    shape: Shape

    def holds(self, x: float, y: float) -> bool:
        """Whether a place lies inside."""
        return abs(x - self.x) <= self.width / 2 and abs(y - self.y) <= self.height / 2


@dataclass(frozen=True, slots=True)
class Word:
    """A printed word, or one character of it."""

    text: str
    left: float
    top: float
    right: float
    bottom: float

    @property
    def x(self) -> float:
        """Its middle."""
        return (self.left + self.right) / 2

    @property
    def y(self) -> float:
        """Its middle."""
        return (self.top + self.bottom) / 2


@dataclass(frozen=True, slots=True)
class Code:
    """A barcode, and the rectangle around it."""

    text: str
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True, eq=False)
class Artwork:
    """One page of a blank form."""

    number: int  #: from 1
    width: float
    height: float
    outlines: tuple[Outline, ...]  #: small enough for boxes
    frames: tuple[Outline, ...]  #: larger rectangles
    marks: tuple[Fiducial, ...]  #: what could be registration marks
    words: tuple[Word, ...]
    characters: tuple[Word, ...]
    codes: tuple[Code, ...]
    left_out: tuple[Outline, ...]  #: squares of a box' size that were only seen, and are too few of a size
    hollows: tuple[Outline, ...]  #: all empty squares of a box' size, however few
    solids: tuple[
        Outline, ...
    ]  #: filled squares of a box' size, registration marks left out; by what the fill and its line cover
    picture: Gray  #: 0 black to 255 white
    px_per_mm: float


def read_artwork(path: Path, *, settings: DetectSettings = DETECT) -> tuple[tuple[Artwork, ...], tuple[str, ...]]:
    """Look at every page of a blank form.

    Parameters
    ----------
    path : Path
        PDF or image.
    settings : DetectSettings
        What is small enough for a box, large enough for a frame, and so on.

    Returns
    -------
    The pages, and what a person should know of how they were looked at.

    Raises
    ------
    UsageError
        If the file or one of its pages cannot be read.
    """
    opened = open_scan(path, limits=replace(RASTERISE, render_dpi=settings.dpi, least_gray_dpi=settings.dpi))
    if isinstance(opened, PageSetAside):
        raise UsageError(f"{path}: {opened.detail}")
    pages: list[Artwork] = []
    with opened as scan:
        vectors = _vectors(path, settings) if path.read_bytes()[:1024].find(b"%PDF-") >= 0 else {}
        for number in range(1, scan.page_count + 1):
            image = scan.page(number - 1)
            if isinstance(image, PageSetAside):
                raise UsageError(f"{path}, page {number}: {image.detail}")
            px_per_mm = (image.dpi or settings.dpi) / MM_PER_INCH
            pages.append(_page(number, image.pixels, px_per_mm, vectors.get(number), settings))
    notes = [
        f"page {page.number}: the square at ({one.x:.0f}, {one.y:.0f}), {one.width:.1f} mm, is alone of its size: not taken for a box."
        for page in pages
        for one in page.left_out
    ]
    return tuple(pages), tuple(notes)


@dataclass(frozen=True, slots=True)
class _Vectors:
    """What a PDF page says itself."""

    width: float
    height: float
    closed: tuple[Outline, ...]
    marks: tuple[Fiducial, ...]
    words: tuple[Word, ...]
    characters: tuple[Word, ...]


def _page(number: int, picture: Gray, px_per_mm: float, vectors: _Vectors | None, settings: DetectSettings) -> Artwork:
    width, height = picture.shape[1] / px_per_mm, picture.shape[0] / px_per_mm
    if vectors is not None and abs(vectors.width - width) < 1 and abs(vectors.height - height) < 1:
        width, height = vectors.width, vectors.height
    else:
        vectors = None
    codes = tuple(_codes(picture, px_per_mm))
    drawn, solid, filled = _contours(picture, px_per_mm, settings)
    marks: Sequence[Fiducial] = vectors.marks if vectors else ()
    if not _as_marks(marks, width, height, settings):
        marks = solid
    marks = _as_marks(marks, width, height, settings)
    closed = list(vectors.closed if vectors else ())
    letters = [one for one in (vectors.characters if vectors else ()) if one.text.isalnum() and one.text.isascii()]
    extra = [
        one
        for one in drawn
        if not any(abs(one.x - other.x) < 0.5 and abs(one.y - other.y) < 0.5 for other in closed)
        and not any(one.width <= settings.greatest_box_mm and _inside(one.x, one.y, letter) for letter in letters)
    ]
    repeated = _repeated(extra, settings)
    closed += repeated
    kept = [
        one
        for one in _distinct(closed)
        if not any(code.left - 1 < one.x < code.right + 1 and code.top - 1 < one.y < code.bottom + 1 for code in codes)
        and not any(abs(mark.x_mm - one.x) < mark.size_mm / 2 and abs(mark.y_mm - one.y) < mark.size_mm / 2 for mark in marks)
    ]
    small = tuple(one for one in kept if max(one.width, one.height) <= settings.greatest_box_mm)
    large = tuple(
        one
        for one in kept
        if one.shape is Shape.SQUARE
        and one.width >= settings.least_frame_mm[0]
        and one.height >= settings.least_frame_mm[1]
        and one.width < width - 15
    )
    return Artwork(
        number,
        round(width, 2),
        round(height, 2),
        small,
        large,
        marks,
        vectors.words if vectors else (),
        vectors.characters if vectors else (),
        codes,
        tuple(
            one
            for one in extra
            if vectors
            and one not in repeated
            and one.shape is Shape.SQUARE
            and abs(one.width - one.height) < 1
            and one.width <= settings.greatest_box_mm
            and not any(code.left < one.x < code.right and code.top < one.y < code.bottom for code in codes)
        ),
        tuple(
            one for one in _distinct([*small, *drawn]) if one.shape is Shape.SQUARE and one.width <= settings.greatest_box_mm
        ),
        tuple(one for one in filled if not any(math.dist((one.x, one.y), (mark.x_mm, mark.y_mm)) < 1 for mark in marks)),
        picture,
        px_per_mm,
    )


def _inside(x: float, y: float, word: Word) -> bool:
    return word.left <= x <= word.right and word.top <= y <= word.bottom


def _distinct(outlines: Iterable[Outline]) -> list[Outline]:
    """Of outlines drawn twice (a fill and its line), the first."""
    kept: list[Outline] = []
    for one in sorted(outlines, key=lambda one: (one.x, one.y)):
        near = (other for other in reversed(kept) if abs(other.x - one.x) < 0.3)
        if not any(abs(other.y - one.y) < 0.3 and abs(other.width - one.width) < 1 for other in near):
            kept.append(one)
    return kept


def _repeated(outlines: Sequence[Outline], settings: DetectSettings) -> list[Outline]:
    """Of outlines that were seen only, those that have others of their size, or are large: a letter O stands alone."""
    kept = []
    for one in outlines:
        alike = sum(
            abs(other.width - one.width) < settings.alike_mm
            and abs(other.height - one.height) < settings.alike_mm
            and other.shape is one.shape
            for other in outlines
        )
        if alike >= settings.least_alike or one.width >= settings.least_frame_mm[0]:
            kept.append(one)
    return kept


# --------------------------------------------------------------------------- vectors


def _vectors(path: Path, settings: DetectSettings) -> dict[int, _Vectors]:
    """What the pages of a PDF say themselves; a page that cannot be followed is left to its picture."""
    found: dict[int, _Vectors] = {}
    logging.getLogger("pdfminer").setLevel(logging.ERROR)
    try:
        with pdfplumber.open(path) as pdf:
            for number, page in enumerate(pdf.pages, start=1):
                found[number] = _vector_page(page, settings)
                page.close()
    except (
        PDFException,
        PdfminerException,
        MalformedPDFException,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
        RecursionError,
    ):
        return found
    return found


def _vector_page(page: Any, settings: DetectSettings) -> _Vectors:
    left, top, right, bottom = (float(one) for one in page.cropbox)

    def mm(one: Mapping[str, Any], key: str) -> float:
        return (float(one[key]) - (left if key in ("x0", "x1") else top)) * _MM_PER_POINT

    closed: list[Outline] = []
    marks: list[Fiducial] = []
    bars: list[tuple[float, float, float, float]] = []  # x, y, width, height
    for one in [*page.rects, *page.curves]:
        x0, y0, x1, y1 = mm(one, "x0"), mm(one, "top"), mm(one, "x1"), mm(one, "bottom")
        width, height, x, y = x1 - x0, y1 - y0, (x0 + x1) / 2, (y0 + y1) / 2
        path = one.get("path") or []
        curved = sum(part[0] in ("c", "v", "y") for part in path)
        straight = sum(part[0] == "l" for part in path)
        inked = bool(one.get("fill")) and _dark(one.get("non_stroking_color"))
        lined = bool(one.get("stroke")) and _dark(one.get("stroking_color"))
        line = float(one.get("linewidth") or 0) * _MM_PER_POINT
        if inked and not curved and abs(width - height) < 0.1 and straight == 5:
            arm = _corner(path, left, top)
            if arm is not None:
                marks.append(arm)
                continue
        if inked:
            if abs(width - height) < 0.1 and settings.least_mark_mm <= width <= settings.greatest_mark_mm:
                marks.append(Fiducial(FiducialKind.CIRCLE if curved >= 4 else FiducialKind.SQUARE, x, y, round(width, 2)))
            elif not curved:
                bars.append((x, y, width, height))
        elif lined and (curved >= 4 or (not curved and straight in (3, 4)) or (curved == 4 and straight >= 3)):
            round_one = curved >= 4 and straight < 3
            # a line that is not scaled with its page would be far off: then the picture's usual measure
            frame = line if 0 < line < min(width, height) / 3 else 0.3
            if round_one and abs(width - height) < 0.1 and frame >= settings.least_ring_line_mm:
                marks.append(Fiducial(FiducialKind.RING, x, y, round(width + frame, 2), round(frame, 2)))
            if min(width, height) - frame >= settings.least_box_mm:
                shape = Shape.CIRCLE if round_one else Shape.SQUARE
                closed.append(Outline(x, y, width - frame, height - frame, frame, shape))
    for one in page.lines:
        x0, y0, x1, y1 = mm(one, "x0"), mm(one, "top"), mm(one, "x1"), mm(one, "bottom")
        line = float(one.get("linewidth") or 0) * _MM_PER_POINT
        bars.append(((x0 + x1) / 2, (y0 + y1) / 2, max(x1 - x0, line), max(y1 - y0, line)))
    marks += _pluses(bars, settings)
    # a ballot box of such a font is no letter, whatever letter stands for it
    page = page.filter(lambda one: one["object_type"] != "char" or not _SYMBOLS.search(str(one.get("fontname"))))
    words = tuple(
        Word(str(one["text"]), mm(one, "x0"), mm(one, "top"), mm(one, "x1"), mm(one, "bottom"))
        for one in page.extract_words(x_tolerance=1.5)
    )
    characters = tuple(
        Word(str(one["text"]), mm(one, "x0"), mm(one, "top"), mm(one, "x1"), mm(one, "bottom"))
        for one in page.chars
        if str(one["text"]).strip()
    )
    return _Vectors(
        (right - left) * _MM_PER_POINT, (bottom - top) * _MM_PER_POINT, tuple(closed), tuple(marks), words, characters
    )


def _dark(colour: Any) -> bool:
    """Whether a colour of a PDF, gray, RGB or CMYK, is seen on white; one that is not said is black."""
    parts = [float(one) for one in colour if isinstance(one, int | float)] if isinstance(colour, tuple | list) else []
    if isinstance(colour, int | float):
        parts = [float(colour)]
    if len(parts) == 4:
        return min(1.0, max(parts[:3]) + parts[3]) > 0.15
    return not parts or min(parts) < 0.85


def _corner(path: Sequence[Any], left: float, top: float) -> Fiducial | None:
    """The corner mark that six points make."""
    points = [
        ((x - left) * _MM_PER_POINT, (y - top) * _MM_PER_POINT) for _, (x, y) in (part for part in path if len(part) == 2)
    ]
    if len(points) != 6:
        return None
    x0, x1 = min(x for x, _ in points), max(x for x, _ in points)
    y0, y1 = min(y for _, y in points), max(y for _, y in points)
    inner = [(x, y) for x, y in points if x0 + 0.05 < x < x1 - 0.05 and y0 + 0.05 < y < y1 - 0.05]
    if len(inner) != 1:
        return None
    x, y = inner[0]
    right, low = x1 - x < x - x0, y1 - y < y - y0
    line = min(x - x0, x1 - x)
    turn = {(False, False): 0, (True, False): 90, (True, True): 180, (False, True): 270}[right, low]
    return Fiducial(FiducialKind.CORNER, x1 if right else x0, y1 if low else y0, round(x1 - x0, 2), round(line, 2), turn)


def _pluses(bars: Sequence[tuple[float, float, float, float]], settings: DetectSettings) -> Iterator[Fiducial]:
    """Two bars of the same length that cross in their middles."""
    level = [one for one in bars if settings.least_mark_mm <= one[2] <= settings.greatest_mark_mm and one[3] < one[2] / 3]
    upright = [one for one in bars if settings.least_mark_mm <= one[3] <= settings.greatest_mark_mm and one[2] < one[3] / 3]
    for x, y, width, line in level:
        if any(abs(a - x) < 0.1 and abs(b - y) < 0.1 and abs(high - width) < 0.2 for a, b, _, high in upright):
            yield Fiducial(FiducialKind.PLUS, x, y, round(width, 2), round(line, 2))


def _as_marks(marks: Sequence[Fiducial], width: float, height: float, settings: DetectSettings) -> tuple[Fiducial, ...]:
    """The marks of one kind and size that stand around the page; none where there are too few or too many to be that."""
    edge = settings.mark_zone_mm
    classes: dict[tuple[FiducialKind, float], list[Fiducial]] = {}
    for one in marks:
        x, y = one.x_mm, one.y_mm
        if min(x, width - x, y, height - y) > edge:
            continue
        key = next((key for key in classes if key[0] is one.kind and abs(key[1] - one.size_mm) < settings.alike_mm), None)
        held = classes.setdefault(key or (one.kind, one.size_mm), [])
        if not any(abs(x - other.x_mm) < 0.5 and abs(y - other.y_mm) < 0.5 for other in held):
            held.append(one)
    wide = [
        held
        for held in classes.values()
        if settings.least_marks <= len(held) <= settings.greatest_marks
        and max(one.x_mm for one in held) - min(one.x_mm for one in held) > width / 3
        and max(one.y_mm for one in held) - min(one.y_mm for one in held) > height / 3
    ]
    best = max(wide, key=lambda held: (len(held) <= 4, len(held), held[0].size_mm), default=[])
    size = round(statistics.median(one.size_mm for one in best), 2) if best else 0.0
    line = round(statistics.median(one.line_mm for one in best), 2) if best else 0.0
    return tuple(replace(one, x_mm=round(one.x_mm, 2), y_mm=round(one.y_mm, 2), size_mm=size, line_mm=line) for one in best)


# --------------------------------------------------------------------------- picture


def _codes(picture: Gray, px_per_mm: float) -> Iterator[Code]:
    formats = (zxingcpp.BarcodeFormat.DataMatrix, zxingcpp.BarcodeFormat.QRCode, zxingcpp.BarcodeFormat.Code128)
    for found in zxingcpp.read_barcodes(np.ascontiguousarray(picture), zxingcpp.BarcodeFormats(formats)):
        corners = found.position
        points = [corners.top_left, corners.top_right, corners.bottom_left, corners.bottom_right]
        xs, ys = [one.x / px_per_mm for one in points], [one.y / px_per_mm for one in points]
        if found.text:
            yield Code(found.text, min(xs), min(ys), max(xs), max(ys))


def _contours(
    picture: Gray, px_per_mm: float, settings: DetectSettings
) -> tuple[list[Outline], list[Fiducial], list[Outline]]:
    """White areas within closed lines, solid marks, and solid squares of a box' size."""
    level, _ = cv2.threshold(picture, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    ink = (picture <= level).astype(np.uint8)
    contours, tree = cv2.findContours(ink, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    outlines: list[Outline] = []
    marks: list[Fiducial] = []
    filled: list[Outline] = []
    for contour, place in zip(contours, tree[0] if tree is not None else (), strict=True):
        left, top, width, height = cv2.boundingRect(contour)
        if place[3] >= 0:  # a hole; its contour runs along the ink around it
            inner_width, inner_height = width - 2, height - 2
            if min(inner_width, inner_height) < settings.least_box_mm * px_per_mm:
                continue
            share = cv2.contourArea(contour) / ((width - 1) * (height - 1))
            if share > settings.least_square_fill:
                shape = Shape.SQUARE
            elif abs(share - np.pi / 4) < 0.04 and abs(width - height) <= max(2, 0.06 * width):
                shape = Shape.CIRCLE
            else:
                continue
            x, y = left + width / 2, top + height / 2
            frame = _line_width(ink, left, top, width, height)
            outlines.append(
                Outline(
                    x / px_per_mm, y / px_per_mm, inner_width / px_per_mm, inner_height / px_per_mm, frame / px_per_mm, shape
                )
            )
        else:
            mark = _solid(contour, ink, left, top, width, height, px_per_mm, settings)
            if mark is not None:
                marks.append(mark)
            size = (width + height) / 2 / px_per_mm
            square = abs(width - height) <= max(2, 0.1 * width) and settings.least_box_mm <= size <= settings.greatest_box_mm
            if square and float(ink[top : top + height, left : left + width].mean()) > settings.least_square_fill:
                middle = (left + width / 2) / px_per_mm, (top + height / 2) / px_per_mm
                filled.append(Outline(*middle, width / px_per_mm, height / px_per_mm, 0.0, Shape.SQUARE))
    return outlines, marks, filled


def _line_width(ink: NDArray[np.uint8], left: int, top: int, width: int, height: int) -> float:
    """Median width in pixels of the line around a hole, measured outwards at the middle of each side."""
    x, y = left + width // 2, top + height // 2
    rays = (ink[y, left::-1], ink[y, left + width - 1 :], ink[top::-1, x], ink[top + height - 1 :, x])
    return float(statistics.median(int(np.argmin(ray)) if not ray.all() else ray.size for ray in (one[:60] for one in rays)))


def _solid(
    contour: NDArray[Any],
    ink: NDArray[np.uint8],
    left: int,
    top: int,
    width: int,
    height: int,
    px_per_mm: float,
    settings: DetectSettings,
) -> Fiducial | None:
    size = (width + height) / 2
    if not settings.least_mark_mm <= size / px_per_mm <= settings.greatest_mark_mm or abs(width - height) > max(
        2, 0.06 * size
    ):
        return None
    window = ink[top : top + height, left : left + width]
    share = float(window.mean())
    area = cv2.contourArea(contour) / max(1, (width - 1) * (height - 1))
    x, y, side = (left + width / 2) / px_per_mm, (top + height / 2) / px_per_mm, size / px_per_mm
    if share > 0.93:
        return Fiducial(FiducialKind.SQUARE, x, y, side)
    if abs(area - np.pi / 4) < 0.04 and abs(share - np.pi / 4) < 0.04:
        return Fiducial(FiducialKind.CIRCLE, x, y, side)
    if abs(area - np.pi / 4) < 0.04:
        line = size * (1 - np.sqrt(max(0.0, 1 - share / (np.pi / 4)))) / 2 / px_per_mm
        return Fiducial(FiducialKind.RING, x, y, side, line) if line >= settings.least_ring_line_mm else None
    line = size * (1 - np.sqrt(max(0.0, 1 - share)))
    if line > size / 3 or line < 2:
        return None
    third = max(1, int(line))
    middle_row, middle_column = window[height // 2].mean() > 0.9, window[:, width // 2].mean() > 0.9
    if middle_row and middle_column:
        return Fiducial(FiducialKind.PLUS, x, y, side, line / px_per_mm)
    first, last = window[: third // 2 + 1].mean() > 0.9, window[-(third // 2 + 1) :].mean() > 0.9
    west, east = window[:, : third // 2 + 1].mean() > 0.9, window[:, -(third // 2 + 1) :].mean() > 0.9
    if (first != last) and (west != east):
        turn = {(True, True): 0, (True, False): 90, (False, False): 180, (False, True): 270}[bool(first), bool(west)]
        return Fiducial(
            FiducialKind.CORNER,
            (left + (0 if west else width)) / px_per_mm,
            (top + (0 if first else height)) / px_per_mm,
            side,
            line / px_per_mm,
            turn,
        )
    return None
