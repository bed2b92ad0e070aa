"""Measuring what is in a box, as numbers that last: verdicts are taken from them later, again and again, without the paper.

Every number is a darkness between 0, this page's bare paper, and 1, its black, or a share of an area, so that it means the same on
a gray, a yellowed and a 1-bit page.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scangrade.model import FEATURES, PATCH_SIDE, Box, Readings, no_map, no_patches
from scangrade.paper.frames import Frames
from scangrade.paper.patches import BoxGeometry, PageInk, by_geometry, cut, ink_map, outline_distance, thumbnails
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
    layout_centres = np.array([(box.x_mm, box.y_mm) for box in boxes], dtype=np.float64).reshape(-1, 2)
    centres = layout_centres + frames.offset_mm
    patches = no_patches(len(boxes))
    for geometry, members in by_geometry(boxes):
        index = np.array(members)
        if page_mm is not None:
            patches[index] = thumbnails(
                ink,
                matrix,
                centres[index],
                (geometry.width_mm, geometry.height_mm),  # the inside of the frame is the middle half
                PATCH_SIDE,
                finest_per_mm=settings.finest_per_mm,
            )
        values[index, : len(_INSIDE)] = _inside(
            ink, matrix, centres[index], geometry, float(frames.inset_mm[index[0]]), settings
        )
    column = {name: position for position, name in enumerate(FEATURES)}
    values[:, column["frame"]] = np.nan_to_num(frames.score)
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


def _inside(
    ink: PageInk,
    matrix: NDArray[np.float64],
    centres: NDArray[np.float64],
    geometry: BoxGeometry,
    inset_mm: float,
    settings: MeasureSettings,
) -> NDArray[np.float32]:
    """The features of `_INSIDE` for boxes of one geometry."""
    q = settings.pixels_per_mm
    border = geometry.frame_mm + settings.beyond_mm
    half_mm = (geometry.width_mm / 2 + border, geometry.height_mm / 2 + border)
    patches = cut(ink, matrix, centres, half_mm, q)
    rows, columns = patches.shape[1:]
    half = (columns // 2, rows // 2)
    distance = outline_distance(geometry, half, q)
    inset = inset_mm + min(settings.inset_mm, settings.inset_share * min(geometry.width_mm, geometry.height_mm))
    inside = distance <= -inset
    x = np.broadcast_to(np.arange(-half[0], half[0] + 1) / q / (geometry.width_mm / 2 - inset), (rows, columns))
    y = np.broadcast_to((np.arange(-half[1], half[1] + 1) / q / (geometry.height_mm / 2 - inset))[:, None], (rows, columns))
    core = inside & (np.maximum(np.abs(x), np.abs(y)) <= 0.5)
    band = (distance >= geometry.frame_mm + settings.gap_mm) & (distance < geometry.frame_mm + settings.outside_mm)
    far = distance >= geometry.frame_mm + settings.far_mm
    away = np.minimum(np.abs(x - y), np.abs(x + y))  # distance to the nearer diagonal, in half boxes
    on_diagonal, off_diagonal = inside & (away <= 0.25), inside & (away >= 0.6)
    third_x = np.clip(np.floor((x + 1) * 1.5), 0, 2)
    third_y = np.clip(np.floor((y + 1) * 1.5), 0, 2)

    thirds = [inside & (third_x == i) & (third_y == j) for j in range(3) for i in range(3)]
    flat = patches.reshape(len(patches), -1)
    pixels = np.sort(_under(flat, inside), axis=1)
    # Shadow and noise beside the box are in the box as well. Ink beside it is not: hence quantiles of both, and a limit.
    around = np.nan_to_num(_quantile(np.sort(_under(flat, band), axis=1), settings.floor_quantile))
    within = np.nan_to_num(_quantile(pixels, settings.floor_quantile))
    floor = np.clip(np.minimum(around, within), -settings.most_floor, settings.most_floor)[:, None]

    def above_floor(darkness: NDArray[np.float32]) -> NDArray[np.float32]:
        """What is left of (patches, N) values without the floor, stretched to black; quantiles and means move with the pixels."""
        return np.asarray((darkness - floor) / (1.0 - floor), dtype=np.float32)

    means = above_floor(_means(patches, [inside, core, on_diagonal, off_diagonal, band, *thirds]))
    cells = means[:, 5:]
    return np.column_stack(
        [
            means[:, 0],
            means[:, 1],
            _share_above(pixels, floor + 0.5 * (1.0 - floor)),
            _share_above(pixels, floor + (1.0 - floor) / 6),
            above_floor(_quantile(pixels, 0.95)[:, None]),
            cells.min(axis=1),
            (cells > settings.cell_ink).mean(axis=1),
            _without_line(patches, inside, floor, max(1, round(settings.line_mm * q))),
            means[:, 2] - means[:, 3],
            means[:, 4],
            _share_above(_under(flat, far), floor + settings.beyond_ink * (1.0 - floor)),
        ]
    ).astype(np.float32)


def _under(flat: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The pixels of (patches, pixels) that lie under a mask."""
    return np.take(flat, np.flatnonzero(mask), axis=1)


