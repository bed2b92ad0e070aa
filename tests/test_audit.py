"""The audit of a run: which boxes are drawn, their pictures, and the file that comes back filled."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from scangrade.audit import Drawn, draw_audit, read_audit
from scangrade.authoring.samples import make_demo
from scangrade.cli import main
from scangrade.errors import ExitCode, OutputError, UsageError
from scangrade.grade import grade
from scangrade.model import Box, Transform, Verdict
from scangrade.paper.crops import crop_box
from scangrade.run.filled import filled_rows
from scangrade.settings import AUDIT

Rows = list[list[str]]


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of sample booklets from one scanner, graded."""
    folder = tmp_path_factory.mktemp("demo")
    made = make_demo(folder)
    scan = folder / "scans" / "batch-1.pdf"
    assert scan.is_file()
    grade([scan], layout=made.layout, rubric=made.rubric, roster=made.roster, out=folder / "run", workers=0)
    made.layout.unlink()  # what the run has on record must do
    return folder


@pytest.fixture
def run(graded: Path, tmp_path: Path) -> Path:
    """A copy of the run, since a test may change it."""
    return Path(shutil.copytree(graded / "run", tmp_path / "run"))


@pytest.fixture
def drawn(run: Path) -> Drawn:
    return draw_audit(run, seed=7)


def rows_of(path: Path) -> Rows:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def save(path: Path, rows: Rows, *, encoding: str = "utf-8-sig", delimiter: str = ",") -> Path:
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    return path


def fill(drawn: Drawn, word: str = "same") -> Rows:
    rows = rows_of(drawn.table)
    column = rows[0].index("person_verdict")
    for row in rows[1:]:
        row[column] = word
    return rows


def test_only_undisputed_boxes_are_drawn(run: Path) -> None:
    marks = {tuple(row[:6]): (row[6], row[8]) for row in rows_of(run / "marks.csv")[1:]}
    disputed = [key for key, (_, flagged) in marks.items() if flagged == "true"]
    assert disputed
    # all marked boxes that are not flagged, since there are fewer of them than half of 400
    many = draw_audit(run, seed=1, size=400)
    assert sum(many.sample.populations.values()) == len(marks) - len(disputed)
    drawn = {tuple(row[1:7]): row[7] for row in rows_of(many.table)[1:]}
    assert len(drawn) == 400
    assert drawn.items() <= {key: verdict for key, (verdict, flagged) in marks.items() if flagged == "false"}.items()
    assert sum(verdict == "marked" for verdict in drawn.values()) == many.sample.populations[Verdict.MARKED]


def test_when_every_box_is_checked_the_share_is_known(run: Path) -> None:
    rows = rows_of(run / "marks.csv")
    few = [row for row in rows[1:] if row[8] == "false"][:12]
    save(run / "marks.csv", [rows[0], *few])
    drawn = draw_audit(run, seed=1)
    assert (drawn.bound, drawn.size_for_goal) == (0.0, None)
    filled = fill(drawn)
    filled[1][8] = "empty"
    assert read_audit(run, save(run / "filled.csv", filled)).bound == pytest.approx(1 / 12)


def test_the_file_to_fill(run: Path, drawn: Drawn) -> None:
    head, *rows = rows_of(drawn.table)
    assert head[:10] == [
        "number",
        "booklet",
        "page",
        "scan",
        "scan_page",
        "field",
        "box",
        "machine_verdict",
        "person_verdict",
        "remark",
    ]
    assert [row[0] for row in rows] == [str(number) for number in range(1, 61)]
    assert [row[7] for row in rows] == ["marked"] * 30 + ["empty"] * 30
    assert {(row[8], row[9]) for row in rows} == {("", "")}
    assert "seed 7" in rows[0][10]
    assert drawn.table == run / "audit-7" / "audit.csv"
    assert [path.name for path in drawn.sheets] == ["sheet-1.png", "sheet-2.png", "sheet-3.png"]


def test_the_same_seed_draws_the_same_sample(run: Path, drawn: Drawn) -> None:
    again = draw_audit(run, seed=7, out=run / "again")
    assert again.table.read_bytes() == drawn.table.read_bytes()
    assert [path.read_bytes() for path in again.sheets] == [path.read_bytes() for path in drawn.sheets]
    other = draw_audit(run, seed=8)
    assert other.table.read_bytes() != drawn.table.read_bytes()


