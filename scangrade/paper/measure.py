"""Measuring what is in a box, as numbers that last: verdicts are taken from them later, again and again, without the paper.

Every number is a darkness between 0, this page's bare paper, and 1, its black, or a share of an area, so that it means the same on
a gray, a yellowed and a 1-bit page.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scangrade.model import FEATURES, PATCH_SIDE, Box, Readings, no_map, no_patches
from scangrade.paper.frames import Frames
from scangrade.paper.patches import BoxGeometry, PageBoxes, PageInk, ink_map, middles, outline_distance, pitch, sample
from scangrade.settings import MeasureSettings


def measure(
    ink: PageInk,
    matrix: NDArray[np.float64],
    boxes: Sequence[Box],
    frames: Frames,
    blank: Readings | None,
    *,
    page_mm: tuple[float, float] | None = None,
    mapped: bool = True,
    pixels_per_mm: float,
    settings: MeasureSettings,
) -> Readings:
    """Measure the ink in every box of a registered page.

    Parameters
    ----------
    ink : PageInk
        The page's gray values and paper brightness.
    matrix : (3, 3) array
        Layout mm to image pixels.
    boxes : sequence of Box
        Boxes of the page in layout order.
    frames : Frames
        Where their frames were found.
    blank : Readings or None
        The same boxes on the blank form.
    page_mm : (float, float), optional
        Width and height of the page; without it only numbers are measured, and no pictures kept.
    mapped : bool
        Whether a map of the page's ink is kept with the pictures.
    pixels_per_mm : float
        Of the image.
    settings : MeasureSettings

    Returns
    -------
    Readings
        One row per box, one column per name in `FEATURES`; a row of NaN where the box leaves the image.
    """
    values = np.full((len(boxes), len(FEATURES)), np.nan, dtype=np.float32)
    places = PageBoxes.of(boxes)
    centres = places.centres + frames.offset_mm
    patches = no_patches(len(boxes))
    for geometry, index in places.groups:
        inset_mm = float(frames.inset_mm[index[0]])
        plan = _plan(geometry, inset_mm, settings)
        seen = sample(ink, matrix, centres[index], plan.x_mm, plan.y_mm)
        values[index, : len(_INSIDE)] = _inside(seen.darkness(), seen.whole, plan, settings)
        if page_mm is not None:
            patches[index] = seen.pictures(PATCH_SIDE, *plan.picture)
    column = {name: position for position, name in enumerate(FEATURES)}
    values[:, column["frame"]] = np.where(np.isfinite(frames.score), frames.score, 0)
    values[:, column["dx_mm"]] = frames.offset_mm[:, 0]
    values[:, column["dy_mm"]] = frames.offset_mm[:, 1]
    values[:, column["seen"]] = frames.seen
    values[:, column["contrast"]] = ink.contrast
    values[:, column["scale"]] = pixels_per_mm
    if blank is not None:
        for name in ("ink", "dark", "core"):
            values[:, column[f"blank_{name}"]] = blank.values[:, column[name]]
    values[np.isnan(values[:, column["ink"]])] = np.nan
    if page_mm is None:
        return Readings(values)
    around = ink_map(ink, matrix, page_mm, pixels_per_mm) if mapped else no_map()
    if blank is None:
        return Readings(values, patches, ink_map=around)
    return Readings(values, patches, blank.patches, around, blank.ink_map if mapped else no_map())


#: The features that the pixels of a box' patch give, in order.
_INSIDE: Final = FEATURES[: FEATURES.index("beyond") + 1]


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """Where boxes of a geometry are sampled, and what the samples are of."""

    x_mm: NDArray[np.float64]  #: (W,) columns, from the box' centre
    y_mm: NDArray[np.float64]  #: (H,) rows
    picture: tuple[slice, slice]  #: rows and columns that a box' picture shows
    pixels: NDArray[np.intp]  #: the inside, as places in a patch
    band: NDArray[np.intp]  #: what is taken for the paper around
    far: NDArray[np.intp]  #: where strokes that leave the box are sought
    means: NDArray[
        np.float32
    ]  #: (pixels, 13) weights of the inside: all of it, core, along the diagonals, off them, and ninths
    within: tuple[slice, slice]  #: rows and columns that hold the inside
    inside: NDArray[np.bool_]  #: (h, w) of these, the inside itself
    lines: tuple[_Lines, _Lines]  #: in rows and in columns


@dataclass(frozen=True, slots=True, eq=False)
class _Lines:
    """Every place that a straight line along an axis can have in the inside of a box."""

    counts: NDArray[np.float32]  #: (n,) pixels of the inside in each row, or column
    members: NDArray[np.float32]  #: (n, m) 1 where one belongs to a line's place
    rest: NDArray[np.float32]  #: (m,) pixels of the inside beside the line, 1 at least

    @classmethod
    def across(cls, inside: NDArray[np.bool_], axis: int, width: int) -> _Lines:
        """Lines so many pixels wide, along rows (axis 0) or columns (1)."""
        counts = inside.sum(axis=1 - axis).astype(np.float32)
        first = np.arange(len(counts) - width + 1)
        place = np.arange(len(counts))[:, None]
        members = ((place >= first) & (place < first + width)).astype(np.float32)
        return cls(counts, members, np.maximum(counts.sum() - counts @ members, 1))


@functools.lru_cache(maxsize=64)
def _plan(geometry: BoxGeometry, inset_mm: float, settings: MeasureSettings) -> _Plan:
    """How boxes of a geometry are measured whose frame is printed so far inside its place."""
    axes = [_axis(length, geometry.frame_mm, settings) for length in (geometry.width_mm, geometry.height_mm)]
    (x_mm, columns, column_mm), (y_mm, rows, row_mm) = axes
    shape = len(y_mm), len(x_mm)
    distance = outline_distance(geometry, x_mm, y_mm)
    inset = inset_mm + min(settings.inset_mm, settings.inset_share * min(geometry.width_mm, geometry.height_mm))
    inside = distance <= -inset
    x = np.broadcast_to(x_mm / (geometry.width_mm / 2 - inset), shape)
    y = np.broadcast_to((y_mm / (geometry.height_mm / 2 - inset))[:, None], shape)
    core = inside & (np.maximum(np.abs(x), np.abs(y)) <= 0.5)
    band = (distance >= geometry.frame_mm + settings.gap_mm) & (distance < geometry.frame_mm + settings.outside_mm)
    far = distance >= geometry.frame_mm + settings.far_mm
    away = np.minimum(np.abs(x - y), np.abs(x + y))  # distance to the nearer diagonal, in half boxes
    on_diagonal, off_diagonal = inside & (away <= 0.25), inside & (away >= 0.6)
    third_x = np.clip(np.floor((x + 1) * 1.5), 0, 2)
    third_y = np.clip(np.floor((y + 1) * 1.5), 0, 2)
    thirds = [inside & (third_x == i) & (third_y == j) for j in range(3) for i in range(3)]
    masks = [inside, core, on_diagonal, off_diagonal, *thirds]
    down, across = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    within = slice(int(down[0]), int(down[-1]) + 1), slice(int(across[0]), int(across[-1]) + 1)
    return _Plan(
        x_mm,
        y_mm,
        (rows, columns),
        np.flatnonzero(inside),
        np.flatnonzero(band),
        np.flatnonzero(far),
        np.column_stack([mask[inside] / np.float32(mask.sum()) for mask in masks]).astype(np.float32),
        within,
        inside[within],
        (
            _Lines.across(inside[within], 0, max(1, round(settings.line_mm / row_mm))),
            _Lines.across(inside[within], 1, max(1, round(settings.line_mm / column_mm))),
        ),
    )


def _axis(length_mm: float, frame_mm: float, settings: MeasureSettings) -> tuple[NDArray[np.float64], slice, float]:
    """Where boxes of a width or height are sampled: places, those that their picture shows, and the distance between them.

    One sampling serves the numbers and the picture, whose middle half is the box. So the samples are those of which its pixels are
    means, and as many more on either side as the numbers need.
    """
    each, step = pitch(2 * length_mm, PATCH_SIDE, settings.finest_per_mm)
    shown = PATCH_SIDE * each
    more = max(0, math.ceil((frame_mm + settings.beyond_mm - length_mm / 2) / step))
    count = shown + 2 * more
    return middles(count, count * step), slice(more, more + shown), step


def _inside(
    patches: NDArray[np.float32], whole: NDArray[np.bool_], plan: _Plan, settings: MeasureSettings
) -> NDArray[np.float32]:
    """The features of `_INSIDE` for the patches of boxes of one geometry, of which those not `whole` leave the image."""
    flat, cut = patches.reshape(len(patches), -1), np.flatnonzero(~whole).tolist()
    pixels, beside = (np.take(flat, places, axis=1) for places in (plan.pixels, plan.band))
    # Shadow and noise beside the box are in the box as well. Ink beside it is not: hence quantiles of both, and a limit.
    around = _quantile(beside, settings.floor_quantile, cut)
    within = _quantile(pixels, settings.floor_quantile, cut)
    if cut:
        around, within = np.nan_to_num(around), np.nan_to_num(within)
    floor = np.clip(np.minimum(around, within), -settings.most_floor, settings.most_floor)[:, None]
    stretch = 1.0 - floor
    # what is left of darkness without the floor, stretched to black; quantiles and means move with the pixels
    means = (_means(pixels, plan.means, cut) - floor) / stretch
    cells = means[:, 4:]
    return np.column_stack(
        [
            means[:, 0],
            means[:, 1],
            _share_above(pixels, floor + 0.5 * stretch, cut),
            _share_above(pixels, floor + stretch / 6, cut),
            (_quantile(pixels, 0.95, cut) - floor[:, 0]) / stretch[:, 0],
            cells.min(axis=1),
            (cells > settings.cell_ink).mean(axis=1),
            _without_line(patches[:, *plan.within], plan.inside, floor, plan.lines),
            means[:, 2] - means[:, 3],
            (beside.mean(axis=1) - floor[:, 0]) / stretch[:, 0],
            _share_above(np.take(flat, plan.far, axis=1), floor + settings.beyond_ink * stretch, cut),
        ]
    ).astype(np.float32, copy=False)


def _means(pixels: NDArray[np.float32], weights: NDArray[np.float32], cut: list[int]) -> NDArray[np.float32]:
    """Means of pixels under masks, given as weights (pixels, masks): (patches, masks); NaN where a pixel under the mask is NaN."""
    result: NDArray[np.float32] = pixels @ weights  # one product for all masks
    for k in cut:  # in it a single NaN spoils the means that it has no part in
        result[k] = [pixels[k, one > 0].mean() for one in weights.T]
    return result


def _quantile(pixels: NDArray[np.float32], share: float, cut: list[int]) -> NDArray[np.float32]:
    """The pixel of each row that such a share of its others is below; NaN where a pixel lies outside the image."""
    rank = round(share * (pixels.shape[1] - 1))
    found = np.partition(pixels, rank, axis=1)[:, rank]  # a single rank in half the time of sorting, two in twice
    return _unless_cut(found, pixels, cut)


def _share_above(pixels: NDArray[np.float32], level: NDArray[np.floating[Any]], cut: list[int]) -> NDArray[np.float32]:
    """Share of pixels darker than each row's `level`; NaN where a pixel lies outside the image."""
    width = pixels.shape[1]
    return _unless_cut((pixels > level).astype(np.float32) @ np.full(width, 1 / width, np.float32), pixels, cut)


def _unless_cut(found: NDArray[np.float32], pixels: NDArray[np.float32], cut: list[int]) -> NDArray[np.float32]:
    """What was found of rows of pixels, NaN where a pixel lies outside the image, as only those of patches that were `cut` can."""
    for k in cut:
        if np.isnan(pixels[k]).any():
            found[k] = np.nan
    return found


def _without_line(
    patches: NDArray[np.float32], inside: NDArray[np.bool_], floor: NDArray[np.float32], lines: tuple[_Lines, _Lines]
) -> NDArray[np.float32]:
    """Mean darkness of the inside, above the floor, without the darkest straight line along its rows, or its columns."""
    ink = np.where(inside, patches, np.float32(0))
    every = np.arange(len(patches))
    rests = []
    for axis, line in enumerate(lines):
        sums = (ink.sum(axis=2 - axis) - floor * line.counts) / (1.0 - floor)
        along = sums @ line.members
        darkest = along.argmax(axis=1)
        rests.append((sums.sum(axis=1) - along[every, darkest]) / line.rest[darkest])
    return np.asarray(np.minimum(*rests), dtype=np.float32)
