"""Finding the printed frames of boxes near where a placement puts them: the last word on where a box is.

A sheet feeder stretches and bends a page by more than a box's frame is wide, and forms are printed from slightly other versions
than their layout. Each frame is looked for on its own; frames that a mark hides take the place that their neighbours suggest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from scangrade.geometry import parabola_top
from scangrade.model import Box
from scangrade.paper.patches import BoxGeometry, PageInk, by_geometry, cut, outline_distance
from scangrade.settings import FrameLimits


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
    count = len(boxes)
    centres = np.array([(box.x_mm, box.y_mm) for box in boxes], dtype=np.float64).reshape(-1, 2)
    raw = np.zeros((count, 2))
    score = np.full(count, np.nan)
    sharp = np.zeros(count)
    reach = _reach(centres, boxes, limits)
    inset = np.zeros(count)
    for geometry, members in by_geometry(boxes):
        if geometry.frame_mm <= 0:
            continue
        index = np.array(members)
        search = _Search(ink, matrix, geometry, float(reach[index].min()), pixels_per_mm, limits)
        some = centres[index[:: max(1, len(index) // limits.most_for_inset)]]
        typical = {one: search.typical_score(some, one) for one in limits.insets_mm}
        inset_mm = max(typical, key=typical.__getitem__)
        if typical[inset_mm] < limits.inset_gain * typical[0.0]:
            inset_mm = 0.0
        raw[index], score[index], sharp[index] = search(centres[index], inset_mm)
        inset[index] = inset_mm
    framed = np.isfinite(score)
    strong = framed & (score >= limits.least_score) & (sharp >= limits.least_sharpness)
    smooth = _smooth(centres, raw, strong, limits)
    miss = np.linalg.norm(raw - smooth, axis=1)
    near = strong & (miss <= limits.neighbour_mm)
    clear = float(np.median(score[near])) * limits.clear_share if near.any() else np.inf
    seen = near | (strong & (score >= clear))
    offset = np.where(seen[:, None], raw, np.clip(smooth, -limits.search_mm, limits.search_mm))
    if not framed.any():
        return Frames(offset, score, seen, inset, math.nan, math.nan)
    residual = float(np.percentile(miss[near], 90)) if near.any() else math.inf
    return Frames(offset, score, seen, inset, float(near.sum() / framed.sum()), residual)


def _reach(centres: NDArray[np.float64], boxes: Sequence[Box], limits: FrameLimits) -> NDArray[np.float64]:
    """How far each frame may be looked for without meeting the next box' frame."""
    reach = np.full(len(boxes), limits.search_mm)
    if len(boxes) < 2:
        return reach
    for start in range(0, len(boxes), 256):  # in blocks, since a page may hold thousands of boxes
        gaps = np.abs(centres[start : start + 256, None, :] - centres[None, :, :]).max(axis=2)
        gaps[np.arange(gaps.shape[0]), np.arange(start, start + gaps.shape[0])] = np.inf
        nearest = gaps.min(axis=1)
        reach[start : start + 256] = np.minimum(
            limits.search_mm, np.maximum(limits.pitch_share * nearest, limits.least_search_mm)
        )
    return reach


