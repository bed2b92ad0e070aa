"""What people decide: kept for ever, laid over what the machine read, and nothing else changed by it."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scangrade import settings
from scangrade.answers.decisions import fold, last_redoable, last_undoable, with_entries
from scangrade.derive import derive
from scangrade.grade import grade
from scangrade.model import (
    NOBODY,
    NOTHING_DECIDED,
    Entry,
    MatchStatus,
    PageFate,
    Topic,
    flag_key,
    page_key,
)
from scangrade.opening import open_run, recorded_definitions
from scangrade.run.journal import Journal
from scangrade.run.kept import Kept
from scangrade.run.store import STORE_NAME, Store
from scangrade.standing import _NO_RESULT, Standing, fingerprint
from tests.fake_reader import FakeReader, ReaderWithoutForm, booklet, write_exam

ANN, BO, CY = booklet("01", "11", "AC", "B"), booklet("02", "12", "AB", "B"), booklet("03", "12", "A", "")


def entry(
    topic: Topic, image: str, item: str, value: str, *, by: str = "Ann", group: str = "", seq: int = 0, **more: object
) -> Entry:
    group = group or f"g{seq}"
    return Entry(seq, f"{group}/{seq}", "2026-01-01T00:00:00+00:00", by, topic, image, item, value, group, **more)  # type: ignore[arg-type]


def numbered(entries: Sequence[Entry]) -> list[Entry]:
    made = []
    for seq, one in enumerate(entries, start=1):
        group = one.group if one.group != "g0" else f"g{seq}"
        made.append(replace(one, seq=seq, id=f"{group}/{seq}", group=group))
    return made


def mark(box: str, value: str, by: str = "Ann", image: str = "i", **more: object) -> Entry:
    return entry(Topic.MARK, image, box, value, by=by, **more)  # type: ignore[arg-type]


def undo(group: str, by: str = "Ann") -> Entry:
    return entry(Topic.UNDO, "", group, "", by=by)


# --------------------------------------------------------------------------- folding


def test_the_last_word_of_a_reviewer_counts() -> None:
    ruling = fold(numbered([mark("q/A", "marked"), mark("q/A", "empty")])).on(Topic.MARK, "i", "q/A")
    assert ruling is not None and not ruling.disputed
    assert [one.value for one in ruling.opinions] == ["empty"]


def test_reviewers_who_differ_decide_nothing_until_it_is_settled() -> None:
    entries = [mark("q/A", "marked"), mark("q/A", "empty", by="Bo")]
    ruling = fold(numbered(entries)).on(Topic.MARK, "i", "q/A")
    assert ruling is not None and ruling.disputed
    assert {(one.reviewer, one.value) for one in ruling.opinions} == {("Ann", "marked"), ("Bo", "empty")}
    entries.append(mark("q/A", "marked", by="Cy", settles=True))
    ruling = fold(numbered(entries)).on(Topic.MARK, "i", "q/A")
    assert ruling is not None and not ruling.disputed and ruling.last.value == "marked"


def test_undo_and_redo_by_groups() -> None:
    entries = numbered([mark("q/A", "marked", group="one"), mark("q/B", "marked", group="one"), mark("q/C", "empty")])
    assert last_undoable(entries, "Ann") == "g3"
    entries = numbered([*entries, undo("g3")])
    assert last_undoable(entries, "Ann") == "one"
    entries = numbered([*entries, undo("one")])
    assert fold(entries) == NOTHING_DECIDED
    assert last_undoable(entries, "Ann") == ""
    first = last_redoable(entries, "Ann")
    entries = numbered([*entries, entry(Topic.REDO, "", first, "")])
    assert {key[2] for key in fold(entries).rulings} == {"q/A", "q/B"}
    second = last_redoable(entries, "Ann")
    entries = numbered([*entries, entry(Topic.REDO, "", second, "")])
    assert {key[2] for key in fold(entries).rulings} == {"q/A", "q/B", "q/C"}
    assert last_redoable(entries, "Ann") == ""


def test_nobody_undoes_what_another_decided() -> None:
    entries = numbered([mark("q/A", "marked"), mark("q/B", "marked", by="Bo")])
    assert last_undoable(entries, "Ann") == "g1"
    assert last_undoable(entries, "Cy") == ""
    assert last_redoable(numbered([*entries, undo("g1"), mark("q/C", "empty")]), "Ann") == ""


moves = st.lists(
    st.tuples(st.sampled_from("ABC"), st.sampled_from(("marked", "empty", "undo", "redo")), st.sampled_from(("Ann", "Bo"))),
    max_size=25,
)


@given(moves)
def test_undoing_everything_equals_the_start(chosen: list[tuple[str, str, str]]) -> None:
    entries: list[Entry] = []
    for box, value, by in chosen:
        if value in ("undo", "redo"):
            target = (last_undoable if value == "undo" else last_redoable)(entries, by)
            if target:
                entries = numbered([*entries, entry(Topic(value), "", target, "", by=by)])
        else:
            entries = numbered([*entries, mark(box, value, by=by)])
    plain = [one for one in entries if one.topic is Topic.MARK]
    assert with_entries(fold(plain[:3]), plain[3:]) == fold(plain)
    for by in ("Ann", "Bo"):
        while group := last_undoable(entries, by):
            entries = numbered([*entries, undo(group, by)])
    assert fold(entries) == NOTHING_DECIDED


# --------------------------------------------------------------------------- a run


@pytest.fixture
def exam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    monkeypatch.chdir(tmp_path)
    return write_exam(Path("exam"))


def run(exam: dict[str, Path], text: str, **changes: object) -> None:
    Path("room.pdf").write_text(text)
    again(exam, **changes)


def again(exam: dict[str, Path], **changes: object) -> None:
    grade([Path("room.pdf")], **{**exam, "out": Path("run"), "workers": 0, "reader": FakeReader, **changes})  # type: ignore[arg-type]


def rows(name: str) -> list[dict[str, str]]:
    with (Path("run") / name).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def points(copy: str) -> tuple[str, str]:
    (row,) = (row for row in rows("gradebook.csv") if row["booklet"] == copy)
    return row["points"], row["status"]


def decided(*entries: Entry) -> None:
    """Put decisions into the run's journal."""
    with open_run(Path("run"), writes=()) as store:
        seq = len(Journal(store).entries())
        Journal(store).append(
            [replace(one, id=f"{seq + n}", group=one.group or f"{seq + n}") for n, one in enumerate(entries)]
        )


