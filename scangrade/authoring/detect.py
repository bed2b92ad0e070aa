"""Drafts a layout from the blank form, and a rubric from the form with the right boxes marked.

What is written is a proposal for a person: it says in the file, and on the terminal, what it could not be sure of, and pictures with
every box and its name are written beside it.
"""

from __future__ import annotations

import os
import re
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from scangrade.authoring.artwork import Artwork, Code, read_artwork
from scangrade.authoring.draft import layout_toml, rubric_toml
from scangrade.authoring.grouping import Found, group_boxes, printed_points
from scangrade.authoring.preview import DPI, as_png, draw
from scangrade.authoring.printed_bits import find_bits
from scangrade.authoring.seen_words import read_words
from scangrade.definitions.layout import load_layout
from scangrade.errors import OutputError, UsageError
from scangrade.geometry import MM_PER_INCH
from scangrade.model import Box, Convention, Field, FieldKind, Layout, LayoutPage, PageCode, PageCodeKind, Region
from scangrade.run.files import write_whole
from scangrade.settings import DETECT, LAYOUT, DetectSettings


@dataclass(frozen=True, slots=True)
class Detected:
    """What was written, and what a person should look at."""

    layout: Layout
    path: Path
    rubric: Path | None
    pictures: tuple[Path, ...]
    notes: tuple[str, ...]


def detect(
    blank: Path,
    *,
    output: Path,
    key: Path | None = None,
    rubric: Path | None = None,
    force: bool = False,
    settings: DetectSettings = DETECT,
) -> Detected:
    """Draft the layout of a blank form.

    Parameters
    ----------
    blank : Path
        The form: a PDF with vectors and text, or a scan of it.
    output : Path
        Layout file to write; ``name-1.png`` and so on beside it show each page.
    key : Path, optional
        The same form with the right boxes marked.
    rubric : Path, optional
        Rubric file to write with a key; default ``rubric.toml`` beside the layout.
    force : bool
        Whether files that are there may be written over.

    Raises
    ------
    UsageError
        If a file cannot be read, the form has no boxes, or the key is another form.
    OutputError
        If a file is there already, or cannot be written.
    """
    target = (rubric or output.with_name("rubric.toml")) if key is not None else None
    if rubric is not None and key is None:
        raise UsageError("`--rubric` says where to write the rubric that `--key` drafts. Give the key too, or leave it out.")
    if output.suffix.lower() != ".toml" or (target is not None and target.suffix.lower() != ".toml"):
        raise UsageError(f"{output}: layouts and rubrics are written as TOML. Give a name that ends in .toml.")
    if not blank.is_file():
        raise UsageError(f"{blank}: there is no such file. Give the blank form as a PDF or an image.")
    _may_write([output, *([target] if target else [])], force=force)
    pages, notes = with_words(*read_artwork(blank, settings=settings), settings=settings)
    pictures = _picture_names(output, len(pages))
    _may_write(pictures, force=force)
    layout, more = draft(blank.stem, pages, settings=settings)
    if not any(one.boxes for one in layout.fields):
        raise UsageError(
            f"{blank}: no boxes were found: closed squares or circles of {settings.least_box_mm:g} to"
            f" {settings.greatest_box_mm:g} mm, three of a size. Is this the form with the boxes to mark?"
        )
    said = [*notes, *more]
    drafted: str | None = None
    if key is not None:
        answers, doubts = _answers(layout, pages, key, settings)
        said += doubts
        layout = _with_selects(layout, answers)
        drafted = _rubric(layout, pages, answers, key, settings)
    marked = all(len(page.fiducials) >= LAYOUT.min_fiducials for page in layout.pages)
    reference = ""
    if not marked or (len(pages) > 1 and layout.page_code is None):
        reference = Path(os.path.relpath(blank.resolve(), output.resolve().parent)).as_posix()
        why = "not all pages have registration marks" if not marked else "no page says which one it is"
        said.append(f"{why}: the blank form itself is given as `reference`, so keep it where it is.")
    text = layout_toml(
        layout,
        heading=[
            f"Drafted from {blank.name}. Look at the pictures beside this file, and correct what is wrong.",
            *(["Not sure:"] if said else []),
            *(f"- {one}" for one in said),
        ],
        remarks={
            "convention": 'guessed: "fill-wins", "cross" or "fill" where crosses and fills do not mean the same',
            "reference": "pages are told apart, or placed, by their print",
        },
        reference=reference,
        tolerance_mm=settings.regular_mm if any(page.characters for page in pages) else settings.regular_seen_mm,
        alike_mm=settings.alike_mm,
    )
    write_whole(output, text.encode())
    loaded, issues = load_layout(output)
    if loaded is None:
        said.append("the layout has faults that a person must correct before it can be used:")
    said += [str(one) for one in issues]
    for page, picture in zip(pages, pictures, strict=True):
        write_whole(picture, as_png(draw(loaded or layout, page.number, _paper(page))))
    if target is not None and drafted is not None:
        write_whole(target, drafted.encode())
    return Detected(loaded or layout, output, target, tuple(pictures), tuple(said))


