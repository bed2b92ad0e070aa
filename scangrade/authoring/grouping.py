"""From what is drawn on a page to fields: digit grids, credits, questions and their alternatives, frames to write in.

The order matters: what is surest takes its boxes first. A digit grid is ten boxes in line whose digits count from 0 to 9 (or from 1 to
9 and 0); a credit column counts 0, 1, 2, ... with or without half boxes H; what is left are alternatives. They are one question as
long as their letters go on and no label of another question stands between. Whatever had to be guessed is said.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from scangrade.authoring.artwork import Artwork, Outline, Word
from scangrade.model import Box, Field, FieldKind, Region, Shape
from scangrade.settings import DETECT, DetectSettings

_COUNTS = ("0123456789", "1234567890")
_LABEL = re.compile(r"[(\[]?(\d{1,3}(?:\.\d{1,3}){0,3})\.?[(]?([a-zA-Z])?[.):\]]*")
_SUB_LABEL = re.compile(r"\(?([a-z]|[ivx]{1,4})[.)]")
_HEADS = {
    "question",
    "q",
    "problem",
    "exercise",
    "task",
    "aufgabe",
    "frage",
    "vraag",
    "opgave",
    "pergunta",
    "exercice",
    "part",
    "no",
    "nr",
}
_VERSIONS = {"version", "versions", "versie", "variant", "variante"}
_WORDS = {
    "yes",
    "no",
    "true",
    "false",
    "t",
    "f",
    "wahr",
    "falsch",
    "richtig",
    "ja",
    "nein",
    "nee",
    "waar",
    "onwaar",
    "vrai",
    "faux",
}
_POINTS = re.compile(r"(\d{1,3}(?:[.,]\d{1,2})?)\s*(?:points?|pts?|punkte?|punten|pontos|P)\b")
_NUMBER_HINTS = ("number", "matrikel", "nummer", "student id", "número", "numero", "registration")


@dataclass(frozen=True, slots=True)
class Found:
    """Fields of a page; ids are unique on it only."""

    fields: tuple[Field, ...]
    notes: tuple[str, ...]


@dataclass(slots=True, eq=False)
class _Group:
    """Boxes that belong together, before they have a name."""

    kind: FieldKind
    columns: list[list[Outline]]  #: one, or a digit grid's, or a credit's per correction
    values: list[str]
    label: Word | None = None
    name: str = ""

    @property
    def first(self) -> Outline:
        return self.columns[0][0]

    @property
    def upright(self) -> bool:
        boxes = self.columns[0]
        return len(boxes) > 1 and abs(boxes[-1].y - boxes[0].y) > abs(boxes[-1].x - boxes[0].x)


@dataclass(slots=True, eq=False)
class _Page:
    """A page while its boxes are shared out."""

    art: Artwork
    settings: DetectSettings
    free: list[Outline] = field(default_factory=list)
    printed: dict[Outline, str] = field(default_factory=dict)
    outside: list[Word] = field(default_factory=list)  #: words that stand in no box
    taken: set[Word] = field(default_factory=set)  #: words that are the letter of a box
    notes: list[str] = field(default_factory=list)


def group_boxes(art: Artwork, *, settings: DetectSettings = DETECT) -> Found:
    """Find the fields of a page.

    Parameters
    ----------
    art : Artwork
        What is drawn on it.
    settings : DetectSettings

    Returns
    -------
    Found
        Fields in reading order with ids from the labels, or made up where there are none, and notes on what was guessed.
    """
    page = _Page(art, settings, list(art.outlines))
    for box in art.outlines:
        inside = sorted((one for one in art.characters if box.holds(one.x, one.y)), key=lambda one: one.left)
        page.printed[box] = "".join(one.text for one in inside) if len(inside) <= 4 else ""
    page.outside = [word for word in art.words if not any(box.holds(word.x, word.y) for box in art.outlines)]
    by_hand = list(_cell_rows(page))
    groups = [*_digit_grids(page), *_credits(page), *_choices(page)]
    _name(groups, page)
    fields = [*by_hand, *(one for group in groups for one in _fields(group, page))]
    return Found((*fields, *_regions(page, groups)), tuple(page.notes))


# --------------------------------------------------------------------------- cells


def _cell_rows(page: _Page) -> Iterator[Field]:
    """Rows of cells for a number by hand: larger than a box to be marked, higher than wide, nothing printed inside, close to each other."""
    settings = page.settings
    large = [
        one
        for one in page.free
        if one.shape is Shape.SQUARE
        and one.width >= settings.least_cell_width_mm
        and one.height >= max(settings.least_cell_height_mm, one.width)
        and not page.printed[one]
    ]
    for row in _rows(large, settings):
        gaps = [after.x - before.x - (after.width + before.width) / 2 for before, after in pairwise(row)]
        if len(row) < settings.least_cells or max(gaps) > settings.most_cell_gap_mm:
            continue
        page.free = [one for one in page.free if one not in row]
        name, number = "student_number_written", page.art.number
        cells = tuple(
            Box(name, str(place), number, one.x, one.y, one.width, one.height, one.frame)
            for place, one in enumerate(row, start=1)
        )
        left, right = row[0].x - row[0].width / 2 - row[0].frame, row[-1].x + row[-1].width / 2 + row[-1].frame
        top = min(one.y - one.height / 2 - one.frame for one in row)
        bottom = max(one.y + one.height / 2 + one.frame for one in row)
        region = Region(number, left, top, right - left, bottom - top)
        page.notes.append(f"the {len(row)} cells in a row are taken for the student number by hand.")
        yield Field(name, FieldKind.HANDWRITTEN, number, region=region, role="student_number", cells=cells)


# --------------------------------------------------------------------------- letters of boxes


def _plain(text: str) -> str:
    return text.strip().strip("()[].:")


def _beside(box: Outline, page: _Page, side: str) -> Word | None:
    """The nearest word on one side of a box, if no other box stands between."""
    reach = page.settings.label_mm
    best: tuple[float, Word] | None = None
    for word in page.outside:
        if side in ("left", "right"):
            if abs(word.y - box.y) > box.height * 0.6:
                continue
            gap = box.x - box.width / 2 - word.right if side == "left" else word.left - box.x - box.width / 2
        else:
            if not word.left - 0.5 <= box.x <= word.right + 0.5:
                continue
            gap = box.y - box.height / 2 - word.bottom
        if -0.5 <= gap <= reach and (best is None or gap < best[0]):
            best = gap, word
    if best is None:
        return None
    word = best[1]
    low, high = sorted((box.x, word.x))
    blocked = any(
        other is not box
        and other.shape is box.shape
        and ((abs(other.y - box.y) < box.height / 2 and low < other.x < high) if side in ("left", "right") else
             (abs(other.x - box.x) < box.width / 2 and word.y < other.y < box.y))
        for other in page.art.outlines
    )  # fmt: skip
    return None if blocked else word


def _is_value(text: str) -> bool:
    plain = _plain(text)
    return bool(plain) and (
        (len(plain) == 1 and plain.isalnum()) or (plain.isdigit() and len(plain) <= 2) or plain.lower() in _WORDS
    )


def _value_word(box: Outline, page: _Page, sides: Sequence[str] = ("right", "left", "above")) -> tuple[str, Word | None]:
    """What a box stands for: printed inside, or else a letter beside or above it."""
    if page.printed[box]:
        return page.printed[box], None
    for side in sides:
        word = _beside(box, page, side)
        if word is not None and _is_value(word.text):
            return _plain(word.text), word
    return "", None


# --------------------------------------------------------------------------- lines of boxes

Axis = Callable[[Outline], tuple[float, float]]  #: along the line, across it


def _down(box: Outline) -> tuple[float, float]:
    return box.y, box.x


def _right(box: Outline) -> tuple[float, float]:
    return box.x, box.y


def _chain(start: Outline, count: Sequence[str], labels: dict[Outline, str], axis: Axis, line_mm: float) -> list[Outline]:
    """Boxes in line from `start` on at equal steps whose labels count as wanted, as far as they do."""
    along, across = axis(start)
    line = sorted(
        (axis(one)[0], index, one)
        for index, one in enumerate(labels)
        if abs(axis(one)[1] - across) <= line_mm and axis(one)[0] > along + 1
    )
    chain, step = [start], 0.0
    for wanted in count[1:]:
        last = axis(chain[-1])[0]
        place = next(
            (
                (at, one)
                for at, _, one in line
                if at > last + 1 and labels[one] == wanted and (not step or abs(at - last - step) <= line_mm)
            ),
            None,
        )
        if place is None or (not step and place[0] - last > 20):
            break
        step = step or place[0] - last
        chain.append(place[1])
    return chain


def _at(boxes: Iterable[Outline], x: float, y: float, tolerance: float) -> Outline | None:
    return min(
        (one for one in boxes if abs(one.x - x) <= tolerance and abs(one.y - y) <= tolerance),
        key=lambda one: abs(one.x - x) + abs(one.y - y),
        default=None,
    )


# --------------------------------------------------------------------------- digits


def _digit_grids(page: _Page) -> list[_Group]:
    grids: list[_Group] = []
    line = page.settings.line_mm
    for axis, other, sides in ((_down, _right, ("left", "right")), (_right, _down, ("above", "left"))):
        labels = {box: _value_word(box, page, sides)[0] for box in page.free}
        for count in _COUNTS:
            seeds = sorted((box for box in labels if labels[box] == count[0]), key=lambda box: (other(box)[0], axis(box)[0]))
            for seed in seeds:
                if seed not in page.free:
                    continue
                column = _chain(seed, count, {box: labels[box] for box in page.free}, axis, line)
                if len(column) < 10:
                    continue
                columns = [column]
                while True:
                    following = _next_column(columns, page, axis)
                    if following is None:
                        break
                    columns.append(following)
                for one in columns:
                    for box in one:
                        page.free.remove(box)
                grids.append(_Group(FieldKind.DIGIT, columns, list(count)))
                if len(columns) == 1:
                    page.notes.append("a single line of ten digits: taken as a number of one digit.")
    if not page.art.characters:
        grids += _unlabelled_grids(page)
    return grids


def _next_column(columns: Sequence[list[Outline]], page: _Page, axis: Axis) -> list[Outline] | None:
    """Ten boxes beside the last ones, at the same heights and the same distance as before."""
    last, line = columns[-1], page.settings.line_mm
    level = axis is _down
    across = [(one.x if level else one.y) for one in last]
    if len(columns) > 1:
        step = across[0] - (columns[-2][0].x if level else columns[-2][0].y)
    else:
        near = [
            (one.x if level else one.y) - across[0]
            for one in page.free
            if abs(axis(one)[0] - axis(last[0])[0]) <= line and (one.x if level else one.y) > across[0] + 1
        ]
        if not near or min(near) > page.settings.row_step_mm:
            return None
        step = min(near)
    found = [_at(page.free, one.x + (step if level else 0), one.y + (0 if level else step), line) for one in last]
    column = [one for one in found if one is not None]
    if len(column) < len(last):
        return None
    own = [page.printed[one] for one in column]
    return column if not any(own) or own == [page.printed[one] for one in last] else None


def _unlabelled_grids(page: _Page) -> list[_Group]:
    """In a picture: ten rows, and at least four columns, of boxes at equal steps."""
    line = page.settings.line_mm
    for seed in sorted(page.free, key=lambda box: (box.y, box.x)):
        blank = dict.fromkeys(page.free, "")
        column = _chain(seed, [""] * 11, blank, _down, line)
        before = (_plain(word.text) for word in page.outside if word.right < column[-1].x and abs(word.y - column[-1].y) < 2)
        if any(text.isdecimal() and int(text) > 9 for text in before):
            continue  # the tenth question of a sheet, whose rows are numbered from 1
        if len(column) != 10 or any(abs(one.x - seed.x) <= line and 0 < seed.y - one.y < 12 for one in page.free):
            continue
        columns = [column]
        while (following := _next_column(columns, page, _down)) is not None:
            columns.append(following)
        if len(columns) >= 4:
            for one in columns:
                for box in one:
                    page.free.remove(box)
            page.notes.append(
                f"{len(columns)} columns of ten boxes: taken as a number, its digits from 0 at the top to 9. Correct `values` if not."
            )
            return [_Group(FieldKind.DIGIT, columns, list(_COUNTS[0]))]
    return []


# --------------------------------------------------------------------------- credits


def _credits(page: _Page) -> list[_Group]:
    line = page.settings.line_mm
    labels = {box: _value_word(box, page)[0] for box in page.free}
    count = [str(one) for one in range(100)]
    chains: list[tuple[list[Outline], list[Outline]]] = []
    for seed in sorted((box for box in page.free if labels[box] == "0"), key=lambda box: (box.y, box.x)):
        here = {box: labels[box] for box in page.free}
        ways = [_chain(seed, count, here, axis, line) for axis in (_right, _down)]
        numbers = max(ways, key=lambda way: (len(way), -math.dist((way[0].x, way[0].y), (way[-1].x, way[-1].y))))
        if len(numbers) < 2:
            continue
        halves = _halves(numbers, here)
        for box in (*numbers, *halves):
            page.free.remove(box)
        chains.append((numbers, halves))
    groups: list[_Group] = []
    for numbers, halves in chains:
        values = [str(one) for one in range(len(numbers))]
        boxes = numbers
        if halves:
            values = [one for k in range(len(numbers)) for one in ([str(k), f"{k}H"] if k < len(halves) else [str(k)])]
            boxes = [one for k, box in enumerate(numbers) for one in ([box, halves[k]] if k < len(halves) else [box])]
        groups.append(_Group(FieldKind.CREDIT, [list(boxes)], values))
    return groups


def _halves(numbers: Sequence[Outline], labels: dict[Outline, str]) -> list[Outline]:
    """The half box after each number but the last, all at the same offset; none where one is missing."""
    step = math.dist((numbers[0].x, numbers[0].y), (numbers[1].x, numbers[1].y))
    halves = [box for box, label in labels.items() if label.upper() in ("H", "½", "0.5", "1/2", ".5")]
    near = sorted(
        (one for one in halves if math.dist((one.x, one.y), (numbers[0].x, numbers[0].y)) < step * 1.2),
        key=lambda one: math.dist((one.x, one.y), (numbers[0].x, numbers[0].y)),
    )
    for first in near:
        dx, dy = first.x - numbers[0].x, first.y - numbers[0].y
        if dx < -0.5 or dy < -0.5:
            continue
        found = [_at(halves, one.x + dx, one.y + dy, 0.4) for one in numbers[:-1]]
        if all(found):
            return [one for one in found if one is not None]
    return []


# --------------------------------------------------------------------------- alternatives


def _choices(page: _Page) -> list[_Group]:
    rows = _rows(page.free, page.settings)
    wide = [row for row in rows if len(row) > 1]
    groups: list[_Group] = []
    loose = {box for row in rows if len(row) == 1 for box in row}
    for block in _blocks(wide):
        if _across(block, page):
            heads = [_value_word(box, page, ("above",)) for box in block[0]]
            for row in _rows_of_questions(block, page):
                last = _left_over(row, loose, page)
                loose.difference_update(last)
                groups.append(_choice([*row, *last], page, heads))
        else:
            loose.update(box for row in block for box in row)
    parts: list[list[Outline]] = []
    for column in _columns(loose, page.settings):  # from left to right
        parts += list(_parts(column, page, parts))
    groups += [_choice(part, page, []) for part in _side_by_side(parts, page)]
    return groups


def _rows_of_questions(block: Sequence[list[Outline]], page: _Page) -> Iterator[list[Outline]]:
    """Boxes of each question of a block: a row, or several whose letters go on, such as A B above C D."""
    current: list[Outline] = []
    for row in block:
        if current and not _next_letter(_value_word(current[-1], page)[0], _value_word(row[0], page)[0]):
            yield current
            current = []
        current = [*current, *row]
    yield current


def _left_over(row: Sequence[Outline], loose: Collection[Outline], page: _Page) -> list[Outline]:
    """The box below the first of a question's last row that has the letter after its last: E below C, where rows are A B and C D."""
    letter = _value_word(row[-1], page)[0]
    below = [
        box
        for box in loose
        if abs(box.x - row[0].x) <= page.settings.line_mm
        and 0 < box.y - row[-1].y < page.settings.row_step_mm
        and _next_letter(letter, _value_word(box, page)[0])
    ]
    return below[:1]


