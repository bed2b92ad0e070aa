"""Which value goes into which cell of another system's file, and who is left out and why."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pytest

from scangrade.errors import UsageError
from scangrade.export.account import account
from scangrade.export.delimited import DelimitedText, read_delimited
from scangrade.export.dialects import (
    BLACKBOARD,
    BRIGHTSPACE,
    BY_NAME,
    CAMPUSONLINE,
    CANVAS,
    DIALECTS,
    MOODLE_ASSIGNMENT,
    MOODLE_GRADEBOOK,
    TABLE,
    Dialect,
    Quantity,
    recognise,
)
from scangrade.export.fill import UNDECIDED, ExamPoints, Filled, FillOptions, Outcome, fill
from scangrade.export.match import alike
from scangrade.export.results import Result
from scangrade.grades.gradebook import Status
from scangrade.grades.rounding import rounded
from scangrade.model import Student

ADA = Student("0012345", "Moorland", "Ada", "ada@example.org")
BO = Student("0067890", "Silverbeck", "Bo", "bo@example.org")
CY = Student("0099999", "Tannwald", "Cy", "cy@example.org")


def result(student: Student | None, points: str | None, *, status: Status = Status.GRADED, grade: str = "") -> Result:
    exact = None if points is None else Fraction(points)
    return Result(status, student, f"b{student.number if student else 0}", exact, grade=grade)


def exam(total: str = "6", *, places: int = 2, has_grades: bool = False) -> ExamPoints:
    return ExamPoints(Fraction(total), places, functools.partial(rounded, places=places), has_grades)


def moodle(*rows: str, maximum: str = "6.00", changeable: str = "Yes") -> DelimitedText:
    """A worksheet; each row is id number, name, e-mail and grade."""
    head = "Identifier,ID number,Full name,Email address,Grade,Maximum grade,Grade can be changed,Last modified (grade)"
    lines = [f"Participant {n},{row},{maximum},{changeable},-" for n, row in enumerate(rows, start=1)]
    return table("\n".join([head, *lines]))


def table(text: str) -> DelimitedText:
    return read_delimited(text.encode(), "file.csv", known=lambda heads: recognise(heads) is not None)


A, B, C = (f"{one.number},{one.first_name} {one.last_name},{one.email}" for one in (ADA, BO, CY))


def filled(file: DelimitedText, *results: Result, dialect: Dialect = MOODLE_ASSIGNMENT, points: ExamPoints | None = None,
           **options: object) -> Filled:  # fmt: skip
    return fill(file, dialect, results, points or exam(), FillOptions(**options))  # type: ignore[arg-type]


def outcomes(made: Filled) -> dict[Outcome, list[str]]:
    found: dict[Outcome, list[str]] = {}
    for one in made.handled:
        found.setdefault(one.outcome, []).append(one.told)
    return found


def texts(made: Filled) -> dict[int, str]:
    return {row: value.shown(made.decimal) for (row, _), value in made.values.items()}


# --------------------------------------------------------------------------- values


@pytest.mark.parametrize(
    ("points", "places", "text"),
    [("7/3", 2, "2.33"), ("1.005", 2, "1.01"), ("2.5", 0, "3"), ("-0.001", 2, "0"), ("6", 2, "6"), ("1/3", 3, "0.333")],
)
def test_points_are_rounded_half_up_once(points: str, places: int, text: str) -> None:
    made = filled(moodle(f"{A},"), result(ADA, points), points=exam(places=places))
    assert texts(made) == {1: text}


def test_scaled_and_percent_are_converted_from_exact_points() -> None:
    """2/3 of 6 points: rounded before it is converted, 11.17 would come out of 100."""
    hundred = moodle(f"{A},", maximum="100.00")
    assert texts(filled(hundred, result(ADA, "2/3"), quantity=Quantity.SCALED)) == {1: "11.11"}
    assert texts(filled(hundred, result(ADA, "2/3"), quantity=Quantity.PERCENT)) == {1: "11.11"}
    with pytest.raises(UsageError, match=r"counts to 100, the exam to 6: .* `--value scaled`"):
        filled(hundred, result(ADA, "2/3"))
    with pytest.raises(UsageError, match="counts to 6, a percentage to 100"):
        filled(moodle(f"{A},"), result(ADA, "2/3"), quantity=Quantity.PERCENT)


def test_the_decimal_sign_is_the_file_s() -> None:
    for there, decimal, wanted, text in [
        ("6.00", "", "", "2.5"),
        ('"6,00"', "", "", "2,5"),
        ("6", "", "", "2.5"),
        ("6", "", ",", "2,5"),
        ("6", '"1,5"', "", "2.5"),
    ]:
        file = moodle(f"{A},", f"{B},{decimal}", maximum=there)
        made = filled(file, result(ADA, "2.5"), result(BO, "1.5"), decimal=wanted)
        assert texts(made)[1] == ("2,5" if decimal else text)


def test_the_decimal_sign_of_a_spreadsheet_s_country() -> None:
    head, row = "Student;ID;SIS User ID;Section;Quiz (3);Exam (7)", f"x;1;{ADA.number};S;7,25;"
    made = filled(table(f"{head}\n{row}\n"), result(ADA, "2.5"), dialect=CANVAS, column="Exam", trust_numbers=True)
    assert texts(made) == {1: "2,5"}
    comma = table(f"{head}\n{row}\n".replace(",", ".").replace(";", ","))
    assert texts(filled(comma, result(ADA, "2.5"), dialect=CANVAS, column="Exam", trust_numbers=True)) == {1: "2.5"}


def test_a_file_that_states_no_maximum_is_said() -> None:
    made = filled(table(f"ID number,Grade,Last modified (grade)\n{ADA.number},,-"), result(ADA, "1"))
    assert made.notes[0] == "The file does not say what 'Grade' counts to: it must be 6 there."


def test_a_maximum_that_is_no_decimal_number() -> None:
    assert texts(filled(moodle(f"{A},", maximum="33.33"), result(ADA, "1"), points=exam("100/3"))) == {1: "1"}
    with pytest.raises(UsageError, match=r"counts to 33, the exam to 33\.33"):
        filled(moodle(f"{A},", maximum="33"), result(ADA, "1"), points=exam("100/3"))


def test_what_a_terminal_would_obey_is_not_printed() -> None:
    made = filled(moodle(f"{A},", "77,\x1b[31mEve,e@x.org,"), result(ADA, "1"))
    assert "  77 ?[31mEve, line 3" in account(made, written=True)


def test_two_maxima() -> None:
    file = table(f"ID number,Grade,Maximum grade,Last modified (grade)\n{ADA.number},,6.00,-\n{BO.number},,10.00,-\n")
    with pytest.raises(UsageError, match="states more than one maximum for 'Grade': 6 and 10"):
        filled(file, result(ADA, "1"))


def test_a_scale_takes_no_points() -> None:
    file = table(f"ID number,Grade,Scale,Last modified (grade)\n{ADA.number},,good,-\n")
    with pytest.raises(UsageError, match="takes words of a scale"):
        filled(file, result(ADA, "1"))


def test_grades() -> None:
    head = "REGISTRATION_NUMBER;GRADE;DB_Primary_Key_Of_Exam"
    file = table(f'"{head}"\n'.replace(";", '";"') + f'"{ADA.number}";"";"7"\n"{BO.number}";"";"7"\n"{CY.number}";"";"7"\n')
    made = filled(
        file, result(ADA, "5", grade="1.3"), result(BO, "1", grade="N"), result(CY, "1"), dialect=CAMPUSONLINE,
        points=exam(has_grades=True),
    )  # fmt: skip
    assert (made.quantity, made.column, texts(made)) == (Quantity.GRADE, "GRADE", {1: "1,3", 2: "N"})
    assert outcomes(made)[Outcome.NO_GRADE] == ["Cy Tannwald (0099999)"]
    assert (
        file.filled(made.values, decimal=made.decimal)
        .decode()
        .endswith('"0012345";"1,3";"7"\n"0067890";"N";"7"\n"0099999";"";"7"\n')
    )


# --------------------------------------------------------------------------- out of range


def test_moodle_would_drop_points_below_0_and_above_the_maximum() -> None:
    file = moodle(f"{A},", f"{B},", f"{C},")
    results = [result(ADA, "-1.5"), result(BO, "7"), result(CY, "3")]
    with pytest.raises(UsageError) as refused:
        filled(file, *results)
    assert str(refused.value) == (
        "1 student has points below 0, which Moodle (assignment worksheet) would drop or change without a word. Write 0 for them with"
        " `--clamp`, or state it in the rubric (`floor`, `cap`):\n  Ada Moorland (0012345): -1.5"
    )
    with pytest.raises(UsageError, match=r"above the maximum(.|\n)*Bo Silverbeck \(0067890\): 7"):
        filled(file, *results[1:])
    made = filled(file, *results, clamp=True)
    assert texts(made) == {1: "0", 2: "6", 3: "3"}
    assert "0 was written for them (--clamp):\n  Ada Moorland (0012345): -1.5" in made.notes[0]
    assert "the maximum was written for them (--clamp):\n  Bo Silverbeck (0067890): 7" in made.notes[1]


def test_a_student_who_is_left_out_is_not_out_of_range() -> None:
    """An open booklet, or one whose row is locked, never gets a value; the others go on."""
    made = filled(moodle(f"{A},", f"{B},"), result(ADA, None, status=Status.NEEDS_REVIEW), result(BO, "2"))
    assert texts(made) == {2: "2"}


def test_canvas_takes_points_out_of_range_and_brightspace_caps_them() -> None:
    canvas = table(f"Student,ID,SIS User ID,Section,Exam (7)\n    Points Possible,,,,6\nx,1,{ADA.number},s,\n")
    assert texts(filled(canvas, result(ADA, "-1"), dialect=CANVAS, trust_numbers=True)) == {2: "-1"}
    brightspace = table(
        f"OrgDefinedId,Exam Points Grade <Numeric MaxPoints:6 Weight:10>,End-of-Line Indicator\n#{ADA.number},,#\n"
    )
    with pytest.raises(UsageError, match="Brightspace would drop or change"):
        filled(brightspace, result(ADA, "6.5"), dialect=BRIGHTSPACE)
    made = filled(brightspace, result(ADA, "-1"), dialect=BRIGHTSPACE)
    assert "how Brightspace takes that is not documented" in made.notes[0] and texts(made) == {1: "-1"}


# --------------------------------------------------------------------------- who is who


def test_undecided_students_get_nothing() -> None:
    made = filled(
        moodle(f"{A},", f"{B},"),
        result(ADA, None, status=Status.NEEDS_REVIEW),
        Result(Status.DUPLICATE, BO, "b1", Fraction(1)),
        Result(Status.DUPLICATE, BO, "b2", Fraction(2)),
        Result(Status.UNKNOWN_STUDENT, None, "b3", Fraction(3), waits_for="1 unknown student"),
    )
    assert made.values == {}
    assert outcomes(made) == {
        Outcome.OPEN: ["Ada Moorland (0012345)"],
        Outcome.CLAIMED: ["Bo Silverbeck (0067890)"],
        Outcome.NOBODYS: ["booklet b3"],
    }
    assert [one.detail for one in made.handled] == ["booklet b0012345", "booklets b1 and b2", "1 unknown student"]


def test_everybody_is_counted() -> None:
    absent = Result(Status.ABSENT, BO, "", None)
    made = filled(moodle(f"{A},", f"{B},", "0011111,Eve Other,eve@x.org,"), result(ADA, "1"), absent, result(CY, "2"))
    assert outcomes(made) == {
        Outcome.WRITTEN: ["Ada Moorland (0012345)"],
        Outcome.NO_BOOKLET: ["Bo Silverbeck (0067890)"],
        Outcome.STRANGER: ["0011111 Eve Other"],
        Outcome.NOT_ON_FILE: ["Cy Tannwald (0099999)"],
    }
    told = account(made, written=True)
    assert "Rows      3 on the file = 1 written + 1 without a booklet + 1 not in this run" in told
    assert "Others    1 = 1 not on the file" in told


def test_a_student_twice_on_the_file() -> None:
    made = filled(moodle(f"{A},", f"{B},", f"{A},"), result(ADA, "1"), result(BO, "2"))
    assert texts(made) == {2: "2"}
    assert [(one.line, one.detail) for one in made.handled if one.outcome is Outcome.TWICE] == [
        (2, "lines 2 and 4 are the same student's"),
        (4, "lines 2 and 4 are the same student's"),
    ]


def test_a_typo_in_the_number_is_said_and_never_guessed() -> None:
    for number, words in [
        ("0012354", "line 3 has 0012354: perhaps meant?"),  # two digits interchanged
        ("12345", "line 3 has 12345: a spreadsheet has dropped the zeros"),
    ]:
        file = table(f"ID number,Grade,Last modified (grade)\n{BO.number},,-\n{number},,-\n")
        made = filled(file, result(ADA, "1"), result(BO, "2"))
        assert texts(made) == {1: "2"}
        (missing,) = [one for one in made.handled if one.outcome is Outcome.NOT_ON_FILE]
        assert missing.told == "Ada Moorland (0012345)" and missing.detail.startswith(words)


def test_a_rounded_number() -> None:
    file = table(f'ID number,Grade,Last modified (grade)\n{BO.number},,-\n"1,2345E+06",,-\n')
    made = filled(file, result(BO, "2"))
    assert [one.detail for one in made.handled if one.outcome is Outcome.STRANGER] == [
        "a spreadsheet has rounded the number: export the file again, and do not save it there"
    ]


def test_ids_that_contradict_each_other() -> None:
    """The number is nobody's and the address is Ada's; or the number is Ada's and the address Bo's."""
    made = filled(
        moodle(f"0012349,Ada Moorland,{ADA.email},", f"{BO.number},Bo Silverbeck,{CY.email},", f"{C},"),
        result(ADA, "1"), result(BO, "2"), result(CY, "3"),
    )  # fmt: skip
    assert texts(made) == {3: "3"}
    assert [(one.line, one.detail) for one in made.handled if one.outcome is Outcome.CONFLICT] == [
        (2, "'0012349' is nobody's, but another column is that of Ada Moorland (0012345)"),
        (3, "one column is that of Cy Tannwald (0099999), another that of Bo Silverbeck (0067890)"),
    ]


def test_a_blank_number_beside_an_address() -> None:
    made = filled(moodle(f",Ada Moorland,{ADA.email.upper()},", f"{B},", f"{C},"), result(ADA, "1"), result(BO, "2"))
    assert texts(made) == {1: "1", 2: "2"}


def test_addresses_alone() -> None:
    file = table(f"Email address,Grade,Last modified (grade)\n{ADA.email},,-\n{BO.email.upper()},,-\n")
    made = filled(file, result(ADA, "1"), result(BO, "2"))
    assert (made.matched_by, texts(made)) == ("Email address", {1: "1", 2: "2"})


def test_another_address_of_the_same_student() -> None:
    """Most are known by their address; of one the file has another address, and the right number."""
    file = moodle(f"{ADA.number},Ada Moorland,moorland@x.org,", f",Bo Silverbeck,{BO.email},", f",Cy Tannwald,{CY.email},")
    made = filled(file, result(ADA, "1"), result(BO, "2"), result(CY, "3"))
    assert (made.matched_by, texts(made)) == ("Email address", {1: "1", 2: "2", 3: "3"})


def test_an_address_that_two_have_tells_nobody_apart() -> None:
    same = Student(BO.number, BO.last_name, BO.first_name, ADA.email)
    file = table(f"Email address,Grade,Last modified (grade)\n{ADA.email},,-\n{CY.email},,-\n")
    made = filled(file, result(ADA, "1"), result(same, "2"), result(CY, "3"))
    assert texts(made) == {2: "3"}


def test_another_name_beside_the_number() -> None:
    file = moodle(f"{ADA.number},Grace Hopper,g@x.org,", f"{B},")
    made = filled(file, result(ADA, "1"), result(BO, "2"))
    assert texts(made) == {2: "2"}
    (other,) = [one for one in made.handled if one.outcome is Outcome.OTHER_NAME]
    assert (other.told, other.detail) == ("0012345 Grace Hopper", "in this run it is Ada Moorland (0012345)")
    assert texts(filled(file, result(ADA, "1"), result(BO, "2"), trust_numbers=True)) == {1: "1", 2: "2"}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Ada Moorland", "Moorland, A.", True),
        ("Ada Moorland", "Ada Married-Name", True),
        ("Søren Åge Øverås", "Soren Age Overas", True),
        ("李小龙", "李 小龙", True),
        ("Анна Котова", "Anna Kotova", True),  # cannot be compared
        ("Анна Котова", "Иван Петров", False),
        ("Ada Moorland", "", True),
        ("A B", "C D", True),  # initials tell nothing
        ("Ada Moorland", "Grace Hopper", False),
        ("Nguyễn Văn An", "Van An Nguyen", True),
    ],
)
def test_names(one: str, other: str, same: bool) -> None:
    assert alike(one, other) is same and alike(other, one) is same


def test_ids_that_were_kept_from_spreadsheets() -> None:
    for cell in (f"#{ADA.number}", f'"=""{ADA.number}"""', f" {ADA.number} ", f"\u00a0{ADA.number}"):
        file = table(f"ID number,Grade,Last modified (grade)\n{cell},,-\n")
        assert texts(filled(file, result(ADA, "1"))) == {1: "1"}


