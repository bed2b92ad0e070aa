"""The command line with a pretended, slow reader: what happens to processes, disks and folders in the middle of a run can be tried quickly.

``python -m tests.slow_reader grade ...`` is ``scangrade grade ...``; with the environment variable ``READERS`` set to a folder, every
process that reads puts a file with its number there.
"""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from scangrade.cli import main
from scangrade.grade import grade
from scangrade.model import Layout, PageResult
from tests.fake_reader import FakeReader, booklet, write_exam

REPOSITORY = Path(__file__).parents[1]
BOOKLETS = 40
PAGE_S = 0.05


class SlowReader(FakeReader):
    """Takes its time for every page."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        if os.environ.get("READERS"):
            Path(os.environ["READERS"], str(os.getpid())).touch()

    def read(self, path: Path, page: int) -> PageResult:
        time.sleep(PAGE_S)
        return super().read(path, page)


def write_scans(folder: Path) -> list[str]:
    """An exam of many booklets over three files; the arguments of ``grade``, without the run folder."""
    paths = write_exam(folder)
    numbers = ("11", "12", "13")
    for part in range(3):
        text = "".join(booklet(f"{one:03}", numbers[one] if one < 3 else "99", "AC", "B") for one in range(part, BOOKLETS, 3))
        (folder / f"scan-{part}.pdf").write_text(text)
    scans = [str(folder / f"scan-{part}.pdf") for part in range(3)]
    return [*scans, *(item for name, path in paths.items() for item in (f"--{name}", str(path)))]


def start(arguments: list[str], out: Path, *, readers: Path | None = None, **options: object) -> subprocess.Popen[str]:
    """Grade in a process group of its own."""
    command = [sys.executable, "-m", "tests.slow_reader", "grade", *arguments, "--out", str(out), "--workers", "2"]
    if readers is not None:
        readers.mkdir()
    environment = os.environ | {"READERS": str(readers or "")}
    job: subprocess.Popen[str] = subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env=environment,
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
        **options,  # type: ignore[call-overload]
    )
    return job


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something is so.

    Raises
    ------
    TimeoutError
        If it does not become so.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.005)


if __name__ == "__main__":
    defaults = grade.__kwdefaults__
    assert defaults is not None
    # what workers import must be of the module's own name, not of __main__
    defaults["reader"] = importlib.import_module("tests.slow_reader").SlowReader
    # what the tests run below may ignore these, as nohup and background jobs do, and its children with it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    main()