def image(copy: str, page: int) -> str:
    with open_run(Path("run"), writes=()) as store:
        return next(page_key(one) for one in store.pages() if (one.result.copy, one.result.page) == (copy, page))


def test_a_verdict_changes_points_and_stays_when_graded_again(exam: dict[str, Path]) -> None:
    run(exam, ANN + BO)
    assert points("02") == ("2", "graded")
    key = image("02", 1)
    decided(mark("q/B", "undone", image=key, booklet="02"), mark("q/C", "marked", image=key, booklet="02"))
    again(exam, reader=ReaderWithoutForm)
    assert points("02") == ("6", "graded")
    box = {(row["booklet"], f"{row['field']}/{row['box']}"): row for row in rows("marks.csv")}
    assert (box["02", "q/B"]["verdict"], box["02", "q/B"]["decided_by"]) == ("undone", "Ann")
    assert {row["decided_by"] for key, row in box.items() if key not in (("02", "q/B"), ("02", "q/C"))} == {"machine"}


def test_a_disagreement_is_an_item(exam: dict[str, Path]) -> None:
    run(exam, ANN + BO)
    key = image("02", 1)
    decided(mark("q/B", "empty", image=key), mark("q/B", "marked", by="Bo", image=key))
    again(exam)
    (flag,) = rows("flags.csv")
    assert (flag["kind"], flag["booklet"], flag["field"]) == ("disagreement", "02", "q")
    assert "Ann says empty" in flag["detail"] and "Bo says marked" in flag["detail"]


