"""Reads words on a page: the name on a booklet, and the version that a form prints.

A name is printed or in clear block letters; what is read of a signature is worth nothing. A name is never enough to tell whose booklet it
is, so nobody relies on that: it ranks students for a person, and speaks beside others. A printed version is relied on, so it is read
twice, at two sizes: what does not come out alike was not read.
"""

from __future__ import annotations

import os

import cv2
import numpy as np
from numpy.typing import NDArray

from scangrade.model import Region
from scangrade.paper.sticker import cut_out, remove_large
from scangrade.settings import STICKER, StickerReading


def read_name(
    pixels: NDArray[np.uint8], matrix: NDArray[np.float64], region: Region, *, settings: StickerReading = STICKER
) -> str:
    """Read the name in a region of a page.

    Parameters
    ----------
    pixels : (H, W) uint8 array
        Grey page.
    matrix : (3, 3) float array
        From layout millimetres to its pixels.
    region : Region
    settings : StickerReading

    Returns
    -------
    str
        Words of letters in one line, what is printed there beside the name among them; "" where Tesseract is not installed, fails, takes
        too long, or finds no word.
    """
    seen = cut_out(pixels, matrix, region.edges, settings.pixels_per_mm).pixels
    if int(seen.max()) - int(seen.min()) < settings.least_contrast:
        return ""
    remove_large(seen, settings)
    words = _words(seen, settings.least_confidence_of_name, settings)
    return " ".join(word for text in words if len(word := _letters(text)) > 1)


def read_print(
    pixels: NDArray[np.uint8], matrix: NDArray[np.float64], region: Region, *, settings: StickerReading = STICKER
) -> str:
    """Read what is printed in a region of a page.

    Parameters
    ----------
    pixels : (H, W) uint8 array
        Grey page.
    matrix : (3, 3) float array
        From layout millimetres to its pixels.
    region : Region
    settings : StickerReading

    Returns
    -------
    str
        Words in one line, of those that both readings give alike; "" where there are none.
    """
    readings = []
    for scale in (settings.pixels_per_mm, settings.again_pixels_per_mm):
        seen = cut_out(pixels, matrix, region.edges, scale).pixels
        if int(seen.max()) - int(seen.min()) < settings.least_contrast:
            return ""
        rim = round(2 * scale)  # letters at an edge are lost
        framed = cv2.copyMakeBorder(seen, rim, rim, rim, rim, cv2.BORDER_CONSTANT, value=[255])
        words = _words(np.asarray(framed, np.uint8), settings.least_confidence_of_print, settings)
        readings.append([one for one in words if any(letter.isalnum() for letter in one)])
    first, second = readings
    return " ".join(first) if first == second else ""


def _words(seen: NDArray[np.uint8], least_confidence: float, settings: StickerReading) -> list[str]:
    """What Tesseract reads with at least this confidence (0 to 100); nothing where it is not installed, fails, or takes too long."""
    import pytesseract  # noqa: PLC0415 - it loads pandas, which takes as long as ten pages

    # several are read at a time, and Tesseract's threads would wait for each other
    os.environ.setdefault("OMP_THREAD_LIMIT", "1")
    try:
        words = pytesseract.image_to_data(
            seen, config="--psm 6", timeout=settings.timeout_s, output_type=pytesseract.Output.DICT
        )
    except (pytesseract.TesseractError, pytesseract.TesseractNotFoundError, RuntimeError, OSError):
        return []
    return [
        str(text)
        for text, confidence in zip(words["text"], words["conf"], strict=True)
        if float(confidence) >= least_confidence
    ]


def _letters(text: str) -> str:
    """A word without what is no part of a name at its ends."""
    return (
        text.strip().strip("|_.,;:!'\"()[]{}-=~\u2018\u2019\u201c\u201d\u00ab\u00bb\u2014").strip()
        if any(one.isalpha() for one in text)
        else ""
    )
