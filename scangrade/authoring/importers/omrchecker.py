"""OMRChecker: `template.json` to a layout, `evaluation.json` to a rubric.

Written after the formats' public documentation (the project's wiki and JSON schemas): templates of its releases from 2022 on, and of
its development branch, which calls some keys otherwise. A template places bubbles in pixels of the picture that the pre-processors
leave: of the whole page, or of what lies between four corner marks.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, TypeGuard

from scangrade.authoring.importers.converted import Converted, Data, ImportFaultsError, mm, plain, short_name, shown, total_of
from scangrade.authoring.importers.marker_picture import Marker, look_at_marker
from scangrade.authoring.importers.numbers import as_written, exact
from scangrade.authoring.importers.paper import Paper, between_marks, whole_page
from scangrade.definitions.faults import Faults
from scangrade.definitions.faults import shown as as_in_file
from scangrade.definitions.source import KeyPath, Source, read_source
from scangrade.errors import Issue

SYSTEM: Final = "OMRChecker"
FRAME_MM: Final = 0.3  # of a bubble that nobody measured

_DIGITS = tuple("0123456789")
_FIELD_TYPES: Final[Mapping[str, tuple[tuple[str, ...], str]]] = {
    "QTYPE_INT": (_DIGITS, "vertical"),
    "QTYPE_INT_FROM_1": ((*_DIGITS[1:], "0"), "vertical"),
    "QTYPE_MCQ4": (tuple("ABCD"), "horizontal"),
    "QTYPE_MCQ5": (tuple("ABCDE"), "horizontal"),
    "QTYPE_MCQ4_RTL": (tuple("DCBA"), "horizontal"),
    "QTYPE_MCQ5_RTL": (tuple("EDCBA"), "horizontal"),
}
_RANGE = re.compile(r"([^.\d]+)(\d+)\.{2,3}(\d+)")
_NUMBER_WORDS = re.compile(r"roll|regist|student|matric|enrol|admission|candidate|(^|[^a-z])id([^a-z]|$)", re.IGNORECASE)
_LEAST_DIGITS = 3  # of a student number
_MARKER_SHARE = 17  # widths of the usual marker in a sheet's width, where a template does not say
_LIGHT = {"Levels", "GaussianBlur", "MedianBlur", "AutoRotate"}
_MOST_LABELS = 10_000
_LARGEST = 1_000_000  # pixels


@dataclass(frozen=True, slots=True)
class _Column:
    """One label of the template: the bubbles of one question, or of one digit of a number."""

    label: str
    keys: KeyPath  #: of its block
    values: tuple[str, ...]
    at: tuple[tuple[float, float], ...]  #: top left corners of the bubbles, pixels
    size: tuple[float, float]  #: of a bubble, pixels

    @property
    def is_digit(self) -> bool:
        return set(self.values) <= set(_DIGITS)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a question earns."""

    keys: KeyPath
    either: tuple[str, ...]  #: answers that are right
    weights: Mapping[str, Fraction]  #: points by answer, where each has its own
    correct: Fraction
    incorrect: Fraction
    unmarked: Fraction


def is_template(source: Source) -> bool:
    """Whether a JSON file is a template, of whatever age."""
    keys = {key.lower() for key in source.data}
    return bool(keys & {"fieldblocks", "qblocks"}) and "bubbledimensions" in keys


