"""Verdicts from readings: what is certain is decided, everything else is a person's.

A box is compared with what it looks like empty (the blank form, or the same print elsewhere in the batch), never only with the boxes
beside it, so that a blank sheet stays blank; and with this writer's own pen, so that light pencil is a mark in one booklet and
an erased ghost in another. What a cross and a complete fill mean is the form's convention.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scangrade.model import (
    FEATURES,
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

_COLUMN = {name: position for position, name in enumerate(FEATURES)}

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class _Sheet:
    """The readings of one page image."""

    page: int
    boxes: tuple[Box, ...]
    values: Values

    def feature(self, name: str) -> Values:
        return self.values[:, _COLUMN[name]]


@dataclass(frozen=True, slots=True)
class _Judged:
    """A verdict before the field's other boxes are looked at."""

    verdict: Verdict
    probability: float
    full: bool = False  #: filled completely
    thin: bool = False  #: lines rather than a filled area
    strong: bool = False  #: as dark as this writer's other marks
    outside: float = 0.0  #: darkness around the frame, over what is printed there
    beyond: float = 0.0  #: share of the farther surroundings that is dark, over what is printed there


def decide(booklets: Sequence[Booklet], layout: Layout, *, thresholds: DecideSettings) -> Mapping[str, tuple[Answer, ...]]:
    """Decide every field of every booklet.

    Parameters
    ----------
    booklets : sequence of Booklet
        All of a run: what a box looks like when it is empty is learned from all of them.
    layout : Layout
        Fields, and the form's marking convention.
    thresholds : DecideSettings

    Returns
    -------
    mapping of booklet id to tuple of Answer
        One answer per field with boxes whose page is there, in layout order.
    """
    boxes = {page.number: layout.boxes(page.number) for page in layout.pages}
    sheets = {booklet.id: [_sheet(page, boxes) for page in booklet.pages.values()] for booklet in booklets}
    spares = {booklet.id: [_sheet(page, boxes) for page in booklet.duplicates] for booklet in booklets}
    everything = [sheet for of_booklet in sheets.values() for sheet in of_booklet if sheet is not None]
    printed = _learn_print(everything, thresholds)
    labels = _learn_labels(everything, layout, thresholds)
    result: dict[str, tuple[Answer, ...]] = {}
    for booklet in booklets:
        own = [sheet for sheet in sheets[booklet.id] if sheet is not None]
        pen = _pen(own, printed, thresholds)
        judged = _judge_all(own, printed, labels, pen, layout.convention, thresholds)
        others = [
            _judge_all([sheet], printed, labels, pen, layout.convention, thresholds)
            for sheet in spares[booklet.id]
            if sheet is not None
        ]
        answers = []
        for field in layout.fields:
            if not field.boxes or any(box.key not in judged for box in field.boxes):
                continue
            answers.append(_answer(field, judged, others, layout.convention, thresholds))
        result[booklet.id] = tuple(answers)
    return result


def _sheet(page: ScannedPage, boxes: Mapping[int, tuple[Box, ...]]) -> _Sheet | None:
    if not isinstance(page.result, PageRead):
        return None
    return _Sheet(page.result.page, boxes[page.result.page], page.result.readings.values.astype(np.float64))


_PrintKey = tuple[str, bool, float, float]  # text, whether the layout says it is printed, and the box' size


@dataclass(frozen=True, slots=True)
class _Print:
    """Ink of an empty box, how far that may be off, and how much more a box that seems empty is forgiven."""

    ink: float
    doubt: float
    slack: float = 0.0


_NO_PRINT = _Print(0.0, 0.0)


def _print_key(box: Box) -> _PrintKey:
    return box.printed or box.value, bool(box.printed), round(box.width_mm, 1), round(box.height_mm, 1)


def _learn_print(sheets: Iterable[_Sheet], thresholds: DecideSettings) -> dict[_PrintKey, _Print]:
    """What boxes hold when empty, by what is printed in them and their size, from the emptier boxes of the whole batch.

    What one letter seems to hold is believed only if other letters agree: a digit that everybody marked must not pass for very
    black print. Layouts often do not say that the alternative's letter is printed inside its box. Then nothing is expected there,
    unless most letters show the same ink in box after box, as only print does.
    """
    found: dict[_PrintKey, list[float]] = {}
    for sheet in sheets:
        for box, ink in zip(sheet.boxes, sheet.feature("ink"), strict=True):
            if np.isfinite(ink):
                found.setdefault(_print_key(box), []).append(float(ink))
    levels = {key: np.quantile(inks, (0.1, thresholds.empty_quantile, 0.5, 0.8)) for key, inks in found.items()}
    learned: dict[_PrintKey, _Print] = {}
    for declared, width, height in {key[1:] for key in found}:
        group = [key for key in found if key[1:] == (declared, width, height)]
        if not declared:
            frequent = [key for key in group if len(found[key]) >= thresholds.least_for_print]
            alike = [key for key in frequent if _is_print(levels[key], thresholds)]
            if len(alike) * 2 <= len(frequent) or len(alike) < thresholds.least_letters:
                # few letters with the same ink in box after box: everybody's answer, or print after all
                learned |= {key: _Print(0.0, float(levels[key][1]) / 2) for key in alike}
                continue
        learned |= _agreed(group, found, levels, thresholds)
    return learned


