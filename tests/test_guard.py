"""Who may talk to the review server: one test per refusal, over a real connection."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn

from scangrade.errors import UsageError
from scangrade.grade import grade
from scangrade.opening import open_run, recorded_definitions
from scangrade.review.app import make_app
from scangrade.review.desk import Desk, box_name
from scangrade.review.guard import POLICY, Keys
from scangrade.review.pictures import Pictures
from scangrade.review.serve import review
from scangrade.settings import REVIEW
from tests.fake_reader import FakeReader, booklet, write_exam

HOSTILE = '"><script>alert(1)</script>'


@dataclass
class Served:
    port: int
    keys: Keys
    links: list[str]
    desk: Desk
    box: str  #: a box' name, as the browser knows it
    session: str = ""

    def ask(
        self, path: str, *, method: str = "GET", body: object = None, raw: bytes | None = None, **headers: str
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """One request as our own page would send it; `headers` change or, if empty, take out what it sends."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        own = {"host": f"127.0.0.1:{self.port}", "cookie": f"{self.keys.cookie}={self.session}; {self.keys.cookie}-name=Ann"}
        content = raw if raw is not None else json.dumps(body).encode() if body is not None else None
        if method == "POST":
            own |= {
                "origin": f"http://127.0.0.1:{self.port}",
                "sec-fetch-site": "same-origin",
                "content-type": "application/json",
            }
            own["content-length"] = str(len(content or b""))
        own |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in own.items():
            if value:
                connection.putheader(name, value)
        connection.endheaders(content)
        response = connection.getresponse()
        data = response.read()
        connection.close()
        return response, data

    def status(self, path: str, **more: object) -> int:
        return self.ask(path, **more)[0].status  # type: ignore[arg-type]

    def mark(self) -> dict[str, object]:
        return {"group": "0123456789", "acts": [{"topic": "mark", "value": "marked", "on": [self.box]}]}


def grade_exam(scan: Path, exam: dict[str, Path], out: Path) -> None:
    grade([scan], layout=exam["layout"], rubric=exam["rubric"], roster=exam["roster"], out=out, workers=0, reader=FakeReader)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("guard")
    exam = write_exam(folder / "exam")
    exam["roster"].write_text(
        f'student number,last name,first name,email\n11,"{HOSTILE.replace(chr(34), chr(34) * 2)}",Ann,a@x.org\n'
    )
    (folder / "room.pdf").write_text(booklet("01", "11", "AC", "B") + "raise\n")
    grade_exam(folder / "room.pdf", exam, folder / "run")
    return folder / "run"


def serve(run: Path, password: str = "") -> Iterator[Served]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    links: list[str] = []
    keys = Keys(port, password=password, announce=links.append)
    keys.new_link()
    ready, stop = threading.Event(), threading.Event()
    held: list[tuple[Desk, str]] = []

    def work() -> None:
        with open_run(run, writes=()) as store:
            pictures = Pictures(run)
            desk = Desk(run, store, recorded_definitions(store), pictures)
            known = "01" in desk.standing.booklets  # else another module's run, which sends no box
            page = desk.standing.booklet("01").laid.booklet.pages[2] if known else None
            held.append((desk, box_name(page.result.image_sha256, 2, 0, "01") if page else ""))
            app = make_app(desk, keys, frozenset({f"127.0.0.1:{port}", f"localhost:{port}"}))
            config = uvicorn.Config(app, log_level="critical", access_log=False, lifespan="off", ws="none")
            server = uvicorn.Server(config)

            async def both() -> None:
                serving = asyncio.create_task(server.serve(sockets=[listener]))
                while not server.started:
                    await asyncio.sleep(0.01)
                ready.set()
                while not stop.is_set():
                    await asyncio.sleep(0.02)
                server.should_exit = True
                await serving

            asyncio.run(both())
            pictures.close()

    thread = threading.Thread(target=work)
    thread.start()
    assert ready.wait(20)
    served = Served(port, keys, links, *held[0])
    try:
        yield served
    finally:
        stop.set()
        thread.join()
        listener.close()


@pytest.fixture(scope="module")
def server(run: Path) -> Iterator[Served]:
    for served in serve(run):
        response, _ = served.ask(served.links[-1], cookie="")
        assert response.status == 303
        served.session = response.headers["set-cookie"].partition("=")[2].partition(";")[0]
        yield served


def test_our_own_page_gets_through(server: Served) -> None:
    assert server.status("/") == 200
    response, data = server.ask("/api/decide", method="POST", body=server.mark())
    assert (response.status, json.loads(data)["saved"]) == (200, 1)
    assert server.status("/", host=f"localhost:{server.port}") == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example:80", "[::1]:80", ""])
def test_a_foreign_host_is_refused(server: Served, host: str) -> None:
    assert server.status("/", host=host) in ((421,) if host else (400, 421))  # uvicorn itself wants a Host


