"""How the questions of an exam did: difficulty, discrimination, alternatives, reliability. Pure; exact wherever no root is drawn.

Nothing is guessed: a booklet counts only where every question that is looked at has certain points. A question that has none in most
booklets, such as one that a person has yet to give points for, is left out as a whole. How many were left out is part of the result.

References
----------
.. [1] T. L. Kelley, The selection of upper and lower groups for the validation of test items. Journal of Educational Psychology
   30(1), 1939. DOI 10.1037/h0057123
.. [2] S. Henrysson, Correction of item-total correlations in item analysis. Psychometrika 28(2), 1963. DOI 10.1007/BF02289618
.. [3] L. J. Cronbach, Coefficient alpha and the internal structure of tests. Psychometrika 16(3), 1951. DOI 10.1007/BF02310555
.. [4] J. M. van Zyl, H. Neudecker, D. G. Nel, On the distribution of the maximum likelihood estimator of Cronbach's alpha.
   Psychometrika 65(3), 2000. DOI 10.1007/BF02296146
.. [5] A. Duhachek, D. Iacobucci, Alpha's standard error (ASE). Journal of Applied Psychology 89(5), 2004.
   DOI 10.1037/0021-9010.89.5.792
.. [6] R. J. Hyndman, Y. Fan, Sample quantiles in statistical packages. The American Statistician 50(4), 1996: definition 7.
   DOI 10.1080/00031305.1996.10473566
.. [7] R. A. Fisher, On the "probable error" of a coefficient of correlation deduced from a small sample. Metron 1, 1921.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from scangrade.grades.feedback import right_alternatives
from scangrade.grades.rounding import rounded
from scangrade.grades.total import rounded_points
from scangrade.model import Policy, Question, Rubric
from scangrade.settings import StatisticsSettings


@dataclass(frozen=True, slots=True)
class Response:
    """What the statistics take of one booklet."""

    version: str  #: "" without versions, or where it is not known
    points: Fraction | None  #: of the exam, its floor applied; None where they are not certain
    scores: Mapping[str, Fraction | None]  #: by question; None where they are not certain
    marked: Mapping[str, frozenset[str]]  #: by question, the alternatives marked; only questions without an open box


@dataclass(frozen=True, slots=True)
class Bin:
    """A bar of the distribution: points from `low` up to, but without, `high`; the last one has its `high` too."""

    low: Fraction
    high: Fraction
    count: int


@dataclass(frozen=True, slots=True)
class Scores:
    """The distribution of points."""

    count: int  #: booklets, at least 1
    least: Fraction
    quartiles: tuple[Fraction, Fraction, Fraction]
    most: Fraction
    mean: Fraction
    deviation: float | None  #: of the sample; None for one booklet
    bins: tuple[Bin, ...]
    passed: int | None  #: None without a pass mark


@dataclass(frozen=True, slots=True)
class Reliability:
    """Cronbach's alpha."""

    questions: int
    alpha: float
    error: float  #: its standard error
    measurement_error: float  #: standard error of measurement, in points


@dataclass(frozen=True, slots=True)
class Alternative:
    """How often one alternative of one version was marked, and by whom."""

    version: str
    name: str
    right: bool
    booklets: int  #: of this version that answer the question without an open box
    marked: int
    upper: Fraction | None  #: share of the upper group that marked it; None without groups, or with nobody of them
    middle: Fraction | None
    lower: Fraction | None
    correlation: float | None  #: of marking it with the points of all other questions


@dataclass(frozen=True, slots=True)
class QuestionStatistics:
    """How one question did."""

    question: str
    points: Fraction  #: the most that it is worth
    mean: Fraction
    difficulty: Fraction | None  #: mean over most: 1 is what everybody knew; None for a question of 0 points
    deviation: float | None
    correlation: float | None  #: with the sum of all other questions; None where either does not vary, or there is no other
    discrimination: Fraction | None  #: upper less lower group's mean, over the most; None without groups
    alternatives: tuple[Alternative, ...]
    suspicions: tuple[str, ...]  #: why it looks miskeyed, in words; empty where it does not


@dataclass(frozen=True, slots=True)
class ExamStatistics:
    """All that is said of an exam's questions and points."""

    booklets: int  #: all of the run
    counted: int  #: those that the statistics rest on
    left_out: int  #: those with open points in a question that counts
    questions: tuple[QuestionStatistics, ...]  #: those that count, in the rubric's order
    waiting: tuple[str, ...]  #: questions left out, since most booklets have no certain points for them
    void: tuple[str, ...]  #: questions that were voided, which are not looked at
    most: Fraction  #: points that the questions that count are worth together
    scores: Scores | None  #: None without any booklet
    reliability: Reliability | None
    no_reliability: str  #: why there is none, in words
    group: int  #: booklets of the upper and of the lower group; 0 where there are too few to make groups