def test_a_login_is_a_number_or_an_address() -> None:
    head = "Last Name,Username,Availability,Exam [Total Pts: 6 Score] |7"
    file = table(f"{head}\nx,{ADA.number},Yes,\nx,{BO.email},Yes,\nx,cy,Yes,\n")
    made = filled(file, result(ADA, "1"), result(BO, "2"), result(CY, "3"), dialect=BLACKBOARD, trust_numbers=True)
    assert texts(made) == {1: "1", 2: "2"}
    made = filled(
        file, result(ADA, "1"), result(BO, "2"), result(CY, "3"), dialect=BLACKBOARD, match="username", trust_numbers=True
    )
    assert texts(made) == {1: "1", 2: "2", 3: "3"}


def test_a_named_column_of_anonymous_submissions() -> None:
    """Where the class list has the participants' numbers."""
    someone = Student("4711")
    file = table("Identifier,Grade,Maximum grade,Last modified (grade)\nParticipant 4711,,6,-\nTeilnehmer/in4712,,6,-\n")
    made = filled(file, result(someone, "1"), result(Student("4712"), "2"), match="Identifier")
    assert (made.matched_by, texts(made)) == ("Identifier", {1: "1", 2: "2"})


def test_names_where_there_is_nothing_else() -> None:
    """Only if it is asked for, and only where one student has the name."""
    double = Student("0022222", "Silverbeck", "Bo")
    file = table('Student,ID,Section,Exam (7)\n"Moorland, Ada",1,S,\n"Silverbeck, Bo",2,S,\n"Tannwald, Cyril",3,S,\n')
    results = [result(one, "1") for one in (ADA, BO, CY, double)]
    with pytest.raises(UsageError, match="with `--match`"):
        filled(file, *results, dialect=CANVAS)
    made = filled(file, *results, dialect=CANVAS, match="Student")
    assert texts(made) == {1: "1"}
    assert outcomes(made)[Outcome.STRANGER] == ["Silverbeck, Bo", "Tannwald, Cyril"]


