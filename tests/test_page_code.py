"""Page codes are printed into a page here, spoilt as scanners spoil them, and must say what was printed, or nothing."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import zxingcpp
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from scangrade.model import PageCode, PageCodeKind
from scangrade.paper.page_code import PageIdentity, match_content, read_barcode

Gray = NDArray[np.uint8]
TEXT = "UVA-DL1/0042/7"
BOX = (40, 30, 240, 230)
FORMATS = [zxingcpp.BarcodeFormat.DataMatrix, zxingcpp.BarcodeFormat.QRCode, zxingcpp.BarcodeFormat.Code128]


def printed(kind: zxingcpp.BarcodeFormat, module: float, text: str = TEXT) -> Gray:
    """A page of 320 x 280 pixels with a code in the middle of BOX; `module` is the width of one module in pixels."""
    code = zxingcpp.create_barcode(text, kind)
    symbol = np.array(code.to_image(scale=1, add_hrt=False, add_quiet_zones=False)).squeeze()
    if kind == zxingcpp.BarcodeFormat.Code128:
        symbol = np.repeat(symbol[:1], 24, axis=0)
    fine = np.kron(symbol, np.ones((12, 12), np.uint8)).astype(np.float32)
    size = (round(symbol.shape[1] * module), round(symbol.shape[0] * module))
    drawn = cv2.resize(fine, size, interpolation=cv2.INTER_AREA)
    page = np.full((280, 320), 250, np.uint8)
    x, y = (BOX[0] + BOX[2] - size[0]) // 2, (BOX[1] + BOX[3] - size[1]) // 2
    page[y : y + size[1], x : x + size[0]] = drawn.astype(np.uint8)
    return page


@pytest.mark.parametrize("kind", FORMATS, ids=str)
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_every_kind_in_every_turn(kind: zxingcpp.BarcodeFormat, turns: int) -> None:
    page = printed(kind, 1.0 if kind == zxingcpp.BarcodeFormat.Code128 else 3.5)
    window = np.rot90(page[BOX[1] : BOX[3], BOX[0] : BOX[2]], turns)
    page[BOX[1] : BOX[3], BOX[0] : BOX[2]] = window
    assert read_barcode(page, box=BOX) == (TEXT,)


def test_beside_another_symbol_a_second_look_finds_the_other_one_too() -> None:
    page = np.vstack([printed(FORMATS[0], 3.5, "https://publisher"), printed(FORMATS[2], 1.0)])
    box = (0, 0, 320, 560)
    assert read_barcode(page, box=box, hard=False) == ("https://publisher",)
    assert set(read_barcode(page, box=box)) == {"https://publisher", TEXT}
    alone = printed(FORMATS[2], 1.0)
    assert read_barcode(alone, box=BOX, hard=False) == (TEXT,)


def test_only_the_window_counts() -> None:
    page = printed(FORMATS[0], 3.5)
    assert read_barcode(page, box=(0, 0, 60, 60)) == ()
    assert read_barcode(page, box=(-500, -500, 5000, 5000)) == (TEXT,)
    assert read_barcode(page, box=(400, 400, 300, 300)) == ()
    assert read_barcode(np.full((100, 100), 255, np.uint8), box=(0, 0, 100, 100)) == ()


@pytest.mark.parametrize("kind", FORMATS[:2], ids=str)
def test_few_pixels_per_module(kind: zxingcpp.BarcodeFormat) -> None:
    """0.4 mm modules at 100 dpi, softly focused."""
    page = cv2.GaussianBlur(printed(kind, 1.6), (0, 0), 0.5).astype(np.uint8)
    assert read_barcode(page, box=BOX) == (TEXT,)


@pytest.mark.parametrize("kind", FORMATS[:2], ids=str)
def test_noise(kind: zxingcpp.BarcodeFormat) -> None:
    generator = np.random.default_rng(5)
    page = printed(kind, 3.5)
    page = np.clip(page + generator.normal(0, 40, page.shape), 0, 255).astype(np.uint8)
    assert read_barcode(page, box=BOX) == (TEXT,)


@pytest.mark.parametrize("kind", FORMATS[:2], ids=str)
def test_a_stain_within_the_error_correction(kind: zxingcpp.BarcodeFormat) -> None:
    page = printed(kind, 4.0)
    cv2.circle(page, (150, 130), 5, 0, -1)
    assert read_barcode(page, box=BOX) == (TEXT,)


def test_a_destroyed_code_says_nothing() -> None:
    page = printed(FORMATS[0], 3.5)
    page[100:160, 100:200] = 0
    assert read_barcode(page, box=BOX) == ()


# --------------------------------------------------------------------------- what the text means


def barcode(content: str, exam: str = "") -> PageCode:
    return PageCode(PageCodeKind.BARCODE, content=content, exam=exam)


@pytest.mark.parametrize(
    ("content", "exam", "text", "wanted"),
    [
        ("{exam}/{copy}/{page}", "DL1", "DL1/0042/3", PageIdentity("DL1", "0042", 3)),
        ("{exam}/{copy}/{page}", "", "any/0042/3", PageIdentity("any", "0042", 3)),
        ("{exam}/{copy}/{page}", "D.1", "DX1/0042/3", None),  # the exam's name is no pattern
        ("{exam}/{copy}/{page}", "DL1", "DL1/0042/13", None),  # a page that the booklet does not have
        ("{exam}/{copy}/{page}", "DL1", "DL1/0042/0", None),
        ("{exam}/{copy}/{page}", "DL1", "DL1//3", None),
        ("{exam}/{copy}/{page}", "DL1", "xDL1/1/3", None),
        ("{exam}/{copy}/{page}", "DL1", "DL1/1/3x", None),
        ("{page}", "DL1", "03", PageIdentity("DL1", "", 3)),
        ("{page}", "DL1", "\u0663", None),  # a digit, though none that we print
        ("P{page}({exam})", "DL1", "P4(DL1)", PageIdentity("DL1", "", 4)),
        ("{exam}", "DL1", "DL1", PageIdentity("DL1", "", 1)),
        ("{copy}/{page}/{copy}", "", "a/2/a", PageIdentity("", "a", 2)),
        ("{copy}/{page}/{copy}", "", "a/2/b", None),
    ],
)
def test_content(content: str, exam: str, text: str, wanted: PageIdentity | None) -> None:
    assert match_content(text, barcode(content, exam), pages=12) == wanted


@given(
    exam=st.text(st.characters(codec="ascii", exclude_characters="/"), min_size=1, max_size=12),
    copy=st.text(st.characters(codec="ascii", exclude_characters="/"), min_size=1, max_size=12),
    page=st.integers(1, 99),
)
def test_what_was_written_is_read(exam: str, copy: str, page: int) -> None:
    code = barcode("{exam}/{copy}/{page}", exam)
    assert match_content(f"{exam}/{copy}/{page}", code, pages=99) == PageIdentity(exam, copy, page)
