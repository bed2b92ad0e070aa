"""Entry of `make benchmark`: grades the sample batches and the corpus, prints a table of each."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from tests.benchmarks.accuracy import BoxResult, Tally, contact_sheet, grade_case, table
from tests.benchmarks.corpus import Case, find_cases, load_case, load_sample
from tests.benchmarks.gradebooks import compare_sample

REPOSITORY = Path(__file__).parents[2]
DEFAULT_CORPUS = REPOSITORY.parent / "shared" / "corpus"


def main() -> int:
    """Run the benchmark; 1 where the samples hold a silent error, or another gradebook than the one kept."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="scangrade-benchmark-") as scratch:
        return _measure(options, Path(scratch))


def _measure(options: argparse.Namespace, scratch: Path) -> int:
    samples = sorted(folder for folder in (REPOSITORY / "samples").glob("*") if (folder / "truth.json").is_file())
    errors = 0
    if samples and not options.no_samples:
        tallies = _run("Samples", (load_sample(folder, REPOSITORY / "layouts") for folder in samples), options, scratch)
        errors = sum(one.wrong + one.misread_pages for one in tallies)
        differences = [line for folder in samples for line in compare_sample(folder, REPOSITORY, scratch / folder.name)]
        print("\n".join(differences) if differences else "gradebooks as kept", flush=True)
        errors += len(differences)
    if options.corpus.is_dir():
        _run("Corpus", (load_case(folder) for folder in find_cases(options.corpus, options.only)), options, scratch)
    else:
        print(f"\nNo corpus of scans at {options.corpus}: give its folder as argument or in CORPUS.", file=sys.stderr)
    return 1 if errors else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    corpus = Path(os.environ.get("CORPUS") or DEFAULT_CORPUS)
    parser.add_argument(
        "corpus", nargs="?", type=Path, default=corpus, help="folder of cases (default: CORPUS, or %(default)s)"
    )
    parser.add_argument("--only", action="append", default=[], metavar="CASE", help="this case of the corpus only; repeatable")
    parser.add_argument("--no-samples", action="store_true", help="leave the sample batches out")
    parser.add_argument("--list", action="store_true", help="list every box that is wrong or flagged, with what was measured")
    parser.add_argument("--sheet", type=Path, metavar="FOLDER", help="write pictures of these boxes to a folder")
    return parser.parse_args()


def _run(title: str, cases: Iterable[Case], options: argparse.Namespace, scratch: Path) -> list[Tally]:
    started = time.perf_counter()
    tallies: list[Tally] = []
    odd: list[BoxResult] = []
    for case in cases:
        tally, results = grade_case(case, scratch)
        tallies.append(tally)
        odd += [one for one in results if one.wrong or one.flagged]
        if sys.stderr.isatty():
            print(f"{case.name}: {tally.read} of {tally.pages} pages read", file=sys.stderr)
    print(f"\n{title}\n\n{table(tallies)}")
    print(f"{sum(one.pages for one in tallies)} pages in {time.perf_counter() - started:.1f} s", flush=True)
    odd.sort(key=lambda one: not one.wrong)
    if options.list:
        print("\n".join(f"{number:4} {one.line()}" for number, one in enumerate(odd, start=1)))
    if options.sheet:
        options.sheet.mkdir(parents=True, exist_ok=True)
        contact_sheet(odd, options.sheet / f"{title.lower()}.png")
    return tallies


if __name__ == "__main__":
    sys.exit(main())
