"""Digits of writers whom the network has not seen, drawn, and real where scikit-learn is at hand; and what is no digit."""

from __future__ import annotations

import numpy as np
import pytest

from scangrade.answers.digits import NOTHING, OTHER, SYMBOLS, CellSize, evaluate, look, networks, of_paper, recognise_digits
from scangrade.model import no_cells
from tests.training import digits as training

#: Training draws writers from 0 on.
WRITERS = range(1_000_000, 1_000_040)


@pytest.fixture(scope="module")
def drawn() -> tuple[np.ndarray, np.ndarray]:
    """Probabilities, and what was written."""
    examples = training.draw_writers(WRITERS, each=30)
    found = of_paper(len(examples.right))
    found[examples.seen] = evaluate(examples.features[examples.seen], networks())
    return found, examples.right


def test_digits_of_other_writers_are_read(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    found, right = drawn
    digits = right < NOTHING
    assert digits.sum() > 800
    # all pens and scanners of the simulation are among them, faint pencils on black and white scans too
    assert (found.argmax(axis=1) == right)[digits].mean() > 0.95


def test_what_it_says_is_true(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    found, right = drawn
    sure = found.max(axis=1) > 0.99
    assert sure.mean() > 0.6
    assert (found.argmax(axis=1) == right)[sure].mean() > 0.99
    assert found.sum(axis=1) == pytest.approx(np.ones(len(found)), abs=1e-5)


def test_what_is_no_digit_is_hardly_ever_one_for_sure(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    found, right = drawn
    odd = right == OTHER
    assert odd.sum() > 50
    assert (found[odd, :NOTHING].max(axis=1) > 0.99).mean() < 0.1


def test_real_digits_are_read() -> None:
    pytest.importorskip("sklearn")
    examples = training.real_digits([0, 5, 10], times=1)  # the blocks that are kept aside in training
    found = of_paper(len(examples.right))
    found[examples.seen] = evaluate(examples.features[examples.seen], networks())
    assert len(found) > 300
    # 8 x 8 pixels of other people's handwriting, a sixth of which is hard for people as well
    assert (found.argmax(axis=1) == examples.right).mean() > 0.96


def test_paper_is_nothing_and_a_cells_own_print_too() -> None:
    frame = no_cells(3)
    frame[:, 4, 4:28] = frame[:, 27, 4:28] = frame[:, 4:28, 7] = frame[:, 4:28, 24] = 200
    size = CellSize(6.5, 9.0)
    for cells, empty in ((no_cells(3), no_cells(3)), (frame, frame), (frame, (frame * 0.6).astype(np.uint8))):
        found = recognise_digits(cells, empty, size)
        assert (found.argmax(axis=1) == NOTHING).all()
        assert (found[:, NOTHING] < 1).all()  # a pencil may be too faint to be seen


def test_a_neighbours_stroke_is_none_of_a_cell() -> None:
    cells = no_cells(1)
    cells[0, 6:26, 0:2] = 255  # at the edge of the picture, well beyond the cell
    seen, _ = look(cells, no_cells(1), CellSize(6.0, 9.0))
    assert not seen[0]
    cells[0, 6:26, 15:17] = 255
    seen, features = look(cells, no_cells(1), CellSize(6.0, 9.0))
    alone = no_cells(1)
    alone[0, 6:26, 15:17] = 255
    assert seen[0]
    assert np.array_equal(features, look(alone, no_cells(1), CellSize(6.0, 9.0))[1])


def test_nothing_to_read_is_no_fault() -> None:
    assert recognise_digits(no_cells(), no_cells(), CellSize(6.0, 9.0)).shape == (0, len(SYMBOLS))
