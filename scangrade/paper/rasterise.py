"""Scan files to page images: the only place where scans are opened.

PDF, TIFF of many pages, JPEG, PNG, BMP and WebP, told apart by their first bytes since suffixes lie. A file or a page that
cannot be read is a `PageSetAside` with a reason in people's words; nothing here raises for what a scan holds. One page is in
memory at a time.
"""

from __future__ import annotations

import hashlib
import io
import logging
import math
import os
import struct
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import pikepdf
from pdf2image import convert_from_path, pdfinfo_from_path
from pdf2image.exceptions import (
    PDFInfoNotInstalledError,
    PDFPageCountError,
    PDFPopplerTimeoutError,
    PDFSyntaxError,
    PopplerNotInstalledError,
)
from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from scangrade.errors import UsageError
from scangrade.geometry import MM_PER_INCH
from scangrade.model import PageSetAside, Reason
from scangrade.paper.fax import Bits, decode_strips
from scangrade.paper.formats import head_of, is_image, is_jpeg, is_pdf, is_tiff
from scangrade.paper.pdf_page import images_of, plain_image, shown_inches
from scangrade.paper.pixels import (
    Gray,
    PageImage,
    TooLargeError,
    UndecodableError,
    check_size,
    codec_complaints,
    from_bits,
    from_jpeg,
    from_pillow,
    page_reduction,
    pillow_pixel_bytes,
    shrink,
    squared,
)
from scangrade.remote import address_of, copied, opened
from scangrade.settings import RASTERISE, RasteriseLimits

# What is damaged in a PDF is said by us, once; the library would say it again on the terminal, as often as it meets it.
logging.getLogger("pikepdf").addHandler(logging.NullHandler())

__all__ = ["PageImage", "ScanFile", "open_scan"]

_OVERLAPS = 4  # times its size that the parts of a TIFF may have together
_LEAST_IN, _GREATEST_IN = 0.01, 1000.0
_PIPED_BYTES = 2  # Poppler's picture comes through a pipe, and is there twice for a moment
_KNOWN = "a PDF, TIFF, JPEG, PNG, BMP or WebP file"
_ORIENTATION, _TRANSPOSED = 0x0112, 5  # EXIF: orientations from 5 on swap width and height

# What a broken PDF may raise from any place where an object is not of the type that the format demands.
_MALFORMED = (pikepdf.PdfError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError)

# What Pillow raises for a header that is not what it should be.
_ANY_DAMAGE = (
    UnidentifiedImageError,
    SyntaxError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    RuntimeError,
    struct.error,
)
_DAMAGED = PageSetAside(
    Reason.UNREADABLE_FILE, "The file is damaged: not even its header can be read. Scan these pages again."
)