def test_more_boxes_for_a_smaller_bound(run: Path, drawn: Drawn) -> None:
    assert drawn.bound >= AUDIT.goal
    assert drawn.size_for_goal is not None
    assert draw_audit(run, seed=7, size=drawn.size_for_goal, out=run / "more").bound < AUDIT.goal


def test_a_sample_is_never_written_over(run: Path, drawn: Drawn) -> None:
    with pytest.raises(OutputError, match=r"audit\.csv: is there already"):
        draw_audit(run, seed=7)


# --------------------------------------------------------------------------- pictures


def pictures(sheet: Path) -> list[NDArray[np.uint8]]:
    """The pictures of boxes on a sheet, found by the gray lines around them."""
    image = cv2.imread(str(sheet))
    assert image is not None
    line = np.all(image == 190, axis=2).astype(np.uint8)
    count, _, stats, _ = cv2.connectedComponentsWithStats(line, connectivity=8)
    side = AUDIT.crop_px + 2
    corners = [
        (int(stats[k, cv2.CC_STAT_TOP]), int(stats[k, cv2.CC_STAT_LEFT]))
        for k in range(1, count)
        if abs(stats[k, cv2.CC_STAT_WIDTH] - side) <= 1 and abs(stats[k, cv2.CC_STAT_HEIGHT] - side) <= 1
    ]
    return [np.asarray(image[y : y + side, x : x + side], dtype=np.uint8) for y, x in sorted(corners)]


def test_the_pictures_show_the_boxes(drawn: Drawn) -> None:
    shown = [picture for sheet in drawn.sheets for picture in pictures(sheet)]
    assert len(shown) == 60
    middle, reach = len(shown[0]) // 2, round(1.4 * AUDIT.crop_px / 14.6)  # 1.4 mm: well inside of boxes of 4 mm
    ink = [255 - float(one[middle - reach : middle + reach, middle - reach : middle + reach].mean()) for one in shown]
    of_marks = [one for one, mark in zip(ink, drawn.sample.marks, strict=True) if mark.verdict is Verdict.MARKED]
    of_empty = [one for one, mark in zip(ink, drawn.sample.marks, strict=True) if mark.verdict is Verdict.EMPTY]
    assert min(of_marks) > 33 > max(of_empty)


@pytest.mark.parametrize("turn", [0, 90])
def test_a_box_is_cut_out_upright_and_in_the_middle(turn: int) -> None:
    box = Box("q", "A", 1, 50, 30, 4, 4, 0.3)
    page = np.full((1000, 1000), 255, dtype=np.uint8)
    page[280:320, 480:520] = 0  # 10 pixels per mm, the first pixel's centre being 0, 0
    page[300:320, 480:520] = 100  # lower half
    matrix = np.array([[10, 0, -0.5], [0, 10, -0.5], [0, 0, 1]])
    if turn:
        page = np.asarray(cv2.rotate(page, cv2.ROTATE_90_CLOCKWISE), dtype=np.uint8)
        matrix = np.array([[0, -1, 999], [1, 0, 0], [0, 0, 1]]) @ matrix
    transform = Transform(tuple(float(one) for one in matrix.ravel()))
    crop = crop_box(page, transform, box, offset_mm=(0, 0), margin_mm=2.7, side_px=200)
    assert crop.pixels_per_mm == pytest.approx(20)
    assert crop.pixels[:58].min() == crop.pixels[:, :58].min() == crop.pixels[-58:].min() == crop.pixels[:, -58:].min() == 255
    assert (crop.pixels[62:98, 62:138] == 0).all()
    assert (crop.pixels[102:138, 62:138] == 100).all()
    moved = crop_box(page, transform, box, offset_mm=(1, 0), margin_mm=2.7, side_px=200)
    assert (moved.pixels[62:98, 42:118] == 0).all()
    assert (moved.pixels[:, 122:] == 255).all()


def test_a_scan_that_was_moved(graded: Path, run: Path, tmp_path: Path) -> None:
    scan = graded / "scans" / "batch-1.pdf"
    away = tmp_path / "attic" / "renamed.pdf"
    away.parent.mkdir()
    scan.rename(away)
    try:
        with pytest.raises(UsageError, match=r"not there any more, or changed:\n  .*batch-1\.pdf\n.*--scans"):
            draw_audit(run, seed=7)
        scan.write_bytes(b"something else")
        with pytest.raises(UsageError, match=r"batch-1\.pdf"):
            draw_audit(run, seed=7)
        with pytest.raises(UsageError, match=r"and not in .*run either"):
            (run / "x.pdf").write_bytes(b"no scan of this run")
            draw_audit(run, seed=7, scans=run)
        found = draw_audit(run, seed=7, scans=tmp_path / "attic")
    finally:
        away.rename(scan)
    assert len(pictures(found.sheets[0])) == 20


