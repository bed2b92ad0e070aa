"""An exam that is a PDF already becomes numbered booklets: registration marks, page codes and a place for the number are stamped on it.

What stands on its pages is kept as it is. Where it would lie under a mark or a code, all pages are made a little smaller; where the
first page has no room for the student's number, a cover is put in front.
"""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import pikepdf
from numpy.typing import NDArray
from pdf2image import convert_from_bytes

from scangrade.authoring.artwork import Artwork, read_artwork
from scangrade.authoring.detect import draft, with_words
from scangrade.authoring.draft import layout_toml
from scangrade.authoring.form import Rect, code_rectangles, region_rect
from scangrade.authoring.printing.arrange import Cover, Paper, cover, marks, number_grid, page_code, paper_sized
from scangrade.authoring.printing.booklets import (
    Printed,
    class_list,
    copy_text,
    may_be_written,
    number_copies,
    table_of,
)
from scangrade.authoring.printing.copies import Sheet, laid_over
from scangrade.authoring.printing.sheets import (
    drawn_boxes,
    drawn_marks,
    free_page,
    front_bodies,
    front_page,
    number_caption,
    ruler,
)
from scangrade.authoring.printing.students import code_beside, on_unprinted, text_beside, without_letters
from scangrade.authoring.printing.typeset import Body, measure, pages, preamble
from scangrade.authoring.printing.words import WORDS
from scangrade.definitions.exam import Front
from scangrade.definitions.layout import load_layout
from scangrade.errors import DefinitionError, UsageError
from scangrade.geometry import MM_PER_INCH
from scangrade.model import Convention, Field, FieldKind, Layout, LayoutPage, Region
from scangrade.run.files import as_csv, write_whole
from scangrade.settings import PRINT, PrintSettings

_MM_PER_POINT: Final = MM_PER_INCH / 72
_LOOK_DPI: Final = 100.0
_PAPER_LEVEL: Final = 250  # what is lighter is paper: a drawing's smoothing makes a hair's breadth of pale gray around it


@dataclass(frozen=True, slots=True)
class _Blank:
    """The exam as it is given."""

    content: bytes
    pages: int
    width: float  #: of every page, mm
    height: float
    title: str


def print_onto(
    exam: Path,
    *,
    output: Path,
    roster: Path | None = None,
    copies: int | None = None,
    first: int = 1,
    digits: int = 8,
    number_at: tuple[float, float] | None = None,
    convention: Convention = Convention.ANY,
    language: str = "en",
    layout: Path | None = None,
    force: bool = False,
    settings: PrintSettings = PRINT,
) -> Printed:
    """Stamp numbered copies of an exam PDF, and write the layout that their scans are graded with.

    Parameters
    ----------
    exam : Path
        PDF, one page per page of the booklet.
    output : Path
        PDF to write: all booklets, one after the other.
    roster : Path, optional
        Class list: a booklet for each student, with a label on it that says whose it is.
    copies, first
        As for `print_booklets`.
    digits : int
        Of the grid for student numbers; 0 stamps none.
    number_at : (float, float), optional
        Left and top of that grid on the first page, in mm; by default where there is room.
    convention : Convention
        What a cross and a fill mean on this form.
    language : str
        Of the words that are stamped.
    layout : Path, optional
        Where it is written; by default ``NAME-layout.toml`` beside the PDF. Its boxes are those that `detect` finds.
    force : bool
        Whether files that are there are written over.

    Raises
    ------
    UsageError
        If the PDF cannot be used, or the grid does not fit where it is said.
    DefinitionError, OutputError
        If the class list has faults; if a file is there already or cannot be written.
    """
    layout = layout or output.with_name(f"{output.stem}-layout.toml")
    table = output.with_suffix(".csv") if roster else None
    may_be_written({output: ".pdf", layout: ".toml"} | ({table: ".csv"} if table else {}), force=force)
    blank = _read(exam)
    people = class_list(roster) if roster else None
    made = list(number_copies((), people, copies, first))
    notes: list[str] = []
    paper = paper_sized(blank.width, blank.height, settings=settings)
    name = _short_name(exam.stem)
    student = {"digits": digits, "label": people is not None}
    front = Front.model_validate(
        {"name": name, "title": blank.title, "language": language, "convention": convention, "student": student}
    )
    scale = _scale(blank, paper, settings)
    if scale < 1:
        notes.append(f"pages are printed at {scale:.0%} of their size, so that nothing lies where marks and codes go.")
    artwork, looked = _artwork(blank, scale)
    found, unsure = draft(exam.stem, artwork)
    if any(one.role == "student_number" and one.boxes for one in found.fields):
        front = front.model_copy(update={"student": front.student.model_copy(update={"digits": 0, "written": False})})
        notes.append("the form has a grid for the student number of its own, so none is stamped.")
    stamped = _stamped(blank, front, paper, scale, number_at, settings)
    if stamped.cover is not None:
        notes.append("the first page has no room for the student's number or label, so a cover stands in front.")
        found, unsure = draft(exam.stem, [replace(page, number=page.number + 1) for page in artwork])
    unsure = [*looked, *(one for one in unsure if "`convention`" not in one)]  # that is said
    notes += unsure
    form = _layout(found, front, stamped, paper, settings)
    head = preamble(paper.width, paper.height, language)
    root = exam.resolve().parent
    unnamed = without_letters([one.student for one in made if one.student], head, root)
    words = WORDS[language]
    texts: list[str] = []
    sheets: list[Sheet] = []
    for one in made:
        for page in form.pages:
            parts = [*drawn_marks(page.fiducials), copy_text(one.name, paper, words, settings)]
            black = code_rectangles(form, page.number, one.name)
            if page.number == 1:
                parts += _on_first_page(front, stamped, paper, settings)
                if one.student and stamped.label:
                    label = stamped.label
                    parts.append(
                        text_beside(one.student, label, settings, named=one.student.number not in unnamed, seat=words.seat)
                    )
                    black = (*black, *code_beside(one.student, label, settings)[0])
            base = page.number - (2 if stamped.cover else 1)  # -1 for the cover: nothing lies below
            if base >= blank.pages:  # so that the next booklet begins on a new sheet
                parts.append(free_page(paper, words))
                base = -1
            texts.append("\n".join(parts))
            sheets.append(Sheet(base, black))
    content = laid_over(
        blank.content, pages("\n#pagebreak()\n".join(texts), head, root), sheets, title=blank.title, scale=scale
    )
    heading = [
        f"Of booklets {made[0].name} to {made[-1].name}, stamped on {exam.name} by `scangrade layout print`. Its boxes were found by"
        " the rules of `scangrade layout detect`: look at them with `scangrade layout preview`, and correct what is wrong.",
        *(["Not sure:"] if unsure else []),
        *(f"- {one}" for one in unsure),
    ]
    write_whole(layout, layout_toml(form, heading=heading).encode())
    write_whole(output, content)
    if table:
        write_whole(table, as_csv(table_of(table.name, made)))
    loaded, issues = load_layout(layout)
    if loaded is None:
        raise DefinitionError(issues)
    notes += on_unprinted(unnamed)
    return Printed(output, layout, None, table, len(made), len(form.pages), (), 0, stamped.ruler, tuple(notes), issues)


