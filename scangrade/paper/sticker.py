"""Reads the label that identifies a student: the code on it, and the number printed beside the code as a second witness.

Labels are pasted by people: askew, beside their place, creased. So codes are looked for around the place too, in any turn, and print
along the direction of the code. What the texts mean, and whether they agree, is not decided here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import zxingcpp
from numpy.typing import NDArray

from scangrade.geometry import local_scale, project
from scangrade.model import Region, StickerCode, StickerRead
from scangrade.paper.print_digits import dark_of, is_only_number
from scangrade.settings import PAGE_CODE_READING, PRINTED_DIGITS, STICKER, StickerReading

Pixels = NDArray[np.uint8]
Matrix = NDArray[np.float64]

_FORMATS = (zxingcpp.BarcodeFormat.DataMatrix, zxingcpp.BarcodeFormat.QRCode, zxingcpp.BarcodeFormat.Code128)
_NAMES = dict(zip(_FORMATS, ("DataMatrix", "QRCode", "Code128"), strict=True))
_PAPER = 255


@dataclass(frozen=True, slots=True, eq=False)
class _Symbol:
    code: StickerCode
    corners_mm: NDArray[
        np.float64
    ]  #: (4, 2): top left, top right, bottom right, bottom left of the code as it is meant to be read


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A part of a page, cut out."""

    pixels: Pixels
    to_mm: Matrix  #: from its pixels to layout millimetres


def read_sticker(
    pixels: Pixels,
    matrix: Matrix,
    region: Region,
    *,
    beside: Sequence[Region] = (),
    settings: StickerReading = STICKER,
) -> StickerRead:
    """Read the label on a page.

    Parameters
    ----------
    pixels : (H, W) uint8 array
        Grey page.
    matrix : (3, 3) float array
        From layout millimetres to its pixels.
    region : Region
        Where the label belongs.
    beside : sequence of Region
        Where the form has codes of its own: what is read there is none of the label's.
    settings : StickerReading

    Returns
    -------
    StickerRead
        Empty where there is no label, or nothing on it can be read. Tesseract is called where there is what looks like a code, and what is
        printed beside it is not plainly its number; where it is missing or takes too long, there is no printed number then.
    """
    left, top, right, bottom = region.edges
    margin = settings.margin_mm
    frame = (left - margin, top - margin, right + margin, bottom + margin)
    seen = _as_stored(pixels, matrix, frame)
    if seen is None or int(seen.pixels.max()) - int(seen.pixels.min()) < PAGE_CODE_READING.least_contrast:
        return StickerRead()
    symbols = _symbols(seen, beside)
    unread = None
    if not symbols:
        if _densest(seen, beside, local_scale(matrix, left, top), settings)[0] < settings.least_dense:
            return StickerRead()
        upright = cut_out(pixels, matrix, frame, settings.pixels_per_mm)
        unread = _unread_code(upright, beside, settings)
        if unread is None:
            return StickerRead()
        symbols = next((found for one in _attempts(upright, settings) if (found := _symbols(one, beside))), [])
    places = [one.corners_mm for one in symbols] if unread is None or symbols else [unread]
    codes = tuple(dict.fromkeys(one.code for one in symbols))
    label = _Label(pixels, matrix, places, beside, settings)
    return StickerRead(codes, _confirmed(label, codes, settings) or _read_print(label, codes, settings))


