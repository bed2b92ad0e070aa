"""Black and white pixels out of fax data: CCITT groups 3 and 4 (ITU-T T.4 and T.6), as scanners store pages of one bit.

The decoder is libtiff, which Pillow brings along. Pillow makes a byte of each bit, twice, which takes longer than decoding, and
silences what libtiff only warns of: rows that are too long, and data that ends too early. So libtiff is called without Pillow in
between, where its functions can be found, and fills the bits straight into our memory.
"""

from __future__ import annotations

import ctypes
import io
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import IO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, _imaging

from scangrade.paper.pixels import Gray, UndecodableError, from_pillow, scratch

Bits = NDArray[np.uint8]  #: (H, (W + 7) // 8): eight pixels a byte, leftmost in the highest bit

_END_OF_BLOCK = 0x001001
_PADDING = 4  # bytes: the end-of-block code itself, and filling up the last byte
_FAILED = -1
_HEARD = 1  # what a handler answers so that the complaint is not written to standard error as well
_ODD_ROW = "a row of another width, or missing"

# The last argument holds the values that the text has places for. How is each processor's own business, so they are left alone.
_Handler = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p)


def decode_fax(data: bytes, width: int, height: int, *, k: int) -> Bits:
    """Decode an image's data, without any container; 0 is white.

    Parameters
    ----------
    data : bytes
    width, height : int
        Pixels. The caller has made sure that so many fit into memory.
    k : int
        As PDF has it: below 0 for group 4, 0 for group 3 with rows of their own, above 0 for group 3 with rows that build on others.
        Group 3 must have marks at the ends of rows.

    Raises
    ------
    UndecodableError
        Where the data is damaged or ends too early, even if a part of the picture could be saved.
    """
    tiff = fax_as_tiff(data, width, height, compression=4 if k < 0 else 3, two_dimensional=k > 0)
    with scratch() as file:
        file.write(tiff)
        file.flush()
        bits = decode_strips(file, 0, width, height, rows=height)
    if bits is not None:
        return bits
    with Image.open(io.BytesIO(tiff), formats=["TIFF"]) as image:
        white = from_pillow(image, channel="")
    if k < 0 and not _says_end(data) and len(data) + _PADDING < _fax_length(white):
        raise UndecodableError("is broken off")
    return np.packbits(white == 0, axis=1)


