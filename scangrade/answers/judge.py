"""Judging single boxes: what the network recognises, what the ink alone says, and what both mean on this form.

The two witnesses are blind to different things, so a box is decided at a lower probability where they agree, and only at a high one
where the ink alone would leave it open. A mark is never decided where the ink says that there is none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scangrade.answers import ink_rules
from scangrade.answers.empty_boxes import INSIDE, EmptyBoxes, Sheet, added_ink, expected, learn_empty_boxes
from scangrade.answers.network import Floats
from scangrade.answers.recognise import NO_PEN, SIGHTS, Pen, Sight, context, recognise
from scangrade.model import PATCH_SIDE, Convention, Layout, Verdict
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


#: By box key.
JudgedBoxes = Mapping[str, Judged]


@dataclass(frozen=True, slots=True, eq=False)
class FormLearned:
    """What a batch tells of its form."""

    empty: Mapping[int, EmptyBoxes]
    ink: ink_rules.Learned


def learn_form(sheets: Sequence[Sheet], layout: Layout, *, settings: DecideSettings) -> FormLearned:
    """Learn from all sheets of a run what boxes look like, and measure, when they are empty."""
    return FormLearned(
        learn_empty_boxes(sheets, settings=settings.empty_boxes), ink_rules.learn(sheets, layout, settings=settings.ink)
    )


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
    waiting: list[_Waiting] = []
    shape: list[tuple[int, int]] = []
    boxes = 0
    for own, others in booklets:
        blanks = [expected(sheet, learned.empty[sheet.page]) for sheet in (*own, *others)]
        added = [
            added_ink(sheet.readings.patches, blank.patches) for sheet, blank in zip((*own, *others), blanks, strict=True)
        ]
        pen = learn_pen(added[: len(own)], settings=settings)
        by_ink = ink_rules.judge(own, others, learned.ink, convention, settings=settings.ink)
        for sheet, blank, beyond, verdicts in zip((*own, *others), blanks, added, by_ink, strict=True):
            waiting.append(_Waiting(sheet, blank, beyond, pen, verdicts))
            boxes += len(sheet.boxes)
        shape.append((len(own), len(others)))
        if boxes > _AT_ONCE:
            yield from _judge_some(waiting, shape, convention, settings)
            waiting, shape, boxes = [], [], 0
    yield from _judge_some(waiting, shape, convention, settings)


_AT_ONCE = 4096  # boxes looked at together: as many as keep the matrix products busy


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """A sheet with all that is known of it."""

    sheet: Sheet
    blank: EmptyBoxes
    added: NDArray[np.uint8]  #: ink beyond the empty boxes
    pen: Pen
    by_ink: Sequence[Verdict]


_WELL_INSIDE = slice(INSIDE.start + 2, INSIDE.stop - 2)


def _inside(added: NDArray[np.uint8]) -> Floats:
    """Ink well within the frames of boxes, (N, pixels), 0 to 1."""
    inside = added[:, _WELL_INSIDE, _WELL_INSIDE].astype(np.float32) / np.float32(255)
    return inside.reshape(len(added), -1)


def learn_pen(added: Sequence[NDArray[np.uint8]], *, settings: DecideSettings) -> Pen:
    """What this writer's evident marks have in common: their lower third; nothing where there are too few.

    Parameters
    ----------
    added : sequence of (N, PATCH_SIDE, PATCH_SIDE) uint8 arrays
        Ink beyond the empty boxes, of each page.
    settings : DecideSettings
    """
    inks, peaks = [np.zeros(0)], [np.zeros(0)]
    for sheet in added:
        inside = _inside(sheet)
        ink = inside.mean(axis=1)
        clear = ink > settings.evident_ink
        inks.append(ink[clear])
        if clear.any():
            peaks.append(np.quantile(inside[clear], 0.95, axis=1))
    ink, peak = np.concatenate(inks), np.concatenate(peaks)
    if len(ink) < settings.least_marks:
        return NO_PEN
    return Pen(float(np.quantile(ink, 1 / 3)), float(np.quantile(peak, 1 / 3)))


def _judge_some(
    waiting: Sequence[_Waiting], shape: Sequence[tuple[int, int]], convention: Convention, settings: DecideSettings
) -> Iterator[tuple[JudgedBoxes, list[JudgedBoxes]]]:
    if not waiting:
        yield from (({}, []) for _ in shape)
        return
    added = np.concatenate([one.added for one in waiting])
    by_ink = [verdict for one in waiting for verdict in one.by_ink]
    seen = _recognised(waiting, added, settings)
    ink = _inside(added).mean(axis=1)
    pen_ink = np.repeat([one.pen.ink for one in waiting], [len(one.sheet.boxes) for one in waiting])
    strong = ink >= settings.strong_share_of_pen * pen_ink
    sure = np.concatenate([one.blank.inside_sure for one in waiting])
    alike = np.where(_alike(added, settings), np.where(sure, 2, 1), 0)
    rows = _verdicts(seen, by_ink, alike, strong, convention, settings)
    for k in np.flatnonzero(np.concatenate([np.isnan(one.sheet.feature("ink")) for one in waiting])).tolist():
        rows[k] = _NOT_SEEN
    judged: list[JudgedBoxes] = []
    start = 0
    for one in waiting:
        boxes = one.sheet.boxes
        judged.append(dict(zip((box.key for box in boxes), rows[start : start + len(boxes)], strict=True)))
        start += len(boxes)
    place = 0
    for own, others in shape:
        merged = {key: verdict for sheet in judged[place : place + own] for key, verdict in sheet.items()}
        yield merged, judged[place + own : place + own + others]
        place += own + others


#: A box outside of the image.
_NOT_SEEN = Judged(Verdict.UNSURE, 0.5, Sight.EMPTY, filled=False, strong=False)


def _recognised(waiting: Sequence[_Waiting], added: NDArray[np.uint8], settings: DecideSettings) -> Floats:
    """What boxes show; those in which and around which nothing at all was added are not bothered with."""
    plain = added.reshape(len(added), -1).max(axis=1) <= settings.plain_below * 255
    plain &= _inside(added).mean(axis=1) <= settings.plain_ink
    seen = np.zeros((len(added), len(SIGHTS)), np.float32)
    seen[:, SIGHTS.index(Sight.EMPTY)] = settings.most_certain
    some = np.flatnonzero(~plain)
    if len(some):
        patches = np.concatenate([one.sheet.readings.patches for one in waiting])[some]
        empty = np.concatenate([one.blank.patches for one in waiting])[some]
        known = np.concatenate([context(one.sheet, one.blank, one.pen) for one in waiting])[some]
        seen[some] = recognise(patches, empty, added[some], known)
    return seen


def _alike(added: NDArray[np.uint8], settings: DecideSettings) -> NDArray[np.bool_]:
    """Which boxes look much like the empty one."""
    inside, dark = _inside(added), added > settings.alike_dark * 255
    around = dark.sum(axis=(1, 2)) - dark[:, INSIDE, INSIDE].sum(axis=(1, 2))
    within = (inside.mean(axis=1) <= settings.plain_ink) & (inside.max(axis=1) <= settings.alike_inside)
    return np.asarray(within & (around <= settings.alike_around * _AROUND))


_AROUND = PATCH_SIDE**2 - (INSIDE.stop - INSIDE.start) ** 2  # pixels of a patch outside of the frame


def _verdicts(
    seen: Floats,
    by_ink: Sequence[Verdict],
    alike: NDArray[np.int_],
    strong: NDArray[np.bool_],
    convention: Convention,
    settings: DecideSettings,
) -> list[Judged]:
    """What the sights of boxes mean under a convention, where both witnesses allow it.

    `alike` is 1 for boxes that look like the empty one, 2 where what that looks like is beyond doubt, else 0.
    """
    marked, undone, filled = (
        seen[:, [index for index, one in enumerate(SIGHTS) if one in wanted]].sum(axis=1)
        for wanted in (_MARKS[convention], _UNDOES[convention], _FILLED)
    )
    void = seen[:, SIGHTS.index(Sight.EMPTY)]
    # an undone cross and an empty box are the same answer, so their probabilities stand together
    unmarked = void + undone
    ink_marked = np.array([one is Verdict.MARKED for one in by_ink])
    ink_unmarked = np.array([one in (Verdict.EMPTY, Verdict.UNDONE) for one in by_ink])
    is_marked = ~ink_unmarked & (marked >= np.where(ink_marked, settings.marked_if_agreed, settings.marked_from))
    unmarked_from = np.select(
        (ink_unmarked & (alike == 2), ink_unmarked & (alike == 1), ink_unmarked),
        (settings.unmarked_if_surely_alike, settings.unmarked_if_alike, settings.unmarked_if_agreed),
        settings.unmarked_from,
    )
    is_unmarked = ~is_marked & (unmarked >= unmarked_from)
    verdicts = np.select((is_marked, is_unmarked & (undone > void), is_unmarked), (1, 2, 0), 3)
    probability = np.select((is_marked, is_unmarked), (marked, unmarked), np.clip(marked, 0.01, 0.99))
    return [
        Judged(_BY_NUMBER[verdict], one, SIGHTS[sight], is_filled, is_strong)
        for verdict, one, sight, is_filled, is_strong in zip(
            verdicts.tolist(),
            np.minimum(probability, settings.most_certain).tolist(),
            seen.argmax(axis=1).tolist(),
            (filled >= 0.5).tolist(),
            strong.tolist(),
            strict=True,
        )
    ]


_BY_NUMBER = (Verdict.EMPTY, Verdict.MARKED, Verdict.UNDONE, Verdict.UNSURE)
