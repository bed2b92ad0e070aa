"""Pictures of a page's readings as the store keeps them: packed, and unpacked only while somebody looks at them.

Deciding needs all pages of a run, and their numbers are small; their pictures, which are not, are looked at for some pages at a time. So
a page that comes out of the store holds its pictures as they were kept: half of their size for gray scans, a quarter for black and white.
"""

from __future__ import annotations

import json
import math
import threading
import zlib
from typing import Final

import numpy as np
import zstandard
from numpy.typing import NDArray

from scangrade.errors import UsageError
from scangrade.model import Readings, no_cells
from scangrade.settings import STORE

_LEVEL: Final = 1  # Zstandard's: those below leave a fifth more, 3 takes twice as long for next to nothing
_NAMES: Final = ("patches", "blank", "ink_map", "blank_map", "cells", "blank_cells")

Pictures = tuple[NDArray[np.uint8], ...]


def packed(readings: Readings) -> bytes:
    """The pictures of a page's readings, one after the other with their shapes before them; mostly white, so they shrink well."""
    pictures = (
        readings.patches,
        readings.blank,
        readings.ink_map,
        readings.blank_map,
        *((readings.cells, readings.blank_cells) if len(readings.cells) else ()),
    )
    head = json.dumps([picture.shape for picture in pictures]).encode() + b"\n"
    raw = b"".join((head, *(np.ascontiguousarray(picture).tobytes() for picture in pictures)))
    return zstandard.ZstdCompressor(level=_LEVEL).compress(raw)


def _unpacked(data: bytes) -> Pictures:
    """Each picture by itself, so that whoever keeps one keeps no other; UsageError where they are damaged."""
    pictures, start = [], 0
    try:
        raw = (
            zstandard.decompress(data) if data.startswith(zstandard.FRAME_HEADER) else zlib.decompress(data)
        )  # as runs once kept them
        head, _, rest = raw.partition(b"\n")
        for shape in json.loads(head):
            pictures.append(np.frombuffer(rest, np.uint8, math.prod(shape), start).reshape(shape).copy())
            start += math.prod(shape)
    except (zstandard.ZstdError, zlib.error, ValueError) as error:
        raise UsageError(
            f"The run's store is damaged: a page's pictures cannot be unpacked ({error})."
            " Put a copy of the run folder in its place, or grade the scans into another folder."
        ) from error
    return (*pictures, *(no_cells() for _ in range(len(_NAMES) - len(pictures))))


class PackedReadings(Readings):
    """Readings whose pictures are unpacked when they are asked for: their slots stay empty."""

    __slots__ = ("_packed",)
    _packed: bytes

    @classmethod
    def of(cls, values: NDArray[np.float32], data: bytes) -> PackedReadings:
        """Readings with these numbers and these pictures, as `packed` made them."""
        made = object.__new__(cls)
        object.__setattr__(made, "values", values)
        object.__setattr__(made, "_packed", data)
        return made

    def __getattr__(self, name: str) -> NDArray[np.uint8]:
        """A picture: asked of whoever has an empty slot by that name."""
        if name not in _NAMES:
            raise AttributeError(name)
        return _LATELY.pictures(self._packed)[_NAMES.index(name)]


class _LatelyUnpacked:
    """What was looked at last stays unpacked: most pages are looked at several times in a row."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._held: dict[bytes, Pictures] = {}
        self._lock = threading.Lock()  # a review looks at pages from several threads

    def pictures(self, data: bytes) -> Pictures:
        """The pictures that were packed into this."""
        with self._lock:
            found = self._held.pop(data, None)
            if found is None:
                found = _unpacked(data)
                self._bytes += _size(found)
            self._held[data] = found  # the last one now
            while self._bytes > self._most_bytes and len(self._held) > 1:
                self._bytes -= _size(self._held.pop(next(iter(self._held))))
            return found


def _size(pictures: Pictures) -> int:
    return sum(one.nbytes for one in pictures)


_LATELY: Final = _LatelyUnpacked(STORE.unpacked_bytes)