# --------------------------------------------------------------------------- the filled file


@pytest.mark.parametrize(("encoding", "delimiter"), [("utf-8-sig", ","), ("cp1252", ";"), ("utf-16", "\t")])
def test_a_filled_file_as_spreadsheets_save_it(run: Path, drawn: Drawn, encoding: str, delimiter: str) -> None:
    rows = fill(drawn, " Same ")
    for row in rows[1:]:  # what spreadsheets make of such cells
        row[1] = row[1].lstrip("0")
        row[5] = "02. Jan"
        row[9] = "schön, klar"
    rows[1:] = rows[:0:-1]
    found = read_audit(run, save(run / "filled.csv", [*rows, [""] * 11], encoding=encoding, delimiter=delimiter))
    assert (found.wrong, found.unfilled, found.exit_code) == ((), (), ExitCode.DECIDED)
    assert found.bound == drawn.bound
    assert [(kind.kind, kind.drawn, kind.wrong) for kind in found.kinds] == [("marked", 30, 0), ("empty", 30, 0)]
    # 0.05 ** (1 / 30) is what 30 right ones leave open
    assert [round(kind.bound, 4) for kind in found.kinds] == [0.095, 0.095]


def test_wrong_and_unfilled_boxes(run: Path, drawn: Drawn) -> None:
    rows = fill(drawn)
    rows[2][8], rows[3][8], rows[4][8], rows[5][8] = "MARKED", "empty", "undone", ""
    rows[3][9] = "only a dot"
    found = read_audit(run, save(run / "filled.csv", rows))
    assert [(one.number, one.person, one.remark) for one in found.wrong] == [
        (3, Verdict.EMPTY, "only a dot"),
        (4, Verdict.UNDONE, ""),
    ]
    assert found.wrong[0].mark == drawn.sample.marks[2]
    assert found.unfilled == (5,)
    assert found.exit_code is ExitCode.FLAGGED
    assert (found.kinds[0].wrong, found.kinds[0].unfilled) == (2, 1)
    assert found.bound > drawn.bound
    # a box that is not filled in counts as if it were wrong
    rows[5][8] = "empty"
    assert read_audit(run, save(run / "filled.csv", rows)).bound == found.bound


def test_faults_are_named_by_line(run: Path, drawn: Drawn) -> None:
    rows = fill(drawn)
    rows[1][8], rows[2][8], rows[3][0], rows[4][0] = "markd", "?", "61", "1"
    with pytest.raises(UsageError) as refused:
        read_audit(run, save(run / "filled.csv", rows))
    lines = str(refused.value).replace(f"{run}/", "").splitlines()
    assert lines == [
        "filled.csv: cannot be counted as it is.",
        "filled.csv:2: number 1: `markd` is no verdict. Did you mean `marked`?",
        "filled.csv:3: number 2: `?` is no verdict. Write marked, undone, empty or same, or leave it empty.",
        "filled.csv:4: `61` is no number of this sample; it has 1 to 60.",
        "filled.csv:5: number 1 is in line 2 already. Keep one of the two rows.",
        "filled.csv: the rows with these numbers are missing: 3, 4. Put them back.",
    ]


def _no_rows(rows: Rows) -> Rows:
    return rows[:1]


def _no_column(rows: Rows) -> Rows:
    return [["n", *rows[0][1:]], *rows[1:]]


def _mixed(rows: Rows) -> Rows:
    return [*rows[:-1], [*rows[-1][:-1], "seed 8 size 60 check 00000000"]]


def _no_sample(rows: Rows) -> Rows:
    return [rows[0], *([*row[:-1], "7"] for row in rows[1:])]


