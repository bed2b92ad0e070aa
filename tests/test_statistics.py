"""Statistics of questions: against published numbers, against numpy, pandas and the standard library, and where there is little to say."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scangrade.grades.statistics import (
    ExamStatistics,
    Response,
    bins,
    correlation,
    deviation,
    exam_statistics,
    quantile,
)
from scangrade.model import Policy, Question, Rubric, Void
from scangrade.settings import STATISTICS
from tests.records import question

#: Answers of 30 departments to seven questions (S. Chatterjee, B. Price, Regression Analysis by Example, 1977; R's data set
#: `attitude`): rating, complaints, privileges, learning, raises, critical, advance.
ATTITUDE = """
43 51 30 39 61 92 45; 63 64 51 54 63 73 47; 71 70 68 69 76 86 48; 61 63 45 47 54 84 35; 81 78 56 66 71 83 47; 43 55 49 44 54 49 34
58 67 42 56 66 68 35; 71 75 50 55 70 66 41; 72 82 72 67 71 83 31; 67 61 45 47 62 80 41; 64 53 53 58 58 67 34; 67 60 47 39 59 74 41
69 62 57 42 55 63 25; 68 83 83 45 59 77 35; 77 77 54 72 79 77 46; 81 90 50 72 60 54 36; 74 85 64 69 79 79 63; 65 60 65 75 55 80 60
65 70 46 57 75 85 46; 50 58 68 54 64 78 52; 50 40 33 34 43 64 33; 64 61 52 62 66 80 41; 53 66 52 50 63 80 37; 40 37 42 58 50 57 49
63 54 42 48 66 75 33; 66 77 66 63 88 76 72; 78 75 58 74 80 78 49; 48 57 44 45 51 83 38; 85 85 71 71 77 74 55; 82 82 39 59 64 78 39
"""
ATTITUDES = [[int(one) for one in row.split()] for row in ATTITUDE.strip().replace("\n", ";").split(";")]


def scored(table: Sequence[Sequence[int | Fraction | None]], most: int = 1) -> tuple[list[Response], Rubric]:
    """Booklets with these points, and a rubric of questions that are worth `most`."""
    questions = tuple(Question(f"q{number}", Policy.OPEN, Fraction(most)) for number in range(1, len(table[0]) + 1))
    rubric = Rubric("exam", "Exam", questions, total=Fraction(most * len(questions)))
    responses = []
    for row in table:
        points = {one.id: None if value is None else Fraction(value) for one, value in zip(questions, row, strict=True)}
        certain = [one for one in points.values() if one is not None]
        responses.append(Response("", sum(certain, Fraction(0)) if len(certain) == len(points) else None, points, {}))
    return responses, rubric


def analysed(
    responses: Sequence[Response], rubric: Rubric, pass_mark: Fraction | None = None, names: str = "ABCD"
) -> ExamStatistics:
    choices = {one.id: tuple(names) for one in rubric.questions}
    return exam_statistics(responses, rubric, choices, pass_mark=pass_mark, settings=STATISTICS)


# --------------------------------------------------------------------------- published numbers


def test_alpha_and_its_error_as_published() -> None:
    """The help page of `alpha` in R's package psych prints for `attitude`: raw alpha 0.84, ase 0.042, r.drop as below, n 30."""
    found = analysed(*scored(ATTITUDES, 100))
    assert found.reliability is not None
    assert round(found.reliability.alpha, 2) == 0.84
    assert round(found.reliability.error, 3) == 0.042
    dropped = [round(one.correlation, 2) for one in found.questions if one.correlation is not None]
    assert dropped == [0.67, 0.74, 0.56, 0.71, 0.79, 0.27, 0.46]
    assert [round(float(one.mean)) for one in found.questions] == [65, 67, 53, 56, 65, 75, 43]


def test_alpha_of_right_and_wrong_is_kuder_and_richardson_s() -> None:
    """For questions of 0 or 1, alpha is KR-20 (Kuder and Richardson 1937): k / (k - 1) * (1 - sum of p q / variance)."""
    rng = np.random.default_rng(20)
    ability = rng.normal(size=(60, 1))
    table = (ability + rng.normal(size=(60, 12)) > np.linspace(-1, 1, 12)).astype(int)
    p = table.mean(axis=0)
    kr20 = 12 / 11 * (1 - (p * (1 - p)).sum() / table.sum(axis=1).var())
    found = analysed(*scored(table.tolist()))
    assert found.reliability is not None
    assert found.reliability.alpha == pytest.approx(kr20, abs=1e-12)
    spread = table.sum(axis=1).std(ddof=1)
    assert found.reliability.measurement_error == pytest.approx(spread * (1 - kr20) ** 0.5, abs=1e-12)