def _short_name(stem: str) -> str:
    """A name for page codes: ASCII, and short."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", stem).strip("-.")[:32] or "exam"


def _read(exam: Path) -> _Blank:
    try:
        with pikepdf.open(exam) as pdf:
            pdf.generate_appearance_streams()
            pdf.flatten_annotations("print")  # boxes of fillable forms are annotations, and would not be copied
            sizes = {_size(page) for page in pdf.pages}
            title = str(pdf.docinfo.get("/Title", "")).strip() or exam.stem
            count = len(pdf.pages)
            buffer = io.BytesIO()
            pdf.save(buffer)
    except FileNotFoundError as error:
        raise UsageError(f"{exam}: there is no such file. Give the exam as a PDF, or as an exam file (TOML).") from error
    except pikepdf.PasswordError as error:
        raise UsageError(f"{exam}: it needs a password. Save it without one.") from error
    except (pikepdf.PdfError, OSError) as error:
        raise UsageError(f"{exam}: it is no PDF that can be read: {error}. Print the exam to a PDF anew.") from error
    if not sizes:
        raise UsageError(f"{exam}: it has no pages.")
    if len(sizes) > 1:
        shown = ", ".join(f"{width:g} x {height:g}" for width, height in sorted(sizes))
        raise UsageError(f"{exam}: its pages have several sizes ({shown} mm). Print it to a PDF whose pages are alike.")
    width, height = sizes.pop()
    if min(width, height) < 140:
        raise UsageError(f"{exam}: its pages are {width:g} x {height:g} mm; marks and codes need 140 mm each way at least.")
    return _Blank(buffer.getvalue(), count, width, height, title)


def _size(page: pikepdf.Page) -> tuple[float, float]:
    """Width and height in mm as the page is looked at, to a whole mm where it is meant: A4 is 595.28 x 841.89 points."""
    box = [float(number) for number in page.trimbox]
    unit = float(page.obj.get("/UserUnit", 1)) * _MM_PER_POINT
    sides = abs(box[2] - box[0]) * unit, abs(box[3] - box[1]) * unit
    width, height = sides[::-1] if int(page.obj.get("/Rotate", 0)) % 180 else sides
    if abs(width - 215.9) < 0.4 and abs(height - 279.4) < 0.4:
        return 215.9, 279.4
    return float(round(width)), float(round(height))


# --------------------------------------------------------------------------- room


def _pictures(blank: _Blank, scale: float) -> list[NDArray[np.bool_]]:
    """Where there is ink on each page, at `_LOOK_DPI`."""
    images = convert_from_bytes(_scaled(blank, scale), dpi=int(_LOOK_DPI), grayscale=True)
    return [np.asarray(image) < _PAPER_LEVEL for image in images]


def _scaled(blank: _Blank, scale: float) -> bytes:
    """The exam's pages as they will lie on paper, nothing stamped."""
    empty = pages(
        "\n#pagebreak()\n".join(["#at(0, 0)[]"] * blank.pages), preamble(blank.width, blank.height, "en"), Path.cwd()
    )
    return laid_over(blank.content, empty, [Sheet(number) for number in range(blank.pages)], title=blank.title, scale=scale)