@pytest.mark.parametrize("path", ["/", "/grid", "/crop?t=x", "/trail.csv", "/api/state", "/api/roster?q=1", "/page?k=1"])
def test_without_a_session_nothing_is_shown(server: Served, path: str) -> None:
    for cookie in ("", f"{server.keys.cookie}=wrong", f"scangrade-1={server.session}", "=;=;"):
        response, data = server.ask(path, cookie=cookie)
        assert response.status == 403
        assert b"Ash" not in data and b"alert" not in data


def test_without_a_session_nothing_is_decided(server: Served) -> None:
    before = server.desk.seq
    assert server.status("/api/decide", method="POST", body=server.mark(), cookie="") == 403
    assert server.desk.seq == before


def test_a_link_works_once(server: Served) -> None:
    used = server.links[-1]
    response, data = server.ask(used, cookie="")
    assert response.status == 303 and response.headers["location"] == "/"
    cookie = response.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and f"scangrade-{server.port}=" in cookie
    assert server.links[-1] != used
    response, data = server.ask(used, cookie="")
    assert response.status == 403 and "set-cookie" not in response.headers
    assert b"works once" in data
    assert server.status("/open?token=", cookie="") == 403
    assert server.status("/open", cookie="") == 403


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),  # another port of this machine
        ({"sec_fetch_site": "none"}, 403),
        ({"origin": ""}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://127.0.0.1:1"}, 403),
        ({"content_type": "text/plain"}, 415),
        ({"content_type": "application/x-www-form-urlencoded"}, 415),
        ({"content_type": ""}, 415),
    ],
    ids=str,
)
def test_a_request_that_our_page_did_not_send_is_refused(server: Served, changed: dict[str, str], status: int) -> None:
    before = server.desk.seq
    assert server.status("/api/decide", method="POST", body=server.mark(), **changed) == status
    assert server.desk.seq == before


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(server: Served, method: str) -> None:
    assert server.status("/api/decide", method=method) == 405


@pytest.mark.parametrize("path", ["/api/decide", "/api/undo", "/api/redo", "/api/sample", "/api/name"])
def test_nothing_is_changed_by_a_get(server: Served, path: str) -> None:
    assert server.status(path) == 405


def test_a_body_that_is_too_long_is_refused(server: Served) -> None:
    long = b'{"group": "' + b"x" * REVIEW.most_body_bytes + b'"}'
    assert server.status("/api/decide", method="POST", raw=long) == 413
    assert server.status("/api/decide", method="POST", raw=b"{}", content_length="") in (400, 411)


def test_a_body_longer_than_it_says_is_not_read(server: Served) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
        head = (
            f"POST /api/decide HTTP/1.1\r\nhost: 127.0.0.1:{server.port}\r\norigin: http://127.0.0.1:{server.port}\r\n"
            f"cookie: {server.keys.cookie}={server.session}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        raw.sendall(head.encode())
        assert b" 411 " in raw.recv(200)


@pytest.mark.parametrize(
    "path",
    [
        "/crop?t=../../../../etc/passwd",
        "/crop?t=..%2f..%2frun.sqlite",
        "/page?k=../run.sqlite",
        "/region?b=..&q=..",
        "/aside?k=../../run.sqlite",
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e/templates/base.html",
        "/static/../../../../etc/passwd",
        "/run.sqlite",
        "/templates/base.html",
    ],
)
def test_no_path_leads_out(server: Served, path: str) -> None:
    assert server.status(path) == 404


@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b"{", b'{"group": 1}', b'{"acts": []}', b"[" * 5000, b'"\xff"'])
def test_what_is_no_decision_is_refused_without_a_fault(server: Served, raw: bytes) -> None:
    before = server.desk.seq
    assert server.status("/api/decide", method="POST", raw=raw) == 422
    assert server.desk.seq == before


@pytest.mark.parametrize(
    "act",
    [
        {"topic": "mark", "value": "unsure", "on": ["x"]},
        {"topic": "mark", "value": "marked", "on": ["0.0.0.01"]},
        {"topic": "mark", "value": "marked", "on": ["000000000000.2.0.01"]},
        {"topic": "mark", "value": "marked", "on": []},
        {"topic": "student", "booklet": "01", "value": "99"},
        {"topic": "student", "booklet": "none", "value": "11"},
        {"topic": "points", "booklet": "01", "item": "q", "value": "5"},
        {"topic": "points", "booklet": "01", "item": "q", "value": "1/0"},
        {"topic": "points", "booklet": "01", "item": "none", "value": "1"},
        {"topic": "version", "booklet": "01", "value": "Z"},
        {"topic": "page", "page": "none", "value": "blank"},
        {"topic": "flag", "item": "none", "value": "seen"},
        {"topic": "sample", "value": "{}"},
        {"topic": "undo", "item": "0123456789"},
        {"topic": "nothing"},
        "mark",
    ],
    ids=str,
)
def test_what_cannot_be_decided_is_refused(server: Served, act: object) -> None:
    before = server.desk.seq
    response, data = server.ask("/api/decide", method="POST", body={"group": "abcdefgh", "acts": [act]})
    assert response.status == 422 and json.loads(data)["error"]
    assert server.desk.seq == before


