"""Rosters: class lists as the systems really write them, and what is wrong with the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from scangrade.definitions.roster import load_roster
from scangrade.errors import Issue, Severity
from scangrade.model import Student

ANN = Student("0012345", "de Vries", "Ann", "ann@example.org")
JOSE = Student("0067890", "Müller", "José", "jose@example.org")


def write(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "roster.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


def students(tmp_path: Path, content: str | bytes) -> tuple[Student, ...]:
    roster, issues = load_roster(write(tmp_path, content))
    assert [str(issue) for issue in issues] == []
    assert roster is not None
    return roster.students


def faults(tmp_path: Path, content: str | bytes) -> list[str]:
    roster, issues = load_roster(write(tmp_path, content))
    assert roster is None
    return [str(issue).removeprefix(f"{tmp_path}/") for issue in issues if issue.severity is Severity.ERROR]


def warning(tmp_path: Path, content: str | bytes) -> Issue:
    roster, (issue,) = load_roster(write(tmp_path, content))
    assert roster is not None
    assert issue.severity is Severity.WARNING
    return issue


PLAIN = """student_number,last_name,first_name,email
0012345,de Vries,Ann,ann@example.org
0067890,Müller,José,jose@example.org
"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_encodings_and_delimiters(tmp_path: Path, encoding: str, delimiter: str, end: str) -> None:
    content = PLAIN.replace(",", delimiter).replace("\n", end).encode(encoding)
    assert students(tmp_path, content) == (ANN, JOSE)


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_an_old_encoding_is_read_and_told(tmp_path: Path, encoding: str) -> None:
    issue = warning(tmp_path, PLAIN.encode(encoding))
    assert "roster.csv:3" in issue.where
    assert "it was read as Windows-1252" in issue.message
    assert "Müller,José" in issue.message
    roster, _ = load_roster(tmp_path / "roster.csv")
    assert roster is not None
    assert roster.students[1] == JOSE


@pytest.mark.parametrize(
    "content",
    [
        "Last Name\tFirst Name\tUsername\tStudent ID\tEmail\tTotal [Total Pts: 40 Score] |409586\n"
        "de Vries\tAnn\tavries\t0012345\tann@example.org\t\nMüller\tJosé\tjmuller\t0067890\tjose@example.org\t\n",  # Blackboard
        "OrgDefinedId,Username,Last Name,First Name,Email,End-of-Line Indicator\n"
        "#0012345,#av,de Vries,Ann,ann@example.org,#\n#0067890,#jm,Müller,José,jose@example.org,#\n",  # Brightspace
        '"REGISTRATION_NUMBER";"FAMILY_NAME_OF_STUDENT";"FIRST_NAME_OF_STUDENT";"EMAIL_OF_STUDENT";"GRADE"\n'
        '"0012345";"de Vries";"Ann";"ann@example.org";""\n"0067890";"Müller";"José";"jose@example.org";""\n',  # CAMPUSonline
        "First name,Surname,ID number,Email address,Quiz\nAnn,de Vries,0012345,ann@example.org,-\n"
        "José,Müller,0067890,jose@example.org,-\n",  # Moodle
        "Vorname;Nachname;Matrikel-Nr.;E-Mail\nAnn;de Vries;0012345;ann@example.org\nJosé;Müller;0067890;jose@example.org\n",
        "Name;Vorname;Matrikelnummer;E-Mail-Adresse\nde Vries;Ann;0012345;ann@example.org\nMüller;José;0067890;jose@example.org\n",
        "Studentnummer;Achternaam;Tussenvoegsel;Roepnaam;E-mailadres\n0012345;Vries;de;Ann;ann@example.org\n"
        "0067890;Müller;;José;jose@example.org\n",
        "N° étudiant;Nom;Prénom;Courriel\n0012345;de Vries;Ann;ann@example.org\n0067890;Müller;José;jose@example.org\n",
        "Numéro d\u2019étudiant;Nom de famille;Prénom;Adresse e-mail\n0012345;de Vries;Ann;ann@example.org\n"
        "0067890;Müller;José;jose@example.org\n",
        "Nº de aluno,Nome,Apelido,E-mail\n0012345,Ann,de Vries,ann@example.org\n0067890,José,Müller,jose@example.org\n",
        'SID,Name,Email\n0012345,"de Vries, Ann",ann@example.org\n0067890,"Müller, José",jose@example.org\n',
        "sep=;\nstudent number;last name;first name;email\n0012345;de Vries;Ann;ann@example.org\n"
        "0067890;Müller;José;jose@example.org\n",
        "\n" + PLAIN.replace("\n", ",,\n") + "\n,,,,,\n",
    ],
)  # fmt: skip
def test_class_lists_of_many_systems(tmp_path: Path, content: str) -> None:
    assert students(tmp_path, content) == (ANN, JOSE)


