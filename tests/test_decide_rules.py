"""What is made of the network's word: a pretended network says it, so that each rule is seen to matter by itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from scangrade.answers import judge
from scangrade.answers.decide import decide
from scangrade.answers.network import Floats
from scangrade.answers.recognise import SIGHTS, Sight
from scangrade.authoring.form import Rect
from scangrade.authoring.ink import Ink, Mark, Stroke
from scangrade.authoring.person import BLACK, BLUE, Style, draw_mark, write_line
from scangrade.model import Answer, Booklet, Box, Convention, Field, FieldKind, Layout, PageRead, ScannedPage, Verdict, no_map
from scangrade.settings import DECIDE, DecideSettings
from tests.drawn import WRITER, a_layout, a_page

GREY = Ink((150, 150, 155), 0.35, 1.0, 0.0)


def says(monkeypatch: pytest.MonkeyPatch, **probabilities: float) -> None:
    """Have the network say the same of every box."""

    def recognise(patches: NDArray[np.uint8], *_: object) -> Floats:
        seen = np.zeros((len(patches), len(SIGHTS)), np.float32)
        for sight, probability in probabilities.items():
            seen[:, SIGHTS.index(Sight(sight))] = probability
        return seen

    for look in ("first_look", "recognise"):
        monkeypatch.setattr(judge, look, recognise)


def decided(layout: Layout, *pages: ScannedPage, settings: DecideSettings = DECIDE) -> dict[str, Answer]:
    """What is decided for the first of these booklets of one page."""
    booklets = [Booklet(str(n), {1: page}) for n, page in enumerate(pages)]
    return {one.field: one for one in decide(booklets, layout, settings=settings)["0"]}


def verdict(answers: dict[str, Answer], key: str) -> Verdict:
    field, _, box = key.partition("/")
    return next(one.verdict for one in answers[field].verdicts if one.box == box)


@pytest.mark.parametrize(("questions", "expected"), [(4, Verdict.EMPTY), (1, Verdict.UNSURE)])
def test_a_line_through_several_questions_is_dirt_and_through_one_strikes_it_out(
    questions: int, expected: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, empty=0.94, stray=0.06)
    layout = a_layout()
    first, last = layout.field("1").boxes[0], layout.field(str(questions)).boxes[0]
    line = Stroke(np.array([(first.x_mm + 0.6, first.y_mm - 6), (last.x_mm + 0.6, last.y_mm + 6)]), 0.35)
    struck = a_page(layout, more=[Mark(1, "line", GREY, (line,))])
    answers = decided(layout, struck, *(a_page(layout, seed=seed) for seed in range(1, 6)))
    assert {verdict(answers, f"{q}/A") for q in range(1, questions + 1)} == {expected}


@pytest.mark.parametrize(("least_trust", "expected"), [(0.5, Verdict.EMPTY), (1.1, Verdict.UNSURE)])
def test_a_form_whose_empty_boxes_the_network_always_doubts_lowers_the_bar(
    least_trust: float, expected: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, empty=0.85, cross=0.15)
    layout = a_layout(questions=10, options="ABCDE", printed=True)
    settings = replace(DECIDE, plain_ink=-1.0, alike_inside=-1.0, least_trust=least_trust)  # every box is the network's
    answers = decided(layout, *(a_page(layout, seed=seed) for seed in range(6)), settings=settings)
    assert {one.verdict for answer in answers.values() for one in answer.verdicts} == {expected}


def test_where_most_boxes_of_a_print_seem_marked_the_bar_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, empty=0.4, cross=0.6)
    layout = a_layout(questions=10, options="ABCDE", printed=True)
    settings = replace(DECIDE, plain_ink=-1.0, alike_inside=-1.0)
    answers = decided(layout, *(a_page(layout, seed=seed) for seed in range(6)), settings=settings)
    assert {one.verdict for answer in answers.values() for one in answer.verdicts} == {Verdict.UNSURE}


@pytest.mark.parametrize(("share", "expected"), [(0.4, Verdict.UNSURE), (0.0, Verdict.MARKED)])
def test_a_mark_much_paler_than_another_of_its_question_is_asked_about(
    share: float, expected: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = a_layout()
    pale = replace(WRITER, ink=replace(BLACK, colour=(185, 185, 185)))
    box = layout.field("2").boxes[2]
    mark = draw_mark(box, Style.FULL, pale, np.random.default_rng(1))
    page = a_page(layout, {"2/A": Style.FULL}, more=[mark])
    says(monkeypatch, fill=0.99, empty=0.01)
    settings = replace(DECIDE, strong_share_of_pen=0.0, strong_share_of_field=share)
    answers = decided(layout, page, *(a_page(layout, seed=seed) for seed in range(1, 6)), settings=settings)
    assert verdict(answers, "2/A") is Verdict.MARKED
    assert verdict(answers, box.key) is expected


def a_dense_layout() -> Layout:
    """Rows of boxes with two and a half millimetres between them, where every square millimetre is print."""
    fields = tuple(
        Field(
            str(q),
            FieldKind.CHOICE,
            1,
            tuple(Box(str(q), value, 1, 40 + 8 * k, 60 + 7 * q, 4, 4, 0.28) for k, value in enumerate("ABCDE")),
            question=str(q),
            many=True,
        )
        for q in range(1, 7)
    )
    return replace(a_layout(Convention.CROSS), fields=fields)


@pytest.mark.parametrize("word", [True, False])
def test_a_word_next_to_an_undone_box_of_a_dense_sheet_makes_the_question_a_persons(word: bool) -> None:
    layout = a_dense_layout()
    box = layout.field("3").boxes[1]
    rng = np.random.default_rng(2)
    place = Rect(box.x_mm - 5, box.y_mm + 2.6, box.x_mm + 5, box.y_mm + 4.6)
    more = [Mark(1, "word", BLUE, write_line("xxxx", place, 0.42, rng))] if word else []
    page = a_page(layout, {box.key: Style.FULL, "3/D": Style.CROSS}, more=more)
    others = [a_page(layout, {f"{q}/{'ABCDE'[(q + n) % 5]}": Style.CROSS for q in range(1, 7)}, seed=n) for n in range(1, 7)]
    answers = decided(layout, page, *others)
    assert verdict(answers, box.key) is Verdict.UNDONE
    assert ("ink beside the boxes" in answers["3"].doubt) == word
    unseen = decided(layout, page, *others, settings=replace(DECIDE, word_from=1.1))
    assert unseen["3"].doubt == ""  # the map of the page sees nothing there


@pytest.mark.parametrize("over", [Style.CROSS, None])
def test_a_word_that_runs_over_the_next_questions_box_is_still_writing_next_to_an_undone_one(over: Style | None) -> None:
    """Only a mark that is one explains ink around its box; what was merely run over does not."""
    layout = a_dense_layout()
    box, below = layout.field("3").boxes[1], layout.field("4").boxes[1]
    rng = np.random.default_rng(2)
    place = Rect(box.x_mm - 5, box.y_mm + 2.6, box.x_mm + 5, box.y_mm + 4.6)
    tail = Stroke(np.array([(below.x_mm - 3, below.y_mm - 0.5), (below.x_mm + 3, below.y_mm + 0.5)]), 0.42)
    more = [] if over else [Mark(1, "word", BLUE, (*write_line("xxxx", place, 0.42, rng), tail))]
    marks = {box.key: Style.FULL, "3/D": Style.CROSS} | ({below.key: over} if over else {})
    page = a_page(layout, marks, more=more)
    others = [a_page(layout, {f"{q}/{'ABCDE'[(q + n) % 5]}": Style.CROSS for q in range(1, 7)}, seed=n) for n in range(1, 7)]
    assert bool(decided(layout, page, *others)["3"].doubt) is (over is None)


@pytest.mark.parametrize(("stray", "expected"), [(0.99, Verdict.UNSURE), (0.0, Verdict.MARKED)])
def test_writing_through_one_box_of_a_question_makes_its_marks_a_persons(
    stray: float, expected: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = a_layout()
    over = layout.field("2").boxes[0]

    def recognise(patches: NDArray[np.uint8], *_: object) -> Floats:
        seen = np.zeros((len(patches), len(SIGHTS)), np.float32)
        darkest = int(np.argmax(patches[:, 9:19, 9:19].mean(axis=(1, 2))))
        seen[:, SIGHTS.index(Sight.STRAY)] = stray
        seen[:, SIGHTS.index(Sight.EMPTY)] = 1 - stray
        seen[darkest] = 0
        seen[darkest, SIGHTS.index(Sight.FILL)] = 1
        return seen

    monkeypatch.setattr(judge, "recognise", recognise)
    settings = replace(DECIDE, first_look_from=2.0)  # every box is left to it
    line = Stroke(np.array([(over.x_mm - 4, over.y_mm - 1), (over.x_mm + 3, over.y_mm + 1)]), 0.4)
    page = a_page(layout, {"2/C": Style.FULL}, more=[Mark(1, "notes", BLUE, (line,))])
    answers = decided(layout, page, *(a_page(layout, seed=seed) for seed in range(1, 6)), settings=settings)
    assert verdict(answers, "2/C") is expected


def test_an_undone_box_on_a_page_without_questions_is_decided_though_no_map_of_its_ink_is_kept() -> None:
    layout = a_layout(Convention.CROSS)
    digits = tuple(
        replace(one, kind=FieldKind.DIGIT, role="student_number", place=n) for n, one in enumerate(layout.fields, 1)
    )
    layout = replace(layout, fields=digits)
    page = a_page(layout, {"1/A": Style.FULL, "1/B": Style.CROSS})
    assert isinstance(page.result, PageRead)
    bare = replace(page, result=replace(page.result, readings=replace(page.result.readings, ink_map=no_map())))
    answers = decided(layout, bare, *(a_page(layout, seed=seed) for seed in range(1, 6)))
    assert verdict(answers, "1/A") is Verdict.UNDONE
