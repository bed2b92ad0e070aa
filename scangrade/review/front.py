"""What all screens of the review have in common: the frame around them, filters, addresses, and what is sent to them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlencode

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from scangrade.grades.by_hand import given_points
from scangrade.grades.rounding import exact
from scangrade.model import Question, Ruling, ScannedPage, Verdict, page_key
from scangrade.review.desk import Desk, RefusedError
from scangrade.review.guard import Keys, cookie_of
from scangrade.review.pictures import NoPicture, page_size
from scangrade.review.queue import KIND_WORDS, Filter, Group
from scangrade.standing import Concluded

HERE: Final = Path(__file__).parent
LETTERS: Final = {Verdict.MARKED: "M", Verdict.EMPTY: "E", Verdict.UNDONE: "U", Verdict.UNSURE: "?"}


class Front:
    """What screens are shown with.

    Parameters
    ----------
    desk : Desk
    keys : Keys
    """

    def __init__(self, desk: Desk, keys: Keys) -> None:
        self.desk = desk
        self.keys = keys
        self._sizes: dict[str, tuple[int, int]] = {}
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["points"] = _points
        self._templates.filters["minutes"] = _minutes
        self._templates.filters["file"] = lambda scan: re.split(r"[/\\]", scan)[-1]
        self._templates.globals["url"] = to

    def reviewer(self, request: Request) -> str:
        """The name that this browser gave, "" before it did."""
        return unquote(cookie_of(request.headers, f"{self.keys.cookie}-name"))

    def show(self, request: Request, template: str, *, screen: str, **context: object) -> Response:
        """A screen in its frame; without a name, the question for it."""
        reviewer = self.reviewer(request)
        if not reviewer and screen not in ("name", "login"):
            return RedirectResponse("/name", 303)
        items = self.desk.items() if reviewer else ()
        common = {
            "run": self.desk.folder.resolve().name,
            "title": self.desk.definitions.rubric.title,
            "reviewer": reviewer,
            "screen": screen,
            "left": len([one for one in items if one.group is not Group.WAITING]),
            "seq": self.desk.seq,
            "moved": self.desk.moved_scans(),
            "trouble": self.desk.trouble,
            "kinds": KIND_WORDS,
            "letters": LETTERS,
        }
        return HTMLResponse(self._templates.get_template(template).render({**common, **context}))

    def found(self, booklet: str) -> Concluded | None:
        """A booklet as it stands, None where there is none of that id."""
        return self.desk.standing.booklet(booklet) if booklet in self.desk.standing.identities else None

    def neighbours(self, request: Request, url: str) -> dict[str, object]:
        """The items before and after the one that a screen shows."""
        chosen = filter_of(request)
        items = [one for one in self.desk.items() if chosen.fits(one) and one.group is not Group.WAITING]
        urls = list(dict.fromkeys(one.url for one in items))
        back = to("/", **replace(chosen, group="").query())
        if url in urls:
            place = urls.index(url)
            before, after = urls[place - 1] if place else "", urls[place + 1] if place + 1 < len(urls) else ""
            return {
                "previous": with_filter(before, chosen) if before else "",
                "next": with_filter(after, chosen) if after else back,
                "position": place + 1,
                "count": len(urls),
                "back": back,
            }
        return {
            "previous": "",
            "next": with_filter(urls[0], chosen) if urls else back,
            "position": 0,
            "count": len(urls),
            "back": back,
        }

    async def size(self, page: ScannedPage) -> tuple[int, int] | NoPicture:
        """Width and height of a page image as stored, in pixels."""
        key = page_key(page)
        if key not in self._sizes:
            size = await self.desk.pictures.run(page_size, self.desk.source(page))
            if isinstance(size, NoPicture):
                return size
            self._sizes[key] = size
        return self._sizes[key]


def to(path: str, **parameters: str) -> str:
    """An address with its parameters, without those that are empty."""
    held = {name: value for name, value in parameters.items() if value != ""}
    return f"{path}?{urlencode(held)}" if held else path


def with_filter(url: str, chosen: Filter, group: Group | None = None) -> str:
    """An item's address with the filter under which it was opened."""
    query = chosen.query() | ({"group": group.value} if group else {})
    if not query or not url:
        return url
    return f"{url}{'&' if '?' in url else '?'}{urlencode(query)}"


def filter_of(request: Request) -> Filter:
    """The filter in a request's address."""
    held = request.query_params
    return Filter(held.get("group", ""), held.get("question", ""), held.get("booklet", ""), held.get("kind", ""))


def _points(value: Fraction | None) -> str:
    return "" if value is None else exact(value)


def _minutes(seconds: float) -> str:
    if seconds < 60:
        return "less than a minute"
    minutes = round(seconds / 60)
    return (
        "about a minute" if minutes == 1 else f"about {minutes} minutes" if minutes < 90 else f"about {minutes / 60:.1f} hours"
    )


def given_text(ruling: Ruling | None, question: Question) -> str:
    """Points that were given last, "" where there are none."""
    points = given_points(ruling.last.value, question) if ruling else None
    return "" if points is None else exact(points)


def span(low: Fraction, high: Fraction) -> str:
    """Points, or between which two they lie."""
    return exact(low) if low == high else f"{exact(low)} to {exact(high)}"


async def sent(request: Request) -> dict[str, Any]:
    """What a call sent; RefusedError where it is no JSON object."""
    try:
        held = json.loads(await request.body())
    except (ValueError, RecursionError):
        raise RefusedError("This is no JSON.") from None
    if not isinstance(held, dict):
        raise RefusedError("This is no decision.")
    return held


def group_of(sent: Mapping[str, Any]) -> str:
    """The number under which a decision counts once."""
    group = sent.get("group")
    if not isinstance(group, str) or not 8 <= len(group) <= 64:
        raise RefusedError("This is no decision.")
    return group


def nothing(text: str) -> Response:
    """The answer where nothing is."""
    return PlainTextResponse(text, 404)
