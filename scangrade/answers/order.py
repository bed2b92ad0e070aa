"""Putting pages together by the order in which a file holds them, where no page code says whose they are.

A stack that runs through a feeder keeps its order, so order is evidence; but pages get lost, foreign and blank sheets slip in, and
some feeders deliver the last page first. Nothing here counts pages from the start of the file: only known page numbers of neighbours
are compared, so that a lost or an additional sheet can cost its own booklet and no other. Where order alone could be read in two ways
the result says so; whoever asks decides what to do about it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from scangrade.model import PageRead, PageRef, PageSetAside, Reason, ScannedPage


class Direction(StrEnum):
    """In which order a feeder delivered the pages of every booklet."""

    FORWARD = "first page first"
    REVERSE = "last page first"
    SHEETS = "last sheet first"  #: both sides of a sheet in order, the sheets of a booklet reversed


@dataclass(frozen=True, slots=True)
class Stretch:
    """Pages that follow each other in one booklet: read, or set aside with their page number known."""

    copy: str  #: the booklet's number by page code, "" where the pages say none
    pages: tuple[ScannedPage, ...]


@dataclass(frozen=True, slots=True)
class Placed:
    """A page set aside whose place in the order is evident."""

    page: ScannedPage
    stretch: int  #: index in `Laid.stretches`
    number: int  #: page of the layout that it must be


@dataclass(frozen=True, slots=True)
class Oddity:
    """What makes it doubtful that the pages of a stretch are one student's."""

    stretch: int
    ref: PageRef
    detail: str


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a file in the middle of a booklet without a copy."""

    direction: Direction
    page: int  #: that would come next
    pages: int  #: how many are to come


@dataclass(frozen=True, slots=True)
class Laid:
    """The pages of one scan file, put together."""

    direction: Direction
    order: tuple[int, ...]  #: page numbers in the order in which the file holds them
    stretches: tuple[Stretch, ...]
    placed: tuple[Placed, ...]
    oddities: tuple[Oddity, ...]
    telling: bool  #: whether the direction is told by this file alone, without doubt
    continues: bool  #: whether the first stretch goes on exactly where the file before it ended
    ending: Ending | None  #: how the file ends, None where it ends with a booklet's last page or with pages of unknown number


@dataclass(frozen=True, slots=True)
class _Trial:
    """The file's pages as they fall together if it has a certain order."""

    direction: Direction
    order: tuple[int, ...]
    stretches: tuple[tuple[int, ...], ...]  #: indices of pages
    placed: Mapping[int, tuple[int, int]]  #: index of a page: stretch, page number
    lacking: int  #: pages that did not come, save those in whose place an unread page lies
    unread: int  #: all pages that were not read
    continues: bool


def known(page: ScannedPage, count: int) -> tuple[str, int] | None:
    """Copy and page number of a page, None where the number is not known (or the page is not of our form).

    Parameters
    ----------
    page : ScannedPage
    count : int
        Pages of a booklet. A form of one page has no order: a page of it that was not read is nobody's unless it has a copy.
    """
    result = page.result
    if isinstance(result, PageRead):
        return result.copy, result.page
    if result.reason in (Reason.FOREIGN, Reason.BLANK, Reason.DUPLICATE):
        return None
    number = 1 if count == 1 else result.page
    return (result.copy, number) if number and (result.copy or count > 1) else None


def lay(pages: Sequence[ScannedPage], count: int, *, usual: Direction | None, before: Ending | None) -> Laid:
    """Put the pages of one scan file together.

    A new stretch starts when the copy changes, or when a page number is already there or goes backwards in the file's order. Of the
    orders that feeders deliver, one that lacks fewest pages is taken; of equals `usual`, then the one that needs fewest unread pages,
    then first page first. Where the pages would go together otherwise in another of the equals, the stretches that are not complete
    carry that as an oddity: what left it open is that their pages are missing.

    Parameters
    ----------
    pages : sequence of ScannedPage
        Of one file, in scan order; at least one of them `known`.
    count : int
        Pages of a booklet, 1 or more.
    usual : Direction or None
        What earlier files of the run told; decides between readings that are equally good.
    before : Ending or None
        How the file before this one ended.

    Returns
    -------
    Laid
    """
    anchors = {index: anchor for index, page in enumerate(pages) if (anchor := known(page, count))}
    seen = Counter(number for _, number in anchors.values())
    trials: list[_Trial] = []
    least = None  # that any trial lacks so far
    for direction, order in _orders(count, seen):
        trial = _try(pages, anchors, direction, order, count, before, most=least)
        if trial is not None and (direction is not Direction.SHEETS or _complete(trial) > 1):
            trials.append(trial)
            least = trial.lacking if least is None else min(least, trial.lacking)
    equal = sorted((one for one in trials if one.lacking == least), key=lambda one: one.unread)
    taken = next((one for one in equal if one.direction is usual), equal[0])
    parts = {_unnamed(one, anchors) for one in equal}
    oddities = _oddities(pages, anchors, taken)
    if len(parts) > 1 and taken.direction is not usual:
        oddities += _either_way(pages, anchors, taken)
    return Laid(
        taken.direction,
        taken.order,
        tuple(Stretch(anchors[one[0]][0], tuple(pages[index] for index in one)) for one in taken.stretches),
        tuple(Placed(pages[index], *place) for index, place in sorted(taken.placed.items())),
        tuple(oddities),
        len(anchors) > len(taken.stretches) and len({one.direction for one in equal}) == 1,
        taken.continues,
        _ending(pages, anchors, taken),
    )