def _side_by_side(parts: Sequence[list[Outline]], page: _Page) -> list[list[Outline]]:
    """Columns that begin at one height and whose letters are those of one question together: A above C beside B above D."""
    line = page.settings.line_mm
    bands: list[list[list[Outline]]] = []
    for part in sorted(parts, key=lambda one: (one[0].y, one[0].x)):
        near = [band for band in bands if abs(band[0][0].y - part[0].y) <= line and band[0][0].shape is part[0].shape]
        if near:
            near[0].append(part)
        else:
            bands.append([part])
    return [boxes for band in bands for boxes in _joined(sorted(band, key=lambda one: one[0].x), page)]


def _joined(band: Sequence[list[Outline]], page: _Page) -> Iterator[list[Outline]]:
    """Neighbours of a band put together, as many as make one run of letters."""
    place = 0
    while place < len(band):
        count = next((size for size in range(len(band) - place, 1, -1) if _one_run(band[place : place + size], page)), 1)
        boxes = [box for part in band[place : place + count] for box in part]
        yield sorted(boxes, key=lambda box: _value_word(box, page)[0]) if count > 1 else boxes
        place += count


def _one_run(parts: Sequence[list[Outline]], page: _Page) -> bool:
    """Whether the letters of these columns follow each other without a gap, row by row or column by column, from the first box on."""
    by_column = [box for part in parts for box in part]
    rows = sorted(by_column, key=lambda box: (round(box.y / (2 * page.settings.line_mm)), box.x))
    return any(
        all(_next_letter(one, other) for one, other in pairwise(_value_word(box, page)[0] for box in order))
        for order in (by_column, rows)
    )


