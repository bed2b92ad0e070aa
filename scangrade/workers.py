"""Worker processes that a bad page cannot bring down with it.

The decoders of scanned images are native code; a broken file may crash one, and the operating system may kill a process that
needs too much memory. `concurrent.futures` then gives up the whole pool. Here such a crash costs only the task that caused it:
everything that was under way is done again piece by piece in processes of its own, and a piece that crashes once more is
reported as `Crash`. A decoder may also never end, or fill the memory: a process ends itself after a time (`time_limit`), and
has no more memory than the largest page needs, so that both cost what a crash does.

Processes are spawned, not forked: forking a process that has threads (as OpenCV's) may hang the child.
"""

from __future__ import annotations

import ctypes
import faulthandler
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection
from typing import Generic, TypeVar

from scangrade import settings

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Crash:
    """A process died twice while it did this task."""

    detail: str


@dataclass(frozen=True, slots=True)
class Crew(Generic[T, R]):
    """How tasks are done.

    All three functions must be picklable: defined at the top level of a module, or a `functools.partial` of one.
    """

    do: Callable[[T], R]  #: does a task; what it raises ends the whole work
    split: Callable[[T], tuple[T, ...]]  #: cuts a task into the pieces that a crash is to cost at most
    prepare: Callable[[], None]  #: called once in every process before its first task
    workers: int  #: processes; 0 does everything in this process, where a crash takes all of it
    waiting: int  #: tasks under way or queued at a time, at least `workers`


def work_through(tasks: deque[T], crew: Crew[T, R]) -> Generator[tuple[T, R | Crash], None, None]:
    """Do all tasks; give each with its result as it is finished, in no particular order.

    Tasks are taken from the left as there is room, and more may be appended while results are taken: what one task finds can
    so become further tasks. After a crash a task comes back in the pieces that `Crew.split` makes of it.
    """
    if crew.workers == 0:
        crew.prepare()
        while tasks:
            task = tasks.popleft()
            yield task, crew.do(task)
        return
    while tasks:
        suspects: list[T] = []
        yield from _together(tasks, crew, suspects)
        if suspects:
            yield from _one_by_one([piece for suspect in suspects for piece in crew.split(suspect)], crew)


def _together(tasks: deque[T], crew: Crew[T, R], suspects: list[T]) -> Generator[tuple[T, R | Crash], None, None]:
    """Work in one pool until all is done, or until it breaks; `suspects` then holds what was under way."""
    under_way: dict[Future[R], T] = {}
    pool = _pool(crew, crew.workers)
    try:
        while under_way or (tasks and not suspects):
            while tasks and not suspects and len(under_way) < crew.waiting:
                task = tasks.popleft()
                try:
                    under_way[pool.submit(crew.do, task)] = task
                except BrokenProcessPool:
                    suspects.append(task)
            for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                task = under_way.pop(future)
                if isinstance(future.exception(), BrokenProcessPool):
                    suspects.append(task)
                else:
                    yield task, future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _one_by_one(pieces: Iterable[T], crew: Crew[T, R]) -> Generator[tuple[T, R | Crash], None, None]:
    """Do pieces in a single process, with a new one after each crash."""
    pool = _pool(crew, 1)
    try:
        for piece in pieces:
            try:
                result: R | Crash = pool.submit(crew.do, piece).result()
            except BrokenProcessPool:
                pool.shutdown()
                pool = _pool(crew, 1)
                result = Crash("the process that read it crashed or took too long, and did so again on a second try")
            yield piece, result
    finally:
        pool.shutdown(cancel_futures=True)


def _pool(crew: Crew[T, R], workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=_start, initargs=(crew.prepare,)
    )


def _start(prepare: Callable[[], None]) -> None:
    begin_worker()
    prepare()


def begin_worker() -> None:
    """Make this process a worker: it leaves Ctrl-C to its parent, ends with it, and does image after image well."""
    for number in (
        signal.SIGINT,
        getattr(signal, "SIGHUP", None),
    ):  # they reach the whole group; the parent is who answers them
        if number is not None:
            signal.signal(number, signal.SIG_IGN)
    end_with_parent()
    _limit_memory()
    settle_process()


def settle_process() -> None:
    """Make this process do image after image well: one thread, and memory that is kept from one image to the next."""
    # One process per core is the parallelism; threads inside it would only contend.
    os.environ["OMP_THREAD_LIMIT"] = "1"
    os.environ["OMP_NUM_THREADS"] = "1"
    _keep_memory()
    import cv2  # noqa: PLC0415 - the parent does not need it
    import numpy as np  # noqa: F401, PLC0415 - its matrix products must be there to be held to one thread
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    cv2.setNumThreads(1)
    threadpool_limits(1)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """End this process if the block takes longer, even inside of native code; nothing where this is no worker process."""
    if multiprocessing.parent_process() is None:
        yield
        return
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - where a traceback of all threads would go
        faulthandler.dump_traceback_later(seconds, exit=True, file=nowhere)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()


def _limit_memory() -> None:
    """Have this process, and the programs that it starts, be refused memory beyond a bound, where the system knows such."""
    if not sys.platform.startswith("linux"):
        return
    import resource  # noqa: PLC0415 - there is none on Windows

    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = settings.WORK.most_memory_bytes
    if hard == resource.RLIM_INFINITY or hard > most:
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def _keep_memory() -> None:
    """Have the C library reuse the memory of images instead of giving it back and asking for it again.

    The kernel clears every page of memory that it hands out: for the images of a page that takes as long as a quarter of its
    decoding. Only glibc knows these options; elsewhere nothing is changed.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, settings.WORK.reused_block_bytes)
        mallopt(_M_TRIM_THRESHOLD, settings.WORK.kept_memory_bytes)


def end_with_parent() -> None:
    """Have this process end when its parent was killed: a worker would wait for its next task for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent.sentinel,), daemon=True).start()


def _end_after(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)
