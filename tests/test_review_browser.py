"""The review in a real browser: whole sessions from the keyboard, two reviewers, and a network that is slow or fails."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import pytest
from playwright.sync_api import APIResponse, Browser, BrowserContext, Dialog, Error, Page, Route, expect, sync_playwright

from scangrade.model import PageRead, Verdict
from scangrade.run.store import Store
from tests.accessibility import CONTRAST, FOCUSED, ROLES
from tests.review_run import PHOTO_PAGE, ReviewRun, grade_run, make_review_run

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="needs Debian's chromium; `make test` installs it"),
]


expect.set_options(timeout=30000)  # a machine that others use as well may take its time; nothing waits longer than it must


class Server:
    """`scangrade review` as a person runs it."""

    def __init__(self, run: Path, *more: str) -> None:
        self.run = run
        self._more = more
        self._process: subprocess.Popen[str] | None = None
        self.port = 0
        self._log = run.parent / "review.log"

    def start(self) -> str:
        """Start it, on the port that it had before; return the link."""
        command = [sys.executable, "-m", "scangrade", "review", str(self.run), "--no-browser", *self._more]
        if self.port:
            command += ["--port", str(self.port)]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(command, stderr=log, stdout=subprocess.DEVNULL, text=True)
        link = self.link()
        self.port = int(link.split(":")[2].split("/")[0])
        return link

    def link(self, after: str = "") -> str:
        """The newest link that it printed, other than one known."""
        for _ in range(300):
            found = re.findall(r"Open +(\S+)", self._log.read_text())
            if found and found[-1] != after:
                return str(found[-1])
            assert self._process is not None and self._process.poll() is None, self._log.read_text()
            time.sleep(0.1)
        raise AssertionError(self._log.read_text())

    def stop(self) -> None:
        """As Ctrl-C does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(20)
            self._process = None

    def kill(self) -> None:
        """As a power cut does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(20)
        self._process = None

    def decisions(self) -> list[tuple[str, str, str, str]]:
        """What is on disk: reviewer, topic, item, value."""
        db = sqlite3.connect(f"file:{self.run / 'run.sqlite'}?mode=ro", uri=True)
        rows = db.execute("SELECT reviewer, topic, item, value FROM decisions ORDER BY seq").fetchall()
        db.close()
        return rows


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> ReviewRun:
    return make_review_run(tmp_path_factory.mktemp("review") / "exam")


@pytest.fixture
def sample(made: ReviewRun, tmp_path: Path) -> ReviewRun:
    """A copy of the run, to decide in."""
    shutil.copytree(made.run, tmp_path / "run")
    for name in ("layout.toml", "rubric.toml", "roster.csv"):
        shutil.copy(made.folder / name, tmp_path / name)
    return replace(made, folder=tmp_path)


def test_a_page_that_does_not_close_is_ended(browser: Browser) -> None:
    page = browser.new_context().new_page()
    page.goto("data:text/html,<p>something</p>")
    crashed = []
    page.on("crash", lambda _: crashed.append(True))
    end_renderers()
    for _ in range(100):
        if crashed:
            break
        with contextlib.suppress(Error):
            page.wait_for_timeout(50)
    page.context.close()
    assert crashed


@pytest.fixture
def server(sample: ReviewRun) -> Iterator[Server]:
    running = Server(sample.run)
    yield running
    with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
        running.stop()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a browser of its own with a link, and says who reviews; faults in a page's script end the test."""
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    def opened(link: str, name: str = "Ann", **options: object) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if "Content Security" in said.text else None)
        page.goto(link)
        ready(page, "name")
        page.keyboard.type(name)
        page.keyboard.press("Enter")
        ready(page, "queue")
        return page

    yield opened
    for context in contexts:
        # on a busy machine a page's process now and then never answers that it is to close, and Playwright waits for good
        watchdog = threading.Timer(45, end_renderers)
        watchdog.start()
        context.close()
        watchdog.cancel()
    assert faults == []


def end_renderers() -> None:
    """Kill the processes that draw the pages of the browsers of this process."""
    parents: dict[int, int] = {}
    renderers: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if b"--type=renderer" in (folder / "cmdline").read_bytes():
                renderers.append(int(folder.name))
    for renderer in renderers:
        above = renderer
        while above and above != os.getpid():
            above = parents.get(above, 0)
        if above:
            with contextlib.suppress(ProcessLookupError):
                os.kill(renderer, signal.SIGKILL)


def ready(page: Page, *screens: str) -> str:
    """Wait for a screen, and its script."""
    which = ", ".join(f"body[data-screen={one}][data-ready]" for one in screens) if screens else "body[data-ready]"
    expect(page.locator(which)).to_have_count(1, timeout=15000)
    return str(page.locator("body").get_attribute("data-screen"))


def saved(page: Page) -> None:
    expect(page.locator("#status-text")).to_have_text("All saved", timeout=15000)


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def eventually(check: Callable[[], object], seconds: float = 15) -> None:
    """Files follow decisions within two seconds; slow machines get more."""
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end
        time.sleep(0.05)


# --------------------------------------------------------------------------- a whole session