class ScanFile(ABC):
    """An open scan: use it in a `with` statement, take one page after the other."""

    def __init__(self, page_count: int) -> None:
        self.page_count = page_count

    def page(self, index: int, *, channel: str = "") -> PageImage | PageSetAside:
        """Decode one page.

        Parameters
        ----------
        index : int
            From 0 to `page_count` - 1.
        channel : {"", "red", "green", "blue"}
            Look at the page in light of this colour, in which a form's dropout colour vanishes; "" for brightness.

        Returns
        -------
        PageImage or PageSetAside
            Why the page cannot be read: `UNREADABLE_PAGE` or `TOO_LARGE`.

        Raises
        ------
        IndexError
            Where there is no such page.
        UsageError
            Where Poppler, which renders some pages, is not installed.
        """
        if not 0 <= index < self.page_count:
            raise IndexError(f"page index {index} of a scan with {self.page_count} pages")
        try:
            with _without_size_warning():
                return self._decode(index, channel)
        except TooLargeError as fault:
            return PageSetAside(Reason.TOO_LARGE, f"Its image {fault}. Scan the page again at 300 dpi.")
        except (Image.DecompressionBombError, MemoryError):
            return PageSetAside(
                Reason.TOO_LARGE, "Its image takes more memory than a page can. Scan the page again at 300 dpi."
            )
        except UndecodableError as fault:
            return PageSetAside(Reason.UNREADABLE_PAGE, f"Its image {fault}. Scan the page again.")

    @abstractmethod
    def _decode(self, index: int, channel: str) -> PageImage: ...

    @abstractmethod
    def close(self) -> None:
        """Close the file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def open_scan(path: Path, *, limits: RasteriseLimits = RASTERISE) -> ScanFile | PageSetAside:
    """Open a scan of any kind.

    Parameters
    ----------
    path : Path
        File to read; it stays open until the `ScanFile` is closed. One at an address (`remote.py`) is copied here that long.
    limits : RasteriseLimits
        How large images may be, how far they are reduced, and at how many dpi pages are rendered.

    Returns
    -------
    ScanFile or PageSetAside
        Why the whole file cannot be read: `UNREADABLE_FILE`, `ENCRYPTED_FILE`, `EMPTY_FILE` or `TOO_LARGE`.

    Raises
    ------
    UsageError
        If a file at an address cannot be fetched.
    """
    if not address_of(path):
        return _open(path, limits)
    copy = copied(path)
    scan = _open(copy, limits)
    if isinstance(scan, PageSetAside):
        copy.unlink()
        return scan
    return _CopiedScan(scan, copy)


class _CopiedScan(ScanFile):
    """A scan whose file was copied to this machine: the copy goes when it is closed."""

    def __init__(self, scan: ScanFile, copy: Path) -> None:
        super().__init__(scan.page_count)
        self._scan, self._copy = scan, copy

    def _decode(self, index: int, channel: str) -> PageImage:
        return self._scan._decode(index, channel)

    def close(self) -> None:
        self._scan.close()
        self._copy.unlink(missing_ok=True)


def _open(path: Path, limits: RasteriseLimits) -> ScanFile | PageSetAside:
    try:
        head, size = head_of(path)
        if not head:
            return PageSetAside(Reason.EMPTY_FILE, "The file has 0 bytes. Scan these pages again.")
        with _without_size_warning(), codec_complaints():
            if is_pdf(head):
                return _open_pdf(path, limits)
            if is_tiff(head):
                return _TiffScan(path, limits)
            if is_image(head) and size > limits.max_bytes:
                return PageSetAside(
                    Reason.TOO_LARGE,
                    f"The file has {size / 1e6:.0f} MB, more than a page can. Scan the page again at 300 dpi.",
                )
            if is_jpeg(head):
                return _JpegScan(path, limits)
            if is_image(head):
                return _ImageScan(path, limits)
    except _TooManyPagesError:
        return PageSetAside(
            Reason.TOO_LARGE, f"The file says that it has more than {limits.max_pages} pages. Split it, and give the parts."
        )
    except (Image.DecompressionBombError, MemoryError):
        return PageSetAside(
            Reason.TOO_LARGE, "Its image has more pixels than a page can have. Scan the page again at 300 dpi."
        )
    except OSError as error:
        if error.errno is None:
            return _DAMAGED  # Pillow's word for it
        return PageSetAside(
            Reason.UNREADABLE_FILE, f"The file cannot be read: {error.strerror}. Check the file, or scan these pages again."
        )
    except _ANY_DAMAGE:
        return _DAMAGED
    return PageSetAside(Reason.UNREADABLE_FILE, f"This is not {_KNOWN}, whatever its name says. Give the scanner's own file.")


def check_readable(path: Path) -> None:
    """Make sure that the system still gives a file from its beginning to its end.

    Raises
    ------
    UsageError
        If it does not, as where a network drive is gone: what could not be read then says nothing of the scan.
    """
    try:
        with opened(path) as stream:
            stream.read(1)
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - 1))
            stream.read(1)
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read any more: {error.strerror or error}. What was read until now is stored: once the file is back, run"
            " the same command again."
        ) from error


class _TooManyPagesError(Exception):
    """A file says that it has more pages than a scan can have."""


@contextmanager
def _without_size_warning() -> Iterator[None]:
    """Pillow warns of images that are larger than it likes but smaller than our own limit."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


# --------------------------------------------------------------------------- PDF


