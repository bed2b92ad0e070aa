"""Who sits the simulated exams, on which forms, and what scans them: the population that the simulated benchmark draws from.

Nothing here is tuned to. Everything that a batch is made of follows from its seed: the form, the severity, the scanner that all its
booklets go through, the people, what they answer. Persons and scanners are drawn around those of `scangrade.authoring`, so that no two
batches have the same pens, the same light or the same dirt on the glass.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import numpy as np

from scangrade.authoring.form import draw_blank
from scangrade.authoring.ink import Ink
from scangrade.authoring.mishaps import Mishap
from scangrade.authoring.person import CROSSERS, FELT, FILLERS, GRADER, ODD_CROSSERS, ODD_FILLERS, PENCIL_FAINT, Persona
from scangrade.authoring.scanner import (
    COLOUR300,
    COPIER,
    COPIER_1BIT,
    EXTREME,
    FAX,
    GOOD,
    HARD,
    OFFICE,
    Mode,
    Scanner,
    Streak,
    shows,
)
from scangrade.authoring.simulate import PrintedForm, print_form
from scangrade.definitions.layout import load_layout
from scangrade.model import Convention, Field, FieldKind, Layout, Roster, Student

LAYOUTS = Path(__file__).parents[2] / "layouts"

#: Booklets of a batch: as many as a small class has, since the reader learns from all of them.
BATCH = 20
_LEAST_BATCH = 4


class Severity(StrEnum):
    """How hard a batch makes it."""

    CLEAN = "clean"
    TYPICAL = "typical"
    HARD = "hard"
    EXTREME = "extreme"

    @property
    def usual(self) -> bool:
        """Whether offices have such scans every day; else they are hard."""
        return self in (Severity.CLEAN, Severity.TYPICAL)


@dataclass(frozen=True, slots=True)
class FormCase:
    """A form, and what a layout file would say of it."""

    stem: str  #: of the file in `layouts/`
    share: float  #: of all boxes
    convention: Convention | None = None  #: another than the layout's own: the same marks mean something else
    blank: bool = False  #: whether the blank form is given

    @property
    def name(self) -> str:
        """For tables."""
        return self.stem + (f", {self.convention.value}" if self.convention else "") + (", blank given" if self.blank else "")


#: Every form of `layouts/`. The answer sheet has most boxes a page, and stands in for the conventions that no form of its own has.
FORMS: tuple[FormCase, ...] = (
    FormCase("nops", 0.28),
    FormCase("nops", 0.15, Convention.FILL),
    FormCase("nops", 0.12, Convention.FILL_WINS),
    FormCase("nops", 0.06, Convention.ANY),
    FormCase("nops", 0.08, blank=True),
    FormCase("ist-deep-learning", 0.05),
    FormCase("tum-introduction-to-deep-learning", 0.045),
    FormCase("tum-introduction-to-deep-learning", 0.025, blank=True),
    FormCase("twente-deep-learning", 0.10),
    FormCase("uva-deep-learning-1", 0.06),
    FormCase("uva-deep-learning-1", 0.03, blank=True),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """One batch: what it is made of follows from this and nothing else."""

    number: int
    form: int  #: which of `FORMS`
    severity: Severity
    booklets: int
    boxes: int
    seed: int


def plan(boxes: int, seed: int) -> tuple[Plan, ...]:
    """Batches of at least so many boxes together, each form and severity with its share; those of one form follow each other."""
    per_booklet = [sum(len(one.boxes) for one in _layout(case).fields) for case in FORMS]
    cells = [(form, severity) for form in range(len(FORMS)) for severity in Severity]
    wanted = {(form, severity): boxes * FORMS[form].share / len(Severity) for form, severity in cells}
    turns = {
        (form, severity): (form + turn) % len(Severity) for form in range(len(FORMS)) for turn, severity in enumerate(Severity)
    }
    done = dict.fromkeys(cells, 0.0)
    plans: list[Plan] = []
    while sum(done.values()) < boxes:
        cell = min(cells, key=lambda one: (done[one] / wanted[one], turns[one]))  # a small run still meets every form
        form, severity = cell
        booklets = min(BATCH, max(_LEAST_BATCH, math.ceil((wanted[cell] - done[cell]) / per_booklet[form])))
        size = booklets * per_booklet[form]
        plans.append(Plan(len(plans), form, severity, booklets, size, seed))
        done[cell] += size
    return tuple(sorted(plans, key=lambda one: (one.form, one.number)))


# --------------------------------------------------------------------------- forms


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """A form ready to be filled in."""

    case: FormCase
    layout: Layout
    printed: PrintedForm
    pages: tuple[int, ...]  #: those with boxes; the others are not simulated


def _layout(case: FormCase) -> Layout:
    layout, issues = load_layout(LAYOUTS / f"{case.stem}.toml")
    if layout is None:
        raise AssertionError("; ".join(str(issue) for issue in issues))
    return replace(layout, convention=case.convention) if case.convention else layout


def make_form(case: FormCase, scratch: Path) -> Form:
    """Print a form; its blank, where one is given, goes to the folder `scratch`."""
    layout = _layout(case)
    if case.blank:
        blank = scratch / f"{case.stem}.pdf"
        if not blank.is_file():
            blank.write_bytes(draw_blank(layout))
        layout = replace(layout, reference=blank)
    pages = tuple(sorted({box.page for one in layout.fields for box in one.boxes}))
    printed = print_form(layout)
    nothing = np.full((1, 1), 255, np.uint8)  # pages that are not simulated need not be held in memory
    kept = tuple(picture if number in pages else nothing for number, picture in enumerate(printed.pages, start=1))
    return Form(case, layout, replace(printed, pages=kept), pages)


# --------------------------------------------------------------------------- scanners

_OFFICE200 = replace(OFFICE, name="office 200", dpi=200)
_COPIER200 = replace(COPIER, name="copier 200", dpi=200, uneven=0.04)
_DIM = replace(OFFICE, name="dim", dpi=200, black=90, white=215, gamma=1.15, uneven=0.2, noise=5, skew_deg=1.5, dust=15)
_SKEWED_1BIT = replace(
    COPIER_1BIT, name="skewed 1-bit", skew_deg=3.0, shift_mm=5, scale=(0.95, 1.02), wobble_mm=0.2, rotations=(0, 180), dust=25
)
#: Dark pens only, and frames that fall to pieces.
_THIN_1BIT = replace(COPIER_1BIT, name="thin 1-bit", threshold=125, noise=5, blur_px=0.7)
_COARSE = replace(HARD, name="coarse", dpi=120, noise=8, streaks=5, skew_deg=4.0, bleed=0.09, jpeg_quality=50)
_DIRTY_1BIT = replace(
    FAX, name="dirty 1-bit", skew_deg=4.0, noise=12, dust=60, streaks=4, overscan_mm=6, backing=20, rotations=(0, 90, 180, 270)
)

SCANNERS: Mapping[Severity, tuple[Scanner, ...]] = {
    Severity.CLEAN: (GOOD, replace(GOOD, name="good 200", dpi=200), _OFFICE200),
    Severity.TYPICAL: (OFFICE, _OFFICE200, COLOUR300, _COPIER200),
    Severity.HARD: (HARD, FAX, _DIM, COPIER, COPIER_1BIT, _THIN_1BIT, _SKEWED_1BIT),
    Severity.EXTREME: (EXTREME, _COARSE, _DIRTY_1BIT, replace(HARD, name="hard 200", dpi=200, noise=9, uneven=0.25)),
}


#: How likely a batch is scanned over a dirty glass.
_DIRTY_GLASS = {Severity.CLEAN: 0.0, Severity.TYPICAL: 0.02, Severity.HARD: 0.25, Severity.EXTREME: 0.4}


def draw_scanner(severity: Severity, layout: Layout, rng: np.random.Generator) -> Scanner:
    """One scanner of a severity; no two are quite the same. Where its glass is dirty, that is where boxes pass over it."""
    models = SCANNERS[severity]
    one = models[int(rng.integers(len(models)))]
    bilevel = one.mode is Mode.BILEVEL
    columns = [box.x_mm for field in layout.fields for box in field.boxes]
    dirt = int(rng.integers(1, 3)) if rng.random() < _DIRTY_GLASS[severity] else 0
    glass = tuple(
        Streak(
            one.overscan_mm + columns[int(rng.integers(len(columns)))] + rng.normal(0, 1.0),
            rng.uniform(0.08, 0.35),
            rng.uniform(0.3, 0.85),
        )
        for _ in range(dirt)
    )
    return replace(
        one,
        blur_px=one.blur_px * rng.uniform(0.8, 1.5),
        noise=one.noise * rng.uniform(0.6, 1.4),
        black=one.black * rng.uniform(0.6, 1.3),
        white=one.white + rng.uniform(-8, 4),
        gamma=one.gamma * rng.uniform(0.92, 1.1),
        uneven=one.uneven * rng.uniform(0.5, 1.5),
        threshold=int(one.threshold + rng.integers(-15, 16)) if bilevel else one.threshold,
        jpeg_quality=int(np.clip(one.jpeg_quality + rng.integers(-15, 10), 30, 95)),
        skew_deg=one.skew_deg * rng.uniform(0.5, 1.2),
        glass=glass,
    )


# --------------------------------------------------------------------------- people

#: In percent of the questions, and of the pages with boxes, of a typical batch.
_MISHAPS: Mapping[Mishap, float] = {
    Mishap.FAINT_GHOST: 0.3,
    Mishap.STRONG_GHOST: 0.1,
    Mishap.PAINTED: 0.15,
    Mishap.LABEL: 0.08,
    Mishap.REDONE: 0.12,
    Mishap.ARROW: 0.06,
    Mishap.TWO_AND_WORD: 0.06,
    Mishap.REMARKED: 0.08,
    Mishap.STRUCK_OUT: 0.05,
    Mishap.DOT: 0.12,
    Mishap.LINE: 0.1,
    Mishap.RING: 0.06,
    Mishap.SECOND_PARTIAL: 0.1,
    Mishap.HIGHLIGHTED: 0.03,
    Mishap.LONG_TAIL: 0.25,
    Mishap.BLEEDING: 0.15,
    Mishap.NOTES: 4,
    Mishap.DOODLE: 3,
    Mishap.HAIR: 6,
    Mishap.SMUDGE: 6,
    Mishap.STAIN: 1.5,
    Mishap.HIGHLIGHTER: 2,
    Mishap.FOLD: 2,
    Mishap.STAPLE: 4,
    Mishap.SHADOW: 2,
}
_MORE = {Severity.CLEAN: 0.25, Severity.TYPICAL: 1.0, Severity.HARD: 2.0, Severity.EXTREME: 3.0}


def mishaps(severity: Severity) -> Mapping[Mishap, float]:
    """How likely what happens."""
    return {kind: share * _MORE[severity] / 100 for kind, share in _MISHAPS.items()}


def leaves_trace(ink: Ink, scanner: Scanner) -> bool:
    """Whether even the paler strokes of a pen are on the scan: they are up to a quarter paler than the pen."""
    return shows(replace(ink, opacity=ink.opacity * 0.75), scanner)


def people(convention: Convention, severity: Severity, scanner: Scanner) -> tuple[Persona, ...]:
    """Who fills such forms in, without those whose pen leaves no trace on the scans."""
    match convention:
        case Convention.CROSS:
            some: tuple[Persona, ...] = (*CROSSERS, *ODD_CROSSERS)
        case Convention.ANY:
            some = (*FILLERS, *CROSSERS, *ODD_FILLERS, *ODD_CROSSERS)
        case Convention.FILL | Convention.FILL_WINS:
            some = (*FILLERS, *ODD_FILLERS)
    if severity.usual:
        some = tuple(one for one in some if one.ink != PENCIL_FAINT)
    if severity is Severity.CLEAN:
        some = tuple(replace(one, neatness=max(one.neatness, 0.6), mistakes=one.mistakes / 3, specks=0.0) for one in some)
    return tuple(one for one in some if leaves_trace(one.ink, scanner)) or tuple(replace(one, ink=FELT) for one in some)


def grader(scanner: Scanner) -> Persona:
    """Who marks credits: in red, unless the scanner loses red."""
    return GRADER if leaves_trace(GRADER.ink, scanner) else replace(GRADER, ink=FELT)


def draw_person(some: Sequence[Persona], scanner: Scanner, rng: np.random.Generator) -> Persona:
    """Somebody like one of these, with a pen of their own."""
    model = some[int(rng.integers(len(some)))]
    pen = model.ink
    other = replace(
        pen, width_mm=pen.width_mm * rng.uniform(0.8, 1.25), opacity=min(1.0, pen.opacity * rng.uniform(0.92, 1.05))
    )
    return replace(
        model,
        ink=other if leaves_trace(other, scanner) else pen,
        neatness=float(np.clip(model.neatness + rng.normal(0, 0.12), 0.15, 0.98)),
    )


# --------------------------------------------------------------------------- answers


def draw_roster(layout: Layout, booklets: int, rng: np.random.Generator) -> tuple[tuple[str, ...], Roster]:
    """Numbers of the students of a batch, and a class list that also holds, for each, others that differ in one digit or two."""
    places = sum(one.role == "student_number" and one.kind is FieldKind.DIGIT for one in layout.fields) or 8
    numbers: list[str] = []
    while len(numbers) < booklets:
        number = "".join(str(digit) for digit in rng.integers(0, 10, places))
        if number not in numbers:
            numbers.append(number)
    near = set(numbers)
    for number in numbers:
        for place in range(places):
            digit = str((int(number[place]) + int(rng.integers(1, 10))) % 10)
            near.add(number[:place] + digit + number[place + 1 :])
        first, second = sorted(rng.choice(places, 2, replace=False).tolist())
        near.add(number[:first] + number[second] + number[first + 1 : second] + number[first] + number[second + 1 :])
    return tuple(numbers), Roster(tuple(Student(number) for number in sorted(near)))


def draw_answers(layout: Layout, number: str, rng: np.random.Generator) -> dict[str, frozenset[str]]:
    """What somebody marks, and what the grader marks for them: anything goes, since no points hang on it."""
    mood = rng.random()
    share = 0.0 if mood < 0.03 else rng.uniform(0.15, 0.6)  # now and then a sheet is handed in blank
    column = int(rng.integers(10)) if 0.03 <= mood < 0.05 else None  # or filled without reading the questions
    answers: dict[str, frozenset[str]] = {}
    for one in layout.fields:
        values = [box.value for box in one.boxes]
        match one.kind:
            case FieldKind.CHOICE:
                answers[one.id] = _choose(one, values, share, column, rng)
            case FieldKind.DIGIT:
                answers[one.id] = frozenset(number[one.place - 1]) if one.role == "student_number" else frozenset()
            case FieldKind.VERSION:
                answers[one.id] = frozenset({values[int(rng.integers(len(values)))]})
            case FieldKind.CREDIT:
                answers[one.id] = _credit(one, values, rng)
            case FieldKind.STICKER | FieldKind.TEXT:
                pass
    return answers


def _choose(one: Field, values: Sequence[str], share: float, column: int | None, rng: np.random.Generator) -> frozenset[str]:
    if column is not None:
        return frozenset({values[column % len(values)]})
    if one.many:
        # a question with every box marked is one where people look for an arrow: see the mishaps
        chosen = [value for value in values if rng.random() < share]
        return frozenset(chosen[:-1] if len(chosen) == len(values) else chosen)
    if share == 0 or rng.random() < 0.05:
        return frozenset()
    return frozenset(
        values[index] for index in rng.choice(len(values), 2 if rng.random() < 0.02 else 1, replace=False).tolist()
    )


def _credit(one: Field, values: Sequence[str], rng: np.random.Generator) -> frozenset[str]:
    if one.correction > 1 and rng.random() < 0.5:
        return frozenset()
    numbers = [value for value in values if value.isdigit()]
    number = numbers[int(rng.integers(len(numbers)))]
    half = f"{number}H"
    return frozenset({number, half}) if half in values and rng.random() < 0.3 else frozenset({number})
