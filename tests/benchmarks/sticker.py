"""Labels in three severities: how many are read, how many booklets are given to the right student, and what a cover page costs."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from unittest import mock

import numpy as np

from scangrade.answers.identify import Said, identify
from scangrade.authoring.scanner import COLOUR300, COPIER, COPIER_1BIT, EXTREME, FAX, GOOD, HARD, OFFICE, ScannedImage, Scanner
from scangrade.authoring.simulate import PrintedForm
from scangrade.model import MatchStatus, PageRead, Roster, StickerRead, Student
from scangrade.paper.rasterise import PageImage
from scangrade.paper.read import FormReader, read_page
from scangrade.paper.sticker import read_numbers
from tests import labels
from tests.labels import Label


@dataclass(frozen=True)
class Severity:
    """How badly labels are pasted and scanned."""

    name: str
    scanners: tuple[Scanner, ...]
    turn_deg: float  #: sigma
    shift_mm: float  #: sigma
    creases: int  #: most
    crease_mm: float  #: widest


SEVERITIES = (
    Severity("neat", (GOOD, OFFICE, COPIER, COLOUR300), 2.0, 2.0, 0, 0.0),
    Severity("careless", (OFFICE, COPIER, COPIER_1BIT, FAX), 5.0, 5.0, 1, 0.3),
    Severity("bad", (HARD, EXTREME, FAX), 10.0, 7.0, 2, 0.6),
)
KINDS = ("DataMatrix", "QRCode", "Code128")


def main() -> None:
    """Print a table for each severity, and what pages cost."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.sticker", description=__doc__)
    parser.add_argument("--labels", type=int, default=100, help="of each severity (default: %(default)s)")
    parser.add_argument("--only", choices=[one.name for one in SEVERITIES], help="this severity only")
    options = parser.parse_args()
    form = labels.form(content="{exam}/{copy}/{page}")
    printed, reader = labels.printed_form(form), FormReader(form)
    print(
        "| severity | labels | code read | not read | misread | print read | not read | misread | by Tesseract | settled | flagged"
        " | wrong student | other print taken for the code's |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|---|---|")
    spent: list[float] = []
    for number, severity in enumerate(SEVERITIES):
        if options.only not in (None, severity.name):
            continue
        tally = _measure(severity, options.labels, printed, reader, np.random.default_rng(number), spent)
        columns = [f"{who}_{what}" for who in ("code", "print") for what in ("right", "none", "wrong")]
        counts = [tally[one] for one in (*columns, "tesseract", "settled", "flagged", "wrong", "confused")]
        print(f"| {severity.name} | {options.labels} | {' | '.join(map(str, counts))} |", flush=True)
    print(f"\nCPU per cover page with a label, Tesseract's included: {1000 * float(np.mean(spent)):.0f} ms")
    _costs(printed, reader)


def _measure(
    severity: Severity, count: int, printed: PrintedForm, reader: FormReader, rng: np.random.Generator, spent: list[float]
) -> Counter[str]:
    numbers = [f"{one:08d}" for one in rng.choice(10**8, 400, replace=False).tolist()]
    roster = Roster(tuple(Student(one) for one in numbers))
    tally: Counter[str] = Counter()
    for index in range(count):
        number = numbers[index]
        label = pasted(severity, number, KINDS[index % len(KINDS)], rng)
        scanner = severity.scanners[index // len(KINDS) % len(severity.scanners)]
        image = labels.scanned(label, scanner, rng, printed)
        with mock.patch("scangrade.paper.sticker.read_numbers", wraps=read_numbers) as tesseract:
            before = _cpu()
            read = _read(image, reader)
            spent.append(_cpu() - before)
        tally["tesseract"] += bool(tesseract.called)
        # a label whose print is another number than its code, by one digit
        place = index % len(number)
        other = number[:place] + str((int(number[place]) + 1 + index % 9) % 10) + number[place + 1 :]
        with mock.patch("scangrade.paper.sticker.read_numbers", return_value=()):
            image = labels.scanned(replace(label, printed=other), scanner, rng, printed)
            tally["confused"] += number in _read(image, reader).printed
        tally[f"code_{_told([one.text for one in read.codes], number)}"] += 1
        tally[f"print_{_told(read.printed, number)}"] += 1
        (identity,), _ = identify({"b": ()}, printed.layout, roster, said={"b": Said(read)})
        settled = identity.status is MatchStatus.MATCHED
        right = settled and identity.student == Student(number)
        tally["settled" if right else "wrong" if settled else "flagged"] += 1
    return tally


def _read(image: ScannedImage, reader: FormReader) -> StickerRead:
    """The label of a page; of one that is set aside nothing is read."""
    result = read_page(PageImage(image.pixels(), image.dpi, "cover"), reader, expected_page=1)
    return (isinstance(result, PageRead) and result.sticker) or StickerRead()


def _told(said: Sequence[str], number: str) -> str:
    return "none" if not said else "right" if set(said) == {number} else "wrong"


def pasted(severity: Severity, number: str, kind: str, rng: np.random.Generator) -> Label:
    def crease() -> tuple[float, float, float]:
        return float(rng.uniform(0.05, 0.95)), float(rng.uniform(-60, 60)), float(rng.uniform(0.1, severity.crease_mm))

    return Label(
        number,
        number,
        kind,
        turn_deg=float(rng.normal(0, severity.turn_deg)),
        right_mm=float(np.clip(rng.normal(0, severity.shift_mm), -15, 4)),
        down_mm=float(np.clip(rng.normal(0, severity.shift_mm), -15, 15)),
        creases=tuple(crease() for _ in range(int(rng.integers(0, severity.creases + 1)))),
    )


def _costs(printed: PrintedForm, reader: FormReader, rounds: int = 9) -> None:
    """CPU of one cover page with a label, with one that only Tesseract reads, with an empty place, and with no place looked at."""
    plain = FormReader(replace(printed.layout, fields=tuple(one for one in printed.layout.fields if one.boxes)))
    pages = {}
    for dpi in (150, 300):
        scanner = replace(OFFICE, dpi=dpi)
        numbers = [f"{7919 * 7919 * (one + 1) % 10**8:08d}" for one in range(rounds)]
        every: list[Label | None] = [Label(one, one) for one in numbers]
        pages[dpi] = [
            labels.scanned(one, scanner, np.random.default_rng(seed), printed) for seed, one in enumerate([*every, None])
        ]
    print("\n| scan | label | label that only Tesseract reads | empty place | form without a place |\n|---|---|---|---|---|")
    for dpi, (*with_label, empty) in pages.items():
        costs: list[list[float]] = [[], [], [], []]
        for one in with_label:  # in turn, so that a busy machine is as busy for each
            costs[0].append(_cost(one.pixels(), dpi, reader))
            with mock.patch("scangrade.paper.sticker.is_only_number", return_value=False):
                costs[1].append(_cost(one.pixels(), dpi, reader))
            costs[2].append(_cost(empty.pixels(), dpi, reader))
            costs[3].append(_cost(empty.pixels(), dpi, plain))
        print(f"| {dpi} dpi | {' | '.join(f'{1000 * float(np.median(one)):.0f} ms' for one in costs)} |", flush=True)


def _cost(pixels: np.ndarray, dpi: int, reader: FormReader) -> float:
    before = _cpu()
    read_page(PageImage(pixels, dpi, "cover"), reader, expected_page=1)
    return _cpu() - before


def _cpu() -> float:
    """CPU seconds of this process and of programs that it called."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


if __name__ == "__main__":
    main()
