"""What of an answer was right and what was wrong, alternative by alternative, for those who are told.

Only the rubric says what is right. Where it does not, where a mark is open, or where a question was voided, nothing is right or wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from scangrade.grades.policies import KEYED, SUMMED, keys_of, values_of
from scangrade.grades.version import printed_as
from scangrade.model import Answer, Field, FieldKind, Keys, Layout, Policy, Question, Rubric


class Feedback(StrEnum):
    """What is said of one alternative of one answer."""

    RIGHT = "right"  #: marked, and rightly
    WRONG = "wrong"  #: marked, and wrongly
    MISSED = "missed"  #: not marked, and should have been
    LEFT = "left"  #: not marked, and rightly
    MARKED = "marked"  #: marked; neither right nor wrong by itself, or the rubric does not say
    OPEN = "open"  #: a person must still say whether it is marked


@dataclass(frozen=True, slots=True)
class Answered:
    """What a booklet answers to one of the rubric's questions, in the rubric's alternatives whatever its version prints."""

    fields: tuple[Field, ...]
    meant: Mapping[str, str]  #: box to alternative, where a box is not what it says
    marked: frozenset[str]
    open: frozenset[str]  #: alternatives about which a person must still decide

    @property
    def alternatives(self) -> tuple[str, ...]:
        """All of them, as the rubric calls them, in the order of the form."""
        return tuple(self.meant.get(box.value, box.value) for field in self.fields for box in field.boxes)


def choice_fields(
    question: Question, version: str, layout: Layout, rubric: Rubric
) -> tuple[tuple[Field, ...], Mapping[str, str]]:
    """The fields in which a version asks a question by alternatives, and which these its boxes are where they are not what they say."""
    place, meant = printed_as(question.id, version, rubric)
    return tuple(one for one in layout.fields if one.kind is FieldKind.CHOICE and one.question == place), meant


def answered(answers: Sequence[Answer], version: str | None, layout: Layout, rubric: Rubric) -> Mapping[str, Answered]:
    """What a booklet answers to questions by alternatives.

    Questions of which a page is missing are left out, and all of them where versions print them differently and the version is not known.
    """
    if version is None and rubric.permutations:
        return {}
    by_field = {one.field: one for one in answers}
    found = {}
    for question in rubric.questions:
        fields, meant = choice_fields(question, version or "", layout, rubric)
        held = [by_field[one.id] for one in fields if one.id in by_field]
        if not fields or len(held) < len(fields):
            continue
        open_boxes = frozenset(meant.get(box, box) for one in held for box in one.open)
        marked = frozenset(meant.get(box, box) for one in held for box in one.marked)
        found[question.id] = Answered(fields, meant, marked - open_boxes, open_boxes)
    return found


def right_alternatives(question: Question, version: str) -> frozenset[str]:
    """Alternatives that earn something in a version: those of any of its keys, or those with points above 0."""
    if question.policy in SUMMED:
        return frozenset(one for one, points in values_of(question, version).items() if points > 0)
    return frozenset().union(*keys_of(question, version))


def feedback(
    question: Question, version: str | None, marked: frozenset[str], open_boxes: frozenset[str], alternatives: Iterable[str]
) -> Mapping[str, Feedback]:
    """Say of every alternative of an answer whether it was marked rightly.

    Parameters
    ----------
    question : Question
    version : str or None
        Of the booklet; None where it is not known: then nothing is right or wrong.
    marked, open_boxes : frozenset of str
        Alternatives that are marked, and those about which a person must still decide.
    alternatives : iterable of str
        All of them.

    Notes
    -----
    Of several keys the one counts that the marks come nearest to, the first of those equally near.
    """
    told = {}
    for one in alternatives:
        if one in open_boxes:
            told[one] = Feedback.OPEN
        elif one in marked:
            told[one] = _of_mark(question, version, one, marked)
        else:
            told[one] = Feedback.MISSED if _is_missed(question, version, one, marked) else Feedback.LEFT
    return told


def _of_mark(question: Question, version: str | None, alternative: str, marked: frozenset[str]) -> Feedback:
    if version is None or question.void is not None:
        return Feedback.MARKED
    if question.policy in SUMMED:
        points = _value(question, version, alternative)
        return Feedback.RIGHT if points > 0 else Feedback.WRONG if points < 0 else Feedback.MARKED
    keys = keys_of(question, version)
    if question.policy not in KEYED or not keys:
        return Feedback.MARKED
    return Feedback.RIGHT if alternative in _nearest(keys, marked) else Feedback.WRONG


def _is_missed(question: Question, version: str | None, alternative: str, marked: frozenset[str]) -> bool:
    if version is None or question.void is not None:
        return False
    if question.policy in SUMMED:
        return _value(question, version, alternative) > 0
    keys = keys_of(question, version)
    return bool(keys) and alternative in _nearest(keys, marked)


def _value(question: Question, version: str, alternative: str) -> Fraction:
    values = values_of(question, version)
    if not values:
        return Fraction(0)  # not keyed yet
    return values.get(alternative, question.default if question.policy is Policy.QTI else Fraction(0))


def _nearest(keys: Keys, marked: frozenset[str]) -> frozenset[str]:
    return min(keys, key=lambda key: len(key ^ marked))
