"""What waits for a person, in the order in which it matters."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import urlencode

from scangrade.model import Field, FieldKind, Flag, FlagKind, Layout, PageFate, flag_key


class Group(StrEnum):
    """Items that are done one after the other; in the order in which they matter."""

    PAGES = "pages"
    STUDENTS = "students"
    POINTS = "points"
    DISPUTED = "disputed"
    REST = "rest"
    WAITING = "waiting"


TITLES: Final[Mapping[Group, str]] = {
    Group.PAGES: "Pages set aside, missing or twice",
    Group.STUDENTS: "Booklets without a student",
    Group.POINTS: "Marks and credits that can change points",
    Group.DISPUTED: "Reviewers disagree",
    Group.REST: "The rest: changes no points",
    Group.WAITING: "Sent for rescan",
}

KIND_WORDS: Final[Mapping[FlagKind, str]] = {
    FlagKind.PAGE_SET_ASIDE: "page set aside",
    FlagKind.MISSING_PAGE: "missing page",
    FlagKind.DUPLICATE_PAGE: "page there twice",
    FlagKind.PAGE_ORDER: "odd order",
    FlagKind.UNKNOWN_STUDENT: "unknown student",
    FlagKind.DUPLICATE_STUDENT: "student claimed twice",
    FlagKind.UNKNOWN_VERSION: "unknown version",
    FlagKind.UNSURE_MARK: "unsure mark",
    FlagKind.DOUBTFUL_ANSWER: "doubtful answer",
    FlagKind.CREDIT: "credit",
    FlagKind.OPEN_POINTS: "points by hand",
    FlagKind.DISAGREEMENT: "disagreement",
}

_PAGES = frozenset({FlagKind.PAGE_SET_ASIDE, FlagKind.MISSING_PAGE, FlagKind.DUPLICATE_PAGE, FlagKind.PAGE_ORDER})
_STUDENTS = frozenset({FlagKind.UNKNOWN_STUDENT, FlagKind.DUPLICATE_STUDENT})
_KINDS: Final = tuple(FlagKind)


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to decide."""

    id: str  #: the same as long as the flag is
    group: Group
    flag: Flag
    question: str  #: that it is about, "" for none
    url: str  #: of the screen where it is decided


@dataclass(frozen=True, slots=True)
class Filter:
    """Which items are shown; "" for all."""

    group: str = ""
    question: str = ""
    booklet: str = ""
    kind: str = ""

    def fits(self, item: Item) -> bool:
        """Whether an item is shown."""
        return (
            self.group in ("", item.group)
            and self.question in ("", item.question)
            and self.booklet in ("", item.flag.booklet)
            and self.kind in ("", item.flag.kind)
        )

    def query(self) -> dict[str, str]:
        """The same as parameters of an address."""
        named = {"group": self.group, "question": self.question, "booklet": self.booklet, "kind": self.kind}
        return {name: value for name, value in named.items() if value}


def short_key(text: str) -> str:
    """What the browser knows something by: 16 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def in_order(
    flags: Sequence[Flag], layout: Layout, image_keys: Mapping[object, str], known: dict[Flag, Item] | None = None
) -> tuple[Item, ...]:
    """Items of all flags, in the order in which they are to be done.

    Parameters
    ----------
    flags : sequence of Flag
    layout : Layout
    image_keys : mapping of PageRef to str
        `page_key` of the pages set aside.
    known : dict of Flag to Item, optional
        Items made before from the same layout and pages, which are taken over; it is given the new ones. In a large run hardly any flag
        changes with a decision.
    """
    known = {} if known is None else known
    fields = {one.id: one for one in layout.fields}
    for flag in flags:
        if flag not in known:
            known[flag] = _item(flag, fields, image_keys)
    items = [known[flag] for flag in flags]
    groups, kinds = {group: place for place, group in enumerate(Group)}, {kind: place for place, kind in enumerate(_KINDS)}
    return tuple(
        sorted(
            items,
            key=lambda item: (
                groups[item.group],
                kinds[item.flag.kind],
                item.question,
                item.flag.booklet,
                item.flag.page,
            ),
        )
    )


def _item(flag: Flag, fields: Mapping[str, Field], image_keys: Mapping[object, str]) -> Item:
    key = short_key(flag_key(flag))
    field = fields.get(flag.field)
    question = field.question if field else ""
    return Item(key, _group(flag, field), flag, question, _url(flag, field, key, image_keys))


def _group(flag: Flag, field: Field | None) -> Group:
    if flag.kind is FlagKind.PAGE_SET_ASIDE and f"Sent for {PageFate.RESCAN}" in flag.detail:
        return Group.WAITING
    if flag.kind is FlagKind.DISAGREEMENT:
        return Group.DISPUTED
    if flag.kind in _PAGES:
        return Group.PAGES
    if flag.kind in _STUDENTS or (field is not None and field.kind is FieldKind.DIGIT):
        return Group.STUDENTS
    return Group.POINTS if flag.can_change_points else Group.REST


def _url(flag: Flag, field: Field | None, key: str, image_keys: Mapping[object, str]) -> str:
    def to(path: str, **parameters: str) -> str:
        return f"{path}?{urlencode(parameters)}"

    if flag.ref in image_keys and flag.kind in (FlagKind.PAGE_SET_ASIDE, FlagKind.DISAGREEMENT):
        return to("/aside", k=short_key(image_keys[flag.ref]))
    if flag.kind in _PAGES:
        return to("/flag", i=key)
    if flag.kind in _STUDENTS or (flag.kind is FlagKind.DISAGREEMENT and not flag.field and not flag.can_change_points):
        return to("/student", b=flag.booklet)
    if flag.kind is FlagKind.OPEN_POINTS:
        return to("/points", b=flag.booklet)
    if field is not None and field.boxes:
        return to("/field", b=flag.booklet, f=flag.field)
    return to("/booklet", b=flag.booklet)


def expected_seconds(items: Sequence[Item], seconds: Mapping[str, float], pace: float | None) -> float:
    """How long the items will take: each kind's usual time, scaled by how fast this reviewer decides marks.

    Parameters
    ----------
    items : sequence of Item
    seconds : mapping of flag kind to float
        Usual times.
    pace : float or None
        Seconds that one decision on a mark takes this reviewer.
    """
    factor = 1.0 if pace is None else pace / seconds[FlagKind.UNSURE_MARK]
    return factor * sum(seconds.get(item.flag.kind, 10.0) for item in items)
