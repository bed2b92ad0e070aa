"""From pictures of cells to numbers: what is printed is learned scan by scan, and never from what all people wrote alike."""

from __future__ import annotations

from dataclasses import replace
from unittest import mock

import numpy as np

from scangrade.answers import handwriting
from scangrade.answers.handwriting import Written, read_handwriting
from scangrade.model import CELL_SIDE, Booklet, Layout, PageRead, no_cells
from tests.records import layout
from tests.records import read as read_record
from tests.written import cell, number_cells, written

FORM = layout(number_cells(), number_cells(page=2), pages=2)


def booklet(name: str, pictures: np.ndarray, *, scan: str = "a.pdf", at: int = 1, blank: np.ndarray | None = None) -> Booklet:
    page = read_record(1, at=at, scan=scan)
    assert isinstance(page.result, PageRead)
    readings = replace(page.result.readings, cells=pictures, blank_cells=no_cells() if blank is None else blank)
    return Booklet(name, {1: replace(page, result=replace(page.result, readings=readings))})


def learned(booklets: list[Booklet], form: Layout = FORM) -> list[np.ndarray]:
    """What is taken for print, call by call."""
    with mock.patch.object(handwriting, "recognise_digits", side_effect=lambda cells, *_: np.zeros((len(cells), 12))) as seen:
        read_handwriting(booklets, form)
    return [call.args[1] for call in seen.call_args_list]


def test_print_is_what_most_cells_have() -> None:
    rng = np.random.default_rng(1)
    some = []
    for index in range(4):
        pictures = no_cells(8)
        pictures[:, 4] = 220  # a line of the form
        for place in range(8):
            pictures[place, 8:24, int(rng.integers(8, 24))] = 255
        some.append(booklet(f"b{index}", pictures, at=index + 1))
    (print_,) = learned(some)
    assert (print_[:, 4] == 220).all()
    assert not print_[:, 8:24].any()


def test_a_digit_that_all_wrote_into_one_cell_is_no_print() -> None:
    pictures = no_cells(8)
    pictures[0, 8:24, 16] = 255
    (print_,) = learned([booklet(f"b{index}", pictures, at=index + 1) for index in range(20)])
    assert not print_[:, 8:24, 16].any()


def test_scans_differ_and_are_learned_one_by_one() -> None:
    pale, dark = no_cells(8), no_cells(8)
    pale[:, 4], dark[:, 4] = 100, 250
    some = [booklet(f"a{index}", pale, at=index + 1) for index in range(4)]
    some += [booklet(f"b{index}", dark, scan="b.pdf", at=index + 1) for index in range(4)]
    first, second = learned(some)
    assert (first[:, 4] == 100).all() and (second[:, 4] == 250).all()


def test_of_few_cells_the_layout_tells_the_print() -> None:
    pictures = np.full((8, CELL_SIDE, CELL_SIDE), 90, np.uint8)
    (print_,) = learned([booklet("b1", pictures)])
    assert not print_[:, 10:22, 10:22].any()
    assert print_[:, :, 5:8].any()


def test_the_blank_form_counts_where_it_is_given() -> None:
    blank = np.full((8, CELL_SIDE, CELL_SIDE), 77, np.uint8)
    (print_,) = learned([booklet(f"b{index}", no_cells(8), at=index + 1, blank=blank) for index in range(5)])
    assert (print_ == 77).all()


def test_pages_that_did_not_come_in_or_lost_their_pictures_are_not_there() -> None:
    found = read_handwriting([booklet("b1", no_cells(8)), booklet("b2", no_cells())], FORM)
    assert [one.field for one in found["b1"]] == ["number.1"]
    assert found["b2"] == ()
    assert read_handwriting([], FORM) == {}
    assert read_handwriting([booklet("b1", no_cells(8))], layout()) == {}


def test_a_number_as_people_see_it() -> None:
    assert written("12345678").number() == "12345678"
    assert written("__1234__").number() == "1234"
    assert written("12_4567?").number() == "12_4567?"
    assert written(["1", "27", "3"]).number() == "1?3"
    assert Written("n", 1, (cell("1", 0.89), cell("2", 0.91))).number() == "?2"
    assert written("____").blank and not written("___1").blank
