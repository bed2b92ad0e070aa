"""What people give as scans: folders of other things, strange names, what is no file; and files that change, go away or fail meanwhile."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from scangrade.cli import main
from scangrade.definitions.layout import load_layout
from scangrade.errors import UsageError
from scangrade.grade import RunSummary, grade
from scangrade.model import Entry, Layout, PageFate, PageResult, PageSetAside, Topic
from scangrade.paper.formats import SUFFIXES
from scangrade.paper.reader import PaperReader
from scangrade.run.intake import find_scans, identify_files, shown_name
from scangrade.run.journal import Journal
from scangrade.run.store import Store
from tests.fake_reader import FakeReader, booklet, write_exam

ANN, BO = booklet("01", "11", "AC", "B"), booklet("02", "12", "AB", "B")


def run(folder: Path, *scans: Path, reader: object = FakeReader) -> RunSummary:
    exam = write_exam(folder / "exam")
    return grade(scans, **exam, out=folder / "run", workers=0, reader=reader)  # type: ignore[arg-type]


def pages(folder: Path) -> list[dict[str, str]]:
    with (folder / "run" / "pages.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


NAMES = {
    "line\nend.pdf": "line\\nend.pdf",
    "back\r\nto.pdf": "back\\r\\nto.pdf",
    "\x1b[2Jclear.pdf": "\\x1b[2Jclear.pdf",
    "試験 一.pdf": "試験 一.pdf",
    "اختبار.pdf": "اختبار.pdf",
    "\u202etxt.pdf": "\\u202etxt.pdf",
    "Prüfung é.pdf": "Prüfung é.pdf",
    "=1+1.pdf": "'=1+1.pdf",
    "-o.pdf": "'-o.pdf",
    "a,b;\"c'.pdf": "a,b;\"c'.pdf",
    "x" * 240 + ".pdf": "x" * 240 + ".pdf",
}


@pytest.mark.skipif(os.name != "posix", reason="names that other systems do not allow")
def test_any_name_is_a_name(tmp_path: Path) -> None:
    scans = tmp_path / "scans"
    scans.mkdir()
    for number, name in enumerate(NAMES):
        (scans / name).write_text(booklet(f"{number:02}", "11", "AC", "B"))
    not_text = Path(os.fsdecode(os.fsencode(scans) + b"/\xff\xfe.pdf"))
    not_text.write_text(booklet("99", "12", "AC", "B"))
    summary = run(tmp_path, scans)
    assert (summary.pages_in, summary.pages_read) == (2 * len(NAMES) + 2,) * 2
    rows = pages(tmp_path)
    found = {row["scan"].rpartition("/")[2] for row in rows}
    shown = {name if name[0] != "'" else name[1:] for name in NAMES.values()}  # the quote stands before the whole path
    assert found == shown | {"\\udcff\\udcfe.pdf"}
    for path in (tmp_path / "run").glob("*.csv"):
        assert path.read_bytes().count(b"\n") == path.read_bytes().count(b"\r\n")
    with Store(tmp_path / "run") as store:
        places = {scan.path for scan in store.scans()}
    assert not_text in places and scans / "line\nend.pdf" in places
    assert run(tmp_path, scans).notes == ("No new scans: the run has all of these already.",)


@pytest.mark.skipif(os.name != "posix", reason="names that other systems do not allow")
def test_no_name_is_obeyed_by_the_terminal(tmp_path: Path) -> None:
    exam = write_exam(tmp_path / "exam")
    strange = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\x1b[2J\xff.pdf"))
    arguments = ["grade", str(strange), *(item for key, path in exam.items() for item in (f"--{key}", str(path)))]
    result = CliRunner().invoke(main, [*arguments, "--out", str(tmp_path / "run")])
    assert result.exit_code == 2
    assert "\\x1b[2J\\udcff.pdf: no such file or folder" in result.stderr
    assert "\x1b" not in result.output


def test_shown_names() -> None:
    assert shown_name(Path("a/b.pdf")) == "a/b.pdf"
    assert shown_name(Path("\u0645\u06cc\u200c\u0634\u0648\u062f.pdf")) == "\u0645\u06cc\u200c\u0634\u0648\u062f.pdf"


def test_a_folder_of_other_things(tmp_path: Path) -> None:
    scans = tmp_path / "scans"
    scans.mkdir()
    (scans / "room.pdf").write_text(ANN)
    for name, content in {
        "notes.docx": b"PK\x03\x04",
        "song.mp3": b"ID3",
        "Thumbs.db": b"\xd0\xcf\x11\xe0",
        "second.pdf.part": b"%PDF-1.7 half of it",
        "photo": b"\xff\xd8\xff\xe0",
    }.items():
        (scans / name).write_bytes(content)
    summary = run(tmp_path, scans)
    assert summary.pages_in == 2
    others, like_scans = summary.notes
    assert others.startswith("Left out of the folders, being no scans by their names: ")
    assert all(name in others for name in ("notes.docx", "song.mp3", "Thumbs.db"))
    assert like_scans.startswith("Left out as well, though they look like scans inside: ")
    assert "second.pdf.part" in like_scans and "photo" in like_scans


@pytest.mark.skipif(os.name != "posix", reason="pipes, links and rights of POSIX")
def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    scans = tmp_path / "scans"
    scans.mkdir()
    (scans / "room.pdf").write_text(ANN)
    os.mkfifo(scans / "pipe.pdf")
    assert run(tmp_path, scans).pages_in == 2
    with pytest.raises(UsageError, match="neither a file nor a folder"):
        run(tmp_path, scans / "pipe.pdf")


@pytest.mark.skipif(os.name != "posix", reason="links of POSIX")
def test_links_are_followed_once(tmp_path: Path) -> None:
    scans, elsewhere = tmp_path / "scans", tmp_path / "elsewhere"
    scans.mkdir()
    elsewhere.mkdir()
    (scans / "a.pdf").write_text(ANN)
    (elsewhere / "b.pdf").write_text(BO)
    (scans / "room 2").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(scans)
    (scans / "again.pdf").symlink_to(scans / "a.pdf")
    found = find_scans([scans], suffixes=SUFFIXES)
    assert sorted(path.resolve().name for path in found.scans) == ["a.pdf", "b.pdf"]
    (scans / "gone.pdf").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"gone\.pdf: cannot be read"):
        identify_files(find_scans([scans], suffixes=SUFFIXES).scans)


def test_a_folder_that_cannot_be_looked_into_is_no_empty_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scans" / "locked").mkdir(parents=True)
    (tmp_path / "scans" / "a.pdf").write_text(ANN)
    scandir = os.scandir

    def refused(path: Path) -> object:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(UsageError, match="locked: cannot be looked into: Permission denied"):
        find_scans([tmp_path / "scans"], suffixes=SUFFIXES)


def test_all_files_that_cannot_be_read_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [tmp_path / name for name in ("a.pdf", "b.pdf", "c.pdf")]
    for path in paths:
        path.write_text(path.name)
    opened = Path.open

    def refused(self: Path, mode: str) -> object:
        if self.name != "b.pdf":
            raise PermissionError(13, "Permission denied")
        return opened(self, mode)

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(UsageError) as caught:
        identify_files(paths)
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == [str(paths[0]), str(paths[2])]


# --------------------------------------------------------------------------- while it runs


class TooLittleMemory(FakeReader):
    """Fails on every page of booklet 02, as where the machine is full."""

    def read(self, path: Path, page: int) -> PageResult:
        if " 02 " in path.read_text().splitlines()[page - 1]:
            raise MemoryError
        return super().read(path, page)


def test_what_failed_is_tried_again_the_next_time(tmp_path: Path) -> None:
    (tmp_path / "room.pdf").write_text(ANN + BO)
    assert run(tmp_path, tmp_path / "room.pdf", reader=TooLittleMemory).pages_set_aside == 2
    assert [row["reason"] for row in pages(tmp_path)] == ["", "", "failed", "failed"]
    summary = run(tmp_path, tmp_path / "room.pdf")
    assert summary.notes[0] == "Read once more, having failed before: 2."
    assert (summary.pages_read, summary.pages_set_aside, summary.booklets) == (4, 0, 2)


def test_what_a_person_decided_about_a_page_that_failed_stands(tmp_path: Path) -> None:
    (tmp_path / "room.pdf").write_text(ANN + BO)
    run(tmp_path, tmp_path / "room.pdf", reader=TooLittleMemory)
    with Store(tmp_path / "run") as store:
        (scan,) = (one.name for one in store.scans())
        fate = Entry(0, "group/0", "", "Ada", Topic.PAGE, f"{scan}#3", "", PageFate.BLANK, "group", scangrade="0.1.0")
        Journal(store).append([fate])
    summary = run(tmp_path, tmp_path / "room.pdf")
    assert (summary.pages_read, summary.pages_set_aside) == (3, 1)


class Overwriting(FakeReader):
    """While it reads, the scanner goes on writing."""

    def read(self, path: Path, page: int) -> PageResult:
        result = super().read(path, page)
        if page == 2:
            path.write_text(path.read_text() + BO)
        return result


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    scan = tmp_path / "room.pdf"
    scan.write_text(ANN)
    with pytest.raises(UsageError, match="changed while it was read"):
        run(tmp_path, scan, reader=Overwriting)
    summary = run(tmp_path, scan)
    assert summary.notes[0].endswith(
        "has another content than when it was first given; nothing had been read of it. What it holds now is a scan of its own."
    )
    assert (summary.pages_in, summary.pages_read, summary.booklets) == (4, 4, 2)


def test_what_was_not_read_of_a_file_that_is_gone_is_set_aside(tmp_path: Path) -> None:
    scan = tmp_path / "room.pdf"
    scan.write_text("".join(booklet(f"{copy:02}", "11", "AC", "B") for copy in range(8)))
    with pytest.raises(RuntimeError):
        run(tmp_path, scan, reader=StopsAfterAChunk)
    scan.write_text(booklet("77", "12", "AC", "B"))
    summary = run(tmp_path, scan)
    assert "8 of its pages were not read, and are set aside" in summary.notes[0]
    assert (summary.pages_in, summary.pages_read, summary.pages_set_aside) == (18, 10, 8)
    assert {row["reason"] for row in pages(tmp_path)} == {"", "unreadable_page"}


class StopsAfterAChunk(FakeReader):
    """Ends the whole run at the ninth page."""

    def read(self, path: Path, page: int) -> PageResult:
        if page == 9:
            raise UsageErrorOfATest
        return super().read(path, page)


class UsageErrorOfATest(UsageError, RuntimeError):
    """Goes through what faults of pages are caught by."""


def test_a_drive_that_is_gone_is_no_fault_of_the_page(tmp_path: Path) -> None:
    layout, _ = load_layout(write_exam(tmp_path / "exam")["layout"])
    assert isinstance(layout, Layout)
    scan = tmp_path / "room.pdf"
    scan.write_bytes(b"%PDF-1.7\n" + bytes(range(256)))
    reader = PaperReader(layout)
    aside = reader.count(scan)
    assert isinstance(aside, PageSetAside)
    scan.unlink()
    with pytest.raises(UsageError, match=r"room\.pdf: cannot be read any more"):
        PaperReader(layout).read(scan, 1)


# --------------------------------------------------------------------------- workers


_HANGS = """
import sys, time
from collections import deque
from scangrade.workers import Crew, time_limit, work_through