def convert(
    source: Source,
    *,
    page_mm: tuple[float, float] | None = None,
    evaluation: Source | None = None,
    number: str | None = None,
) -> Converted:
    """A template, and the answers beside it, as a layout and a rubric.

    Parameters
    ----------
    source : Source
        `template.json`.
    page_mm : (float, float), optional
        Width and height of the page.
    evaluation : Source, optional
        `evaluation.json`.
    number : str, optional
        Custom label, or beginning of the labels, of the student number; by default one whose name sounds like it.

    Returns
    -------
    Converted
        The layout's `reference`, if there is one, is a path from the template's folder.

    Raises
    ------
    ImportFaultsError
        With all faults of both files.
    """
    faults = Faults(source)
    if "fieldBlocks" not in source.data:
        faults.error(
            (),
            "is a template of OMRChecker before 2022 (QBlocks, qNos), or none of it.",
            "Convert it to fieldBlocks first, as OMRChecker's own documentation says.",
        )
        raise ImportFaultsError(faults.issues)
    columns = list(_columns(source.data, faults))
    groups = _groups(source.data, columns, faults)
    page = _pair(source.data, ("pageDimensions", "templateDimensions"), faults)
    if faults.fatal or page is None or not columns:
        if not faults.fatal:
            faults.error(("fieldBlocks",), "no bubbles are in it.", "Nothing can be read with such a template.")
        raise ImportFaultsError(faults.issues)
    answers: dict[str, _Answer] = {}
    notes: list[str] = []
    if evaluation is not None:
        answer_faults = Faults(evaluation)
        answers = _answers(evaluation, answer_faults, notes)
        if answer_faults.fatal:
            raise ImportFaultsError(answer_faults.issues)
    registration = _registration(source, page, page_mm, columns)
    form = _Form(columns, groups, _number_of(columns, groups, number, source), answers)
    sheet = _Sheet(registration.paper, columns[0])
    fields, to_check = _fields(form, sheet)
    name = short_name(Path(source.name).resolve().parent.name or "omrchecker")
    layout: Data = {
        "format": 1,
        "name": name,
        "title": f"{name}, from OMRChecker",
        "convention": "any",
        "pages": 1,
        "page_size": [mm(registration.paper.width_mm), mm(registration.paper.height_mm)],
    }
    if registration.reference:
        layout["reference"] = registration.reference
    layout["box"] = _box_style(sheet)
    if registration.fiducials:
        layout["fiducials"] = registration.fiducials
    layout["fields"] = fields
    rubric, of_points = _rubric(name, form, evaluation is not None)
    return Converted(
        SYSTEM,
        layout,
        rubric,
        (*registration.left_out, *notes),
        tuple(filter(None, (registration.paper.assumed, *to_check, *of_points))),
    )


# --------------------------------------------------------------------------- the template's blocks


def _pair(data: Mapping[str, Any], names: Sequence[str], faults: Faults, keys: KeyPath = ()) -> tuple[float, float] | None:
    """Two lengths greater than 0, under the first of the names that is there."""
    name = next((one for one in names if one in data), None)
    if name is None:
        faults.error((*keys, names[0]), f"`{names[0]}` is missing.", "Add it: [width, height] in pixels.")
        return None
    value = data[name]
    if not _are_numbers(value, 2) or float(value[0]) <= 0 or float(value[1]) <= 0:
        faults.error((*keys, name), f"`{name}` is {as_in_file(value)}; it must be [width, height] in pixels.")
        return None
    return float(value[0]), float(value[1])


def _are_numbers(value: Any, count: int) -> TypeGuard[list[Decimal]]:
    return isinstance(value, list) and len(value) == count and all(_is_number(one) for one in value)


def _is_number(value: Any) -> TypeGuard[Decimal]:
    return not isinstance(value, bool) and isinstance(value, int | Decimal) and abs(float(value)) < _LARGEST  # also not NaN


def _columns(data: Mapping[str, Any], faults: Faults) -> Iterator[_Column]:
    usual = _pair(data, ("bubbleDimensions",), faults)
    blocks = data["fieldBlocks"]
    if not isinstance(blocks, Mapping):
        faults.error(("fieldBlocks",), f"`fieldBlocks` is {as_in_file(blocks)}; it must be an object of blocks.")
        return
    types = dict(_FIELD_TYPES)
    custom = data.get("customBubbleFieldTypes")
    for name, one in custom.items() if isinstance(custom, Mapping) else ():
        if isinstance(one, Mapping) and _are_texts(one.get("bubbleValues")):
            types[name] = (tuple(one["bubbleValues"]), str(one.get("direction", "horizontal")))
    for name, block in blocks.items():
        keys: KeyPath = ("fieldBlocks", name)
        if not isinstance(block, Mapping):
            faults.error(keys, f"is {as_in_file(block)}; a block is an object.")
            continue
        size = _pair(block, ("bubbleDimensions",), faults, keys) if "bubbleDimensions" in block else usual
        kind = _values(block, types, keys, faults)
        labels = _labels(block.get("fieldLabels"), (*keys, "fieldLabels"), faults)
        steps = _steps(block, len(labels), keys, faults)
        origin = block.get("origin")
        if not _are_numbers(origin, 2):
            faults.error((*keys, "origin"), f"`origin` is {as_in_file(origin)}; it must be [x, y] in pixels.")
        elif size is not None and kind is not None and steps is not None:
            yield from _block_columns(labels, kind, steps, (float(origin[0]), float(origin[1])), size, keys)


