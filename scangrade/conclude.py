"""From readings and decisions to grades, booklet by booklet: what `grade` does for a whole run, and review for one booklet at a click.

What the machine makes of the pages does not depend on what people decide, and is the dear part; so it is a value of its own (`Machine`)
that can be kept. Decisions are laid over it, and only booklets that a decision is about are concluded anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from scangrade import settings
from scangrade.answers.collate import collate, with_refs
from scangrade.answers.decide import decide
from scangrade.answers.decisions import (
    as_disagreements,
    assigned_booklet,
    disputed_fields,
    of_booklet,
    page_flags,
    place_pages,
    points_rulings,
    said,
    still_open,
    with_marks,
    with_student,
)
from scangrade.answers.handwriting import Written, read_handwriting
from scangrade.answers.identify import Said, claimed_twice, identify
from scangrade.answers.witnesses import without_form_words
from scangrade.check import Definitions
from scangrade.grades.by_hand import given_points, given_words
from scangrade.grades.score import Given, Made, doubtful_pages, score
from scangrade.grades.version import asked_at, version_of
from scangrade.model import (
    Answer,
    Booklet,
    Decisions,
    FieldKind,
    Flag,
    FlagKind,
    Identity,
    Layout,
    MatchStatus,
    PageRead,
    Question,
    Ruling,
    ScannedPage,
    Scorecard,
    Topic,
    page_key,
)


@dataclass(frozen=True, slots=True)
class Read:
    """What the machine makes of one booklet."""

    booklet: Booklet
    answers: tuple[Answer, ...]
    flags: tuple[Flag, ...]  #: about its pages
    identity: Identity
    identity_flags: tuple[Flag, ...]
    written: tuple[Written, ...] = ()  #: handwritten numbers
    name: str = ""  #: as read by Tesseract, where it was


@dataclass(frozen=True, slots=True)
class Machine:
    """What the machine makes of all pages."""

    booklets: tuple[Read, ...]
    flags: tuple[Flag, ...]  #: about pages set aside, and about the run as a whole
    asides: tuple[ScannedPage, ...]  #: pages set aside that flags are about


@dataclass(frozen=True, slots=True)
class Laid:
    """A booklet with people's decisions laid over it, as far as it alone tells."""

    booklet: Booklet
    answers: tuple[Answer, ...]
    identity: Identity  #: without regard to other booklets that claim the same student
    flags: tuple[Flag, ...]  #: about its pages and its student
    questions: Mapping[str, Given]  #: points given by hand


@dataclass(frozen=True, slots=True)
class Graded:
    """All booklets with people's decisions laid over them, and scored."""

    laid: tuple[Laid, ...]
    identities: tuple[Identity, ...]
    cards: tuple[Scorecard, ...]
    own_flags: Mapping[str, tuple[Flag, ...]]  #: by booklet, without those of other booklets' claims
    flags: tuple[Flag, ...]  #: all


#: Finds a page image by its `page_key`, with what was measured on it.
FindPage = Callable[[str], ScannedPage | None]


#: Reads the names on booklets that witnesses so far do not settle; by booklet, "" where nothing can be read.
ReadNames = Callable[[Sequence[Booklet]], Mapping[str, str]]


def no_names(booklets: Sequence[Booklet]) -> Mapping[str, str]:
    """Read no name."""
    del booklets
    return {}


