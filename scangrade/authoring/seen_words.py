"""Words on a picture of a form, read by Tesseract: a scan has no text of its own, and labels name its questions."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scangrade.authoring.artwork import Artwork, Word
from scangrade.settings import DETECT, DetectSettings


def read_words(page: Artwork, *, settings: DetectSettings = DETECT) -> tuple[Word, ...]:
    """Read the words on a page's picture.

    Parameters
    ----------
    page : Artwork
        Its boxes, marks and codes are painted over first: Tesseract takes a box for a letter O, and loses the line beside it.
    settings : DetectSettings

    Returns
    -------
    tuple of Word
        In reading order, places in mm; empty where Tesseract is not installed, fails, or takes too long.
    """
    import pytesseract  # noqa: PLC0415 - it loads pandas, which takes longer than the rest of a page

    picture = page.picture.copy()
    scale = page.px_per_mm
    for one in (*page.outlines, *page.hollows, *page.solids):
        reach = one.frame + settings.line_mm
        _paint(picture, scale, one.x, one.y, one.width / 2 + reach, one.height / 2 + reach)
    for mark in page.marks:
        _paint(picture, scale, mark.x_mm, mark.y_mm, mark.size_mm, mark.size_mm)
    for code in page.codes:
        across, down = (code.right - code.left) / 2 + 1, (code.bottom - code.top) / 2 + 1
        _paint(picture, scale, (code.left + code.right) / 2, (code.top + code.bottom) / 2, across, down)
    os.environ.setdefault("OMP_THREAD_LIMIT", "1")
    try:
        found = pytesseract.image_to_data(
            picture,
            config=f"--psm 11 --dpi {round(scale * 25.4)}",
            timeout=settings.reading_timeout_s,
            output_type=pytesseract.Output.DICT,
        )
    except (pytesseract.TesseractError, pytesseract.TesseractNotFoundError, RuntimeError, OSError):
        return ()
    columns: Sequence[Sequence[float]] = [found[name] for name in ("left", "top", "width", "height", "conf")]
    return tuple(
        Word(text.strip(), left / scale, top / scale, (left + width) / scale, (top + height) / scale)
        for text, left, top, width, height, confidence in zip(found["text"], *columns, strict=True)
        if text.strip() and float(confidence) >= settings.least_word_confidence
    )


def _paint(picture: NDArray[np.uint8], scale: float, x: float, y: float, across: float, down: float) -> None:
    """White over a rectangle, by its middle and half its sides in mm."""
    rows = slice(max(0, round((y - down) * scale)), max(0, round((y + down) * scale)))
    columns = slice(max(0, round((x - across) * scale)), max(0, round((x + across) * scale)))
    picture[rows, columns] = 255
