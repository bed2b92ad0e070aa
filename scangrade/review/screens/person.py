"""Who reviews: the name beside every decision, and the password where others can reach the server."""

from __future__ import annotations

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from scangrade.model import MACHINE
from scangrade.review.desk import RefusedError
from scangrade.review.front import Front, sent
from scangrade.review.guard import with_session


class PersonScreens:
    """Name and password."""

    def __init__(self, front: Front) -> None:
        self.front = front

    def routes(self) -> list[Route]:
        """Addresses, and what answers there."""
        return [
            Route("/name", self.name, methods=["GET"]),
            Route("/api/name", self.set_name, methods=["POST"]),
            Route("/login", self.login, methods=["GET"]),
            Route("/login", self.check_password, methods=["POST"]),
        ]

    async def name(self, request: Request) -> Response:
        """Asks who reviews."""
        return self.front.show(request, "name.html", screen="name", now=self.front.reviewer(request))

    async def set_name(self, request: Request) -> Response:
        """Notes who reviews, in this browser only."""
        name = (await sent(request)).get("name")
        if not isinstance(name, str) or not 1 <= len(name.strip()) <= 60 or any(ord(one) < 32 for one in name):
            raise RefusedError("Give a name of 1 to 60 characters.")
        if name.strip().casefold() == MACHINE:
            raise RefusedError("This name stands for the machine. Give your own.")
        response = JSONResponse({"saved": 1})
        response.set_cookie(
            f"{self.front.keys.cookie}-name",
            quote(name.strip()),
            max_age=90 * 24 * 3600,
            httponly=True,
            samesite="strict",
            path="/",
        )
        return response

    async def login(self, request: Request) -> Response:
        """Asks for the password."""
        if not self.front.keys.password_needed:
            return RedirectResponse("/", 303)
        return self.front.show(request, "login.html", screen="login")

    async def check_password(self, request: Request) -> Response:
        """Opens a session for the right password."""
        password = (await sent(request)).get("password")
        session = self.front.keys.log_in(password) if isinstance(password, str) else ""
        if not session:
            return JSONResponse({"error": "Wrong password, or too soon after a wrong one. Wait a moment."}, 403)
        return with_session(JSONResponse({"saved": 1}), self.front.keys, session)
