"""How often the reader is wrong without asking, and how often it asks, on made scans whose truth is known: `make benchmark`, part (b).

Batches of booklets are made one after the other, read page by page and decided as a batch, and thrown away; what is left is counts. A
batch depends on its seed and its number only, so the result is the same however many processes share the work.
"""

from __future__ import annotations

import argparse
import functools
import json
import multiprocessing
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from scangrade.answers.collate import collate
from scangrade.answers.decide import decide
from scangrade.answers.identify import identify
from scangrade.authoring.mishaps import FAIR_TO_ASK, PALE
from scangrade.authoring.person import Persona
from scangrade.authoring.scanner import Mode, ScannedImage, Scanner
from scangrade.authoring.simulate import simulate_booklet
from scangrade.authoring.truth import BookletTruth, BoxTruth
from scangrade.geometry import as_matrix, project
from scangrade.model import (
    FEATURES,
    Answer,
    Booklet,
    BoxVerdict,
    FieldKind,
    Layout,
    MatchStatus,
    PageRead,
    PageRef,
    PageSetAside,
    Roster,
    ScannedPage,
    Verdict,
)
from scangrade.paper.rasterise import PageImage
from scangrade.paper.read import FormReader, read_page
from scangrade.settings import DECIDE
from scangrade.workers import begin_worker
from tests.benchmarks.population import (
    FORMS,
    Form,
    FormCase,
    Plan,
    draw_answers,
    draw_person,
    draw_roster,
    draw_scanner,
    grader,
    make_form,
    mishaps,
    people,
    plan,
)
from tests.benchmarks.tally import MOST_OF_SORT, NEAR_MM, BoxCell, Odd, Outcome, Tally, as_json, tables

#: Seeds of the benchmark. Whoever tunes the reader uses seeds below 1,000.
SEED = 2_026_000
SHOWN_FEATURES = (
    "ink",
    "core",
    "dark",
    "faint",
    "peak",
    "least_cell",
    "cells",
    "diagonal",
    "outside",
    "beyond",
    "frame",
    "seen",
)
_CROP_BOXES = 3.0  # side of a crop, in boxes
_CROP_PX = 120
_CROPS_PER_ROW = 10


def main() -> int:
    """Run it; 1 where a target is missed."""
    options = _options()
    began = time.monotonic()
    plans = plan(options.boxes, options.seed)
    total = Tally()
    with tempfile.TemporaryDirectory(prefix="scangrade-simulated-") as scratch:
        for number, tally in enumerate(_run_all(plans, Path(scratch), options.workers), start=1):
            total.add(tally)
            if sys.stderr.isatty():
                print(f"\r{number} of {len(plans)} batches", end="", file=sys.stderr, flush=True)
    wall = time.monotonic() - began
    made = tables(total)
    pages = total.pages.total()
    about = {
        "seed": options.seed,
        "boxes": sum(one.boxes for one in plans),
        "batches": len(plans),
        "pages": pages,
        "boxes_lost_by_the_scanner": total.invisible,
        "wall_s": round(wall, 1),
        "cpu_ms_per_page": round(1000 * total.cpu_s / max(1, pages), 1),
        "cpu_ms_per_page_reading": round(1000 * total.cpu_read_s / max(1, pages), 1),
    }
    print("\n" + "  ".join(f"{name} {value}" for name, value in about.items()))
    for table in made:
        print(f"\n{table}")
    if options.list:
        print("\n" + "\n".join(f"{number:4} {one.line}" for number, one in enumerate(total.odd, start=1)))
    if options.sheet:
        options.sheet.mkdir(parents=True, exist_ok=True)
        _sheet(total.odd, options.sheet / "simulated-worst.png")
    if options.json:
        options.json.write_text(json.dumps(as_json(made, about), indent=1), encoding="utf-8")
    return 1 if any("MISSED" in row for row in made[0].rows) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.simulated", description=__doc__)
    parser.add_argument("--boxes", type=int, default=1_000_000, help="boxes to simulate, at least (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=SEED, help="default: %(default)s; use one below 1,000 to tune with")
    parser.add_argument("--list", action="store_true", help="list the worst boxes with what was measured")
    parser.add_argument("--sheet", type=Path, metavar="FOLDER", help="draw the worst boxes into a picture in this folder")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the tables as JSON as well")
    return parser.parse_args()


def _run_all(plans: Sequence[Plan], scratch: Path, workers: int) -> Iterator[Tally]:
    if workers < 2:
        yield from (run_batch(one, scratch) for one in plans)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=begin_worker) as pool:
        yield from pool.map(functools.partial(run_batch, scratch=scratch), plans)


# --------------------------------------------------------------------------- a batch, in a worker process