def _block_columns(
    labels: Sequence[str],
    kind: tuple[tuple[str, ...], bool],
    steps: tuple[float, Sequence[float]],
    origin: tuple[float, float],
    size: tuple[float, float],
    keys: KeyPath,
) -> Iterator[_Column]:
    (values, down), (gap, label_gaps), (x, y) = kind, steps, origin
    for position, label in enumerate(labels):
        shift = sum(label_gaps[:position])
        start = (x + shift, y) if down else (x, y + shift)
        at = tuple((start[0], start[1] + gap * n) if down else (start[0] + gap * n, start[1]) for n in range(len(values)))
        yield _Column(label, keys, values, at, size)


def _are_texts(value: Any) -> TypeGuard[list[str]]:
    return isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)


def _values(
    block: Mapping[str, Any], types: Mapping[str, tuple[tuple[str, ...], str]], keys: KeyPath, faults: Faults
) -> tuple[tuple[str, ...], bool] | None:
    """Bubble values, and whether they go down."""
    detection = block.get("fieldDetectionType", "BUBBLES_THRESHOLD")
    if detection != "BUBBLES_THRESHOLD":
        faults.error(
            (*keys, "fieldDetectionType"), f"{as_in_file(detection)} is not of bubbles.", "Take the block out of the template."
        )
        return None
    named = block.get("bubbleFieldType", block.get("fieldType"))
    values, direction = block.get("bubbleValues"), block.get("direction")
    if named is not None and not (isinstance(named, str) and named in types):
        faults.error(
            keys,
            f"the field type is {as_in_file(named)}; known are {', '.join(types)}.",
            "Give `bubbleValues` and `direction` instead of the type.",
        )
        return None
    if named is not None:
        usual_values, usual_direction = types[named]
        values = list(usual_values) if values is None else values
        direction = direction or usual_direction
    if not _are_texts(values) or len(set(values)) < len(values):
        faults.error(
            (*keys, "bubbleValues"), f"`bubbleValues` is {as_in_file(values)}; it must be a list of texts, each once."
        )
        return None
    if direction not in ("horizontal", "vertical"):
        faults.error((*keys, "direction"), f'`direction` is {as_in_file(direction)}; it must be "horizontal" or "vertical".')
        return None
    return tuple(values), direction == "vertical"


def _labels(value: Any, keys: KeyPath, faults: Faults) -> list[str]:
    if not _are_texts(value):
        faults.error(keys, f"is {as_in_file(value)}; it must be a list of labels.", 'For example ["q1..10"].')
        return []
    found: list[str] = []
    for text in value:
        match = _RANGE.fullmatch(text)
        if match is None:
            found.append(text)
            continue
        first, last = int(match[2]), int(match[3])
        if not first < last or last - first > _MOST_LABELS:
            faults.error(keys, f"the range {as_in_file(text)} does not rise.", "Write it like q1..10.")
        else:
            found += [f"{match[1]}{number}" for number in range(first, last + 1)]
    return found


def _steps(block: Mapping[str, Any], count: int, keys: KeyPath, faults: Faults) -> tuple[float, list[float]] | None:
    """Distance from bubble to bubble, and those from label to label."""
    gap, between = block.get("bubblesGap"), block.get("labelsGap")
    between = [between] * max(0, count - 1) if not isinstance(between, list) else between
    if not _is_number(gap):
        faults.error((*keys, "bubblesGap"), f"`bubblesGap` is {as_in_file(gap)}; it must be a number of pixels.")
        return None
    if len(between) < count - 1 or not all(_is_number(one) for one in between):
        faults.error(
            (*keys, "labelsGap"),
            f"`labelsGap` is {as_in_file(block.get('labelsGap'))}; it must be a number of pixels, or a list of {count - 1}.",
        )
        return None
    return float(gap), [float(one) for one in between]


