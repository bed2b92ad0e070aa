"""Turns the case files of the scan corpus into layouts of our own, and into truth to compare with.

The corpus is a folder of real scans from other systems, with a `case.json` each that says where the form's boxes are and which of
them are marked. It is not part of this project. Two formats of case files are known: multi-page exams in units of 1/300 inch whose
pages carry registration discs and a number in bits, and single bubble sheets in the pixels of some template.

A case file may lack any key that is not needed to place boxes; what is unknown is left out of the layout.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from scangrade.authoring.printed_boxes import PrintedBox
from scangrade.authoring.truth import load_truth
from scangrade.model import Verdict
from tests.benchmarks.printed_boxes import measure_printed_boxes, template_scale

Json = dict[str, Any]

INCH_MM = 25.4
UNIT_MM = INCH_MM / 300  # of booklets
BOOKLET_FRAME_MM = 0.25  # three units; xmin to xmax is its inside, to half a unit (profiles across empty boxes of 20 cases)
A4_MM = (210.0, 297.0)
LETTER_MM = (215.9, 279.4)
ASPECT_TOLERANCE = 0.02
TRUE_DPI = 150  # claims below come from screens and software, not from scanners
LARGEST_BUBBLE_MM = 8.0  # a template without a paper size is one of a part of a page, if its bubbles were larger than this
MARGIN_MM = 15.0  # of paper around corner marks whose paper size is not given
RING_SHARE = 1 / 17  # of a template's width: OMRChecker's usual size of its concentric markers
RING_LINE_SHARE = 0.075  # outermost line of such a marker, measured on its picture
SKEWED_TEMPLATE = 0.03  # templates may be stretched in one direction; less than this is the photograph's perspective


@dataclass(frozen=True, slots=True)
class TruePage:
    """A page image, and what is on it."""

    scan: Path
    scan_page: int  #: from 1
    page: int  #: of the layout, 0 for a page that must be set aside
    truth: Mapping[str, bool | None]  #: box key "field/value" to marked; None where fair people could disagree

    @property
    def reject(self) -> bool:
        """Whether the page must be set aside."""
        return self.page == 0


@dataclass(frozen=True, slots=True)
class Form:
    """A layout, as the data of a layout file, and the pages that are of it, in the order of scanning."""

    name: str
    layout: Json | Path  #: what a layout file holds, or where it is
    pages: tuple[TruePage, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """A folder of the corpus."""

    name: str
    forms: tuple[Form, ...]
    faults: tuple[str, ...] = field(default=())  #: what could not be converted


def find_cases(corpus: Path, only: Sequence[str] = ()) -> Iterator[Path]:
    """Folders with a case file, at any depth, sorted; only those whose name is in `only`, if that is not empty."""
    for file in sorted(corpus.rglob("case.json")):
        if not only or file.parent.name in only:
            yield file.parent


def load_case(folder: Path) -> Case:
    """Convert one case; a case of neither format comes back without forms and with a fault."""
    data: Json = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    if isinstance(data.get("layout"), dict) and "fields" in data["layout"]:
        return Case(folder.name, (_sheet_form(folder, data),))
    if any("marks" in page.get("layout", {}) for page in data.get("pages", ())):
        return Case(folder.name, tuple(_booklet_forms(folder, data)), tuple(_unplaced(data)))
    return Case(folder.name, (), ("its format is not known",))


def load_sample(folder: Path, layouts: Path) -> Case:
    """The batch of scans in a folder of `samples/`, with the truth that was written when it was made."""
    batch = load_truth(folder / "truth.json")
    marked = {Verdict.MARKED: True, Verdict.EMPTY: False, Verdict.UNDONE: False, Verdict.UNSURE: None}
    pages = [
        TruePage(
            folder / "scans" / page.scan,
            page.scan_page,
            page.page,
            {f"{box.field}/{box.box}": marked[box.verdict] for box in booklet.boxes if box.page == page.page},
        )
        for booklet in batch.booklets
        for page in booklet.pages
    ]
    ordered = tuple(sorted(pages, key=lambda page: (page.scan, page.scan_page)))
    return Case(folder.name, (Form(folder.name, layouts / f"{batch.layout}.toml", ordered),))


def plain(name: object) -> str:
    """A name that is legal as the id of a field or the value of a box."""
    return re.sub(r"[/\s]+", "-", str(name).strip()).strip("-") or "-"


def _mm(length: float) -> float:
    return round(length, 4)


# --------------------------------------------------------------------------- exams of several pages


def _unplaced(data: Json) -> Iterator[str]:
    for page in data["pages"]:
        if len(page.get("layout", {}).get("marks", ())) != 4:
            yield f"{page.get('scan')} page {page.get('scan_page')}: not four registration marks"


def _booklet_forms(folder: Path, data: Json) -> Iterator[Form]:
    by_student: dict[Any, list[Json]] = defaultdict(list)
    for page in data["pages"]:
        if len(page.get("layout", {}).get("marks", ())) == 4:
            by_student[page.get("student", 0)].append(page)
    rejects = tuple(_rejected(folder, data.get("skipped_scans", ())))
    for position, (student, pages) in enumerate(by_student.items()):
        numbers = sorted({page.get("page", 1) for page in pages})
        layout_of = {page.get("page", 1): page["layout"] for page in reversed(pages)}
        fields = {number: _booklet_fields(layout_of[number], at) for at, number in enumerate(numbers, start=1)}
        layout = _booklet_layout(f"{folder.name}-{student}", data, [layout_of[number] for number in numbers])
        layout["fields"] = _with_unique_ids([one for number in numbers for one in fields[number]])
        code = _bits([layout_of[number] for number in numbers], numbers, student)
        if code:
            layout["page_code"] = code
        true_pages = [_true_page(folder, page, numbers.index(page.get("page", 1)) + 1, layout["fields"]) for page in pages]
        if position == 0:
            true_pages += rejects
        yield Form(layout["name"], layout, tuple(sorted(true_pages, key=lambda page: (page.scan, page.scan_page))))


def _rejected(folder: Path, skipped: Iterable[Sequence[Any]]) -> Iterator[TruePage]:
    for one in skipped:
        scan_page = next((part for part in one[1:] if isinstance(part, int)), 1)
        yield TruePage(folder / "scans" / str(one[0]), scan_page, 0, {})


def _booklet_layout(name: str, data: Json, pages: Sequence[Json]) -> Json:
    config = data.get("config", {})
    sizes = [(_mm(page["width"] * UNIT_MM), _mm(page["height"] * UNIT_MM)) for page in pages]
    layout: Json = {
        "format": 1,
        "name": name,
        "title": f"corpus {name}",
        "convention": "cross" if float(config.get("seuil_up") or 1) < 1 else "any",
        "pages": len(pages),
        "page_size": sizes[0],
        "page_sizes": {str(at): size for at, size in enumerate(sizes, start=1) if size != sizes[0]},
        "box": {"frame": BOOKLET_FRAME_MM, "size": 4.0},
        "fiducials": [
            {
                "kind": "circle",
                "size": _mm(page.get("markdiameter", 42.52) * UNIT_MM),
                "at": [[_mm(x * UNIT_MM), _mm(y * UNIT_MM)] for x, y in page["marks"]],
                "pages": [at],
            }
            for at, page in enumerate(pages, start=1)
        ],
    }
    if str(config.get("ignore_red") or "0") not in ("0", "") or "ignore-red" in str(data.get("source", "")):
        layout["dropout"] = "red"
        if "red boxes" in str(data.get("features", "")):
            layout["box"]["frame"] = 0  # printed in the colour that is not seen
    return layout


def _booklet_fields(page: Json, number: int) -> list[Json]:
    fields: dict[str, Json] = {}
    for position, box in enumerate(page["boxes"]):
        if box.get("dontscan"):
            continue
        question = plain(box.get("question", box.get("question_id", "?")))
        one = fields.setdefault(
            question,
            {
                "id": question,
                "kind": "choice",
                "select": "many" if box.get("role", "answer") == "answer" else "one",
                "page": number,
                "boxes": [],
                "positions": [],
            },
        )
        values = {other["value"] for other in one["boxes"]}
        value = plain(box.get("answer", position))
        one["boxes"].append(
            {
                "value": value if value not in values else f"{value}+{position}",
                "at": _centre(box["xmin"], box["xmax"], box["ymin"], box["ymax"]),
                "size": [_mm((box["xmax"] - box["xmin"]) * UNIT_MM), _mm((box["ymax"] - box["ymin"]) * UNIT_MM)],
                "shape": "circle" if box.get("shape") == "oval" else "square",
                "printed": str(box.get("char") or ""),
            }
        )
        one["positions"].append(position)
    return list(fields.values())


def _centre(x0: float, x1: float, y0: float, y1: float) -> list[float]:
    return [_mm((x0 + x1) / 2 * UNIT_MM), _mm((y0 + y1) / 2 * UNIT_MM)]


def _with_unique_ids(fields: list[Json]) -> list[Json]:
    """A question that goes on over the page becomes a field per page."""
    pages = Counter(one["id"] for one in fields)
    for one in fields:
        if pages[one["id"]] > 1:
            one["id"] = f"{one['id']}@{one['page']}"
    return fields


def _bits(pages: Sequence[Json], numbers: Sequence[int], student: Any) -> Json | None:
    """The bits that hold the sheet's and the page's number, most significant first; the checksum's are left out."""
    bits = [
        sorted((one["number"], one["digit"]) for one in page.get("digits", ()) if one["number"] in (1, 2)) for page in pages
    ]
    if not bits[0] or any(one != bits[0] for one in bits) or not isinstance(student, int):
        return None
    places = {(one["number"], one["digit"]): one for one in pages[0]["digits"]}
    count = Counter(number for number, _ in bits[0])
    patterns = {}
    for at, page in enumerate(numbers, start=1):
        pattern = "".join(f"{value:0{count[number]}b}" for number, value in ((1, student), (2, page)) if count[number])
        if len(pattern) != len(bits[0]):
            return None
        patterns[str(at)] = pattern
    boxes = [places[key] for key in bits[0]]
    return {
        "kind": "bits",
        "frame": BOOKLET_FRAME_MM,
        "size": [_mm((boxes[0][to] - boxes[0][start]) * UNIT_MM) for start, to in (("xmin", "xmax"), ("ymin", "ymax"))],
        "bits": [_centre(box["xmin"], box["xmax"], box["ymin"], box["ymax"]) for box in boxes],
        "patterns": patterns,
    }