@dataclass(frozen=True, slots=True, eq=False)
class _Made:
    """A simulated booklet."""

    persona: Persona
    truth: BookletTruth
    images: Mapping[int, ScannedImage]  #: by page
    refs: Mapping[int, PageRef]  #: by page


@functools.lru_cache(maxsize=2)  # batches of one form follow each other
def _form(case: FormCase, scratch: Path) -> tuple[Form, FormReader]:
    own = scratch / multiprocessing.current_process().name
    own.mkdir(exist_ok=True)
    form = make_form(case, own)
    return form, FormReader(form.layout)


def run_batch(batch: Plan, scratch: Path) -> Tally:
    """Make, read and judge one batch."""
    began = time.process_time()
    rng = np.random.default_rng([batch.seed, batch.number])
    case = FORMS[batch.form]
    form, reader = _form(case, scratch)
    scanner = draw_scanner(batch.severity, form.layout, rng)
    numbers, roster = draw_roster(form.layout, batch.booklets, rng)
    booklets = _make(form, batch, scanner, numbers, rng)
    before_reading = time.process_time()
    results = _read(booklets, reader)
    collated, flags = collate(list(results.values()), form.layout)
    answers = decide(collated, form.layout, settings=DECIDE)
    judge = _Judge(batch, case.name, scanner, form.layout, results, collated, answers, Tally())
    judge.tally.cpu_read_s = time.process_time() - before_reading
    for one in booklets:
        judge.pages(one, {flag.ref for flag in flags})
        judge.boxes(one)
    judge.numbers(booklets, roster)
    judge.draw_worst()
    judge.tally.cpu_s = time.process_time() - began
    return judge.tally


def _make(form: Form, batch: Plan, scanner: Scanner, numbers: Sequence[str], rng: np.random.Generator) -> list[_Made]:
    some = people(form.layout.convention, batch.severity, scanner)
    made: list[_Made] = []
    place = 0
    for index, number in enumerate(numbers):
        persona = draw_person(some, scanner, rng)
        images, truth = simulate_booklet(
            form.layout,
            draw_answers(form.layout, number, rng),
            persona,
            scanner,
            rng,
            f"{index + 1:04d}",
            form=form.printed,
            texts={one.id: number for one in form.layout.fields if one.role == "student_number"},
            student_number=number,
            pages=form.pages,
            mishaps=mishaps(batch.severity),
            grader=grader(scanner),
        )
        refs = {page: PageRef("batch.pdf", place + nth, 0) for nth, page in enumerate(form.pages, start=1)}
        place += len(images)
        made.append(_Made(persona, truth, dict(zip(form.pages, images, strict=True)), refs))
    return made


def _read(booklets: Sequence[_Made], reader: FormReader) -> dict[PageRef, ScannedPage]:
    """Every page as the workers of `scangrade grade` read it, but for the file around it."""
    results = {}
    for one in booklets:
        for page, image in one.images.items():
            ref = one.refs[page]
            scanned = PageImage(image.pixels(), float(image.dpi), f"{ref.scan_page:064d}")
            results[ref] = ScannedPage(ref, read_page(scanned, reader, expected_page=page))
    return results


