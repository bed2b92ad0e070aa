"""Reading all pages that a run still waits for: dealt out to workers in chunks, stored chunk by chunk.

What a worker does with a page is a `Reader`: `paper_reader`'s, unless another one is passed in its place.
"""

from __future__ import annotations

import functools
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

from scangrade import settings
from scangrade.cluster import work_through_on
from scangrade.errors import ScangradeError, UsageError
from scangrade.geometry import as_matrix
from scangrade.model import Booklet, FieldKind, Layout, PageRead, PageResult, PageSetAside, Reason, Region, ScannedPage
from scangrade.progress import Progress
from scangrade.remote import stamp_of
from scangrade.run.store import Store
from scangrade.workers import Crash, Crew, time_limit, work_through

R = TypeVar("R")


class Reader(Protocol):
    """Opens scans and reads their pages. Lives in one worker process, and may keep things between calls."""

    def count(self, path: Path) -> int | PageSetAside:
        """How many pages a scan has, or why none of them can be read."""

    def read(self, path: Path, page: int) -> PageResult:
        """Read one page of a scan, counted from 1."""

    def close(self) -> None:
        """Let go of what is kept open between calls."""


#: Makes a reader in the worker process; picklable: a class, or a function at the top level of a module.
ReaderFactory = Callable[[Layout], Reader]