def test_the_error_of_alpha_is_how_far_alphas_of_samples_lie_apart() -> None:
    """With points distributed normally; 200 samples tell a standard deviation to 5 % (one standard error), so 15 % is allowed."""
    rng = np.random.default_rng(21)
    alphas, errors = [], []
    for _ in range(200):
        ability = rng.normal(size=(80, 1))
        table = np.round(20 * (ability + 1.2 * rng.normal(size=(80, 6)))).astype(int)
        found = analysed(*scored(table.tolist(), 100)).reliability
        assert found is not None
        alphas.append(found.alpha)
        errors.append(found.error)
    assert np.mean(errors) == pytest.approx(np.std(alphas), rel=0.15)


def test_discrimination_worked_by_hand() -> None:
    """Twenty booklets, groups of round(5.4) = 5: all five of the best are right, and one of the five weakest."""
    table = [[1, 10 + k] for k in range(9)] + [[0, k] for k in range(9)] + [[1, 9], [0, 9]]
    table[9] = [1, 0]
    responses, rubric = scored(table, 20)
    rubric = replace(rubric, questions=(replace(rubric.questions[0], points=Fraction(1)), rubric.questions[1]))
    found = analysed(responses, rubric)
    assert found.group == 5
    assert found.questions[0].discrimination == Fraction(4, 5)
    assert found.questions[0].difficulty == Fraction(11, 20)


def test_booklets_that_tie_at_a_border_count_in_part() -> None:
    """Eleven booklets, groups of 3: one has 2, four have 1, of which two count as half of the group's rest, whatever the order."""
    table = [[1, 1], [1, 0], [0, 1], [0, 1], [1, 0], *([[0, 0]] * 6)]
    found = analysed(*scored(table))
    assert found.group == 3
    # upper group: the one with 2, and each of the four with 1 by 2/4; lower group: nobody has a point
    assert found.questions[0].discrimination == (1 + Fraction(1, 2) * 2) / 3
    assert found == analysed(*scored(table[::-1]))


# --------------------------------------------------------------------------- other libraries


POINTS = st.fractions(min_value=-4, max_value=8, max_denominator=12)


@given(st.lists(st.tuples(POINTS, POINTS), min_size=3, max_size=30))
def test_correlation_is_the_standard_library_s(pairs: list[tuple[Fraction, Fraction]]) -> None:
    one, other = [a for a, _ in pairs], [b for _, b in pairs]
    found = correlation(one, other)
    if len(set(one)) == 1 or len(set(other)) == 1:
        assert found is None
    else:
        expected = statistics.correlation([float(a) for a in one], [float(b) for b in other])
        assert found == pytest.approx(expected, abs=1e-6)  # the library's rounding, where values lie close to each other


@given(st.lists(POINTS, min_size=2, max_size=40), st.sampled_from([Fraction(k, 20) for k in range(21)]))
def test_quantiles_and_deviation_are_numpy_s(values: list[Fraction], share: Fraction) -> None:
    floats = [float(one) for one in values]
    assert float(quantile(sorted(values), share)) == pytest.approx(np.quantile(floats, float(share)), abs=1e-9)
    assert deviation(values) == pytest.approx(statistics.stdev(values), abs=1e-9)


def test_correlations_are_pandas_s() -> None:
    table = pd.DataFrame(ATTITUDES)
    found = analysed(*scored(ATTITUDES, 100))
    for place, one in enumerate(found.questions):
        expected = table[place].corr(table.drop(columns=place).sum(axis=1))
        assert one.correlation == pytest.approx(expected, abs=1e-12)
        assert one.deviation == pytest.approx(table[place].std(), abs=1e-12)


@given(st.lists(POINTS, min_size=1, max_size=40), st.fractions(min_value=0, max_value=120, max_denominator=4))
def test_bars_hold_every_booklet_once(values: list[Fraction], most: Fraction) -> None:
    found = bins(sorted(values), most, STATISTICS.most_bins)
    assert sum(one.count for one in found) == len(values)
    assert len(found) <= STATISTICS.most_bins + 1
    for one in found[:-1]:
        assert one.count == sum(one.low <= value < one.high for value in values)
    assert all(before.high == after.low for before, after in pairwise(found))
    assert found[0].low <= min(values) and found[-1].high >= max(*values, most)


def test_bars_that_people_can_read() -> None:
    assert [one.low for one in bins([Fraction(3)], Fraction(24), 25)] == list(range(24))
    assert {one.high - one.low for one in bins([Fraction(-3)], Fraction(100), 25)} == {5}
    assert len(bins([Fraction(0)], Fraction(0), 25)) <= 26


# --------------------------------------------------------------------------- what is left out