def test_points_by_hand(exam: dict[str, Path]) -> None:
    run(exam, ANN + BO)
    decided(entry(Topic.POINTS, image("02", 2), "q", "7/2", remark="half right"))
    again(exam)
    assert points("02") == ("5.5", "graded")
    decided(entry(Topic.POINTS, image("02", 1), "q", "1", by="Bo"))  # at another page of the booklet: a newer ruling
    decided(entry(Topic.POINTS, image("02", 2), "q", "1", by="Bo"))
    again(exam)
    assert points("02") == ("", "needs_review")
    assert [row["kind"] for row in rows("flags.csv")] == ["disagreement"]


def test_a_booklet_is_given_to_a_student(exam: dict[str, Path]) -> None:
    run(exam, ANN + BO + CY)
    assert {row["kind"] for row in rows("flags.csv")} == {"duplicate_student"}
    decided(entry(Topic.STUDENT, image("03", 1), "", "13"))
    again(exam)
    assert rows("flags.csv") == []
    assert [points(copy)[1] for copy in ("01", "02", "03")] == ["graded"] * 3
    decided(entry(Topic.STUDENT, image("03", 2), "", NOBODY))
    again(exam)
    assert points("03")[1] == "unknown_student" and rows("flags.csv") == []


def test_a_page_is_taken_out_and_a_flag_dismissed(exam: dict[str, Path]) -> None:
    run(exam, ANN + BO)
    decided(entry(Topic.PAGE, image("02", 2), "", PageFate.FOREIGN, booklet="02"))
    again(exam)
    (flag,) = rows("flags.csv")
    assert (flag["kind"], flag["booklet"], flag["page"]) == ("missing_page", "02", "2")
    decided(entry(Topic.POINTS, image("02", 1), "r", "0"))
    again(exam)
    (flag,) = rows("flags.csv")
    assert flag["can_change_points"] == "false"
    with open_run(Path("run"), writes=()) as store:
        standing = Standing(store, recorded_definitions(store))
        (open_flag,) = standing.flags()
    decided(entry(Topic.FLAG, "", flag_key(open_flag), "seen"))
    again(exam)
    assert rows("flags.csv") == [] and points("02") == ("0", "graded")


def test_a_page_is_given_to_another_booklet(exam: dict[str, Path]) -> None:
    run(exam, ANN + BO + "2 77 r/B\n")
    decided(entry(Topic.PAGE, image("02", 2), "", PageFate.FOREIGN), entry(Topic.PAGE, image("77", 2), "", "placed 2 02"))
    again(exam)
    assert points("02") == ("2", "graded")
    assert {row["booklet"] for row in rows("pages.csv") if row["scan_page"] == "5"} == {"02"}
    assert any(row["booklet"] == "02" and row["scan_page"] == "5" for row in rows("marks.csv"))