def test_an_open_student_who_is_not_on_the_file() -> None:
    """Of two courses with a file each, one need not wait for the other's students."""
    made = filled(moodle(f"{A},"), result(ADA, "1"), result(BO, None, status=Status.NEEDS_REVIEW))
    assert outcomes(made)[Outcome.NOT_ON_FILE] == ["Bo Silverbeck (0067890)"]
    assert made.count(*UNDECIDED) == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {},
            "None of the 1 rows is a student of this run: the file has for example '77' in the column 'ID number', the run '0012345'",
        ),
        ({"match": "Fullname"}, "--match Fullname: this column is not there. The file has 'ID number'"),
        ({"match": "Grade"}, "None of the 1 rows is a student"),
    ],
)
def test_a_file_of_other_students(options: dict[str, Any], words: str) -> None:
    file = table("ID number,Grade,Last modified (grade)\n77,,-\n")
    with pytest.raises(UsageError) as refused:
        filled(file, result(ADA, "1"), **options)
    assert words in str(refused.value)


def test_grades_are_not_written_over_ids() -> None:
    file = table(f"number,Grade\n{ADA.number},\n")
    with pytest.raises(UsageError, match="The column 'number' tells students apart"):
        filled(file, result(ADA, "1"), dialect=TABLE, column="number", match="number")