def read_by_machine(pages: Sequence[ScannedPage], definitions: Definitions, read_names: ReadNames = no_names) -> Machine:
    """Put booklets together, decide their boxes, and tell whose they are, without any person's decision."""
    layout, roster = definitions.layout, definitions.roster
    booklets, flags = collate(pages, layout)
    answers = decide(booklets, layout, settings=settings.DECIDE)
    written = read_handwriting(booklets, layout)
    said = {one.id: said_of(one, written.get(one.id, ())) for one in booklets}
    identities, identity_flags = identify(answers, layout, roster, said=said)
    open_ones = {one.booklet for one in identities if one.status in (MatchStatus.UNKNOWN, MatchStatus.DUPLICATE)}
    names = read_names([one for one in booklets if one.id in open_ones]) if roster is not None and open_ones else {}
    names = without_form_words(names)
    if any(names.values()):
        said |= {booklet: replace(said[booklet], name=name) for booklet, name in names.items()}
        identities, identity_flags = identify(answers, layout, roster, said=said)
    known = {one.id for one in booklets}
    own: dict[str, list[Flag]] = defaultdict(list)
    general = []
    for flag in flags:
        if flag.booklet in known and flag.kind is not FlagKind.PAGE_SET_ASIDE:
            own[flag.booklet].append(flag)
        else:
            general.append(flag)
    of_identity: dict[str, list[Flag]] = defaultdict(list)
    for flag in identity_flags:
        of_identity[flag.booklet].append(flag)
    named = {flag.ref for flag in general if flag.kind is FlagKind.PAGE_SET_ASIDE}
    return Machine(
        tuple(
            Read(
                one,
                answers[one.id],
                tuple(own[one.id]),
                identity,
                tuple(of_identity[one.id]),
                said[one.id].written,
                said[one.id].name,
            )
            for one, identity in zip(booklets, identities, strict=True)
        ),
        tuple(general),
        tuple(page for page in pages if page.ref in named),
    )


def added_pages(decisions: Decisions, by_hand: Mapping[str, PageRead], find: FindPage) -> dict[str, tuple[ScannedPage, ...]]:
    """Pages that people gave to booklets, by booklet; as laid under their form by hand, or as they were read."""
    added: dict[str, list[ScannedPage]] = defaultdict(list)
    for (topic, image, _), ruling in decisions.rulings.items():
        place = assigned_booklet(ruling) if topic is Topic.PAGE else None
        page = find(image) if place is not None else None
        if place is None or page is None:
            continue
        result = by_hand.get(ruling.last.id, page.result)
        if isinstance(result, PageRead) and result.page == place[0]:
            added[place[1]].append(ScannedPage(page.ref, result))
    return {booklet: tuple(sorted(held, key=_in_order)) for booklet, held in added.items()}


def grade_booklets(
    machine: Machine, definitions: Definitions, decisions: Decisions, by_hand: Mapping[str, PageRead], find: FindPage
) -> Graded:
    """Lay people's decisions over all booklets, hold those against each other that claim one student, and score them.

    Parameters
    ----------
    machine : Machine
    definitions : Definitions
    decisions : Decisions
    by_hand : mapping of decision id to PageRead
        Pages that people laid under their form, read.
    find : callable
    """
    added = added_pages(decisions, by_hand, find)
    known = {read.booklet.id for read in machine.booklets}
    reads = [*machine.booklets, *(made_by_hand(one, definitions) for one in sorted(added.keys() - known))]
    neighbours = [read.booklet for read in machine.booklets[: settings.DECIDE.neighbours]]
    laid = [lay_decisions(one, added.get(one.booklet.id, ()), definitions, decisions, neighbours=neighbours) for one in reads]
    identities, claim_flags = claims([one.identity for one in laid], definitions)
    flags = [*open_general(machine.flags, machine.asides, decisions), *claim_flags]
    cards, own = [], {}
    made: Made = {}
    for one, identity in zip(laid, identities, strict=True):
        card, own_flags = score_booklet(one, identity, definitions, decisions, made)
        cards.append(card)
        own[one.booklet.id] = own_flags
        flags += own_flags
    located = with_refs(flags, [one.booklet for one in laid])
    return Graded(tuple(laid), identities, tuple(cards), own, tuple(located))


def _in_order(page: ScannedPage) -> tuple[int, int]:
    return page.ref.scan_order, page.ref.scan_page


def made_by_hand(booklet: str, definitions: Definitions) -> Read:
    """A booklet of which no page was read by machine, before people's pages are put in."""
    missing = tuple(page.number for page in definitions.layout.pages)
    detail = f"booklet {booklet}: its pages were put in by hand. Say whose booklet it is."
    flags = (Flag(FlagKind.UNKNOWN_STUDENT, detail, booklet, can_change_points=False),)
    return Read(Booklet(booklet, {}, (), missing), (), (), Identity(booklet, MatchStatus.UNKNOWN, ""), flags)


