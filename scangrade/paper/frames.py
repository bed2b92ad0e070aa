"""Finding the printed frames of boxes near where a placement puts them: the last word on where a box is.

A sheet feeder stretches and bends a page by more than a box's frame is wide, and forms are printed from slightly other versions
than their layout. Each frame is looked for on its own; frames that a mark hides take the place that their neighbours suggest.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from scangrade.geometry import median, parabola_tops, quantile
from scangrade.model import Box, Shape
from scangrade.paper.patches import BoxGeometry, PageBoxes, PageInk, outline_distance, sample
from scangrade.settings import FrameLimits

_SETTLED_MM = 0.001  # change of a drift that no further fit would better


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """Where the boxes of a page are.

    Attributes
    ----------
    offset_mm : (N, 2) array
        What to add to a box' layout centre.
    score : (N,) array
        Darkness of the frame over that beside it, 0 to 1; NaN for a box without frame or outside the image.
    seen : (N,) bool array
        Whether the frame was found, and where its neighbours suggest or too clearly to doubt.
    inset_mm : (N,) array
        By how much the printed frame lies inside the layout's, 0 or more.
    support : float
        Share of framed boxes that were seen, NaN where no box has a frame.
    residual_mm : float
        Ninetieth percentile of the distance between a seen frame and where the smooth placement puts it; NaN as above.
    """

    offset_mm: NDArray[np.float64]
    score: NDArray[np.float64]
    seen: NDArray[np.bool_]
    inset_mm: NDArray[np.float64]
    support: float
    residual_mm: float


def sampling(scale: float, limits: FrameLimits) -> float:
    """Resolution at which frames are looked for in an image of `scale` pixels per mm: its own, within what frames need."""
    return float(np.clip(scale, limits.least_pixels_per_mm, limits.most_pixels_per_mm))


def find_frames(
    ink: PageInk, matrix: NDArray[np.float64], boxes: Sequence[Box], *, pixels_per_mm: float, limits: FrameLimits
) -> Frames:
    """Look for each box' printed frame around the place where `matrix` puts it.

    Parameters
    ----------
    ink : PageInk
    matrix : (3, 3) array
        Layout mm to image pixels.
    boxes : sequence of Box
        Boxes of one page.
    pixels_per_mm : float
        Resolution of the image, at which the patches are cut.
    limits : FrameLimits

    Returns
    -------
    Frames
    """
    places = PageBoxes.of(boxes)
    groups = [(geometry, members) for geometry, members in places.groups if geometry.frame_mm > 0]
    search = _Search(ink, matrix, places.centres, _reach(places, limits), pixels_per_mm, limits)
    found = _Found(np.zeros((len(boxes), 2)), np.full(len(boxes), np.nan), np.zeros(len(boxes)), np.zeros(len(boxes)))
    if pixels_per_mm < limits.least_for_rough:
        for geometry, index in groups:
            search.widely(geometry, index, into=found)
        return _agreed(places, found, limits)
    for geometry, index in groups:
        search.closely(geometry, index, places.centres[index], into=found)
    frames = _agreed(places, found, limits)
    if not _in_place(frames, limits):
        for geometry, index in groups:
            search.roughly_first(geometry, index, into=found)
        frames = _agreed(places, found, limits)
    # A mark or a stain can lead the rough search astray: what is not clear is looked at closely all over the place.
    clear = frames.seen & (frames.score >= limits.clear_share * _usual(frames))
    doubtful = ~clear & np.isfinite(frames.score)
    if not doubtful.any():
        return frames
    for geometry, index in groups:
        if doubtful[index].any():
            search.widely(geometry, index[doubtful[index]], into=found, inset_mm=float(found.inset[index].max()))
    return _agreed(places, found, limits)


def _in_place(frames: Frames, limits: FrameLimits) -> bool:
    """Whether frames are so surely where they were expected that nowhere else need be looked."""
    if not frames.support >= limits.in_place_support or _usual(frames) < limits.in_place_score:
        return False
    return bool(np.abs(frames.offset_mm[frames.seen]).max() <= limits.in_place_mm)


def _usual(frames: Frames) -> float:
    """The usual score of the frames that were seen; 0 where none was."""
    return float(median(frames.score[frames.seen])) if frames.seen.any() else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """What was found for each box by itself."""

    offset_mm: NDArray[np.float64]
    score: NDArray[np.float64]
    sharpness: NDArray[np.float64]
    inset: NDArray[np.float64]


def _agreed(places: PageBoxes, found: _Found, limits: FrameLimits) -> Frames:
    """What the boxes say together: who is believed, and where the others are."""
    raw, score = found.offset_mm, found.score
    framed = np.isfinite(score)
    strong = framed & (score >= limits.least_score) & (found.sharpness >= limits.least_sharpness)
    smooth = _smooth(places, raw, strong, limits)
    miss = np.hypot(*(raw - smooth).T)
    near = strong & (miss <= limits.neighbour_mm)
    clear = float(median(score[near])) * limits.clear_share if near.any() else np.inf
    seen = near | (strong & (score >= clear))
    offset = np.where(seen[:, None], raw, np.clip(smooth, -limits.search_mm, limits.search_mm))
    if not framed.any():
        return Frames(offset, score, seen, found.inset, math.nan, math.nan)
    residual = quantile(miss[near], 0.9) if near.any() else math.inf
    return Frames(offset, score, seen, found.inset, float(near.sum() / framed.sum()), residual)


@functools.lru_cache(maxsize=64)
def _reach(boxes: PageBoxes, limits: FrameLimits) -> NDArray[np.float64]:
    """How far each frame may be looked for without meeting the next box' frame; the same for every scan of a page."""
    places = boxes.centres
    reach = np.full(len(places), limits.search_mm)
    if len(places) < 2:
        return reach
    for start in range(0, len(places), 256):  # in blocks, since a page may hold thousands of boxes
        across, down = (np.abs(places[start : start + 256, None, axis] - places[None, :, axis]) for axis in (0, 1))
        gaps = np.maximum(across, down)
        gaps[np.arange(gaps.shape[0]), np.arange(start, start + gaps.shape[0])] = np.inf
        nearest = gaps.min(axis=1)
        reach[start : start + 256] = np.minimum(
            limits.search_mm, np.maximum(limits.pitch_share * nearest, limits.least_search_mm)
        )
    return reach


