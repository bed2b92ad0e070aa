"""Ink beside questions, on pages drawn with known words and notes."""

from __future__ import annotations

import numpy as np
import pytest

from scangrade.answers.beside import learn_print_map, written_beside
from scangrade.answers.empty_boxes import Sheet
from scangrade.authoring.form import Rect
from scangrade.authoring.ink import Mark, Stroke
from scangrade.authoring.person import BLUE, Style, write_line
from scangrade.model import Layout, PageRead, Readings
from scangrade.settings import DECIDE
from tests.drawn import a_layout, a_page


def a_sheet(layout: Layout, *words: Rect, seed: int = 0) -> Sheet:
    rng = np.random.default_rng(seed)
    marks = {f"{q}/{'ABCD'[int(rng.integers(4))]}": Style.CROSS for q in range(1, 5)}
    more = [Mark(1, "word", BLUE, write_line("xxxx", place, 0.42, rng)) for place in words]
    page = a_page(layout, marks, more=more, seed=seed)
    assert isinstance(page.result, PageRead)
    return Sheet(1, layout.boxes(1), page.result.readings)


def beside(layout: Layout, sheet: Sheet, others: int = 5) -> dict[str, int]:
    sheets = [sheet, *(a_sheet(layout, seed=seed) for seed in range(1, others + 1))]
    maps = learn_print_map(sheets, layout, settings=DECIDE)
    return dict(written_beside(sheet, maps.get(1), sheet.boxes, layout, settings=DECIDE))


def test_a_word_beside_a_question_is_noticed_there_and_nowhere_else() -> None:
    layout = a_layout()
    last = layout.field("2").boxes[-1]
    found = beside(layout, a_sheet(layout, Rect(last.x_mm + 6, last.y_mm - 1.5, last.x_mm + 15, last.y_mm + 1.5)))
    assert found["2"] >= DECIDE.beside_cells
    assert max(found[q] for q in "134") < DECIDE.beside_cells


def test_print_and_marks_are_not_writing() -> None:
    layout = a_layout()
    assert max(beside(layout, a_sheet(layout, seed=9)).values(), default=0) < DECIDE.beside_cells


def test_dirt_on_the_glass_is_not_writing() -> None:
    layout = a_layout()
    last = layout.field("2").boxes[-1]
    rng = np.random.default_rng(1)
    line = Stroke(np.array([(last.x_mm + 6, 2.0), (last.x_mm + 9, 295.0)]), 0.3)
    page = a_page(layout, more=[Mark(1, "streak", BLUE, (line,))], seed=int(rng.integers(9)))
    assert isinstance(page.result, PageRead)
    assert max(beside(layout, Sheet(1, layout.boxes(1), page.result.readings)).values()) < DECIDE.beside_cells


def test_a_word_under_a_row_is_seen_between_empty_boxes() -> None:
    layout = a_layout()
    box = layout.field("2").boxes[1]
    sheet = a_sheet(layout, Rect(box.x_mm - 6, box.y_mm + 3.2, box.x_mm + 6, box.y_mm + 6.0))
    maps = learn_print_map([sheet, *(a_sheet(layout, seed=seed) for seed in range(1, 6))], layout, settings=DECIDE)
    assert written_beside(sheet, maps[1], [box], layout, settings=DECIDE)["2"] >= DECIDE.beside_cells


@pytest.mark.parametrize("others", [0, 1])
def test_where_nothing_tells_print_from_writing_nothing_is_noticed(others: int) -> None:
    layout = a_layout()
    assert beside(layout, a_sheet(layout), others) == {}


def test_a_blank_form_tells_print_from_writing() -> None:
    layout = a_layout()
    last = layout.field("3").boxes[-1]
    blank = a_page(layout)
    assert isinstance(blank.result, PageRead)
    sheet = a_sheet(layout, Rect(last.x_mm + 6, last.y_mm - 1.5, last.x_mm + 15, last.y_mm + 1.5))
    readings = Readings(
        sheet.readings.values,
        sheet.readings.patches,
        ink_map=sheet.readings.ink_map,
        blank_map=blank.result.readings.ink_map,
    )
    found = beside(layout, Sheet(1, sheet.boxes, readings), others=0)
    assert found["3"] >= DECIDE.beside_cells
    assert max(found[q] for q in "124") < DECIDE.beside_cells
