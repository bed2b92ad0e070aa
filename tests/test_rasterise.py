"""Scan files of every kind are built here from a known picture, which must come back."""

from __future__ import annotations

import io
import os
import struct
import time
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pikepdf
import pytest
from numpy.typing import NDArray
from pikepdf import Array, Dictionary, Name
from PIL import Image

from scangrade.model import PageSetAside, Reason
from scangrade.paper.pixels import JpegHead, PageImage, codec_complaints, jpeg_head
from scangrade.paper.rasterise import ScanFile, open_scan
from scangrade.settings import RASTERISE, RasteriseLimits

Gray = NDArray[np.uint8]
MAX_LEVELS_JPEG = 6  # grey levels by which a JPEG of quality 95 may differ in a picture without noise
SMALL = RasteriseLimits(least_longer_px=0, least_page_mm=1.0)  # the pictures here are stamps


@pytest.fixture(scope="module")
def picture() -> Gray:
    """A page that looks different in every turn and mirror: 240 x 320 pixels, blocks of many greys."""
    page = np.full((320, 240), 255, np.uint8)
    page[20:60, 20:60] = 0
    page[20:40, 160:220] = 90
    page[200:300, 30:50] = 40
    page[250:290, 120:200] = np.linspace(0, 240, 80, dtype=np.uint8)
    page[120:124, 10:230] = 0
    return page


