"""Worker processes: everything is done, and a crash costs only what caused it."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from scangrade.workers import Crash, Crew, work_through

Task = tuple[int, ...]


def nothing() -> None:
    pass


def doubled(task: Task) -> list[int]:
    if 13 in task:
        os._exit(1)
    if -1 in task:
        raise ValueError("minus one")
    return [2 * number for number in task]


def crashes_once(folder: Path, task: Task) -> list[int]:
    if 13 in task and not (folder / "crashed").exists():
        (folder / "crashed").touch()
        os._exit(1)
    return doubled(tuple(number for number in task if number != 13))


def singles(task: Task) -> tuple[Task, ...]:
    return tuple((number,) for number in task)


def crew(workers: int) -> Crew[Task, list[int]]:
    return Crew(doubled, singles, nothing, workers, 2 * workers)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_everything_is_done_and_more_may_come(workers: int) -> None:
    tasks: deque[Task] = deque([(1, 2), (3,), ()])
    seen = {}
    for task, result in work_through(tasks, crew(workers)):
        seen[task] = result
        if task == (3,):
            tasks.append((30, 31))
    assert seen == {(1, 2): [2, 4], (3,): [6], (): [], (30, 31): [60, 62]}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_crash_costs_only_its_piece(workers: int) -> None:
    tasks: deque[Task] = deque([(1, 2), (12, 13, 14), (3, 4), (5, 6), (7, 8)])
    results: dict[int, int | str] = {}
    for task, result in work_through(tasks, crew(workers)):
        for place, number in enumerate(task):
            results[number] = "crashed" if isinstance(result, Crash) else result[place]
    assert results == {number: 2 * number for number in (1, 2, 3, 4, 5, 6, 7, 8, 12, 14)} | {13: "crashed"}


def test_what_crashes_only_once_is_done(tmp_path: Path) -> None:
    do = functools.partial(crashes_once, tmp_path)
    tasks: deque[Task] = deque([(13, 1)])
    done = list(work_through(tasks, Crew(do, singles, nothing, 2, 4)))
    assert sorted(done) == [((1,), [2]), ((13,), [])]


@pytest.mark.parametrize("workers", [0, 2])
def test_what_a_task_raises_ends_the_work(workers: int) -> None:
    tasks: deque[Task] = deque([(-1,)])
    work = work_through(tasks, crew(workers))
    with pytest.raises(ValueError, match="minus one"), closing(work):
        list(work)


READING = """
import os, sys, time
from collections import deque
from pathlib import Path
from scangrade.workers import Crew, work_through

def nothing(): pass
def note(task):
    Path(sys.argv[1], str(os.getpid())).touch()
    time.sleep(60)
def whole(task): return (task,)

if __name__ == "__main__":
    list(work_through(deque([1, 2]), Crew(note, whole, nothing, 2, 4)))
"""

REVIEWING = """
import asyncio, os, sys, time
from pathlib import Path
from scangrade.review.pictures import Pictures

def note(folder):
    Path(folder, str(os.getpid())).touch()
    time.sleep(60)

async def both():
    pictures = Pictures(Path(sys.argv[1]).parent)
    await asyncio.gather(*(pictures.run(note, sys.argv[1]) for _ in range(2)))

if __name__ == "__main__":
    asyncio.run(both())
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("program", [READING, REVIEWING], ids=["reading", "reviewing"])
def test_workers_end_with_their_killed_parent(program: str, tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(program)
    (tmp_path / "pids").mkdir()
    with subprocess.Popen([sys.executable, script, tmp_path / "pids"]) as parent:
        wait_for(lambda: len(list((tmp_path / "pids").iterdir())) == 2)
        pids = [int(path.name) for path in (tmp_path / "pids").iterdir()]
        assert all(alive(pid) for pid in pids)
        parent.send_signal(signal.SIGKILL)
    wait_for(lambda: not any(alive(pid) for pid in pids))


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"  # dead, and only waiting to be noticed


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.05)
