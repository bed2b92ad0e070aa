"""Pages read by a cluster: a real scheduler with real worker processes on this machine, and what happens when some of them die."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scangrade import cluster, settings
from scangrade.cluster import scheduler_address
from scangrade.errors import UsageError
from scangrade.grade import grade
from scangrade.settings import ClusterPatience
from tests.fake_reader import FakeReader, ReaderWithoutForm, booklet, write_exam
from tests.slow_reader import REPOSITORY, SlowReader, wait_until

BOOKLETS = 60
FILES = ("gradebook.csv", "scores.csv", "marks.csv", "flags.csv", "pages.csv")


def dask(command: str, folder: Path, *options: str) -> subprocess.Popen[bytes]:
    """A scheduler, or workers, that find each other by a file in this folder."""
    place = ["--scheduler-file", str(folder / "scheduler.json"), "--no-dashboard"]
    readers = folder / "readers"
    readers.mkdir(exist_ok=True)
    more = {"PYTHONPATH": str(REPOSITORY), "READERS": str(readers), "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}
    with (folder / f"{command}.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "distributed.cli." + command, *place, *options],
            env=os.environ | more,
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def address_in(folder: Path) -> str:
    """Wait for a scheduler to say its address there; as `--on` takes it."""
    found: list[str] = []

    def said() -> bool:
        with contextlib.suppress(OSError, ValueError):  # not there yet, or not written to its end
            found.append(json.loads((folder / "scheduler.json").read_text())["address"])
        return bool(found)

    wait_until(said)
    return found[0].replace("tcp://", "dask://")


def workers(folder: Path, *options: str) -> subprocess.Popen[bytes]:
    return dask("dask_worker", folder, "--nworkers", "2", "--nthreads", "1", "--local-directory", str(folder), *options)


def stop(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A scheduler without workers: its address as `--on` takes it, and the folder by whose file workers find it."""
    folder = tmp_path_factory.mktemp("cluster")
    process = dask("dask_scheduler", folder, "--host", "127.0.0.1", "--port", "0")
    try:
        yield address_in(folder), folder
    finally:
        stop(process)


@pytest.fixture(scope="module")
def on(scheduler: tuple[str, Path]) -> Iterator[str]:
    """The address of a cluster of two workers."""
    address, folder = scheduler
    process = workers(folder)
    try:
        yield address
    finally:
        stop(process)


@pytest.fixture
def exam(tmp_path: Path) -> dict[str, Any]:
    return write_exam(tmp_path)


def scans(folder: Path, more: str = "") -> list[Path]:
    made = []
    for part in range(3):
        path = folder / f"scan-{part}.pdf"
        text = "".join(booklet(f"{one:03}", ("11", "12", "13")[one % 3], "AC", "B") for one in range(part, BOOKLETS, 3))
        path.write_text(text + (more if part == 1 else ""))
        made.append(path)
    return made


def contents(run: Path) -> dict[str, bytes]:
    return {name: (run / name).read_bytes() for name in FILES}


def test_a_cluster_gives_what_one_machine_gives_whatever_a_page_does(on: str, exam: dict[str, Any], tmp_path: Path) -> None:
    given = scans(tmp_path, more="raise\nblank\ncrash\n")
    there = grade(given, out=tmp_path / "there", cluster=on, reader=FakeReader, **exam)
    here = grade(given, out=tmp_path / "here", workers=2, reader=FakeReader, **exam)
    assert (there.pages_in, there.pages_set_aside) == (2 * BOOKLETS + 3, 3)
    assert {**contents(there.run), "flags.csv": b"", "pages.csv": b""} == {
        **contents(here.run),
        "flags.csv": b"",
        "pages.csv": b"",
    }
    assert "every process of the cluster" in (there.run / "pages.csv").read_text()  # why the page is set aside, in other words
    assert (here.run / "pages.csv").read_text().count("\n") == (there.run / "pages.csv").read_text().count("\n")


def test_a_worker_that_is_killed_in_the_middle_costs_nothing(
    on: str, scheduler: tuple[str, Path], exam: dict[str, Any], tmp_path: Path
) -> None:
    given, run, readers = scans(tmp_path), tmp_path / "there", scheduler[1] / "readers"
    arguments = [str(one) for one in given] + [word for name, path in exam.items() for word in (f"--{name}", str(path))]
    before = {one.name for one in readers.iterdir()}
    command = [sys.executable, "-m", "tests.slow_reader", "grade", *arguments, "--out", str(run), "--on", on]
    with subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE) as job:
        wait_until(lambda: len(list(readers.iterdir())) > len(before))
        reading = next(one for one in readers.iterdir() if one.name not in before)
        os.kill(int(reading.name), signal.SIGKILL)
        _, errors = job.communicate(timeout=120)
    assert job.returncode in (0, 3), errors.decode()
    here = grade(given, out=tmp_path / "here", workers=0, reader=FakeReader, **exam)
    assert contents(run) == contents(here.run)