class Reviewer:
    """Decides as the truth is, by keyboard alone: nothing here clicks."""

    def __init__(self, page: Page, sample: ReviewRun) -> None:
        self.page = page
        self.sample = sample
        self.truth = {(booklet.copy, one.field, one.box): one.verdict for booklet in sample.truth for one in booklet.boxes}
        self.students = {booklet.copy: booklet.student_number for booklet in sample.truth}

    def value(self, booklet: str, field: str, box: str) -> Verdict:
        verdict = self.truth[booklet, field, box]
        return Verdict.EMPTY if verdict is Verdict.UNSURE else verdict

    def step(self) -> str:
        """Decide the first thing that waits; the screen it was on, "" where nothing waits."""
        page = self.page
        if ready(page) == "student":
            press(page, "Escape")  # out of the search
        press(page, "q")
        ready(page, "queue")
        if page.locator("[data-first]").count() == 0:
            return ""
        first = str(page.locator("[data-first]").get_attribute("href"))
        press(page, "Enter")
        page.wait_for_url(f"**{first}*")
        screen = ready(page)
        before = page.url
        getattr(self, screen)()
        saved(page)
        if screen != "grid":
            expect(page).not_to_have_url(before)
        return screen

    def aside(self) -> None:
        page = self.page
        if "z-other" in page.locator("h1").inner_text():
            press(page, "n")
            return
        press(page, "c")
        width, height = (float(page.locator("body").get_attribute(f"data-{one}") or 0) for one in ("width", "height"))
        marks = [(12.0, 12.0), (198.0, 12.0), (198.0, 285.0), (12.0, 285.0)]
        for (x, y), (mm_x, mm_y) in zip(self.sample.corners, marks, strict=True):
            self.move("ArrowRight", "ArrowLeft", x - mm_x / 210 * width, width)
            self.move("ArrowDown", "ArrowUp", y - mm_y / 297 * height, width)
            press(page, "Enter")
        expect(page.locator("#corners .corner")).to_have_count(4)
        press(page, "Enter")

    def move(self, forward: str, backward: str, pixels: float, width: float) -> None:
        far = round(pixels / (width / 25))
        near = round((pixels - far * width / 25) / (width / 250))
        for count, prefix in ((far, "Shift+"), (near, "")):
            press(self.page, *[prefix + (forward if count > 0 else backward)] * abs(count))

    def student(self) -> None:
        page = self.page
        booklet = str(page.locator("body").get_attribute("data-booklet"))
        number = self.students[booklet]
        wrong = number[:3] + str((int(number[3]) + 1) % 10) + number[4:]
        page.keyboard.type(wrong)  # one digit wrong finds them all the same
        expect(page.locator("#found li").first).to_contain_text(number)
        expect(page.locator("#found li").first).to_contain_text("one digit differs")
        press(page, "Enter")

    def grid(self) -> None:
        page = self.page
        cells = page.locator(".cell")
        count = cells.count()
        press(page, "Home")
        for _ in range(count):
            current = page.locator(".cell:focus")
            _, field, booklet = self.cell(current)
            press(page, "f" if self.value(booklet, *field) is Verdict.MARKED else "d")
        expect(page.locator(".cell[data-state=saved]")).to_have_count(count)

    def cell(self, cell: object) -> tuple[str, tuple[str, str], str]:
        label = str(cell.get_attribute("aria-label"))  # type: ignore[attr-defined]
        found = re.match(r"Question (\S+), box (\S+), booklet (\S+),", label)
        assert found
        question, box, booklet = found.groups()
        fields = {one for (copy, one, _) in self.truth if copy == booklet and one in (question, f"{question}.points")}
        return question, (fields.pop(), box), booklet

    def field(self) -> None:
        page = self.page
        found = re.search(r"b=(\w+)&f=([\w.]+)", page.url)
        assert found
        rows = page.locator("table.boxes tbody tr")
        values = [str(rows.nth(index).get_attribute("data-value")) for index in range(rows.count())]
        marked = [index for index, box in enumerate(values) if self.value(found[1], found[2], box) is Verdict.MARKED]
        if len(marked) == 1:
            press(page, str(marked[0] + 1))
            return
        press(page, *["ArrowLeft"] * len(values))
        for index in range(len(values)):
            press(page, "f" if index in marked else "d")
            saved(page)

    def flag(self) -> None:
        raise AssertionError("a page is still missing")