# --------------------------------------------------------------------------- cells


def test_another_value_stays() -> None:
    file = moodle(f"{A},5.00", f"{B},2.00", f"{C},EX")
    results = [result(ADA, "1"), result(BO, "2"), result(CY, "3")]
    made = filled(file, *results)
    assert made.values == {}
    assert outcomes(made) == {
        Outcome.OTHER_VALUE: ["Ada Moorland (0012345)", "Cy Tannwald (0099999)"],
        Outcome.SAME: ["Bo Silverbeck (0067890)"],
    }
    made = filled(file, *results, replace=True)
    assert texts(made) == {1: "1", 3: "3"}
    told = account(made, written=True)
    assert "  Ada Moorland (0012345), line 2: 1 (held 5.00)" in told and "  Cy Tannwald (0099999), line 4: 3 (held EX)" in told


def test_a_locked_grade() -> None:
    made = filled(moodle(f"{A},", changeable="No"), result(ADA, "1"))
    assert (made.values, list(outcomes(made))) == ({}, [Outcome.LOCKED])


def test_a_cell_with_the_delimiter_in_it() -> None:
    with pytest.raises(UsageError, match=r"file\.csv:2: the row has 9 cells, the head row 8"):
        filled(moodle(f"{ADA.number},Moorland,Ada,{ADA.email},"), result(ADA, "1"))
    with pytest.raises(UsageError, match=r"file\.csv:2: the row has 2 cells, the head row 3"):
        filled(table(f"ID number,Grade,Last modified (grade)\n{ADA.number},\n"), result(ADA, "1"))


