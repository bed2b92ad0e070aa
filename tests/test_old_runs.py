"""Run folders of earlier versions open, whatever their schema: read anew where measurements changed, with every decision kept."""

from __future__ import annotations

import csv
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from scangrade.errors import UsageError
from scangrade.grade import RunSummary, grade
from scangrade.model import PageRead
from scangrade.opening import open_graded_run, recorded_definitions
from scangrade.run.journal import Journal
from scangrade.run.store import MIGRATIONS, STORE_NAME, Store
from tests.fake_reader import FakeReader, booklet

OLD = Path(__file__).parent / "resources" / "runs"
SCHEMAS = sorted(int(path.stem.removeprefix("schema-")) for path in OLD.glob("*.sql"))
ROOM = booklet("01", "11", "AC", "B") + booklet("02", "12", "AB", "B") + "blank\nraise\n"


@pytest.fixture(params=SCHEMAS)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder with an old run, its definitions and its scans where the run believes them to be."""
    run = tmp_path / "run"
    run.mkdir()
    with closing(sqlite3.connect(run / STORE_NAME)) as base:
        base.executescript((OLD / f"schema-{request.param}.sql").read_text())
        assert base.execute("PRAGMA user_version").fetchone() == (request.param,)
        facts = dict(base.execute("SELECT key, value FROM run"))
        base.execute("UPDATE scans SET path = replace(path, '/exam', ?)", (str(tmp_path),))
        base.commit()
    for name in ("layout", "rubric", "roster"):
        (tmp_path / Path(facts[f"{name}.path"]).name).write_bytes(facts[f"{name}.text"].encode())
    (tmp_path / "room.pdf").write_text(ROOM)
    (tmp_path / "locked.pdf").write_text("locked")
    return tmp_path


def grade_old(folder: Path, *scans: Path) -> RunSummary:
    return grade(
        scans or [folder / "room.pdf", folder / "locked.pdf"],
        layout=folder / "layout.toml",
        rubric=folder / "rubric.toml",
        roster=folder / "roster.csv",
        out=folder / "run",
        workers=0,
        reader=FakeReader,
    )


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / "run" / name).open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def schema_of(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "run" / STORE_NAME)) as base:
        return int(base.execute("PRAGMA user_version").fetchone()[0])


def test_every_schema_has_its_run() -> None:
    assert list(range(1, len(MIGRATIONS) - 1 + 1)) == SCHEMAS
    named = set(re.findall(r"`(schema-\d+\.sql)`", (OLD / "README.md").read_text()))
    assert named == {path.name for path in OLD.glob("*.sql")}


def test_it_opens_and_is_sound(old: Path) -> None:
    had_decisions = schema_of(old) >= 3
    with Store(old / "run") as store:
        assert [row[0] for row in store.query("PRAGMA integrity_check")] == ["ok"]
        assert not list(store.query("PRAGMA foreign_key_check"))
        assert len(store.scans()) == 2 and store.page_count() == 7
        assert [one.value for one in Journal(store).entries()] == (["marked", "13"] if had_decisions else [])
    assert schema_of(old) == len(MIGRATIONS)


def test_it_goes_on_with_every_decision(old: Path) -> None:
    decided = schema_of(old) >= 3
    summary = grade_old(old)
    assert (summary.pages_in, summary.pages_read, summary.pages_set_aside, summary.booklets) == (7, 4, 3, 2)
    second = next(row for row in rows(old, "gradebook.csv") if row["booklet"] == "02")
    marked = {
        row["box"]: row["decided_by"]
        for row in rows(old, "marks.csv")
        if (row["booklet"], row["field"], row["verdict"]) == ("02", "q", "marked")
    }
    assert second["student_number"] == ("13" if decided else "12")
    assert marked == {"A": "machine", "B": "machine"} | ({"C": "Ada"} if decided else {})
    with Store(old / "run") as store:
        pages = [page.result for page in store.pages() if isinstance(page.result, PageRead)]
        assert len(pages) == 4 and all(len(one.readings.patches) for one in pages)
    assert grade_old(old).notes[0] == "Read once more, having failed before: 1."


def test_nothing_is_given_up_while_scans_are_not_there(old: Path) -> None:
    """Where pages must be read anew, what was read of them stays until all of them can be."""
    schema_was = schema_of(old)
    (old / "room.pdf").rename(old / "elsewhere.pdf")
    with Store(old / "run") as store:
        before = store.state()
    if schema_was < 2:
        with pytest.raises(UsageError, match="not there any more"):
            grade_old(old, old / "locked.pdf")
    else:  # measured as now: what failed can wait
        assert grade_old(old, old / "locked.pdf").pages_read == 4
    with Store(old / "run") as store:
        assert store.state() == before
    assert grade_old(old, old / "elsewhere.pdf", old / "locked.pdf").pages_read == 4


def test_other_measurements_are_made_anew(old: Path) -> None:
    """As after an update that measures more: refused while a scan is missing, and with nothing changed; else read, decisions kept."""
    decided = schema_of(old) >= 3
    with Store(old / "run") as store:
        store.record({"features": '["ink"]'})
        before = store.state()
    with (
        open_graded_run(old / "run") as store,
        pytest.raises(UsageError, match="they are read anew, and every decision is kept"),
    ):
        recorded_definitions(store)
    (old / "room.pdf").rename(old / "elsewhere.pdf")
    with pytest.raises(UsageError, match="not all scans are there any more"):
        grade_old(old, old / "locked.pdf")
    with Store(old / "run") as store:
        assert store.state() == before and store.facts()["features"] == '["ink"]'
    summary = grade_old(old, old / "elsewhere.pdf", old / "locked.pdf")
    assert summary.notes[0].startswith("All pages are read anew, since scangrade 0.1.0 measured otherwise")
    assert summary.pages_read == 4
    second = next(row for row in rows(old, "gradebook.csv") if row["booklet"] == "02")
    assert second["student_number"] == ("13" if decided else "12")
