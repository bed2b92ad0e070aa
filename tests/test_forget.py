"""Pictures and names go for good, grades stay, and what a run can still do it does as before."""

from __future__ import annotations

import csv
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from scangrade import settings
from scangrade.audit import draw_audit
from scangrade.errors import UsageError
from scangrade.forget import forget
from scangrade.grade import grade
from scangrade.model import Entry, PageRead, Topic, page_key
from scangrade.opening import open_run
from scangrade.points import take_points
from scangrade.regrade import regrade
from scangrade.review.serve import review
from scangrade.run.journal import Journal
from scangrade.run.store import FORGOTTEN, Store
from tests.fake_reader import FakeReader, booklet, write_exam
from tests.test_cli import Run, run  # noqa: F401 - a fixture

NAMES = (b"Ash", b"Ann", b"Birch", b"Cedar", b"example.org")


@pytest.fixture
def exam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """A run of four booklets: one with a number that nobody has, one of which a page is put into another by a person."""
    monkeypatch.chdir(tmp_path)
    paths = write_exam(Path("exam"))
    text = booklet("01", "11", "AC", "B") + booklet("02", "12", "AB", "B") + booklet("03", "19", "A", "C")
    Path("room.pdf").write_text(text + "2 77 r/B\n")
    grade_again(paths)
    with open_run(Path("run"), writes=()) as store:
        pages = {(one.result.copy, one.result.page): one for one in store.pages()}
        loose, third = page_key(pages["77", 2]), page_key(pages["03", 1])
        entries = [
            _decision(Topic.PAGE, loose, "", "placed 2 03", "77"),
            _decision(Topic.PAGE, page_key(pages["03", 2]), "", "foreign", "03"),
            _decision(Topic.STUDENT, third, "", "13", "03", remark="says so on page 1"),
            _decision(Topic.MARK, third, "q/C", "marked", "03"),
            _decision(Topic.MARK, third, "n.2/3", "marked", "03"),
        ]
        Journal(store).append(entries)
    grade_again(paths)
    Path("run/review-crops.sqlite").write_bytes(b"pictures")
    Path("run/audit-7").mkdir()
    Path("run/audit-7/sheet-1.png").write_bytes(b"picture")
    return paths


def _decision(topic: Topic, image: str, item: str, value: str, copy: str, remark: str = "") -> Entry:
    name = f"{topic}{item}{copy}"
    return Entry(0, name, "2026-01-01T00:00:00", "Rita", topic, image, item, value, name, remark, booklet=copy)


def grade_again(paths: dict[str, Path]) -> None:
    grade([Path("room.pdf")], **{**paths, "out": Path("run"), "workers": 0, "reader": FakeReader})  # type: ignore[arg-type]


def rows(name: str = "gradebook.csv") -> list[dict[str, str]]:
    with (Path("run") / name).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def contents() -> Iterator[bytes]:
    for path in Path("run").rglob("*"):
        if path.is_file():
            yield path.read_bytes()


def tables() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(Path("run").glob("*.csv"))}


def points() -> dict[str, tuple[str, ...]]:
    return {row["booklet"]: tuple(row[one] for one in ("points", "q", "r", "status")) for row in rows() if row["booklet"]}


def pictures() -> list[bytes]:
    with closing(sqlite3.connect("run/run.sqlite")) as db, db:
        found = [blob for (blob,) in db.execute("SELECT pictures FROM pages WHERE pictures IS NOT NULL")]
    db.close()
    return found


def test_names_and_pictures_are_gone_from_every_file(exam: dict[str, Path]) -> None:
    before = pictures()
    assert all(any(name in content for content in contents()) for name in NAMES)  # so that finding none says something
    assert all(any(blob[-200:] in content for content in contents()) for blob in before)
    done = forget(Path("run"))
    assert [name for name in NAMES for content in contents() if name in content] == []
    assert [blob for blob in before for content in contents() if blob[-200:] in content] == []
    assert {path.as_posix() for path in done.removed} == {"run/review-crops.sqlite", "run/audit-7/sheet-1.png"}
    assert done.left == ()
    assert not Path("run/run.sqlite-wal").exists() or not Path("run/run.sqlite-wal").stat().st_size
    with Store(Path("run")) as store:
        read = [one.result for one in store.pages() if isinstance(one.result, PageRead)]
        assert read
        assert not any(one.readings.patches.size or one.readings.ink_map.size or one.readings.blank.size for one in read)
        assert all(one.readings.values.size for one in read)
        assert {scan.path.as_posix() for scan in store.scans()} == {"room.pdf"}


