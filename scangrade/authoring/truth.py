"""What is really on simulated scans: written beside them so that a reader can be held against it.

Pixels are counted as OpenCV does: the centre of the image's top left pixel is (0, 0).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scangrade.model import Answer, BoxVerdict, Layout, Transform, Verdict

#: Who decided, in answers made from the truth.
TRUTH = "truth"


@dataclass(frozen=True, slots=True)
class BoxTruth:
    """What a box holds."""

    field: str
    box: str
    page: int
    verdict: Verdict  #: `UNSURE`: a fair person would hesitate, so a reader should ask
    kind: str = ""  #: how it was marked: "full", "cross", "ghost", ...; "" for an untouched box


@dataclass(frozen=True, slots=True)
class PageTruth:
    """Which page of a booklet a scanned page is, and how it lies."""

    scan: str  #: file name, "" before it was written
    scan_page: int  #: from 1, 0 before it was written
    page: int
    rotation: int  #: clockwise turn in degrees that brings the stored image upright
    dpi: float
    transform: Transform  #: layout mm to pixels of the stored image; feed wobble is not in it


@dataclass(frozen=True, slots=True)
class BookletTruth:
    """One student's booklet."""

    copy: str  #: number of the booklet, also where no page code says it
    student_number: str  #: whose booklet it is, "" for somebody unknown
    version: str
    persona: str
    pages: tuple[PageTruth, ...]  #: in the order of scanning; a page that is not among them was not scanned
    boxes: tuple[BoxTruth, ...]  #: of all pages, in layout order


@dataclass(frozen=True, slots=True)
class BatchTruth:
    """A batch of scans of one form."""

    layout: str
    booklets: tuple[BookletTruth, ...]

    def to_json(self) -> str:
        """The truth as JSON text, one line per page and box so that changes of a committed file can be read."""
        booklets = []
        for booklet in self.booklets:
            head = {"copy": booklet.copy, "student_number": booklet.student_number}
            head |= {"version": booklet.version, "persona": booklet.persona}
            opening = json.dumps(head, ensure_ascii=False)[:-1]
            pages = ",\n".join(json.dumps(asdict(page), ensure_ascii=False) for page in booklet.pages)
            boxes = ",\n".join(
                json.dumps([box.field, box.box, box.page, box.verdict.value, box.kind], ensure_ascii=False)
                for box in booklet.boxes
            )
            booklets.append(f'{opening}, "pages": [\n{pages}\n], "boxes": [\n{boxes}\n]}}')
        return f'{{"layout": {json.dumps(self.layout)}, "booklets": [\n' + ",\n".join(booklets) + "\n]}\n"


def batch_from_json(text: str) -> BatchTruth:
    """The truth from JSON text as `BatchTruth.to_json` wrote it."""
    data = json.loads(text)
    return BatchTruth(data["layout"], tuple(_booklet(one) for one in data["booklets"]))


def load_truth(path: Path) -> BatchTruth:
    """Read a truth file."""
    return batch_from_json(path.read_text(encoding="utf-8"))


def _booklet(data: Mapping[str, Any]) -> BookletTruth:
    pages = tuple(PageTruth(**{**one, "transform": Transform(tuple(one["transform"]["matrix"]))}) for one in data["pages"])
    boxes = tuple(BoxTruth(one, box, page, Verdict(verdict), kind) for one, box, page, verdict, kind in data["boxes"])
    return BookletTruth(data["copy"], data["student_number"], data["version"], data["persona"], pages, boxes)


def truth_answers(booklets: Sequence[BookletTruth], layout: Layout) -> dict[str, tuple[Answer, ...]]:
    """The answers a faultless reader gives, by booklet copy.

    One answer per field with boxes whose page was scanned, in layout order. Boxes about which a fair person would hesitate stay
    `UNSURE`, so that points that hang on them stay open.
    """
    out: dict[str, tuple[Answer, ...]] = {}
    for booklet in booklets:
        scanned = {one.page for one in booklet.pages}
        by_field: dict[str, list[BoxVerdict]] = defaultdict(list)
        for one in booklet.boxes:
            probability = 0.5 if one.verdict is Verdict.UNSURE else 1.0
            by_field[one.field].append(BoxVerdict(one.field, one.box, one.verdict, probability, TRUTH))
        out[booklet.copy] = tuple(
            Answer(field.id, tuple(by_field[field.id])) for field in layout.fields if field.boxes and field.page in scanned
        )
    return out
