"""Who may talk to the review server: everything about its security, in one place.

A server on this machine can be reached by every web page that is open in a browser here, and its address guessed. What is feared,
and what stands against it:

- *Another site's page sends requests* (CSRF): changes need POST with JSON, an `Origin` equal to our own, and where the browser says
  where a request comes from (`Sec-Fetch-Site`), only our own page; other ports of this machine are "same-site" and refused as well. The
  cookie is `SameSite=Strict`. The method is Datasette's and Go 1.25's, but a request without `Origin` is refused.
- *DNS rebinding*: a foreign name that resolves to 127.0.0.1. The `Host` must be exactly ours, else 421.
- *Another user of this machine*: pages are shown to sessions only. A session comes from a link that works once, printed where the
  command was started, or from the password; its cookie is `HttpOnly` and has the port in its name, as cookies do not tell ports apart.
- *Content that runs* (a student's name is hostile input): templates escape, and the policy forbids every script, style and picture that
  is not a file of ours, being framed, and form targets elsewhere.
- *Large bodies*: more than the limit is not read.
- *Guessing the password*: each wrong one doubles the time until the next is looked at.

Accepted: whoever may read the run folder may read everything in it. Beyond this machine the page is sent without encryption: the command
warns, and demands a password.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from scangrade.settings import REVIEW

POLICY: Final = (
    "default-src 'none'; img-src 'self'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}


class Keys:
    """Links that work once, the password, and the sessions that they opened.

    Parameters
    ----------
    port : int
    password : str, optional
        Without one, sessions come from links only.
    announce : callable
        Is told each new link's path: the first one, and one more whenever a link was used.
    clock : callable
        Seconds, for the pause after a wrong password.
    """

    def __init__(
        self,
        port: int,
        *,
        password: str = "",
        announce: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.cookie = f"scangrade-{port}"
        self.password_needed = bool(password)
        self._password = _digest(password) if password else b""
        self._announce = announce
        self._clock = clock
        self._link = ""
        self._sessions: set[bytes] = set()
        self._failures = 0
        self._closed_until = 0.0

    def new_link(self) -> str:
        """Path of a link that opens a session once; an earlier one that was not used ends."""
        self._link = secrets.token_urlsafe(32)
        path = f"/open?token={self._link}"
        self._announce(path)
        return path

    def open(self, token: str) -> str:
        """The session that a link's token opens; "" where it opens none."""
        if not self._link or not secrets.compare_digest(token.encode(), self._link.encode()):
            return ""
        self.new_link()
        return self._new_session()

    def log_in(self, password: str) -> str:
        """The session that the password opens; "" where it is wrong, or too soon after a wrong one."""
        if not self.password_needed or self._clock() < self._closed_until:
            return ""
        if not secrets.compare_digest(_digest(password), self._password):
            self._failures += 1
            self._closed_until = self._clock() + min(2.0**self._failures, REVIEW.longest_pause_s)
            return ""
        self._failures = 0
        return self._new_session()

    def knows(self, session: str) -> bool:
        """Whether a session was opened here."""
        return _digest(session) in self._sessions

    def _new_session(self) -> str:
        session = secrets.token_urlsafe(32)
        self._sessions.add(_digest(session))
        return session


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


class Guard:
    """Lets only requests through that come from our own page in a session; answers all others itself.

    Parameters
    ----------
    app : ASGI application
    keys : Keys
    hosts : frozenset of str
        What the `Host` header may be: name and port.
    """

    def __init__(self, app: ASGIApp, *, keys: Keys, hosts: frozenset[str]) -> None:
        self._app = app
        self._keys = keys
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 - the protocol's own
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send_guarded)
            return
        await self._app(scope, _limited(receive), send_guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        """The answer to a request that must not go on; None where it may."""
        headers = Headers(scope=scope)
        host = headers.getlist("host")
        if len(host) != 1 or host[0].lower() not in self._hosts:
            return PlainTextResponse("This is not the address of this server. Use the link that it printed.", 421)
        method, path = scope["method"], scope["path"]
        if method not in ("GET", "HEAD", "POST"):
            return PlainTextResponse("Not allowed.", 405)
        if method == "POST":
            refused = self._forged(headers, host[0].lower())
            if refused is not None:
                return refused
        if path == "/open":
            return self._opened(scope) if method == "GET" else PlainTextResponse("Not allowed.", 405)
        if path.startswith("/static/") or (path == "/login" and self._keys.password_needed):
            return None
        if self._keys.knows(self._session(headers)):
            return None
        if self._keys.password_needed and method != "POST":
            return RedirectResponse("/login", 303)
        return _page(
            "No session",
            "This browser has no session here, or the server was started anew. Open the link that <code>scangrade review</code>"
            " printed in the terminal; each link works once, and a new one is printed after it was used. What this browser could not"
            " save yet is kept and will be sent then.",
        )

    def _forged(self, headers: Headers, host: str) -> Response | None:
        if headers.getlist("origin") != [f"http://{host}"]:
            return PlainTextResponse("Refused: the request does not come from this page.", 403)
        if headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return PlainTextResponse("Refused: the request comes from another site.", 403)
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return PlainTextResponse("Refused: only JSON is taken.", 415)
        length = headers.get("content-length", "")
        if not length.isdecimal():
            return PlainTextResponse("Refused: the length must be told.", 411)
        if int(length) > REVIEW.most_body_bytes:
            return PlainTextResponse("Refused: too long.", 413)
        return None

    def _opened(self, scope: Scope) -> Response:
        token = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        session = self._keys.open(token)
        if not session:
            return _page(
                "This link was used",
                "Each link works once. A new one was printed in the terminal where <code>scangrade review</code> runs.",
            )
        return with_session(RedirectResponse("/", 303), self._keys, session)

    def _session(self, headers: Headers) -> str:
        return cookie_of(headers, self._keys.cookie)


def with_session(response: Response, keys: Keys, session: str) -> Response:
    """The response that gives a browser its session."""
    response.set_cookie(keys.cookie, session, httponly=True, samesite="strict", path="/")
    return response


def cookie_of(headers: Headers, name: str) -> str:
    """A cookie's value, "" where the browser has none."""
    cookies = SimpleCookie()
    try:
        cookies.load(headers.get("cookie", ""))
    except CookieError:
        return ""
    return cookies[name].value if name in cookies else ""


def _limited(receive: Receive) -> Receive:
    """Stops a body that is longer than it said."""
    read = 0

    async def limited() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > REVIEW.most_body_bytes:
            return {"type": "http.disconnect"}
        return message

    return limited


def _page(title: str, text: str) -> HTMLResponse:
    """A page of our own words: nothing from outside is in it."""
    return HTMLResponse(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f'<link rel="stylesheet" href="/static/review.css"><main class="notice"><h1>{title}</h1><p>{text}</p></main></html>',
        403,
    )