class _Judge:
    """Holds what was read of a batch against what is there."""

    def __init__(
        self,
        batch: Plan,
        form: str,
        scanner: Scanner,
        layout: Layout,
        results: Mapping[PageRef, ScannedPage],
        collated: Sequence[Booklet],
        answers: Mapping[str, Sequence[Answer]],
        tally: Tally,
    ) -> None:
        self.batch, self.form, self.scanner, self.layout, self.tally = batch, form, scanner, layout, tally
        self.results, self.answers = results, answers
        self.home = {page.ref: one.id for one in collated for page in one.pages.values()}
        self.spare = {page.ref for one in collated for page in one.duplicates}
        self.by_field = {id_: {answer.field: answer for answer in some} for id_, some in answers.items()}
        self.box = {box.key: box for one in layout.fields for box in one.boxes}
        self.row = {box.key: row for page in layout.pages for row, box in enumerate(layout.boxes(page.number))}
        self.odd: list[tuple[tuple[float, ...], _Made, BoxTruth, BoxVerdict, Outcome]] = []

    def pages(self, one: _Made, named: set[PageRef | None]) -> None:
        """Account for a booklet's pages: each is read where it belongs, or somebody is told of it."""
        severity = self.batch.severity
        homes = [self.home[ref] for ref in one.refs.values() if ref in self.home]
        usual = max(sorted(set(homes)), key=homes.count) if homes else ""
        for page, ref in one.refs.items():
            result = self.results[ref].result
            if isinstance(result, PageSetAside):
                self.tally.pages[severity, f"set aside: {result.reason.value}"] += 1
            elif result.page != page or self.home.get(ref, usual) != usual:
                self.tally.pages[severity, "misplaced"] += 1
            elif ref in self.home:
                self.tally.pages[severity, "read"] += 1
                self._offsets(one, page, result)
            else:
                self.tally.pages[severity, "duplicate, flagged" if ref in self.spare and ref in named else "lost"] += 1

    def _offsets(self, one: _Made, page: int, result: PageRead) -> None:
        """How far boxes were found from where they are."""
        boxes = self.layout.boxes(page)
        centres = np.array([(box.x_mm, box.y_mm) for box in boxes])
        moved = result.readings.values[:, [FEATURES.index("dx_mm"), FEATURES.index("dy_mm")]]
        image = one.images[page]
        found = project(as_matrix(result.transform), centres + np.nan_to_num(moved))
        off = np.hypot(*(found - image.places(centres)).T) / (image.dpi / 25.4)
        self.tally.offsets[self.batch.severity].append((float(off.max()), float(np.median(off))))
        kinds = {f"{truth.field}/{truth.box}": truth.kind for truth in one.truth.boxes if truth.page == page}
        for box, distance in zip(boxes, off.tolist(), strict=True):
            self.tally.far[kinds[box.key], "far" if distance > NEAR_MM else "near"] += 1

    def boxes(self, one: _Made) -> None:
        """Count the boxes of a booklet's pages that were read, and its questions."""
        by_field: dict[str, list[BoxTruth]] = {}
        for truth in one.truth.boxes:
            by_field.setdefault(truth.field, []).append(truth)
        for field_id, truths in by_field.items():
            home = self.home.get(one.refs[truths[0].page])
            result = self.results[one.refs[truths[0].page]].result
            answer = self.by_field.get(home or "", {}).get(field_id)
            if answer is None or not isinstance(result, PageRead) or result.page != truths[0].page:
                continue
            self._question(one, answer, truths)

    def _question(self, one: _Made, answer: Answer, truths: Sequence[BoxTruth]) -> None:
        doubtful = any(truth.verdict is Verdict.UNSURE for truth in truths)
        kind = self.layout.field(answer.field).kind
        bilevel = self.scanner.mode is Mode.BILEVEL
        needless = False
        for truth, verdict in zip(truths, answer.verdicts, strict=True):
            # a black and white scanner may also blacken what lies over each other
            pale = bilevel and (truth.kind.partition("+")[0] in PALE or truth.kind.count("+") > 1)
            if pale:
                self.tally.invisible += 1
                continue
            outcome = _outcome(truth, verdict, asked=truth.box in answer.open, doubtful=doubtful)
            needless |= outcome is Outcome.FLAGGED
            cell = BoxCell(
                self.batch.severity, self.form, one.truth.persona, self.scanner.name, truth.kind, truth.verdict, outcome
            )
            self.tally.boxes[cell] += 1
            if truth.verdict is not Verdict.UNSURE:
                marked = truth.verdict is Verdict.MARKED
                if verdict.verdict is Verdict.UNSURE:
                    self.tally.state(self.batch.severity, "unsure", verdict.probability, marked)
                else:
                    right = (verdict.verdict is Verdict.MARKED) == marked
                    self.tally.state(self.batch.severity, "decided", verdict.probability, right)
            rank = _rank(outcome, verdict)
            if rank:
                self.odd.append((rank, one, truth, verdict, outcome))
        if not doubtful and kind in (FieldKind.CHOICE, FieldKind.CREDIT, FieldKind.VERSION):
            self.tally.questions[self.batch.severity, "flagged" if needless else "decided"] += 1

    def numbers(self, booklets: Sequence[_Made], roster: Roster) -> None:
        """Count whose booklets were matched rightly."""
        if not any(one.kind is FieldKind.DIGIT and one.role == "student_number" for one in self.layout.fields):
            return
        identities, _ = identify(self.answers, self.layout, roster)
        matched = {one.booklet: one for one in identities if one.status is MatchStatus.MATCHED}
        for one in booklets:
            homes = [self.home[ref] for ref in one.refs.values() if ref in self.home]
            found = next((matched[home] for home in homes if home in matched), None)
            if found is None or found.student is None:
                self.tally.numbers[self.batch.severity, "flagged"] += 1
            else:
                right = found.student.number == one.truth.student_number
                self.tally.numbers[self.batch.severity, "right" if right else "wrong"] += 1

    def draw_worst(self) -> None:
        """Keep the worst boxes of the batch with a picture of each."""
        self.odd.sort(key=lambda item: (item[0], item[1].truth.copy, item[2].field, item[2].box))
        decoded: dict[int, NDArray[np.uint8]] = {}
        of_sort: Counter[tuple[Outcome, str, Verdict]] = Counter()
        for rank, one, truth, verdict, outcome in self.odd:
            sort = (outcome, truth.kind, verdict.verdict)
            of_sort[sort] += 1
            if of_sort[sort] > MOST_OF_SORT:
                continue
            image = one.images[truth.page]
            if id(image) not in decoded:
                decoded = {id(image): image.pixels()}
            result = self.results[one.refs[truth.page]].result
            assert isinstance(result, PageRead)
            box = self.box[f"{truth.field}/{truth.box}"]
            side = max(box.width_mm, box.height_mm) * _CROP_BOXES
            crop = _crop(decoded[id(image)], as_matrix(result.transform), box.x_mm, box.y_mm, side)
            values = dict(zip(FEATURES, result.readings.values[self.row[box.key]].tolist(), strict=True))
            numbers = " ".join(f"{name}={values[name]:.2f}" for name in SHOWN_FEATURES)
            where = f"batch {self.batch.number} {self.form}, {self.scanner.name}, {one.truth.persona}, {one.truth.copy}"
            what = f"{truth.kind or 'nothing'}: {truth.verdict.value}"
            caption = (f"{what[:17]}>{verdict.verdict.value}", f"{self.scanner.name[:9]} {self.form[:10]}")
            line = f"{outcome.value:8} {what}, read {verdict.verdict.value} ({verdict.probability:.4f})  {where} {box.key}  {numbers}"
            self.tally.odd.append(Odd((*rank, self.batch.number), str(sort), caption, line, crop))


