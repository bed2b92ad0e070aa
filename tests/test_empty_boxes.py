"""What empty boxes look like, learned from drawn pages whose marks are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from scangrade.answers.empty_boxes import INSIDE, EmptyBoxes, Sheet, added_ink, expected, learn_empty_boxes, low_quantile
from scangrade.authoring.person import Style
from scangrade.model import FEATURES, PATCH_SIDE, Layout, PageRead, Readings, ScannedPage, no_patches
from scangrade.settings import DECIDE
from tests.drawn import a_layout, a_page

SETTINGS = DECIDE.empty_boxes
#: Mean difference, of 255, that noise and a frame a fraction of a pixel off leave.
ALIKE = 12.0


def sheets(layout: Layout, pages: Sequence[ScannedPage]) -> list[Sheet]:
    found = []
    for page in pages:
        assert isinstance(page.result, PageRead)
        found.append(Sheet(1, layout.boxes(1), page.result.readings))
    return found


def off(learned: EmptyBoxes, blank: Sheet) -> NDArray[np.float64]:
    """Mean difference of each learned box from the really empty one."""
    return np.asarray(np.abs(learned.patches.astype(float) - blank.readings.patches).mean(axis=(1, 2)))


@pytest.mark.parametrize("booklets", [1, 6])
@pytest.mark.parametrize("printed", [False, True])
def test_marks_are_left_out_and_print_is_kept(booklets: int, printed: bool) -> None:
    layout = a_layout(questions=10, options="ABCDE", printed=printed)
    marks = [{f"{q}/{'ABCDE'[(q + k) % 5]}": Style.CROSS for q in range(1, 11)} for k in range(booklets)]
    seen = sheets(layout, [a_page(layout, one, seed=k) for k, one in enumerate(marks)])
    learned = learn_empty_boxes(seen, settings=SETTINGS)[1]
    (blank,) = sheets(layout, [a_page(layout, seed=99)])
    if booklets > 1:
        assert off(learned, blank).max() < ALIKE
        assert learned.around_known.all()
    inside = np.abs(learned.patches.astype(float) - blank.readings.patches)[:, INSIDE, INSIDE].mean(axis=(1, 2))
    assert inside.max() < ALIKE * 2  # of a single booklet only the inside is known, letter by letter
    assert learned.inside_known.all()


@pytest.mark.parametrize("style", [Style.CROSS, Style.FULL])
def test_what_everybody_marked_does_not_become_print(style: Style) -> None:
    layout = a_layout(questions=2, options="AB")
    seen = sheets(layout, [a_page(layout, {"1/A": style, "2/A": style}, seed=k) for k in range(6)])
    learned = learn_empty_boxes(seen, settings=SETTINGS)[1]
    well_inside = slice(INSIDE.start + 2, INSIDE.stop - 2)
    assert learned.patches[:, well_inside, well_inside].max() < 60


def test_a_form_of_which_nothing_is_known_has_its_frames() -> None:
    layout = a_layout(questions=1, options="AB")
    seen = sheets(layout, [a_page(layout, {"1/A": Style.FULL, "1/B": Style.FULL})])
    learned = learn_empty_boxes(seen, settings=SETTINGS)[1]
    (blank,) = sheets(layout, [a_page(layout)])
    assert not learned.inside_known.any()
    assert off(learned, blank)[:, None].max() < 2 * ALIKE  # the letters above the boxes are not in it


def test_a_blank_form_says_what_is_inside() -> None:
    layout = a_layout(questions=1, options="AB", printed=True)
    (blank,) = sheets(layout, [a_page(layout)])
    (marked,) = sheets(layout, [a_page(layout, {"1/A": Style.FULL, "1/B": Style.FULL}, seed=3)])
    values = marked.readings.values.copy()
    values[:, FEATURES.index("blank_ink")] = 0.1
    told = Sheet(1, marked.boxes, Readings(values, marked.readings.patches, blank.readings.patches))
    learned = learn_empty_boxes([told], settings=SETTINGS)[1]
    seen = expected(told, learned)
    assert off(seen, blank).max() < ALIKE
    assert seen.inside_known.all()
    assert expected(marked, learned) is learned


@pytest.mark.parametrize("count", [1, 2, 40, 255, 256, 300])
@pytest.mark.parametrize("quantile", [0.0, 0.2, 0.5, 1.0])
def test_a_quantile_found_bit_by_bit_is_the_one_found_by_sorting(count: int, quantile: float) -> None:
    rng = np.random.default_rng(count)
    stack = rng.integers(0, 256, (count, 5, 3), np.uint8) // rng.integers(1, 40, (count, 5, 3), np.uint8)
    assert np.array_equal(low_quantile(stack, quantile), np.sort(stack, axis=0)[int(quantile * (count - 1))])


def test_added_ink_forgives_a_pixel_and_no_more() -> None:
    empty = no_patches(1)
    empty[0, :, 10] = 200
    for shift, least, most in ((0, 0, 0), (1, 0, 0), (2, 200, 200)):
        box = np.roll(empty, shift, axis=2)
        assert least <= added_ink(box, empty).max() <= most
    assert added_ink(empty, np.full_like(empty, 255)).max() == 0
    assert added_ink(empty, no_patches(1)).shape == (1, PATCH_SIDE, PATCH_SIDE)