def test_a_whole_session_by_keyboard_alone(sample: ReviewRun, server: Server, open_page: Callable[..., Page]) -> None:
    link = server.start()
    page = open_page(link)
    reviewer = Reviewer(page, sample)
    screens = []
    for number in range(30):
        screen = reviewer.step()
        if not screen:
            break
        screens.append(screen)
        if number == 1:  # the corners are set and the page is read: now the power fails
            server.kill()
            page.goto(server.start())
            ready(page, "queue")
        if number == 3:
            page.reload()
            ready(page)
    assert {"aside", "student", "grid", "field"} <= set(screens)
    expect(page.locator("h1")).to_have_text("Everything is decided")

    # undo reaches back over restarts, and redo brings it all back
    count = len(server.decisions())
    server.stop()
    page.goto(server.start())
    ready(page, "queue")
    for number, (key, said) in enumerate([("u", "Took back")] * 3 + [("Shift+U", "Decided again")] * 3, start=1):
        press(page, key)
        eventually(lambda wanted=count + number: len(server.decisions()) == wanted)  # type: ignore[misc]
        expect(page.locator("#news")).to_contain_text(said)
        ready(page, "queue")
        page.reload()
        ready(page, "queue")
        if number == 3:
            expect(page.locator("h1")).not_to_have_text("Everything is decided")
    expect(page.locator("h1")).to_have_text("Everything is decided")
    server.stop()

    expected = sample.expected_points()
    graded = {row["booklet"]: row for row in sample.rows("gradebook.csv") if row["booklet"]}
    assert {copy: row["points"] for copy, row in graded.items()} == expected
    assert {copy: row["student_number"] for copy, row in graded.items()} == {
        one.copy: one.student_number for one in sample.truth
    }
    assert {row["status"] for row in graded.values()} == {"graded"}
    assert sample.rows("flags.csv") == []
    assert {row["decided_by"] for row in sample.rows("marks.csv")} == {"machine", "Ann"}
    photo = next(row for row in sample.rows("pages.csv") if "photo" in row["scan"])
    assert (photo["outcome"], photo["booklet"], photo["page"]) == ("read", "0004", str(PHOTO_PAGE))

    # grading again reads nothing, keeps all decisions, and writes the same files to the last byte
    files = ("gradebook.csv", "marks.csv", "flags.csv", "pages.csv")
    before = {name: (sample.run / name).read_bytes() for name in files}
    (sample.folder / "scans").symlink_to(Path(photo["scan"]).parent)
    summary = grade_run(sample.folder)
    assert not summary.flags
    assert {name: (sample.run / name).read_bytes() for name in files} == before


def test_a_range_is_previewed_decided_and_taken_back_at_once(server: Server, open_page: Callable[..., Page]) -> None:
    page = open_page(server.start())
    page.goto(f"http://127.0.0.1:{server.port}/grid")
    ready(page, "grid")
    cells = page.locator(".cell")
    count = cells.count()
    assert count >= 3
    shown = [float(cells.nth(index).locator(".ink span").last.inner_text()) for index in range(count)]
    assert shown == sorted(shown)
    press(page, "Home", "ArrowRight", "b", "ArrowRight", "n")
    expect(page.locator("[data-preview=empty]")).to_have_count(1)
    expect(page.locator("[data-preview=marked]")).to_have_count(count - 2)
    expect(page.locator("#bar-text")).to_have_text(f"1 empty, {count - 2} marked")
    press(page, "Escape")
    expect(page.locator("[data-preview]")).to_have_count(0)
    assert server.decisions() == []
    press(page, "Home", "s", "End", "b", "n", "Enter")  # one is left out, for later
    saved(page)
    expect(page.locator(".cell[data-state=saved]")).to_have_count(count - 1)
    assert [one[3] for one in server.decisions()] == ["empty"] * (count - 2) + ["marked"]
    press(page, "u")
    expect(page.locator(".cell[data-state=saved]")).to_have_count(0)
    press(page, "Shift+U")
    expect(page.locator(".cell[data-state=saved]")).to_have_count(count - 1)
    expect(page.locator(".cell[data-value=marked]")).to_have_count(1)
    press(page, "g")
    ready(page, "grid")
    expect(page.locator(".grid.grouped")).to_have_count(1)


def test_points_by_hand_and_any_box_of_a_page(sample: ReviewRun, server: Server, open_page: Callable[..., Page]) -> None:
    page = open_page(server.start())
    page.goto(f"http://127.0.0.1:{server.port}/field?b=0005&f=1a")
    ready(page, "field")
    press(page, "g")
    page.keyboard.type("9")
    press(page, "Tab")
    page.keyboard.type("an arrow says B")
    press(page, "Enter")
    expect(page.locator("#refusal")).to_contain_text("worth 0 to 4 points")
    page.keyboard.type("2,5")
    press(page, "Enter")
    expect(page).not_to_have_url(re.compile("f=1a"))
    saved(page)
    assert server.decisions() == [("Ann", "points", "1a", "5/2")]
    eventually(lambda: next(row["1a"] for row in sample.rows("gradebook.csv") if row["booklet"] == "0005") == "2.5")
    # an undisputed box, on the page in full
    page.goto(f"http://127.0.0.1:{server.port}/paper?b=0005&n=2")
    ready(page, "paper")
    press(page, "ArrowDown", "ArrowDown", "+", "+", "Shift+ArrowDown", "x")
    saved(page)
    eventually(lambda: len(server.decisions()) == 2)
    changed = server.decisions()[-1]
    assert (changed[1], changed[3]) == ("mark", "undone")
    eventually(
        lambda: (
            [f"{row['field']}/{row['box']}" for row in sample.rows("marks.csv") if row["decided_by"] == "Ann"] == [changed[2]]
        )
    )


# --------------------------------------------------------------------------- two reviewers


