"""Class lists: CSV files as student offices, learning systems and spreadsheets write them.

Nobody writes a roster for us; it comes out of some system with that system's encoding, delimiter and head row. All of these are
recognised here rather than asked of the lecturer, and what was guessed with doubt is said. Everything stays text: a student
number that loses its leading zeros is another student's number.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scangrade.definitions.faults import listed, shown
from scangrade.errors import Issue, Severity
from scangrade.model import Roster, Student


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


#: Heads of columns by what they hold, without case, accents, blanks and signs; the best first. English, Dutch, German, French,
#: Portuguese; Canvas, Brightspace, Blackboard, Moodle, Gradescope, CAMPUSonline, OSIRIS.
_NUMBER = _words("""
    studentnumber studentno studentnr studentid studentidnumber studentnummer studentennummer studienummer studnr
    matrikelnummer matrikelnr matrnr matriculationnumber matriculationno matriculationnr registrationnumber registrationno regno
    orgdefinedid sisuserid sisid sid idnumber idnummer
    numeroetudiant numerodetudiant numeroidentifiant numerodidentification numetudiant netudiant noetudiant codeetudiant
    matricule numerodealuno numeroaluno numerodoaluno nodealuno naluno noaluno numaluno nraluno numerodeestudante
    numerodeidentificacao numeromecanografico nmec number nummer numero
""")
_WEAK_NUMBER = _words("id username login loginid sisloginid user benutzername gebruikersnaam nomdutilisateur nomedeutilizador")
_LAST_NAME = _words("""
    lastname surname familyname familynameofstudent nachname familienname achternaam nomdefamille nomfamille
    apelido apelidos sobrenome ultimonome
""")
_PREFIX = _words("tussenvoegsel tussenvoegsels voorvoegsel voorvoegsels")
_FIRST_NAME = _words("""
    firstname givenname givennames forename firstnameofstudent vorname vornamen voornaam voornamen roepnaam
    prenom prenoms nomeproprio primeironome
""")
_NAME = _words("""
    name fullname student studentname nameofstudent naam volledigenaam nom nomcomplet nometprenom nomprenom nome nomecompleto
""")
_EMAIL = _words("""
    email emailaddress emailofstudent mail emailadresse adresseemail emailadres courriel adressemail adressedecourriel
    adresseelectronique enderecodeemail correioeletronico
""")
_VERSION = _words("version examversion versie tentamenversie fassung variante versao")
_SEAT = _words("seat seatnumber place zitplaats plaats stoel sitzplatz platz sitz siege lugar assento")

_DELIMITERS = ",;\t|"
_VALID_NUMBER = re.compile(r"[0-9A-Za-z._-]+")
_SEP_LINE = re.compile(r'"?sep=(.)"?\r?\n', re.IGNORECASE)  # written by spreadsheets to tell each other the delimiter
_SHOWN = 5  # columns and lines that a message names before it says how many more there are


def load_roster(path: Path) -> tuple[Roster | None, tuple[Issue, ...]]:
    """Read a class list.

    Parameters
    ----------
    path : Path
        CSV with a head row: UTF-8, UTF-16 with byte order mark, or Windows-1252; delimited by comma, semicolon, tab or bar.

    Returns
    -------
    Roster, or None exactly where an error is among the issues; and all issues of the file.
    """
    name = str(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        return None, (_error(name, f"cannot be read: {error.strerror or error}.", "Check the path and its permissions."),)
    if raw.startswith(b"PK\x03\x04"):
        return None, (_error(name, "is a spreadsheet or a zip file.", "Save it as CSV (UTF-8) and use that."),)
    text, guessed = _decoded(raw, name)
    if text is None:
        return None, guessed
    if "\0" in text:
        return None, (_error(name, "is not a text file: it holds zero bytes.", "Save it as CSV (UTF-8) and use that."),)
    if not text.strip():
        return None, (_error(name, "is empty.", "It needs a head row and a row per student."),)
    try:
        header, rows = _table(text)
    except csv.Error as error:
        line = _broken_line(text)
        return None, (_error(f"{name}:{line}", f"the quotes do not fit together: {error}.", "Correct them in this line."),)
    roster, issues = _roster(name, header, rows)
    issues = (*guessed, *issues)
    return (None if any(issue.severity is Severity.ERROR for issue in issues) else roster), issues


def _error(where: str, message: str, advice: str = "") -> Issue:
    return Issue(Severity.ERROR, where, message, advice)


# --------------------------------------------------------------------------- from bytes to cells


@dataclass(frozen=True, slots=True)
class _Row:
    """Cells of a row, without the blanks around them."""

    line: int  #: on which it begins, from 1
    cells: tuple[str, ...]


def _decoded(raw: bytes, name: str) -> tuple[str | None, tuple[Issue, ...]]:
    """Text of a file, None where it is damaged; an issue in either doubtful case."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            return raw.decode("utf-16"), ()
        except UnicodeDecodeError as error:
            return None, (
                _error(name, f"begins like UTF-16, but is damaged at byte {error.start}.", "Save it again as UTF-8."),
            )
    try:
        return raw.decode("utf-8-sig"), ()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
    try:
        text = raw.decode("cp1252")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    seen = text.split("\n")[line - 1].strip()
    message = f"is not UTF-8; it was read as Windows-1252, which makes this line {shown(seen)}."
    return text, (Issue(Severity.WARNING, f"{name}:{line}", message, "Check the accents, or save the file as UTF-8."),)