def _rows(boxes: Collection[Outline], settings: DetectSettings) -> list[list[Outline]]:
    """Boxes beside each other, from left to right, as long as their distances stay alike."""
    rows: list[list[Outline]] = []
    for box in sorted(boxes, key=lambda box: (round(box.y / settings.line_mm), box.x)):
        best = None
        for row in rows:
            last = row[-1]
            gap = box.x - last.x
            step = row[1].x - row[0].x if len(row) > 1 else settings.row_step_mm
            alike = abs(last.width - box.width) < 1 and last.shape is box.shape
            if abs(last.y - box.y) <= settings.line_mm and alike and 0 < gap <= min(settings.row_step_mm, step * 1.5):
                best = row
        if best is None:
            rows.append([box])
        else:
            best.append(box)
    return sorted(rows, key=lambda row: (row[0].y, row[0].x))


def _blocks(rows: Sequence[list[Outline]]) -> list[list[list[Outline]]]:
    """Rows below each other with boxes at the same places."""
    blocks: list[list[list[Outline]]] = []
    for row in rows:
        places = [box.x for box in row]
        for block in blocks:
            above = [box.x for box in block[-1]]
            near = row[0].y - block[-1][0].y < 25
            if near and len(above) == len(places) and all(abs(a - b) < 0.5 for a, b in zip(above, places, strict=True)):
                block.append(row)
                break
        else:
            blocks.append([row])
    return blocks


