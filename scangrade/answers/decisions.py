"""What people decided, laid over what the machine read: pure functions, so that a decision costs no reading and no other field.

The journal is folded to one opinion per reviewer and matter. Reviewers who say the same decide; where they differ nothing is decided and
the matter is an item again, until somebody settles it in sight of both opinions. Nobody's opinion is written over by another's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from scangrade.model import (
    NOBODY,
    NOTHING_DECIDED,
    Answer,
    Booklet,
    BoxVerdict,
    Decisions,
    Entry,
    Flag,
    FlagKind,
    Identity,
    Layout,
    MatchStatus,
    Opinion,
    PageFate,
    PageRead,
    Roster,
    Ruling,
    ScannedPage,
    Topic,
    Verdict,
    flag_key,
    page_key,
)

_REMOVED = frozenset({PageFate.BLANK, PageFate.FOREIGN, PageFate.RESCAN})


# --------------------------------------------------------------------------- the journal


def standing_entries(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Decisions that were not taken back, in order. An undo that was redone takes nothing back."""
    dead: set[str] = set()
    kept = []
    for entry in reversed(entries):
        if entry.group in dead:
            continue
        if entry.topic in (Topic.UNDO, Topic.REDO):
            dead.add(entry.item)
        else:
            kept.append(entry)
    return tuple(reversed(kept))


def fold(entries: Sequence[Entry]) -> Decisions:
    """What all decisions amount to."""
    return with_entries(NOTHING_DECIDED, standing_entries(entries))


def with_entries(decisions: Decisions, entries: Sequence[Entry]) -> Decisions:
    """The same with further entries, none of which takes anything back: the fold's step."""
    rulings = dict(decisions.rulings)
    for entry in entries:
        key = entry.topic, entry.image, entry.item
        held = rulings[key].opinions if key in rulings and not entry.settles else ()
        others = tuple(one for one in held if one.reviewer != entry.reviewer)
        rulings[key] = Ruling((*others, Opinion(entry.value, entry.reviewer, entry.seq, entry.id, entry.remark)))
    return Decisions(rulings)


def last_undoable(entries: Sequence[Entry], reviewer: str) -> str:
    """The group that a reviewer's undo would take back: the newest of their own that stands; "" if there is none."""
    own = [one for one in standing_entries(entries) if one.reviewer == reviewer]
    return own[-1].group if own else ""


def last_redoable(entries: Sequence[Entry], reviewer: str) -> str:
    """The undo that a reviewer's redo would take back; "" if there is none, or they decided something since."""
    dead: set[str] = set()
    for entry in reversed(entries):
        if entry.group in dead or (entry.reviewer != reviewer and entry.topic not in (Topic.UNDO, Topic.REDO)):
            continue
        if entry.topic is Topic.REDO:
            dead.add(entry.item)
        elif entry.topic is Topic.UNDO:
            if entry.reviewer == reviewer:
                return entry.group
            dead.add(entry.item)
        else:
            return ""
    return ""


def images_of(entries: Iterable[Entry]) -> frozenset[str]:
    """Page images that decisions are about."""
    return frozenset(one.image for one in entries if one.image)


# --------------------------------------------------------------------------- pages


def assigned_booklet(ruling: Ruling | None) -> tuple[int, str] | None:
    """Page and booklet that a person gave a page image, None where nobody did, or reviewers disagree."""
    if ruling is None or ruling.disputed:
        return None
    fate, _, rest = ruling.last.value.partition(" ")
    if fate != PageFate.PLACED:
        return None
    page, _, booklet = rest.partition(" ")
    return int(page), booklet


def fate_of(page: ScannedPage, decisions: Decisions) -> PageFate | None:
    """What people decided about a page image."""
    ruling = decisions.on(Topic.PAGE, page_key(page))
    if ruling is None or ruling.disputed:
        return None
    return PageFate(ruling.last.value.partition(" ")[0])


@dataclass(frozen=True, slots=True)
class Placed:
    """A booklet after people's decisions about its pages."""

    booklet: Booklet
    changed: frozenset[int]  #: pages of which other images count than the machine took


