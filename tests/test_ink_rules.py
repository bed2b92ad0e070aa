"""Verdicts from ink alone: readings are made from the answer."""

from __future__ import annotations

import numpy as np
import pytest

from scangrade.answers.empty_boxes import Sheet
from scangrade.answers.ink_rules import VERDICTS, judge, learn
from scangrade.model import FEATURES, Convention, Layout, Readings, Verdict
from scangrade.settings import DECIDE
from tests.drawn import a_layout

EMPTY = {"ink": 0.0, "rest": 0.0, "core": 0.0, "dark": 0.0, "faint": 0.0, "peak": 0.02, "least_cell": 0.0, "cells": 0.0}
CROSS = {"ink": 0.3, "rest": 0.25, "core": 0.4, "dark": 0.3, "faint": 0.4, "peak": 0.95, "least_cell": 0.05, "cells": 0.8}
FULL = {"ink": 0.97, "rest": 0.97, "core": 0.99, "dark": 0.99, "faint": 1.0, "peak": 1.0, "least_cell": 0.9, "cells": 1.0}
PENCIL = {"ink": 0.11, "rest": 0.09, "core": 0.15, "dark": 0.01, "faint": 0.3, "peak": 0.4, "least_cell": 0.02, "cells": 0.6}
GHOST = {"ink": 0.05, "rest": 0.04, "core": 0.05, "dark": 0.0, "faint": 0.06, "peak": 0.2, "least_cell": 0.02, "cells": 0.1}
SEEN = {
    "diagonal": 0.0,
    "outside": 0.0,
    "beyond": 0.0,
    "frame": 0.6,
    "dx_mm": 0.0,
    "dy_mm": 0.0,
    "seen": 1.0,
    "contrast": 1.0,
    "scale": 6.0,
}


def a_sheet(layout: Layout, marks: dict[str, dict[str, float]], *, print_ink: float = 0.0) -> Sheet:
    rows = []
    for box in layout.boxes(1):
        seen = {**EMPTY, **SEEN, "blank_ink": np.nan, "blank_dark": np.nan, "blank_core": np.nan, **marks.get(box.key, {})}
        seen["ink"] = print_ink + seen["ink"] * (1 - print_ink)
        rows.append([seen[name] for name in FEATURES])
    return Sheet(1, layout.boxes(1), Readings(np.array(rows, dtype=np.float32)))


def verdicts(layout: Layout, marks: dict[str, dict[str, float]], *, print_ink: float = 0.0) -> dict[str, Verdict]:
    sheet = a_sheet(layout, marks, print_ink=print_ink)
    learned = learn([sheet], layout, settings=DECIDE.ink)
    (found,) = judge([([sheet], [])], learned, layout.convention, settings=DECIDE.ink)
    return {box.key: VERDICTS[code] for box, code in zip(sheet.boxes, found.tolist(), strict=True)}


def test_a_blank_sheet_stays_blank() -> None:
    seen = verdicts(a_layout(), {})
    assert set(seen.values()) == {Verdict.EMPTY}


def test_a_blank_sheet_with_letters_printed_in_its_boxes_stays_blank() -> None:
    seen = verdicts(a_layout(printed=True), {}, print_ink=0.2)
    assert set(seen.values()) == {Verdict.EMPTY}


def test_a_mark_over_print_is_seen() -> None:
    seen = verdicts(a_layout(printed=True, questions=6), {"1/A": FULL, "2/B": CROSS}, print_ink=0.2)
    assert {key for key, verdict in seen.items() if verdict is Verdict.MARKED} == {"1/A", "2/B"}
    assert sum(verdict is Verdict.EMPTY for verdict in seen.values()) == 22


@pytest.mark.parametrize(
    ("convention", "mark", "verdict"),
    [
        (Convention.ANY, CROSS, Verdict.MARKED),
        (Convention.ANY, FULL, Verdict.MARKED),
        (Convention.CROSS, CROSS, Verdict.MARKED),
        (Convention.CROSS, FULL, Verdict.UNDONE),
        (Convention.FILL, CROSS, Verdict.UNSURE),
        (Convention.FILL, FULL, Verdict.MARKED),
        (Convention.FILL_WINS, CROSS, Verdict.MARKED),
        (Convention.FILL_WINS, FULL, Verdict.MARKED),
    ],
)
def test_the_same_picture_means_what_the_form_says(convention: Convention, mark: dict[str, float], verdict: Verdict) -> None:
    assert verdicts(a_layout(convention), {"1/A": mark})["1/A"] is verdict


def test_a_mark_between_cross_and_fill_is_a_persons_on_a_form_where_they_differ() -> None:
    nearly = {**FULL, "dark": 0.83, "least_cell": 0.5, "ink": 0.85}
    assert verdicts(a_layout(Convention.CROSS), {"1/A": nearly})["1/A"] is Verdict.UNSURE


