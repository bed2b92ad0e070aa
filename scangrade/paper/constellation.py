"""Laying a form over a scan by the pattern of its printed boxes alone: the last resort, for forms with neither marks nor a blank.

Boxes repeat, so that a placement one row too low is nearly as good as the right one. Only a placement that is clearly better than
every other is given.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from scangrade.geometry import project
from scangrade.model import Box
from scangrade.paper.fiducials import Placement, fit_affine, upright_turn
from scangrade.settings import ConstellationLimits

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    matrix: NDArray[np.float64]
    matched: int
    residual_mm: float
    centre: Points  #: where the middle of the boxes comes to lie, pixels


def place_by_boxes(
    mask: NDArray[np.uint8], boxes: Sequence[Box], scales: tuple[float, float], *, limits: ConstellationLimits
) -> Placement | None:
    """Lay the boxes of a page over the components of ink that have their size.

    Parameters
    ----------
    mask : (H, W) uint8 array
        Ink, not 0 where there is some.
    boxes : sequence of Box
        All boxes of the page.
    scales : (float, float)
        Least and greatest pixels per millimetre.
    limits : ConstellationLimits

    Returns
    -------
    Placement or None
        `found` counts the boxes that lie on a component; None where no placement is clearly the best.

    Notes
    -----
    A generalised Hough transform [1]_: scale from the commonest size of components, tilt from the directions to their neighbours,
    shift by voting; then a least squares fit to the nearest components, repeated.

    References
    ----------
    .. [1] D. Ballard, Pattern Recognition 13(2), 1981. DOI 10.1016/0031-3203(81)90009-1
    """
    framed = [box for box in boxes if box.frame_mm > 0]
    if len(framed) < limits.least_boxes:
        return None
    places = np.array([(box.x_mm, box.y_mm) for box in framed])
    outer = np.array([(box.width_mm + 2 * box.frame_mm, box.height_mm + 2 * box.frame_mm) for box in framed])
    usual = np.median(outer, axis=0)
    centres, sizes = _components(mask, usual, scales, limits)
    if len(centres) < limits.least_boxes:
        return None
    fits: list[_Fit] = []
    for scale in _scales(sizes, float(usual.max()), limits):
        near = np.abs(sizes / (usual.max() * scale) - 1) <= limits.size_tolerance
        seen = centres[near]
        if len(seen) < limits.least_boxes:
            continue
        tilt = _tilt(seen)
        for quarter in range(4):
            turn = scale * np.exp(1j * math.radians(tilt + 90 * quarter))
            fits.extend(_shifted(places, seen, complex(turn), limits))
    if not fits:
        return None
    fits.sort(key=lambda one: (-one.matched, one.residual_mm))
    best = fits[0]
    scale = math.sqrt(abs(float(np.linalg.det(best.matrix[:2, :2]))))
    rivals = [
        one.matched
        for one in fits
        if float(np.linalg.norm(one.centre - best.centre)) > limits.same_mm * scale
        or abs(float(np.angle(complex(*one.matrix[:2, 0]) / complex(*best.matrix[:2, 0])))) > 0.5
    ]
    lead = max(limits.least_lead, limits.lead_share * len(framed))
    if best.matched < limits.least_share * len(framed) or best.matched - max(rivals, default=0) < lead:
        return None
    tilt = math.degrees(math.atan2(best.matrix[1, 0], best.matrix[0, 0]))
    return Placement(best.matrix, best.matched, len(framed), best.residual_mm, upright_turn(tilt))


def _components(
    mask: NDArray[np.uint8], usual: Points, scales: tuple[float, float], limits: ConstellationLimits
) -> tuple[Points, Points]:
    """Centres and larger sides of the components that may be a box."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    stats = np.asarray(stats[1:], dtype=np.float64)
    width, height = stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT]
    ratio = usual[0] / usual[1]
    tolerance = 1 + limits.aspect_tolerance
    upright = (width / height > ratio / tolerance) & (width / height < ratio * tolerance)
    lying = (height / width > ratio / tolerance) & (height / width < ratio * tolerance)
    larger = np.maximum(width, height)
    fits = (upright | lying) & (larger >= usual.max() * scales[0]) & (larger <= usual.max() * scales[1])
    left, top = stats[:, cv2.CC_STAT_LEFT], stats[:, cv2.CC_STAT_TOP]
    centres = np.column_stack([left + (width - 1) / 2, top + (height - 1) / 2])
    return centres[fits], larger[fits]