def test_booklets_with_open_points_are_left_out_and_counted() -> None:
    table: list[list[int | Fraction | None]] = [[1, 1], [0, 1], [1, 0], [None, 1], [1, None]]
    found = analysed(*scored(table), pass_mark=Fraction(1))
    assert (found.booklets, found.counted, found.left_out) == (5, 3, 2)
    assert found.waiting == ()
    assert [one.mean for one in found.questions] == [Fraction(2, 3), Fraction(2, 3)]
    assert found.scores is not None
    assert (found.scores.count, found.scores.passed) == (3, 3)


def test_a_question_whose_points_are_not_in_yet_is_left_out() -> None:
    table: list[list[int | Fraction | None]] = [[1, 1, None], [0, 1, None], [1, 0, 3]]
    found = analysed(*scored(table), pass_mark=Fraction(1))
    assert found.waiting == ("q3",)
    assert (found.counted, found.left_out, found.most) == (3, 0, Fraction(2))
    assert found.scores is not None
    assert (found.scores.most, found.scores.passed) == (Fraction(2), None)  # the pass mark is one of the whole exam


def test_points_are_held_against_the_pass_mark_as_the_gradebook_shows_them() -> None:
    responses, rubric = scored([[Fraction("5.4949")], [Fraction("5.495")], [Fraction("5.5")]], 10)
    found = analysed(responses, rubric, pass_mark=Fraction("5.5"))
    assert found.scores is not None
    assert found.scores.passed == 2


def test_an_exam_s_floor_counts_in_its_points_only() -> None:
    responses, rubric = scored([[-2, 1], [3, 1]], 4)
    responses[0] = replace(responses[0], points=Fraction(0))
    found = analysed(responses, rubric)
    assert found.scores is not None
    assert (found.scores.least, found.questions[0].mean) == (Fraction(0), Fraction(1, 2))


def test_a_voided_question_is_not_looked_at() -> None:
    responses, rubric = scored([[1, 1, 1], [0, 1, 1], [1, 0, 1]])
    rubric = replace(rubric, questions=(*rubric.questions[:2], replace(rubric.questions[2], void=Void.FULL)))
    found = analysed(responses, rubric)
    assert (found.void, found.waiting) == (("q3",), ())
    assert [one.question for one in found.questions] == ["q1", "q2"]
    assert found.scores is not None
    assert found.scores.most == 3  # its points count all the same


# --------------------------------------------------------------------------- little to say


def test_no_booklet() -> None:
    _, rubric = scored([[1, 1]])
    found = analysed([], rubric)
    assert (found.booklets, found.counted, found.questions, found.scores, found.reliability) == (0, 0, (), None, None)


def test_one_booklet() -> None:
    found = analysed(*scored([[1, 0]]))
    assert found.scores is not None
    assert (found.scores.mean, found.scores.deviation, found.group) == (Fraction(1), None, 0)
    assert found.no_reliability == "it takes at least two booklets whose points are certain"
    assert [one.correlation for one in found.questions] == [None, None]


def test_alike_booklets() -> None:
    found = analysed(*scored([[1, 0]] * 12))
    assert found.no_reliability == "all booklets have the same points"
    assert [(one.correlation, one.discrimination) for one in found.questions] == [(None, Fraction(0))] * 2


def test_one_question() -> None:
    found = analysed(*scored([[1], [0]]))
    assert found.no_reliability == "it takes at least two questions"
    assert found.questions[0].correlation is None


def test_a_question_worth_nothing() -> None:
    responses, rubric = scored([[0, 1], [0, 0]] * 6)
    rubric = replace(rubric, questions=(replace(rubric.questions[0], points=Fraction(0)), rubric.questions[1]))
    found = analysed(responses, rubric)
    assert (found.questions[0].difficulty, found.questions[0].discrimination) == (None, None)


def test_few_booklets_make_no_groups() -> None:
    found = analysed(*scored([[1, 0], [0, 0], [1, 1]] * 3))
    assert (found.counted, found.group) == (9, 0)
    assert {one.discrimination for one in found.questions} == {None}


# --------------------------------------------------------------------------- alternatives and keys


def simulated(
    booklets: int, *, seed: int, several: bool = False, versions: tuple[str, ...] = ("",)
) -> tuple[list[Response], Rubric]:
    """Answers to twenty questions by people who differ in ability (a logistic model); the right alternatives are A, or A and B."""
    rng = np.random.default_rng(seed)
    policy = Policy.ALL_OR_NOTHING if several else Policy.SINGLE
    key = "AB" if several else "A"
    questions = [
        question(f"q{number}", policy, 1, keys={one: (frozenset(key),) for one in versions}) for number in range(1, 21)
    ]
    difficulty = rng.normal(size=20)
    responses = []
    for booklet in range(booklets):
        ability = rng.normal()
        marked = {}
        for place, one in enumerate(questions):
            knows = 1 / (1 + np.exp(-1.2 * (ability - difficulty[place])))
            if several:
                marks = {name for name in "ABCD" if (name in key) == (rng.random() < 0.3 + 0.7 * knows)}
            else:
                marks = {"A"} if rng.random() < knows else {"BCD"[rng.integers(3)]}
            marked[one.id] = frozenset(marks)
        scores = {name: Fraction(marks == set(key)) for name, marks in marked.items()}
        version = versions[booklet % len(versions)]
        responses.append(Response(version, _sum(scores), scores, marked))
    return responses, Rubric("exam", "Exam", tuple(questions), versions=versions if versions != ("",) else ())


