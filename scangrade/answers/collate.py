"""Booklets from pages: whose page is each, what is missing, what came in twice, what could not be read.

Pages whose code names a copy are grouped by it, from any order over any files. Pages without a copy are put together by the order
within their scan file (`scangrade.answers.order`); such a booklet lies in one file, save that a file which ends in the middle of a
booklet is continued by the next one if that begins with exactly the page that comes next: people stop a scan at a paper jam and go on in
a new file. Whatever is doubtful about order is a flag, and the booklet's points wait for a person.

Every page that goes in is in exactly one place afterwards: a booklet's `pages`, its `duplicates`, or set aside.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Final

from scangrade.answers.order import Direction, Ending, Laid, known, lay
from scangrade.model import (
    Booklet,
    FieldKind,
    Flag,
    FlagKind,
    Layout,
    PageRead,
    PageRef,
    PageSetAside,
    Reason,
    ScannedPage,
)

#: What a reason says to people, and what they can do about it.
_WORDS: Final[Mapping[Reason, tuple[str, str]]] = {
    Reason.UNREADABLE_FILE: ("the file cannot be read", "Scan it again, or save it as PDF anew and add it."),
    Reason.ENCRYPTED_FILE: ("the file is encrypted", "Save it without a password and add it."),
    Reason.EMPTY_FILE: ("the file holds no page", "Scan it again, or leave it out."),
    Reason.UNREADABLE_PAGE: ("the page's image cannot be read", "Scan this page again and add it."),
    Reason.TOO_LARGE: ("the page's image is too large", "Scan it with 150 to 600 dpi and add it."),
    Reason.BLANK: ("the page is blank", ""),
    Reason.NOT_REGISTERED: (
        "the layout could not be laid over the page",
        "Scan it again, straight and whole, and add it; leave it if it is not of this exam.",
    ),
    Reason.FOREIGN: ("the page is not of this exam", "Look whether it was scanned in place of one that is."),
    Reason.UNKNOWN_PAGE: (
        "which page of the booklet it is could not be told",
        "Scan it again, with its page code clean, and add it.",
    ),
    Reason.DUPLICATE: ("the same image came in before", ""),
    Reason.FAILED: ("reading the page failed twice", "Scan it again and add it, and report this fault."),
}

#: Reasons that leave no page missing: backs of pages are often blank, and an image that is there already adds nothing.
_HARMLESS: Final = frozenset({Reason.BLANK, Reason.DUPLICATE})


#: Reasons of pages that no booklet can miss.
_NOT_OURS: Final = _HARMLESS | {Reason.FOREIGN}

#: Fields that points hang on: marks, and the version whose key they are held against.
_SCORED: Final = frozenset({FieldKind.CHOICE, FieldKind.CREDIT, FieldKind.VERSION})


@dataclass(slots=True)
class _Draft:
    """A booklet that is being put together."""

    images: dict[int, list[ScannedPage]] = field(default_factory=lambda: defaultdict(list))  #: read, by page, in scan order
    aside: dict[int, list[ScannedPage]] = field(default_factory=lambda: defaultdict(list))  #: not read, by page; 0 not known
    doubts: list[tuple[PageRef, str]] = field(default_factory=list)  #: about its order
    by_copy: bool = False


def collate(pages: Sequence[ScannedPage], layout: Layout) -> tuple[tuple[Booklet, ...], tuple[Flag, ...]]:
    """Put pages together to booklets.

    Parameters
    ----------
    pages : sequence of ScannedPage
        All pages of a run, in any order; every `ref` once.
    layout : Layout

    Returns
    -------
    tuple of Booklet
        In the order of their first pages. The id is the copy as its page code says it; without one "<scan's stem>-001", counted
        within the scan file, which stays the same when further scans are added.
    tuple of Flag
        Pages set aside, missing, or there twice with different images; odd order.

    Notes
    -----
    `Flag.can_change_points` is true for a missing or double page only if it has boxes of questions or of the version; for `PAGE_ORDER`
    it holds for the whole booklet, unless it is only a page without code that its neighbours place beyond doubt.
    """
    count = len(layout.pages)
    ordered = sorted(pages, key=lambda page: (page.ref.scan_order, page.ref.scan_page))
    drafts, flags = _drafts(ordered, count)
    scored_pages = frozenset(box.page for one in layout.fields if one.kind in _SCORED for box in one.boxes)
    booklets = []
    for booklet_id, draft in drafts.items():
        missing = tuple(number for number in range(1, count + 1) if number not in draft.images)
        chosen = {number: draft.images[number][0] for number in sorted(draft.images)}
        duplicates = tuple(page for number in chosen for page in draft.images[number][1:])
        booklets.append(Booklet(booklet_id, chosen, duplicates, missing))
    flags += _set_aside_flags(ordered, drafts, scored_pages)
    boxed = frozenset(box.page for one in layout.fields for box in one.boxes)
    never = _never_scanned(booklets, boxed, count)
    flags += _never_scanned_flags(never, len(booklets))
    for booklet in booklets:
        draft = drafts[booklet.id]
        flags += _missing_flags(booklet, draft, boxed=boxed, scored_pages=scored_pages, never=never)
        flags += _duplicate_flags(booklet, draft, scored_pages)
        flags += _order_flags(booklet.id, draft)
        flags += _assumed_flags(booklet, scored_pages)
    return tuple(booklets), tuple(flags)


def _drafts(ordered: Sequence[ScannedPage], count: int) -> tuple[dict[str, _Draft], list[Flag]]:
    """Every page in its booklet, the pages set aside as far as their place is known."""
    coded = {anchor for page in ordered if isinstance(page.result, PageRead) and (anchor := known(page, count)) and anchor[0]}
    copies = {copy for page in ordered if (copy := _own_copy(page))}
    drafts: dict[str, _Draft] = defaultdict(_Draft)
    flags: list[Flag] = []
    by_scan: dict[int, list[ScannedPage]] = defaultdict(list)
    for page in ordered:
        by_scan[page.ref.scan_order].append(page)
    names = _Names(copies)
    usual: Direction | None = None
    ending: Ending | None = None
    last = ""
    for file in by_scan.values():
        prefix = names.prefix(file[0].ref.scan)
        held = [page for page in file if page.ref.scan_page > 0]
        if any(known(page, count) for page in held):
            laid = lay(held, count, usual=usual, before=ending)
            owners = _owners(laid, coded, names.numbered(prefix), last)
            flags += _adopted_flags(laid, owners)
            _fill(drafts, laid, owners, count)
            if laid.continues:
                first = laid.stretches[0].pages[0]
                drafts[owners[0]].doubts.append((first.ref, "the booklet begins at the end of the scan file before"))
            usual = laid.direction if laid.telling else usual
            ending, last = laid.ending, owners[-1]
        elif not all(_reason(page) in _NOT_OURS for page in file):
            ending = None  # pages that could not be read lie between
        for page in held:
            copy = _own_copy(page) if known(page, count) is None else ""
            if copy and not any(page in images for images in drafts[copy].aside.values()):
                drafts[copy].aside[0].append(page)
    return _in_scan_order(drafts), flags


class _Names:
    """Ids of booklets that no code names: unique, and the same whenever the same scans came in in the same order."""

    def __init__(self, copies: set[str]) -> None:
        self._copies = copies
        self._prefixes: set[str] = set()

    def prefix(self, scan: str) -> str:
        """The scan's stem, with a number where a scan before it has the same."""
        stem = PurePath(scan).stem
        number, prefix = 1, stem
        while prefix in self._prefixes:
            number += 1
            prefix = f"{stem}.{number}"
        self._prefixes.add(prefix)
        return prefix

    def numbered(self, prefix: str) -> Iterator[str]:
        """Ids of one file's booklets, one after the other."""
        number = 0
        while True:
            number += 1
            name = f"{prefix}-{number:03d}"
            while name in self._copies:
                name += "~"
            yield name


