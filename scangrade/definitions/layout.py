"""Layouts: the file that describes a form, and how it becomes a `scangrade.model.Layout`.

The models below are the file as people write it: grids given by origin and step, defaults, several alike fields in one entry.
`load_layout` expands all that into boxes with a place each, and refuses what cannot be read later: boxes on top of each other,
off the page, without a size; codes that cannot tell pages apart. Everything that is wrong is reported in one go.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, StrictBool, StrictInt, StrictStr
from pydantic import Field as Spec

from scangrade.definitions.faults import Entry, Faults, listed, shape, shown
from scangrade.definitions.source import KeyPath, read_source
from scangrade.errors import Issue, near_miss
from scangrade.model import (
    Box,
    Convention,
    Fiducial,
    FiducialKind,
    Field,
    FieldKind,
    Layout,
    LayoutPage,
    PageCode,
    PageCodeKind,
    Region,
    Shape,
)
from scangrade.settings import LAYOUT, LayoutLimits

# --------------------------------------------------------------------------- the file


def _as_float(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value


def _as_pair(value: Any) -> Any:
    return [value, value] if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else value


def _as_characters(value: Any) -> Any:
    return list(value) if isinstance(value, str) else value


def _as_printed(value: Any) -> Any:
    if isinstance(value, bool) or (isinstance(value, list) and all(isinstance(one, str) for one in value)):
        return value
    raise ValueError(f"is {shown(value)}; it must be true, false or a list of texts.")


def _as_boxes(value: Any) -> Any:
    """Boxes of a page code may be written as bare points."""
    return [{"at": one} if isinstance(one, list) else one for one in value] if isinstance(value, list) else value


def _plain_name(value: str) -> str:
    """Ids and values become parts of box keys and column heads."""
    if not value or value != value.strip() or "/" in value or not value.isprintable():
        raise ValueError(
            f"is {shown(value)}; it must not be empty, hold a slash or a line break, or begin or end with a blank."
        )
    return value


Length = Annotated[float, BeforeValidator(_as_float), Spec(strict=True, allow_inf_nan=False)]
Positive = Annotated[Length, Spec(gt=0)]
Pair = tuple[Length, Length]
Name = Annotated[StrictStr, AfterValidator(_plain_name)]
Size = Annotated[
    tuple[Positive, Positive], BeforeValidator(_as_pair, json_schema_input_type=Positive | tuple[Positive, Positive])
]
Rectangle = tuple[Length, Length, Positive, Positive]
Values = Annotated[
    tuple[Name, ...], BeforeValidator(_as_characters, json_schema_input_type=str | list[str]), Spec(min_length=1)
]
Printed = Annotated[bool | tuple[str, ...], BeforeValidator(_as_printed, json_schema_input_type=bool | list[str])]
PageNumber = Annotated[StrictInt, Spec(ge=1)]


class BoxStyle(Entry):
    """How boxes look."""

    size: Size | None = None
    """Inside of the printed frame in mm: a number, or [width, height]."""
    frame: Annotated[Length, Spec(ge=0)] | None = None
    """Width of the printed frame in mm; 0 where none is printed. Default 0.3."""
    shape: Shape | None = None
    """Outline: "square" or "circle". Default "square"."""


class Gap(Entry):
    """An extra distance after every n-th of a row."""

    every: Annotated[StrictInt, Spec(ge=1)]
    """After how many the gap comes."""
    add: Pair
    """Extra distance [x, y] in mm."""


class BoxEntry(BoxStyle):
    """One box, placed by its centre."""

    value: Name
    """What the box stands for; unique in its field."""
    at: Pair
    """Centre [x, y] in mm."""
    printed: StrictStr = ""
    """What the form prints inside the box."""
    place: Annotated[StrictInt, Spec(ge=1)] | None = None
    """Digits only: column of the number, 1 is the leftmost."""
    correction: Annotated[StrictInt, Spec(ge=1)] | None = None
    """Credit only: 1 for the first correction, 2 for the second."""


class BitBox(BoxStyle):
    """One box of a printed page code."""

    at: Pair
    """Centre [x, y] in mm."""


class FiducialEntry(Entry):
    """Registration marks of one kind."""

    kind: FiducialKind
    """square (filled), circle (filled), ring, corner (an L) or plus."""
    size: Positive
    """Side, outer diameter, or full length of an arm in mm."""
    line: Positive | None = None
    """Stroke width in mm; ring, corner and plus only."""
    at: Annotated[tuple[Annotated[tuple[Length, ...], Spec(min_length=2, max_length=3)], ...], Spec(min_length=1)]
    """Centres [x, y] in mm; a corner is placed by its outer corner and has its turn too: [x, y, 0 | 90 | 180 | 270]."""
    pages: Annotated[tuple[PageNumber, ...], Spec(min_length=1)] | None = None
    """Pages that have these marks; default all."""


class BarcodeEntry(Entry):
    """A page code printed as DataMatrix, QR or Code 128."""

    kind: Literal["barcode"]
    """A barcode."""
    region: Rectangle
    """Where it is on every page, generously: [x, y, width, height] in mm."""
    content: StrictStr
    """What it says: text with {exam}, {copy} and {page}."""
    exam: StrictStr | None = None
    """What {exam} must be; default the layout's name."""


class BitsEntry(BoxStyle):
    """A page code printed as a row of boxes that are filled for 1."""

    kind: Literal["bits"]
    """A row of boxes."""
    bits: Annotated[
        tuple[BitBox, ...], BeforeValidator(_as_boxes, json_schema_input_type=list[Pair | BitBox]), Spec(min_length=1)
    ]
    """Centres [x, y] in mm, or boxes."""
    patterns: dict[str, StrictStr]
    """Page number to the 0s and 1s that its boxes show."""


