"""From a page image to readings: built from the answer by drawing, filling and scanning a form whose truth is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from scangrade.answers.decide import decide
from scangrade.authoring.scanner import COLOUR300, FAX, GOOD, HARD, OFFICE, Scanner
from scangrade.authoring.simulate import print_form
from scangrade.errors import DefinitionError
from scangrade.geometry import MM_PER_INCH, as_matrix, local_scale, project
from scangrade.model import (
    FEATURES,
    Booklet,
    FiducialKind,
    Field,
    Layout,
    PageRead,
    PageRef,
    PageResult,
    PageSetAside,
    Reason,
    ScannedPage,
    Transform,
    Verdict,
)
from scangrade.paper.fiducials import Placement, placements
from scangrade.paper.page_code import read_barcode
from scangrade.paper.patches import page_ink
from scangrade.paper.rasterise import PageImage
from scangrade.paper.read import FormReader, read_page
from scangrade.settings import DECIDE, FRAMES, REGISTRATION
from tests.forms import choice, form, scan

ANSWERS = {f"1.{q}": frozenset("ABCD"[q % 4]) for q in range(1, 13)}


def off_mm(read: PageRead, layout: Layout, truth: Transform) -> float:
    """Distance in mm from the worst box as found to where it really is."""
    boxes = layout.boxes(read.page)
    places = np.array([(box.x_mm, box.y_mm) for box in boxes])
    shift = read.readings.values[:, [FEATURES.index("dx_mm"), FEATURES.index("dy_mm")]]
    found = project(as_matrix(read.transform), places + shift)
    return float(np.linalg.norm(found - project(as_matrix(truth), places), axis=1).max() / (read.dpi / MM_PER_INCH))


def read_back(read: PageRead, layout: Layout) -> dict[str, frozenset[str]]:
    booklet = Booklet("1", {read.page: ScannedPage(PageRef("scan.pdf", 1, 0), read)})
    answers = decide([booklet], layout, settings=DECIDE)["1"]
    assert not any(one.verdict is Verdict.UNSURE for answer in answers for one in answer.verdicts)
    return {answer.field: answer.marked for answer in answers}


@pytest.mark.parametrize("kind", list(FiducialKind))
@pytest.mark.parametrize("scanner", [OFFICE, FAX, HARD], ids=["office", "bilevel", "hard"])
def test_every_kind_of_mark_registers_a_page_to_a_third_of_a_millimetre(kind: FiducialKind, scanner: Scanner) -> None:
    # 0.3 mm: the true transform leaves out the feed's wobble of up to 0.2 mm, which the frames follow
    layout = form(kind=kind)
    images, truth = scan(layout, ANSWERS, scanner, seed=5)
    read = read_page(images[0], FormReader(layout), expected_page=1)
    assert isinstance(read, PageRead), read
    assert off_mm(read, layout, truth.pages[0].transform) < 0.3
    assert read.rotation == truth.pages[0].rotation
    assert read.residual_mm < 0.25


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_page_may_lie_in_any_of_four_ways(rotation: int) -> None:
    layout = form()
    images, _ = scan(layout, ANSWERS, GOOD)
    turned = np.ascontiguousarray(np.rot90(images[0].pixels, k=-rotation // 90))
    read = read_page(PageImage(turned, images[0].dpi, "x"), FormReader(layout), expected_page=1)
    assert isinstance(read, PageRead)
    assert read.rotation == (-rotation) % 360
    assert read_back(read, layout) == ANSWERS


def test_dots_that_lie_much_like_marks_are_left_for_marks_that_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    by_dots, by_marks = (Placement(np.diag([scale, scale, 1.0]), 4, 4, miss, 0) for scale, miss in ((2.8, 2.2), (5.6, 0.02)))
    monkeypatch.setattr("scangrade.paper.fiducials._filling", lambda *_, **__: [])
    monkeypatch.setattr("scangrade.paper.fiducials._looks", lambda *_: iter([([by_dots], False), ([by_marks], False)]))
    monkeypatch.setattr("scangrade.paper.fiducials._hypotheses", lambda _, found, *__, **___: found)
    monkeypatch.setattr("scangrade.paper.fiducials._supported", lambda _, found, *__: found)
    ink = page_ink(np.full((1754, 1240), 250, np.uint8), 5.9, least_contrast=FRAMES.least_contrast)
    assert placements(ink, form().pages[0], dpi=None, limits=REGISTRATION) == (by_marks,)


@pytest.mark.parametrize("kind", list(FiducialKind))
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_marks_at_their_usual_places_are_found_there_as_they_are_all_over_the_page(
    kind: FiducialKind, rotation: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = form(kind=kind)
    images, _ = scan(layout, ANSWERS, OFFICE)
    pixels = np.ascontiguousarray(np.rot90(images[0].pixels, k=-rotation // 90))
    ink = page_ink(pixels, max(pixels.shape) / layout.pages[0].height_mm, least_contrast=FRAMES.least_contrast)
    nowhere_near = replace(REGISTRATION, filling_share=2.0)
    everywhere = sorted(placements(ink, layout.pages[0], dpi=None, limits=nowhere_near), key=lambda one: one.rotation)
    monkeypatch.setattr("scangrade.paper.fiducials._looks", lambda *_: ())
    found = sorted(placements(ink, layout.pages[0], dpi=None, limits=REGISTRATION), key=lambda one: one.rotation)
    assert [(one.rotation, one.found) for one in found] == [(one.rotation, one.found) for one in everywhere]
    corners = [(0, 0), (210, 0), (210, 297), (0, 297)]
    for one, other in zip(found, everywhere, strict=True):
        assert np.abs(project(one.matrix, corners) - project(other.matrix, corners)).max() < 0.1


@pytest.mark.parametrize("skew_deg", [-5.0, 5.0])
@pytest.mark.parametrize("scale", [0.94, 1.03])
def test_skew_scale_and_shift_of_a_usual_scanner_are_undone(skew_deg: float, scale: float) -> None:
    layout = form()
    images, _ = scan(layout, ANSWERS, GOOD)
    # the glass is a little larger than the sheet, so that a turned sheet is still all on it
    sheet = cv2.copyMakeBorder(images[0].pixels, 60, 60, 60, 60, cv2.BORDER_CONSTANT, value=(255,))
    height, width = sheet.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), skew_deg, scale)
    turn = np.asarray(turn, np.float64) + np.array([[0, 0, 15.0], [0, 0, -15.0]])  # 2 mm each way
    pixels = cv2.warpAffine(sheet, turn, (width, height), flags=cv2.INTER_AREA, borderValue=255)
    read = read_page(PageImage(np.asarray(pixels, np.uint8), images[0].dpi, "x"), FormReader(layout), expected_page=1)
    assert isinstance(read, PageRead), read
    assert read_back(read, layout) == ANSWERS


def test_colour_and_wrong_resolution_in_the_file_do_not_matter() -> None:
    layout = form()
    images, _ = scan(layout, ANSWERS, COLOUR300)
    for dpi in (None, 72.0, 600.0):
        read = read_page(replace_dpi(images[0], dpi), FormReader(layout), expected_page=1)
        assert isinstance(read, PageRead)
        assert read_back(read, layout) == ANSWERS


def replace_dpi(image: PageImage, dpi: float | None) -> PageImage:
    return PageImage(image.pixels, dpi, image.sha256)


def cover(image: PageImage, truth: Transform, places: Mapping[tuple[float, float], int], half_mm: float = 6.0) -> PageImage:
    """The image with squares of a gray level laid over places of the layout."""
    pixels = image.pixels.copy()
    for (x, y), level in places.items():
        corners = project(as_matrix(truth), [(x - half_mm, y - half_mm), (x + half_mm, y - half_mm),
                                             (x + half_mm, y + half_mm), (x - half_mm, y + half_mm)])  # fmt: skip
        cv2.fillConvexPoly(pixels, np.rint(corners).astype(np.int32), (level,))
    return PageImage(pixels, image.dpi, image.sha256)


def test_what_looks_like_a_small_sheets_marks_does_not_hide_the_sheet() -> None:
    layout = form(questions=4, content="{exam}/{copy}/{page}")
    images, truth = scan(layout, {}, OFFICE)
    pixels, matrix = images[0].pixels.copy(), as_matrix(truth.pages[0].transform)
    scale, marks = local_scale(matrix, 105, 148), layout.pages[0].fiducials
    for mark in marks:  # the same marks around the middle, at half the size
        (x, y), *_ = project(matrix, [(120 + (mark.x_mm - 105) * 0.55, 185 + (mark.y_mm - 148.5) * 0.55)]).round().astype(int)
        clear = round(3.5 * scale)
        pixels[y - clear : y + clear, x - clear : x + clear] = 250
        cv2.circle(pixels, (int(x), int(y)), round(0.55 * mark.size_mm / 2 * scale), (15,), -1)
    (left, _), *_ = project(matrix, [(marks[0].x_mm + marks[0].size_mm / 2 - 0.3, 148)]).round().astype(int)
    pixels[:, left : left + 3] = 40  # a streak through two of the real ones
    read = read_page(PageImage(pixels, images[0].dpi, "streaked"), FormReader(layout), expected_page=1)
    assert isinstance(read, PageRead), read
    assert np.abs(as_matrix(read.transform) - matrix)[:2, :2].max() < 0.01 * scale


def test_one_covered_mark_is_done_without() -> None:
    layout = form()
    images, truth = scan(layout, ANSWERS, OFFICE)
    for level in (0, 255):
        covered = cover(images[0], truth.pages[0].transform, {(12, 12): level})
        read = read_page(covered, FormReader(layout), expected_page=1)
        assert isinstance(read, PageRead), read
        assert off_mm(read, layout, truth.pages[0].transform) < 0.3


def test_a_page_without_its_marks_is_set_aside_with_the_reason() -> None:
    layout = form()
    images, truth = scan(layout, ANSWERS, OFFICE)
    places = [(12, 12), (198, 12), (12, 285), (198, 285)]
    covered = cover(images[0], truth.pages[0].transform, dict.fromkeys(places, 255))
    read = read_page(covered, FormReader(layout), expected_page=1)
    assert isinstance(read, PageSetAside)
    assert read.reason is Reason.NOT_REGISTERED
    assert "registration marks" in read.detail


def test_a_blank_page_is_known_as_blank_even_with_dust() -> None:
    rng = np.random.default_rng(3)
    paper = np.clip(rng.normal(235, 4, (1650, 1170)), 0, 255).astype(np.uint8)
    for x, y in rng.integers(50, 1100, (40, 2)):
        cv2.circle(paper, (int(x), int(y)), 1, (60,), -1)
    read = read_page(PageImage(paper, 140.0, "b"), FormReader(form()), expected_page=1)
    assert isinstance(read, PageSetAside)
    assert read.reason is Reason.BLANK


def test_a_very_pale_page_is_not_taken_for_a_blank_one() -> None:
    layout = form()
    images, _ = scan(layout, ANSWERS, OFFICE)
    pale = (255 - (255 - images[0].pixels.astype(np.float32)) * 0.17).astype(np.uint8)
    read = read_page(PageImage(pale, images[0].dpi, "x"), FormReader(layout), expected_page=1)
    assert not (isinstance(read, PageSetAside) and read.reason is Reason.BLANK)


def test_another_form_with_the_same_marks_is_not_taken_for_ours() -> None:
    images, _ = scan(form(questions=12), ANSWERS, OFFICE)
    other = form(pages=3)
    shifted = Layout("o", "o", other.convention, other.pages[:1], tuple(f for f in other.fields if f.page == 3))
    moved = Layout(
        "o", "o", other.convention, other.pages[:1],
        tuple(replace(f, page=1, boxes=tuple(replace(b, page=1) for b in f.boxes)) for f in shifted.fields),
    )  # fmt: skip
    read = read_page(images[0], FormReader(moved), expected_page=1)
    assert isinstance(read, PageSetAside)
    assert read.reason is Reason.NOT_REGISTERED


@pytest.mark.parametrize("content", ["{exam}/{copy}/{page}", "{page}"])
def test_the_page_code_tells_page_copy_and_which_way_up(content: str) -> None:
    layout = form(pages=3, content=content)
    images, _ = scan(layout, {}, OFFICE, copy="0042")
    reader = FormReader(layout)
    for expected, image in ((1, images[2]), (2, images[0])):
        turned = PageImage(np.ascontiguousarray(np.rot90(image.pixels, 2)), image.dpi, image.sha256)
        read = read_page(turned, reader, expected_page=expected)
        assert isinstance(read, PageRead), read
        assert read.page == (3 if image is images[2] else 1)
        assert read.copy == ("0042" if "{copy}" in content else "")
        assert read.page_source == "code"
        assert read.rotation == 180


def test_a_page_of_another_exam_is_foreign() -> None:
    layout = form(content="{exam}/{copy}/{page}")
    images, _ = scan(layout, {}, OFFICE)
    assert layout.page_code is not None
    ours = replace(layout, page_code=replace(layout.page_code, exam="another"))
    read = read_page(images[0], FormReader(ours), expected_page=1)
    assert isinstance(read, PageSetAside)
    assert read.reason is Reason.FOREIGN
    assert "test/0001/1" in read.detail


def test_a_publishers_symbol_beside_the_page_code_does_not_make_it_foreign(monkeypatch: pytest.MonkeyPatch) -> None:
    layout = form(content="{exam}/{copy}/{page}")
    images, _ = scan(layout, {}, OFFICE)

    def symbols(pixels: NDArray[np.uint8], *, box: tuple[int, int, int, int], hard: bool = True) -> tuple[str, ...]:
        return ("https://publisher", *read_barcode(pixels, box=box)) if hard else ("https://publisher",)

    monkeypatch.setattr("scangrade.paper.locate.read_barcode", symbols)
    read = read_page(images[0], FormReader(layout), expected_page=1)
    assert isinstance(read, PageRead)
    assert (read.page, read.copy) == (1, "0001")


def test_an_unreadable_code_that_names_the_booklet_sets_its_page_aside() -> None:
    layout = form(pages=2, content="{exam}/{copy}/{page}")
    images, truth = scan(layout, {}, OFFICE)
    spilled = cover(images[1], truth.pages[1].transform, {(105, 18): 40}, half_mm=9)
    read = read_page(spilled, FormReader(layout), expected_page=2)
    assert isinstance(read, PageSetAside)
    assert read.reason is Reason.UNKNOWN_PAGE
    assert read.page == 2


def test_pages_without_code_are_told_by_their_boxes_whatever_the_order() -> None:
    layout = form(pages=3)
    images, _ = scan(layout, {}, OFFICE)
    reader = FormReader(layout)
    for number, image in enumerate(images, 1):
        read = read_page(image, reader, expected_page=number % 3 + 1)
        assert isinstance(read, PageRead)
        assert (read.page, read.page_source) == (number, "content")


@pytest.mark.parametrize("axis", [0, 1])
def test_two_sheets_on_one_image_are_set_aside_so_that_none_is_lost(axis: int) -> None:
    layout = form()
    first, _ = scan(layout, ANSWERS, GOOD)
    second, _ = scan(layout, {}, GOOD, seed=2)
    size = min(first[0].pixels.shape[1 - axis], second[0].pixels.shape[1 - axis])
    halves = [np.take(image.pixels, range(size), axis=1 - axis) for image in (first[0], second[0])]
    both = np.ascontiguousarray(np.concatenate(halves, axis=axis))
    read = read_page(PageImage(both, first[0].dpi, "x"), FormReader(layout), expected_page=1)
    assert isinstance(read, PageSetAside)
    assert "more than one sheet" in read.detail


def test_a_page_is_not_taken_for_one_that_has_its_boxes_and_more() -> None:
    layout = form(pages=2)
    shifted = tuple(
        replace(field, boxes=tuple(replace(box, x_mm=box.x_mm - 25 * (field.page - 1)) for box in field.boxes))
        for field in layout.fields
    )
    layout = replace(layout, fields=tuple(field for field in shifted if field.id != "1.12"))  # page 2 has a row more
    images, _ = scan(layout, {}, OFFICE)
    reader = FormReader(layout)
    for number, image in enumerate(images, 1):
        read = read_page(image, reader, expected_page=3 - number)
        assert isinstance(read, PageRead), read
        assert (read.page, read.page_source) == (number, "content")


def test_a_page_whose_code_is_spoilt_is_not_told_by_its_place_in_the_pile() -> None:
    layout = form(pages=2, content="{exam}/{page}")
    alike = tuple(
        replace(field, boxes=tuple(replace(box, x_mm=box.x_mm - 25 * (field.page - 1)) for box in field.boxes))
        for field in layout.fields
    )
    layout = replace(layout, fields=alike)
    images, truth = scan(layout, {}, OFFICE)
    spilled = cover(images[1], truth.pages[1].transform, {(105, 18): 40}, half_mm=9)
    read = read_page(spilled, FormReader(layout), expected_page=1)
    assert isinstance(read, PageSetAside)
    assert read.reason is Reason.UNKNOWN_PAGE


def test_pages_that_look_alike_are_told_by_order_and_say_so() -> None:
    layout = form(pages=2)
    alike = tuple(
        replace(field, boxes=tuple(replace(box, x_mm=box.x_mm - 25 * (field.page - 1)) for box in field.boxes))
        for field in layout.fields
    )
    layout = replace(layout, fields=alike)
    images, _ = scan(layout, {}, OFFICE)
    read = read_page(images[1], FormReader(layout), expected_page=2)
    assert isinstance(read, PageRead)
    assert (read.page, read.page_source) == (2, "order")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> tuple[Layout, Layout]:
    """A form without registration marks, with and without its blank as reference."""
    layout = form(printed=True)
    layout = replace(layout, pages=tuple(replace(page, fiducials=()) for page in layout.pages))
    path = Path(tmp_path_factory.mktemp("reference")) / "blank.png"
    cv2.imwrite(str(path), print_form(layout, dpi=200).page(1))
    return layout, replace(layout, reference=path)


@pytest.mark.parametrize("scanner", [OFFICE, HARD], ids=["office", "hard"])
def test_a_form_without_marks_registers_on_its_print(bare: tuple[Layout, Layout], scanner: Scanner) -> None:
    layout, with_reference = bare
    images, truth = scan(layout, ANSWERS, scanner, seed=4, printed=print_form(layout, dpi=200))
    read: PageResult = read_page(images[0], FormReader(with_reference), expected_page=1)
    assert isinstance(read, PageRead), read
    assert off_mm(read, layout, truth.pages[0].transform) < 0.35  # as above, and the reference's own pixels
    assert read_back(read, with_reference) == ANSWERS
    blank = read.readings.values[:, FEATURES.index("blank_ink")]
    assert np.isfinite(blank).all()
    assert blank.min() > 0.02  # a printed letter


def test_a_reference_of_the_wrong_length_is_refused(bare: tuple[Layout, Layout]) -> None:
    _, with_reference = bare
    two = replace(form(pages=2), reference=with_reference.reference)
    with pytest.raises(DefinitionError, match="1 pages, the layout 2"):
        FormReader(two)


def without_marks(layout: Layout, *more: Field) -> Layout:
    return replace(layout, pages=tuple(replace(page, fiducials=()) for page in layout.pages), fields=(*layout.fields, *more))


@pytest.mark.parametrize("rotation", [0, 180])
def test_a_form_with_nothing_but_boxes_registers_on_their_pattern(rotation: int) -> None:
    layout = without_marks(form(), choice("x", 1, x=140, y=60, options="ABCDE"))
    images, _ = scan(layout, ANSWERS, GOOD)
    turned = np.ascontiguousarray(np.rot90(images[0].pixels, k=-rotation // 90))
    read = read_page(PageImage(turned, images[0].dpi, "x"), FormReader(layout), expected_page=1)
    assert isinstance(read, PageRead), read
    assert read_back(read, layout) == ANSWERS | {"x": frozenset()}


def test_a_pattern_that_is_the_same_upside_down_is_not_believed() -> None:
    layout = without_marks(form())
    images, _ = scan(layout, ANSWERS, GOOD)
    read = read_page(images[0], FormReader(layout), expected_page=1)
    assert isinstance(read, PageSetAside)
    assert "more than one way" in read.detail


def test_boxes_that_fit_in_more_than_one_way_are_not_believed() -> None:
    # the layout knows only the upper half of what is printed: a row further down fits as well
    whole = form(questions=12)
    bare_pages = tuple(replace(page, fiducials=()) for page in whole.pages)
    half = replace(whole, pages=bare_pages, fields=whole.fields[:6])
    images, _ = scan(replace(whole, pages=bare_pages), {}, GOOD)
    read = read_page(images[0], FormReader(half), expected_page=1)
    assert isinstance(read, PageSetAside)
    assert "more than one way" in read.detail
