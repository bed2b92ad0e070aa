from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from scangrade.authoring.ink import Ink, Mark, Stroke, paint
from scangrade.authoring.mishaps import FAIR_TO_ASK, OF_PAGES, OF_QUESTIONS, Mishap, befall, covered
from scangrade.authoring.person import BLACK, CROSSERS, FILLERS, Filling, Persona, Style, fill_booklet
from scangrade.authoring.scanner import GOOD, Scanner, Streak
from scangrade.authoring.simulate import print_form, simulate_booklet
from scangrade.model import Box, Convention, Field, FieldKind, Layout, LayoutPage, Shape, Verdict

DPI = 150
PER_MM = DPI / 25.4
ANSWERS = {f"q{row}": frozenset("B") for row in range(12)}


def form(convention: Convention) -> Layout:
    fields = tuple(
        Field(
            f"q{row}",
            FieldKind.CHOICE,
            1,
            tuple(Box(f"q{row}", value, 1, 30 + 12 * index, 25 + 12 * row, 4, 4, 0.3) for index, value in enumerate("ABCD")),
            many=True,
        )
        for row in range(12)
    )
    return Layout("x", "X", convention, (LayoutPage(1, 150, 200, ()),), fields)


def plain(layout: Layout, persona: Persona, seed: int = 1) -> Filling:
    steady = Persona(persona.name, persona.ink, persona.style, neatness=persona.neatness)
    return fill_booklet(layout, ANSWERS, steady, np.random.default_rng(seed))


def inside(page: NDArray[np.uint8], box: Box) -> float:
    """Mean darkness of a box' inside, 0 to 1."""
    rows = slice(round((box.y_mm - 1.8) * PER_MM), round((box.y_mm + 1.8) * PER_MM))
    columns = slice(round((box.x_mm - 1.8) * PER_MM), round((box.x_mm + 1.8) * PER_MM))
    return float(1 - page[rows, columns].mean() / 255)


@pytest.mark.parametrize("kind", OF_QUESTIONS)
def test_every_mishap_of_a_question_happens_and_says_what_it_means(kind: Mishap) -> None:
    seen: Counter[Verdict] = Counter()
    for convention, persona in ((Convention.CROSS, CROSSERS[0]), (Convention.FILL_WINS, FILLERS[0])):
        layout = form(convention)
        before = plain(layout, persona)
        after = befall(before, layout, persona, {kind: 1.0}, np.random.default_rng(2))
        assert [(one.field, one.box) for one in after.boxes] == [(one.field, one.box) for one in before.boxes]
        changed = [new for old, new in zip(before.boxes, after.boxes, strict=True) if old != new]
        seen.update(one.verdict for one in changed)
    empty = {Mishap.FAINT_GHOST, Mishap.PAINTED, Mishap.LABEL}
    marked = {Mishap.REDONE, Mishap.LONG_TAIL, Mishap.BLEEDING}
    expected = Verdict.EMPTY if kind in empty else Verdict.MARKED if kind in marked else Verdict.UNSURE
    assert seen[expected] >= 6


@pytest.mark.parametrize("kind", OF_PAGES)
def test_every_mishap_of_a_page_leaves_a_trace(kind: Mishap) -> None:
    layout = form(Convention.CROSS)
    before = plain(layout, CROSSERS[0])
    for seed in range(3):
        after = befall(before, layout, CROSSERS[0], {kind: 1.0}, np.random.default_rng(seed))
        added = after.marks[len(before.marks) :]
        assert {mark.kind for mark in added} == {kind.value}
        page = np.full((round(200 * PER_MM), round(150 * PER_MM)), 255, np.uint8)
        paint(page, added, dpi=DPI, rng=np.random.default_rng(0))
        assert page.min() < 248


def test_nothing_happens_without_a_chance() -> None:
    layout = form(Convention.ANY)
    before = plain(layout, FILLERS[0])
    assert befall(before, layout, FILLERS[0], {}, np.random.default_rng(0)).boxes == before.boxes