def _true_page(folder: Path, page: Json, number: int, fields: Sequence[Json]) -> TruePage:
    ticked = page.get("ticked", [])
    truth = {
        f"{one['id']}/{box['value']}": ticked[position] if position < len(ticked) else None
        for one in fields
        if one["page"] == number
        for box, position in zip(one["boxes"], one["positions"], strict=True)
    }
    return TruePage(folder / "scans" / page["scan"], page.get("scan_page", 1), number, truth)


# --------------------------------------------------------------------------- bubble sheets


def _sheet_form(folder: Path, data: Json) -> Form:
    template = data["layout"]
    registration = template.get("registration") or {}
    printed = measure_printed_boxes(folder, data)
    paper = _paper(folder, data)
    layout: Json = {
        "format": 1,
        "name": folder.name,
        "title": f"corpus {folder.name}",
        "convention": "any",
        "pages": 1,
        "page_size": [_mm(paper.width_mm), _mm(paper.height_mm)],
        "fiducials": list(_corner_marks(registration, template, paper)),
        "fields": [_sheet_field(one, paper, printed) for one in template["fields"]],
    }
    reference = next((one for one in sorted((folder / "reference").glob("reference*")) if one.is_file()), None)
    if reference is not None:
        layout["reference"] = str(reference.resolve())
    _grow_to_boxes(layout)
    pages = tuple(_sheet_page(folder, page, template["fields"]) for page in data.get("pages", ()))
    return Form(folder.name, layout, pages)