def open_general(machine_flags: Sequence[Flag], asides: Sequence[ScannedPage], decisions: Decisions) -> list[Flag]:
    """Flags of no booklet that people have not dealt with."""
    keys: dict[object, str] = {page.ref: page_key(page) for page in asides}
    return still_open(machine_flags, decisions, keys)


def lay_decisions(
    read: Read,
    added: Sequence[ScannedPage],
    definitions: Definitions,
    decisions: Decisions,
    *,
    neighbours: Sequence[Booklet],
) -> Laid:
    """Lay people's decisions over one booklet.

    Parameters
    ----------
    read : Read
    added : sequence of ScannedPage
        Pages that people gave to it.
    definitions : Definitions
    decisions : Decisions
    neighbours : sequence of Booklet
        Booklets from which it is learned what empty boxes look like, where another image of a page counts than the machine took.
    """
    layout = definitions.layout
    if not decisions.rulings:
        identity, flags = with_student(read.identity, read.identity_flags, read.booklet, definitions.roster, decisions)
        return Laid(read.booklet, read.answers, identity, (*read.flags, *flags), {})
    placed = place_pages(read.booklet, added, layout, decisions)
    booklet, answers = placed.booklet, read.answers
    if placed.changed:
        field_page = {one.id: one.page for one in layout.fields}
        again = decide([*(one for one in neighbours if one.id != booklet.id), booklet], layout, settings=settings.DECIDE)
        fresh = {one.field: one for one in again[booklet.id] if field_page[one.field] in placed.changed}
        kept = {one.field: one for one in answers if field_page[one.field] not in placed.changed}
        answers = tuple((fresh | kept)[one.id] for one in layout.fields if one.id in fresh or one.id in kept)
    answers = with_marks(booklet, answers, layout, decisions)
    identity, identity_flags = read.identity, read.identity_flags
    before = said_of(read.booklet, read.written, read.name)
    said_now = _said_after(before, placed.changed, booklet, neighbours, layout) if placed.changed else before
    if said_now != before or _digits(answers, definitions) != _digits(read.answers, definitions):
        (identity,), identity_flags = identify({booklet.id: answers}, layout, definitions.roster, said={booklet.id: said_now})
    identity, own_flags = with_student(identity, identity_flags, booklet, definitions.roster, decisions)
    questions = {one.id: one for one in definitions.rubric.questions}
    given = {
        question: _given(ruling, questions[question])
        for question, ruling in points_rulings(booklet, questions, decisions).items()
    }
    return Laid(booklet, answers, identity, (*page_flags(placed, read.flags, layout, decisions), *own_flags), given)


def said_of(booklet: Booklet, written: tuple[Written, ...], name: str = "") -> Said:
    """What witnesses beside the grid say of a booklet."""
    stickers = [
        page.result.sticker
        for page in booklet.pages.values()
        if isinstance(page.result, PageRead) and page.result.sticker is not None
    ]
    return Said(stickers[0] if stickers else None, written, name)


def _said_after(
    before: Said, changed: Collection[int], booklet: Booklet, neighbours: Sequence[Booklet], layout: Layout
) -> Said:
    """The same after a person put in other pages, which are read anew; a name that stands on one of them is not."""
    among = [*(one for one in neighbours if one.id != booklet.id), booklet]
    fresh = read_handwriting(among, layout).get(booklet.id, ())
    kept = {one.field: one for one in before.written if one.page not in changed}
    written = tuple(kept.get(one.field, one) for one in fresh)
    on_it = any(one.role == "name" and one.page in changed for one in layout.fields)
    return said_of(booklet, written, "" if on_it else before.name)