def _ink_in(picture: NDArray[np.bool_], area: Rect) -> bool:
    per_mm = _LOOK_DPI / MM_PER_INCH
    rows = slice(max(0, int(area.top * per_mm)), max(0, int(area.bottom * per_mm) + 1))
    columns = slice(max(0, int(area.left * per_mm)), max(0, int(area.right * per_mm) + 1))
    return bool(picture[rows, columns].any())


def _stamps(paper: Paper, settings: PrintSettings) -> list[Rect]:
    """Where marks, code and the copy's number go, with some room around."""
    areas = [
        Rect(one.x_mm - one.size_mm / 2, one.y_mm - one.size_mm / 2, one.x_mm + one.size_mm / 2, one.y_mm + one.size_mm / 2)
        for one in marks(paper, settings=settings)
    ]
    code = page_code(paper, "").region
    areas = [one.grown(settings.clear_mm) for one in areas]
    if code is not None:
        areas.append(region_rect(code))
        areas.append(Rect(code.x_mm - 4 - settings.copy_text_mm, 14.0, code.x_mm - 4, 21.0))
    return areas


def _scale(blank: _Blank, paper: Paper, settings: PrintSettings) -> float:
    """Size of the pages on paper, at which nothing of them lies under a stamp.

    Raises
    ------
    UsageError
        If there is none that can still be read.
    """
    areas = _stamps(paper, settings)
    for scale in settings.scales:
        if not any(_ink_in(picture, area) for picture in _pictures(blank, scale) for area in areas):
            return scale
    crowded = [
        str(number)
        for number, picture in enumerate(_pictures(blank, settings.scales[-1]), start=1)
        if any(_ink_in(picture, area) for area in areas)
    ]
    raise UsageError(
        f"page {', '.join(crowded)} of the exam has print in its corners or at its top, even at {settings.scales[-1]:.0%} of its size,"
        " where registration marks and page code go. Take headers, frames and backgrounds away there."
    )


def _room(
    picture: NDArray[np.bool_], paper: Paper, width: float, height: float, taken: Sequence[Rect], gap: float
) -> Rect | None:
    """An empty rectangle of this size on a page, the topmost, then the one farthest to the right; None where there is none."""
    per_mm = _LOOK_DPI / MM_PER_INCH
    ink = picture.copy()
    for one in taken:
        ink[int(one.top * per_mm) : int(one.bottom * per_mm) + 1, int(one.left * per_mm) : int(one.right * per_mm) + 1] = True
    total = np.zeros((ink.shape[0] + 1, ink.shape[1] + 1), np.int64)
    total[1:, 1:] = ink.cumsum(axis=0).cumsum(axis=1)
    for top in np.arange(paper.top - 8, paper.bottom - height, 1.0):
        for left in np.arange(paper.right - width, paper.left - 0.01, -1.0):
            y0, y1 = int((top - gap) * per_mm), int((top + height + gap) * per_mm)
            x0, x1 = int((left - gap) * per_mm), int((left + width + gap) * per_mm)
            if total[y1, x1] - total[y0, x1] - total[y1, x0] + total[y0, x0] == 0:
                return Rect(float(left), float(top), float(left) + width, float(top) + height)
    return None


# --------------------------------------------------------------------------- what is stamped


@dataclass(frozen=True, slots=True)
class _Stamped:
    """What is stamped on the first page, as fields of a layout, and where."""

    fields: tuple[Field, ...]
    cover: Cover | None = None  #: a page in front of the exam's own
    number: Rect | None = None
    label: Rect | None = None
    ruler: bool = True


