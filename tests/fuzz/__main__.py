"""Fuzz the parsers, the importers, the exporters' files and the rasteriser: see the README beside this file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.fuzz.campaign import campaign, input_of, run_here, stamp
from tests.fuzz.targets import TARGETS


def main() -> int:
    """Run a campaign, or one input of it again."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", action="append", default=[], choices=[one.name for one in TARGETS])
    parser.add_argument("--again", type=int, metavar="NUMBER", help="run one input again in this process, and keep it")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-findings"), help="where inputs with findings are kept")
    given = parser.parse_args()
    if given.again is not None:
        return _again(given.target[0], given.seed, given.again, given.keep)
    print(f"{stamp()} UTC, seed {given.seed}", flush=True)
    print(
        f"{'target':12} {'inputs':>8} {'CPU s':>8} {'ms each':>8} {'slowest s':>10} {'peak MB':>8} {'findings':>9}", flush=True
    )
    found, inputs = 0, 0
    for ran in campaign(given.inputs, given.seed, given.target):
        each = 1000 * ran.cpu_s / max(1, ran.inputs)
        print(
            f"{ran.target:12} {ran.inputs:8} {ran.cpu_s:8.0f} {each:8.1f} {ran.slowest_s:10.2f} {ran.peak_bytes / 1e6:8.0f}"
            f" {len(ran.findings):9}",
            flush=True,
        )
        for one in ran.findings:
            _keep(one.target, given.seed, one.number, given.keep)
            print(f"--- {one.target} {one.number}\n{one.what}", file=sys.stderr, flush=True)
        found, inputs = found + len(ran.findings), inputs + ran.inputs
    print(f"{inputs} inputs, {found} findings", flush=True)
    return 1 if found else 0


def _again(name: str, seed: int, number: int, keep: Path) -> int:
    target = next(one for one in TARGETS if one.name == name)
    _keep(name, seed, number, keep)
    [(_, what)] = run_here(target, seed, range(number, number + 1))
    print(what or "nothing found")
    return 1 if what else 0


def _keep(name: str, seed: int, number: int, keep: Path) -> None:
    import tempfile  # noqa: PLC0415

    target = next(one for one in TARGETS if one.name == name)
    with tempfile.TemporaryDirectory() as place:
        content, suffix = input_of(target, target.seeds(Path(place)), seed, number)
    keep.mkdir(exist_ok=True)
    (keep / f"{name.replace(' ', '-')}-{seed}-{number}{suffix}").write_bytes(content)


if __name__ == "__main__":
    sys.exit(main())
