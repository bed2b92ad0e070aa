"""Cells with known digits are printed, written, scanned, and must come out of the page, each in the middle of its picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scangrade.answers.digits import CellSize
from scangrade.answers.handwriting import read_handwriting
from scangrade.authoring.form import draw_blank
from scangrade.authoring.person import FILLERS
from scangrade.authoring.scanner import COPIER_1BIT, GOOD, HARD, OFFICE, Scanner
from scangrade.authoring.simulate import print_form, simulate_booklet
from scangrade.model import (
    CELL_SIDE,
    Booklet,
    Layout,
    PageRead,
    PageRef,
    PageResult,
    Readings,
    ScannedPage,
    no_cells,
    no_patches,
)
from scangrade.paper.by_hand import read_as
from scangrade.paper.rasterise import PageImage
from scangrade.paper.read import FormReader, read_page
from scangrade.run.packing import PackedReadings, packed
from scangrade.run.store import ScanOnDisk, Store
from tests import forms
from tests.written import number_cells

NUMBER = "17204689"


def form() -> Layout:
    plain = forms.form(questions=4)
    cells = number_cells()
    return replace(plain, fields=(*plain.fields, replace(cells, id=cells.id)))


def image(scanner: Scanner, layout: Layout, number: str = NUMBER, *, seed: int = 3) -> PageImage:
    images, _ = simulate_booklet(
        layout, {}, FILLERS[0], scanner, np.random.default_rng(seed), form=print_form(layout), texts={"number.1": number}
    )
    return PageImage(images[0].pixels(), images[0].dpi, f"{scanner.name} {seed}")


def read(scanner: Scanner, number: str = NUMBER, *, layout: Layout | None = None, seed: int = 3) -> PageRead:
    layout = layout or form()
    result = read_page(image(scanner, layout, number, seed=seed), FormReader(layout), expected_page=1)
    assert isinstance(result, PageRead)
    return result


def in_booklet(result: PageRead) -> Booklet:
    return Booklet("b1", {1: ScannedPage(PageRef("a.pdf", 1, 0), result)})


@pytest.mark.parametrize("scanner", [GOOD, OFFICE, COPIER_1BIT], ids=lambda one: one.name)
def test_the_number_comes_out_as_it_was_written(scanner: Scanner) -> None:
    (found,) = read_handwriting([in_booklet(read(scanner))], form())["b1"]
    assert (found.field, found.page, found.number()) == ("number.1", 1, NUMBER)


def test_cells_are_in_the_middle_of_their_pictures_however_the_page_lies() -> None:
    half = CellSize(6.5, 9.0).half_px
    for scanner in (GOOD, HARD):
        cells = read(scanner, "").readings.cells
        assert cells.shape == (8, CELL_SIDE, CELL_SIDE)
        middle = (CELL_SIDE - 1) / 2
        for picture in cells.astype(float):
            columns, rows = picture[8:24].mean(axis=0), picture[:, 12:20].mean(axis=1)
            left, right = int(columns[:12].argmax()), 20 + int(columns[20:].argmax())
            top, bottom = int(rows[:8].argmax()), 24 + int(rows[24:].argmax())
            # the frame's lines lie a quarter of a pixel outside of the cell; a page of the hard scanner is bent by 0.25 mm, a pixel
            assert [left, top] == pytest.approx([middle - half[0], middle - half[1]], abs=1.6)
            assert [right, bottom] == pytest.approx([middle + half[0], middle + half[1]], abs=1.6)


def test_an_empty_row_is_blank() -> None:
    (found,) = read_handwriting([in_booklet(read(OFFICE, ""))], form())["b1"]
    assert found.blank
    assert found.number() == ""


def test_the_blank_form_shows_empty_cells(tmp_path: Path) -> None:
    layout = form()
    (tmp_path / "blank.pdf").write_bytes(draw_blank(layout))
    with_blank = replace(layout, reference=tmp_path / "blank.pdf")
    readings = read(OFFICE, layout=with_blank).readings
    assert readings.blank_cells.shape == readings.cells.shape
    assert readings.blank_cells.mean() < readings.cells.mean()
    assert not len(read(OFFICE).readings.blank_cells)


def test_a_page_laid_by_hand_has_its_cells_too() -> None:
    layout = form()
    result = read_as(image(OFFICE, layout), FormReader(layout), page=1)
    assert isinstance(result, PageRead)
    (found,) = read_handwriting([in_booklet(result)], layout)["b1"]
    assert found.number() == NUMBER


def test_a_form_without_cells_has_none() -> None:
    assert not len(read(GOOD, layout=forms.form(questions=4)).readings.cells)


# --------------------------------------------------------------------------- in the store


def test_cells_come_back_as_they_went_in(tmp_path: Path) -> None:
    page = read(GOOD)
    held = replace(page, readings=replace(page.readings, blank_cells=page.readings.cells[:, ::-1].copy()))
    with Store(tmp_path) as store:
        store.record({"features": f"{list('x' * held.readings.values.shape[1])}".replace("'", '"')})
        store.register([ScanOnDisk("a.pdf", Path("a.pdf"), "sha")])
        store.save_opened(1, 1)
        pages: dict[int, PageResult] = {1: held}
        store.save_pages(1, pages)
        (again,) = store.pages()
    assert isinstance(again.result, PageRead)
    assert np.array_equal(again.result.readings.cells, held.readings.cells)
    assert np.array_equal(again.result.readings.blank_cells, held.readings.blank_cells)


def test_pictures_stored_before_there_were_cells_open() -> None:
    plain = Readings(np.zeros((1, 2), np.float32), no_patches(1))
    again = PackedReadings.of(plain.values, packed(plain))  # without cells it is what it was before
    assert again.cells.shape == no_cells().shape
    assert again.patches.shape == plain.patches.shape
