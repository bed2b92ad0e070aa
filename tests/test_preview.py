"""Pictures of a layout: what is drawn sits where the layout says, over the form and over a scan."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from scangrade.authoring.form import draw_blank
from scangrade.authoring.preview import DPI, draw, preview
from scangrade.authoring.samples import make_demo
from scangrade.definitions.layout import load_layout
from scangrade.errors import DefinitionError, UsageError
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
    Shape,
)
from tests.fake_reader import write_exam

PX = DPI / 25.4


def box(field: str, x: float, y: float, shape: Shape = Shape.SQUARE) -> Box:
    return Box(field, "A", 1, x, y, 10, 10, 0.3, shape)


MARKS = tuple(
    Fiducial(kind, 20.0 + 20 * index, 20.0, 8.0, 1.0, turn)
    for index, (kind, turn) in enumerate([*((kind, 0) for kind in FiducialKind), (FiducialKind.CORNER, 90)])
)
LAYOUT = Layout(
    "all",
    "Of everything one",
    Convention.ANY,
    (LayoutPage(1, 210, 297, MARKS),),
    (
        Field("q", FieldKind.CHOICE, 1, (box("q", 50, 100),)),
        Field("n.1", FieldKind.DIGIT, 1, (box("n.1", 100, 100, Shape.CIRCLE),), group="n", place=1),
        Field("s", FieldKind.STICKER, 1, region=Region(1, 50, 150, 40, 20)),
    ),
    PageCode(PageCodeKind.BITS, region=Region(0, 150, 150, 20, 20), bits=(box("bit", 150, 100),)),
)


def coloured(picture: NDArray[np.uint8], x_mm: float, y_mm: float) -> bool:
    """Whether something coloured was drawn within 0.3 mm of a place."""
    x, y = round(x_mm * PX), round(y_mm * PX)
    around = picture[y - 2 : y + 3, x - 2 : x + 3].astype(int)
    return bool((around.max(axis=2) - around.min(axis=2)).max() > 60)


def test_everything_sits_where_the_layout_says() -> None:
    white = np.full((1754, 1240), 255, dtype=np.uint8)
    picture = draw(LAYOUT, 1, white)
    assert picture.shape == (1754, 1240, 3)
    edges = [(x + across, 100 + down) for x in (50, 100, 150) for across, down in ((5, 0), (-5, 0), (0, 5), (0, -5))]
    regions = [(50, 160), (90, 160), (70, 150), (70, 170), (150, 160), (170, 160)]
    assert all(coloured(picture, x, y) for x, y in [*edges, *regions])
    assert not any(coloured(picture, x, 100) for x in (50, 100, 150))  # what a box holds stays visible
    assert all(coloured(picture, mark.x_mm, mark.y_mm) for mark in MARKS)
    outlines = {FiducialKind.SQUARE: (4, 2), FiducialKind.CIRCLE: (2.83, 2.83), FiducialKind.RING: (2.83, 2.83)}
    assert all(coloured(picture, mark.x_mm + outlines[mark.kind][0], 20 + outlines[mark.kind][1]) for mark in MARKS[:3])


def test_over_a_blank_form(tmp_path: Path) -> None:
    layout = write_exam(tmp_path)["layout"]
    form, _ = load_layout(layout)
    assert form is not None
    drawn = preview(layout, output=tmp_path / "drawn.png")
    (tmp_path / "blank.pdf").write_bytes(draw_blank(form))
    layout.write_text(layout.read_text().replace("pages = 2\n", 'pages = 2\nreference = "blank.pdf"\n', 1))
    given = preview(layout, output=tmp_path / "given.png", page=1)
    assert [path.name for path in (*drawn.pictures, *given.pictures)] == ["drawn-1.png", "drawn-2.png", "given.png"]
    first, second, again = (blurred(path) for path in (*drawn.pictures, *given.pictures))
    assert alike(first, again) > 0.95  # rendered otherwise, but the same form
    assert alike(second, again) < 0.8


def blurred(path: Path) -> NDArray[np.float64]:
    picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    return cv2.blur(picture, (5, 5)).astype(np.float64)


def alike(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def test_over_a_scan_marks_are_inside_their_boxes(tmp_path: Path) -> None:
    demo = make_demo(tmp_path)
    form, _ = load_layout(demo.layout)
    assert form is not None
    made = preview(demo.layout, demo.scans[0], output=tmp_path / "page.png", page=1)
    assert (made.pictures, made.notes) == ((tmp_path / "page.png",), ())
    picture = cv2.imread(str(tmp_path / "page.png"), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    truth = json.loads(demo.truth.read_text())["booklets"][0]
    full = {(field, value) for field, value, page, verdict, kind in truth["boxes"] if kind == "full" and page == 1}
    inside: dict[bool, list[float]] = {True: [], False: []}
    for one in form.boxes(1):
        left, right = round((one.x_mm - 1.5) * PX), round((one.x_mm + 1.5) * PX)
        top, bottom = round((one.y_mm - 1.5) * PX), round((one.y_mm + 1.5) * PX)
        inside[(one.field, one.value) in full].append(float(picture[top:bottom, left:right].mean()))
    assert len(inside[True]) >= 8  # the student number
    assert max(inside[True]) < min(inside[False])


def test_what_cannot_be_drawn(tmp_path: Path) -> None:
    layout = write_exam(tmp_path)["layout"]
    cv2.imwrite(str(tmp_path / "white.png"), np.full((1754, 1240), 255, dtype=np.uint8))
    (tmp_path / "no.pdf").write_text("no scan")
    out = tmp_path / "out.png"
    for scan, page, words in (
        ("white.png", None, "page 1: blank"),
        ("white.png", 2, "it has 1 page only"),
        ("no.pdf", None, "This is not a PDF"),
        (None, 3, "the layout has 2 pages only"),
    ):
        with pytest.raises(UsageError, match=words):
            preview(layout, tmp_path / scan if scan else None, output=out, page=page)
    with pytest.raises(UsageError, match=r"ends in \.png"):
        preview(layout, output=tmp_path / "out.jpg")
    layout.write_text("format = 1\n")
    with pytest.raises(DefinitionError):
        preview(layout, output=out)
    assert not out.exists()
