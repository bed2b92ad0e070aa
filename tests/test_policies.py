"""The worked examples of scoring policies, to the last fraction."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scangrade.grades.policies import (
    POLICIES,
    SHARINGS,
    all_or_nothing,
    counted,
    credit,
    credit_value,
    criteria_points,
    has_key,
    in_order,
    per_alternative,
    single,
    widest,
)
from scangrade.grades.rounding import exact, rounded
from scangrade.model import Criterion, Policy, Question, RExamsRule
from tests.records import question

MARKS = st.frozensets(st.sampled_from("ABCD"))
POINTS = st.fractions(min_value=-10, max_value=10, max_denominator=12)


def values(points: Mapping[str, str], floor: int | None = None, cap: int = 4) -> Question:
    return question(
        "1c",
        Policy.PER_ALTERNATIVE,
        4,
        values={"": {one: Fraction(value) for one, value in points.items()}},
        floor=None if floor is None else Fraction(floor),
        cap=Fraction(cap),
    )


@pytest.mark.parametrize(
    ("key", "points", "marked", "earned"),
    [
        ("AB", 4, "AB", 4),
        ("AB", 4, "A", 0),
        ("AB", 4, "ABC", 0),
        ("AB", 4, "", 0),
        ("", 2, "", 2),
        ("", 2, "A", 0),
    ],
)
def test_all_or_nothing(key: str, points: int, marked: str, earned: int) -> None:
    award = all_or_nothing(question("1a", Policy.ALL_OR_NOTHING, points, key), "", frozenset(marked))
    assert award.points == earned
    assert award.rule == f"all-or-nothing: marked {' '.join(marked) or 'nothing'}, key {' '.join(key) or 'nothing'}"


def test_either_of_two_keys_is_right() -> None:
    asked = question("1a", Policy.ALL_OR_NOTHING, 4, "A", "BC")
    assert [all_or_nothing(asked, "", frozenset(marked)).points for marked in ("A", "BC", "B", "ABC")] == [4, 4, 0, 0]
    assert all_or_nothing(asked, "", frozenset("B")).rule == "all-or-nothing: marked B, key A or B C"


def test_every_version_has_its_key() -> None:
    asked = question("1", Policy.SINGLE, 4, keys={"A": (frozenset("B"),), "B": (frozenset("C"),)})
    assert [single(asked, version, frozenset("C")).points for version in "AB"] == [0, 4]
    assert has_key(asked, "A")
    assert not has_key(asked, "C")
    assert has_key(question("1", Policy.SINGLE, 4, "A"), "B")  # a key for all versions


UVA = {"A": "2", "B": "2", "C": "-2", "D": "-2"}
UVA_1C = {"A": "-1.67", "B": "-1.66", "C": "-1.66", "D": "4"}


@pytest.mark.parametrize(
    ("asked", "earned"),
    [
        (values(UVA), {"AB": "4", "A": "2", "AC": "0", "ABC": "2", "ABCD": "0", "C": "-2", "": "0"}),
        (values(UVA, floor=0), {"AB": "4", "A": "2", "AC": "0", "ABC": "2", "ABCD": "0", "C": "0", "": "0"}),
        (
            values(UVA_1C),
            {"AB": "-3.33", "A": "-1.67", "AC": "-3.33", "ABC": "-4.99", "ABCD": "-0.99", "C": "-1.66", "": "0"},
        ),
    ],
)
def test_points_per_alternative(asked: Question, earned: dict[str, str]) -> None:
    found = {marked: per_alternative(asked, "", frozenset(marked)).points for marked in earned}
    assert found == {marked: Fraction(points) for marked, points in earned.items()}


def test_rule_of_points_per_alternative_shows_the_sum() -> None:
    assert per_alternative(values(UVA_1C), "", frozenset("AC")).rule == "per-alternative: marked A -1.67 C -1.66, sum -3.33"
    assert per_alternative(values(UVA, floor=0), "", frozenset("C")).rule == "per-alternative: marked C -2, sum -2, floor 0"
    assert per_alternative(values(UVA, cap=3), "", frozenset("AB")).rule == "per-alternative: marked A +2 B +2, sum 4, cap 3"
    assert per_alternative(values(UVA), "", frozenset()).rule == "per-alternative: marked nothing, sum 0"


@given(st.dictionaries(st.sampled_from("ABCD"), POINTS, min_size=1), MARKS, st.sampled_from("ABCD"))
def test_one_more_right_mark_never_lowers_the_points(points: dict[str, Fraction], marked: frozenset[str], more: str) -> None:
    asked = question("1", Policy.PER_ALTERNATIVE, 4, values={"": points}, floor=Fraction(-2), cap=Fraction(4))
    before, after = (per_alternative(asked, "", one).points for one in (marked, marked | {more}))
    assert before is not None
    assert after is not None
    assert points.get(more, 0) < 0 or after >= before
    right = question("1", Policy.ALL_OR_NOTHING, 4, "ABCD")
    before, after = (all_or_nothing(right, "", one).points for one in (marked, marked | {more}))
    assert before is not None
    assert after is not None
    assert after >= before


@pytest.mark.parametrize(("marked", "earned"), [("A", "4"), ("B", "-4/3"), ("", "0"), ("AB", None), ("BC", None)])
def test_single_choice(marked: str, earned: str | None) -> None:
    asked = question("1", Policy.SINGLE, 4, "A", wrong=Fraction(-4, 3))
    assert single(asked, "", frozenset(marked)).points == (None if earned is None else Fraction(earned))


def test_single_choice_with_points_for_blank_and_for_several() -> None:
    asked = question("1", Policy.SINGLE, 4, "A", "B", blank=Fraction(1, 2), multiple=Fraction(-1))
    assert [single(asked, "", frozenset(marked)).points for marked in ("A", "B", "", "AB")] == [4, 4, Fraction(1, 2), -1]


@pytest.mark.parametrize(
    ("marked", "earned"),
    [
        (["2"], "2"),
        (["2", "2H"], "2.5"),
        (["0"], "0"),
        (["0", "0H"], "0.5"),
        (["3"], "3"),
        ([], None),
        (["2H"], None),
        (["2", "1H"], None),
        (["2", "2H", "1H"], None),
        (["1", "2"], None),
        (["3", "3H"], None),  # more than the question has
    ],
)
def test_credit(marked: list[str], earned: str | None) -> None:
    found = credit(question("2.1", Policy.CREDIT, 3), "", frozenset(marked)).points
    assert found == (None if earned is None else Fraction(earned))


def test_box_that_is_no_credit() -> None:
    with pytest.raises(ValueError, match="'AH' is no box of a credit column"):
        credit_value("AH")


@given(
    marked=MARKS,
    drawn=st.lists(POINTS, min_size=6, max_size=6),
    held=st.booleans(),
    key=st.sampled_from(["", "A", "AB", "ABCD"]),
    rule=st.sampled_from(RExamsRule),
    partial=st.booleans(),
)
@pytest.mark.parametrize("policy", [one for one in POLICIES if one is not Policy.CREDIT])
def test_no_award_leaves_the_widest_bounds(
    policy: Policy, marked: frozenset[str], drawn: list[Fraction], held: bool, key: str, rule: RExamsRule, partial: bool
) -> None:
    a, b, c, d, low, high = drawn
    fractions = policy is Policy.MOODLE
    values = {"A": a, "B": b, "C": c, "D": d} if policy is not Policy.QTI else {"A": a, "B": b}
    one = question(
        "1",
        policy,
        4,
        key,
        "BD",
        values={"": {name: value / 10 if fractions else value for name, value in values.items()}},
        floor=min(low, high) if held else None,
        cap=max(low, high) if held else None,
        wrong=a if held else None,
        blank=b,
        multiple=c,
        default=d,
        partial=partial,
        rule=rule,
        negative=abs(low),
        alternatives=tuple("ABCD"),
    )
    least, most = widest(one, "")
    points = POLICIES[policy](one, "", marked).points
    assert points is not None
    assert least <= points <= most


@pytest.mark.parametrize("policy", list(SHARINGS))
def test_the_key_itself_earns_the_points(policy: Policy) -> None:
    for key in ("A", "AB", "ABCD"):
        asked = question("1", policy, 4, key, alternatives=tuple("ABCD"))
        assert counted(asked, "", frozenset(key)).points == 4


@pytest.mark.parametrize("policy", list(SHARINGS))
def test_the_better_of_two_keys_counts(policy: Policy) -> None:
    asked = question("1", policy, 4, "AB", "C", alternatives=tuple("ABCD"))
    award = counted(asked, "", frozenset("C"))
    assert award.points == 4
    assert "marked C, key A B or C, 1 of 1 right and 0 wrong marked, 1 of the points" in award.rule


@pytest.mark.parametrize(
    ("rule", "key", "marked", "share"),
    [
        (RExamsRule.FALSE, "ABCD", "ABCDE", "0"),  # one wrong alternative: marking it costs everything
        (RExamsRule.FALSE2, "ABCD", "ABCDE", "1/2"),  # and here half
        (RExamsRule.TRUE, "", "A", "-1"),  # none is right: a share of none is without bound, and held by `negative`
        (RExamsRule.ALL, "A", "BC", "-1"),
        (RExamsRule.FALSE2, "", "", "0"),  # a blank answer earns nothing with partial credit
        (RExamsRule.NONE, "", "AB", "0"),
    ],
)
def test_ends_of_the_rules_of_r_exams(rule: RExamsRule, key: str, marked: str, share: str) -> None:
    asked = question("1", Policy.R_EXAMS, 3, key, rule=rule, negative=Fraction(1), alternatives=tuple("ABCDE"))
    assert counted(asked, "", frozenset(marked)).points == 3 * Fraction(share)


def test_boxes_that_are_not_known_are_not_guessed() -> None:
    for call in (lambda one: counted(one, "", frozenset("A")), lambda one: widest(one, "")):
        with pytest.raises(ValueError, match="its alternatives are not known"):
            call(question("1", Policy.PER_BOX, 4, "A"))


def test_formula_makes_a_blind_guess_worth_nothing() -> None:
    asked = question("1", Policy.SINGLE, 4, "A", wrong=None, alternatives=tuple("ABCD"))
    awards = [single(asked, "", frozenset(one)) for one in "ABCD"]
    assert sum(one.points or 0 for one in awards) == 0
    assert awards[1].rule == "single: marked B, key A, wrong -4/(4 - 1)"
    with pytest.raises(ValueError, match="needs two alternatives"):
        single(question("1", Policy.SINGLE, 4, "A", wrong=None), "", frozenset("B"))


def test_criteria_are_summed_between_floor_and_points() -> None:
    criteria = (Criterion("a", "", Fraction(3)), Criterion("b", "", Fraction(3)), Criterion("c", "", Fraction(-2)))
    asked = question("1", Policy.OPEN, 5, criteria=criteria, floor=Fraction(0))
    sums = [criteria_points(asked, met.split()) for met in ("a", "a b", "c", "a c", "a a", "", "a x")]
    assert sums == [3, 5, 0, 1, 3, 0, None]


def test_every_policy_but_open_has_its_function() -> None:
    assert set(POLICIES) == set(Policy) - {Policy.OPEN}


def test_alternatives_are_listed_as_people_do() -> None:
    assert in_order({"10", "9", "B", "A"}) == ["9", "A", "B", "10"]


# --------------------------------------------------------------------------- points as text


@pytest.mark.parametrize(
    ("points", "places", "text"),
    [
        ("1.005", 2, "1.01"),
        ("-1.005", 2, "-1.01"),
        ("1.004999", 2, "1"),
        ("4", 2, "4"),
        ("3.50", 2, "3.5"),
        ("-1.67", 2, "-1.67"),
        ("-0.004", 2, "0"),
        ("2.5", 0, "3"),
        ("-4/3", 2, "-1.33"),
        ("2/3", 1, "0.7"),
        ("100", 2, "100"),
        ("0.05", 2, "0.05"),
    ],
)
def test_points_are_rounded_half_up_once(points: str, places: int, text: str) -> None:
    assert rounded(Fraction(points), places) == text


@given(st.fractions(min_value=-1000, max_value=1000), st.integers(0, 4))
def test_rounding_moves_by_half_a_unit_at_most(points: Fraction, places: int) -> None:
    text = rounded(points, places)
    assert abs(Fraction(text) - points) <= Fraction(1, 2 * 10**places)
    assert rounded(Fraction(text), places) == text
    assert rounded(-points, places).lstrip("-") == text.lstrip("-")
    assert text != "-0"


@given(st.fractions())
def test_exact_text_is_the_number(points: Fraction) -> None:
    assert Fraction(exact(points)) == points


def test_thirds_stay_thirds() -> None:
    assert exact(Fraction(-1, 3)) == "-1/3"
    assert exact(3 * Fraction(-1, 3)) == "-1"
    assert exact(Fraction(1, 8)) == "0.125"