def _grow_to_boxes(layout: Json) -> None:
    """Templates cut close to their last bubbles, whose print may stick out: more paper to the right and below."""
    boxes = [box for one in layout["fields"] for box in one["boxes"]]
    for axis in (0, 1):
        farthest = max(box["at"][axis] + box["size"][axis] / 2 + box["frame"] for box in boxes)
        layout["page_size"][axis] = max(layout["page_size"][axis], _mm(farthest + 0.1))


@dataclass(frozen=True, slots=True)
class _Paper:
    """From template pixels to mm of a page."""

    across: float  # mm per pixel
    down: float
    margin_mm: float  # between the page's edge and the template's
    width_mm: float
    height_mm: float

    def at(self, x: float, y: float) -> list[float]:
        return [_mm(self.margin_mm + x * self.across), _mm(self.margin_mm + y * self.down)]


def _paper(folder: Path, data: Json) -> _Paper:
    template = data["layout"]
    width, height = float(template["page_width"]), float(template["page_height"])
    stretch = 1.0
    scales = [one for one in (template_scale(folder / "scans" / page["scan"], page) for page in data.get("pages", ())) if one]
    if scales:
        stretch = median(one.down / one.across for one in scales)
        if abs(stretch - 1) < SKEWED_TEMPLATE or "contour" in str((template.get("registration") or {}).get("kind")):
            stretch = 1.0
    height_like = height * stretch
    cut_at_marks = _marks_are_the_edges(template)
    if not cut_at_marks:
        across = _paper_width(width, height_like, template) / width
        return _Paper(across, across * stretch, 0.0, width * across, height_like * across)
    true = [one.across_mm for one in scales if one.dpi and one.dpi >= TRUE_DPI]
    across = median(true) if true else _width_within_margins(width, height_like)
    return _Paper(across, across * stretch, MARGIN_MM, width * across + 2 * MARGIN_MM, height_like * across + 2 * MARGIN_MM)


def _marks_are_the_edges(template: Json) -> bool:
    registration = template.get("registration") or {}
    return "corner" in str(registration.get("kind")) and not registration.get("points")


def _paper_width(width: float, height: float, template: Json) -> float:
    for paper in (A4_MM, LETTER_MM):
        for across, down in (paper, paper[::-1]):
            if abs(width / height / (across / down) - 1) < ASPECT_TOLERANCE:
                return across
    heights = [float(bubble["h"]) for one in template["fields"] for bubble in one["bubbles"]]
    return min(A4_MM[0], LARGEST_BUBBLE_MM / median(heights) * width)