def _owners(laid: Laid, coded: set[tuple[str, int]], names: Iterator[str], last: str) -> list[str]:
    """The booklet of every stretch."""
    owners: list[str] = []
    for number, stretch in enumerate(laid.stretches):
        if stretch.copy:
            owners.append(stretch.copy)
        elif number == 0 and laid.continues:
            owners.append(last)
        else:
            owners.append(_adopting_copy(laid, number, coded) or next(names))
    return owners


def _adopting_copy(laid: Laid, number: int, coded: set[tuple[str, int]]) -> str:
    """The copy that pages without code belong to beyond doubt, "" if to none.

    They must continue its pages without a gap on both sides, or on one side and reach the booklet's end on the other, and be missing
    in it.
    """
    position = {page: place for place, page in enumerate(laid.order)}
    own = [position[page.result.page] for page in laid.stretches[number].pages]
    if own[-1] - own[0] != len(own) - 1:
        return ""
    before = laid.stretches[number - 1] if number else None
    after = laid.stretches[number + 1] if number + 1 < len(laid.stretches) else None
    joins_before = before is not None and before.copy and position[before.pages[-1].result.page] == own[0] - 1
    joins_after = after is not None and after.copy and position[after.pages[0].result.page] == own[-1] + 1
    copy = ""
    if joins_before and joins_after and before and after:
        copy = before.copy if before.copy == after.copy else ""
    elif joins_before and before and own[-1] == len(laid.order) - 1:
        copy = before.copy
    elif joins_after and after and own[0] == 0:
        copy = after.copy
    free = not any((copy, page.result.page) in coded for page in laid.stretches[number].pages)
    return copy if free else ""