def _means(patches: NDArray[np.float32], masks: Sequence[NDArray[np.bool_]]) -> NDArray[np.float32]:
    """Means of patches under masks, (patches, masks); NaN where a pixel under the mask is NaN."""
    flat = patches.reshape(len(patches), -1)
    # one product for all masks; in it a single NaN would spoil the means that it has no part in
    whole = np.isfinite(flat).all(axis=1)
    weights = np.column_stack([mask.ravel() / np.float32(mask.sum()) for mask in masks])
    result = np.empty((len(flat), len(masks)), np.float32)
    result[whole] = flat[whole] @ weights.astype(np.float32)
    for k in np.flatnonzero(~whole).tolist():
        result[k] = [patches[k, mask].mean() for mask in masks]
    return result


def _quantile(ordered: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """A quantile of each row of ordered values, as `numpy.quantile` gives it; NaN where one of them is, which come last."""
    at = share * (ordered.shape[1] - 1)
    below = int(at)
    low, high = ordered[:, below], ordered[:, min(below + 1, ordered.shape[1] - 1)]
    found = low + (high - low) * np.float32(at - below)
    return np.where(np.isnan(ordered[:, -1]), np.float32(np.nan), found)


def _without_line(
    patches: NDArray[np.float32], inside: NDArray[np.bool_], floor: NDArray[np.float32], width: int
) -> NDArray[np.float32]:
    """Mean darkness of the inside, above the floor, without the darkest band of columns, or of rows, that is `width` pixels wide."""
    ink = np.where(inside, patches, np.float32(0))
    rests = []
    for axis in (1, 2):
        counts = inside.sum(axis=axis - 1)
        sums = (ink.sum(axis=axis) - floor * counts) / (1.0 - floor)
        bands = sums.shape[1] - width + 1
        banded = np.zeros((len(sums), bands))
        members = np.zeros(bands)
        for step in range(width):
            banded += sums[:, step : step + bands]
            members += counts[step : step + bands]
        best = banded.argmax(axis=1)
        left = (sums.sum(axis=1) - banded[np.arange(len(banded)), best]) / np.maximum(counts.sum() - members[best], 1)
        rests.append(left)
    return np.asarray(np.minimum(*rests), dtype=np.float32)


def _share_above(pixels: NDArray[np.float32], level: NDArray[Any]) -> NDArray[np.float32]:
    """Share of pixels darker than each row's `level`; NaN where a pixel lies outside the image."""
    ones = np.ones(pixels.shape[1], np.float32)
    share = (pixels > level).astype(np.float32) @ ones / np.float32(pixels.shape[1])
    return np.where(np.isfinite(pixels @ ones), share, np.float32(np.nan))