def test_what_is_kept_opens_a_review_with_the_same_results(exam: dict[str, Path]) -> None:
    run(exam, ANN + BO + CY + "1 09 n.1/1 n.1/2\nraise\n")
    with open_run(Path("run"), writes=()) as store:
        definitions = recorded_definitions(store)
        assert Kept(store).holds(fingerprint(store))
        standing = Standing(store, definitions)
        found = {page_key(page): page for page in store.pages()}
        by_copy = {(page.result.copy, page.result.page): key for key, page in found.items()}
        steps = [
            [mark("q/C", "marked", image=by_copy["02", 1], booklet="02", group="a")],
            [mark("n.2/2", "empty", image=by_copy["03", 1], booklet="03", group="b")],
            [mark("n.2/3", "marked", image=by_copy["03", 1], booklet="03", group="c")],
            [entry(Topic.STUDENT, by_copy["09", 1], "", "11", booklet="09", group="d")],
            [entry(Topic.PAGE, by_copy["03", 2], "", "placed 2 09", booklet="03", group="e")],
            [entry(Topic.PAGE, by_copy["01", 2], "", "blank", booklet="01", group="f")],
            [entry(Topic.UNDO, "", "e", "", group="g")],
            [entry(Topic.REDO, "", "g", "", group="h")],
            [mark("q/C", "empty", by="Bo", image=by_copy["02", 1], booklet="02", group="i")],
            [entry(Topic.PAGE, by_copy["02", 2], "", "placed 2 new", booklet="02", group="j")],
            [entry(Topic.UNDO, "", "j", "", group="k")],
        ]
        for number, step in enumerate(steps):
            added = Journal(store).append([replace(one, id=f"{number}/{n}") for n, one in enumerate(step)])
            changed = standing.conclude(standing.decide(added))
            standing.save(changed, standing.entries[-1].seq)
            whole = derive(store.pages(), definitions, fold(Journal(store).entries()), store.pages_by_hand())
            assert standing.cards() == list(whole.scorecards), step
            assert list(standing.identities.values()) == list(whole.identities), step
            assert sorted(standing.flags(), key=flag_key) == sorted(whole.flags, key=flag_key), step
            opened = Standing(store, definitions)
            assert opened.cards() == standing.cards() and opened.unsure() == standing.unsure()
            assert opened.identities == standing.identities
    assert whole.identities[0].status is MatchStatus.DUPLICATE


def test_changed_pages_or_rubric_end_what_is_kept(exam: dict[str, Path]) -> None:
    run(exam, ANN)
    with open_run(Path("run"), writes=()) as store:
        before = fingerprint(store)
    exam["rubric"].write_text(exam["rubric"].read_text().replace('key = ["B"]', 'key = ["C"]'))
    again(exam)
    with open_run(Path("run"), writes=()) as store:
        assert fingerprint(store) != before and Kept(store).holds(fingerprint(store))
        store.record({"rubric.sha256": "another"})
        assert not Kept(store).holds(fingerprint(store))


@pytest.mark.parametrize(("group", "kept"), [("REVIEW", True), ("PRINT", True), ("DECIDE", False), ("SCORE", False)])
def test_a_setting_ends_what_is_kept_only_if_results_follow_from_it(exam: dict[str, Path], group: str, kept: bool) -> None:
    run(exam, ANN)
    with open_run(Path("run"), writes=()) as store:
        held = json.loads(store.facts()["thresholds"])
        assert held[group]
        held[group]["new"] = 1
        store.record({"thresholds": json.dumps(held, sort_keys=True)})
        assert Kept(store).holds(fingerprint(store)) is kept


def test_settings_that_no_result_follows_from_are_there() -> None:
    assert all(hasattr(settings, name) for name in _NO_RESULT)


# --------------------------------------------------------------------------- the journal


def test_one_sent_twice_counts_once(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        one = mark("q/A", "marked")
        assert len(Journal(store).append([one])) == 1
        assert Journal(store).append([one, replace(one, id="other")])[0].id == "other"
        assert [entry.id for entry in Journal(store).entries()] == [one.id, "other"]
        assert [entry.id for entry in Journal(store).entries(after=1)] == ["other"]


@pytest.mark.parametrize("statement", ["DELETE FROM decisions", "UPDATE decisions SET value = 'empty'"])
def test_the_journal_cannot_be_changed(tmp_path: Path, statement: str) -> None:
    with Store(tmp_path) as store:
        Journal(store).append([mark("q/A", "marked")])
    db = sqlite3.connect(tmp_path / STORE_NAME)
    with pytest.raises(sqlite3.IntegrityError, match="decisions are never"):
        db.execute(statement)
    db.close()


def test_what_is_decided_survives_a_kill(tmp_path: Path) -> None:
    store = Store(tmp_path)
    Journal(store).append([mark("q/A", "marked")])
    with Store(tmp_path) as other:  # as a process would find it after the first one was killed
        assert [one.value for one in Journal(other).entries()] == ["marked"]
    store.close()