def _width_within_margins(width: float, height: float) -> float:
    """Millimetres per pixel of a template that leaves equal margins on one of the usual papers."""
    fits = []
    for across, down in (LETTER_MM, A4_MM, LETTER_MM[::-1], A4_MM[::-1]):
        if abs(height - width) < 1:
            continue
        scale = (down - across) / (height - width)
        if 0 <= (across - scale * width) / 2 <= 2 * MARGIN_MM:
            fits.append(scale)
    return fits[0] if fits else (A4_MM[0] - 2 * MARGIN_MM) / width


def _corner_marks(registration: Json, template: Json, paper: _Paper) -> Iterator[Json]:
    width, height = template["page_width"], template["page_height"]
    for mark in registration.get("marks") or ():
        x, y, w, h = (float(mark[key]) for key in ("x", "y", "w", "h"))
        if mark.get("shape") == "L":
            right, low = x + w / 2 > width / 2, y + h / 2 > height / 2
            turn = {(False, False): 0, (True, False): 90, (True, True): 180, (False, True): 270}[right, low]
            corner = paper.at(x + w * right, y + h * low)
            yield {
                "kind": "corner",
                "size": _mm(w * paper.across),
                "line": _mm(float(mark.get("arm", w / 2)) * paper.across),
                "at": [[*corner, turn]],
            }
        else:
            kind = "circle" if mark.get("shape") in ("circle", "disc") else "square"
            yield {"kind": kind, "size": _mm(w * paper.across), "at": [paper.at(x + w / 2, y + h / 2)]}
    points = registration.get("points") or ()
    if points:  # thin corners; how long and thin is told in words only
        arm = re.search(r"(\d+(?:\.\d+)?) mm long", str(registration.get("details")))
        turns = {(False, False): 0, (True, False): 90, (True, True): 180, (False, True): 270}
        yield {
            "kind": "corner",
            "size": float(arm[1]) if arm else 8.0,
            "line": 0.35,  # 1 pt
            "at": [[*paper.at(x, y), turns[x > width / 2, y > height / 2]] for x, y in points],
        }
    if "concentric" in str(registration.get("details")) and not registration.get("marks") and not points:
        size = width * paper.across * RING_SHARE
        corners = [(0, 0), (width - 1, 0), (width - 1, height - 1), (0, height - 1)]
        yield {
            "kind": "ring",
            "size": _mm(size),
            "line": _mm(size * RING_LINE_SHARE),
            "at": [paper.at(x, y) for x, y in corners],
        }


def _sheet_field(one: Json, paper: _Paper, printed: PrintedBox) -> Json:
    return {
        "id": plain(one["name"]),
        "kind": "choice",
        "select": "many" if one.get("kind") == "multi" else "one",
        "page": 1,
        "boxes": [
            {
                "value": plain(bubble["value"]),
                "at": paper.at(
                    bubble["x"] + bubble["w"] * (0.5 + printed.right), bubble["y"] + bubble["h"] * (0.5 + printed.below)
                ),
                "size": [_mm(bubble["w"] * printed.inside * paper.across), _mm(bubble["h"] * printed.inside * paper.down)],
                "frame": _mm(printed.frame * bubble["h"] * paper.down),
                "shape": printed.shape,
                "printed": str(bubble["value"]) if printed.filled_in else "",
            }
            for bubble in one["bubbles"]
        ],
    }


def _sheet_page(folder: Path, page: Json, fields: Sequence[Json]) -> TruePage:
    scan = folder / "scans" / page["scan"]
    if page.get("expect", "read") != "read":
        return TruePage(scan, page.get("scan_page", 1), 0, {})
    answers, doubtful = page.get("answers") or {}, page.get("doubtful") or {}
    truth: dict[str, bool | None] = {}
    for one in fields:
        name = one["name"]
        answer = answers.get(name)
        marked = {str(value) for value in (answer if isinstance(answer, list) else [answer])} if answer else set()
        unknown = answer is None or name in doubtful
        for bubble in one["bubbles"]:
            truth[f"{plain(name)}/{plain(bubble['value'])}"] = None if unknown else str(bubble["value"]) in marked
    return TruePage(scan, page.get("scan_page", 1), 1, truth)


def as_layout_file(form: Form, folder: Path) -> Path:
    """Where a form's layout file is; written to `folder`, if it is not a file yet."""
    if isinstance(form.layout, Path):
        return form.layout
    layout = {**form.layout, "fields": [{k: v for k, v in one.items() if k != "positions"} for one in form.layout["fields"]]}
    path = folder / f"{form.name}.json"
    path.write_text(json.dumps(layout, indent=1), encoding="utf-8")
    return path
