"""Points per question and booklet, and the bounds within which open flags can still move them.

Wherever a mark is open, every set of marks that a person could still decide on is scored by the question's policy; the least and the most
of it are the bounds. If they are equal, the points stand although the mark is open. Points that are not certain are None, never a guess.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations
from types import MappingProxyType
from typing import Final

from scangrade.grades.policies import (
    HALF,
    POLICIES,
    Award,
    credit,
    credit_value,
    has_key,
    in_order,
    void_points,
    widest,
)
from scangrade.grades.rounding import exact, summed
from scangrade.grades.total import exam_points
from scangrade.grades.version import printed_as
from scangrade.model import (
    Answer,
    Field,
    FieldKind,
    Flag,
    FlagKind,
    Layout,
    Policy,
    Question,
    QuestionScore,
    Rubric,
    Scorecard,
    Verdict,
    Void,
)
from scangrade.settings import SCORE, ScoreLimits

_NOTHING: Final[frozenset[str]] = frozenset()
_EVERY_PAGE: Final = 0
_ANSWERED: Final = frozenset({FieldKind.CHOICE, FieldKind.CREDIT})


@dataclass(frozen=True, slots=True)
class PartTotal:
    """Points of one part of the exam."""

    part: str
    points: Fraction | None  #: None while an open flag can change them
    low: Fraction
    high: Fraction


@dataclass(frozen=True, slots=True)
class Given:
    """Points that people gave to one question."""

    points: tuple[Fraction, ...]  #: one number; several where reviewers disagree
    said: str  #: who gave them and why, for people
    unknown: str = ""  #: what the rubric does not have (any more) and they rest on, for people


@dataclass(frozen=True, slots=True)
class _Asked:
    """One question of one booklet: its fields and what they hold, None for a field whose page did not come in."""

    booklet: str
    question: Question
    fields: tuple[Field, ...]
    answers: tuple[Answer | None, ...]
    versions: tuple[str, ...]  #: that the booklet can be
    printed: str = ""  #: the question as which the form prints it, where a version permutes them
    meant: Mapping[str, str] = dataclasses.field(default_factory=dict)  #: box -> alternative of the rubric, where they differ

    def scored(self, version: str, boxes: frozenset[str]) -> Award:
        """What marked boxes are worth in a version."""
        marked = frozenset(self.meant.get(one, one) for one in boxes)
        award = POLICIES[self.question.policy](self.question, version, marked)
        if not self.printed:
            return award
        return replace(award, rule=f"{award.rule} (printed as question {self.printed}: {_listed(boxes)})")


@dataclass(frozen=True, slots=True)
class _Worth:
    """What a question can be worth, and how that came."""

    low: Fraction
    high: Fraction
    rule: str
    flags: tuple[Flag, ...] = ()
    waits_for: str = ""  #: what only a person can give


#: What each field of a question holds; None for one whose page did not come in.
Marks = tuple[frozenset[str] | None, ...]

#: Scores with nothing to look at, each with what it waits for; by question, versions that the booklet can be, and marks.
Made = dict[tuple[str, tuple[str, ...], Marks], tuple[QuestionScore, str]]


def score(
    booklet: str,
    answers: Sequence[Answer],
    layout: Layout,
    rubric: Rubric,
    *,
    version: str | None,
    doubtful: frozenset[int] = frozenset(),
    given: Mapping[str, Given] = MappingProxyType({}),
    limits: ScoreLimits = SCORE,
    made: Made | None = None,
) -> tuple[Scorecard, tuple[Flag, ...]]:
    """Score one booklet.

    Parameters
    ----------
    booklet : str
        The booklet's id.
    answers : sequence of Answer
        What its fields hold; a field whose page did not come in has none.
    layout : Layout
    rubric : Rubric
    version : str or None
        The booklet's version; "" where the exam has none; None if it is not known: then what every version would give counts.
    doubtful : frozenset of int
        Pages of which it is open which image counts (`doubtful_pages`); 0 stands for all. Their questions can be worth anything.
    given : mapping of question id to Given
        Points that people gave by hand: they stand, whatever the marks say.
    limits : ScoreLimits
    made : dict, optional
        Scores that were made before with this layout, rubric and limits; new ones are put in. Most answers are like another booklet's.

    Returns
    -------
    Scorecard
        Points of every question of the rubric, in its order, and of the exam (`exam_points`), all exact; None where not certain.
    tuple of Flag
        `UNSURE_MARK`, `DOUBTFUL_ANSWER` and `CREDIT` per field, `OPEN_POINTS` once. `can_change_points` is false where every
        outcome is worth the same. Missing pages and unknown versions are flagged by those who find them.
    """
    fields: dict[str, list[Field]] = defaultdict(list)
    version_pages = set()
    for one in layout.fields:
        if one.kind in _ANSWERED:
            fields[one.question].append(one)
        elif one.kind is FieldKind.VERSION:
            version_pages.add(one.page)
    by_field = {one.field: one for one in answers}
    if rubric.version_from == "mark" and any(_is_doubtful(page, doubtful) for page in version_pages):
        version = None
    versions = (rubric.versions or ("",)) if version is None else (version,)

    scores: list[QuestionScore] = []
    flags: list[Flag] = []
    waiting: dict[str, list[str]] = defaultdict(list)
    made = {} if made is None else made
    by_marks = not doubtful and not rubric.permutations
    for question in rubric.questions:
        marks = _clear_marks(fields.get(question.id, ()), by_field) if by_marks and question.id not in given else None
        known = made.get((question.id, versions, marks)) if marks is not None else None
        if known is None:
            asked = _asked(booklet, question, versions, rubric, fields, by_field)
            worth = _worth_of(asked, given.get(question.id), doubtful, limits)
            points = _certain(worth.low, worth.high)
            known = QuestionScore(question.id, points, worth.low, worth.high, worth.rule), worth.waits_for
            flags += worth.flags
            if marks is not None and not worth.flags:
                made[question.id, versions, marks] = known
        scored, waits_for = known
        if waits_for and scored.points is None:
            waiting[waits_for].append(question.id)
        scores.append(scored)
    low = exam_points({one.question: one.low for one in scores}, rubric)
    high = (
        low if all(one.low is one.high for one in scores) else exam_points({one.question: one.high for one in scores}, rubric)
    )
    card = Scorecard(booklet, version or "", tuple(scores), _certain(low, high), low, high)
    if waiting:
        said = (f"{what} for question{'s' if len(ids) > 1 else ''} {', '.join(ids)}" for what, ids in waiting.items())
        flags.append(Flag(FlagKind.OPEN_POINTS, f"{'; '.join(said)}.", booklet))
    return card, tuple(flags)


def _clear_marks(fields: Iterable[Field], answers: Mapping[str, Answer]) -> Marks | None:
    """The marks of a question's fields; None where anything is open or doubted."""
    marks: list[frozenset[str] | None] = []
    for one in fields:
        answer = answers.get(one.id)
        if answer is not None and (answer.doubt or answer.open):
            return None
        marks.append(None if answer is None else answer.marked)
    return tuple(marks)


