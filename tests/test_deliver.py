"""Exports of a run, through the command: one file per system, filled, and our own files."""

from __future__ import annotations

import csv
import io
import itertools
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import openpyxl
import pytest

from scangrade.cli import main
from scangrade.deliver import FORMATS, OWN
from tests.export_run import BOOKLETS, GRADEBOOKS, OPEN, POINTS, RUBRIC, Booklet, make_run

CANVAS, MOODLE = GRADEBOOKS / "canvas.csv", GRADEBOOKS / "moodle-assignment.csv"
ABSENT, OPEN_STUDENT, STRANGER = "Willem van der Weide (1000003)", "Анна Котова (1000005)", "2000009"


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


Export = Callable[..., Done]


@pytest.fixture
def export(capfdbinary: pytest.CaptureFixture[bytes]) -> Export:
    def call(*arguments: object) -> Done:
        with pytest.raises(SystemExit) as stop:
            main.main(["export", *(str(one) for one in arguments)])
        assert isinstance(stop.value.code, int)
        out, err = capfdbinary.readouterr()
        return Done(stop.value.code, out.decode("latin-1"), err.decode())

    return call


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of which everything is decided."""
    return make_run(tmp_path_factory.mktemp("decided"))


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, with one more booklet of which a page is missing."""
    return make_run(tmp_path_factory.mktemp("waiting"), (*BOOKLETS, OPEN))


@dataclass(frozen=True)
class System:
    """A file, how to fill it, and how to read it back without our own code."""

    file: str
    options: tuple[str, ...]
    encoding: str
    delimiter: str
    id: str
    grade: str
    decimal: str = "."
    by_email: bool = False


SYSTEMS = [
    System("canvas.csv", ("--column", "Mid-term"), "utf-8", ",", "SIS User ID", "Mid-term (4312)"),
    System("moodle-assignment.csv", (), "utf-8-sig", ",", "ID number", "Grade"),
    System("moodle-assignment-de.csv", (), "utf-8-sig", ",", "ID-Nummer", "Bewertung", ","),
    System("moodle-gradebook.csv", ("--column", "Mid-term"), "utf-8", ",", "ID number", "Assignment: Mid-term (Real)"),
    System(
        "brightspace.csv",
        ("--column", "Mid-term"),
        "utf-8-sig",
        ",",
        "OrgDefinedId",
        "Mid-term Points Grade <Numeric MaxPoints:6 Weight:100>",
    ),
    System("blackboard.xls", ("--column", "409586"), "utf-16", "\t", "Student ID", "Mid-term [Total Pts: 6 Score] |409586"),
    System("campusonline.csv", ("--value", "points"), "cp1252", ";", "REGISTRATION_NUMBER", "TOTAL_POINTS", ","),
]
ids = [system.file for system in SYSTEMS]


def table(raw: bytes, system: System) -> list[dict[str, str]]:
    text = raw.decode(system.encoding)
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=system.delimiter))


@pytest.mark.parametrize("system", SYSTEMS, ids=ids)
def test_each_system(system: System, decided: Path, tmp_path: Path, export: Export) -> None:
    """What is written reads back to the same points, and every other cell is the same."""
    source, out = GRADEBOOKS / system.file, tmp_path / f"filled{Path(system.file).suffix}"
    done = export(decided, "--format", "auto", "--fill", source, "-o", out, *system.options)
    assert (done.code, done.out) == (0, "")
    before, after = table(source.read_bytes(), system), table(out.read_bytes(), system)
    written = {
        row[system.id].lstrip("#"): row[system.grade].replace(system.decimal, ".")
        for row, old in zip(after, before, strict=True)
        if row[system.grade] != old[system.grade]
    }
    assert written == POINTS
    for row, old in zip(after, before, strict=True):
        assert {**row, system.grade: ""} == {**old, system.grade: ""}
    assert (
        f"= 5 written + 2 without a booklet + 1 not in this run{' + 3 no students' * ('canvas' in system.file)}\n" in done.err
    )
    assert f"  {ABSENT}, line " in done.err and f"  {STRANGER} " in done.err


def shared(one: str, other: str) -> int:
    """How many letters both begin with."""
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


