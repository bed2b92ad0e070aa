"""Points from a CSV file: taken in as decisions, all or none, every fault told with its line."""

from __future__ import annotations

import csv
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from scangrade.errors import ExitCode, PointsError, UsageError
from scangrade.grade import grade
from scangrade.grades.by_hand import criteria_of, criteria_value, given_points, given_words, points_in
from scangrade.model import Criterion, Policy, Topic
from scangrade.opening import open_run
from scangrade.points import take_points
from scangrade.regrade import regrade
from scangrade.run.journal import Journal
from tests.fake_reader import FakeReader, booklet, write_exam
from tests.records import question
from tests.test_cli import Run, run  # noqa: F401 - a fixture

OPEN = """
[questions.o]
policy = "open"
points = 5
criteria = [{ id = "idea", points = 1.5 }, { id = "proof", points = 3.5 }, { id = "units", points = -1 }]

[questions.p]
policy = "open"
points = 3
"""


@pytest.fixture
def exam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """A run of two booklets with certain students, one without, and two open questions."""
    monkeypatch.chdir(tmp_path)
    paths = write_exam(Path("exam"))
    paths["rubric"].write_text(paths["rubric"].read_text().replace("total = 6", "total = 14") + OPEN)
    text = booklet("01", "11", "AC", "B") + booklet("02", "12", "AB", "B") + booklet("03", "99", "A", "C")
    Path("room.pdf").write_text(text)
    grade([Path("room.pdf")], **{**paths, "out": Path("run"), "workers": 0, "reader": FakeReader})  # type: ignore[arg-type]
    return paths


def given(text: str, name: str = "points.csv") -> Path:
    Path(name).write_text(text, encoding="utf-8")
    return Path(name)


def rows(name: str = "gradebook.csv") -> list[dict[str, str]]:
    with (Path("run") / name).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def points() -> dict[str, tuple[str, str, str]]:
    return {row["booklet"]: (row["o"], row["p"], row["points"]) for row in rows() if row["booklet"]}


def faults(text: str) -> list[str]:
    before = Path("run/gradebook.csv").read_bytes()
    with pytest.raises(PointsError) as caught:
        take_points(Path("run"), given(text), reviewer="Ada")
    with open_run(Path("run"), writes=()) as store:
        assert Journal(store).entries() == ()
    assert Path("run/gradebook.csv").read_bytes() == before
    return [str(issue).removeprefix("points.csv:") for issue in caught.value.issues]


def test_a_column_per_question(exam: dict[str, Path]) -> None:
    done = take_points(Path("run"), given('student_number,o,p\n11,2.5,3\n12,"0,5",7/3\n'), reviewer="Ada")
    assert (done.taken, done.same, done.waiting) == (4, 0, 1)
    assert points() == {"01": ("2.5", "3", "11.5"), "02": ("0.5", "2.33", "4.83"), "03": ("", "", "")}
    scores = {(row["booklet"], row["id"]): row["rule"] for row in rows("scores.csv")}
    assert scores["02", "p"] == "by hand: 7/3 by Ada"
    with open_run(Path("run"), writes=()) as store:
        entries = Journal(store).entries()
    assert {(one.reviewer, one.topic, one.machine, one.scan) for one in entries if one.item == "p"} == {
        ("Ada", Topic.POINTS, "0 to 3", "room.pdf")
    }
    assert len({one.group for one in entries}) == 1  # undone in one step
    assert all(one.made.startswith("20") for one in entries)


