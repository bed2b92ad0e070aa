"""Grey pixels of a page, from whatever a scanner stored: colour, 16 bits, one bit, a palette, transparency.

The decoders that OpenCV and Pillow bring along write complaints to the process' standard error and go on: a JPEG with a hole
in its data comes back with its lower half smeared. So decoding happens under `codec_complaints`, which keeps the terminal
clean and tells the caller that the picture is not to be trusted.
"""

from __future__ import annotations

import functools
import os
import re
import struct
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from scangrade.settings import RasteriseLimits

Gray = NDArray[np.uint8]

#: Dropout colours, and where OpenCV keeps them in a colour image.
_BGR = {"blue": 0, "green": 1, "red": 2}

_REDUCED_GRAY = {
    1: cv2.IMREAD_GRAYSCALE,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
}
_REDUCED_COLOR = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}

_MARKER = 0xFF
_START_OF_SCAN = b"\xff\xda"
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # these three are tables
_SEQUENTIAL_FRAMES = (0xC0, 0xC1)
_WITHOUT_LENGTH = frozenset((0x00, 0x01, *range(0xD0, 0xDA), 0xFF))  # restarts, start and end among them

_DPI_SLACK = 0.1  # PNG counts dots per metre, page sizes are rounded: 300 dpi comes as 299.9994
_ROWS_AT_ONCE = 120  # of a black and white page, unpacked: 300 kB at 300 dpi
_SQUARE_ENOUGH = 1.03  # registration takes print scales from 0.94 to 1.03, and this much stretch in one direction

# The codecs report damage as text only. Scanners commonly leave a stray byte or two before a JPEG's end marker, which costs no
# pixel; a hole in the data leaves dozens, since the decoder gets out of step.
_CODEC_LINE = re.compile(rb"(Corrupt JPEG data|Premature end|Fax[34]|libpng|TIFF|LZW|ZIP|PackBits|\[ ?(WARN|ERROR|INFO):)")
_DAMAGE_LINE = re.compile(
    rb"(Corrupt JPEG data: (?!\d extraneous bytes before marker 0xd9)|Premature end|Fax[34]Decode|libpng error)"
)


class UndecodableError(Exception):
    """An image's data cannot be turned into pixels that one can trust; the message completes "its image ..."."""


class TooLargeError(UndecodableError):
    """An image has more pixels than a page can have."""

    def __init__(self, width: int, height: int, most: float) -> None:
        super().__init__(
            f"has {width} x {height} pixels, more than the {most / 1e6:.3g} million that a page of its kind can have"
        )


@dataclass(frozen=True, slots=True, eq=False)
class PageImage:
    """One side of paper.

    `pixels` is (H, W) uint8 grey, 0 black to 255 white, turned as the file says it should be shown. `dpi` is the resolution
    of these pixels as the file claims it, None where it makes no claim. `sha256` names the stored image: the same however far
    it is reduced while decoding.
    """

    pixels: Gray
    dpi: float | None
    sha256: str


@dataclass(slots=True)
class Complaints:
    """What the codecs said while an image was decoded."""

    damage: str = ""  #: the first complaint that puts the pixels in doubt, "" for none


@contextmanager
def codec_complaints() -> Iterator[Complaints]:
    """Catch what native codecs write to standard error meanwhile; lines that are not theirs are passed on afterwards.

    A process has one standard error, so threads wait for each other here.
    """
    complaints = Complaints()
    with _CATCHING:
        try:
            kept = os.dup(2)
        except OSError:  # a process without a standard error, such as a service
            yield complaints
            return
        sys.stderr.flush()
        caught = _complaints_file().fileno()
        start = os.lseek(caught, 0, os.SEEK_CUR)
        os.dup2(caught, 2)
        try:
            yield complaints
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            for line in _taken_from(caught, start):
                if not _CODEC_LINE.match(line):
                    os.write(2, line)
                elif not complaints.damage and _DAMAGE_LINE.match(line):
                    complaints.damage = line.decode(errors="replace").strip()


_CATCHING = threading.RLock()


def scratch() -> IO[bytes]:
    """A nameless file; in memory where the system has such, so that a full disk costs no page."""
    if sys.platform.startswith("linux"):
        return os.fdopen(os.memfd_create("scratch"), "w+b")
    return tempfile.TemporaryFile()


@functools.cache
def _complaints_file() -> IO[bytes]:
    """Where complaints are caught: one file for all images, since to make one takes as long as all else about it."""
    return scratch()


def _taken_from(file: int, start: int) -> list[bytes]:
    """The lines of a file from there to its current place; it ends there afterwards."""
    written = os.lseek(file, 0, os.SEEK_CUR) - start
    if not written:
        return []
    os.lseek(file, start, os.SEEK_SET)
    lines = os.read(file, written).splitlines(keepends=True)
    os.lseek(file, start, os.SEEK_SET)
    os.ftruncate(file, start)
    return lines


