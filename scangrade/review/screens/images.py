"""Pictures of boxes, questions and pages."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from scangrade.model import PageRead, page_key
from scangrade.review.desk import RefusedError
from scangrade.review.front import Front
from scangrade.review.pictures import NoPicture, Picture, cut_region, whole_page
from scangrade.review.queue import short_key
from scangrade.review.screens.surroundings import shown_region


class Images:
    """Pictures by key; no path comes from the browser."""

    def __init__(self, front: Front) -> None:
        self.front = front

    def routes(self) -> list[Route]:
        """Addresses, and what answers there."""
        return [
            Route("/crop", self.crop, methods=["GET"]),
            Route("/region", self.region, methods=["GET"]),
            Route("/page", self.page, methods=["GET"]),
        ]

    async def crop(self, request: Request) -> Response:
        """A box with its surroundings."""
        try:
            at = self.front.desk.at(request.query_params.get("t", ""))
        except RefusedError:
            return PlainTextResponse("There is no such box.", 404)
        picture = await self.front.desk.box_picture(at)
        if isinstance(picture, NoPicture):
            return PlainTextResponse(picture.detail, 404)
        return Response(picture, media_type="image/png")

    async def region(self, request: Request) -> Response:
        """A question or a field with its surroundings."""
        concluded = self.front.found(request.query_params.get("b", ""))
        layout = self.front.desk.definitions.layout
        field = next((one for one in layout.fields if one.id == request.query_params.get("q")), None)
        page = concluded.laid.booklet.pages.get(field.page) if concluded and field else None
        if field is None or page is None or not isinstance(page.result, PageRead):
            return PlainTextResponse("There is no such question.", 404)
        picture = await self.front.desk.pictures.run(
            cut_region, self.front.desk.source(page), page.result.transform, shown_region(layout, field)
        )
        return _answer(picture)

    async def page(self, request: Request) -> Response:
        """A whole page, upright."""
        key, booklet = request.query_params.get("k", ""), request.query_params.get("b", "")
        page = self.front.desk.aside(key)
        concluded = self.front.found(booklet)
        if page is None and concluded is not None:
            for held in (concluded.laid.booklet, concluded.read.booklet):
                for one in (*held.pages.values(), *held.duplicates):
                    page = page or (one if short_key(page_key(one)) == key else None)
        if page is None or page.ref.scan_page == 0:
            return PlainTextResponse("There is no such page.", 404)
        rotation = page.result.rotation if isinstance(page.result, PageRead) else 0
        return _answer(await self.front.desk.pictures.run(whole_page, self.front.desk.source(page), rotation))


def _answer(picture: Picture | NoPicture) -> Response:
    if isinstance(picture, NoPicture):
        return PlainTextResponse(picture.detail, 404)
    return Response(picture.data, media_type=picture.media)