class _GridEntry(BoxStyle):
    """Boxes in a row, or box by box."""

    page: PageNumber
    """Page of the booklet, from 1."""
    origin: Pair | None = None
    """Centre [x, y] of the first box in mm."""
    step: Pair | None = None
    """From one value's box to the next value's: [x, y] in mm."""
    gap: Gap | None = None
    """Extra distance after every n-th value."""
    boxes: Annotated[tuple[BoxEntry, ...], Spec(min_length=1)] | None = None
    """Box by box, instead of origin and step."""


class _AlikeEntry(Entry):
    """One field, or several alike ones."""

    id: Name | None = None
    """The field's id, unique in the layout."""
    ids: Annotated[tuple[Name, ...], Spec(min_length=1)] | None = None
    """Ids of several alike fields, instead of id."""
    field_step: Pair | None = None
    """With ids: from one field to the next, [x, y] in mm."""
    field_gap: Gap | None = None
    """With ids: extra distance after every n-th field."""
    question: Name | None = None
    """Question of the rubric that the field answers; default the field's id."""


class ChoiceEntry(_GridEntry, _AlikeEntry):
    """Alternatives of a question."""

    kind: Literal["choice"]
    """Alternatives of a question."""
    select: Literal["one", "many"]
    """Whether one alternative may be marked, or any number of them."""
    values: Values | None = None
    """Alternatives in order: a list, or a text of one character each."""
    printed: Printed | None = None
    """Print in the boxes: true for the value, or a list of texts. Default nothing."""


class DigitsEntry(_GridEntry):
    """A number, one column of boxes per digit."""

    kind: Literal["digits"]
    """A number, one column of boxes per digit."""
    id: Name
    """The grid's id; its columns are called id.1, id.2, ..."""
    role: Literal["student_number"] | None = None
    """What the number is."""
    places: Annotated[StrictInt, Spec(ge=1, le=99)] | None = None
    """How many digits the number has."""
    place_step: Pair | None = None
    """From one column to the next: [x, y] in mm."""
    values: Values | None = None
    """Digits in the order of a column's boxes: "1234567890"."""
    printed: Printed | None = None
    """Print in the boxes: true for the value, or a list of texts. Default nothing."""


class CreditEntry(_GridEntry, _AlikeEntry):
    """Points that a grader marks: 0, 1, 2, ... and half points."""

    kind: Literal["credit"]
    """Points that a grader marks."""
    max: Annotated[StrictInt, Spec(ge=1, le=99)]
    """Most points that can be marked."""
    halves: StrictBool = False
    """Whether a half box follows each number but the last."""
    half_offset: Pair | None = None
    """With halves: from a number's box to the half box that follows it, [x, y] in mm."""
    corrections: Annotated[StrictInt, Spec(ge=1, le=9)] = 1
    """How many columns there are: one per correction."""
    correction_step: Pair | None = None
    """From the first correction's column to the second's: [x, y] in mm."""
    printed: StrictBool = False
    """Whether the number is printed inside its box. Half boxes always print H."""


class VersionEntry(_GridEntry):
    """Which version of the exam the booklet is."""

    kind: Literal["version"]
    """Which version of the exam the booklet is."""
    id: Name
    """The field's id."""
    values: Values | None = None
    """Versions in order: a list, or a text of one character each."""
    printed: Printed | None = None
    """Print in the boxes: true for the value, or a list of texts. Default nothing."""


class StickerEntry(Entry):
    """Where a label with a code is pasted."""

    kind: Literal["sticker"]
    """Where a label with a code is pasted."""
    id: Name
    """The field's id."""
    page: PageNumber
    """Page of the booklet, from 1."""
    region: Rectangle
    """[x, y, width, height] in mm."""


class HandwrittenEntry(BoxStyle):
    """A number written by hand, a digit in each cell."""

    kind: Literal["handwritten"]
    """A number written by hand, a digit in each cell."""
    id: Name
    """The field's id; on several pages its fields are called id.1, id.2, ... by their page."""
    role: Literal["student_number"]
    """What the number is."""
    page: PageNumber | None = None
    """Page of the booklet, from 1."""
    pages: Annotated[tuple[PageNumber, ...], Spec(min_length=1)] | None = None
    """Pages that all have it at the same place, instead of page."""
    places: Annotated[StrictInt, Spec(ge=2, le=20)]
    """How many cells there are."""
    origin: Pair
    """Centre [x, y] of the first cell in mm."""
    place_step: Pair
    """From one cell to the next: [x, y] in mm."""
    gap: Gap | None = None
    """Extra distance after every n-th cell."""
    comb: StrictBool = False
    """Whether the cells are a comb, a line with short strokes up between the digits, and no closed frames."""


class TextEntry(_AlikeEntry):
    """Handwriting: a name, a number, an answer; or a printed version."""

    kind: Literal["text"]
    """Handwriting: a name, a number, an answer; or a printed version."""
    page: PageNumber
    """Page of the booklet, from 1."""
    region: Rectangle
    """[x, y, width, height] in mm."""
    role: Literal["name", "student_number", "answer", "version"] | None = None
    """What is written there. An answer belongs to a question. A version is printed: the rubric can take it from there."""


FieldEntry = Annotated[
    ChoiceEntry | DigitsEntry | CreditEntry | VersionEntry | StickerEntry | HandwrittenEntry | TextEntry,
    Discriminator("kind"),
]