def _is_print(level: Values, thresholds: DecideSettings) -> bool:
    """Whether box after box holds the same little ink."""
    tight = level[3] - level[0] <= thresholds.print_tightness
    return bool(tight and thresholds.least_print <= level[1] <= thresholds.most_print)


def _agreed(
    group: Sequence[_PrintKey],
    found: Mapping[_PrintKey, Sequence[float]],
    levels: Mapping[_PrintKey, Values],
    thresholds: DecideSettings,
) -> dict[_PrintKey, _Print]:
    """Empty levels of the letters printed in boxes of one size, each held against the others."""
    lows = np.array([levels[key][1] for key in group])
    usual = min(float(np.median(lows)), thresholds.most_print)
    spread = 1.48 * float(np.median(np.abs(lows - usual)))
    learned = {}
    for key in group:
        low, middle = float(levels[key][1]), float(levels[key][2])
        off = low - usual
        if len(found[key]) < thresholds.least_alike:
            learned[key] = _Print(usual, max(2 * spread, thresholds.least_print_doubt))
        elif off > max(thresholds.print_tolerance, 3 * spread) or low > thresholds.most_print:
            learned[key] = _Print(usual, max(off / 2, thresholds.least_print_doubt))
        else:
            # where half of the boxes hold more than the emptier ones, print may be in some and beside others
            uneven = middle - low if middle - low > thresholds.print_tightness else 0.0
            slack = thresholds.print_spread * low + thresholds.least_print_doubt / 2 * (low > 0.01)
            learned[key] = _Print(low, slack + uneven, slack)
    if len(group) >= thresholds.least_letters:
        return learned
    # of a few letters most may be marked in most boxes: believe only what the palest box of any of them shows
    least = 0.0 if len(group) == 1 else min(*(float(levels[key][0]) for key in group), thresholds.most_print_of_few)
    return {
        key: one if one.ink - least <= thresholds.letters_differ else _Print(least, max(one.doubt, one.ink - least))
        for key, one in learned.items()
    }


@dataclass(frozen=True, slots=True)
class _Label:
    """What print darkens around a box: the measures `outside` and `beyond` of the form alone."""

    outside: float = 0.0
    beyond: float = 0.0


def _learn_labels(sheets: Sequence[_Sheet], layout: Layout, thresholds: DecideSettings) -> dict[str, _Label]:
    """What is printed around each box: what most booklets show there, or, in a small batch, what most boxes of the field do."""
    columns = [_COLUMN["outside"], _COLUMN["beyond"]]
    found: dict[str, list[Values]] = {}
    for sheet in sheets:
        for box, around in zip(sheet.boxes, sheet.values[:, columns], strict=True):
            if np.isfinite(around).all():
                found.setdefault(box.key, []).append(around)
    usual = {key: np.median(seen, axis=0) for key, seen in found.items()}
    if max((len(seen) for seen in found.values()), default=0) < thresholds.least_for_labels:
        for field in layout.fields:
            known = [usual[box.key] for box in field.boxes if box.key in usual]
            if known:
                usual |= {box.key: np.median(known, axis=0) for box in field.boxes}
    return {key: _Label(float(outside), float(beyond)) for key, (outside, beyond) in usual.items()}


def _print_strength(sheet: _Sheet, thresholds: DecideSettings) -> float:
    """How much more ink than the blank form this page's print has: toner and blur, the same in all its boxes."""
    blank, ink = sheet.feature("blank_ink"), sheet.feature("ink")
    with np.errstate(invalid="ignore"):
        printed = (blank > thresholds.empty_below) & np.isfinite(ink)
    if printed.sum() < thresholds.least_alike:
        return 1.0
    ratio = float(np.quantile(ink[printed] / blank[printed], thresholds.empty_quantile))
    return float(np.clip(ratio, thresholds.weakest_print, thresholds.strongest_print))