def _worth_of(asked: Sequence[_Asked], given: Given | None, doubtful: frozenset[int], limits: ScoreLimits) -> _Worth:
    if asked[0].question.void is not None:
        return _void(asked[0].question)
    if given is not None:
        return _by_hand(asked[0], given)
    return _any_of(asked, [_in_doubt(one, _worth(one, limits), doubtful) for one in asked])


def _asked(
    booklet: str,
    question: Question,
    versions: Sequence[str],
    rubric: Rubric,
    fields: Mapping[str, Sequence[Field]],
    answers: Mapping[str, Answer],
) -> list[_Asked]:
    """A question as the booklet asks it; once per version where versions print it in different places or orders."""
    if rubric.permutations.keys().isdisjoint(versions):
        own = tuple(fields.get(question.id, ()))
        return [_Asked(booklet, question, own, tuple(answers.get(one.id) for one in own), tuple(versions))]
    found = []
    for version in versions:
        place, meant = printed_as(question.id, version, rubric)
        own = tuple(fields.get(place, ()))
        moved = place if meant or place != question.id else ""
        held = tuple(answers.get(one.id) for one in own)
        found.append(_Asked(booklet, question, own, held, (version,), moved, meant))
    return found


def _any_of(asked: Sequence[_Asked], worths: Sequence[_Worth]) -> _Worth:
    """What a question is worth if it is not known which version the booklet is, and versions print it differently."""
    if len(worths) == 1:
        return worths[0]
    low, high = min(one.low for one in worths), max(one.high for one in worths)
    said = "; ".join(f"{one.versions[0]}: {worth.rule}" for one, worth in zip(asked, worths, strict=True))
    flags = {(flag.kind, flag.field): flag for one in worths for flag in one.flags}
    moved = tuple(replace(flag, can_change_points=low != high) for flag in flags.values())
    waits = next((one.waits_for for one in worths if one.waits_for), "")
    return _Worth(low, high, f"version not known; {said}", moved, waits)