def exam_statistics(
    responses: Sequence[Response],
    rubric: Rubric,
    alternatives: Mapping[str, Sequence[str]],
    *,
    pass_mark: Fraction | None,
    settings: StatisticsSettings,
) -> ExamStatistics:
    """Work out the statistics of an exam.

    Parameters
    ----------
    responses : sequence of Response
        One per booklet, in any order: nothing depends on it.
    rubric : Rubric
    alternatives : mapping of question id to sequence of str
        Boxes of questions that are answered by marking alternatives.
    pass_mark : Fraction or None
        Points with which the exam is passed, held against points as the gradebook shows them. Ignored where questions are left out.
    settings : StatisticsSettings

    Notes
    -----
    Difficulty is the mean over the most points. The corrected item-total correlation is Pearson's between a question and the sum of
    all others [2]_. For the upper-lower index the best and the worst 27 % are held against each other [1]_; where several booklets tie
    at the border of a group, each counts in part, so that the index does not depend on their order. Alpha is
    ``k / (k - 1) * (1 - sum of the questions' variances / variance of their sum)`` [3]_, its standard error that of [4]_ as in [5]_.
    """
    certain = {one.id: sum(response.scores.get(one.id) is not None for response in responses) for one in rubric.questions}
    least = settings.least_certain_share * len(responses)
    valid = [one for one in rubric.questions if one.void is None]
    counting = [one for one in valid if responses and certain[one.id] > 0 and certain[one.id] >= least]
    waiting = tuple(one.id for one in valid if one not in counting)
    complete = [one for one in responses if counting and all(one.scores.get(each.id) is not None for each in counting)]
    rows = [[_certain(response.scores[one.id]) for one in counting] for response in complete]
    sums = [sum(row, Fraction(0)) for row in rows]
    most = sum((one.maximum for one in counting), Fraction(0)) if waiting else rubric.total
    totals = sums if waiting else [_certain(one.points) for one in complete]
    groups = _groups(sums, settings)
    reliability, why = _reliability(rows, sums)
    return ExamStatistics(
        len(responses),
        len(complete),
        len(responses) - len(complete),
        tuple(
            _question(one, [row[place] for row in rows], sums, complete, groups, alternatives.get(one.id, ()), settings)
            for place, one in enumerate(counting)
        )
        if complete
        else (),
        waiting,
        tuple(one.id for one in rubric.questions if one.void is not None),
        most,
        _scores(totals, most, None if waiting else pass_mark, rubric, settings) if totals else None,
        reliability,
        why,
        groups.size if groups else 0,
    )


def _certain(points: Fraction | None) -> Fraction:
    assert points is not None
    return points


# --------------------------------------------------------------------------- points


def _scores(
    totals: Sequence[Fraction], most: Fraction, pass_mark: Fraction | None, rubric: Rubric, settings: StatisticsSettings
) -> Scores:
    ordered = sorted(totals)
    passed = None if pass_mark is None else sum(rounded_points(one, rubric) >= pass_mark for one in totals)
    return Scores(
        len(ordered),
        ordered[0],
        (quantile(ordered, Fraction(1, 4)), quantile(ordered, Fraction(1, 2)), quantile(ordered, Fraction(3, 4))),
        ordered[-1],
        sum(ordered, Fraction(0)) / len(ordered),
        deviation(ordered),
        bins(ordered, most, settings.most_bins),
        passed,
    )


def quantile(ordered: Sequence[Fraction], share: Fraction) -> Fraction:
    """A quantile by linear interpolation between neighbours, as spreadsheets, R and numpy do [6]_; at least one value, in order.

    Examples
    --------
    >>> quantile([Fraction(1), Fraction(2), Fraction(4)], Fraction(3, 4))
    Fraction(3, 1)
    """
    place = share * (len(ordered) - 1)
    before = math.floor(place)
    after = min(before + 1, len(ordered) - 1)
    return ordered[before] + (place - before) * (ordered[after] - ordered[before])


def deviation(values: Sequence[Fraction]) -> float | None:
    """Standard deviation of the population that a sample comes from (n - 1); None for fewer than two values."""
    if len(values) < 2:
        return None
    return math.sqrt(_squares(values) / (len(values) - 1))


def _squares(values: Sequence[Fraction]) -> Fraction:
    """Sum of the squared distances from the mean."""
    scaled, scale = _whole(values)
    total = sum(scaled)
    return Fraction(len(scaled) * sum(one * one for one in scaled) - total * total, len(scaled) * scale * scale)