@dataclass(frozen=True, slots=True, eq=False)
class _Excess:
    """What the boxes of a sheet hold beyond an empty one."""

    ink: Values  #: as a share of the white that is left in an empty box
    doubt: Values  #: how far "empty" may be off
    slack: Values  #: how much a box that seems empty is forgiven
    printed: NDArray[np.bool_]  #: whether there is print inside


def _excess(sheet: _Sheet, printed: Mapping[_PrintKey, _Print], thresholds: DecideSettings) -> _Excess:
    ink = sheet.feature("ink")
    empty = sheet.feature("blank_ink") * _print_strength(sheet, thresholds)
    doubt = thresholds.print_spread * np.nan_to_num(empty)
    slack = doubt.copy()
    for position, box in enumerate(sheet.boxes):
        if np.isfinite(empty[position]):
            continue
        known = printed.get(_print_key(box), _NO_PRINT)
        empty[position], doubt[position], slack[position] = known.ink, known.doubt, known.slack
    empty = np.clip(empty, 0.0, thresholds.most_print)
    doubt = np.minimum(doubt, thresholds.most_doubt)
    return _Excess((ink - empty) / (1.0 - empty), doubt, slack, empty > thresholds.empty_below)


@dataclass(frozen=True, slots=True)
class _Pen:
    """How a writer marks."""

    ink: float  #: that is usually left in a box
    peak: float  #: darkness of the strokes; 0 where too few marks tell


def _pen(sheets: Sequence[_Sheet], printed: Mapping[_PrintKey, _Print], thresholds: DecideSettings) -> _Pen:
    """What this writer's evident marks have in common: their lower third; the usual ink where there are too few."""
    evident = []
    for sheet in sheets:
        excess = _excess(sheet, printed, thresholds)
        with np.errstate(invalid="ignore"):
            strokes = sheet.feature("cells") >= thresholds.evident_cells
            clear = strokes & (excess.ink - excess.doubt > thresholds.evident_ink)
            evident.append(np.column_stack([excess.ink[clear], sheet.feature("peak")[clear]]))
    marks = np.concatenate(evident) if evident else np.zeros((0, 2))
    if len(marks) < thresholds.least_marks:
        return _Pen(thresholds.usual_pen, 0.0)
    ink, peak = np.quantile(marks, 1 / 3, axis=0)
    return _Pen(float(ink), float(peak))


def _judge_all(
    sheets: Sequence[_Sheet],
    printed: Mapping[_PrintKey, _Print],
    labels: Mapping[str, _Label],
    pen: _Pen,
    convention: Convention,
    thresholds: DecideSettings,
) -> dict[str, _Judged]:
    judged: dict[str, _Judged] = {}
    for sheet in sheets:
        excess = _excess(sheet, printed, thresholds)
        coarse = sheet.feature("scale") < thresholds.coarse_pixels_per_mm
        for position, box in enumerate(sheet.boxes):
            judged[box.key] = _judge(
                float(excess.ink[position]),
                float(excess.doubt[position]),
                float(excess.slack[position]),
                {name: float(sheet.values[position, column]) for name, column in _COLUMN.items()},
                print_inside=bool(excess.printed[position]),
                framed=box.frame_mm > 0 and not bool(coarse[position]),
                label=labels.get(box.key, _Label()),
                pen=pen,
                convention=convention,
                thresholds=thresholds,
            )
    return judged


