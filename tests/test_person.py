from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import zxingcpp
from numpy.typing import NDArray

from scangrade.authoring.form import Rect
from scangrade.authoring.ink import Mark, paint
from scangrade.authoring.person import (
    BLACK,
    CROSSERS,
    FILLERS,
    MEANING,
    PENCIL_DARK,
    Correction,
    Persona,
    Style,
    draw_mark,
    fill_booklet,
    personas_for,
    write_line,
)
from scangrade.authoring.truth import BatchTruth, BookletTruth, BoxTruth, PageTruth, batch_from_json, truth_answers
from scangrade.model import Box, Convention, Field, FieldKind, Layout, LayoutPage, Region, Shape, Transform, Verdict

DPI = 300
PER_MM = DPI / 25.4


def choice(convention: Convention = Convention.ANY) -> Layout:
    fields = tuple(
        Field(
            f"q{row}",
            FieldKind.CHOICE,
            1,
            tuple(Box(f"q{row}", value, 1, 20 + 12 * index, 20 + 12 * row, 4, 4, 0.3) for index, value in enumerate("ABCD")),
            question=f"q{row}",
            many=True,
        )
        for row in range(10)
    )
    credit = Field("c", FieldKind.CREDIT, 1, tuple(Box("c", v, 1, 90 + 10 * i, 20, 4, 4, 0.3) for i, v in enumerate("012")))
    text = Field("t", FieldKind.TEXT, 1, region=Region(1, 80, 40, 60, 30), role="answer")
    name = Field("n", FieldKind.TEXT, 1, region=Region(1, 80, 80, 60, 12), role="name")
    sticker = Field("s", FieldKind.STICKER, 1, region=Region(1, 80, 100, 60, 25))
    return Layout("x", "X", convention, (LayoutPage(1, 150, 150, ()),), (*fields, credit, text, name, sticker))


def painted(marks: tuple[Mark, ...] | list[Mark], seed: int = 0) -> NDArray[np.uint8]:
    page = np.full((round(150 * PER_MM), round(150 * PER_MM)), 255, np.uint8)
    paint(page, marks, dpi=DPI, rng=np.random.default_rng(seed))
    return page


def inked(page: NDArray[np.uint8], box: Box, grown: float = 0.0) -> float:
    """Share of a box' inside that is darker than half."""
    half = box.width_mm / 2 + grown
    rows = slice(round((box.y_mm - half) * PER_MM), round((box.y_mm + half) * PER_MM))
    columns = slice(round((box.x_mm - half) * PER_MM), round((box.x_mm + half) * PER_MM))
    return float((page[rows, columns] < 160).mean())


def steady(persona: Persona) -> Persona:
    return replace(persona, mistakes=0.0, specks=0.0, sometimes=())


@pytest.mark.parametrize("persona", (*FILLERS, *CROSSERS), ids=lambda persona: persona.name)
def test_marks_land_in_their_boxes(persona: Persona) -> None:
    layout = choice()
    answers = {f"q{row}": frozenset("AC" if row % 2 else "B") for row in range(10)}
    filling = fill_booklet(layout, answers, steady(persona), np.random.default_rng(1))
    page = painted([mark for mark in filling.marks if mark.kind != "writing"])
    darker = 255 - page.astype(float)
    for one in layout.fields[:10]:
        for box in one.boxes:
            half = box.width_mm / 2
            rows = slice(round((box.y_mm - half) * PER_MM), round((box.y_mm + half) * PER_MM))
            columns = slice(round((box.x_mm - half) * PER_MM), round((box.x_mm + half) * PER_MM))
            share = darker[rows, columns].mean() / 255
            if box.value in answers[one.id]:
                assert share > 0.05
            else:
                assert share < 0.02


@pytest.mark.parametrize(
    ("style", "least", "most"),
    [
        (Style.FULL, 0.9, 1.0),
        (Style.SLOPPY, 0.55, 1.0),
        (Style.SCRIBBLE, 0.5, 1.0),
        (Style.PARTIAL, 0.35, 0.75),
        (Style.CROSS, 0.1, 0.45),
        (Style.TICK, 0.07, 0.35),
        (Style.LINE, 0.05, 0.25),
        (Style.DOT, 0.005, 0.25),
        (Style.RING, 0.0, 0.03),
    ],
)
@pytest.mark.parametrize("shape", list(Shape))
def test_each_style_covers_what_its_name_says(style: Style, least: float, most: float, shape: Shape) -> None:
    box = Box("q", "A", 1, 30, 30, 4, 4, 0.3, shape)
    persona = Persona("p", BLACK, style, neatness=0.6)
    room = np.pi / 4 if shape is Shape.CIRCLE and style in (Style.FULL, Style.SLOPPY) else 1.0
    for seed in range(12):
        share = inked(painted([draw_mark(box, style, persona, np.random.default_rng(seed))], seed), box)
        assert least * room <= share <= most


