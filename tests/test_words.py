"""Words beside marks on a dense sheet of boxes, drawn where they are said to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from scangrade.answers.decide import decide
from scangrade.answers.empty_boxes import Sheet, expected, learn_empty_boxes
from scangrade.answers.words import VIEW_PER_MM, VIEW_SIDE, surroundings, views
from scangrade.authoring.form import Rect
from scangrade.authoring.ink import Mark
from scangrade.authoring.person import BLACK, Persona, Style, write_line
from scangrade.model import Answer, Booklet, Box, Convention, Layout, PageRead
from scangrade.settings import DECIDE
from tests.drawn import a_layout, a_page


def dense(convention: Convention) -> Layout:
    """A sheet like those for machines: rows of five boxes, a box' width apart and less."""
    loose = a_layout(convention, questions=9, options="ABCDE")
    fields = tuple(
        replace(
            field,
            boxes=tuple(replace(box, x_mm=40 + 7.5 * k, y_mm=40 + 7 * row) for k, box in enumerate(field.boxes)),
        )
        for row, field in enumerate(loose.fields)
    )
    return replace(loose, fields=fields)


def below(box: Box, *, seed: int) -> Mark:
    """A word under a box."""
    place = Rect(box.x_mm - 5, box.y_mm + 2.6, box.x_mm + 5, box.y_mm + 5.2)
    return Mark(1, "word", BLACK, write_line("xxxx xxx", place, 0.4, np.random.default_rng(seed)))


def a_sheet(layout: Layout, marks: Mapping[str, Style], *more: Mark, seed: int) -> Sheet:
    page = a_page(layout, marks, more=more, writer=WRITER, seed=seed)
    assert isinstance(page.result, PageRead)
    return Sheet(1, layout.boxes(1), page.result.readings)


WRITER = Persona("writer", BLACK, Style.CROSS, neatness=0.6)

MARKS = pytest.mark.parametrize(
    ("convention", "style"),
    [(Convention.CROSS, Style.CROSS), (Convention.CROSS, Style.TICK), (Convention.FILL_WINS, Style.FULL)],
)


def marks_of(seed: int, style: Style) -> dict[str, Style]:
    """Two or three marks in each question."""
    rng = np.random.default_rng(seed)
    return {
        f"{q}/{'ABCDE'[k]}": style
        for q in range(1, 10)
        for k in rng.choice(5, int(rng.integers(2, 4)), replace=False).tolist()
    }


@cache
def others(convention: Convention, style: Style) -> tuple[Booklet, ...]:
    """Seven booklets, of which it is learned what is printed."""
    layout = dense(convention)
    return tuple(
        Booklet(str(n), {1: a_page(layout, marks_of(100 + n, style), writer=WRITER, sha=str(n), seed=n)}) for n in range(1, 8)
    )


def answers(
    convention: Convention, style: Style, written: Sequence[Mark] = (), other: Mapping[str, Style] = {}, *, seed: int = 0
) -> Mapping[str, Answer]:
    """What is decided of a booklet in which this is written, and some boxes are marked otherwise, among others."""
    layout = dense(convention)
    page = a_page(layout, marks_of(seed, style) | dict(other), more=written, writer=WRITER, sha="0", seed=seed)
    decided = decide([Booklet("0", {1: page}), *others(convention, style)], layout, settings=DECIDE)
    return {answer.field: answer for answer in decided["0"]}


@MARKS
def test_a_word_below_one_of_several_marks_is_asked_about(convention: Convention, style: Style) -> None:
    row = dense(convention).field("4").boxes
    seen = 0
    for seed in range(6):
        marked = [box for box in row if box.key in marks_of(seed, style)]
        found = answers(convention, style, [below(marked[seed % len(marked)], seed=seed)], seed=seed)
        seen += "ink beside the boxes" in found["4"].doubt
        # the word stands between two questions: the other one may be asked about too, but none further away
        assert not any(found[q].doubt for q in "126789")
    assert seen >= 4  # a tail of a scribble between tails of crosses may well be one of them


@pytest.mark.parametrize("seed", range(3))
def test_a_word_below_an_undone_box_is_asked_about(seed: int) -> None:
    box = dense(Convention.CROSS).field("4").boxes[1]
    found = answers(Convention.CROSS, Style.CROSS, [below(box, seed=seed)], {box.key: Style.FULL}, seed=seed)
    assert "marked anew" in found["4"].doubt


def test_an_undone_box_alone_is_not_asked_about() -> None:
    found = answers(Convention.CROSS, Style.CROSS, other={f"{q}/A": Style.FULL for q in range(1, 10)})
    assert not any(answer.doubt for answer in found.values())


@MARKS
def test_tails_of_marks_are_no_words(convention: Convention, style: Style) -> None:
    found = answers(convention, style)
    assert not any(answer.doubt for answer in found.values())


def test_what_is_written_between_boxes_is_put_together_from_their_pictures() -> None:
    layout = dense(Convention.CROSS)
    box = layout.field("4").boxes[2]
    written = a_sheet(layout, {}, below(box, seed=1), seed=0)
    sheets = [written, *(a_sheet(layout, {}, seed=seed) for seed in range(1, 6))]
    learned = learn_empty_boxes(sheets, settings=DECIDE.empty_boxes)[1]
    around = surroundings(written, expected(written, learned), range(len(written.boxes)))
    rows, columns = np.nonzero(around.ink > 100)
    x, y = columns / VIEW_PER_MM + around.origin_mm[0], rows / VIEW_PER_MM + around.origin_mm[1]
    # a word of 10 x 2.6 mm, whose loops reach half of their height further down; print would show at the frames
    assert len(x) > 20
    assert np.abs(x - box.x_mm).max() < 6
    assert y.min() > box.y_mm + 2.2
    assert y.max() < box.y_mm + 6.5


def test_a_view_has_its_box_in_the_middle_and_tells_marked_boxes_from_empty_ones() -> None:
    layout = dense(Convention.CROSS)
    sheet = a_sheet(layout, {"4/C": Style.FULL}, seed=0)
    learned = learn_empty_boxes([sheet], settings=DECIDE.empty_boxes)[1]
    row = [box.key for box in sheet.boxes].index("4/C")
    ink, boxes, visible = views(sheet, surroundings(sheet, expected(sheet, learned), [row]), [row], {row})
    middle, half = VIEW_SIDE // 2, round(2 * VIEW_PER_MM)
    assert (boxes[0, middle - half + 1 : middle + half - 1, middle - half + 1 : middle + half - 1] == 255).all()
    assert set(np.unique(boxes)) == {0, 128, 255}
    # of one booklet nobody can tell print from writing
    assert not ink.any()
    assert not visible.any()
