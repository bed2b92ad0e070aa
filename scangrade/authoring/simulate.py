"""One booklet from answers to page images: the form, a person, a scanner, and the truth about all three."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import cv2
import numpy as np

from scangrade.authoring.form import Look, code_rectangles, rasterise_blank
from scangrade.authoring.ink import Picture, paint
from scangrade.authoring.mishaps import Mishap, befall
from scangrade.authoring.person import GRADER, Filling, Persona, Style, fill_booklet
from scangrade.authoring.scanner import Mode, ScannedImage, Scanner, scan_page
from scangrade.authoring.truth import BookletTruth, BoxTruth, PageTruth
from scangrade.geometry import MM_PER_INCH
from scangrade.model import Box, FieldKind, Layout, Verdict

#: Resolution at which paper is simulated, unless the scanner sees more.
PAPER_DPI = 300

#: Kind of an empty box under a line that dirt on the glass draws; a suffix of other kinds.
STREAK = "streak"


@dataclass(frozen=True, slots=True, eq=False)
class PrintedForm:
    """The pages of a form as pictures, without page codes; made once and used for every booklet."""

    layout: Layout
    pages: tuple[Picture, ...]  #: gray, or RGB where the form has a dropout colour
    dpi: int

    def page(self, number: int, copy: str = "") -> Picture:
        """A fresh page of a booklet, with its page code."""
        picture = self.pages[number - 1].copy()
        rects = code_rectangles(self.layout, number, copy)
        if not rects:
            return picture
        # edges fall between pixels: each pixel gets as much ink as the code covers of it
        edges = np.array([(rect.left, rect.top, rect.right, rect.bottom) for rect in rects]) * self.dpi / MM_PER_INCH
        left, top = np.floor(edges[:, :2].min(axis=0)).astype(int)
        right, bottom = np.ceil(edges[:, 2:].max(axis=0)).astype(int)
        across, down = np.arange(left, right), np.arange(top, bottom)
        cover = np.zeros((bottom - top, right - left))
        for x0, y0, x1, y1 in edges:
            share_x = np.clip(np.minimum(across + 1, x1) - np.maximum(across, x0), 0, 1)
            share_y = np.clip(np.minimum(down + 1, y1) - np.maximum(down, y0), 0, 1)
            cover += np.outer(share_y, share_x)
        paper = 1 - np.clip(cover, 0, 1)
        window = picture[top:bottom, left:right]
        window[:] = np.rint(window * (paper if picture.ndim == 2 else paper[:, :, None])).astype(np.uint8)
        return picture


def print_form(
    layout: Layout,
    *,
    dpi: int = PAPER_DPI,
    seed: int = 0,
    points: Mapping[str, Fraction] | None = None,
    look: Look | None = None,
) -> PrintedForm:
    """Print a layout's form, once for all booklets. Takes about 0.2 s a page at 300 dpi."""
    return PrintedForm(layout, rasterise_blank(layout, dpi=dpi, seed=seed, points=points, look=look or Look()), dpi)


