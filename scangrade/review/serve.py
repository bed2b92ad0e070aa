"""Starting the review: the run is opened, the port taken, the link printed, and everything closed again in order."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
import sys
import time
import webbrowser
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import uvicorn

from scangrade.errors import UsageError
from scangrade.graded import bring_up_to_date
from scangrade.opening import open_run, recorded_definitions, refuse_forgotten
from scangrade.review.app import make_app
from scangrade.review.desk import Desk
from scangrade.review.guard import Guard, Keys
from scangrade.review.pictures import Pictures
from scangrade.run.store import STORE_NAME
from scangrade.settings import REVIEW

LOCAL: Final = "127.0.0.1"
_FIRST_PORT, _PORTS = 20000, 20000


def review(
    run: Path,
    *,
    host: str = LOCAL,
    port: int | None = None,
    password: str = "",
    browser: bool = True,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve the review of a run until it is interrupted.

    Parameters
    ----------
    run : Path
        Run folder.
    host : str
        Name or address under which it is reached: this machine only, or, with a password, one of its addresses in a network.
    port : int, optional
        By default one that the run has every time, if it is free.
    password : str
        Needed beyond this machine.
    browser : bool
        Open the link in a browser.
    say : callable
        Is told what people should read: the link, warnings.

    Raises
    ------
    UsageError
        If this is no run, nothing was graded in it, another process works on it, or it may not be served so.
    OutputError
        If the run folder cannot be written.
    """
    if not (run / STORE_NAME).is_file():
        raise UsageError(f"{run}: no run of scangrade is in there. Give the folder that `scangrade grade` wrote with `--out`.")
    _check_reach(host, password)
    sys.setswitchinterval(REVIEW.switch_s)
    with open_run(run, writes=()) as store:
        refuse_forgotten(store)
        definitions = recorded_definitions(store)
        bring_up_to_date(run, store, definitions, say=say)
        with _listen(host, port, run) as listener:
            taken: int = listener.getsockname()[1]
            origin = f"http://{host}:{taken}"
            keys = Keys(taken, password=password, announce=lambda path: say(f"Open     {origin}{path}"))
            pictures = Pictures(run)
            try:
                desk = Desk(run, store, definitions, pictures)
                hosts = {f"{host}:{taken}"} | ({f"localhost:{taken}"} if host == LOCAL else set())
                if password:
                    say(
                        f"Warning  {origin} can be reached from other machines, and is not encrypted: whoever can listen to this"
                        " network can read what is shown. Prefer `ssh -L`."
                    )
                    say(f"Open     {origin}/login")
                    link = "/login"
                else:
                    link = keys.new_link()
                say("Stop     Ctrl-C; every decision is on disk the moment it shows as saved.")
                app = _running(make_app(desk, keys, frozenset(hosts)), desk, origin + link if browser else "")
                config = uvicorn.Config(
                    app,
                    log_level="critical",
                    access_log=False,  # it would hold the link's token
                    server_header=False,
                    lifespan="on",
                    ws="none",
                    timeout_graceful_shutdown=2,
                )
                server = uvicorn.Server(config)
                with contextlib.suppress(KeyboardInterrupt):
                    server.run(sockets=[listener])
            finally:
                pictures.close()


def _check_reach(host: str, password: str) -> None:
    if host in ("0.0.0.0", "::", ""):
        raise UsageError(
            f"--host {host}: would be reachable under every address of this machine. Give the one name or address that others use."
        )
    if host not in (LOCAL, "localhost") and not password:
        raise UsageError(
            f"--host {host}: can be reached from other machines, so it needs a password. Add `--password-file FILE`."
        )
    if password and len(password) < REVIEW.least_password:
        raise UsageError(f"The password is too short: it needs at least {REVIEW.least_password} characters.")


def _listen(host: str, port: int | None, run: Path) -> socket.socket:
    """A listening socket: on the port asked for, else on the one that this run has every time, else on any."""
    usual = _FIRST_PORT + int.from_bytes(hashlib.sha256(str(run.resolve()).encode()).digest()[:4], "big") % _PORTS
    last: OSError | None = None
    for wanted in [port] if port is not None else [usual, 0]:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, wanted))
            listener.listen(128)
        except OSError as error:
            listener.close()
            last = error
            continue
        return listener
    raise UsageError(f"{host}:{port or usual}: cannot be served there: {last}. Give another `--port`, or check `--host`.")


def _running(app: Guard, desk: Desk, link: str) -> Callable[..., object]:
    """The application with what runs beside it: files that follow, pictures cut ahead, the browser opened once it can answer."""

    @asynccontextmanager
    async def beside() -> AsyncIterator[None]:
        tasks = [asyncio.create_task(one) for one in (desk.keep_up(), desk.make_ready(), desk.cut_ahead())]
        if link:
            await asyncio.to_thread(webbrowser.open, link)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            if desk.behind:
                await desk.write()
            for fault in ended:
                if isinstance(fault, Exception):
                    raise fault

    async def application(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        if scope["type"] != "lifespan":
            desk.asked = time.monotonic()
            await app(scope, receive, send)
            return
        await receive()
        async with beside():
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    return application
