"""The report's page: one HTML file with its style and pictures in it, that loads nothing and runs nothing.

Here numbers become words and places on paper; the template says where they stand. No student is named.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Final

import jinja2

from scangrade.grades.rounding import rounded
from scangrade.grades.statistics import Alternative, ExamStatistics, QuestionStatistics, Scores
from scangrade.model import FlagKind, Reason, Rubric
from scangrade.settings import AUDIT, REPORT, STATISTICS

_NOTHING: Final = "\u2013"  # a dash


@dataclass(frozen=True, slots=True)
class PageFacts:
    """What became of the pages that went in."""

    went_in: int
    read: int
    by_hand: int  #: of those read: laid under the form by a person
    reasons: Mapping[Reason, int]  #: of those set aside


@dataclass(frozen=True, slots=True)
class ScanFacts:
    """How the pages of one file were read; None where none was."""

    name: str
    read: int
    set_aside: int
    residual_mm: float | None  #: median
    worst_mm: float | None
    dpi: float | None  #: median


@dataclass(frozen=True, slots=True)
class FlagFacts:
    """Open flags of one kind."""

    kind: FlagKind
    count: int
    moving: int  #: of these can change points


@dataclass(frozen=True, slots=True)
class BoxFacts:
    """By whom boxes were decided."""

    machine: int
    people: int
    open: int


@dataclass(frozen=True, slots=True)
class AuditFacts:
    """A sample of boxes that were decided without a flag."""

    where: str
    size: int  #: 0 where the sample is of an earlier state of the run, or cannot be counted yet
    checked: int
    wrong: int
    population: int
    bound: float | None  #: share of wrong boxes of which there are fewer; None where nothing was checked


@dataclass(frozen=True, slots=True)
class Provenance:
    """What the report rests on."""

    version: str  #: of scangrade
    made: datetime
    definitions: tuple[tuple[str, str, str], ...]  #: what it is, name of its file, SHA-256
    decisions: int  #: rows of the journal


@dataclass(frozen=True, slots=True)
class Report:
    """All that stands on the page."""

    title: str
    rubric: Rubric
    statistics: ExamStatistics
    pass_mark: Fraction | None
    booklets: int
    identified: int
    students: int | None  #: on the roster; None without one
    pages: PageFacts
    scans: tuple[ScanFacts, ...]
    flags: tuple[FlagFacts, ...]
    boxes: BoxFacts
    decisions: Mapping[str, int]
    reviewers: int
    audits: tuple[AuditFacts, ...]
    provenance: Provenance


def report_page(report: Report) -> str:
    """The page as HTML."""
    found = report.statistics
    shown = sorted(report.scans, key=lambda one: one.worst_mm or 0, reverse=True)[: REPORT.most_scans]
    worst = max((one.worst_mm or 0 for one in report.scans), default=0)
    return (
        _templates()
        .get_template("report.html")
        .render(
            report=report,
            found=found,
            scores=found.scores,
            places=report.rubric.places,
            histogram=histogram(found.scores, found.most, report.pass_mark if not found.waiting else None)
            if found.scores
            else None,
            map=question_map(found.questions),
            doubted=[one for one in found.questions if one.suspicions],
            turned=[one for one in found.questions if not one.suspicions and _is_turned(one)],
            scans=[one for one in report.scans if one in shown],
            scans_hidden=len(report.scans) - len(shown),
            worst_mm=worst,
            audit=AUDIT,
            limits=STATISTICS,
            with_alternatives=[one for one in found.questions if one.alternatives],
        )
    )


def _is_turned(question: QuestionStatistics) -> bool:
    """Whether who knows more earns less in it."""
    if question.discrimination is None or question.correlation is None:  # of fewer booklets any correlation may come by chance
        return False
    return question.correlation < STATISTICS.weak_correlation


# --------------------------------------------------------------------------- words


@functools.cache
def _templates() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("scangrade.export"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "points": _points,
        "fixed": _correlation,
        "share": _share,
        "r": _correlation,
        "mm": _millimetres,
        "count": _count,
        "words": lambda kind: str(kind).replace("_", " "),
        "trace": trace,
        "upwards": _upwards,
    }
    return made


def _points(value: Fraction | float | None, places: int) -> str:
    if value is None:
        return _NOTHING
    exact = value if isinstance(value, Fraction) else Fraction(value)
    return _signed(rounded(exact, places))


def _share(value: Fraction | float | None) -> str:
    return _NOTHING if value is None else f"{_signed(rounded(Fraction(value) * 100, 0))} %"


def _upwards(value: float) -> str:
    """A bound in per cent: rounded up, since rounding it down would claim more than was shown."""
    return f"{math.ceil(value * 1000) / 10:g} %"


def _correlation(value: Fraction | float | None, decimals: int = 2) -> str:
    """So many decimals, never a minus before nothing but zeros."""
    return _NOTHING if value is None else _signed(f"{round(float(value), decimals) + 0.0:.{decimals}f}")


def _millimetres(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:.3f}"


def _signed(text: str) -> str:
    return text.replace("-", "\u2212")


def _count(value: int) -> str:
    return f"{value:,}"


# --------------------------------------------------------------------------- pictures


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of a picture, in the picture's units from its top left corner."""

    x: float
    y: float
    width: float
    height: float
    says: str
    passes: bool


