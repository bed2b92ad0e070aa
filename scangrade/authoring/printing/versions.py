"""Versions of an exam: in which order each prints questions and alternatives. Drawn from a seed, so that they can be printed again."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scangrade.definitions.exam import LETTERS, Asked, Exam


@dataclass(frozen=True, slots=True)
class Placed:
    """What a version prints at the place of a question."""

    question: Asked
    order: tuple[int, ...]  #: by box: the alternative of the exam file that stands there


#: By version ("" where there is one only), then by the id of the place.
Versions = Mapping[str, Mapping[str, Placed]]


def draw_versions(exam: Exam, seed: int) -> Versions:
    """Orders of all versions. The first is the exam file's own.

    Questions change places with those of their part that look alike: as many alternatives, in as many columns, as many marks allowed.
    So every version has the same boxes in the same places, and one layout holds for all.
    """
    names = exam.file.versions or ("",)
    plain = {one.id: Placed(one, tuple(range(len(one.alternatives)))) for one in exam.questions}
    made = {names[0]: plain}
    for name in names[1:]:
        rng = random.Random(f"{seed}/{exam.file.name}/{name}")
        made[name] = _drawn(exam, plain, rng)
    return made


def _drawn(exam: Exam, plain: Mapping[str, Placed], rng: random.Random) -> dict[str, Placed]:
    groups: dict[tuple[object, ...], list[Asked]] = defaultdict(list)
    for one in exam.questions:
        moves = exam.file.shuffle_questions and one.alternatives and not one.stays
        look = (one.part, len(one.alternatives), one.columns, one.many) if moves else (one.id,)
        groups[look].append(one)
    there: dict[str, Asked] = {}
    for group in groups.values():
        there |= dict(zip((one.id for one in group), rng.sample(group, len(group)), strict=True))
    return {place: Placed(there[place], _order(there[place], exam, rng)) for place in plain}


def _order(question: Asked, exam: Exam, rng: random.Random) -> tuple[int, ...]:
    count = len(question.alternatives)
    moving = [number for number in range(count) if number not in question.staying]
    if not exam.file.shuffle_alternatives or not question.shuffles:
        return tuple(range(count))
    drawn = iter(rng.sample(moving, len(moving)))
    return tuple(number if number in question.staying else next(drawn) for number in range(count))


def permutations(versions: Versions) -> dict[str, dict[str, Any]]:
    """The orders as a rubric says them; versions that are printed as the exam file is have none."""
    found: dict[str, dict[str, Any]] = {}
    for version, places in versions.items():
        questions = {place: one.question.id for place, one in places.items() if one.question.id != place}
        alternatives = {
            place: {LETTERS[box]: LETTERS[number] for box, number in enumerate(one.order)}
            for place, one in places.items()
            if one.order != tuple(range(len(one.order)))
        }
        entry: dict[str, Any] = {"questions": questions} if questions else {}
        if alternatives:
            entry["alternatives"] = alternatives
        if entry:
            found[version] = entry
    return found
