"""Millimetres and pixels: applying and making the transforms between a layout and an image."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scangrade.model import Transform

MM_PER_INCH = 25.4


def as_matrix(transform: Transform) -> NDArray[np.float64]:
    """The homography as a 3 x 3 array."""
    return np.asarray(transform.matrix, dtype=np.float64).reshape(3, 3)


def as_transform(matrix: ArrayLike) -> Transform:
    """A transform from a 3 x 3 array, scaled so that its last number is 1."""
    array = np.asarray(matrix, dtype=np.float64).reshape(3, 3)
    return Transform(tuple(float(value) for value in (array / array[2, 2]).ravel()))


def project(matrix: NDArray[np.float64], points: ArrayLike) -> NDArray[np.float64]:
    """Map points through a homography.

    Parameters
    ----------
    matrix : (3, 3) array
    points : (N, 2) array
        x and y in the units that the homography takes.

    Returns
    -------
    (N, 2) array
    """
    array = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    out = array @ matrix[:, :2].T
    out += matrix[:, 2]
    mapped: NDArray[np.float64] = out[:, :2] / out[:, 2:3]
    return mapped


def project_point(matrix: NDArray[np.float64], x: float, y: float) -> tuple[float, float]:
    """Map a single point through a homography, in a fifth of the time."""
    (a, b, c), (d, e, f), (g, h, i) = matrix.tolist()
    divisor = g * x + h * y + i
    return (a * x + b * y + c) / divisor, (d * x + e * y + f) / divisor


def local_scale(matrix: NDArray[np.float64], x: float, y: float) -> float:
    """Pixels per millimetre of a homography around a point: the square root of its area scale."""
    (a, b, c), (d, e, f), (g, h, i) = matrix.tolist()
    determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    return float(abs(determinant / (g * x + h * y + i) ** 3) ** 0.5)


def median(values: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """The median along the first axis, as `numpy.median` gives it, in a tenth of its time for a few numbers."""
    ordered = np.sort(values, axis=0)
    return np.asarray((ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2)


def quantile(values: NDArray[np.floating[Any]], share: float) -> float:
    """A quantile of numbers, as `numpy.quantile` gives it, in a tenth of its time for a few."""
    ordered = np.sort(values)
    at = share * (len(ordered) - 1)
    low, high = ordered[math.floor(at)], ordered[math.ceil(at)]
    return float(low + (high - low) * (at - math.floor(at)))


def parabola_top(values: NDArray[np.float32], at: int) -> float:
    """Offset, -0.5 to 0.5, of the top of the parabola through a greatest value and its two neighbours; 0 at an end."""
    if at == 0 or at == len(values) - 1:
        return 0.0
    before, here, after = float(values[at - 1]), float(values[at]), float(values[at + 1])
    bend = before - 2 * here + after
    return 0.0 if bend >= 0 else 0.5 * (before - after) / bend


def parabola_tops(before: ArrayLike, here: ArrayLike, after: ArrayLike) -> NDArray[np.float64]:
    """As `parabola_top` for many greatest values at once, given with their neighbours."""
    left, middle, right = (np.asarray(values, dtype=np.float64) for values in (before, here, after))
    bend = left - 2 * middle + right
    bent = bend < 0
    return np.where(bent, 0.5 * (left - right) / np.where(bent, bend, 1.0), 0.0)
