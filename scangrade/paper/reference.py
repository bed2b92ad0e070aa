"""Laying a form over a scan by the form's own print: for pages without registration marks, and for telling pages apart."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from scangrade.geometry import project
from scangrade.paper.fiducials import Placement, upright_turn
from scangrade.settings import ReferenceLimits


@dataclass(frozen=True, slots=True, eq=False)
class Print:
    """Distinctive points of a page's print.

    `places` are in the units of `scale`: divide pixels by it to get millimetres for a blank form, pixels for a scan.
    """

    places: NDArray[np.float64]  # (N, 2)
    descriptors: NDArray[np.uint8]  # (N, 32)


def find_print(gray: NDArray[np.uint8], pixels_per_mm: float, *, limits: ReferenceLimits) -> Print:
    """Find distinctive points of print and describe them.

    Parameters
    ----------
    gray : (H, W) uint8 array
    pixels_per_mm : float
        Its resolution, as far as known; the points are sought at a common, lower one.
    limits : ReferenceLimits

    Returns
    -------
    Print
        Places in pixels of `gray`.

    Notes
    -----
    ORB [1]_: it holds under rotation, and costs a tenth of SIFT.

    References
    ----------
    .. [1] E. Rublee et al., ICCV 2011. DOI 10.1109/ICCV.2011.6126544
    """
    factor = min(1.0, limits.pixels_per_mm / pixels_per_mm)
    small = gray if factor == 1.0 else cv2.resize(gray, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    orb = cv2.ORB.create(nfeatures=limits.points, fastThreshold=limits.corner_threshold)
    found, descriptors = orb.detectAndCompute(cv2.GaussianBlur(small, (0, 0), 0.8), None)
    if descriptors is None:
        return Print(np.zeros((0, 2)), np.zeros((0, 32), np.uint8))
    places = np.array([point.pt for point in found], dtype=np.float64)
    return Print((places + 0.5) / factor - 0.5, np.asarray(descriptors, np.uint8))


def place_by_print(
    blank: Print, blank_pixels_per_mm: tuple[float, float], scan: Print, *, limits: ReferenceLimits
) -> Placement | None:
    """Lay a blank page over a scan by matching their print.

    Parameters
    ----------
    blank, scan : Print
    blank_pixels_per_mm : (float, float)
        Resolution of the blank page's image across and down, exact: it defines the layout's millimetres.
    limits : ReferenceLimits

    Returns
    -------
    Placement or None
        `found` counts the points that agree; None where too few do to be believed.
    """
    if min(len(blank.places), len(scan.places)) < limits.least_points:
        return None
    pairs = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True).match(blank.descriptors, scan.descriptors)
    pairs = [pair for pair in pairs if pair.distance <= limits.greatest_distance]
    if len(pairs) < limits.least_points:
        return None
    source = (blank.places[[pair.queryIdx for pair in pairs]] + 0.5) / np.array(blank_pixels_per_mm)
    target = scan.places[[pair.trainIdx for pair in pairs]]
    cv2.setRNGSeed(0)
    rough, _ = cv2.estimateAffinePartial2D(
        source, target, method=cv2.RANSAC, ransacReprojThreshold=limits.rough_px, maxIters=3000, confidence=0.999
    )
    if rough is None:
        return None
    scale = math.hypot(rough[0, 0], rough[1, 0])
    matrix = np.vstack([rough, [0, 0, 1]])
    for reach_mm in limits.fine_mm:
        near = np.linalg.norm(project(matrix, source) - target, axis=1) <= reach_mm * scale
        if near.sum() < limits.least_points:
            return None
        fit, _ = cv2.findHomography(source[near], target[near], 0)
        if fit is None:
            return None
        matrix = np.asarray(fit, dtype=np.float64)
    miss = np.linalg.norm(project(matrix, source[near]) - target[near], axis=1) / scale
    tilt = math.degrees(math.atan2(matrix[1, 0], matrix[0, 0]))
    residual = float(np.sqrt(np.mean(miss**2)))
    return Placement(matrix, int(near.sum()), len(blank.places), residual, upright_turn(tilt))