@dataclass(frozen=True, slots=True, eq=False)
class _Search:
    """The search for the frames of boxes of one geometry."""

    ink: PageInk
    matrix: NDArray[np.float64]
    geometry: BoxGeometry
    reach_mm: float
    pixels_per_mm: float
    limits: FrameLimits

    def typical_score(self, centres: NDArray[np.float64], inset_mm: float) -> float:
        """Median score of the frames around these centres, if frames lie so far inside the layout's."""
        _, scores, _ = self(centres, inset_mm)
        return float(np.nanmedian(scores)) if np.isfinite(scores).any() else 0.0

    def _kernel(self, inset_mm: float) -> NDArray[np.float32]:
        q, limits, geometry = self.pixels_per_mm, self.limits, self.geometry
        border = geometry.frame_mm + limits.outside_mm
        half = (math.ceil((geometry.width_mm / 2 + border) * q), math.ceil((geometry.height_mm / 2 + border) * q))
        distance = outline_distance(geometry, half, q) + inset_mm
        # the frame is drawn as wide as the scanner's blur leaves it: at least one pixel
        line = max(geometry.frame_mm, 1.0 / q)
        middle = geometry.frame_mm / 2
        ring = np.clip(0.5 + q * (line / 2 - np.abs(distance - middle)), 0, 1)
        gap = line / 2 + limits.gap_mm
        outside = (distance > middle + gap) & (distance <= border)
        inside = (distance < middle - gap) & (distance >= middle - gap - limits.inside_mm)
        kernel = ring / ring.sum()
        for band, weight in ((outside, limits.outside_weight), (inside, 1 - limits.outside_weight)):
            if band.any():
                kernel = kernel - weight * band / band.sum()
        return np.asarray(kernel, dtype=np.float32)

    def __call__(
        self, centres: NDArray[np.float64], inset_mm: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Offsets in mm, scores, and sharpness of the peak, of the best frame around each centre."""
        q, limits = self.pixels_per_mm, self.limits
        kernel = self._kernel(inset_mm)
        reach = max(1, round(self.reach_mm * q))
        half_mm = ((kernel.shape[1] // 2 + reach) / q, (kernel.shape[0] // 2 + reach) / q)
        patches = cut(self.ink, self.matrix, centres, half_mm, q)
        offsets = np.zeros((len(centres), 2))
        scores = np.full(len(centres), np.nan)
        sharpness = np.zeros(len(centres))
        rim = max(1, round(limits.sharp_mm * q))
        for k, patch in enumerate(patches):
            if np.isnan(patch).any():
                continue
            match = np.asarray(cv2.matchTemplate(patch, kernel, cv2.TM_CCORR), np.float32)
            row, column = np.unravel_index(int(match.argmax()), match.shape)
            if row in (0, match.shape[0] - 1) or column in (0, match.shape[1] - 1):
                scores[k] = 0.0  # a slope that leads out of the search is no frame
                continue
            peak = float(match[row, column])
            dx = column + parabola_top(match[row], int(column)) - reach
            dy = row + parabola_top(match[:, column], int(row)) - reach
            offsets[k] = dx / q, dy / q
            scores[k] = peak
            away = [
                match[r, c]
                for r, c in ((row - rim, column), (row + rim, column), (row, column - rim), (row, column + rim))
                if 0 <= r < match.shape[0] and 0 <= c < match.shape[1]
            ]
            sharpness[k] = peak - float(max(away)) if away else 0.0
        return offsets, scores, sharpness


def _smooth(
    centres: NDArray[np.float64], raw: NDArray[np.float64], strong: NDArray[np.bool_], limits: FrameLimits
) -> NDArray[np.float64]:
    """Offsets that the frames suggest together: an affine drift over the page, then each neighbourhood's own."""
    if strong.sum() == 0:
        return np.zeros_like(raw)
    where, what = centres[strong], raw[strong]
    drift = np.tile(np.median(what, axis=0), (len(centres), 1))
    spread = np.ptp(where, axis=0)
    if strong.sum() >= limits.least_for_drift and spread.min() > 0:
        middle = where.mean(axis=0)
        scale = np.maximum(spread, 1.0)
        design = np.column_stack([np.ones(len(where)), (where - middle) / scale])
        weight = np.ones(len(where))
        for _ in range(8):  # iteratively reweighted least squares with Cauchy weights
            solution, *_ = np.linalg.lstsq(design * weight[:, None], what * weight[:, None], rcond=None)
            miss = np.linalg.norm(what - design @ solution, axis=1)
            weight = np.sqrt(1.0 / (1.0 + (miss / limits.drift_scale_mm) ** 2))
        drift = np.column_stack([np.ones(len(centres)), (centres - middle) / scale]) @ solution
    rest = what - drift[strong]
    local = drift.copy()
    nearest = min(limits.neighbours, len(where))
    for start in range(0, len(centres), 256):
        block = centres[start : start + 256]
        gaps = np.linalg.norm(block[:, None, :] - where[None, :, :], axis=2)
        order = np.argpartition(gaps, nearest - 1, axis=1)[:, :nearest]
        local[start : start + 256] += np.median(rest[order], axis=1)
    return local