def test_formulas_in_the_file_stay_and_are_said() -> None:
    file = moodle(f"{ADA.number},Ada =Moorland,{ADA.email},", f'{BO.number},"=HYPERLINK(""x"") Bo",{BO.email},-')
    made = filled(file, result(ADA, "1"), result(BO, "2"))
    assert len([note for note in made.notes if "would run as a formula" in note]) == 1
    assert "1 cell of the file would run as a formula in a spreadsheet, the first in line 3" in made.notes[-1]
    assert '"=HYPERLINK(""x"") Bo"' in file.filled(made.values, decimal=".").decode()


def test_a_file_that_a_spreadsheet_saved_is_said() -> None:
    file = table(f"OrgDefinedId;Exam Points Grade <Numeric MaxPoints:6>;End-of-Line Indicator\n#{ADA.number};;#\n")
    made = filled(file, result(ADA, "2.5"), dialect=BRIGHTSPACE)
    assert "separated by semicolons, which Brightspace does not write" in made.notes[-1]


def test_rows_of_canvas_that_are_no_students() -> None:
    file = table(
        "Student,ID,SIS User ID,SIS Login ID,Section,Exam (7)\n,,,,,Manual Posting\n    Points Possible,,,,,6.00\n"
        f'"Moorland, Ada",1,{ADA.number},ada,S,\n"Student, Test",2,,3f,S,\n'
    )  # fmt: skip
    made = filled(file, result(ADA, "1"), dialect=CANVAS)
    assert texts(made) == {3: "1"} and made.maximum == 6
    assert made.count(Outcome.NO_STUDENT) == 3