@pytest.mark.parametrize("system", SYSTEMS, ids=ids)
def test_bytes_that_are_not_values(system: System, decided: Path, tmp_path: Path, export: Export) -> None:
    """The filled file is the exported one with short texts put in; filling it again changes nothing."""
    source = (GRADEBOOKS / system.file).read_bytes()
    out, again = (tmp_path / f"{name}{Path(system.file).suffix}" for name in ("filled", "again"))
    export(decided, "--format", "auto", "--fill", GRADEBOOKS / system.file, "-o", out, *system.options)
    codec = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le"}.get(system.encoding, system.encoding)  # so that the mark stays
    before, after = (raw.decode(codec).splitlines(keepends=True) for raw in (source, out.read_bytes()))
    put_in = []
    for old, new in zip(before, after, strict=True):
        start = shared(old, new)
        end = shared(old[start:][::-1], new[start:][::-1])
        assert old[start : len(old) - end] in ("", "-")
        put_in += [new[start : len(new) - end]] if new != old else []
    assert [one.strip('"').replace(",", ".") for one in put_in] == list(POINTS.values())
    done = export(decided, "--format", "auto", "--fill", out, "-o", again, *system.options)
    assert "5 with this value already" in done.err
    assert again.read_bytes() == out.read_bytes()


def test_a_workbook(decided: Path, tmp_path: Path, export: Export) -> None:
    out = tmp_path / "list.xlsx"
    done = export(decided, "-f", "tumonline", "--fill", GRADEBOOKS / "campusonline.xlsx", "-o", out, "--value", "points")
    assert done.code == 0
    sheet = openpyxl.load_workbook(out)["Prüfungsliste"]
    heads = [cell.value for cell in sheet[1]]
    rows = [dict(zip(heads, [cell.value for cell in row], strict=True)) for row in sheet.iter_rows(min_row=2)]
    points = {row["REGISTRATION_NUMBER"]: row["TOTAL_POINTS"] for row in rows if row["TOTAL_POINTS"] is not None}
    assert points == {number: float(one) for number, one in POINTS.items()}


