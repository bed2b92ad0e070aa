"""What the desk does with decisions: the files follow them, whatever comes in between."""

from __future__ import annotations

import asyncio
import csv
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scangrade.errors import OutputError
from scangrade.grade import grade
from scangrade.model import FlagKind
from scangrade.opening import open_run, recorded_definitions
from scangrade.review import desk as desk_module
from scangrade.review import following
from scangrade.review.desk import Desk, box_name
from scangrade.review.pictures import Pictures
from scangrade.review.queue import Group, in_order
from scangrade.run.files import write_whole
from scangrade.run.store import Store
from scangrade.settings import REVIEW
from scangrade.standing import UnsureBox
from tests.fake_reader import FakeReader, booklet, write_exam


@pytest.fixture
def run(tmp_path: Path) -> Path:
    exam = write_exam(tmp_path / "exam")
    (tmp_path / "room.pdf").write_text(booklet("01", "11", "AC", "B") + booklet("02", "12", "AB", "B"))
    grade(
        [tmp_path / "room.pdf"],
        layout=exam["layout"],
        rubric=exam["rubric"],
        roster=exam["roster"],
        out=tmp_path / "run",
        workers=0,
        reader=FakeReader,
    )
    return tmp_path / "run"


@pytest.fixture
def store(run: Path) -> Iterator[Store]:
    with open_run(run, writes=()) as opened:
        yield opened


@pytest.fixture
def pictures(run: Path) -> Iterator[Pictures]:
    made = Pictures(run)
    yield made
    made.close()


def made_desk(run: Path, store: Store, pictures: Pictures) -> Desk:
    return Desk(run, store, recorded_definitions(store), pictures)


