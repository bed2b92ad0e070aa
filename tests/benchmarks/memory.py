"""Grades a large stack of booklets and says what it takes: the memory of the whole process tree, CPU time, pages per second.

    python -m tests.benchmarks.memory [--booklets 300] [--workers 2] [--stack FOLDER]

The stack is one form's booklets as an office scanner delivers them (300 dpi, gray, JPEG), each filled by somebody else. Making it
takes longer than grading it: a folder given as `--stack` is kept and used again. Memory is read from Linux' /proc.
"""

from __future__ import annotations

import argparse
import csv
import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from scangrade.authoring.person import personas_for
from scangrade.authoring.samples import draw_answers
from scangrade.authoring.scanner import OFFICE, ScannedImage, write_scan
from scangrade.authoring.simulate import placed, print_form, simulate_booklet
from scangrade.authoring.truth import BatchTruth, BookletTruth, load_truth, truth_answers
from scangrade.check import Definitions, load_definitions
from scangrade.export.tables import GRADEBOOK, gradebook_table
from scangrade.grades.gradebook import gradebook
from scangrade.grades.score import score
from scangrade.model import Identity, MatchStatus, Student

REPOSITORY = Path(__file__).parents[2]
LAYOUT = REPOSITORY / "layouts" / "uva-deep-learning-1.toml"
RUBRIC = REPOSITORY / "rubrics" / "uva-all-or-nothing.toml"
SEED = 300
_MAY_WAIT = ("status", "points_low", "points_high")  # these differ where a person is asked about a mark
BOOKLETS_PER_FILE = 30
SAMPLE_EVERY_S = 0.1
MOST_MB = 500  # in all, with two workers


@dataclass(frozen=True, slots=True)
class Sample:
    """Memory of a process tree at a moment."""

    processes: int
    pss_mb: float  #: each shared page counted once in all
    rss_mb: float  #: each shared page counted in every process that has it


@dataclass(frozen=True, slots=True)
class Usage:
    """What a command took."""

    exit_code: int
    wall_s: float
    cpu_s: float
    samples: tuple[Sample, ...]  #: in order of time, evenly spaced
    said: str


def main() -> int:
    """Run the benchmark; 1 where the memory is exceeded, a page is lost, or points differ from the truth."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="scangrade-memory-") as scratch:
        stack = options.stack.resolve() if options.stack else Path(scratch) / "stack"
        if not (stack / "truth.json").is_file():
            print(f"Making {options.booklets} booklets ...", file=sys.stderr)
            make_stack(stack, options.booklets)
        run = Path(scratch) / "run"
        files = ["--layout", LAYOUT, "--rubric", RUBRIC, "--roster", stack / "roster.csv", "--out", run]
        command = ["-m", "scangrade", "grade", stack / "scans", *files, "--workers", str(options.workers)]
        usage = measure([sys.executable, *map(str, command)])
        if usage.exit_code not in (0, 3):
            print(usage.said, file=sys.stderr)
            return 1
        definitions = load_definitions(LAYOUT, RUBRIC, stack / "roster.csv")
        truth = load_truth(stack / "truth.json").booklets
        pages = sum(len(one.pages) for one in truth)
        print(report(usage, pages, options.workers))
        rows, wrong = compare(_rows(run / GRADEBOOK), _true_rows(truth, definitions))
        print("\n".join([rows, *wrong]))
    peak = max(sample.pss_mb for sample in usage.samples)
    all_there = f"{pages} in = {pages} read + 0 set aside" in usage.said
    return 0 if peak < MOST_MB and all_there and not wrong else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.memory", description=__doc__.partition("\n")[0])
    parser.add_argument("--booklets", type=int, default=300, help="of 12 pages (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="processes that read (default: %(default)s)")
    parser.add_argument("--stack", type=Path, metavar="FOLDER", help="keep the scans there, or use those that are there")
    return parser.parse_args()


# --------------------------------------------------------------------------- the stack


def make_stack(folder: Path, booklets: int) -> None:
    """Make `scans/*.pdf`, `roster.csv` and `truth.json`, some files side by side."""
    (folder / "scans").mkdir(parents=True, exist_ok=True)
    numbers = [f"1{number:07}" for number in np.random.default_rng(SEED).permutation(10**7)[:booklets].tolist()]
    starts = range(0, booklets, BOOKLETS_PER_FILE)
    parts = [(folder / "scans", start, numbers[start : start + BOOKLETS_PER_FILE]) for start in starts]
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        made = [booklet for part in pool.map(_make_file, parts) for booklet in part]
    with (folder / "roster.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["student_number", "last_name", "first_name", "email"])
        writer.writerows([number, f"Student {number}", "", ""] for number in numbers)
    (folder / "truth.json").write_text(BatchTruth(LAYOUT.stem, tuple(made)).to_json(), encoding="utf-8")


def _make_file(part: tuple[Path, int, Sequence[str]]) -> list[BookletTruth]:
    folder, start, numbers = part
    cv2.setNumThreads(1)
    definitions = load_definitions(LAYOUT, RUBRIC)
    layout, rubric = definitions.layout, definitions.rubric
    form = print_form(layout)
    people = personas_for(layout.convention)
    name = f"stack-{start // BOOKLETS_PER_FILE + 1:02}.pdf"
    images: list[ScannedImage] = []
    booklets = []
    for index, number in enumerate(numbers, start=start):
        rng = np.random.default_rng([SEED, index])
        answers = draw_answers(layout, rubric, Student(number), rng)
        scanned, truth = simulate_booklet(
            layout,
            answers,
            people[index % len(people)],
            OFFICE,
            rng,
            f"{index + 1:04}",
            form=form,
            texts={"name": f"Student {number}", "student_number_written": number},
            student_number=number,
        )
        booklets.append(placed(truth, name, range(len(images) + 1, len(images) + len(scanned) + 1)))
        images += scanned
    write_scan(images, folder / name)
    return booklets


# --------------------------------------------------------------------------- what it takes


def measure(command: Sequence[str]) -> Usage:
    """Run a command, and read the memory of it and all its descendants until it ends."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    samples = []
    with tempfile.TemporaryFile() as said:
        with subprocess.Popen(command, stdout=said, stderr=said, cwd=REPOSITORY) as job:
            while job.poll() is None:
                samples.append(_sample(job.pid))
                time.sleep(SAMPLE_EVERY_S)
        wall = time.monotonic() - began
        said.seek(0)
        text = said.read().decode(errors="replace")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Usage(job.returncode, wall, cpu, tuple(sample for sample in samples if sample.processes), text)


