"""The commands: what they print where, and their exit codes."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from scangrade import __version__
from scangrade.cli import main
from scangrade.grade import grade
from scangrade.terminal import progress_bar
from tests.fake_reader import FakeReader, booklet, write_exam


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> Done:
        with pytest.raises(SystemExit) as stop:
            main.main([str(argument) for argument in arguments])
        code = stop.value.code
        assert isinstance(code, int)
        return Done(code, *capsys.readouterr())

    return call


@pytest.fixture
def exam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    monkeypatch.chdir(tmp_path)
    Path("scans").mkdir()
    Path("scans/room.pdf").write_text(booklet("01", "11", "AC", "B") + booklet("02", "12", "AC", "B"))
    monkeypatch.setattr("scangrade.grade.grade", functools.partial(grade, reader=FakeReader))
    return write_exam(Path("exam"))


def options(exam: dict[str, Path]) -> list[object]:
    return ["-l", exam["layout"], "-r", exam["rubric"], "-c", exam["roster"]]


def test_grade(run: Run, exam: dict[str, Path]) -> None:
    done = run("grade", "scans", *options(exam), "--out", "run", "--workers", 1)
    assert done.code == 0
    assert done.out == ""
    assert "Pages     4 in = 4 read + 0 set aside" in done.err
    assert "Booklets  2, 2 of them matched to a student (3 on the roster)" in done.err
    assert "Files     run/gradebook.csv\n" in done.err
    assert done.err.rstrip().endswith("Next: open run/gradebook.csv")


def test_grade_with_flags(run: Run, exam: dict[str, Path]) -> None:
    Path("scans/more.pdf").write_text("1 03 n.1/1 n.2/3 q/A\nraise\n")
    done = run("grade", "scans", *options(exam), "--out", "run", "--workers", 1)
    assert done.code == 3
    assert "Pages     6 in = 5 read + 1 set aside" in done.err
    assert "page set aside" in done.err and "missing page" in done.err
    assert done.err.rstrip().endswith("Next: scangrade review run")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["grade", "nowhere.pdf", "-o", "run"], 2, "nowhere.pdf: no such file or folder."),
        (["grade", "scans", "-o", "exam/layout.toml"], 4, "exam/layout.toml: cannot be made"),
        (["grade", "scans", "-o", "run", "--workers", "0"], 2, "0 is not in the range x>=1"),
        (["grade", "scans"], 2, "Missing option '--out'"),
        (["grade", "-o", "run"], 2, "Missing argument 'SCAN...'"),
        (["grade", "scans", "-o", "run", "--layout", "nowhere.toml"], 2, "nowhere.toml: no such file."),
    ],
)
def test_wrong_use(run: Run, exam: dict[str, Path], arguments: list[str], code: int, words: str) -> None:
    done = run(arguments[0], *options(exam), *arguments[1:])
    assert done.code == code
    assert words in done.err
    assert "Traceback" not in done.err
    assert done.out == ""
    assert not Path("run").exists()


def test_grade_without_a_roster(run: Run, exam: dict[str, Path]) -> None:
    done = run("grade", "scans", "-l", exam["layout"], "-r", exam["rubric"], "--out", "run", "--workers", 1)
    assert "Booklets  2, no roster to match them with\n" in done.err


def test_grade_where_no_page_can_be_read(run: Run, exam: dict[str, Path]) -> None:
    Path("other.pdf").write_text("raise\nraise\n")
    done = run("grade", "other.pdf", *options(exam), "--out", "run", "--workers", 1)
    assert done.code == 3
    assert "No page could be read; run/pages.csv says why. Are these scans of this form?" in done.err
    assert done.err.rstrip().endswith("Next: scangrade layout preview LAYOUT SCAN --output boxes.png")


def test_layout_and_rubric_in_each_other_s_place(run: Run, exam: dict[str, Path]) -> None:
    done = run("check", "-l", exam["rubric"], "-r", exam["layout"])
    assert done.code == 2
    assert done.out.splitlines() == [
        "error: exam/rubric.toml: this is a rubric, not a layout. Give the layout with `--layout`, and this file with `--rubric`.",
        "error: exam/layout.toml: this is a layout, not a rubric. Give the rubric with `--rubric`, and this file with `--layout`.",
    ]


def test_faulty_definitions_stop_grading(run: Run, exam: dict[str, Path]) -> None:
    exam["rubric"].write_text(exam["rubric"].read_text().replace("key =", "kye ="))
    done = run("grade", "scans", *options(exam), "-o", "run")
    assert done.code == 2
    assert "error: exam/rubric.toml" in done.err
    assert "Nothing can be graded with these." in done.err


def test_check(run: Run, exam: dict[str, Path]) -> None:
    done = run("check", *options(exam))
    assert (done.code, done.out, done.err) == (0, "", "No faults.\n")
    exam["layout"].write_text("colour = 'red'\n" + exam["layout"].read_text())
    exam["rubric"].write_text(exam["rubric"].read_text().replace("key =", "kye ="))
    done = run("check", *options(exam))
    assert done.code == 2
    assert "error: exam/layout.toml:1, colour" in done.out
    assert "exam/rubric.toml" in done.out
    assert "3 errors, 2 warnings." in done.err


def test_a_fault_of_ours(run: Run, exam: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("scangrade.grade.grade", broken)
    done = run("grade", "scans", *options(exam), "-o", "run")
    assert done.code == 1
    assert "ZeroDivisionError: oh" in done.err
    assert f"This is a fault of scangrade {__version__}, not yours." in done.err


def test_interrupted(run: Run, exam: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("scangrade.grade.grade", interrupted)
    done = run("grade", "scans", *options(exam), "-o", "run")
    assert done.code == 1
    assert done.err == "Interrupted. What was read is stored: run the same command again to go on.\n"


@pytest.mark.parametrize("before", [True, False])
def test_verbose(run: Run, exam: dict[str, Path], before: bool) -> None:
    arguments: list[object] = ["check", "-l", "nowhere.toml", "-r", exam["rubric"]]
    assert "Traceback" not in run(*arguments).err
    arguments.insert(0 if before else 1, "--verbose")
    done = run(*arguments)
    assert done.code == 2
    assert "Traceback" in done.err
    assert done.err.endswith("error: nowhere.toml: no such file. Check the name, or the folder you are in.\n")


@pytest.mark.parametrize(("arguments", "word"), [([], "fields"), (["--rubric"], "questions"), (["--exam"], "instructions")])
def test_schema(run: Run, arguments: list[str], word: str) -> None:
    done = run("layout", "schema", *arguments)
    assert done.code == 0
    assert word in json.loads(done.out)["properties"]


def test_preview(run: Run, exam: dict[str, Path]) -> None:
    done = run("layout", "preview", exam["layout"], "-o", "boxes.png")
    assert (done.code, done.out.split()) == (0, ["boxes-1.png", "boxes-2.png"])
    picture = cv2.imread("boxes-1.png")
    assert picture is not None
    assert picture.shape == (1754, 1240, 3)
    done = run("layout", "preview", exam["layout"], "-o", "boxes.png", "--page", 2)
    assert done.out.split() == ["boxes.png"]
    done = run("layout", "preview", exam["layout"], "-o", "boxes.png", "--page", 3)
    assert (done.code, done.out) == (2, "")
    assert "page 3: the layout has 2 pages only." in done.err
    done = run("layout", "preview", exam["layout"], "-o", "nowhere/boxes.png")
    assert (done.code, done.err.splitlines()[0]) == (
        4,
        "error: nowhere: no such folder. Make it first, or choose another place with `--output`.",
    )


def test_preview_over_what_is_no_scan_of_it(run: Run, exam: dict[str, Path]) -> None:
    cv2.imwrite("white.png", np.full((1754, 1240), 255, dtype=np.uint8))
    done = run("layout", "preview", exam["layout"], "white.png", "-o", "boxes.png")
    assert done.code == 2
    assert "white.png, page 1: blank" in done.err
    assert not Path("boxes.png").exists()


def test_demo_in_a_place_that_cannot_be_written(run: Run, exam: dict[str, Path]) -> None:
    done = run("demo", exam["layout"] / "try")
    assert done.code == 4
    assert done.err.startswith("error: exam/layout.toml/try: cannot be written: ")
    assert "Traceback" not in done.err


@pytest.mark.slow
def test_demo(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("demo", "try", "--workers", 1)
    assert done.code == 0
    assert "  scangrade grade try/scans --layout try/layout.toml" in done.err
    assert "Booklets  6," in done.err
    assert {path.name for path in Path("try/run").glob("*.csv")} == {
        "gradebook.csv",
        "scores.csv",
        "marks.csv",
        "flags.csv",
        "pages.csv",
    }
    done = run("demo", "try")
    assert done.code == 4
    assert "try: is there already." in done.err


def test_progress_shows_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for terminal in (False, True):
        monkeypatch.setattr("rich.console.Console.is_terminal", terminal)
        with progress_bar() as progress:
            progress.expect(3)
            progress.expect(4)
            progress.advance(2)
        out, err = capsys.readouterr()
        assert out == ""
        assert ("2/7" in err) == terminal


def test_help_and_version() -> None:
    for arguments in (["--help"], ["grade", "--help"], ["layout", "preview", "--help"]):
        done = subprocess.run([sys.executable, "-m", "scangrade", *arguments], capture_output=True, text=True, check=True)
        assert "Usage: scangrade" in done.stdout
    done = subprocess.run([sys.executable, "-m", "scangrade", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"scangrade, version {__version__}\n"
