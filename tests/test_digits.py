"""Digits of writers whom the network has not seen, drawn, and real where scikit-learn is at hand; and what is no digit."""

from __future__ import annotations

import numpy as np
import pytest

from scangrade.answers.digits import NOTHING, OTHER, SYMBOLS, CellSize, look, networks, recognise_digits
from scangrade.model import no_cells
from tests.training.cells import draw_cells, drifting, examples_of, probabilities
from tests.training.real_digits import sklearn_digits

#: Training draws writers from 0 on.
WRITERS = range(1_000_000, 1_000_040)


@pytest.fixture(scope="module")
def drawn() -> tuple[np.ndarray, np.ndarray]:
    """Probabilities, and what was written."""
    examples = examples_of(draw_cells(one, each=30) for one in WRITERS)
    return probabilities(examples, networks()), examples.right


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


def test_digits_that_leave_their_cells_are_mostly_read() -> None:
    """As where somebody's line rises or falls."""
    examples = examples_of(drifting(draw_cells(one, each=30), one) for one in WRITERS)
    right = examples.right < NOTHING
    assert (probabilities(examples, networks()).argmax(axis=1) == examples.right)[right].mean() > 0.965


def test_real_digits_are_read() -> None:
    pytest.importorskip("sklearn")
    pool = sklearn_digits().aside  # nothing is learned from those
    examples = examples_of(draw_cells(one, each=30, pool=pool) for one in range(1_000_040, 1_000_052))
    found = probabilities(examples, networks())
    right = examples.right < NOTHING
    assert len(found) > 300
    # of 8 x 8 pixels, by all pens and on the worst scanners: 8 % are taken for something else (tests/training/README.md)
    assert (found.argmax(axis=1) == examples.right)[right].mean() > 0.9


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
    assert not look(cells, no_cells(1), CellSize(6.0, 9.0)).seen[0]
    cells[0, 6:26, 15:17] = 255
    looked = look(cells, no_cells(1), CellSize(6.0, 9.0))
    alone = no_cells(1)
    alone[0, 6:26, 15:17] = 255
    other = look(alone, no_cells(1), CellSize(6.0, 9.0))
    assert looked.seen[0]
    assert np.array_equal(looked.pictures[0], other.pictures[0])  # the strokes; that something stands beside them is seen, too
    assert np.array_equal(looked.shapes, other.shapes)


def test_nothing_to_read_is_no_fault() -> None:
    assert recognise_digits(no_cells(), no_cells(), CellSize(6.0, 9.0)).shape == (0, len(SYMBOLS))