def test_a_tick_leaves_its_box() -> None:
    box = Box("q", "A", 1, 30, 30, 4, 4, 0.3)
    for seed in range(10):
        mark = draw_mark(box, Style.TICK, Persona("p", BLACK, Style.TICK), np.random.default_rng(seed))
        points = np.concatenate([stroke.points for stroke in mark.strokes])
        assert points[:, 0].max() > 32.2 and points[:, 1].min() < 28.5


@pytest.mark.parametrize("convention", list(Convention))
@pytest.mark.parametrize("style", list(Style))
def test_truth_follows_the_convention(convention: Convention, style: Style) -> None:
    persona = Persona("p", BLACK, style)
    filling = fill_booklet(choice(convention), {"q0": frozenset("B")}, persona, np.random.default_rng(0))
    assert [(one.box, one.verdict, one.kind) for one in filling.boxes[:4]] == [
        ("A", Verdict.EMPTY, ""),
        ("B", MEANING[convention][style], style.value),
        ("C", Verdict.EMPTY, ""),
        ("D", Verdict.EMPTY, ""),
    ]


def test_what_the_conventions_say() -> None:
    assert MEANING[Convention.CROSS][Style.FULL] is Verdict.UNDONE
    assert MEANING[Convention.FILL][Style.CROSS] is Verdict.UNSURE
    assert MEANING[Convention.FILL_WINS][Style.CROSS] is Verdict.MARKED
    assert MEANING[Convention.ANY][Style.FULL] is MEANING[Convention.ANY][Style.CROSS] is Verdict.MARKED
    assert all(
        MEANING[convention][persona.style] is Verdict.MARKED
        for convention in Convention
        for persona in personas_for(convention)
    )


@pytest.mark.parametrize(
    ("correction", "convention", "style", "verdict", "kind"),
    [
        (Correction.ERASE, Convention.FILL, Style.FULL, Verdict.EMPTY, "ghost"),
        (Correction.FLUID, Convention.CROSS, Style.CROSS, Verdict.EMPTY, "fluid"),
        (Correction.UNDO, Convention.CROSS, Style.CROSS, Verdict.UNDONE, "undone"),
        (Correction.UNDO, Convention.FILL_WINS, Style.FULL, Verdict.UNDONE, "struck"),
        (Correction.UNDO, Convention.ANY, Style.FULL, Verdict.EMPTY, "fluid"),
    ],
)
def test_a_mark_taken_back_is_not_a_mark(
    correction: Correction, convention: Convention, style: Style, verdict: Verdict, kind: str
) -> None:
    layout = choice(convention)
    persona = Persona("p", PENCIL_DARK, style, correction=correction, mistakes=1.0)
    filling = fill_booklet(layout, {"q0": frozenset("B")}, persona, np.random.default_rng(2))
    corrected = [one for one in filling.boxes[:4] if one.kind == kind]
    assert len(corrected) == 1
    assert corrected[0].verdict is verdict and corrected[0].box != "B"
    assert next(one for one in filling.boxes if one.box == "B").verdict is Verdict.MARKED
    page = painted([mark for mark in filling.marks if mark.page == 1 and mark.kind != "writing"])
    covered = inked(page, next(box for box in layout.fields[0].boxes if box.value == corrected[0].box))
    assert covered > 0.8 if verdict is Verdict.UNDONE else covered < 0.02


def test_everything_filled_with_an_arrow_is_for_a_person() -> None:
    persona = Persona("p", BLACK, Style.FULL, correction=Correction.ARROW, mistakes=1.0)
    filling = fill_booklet(choice(Convention.FILL_WINS), {"q0": frozenset("B")}, persona, np.random.default_rng(2))
    assert {one.verdict for one in filling.boxes[:4]} == {Verdict.UNSURE}
    assert any(mark.kind == "arrow" for mark in filling.marks)


def test_credit_fields_are_marked_by_the_grader_in_red() -> None:
    filling = fill_booklet(choice(Convention.CROSS), {"c": frozenset("2")}, FILLERS[0], np.random.default_rng(0))
    (mark,) = [mark for mark in filling.marks if mark.kind == "cross"]
    assert mark.ink.colour[0] > 2 * mark.ink.colour[2]
    assert [one.verdict for one in filling.boxes if one.field == "c"] == [Verdict.EMPTY, Verdict.EMPTY, Verdict.MARKED]


