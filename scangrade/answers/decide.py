"""Verdicts from readings: what is certain is decided, everything else is a person's.

A box is compared with what it looks like empty (the blank form, or the same print elsewhere in the batch), never only with the boxes
beside it, so that a blank sheet stays blank; and with this writer's own pen, so that light pencil is a mark in one booklet and
an erased ghost in another. What it shows is recognised by trained networks (`first_look.py`, `recognise.py`), as probabilities, and held
against what the ink alone says (`ink_rules.py`). What a cross and a complete fill mean is the form's convention, and on top of that stands
what the boxes of a question mean together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scangrade.answers.beside import Shades, learn_print_map, written_beside
from scangrade.answers.empty_boxes import Sheet, expected
from scangrade.answers.ink_rules import MARKED, UNDONE, UNSURE, VERDICTS
from scangrade.answers.judge import FormLearned, Judged, judge, learn_form
from scangrade.answers.recognise import SIGHTS, Sight
from scangrade.answers.words import context, ink_around, surroundings, views, word_beside
from scangrade.model import (
    PATCH_SIDE,
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
)
from scangrade.settings import DecideSettings

_EMPTY, _PARTIAL, _STRAY = (SIGHTS.index(one) for one in (Sight.EMPTY, Sight.PARTIAL, Sight.STRAY))
#: Marks that are lines rather than filled areas.
_THIN = [SIGHTS.index(one) for one in (Sight.CROSS, Sight.TICK, Sight.LINE)]

_AT_ONCE = 8192  # boxes looked at together: as many as keep the matrix products busy, and no more than stay unpacked

#: Steps of the probability that is told.
_STEPS = 10_000

Flags = NDArray[np.bool_]


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
    scripts = [_Script(one.id, _sheets(one.pages.values(), boxes), _sheets(one.duplicates, boxes)) for one in booklets]
    everything = [sheet for one in scripts for sheet in one.own]
    learned = learn_form(everything, layout, settings=settings)
    maps = learn_print_map(everything, layout, settings=settings) if layout.convention in _REMARKS else {}
    rows = {box.key: (page, row) for page, some in boxes.items() for row, box in enumerate(some)}
    questions = [_Question(one, tuple(rows[box.key] for box in one.boxes)) for one in layout.fields if one.boxes]
    alike: dict[tuple[int, bool], list[_Question]] = {}
    for question in questions:
        alike.setdefault((len(question.places), question.choice), []).append(question)
    result: dict[str, dict[str, Answer]] = {one.booklet: {} for one in scripts}
    for some in _together(scripts):
        looked = _Looked.of(some, judge([(one.own, one.spare) for one in some], learned, layout.convention, settings=settings))
        remarked: Sequence[set[str]] = [set() for _ in some]
        if layout.convention in _REMARKS:
            remarked = _beside(looked, questions, learned, maps, layout, settings)
        for group in alike.values():
            for booklet, answer in _answers(group, looked, layout.convention, settings, remarked):
                result[booklet][answer.field] = answer
    order = [question.field.id for question in questions]
    return {booklet: tuple(own[one] for one in order if one in own) for booklet, own in result.items()}


@dataclass(frozen=True, slots=True)
class _Script:
    """A booklet's page images."""

    booklet: str
    own: Sequence[Sheet]
    spare: Sequence[Sheet]  #: further images of its pages


class _Question:
    """A field with boxes, and its answers so far, each of which is made once: most booklets leave most boxes plainly empty.

    Parameters
    ----------
    field : Field
    places : sequence of (int, int)
        Of each box, its page and its row there.
    """

    def __init__(self, field: Field, places: Sequence[tuple[int, int]]) -> None:
        self.field = field
        self.places = places
        self._answers: dict[tuple[bytes, str], Answer] = {}
        self._verdicts: dict[tuple[int, int], BoxVerdict] = {}

    @property
    def choice(self) -> bool:
        """Whether it asks for a choice between boxes."""
        return self.field.kind is FieldKind.CHOICE and len(self.places) > 1

    def answer(self, codes: NDArray[np.int32], doubt: str) -> Answer:
        """The answer with these verdicts, each its code of `VERDICTS` and the steps of its probability in one number."""
        key = codes.tobytes(), doubt
        found = self._answers.get(key)
        if found is None:
            verdicts = tuple(self._verdict(place, code) for place, code in enumerate(codes.tolist()))
            found = self._answers[key] = Answer(self.field.id, verdicts, doubt)
        return found

    def _verdict(self, place: int, code: int) -> BoxVerdict:
        found = self._verdicts.get((place, code))
        if found is None:
            verdict, steps = divmod(code, _STEPS + 1)
            made = BoxVerdict(self.field.id, self.field.boxes[place].value, VERDICTS[verdict], steps / _STEPS)
            found = self._verdicts[place, code] = made
        return found


