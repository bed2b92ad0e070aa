"""What the network sees in drawn boxes, and that it is the network that was trained."""

from __future__ import annotations

import numpy as np
import pytest

from scangrade.answers.empty_boxes import Sheet, added_ink, learn_empty_boxes
from scangrade.answers.judge import learn_pen
from scangrade.answers.network import Floats
from scangrade.answers.recognise import CONTEXT, NO_PEN, SIGHTS, Sight, context, recognise
from scangrade.authoring.person import Style
from scangrade.model import PATCH_SIDE, Convention, PageRead, no_patches
from scangrade.settings import DECIDE
from tests.drawn import a_layout, a_page
from tests.training.classes import sights


def seen(style: Style | None, seed: int = 0) -> Floats:
    """Probabilities of a box with such a mark, on a page where others are marked too."""
    layout = a_layout(questions=8)
    marks = {f"{q}/B": Style.FULL for q in range(2, 9)}
    page = a_page(layout, marks if style is None else {**marks, "1/A": style}, seed=seed)
    assert isinstance(page.result, PageRead)
    sheet = Sheet(1, layout.boxes(1), page.result.readings)
    empty = learn_empty_boxes([sheet], settings=DECIDE.empty_boxes)[1]
    added = added_ink(sheet.readings.patches, empty.patches)
    known = context(sheet, empty, learn_pen([added], settings=DECIDE))
    found = recognise(sheet.readings.patches, empty.patches, added, known)
    assert np.allclose(found.sum(axis=1), 1, atol=1e-5)
    return np.asarray(found[0], np.float32)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("style", "sight"),
    [
        (None, Sight.EMPTY),
        (Style.FULL, Sight.FILL),
        (Style.CROSS, Sight.CROSS),
        (Style.LOOPED, Sight.CROSS),
        (Style.TICK, Sight.TICK),
        (Style.PARTIAL, Sight.PARTIAL),
        (Style.LINE, Sight.LINE),
        (Style.RING, Sight.RING),
    ],
)
def test_each_kind_of_mark_is_seen_as_what_it_is(style: Style | None, sight: Sight, seed: int) -> None:
    assert SIGHTS[int(seen(style, seed).argmax())] is sight


def test_no_boxes_give_no_rows() -> None:
    nothing = recognise(no_patches(), no_patches(), no_patches(), np.zeros((0, len(CONTEXT)), np.float32))
    assert nothing.shape == (0, len(SIGHTS))


def test_boxes_are_seen_alone_whatever_stands_beside_them_in_the_batch() -> None:
    rng = np.random.default_rng(4)
    patches = rng.integers(0, 255, (30, PATCH_SIDE, PATCH_SIDE), np.uint8)
    known = rng.random((30, len(CONTEXT)), np.float32)
    together = recognise(patches, patches, patches, known)
    alone = np.concatenate([recognise(*(patches[k : k + 1],) * 3, known[k : k + 1]) for k in range(30)])
    assert np.allclose(together, alone, atol=1e-5)  # sums in another order


def test_a_writer_with_few_marks_has_no_pen() -> None:
    assert learn_pen([no_patches(20)], settings=DECIDE) == NO_PEN


@pytest.mark.parametrize("convention", list(Convention))
def test_every_style_has_a_sight_that_means_what_the_truth_says(convention: Convention) -> None:
    from scangrade.answers.judge import _MARKS, _UNDOES  # noqa: PLC0415 - the tables that give sights their meaning
    from scangrade.authoring.person import MEANING  # noqa: PLC0415
    from scangrade.model import Verdict  # noqa: PLC0415

    for style, verdict in MEANING[convention].items():
        (sight,) = sights(style.value, verdict, convention)
        assert (sight in _MARKS[convention]) == (verdict is Verdict.MARKED), style
        assert (sight in _UNDOES[convention]) == (verdict is Verdict.UNDONE), style