def _open_pdf(path: Path, limits: RasteriseLimits) -> ScanFile | PageSetAside:
    try:
        pdf = pikepdf.open(path)
    except pikepdf.PasswordError:
        return PageSetAside(
            Reason.ENCRYPTED_FILE, "The PDF is locked with a password. Save it without one, and give that file."
        )
    except pikepdf.PdfError:
        return PageSetAside(Reason.UNREADABLE_FILE, "The PDF is damaged beyond repair. Scan these pages again.")
    try:
        _count_kids(pdf, limits.max_pages)
        count = len(pdf.pages)
        repaired = bool(pdf.get_warnings())
    except _TooManyPagesError:
        pdf.close()
        raise
    except _MALFORMED:
        pdf.close()
        return PageSetAside(
            Reason.UNREADABLE_FILE, "The PDF is damaged: its list of pages cannot be read. Scan these pages again."
        )
    if count == 0:
        pdf.close()
        if repaired:
            return PageSetAside(
                Reason.UNREADABLE_FILE, "The PDF is damaged: none of its pages is left. Scan these pages again."
            )
        return PageSetAside(Reason.EMPTY_FILE, "The PDF has no pages. Scan these pages again.")
    return _PdfScan(path, pdf, count, limits)


def _count_kids(pdf: pikepdf.Pdf, most: int) -> None:
    """Refuse a tree of too many pages before it is unrolled, which takes memory for each, though one object can stand for all."""
    seen: set[tuple[int, int]] = set()
    waiting, count = [pdf.Root.get("/Pages")], 0
    while waiting:
        node = waiting.pop()
        kids = node.get("/Kids") if isinstance(node, pikepdf.Dictionary) else None
        if not isinstance(kids, pikepdf.Array) or (node is not None and node.is_indirect and node.objgen in seen):
            continue
        if node is not None and node.is_indirect:
            seen.add(node.objgen)
        count += len(kids)
        if count > most:
            raise _TooManyPagesError
        waiting += [kid for kid in kids if isinstance(kid, pikepdf.Dictionary) and "/Kids" in kid]


class _PdfScan(ScanFile):
    def __init__(self, path: Path, pdf: pikepdf.Pdf, page_count: int, limits: RasteriseLimits) -> None:
        super().__init__(page_count)
        self._path = path
        self._pdf = pdf
        self._limits = limits
        self._looked_through = False

    def close(self) -> None:
        self._pdf.close()

    def _decode(self, index: int, channel: str) -> PageImage:
        try:
            page = self._pdf.pages[index]
            plain = plain_image(page, channel=channel, limits=self._limits)
        except _MALFORMED:
            plain = None  # Poppler repairs more than we look at
        return plain if plain is not None else self._render(index, channel)

    def _render(self, index: int, channel: str) -> PageImage:
        limits = self._limits
        try:
            page = self._pdf.pages[index]
            width_in, height_in = shown_inches(page)
            images = [(int(image.get("/Width", 0)), int(image.get("/Height", 0))) for image in images_of(page)]
        except _MALFORMED as error:
            raise UndecodableError("cannot be found: the page is damaged") from error
        for width, height in images:
            check_size(width, height, limits)
        longer_in = max(width_in, height_in)
        if not (min(width_in, height_in) > _LEAST_IN and longer_in < _GREATEST_IN):
            raise UndecodableError(f"is on a page of {width_in:.3g} x {height_in:.3g} inches, which no paper has")
        stored_dpi = max((max(size) / longer_in for size in images), default=0.0)
        dpi = max(limits.render_dpi, min(stored_dpi, limits.render_pixels / longer_in))
        check_size(round(width_in * dpi), round(height_in * dpi), limits, pixel_bytes=_PIPED_BYTES * (3 if channel else 1))
        pixels = from_pillow(self._poppler(index, dpi, gray=not channel, strict=False), channel=channel)
        if images and pixels.min() == pixels.max():
            self._poppler(index, dpi, gray=True, strict=True)  # blank because the page is, or because its image is broken?
        digest = hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()
        return PageImage(pixels, pixels.shape[1] / width_in, digest)

    def _poppler(self, index: int, dpi: float, *, gray: bool, strict: bool) -> Image.Image:
        try:
            if not self._looked_through:  # before it draws, pdf2image asks for the number of pages, and would wait for ever
                pdfinfo_from_path(str(self._path.resolve()), timeout=self._limits.render_seconds)
                self._looked_through = True
            pages = convert_from_path(
                self._path.resolve(),
                dpi=dpi,  # type: ignore[arg-type]
                first_page=index + 1,
                last_page=index + 1,
                grayscale=gray,
                strict=strict,
                use_cropbox=True,
                timeout=self._limits.render_seconds,
            )
        except PDFInfoNotInstalledError as error:
            raise UsageError(
                "Poppler, which renders PDF pages, is not installed. Install the package `poppler-utils`."
            ) from error
        except (PDFPageCountError, PDFSyntaxError) as error:
            raise UndecodableError("is damaged, or the page is") from error
        except (PopplerNotInstalledError, UnidentifiedImageError, OSError, ValueError) as error:
            raise UndecodableError("cannot be drawn") from error
        except PDFPopplerTimeoutError as error:
            raise UndecodableError(f"takes more than {self._limits.render_seconds} s to draw") from error
        if not pages:
            raise UndecodableError("cannot be drawn")
        return pages[0]


