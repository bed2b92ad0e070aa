"""A page image as its file holds it, to be drawn into another PDF: nothing is decoded and nothing lost wherever that can be.

Where a person's page is shown again with something drawn over it, the two must fit to a tenth of a millimetre, and it must be the very
image that was read. So every original comes with the map from its own units to the pixels that registration saw, and is held against the
hash that the reading is known by.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import cv2
import numpy as np
import pikepdf
from numpy.typing import NDArray
from PIL import Image, ImageOps

from scangrade.model import PageSetAside
from scangrade.paper.pdf_page import has_annotations, placed_image, quarter_turns, visible_box
from scangrade.paper.pixels import UndecodableError
from scangrade.paper.rasterise import PageImage, ScanFile, open_scan
from scangrade.remote import address_of, copied
from scangrade.settings import ANNOTATE, RASTERISE

Matrix = NDArray[np.float64]

#: EXIF orientation: from the stored picture, as a unit square whose y points down, to the shown one.
_TURNS: Final = {
    1: ((1, 0, 0), (0, 1, 0)),
    2: ((-1, 0, 1), (0, 1, 0)),
    3: ((-1, 0, 1), (0, -1, 1)),
    4: ((1, 0, 0), (0, -1, 1)),
    5: ((0, 1, 0), (1, 0, 0)),
    6: ((0, -1, 1), (1, 0, 0)),
    7: ((0, -1, 1), (-1, 0, 1)),
    8: ((0, 1, 0), (-1, 0, 1)),
}
_ORIENTATION: Final = 0x0112
_Y_DOWN: Final = np.array([[1.0, 0, 0], [0, -1, 1], [0, 0, 1]])  # a unit square whose y points up to one whose y points down
_HIDDEN: Final = 225  # gray of what is concealed


@dataclass(frozen=True, slots=True, eq=False)
class Original:
    """Something to be drawn with PDF's operator `Do`, of the PDF that it was made for."""

    drawn: pikepdf.Object
    to_pixels: Matrix  #: (3, 3), affine: from its own units to pixels of the page image, x right and y down


@dataclass(frozen=True, slots=True)
class NoOriginal:
    """Why there is none."""

    detail: str


class OriginalScan:
    """A scan file of which pages are drawn into other PDFs; it must stay open until these are saved.

    Parameters
    ----------
    path : Path
        One at an address (`remote.py`) is copied to this machine as long as it is open.
    channel : {"", "red", "green", "blue"}
        The light in which its pages were read.
    """

    def __init__(self, path: Path, *, channel: str) -> None:
        self._copy = copied(path) if address_of(path) else None
        self._path = path = self._copy or path
        self._channel = channel
        self._opened: ScanFile | None = None
        self._pdf: pikepdf.Pdf | None = None
        if b"%PDF-" in _head(path):
            self._pdf = pikepdf.open(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._opened is not None:
            self._opened.close()
        if self._pdf is not None:
            self._pdf.close()
        if self._copy is not None:
            self._copy.unlink(missing_ok=True)

    def page(
        self, index: int, target: pikepdf.Pdf, *, sha256: str, conceal: Sequence[NDArray[np.float64]] = ()
    ) -> Original | NoOriginal:
        """Make a page ready to be drawn.

        Parameters
        ----------
        index : int
            From 0.
        target : pikepdf.Pdf
            Into which it is to be drawn.
        sha256 : str
            Of the page image that was read.
        conceal : sequence of (N, 2) arrays
            Polygons, in pixels of the page image, that must not be seen: the page is then stored anew as a picture without them.

        Returns
        -------
        Original or NoOriginal
        """
        if self._pdf is not None and not conceal:
            page = self._pdf.pages[index]
            try:
                placed = placed_image(page, limits=RASTERISE)
            except UndecodableError:
                placed = None
            if placed is not None and placed.sha256 == sha256:
                unit = np.array(
                    [*placed.drawing.matrix[0:2], 0, *placed.drawing.matrix[2:4], 0, *placed.drawing.matrix[4:6], 1]
                )
                shown = _shown(placed.rectangle, quarter_turns(page), placed.width_px, placed.height_px)
                return Original(target.copy_foreign(placed.drawing.image), shown @ unit.reshape(3, 3).T)
        image = self._image(index)
        if isinstance(image, PageSetAside):
            return NoOriginal(image.detail)
        if image.sha256 != sha256:
            return NoOriginal("it is not the image that was read")
        if conceal:
            return self._picture(index, target, conceal)
        if self._pdf is not None:
            page = self._pdf.pages[index]
            if has_annotations(page):
                return self._picture(index, target, ())
            return _form(page, target, image)
        return _stored(self._path, index, target, image)

    def _scan(self) -> ScanFile | PageSetAside:
        if self._opened is None:
            opened = open_scan(self._path)
            if isinstance(opened, PageSetAside):
                return opened
            self._opened = opened
        return self._opened

    def _image(self, index: int) -> PageImage | PageSetAside:
        scan = self._scan()
        return scan if isinstance(scan, PageSetAside) else scan.page(index, channel=self._channel)

    def _picture(self, index: int, target: pikepdf.Pdf, conceal: Sequence[NDArray[np.float64]]) -> Original | NoOriginal:
        """The page as a picture in its own colours."""
        scan = self._scan()
        channels = []
        for channel in ("blue", "green", "red"):
            image = scan if isinstance(scan, PageSetAside) else scan.page(index, channel=channel)
            if isinstance(image, PageSetAside):
                return NoOriginal(image.detail)
            channels.append(image.pixels)
        blue, green, red = channels
        alike = np.array_equal(blue, red) and np.array_equal(blue, green)
        pixels = green.copy() if alike else np.dstack(channels)
        for polygon in conceal:
            cv2.fillPoly(pixels, [np.round(polygon).astype(np.int32)], (_HIDDEN,) * 3)
        data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, ANNOTATE.jpeg_quality])[1].tobytes()
        height, width = pixels.shape[:2]
        drawn = _image_object(target, data, (width, height), "/DeviceGray" if alike else "/DeviceRGB", "/DCTDecode")
        return Original(drawn, _scaled(width, height) @ _Y_DOWN)


