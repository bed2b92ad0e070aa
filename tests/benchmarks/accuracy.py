"""Reads scans with known truth the way `scangrade grade` does, and counts what is right, silently wrong, and asked.

A silent error is the one thing that must not happen: a box decided by the machine, with nobody asked, and wrong. A page that must
be set aside but is read counts too, and so does a page that is taken for another one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from scangrade.answers.collate import collate
from scangrade.answers.decide import decide
from scangrade.definitions.layout import load_layout
from scangrade.errors import DefinitionError
from scangrade.geometry import as_matrix
from scangrade.model import FEATURES, Layout, PageRead, PageRef, PageResult, PageSetAside, ScannedPage, Verdict
from scangrade.paper.rasterise import open_scan
from scangrade.paper.reader import PaperReader
from scangrade.settings import DECIDE
from tests.benchmarks.corpus import Case, Form, TruePage, as_layout_file

SHOWN_FEATURES = ("ink", "core", "dark", "peak", "least_cell", "outside", "frame")
CROP_BOXES = 2.4  # side of a crop, in boxes
CROP_PX = 96
CROPS_PER_ROW = 12
MOST_CROPS = 1200


@dataclass(frozen=True, slots=True)
class BoxResult:
    """A box, what it holds and what was made of it."""

    case: str
    page: TruePage
    key: str
    truth: bool | None
    verdict: Verdict
    probability: float
    flagged: bool
    features: Mapping[str, float]
    matrix: NDArray[np.float64]  #: layout mm to pixels of the stored image
    x_mm: float
    y_mm: float
    side_mm: float
    channel: str  #: light in which the page was looked at

    @property
    def wrong(self) -> bool:
        """Decided by the machine, and not what is there."""
        return not self.flagged and self.truth is not None and (self.verdict is Verdict.MARKED) != self.truth

    def line(self) -> str:
        """For people, on one line."""
        what = "WRONG" if self.wrong else "asked" if self.truth is not None else "fair to ask"
        there = {True: "marked", False: "empty", None: "doubtful"}[self.truth]
        numbers = " ".join(f"{name}={self.features[name]:.2f}" for name in SHOWN_FEATURES)
        return (
            f"{what:11} {self.case} {self.page.scan.name} p.{self.page.scan_page} {self.key}: is {there}, "
            f"read {self.verdict.value} ({self.probability:.3f})  {numbers}"
        )


@dataclass(slots=True)
class Tally:
    """Counts of one case, or of all."""

    name: str
    pages: int = 0
    read: int = 0
    aside: Counter[str] = field(default_factory=Counter)  #: reasons, of pages that could have been read
    rightly_aside: int = 0
    misread_pages: int = 0  #: read though they must be set aside, or taken for another page
    boxes: int = 0  #: of pages that were read, and with a certain truth
    right: int = 0
    wrong: int = 0
    flagged: int = 0  #: of `boxes`
    doubtful: int = 0  #: boxes about which fair people could disagree
    doubtful_flagged: int = 0
    faults: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Add the counts of a case."""
        for name in ("pages", "read", "rightly_aside", "misread_pages", "boxes", "right", "wrong", "flagged"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.doubtful += other.doubtful
        self.doubtful_flagged += other.doubtful_flagged
        self.aside.update(other.aside)
        self.faults += [f"{other.name}: {fault}" for fault in other.faults]


def grade_case(case: Case, scratch: Path) -> tuple[Tally, list[BoxResult]]:
    """Read and decide all pages of a case.

    Parameters
    ----------
    case : Case
        As converted.
    scratch : Path
        Folder for layout files.

    """
    tally = Tally(case.name, faults=list(case.faults))
    results: list[BoxResult] = []
    for form in case.forms:
        tally.pages += len(form.pages)
        layout, issues = load_layout(as_layout_file(form, scratch))
        if layout is None:
            tally.faults += [str(issue) for issue in issues]
            tally.aside["layout refused"] += len(form.pages)
            continue
        try:
            results += _grade_form(case.name, form, layout, tally)
        except DefinitionError as error:
            tally.faults.append(str(error))
            tally.aside["layout refused"] += len(form.pages)
    certain = [one for one in results if one.truth is not None]
    tally.boxes = len(certain)
    tally.flagged = sum(one.flagged for one in certain)
    tally.wrong = sum(one.wrong for one in certain)
    tally.right = tally.boxes - tally.flagged - tally.wrong
    tally.doubtful = len(results) - len(certain)
    tally.doubtful_flagged = sum(one.flagged for one in results if one.truth is None)
    return tally, results


def _grade_form(case: str, form: Form, layout: Layout, tally: Tally) -> Iterator[BoxResult]:
    reader = PaperReader(layout)
    there = [page for page in form.pages if page.scan.is_file()]
    for gone in sorted({page.scan.name for page in form.pages} - {page.scan.name for page in there}):
        tally.faults.append(f"{gone}: not there, left out")
    tally.pages -= len(form.pages) - len(there)
    scans = list(dict.fromkeys(page.scan for page in there))
    scanned = {
        PageRef(page.scan.name, page.scan_page, scans.index(page.scan)): (page, reader.read(page.scan, page.scan_page))
        for page in there
    }
    booklets, _ = collate([ScannedPage(ref, result) for ref, (_, result) in scanned.items()], layout)
    answers = decide(booklets, layout, settings=DECIDE)
    place = {page.ref: booklet.id for booklet in booklets for page in booklet.pages.values()}
    for ref, (page, result) in scanned.items():
        if not _counts(page, result, tally):
            continue
        if ref not in place:
            tally.aside["duplicate"] += 1
            tally.read -= 1
            continue
        assert isinstance(result, PageRead)
        decided = {
            f"{one.field}/{one.box}": (one, one.box in answer.open)
            for answer in answers[place[ref]]
            for one in answer.verdicts
        }
        for box, values in zip(layout.boxes(page.page), result.readings.values, strict=True):
            if box.key not in page.truth:
                continue
            verdict, flagged = decided[box.key]
            yield BoxResult(
                case,
                page,
                box.key,
                page.truth[box.key],
                verdict.verdict,
                verdict.probability,
                flagged,
                dict(zip(FEATURES, values.tolist(), strict=True)),
                as_matrix(result.transform),
                box.x_mm,
                box.y_mm,
                max(box.width_mm, box.height_mm),
                layout.dropout,
            )


def _counts(page: TruePage, result: PageResult, tally: Tally) -> bool:
    """Account for a page; whether its boxes count."""
    if isinstance(result, PageSetAside):
        if page.reject:
            tally.rightly_aside += 1
        else:
            tally.aside[result.reason.value] += 1
        return False
    if page.reject or result.page != page.page:
        tally.misread_pages += 1
        return False
    tally.read += 1
    return True


HEADINGS = ("case", "pages", "read", "set aside", "boxes", "right", "wrong", "flagged", "doubtful, flagged", "misread pages")


def table(tallies: Iterable[Tally]) -> str:
    """The tallies and their sum as an aligned table."""
    total = Tally("all")
    rows: list[tuple[str, ...]] = [HEADINGS]
    for one in tallies:
        rows.append(_row(one))
        total.add(one)
    rows.append(_row(total))
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = [
        "  ".join(cell.ljust(width) if column in (0, 3) else cell.rjust(width) for column, (cell, width) in enumerate(cells))
        for cells in (list(zip(row, widths, strict=True)) for row in rows)
    ]
    lines.insert(1, "-" * len(lines[0]))
    lines.insert(-1, "-" * len(lines[0]))
    if total.boxes:
        silent, asked = total.wrong / total.boxes, total.flagged / total.boxes
        lines += ["", f"silent errors {silent:.3%} of boxes, flagged though clear {asked:.2%}"]
    lines += [f"could not be used: {fault}" for fault in total.faults]
    return "\n".join(lines)


def _row(one: Tally) -> tuple[str, ...]:
    aside = ", ".join(f"{number} {reason}" for reason, number in sorted(one.aside.items()))
    if one.rightly_aside:
        aside = f"{aside} ({one.rightly_aside} rightly)".strip()
    return (
        one.name,
        str(one.pages),
        str(one.read),
        aside or "-",
        str(one.boxes),
        str(one.right),
        str(one.wrong),
        str(one.flagged),
        f"{one.doubtful_flagged}/{one.doubtful}",
        str(one.misread_pages),
    )


def contact_sheet(results: Sequence[BoxResult], path: Path) -> None:
    """Write a picture of the first of these boxes: each with its surroundings, a number, the truth and the verdict."""
    decoded: dict[tuple[Path, int], NDArray[np.uint8]] = {}
    tiles = []
    for number, one in enumerate(results[:MOST_CROPS], start=1):
        page = (one.page.scan, one.page.scan_page)
        if page not in decoded:
            decoded = {page: _decoded(*page, one.channel)}
        tiles.append(_tile(number, one, decoded[page]))
    if not tiles:
        return
    blank = np.full_like(tiles[0], 255)
    tiles += [blank] * (-len(tiles) % CROPS_PER_ROW)
    rows = [np.hstack(tiles[start : start + CROPS_PER_ROW]) for start in range(0, len(tiles), CROPS_PER_ROW)]
    cv2.imwrite(str(path), np.vstack(rows))


def _decoded(scan: Path, scan_page: int, channel: str) -> NDArray[np.uint8]:
    opened = open_scan(scan)
    if not isinstance(opened, PageSetAside):
        with opened as pages:
            image = pages.page(scan_page - 1, channel=channel)
        if not isinstance(image, PageSetAside):
            return image.pixels
    raise AssertionError(f"{scan}, page {scan_page}, was read before")


def _tile(number: int, one: BoxResult, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    half = one.side_mm * CROP_BOXES / 2
    pixels_per_mm = CROP_PX / (2 * half)
    to_layout = np.array([[1 / pixels_per_mm, 0, one.x_mm - half], [0, 1 / pixels_per_mm, one.y_mm - half], [0, 0, 1]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    crop = cv2.warpPerspective(pixels, one.matrix @ to_layout, (CROP_PX, CROP_PX), flags=flags, borderValue=255)
    tile = np.full((CROP_PX + 26, CROP_PX + 4), 255, np.uint8)
    tile[:CROP_PX, :CROP_PX] = crop
    there = {True: "X", False: "-", None: "?"}[one.truth]
    cv2.putText(tile, f"{number} {there}>{one.verdict.value}", (2, CROP_PX + 11), cv2.FONT_HERSHEY_PLAIN, 0.8, 0)
    cv2.putText(tile, one.case[:14], (2, CROP_PX + 23), cv2.FONT_HERSHEY_PLAIN, 0.7, 0 if one.wrong else 128)
    return tile