def _groups(data: Mapping[str, Any], columns: Sequence[_Column], faults: Faults) -> dict[str, tuple[str, ...]]:
    """Custom labels with the labels that they join."""
    custom = data.get("customLabels") or {}
    if not isinstance(custom, Mapping):
        faults.error(("customLabels",), f"`customLabels` is {as_in_file(custom)}; it must be an object.")
        return {}
    known = {one.label for one in columns}
    taken: dict[str, str] = {}
    groups = {}
    for name, value in custom.items():
        labels = _labels(value, ("customLabels", name), faults)
        for label in labels:
            if label not in known:
                faults.error(("customLabels", name), f"no block has the label {as_in_file(label)}.")
            elif label in taken:
                faults.error(("customLabels", name), f"the label {as_in_file(label)} is in {as_in_file(taken[label])} too.")
            taken[label] = name
        groups[name] = tuple(labels)
    return groups


# --------------------------------------------------------------------------- registration


@dataclass(frozen=True, slots=True)
class _Registration:
    """How the template comes to lie on a page."""

    paper: Paper
    fiducials: list[Data]
    reference: str
    left_out: tuple[str, ...]


def _registration(
    source: Source, page: tuple[float, float], page_mm: tuple[float, float] | None, columns: Sequence[_Column]
) -> _Registration:
    folder = Path(source.name).parent
    left_out: list[str] = []
    marker: Marker | None = None
    share = float(_MARKER_SHARE)
    reference = ""
    between = False
    steps = source.data.get("preProcessors") or []
    if not isinstance(steps, list):
        left_out.append(f"preProcessors: {as_in_file(steps)} is no list of them")
        steps = []
    for one in steps:
        entry: Mapping[str, Any] = one if isinstance(one, Mapping) else {}
        kind, options = str(entry.get("name")), entry.get("options")
        options = options if isinstance(options, Mapping) else {}
        if kind in _LIGHT:
            left_out.append(f"{kind}: not needed, light and turn of a scan are found anyway")
        elif kind == "CropPage":
            left_out.append(
                "CropPage: edges of the paper are not looked for; pages are laid by their marks, blank form or boxes"
            )
        elif kind == "FeatureBasedAlignment":
            reference, fault = _file_of(options.get("reference"), folder)
            if fault:
                left_out.append(f"FeatureBasedAlignment: {fault}; add the blank form as `reference`")
        elif kind == "CropOnMarkers" and options.get("type", "FOUR_MARKERS") == "FOUR_MARKERS":
            between = True
            picture, fault = _file_of(options.get("relativePath", options.get("referenceImage", "omr_marker.jpg")), folder)
            marker = look_at_marker(folder / picture) if picture else None
            ratio = options.get("sheetToMarkerWidthRatio")
            share = float(ratio) if _is_number(ratio) and ratio > 1 else share
            if marker is None:
                reason = fault or f"{picture} shows no ring, disc or square"
                left_out.append(
                    f"CropOnMarkers: {reason}; add the corner marks as [[fiducials]], or pages are laid by their boxes"
                )
        else:
            left_out.append(
                f"{kind or as_in_file(one)}: has no counterpart; see with `layout preview` whether scans come to lie right"
            )
    bubble = columns[0].size[1]
    paper = between_marks(*page, page_mm) if between else whole_page(*page, page_mm, bubble)
    fiducials = [_fiducial(marker, page, share, paper)] if marker is not None else []
    return _Registration(_grown(paper, columns), fiducials, reference, tuple(left_out))


def _file_of(value: Any, folder: Path) -> tuple[str, str]:
    """A file that the template names, and what is wrong with it."""
    if not isinstance(value, str) or not value:
        return "", "it names no picture"
    return (value, "") if (folder / value).is_file() else ("", f"there is no {value} beside the template")


def _fiducial(marker: Marker, page: tuple[float, float], share: float, paper: Paper) -> Data:
    width, height = page
    size = paper.width_mm / share * marker.share
    entry: Data = {"kind": marker.kind, "size": mm(size)}
    if marker.line:
        entry["line"] = mm(size * marker.line)
    entry["at"] = [paper.at(*corner) for corner in ((0, 0), (width - 1, 0), (width - 1, height - 1), (0, height - 1))]
    return entry


