from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import zxingcpp
from numpy.typing import NDArray
from pdf2image import convert_from_bytes

from scangrade.authoring.form import code_rectangles, draw_blank, draw_booklet, frame_rect, rasterise_blank
from scangrade.authoring.simulate import print_form
from scangrade.definitions.layout import load_layout
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

DPI = 300
PER_MM = DPI / 25.4


@pytest.fixture(scope="module")
def demo() -> Layout:
    layout, issues = load_layout(Path(str(resources.files("scangrade.authoring") / "demo" / "layout.toml")))
    assert layout is not None, issues
    return layout


def every_fiducial() -> Layout:
    fiducials = (
        Fiducial(FiducialKind.SQUARE, 15, 15, 5),
        Fiducial(FiducialKind.CIRCLE, 45, 15, 6),
        Fiducial(FiducialKind.RING, 75, 15, 6, 1.0),
        Fiducial(FiducialKind.PLUS, 15, 45, 5, 0.6),
        *(Fiducial(FiducialKind.CORNER, x, 50, 8, 1.0, turn) for x, turn in ((40, 0), (60, 90), (80, 180), (90, 270))),
    )
    box = Box("q", "A", 1, 20, 75, 4, 4, 0.3)
    bits = tuple(Box("", str(index), 0, 50 + 6 * index, 75, 4, 4, 0.3) for index in range(4))
    return Layout(
        "marks",
        "Marks",
        Convention.ANY,
        (LayoutPage(1, 105, 100, fiducials),),
        (Field("q", FieldKind.CHOICE, 1, (box, replace(box, value="B", x_mm=30, shape=Shape.CIRCLE))),),
        PageCode(PageCodeKind.BITS, bits=bits, patterns={1: "0110"}),
    )


def darkness(page: NDArray[np.uint8], left: float, top: float, right: float, bottom: float) -> float:
    """Share of black in a rectangle given in mm."""
    rows = slice(round(top * PER_MM), round(bottom * PER_MM))
    return float(1 - page[rows, round(left * PER_MM) : round(right * PER_MM)].mean() / 255)


def test_same_input_gives_the_same_bytes(demo: Layout) -> None:
    assert draw_booklet(demo, copy="0007", seed=3) == draw_booklet(demo, copy="0007", seed=3)
    assert draw_booklet(demo, copy="0007", seed=3) != draw_booklet(demo, copy="0007", seed=4)


def test_boxes_have_frames_and_a_clear_inside(demo: Layout) -> None:
    for number, page in enumerate(rasterise_blank(demo, dpi=DPI), start=1):
        for box in demo.boxes(number):
            if box.shape is Shape.CIRCLE or box.printed:
                continue
            half = box.width_mm / 2
            assert (
                darkness(page, box.x_mm - half + 0.1, box.y_mm - half + 0.1, box.x_mm + half - 0.1, box.y_mm + half - 0.1) == 0
            )
            rect = frame_rect(box)
            assert darkness(page, rect.left, rect.top, rect.right, rect.top + box.frame_mm) > 0.8
            assert darkness(page, rect.left, rect.top, rect.left + box.frame_mm, rect.bottom) > 0.8


def test_a_printed_value_is_inside_its_box_and_pale(demo: Layout) -> None:
    page = rasterise_blank(demo, dpi=DPI)[0]
    box = next(box for box in demo.boxes(1) if box.printed == "8")
    half = box.width_mm / 2
    assert 0.03 < darkness(page, box.x_mm - half, box.y_mm - half, box.x_mm + half, box.y_mm + half) < 0.2


def test_nothing_is_written_over_fiducials_boxes_and_codes(demo: Layout) -> None:
    with_text = convert_from_bytes(draw_booklet(demo, copy="1"), dpi=100, grayscale=True)
    other_text = convert_from_bytes(draw_booklet(demo, copy="1", seed=99), dpi=100, grayscale=True)
    assert demo.page_code is not None and demo.page_code.region is not None
    code = demo.page_code.region
    for number, (one, other) in enumerate(zip(with_text, other_text, strict=True), start=1):
        changed = np.asarray(one) != np.asarray(other)
        keep = [frame_rect(box) for box in demo.boxes(number)]
        rects = [(rect.left, rect.top, rect.right, rect.bottom) for rect in keep]
        rects += [(mark.x_mm - 4, mark.y_mm - 4, mark.x_mm + 4, mark.y_mm + 4) for mark in demo.page(number).fiducials]
        rects += [(code.x_mm, code.y_mm, code.x_mm + code.width_mm, code.y_mm + code.height_mm)]
        for left, top, right, bottom in np.array(rects) * 100 / 25.4:
            assert not changed[int(top) : int(bottom) + 1, int(left) : int(right) + 1].any()
        assert changed.any() or number == 1  # the front page of the demo is an answer sheet without sentences