@dataclass(frozen=True, eq=False)
class _Search:
    """The search for the frames of a page."""

    ink: PageInk
    matrix: NDArray[np.float64]
    centres: NDArray[np.float64]
    reach_mm: NDArray[np.float64]
    pixels_per_mm: float
    limits: FrameLimits

    @property
    def half_matrix(self) -> NDArray[np.float64]:
        """Layout mm to pixels of the page at half the resolution."""
        return np.array([[0.5, 0, -0.25], [0, 0.5, -0.25], [0, 0, 1]]) @ self.matrix

    def widely(self, geometry: BoxGeometry, index: NDArray[np.intp], *, into: _Found, inset_mm: float | None = None) -> None:
        """Find the best frames of boxes of one geometry, `index` among all, everywhere within reach of their places."""
        self._best(geometry, index, self.centres[index], self._reach_px(index, self.pixels_per_mm), into, inset_mm)

    def closely(self, geometry: BoxGeometry, index: NDArray[np.intp], centres: NDArray[np.float64], *, into: _Found) -> None:
        """The same around given places only, with as much room as a peak needs to be told from a slope."""
        around = max(1, round(self.limits.sharp_mm * self.pixels_per_mm)) + 1
        self._best(geometry, index, centres, around, into, None)

    def roughly_first(self, geometry: BoxGeometry, index: NDArray[np.intp], *, into: _Found) -> None:
        """The same at a twentieth of the work: everywhere at half the resolution, then closely around what is best there."""
        q, limits = self.pixels_per_mm / 2, self.limits
        reach = self._reach_px(index, q)
        patches = _Patches.cut(self.ink.half, self.half_matrix, geometry, self.centres[index], reach, q, limits)
        index = index[patches.whole]
        if len(index):
            rough, *_ = _peaks(patches.match(0.0), q, reach, limits)
            self.closely(geometry, index, self.centres[index] + rough, into=into)

    def _reach_px(self, index: NDArray[np.intp], q: float) -> int:
        return max(1, round(float(self.reach_mm[index].min()) * q))

    def _best(
        self,
        geometry: BoxGeometry,
        index: NDArray[np.intp],
        centres: NDArray[np.float64],
        reach: int,
        into: _Found,
        inset_mm: float | None,
    ) -> None:
        """Find the best frames within so many pixels of `centres`, and how far inside they are printed, if that is not given."""
        q, limits = self.pixels_per_mm, self.limits
        patches = _Patches.cut(self.ink, self.matrix, geometry, centres, reach, q, limits)
        index, centres = index[patches.whole], centres[patches.whole]
        if not len(index):
            return
        match = patches.match(inset_mm or 0.0)
        if inset_mm is None:
            inset_mm = self._inset(patches, match)
            if inset_mm:
                match = patches.match(inset_mm)
        offsets, into.score[index], into.sharpness[index] = _peaks(match, q, reach, limits)
        into.offset_mm[index] = offsets + centres - self.centres[index]
        into.inset[index] = inset_mm

    def _inset(self, patches: _Patches, match: NDArray[np.float32]) -> float:
        """How far inside their places frames are printed, from patches and what they are like with no inset."""
        limits = self.limits
        some = slice(None, None, max(1, len(match) // limits.most_for_inset))
        typical = float(median(_peak_scores(match[some])))
        if typical >= limits.inset_clear:
            return 0.0
        further = {inset: float(median(_peak_scores(patches.match(inset, some)))) for inset in limits.insets_mm if inset}
        best = max(further, key=further.__getitem__)
        return best if further[best] >= limits.inset_gain * typical else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class _Patches:
    """Surroundings of boxes of one geometry, to be correlated with frames moved by up to `reach` pixels."""

    pixels: NDArray[np.uint8]  #: (N, H, W) gray, all of it inside the image
    paper: NDArray[np.float32]  #: (N,) brightness of the paper there
    whole: NDArray[np.bool_]  #: which of the boxes these are: the others leave the image
    contrast: float
    geometry: BoxGeometry
    reach: int
    pixels_per_mm: float
    limits: FrameLimits
    sums: _RectangleSums | None

    @classmethod
    def cut(
        cls,
        ink: PageInk,
        matrix: NDArray[np.float64],
        geometry: BoxGeometry,
        centres: NDArray[np.float64],
        reach: int,
        q: float,
        limits: FrameLimits,
    ) -> _Patches:
        half = _half(geometry, q, limits)
        seen = sample(ink, matrix, centres, *(np.arange(-one - reach, one + reach + 1) / q for one in half))
        whole = seen.whole
        if not whole.all():
            seen = seen.only(whole)
        rectangular = geometry.shape is Shape.SQUARE and len(seen.pixels) > 0
        sums = _RectangleSums(seen.pixels) if rectangular else None
        return cls(seen.pixels, seen.paper(), whole, ink.contrast, geometry, reach, q, limits, sums)

    def match(self, inset_mm: float, some: slice = slice(None)) -> NDArray[np.float32]:
        """Correlation of some patches' darkness with a frame printed so far inside its place: (N, 2 r + 1, 2 r + 1)."""
        kernel = _kernel(self.geometry, inset_mm, self.pixels_per_mm, self.limits)
        if self.sums is not None:
            rectangles = _nested(self.geometry, inset_mm, self.pixels_per_mm, self.limits)
            found = self.sums.correlate(rectangles, self.reach, some)
        else:
            maps = [cv2.matchTemplate(one.astype(np.float32), kernel, cv2.TM_CCORR) for one in self.pixels[some]]
            found = np.asarray(maps, dtype=np.float32)
        # a sum over darkness, (1 - gray / paper) / contrast, from the same sum over gray
        found *= np.float32(-1.0) / self.paper[some, None, None]
        found += kernel.sum()
        found /= np.float32(self.contrast)
        return found


def _half(geometry: BoxGeometry, q: float, limits: FrameLimits) -> tuple[int, int]:
    """Pixels from the middle of a frame's ideal picture to its sides."""
    border = geometry.frame_mm + limits.outside_mm
    return math.ceil((geometry.width_mm / 2 + border) * q), math.ceil((geometry.height_mm / 2 + border) * q)


def _distance(geometry: BoxGeometry, q: float, limits: FrameLimits) -> NDArray[np.float64]:
    """Distance in mm of the ideal picture's pixels from the inner edge of the frame."""
    across, down = (np.arange(-half, half + 1) / q for half in _half(geometry, q, limits))
    return outline_distance(geometry, across, down)


@functools.lru_cache(maxsize=64)
def _kernel(geometry: BoxGeometry, inset_mm: float, q: float, limits: FrameLimits) -> NDArray[np.float32]:
    """A frame's ideal picture: what it is multiplied with is the darkness of the frame less that beside it."""
    distance = _distance(geometry, q, limits) + inset_mm
    # the frame is drawn as wide as the scanner's blur leaves it: at least one pixel
    line = max(geometry.frame_mm, 1.0 / q)
    middle = geometry.frame_mm / 2
    ring = np.clip(0.5 + q * (line / 2 - np.abs(distance - middle)), 0, 1)
    gap = line / 2 + limits.gap_mm
    outside = (distance > middle + gap) & (distance <= geometry.frame_mm + limits.outside_mm)
    inside = (distance < middle - gap) & (distance >= middle - gap - limits.inside_mm)
    kernel = ring / ring.sum()
    for band, weight in ((outside, limits.outside_weight), (inside, 1 - limits.outside_weight)):
        if band.any():
            kernel = kernel - weight * band / band.sum()
    return np.asarray(kernel, dtype=np.float32)


@functools.lru_cache(maxsize=64)
def _nested(geometry: BoxGeometry, inset_mm: float, q: float, limits: FrameLimits) -> tuple[tuple[int, int, float], ...]:
    """The ideal picture of a rectangular frame as rectangles around its middle: half width, half height, weight.

    The picture depends on the distance from the outline only, so that it is a pile of rectangles, one within the other.
    """
    kernel = _kernel(geometry, inset_mm, q, limits)
    half = _half(geometry, q, limits)
    distance = _distance(geometry, q, limits)[half[1] :, half[0] :]
    quarter = kernel[half[1] :, half[0] :].astype(np.float64)
    _, first, shell = np.unique(np.round(distance, 6), return_index=True, return_inverse=True)
    shell = shell.reshape(distance.shape)
    values = np.append(quarter.ravel()[first], 0.0)
    rectangles = []
    for k in range(len(first)):
        weight = float(values[k] - values[k + 1])
        if abs(weight) > 1e-9:
            rows, columns = np.nonzero(shell <= k)
            rectangles.append((int(columns.max()), int(rows.max()), weight))
    return tuple(rectangles)


class _RectangleSums:
    """Sums over rectangles in many patches at once, by integral images.

    Notes
    -----
    As Viola and Jones use them [1]_: correlation with a frame then costs four additions for each of its rectangles, whatever
    its size.

    References
    ----------
    .. [1] P. Viola, M. Jones, CVPR 2001. DOI 10.1109/CVPR.2001.990517
    """

    def __init__(self, patches: NDArray[np.uint8]) -> None:
        count, rows, columns = patches.shape
        whole = np.asarray(cv2.integral(patches.reshape(-1, columns), sdepth=cv2.CV_32S), dtype=np.int32)
        down, across = whole.strides
        # of each patch its rows and the one before: sums from there on are the differences to it
        shape, strides = (count, rows + 1, columns + 1), (rows * down, down, across)
        each = np.lib.stride_tricks.as_strided(whole, shape, strides, writeable=False)
        # patches innermost: a rectangle's sums for all moves of all patches are then a few long rows of memory
        turned = np.asarray(cv2.transpose(each.reshape(count, -1)), dtype=np.int32)
        self._sums = turned.reshape(rows + 1, columns + 1, count)

    def correlate(self, rectangles: Sequence[tuple[int, int, float]], reach: int, some: slice) -> NDArray[np.float32]:
        """Weighted sums over rectangles around the middle of patches, moved by up to `reach` pixels: (N, 2 r + 1, 2 r + 1)."""
        sums = self._sums[:, :, some]
        middle_row, middle_column = (sums.shape[0] - 2) // 2, (sums.shape[1] - 2) // 2

        def window(row: int, column: int) -> NDArray[np.int32]:
            top, left = middle_row + row - reach, middle_column + column - reach
            return sums[top : top + 2 * reach + 1, left : left + 2 * reach + 1]

        side = 2 * reach + 1
        total = np.zeros((side, side, sums.shape[2]), np.float32)
        for a, b, weight in rectangles:
            part = window(b + 1, a + 1) - window(-b, a + 1)
            part -= window(b + 1, -a)
            part += window(-b, -a)
            total += part.astype(np.float32) * np.float32(weight)
        return np.ascontiguousarray(total.transpose(2, 0, 1))


def _peak_scores(match: NDArray[np.float32]) -> NDArray[np.float32]:
    """The scores that `_peaks` gives, alone."""
    whole, inner = match.max(axis=(1, 2)), match[:, 1:-1, 1:-1].max(axis=(1, 2))
    return np.where(inner >= whole, inner, np.float32(0.0))


def _peaks(
    match: NDArray[np.float32], q: float, reach: int, limits: FrameLimits
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Offsets in mm, scores, and sharpness, of the greatest value in each of many (N, 2 r + 1, 2 r + 1) correlations."""
    count, side = match.shape[:2]
    every = np.arange(count)
    row, column = np.divmod(match.reshape(count, -1).argmax(axis=1), side)
    peak = match[every, row, column].astype(np.float64)
    rim = max(1, round(limits.sharp_mm * q))
    beside = [(row - rim, column), (row + rim, column), (row, column - rim), (row, column + rim)]
    r, c = np.array(beside).transpose(1, 0, 2)
    there = (r >= 0) & (r < side) & (c >= 0) & (c < side)
    sides = match[every, np.minimum(np.maximum(r, 0), side - 1), np.minimum(np.maximum(c, 0), side - 1)]
    away = np.where(there, sides, -np.inf).max(axis=0)
    inner = (
        (row > 0) & (row < side - 1) & (column > 0) & (column < side - 1)
    )  # a slope that leads out of the search is no frame
    row, column = np.minimum(np.maximum(row, 1), side - 2), np.minimum(np.maximum(column, 1), side - 2)
    before = match[every, np.array([row, row - 1]), np.array([column - 1, column])]
    after = match[every, np.array([row, row + 1]), np.array([column + 1, column])]
    offsets = (np.array([column, row]) + parabola_tops(before, peak, after) - reach).T
    sharpness = np.where(np.isfinite(away), peak - away, 0.0)
    return np.where(inner[:, None], offsets / q, 0.0), np.where(inner, peak, 0.0), np.where(inner, sharpness, 0.0)


def _smooth(
    places: PageBoxes, raw: NDArray[np.float64], strong: NDArray[np.bool_], limits: FrameLimits
) -> NDArray[np.float64]:
    """Offsets that the frames suggest together: an affine drift over the page, then each neighbourhood's own."""
    count = int(np.count_nonzero(strong))
    if count == 0:
        return np.zeros_like(raw)
    every = count == len(strong)
    what = raw if every else raw[strong]
    design = places.plane if every else places.plane[strong]
    if count >= limits.least_for_drift and np.ptp(design[:, 1:], axis=0).min() > 0:
        weighted = design.T
        little = 1e-9 * count * np.eye(3)  # boxes along a slanted line tell nothing of the drift across it
        solution: NDArray[np.float64] = np.zeros((3, 2))
        for _ in range(8):  # iteratively reweighted least squares with Cauchy weights
            before = solution
            solved = cv2.solve(weighted @ design + little, weighted @ what, flags=cv2.DECOMP_CHOLESKY)
            solution = np.asarray(solved[1], dtype=np.float64)
            if np.abs(solution - before).max() < _SETTLED_MM:
                break
            miss = what - design @ solution
            weighted = design.T / (1.0 + (miss * miss).sum(axis=1) / limits.drift_scale_mm**2)
        drift = places.plane @ solution
    else:
        drift = np.tile(median(what), (len(strong), 1))
    rest = what - (drift if every else drift[strong])
    around = np.sort(rest[_nearest(places, strong, min(limits.neighbours, count))], axis=1)
    middle_one = around.shape[1] // 2  # numpy's median is slow for many of a few
    return np.asarray(drift + (around[:, (around.shape[1] - 1) // 2] + around[:, middle_one]) / 2)


def _nearest(places: PageBoxes, strong: NDArray[np.bool_], count: int) -> NDArray[np.intp]:
    """For each box the nearest of those that are strong, as many as asked for: positions among the strong ones, (N, count)."""
    centres = places.centres
    order = _neighbourhoods(places, min(3 * count, len(centres)))
    if strong.all():
        return order[:, :count]
    usable = strong[order]
    rank = np.cumsum(usable, axis=1)
    position = np.cumsum(strong) - 1
    chosen = np.empty((len(centres), count), np.intp)
    enough = rank[:, -1] >= count
    chosen[enough] = position[order[enough][usable[enough] & (rank[enough] <= count)]].reshape(-1, count)
    for k in np.flatnonzero(~enough).tolist():  # in a part of the page where hardly a frame was seen
        away = centres[strong] - centres[k]
        chosen[k] = np.argsort(away[:, 0] ** 2 + away[:, 1] ** 2, kind="stable")[:count]
    return chosen


@functools.lru_cache(maxsize=64)
def _neighbourhoods(boxes: PageBoxes, count: int) -> NDArray[np.intp]:
    """The boxes nearest to each box, itself first, (N, count); the same for every scan of a page."""
    places = boxes.centres
    found = np.empty((len(places), count), np.intp)
    for start in range(0, len(places), 256):  # in blocks, since a page may hold thousands of boxes
        across, down = (places[start : start + 256, None, axis] - places[None, :, axis] for axis in (0, 1))
        found[start : start + 256] = np.argsort(across**2 + down**2, axis=1, kind="stable")[:, :count]
    return found
