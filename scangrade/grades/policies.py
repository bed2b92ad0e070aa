"""Scoring policies: what a set of marked alternatives is worth.

One function per policy, all of one kind, in one table: a further policy is one more function. Points are exact; nothing is rounded
here. Doubt about marks is not seen here either: `scangrade.grades.score` asks what every possible set of marks would be worth.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from scangrade.grades.rounding import exact, extremes
from scangrade.model import Keys, Policy, Question, RExamsRule, Void

HALF: Final = Fraction(1, 2)
_CREDIT_BOX: Final = re.compile(r"(\d+)(H?)")


@dataclass(frozen=True, slots=True)
class Award:
    """What a policy gives for a set of marks."""

    points: Fraction | None  #: None where the rubric leaves it to a person
    rule: str  #: what the policy saw and did, for people


#: Takes a question, the booklet's version ("" without versions) and the marked alternatives.
Scoring = Callable[[Question, str, frozenset[str]], Award]


def all_or_nothing(question: Question, version: str, marked: frozenset[str]) -> Award:
    """Full points when exactly the alternatives of a key are marked and no other, else 0; a key may be empty."""
    keys = keys_of(question, version)
    return Award(question.points if marked in keys else Fraction(0), f"all-or-nothing: {_saw(marked, keys)}")


def per_alternative(question: Question, version: str, marked: frozenset[str]) -> Award:
    """The sum of the points of the marked alternatives, then floor and cap; an alternative without a value is worth 0."""
    values = values_of(question, version)
    total = sum((values.get(one, Fraction(0)) for one in marked), Fraction(0))
    points = _within(total, question.floor, question.cap)
    held = "" if points == total else f", {'floor' if points > total else 'cap'} {exact(points)}"
    return Award(points, f"per-alternative: marked {_terms(marked, values, Fraction(0))}, sum {exact(total)}{held}")


def moodle(question: Question, version: str, marked: frozenset[str]) -> Award:
    """The points times the sum of the fractions of the marked alternatives, which counts from 0 to 1 (Moodle's multi-answer)."""
    values = values_of(question, version)
    total = sum((values.get(one, Fraction(0)) for one in marked), Fraction(0))
    share = _within(total, Fraction(0), Fraction(1))
    held = "" if share == total else f", counts as {exact(share)}"
    return Award(
        share * question.points, f"moodle: marked {_terms(marked, values, Fraction(0))}, fractions {exact(total)}{held}"
    )


def qti(question: Question, version: str, marked: frozenset[str]) -> Award:
    """The sum of the mapped points, `default` for a mark that is not mapped, between the lower and the upper bound (QTI mapResponse)."""
    values = values_of(question, version)
    total = sum((values.get(one, question.default) for one in marked), Fraction(0))
    points = _within(total, question.floor, question.cap)
    held = "" if points == total else f", {'lower' if points > total else 'upper'} bound {exact(points)}"
    return Award(points, f"qti: marked {_terms(marked, values, question.default)}, sum {exact(total)}{held}")


def single(question: Question, version: str, marked: frozenset[str]) -> Award:
    """One mark: the points if it is right, else `wrong`; none: `blank`; several: `multiple`, which may leave it to a person."""
    keys = keys_of(question, version)
    saw = f"single: {_saw(marked, keys)}"
    if marked in keys:
        return Award(question.points, saw)
    if not marked:
        return Award(question.blank, f"{saw}, blank")
    wrong, formula = wrong_points(question), f" -{exact(question.points)}/({len(question.alternatives)} - 1)"
    if len(marked) > 1:
        return Award(wrong if question.multiple_is_wrong else question.multiple, f"{saw}, several marks")
    return Award(wrong, f"{saw}, wrong{formula if question.wrong is None else ''}")


def wrong_points(question: Question) -> Fraction:
    """What a wrong answer earns: a number, or by formula so that a blind guess earns nothing on average.

    Raises
    ------
    ValueError
        If it goes by formula and the question has fewer than two alternatives.
    """
    if question.wrong is not None:
        return question.wrong
    if len(question.alternatives) < 2:
        raise ValueError(f"question {question.id}: the formula needs two alternatives, not {len(question.alternatives)}")
    return -question.points / (len(question.alternatives) - 1)


# --------------------------------------------------------------------------- policies that count right and wrong marks


@dataclass(frozen=True, slots=True)
class Count:
    """How many alternatives are right and wrong by a key, and how many of either are marked."""

    key: int
    others: int
    right: int
    wrong: int

    @property
    def deviations(self) -> int:
        """Boxes that are not as they should be."""
        return self.key - self.right + self.wrong


#: Takes a question and a count; gives the share of the question's points.
Sharing = Callable[[Question, Count], Fraction]


def per_box(question: Question, count: Count) -> Fraction:  # noqa: ARG001 - all sharings are of one kind
    """Every box in its right state earns its share (Auto Multiple Choice)."""
    return Fraction(count.key + count.others - count.deviations, count.key + count.others)


def one_deviation_half(question: Question, count: Count) -> Fraction:  # noqa: ARG001
    """Everything right earns all, exactly one wrong box half, else nothing."""
    return Fraction(1) if not count.deviations else HALF if count.deviations == 1 else Fraction(0)


def no_over_selection(question: Question, count: Count) -> Fraction:  # noqa: ARG001
    """Every right mark earns its share; more marks than right alternatives earn nothing. Where none is right, only a blank earns all."""
    if count.right + count.wrong > count.key:
        return Fraction(0)
    return Fraction(count.right, count.key) if count.key else Fraction(1)


def r_exams(question: Question, count: Count) -> Fraction:
    """What R/exams' `exams_eval` gives, for multiple choice.

    References
    ----------
    .. [1] The package's function `exams_eval`: https://www.r-exams.org, CRAN package exams.
    """
    blank, least = not count.right + count.wrong, -question.negative
    if not question.partial:
        if blank and question.negative:
            return Fraction(0)
        return Fraction(1) if not count.deviations else least
    earned = Fraction(count.right, count.key) if count.right else Fraction(0)
    if count.wrong:
        parts = {
            RExamsRule.FALSE2: max(count.others, 2),
            RExamsRule.FALSE: count.others,
            RExamsRule.TRUE: count.key,
            RExamsRule.ALL: 1,
        }
        part = parts.get(question.rule)
        if part == 0:  # no alternative is right, and a wrong mark costs one by how many are
            return least
        earned -= Fraction(count.wrong, part) if part else 0
    return max(earned, least)


#: What a count of right and wrong marks earns, by policy.
SHARINGS: Final[Mapping[Policy, Sharing]] = {
    Policy.PER_BOX: per_box,
    Policy.ONE_DEVIATION_HALF: one_deviation_half,
    Policy.NO_OVER_SELECTION: no_over_selection,
    Policy.R_EXAMS: r_exams,
}


def counted(question: Question, version: str, marked: frozenset[str]) -> Award:
    """The share that the policy gives for right and wrong marks; by the best key where several are right."""
    keys = keys_of(question, version)
    sharing = SHARINGS[question.policy]
    shares = [(sharing(question, _count(question, key, marked)), place) for place, key in enumerate(keys)]
    share, place = max(shares, key=lambda one: (one[0], -one[1]))
    count = _count(question, keys[place], marked)
    how = question.policy.value
    if question.policy is Policy.R_EXAMS:
        how += f" {question.rule}" if question.partial else " without partial credit"
    saw = f"{count.right} of {count.key} right and {count.wrong} wrong marked"
    return Award(share * question.points, f"{how}: {_saw(marked, keys)}, {saw}, {exact(share)} of the points")


def _count(question: Question, key: frozenset[str], marked: frozenset[str]) -> Count:
    if not question.alternatives:
        raise ValueError(f"question {question.id}: its alternatives are not known; see `with_alternatives`")
    others = len(set(question.alternatives) - key)
    return Count(len(key), others, len(marked & key), len(marked - key))


def credit(question: Question, version: str, marked: frozenset[str]) -> Award:  # noqa: ARG001 - versions have no part in it
    """One marked number is the credit; a number and the H that follows it are that number and a half; all else is for a person."""
    numbers = [one for one in marked if not one.endswith("H")]
    saw = f"credit: marked {_listed(marked)}"
    points = credit_value(numbers[0]) if len(numbers) == 1 else None
    halves = marked - set(numbers)
    if points is None or halves - {f"{numbers[0]}H"}:
        return Award(None, f"{saw}, which is no credit")
    points += HALF if halves else 0
    if points > question.points:
        return Award(None, f"{saw}, more than the question's {exact(question.points)}")
    return Award(points, saw)


#: What scores marks, by policy. `Policy.OPEN` is not here: its points come from a person.
POLICIES: Final[Mapping[Policy, Scoring]] = {
    Policy.ALL_OR_NOTHING: all_or_nothing,
    Policy.PER_ALTERNATIVE: per_alternative,
    Policy.SINGLE: single,
    Policy.MOODLE: moodle,
    Policy.QTI: qti,
    **dict.fromkeys(SHARINGS, counted),
    Policy.CREDIT: credit,
}

#: Policies that hold marks against a key, and those that sum the values of marks.
KEYED: Final = frozenset({Policy.ALL_OR_NOTHING, Policy.SINGLE, *SHARINGS})
SUMMED: Final = frozenset({Policy.PER_ALTERNATIVE, Policy.MOODLE, Policy.QTI})


def keys_of(question: Question, version: str) -> Keys:
    """The keys that hold for a version; those without a version hold for all. Empty where there is none."""
    return question.keys.get(version, question.keys.get("", ()))


def values_of(question: Question, version: str) -> Mapping[str, Fraction]:
    """The points per alternative that hold for a version; those without a version hold for all. Empty where there are none."""
    return question.values.get(version, question.values.get("", {}))


def criteria_points(question: Question, met: Iterable[str]) -> Fraction | None:
    """What an open answer earns that meets these criteria: their sum, between the question's floor and its points.

    None where the rubric lacks one of them.
    """
    known = {one.id: one.points for one in question.criteria}
    wanted = set(met)
    if not wanted <= known.keys():
        return None
    return _within(sum((known[one] for one in wanted), Fraction(0)), question.floor, question.points)


def has_key(question: Question, version: str) -> bool:
    """Whether the rubric says already what is right."""
    if question.policy in KEYED:
        return bool(keys_of(question, version))
    return question.policy not in SUMMED or bool(values_of(question, version))


def credit_value(box: str) -> Fraction:
    """Points that a credit box stands for: "2" is 2, "2H" is 2 and a half.

    Raises
    ------
    ValueError
        If the box is neither a number nor a number's H; layouts have no others.
    """
    match = _CREDIT_BOX.fullmatch(box)
    if match is None:
        raise ValueError(f"{box!r} is no box of a credit column; those are a number, or a number and H")
    return Fraction(match[1]) + (HALF if match[2] else 0)


_NOTHING = Fraction(0)


def widest(question: Question, version: str) -> tuple[Fraction, Fraction]:
    """Least and most points of a question, whatever is marked: holds for every policy."""
    if question.void is not None:
        held = void_points(question)
        return held, held
    if question.policy is Policy.OPEN and question.floor is None and question.points.numerator >= 0:
        return (
            _NOTHING,
            question.points,
        )  # at once, since it is asked of nearly all questions of a booklet until their points are in
    if question.policy in SUMMED:
        return _widest_sum(question, version)
    earned = [_NOTHING, question.points]
    if question.policy is Policy.SINGLE:
        wrong = wrong_points(question)
        earned = [question.points, wrong, question.blank, wrong if question.multiple is None else question.multiple]
    elif question.policy in SHARINGS:
        sharing = SHARINGS[question.policy]
        for key in keys_of(question, version):
            whole = _count(question, key, frozenset())
            counts = (
                replace(whole, right=right, wrong=wrong) for right in range(whole.key + 1) for wrong in range(whole.others + 1)
            )
            earned += [sharing(question, one) * question.points for one in counts]
    elif question.policy is Policy.OPEN and question.floor is not None:
        earned.append(question.floor)
    return extremes(earned)


def void_points(question: Question) -> Fraction:
    """What everybody has of a question that does not count."""
    return question.points if question.void is Void.FULL else Fraction(0)


def _widest_sum(question: Question, version: str) -> tuple[Fraction, Fraction]:
    known = values_of(question, version)
    values = [known.get(one, question.default) for one in {*known, *question.alternatives}]
    low = sum((value for value in values if value < 0), Fraction(0))
    high = sum((value for value in values if value > 0), Fraction(0))
    if question.policy is Policy.MOODLE:
        return Fraction(0), question.points if not known else _within(high, Fraction(0), Fraction(1)) * question.points
    if not known:
        high = question.points
    return _within(low, question.floor, question.cap), _within(high, question.floor, question.cap)


def in_order(alternatives: Iterable[str]) -> list[str]:
    """Alternatives as people list them: A B C, and 2 before 10."""
    return sorted(alternatives, key=lambda one: (len(one), one))


def _within(points: Fraction, floor: Fraction | None, cap: Fraction | None) -> Fraction:
    if floor is not None and points < floor:
        return floor
    return cap if cap is not None and points > cap else points


def _terms(marked: frozenset[str], values: Mapping[str, Fraction], default: Fraction) -> str:
    """The marked alternatives with what each adds."""
    terms = [(one, values.get(one, default)) for one in in_order(marked)]
    return " ".join(f"{one} {'+' if value >= 0 else ''}{exact(value)}" for one, value in terms) or "nothing"


def _saw(marked: frozenset[str], keys: Keys) -> str:
    return f"marked {_listed(marked)}, key {' or '.join(map(_listed, keys))}"


def _listed(alternatives: Iterable[str]) -> str:
    return " ".join(in_order(alternatives)) or "nothing"
