"""Pictures of boxes, questions and pages, cut on demand from the scans in processes of their own.

A damaged scan may crash a decoder; that must not take the server with it. Pictures of boxes that people are asked about are cut ahead and
kept in a file beside the run, which may be deleted at any time. Where a scan was moved or changed, there are no pictures: the pages say so,
and decisions are possible all the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import multiprocessing
import os
import signal
import sqlite3
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from scangrade.errors import UsageError
from scangrade.geometry import as_matrix
from scangrade.model import Box, Layout, PageRead, PageSetAside, Reason, Region, Transform
from scangrade.paper.by_hand import read_as
from scangrade.paper.crops import crop_box
from scangrade.paper.rasterise import PageImage, ScanFile, open_scan
from scangrade.paper.read import FormReader
from scangrade.run.intake import content_sha256
from scangrade.settings import REVIEW
from scangrade.workers import end_with_parent

CROPS_NAME: Final = "review-crops.sqlite"

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a page image lies."""

    path: Path
    sha256: str  #: of the scan file
    page: int  #: in it, from 1


@dataclass(frozen=True, slots=True)
class BoxPlace:
    """A box on a page image."""

    box: Box
    transform: Transform
    offset_mm: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded picture."""

    data: bytes
    media: str


@dataclass(frozen=True, slots=True)
class NoPicture:
    """Why there is none."""

    detail: str


# --------------------------------------------------------------------------- in the child process

_scan: tuple[Source, ScanFile] | None = None
_checked: dict[tuple[Path, str], bool] = {}


def _stand_back() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's
    end_with_parent()
    if hasattr(os, "nice"):
        os.nice(REVIEW.picture_niceness)


def _open(source: Source) -> ScanFile | NoPicture:
    global _scan  # noqa: PLW0603 - a process keeps the scan open that it used last
    if _scan is not None and (_scan[0].path, _scan[0].sha256) == (source.path, source.sha256):
        return _scan[1]
    known = (source.path, source.sha256)
    if known not in _checked:
        try:
            _checked[known] = content_sha256(source.path) == source.sha256
        except UsageError:
            return NoPicture(f"{source.path}: is not there any more")
    if not _checked[known]:
        return NoPicture(f"{source.path}: is another file than the one that was read")
    opened = open_scan(source.path)
    if isinstance(opened, PageSetAside):
        return NoPicture(f"{source.path}: {opened.detail}")
    if _scan is not None:
        _scan[1].close()
    _scan = source, opened
    return opened


def _gray(source: Source, channel: str = "") -> PageImage | NoPicture:
    scan = _open(source)
    if isinstance(scan, NoPicture):
        return scan
    image = scan.page(source.page - 1, channel=channel)
    return NoPicture(image.detail) if isinstance(image, PageSetAside) else image


@functools.lru_cache(maxsize=2)
def _colour(source: Source) -> NDArray[np.uint8] | NoPicture:
    """The page in its own colours, blue, green and red as OpenCV has them; gray where it has none."""
    channels = []
    for channel in ("blue", "green", "red"):
        image = _gray(source, channel)
        if isinstance(image, NoPicture):
            return image
        channels.append(image.pixels)
    blue, green, red = channels
    if blue.shape != red.shape or blue.shape != green.shape or (np.array_equal(blue, red) and np.array_equal(blue, green)):
        return green
    return np.dstack(channels)


def cut_boxes(source: Source, places: Sequence[BoxPlace]) -> tuple[bytes, ...] | NoPicture:
    """Boxes of a page with their surroundings, as PNG."""
    image = _gray(source)
    if isinstance(image, NoPicture):
        return image
    made = []
    for place in places:
        crop = crop_box(
            image.pixels,
            place.transform,
            place.box,
            offset_mm=place.offset_mm,
            margin_mm=REVIEW.crop_margin_mm,
            side_px=REVIEW.crop_px,
        )
        made.append(cv2.imencode(".png", crop.pixels)[1].tobytes())
    return tuple(made)


def _strip_scale(region: Region) -> float:
    return min(REVIEW.strip_pixels_per_mm, REVIEW.strip_px / max(region.width_mm, region.height_mm))


def strip_size(region: Region) -> tuple[int, int]:
    """Width and height of the picture of a region, in pixels."""
    scale = _strip_scale(region)
    return max(1, round(region.width_mm * scale)), max(1, round(region.height_mm * scale))


def cut_region(source: Source, transform: Transform, region: Region) -> Picture | NoPicture:
    """A rectangle of a page, upright and in the scan's own colours."""
    pixels = _colour(source)
    if isinstance(pixels, NoPicture):
        return pixels
    scale, size = _strip_scale(region), strip_size(region)
    to_layout = np.array([[1 / scale, 0, region.x_mm + 0.5 / scale], [0, 1 / scale, region.y_mm + 0.5 / scale], [0, 0, 1]])
    seen = cv2.warpPerspective(
        pixels,
        as_matrix(transform) @ to_layout,
        size,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(200.0, 200.0, 200.0),
    )
    return Picture(cv2.imencode(".jpg", seen, [cv2.IMWRITE_JPEG_QUALITY, 88])[1].tobytes(), "image/jpeg")


