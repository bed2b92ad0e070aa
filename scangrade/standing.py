"""A run as it stands while people decide: opened at once, concluded anew only where a decision changes something.

Deciding the boxes of 16,000 pages takes most of a minute. So what the machine makes of them, and what followed from it and from all
decisions, is kept in the store (`run/kept.py`) whenever a run is graded, and taken up from there as long as pages, definitions, thresholds
and program are the same. It can always be derived again, and is wherever the print differs.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from pydantic import TypeAdapter

from scangrade import settings
from scangrade.answers.collate import with_refs
from scangrade.answers.decisions import assigned_booklet, fold, with_entries
from scangrade.answers.handwriting import Written
from scangrade.check import Definitions
from scangrade.conclude import (
    Graded,
    Laid,
    Machine,
    Read,
    added_pages,
    claims,
    lay_decisions,
    made_by_hand,
    open_general,
    score_booklet,
)
from scangrade.model import (
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
    PageRef,
    PageSetAside,
    ScannedPage,
    Scorecard,
    Topic,
    Verdict,
    page_key,
)
from scangrade.run.journal import Journal
from scangrade.run.kept import Kept, KeptBooklet
from scangrade.run.store import FORGOTTEN, Store

_FORMAT: Final = "2"  # of the JSON texts
_LETTERS: Final = {Verdict.EMPTY: "e", Verdict.MARKED: "m", Verdict.UNDONE: "u", Verdict.UNSURE: "?"}
_VERDICTS: Final = {letter: verdict for verdict, letter in _LETTERS.items()}

_FLAGS: Final = TypeAdapter(tuple[Flag, ...])
_IDENTITY: Final = TypeAdapter(Identity)
_IDENTITIES: Final = TypeAdapter(tuple[Identity, ...])
_FLAG_LISTS: Final = TypeAdapter(tuple[tuple[Flag, ...], ...])
_CARD: Final = TypeAdapter(Scorecard)
_CARDS: Final = TypeAdapter(tuple[Scorecard, ...])
_ASIDES: Final = TypeAdapter(tuple[tuple[PageRef, PageSetAside], ...])


@dataclass(frozen=True, slots=True)
class UnsureBox:
    """A box about which a person is asked by itself."""

    booklet: str
    page: int
    image: str  #: `page_key` of its page image
    field: str
    box: str
    row: int  #: its place in `Layout.boxes(page)`
    probability: float  #: of being marked
    question: str  #: or the grid of digits that it belongs to


_UNSURE: Final = TypeAdapter(tuple[UnsureBox, ...])
_UNSURE_LISTS: Final = TypeAdapter(tuple[tuple[UnsureBox, ...], ...])


@dataclass(frozen=True, slots=True)
class Concluded:
    """What is known of one booklet after all decisions."""

    read: Read
    laid: Laid
    identity: Identity
    card: Scorecard
    flags: tuple[Flag, ...]
    unsure: tuple[UnsureBox, ...]


def fingerprint(store: Store) -> str:
    """A print of all that results follow from, but for decisions."""
    facts = {key: value for key, value in store.facts().items() if not key.startswith("standing.")}
    return _print(store, facts)


def machine_print(store: Store) -> str:
    """A print of all that the machine's reading of the pages follows from: neither decisions nor the rubric have a part in it."""
    facts = {key: value for key, value in store.facts().items() if not key.startswith(("standing.", "rubric."))}
    return _print(store, facts)


#: Groups of settings that no result follows from: how work is shared out, kept, shown, drawn and printed.
_NO_RESULT: Final = frozenset(
    ("WORK", "CLUSTER", "STORE", "STATISTICS", "REPORT", "ANNOTATE", "AUDIT", "REVIEW", "EXPORT", "DETECT", "PRINT", "TRIAL")
)


