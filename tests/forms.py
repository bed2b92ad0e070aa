"""Small forms and page images that several test modules build their input from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from scangrade.authoring.person import CROSSERS, FILLERS, Persona
from scangrade.authoring.scanner import Scanner
from scangrade.authoring.simulate import PrintedForm, print_form, simulate_booklet
from scangrade.authoring.truth import BookletTruth
from scangrade.model import (
    Box,
    Convention,
    Fiducial,
    FiducialKind,
    Field,
    FieldKind,
    Layout,
    LayoutPage,
    PageCode,
    PageCodeKind,
    Region,
)
from scangrade.paper.rasterise import PageImage

CORNERS = ((12.0, 12.0), (198.0, 12.0), (12.0, 285.0), (198.0, 285.0))


def fiducials(kind: FiducialKind = FiducialKind.CIRCLE, *, size_mm: float = 5.0) -> tuple[Fiducial, ...]:
    turns = {(12.0, 12.0): 0, (198.0, 12.0): 90, (198.0, 285.0): 180, (12.0, 285.0): 270}
    line = {FiducialKind.RING: 0.8, FiducialKind.PLUS: 0.5, FiducialKind.CORNER: 1.0}.get(kind, 0.0)
    return tuple(Fiducial(kind, x, y, size_mm, line, turns[x, y] if kind is FiducialKind.CORNER else 0) for x, y in CORNERS)


def choice(field: str, page: int, *, x: float, y: float, options: str = "ABCD", printed: bool = False) -> Field:
    boxes = tuple(
        Box(field, value, page, x + 9 * k, y, 4.0, 4.0, 0.3, printed=value if printed else "")
        for k, value in enumerate(options)
    )
    return Field(field, FieldKind.CHOICE, page, boxes, question=field, many=True)


def form(
    *,
    convention: Convention = Convention.ANY,
    pages: int = 1,
    kind: FiducialKind = FiducialKind.CIRCLE,
    questions: int = 12,
    content: str = "",
    printed: bool = False,
) -> Layout:
    """A form with a column of questions on every page; pages differ in where the column stands."""
    fields = tuple(
        choice(f"{page}.{q}", page, x=30 + 25 * page, y=50 + 14 * q, printed=printed)
        for page in range(1, pages + 1)
        for q in range(1, questions + 1)
    )
    code = PageCode(PageCodeKind.BARCODE, Region(0, 90, 8, 30, 20), content, "test") if content else None
    return Layout(
        "test",
        "Test form",
        convention,
        tuple(LayoutPage(number, 210.0, 297.0, fiducials(kind)) for number in range(1, pages + 1)),
        fields,
        code,
    )


def scan(
    layout: Layout,
    answers: Mapping[str, frozenset[str]],
    scanner: Scanner,
    *,
    seed: int = 1,
    persona: Persona | None = None,
    copy: str = "0001",
    printed: PrintedForm | None = None,
) -> tuple[list[PageImage], BookletTruth]:
    """Images of a filled and scanned booklet, with the truth."""
    neat = CROSSERS[0] if layout.convention is Convention.CROSS else FILLERS[0]
    who = persona or replace(neat, mistakes=0.0, specks=0.0)
    images, truth = simulate_booklet(
        layout, answers, who, scanner, np.random.default_rng(seed), copy, form=printed or print_form(layout, dpi=200)
    )
    pages = [PageImage(image.pixels(), image.dpi, f"{seed}-{k}") for k, image in enumerate(images)]
    return pages, truth