def decode_strips(file: IO[bytes], page: int, width: int, height: int, *, rows: int) -> Bits | None:
    """Decode a bilevel page of a TIFF that is stored in strips of fax data.

    Parameters
    ----------
    file : file
        Read from its beginning, and left anywhere.
    page : int
        From 0.
    width, height : int
        Pixels. The caller has made sure that so many fit into memory.
    rows : int
        Of each strip but the last.

    Returns
    -------
    (height, (width + 7) // 8) uint8 or None
        Bits as they are stored, whatever they mean; None where libtiff cannot be called, or does not find such a page.

    Raises
    ------
    UndecodableError
        Where the data is damaged or ends too early, even if a part of the picture could be saved.
    """
    library = _libtiff()
    if library is None:
        return None
    bits: Bits = np.zeros((height, (width + 7) // 8), np.uint8)  # what the data does not hold stays as it is
    complaints: list[str] = []

    def hear(_tiff: int, _ours: int, module: bytes | None, text: bytes | None, _values: int) -> int:
        if module and text and module.startswith(b"Fax") and not complaints:  # damaged data has thousands
            said = text.decode(errors="replace").partition(" at line ")[0].replace("%s", _ODD_ROW)
            complaints.append(f"{module.decode(errors='replace')}: {said}")
        return _HEARD

    with _opened(library, file, _Handler(hear)) as tiff:
        if not tiff or not library.TIFFSetDirectory(tiff, page) or library.TIFFStripSize(tiff) != bits[:rows].nbytes:
            return None
        for strip, top in enumerate(range(0, height, rows)):
            part = bits[top : top + rows]
            if library.TIFFReadEncodedStrip(tiff, strip, part.ctypes.data, part.nbytes) == _FAILED or complaints:
                break
        else:
            return bits
    broken_off = not complaints or complaints[0].endswith("Premature EOF")
    raise UndecodableError("is broken off" if broken_off else f"is damaged ({complaints[0]})")


@contextmanager
def _opened(library: ctypes.CDLL, file: IO[bytes], handler: ctypes._FuncPointer) -> Iterator[int | None]:
    """Let libtiff open a file, and tell `handler` of everything it complains of; None where the file has no proper header.

    Until it is closed, libtiff needs `handler`, of which it takes only the address: our argument keeps it alive as long.
    """
    descriptor = os.dup(file.fileno())  # closed with the TIFF
    os.lseek(descriptor, 0, os.SEEK_SET)
    options = library.TIFFOpenOptionsAlloc()
    library.TIFFOpenOptionsSetErrorHandlerExtR(options, handler, None)
    library.TIFFOpenOptionsSetWarningHandlerExtR(options, handler, None)
    read_unmapped = b"rm"  # mapped into memory, a file that another program cuts meanwhile would end the process
    tiff = library.TIFFFdOpenExt(descriptor, b"fax", read_unmapped, options)
    library.TIFFOpenOptionsFree(options)
    if not tiff:
        os.close(descriptor)
    try:
        yield tiff
    finally:
        if tiff:
            library.TIFFClose(tiff)


@cache
def _libtiff() -> ctypes.CDLL | None:
    """The library that Pillow itself decodes with; None where it cannot be called: built into Pillow, or older than 4.5.

    A symbol is looked for in the library it is asked of, and in those that this one is linked with: so whether Pillow brought its
    own libtiff along or uses the system's, and where that lies, need not be known.
    """
    pointer = ctypes.c_void_p
    try:
        library = ctypes.CDLL(_imaging.__file__)
        for function, result, arguments in (
            (library.TIFFOpenOptionsAlloc, pointer, ()),
            (library.TIFFOpenOptionsSetErrorHandlerExtR, None, (pointer, _Handler, pointer)),
            (library.TIFFOpenOptionsSetWarningHandlerExtR, None, (pointer, _Handler, pointer)),
            (library.TIFFOpenOptionsFree, None, (pointer,)),
            (library.TIFFFdOpenExt, pointer, (ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p, pointer)),
            (library.TIFFSetDirectory, ctypes.c_int, (pointer, ctypes.c_uint32)),
            (library.TIFFStripSize, ctypes.c_ssize_t, (pointer,)),
            (library.TIFFReadEncodedStrip, ctypes.c_ssize_t, (pointer, ctypes.c_uint32, pointer, ctypes.c_ssize_t)),
            (library.TIFFClose, None, (pointer,)),
        ):
            function.restype = result
            function.argtypes = arguments
    except (OSError, AttributeError):
        return None
    return library


def _says_end(data: bytes) -> bool:
    """Whether group 4 data closes with its end-of-block code, wherever in the last bytes; many scanners leave it out."""
    tail = int.from_bytes(data[-8:], "big")
    return any((tail >> shift) & 0xFFFFFF == _END_OF_BLOCK for shift in range(40))


def _fax_length(white: Gray) -> int:
    """Bytes of the picture as group 4 data.

    There is one way only to write it, so data that broke off is shorter: Pillow silently makes the missing rows white.
    """
    stream = io.BytesIO()
    bits = Image.fromarray(cv2.bitwise_not(white)).convert("1")  # Pillow's 0 is what the encoder takes for white
    bits.save(stream, "TIFF", compression="group4", tiffinfo={278: bits.height})
    with Image.open(stream) as image:
        return sum(image.tag_v2[279])  # type: ignore[attr-defined]


def fax_as_tiff(data: bytes, width: int, height: int, *, compression: int = 4, two_dimensional: bool = False) -> bytes:
    """A one-strip bilevel TIFF around fax data in which 0 is white."""
    short, long = 3, 4
    entries = [
        (256, long, width),
        (257, long, height),
        (258, short, 1),
        (259, short, compression),
        (262, short, 0),
        (273, long, 0),
        (278, long, height),
        (279, long, len(data)),
        (292, long, int(two_dimensional)),
    ]
    if compression == 4:
        entries.pop()
    start = 8 + 2 + 12 * len(entries) + 4
    directory = b"".join(
        struct.pack("<HHI", tag, kind, 1)
        + struct.pack("<HH" if kind == short else "<I", *((value, 0) if kind == short else (value,)))
        for tag, kind, value in ((tag, kind, start if tag == 273 else value) for tag, kind, value in entries)
    )
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + directory + struct.pack("<I", 0) + data
