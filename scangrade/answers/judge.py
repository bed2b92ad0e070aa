"""Judging single boxes: what the network recognises, what the ink alone says, and what both mean on this form.

The two witnesses are blind to different things, so a box is decided at a lower probability where they agree, and only at a high one
where the ink alone would leave it open. A mark is never decided where the ink says that there is none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
    expected,
    learn_empty_boxes,
    print_key,
)
from scangrade.answers.network import Floats
from scangrade.answers.pens import lower_thirds
from scangrade.answers.recognise import NO_PEN, SIGHTS, Pen, Sight, context, contexts, recognise
from scangrade.answers.streaks import streaked
from scangrade.model import PATCH_SIDE, Convention, Layout, Verdict, no_patches
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


@dataclass(frozen=True, slots=True)
class Judged:
    """What is said of one box, before the other boxes of its field are looked at."""

    verdict: Verdict
    probability: float  #: of the verdict; of being marked where the verdict is `UNSURE`
    sight: Sight  #: what it most probably shows
    filled: bool  #: whether that is a filled area
    strong: bool  #: whether it is as dark as this writer's other marks
    ink: float  #: mean darkness that it adds inside the box, 0 to 1


#: By box key.
JudgedBoxes = Mapping[str, Judged]


@dataclass(frozen=True, slots=True, eq=False)
class FormLearned:
    """What a batch tells of its form."""

    empty: Mapping[int, EmptyBoxes]
    ink: ink_rules.Learned
    trust: Mapping[
        int, Floats
    ]  #: probability of "empty" that the network usually gives to such boxes, by page, in layout order


def learn_form(sheets: Sequence[Sheet], layout: Layout, *, settings: DecideSettings) -> FormLearned:
    """Learn from all sheets of a run what boxes look like, and measure, when they are empty."""
    empty = learn_empty_boxes(sheets, settings=settings.empty_boxes)
    ink = ink_rules.learn(sheets, layout, settings=settings.ink)
    return FormLearned(empty, ink, _learn_trust(sheets, empty, settings))


def _learn_trust(sheets: Sequence[Sheet], empty: Mapping[int, EmptyBoxes], settings: DecideSettings) -> dict[int, Floats]:
    """How sure the network is of this form's empty boxes: it is misled by print unlike what it was trained on.

    Most boxes are empty, so the median over boxes with the same print tells. It is learned where what is printed is beyond doubt only;
    elsewhere, and where the median says that most boxes are marked, nothing is taken off.
    """
    words: dict[PrintKey, list[float]] = {}
    empty_sight = SIGHTS.index(Sight.EMPTY)
    looked_at = sheets[:: max(1, len(sheets) // settings.most_for_trust)]
    rng = np.random.default_rng(0)  # any boxes, but the same ones every time
    for sheet in looked_at:
        blank = expected(sheet, empty[sheet.page])
        some = rng.permutation(np.flatnonzero(blank.inside_sure))[: settings.most_boxes_for_trust // len(looked_at)]
        if len(some):
            added = added_ink(sheet.readings.patches, blank.patches)
            known = context(sheet, blank, learn_pen([added], settings=settings))[some]
            seen = recognise(sheet.readings.patches[some], blank.patches[some], added[some], known)[:, empty_sight]
            for row, word in zip(some.tolist(), seen.tolist(), strict=True):
                words.setdefault(print_key(sheet.boxes[row]), []).append(word)
    usual = {key: float(np.median(found)) for key, found in words.items() if len(found) >= settings.least_for_trust}
    trust: dict[int, Floats] = {}
    for sheet in sheets:
        if sheet.page not in trust:
            told = np.array([usual.get(print_key(box), 1.0) for box in sheet.boxes], np.float32)
            trust[sheet.page] = np.where(told >= settings.least_trust, told, np.float32(1))
    return trust


def judge(
    booklets: Sequence[tuple[Sequence[Sheet], Sequence[Sheet]]],
    learned: FormLearned,
    convention: Convention,
    *,
    settings: DecideSettings,
) -> Iterator[tuple[JudgedBoxes, list[JudgedBoxes]]]:
    """Judge the boxes of booklets.

    Parameters
    ----------
    booklets : sequence of (sheets, spare sheets)
        Pages of a booklet, from which the writer's pen is learned, and further images of them.
    learned : FormLearned
        From sheets with the same pages.
    convention : Convention
    settings : DecideSettings

    Yields
    ------
    JudgedBoxes, list of JudgedBoxes
        For each booklet, in order: of its pages together, and of each spare sheet.
    """
    some: list[tuple[Sequence[Sheet], Sequence[Sheet]]] = []
    boxes = 0
    for own, others in booklets:
        some.append((own, others))
        boxes += sum(len(sheet.boxes) for sheet in (*own, *others))
        if boxes > _AT_ONCE:
            yield from _judge_some(some, learned, convention, settings)
            some, boxes = [], 0
    yield from _judge_some(some, learned, convention, settings)


_AT_ONCE = 4096  # boxes looked at together: as many as keep the matrix products busy

_WELL_INSIDE = slice(INSIDE.start + 2, INSIDE.stop - 2)


@dataclass(frozen=True, slots=True, eq=False)
class _Boxes:
    """The boxes of some sheets, one after the other."""

    sheets: Sequence[Sheet]
    blanks: Sequence[EmptyBoxes]  #: what each sheet's boxes look like when empty
    writers: NDArray[np.int64]  #: whose each sheet is
    added: NDArray[np.uint8]  #: ink beyond the empty boxes
    inside: Floats  #: of that, well within the frames: (N, pixels), 0 to 1
    ink: Floats  #: and its mean

    @classmethod
    def of(cls, sheets: Sequence[Sheet], blanks: Sequence[EmptyBoxes], writers: Sequence[int]) -> _Boxes:
        """Look at the boxes of sheets, at least one."""
        patches, empty = (np.concatenate(some) for some in zip(*_pictures(sheets, blanks), strict=True))
        added = added_ink(patches, empty)
        inside = _inside(added)
        return cls(sheets, blanks, np.array(writers), added, inside, inside.mean(axis=1))

    def each(self, of_sheets: Sequence[float] | NDArray[np.float64] | NDArray[np.int64]) -> NDArray[Any]:
        """What is known of each sheet, for each of its boxes."""
        return np.repeat(np.asarray(of_sheets), [len(sheet.boxes) for sheet in self.sheets])


def _pictures(sheets: Sequence[Sheet], blanks: Sequence[EmptyBoxes]) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    for sheet, blank in zip(sheets, blanks, strict=True):
        yield sheet.readings.patches, blank.patches


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


def _judge_some(
    booklets: Sequence[tuple[Sequence[Sheet], Sequence[Sheet]]],
    learned: FormLearned,
    convention: Convention,
    settings: DecideSettings,
) -> Iterator[tuple[JudgedBoxes, list[JudgedBoxes]]]:
    sheets = [sheet for own, others in booklets for sheet in (*own, *others)]
    if not sheets:
        yield from (({}, []) for _ in booklets)
        return
    writers = [writer for writer, (own, others) in enumerate(booklets) for _ in (*own, *others)]
    spare = [spare for own, others in booklets for spare in (*[False] * len(own), *[True] * len(others))]
    boxes = _Boxes.of(sheets, [expected(sheet, learned.empty[sheet.page]) for sheet in sheets], writers)
    told_by = boxes.each(np.where(spare, -1, boxes.writers))
    pens = _learn_pens(boxes.inside, boxes.ink, told_by, len(booklets), settings)
    by_ink = np.concatenate(ink_rules.judge(booklets, learned.ink, convention, settings=settings.ink))
    seen = _recognised(boxes, pens, settings)
    strong = boxes.ink >= settings.strong_share_of_pen * boxes.each([pens[writer].ink for writer in writers])
    sure = np.concatenate([one.inside_sure for one in boxes.blanks])
    alike = np.where(_alike(boxes, settings), np.where(sure, 2, 1), 0)
    trust = np.concatenate([learned.trust[sheet.page] for sheet in sheets])
    streaks = _streaks(boxes, seen, by_ink, settings)
    rows = _verdicts(seen, by_ink, alike, streaks, trust, boxes.ink, strong, convention, settings)
    for k in np.flatnonzero(np.isnan(np.concatenate([sheet.feature("ink") for sheet in sheets]))).tolist():
        rows[k] = _NOT_SEEN
    judged: list[JudgedBoxes] = []
    start = 0
    keys = {sheet.page: [box.key for box in sheet.boxes] for sheet in sheets}
    for sheet in sheets:
        judged.append(dict(zip(keys[sheet.page], rows[start : start + len(sheet.boxes)], strict=True)))
        start += len(sheet.boxes)
    place = 0
    for own, others in booklets:
        merged = {key: verdict for sheet in judged[place : place + len(own)] for key, verdict in sheet.items()}
        place += len(own)
        yield merged, judged[place : place + len(others)]
        place += len(others)


#: A box outside of the image.
_NOT_SEEN = Judged(Verdict.UNSURE, 0.5, Sight.EMPTY, filled=False, strong=False, ink=0.0)


def _recognised(boxes: _Boxes, pens: Sequence[Pen], settings: DecideSettings) -> Floats:
    """What boxes show; those in which and around which nothing at all was added are not bothered with."""
    added = boxes.added
    plain = added.reshape(len(added), -1).max(axis=1) <= settings.plain_below * 255
    plain &= boxes.ink <= settings.plain_ink
    seen = np.zeros((len(added), len(SIGHTS)), np.float32)
    seen[:, SIGHTS.index(Sight.EMPTY)] = settings.most_certain
    some = np.flatnonzero(~plain)
    if len(some):
        patches, empty = (
            np.concatenate(pictures)[some] for pictures in zip(*_pictures(boxes.sheets, boxes.blanks), strict=True)
        )
        known = contexts(boxes.sheets, boxes.blanks, [pens[writer] for writer in boxes.writers.tolist()])[some]
        seen[some] = recognise(patches, empty, added[some], known)
    return seen


def _alike(boxes: _Boxes, settings: DecideSettings) -> NDArray[np.bool_]:
    """Which boxes look much like the empty one."""
    within = (boxes.ink <= settings.plain_ink) & (boxes.inside.max(axis=1) <= settings.alike_inside)
    some = np.flatnonzero(within)
    dark = boxes.added[some] > settings.alike_dark * 255
    around = np.count_nonzero(dark, axis=(1, 2)) - np.count_nonzero(dark[:, INSIDE, INSIDE], axis=(1, 2))
    within[some] = around <= settings.alike_around * _AROUND
    return np.asarray(within)


_AROUND = PATCH_SIDE**2 - (INSIDE.stop - INSIDE.start) ** 2  # pixels of a patch outside of the frame


def _streaks(boxes: _Boxes, seen: Floats, by_ink: ink_rules.Codes, settings: DecideSettings) -> NDArray[np.bool_]:
    """Which boxes that the ink leaves open, and the network thinks empty, hold but a line that runs through more questions."""
    found = np.zeros(len(seen), np.bool_)
    maybe = (by_ink == ink_rules.UNSURE) & (seen[:, SIGHTS.index(Sight.EMPTY)] >= settings.unmarked_if_agreed)
    some = np.flatnonzero(maybe)
    if not len(some):
        return found
    empty = np.concatenate([blank.patches for blank in boxes.blanks])[some]
    lines = some[streaked(boxes.added[some], empty, settings=settings)]
    fields = [box.field for sheet in boxes.sheets for box in sheet.boxes]
    writers = boxes.each(boxes.writers)
    by_writer: dict[int, set[str]] = {}
    for k in lines.tolist():
        by_writer.setdefault(int(writers[k]), set()).add(fields[k])
    found[[k for k in lines.tolist() if len(by_writer[int(writers[k])]) >= settings.streak_fields]] = True
    return found


def _verdicts(
    seen: Floats,
    by_ink: ink_rules.Codes,
    alike: NDArray[np.int_],
    streaks: NDArray[np.bool_],
    trust: Floats,
    ink: Floats,
    strong: NDArray[np.bool_],
    convention: Convention,
    settings: DecideSettings,
) -> list[Judged]:
    """What the sights of boxes mean under a convention, where both witnesses allow it.

    `alike` is 1 for boxes that look like the empty one, 2 where what that looks like is beyond doubt, else 0; `streaks`
    are boxes whose ink is explained by dirt on the glass; `trust` is as `FormLearned.trust`.
    """
    marked, undone, filled = (
        seen[:, [index for index, one in enumerate(SIGHTS) if one in wanted]].sum(axis=1)
        for wanted in (_MARKS[convention], _UNDOES[convention], _FILLED)
    )
    void = seen[:, SIGHTS.index(Sight.EMPTY)]
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
    return [
        Judged(ink_rules.VERDICTS[verdict], one, SIGHTS[sight], is_filled, is_strong, darkness)
        for verdict, one, sight, is_filled, is_strong, darkness in zip(
            verdicts.tolist(),
            np.minimum(probability, settings.most_certain).tolist(),
            seen.argmax(axis=1).tolist(),
            (filled >= 0.5).tolist(),
            strong.tolist(),
            ink.tolist(),
            strict=True,
        )
    ]