def bins(ordered: Sequence[Fraction], most: Fraction, most_bins: int) -> tuple[Bin, ...]:
    """Bars of equal width that people can read (1, 2 or 5 times a power of ten), from 0 or below it up to the most points."""
    low, high = min(ordered[0], Fraction(0)), max(ordered[-1], most)
    if low == high:
        high = low + 1
    width = _readable_width((high - low) / most_bins)
    first, last = math.floor(low / width), math.ceil(high / width)
    counts = [0] * (last - first)
    for one in ordered:
        counts[min(math.floor(one / width) - first, len(counts) - 1)] += 1
    return tuple(Bin((first + k) * width, (first + k + 1) * width, count) for k, count in enumerate(counts))


def _readable_width(least: Fraction) -> Fraction:
    power = Fraction(10) ** math.floor(math.log10(least))
    return next(power * step for step in (1, 2, 5, 10, 20) if power * step >= least)


# --------------------------------------------------------------------------- correlation


def correlation(one: Sequence[Fraction], other: Sequence[Fraction]) -> float | None:
    """Pearson's correlation; None where one of them does not vary, or there are fewer than two values.

    Examples
    --------
    >>> correlation([Fraction(1), Fraction(2), Fraction(3)], [Fraction(2), Fraction(4), Fraction(7)])
    0.9933992677987828
    """
    if len(one) < 2:
        return None
    (first, _), (second, _) = _whole(one), _whole(other)
    n, sum_first, sum_second = len(first), sum(first), sum(second)
    across = n * sum(a * b for a, b in zip(first, second, strict=True)) - sum_first * sum_second
    spread = n * sum(a * a for a in first) - sum_first**2
    spread_other = n * sum(b * b for b in second) - sum_second**2
    if not spread or not spread_other:
        return None
    return across / math.sqrt(spread * spread_other)


def _whole(values: Sequence[Fraction]) -> tuple[list[int], int]:
    """The values as whole numbers and the number that they were multiplied with: whole numbers add up much faster than fractions."""
    scale = math.lcm(*(one.denominator for one in values))
    return [int(one * scale) for one in values], scale


def _bounds(r: float, n: int, z: float) -> tuple[float, float]:
    """Interval of a correlation by Fisher's transformation [7]_."""
    if n <= 3 or abs(r) >= 1:
        return (-1.0, 1.0) if n <= 3 else (r, r)
    middle, reach = math.atanh(r), z / math.sqrt(n - 3)
    return math.tanh(middle - reach), math.tanh(middle + reach)


# --------------------------------------------------------------------------- reliability


def _reliability(rows: Sequence[Sequence[Fraction]], sums: Sequence[Fraction]) -> tuple[Reliability | None, str]:
    if len(rows) < 2:
        return None, "it takes at least two booklets whose points are certain"
    questions = len(rows[0])
    if questions < 2:
        return None, "it takes at least two questions"
    whole = _squares(sums)
    if not whole:
        return None, "all booklets have the same points"
    parts = sum((_squares([row[place] for row in rows]) for place in range(questions)), Fraction(0))
    alpha = float(Fraction(questions, questions - 1) * (1 - parts / whole))
    measurement = math.sqrt(float(whole) / (len(rows) - 1) * max(0.0, 1 - alpha))
    return Reliability(questions, alpha, _alpha_error(rows), measurement), ""


def _alpha_error(rows: Sequence[Sequence[Fraction]]) -> float:
    """Standard error of alpha, for which points need only have finite fourth moments; see [4]_, and [5]_ for this form."""
    scores = np.array([[float(one) for one in row] for row in rows])
    covariance = np.cov(scores, rowvar=False)
    k = covariance.shape[0]
    whole, trace = float(covariance.sum()), float(np.trace(covariance))
    squared = covariance @ covariance
    spread = whole * (float(np.trace(squared)) + trace**2) - 2 * trace * float(squared.sum())
    return math.sqrt(max(0.0, 2 * k**2 / ((k - 1) ** 2 * whole**3) * spread) / len(rows))


# --------------------------------------------------------------------------- groups


@dataclass(frozen=True, slots=True)
class _Group:
    """Booklets of a group, by their places in the sequence of all."""

    whole: frozenset[int]
    border: frozenset[int]  #: that tie at the border, and of which each counts as `part`
    part: Fraction

    def among(self, places: frozenset[int]) -> Fraction:
        """How many of some booklets belong to the group."""
        return len(self.whole & places) + self.part * len(self.border & places)

    def mean(self, values: Sequence[Fraction]) -> Fraction:
        """Mean of the group's values, of all booklets' ones."""
        inside, tied = (sum((values[place] for place in some), Fraction(0)) for some in (self.whole, self.border))
        return (inside + self.part * tied) / (len(self.whole) + self.part * len(self.border))


@dataclass(frozen=True, slots=True)
class _Groups:
    size: int
    upper: _Group
    lower: _Group


