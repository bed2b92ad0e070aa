"""The reviewer's desk: takes decisions in, makes them durable, and keeps everything that follows from them up to date.

All of it runs on the server's one thread; only pictures and the writing of files happen elsewhere. A decision is in the journal, and on
disk, before `decide` returns. Files follow within two seconds; should one fail to be written, the pages say so until it succeeds.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import math
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scangrade import __version__
from scangrade.answers.decisions import assigned_booklet, last_redoable, last_undoable
from scangrade.check import Definitions
from scangrade.derive import uncollected
from scangrade.errors import OutputError
from scangrade.export.tables import pages_table
from scangrade.grades.by_hand import criteria_of, criteria_value, points_in
from scangrade.grades.policies import criteria_points, widest
from scangrade.grades.rounding import exact
from scangrade.model import (
    FEATURES,
    NOBODY,
    PATCH_SIDE,
    Box,
    Entry,
    FieldKind,
    Flag,
    FlagKind,
    Outcome,
    PageFate,
    PageRead,
    PageSetAside,
    Question,
    ScannedPage,
    Topic,
    Verdict,
    flag_key,
    page_key,
)
from scangrade.remote import is_there
from scangrade.review.following import Changes, FollowingFiles
from scangrade.review.pictures import BoxPlace, NoPicture, Pictures, Source, read_page_as
from scangrade.review.queue import Item, in_order, short_key
from scangrade.run.store import Store
from scangrade.settings import REVIEW
from scangrade.standing import Concluded, Standing, UnsureBox

_VERDICTS = (Verdict.MARKED, Verdict.EMPTY, Verdict.UNDONE)
_OFFSETS = FEATURES.index("dx_mm"), FEATURES.index("dy_mm")


class RefusedError(Exception):
    """A decision that cannot be; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class At:
    """A box of a booklet, as the browser names it: "<image>.<page>.<row>.<booklet>"."""

    booklet: str
    page: int
    row: int
    image: str
    box: Box

    @property
    def name(self) -> str:
        """The name."""
        return box_name(self.image, self.page, self.row, self.booklet)


def box_name(image: str, page: int, row: int, booklet: str) -> str:
    """What the browser knows a box by; the start of the image's key guards against another image in the same place."""
    return f"{image[:12]}.{page}.{row}.{booklet}"


