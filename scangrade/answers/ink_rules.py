"""Judging boxes by how much ink was measured in them: thresholds with reasons, the second witness beside the trained network.

A box is compared with what it holds when empty, as numbers: the blank form's, or those of the same print elsewhere in the batch; and
with this writer's own pen. These rules know nothing of shapes, but they are blind to other things than the network is, and they held on
real scans of forms that neither was made on. What both say is certain; where they contradict each other a person is asked.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scangrade.answers.empty_boxes import Sheet, print_key
from scangrade.answers.pens import lower_thirds
from scangrade.model import FEATURES, Box, Convention, Layout, Verdict
from scangrade.settings import InkSettings

_COLUMN = {name: position for position, name in enumerate(FEATURES)}

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class _Form:
    """What a batch tells of a page of its form, box by box in layout order: as darkness and shares, 0 to 1."""

    ink: Values  #: of the empty box
    doubt: Values  #: how far that may be off
    slack: Values  #: how much more a box that seems empty is forgiven
    outside: Values  #: what print darkens around it: the measures of that name, of the form alone
    beyond: Values
    framed: NDArray[np.bool_]


#: What a batch tells of its form, by page.
Learned = Mapping[int, _Form]


def learn(sheets: Sequence[Sheet], layout: Layout, *, settings: InkSettings) -> Learned:
    """Learn what boxes hold, and have around them, when they are empty.

    Parameters
    ----------
    sheets : sequence of Sheet
        Pages of any number of booklets of one form.
    layout : Layout
    settings : InkSettings
    """
    by_page: dict[int, list[Sheet]] = {}
    for sheet in sheets:
        by_page.setdefault(sheet.page, []).append(sheet)
    stacks = {
        page: np.stack([sheet.readings.values[:, _LEARNED_FROM] for sheet in found]).astype(np.float64)
        for page, found in by_page.items()
    }
    boxes = {page: found[0].boxes for page, found in by_page.items()}
    printed = _learn_print(boxes, stacks, settings)
    labels = _learn_labels(boxes, stacks, layout, settings)
    forms = {}
    for page, some in boxes.items():
        prints = [printed.get(print_key(box), _NO_PRINT) for box in some]
        forms[page] = _Form(
            np.array([one.ink for one in prints]),
            np.array([one.doubt for one in prints]),
            np.array([one.slack for one in prints]),
            labels[page][:, 0],
            labels[page][:, 1],
            np.array([box.frame_mm > 0 for box in some]),
        )
    return forms


_LEARNED_FROM = [_COLUMN["ink"], _COLUMN["outside"], _COLUMN["beyond"]]


def judge(
    booklets: Sequence[tuple[Sequence[Sheet], Sequence[Sheet]]],
    learned: Learned,
    convention: Convention,
    *,
    settings: InkSettings,
) -> list[Codes]:
    """Judge the boxes of booklets, all sheets of a page together.

    Parameters
    ----------
    booklets : sequence of (sheets, further sheets)
        Pages of a booklet, from which the writer's pen is learned, and further images of them.
    learned : Learned
    convention : Convention
    settings : InkSettings

    Returns
    -------
    list of (N,) int arrays
        For each sheet, in the order of booklets and within each of sheets and further sheets, the place in `VERDICTS` of what is said
        of each of its boxes, in layout order.
    """
    by_page: dict[int, list[_Place]] = {}
    count = 0
    for writer, (own, others) in enumerate(booklets):
        for number, sheet in enumerate((*own, *others)):
            by_page.setdefault(sheet.page, []).append(_Place(count, writer, sheet, own=number < len(own)))
            count += 1
    stacks = {page: _Stack.of([one.sheet for one in places]) for page, places in by_page.items()}
    excess = {page: _excess(stack, learned[page], settings) for page, stack in stacks.items()}
    pens = _pens(by_page, stacks, excess, len(booklets), settings)
    result: list[Codes] = [np.zeros(0, np.int64)] * count
    for page, places in by_page.items():
        writers = [one.writer for one in places]
        found = _judge(stacks[page], excess[page], learned[page], pens.of(writers), convention, settings)
        for one, verdicts in zip(places, found, strict=True):
            result[one.place] = verdicts
    return result


Codes = NDArray[np.int64]

#: What is said of a box, by its code.
VERDICTS: Final = (Verdict.EMPTY, Verdict.MARKED, Verdict.UNDONE, Verdict.UNSURE)
EMPTY, MARKED, UNDONE, UNSURE = range(4)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a sheet stands among all."""

    place: int
    writer: int
    sheet: Sheet
    own: bool  #: whether the writer's pen is learned from it


