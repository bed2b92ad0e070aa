"""Judging single boxes: what the network recognises, what the ink alone says, and what both mean on this form.

The two witnesses are blind to different things, so a box is decided at a lower probability where they agree, and only at a high one
where the ink alone would leave it open. A mark is never decided where the ink says that there is none.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scangrade.answers import ink_rules
from scangrade.answers.empty_boxes import (
    INSIDE,
    EmptyBoxes,
    PrintKey,
    Sheet,
    added_ink,
    darker,
    expected,
    learn_empty_boxes,
    print_key,
    take_off,
)
from scangrade.answers.first_look import first_look
from scangrade.answers.network import Floats
from scangrade.answers.pens import lower_thirds
from scangrade.answers.recognise import NO_PEN, SIGHTS, Pen, Sight, context, contexts, recognise
from scangrade.answers.streaks import streaked
from scangrade.model import PATCH_SIDE, Box, Convention, Layout, no_patches
from scangrade.settings import DecideSettings

#: What marks a box under each convention, and what undoes it; everything else but an empty box is a person's.
_MARKS: Mapping[Convention, frozenset[Sight]] = {
    Convention.FILL_WINS: frozenset({Sight.FILL, Sight.SCRIBBLE, Sight.PARTIAL, Sight.CROSS, Sight.TICK}),
    Convention.ANY: frozenset({Sight.FILL, Sight.SCRIBBLE, Sight.PARTIAL, Sight.CROSS, Sight.TICK, Sight.LINE}),
    Convention.CROSS: frozenset({Sight.CROSS, Sight.TICK}),
    Convention.FILL: frozenset({Sight.FILL, Sight.SCRIBBLE}),
}
_UNDOES: Mapping[Convention, frozenset[Sight]] = {
    Convention.FILL_WINS: frozenset({Sight.STRUCK}),
    Convention.ANY: frozenset(),
    Convention.CROSS: frozenset({Sight.FILL}),
    Convention.FILL: frozenset(),
}
#: Marks that are filled areas rather than lines.
_FILLED = frozenset({Sight.FILL, Sight.SCRIBBLE, Sight.STRUCK})
#: Marks that nothing tells apart where each of them means the same.
_KINDS = ((Sight.FILL, Sight.SCRIBBLE), (Sight.CROSS, Sight.TICK))
#: Which sights are of a kind with each.
SAME = np.array([[one is other or any({one, other} <= {*kind} for kind in _KINDS) for other in SIGHTS] for one in SIGHTS])


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What is said of the boxes of some sheets, one after the other, before the other boxes of their fields are looked at.

    Attributes
    ----------
    starts : (sheets,) int array
        Of each sheet, the place of its first box; the others follow in layout order.
    verdict : (N,) int array
        Codes of `ink_rules.VERDICTS`.
    probability : (N,) float32 array
        Of the verdict; of being marked where that is "unsure".
    sight : (N,) int array
        What a box most probably shows: its place in `SIGHTS`.
    filled : (N,) bool array
        Whether that is a filled area.
    strong : (N,) bool array
        Whether it is as dark as this writer's other marks.
    ink : (N,) float32 array
        Mean darkness that it adds inside the box, 0 to 1.
    added : (N, PATCH_SIDE, PATCH_SIDE) uint8 array
        Ink beyond the empty boxes.
    around_known : (N,) bool array
        Whether what is printed around that very box is known.
    """

    starts: NDArray[np.int64]
    verdict: ink_rules.Codes
    probability: Floats
    sight: NDArray[np.int64]
    filled: NDArray[np.bool_]
    strong: NDArray[np.bool_]
    ink: Floats
    added: NDArray[np.uint8]
    around_known: NDArray[np.bool_]


