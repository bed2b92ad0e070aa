"""From the points of questions to the points of the exam, and to a grade: sum, guess correction, floor and cap, one rounding, scale.

Every step is monotone, so that the least points of all questions give the least points of the exam, and the most the most. All is exact
until the one rounding, which only what is shown goes through (`shown_points`); the grade follows from what is shown, so that
anybody can look it up.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from scangrade.grades.rounding import exact, rounded, summed, to_step
from scangrade.model import Rubric, Scale, Scorecard


def exam_points(points: Mapping[str, Fraction], rubric: Rubric) -> Fraction:
    """The exact points of an exam from those of its questions: their sum, after guess correction, floor and cap."""
    return _held(_corrected(points, rubric), rubric)


def _corrected(points: Mapping[str, Fraction], rubric: Rubric) -> Fraction:
    total = summed(points.values())
    if rubric.guess is None:
        return total
    most = guessed_maximum(rubric)
    earned = sum((points[one] for one in _guessed(rubric)), Fraction(0))
    chance = rubric.guess.chance
    return total - earned + (earned - most * chance) / (most - most * chance) * most if most else total


def _guessed(rubric: Rubric) -> list[str]:
    """Questions that the guess correction is about: those that count, and are no bonus."""
    wanted = rubric.guess.questions if rubric.guess else ()
    return [one.id for one in rubric.questions if one.id in wanted and one.void is None and not one.bonus]


def guessed_maximum(rubric: Rubric) -> Fraction:
    """Most points of the questions that the guess correction is about."""
    concerned = set(_guessed(rubric))
    return sum((one.points for one in rubric.questions if one.id in concerned), Fraction(0))


def _held(points: Fraction, rubric: Rubric) -> Fraction:
    if rubric.floor is not None and points < rubric.floor:
        return rubric.floor
    return rubric.cap if rubric.cap is not None and points > rubric.cap else points


def rounded_points(points: Fraction, rubric: Rubric) -> Fraction:
    """The exam's points as they are shown: rounded once, half up, to the rubric's step or else to its decimals."""
    return to_step(points, rubric.round_to or Fraction(1, 10**rubric.places))


def shown_points(points: Fraction, rubric: Rubric) -> str:
    """The exam's points as text."""
    return exact(rounded_points(points, rubric))


def grade_of(points: Fraction, rubric: Rubric) -> str:
    """The grade for the exam's points, "" where the rubric has no scale."""
    if rubric.scale is None:
        return ""
    return _on_scale(rounded_points(points, rubric), rubric.scale)


def _on_scale(points: Fraction, scale: Scale) -> str:
    """Below the first points of a scale its first grade holds, above the last ones its last."""
    place = max((number for number, least in enumerate(scale.points) if points >= least), default=0)
    if not scale.line:
        return scale.grades[place]
    grades = [Fraction(one) for one in scale.grades]
    grade = grades[place]
    if place + 1 < len(grades) and points > scale.points[place]:
        share = (points - scale.points[place]) / (scale.points[place + 1] - scale.points[place])
        grade += share * (grades[place + 1] - grade)
    return _with_zeros(to_step(grade, scale.round_to), scale.round_to)


def _with_zeros(grade: Fraction, step: Fraction) -> str:
    """A grade with as many decimals as its step has: "7.0" where grades go in tenths."""
    decimals = len(exact(step).partition(".")[2])
    whole, _, rest = rounded(grade, decimals).partition(".")
    return f"{whole}.{rest:0<{decimals}}" if decimals else whole


def total_rule(card: Scorecard, rubric: Rubric) -> str:
    """How the exam's points came from those of its questions, for people; "" where they are not certain."""
    points = {one.question: one.points for one in card.questions}
    certain = {name: one for name, one in points.items() if one is not None}
    if len(certain) < len(points) or card.points is None:
        return f"sum of the questions, {exact(card.low)} to {exact(card.high)}"
    total = summed(certain.values())
    said = [f"sum {exact(total)}"]
    if rubric.guess is not None and guessed_maximum(rubric):
        most = guessed_maximum(rubric)
        earned = sum((certain[one] for one in _guessed(rubric)), Fraction(0))
        after = _corrected(certain, rubric)
        said.append(f"guess correction {exact(rubric.guess.chance)} on {exact(earned)} of {exact(most)}: {exact(after)}")
        total = after
    if rubric.floor is not None and total < rubric.floor:
        said.append(f"floor {exact(rubric.floor)}")
    if rubric.cap is not None and total > rubric.cap:
        said.append(f"cap {exact(rubric.cap)}")
    final = rounded_points(card.points, rubric)
    if final != card.points:
        step = exact(rubric.round_to) if rubric.round_to else f"{rubric.places} decimals"
        said.append(f"rounded to {step}: {exact(final)}")
    return ", ".join(said)