def test_a_read_only_column_of_canvas() -> None:
    file = table(f"Student,ID,SIS User ID,Section,Exam (7)\n    Points Possible,,,,(read only)\nx,1,{ADA.number},S,\n")
    with pytest.raises(UsageError, match="'Exam \\(7\\)' is read-only in Canvas"):
        filled(file, result(ADA, "1"), dialect=CANVAS)


@pytest.mark.parametrize("head", ["Exam", "Final Score (7)", "Override Score (2020)", "Unposted Current Grade (3)"])
def test_columns_that_canvas_would_not_take(head: str) -> None:
    file = table(f"Student,ID,SIS User ID,Section,{head}\nx,1,{ADA.number},S,\n")
    with pytest.raises(UsageError, match="No column of the file can take points"):
        filled(file, result(ADA, "1"), dialect=CANVAS)
    with pytest.raises(UsageError, match="Canvas takes no points in"):
        filled(file, result(ADA, "1"), dialect=CANVAS, column=head)


def test_two_columns_of_one_head() -> None:
    head = "ID number,Assignment: Exam (Real),Assignment: Exam (Real),Last downloaded from this course"
    file = table(f"{head}\n{ADA.number},-,-,1\n")
    several: list[dict[str, Any]] = [{}, {"column": "Exam"}]
    for options in several:
        with pytest.raises(UsageError) as refused:
            filled(file, result(ADA, "1"), dialect=MOODLE_GRADEBOOK, **options)
        assert str(refused.value).endswith("\n  #2 Assignment: Exam (Real)\n  #3 Assignment: Exam (Real)")
    made = filled(file, result(ADA, "1"), dialect=MOODLE_GRADEBOOK, column="#3")
    assert list(made.values) == [(1, 2)]