def _head(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(1024)


def _scaled(width: float, height: float) -> Matrix:
    return np.diag([width, height, 1.0])


def _shown(rectangle: tuple[float, float, float, float], turns: int, width: float, height: float) -> Matrix:
    """From a page's units to pixels, for a rectangle of the page that fills a picture of that size when shown."""
    left, bottom, right, top = rectangle
    across, down = 1 / (right - left), 1 / (top - bottom)
    # how far from its left and from its bottom a point lies in the rectangle, from 0 to 1
    within = np.array([[across, 0, -left * across], [0, down, -bottom * down], [0, 0, 1]])
    turned = {
        0: [[1, 0, 0], [0, -1, 1]],
        1: [[0, 1, 0], [1, 0, 0]],
        2: [[-1, 0, 1], [0, 1, 0]],
        3: [[0, -1, 1], [-1, 0, 1]],
    }[turns]
    made: Matrix = _scaled(width, height) @ np.array([*turned, [0, 0, 1]], dtype=np.float64) @ within
    return made


def _form(page: pikepdf.Page, target: pikepdf.Pdf, image: PageImage) -> Original:
    """A page of more than one image, as it is."""
    box = visible_box(page)
    form = target.copy_foreign(page.as_form_xobject(handle_transformations=False))
    form.BBox = pikepdf.Array([*box])
    height, width = image.pixels.shape
    return Original(form, _shown(box, quarter_turns(page), width, height))


# --------------------------------------------------------------------------- image files


def _stored(path: Path, index: int, target: pikepdf.Pdf, image: PageImage) -> Original | NoOriginal:
    """An image file's page: a JPEG's own bytes, all else packed without loss."""
    height, width = image.pixels.shape
    with Image.open(path) as opened:
        try:
            opened.seek(index)
            orientation = opened.getexif().get(_ORIENTATION, 1)
            if opened.format == "JPEG" and opened.mode in ("L", "RGB"):
                data, space = path.read_bytes(), "/DeviceGray" if opened.mode == "L" else "/DeviceRGB"
                drawn = _image_object(target, data, opened.size, space, "/DCTDecode")
            else:
                opened.load()
                ImageOps.exif_transpose(opened, in_place=True)  # as for reading
                orientation = 1
                drawn = _packed(opened, target)
        except (OSError, ValueError, SyntaxError, EOFError) as error:
            return NoOriginal(f"its image cannot be decoded ({error})")
    turn = np.array([*_TURNS.get(orientation, _TURNS[1]), (0, 0, 1)], dtype=np.float64)
    return Original(drawn, _scaled(width, height) @ turn @ _Y_DOWN)


def _packed(image: Image.Image, target: pikepdf.Pdf) -> pikepdf.Object:
    """A decoded picture, packed as PNG packs it."""
    if image.mode.startswith("I"):
        deep = np.clip(np.asarray(image).astype(np.int64), 0, 0xFFFF) >> 8
        image = Image.fromarray(deep.astype(np.uint8))
    elif image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        see_through = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", see_through.size, "white"), see_through).convert("RGB")
    elif image.mode not in ("1", "L", "RGB"):
        image = image.convert("RGB")
    bits, channels = (1 if image.mode == "1" else 8), (3 if image.mode == "RGB" else 1)
    out = io.BytesIO()
    image.save(out, "PNG")
    parameters = pikepdf.Dictionary(Predictor=15, Colors=channels, BitsPerComponent=bits, Columns=image.width)
    space = "/DeviceRGB" if channels == 3 else "/DeviceGray"
    return _image_object(target, _png_data(out.getvalue()), image.size, space, "/FlateDecode", bits, parameters)


def _png_data(png: bytes) -> bytes:
    """The packed rows of a PNG file, which are what PDF takes with predictor 15."""
    found, place = [], 8
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        if png[place + 4 : place + 8] == b"IDAT":
            found.append(png[place + 8 : place + 8 + length])
        place += 12 + length
    return b"".join(found)


def _image_object(
    target: pikepdf.Pdf,
    data: bytes,
    size: tuple[int, int],
    space: str,
    packing: str,
    bits: int = 8,
    parameters: pikepdf.Dictionary | None = None,
) -> pikepdf.Object:
    stream = pikepdf.Stream(target, data)
    stream.Type, stream.Subtype = pikepdf.Name.XObject, pikepdf.Name.Image
    stream.Width, stream.Height, stream.BitsPerComponent = *size, bits
    stream.ColorSpace, stream.Filter = pikepdf.Name(space), pikepdf.Name(packing)
    if parameters is not None:
        stream.DecodeParms = parameters
    return target.make_indirect(stream)