@pytest.mark.parametrize(
    ("inner", "verdict", "kind"),
    [(0.0, Verdict.EMPTY, ""), (1.5, Verdict.EMPTY, "notes brush"), (4.0, Verdict.UNSURE, "notes through")],
)
def test_ink_counts_by_how_much_of_an_empty_box_it_covers(
    inner: float, verdict: Verdict, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = form(Convention.CROSS)
    box = layout.boxes(1)[0]
    line = np.array([(box.x_mm - 9, box.y_mm), (box.x_mm - 2 + inner, box.y_mm)])
    mark = Mark(1, "notes", BLACK, (Stroke(line, 0.42),))
    monkeypatch.setitem(befall.__globals__["_ON_PAGE"], Mishap.NOTES, lambda _spot, _rng: [mark])
    after = befall(plain(layout, CROSSERS[0]), layout, CROSSERS[0], {Mishap.NOTES: 1.0}, np.random.default_rng(0))
    truth = after.boxes[0]
    assert (truth.verdict, truth.kind) == (verdict, kind)
    assert (truth.kind in FAIR_TO_ASK) == (kind == "notes brush")


@pytest.mark.parametrize("shape", list(Shape))
def test_coverage_is_the_share_of_the_inside(shape: Shape) -> None:
    box = Box("q", "A", 1, 30, 30, 4, 4, 0.3, shape)
    half = np.array([(20.0, 20.0), (30.0, 20.0), (30.0, 40.0), (20.0, 40.0)])
    assert covered(box, Mark(1, "x", BLACK, shapes=(half,))) == pytest.approx(0.5, abs=0.03)


def test_sheer_ink_lets_black_stay_black() -> None:
    shape = np.array([(1.0, 1.0), (9.0, 1.0), (9.0, 9.0), (1.0, 9.0)])
    yellow = Ink((255, 238, 70), 1.0, 0.9, 0.0, sheer=True)
    page = np.full((round(10 * PER_MM), round(10 * PER_MM), 3), 255, np.uint8)
    page[:, : page.shape[1] // 2] = 20
    paint(page, [Mark(1, "highlighter", yellow, shapes=(shape,))], dpi=DPI, rng=np.random.default_rng(0))
    black, white = page[30, 15], page[30, 45]
    assert black.max() <= 20
    assert white[0] > 245 and white[2] < 110


def test_fluid_hides_a_box_and_what_is_redone_shows_again() -> None:
    layout = form(Convention.ANY)
    picture = print_form(layout, dpi=DPI).pages[0]
    box = layout.boxes(1)[1]
    darkness = {}
    for kind in (Mishap.PAINTED, Mishap.REDONE):
        after = befall(plain(layout, FILLERS[0]), layout, FILLERS[0], {kind: 1.0}, np.random.default_rng(3))
        page = picture.copy()
        paint(page, after.marks, dpi=DPI, rng=np.random.default_rng(0))
        painted = [one for one in after.boxes if one.kind == kind.value]
        boxes = {f"{one.field}/{one.box}" for one in painted}
        darkness[kind] = [inside(page, box) for box in layout.boxes(1) if box.key in boxes]
        assert painted
    assert max(darkness[Mishap.PAINTED]) < 0.1
    assert min(darkness[Mishap.REDONE]) > 0.4
    assert box.key == "q0/B"


def test_dirt_on_the_glass_stays_where_it_is_page_after_page() -> None:
    layout = form(Convention.CROSS)
    printed = print_form(layout, dpi=DPI)
    straight = Scanner("s", dpi=150, skew_deg=0, shift_mm=0, scale=(1, 1), noise=0, dust=0, glass=(Streak(43.0, 0.3, 0.4),))
    for seed in range(2):
        images, truth = simulate_booklet(layout, {}, CROSSERS[0], straight, np.random.default_rng(seed), form=printed)
        kinds = {(one.box, one.kind, one.verdict) for one in truth.boxes}
        assert ("B", "streak", Verdict.EMPTY) in kinds  # boxes of B lie at 42 mm, four wide
        assert {box for box, kind, _ in kinds if kind == "streak"} == {"B"}
        pixels = images[0].pixels()
        assert pixels[round(20 * PER_MM), round(43 * PER_MM)] < pixels[round(20 * PER_MM), round(47 * PER_MM)] - 60


@pytest.mark.parametrize("turned", [0, 90, 180, 270])
def test_places_know_of_the_uneven_feed(turned: int) -> None:
    layout = form(Convention.CROSS)
    wobbly = Scanner("w", dpi=150, skew_deg=1.0, wobble_mm=0.6, rotations=(turned,), noise=0, dust=0)
    images, _ = simulate_booklet(
        layout, {one.id: frozenset("ABCD") for one in layout.fields}, FILLERS[4], wobbly, np.random.default_rng(5)
    )
    pixels = images[0].pixels()
    centres = np.array([(box.x_mm, box.y_mm) for box in layout.boxes(1)])
    off = []
    for x, y in images[0].places(centres):
        window = 255.0 - pixels[round(y) - 22 : round(y) + 23, round(x) - 22 : round(x) + 23]
        window[window < 128] = 0
        rows, columns = np.mgrid[0 : window.shape[0], 0 : window.shape[1]]
        found = np.array([(columns * window).sum(), (rows * window).sum()]) / window.sum()
        off.append(np.hypot(*(found - 22 + (round(x), round(y)) - (x, y))))
    assert np.median(off) < 0.25 * PER_MM


def test_only_the_wanted_pages_are_made() -> None:
    one = form(Convention.CROSS)
    two = Layout("x", "X", one.convention, (one.pages[0], LayoutPage(2, 150, 200, ())), one.fields)
    images, truth = simulate_booklet(two, ANSWERS, CROSSERS[0], GOOD, np.random.default_rng(0), pages=(1,))
    assert len(images) == 1
    assert [page.page for page in truth.pages] == [1]
    assert sum(box.kind == Style.CROSS.value for box in truth.boxes) + sum(box.kind == "undone" for box in truth.boxes) >= 12