class LayoutFile(Entry):
    """The definition of a form. Lengths in mm from the page's top left; boxes and fiducials are placed by their centre."""

    format: Literal[1]
    """Version of this format: 1."""
    name: Name
    """Short name of the form, without slashes; the {exam} of page codes that say nothing else."""
    title: StrictStr = ""
    """Name of the form for people."""
    convention: Convention
    """What a cross and a complete fill mean: "fill-wins", "cross" (a fill undoes), "any" or "fill"."""
    pages: Annotated[StrictInt, Spec(ge=1, le=1000)]
    """Pages of a booklet."""
    page_size: tuple[Positive, Positive] = (210.0, 297.0)
    """[width, height] in mm; default A4."""
    page_sizes: dict[str, tuple[Positive, Positive]] = Spec(default_factory=dict)
    """Pages of another size: page number to [width, height] in mm."""
    dropout: Literal["red", "green", "blue"] | None = None
    """Colour of print and ink that is not to be seen."""
    reference: StrictStr | None = None
    """The blank form, PDF or image, page by page; its path from the layout's folder."""
    box: BoxStyle = BoxStyle()
    """How boxes look where they say nothing else."""
    page_code: Annotated[BarcodeEntry | BitsEntry, Discriminator("kind")] | None = None
    """How a page says which one it is."""
    fiducials: tuple[FiducialEntry, ...] = ()
    """Registration marks."""
    fields: Annotated[tuple[FieldEntry, ...], Spec(min_length=1)]
    """Fields of all pages."""


_PIECES = ("fields", "fiducials")
_STAND_INS = {"format": 1, "name": "layout", "convention": Convention.ANY}
_FRAME_MM = 0.3  # of a box that does not say