def _together(scripts: Sequence[_Script]) -> Iterator[Sequence[_Script]]:
    """Booklets whose boxes are looked at together; those with any."""
    some: list[_Script] = []
    boxes = 0
    for one in scripts:
        own = sum(len(sheet.boxes) for sheet in (*one.own, *one.spare))
        if own:
            some.append(one)
            boxes += own
        if boxes > _AT_ONCE:
            yield some
            some, boxes = [], 0
    if some:
        yield some


@dataclass(frozen=True, slots=True, eq=False)
class _Looked:
    """Some booklets and what is said of their boxes.

    `starts` has, by page, the place in `judged` of the first box of each booklet's page; -1 where it has none. `spare` has the same of
    further images of a page: its booklet's position here, and that place.
    """

    scripts: Sequence[_Script]
    judged: Judged
    starts: Mapping[int, NDArray[np.int64]]
    spare: Mapping[int, Sequence[tuple[int, int]]]

    @classmethod
    def of(cls, scripts: Sequence[_Script], judged: Judged) -> _Looked:
        """Find the pages of booklets, in the order in which they were judged."""
        starts: dict[int, NDArray[np.int64]] = {}
        spare: dict[int, list[tuple[int, int]]] = {}
        places = iter(judged.starts.tolist())
        for position, one in enumerate(scripts):
            for sheet in one.own:
                starts.setdefault(sheet.page, np.full(len(scripts), -1))[position] = next(places)
            for sheet in one.spare:
                spare.setdefault(sheet.page, []).append((position, next(places)))
        return cls(scripts, judged, starts, spare)

    def find(self, question: _Question) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """Positions of the booklets that have all boxes of a question, and where these are judged: (booklets, boxes)."""
        nowhere = np.full(len(self.scripts), -1)
        starts = np.column_stack([self.starts.get(page, nowhere) for page, _ in question.places])
        there = np.flatnonzero((starts >= 0).all(axis=1))
        return there, starts[there] + np.array([row for _, row in question.places])


#: Forms on which a word or an arrow beside the boxes counts.
_REMARKS = frozenset({Convention.CROSS, Convention.FILL_WINS})


def _beside(
    looked: _Looked,
    questions: Sequence[_Question],
    learned: FormLearned,
    maps: Mapping[int, Shades],
    layout: Layout,
    settings: DecideSettings,
) -> Sequence[set[str]]:
    """The questions of each booklet beside whose boxes something may be written."""
    fields: list[set[str]] = [set() for _ in looked.scripts]
    filled = looked.judged.sight != _EMPTY
    for told, script, position in zip(fields, looked.scripts, range(len(fields)), strict=True):
        for sheet in script.own:
            start = looked.starts[sheet.page][position]
            marked = (box for box, one in zip(sheet.boxes, filled[start : start + len(sheet.boxes)], strict=True) if one)
            cells = written_beside(sheet, maps.get(sheet.page), marked, layout, settings=settings)
            told |= {field for field, number in cells.items() if number >= settings.beside_cells}
    for position, question in _worded(looked, questions, fields, learned, settings):
        fields[position].add(question)
    return fields