@dataclass(frozen=True, slots=True)
class Tick:
    """A number at an axis."""

    at: float
    says: str


@dataclass(frozen=True, slots=True)
class Histogram:
    """How points are distributed."""

    width: float
    height: float
    base: float  #: where the bars stand
    left: float  #: where they begin
    bars: tuple[Bar, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    mean: float
    pass_mark: float | None
    says: str


def histogram(scores: Scores, most: Fraction, pass_mark: Fraction | None) -> Histogram:
    """Lay out the distribution's picture."""
    width, height, left, top, base = 720.0, 250.0, 36.0, 24.0, 214.0
    low, high = scores.bins[0].low, scores.bins[-1].high
    tallest = max(one.count for one in scores.bins)
    step = _step(tallest, 4)
    ceiling = step * math.ceil(tallest / step)

    def at(points: Fraction) -> float:
        return round(left + (width - left - 12) * float((points - low) / (high - low)), 2)

    bars = []
    for one in scores.bins:
        x, tall = at(one.low), (base - top) * one.count / ceiling
        last = one is scores.bins[-1]
        border = f"{_plain(one.low)} to {'' if last else 'under '}{_plain(one.high)} points"
        says = f"{border}: {one.count} booklet{'' if one.count == 1 else 's'}"
        passes = pass_mark is not None and one.low >= pass_mark
        bars.append(Bar(x + 1, round(base - tall, 2), round(at(one.high) - x - 2, 2), round(tall, 2), says, passes))
    every = max(1, math.ceil(len(scores.bins) / 13))
    across = [Tick(at(one.low), _plain(one.low)) for one in scores.bins[::every]]
    if len(scores.bins) % every == 0:
        across.append(Tick(at(high), _plain(high)))
    up = [Tick(round(base - (base - top) * value / ceiling, 2), str(value)) for value in range(0, ceiling + 1, step)]
    says = (
        f"{scores.count} booklets from {_plain(scores.least)} to {_plain(scores.most)} of {_plain(most)} points,"
        f" mean {_points(scores.mean, 2)}"
    )
    marked = at(pass_mark) if pass_mark is not None and low <= pass_mark <= high else None
    return Histogram(width, height, base, left, tuple(bars), tuple(across), tuple(up), at(scores.mean), marked, says)


def _step(most: int, steps: int) -> int:
    """A readable distance of so many numbers at an axis."""
    least = max(1, math.ceil(most / steps))
    power = int(10 ** math.floor(math.log10(least)))
    return next(power * one for one in (1, 2, 5, 10) if power * one >= least)


def _plain(points: Fraction) -> str:
    return _signed(rounded(points, 2))


@dataclass(frozen=True, slots=True)
class Dot:
    """A question on the map of difficulty and correlation."""

    x: float
    y: float
    question: str
    says: str
    doubted: bool
    label: bool  #: whether there is room for its name


@dataclass(frozen=True, slots=True)
class QuestionMap:
    """Questions by difficulty, to the right, and correlation, upwards."""

    width: float
    height: float
    left: float
    right: float
    top: float
    base: float
    zero: float  #: height of no correlation
    dots: tuple[Dot, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]


def question_map(questions: Sequence[QuestionStatistics]) -> QuestionMap | None:
    """Lay out the map; None where fewer than two questions have a place on it."""
    placed = [(one, one.difficulty, one.correlation) for one in questions]
    known = [(one, float(p), r) for one, p, r in placed if p is not None and r is not None]
    if len(known) < 2:
        return None
    width, height, left, right, top, base = 720.0, 300.0, 44.0, 694.0, 16.0, 262.0
    lowest = min(-0.1, *(math.floor(r * 10) / 10 for _, _, r in known))
    least, greatest = min([0.0, *(p for _, p, _ in known)]), max([1.0, *(p for _, p, _ in known)])

    def x(p: float) -> float:
        return round(left + (right - left) * (p - least) / (greatest - least), 2)

    def y(r: float) -> float:
        return round(base - (base - top) * (r - lowest) / (1 - lowest), 2)

    dots: list[Dot] = []
    for one, p, r in sorted(known, key=lambda entry: (not entry[0].suspicions, entry[2])):
        room = all(not dot.label or abs(dot.x - x(p)) > 20 or abs(dot.y - y(r)) > 13 for dot in dots)
        says = f"Question {one.question}: difficulty {_share(one.difficulty)}, correlation {_correlation(r)}"
        dots.append(Dot(x(p), y(r), one.question, says, bool(one.suspicions), room or bool(one.suspicions)))
    across = tuple(Tick(x(p / 100), f"{p} %") for p in range(0, 101, 20))
    up = tuple(Tick(y(r / 10), _signed(f"{r / 10:.1f}")) for r in range(-10, 11, 2) if r / 10 >= lowest)
    return QuestionMap(width, height, left, right, top, base, y(0), tuple(dots), across, up)


def trace(one: Alternative) -> str:
    """Points of a line from the weakest over the middle to the best, for a picture 60 wide and 16 high; "" without groups."""
    shares = (one.lower, one.middle, one.upper)
    if any(share is None for share in shares):
        return ""
    places = (4, 30, 56)
    return " ".join(f"{x},{15 - 13 * float(share):.1f}" for x, share in zip(places, shares, strict=True) if share is not None)
