"""What scan files are told by: their first bytes, since suffixes lie. Nothing is decoded here, and nothing dear imported."""

from __future__ import annotations

import os
from pathlib import Path

SUFFIXES = (".pdf", ".tif", ".tiff", ".jpg", ".jpeg", ".png", ".bmp", ".webp")  #: what to look for in a folder of scans

_PDF_HEADER_WITHIN = 1024  # bytes; mail gateways and scanners put lines before the header, and viewers allow them
_JPEG = b"\xff\xd8\xff"


def looks_like_scan(path: Path) -> bool:
    """Whether a file begins like a scan, whatever its name says; false for one that cannot be read."""
    try:
        head, _ = head_of(path)
    except OSError:
        return False
    return is_pdf(head) or is_tiff(head) or is_image(head)


def head_of(path: Path) -> tuple[bytes, int]:
    """The first bytes of a file, enough to tell what it is, and its size.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with path.open("rb") as stream:
        return stream.read(_PDF_HEADER_WITHIN), os.fstat(stream.fileno()).st_size


def is_pdf(head: bytes) -> bool:
    """Whether a file that begins so is a PDF."""
    return b"%PDF-" in head


def is_tiff(head: bytes) -> bool:
    """Whether it is a TIFF, of either order of bytes, small or big."""
    return head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def is_jpeg(head: bytes) -> bool:
    """Whether it is a JPEG."""
    return head.startswith(_JPEG)


def is_image(head: bytes) -> bool:
    """Whether it is a JPEG, PNG, BMP or WebP."""
    return head.startswith((_JPEG, b"\x89PNG\r\n\x1a\n", b"BM")) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