def _across(block: Sequence[Sequence[Outline]], page: _Page) -> bool:
    """Whether the alternatives of a question stand beside each other, not below."""
    if len(block) == 1:
        return True
    first_row = [_value_word(box, page)[0] for box in block[0]]
    down = [_value_word(row[0], page)[0] for row in block]
    if _next_letter(down[0], down[1]) and not _next_letter(first_row[0], first_row[1]):
        return False  # letters go on below: A above B, beside C above D
    if all(first_row) and len(set(first_row)) == len(first_row) and first_row != sorted(set(first_row), reverse=True):
        return True
    first_column = [_value_word(row[0], page)[0] for row in block]
    if all(first_column) and len(set(first_column)) == len(first_column) and not all(one.isdigit() for one in first_column):
        return False
    if page.art.characters:
        page.notes.append(
            f"rows of {len(block[0])} boxes from ({block[0][0].x:.0f}, {block[0][0].y:.0f}) on have no letters:"
            " each row is taken as a question."
        )
    return True


def _columns(boxes: Iterable[Outline], settings: DetectSettings) -> list[list[Outline]]:
    columns: list[list[Outline]] = []
    for box in sorted(boxes, key=lambda box: (box.x, box.y)):
        for column in columns:
            if abs(column[0].x - box.x) <= settings.line_mm and column[0].shape is box.shape:
                column.append(box)
                break
        else:
            columns.append([box])
    return [sorted(column, key=lambda box: box.y) for column in columns]


