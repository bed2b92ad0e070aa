"""Booklets: all of them, one with its points, and its pages in full."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from scangrade.answers.decisions import of_booklet, said
from scangrade.geometry import as_matrix, project
from scangrade.grades.rounding import exact
from scangrade.model import Field, FieldKind, PageRead, Topic, page_key
from scangrade.review.front import Front, given_text, nothing, span, to
from scangrade.review.pictures import NoPicture
from scangrade.review.queue import short_key
from scangrade.review.screens.surroundings import answer_field, boxes_of, strip_of
from scangrade.settings import REVIEW
from scangrade.standing import Concluded


class BookletScreens:
    """Booklets, their points and their pages."""

    def __init__(self, front: Front) -> None:
        self.front = front

    def routes(self) -> list[Route]:
        """Addresses, and what answers there."""
        return [
            Route("/booklets", self.booklets, methods=["GET"]),
            Route("/booklet", self.booklet, methods=["GET"]),
            Route("/points", self.points, methods=["GET"]),
            Route("/paper", self.paper, methods=["GET"]),
        ]

    async def booklets(self, request: Request) -> Response:
        """All booklets, or those that a search finds."""
        query = request.query_params.get("q", "").strip().casefold()
        standing = self.front.desk.standing
        found = []
        for booklet, identity in standing.identities.items():
            person = identity.student
            text = " ".join(
                [booklet, identity.number, *((person.number, person.last_name, person.first_name) if person else ())]
            )
            if query in text.casefold():
                found.append((booklet, identity))
        words = query.split()
        asked = next((one for one in standing.identities if len(words) == 2 and one.casefold() == words[0]), "")
        fields = (
            one.id for one in self.front.desk.definitions.layout.fields if one.boxes and words[1:] == [one.question.casefold()]
        )
        if asked and (field := next(fields, "")):
            return RedirectResponse(to("/field", b=asked, f=field), 303)
        if query and len(found) == 1:
            return RedirectResponse(to("/booklet", b=found[0][0]), 303)
        flagged: dict[str, int] = defaultdict(int)
        for item in self.front.desk.items():
            flagged[item.flag.booklet] += 1
        return self.front.show(
            request,
            "booklets.html",
            screen="booklets",
            query=query,
            found=found[: REVIEW.most_listed],
            hidden=max(0, len(found) - REVIEW.most_listed),
            flagged=flagged,
        )

    async def booklet(self, request: Request) -> Response:
        """One booklet: its student, its points, its pages."""
        concluded = self.front.found(request.query_params.get("b", ""))
        if concluded is None:
            return nothing("There is no such booklet.")
        return self._booklet_page(request, concluded, only_open=False)

    async def points(self, request: Request) -> Response:
        """Questions of a booklet whose points a person gives."""
        concluded = self.front.found(request.query_params.get("b", ""))
        if concluded is None:
            return nothing("There is no such booklet.")
        return self._booklet_page(request, concluded, only_open=True)

    def _booklet_page(self, request: Request, concluded: Concluded, *, only_open: bool) -> Response:
        desk, booklet = self.front.desk, concluded.laid.booklet
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
            text = answer_field(layout, question.id)
            text = text if text is not None and text.page in booklet.pages else None
            ruling = of_booklet(Topic.POINTS, booklet, desk.standing.decisions, question.id)
            rows.append(
                {
                    "id": question.id,
                    "policy": question.policy.value,
                    "max": exact(question.points),
                    "low": exact(low),
                    "high": exact(high),
                    "points": exact(score.points) if score.points is not None else "",
                    "span": span(score.low, score.high),
                    "rule": score.rule,
                    "field": to("/field", b=booklet.id, f=boxed.id) if boxed else "",
                    "text": strip_of(layout, booklet.id, text) if text and only_open else None,
                    "by_hand": said(ruling) if ruling else "",
                    "remark": ruling.last.remark if ruling else "",
                    "given": given_text(ruling, question),
                }
            )
        version = next((one for one in layout.fields if one.kind is FieldKind.VERSION and one.page in booklet.pages), None)
        url = to("/points" if only_open else "/booklet", b=booklet.id)
        return self.front.show(
            request,
            "booklet.html",
            screen="points" if only_open else "booklet",
            booklet=booklet.id,
            identity=concluded.identity,
            card=concluded.card,
            rows=rows,
            version=to("/field", b=booklet.id, f=version.id) if version else "",
            versions=rubric.versions,
            pages=[
                {
                    "number": number,
                    "scan": page.ref.scan,
                    "scan_page": page.ref.scan_page,
                    "url": to("/paper", b=booklet.id, n=str(number)),
                    "picture": to("/page", k=short_key(page_key(page)), b=booklet.id),
                }
                for number, page in booklet.pages.items()
            ],
            missing=booklet.missing,
            items=[one for one in desk.items() if one.flag.booklet == booklet.id],
            only_open=only_open,
            **self.front.neighbours(request, url),
        )

    async def paper(self, request: Request) -> Response:
        """A page in full, with its boxes where they were found."""
        concluded = self.front.found(request.query_params.get("b", ""))
        number = request.query_params.get("n", "")
        page = concluded.laid.booklet.pages.get(int(number)) if concluded and number.isdecimal() else None
        if concluded is None or page is None or not isinstance(page.result, PageRead):
            return nothing("There is no such page.")
        booklet = concluded.laid.booklet
        fields = [one for one in self.front.desk.definitions.layout.fields if one.page == page.result.page and one.boxes]
        size = await self.front.size(page)
        boxes = boxes_of(self.front.desk, concluded, fields, None)
        if not isinstance(size, NoPicture):
            for one in boxes:
                one["outline"] = _outline(one, page.result, size)
        turned = size if isinstance(size, NoPicture) or page.result.rotation % 180 == 0 else (size[1], size[0])
        focus = request.query_params.get("box", "")
        return self.front.show(
            request,
            "paper.html",
            screen="paper",
            booklet=booklet.id,
            page=page,
            numbers=list(booklet.pages),
            boxes=boxes,
            focus=focus,
            picture=to("/page", k=short_key(page_key(page)), b=booklet.id) if not isinstance(size, NoPicture) else "",
            size=turned if not isinstance(turned, NoPicture) else (0, 0),
            missing_picture=size.detail if isinstance(size, NoPicture) else "",
            back=to("/booklet", b=booklet.id),
            next="",
            previous="",
        )


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