def test_workers_fetch_scans_from_where_they_lie(on: str, tmp_path: Path) -> None:
    sample = REPOSITORY / "samples" / "ist-deep-learning"
    scan = min((sample / "scans").iterdir())
    definitions: dict[str, Any] = {part: REPOSITORY / f"{part}s" / "ist-deep-learning.toml" for part in ("layout", "rubric")}
    books = []
    for name, path, cluster_at in (("there", Path(f"file://{scan}"), on), ("here", scan, "")):
        grade([path], roster=sample / "roster.csv", out=tmp_path / name, workers=0, cluster=cluster_at, **definitions)
        books.append((tmp_path / name / "gradebook.csv").read_bytes())
    assert books[0] == books[1]


def test_what_is_no_fault_of_a_page_ends_the_work_and_is_said(on: str, exam: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the blank form cannot be read"):
        grade(scans(tmp_path), out=tmp_path / "run", cluster=on, reader=ReaderWithoutForm, **exam)


def test_a_run_goes_on_elsewhere(on: str, exam: dict[str, Any], tmp_path: Path) -> None:
    given = scans(tmp_path)
    grade(given[:1], out=tmp_path / "run", workers=0, reader=FakeReader, **exam)
    summary = grade(given, out=tmp_path / "run", cluster=on, reader=SlowReader, **exam)
    assert summary.pages_read == 2 * BOOKLETS


def test_a_cluster_with_another_version_is_refused(
    on: str, exam: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "__version__", "99.0")
    with pytest.raises(UsageError, match=r"has scangrade .*, and this is 99\.0"):
        grade(scans(tmp_path), out=tmp_path / "run", cluster=on, reader=FakeReader, **exam)


def test_no_scheduler_and_no_worker_are_told_apart(
    exam: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "CLUSTER", ClusterPatience(connect_s=2, patience_s=1, look_every_s=0.2))
    given = scans(tmp_path)
    with pytest.raises(UsageError, match="no scheduler answers there"):
        grade(given, out=tmp_path / "run", cluster="dask://127.0.0.1:9", reader=FakeReader, **exam)
    folder = tmp_path / "empty"
    folder.mkdir()
    process = dask("dask_scheduler", folder, "--host", "127.0.0.1", "--port", "0")
    try:
        address = address_in(folder)
        with pytest.raises(UsageError, match="the cluster has no worker"):
            grade(given, out=tmp_path / "run", cluster=address, reader=FakeReader, **exam)
    finally:
        stop(process)


def test_all_workers_gone_is_said_and_nothing_is_lost(
    exam: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "CLUSTER", ClusterPatience(patience_s=20, look_every_s=0.2))
    folder = tmp_path / "cluster"
    folder.mkdir()
    process = dask("dask_scheduler", folder, "--host", "127.0.0.1", "--port", "0")
    crew = workers(folder)
    given = scans(tmp_path)
    try:
        address = address_in(folder)

        class Watch:
            """Takes all workers away after the first pages."""

            done = 0

            def expect(self, pages: int) -> None: ...

            def advance(self, pages: int) -> None:
                self.done += pages
                if not pages:  # a file was opened
                    return
                stop(crew)
                monkeypatch.setattr(settings, "CLUSTER", ClusterPatience(patience_s=2, look_every_s=0.2))

        watch = Watch()
        with pytest.raises(UsageError, match="has no worker"):
            grade(given, out=tmp_path / "run", cluster=address, reader=SlowReader, progress=watch, **exam)
        assert 0 < watch.done < 2 * BOOKLETS
    finally:
        stop(crew)
        stop(process)
    summary = grade(given, out=tmp_path / "run", workers=0, reader=FakeReader, **exam)
    assert summary.pages_read == 2 * BOOKLETS


@pytest.mark.parametrize("text", ["ray://host:1", "host:8786", "dask://host", "dask://:8786", "dask://host:x", "dask://"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no address of a cluster"):
        scheduler_address(text)


def test_a_typing_error_is_told_before_anything_is_made(exam: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no address of a cluster"):
        grade(scans(tmp_path), out=tmp_path / "run", cluster="dask://host", reader=FakeReader, **exam)
    assert not (tmp_path / "run").exists()


def test_addresses() -> None:
    assert scheduler_address("dask://10.0.0.5:8786") == "tcp://10.0.0.5:8786"
    assert scheduler_address("dask+tls://cluster.example:8786") == "tls://cluster.example:8786"