def _parts(column: Sequence[Outline], page: _Page, left: Sequence[Sequence[Outline]]) -> Iterator[list[Outline]]:
    """A column of boxes, cut where another question begins: letters start again, its label stands between, or to the left one begins.

    `left` has the parts of the columns to the left: the label of a question in several columns stands only there.
    """
    begun = [one[0].y for one in left] if page.art.characters else []
    labels = [_value_word(box, page)[0] for box in column]
    starts = [word for word, _ in _labels(page)]
    gaps = [b.y - a.y for a, b in pairwise(column)]
    usual = min(gaps, default=0.0)
    part = [column[0]]
    seen = {labels[0]}
    for index, box in enumerate(column[1:], start=1):
        last = column[index - 1]
        again = bool(labels[index]) and labels[index] in seen
        goes_on = _follows(labels[index - 1], labels[index])
        beside = any(abs(y - box.y) <= page.settings.line_mm for y in begun)
        named = any(
            last.y + last.height / 2 < word.y < box.y - box.height / 2 + 1
            and abs(word.left - box.x) < 30
            and word.left < box.x + 8
            for word in starts
        )
        far = gaps[index - 1] > page.settings.column_step_mm or (
            not page.art.characters and gaps[index - 1] > page.settings.picture_gap * usual
        )
        if again or (not goes_on and (named or far or beside)):
            yield part
            part, seen = [], set()
        part.append(box)
        seen.add(labels[index])
    yield part


