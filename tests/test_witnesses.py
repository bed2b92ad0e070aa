"""What handwriting weighs for students, for strangers and against other pages; names."""

from __future__ import annotations

import numpy as np
import pytest

from scangrade.answers.digits import OTHER, SYMBOLS
from scangrade.answers.grids import Grid
from scangrade.answers.handwriting import Written
from scangrade.answers.witnesses import (
    RosterNumbers,
    contradicting_pages,
    evidence_of,
    fitting,
    name_likeness,
    named,
    page_weights,
    weigh,
    without_form_words,
)
from scangrade.model import Student
from scangrade.settings import WITNESSES
from tests.records import number_grid
from tests.written import written

NUMBERS = ("12345678", "12345679", "12354678", "87654321", "765432")
ROSTER = RosterNumbers([Student(one) for one in NUMBERS])


def weights(*pages: str, grid: Grid | None = None, sure: float = 0.9995) -> tuple[np.ndarray, float]:
    rows = [written(one, page, sure) for page, one in enumerate(pages, start=1)]
    return weigh(evidence_of(rows, grid), ROSTER)


def test_a_clear_number_is_its_students_and_no_strangers() -> None:
    students, stranger = weights("12345678")
    assert students.argmax() == 0
    assert students[0] - np.sort(students)[-2] == pytest.approx(np.log(0.999 / (2 * 5e-4 / 11)), abs=0.1)
    assert students[0] - stranger > WITNESSES.enough


def test_a_shorter_number_fits_wherever_it_stands() -> None:
    for row in ("765432__", "__765432", "_765432_"):
        students, _ = weights(row)
        assert students.argmax() == 4


def test_a_number_that_does_not_fit_is_out() -> None:
    numbers = RosterNumbers([Student("123456789"), Student("a1234567"), Student("12345678")])
    students, _ = weigh(evidence_of([written("12345678")], None), numbers)
    assert np.isfinite(students).tolist() == [False, False, True]


def test_a_digit_nobody_can_read_leaves_room_for_a_stranger() -> None:
    students, stranger = weights("8765432?")
    assert students.argmax() == 3
    assert 0 < students[3] - stranger < WITNESSES.enough


def test_a_number_of_nobody_is_a_strangers() -> None:
    students, stranger = weights("55555555")
    assert stranger - students.max() > WITNESSES.enough
    students, stranger = weights("87654329")  # one digit from somebody's
    assert abs(stranger - students.max()) < WITNESSES.enough


def test_numbers_on_the_roster_are_no_strangers_though_they_are_near_to_each_other() -> None:
    sequence = RosterNumbers([Student(f"123456{one:02d}") for one in range(100)])
    students, stranger = weigh(evidence_of([written("12345642")], None), sequence)
    assert students.argmax() == 42
    assert students[42] - stranger > WITNESSES.enough


def test_pages_of_one_hand_weigh_less_than_independent_ones() -> None:
    one, nine = (weights(*["12345678"] * count)[0] for count in (1, 9))
    gain = (nine[0] - nine[1]) / (one[0] - one[1])
    assert gain == pytest.approx(9 / (1 + 8 * WITNESSES.alike))


def test_what_is_no_digit_says_nothing_of_its_place() -> None:
    assert np.ptp(page_weights(written("?")), axis=1) == pytest.approx([0], abs=1e-2)
    assert np.abs(page_weights(written("?", sure=0.9999))).max() < 1e-2


def test_a_slight_doubt_whether_it_is_a_digit_at_all_does_not_blur_it() -> None:
    """Cells for numbers hold other things than digits more rarely than those that the network learned from."""
    cell = [1e-6] * len(SYMBOLS)
    cell[3], cell[OTHER] = 0.998, 0.002
    table = page_weights(Written("number.1", 1, (tuple(cell),)))
    assert table[0, 3] - np.delete(table[0], 3).max() > WITNESSES.enough


