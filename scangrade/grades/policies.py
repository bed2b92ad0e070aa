"""Scoring policies: what a set of marked alternatives is worth.

One function per policy, all of one kind, in one table: a further policy is one more function. Points are exact; nothing is rounded
here. Doubt about marks is not seen here either: `scangrade.grades.score` asks what every possible set of marks would be worth.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from scangrade.grades.rounding import exact
from scangrade.model import Keys, Policy, Question

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
    terms = [(one, values.get(one, Fraction(0))) for one in in_order(marked)]
    total = sum((points for _, points in terms), Fraction(0))
    points = _within(total, question.floor, question.cap)
    summed = " ".join(f"{one} {'+' if value >= 0 else ''}{exact(value)}" for one, value in terms) or "nothing"
    held = "" if points == total else f", {'floor' if points > total else 'cap'} {exact(points)}"
    return Award(points, f"per-alternative: marked {summed}, sum {exact(total)}{held}")


def single(question: Question, version: str, marked: frozenset[str]) -> Award:
    """One mark: the points if it is right, else `wrong`; none: `blank`; several: `multiple`, which may leave it to a person."""
    keys = keys_of(question, version)
    saw = f"single: {_saw(marked, keys)}"
    if marked in keys:
        return Award(question.points, saw)
    if not marked:
        return Award(question.blank, f"{saw}, blank")
    if len(marked) > 1:
        return Award(question.multiple, f"{saw}, several marks")
    return Award(question.wrong, f"{saw}, wrong")


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
    Policy.CREDIT: credit,
}


def keys_of(question: Question, version: str) -> Keys:
    """The keys that hold for a version; those without a version hold for all. Empty where there is none."""
    return question.keys.get(version, question.keys.get("", ()))


def values_of(question: Question, version: str) -> Mapping[str, Fraction]:
    """The points per alternative that hold for a version; those without a version hold for all. Empty where there are none."""
    return question.values.get(version, question.values.get("", {}))


def has_key(question: Question, version: str) -> bool:
    """Whether the rubric says already what is right."""
    match question.policy:
        case Policy.ALL_OR_NOTHING | Policy.SINGLE:
            return bool(keys_of(question, version))
        case Policy.PER_ALTERNATIVE:
            return bool(values_of(question, version))
        case Policy.CREDIT | Policy.OPEN:
            return True


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


def widest(question: Question, version: str) -> tuple[Fraction, Fraction]:
    """Least and most points of a question, whatever is marked: holds for every policy."""
    values = values_of(question, version).values() if question.policy is Policy.PER_ALTERNATIVE else ()
    if question.policy is Policy.PER_ALTERNATIVE:
        low = sum((value for value in values if value < 0), Fraction(0))
        high = sum((value for value in values if value > 0), Fraction(0)) if values else question.points
        return _within(low, question.floor, question.cap), _within(high, question.floor, question.cap)
    earned = [Fraction(0), question.points]
    if question.policy is Policy.SINGLE:
        earned = [question.points, question.wrong, question.blank, *([] if question.multiple is None else [question.multiple])]
    return min(earned), max(earned)


def in_order(alternatives: Iterable[str]) -> list[str]:
    """Alternatives as people list them: A B C, and 2 before 10."""
    return sorted(alternatives, key=lambda one: (len(one), one))


def _within(points: Fraction, floor: Fraction | None, cap: Fraction | None) -> Fraction:
    if floor is not None and points < floor:
        return floor
    return cap if cap is not None and points > cap else points


def _saw(marked: frozenset[str], keys: Keys) -> str:
    return f"marked {_listed(marked)}, key {' or '.join(map(_listed, keys))}"


def _listed(alternatives: Iterable[str]) -> str:
    return " ".join(in_order(alternatives)) or "nothing"