def _orders(count: int, seen: Counter[int]) -> list[tuple[Direction, tuple[int, ...]]]:
    """Orders that a file can have; also without the pages that were never scanned, once it holds more than one booklet."""
    every = tuple(range(1, count + 1))
    sheets = tuple(page for first in range(count - 1 + count % 2, 0, -2) for page in (first, first + 1) if page <= count)
    whole = [(Direction.FORWARD, every), (Direction.REVERSE, every[::-1]), (Direction.SHEETS, sheets)]
    several = max(seen.values()) > 1
    some = [(name, tuple(page for page in order if page in seen)) for name, order in whole] if several else []
    distinct: dict[tuple[int, ...], Direction] = {}
    for name, order in (*whole, *some):
        distinct.setdefault(order, name)
    return [(name, order) for order, name in distinct.items()]


def _try(
    pages: Sequence[ScannedPage],
    anchors: Mapping[int, tuple[str, int]],
    direction: Direction,
    order: tuple[int, ...],
    count: int,
    ending: Ending | None,
    *,
    most: int | None,
) -> _Trial | None:
    """The file in one order; None, as soon as that is certain, where it lacks more pages than `most`."""
    position = {page: place for place, page in enumerate(order)}
    # pages in whose place another lies, or that the file before this one holds, are not lacking
    enough = math.inf if most is None else most + len(pages) + (ending.pages + len(order) if ending else 0)
    stretches: list[list[int]] = []
    last: list[int] = []
    copy_before, place_before = "", 0
    for index, (copy, number) in anchors.items():
        place = position[number]
        if not last or copy != copy_before or place <= place_before:
            last = []
            stretches.append(last)
            if len(order) * len(stretches) > enough:
                return None
        last.append(index)
        copy_before, place_before = copy, place
    lacking = len(order) * len(stretches) - len(anchors)
    unread = count * len(stretches) - len(anchors)
    placed: dict[int, tuple[int, int]] = {}
    for between, vacant in _gaps(pages, anchors, stretches, order, position):
        fitting = _fit(pages, between, vacant)
        placed.update(fitting)
        lacking -= len(fitting) if len(fitting) == len(_loose(pages, between)[0]) else 0
    first, (copy, number) = next(iter(anchors.items()))
    continues = (
        ending is not None
        and (direction, number, copy) == (ending.direction, ending.page, "")
        and not _loose(pages, range(first))[0]
    )
    if ending is not None and continues:
        lacking -= ending.pages + position[number]
        unread -= ending.pages + position[number]
    return _Trial(direction, order, tuple(map(tuple, stretches)), placed, lacking, unread, continues)


def _ending(pages: Sequence[ScannedPage], anchors: Mapping[int, tuple[str, int]], trial: _Trial) -> Ending | None:
    last = trial.stretches[-1][-1]
    copy, number = anchors[last]
    to_come = trial.order[trial.order.index(number) + 1 :]
    if copy or not to_come or _loose(pages, range(last + 1, len(pages)))[0]:
        return None
    return Ending(trial.direction, to_come[0], len(to_come))


def _gaps(
    pages: Sequence[ScannedPage],
    anchors: Mapping[int, tuple[str, int]],
    stretches: Sequence[Sequence[int]],
    order: tuple[int, ...],
    position: Mapping[int, int],
) -> list[tuple[range, list[tuple[int, int]]]]:
    """For every row of pages without a number between two with one: their indices, and the places (stretch, page) vacant there."""
    if len(anchors) == len(pages):
        return []
    owner = [number for number, stretch in enumerate(stretches) for _ in stretch]
    indices = list(anchors)
    gaps = []
    for place in range(len(indices) + 1):
        after = indices[place] if place < len(indices) else len(pages)
        before = indices[place - 1] if place else -1
        if after - before == 1:
            continue
        left = position[anchors[before][1]] + 1 if place else len(order)
        right = position[anchors[after][1]] if place < len(indices) else 0
        if 0 < place < len(indices) and owner[place - 1] == owner[place]:
            vacant = [(owner[place], page) for page in order[left:right]]
        else:
            vacant = [(owner[place - 1], page) for page in order[left:]] if place else []
            vacant += [(owner[place], page) for page in order[:right]] if place < len(indices) else []
        gaps.append((range(before + 1, after), vacant))
    return gaps


