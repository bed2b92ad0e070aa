"""Verdicts on drawn boxes: every page is made from the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from scangrade.answers.decide import decide
from scangrade.authoring.form import Look, Rect
from scangrade.authoring.ink import Ink, Mark, Stroke
from scangrade.authoring.person import (
    BLUE,
    PENCIL_DARK,
    PENCIL_LIGHT,
    Style,
    draw_mark,
    rub_out,
    write_line,
)
from scangrade.model import Answer, Booklet, Convention, Layout, PageRead, ScannedPage, Verdict
from scangrade.settings import DECIDE
from tests.drawn import WRITER, a_layout, a_page

SEEDS = range(4)
PENCIL = replace(WRITER, ink=PENCIL_LIGHT)


def answers(layout: Layout, *pages: ScannedPage, duplicates: tuple[ScannedPage, ...] = ()) -> dict[str, Answer]:
    """What is decided for the first of these booklets of one page."""
    booklets = [Booklet(str(n), {1: page}, duplicates=duplicates if n == 0 else ()) for n, page in enumerate(pages)]
    decided = decide(booklets, layout, settings=DECIDE)["0"]
    return {one.field: one for one in decided}


def verdicts(layout: Layout, *pages: ScannedPage) -> dict[str, Verdict]:
    return {f"{one.field}/{one.box}": one.verdict for answer in answers(layout, *pages).values() for one in answer.verdicts}


def spread(style: Style, questions: int, options: str = "ABCD") -> dict[str, Style]:
    """One mark in each question."""
    return {f"{q}/{options[q % len(options)]}": style for q in range(1, questions + 1)}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_blank_sheet_stays_blank(seed: int) -> None:
    layout = a_layout()
    assert set(verdicts(layout, a_page(layout, seed=seed)).values()) == {Verdict.EMPTY}


@pytest.mark.parametrize("letter", [0.0, 0.35])
def test_a_blank_sheet_with_letters_printed_in_its_boxes_stays_blank_even_if_the_layout_does_not_say_so(letter: float) -> None:
    printed, bare = (a_layout(printed=inside, questions=10, options="ABCDE") for inside in (True, False))
    page = a_page(printed, read_as=bare, look=Look(letter=letter))
    assert set(verdicts(bare, page).values()) == {Verdict.EMPTY}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_mark_over_print_is_seen(seed: int) -> None:
    layout = a_layout(printed=True, questions=10)
    marks = {"1/A": Style.FULL, "2/B": Style.CROSS, "7/D": Style.TICK}
    seen = verdicts(layout, a_page(layout, marks, seed=seed))
    assert {key for key, verdict in seen.items() if verdict is Verdict.MARKED} == set(marks)
    assert sum(verdict is Verdict.EMPTY for verdict in seen.values()) == 37


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("convention", "style", "verdict"),
    [
        (Convention.ANY, Style.CROSS, Verdict.MARKED),
        (Convention.ANY, Style.FULL, Verdict.MARKED),
        (Convention.CROSS, Style.CROSS, Verdict.MARKED),
        (Convention.CROSS, Style.TICK, Verdict.MARKED),
        (Convention.CROSS, Style.FULL, Verdict.UNDONE),
        (Convention.CROSS, Style.PARTIAL, Verdict.UNSURE),
        (Convention.FILL, Style.CROSS, Verdict.UNSURE),
        (Convention.FILL, Style.PARTIAL, Verdict.UNSURE),
        (Convention.FILL, Style.FULL, Verdict.MARKED),
        (Convention.FILL_WINS, Style.CROSS, Verdict.MARKED),
        (Convention.FILL_WINS, Style.FULL, Verdict.MARKED),
    ],
)
def test_the_same_picture_means_what_the_form_says(convention: Convention, style: Style, verdict: Verdict, seed: int) -> None:
    layout = a_layout(convention)
    assert verdicts(layout, a_page(layout, {"1/A": style}, seed=seed))["1/A"] is verdict


@pytest.mark.parametrize("convention", list(Convention))
@pytest.mark.parametrize("style", [Style.DOT, Style.RING])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_dot_and_a_ring_are_a_persons_everywhere(convention: Convention, style: Style, seed: int) -> None:
    layout = a_layout(convention)
    assert verdicts(layout, a_page(layout, {"1/A": style}, seed=seed))["1/A"] is Verdict.UNSURE


def test_a_cross_beside_a_fill_is_a_persons_where_fills_win() -> None:
    layout = a_layout(Convention.FILL_WINS)
    seen = verdicts(layout, a_page(layout, {"1/A": Style.FULL, "1/C": Style.CROSS}))
    assert seen["1/A"] is Verdict.MARKED
    assert seen["1/C"] is Verdict.UNSURE


def test_a_question_with_every_box_filled_is_doubted_as_a_whole() -> None:
    layout = a_layout(Convention.FILL_WINS)
    found = answers(layout, a_page(layout, {f"2/{value}": Style.FULL for value in "ABCD"}))
    assert "every box" in found["2"].doubt
    assert found["2"].open == frozenset("ABCD")
    assert found["1"].doubt == ""


def test_a_question_with_every_box_undone_is_doubted_even_if_one_is_not_quite_filled() -> None:
    layout = a_layout(Convention.CROSS)
    marks = {"2/A": Style.FULL, "2/B": Style.FULL, "2/C": Style.FULL, "2/D": Style.PARTIAL}
    found = answers(layout, a_page(layout, {**marks, "3/A": Style.FULL}))
    assert "every box" in found["2"].doubt
    assert not found["3"].doubt


def _word(layout: Layout, beside: str) -> Mark:
    box = next(box for box in layout.boxes(1) if box.key == beside)
    line = Rect(box.x_mm + 6, box.y_mm - 1.5, box.x_mm + 15, box.y_mm + 1.5)
    return Mark(1, "word", BLUE, write_line("xxxx", line, 0.42, np.random.default_rng(1)))


@pytest.mark.parametrize(
    ("convention", "marks"),
    [
        (Convention.CROSS, {"2/A": Style.FULL}),  # undone, and a word that may take it back
        (Convention.CROSS, {"2/A": Style.CROSS, "2/C": Style.CROSS}),  # two, and a word at one of them
        (Convention.FILL_WINS, {}),  # nothing marked, but something written
    ],
)
def test_ink_beside_a_question_that_it_may_change_is_a_persons(convention: Convention, marks: Mapping[str, Style]) -> None:
    layout = a_layout(convention)
    others = [a_page(layout, spread(Style.CROSS, 4), sha=f"b{seed}", seed=seed) for seed in range(5)]
    found = answers(layout, a_page(layout, marks, more=[_word(layout, "2/D")]), *others)
    assert "beside" in found["2"].doubt
    assert not found["1"].doubt
    assert not found["3"].doubt


def test_ink_beside_a_question_with_one_mark_changes_nothing() -> None:
    layout = a_layout(Convention.CROSS)
    others = [a_page(layout, spread(Style.CROSS, 4), sha=f"b{seed}", seed=seed) for seed in range(5)]
    found = answers(layout, a_page(layout, {"2/A": Style.CROSS}, more=[_word(layout, "2/D")]), *others)
    assert not found["2"].doubt
    assert found["2"].marked == {"A"}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_careless_fill_that_spills_over_is_an_answer(seed: int) -> None:
    layout = a_layout(Convention.FILL_WINS)
    found = answers(layout, a_page(layout, {"2/A": Style.SLOPPY}, writer=replace(WRITER, neatness=0.3), seed=seed))
    assert not found["2"].doubt
    assert found["2"].marked == {"A"}


@pytest.mark.parametrize("convention", [Convention.CROSS, Convention.FILL_WINS, Convention.FILL])
def test_a_line_of_handwriting_through_boxes_is_a_persons(convention: Convention) -> None:
    layout = a_layout(convention)
    box = next(box for box in layout.boxes(1) if box.key == "2/B")
    line = Rect(box.x_mm - 14, box.y_mm - 2.5, box.x_mm + 20, box.y_mm + 2.5)
    notes = Mark(1, "notes", BLUE, write_line("xxxxxx xxxxx xxxx", line, 0.45, np.random.default_rng(3)))
    seen = verdicts(layout, a_page(layout, {"4/A": Style.FULL}, more=[notes]))
    assert Verdict.MARKED not in {seen[f"2/{value}"] for value in "ABCD"}
    assert Verdict.UNSURE in {seen[f"2/{value}"] for value in "ABCD"}


def test_dirt_on_the_glass_is_not_decided_marked() -> None:
    layout = a_layout(questions=8)
    box = next(box for box in layout.boxes(1) if box.key == "3/B")
    dirt = Stroke(np.array([(box.x_mm + 0.6, 0.0), (box.x_mm + 0.6, 297.0)]), 0.25)
    streak = Mark(1, "streak", Ink((60, 60, 60), 0.25, 0.8, 0.0), (dirt,))
    seen = verdicts(layout, a_page(layout, {f"{q}/A": Style.CROSS for q in range(1, 9)}, more=[streak]))
    assert Verdict.MARKED not in {seen[f"{q}/B"] for q in range(1, 9)}


@pytest.mark.parametrize("style", [Style.CROSS, Style.FULL])
def test_light_pencil_is_a_mark_in_a_booklet_of_light_pencil(style: Style) -> None:
    layout = a_layout(questions=8)
    marks = spread(style, 8)
    seen = verdicts(layout, a_page(layout, marks, writer=PENCIL))
    decided = {key for key, verdict in seen.items() if verdict is Verdict.MARKED}
    assert decided <= set(marks)
    assert len(decided) >= 6  # of eight, since a person may be asked about the palest
    assert not any(seen[key] is Verdict.EMPTY for key in marks)


def test_light_pencil_is_doubtful_among_ink() -> None:
    layout = a_layout(questions=8)
    faint = draw_mark(layout.boxes(1)[0], Style.CROSS, PENCIL, np.random.default_rng(2))
    faint = replace(faint, ink=replace(faint.ink, opacity=0.3))
    marks = {key: style for key, style in spread(Style.FULL, 8).items() if not key.startswith("1/")} | {"1/C": Style.FULL}
    assert verdicts(layout, a_page(layout, marks, more=[faint]))["1/A"] is not Verdict.MARKED


@pytest.mark.parametrize("share", [0.5, 0.8, 1.0])
@pytest.mark.parametrize("options", ["TF", "ABCD"])
@pytest.mark.parametrize("style", [Style.CROSS, Style.FULL])
def test_marks_over_print_never_pass_for_print_however_many_there_are(options: str, share: float, style: Style) -> None:
    layout = a_layout(questions=10, options=options, printed=True)
    rng = np.random.default_rng(1)
    marks = {box.key: style for box in layout.boxes(1) if rng.random() < share}
    seen = verdicts(layout, a_page(layout, marks))
    assert not any(seen[key] is Verdict.EMPTY for key in marks)


@pytest.mark.parametrize("booklets", [1, 5])
@pytest.mark.parametrize("style", [Style.CROSS, Style.FULL])
def test_an_answer_that_everybody_gave_is_not_taken_for_print(booklets: int, style: Style) -> None:
    layout = a_layout(questions=10)
    marks = {f"{q}/A": style for q in range(1, 11)}
    seen = verdicts(layout, *(a_page(layout, marks, sha=str(seed), seed=seed) for seed in range(booklets)))
    assert Verdict.EMPTY not in {seen[f"{q}/A"] for q in range(1, 11)}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_ghost_is_never_decided_marked(seed: int) -> None:
    layout = a_layout()
    pencil = replace(WRITER, ink=PENCIL_DARK)
    ghost = rub_out(
        draw_mark(layout.boxes(1)[1], Style.FULL, pencil, np.random.default_rng(seed)), np.random.default_rng(seed)
    )
    seen = verdicts(layout, a_page(layout, {"1/A": Style.FULL}, writer=pencil, more=[ghost], seed=seed))
    assert seen["1/A"] is Verdict.MARKED
    assert seen["1/B"] is not Verdict.MARKED


def test_a_box_outside_the_image_is_a_persons() -> None:
    layout = a_layout()
    page = a_page(layout)
    assert isinstance(page.result, PageRead)
    page.result.readings.values[0] = np.nan
    assert verdicts(layout, page)["1/A"] is Verdict.UNSURE


def test_two_images_of_a_page_that_differ_leave_the_difference_to_a_person() -> None:
    layout = a_layout()
    first = a_page(layout, {"1/A": Style.CROSS})
    second = a_page(layout, {"1/A": Style.CROSS, "2/B": Style.CROSS}, sha="b")
    found = answers(layout, first, duplicates=(second,))
    seen = {f"{one.field}/{one.box}": one.verdict for answer in found.values() for one in answer.verdicts}
    assert seen["1/A"] is Verdict.MARKED
    assert seen["2/B"] is Verdict.UNSURE
    assert sum(verdict is Verdict.EMPTY for verdict in seen.values()) == 14


def test_probability_of_a_mark_grows_with_its_ink() -> None:
    layout = a_layout()
    box = layout.boxes(1)[0]
    stated = []
    for opacity in (0.03, 0.15, 0.4, 0.9):
        mark = draw_mark(box, Style.FULL, WRITER, np.random.default_rng(5))
        page = a_page(layout, more=[replace(mark, ink=replace(mark.ink, opacity=opacity, grain=0.0))])
        one = answers(layout, page)["1"].verdicts[0]
        stated.append(1 - one.probability if one.verdict is Verdict.EMPTY else one.probability)
    assert stated[0] < 0.01
    assert stated[-1] > 0.99
    assert stated[0] < stated[-1]