def _grown(paper: Paper, columns: Iterable[_Column]) -> Paper:
    """Templates that are cut close to their last bubbles: a little more page to the right and below."""
    right = max(paper.left_mm + (x + one.size[0]) * paper.across for one in columns for x, _ in one.at)
    low = max(paper.top_mm + (y + one.size[1]) * paper.down for one in columns for _, y in one.at)
    return replace(paper, width_mm=mm(max(paper.width_mm, right + 1)), height_mm=mm(max(paper.height_mm, low + 1)))


# --------------------------------------------------------------------------- fields


@dataclass(frozen=True, slots=True)
class _Form:
    """The template, sorted."""

    columns: Sequence[_Column]
    groups: Mapping[str, tuple[str, ...]]
    number: tuple[str, tuple[str, ...]]  #: of the student: its name and labels
    answers: Mapping[str, _Answer]

    def by_label(self) -> dict[str, list[_Column]]:
        """All columns of each label; a question may go on in another block."""
        found: dict[str, list[_Column]] = defaultdict(list)
        for one in self.columns:
            found[one.label].append(one)
        return dict(found)

    def questions(self) -> dict[str, dict[str, tuple[str, ...]]]:
        """Each question's labels, with their values, in the order of the template."""
        by_label = self.by_label()
        joined = {label: name for name, labels in self.groups.items() for label in labels}
        found: dict[str, dict[str, tuple[str, ...]]] = {}
        for label, columns in by_label.items():
            if label in self.number[1]:
                continue
            name = joined.get(label, label)
            name = label if name == self.number[0] else name  # letters beside a number
            found.setdefault(name, {})[label] = tuple(value for one in columns for value in one.values)
        return found


def _number_of(
    columns: Sequence[_Column], groups: Mapping[str, tuple[str, ...]], wanted: str | None, source: Source
) -> tuple[str, tuple[str, ...]]:
    """Name and labels of the student number; both empty where none is seen."""
    digits = {one.label for one in columns if one.is_digit}
    candidates = {name: tuple(label for label in labels if label in digits) for name, labels in groups.items()}
    grouped = {label for labels in groups.values() for label in labels}
    for one in columns:
        if one.is_digit and one.label not in grouped:
            prefix = re.sub(r"[\s_.-]*\d+$", "", one.label)
            candidates[prefix] = (*candidates.get(prefix, ()), one.label)
    if wanted is not None:
        if not candidates.get(wanted):
            faults = Faults(source)
            faults.error((), f"no digits are called {as_in_file(wanted)}.", f"There are: {shown(candidates) or 'none'}.")
            raise ImportFaultsError(faults.issues)
        return wanted, candidates[wanted]
    found = [
        (name, labels) for name, labels in candidates.items() if _NUMBER_WORDS.search(name) and len(labels) >= _LEAST_DIGITS
    ]
    return max(found, key=lambda one: len(one[1])) if found else ("", ())


@dataclass(frozen=True, slots=True)
class _Sheet:
    """Where fields are drawn."""

    paper: Paper
    usual: _Column  #: one with bubbles of the usual size


def _fields(form: _Form, sheet: _Sheet) -> tuple[list[Data], list[str]]:
    fields: list[Data] = []
    to_check: list[str] = []
    by_label = form.by_label()
    name, labels = form.number
    if labels:
        fields.append(_number(name, [by_label[label][0] for label in labels], sheet))
        to_check.append(f"{name} is taken for the student number, of {len(labels)} digits")
        beside = [label for label in form.groups.get(name, ()) if label not in labels]
        if beside:
            to_check.append(
                f"{name} also holds {shown(beside)}, which no number can: read as fields of their own, and not matched"
            )
    else:
        to_check.append("no student number was seen; if there is one, name its label with --student-number")
    joined = []
    waiting: list[_Column] = []  # alike ones of a block, to be written as one entry
    for question, parts in form.questions().items():
        many = _is_many(form.answers.get(question), parts)
        if len(parts) > 1:
            joined.append(question)
        columns = [one for label in parts for one in by_label[label]]
        alone = len(columns) == 1 and not many and plain(question) == question == columns[0].label
        if waiting and not (alone and columns[0].keys == waiting[0].keys):
            fields += _alike(waiting, sheet)
            waiting = []
        if alone:
            waiting.append(columns[0])
        else:
            fields.append(_one_by_one(question, parts, columns, sheet, many=many or len(parts) > 1))
    fields += _alike(waiting, sheet) if waiting else []
    if joined:
        to_check.append(
            f"{shown(joined)}: of several columns each; the boxes of such a question are called 1.4 (first column, value 4), 2.6 and so on"
        )
    return fields, to_check


