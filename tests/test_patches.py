"""Patches cut out of a page, and what paper and print look like on it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from scangrade.geometry import local_scale, project
from scangrade.paper.patches import PageInk, halve, ink_map, page_ink, sample, thumbnails

Gray = NDArray[np.uint8]


def _ramp(height: int = 400, width: int = 300) -> Gray:
    """A page that gets brighter across and down, so that every place has a gray level of its own."""
    return np.asarray(np.rint(np.add.outer(np.arange(height) * 0.3, np.arange(width) * 0.3)), dtype=np.uint8)


def _plain(gray: Gray, paper: int = 250) -> PageInk:
    return PageInk(gray, np.full((20, 15), paper, np.uint8), 1.0)


def test_a_patch_holds_the_darkness_of_its_place_under_a_turned_and_slanted_page() -> None:
    matrix = np.array([[5.0, 0.4, 30.0], [-0.3, 5.2, 50.0], [1e-4, -2e-4, 1.0]])
    centres = np.array([[20.0, 20.0], [35.0, 40.0], [10.0, 55.0]])
    patches = sample(_plain(_ramp()), matrix, centres, np.arange(-12, 13) / 6, np.arange(-18, 19) / 6).darkness()
    assert patches.shape == (3, 37, 25)
    for centre, patch in zip(centres, patches, strict=True):
        for row, column in ((0, 0), (18, 12), (36, 24), (5, 20)):
            place = centre + (np.array([column, row]) - (12, 18)) / 6.0
            across, down = project(matrix, [place])[0]
            # the ramp is rounded to whole levels: half of one, of 250
            assert patch[row, column] == pytest.approx(1 - 0.3 * (across + down) / 250, abs=1.1 / 250)


def test_what_lies_outside_the_image_is_not_a_number() -> None:
    matrix = np.diag([5.0, 5.0, 1.0])
    offsets = np.arange(-10, 11) / 5
    centres = np.array([[30.0, 40.0], [0.0, 40.0], [-50.0, 40.0]])
    inside, partly, outside = sample(_plain(_ramp()), matrix, centres, offsets, offsets).darkness()
    assert np.isfinite(inside).all()
    assert np.isnan(partly[:, :10]).all() and np.isfinite(partly[:, 10:]).all()
    assert np.isnan(outside).all()


def test_paper_brightness_is_taken_out_where_light_falls_off() -> None:
    light = np.linspace(255, 150, 600)[None, :] * np.linspace(1, 0.8, 800)[:, None]
    ink = page_ink(np.rint(light).astype(np.uint8), 5.9, least_contrast=0.3)
    offsets = np.arange(-24, 25) / 6
    centres = np.array([[20.0, 20.0], [50.0, 100.0], [80.0, 70.0]])
    patches = sample(ink, np.diag([5.9, 5.9, 1.0]), centres, offsets, offsets).darkness()
    # the brightest of the neighbourhood counts, which lies up to 7 mm towards the light
    assert np.abs(patches * ink.contrast).max() < 0.08


@pytest.mark.parametrize("black", [0, 40, 120])
def test_contrast_is_that_of_the_darkest_print(black: int) -> None:
    page = np.full((900, 600), 240, np.uint8)
    page[780:880, 480:580] = black  # two in a hundred pixels; paper near so large a square seems a hundredth darker
    assert page_ink(page, 5.9, least_contrast=0.3).contrast == pytest.approx(1 - black / 240, abs=0.01)


def test_a_page_without_print_has_the_least_contrast() -> None:
    assert page_ink(np.full((900, 600), 240, np.uint8), 5.9, least_contrast=0.3).contrast == 0.3


def test_halving_averages_and_drops_a_last_odd_line() -> None:
    page = np.array([[0, 100, 9], [100, 200, 9], [9, 9, 9]], np.uint8)
    assert halve(page, 1).tolist() == [[100]]
    assert halve(page, 0) is page


def test_the_local_scale_is_that_of_small_steps() -> None:
    matrix = np.array([[5.0, 0.4, 30.0], [-0.3, 5.2, 50.0], [1e-3, -2e-3, 1.0]])
    x, y, step = 40.0, 70.0, 1e-3
    at, right, down = project(matrix, [(x, y), (x + step, y), (x, y + step)])
    area = np.linalg.det(np.array([right - at, down - at])) / step**2
    assert local_scale(matrix, x, y) == pytest.approx(area**0.5, rel=1e-4)


@pytest.mark.parametrize(("width_mm", "height_mm"), [(4.0, 4.0), (3.0, 5.5)])
def test_pixels_of_a_picture_are_the_mean_darkness_of_their_places(width_mm: float, height_mm: float) -> None:
    page = np.full((500, 400), 240, np.uint8)
    cv2.circle(page, (200, 250), 20, 60, 2)
    gray = np.asarray(cv2.GaussianBlur(page, (0, 0), 0.8), dtype=np.uint8)
    ink = PageInk(gray, np.full((50, 40), 240, np.uint8), 0.6)  # its black is 96: what is darker is no blacker
    matrix, centres = np.diag([5.9, 5.9, 1.0]), np.array([[33.9, 42.4], [0.0, 42.4]])
    found, beyond = thumbnails(ink, matrix, centres, (width_mm, height_mm), 28, finest_per_mm=6.0)
    x, y = (np.linspace(-length, length, 28 * 8 + 1)[:-1] + length / 224 for length in (width_mm, height_mm))
    want = sample(ink, matrix, centres[:1], x, y).darkness()[0].reshape(28, 8, 28, 8).mean(axis=(1, 3))
    assert want.max() > 0.6
    assert np.abs(found / 255 - np.clip(want, 0, 1)).max() < 0.08
    assert not beyond[:, :13].any()


@pytest.mark.parametrize("times", [0, 1, 2])
def test_a_window_is_as_dark_as_that_part_of_the_page_at_less_resolution(times: int) -> None:
    rng = np.random.default_rng(5)
    light = np.linspace(250, 120, 620)[None, :] * np.linspace(1, 0.5, 877)[:, None]
    stains = cv2.GaussianBlur(rng.standard_normal(light.shape), (0, 0), 4)
    gray = np.asarray(np.rint(light * (0.7 + 0.15 * stains / stains.std()).clip(0, 1)), dtype=np.uint8)
    ink = page_ink(gray, 5.9, least_contrast=0.3)
    height, width = (side // 2**times for side in gray.shape)
    windows = ((0, 0, 40, 50), (width - 45, height - 30, width, height), (60, 30, 131, 99))
    every = ink.halved(times).below(0.6)
    for (x0, y0, x1, y1), seen in zip(windows, ink.below_in(windows, 0.6, times), strict=True):
        want = every[y0:y1, x0:x1]
        assert seen.shape == want.shape and 0.02 < (want > 0).mean() < 0.98
        # paper is looked up to half a pixel aside: a level of gray, within which one pixel in a hundred is of the bound
        assert (seen != want).mean() < 0.02


@pytest.mark.parametrize("scale", [3.9, 5.9, 7.9, 11.8])
def test_the_map_of_ink_shows_the_darkest_pixel_of_each_square_millimetre(scale: float) -> None:
    matrix = np.array([[scale, 0.02 * scale, 11.0], [-0.02 * scale, scale, 37.0], [0, 0, 1]])
    page = np.full((round(105 * scale), round(90 * scale)), 235, np.uint8)
    dots = np.random.default_rng(3).uniform((2, 2), (72, 96), (300, 2))
    for across, down in project(matrix, dots):
        cv2.circle(page, (round(across), round(down)), 1, 30, -1)
    found = ink_map(page_ink(page, scale, least_contrast=0.3), matrix, (74.0, 98.0), scale)
    assert found.shape == (98, 74)
    rows, columns = np.nonzero(page < 100)
    cells = np.floor(project(np.linalg.inv(matrix), np.column_stack([columns, rows]))).astype(int)
    want = np.zeros(found.shape, np.bool_)
    want[cells[:, 1], cells[:, 0]] = True
    seen = found > 76
    # Windows of whole pixels, and rows in twos or fours, lie up to a quarter of a millimetre off their cells: a dot three pixels wide at
    # the edge of a cell may show in the next one. None shows farther off, and none rather above than below.
    assert (seen != want).sum() <= 0.35 * want.sum()
    assert not seen[cv2.dilate(want.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0].any()
    alone = seen & ~want
    below, above = (alone[1:] & want[:-1]).sum(), (alone[:-1] & want[1:]).sum()
    assert abs(int(below) - int(above)) <= 0.05 * want.sum()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (3, 2), (9, 1), (40, 30)])
def test_an_image_of_a_few_pixels_has_paper_and_black(shape: tuple[int, int]) -> None:
    ink = page_ink(np.full(shape, 200, np.uint8), 5.9, least_contrast=0.3)
    assert ink.contrast == 0.3
    assert ink.paper.min() == ink.paper.max() == 200