def paper_reader(layout: Layout) -> Reader:
    """The reader of scanned paper: what is imported for it is needed in the worker only, and takes as long as ten pages."""
    from scangrade.paper.reader import PaperReader  # noqa: PLC0415

    return PaperReader(layout)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some pages of one scan, counted from 1: the task of a worker. Without pages: find out how many there are."""

    scan: int
    path: Path
    pages: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Opened:
    """What was found on opening a scan: how many pages it has, or why none can be read."""

    pages: int | PageSetAside


Found = Opened | tuple[PageResult, ...]


def read_pending(
    store: Store, layout: Layout, *, workers: int, progress: Progress, reader: ReaderFactory, cluster: str = ""
) -> None:
    """Open every scan that was not opened yet, read every page that is pending, and store each result as it comes.

    Parameters
    ----------
    workers : int
        Processes that read; with 0 everything happens in this process, which a crash takes with it.
    reader : callable
        Makes the reader in each worker, from the layout.
    cluster : str
        Address of a cluster whose workers read instead (`cluster.scheduler_address`); "" for this machine.
    """
    tasks = deque(Chunk(scan.id, scan.path) for scan in store.unopened())
    for scan, pages in store.pending():
        tasks.extend(_chunks(scan.id, scan.path, pages))
        progress.expect(len(pages))
    crew: Crew[Chunk, Found] = Crew(
        do=_do,
        split=_single_pages,
        prepare=functools.partial(_prepare, reader, layout),
        workers=workers,
        waiting=workers * settings.WORK.waiting_per_worker,
    )
    before = {scan.id: stamp_of(scan.path) for scan in store.unfinished()}
    work = _work(tasks, crew, cluster)
    began = False
    read: list[tuple[Chunk, Found]] = []
    since = time.monotonic()
    with closing(work) as finished:
        try:
            for task, result in finished:
                if stamp_of(task.path) != before[task.scan]:
                    raise UsageError(
                        f"{task.path}: changed while it was read, so that what was read of it may be of another file. What was read until"
                        " now is stored. Wait until the scanner has finished, and run the same command again."
                    )
                found = _set_aside(task, result) if isinstance(result, Crash) else result
                read.append((task, found))
                if isinstance(found, Opened) and isinstance(found.pages, int):
                    tasks.extend(_chunks(task.scan, task.path, tuple(range(1, found.pages + 1))))
                    progress.expect(found.pages)
                progress.advance(len(task.pages))
                began = True
                if time.monotonic() - since > settings.WORK.store_after_s:
                    _save(store, read)
                    since = time.monotonic()
        finally:  # whatever ends the work: what was read is stored
            _save(store, read)
    if workers == 0 and began and not cluster:
        _make_reader().close()


def _work(tasks: deque[Chunk], crew: Crew[Chunk, Found], cluster: str) -> Generator[tuple[Chunk, Found | Crash], None, None]:
    if cluster:
        yield from work_through_on(cluster, tasks, crew)
    else:
        yield from work_through(tasks, crew)


def _save(store: Store, read: list[tuple[Chunk, Found]]) -> None:
    """Put results into the store and take them out of the list."""
    if not read:
        return
    held, read[:] = list(read), []
    with store.at_once():
        for task, found in held:
            if isinstance(found, Opened):
                store.save_opened(task.scan, found.pages)
            else:
                store.save_pages(task.scan, dict(zip(task.pages, found, strict=True)))


def _chunks(scan: int, path: Path, pages: tuple[int, ...]) -> Iterator[Chunk]:
    size = settings.WORK.chunk_pages
    for start in range(0, len(pages), size):
        yield Chunk(scan, path, pages[start : start + size])


def _single_pages(chunk: Chunk) -> tuple[Chunk, ...]:
    return tuple(replace(chunk, pages=(page,)) for page in chunk.pages) or (chunk,)


def _set_aside(chunk: Chunk, crash: Crash) -> Found:
    aside = PageSetAside(Reason.FAILED, crash.detail)
    return (aside,) * len(chunk.pages) if chunk.pages else Opened(aside)


# --------------------------------------------------------------------------- names


@dataclass(frozen=True, slots=True)
class _Name:
    """Where a name stands."""

    page: ScannedPage
    field: str
    region: Region

    @property
    def key(self) -> tuple[str, str]:
        """What the store knows it by."""
        return self.page.result.image_sha256, self.field


def known_names(store: Store, layout: Layout, booklets: Sequence[Booklet]) -> dict[str, str]:
    """Names of booklets as far as they were read before, by booklet."""
    places, known = _name_places(layout, booklets), store.names()
    return {booklet: known[one.key] for booklet, one in places.items() if one.key in known}


def read_names(store: Store, layout: Layout, booklets: Sequence[Booklet], *, workers: int) -> dict[str, str]:
    """Read the names of booklets that were not read before, and store them; by booklet.

    Names cost a call of Tesseract each, so they are read of booklets only that nothing else settles. Where a scan is not at hand any more
    its names stay unread.

    Parameters
    ----------
    workers : int
        Names that are read at a time.
    """
    known = store.names()
    missing = list({one.key: one for one in _name_places(layout, booklets).values() if one.key not in known}.values())
    if missing:
        paths = {one.name: one.path for one in store.scans()}
        with ThreadPoolExecutor(
            max(1, workers)
        ) as pool:  # Tesseract is a program of its own: threads wait for it side by side
            texts = pool.map(lambda one: _name_on(paths[one.page.ref.scan], one, layout.dropout), missing)
        store.save_names({one.key: text for one, text in zip(missing, texts, strict=True) if text is not None})
    return known_names(store, layout, booklets)


def _name_places(layout: Layout, booklets: Sequence[Booklet]) -> dict[str, _Name]:
    """Where the name of each booklet stands; without those whose page did not come in."""
    fields = [one for one in layout.fields if one.kind is FieldKind.TEXT and one.role == "name" and one.region is not None]
    places: dict[str, _Name] = {}
    for booklet in booklets:
        for field in fields:
            page = booklet.pages.get(field.page)
            if page is not None and isinstance(page.result, PageRead) and field.region is not None:
                places.setdefault(booklet.id, _Name(page, field.id, field.region))
    return places


def _name_on(path: Path, name: _Name, dropout: str) -> str | None:
    """The name; None where the scan cannot be looked at."""
    # names are read after the pages, and of few booklets
    from scangrade.paper.name import read_name  # noqa: PLC0415
    from scangrade.paper.rasterise import open_scan  # noqa: PLC0415

    result = name.page.result
    assert isinstance(result, PageRead)
    scan = open_scan(path, limits=settings.RASTERISE)
    if isinstance(scan, PageSetAside):
        return None
    with scan:
        image = scan.page(name.page.ref.scan_page - 1, channel=dropout)
        if isinstance(image, PageSetAside) or image.sha256 != result.image_sha256:
            return None
        return read_name(image.pixels, as_matrix(result.transform), name.region)


# --------------------------------------------------------------------------- in the worker process

_make_reader: Callable[[], Reader]


def _prepare(factory: ReaderFactory, layout: Layout) -> None:
    """Note how the reader is made; the first task makes it, so that a fault in making it is raised where it is seen."""
    global _make_reader  # noqa: PLW0603 - a worker process has one reader, and tasks can carry none
    _make_reader = functools.cache(functools.partial(factory, layout))


def _do(chunk: Chunk) -> Found:
    reader = _make_reader()
    if not chunk.pages:
        return Opened(_unless_it_fails(functools.partial(reader.count, chunk.path)))
    return tuple(_unless_it_fails(functools.partial(reader.read, chunk.path, page)) for page in chunk.pages)


def _unless_it_fails(read: Callable[[], R]) -> R | PageSetAside:
    try:
        with time_limit(settings.WORK.most_seconds):
            return read()
    except ScangradeError:  # not the page's fault, and the same for all of them
        raise
    except Exception as error:  # whatever it is, it must cost no other page
        return PageSetAside(Reason.FAILED, f"reading it failed: {type(error).__name__}: {error}")
