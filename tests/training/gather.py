"""Makes what the network is trained on: boxes of simulated booklets as the reader measures them, with what was drawn into each.

    python -m tests.training.gather FOLDER [--batches N] [--first N] [--workers 2]

Two batches of three are of a form drawn at random (`forms.py`), the others of one in `layouts/`; all go through the benchmark's population
of people and scanners, with more of what goes wrong, and with seeds that the benchmark never uses. A batch is one file.
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import tempfile
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scangrade.authoring.form import draw_blank
from scangrade.authoring.ink import Picture
from scangrade.authoring.mishaps import OF_PAGES, Mishap
from scangrade.authoring.person import Style
from scangrade.authoring.scanner import Mode
from scangrade.authoring.simulate import PrintedForm, print_form, simulate_booklet
from scangrade.authoring.truth import BoxTruth
from scangrade.model import Box, FieldKind, Layout, PageRead
from scangrade.paper.rasterise import PageImage
from scangrade.paper.read import FormReader, read_page
from scangrade.workers import begin_worker
from tests.benchmarks.population import (
    FORMS,
    Severity,
    draw_answers,
    draw_person,
    draw_scanner,
    grader,
    make_form,
    mishaps,
    people,
)
from tests.training.forms import wild_form

#: Seeds of training: the benchmark's are far above.
SEED = 100
_BOOKLETS = (3, 9)
#: How much more often than in the benchmark something happens to a question, and to a page.
_MORE_OF_QUESTIONS, _MORE_OF_PAGES = 8.0, 4.0
#: Marks that people make now and then beside their own, and how often.
_ODD_STYLES = (
    Style.PARTIAL,
    Style.LINE,
    Style.TICK,
    Style.CROSS,
    Style.FULL,
    Style.SCRIBBLE,
    Style.SMALL,
    Style.LOOPED,
    Style.ALPHA,
    Style.ZIGZAG,
)
_ODD_SHARE = 0.25
#: Share of the batches that are scanned, or saved, much too coarsely.
_COARSE = 0.12


@dataclass(frozen=True, slots=True, eq=False)
class _Form:
    layout: Layout
    printed: PrintedForm
    pages: tuple[int, ...]


def gather(number: int, folder: Path, scratch: Path) -> int:
    """Make one batch and write it; returns its number of boxes."""
    rng = np.random.default_rng([SEED, number])
    severity = tuple(Severity)[int(rng.choice(4, p=[0.1, 0.35, 0.35, 0.2]))]
    own = scratch / multiprocessing.current_process().name
    own.mkdir(exist_ok=True)
    form = _draw_form(number, rng, own)
    scanner = draw_scanner(severity, form.layout, rng)
    if form.layout.name.startswith("wild") and rng.random() < _COARSE:
        scanner = replace(scanner, dpi=int(rng.integers(72, 115)), blur_px=rng.uniform(0.4, 1.0))
    convention = form.layout.convention
    booklet_of: list[int] = []
    truths: list[BoxTruth] = []
    known: list[Box] = []
    values, patches, blanks = [], [], []
    reader = FormReader(form.layout)
    boxes = {page: form.layout.boxes(page) for page in form.pages}
    for booklet in range(int(rng.integers(*_BOOKLETS))):
        persona = draw_person(people(convention, severity, scanner), scanner, rng)
        persona = replace(persona, sometimes=_ODD_STYLES, sometimes_share=_ODD_SHARE, mistakes=persona.mistakes * 2)
        answers = draw_answers(form.layout, "".join(str(d) for d in rng.integers(0, 10, 12)), rng)
        for one in form.layout.fields:
            if one.kind is FieldKind.DIGIT and not answers.get(one.id):
                answers[one.id] = frozenset({one.boxes[int(rng.integers(len(one.boxes)))].value})
        images, truth = simulate_booklet(
            form.printed.layout,
            answers,
            persona,
            scanner,
            rng,
            f"{booklet + 1:04d}",
            form=form.printed,
            pages=form.pages,
            mishaps=_more(mishaps(severity)),
            grader=grader(scanner),
        )
        told = {f"{one.field}/{one.box}": one for one in truth.boxes}
        for page, image in zip(form.pages, images, strict=True):
            result = read_page(PageImage(image.pixels(), float(image.dpi), "0" * 64), reader, expected_page=page)
            if not isinstance(result, PageRead) or result.page != page:
                continue
            values.append(result.readings.values)
            patches.append(result.readings.patches)
            blanks.append(result.readings.blank)
            booklet_of += [booklet] * len(boxes[page])
            truths += [told[box.key] for box in boxes[page]]
            known += boxes[page]
    if not values:
        return 0
    arrays: dict[str, NDArray[Any]] = {
        "values": np.concatenate(values),
        "patches": np.concatenate(patches),
        "blanks": np.concatenate(blanks),
        "booklet": np.array(booklet_of),
        "page": np.array([box.page for box in known]),
        "kind": np.array([truth.kind for truth in truths]),
        "verdict": np.array([truth.verdict.value for truth in truths]),
        "meta": np.array([_as_text(box) for box in known]),
        "severity": np.array(severity.value),
        "bilevel": np.array(scanner.mode is Mode.BILEVEL),
        "convention": np.array(convention.value),
    }
    np.savez_compressed(folder / f"batch-{number:05d}.npz", allow_pickle=False, **arrays)
    return len(known)


def _as_text(box: Box) -> tuple[str, ...]:
    return (
        box.key,
        box.printed or box.value,
        str(bool(box.printed)),
        str(box.width_mm),
        str(box.height_mm),
        str(box.frame_mm),
        box.field,
    )


def _draw_form(number: int, rng: np.random.Generator, scratch: Path) -> _Form:
    if number % 3 == 2:
        case = FORMS[int(rng.integers(len(FORMS)))]
        form = make_form(case, scratch)
        return _Form(form.layout, form.printed, form.pages)
    wild = wild_form(rng, f"wild-{number}")
    printed = print_form(wild.printed, look=wild.look)
    if wild.look.ground < 1 and rng.random() < 0.6:
        printed = replace(printed, pages=tuple(_halftone(page, wild.look.ground, rng) for page in printed.pages))
    read = wild.read
    if rng.random() < 0.25:
        blank = scratch / f"wild-{number}.pdf"
        blank.write_bytes(draw_blank(wild.printed, look=wild.look))
        read = replace(read, reference=blank)
    return _Form(read, printed, (1,))


def _halftone(page: Picture, ground: float, rng: np.random.Generator) -> Picture:
    """A page whose gray grounds are printed as black dots, as printers do that have black only."""
    rows, columns = page.shape[0] // 2 + 1, page.shape[1] // 2 + 1
    dots = np.where(rng.random((rows, columns)) < ground, 255, 0).astype(np.uint8).repeat(2, axis=0).repeat(2, axis=1)
    gray = np.abs(page.astype(np.int16) - round(ground * 255)) < 10
    return np.where(gray, dots[: page.shape[0], : page.shape[1]], page)


def _more(chances: Mapping[Mishap, float]) -> dict[Mishap, float]:
    return {kind: share * (_MORE_OF_PAGES if kind in OF_PAGES else _MORE_OF_QUESTIONS) for kind, share in chances.items()}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--batches", type=int, default=600)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        work = functools.partial(gather, folder=asked.folder, scratch=Path(scratch))
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(asked.workers, mp_context=context, initializer=begin_worker) as pool:
            total = 0
            for count in pool.map(work, range(asked.first, asked.first + asked.batches)):
                total += count
    print(f"{total} boxes")


if __name__ == "__main__":
    main()