def _void(question: Question) -> _Worth:
    points = void_points(question)
    how = "full points for everybody" if question.void is Void.FULL else "taken out of the total"
    return _Worth(points, points, f"void: {how}")


#: Totals that were made before, each with the scores that it was made from; by part and what these are in memory.
MadeTotals = dict[tuple[str, tuple[int, ...]], tuple[tuple[QuestionScore, ...], PartTotal]]


def part_totals(card: Scorecard, rubric: Rubric, made: MadeTotals | None = None) -> tuple[PartTotal, ...]:
    """Points of every part of the rubric, in its order; the exam's floor does not apply to a part.

    Parameters
    ----------
    card : Scorecard
    rubric : Rubric
    made : dict, optional
        Totals that were made before with this rubric: those of the very same scores are taken over, and new ones are put in. Booklets with
        equal marks share their scores.
    """
    by_question = {one.question: one for one in card.questions}
    made = {} if made is None else made
    totals = []
    for part in rubric.parts:
        own = tuple([by_question[one] for one in part.questions])
        key = part.id, tuple([id(one) for one in own])
        known = made.get(key)
        if known is None:
            low = summed([one.low for one in own])
            high = low if all(one.low is one.high for one in own) else summed([one.high for one in own])
            known = made[key] = own, PartTotal(part.id, _certain(low, high), low, high)
        totals.append(known[1])
    return tuple(totals)


def doubtful_pages(flags: Iterable[Flag]) -> Mapping[str, frozenset[int]]:
    """By booklet, the pages of which open flags leave it open which image counts; 0 in it stands for all pages."""
    pages: dict[str, set[int]] = defaultdict(set)
    for flag in flags:
        if flag.booklet and flag.can_change_points and flag.kind in (FlagKind.DUPLICATE_PAGE, FlagKind.PAGE_ORDER):
            pages[flag.booklet].add(flag.page)
    return {booklet: frozenset(numbers) for booklet, numbers in pages.items()}


def _by_hand(asked: _Asked, given: Given) -> _Worth:
    low, high = min(given.points, default=Fraction(0)), max(given.points, default=Fraction(0))
    flags = []
    least, most = _widest(asked)
    page = asked.fields[0].page if asked.fields else 0
    field = asked.fields[0].id if asked.fields else asked.question.id
    if given.unknown or low < least or high > most:
        outside = f"are not within the {exact(least)} to {exact(most)} that the rubric has for it"
        why = f"points by hand ({given.said}) {given.unknown or outside}"
        detail = f"question {asked.question.id}: {why}. Give its points again."
        flag = Flag(FlagKind.CREDIT, detail, asked.booklet, page, field=field, can_change_points=least != most)
        return _Worth(least, most, f"by hand: {why}", (flag,))
    if low != high:
        detail = f"question {asked.question.id}: reviewers disagree on its points: {given.said}."
        flags.append(Flag(FlagKind.DISAGREEMENT, detail, asked.booklet, page, field=field))
    return _Worth(low, high, f"by hand: {given.said}", tuple(flags))


def _worth(asked: _Asked, limits: ScoreLimits) -> _Worth:
    question = asked.question
    if question.policy is Policy.OPEN:
        return _anything(asked, "points that a person gives are not in yet", waits=True)
    if not all(has_key(question, one) for one in asked.versions):
        return _anything(asked, "the rubric has no key yet", waits=True)
    if not asked.fields:
        return _anything(asked, "the layout has no boxes for it")
    if None in asked.answers:
        missing = {one.page for one, answer in zip(asked.fields, asked.answers, strict=True) if answer is None}
        return _anything(asked, f"page {', '.join(map(str, sorted(missing)))} is missing")
    found = [(one, answer) for one, answer in zip(asked.fields, asked.answers, strict=True) if answer is not None]
    return _credited(asked, found) if question.policy is Policy.CREDIT else _chosen(asked, found, limits)


def _anything(asked: _Asked, why: str, *, waits: bool = False) -> _Worth:
    return _Worth(*_widest(asked), f"{asked.question.policy}: {why}", waits_for=why if waits else "")


def _widest(asked: _Asked) -> tuple[Fraction, Fraction]:
    if len(asked.versions) == 1:
        return widest(asked.question, asked.versions[0])
    bounds = [widest(asked.question, one) for one in asked.versions]
    return min(low for low, _ in bounds), max(high for _, high in bounds)


