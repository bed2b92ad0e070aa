"""What it takes to give a large class its pages back, and to report on it: memory of the process, CPU and time of the real commands.

    python -m tests.benchmarks.feedback [--booklets 1000] [--office N] [--keep FOLDER]

The five booklets of 12 pages of a sample batch (copier, one bit and gray), or with `--office` so many as an office scanner delivers them
(300 dpi, gray, JPEG), are graded. They are then copied, with a comment of its own in every image, until there are so many booklets: real
files, each page with a content of its own. An office scanner's page takes 0.8 MB, and as much again for what is made of it.
"""

from __future__ import annotations

import argparse
import hashlib
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pikepdf

from scangrade.derive import grade_again, write_files
from scangrade.grade import grade
from scangrade.opening import open_run, recorded_definitions
from scangrade.paper.pdf_page import placed_image
from scangrade.settings import RASTERISE
from tests.benchmarks.memory import LAYOUT, RUBRIC, Usage, make_stack, measure

SAMPLE = LAYOUT.parents[1] / "samples" / LAYOUT.stem
MOST_MB = 500


def main() -> int:
    """Make the run, and measure; 1 where memory is exceeded or a file is missing."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.feedback", description=__doc__.partition("\n")[0])
    parser.add_argument("--booklets", type=int, default=1000, help="of 12 pages (default: %(default)s)")
    parser.add_argument(
        "--office", type=int, metavar="N", help="copy so many booklets of an office scanner instead of the sample"
    )
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the run there, or use the one that is there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="scangrade-feedback-") as scratch:
        folder = (options.keep or Path(scratch)).resolve()
        run = folder / "run"
        if not (run / "gradebook.csv").is_file():
            make_run(folder, options.office, options.booklets)
        feedback, page = Path(scratch) / "feedback", Path(scratch) / "report.html"
        gave = measure([sys.executable, "-m", "scangrade", "annotate", str(run), "--out", str(feedback)])
        files = len(list(feedback.glob("*.pdf")))
        size = sum(path.stat().st_size for path in feedback.glob("*.pdf"))
        told = measure([sys.executable, "-m", "scangrade", "report", str(run), "--out", str(page)])
        print(f"{files} files of {size / max(1, files) / 1e6:.1f} MB on average")
        print(f"annotate   {_told(gave)}, {1000 * gave.cpu_s / max(1, files):.0f} ms CPU a booklet")
        print(f"           peak of each fifth of the time, MB: {', '.join(f'{one:.0f}' for one in _fifths(gave))}")
        print(f"report     {_told(told)}; page of {page.stat().st_size / 1e3:.0f} kB")
    grows = _fifths(gave)[-1] > MOST_MB
    return 0 if files == options.booklets and not grows else 1


def make_run(folder: Path, office: int | None, booklets: int) -> None:
    """Grade some booklets, and copy their scans and readings until there are enough."""
    stack = SAMPLE
    if office:
        stack = folder / "stack"
        make_stack(stack, office)
    originals = office or 5
    folder.mkdir(parents=True, exist_ok=True)
    # copies of a booklet have its number too: the grid is read as any other one, so that they do not all claim one student
    layout = folder / "layout.toml"
    text = LAYOUT.read_text(encoding="utf-8")
    layout.write_text(text.replace('kind = "digits"\nrole = "student_number"', 'kind = "digits"'), encoding="utf-8")
    run = folder / "run"
    grade([stack / "scans"], layout=layout, rubric=RUBRIC, out=run, workers=2)
    with closing(sqlite3.connect(run / "run.sqlite")) as db, db:
        scans = db.execute("SELECT id, path, page_count FROM scans ORDER BY position").fetchall()
        columns = [row[1] for row in db.execute("PRAGMA table_info(pages)")]
        pages = [dict(zip(columns, row, strict=True)) for row in db.execute("SELECT * FROM pages")]
        copies = folder / "copies"
        copies.mkdir()
        for number in range(1, booklets // originals):
            for scan, path, count in scans:
                scan_id = 1000 * number + scan
                copied = copies / f"{number:04}-{scan}.pdf"
                digests = _copy_scan(Path(path), copied, number)
                sha256 = hashlib.sha256(copied.read_bytes()).hexdigest()
                db.execute(
                    "INSERT INTO scans (id, sha256, name, path, position, page_count) VALUES (?, ?, ?, ?, ?, ?)",
                    (scan_id, sha256, copied.name, str(copied), scan_id, count),
                )
                for page in (one for one in pages if one["scan"] == scan):
                    row = page | {"scan": scan_id, "image_sha256": digests[page["scan_page"] - 1]}
                    row["copy"] = f"{int(page['copy']) + originals * number:04}"
                    marks = ", ".join("?" * len(columns))
                    db.execute(f"INSERT INTO pages ({', '.join(columns)}) VALUES ({marks})", [row[one] for one in columns])
    with open_run(run, writes=()) as store:
        definitions = recorded_definitions(store)
        write_files(run, grade_again(store, definitions), definitions)


def _copy_scan(path: Path, copied: Path, number: int) -> list[str]:
    """Copy a scan with a comment after each image; return what its page images are known by."""
    digests = []
    with pikepdf.open(path) as pdf:
        for page in pdf.pages:
            held = page.obj.Resources.XObject
            image = held[next(iter(held.keys()))]
            assert isinstance(image, pikepdf.Stream) and isinstance(image.Filter, pikepdf.Name)
            parameters = image.get("/DecodeParms")
            assert parameters is None or isinstance(parameters, pikepdf.Dictionary)
            data = image.read_raw_bytes() + f"\ncopy {number}".encode()
            image.write(data, filter=image.Filter, decode_parms=parameters)
            placed = placed_image(page, limits=RASTERISE)
            assert placed is not None
            digests.append(placed.sha256)
        pdf.save(copied)
    return digests


def _told(usage: Usage) -> str:
    peak = max(sample.pss_mb for sample in usage.samples)
    return f"peak {peak:.0f} MB, {usage.cpu_s:.1f} s CPU, {usage.wall_s:.0f} s"


def _fifths(usage: Usage) -> list[float]:
    """Greatest memory in each fifth of the time."""
    each = max(1, len(usage.samples) // 5)
    parts = [usage.samples[start : start + each] for start in range(0, len(usage.samples), each)][:5]
    return [max(sample.pss_mb for sample in part) for part in parts]


if __name__ == "__main__":
    sys.exit(main())