def _worded(
    looked: _Looked,
    questions: Sequence[_Question],
    told: Sequence[set[str]],
    learned: FormLearned,
    settings: DecideSettings,
) -> Iterator[tuple[int, str]]:
    """The questions, but those told already, beside whose marks a word is seen, where it could say which one is meant; and whose."""
    judged = looked.judged
    filled, verdicts = judged.sight != _EMPTY, judged.verdict
    maybe: list[tuple[_Question, int, NDArray[np.int64]]] = []  # whose, and where its boxes are judged
    for question in questions:
        if not question.choice:
            continue
        there, at = looked.find(question)
        doubtful = (verdicts[at] == UNDONE).any(axis=1) | ((verdicts[at] == MARKED).sum(axis=1) != 1)
        for k in np.flatnonzero(doubtful & filled[at].any(axis=1)).tolist():
            if question.field.id not in told[there[k]]:
                maybe.append((question, int(there[k]), at[k]))
    if not maybe:
        return
    inked = _ink_around(looked, np.concatenate([at for _, _, at in maybe]), settings) >= settings.word_mm2
    to_see: dict[tuple[int, int], list[int]] = {}  # rows of boxes, by booklet and page
    starts = np.cumsum([0, *(len(at) for _, _, at in maybe)]).tolist()
    for (question, position, at), start, end in zip(maybe, starts, starts[1:], strict=False):
        if inked[start:end].any():
            for (page, row), one in zip(question.places, filled[at].tolist(), strict=True):
                if one:
                    to_see.setdefault((position, page), []).append(row)
    if not to_see:
        return
    seen, known, whose = [], [], []
    for (position, page), rows in to_see.items():
        sheet = next(one for one in looked.scripts[position].own if one.page == page)
        start = looked.starts[page][position]
        of_sheet = set(np.flatnonzero(filled[start : start + len(sheet.boxes)]).tolist())
        around = surroundings(sheet, expected(sheet, learned.empty[page]), rows)
        seen.append(views(sheet, around, rows, of_sheet))
        known.append(context(sheet, rows))
        whose += [(position, sheet.boxes[row].field) for row in rows]
    ink, boxes, visible = (np.concatenate(channel) for channel in zip(*seen, strict=True))
    words = word_beside((ink, boxes, visible), np.concatenate(known))
    yield from (whose[k] for k in np.flatnonzero(words >= settings.word_from).tolist())


def _ink_around(looked: _Looked, rows: NDArray[np.int64], settings: DecideSettings) -> NDArray[np.float64]:
    """Square millimetres of ink around some judged boxes; none where it is not known what is printed there."""
    sheets = [sheet for one in looked.scripts for sheet in (*one.own, *one.spare)]
    of_page: dict[int, NDArray[np.float64]] = {}
    for sheet in sheets:
        if sheet.page not in of_page:
            of_page[sheet.page] = np.array([4 * box.width_mm * box.height_mm for box in sheet.boxes]) / PATCH_SIDE**2
    pixels = np.concatenate([of_page[sheet.page] for sheet in sheets])[rows]
    found = ink_around(looked.judged.added[rows], darkness=settings.written_cell) * pixels
    return np.asarray(found * looked.judged.around_known[rows])


def _sheets(pages: Iterable[ScannedPage], boxes: Mapping[int, tuple[Box, ...]]) -> list[Sheet]:
    return [
        Sheet(page.result.page, boxes[page.result.page], page.result.readings)
        for page in pages
        if isinstance(page.result, PageRead) and boxes[page.result.page]
    ]