def _digits(answers: Sequence[Answer], definitions: Definitions) -> list[Answer]:
    digits = {one.id for one in definitions.layout.fields if one.kind is FieldKind.DIGIT}
    return [one for one in answers if one.field in digits]


def _given(ruling: Ruling, question: Question) -> Given:
    """What reviewers gave to a question: one number, several where they disagree."""
    points = {given_points(one.value, question) for one in ruling.opinions}
    said = "; ".join(
        f"{given_words(one.value, question)} by {one.reviewer}" + (f" ({one.remark})" if one.remark else "")
        for one in ruling.opinions
    )
    unknown = "rest on criteria that the rubric does not have any more" if None in points else ""
    return Given(tuple(sorted(one for one in points if one is not None)), said, unknown)


def claims(laid: Sequence[Identity], definitions: Definitions) -> tuple[tuple[Identity, ...], tuple[Flag, ...]]:
    """Whose booklets these are, held against each other."""
    return claimed_twice(laid, definitions.layout)


def _prints(page: ScannedPage) -> Mapping[str, str]:
    return page.result.prints if isinstance(page.result, PageRead) else {}


def score_booklet(
    laid: Laid, identity: Identity, definitions: Definitions, decisions: Decisions, made: Made | None = None
) -> tuple[Scorecard, tuple[Flag, ...]]:
    """Points of one booklet, and all flags about it but those of other booklets' claims.

    Parameters
    ----------
    laid : Laid
    identity : Identity
        Held against the other booklets.
    definitions : Definitions
    decisions : Decisions
    made : dict, optional
        As `score` takes it.
    """
    layout, rubric = definitions.layout, definitions.rubric
    booklet = laid.booklet
    certain = identity.status is MatchStatus.MATCHED
    student = identity.student if certain else None
    prints = {one: text for page in booklet.pages.values() for one, text in _prints(page).items()}
    version, version_flags = version_of(booklet.id, laid.answers, layout, rubric, student=student, prints=prints)
    ruling = of_booklet(Topic.VERSION, booklet, decisions) if rubric.versions else None
    if ruling is not None and ruling.disputed:
        detail = f"booklet {booklet.id}: reviewers disagree on its version: {said(ruling)}."
        version, version_flags = None, (Flag(FlagKind.DISAGREEMENT, detail, booklet.id),)
    elif ruling is not None and ruling.last.value in rubric.versions:
        version, version_flags = ruling.last.value, ()
    doubtful = doubtful_pages(laid.flags).get(booklet.id, frozenset())
    card, score_flags = score(
        booklet.id, laid.answers, layout, rubric, version=version, doubtful=doubtful, given=laid.questions, made=made
    )
    flags = [*laid.flags, *version_flags, *score_flags]
    disputed = disputed_fields(booklet, laid.answers, layout, decisions) if decisions.rulings else {}
    if disputed:
        flags = as_disagreements(flags, disputed)
        there = {flag.field for flag in flags if flag.kind is FlagKind.DISAGREEMENT}
        pages = {one.id: one.page for one in layout.fields}
        flags += [
            Flag(
                FlagKind.DISAGREEMENT,
                f"Reviewers disagree: {text}.",
                booklet.id,
                pages[name],
                field=name,
                can_change_points=False,
            )
            for name, text in disputed.items()
            if name not in there
        ]
    return card, tuple(with_refs([_settled_missing(flag, card, definitions) for flag in flags], [booklet]))


def _settled_missing(flag: Flag, card: Scorecard, definitions: Definitions) -> Flag:
    """A missing page cannot change points any more once all its questions have them, given by hand."""
    if flag.kind is not FlagKind.MISSING_PAGE or not flag.can_change_points:
        return flag
    versions = [card.version] if card.version else definitions.rubric.versions or ("",)
    questions = {
        asked_at(one.question, version, definitions.rubric)
        for one in definitions.layout.fields
        if one.page == flag.page and one.question
        for version in versions
    }
    points = {one.question: one.points for one in card.questions}
    open_still = any(points.get(one) is None for one in questions)
    return flag if open_still else replace(flag, can_change_points=False)