def place_pages(booklet: Booklet, added: Sequence[ScannedPage], layout: Layout, decisions: Decisions) -> Placed:
    """Take pages out of a booklet and put others in, as people decided.

    Parameters
    ----------
    booklet : Booklet
        As the machine put it together.
    added : sequence of ScannedPage
        Pages that people gave to this booklet, read.
    layout : Layout
    decisions : Decisions
    """
    images: dict[int, list[ScannedPage]] = defaultdict(list)
    superseded: list[ScannedPage] = []
    for page in (*booklet.pages.values(), *booklet.duplicates):
        fate, given = fate_of(page, decisions), assigned_booklet(decisions.on(Topic.PAGE, page_key(page)))
        if isinstance(page.result, PageRead) and fate not in _REMOVED and given is None:
            images[page.result.page].append(page)
        elif given is None and fate is not PageFate.FOREIGN:
            superseded.append(page)
    for page in added:
        if isinstance(page.result, PageRead):
            images[page.result.page].append(page)
    for number, held in images.items():
        chosen = [page for page in held if fate_of(page, decisions) is PageFate.COUNTS]
        if chosen:
            images[number] = [max(chosen, key=lambda page: _seq(page, decisions))]
            superseded += [page for page in held if page is not images[number][0]]
    pages = {number: images[number][0] for number in sorted(images) if images[number]}
    duplicates = tuple(page for number in pages for page in images[number][1:])
    missing = tuple(page.number for page in layout.pages if page.number not in pages)
    changed = frozenset(
        number
        for number in {*pages, *booklet.pages}
        if _refs(number, pages, duplicates) != _refs(number, booklet.pages, booklet.duplicates)
    )
    if not changed:
        return Placed(booklet, changed)
    placed = replace(booklet, pages=pages, duplicates=duplicates, missing=missing, superseded=tuple(superseded))
    return Placed(placed, changed)


def _seq(page: ScannedPage, decisions: Decisions) -> int:
    ruling = decisions.on(Topic.PAGE, page_key(page))
    return ruling.last.seq if ruling else 0


def _refs(number: int, pages: Mapping[int, ScannedPage], duplicates: Sequence[ScannedPage]) -> list[object]:
    more: list[object] = [page.ref for page in duplicates if page.result.page == number]
    return [pages[number].ref, *more] if number in pages else more


def page_flags(placed: Placed, flags: Sequence[Flag], layout: Layout, decisions: Decisions) -> list[Flag]:
    """Flags about a booklet's pages that still hold after people's decisions, and those that follow from them."""
    booklet = placed.booklet
    kept = []
    for flag in flags:
        on_page = flag.booklet == booklet.id and flag.page in placed.changed
        if on_page and flag.kind in (FlagKind.MISSING_PAGE, FlagKind.DUPLICATE_PAGE, FlagKind.PAGE_ORDER):
            continue
        kept += still_open([flag], decisions)
    boxed = frozenset(box.page for one in layout.fields for box in one.boxes)
    for number in sorted(placed.changed):
        if number not in booklet.pages:
            detail = (
                f"booklet {booklet.id}: page {number} is missing, as a reviewer took its image out. Scan it again and add it."
            )
            kept.append(Flag(FlagKind.MISSING_PAGE, detail, booklet.id, number, can_change_points=number in boxed))
        for page in booklet.duplicates:
            if page.result.page == number:
                where = f"{page.ref.scan}, page {page.ref.scan_page}"
                detail = f"booklet {booklet.id}: page {number} is there twice, the second time as {where}. Say which counts."
                kept.append(
                    Flag(FlagKind.DUPLICATE_PAGE, detail, booklet.id, number, page.ref, can_change_points=number in boxed)
                )
    return still_open(kept, decisions)


def still_open(flags: Iterable[Flag], decisions: Decisions, pages: Mapping[object, str] | None = None) -> list[Flag]:
    """Flags about pages that people have not dealt with: the page's fate is decided, or the flag was looked at.

    Parameters
    ----------
    flags : iterable of Flag
    decisions : Decisions
    pages : mapping of PageRef to str, optional
        `page_key` of the pages that flags of pages set aside name.
    """
    kept = []
    for flag in flags:
        image = (pages or {}).get(flag.ref, "") if flag.ref else ""
        ruling = decisions.on(Topic.PAGE, image) if image and flag.kind is FlagKind.PAGE_SET_ASIDE else None
        seen = decisions.on(Topic.FLAG, "", flag_key(flag))
        if ruling is not None and ruling.disputed:
            kept.append(replace(flag, kind=FlagKind.DISAGREEMENT, detail=f"{flag.detail} Reviewers disagree: {said(ruling)}."))
        elif ruling is not None and ruling.last.value == PageFate.RESCAN:
            kept.append(replace(flag, detail=f"{flag.detail} Sent for rescan by {ruling.last.reviewer}."))
        elif ruling is None and seen is None:
            kept.append(flag)
    return kept


def said(ruling: Ruling) -> str:
    """Who said what, for people."""
    return "; ".join(f"{one.reviewer} says {one.value}" for one in ruling.opinions)


# --------------------------------------------------------------------------- marks


def with_marks(booklet: Booklet, answers: Sequence[Answer], layout: Layout, decisions: Decisions) -> tuple[Answer, ...]:
    """Answers with people's verdicts in the place of the machine's; a doubt ends once a person decided every box of its field.

    Where reviewers disagree the box is unsure.
    """
    pages = {one.id: one.page for one in layout.fields}
    changed = []
    for answer in answers:
        page = booklet.pages.get(pages[answer.field])
        if page is None:
            continue
        image = page_key(page)
        rulings = [decisions.on(Topic.MARK, image, f"{one.field}/{one.box}") for one in answer.verdicts]
        if not any(rulings):
            changed.append(answer)
            continue
        verdicts = tuple(
            one if ruling is None else _ruled(one, ruling) for one, ruling in zip(answer.verdicts, rulings, strict=True)
        )
        changed.append(Answer(answer.field, verdicts, answer.doubt if None in rulings else ""))
    return tuple(changed)