def layout_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a layout file."""
    schema = LayoutFile.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "scangrade layout"}


def load_layout(path: Path, *, limits: LayoutLimits = LAYOUT) -> tuple[Layout | None, tuple[Issue, ...]]:
    """Read a layout.

    Parameters
    ----------
    path : Path
        TOML, or JSON where the name ends in .json.

    Returns
    -------
    Layout, or None exactly where an error is among the issues; and all issues of the file.
    """
    source = read_source(path)
    if isinstance(source, Issue):
        return None, (source,)
    faults = Faults(source)
    if "questions" in source.data and "fields" not in source.data:
        faults.error((), "this is a rubric, not a layout.", "Give the layout with `--layout`, and this file with `--rubric`.")
        return None, tuple(faults.issues)
    shaped = shape(LayoutFile, source, faults, schema=layout_schema(), pieces=_PIECES, stand_ins=_STAND_INS)
    if shaped.model is None:
        return None, tuple(faults.issues)
    file = shaped.model
    fields = _fields(file, shaped.places["fields"], faults)
    layout = Layout(
        name=file.name,
        title=file.title,
        convention=file.convention,
        pages=_pages(file, shaped.places["fiducials"] if file.fiducials else (), faults),
        fields=tuple(fields),
        page_code=_page_code(file, faults),
        reference=_reference(file, path.parent, faults),
        dropout=file.dropout or "",
    )
    _check_geometry(layout, fields, faults)
    if shaped.complete:
        _check_registration(layout, faults, limits=limits)
    return (None if faults.fatal else layout), tuple(faults.issues)


# --------------------------------------------------------------------------- pages


def _pages(file: LayoutFile, places: Sequence[int], faults: Faults) -> tuple[LayoutPage, ...]:
    sizes: dict[int, tuple[float, float]] = {}
    for text, size in file.page_sizes.items():
        page = _page_number(text, file.pages)
        if page is None:
            faults.error(("page_sizes", text), f"there is no page {shown(text)}; the booklet has pages 1 to {file.pages}.")
        else:
            sizes[page] = size
    marks: dict[int, list[Fiducial]] = defaultdict(list)
    for place, entry in zip(places, file.fiducials, strict=True):
        made = list(_fiducials(entry, ("fiducials", place), faults))
        for page in entry.pages or range(1, file.pages + 1):
            if page > file.pages:
                faults.error(
                    ("fiducials", place, "pages"), f"there is no page {page}; the booklet has pages 1 to {file.pages}."
                )
            marks[page] += made
    return tuple(LayoutPage(page, *sizes.get(page, file.page_size), tuple(marks[page])) for page in range(1, file.pages + 1))


def _page_number(text: str, pages: int) -> int | None:
    """A page number that is the key of a table, None where there is no such page."""
    number = int(text) if re.fullmatch(r"[1-9][0-9]{0,3}", text) else 0
    return number if 1 <= number <= pages else None


def _fiducials(entry: FiducialEntry, keys: KeyPath, faults: Faults) -> Iterator[Fiducial]:
    drawn = entry.kind in (FiducialKind.RING, FiducialKind.CORNER, FiducialKind.PLUS)
    if drawn and entry.line is None:
        faults.error((*keys, "line"), f"`line` is missing: a {entry.kind} is drawn with a stroke.", "Add its width in mm.")
    if not drawn and entry.line is not None:
        faults.error((*keys, "line"), f"a {entry.kind} is filled and has no `line`.", "Leave it out.")
    if entry.line is not None and entry.line >= entry.size:
        faults.error((*keys, "line"), f"`line` is {entry.line:g} mm; it must be less than the size, {entry.size:g} mm.")
    for place, at in enumerate(entry.at):
        turn = 0
        if entry.kind is FiducialKind.CORNER:
            if len(at) < 3 or at[2] not in (0, 90, 180, 270):
                faults.error(
                    (*keys, "at", place),
                    f"{shown(at)} does not say how the corner is turned.",
                    "Write [x, y, turn]: 0 for a top left corner, then clockwise 90, 180, 270.",
                )
                continue
            turn = int(at[2])
        elif len(at) > 2:
            faults.error((*keys, "at", place), f"{shown(at)} has a turn, and only a corner has one.", "Write [x, y].")
        yield Fiducial(entry.kind, at[0], at[1], entry.size, entry.line or 0.0, turn)


def _reference(file: LayoutFile, folder: Path, faults: Faults) -> Path | None:
    if file.reference is None:
        return None
    path = folder / file.reference
    if not path.is_file():
        faults.error(
            ("reference",), f"there is no file {path}.", "The path of `reference` starts at the folder of the layout file."
        )
    return path


# --------------------------------------------------------------------------- page code


def _page_code(file: LayoutFile, faults: Faults) -> PageCode | None:
    if isinstance(file.page_code, BarcodeEntry):
        return _barcode(file, file.page_code, faults)
    if isinstance(file.page_code, BitsEntry):
        return _bits(file, file.page_code, faults)
    return None


_PLACEHOLDERS = ("exam", "copy", "page")


def _barcode(file: LayoutFile, entry: BarcodeEntry, faults: Faults) -> PageCode:
    keys = ("page_code", "content")
    names = re.findall(r"\{([^{}]*)\}", entry.content)
    for name in dict.fromkeys(names):
        if name not in _PLACEHOLDERS:
            hint = near_miss(name, _PLACEHOLDERS)
            faults.error(keys, f"unknown placeholder {{{name}}}.", hint or "There are {exam}, {copy} and {page}.")
        elif names.count(name) > 1:
            faults.error(keys, f"{{{name}}} is there {names.count(name)} times; it may be there once.")
    if any(brace in re.sub(r"\{[^{}]*\}", "", entry.content) for brace in "{}"):
        faults.error(keys, f"{shown(entry.content)} has a brace without its partner.")
    if file.pages > 1 and "page" not in names:
        faults.error(
            keys, f"{shown(entry.content)} does not tell the {file.pages} pages of the booklet apart.", "Add {page} to it."
        )
    if re.search(r"\{copy\}\{page\}|\{page\}\{copy\}", entry.content):
        faults.error(keys, "{copy} and {page} stand side by side, so that nobody can tell where one ends.", "Put a / between.")
    if entry.exam is not None and "exam" not in names:
        faults.warning(("page_code", "exam"), "`exam` is never looked at, since `content` has no {exam}.")
    exam = (entry.exam if entry.exam is not None else file.name) if "exam" in names else ""
    return PageCode(PageCodeKind.BARCODE, Region(0, *entry.region), entry.content, exam)


def _bits(file: LayoutFile, entry: BitsEntry, faults: Faults) -> PageCode:
    patterns: dict[int, str] = {}
    for text, pattern in entry.patterns.items():
        keys = ("page_code", "patterns", text)
        page = _page_number(text, file.pages)
        if page is None:
            faults.error(keys, f"there is no page {shown(text)}; the booklet has pages 1 to {file.pages}.")
            continue
        if set(pattern) - {"0", "1"}:
            faults.error(keys, f"{shown(pattern)} may hold 0 and 1 only.")
        if len(pattern) != len(entry.bits):
            faults.error(keys, f"{shown(pattern)} is {len(pattern)} long, but there are {len(entry.bits)} bits.")
        for other, taken in patterns.items():
            if taken == pattern:
                faults.error(keys, f"page {text} has the same pattern as page {other}.", "Give every page its own.")
        patterns[page] = pattern
    lacking = [page for page in range(1, file.pages + 1) if page not in patterns]
    if lacking:
        faults.error(("page_code", "patterns"), f"there is no pattern for {_page_list(lacking)}.")
    styles = [_style(box, entry, file.box) for box in entry.bits]
    boxes = tuple(
        _box("page_code", str(place), 0, box.at, style)
        for place, (box, style) in enumerate(zip(entry.bits, styles, strict=True), start=1)
        if style.size is not None
    )
    if len(boxes) < len(entry.bits):
        faults.error(("page_code",), "the bits have no `size`.", "Give it here, or for all boxes in [box].")
    return PageCode(PageCodeKind.BITS, bits=boxes, patterns=patterns)


def _page_list(pages: Sequence[int]) -> str:
    return f"page{'s' if len(pages) > 1 else ''} {listed(str(page) for page in pages)}"


# --------------------------------------------------------------------------- boxes


@dataclass(frozen=True, slots=True)
class _Style:
    """How one box looks, its defaults looked up."""

    size: tuple[float, float] | None
    frame: float
    shape: Shape


@dataclass(frozen=True, slots=True)
class _Mark:
    """A box of a field that is not yet shifted to its column or to its place among alike fields."""

    value: str
    at: tuple[float, float]
    style: _Style
    printed: str = ""
    column: int = 1  #: place of a digit, number of a correction


def _style(*styles: BoxStyle) -> _Style:
    """The first of the styles that says something counts."""
    size = next((one.size for one in styles if one.size is not None), None)
    frame = next((one.frame for one in styles if one.frame is not None), _FRAME_MM)
    return _Style(size, frame, next((one.shape for one in styles if one.shape is not None), Shape.SQUARE))


def _box(field: str, value: str, page: int, at: tuple[float, float], style: _Style, *, printed: str = "") -> Box:
    width, height = style.size or (1.0, 1.0)  # a box without a size is reported, and its layout never given out
    return Box(field, value, page, at[0], at[1], width, height, style.frame, style.shape, printed)


def _shifted(
    at: tuple[float, float], step: tuple[float, float] | None, times: int, gap: Gap | None = None
) -> tuple[float, float]:
    """A place moved by so many steps and the gaps among them."""
    dx, dy = step or (0.0, 0.0)
    extra = times // gap.every if gap else 0
    gap_x, gap_y = gap.add if gap else (0.0, 0.0)
    return at[0] + times * dx + extra * gap_x, at[1] + times * dy + extra * gap_y


# --------------------------------------------------------------------------- fields


@dataclass(frozen=True, slots=True)
class _Expanding:
    """What the expansion of one entry needs besides the entry."""

    keys: KeyPath
    box: BoxStyle  #: the file's defaults
    faults: Faults

    def error(self, key: str, message: str, advice: str = "") -> None:
        self.faults.error((*self.keys, key), message, advice)


def _fields(file: LayoutFile, places: Sequence[int], faults: Faults) -> dict[Field, KeyPath]:
    """All fields, expanded, each with the entry that it comes from; ids that are used twice are reported."""
    fields: dict[Field, KeyPath] = {}
    owners: dict[str, KeyPath] = {}
    for place, entry in zip(places, file.fields, strict=True):
        at = _Expanding(("fields", place), file.box, faults)
        for page in _pages_of(entry):
            if page > file.pages:
                key = "page" if entry.page is not None else "pages"
                at.error(key, f"there is no page {page}; the booklet has pages 1 to {file.pages}.")
        made = list(_expanded(entry, at))
        grouped = isinstance(entry, DigitsEntry) or (isinstance(entry, HandwrittenEntry) and entry.pages is not None)
        names = [one.id for one in made] + ([entry.id] if grouped and entry.id else [])
        for name, count in Counter(names).items():
            if count > 1:
                at.error("ids", f"the field id `{name}` is there {count} times.", "Give every field its own id.")
            if name in owners:
                taken = faults.where(owners[name])
                at.error("id", f"the field id `{name}` is already taken by {taken}.", "Give every field its own id.")
            owners.setdefault(name, at.keys)
        fields |= dict.fromkeys(made, at.keys)
    for kind, what in ((FieldKind.VERSION, "version field"), (FieldKind.STICKER, "sticker")):
        several = [one.id for one in fields if one.kind is kind]
        if len(several) > 1:
            faults.error(("fields",), f"there is more than one {what}: {listed(several)}.", "Keep one.")
    grids = list(dict.fromkeys(one.group for one in fields if one.kind is FieldKind.DIGIT and one.role == "student_number"))
    if len(grids) > 1:
        faults.error(("fields",), f"more than one grid has the role student_number: {listed(grids)}.", "Keep it for one.")
    return fields


def _pages_of(entry: FieldEntry) -> tuple[int, ...]:
    """Pages that an entry is about."""
    if isinstance(entry, HandwrittenEntry) and entry.pages is not None:
        return entry.pages
    return (entry.page,) if entry.page is not None else ()


def _expanded(entry: FieldEntry, at: _Expanding) -> Iterator[Field]:
    """The fields that one entry stands for."""
    match entry:
        case ChoiceEntry():
            yield from _choice(entry, at)
        case DigitsEntry():
            yield from _digits(entry, at)
        case CreditEntry():
            yield from _credit(entry, at)
        case VersionEntry():
            marks = _marks(entry, entry.values, entry.printed, at)
            yield _field(entry.id, FieldKind.VERSION, entry.page, marks)
        case StickerEntry():
            yield Field(entry.id, FieldKind.STICKER, entry.page, region=Region(entry.page, *entry.region))
        case HandwrittenEntry():
            yield from _handwritten(entry, at)
        case TextEntry():
            yield from _text(entry, at)


def _choice(entry: ChoiceEntry, at: _Expanding) -> Iterator[Field]:
    marks = _marks(entry, entry.values, entry.printed, at)
    for number, (field_id, question) in enumerate(_alike(entry, at)):
        shift = _shifted((0.0, 0.0), entry.field_step, number, entry.field_gap)
        many = entry.select == "many"
        yield _field(field_id, FieldKind.CHOICE, entry.page, marks, shift, question=question, many=many)


def _digits(entry: DigitsEntry, at: _Expanding) -> Iterator[Field]:
    if entry.boxes is None:
        if entry.places is None:
            at.error("places", "`places` is missing.", "Add how many digits the number has.")
        if (entry.places or 1) > 1 and entry.place_step is None:
            at.error("place_step", "`place_step` is missing.", "Add the distance [x, y] from one column to the next.")
        marks = _marks(entry, entry.values, entry.printed, at)
        columns = dict.fromkeys(range(1, (entry.places or 1) + 1), marks)
    else:
        columns = _by_column(_marks(entry, None, None, at), "place", at)
    for value in dict.fromkeys(mark.value for marks in columns.values() for mark in marks):
        if not (value.isascii() and value.isdigit() and len(value) == 1):
            at.error("values", f"{shown(value)} is not a digit; a number's boxes stand for 0 to 9.")
    for place, marks in columns.items():
        shift = _shifted((0.0, 0.0), entry.place_step, place - 1) if entry.boxes is None else (0.0, 0.0)
        yield _field(
            f"{entry.id}.{place}",
            FieldKind.DIGIT,
            entry.page,
            marks,
            shift,
            group=entry.id,
            place=place,
            role=entry.role or "",
        )


def _credit(entry: CreditEntry, at: _Expanding) -> Iterator[Field]:
    numbers = [str(number) for number in range(entry.max + 1)]
    if entry.boxes is None:
        if entry.halves and entry.half_offset is None:
            at.error("half_offset", "`half_offset` is missing.", "Add the distance [x, y] from a number to its half box.")
        if entry.corrections > 1 and entry.correction_step is None:
            at.error("correction_step", "`correction_step` is missing.", "Add the distance [x, y] to the next correction.")
        marks = _marks(entry, numbers, entry.printed, at)
        if entry.halves:
            half_x, half_y = entry.half_offset or (0.0, 0.0)
            halves = [
                _Mark(f"{mark.value}H", (mark.at[0] + half_x, mark.at[1] + half_y), mark.style, "H") for mark in marks[:-1]
            ]
            marks = [mark for pair in zip(marks, [*halves, None], strict=True) for mark in pair if mark is not None]
        columns = dict.fromkeys(range(1, entry.corrections + 1), marks)
    else:
        columns = _by_column(_marks(entry, None, None, at), "correction", at)
        wanted = {*numbers, *(f"{number}H" for number in numbers[:-1] if entry.halves)}
        for correction, marks in columns.items():
            there = {mark.value for mark in marks}
            if there != wanted:
                at.error(
                    "boxes",
                    f"correction {correction} has the boxes {listed(sorted(there))}; it needs {listed(sorted(wanted))}.",
                    "A number's half box has the value 0H, 1H, ...",
                )
    for number, (field_id, question) in enumerate(_alike(entry, at)):
        for correction, marks in columns.items():
            x, y = _shifted((0.0, 0.0), entry.field_step, number, entry.field_gap)
            if entry.boxes is None:
                x, y = _shifted((x, y), entry.correction_step, correction - 1)
            name = f"{field_id}/{correction}" if len(columns) > 1 else field_id
            yield _field(name, FieldKind.CREDIT, entry.page, marks, (x, y), question=question, correction=correction)


def _handwritten(entry: HandwrittenEntry, at: _Expanding) -> Iterator[Field]:
    if (entry.page is None) == (entry.pages is None):
        at.error("page", "one of `page` and `pages` is needed.", "Give `pages = [1, 2, ...]` where several pages have it.")
        return
    style = _style(entry, at.box)
    if style.size is None:
        at.error("size", "the cells have no `size`.", "Add the inside of a cell, [width, height] in mm.")
        return
    if style.shape is not Shape.SQUARE:
        at.error("shape", "cells are rectangles.", "Leave `shape` out.")
    if min(style.size) < LAYOUT.least_cell_mm:
        at.faults.warning(
            (*at.keys, "size"),
            f"cells of {style.size[0]:g} x {style.size[1]:g} mm are small for digits by hand.",
            f"Make them {LAYOUT.least_cell_mm:g} mm wide or more, better 6 x 8 mm.",
        )
    for number in _pages_of(entry):
        name = f"{entry.id}.{number}" if entry.pages is not None else entry.id
        places = [_shifted(entry.origin, entry.place_step, place, entry.gap) for place in range(entry.places)]
        frame = 0.0 if entry.comb else style.frame
        cells = tuple(Box(name, str(place), number, x, y, *style.size, frame) for place, (x, y) in enumerate(places, start=1))
        areas = [_around(cell, frame=True) for cell in cells]
        left, top = min(one.left for one in areas), min(one.top for one in areas)
        right, bottom = max(one.right for one in areas), max(one.bottom for one in areas)
        region = Region(number, left, top, right - left, bottom - top)
        yield Field(name, FieldKind.HANDWRITTEN, number, region=region, role=entry.role, cells=cells)


def _text(entry: TextEntry, at: _Expanding) -> Iterator[Field]:
    if entry.question is not None and entry.role != "answer":
        at.error("question", "only an answer belongs to a question.", 'Add role = "answer", or leave `question` out.')
    x, y, width, height = entry.region
    for number, (field_id, question) in enumerate(_alike(entry, at)):
        left, top = _shifted((x, y), entry.field_step, number, entry.field_gap)
        yield Field(
            field_id,
            FieldKind.TEXT,
            entry.page,
            region=Region(entry.page, left, top, width, height),
            question=question if entry.role == "answer" else "",
            role=entry.role or "",
        )


def _field(
    field_id: str,
    kind: FieldKind,
    page: int,
    marks: Iterable[_Mark],
    shift: tuple[float, float] = (0.0, 0.0),
    *,
    question: str = "",
    many: bool = False,
    group: str = "",
    place: int = 0,
    correction: int = 1,
    role: str = "",
) -> Field:
    boxes = tuple(
        _box(field_id, mark.value, page, (mark.at[0] + shift[0], mark.at[1] + shift[1]), mark.style, printed=mark.printed)
        for mark in marks
    )
    return Field(
        field_id, kind, page, boxes, question=question, many=many, group=group, place=place, correction=correction, role=role
    )


def _alike(entry: _AlikeEntry, at: _Expanding) -> list[tuple[str, str]]:
    """Ids of the fields that an entry stands for, each with its question."""
    if entry.id is not None and entry.ids is not None:
        at.error("ids", "there are both `id` and `ids`.", "Keep one of them.")
    if entry.id is None and entry.ids is None:
        at.error("id", "`id` is missing.", "Add it, or `ids` for several alike fields.")
    if entry.ids is None:
        for key in ("field_step", "field_gap"):
            if key in entry.model_fields_set:
                at.error(key, f"`{key}` has no meaning without `ids`.")
        return [(entry.id, entry.question or entry.id)] if entry.id is not None else []
    if len(entry.ids) > 1 and entry.field_step is None:
        at.error("field_step", "`field_step` is missing.", "Add the distance [x, y] from one field to the next.")
    if len(entry.ids) > 1 and entry.question is not None:
        at.error(
            "question", f"{len(entry.ids)} fields cannot all answer the question {shown(entry.question)}.", "Leave it out."
        )
    return [(name, entry.question or name) for name in entry.ids]


_COMPACT = (
    "values", "origin", "step", "gap", "printed", "places", "place_step", "half_offset", "corrections", "correction_step"
)  # fmt: skip


def _marks(
    entry: _GridEntry, values: Sequence[str] | None, printed: bool | tuple[str, ...] | None, at: _Expanding
) -> list[_Mark]:
    """The boxes of an entry in order, before any shift; what is missing or double is reported."""
    marks = list(_row(entry, values, printed, at) if entry.boxes is None else _one_by_one(entry, at))
    if any(mark.style.size is None for mark in marks):
        at.error("size", "the boxes have no `size`.", "Give it here, or for all boxes in [box].")
    for (value, _), count in Counter((mark.value, mark.column) for mark in marks).items():
        if count > 1:
            at.error("values", f"the value {shown(value)} is there {count} times.", "Give every box of a field its own value.")
    return marks


def _row(
    entry: _GridEntry, values: Sequence[str] | None, printed: bool | tuple[str, ...] | None, at: _Expanding
) -> Iterator[_Mark]:
    if values is None:
        at.error("values", "`values` is missing.", "Add it with `origin` and `step`, or give `boxes` one by one.")
        return
    if entry.origin is None:
        at.error("origin", "`origin` is missing.", "Add the centre [x, y] of the first box.")
    if len(values) > 1 and entry.step is None:
        at.error("step", "`step` is missing.", "Add the distance [x, y] from one box to the next.")
    if isinstance(printed, tuple) and len(printed) != len(values):
        at.error("printed", f"`printed` has {len(printed)} texts for {len(values)} boxes.")
        printed = None
    style = _style(entry, at.box)
    for number, value in enumerate(values):
        text = printed[number] if isinstance(printed, tuple) else value if printed else ""
        yield _Mark(value, _shifted(entry.origin or (0.0, 0.0), entry.step, number, entry.gap), style, text)


def _one_by_one(entry: _GridEntry, at: _Expanding) -> Iterator[_Mark]:
    for key in _COMPACT:
        if key in entry.model_fields_set:
            at.error(key, f"`{key}` has no meaning beside `boxes`.", "Keep one of them.")
    for number, box in enumerate(entry.boxes or ()):
        allowed = {DigitsEntry: "place", CreditEntry: "correction"}.get(type(entry))
        for key in ("place", "correction"):
            if key in box.model_fields_set and key != allowed:
                at.faults.error((*at.keys, "boxes", number, key), f"`{key}` has no meaning in a field of this kind.")
        if allowed == "place" and box.place is None:
            at.faults.error((*at.keys, "boxes", number), "`place` is missing.", "Add the digit's column, 1 for the leftmost.")
        yield _Mark(box.value, box.at, _style(box, entry, at.box), box.printed, box.place or box.correction or 1)


def _by_column(marks: Iterable[_Mark], key: str, at: _Expanding) -> dict[int, list[_Mark]]:
    columns: dict[int, list[_Mark]] = defaultdict(list)
    for mark in marks:
        columns[mark.column].append(mark)
    if sorted(columns) != list(range(1, len(columns) + 1)):
        at.error("boxes", f"`{key}` goes {listed(str(one) for one in sorted(columns))}; it must count 1, 2, 3, ...")
    return dict(sorted(columns.items()))


# --------------------------------------------------------------------------- geometry


@dataclass(frozen=True, slots=True)
class _Rectangle:
    """Left, top, right and bottom in mm."""

    left: float
    top: float
    right: float
    bottom: float

    def inside(self, page: LayoutPage) -> bool:
        return (
            self.left >= -_TOUCH_MM
            and self.top >= -_TOUCH_MM
            and self.right <= page.width_mm + _TOUCH_MM
            and self.bottom <= page.height_mm + _TOUCH_MM
        )

    def overlaps(self, other: _Rectangle) -> bool:
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        return across > _TOUCH_MM and down > _TOUCH_MM


_TOUCH_MM = 0.001  # rounding of sums; neighbours may share an edge


def _around(box: Box, *, frame: bool) -> _Rectangle:
    rule = box.frame_mm if frame else 0.0
    half_x, half_y = box.width_mm / 2 + rule, box.height_mm / 2 + rule
    return _Rectangle(box.x_mm - half_x, box.y_mm - half_y, box.x_mm + half_x, box.y_mm + half_y)


def _covered(mark: Fiducial) -> _Rectangle:
    """What a fiducial covers; a corner's arms go away from its point, all others lie around their centre."""
    x, y, size = mark.x_mm, mark.y_mm, mark.size_mm
    if mark.kind is not FiducialKind.CORNER:
        return _Rectangle(x - size / 2, y - size / 2, x + size / 2, y + size / 2)
    left = x - size if mark.turn_deg in (90, 180) else x
    top = y - size if mark.turn_deg in (180, 270) else y
    return _Rectangle(left, top, left + size, top + size)


