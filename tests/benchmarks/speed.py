"""Where the time goes: CPU per page by stage against the cheapest decoding of the same image, and what comes before and after.

    python -m tests.benchmarks.speed [--rounds 5] [--pages 160]

The *floor* of a scan is the cheapest way known here to decode its own image to at least 150 dpi of gray, measured in the same run, in
turn with the pipeline. Figures are CPU time of one process, of the round with the median ratio, since a machine's speed moves; only the
gain by a second worker is of the wall clock, and means something on a machine with two idle cores.
"""

from __future__ import annotations

import argparse
import functools
import io
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np
import pandas as pd  # noqa: F401 - so that nobody's share holds the time to import it
import pikepdf
from PIL import Image

import scangrade.derive as deriving
import scangrade.paper.locate
import scangrade.paper.read
from scangrade import conclude, settings
from scangrade.authoring.person import personas_for
from scangrade.authoring.samples import draw_answers
from scangrade.authoring.scanner import COLOUR300, OFFICE, Mode, ScannedImage, Scanner, write_scan
from scangrade.authoring.simulate import print_form, simulate_booklet
from scangrade.check import Definitions, load_definitions
from scangrade.model import FieldKind, Layout, PageResult, PageSetAside, Student
from scangrade.opening import record_definitions
from scangrade.paper.fax import decode_fax, fax_as_tiff
from scangrade.paper.pixels import from_bits
from scangrade.paper.rasterise import PageImage, ScanFile
from scangrade.paper.read import FormReader, read_page
from scangrade.paper.reader import PaperReader
from scangrade.run.store import ScanOnDisk, Store
from scangrade.workers import settle_process
from tests.benchmarks.tally import Table

REPOSITORY = Path(__file__).parents[2]
SEED = 16  # below 1,000: it may be looked at while tuning
TARGET_RATIO = 1.6
BOOKLETS = 1000

#: What offices scan.
KINDS: Mapping[str, Scanner] = {
    "300 dpi gray": OFFICE,
    "300 dpi colour": COLOUR300,
    "200 dpi gray": replace(OFFICE, dpi=200),
    "300 dpi G4": replace(OFFICE, mode=Mode.BILEVEL, threshold=165),
}


@dataclass(frozen=True, slots=True)
class Batch:
    """A form, and how many copies of it are scanned."""

    stem: str
    copies: int
    rubric: str = ""  #: where it has another name

    def definitions(self) -> Definitions:
        """Its layout and rubric."""
        rubric = self.rubric or self.stem
        return load_definitions(REPOSITORY / "layouts" / f"{self.stem}.toml", REPOSITORY / "rubrics" / f"{rubric}.toml")


#: Booklets with some boxes on each page, one with boxes and cells for handwritten digits, and sheets that are full of boxes.
BATCHES = (
    Batch("tum-introduction-to-deep-learning", 1),
    Batch("uva-deep-learning-1", 1, "uva-all-or-nothing"),
    Batch("ist-deep-learning", 1),
    Batch("twente-deep-learning", 3),
    Batch("nops", 6),
)

#: Where a stage begins: in what, by which name, and what it is called. Time within an inner stage counts there only.
STAGES: tuple[tuple[Any, str, str], ...] = (
    (ScanFile, "page", "decode"),
    (scangrade.paper.read, "page_ink", "paper"),
    (scangrade.paper.locate, "placements", "marks"),
    (scangrade.paper.locate, "read_barcode", "code"),
    (scangrade.paper.locate, "find_frames", "frames"),
    (scangrade.paper.read, "measure", "measure"),
    (Store, "save_pages", "store"),
)


def main() -> int:
    """Run the benchmark. It reports, and judges nobody: a target missed on a busy machine is no fault."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.speed", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="of reading every batch (default: %(default)s)")
    parser.add_argument("--pages", type=int, default=160, help="that one and two workers read (default: %(default)s)")
    options = parser.parse_args()
    settle_process()
    with tempfile.TemporaryDirectory(prefix="scangrade-speed-") as scratch:
        folder = Path(scratch)
        reports: tuple[Callable[[], Table], ...] = (
            functools.partial(stages, folder, options.rounds),
            functools.partial(grades, folder),
            start_up,
            functools.partial(workers, folder, options.pages),
        )
        for report in reports:
            print(f"{report()}\n", flush=True)
    return 0


# --------------------------------------------------------------------------- stages


class Clock:
    """CPU seconds by stage."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self._inner: list[float] = []

    def timed(self, call: Callable[..., Any], stage: str) -> Callable[..., Any]:
        """The same function, whose time is taken."""

        def run(*args: Any, **kwargs: Any) -> Any:
            began = time.process_time()
            self._inner.append(0.0)
            try:
                return call(*args, **kwargs)
            finally:
                took = time.process_time() - began
                self.spent[stage] += took - self._inner.pop()
                if self._inner:
                    self._inner[-1] += took

        return run