def _ruled(verdict: BoxVerdict, ruling: Ruling) -> BoxVerdict:
    if ruling.disputed:
        return replace(verdict, verdict=Verdict.UNSURE, probability=0.5)
    by = ", ".join(one.reviewer for one in ruling.opinions)
    return replace(verdict, verdict=Verdict(ruling.last.value), probability=1.0, decided_by=by)


def disputed_fields(booklet: Booklet, answers: Sequence[Answer], layout: Layout, decisions: Decisions) -> dict[str, str]:
    """Fields with boxes about which reviewers disagree, and who said what."""
    pages = {one.id: one.page for one in layout.fields}
    found: dict[str, list[str]] = defaultdict(list)
    for answer in answers:
        page = booklet.pages.get(pages[answer.field])
        for one in answer.verdicts if page is not None else ():
            assert page is not None
            ruling = decisions.on(Topic.MARK, page_key(page), f"{one.field}/{one.box}")
            if ruling is not None and ruling.disputed:
                found[answer.field].append(f"box {one.box}: {said(ruling)}")
    return {name: "; ".join(texts) for name, texts in found.items()}


def as_disagreements(flags: Iterable[Flag], disputed: Mapping[str, str]) -> list[Flag]:
    """Flags of the marks that reviewers dispute become disagreements; one is added where scoring has none, as of digits."""
    changed, done = [], set()
    for flag in flags:
        if flag.kind in (FlagKind.UNSURE_MARK, FlagKind.CREDIT) and flag.field in disputed:
            done.add(flag.field)
            changed.append(replace(flag, kind=FlagKind.DISAGREEMENT, detail=f"Reviewers disagree: {disputed[flag.field]}."))
        else:
            changed.append(flag)
    return changed


# --------------------------------------------------------------------------- students, versions, points


def of_booklet(topic: Topic, booklet: Booklet, decisions: Decisions, item: str = "") -> Ruling | None:
    """The ruling on a booklet, whichever of its page images it was made at; the newest where there are several."""
    found = [
        ruling
        for page in (*booklet.pages.values(), *booklet.duplicates, *booklet.superseded)
        if (ruling := decisions.on(topic, page_key(page), item)) is not None
    ]
    return max(found, key=lambda ruling: ruling.last.seq, default=None)


def with_student(
    identity: Identity, flags: Sequence[Flag], booklet: Booklet, roster: Roster | None, decisions: Decisions
) -> tuple[Identity, list[Flag]]:
    """Whose booklet it is after people's decisions, as far as this booklet alone tells.

    Parameters
    ----------
    identity : Identity
        As the machine sees it; that another booklet claims the same student is left out of account.
    flags : sequence of Flag
        About whose booklet it is.
    """
    if identity.status is MatchStatus.DUPLICATE:
        identity = replace(identity, status=MatchStatus.MATCHED if identity.student else MatchStatus.NO_ROSTER)
    flags = [flag for flag in flags if flag.kind is not FlagKind.DUPLICATE_STUDENT]
    ruling = of_booklet(Topic.STUDENT, booklet, decisions)
    if ruling is None:
        return identity, flags
    if ruling.disputed:
        unknown = replace(identity, status=MatchStatus.UNKNOWN, student=None)
        detail = f"booklet {booklet.id}: reviewers disagree whose it is: {said(ruling)}."
        return unknown, [Flag(FlagKind.DISAGREEMENT, detail, booklet.id, can_change_points=False)]
    number = ruling.last.value
    if number == NOBODY:
        return replace(identity, status=MatchStatus.UNKNOWN, student=None), []
    found = [one for one in roster.students if one.number == number] if roster else []
    if roster is None:
        return replace(identity, status=MatchStatus.NO_ROSTER, number=number, student=None), []
    if len(found) != 1:
        detail = f"booklet {booklet.id}: {ruling.last.reviewer} gave it to {number}, whom the roster does not have. Say whose it is."
        return (
            replace(identity, status=MatchStatus.UNKNOWN, student=None),
            [Flag(FlagKind.UNKNOWN_STUDENT, detail, booklet.id, can_change_points=False)],
        )
    return Identity(booklet.id, MatchStatus.MATCHED, number, found[0], identity.candidates), []


def points_rulings(booklet: Booklet, questions: Collection[str], decisions: Decisions) -> dict[str, Ruling]:
    """What people said that questions are worth (`Topic.POINTS`), by question."""
    found = {one: of_booklet(Topic.POINTS, booklet, decisions, one) for one in questions}
    return {one: ruling for one, ruling in found.items() if ruling is not None}