def test_grades_and_decisions_stay(exam: dict[str, Path]) -> None:
    before = points()
    assert before["03"] == ("6", "4", "2", "graded")  # by five decisions
    with open_run(Path("run"), writes=()) as store:
        entries = Journal(store).entries()
    forget(Path("run"))
    assert points() == before
    assert {row["student_number"] for row in rows()} == {"11", "12", "13", ""}
    assert {row["last_name"] + row["first_name"] + row["email"] for row in rows()} == {""}
    with open_run(Path("run"), writes=()) as store:
        assert Journal(store).entries() == entries


@pytest.mark.parametrize("neighbours", [1, 2])
def test_a_large_run_loads_only_what_it_needs(exam: dict[str, Path], monkeypatch: pytest.MonkeyPatch, neighbours: int) -> None:
    """Booklets beyond those that others are held against come without what was measured in them."""
    monkeypatch.setattr("scangrade.settings.DECIDE", replace(settings.DECIDE, neighbours=neighbours))
    grade_again(exam)
    before = points()
    regrade(Path("run"))
    forget(Path("run"))
    assert points() == before


def test_a_second_time_changes_nothing(exam: dict[str, Path]) -> None:
    forget(Path("run"))
    first = tables()
    with Store(Path("run")) as store:
        when = store.facts()[FORGOTTEN]
    done = forget(Path("run"))
    assert (tables(), done.removed) == (first, ())
    with Store(Path("run")) as store:
        assert store.facts()[FORGOTTEN] == when