def test_fiducials_lie_where_the_layout_says() -> None:
    layout = every_fiducial()
    page = rasterise_blank(layout, dpi=DPI)[0]
    assert darkness(page, 12.6, 12.6, 17.4, 17.4) > 0.99
    assert darkness(page, 43.5, 13.5, 46.5, 16.5) > 0.99
    assert darkness(page, 73.7, 13.7, 76.3, 16.3) == 0  # the ring's inside
    assert darkness(page, 72.1, 14.8, 72.9, 15.2) > 0.9
    assert darkness(page, 12.7, 44.8, 17.3, 45.2) > 0.9  # plus: across
    assert darkness(page, 14.8, 42.7, 15.2, 47.3) > 0.9  # plus: down
    for x, turn in ((40, 0), (60, 90), (80, 180), (90, 270)):
        across = (x + 0.2, x + 7.8) if turn in (0, 270) else (x - 7.8, x - 0.2)
        down = (50.2, 57.8) if turn in (0, 90) else (42.2, 49.8)
        near_x = (x + 0.2, x + 0.8) if turn in (0, 270) else (x - 0.8, x - 0.2)
        near_y = (50.2, 50.8) if turn in (0, 90) else (49.2, 49.8)
        assert darkness(page, across[0], near_y[0], across[1], near_y[1]) > 0.95
        assert darkness(page, near_x[0], down[0], near_x[1], down[1]) > 0.95


def test_bits_are_filled_after_the_pattern_and_empty_on_the_blank() -> None:
    layout = every_fiducial()
    image = np.asarray(convert_from_bytes(draw_booklet(layout), dpi=DPI, grayscale=True)[0])
    blank = np.asarray(convert_from_bytes(draw_blank(layout), dpi=DPI, grayscale=True)[0])
    filled = [darkness(image, 48.1 + 6 * index, 73.1, 51.9 + 6 * index, 76.9) for index in range(4)]
    assert filled == pytest.approx([0, 1, 1, 0], abs=0.01)
    assert all(darkness(blank, 48.1 + 6 * index, 73.1, 51.9 + 6 * index, 76.9) == 0 for index in range(4))


def test_a_page_without_a_bits_pattern_is_refused() -> None:
    layout = every_fiducial()
    assert layout.page_code is not None
    without = replace(layout, page_code=replace(layout.page_code, patterns={}))
    with pytest.raises(ValueError, match="page 1"):
        code_rectangles(without, 1)


@pytest.mark.parametrize("region", [Region(0, 168, 7, 22, 22), Region(0, 80, 7, 100, 14)], ids=["square", "strip"])
def test_page_codes_say_exam_copy_and_page(demo: Layout, region: Region) -> None:
    assert demo.page_code is not None
    layout = replace(demo, page_code=replace(demo.page_code, region=region))
    printed = [np.asarray(image) for image in convert_from_bytes(draw_booklet(layout, copy="0042"), dpi=DPI, grayscale=True)]
    stamped = [print_form(layout).page(page.number, "0042") for page in layout.pages[:1]]
    assert [code.text for image in printed for code in zxingcpp.read_barcodes(image)] == [
        f"DEMO/0042/{n}" for n in (1, 2, 3, 4)
    ]
    assert [code.text for code in zxingcpp.read_barcodes(stamped[0])] == ["DEMO/0042/1"]


def test_a_stamped_code_lies_where_a_drawn_one_does(demo: Layout) -> None:
    drawn = np.asarray(convert_from_bytes(draw_booklet(demo, copy="0042"), dpi=DPI, grayscale=True)[1]).astype(float)
    stamped = print_form(demo).page(2, "0042").astype(float)
    code = slice(round(5 * PER_MM), round(31 * PER_MM)), slice(round(166 * PER_MM), round(192 * PER_MM))

    def middle(page: NDArray[np.float64]) -> NDArray[np.float64]:
        ink = 255 - page[code]
        y, x = np.mgrid[: ink.shape[0], : ink.shape[1]]
        found: NDArray[np.float64] = np.array([(x * ink).sum(), (y * ink).sum()]) / ink.sum()
        return found / PER_MM

    # the renderer moves each module of the drawn code to whole pixels, the stamped one lies where it should
    assert middle(stamped) == pytest.approx(middle(drawn), abs=0.08)  # mm
    assert np.abs(drawn - stamped)[code].mean() < 10  # edges differ; a code of another page gives more than 50
    assert (drawn == stamped).mean() > 0.99


def test_a_dropout_form_prints_boxes_in_its_colour(demo: Layout) -> None:
    page = rasterise_blank(replace(demo, dropout="red"), dpi=100)[1]
    assert page.ndim == 3
    rect = frame_rect(demo.boxes(2)[0])
    x, y = round(28 * 100 / 25.4), round(rect.top * 100 / 25.4)
    frame = page[y - 2 : y + 4, x]
    assert frame[:, 0].min() > 240
    assert frame[:, 1].min() < 200


def test_points_are_printed_beside_questions(demo: Layout) -> None:
    without = np.asarray(rasterise_blank(demo, dpi=60)[1])
    assert (np.asarray(rasterise_blank(demo, dpi=60, points={"1a": Fraction(4)})[1]) != without).any()