@dataclass(frozen=True, slots=True, eq=False)
class _Stack:
    """Sheets of the same page."""

    values: Values  #: (sheets, boxes, features)

    @classmethod
    def of(cls, sheets: Sequence[Sheet]) -> _Stack:
        """Stack what was measured."""
        return cls(np.stack([sheet.readings.values for sheet in sheets]).astype(np.float64))

    def feature(self, name: str) -> Values:
        """(sheets, boxes) of one measure."""
        return np.ascontiguousarray(self.values[:, :, _COLUMN[name]])


_PrintKey = tuple[str, bool, float, float]


@dataclass(frozen=True, slots=True)
class _Print:
    """Ink of an empty box, how far that may be off, and how much more a box that seems empty is forgiven."""

    ink: float
    doubt: float
    slack: float = 0.0


_NO_PRINT = _Print(0.0, 0.0)


def _learn_print(
    boxes: Mapping[int, Sequence[Box]], stacks: Mapping[int, Values], settings: InkSettings
) -> dict[_PrintKey, _Print]:
    """What boxes hold when empty, by what is printed in them and their size, from the emptier boxes of the whole batch.

    What one letter seems to hold is believed only if other letters agree: a digit that everybody marked must not pass for very
    black print. Layouts often do not say that the alternative's letter is printed inside its box. Then nothing is expected there,
    unless most letters show the same ink in box after box, as only print does.
    """
    pieces: dict[_PrintKey, list[Values]] = {}
    for page, some in boxes.items():
        for row, box in enumerate(some):
            pieces.setdefault(print_key(box), []).append(stacks[page][:, row, 0])
    inks = {key: np.concatenate(some) for key, some in pieces.items()}
    found = {key: one[np.isfinite(one)] for key, one in inks.items() if np.isfinite(one).any()}
    levels = {key: np.quantile(inks, (0.1, settings.empty_quantile, 0.5, 0.8)) for key, inks in found.items()}
    learned: dict[_PrintKey, _Print] = {}
    for declared, width, height in {key[1:] for key in found}:
        group = [key for key in found if key[1:] == (declared, width, height)]
        if not declared:
            frequent = [key for key in group if len(found[key]) >= settings.least_for_print]
            alike = [key for key in frequent if _is_print(levels[key], settings)]
            if len(alike) * 2 <= len(frequent) or len(alike) < settings.least_letters:
                # few letters with the same ink in box after box: everybody's answer, or print after all
                learned |= {key: _Print(0.0, float(levels[key][1]) / 2) for key in alike}
                continue
        learned |= _agreed(group, found, levels, settings)
    return learned


def _is_print(level: Values, settings: InkSettings) -> bool:
    """Whether box after box holds the same little ink."""
    tight = level[3] - level[0] <= settings.print_tightness
    return bool(tight and settings.least_print <= level[1] <= settings.most_print)


