"""What people say an answer is worth: a number of points, or the criteria that it meets.

Decisions keep what was said, never what it came to: when a criterion's points change in the rubric, answers that meet it follow. The
value of a decision is a fraction, such as "7/2", or "criteria" and the ids of those met with blanks between, such as "criteria idea proof".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction
from typing import Final

from scangrade.grades.policies import criteria_points
from scangrade.grades.rounding import exact
from scangrade.model import Question

_CRITERIA: Final = "criteria"
_NUMBER: Final = re.compile(r"[+-]?\d{1,9}([.,]\d{1,9})?|[+-]?\d{1,9}/[1-9]\d{0,8}", re.ASCII)


def criteria_value(question: Question, met: Iterable[str]) -> str:
    """The value of a decision that these criteria are met, in the rubric's order.

    Raises
    ------
    KeyError
        If the question has no such criterion.
    """
    order = {one.id: place for place, one in enumerate(question.criteria)}
    return " ".join([_CRITERIA, *sorted(set(met), key=lambda one: order[one])])


def criteria_of(value: str) -> tuple[str, ...] | None:
    """The criteria that a decision says are met; None where it says a number."""
    head, *met = value.split(" ")
    return tuple(met) if head == _CRITERIA else None


def given_points(value: str, question: Question) -> Fraction | None:
    """The points that a decision gives; None where it names a criterion that the question does not have (any more)."""
    met = criteria_of(value)
    return Fraction(value) if met is None else criteria_points(question, met)


def given_words(value: str, question: Question) -> str:
    """A decision for people: "3.5", or "3.5 (idea, proof)"."""
    met, points = criteria_of(value), given_points(value, question)
    if met is None:
        return exact(Fraction(value))
    return f"{'?' if points is None else exact(points)} ({', '.join(met) or 'no criterion met'})"


def points_in(text: str) -> Fraction | None:
    """A number of points as people write it: 3.5, 3,5 or 7/2; None where it is none.

    Examples
    --------
    >>> points_in("3,5") == points_in("7/2") == points_in("3.5"), points_in("3.5 p")
    (True, None)
    """
    return Fraction(text.replace(",", ".")) if _NUMBER.fullmatch(text) else None