def _in_doubt(asked: _Asked, worth: _Worth, doubtful: frozenset[int]) -> _Worth:
    """The same where it is certain which images count, else everything that the question can be worth."""
    if not doubtful:
        return worth
    pages = sorted({one.page for one in asked.fields if _is_doubtful(one.page, doubtful)})
    if not pages:
        return worth
    low, high = _widest(asked)
    rule = f"{worth.rule}; which image of page {', '.join(map(str, pages))} counts is not decided"
    return replace(worth, low=min(low, worth.low), high=max(high, worth.high), rule=rule)


# --------------------------------------------------------------------------- alternatives


def _chosen(asked: _Asked, found: Sequence[tuple[Field, Answer]], limits: ScoreLimits) -> _Worth:
    """A question whose alternatives are marked."""
    question = asked.question
    open_boxes = _NOTHING.union(*(answer.open for _, answer in found))
    marked = _NOTHING.union(*(answer.marked for _, answer in found)) - open_boxes
    doubted = any(answer.doubt for _, answer in found)
    if not open_boxes and len(asked.versions) == 1:
        award = asked.scored(asked.versions[0], marked)
        if award.points is not None:
            return _Worth(award.points, award.points, award.rule)
    outcomes = _outcomes(question, marked, open_boxes, doubted=doubted, limits=limits)
    bounds, rules, asks = [], [], False
    for version in asked.versions:
        if outcomes is None:
            bounds.append(widest(question, version))
            continue
        awards = [asked.scored(version, one) for one in outcomes]
        points = [one.points for one in awards if one.points is not None]
        for outcome, award in zip(outcomes, awards, strict=True):
            if award.points is None:
                asks = True
                readings = (asked.scored(version, one).points for one in _at_most_one(outcome))
                points += [one for one in readings if one is not None]
        bounds.append((min(points), max(points)))
        rules.append((version, awards[0]))
    low, high = min(one for one, _ in bounds), max(one for _, one in bounds)
    moves = any(one != other for one, other in bounds)
    if open_boxes:
        rule = f"{question.policy}: marked {_listed(marked)}, open {_listed(open_boxes)}, {_span(low, high)}"
        flags = [_open_flag(asked, field, answer, low, high, moves=moves) for field, answer in found if answer.open]
    else:
        rule = _one_rule(rules)
        flags = [_several_flag(asked, found[0][0], marked, low, high, moves=moves)] if asks else []
    return _Worth(low, high, rule, tuple(flags))


def _outcomes(
    question: Question, marked: frozenset[str], open_boxes: frozenset[str], *, doubted: bool, limits: ScoreLimits
) -> list[frozenset[str]] | None:
    """Every set of marks that a person can still decide on; None if there are too many.

    A doubtful answer to a question that takes one mark becomes one mark or none, unless the rubric has points for several.
    """
    if doubted and question.policy is Policy.SINGLE and question.multiple is None and not question.multiple_is_wrong:
        return _at_most_one(open_boxes | marked)
    if len(open_boxes) > limits.most_open_boxes:
        return None
    boxes = in_order(open_boxes)
    return [marked.union(more) for count in range(len(boxes) + 1) for more in combinations(boxes, count)]


def _at_most_one(boxes: frozenset[str]) -> list[frozenset[str]]:
    return [_NOTHING, *(frozenset({one}) for one in in_order(boxes))]


def _one_rule(rules: Sequence[tuple[str, Award]]) -> str:
    if len(rules) == 1:
        return rules[0][1].rule
    return "version not known; " + "; ".join(f"{version}: {award.rule}" for version, award in rules)


# --------------------------------------------------------------------------- credit columns


@dataclass(frozen=True, slots=True)
class _Column:
    """What one correction's credit can be."""

    credits: frozenset[Fraction]  #: empty where nothing is marked
    fault: str = ""  #: why the marks, though clear, are no credit