def test_a_table_whose_heads_stand_in_the_eighth_row(decided: Path, tmp_path: Path, export: Export) -> None:
    """As OSIRIS makes it: what stands above names the course, and must stay."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in [["Cursus", "5204X"], *[["x"]] * 6, ["Studentnummer", "Naam", "", "Resultaat"]]:
        sheet.append(row)
    for number in POINTS:
        sheet.append([number, None, None, None])
    book.save(tmp_path / "osiris.xlsx")
    out = tmp_path / "filled.xlsx"
    arguments = ("-f", "table", "--fill", tmp_path / "osiris.xlsx", "-o", out, "--column", "Resultaat")
    done = export(decided, *arguments)
    assert done.code == 0
    assert "5 on the file = 5 written" in done.err and "students by Studentnummer" in done.err
    rows = [[cell.value for cell in row] for row in openpyxl.load_workbook(out)[sheet.title].iter_rows()]
    assert rows[0][:2] == ["Cursus", "5204X"] and rows[7] == ["Studentnummer", "Naam", None, "Resultaat"]
    assert {str(row[0]): row[3] for row in rows[8:]} == {number: float(points) for number, points in POINTS.items()}


@pytest.mark.parametrize("system", SYSTEMS[:2], ids=ids[:2])
def test_nothing_is_written_while_somebody_waits(system: System, waiting: Path, tmp_path: Path, export: Export) -> None:
    out = tmp_path / "filled.csv"
    options = ("--format", "auto", "--fill", GRADEBOOKS / system.file, "-o", out, *system.options)
    done = export(waiting, *options)
    assert done.code == 3
    assert not out.exists()
    assert f"Not decided yet:\n  {OPEN_STUDENT}, line " in done.err and "(booklet 06: 1 missing page)" in done.err
    assert "Nothing was written" in done.err and "5 ready" in done.err and "written +" not in done.err
    done = export(waiting, *options, "--only-decided")
    assert done.code == 3
    assert "5 written" in done.err and OPEN_STUDENT in done.err
    written = [row for row in table(out.read_bytes(), system) if row[system.id] == "1000005"]
    assert [row[system.grade] for row in written] == [""]


def test_to_standard_output(decided: Path, export: Export) -> None:
    done = export(decided, "-f", "blackboard", "--fill", GRADEBOOKS / "blackboard.xls", "-o", "-", "--column", "Mid-term")
    assert done.code == 0
    assert done.out.encode("latin-1").startswith(b'\xff\xfe"\x00L\x00')
    assert "Written   to standard output" in done.err


def test_a_decision_counts_at_once(waiting: Path, tmp_path: Path, export: Export) -> None:
    """A page that came in later: what is kept does not hold any more, and is derived again."""
    run = make_run(tmp_path / "later", (*BOOKLETS, Booklet("1000005", "A", "B")))
    done = export(run, "-f", "moodle-assignment", "--fill", GRADEBOOKS / "moodle-assignment.csv", "-o", tmp_path / "m.csv")
    assert (done.code, "6 written" in done.err) == (0, True)


# --------------------------------------------------------------------------- our own files


def test_wide_csv(waiting: Path, tmp_path: Path, export: Export) -> None:
    out = tmp_path / "grades.csv"
    done = export(waiting, "--format", "csv", "--output", out)
    assert done.code == 3
    assert "Rows      7 = 5 graded + 1 needs review + 1 absent\nWaiting   1 for a person's decision" in done.err
    assert out.read_bytes() == (waiting / "gradebook.csv").read_bytes()


def test_wide_csv_for_a_german_spreadsheet(decided: Path, tmp_path: Path, export: Export) -> None:
    out = tmp_path / "noten.csv"
    assert export(decided, "-f", "csv", "-o", out, "--decimal", "comma").code == 0
    rows = list(csv.reader(io.StringIO(out.read_text("utf-8-sig"), newline=""), delimiter=";"))
    assert rows[2] == [
        "0067890",
        "Øverås",
        "Søren Åge",
        "soverås@students.example.org",
        "02",
        "graded",
        *("2,5", "6", "2,5", "2,5", "2,5", "0"),
    ]


@pytest.mark.parametrize(("encoding", "codec"), [("utf-8", "utf-8"), ("utf-16", "utf-16"), ("utf-8-bom", "utf-8-sig")])
def test_encodings(encoding: str, codec: str, decided: Path, tmp_path: Path, export: Export) -> None:
    out = tmp_path / "grades.csv"
    assert export(decided, "-f", "csv", "-o", out, "--encoding", encoding, "--delimiter", "tab").code == 0
    assert "李\t小龙\t" in out.read_bytes().decode(codec)


def test_an_encoding_without_the_letters(decided: Path, tmp_path: Path, export: Export) -> None:
    out = tmp_path / "grades.csv"
    done = export(decided, "-f", "csv", "-o", out, "--encoding", "windows-1252")
    assert done.code == 2
    assert "error: --encoding windows-1252: Windows-1252 lacks '李', which stands in '1000001,李,小龙," in done.err
    assert not out.exists()


def test_long_csv(waiting: Path, tmp_path: Path, export: Export) -> None:
    out = tmp_path / "answers.csv"
    assert export(waiting, "-f", "csv-long", "-o", out).code == 3
    rows = list(csv.DictReader(io.StringIO(out.read_text("utf-8-sig"), newline="")))
    assert len(rows) == 2 * len((*BOOKLETS, OPEN))
    told = {(row["student_number"], row["question"]): row for row in rows}
    one = told["1000002", "q"]
    assert (one["points"], one["max_points"], one["marks_read"], one["marks"], one["decided_by"]) == (
        "1",
        "4",
        "A B",
        "A B",
        "machine",
    )
    assert one["rule"] == "per-alternative: marked A +2.5 B -1.5, sum 1"
    unread = told["1000005", "r"]
    assert (unread["points"], unread["points_low"], unread["points_high"], unread["marks"]) == ("", "0", "2", "")
    for number, points in POINTS.items():
        assert sum(float(told[number, name]["points"]) for name in "qr") == float(points)


def test_excel(waiting: Path, tmp_path: Path, export: Export) -> None:
    out = tmp_path / "grades.xlsx"
    assert export(waiting, "-f", "excel", "-o", out).code == 3
    book = openpyxl.load_workbook(out)
    assert book.sheetnames == ["Gradebook", "Questions", "About"]
    heads, *rows = [[cell.value for cell in row] for row in book["Gradebook"].iter_rows()]
    first = dict(zip(heads, rows[1], strict=True))
    assert (first["student_number"], first["booklet"], first["last_name"]) == ("0067890", "02", "Øverås")
    assert (first["points"], first["max_points"], first["q"]) == (2.5, 6, 2.5)
    assert [row[heads.index("points")] for row in rows] == [6, 2.5, 3.5, 3, None, 0, None]
    assert ("Exam", "Mid-term") in [tuple(cell.value for cell in row) for row in book["About"].iter_rows()]
    assert book["Questions"].max_row == 1 + 2 * len((*BOOKLETS, OPEN))


def test_names_that_would_run_as_formulas(tmp_path: Path, export: Export) -> None:
    roster = "student number,last name,first name\n0012345,=1+1,@SUM(A1)\n0067890,+49,-x\n"
    run = make_run(tmp_path / "exam", BOOKLETS[:2], roster)
    done = export(run, "-f", "excel", "-o", tmp_path / "g.xlsx")
    assert "warning: gradebook, column last_name: 2 values would run as a formula" in done.err
    cells = [cell for row in openpyxl.load_workbook(tmp_path / "g.xlsx")["Gradebook"].iter_rows() for cell in row]
    assert {cell.data_type for cell in cells} <= {"s", "n"}
    assert {"'=1+1", "'@SUM(A1)", "'+49", "'-x"} <= {cell.value for cell in cells}
    export(run, "-f", "csv-long", "-o", tmp_path / "g.csv")
    assert "0012345,'=1+1,'@SUM(A1),01" in (tmp_path / "g.csv").read_text("utf-8-sig")


def test_minus_points_stay_numbers(tmp_path: Path, export: Export) -> None:
    run = make_run(tmp_path / "exam", (Booklet("0012345", "B", ""),))
    export(run, "-f", "csv", "-o", tmp_path / "g.csv", "--decimal", "comma")
    assert ";graded;-1,5;6;-1,5;-1,5;-1,5;0\r\n" in (tmp_path / "g.csv").read_text("utf-8-sig").replace("\n", "\r\n")
    export(run, "-f", "excel", "-o", tmp_path / "g.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "g.xlsx")["Gradebook"]
    assert sheet["G2"].value == -1.5


# --------------------------------------------------------------------------- grades

SCALE = """
[scale]
kind = "steps"
points = [0, 3, 5]
grades = ["5.0", "2.3", "1.0"]
"""


@pytest.fixture(scope="module")
def scaled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose rubric gives grades."""
    return make_run(tmp_path_factory.mktemp("scaled"), rubric=RUBRIC + SCALE)