def _adopted_flags(laid: Laid, owners: Sequence[str]) -> list[Flag]:
    flags = []
    coded = {stretch.copy for stretch in laid.stretches if stretch.copy}
    for stretch, owner in zip(laid.stretches, owners, strict=True):
        if stretch.copy or owner not in coded:
            continue
        for page in stretch.pages:
            number = page.result.page
            detail = f"{_place(page.ref)}: no copy could be read on page {number}; its neighbours put it in booklet {owner}."
            flags.append(Flag(FlagKind.PAGE_ORDER, detail, owner, number, page.ref, can_change_points=False))
    return flags


def _fill(drafts: dict[str, _Draft], laid: Laid, owners: Sequence[str], count: int) -> None:
    """Put one file's pages into their booklets."""
    held = [len(stretch.pages) for stretch in laid.stretches]
    for placed in laid.placed:
        held[placed.stretch] += 1
    short = any(not one.copy and number < len(laid.order) for one, number in zip(laid.stretches, held, strict=True))
    for stretch, owner in zip(laid.stretches, owners, strict=True):
        draft = drafts[owner]
        draft.by_copy = draft.by_copy or bool(stretch.copy)
        assumed = None
        for page in stretch.pages:
            if isinstance(page.result, PageRead):
                draft.images[page.result.page].append(page)
                assumed = assumed or (page.ref if page.result.page_source == "order" and not stretch.copy else None)
            else:
                draft.aside[page.result.page or count].append(page)
        if assumed and short:
            draft.doubts.append(
                (assumed, "page numbers were told by their order only, and not all pages of this file are there")
            )
    for odd in laid.oddities:
        drafts[owners[odd.stretch]].doubts.append((odd.ref, odd.detail))
    for placed in laid.placed:
        if _own_copy(placed.page) in ("", owners[placed.stretch]):
            drafts[owners[placed.stretch]].aside[placed.number].append(placed.page)


def _in_scan_order(drafts: Mapping[str, _Draft]) -> dict[str, _Draft]:
    """Booklets by their first page."""

    def first(draft: _Draft) -> tuple[int, int]:
        held = (page.ref for group in (draft.images, draft.aside) for images in group.values() for page in images)
        return min((ref.scan_order, ref.scan_page) for ref in held)

    return {key: drafts[key] for key in sorted(drafts, key=lambda key: first(drafts[key]))}


def _set_aside_flags(ordered: Sequence[ScannedPage], drafts: Mapping[str, _Draft], scored_pages: frozenset[int]) -> list[Flag]:
    """A flag for every page set aside that somebody should look at.

    A page whose code was read needs nobody once the same page of the same copy came in again and could be read.
    """
    homes = {
        page.ref: (booklet, number)
        for booklet, draft in drafts.items()
        for number, images in draft.aside.items()
        for page in images
    }
    flags = []
    for page in ordered:
        result = page.result
        if not isinstance(result, PageSetAside) or result.reason is Reason.BLANK:
            continue
        if result.reason is Reason.DUPLICATE:
            seen = result.detail or _WORDS[Reason.DUPLICATE][0]
            detail = f"{_place(page.ref)}: {seen}. Look whether it was scanned in place of another."
            flags.append(Flag(FlagKind.DUPLICATE_PAGE, detail, result.copy, result.page, page.ref, can_change_points=False))
            continue
        booklet, number = homes.get(page.ref, ("", 0))
        if number and number in drafts[booklet].images:
            if result.reason is not Reason.FOREIGN and (result.copy, result.page) == (booklet, number):
                continue
            booklet, number = "", 0
        words, advice = _WORDS[result.reason]
        more = f" ({result.detail.rstrip('.')})" if result.detail else ""
        there = f" It lies where page {number} of booklet {booklet} should be." if number else ""
        flags.append(
            Flag(
                FlagKind.PAGE_SET_ASIDE,
                f"{_place(page.ref)}: {words}{more}.{there} {advice}",
                booklet,
                number,
                page.ref,
                can_change_points=number in scored_pages if number else result.reason is not Reason.FOREIGN,
            )
        )
    return flags


def _never_scanned(booklets: Sequence[Booklet], boxed: frozenset[int], count: int) -> tuple[int, ...]:
    """Pages without boxes that came in for no booklet: left out on purpose, it seems."""
    if len(booklets) < 2:
        return ()
    seen = boxed.union(*(booklet.pages for booklet in booklets))
    return tuple(number for number in range(1, count + 1) if number not in seen)


