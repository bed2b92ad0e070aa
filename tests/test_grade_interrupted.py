"""Killed at any moment and run again, a run ends as if nothing had happened."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from scangrade.authoring.truth import load_truth
from scangrade.export.tables import FLAGS, GRADEBOOK, MARKS, PAGES, SCORES
from scangrade.run.store import STORE_NAME

REPOSITORY = Path(__file__).parent.parent
SAMPLE = REPOSITORY / "samples" / "uva-deep-learning-1"
FILES = (PAGES, MARKS, FLAGS, SCORES, GRADEBOOK)  # in the order in which they are written


@dataclass(frozen=True, slots=True)
class Moment:
    """When to kill: some time after so many pages are stored, or after a file is there."""

    pages: int
    file: str
    delay_s: float
    with_workers: bool  #: or the main process alone, and its workers must notice

    def has_come(self, run: Path) -> bool:
        return (run / self.file).exists() if self.file else stored(run) >= self.pages


def moments(pages: int) -> Iterator[Moment]:
    """Random moments of a run of so many pages, in their order."""
    draw = random.Random(7)
    for part, lasts_s in [
        (0, 0.4),
        (0, 0.8),
        # a page takes 20 ms: much later, all of them would be read
        *((part, 0.05) for part in sorted(draw.sample(range(1, pages - 16), 4))),
        (pages, 0.2),
    ]:
        yield Moment(part, "", draw.uniform(0, lasts_s), draw.random() < 0.5)
    for file in (PAGES, MARKS):
        yield Moment(pages, file, draw.uniform(0, 0.03), draw.random() < 0.5)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")
def test_killed_at_random_moments(tmp_path: Path) -> None:
    pages = sum(len(booklet.pages) for booklet in load_truth(SAMPLE / "truth.json").booklets)
    undisturbed, run = tmp_path / "undisturbed", tmp_path / "run"
    finish(undisturbed)
    true = {name: (undisturbed / name).read_bytes() for name in FILES}
    assert true[PAGES].count(b"\r\n") == pages + 1

    found = []
    for moment in moments(pages):
        for name in FILES:
            (run / name).unlink(missing_ok=True)  # so that it is seen when they are written
        if kill_at(moment, run):
            found.append(pages_of_sound_store(run, tmp_path / "copy"))
        for path in run.glob("*.csv"):
            assert path.read_bytes() == true[path.name], f"{path.name} was not written whole"
    assert found == sorted(found)  # what was read is never lost
    assert found[-1] == pages and any(0 < number < pages for number in found)  # else this tested little

    finish(run)
    assert {name: (run / name).read_bytes() for name in FILES} == true
    assert not list(run.glob(".*.part"))


def start(run: Path) -> subprocess.Popen[bytes]:
    files = ["--layout", "layouts/uva-deep-learning-1.toml", "--rubric", "rubrics/uva-all-or-nothing.toml"]
    files += ["--roster", str(SAMPLE / "roster.csv"), "--out", str(run)]
    command = [sys.executable, "-m", "scangrade", "grade", str(SAMPLE / "scans"), *files, "--workers", "2"]
    return subprocess.Popen(command, cwd=REPOSITORY, start_new_session=True, stderr=subprocess.DEVNULL)


def finish(run: Path) -> None:
    assert start(run).wait() in (0, 3)


def kill_at(moment: Moment, run: Path) -> bool:
    """Grade, and kill it at a moment; false if it had finished before."""
    with start(run) as job:
        while not moment.has_come(run) and job.poll() is None:
            time.sleep(0.002)
        time.sleep(moment.delay_s)
        if job.poll() is not None:
            return False
        if moment.with_workers:
            os.killpg(job.pid, signal.SIGKILL)
        else:
            job.kill()
    return True


def stored(run: Path) -> int:
    """Pages whose result is in the store."""
    if not (run / f"{STORE_NAME}-wal").exists():  # closed, or hardly begun: left alone
        return 0
    with contextlib.suppress(sqlite3.Error), contextlib.closing(connect(run, "?mode=ro")) as store:
        return done(store)
    return 0


def pages_of_sound_store(run: Path, copy: Path) -> int:
    """Pages in the store that a kill left, checked on a copy: opening the store itself would mend it before the next run does."""
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for path in run.glob(f"{STORE_NAME}*"):
        if not path.name.endswith("-shm"):
            shutil.copy(path, copy)
    if not (copy / STORE_NAME).exists():
        return 0
    with contextlib.closing(connect(copy)) as store:
        assert store.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert store.execute("PRAGMA foreign_key_check").fetchall() == []
        made = store.execute("SELECT 1 FROM sqlite_schema WHERE name = 'pages'").fetchone()
        return done(store) if made else 0


def connect(run: Path, options: str = "") -> sqlite3.Connection:
    return sqlite3.connect(f"{(run / STORE_NAME).as_uri()}{options}", uri=True)


def done(store: sqlite3.Connection) -> int:
    (count,) = store.execute("SELECT count(*) FROM pages WHERE state = 'done'").fetchone()
    return int(count)