GRADES = {"0012345": "1.0", "0067890": "5.0", "1000001": "2.3", "1000002": "2.3", "1000004": "5.0"}


def test_grades_for_tumonline(scaled: Path, tmp_path: Path, export: Export) -> None:
    out = tmp_path / "list.csv"
    done = export(scaled, "-f", "tumonline", "--fill", GRADEBOOKS / "campusonline.csv", "-o", out)
    assert done.code == 0
    rows = table(out.read_bytes(), SYSTEMS[-1])
    grades = {row["REGISTRATION_NUMBER"]: row["GRADE"] for row in rows if row["GRADE"]}
    assert grades == {number: grade.replace(".", ",") for number, grade in GRADES.items()}
    assert {row["TOTAL_POINTS"] for row in rows} == {""}


def test_grades_in_our_own_files(scaled: Path, tmp_path: Path, export: Export) -> None:
    """Where all grades of the scale are numbers they are such, or 1.3 would be a date in a German spreadsheet."""
    assert export(scaled, "-f", "csv", "-o", tmp_path / "g.csv", "--decimal", "comma").code == 0
    rows = csv.DictReader(io.StringIO((tmp_path / "g.csv").read_text("utf-8-sig"), newline=""), delimiter=";")
    assert {row["student_number"]: row["grade"] for row in rows if row["grade"]} == {
        number: grade.replace(".", ",") for number, grade in GRADES.items()
    }
    export(scaled, "-f", "excel", "-o", tmp_path / "g.xlsx")
    heads, *cells = [
        [cell.value for cell in row] for row in openpyxl.load_workbook(tmp_path / "g.xlsx")["Gradebook"].iter_rows()
    ]
    assert [row[heads.index("grade")] for row in cells] == [1, 5, 2.3, 2.3, None, 5, None]


def test_grades_that_are_words(tmp_path: Path, export: Export) -> None:
    words = SCALE.replace("5.0", "fail").replace("2.3", "B-").replace("1.0", "A")
    run = make_run(tmp_path / "exam", rubric=RUBRIC + words)
    export(run, "-f", "excel", "-o", tmp_path / "g.xlsx")
    heads, *cells = [
        [cell.value for cell in row] for row in openpyxl.load_workbook(tmp_path / "g.xlsx")["Gradebook"].iter_rows()
    ]
    assert [row[heads.index("grade")] for row in cells] == ["A", "fail", "B-", "B-", None, "fail", None]
    done = export(run, "-f", "canvas", "--fill", CANVAS, "-o", tmp_path / "c.csv", "--column", "Mid", "--value", "grade")
    assert done.code == 0
    assert ",7.00,A,71.50" in (tmp_path / "c.csv").read_text("utf-8")