def _of_region(region: Region) -> _Rectangle:
    return _Rectangle(*region.edges)


def _check_geometry(layout: Layout, fields: Mapping[Field, KeyPath], faults: Faults) -> None:
    """Everything is on its page, and no two things that are read lie on each other."""
    for field, keys in fields.items():
        if field.page <= len(layout.pages):
            _check_on_page(field, keys, layout.page(field.page), faults)
    for page in layout.pages:
        for mark in page.fiducials:
            if not _covered(mark).inside(page):
                faults.error(("fiducials",), f"the {mark.kind} at ({mark.x_mm:g}, {mark.y_mm:g}) is not on {_size(page)}.")
        _check_overlaps(page, {field: keys for field, keys in fields.items() if field.page == page.number}, faults)
        _check_page_code(page, layout, fields, faults)


def _check_on_page(field: Field, keys: KeyPath, page: LayoutPage, faults: Faults) -> None:
    off = [box for box in (*field.boxes, *field.cells) if not _around(box, frame=True).inside(page)]
    if off:
        more = f", and {len(off) - 1} more of field {shown(field.id)}" if len(off) > 1 else f" of field {shown(field.id)}"
        faults.error(keys, f"box {shown(off[0].value)} at ({off[0].x_mm:g}, {off[0].y_mm:g}){more}: not on {_size(page)}.")
    if field.region is not None and not field.cells and not _of_region(field.region).inside(page):
        x, y, width, height = field.region.x_mm, field.region.y_mm, field.region.width_mm, field.region.height_mm
        faults.error((*keys, "region"), f"[{x:g}, {y:g}, {width:g}, {height:g}] is not on {_size(page)}.")