def page_reduction(dpi: float | None, longer_px: int, *, bilevel: bool, limits: RasteriseLimits) -> int:
    """By how much a page is reduced so that enough resolution is left: 1, 2, 4 or 8; 1 to 6 for one bit per pixel."""
    if dpi is None:
        return 1
    choices, least = ((6, 5, 4, 3, 2), limits.least_bilevel_dpi) if bilevel else ((8, 4, 2), limits.least_gray_dpi)
    return next(
        (factor for factor in choices if dpi / factor >= least - _DPI_SLACK and longer_px / factor >= limits.least_longer_px),
        1,
    )


def check_size(width: int, height: int, limits: RasteriseLimits, *, pixel_bytes: float = 1) -> None:
    """Refuse an image by what its header says, before anything is decoded.

    Parameters
    ----------
    width, height : int
        Pixels.
    limits : RasteriseLimits
    pixel_bytes : float
        What one pixel takes, unpacked.

    Raises
    ------
    TooLargeError
        Where the image has more pixels, or takes more memory, than a page can.
    """
    most = min(limits.max_pixels, limits.max_bytes / pixel_bytes)
    if width * height > most:
        raise TooLargeError(width, height, most)


def pillow_pixel_bytes(mode: str) -> float:
    """What one pixel of an image of Pillow's takes, unpacked; more where a copy is needed to lay it on paper, or to convert it."""
    return {"RGBA": 6, "RGBa": 6, "LA": 6, "La": 6, "PA": 6, "CMYK": 4, "I": 8, "F": 8}.get(
        mode, 4 if mode.startswith("I") else 3
    )


def from_jpeg(data: bytes, *, factor: int, channel: str, exif: bool, most_scans: int, head: JpegHead | None = None) -> Gray:
    """Decode a JPEG to grey.

    Parameters
    ----------
    data : bytes
        A whole JPEG file.
    factor : {1, 2, 4, 8}
        Reduction of both sides, done inside the decoder where it saves time.
    channel : {"", "red", "green", "blue"}
        Which light to look at; "" for brightness.
    exif : bool
        Turn as the EXIF orientation says. An image inside a PDF is shown without.
    most_scans : int
        Passes of a progressive JPEG.
    head : JpegHead, optional
        Of this file, where it was read already.

    Raises
    ------
    UndecodableError
        Where the data is damaged, even if a part of the picture could be saved.
    """
    head = head or jpeg_head(data)
    # looking for more passes costs a tenth of decoding
    if (head is None or not head.one_pass) and data.count(_START_OF_SCAN) > most_scans:
        raise UndecodableError("has more passes than an encoder makes")
    flags = (_REDUCED_COLOR if channel else _REDUCED_GRAY)[factor]
    if not exif:
        flags |= cv2.IMREAD_IGNORE_ORIENTATION
    with codec_complaints() as complaints:
        try:
            decoded = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        except cv2.error as error:
            raise UndecodableError("cannot be decoded as a JPEG") from error
    if decoded is None:
        raise UndecodableError("is broken off, or is not a JPEG")
    if complaints.damage:
        raise UndecodableError(f"is damaged ({complaints.damage})")
    return np.ascontiguousarray(decoded[:, :, _BGR[channel]]) if channel else decoded.astype(np.uint8, copy=False)


@dataclass(frozen=True, slots=True)
class JpegHead:
    """What a JPEG says of itself before its data."""

    width: int
    height: int
    bits: int  #: per channel
    channels: int
    one_pass: bool  #: whether the first pass is the only one, as scanners store it


def jpeg_head(data: bytes) -> JpegHead | None:
    """Read a JPEG's head up to its first pass, as tolerantly as decoders do; None where it has none.

    The first pass is the only one where the coding is not progressive and it holds all channels: a decoder then takes another one for
    an error.
    """
    if not data.startswith(b"\xff\xd8\xff"):
        return None
    frame: tuple[int, int, int, int, int] | None = None
    place = 2
    while (place := data.find(_MARKER, place)) >= 0 and place + 10 <= len(data):
        kind, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        if kind in _WITHOUT_LENGTH:
            place += 1 if kind == _MARKER else 2  # one more of these bytes is filling
            continue
        if kind in _FRAMES:
            frame = (kind, *struct.unpack(">BHHB", data[place + 4 : place + 10]))
        elif kind == _START_OF_SCAN[1]:
            if frame is None:
                return None
            coding, bits, height, width, channels = frame
            return JpegHead(width, height, bits, channels, coding in _SEQUENTIAL_FRAMES and 0 < channels == data[place + 4])
        place += 2 + length
    return None