def _never_scanned_flags(never: tuple[int, ...], booklets: int) -> list[Flag]:
    if not never:
        return []
    detail = f"{_pages(never)} came in for none of the {booklets} booklets; nothing there is read by machine."
    return [Flag(FlagKind.MISSING_PAGE, detail, page=never[0], can_change_points=False)]


def _missing_flags(
    booklet: Booklet, draft: _Draft, *, boxed: frozenset[int], scored_pages: frozenset[int], never: tuple[int, ...]
) -> list[Flag]:
    some = next(iter(booklet.pages.values()), None)
    flags = []
    for number in booklet.missing:
        if number not in boxed:
            continue
        aside = draft.aside.get(number, ())
        if aside:
            why = " and ".join(
                f"{_place(page.ref)} lies in its place, and {_WORDS[page.result.reason][0]}"
                for page in aside
                if isinstance(page.result, PageSetAside)
            )
            detail = f"booklet {booklet.id}: page {number} is missing; {why}. Scan it again and add it."
        else:
            detail = f"booklet {booklet.id}: page {number} is missing. Look for it in the pile, scan it and add it."
        ref = aside[0].ref if aside else (some.ref if some else None)
        flags.append(Flag(FlagKind.MISSING_PAGE, detail, booklet.id, number, ref, can_change_points=number in scored_pages))
    rest = tuple(number for number in booklet.missing if number not in boxed and number not in never)
    if rest:
        verb = "is" if len(rest) == 1 else "are"
        detail = f"booklet {booklet.id}: {_pages(rest)} {verb} missing; nothing there is read by machine."
        ref = some.ref if some else None
        flags.append(Flag(FlagKind.MISSING_PAGE, detail, booklet.id, rest[0], ref, can_change_points=False))
    return flags


def _duplicate_flags(booklet: Booklet, draft: _Draft, scored_pages: frozenset[int]) -> list[Flag]:
    flags = []
    for number, first in booklet.pages.items():
        further = draft.images[number][1:]
        if not further:
            continue
        known_images = {first.result.image_sha256}
        for page in further:
            if page.result.image_sha256 in known_images:
                continue
            known_images.add(page.result.image_sha256)
            detail = (
                f"booklet {booklet.id}: page {number} came in twice, with different images: {_place(first.ref)},"
                f" and {_place(page.ref)}. The first one counts until somebody decides."
            )
            flags.append(
                Flag(
                    FlagKind.DUPLICATE_PAGE,
                    detail,
                    booklet.id,
                    number,
                    page.ref,
                    can_change_points=number in scored_pages,
                )
            )
    return flags


def _order_flags(booklet_id: str, draft: _Draft) -> list[Flag]:
    return [
        Flag(
            FlagKind.PAGE_ORDER,
            f"{_place(ref)}: {detail}. Check that all pages of booklet {booklet_id} are one student's.",
            booklet_id,
            ref=ref,
        )
        for ref, detail in draft.doubts
    ]


def _assumed_flags(booklet: Booklet, scored_pages: frozenset[int]) -> list[Flag]:
    """Pages with boxes that only their place in the pile told from others that look alike."""
    return [
        Flag(
            FlagKind.PAGE_ORDER,
            f"{_place(page.ref)}: that this is page {number} was told by its place in the pile only, since pages look alike. Check it.",
            booklet.id,
            number,
            page.ref,
        )
        for number, page in booklet.pages.items()
        if number in scored_pages and isinstance(page.result, PageRead) and page.result.page_source == "order"
    ]


def with_refs(flags: Iterable[Flag], booklets: Sequence[Booklet]) -> tuple[Flag, ...]:
    """Flags with the place of their page filled in, where they name a booklet and a page that came in but no place."""
    known_booklets = {one.id: one for one in booklets}

    def located(flag: Flag) -> Flag:
        booklet = known_booklets.get(flag.booklet)
        page = booklet.pages.get(flag.page) if booklet and flag.ref is None else None
        return replace(flag, ref=page.ref) if page else flag

    return tuple(located(flag) for flag in flags)


def _own_copy(page: ScannedPage) -> str:
    """The copy that a page of this exam says it belongs to, "" where it says none."""
    return "" if _reason(page) in _NOT_OURS else page.result.copy


def _reason(page: ScannedPage) -> Reason | None:
    return page.result.reason if isinstance(page.result, PageSetAside) else None


def _place(ref: PageRef) -> str:
    return f"{ref.scan}, page {ref.scan_page}" if ref.scan_page else ref.scan


def _pages(numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"page {numbers[0]}"
    return f"pages {', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"