def _credited(asked: _Asked, found: Sequence[tuple[Field, Answer]]) -> _Worth:
    """A question whose points a grader marked, in one or more corrections.

    The first correction counts where the later ones are empty; all that are marked must agree. What else is there is for a person: it
    can then be any credit that is part of the marks, and any at all where no number is certainly marked.
    """
    ordered = sorted(found, key=lambda pair: pair[0].correction)
    columns = [_column(asked.question, answer) for _, answer in ordered]
    first, later = columns[0], [one for one in columns[1:] if one.credits]
    anything = frozenset(widest(asked.question, ""))
    credits_ = (first.credits or anything).union(*(one.credits for one in later))
    low, high = min(credits_), max(credits_)
    moves = low != high
    saw = "; ".join(_saw_column(field, answer, len(ordered)) for field, answer in ordered)
    rule = f"credit: {saw}"
    flags = [_open_flag(asked, field, answer, low, high, moves=moves) for field, answer in ordered if answer.open]
    if flags:
        return _Worth(low, high, f"{rule}, {_span(low, high)}", tuple(flags))
    fault = next((one.fault for one in columns if one.fault), "")
    if not fault and not first.credits:
        fault = "only a later correction is marked" if later else "no credit is marked"
    elif not fault and len(credits_) > 1:
        fault = "the corrections disagree"
    if fault:
        field = ordered[0][0]
        detail = (
            f"question {asked.question.id}, page {field.page}: {fault} ({saw}); {_span(low, high)}."
            " Look at the column and say which credit was meant."
        )
        flags = [Flag(FlagKind.CREDIT, detail, asked.booklet, field.page, field=field.id, can_change_points=moves)]
        rule = f"{rule}; {fault}"
    return _Worth(low, high, rule, tuple(flags))


def _column(question: Question, answer: Answer) -> _Column:
    certain = answer.marked - answer.open
    boxes = certain | answer.open
    if not boxes:
        return _Column(frozenset())
    award = credit(question, "", certain)
    if not answer.open and award.points is not None:
        return _Column(frozenset({award.points}))
    numbers = [one for one in boxes if not one.endswith("H")]
    possible = {credit_value(one) for one in numbers}
    possible |= {credit_value(one) + HALF for one in numbers if f"{one}H" in boxes}
    if not certain.intersection(numbers) or max(possible) > question.points:
        possible |= set(widest(question, ""))
    possible = {one for one in possible if one <= question.points}
    return _Column(frozenset(possible), "" if answer.open else award.rule.removeprefix("credit: "))


def _saw_column(field: Field, answer: Answer, columns: int) -> str:
    name = f"correction {field.correction}: " if columns > 1 else ""
    open_boxes = f", open {_listed(answer.open)}" if answer.open else ""
    return f"{name}marked {_listed(answer.marked - answer.open)}{open_boxes}"


# --------------------------------------------------------------------------- flags and sums


def _leaning(probability: float) -> str:
    """What a probability of being marked says in words: a figure beside "not certain" reads as a contradiction."""
    if probability >= 0.9:
        return "looks marked"
    return "looks empty" if probability <= 0.1 else "could be either"


def _open_flag(asked: _Asked, field: Field, answer: Answer, low: Fraction, high: Fraction, *, moves: bool) -> Flag:
    """The flag of a field with open boxes: which, why, and what hangs on them."""
    where = f"question {asked.question.id}, page {field.page}"
    if answer.doubt:
        kind, what = FlagKind.DOUBTFUL_ANSWER, answer.doubt.rstrip(".")
    else:
        unsure = [one for one in answer.verdicts if one.verdict is Verdict.UNSURE]
        boxes = ", ".join(f"{one.box} ({_leaning(one.probability)})" for one in unsure)
        kind, what = FlagKind.UNSURE_MARK, f"it is not certain whether {boxes} {'is' if len(unsure) == 1 else 'are'} marked"
    detail = f"{where}: {what}; {_span(low, high)}. Look at the boxes and say which are marked."
    return Flag(kind, detail, asked.booklet, field.page, field=field.id, can_change_points=moves)


def _several_flag(asked: _Asked, field: Field, marked: frozenset[str], low: Fraction, high: Fraction, *, moves: bool) -> Flag:
    detail = (
        f"question {asked.question.id}, page {field.page}: {_listed(marked)} are marked, and one mark counts; {_span(low, high)}."
        " Say which one was meant."
    )
    return Flag(FlagKind.DOUBTFUL_ANSWER, detail, asked.booklet, field.page, field=field.id, can_change_points=moves)


def _listed(boxes: Iterable[str]) -> str:
    return " ".join(in_order(boxes)) or "nothing"


def _span(low: Fraction, high: Fraction) -> str:
    return f"{exact(low)} points whichever it is" if low == high else f"{exact(low)} to {exact(high)} points"


def _certain(low: Fraction, high: Fraction) -> Fraction | None:
    return low if low is high or low == high else None


def _is_doubtful(page: int, doubtful: frozenset[int]) -> bool:
    return page in doubtful or _EVERY_PAGE in doubtful