# --------------------------------------------------------------------------- image files


def _claimed_dpi(image: Image.Image, limits: RasteriseLimits) -> tuple[float, float] | None:
    """Resolution across and down as the file claims it, None where it makes no claim that a sheet of paper could fulfil."""
    try:
        across, down = (float(value) for value in image.info.get("dpi", ()))
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    if not (math.isfinite(across) and math.isfinite(down) and across > 0 and down > 0):
        return None
    longer_mm = max(image.width / across, image.height / down) * MM_PER_INCH
    if not limits.least_page_mm <= longer_mm <= limits.greatest_page_mm:
        return None
    return (down, across) if image.getexif().get(_ORIENTATION, 1) >= _TRANSPOSED else (across, down)


def _finished(pixels: Gray, claim: tuple[float, float] | None, sha256: str, limits: RasteriseLimits) -> PageImage:
    if claim is None:
        return PageImage(pixels, None, sha256)
    square, dpi = squared(pixels, *claim, limits)
    return PageImage(square, dpi, sha256)


def _reduction(claim: tuple[float, float] | None, longer_px: int, *, bilevel: bool, limits: RasteriseLimits) -> int:
    return page_reduction(min(claim) if claim else None, longer_px, bilevel=bilevel, limits=limits)


class _TiffScan(ScanFile):
    def __init__(self, path: Path, limits: RasteriseLimits) -> None:
        # A stream, not a path: with a path, Pillow 13 maps the file into memory and scrambles uncompressed pages that are turned.
        self._stream = path.open("rb")
        try:
            _count_directories(self._stream, limits.max_pages)
            self._image = self._opened()
            super().__init__(self._image.n_frames)
        except BaseException:
            self._stream.close()
            raise
        self._limits = limits
        self._decoded = -1

    def _opened(self) -> TiffImagePlugin.TiffImageFile:
        """Not `Image.open`, which refuses a whole file for one page that is too large."""
        self._stream.seek(0)
        return TiffImagePlugin.TiffImageFile(self._stream)

    def close(self) -> None:
        self._image.close()
        self._stream.close()

    def _decode(self, index: int, channel: str) -> PageImage:
        limits = self._limits
        try:
            if index == self._decoded:
                self._image = self._opened()  # decoding used up what the header said
            self._image.seek(index)
            self._decoded = index
        except (OSError, *_ANY_DAMAGE) as error:
            raise UndecodableError("has a damaged header") from error
        frame = self._image
        check_size(*frame.size, limits, pixel_bytes=pillow_pixel_bytes(frame.mode))
        claim, bilevel, digest = _claimed_dpi(frame, limits), frame.mode == "1", self._stored_sha256()
        factor = _reduction(claim, max(frame.size), bilevel=bilevel, limits=limits)
        bits = self._fax_bits()
        pixels = (
            shrink(from_pillow(frame, channel=channel), factor)
            if bits is None
            else from_bits(bits, frame.width, factor=factor)
        )
        return _finished(pixels, None if claim is None else (claim[0] / factor, claim[1] / factor), digest, limits)

    def _fax_bits(self) -> Bits | None:
        """Of a page of fax data that lies as it is shown, 0 for white; None for any other, which Pillow decodes."""
        tags, (width, height) = self._image.tag_v2, self._image.size
        white, rows = tags.get(262), tags.get(278, height)
        if self._image.mode != "1" or (tags.get(259), tags.get(266, 1), tags.get(274, 1)) != (4, 1, 1) or 273 not in tags:
            return None
        if white not in (0, 1) or not isinstance(rows, int) or rows < 1:
            return None
        try:
            bits = decode_strips(self._stream, self._decoded, width, height, rows=rows)
        finally:
            self._stream.seek(0, os.SEEK_END)  # forgets what it has read ahead: libtiff has moved the place in the file
        return ~bits if white == 1 and bits is not None else bits

    def _stored_sha256(self) -> str:
        """Of the page's strips or tiles as stored, and of the tags that say what they mean; not of dates and names."""
        tags = self._image.tag_v2
        meaning = (256, 257, 258, 259, 262, 266, 274, 277, 284, 292, 293, 317, 320, 338, 347, 530)
        digest = hashlib.sha256(repr([(tag, tags.get(tag)) for tag in meaning]).encode())
        size = self._stream.seek(0, os.SEEK_END)
        left = _OVERLAPS * size  # parts may share their bytes, but not so that a small file stands for a huge one
        try:
            for offsets, counts in ((273, 279), (324, 325)):
                for offset, count in zip(tags.get(offsets, ()), tags.get(counts, ()), strict=False):
                    left -= max(0, min(int(count), size - int(offset)))
                    if left < 0:
                        raise UndecodableError("has a damaged header: its parts lie upon each other")
                    self._stream.seek(offset)
                    digest.update(self._stream.read(count))
        except (OSError, *_ANY_DAMAGE) as error:
            raise UndecodableError("has a damaged header") from error
        return digest.hexdigest()