def _follows(one: str, other: str) -> bool:
    return len(one) == len(other) == 1 and ord(other) == ord(one) + 1


def _next_letter(one: str, other: str) -> bool:
    """Whether one letter follows the other; numbers do not count, since those of questions stand beside boxes too."""
    return one.isalpha() and other.isalpha() and _follows(one, other)


def _choice(boxes: Sequence[Outline], page: _Page, heads: Sequence[tuple[str, Word | None]]) -> _Group:
    found = [_value_word(box, page) for box in boxes]
    for way in (("right",), ("left",), ("above",)):
        said = [_value_word(box, page, way) for box in boxes]
        if all(value for value, _ in said) and len({value for value, _ in said}) == len(said):
            found = said
            break
    values = [value for value, _ in found]
    if (not all(values) or len(set(values)) < len(values)) and len(heads) == len(boxes):
        found = list(heads)
        values = [value for value, _ in found]
    if not all(values) or len(set(values)) < len(values):
        values = [chr(ord("A") + k) if k < 26 else str(k + 1) for k in range(len(boxes))]
        if page.art.characters:
            page.notes.append(
                f"boxes at ({boxes[0].x:.0f}, {boxes[0].y:.0f}) have no letters of their own: called {values[0]} to {values[-1]}."
            )
    else:
        page.taken.update(word for _, word in found if word is not None)
    if len(boxes) == 1:
        page.notes.append(
            f"the box at ({boxes[0].x:.0f}, {boxes[0].y:.0f}) stands alone: taken as a question of one alternative."
        )
    return _Group(FieldKind.CHOICE, [list(boxes)], values)


# --------------------------------------------------------------------------- names


def _labels(page: _Page) -> list[tuple[Word, str]]:
    """Words that begin a line, or follow a word such as "Question", and look like the label of a question."""
    found: list[tuple[Word, str]] = []
    main = ""
    for word in sorted(page.outside, key=lambda one: (round(one.top), one.left)):
        if word in page.taken:
            continue
        before = max(
            (one for one in page.outside if abs(one.y - word.y) < 1.5 and 0 < word.left - one.right + 0.2 < 6),
            key=lambda one: one.right,
            default=None,
        )
        head = before is not None and _plain(before.text).lower() in _HEADS
        if _plain(word.text).lower() in _VERSIONS and before is None:
            found.append((word, "version"))
            continue
        match = _LABEL.fullmatch(word.text)
        if match and (before is None or head):
            name = match[1] + (match[2] or "").lower()
            main = match[1]
            found.append((word, name))
            continue
        sub = _SUB_LABEL.fullmatch(word.text)
        numbered = before is not None and _LABEL.fullmatch(before.text) is not None
        if sub and (before is None or numbered):
            found.append((word, f"{main}{sub[1]}"))
    return found


