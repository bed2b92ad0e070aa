"""What a task costs on each engine that could deal pages out: this machine's processes, Dask, and Ray where it is installed.

``python -m tests.benchmarks.engines [--tasks 400] [--workers 2]`` sends chunks of pages to workers that do not read them, but give back
what reading gives: readings and pictures of boxes. What is measured is then the engine alone: CPU of all its processes, and how many
pages one coordinator can deal out in a second.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil

from scangrade.cluster import work_through_on
from scangrade.model import FEATURES, PATCH_SIDE, PageRead, Readings, Transform
from scangrade.reading import Chunk
from scangrade.settings import WORK
from scangrade.workers import Crew, work_through

BOXES = 60  # on a page of an exam
MAP = (297, 210)  # cells of a page's map of ink

#: Work with all of these chunks, on some workers.
Engine = Callable[[deque[Chunk], int], None]


def main() -> int:
    """Measure all engines that are there."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.engines", description=__doc__)
    parser.add_argument("--tasks", type=int, default=400, help="chunks to deal out (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: %(default)s)")
    options = parser.parse_args()
    pages = options.tasks * WORK.chunk_pages
    print(
        f"{options.tasks} tasks of {WORK.chunk_pages} pages, {options.workers} workers; {platform.machine()}, {os.cpu_count()} cores,"
        f" {time.strftime('%Y-%m-%d')}\n"
    )
    print(f"{'engine':<16}  {'CPU ms a task':>13}  {'of it here':>10}  {'CPU ms a page':>13}  {'pages a second':>14}")
    for name, engine in engines(options.workers):
        engine(deque(_chunks(20)), options.workers)  # whatever is loaded on first use
        before, began, own = _cpu(), time.monotonic(), time.process_time()
        engine(deque(_chunks(options.tasks)), options.workers)
        wall, here = time.monotonic() - began, time.process_time() - own
        cpu = _cpu() - before
        each = 1000 / options.tasks
        print(f"{name:<16}  {cpu * each:13.2f}  {here * each:10.2f}  {1000 * cpu / pages:13.2f}  {pages / wall:14.0f}")
    return 0


def engines(workers: int) -> Iterator[tuple[str, Engine]]:
    """Engines, each running as long as it is looked at."""
    yield "processes here", _here
    with _dask(workers) as address:
        yield "dask", lambda tasks, _: _drain(work_through_on(address, tasks, _crew(workers)))
    with contextlib.suppress(ImportError):
        ray = importlib.import_module("ray")
        ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        task = ray.remote(do)

        def on_ray(tasks: deque[Chunk], count: int) -> None:
            under_way: list[object] = []
            while tasks or under_way:
                while tasks and len(under_way) < count * WORK.waiting_per_worker:
                    under_way.append(task.remote(tasks.popleft()))
                ended, under_way = ray.wait(under_way)
                ray.get(ended)

        yield "ray", on_ray
        ray.shutdown()


def _here(tasks: deque[Chunk], workers: int) -> None:
    _drain(work_through(tasks, _crew(workers)))


@contextlib.contextmanager
def _dask(workers: int) -> Iterator[str]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, contextlib.ExitStack() as stack:
        file = Path(folder) / "scheduler.json"
        for command, *more in (
            ("dask_scheduler", "--host", "127.0.0.1", "--port", "0"),
            ("dask_worker", "--nworkers", str(workers), "--nthreads", "1", "--local-directory", folder),
        ):
            process = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{command}", "--scheduler-file", str(file), "--no-dashboard", *more],
                stderr=subprocess.DEVNULL,
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)
            while not file.exists():
                time.sleep(0.05)
        yield json.loads(file.read_text())["address"].replace("tcp://", "dask://")


def _crew(workers: int) -> Crew[Chunk, tuple[PageRead, ...]]:
    named = importlib.import_module("tests.benchmarks.engines")  # workers cannot look into __main__
    return Crew(named.do, named.whole, named.prepare, workers, workers * WORK.waiting_per_worker)


def whole(chunk: Chunk) -> tuple[Chunk, ...]:
    """Nothing crashes here."""
    return (chunk,)


def prepare() -> None:
    """Nothing is to be prepared."""


def do(chunk: Chunk) -> tuple[PageRead, ...]:
    """What reading the pages of a chunk gives."""
    drawn = np.random.default_rng(chunk.pages[0])
    patches = drawn.integers(0, 256, (BOXES, PATCH_SIDE, PATCH_SIDE), np.uint8)
    values = drawn.random((BOXES, len(FEATURES)), np.float32)
    readings = Readings(values, patches, ink_map=np.zeros(MAP, np.uint8))
    transform = Transform((5.9, 0.0, 0.0, 0.0, 5.9, 0.0, 0.0, 0.0, 1.0))
    return tuple(PageRead(f"{page:064}", 1, "0001", "code", 0, 0.05, 150.0, transform, readings) for page in chunk.pages)


def _chunks(count: int) -> Iterator[Chunk]:
    size = WORK.chunk_pages
    for number in range(count):
        yield Chunk(1, Path("/srv/exams/2026-11-26/scan-0001.pdf"), tuple(range(number * size + 1, (number + 1) * size + 1)))


def _drain(work: Iterator[object]) -> None:
    for _ in work:
        pass


def _cpu() -> float:
    """CPU seconds of this process and all below it, also of those that have ended."""
    ended = os.times()
    total = ended.user + ended.system + ended.children_user + ended.children_system
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            spent = process.cpu_times()
            total += spent.user + spent.system
            total += getattr(spent, "children_user", 0.0) + getattr(spent, "children_system", 0.0)
    return total


if __name__ == "__main__":
    sys.exit(main())