def test_a_page_that_lost_digits_speaks_for_no_other_number() -> None:
    """As black and white scans lose those of pale pens."""
    assert not contradicting_pages([written("_234567_")], "12345678", ROSTER)
    assert contradicting_pages([written("_934569_")], "12345678", ROSTER)


def test_a_page_left_blank_says_nothing() -> None:
    assert np.array_equal(weights("12345678", "________")[0], weights("12345678")[0])
    assert not evidence_of([written("________")], None).speaks


def test_certain_columns_of_a_grid_are_weighed_and_open_ones_are_not() -> None:
    fields = number_grid()
    grid = Grid((1, 2, 3, 4, 5, 6, 7, 11), fields)
    with_grid, without = (weights("1234567?", grid=one)[0] for one in (grid, None))
    assert with_grid[0] - with_grid[2] > without[0] - without[2] + 10  # columns 4 and 5 differ
    assert with_grid[0] - with_grid[1] == pytest.approx(without[0] - without[1])
    conflict = Grid(grid.columns, fields, "they differ")
    assert np.array_equal(weights("1234567?", grid=conflict)[0], without)


# --------------------------------------------------------------------------- pages against each other


def test_a_page_that_says_another_student_contradicts() -> None:
    pages = [written("12345678", 1), written("12345679", 2), written("________", 3)]
    assert [one.page for one in contradicting_pages(pages, "12345678", ROSTER)] == [2]
    assert [one.page for one in contradicting_pages(pages, "12345679", ROSTER)] == [1]


def test_a_page_that_says_some_other_number_contradicts_from_two_digits_on() -> None:
    alone = RosterNumbers([Student("87654321")])
    assert not contradicting_pages([written("87654325")], "87654321", alone)  # one digit may be misread
    assert contradicting_pages([written("87654355")], "87654321", alone)


def test_a_doubtful_digit_contradicts_nobody() -> None:
    assert not contradicting_pages([written(["1", "2", "3", "4", "5", "6", "7", "89"])], "12345678", ROSTER)
    assert not contradicting_pages([written("12345679", weaker={8: 0.9})], "12345678", ROSTER)


def test_how_a_number_compares_is_said() -> None:
    pages = [written("12345678"), written("12345679", 2)]
    assert fitting(pages, "12345678") == "by hand, digit 8 looks like 9"
    assert fitting(pages[:1], "12345678") == "every handwritten digit fits"
    assert fitting(pages[:1], "87654321").endswith("more differ")
    assert fitting([written("________")], "12345678") == fitting(pages, "a") == ""


# --------------------------------------------------------------------------- names

PEOPLE = (Student("1", "Moorland", "Ada"), Student("2", "Morland", "Adam"), Student("3", "de la Rivière", "Ugo"))


@pytest.mark.parametrize(
    ("read", "who"),
    [
        ("de la Riviere, Ugo", 2),
        ("UGO DE LA RIVIERE", 2),
        ("Surname, first name RIVIERE UGO DE LA", 2),
        ("MOORLAND ADA", None),  # Morland, Adam is too much like it
        ("Ugo", None),
        ("vnei wlnl", None),
        ("", None),
    ],
)
def test_a_name_is_somebodys_only_where_it_is_clear(read: str, who: int | None) -> None:
    assert named(read, PEOPLE) == who


def test_words_of_the_form_are_no_names() -> None:
    read = {
        "b1": "Surname, first name Moorland",
        "b2": "Surname, first name Ada",
        "b3": "Surname name Kestrelli first",
        "b4": "",
    }
    assert without_form_words(read) == {"b1": "Moorland", "b2": "Ada", "b3": "Kestrelli", "b4": ""}
    few = {"b1": "name Ada", "b2": "name Bruno"}
    assert without_form_words(few) == few


def test_likeness_of_names() -> None:
    likeness = name_likeness("MOORLAND ADA", PEOPLE)
    assert likeness[0] == 100
    assert likeness[0] > likeness[1] > likeness[2]
    assert named("Ada", []) is None