def _distance(group: _Group, word: Word, page: _Page) -> float:
    """How far a label is from the boxes that it could belong to, in mm; infinite where it cannot."""
    box = group.first
    left = box.x - box.width / 2
    if abs(word.y - box.y) < box.height * 0.75 and word.right <= left + 0.5:
        gap = left - word.right  # however far: nothing else stands in its line that has a label of its own
        return min(gap, 5 + gap / 10)
    up = box.y - box.height / 2 - word.bottom
    if up < -0.5 or up > page.settings.question_mm or not left - 30 < word.left < left + 12:
        return math.inf
    # a row has its label beside it; a column has it above
    return up + abs(word.left - left) / 2 + (2 if group.upright else 8)


def _name(groups: list[_Group], page: _Page) -> None:
    """Give every question the nearest label; a credit column beside another one without a label is its next correction."""
    labels = _labels(page)
    others = [one for one in groups if one.kind is not FieldKind.DIGIT]
    pairs = sorted(
        ((_distance(group, word, page), i, j) for i, group in enumerate(others) for j, (word, _) in enumerate(labels)),
    )
    used: set[int] = set()
    for distance, i, j in pairs:
        group = others[i]
        if group.label is None and j not in used and distance < math.inf:
            group.label, group.name = labels[j]
            used.add(j)
    for group in [one for one in others if one.kind is FieldKind.CREDIT]:
        box = group.first
        twin = next(
            (
                one
                for one in others
                if one is not group
                and one.kind is FieldKind.CREDIT
                and one in groups
                and one.values == group.values
                and abs(one.first.y - box.y) <= 0.4
                and 0 < box.x - one.first.x < 25
                and group.upright
                and (group.label is None or not _own(group))
            ),
            None,
        )
        if twin is not None:
            groups.remove(group)
            twin.columns += group.columns
            note = "credits that stand there twice are taken as a first and a second correction."
            if note not in page.notes:
                page.notes.append(note)


def _own(group: _Group) -> bool:
    """Whether a label stands right above these boxes, so that it is theirs and not that of the boxes to the left."""
    box, word = group.first, group.label
    return word is not None and abs(word.left - (box.x - box.width / 2)) < 4 and box.y - box.height / 2 - word.bottom < 12


# --------------------------------------------------------------------------- fields


def _fields(group: _Group, page: _Page) -> Iterator[Field]:
    number = page.art.number
    if group.kind is FieldKind.DIGIT:
        role = "student_number" if _near_text(group, page, _NUMBER_HINTS) or sum(map(len, group.columns)) >= 50 else ""
        name = "student_number" if role else f"number_{number}_{group.first.y:.0f}"
        for place, column in enumerate(group.columns, start=1):
            yield Field(
                f"{name}.{place}", FieldKind.DIGIT, number, _boxes(f"{name}.{place}", column, group.values, page),
                group=name, place=place, role=role,
            )  # fmt: skip
        return
    if group.kind is FieldKind.CREDIT:
        for correction, column in enumerate(group.columns, start=1):
            name = f"{group.name}/{correction}" if len(group.columns) > 1 else group.name
            yield Field(
                name, FieldKind.CREDIT, number, _boxes(name, column, group.values, page),
                question=group.name, correction=correction,
            )  # fmt: skip
        return
    boxes = _boxes(group.name, group.columns[0], group.values, page)
    if group.name == "version":
        yield Field("version", FieldKind.VERSION, number, boxes)
    else:
        many = group.first.shape is Shape.SQUARE
        yield Field(group.name, FieldKind.CHOICE, number, boxes, question=group.name, many=many)


def _boxes(name: str, outlines: Sequence[Outline], values: Sequence[str], page: _Page) -> tuple[Box, ...]:
    return tuple(
        Box(name, value, page.art.number, one.x, one.y, one.width, one.height, one.frame, one.shape, page.printed[one])
        for one, value in zip(outlines, values, strict=True)
    )


