"""Two scorings of the same booklets, held against each other: a corrected rubric against the one before, or two rubrics side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from scangrade.grades.total import grade_of, rounded_points
from scangrade.model import QuestionScore, Rubric, Scorecard


@dataclass(frozen=True, slots=True)
class QuestionChange:
    """A question that is worth something else than before; None where it was, or is, not in the rubric."""

    question: str
    before: QuestionScore | None
    after: QuestionScore | None


@dataclass(frozen=True, slots=True)
class Shown:
    """What the gradebook says of a booklet: points as they are rounded, None and "" where they are not certain."""

    points: Fraction | None
    low: Fraction
    high: Fraction
    grade: str  #: "" without a scale


@dataclass(frozen=True, slots=True)
class Change:
    """A booklet whose points or grade, or what they can become, are not what they were."""

    booklet: str
    before: Shown
    after: Shown
    questions: tuple[QuestionChange, ...]

    @property
    def difference(self) -> Fraction | None:
        """Points more than before, whatever is still decided on open flags; None where that is not certain.

        Questions that wait, such as open ones, leave it certain as long as they are worth the same on both sides: then the least and
        the most points move by the same number, and no floor is in the way.
        """
        low, high = self.after.low - self.before.low, self.after.high - self.before.high
        open_ones = (
            one for pair in self.questions for one in (pair.before, pair.after) if one is not None and one.points is None
        )
        return low if low == high and not any(open_ones) else None


def shown(card: Scorecard, rubric: Rubric) -> Shown:
    """What the gradebook says of a scorecard."""
    points = None if card.points is None else rounded_points(card.points, rubric)
    grade = "" if card.points is None else grade_of(card.points, rubric)
    return Shown(points, rounded_points(card.low, rubric), rounded_points(card.high, rubric), grade)


def changes(
    before: Sequence[Scorecard], after: Sequence[Scorecard], rubric_before: Rubric, rubric_after: Rubric
) -> tuple[Change, ...]:
    """Booklets that are on both sides and of which the gradebook says something else, in the order of `after`.

    A booklet also counts where only a question differs, and its total does not (with a floor, or where two changes cancel out), or only
    its grade (with another scale).
    """
    known = {one.booklet: one for one in before}
    found = []
    for card in after:
        old = known.get(card.booklet)
        if old is None:
            continue
        questions = _changed_questions(old, card)
        was, now = shown(old, rubric_before), shown(card, rubric_after)
        if questions or was != now:
            found.append(Change(card.booklet, was, now, questions))
    return tuple(found)


def _changed_questions(before: Scorecard, after: Scorecard) -> tuple[QuestionChange, ...]:
    old, new = ({one.question: one for one in card.questions} for card in (before, after))
    found = []
    for name in dict.fromkeys([*new, *old]):
        was, now = old.get(name), new.get(name)
        if was is None or now is None or (was.low, was.high) != (now.low, now.high):
            found.append(QuestionChange(name, was, now))
    return tuple(found)


# --------------------------------------------------------------------------- two rubrics


@dataclass(frozen=True, slots=True)
class QuestionPair:
    """What a question earns on average under each rubric, over the booklets where it is certain under both."""

    question: str
    most: Fraction  #: points that it can earn, the larger where the rubrics differ
    first: Fraction
    second: Fraction


@dataclass(frozen=True, slots=True)
class BookletPair:
    """One booklet under both rubrics."""

    booklet: str
    first: Scorecard
    second: Scorecard
    compared: tuple[Fraction, Fraction] | None  #: sums of the compared questions; None where one of them is not certain

    @property
    def difference(self) -> Fraction | None:
        """Points more under the second rubric, in the compared questions."""
        return None if self.compared is None else self.compared[1] - self.compared[0]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The same booklets under two rubrics."""

    first: Rubric
    second: Rubric
    questions: tuple[QuestionPair, ...]  #: those compared
    left_out: tuple[str, ...]  #: questions certain in no booklet, such as open ones whose points are not in yet
    booklets: tuple[BookletPair, ...]

    @property
    def whole(self) -> bool:
        """Whether exams are compared, and not only some of their questions: then the sums are those of the gradebook."""
        return not self.left_out


def compare(first: Rubric, first_cards: Sequence[Scorecard], second: Rubric, second_cards: Sequence[Scorecard]) -> Comparison:
    """Hold the scorings of the same booklets under two rubrics against each other.

    Parameters
    ----------
    first, second : Rubric
    first_cards, second_cards : sequence of Scorecard
        Of the same booklets in the same order.

    Returns
    -------
    Comparison
        Questions that are certain under both rubrics in at least one booklet are compared. Where they are all of the exam, sums are
        the exams' points with their floors; else plain sums of these questions.
    """
    names = list(dict.fromkeys([*(one.id for one in first.questions), *(one.id for one in second.questions)]))
    pairs = list(zip(first_cards, second_cards, strict=True))
    of_first = [{one.question: one.points for one in card.questions} for card, _ in pairs]
    of_second = [{one.question: one.points for one in card.questions} for _, card in pairs]
    compared, left_out = [], []
    for name in names:
        both = [
            (here, there)
            for a, b in zip(of_first, of_second, strict=True)
            if (here := a.get(name)) is not None and (there := b.get(name)) is not None
        ]
        if not both:
            left_out.append(name)
            continue
        most = max(one.points for rubric in (first, second) for one in rubric.questions if one.id == name)
        mean = [sum(side, Fraction(0)) / len(both) for side in zip(*both, strict=True)]
        compared.append(QuestionPair(name, most, mean[0], mean[1]))
    booklets = []
    for (one, other), a, b in zip(pairs, of_first, of_second, strict=True):
        sums: tuple[Fraction, Fraction] | None
        if not left_out:
            sums = None if one.points is None or other.points is None else (one.points, other.points)
        else:
            sides = tuple([held.get(pair.question) for pair in compared] for held in (a, b))
            sums = None if not compared or any(None in side for side in sides) else (_sum(sides[0]), _sum(sides[1]))
        booklets.append(BookletPair(one.booklet, one, other, sums))
    return Comparison(first, second, tuple(compared), tuple(left_out), tuple(booklets))


def _sum(points: Sequence[Fraction | None]) -> Fraction:
    return sum((one for one in points if one is not None), Fraction(0))