def _other_seed(rows: Rows) -> Rows:
    return [rows[0], *([*row[:-1], row[-1].replace("seed 7", "seed 8")] for row in rows[1:])]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_no_rows, "holds no row"),
        (_no_column, "filled.csv:1: there is no column `number`"),
        (_mixed, "mixes rows of several samples"),
        (_no_sample, "filled.csv:2: the column `sample` holds `7`"),
        (_other_seed, "is a sample of another run"),
    ],
)
def test_a_file_that_is_no_sample(run: Path, drawn: Drawn, spoil: Callable[[Rows], Rows], words: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_audit(run, save(run / "filled.csv", spoil(fill(drawn))))
    assert words in str(refused.value)


def test_a_run_that_changed_since(run: Path, drawn: Drawn) -> None:
    rows = rows_of(run / "marks.csv")
    place = next(n for n, row in enumerate(rows) if row[8] == "false")
    save(run / "marks.csv", rows[:place] + rows[place + 1 :])
    with pytest.raises(UsageError, match="undisputed boxes are others since it was drawn"):
        read_audit(run, save(run / "filled.csv", fill(drawn)))


def test_marks_that_are_not_of_this_run(run: Path) -> None:
    rows = rows_of(run / "marks.csv")
    save(run / "marks.csv", [rows[0], *([*row[:4], "nowhere", *row[5:]] for row in rows[1:])])
    with pytest.raises(UsageError, match=r"of nowhere in .* is none of this run's\. Run `scangrade grade` again"):
        draw_audit(run, seed=7)


def test_what_is_no_run(tmp_path: Path, run: Path) -> None:
    with pytest.raises(UsageError, match="no run of scangrade is in there"):
        draw_audit(tmp_path, seed=1)
    (run / "marks.csv").unlink()
    with pytest.raises(UsageError, match=r"marks\.csv: not there"):
        draw_audit(run, seed=1)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"PK\x03\x04", "is a spreadsheet, not a CSV file"),
        (b"sep=;\r\nb;c\r\n1;2\r\n", "t.csv:2: there is no column `a`"),
    ],
)
def test_what_is_no_table(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(UsageError, match=words):
        list(filled_rows(tmp_path / "t.csv", ["a"]))


def test_columns_by_name_and_rows_by_line(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b'sep=;\r\nB;A;x\r\n1;"two\r\nlines"\r\n;;\r\n3; 4 ;5\r\n')
    assert list(filled_rows(tmp_path / "t.csv", ["a", "x"])) == [(3, ("two\r\nlines", "")), (6, ("4", "5"))]


# --------------------------------------------------------------------------- the command


@dataclass(frozen=True)
class Done:
    code: object
    out: str
    err: str


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> Done:
    with pytest.raises(SystemExit) as stop:
        main.main(["audit", *(str(one) for one in arguments)])
    return Done(stop.value.code, *capsys.readouterr())


def test_the_command(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = call(capsys, run, "--seed", 7)
    assert done.code == 0
    assert [Path(line).name for line in done.out.splitlines()] == ["sheet-1.png", "sheet-2.png", "sheet-3.png", "audit.csv"]
    assert "with seed 7: 30 of " in done.err
    table = run / "audit-7" / "audit.csv"
    assert done.err.rstrip().endswith(f"Next: scangrade audit {run} --result {table}")
    done = call(capsys, run, "--result", table)
    assert done.code == 3
    assert "None of the 60 boxes is filled in yet" in done.out
    rows = rows_of(table)
    for row in rows[1:]:
        row[8] = "same"
    save(table, rows)
    done = call(capsys, run, "--result", table)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Checked 60 of 60 boxes: none wrong.\n\nOf all ")
    assert "30 marked" not in done.out and " 0 of 30 wrong: fewer than 9.6 in 100\n" in done.out
    rows[31][8], rows[32][8] = "marked", ""
    save(table, rows)
    done = call(capsys, run, "--result", table)
    assert done.code == 3
    assert "Checked 59 of 60 boxes: 1 wrong.\n  number 31: booklet " in done.out
    assert ": decided empty, is marked; " in done.out
    assert "  not filled in, and counted as wrong below: 32\n" in done.out
    assert " 1 of 30 wrong, 1 not filled in: fewer than " in done.out


def test_a_seed_of_its_own_each_time(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = call(capsys, run, "--size", 4, "--out", run / "here")
    assert done.code == 0
    assert "Drawn     4 of " in done.err and ", with seed " in done.err


def test_reading_back_takes_no_options_of_drawing(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = call(capsys, run, "--result", "audit.csv", "--seed", 3)
    assert done.code == 2
    assert "--result reads a sample back" in done.err
