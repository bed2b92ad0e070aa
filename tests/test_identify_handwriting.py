"""Whose booklet it is by handwriting: every rule by which it is settled, and every one by which it is not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from unittest import mock

import pytest

from scangrade.answers.handwriting import Written
from scangrade.answers.identify import Said, identify, reasons_of, words_of_witnesses
from scangrade.check import Definitions, Source
from scangrade.conclude import Laid, Read, lay_decisions
from scangrade.model import (
    Answer,
    Booklet,
    Decisions,
    FieldKind,
    Flag,
    FlagKind,
    Identity,
    MatchStatus,
    Opinion,
    Roster,
    Rubric,
    Ruling,
    StickerCode,
    StickerRead,
    Student,
    Topic,
    page_key,
)
from tests.records import layout, number_answers, number_grid, region
from tests.records import read as read_record
from tests.written import number_cells, written

PEOPLE = (
    Student("12345678", "Lovelace", "Ada"),
    Student("12345679", "Noether", "Emmy"),
    Student("20202020", "Hopper", "Grace"),
    Student("31415926", "Curie", "Marie"),
)
ADA, EMMY, GRACE, MARIE = PEOPLE
ROSTER = Roster(PEOPLE)
GRID = number_grid()
ONE = layout(number_cells())
MANY = layout(*(number_cells(page=page) for page in range(1, 10)), pages=9)
BOTH = layout(*GRID, number_cells())

Pile = Mapping[str, tuple[Written, ...]]


def pages(number: str, count: int = 9, **more: object) -> tuple[Written, ...]:
    return tuple(written(number, page, **more) for page in range(1, count + 1))  # type: ignore[arg-type]


def by_hand(pile: Pile, form: object = MANY, roster: Roster | None = ROSTER) -> tuple[tuple[Identity, ...], tuple[Flag, ...]]:
    said = {name: Said(written=rows) for name, rows in pile.items()}
    return identify(dict.fromkeys(pile, ()), form, roster, said=said)  # type: ignore[arg-type]


def alone(rows: tuple[Written, ...], form: object = MANY, roster: Roster | None = ROSTER) -> tuple[Identity, tuple[Flag, ...]]:
    (identity,), flags = by_hand({"b1": rows}, form, roster)
    return identity, flags


# --------------------------------------------------------------------------- one booklet


def test_a_clear_number_is_settled() -> None:
    identity, flags = alone(pages("20202020"))
    assert (identity, flags) == (Identity("b1", MatchStatus.MATCHED, "20202020", GRACE), ())


def test_one_page_is_enough_where_no_number_is_near() -> None:
    identity, flags = alone((written("20202020"),), ONE)
    assert (identity.student, flags) == (GRACE, ())


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ((written("1234567?"),), "more than one reading is possible"),
        ((written(["1", "2", "3", "4", "5", "6", "7", "89"]),), "more than one reading is possible"),
        ((written("2020202?"),), "more than one reading is possible"),  # a stranger could have another last digit
        ((written("20202020", sure=0.6),), "possible"),
        ((written("55555555"),), "nobody on the roster has a number like it"),
    ],
)
def test_what_is_not_overwhelming_is_a_flag(rows: tuple[Written, ...], said: str) -> None:
    identity, (flag,) = alone(rows, ONE)
    assert identity.status is MatchStatus.UNKNOWN
    assert identity.student is None
    assert said in flag.detail
    assert (flag.kind, flag.page, flag.field) == (FlagKind.UNKNOWN_STUDENT, 1, "number.1")


def test_candidates_are_ranked_with_reasons() -> None:
    identity, (flag,) = alone((written(["1", "2", "3", "4", "5", "6", "7", "89"], weaker={7: 0.9}),), ONE)
    assert set(identity.candidates[:2]) == {ADA, EMMY}
    assert identity.number == "1234567?"
    assert "12345678 Lovelace, Ada (every handwritten digit fits)" in flag.detail
    said = Said(written=(written("20202021"),))
    assert reasons_of(Identity("b1", MatchStatus.UNKNOWN, "", None, (GRACE,)), said) == {
        "20202020": "by hand, digit 8 looks like 1"
    }
    assert reasons_of(identity, Said()) == {}


def test_all_pages_vote() -> None:
    """What no single page settles is settled by all: each has another digit that nobody can read."""
    number = "12345679"
    rows = tuple(written(f"{number[:place]}?{number[place + 1 :]}", place + 1) for place in range(8))
    for one in rows:
        assert alone((one,))[0].status is MatchStatus.UNKNOWN
    identity, flags = alone(rows)
    assert (identity.student, flags) == (EMMY, ())


def test_a_page_that_is_blank_is_no_vote() -> None:
    rows = (*pages("20202020", 8), written("________", 9))
    assert alone(rows)[0].student == GRACE


def test_a_page_of_somebody_else_is_noticed() -> None:
    for foreign in ("31415926", "12345679", "77777777"):
        rows = (*pages("12345678", 8), written(foreign, 9))
        identity, (flag,) = alone(rows)
        assert identity.status is MatchStatus.UNKNOWN
        assert "page 9" in flag.detail and foreign in flag.detail
        assert identity.candidates[0] == ADA


def test_nothing_written_and_no_page() -> None:
    identity, (flag,) = alone(pages("________"))
    assert (identity.number, flag.page) == ("", 1)
    assert "no number is written on page 1, 2" in flag.detail
    _, (flag,) = alone(())
    assert "page 1) is missing" in flag.detail


def test_without_a_roster_handwriting_settles_nothing() -> None:
    identity, (flag,) = alone(pages("20202020"), roster=None)
    assert (identity.status, identity.number, identity.student) == (MatchStatus.UNKNOWN, "20202020", None)
    assert "without a class list" in flag.detail


def test_numbers_that_cannot_be_written_there_are_nobodys() -> None:
    identity, (flag,) = alone(pages("20202020"), roster=Roster((Student("x1"), Student("123456789"))))
    assert identity.status is MatchStatus.UNKNOWN
    assert identity.candidates == ()
    assert flag.kind is FlagKind.UNKNOWN_STUDENT


# --------------------------------------------------------------------------- all booklets


def test_two_booklets_of_one_student_are_both_flagged() -> None:
    identities, flags = by_hand({"b1": pages("20202020"), "b2": pages("20202020"), "b3": pages("31415926")})
    assert [one.status for one in identities] == [MatchStatus.UNKNOWN, MatchStatus.UNKNOWN, MatchStatus.MATCHED]
    assert [flag.booklet for flag in flags] == ["b1", "b2"]
    assert all("20202020 Hopper, Grace" in flag.detail for flag in flags)


DOUBTFUL = (written(["1", "2", "3", "4", "5", "6", "7", "89"], weaker={8: 0.999}),)


def test_who_is_left_settles_nothing_by_itself() -> None:
    """Whoever has the other number may have handed in two booklets, so that alone is 500 to 1 at most."""
    identities, flags = by_hand({"b1": DOUBTFUL, "b2": pages("12345679")})
    assert identities[1].student == EMMY
    assert identities[0].status is MatchStatus.UNKNOWN
    assert identities[0].candidates[0] == ADA  # who is left is offered first
    assert [flag.booklet for flag in flags] == ["b1"]


def test_who_is_left_tips_what_is_nearly_certain() -> None:
    rows = tuple(written("12345678", page, weaker={8: 0.97}) for page in (1,))
    assert alone(rows)[0].status is MatchStatus.UNKNOWN
    identities, flags = by_hand({"b1": rows, "b2": pages("12345679")})
    assert [one.student for one in identities] == [ADA, EMMY]
    assert flags == ()


def test_that_somebody_is_absent_tips_nothing() -> None:
    rows = (written("12345678", weaker={8: 0.97}),)
    identities, _ = by_hand({"b1": rows, "b2": pages("20202020")})
    assert identities[0].status is MatchStatus.UNKNOWN


def test_the_order_of_booklets_does_not_matter() -> None:
    pile = {"b1": DOUBTFUL, "b2": pages("12345679"), "b3": pages("20202020"), "b4": pages("20202020"), "b5": pages("31415926")}
    forwards = {one.booklet: one for one in by_hand(pile)[0]}
    backwards = {one.booklet: one for one in by_hand(dict(reversed(pile.items())))[0]}
    assert forwards == backwards


# --------------------------------------------------------------------------- beside other witnesses


def with_grid(
    marked: str, by_pen: str, *, sticker: StickerRead | None = None, name: str = "", roster: Roster | None = ROSTER
) -> tuple[Identity, tuple[Flag, ...]]:
    answers: tuple[Answer, ...] = number_answers(GRID, marked)
    said = {"b1": Said(sticker, (written(by_pen),), name)}
    (identity,), flags = identify({"b1": answers}, BOTH, roster, said=said)
    return identity, flags


@pytest.mark.parametrize("by_pen", ["12345678", "________", "1234567?", "????????"])
def test_a_certain_grid_needs_no_more(by_pen: str) -> None:
    assert with_grid("12345678", by_pen)[0].student == ADA


@pytest.mark.parametrize("by_pen", ["12345679", "20202020", "77777777"])
def test_a_number_by_hand_that_says_something_else_is_a_flag(by_pen: str) -> None:
    identity, (flag,) = with_grid("12345678", by_pen)
    assert identity.status is MatchStatus.UNKNOWN
    assert identity.candidates[0] == ADA
    assert "the grid says 12345678 Lovelace, Ada" in flag.detail and by_pen in flag.detail


def test_a_column_that_is_open_is_settled_by_hand() -> None:
    identity, flags = with_grid("1234567?", "12345679")
    assert (identity.student, flags) == (EMMY, ())
    identity, (flag,) = with_grid("1234567?", "1234567?")
    assert identity.status is MatchStatus.UNKNOWN
    assert "the grid has 1234567? (column 8 is not certain)" in flag.detail


def test_a_grid_alone_that_is_open_stays_a_flag() -> None:
    identity, (flag,) = with_grid("3141592?", "________")
    assert identity.status is MatchStatus.UNKNOWN
    assert "column 8 is not certain" in flag.detail


def test_a_certain_grid_that_is_nobodys_stays_a_flag_whatever_is_written() -> None:
    identity, (flag,) = with_grid("31415927", "31415926")
    assert identity.status is MatchStatus.UNKNOWN
    assert "nobody on the roster has it" in flag.detail


def test_a_grid_that_says_another_student_for_certain_outweighs_no_pen() -> None:
    """Seven columns of one student and eight digits of another: somebody must look."""
    identity, _ = with_grid("2020202?", "31415926")
    assert identity.status is MatchStatus.UNKNOWN


def test_a_certain_number_is_held_against_the_pen_without_a_roster_too() -> None:
    assert with_grid("12345678", "12345678", roster=None)[0].status is MatchStatus.NO_ROSTER
    assert with_grid("12345678", "87654321", roster=None)[0].status is MatchStatus.UNKNOWN


LABELLED = layout(region("sticker", FieldKind.STICKER), number_cells())


def labelled(read: StickerRead, by_pen: str) -> tuple[Identity, tuple[Flag, ...]]:
    (identity,), flags = identify({"b1": ()}, LABELLED, ROSTER, said={"b1": Said(read, (written(by_pen),))})
    return identity, flags


def test_a_sticker_that_could_not_be_read_is_made_good_by_hand() -> None:
    assert labelled(StickerRead(), "20202020")[0].student == GRACE
    assert labelled(StickerRead(printed=("20202020",)), "20202020")[0].student == GRACE
    identity, (flag,) = labelled(StickerRead(printed=("31415926",)), "20202020")
    assert identity.status is MatchStatus.UNKNOWN
    assert "31415926 is printed on the sticker" in flag.detail


def test_a_code_of_nobody_is_a_flag_whatever_is_written() -> None:
    identity, (flag,) = labelled(StickerRead((StickerCode("99999999", "QRCode"),)), "20202020")
    assert identity.status is MatchStatus.UNKNOWN
    assert "is of nobody on the roster" in flag.detail


def test_whoever_is_settled_by_a_grid_is_not_left() -> None:
    answers = {"b1": (), "b2": number_answers(GRID, "20202020"), "b3": ()}
    said = {
        "b1": Said(written=(written("20202020"),)),
        "b2": Said(written=(written("________"),)),
        "b3": Said(written=(written("31415926"),)),
    }
    identities, flags = identify(answers, BOTH, ROSTER, said=said)
    assert [one.student for one in identities] == [None, GRACE, MARIE]
    assert [flag.booklet for flag in flags] == ["b1"]
    assert "as booklet b2 does" in flags[0].detail


# --------------------------------------------------------------------------- names


def test_a_name_alone_settles_nothing_and_ranks_first() -> None:
    said = {"b1": Said(written=pages("________"), name="HOPPER GRACE")}
    (identity,), (flag,) = identify({"b1": ()}, MANY, ROSTER, said=said)
    assert identity.status is MatchStatus.UNKNOWN
    assert identity.candidates == (GRACE,)
    assert "The name is read as 'HOPPER GRACE': 20202020 Hopper, Grace." in flag.detail


def test_a_name_tips_what_is_nearly_certain_and_contradicts_what_is_not_theirs() -> None:
    rows = (written("2020202?", weaker={7: 0.9}),)
    assert alone(rows, ONE)[0].status is MatchStatus.UNKNOWN
    near = (written("12345678", weaker={8: 0.995}),)
    assert alone(near, ONE)[0].status is MatchStatus.UNKNOWN
    (identity,), _ = identify({"b1": ()}, ONE, ROSTER, said={"b1": Said(written=near, name="Lovelace, Ada")})
    assert identity.student == ADA
    clear = (written("20202020"),)
    (identity,), (flag,) = identify({"b1": ()}, ONE, ROSTER, said={"b1": Said(written=clear, name="Marie Curie")})
    assert identity.status is MatchStatus.UNKNOWN
    assert "the name is read as 'Marie Curie'" in flag.detail


def test_each_witness_has_its_word() -> None:
    said = Said(None, (written("12345679"),), "Emmy Noether")
    words = words_of_witnesses(Booklet("b1", {}), number_answers(GRID, "12345678"), BOTH, ROSTER, said)
    assert [(one.witness, one.word) for one in words] == [
        ("Grid", "12345678: Lovelace, Ada"),
        ("By hand", "12345679: Noether, Emmy"),
        ("Name, as read", "Emmy Noether: 12345679 Noether, Emmy"),
    ]
    rows = (written("12345678", 1), written("1234567?", 2), written("12345678", 3), written("________", 4))
    (by_pen,) = words_of_witnesses(Booklet("b1", {}), (), MANY, ROSTER, Said(written=rows))
    assert by_pen.word == "12345678 on page 1, 3, 1234567? on page 2"


# --------------------------------------------------------------------------- after a person's decision


def test_a_page_that_a_person_puts_in_is_heard_and_the_others_are_not_read_anew() -> None:
    form = layout(number_cells(page=1), number_cells(page=2), pages=2)
    source = Source(Path("x"), "", "")
    key = Rubric("r", "R", ())
    definitions = Definitions(form, key, ROSTER, source, source, source, ())
    booklet = Booklet("b1", {1: read_record(1, "b1", at=1)}, (), (2,))
    before = Read(booklet, (), (), Identity("b1", MatchStatus.MATCHED, "12345678", ADA), (), (written("12345678", 1),))
    late = read_record(2, "b1", at=9)
    placed = Decisions({(Topic.PAGE, page_key(late), ""): Ruling((Opinion("placed 2 b1", "Ann", 1, "e1"),))})

    def laid(second: str) -> Laid:
        fresh = {"b1": (written("99999999", 1), written(second, 2))}
        with mock.patch("scangrade.conclude.read_handwriting", return_value=fresh):
            return lay_decisions(before, [late], definitions, placed, neighbours=[])

    assert laid("12345678").identity.student == ADA
    other = laid("20202020")
    assert other.identity.status is MatchStatus.UNKNOWN
    assert any("page 2" in flag.detail and "20202020" in flag.detail for flag in other.flags)
    (alone,) = [lay_decisions(before, [], definitions, Decisions(), neighbours=[])]
    assert alone.identity == before.identity