def _print(store: Store, facts: dict[str, str]) -> str:
    thresholds = json.loads(facts.get("thresholds", "{}"))
    facts["thresholds"] = json.dumps(
        {name: held for name, held in thresholds.items() if name not in _NO_RESULT}, sort_keys=True
    )
    told = json.dumps([_FORMAT, store.state(), facts], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()


def keep(
    store: Store,
    layout: Layout,
    machine: Machine,
    laid: Sequence[Laid],
    identities: Sequence[Identity],
    cards: Sequence[Scorecard],
    flags: Mapping[str, Sequence[Flag]],
    seq: int,
) -> None:
    """Keep the results of a whole run.

    Parameters
    ----------
    store : Store
    layout : Layout
    machine : Machine
    laid, identities, cards : sequences
        Of all booklets, in order; the machine's come first.
    flags : mapping of booklet id to sequence of Flag
        Without those of other booklets' claims.
    seq : int
        The last decision that went into them.
    """
    reads = {one.booklet.id: one for one in machine.booklets}
    rows = []
    for one, identity, card in zip(laid, identities, cards, strict=True):
        read = reads.get(one.booklet.id)
        unsure = unsure_boxes(one, flags[one.booklet.id], layout)
        rows.append(_kept(one.booklet.id, read, identity, flags[one.booklet.id], unsure, card))
    general = _general(machine)
    Kept(store).replace(fingerprint(store), machine_print(store), seq, general, rows)


def machine_is_kept(store: Store) -> bool:
    """Whether what the machine made of the pages still holds; for good, once the pictures that it came from are gone."""
    return FORGOTTEN in store.facts() or Kept(store).machine_holds(machine_print(store))


def kept_machine(store: Store, layout: Layout, pages: Sequence[ScannedPage], decisions: Decisions) -> Machine | None:
    """What the machine made of the pages the last time, if that still holds.

    Parameters
    ----------
    store : Store
    layout : Layout
    pages : sequence of ScannedPage
        All of them; what was measured is not needed.
    decisions : Decisions
        Booklets whose pages people moved come with what was measured, since their boxes are decided anew, and so do some others that
        these are held against (`settings.DECIDE.neighbours`).

    Returns
    -------
    Machine, or None where it must be derived again.
    """
    if not machine_is_kept(store):
        return None
    kept = Kept(store)
    moved = {image for topic, image, _ in decisions.rulings if topic is Topic.PAGE}
    placed = [assigned_booklet(one) for (topic, _, _), one in decisions.rulings.items() if topic is Topic.PAGE]
    targets = {place[1] for place in placed if place is not None}
    by_ref = {page.ref: page for page in pages}
    reads = []
    for number, (booklet, text) in enumerate(kept.machines()):
        held = json.loads(text)
        found = [by_ref[PageRef(*one)] for one in (*held["pages"], *held["duplicates"])]
        whole = booklet in targets or not moved.isdisjoint(page_key(page) for page in found)
        if whole or (moved and number < settings.DECIDE.neighbours):
            found = list(store.pages_at([page.ref for page in found]))
        reads.append(_read_back(booklet, held, found, layout))
    general = json.loads(kept.general())
    asides = _ASIDES.validate_json(general["asides"])
    return Machine(
        tuple(reads),
        _FLAGS.validate_json(general["flags"]),
        tuple(ScannedPage(ref, result) for ref, result in asides),
    )


def keep_forgotten(store: Store, reads: Sequence[Read], machine: Machine, graded: Graded, seq: int) -> None:
    """Keep what holds from now on whatever else changes, since the pictures that it came from are about to go.

    It counts once the fact `FORGOTTEN` is recorded, and until then is taken for nothing.
    """
    own = {one.booklet: (identity, one) for one, identity in zip(graded.cards, graded.identities, strict=True)}
    rows = [
        _kept(one.booklet.id, one, own[one.booklet.id][0], graded.own_flags[one.booklet.id], (), own[one.booklet.id][1])
        for one in reads
    ]
    Kept(store).replace("", "", seq, _general(machine), rows)


def kept_scorecards(store: Store) -> tuple[Scorecard, ...]:
    """The scorecards that were kept the last time, whatever they followed from; empty where none are."""
    kept = Kept(store)
    return _CARDS.validate_json(f"[{','.join(kept.scorecards())}]") if kept.is_there() else ()


def _read_back(booklet: str, held: Mapping[str, Any], pages: Sequence[ScannedPage], layout: Layout) -> Read:
    """What `_read_text` wrote, with the pages that it names."""
    count = len(held["pages"])
    boxes = {one.id: one.boxes for one in layout.fields}
    return Read(
        Booklet(
            booklet,
            {page.result.page: page for page in pages[:count]},
            tuple(pages[count:]),
            tuple(held["missing"]),
        ),
        tuple(
            Answer(
                field,
                tuple(
                    BoxVerdict(field, box.value, _VERDICTS[letter], probability)
                    for box, letter, probability in zip(boxes[field], letters, probabilities, strict=True)
                ),
                doubt,
            )
            for field, doubt, letters, probabilities in held["answers"]
        ),
        _FLAGS.validate_json(held["flags"]),
        _IDENTITY.validate_json(held["identity"]),
        _FLAGS.validate_json(held["identity_flags"]),
        tuple(Written(field, page, tuple(map(tuple, cells))) for field, page, cells in held.get("written", ())),
        held.get("name", ""),
    )


def _general(machine: Machine) -> str:
    """What is kept of the run as a whole."""
    asides = [(page.ref, page.result) for page in machine.asides if isinstance(page.result, PageSetAside)]
    return json.dumps({"flags": _FLAGS.dump_json(machine.flags).decode(), "asides": _ASIDES.dump_json(tuple(asides)).decode()})


def _kept(
    booklet: str,
    read: Read | None,
    identity: Identity,
    flags: Sequence[Flag],
    unsure: tuple[UnsureBox, ...],
    card: Scorecard,
) -> KeptBooklet:
    return KeptBooklet(
        booklet,
        _read_text(read) if read else "",
        _IDENTITY.dump_json(identity).decode(),
        _FLAGS.dump_json(tuple(flags)).decode(),
        _UNSURE.dump_json(unsure).decode(),
        _CARD.dump_json(card).decode(),
    )


def unsure_boxes(laid: Laid, flags: Sequence[Flag], layout: Layout) -> tuple[UnsureBox, ...]:
    """Boxes of a booklet that are to be decided one by one: not those of fields that are doubted as a whole, or disputed."""
    asked = {flag.field for flag in flags if flag.field}
    whole = {flag.field for flag in flags if flag.kind in (FlagKind.DOUBTFUL_ANSWER, FlagKind.DISAGREEMENT)}
    found = []
    for answer in laid.answers:
        if answer.doubt or answer.field in whole or not answer.open:
            continue
        field = layout.field(answer.field)
        if asked.isdisjoint({field.id, field.group}):
            continue  # such as the digits of a booklet that a person gave to a student
        page = laid.booklet.pages[field.page]
        rows = {box.key: row for row, box in enumerate(layout.boxes(field.page))}
        found += [
            UnsureBox(
                laid.booklet.id,
                field.page,
                page_key(page),
                one.field,
                one.box,
                rows[f"{one.field}/{one.box}"],
                one.probability,
                field.question or field.group or field.id,
            )
            for one in answer.verdicts
            if one.verdict is Verdict.UNSURE
        ]
    return tuple(found)


def _read_text(read: Read) -> str:
    booklet = read.booklet
    return json.dumps(
        {
            "pages": [_ref(page) for page in booklet.pages.values()],
            "duplicates": [_ref(page) for page in booklet.duplicates],
            "missing": booklet.missing,
            "answers": [
                [
                    one.field,
                    one.doubt,
                    "".join(_LETTERS[box.verdict] for box in one.verdicts),
                    [box.probability for box in one.verdicts],
                ]
                for one in read.answers
            ],
            "flags": _FLAGS.dump_json(read.flags).decode(),
            "identity": _IDENTITY.dump_json(read.identity).decode(),
            "identity_flags": _FLAGS.dump_json(read.identity_flags).decode(),
            "written": [[one.field, one.page, one.cells] for one in read.written],
            "name": read.name,
        },
        separators=(",", ":"),
    )


def _ref(page: ScannedPage) -> list[object]:
    return [page.ref.scan, page.ref.scan_page, page.ref.scan_order]


class Standing:
    """A run as it stands, with all that follows from a decision; one thread uses it.

    Parameters
    ----------
    store : Store
        With kept results that hold (`Kept.holds`).
    definitions : Definitions
    """

    def __init__(self, store: Store, definitions: Definitions) -> None:
        self.definitions = definitions
        self._store = store
        self._kept = Kept(store)
        self.journal = Journal(store)
        self.entries = list(self.journal.entries())
        self.decisions = fold(self.entries)
        self._by_hand = store.pages_by_hand()
        general = json.loads(self._kept.general())
        self._machine_flags = _FLAGS.validate_json(general["flags"])
        self.asides = {
            page_key(page): page
            for ref, result in _ASIDES.validate_json(general["asides"])
            for page in [ScannedPage(ref, result)]
        }
        summaries = self._kept.summaries()
        held = _IDENTITIES.validate_json(f"[{','.join(text for text, _, _ in summaries)}]")
        flags = _FLAG_LISTS.validate_json(f"[{','.join(text for _, text, _ in summaries)}]")
        unsure = _UNSURE_LISTS.validate_json(f"[{','.join(text for _, _, text in summaries)}]")
        self.identities = {one.booklet: one for one in held}
        self._flags = {one.booklet: own for one, own in zip(held, flags, strict=True)}
        self._unsure = {one.booklet: own for one, own in zip(held, unsure, strict=True)}
        self._cards: dict[str, Scorecard] | None = None
        self._new_cards: dict[str, Scorecard] = {}  #: newer than what is kept
        self._recent: OrderedDict[str, Concluded] = OrderedDict()
        self._claim_flags: tuple[Flag, ...] = ()
        self._claim_refs: dict[str, PageRef | None] = {}
        self._neighbours: list[Booklet] | None = None
        self._claim()
        late = [one for one in self.entries if one.seq > self._kept.seq()]
        #: booklets about which there were decisions that had not gone into what is kept
        self.late = self.conclude(self.touched(late)) if late else frozenset()

    # ----------------------------------------------------------------- what is known

    @property
    def booklets(self) -> tuple[str, ...]:
        """Ids of all booklets, in order."""
        return tuple(self.identities)

    def flags(self) -> list[Flag]:
        """All open flags."""
        general = open_general(self._machine_flags, list(self.asides.values()), self.decisions)
        return [*general, *self._located_claims(), *(flag for own in self._flags.values() for flag in own)]

    def _located_claims(self) -> list[Flag]:
        """Flags of booklets that claim the same student, with the place of the page; looked up once per booklet."""
        located = []
        for flag in self._claim_flags:
            if flag.booklet not in self._claim_refs:
                (found,) = with_refs([flag], [self.booklet(flag.booklet).laid.booklet])
                self._claim_refs[flag.booklet] = found.ref
            located.append(replace(flag, ref=self._claim_refs[flag.booklet]))
        return located

    def unsure(self) -> list[UnsureBox]:
        """All boxes that are to be decided one by one."""
        return [one for own in self._unsure.values() for one in own]

    def booklet(self, booklet: str) -> Concluded:
        """Everything about one booklet; KeyError where there is none."""
        if booklet not in self.identities:
            raise KeyError(booklet)
        known = self._recent.get(booklet)
        if known is None:
            read, laid = self._lay(booklet)
            known = self._score(read, laid, self.identities[booklet])
            self._remember(known)
        self._recent.move_to_end(booklet)
        return known

    def each(self) -> Iterator[Concluded]:
        """Everything about every booklet, in order, one at a time: none of them is held for later."""
        for booklet in self.booklets:
            known = self._recent.get(booklet)
            yield known if known is not None else self._score(*self._lay(booklet), self.identities[booklet])

    def cards(self) -> list[Scorecard]:
        """Scorecards of all booklets, in order."""
        for _ in self.load_cards():
            pass
        assert self._cards is not None
        return [self._cards[one] for one in self.identities]

    def load_cards(self) -> Iterator[None]:
        """Load the scorecards that are kept, where they are not loaded yet: some at a time, so that others get their turn between."""
        if self._cards is not None:
            return
        cards: dict[str, Scorecard] = {}
        texts = self._kept.scorecards()
        for first in range(0, len(texts), settings.REVIEW.loaded_at_once):
            some = texts[first : first + settings.REVIEW.loaded_at_once]
            cards |= {one.booklet: one for one in _CARDS.validate_json(f"[{','.join(some)}]")}
            yield
        self._cards = cards | self._new_cards

    def find_page(self, image: str) -> ScannedPage | None:
        """A page image by its `page_key`; None where the run has none of that key."""
        if image in self.asides:
            return self.asides[image]
        rows = self._store.query(
            "SELECT name, scan_page, position FROM pages JOIN scans ON scans.id = pages.scan"
            " WHERE image_sha256 = ? AND state = 'done' ORDER BY position, scan_page LIMIT 1",
            (image,),
        )
        for name, number, position in rows:
            return next(iter(self._store.pages_at([PageRef(name, number, position)])), None)
        return None

    # ----------------------------------------------------------------- what decisions change

    def decide(self, entries: Sequence[Entry], touched: Iterable[str] = ()) -> frozenset[str]:
        """Take up decisions that were added to the journal; return the booklets that must be concluded anew."""
        before = self.touched(entries)
        self.entries += entries
        if any(one.topic in (Topic.UNDO, Topic.REDO) for one in entries):
            self.decisions = fold(self.entries)
        else:
            self.decisions = with_entries(self.decisions, entries)
        if any(one.topic is Topic.PAGE for one in entries):
            self._by_hand = self._store.pages_by_hand()
        return before | self.touched(entries) | frozenset(touched)

    def touched(self, entries: Sequence[Entry]) -> frozenset[str]:
        """Booklets that decisions are about."""
        groups = {one.item for one in entries if one.topic in (Topic.UNDO, Topic.REDO)}
        if groups:  # a redo names the undo, which names the decisions
            groups |= {one.item for one in self.entries if one.topic in (Topic.UNDO, Topic.REDO) and one.group in groups}
        about = [*entries, *(one for one in self.entries if one.group in groups)] if groups else entries
        found = set()
        for one in about:
            if one.topic in (Topic.SAMPLE, Topic.CHECK, Topic.UNDO, Topic.REDO):
                continue
            found.add(one.booklet)
            if one.topic is Topic.PAGE:
                ruling = self.decisions.on(one.topic, one.image)
                place = assigned_booklet(ruling)
                found |= {place[1]} if place else set()
                head, _, rest = one.value.partition(" ")
                if head == "placed":
                    found.add(rest.partition(" ")[2])
            if one.topic is Topic.FLAG:
                found.add(one.item.split("|")[1])
        return frozenset(found - {""})

    def conclude(self, booklets: Iterable[str]) -> frozenset[str]:
        """Conclude booklets anew, and those whose student another one claims now, or no more; return all of them."""
        wanted = set(booklets)
        added = self._added()
        laid: dict[str, tuple[Read, Laid]] = {}
        for one in wanted:
            if one not in self.identities and one not in added:
                continue
            laid[one] = self._lay(one, added)
        removed, anew = set(), {}
        for one, (read, own) in laid.items():
            if not read.answers and not read.booklet.pages and not own.booklet.pages and one in self.identities:
                removed.add(one)  # was made by hand, and holds no page any more
            elif self.identities.get(one) != own.identity:
                anew[one] = own.identity
        changed = self._identify(anew, removed) if anew or removed else set()
        done = (wanted | changed) & self.identities.keys()
        for one in done:
            read, own = laid.get(one) or self._lay(one, added)
            concluded = self._score(read, own, self.identities[one])
            self._remember(concluded)
            self._claim_refs.pop(one, None)
            self._flags[one] = concluded.flags
            self._unsure[one] = concluded.unsure
            self._new_cards[one] = concluded.card
            if self._cards is not None:
                self._cards[one] = concluded.card
        return frozenset(done | removed)

    def _identify(self, anew: Mapping[str, Identity], removed: Iterable[str]) -> set[str]:
        """Take up whose booklets some are as each by itself tells, and hold all against each other; return those that changed."""
        before = dict(self.identities)
        for one in removed:
            del self.identities[one]
            self._flags.pop(one, None)
            self._unsure.pop(one, None)
            self._recent.pop(one, None)
        self.identities |= anew
        self._claim()
        return {one for one in self.identities if before.get(one) != self.identities[one]}

    def save(self, booklets: Iterable[str], seq: int | None = None) -> None:
        """Keep what was concluded of these booklets.

        Parameters
        ----------
        booklets : iterable of str
        seq : int, optional
            The decision up to which everything that decisions changed is kept with these.
        """
        rows, gone = [], []
        for name in booklets:
            if name not in self.identities:
                gone.append(name)
            else:
                # what the machine made of a booklet is kept already, where it is the machine's
                own = self.identities[name], self._flags[name], self._unsure[name], self._new_cards[name]
                rows.append(_kept(name, None, *own))
        self._kept.update(seq, rows, gone)

    def _claim(self) -> None:
        own = []
        for one in self.identities.values():
            if one.status is MatchStatus.DUPLICATE:
                status = MatchStatus.MATCHED if one.student else MatchStatus.NO_ROSTER
                own.append(Identity(one.booklet, status, one.number, one.student, one.candidates))
            else:
                own.append(one)
        checked, self._claim_flags = claims(own, self.definitions)
        self.identities = {one.booklet: one for one in checked}

    def _added(self) -> dict[str, tuple[ScannedPage, ...]]:
        return added_pages(self.decisions, self._by_hand, self.find_page)

    def _lay(self, booklet: str, added: Mapping[str, tuple[ScannedPage, ...]] | None = None) -> tuple[Read, Laid]:
        known = self._recent.get(booklet)
        read = known.read if known is not None else self._read(booklet)
        own = (self._added() if added is None else added).get(booklet, ())
        return read, lay_decisions(read, own, self.definitions, self.decisions, neighbours=self._neighbouring())

    def _neighbouring(self) -> list[Booklet]:
        """Booklets to learn from; needed only where people moved pages."""
        if self._neighbours is None:
            if not any(topic is Topic.PAGE for topic, _, _ in self.decisions.rulings):
                return []
            some = [one for one in self.identities if self._kept.machine(one)][: settings.DECIDE.neighbours]
            self._neighbours = [self._read(one).booklet for one in some]
        return self._neighbours

    def _score(self, read: Read, laid: Laid, identity: Identity) -> Concluded:
        card, flags = score_booklet(laid, identity, self.definitions, self.decisions)
        return Concluded(read, laid, identity, card, flags, unsure_boxes(laid, flags, self.definitions.layout))

    def _remember(self, concluded: Concluded) -> None:
        self._recent[concluded.laid.booklet.id] = concluded
        while len(self._recent) > settings.REVIEW.booklets_in_memory:
            self._recent.popitem(last=False)

    def _read(self, booklet: str) -> Read:
        text = self._kept.machine(booklet)
        if not text:
            return made_by_hand(booklet, self.definitions)
        held = json.loads(text)
        refs = [PageRef(*one) for one in (*held["pages"], *held["duplicates"])]
        return _read_back(booklet, held, self._store.pages_at(refs), self.definitions.layout)