def test_a_line_that_runs_through_a_box_to_somewhere_else_is_a_persons() -> None:
    arrow = {**CROSS, "ink": 0.2, "outside": 0.11, "beyond": 0.08}
    assert verdicts(a_layout(), {"1/A": arrow})["1/A"] is Verdict.UNSURE


def test_half_a_fill_is_a_persons_where_only_fills_count_and_pale_pencil_fills_are_fills() -> None:
    half = {**FULL, "ink": 0.6, "dark": 0.6, "least_cell": 0.05}
    pale = {**PENCIL, "least_cell": 0.2}
    seen = verdicts(
        a_layout(Convention.FILL, questions=8), {"1/A": half, **{f"{q}/{'ABCD'[q % 4]}": pale for q in range(2, 9)}}
    )
    assert seen["1/A"] is Verdict.UNSURE
    assert {seen[f"{q}/{'ABCD'[q % 4]}"] for q in range(2, 9)} == {Verdict.MARKED}


def test_a_straight_line_alone_is_never_decided_marked() -> None:
    streak = {**EMPTY, "ink": 0.07, "rest": 0.005, "cells": 0.33, "peak": 0.5, "faint": 0.12}
    pencil = {f"{q}/{'ABCD'[q % 4]}": PENCIL for q in range(2, 9)}
    assert verdicts(a_layout(questions=8), {**pencil, "1/A": streak})["1/A"] is Verdict.UNSURE


def test_print_that_shines_through_is_not_decided_marked() -> None:
    shine = {**EMPTY, "ink": 0.06, "faint": 0.1, "peak": 0.22}
    pencil = {f"{q}/{'ABCD'[q % 4]}": PENCIL for q in range(2, 9)}
    assert verdicts(a_layout(questions=8), {**pencil, "1/A": shine})["1/A"] is not Verdict.MARKED


def test_light_pencil_is_a_mark_in_a_booklet_of_light_pencil_and_doubtful_among_ink() -> None:
    answers = {f"{q}/{'ABCD'[q % 4]}" for q in range(1, 9)}
    pencil = verdicts(a_layout(questions=8), dict.fromkeys(answers, PENCIL))
    assert {key for key, verdict in pencil.items() if verdict is Verdict.MARKED} == answers
    mixed = verdicts(a_layout(questions=8), {**dict.fromkeys(answers, FULL), "8/A": PENCIL})
    assert mixed["8/A"] is Verdict.UNSURE


def test_a_letter_that_every_empty_box_seems_to_hold_is_print_even_if_the_layout_does_not_say_so() -> None:
    letters = dict(zip("ABCDE", (0.17, 0.19, 0.15, 0.18, 0.16), strict=True))
    layout = a_layout(questions=10, options="ABCDE")
    shown = {box.key: {"ink": letters[box.value], "peak": 0.95} for box in layout.boxes(1)}
    assert set(verdicts(layout, shown).values()) == {Verdict.EMPTY}
    assert verdicts(layout, {**shown, "3/B": FULL})["3/B"] is Verdict.MARKED


@pytest.mark.parametrize("share", [0.5, 0.8, 1.0])
@pytest.mark.parametrize("options", ["TF", "ABCD"])
def test_marks_over_print_never_pass_for_print_however_many_there_are(options: str, share: float) -> None:
    layout = a_layout(questions=10, options=options, printed=True)
    rng = np.random.default_rng(1)
    marks = {box.key: {**CROSS, "ink": 0.25} for box in layout.boxes(1) if rng.random() < share}
    seen = verdicts(layout, marks, print_ink=0.06)
    assert not any(seen[key] is Verdict.EMPTY for key in marks)


def test_an_answer_that_everybody_gave_is_not_taken_for_print() -> None:
    layout = a_layout(questions=10)
    seen = verdicts(layout, {f"{q}/A": CROSS for q in range(1, 11)})
    assert Verdict.EMPTY not in {seen[f"{q}/A"] for q in range(1, 11)}


def test_a_ghost_is_never_decided() -> None:
    assert verdicts(a_layout(), {"1/A": FULL, "1/B": GHOST})["1/B"] is Verdict.UNSURE


def test_a_dot_is_never_decided_empty() -> None:
    dot = {**EMPTY, "ink": 0.015, "peak": 0.9}
    assert verdicts(a_layout(), {"1/A": dot})["1/A"] is Verdict.UNSURE


def test_a_box_whose_frame_was_not_found_is_not_decided_unless_it_is_full() -> None:
    seen = verdicts(a_layout(), {"1/A": {"seen": 0.0}, "1/B": {**CROSS, "seen": 0.0}, "1/C": {**FULL, "seen": 0.0}})
    assert (seen["1/A"], seen["1/B"], seen["1/C"]) == (Verdict.UNSURE, Verdict.UNSURE, Verdict.MARKED)


def test_a_box_outside_the_image_is_a_persons() -> None:
    gone = dict.fromkeys(FEATURES, np.nan)
    assert verdicts(a_layout(), {"1/A": gone})["1/A"] is Verdict.UNSURE