def nothing(): pass
def hang(task):
    with time_limit(0.5):
        if task == 2:
            sum(10 ** 7 for _ in iter(int, 1))  # never ends, and never lets go
    return task
def whole(task): return (task,)

if __name__ == "__main__":
    for task, result in work_through(deque([1, 2, 3]), Crew(hang, whole, nothing, 2, 4)):
        print(task, result)
"""

_EATS = """
import numpy as np
from collections import deque
from scangrade.workers import Crew, work_through

def nothing(): pass
def eat(task):
    try:
        return len(np.ones(task * 2**20 // 8))
    except MemoryError:
        return "refused"
def whole(task): return (task,)

if __name__ == "__main__":
    for task, result in work_through(deque([10, 3000]), Crew(eat, whole, nothing, 1, 1)):
        print(task, result)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is limited as Linux does")
@pytest.mark.parametrize(
    ("script", "said"),
    [
        (
            _HANGS,
            {
                "1 1",
                "3 3",
                "2 Crash(detail='the process that read it crashed or took too long, and did so again on a second try')",
            },
        ),
        (_EATS, {"10 1310720", "3000 refused"}),
    ],
    ids=["hangs", "fills the memory"],
)
def test_a_worker_that(script: str, said: set[str], tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    path.write_text(script)
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, check=False, timeout=60)
    assert set(done.stdout.splitlines()) == said, done.stderr
