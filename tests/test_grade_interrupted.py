"""Killed at any moment and run again, a run ends as if nothing had happened."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fake_reader import booklet, write_exam

FILES = ("gradebook.csv", "marks.csv", "flags.csv", "pages.csv")
KILLS = 12

JOB = """
import sys
from pathlib import Path
from scangrade.grade import grade
from tests.fake_reader import SlowReader

if __name__ == "__main__":
    exam = {name: Path("exam") / file for name, file in
            {"layout": "layout.toml", "rubric": "rubric.toml", "roster": "roster.csv"}.items()}
    grade([Path("scans")], **exam, out=Path(sys.argv[1]), workers=2, reader=SlowReader)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")
def test_killed_at_random_moments(tmp_path: Path) -> None:
    write_exam(tmp_path / "exam")
    (tmp_path / "scans").mkdir()
    for scan in range(4):
        pages = [booklet(f"{scan}{number}", f"1{number % 4}", "AC"[: number % 3], "B") for number in range(30)]
        (tmp_path / "scans" / f"{scan}.pdf").write_text("".join(pages) + "blank\nraise\n" + pages[0])
    (tmp_path / "job.py").write_text(JOB)

    began = time.monotonic()
    assert start(tmp_path, "undisturbed").wait() == 0
    whole = time.monotonic() - began

    moments = random.Random(7)
    killed = 0
    for _ in range(KILLS):
        job = start(tmp_path, "run")
        try:
            job.wait(moments.uniform(0.1, 1.1) * whole)
        except subprocess.TimeoutExpired:
            job.kill()
            job.wait()
            killed += 1
    assert killed > KILLS // 3  # else this tested nothing
    assert start(tmp_path, "run").wait() == 0
    for name in FILES:
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "undisturbed" / name).read_bytes()
    assert not list((tmp_path / "run").glob(".*.part"))


def start(folder: Path, out: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    return subprocess.Popen([sys.executable, "job.py", out], cwd=folder, env=environment)
