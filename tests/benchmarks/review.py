"""How fast the review is in a large run: opening it, a grid of 400 crops in the browser, a decision saved.

``python -m tests.benchmarks.review [--pages 5000] [--keep FOLDER]`` grades the demo's booklets once, copies what was read until the run has
so many pages (each copy with images of its own), and measures with the real server and Debian's Chromium.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import os
import platform
import re
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import BinaryIO

from playwright.sync_api import Page, expect, sync_playwright

from scangrade.authoring.samples import make_demo
from scangrade.derive import grade_again, write_files
from scangrade.grade import grade
from scangrade.opening import open_run, recorded_definitions
from scangrade.run.kept import Kept
from scangrade.run.store import Store
from scangrade.standing import Standing, fingerprint

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]


def main() -> int:
    """Make the run, and measure."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.review", description=__doc__)
    parser.add_argument("--pages", type=int, default=5000)
    parser.add_argument("--keep", type=Path, help="use this folder, and a run that is there already")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="scangrade-review-") as scratch:
        folder = options.keep or Path(scratch)
        run = folder / f"run-{options.pages}"
        if not (run / "run.sqlite").is_file():
            _make(folder, run, options.pages)
        load = os.getloadavg()[0]
        print(
            f"{options.pages} pages; {platform.machine()}, {os.cpu_count()} cores, load {load:.1f}, {time.strftime('%Y-%m-%d %H:%M')}"
        )
        _opening(run)
        _same_content(run)
        used = folder / "used"  # a copy, so that every time begins with nothing decided and nothing cut
        shutil.rmtree(used, ignore_errors=True)
        used.mkdir()
        for path in (one for one in run.iterdir() if one.suffix in (".sqlite", ".csv")):
            shutil.copy(path, used)
        _serving(used)
    return 0


def _make(folder: Path, run: Path, pages: int) -> None:
    demo = folder / "demo"
    if not (demo / "run" / "run.sqlite").is_file():
        made = make_demo(demo)
        # copies of a booklet have its number too: the grid is read as any other one, so that they do not all claim one student
        text = made.layout.read_text(encoding="utf-8")
        made.layout.write_text(text.replace('kind = "digits"\nrole = "student_number"', 'kind = "digits"'), encoding="utf-8")
        grade([demo / "scans"], layout=made.layout, rubric=made.rubric, roster=made.roster, out=demo / "run", workers=2)
    run.mkdir(parents=True, exist_ok=True)
    shutil.copy(demo / "run" / "run.sqlite", run)
    copy_pages(run / "run.sqlite", pages)
    started = time.perf_counter()
    with open_run(run, writes=()) as store:
        definitions = recorded_definitions(store)
        write_files(run, grade_again(store, definitions), definitions)
    print(f"deriving everything        {time.perf_counter() - started:8.2f} s")


def copy_pages(path: Path, pages: int) -> None:
    """Copy a run's scans and pages, as booklets and images of their own, until it has so many pages."""
    db = sqlite3.connect(path)
    scans = db.execute("SELECT id, sha256, name, path, page_count FROM scans ORDER BY position").fetchall()
    columns = [row[1] for row in db.execute("PRAGMA table_info(pages)")]
    rows = [dict(zip(columns, row, strict=True)) for row in db.execute("SELECT * FROM pages")]
    number, next_id = 0, max(scan[0] for scan in scans) + 1
    while len(rows) * (number + 1) < pages:
        number += 1
        ids = {}
        for scan_id, sha256, name, where, count in scans:
            ids[scan_id] = next_id
            values = (next_id, _another(sha256, number), f"{name}.{number}", where, next_id, count)
            db.execute("INSERT INTO scans (id, sha256, name, path, position, page_count) VALUES (?, ?, ?, ?, ?, ?)", values)
            next_id += 1
        for row in rows:
            copied = row | {"scan": ids[row["scan"]], "image_sha256": _another(row["image_sha256"], number)}
            copied["copy"] = f"{int(row['copy']) + 10 * number:05}"
            marks = ", ".join("?" * len(columns))
            db.execute(f"INSERT INTO pages ({', '.join(columns)}) VALUES ({marks})", [copied[one] for one in columns])
    db.commit()
    db.close()


def _another(sha256: str, number: int) -> str:
    return hashlib.sha256(f"{sha256}/{number}".encode()).hexdigest()


def _opening(run: Path) -> None:
    for _ in range(2):
        started = time.perf_counter()
        with Store(run) as store:
            definitions = recorded_definitions(store)
            assert Kept(store).holds(fingerprint(store))
            standing = Standing(store, definitions)
            waiting, unsure, booklets = len(standing.flags()), len(standing.unsure()), len(standing.booklets)
        took = time.perf_counter() - started
    print(f"opening the run            {took:8.2f} s   {booklets} booklets, {waiting} flags, {unsure} unsure boxes")