def _stamped(
    blank: _Blank, front: Front, paper: Paper, scale: float, number_at: tuple[float, float] | None, settings: PrintSettings
) -> _Stamped:
    student = front.student
    width = student.digits * settings.digit_step_mm[0]
    picture = _pictures(blank, scale)[0]
    fields: list[Field] = []
    number = label = None
    taken = _stamps(paper, settings)
    if student.digits:
        _, height = number_grid(student, 0.0, 0.0, settings=settings)
        if number_at is not None:
            number = Rect(*number_at, number_at[0] + width, number_at[1] + height)
            _may_stand(number, picture, paper, taken)
        else:
            number = _room(picture, paper, width, height, taken, settings.text_gap_mm)
        if number is None:
            return _covered(front, paper, settings)
        own, _ = number_grid(student, number.left, number.top, settings=settings)
        fields += own
        taken = [*taken, number]
    if student.label:
        label = _room(picture, paper, *settings.label_mm, taken, settings.text_gap_mm)
        if label is None:
            return _covered(front, paper, settings)
        region = Region(1, label.left, label.top, label.right - label.left, label.bottom - label.top)
        fields.append(Field("label", FieldKind.STICKER, 1, region=region))
    foot = Rect(paper.width / 2 - 52, paper.height - 17, paper.width / 2 + 52, paper.height - 7)
    return _Stamped(tuple(fields), None, number, label, ruler=not _ink_in(picture, foot))


def _may_stand(place: Rect, picture: NDArray[np.bool_], paper: Paper, taken: Sequence[Rect]) -> None:
    """Refuse a place for the student's number where something is, or the page ends.

    Raises
    ------
    UsageError
    """
    at = f"the grid for the student number at {place.left:g},{place.top:g}"
    size = f"{place.right - place.left:.0f} x {place.bottom - place.top:.0f} mm"
    if place.left < 0 or place.top < 0 or place.right > paper.width or place.bottom > paper.height:
        raise UsageError(f"{at} is {size} and leaves the page of {paper.width:g} x {paper.height:g} mm. Choose another place.")
    if any(place.overlaps(one) for one in taken):
        raise UsageError(
            f"{at} is {size} and lies on a registration mark, on the page code or beside it. Choose another place."
        )
    if _ink_in(picture, place):
        raise UsageError(
            f"{at} is {size} and would lie on print. Choose another place, or leave it out: then a free one is sought."
        )


def _covered(front: Front, paper: Paper, settings: PrintSettings) -> _Stamped:
    """A cover with all of it."""
    texts = {**front_bodies(front, paper), "instructions": Body("", paper.across)}
    extents = dict(
        zip(texts, measure(list(texts.values()), preamble(paper.width, paper.height, front.language), Path.cwd()), strict=True)
    )
    made, fields = cover(front, paper, extents, with_label=False, settings=settings)
    label = next((region_rect(one.region) for one in fields if one.kind is FieldKind.STICKER and one.region), None)
    return _Stamped(tuple(fields), made, None, label)


def _on_first_page(front: Front, stamped: _Stamped, paper: Paper, settings: PrintSettings) -> Iterator[str]:
    """Typst code of what is stamped on the first page of every copy."""
    words = WORDS[front.language]
    if stamped.cover is not None:
        yield from front_page(
            front,
            stamped.cover,
            paper,
            {**front_bodies(front, paper), "instructions": Body("", paper.across)},
            settings=settings,
        )
    elif stamped.number is not None:
        yield number_caption(stamped.number.left, stamped.number.top, words)
    yield from drawn_boxes(stamped.fields)
    if stamped.cover is None and stamped.ruler:
        yield from ruler(paper, words, settings)


# --------------------------------------------------------------------------- layout


def _artwork(blank: _Blank, scale: float) -> tuple[tuple[Artwork, ...], tuple[str, ...]]:
    """What is on the exam's own pages, as they will lie on paper."""
    with tempfile.TemporaryDirectory(prefix="scangrade-print-") as scratch:
        path = Path(scratch) / "exam.pdf"
        path.write_bytes(_scaled(blank, scale))
        return with_words(*read_artwork(path))


def _layout(found: Layout, front: Front, stamped: _Stamped, paper: Paper, settings: PrintSettings) -> Layout:
    """The layout of the booklets: what was found, behind what is stamped."""
    ids = {one.group or one.id for one in stamped.fields}
    fields = [*stamped.fields, *(_beside(one, ids) for one in found.fields)]
    count = len(found.pages) + (1 if stamped.cover else 0)
    count += count % 2 if count > 1 else 0
    plain = marks(paper, settings=settings)
    return Layout(
        front.name,
        front.title,
        front.convention,
        tuple(LayoutPage(number, paper.width, paper.height, plain) for number in range(1, count + 1)),
        tuple(fields),
        page_code(paper, front.name, settings=settings),
    )


def _beside(one: Field, taken: set[str]) -> Field:
    """A field, with another id where what is stamped has its own."""
    if one.group not in taken and one.id not in taken:
        return one
    group = f"{one.group}-2" if one.group else ""
    name = f"{group}.{one.place}" if group else f"{one.id}-2"
    return replace(one, id=name, group=group, boxes=tuple(replace(box, field=name) for box in one.boxes))