def _near_text(group: _Group, page: _Page, hints: Collection[str]) -> bool:
    """Whether a word of some meaning stands within 25 mm above a group."""
    boxes = [box for column in group.columns for box in column]
    left, right, top = min(box.x for box in boxes) - 10, max(box.x for box in boxes) + 10, min(box.y for box in boxes)
    near = " ".join(word.text for word in page.outside if left - 20 < word.x < right and top - 25 < word.y < top).lower()
    return any(hint in near for hint in hints)


def _regions(page: _Page, groups: Sequence[_Group]) -> Iterator[Field]:
    """Frames to write in: a name, a number, a sticker, an answer with the label of a question."""
    art = page.art
    held = {one.name for one in groups}
    # a grader's credits and the frame beside or below them are of one question
    named = [group.label for group in groups if group.kind is not FieldKind.CREDIT]
    labels = [(word, name) for word, name in _labels(page) if not any(word is label for label in named)]
    uses: Counter[str] = Counter()
    for one in sorted(art.frames, key=lambda one: (one.y, one.x)):
        left, top = one.x - (one.width + one.frame) / 2, one.y - (one.height + one.frame) / 2
        inside = [word for word in page.outside if one.holds(word.x, word.y)]
        if any(one.holds(box.x, box.y) for box in art.outlines) or len(inside) > page.settings.most_frame_words:
            continue
        if any(one is not other and one.holds(other.x, other.y) and other.width < one.width - 1 for other in art.frames):
            continue
        region = Region(art.number, left, top, one.width + one.frame, one.height + one.frame)
        caption = " ".join(word.text for word in inside)
        if not caption:
            caption = " ".join(
                word.text
                for word in page.outside
                if (left - 40 < word.x < left and abs(word.y - one.y) < one.height / 2)
                or (left - 2 < word.x < left + one.width and 0 < top - word.bottom < 3)
            )
        low = caption.lower()
        kind, role, question = FieldKind.TEXT, "", ""
        if any(hint in low for hint in ("sticker", "label here", "aufkleber", "etikett")):
            kind, name = FieldKind.STICKER, "sticker"
        elif any(hint in low for hint in _NUMBER_HINTS) and len(inside) < 6:
            role, name = "student_number", "student_number_written"
        elif "name" in low and len(inside) < 6:
            role = "name"
            name = re.sub(r"\W+", "_", low).strip("_") if inside and low.count(" ") == 1 and "," not in low else "name"
        elif "signature" in low or "unterschrift" in low:
            name = "signature"
        else:
            near = [
                (top - word.bottom, name, word)
                for word, name in labels
                if -1 < top - word.bottom < page.settings.question_mm and left - 30 < word.left < left + 15
            ]
            found = min(near, key=lambda pair: pair[0], default=None)
            if found is not None:
                role, question, name = "answer", found[1], found[1]
                labels.remove((found[2], found[1]))
                if question in held:
                    name = f"{question}.text"
            else:
                name = re.sub(r"\W+", "_", low)[:30].strip("_") if inside else ""
                page.notes.append(
                    f"the frame at ({left:.0f}, {top:.0f}), {one.width:.0f} x {one.height:.0f} mm, has no label: kept as a place to write."
                )
                name = name or f"writing_{art.number}"
        uses[name] += 1
        if uses[name] > 1:
            name = f"{name}_{uses[name]}"
        yield Field(name, kind, art.number, region=region, question=question, role=role)


def printed_points(art: Artwork, *, settings: DetectSettings = DETECT) -> dict[str, str]:
    """Points that stand in the line of a question's label, by its id: "(4 points)", "3 pts", "2.5 P"."""
    page = _Page(art, settings)
    page.outside = [word for word in art.words if not any(box.holds(word.x, word.y) for box in art.outlines)]
    found: dict[str, str] = {}
    for word, name in _labels(page):
        line = sorted((one for one in page.outside if abs(one.y - word.y) < 1.5), key=lambda one: one.left)
        match = _POINTS.search(" ".join(one.text for one in line if one.left > word.left))
        if match:
            found.setdefault(name, match[1].replace(",", "."))
    return found