@dataclass(frozen=True, slots=True, eq=False)
class _Label:
    """A label on a page, of which at least one code is known by its corners in mm."""

    pixels: Pixels
    matrix: Matrix
    codes_mm: Sequence[Matrix]
    beside: Sequence[Region]
    settings: StickerReading

    def print_at(self, scale: float) -> Pixels:
        """Its print at so many pixels per mm: turned as its first code is, the codes painted over."""
        settings, (top_left, top_right, bottom_right, bottom_left) = self.settings, self.codes_mm[0]
        along = (top_right - top_left) + (bottom_right - bottom_left)
        x, y = self.codes_mm[0].mean(axis=0).tolist()
        around = (-settings.beside_mm, -settings.above_mm, settings.beside_mm, settings.above_mm)
        turn = float(np.arctan2(along[1], along[0]))
        cut = cut_out(self.pixels, self.matrix, around, scale, turn=turn, centre=(x, y))
        painted = [*(_corners(one) for one in self.beside), *(_grown(one, 0.6) for one in self.codes_mm)]
        _whiten(cut.pixels, cut.to_mm, painted)
        return cut.pixels


def _read_print(label: _Label, codes: Sequence[StickerCode], settings: StickerReading) -> tuple[str, ...]:
    """The numbers that Tesseract reads on a label.

    It reads again, smaller and larger, where they are almost what the code says: what Tesseract takes for another digit at one size it
    reads rightly at another, but hardly ever another digit for the code's: so what is found in the code at any size stands, and where
    nothing ever is, the first reading.
    """
    seen = label.print_at(settings.pixels_per_mm)
    remove_large(seen, settings)
    first = read_numbers(seen, settings=settings)
    if not any(_almost(one, code.text, settings) for one in first for code in codes):
        return first
    for scale in settings.again_pixels_per_mm_of_print:
        factor = scale / settings.pixels_per_mm
        other = cv2.resize(seen, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)
        again = read_numbers(np.asarray(other, np.uint8), settings=settings)
        confirmed = tuple(one for one in again if any(one in code.text for code in codes))
        if confirmed:
            return confirmed
    return first


def _confirmed(label: _Label, codes: Sequence[StickerCode], settings: StickerReading) -> tuple[str, ...]:
    """The number that the codes hold if it is surely what is printed, and nothing else on the label may be a number; else none."""
    held = {number for code in codes for number in re.findall("[0-9]+", code.text) if len(number) >= settings.least_digits}
    if len(held) != 1:
        return ()
    (number,), scale = held, PRINTED_DIGITS.pixels_per_mm
    return (number,) if is_only_number(label.print_at(scale), number, scale, least_digits=settings.least_digits) else ()


def _almost(printed: str, text: str, settings: StickerReading) -> bool:
    """Whether a code's text holds a number that differs from a printed one in a few digits, and in nothing else."""
    numbers = [one for one in re.findall("[0-9]+", text) if len(one) == len(printed)]
    return any(0 < sum(a != b for a, b in zip(one, printed, strict=True)) <= settings.most_misread_digits for one in numbers)


def _as_stored(pixels: Pixels, matrix: Matrix, frame: tuple[float, float, float, float]) -> Picture | None:
    """The part of the page around a rectangle, as it is: no pixel is blurred by turning it. None where it lies outside of the page."""
    left, top, right, bottom = frame
    corners = project(matrix, [(left, top), (right, top), (right, bottom), (left, bottom)])
    first, last = np.floor(corners.min(axis=0)), np.ceil(corners.max(axis=0)) + 1
    (x0, y0), (x1, y1) = np.maximum(first, 0).astype(int).tolist(), np.maximum(last, 0).astype(int).tolist()
    window = pixels[y0:y1, x0:x1]
    if window.size == 0:
        return None
    shift = np.array([[1, 0, x0], [0, 1, y0], [0, 0, 1]], dtype=np.float64)
    return Picture(np.ascontiguousarray(window), np.linalg.inv(matrix) @ shift)