def _judge(
    excess: float,
    doubt: float,
    slack: float,
    seen: Mapping[str, float],
    *,
    print_inside: bool,
    framed: bool,
    label: _Label,
    pen: _Pen,
    convention: Convention,
    thresholds: DecideSettings,
) -> _Judged:
    if not np.isfinite(excess):
        return _Judged(Verdict.UNSURE, 0.5)
    pale = not print_inside and seen["dark"] < thresholds.pale_dark
    marked = float(np.clip(thresholds.marked_share_of_pen * pen.ink, thresholds.marked_least, thresholds.marked_most))
    empty = min(thresholds.pale_below if pale else thresholds.empty_below, thresholds.empty_share_of_marked * marked)
    # doubt about print makes more boxes a person's; it must never let a mark pass for print
    empty_below, marked_above = empty + slack, marked + 2 * doubt
    lost = framed and not seen["seen"]
    if lost:
        marked_above = max(marked_above, thresholds.marked_without_frame)
    # log-odds that are even in the middle of the doubtful band and reach 99 in 100 at its ends
    middle = (max(empty_below, 1e-3) * marked_above) ** 0.5
    width = np.log(marked_above / middle)
    odds = 4.6 * np.log(max(excess, 1e-4) / middle) / width
    surest = np.log(thresholds.most_certain / (1 - thresholds.most_certain))
    probability = float(1 / (1 + np.exp(-np.clip(odds, -surest, surest))))
    even = seen["least_cell"] >= thresholds.even_cell * seen["peak"] and seen["faint"] >= thresholds.even_faint
    full = even or (seen["dark"] >= thresholds.full_dark and seen["least_cell"] >= thresholds.full_cell * seen["peak"])
    line = not print_inside and seen["rest"] < thresholds.line_rest
    # a highlighter and a stain are even or broad like marks, but paler than a pen, and than this writer's pen
    wash = seen["dark"] < thresholds.wash_dark and (
        (seen["faint"] >= thresholds.wash_faint and excess < thresholds.wash_ink)
        or seen["peak"] < thresholds.wash_share_of_pen * pen.peak
    )
    dot = seen["peak"] >= thresholds.peak_of_dot and not print_inside  # print is as black as a dot
    thin = seen["dark"] < thresholds.thin_dark or seen["least_cell"] < thresholds.thin_cell * seen["peak"]
    outside, beyond = seen["outside"] - label.outside, seen["beyond"] - label.beyond
    spot = dot and seen["cells"] < thresholds.least_mark_cells
    through = thin and outside > thresholds.through_outside and beyond > thresholds.through_beyond
    if excess < empty_below and not lost and not dot:
        verdict = Verdict.EMPTY
    elif excess < marked_above or spot or through or wash or line or (pale and seen["cells"] < thresholds.least_pale_cells):
        verdict = Verdict.UNSURE
    elif convention is Convention.CROSS and full:
        verdict = Verdict.UNDONE
    elif (convention is Convention.CROSS and seen["dark"] >= thresholds.cross_dark) or (
        convention is Convention.FILL and seen["least_cell"] < thresholds.fill_cell * seen["peak"]
    ):
        verdict = Verdict.UNSURE
    else:
        verdict = Verdict.MARKED
    return _Judged(
        verdict,
        1 - probability if verdict is Verdict.EMPTY else probability,
        full=full,
        thin=thin,
        strong=excess >= thresholds.strong_share_of_pen * pen.ink,
        outside=outside,
        beyond=beyond,
    )


def _answer(
    field: Field,
    judged: Mapping[str, _Judged],
    others: Sequence[Mapping[str, _Judged]],
    convention: Convention,
    thresholds: DecideSettings,
) -> Answer:
    """The verdicts of a field after its boxes were looked at together."""
    own = [judged[box.key] for box in field.boxes]
    verdicts = [one.verdict for one in own]
    marked = [k for k, one in enumerate(own) if one.verdict is Verdict.MARKED]
    doubt = _doubt(own, convention, thresholds) if field.kind is FieldKind.CHOICE and len(own) > 1 else ""
    if convention is Convention.FILL_WINS and any(not own[k].thin for k in marked):
        for k in marked:
            if own[k].thin:  # beside a fill, the fill is the answer; how much of a fill this is a person must say
                verdicts[k] = Verdict.UNSURE
    weak = [k for k in marked if not own[k].strong]
    if weak and len(weak) < len(marked):
        for k in weak:  # paler than the writer's other marks: perhaps erased
            verdicts[k] = Verdict.UNSURE
    for other in others:
        for k, box in enumerate(field.boxes):
            again = other.get(box.key)
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


def _strokes_leave(outside: float, beyond: float, thresholds: DecideSettings) -> bool:
    """Whether strokes were drawn out of a filled box on purpose: a careless fill spills over broadly, but not far."""
    if outside < thresholds.stroke_outside:
        return False
    share = thresholds.stroke_share if outside < thresholds.spilled_outside else thresholds.spilled_share
    return beyond > max(thresholds.stroke_beyond, share * outside)


def _doubt(own: Sequence[_Judged], convention: Convention, thresholds: DecideSettings) -> str:
    """Why a question as a whole is a person's: corrections that only a person can read; "" where there are none."""
    undone = [one for one in own if one.verdict is Verdict.UNDONE]
    corrected_so = convention is Convention.FILL_WINS or (convention is not Convention.CROSS and len(own) > 2)
    if corrected_so and all(one.verdict is Verdict.MARKED for one in own):
        return "every box is marked: look for an arrow or a word that says which one is meant"
    if len(undone) == len(own):
        return "every box is undone: look for a sign that says which one is meant after all"
    if undone and any(one.beyond > thresholds.beyond_share for one in own):
        return "a box is undone and there is ink beside the boxes: look whether one is marked anew"
    struck = any(one.full and _strokes_leave(one.outside, one.beyond, thresholds) for one in own)
    if convention is Convention.FILL_WINS and struck:
        return "strokes leave a filled box: look whether it is struck out or pointed at"
    return ""