def _groups(sums: Sequence[Fraction], settings: StatisticsSettings) -> _Groups | None:
    if len(sums) < settings.least_for_groups:
        return None
    size = math.floor(Fraction(str(settings.group_share)) * len(sums) + Fraction(1, 2))
    return _Groups(size, _best(sums, size), _best([-one for one in sums], size))


def _best(sums: Sequence[Fraction], size: int) -> _Group:
    border = sorted(sums, reverse=True)[size - 1]
    above = frozenset(place for place, one in enumerate(sums) if one > border)
    tied = frozenset(place for place, one in enumerate(sums) if one == border)
    return _Group(above, tied, Fraction(size - len(above), len(tied)))


# --------------------------------------------------------------------------- questions


def _question(
    question: Question,
    scores: Sequence[Fraction],
    sums: Sequence[Fraction],
    responses: Sequence[Response],
    groups: _Groups | None,
    names: Sequence[str],
    settings: StatisticsSettings,
) -> QuestionStatistics:
    mean = sum(scores, Fraction(0)) / len(scores)
    rest = [total - own for total, own in zip(sums, scores, strict=True)]
    discrimination = None
    if groups is not None and question.points:
        discrimination = (groups.upper.mean(scores) - groups.lower.mean(scores)) / question.points
    by_version: dict[str, list[int]] = defaultdict(list)
    for place, response in enumerate(responses):
        if question.id in response.marked:
            by_version[response.version].append(place)
    alternatives: list[Alternative] = []
    suspicions: list[str] = []
    for version, places in sorted(by_version.items()) if names else ():
        found = _alternatives(question, version, places, rest, responses, groups, names)
        alternatives += found
        suspicions += _suspicions(question, version, found, settings) if groups else []
    return QuestionStatistics(
        question.id,
        question.points,
        mean,
        mean / question.points if question.points else None,
        deviation(scores),
        correlation(scores, rest),
        discrimination,
        tuple(alternatives),
        tuple(suspicions),
    )


def _alternatives(
    question: Question,
    version: str,
    places: Sequence[int],
    rest: Sequence[Fraction],
    responses: Sequence[Response],
    groups: _Groups | None,
    names: Sequence[str],
) -> list[Alternative]:
    right = right_alternatives(question, version)
    all_of_them = frozenset(places)
    others, _ = _whole([rest[place] for place in places])
    spread = len(others) * sum(one * one for one in others) - sum(others) ** 2
    rest_of = dict(zip(places, others, strict=True))
    found = []
    for name in names:
        chosen = frozenset(place for place in places if name in responses[place].marked[question.id])
        upper = middle = lower = None
        if groups is not None:
            ups, downs = groups.upper.among(all_of_them), groups.lower.among(all_of_them)
            best, weakest = groups.upper.among(chosen), groups.lower.among(chosen)
            upper, lower = _share(best, ups), _share(weakest, downs)
            middle = _share(len(chosen) - best - weakest, len(places) - ups - downs)
        # Pearson's correlation of 0 and 1 with the points of all other questions
        across = len(places) * sum(rest_of[place] for place in chosen) - len(chosen) * sum(others)
        both = len(chosen) * (len(places) - len(chosen)) * spread
        r = across / math.sqrt(both) if both else None
        found.append(Alternative(version, name, name in right, len(places), len(chosen), upper, middle, lower, r))
    return found


def _share(part: Fraction, whole: Fraction) -> Fraction | None:
    return part / whole if whole else None


def _suspicions(
    question: Question, version: str, alternatives: Sequence[Alternative], settings: StatisticsSettings
) -> list[str]:
    """Why a question looks miskeyed: an alternative that the better booklets mark though the key calls it wrong, or the other way.

    The correlation with all other questions must be beyond chance, and the upper group must prefer the alternative: to what the key
    calls right, where one mark is right; by more than half of it, where several can be.
    """
    where = f"version {version}: " if version else ""
    one_right = question.policy is Policy.SINGLE
    best_right = max((one.upper for one in alternatives if one.right and one.upper is not None), default=Fraction(0))
    border = best_right if one_right else Fraction(1, 2)
    found = []
    for one in alternatives:
        if one.correlation is None or one.upper is None or one.lower is None:
            continue
        low, high = _bounds(one.correlation, one.booklets, settings.suspicion_z)
        shares = f"{_percent(one.upper)} of the best mark it and {_percent(one.lower)} of the weakest"
        if not one.right and low > 0 and one.upper > border and one.upper > one.lower:
            found.append(f"{where}the key calls {one.name} wrong, but {shares}")
        elif one.right and high < 0 and one.upper < Fraction(1, 2) and one.upper < one.lower:
            found.append(f"{where}the key calls {one.name} right, but only {shares}")
    return found


def _percent(share: Fraction) -> str:
    return f"{rounded(share * 100, 0)} %"