def from_pillow(image: Image.Image, *, channel: str) -> Gray:
    """Decode an image that Pillow has opened to grey; transparency is laid on white, EXIF and TIFF orientation are applied.

    Raises
    ------
    UndecodableError
        Where the data is damaged or of a kind that is not a picture (floating point, for one).
    """
    white_is_zero = _white_is_zero(image)
    with codec_complaints() as complaints:
        try:
            image.load()
            ImageOps.exif_transpose(image, in_place=True)  # a page of 600 dpi is too large to be copied for nothing
        except (OSError, ValueError, SyntaxError, EOFError, ArithmeticError, TypeError, KeyError, IndexError) as error:
            raise UndecodableError(f"cannot be decoded ({error})") from error
        except MemoryError as error:
            raise UndecodableError("does not fit into memory") from error
    if complaints.damage:
        raise UndecodableError(f"is damaged ({complaints.damage})")
    return _gray(image, channel, white_is_zero=white_is_zero)


def _white_is_zero(image: Image.Image) -> bool:
    """Whether a TIFF of more than 8 bits counts from white: Pillow turns only the smaller ones."""
    photometric = 262
    tags = getattr(image, "tag_v2", None)
    return image.mode.startswith("I") and tags is not None and tags.get(photometric) == 0


def _gray(image: Image.Image, channel: str, *, white_is_zero: bool) -> Gray:
    if image.mode.startswith("I"):
        wide = np.asarray(image)
        if image.mode == "I" and wide.size and wide.max() > 0xFFFF:
            raise UndecodableError("has more than 16 bits per pixel")
        deep: Gray = (np.maximum(wide, 0) >> 8).astype(np.uint8)
        return cv2.bitwise_not(deep).astype(np.uint8, copy=False) if white_is_zero else deep
    if image.mode == "F":
        raise UndecodableError("has floating point pixels, which no scanner writes")
    if image.mode == "1":  # straight to bytes: a gray image in between costs a third of decoding
        return np.frombuffer(image.tobytes("raw", "L"), np.uint8).reshape(image.height, image.width)
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        see_through = image if image.mode == "RGBA" else image.convert("RGBA")
        image = Image.new("RGB", see_through.size, "white")
        image.paste(see_through, mask=see_through.getchannel("A"))
    if channel and image.mode != "L":
        return np.array(image.convert("RGB").getchannel({"red": "R", "green": "G", "blue": "B"}[channel]))
    return np.array(image.convert("L"))


def from_bits(bits: NDArray[np.uint8], width: int, *, factor: int) -> Gray:
    """Grey of packed bits, as `shrink` makes it of them unpacked; some rows at a time, which stay in a processor's cache.

    Parameters
    ----------
    bits : (H, (W + 7) // 8) uint8
        Eight pixels a byte, leftmost in the highest bit; 0 is white.
    width : int
        W, in pixels.
    factor : int
        Pixels, across and down, of which one is made.
    """
    height = len(bits)
    if min(height, width) < factor:
        factor = 1
    step = factor * (_ROWS_AT_ONCE // factor)
    gray: Gray = np.empty((height // factor, width // factor), np.uint8)
    for top in range(0, height // factor * factor, step):
        pixels: Gray = np.unpackbits(bits[top : top + step], axis=1, count=width)
        pixels -= 1  # 0 becomes 255
        gray[top // factor : (top + step) // factor] = shrink(pixels, factor)
    return gray


def shrink(pixels: Gray, factor: int) -> Gray:
    """Average `factor` x `factor` pixels into one; rows and columns left over on the far side are dropped."""
    if factor == 1 or min(pixels.shape) < factor:
        return pixels
    height, width = pixels.shape[0] // factor, pixels.shape[1] // factor
    whole = pixels[: height * factor, : width * factor]
    return cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def squared(pixels: Gray, dpi_across: float, dpi_down: float, limits: RasteriseLimits) -> tuple[Gray, float]:
    """Make pixels square by stretching the coarser direction (fax machines scan 204 x 98 dpi); gives their dpi as well.

    Raises
    ------
    TooLargeError
        Where that would make more pixels than a page can have.
    """
    across, down = stretches(dpi_across, dpi_down)
    if across == down == 1:
        return pixels, (dpi_across * dpi_down) ** 0.5
    size = (round(pixels.shape[1] * across), round(pixels.shape[0] * down))
    check_size(*size, limits)
    dpi = max(dpi_across, dpi_down)
    return cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False), dpi


def stretches(dpi_across: float, dpi_down: float) -> tuple[float, float]:
    """By how much `squared` makes pixels wider and higher: 1 and 1 where they are square enough."""
    greater, less = max(dpi_across, dpi_down), min(dpi_across, dpi_down)
    return (1.0, 1.0) if greater <= _SQUARE_ENOUGH * less else (greater / dpi_across, greater / dpi_down)


def from_rgb(pixels: NDArray[np.uint8], *, channel: str) -> Gray:
    """Grey, or one channel, of an (H, W, 3) RGB array."""
    if channel:
        return np.ascontiguousarray(pixels[:, :, 2 - _BGR[channel]])
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
