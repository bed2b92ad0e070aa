"""The review as a web application: which screen answers at which address, and how faults are told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from scangrade.errors import OutputError
from scangrade.review.desk import Desk, RefusedError
from scangrade.review.front import HERE, Front
from scangrade.review.guard import Guard, Keys
from scangrade.review.screens.answers import AnswerScreen
from scangrade.review.screens.aside import AsideScreen
from scangrade.review.screens.booklets import BookletScreens
from scangrade.review.screens.calls import Calls
from scangrade.review.screens.grid import GridScreen
from scangrade.review.screens.images import Images
from scangrade.review.screens.person import PersonScreens
from scangrade.review.screens.question import QuestionScreen
from scangrade.review.screens.sample import SampleScreen
from scangrade.review.screens.students import StudentScreen
from scangrade.review.screens.trail import TrailScreen
from scangrade.review.screens.waiting import QueueScreen

_SCREENS = (
    QueueScreen,
    GridScreen,
    QuestionScreen,
    StudentScreen,
    AsideScreen,
    BookletScreens,
    AnswerScreen,
    TrailScreen,
    SampleScreen,
    PersonScreens,
    Images,
    Calls,
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
    front = Front(desk, keys)
    routes: list[Route | Mount] = [route for screen in _SCREENS for route in screen(front).routes()]
    routes.append(Mount("/static", StaticFiles(directory=HERE / "static")))
    handlers: Mapping[Any, Any] = {RefusedError: _refused, OutputError: _not_written, 404: _not_found}
    return Guard(Starlette(routes=routes, exception_handlers=handlers), keys=keys, hosts=hosts)


async def _refused(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 422)


async def _not_written(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": f"Not saved. {error}"}, 507)


async def _not_found(_: Request, __: Exception) -> Response:
    return PlainTextResponse("There is no such page.", 404)