def _answers(
    questions: Sequence[_Question],
    looked: _Looked,
    convention: Convention,
    settings: DecideSettings,
    remarked: Sequence[set[str]],
) -> Iterator[tuple[str, Answer]]:
    """Booklets and their answers to questions with as many boxes each, after the boxes of each question were looked at together."""
    found = [looked.find(one) for one in questions]
    own = _Own.of(looked.judged, np.concatenate([at for _, at in found]))
    asked = [
        (position, question) for question, (there, _) in zip(questions, found, strict=True) for position in there.tolist()
    ]
    unsure = own.verdict == UNSURE
    marked = own.verdict == MARKED
    if convention is Convention.FILL_WINS:
        # beside a fill, the fill is the answer; how much of a fill this is a person must say
        unsure |= marked & np.isin(own.sight, _THIN) & (marked & own.filled).any(axis=1, keepdims=True)
    unsure |= _some_but_not_all(marked & (own.sight == _PARTIAL), marked)  # beside a whole mark: begun and left?
    # what runs through another box of the field may be over its marks, too
    unsure |= marked & ((own.verdict == UNSURE) & (own.sight == _STRAY)).any(axis=1, keepdims=True)
    darkest = np.where(marked, own.ink, 0.0).max(axis=1, keepdims=True)
    weak = marked & (~own.strong | (own.ink < settings.strong_share_of_field * darkest))
    unsure |= _some_but_not_all(weak, marked)  # paler than the writer's other marks: perhaps erased
    if looked.spare:
        unsure |= np.concatenate([_seen_otherwise(one, looked, *where) for one, where in zip(questions, found, strict=True)])
    doubts = [""] * len(asked)
    if questions[0].choice:
        doubts = _doubts(own, convention, np.array([one.field.id in remarked[position] for position, one in asked], np.bool_))
    verdict = np.where(unsure, UNSURE, own.verdict)
    told = np.where(unsure, np.clip(own.probability, 0.01, 0.99), own.probability)
    codes = (verdict * (_STEPS + 1) + np.rint(told.astype(np.float64) * _STEPS)).astype(np.int32)
    for (position, question), code, doubt in zip(asked, codes, doubts, strict=True):
        yield looked.scripts[position].booklet, question.answer(code, doubt)


@dataclass(frozen=True, slots=True, eq=False)
class _Own:
    """What is said of the boxes of answers: (answers, boxes), as in `Judged`."""

    verdict: NDArray[np.int64]
    probability: NDArray[np.float32]
    sight: NDArray[np.int64]
    filled: Flags
    strong: Flags
    ink: NDArray[np.float32]

    @classmethod
    def of(cls, judged: Judged, at: NDArray[np.int64]) -> _Own:
        """Those at these places."""
        return cls(
            judged.verdict[at], judged.probability[at], judged.sight[at], judged.filled[at], judged.strong[at], judged.ink[at]
        )


def _some_but_not_all(some: Flags, of: Flags) -> Flags:
    """Those boxes, where they are not all that the question has of the others."""
    return np.asarray(some & (some.sum(axis=1, keepdims=True) < of.sum(axis=1, keepdims=True)))


def _seen_otherwise(question: _Question, looked: _Looked, there: NDArray[np.intp], at: NDArray[np.int64]) -> Flags:
    """Boxes of a question, found as `_Looked.find` does, of which a further image of the page says something else."""
    verdict = looked.judged.verdict[at]
    found = np.zeros(verdict.shape, np.bool_)
    for k, (page, row) in enumerate(question.places):
        for position, start in looked.spare.get(page, ()):
            found[:, k] |= (there == position) & (verdict[:, k] != looked.judged.verdict[start + row])
    return found


def _doubts(own: _Own, convention: Convention, remarked: Flags) -> list[str]:
    """Why a question as a whole is a person's: corrections that only a person can read; "" where there are none."""
    undone, marked = ((own.verdict == code).sum(axis=1) for code in (UNDONE, MARKED))
    perhaps = ((own.verdict == UNSURE) & (own.sight != _EMPTY)).sum(axis=1)
    boxes = own.verdict.shape[1]
    corrected_so = convention is Convention.FILL_WINS or (convention is not Convention.CROSS and boxes > 2)
    why = np.select(
        (
            corrected_so & (marked > 1) & (marked + perhaps == boxes),
            (undone > 0) & (marked == 0) & (undone + perhaps == boxes),
            remarked & (undone > 0),
            remarked & (marked != 1),
        ),
        (1, 2, 3, 4),
        0,
    )
    return [_DOUBTS[one] for one in why.tolist()]


_DOUBTS = (
    "",
    "every box is marked: look for an arrow or a word that says which one is meant",
    "every box is undone: look for a sign that says which one is meant after all",
    "a box is undone and there is ink beside the boxes: look whether one is marked anew",
    "there is ink beside the boxes: look whether it says which one is meant",
)