def _agreed(
    group: Sequence[_PrintKey],
    found: Mapping[_PrintKey, Values],
    levels: Mapping[_PrintKey, Values],
    settings: InkSettings,
) -> dict[_PrintKey, _Print]:
    """Empty levels of the letters printed in boxes of one size, each held against the others."""
    lows = np.array([levels[key][1] for key in group])
    usual = min(float(np.median(lows)), settings.most_print)
    spread = 1.48 * float(np.median(np.abs(lows - usual)))
    learned = {}
    for key in group:
        low, middle = float(levels[key][1]), float(levels[key][2])
        off = low - usual
        if len(found[key]) < settings.least_alike:
            learned[key] = _Print(usual, max(2 * spread, settings.least_print_doubt))
        elif off > max(settings.print_tolerance, 3 * spread) or low > settings.most_print:
            learned[key] = _Print(usual, max(off / 2, settings.least_print_doubt))
        else:
            # where half of the boxes hold more than the emptier ones, print may be in some and beside others
            uneven = middle - low if middle - low > settings.print_tightness else 0.0
            slack = settings.print_spread * low + settings.least_print_doubt / 2 * (low > 0.01)
            learned[key] = _Print(low, slack + uneven, slack)
    if len(group) >= settings.least_letters:
        return learned
    # of a few letters most may be marked in most boxes: believe only what the palest box of any of them shows
    least = 0.0 if len(group) == 1 else min(*(float(levels[key][0]) for key in group), settings.most_print_of_few)
    return {
        key: one if one.ink - least <= settings.letters_differ else _Print(least, max(one.doubt, one.ink - least))
        for key, one in learned.items()
    }


def _learn_labels(
    boxes: Mapping[int, Sequence[Box]], stacks: Mapping[int, Values], layout: Layout, settings: InkSettings
) -> dict[int, Values]:
    """What is printed around each box: what most booklets show there, or, in a small batch, what most boxes of the field do."""
    usual = {}
    for page, stack in stacks.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of boxes that lie outside of every image
            usual[page] = np.nanmedian(stack[:, :, 1:], axis=0)
    if max((len(stack) for stack in stacks.values()), default=0) < settings.least_for_labels:
        row = {box.key: (page, place) for page, some in boxes.items() for place, box in enumerate(some)}
        for field in layout.fields:
            rows = [row[box.key] for box in field.boxes if box.key in row]
            known = [usual[page][place] for page, place in rows if np.isfinite(usual[page][place]).all()]
            for page, place in rows:
                if known:
                    usual[page][place] = np.median(known, axis=0)
    return {page: np.nan_to_num(one) for page, one in usual.items()}


def _print_strength(stack: _Stack, settings: InkSettings) -> Values:
    """How much more ink than the blank form each sheet's print has: toner and blur, the same in all its boxes; (sheets, 1)."""
    blank, ink = stack.feature("blank_ink"), stack.feature("ink")
    strength = np.ones((len(ink), 1))
    with np.errstate(invalid="ignore"):
        printed = (blank > settings.empty_below) & np.isfinite(ink)
    for k in np.flatnonzero(printed.sum(axis=1) >= settings.least_alike).tolist():
        one = printed[k]
        ratio = float(np.quantile(ink[k, one] / blank[k, one], settings.empty_quantile))
        strength[k] = np.clip(ratio, settings.weakest_print, settings.strongest_print)
    return strength


@dataclass(frozen=True, slots=True, eq=False)
class _Excess:
    """What the boxes of sheets hold beyond an empty one: (sheets, boxes)."""

    ink: Values  #: as a share of the white that is left in an empty box
    doubt: Values  #: how far "empty" may be off
    slack: Values  #: how much a box that seems empty is forgiven
    printed: NDArray[np.bool_]  #: whether there is print inside


def _excess(stack: _Stack, form: _Form, settings: InkSettings) -> _Excess:
    ink = stack.feature("ink")
    blank = stack.feature("blank_ink") * _print_strength(stack, settings)
    told = np.isfinite(blank)
    spread = settings.print_spread * np.nan_to_num(blank)
    empty = np.clip(np.where(told, blank, form.ink), 0.0, settings.most_print)
    doubt = np.minimum(np.where(told, spread, form.doubt), settings.most_doubt)
    slack = np.where(told, spread, form.slack)
    return _Excess((ink - empty) / (1.0 - empty), doubt, slack, empty > settings.empty_below)


@dataclass(frozen=True, slots=True, eq=False)
class _Pens:
    """How writers mark: one entry each."""

    ink: Values  #: that is usually left in a box
    peak: Values  #: darkness of the strokes; 0 where too few marks tell

    def of(self, writers: Sequence[int]) -> _Pens:
        """Those of some writers, as columns."""
        return _Pens(self.ink[writers, None], self.peak[writers, None])