def simulate_booklet(
    layout: Layout,
    answers: Mapping[str, frozenset[str]],
    persona: Persona,
    scanner: Scanner,
    rng: np.random.Generator,
    copy: str = "",
    *,
    form: PrintedForm | None = None,
    grader: Persona = GRADER,
    texts: Mapping[str, str] | None = None,
    stickers: Mapping[str, str] | None = None,
    styles: Mapping[str, Style] | None = None,
    student_number: str = "",
    skip: Collection[int] = (),
    pages: Collection[int] | None = None,
    mishaps: Mapping[Mishap, float] | None = None,
) -> tuple[tuple[ScannedImage, ...], BookletTruth]:
    """Print, fill and scan one booklet.

    Parameters
    ----------
    layout, answers, persona, grader, texts, stickers, styles
        As for `person.fill_booklet`.
    scanner : Scanner
    rng : Generator
    copy : str
        Number of the booklet, for its page codes.
    form : PrintedForm, optional
        The printed form, where many booklets of one layout are made; printed anew without it.
    student_number : str
        Whose booklet it is, for the truth.
    skip : collection of int
        Pages that get lost before they are scanned.
    pages : collection of int, optional
        The only pages that are made at all, where the others are not wanted: printed, filled, and scanned unless lost.
    mishaps : mapping of Mishap to float, optional
        What else happens, and how likely: see `mishaps.befall`.

    Returns
    -------
    tuple of ScannedImage
        In page order.
    BookletTruth
        Its pages know no scan file yet; see `placed`.
    """
    if form is None:
        form = print_form(layout, dpi=max(PAPER_DPI, scanner.dpi))
    filling = fill_booklet(
        layout, answers, persona, rng, grader=grader, texts=texts, stickers=stickers, styles=styles, pages=pages
    )
    if mishaps:
        filling = befall(filling, layout, persona, mishaps, rng, pages=pages)
    truths = {f"{one.field}/{one.box}": one for one in filling.boxes}
    images, places = [], []
    back: Picture | None = None
    for page in layout.pages:
        if pages is not None and page.number not in pages:
            back = None
            continue
        picture = _filled_page(form, filling, page.number, copy, scanner, rng)
        if page.number not in skip:
            shining = back if back is not None and back.shape[:2] == picture.shape[:2] else None
            image = scan_page(picture, scanner, rng, page_dpi=form.dpi, back=shining)
            images.append(image)
            truths |= _under_streaks(layout.boxes(page.number), truths, image, scanner)
            places.append(PageTruth("", 0, page.number, image.rotation, image.dpi, image.transform))
        back = picture
    version = "".join(
        value for one in layout.fields if one.kind is FieldKind.VERSION for value in sorted(answers.get(one.id, frozenset()))
    )
    return tuple(images), BookletTruth(copy, student_number, version, persona.name, tuple(places), tuple(truths.values()))


def placed(booklet: BookletTruth, scan: str, places: Sequence[int]) -> BookletTruth:
    """The truth with the file and the scan pages (from 1) at which the booklet's pages were written."""
    pages = tuple(
        PageTruth(scan, place, one.page, one.rotation, one.dpi, one.transform)
        for one, place in zip(booklet.pages, places, strict=True)
    )
    return BookletTruth(booklet.copy, booklet.student_number, booklet.version, booklet.persona, pages, booklet.boxes)


def _under_streaks(
    boxes: Sequence[Box], truths: Mapping[str, BoxTruth], image: ScannedImage, scanner: Scanner
) -> dict[str, BoxTruth]:
    """The boxes through which dirt on the scanner's glass draws a line. It changes nothing of what they are."""
    if not scanner.glass or not boxes:
        return {}
    corners = np.array([(box.x_mm + side * box.width_mm / 2, box.y_mm) for box in boxes for side in (-1, 1)])
    across = image.across_mm(corners).reshape(-1, 2)
    low, high = across.min(axis=1), across.max(axis=1)
    changed = {}
    for streak in scanner.glass:
        for index in np.flatnonzero((low < streak.at_mm) & (high > streak.at_mm)).tolist():
            key = boxes[index].key
            kind = truths[key].kind
            if truths[key].verdict is Verdict.EMPTY and kind == "":
                changed[key] = replace(truths[key], kind=STREAK)
            elif key not in changed:
                changed[key] = replace(truths[key], kind=f"{kind}+{STREAK}")
    return changed


def _filled_page(
    form: PrintedForm, filling: Filling, number: int, copy: str, scanner: Scanner, rng: np.random.Generator
) -> Picture:
    picture = form.page(number, copy)
    if scanner.mode is Mode.COLOUR and picture.ndim == 2:
        picture = np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB), dtype=np.uint8)
    paint(picture, [mark for mark in filling.marks if mark.page == number], dpi=form.dpi, rng=rng)
    return picture