def test_a_field_can_be_marked_in_another_style() -> None:
    styles = {"q1": Style.DOT}
    answers = {"q0": frozenset("A"), "q1": frozenset("A")}
    filling = fill_booklet(choice(), answers, steady(FILLERS[0]), np.random.default_rng(0), styles=styles)
    assert [one.kind for one in filling.boxes if one.box == "A"][:2] == ["full", "dot"]


@pytest.mark.parametrize("answers", [{"q77": frozenset("A")}, {"q1": frozenset("Z")}])
def test_answers_that_the_layout_does_not_have_are_refused(answers: dict[str, frozenset[str]]) -> None:
    with pytest.raises(KeyError):
        fill_booklet(choice(), answers, FILLERS[0], np.random.default_rng(0))


def test_texts_and_stickers_stay_in_their_regions() -> None:
    layout = choice()
    filling = fill_booklet(
        layout, {}, steady(FILLERS[0]), np.random.default_rng(4), texts={"n": "Nobody 123"}, stickers={"s": "01234567"}
    )
    regions = {"writing": (78, 38, 142, 94), "sticker": (80, 100, 140, 125)}
    assert {mark.kind for mark in filling.marks} == set(regions)
    for mark in filling.marks:
        left, top, right, bottom = regions[mark.kind]
        points = np.concatenate([stroke.points for stroke in mark.strokes] + list(mark.shapes))
        assert left <= points[:, 0].min() and points[:, 0].max() <= right
        assert top <= points[:, 1].min() and points[:, 1].max() <= bottom


def test_a_pasted_sticker_can_be_decoded() -> None:
    for seed in range(5):
        filling = fill_booklet(
            choice(), {}, FILLERS[0], np.random.default_rng(seed), stickers={"s": "01234567"}, texts={"t": ""}
        )
        assert [code.text for code in zxingcpp.read_barcodes(painted(filling.marks))] == ["01234567"]


def test_digits_differ_from_hand_to_hand_but_stay_on_the_line() -> None:
    line = Rect(10, 10, 60, 16)
    one, other = (write_line("0123456789", line, 0.4, np.random.default_rng(seed)) for seed in (1, 2))
    points = np.concatenate([stroke.points for stroke in one])
    assert len(one) == len(other) >= 10
    assert not np.allclose(one[0].points[0], other[0].points[0])
    assert points[:, 1].min() > 8.5
    assert points[:, 1].max() < 17.5


def test_pencil_has_grain_and_a_felt_tip_has_not() -> None:
    box = Box("q", "A", 1, 30, 30, 8, 8, 0.3)
    spread = {}
    for persona in (FILLERS[2], FILLERS[4]):
        page = painted([draw_mark(box, Style.FULL, persona, np.random.default_rng(0))])
        inside = page[round(28 * PER_MM) : round(32 * PER_MM), round(28 * PER_MM) : round(32 * PER_MM)]
        spread[persona.name] = float(inside.std())
    assert spread["soft pencil"] > 1.5 * spread["felt tip"]


def test_same_seed_same_person() -> None:
    answers = {"q0": frozenset("A"), "q1": frozenset("BD")}
    pages = [painted(fill_booklet(choice(), answers, FILLERS[1], np.random.default_rng(9)).marks) for _ in range(2)]
    assert (pages[0] == pages[1]).all()


# --------------------------------------------------------------------------- truth


def booklet() -> BookletTruth:
    pages = (PageTruth("a.pdf", 3, 1, 90, 200.0, Transform((1.0, 0.0, 2.5, 0.0, 1.0, 0.125, 0.0, 0.0, 1.0))),)
    boxes = (
        BoxTruth("q0", "A", 1, Verdict.MARKED, "cross"),
        BoxTruth("q0", "B", 1, Verdict.UNSURE, "dot"),
        BoxTruth("q1", "A", 2, Verdict.EMPTY),
    )
    return BookletTruth("0001", "01234567", "A", "Łukasz's pen", pages, boxes)


def test_truth_survives_its_file() -> None:
    batch = BatchTruth("x", (booklet(), replace(booklet(), copy="0002", boxes=(), pages=())))
    assert batch_from_json(batch.to_json()) == batch


def test_truth_as_answers_leaves_out_lost_pages_and_keeps_doubts_open() -> None:
    fields = tuple(
        Field(name, FieldKind.CHOICE, page, tuple(Box(name, v, page, 20, 20, 4, 4, 0.3) for v in values))
        for name, page, values in (("q0", 1, "AB"), ("q1", 2, "A"))
    )
    layout = Layout("x", "", Convention.ANY, (LayoutPage(1, 100, 100, ()), LayoutPage(2, 100, 100, ())), fields)
    (answer,) = truth_answers([booklet()], layout)["0001"]
    assert answer.field == "q0"
    assert answer.marked == {"A"} and answer.open == {"B"}