def _table(text: str) -> tuple[_Row, tuple[_Row, ...]]:
    """Head row and further rows that are not empty."""
    told = _SEP_LINE.match(text)
    delimiter = told[1] if told else max(_DELIMITERS, key=lambda one: _fit(text, one))
    rows = [row for row in _rows(text, delimiter) if any(row.cells)]
    if told:
        rows = rows[1:]
    if not rows:
        return _Row(1, ()), ()
    return rows[0], tuple(rows[1:])


def _fit(text: str, delimiter: str) -> tuple[bool, int]:
    """How well a delimiter fits: whether it makes a head row that we know, then how many columns."""
    try:
        header = next((row for row in _rows(text, delimiter) if any(row.cells)), _Row(1, ()))
    except csv.Error:
        return False, 0
    return _find(header.cells, (*_NUMBER, *_WEAK_NUMBER)) is not None, len(header.cells)


def _rows(text: str, delimiter: str) -> Iterator[_Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    before = 0
    for cells in reader:
        yield _Row(before + 1, tuple(cell.strip() for cell in cells))
        before = reader.line_num


def _broken_line(text: str) -> int:
    """The line at which the quotes stop making sense."""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.count('"') % 2 or re.search(r'[^"]"[^",;\t|]', line.replace('""', "")):
            return number
    return 1


# --------------------------------------------------------------------------- columns


@dataclass(frozen=True, slots=True)
class _Columns:
    """Which column holds what."""

    number: int
    last_name: int | None
    prefix: int | None
    first_name: int | None
    name: int | None
    email: int | None
    version: int | None
    seat: int | None


def _plain(head: str) -> str:
    """A head of a column without case, accents, blanks and signs."""
    spread = unicodedata.normalize("NFKD", head).casefold()
    return "".join(character for character in spread if character.isascii() and character.isalnum())


def _find(heads: Sequence[str], names: Sequence[str]) -> int | None:
    """The column whose head is the best of these names."""
    plain = [_plain(head) for head in heads]
    return next((plain.index(name) for name in names if name in plain), None)


def _columns(name: str, header: _Row) -> tuple[_Columns | None, tuple[Issue, ...]]:
    where = f"{name}:{header.line}"
    heads = header.cells
    number = _find(heads, _NUMBER)
    issues: tuple[Issue, ...] = ()
    if number is None:
        number = _find(heads, _WEAK_NUMBER)
        if number is None:
            return None, (_no_number(where, heads),)
        message = f"no column is called student number; {shown(heads[number])} was taken for it."
        issues = (Issue(Severity.WARNING, where, message, "If that is wrong, call the right column student_number."),)
    if sum(_plain(head) == _plain(heads[number]) for head in heads) > 1:
        return None, (_error(where, f"more than one column is called {shown(heads[number])}.", "Keep one of them."),)
    last, first, full = _find(heads, _LAST_NAME), _find(heads, _FIRST_NAME), _find(heads, _NAME)
    if last is None and first is not None:
        last, full = full, None  # "Name, Vorname" and "Nom, Prénom": the name is the last name
    elif first is None and last is not None:
        first, full = full, None  # "Nome, Apelido": the name is the first name
    elif last is not None:
        full = None
    return (
        _Columns(
            number, last, _find(heads, _PREFIX), first, full, _find(heads, _EMAIL), _find(heads, _VERSION), _find(heads, _SEAT)
        ),
        issues,
    )


def _no_number(where: str, heads: Sequence[str]) -> Issue:
    found = [shown(head) for head in heads if head][:_SHOWN]
    more = f" and {len(heads) - len(found)} more" if len(heads) > len(found) else ""
    if any(re.fullmatch(r"#?\d{4,}", head) for head in heads):
        return _error(
            where,
            f"the first row holds data, not heads: {', '.join(found)}{more}.",
            "Put a row above it: student_number, last_name, first_name, email.",
        )
    return _error(
        where,
        f"no column holds student numbers; the columns are {', '.join(found)}{more}.",
        "Call that column student_number.",
    )


# --------------------------------------------------------------------------- students


def _roster(name: str, header: _Row, rows: Sequence[_Row]) -> tuple[Roster, tuple[Issue, ...]]:
    columns, issues = _columns(name, header)
    if columns is None:
        return Roster(), issues
    found: list[Issue] = list(issues)
    students: list[Student] = []
    lines: dict[str, int] = {}
    for row in rows:
        if _is_no_student(row, columns):
            continue
        fault = _row_fault(row, header, columns)
        if fault is not None:
            found.append(_error(f"{name}:{row.line}", *fault))
            continue
        student = _student(row, columns)
        first = lines.setdefault(student.number.casefold(), row.line)
        if first != row.line:
            message = f"student number {shown(student.number)} is in line {first} already."
            found.append(_error(f"{name}:{row.line}", message, "Keep one of the two rows."))
        students.append(student)
    if not students and len(found) == len(issues):
        found.append(_error(name, "there are no students, only a head row.", "Add a row per student."))
    return Roster(tuple(students)), tuple(found)


def _is_no_student(row: _Row, columns: _Columns) -> bool:
    """Canvas puts the points possible, and a test student without a number, among the students."""
    if columns.name is None or len(row.cells) <= max(columns.name, columns.number):
        return False
    name, number = row.cells[columns.name], row.cells[columns.number]
    return not number and (name.startswith("Points Possible") or name == "Student, Test")


def _row_fault(row: _Row, header: _Row, columns: _Columns) -> tuple[str, str] | None:
    """What is wrong with a row, and what to do; None where nothing is."""
    heads = header.cells
    if len(row.cells) < len(heads) or any(row.cells[len(heads) :]):
        cells = f"{len(row.cells)} cell" + ("s" if len(row.cells) != 1 else "")
        return f"the row has {cells}, the head row {len(heads)}.", "Put a cell with the delimiter in it in quotes."
    if broken := [cell for cell in row.cells if "\n" in cell or "\r" in cell]:
        return f"the cell {shown(broken[0].splitlines()[0])} goes on in the next line.", "Look for a quote that is not closed."
    number = row.cells[columns.number].removeprefix("#")
    if not number:
        rest = [cell for cell in row.cells if cell]
        return f"{listed(rest[:2])} has no student number.", "Add it, or take the row out."
    if not _VALID_NUMBER.fullmatch(number):
        advice = "Only letters, digits, dot, dash and underscore can be in it."
        if re.fullmatch(r"\d([.,]\d+)?E\+\d+", number, re.IGNORECASE):
            advice = "A spreadsheet has rounded it; export the list again and do not open it there."
        return f"{shown(number)} is not a student number.", advice
    return None


def _student(row: _Row, columns: _Columns) -> Student:
    def cell(column: int | None) -> str:
        return row.cells[column] if column is not None else ""

    last, first = " ".join(filter(None, (cell(columns.prefix), cell(columns.last_name)))), cell(columns.first_name)
    if columns.name is not None:
        last, _, first = (part.strip() for part in cell(columns.name).partition(","))
    return Student(
        number=cell(columns.number).removeprefix("#"),
        last_name=last,
        first_name=first,
        email=cell(columns.email),
        version=cell(columns.version),
        seat=cell(columns.seat),
    )