def _check_overlaps(page: LayoutPage, fields: Mapping[Field, KeyPath], faults: Faults) -> None:
    """Insides of boxes may not overlap (frames may be shared), nor may a box and a fiducial."""
    placed = sorted(
        ((_around(box, frame=False), box, field) for field in fields for box in (*field.boxes, *field.cells)),
        key=lambda one: one[0].left,
    )
    pairs: dict[tuple[str, str], list[tuple[Box, Box]]] = defaultdict(list)
    keys = {field.id: path for field, path in fields.items()}
    for number, (area, box, field) in enumerate(placed):
        for other_area, other, other_field in placed[number + 1 :]:
            if other_area.left >= area.right:
                break
            if area.overlaps(other_area):
                first, second = sorted((field.id, other_field.id), key=list(keys).index)
                pairs[first, second].append((box, other) if field.id == first else (other, box))
    for (first, second), found in pairs.items():
        one, other = found[0]
        of_other = f" of field {shown(first)}" if first != second else ""
        more = f" ({len(found)} such pairs)" if len(found) > 1 else ""
        faults.error(
            keys[second],
            f"box {shown(other.value)} at ({other.x_mm:g}, {other.y_mm:g}) of field {shown(second)} overlaps "
            f"box {shown(one.value)} at ({one.x_mm:g}, {one.y_mm:g}){of_other}{more}.",
        )
    for area, box, field in placed:
        for mark in page.fiducials:
            if area.overlaps(_covered(mark)):
                faults.error(
                    keys[field.id],
                    f"box {shown(box.value)} of field {shown(field.id)} lies on the {mark.kind} "
                    f"at ({mark.x_mm:g}, {mark.y_mm:g}).",
                )


