"""Pages drawn, marked and measured for tests of what is decided from them: no scanner, no registration, the truth in the call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import cv2
import numpy as np

from scangrade.authoring.form import Look
from scangrade.authoring.ink import Mark, paint
from scangrade.authoring.person import BLACK, Persona, Style, draw_mark
from scangrade.authoring.simulate import PrintedForm, print_form
from scangrade.geometry import MM_PER_INCH, as_transform
from scangrade.model import (
    Box,
    Convention,
    Field,
    FieldKind,
    Layout,
    LayoutPage,
    PageRead,
    PageRef,
    ScannedPage,
)
from scangrade.paper.frames import find_frames, sampling
from scangrade.paper.measure import measure
from scangrade.paper.patches import page_ink
from scangrade.settings import FRAMES, MEASURE

DPI = 200
WRITER = Persona("writer", BLACK, Style.FULL, neatness=0.85)


def a_layout(
    convention: Convention = Convention.ANY,
    *,
    questions: int = 4,
    options: str = "ABCD",
    printed: bool = False,
    many: bool = True,
) -> Layout:
    """A page of questions, one below the other, each a row of boxes with their letters above or inside."""
    fields = tuple(
        Field(
            id=str(q),
            kind=FieldKind.CHOICE,
            page=1,
            question=str(q),
            many=many,
            boxes=tuple(
                Box(str(q), value, 1, 40 + 9 * k, 40 + 12 * q, 4, 4, 0.3, printed=value if printed else "")
                for k, value in enumerate(options)
            ),
        )
        for q in range(1, questions + 1)
    )
    return Layout("form", "Form", convention, (LayoutPage(1, 210, 297, ()),), fields)


@cache
def _printed(layout: Layout, look: Look) -> PrintedForm:
    return print_form(layout, dpi=DPI, look=look)


def a_page(
    layout: Layout,
    marks: Mapping[str, Style] = {},
    *,
    writer: Persona = WRITER,
    more: Sequence[Mark] = (),
    look: Look | None = None,
    read_as: Layout | None = None,
    sha: str = "a",
    seed: int = 0,
) -> ScannedPage:
    """A marked page as the reader measures it.

    Parameters
    ----------
    layout : Layout
        As printed; page 1 is drawn.
    marks : mapping of box key to Style
    writer : Persona
        Whose pen draws them.
    more : sequence of Mark
        What else is drawn, on top.
    look : Look, optional
    read_as : Layout, optional
        What the reader believes was printed, if that is something else.
    sha : str
        Stands for the page image's hash.
    seed : int
        Of the hand, and of the scan's noise.
    """
    rng = np.random.default_rng(seed)
    picture = _printed(layout, look or Look()).page(1)
    boxes = {box.key: box for box in layout.boxes(1)}
    paint(picture, [*(draw_mark(boxes[key], style, writer, rng) for key, style in marks.items()), *more], dpi=DPI, rng=rng)
    soft = cv2.GaussianBlur(picture, (0, 0), 0.6).astype(np.float32) + rng.normal(0, 2, picture.shape)
    gray = np.clip(np.rint(soft), 0, 255).astype(np.uint8)
    scale = DPI / MM_PER_INCH
    matrix = np.array([[scale, 0, -0.5], [0, scale, -0.5], [0, 0, 1.0]])
    known = (read_as or layout).boxes(1)
    ink = page_ink(gray, scale, least_contrast=FRAMES.least_contrast)
    frames = find_frames(ink, matrix, known, pixels_per_mm=sampling(scale, FRAMES), limits=FRAMES)
    page = layout.page(1)
    readings = measure(
        ink,
        matrix,
        known,
        frames,
        None,
        page_mm=(page.width_mm, page.height_mm),
        pixels_per_mm=scale,
        settings=MEASURE,
    )
    read = PageRead(sha, 1, "1", "code", 0, 0.05, DPI, as_transform(matrix), readings)
    return ScannedPage(PageRef("scan.pdf", 1, 0), read)