_TURNS: Final = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


def whole_page(source: Source, rotation: int) -> Picture | NoPicture:
    """A page in its own colours, turned clockwise by quarters, no larger than a screen needs with zoom."""
    pixels = _colour(source)
    if isinstance(pixels, NoPicture):
        return pixels
    factor = min(1.0, REVIEW.page_px / max(pixels.shape[:2]))
    if factor < 1:
        pixels = np.asarray(cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    if rotation in _TURNS:
        pixels = np.asarray(cv2.rotate(pixels, _TURNS[rotation]), dtype=np.uint8)
    return Picture(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 82])[1].tobytes(), "image/jpeg")


def page_size(source: Source) -> tuple[int, int] | NoPicture:
    """Width and height of a page image as stored, in pixels."""
    image = _gray(source)
    return image if isinstance(image, NoPicture) else (image.pixels.shape[1], image.pixels.shape[0])


_forms: dict[str, FormReader] = {}


def read_page_as(
    source: Source, layout: Layout, layout_sha256: str, page: int, corners: tuple[tuple[float, float], ...]
) -> PageRead | PageSetAside:
    """Read a page as a person says; see `paper/by_hand.py`."""
    scan = _open(source)
    if isinstance(scan, NoPicture):
        return PageSetAside(Reason.UNREADABLE_FILE, scan.detail)
    image = scan.page(source.page - 1, channel=layout.dropout)
    if isinstance(image, PageSetAside):
        return image
    if layout_sha256 not in _forms:
        _forms[layout_sha256] = FormReader(layout)
    return read_as(image, _forms[layout_sha256], page=page, corners=corners)


# --------------------------------------------------------------------------- in the server


class Pictures:
    """Cuts pictures in child processes, and keeps those of boxes.

    Parameters
    ----------
    folder : Path
        The run folder.
    """

    def __init__(self, folder: Path) -> None:
        self._pool: ProcessPoolExecutor | None = None
        self._db = sqlite3.connect(folder / CROPS_NAME, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = OFF")  # a copy: what a power cut takes is cut again
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS crops (image TEXT, number INTEGER, made TEXT, picture BLOB, PRIMARY KEY (image, number, made))"
        )
        self._made = f"{REVIEW.crop_px}/{REVIEW.crop_margin_mm}"
        self._under_way: dict[str, asyncio.Task[None]] = {}

    async def run(self, do: Callable[..., R], *arguments: object) -> R | NoPicture:
        """Do something in a child process; a process that dies costs this one picture."""
        for _ in range(2):
            if self._pool is None:
                self._pool = ProcessPoolExecutor(
                    REVIEW.picture_processes, mp_context=multiprocessing.get_context("spawn"), initializer=_stand_back
                )
            try:
                return await asyncio.get_running_loop().run_in_executor(self._pool, functools.partial(do, *arguments))
            except BrokenProcessPool:
                self._pool = None
        return NoPicture("the program that cuts pictures died twice over this scan")

    def kept(self, image: str, number: int) -> bytes | None:
        """A box' picture, if it was cut already."""
        row = self._db.execute(
            "SELECT picture FROM crops WHERE image = ? AND number = ? AND made = ?", (image, number, self._made)
        ).fetchone()
        return bytes(row[0]) if row else None

    def missing(self, boxes: Collection[tuple[str, int]]) -> set[tuple[str, int]]:
        """Those boxes, each named by its image and number, of which no picture is kept yet."""
        kept = set(self._db.execute("SELECT image, number FROM crops WHERE made = ?", (self._made,)).fetchall())
        return set(boxes) - kept

    async def box(self, image: str, number: int, source: Source, places: dict[int, BoxPlace]) -> bytes | NoPicture:
        """A box' picture; those of the other places on its page are cut with it and kept.

        Parameters
        ----------
        image : str
            `page_key` of the page image.
        number : int
            The box: a key of `places`.
        source : Source
        places : dict of int to BoxPlace
            All boxes of the page that may be asked for soon.
        """
        waiting = self._under_way.get(image)
        if waiting is not None:
            await asyncio.shield(waiting)
        picture = self.kept(image, number)
        if picture is not None:
            return picture
        failed: list[NoPicture] = []
        task = asyncio.ensure_future(self._cut(image, source, places, failed))
        self._under_way[image] = task
        try:
            await asyncio.shield(task)
        finally:
            self._under_way.pop(image, None)
        return failed[0] if failed else (self.kept(image, number) or NoPicture("there is no such box"))

    async def _cut(self, image: str, source: Source, places: dict[int, BoxPlace], failed: list[NoPicture]) -> None:
        made = await self.run(cut_boxes, source, tuple(places.values()))
        if isinstance(made, NoPicture):
            failed.append(made)
            return
        self._db.executemany(
            "INSERT OR REPLACE INTO crops VALUES (?, ?, ?, ?)",
            [(image, number, self._made, picture) for number, picture in zip(places, made, strict=True)],
        )

    def close(self) -> None:
        """Stop the child processes and close the file."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        with contextlib.suppress(sqlite3.Error):
            self._db.close()
