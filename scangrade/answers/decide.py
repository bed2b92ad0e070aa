"""Verdicts from readings: what is certain is decided, everything else is a person's.

A box is compared with what it looks like empty (the blank form, or the same print elsewhere in the batch), never only with the boxes
beside it, so that a blank sheet stays blank; and with this writer's own pen, so that light pencil is a mark in one booklet and
an erased ghost in another. What it shows is recognised by a trained network (`recognise.py`), as probabilities, and held against what
the ink alone says (`ink_rules.py`). What a cross and a complete fill mean is the form's convention, and on top of that stands what the
boxes of a question mean together.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from scangrade.answers.beside import Cells, learn_print_map, written_beside
from scangrade.answers.empty_boxes import Sheet, expected
from scangrade.answers.judge import FormLearned, Judged, JudgedBoxes, judge, learn_form
from scangrade.answers.recognise import Sight
from scangrade.answers.words import context, ink_around, surroundings, views, word_beside
from scangrade.model import (
    Answer,
    Booklet,
    Box,
    BoxVerdict,
    Convention,
    Field,
    FieldKind,
    Layout,
    PageRead,
    ScannedPage,
    Verdict,
)
from scangrade.settings import DecideSettings

#: Marks that are lines rather than filled areas.
_THIN = frozenset({Sight.CROSS, Sight.TICK, Sight.LINE})


def decide(booklets: Sequence[Booklet], layout: Layout, *, settings: DecideSettings) -> Mapping[str, tuple[Answer, ...]]:
    """Decide every field of every booklet.

    Parameters
    ----------
    booklets : sequence of Booklet
        All of a run: what a box looks like when it is empty is learned from all of them.
    layout : Layout
        Fields, and the form's marking convention.
    settings : DecideSettings

    Returns
    -------
    mapping of booklet id to tuple of Answer
        One answer per field with boxes whose page is there, in layout order.
    """
    boxes = {page.number: layout.boxes(page.number) for page in layout.pages}
    sheets = {booklet.id: _sheets(booklet.pages.values(), boxes) for booklet in booklets}
    spares = {booklet.id: _sheets(booklet.duplicates, boxes) for booklet in booklets}
    everything = [sheet for of_booklet in sheets.values() for sheet in of_booklet]
    learned = learn_form(everything, layout, settings=settings)
    maps = learn_print_map(everything, layout, settings=settings) if layout.convention in _REMARKS else {}
    every = [(sheets[one.id], spares[one.id]) for one in booklets]
    judged = judge(every, learned, layout.convention, settings=settings)
    fields = [(field, tuple(box.key for box in field.boxes)) for field in layout.fields if field.boxes]
    result: dict[str, tuple[Answer, ...]] = {}
    for booklet, (own, others) in zip(booklets, judged, strict=True):
        remarked = _beside(sheets[booklet.id], own, learned, maps, layout, settings) if layout.convention in _REMARKS else ()
        result[booklet.id] = tuple(
            _answer(field, keys, own, others, layout.convention, settings, remarked=field.id in remarked)
            for field, keys in fields
            if all(key in own for key in keys)
        )
    return result


#: Forms on which a word or an arrow beside the boxes counts.
_REMARKS = frozenset({Convention.CROSS, Convention.FILL_WINS})


def _beside(
    sheets: Sequence[Sheet],
    own: JudgedBoxes,
    learned: FormLearned,
    maps: Mapping[int, Cells],
    layout: Layout,
    settings: DecideSettings,
) -> set[str]:
    """The questions of a booklet beside whose boxes something may be written."""
    fields: set[str] = set()
    for sheet in sheets:
        marked = [box for box in sheet.boxes if own[box.key].sight is not Sight.EMPTY]
        cells = written_beside(sheet, maps.get(sheet.page), marked, layout, settings=settings)
        fields |= {field for field, number in cells.items() if number >= settings.beside_cells}
        fields |= _worded(sheet, own, learned, layout, fields, settings)
    return fields


def _worded(
    sheet: Sheet,
    own: JudgedBoxes,
    learned: FormLearned,
    layout: Layout,
    told: Collection[str],
    settings: DecideSettings,
) -> set[str]:
    """The questions of a sheet, but those told already, beside whose marks a word is seen, where it could say which one is meant."""
    filled = {row for row, box in enumerate(sheet.boxes) if own[box.key].sight is not Sight.EMPTY}
    if not filled:
        return set()
    empty = expected(sheet, learned.empty[sheet.page])
    inked = ink_around(sheet, empty, darkness=settings.written_cell) >= settings.word_mm2
    rows_of: dict[str, list[int]] = {}
    for row, box in enumerate(sheet.boxes):
        rows_of.setdefault(box.field, []).append(row)
    rows: list[int] = []
    for field in layout.fields:
        members = rows_of.get(field.id, [])
        if field.kind is not FieldKind.CHOICE or len(members) < 2 or field.id in told or not inked[members].any():
            continue
        verdicts = [own[sheet.boxes[row].key].verdict for row in members]
        if Verdict.UNDONE in verdicts or verdicts.count(Verdict.MARKED) != 1:
            rows += [row for row in members if row in filled]
    if not rows:
        return set()
    around = surroundings(sheet, empty, rows)
    seen = word_beside(views(sheet, around, rows, filled), context(sheet, rows))
    return {sheet.boxes[row].field for row in np.array(rows)[seen >= settings.word_from].tolist()}


def _sheets(pages: Iterable[ScannedPage], boxes: Mapping[int, tuple[Box, ...]]) -> list[Sheet]:
    return [
        Sheet(page.result.page, boxes[page.result.page], page.result.readings)
        for page in pages
        if isinstance(page.result, PageRead) and boxes[page.result.page]
    ]


def _answer(
    field: Field,
    keys: Sequence[str],
    judged: JudgedBoxes,
    others: Sequence[JudgedBoxes],
    convention: Convention,
    settings: DecideSettings,
    *,
    remarked: bool,
) -> Answer:
    """The verdicts of a field after its boxes were looked at together."""
    own = [judged[key] for key in keys]
    verdicts = [one.verdict for one in own]
    marked = [k for k, one in enumerate(own) if one.verdict is Verdict.MARKED]
    doubt = _doubt(own, convention, remarked=remarked) if field.kind is FieldKind.CHOICE and len(own) > 1 else ""
    if convention is Convention.FILL_WINS and any(own[k].filled for k in marked):
        for k in marked:
            if own[k].sight in _THIN:  # beside a fill, the fill is the answer; how much of a fill this is a person must say
                verdicts[k] = Verdict.UNSURE
    halves = [k for k in marked if own[k].sight is Sight.PARTIAL]
    if len(halves) < len(marked):
        for k in halves:  # beside a whole mark: begun and left?
            verdicts[k] = Verdict.UNSURE
    if any(one.verdict is Verdict.UNSURE and one.sight is Sight.STRAY for one in own):
        for k in marked:  # what runs through another box of the field may be over its marks, too
            verdicts[k] = Verdict.UNSURE
    darkest = max((own[k].ink for k in marked), default=0.0)
    weak = [k for k in marked if not own[k].strong or own[k].ink < settings.strong_share_of_field * darkest]
    if weak and len(weak) < len(marked):
        for k in weak:  # paler than the writer's other marks: perhaps erased
            verdicts[k] = Verdict.UNSURE
    for other in others:
        for k, key in enumerate(keys):
            again = other.get(key)
            if again is not None and again.verdict is not own[k].verdict:
                verdicts[k] = Verdict.UNSURE
    return Answer(
        field.id,
        tuple(
            BoxVerdict(
                field.id,
                box.value,
                verdict,
                round(float(one.probability if verdict is not Verdict.UNSURE else min(max(one.probability, 0.01), 0.99)), 4),
            )
            for box, verdict, one in zip(field.boxes, verdicts, own, strict=True)
        ),
        doubt,
    )


def _doubt(own: Sequence[Judged], convention: Convention, *, remarked: bool) -> str:
    """Why a question as a whole is a person's: corrections that only a person can read; "" where there are none."""
    undone = [one for one in own if one.verdict is Verdict.UNDONE]
    marked = [one for one in own if one.verdict is Verdict.MARKED]
    corrected_so = convention is Convention.FILL_WINS or (convention is not Convention.CROSS and len(own) > 2)
    perhaps = [one for one in own if one.verdict is Verdict.UNSURE and one.sight is not Sight.EMPTY]
    if corrected_so and len(marked) > 1 and len(marked) + len(perhaps) == len(own):
        return "every box is marked: look for an arrow or a word that says which one is meant"
    if undone and not marked and len(undone) + len(perhaps) == len(own):
        return "every box is undone: look for a sign that says which one is meant after all"
    if remarked:
        if undone:
            return "a box is undone and there is ink beside the boxes: look whether one is marked anew"
        if len(marked) != 1:
            return "there is ink beside the boxes: look whether it says which one is meant"
    return ""
