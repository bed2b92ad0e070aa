"""Whatever happens to the process, its workers, the disk or the folder: nothing is lost or double, and going on ends as it would have."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scangrade.answers.decisions import fold, last_undoable
from scangrade.errors import OutputError, UsageError
from scangrade.grade import grade
from scangrade.model import Entry, Topic
from scangrade.run.journal import Journal
from scangrade.run.lock import RunLock
from scangrade.run.store import STORE_NAME, Store
from tests.fake_reader import FakeReader
from tests.slow_reader import BOOKLETS, REPOSITORY, start, wait_until, write_scans
from tests.test_grade_interrupted import FILES, pages_of_sound_store, stored

PAGES = 2 * BOOKLETS

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals, limits and mounts of POSIX")


@pytest.fixture(scope="module")
def exam(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], dict[str, bytes]]:
    """The arguments of ``grade``, and what the files of an undisturbed run hold."""
    folder = tmp_path_factory.mktemp("exam")
    arguments = write_scans(folder)
    finish(arguments, folder / "run")
    return arguments, results(folder / "run")


def finish(arguments: list[str], out: Path) -> None:
    """Grade to the end, in this process and at full speed."""
    scans = [Path(one) for one in arguments[:3]]
    files = dict(zip(arguments[3::2], arguments[4::2], strict=True))
    grade(
        scans,
        layout=Path(files["--layout"]),
        rubric=Path(files["--rubric"]),
        roster=Path(files["--roster"]),
        out=out,
        workers=0,
        reader=FakeReader,
    )


def results(out: Path) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in FILES}


def check_sound(out: Path, scratch: Path) -> int:
    """Pages in a store that no process has open, which is sound through and through."""
    return pages_of_sound_store(out, scratch)


# --------------------------------------------------------------------------- ended from outside


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_ended_in_order(name: str, exam: tuple[list[str], dict[str, bytes]], tmp_path: Path) -> None:
    arguments, true = exam
    run = tmp_path / "run"
    with start(arguments, run) as job:
        wait_until(lambda: stored(run) >= 10)
        if name == "SIGINT":
            os.killpg(job.pid, signal.SIGINT)  # as a terminal does it
        else:
            job.send_signal(getattr(signal, name))
        _, said = job.communicate(timeout=60)
    assert job.returncode == 1
    assert said.strip().endswith("Interrupted. What was read is stored: run the same command again to go on.")
    assert "Traceback" not in said
    assert 10 <= check_sound(run, tmp_path / "copy") < PAGES
    finish(arguments, run)
    assert results(run) == true


def test_a_worker_killed_for_its_memory_costs_nothing(exam: tuple[list[str], dict[str, bytes]], tmp_path: Path) -> None:
    arguments, true = exam
    run, readers = tmp_path / "run", tmp_path / "readers"
    with start(arguments, run, readers=readers) as job:
        wait_until(lambda: stored(run) >= 10)
        os.kill(int(next(readers.iterdir()).name), signal.SIGKILL)
        _, said = job.communicate(timeout=60)
    assert job.returncode == 3, said
    assert "Traceback" not in said
    assert check_sound(run, tmp_path / "copy") == PAGES
    assert results(run) == true


def test_two_on_one_run(exam: tuple[list[str], dict[str, bytes]], tmp_path: Path) -> None:
    arguments, true = exam
    run = tmp_path / "run"
    with start(arguments, run) as first:
        wait_until(lambda: stored(run) >= 1)
        os.killpg(first.pid, signal.SIGSTOP)  # however slow the machine is: the first one has not finished
        with start(arguments, run) as second:
            _, said = second.communicate(timeout=60)
        os.killpg(first.pid, signal.SIGCONT)
        assert second.returncode == 2
        assert "another scangrade is working on this run" in said
        first.communicate(timeout=60)
    assert first.returncode == 3
    assert results(run) == true
    assert check_sound(run, tmp_path / "copy") == PAGES


def test_a_file_system_without_locks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(file: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("scangrade.run.lock._take", refuse)
    with pytest.raises(OutputError, match="cannot be locked: No locks available"), RunLock(tmp_path):
        pass


# --------------------------------------------------------------------------- disks and folders


@pytest.mark.parametrize("most", [60_000, 200_000])
def test_no_room_for_more(most: int, exam: tuple[list[str], dict[str, bytes]], tmp_path: Path) -> None:
    """No file may grow beyond a size, so that now the store, now its log, now a CSV file cannot be written."""
    arguments, true = exam
    run = tmp_path / "run"
    with start(arguments, run, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))) as job:
        _, said = job.communicate(timeout=60)
    assert job.returncode == 4, said
    assert "cannot be written" in said and "free space" in said and "Traceback" not in said
    check_sound(run, tmp_path / "copy")
    finish(arguments, run)
    assert results(run) == true


def namespace() -> bool:
    """Whether a file system can be mounted here that nobody else sees."""
    tried = ["unshare", "--mount", "--map-root-user", "sh", "-c", "mount -t tmpfs -o size=1m tmpfs /mnt"]
    try:
        return subprocess.run(tried, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(not namespace(), reason="nothing can be mounted here")
def test_a_full_disk_and_one_that_cannot_be_written(exam: tuple[list[str], dict[str, bytes]], tmp_path: Path) -> None:
    arguments, true = exam
    disk, kept = tmp_path / "disk", tmp_path / "kept"
    disk.mkdir()
    command = " ".join([sys.executable, "-m", "tests.slow_reader", "grade", *arguments, "--out", f"{disk}/run", "--workers 2"])
    script = f"""