def test_any_other_table() -> None:
    file = table(f"nr,result\n{ADA.number},\n")
    with pytest.raises(UsageError, match="Say with `--column` into which column"):
        filled(file, result(ADA, "1"), dialect=TABLE)
    with pytest.raises(UsageError, match="name the column that holds student numbers or e-mail addresses with `--match`"):
        filled(file, result(ADA, "1"), dialect=TABLE, column="result")
    assert texts(filled(file, result(ADA, "1"), dialect=TABLE, column="result", match="nr")) == {1: "1"}


# --------------------------------------------------------------------------- whose file it is


HEADS: Sequence[tuple[str, Dialect]] = [
    ("Student,ID,SIS User ID,SIS Login ID,Section,Exam (1)", CANVAS),
    ("LastName,FirstName,ID,SIS User ID,Section,Exam (1)", CANVAS),
    ("Identifiant,Nom complet,Note,Note maximale,La note peut être modifiée,Dernière modification (note)", MOODLE_ASSIGNMENT),
    ("Identificador,Calificación,Última modificación (calificación)", MOODLE_ASSIGNMENT),
    ("Deelnemer,Cijfer,Laatst gewijzigd (beoordeling)", MOODLE_ASSIGNMENT),
    ("Vorname,Nachname,ID-Nummer,Aufgabe: Klausur (Punkte),Zuletzt aus diesem Kurs geladen", MOODLE_GRADEBOOK),
    ("Username,Exam Points Grade <Numeric MaxPoints:6>,End-of-Line Indicator", BRIGHTSPACE),
    ("Last Name,First Name,Username,Student ID,Last Access,Availability,Exam [Total Pts: 6 Score] |7", BLACKBOARD),
    ("REGISTRATION_NUMBER,FAMILY_NAME_OF_STUDENT,GRADE", CAMPUSONLINE),
]


@pytest.mark.parametrize(("heads", "dialect"), HEADS)
def test_a_file_is_recognised_by_its_heads(heads: str, dialect: Dialect) -> None:
    assert recognise(heads.split(",")) is dialect


@pytest.mark.parametrize("heads", ["student_number,last_name,points", "Name,ID,Grade", ""])
def test_other_tables_are_not(heads: str) -> None:
    assert recognise(heads.split(",")) is None


def test_every_dialect_is_whole() -> None:
    assert {one.name for one in BY_NAME.values()} == {one.name for one in (*DIALECTS, TABLE)}
    for one in (*DIALECTS, TABLE):
        assert set(one.columns) == set(Quantity)
        assert one.ids and one.quantities


def test_when_every_number_has_a_typo() -> None:
    """None is matched but one, and each is named with the row that may be meant."""
    students = [Student(f"{number:07}", f"Name{number}", "x", f"{number}@x.org") for number in range(10_000, 13_000, 10)]
    rows = [f"{int(one.number) + 3:07},x,y@x.org," for one in students[1:]]
    made = filled(
        moodle(f"{students[0].number},x,y@x.org,", *rows), *(result(one, "1") for one in students), trust_numbers=True
    )
    assert made.count(Outcome.STRANGER) == made.count(Outcome.NOT_ON_FILE) == 299
    assert all("perhaps meant?" in one.detail for one in made.handled if one.outcome is Outcome.NOT_ON_FILE)