def _pens(
    by_page: Mapping[int, Sequence[_Place]],
    stacks: Mapping[int, _Stack],
    excesses: Mapping[int, _Excess],
    writers: int,
    settings: InkSettings,
) -> _Pens:
    """What each writer's evident marks have in common: their lower third; the usual ink where there are too few."""
    inks, peaks, owners = [np.zeros(0)], [np.zeros(0)], [np.zeros(0, np.int64)]
    for page, places in by_page.items():
        stack, excess = stacks[page], excesses[page]
        with np.errstate(invalid="ignore"):
            strokes = stack.feature("cells") >= settings.evident_cells
            clear = strokes & (excess.ink - excess.doubt > settings.evident_ink)
        clear &= np.array([one.own for one in places])[:, None]
        inks.append(excess.ink[clear])
        peaks.append(stack.feature("peak")[clear])
        owners.append(np.array([one.writer for one in places])[np.nonzero(clear)[0]])
    owner = np.concatenate(owners)
    few = np.bincount(owner, minlength=writers) < settings.least_marks
    ink, peak = (lower_thirds(np.concatenate(some), owner, writers) for some in (inks, peaks))
    return _Pens(np.where(few, settings.usual_pen, ink), np.where(few, 0.0, peak))


def _judge(stack: _Stack, excess: _Excess, form: _Form, pens: _Pens, convention: Convention, settings: InkSettings) -> Codes:
    ink = np.nan_to_num(excess.ink)
    dark, faint, peak, cells, least_cell, rest, seen = (
        np.nan_to_num(stack.feature(name)) for name in ("dark", "faint", "peak", "cells", "least_cell", "rest", "seen")
    )
    outside = np.nan_to_num(stack.feature("outside")) - form.outside
    beyond = np.nan_to_num(stack.feature("beyond")) - form.beyond
    coarse = stack.feature("scale") < settings.coarse_pixels_per_mm
    white = ~excess.printed
    pale = white & (dark < settings.pale_dark)
    marked = np.clip(settings.marked_share_of_pen * pens.ink, settings.marked_least, settings.marked_most)
    empty = np.minimum(np.where(pale, settings.pale_below, settings.empty_below), settings.empty_share_of_marked * marked)
    # doubt about print makes more boxes a person's; it must never let a mark pass for print
    empty_below, marked_above = empty + excess.slack, marked + 2 * excess.doubt
    lost = form.framed & ~coarse & (seen == 0)
    marked_above = np.where(lost, np.maximum(marked_above, settings.marked_without_frame), marked_above)
    even = (least_cell >= settings.even_cell * peak) & (faint >= settings.even_faint)
    full = even | ((dark >= settings.full_dark) & (least_cell >= settings.full_cell * peak))
    line = white & (rest < settings.line_rest)
    # a highlighter and a stain are even or broad like marks, but paler than a pen, and than this writer's pen
    wash = (dark < settings.wash_dark) & (
        ((faint >= settings.wash_faint) & (ink < settings.wash_ink)) | (peak < settings.wash_share_of_pen * pens.peak)
    )
    dot = white & (peak >= settings.peak_of_dot)  # print is as black as a dot
    thin = (dark < settings.thin_dark) | (least_cell < settings.thin_cell * peak)
    spot = dot & (cells < settings.least_mark_cells)
    through = thin & (outside > settings.through_outside) & (beyond > settings.through_beyond)
    is_empty = (ink < empty_below) & ~lost & ~dot
    doubtful = (ink < marked_above) | spot | through | wash | line | (pale & (cells < settings.least_pale_cells))
    is_full, is_odd = np.zeros_like(full), np.zeros_like(full)
    if convention is Convention.CROSS:
        is_full, is_odd = full, dark >= settings.cross_dark
    elif convention is Convention.FILL:
        is_odd = least_cell < settings.fill_cell * peak
    doubtful |= ~np.isfinite(excess.ink)
    choices = (doubtful & ~is_empty, is_empty, is_full, is_odd)
    which = np.select(choices, (UNSURE, EMPTY, UNDONE, UNSURE), MARKED)
    which[~np.isfinite(excess.ink)] = UNSURE
    return which