def test_canvas_takes_the_student_number_not_its_own_and_no_row_of_points(tmp_path: Path) -> None:
    content = (
        "Student,ID,SIS User ID,SIS Login ID,Section,Exam (123)\n"
        "    Points Possible,,,,,40\n"
        '"de Vries, Ann",77,0012345,avries,S1,\n'
        '"Student, Test",78,,,S1,\n'
    )
    assert students(tmp_path, content) == (Student("0012345", "de Vries", "Ann"),)


def test_versions_and_numbers_alone(tmp_path: Path) -> None:
    assert students(tmp_path, "student_number,version\n007,B\n") == (Student("007", version="B"),)
    assert students(tmp_path, "Matrikelnummer\n007\n008\n") == (Student("007"), Student("008"))


def test_a_name_without_comma_stays_whole(tmp_path: Path) -> None:
    assert students(tmp_path, "student id,name\n1,Ann de Vries\n") == (Student("1", "Ann de Vries"),)


def test_a_number_column_that_may_be_another_is_told(tmp_path: Path) -> None:
    issue = warning(tmp_path, "Username,Name\navries,Ann\n")
    assert 'no column is called student number; "Username" was taken for it.' in issue.message


# --------------------------------------------------------------------------- faults, one each


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "roster.csv: is empty."),
        (" \n\n", "roster.csv: is empty."),
        ("student_number,name\n", "there are no students, only a head row."),
        ("group,name\nA,Ann\n", 'roster.csv:1: no column holds student numbers; the columns are "group", "name".'),
        ("0012345,Ann\n0067890,Bob\n", 'the first row holds data, not heads: "0012345", "Ann".'),
        ("Student ID,Name,Student ID\n1,Ann,2\n", 'more than one column is called "Student ID".'),
        ("student_number,name\n1,Ann\n2,Bob\n1,Cem\n", 'roster.csv:4: student number "1" is in line 2 already.'),
        ("student_number,name\ns1,Ann\nS1,Bob\n", 'roster.csv:3: student number "S1" is in line 2 already.'),
        ("student_number,name\n,Ann\n", "roster.csv:2: Ann has no student number."),
        ("student_number,name\n12 34,Ann\n", '"12 34" is not a student number. Only letters, digits'),
        ("student_number,name\n=1+1,Ann\n", '"=1+1" is not a student number.'),
        ("student_number,name\n1.23E+11,Ann\n", "A spreadsheet has rounded it"),
        ("student_number,name\n1,Vries, Ann\n", "roster.csv:2: the row has 3 cells, the head row 2."),
        ("student_number,name,email\n1,Ann\n", "roster.csv:2: the row has 2 cells, the head row 3."),
        ('student_number,name\n1,"Ann\n2,Bob"\n3,Cem\n', "roster.csv:2: the cell \"Ann\" goes on in the next line."),
        ('student_number,name\n1,Ann\n2,"Bob\n3,Cem\n', "roster.csv:3: the quotes do not fit together"),
        (b"PK\x03\x04" + bytes(30), "is a spreadsheet or a zip file. Save it as CSV"),
        ("student_number,name\n1,Ann\n".encode("utf-16-le"), "it holds zero bytes."),
        (b"\xff\xfea", "begins like UTF-16, but is damaged"),
    ],
)  # fmt: skip
def test_a_fault_is_named(tmp_path: Path, content: str | bytes, expected: str) -> None:
    (fault,) = faults(tmp_path, content)
    assert expected in fault


def test_all_faults_are_reported_at_once(tmp_path: Path) -> None:
    found = faults(tmp_path, "student_number,name\n1,Ann\n1,Bob\n,Cem\n5 5,Dan\n6\n7,Eve\n")
    assert [fault.split(":")[1] for fault in found] == ["3", "4", "5", "6"]


def test_a_missing_file(tmp_path: Path) -> None:
    roster, (issue,) = load_roster(tmp_path / "nowhere.csv")
    assert roster is None
    assert "cannot be read: No such file or directory." in str(issue)