def _centre(column: _Column, place: int, sheet: _Sheet) -> list[float]:
    (x, y), (width, height) = column.at[place], column.size
    return sheet.paper.at(x + width / 2, y + height / 2)


def _style(column: _Column, sheet: _Sheet) -> Data:
    """Size of a column's boxes, if it is not the usual one."""
    return {} if column.size == sheet.usual.size else {"size": _inside(column, sheet)}


def _inside(column: _Column, sheet: _Sheet) -> list[float]:
    """The clear inside of a bubble whose outline is as large as the template says."""
    return [
        mm(max(side - 2 * FRAME_MM, side / 2))
        for side in (column.size[0] * sheet.paper.across, column.size[1] * sheet.paper.down)
    ]


def _box_style(sheet: _Sheet) -> Data:
    return {"size": _inside(sheet.usual, sheet), "frame": FRAME_MM, "shape": "circle"}


def _step(column: _Column, sheet: _Sheet) -> list[float]:
    if len(column.at) < 2:
        return [0.0, 0.0]
    (x0, y0), (x1, y1) = column.at[:2]
    return [mm((x1 - x0) * sheet.paper.across), mm((y1 - y0) * sheet.paper.down)]


def _grid(column: _Column, sheet: _Sheet) -> Data:
    grid: Data = {"values": _spelled(column.values), "origin": _centre(column, 0, sheet), "step": _step(column, sheet)}
    return grid | _style(column, sheet)


def _spelled(values: Sequence[str]) -> str | list[str]:
    named = [plain(one) for one in values]
    return "".join(named) if all(len(one) == 1 for one in named) else named


def _between(first: _Column, second: _Column, sheet: _Sheet) -> list[float]:
    (x0, y0), (x1, y1) = first.at[0], second.at[0]
    return [mm((x1 - x0) * sheet.paper.across), mm((y1 - y0) * sheet.paper.down)]


def _even(columns: Sequence[_Column]) -> bool:
    """Whether alike columns stand at even distances."""
    shifts = {(round(b.at[0][0] - a.at[0][0], 6), round(b.at[0][1] - a.at[0][1], 6)) for a, b in pairwise(columns)}
    return len(shifts) <= 1 and len({(one.values, one.size, one.keys) for one in columns}) == 1


def _number(name: str, columns: Sequence[_Column], sheet: _Sheet) -> Data:
    entry: Data = {"id": plain(name), "kind": "digits", "role": "student_number", "page": 1}
    if _even(columns):
        entry |= {"places": len(columns), **_grid(columns[0], sheet)}
        if len(columns) > 1:
            entry["place_step"] = _between(columns[0], columns[1], sheet)
    else:
        entry["boxes"] = [
            {"value": value, "place": place, "at": _centre(one, position, sheet), **_style(one, sheet)}
            for place, one in enumerate(columns, start=1)
            for position, value in enumerate(one.values)
        ]
    return entry


def _alike(columns: Sequence[_Column], sheet: _Sheet) -> list[Data]:
    """Questions of one block: one entry where they stand at even distances, else one each."""
    if len(columns) > 1 and not _even(columns):
        return [entry for one in columns for entry in _alike([one], sheet)]
    names: Data = {"ids": [one.label for one in columns]} if len(columns) > 1 else {"id": columns[0].label}
    entry = names | {"kind": "choice", "select": "one", "page": 1} | _grid(columns[0], sheet)
    if len(columns) > 1:
        entry["field_step"] = _between(columns[0], columns[1], sheet)
    return [entry]


def _one_by_one(
    question: str, parts: Mapping[str, tuple[str, ...]], columns: Sequence[_Column], sheet: _Sheet, *, many: bool
) -> Data:
    order = {label: place for place, label in enumerate(parts, start=1)}
    boxes = [
        {"value": _box_name(value, order[one.label], len(parts)), "at": _centre(one, position, sheet), **_style(one, sheet)}
        for one in columns
        for position, value in enumerate(one.values)
    ]
    return {"id": plain(question), "kind": "choice", "select": "many" if many else "one", "page": 1, "boxes": boxes}