def test_two_reviewers_do_not_overwrite_each_other(sample: ReviewRun, server: Server, open_page: Callable[..., Page]) -> None:
    first = server.start()
    ann = open_page(first, "Ann")
    bo = open_page(server.link(after=first), "Bo")
    for page in (ann, bo):
        page.goto(f"http://127.0.0.1:{server.port}/grid")
        ready(page, "grid")
    press(ann, "Home", "f")
    saved(ann)
    press(bo, "Home", "ArrowRight", "d")
    saved(bo)
    # each sees what the other decided
    expect(bo.locator(".cell").first).to_have_attribute("data-value", "marked", timeout=10000)
    expect(ann.locator(".cell").nth(1)).to_have_attribute("data-value", "empty", timeout=10000)
    press(bo, "Home", "d")
    saved(bo)
    expect(ann.locator(".cell").first.locator(".badge")).to_have_text("≠", timeout=10000)
    press(ann, "q")
    ready(ann, "queue")
    expect(ann.locator("[data-group='4']")).to_contain_text("Reviewers disagree")
    row = ann.locator("table.items tr", has_text="disagreement")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("Ann says marked; Bo says empty")
    eventually(lambda: "disagreement" in {one["kind"] for one in sample.rows("flags.csv")})
    ann.goto(f"http://127.0.0.1:{server.port}{row.locator('a').get_attribute('href')}")
    ready(ann, "field")
    press(ann, "d")
    saved(ann)
    eventually(lambda: "disagreement" not in {one["kind"] for one in sample.rows("flags.csv")})
    assert [one[0] for one in server.decisions()] == ["Ann", "Bo", "Bo", "Ann"]
    # nobody undoes what the other decided
    press(bo, "u")
    expect(bo.locator("#news")).to_contain_text("Took back")
    assert server.decisions()[-1][:2] == ("Bo", "undo")
    ann.goto(f"http://127.0.0.1:{server.port}/trail")
    expect(ann.locator("table.trail")).to_contain_text("settles a disagreement")
    expect(ann.locator("table.trail tr.back")).to_have_count(1)


def claim(page: Page, server: Server) -> tuple[str, str]:
    """Say of booklet 0002 that it is the student's who has booklet 0001: nothing is decided by that yet. Both students' numbers."""
    numbers = []
    for booklet in ("0001", "0002"):
        page.goto(f"http://127.0.0.1:{server.port}/booklet?b={booklet}")
        ready(page, "booklet")
        numbers.append(page.locator("h1 + p a").first.inner_text().split()[0])
    page.goto(f"http://127.0.0.1:{server.port}/student?b=0002")
    ready(page, "student")
    expect(page.locator("#found li[aria-selected=true]")).to_have_count(0)  # nothing fills itself in
    before = len(server.decisions())
    page.keyboard.type(numbers[0])
    expect(page.locator("#found li").first).to_contain_text("has booklet 0001")
    press(page, "Enter")
    page.wait_for_url("**with=*")
    ready(page, "student")
    expect(page.locator(".panel")).to_have_count(2)
    expect(page.locator("[data-choice]")).to_have_count(4)
    assert len(server.decisions()) == before
    return numbers[0], numbers[1]


def test_booklets_that_claim_the_same_student_stand_side_by_side(
    sample: ReviewRun, server: Server, open_page: Callable[..., Page]
) -> None:
    def numbers() -> dict[str, str]:
        return {row["booklet"]: row["student_number"] for row in sample.rows("gradebook.csv") if row["booklet"]}

    page = open_page(server.start())
    first, second = claim(page, server)
    press(page, "w")  # the two were swapped
    ready(page, "queue", "aside", "student", "field", "flag")
    assert server.decisions() == [("Ann", "student", "", first), ("Ann", "student", "", second)]
    eventually(lambda: (numbers()["0002"], numbers()["0001"]) == (first, second))
    page.goto(f"http://127.0.0.1:{server.port}/")
    ready(page, "queue")
    press(page, "u")  # one key takes both back
    expect(page.locator("#news")).to_contain_text("Took back")
    eventually(lambda: (numbers()["0001"], numbers()["0002"]) == (first, second))

    claim(page, server)
    press(page, "1")  # 0002 counts, 0001 is a second booklet
    saved(page)
    eventually(lambda: numbers() | {"0001": "", "0002": first} == numbers())
    page.goto(f"http://127.0.0.1:{server.port}/trail")
    expect(page.locator("table.trail")).to_contain_text(f"second booklet of {first}: booklet 0002 counts")


def test_a_claim_that_stays_open_is_asked_about(server: Server, open_page: Callable[..., Page]) -> None:
    page = open_page(server.start())
    claim(page, server)
    press(page, "o")  # 0001 is somebody else's: whose?
    page.wait_for_url("**/student?b=0001")
    ready(page, "student")
    expect(page.locator(".panel")).to_have_count(2)
    expect(page.locator(".detail")).to_contain_text("0002 and this booklet")
    expect(page.locator("[data-choice]")).to_have_count(2)
    press(page, "0")
    saved(page)
    eventually(lambda: server.decisions()[-1][3] == "nobody")


# --------------------------------------------------------------------------- a bad network


class SlowNetwork:
    """Holds back every decision until it recovers."""

    def __init__(self, page: Page) -> None:
        self.held: list[Route] = []
        self._slow = True
        page.route("**/api/decide", self._hold)

    def _hold(self, route: Route) -> None:
        if self._slow:
            self.held.append(route)
        else:
            route.continue_()

    def recover(self) -> None:
        self._slow = False
        for route in self.held:
            route.continue_()


