"""Writes layouts and rubrics as the TOML that a person would: regular boxes by origin and step, alike fields in one entry."""

from __future__ import annotations

import json
import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from scangrade.model import Box, Fiducial, Field, FieldKind, Layout, Shape

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_Pair = tuple[float, float]


@dataclass(frozen=True, slots=True)
class _Look:
    """How boxes look."""

    width: float
    height: float
    frame: float
    shape: Shape

    def lines(self, usual: _Look | None = None) -> list[str]:
        """As keys, those that are usual left out."""
        size = _number(self.width) if self.width == self.height else _list((self.width, self.height))
        made = [
            ("size", (self.width, self.height), usual and (usual.width, usual.height), size),
            ("frame", self.frame, usual and usual.frame, _number(self.frame)),
            ("shape", self.shape, usual.shape if usual else Shape.SQUARE, f'"{self.shape}"'),
        ]
        return [f"{key} = {text}" for key, own, other, text in made if own != other]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A field as it would be written alone, and where it begins; entries with the same lines can share one."""

    id: str
    head: tuple[str, ...]
    tail: tuple[str, ...]
    start: _Pair
    key: str  #: of the start: "origin", "region" or ""
    rest: tuple[float, ...] = ()  #: what follows the start in a region
    mergeable: bool = True


def layout_toml(
    layout: Layout, *, heading: Sequence[str] = (), remarks: Mapping[str, str] | None = None, reference: str = "",
    tolerance_mm: float = 0.05, alike_mm: float = 0.2,
) -> str:  # fmt: skip
    """Write a layout.

    Parameters
    ----------
    layout : Layout
    heading : sequence of str
        Paragraphs of the comment at its top.
    remarks : mapping of key to str, optional
        Comments behind the keys `convention`, `page_code`, ...
    reference : str
        Path of the blank form from the layout's folder; "" for none.
    tolerance_mm : float
        How far a box may lie from a regular grid to be written as part of it.
    alike_mm : float
        Difference in size up to which boxes are written with the usual size.

    Returns
    -------
    str
        What `load_layout` reads as the same layout, to those tolerances.
    """
    notes = remarks or {}
    usual = _usual([box for one in layout.fields for box in one.boxes])
    first = layout.pages[0]
    size = (first.width_mm, first.height_mm)
    lines = [*_comment(heading), "", "format = 1", f"name = {_text(layout.name)}"]
    if layout.title:
        lines.append(f"title = {_text(layout.title)}")
    lines.append(_remarked(f'convention = "{layout.convention}"', notes.get("convention")))
    lines += [f"pages = {len(layout.pages)}", f"page_size = {_list(size)}"]
    if reference:
        lines.append(_remarked(f"reference = {_text(reference)}", notes.get("reference")))
    others = [page for page in layout.pages if (page.width_mm, page.height_mm) != size]
    if others:
        lines += ["", "[page_sizes]", *(f"{page.number} = {_list((page.width_mm, page.height_mm))}" for page in others)]
    if usual:
        lines += ["", "[box]", *usual.lines()]
    code = layout.page_code
    if code is not None and code.region is not None:
        region = (code.region.x_mm, code.region.y_mm, code.region.width_mm, code.region.height_mm)
        lines += ["", "[page_code]", 'kind = "barcode"', f"region = {_list(region)}"]
        lines.append(_remarked(f"content = {_text(code.content)}", notes.get("page_code")))
        if code.exam and code.exam != layout.name:
            lines.append(f"exam = {_text(code.exam)}")
    if code is not None and code.bits:
        look = _look_of(code.bits, usual, alike_mm)
        lines += ["", "[page_code]", 'kind = "bits"', *(look.lines(usual) if look else ())]
        lines.append(_remarked(f"bits = [{', '.join(_list(one) for one in _centres(code.bits))}]", notes.get("page_code")))
        patterns = ", ".join(f"{page} = {_text(pattern)}" for page, pattern in sorted(code.patterns.items()))
        lines.append(f"patterns = {{ {patterns} }}")
    for pages, marks in _fiducials(layout):
        lines += ["", *_marks(marks, pages if len(pages) < len(layout.pages) else ())]
    for page in layout.pages:
        entries = [_entry(one, usual, tolerance_mm, alike_mm) for one in _grouped(layout.fields, page.number)]
        if entries:
            lines += ["", f"# ---- page {page.number}"]
        for run in _runs(entries, tolerance_mm):
            lines += ["", *run]
    return "\n".join(lines).lstrip("\n") + "\n"


# --------------------------------------------------------------------------- TOML


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _number(value: float, places: int = 2) -> str:
    text = f"{value:.{places}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _list(values: Iterable[float], places: int = 2) -> str:
    return f"[{', '.join(_number(one, places) for one in values)}]"


def _remarked(line: str, remark: str | None) -> str:
    return f"{line}    # {remark}" if remark else line


def _comment(paragraphs: Sequence[str]) -> list[str]:
    return [
        f"# {line}"
        for one in paragraphs
        for line in textwrap.wrap(one, 126, subsequent_indent="  " if one.startswith("- ") else "")
    ]


# --------------------------------------------------------------------------- parts


def _usual(boxes: Sequence[Box]) -> _Look | None:
    looks = Counter(_look(box) for box in boxes)
    return looks.most_common(1)[0][0] if looks else None


def _look(box: Box) -> _Look:
    width, height = round(box.width_mm, 2), round(box.height_mm, 2)
    if abs(width - height) < 0.05:  # what a measure of either says
        width = height = round((box.width_mm + box.height_mm) / 2, 2)
    return _Look(width, height, round(box.frame_mm, 2), box.shape)


def _look_of(boxes: Sequence[Box], usual: _Look | None, alike_mm: float) -> _Look | None:
    """How all of these boxes look; None where they differ."""
    looks = {_snapped(box, usual, alike_mm) for box in boxes}
    return looks.pop() if len(looks) == 1 else None


def _snapped(box: Box, usual: _Look | None, alike_mm: float) -> _Look:
    own = _look(box)
    if usual is None or own.shape is not usual.shape:
        return own
    near = abs(own.width - usual.width) < alike_mm and abs(own.height - usual.height) < alike_mm
    return usual if near and abs(own.frame - usual.frame) < alike_mm else own


def _fiducials(layout: Layout) -> Iterator[tuple[tuple[int, ...], tuple[Fiducial, ...]]]:
    """Marks with the pages that have them."""
    kinds: dict[tuple[Fiducial, ...], list[int]] = {}
    for page in layout.pages:
        if page.fiducials:
            near = next((held for held in kinds if _same_marks(held, page.fiducials)), page.fiducials)
            kinds.setdefault(near, []).append(page.number)
    for marks, pages in kinds.items():
        yield tuple(pages), marks


def _same_marks(one: Sequence[Fiducial], other: Sequence[Fiducial]) -> bool:
    def key(mark: Fiducial) -> tuple[float, float]:
        return round(mark.y_mm / 20), mark.x_mm

    return len(one) == len(other) and all(
        a.kind is b.kind and a.turn_deg == b.turn_deg and abs(a.x_mm - b.x_mm) < 0.1 and abs(a.y_mm - b.y_mm) < 0.1
        and abs(a.size_mm - b.size_mm) < 0.2
        for a, b in zip(sorted(one, key=key), sorted(other, key=key), strict=True)
    )  # fmt: skip


def _marks(marks: Sequence[Fiducial], pages: Sequence[int]) -> list[str]:
    first = marks[0]
    places = [
        f"[{_number(one.x_mm)}, {_number(one.y_mm)}" + (f", {one.turn_deg}]" if one.kind.value == "corner" else "]")
        for one in marks
    ]
    return [
        "[[fiducials]]",
        f'kind = "{first.kind}"',
        f"size = {_number(first.size_mm)}",
        *([f"line = {_number(first.line_mm)}"] if first.line_mm else []),
        f"at = [{', '.join(places)}]",
        *([f"pages = [{', '.join(str(one) for one in pages)}]"] if pages else []),
    ]


def _grouped(fields: Iterable[Field], page: int) -> list[list[Field]]:
    """Fields of a page; the columns of a digit grid, and the corrections of a credit, together."""
    groups: dict[str, list[Field]] = {}
    for one in fields:
        if one.page == page:
            name = f"grid {one.group}" if one.group else f"credit {one.question}" if one.kind is FieldKind.CREDIT else one.id
            groups.setdefault(name, []).append(one)
    return list(groups.values())


def _fit(points: Sequence[_Pair], tolerance: float) -> tuple[_Pair, _Pair] | None:
    """First place and step of places at equal distances; None where they are not."""
    if len(points) == 1:
        return points[0], (0.0, 0.0)
    count = np.arange(len(points))
    across = [np.polyfit(count, [one[axis] for one in points], 1) for axis in (0, 1)]
    step = round(float(across[0][0]), 3) + 0.0, round(float(across[1][0]), 3) + 0.0
    start = round(float(across[0][1]), 2), round(float(across[1][1]), 2)
    off = max(max(abs(start[0] + k * step[0] - x), abs(start[1] + k * step[1] - y)) for k, (x, y) in enumerate(points))
    return (start, step) if off <= tolerance else None


def _centres(boxes: Iterable[Box]) -> list[_Pair]:
    return [(box.x_mm, box.y_mm) for box in boxes]


def _difference(one: _Pair, other: _Pair) -> _Pair:
    return round(other[0] - one[0], 2) + 0.0, round(other[1] - one[1], 2) + 0.0


def _entry(fields: Sequence[Field], usual: _Look | None, tolerance: float, alike: float) -> _Entry:
    one = fields[0]
    if one.cells:
        return _cells_entry(one)
    if one.region is not None:
        region = one.region
        return _Entry(
            one.id,
            (
                f'kind = "{one.kind}"',
                *([f'role = "{one.role}"'] if one.role else []),
                *([f"question = {_text(one.question)}"] if one.question and one.question != one.id else []),
                f"page = {one.page}",
            ),
            (),
            (region.x_mm, region.y_mm),
            "region",
            (round(region.width_mm, 2), round(region.height_mm, 2)),
            mergeable=one.kind is FieldKind.TEXT and one.question in ("", one.id),
        )
    look = _look_of([box for part in fields for box in part.boxes], usual, alike)
    styled = tuple(look.lines(usual)) if look else None
    regular = _regular(fields, tolerance) if styled is not None else None
    name = one.group or (one.question if one.kind is FieldKind.CREDIT else one.id)
    kind = "digits" if one.kind is FieldKind.DIGIT else str(one.kind)
    head = [f'kind = "{kind}"', *([f'role = "{one.role}"'] if one.role and one.group else []), f"page = {one.page}"]
    if one.kind is FieldKind.CHOICE:
        head.append(f'select = "{"many" if one.many else "one"}"')
    if one.kind is FieldKind.CREDIT:
        head += _credit_head(fields)
    if regular is None:
        return _Entry(name, tuple(head), tuple(_one_by_one(fields, usual, alike)), (0.0, 0.0), "", mergeable=False)
    start, tail = regular
    if one.kind is FieldKind.DIGIT:
        head.append(f"places = {len(fields)}")
    if one.kind is not FieldKind.CREDIT:
        head += _values(one.boxes)
    return _Entry(name, (*head, *(styled or ())), tuple(tail), start, "origin", mergeable=one.kind in _ALIKE)


def _cells_entry(one: Field) -> _Entry:
    """A number by hand: a row of cells."""
    first, second = one.cells[:2]
    step = round(second.x_mm - first.x_mm, 3), round(second.y_mm - first.y_mm, 3)
    comb = ("comb = true",) if first.frame_mm == 0 else (f"frame = {_number(first.frame_mm)}",)
    head = (
        f'kind = "{one.kind}"',
        f'role = "{one.role}"',
        f"page = {one.page}",
        f"places = {len(one.cells)}",
        f"size = {_list((first.width_mm, first.height_mm))}",
        *comb,
    )
    return _Entry(one.id, head, (f"place_step = {_list(step, 3)}",), _centres(one.cells)[0], "origin", mergeable=False)


_ALIKE = (FieldKind.CHOICE, FieldKind.CREDIT)


def _values(boxes: Sequence[Box]) -> list[str]:
    values = [box.value for box in boxes]
    plain = all(len(one) == 1 for one in values)
    lines = [f"values = {_text(''.join(values)) if plain else json.dumps(values, ensure_ascii=False)}"]
    printed = [box.printed for box in boxes]
    if printed == values:
        lines.append("printed = true")
    elif any(printed):
        lines.append(f"printed = {json.dumps(printed, ensure_ascii=False)}")
    return lines


def _credit_head(fields: Sequence[Field]) -> list[str]:
    numbers = [box for box in fields[0].boxes if not box.value.endswith("H")]
    lines = [f"max = {len(numbers) - 1}"]
    if len(numbers) < len(fields[0].boxes):
        lines.append("halves = true")
    if all(box.printed == box.value for box in numbers):
        lines.append("printed = true")
    if len(fields) > 1:
        lines.append(f"corrections = {len(fields)}")
    return lines


def _regular(fields: Sequence[Field], tolerance: float) -> tuple[_Pair, list[str]] | None:
    """Where the first box is, and the lines that say where all others are; None where no grid says it."""
    one = fields[0]
    if one.kind is not FieldKind.CREDIT:
        found = _fit(_centres(one.boxes), tolerance)
        if found is None:
            return None
        start, step = found
        lines = [f"step = {_list(step, 3)}"] if len(one.boxes) > 1 else []
        if one.kind is FieldKind.DIGIT and len(fields) > 1:
            places = _fit([_centres(part.boxes)[0] for part in fields], tolerance)
            if places is None or not _holds(fields, start, step, places[1], tolerance):
                return None
            lines.append(f"place_step = {_list(places[1], 3)}")
        return start, lines
    numbers = [box for box in one.boxes if not box.value.endswith("H")]
    found = _fit(_centres(numbers), tolerance)
    if found is None:
        return None
    start, step = found
    lines = [f"step = {_list(step, 3)}"]
    halves = [box for box in one.boxes if box.value.endswith("H")]
    if halves:
        offset = _difference(start, _centres(halves)[0])
        fit = _fit(_centres(halves), tolerance)
        if fit is None or (len(halves) > 1 and max(abs(a - b) for a, b in zip(fit[1], step, strict=True)) > tolerance):
            return None
        lines.append(f"half_offset = {_list(offset)}")
    if len(fields) > 1:
        columns = _fit([_centres(part.boxes)[0] for part in fields], tolerance)
        if columns is None:
            return None
        for number, part in enumerate(fields):
            moved = [(x + number * columns[1][0], y + number * columns[1][1]) for x, y in _centres(one.boxes)]
            if _farthest(moved, _centres(part.boxes)) > 2 * tolerance:
                return None
        lines.append(f"correction_step = {_list(columns[1], 3)}")
    return start, lines


def _holds(fields: Sequence[Field], start: _Pair, step: _Pair, place: _Pair, tolerance: float) -> bool:
    made = [
        (start[0] + k * step[0] + p * place[0], start[1] + k * step[1] + p * place[1])
        for p, part in enumerate(fields)
        for k in range(len(part.boxes))
    ]
    return _farthest(made, [centre for part in fields for centre in _centres(part.boxes)]) <= 2 * tolerance


def _farthest(some: Sequence[_Pair], others: Sequence[_Pair]) -> float:
    return max(max(abs(a - c), abs(b - d)) for (a, b), (c, d) in zip(some, others, strict=True))


def _one_by_one(fields: Sequence[Field], usual: _Look | None, alike: float) -> list[str]:
    lines = ["boxes = ["]
    for part in fields:
        for box in part.boxes:
            cells = [f"value = {_text(box.value)}", f"at = {_list((box.x_mm, box.y_mm))}"]
            cells += _snapped(box, usual, alike).lines(usual)
            if box.printed:
                cells.append(f"printed = {_text(box.printed)}")
            if part.kind is FieldKind.DIGIT:
                cells.append(f"place = {part.place}")
            if part.kind is FieldKind.CREDIT and len(fields) > 1:
                cells.append(f"correction = {part.correction}")
            lines.append(f"    {{ {', '.join(cells)} }},")
    return [*lines, "]"]


# --------------------------------------------------------------------------- several alike


def _runs(entries: Sequence[_Entry], tolerance: float) -> Iterator[list[str]]:
    """Entries as written: those that follow each other and differ in their place only, as one."""
    place = 0
    while place < len(entries):
        first = entries[place]
        end = place + 1
        while end < len(entries) and first.mergeable and _alike(first, entries[end]):
            end += 1
        run, spacing = list(entries[place:end]), None
        while len(run) > 1:
            spacing = _spacing([one.start for one in run], tolerance)
            if spacing is not None:
                break
            run.pop()
        yield _written(run, spacing)
        place += len(run)


def _alike(one: _Entry, other: _Entry) -> bool:
    return other.mergeable and (one.head, one.tail, one.key, one.rest) == (other.head, other.tail, other.key, other.rest)


def _spacing(starts: Sequence[_Pair], tolerance: float) -> list[str] | None:
    """The lines that say where fields are that begin at these places, with or without a gap after every n-th."""
    found = _fit(starts, tolerance)
    if found is not None:
        made = [(starts[0][0] + k * found[1][0], starts[0][1] + k * found[1][1]) for k in range(len(starts))]
        if _farthest(made, starts) <= 2 * tolerance:
            return [f"field_step = {_list(found[1], 3)}"]
    step = _difference(starts[0], starts[1])
    wide = [
        k for k in range(1, len(starts))
        if max(abs(a - b) for a, b in zip(_difference(starts[k - 1], starts[k]), step, strict=True)) > 2 * tolerance
    ]  # fmt: skip
    if not wide or wide[0] < 2:
        return None
    every = wide[0]
    jump = _difference(starts[every - 1], starts[every])
    add = round(jump[0] - step[0], 2) + 0.0, round(jump[1] - step[1], 2) + 0.0
    made = [
        (starts[0][0] + k * step[0] + k // every * add[0], starts[0][1] + k * step[1] + k // every * add[1])
        for k in range(len(starts))
    ]
    if _farthest(made, starts) > 2 * tolerance:
        return None
    return [f"field_step = {_list(step)}", f"field_gap = {{ every = {every}, add = {_list(add)} }}"]


def _written(run: Sequence[_Entry], spacing: Sequence[str] | None) -> list[str]:
    first = run[0]
    ids = ", ".join(_text(one.id) for one in run)
    lines = ["[[fields]]", f"ids = [{ids}]" if len(run) > 1 else f"id = {ids}", *first.head]
    if first.key == "region":
        lines.append(f"region = {_list((*first.start, *first.rest))}")
    elif first.key:
        lines.append(f"origin = {_list(first.start)}")
    return [*lines, *first.tail, *(spacing or ())]


# --------------------------------------------------------------------------- rubric


def rubric_toml(
    layout: Layout, key: Mapping[str, Sequence[str]], points: Mapping[str, str], *, heading: Sequence[str] = ()
) -> str:
    """Write a rubric for the questions of a layout.

    Parameters
    ----------
    layout : Layout
    key : mapping of question id to values
        Boxes that are right; a question that is not there waits for its key.
    points : mapping of question id to str
        Points as printed on the form; a choice or open question that is not there has 1.
    heading : sequence of str
        Paragraphs of the comment at its top.
    """
    questions: dict[str, Field] = {}
    for one in layout.fields:
        if one.question and (one.question not in questions or one.kind in _ALIKE):
            questions[one.question] = one
    total = Decimal(0)
    parts: list[str] = []
    for name, one in questions.items():
        if one.kind is FieldKind.CREDIT:
            worth, guessed = str(max(int(box.value) for box in one.boxes if not box.value.endswith("H"))), False
        else:
            worth, guessed = points.get(name, "1"), name not in points
        total += Decimal(worth)
        policy = {FieldKind.CREDIT: "credit", FieldKind.TEXT: "open"}.get(one.kind, "all-or-nothing" if one.many else "single")
        table = name if _BARE.fullmatch(name) else _text(name)
        parts += ["", f"[questions.{table}]", f'policy = "{policy}"']
        parts.append(_remarked(f"points = {worth}", "set: the form does not say" if guessed else None))
        if one.kind is FieldKind.CHOICE:
            right = list(key.get(name, ()))
            if not right:
                parts.append("# key = ...    # none could be told for certain: booklets wait until it is given")
            elif one.many:
                parts.append(f"key = {json.dumps(right, ensure_ascii=False)}")
            else:
                parts.append(f"key = {_text(right[0])}")
    versions = [box.value for one in layout.fields if one.kind is FieldKind.VERSION for box in one.boxes]
    lines = [*_comment(heading), "", "format = 1", f"name = {_text(layout.name)}", f"total = {total.normalize():f}"]
    if versions:
        lines += [f"versions = {json.dumps(versions, ensure_ascii=False)}", 'version_from = "mark"']
    return "\n".join([*lines, *parts]).lstrip("\n") + "\n"