def _sample(root: int) -> Sample:
    found = [memory for pid in _tree(root) if (memory := _memory_kb(pid))]
    return Sample(len(found), sum(pss for pss, _ in found) / 1024, sum(rss for _, rss in found) / 1024)


def _tree(root: int) -> Iterator[int]:
    """A process and all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:  # it ended in the meantime
                continue
            children.setdefault(parent, []).append(int(entry.name))
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        yield pid
        waiting += children.get(pid, [])


def _memory_kb(pid: int) -> tuple[int, int] | None:
    """PSS and RSS of a process; None if it ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except OSError:
        return None
    sizes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return sizes["Pss"], sizes["Rss"]


def report(usage: Usage, pages: int, workers: int) -> str:
    """The figures as lines for people. Reading lasts as long as there are worker processes; grades are derived after that."""
    most = max(sample.processes for sample in usage.samples)
    last = max(index for index, sample in enumerate(usage.samples) if sample.processes == most)
    reading, after = usage.samples[: last + 1], usage.samples[last + 1 :]
    quarter = max(1, len(reading) // 4)
    rows = [
        ("the whole run", usage.samples),
        ("first quarter of reading", reading[:quarter]),
        ("last quarter of reading", reading[-quarter:]),
        ("deriving grades", after or reading[-1:]),
    ]
    lines = [f"{pages} pages, {workers} workers", "", f"{'peak of the process tree':26}{'PSS MB':>8}{'RSS MB':>8}"]
    lines += [f"{name:26}{max(one.pss_mb for one in some):8.0f}{max(one.rss_mb for one in some):8.0f}" for name, some in rows]
    per_page, per_second = 1000 * usage.cpu_s / pages, pages / usage.wall_s
    lines += [
        "",
        f"{usage.cpu_s:.0f} s CPU = {per_page:.1f} ms a page; {usage.wall_s:.0f} s = {per_second:.1f} pages a second",
    ]
    lines += [line for line in usage.said.splitlines() if line.startswith(("Pages", "Booklets"))]
    return "\n".join(lines)


# --------------------------------------------------------------------------- the truth


def _true_rows(truth: Sequence[BookletTruth], definitions: Definitions) -> dict[str, dict[str, str]]:
    """The gradebook of a reader without a fault."""
    answers = truth_answers(truth, definitions.layout)
    assert definitions.roster is not None
    students = {one.number: one for one in definitions.roster.students}
    identities = [Identity(one.copy, MatchStatus.MATCHED, one.student_number, students[one.student_number]) for one in truth]
    cards = [score(one.copy, answers[one.copy], definitions.layout, definitions.rubric, version="")[0] for one in truth]
    frame, _ = gradebook(cards, identities, definitions.rubric, definitions.roster)
    table = gradebook_table(frame)
    return {row[0]: dict(zip(table.header, row, strict=True)) for row in table.rows}


def _rows(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return {row["student_number"] or f"booklet {row['booklet']}": row for row in csv.DictReader(file)}


def compare(found: Mapping[str, Mapping[str, str]], true: Mapping[str, Mapping[str, str]]) -> tuple[str, list[str]]:
    """How many rows of a gradebook are the true ones, in words, and the students whose points are decided and wrong."""
    equal = 0
    wrong = []
    for number, want in true.items():
        have = found[number]
        certain = [name for name in want if name not in _MAY_WAIT and have[name] and want[name]]
        equal += have == want
        wrong += [f"{number}, {name}: {have[name]}, true is {want[name]}" for name in certain if have[name] != want[name]]
    waiting = len(true) - equal - len({line.partition(",")[0] for line in wrong})
    return f"Gradebook {equal} of {len(true)} rows are the true ones, {waiting} wait for a person, the rest is wrong", wrong


if __name__ == "__main__":
    sys.exit(main())
