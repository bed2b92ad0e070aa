"""Tasks done on a cluster that is there already: the counterpart of `workers.py` where pages are too many for one machine.

The same task goes out and the same result comes back; only who carries it differs. `tests/benchmarks/README.md` has what a task costs on
Dask and on Ray, and why it is Dask. It is an extra of the package, and nothing of it is loaded without `--on`.

A worker that dies costs time only: the scheduler gives its tasks to others. What kills every worker that tries is given out again in
pieces, and a piece that still does is reported as `Crash`, as on one machine.
"""

from __future__ import annotations

import logging
import pickle
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from scangrade import __version__, settings
from scangrade.errors import UsageError
from scangrade.workers import Crash, Crew, settle_process

if TYPE_CHECKING:
    from distributed import Client, Future

T = TypeVar("T")
R = TypeVar("R")

_SCHEMES = {"dask": "tcp", "dask+tls": "tls"}  #: of addresses as people give them; what Dask calls them
FORM = "dask://SCHEDULER:PORT"


def scheduler_address(text: str) -> str:
    """Dask's own address of a scheduler given as `dask://host:8786`, or `dask+tls://...` where Dask's configuration has the certificates.

    Raises
    ------
    UsageError
        If it is no such address.
    """
    scheme, found, rest = text.partition("://")
    host, colon, port = rest.rpartition(":")
    if not found or scheme not in _SCHEMES or not colon or not host or not port.isdecimal():
        raise UsageError(f"--on {text}: is no address of a cluster. Give {FORM}, such as dask://10.0.0.5:8786.")
    return f"{_SCHEMES[scheme]}://{rest}"


def work_through_on(address: str, tasks: deque[T], crew: Crew[T, R]) -> Generator[tuple[T, R | Crash], None, None]:
    """Do all tasks on the workers of a Dask scheduler; give each with its result as it is finished, in no particular order.

    As `workers.work_through`, whose `Crew.workers` and `Crew.waiting` do not count here: all of the cluster's workers are used.

    Parameters
    ----------
    address : str
        As `scheduler_address` takes it.

    Raises
    ------
    UsageError
        If Dask is not installed, no scheduler or no worker is there, or the workers have another scangrade or none.
    """
    if not tasks:
        return
    client = _connect(address)
    try:
        yield from _Work(address, client, crew).through(tasks)
    finally:
        client.close()  # type: ignore[no-untyped-call]


def _connect(address: str) -> Client:
    place = scheduler_address(address)
    try:
        from distributed import Client  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UsageError("--on: Dask is not installed here. Run: pip install 'scangrade[cluster]'") from error
    for name in ("distributed", "tornado"):  # what matters of it is told here
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        client = Client(place, timeout=settings.CLUSTER.connect_s, name="scangrade")  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError, ValueError) as error:
        raise UsageError(
            f"--on {address}: no scheduler answers there. Check the address, and that `dask scheduler` is running."
        ) from error
    try:
        client.wait_for_workers(1, timeout=settings.CLUSTER.patience_s)
        _check(client, address)
    except TimeoutError as error:
        client.close()  # type: ignore[no-untyped-call]
        raise UsageError(f"--on {address}: {_NO_WORKERS}") from error
    except BaseException:
        client.close()  # type: ignore[no-untyped-call]
        raise
    return client


_NO_WORKERS = "the cluster has no worker. Start some: dask worker SCHEDULER:PORT --nworkers -1 --nthreads 1"


def _check(client: Client, address: str) -> None:
    """Make sure that the workers have this scangrade, before any page goes out."""
    for worker, found in client.run(_version, on_error="return").items():
        if isinstance(found, BaseException) or found != __version__:
            has = "none" if isinstance(found, BaseException) else found
            raise UsageError(_other_version(address, worker, has))


def _other_version(address: str, worker: str, has: str) -> str:
    return (
        f"--on {address}: the worker {worker} has {'no scangrade' if has == 'none' else f'scangrade {has}'}, and this is {__version__}."
        f" Install the same on all workers: pip install 'scangrade[cluster]=={__version__}'"
    )


@dataclass(frozen=True, slots=True)
class _Again:
    """What of a task must be given out again."""

    pieces: tuple[Any, ...]