def test_nothing_shows_as_saved_that_is_not(server: Server, open_page: Callable[..., Page]) -> None:
    page = open_page(server.start())
    page.goto(f"http://127.0.0.1:{server.port}/grid")
    ready(page, "grid")
    held: list[Route] = []
    page.route("**/api/decide", lambda route: held.append(route))  # noqa: PLW0108 - a built-in method cannot be wrapped
    press(page, "Home", "f")
    cell = page.locator(".cell").first
    expect(cell).to_have_attribute("data-state", "sending")
    expect(page.locator("#status-text")).to_have_text("1 not saved")
    press(page, "d")
    expect(page.locator("#status-text")).to_have_text("2 not saved")
    time.sleep(0.5)  # a slow network: still nothing is claimed
    expect(page.locator("[data-state=saved]")).to_have_count(0)
    assert server.decisions() == []
    page.route("**/api/decide", lambda route: route.abort())
    held[0].abort()
    expect(cell).to_have_attribute("data-state", "failed")
    expect(page.locator("#status-text")).to_contain_text("2 not saved: the server does not answer")
    assert server.decisions() == []
    # leaving warns; what waits survives the reload, and is sent once the network is back
    asked: list[str] = []

    def leave(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.on("dialog", leave)
    page.reload()
    ready(page, "grid")
    assert asked == ["beforeunload"]
    expect(page.locator("#status-text")).to_contain_text("2 not saved")
    page.unroute_all()
    saved(page)
    assert [one[3] for one in server.decisions()] == ["marked", "empty"]


def test_no_key_is_taken_for_the_wrong_item(server: Server, open_page: Callable[..., Page]) -> None:
    page = open_page(server.start())
    page.goto(f"http://127.0.0.1:{server.port}/field?b=0002&f=2a")
    ready(page, "field")
    network = SlowNetwork(page)
    press(page, "1", "2", "d", "j", "Enter")  # the next question was meant, but is not there yet
    expect(page.locator("#status-text")).to_contain_text("not saved")
    for _ in range(100):  # it shows before it is sent
        if network.held:
            break
        page.wait_for_timeout(50)
    assert len(network.held) == 1
    network.recover()
    expect(page).not_to_have_url(re.compile("f=2a"))
    ready(page)
    assert {one[2].partition("/")[0] for one in server.decisions()} == {"2a"}
    marked = [item for _, _, item, value in server.decisions() if value == "marked"]
    assert marked == ["2a/A"] and len(server.decisions()) == 5


def test_points_question_by_question(sample: ReviewRun, server: Server, open_page: Callable[..., Page]) -> None:
    page = open_page(server.start())
    page.goto(f"http://127.0.0.1:{server.port}/answers?q=3a&all=1")
    ready(page, "answers")
    expect(page.locator(".answer")).to_have_count(5)
    names = [name for one in sample.rows("gradebook.csv") if (name := one["last_name"])]
    assert names and not [name for name in names if name in page.locator("main").inner_text()]
    expect(page.locator(".answer img").first).to_have_js_property("complete", True)
    assert page.locator(".answer img").first.evaluate("(one) => one.naturalWidth") > 400
    network = SlowNetwork(page)
    press(page, "1", ".", "5", "Enter", "f", "Enter")  # what stands there is replaced; typed on without waiting
    expect(page.locator("#status-text")).to_have_text("2 not saved")
    expect(page.locator(".give[data-state=saved]")).to_have_count(0)
    network.recover()
    saved(page)
    expect(page.locator(".give[data-state=saved]")).to_have_count(2)
    assert [one[2:] for one in server.decisions()] == [("3a", "3/2"), ("3a", "4")]
    press(page, "Control+a", "9", "Enter")
    expect(page.locator("#refusal")).to_contain_text("worth 0 to 4 points")
    expect(page.locator(".answer input[name=value]").nth(2)).to_be_focused()
    eventually(
        lambda: [row["3a"] for row in sample.rows("gradebook.csv") if row["booklet"] in ("0001", "0002")] == ["1.5", "4"]
    )


def test_points_by_the_criteria_that_an_answer_meets(
    sample: ReviewRun, server: Server, open_page: Callable[..., Page]
) -> None:
    rubric = sample.folder / "rubric.toml"
    text, count = re.subn(
        r"(?m)^\[questions\.3a\]\npolicy = .*\npoints = 4.*$",
        '[questions.3a]\npolicy = "open"\npoints = 4\ncriteria = [\n'
        '  { id = "idea", text = "The idea", points = 1 },\n  { id = "proof", text = "The proof", points = 3 },\n]',
        rubric.read_text(),
    )
    assert count == 1
    rubric.write_text(text)
    command = [sys.executable, "-m", "scangrade", "regrade", str(sample.run), "--rubric", str(rubric)]
    assert subprocess.run(command, capture_output=True, check=False).returncode in (0, 3)
    page = open_page(server.start())
    press(page, "a")  # from the queue
    ready(page, "answers")
    expect(page.locator(".answer")).to_have_count(5)
    press(page, "b", "a", "b", "a", "b")  # proof
    expect(page.locator(".answer input[name=value]").first).to_have_value("3")
    press(page, "Enter", "a", "Enter")  # idea
    saved(page)
    expect(page.locator(".give[data-state=saved]")).to_have_count(2)
    assert [one[2:] for one in server.decisions()] == [("3a", "criteria proof"), ("3a", "criteria idea")]
    eventually(lambda: [row["3a"] for row in sample.rows("gradebook.csv") if row["booklet"] in ("0001", "0002")] == ["3", "1"])
    page.reload()
    ready(page, "answers")
    expect(page.locator(".answer")).to_have_count(3)  # those that have points do not wait any more


def test_a_server_that_died_loses_nothing(server: Server, open_page: Callable[..., Page]) -> None:
    page = open_page(server.start())
    page.goto(f"http://127.0.0.1:{server.port}/grid")
    ready(page, "grid")
    server.kill()
    press(page, "Home", "d", "f")
    expect(page.locator("#status-text")).to_contain_text("2 not saved: the server does not answer")
    link = server.start()
    expect(page.locator("#status-text")).to_contain_text("no session", timeout=30000)
    assert server.decisions() == []
    other = page.context.new_page()
    other.goto(link)
    ready(other, "queue")
    eventually(lambda: [one[3] for one in server.decisions()] == ["empty", "marked"], 30)


def test_a_full_disk_is_told(server: Server, open_page: Callable[..., Page]) -> None:
    page = open_page(server.start())
    page.goto(f"http://127.0.0.1:{server.port}/grid")
    ready(page, "grid")
    page.route("**/api/decide", lambda route: route.fulfill(status=507, body='{"error": "Not saved. the disk is full"}'))
    press(page, "Home", "d")
    expect(page.locator("#status-text")).to_contain_text("1 not saved: Not saved. the disk is full")
    expect(page.locator(".cell").first).to_have_attribute("data-state", "failed")


def test_moved_scans_are_told_and_decisions_go_on(
    made: ReviewRun, sample: ReviewRun, server: Server, open_page: Callable[..., Page]
) -> None:
    db = sqlite3.connect(sample.run / "run.sqlite")
    db.execute("UPDATE scans SET path = '/nowhere/' || id || '.pdf'")
    db.commit()
    db.close()
    page = open_page(server.start())
    expect(page.locator(".banner").first).to_contain_text("3 scans are not where they were read")
    page.goto(f"http://127.0.0.1:{server.port}/field?b=0001&f=2b")
    ready(page, "field")
    expect(page.locator("#no-picture")).to_be_visible()
    press(page, "d")
    saved(page)
    eventually(lambda: len(server.decisions()) == 1)


# --------------------------------------------------------------------------- for everyone's eyes and hands


SCREENS = ("/", "/grid", "/grid?by=question", "/field?b=0002&f=2a", "/student?b=0005", "/booklets", "/booklet?b=0001",
           "/paper?b=0001&n=3", "/answers?q=3a&all=1", "/trail", "/sample", "/name")  # fmt: skip


@pytest.mark.parametrize(("width", "height"), [(640, 400), (768, 1024)], ids=["at 200 %", "tablet"])
def test_every_screen_fits(server: Server, open_page: Callable[..., Page], width: int, height: int) -> None:
    page = open_page(server.start(), viewport={"width": width, "height": height}, has_touch=width == 768)
    for path in SCREENS:
        page.goto(f"http://127.0.0.1:{server.port}{path}")
        ready(page)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, path


def test_every_screen_can_be_read_aloud(server: Server, open_page: Callable[..., Page]) -> None:
    page = open_page(server.start())
    for path in SCREENS:
        page.goto(f"http://127.0.0.1:{server.port}{path}")
        ready(page)
        assert page.locator("h1").count() == 1 and page.locator("main").count() == 1
        nameless = page.evaluate(
            """() => [...document.querySelectorAll("button, a[href], input, select, [role=option], [role=img]")]
            .filter((one) => !one.closest("[hidden]") && !(one.innerText || "").trim() && !one.getAttribute("aria-label")
              && !one.labels?.length && !one.title && !one.getAttribute("aria-labelledby") && one.type !== "hidden")
            .map((one) => one.outerHTML.slice(0, 120))"""
        )
        assert nameless == [], path
        assert page.locator("img:not([alt])").count() == 0, path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(
    server: Server, open_page: Callable[..., Page], scheme: Literal["light", "dark"]
) -> None:
    page = open_page(server.start(), color_scheme=scheme)
    page.goto(f"http://127.0.0.1:{server.port}/grid")
    ready(page, "grid")
    press(page, "Home", "f", "x", "b")  # decided, undone and previewed boxes
    saved(page)
    assert page.evaluate(CONTRAST) == []
    for path in SCREENS:
        page.goto(f"http://127.0.0.1:{server.port}{path}")
        ready(page)
        assert page.evaluate(CONTRAST) == [], path
    page.evaluate("document.querySelector('main').style.color = getComputedStyle(document.body).backgroundColor")
    assert page.evaluate(CONTRAST) != []  # the check itself sees what cannot be read


def test_tab_goes_everywhere_and_shows_where(server: Server, open_page: Callable[..., Page]) -> None:
    page = open_page(server.start())
    for path in SCREENS:
        page.goto(f"http://127.0.0.1:{server.port}{path}")
        ready(page)
        page.evaluate("document.activeElement.blur(); document.querySelector('.skip').focus()")
        places = []
        for _ in range(300):
            press(page, "Tab")
            seen = page.evaluate(FOCUSED)
            if seen is None:
                break
            assert seen["ring"] and seen["seen"], (path, seen["name"])
            places.append(seen["place"])
        else:
            raise AssertionError(f"{path}: Tab does not leave the page")
        assert places == sorted(places) and len(places) >= 5, path


class Held:
    """Requests that wait until they are let through."""

    def __init__(self) -> None:
        self.routes: list[Route] = []
        self._through = False

    def hold(self, route: Route) -> None:
        if self._through:
            route.continue_()
        else:
            self.routes.append(route)

    def wait(self, page: Page, count: int) -> None:
        for _ in range(500):
            if len(self.routes) >= count:
                return
            page.wait_for_timeout(20)
        raise AssertionError(f"{len(self.routes)} of {count} were asked for")

    def let_through(self) -> None:
        self._through = True
        for route in self.routes:
            route.continue_()


#: Where everything stands that a person may look at or type into, and pictures that wait until they are near.
PLACES = """() => [...document.querySelectorAll("input, button, a, h1, h2, tr, figure")].map((one) => {
  const box = one.getBoundingClientRect();
  return [one.tagName, Math.round(box.x + scrollX), Math.round(box.y + scrollY)].join(" ");
})"""
COMPLETE = """() => {
  const images = [...document.images].filter((one) => one.src);
  for (const one of images) one.loading = "eager";
  return images.every((one) => one.complete && one.naturalWidth);
}"""


@pytest.mark.parametrize("path", ["/answers?q=3a&all=1", "/student?b=0005", "/booklet?b=0001", "/field?b=0002&f=2a", "flag"])
def test_nothing_moves_when_pictures_come(server: Server, open_page: Callable[..., Page], path: str) -> None:
    page = open_page(server.start())
    if path == "flag":
        path = str(page.locator("a[href^='/flag']").first.get_attribute("href"))
    pictures = Held()
    page.route(re.compile("/(region|page|crop)[?]"), pictures.hold)
    page.goto(f"http://127.0.0.1:{server.port}{path}", wait_until="domcontentloaded")
    ready(page)
    pictures.wait(page, 1)
    before = page.evaluate(PLACES)
    pictures.let_through()
    page.wait_for_function(COMPLETE)
    assert page.evaluate(PLACES) == before


def test_roles_and_references_hold(server: Server, open_page: Callable[..., Page]) -> None:
    page = open_page(server.start())
    for path in SCREENS:
        page.goto(f"http://127.0.0.1:{server.port}{path}")
        ready(page)
        faults = page.evaluate(ROLES)
        assert faults == [], path


def test_boxes_are_seen_before_their_pictures_are_cut(
    sample: ReviewRun, server: Server, open_page: Callable[..., Page]
) -> None:
    page = open_page(server.start())
    with Store(sample.run) as store:
        patches = {
            (scanned.result.image_sha256[:12], row): 255 - scanned.result.readings.patches[row]
            for scanned in store.pages()
            if isinstance(scanned.result, PageRead)
            for row in range(len(scanned.result.readings.patches))
        }
    server.stop()
    (sample.run / "review-crops.sqlite").unlink()
    link = server.start()
    page.route("**/crop*", lambda route: None)  # pictures never come, which is nothing that a page waits for

    def late(route: Route) -> None:
        page.wait_for_timeout(300)
        route.continue_()

    page.route("**/icon.svg?late", late)  # something that it does wait for
    page.add_init_script("addEventListener('DOMContentLoaded', () => { new Image().src = '/static/icon.svg?late'; })")
    page.goto(link)
    crops = sqlite3.connect(sample.run / "review-crops.sqlite")
    crops.execute(
        "CREATE TRIGGER none BEFORE INSERT ON crops BEGIN SELECT RAISE(IGNORE); END"
    )  # what is cut ahead from now on
    crops.execute("DELETE FROM crops")  # and what was meanwhile
    crops.commit()
    crops.close()
    page.goto(f"http://127.0.0.1:{server.port}/grid")
    ready(page, "grid")
    cells = page.locator(".cell")
    expect(page.locator(".cell canvas")).to_have_count(cells.count())
    address = str(page.locator("#grid").get_attribute("data-sheet"))
    sheet = cv2.imdecode(
        np.frombuffer(page.request.get(f"http://127.0.0.1:{server.port}{address}").body(), np.uint8), cv2.IMREAD_GRAYSCALE
    )
    assert sheet is not None
    for index in range(cells.count()):
        image, _, row, _ = str(cells.nth(index).get_attribute("data-name")).split(".", 3)
        place = int(str(cells.nth(index).get_attribute("data-patch")))
        top, left = place // 20 * 28, place % 20 * 28
        assert np.array_equal(sheet[top : top + 28, left : left + 28], patches[image, int(row)])
        assert patches[image, int(row)].min() < 160  # the frame of the box is on it
        drawn = cells.nth(index).locator("canvas").evaluate("(one) => one.getContext('2d').getImageData(14, 14, 1, 1).data[0]")
        assert drawn == sheet[top + 14, left + 14]


def test_beyond_this_machine_a_password_is_asked(sample: ReviewRun, browser: Browser) -> None:
    secret = sample.folder / "password"
    secret.write_text("correct horse battery\n")
    server = Server(sample.run, "--host", "127.0.0.2", "--password-file", str(secret))
    try:
        link = server.start()
        assert link == f"http://127.0.0.2:{server.port}/login"
        assert "not encrypted" in (sample.folder / "review.log").read_text()
        context = browser.new_context()
        page = context.new_page()
        page.goto(link.replace("/login", "/booklets"))
        ready(page, "login")  # nothing is shown without it
        assert "Sample exam" not in page.content() and sample.run.name not in page.title()
        page.keyboard.type("wrong horse battery")
        press(page, "Enter")
        expect(page.locator("#refusal")).to_contain_text("Wrong password")
        page.locator("input[name=password]").fill("correct horse battery")
        time.sleep(2.1)  # as long as the server does not look at another one
        press(page, "Enter")
        ready(page, "name")
        page.keyboard.type("Ann")
        press(page, "Enter")
        ready(page, "queue")
        press(page, "/")
        ready(page, "booklets")
        context.close()
    finally:
        server.stop()


def draw_sample(page: Page, server: Server) -> None:
    """Draw 20 boxes."""
    page.goto(f"http://127.0.0.1:{server.port}/sample")
    ready(page, "sample")
    page.locator("select[name=size]").select_option("20")
    page.locator("#draw-form button").focus()
    press(page, "Enter")
    expect(page.locator(".cell")).to_have_count(20)
    ready(page, "sample")


def test_the_random_sample_ends_with_its_bound(server: Server, open_page: Callable[..., Page]) -> None:
    page = open_page(server.start())
    draw_sample(page, server)
    press(page, "Home", *["Enter"] * 20)
    expect(page.locator("#bound")).to_contain_text("20 of 20 looked at, 0 wrong")
    expect(page.locator("#bound")).to_contain_text("95 % confidence")
    page.reload()
    ready(page, "sample")
    expect(page.locator("#bound")).to_contain_text("20 of 20 looked at, 0 wrong")
    machine = str(page.locator(".cell").first.get_attribute("data-machine"))
    press(page, "Home", "f" if machine != "marked" else "d")
    expect(page.locator("#bound")).to_contain_text("20 of 20 looked at, 1 wrong")
    assert server.decisions()[-1][1] == "mark"  # a wrong one is corrected at once


def test_of_overtaking_answers_a_sample_shows_the_last(server: Server, open_page: Callable[..., Page]) -> None:
    page = open_page(server.start())
    draw_sample(page, server)
    first: list[tuple[Route, APIResponse]] = []

    def hold(route: Route) -> None:
        if first:
            route.continue_()
        else:
            first.append((route, route.fetch()))

    page.route("**/sample", hold)
    press(page, "Home", "Enter")
    for _ in range(500):
        if first:
            break
        page.wait_for_timeout(20)
    press(page, "Enter")
    expect(page.locator("#bound")).to_contain_text("2 of 20 looked at")
    (route, response), *_ = first
    with page.expect_response("**/sample"):
        route.fulfill(response=response)
    page.wait_for_timeout(100)
    expect(page.locator("#bound")).to_contain_text("2 of 20 looked at")


def test_pictures_leave_connections_for_decisions(server: Server, open_page: Callable[..., Page]) -> None:
    page = open_page(server.start())
    draw_sample(page, server)
    pictures = Held()
    page.goto("about:blank")  # what the page before still asks for is not counted
    page.route(re.compile("/crop[?]"), pictures.hold)
    page.goto(f"http://127.0.0.1:{server.port}/sample")
    ready(page, "sample")
    pictures.wait(page, 4)
    page.wait_for_timeout(300)  # as long as all would take to be asked for
    assert len(pictures.routes) == 4  # of the six that a browser opens to one server
    pictures.let_through()


def test_the_trail_as_files(server: Server, open_page: Callable[..., Page]) -> None:
    page = open_page(server.start(), "=Ann")
    page.goto(f"http://127.0.0.1:{server.port}/grid")
    ready(page, "grid")
    press(page, "Home", "d")
    saved(page)
    text = page.request.get(f"http://127.0.0.1:{server.port}/trail.csv").body().decode("utf-8-sig")
    head, row = text.splitlines()
    cells = dict(zip(head.split(","), row.split(","), strict=True))
    assert (cells["reviewer"], cells["decided"], cells["machine"], cells["stands"]) == ("'=Ann", "empty", "unsure", "true")
    assert cells["scan_page"] and cells["crop"] == "crops/000001.png"
    archive = page.request.get(f"http://127.0.0.1:{server.port}/trail.zip").body()
    assert b"crops/000001.png" in archive and b"\x89PNG" in archive


def test_colours_follow_the_system(server: Server, open_page: Callable[..., Page]) -> None:
    page = open_page(server.start())
    colours = []
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        colours.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(set(colours)) == 2