class Trust:
    """How sure the network is of a form's empty boxes: it is misled by print unlike what it was trained on.

    Most boxes are empty, so the median over boxes with the same print tells. It is learned where what is printed is beyond doubt only;
    elsewhere, and where the median says that most boxes are marked, nothing is taken off. Few prints are ever asked about, and the network
    is dear, so a print is looked at when it is.

    Parameters
    ----------
    sheets : sequence of Sheet
        Of any number of booklets.
    empty : mapping of page number to EmptyBoxes
        As learned from them.
    settings : DecideSettings
    """

    def __init__(self, sheets: Sequence[Sheet], empty: Mapping[int, EmptyBoxes], settings: DecideSettings) -> None:
        self._settings = settings
        self._usual: dict[PrintKey, float] = {}
        self._samples: list[tuple[Sheet, EmptyBoxes, list[int]]] = []
        looked_at = sheets[:: max(1, len(sheets) // settings.most_for_trust)]
        rng = np.random.default_rng(0)  # any boxes, but the same ones every time
        for sheet in looked_at:
            blank = expected(sheet, empty[sheet.page])
            some = rng.permutation(np.flatnonzero(blank.inside_sure))[: settings.most_boxes_for_trust // len(looked_at)]
            self._samples.append((sheet, blank, some.tolist()))

    def of(self, boxes: Sequence[Box]) -> Floats:
        """The probability of "empty" that the network usually gives to empty boxes with the same print as these; (N,)."""
        keys = [print_key(box) for box in boxes]
        self._learn({*keys} - self._usual.keys())
        return np.array([self._usual[key] for key in keys], np.float32)

    def _learn(self, keys: Collection[PrintKey]) -> None:
        words: dict[PrintKey, list[float]] = {key: [] for key in keys}
        held, pieces = [], []
        for sheet, blank, rows in self._samples:
            some = [row for row in rows if print_key(sheet.boxes[row]) in words]
            if some:
                patches = sheet.readings.patches
                added = added_ink(patches, blank.patches)
                known = context(sheet, blank, learn_pen([added], settings=self._settings))
                held += [print_key(sheet.boxes[row]) for row in some]
                pieces.append((patches[some], blank.patches[some], added[some], known[some]))
        if pieces:
            seen = recognise(*(np.concatenate(one) for one in zip(*pieces, strict=True)))[:, _EMPTY]
            for key, word in zip(held, seen.tolist(), strict=True):
                words[key].append(word)
        for key, found in words.items():
            usual = float(np.median(found)) if len(found) >= self._settings.least_for_trust else 1.0
            self._usual[key] = usual if usual >= self._settings.least_trust else 1.0


@dataclass(frozen=True, slots=True, eq=False)
class FormLearned:
    """What a batch tells of its form."""

    empty: Mapping[int, EmptyBoxes]
    ink: ink_rules.Learned
    trust: Trust


def learn_form(sheets: Sequence[Sheet], layout: Layout, *, settings: DecideSettings) -> FormLearned:
    """Learn from all sheets of a run what boxes look like, and measure, when they are empty."""
    empty = learn_empty_boxes(sheets, settings=settings.empty_boxes)
    ink = ink_rules.learn(sheets, layout, settings=settings.ink)
    return FormLearned(empty, ink, Trust(sheets, empty, settings))


def judge(
    booklets: Sequence[tuple[Sequence[Sheet], Sequence[Sheet]]],
    learned: FormLearned,
    convention: Convention,
    *,
    settings: DecideSettings,
) -> Judged:
    """Judge the boxes of booklets, all together.

    Parameters
    ----------
    booklets : sequence of (sheets, spare sheets)
        Pages of a booklet, from which the writer's pen is learned, and further images of them. At least one sheet in all.
    learned : FormLearned
        From sheets with the same pages.
    convention : Convention
    settings : DecideSettings

    Returns
    -------
    Judged
        Of all sheets, in the order of booklets and within each of sheets and spare sheets.
    """
    sheets = [sheet for own, others in booklets for sheet in (*own, *others)]
    writers = [writer for writer, (own, others) in enumerate(booklets) for _ in (*own, *others)]
    spare = [spare for own, others in booklets for spare in (*[False] * len(own), *[True] * len(others))]
    boxes = _Boxes.of(sheets, [expected(sheet, learned.empty[sheet.page]) for sheet in sheets], writers)
    told_by = boxes.each(np.where(spare, -1, boxes.writers))
    pens = _learn_pens(boxes.inside, boxes.ink, told_by, len(booklets), settings)
    by_ink = np.concatenate(ink_rules.judge(booklets, learned.ink, convention, settings=settings.ink))
    seen = _recognised(boxes, pens, by_ink, convention, settings)
    sure = np.concatenate([one.inside_sure for one in boxes.blanks])
    alike = np.where(_alike(boxes, settings), np.where(sure, 2, 1), 0)
    trust = _trust(boxes, seen, by_ink, alike, learned.trust, convention, settings)
    streaks = _streaks(boxes, seen, by_ink, settings)
    verdict, probability = _verdicts(seen, by_ink, alike, streaks, trust, convention, settings)
    sight, filled = seen.argmax(axis=1), _share(seen, _FILLED) >= 0.5
    strong = boxes.ink >= settings.strong_share_of_pen * boxes.each([pens[writer].ink for writer in writers])
    ink = boxes.ink.copy()
    away = np.isnan(np.concatenate([sheet.feature("ink") for sheet in sheets]))  # a box outside of the image
    verdict[away], probability[away], sight[away] = ink_rules.UNSURE, 0.5, _EMPTY
    filled[away], strong[away], ink[away] = False, False, 0.0
    around_known = np.concatenate([one.around_known for one in boxes.blanks])
    return Judged(boxes.starts[:-1], verdict, probability, sight, filled, strong, ink, boxes.added, around_known)


_EMPTY = SIGHTS.index(Sight.EMPTY)
_WELL_INSIDE = slice(INSIDE.start + 2, INSIDE.stop - 2)


@dataclass(frozen=True, slots=True, eq=False)
class _Boxes:
    """The boxes of some sheets, one after the other."""

    sheets: Sequence[Sheet]
    pictures: Sequence[NDArray[np.uint8]]  #: of each sheet, which its readings may have to unpack
    blanks: Sequence[EmptyBoxes]  #: what each sheet's boxes look like when empty
    writers: NDArray[np.int64]  #: whose each sheet is
    starts: NDArray[np.int64]  #: of each sheet, the place of its first box; and of what follows the last
    added: NDArray[np.uint8]  #: ink beyond the empty boxes
    darkest: NDArray[np.uint8]  #: of that, the darkest pixel anywhere: (N,)
    inside: Floats  #: of that, well within the frames: (N, pixels), 0 to 1
    ink: Floats  #: and its mean

    @classmethod
    def of(cls, sheets: Sequence[Sheet], blanks: Sequence[EmptyBoxes], writers: Sequence[int]) -> _Boxes:
        """Look at the boxes of sheets, at least one."""
        starts = np.concatenate([[0], np.cumsum([len(sheet.boxes) for sheet in sheets])])
        added = np.empty((starts[-1], PATCH_SIDE, PATCH_SIDE), np.uint8)
        pictures = [sheet.readings.patches for sheet in sheets]
        for picture, blank, start, end in zip(pictures, blanks, starts, starts[1:], strict=False):
            take_off(picture, blank.print_, added[start:end])
        inside = _inside(added)
        darkest = added.reshape(len(added), -1).max(axis=1)
        return cls(sheets, pictures, blanks, np.array(writers), starts, added, darkest, inside, inside.mean(axis=1))

    def each(self, of_sheets: Sequence[float] | NDArray[np.float64] | NDArray[np.int64]) -> NDArray[Any]:
        """What is known of each sheet, for each of its boxes."""
        return np.repeat(np.asarray(of_sheets), np.diff(self.starts))

    def empty(self, rows: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Some boxes, in ascending order, as they are when empty."""
        return _of_each([one.patches for one in self.blanks], self.starts, rows)

    def prints(self, rows: NDArray[np.intp]) -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
        """Pictures of some boxes, in ascending order, as they are when empty, each once; and which of them is each box'."""
        distinct = {id(one): one.patches for one in self.blanks}  # most sheets of a page have the same
        starts = np.concatenate([[0], np.cumsum([len(one) for one in distinct.values()])])
        first = dict(zip(distinct, starts.tolist(), strict=False))
        places = np.arange(self.starts[-1]) + self.each(np.array([first[id(one)] for one in self.blanks]) - self.starts[:-1])
        wanted, which = np.unique(places[rows], return_inverse=True)
        return _of_each([*distinct.values()], starts, wanted), which

    def patches(self, rows: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Some boxes, in ascending order, as they are."""
        return _of_each(self.pictures, self.starts, rows)


def _of_each(pictures: Sequence[NDArray[np.uint8]], starts: NDArray[np.int64], rows: NDArray[np.intp]) -> NDArray[np.uint8]:
    """Some of the pictures that lie one after the other in these arrays, in ascending order; `starts` as `_Boxes` has them."""
    cuts = np.searchsorted(rows, starts)
    pieces = (
        some[rows[first:last] - start]
        for some, start, first, last in zip(pictures, starts, cuts, cuts[1:], strict=False)
        if first < last
    )
    return np.concatenate([no_patches(), *pieces])


def _inside(added: NDArray[np.uint8]) -> Floats:
    """Ink well within the frames of boxes, (N, pixels), 0 to 1."""
    inside = added[:, _WELL_INSIDE, _WELL_INSIDE].astype(np.float32) / np.float32(255)
    return inside.reshape(len(added), -1)


def learn_pen(added: Sequence[NDArray[np.uint8]], *, settings: DecideSettings) -> Pen:
    """What a writer's evident marks have in common: their lower third; nothing where there are too few.

    Parameters
    ----------
    added : sequence of (N, PATCH_SIDE, PATCH_SIDE) uint8 arrays
        Ink beyond the empty boxes, of each page.
    settings : DecideSettings
    """
    inside = _inside(np.concatenate([no_patches(), *added]))
    (pen,) = _learn_pens(inside, inside.mean(axis=1), np.zeros(len(inside), np.int64), 1, settings)
    return pen


def _learn_pens(inside: Floats, ink: Floats, writer: NDArray[np.int64], writers: int, settings: DecideSettings) -> list[Pen]:
    """The pens of writers, from what their boxes hold; those of no writer, below 0, tell nothing."""
    clear = (ink > settings.evident_ink) & (writer >= 0)
    owner = writer[clear]
    inks = lower_thirds(ink[clear].astype(np.float64), owner, writers)
    strokes = np.sort(inside[clear], axis=1).astype(np.float64)
    at = 0.95 * (strokes.shape[1] - 1)
    below = int(at)
    peaks = lower_thirds(strokes[:, below] + (strokes[:, below + 1] - strokes[:, below]) * (at - below), owner, writers)
    known = np.bincount(owner, minlength=writers) >= settings.least_marks
    return [
        Pen(ink, peak) if enough else NO_PEN
        for ink, peak, enough in zip(inks.tolist(), peaks.tolist(), known.tolist(), strict=True)
    ]


def _recognised(
    boxes: _Boxes, pens: Sequence[Pen], by_ink: ink_rules.Codes, convention: Convention, settings: DecideSettings
) -> Floats:
    """What boxes show; those in which and around which nothing at all was added are not bothered with."""
    added = boxes.added
    plain = boxes.darkest <= int(settings.plain_below * 255)
    plain &= boxes.ink <= settings.plain_ink
    seen = np.zeros((len(added), len(SIGHTS)), np.float32)
    seen[:, _EMPTY] = settings.most_certain
    some = np.flatnonzero(~plain)
    if len(some):
        known = contexts(boxes.sheets, boxes.blanks, [pens[writer] for writer in boxes.writers.tolist()])[some]
        seen[some] = _seen(boxes, some, known, _agreeing(convention)[by_ink[some]], settings)
    return seen


def _seen(boxes: _Boxes, rows: NDArray[np.intp], known: Floats, likely: NDArray[np.bool_], settings: DecideSettings) -> Floats:
    """What some boxes show: at a first look where that is sure of what is `likely`, (N, len(SIGHTS)), else after a closer one."""
    patches, added = boxes.patches(rows), boxes.added[rows]
    empty, which = boxes.prints(rows)
    seen = first_look(patches, empty, added, known, which)
    word = np.where(likely & SAME[seen.argmax(axis=1)], seen, 0).sum(axis=1)
    left = np.flatnonzero(word < settings.first_look_from)
    seen[left] = recognise(patches[left], empty[which[left]], added[left], known[left])
    return seen


def _agreeing(convention: Convention) -> NDArray[np.bool_]:
    """Which sights mean what the ink says, by its code: (codes, len(SIGHTS)); none where that leaves a box open."""
    marks, undoes = (np.array([one in wanted for one in SIGHTS]) for wanted in (_MARKS[convention], _UNDOES[convention]))
    found = np.zeros((len(ink_rules.VERDICTS), len(SIGHTS)), np.bool_)
    found[ink_rules.MARKED] = marks
    found[[ink_rules.EMPTY, ink_rules.UNDONE]] = undoes
    found[[ink_rules.EMPTY, ink_rules.UNDONE], _EMPTY] = True
    return found


def _alike(boxes: _Boxes, settings: DecideSettings) -> NDArray[np.bool_]:
    """Which boxes look much like the empty one."""
    within = boxes.ink <= settings.plain_ink
    some = np.flatnonzero(within & (boxes.darkest > int(255 * min(settings.alike_inside, settings.alike_dark))))
    dark = darker(boxes.added[some], settings.alike_dark)
    around = np.count_nonzero(dark, axis=(1, 2)) - np.count_nonzero(dark[:, INSIDE, INSIDE], axis=(1, 2))
    within[some] = (around <= settings.alike_around * _AROUND) & (boxes.inside[some].max(axis=1) <= settings.alike_inside)
    return np.asarray(within)


_AROUND = PATCH_SIDE**2 - (INSIDE.stop - INSIDE.start) ** 2  # pixels of a patch outside of the frame


def _streaks(boxes: _Boxes, seen: Floats, by_ink: ink_rules.Codes, settings: DecideSettings) -> NDArray[np.bool_]:
    """Which boxes that the ink leaves open, and the network thinks empty, hold but a line that runs through more questions."""
    found = np.zeros(len(seen), np.bool_)
    maybe = (by_ink == ink_rules.UNSURE) & (seen[:, _EMPTY] >= settings.unmarked_if_agreed)
    some = np.flatnonzero(maybe)
    if not len(some):
        return found
    lines = some[streaked(boxes.added[some], boxes.empty(some), settings=settings)]
    if not len(lines):
        return found
    fields = [box.field for sheet in boxes.sheets for box in sheet.boxes]
    writers = boxes.each(boxes.writers)
    by_writer: dict[int, set[str]] = {}
    for k in lines.tolist():
        by_writer.setdefault(int(writers[k]), set()).add(fields[k])
    found[[k for k in lines.tolist() if len(by_writer[int(writers[k])]) >= settings.streak_fields]] = True
    return found


def _trust(
    boxes: _Boxes,
    seen: Floats,
    by_ink: ink_rules.Codes,
    alike: NDArray[np.int_],
    trust: Trust,
    convention: Convention,
    settings: DecideSettings,
) -> Floats:
    """What `trust` says of boxes in whose verdict it has a part; 1 of all others."""
    found = np.ones(len(seen), np.float32)
    unmarked = seen[:, _EMPTY] + _share(seen, _UNDOES[convention])
    bare = np.isin(by_ink, (ink_rules.EMPTY, ink_rules.UNDONE)) & (alike == 0)
    some = np.flatnonzero(bare & (unmarked < settings.unmarked_if_agreed))
    if len(some):
        every = [box for sheet in boxes.sheets for box in sheet.boxes]
        found[some] = trust.of([every[k] for k in some.tolist()])
    return found


def _verdicts(
    seen: Floats,
    by_ink: ink_rules.Codes,
    alike: NDArray[np.int_],
    streaks: NDArray[np.bool_],
    trust: Floats,
    convention: Convention,
    settings: DecideSettings,
) -> tuple[ink_rules.Codes, Floats]:
    """What the sights of boxes mean under a convention, where both witnesses allow it, and how probable that is.

    `alike` is 1 for boxes that look like the empty one, 2 where what that looks like is beyond doubt, else 0; `streaks`
    are boxes whose ink is explained by dirt on the glass; `trust` is what `_trust` gives.
    """
    marked, undone = _share(seen, _MARKS[convention]), _share(seen, _UNDOES[convention])
    void = seen[:, _EMPTY]
    # an undone cross and an empty box are the same answer, so their probabilities stand together
    unmarked = void + undone
    ink_marked = by_ink == ink_rules.MARKED
    ink_unmarked = (by_ink == ink_rules.EMPTY) | (by_ink == ink_rules.UNDONE)
    is_marked = ~ink_unmarked & (marked >= np.where(ink_marked, settings.marked_if_agreed, settings.marked_from))
    unmarked_from = np.select(
        (ink_unmarked & (alike == 2), ink_unmarked & (alike == 1), ink_unmarked, streaks),
        (
            settings.unmarked_if_surely_alike,
            settings.unmarked_if_alike,
            settings.unmarked_if_agreed * trust,
            settings.unmarked_if_agreed,
        ),
        settings.unmarked_from,
    )
    is_unmarked = ~is_marked & (unmarked >= unmarked_from)
    verdicts = np.select(
        (is_marked, is_unmarked & (undone > void), is_unmarked),
        (ink_rules.MARKED, ink_rules.UNDONE, ink_rules.EMPTY),
        ink_rules.UNSURE,
    )
    probability = np.select((is_marked, is_unmarked), (marked, unmarked), np.clip(marked, 0.01, 0.99))
    return verdicts, np.minimum(probability, np.float32(settings.most_certain))


def _share(seen: Floats, wanted: Collection[Sight]) -> Floats:
    """How probable it is that a box shows any of these."""
    return np.asarray(seen[:, [index for index, one in enumerate(SIGHTS) if one in wanted]].sum(axis=1))
