"""Page images drawn into another PDF: what shows there is, pixel for pixel, what was read, whatever the scan's file is like."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pikepdf
import pytest
from numpy.typing import NDArray
from pdf2image import convert_from_bytes
from PIL import Image

from scangrade.model import PageSetAside
from scangrade.paper.original import NoOriginal, Original, OriginalScan
from scangrade.paper.rasterise import PageImage, open_scan

WIDTH, HEIGHT = 500, 700
Pixels = NDArray[np.uint8]


def picture() -> Image.Image:
    """A page that looks otherwise in every turn and mirrored, in colour, without fine detail."""
    pixels = np.full((HEIGHT, WIDTH, 3), 240, np.uint8)
    cv2.rectangle(pixels, (40, 40), (180, 120), (20, 20, 20), -1)
    cv2.circle(pixels, (400, 150), 60, (180, 30, 30), -1)
    cv2.rectangle(pixels, (60, 560), (120, 660), (30, 30, 180), -1)
    cv2.line(pixels, (200, 300), (450, 640), (20, 120, 20), 20)
    return Image.fromarray(cv2.GaussianBlur(pixels, (0, 0), 2).astype(np.uint8))


def as_bytes(image: Image.Image, kind: str, **more: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **more)
    return out.getvalue()


def jpeg(folder: Path, image: Image.Image | None = None, **more: object) -> Path:
    path = folder / "scan.jpg"
    path.write_bytes(as_bytes(image or picture(), "JPEG", quality=92, dpi=(60, 60), **more))
    return path


def turned_jpeg(orientation: int) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        exif = Image.Exif()
        exif[0x0112] = orientation
        return jpeg(folder, exif=exif)

    return make


def image_file(suffix: str, mode: str, **more: Any) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / f"scan{suffix}"
        made = picture()
        if mode == "1":
            made = made.convert("L").point(
                [0] * 128 + [255] * 128, mode="1"
            )  # without grains, which no two renderers show alike
        else:
            made = made.quantize(64, dither=Image.Dither.NONE) if mode == "P" else made.convert(mode)
        made.save(path, dpi=(60, 60), **more)
        return path

    return make


def turned_tiff(folder: Path) -> Path:
    path = folder / "scan.tif"
    picture().save(path, dpi=(60, 60), tiffinfo={274: 6})
    return path


def tiff_of_two(folder: Path) -> Path:
    path = folder / "scan.tif"
    other = Image.new("RGB", (WIDTH, HEIGHT), "white")
    picture().save(path, save_all=True, append_images=[other], dpi=(60, 60))
    return path


def pdf(content: str, *, rotate: int = 0, crop: list[int] | None = None, more: bool = False, note: bool = False) -> Callable:  # type: ignore[type-arg]
    """A PDF of one page of 600 x 840 points with the picture; `content` draws it."""

    def make(folder: Path) -> Path:
        path = folder / "scan.pdf"
        made = pikepdf.new()
        page = made.add_blank_page(page_size=(600, 840))
        stream = pikepdf.Stream(made, as_bytes(picture(), "JPEG", quality=92))
        stream.Type, stream.Subtype = pikepdf.Name.XObject, pikepdf.Name.Image
        stream.Width, stream.Height, stream.BitsPerComponent = WIDTH, HEIGHT, 8
        stream.ColorSpace, stream.Filter = pikepdf.Name.DeviceRGB, pikepdf.Name.DCTDecode
        page.obj.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(Im=stream))
        drawn = f"q {content} cm /Im Do Q" + (" 0 0 1 rg 300 60 90 40 re f" if more else "")
        page.obj.Contents = pikepdf.Stream(made, drawn.encode())
        page.obj.Rotate = rotate
        if crop:
            page.obj.CropBox = pikepdf.Array(crop)
        if note:
            square = pikepdf.Dictionary(
                Type=pikepdf.Name.Annot, Subtype=pikepdf.Name.Square, Rect=[380, 300, 520, 420], C=[1, 0, 0], IC=[1, 0, 0], F=4
            )
            page.obj.Annots = pikepdf.Array([made.make_indirect(square)])
        made.save(path)
        return path

    return make


KINDS = {
    "jpeg": jpeg,
    **{f"jpeg turned {one}": turned_jpeg(one) for one in range(2, 9)},
    "gray jpeg": image_file(".jpg", "L"),
    "cmyk jpeg": image_file(".jpg", "CMYK"),
    "png": image_file(".png", "RGB"),
    "png with palette": image_file(".png", "P"),
    "png with transparency": image_file(".png", "RGBA"),
    "png of one bit": image_file(".png", "1"),
    "bmp": image_file(".bmp", "RGB"),
    "webp": image_file(".webp", "RGB", lossless=True),
    "tiff": image_file(".tif", "RGB", compression="tiff_lzw"),
    "tiff of one bit": image_file(".tif", "1", compression="group4"),
    "tiff turned": turned_tiff,
    "tiff of two pages": tiff_of_two,
    "pdf": pdf("600 0 0 840 0 0"),
    "pdf turned 90": pdf("600 0 0 840 0 0", rotate=90),
    "pdf turned 180": pdf("600 0 0 840 0 0", rotate=180),
    "pdf turned 270": pdf("600 0 0 840 0 0", rotate=270),
    "pdf with its image turned": pdf("0 840 -600 0 600 0"),
    "pdf mirrored": pdf("-600 0 0 840 600 0"),
    "pdf with its image smaller": pdf("580 0 0 812 10 14"),
    "pdf cut": pdf("600 0 0 840 0 0", crop=[10, 15, 590, 835]),
    "pdf with more than an image": pdf("600 0 0 840 0 0", more=True),
    "pdf with more, turned": pdf("600 0 0 840 0 0", more=True, rotate=90),
    "pdf with more, cut": pdf("600 0 0 840 0 0", more=True, crop=[20, 30, 600, 800]),
    "pdf with a note on it": pdf("600 0 0 840 0 0", note=True),
    "pdf with a note, turned": pdf("600 0 0 840 0 0", note=True, rotate=270),
}


def read(path: Path, channel: str = "") -> PageImage:
    opened = open_scan(path)
    assert not isinstance(opened, PageSetAside)
    with opened as scan:
        image = scan.page(0, channel=channel)
    assert isinstance(image, PageImage)
    return image


def drawn(path: Path, image: PageImage, **more: object) -> tuple[Pixels, pikepdf.Pdf]:
    """The page as it shows where a point is a pixel of what was read."""
    height, width = image.pixels.shape
    target = pikepdf.new()
    page = target.add_blank_page(page_size=(width, height))
    with OriginalScan(path, channel="") as scan:
        original = scan.page(0, target, sha256=image.sha256, **more)  # type: ignore[arg-type]
        assert isinstance(original, Original), original
        matrix = np.array([[1, 0, 0], [0, -1, height], [0, 0, 1]]) @ original.to_pixels
        numbers = " ".join(f"{one:.6f}" for one in (*matrix[:2, 0], *matrix[:2, 1], *matrix[:2, 2]))
        name = page.add_resource(original.drawn, pikepdf.Name.XObject)
        page.contents_add(f"q {numbers} cm {name} Do Q".encode())
        out = io.BytesIO()
        target.save(out)
    (shown,) = convert_from_bytes(out.getvalue(), dpi=72, grayscale=True)
    assert shown.size == (width, height)
    return np.asarray(shown), pikepdf.open(io.BytesIO(out.getvalue()))


@pytest.mark.parametrize("kind", KINDS)
def test_what_shows_is_what_was_read(tmp_path: Path, kind: str) -> None:
    """To within the rendering of edges: the picture's have a width of several pixels, so half a pixel of difference would tell."""
    path = KINDS[kind](tmp_path)
    image = read(path)
    shown, _ = drawn(path, image)
    difference = np.abs(shown.astype(int) - image.pixels.astype(int))
    # edges of one bit are rendered otherwise than they are stored; two decoders differ in how they turn inks to gray
    assert difference.mean() < (6.0 if "one bit" in kind or "palette" in kind else 2.0 if "cmyk" in kind else 1.0)
    # a shift by a few pixels is noticed
    assert np.abs(np.roll(shown, 3, axis=1).astype(int) - image.pixels.astype(int)).mean() > difference.mean() + 0.5


