"""Reads which page a page is from the code printed on it.

Only the window where the layout puts the code is searched: that is a hundred times cheaper than searching the page, and codes that
students or publishers have on their paper elsewhere stay out of it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import zxingcpp
from numpy.typing import NDArray

from scangrade.model import PageCode
from scangrade.settings import PAGE_CODE_READING, PageCodeReading

_SQUARE = (zxingcpp.BarcodeFormat.DataMatrix, zxingcpp.BarcodeFormat.QRCode)
_FORMATS = (*_SQUARE, zxingcpp.BarcodeFormat.Code128)
_PLACEHOLDER = re.compile(r"\{(exam|copy|page)\}")


@dataclass(frozen=True, slots=True)
class PageIdentity:
    """What a page code says, as far as its content has a place for it."""

    exam: str
    copy: str
    page: int  #: from 1


def read_barcode(
    pixels: NDArray[np.uint8],
    *,
    box: tuple[int, int, int, int],
    hard: bool = True,
    settings: PageCodeReading = PAGE_CODE_READING,
) -> tuple[str, ...]:
    """Read the DataMatrix, QR and Code 128 symbols in a window of a page, in any of the four turns.

    Parameters
    ----------
    pixels : (H, W) uint8 array
        Grey page.
    box : (x0, y0, x1, y1)
        The window in pixels, clipped to the page; x1 and y1 are outside.
    hard : bool
        Whether to look for every symbol at once, and to try further where a quick look reads none: it costs fifty times as much. If not,
        Code 128 is looked for only where there is neither DataMatrix nor QR, which takes half the time.
    settings : PageCodeReading
        What is tried then.

    Returns
    -------
    tuple of str
        The texts, each once, in reading order; empty where nothing can be read.

    """
    x0, y0, x1, y1 = box
    window = pixels[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)]
    if window.size == 0 or int(window.max()) - int(window.min()) < settings.least_contrast:
        return ()
    window = np.ascontiguousarray(window)
    attempts = _attempts(window, settings) if hard else ((window, formats, False) for formats in (_SQUARE, _FORMATS))
    return next((texts for one in attempts if (texts := _texts(*one))), ())


def _texts(picture: NDArray[np.uint8], formats: tuple[zxingcpp.BarcodeFormat, ...], thoroughly: bool) -> tuple[str, ...]:
    found = zxingcpp.read_barcodes(
        picture,
        zxingcpp.BarcodeFormats(formats),  # made anew: one that outlives the interpreter is reported as a leak
        try_rotate=thoroughly,
        try_downscale=thoroughly,
        try_invert=False,
        text_mode=zxingcpp.TextMode.Plain,
    )
    return tuple(dict.fromkeys(one.text for one in found if one.text))


def _attempts(
    window: NDArray[np.uint8], settings: PageCodeReading
) -> Iterator[tuple[NDArray[np.uint8], tuple[zxingcpp.BarcodeFormat, ...], bool]]:
    """The window as it is, then enlarged, then enlarged and smoothed; each with what to look for and whether thoroughly."""
    yield window, _FORMATS, False
    yield window, _FORMATS, True
    enlarged = [
        cv2.resize(window, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC).astype(np.uint8, copy=False)
        for scale in settings.enlargements
    ]
    for picture in enlarged:
        yield picture, _FORMATS, True
    for picture, scale in zip(enlarged, settings.enlargements, strict=True):
        yield cv2.GaussianBlur(picture, (0, 0), scale * settings.smoothing_px).astype(np.uint8, copy=False), _FORMATS, True


def match_content(text: str, code: PageCode, *, pages: int) -> PageIdentity | None:
    """What a code's text says according to the layout; None where it is not a code of this layout.

    A text that cannot be read at all never gets here, so None means a page of another exam, or a code that is none of ours.

    Parameters
    ----------
    text : str
        As read.
    code : PageCode
        Its `content` is literal text with ``{exam}``, ``{copy}`` and ``{page}``; without ``{page}`` every page is page 1.
    pages : int
        Pages of a booklet: a higher page number is not of this layout.

    Examples
    --------
    >>> from scangrade.model import PageCodeKind
    >>> code = PageCode(PageCodeKind.BARCODE, content="{exam}/{copy}/{page}", exam="algebra")
    >>> match_content("algebra/0042/3", code, pages=4)
    PageIdentity(exam='algebra', copy='0042', page=3)
    >>> match_content("analysis/0042/3", code, pages=4) is None
    True

    """
    match = _pattern(code.content, code.exam).fullmatch(text)
    if match is None:
        return None
    said = match.groupdict()
    page = int(said.get("page") or 1)
    if not 1 <= page <= pages:
        return None
    return PageIdentity(said.get("exam") or code.exam, said.get("copy") or "", page)


@functools.lru_cache(maxsize=64)
def _pattern(content: str, exam: str) -> re.Pattern[str]:
    groups = {"exam": re.escape(exam) if exam else ".+?", "copy": ".+?", "page": "[0-9]{1,4}"}
    seen: set[str] = set()
    parts: list[str] = []
    end = 0
    for place in _PLACEHOLDER.finditer(content):
        name = place[1]
        parts.append(re.escape(content[end : place.start()]))
        parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>{groups[name]})")
        seen.add(name)
        end = place.end()
    parts.append(re.escape(content[end:]))
    return re.compile("".join(parts), re.DOTALL)