def _box_name(value: str, place: int, places: int) -> str:
    return f"{place}.{plain(value)}" if places > 1 else plain(value)


def _is_many(answer: _Answer | None, parts: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether some right answer is of several marks in one column."""
    if answer is None or len(parts) > 1:
        return False
    (values,) = parts.values()
    return any(one not in values for one in answer.either)


# --------------------------------------------------------------------------- points


def _answers(source: Source, faults: Faults, notes: list[str]) -> dict[str, _Answer]:
    options = source.data.get("options")
    options = options if isinstance(options, Mapping) else {}
    questions: list[str] = []
    given: list[Any] = []
    if source.data.get("source_type") == "csv":
        questions, given = _from_csv(options, Path(source.name).parent, faults)
    if not given:
        if "answers_in_order" not in options:
            notes.append(
                "the answers of the evaluation are not in a file of texts (they are read from an image): fill in the keys"
            )
            return {}
        questions = _labels(options.get("questions_in_order"), ("options", "questions_in_order"), faults)
        given = options["answers_in_order"] if isinstance(options["answers_in_order"], list) else []
    if len(questions) != len(given):
        faults.error(
            ("options",), f"there are {len(questions)} questions and {len(given)} answers.", "Give one answer per question."
        )
        return {}
    schemes = _schemes(source, faults)
    found = {}
    for place, (question, answer) in enumerate(zip(questions, given, strict=True)):
        keys: KeyPath = ("options", "answers_in_order", place)
        scheme = schemes.get(question, schemes.get("", {"correct": Fraction(1)}))
        weights: dict[str, Fraction] = {}
        if isinstance(answer, str):
            either = [answer]
        elif _are_texts(answer):
            either = list(answer)
        elif isinstance(answer, list) and answer and all(isinstance(one, list) and len(one) == 2 for one in answer):
            either = [str(one[0]) for one in answer]
            try:
                weights = {str(one[0]): exact(one[1]) for one in answer}
            except ValueError:
                faults.error(keys, f"{as_in_file(answer)}: the points are no numbers.")
                continue
        else:
            faults.error(
                keys, f"the answer of {question} is {as_in_file(answer)}.", 'It must be a text, or a list of them: "A".'
            )
            continue
        none = Fraction(0)
        found[question] = _Answer(
            keys,
            tuple(either),
            weights,
            scheme.get("correct", none),
            scheme.get("incorrect", none),
            scheme.get("unmarked", none),
        )
    return found


def _from_csv(options: Mapping[str, Any], folder: Path, faults: Faults) -> tuple[list[str], list[Any]]:
    path = folder / str(options.get("answer_key_csv_path", "answer_key.csv"))
    try:
        rows = [row for row in csv.reader(path.read_text(encoding="utf-8-sig").splitlines()) if len(row) >= 2]
    except (OSError, UnicodeDecodeError):
        if "answers_in_order" not in options:
            faults.error(("options", "answer_key_csv_path"), f"{path} cannot be read.", "Put it beside the evaluation.")
        return [], []
    answers: list[Any] = [[one.strip() for one in row[1:]] if len(row) > 2 else row[1].strip() for row in rows]
    return [row[0].strip() for row in rows], [
        one.split(",") if isinstance(one, str) and "," in one else one for one in answers
    ]


def _schemes(source: Source, faults: Faults) -> dict[str, dict[str, Fraction]]:
    """Points by question; those of all others are under ""."""
    found: dict[str, dict[str, Fraction]] = {}
    given = source.data.get("marking_schemes")
    for name, scheme in given.items() if isinstance(given, Mapping) else ():
        keys: KeyPath = ("marking_schemes", name)
        if not isinstance(scheme, Mapping):
            faults.error(keys, f"is {as_in_file(scheme)}; it must be an object.")
            continue
        points = scheme.get("marking", scheme)
        try:
            marking = {key: exact(points[key]) for key in ("correct", "incorrect", "unmarked") if key in points}
        except (ValueError, TypeError):
            faults.error(keys, f"the points of {as_in_file(points)} are not all numbers.")
            continue
        named = [""] if name == "DEFAULT" else _labels(scheme.get("questions"), (*keys, "questions"), faults)
        found |= dict.fromkeys(named, marking)
    return found


def _rubric(name: str, form: _Form, with_answers: bool) -> tuple[Data | None, list[str]]:
    """The rubric, and what to check of it."""
    to_check: list[str] = []
    questions: Data = {}
    without: list[str] = []
    beside = form.groups.get(form.number[0], ())
    for question, parts in form.questions().items():
        answer = form.answers.get(question)
        if answer is None and question in beside:
            continue
        if answer is None:
            without.append(question)
            questions[plain(question)] = {"policy": "all-or-nothing" if len(parts) > 1 else "single", "points": 1}
        else:
            questions[plain(question)] = _question(question, answer, parts, to_check)
    if without:
        why = "the evaluation does not name them" if with_answers else "there is no evaluation.json beside the template"
        to_check.append(
            f"questions without a key, of 1 point each ({why}): {shown(without)}; write `key` and `points` in the rubric"
        )
    unknown = [one for one in form.answers if one not in form.questions()]
    if unknown:
        to_check.append(f"the evaluation has answers of {shown(unknown)}, which the template does not have: left out")
    if not questions:
        return None, [*to_check, "no questions are in the template, so there is no rubric"]
    rubric: Data = {
        "format": 1,
        "name": name,
        "title": f"{name}, from OMRChecker",
        "total": total_of(questions),
        "questions": questions,
    }
    return rubric, to_check


def _question(question: str, answer: _Answer, parts: Mapping[str, tuple[str, ...]], to_check: list[str]) -> Data:
    points = {"points": as_written(answer.correct)}
    if answer.correct == answer.incorrect == answer.unmarked:
        return {"policy": "all-or-nothing", **points, "void": "full"}
    keys = [_boxes(one, parts) for one in answer.either]
    if any(key is None for key in keys):
        bad = shown(one for one, key in zip(answer.either, keys, strict=True) if key is None)
        to_check.append(f"{question}: the answer {bad} is made of none of its bubbles; write `key` in the rubric")
        return {"policy": "single", **points}
    found = [key for key in keys if key is not None]
    single = len(parts) == 1 and all(len(key) == 1 for key in found)
    if answer.weights and single:
        (values,) = parts.values()
        each = {plain(value): as_written(answer.weights.get(value, answer.incorrect)) for value in values}
        best = max(answer.weights.values())
        if answer.unmarked:
            to_check.append(
                f"{question}: {as_written(answer.unmarked)} for no mark is left out; points per alternative give 0"
            )
        return {
            "policy": "per-alternative",
            "points": as_written(best),
            "values": each,
            "floor": "none",
            "cap": as_written(best),
        }
    if answer.weights:
        to_check.append(f"{question}: points of each answer are left out; every one of {shown(answer.either)} earns all")
    if single:
        right: Data = {"key": found[0][0]} if len(found) == 1 else {"keys": [key[0] for key in found]}
        wrong = {"wrong": as_written(answer.incorrect), "blank": as_written(answer.unmarked), "multiple": "wrong"}
        return {"policy": "single", **points, **right, **wrong}
    if answer.incorrect or answer.unmarked:
        to_check.append(
            f"{question}: {as_written(answer.incorrect)} for a wrong answer and {as_written(answer.unmarked)} for none are left out;"
            " a question of several marks is all or nothing"
        )
    return {"policy": "all-or-nothing", **points, **({"key": found[0]} if len(found) == 1 else {"keys": found})}


def _boxes(answer: str, parts: Mapping[str, tuple[str, ...]]) -> list[str] | None:
    """The boxes that an answer's text stands for: "B"; "BC" of one column; "46" of two."""
    rest = answer
    boxes: list[str] = []
    several = len(parts) > 1
    for place, values in enumerate(parts.values(), start=1):
        longest = sorted(values, key=len, reverse=True)
        while value := next((one for one in longest if rest.startswith(one) and one), None):
            boxes.append(_box_name(value, place, len(parts)))
            rest = rest.removeprefix(value)
            if several:
                break
    return boxes if boxes and not rest and len(set(boxes)) == len(boxes) else None


def evaluation_beside(template: Path) -> Source | Issue | None:
    """The `evaluation.json` in a template's folder, None where there is none."""
    path = template.with_name("evaluation.json")
    return read_source(path) if path.is_file() else None
