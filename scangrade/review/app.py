"""The pages of the review and the few calls that the script makes; what they show comes from the desk."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import secrets
import zipfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote, urlencode

import jinja2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from scangrade import settings
from scangrade.answers.bounds import Stratum, overall_bound
from scangrade.answers.decisions import of_booklet, said, standing_entries
from scangrade.answers.sampling import KINDS, Mark, draw
from scangrade.conclude import score_booklet
from scangrade.errors import OutputError
from scangrade.geometry import as_matrix, project
from scangrade.grades.by_hand import given_points
from scangrade.grades.cells import safe_text
from scangrade.grades.rounding import exact
from scangrade.model import (
    MACHINE,
    NOBODY,
    Answer,
    Field,
    FieldKind,
    FlagKind,
    MatchStatus,
    PageRead,
    Question,
    Region,
    Ruling,
    ScannedPage,
    Student,
    Topic,
    Verdict,
    page_key,
)
from scangrade.paper.by_hand import corner_marks
from scangrade.review.desk import Desk, RefusedError, box_name, dismissible, drawn_sample
from scangrade.review.guard import Guard, Keys, cookie_of, with_session
from scangrade.review.people import near_number, search
from scangrade.review.pictures import NoPicture, Picture, cut_region, page_size, whole_page
from scangrade.review.queue import KIND_WORDS, TITLES, Filter, Group, expected_seconds, short_key
from scangrade.settings import REVIEW
from scangrade.standing import Concluded

_HERE: Final = Path(__file__).parent
_LETTERS: Final = {Verdict.MARKED: "M", Verdict.EMPTY: "E", Verdict.UNDONE: "U", Verdict.UNSURE: "?"}
_MOST_LISTED: Final = 200
_TRAIL: Final = (
    *(
        "sequence",
        "time",
        "reviewer",
        "about",
        "booklet",
        "page",
        "item",
        "machine",
        "machine_probability",
        "decided",
        "remark",
    ),
    *("settles", "group", "stands", "scan", "scan_page", "image", "crop", "scangrade"),
)


def make_app(desk: Desk, keys: Keys, hosts: frozenset[str]) -> Guard:
    """The review as an ASGI application, guarded.

    Parameters
    ----------
    desk : Desk
    keys : Keys
        Who has a session.
    hosts : frozenset of str
        What the `Host` header may be.
    """
    return Guard(_Screens(desk, keys).application(), keys=keys, hosts=hosts)


class _Screens:
    """One method per page or call."""

    def __init__(self, desk: Desk, keys: Keys) -> None:
        self._desk = desk
        self._keys = keys
        self._sizes: dict[str, tuple[int, int]] = {}
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["points"] = _points
        self._templates.filters["minutes"] = _minutes
        self._templates.globals["url"] = _to

    def application(self) -> Starlette:
        pages = {
            "/": self.queue,
            "/grid": self.grid,
            "/field": self.field,
            "/student": self.student,
            "/aside": self.aside,
            "/flag": self.flag,
            "/points": self.points,
            "/booklets": self.booklets,
            "/booklet": self.booklet,
            "/paper": self.paper,
            "/trail": self.trail,
            "/sample": self.sample,
            "/name": self.name,
            "/login": self.login,
            "/trail.csv": self.trail_csv,
            "/trail.zip": self.trail_zip,
            "/crop": self.crop,
            "/region": self.region,
            "/page": self.page,
            "/api/state": self.state,
            "/api/roster": self.roster,
        }
        calls = {
            "/api/decide": self.decide,
            "/api/undo": self.undo,
            "/api/redo": self.redo,
            "/api/sample": self.new_sample,
            "/api/name": self.set_name,
            "/login": self.check_password,
        }
        routes: list[Route | Mount] = [Route(path, call, methods=["GET"]) for path, call in pages.items()]
        routes += [Route(path, call, methods=["POST"]) for path, call in calls.items()]
        routes.append(Mount("/static", StaticFiles(directory=_HERE / "static")))
        handlers: Mapping[Any, Any] = {
            RefusedError: _refused,
            OutputError: _not_written,
            404: _not_found,
        }
        return Starlette(routes=routes, exception_handlers=handlers)

    # ----------------------------------------------------------------- what all pages have

    def _reviewer(self, request: Request) -> str:
        return unquote(cookie_of(request.headers, f"{self._keys.cookie}-name"))

    def _show(self, request: Request, template: str, *, screen: str, **context: object) -> Response:
        reviewer = self._reviewer(request)
        if not reviewer and screen not in ("name", "login"):
            return RedirectResponse("/name", 303)
        items = self._desk.items() if reviewer else ()
        common = {
            "run": self._desk.folder.resolve().name,
            "title": self._desk.definitions.rubric.title,
            "reviewer": reviewer,
            "screen": screen,
            "left": len([one for one in items if one.group is not Group.WAITING]),
            "seq": self._desk.seq,
            "moved": self._desk.moved_scans(),
            "trouble": self._desk.trouble,
            "kinds": KIND_WORDS,
            "letters": _LETTERS,
        }
        return HTMLResponse(self._templates.get_template(template).render({**common, **context}))

    def _found(self, booklet: str) -> Concluded | None:
        return self._desk.standing.booklet(booklet) if booklet in self._desk.standing.identities else None

    # ----------------------------------------------------------------- queue

    async def queue(self, request: Request) -> Response:
        """What waits."""
        desk, chosen = self._desk, _filter(request)
        pace = desk.pace(self._reviewer(request))
        groups = []
        items = desk.items()
        for place, group in enumerate(Group, start=1):
            own = [one for one in items if one.group is group and replace(chosen, group="").fits(one)]
            if group is Group.WAITING and not own:
                continue
            unsure = [one for one in own if one.flag.kind is FlagKind.UNSURE_MARK]
            first = _to("/grid", **chosen.query()) if unsure and group is Group.POINTS else own[0].url if own else ""
            if own and first == own[0].url:
                first = _with(first, chosen, group)
            groups.append(
                {
                    "key": place,
                    "name": group.value,
                    "title": TITLES[group],
                    "count": len(own),
                    "seconds": expected_seconds(own, REVIEW.seconds, pace),
                    "first": first,
                    "grid": bool(unsure) and group is Group.POINTS,
                    "kinds": _counts(one.flag.kind for one in own),
                }
            )
        shown = [one for one in items if chosen.fits(one)]
        return self._show(
            request,
            "queue.html",
            screen="queue",
            groups=groups,
            chosen=chosen,
            items=shown[:_MOST_LISTED],
            hidden=max(0, len(shown) - _MOST_LISTED),
            total=len(items),
            questions=sorted({one.question for one in items if one.question}),
            item_kinds=sorted({one.flag.kind for one in items}),
            seconds=expected_seconds([one for one in items if one.group is not Group.WAITING], REVIEW.seconds, pace),
            own_pace=pace,
            counts=self._accounting(),
            link=_with,
        )

    def _accounting(self) -> dict[str, int]:
        standing = self._desk.standing
        return {"booklets": len(standing.identities), "decisions": len(standing_entries(standing.entries))}

    def _neighbours(self, request: Request, url: str) -> dict[str, object]:
        """The items before and after the one that a screen shows."""
        chosen = _filter(request)
        items = [one for one in self._desk.items() if chosen.fits(one) and one.group is not Group.WAITING]
        urls = list(dict.fromkeys(one.url for one in items))
        back = _to("/", **replace(chosen, group="").query())
        if url in urls:
            place = urls.index(url)
            before, after = urls[place - 1] if place else "", urls[place + 1] if place + 1 < len(urls) else ""
            return {
                "previous": _with(before, chosen) if before else "",
                "next": _with(after, chosen) if after else back,
                "position": place + 1,
                "count": len(urls),
                "back": back,
            }
        return {
            "previous": "",
            "next": _with(urls[0], chosen) if urls else back,
            "position": 0,
            "count": len(urls),
            "back": back,
        }

    # ----------------------------------------------------------------- grid

    async def grid(self, request: Request) -> Response:
        """Unsure boxes side by side, from the likeliest empty to the likeliest marked."""
        desk, chosen = self._desk, _filter(request)
        by_question = request.query_params.get("by") == "question"
        kinds = {one.id: one.kind for one in desk.definitions.layout.fields}
        boxes = [
            (name, one)
            for name, one in desk.unsure().items()
            if chosen.question in ("", one.question) and chosen.booklet in ("", one.booklet)
        ]
        sort = request.query_params.get("sort", "")
        wanted = kinds.get(sort)
        of_kind: dict[FieldKind, list[Any]] = defaultdict(list)
        for name, one in boxes:
            of_kind[kinds[one.field]].append((name, one))
        kind = next((one for one in FieldKind if one.value == sort and one in of_kind), None) or wanted
        kind = kind or next((one for one in FieldKind if one in of_kind), FieldKind.CHOICE)
        held = sorted(of_kind.get(kind, []), key=lambda pair: (pair[1].probability, pair[1].question, pair[0]))
        more = max(0, len(held) - REVIEW.most_boxes)
        held = held[: REVIEW.most_boxes]
        groups: dict[str, list[Any]] = defaultdict(list)
        for name, one in held:
            groups[one.question if by_question else ""].append(
                {
                    "name": name,
                    "question": one.question,
                    "box": one.box,
                    "booklet": one.booklet,
                    "page": one.page,
                    "probability": one.probability,
                    "crop": _to("/crop", t=name),
                    "single": _to("/field", b=one.booklet, f=one.field, back=str(request.url.path + "?" + request.url.query)),
                }
            )
        return self._show(
            request,
            "grid.html",
            screen="grid",
            chosen=chosen,
            groups=sorted(groups.items(), key=lambda pair: (-len(pair[1]), pair[0])) if by_question else list(groups.items()),
            count=len(held),
            more=more,
            kind=kind.value,
            of_kind={one.value: len(of_kind[one]) for one in FieldKind if one in of_kind},
            by_question=by_question,
            questions=sorted({one.question for _, one in boxes}),
            regrouped=_to("/grid", **chosen.query(), sort=kind.value, **({} if by_question else {"by": "question"})),
            of_sort=lambda one: _to("/grid", **chosen.query(), sort=one, **({"by": "question"} if by_question else {})),
        )

    # ----------------------------------------------------------------- one field

    async def field(self, request: Request) -> Response:
        """One question, with its surroundings and what each answer would do."""
        desk = self._desk
        booklet, field_id = request.query_params.get("b", ""), request.query_params.get("f", "")
        concluded = self._found(booklet)
        field = next((one for one in desk.definitions.layout.fields if one.id == field_id and one.boxes), None)
        if concluded is None or field is None:
            return _nothing("There is no such question.")
        page = concluded.laid.booklet.pages.get(field.page)
        url = _to("/field", b=booklet, f=field_id)
        item = next((one for one in desk.items() if one.url == url), None)
        answer = next((one for one in concluded.laid.answers if one.field == field_id), None)
        if page is None or not isinstance(page.result, PageRead) or answer is None:
            return _nothing(f"Page {field.page} of booklet {booklet} is not there.")
        together = self._together(field)
        region = self._region(together)
        back = request.query_params.get("back", "")
        around = self._neighbours(request, url)
        if back.startswith("/grid"):
            around |= {"next": back, "back": back}
        return self._show(
            request,
            "field.html",
            screen="field",
            booklet=booklet,
            field=field,
            question=field.question or field.group or field.id,
            item=item,
            answer=answer,
            boxes=self._boxes(concluded, together, field),
            rows=[one for one in self._boxes(concluded, [field], field) if one["own"]],
            region=region,
            strip=_to("/region", b=booklet, n=str(field.page), q=field.id),
            score=next((one for one in concluded.card.questions if one.question == field.question), None),
            effects=self._effects(concluded, field, answer),
            disputed=bool(item and item.flag.kind is FlagKind.DISAGREEMENT),
            points_low_high=self._range(field.question),
            paper=_to("/paper", b=booklet, n=str(field.page)),
            **around,
        )

    def _together(self, field: Field) -> list[Field]:
        """Fields that are looked at together: a grid's columns, all fields of a question on the page."""
        layout = self._desk.definitions.layout
        if field.group:
            return [one for one in layout.fields if one.group == field.group and one.page == field.page]
        if field.question:
            return [one for one in layout.fields if one.question == field.question and one.page == field.page and one.boxes]
        return [field]

    def _region(self, fields: Sequence[Field]) -> Region:
        page = self._desk.definitions.layout.page(fields[0].page)
        boxes = [box for one in fields for box in one.boxes]
        margin = REVIEW.strip_margin_mm
        top, bottom = min(box.y_mm - box.height_mm / 2 for box in boxes), max(box.y_mm + box.height_mm / 2 for box in boxes)
        margin = max(margin, (REVIEW.strip_least_mm - (bottom - top)) / 2)
        top, bottom = max(0.0, top - margin), min(page.height_mm, bottom + margin)
        if fields[0].group:
            left = max(0.0, min(box.x_mm for box in boxes) - 3 * margin)
            right = min(page.width_mm, max(box.x_mm for box in boxes) + 3 * margin)
        else:
            left, right = 4.0, page.width_mm - 4.0
        return Region(fields[0].page, left, top, right - left, bottom - top)

    def _boxes(self, concluded: Concluded, fields: Sequence[Field], current: Field | None) -> list[dict[str, Any]]:
        """Boxes with their verdicts and where they are, in mm of the layout."""
        layout, made = self._desk.definitions.layout, []
        by_machine = {(one.field, one.box): one for answer in concluded.read.answers for one in answer.verdicts}
        for field in fields:
            answer = next((one for one in concluded.laid.answers if one.field == field.id), None)
            page = concluded.laid.booklet.pages.get(field.page)
            if answer is None or page is None or not isinstance(page.result, PageRead):
                continue
            rows = {box.key: row for row, box in enumerate(layout.boxes(field.page))}
            image = page_key(page)
            for box, verdict in zip(field.boxes, answer.verdicts, strict=True):
                row = rows[box.key]
                across, down = self._desk.place(page.result, row).offset_mm
                ruling = self._desk.standing.decisions.on(Topic.MARK, image, box.key)
                machine = by_machine.get((field.id, box.value))
                made.append(
                    {
                        "name": box_name(image, field.page, row, concluded.laid.booklet.id),
                        "row": row,
                        "field": field.id,
                        "value": box.value,
                        "label": field.question or field.id,
                        "x": box.x_mm + across,
                        "y": box.y_mm + down,
                        "width": box.width_mm + 2 * box.frame_mm,
                        "height": box.height_mm + 2 * box.frame_mm,
                        "verdict": verdict.verdict.value,
                        "letter": _LETTERS[verdict.verdict],
                        "by": verdict.decided_by if verdict.decided_by != MACHINE else "",
                        "machine": machine.verdict.value if machine else "",
                        "probability": machine.probability if machine else 0.0,
                        "guess": _guess(machine) if machine else "empty",
                        "open": box.value in answer.open,
                        "said": said(ruling) if ruling and ruling.disputed else "",
                        "own": current is None or field.id == current.id,
                    }
                )
        return made

    def _effects(self, concluded: Concluded, field: Field, answer: Answer) -> dict[str, dict[str, str]]:
        """Points of the question if a box were marked, and if it were empty."""
        if not field.question:
            return {}
        found: dict[str, dict[str, str]] = {}
        for one in answer.verdicts:
            found[one.box] = {}
            for verdict in (Verdict.MARKED, Verdict.EMPTY):
                verdicts = tuple(replace(each, verdict=verdict) if each.box == one.box else each for each in answer.verdicts)
                answers = tuple(
                    Answer(field.id, verdicts) if each.field == field.id else each for each in concluded.laid.answers
                )
                laid = replace(concluded.laid, answers=answers)
                card, _ = score_booklet(laid, concluded.identity, self._desk.definitions, self._desk.standing.decisions)
                score = next((each for each in card.questions if each.question == field.question), None)
                found[one.box][verdict.value] = _span(score.low, score.high) if score else ""
        return found

    def _range(self, question: str) -> tuple[str, str]:
        asked = next((one for one in self._desk.definitions.rubric.questions if one.id == question), None)
        if asked is None:
            return "", ""
        low, high = self._desk.points_range(asked)
        return exact(low), exact(high)

    # ----------------------------------------------------------------- students

    async def student(self, request: Request) -> Response:
        """Whose booklet it is."""
        desk = self._desk
        booklet = request.query_params.get("b", "")
        concluded = self._found(booklet)
        if concluded is None:
            return _nothing("There is no such booklet.")
        url = _to("/student", b=booklet)
        items = [one for one in desk.items() if one.flag.booklet == booklet and one.group is Group.STUDENTS]
        identity = concluded.identity
        rivals = []
        if identity.status is MatchStatus.DUPLICATE:
            rivals = [
                other
                for other, one in desk.standing.identities.items()
                if one.number == identity.number and one.status is MatchStatus.DUPLICATE
            ]
        shown = rivals or [booklet]
        ruling = of_booklet(Topic.STUDENT, concluded.laid.booklet, desk.standing.decisions)
        return self._show(
            request,
            "student.html",
            screen="student",
            booklet=booklet,
            item=items[0] if items else None,
            identity=identity,
            disputed=said(ruling) if ruling and ruling.disputed else "",
            panels=[self._panel(one) for one in shown],
            candidates=self._candidates(concluded),
            listed=desk.definitions.roster is not None,
            nobody=NOBODY,
            **self._neighbours(request, url),
        )

    def _panel(self, booklet: str) -> dict[str, Any]:
        """Pictures that tell whose booklet it is."""
        concluded = self._desk.standing.booklet(booklet)
        layout = self._desk.definitions.layout
        pictures = []
        seen: set[str] = set()
        for field in layout.fields:
            telling = field.kind in (FieldKind.STICKER, FieldKind.TEXT) and field.role in ("name", "student_number", "")
            if field.kind is FieldKind.TEXT and (field.question or field.role == "answer"):
                continue
            if field.page not in concluded.laid.booklet.pages:
                continue
            if field.kind is FieldKind.DIGIT and field.role == "student_number" and field.group not in seen:
                seen.add(field.group)
                pictures.append({"title": "Number as marked", "url": _to("/region", b=booklet, n=str(field.page), q=field.id)})
            elif telling and field.region is not None:
                title = {"name": "Name", "student_number": "Number as written"}.get(field.role, "Sticker")
                title = "Sticker" if field.kind is FieldKind.STICKER else title
                pictures.append({"title": title, "url": _to("/region", b=booklet, n=str(field.page), q=field.id)})
        return {
            "booklet": booklet,
            "number": concluded.identity.number,
            "student": concluded.identity.student,
            "status": concluded.identity.status.value,
            "pictures": pictures,
            "first_page": next(iter(concluded.laid.booklet.pages), 0),
        }

    def _candidates(self, concluded: Concluded) -> list[dict[str, Any]]:
        roster = self._desk.definitions.roster
        if roster is None:
            return []
        near = near_number(roster.students, concluded.identity.number)
        return [self._candidate(one.student, one.reason, concluded.laid.booklet.id) for one in near[:3]]

    def _candidate(self, student: Student, reason: str, booklet: str) -> dict[str, Any]:
        taken = [
            other
            for other, one in self._desk.standing.identities.items()
            if other != booklet and one.student is not None and one.student.number == student.number
        ]
        return {
            "number": student.number,
            "name": ", ".join(one for one in (student.last_name, student.first_name) if one),
            "reason": reason,
            "taken": taken[0] if taken else "",
        }

    async def roster(self, request: Request) -> Response:
        """Students for what was typed; those who have a booklet come last."""
        roster = self._desk.definitions.roster
        query, booklet = request.query_params.get("q", "")[:100], request.query_params.get("b", "")
        found = search(roster.students, query) if roster else ()
        listed = [self._candidate(one.student, one.reason, booklet) for one in found]
        return JSONResponse({"candidates": sorted(listed, key=lambda one: bool(one["taken"]))})

    # ----------------------------------------------------------------- pages

    async def aside(self, request: Request) -> Response:
        """A page set aside."""
        desk = self._desk
        key = request.query_params.get("k", "")
        page = desk.aside(key)
        if page is None:
            return _nothing("There is no such page.")
        size = await self._size(page)
        url = _to("/aside", k=key)
        item = next((one for one in desk.items() if one.url == url), None)
        ruling = desk.standing.decisions.on(Topic.PAGE, page_key(page))
        layout = desk.definitions.layout
        return self._show(
            request,
            "aside.html",
            screen="aside",
            key=key,
            page=page,
            item=item,
            picture=_to("/page", k=key) if not isinstance(size, NoPicture) else "",
            size=size if not isinstance(size, NoPicture) else (0, 0),
            missing_picture=size.detail if isinstance(size, NoPicture) else "",
            ruling=ruling,
            disputed=said(ruling) if ruling and ruling.disputed else "",
            numbers=[one.number for one in layout.pages],
            booklets=self._gaps(),
            targets={one.number: [[float(x), float(y)] for x, y in corner_marks(layout, one.number)] for one in layout.pages},
            sheet={one.number: [one.width_mm, one.height_mm] for one in layout.pages},
            by_marks={one.number: bool(corner_marks(layout, one.number)[0].any()) for one in layout.pages},
            **self._neighbours(request, url),
        )

    def _gaps(self) -> list[tuple[str, str]]:
        """Booklets that lack a page come first, then all others; each with the pages that it lacks."""
        missing: dict[str, list[int]] = defaultdict(list)
        for item in self._desk.items():
            if item.flag.kind is FlagKind.MISSING_PAGE and item.flag.booklet:
                missing[item.flag.booklet].append(item.flag.page)
        first = [(booklet, f"page {', '.join(map(str, pages))} is missing") for booklet, pages in missing.items()]
        return first + [(one, "") for one in self._desk.standing.booklets if one not in missing][:_MOST_LISTED]

    async def flag(self, request: Request) -> Response:
        """Missing pages, pages that are there twice, odd order."""
        desk = self._desk
        item = desk.item(request.query_params.get("i", ""))
        if item is None:
            return RedirectResponse(str(self._neighbours(request, "")["next"]), 303)
        flag = item.flag
        concluded = self._found(flag.booklet)
        pages: list[ScannedPage] = []
        if concluded is not None:
            held = concluded.laid.booklet
            if flag.kind is FlagKind.DUPLICATE_PAGE and flag.page:
                pages = [page for page in (*held.pages.values(), *held.duplicates) if page.result.page == flag.page]
            elif flag.kind is not FlagKind.DUPLICATE_PAGE:
                pages = list(held.pages.values())
        if not pages and flag.ref is not None:
            known = desk.standing.find_page(next((k for k, p in desk.standing.asides.items() if p.ref == flag.ref), ""))
            pages = [known] if known else []
        questions = sorted({one.question for one in desk.definitions.layout.fields if one.page == flag.page and one.question})
        return self._show(
            request,
            "flag.html",
            screen="flag",
            item=item,
            dismissible=dismissible(flag),
            choose=flag.kind is FlagKind.DUPLICATE_PAGE and len(pages) > 1,
            pages=[
                {
                    "key": short_key(page_key(page)),
                    "number": page.result.page,
                    "scan": page.ref.scan,
                    "scan_page": page.ref.scan_page,
                    "url": _to("/page", k=short_key(page_key(page)), b=flag.booklet),
                }
                for page in pages
            ],
            questions=questions if flag.kind is FlagKind.MISSING_PAGE else [],
            **self._neighbours(request, item.url),
        )

    async def _size(self, page: ScannedPage) -> tuple[int, int] | NoPicture:
        key = page_key(page)
        if key not in self._sizes:
            size = await self._desk.pictures.run(page_size, self._desk.source(page))
            if isinstance(size, NoPicture):
                return size
            self._sizes[key] = size
        return self._sizes[key]

    # ----------------------------------------------------------------- booklets

    async def booklets(self, request: Request) -> Response:
        """All booklets, or those that a search finds."""
        query = request.query_params.get("q", "").strip().casefold()
        standing = self._desk.standing
        found = []
        for booklet, identity in standing.identities.items():
            person = identity.student
            text = " ".join(
                [booklet, identity.number, *((person.number, person.last_name, person.first_name) if person else ())]
            )
            if query in text.casefold():
                found.append((booklet, identity))
        if query and len(found) == 1:
            return RedirectResponse(_to("/booklet", b=found[0][0]), 303)
        flagged: dict[str, int] = defaultdict(int)
        for item in self._desk.items():
            flagged[item.flag.booklet] += 1
        return self._show(
            request,
            "booklets.html",
            screen="booklets",
            query=query,
            found=found[:_MOST_LISTED],
            hidden=max(0, len(found) - _MOST_LISTED),
            flagged=flagged,
        )

    async def booklet(self, request: Request) -> Response:
        """One booklet: its student, its points, its pages."""
        concluded = self._found(request.query_params.get("b", ""))
        if concluded is None:
            return _nothing("There is no such booklet.")
        return self._booklet_page(request, concluded, only_open=False)

    async def points(self, request: Request) -> Response:
        """Questions of a booklet whose points a person gives."""
        concluded = self._found(request.query_params.get("b", ""))
        if concluded is None:
            return _nothing("There is no such booklet.")
        return self._booklet_page(request, concluded, only_open=True)

    def _booklet_page(self, request: Request, concluded: Concluded, *, only_open: bool) -> Response:
        desk, booklet = self._desk, concluded.laid.booklet
        rubric, layout = desk.definitions.rubric, desk.definitions.layout
        fields: dict[str, list[Field]] = defaultdict(list)
        for one in layout.fields:
            if one.question:
                fields[one.question].append(one)
        rows = []
        for question, score in zip(rubric.questions, concluded.card.questions, strict=True):
            if only_open and (score.points is not None or question.id in concluded.laid.questions):
                waits = score.points is None and not any(one.boxes for one in fields[question.id])
                if not waits:
                    continue
            if only_open and any(one.boxes for one in fields[question.id]):
                continue
            low, high = desk.points_range(question)
            own = fields[question.id]
            boxed = next((one for one in own if one.boxes and one.page in booklet.pages), None)
            text = next((one for one in own if one.region is not None and one.page in booklet.pages), None)
            ruling = of_booklet(Topic.POINTS, booklet, desk.standing.decisions, question.id)
            rows.append(
                {
                    "id": question.id,
                    "policy": question.policy.value,
                    "max": exact(question.points),
                    "low": exact(low),
                    "high": exact(high),
                    "points": exact(score.points) if score.points is not None else "",
                    "span": _span(score.low, score.high),
                    "rule": score.rule,
                    "field": _to("/field", b=booklet.id, f=boxed.id) if boxed else "",
                    "text": _to("/region", b=booklet.id, n=str(text.page), q=text.id) if text and only_open else "",
                    "by_hand": said(ruling) if ruling else "",
                    "remark": ruling.last.remark if ruling else "",
                    "given": _given(ruling, question),
                }
            )
        version = next((one for one in layout.fields if one.kind is FieldKind.VERSION and one.page in booklet.pages), None)
        url = _to("/points" if only_open else "/booklet", b=booklet.id)
        return self._show(
            request,
            "booklet.html",
            screen="points" if only_open else "booklet",
            booklet=booklet.id,
            identity=concluded.identity,
            card=concluded.card,
            rows=rows,
            version=_to("/field", b=booklet.id, f=version.id) if version else "",
            versions=rubric.versions,
            pages=[
                {
                    "number": number,
                    "scan": page.ref.scan,
                    "scan_page": page.ref.scan_page,
                    "url": _to("/paper", b=booklet.id, n=str(number)),
                    "picture": _to("/page", k=short_key(page_key(page)), b=booklet.id),
                }
                for number, page in booklet.pages.items()
            ],
            missing=booklet.missing,
            items=[one for one in desk.items() if one.flag.booklet == booklet.id],
            only_open=only_open,
            **self._neighbours(request, url),
        )

    async def paper(self, request: Request) -> Response:
        """A page in full, with its boxes where they were found."""
        concluded = self._found(request.query_params.get("b", ""))
        number = request.query_params.get("n", "")
        page = concluded.laid.booklet.pages.get(int(number)) if concluded and number.isdecimal() else None
        if concluded is None or page is None or not isinstance(page.result, PageRead):
            return _nothing("There is no such page.")
        booklet = concluded.laid.booklet
        fields = [one for one in self._desk.definitions.layout.fields if one.page == page.result.page and one.boxes]
        size = await self._size(page)
        boxes = self._boxes(concluded, fields, None)
        if not isinstance(size, NoPicture):
            for one in boxes:
                one["outline"] = _outline(one, page.result, size)
        turned = size if isinstance(size, NoPicture) or page.result.rotation % 180 == 0 else (size[1], size[0])
        focus = request.query_params.get("box", "")
        return self._show(
            request,
            "paper.html",
            screen="paper",
            booklet=booklet.id,
            page=page,
            numbers=list(booklet.pages),
            boxes=boxes,
            focus=focus,
            picture=_to("/page", k=short_key(page_key(page)), b=booklet.id) if not isinstance(size, NoPicture) else "",
            size=turned if not isinstance(turned, NoPicture) else (0, 0),
            missing_picture=size.detail if isinstance(size, NoPicture) else "",
            back=_to("/booklet", b=booklet.id),
            next="",
            previous="",
        )

    # ----------------------------------------------------------------- pictures

    async def crop(self, request: Request) -> Response:
        """A box with its surroundings."""
        try:
            at = self._desk.at(request.query_params.get("t", ""))
        except RefusedError:
            return PlainTextResponse("There is no such box.", 404)
        picture = await self._desk.box_picture(at)
        if isinstance(picture, NoPicture):
            return PlainTextResponse(picture.detail, 404)
        return Response(picture, media_type="image/png")

    async def region(self, request: Request) -> Response:
        """A question or a field with its surroundings."""
        concluded = self._found(request.query_params.get("b", ""))
        field = next((one for one in self._desk.definitions.layout.fields if one.id == request.query_params.get("q")), None)
        page = concluded.laid.booklet.pages.get(field.page) if concluded and field else None
        if field is None or page is None or not isinstance(page.result, PageRead):
            return PlainTextResponse("There is no such question.", 404)
        if field.region is not None:
            margin = 2.0
            region = Region(
                field.page,
                field.region.x_mm - margin,
                field.region.y_mm - margin,
                field.region.width_mm + 2 * margin,
                field.region.height_mm + 2 * margin,
            )
        else:
            region = self._region(self._together(field))
        picture = await self._desk.pictures.run(cut_region, self._desk.source(page), page.result.transform, region)
        return _picture(picture)

    async def page(self, request: Request) -> Response:
        """A whole page, upright."""
        key, booklet = request.query_params.get("k", ""), request.query_params.get("b", "")
        page = self._desk.aside(key)
        concluded = self._found(booklet)
        if page is None and concluded is not None:
            for held in (concluded.laid.booklet, concluded.read.booklet):
                for one in (*held.pages.values(), *held.duplicates):
                    page = page or (one if short_key(page_key(one)) == key else None)
        if page is None or page.ref.scan_page == 0:
            return PlainTextResponse("There is no such page.", 404)
        rotation = page.result.rotation if isinstance(page.result, PageRead) else 0
        return _picture(await self._desk.pictures.run(whole_page, self._desk.source(page), rotation))

    # ----------------------------------------------------------------- deciding

    async def decide(self, request: Request) -> Response:
        """Take in decisions."""
        reviewer, sent = self._reviewer(request), await _sent(request)
        if not reviewer:
            raise RefusedError("Say who you are first.")
        return JSONResponse(await self._desk.decide(reviewer, sent))

    async def undo(self, request: Request) -> Response:
        """Take back the last decision."""
        return JSONResponse(self._desk.undo(self._reviewer(request), _group(await _sent(request))))

    async def redo(self, request: Request) -> Response:
        """Take the last undo back."""
        return JSONResponse(self._desk.redo(self._reviewer(request), _group(await _sent(request))))

    async def state(self, request: Request) -> Response:
        """What changed since a decision, for a page that is open."""
        since = request.query_params.get("since", "")
        after = int(since) if since.isdecimal() else self._desk.seq
        standing = self._desk.standing
        boxes = {}
        for one in reversed(standing.entries):
            if one.seq <= after:
                break
            touched = [one]
            if one.topic in (Topic.UNDO, Topic.REDO):
                touched = self._desk.taken_back(one)
            for each in touched:
                if each.topic is not Topic.MARK:
                    continue
                ruling = standing.decisions.on(Topic.MARK, each.image, each.item)
                name = box_name(each.image, each.page, self._desk.row(each), each.booklet)
                boxes[name] = {
                    "value": ruling.last.value if ruling and not ruling.disputed else "",
                    "by": ruling.last.reviewer if ruling else "",
                    "disputed": bool(ruling and ruling.disputed),
                }
        items = self._desk.items()
        return JSONResponse(
            {
                "seq": self._desk.seq,
                "left": len([one for one in items if one.group is not Group.WAITING]),
                "boxes": boxes,
                "behind": self._desk.behind,
                "trouble": self._desk.trouble,
            }
        )

    # ----------------------------------------------------------------- who reviews

    async def name(self, request: Request) -> Response:
        """Asks who reviews."""
        return self._show(request, "name.html", screen="name", now=self._reviewer(request))

    async def set_name(self, request: Request) -> Response:
        """Notes who reviews, in this browser only."""
        name = (await _sent(request)).get("name")
        if not isinstance(name, str) or not 1 <= len(name.strip()) <= 60 or any(ord(one) < 32 for one in name):
            raise RefusedError("Give a name of 1 to 60 characters.")
        if name.strip().casefold() == MACHINE:
            raise RefusedError("This name stands for the machine. Give your own.")
        response = JSONResponse({"saved": 1})
        response.set_cookie(
            f"{self._keys.cookie}-name",
            quote(name.strip()),
            max_age=90 * 24 * 3600,
            httponly=True,
            samesite="strict",
            path="/",
        )
        return response

    async def login(self, request: Request) -> Response:
        """Asks for the password."""
        if not self._keys.password_needed:
            return RedirectResponse("/", 303)
        return self._show(request, "login.html", screen="login")

    async def check_password(self, request: Request) -> Response:
        """Opens a session for the right password."""
        password = (await _sent(request)).get("password")
        session = self._keys.log_in(password) if isinstance(password, str) else ""
        if not session:
            return JSONResponse({"error": "Wrong password, or too soon after a wrong one. Wait a moment."}, 403)
        return with_session(JSONResponse({"saved": 1}), self._keys, session)

    # ----------------------------------------------------------------- trail

    async def trail(self, request: Request) -> Response:
        """Who decided what, newest first."""
        entries = list(reversed(self._desk.standing.entries))
        standing = {one.seq for one in standing_entries(self._desk.standing.entries)}
        number = request.query_params.get("page", "1")
        page = max(1, int(number)) if number.isdecimal() else 1
        start = (page - 1) * REVIEW.trail_rows
        rows = []
        for one in entries[start : start + REVIEW.trail_rows]:
            crop = ""
            if one.topic in (Topic.MARK, Topic.CHECK):
                crop = _to("/crop", t=box_name(one.image, one.page, self._desk.row(one), one.booklet))
            rows.append({"entry": one, "crop": crop, "stands": one.seq in standing})
        return self._show(
            request,
            "trail.html",
            screen="trail",
            rows=rows,
            page=page,
            pages=max(1, -(-len(entries) // REVIEW.trail_rows)),
            total=len(entries),
        )

    async def trail_csv(self, _: Request) -> Response:
        """The trail as a file."""
        return Response(
            self._trail_text(),
            media_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="trail.csv"'},
        )

    async def trail_zip(self, _: Request) -> Response:
        """The trail with the pictures of the boxes."""
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("trail.csv", self._trail_text())
            for one in self._desk.standing.entries:
                if one.topic not in (Topic.MARK, Topic.CHECK):
                    continue
                try:
                    at = self._desk.at(box_name(one.image, one.page, self._desk.row(one), one.booklet))
                except RefusedError:
                    continue
                picture = await self._desk.box_picture(at)
                if not isinstance(picture, NoPicture):
                    archive.writestr(f"crops/{one.seq:06}.png", picture)
        return Response(
            out.getvalue(),
            media_type="application/zip",
            headers={"Content-Disposition": 'attachment; filename="trail.zip"'},
        )

    def _trail_text(self) -> bytes:
        standing = {one.seq for one in standing_entries(self._desk.standing.entries)}
        out = io.StringIO(newline="")
        writer = csv.writer(out, lineterminator="\r\n")
        writer.writerow(_TRAIL)
        for one in self._desk.standing.entries:
            scan, scan_page = one.scan, one.scan_page
            if not scan and one.image:
                page = self._desk.standing.find_page(one.image)
                scan, scan_page = (page.ref.scan, page.ref.scan_page) if page else ("", 0)
            boxed = one.topic in (Topic.MARK, Topic.CHECK)
            cells = [
                str(one.seq),
                one.made,
                safe_text(one.reviewer),
                one.topic.value,
                safe_text(one.booklet),
                str(one.page or ""),
                safe_text(one.item),
                safe_text(one.machine),
                "" if one.probability is None else f"{one.probability:.4f}",
                safe_text(one.value),
                safe_text(one.remark),
                "true" if one.settles else "false",
                safe_text(one.group),
                "true" if one.seq in standing else "false",
                safe_text(scan),
                str(scan_page or ""),
                one.image,
                f"crops/{one.seq:06}.png" if boxed else "",
                one.scangrade,
            ]
            writer.writerow(cells)
        return out.getvalue().encode("utf-8-sig")

    # ----------------------------------------------------------------- random sample

    async def sample(self, request: Request) -> Response:
        """Boxes that nobody was asked about, to see how often the machine is wrong."""
        desk = self._desk
        held = drawn_sample(standing_entries(desk.standing.entries))
        boxes: list[dict[str, Any]] = []
        result: dict[str, Any] | None = None
        if held is not None:
            boxes, result = self._checked(held)
        return self._show(
            request,
            "sample.html",
            screen="sample",
            held=held,
            boxes=boxes,
            result=result,
            sizes=[20, settings.AUDIT.size, 140],
            size=settings.AUDIT.size,
            left=len([one for one in desk.items() if one.group is not Group.WAITING]),
        )

    def _checked(self, held: Mapping[str, Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        layout, decisions = self._desk.definitions.layout, self._desk.standing.decisions
        boxes: list[dict[str, Any]] = []
        checked: dict[str, int] = defaultdict(int)
        wrong: dict[str, int] = defaultdict(int)
        for name, machine in held["boxes"]:
            _, page, row, booklet = name.split(".", 3)
            box = layout.boxes(int(page))[int(row)]
            key = held["images"].get(name, "")
            ruling = decisions.on(Topic.CHECK, key, box.key)
            value = ruling.last.value if ruling else ""
            if value:
                checked[machine] += 1
                wrong[machine] += value != machine
            boxes.append(
                {
                    "name": name,
                    "machine": machine,
                    "value": value,
                    "label": f"{box.field} {box.value}",
                    "booklet": booklet,
                    "page": page,
                    "crop": _to("/crop", t=name),
                }
            )
        strata = [
            Stratum(held["populations"].get(kind.value, 0), checked[kind.value], wrong[kind.value])
            for kind in KINDS
            if held["populations"].get(kind.value, 0)
        ]
        done = sum(checked.values())
        bound = overall_bound(strata, confidence=settings.AUDIT.confidence) if done else 1.0
        return boxes, {
            "done": done,
            "of": len(boxes),
            "wrong": sum(wrong.values()),
            "bound": f"{-(-bound * 1000 // 1) / 10:g}",
            "population": sum(held["populations"].values()),
            "complete": done == len(boxes),
        }

    async def new_sample(self, request: Request) -> Response:
        """Draw a sample of boxes that the machine decided and that nobody was asked about."""
        sent = await _sent(request)
        size = sent.get("size")
        if not isinstance(size, int) or not 1 <= size <= 1000:
            raise RefusedError("Draw 1 to 1000 boxes.")
        desk = self._desk
        flagged = defaultdict(set)
        for flag in desk.standing.flags():
            if flag.kind is not FlagKind.UNSURE_MARK:
                flagged[flag.booklet].add(flag.field)
        marks, names, images = [], {}, {}
        for count, booklet in enumerate(desk.standing.booklets):
            if count % 20 == 0:
                await asyncio.sleep(0)
            concluded = desk.standing.booklet(booklet)
            pages = {one.id: one for one in desk.definitions.layout.fields}
            for answer in concluded.laid.answers:
                field = pages[answer.field]
                page = concluded.laid.booklet.pages[field.page]
                if {field.id, field.group} & (flagged[booklet] - {""}):
                    continue
                open_boxes = answer.open
                rows = None
                for one in answer.verdicts:
                    if one.decided_by != MACHINE or one.verdict not in KINDS or one.box in open_boxes:
                        continue
                    mark = Mark(booklet, field.page, page.ref.scan, page.ref.scan_page, field.id, one.box, one.verdict)
                    rows = rows or {box.key: row for row, box in enumerate(desk.definitions.layout.boxes(field.page))}
                    marks.append(mark)
                    names[mark] = (page_key(page), rows[f"{field.id}/{one.box}"])
        if not marks:
            raise RefusedError("There is no box that the machine decided alone.")
        seed = secrets.randbelow(1_000_000)
        drawn = draw(marks, size=size, seed=seed, settings=settings.AUDIT)
        boxes: list[list[str]] = []
        for mark in drawn.marks:
            image, row = names[mark]
            name = box_name(image, mark.page, row, mark.booklet)
            boxes.append([name, mark.verdict.value])
            images[name] = image
        value = json.dumps(
            {
                "seed": seed,
                "size": size,
                "populations": {kind.value: count for kind, count in drawn.populations.items()},
                "boxes": boxes,
                "images": images,
            }
        )
        return JSONResponse(desk.note_sample(self._reviewer(request), _group(sent), value))


# --------------------------------------------------------------------------- words and addresses


def _to(path: str, **parameters: str) -> str:
    held = {name: value for name, value in parameters.items() if value != ""}
    return f"{path}?{urlencode(held)}" if held else path


def _with(url: str, chosen: Filter, group: Group | None = None) -> str:
    """An item's address with the filter under which it was opened."""
    query = chosen.query() | ({"group": group.value} if group else {})
    if not query or not url:
        return url
    return f"{url}{'&' if '?' in url else '?'}{urlencode(query)}"


def _filter(request: Request) -> Filter:
    held = request.query_params
    return Filter(held.get("group", ""), held.get("question", ""), held.get("booklet", ""), held.get("kind", ""))


def _counts(kinds: Any) -> list[tuple[str, int]]:
    found: dict[str, int] = defaultdict(int)
    for one in kinds:
        found[KIND_WORDS[one]] += 1
    return sorted(found.items(), key=lambda pair: -pair[1])


def _points(value: Fraction | None) -> str:
    return "" if value is None else exact(value)


def _minutes(seconds: float) -> str:
    if seconds < 60:
        return "less than a minute"
    minutes = round(seconds / 60)
    return (
        "about a minute" if minutes == 1 else f"about {minutes} minutes" if minutes < 90 else f"about {minutes / 60:.1f} hours"
    )


def _given(ruling: Ruling | None, question: Question) -> str:
    """Points that were given last, "" where there are none."""
    points = given_points(ruling.last.value, question) if ruling else None
    return "" if points is None else exact(points)


def _span(low: Fraction, high: Fraction) -> str:
    return exact(low) if low == high else f"{exact(low)} to {exact(high)}"


def _guess(verdict: Any) -> str:
    if verdict.verdict is not Verdict.UNSURE:
        return str(verdict.verdict.value)
    return "marked" if verdict.probability >= 0.5 else "empty"


def _outline(box: Mapping[str, Any], page: PageRead, size: tuple[int, int]) -> str:
    """A box' corners on the page as it is shown, upright, in pixels of the stored image."""
    x, y, across, down = box["x"], box["y"], box["width"] / 2 + 1.0, box["height"] / 2 + 1.0
    corners = [(x - across, y - down), (x + across, y - down), (x + across, y + down), (x - across, y + down)]
    width, height = size
    turned = []
    for px, py in project(as_matrix(page.transform), corners):
        match page.rotation:
            case 90:
                turned.append((height - py, px))
            case 180:
                turned.append((width - px, height - py))
            case 270:
                turned.append((py, width - px))
            case _:
                turned.append((px, py))
    return " ".join(f"{px:.1f},{py:.1f}" for px, py in turned)


def _picture(picture: Picture | NoPicture) -> Response:
    if isinstance(picture, NoPicture):
        return PlainTextResponse(picture.detail, 404)
    return Response(picture.data, media_type=picture.media)


async def _sent(request: Request) -> dict[str, Any]:
    try:
        held = json.loads(await request.body())
    except (ValueError, RecursionError):
        raise RefusedError("This is no JSON.") from None
    if not isinstance(held, dict):
        raise RefusedError("This is no decision.")
    return held


def _group(sent: Mapping[str, Any]) -> str:
    group = sent.get("group")
    if not isinstance(group, str) or not 8 <= len(group) <= 64:
        raise RefusedError("This is no decision.")
    return group


def _nothing(text: str) -> Response:
    return PlainTextResponse(text, 404)


async def _refused(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 422)


async def _not_written(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": f"Not saved. {error}"}, 507)


async def _not_found(_: Request, __: Exception) -> Response:
    return PlainTextResponse("There is no such page.", 404)
