"""Small pictures of boxes, cut out of a page in layout millimetres, as darkness against the paper around them.

Only these patches are ever resampled, never the page: a page has a hundred boxes, and together they cover a few percent of it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, overload

import cv2
import numpy as np
from numpy.typing import NDArray

from scangrade.model import Box, Shape

_ENOUGH_PIXELS = 60_000  # of a page, to tell how black it is: 180 of them are as dark or darker
_PAPER_CELL_MM = 1.5
_REMAP_ROWS = 30_000  # OpenCV's remap takes pictures of less than 32,767 rows


#: A part of an image in whole pixels: x0, y0, x1, y1, of which the last two are outside.
Window = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class PageInk:
    """A page's gray values with what is needed to turn them into darkness.

    `paper` is the brightness of bare paper all over the page, one value for some square millimetres: it covers the same area as
    `gray` in much fewer pixels. `contrast` is how much darker than the paper this page's print is, as a share of the paper's
    brightness, so that a darkness of 1 is the blackest that this scanner gives.
    """

    gray: NDArray[np.uint8]
    paper: NDArray[np.uint8]
    contrast: float

    @functools.cached_property
    def half(self) -> PageInk:
        """The same page with half the resolution."""
        return PageInk(halve(self.gray, 1), self.paper, self.contrast)

    @functools.cached_property
    def fine_paper(self) -> NDArray[np.float32]:
        """The paper's brightness, to be looked up between its values."""
        return self.paper.astype(np.float32)

    def halved(self, times: int) -> PageInk:
        """The same page with half the resolution, so many times."""
        return self.half.halved(times - 1) if times else self

    def below(self, level: float) -> NDArray[np.uint8]:
        """255 where the page is darker than `level`, a share of the paper's brightness from 0 to 1; else 0."""
        height, width = self.gray.shape
        bound = cv2.resize(cv2.convertScaleAbs(self.paper, alpha=level), (width, height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(cv2.compare(self.gray, bound, cv2.CMP_LT), dtype=np.uint8)

    def below_in(self, windows: Sequence[Window], level: float, times: int) -> list[NDArray[np.uint8]]:
        """The same for windows of the page at half the resolution so many times: a page is not reduced for the sake of a few windows.

        The paper's brightness is that of whole cells, up to half a pixel from where it was seen.
        """
        factor, (height, width) = 2**times, self.gray.shape
        across, down = (cells * factor / pixels for cells, pixels in zip(self.paper.shape[::-1], (width, height), strict=True))
        bound = cv2.convertScaleAbs(self.paper, alpha=level)
        seen = []
        for x0, y0, x1, y1 in windows:
            gray = halve(self.gray[y0 * factor : y1 * factor, x0 * factor : x1 * factor], times)
            left, top = int(x0 * across), int(y0 * down)
            cells = bound[top : math.ceil(y1 * down), left : math.ceil(x1 * across)]
            wide, high = max(x1 - x0, round(cells.shape[1] / across)), max(y1 - y0, round(cells.shape[0] / down))
            column, row = min(round(x0 - left / across), wide - (x1 - x0)), min(round(y0 - top / down), high - (y1 - y0))
            near = cv2.resize(cells, (wide, high), interpolation=cv2.INTER_LINEAR)[
                row : row + y1 - y0, column : column + x1 - x0
            ]
            seen.append(np.asarray(cv2.compare(gray, near, cv2.CMP_LT), dtype=np.uint8))
        return seen


@dataclass(frozen=True, slots=True)
class BoxGeometry:
    """What boxes must share to be cut out together; millimetres."""

    width_mm: float
    height_mm: float
    frame_mm: float
    shape: Shape


def halve(gray: NDArray[np.uint8], times: int) -> NDArray[np.uint8]:
    """Average 2 x 2 pixels into one, so many times; a last odd row or column is dropped. A tenth of the cost of other factors."""
    for _ in range(times):
        height, width = gray.shape[0] // 2, gray.shape[1] // 2
        gray = np.asarray(
            cv2.resize(gray[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8
        )
    return gray


def page_ink(gray: NDArray[np.uint8], scale: float, *, least_contrast: float) -> PageInk:
    """Find how bright paper and how black black is on this page: the latter from its darkest three in a thousand pixels.

    Parameters
    ----------
    gray : (H, W) uint8 array
    scale : float
        Pixels per millimetre, roughly.
    least_contrast : float
        Of black to paper, that is believed.
    """
    cell = max(1.0, _PAPER_CELL_MM * scale)
    # Some rows tell as much as all of them. Every second or fourth would always be the same ones of a JPEG's blocks.
    paper = _paper_brightness(_every(gray, max(1, (int(cell / 2) - 1) | 1)), gray.shape, cell)
    rows = _every(gray, 7)
    sample = np.ascontiguousarray(rows[:, :: max(1, (rows.size // _ENOUGH_PIXELS - 1) | 1)])
    bright = cv2.resize(paper, (sample.shape[1], sample.shape[0]), interpolation=cv2.INTER_LINEAR)
    levels = cv2.divide(sample, np.maximum(bright, 1), scale=255)
    counts = cv2.calcHist([levels], [0], None, [256], [0, 256]).ravel()
    darkest = np.cumsum(counts)
    wanted = 0.003 * sample.size
    level = int(np.searchsorted(darkest, wanted))
    # levels are rounded: within one, pixels are taken to be spread evenly
    black = max(0.0, level + 0.5 - (float(darkest[level]) - wanted) / float(counts[level]))
    return PageInk(gray, paper, min(max(1.0 - black / 255, least_contrast), 1.0))


def _every(gray: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    """One of so many rows of an image; all of them where it has not even so many."""
    return gray[step // 2 :: step] if len(gray) > step else gray


def _paper_brightness(thinned: NDArray[np.uint8], shape: tuple[int, ...], cell: float) -> NDArray[np.uint8]:
    """Brightness of the bare paper all over a page of this shape, of which some rows are given.

    Cells of so many pixels that cover the page: the brightest of a few millimetres, smoothed. Ink thinner than that does not darken it.
    """
    height, width = shape
    times = min(int(math.log2(max(1.0, cell * len(thinned) / height))), int(math.log2(max(1, min(thinned.shape)))))
    size = max(1, round(width / cell)), max(1, round(height / cell))
    small = cv2.resize(halve(thinned, times), size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.blur(cv2.dilate(small, np.ones((7, 7), np.uint8)), (5, 5)), dtype=np.uint8)


class PageBoxes(Sequence[Box]):
    """Boxes of a page, with what is the same on every scan of it: worked out once, since it takes a tenth of reading a page."""

    def __init__(self, boxes: Sequence[Box]) -> None:
        self._boxes = tuple(boxes)

    @classmethod
    def of(cls, boxes: Sequence[Box]) -> PageBoxes:
        """These boxes; themselves where they are such already."""
        return boxes if isinstance(boxes, cls) else cls(boxes)

    @overload
    def __getitem__(self, index: int) -> Box: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Box, ...]: ...
    def __getitem__(self, index: int | slice) -> Box | tuple[Box, ...]:
        """As of a tuple."""
        return self._boxes[index]

    def __len__(self) -> int:
        return len(self._boxes)

    def __iter__(self) -> Iterator[Box]:
        return iter(self._boxes)

    @functools.cached_property
    def centres(self) -> NDArray[np.float64]:
        """(N, 2) centres in layout mm."""
        return np.array([(box.x_mm, box.y_mm) for box in self._boxes], dtype=np.float64).reshape(-1, 2)

    @functools.cached_property
    def plane(self) -> NDArray[np.float64]:
        """(N, 3): ones, and how far right and down of their middle boxes are, as shares of their extent (1 mm at least)."""
        if not len(self._boxes):
            return np.empty((0, 3))
        off = self.centres - self.centres.mean(axis=0)
        return np.column_stack([np.ones(len(off)), off / np.maximum(np.ptp(off, axis=0), 1.0)])

    @functools.cached_property
    def groups(self) -> tuple[tuple[BoxGeometry, NDArray[np.intp]], ...]:
        """Boxes of one size and shape together, as positions."""
        groups: dict[BoxGeometry, list[int]] = {}
        for position, box in enumerate(self._boxes):
            groups.setdefault(BoxGeometry(box.width_mm, box.height_mm, box.frame_mm, box.shape), []).append(position)
        return tuple((geometry, np.array(members)) for geometry, members in groups.items())


@dataclass(frozen=True, eq=False)
class Samples:
    """Gray values of a page around points of the layout, a patch for each, and where they were taken."""

    ink: PageInk
    at: NDArray[np.float32]  #: (N, 2) the points, in pixels of the page
    slope: NDArray[np.float32]  #: (N, 2, 2) pixels per layout millimetre there
    x_mm: NDArray[np.float32]  #: (W,) columns of a patch, from its point
    y_mm: NDArray[np.float32]  #: (H,) rows
    pixels: NDArray[np.uint8]  #: (N, H, W)
    whole: NDArray[np.bool_]  #: (N,) whether a patch lies inside the page

    def only(self, some: NDArray[np.bool_] | slice) -> Samples:
        """Some of the patches."""
        return replace(self, at=self.at[some], slope=self.slope[some], pixels=self.pixels[some], whole=self.whole[some])

    def paper(self) -> NDArray[np.float32]:
        """(N,) brightness of bare paper in the middle of each patch, 1 or more."""
        return np.maximum(_paper_along(self.ink, self.at[:, :, None])[:, 0], 1)

    def darkness(self) -> NDArray[np.float32]:
        """(N, H, W): 0 bare paper to 1 the page's black, below 0 where noise is brighter than paper; NaN outside the page."""
        dark = self.pixels.astype(np.float32)
        _darkness(dark, *self._paper_lines, self.ink.contrast)
        np.clip(dark, np.float32(-1.0), np.float32(1.0), out=dark)
        for k in np.flatnonzero(~self.whole).tolist():
            dark[k][self._outside(k)] = np.nan
        return dark

    def pictures(self, side: int, rows: slice, columns: slice) -> NDArray[np.uint8]:
        """The patches, or a part of each around its point, as small pictures.

        Parameters
        ----------
        side : int
            Of a picture, in pixels.
        rows, columns : slice
            The part: a multiple of `side` either way.

        Returns
        -------
        (N, side, side) uint8 array
            Darkness, 0 paper to 255 the page's black; 0 outside the page. The mean of some samples each: strokes are thinner than a
            pixel.
        """
        seen = self.pixels[:, rows, columns].copy()
        across, down = (
            line[:, part].reshape(len(seen), side, -1).mean(axis=2)
            for line, part in zip(self._paper_lines, (columns, rows), strict=True)
        )
        paper = down[:, side // 2]
        for k in np.flatnonzero(~self.whole).tolist():
            seen[k][self._outside(k)[rows, columns]] = round(float(paper[k]))
        # nothing is darker than the page's black
        np.maximum(seen, np.rint(paper * (1 - self.ink.contrast)).astype(np.uint8)[:, None, None], out=seen)
        # all of them below each other as one picture: OpenCV takes means of whole cells in a hundredth of numpy's time
        sheet = seen.reshape(-1, seen.shape[2]).astype(np.float32)
        cells = cv2.resize(sheet, (side, len(seen) * side), interpolation=cv2.INTER_AREA)
        darkness = _darkness(np.asarray(cells, np.float32).reshape(-1, side, side), across, down, self.ink.contrast)
        return np.rint(np.clip(darkness, 0, 1) * 255).astype(np.uint8)

    @functools.cached_property
    def _paper_lines(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The paper's brightness, 1 or more, along the middle row, (N, W), and the middle column, (N, H), of patches."""
        x, y = self.slope[:, :, :1] * self.x_mm, self.slope[:, :, 1:] * self.y_mm
        paper = np.maximum(_paper_along(self.ink, np.concatenate([x, y], axis=2) + self.at[:, :, None]), 1)
        return paper[:, : len(self.x_mm)], paper[:, len(self.x_mm) :]

    def _outside(self, k: int) -> NDArray[np.bool_]:
        """Which places of a patch lie outside the page."""
        height, width = self.ink.gray.shape
        map_x, map_y = (one[0] for one in _maps(self.at[k : k + 1], self.slope[k : k + 1], self.x_mm, self.y_mm))
        return np.asarray((map_x < 0) | (map_y < 0) | (map_x > width - 1) | (map_y > height - 1))


def sample(
    ink: PageInk,
    matrix: NDArray[np.float64],
    centres_mm: NDArray[np.float64],
    x_mm: NDArray[np.floating[Any]],
    y_mm: NDArray[np.floating[Any]],
    *,
    around: int | None = None,
) -> Samples:
    """Look at what is around points of the layout.

    Parameters
    ----------
    ink : PageInk
    matrix : (3, 3) array
        Layout mm to image pixels.
    centres_mm : (N, 2) array
    x_mm, y_mm : (W,) and (H,) arrays
        Offsets of a patch' columns and rows from its centre, in rising order and as far to either side.
    around : int, optional
        Gray value beyond the edges of the page; without it that of the edge.
    """
    x, y = x_mm.astype(np.float32), y_mm.astype(np.float32)
    at, slope = _affine_around(matrix, centres_mm)
    pixels = np.empty((len(at), len(y), len(x)), np.uint8)
    at_once = max(1, _REMAP_ROWS // max(len(x), len(y)))
    border, value = (cv2.BORDER_REPLICATE, 0) if around is None else (cv2.BORDER_CONSTANT, around)
    for start in range(0, len(at), at_once):
        some = slice(start, start + at_once)
        map_x, map_y = (one.reshape(-1, len(x)) for one in _maps(at[some], slope[some], x, y))
        into = pixels[some].reshape(-1, len(x))
        cv2.remap(ink.gray, map_x, map_y, cv2.INTER_LINEAR, dst=into, borderMode=border, borderValue=value)
    # where a patch leaves the page, so does one of its corners
    reach = np.abs(slope) @ np.array([x[-1], y[-1]], np.float32)
    last = np.array(ink.gray.shape[::-1], np.float32) - 1
    whole = ((at >= reach) & (at <= last - reach)).all(axis=1)
    return Samples(ink, at, slope, x, y, pixels, whole)


def pitch(length_mm: float, side: int, finest_per_mm: float) -> tuple[int, float]:
    """Samples of which a pixel of a picture is the mean, so many pixels for a length, and their distance in mm."""
    each = max(1, math.ceil(length_mm / side * finest_per_mm))
    return each, length_mm / (side * each)


def thumbnails(
    ink: PageInk,
    matrix: NDArray[np.float64],
    centres_mm: NDArray[np.float64],
    half_mm: tuple[float, float],
    side: int,
    *,
    finest_per_mm: float,
) -> NDArray[np.uint8]:
    """Small square pictures of what is around points of the layout, stretched where that is no square.

    Parameters
    ----------
    ink : PageInk
    matrix : (3, 3) array
        Layout mm to image pixels.
    centres_mm : (N, 2) array
    half_mm : (float, float)
        Half width and half height of what a picture shows.
    side : int
        Of a picture, in pixels.
    finest_per_mm : float
        Samples per mm, at least.

    Returns
    -------
    (N, side, side) uint8 array
        As `Samples.pictures` gives them.
    """
    x, y = (middles(side * pitch(2 * length, side, finest_per_mm)[0], 2 * length) for length in half_mm)
    everything = slice(None)
    return sample(ink, matrix, centres_mm, x, y).pictures(side, everything, everything)


def middles(count: int, length_mm: float) -> NDArray[np.float64]:
    """Middles of so many equal parts of a length, in mm from its own middle."""
    return ((np.arange(count) + 0.5) / count - 0.5) * length_mm


def ink_map(ink: PageInk, matrix: NDArray[np.float64], size_mm: tuple[float, float], scale: float) -> NDArray[np.uint8]:
    """Where there is ink on a page, a cell per square millimetre.

    Parameters
    ----------
    ink : PageInk
    matrix : (3, 3) array
        Layout mm to image pixels.
    size_mm : (float, float)
        Width and height of the page.
    scale : float
        Pixels per millimetre of the image.

    Returns
    -------
    (H, W) uint8 array
        Darkness of the darkest pixel of each cell, 0 paper to 255 the page's black; 0 outside the image.
    """
    side = max(1, round(scale))
    columns, rows = (math.ceil(length) for length in size_mm)
    to_pixel = matrix @ np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])  # from the middles of cells
    # rows in twos or fours at once: four times as fast as an erosion of all of them, and a quarter of a cell off at most
    gray, each = ink.gray, 1
    while 4 * each <= side and len(gray) > 1:
        gray, each = np.asarray(cv2.min(gray[: len(gray) // 2 * 2 : 2], gray[1::2]), np.uint8), 2 * each
    high = round(side / each)
    darkest = cv2.erode(gray, np.ones((high, side), np.uint8))
    # the middle of an even number of rows lies between two of them, of which OpenCV takes the second
    to_row = np.array([[1, 0, 0], [0, 1 / each, 0.5 / each - (0.5 if high % 2 else 0)], [0, 0, 1]])
    inverse = cv2.WARP_INVERSE_MAP
    seen = cv2.warpPerspective(
        darkest,
        to_row @ to_pixel,
        (columns, rows),
        flags=cv2.INTER_NEAREST | inverse,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=255,
    )
    # paper changes slowly: every fourth cell tells it
    height, width = ink.gray.shape
    across, down = ink.paper.shape[1] / width, ink.paper.shape[0] / height
    to_paper = np.array([[across, 0, 0.5 * across - 0.5], [0, down, 0.5 * down - 0.5], [0, 0, 1]])
    to_fourth = np.array([[4, 0, 1.5], [0, 4, 1.5], [0, 0, 1]])
    size = math.ceil(columns / 4), math.ceil(rows / 4)
    bright = cv2.warpPerspective(
        ink.paper,
        to_paper @ to_pixel @ to_fourth,
        size,
        flags=cv2.INTER_LINEAR | inverse,
        borderMode=cv2.BORDER_REPLICATE,
    )
    bright = cv2.resize(bright, (4 * size[0], 4 * size[1]), interpolation=cv2.INTER_LINEAR)[:rows, :columns]
    level = cv2.divide(seen, np.maximum(bright, 1), scale=255)  # of paper, 255 where a pixel is brighter
    darkness = (1.0 - np.arange(256) / 255) / ink.contrast
    return np.asarray(cv2.LUT(level, np.rint(np.clip(darkness, 0, 1) * 255).astype(np.uint8)), dtype=np.uint8)


def _maps(
    at: NDArray[np.float32], slope: NDArray[np.float32], x: NDArray[np.float32], y: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where patches around `at`, each of the millimetres `x` by `y`, lie in the image: pixels across and down, (N, rows, columns)."""
    across = at[:, :, None] + slope[:, :, :1] * x  # (N, 2, columns): pixels along a patch's middle row
    down = slope[:, :, 1:] * y  # (N, 2, rows): from there along a column
    return across[:, 0, None, :] + down[:, 0, :, None], across[:, 1, None, :] + down[:, 1, :, None]


def _paper_along(ink: PageInk, places: NDArray[np.float32]) -> NDArray[np.float32]:
    """Brightness of the paper at places of the image, (N, 2, M) pixels: (N, M)."""
    if not len(places):
        return np.empty((0, places.shape[2]), np.float32)
    height, width = ink.gray.shape
    to_cell = np.array([ink.paper.shape[1] / width, ink.paper.shape[0] / height], np.float32)[:, None]
    cells = (places + np.float32(0.5)) * to_cell - np.float32(0.5)
    along = cv2.remap(
        ink.fine_paper,
        np.ascontiguousarray(cells[:, 0]),
        np.ascontiguousarray(cells[:, 1]),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(along, dtype=np.float32).reshape(len(places), -1)


def _affine_around(
    matrix: NDArray[np.float64], centres_mm: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where a homography puts points, (N, 2) pixels, and its derivative there, (N, 2, 2): over a box it is as good as affine."""
    mapped = np.asarray(centres_mm, dtype=np.float64).reshape(-1, 2) @ matrix[:, :2].T + matrix[:, 2]
    at = mapped[:, :2] / mapped[:, 2:]
    slope = (matrix[:2, :2] - at[:, :, None] * matrix[2, :2]) / mapped[:, 2, None, None]
    return at.astype(np.float32), slope.astype(np.float32)


def _darkness(
    gray: NDArray[np.float32], across: NDArray[np.float32], down: NDArray[np.float32], contrast: float
) -> NDArray[np.float32]:
    """Gray values of patches as darkness, in place: (1 - gray / paper) / contrast.

    Paper changes slowly: its brightness along a patch' middle row and middle column gives that of all the patch.
    """
    gray *= (np.float32(-1.0 / contrast) / across)[:, None, :]
    gray *= (down[:, down.shape[1] // 2, None] / down)[:, :, None]
    gray += np.float32(1.0 / contrast)
    return gray


def outline_distance(geometry: BoxGeometry, x_mm: NDArray[np.float64], y_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Signed distance in mm of places around a box from the inner edge of its frame: negative inside, positive on it and beyond.

    Parameters
    ----------
    geometry : BoxGeometry
    x_mm, y_mm : (W,) and (H,) arrays
        Columns and rows, from the box' centre.

    Returns
    -------
    (H, W) array
    """
    x, y = np.abs(x_mm), np.abs(y_mm)
    if geometry.shape is Shape.CIRCLE:
        a, b = geometry.width_mm / 2, geometry.height_mm / 2
        radius = np.hypot(x[None, :] / a, y[:, None] / b)
        return np.asarray((radius - 1.0) * min(a, b))
    return np.asarray(np.maximum(x[None, :] - geometry.width_mm / 2, y[:, None] - geometry.height_mm / 2))
