"""Reads the name on a booklet, where it is printed or in clear block letters; what it reads of a signature is worth nothing.

A name is never enough to tell whose booklet it is, so nobody relies on this: it ranks students for a person, and speaks beside others.
"""

from __future__ import annotations

import os

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
    import pytesseract  # noqa: PLC0415 - it loads pandas, which takes as long as ten pages

    frame = (region.x_mm, region.y_mm, region.x_mm + region.width_mm, region.y_mm + region.height_mm)
    seen = cut_out(pixels, matrix, frame, settings.pixels_per_mm).pixels
    if int(seen.max()) - int(seen.min()) < settings.least_contrast:
        return ""
    remove_large(seen, settings)
    os.environ.setdefault(
        "OMP_THREAD_LIMIT", "1"
    )  # several are read at a time, and Tesseract's threads would wait for each other
    try:
        words = pytesseract.image_to_data(
            seen, config="--psm 6", timeout=settings.timeout_s, output_type=pytesseract.Output.DICT
        )
    except (pytesseract.TesseractError, pytesseract.TesseractNotFoundError, RuntimeError, OSError):
        return ""
    read = [
        word
        for text, confidence in zip(words["text"], words["conf"], strict=True)
        if float(confidence) >= settings.least_confidence_of_name and len(word := _letters(text)) > 1
    ]
    return " ".join(read)


def _letters(text: str) -> str:
    """A word without what is no part of a name at its ends."""
    return (
        text.strip().strip("|_.,;:!'\"()[]{}-=~\u2018\u2019\u201c\u201d\u00ab\u00bb\u2014").strip()
        if any(one.isalpha() for one in text)
        else ""
    )
