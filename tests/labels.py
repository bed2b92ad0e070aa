"""Labels as students paste them: white, with a code and a number printed in a typeface, askew, beside their place, creased."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from scangrade.authoring.form import barcode_modules
from scangrade.authoring.scanner import ScannedImage, Scanner, scan_page
from scangrade.authoring.simulate import PrintedForm, print_form
from scangrade.geometry import MM_PER_INCH
from scangrade.model import Field, FieldKind, Layout, Region
from tests import forms

PLACE = Region(1, 110.0, 70.0, 80.0, 40.0)


@dataclass(frozen=True)
class Label:
    """A label, and how it was pasted."""

    code: str  #: "" for none
    printed: str
    kind: str = "DataMatrix"
    turn_deg: float = 2.0
    right_mm: float = 0.0
    down_mm: float = 0.0
    creases: tuple[
        tuple[float, float, float], ...
    ] = ()  #: white lines: where across, as a share; slant in degrees; width in mm
    scribbled: bool = False  #: a pen went over the code
    width_mm: float = 62.0
    height_mm: float = 26.0
    module_mm: float = 0.5


def form(pages: int = 1, *, content: str = "", grid: Sequence[Field] = ()) -> Layout:
    """A form with questions at the left, and a place for a label at the right of its first page."""
    plain = forms.form(pages=pages, questions=8, content=content)
    sticker = Field("sticker", FieldKind.STICKER, 1, region=PLACE)
    return replace(plain, fields=(*plain.fields, sticker, *grid))


def draw(label: Label, dpi: int) -> NDArray[np.uint8]:
    """The label's picture, gray."""
    scale = dpi / MM_PER_INCH
    width, height = round(label.width_mm * scale), round(label.height_mm * scale)
    picture = Image.new("L", (width, height), 252)
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0, 0, width - 1, height - 1), outline=170)
    bar = label.kind == "Code128"
    text_at = (3.0, 17.0)
    if label.code:
        modules = barcode_modules(label.code, label.kind)
        rows, columns = modules.shape
        module = min(label.module_mm, (label.width_mm - 10) / columns if bar else (label.height_mm - 4) / rows)
        left, top = (5.0, 3.0) if bar else (3.0, (label.height_mm - module * rows) / 2)
        for row, column in np.argwhere(modules).tolist():
            x0, y0 = (left + column * module) * scale, (top + row * module) * scale
            x1, y1 = x0 + module * scale, y0 + (11.0 if bar else module) * scale
            pen.rectangle((round(x0), round(y0), round(x1) - 1, round(y1) - 1), fill=15)
        if label.scribbled:
            for share in np.linspace(0, 1, 7):
                ends = (left * scale, (top + share * module * rows) * scale)
                pen.line(
                    (*ends, (left + module * columns) * scale, (top + (1 - share) * module * rows) * scale), fill=30, width=6
                )
        text_at = (8.0, 16.0) if bar else (left + module * columns + 5, 10.0)
    pen.text((text_at[0] * scale, text_at[1] * scale), label.printed, fill=15, font=ImageFont.load_default(4.2 * scale))
    pen.text(
        (text_at[0] * scale, (text_at[1] - (0 if bar else 6)) * scale) if not bar else (40 * scale, 21 * scale),
        "Winter term",
        fill=15,
        font=ImageFont.load_default(2.6 * scale),
    )
    for across, slant, wide in label.creases:
        x, lean = across * width, np.tan(np.deg2rad(slant)) * height / 2
        pen.line((x - lean, 0, x + lean, height), fill=250, width=max(1, round(wide * scale)))
    return np.asarray(picture, dtype=np.uint8)


def paste(page: NDArray[np.uint8], label: Label, dpi: int, place: Region = PLACE) -> None:
    """Lay the label over a page's picture."""
    scale = dpi / MM_PER_INCH
    drawn = draw(label, dpi)
    turn = np.deg2rad(label.turn_deg)
    centre = (
        np.array([place.x_mm + place.width_mm / 2 + label.right_mm, place.y_mm + place.height_mm / 2 + label.down_mm]) * scale
    )
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    middle = np.array([drawn.shape[1] / 2, drawn.shape[0] / 2])
    matrix = np.column_stack([rotation, centre - rotation @ middle])
    size = (page.shape[1], page.shape[0])
    laid = cv2.warpAffine(drawn, matrix, size, flags=cv2.INTER_AREA)
    covers = cv2.warpAffine(np.full_like(drawn, 255), matrix, size, flags=cv2.INTER_NEAREST) > 127
    page[covers] = laid[covers] if page.ndim == 2 else laid[covers][:, None]


def scanned(
    label: Label | None, scanner: Scanner, rng: np.random.Generator, printed: PrintedForm, copy: str = "0017"
) -> ScannedImage:
    """The first page of a booklet, with a label, as scanned."""
    picture = printed.page(1, copy)
    if label is not None:
        paste(picture, label, printed.dpi)
    return scan_page(picture, scanner, rng, page_dpi=printed.dpi)


def printed_form(layout: Layout) -> PrintedForm:
    """The form as printed, at the resolution at which labels are drawn onto it."""
    return print_form(layout, dpi=300)