class _Work:
    """Tasks under way on a cluster."""

    def __init__(self, address: str, client: Client, crew: Crew[Any, Any]) -> None:
        self._address, self._client, self._crew = address, client, crew
        # goes with every task, so that workers that come later, or again, know it too: some ten kilobytes
        self._job = pickle.dumps((crew.prepare, crew.do))
        self._ended: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()
        self._under_way: dict[Future[Any], Any] = {}
        self._seen = time.monotonic()  # when a worker was there, the last time that somebody looked
        self._asked = 0.0
        self._most = 0

    def through(self, tasks: deque[Any]) -> Generator[tuple[Any, Any], None, None]:
        """Do all tasks, and those that are added meanwhile."""
        try:
            while tasks or self._under_way:
                self._look()
                while tasks and len(self._under_way) < self._most:
                    self._give(tasks.popleft())
                for future in self._next():
                    task = self._under_way.pop(future)
                    found = self._result(task, future)
                    if isinstance(found, _Again):
                        for piece in found.pieces:
                            self._give(piece)
                    else:
                        yield task, found
        finally:
            self._client.cancel(list(self._under_way))  # type: ignore[no-untyped-call]

    def _give(self, task: Any) -> None:
        future = self._client.submit(_there, __version__, self._job, task, pure=False)
        self._under_way[future] = task
        future.add_done_callback(self._ended.put)  # type: ignore[no-untyped-call]

    def _look(self) -> None:
        """Look now and then how many workers there are: they may come and go."""
        now = time.monotonic()
        if now - self._asked < settings.CLUSTER.look_every_s:
            return
        self._asked = now
        workers = self._client.scheduler_info(n_workers=-1)["workers"]
        if workers:
            self._seen = now
            self._most = settings.WORK.waiting_per_worker * sum(one["nthreads"] for one in workers.values())
        elif now - self._seen > settings.CLUSTER.patience_s:
            raise UsageError(f"--on {self._address}: {_NO_WORKERS}\n{_GO_ON}")

    def _next(self) -> list[Future[Any]]:
        """What has ended: at least one, unless that takes so long that somebody should look for workers."""
        try:
            ended = [self._ended.get(timeout=settings.CLUSTER.look_every_s)]
        except queue.Empty:
            return []
        while not self._ended.empty():
            ended.append(self._ended.get())
        return [one for one in ended if one in self._under_way]

    def _result(self, task: Any, future: Future[Any]) -> Any:
        """The result of a task, or what of it must be given out again."""
        from distributed import KilledWorker  # noqa: PLC0415 - an extra

        try:
            if future.status == "cancelled":
                raise ConnectionError
            if future.status not in ("finished", "error"):
                return _Again((task,))  # its worker died with the result, before that was fetched
            result = pickle.loads(future.result(timeout=settings.CLUSTER.patience_s))
        except KilledWorker:
            pieces = self._crew.split(task)
            if pieces != (task,):
                return _Again(pieces)
            return Crash("every process of the cluster that read it crashed or took too long")
        except _OtherVersionError as error:
            raise UsageError(_other_version(self._address, *error.args)) from error
        except ModuleNotFoundError as error:  # what the worker's Python says of a task that it cannot unpack
            if not str(error.name).startswith("scangrade"):
                raise
            raise UsageError(_other_version(self._address, "that joined last", "none")) from error
        except TimeoutError:
            return _Again((task,))  # the same while it was fetched, and nobody there to do it again
        except OSError as error:
            raise UsageError(f"--on {self._address}: the connection to the scheduler broke.\n{_GO_ON}") from error
        self._seen = time.monotonic()
        return result


_GO_ON = "What was read until now is stored: run the same command again to go on."


# --------------------------------------------------------------------------- on the worker


class _OtherVersionError(Exception):
    """The worker has another scangrade: its address, and which."""


_at_work = threading.Lock()
_prepared = b""


def _version() -> str:
    return __version__


def _there(version: str, job: bytes, task: Any) -> bytes:
    """Do a task. A process does one at a time, also where it was started with several threads: it has one reader, and one file open."""
    global _prepared  # noqa: PLW0603 - a worker process is prepared once
    if version != __version__:
        from distributed import get_worker  # noqa: PLC0415 - an extra

        raise _OtherVersionError(get_worker().address, __version__)
    with _at_work:
        prepare: Callable[[], None]
        prepare, do = pickle.loads(job)
        if job != _prepared:
            settle_process()
            prepare()
            _prepared = job
        # as one piece: Dask would send every array of every page by itself, at a quarter more
        return pickle.dumps(do(task), pickle.HIGHEST_PROTOCOL)