# --------------------------------------------------------------------------- wrong use


TUM = ["-f", "tumonline", "--fill", GRADEBOOKS / "campusonline.csv", "-o", "x.csv"]
INTO_CANVAS = ["-f", "canvas", "--fill", CANVAS, "-o", "x.csv"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["-f", "exel", "-o", "x.xlsx"], 2, "--format exel: there is no such format. Did you mean `excel`?"),
        (["-f", "canvas", "-o", "x.csv"], 2, "--format canvas: give the file that Canvas exported with `--fill FILE`"),
        (["-f", "auto", "-o", "x.csv"], 2, "--format auto: give the file that the learning system exported"),
        (["-f", "csv", "-o", "x.csv", "--fill", CANVAS], 2, "--format csv makes a file of its own. To fill"),
        (["-f", "csv", "-o", "x.csv", "--only-decided"], 2, "those options are for filling a file"),
        (["-f", "csv", "-o", "x.csv", "--column", "a"], 2, "those options are for filling a file"),
        (["-f", "csv", "-o", "x.xlsx"], 2, "--format csv makes a .csv file"),
        (["-f", "excel", "-o", "x.csv"], 2, "--format excel makes a .xlsx file"),
        (["-f", "excel", "-o", "x.xlsx", "--decimal", "comma"], 2, "a workbook has no delimiter, decimal sign or encoding"),
        ([*INTO_CANVAS, "--encoding", "utf-16"], 2, "keeps its own delimiter and encoding"),
        (["-f", "canvas", "--fill", "no.csv", "-o", "x.csv"], 2, "no.csv: cannot be read: No such file"),
        (["-f", "canvas", "--fill", CANVAS, "-o", "x.xls"], 2, "Let it end in .csv as well"),
        (
            ["-f", "canvas", "--fill", MOODLE, "-o", "x.csv"],
            2,
            "a file of Moodle (assignment worksheet). Use `--format moodle-",
        ),
        (["-f", "auto", "--fill", GRADEBOOKS / "README.md", "-o", "x.md"], 2, "is no file that we know"),
        (
            INTO_CANVAS,
            2,
            "Several columns can take the points: name one with `--column`.\n  Homework 1 (4311)\n  Mid-term (4312)",
        ),
        ([*INTO_CANVAS, "--column", "Final Grade"], 2, "--column Final Grade: Canvas takes no points in 'Final Grade'"),
        ([*INTO_CANVAS, "--column", "Quiz"], 2, "--column Quiz: no column is called so"),
        ([*INTO_CANVAS, "--column", "Homework"], 2, "counts to 10, the exam to 6: the same number would mean something else"),
        ([*INTO_CANVAS, "--column", "Mid", "--value", "grade"], 2, "the rubric has no grade scale"),
        (TUM, 2, "takes grades, and the rubric has no grade scale"),
        (["-f", "auto", "--fill", GRADEBOOKS / "moodle-anonymous.csv", "-o", "x.csv"], 2, "has none: reveal the identities"),
        (["-f", "csv", "-o", "nowhere/x.csv"], 4, "nowhere: there is no such folder"),
        (["-f", "csv", "-o", "."], 4, ".: is a folder"),
        (["-f", "csv", "-o", "/dev/null", "--force"], 4, "/dev/null: is no file that can be replaced"),
    ],
)
def test_wrong_use(
    decided: Path,
    tmp_path: Path,
    export: Export,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[object],
    code: int,
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = export(decided, *arguments)
    assert done.code == code
    assert words in done.err
    assert done.err.startswith("error: ") and done.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_workbook_that_canvas_would_not_take(decided: Path, tmp_path: Path, export: Export) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["Student", "ID", "SIS User ID", "Section", "Exam (7)"])
    book.save(tmp_path / "canvas.xlsx")
    for name in ("auto", "canvas"):
        done = export(decided, "-f", name, "--fill", tmp_path / "canvas.xlsx", "-o", tmp_path / "x.xlsx")
        assert (done.code, "is an Excel workbook, which Canvas does not take back" in done.err) == (2, True)


