"""Lines of a dirty scanner glass, told from strokes of pens in made pictures of boxes."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from scangrade.answers.empty_boxes import INSIDE
from scangrade.answers.streaks import streaked
from scangrade.model import PATCH_SIDE
from scangrade.settings import DECIDE

MIDDLE = PATCH_SIDE // 2


def a_box() -> NDArray[np.uint8]:
    """An empty box: its frame."""
    box = np.zeros((PATCH_SIDE, PATCH_SIDE), np.uint8)
    frame = slice(INSIDE.start - 1, INSIDE.stop + 1)
    box[frame, frame] = 220
    box[INSIDE, INSIDE] = 0
    return box


def is_streaked(ink: NDArray[np.uint8]) -> bool:
    empty = a_box()
    added = np.where(empty > 0, 0, ink).astype(np.uint8)
    return bool(streaked(added[None], empty[None], settings=DECIDE)[0])


@pytest.mark.parametrize("askew", [0, 2])
def test_a_line_from_edge_to_edge_is_a_streak(askew: int) -> None:
    ink = np.zeros((PATCH_SIDE, PATCH_SIDE), np.uint8)
    for row in range(PATCH_SIDE):
        ink[row, MIDDLE + row * askew // PATCH_SIDE] = 120
    assert is_streaked(ink)


@pytest.mark.parametrize("rows", [slice(INSIDE.start, INSIDE.stop), slice(0, INSIDE.stop), slice(INSIDE.start, PATCH_SIDE)])
def test_a_stroke_that_ends_at_the_box_is_not(rows: slice) -> None:
    ink = np.zeros((PATCH_SIDE, PATCH_SIDE), np.uint8)
    ink[rows, MIDDLE] = 200
    assert not is_streaked(ink)


def test_a_line_beside_which_something_else_is_written_is_not() -> None:
    ink = np.zeros((PATCH_SIDE, PATCH_SIDE), np.uint8)
    ink[:, MIDDLE + 4] = 120
    for step in range(6):
        ink[MIDDLE - 3 + step, MIDDLE - 4 : MIDDLE] = 200
    assert not is_streaked(ink)


def test_neither_a_cross_nor_a_fill_nor_nothing_is() -> None:
    cross = np.zeros((PATCH_SIDE, PATCH_SIDE), np.uint8)
    for step in range(PATCH_SIDE):
        cross[step, step] = cross[step, PATCH_SIDE - 1 - step] = 220
    fill = np.full((PATCH_SIDE, PATCH_SIDE), 200, np.uint8)
    for ink in (cross, fill, np.zeros_like(cross)):
        assert not is_streaked(ink)
