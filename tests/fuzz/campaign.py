"""Running inputs one after the other in a process of its own, and what counts as a finding.

An input is known by target, campaign seed and number, and is made from these. A finding is: an exception that is not one of ours, a process
that died, more than 10 s of CPU or a minute on the clock, more than 1 GB of memory, or a file written outside of the input's own folder.
"""

from __future__ import annotations

import faulthandler
import json
import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from tests.fuzz.targets import TARGETS, Target

MOST_CPU_S: Final = 10.0
MOST_CLOCK_S: Final = 60
MOST_BYTES: Final = 10**9
_MACHINE_BYTES: Final = 4 * 2**30  # so that a finding does not take the machine with it
_ENDED: Final = "ended"

#: Audit events by which files come to be, with the place of the path among their arguments.
_WRITES: Final = {
    "os.mkdir": 0,
    "os.rename": 1,
    "os.link": 1,
    "os.symlink": 1,
    "os.truncate": 0,
    "os.remove": 0,
    "os.rmdir": 0,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """An input that was not answered as it must be."""

    target: str
    number: int
    what: str


@dataclass(frozen=True, slots=True)
class Ran:
    """What a campaign on one target came to."""

    target: str
    inputs: int
    cpu_s: float
    slowest_s: float  #: CPU of the slowest input
    peak_bytes: int  #: of the process, or of a program that it started
    findings: tuple[Finding, ...]


def input_of(target: Target, seeds: list[tuple[bytes, str]], seed: int, number: int) -> tuple[bytes, str]:
    """The input with this number."""
    rng = Random(f"{target.name}/{seed}/{number}")
    content, suffix = seeds[rng.randrange(len(seeds))]
    return target.mutate(content, rng), suffix


def run_here(target: Target, seed: int, numbers: range) -> Iterator[tuple[int, str]]:
    """Run inputs in this process; give the number of each and what was found, "" for nothing.

    Only what this process survives is found.
    """
    with tempfile.TemporaryDirectory(prefix="fuzz-") as place:
        seeds = target.seeds(Path(place))
        for number in numbers:
            content, suffix = input_of(target, seeds, seed, number)
            folder = Path(place) / "input"
            folder.mkdir()
            what = take_watched(target, content, suffix, folder)
            shutil.rmtree(folder)
            yield number, what


def take_watched(target: Target, content: bytes, suffix: str, folder: Path) -> str:
    """Let a target take one file; what was found, "" for nothing."""
    before, usual = _cpu_s(), tempfile.tempdir
    tempfile.tempdir = str(folder)  # what is temporary goes there too, so that all else is seen
    try:
        with _watching_files(folder) as written:
            target.take(content, suffix, folder)
    except Exception:
        return traceback.format_exc()
    finally:
        tempfile.tempdir = usual
    took, peak = _cpu_s() - before, _peak_bytes()
    if took > MOST_CPU_S:
        return f"took {took:.1f} s of CPU"
    if peak > MOST_BYTES:
        return f"took {peak / 1e6:.0f} MB"
    return f"wrote {', '.join(written)}" if written else ""


def run_apart(target: Target, seed: int, numbers: range) -> Ran:
    """Run inputs in processes of their own: what takes a process with it is a finding, and the rest is run in the next one."""
    findings: list[Finding] = []
    done, cpu_s, slowest_s, peak = numbers.start, 0.0, 0.0, 0
    while done < numbers.stop:
        receiver, sender = multiprocessing.get_context("spawn").Pipe(duplex=False)
        child = multiprocessing.get_context("spawn").Process(
            target=_child, args=(target.name, seed, range(done, numbers.stop), sender)
        )
        child.start()
        sender.close()
        said: dict[str, Any] = {}
        last = done
        try:
            while True:
                said = json.loads(receiver.recv_bytes())
                if _ENDED in said:
                    break
                last = said["number"] + 1
                slowest_s, peak, cpu_s = max(slowest_s, said["took_s"]), max(peak, said["peak"]), cpu_s + said["took_s"]
                if said["what"]:
                    findings.append(Finding(target.name, said["number"], said["what"]))
                    if said["peak"] > MOST_BYTES:
                        break  # a peak stays: the next inputs need a new process to be measured
        except EOFError:
            pass
        if _ENDED not in said and not (said.get("what") and said["peak"] > MOST_BYTES):
            child.join()
            findings.append(Finding(target.name, last, f"the process died or hung (exit code {child.exitcode})"))
            last += 1
        child.kill()
        child.join()
        done = numbers.stop if _ENDED in said else last
    return Ran(target.name, len(numbers), cpu_s, slowest_s, peak, tuple(findings))


def _child(name: str, seed: int, numbers: range, sender: Any) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (_MACHINE_BYTES, _MACHINE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.environ["OMP_THREAD_LIMIT"] = "1"
    import cv2  # noqa: PLC0415

    cv2.setNumThreads(1)
    target = next(one for one in TARGETS if one.name == name)
    before = _cpu_s()
    faulthandler.dump_traceback_later(5 * MOST_CLOCK_S, exit=True, file=sys.stderr)
    for number, what in run_here(target, seed, numbers):
        faulthandler.dump_traceback_later(MOST_CLOCK_S, exit=True, file=sys.stderr)
        now = _cpu_s()
        sender.send_bytes(json.dumps({"number": number, "what": what, "took_s": now - before, "peak": _peak_bytes()}).encode())
        before = now
    sender.send_bytes(json.dumps({_ENDED: True}).encode())


def _cpu_s() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _peak_bytes() -> int:
    return 1024 * max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


# --------------------------------------------------------------------------- files written


_watched: list[tuple[Path, list[str]]] = []
_hooked = False


@contextmanager
def _watching_files(allowed: Path) -> Iterator[list[str]]:
    """Note every file that this process writes, renames or removes elsewhere than in a folder."""
    global _hooked  # noqa: PLW0603 - an audit hook cannot be taken out again
    if not _hooked:
        sys.addaudithook(_note)
        _hooked = True
    written: list[str] = []
    _watched.append((allowed.resolve(), written))
    try:
        yield written
    finally:
        _watched.pop()


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watched:
        return
    if event == "open":
        path, mode, flags = arguments
        if not isinstance(path, str | bytes) or not (
            (isinstance(mode, str) and set(mode) & set("wax+")) or (flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        ):
            return
    elif event in _WRITES:
        path = arguments[_WRITES[event]]
    elif event == "sqlite3.connect":
        path = arguments[0]
        if isinstance(path, str) and ("mode=ro" in path or path == ":memory:"):
            return
    else:
        return
    if not isinstance(path, str | bytes | os.PathLike):
        return
    allowed, written = _watched[-1]
    place = Path(os.fsdecode(path).removeprefix("file:").partition("?")[0])
    if place == Path(os.devnull) or "__pycache__" in place.parts or not place.is_absolute():
        return  # relative names are of a folder that is being emptied by its handle
    if not place.resolve().is_relative_to(allowed):
        written.append(str(place))


def campaign(inputs: int, seed: int, names: list[str]) -> Iterator[Ran]:
    """Run so many inputs, dealt out to the targets by their shares, from the first number on."""
    chosen = [one for one in TARGETS if not names or one.name in names]
    whole = sum(one.share for one in chosen)
    for target in chosen:
        yield run_apart(target, seed, range(round(inputs * target.share / whole)))


def stamp() -> str:
    """When, for the table of results."""
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime())