@pytest.mark.parametrize("name", ["", " ", "x" * 61, "a\nb", "machine", 5])
def test_a_name_that_is_none_is_refused(server: Served, name: object) -> None:
    assert server.status("/api/name", method="POST", body={"name": name}) == 422


def test_every_answer_carries_the_policy(server: Served) -> None:
    for path in ("/", "/static/review.js", "/crop?t=none", "/open?token=no"):
        response, _ = server.ask(path)
        assert response.headers["content-security-policy"] == POLICY
        assert "default-src 'none'" in POLICY and "frame-ancestors 'none'" in POLICY and "unsafe" not in POLICY
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert response.headers["x-frame-options"] == "DENY"
        assert response.headers["cross-origin-resource-policy"] == "same-origin"
        assert "server" not in response.headers or "uvicorn" not in response.headers["server"] or path


def test_words_from_outside_do_not_become_markup(server: Served) -> None:
    for path in ("/booklets", "/booklet?b=01", "/student?b=01"):
        _, data = server.ask(path)
        assert b"<script>alert" not in data and b"&lt;script&gt;" in data
    _, data = server.ask("/", cookie=f"{server.keys.cookie}={server.session}; {server.keys.cookie}-name=%3Cimg%20src%3Dx%3E")
    assert b"<img src=x>" not in data and b"&lt;img" in data


def test_no_page_loads_from_elsewhere() -> None:
    folder = Path(__file__).parents[1] / "scangrade" / "review"
    for path in (*folder.glob("templates/*"), *folder.glob("static/*")):
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text and "https://" not in text and "//cdn" not in text, path.name
        assert " style=" not in text and "onclick" not in text and "<script>" not in text, path.name


# --------------------------------------------------------------------------- beyond this machine


def test_the_password_opens_and_wrong_ones_pause() -> None:
    now = [0.0]
    keys = Keys(1, password="correct horse", clock=lambda: now[0])
    assert not keys.log_in("wrong")
    assert not keys.log_in("correct horse")  # too soon
    now[0] += 2
    session = keys.log_in("correct horse")
    assert session and keys.knows(session) and not keys.knows("") and not keys.knows(session + "x")
    for _ in range(12):
        assert not keys.log_in("wrong")
        now[0] += REVIEW.longest_pause_s
    assert keys.log_in("correct horse")
    assert not Keys(1).log_in("")


def test_with_a_password_everything_waits_for_it(run: Path, server: Served) -> None:
    # the run is held by the other server of this module: only the guard is asked
    keys = Keys(9, password="correct horse")
    from scangrade.review.guard import Guard  # noqa: PLC0415

    async def never(*_: object) -> None:
        raise AssertionError("came through")

    guard = Guard(never, keys=keys, hosts=frozenset({"exam:9"}))

    async def ask(path: str, method: str = "GET") -> dict[str, object]:
        sent: list[dict[str, object]] = []
        headers = [
            (b"host", b"exam:9"),
            (b"origin", b"http://exam:9"),
            (b"content-type", b"application/json"),
            (b"content-length", b"2"),
        ]
        scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": headers}

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": b"{}"}

        async def send(message: dict[str, object]) -> None:
            sent.append(message)

        await guard(scope, receive, send)  # type: ignore[arg-type]
        return sent[0]

    shown = asyncio.run(ask("/"))
    assert shown["status"] == 303 and (b"location", b"/login") in shown["headers"]  # type: ignore[operator]
    assert asyncio.run(ask("/api/decide", "POST"))["status"] == 403
    with pytest.raises(AssertionError, match="came through"):
        asyncio.run(ask("/login"))


@pytest.mark.parametrize(
    ("host", "password", "message"),
    [
        ("0.0.0.0", "correct horse", "every address"),
        ("::", "correct horse", "every address"),
        ("192.0.2.1", "", "needs a password"),
        ("192.0.2.1", "short", "too short"),
        ("192.0.2.1", "correct horse", "cannot be served there"),
    ],
)
def test_reach_beyond_this_machine_is_refused(tmp_path: Path, host: str, password: str, message: str) -> None:
    exam = write_exam(tmp_path / "exam")
    (tmp_path / "room.pdf").write_text(booklet("01", "11", "AC", "B"))
    grade_exam(tmp_path / "room.pdf", exam, tmp_path / "run")
    with pytest.raises(UsageError, match=message):
        review(tmp_path / "run", host=host, password=password, browser=False)


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run of scangrade"):
        review(tmp_path, browser=False)