def _check_page_code(page: LayoutPage, layout: Layout, fields: Mapping[Field, KeyPath], faults: Faults) -> None:
    code = layout.page_code
    if code is None:
        return
    for bit in code.bits:
        if not _around(bit, frame=True).inside(page):
            faults.error(("page_code", "bits"), f"bit {bit.value} at ({bit.x_mm:g}, {bit.y_mm:g}) is not on {_size(page)}.")
    if code.region is None:
        return
    area = _of_region(code.region)
    if not area.inside(page):
        faults.error(("page_code", "region"), f"the page code's region is not on {_size(page)}.")
    hidden = [field.id for field in fields if any(area.overlaps(_around(box, frame=True)) for box in _on(page, field))]
    if hidden:
        faults.warning(
            ("page_code", "region"),
            f"the page code's region on page {page.number} covers boxes of {listed(hidden)}.",
            "Make it smaller, or move the boxes.",
        )


def _on(page: LayoutPage, field: Field) -> tuple[Box, ...]:
    return field.boxes if field.page == page.number else ()


def _size(page: LayoutPage) -> str:
    return f"page {page.number}, which is {page.width_mm:g} x {page.height_mm:g} mm"


# --------------------------------------------------------------------------- registration


def _check_registration(layout: Layout, faults: Faults, *, limits: LayoutLimits) -> None:
    """Warn of pages that will be hard to lay the layout over, or to tell apart."""
    if layout.reference is None:
        few: dict[int, list[int]] = defaultdict(list)
        aligned: list[int] = []
        for page in layout.pages:
            if len(page.fiducials) < limits.min_fiducials:
                few[len(page.fiducials)].append(page.number)
            elif _spread_mm(page.fiducials) < limits.min_spread_mm:
                aligned.append(page.number)
        advice = "Add fiducials, or give the blank form as `reference`; else such pages may be set aside."
        for count, pages in few.items():
            marks = "1 fiducial" if count == 1 else f"{count or 'no'} fiducials"
            faults.warning(
                ("fiducials",), f"{_page_list(pages)}: {marks}; {limits.min_fiducials} are needed to place a page.", advice
            )
        if aligned:
            faults.warning(("fiducials",), f"{_page_list(aligned)}: the fiducials lie (almost) on one line.", advice)
    if len(layout.pages) > 1 and layout.page_code is None and layout.reference is None:
        faults.warning(
            (),
            "nothing on a page says which one it is, so pages are told apart by their boxes and their order only.",
            "Add a [page_code], or the blank form as `reference`.",
        )


def _spread_mm(marks: Sequence[Fiducial]) -> float:
    """Largest distance of a mark from the line through the two that are farthest apart."""
    points = [(mark.x_mm, mark.y_mm) for mark in marks]
    first, second = max(((a, b) for a in points for b in points), key=lambda pair: math.dist(*pair))
    length = math.dist(first, second)
    if length == 0:
        return 0.0
    along = ((second[0] - first[0]) / length, (second[1] - first[1]) / length)
    return max(abs((x - first[0]) * along[1] - (y - first[1]) * along[0]) for x, y in points)