def _count_directories(stream: BinaryIO, most: int) -> None:
    """Refuse a TIFF of too many pages: each takes time that grows with those before it, and 6 bytes are enough for one."""
    head = stream.read(16)
    order = "<" if head[:2] == b"II" else ">"
    big = head[2:4] in (b"+\0", b"\0+")
    (place,) = struct.unpack(f"{order}Q", head[8:16]) if big else struct.unpack(f"{order}I", head[4:8])
    seen: set[int] = set()
    while place and place not in seen:
        seen.add(place)
        if len(seen) > most:
            raise _TooManyPagesError
        stream.seek(place)
        counted = stream.read(8 if big else 2)
        if len(counted) < (8 if big else 2):
            return
        (entries,) = struct.unpack(f"{order}{'Q' if big else 'H'}", counted)
        stream.seek(place + len(counted) + entries * (20 if big else 12))
        further = stream.read(8 if big else 4)
        if len(further) < (8 if big else 4):
            return
        (place,) = struct.unpack(f"{order}{'Q' if big else 'I'}", further)


class _ImageScan(ScanFile):
    """PNG, BMP, WebP: one page."""

    def __init__(self, path: Path, limits: RasteriseLimits) -> None:
        super().__init__(1)
        self._data = path.read_bytes()
        self._limits = limits
        with Image.open(io.BytesIO(self._data)) as image:
            self._size = image.size
            self._bilevel = image.mode == "1"
            self._pixel_bytes = self._unpacked(image.mode)
            self._claim = _claimed_dpi(image, limits)

    def _unpacked(self, mode: str) -> float:
        return pillow_pixel_bytes(mode)

    def close(self) -> None:
        self._data = b""

    def _decode(self, index: int, channel: str) -> PageImage:  # noqa: ARG002 - there is one
        check_size(*self._size, self._limits, pixel_bytes=self._pixel_bytes)
        pixels, factor = self._pixels(channel)
        claim = None if self._claim is None else (self._claim[0] / factor, self._claim[1] / factor)
        return _finished(pixels, claim, hashlib.sha256(self._data).hexdigest(), self._limits)

    def _pixels(self, channel: str) -> tuple[Gray, int]:
        with Image.open(io.BytesIO(self._data)) as image:
            pixels = from_pillow(image, channel=channel)
        factor = _reduction(self._claim, max(self._size), bilevel=self._bilevel, limits=self._limits)
        return shrink(pixels, factor), factor


class _JpegScan(_ImageScan):
    """JPEG: reduced inside the decoder, which saves most of the time."""

    def _pixels(self, channel: str) -> tuple[Gray, int]:
        factor = _reduction(self._claim, max(self._size), bilevel=False, limits=self._limits)
        most = self._limits.max_jpeg_scans
        return from_jpeg(self._data, factor=factor, channel=channel, exif=True, most_scans=most), factor

    def _unpacked(self, mode: str) -> float:  # noqa: ARG002 - it is decoded to gray, or to three bytes
        return 3
