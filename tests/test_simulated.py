from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scangrade.model import Verdict
from tests.benchmarks.bounds import lower_bound, upper_bound
from tests.benchmarks.population import FORMS, Plan, Severity, draw_roster, make_form, plan
from tests.benchmarks.simulated import run_batch
from tests.benchmarks.tally import BoxCell, Odd, Outcome, Tally, tables


def test_bounds_are_those_of_the_textbook() -> None:
    assert upper_bound(0, 60) == pytest.approx(1 - 0.05 ** (1 / 60))
    assert upper_bound(5, 1000) == pytest.approx(0.010484, abs=1e-6)
    assert lower_bound(10, 10) == pytest.approx(0.05 ** (1 / 10))
    assert upper_bound(3, 3) == 1.0
    assert lower_bound(0, 0) == 0.0


def test_the_plan_holds_enough_boxes_of_every_form_and_severity() -> None:
    batches = plan(1_000_000, 1)
    assert 1_000_000 <= sum(one.boxes for one in batches) < 1_010_000
    for form, case in enumerate(FORMS):
        for severity in Severity:
            boxes = sum(one.boxes for one in batches if one.form == form and one.severity is severity)
            assert boxes >= 0.8 * case.share / len(Severity) * 1_000_000
    stems = {case.stem for case in FORMS}
    assert all(sum(case.share for case in FORMS if case.stem == stem) >= 0.05 - 1e-9 for stem in stems)
    assert [one.form for one in batches] == sorted(one.form for one in batches)


def test_a_roster_holds_students_whose_numbers_differ_in_one_digit(tmp_path: Path) -> None:
    layout = make_form(FORMS[0], tmp_path).layout
    numbers, roster = draw_roster(layout, 3, np.random.default_rng(1))
    listed = {one.number for one in roster.students}
    assert set(numbers) <= listed
    for number in numbers:
        near = [one for one in listed if sum(a != b for a, b in zip(one, number, strict=True)) == 1]
        assert len(near) >= len(number)


def test_a_batch_depends_on_its_seed_and_number_only(tmp_path: Path) -> None:
    batch = Plan(3, 0, Severity.HARD, 2, 590, 5)
    first, again = run_batch(batch, tmp_path), run_batch(batch, tmp_path)
    assert first.boxes == again.boxes
    assert first.pages == again.pages
    assert first.offsets == again.offsets
    assert [one.line for one in first.odd] == [one.line for one in again.odd]
    assert sum(first.pages.values()) == 2
    other = run_batch(Plan(4, 0, Severity.HARD, 2, 590, 5), tmp_path)
    assert other.boxes != first.boxes


def cell(outcome: Outcome, truth: Verdict, kind: str = "cross", severity: Severity = Severity.TYPICAL) -> BoxCell:
    return BoxCell(severity, "form", "person", "scanner", kind, truth, outcome)


def test_the_table_of_targets_tells_met_from_missed() -> None:
    tally = Tally()
    tally.boxes[cell(Outcome.RIGHT, Verdict.MARKED)] = 200_000
    tally.boxes[cell(Outcome.WRONG, Verdict.MARKED)] = 2
    tally.boxes[cell(Outcome.FLAGGED, Verdict.EMPTY)] = 700
    tally.boxes[cell(Outcome.SEEN, Verdict.UNSURE)] = 40
    tally.boxes[cell(Outcome.SILENT, Verdict.UNSURE)] = 1
    rows = {(row[0], row[1]): row for row in tables(tally)[0].rows}
    assert rows["clear marks decided wrongly, no flag", "typical"][2:4] == ("2", "200702")
    assert rows["clear marks decided wrongly, no flag", "typical"][-1] == "met"
    assert rows["clear marks flagged needlessly", "typical"][-1] == "MISSED"
    assert rows["marks a person should see, no flag", "typical"][-1] == "MISSED"
    assert rows["clear marks decided wrongly, no flag", "hard"][-1] == "-"


def test_tallies_add_up_in_any_order() -> None:
    parts = []
    for number in range(3):
        one = Tally()
        one.boxes[cell(Outcome.RIGHT, Verdict.EMPTY)] = number + 1
        one.state(Severity.HARD, "decided", 0.995, number > 0)
        one.odd = [Odd((0, -1.0, number, k), "sort", ("", ""), f"{number} {k}", np.zeros((1, 1), np.uint8)) for k in range(20)]
        parts.append(one)
    forth, back = Tally(), Tally()
    for one in parts:
        forth.add(one)
    for one in reversed(parts):
        back.add(one)
    assert forth.boxes == back.boxes
    assert [one.line for one in forth.odd] == [one.line for one in back.odd]
    assert len(forth.odd) == 8
    assert [str(table) for table in tables(forth)] == [str(table) for table in tables(back)]