def cut_out(
    pixels: Pixels,
    matrix: Matrix,
    frame: tuple[float, float, float, float],
    scale: float,
    *,
    turn: float = 0.0,
    centre: tuple[float, float] = (0.0, 0.0),
) -> Picture:
    """A rectangle cut out at a scale; turned by `turn` (radians) around `centre`, from which `frame` is counted then."""
    left, top, right, bottom = frame
    cos, sin = np.cos(turn), np.sin(turn)
    # the centre of the first pixel lies half a pixel inside of the picture
    scaled = np.array([[1 / scale, 0, left + 0.5 / scale], [0, 1 / scale, top + 0.5 / scale], [0, 0, 1]])
    to_mm = np.array([[cos, -sin, centre[0]], [sin, cos, centre[1]], [0, 0, 1]]) @ scaled
    size = (max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale)))
    own = local_scale(matrix, *project(to_mm, [(size[0] / 2, size[1] / 2)])[0])
    around = _as_stored(pixels, matrix @ to_mm, (0.0, 0.0, float(size[0]), float(size[1])))
    if around is None:
        return Picture(np.full(size[::-1], _PAPER, np.uint8), to_mm)
    pixels = around.pixels
    if own > 1.5 * scale:  # finer than wanted: without a blur, thin lines would fall between the pixels that are taken
        pixels = cv2.GaussianBlur(pixels, (0, 0), 0.4 * own / scale).astype(np.uint8, copy=False)
    seen = cv2.warpPerspective(
        pixels,
        np.linalg.inv(around.to_mm),
        size,
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(float(_PAPER),),
    )
    return Picture(np.asarray(seen, dtype=np.uint8), to_mm)


def _attempts(upright: Picture, settings: StickerReading) -> Iterator[Picture]:
    """The picture as it is, smoothed, and without thin lines of light or dark across it, as creases and streaks are."""
    yield upright
    yield Picture(cv2.GaussianBlur(upright.pixels, (0, 0), settings.smoothing_px).astype(np.uint8, copy=False), upright.to_mm)
    kernel = np.ones((3, 3), np.uint8)
    for operation in (cv2.MORPH_CLOSE, cv2.MORPH_OPEN):
        yield Picture(cv2.morphologyEx(upright.pixels, operation, kernel).astype(np.uint8, copy=False), upright.to_mm)


def _symbols(picture: Picture, beside: Sequence[Region]) -> list[_Symbol]:
    """Codes on a picture, those of the form itself left out."""
    found = zxingcpp.read_barcodes(
        picture.pixels,
        zxingcpp.BarcodeFormats(_FORMATS),  # made anew: one that outlives the interpreter is reported as a leak
        try_rotate=True,
        try_downscale=True,
        try_invert=False,
        text_mode=zxingcpp.TextMode.Plain,
    )
    symbols = []
    for one in found:
        place = one.position
        corners = [(at.x, at.y) for at in (place.top_left, place.top_right, place.bottom_right, place.bottom_left)]
        corners_mm = project(picture.to_mm, corners)
        if one.text and not any(_holds(region, corners_mm.mean(axis=0)) for region in beside):
            symbols.append(_Symbol(StickerCode(one.text, _NAMES[one.format]), corners_mm))
    return symbols


def _holds(region: Region, point: Matrix) -> bool:
    x, y = point - (region.x_mm, region.y_mm)
    return bool(0 <= x <= region.width_mm and 0 <= y <= region.height_mm)