def _sum(scores: Mapping[str, Fraction | None]) -> Fraction:
    return sum((one for one in scores.values() if one is not None), Fraction(0))


def with_key(responses: list[Response], rubric: Rubric, number: int, key: str) -> tuple[list[Response], Rubric]:
    """The same answers under another key of one question."""
    name = f"q{number}"
    again = []
    for one in responses:
        scores = dict(one.scores) | {name: Fraction(one.marked[name] == set(key))}
        again.append(replace(one, scores=scores, points=_sum(scores)))
    questions = [
        replace(one, keys=dict.fromkeys(one.keys, (frozenset(key),))) if one.id == name else one for one in rubric.questions
    ]
    return again, replace(rubric, questions=tuple(questions))


@pytest.mark.parametrize("several", [False, True])
def test_a_right_key_is_not_doubted(several: bool) -> None:
    for seed in range(5):
        found = analysed(*simulated(120, seed=seed, several=several))
        assert [one.question for one in found.questions if one.suspicions] == []


@pytest.mark.parametrize(("several", "wrong"), [(False, "B"), (True, "AC")])
@pytest.mark.parametrize("number", [3, 11])
def test_a_wrong_key_is_named(several: bool, wrong: str, number: int) -> None:
    found = analysed(*with_key(*simulated(120, seed=7, several=several), number, wrong))
    assert [one.question for one in found.questions if one.suspicions] == [f"q{number}"]
    (told,) = [one.suspicions for one in found.questions if one.suspicions]
    missing = "B" if several else "A"
    assert told[0].startswith(f"the key calls {missing} wrong, but ") or f"the key calls {missing} wrong, but " in " ".join(
        told
    )


def test_a_wrong_key_of_one_version_is_named_with_it() -> None:
    responses, rubric = simulated(200, seed=8, versions=("X", "Y"))
    name = "q6"
    for place, one in enumerate(responses):
        if one.version == "Y":
            scores = dict(one.scores) | {name: Fraction(one.marked[name] == {"C"})}
            responses[place] = replace(one, scores=scores, points=_sum(scores))
    questions = [
        replace(one, keys={"X": (frozenset("A"),), "Y": (frozenset("C"),)}) if one.id == name else one
        for one in rubric.questions
    ]
    found = analysed(responses, replace(rubric, questions=tuple(questions)))
    suspicions = [one.suspicions for one in found.questions if one.suspicions]
    assert len(suspicions) == 1
    assert suspicions[0][0].startswith("version Y: the key calls A wrong, but ")


def test_alternatives_by_group() -> None:
    responses, rubric = simulated(100, seed=9)
    found = analysed(responses, rubric).questions[0]
    assert [one.name for one in found.alternatives] == list("ABCD")
    assert [one.right for one in found.alternatives] == [True, False, False, False]
    assert sum(one.marked for one in found.alternatives) == 100
    for shares in zip(*((one.upper, one.middle, one.lower) for one in found.alternatives), strict=True):
        assert sum(share for share in shares if share is not None) == 1  # each of them marked one
    first = found.alternatives[0]
    assert first.upper is not None and first.lower is not None
    assert first.upper > first.lower
    # of a question with one right alternative, marking it is being right
    assert first.correlation == pytest.approx(found.correlation)


def test_points_by_alternative_say_what_is_right() -> None:
    responses, rubric = simulated(40, seed=10)
    values = {"": {"A": Fraction(2), "B": Fraction(-1), "C": Fraction(0)}}
    asked = replace(rubric.questions[0], policy=Policy.PER_ALTERNATIVE, keys={}, values=values)
    found = analysed(responses, replace(rubric, questions=(asked, *rubric.questions[1:])))
    assert [one.right for one in found.questions[0].alternatives] == [True, False, False, False]


def test_a_booklet_with_an_open_box_is_not_among_those_that_marked() -> None:
    responses, rubric = simulated(20, seed=11)
    marked = dict(responses[0].marked)
    del marked["q1"]
    found = analysed([replace(responses[0], marked=marked), *responses[1:]], rubric)
    assert {one.booklets for one in found.questions[0].alternatives} == {19}
    assert {one.booklets for one in found.questions[1].alternatives} == {20}


def test_too_few_booklets_to_doubt_a_key() -> None:
    found = analysed(*with_key(*simulated(9, seed=7), 3, "B"))
    assert [one.question for one in found.questions if one.suspicions] == []