def test_it_can_be_scored_again(exam: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    forget(Path("run"))
    exam["roster"].unlink()

    def never(*_: object, **__: object) -> None:
        raise AssertionError("boxes are decided again")

    monkeypatch.setattr("scangrade.conclude.decide", never)
    monkeypatch.setattr("scangrade.opening.__version__", "9.9")  # a later program decides otherwise
    assert regrade(Path("run")).changes == ()
    exam["rubric"].write_text(exam["rubric"].read_text().replace('["A", "C"]', '["A", "B"]'))
    done = regrade(Path("run"))
    assert [one.booklet for one in done.changes] == ["01", "02", "03"]
    assert {name: worth[0] for name, worth in points().items() if name != "77"} == {"01": "2", "02": "6", "03": "2"}
    assert [name for name in NAMES for content in contents() if name in content] == []


def test_points_can_still_be_taken_in(exam: dict[str, Path]) -> None:
    exam["rubric"].write_text(
        exam["rubric"].read_text().replace("total = 6", "total = 8") + '[questions.o]\npolicy = "open"\npoints = 2\n'
    )
    regrade(Path("run"))
    forget(Path("run"))
    Path("points.csv").write_text("student_number,o\n11,2\n")
    assert take_points(Path("run"), Path("points.csv"), reviewer="Rita").taken == 1
    assert points()["01"][0] == "8"


def test_what_needs_pictures_is_refused(exam: dict[str, Path]) -> None:
    forget(Path("run"))
    before = tables()
    for call in (
        lambda: grade_again(exam),
        lambda: review(Path("run"), host="127.0.0.1", port=None, password="", browser=False, say=print),
        lambda: draw_audit(Path("run"), seed=1),
    ):
        with pytest.raises(
            UsageError, match=r"run: its pictures and names were removed on 20\d\d-\d\d-\d\d with `scangrade forget`"
        ):
            call()
    assert tables() == before


def test_numbers_and_remarks_can_go_too(exam: dict[str, Path]) -> None:
    before = points()
    forget(Path("run"), numbers=True)
    assert {row["student_number"] for row in (*rows(), *rows("scores.csv"))} == {""}
    assert points() == before
    assert not [row for row in rows("marks.csv") if row["field"].startswith("n.")]
    with open_run(Path("run"), writes=()) as store:
        entries = Journal(store).entries()
        assert "roster.text" not in store.facts()
        assert not any(one.result.readings.values.size for one in store.pages() if isinstance(one.result, PageRead))
    assert [(one.topic, one.item, one.value, one.remark) for one in entries[2:]] == [
        (Topic.CHECK, "", "", ""),
        (Topic.MARK, "q/C", "marked", ""),
        (Topic.CHECK, "", "", ""),
    ]
    assert [one.reviewer for one in entries] == ["Rita"] * 5
    with sqlite3.connect("run/run.sqlite") as db, pytest.raises(sqlite3.IntegrityError, match="never changed"):
        db.execute("UPDATE decisions SET value = 'x'")
    db.close()
    assert regrade(Path("run")).changes == ()
    forget(Path("run"), numbers=True)
    assert points() == before


def test_numbers_can_go_later(exam: dict[str, Path]) -> None:
    before = points()
    forget(Path("run"))
    forget(Path("run"), numbers=True)
    assert {row["student_number"] for row in rows()} == {""}
    assert points() == before


def test_numbers_stay_where_they_tell_the_version(exam: dict[str, Path]) -> None:
    text = exam["rubric"].read_text().replace("total = 6", 'total = 6\nversions = ["A"]\nversion_from = "roster"')
    exam["rubric"].write_text(text)
    exam["roster"].write_text("student number,version\n11,A\n12,A\n13,A\n")
    grade_again(exam)
    before = points()
    with pytest.raises(UsageError, match=r"Forget without `--numbers`"):
        forget(Path("run"), numbers=True)
    forget(Path("run"))
    assert points() == before
    assert regrade(Path("run")).changes == ()


def test_a_kill_before_names_are_gone_leaves_the_run_as_it_was(exam: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    before = tables()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Store, "scrub", killed)
        with pytest.raises(KeyboardInterrupt):
            forget(Path("run"))
    grade_again(exam)
    assert tables() == before


def test_a_kill_before_files_are_written_is_made_good_the_next_time(
    exam: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = points()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("scangrade.forget.write_files", killed)
        with pytest.raises(KeyboardInterrupt):
            forget(Path("run"))
    forget(Path("run"))
    assert points() == before
    assert [name for name in NAMES for content in contents() if name in content] == []


def test_what_others_put_there_is_told(exam: dict[str, Path]) -> None:
    Path("run/mine.pdf").write_text("mine")
    assert [path.name for path in forget(Path("run")).left] == ["mine.pdf"]
    assert Path("run/mine.pdf").is_file()


# --------------------------------------------------------------------------- the folder


@pytest.mark.skipif(os.name != "posix", reason="rights of folders are POSIX's")
def test_a_run_folder_is_private(exam: dict[str, Path]) -> None:
    def rights(path: Path) -> int:
        return stat.S_IMODE(path.stat().st_mode)

    assert rights(Path("run")) == 0o700
    Path("empty").mkdir(mode=0o755)
    more = {**exam, "workers": 0, "reader": FakeReader}
    assert grade([Path("room.pdf")], **more, out=Path("empty")).notes == ()  # type: ignore[arg-type]
    assert rights(Path("empty")) == 0o700
    Path("run").chmod(0o750)  # somebody wants to share it
    summary = grade([Path("room.pdf")], **more, out=Path("run"))  # type: ignore[arg-type]
    assert rights(Path("run")) == 0o750
    assert any(
        "run can be opened by other users of this machine" in note and "chmod 700 run" in note for note in summary.notes
    )


# --------------------------------------------------------------------------- the command


def test_command(run: Run, exam: dict[str, Path]) -> None:  # noqa: F811 - the fixture
    done = run("forget", "run")
    assert (done.code, done.out) == (2, "")
    assert "Add --yes if that is meant." in done.err
    assert Path("run/review-crops.sqlite").exists()
    done = run("forget", "run", "--yes")
    assert (done.code, done.out) == (0, "")
    assert "Removed   pictures and names from run" in done.err
    assert "points and verdicts of 4 booklets, by student number" in done.err
    assert "booklets may be called by their names: room.pdf" in done.err
    done = run("forget", "nowhere", "--yes")
    assert (done.code, "no run of scangrade is in there" in done.err) == (2, True)
