"""Finding the printed frames of boxes: drawn at known places, they must be found there."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from scangrade.geometry import median, parabola_top, parabola_tops, quantile
from scangrade.model import Box, Shape
from scangrade.paper.frames import _kernel, _nearest, _nested, _RectangleSums, find_frames
from scangrade.paper.patches import BoxGeometry, PageBoxes, page_ink
from scangrade.settings import FRAMES

SCALE = 6.0  # pixels per mm of the drawn page
FINE = 8  # drawn so much finer, then averaged


def _page(boxes: list[Box], offset_mm: tuple[float, float]) -> np.ndarray:
    side = int(120 * SCALE * FINE)
    page = np.full((side, side), 255, np.uint8)
    for box in boxes:
        x, y = (box.x_mm + offset_mm[0]) * SCALE * FINE, (box.y_mm + offset_mm[1]) * SCALE * FINE
        half = (box.width_mm / 2 * SCALE * FINE, box.height_mm / 2 * SCALE * FINE)
        frame = box.frame_mm * SCALE * FINE
        for grown, shade in ((frame, 0), (0.0, 255)):
            left, top, right, bottom = (
                round(v) for v in (x - half[0] - grown, y - half[1] - grown, x + half[0] + grown, y + half[1] + grown)
            )
            if box.shape is Shape.CIRCLE:
                cv2.ellipse(
                    page, (round(x), round(y)), (round(half[0] + grown), round(half[1] + grown)), 0, 0, 360, (shade,), -1
                )
            else:
                page[top:bottom, left:right] = shade
    return np.asarray(cv2.resize(page, None, fx=1 / FINE, fy=1 / FINE, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _boxes(shape: Shape, width: float = 4.0, height: float = 4.0) -> list[Box]:
    return [
        Box("q", f"{row}{column}", 1, 20.0 + 10 * column, 20.0 + 12 * row, width, height, 0.3, shape=shape)
        for row in range(7)
        for column in range(8)
    ]


# the centre of pixel 0 lies half a pixel inside the page
MATRIX = np.array([[SCALE, 0, -0.5], [0, SCALE, -0.5], [0, 0, 1.0]])


@pytest.mark.parametrize("offset_mm", [(0.0, 0.0), (0.31, -0.47), (-1.7, 1.2)])
@pytest.mark.parametrize(
    ("shape", "width", "height"), [(Shape.SQUARE, 4.0, 4.0), (Shape.SQUARE, 5.5, 3.3), (Shape.CIRCLE, 4.0, 4.0)]
)
def test_frames_are_found_where_they_were_drawn(
    shape: Shape, width: float, height: float, offset_mm: tuple[float, float]
) -> None:
    boxes = _boxes(shape, width, height)
    ink = page_ink(_page(boxes, offset_mm), SCALE, least_contrast=FRAMES.least_contrast)
    frames = find_frames(ink, MATRIX, boxes, pixels_per_mm=SCALE, limits=FRAMES)
    assert frames.seen.all()
    # a fifth of a pixel: the parabola through three correlations is not the true peak's shape
    assert np.abs(frames.offset_mm - offset_mm).max() < 0.035


def test_a_frame_under_a_scribble_takes_the_place_of_its_neighbours_and_the_others_keep_theirs() -> None:
    boxes = _boxes(Shape.SQUARE)
    page = _page(boxes, (0.5, 0.4))
    x, y = round((boxes[20].x_mm + 0.5) * SCALE), round((boxes[20].y_mm + 0.4) * SCALE)
    page[y - 20 : y + 20, x - 20 : x + 20] = 0
    ink = page_ink(page, SCALE, least_contrast=FRAMES.least_contrast)
    frames = find_frames(ink, MATRIX, boxes, pixels_per_mm=SCALE, limits=FRAMES)
    assert np.flatnonzero(~frames.seen).tolist() == [20]
    assert np.abs(frames.offset_mm - (0.5, 0.4)).max() < 0.05


def test_boxes_that_all_lie_outside_of_the_image_are_not_seen() -> None:
    boxes = _boxes(Shape.SQUARE)
    ink = page_ink(_page(boxes, (0, 0)), SCALE, least_contrast=FRAMES.least_contrast)
    away = np.array([[1, 0, 5000.0], [0, 1, 0], [0, 0, 1]]) @ MATRIX
    frames = find_frames(ink, away, boxes, pixels_per_mm=SCALE, limits=FRAMES)
    assert not frames.seen.any() and np.isnan(frames.score).all()


@pytest.mark.parametrize("inset_mm", FRAMES.insets_mm)
@pytest.mark.parametrize(("width", "height"), [(4.0, 4.0), (5.3, 3.1)])
def test_sums_over_rectangles_are_the_correlation_with_the_frame(width: float, height: float, inset_mm: float) -> None:
    geometry = BoxGeometry(width, height, 0.3, Shape.SQUARE)
    kernel = _kernel(geometry, inset_mm, 6.0, FRAMES)
    reach = 4
    shape = (5, kernel.shape[0] + 2 * reach, kernel.shape[1] + 2 * reach)
    patches = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    found = _RectangleSums(patches).correlate(_nested(geometry, inset_mm, 6.0, FRAMES), reach, slice(1, None))
    want = [cv2.matchTemplate(patch.astype(np.float32), kernel, cv2.TM_CCORR) for patch in patches[1:]]
    assert np.allclose(found, want, atol=0.01)  # of 255


def test_many_parabolas_are_as_one() -> None:
    values = np.random.default_rng(2).random((50, 3)).astype(np.float32)
    values[:, 1] += 1  # the middle one is the greatest
    assert np.allclose(parabola_tops(*values.T), [parabola_top(three, 1) for three in values])


@pytest.mark.parametrize("count", [1, 2, 7, 10])
def test_medians_and_quantiles_are_those_of_numpy(count: int) -> None:
    values = np.random.default_rng(count).random((count, 2))
    assert median(values) == pytest.approx(np.median(values, axis=0))
    assert quantile(values[:, 0], 0.9) == pytest.approx(np.quantile(values[:, 0], 0.9))


def test_the_nearest_strong_frames_are_found_where_few_are_strong_too() -> None:
    centres = np.random.default_rng(3).random((60, 2)) * 200
    strong = centres[:, 0] < 60  # none in most of the page
    boxes = PageBoxes([Box("q", f"{k}", 1, x, y, 4.0, 4.0, 0.3) for k, (x, y) in enumerate(centres.tolist())])
    found = _nearest(boxes, strong, 5)
    away = np.linalg.norm(centres[:, None] - centres[strong][None], axis=2)
    assert np.array_equal(found, np.argsort(away, axis=1)[:, :5])