def test_without_a_class_list(tmp_path: Path, export: Export) -> None:
    """Numbers are certain without one; two booklets with one number are nobody's."""
    run = make_run(tmp_path / "exam", (*BOOKLETS[:3], BOOKLETS[2]), roster=None)
    out = tmp_path / "m.csv"
    done = export(run, "-f", "auto", "--fill", GRADEBOOKS / "moodle-assignment.csv", "-o", out, "--only-decided")
    assert done.code == 3
    assert "8 on the file = 2 written + 5 not in this run + 1 claimed by two booklets" in done.err
    assert "Claimed by two booklets:\n  1000001, line 4 (booklets 03 and 04)" in done.err


def test_a_booklet_of_which_nobody_knows_whose_it_is(tmp_path: Path, export: Export) -> None:
    run = make_run(tmp_path / "exam", (*BOOKLETS[:3], Booklet("1000007", "A", "B")))
    out = tmp_path / "m.csv"
    arguments = ("-f", "auto", "--fill", GRADEBOOKS / "moodle-assignment.csv", "-o", out)
    done = export(run, *arguments)
    assert (done.code, out.exists()) == (3, False)
    assert "Booklets of which nobody knows whose they are:\n  booklet 04 (1 unknown student)" in done.err
    assert "Others    1 = 1 nobody's" in done.err
    assert export(run, *arguments, "--only-decided").code == 3 and out.exists()


def test_a_student_who_is_not_on_the_file(tmp_path: Path, export: Export) -> None:
    run = make_run(tmp_path / "exam", BOOKLETS[:3])
    source = (GRADEBOOKS / "moodle-assignment.csv").read_text("utf-8-sig").replace("0067890", "0067809")
    (tmp_path / "m.csv").write_text(source, "utf-8-sig")
    done = export(run, "-f", "auto", "--fill", tmp_path / "m.csv", "-o", tmp_path / "x.csv")
    assert done.code == 3
    assert "2 written + 4 without a booklet + 1 not in this run + 1 with contradicting ids" in done.err
    assert "line 3 ('0067809' is nobody's, but another column is that of Søren Åge Øverås (0067890))\n" in done.err


def test_a_file_that_is_there(decided: Path, tmp_path: Path, export: Export) -> None:
    out = tmp_path / "grades.csv"
    out.write_text("somebody's work")
    done = export(decided, "-f", "csv", "-o", out)
    assert (done.code, out.read_text()) == (4, "somebody's work")
    assert f"{out}: is there already. Give another file with `-o`, or write over it with `--force`." in done.err
    assert export(decided, "-f", "csv", "-o", out, "--force").code == 0
    assert out.read_bytes() == (decided / "gradebook.csv").read_bytes()


def test_the_exported_file_itself(decided: Path, tmp_path: Path, export: Export) -> None:
    file = Path(shutil.copy(MOODLE, tmp_path))
    done = export(decided, "-f", "auto", "--fill", file, "-o", tmp_path / "." / file.name)
    assert (done.code, file.read_bytes()) == (4, MOODLE.read_bytes())
    assert "is the file to be filled" in done.err
    assert export(decided, "-f", "auto", "--fill", file, "-o", file, "--force").code == 0
    assert b",2.5,6.00," in file.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


@pytest.mark.parametrize("name", ["gradebook.csv", "flags.csv", "run.sqlite", "run.sqlite-wal", "run.lock"])
def test_the_run_s_own_files_are_kept(decided: Path, export: Export, name: str) -> None:
    done = export(decided, "-f", "csv", "-o", decided / name, "--force")
    assert (done.code, "is one of the run's own files" in done.err) == (4, True)


def test_what_is_no_run(tmp_path: Path, export: Export) -> None:
    done = export(tmp_path, "-f", "csv", "-o", tmp_path / "x.csv")
    assert (done.code, "no run of scangrade is in there" in done.err) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written(
    decided: Path, tmp_path: Path, export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("scangrade.run.files.os.fsync", full)
    done = export(decided, "-f", "csv", "-o", tmp_path / "x.csv")
    assert (done.code, "No space left on device" in done.err) == (4, True)
    assert list(tmp_path.iterdir()) == []


# --------------------------------------------------------------------------- documentation


def test_every_format_is_described() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    section = readme.split("## Handing over the grades")[1].split("\n## ")[0]
    assert [name for name in FORMATS if f"`{name}`" not in section] == []
    assert set(OWN) < set(FORMATS)


def test_every_resource_has_its_row() -> None:
    table_of_files = (GRADEBOOKS / "README.md").read_text(encoding="utf-8")
    assert [
        path.name for path in GRADEBOOKS.iterdir() if path.name != "README.md" and f"| `{path.name}` |" not in table_of_files
    ] == []