class Desk:
    """A run under review.

    Parameters
    ----------
    folder : Path
        The run folder.
    store : Store
    definitions : Definitions
    pictures : Pictures
    """

    def __init__(self, folder: Path, store: Store, definitions: Definitions, pictures: Pictures) -> None:
        self.folder = folder
        self.definitions = definitions
        self.standing = Standing(store, definitions)
        self.pictures = pictures
        self.trouble = ""  #: why files could not be written
        self.written_at = ""  #: when they last were
        self.asked = 0.0  #: when a browser last asked for anything, on the monotonic clock
        self._store = store
        self._scans = {scan.name: scan for scan in store.scans()}
        self._boxes = {page.number: definitions.layout.boxes(page.number) for page in definitions.layout.pages}
        self._items: tuple[Item, ...] | None = None
        self._known_items: dict[Flag, Item] = {}
        self._unsure: dict[str, UnsureBox] | None = None
        self._late: set[str] = set()
        self._unwritten: set[str] = set()
        self._pages_moved = False
        self._writing = False
        self._changed_since = 0.0
        self._write_took = 0.0
        self._wake = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()
        self._files = FollowingFiles(folder, definitions)
        if self.standing.late:  # decided before the last time ended, but not written yet
            self._unwritten |= self.standing.late
            self._pages_moved = True
            self._changed_since = time.monotonic()
            self._wake.set()

    # ----------------------------------------------------------------- what waits

    @property
    def seq(self) -> int:
        """Number of the last decision."""
        return self.standing.entries[-1].seq if self.standing.entries else 0

    def items(self) -> tuple[Item, ...]:
        """What waits, in order."""
        if self._items is None:
            keys: dict[object, str] = {page.ref: key for key, page in self.standing.asides.items()}
            self._items = in_order(self.standing.flags(), self.definitions.layout, keys, self._known_items)
        return self._items

    def item(self, key: str) -> Item | None:
        """An item by its id."""
        return next((one for one in self.items() if one.id == key), None)

    def unsure(self) -> dict[str, UnsureBox]:
        """Boxes to be decided one by one, by name."""
        if self._unsure is None:
            self._unsure = {box_name(one.image, one.page, one.row, one.booklet): one for one in self.standing.unsure()}
        return self._unsure

    def aside(self, key: str) -> ScannedPage | None:
        """A page set aside by the key that the browser knows."""
        return next((page for image, page in self.standing.asides.items() if short_key(image) == key), None)

    def pace(self, reviewer: str) -> float | None:
        """Seconds that a decision takes this reviewer, None until it is known."""
        times = [
            datetime.fromisoformat(one.made).timestamp()
            for one in self.standing.entries[-400:]
            if one.reviewer == reviewer and one.topic is Topic.MARK
        ]
        gaps = [after - before for before, after in pairwise(times) if 0 <= after - before < REVIEW.longest_thought_s]
        return statistics.fmean(gaps) if len(gaps) >= REVIEW.least_for_pace else None

    def moved_scans(self) -> tuple[str, ...]:
        """Scans that are not where they were read."""
        return tuple(str(scan.path) for scan in self._scans.values() if not is_there(scan.path))

    def pages(self) -> tuple[int, int]:
        """Pages that came in and were read, and those that were set aside."""
        rows = self._store.query(
            "SELECT outcome = ?, count(*) FROM pages WHERE state = 'done' GROUP BY 1", (Outcome.SET_ASIDE,)
        )
        counted = {bool(aside): int(number) for aside, number in rows}
        return counted.get(False, 0), counted.get(True, 0)

    # ----------------------------------------------------------------- boxes and pages

    def at(self, name: str) -> At:
        """A box by its name.

        Raises
        ------
        RefusedError
            If there is no such box, or its page has another image now than when the browser was told.
        """
        known = self.unsure().get(name)
        if known is not None:
            return At(known.booklet, known.page, known.row, known.image, self._boxes[known.page][known.row])
        image, _, rest = name.partition(".")
        page, _, rest = rest.partition(".")
        row, _, booklet = rest.partition(".")
        if not (page.isdecimal() and row.isdecimal()) or booklet not in self.standing.identities:
            raise RefusedError("There is no such box.")
        held = self.standing.booklet(booklet).laid.booklet.pages.get(int(page))
        if held is None or int(row) >= len(self._boxes[int(page)]):
            raise RefusedError("There is no such box.")
        if not page_key(held).startswith(image):
            raise RefusedError("This page has another image now. Load the page anew and look again.")
        return At(booklet, int(page), int(row), page_key(held), self._boxes[int(page)][int(row)])

    def source(self, page: ScannedPage) -> Source:
        """Where a page image lies."""
        scan = self._scans[page.ref.scan]
        return Source(scan.path, scan.sha256, page.ref.scan_page)

    def place(self, page: PageRead, row: int) -> BoxPlace:
        """Where a box lies on its page image."""
        across, down = (float(page.readings.values[row, column]) for column in _OFFSETS)
        if not (math.isfinite(across) and math.isfinite(down)):  # the box leaves the image
            across, down = 0.0, 0.0
        return BoxPlace(self._boxes[page.page][row], page.transform, (across, down))

    async def box_picture(self, at: At) -> bytes | NoPicture:
        """A box with its surroundings; all unsure boxes of its page are cut with it."""
        kept = self.pictures.kept(at.image, at.row)
        if kept is not None:
            return kept
        page = self._image(at.booklet, at.page, at.image)
        if page is None or not isinstance(page.result, PageRead):
            return NoPicture("the page's image is not in the run any more")
        rows = {at.row, *(one.row for one in self.unsure().values() if one.image == at.image)}
        places = {row: self.place(page.result, row) for row in sorted(rows)}
        return await self.pictures.box(at.image, at.row, self.source(page), places)

    def _image(self, booklet: str, number: int, image: str) -> ScannedPage | None:
        if booklet in self.standing.identities:
            held = self.standing.booklet(booklet).laid.booklet
            for page in (*held.pages.values(), *held.duplicates):
                if page_key(page) == image and page.result.page == number:
                    return page
        return self.standing.find_page(image)

    def in_grid_order(self, boxes: Iterable[UnsureBox]) -> list[UnsureBox]:
        """Boxes kind by kind, from the likeliest empty to the likeliest marked."""
        kinds = {one.id: list(FieldKind).index(one.kind) for one in self.definitions.layout.fields}
        return sorted(boxes, key=lambda one: (kinds[one.field], one.probability, one.question, one.booklet, one.box))

    async def patches(self, boxes: Sequence[UnsureBox]) -> NDArray[np.uint8]:
        """The small pictures that were kept when boxes were read: (n, 28, 28), 0 black to 255 white, white where there is none."""
        found = np.full((len(boxes), PATCH_SIDE, PATCH_SIDE), 255, np.uint8)
        pages: dict[str, ScannedPage | None] = {}
        for place, one in enumerate(boxes):
            if one.image not in pages:
                pages[one.image] = self.standing.find_page(one.image)
                if len(pages) % 8 == 0:
                    await asyncio.sleep(0)  # decisions come first
            page = pages[one.image]
            if page is not None and isinstance(page.result, PageRead) and one.row < len(page.result.readings.patches):
                found[place] = 255 - page.result.readings.patches[one.row]
        return found

    async def cut_ahead(self) -> None:
        """Cut the pictures of all unsure boxes, page by page in the order of the grid, while nothing else is asked."""
        seen = set()
        for one in self.in_grid_order(self.unsure().values()):
            if one.image in seen:
                continue
            seen.add(one.image)
            await self._quiet(REVIEW.quiet_s)
            picture = await self.box_picture(At(one.booklet, one.page, one.row, one.image, self._boxes[one.page][one.row]))
            if isinstance(picture, NoPicture) and len(seen) > 3 and self.moved_scans():
                return

    # ----------------------------------------------------------------- deciding

    async def decide(self, reviewer: str, request: Mapping[str, object]) -> dict[str, object]:
        """Take in what the browser sends: durable when this returns.

        Parameters
        ----------
        reviewer : str
        request : mapping
            ``group`` (made by the browser; one sent again counts once), ``acts`` (what is decided), ``settle`` and ``remark``.

        Raises
        ------
        RefusedError
            If any of it cannot be; then nothing of it is taken in.
        """
        group, acts = request.get("group"), request.get("acts")
        if not isinstance(group, str) or not 8 <= len(group) <= 64 or not isinstance(acts, list) or not acts:
            raise RefusedError("This is no decision.")
        settles, remark = request.get("settle") is True, _text(request.get("remark", ""), 500)
        entries: list[Entry] = []
        by_hand: dict[str, PageRead] = {}
        for act in acts:
            if not isinstance(act, dict):
                raise RefusedError("This is no decision.")
            for made in await self._entries(act, by_hand, f"{group}/{len(entries)}"):
                entries.append(made)
        ready = [
            _completed(one, f"{group}/{number}" if not one.id else one.id, group, reviewer, settles, remark)
            for number, one in enumerate(entries)
        ]
        added = self.standing.journal.append(ready, by_hand)
        self._follow(added)
        return {"saved": len(ready), "seq": self.seq}

    def undo(self, reviewer: str, group: str) -> dict[str, object]:
        """Take back the reviewer's last decision that stands."""
        return self._back(reviewer, group, Topic.UNDO, last_undoable)

    def redo(self, reviewer: str, group: str) -> dict[str, object]:
        """Take the reviewer's last undo back."""
        return self._back(reviewer, group, Topic.REDO, last_redoable)

    def _back(self, reviewer: str, group: str, topic: Topic, last: Callable[[Sequence[Entry], str], str]) -> dict[str, object]:
        target = last(self.standing.entries, reviewer)
        if not target:
            raise RefusedError(f"There is nothing of yours to {topic}.")
        entry = Entry(0, f"{group}/0", "", reviewer, topic, "", target, "", group)
        added = self.standing.journal.append([_completed(entry, entry.id, group, reviewer, False, "")])
        about = self.taken_back(entry)
        self._follow(added)
        boxes = [
            box_name(one.image, one.page, self.row(one), one.booklet)
            for one in about
            if one.topic in (Topic.MARK, Topic.CHECK)
        ]
        return {
            "saved": len(added),
            "seq": self.seq,
            "boxes": boxes,
            "value": about[0].value if about else "",
            "said": f"{'Took back' if topic is Topic.UNDO else 'Decided again'}: {describe(about)}.",
        }

    def taken_back(self, entry: Entry) -> list[Entry]:
        """The decisions that an undo, or the redo of one, is about."""
        group = entry.item
        if entry.topic is Topic.REDO:
            group = next((one.item for one in self.standing.entries if one.group == group), "")
        return [one for one in self.standing.entries if one.group == group]

    def row(self, entry: Entry) -> int:
        """The place of a decision's box among those of its page."""
        return next((row for row, box in enumerate(self._boxes.get(entry.page, ())) if box.key == entry.item), 0)

    async def _entries(self, act: Mapping[str, object], by_hand: dict[str, PageRead], entry_id: str) -> list[Entry]:
        try:
            topic = Topic(str(act.get("topic")))
        except ValueError:
            raise RefusedError("This is no decision.") from None
        value = _text(act.get("value", ""), 200)
        match topic:
            case Topic.MARK | Topic.CHECK:
                return self._marks(topic, act, value)
            case Topic.STUDENT:
                return [self._student(_text(act.get("booklet", ""), 300), value)]
            case Topic.VERSION:
                if value not in self.definitions.rubric.versions:
                    raise RefusedError("The exam has no such version.")
                concluded = self._booklet(act)
                return [self._about(concluded, topic, "", value, concluded.card.version or "not known")]
            case Topic.POINTS:
                return [self._points(act, value)]
            case Topic.FLAG:
                return [self._seen(_text(act.get("item", ""), 300))]
            case Topic.PAGE:
                return [await self._page(act, value, by_hand, entry_id)]
            case _:
                raise RefusedError("This is no decision.")

    def _marks(self, topic: Topic, act: Mapping[str, object], value: str) -> list[Entry]:
        names = act.get("on")
        if value not in [one.value for one in _VERDICTS]:
            raise RefusedError("A box is marked, empty or undone.")
        if not isinstance(names, list) or not names or not all(isinstance(one, str) for one in names):
            raise RefusedError("No box was named.")
        made = []
        for name in names:
            at = self.at(name)
            known = self.unsure().get(name)
            scan, scan_page = "", 0
            if known is not None:
                machine, probability = Verdict.UNSURE.value, known.probability
            else:
                read = self.standing.booklet(at.booklet).read
                said = next(
                    (
                        one
                        for answer in read.answers
                        if answer.field == at.box.field
                        for one in answer.verdicts
                        if one.box == at.box.value
                    ),
                    None,
                )
                machine, probability = (said.verdict.value, said.probability) if said else ("", 0.0)
            made.append(
                _entry(
                    topic,
                    at.image,
                    at.box.key,
                    value,
                    machine=machine,
                    probability=probability,
                    booklet=at.booklet,
                    page=at.page,
                    scan=scan,
                    scan_page=scan_page,
                )
            )
        return made

    def _booklet(self, act: Mapping[str, object]) -> Concluded:
        booklet = _text(act.get("booklet", ""), 300)
        if booklet not in self.standing.identities:
            raise RefusedError("There is no such booklet.")
        return self.standing.booklet(booklet)

    def _about(self, concluded: Concluded, topic: Topic, item: str, value: str, machine: str) -> Entry:
        """A decision about a booklet: at the image at which one on the same matter was made before, else at its first page's."""
        booklet = concluded.laid.booklet
        pages = [*booklet.pages.values(), *booklet.duplicates]
        if not pages:
            raise RefusedError("This booklet has no page any more.")
        known = (
            page
            for page in (*pages, *booklet.superseded)
            if self.standing.decisions.on(topic, page_key(page), item) is not None
        )
        page = next(known, pages[0])
        return _entry(
            topic,
            page_key(page),
            item,
            value,
            machine=machine,
            booklet=booklet.id,
            page=page.result.page,
            scan=page.ref.scan,
            scan_page=page.ref.scan_page,
        )

    def _student(self, booklet: str, number: str) -> Entry:
        if booklet not in self.standing.identities:
            raise RefusedError("There is no such booklet.")
        roster = self.definitions.roster
        if number != NOBODY and roster is not None and all(one.number != number for one in roster.students):
            raise RefusedError(f"Nobody on the class list has the number {number}.")
        if not number:
            raise RefusedError("Give a student number.")
        concluded = self.standing.booklet(booklet)
        identity = concluded.identity
        return self._about(concluded, Topic.STUDENT, "", number, f"{identity.status.value} {identity.number}".strip())

    def _points(self, act: Mapping[str, object], value: str) -> Entry:
        concluded = self._booklet(act)
        item = _text(act.get("item", ""), 200)
        question = next((one for one in self.definitions.rubric.questions if one.id == item), None)
        if question is None:
            raise RefusedError("There is no such question.")
        met = criteria_of(value)
        points = points_in(value) if met is None else criteria_points(question, met)
        if points is None:
            raise RefusedError(f"{value!r} is no number of points." if met is None else "There is no such criterion.")
        low, high = self.points_range(question)
        if not low <= points <= high:
            raise RefusedError(f"Question {item} is worth {exact(low)} to {exact(high)} points, not {exact(points)}.")
        card = next(one for one in concluded.card.questions if one.question == item)
        machine = exact(card.points) if card.points is not None else f"{exact(card.low)} to {exact(card.high)}"
        return self._about(
            concluded, Topic.POINTS, item, str(points) if met is None else criteria_value(question, met), machine
        )

    def points_range(self, question: Question) -> tuple[Fraction, Fraction]:
        """Least and most points that a question can have in any version."""
        bounds = [widest(question, one) for one in self.definitions.rubric.versions or ("",)]
        return min(low for low, _ in bounds), max(high for _, high in bounds)

    def _seen(self, key: str) -> Entry:
        item = self.item(key)
        if item is None:
            raise RefusedError("This is not open any more.")
        if not dismissible(item.flag):
            raise RefusedError("This cannot be dismissed: it could change points. Decide it.")
        flag = item.flag
        return _entry(
            Topic.FLAG,
            "",
            flag_key(flag),
            "seen",
            machine=flag.kind.value,
            booklet=flag.booklet,
            page=flag.page,
            scan="",
            scan_page=0,
        )

    async def _page(self, act: Mapping[str, object], value: str, by_hand: dict[str, PageRead], entry_id: str) -> Entry:
        key = _text(act.get("page", ""), 64)
        page = self.aside(key)
        booklet = ""
        if page is None:
            page, booklet = self._page_of(act, key)
        try:
            fate = PageFate(value)
        except ValueError:
            raise RefusedError("This cannot be done to a page.") from None
        made = value
        given = ""
        if fate is PageFate.PLACED:
            given, number = _text(act.get("booklet", ""), 60).strip(), act.get("number")
            if not given or any(ord(one) < 32 for one in given):
                raise RefusedError("Say which booklet the page belongs to.")
            if not isinstance(number, int) or not 1 <= number <= len(self.definitions.layout.pages):
                raise RefusedError(f"The form has the pages 1 to {len(self.definitions.layout.pages)}.")
            read = page.result
            if not isinstance(read, PageRead) or act.get("corners"):
                read = await self._read(page, number, act.get("corners"))
                by_hand[entry_id] = read
            if read.page != number:
                raise RefusedError(f"This image was read as page {read.page}; click its corners to read it as page {number}.")
            made = f"{fate.value} {number} {given}"
        result = page.result
        machine = "read" if isinstance(result, PageRead) else result.reason.value
        return _entry(
            Topic.PAGE,
            page_key(page),
            "",
            made,
            id=entry_id if entry_id in by_hand else "",
            machine=machine,
            booklet=booklet or given,
            page=result.page,
            scan=page.ref.scan,
            scan_page=page.ref.scan_page,
        )

    def _page_of(self, act: Mapping[str, object], key: str) -> tuple[ScannedPage, str]:
        """A page of a booklet, named by its booklet and key."""
        owner = _text(act.get("owner", ""), 300)
        if owner in self.standing.identities:
            concluded = self.standing.booklet(owner)
            for held in (concluded.laid.booklet, concluded.read.booklet):
                for page in (*held.pages.values(), *held.duplicates):
                    if short_key(page_key(page)) == key:
                        return page, owner
        raise RefusedError("There is no such page.")

    async def _read(self, page: ScannedPage, number: int, corners: object) -> PageRead:
        points: list[tuple[float, float]] = []
        if corners:
            if not isinstance(corners, list) or len(corners) != 4:
                raise RefusedError("Click all four corners.")
            for one in corners:
                if not (isinstance(one, list) and len(one) == 2 and all(isinstance(x, int | float) for x in one)):
                    raise RefusedError("Click all four corners.")
                points.append((float(one[0]), float(one[1])))
        definitions = self.definitions
        sha = definitions.layout_source.sha256
        made = await self.pictures.run(read_page_as, self.source(page), definitions.layout, sha, number, tuple(points))
        if isinstance(made, NoPicture | PageSetAside):
            raise RefusedError(f"It could not be read as page {number}: {made.detail}.")
        return made

    def note_sample(self, reviewer: str, group: str, value: str) -> dict[str, object]:
        """Note a random sample that was drawn."""
        entry = _completed(_entry(Topic.SAMPLE, "", "", value), f"{group}/0", group, reviewer, False, "")
        self._follow(self.standing.journal.append([entry]))
        return {"saved": 1, "seq": self.seq}

    # ----------------------------------------------------------------- what follows

    def _follow(self, added: Sequence[Entry]) -> None:
        """Take up what was added: at once where that is little, else right after."""
        if not added:
            return
        touched = self.standing.decide(added)
        self._pages_moved |= any(one.topic in (Topic.PAGE, Topic.UNDO, Topic.REDO) for one in added)
        self._late |= touched
        if len(self._late) <= REVIEW.at_once:
            self._conclude(len(self._late))
        else:
            self._forget_lists()
            decided = {(one.image, one.item) for one in added if one.topic is Topic.MARK}
            self._unsure = {
                name: one for name, one in self.unsure().items() if (one.image, f"{one.field}/{one.box}") not in decided
            }
        if not self._changed_since:
            self._changed_since = time.monotonic()
        self._wake.set()

    def _conclude(self, most: int) -> None:
        some = sorted(self._late)[:most]
        self._late -= set(some)
        self._unwritten |= self.standing.conclude(some)
        self._forget_lists()

    def _forget_lists(self) -> None:
        self._items = None
        self._unsure = None

    async def make_ready(self) -> None:
        """Load and make, while nothing is asked, what the first decisions would wait for."""
        with uncollected():
            for _ in self.standing.load_cards():
                await asyncio.sleep(0)
                await self._quiet(REVIEW.give_way_s)
            changes = await self._changes((), False)
            self.items()
            with contextlib.suppress(OutputError):  # told when files are to be written
                await asyncio.to_thread(self._files.make_ready, changes)
        gc.freeze()  # all this is never garbage, and to look it through takes a tenth of a second each time

    async def _quiet(self, seconds: float) -> None:
        """Wait until nothing was asked for so long."""
        while (wait := self.asked + seconds - time.monotonic()) > 0:
            await asyncio.sleep(wait)

    @property
    def behind(self) -> bool:
        """Whether anything still follows from decisions that are saved: booklets to conclude, files to write."""
        return bool(self._late or self._changed_since or self._writing)

    async def keep_up(self) -> None:
        """Conclude what is late and write the files, for as long as the server runs."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._late:
                self._conclude(1)
                await asyncio.sleep(0)
            if not self._changed_since:
                continue  # written already
            waited = time.monotonic() - self._changed_since
            # where writing takes long it is done less often: it slows down the decisions that come in meanwhile
            longest = max(REVIEW.write_within_s, min(REVIEW.write_latest_s, REVIEW.write_rest * self._write_took))
            if waited < longest:
                try:
                    await asyncio.wait_for(
                        self._wake.wait(), max(REVIEW.write_after_s, min(REVIEW.write_within_s, self._write_took))
                    )
                except TimeoutError:
                    pass
                else:
                    continue
            await self.write()
            if self.trouble:
                await asyncio.sleep(REVIEW.write_within_s)
                self._wake.set()

    async def write(self) -> None:
        """Write the files as everything stands; a writing under way is finished before, whoever waits for it is cancelled or not."""
        await asyncio.shield(asyncio.ensure_future(self._write()))

    async def _write(self) -> None:
        async with self._one_at_a_time:
            while self._late:
                self._conclude(1)
                await asyncio.sleep(0)  # decisions come first
            if not self._changed_since:
                return  # written already
            # what is decided while the files are being written goes into the next ones
            changed, moved, began, seq = sorted(self._unwritten), self._pages_moved, self._changed_since, self.seq
            self._unwritten, self._pages_moved, self._changed_since = set(), False, 0.0
            self._writing = True
            started = time.monotonic()
            try:
                changes = await self._changes(changed, moved)
                await asyncio.to_thread(self._files.follow, changes)
                for first in range(0, len(changed), REVIEW.kept_at_once):
                    self.standing.save(changed[first : first + REVIEW.kept_at_once])
                    await asyncio.sleep(0)
                self.standing.save((), seq)  # only now: what is kept tells that the files were written
            except OutputError as error:
                self.trouble = str(error)
                self._unwritten |= set(changed)
                self._pages_moved |= moved
                self._changed_since = began
                return
            finally:
                self._writing = False
                self._write_took = time.monotonic() - started
            self.trouble = ""
            self.written_at = datetime.now(UTC).isoformat(timespec="seconds")

    async def _changes(self, booklets: Sequence[str], moved: bool) -> Changes:
        """What is to be written about these booklets, and of the run as a whole."""
        standing, known, gone = self.standing, [], []
        for one in reversed(booklets):  # those concluded last are still in memory
            if one not in standing.identities:
                gone.append(one)
                continue
            known.append(standing.booklet(one))
            await asyncio.sleep(0)
        for _ in standing.load_cards():
            await asyncio.sleep(0)
        return Changes(
            tuple(known),
            tuple(gone),
            self._pages_of(known) if moved else (),
            standing.cards(),
            list(standing.identities.values()),
            standing.flags(),
        )

    def _pages_of(self, known: Iterable[Concluded]) -> tuple[tuple[str, ...], ...]:
        """Rows of the pages that decisions are about, or that are in the booklets concerned."""
        held = {one.laid.booklet.id: one for one in known}
        for key in self.standing.asides:
            place = assigned_booklet(self.standing.decisions.on(Topic.PAGE, key))
            if place and place[1] not in held and place[1] in self.standing.identities:
                held[place[1]] = self.standing.booklet(place[1])
        pages = {page.ref: page for page in self.standing.asides.values()}
        for one in held.values():
            for booklet in (one.read.booklet, one.laid.booklet):
                pages |= {page.ref: page for page in (*booklet.pages.values(), *booklet.duplicates) if page.ref not in pages}
        return pages_table(list(pages.values()), [one.laid.booklet for one in held.values()]).rows


def dismissible(flag: Flag) -> bool:
    """Whether it is enough that a person looked at it."""
    if flag.kind is FlagKind.PAGE_ORDER:
        return True
    return flag.kind in (FlagKind.DUPLICATE_PAGE, FlagKind.MISSING_PAGE) and not flag.can_change_points


def describe(entries: Sequence[Entry]) -> str:
    """What was decided, in a few words."""
    if not entries:
        return "nothing"
    first = entries[0]
    if first.topic is Topic.MARK:
        return f"{first.value} for {len(entries)} boxes" if len(entries) > 1 else f"{first.item} {first.value}"
    return f"{first.topic.value} {first.value}".strip()


def _text(value: object, most: int) -> str:
    if not isinstance(value, str) or len(value) > most:
        raise RefusedError("This is no decision.")
    return value


def _entry(topic: Topic, image: str, item: str, value: str, **more: object) -> Entry:
    return Entry(0, str(more.pop("id", "")), "", "", topic, image, item, value, "", **more)  # type: ignore[arg-type]


def _completed(entry: Entry, entry_id: str, group: str, reviewer: str, settles: bool, remark: str) -> Entry:
    made = datetime.now(UTC).isoformat(timespec="milliseconds")
    return replace(
        entry, id=entry_id, group=group, reviewer=reviewer, settles=settles, remark=remark, made=made, scangrade=__version__
    )


def drawn_sample(entries: Sequence[Entry]) -> dict[str, object] | None:
    """The newest random sample that stands, None where none was drawn."""
    for one in reversed(entries):
        if one.topic is Topic.SAMPLE:
            held = json.loads(one.value)
            assert isinstance(held, dict)
            return held
    return None