def _serving(run: Path) -> None:
    log = run / "log"
    command = [sys.executable, "-m", "scangrade", "review", str(run), "--no-browser"]
    started = time.perf_counter()
    with log.open("w") as file:
        process = subprocess.Popen(command, stderr=file)
    try:
        while not (found := re.findall(r"Open +(\S+)", log.read_text())):
            time.sleep(0.02)
        link = str(found[-1])
        print(f"command until its link     {time.perf_counter() - started:8.2f} s   with Python and all imports")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
            page = browser.new_page(viewport={"width": 1366, "height": 800})
            page.goto(link)
            page.keyboard.type("Ann")
            page.keyboard.press("Enter")
            expect(page.locator("body[data-screen=queue][data-ready]")).to_have_count(1)
            _grids(page, link)
            cookies = "; ".join(f"{one['name']}={one['value']}" for one in page.context.cookies())
            _decisions(page, link, cookies, run)
            browser.close()
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def _same_content(run: Path) -> None:
    """Give the copied scans files of their own: pictures are told apart from the scans' content."""
    with Store(run) as store:
        scans = {scan.path: scan.sha256 for scan in reversed(store.scans())}
    db = sqlite3.connect(run / "run.sqlite")
    for path in scans:
        real = hashlib.sha256(path.read_bytes()).hexdigest()
        for (scan_id,) in db.execute("SELECT id FROM scans WHERE path = ? AND sha256 <> ?", (str(path), real)).fetchall():
            db.execute("UPDATE scans SET path = ? WHERE id = ?", (str(_copy_of(path, run, scan_id)), scan_id))
            content = hashlib.sha256(_copy_of(path, run, scan_id).read_bytes()).hexdigest()
            db.execute("UPDATE scans SET sha256 = ? WHERE id = ?", (content, scan_id))
    db.commit()
    db.close()
    with open_run(run, writes=()) as store:
        if not Kept(store).holds(fingerprint(store)):
            raise AssertionError("what is kept must not depend on where scans lie")


def _copy_of(path: Path, run: Path, scan_id: int) -> Path:
    """A scan file of its own for every copied scan: the same pages, and one byte more."""
    copy = run / "scans" / f"{scan_id}{path.suffix}"
    if not copy.is_file():
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes() + f"\n%{scan_id}\n".encode())
    return copy


def _grids(page: Page, link: str) -> None:
    grid = link.partition("/open")[0] + "/grid"
    for name in ("first, nothing cut yet", "again", "again"):
        started = time.perf_counter()
        page.goto(grid, wait_until="commit")
        page.wait_for_selector("body[data-ready] .cell:focus")
        ready = time.perf_counter() - started
        page.wait_for_function(
            "() => [...document.querySelectorAll('.cell')].slice(0, 60)"
            ".every((one) => one.querySelector('canvas') || one.querySelector('img').naturalWidth)",
            timeout=120000,
        )
        seen = time.perf_counter() - started
        page.wait_for_function(
            "() => [...document.querySelectorAll('.cell img')].slice(0, 60).every((one) => one.complete && one.naturalWidth)",
            timeout=120000,
        )
        count = page.locator(".cell").count()
        sharp = time.perf_counter() - started
        print(
            f"grid of {count:3} crops          {ready:8.2f} s   keys work; {seen:.2f} s: the first 60 seen, {sharp:.2f} s: all of them"
            f" sharp ({name})"
        )
        if name.startswith("first"):
            page.wait_for_timeout(20000)  # pictures are cut ahead meanwhile


def _decisions(page: Page, link: str, cookies: str, run: Path) -> None:
    names = page.locator(".cell").evaluate_all("(cells) => cells.map((one) => one.dataset.name)")
    origin = link.partition("/open")[0]
    host = origin.removeprefix("http://")
    connection = http.client.HTTPConnection(host)

    def decide(group: str, on: list[str]) -> float:
        body = json.dumps({"group": group, "acts": [{"topic": "mark", "value": "empty", "on": on}]})
        started = time.perf_counter()
        connection.request(
            "POST",
            "/api/decide",
            body,
            {"Content-Type": "application/json", "Origin": origin, "Cookie": cookies, "Host": host},
        )
        response = connection.getresponse()
        response.read()
        assert response.status == 200
        return (time.perf_counter() - started) * 1000

    took, floor = [], []
    with (run / "floor").open("wb", buffering=0) as file:
        for number, name in enumerate(names[:100]):
            took.append(decide(f"single-{number:04}", [name]))
            time.sleep(0.025)
            floor.append(_synced(file))
            time.sleep(0.025)
    (run / "floor").unlink()
    print(f"a decision saved           {_shares(took)}")
    print(f"the disk alone             {_shares(floor)}   12 kB appended and synced, in between")
    rest = names[100:]
    gradebook = (run / "gradebook.csv").stat().st_mtime_ns
    started = time.perf_counter()
    print(f"a range of {len(rest)} saved       {decide('the-range', rest):8.1f} ms")
    while (run / "gradebook.csv").stat().st_mtime_ns == gradebook and time.perf_counter() - started < 120:
        time.sleep(0.02)
    print(f"its gradebook written      {time.perf_counter() - started:8.2f} s")


def _synced(file: BinaryIO) -> float:
    """Milliseconds for what the store's log does with one decision, without the store: the machine's part."""
    started = time.perf_counter()
    file.write(bytes(12 * 1024))
    os.fsync(file.fileno())
    return (time.perf_counter() - started) * 1000


def _shares(took: list[float]) -> str:
    ordered = sorted(took)
    shares = ", ".join(f"{share} in 100 within {ordered[len(ordered) * share // 100 - 1]:.1f}" for share in (90, 95, 99))
    return f"{statistics.median(took):8.1f} ms  median; {shares}, all within {ordered[-1]:.1f} ms"


if __name__ == "__main__":
    sys.exit(main())
