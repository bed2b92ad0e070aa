"""Booklets are built first, then torn apart, mixed and dirtied; collating must give them back."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scangrade.answers.collate import collate, with_refs
from scangrade.model import Booklet, Flag, FlagKind, Layout, PageRead, PageSetAside, Reason, ScannedPage
from tests.records import choice, layout, number_grid, read, set_aside


def form(pages: int) -> Layout:
    """Questions on every page but the first, which has the number grid."""
    questions = [choice(f"q{page}", page=page) for page in range(2, pages + 1)] or [choice("q1")]
    return layout(*number_grid(page=1), *questions, pages=pages)


def stack(*pages: object, scan: str = "scan.pdf", order: int = 0) -> list[ScannedPage]:
    """Pages of one scan file in order: page numbers, or reasons for pages set aside."""
    return [
        set_aside(page, at=at, scan=scan, order=order)
        if isinstance(page, Reason)
        else read(int(str(page)), at=at, scan=scan, order=order)
        for at, page in enumerate(pages, 1)
    ]


def places(booklets: tuple[Booklet, ...]) -> dict[str, dict[int, int]]:
    """By booklet, layout page: page of the scan."""
    return {one.id: {number: page.ref.scan_page for number, page in one.pages.items()} for one in booklets}


def kinds(flags: tuple[Flag, ...], booklet: str | None = None) -> Counter[FlagKind]:
    return Counter(flag.kind for flag in flags if booklet is None or flag.booklet == booklet)


def assert_accounted(pages: list[ScannedPage], booklets: tuple[Booklet, ...]) -> None:
    """Every page is in exactly one place."""
    held = [page.ref for one in booklets for page in (*one.pages.values(), *one.duplicates)]
    aside = [page.ref for page in pages if isinstance(page.result, PageSetAside)]
    assert sorted(map(repr, held + aside)) == sorted(repr(page.ref) for page in pages)


# --------------------------------------------------------------------------- pages with a copy


@given(st.permutations([(copy, page) for copy in ("07", "8", "0012") for page in (1, 2, 3)]), st.integers(1, 8))
def test_copies_come_together_from_any_order_over_any_files(order: list[tuple[str, int]], cut: int) -> None:
    pages = [
        read(page, copy, at=at, scan=f"{int(at > cut)}.pdf", order=int(at > cut)) for at, (copy, page) in enumerate(order, 1)
    ]
    booklets, flags = collate(list(reversed(pages)), form(3))
    assert {one.id: tuple(one.pages) for one in booklets} == dict.fromkeys(("07", "8", "0012"), (1, 2, 3))
    assert all(page.result.copy == one.id for one in booklets for page in one.pages.values())
    assert not flags
    assert [one.id for one in booklets] == list(dict.fromkeys(copy for copy, _ in order))


def test_missing_page_matters_only_where_it_has_questions() -> None:
    booklets, flags = collate([read(1, "7", at=1), read(3, "7", at=2), read(2, "8", at=3), read(3, "8", at=4)], form(3))
    assert [one.missing for one in booklets] == [(2,), (1,)]
    assert [(flag.kind, flag.booklet, flag.page, flag.can_change_points) for flag in flags] == [
        (FlagKind.MISSING_PAGE, "7", 2, True),
        (FlagKind.MISSING_PAGE, "8", 1, False),
    ]


def test_pages_without_boxes_that_nobody_scanned_are_one_flag() -> None:
    exam = layout(choice("q1"), pages=4)
    pages = [read(1, str(copy), at=copy) for copy in range(1, 6)] + [read(4, "5", at=6)]
    _, flags = collate(pages, exam)
    general = [flag for flag in flags if not flag.booklet]
    assert [(flag.page, flag.can_change_points) for flag in general] == [(2, False)]
    assert "pages 2 and 3" in general[0].detail
    assert [flag.booklet for flag in flags if flag.booklet] == ["1", "2", "3", "4"]  # page 4, which booklet 5 has


def test_second_different_image_is_flagged_and_kept() -> None:
    pages = [read(1, "7", at=1), read(2, "7", at=2), read(2, "7", at=3), read(2, "7", at=1, scan="later.pdf", order=1)]
    (booklet,), flags = collate(pages, form(2))
    assert booklet.pages[2].ref.scan_page == 2
    assert [page.ref for page in booklet.duplicates] == [pages[2].ref, pages[3].ref]
    assert [(flag.kind, flag.page, flag.ref, flag.can_change_points) for flag in flags] == [
        (FlagKind.DUPLICATE_PAGE, 2, pages[2].ref, True),
        (FlagKind.DUPLICATE_PAGE, 2, pages[3].ref, True),
    ]
    assert "scan.pdf, page 2" in flags[0].detail
    assert "scan.pdf, page 3" in flags[0].detail


def test_exactly_the_same_image_again_needs_nobody() -> None:
    pages = [read(1, "7", at=1, image="a"), read(2, "7", at=2, image="b"), read(2, "7", at=3, image="b")]
    (booklet,), flags = collate(pages, form(2))
    assert len(booklet.duplicates) == 1
    assert not flags


def test_an_image_that_was_set_aside_as_a_duplicate_is_named_and_can_change_nothing() -> None:
    pages = [read(1, "7", at=1), read(2, "7", at=2), set_aside(Reason.DUPLICATE, at=3, copy="7", page=2)]
    (booklet,), flags = collate(pages, form(2))
    assert not booklet.missing
    assert [(flag.kind, flag.ref, flag.can_change_points) for flag in flags] == [
        (FlagKind.DUPLICATE_PAGE, pages[2].ref, False)
    ]


def test_page_set_aside_is_missing_in_its_booklet_until_it_is_scanned_again() -> None:
    bad = [read(1, "7", at=1), set_aside(Reason.NOT_REGISTERED, at=2, copy="7", page=2)]
    (booklet,), flags = collate(bad, form(2))
    assert booklet.missing == (2,)
    assert {(flag.kind, flag.booklet, flag.page, flag.ref) for flag in flags} == {
        (FlagKind.PAGE_SET_ASIDE, "7", 2, bad[1].ref),
        (FlagKind.MISSING_PAGE, "7", 2, bad[1].ref),
    }
    (booklet,), flags = collate([*bad, read(2, "7", at=1, scan="again.pdf", order=1)], form(2))
    assert not booklet.missing
    assert not flags


def test_booklet_of_which_no_page_could_be_read_is_there_all_the_same() -> None:
    pages = [set_aside(Reason.NOT_REGISTERED, at=1, copy="7", page=1), set_aside(Reason.UNKNOWN_PAGE, at=2, copy="7")]
    (booklet,), flags = collate(pages, form(2))
    assert (booklet.id, dict(booklet.pages), booklet.missing) == ("7", {}, (1, 2))
    assert kinds(flags) == {FlagKind.PAGE_SET_ASIDE: 2, FlagKind.MISSING_PAGE: 2}


def test_another_exams_copy_is_no_booklet() -> None:
    booklets, flags = collate([set_aside(Reason.FOREIGN, at=1, copy="7", page=1)], form(2))
    assert not booklets
    assert [(flag.kind, flag.booklet, flag.can_change_points) for flag in flags] == [(FlagKind.PAGE_SET_ASIDE, "", False)]


def test_unread_code_is_no_loss_where_the_neighbours_leave_one_place() -> None:
    pages = [read(1, "7", at=1), read(2, at=2), read(3, "7", at=3), read(1, "8", at=4), read(2, "8", at=5), read(3, at=6)]
    booklets, flags = collate(pages, form(3))
    assert places(booklets) == {"7": {1: 1, 2: 2, 3: 3}, "8": {1: 4, 2: 5, 3: 6}}
    assert [(flag.kind, flag.booklet, flag.page, flag.can_change_points) for flag in flags] == [
        (FlagKind.PAGE_ORDER, "7", 2, False),
        (FlagKind.PAGE_ORDER, "8", 3, False),
    ]


@pytest.mark.parametrize("between", [("7", 1, "8", 3), ("7", 2, "7", 3), ("7", 1, "7", 1)])
def test_unread_code_is_never_guessed(between: tuple[str, int, str, int]) -> None:
    copy, page, next_copy, next_page = between
    pages = [read(page, copy, at=1), read(2, at=2), read(next_page, next_copy, at=3), read(2, "7", at=4)]
    booklets, _ = collate(pages, form(3))
    assert "scan-001" in places(booklets)


def test_pages_without_code_that_leave_a_gap_are_not_taken_in() -> None:
    booklets, _ = collate([read(1, "7", at=1), read(2, at=2), read(4, at=3)], form(4))
    assert places(booklets) == {"7": {1: 1}, "scan-001": {2: 2, 4: 3}}


def test_unread_page_with_a_copy_never_takes_a_place_in_another() -> None:
    pages = [read(1, "7", at=1), set_aside(Reason.UNKNOWN_PAGE, at=2, copy="8"), read(3, "7", at=3)]
    booklets, flags = collate(pages, form(3))
    assert {one.id: one.missing for one in booklets} == {"7": (2,), "8": (1, 2, 3)}
    (flag,) = [flag for flag in flags if flag.kind is FlagKind.PAGE_SET_ASIDE]
    assert (flag.booklet, flag.page) == ("8", 0)
    (flag,) = [flag for flag in flags if flag.booklet == "7"]
    assert (flag.kind, flag.page, flag.ref) == (FlagKind.MISSING_PAGE, 2, pages[0].ref)


# --------------------------------------------------------------------------- pages in order


def test_order_makes_booklets_with_ids_of_their_file() -> None:
    first = stack(1, 2, 3, 1, 2, 3, scan="room/scan.pdf")
    second = stack(1, 2, 3, scan="hall/scan.pdf", order=1)
    booklets, flags = collate([*second, *first], form(3))
    assert list(places(booklets)) == ["scan-001", "scan-002", "scan.2-001"]
    assert not flags
    alone, _ = collate(first, form(3))
    assert alone == booklets[:2]  # later scans change no id


def test_sheets_of_one_page_are_a_booklet_each() -> None:
    booklets, flags = collate(stack(1, 1, Reason.NOT_REGISTERED, 1), form(1))
    assert places(booklets) == {"scan-001": {1: 1}, "scan-002": {1: 2}, "scan-003": {1: 4}}
    assert [(flag.kind, flag.booklet, flag.can_change_points) for flag in flags] == [(FlagKind.PAGE_SET_ASIDE, "", True)]


@pytest.mark.parametrize("pages", [3, 4, 5, 12])
def test_stack_with_the_last_page_first(pages: int) -> None:
    reverse = list(range(pages, 0, -1))
    booklets, flags = collate(stack(*reverse * 3), form(pages))
    assert [sorted(one.pages) for one in booklets] == [list(range(1, pages + 1))] * 3
    assert not flags
    lost = reverse * 3
    del lost[pages + 1]
    booklets, flags = collate(stack(*lost), form(pages))
    assert [len(one.pages) for one in booklets] == [pages, pages - 1, pages]
    assert {flag.booklet for flag in flags} == {"scan-002"}


@pytest.mark.parametrize("sheets", [(3, 4, 1, 2), (5, Reason.BLANK, 3, 4, 1, 2), (5, 6, 3, 4, 1, 2)])
def test_stack_with_the_last_sheet_first(sheets: tuple[object, ...]) -> None:
    count = max(page for page in sheets if isinstance(page, int))
    booklets, flags = collate(stack(*sheets * 3), form(count))
    assert [len(one.pages) for one in booklets] == [count] * 3
    assert not flags


@given(
    pages=st.integers(2, 6),
    booklets=st.integers(1, 5),
    data=st.data(),
)
def test_a_lost_page_costs_its_own_booklet_only(pages: int, booklets: int, data: st.DataObject) -> None:
    whole = [(booklet, page) for booklet in range(booklets) for page in range(1, pages + 1)]
    lost = data.draw(st.sampled_from(whole))
    left = [one for one in whole if one != lost]
    scanned = stack(*(page for _, page in left))
    found, flags = collate(scanned, form(pages))
    assert_accounted(scanned, found)
    truth = [[at for at, (booklet, _) in enumerate(left, 1) if booklet == one] for one in range(booklets)]
    assert [sorted(held.values()) for held in places(found).values()] == [one for one in truth if one]
    own = f"scan-{lost[0] + 1:03d}"
    assert {flag.booklet for flag in flags} <= {own}
    assert kinds(flags, own)[FlagKind.MISSING_PAGE] == 1


@given(
    pages=st.integers(1, 5),
    booklets=st.integers(1, 4),
    inserted=st.lists(
        st.tuples(st.integers(0, 20), st.sampled_from([Reason.BLANK, Reason.FOREIGN, Reason.NOT_REGISTERED])), max_size=4
    ),
)
def test_pages_that_slip_in_cost_only_themselves(pages: int, booklets: int, inserted: list[tuple[int, Reason]]) -> None:
    whole: list[object] = [*range(1, pages + 1)] * booklets
    for at, reason in inserted:
        whole.insert(min(at, len(whole)), reason)
    scanned = stack(*whole)
    found, flags = collate(scanned, form(pages))
    assert_accounted(scanned, found)
    assert [list(one.pages) for one in found] == [list(range(1, pages + 1))] * booklets
    read_at = [place for place, page in enumerate(whole, 1) if isinstance(page, int)]
    assert [place for one in places(found).values() for place in one.values()] == read_at
    asked = [reason for _, reason in inserted if reason is not Reason.BLANK]
    assert kinds(flags)[FlagKind.PAGE_SET_ASIDE] == len(asked)
    assert not kinds(flags)[FlagKind.MISSING_PAGE]


@given(pages=st.integers(2, 6), booklets=st.integers(2, 4), data=st.data())
def test_unread_page_keeps_its_evident_place(pages: int, booklets: int, data: st.DataObject) -> None:
    whole: list[object] = [*range(1, pages + 1)] * booklets
    at = data.draw(st.integers(0, len(whole) - 1))
    number = at % pages + 1
    reason = data.draw(st.sampled_from([Reason.NOT_REGISTERED, Reason.FOREIGN, Reason.UNREADABLE_PAGE]))
    whole[at] = reason
    found, flags = collate(stack(*whole), form(pages))
    own = f"scan-{at // pages + 1:03d}"
    assert {one.id: one.missing for one in found if one.missing} == {own: (number,)}
    assert {flag.booklet for flag in flags} == {own}  # the order may be doubtful too, where the page lies at the stack's end
    asked = [flag for flag in flags if flag.kind is not FlagKind.PAGE_ORDER]
    assert {(flag.kind, flag.page, flag.ref and flag.ref.scan_page) for flag in asked} == {
        (FlagKind.PAGE_SET_ASIDE, number, at + 1),
        (FlagKind.MISSING_PAGE, number, at + 1),
    }
    assert {flag.can_change_points for flag in asked} == {number > 1}


def test_blank_back_in_the_place_of_a_page_is_named() -> None:
    _, flags = collate(stack(1, Reason.BLANK, 3, 1, 2, 3), form(3))
    assert [(flag.kind, flag.ref and flag.ref.scan_page) for flag in flags] == [(FlagKind.MISSING_PAGE, 2)]
    assert "blank" in flags[0].detail


def test_blank_backs_and_images_that_came_before_cost_nothing() -> None:
    backs = [page for number in (1, 2, 1, 2) for page in (number, Reason.BLANK)]
    found, flags = collate(stack(*backs, Reason.DUPLICATE), form(2))
    assert [len(one.pages) for one in found] == [2, 2]
    assert not any(flag.can_change_points for flag in flags)


def test_file_that_ends_in_the_middle_is_continued_by_the_next() -> None:
    pages = [*stack(1, 2, 3, 1, scan="a.pdf"), *stack(2, 3, 1, 2, 3, scan="b.pdf", order=1)]
    found, flags = collate(pages, form(3))
    assert {one.id: len(one.pages) for one in found} == {"a-001": 3, "a-002": 3, "b-001": 3}
    assert [(flag.kind, flag.booklet, flag.can_change_points) for flag in flags] == [(FlagKind.PAGE_ORDER, "a-002", True)]


@pytest.mark.parametrize("pages", [2, 3, 4])
@pytest.mark.parametrize(
    "cuts", [(5, 10, 15), (7, 14, 21), (5, 11), (5, 14), (6, 14)]
)  # the middle may look like another order
def test_stack_fed_in_portions(pages: int, cuts: tuple[int, ...]) -> None:
    whole = list(range(1, pages + 1)) * 10
    scanned = []
    for order, (start, end) in enumerate(pairwise((0, *cuts, len(whole)))):
        scanned += stack(*whole[start:end], scan=f"{order}.pdf", order=order)
    found, _ = collate(scanned, form(pages))
    at = [(page.ref.scan_order, page.ref.scan_page) for one in found for page in one.pages.values()]
    assert [len(one.pages) for one in found] == [pages] * 10
    assert at == [(page.ref.scan_order, page.ref.scan_page) for page in scanned]


@pytest.mark.parametrize(
    "second",
    [[3, 1, 2, 3], [Reason.NOT_REGISTERED, 2, 3], [1, 2, 3]],
)
def test_file_that_goes_on_elsewhere_is_not_a_continuation(second: list[object]) -> None:
    found, _ = collate([*stack(1, 2, 3, 1, scan="a.pdf"), *stack(*second, scan="b.pdf", order=1)], form(3))
    assert len(next(one for one in found if one.id == "a-002").pages) == 1


def test_damaged_file_between_parts_them() -> None:
    broken = set_aside(Reason.UNREADABLE_FILE, at=0, scan="b.pdf", order=1)
    pages = [*stack(1, 2, 3, 1, scan="a.pdf"), broken, *stack(2, 3, scan="c.pdf", order=2)]
    found, flags = collate(pages, form(3))
    assert [one.id for one in found] == ["a-001", "a-002", "c-001"]
    (flag,) = [flag for flag in flags if flag.kind is FlagKind.PAGE_SET_ASIDE]
    assert (flag.ref, flag.can_change_points) == (broken.ref, True)
    assert flag.detail.startswith("b.pdf: the file cannot be read")


def test_booklets_that_may_have_run_together_are_asked_about() -> None:
    _, flags = collate(stack(1, 2, 3, 4, 1, 2, 4, 1, 2, 3, 4), form(4))  # page 3 lost; or 3, 4 of one and 1 to 3 of the next
    assert {(flag.kind, flag.booklet, flag.can_change_points) for flag in flags} == {
        (FlagKind.MISSING_PAGE, "scan-002", True),
        (FlagKind.PAGE_ORDER, "scan-002", True),
    }
    _, flags = collate(stack(1, Reason.FAILED, Reason.FAILED, 2, 1, 2), form(2))
    assert kinds(flags, "scan-001") == {FlagKind.PAGE_ORDER: 1}


def test_pages_swapped_in_one_booklet_are_two_pieces_that_name_it() -> None:
    found, flags = collate(stack(1, 2, 3, 4, 1, 3, 2, 4, 1, 2, 3, 4), form(4))
    assert [len(one.pages) for one in found] == [4, 2, 2, 4]
    assert {flag.booklet for flag in flags if flag.kind is FlagKind.PAGE_ORDER} == {"scan-002", "scan-003"}
    assert not kinds(flags, "scan-001") + kinds(flags, "scan-004")


def test_two_page_stack_cut_at_its_end_says_what_it_rests_on() -> None:
    found, flags = collate(stack(1, 2, 1, 2, 1), form(2))  # or the last page first, with a page lost at the start
    assert [len(one.pages) for one in found] == [2, 2, 1]
    (doubt,) = [flag for flag in flags if flag.kind is FlagKind.PAGE_ORDER]
    assert doubt.booklet == "scan-003"
    assert "all booklets of this file" in doubt.detail
    earlier = stack(1, 2, 1, 2, 1, 2, scan="a.pdf")
    _, flags = collate([*earlier, *stack(1, 2, 1, 2, 1, order=1)], form(2))
    assert kinds(flags) == {FlagKind.MISSING_PAGE: 1}  # the file before tells how this feeder delivers


def test_page_numbers_by_order_alone_are_doubtful_where_pages_are_missing() -> None:
    pages = [read(page, at=at) for at, page in enumerate((1, 2, 3, 1, 2), 1)]
    pages = [
        ScannedPage(page.ref, replace(page.result, page_source="order")) for page in pages if isinstance(page.result, PageRead)
    ]
    _, flags = collate(pages, form(3))
    assert {flag.booklet for flag in flags if flag.kind is FlagKind.PAGE_ORDER} == {"scan-001", "scan-002"}
    _, flags = collate(pages[:3], form(3))
    assert flags
    assert {(flag.kind, flag.can_change_points) for flag in flags} == {(FlagKind.PAGE_ORDER, True)}


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),
            st.sampled_from(["", "", "7", "8"]),
            st.integers(0, 3),
            st.sampled_from([None, None, None, *(one for one in Reason)]),
        ),
        max_size=14,
    )
)
def test_every_page_is_accounted_for_exactly_once(drawn: list[tuple[int, str, int, Reason | None]]) -> None:
    at: Counter[int] = Counter()
    pages = []
    for order, copy, number, reason in drawn:
        at[order] += 1
        if reason is None:
            pages.append(read(max(number, 1), copy, at=at[order], scan=f"{order}.pdf", order=order))
        else:
            pages.append(set_aside(reason, at=at[order], copy=copy, page=number, scan=f"{order}.pdf", order=order))
    found, flags = collate(pages, form(3))
    assert_accounted(pages, found)
    assert len({one.id for one in found}) == len(found)
    assert all(set(one.pages) | set(one.missing) == {1, 2, 3} for one in found)
    assert collate(pages[::-1], form(3)) == (found, flags)
    flagged = {flag.ref for flag in flags}
    superseded = {(one.id, number) for one in found for number in one.pages}
    for page in pages:
        result = page.result
        if isinstance(result, PageSetAside) and result.reason not in (Reason.BLANK, Reason.DUPLICATE):
            assert page.ref in flagged or (result.copy, result.page) in superseded


def test_flags_get_the_place_of_their_page() -> None:
    pages = stack(1, 2)
    found, _ = collate(pages, form(2))
    there, not_there = with_refs(
        [Flag(FlagKind.UNSURE_MARK, "", "scan-001", 2), Flag(FlagKind.UNSURE_MARK, "", "nobody", 2)], found
    )
    assert there.ref == pages[1].ref
    assert not_there.ref is None