def with_words(
    pages: Sequence[Artwork], notes: Sequence[str], *, settings: DetectSettings = DETECT
) -> tuple[tuple[Artwork, ...], tuple[str, ...]]:
    """Pages that are pictures with the words that can be read on them, and what a person should know of that."""
    read = [page if page.characters else replace(page, words=read_words(page, settings=settings)) for page in pages]
    pictures = [page for page in read if not page.characters]
    if not pictures:
        return tuple(read), tuple(notes)
    where = (
        "the form is a picture" if len(pictures) == len(read) else f"{_page_list([one.number for one in pictures])}: a picture"
    )
    labels = (
        "labels were read by Tesseract, which errs"
        if any(one.words for one in pictures)
        else "no labels could be read (is Tesseract installed?), so questions are told apart by where their boxes stand only"
    )
    said = f"{where} without text of its own: places are good to about 0.1 mm, and {labels}. Give the PDF that was printed, if you can."
    return tuple(read), (said, *notes)


def _may_write(paths: Sequence[Path], *, force: bool) -> None:
    for path in paths:
        if not path.parent.is_dir():
            raise OutputError(f"{path.parent}: no such folder. Make it first, or choose another place with `--output`.")
        if path.exists() and not force:
            raise OutputError(f"{path}: is there already. Choose another name, or write over it with `--force`.")


def _picture_names(output: Path, pages: int) -> list[Path]:
    if pages == 1:
        return [output.with_suffix(".png")]
    return [output.with_name(f"{output.stem}-{number}.png") for number in range(1, pages + 1)]