def test_a_filled_gradebook_goes_back_in(exam: dict[str, Path]) -> None:
    table = rows()
    for row in table:
        if row["booklet"]:
            row |= {"o": "5", "p": "1"}
    with Path("filled.csv").open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(table[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(one for one in table if one["booklet"])
    done = take_points(Path("run"), Path("filled.csv"), reviewer="Ada")
    assert (done.taken, done.same, done.exit_code) == (6, 6, ExitCode.FLAGGED)  # 03 is nobody's
    assert points() == {"01": ("5", "1", "12"), "02": ("5", "1", "8"), "03": ("5", "1", "6")}
    again = take_points(Path("run"), Path("filled.csv"), reviewer="Ada")
    assert (again.taken, again.same, again.changes) == (0, 12, ())


def test_criteria_by_column_and_by_row(exam: dict[str, Path]) -> None:
    wide = "booklet,o:idea,o:proof,o:units,p\n1,x,,,\n02,1,1,1,\n03,0,,,2\n"  # a spreadsheet took the zero off 01
    take_points(Path("run"), given(wide), reviewer="Ada")
    assert {name: worth[:2] for name, worth in points().items()} == {"01": ("1.5", ""), "02": ("4", ""), "03": ("0", "2")}
    long = "booklet,question,points,criteria,remark\n01,o,,idea proof,neat\n02,p,1,,\n"
    done = take_points(Path("run"), given(long), reviewer="Ada")
    assert done.taken == 2
    assert points()["01"][0] == "5"
    rules = {(row["booklet"], row["id"]): row["rule"] for row in rows("scores.csv")}
    assert rules["01", "o"] == "by hand: 5 (idea, proof) by Ada (neat)"
    assert rules["03", "o"] == "by hand: 0 (no criterion met) by Ada"


def test_criteria_are_summed_anew_when_the_rubric_changes(exam: dict[str, Path]) -> None:
    take_points(Path("run"), given("booklet,question,criteria\n01,o,idea proof\n02,o,idea\n"), reviewer="Ada")
    exam["rubric"].write_text(exam["rubric"].read_text().replace('"idea", points = 1.5', '"idea", points = 1'))
    regrade(Path("run"))
    assert [points()[one][0] for one in ("01", "02")] == ["4.5", "1"]
    exam["rubric"].write_text(exam["rubric"].read_text().replace('"proof"', '"lemma"'))
    regrade(Path("run"))
    assert [points()[one][0] for one in ("01", "02")] == ["", "1"]
    (flag,) = (row for row in rows("flags.csv") if row["kind"] == "credit")
    assert "rest on criteria that the rubric does not have any more" in flag["detail"]


def test_two_who_differ_are_a_disagreement_until_it_is_settled(exam: dict[str, Path]) -> None:
    text = "booklet,o,p\n01,2,1\n"
    take_points(Path("run"), given(text), reviewer="Ada")
    done = take_points(Path("run"), given("booklet,o,p\n01,3,1\n"), reviewer="Bo")
    assert (done.taken, done.same) == (1, 1)
    assert points()["01"] == ("", "1", "")
    (flag,) = (row for row in rows("flags.csv") if row["kind"] == "disagreement")
    assert "2 by Ada; 3 by Bo" in flag["detail"]
    take_points(Path("run"), given("booklet,o\n01,2.5\n"), reviewer="Cy", settles=True)
    assert points()["01"] == ("2.5", "1", "9.5")


def test_grading_again_keeps_them(exam: dict[str, Path]) -> None:
    take_points(Path("run"), given("booklet,o,p\n01,2,1\n"), reviewer="Ada")
    grade([Path("room.pdf")], **{**exam, "out": Path("run"), "workers": 0, "reader": FakeReader})  # type: ignore[arg-type]
    assert points()["01"] == ("2", "1", "9")


def test_every_fault_has_its_line(exam: dict[str, Path]) -> None:
    wide = (
        "student_number,booklet,o,p,q,o:idea\n"
        "77,,1,,,\n"  # nobody
        ",07,1,,,\n"  # no such booklet
        "12,01,1,,,\n"  # another's
        ",,1,,,\n"
        "11,,5.5,,,\n"  # out of range
        "11,,-1,,,\n"
        "11,,two,,,\n"
        "11,,,1,3,\n"  # q is scored by its marks
        "11,,1,,,x\n"  # both
        "12,,1,,,\n"
        "12,,2,,,\n"  # another number than in the line before
        "12,,,,4,maybe\n"
    )
    assert faults(wide) == [
        "2: no booklet is certain to be of student `77`. Give the booklet, or decide whose it is in the review.",
        "3: there is no booklet `07`.",
        "4: booklet 01 is of student 11, not 12. Correct one of them.",
        "5: it is not said whose points these are. Give the booklet or the student number.",
        "6: question o is worth 0 to 5 points, not 5.5. Correct the cell, or the rubric if that is wrong.",
        "7: question o is worth 0 to 5 points, not -1. Correct the cell, or the rubric if that is wrong.",
        "8: question o: `two` is no number of points. Write 3.5 or 7/2.",
        "9: question q is scored by its marks (all-or-nothing), which give booklet 01 4 points, not 3."
        " Leave it as it was or blank; decide marks with `scangrade review`.",
        "10: question o has both points and criteria. Keep one of them.",
        "12: booklet 02, question o: 2 here, but 1 in line 11. Keep one of them.",
        "13: column `o:idea` holds `maybe`. Write x where the criterion is met, 0 where not.",
        "13: question q is scored by its marks (all-or-nothing), which give booklet 02 0 points, not 4."
        " Leave it as it was or blank; decide marks with `scangrade review`.",
    ]


def test_unknown_columns_questions_and_criteria(exam: dict[str, Path]) -> None:
    assert faults("booklet,o:idee,oo,grade,part:1\n01,x,1,7,3\n") == [
        "1: question o has no criterion `idee`. Did you mean `idea`?",
        "1: the column `oo` is no question of the rubric. Did you mean `o`?",
    ]
    assert faults("booklet,question,criteria\n01,x,idea\n02,o,idea prof\n03,p,idea\n") == [
        "2: there is no question `x`.",
        "3: question o has no criterion `prof`. Did you mean `proof`?",
        "4: question p has no criterion `idea`. It has none.",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,o\nAsh,1\n", "points.csv:1: no column says whose points these are"),
        ("booklet,question\n01,o\n", "points.csv:1: there is neither a column `points` nor `criteria`."),
        ("booklet,o,o\n01,1,2\n", "points.csv:1: there are two columns `o`."),
        ("", "points.csv: is empty."),
    ],
)
def test_a_file_that_cannot_be_understood(exam: dict[str, Path], text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        take_points(Path("run"), given(text), reviewer="Ada")
    assert said in str(caught.value)


def test_points_for_a_void_question_are_refused(exam: dict[str, Path]) -> None:
    exam["rubric"].write_text(exam["rubric"].read_text() + 'void = "out"\n')
    regrade(Path("run"))
    assert faults("booklet,p\n01,2\n") == [
        "2: question p is void in the rubric, so points for it count for nothing. Leave it blank."
    ]


def test_a_student_with_two_booklets_is_named_by_the_booklet(exam: dict[str, Path]) -> None:
    Path("more.pdf").write_text(booklet("04", "11", "A", "B"))
    grade([Path("more.pdf")], **{**exam, "out": Path("run"), "workers": 0, "reader": FakeReader})  # type: ignore[arg-type]
    assert faults("student_number,o\n11,2\n") == ["2: student 11 has more than one booklet: 01, 04. Give the booklet."]


# --------------------------------------------------------------------------- the command


def test_command(run: Run, exam: dict[str, Path]) -> None:  # noqa: F811 - the fixture
    done = run("points", "run", given("booklet,o,p\n01,2,1\n"), "--reviewer", "Ada")
    assert done.code == 3
    assert done.out.splitlines()[1].startswith("11,Ash,Ann,01,,9,,6,14,9,9,")
    assert "Taken     2 from points.csv, as given by Ada" in done.err
    assert "of 2 booklets the points are not certain yet" in done.err
    done = run("points", "run", given("booklet,o,p\n01,9,1\n"), "--reviewer", "Ada")
    assert (done.code, done.out) == (2, "")
    assert "error: points.csv:2: question o is worth 0 to 5 points, not 9." in done.err
    assert "1 error, 0 warnings. Nothing was taken in: correct the file, and give it again." in done.err
    done = run("points", "run", "points.csv", "--reviewer", " ")
    assert (done.code, "The reviewer has no name." in done.err) == (2, True)
    done = run("points", "exam", "points.csv", "--reviewer", "Ada")
    assert (done.code, "no run of scangrade is in there" in done.err) == (2, True)
    done = run("points", "run", "nowhere.csv", "--reviewer", "Ada")
    assert (done.code, "nowhere.csv: cannot be read" in done.err) == (2, True)


# --------------------------------------------------------------------------- what people say


def test_what_was_said_becomes_points() -> None:
    criteria = (Criterion("b", "", Fraction(2)), Criterion("a", "", Fraction(1)))
    asked = question("1", Policy.OPEN, 3, criteria=criteria, floor=Fraction(0))
    assert criteria_value(asked, ["a", "b", "a"]) == "criteria b a"
    assert (criteria_of("criteria b a"), criteria_of("criteria"), criteria_of("7/2")) == (("b", "a"), (), None)
    assert [given_points(one, asked) for one in ("criteria b a", "criteria", "7/2", "criteria c")] == [
        3,
        0,
        Fraction(7, 2),
        None,
    ]
    assert given_words("criteria c", replace(asked, criteria=())) == "? (c)"
    with pytest.raises(KeyError):
        criteria_value(asked, ["c"])


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("3", "3"),
        ("3,5", "3.5"),
        ("-0.25", "-0.25"),
        ("7/2", "7/2"),
        ("7/0", None),
        ("1e3", None),
        ("", None),
        ("3.", None),
        ("½", None),
    ],
)
def test_numbers_as_people_write_them(text: str, points: str | None) -> None:
    assert points_in(text) == (None if points is None else Fraction(points))