@pytest.fixture(scope="module")
def ink(picture: Gray) -> Gray:
    """The picture in black and white only."""
    return np.where(picture < 128, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def colored(picture: Gray) -> Gray:
    """The picture in RGB, with a red and a blue block on white paper."""
    page = np.repeat(picture[:, :, None], 3, axis=2)
    page[70:100, 20:100] = (255, 0, 0)
    page[70:100, 120:200] = (0, 0, 255)
    return page


def packed(ink: Gray, *, black: int) -> bytes:
    return np.packbits((ink == 0) == bool(black), axis=1).tobytes()


def jpeg(picture: Gray, quality: int = 95) -> bytes:
    bgr = picture[:, :, ::-1] if picture.ndim == 3 else picture
    return bytes(cv2.imencode(".jpg", np.ascontiguousarray(bgr), [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes())


def group4(ink: Gray) -> bytes:
    """Fax data without its container; white is 0."""
    stream = io.BytesIO()
    whole = {278: ink.shape[0]}  # all rows in one strip
    Image.fromarray(255 - ink).convert("1").save(stream, "TIFF", compression="group4", tiffinfo=whole)
    with Image.open(io.BytesIO(stream.getvalue())) as tiff:
        stored = tiff.tag_v2  # type: ignore[attr-defined]
        assert len(stored[273]) == 1
        return stream.getvalue()[stored[273][0] : stored[273][0] + stored[279][0]]


def png_rows(samples: Gray) -> bytes:
    """Flate data with PNG's `up` filter on every row."""
    before = np.vstack([np.zeros_like(samples[:1]), samples[:-1]])
    rows = (samples.astype(np.int16) - before).astype(np.uint8)
    return zlib.compress(b"".join(b"\x02" + row.tobytes() for row in rows))


def pdf_of(
    path: Path,
    data: bytes,
    shape: tuple[int, ...],
    entries: Mapping[str, object],
    *,
    matrix: str = "172.8 0 0 230.4 0 0",
    size: tuple[float, float] = (172.8, 230.4),  # 100 dpi for the picture
    before: bytes = b"",
    after: bytes = b"",
    page: Mapping[str, object] | None = None,
    resources: Mapping[str, object] | None = None,
    **save: object,
) -> Path:
    pdf = pikepdf.new()
    stream = pikepdf.Stream(pdf, data)
    stream.stream_dict = Dictionary(
        Type=Name.XObject, Subtype=Name.Image, Width=shape[1], Height=shape[0], ColorSpace=Name.DeviceGray, BitsPerComponent=8
    )
    for key, value in entries.items():
        if value is None:
            del stream.stream_dict["/" + key]
        else:
            stream.stream_dict["/" + key] = value
    content = before + b"q " + matrix.encode() + b" cm /Im0 Do Q" + after
    made = Dictionary(
        Type=Name.Page,
        MediaBox=Array([0, 0, *size]),
        Resources=Dictionary({"/XObject": Dictionary(Im0=stream), **(resources or {})}),
        Contents=pikepdf.Stream(pdf, content),
    )
    for key, value in (page or {}).items():
        made["/" + key] = value
    pdf.pages.append(pikepdf.Page(pdf.make_indirect(made)))
    pdf.save(path, **save)  # type: ignore[arg-type]
    return path


def read(path: Path, *, channel: str = "", limits: RasteriseLimits = SMALL, index: int = 0) -> PageImage:
    scan = open_scan(path, limits=limits)
    assert isinstance(scan, ScanFile), scan
    with scan:
        page = scan.page(index, channel=channel)
    assert isinstance(page, PageImage), page
    assert page.pixels.dtype == np.uint8 and page.pixels.ndim == 2 and page.pixels.flags.c_contiguous
    return page


def refused(path: Path, *, limits: RasteriseLimits = SMALL) -> PageSetAside:
    scan = open_scan(path, limits=limits)
    if isinstance(scan, PageSetAside):
        return scan
    with scan:
        page = scan.page(0)
    assert isinstance(page, PageSetAside)
    return page


@pytest.fixture
def no_rendering(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise AssertionError("this page must not be rendered")

    monkeypatch.setattr("scangrade.paper.rasterise.convert_from_path", fail)


def off_by(found: Gray, wanted: Gray) -> float:
    assert found.shape == wanted.shape
    return float(np.abs(found.astype(int) - wanted.astype(int)).max())


# --------------------------------------------------------------------------- PDF: what an image may be stored as


Stored = tuple[bytes, dict[str, object], Gray]  # an image's data, its dictionary, what it shows


def flate_gray(picture: Gray, ink: Gray, colored: Gray) -> Stored:
    return zlib.compress(picture.tobytes()), {"Filter": Name.FlateDecode}, picture


def flate_inverted(picture: Gray, ink: Gray, colored: Gray) -> Stored:
    return zlib.compress((255 - picture).tobytes()), {"Filter": Name.FlateDecode, "Decode": Array([1, 0])}, picture


def flate_16_bits(picture: Gray, ink: Gray, colored: Gray) -> Stored:
    deep = (picture.astype(">u2") << 8) + 77
    return zlib.compress(deep.astype(">u2").tobytes()), {"Filter": Name.FlateDecode, "BitsPerComponent": 16}, picture


def flate_rgb(picture: Gray, ink: Gray, colored: Gray) -> Stored:
    entries: dict[str, object] = {"Filter": Name.FlateDecode, "ColorSpace": Name.DeviceRGB}
    return zlib.compress(colored.tobytes()), entries, cv2.cvtColor(colored, cv2.COLOR_RGB2GRAY).astype(np.uint8)


def flate_png_filter(picture: Gray, ink: Gray, colored: Gray) -> Stored:
    return png_rows(picture), {"Filter": Name.FlateDecode, "DecodeParms": Dictionary(Predictor=15, Columns=240)}, picture


def flate_png_filter_rgb(picture: Gray, ink: Gray, colored: Gray) -> Stored:
    parameters = Dictionary(Predictor=12, Columns=240, Colors=3)
    entries: dict[str, object] = {"Filter": Name.FlateDecode, "DecodeParms": parameters, "ColorSpace": Name.DeviceRGB}
    return png_rows(colored.reshape(320, 720)), entries, cv2.cvtColor(colored, cv2.COLOR_RGB2GRAY).astype(np.uint8)


def flate_bits(picture: Gray, ink: Gray, colored: Gray) -> Stored:
    return zlib.compress(packed(ink, black=0)), {"Filter": Name.FlateDecode, "BitsPerComponent": 1}, ink


def flate_bits_png_filter(picture: Gray, ink: Gray, colored: Gray) -> Stored:
    rows = np.frombuffer(packed(ink, black=0), np.uint8).reshape(320, 30)
    parameters = Dictionary(Predictor=15, Columns=240, BitsPerComponent=1)
    return png_rows(rows), {"Filter": Array([Name.FlateDecode]), "DecodeParms": parameters, "BitsPerComponent": 1}, ink


def flate_bits_inverted(picture: Gray, ink: Gray, colored: Gray) -> Stored:
    entries = {"Filter": Name.FlateDecode, "BitsPerComponent": 1, "Decode": Array([1, 0])}
    return zlib.compress(packed(ink, black=1)), entries, ink


def flate_bits_palette(picture: Gray, ink: Gray, colored: Gray) -> Stored:
    palette = Array([Name.Indexed, Name.DeviceRGB, 1, pikepdf.String(b"\xff\xff\xff\x00\x00\x00")])
    entries = {"Filter": Name.FlateDecode, "BitsPerComponent": 1, "ColorSpace": palette}
    return zlib.compress(packed(ink, black=1)), entries, ink


def flate_palette(picture: Gray, ink: Gray, colored: Gray) -> Stored:
    palette = Array([Name.Indexed, Name.DeviceGray, 255, pikepdf.String(bytes(255 - value for value in range(256)))])
    return zlib.compress((255 - picture).tobytes()), {"Filter": Name.FlateDecode, "ColorSpace": palette}, picture


def stencil(picture: Gray, ink: Gray, colored: Gray) -> Stored:
    entries = {"Filter": Name.FlateDecode, "BitsPerComponent": 1, "ImageMask": True, "ColorSpace": None}
    return zlib.compress(packed(ink, black=0)), entries, ink


def fax(picture: Gray, ink: Gray, colored: Gray) -> Stored:
    parameters = Dictionary(K=-1, Columns=240, Rows=320)
    return group4(ink), {"Filter": Name.CCITTFaxDecode, "BitsPerComponent": 1, "DecodeParms": parameters}, ink


def fax_black_is_1(picture: Gray, ink: Gray, colored: Gray) -> Stored:
    parameters = Dictionary(K=-1, Columns=240, Rows=320, BlackIs1=True)
    entries = {"Filter": Name.CCITTFaxDecode, "BitsPerComponent": 1, "DecodeParms": parameters, "Decode": Array([1, 0])}
    return group4(ink), entries, ink


def fax_negative(picture: Gray, ink: Gray, colored: Gray) -> Stored:
    parameters = Array([Dictionary(K=-1, Columns=240, BlackIs1=True)])
    return group4(ink), {"Filter": Array([Name.CCITTFaxDecode]), "BitsPerComponent": 1, "DecodeParms": parameters}, 255 - ink


EXACT = [
    flate_gray,
    flate_inverted,
    flate_16_bits,
    flate_rgb,
    flate_png_filter,
    flate_png_filter_rgb,
    flate_bits,
    flate_bits_png_filter,
    flate_bits_inverted,
    flate_bits_palette,
    flate_palette,
    stencil,
    fax,
    fax_black_is_1,
    fax_negative,
]
Maker = Callable[[Gray, Gray, Gray], Stored]


@pytest.mark.parametrize("make", EXACT, ids=lambda make: make.__name__)
def test_a_stored_image_comes_back_to_the_pixel(
    make: Maker, tmp_path: Path, picture: Gray, ink: Gray, colored: Gray, no_rendering: None
) -> None:
    data, entries, wanted = make(picture, ink, colored)
    page = read(pdf_of(tmp_path / "scan.pdf", data, picture.shape, entries))
    assert off_by(page.pixels, wanted) <= 1  # one level: rounding of colour to grey
    assert page.dpi == pytest.approx(100, rel=1e-3)


@pytest.mark.parametrize("make", EXACT, ids=lambda make: make.__name__)
def test_poppler_sees_the_same(
    make: Maker, tmp_path: Path, picture: Gray, ink: Gray, colored: Gray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The builders above are right about what a PDF shows: an independent program agrees."""
    data, entries, wanted = make(picture, ink, colored)
    path = pdf_of(tmp_path / "scan.pdf", data, picture.shape, entries)
    monkeypatch.setattr("scangrade.paper.rasterise.plain_image", lambda *args, **kwargs: None)
    rendered = read(path, limits=RasteriseLimits(render_dpi=100, render_pixels=0))
    assert np.abs(rendered.pixels.astype(int) - wanted).mean() < 3


@pytest.mark.parametrize("space", ["DeviceGray", "DeviceRGB", "ICCBased"])
def test_a_jpeg_comes_back_within_its_own_loss(
    space: str, tmp_path: Path, picture: Gray, colored: Gray, no_rendering: None
) -> None:
    stored = picture if space == "DeviceGray" else colored
    wanted = picture if space == "DeviceGray" else cv2.cvtColor(colored, cv2.COLOR_RGB2GRAY).astype(np.uint8)
    entries: dict[str, object] = {
        "Filter": Name.DCTDecode,
        "ColorSpace": Name("/DeviceRGB" if space != "DeviceGray" else "/DeviceGray"),
    }
    path = pdf_of(tmp_path / "scan.pdf", jpeg(stored, 100), picture.shape, entries)
    if space == "ICCBased":
        with pikepdf.open(path, allow_overwriting_input=True) as pdf:
            image = pdf.pages[0].obj.Resources.XObject.Im0
            image.ColorSpace = Array([Name.ICCBased, pikepdf.Stream(pdf, b"profile", N=3)])
            pdf.save()
    assert np.abs(read(path).pixels.astype(int) - wanted).mean() < 1


def test_jpeg_2000(tmp_path: Path, picture: Gray, no_rendering: None) -> None:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG2000", irreversible=False)
    path = pdf_of(tmp_path / "scan.pdf", stream.getvalue(), picture.shape, {"Filter": Name.JPXDecode, "ColorSpace": None})
    assert off_by(read(path).pixels, picture) == 0


# --------------------------------------------------------------------------- PDF: how it is laid on the page

UPRIGHT, WIDE = (172.8, 230.4), (230.4, 172.8)
PLACEMENTS: dict[str, tuple[str, tuple[float, float], Callable[[Gray], Gray]]] = {
    "as is": ("172.8 0 0 230.4 0 0", UPRIGHT, lambda page: page),
    "upside down": ("-172.8 0 0 -230.4 172.8 230.4", UPRIGHT, lambda page: np.rot90(page, 2)),
    "mirrored": ("-172.8 0 0 230.4 172.8 0", UPRIGHT, np.fliplr),
    "flipped": ("172.8 0 0 -230.4 0 230.4", UPRIGHT, np.flipud),
    "turned left": ("0 172.8 -230.4 0 230.4 0", WIDE, lambda page: np.rot90(page, 1)),
    "turned right": ("0 -172.8 230.4 0 0 172.8", WIDE, lambda page: np.rot90(page, -1)),
    "transposed": ("0 -172.8 -230.4 0 230.4 172.8", WIDE, lambda page: page.T),
    "off by hair": ("172.8 0.01 -0.01 230.4 0.3 -0.3", UPRIGHT, lambda page: page),
}


@pytest.mark.parametrize("turn", [0, 90, 180, 270, -90])
@pytest.mark.parametrize("name", PLACEMENTS)
def test_placement_and_page_rotation(name: str, turn: int, tmp_path: Path, picture: Gray, no_rendering: None) -> None:
    matrix, size, laid = PLACEMENTS[name]
    entries: dict[str, object] = {"Filter": Name.FlateDecode}
    path = pdf_of(
        tmp_path / "scan.pdf",
        zlib.compress(picture.tobytes()),
        picture.shape,
        entries,
        matrix=matrix,
        size=size,
        page={"Rotate": turn},
    )
    page = read(path)
    assert off_by(page.pixels, np.rot90(laid(picture), -turn // 90)) == 0
    assert page.dpi == pytest.approx(100, rel=1e-3)


@pytest.mark.parametrize("turn", [0, 90])
@pytest.mark.parametrize("name", PLACEMENTS)
def test_placement_agrees_with_poppler(
    name: str, turn: int, tmp_path: Path, picture: Gray, monkeypatch: pytest.MonkeyPatch
) -> None:
    matrix, size, laid = PLACEMENTS[name]
    entries: dict[str, object] = {"Filter": Name.FlateDecode}
    path = pdf_of(
        tmp_path / "scan.pdf",
        zlib.compress(picture.tobytes()),
        picture.shape,
        entries,
        matrix=matrix,
        size=size,
        page={"Rotate": turn},
    )
    monkeypatch.setattr("scangrade.paper.rasterise.plain_image", lambda *args, **kwargs: None)
    rendered = read(path, limits=RasteriseLimits(render_dpi=100, render_pixels=0))
    wanted = np.rot90(laid(picture), -turn // 90)
    assert np.abs(rendered.pixels.astype(int) - wanted).mean() < 8


def test_inherited_rotation_user_unit_and_crop_box(tmp_path: Path, picture: Gray, no_rendering: None) -> None:
    path = pdf_of(
        tmp_path / "scan.pdf",
        zlib.compress(picture.tobytes()),
        picture.shape,
        {"Filter": Name.FlateDecode},
        size=(400, 400),
        page={"UserUnit": 2, "CropBox": Array([0, 0, 172.8, 230.4])},
    )
    with pikepdf.open(path, allow_overwriting_input=True) as pdf:
        pdf.Root.Pages.Rotate = 180
        pdf.save()
    page = read(path)
    assert off_by(page.pixels, np.rot90(picture, 2)) == 0
    assert page.dpi == pytest.approx(50, rel=1e-3)


def test_fax_pixels_are_made_square(tmp_path: Path, ink: Gray, no_rendering: None) -> None:
    parameters = Dictionary(K=-1, Columns=240, Rows=160)
    path = pdf_of(
        tmp_path / "fax.pdf",
        group4(ink[::2]),
        (160, 240),
        {"Filter": Name.CCITTFaxDecode, "BitsPerComponent": 1, "DecodeParms": parameters},
    )
    page = read(path)
    assert page.pixels.shape == (320, 240)
    assert page.dpi == pytest.approx(100, rel=1e-3)
    assert np.abs(page.pixels.astype(int) - ink).mean() < 3


# --------------------------------------------------------------------------- PDF: what is plain, what is rendered


def rendered_instead(path: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    asked: list[Path] = []

    def stand_in(path: Path, **kwargs: object) -> list[Image.Image]:
        asked.append(path)
        return [Image.new("L", (10, 10), 128)]

    monkeypatch.setattr("scangrade.paper.rasterise.convert_from_path", stand_in)
    read(path, limits=RasteriseLimits(render_pixels=0))
    return bool(asked)


def test_a_page_is_the_same_however_its_content_is_written(tmp_path: Path, picture: Gray) -> None:
    written: list[dict[str, object]] = [
        {"matrix": "172.8 0 0 230.4 0 0"},
        {"matrix": "172.80 +0 -.0 +230.4\n0. 00"},
        {"matrix": "172.8 0 0 230.4 0 0", "before": b"% a comment\n"},  # this one is parsed
        {"matrix": "1 0 0 1 0 0 cm 172.8 0 0 230.4 0 0"},
    ]
    seen = []
    for number, how in enumerate(written):
        path = tmp_path / f"{number}.pdf"
        pdf_of(path, zlib.compress(picture.tobytes()), picture.shape, {"Filter": Name.FlateDecode}, **how)  # type: ignore[arg-type]
        seen.append(read(path))
    assert all(one.sha256 == seen[0].sha256 and one.dpi == seen[0].dpi for one in seen)
    assert all(np.array_equal(one.pixels, picture) for one in seen)


NOT_PLAIN: dict[str, dict[str, object]] = {
    "a line": {"after": b" 0 0 m 100 100 l S"},
    "a filled rectangle": {"after": b" 10 10 20 20 re f"},
    "visible text": {"after": b" BT /F1 12 Tf 10 10 Td (name) Tj ET", "resources": {"/Font": Dictionary()}},
    "the image twice": {"after": b" q 50 0 0 50 0 0 cm /Im0 Do Q"},
    "an inline image": {"after": b" q 5 0 0 5 0 0 cm BI /W 1 /H 1 /CS /G /BPC 8 ID \x00 EI Q"},
    "a slanted image": {"matrix": "170 20 -20 226 10 0"},
    "a small image": {"matrix": "80 0 0 110 0 0"},
    "a clipped image": {"before": b"0 0 100 100 re W n "},
    "a see-through state": {
        "before": b"/G0 gs ",
        "resources": {"/ExtGState": Dictionary(G0=Dictionary(ca=pikepdf.Object.parse(b"0.5")))},
    },
    "optional content": {"before": b"/OC /L1 BDC ", "after": b" EMC"},
    "a stamp": {"page": {"Annots": Array([Dictionary(Subtype=Name.Stamp)])}},
    "a soft mask": {"entries": {"SMask": Dictionary()}},
    "a colour key": {"entries": {"Mask": Array([0, 10])}},
    "a strange decode": {"entries": {"Decode": Array([0, 0.5])}},
    "spot colour": {"entries": {"ColorSpace": Array([Name.Separation, Name.Gold, Name.DeviceGray, Dictionary()])}},
}


@pytest.mark.parametrize("name", NOT_PLAIN)
def test_anything_else_than_one_plain_image_is_rendered(
    name: str, tmp_path: Path, picture: Gray, monkeypatch: pytest.MonkeyPatch
) -> None:
    how = dict(NOT_PLAIN[name])
    entries = {"Filter": Name.FlateDecode, **how.pop("entries", {})}  # type: ignore[dict-item]
    path = pdf_of(tmp_path / "scan.pdf", zlib.compress(picture.tobytes()), picture.shape, entries, **how)  # type: ignore[arg-type]
    assert rendered_instead(path, monkeypatch)


PLAIN: dict[str, dict[str, object]] = {
    "recognised text beneath": {"before": b"BT 3 Tr /F1 9 Tf 10 10 Td (name) Tj ET ", "resources": {"/Font": Dictionary()}},
    "a clip around the page": {"before": b"0 0 172.8 230.4 re W n "},
    "marked content": {"before": b"/Artifact BMC ", "after": b" EMC"},
    "an opaque state": {"before": b"/G0 gs ", "resources": {"/ExtGState": Dictionary(G0=Dictionary(ca=1, BM=Name.Normal))}},
    "a link": {"page": {"Annots": Array([Dictionary(Subtype=Name.Link)])}},
}


@pytest.mark.parametrize("name", PLAIN)
def test_what_does_not_show_does_not_matter(name: str, tmp_path: Path, picture: Gray, monkeypatch: pytest.MonkeyPatch) -> None:
    entries: dict[str, object] = {"Filter": Name.FlateDecode}
    path = pdf_of(tmp_path / "scan.pdf", zlib.compress(picture.tobytes()), picture.shape, entries, **PLAIN[name])  # type: ignore[arg-type]
    assert not rendered_instead(path, monkeypatch)


def test_a_drawn_page_is_rendered(tmp_path: Path) -> None:
    from reportlab.pdfgen.canvas import Canvas  # noqa: PLC0415 - slow to import, one test needs it

    canvas = Canvas(str(tmp_path / "drawn.pdf"), pagesize=(144, 288))
    canvas.rect(36, 216, 36, 36, stroke=0, fill=1)
    canvas.showPage()
    canvas.showPage()
    canvas.save()
    scan = open_scan(tmp_path / "drawn.pdf", limits=RasteriseLimits(render_dpi=100))
    assert isinstance(scan, ScanFile)
    with scan:
        assert scan.page_count == 2
        page, empty = scan.page(0), scan.page(1)
    assert isinstance(page, PageImage) and isinstance(empty, PageImage)
    assert page.pixels.shape == (400, 200)
    assert page.dpi == pytest.approx(100)
    assert page.pixels[60:90, 60:90].max() == 0
    assert page.pixels[:40].min() == 255
    assert empty.pixels.min() == 255  # a page without content is a white page; that it is blank is found later


def test_small_pages_of_large_images_are_rendered_finer(tmp_path: Path, picture: Gray) -> None:
    path = pdf_of(
        tmp_path / "stamp.pdf",
        zlib.compress(picture.tobytes()),
        picture.shape,
        {"Filter": Name.FlateDecode},
        matrix="57.6 0 0 76.8 0 0",
        size=(57.6, 76.8),
        after=b" 0 0 1 1 re f",
    )
    page = read(path)
    assert page.pixels.shape == (320, 240)
    assert page.dpi == pytest.approx(300, rel=0.01)


# --------------------------------------------------------------------------- reduced decoding


def large(picture: Gray, times: int) -> Gray:
    return np.kron(picture, np.ones((times, times), np.uint8))


@pytest.mark.parametrize(("dpi", "factor"), [(200, 1), (299, 1), (300, 2), (600, 4)])
def test_a_grey_jpeg_keeps_150_dpi(dpi: float, factor: int, tmp_path: Path, picture: Gray, no_rendering: None) -> None:
    stored = large(picture, 4)
    width, height = stored.shape[1] / dpi * 72, stored.shape[0] / dpi * 72
    path = pdf_of(
        tmp_path / "scan.pdf",
        jpeg(stored),
        stored.shape,
        {"Filter": Name.DCTDecode},
        matrix=f"{width} 0 0 {height} 0 0",
        size=(width, height),
    )
    page = read(path)
    assert page.dpi == pytest.approx(dpi / factor, rel=1e-3)
    wanted = cv2.resize(stored, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA)
    assert np.abs(page.pixels.astype(int) - wanted).mean() < 1.5
    whole = read(path, limits=RasteriseLimits(least_gray_dpi=10_000))
    assert whole.pixels.shape == stored.shape
    assert whole.sha256 == page.sha256


@pytest.mark.parametrize(("dpi", "factor"), [(200, 1), (300, 2), (450, 3)])
def test_one_bit_keeps_150_dpi(dpi: float, factor: int, tmp_path: Path, ink: Gray, no_rendering: None) -> None:
    stored = large(ink, 6)
    width, height = stored.shape[1] / dpi * 72, stored.shape[0] / dpi * 72
    entries = {
        "Filter": Name.CCITTFaxDecode,
        "BitsPerComponent": 1,
        "DecodeParms": Dictionary(K=-1, Columns=stored.shape[1], Rows=stored.shape[0]),
    }
    path = pdf_of(
        tmp_path / "scan.pdf", group4(stored), stored.shape, entries, matrix=f"{width} 0 0 {height} 0 0", size=(width, height)
    )
    page = read(path)
    assert page.dpi == pytest.approx(dpi / factor, rel=1e-3)
    assert off_by(page.pixels, large(ink, 6 // factor)) <= 1


def test_the_name_of_an_image_is_its_own(tmp_path: Path, picture: Gray) -> None:
    data, entries = zlib.compress(picture.tobytes()), {"Filter": Name.FlateDecode}
    one = read(pdf_of(tmp_path / "1.pdf", data, picture.shape, entries))
    resaved = read(
        pdf_of(tmp_path / "2.pdf", data, picture.shape, entries, object_stream_mode=pikepdf.ObjectStreamMode.generate)
    )
    turned = read(pdf_of(tmp_path / "3.pdf", data, picture.shape, entries, page={"Rotate": 180}))
    red = read(tmp_path / "1.pdf", channel="red")
    assert one.sha256 == resaved.sha256 == red.sha256
    assert one.sha256 != turned.sha256


# --------------------------------------------------------------------------- dropout colour


@pytest.mark.parametrize("kind", ["jpeg in pdf", "flate in pdf", "palette in pdf", "jpg", "png", "tif"])
@pytest.mark.parametrize("channel", ["red", "blue", "green"])
def test_a_dropout_colour_vanishes(kind: str, channel: str, tmp_path: Path, colored: Gray) -> None:
    path = tmp_path / "scan"
    if kind == "jpeg in pdf":
        pdf_of(path, jpeg(colored), colored.shape, {"Filter": Name.DCTDecode, "ColorSpace": Name.DeviceRGB})
    elif kind == "flate in pdf":
        entries = {"Filter": Name.FlateDecode, "ColorSpace": Name.DeviceRGB}
        pdf_of(path, zlib.compress(colored.tobytes()), colored.shape, entries)
    elif kind == "palette in pdf":
        indexed = Image.fromarray(colored).quantize(64)
        table = bytes(indexed.getpalette() or ())[: 64 * 3]
        palette = Array([Name.Indexed, Name.DeviceRGB, len(table) // 3 - 1, pikepdf.String(table)])
        pdf_of(path, zlib.compress(indexed.tobytes()), colored.shape, {"Filter": Name.FlateDecode, "ColorSpace": palette})
    else:
        Image.fromarray(colored).save(path, {"jpg": "JPEG", "png": "PNG", "tif": "TIFF"}[kind], quality=95, subsampling=0)
    page = read(path, channel=channel)
    red, blue = int(page.pixels[85, 60]), int(page.pixels[85, 160])
    assert (red > 240) == (channel == "red")
    assert (blue > 240) == (channel == "blue")
    assert page.pixels[40, 40] < 15  # black stays black in any light


# --------------------------------------------------------------------------- image files


@pytest.mark.parametrize("form", ["PNG", "BMP", "WEBP", "TIFF", "JPEG"])
def test_image_files_by_content_not_by_name(form: str, tmp_path: Path, picture: Gray) -> None:
    path = tmp_path / "scan.pdf"  # the name lies
    how: dict[str, object] = {"lossless": True} if form == "WEBP" else {"quality": 95}
    Image.fromarray(picture).save(path, form, **how)
    page = read(path)
    assert off_by(page.pixels, picture) <= (40 if form == "JPEG" else 1)
    assert np.abs(page.pixels.astype(int) - picture).mean() < 1.5
    assert page.dpi in (None, pytest.approx(96, abs=1))  # a BMP always makes a claim


@pytest.mark.parametrize("orientation", [1, 3, 6, 8, 5])
@pytest.mark.parametrize("form", ["JPEG", "TIFF", "PNG"])
def test_exif_orientation_of_image_files(form: str, orientation: int, tmp_path: Path, picture: Gray) -> None:
    shown = {1: picture, 3: np.rot90(picture, 2), 6: np.rot90(picture, -1), 8: np.rot90(picture), 5: picture.T}[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(picture).save(tmp_path / "scan", form, exif=exif, quality=95)
    assert np.abs(read(tmp_path / "scan").pixels.astype(int) - shown).mean() < 1.5


def test_exif_inside_a_pdf_is_not_shown(tmp_path: Path, picture: Gray, no_rendering: None) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", exif=exif, quality=95)
    path = pdf_of(tmp_path / "scan.pdf", stream.getvalue(), picture.shape, {"Filter": Name.DCTDecode})
    assert np.abs(read(path).pixels.astype(int) - picture).mean() < 1.5


def test_many_pages_of_a_tiff(tmp_path: Path, picture: Gray, ink: Gray) -> None:
    pages = [Image.fromarray(picture), Image.fromarray(ink).convert("1"), Image.fromarray(picture.T)]
    pages[0].save(tmp_path / "scan.tif", save_all=True, append_images=pages[1:], dpi=(100, 100))
    scan = open_scan(tmp_path / "scan.tif", limits=SMALL)
    assert isinstance(scan, ScanFile)
    with scan:
        assert scan.page_count == 3
        found = [scan.page(index) for index in (2, 0, 1)]
        again = scan.page(2)
        with pytest.raises(IndexError):
            scan.page(3)
    for page, wanted in zip(found, (picture.T, picture, ink), strict=True):
        assert isinstance(page, PageImage)
        assert off_by(page.pixels, wanted) == 0
        assert page.dpi == pytest.approx(100)
    assert isinstance(again, PageImage)
    assert len({page.sha256 for page in found if isinstance(page, PageImage)}) == 3
    assert again.sha256 == found[0].sha256  # type: ignore[union-attr]


@pytest.mark.parametrize("compression", ["group4", "group3", "raw", "tiff_lzw", "packbits", "tiff_adobe_deflate"])
@pytest.mark.parametrize("photometric", [0, 1])
def test_polarity_of_one_bit_tiffs(compression: str, photometric: int, tmp_path: Path, ink: Gray) -> None:
    path = tmp_path / "scan.tif"
    Image.fromarray(ink).convert("1").save(path, compression=compression, tiffinfo={262: photometric})
    assert off_by(read(path).pixels, ink) == 0


@pytest.mark.parametrize("photometric", [0, 1])
def test_16_bits(photometric: int, tmp_path: Path, picture: Gray) -> None:
    deep = picture.astype(np.uint16) * 257
    image = Image.fromarray(deep if photometric else 65535 - deep)
    image.save(tmp_path / "scan.tif", tiffinfo={262: photometric})
    assert off_by(read(tmp_path / "scan.tif").pixels, picture) == 0
    if photometric:
        image.save(tmp_path / "scan.png")
        assert off_by(read(tmp_path / "scan.png").pixels, picture) == 0


@pytest.mark.parametrize("mode", ["LA", "RGBA", "P"])
def test_transparency_is_paper(mode: str, tmp_path: Path, picture: Gray) -> None:
    image = Image.new("LA", (240, 320), (0, 0))
    image.paste(
        Image.fromarray(picture).convert("LA"), (0, 0), Image.fromarray(np.where(picture < 255, 255, 0).astype(np.uint8))
    )
    path = tmp_path / "scan.png"
    if mode == "P":
        black = Image.fromarray((picture > 0).astype(np.uint8))
        black = black.convert("P")
        black.save(path, transparency=1)
        picture = np.where(picture > 0, 255, 0).astype(np.uint8)
    else:
        image.convert(mode).save(path)
    assert off_by(read(path).pixels, picture) <= 1


def test_a_resolution_that_no_paper_has_is_not_believed(tmp_path: Path, picture: Gray) -> None:
    Image.fromarray(large(picture, 8)).save(tmp_path / "photo.png", dpi=(20, 20))  # 3 m
    assert read(tmp_path / "photo.png", limits=RASTERISE).dpi is None
    Image.fromarray(large(picture, 8)).save(tmp_path / "scan.png", dpi=(250, 250))
    assert read(tmp_path / "scan.png", limits=RASTERISE).dpi == pytest.approx(250, rel=1e-3)


def test_image_files_are_reduced_like_pages(tmp_path: Path, picture: Gray) -> None:
    stored = large(picture, 4)
    for form in ("JPEG", "PNG", "TIFF"):
        Image.fromarray(stored).save(tmp_path / form, form, dpi=(300, 300))
        page = read(tmp_path / form)
        assert page.dpi == pytest.approx(150, rel=1e-3)
        assert np.abs(page.pixels.astype(int) - large(picture, 2)).mean() < 1


def test_a_small_sheet_keeps_the_pixels_that_a_form_reduced_onto_it_needs(tmp_path: Path, picture: Gray) -> None:
    stored = large(picture, 4)  # shorter than an A5 sheet at 300 dpi
    Image.fromarray(stored).save(tmp_path / "small.png", dpi=(300, 300))
    assert read(tmp_path / "small.png", limits=RASTERISE).pixels.shape == stored.shape


# --------------------------------------------------------------------------- faults


def test_damaged_files_are_set_aside_whole(tmp_path: Path, picture: Gray) -> None:
    (tmp_path / "zero").write_bytes(b"")
    (tmp_path / "text.pdf").write_text("Dear colleague, please find attached", encoding="utf-8")
    (tmp_path / "header.pdf").write_bytes(b"%PDF-1.7\n" + bytes(range(256)) * 9)
    (tmp_path / "header.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"nothing")
    (tmp_path / "header.tif").write_bytes(b"II*\0\xff\xff\xff\x00")
    (tmp_path / "header.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    pikepdf.new().save(tmp_path / "no-pages.pdf")
    wanted = {
        "zero": Reason.EMPTY_FILE,
        "no-pages.pdf": Reason.EMPTY_FILE,
        "text.pdf": Reason.UNREADABLE_FILE,
        "header.pdf": Reason.UNREADABLE_FILE,
        "header.png": Reason.UNREADABLE_FILE,
        "header.tif": Reason.UNREADABLE_FILE,
        "header.jpg": Reason.UNREADABLE_FILE,
        "missing.pdf": Reason.UNREADABLE_FILE,
    }
    found = {name: open_scan(tmp_path / name) for name in wanted}
    assert {name: one.reason for name, one in found.items() if isinstance(one, PageSetAside)} == wanted
    assert all(isinstance(one, PageSetAside) and one.detail.endswith(".") for one in found.values())


def test_encryption(tmp_path: Path, picture: Gray, no_rendering: None) -> None:
    data, entries = zlib.compress(picture.tobytes()), {"Filter": Name.FlateDecode}
    locked = pdf_of(tmp_path / "1.pdf", data, picture.shape, entries, encryption=pikepdf.Encryption(owner="o", user="u"))
    assert refused(locked).reason is Reason.ENCRYPTED_FILE
    guarded = pdf_of(tmp_path / "2.pdf", data, picture.shape, entries, encryption=pikepdf.Encryption(owner="o", user=""))
    assert off_by(read(guarded).pixels, picture) == 0
    plain = pdf_of(tmp_path / "3.pdf", data, picture.shape, entries)
    assert read(guarded).sha256 == read(plain).sha256


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def holed(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes((7 * value + 13) & 0xFE for value in data[middle : middle + 40]) + data[middle + 40 :]


@pytest.mark.parametrize("harm", [cut, holed], ids=["cut", "holed"])
@pytest.mark.parametrize("kind", ["jpeg", "flate", "flate png", "fax", "jpg", "png", "tif"])
def test_a_damaged_image_costs_its_page_and_nothing_on_the_terminal(
    kind: str, harm: Callable[[bytes], bytes], tmp_path: Path, capfd: pytest.CaptureFixture[str], no_rendering: None
) -> None:
    noise = cv2.GaussianBlur(np.random.default_rng(7).integers(0, 256, (320, 240)).astype(np.uint8), (0, 0), 2).astype(
        np.uint8
    )
    noise = cv2.equalizeHist(noise).astype(np.uint8)
    path = tmp_path / "scan"
    if kind == "jpeg":
        pdf_of(path, harm(jpeg(noise)), noise.shape, {"Filter": Name.DCTDecode})
    elif kind == "flate":
        pdf_of(path, harm(zlib.compress(noise.tobytes())), noise.shape, {"Filter": Name.FlateDecode})
    elif kind == "flate png":
        entries = {"Filter": Name.FlateDecode, "DecodeParms": Dictionary(Predictor=15, Columns=240)}
        pdf_of(path, harm(png_rows(noise)), noise.shape, entries)
    elif kind == "fax":
        dots = np.where(noise > 127, 255, 0).astype(np.uint8)
        parameters = Dictionary(K=-1, Columns=240, Rows=320)
        entries = {"Filter": Name.CCITTFaxDecode, "DecodeParms": parameters}
        pdf_of(path, harm(group4(dots)), noise.shape, entries)
    else:
        how = {"compression": "tiff_adobe_deflate"} if kind == "tif" else {}
        Image.fromarray(noise).save(path, {"jpg": "JPEG", "png": "PNG", "tif": "TIFF"}[kind], **how)
        path.write_bytes(harm(path.read_bytes()))
    found = refused(path)
    assert found.reason in (Reason.UNREADABLE_PAGE, Reason.UNREADABLE_FILE)
    assert found.detail
    assert capfd.readouterr().err == ""


def test_a_missing_image_is_not_a_blank_page(tmp_path: Path, picture: Gray) -> None:
    path = pdf_of(tmp_path / "scan.pdf", b"x", picture.shape, {"Filter": Name.FlateDecode})
    with pikepdf.open(path, allow_overwriting_input=True) as pdf:
        pdf.pages[0].obj.Resources.XObject.Im0 = Name.Lost
        pdf.save()
    assert refused(path).reason is Reason.UNREADABLE_PAGE


def test_a_broken_image_that_must_be_rendered_is_not_a_blank_page(tmp_path: Path, picture: Gray) -> None:
    path = pdf_of(
        tmp_path / "scan.pdf", b"not a jpeg", picture.shape, {"Filter": Name.DCTDecode}, before=b"0 0 1 1 re n /N gs "
    )
    assert refused(path).reason is Reason.UNREADABLE_PAGE


def test_one_bad_page_does_not_cost_the_others(tmp_path: Path, picture: Gray) -> None:
    good = pdf_of(tmp_path / "good.pdf", zlib.compress(picture.tobytes()), picture.shape, {"Filter": Name.FlateDecode})
    bad = pdf_of(tmp_path / "bad.pdf", b"broken", picture.shape, {"Filter": Name.DCTDecode})
    both = pikepdf.new()
    for path in (bad, good):
        with pikepdf.open(path) as pdf:
            both.pages.extend(pdf.pages)
    both.save(tmp_path / "both.pdf")
    scan = open_scan(tmp_path / "both.pdf")
    assert isinstance(scan, ScanFile)
    with scan:
        first, second = scan.page(0), scan.page(1)
    assert isinstance(first, PageSetAside)
    assert first.reason is Reason.UNREADABLE_PAGE
    assert isinstance(second, PageImage)


def huge_png(side: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


def huge_jpeg(side: int, small: Gray) -> bytes:
    """A JPEG whose header says `side` x `side`."""
    data = bytearray(jpeg(small))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", side, side)
    return bytes(data)


@pytest.mark.parametrize("kind", ["png", "jpg", "tif", "flate", "jpeg", "lying jpeg", "rendered", "giant page"])
def test_too_many_pixels_are_refused_by_the_header(
    kind: str, tmp_path: Path, picture: Gray, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, side = tmp_path / "scan", 30_000
    flate: dict[str, object] = {"Filter": Name.FlateDecode}
    match kind:
        case "png":
            path.write_bytes(huge_png(side))
        case "jpg":
            path.write_bytes(huge_jpeg(side, picture))
        case "tif":
            Image.fromarray(picture).save(path, "TIFF")
            with Image.open(path) as image:
                data = bytearray(path.read_bytes())
                assert image.size == (240, 320)
            for tag in (256, 257):
                at = (
                    data.index(struct.pack("<HH", tag, 4))
                    if struct.pack("<HH", tag, 4) in data
                    else data.index(struct.pack("<HH", tag, 3))
                )
                data[at + 8 : at + 12] = struct.pack("<I", side)
            path.write_bytes(data)
        case "flate":
            pdf_of(path, zlib.compress(b"\0" * 1000), (side, side), flate)
        case "jpeg":
            pdf_of(path, huge_jpeg(side, picture), (side, side), {"Filter": Name.DCTDecode})
        case "lying jpeg":
            pdf_of(path, huge_jpeg(side, picture), picture.shape, {"Filter": Name.DCTDecode})
        case "rendered":
            pdf_of(path, zlib.compress(b"\0" * 1000), (side, side), flate, after=b" 0 0 9 9 re f")
        case "giant page":
            pdf_of(path, zlib.compress(picture.tobytes()), picture.shape, flate, size=(14_400, 14_400))
    monkeypatch.setattr(cv2, "imdecode", lambda *args: pytest.fail("decoded"))
    found = refused(path, limits=RASTERISE)
    assert found.reason is Reason.TOO_LARGE
    assert "pixels" in found.detail


def test_a_bomb_inside_a_stream_is_not_inflated(tmp_path: Path, picture: Gray, no_rendering: None) -> None:
    bomb = zlib.compress(picture.tobytes() + b"\0" * 60_000_000, 1)
    page = read(pdf_of(tmp_path / "scan.pdf", bomb, picture.shape, {"Filter": Name.FlateDecode}))
    assert off_by(page.pixels, picture) == 0


# --------------------------------------------------------------------------- complaints of the codecs


def test_complaints_are_told_apart_from_other_lines(capfd: pytest.CaptureFixture[str]) -> None:
    with codec_complaints() as complaints:
        os.write(2, b"Corrupt JPEG data: 2 extraneous bytes before marker 0xd9\nprogress 50 %\n")
    assert complaints.damage == ""
    assert capfd.readouterr().err == "progress 50 %\n"
    with codec_complaints() as complaints:
        os.write(2, b"Corrupt JPEG data: premature end of data segment\n")
    assert "premature" in complaints.damage
    assert capfd.readouterr().err == ""


def test_the_head_of_a_jpeg_is_read_as_decoders_read_it(picture: Gray) -> None:
    height, width = picture.shape
    data = jpeg(picture)
    assert jpeg_head(data) == JpegHead(width, height, 8, 1, one_pass=True)
    assert jpeg_head(jpeg(np.dstack([picture] * 3))) == JpegHead(width, height, 8, 3, one_pass=True)
    filled = data[:2] + b"\xff\xff\xff" + data[3:]  # bytes before a marker, as the format allows
    assert jpeg_head(filled) == jpeg_head(data)
    commented = data[:2] + b"\xff\xfe\x00\x06\xff\xc0ab" + data[2:]  # what looks like a marker within a comment
    assert jpeg_head(commented) == jpeg_head(data)
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", progressive=True)
    assert jpeg_head(stream.getvalue()) == JpegHead(width, height, 8, 1, one_pass=False)


def test_what_has_no_head_of_a_jpeg_is_none(picture: Gray) -> None:
    data = jpeg(picture)
    for broken in (b"", b"\xff\xd8", b"\xff\xd8\xff", data[:100], data[2:], b"\x89PNG" + data, b"\xff\xd8" + b"\xff" * 50):
        assert jpeg_head(broken) is None


def test_one_image_is_not_blamed_for_another_ones_damage() -> None:
    with codec_complaints() as first:
        os.write(2, b"Corrupt JPEG data: 17 extraneous bytes before marker 0xc4\n" * 3)
    with codec_complaints() as second:
        pass
    with codec_complaints() as third:
        os.write(2, b"Premature end of JPEG file\n")
    assert (first.damage[:12], second.damage, third.damage) == ("Corrupt JPEG", "", "Premature end of JPEG file")


def test_images_that_threads_decode_are_not_blamed_for_each_other(capfd: pytest.CaptureFixture[str]) -> None:
    standard_error = os.fstat(2).st_ino

    def decoded(number: int) -> str:
        with codec_complaints() as outer:
            time.sleep(0.002)
            with codec_complaints() as inner:
                os.write(2, f"Premature end of image {number}\n".encode())
            time.sleep(0.002)
            os.write(2, f"of no codec: {number}\n".encode())
        assert not outer.damage
        return inner.damage

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(decoded, range(32))) == [f"Premature end of image {number}" for number in range(32)]
    assert os.fstat(2).st_ino == standard_error
    assert sorted(capfd.readouterr().err.splitlines()) == sorted(f"of no codec: {number}" for number in range(32))


@pytest.mark.parametrize("at", [5, 7], ids=["height", "width"])
def test_a_jpeg_that_says_it_has_no_pixels_is_no_blank_page(at: int, tmp_path: Path, picture: Gray) -> None:
    data = bytearray(jpeg(picture))
    place = data.find(b"\xff\xc0") + at
    data[place : place + 2] = b"\0\0"
    pdf_of(tmp_path / "scan.pdf", bytes(data), picture.shape, {"Filter": Name.DCTDecode})
    scan = open_scan(tmp_path / "scan.pdf")
    assert isinstance(scan, ScanFile)
    with scan:
        page = scan.page(0)
    assert isinstance(page, PageSetAside) and page.reason is Reason.UNREADABLE_PAGE
