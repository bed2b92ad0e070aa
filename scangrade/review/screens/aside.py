"""Pages set aside, and flags about pages."""

from __future__ import annotations

from collections import defaultdict

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from scangrade.answers.decisions import said
from scangrade.model import Flag, FlagKind, ScannedPage, Topic, page_key
from scangrade.paper.by_hand import corner_marks
from scangrade.review.desk import dismissible
from scangrade.review.front import Front, nothing, to
from scangrade.review.pictures import NoPicture
from scangrade.review.queue import short_key
from scangrade.review.screens.surroundings import paper_of
from scangrade.settings import REVIEW


class AsideScreen:
    """What becomes of a page that could not be read, is missing, or is there twice."""

    def __init__(self, front: Front) -> None:
        self.front = front

    def routes(self) -> list[Route]:
        """Addresses, and what answers there."""
        return [
            Route("/aside", self.aside, methods=["GET"]),
            Route("/flag", self.flag, methods=["GET"]),
        ]

    async def aside(self, request: Request) -> Response:
        """A page set aside."""
        desk = self.front.desk
        key = request.query_params.get("k", "")
        page = desk.aside(key)
        if page is None:
            return nothing("There is no such page.")
        size = await self.front.size(page)
        url = to("/aside", k=key)
        item = next((one for one in desk.items() if one.url == url), None)
        ruling = desk.standing.decisions.on(Topic.PAGE, page_key(page))
        layout = desk.definitions.layout
        return self.front.show(
            request,
            "aside.html",
            screen="aside",
            key=key,
            page=page,
            item=item,
            picture=to("/page", k=key) if not isinstance(size, NoPicture) else "",
            size=size if not isinstance(size, NoPicture) else (0, 0),
            missing_picture=size.detail if isinstance(size, NoPicture) else "",
            ruling=ruling,
            disputed=said(ruling) if ruling and ruling.disputed else "",
            numbers=[one.number for one in layout.pages],
            booklets=self._gaps(),
            targets={one.number: [[float(x), float(y)] for x, y in corner_marks(layout, one.number)] for one in layout.pages},
            sheet={one.number: [one.width_mm, one.height_mm] for one in layout.pages},
            by_marks={one.number: bool(corner_marks(layout, one.number)[0].any()) for one in layout.pages},
            **self.front.neighbours(request, url),
        )

    def _gaps(self) -> list[tuple[str, str]]:
        """Booklets that lack a page come first, then all others; each with the pages that it lacks."""
        missing: dict[str, list[int]] = defaultdict(list)
        for item in self.front.desk.items():
            if item.flag.kind is FlagKind.MISSING_PAGE and item.flag.booklet:
                missing[item.flag.booklet].append(item.flag.page)
        first = [(booklet, f"page {', '.join(map(str, pages))} is missing") for booklet, pages in missing.items()]
        return first + [(one, "") for one in self.front.desk.standing.booklets if one not in missing][: REVIEW.most_listed]

    def _in_its_place(self, flag: Flag) -> str:
        """Where a page set aside is decided that seems to be the missing one; "" if there is none."""
        found = (
            one.url
            for one in self.front.desk.items()
            if flag.kind is FlagKind.MISSING_PAGE
            and one.flag.kind is FlagKind.PAGE_SET_ASIDE
            and (one.flag.booklet, one.flag.page) == (flag.booklet, flag.page)
        )
        return next(found, "")

    async def flag(self, request: Request) -> Response:
        """Missing pages, pages that are there twice, odd order."""
        desk = self.front.desk
        item = desk.item(request.query_params.get("i", ""))
        if item is None:
            return RedirectResponse(str(self.front.neighbours(request, "")["next"]), 303)
        flag = item.flag
        concluded = self.front.found(flag.booklet)
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
        return self.front.show(
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
                    "url": to("/page", k=short_key(page_key(page)), b=flag.booklet),
                    "paper": paper_of(desk.definitions.layout, page.result.page),
                }
                for page in pages
            ],
            aside=self._in_its_place(flag),
            questions=questions if flag.kind is FlagKind.MISSING_PAGE else [],
            **self.front.neighbours(request, item.url),
        )