def _unread_code(upright: Picture, beside: Sequence[Region], settings: StickerReading) -> Matrix | None:
    """Corners in mm of what is as dark as only a code is, None where nothing is.

    It is taken to stand no more than 45 degrees askew, since a smudge does not tell its top.
    """
    densest, (x, y), dark = _densest(upright, beside, settings.pixels_per_mm, settings)
    if densest < settings.least_dense:
        return None
    side = round(settings.dense_mm * settings.pixels_per_mm)
    gap = round(settings.pixels_per_mm)  # larger than the gaps within a code, smaller than its distance from print
    joined = cv2.morphologyEx(dark, cv2.MORPH_CLOSE, np.ones((gap, gap), np.uint8))
    _, names = cv2.connectedComponents(joined, connectivity=8)
    near = names[max(0, y - side // 2) : y + side // 2, max(0, x - side // 2) : x + side // 2]
    counts = np.bincount(near.ravel())
    counts[0] = 0
    across, down = np.nonzero(names == int(counts.argmax()))[::-1]
    box = cv2.boxPoints(cv2.minAreaRect(np.column_stack([across, down]).astype(np.float32)))  # clockwise
    start = next((k for k in range(4) if _leads_right(box[(k + 1) % 4] - box[k])), 0)
    return project(upright.to_mm, np.roll(box, -start, axis=0))


def _densest(
    picture: Picture, beside: Sequence[Region], pixels_per_mm: float, settings: StickerReading
) -> tuple[float, tuple[int, int], Pixels]:
    """The greatest share of a window that is dark, that window's middle, and what is dark as 1; the form's own codes left out."""
    seen = picture.pixels.copy()
    _whiten(seen, picture.to_mm, [_corners(one) for one in beside])
    dark = dark_of(seen)
    side = max(1, round(settings.dense_mm * pixels_per_mm))
    _, densest, _, (x, y) = cv2.minMaxLoc(cv2.blur(dark * np.uint8(255), (side, side)))
    return densest / 255, (int(x), int(y)), dark


def _leads_right(edge: NDArray[np.float32]) -> bool:
    return bool(edge[0] > 0 and -edge[0] <= edge[1] < edge[0])


def _corners(region: Region) -> Matrix:
    left, top, right, bottom = region.edges
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def _whiten(pixels: Pixels, to_mm: Matrix, areas_mm: Sequence[Matrix]) -> None:
    from_mm = np.linalg.inv(to_mm).astype(np.float64)
    for area in areas_mm:
        cv2.fillConvexPoly(pixels, np.rint(project(from_mm, area)).astype(np.int32), (float(_PAPER),))


def remove_large(pixels: Pixels, settings: StickerReading) -> None:
    """Paint over what is larger than print: bars of a linear code, edges of the label, lines of the form."""
    count, names, stats, _ = cv2.connectedComponentsWithStats(dark_of(pixels), connectivity=8)
    large = stats[:, (cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT)].max(axis=1) > settings.largest_print_mm * settings.pixels_per_mm
    large[0] = False
    if count > 1 and large.any():
        hidden = cv2.dilate(large[names].astype(np.uint8), np.ones((5, 5), np.uint8))
        pixels[hidden > 0] = _PAPER


def _grown(corners_mm: Matrix, by_mm: float) -> Matrix:
    """The same four corners, each moved outwards by this much."""
    out = corners_mm - corners_mm.mean(axis=0)
    grown: Matrix = corners_mm + by_mm * out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-6)
    return grown


def read_numbers(pixels: Pixels, *, settings: StickerReading = STICKER) -> tuple[str, ...]:
    """Numbers printed on a picture, each once, from top to bottom.

    Parameters
    ----------
    pixels : (H, W) uint8 array
        Upright.
    settings : StickerReading

    Returns
    -------
    tuple of str
        Digits only. Empty where Tesseract is not installed, fails, or takes too long.
    """
    import pytesseract  # noqa: PLC0415 - it loads pandas, which takes as long as ten pages

    os.environ.setdefault(
        "OMP_THREAD_LIMIT", "1"
    )  # workers fill the cores; Tesseract's threads would only wait for each other
    try:
        words = pytesseract.image_to_data(
            pixels,
            config="--psm 11 -c tessedit_char_whitelist=0123456789",
            timeout=settings.timeout_s,
            output_type=pytesseract.Output.DICT,
        )
    except (pytesseract.TesseractError, pytesseract.TesseractNotFoundError, RuntimeError, OSError):
        return ()
    read = [
        text
        for text, confidence in zip(words["text"], words["conf"], strict=True)
        if float(confidence) >= settings.least_confidence
        and re.fullmatch("[0-9]+", text)
        and len(text) >= settings.least_digits
    ]
    return tuple(dict.fromkeys(read))