def _paper(page: Artwork) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    scale = DPI / MM_PER_INCH
    size = round(page.width * scale), round(page.height * scale)
    return np.asarray(cv2.resize(page.picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


# --------------------------------------------------------------------------- layout


def draft(name: str, pages: Sequence[Artwork], *, settings: DetectSettings = DETECT) -> tuple[Layout, list[str]]:
    """The layout of a blank form, as far as it can be seen, and what a person should look at.

    Parameters
    ----------
    name : str
        What the form is called; letters that do not belong into a short name are replaced.
    pages : sequence of Artwork
    """
    bits = find_bits(pages, settings=settings)
    found = [group_boxes(page, settings=settings) for page in bits.pages]
    fields, notes = _named(pages, found)
    name = re.sub(r"[^\w.-]+", "-", name).strip("-.") or "form"
    code, more = _page_code(pages, fields)
    notes += more
    notes += [one for one in bits.notes if code is None]
    code = code or bits.code
    if any(one.kind is FieldKind.CHOICE for one in fields):
        notes.append(
            'how many boxes of a question may be marked cannot be seen: `select` is "one" for circles and "many" for squares.'
        )
    notes.append(
        'what a cross and a fill mean cannot be seen: `convention` is "any", so that both select; change it where one undoes the other.'
    )
    layout = Layout(
        name,
        "",
        Convention.ANY,
        tuple(LayoutPage(page.number, _paper_size(page.width), _paper_size(page.height), page.marks) for page in pages),
        tuple(fields),
        code,
    )
    return layout, notes


def _paper_size(length: float) -> float:
    """A length in mm, to a whole one where it is meant: A4 is 595.28 x 841.89 points."""
    return float(round(length)) if abs(length - round(length)) < 0.1 else round(length, 2)


def _named(pages: Sequence[Artwork], found: Sequence[Found]) -> tuple[list[Field], list[str]]:
    """Fields of all pages with ids that are unique and not empty."""
    fields: list[Field] = []
    notes: list[str] = []
    told: dict[str, list[int]] = {}
    used: set[str] = set()
    for page, here in zip(pages, found, strict=True):
        for note in here.notes:
            told.setdefault(note, []).append(page.number)
        names: dict[str, str] = {}  # of this page, as detected, to unique
        unnamed = 0
        made_up: list[tuple[Field, str]] = []
        for one in here.fields:
            whole = one.group or (one.question if one.kind is FieldKind.CREDIT else one.id)
            if not whole:
                unnamed += 1
                name = _free(f"p{page.number}.{unnamed}", used)
                made_up.append((one, name))
            elif whole in names and (one.group or one.correction > 1):
                name = names[whole]
            else:
                name = whole if whole not in used else _free(f"{whole}_{page.number}", used)
                if name != whole and one.boxes:
                    notes.append(f"page {page.number}: {_where(one)} seem to be {whole!r} again: called {name}.")
                names[whole] = name
            used.add(name)
            fields.append(_renamed(one, whole, name))
        if len(made_up) == 1:
            notes.append(f"page {page.number}: {_where(made_up[0][0])} have no label: called {made_up[0][1]}.")
        elif made_up:
            first, last = made_up[0], made_up[-1]
            notes.append(
                f"page {page.number}: {len(made_up)} questions have no label, from {_where(first[0])} on:"
                f" called {first[1]} to {last[1]}."
            )
    return fields, [*(f"{_page_list(numbers)}: {note}" for note, numbers in told.items()), *notes]


def _page_list(pages: Sequence[int]) -> str:
    return f"page {pages[0]}" if len(pages) == 1 else f"pages {', '.join(str(one) for one in pages)}"


def _where(one: Field) -> str:
    first = one.boxes[0] if one.boxes else None
    return f"the boxes at ({first.x_mm:.0f}, {first.y_mm:.0f})" if first else "frames"


def _free(name: str, used: set[str]) -> str:
    if name not in used:
        return name
    return next(f"{name}_{number}" for number in range(2, len(used) + 3) if f"{name}_{number}" not in used)


def _renamed(one: Field, whole: str, name: str) -> Field:
    if whole == name:
        return one
    field_id = f"{name}.{one.place}" if one.group else name + one.id.removeprefix(whole) if whole else name + one.id
    question = name if one.question == whole and one.kind in (FieldKind.CHOICE, FieldKind.CREDIT) else one.question
    return replace(
        one,
        id=field_id,
        group=name if one.group else "",
        question=question,
        boxes=tuple(replace(box, field=field_id) for box in one.boxes),
        cells=tuple(replace(cell, field=field_id) for cell in one.cells),
    )


# --------------------------------------------------------------------------- page code


def _page_code(pages: Sequence[Artwork], fields: Sequence[Field]) -> tuple[PageCode | None, list[str]]:
    """The code that is on every page at the same place, and what its text says."""
    if not any(page.codes for page in pages):
        return None, []
    first = next(page for page in pages if page.codes).codes
    for seed in first:
        codes = [_near(page.codes, seed) for page in pages]
        held = [one for one in codes if one is not None]
        if len(held) < len(pages):
            continue
        content, exam, notes = _content([one.text for one in held])
        if not content:
            return None, notes
        left, top = min(one.left for one in held), min(one.top for one in held)
        right, bottom = max(one.right for one in held), max(one.bottom for one in held)
        margin = _margin((left, top, right, bottom), [box for one in fields for box in one.boxes])
        width, height = min(page.width for page in pages), min(page.height for page in pages)
        x0, y0 = max(0, int(left - margin)), max(0, int(top - margin))
        x1, y1 = min(int(width), int(right + margin) + 1), min(int(height), int(bottom + margin) + 1)
        return PageCode(PageCodeKind.BARCODE, Region(0, x0, y0, x1 - x0, y1 - y0), content, exam), notes
    lacking = [str(page.number) for page in pages if not page.codes]
    return None, [
        f"there is a code on some pages, but none at the same place on all (none on {', '.join(lacking) or 'some'})."
    ]


def _near(codes: Sequence[Code], seed: Code) -> Code | None:
    return next((one for one in codes if abs(one.left - seed.left) < 4 and abs(one.top - seed.top) < 4), None)


def _margin(area: tuple[float, float, float, float], boxes: Sequence[Box]) -> float:
    """Room around a code, in mm, that touches no box: what a page may be displaced."""
    left, top, right, bottom = area
    gaps = [
        max(left - box.x_mm - box.width_mm / 2, box.x_mm - box.width_mm / 2 - right,
            top - box.y_mm - box.height_mm / 2, box.y_mm - box.height_mm / 2 - bottom)
        for box in boxes
    ]  # fmt: skip
    return max(0.0, min([4.0, *(gap - 1.5 for gap in gaps)]))


def _content(texts: Sequence[str]) -> tuple[str, str, list[str]]:
    """Pattern of the texts of pages 1, 2, 3, ...; the exam's name in it; and what was guessed."""
    parts = [re.split(r"([/|;:_,\s]|-(?=\d+$))", text) for text in texts]
    if len({len(one) for one in parts}) > 1 or any("{" in text or "}" in text for text in texts):
        return "", "", [f"the codes of the pages, such as {texts[0]!r}, do not follow one pattern: write [page_code] by hand."]
    columns = list(zip(*parts, strict=True))
    numbers = [
        place for place, one in enumerate(columns) if [str(k) for k in range(1, len(texts) + 1)] == [_plain(x) for x in one]
    ]
    if len(texts) > 1 and not numbers:
        return "", "", [f"the codes of the pages, such as {texts[0]!r}, do not count them: write [page_code] by hand."]
    page = numbers[-1] if numbers else None
    notes: list[str] = []
    exam, copy = "", False
    made: list[str] = []
    for place, one in enumerate(columns):
        if place == page:
            made.append("{page}")
        elif place % 2 == 0 and len(set(one)) == 1 and not exam and re.search(r"[^\W\d]", one[0]):
            exam = one[0]
            made.append("{exam}")
        elif place % 2 == 0 and one[0].isdigit() and not copy:
            copy = True
            made.append("{copy}")
            notes.append(f"the {one[0]!r} in the code {texts[0]!r} is taken as the number of the copy.")
        elif len(set(one)) == 1:
            made.append(one[0])
        else:
            return "", "", [f"{one[0]!r} in the code {texts[0]!r} changes from page to page: write [page_code] by hand."]
    if len(texts) == 1:
        notes.append(f"a form of one page does not show what its code {texts[0]!r} counts: look at `content`.")
    return "".join(made), exam, notes


def _plain(number: str) -> str:
    return number.lstrip("0") or number


# --------------------------------------------------------------------------- key


def _answers(
    layout: Layout, pages: Sequence[Artwork], key: Path, settings: DetectSettings
) -> tuple[dict[str, list[str]], list[str]]:
    """Boxes that are darker in the key than in the blank form, by question."""
    if not key.is_file():
        raise UsageError(f"{key}: there is no such file. Give the form with the right boxes marked.")
    marked, _ = read_artwork(key, settings=settings)
    if len(marked) != len(pages):
        raise UsageError(f"{key}: it has {len(marked)} pages, the blank form {len(pages)}. Give the same form with its key.")
    notes: list[str] = []
    answers: dict[str, list[str]] = {}
    for one in layout.fields:
        if one.kind is not FieldKind.CHOICE:
            continue
        before, after = pages[one.page - 1], marked[one.page - 1]
        if abs(before.width - after.width) > 1 or abs(before.height - after.height) > 1:
            raise UsageError(f"{key}, page {one.page}: it has another size than the blank form's page.")
        lost = [box.value for box in one.boxes if _rim(after, box) < _rim(before, box) / 2]
        if lost:
            notes.append(
                f"question {one.question}: box {', '.join(lost)} is not at its place in the key: give its key by hand."
            )
            continue
        darker = {box.value: _ink(after, box) - _ink(before, box) for box in one.boxes}
        doubtful = [value for value, ink in darker.items() if settings.key_doubt < abs(ink) <= settings.key_ink]
        if doubtful:
            notes.append(
                f"question {one.question}: box {', '.join(doubtful)} is not the same in the key, but hardly marked: give its key by hand."
            )
            continue
        right = [value for value, ink in darker.items() if ink > settings.key_ink]
        answers[one.question] = right
        if not right:
            notes.append(f"question {one.question}: nothing is marked in the key; booklets wait until it is given.")
        elif len(right) == len(one.boxes) > 1:
            notes.append(f"question {one.question}: every box is marked in the key.")
    counts = Counter(len(right) for right in answers.values() if right)
    if counts and set(counts) == {1}:
        notes.append('every question has one right box in the key: set `select` to "one" where one alone may be marked.')
    return answers, notes


def _window(page: Artwork, x0: float, y0: float, x1: float, y1: float) -> float:
    """Share of dark pixels in a rectangle in mm."""
    scale = page.px_per_mm
    left, top = max(0, round(x0 * scale)), max(0, round(y0 * scale))
    window = page.picture[top : max(top + 1, round(y1 * scale)), left : max(left + 1, round(x1 * scale))]
    return float((window < 160).mean()) if window.size else 0.0


def _ink(page: Artwork, box: Box) -> float:
    half_x, half_y = box.width_mm * 0.4, box.height_mm * 0.4
    return _window(page, box.x_mm - half_x, box.y_mm - half_y, box.x_mm + half_x, box.y_mm + half_y)


def _rim(page: Artwork, box: Box) -> float:
    """How dark the printed line is at the middle of the four sides."""
    reach_x, reach_y, wide = box.width_mm / 2, box.height_mm / 2, box.frame_mm + 0.15
    sides = (
        (box.x_mm - reach_x - wide, box.y_mm - 0.4, box.x_mm - reach_x + 0.1, box.y_mm + 0.4),
        (box.x_mm + reach_x - 0.1, box.y_mm - 0.4, box.x_mm + reach_x + wide, box.y_mm + 0.4),
        (box.x_mm - 0.4, box.y_mm - reach_y - wide, box.x_mm + 0.4, box.y_mm - reach_y + 0.1),
        (box.x_mm - 0.4, box.y_mm + reach_y - 0.1, box.x_mm + 0.4, box.y_mm + reach_y + wide),
    )
    return statistics.median(_window(page, *side) for side in sides)


def _with_selects(layout: Layout, answers: Mapping[str, Sequence[str]]) -> Layout:
    """Questions of circles with several right boxes take several marks."""
    return replace(
        layout,
        fields=tuple(
            replace(one, many=True) if one.kind is FieldKind.CHOICE and len(answers.get(one.question, ())) > 1 else one
            for one in layout.fields
        ),
    )


def _rubric(
    layout: Layout, pages: Sequence[Artwork], answers: Mapping[str, Sequence[str]], key: Path, settings: DetectSettings
) -> str:
    points: dict[str, str] = {}
    for page in pages:
        points |= {name: worth for name, worth in printed_points(page, settings=settings).items() if name not in points}
    heading = [f"Drafted from {key.name}: look at every key and at the points."]
    if any(one.kind is FieldKind.VERSION for one in layout.fields):
        heading.append("- The form has versions, and the key of one is here for all: give a key per version.")
    return rubric_toml(layout, answers, points, heading=heading)