def marks(run: Path) -> dict[str, str]:
    with (run / "marks.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["decided_by"] != "machine"]
    return {f"{row['booklet']} {row['field']}/{row['box']}": row["verdict"] for row in rows}


async def decide(desk: Desk, group: str, booklet_id: str, row: int, value: str, reviewer: str = "Ann") -> None:
    page = desk.standing.booklet(booklet_id).laid.booklet.pages[2]
    name = box_name(page.result.image_sha256, 2, row, booklet_id)
    await desk.decide(reviewer, {"group": group, "acts": [{"topic": "mark", "value": value, "on": [name]}]})


class SlowFiles(following.FollowingFiles):
    """Files that are written only when they may be."""

    begun = 0
    may = threading.Event()

    def follow(self, changes: following.Changes) -> None:
        SlowFiles.begun += 1
        assert SlowFiles.may.wait(20)
        SlowFiles.may.clear()
        super().follow(changes)


@pytest.fixture
def slow_files(monkeypatch: pytest.MonkeyPatch) -> type[SlowFiles]:
    SlowFiles.begun = 0
    SlowFiles.may.clear()
    monkeypatch.setattr(desk_module, "FollowingFiles", SlowFiles)
    return SlowFiles


async def begun(files: type[SlowFiles], number: int) -> None:
    while files.begun < number:
        await asyncio.sleep(0.001)


def test_what_is_decided_while_files_are_written_goes_into_the_next(
    run: Path, store: Store, pictures: Pictures, slow_files: type[SlowFiles]
) -> None:
    async def session() -> None:
        desk = made_desk(run, store, pictures)
        await decide(desk, "group-one", "01", 0, "marked")
        writing = asyncio.create_task(desk.write())
        await begun(slow_files, 1)
        await decide(desk, "group-two", "01", 2, "undone")
        slow_files.may.set()
        await writing
        assert marks(run) == {"01 r/A": "marked"}
        assert desk.behind
        slow_files.may.set()
        await desk.write()
        assert not desk.behind

    asyncio.run(session())
    assert marks(run) == {"01 r/A": "marked", "01 r/C": "undone"}


def test_a_writing_that_nobody_waits_for_any_more_is_finished_before_the_next(
    run: Path, store: Store, pictures: Pictures, slow_files: type[SlowFiles]
) -> None:
    async def session() -> None:
        desk = made_desk(run, store, pictures)
        await decide(desk, "group-one", "01", 0, "marked")
        keeping_up = asyncio.create_task(desk.keep_up())
        await begun(slow_files, 1)
        keeping_up.cancel()  # as Ctrl-C does
        await asyncio.gather(keeping_up, return_exceptions=True)
        assert desk.behind
        await decide(desk, "group-two", "01", 2, "undone")
        last = asyncio.create_task(desk.write())
        await asyncio.sleep(0.05)
        assert slow_files.begun == 1  # two at once would write into the same temporary file
        slow_files.may.set()
        await begun(slow_files, 2)
        slow_files.may.set()
        await last
        assert not desk.behind

    asyncio.run(session())
    assert marks(run) == {"01 r/A": "marked", "01 r/C": "undone"}


def test_what_is_made_ready_changes_no_file(run: Path, store: Store, pictures: Pictures) -> None:
    names = ("gradebook.csv", "flags.csv", "scores.csv", "marks.csv", "pages.csv")

    async def session(ready: bool) -> dict[str, bytes]:
        desk = made_desk(run, store, pictures)
        if ready:
            await desk.make_ready()
        await decide(desk, f"group-{ready}-{desk.seq}", "01", 0, "marked" if ready else "empty")
        await desk.write()
        return {name: (run / name).read_bytes() for name in names}

    before = {name: (run / name).read_bytes() for name in names}
    asyncio.run(made_desk(run, store, pictures).make_ready())
    assert {name: (run / name).read_bytes() for name in names} == before
    with_it = asyncio.run(session(ready=True))
    asyncio.run(session(ready=False))
    assert asyncio.run(session(ready=True)) == with_it


def test_points_are_in_the_gradebook_with_the_first_writing(run: Path, store: Store, pictures: Pictures) -> None:
    async def session() -> None:
        desk = made_desk(run, store, pictures)
        await desk.decide(
            "Ann", {"group": "group-one", "acts": [{"topic": "points", "booklet": "02", "item": "q", "value": "2,5"}]}
        )
        await desk.write()

    asyncio.run(session())
    with (run / "gradebook.csv").open(encoding="utf-8-sig", newline="") as file:
        assert {row["booklet"]: row["q"] for row in csv.DictReader(file)} == {"01": "4", "02": "2.5", "": ""}


def test_files_that_cannot_be_written_are_told_and_written_later(
    run: Path, store: Store, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, _: bytes, *, at_a_time: int) -> None:
        raise OutputError(f"{path}: the disk is full")

    async def session() -> None:
        desk = made_desk(run, store, pictures)
        monkeypatch.setattr(following, "write_whole", full)
        await decide(desk, "group-one", "01", 0, "marked")
        await desk.write()
        assert "the disk is full" in desk.trouble and desk.behind
        monkeypatch.setattr(following, "write_whole", write_whole)
        await desk.write()
        assert not desk.trouble and not desk.behind

    asyncio.run(session())
    assert marks(run) == {"01 r/A": "marked"}


def test_rows_of_a_booklet_that_a_spreadsheet_would_run_are_replaced_and_not_added_again(tmp_path: Path) -> None:
    exam = write_exam(tmp_path / "exam")
    (tmp_path / "room.pdf").write_text(booklet("=1", "11", "AC", "B"))
    run = tmp_path / "run"
    grade(
        [tmp_path / "room.pdf"],
        layout=exam["layout"],
        rubric=exam["rubric"],
        roster=exam["roster"],
        out=run,
        workers=0,
        reader=FakeReader,
    )
    counts = [len((run / name).read_text().splitlines()) for name in ("marks.csv", "scores.csv")]

    async def session(store: Store, pictures: Pictures) -> None:
        desk = made_desk(run, store, pictures)
        await decide(desk, "group-one", "=1", 0, "marked")
        await desk.write()

    with open_run(run, writes=()) as store:
        pictures = Pictures(run)
        asyncio.run(session(store, pictures))
        pictures.close()
    assert marks(run) == {"'=1 r/A": "marked"}
    assert [len((run / name).read_text().splitlines()) for name in ("marks.csv", "scores.csv")] == counts


def test_files_catch_up_after_a_kill(run: Path, store: Store, pictures: Pictures) -> None:
    async def session() -> None:
        await decide(made_desk(run, store, pictures), "group-one", "01", 0, "marked")  # and killed before anything was written
        again = made_desk(run, store, pictures)
        assert again.behind
        await again.write()
        assert not made_desk(run, store, pictures).behind

    asyncio.run(session())
    assert marks(run) == {"01 r/A": "marked"}


def test_items_that_were_known_are_the_same_as_new_ones(run: Path, store: Store, pictures: Pictures) -> None:
    async def session() -> None:
        desk = made_desk(run, store, pictures)
        assert desk.pages() == (4, 0)
        counts = []
        for number, (reviewer, row, value) in enumerate(
            [("Ann", 0, "marked"), ("Bo", 0, "empty"), ("Ann", 2, "empty"), ("Bo", 2, "marked"), ("Ann", 2, "marked")]
        ):
            await decide(desk, f"group-{number:04}", "01", row, value, reviewer)
            assert desk.items() == in_order(desk.standing.flags(), desk.definitions.layout, {})
            counts.append(len(desk.items()))
        desk.undo("Ann", "group-undo")
        assert desk.items() == in_order(desk.standing.flags(), desk.definitions.layout, {})
        assert counts[0] == 0 and counts[1] > 0

    asyncio.run(session())


def test_what_reviewers_disagree_on_is_a_group_of_its_own(run: Path, store: Store, pictures: Pictures) -> None:
    async def session() -> None:
        desk = made_desk(run, store, pictures)
        for reviewer, value, number in (("Ann", "marked", "11"), ("Bo", "empty", "12")):
            await decide(desk, f"group-{reviewer}-mark", "01", 0, value, reviewer)
            act = {"topic": "student", "value": number, "booklet": "02"}
            await desk.decide(reviewer, {"group": f"group-{reviewer}-student", "acts": [act]})
        disputed = [one for one in desk.items() if one.group is Group.DISPUTED]
        assert {one.url for one in disputed} == {"/field?b=01&f=r", "/student?b=02"}
        assert {one.flag.kind for one in disputed} == {FlagKind.DISAGREEMENT}

    asyncio.run(session())


def test_pictures_are_cut_ahead_only_once_nothing_was_asked_for_a_while(
    run: Path, store: Store, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = made_desk(run, store, pictures)
    one = UnsureBox("01", 1, "image", "q", "A", 0, 0.5, "q")
    monkeypatch.setattr(desk, "unsure", lambda: {"one": one})
    done: list[str] = []

    async def cut(*_: object) -> bytes:
        done.append("cut")
        return b""

    async def sleep(seconds: float) -> None:
        done.append("waited")
        assert 0 < seconds <= REVIEW.quiet_s
        desk.asked -= seconds

    monkeypatch.setattr(desk, "box_picture", cut)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    desk.asked = time.monotonic()
    asyncio.run(desk.cut_ahead())
    assert (done[0], done[-1]) == ("waited", "cut")