def stages(scratch: Path, rounds: int) -> Table:
    """CPU per page and stage of every usual kind of scan."""
    names = [stage for _, _, stage in STAGES]
    rows = []
    for batch in BATCHES:
        definitions = batch.definitions()
        boxes = sum(len(one.boxes) for one in definitions.layout.fields) / len(definitions.layout.pages)
        for kind, images in _scanned(definitions, batch.copies):
            path = scratch / f"{batch.stem} {kind}.pdf"
            write_scan(images, path)
            turns = []
            for turn in range(rounds + 1):
                floors = {how: spent / len(images) for how, spent in _floors(path).items()}
                turns.append((floors, *_pipeline(path, definitions.layout, scratch / f"{path.stem} {turn}", len(images))))
            for how in turns[0][0]:
                # the first turn fills caches; of the others, each with the machine's speed of its moment, that of the median ratio
                by_ratio = sorted(turns[1:], key=lambda one: one[1] / one[0][how])
                floors, total, spent_by = by_ratio[(len(by_ratio) - 1) // 2]
                rest, ratio = total - sum(spent_by.values()), total / floors[how]
                shown = [f"{1000 * one:.1f}" for one in (floors[how], *(spent_by[name] for name in names), rest, total)]
                rows.append((batch.stem, f"{boxes:.0f}", kind + how, *shown, f"{ratio:.2f}", _verdict(ratio <= TARGET_RATIO)))
    header = ("form", "boxes", "scan", "floor", *names, "other", "total", "of the floor", f"target {TARGET_RATIO}")
    return Table("stages", "CPU ms a page", header, tuple(rows))


def _scanned(definitions: Definitions, copies: int) -> Iterator[tuple[str, list[ScannedImage]]]:
    layout = definitions.layout
    form, people = print_form(layout), personas_for(layout.convention)
    for kind, scanner in KINDS.items():
        images: list[ScannedImage] = []
        for copy in range(copies):
            rng = np.random.default_rng([SEED, copy])
            student = Student(f"{7919 * (copy + 1):08}")
            answers = draw_answers(layout, definitions.rubric, student, rng)
            person = people[copy % len(people)]
            made, _ = simulate_booklet(
                layout, answers, person, scanner, rng, f"{copy + 1:04}", form=form, student_number=student.number
            )
            images += made
        yield kind, images


def _floors(path: Path) -> dict[str, float]:
    """CPU seconds to decode the image of every page as cheaply as can be, with at least 150 dpi left.

    Fax data twice: by libtiff without Pillow, as `scangrade.paper.fax` does, and by Pillow, the cheapest package of the index as it comes.
    """
    floors: dict[str, float] = defaultdict(float)
    with pikepdf.open(path) as pdf:
        for page in pdf.pages:
            (image,) = (one for one in page.get_images().values() if isinstance(one, pikepdf.Stream))
            width, height = int(image["/Width"]), int(image["/Height"])
            for how, decode in (_JPEG if image["/Filter"] == "/DCTDecode" else _FAX).items():
                began = time.process_time()
                decode(image.read_raw_bytes(), width, height, width / (float(page.mediabox[2]) / 72))
                floors[how] += time.process_time() - began
    return floors


def _jpeg_floor(raw: bytes, _width: int, _height: int, dpi: float) -> None:
    halved = dpi >= 2 * settings.RASTERISE.least_gray_dpi
    flag = cv2.IMREAD_REDUCED_GRAYSCALE_2 if halved else cv2.IMREAD_GRAYSCALE
    cv2.imdecode(np.frombuffer(raw, np.uint8), flag | cv2.IMREAD_IGNORE_ORIENTATION)


def _libtiff_floor(raw: bytes, width: int, height: int, _dpi: float) -> None:
    from_bits(decode_fax(raw, width, height, k=-1), width, factor=2)


def _pillow_floor(raw: bytes, width: int, height: int, _dpi: float) -> None:
    with Image.open(io.BytesIO(fax_as_tiff(raw, width, height))) as fax:
        np.asarray(fax.convert("L"))


#: Ways to decode an image, by what a row of the table says of them.
_JPEG = {"": _jpeg_floor}
_FAX = {"": _libtiff_floor, ", floor of Pillow": _pillow_floor}


def _pipeline(path: Path, layout: Layout, run: Path, pages: int) -> tuple[float, dict[str, float]]:
    """CPU seconds a page of reading and storing a scan, in all and by stage."""
    run.mkdir()
    clock = Clock()
    with ExitStack() as stack:
        for home, name, stage in STAGES:
            stack.enter_context(mock.patch.object(home, name, clock.timed(getattr(home, name), stage)))
        store = stack.enter_context(Store(run))
        store.register([ScanOnDisk(path.name, path, path.name)])
        (scan,) = store.scans()
        began = time.process_time()
        reader = PaperReader(layout)
        store.save_opened(scan.id, pages)
        for start in range(1, pages + 1, settings.WORK.chunk_pages):
            chunk = range(start, min(start + settings.WORK.chunk_pages, pages + 1))
            results = {number: reader.read(path, number) for number in chunk}
            store.save_pages(scan.id, results)
            aside = [one for one in results.values() if isinstance(one, PageSetAside)]
            if aside:
                raise AssertionError(f"{path.name}: a page was not read: {aside[0].detail}")
        total = time.process_time() - began
    return total / pages, {stage: clock.spent[stage] / pages for _, _, stage in STAGES}


# --------------------------------------------------------------------------- grades


def grades(scratch: Path) -> Table:
    """CPU seconds from stored readings to the files, for 1,000 booklets of 12 pages with 100 boxes."""
    run = scratch / "grades"
    run.mkdir()
    numbers = [f"1{number:07}" for number in np.random.default_rng(SEED).permutation(10**7)[:BOOKLETS].tolist()]
    roster = run / "roster.csv"
    roster.write_text("student_number,last_name\n" + "".join(f"{one},Student {one}\n" for one in numbers), encoding="utf-8")
    layout, rubric = REPOSITORY / "layouts/uva-deep-learning-1.toml", REPOSITORY / "rubrics/uva-all-or-nothing.toml"
    definitions = load_definitions(layout, rubric, roster)
    with Store(run) as store:
        record_definitions(store, definitions)
        _fill(store, definitions, numbers)
        homes = {"collate": conclude, "decide": conclude, "identify": conclude, "score": conclude, "gradebook": deriving}
        clock = Clock()
        began = time.process_time()
        pages = clock.timed(store.pages, "load")()
        with ExitStack() as stack:
            for name, home in homes.items():
                stack.enter_context(mock.patch.object(home, name, clock.timed(getattr(home, name), name)))
            with deriving.uncollected():
                results = deriving.derive(pages, definitions)
                clock.timed(deriving.write_files, "write")(run, results, definitions)
        total = time.process_time() - began
    pure = sum(clock.spent[name] for name in homes)
    rows = [(name, f"{clock.spent[name]:.2f}", "") for name in ("load", *homes, "write")]
    rows.append(("decide, score, gradebook", f"{pure:.2f}", f"2 s: {_verdict(pure <= 2)}"))
    rows.append(("all of it", f"{total:.2f}", ""))
    title = f"CPU seconds to grade {BOOKLETS:,} booklets of {len(definitions.layout.pages)} pages again"
    return Table("grades", title, ("step", "seconds", "target"), tuple(rows))


def _fill(store: Store, definitions: Definitions, numbers: Sequence[str]) -> None:
    """Store readings of many booklets: of a few real ones, with the marks of the student number moved to each one's own."""
    layout = definitions.layout
    form, people, reader = print_form(layout), personas_for(layout.convention), FormReader(layout)
    models = []
    for index, person in enumerate(people):
        rng = np.random.default_rng([SEED, index])
        answers = draw_answers(layout, definitions.rubric, Student(numbers[index]), rng)
        scanned, _ = simulate_booklet(layout, answers, person, OFFICE, rng, f"{index + 1:04}", form=form)
        images = [PageImage(one.pixels(), one.dpi, f"{index}-{place}") for place, one in enumerate(scanned)]
        pages = [read_page(one, reader, expected_page=place) for place, one in enumerate(images, start=1)]
        models.append((numbers[index], pages))
    count = len(layout.pages)
    store.register([ScanOnDisk(f"{copy:04}.pdf", Path(f"{copy:04}.pdf"), f"{copy}") for copy in range(1, len(numbers) + 1)])
    for scan, number in zip(store.scans(), numbers, strict=True):
        old, pages = models[scan.id % len(models)]
        store.save_opened(scan.id, count)
        store.save_pages(
            scan.id, {place: _as_of(page, scan.name[:4], old, number, layout) for place, page in enumerate(pages, 1)}
        )


def _as_of(page: PageResult, copy: str, old: str, new: str, layout: Layout) -> PageResult:
    """A page as if it were of another booklet, with another student number marked."""
    if isinstance(page, PageSetAside):
        return page
    boxes = layout.boxes(page.page)
    row = {one.key: place for place, one in enumerate(boxes)}
    order = np.arange(len(boxes))
    for one in layout.fields:
        if one.kind is FieldKind.DIGIT and one.page == page.page:
            was, now = (row[f"{one.id}/{number[one.place - 1]}"] for number in (old, new))
            order[[was, now]] = now, was
    readings = page.readings
    moved = replace(readings, values=readings.values[order], patches=readings.patches[order])
    return replace(page, copy=copy, image_sha256=f"{copy}-{page.page}", readings=moved)


# --------------------------------------------------------------------------- the command


def start_up() -> Table:
    """CPU seconds until the program says something, and until it could read the first page."""
    files = ["layouts/uva-deep-learning-1.toml", "rubrics/uva-all-or-nothing.toml"]
    ready = f"import scangrade.grade, scangrade.check, pathlib as p; scangrade.check.load_definitions(*map(p.Path, {files!r}))"
    rows = []
    for name, command, most in (
        ("scangrade --help", ["-m", "scangrade", "--help"], 0.3),
        ("grade, up to the first page", ["-c", ready], 1.0),
    ):
        least = min(_cpu([sys.executable, *command]) for _ in range(3))
        rows.append((name, f"{least:.2f}", f"{most:g} s: {_verdict(least <= most)}"))
    return Table("start", "CPU seconds to start", ("what", "seconds", "target"), tuple(rows))


def _cpu(command: Sequence[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def workers(scratch: Path, pages: int) -> Table:
    """What a second worker gains: the whole command, with what it takes to start taken off."""
    batch = BATCHES[0]
    definitions = batch.definitions()
    kind, images = next(_scanned(definitions, batch.copies))
    folder, one_page = scratch / "workers", scratch / "one page"
    for place in (folder, one_page):
        place.mkdir()
    write_scan(images[:1], one_page / "page.pdf")
    for turn in range(max(1, round(pages / len(images)))):  # another order makes another file; what its pages hold is the same
        write_scan([*images[turn % len(images) :], *images[: turn % len(images)]], folder / f"{turn:03}.pdf")
        (folder / f"{turn:03}.pdf").open("ab").write(b"%% %d\n" % turn)
    rows, speeds = [], []
    for count in (1, 2):
        idle, _ = _graded(one_page, scratch / f"idle {count}", batch, count)
        wall, cpu = _graded(folder, scratch / f"busy {count}", batch, count)
        many = len(images) * len(list(folder.iterdir()))
        speeds.append((many - 1) / (wall - idle))
        rows.append((f"{count}", f"{speeds[-1]:.1f}", f"{1000 * cpu / many:.1f}", f"{speeds[-1] / speeds[0]:.2f}"))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    title = f"Workers: {kind}, {batch.stem}, on {cores} cores; the gain wants them idle, and 1.85"
    return Table("workers", title, ("workers", "pages a second", "CPU ms a page, start included", "gain"), tuple(rows))


def _graded(scans: Path, run: Path, batch: Batch, count: int) -> tuple[float, float]:
    """Wall and CPU seconds of the command."""
    definitions = ["--layout", f"layouts/{batch.stem}.toml", "--rubric", f"rubrics/{batch.stem}.toml"]
    command = [
        sys.executable,
        "-m",
        "scangrade",
        "grade",
        str(scans),
        *definitions,
        "--out",
        str(run),
        "--workers",
        str(count),
    ]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command, cwd=REPOSITORY, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _verdict(met: bool) -> str:
    return "met" if met else "MISSED"


if __name__ == "__main__":
    sys.exit(main())