def _scales(sizes: Points, usual_mm: float, limits: ConstellationLimits) -> list[float]:
    """Pixels per mm at which most components have the size of a box, the likeliest first."""
    bins = np.floor(np.log(sizes) / limits.size_tolerance).astype(int)
    values, counts = np.unique(bins, return_counts=True)
    order = np.argsort(-counts)[: limits.most_scales]
    return [float(np.median(sizes[np.abs(bins - values[k]) <= 1])) / usual_mm for k in order]


def _tilt(seen: Points) -> float:
    """Degrees, -45 to 45, by which the directions from components to their nearest neighbours are turned."""
    some = seen[:: max(1, len(seen) // 400)]
    gaps = np.linalg.norm(some[:, None] - seen[None], axis=2)
    gaps[gaps < 1e-6] = np.inf
    nearest = seen[gaps.argmin(axis=1)] - some
    angle = np.degrees(np.arctan2(nearest[:, 1], nearest[:, 0]))
    off = (angle + 45) % 90 - 45
    return float(np.median(off[np.abs(off) < 20])) if (np.abs(off) < 20).any() else 0.0


def _shifted(places: Points, seen: Points, turn: complex, limits: ConstellationLimits) -> list[_Fit]:
    """Fits for the shifts that most pairs of a box and a component vote for."""
    scale = abs(turn)
    some = places[:: max(1, len(places) // limits.most_voters)]
    laid = (some[:, 0] + 1j * some[:, 1]) * turn
    shift = (seen[:, 0] + 1j * seen[:, 1])[None, :] - laid[:, None]
    cell = limits.vote_mm * scale
    starts: list[complex] = []
    for offset in (0, 0.5, 0.5j, 0.5 + 0.5j):  # a cell's border must not split the votes for the right shift
        at = shift / cell + offset
        keys = np.floor(at.real).astype(np.int64) * 100_003 + np.floor(at.imag).astype(np.int64)
        _, where, counts = np.unique(keys, return_inverse=True, return_counts=True)
        for k in np.argsort(-counts)[: limits.most_shifts]:
            start = complex(np.mean(shift.ravel()[where.ravel() == k]))
            if all(abs(start - other) > cell / 2 for other in starts):
                starts.append(start)
    fits = []
    for start in starts:
        matrix = np.array([[turn.real, -turn.imag, start.real], [turn.imag, turn.real, start.imag], [0, 0, 1]])
        fit = _settled(places, seen, matrix, limits)
        if fit is not None:
            fits.append(fit)
    return fits


def _settled(places: Points, seen: Points, matrix: NDArray[np.float64], limits: ConstellationLimits) -> _Fit | None:
    """A placement fitted to the components nearest to its boxes, again and again within a shrinking reach."""
    for reach_mm in limits.reach_mm:
        scale = math.sqrt(abs(float(np.linalg.det(matrix[:2, :2]))))
        laid = project(matrix, places)
        gaps = np.linalg.norm(laid[:, None] - seen[None], axis=2)
        nearest = gaps.argmin(axis=1)
        near = gaps[np.arange(len(places)), nearest] <= reach_mm * scale
        if near.sum() < limits.least_boxes:
            return None
        matrix = fit_affine(places[near], seen[nearest[near]])
    scale = math.sqrt(abs(float(np.linalg.det(matrix[:2, :2]))))
    miss = np.linalg.norm(project(matrix, places[near]) - seen[nearest[near]], axis=1) / scale
    centre = project(matrix, [places.mean(axis=0)])[0]
    return _Fit(matrix, int(near.sum()), float(np.sqrt(np.mean(miss**2))), centre)