def images(made: pikepdf.Pdf) -> list[pikepdf.Object]:
    return [one for one in made.objects if isinstance(one, pikepdf.Stream) and one.get("/Subtype") == "/Image"]


@pytest.mark.parametrize("kind", ["jpeg", "jpeg turned 6", "pdf", "pdf turned 90", "pdf with more than an image"])
def test_a_scan_s_own_bytes_are_kept(tmp_path: Path, kind: str) -> None:
    path = KINDS[kind](tmp_path)
    _, made = drawn(path, read(path))
    (image,) = images(made)
    assert image.Filter == "/DCTDecode"
    assert image.read_raw_bytes() in path.read_bytes()


def test_what_is_concealed_is_not_in_the_file(tmp_path: Path) -> None:
    path = KINDS["pdf"](tmp_path)
    image = read(path)
    before = picture().convert("RGB").getpixel((100, 80))
    assert before == (20, 20, 20)
    corners = np.array([(30, 30), (190, 30), (190, 130), (30, 130)], dtype=float)
    shown, made = drawn(path, image, conceal=[corners])
    (stored,) = images(made)
    pixels = np.asarray(Image.open(io.BytesIO(stored.read_raw_bytes())).convert("L"))
    for seen in (shown, pixels):
        assert int(seen[35:125, 35:185].min()) > 200  # JPEG rings a little
        assert int(seen[600, 90]) < 90  # the rest is as it was
    height, width = image.pixels.shape
    assert pixels.shape == (height, width)


def test_another_image_is_refused(tmp_path: Path) -> None:
    for kind in ("pdf", "jpeg", "pdf with more than an image"):
        path = KINDS[kind](tmp_path)
        with OriginalScan(path, channel="") as scan:
            found = scan.page(0, pikepdf.new(), sha256="0" * 64)
        assert found == NoOriginal("it is not the image that was read")
