"""How long it takes to score a large run again, against deciding all of its boxes anew.

``python -m tests.benchmarks.regrade [--booklets 1000]`` makes booklets of the UvA form with a pretended reader (scoring does not look at
paper), grades them, and measures the CPU of a regrade with another rubric, of a comparison of two, and of deriving everything anew.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from scangrade.answers.decisions import fold
from scangrade.definitions.layout import load_layout
from scangrade.derive import derive, uncollected
from scangrade.grade import grade
from scangrade.model import FieldKind, Layout
from scangrade.opening import open_run, recorded_definitions
from scangrade.regrade import compare_rubrics, regrade
from tests.fake_reader import FakeReader

ROOT = Path(__file__).parents[2]
LAYOUT = ROOT / "layouts" / "uva-deep-learning-1.toml"
FIRST, SECOND = (ROOT / "rubrics" / f"uva-{name}.toml" for name in ("all-or-nothing", "per-alternative"))


def main() -> int:
    """Make the run, and measure."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.regrade", description=__doc__)
    parser.add_argument("--booklets", type=int, default=1000)
    count = parser.parse_args().booklets
    layout, _ = load_layout(LAYOUT)
    assert layout is not None
    with tempfile.TemporaryDirectory(prefix="scangrade-regrade-") as folder:
        scan, roster, run = (Path(folder) / name for name in ("all.pdf", "roster.csv", "run"))
        _pretend(layout, count, scan, roster)
        grade([scan], layout=LAYOUT, rubric=FIRST, roster=roster, out=run, workers=0, reader=FakeReader)
        print(
            f"{count} booklets of {len(layout.pages)} pages; {platform.machine()}, {os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}"
        )
        _measured("derive everything anew", lambda: _anew(run))
        _measured("regrade with another rubric", lambda: regrade(run, rubric=SECOND))
        _measured("compare two rubrics", lambda: compare_rubrics(run, FIRST))
    return 0


def _pretend(layout: Layout, count: int, scan: Path, roster: Path) -> None:
    drawn = random.Random(1)
    lines, students = [], ["student_number,last_name,first_name"]
    for copy in range(1, count + 1):
        number = f"{drawn.randrange(10**7, 10**8)}"
        students.append(f"{number},Last{copy},First{copy}")
        for page in layout.pages:
            fields = [one for one in layout.fields if one.page == page.number]
            marks = [f"{one.id}/{number[one.place - 1]}" for one in fields if one.kind is FieldKind.DIGIT]
            boxes = (box for one in fields if one.kind is FieldKind.CHOICE for box in one.boxes)
            marks += [box.key for box in boxes if drawn.random() < 0.45]
            lines.append(" ".join([str(page.number), f"{copy:04d}", *marks]))
    scan.write_text("\n".join(lines) + "\n", encoding="utf-8")
    roster.write_text("\n".join(students) + "\n", encoding="utf-8")


def _anew(run: Path) -> None:
    with open_run(run, writes=()) as store, uncollected():
        derive(store.pages(), recorded_definitions(store), fold(()))


def _measured(what: str, do: Callable[[], object]) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    do()
    print(f"{what:30} {time.process_time() - cpu:6.1f} s of CPU, {time.perf_counter() - wall:6.1f} s")


if __name__ == "__main__":
    raise SystemExit(main())