def _outcome(truth: BoxTruth, verdict: BoxVerdict, *, asked: bool, doubtful: bool) -> Outcome:
    if truth.verdict is Verdict.UNSURE:
        return Outcome.SEEN if asked else Outcome.SILENT
    if asked:
        if truth.kind.partition("+")[0] in FAIR_TO_ASK:
            return Outcome.EITHER
        return Outcome.ALONG if doubtful else Outcome.FLAGGED
    # an undone cross and an empty box are the same answer
    right = (verdict.verdict is Verdict.MARKED) == (truth.verdict is Verdict.MARKED)
    return Outcome.RIGHT if right else Outcome.WRONG


def _rank(outcome: Outcome, verdict: BoxVerdict) -> tuple[float, ...]:
    """Silent errors first, then what should have been seen, the most confident first; then flags that should not be."""
    match outcome:
        case Outcome.WRONG:
            return (0, -verdict.probability)
        case Outcome.SILENT:
            return (1, -verdict.probability)
        case Outcome.FLAGGED:
            return (2, -abs(verdict.probability - 0.5))
        case _:
            return ()


def _crop(
    pixels: NDArray[np.uint8], matrix: NDArray[np.float64], x_mm: float, y_mm: float, side_mm: float
) -> NDArray[np.uint8]:
    step = side_mm / _CROP_PX
    to_layout = np.array([[step, 0, x_mm - side_mm / 2], [0, step, y_mm - side_mm / 2], [0, 0, 1]])
    flags = cv2.INTER_AREA | cv2.WARP_INVERSE_MAP
    crop = cv2.warpPerspective(pixels, matrix @ to_layout, (_CROP_PX, _CROP_PX), flags=flags, borderValue=128)
    return np.asarray(crop, dtype=np.uint8)


def _sheet(worst: Sequence[Odd], path: Path) -> None:
    """Write a picture of the worst boxes, each with what it holds, what was read, the scanner and the form."""
    if not worst:
        return
    tiles = []
    for number, one in enumerate(worst, start=1):
        tile = np.full((_CROP_PX + 28, _CROP_PX + 6), 255, np.uint8)
        tile[:_CROP_PX, :_CROP_PX] = one.crop
        for row, text in enumerate((f"{number} {one.caption[0]}", one.caption[1])):
            at = (1, _CROP_PX + 11 + 13 * row)
            cv2.putText(tile, text, at, cv2.FONT_HERSHEY_PLAIN, 0.62, 0 if one.rank[0] == 0 else 110, 1, cv2.LINE_AA)
        tiles.append(tile)
    blank = np.full_like(tiles[0], 255)
    tiles += [blank] * (-len(tiles) % _CROPS_PER_ROW)
    rows = [np.hstack(tiles[start : start + _CROPS_PER_ROW]) for start in range(0, len(tiles), _CROPS_PER_ROW)]
    cv2.imwrite(str(path), np.vstack(rows))


if __name__ == "__main__":
    sys.exit(main())