def _loose(pages: Sequence[ScannedPage], between: range) -> tuple[list[int], list[int], list[int]]:
    """Indices of pages set aside that may be of our form; the same with foreign ones; the same with blank ones.

    The second image of a page that was read already has no place of its own.
    """
    reasons = {index: one.reason for index in between if isinstance(one := pages[index].result, PageSetAside)}
    held = [index for index, reason in reasons.items() if reason is not Reason.DUPLICATE]
    shown = [index for index in held if reasons[index] is not Reason.BLANK]
    return [index for index in shown if reasons[index] is not Reason.FOREIGN], shown, held


def _fit(pages: Sequence[ScannedPage], between: range, vacant: Sequence[tuple[int, int]]) -> dict[int, tuple[int, int]]:
    """Places of pages set aside: evident when there are as many of them as vacant places.

    Blank pages count only where nothing else fits: a sheet that lay the wrong way round shows its empty back.
    """
    for candidates in _loose(pages, between):
        if candidates and len(candidates) == len(vacant):
            return dict(zip(candidates, vacant, strict=True))
    return {}


def _complete(trial: _Trial) -> int:
    return sum(len(stretch) == len(trial.order) for stretch in trial.stretches)


def _unnamed(trial: _Trial, anchors: Mapping[int, tuple[str, int]]) -> tuple[tuple[int, ...], ...]:
    """The stretches that rest on order alone."""
    return tuple(stretch for stretch in trial.stretches if not anchors[stretch[0]][0])


def _oddities(pages: Sequence[ScannedPage], anchors: Mapping[int, tuple[str, int]], trial: _Trial) -> list[Oddity]:
    """Doubts about stretches that rest on order alone."""
    position = {page: place for place, page in enumerate(trial.order)}
    odd: list[Oddity] = []
    for number, stretch in enumerate(trial.stretches):
        if anchors[stretch[0]][0]:
            continue
        for before, after in pairwise(stretch):
            first, second = anchors[before][1], anchors[after][1]
            vacant = trial.order[position[first] + 1 : position[second]]
            loose = _loose(pages, range(before + 1, after))[0]
            if any(index in trial.placed for index in range(before + 1, after)):
                continue
            more = len(loose) - len(vacant)
            if vacant or (more > 0 and more % len(trial.order) == 0):
                between = f"{len(loose)} unread pages between" if loose else "nothing between"
                detail = f"page {second} follows page {first} with {between}"
                odd.append(Oddity(number, pages[after].ref, f"{detail}; two booklets may have run together here"))
    odd += _divided(pages, anchors, trial)
    return odd


def _divided(pages: Sequence[ScannedPage], anchors: Mapping[int, tuple[str, int]], trial: _Trial) -> list[Oddity]:
    """Two neighbours that together are one complete booklet: out of order, or with one page scanned twice."""
    odd = []
    for number, (left, right) in enumerate(pairwise(trial.stretches)):
        if anchors[left[0]][0] or anchors[right[0]][0] or len(left) + len(right) > len(trial.order) + 1:
            continue
        if {anchors[index][1] for index in (*left, *right)} != set(trial.order):
            continue
        if len(trial.order) in (len(left), len(right)):
            continue
        first, second = anchors[left[-1]][1], anchors[right[0]][1]
        detail = f"page {second} comes after page {first}; the pages before and after make one complete booklet together"
        odd += [Oddity(number, pages[left[-1]].ref, detail), Oddity(number + 1, pages[right[0]].ref, detail)]
    return odd


def _either_way(pages: Sequence[ScannedPage], anchors: Mapping[int, tuple[str, int]], trial: _Trial) -> list[Oddity]:
    """The file can be read in two orders that put different pages together.

    Said of the booklets that are not complete; of all where an unusual order was taken.
    """
    detail = (
        f"all booklets of this file were put together as scanned {trial.direction}; as pages are missing, they would go together"
        " otherwise as well"
    )
    return [
        Oddity(number, pages[stretch[0]].ref, detail)
        for number, stretch in enumerate(trial.stretches)
        if not anchors[stretch[0]][0] and (len(stretch) < len(trial.order) or trial.direction is not Direction.FORWARD)
    ]