mount -t tmpfs -o size=150k tmpfs {disk}
{command} 2>{tmp_path}/full; echo $? >>{tmp_path}/codes
cp -r {disk}/run {kept}
mount -o remount,size=20m {disk}
{command} 2>/dev/null; echo $? >>{tmp_path}/codes
mount -o remount,ro {disk}
{command} 2>{tmp_path}/readonly; echo $? >>{tmp_path}/codes
{sys.executable} -m scangrade review {disk}/run --no-browser 2>>{tmp_path}/readonly; echo $? >>{tmp_path}/codes
cp -r {disk}/run {tmp_path}/finished
"""
    done = subprocess.run(
        ["unshare", "--mount", "--map-root-user", "sh", "-c", script],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "codes").read_text().split() == ["4", "3", "4", "4"]
    full, read_only = (tmp_path / "full").read_text(), (tmp_path / "readonly").read_text()
    assert "cannot be written" in full and "free space" in full
    assert read_only.count("cannot be written") == 2
    assert "Traceback" not in full + read_only
    assert check_sound(kept, tmp_path / "copy") < PAGES
    assert results(tmp_path / "finished") == true
    assert check_sound(tmp_path / "finished", tmp_path / "copy") == PAGES


def test_a_copy_made_while_it_runs_is_whole(exam: tuple[list[str], dict[str, bytes]], tmp_path: Path) -> None:
    arguments, true = exam
    run = tmp_path / "run"
    copies: list[Path] = []
    with start(arguments, run) as job:
        wait_until(lambda: stored(run) >= 1)
        while job.poll() is None:
            copies.append(tmp_path / f"copy-{len(copies)}")
            shutil.copytree(run, copies[-1], ignore=shutil.ignore_patterns("*-shm"))
            time.sleep(0.1)
        job.communicate()
    assert results(run) == true
    found = [check_sound(one, tmp_path / "scratch") for one in copies]
    assert found == sorted(found) and len({one for one in found if 0 < one < PAGES}) >= 3
    middle = copies[next(place for place, one in enumerate(found) if one >= PAGES // 2)]
    finish(arguments, middle)
    assert results(middle) == true


def test_a_copy_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    """The store's file was copied at one moment, its log much later, when the file had changed."""
    run, copy = tmp_path / "run", tmp_path / "copy"
    run.mkdir()
    with Store(run) as store:
        Journal(store).append([decision(number) for number in range(50)])
    shutil.copytree(run, copy)
    with Store(run) as store:
        Journal(store).append([decision(number) for number in range(50, 250)])
    with Store(run) as store:
        Journal(store).append([decision(number) for number in range(250, 260)])
        shutil.copy(run / f"{STORE_NAME}-wal", copy)
    with pytest.raises(UsageError, match="damaged"):
        Store(copy)
    with Store(run) as store:
        assert len(Journal(store).entries()) == 260


# --------------------------------------------------------------------------- what people decided


def decision(number: int, *, made: str = "2026-07-01T10:00:00.000+00:00", value: str = "marked") -> Entry:
    group = f"group-{number:04}"
    return Entry(0, f"{group}/0", made, "Ada", Topic.MARK, "image", "q/A", value, group, scangrade="0.1.0")


def test_a_decision_is_on_disk_before_it_is_acknowledged(tmp_path: Path) -> None:
    """A power cut leaves what was synced, and of what was written after it any part, or rubbish."""
    states = []
    with Store(tmp_path) as store:
        (mode,) = next(store.query("PRAGMA synchronous"))
        assert mode == 2  # FULL: every transaction is synced before it ends
        log = tmp_path / f"{STORE_NAME}-wal"
        for number in range(12):
            Journal(store).append([decision(number)])
            states.append((log.stat().st_size, (tmp_path / STORE_NAME).read_bytes()))
        whole = log.read_bytes()
    for number, (synced, file) in enumerate(states, start=1):
        for tail in (b"", whole[synced : synced + 5000], b"\xa5" * 9000):
            after = tmp_path / "after"
            after.mkdir()
            (after / STORE_NAME).write_bytes(file)
            (after / f"{STORE_NAME}-wal").write_bytes(whole[:synced] + tail)
            with Store(after) as store:
                kept = Journal(store).entries()
                assert [row[0] for row in store.query("PRAGMA integrity_check")] == ["ok"]
            assert len(kept) >= number and [one.seq for one in kept] == list(range(1, len(kept) + 1))
            shutil.rmtree(after)


def test_a_clock_set_back_changes_no_order(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        Journal(store).append([decision(1, made="2026-07-02T10:00:00.000+00:00", value="marked")])
        Journal(store).append([decision(2, made="1999-01-01T00:00:00.000+00:00", value="empty")])
    with Store(tmp_path) as store:
        entries = Journal(store).entries()
    assert fold(entries).rulings[Topic.MARK, "image", "q/A"].last.value == "empty"
    assert last_undoable(entries, "Ada") == "group-0002"
