"""The files of learning systems: one record each, of what their exporters write and what their importers make of it.

Nothing is made up here: a head or a rule stands in this table because it was read in the system's source or documentation, or seen in
many users' files. Where a system translates its heads, those of several languages are listed; in any other language the columns can be
named on the command line. What an importer drops, changes or invents without a word is in the record too, since filling must say it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Quantity(StrEnum):
    """What is written into a grade column."""

    POINTS = "points"
    SCALED = "scaled"  #: points in proportion to the maximum that the file states
    PERCENT = "percent"  #: of the exam's points, 0 to 100
    GRADE = "grade"  #: as the exam's grade scale says


class Holds(StrEnum):
    """What a column that identifies students holds."""

    NUMBER = "number"  #: the student number
    EMAIL = "email"
    LOGIN = "login"  #: at some places the student number or the e-mail address, at others a name of its own


class Fate(StrEnum):
    """What becomes of a number that is out of range."""

    TAKEN = "taken"
    LOST = "lost"  #: dropped or changed without a word
    UNKNOWN = "unknown"  #: nothing about it is documented


@dataclass(frozen=True, slots=True)
class IdColumn:
    """Heads under which one kind of id stands, as `plain` makes them."""

    holds: Holds
    heads: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one system's file looks, and what its importer does with it. All heads are as `plain` makes them."""

    name: str  #: what ``--format`` calls it
    system: str  #: for people
    marks: tuple[tuple[str, ...], ...]  #: a file is of this system if it has one head of each group
    ids: tuple[IdColumn, ...]  #: the best first
    columns: Mapping[Quantity, re.Pattern[str]]  #: heads of columns to write into; a group `max` holds the maximum
    column_hint: str  #: how such a head looks
    decimal: str = "."  #: where the file's own numbers show none
    delimiters: str = ","  #: that the system itself writes
    workbooks: bool = False  #: whether it takes Excel files
    last_names: tuple[str, ...] = ("lastname", "surname")
    first_names: tuple[str, ...] = ("firstname",)
    full_names: tuple[str, ...] = ()
    max_heads: tuple[str, ...] = ()  #: columns that state the maximum in every row
    max_row: re.Pattern[str] | None = None  #: first cell of the row that states maxima instead of a student's grades
    read_only: re.Pattern[str] | None = None  #: what that row says of columns that cannot be imported
    idle_cell: re.Pattern[str] | None = None  #: a row of such cells only is no student
    test_students: tuple[str, ...] = ()  #: names of rows that are no people
    locked_heads: tuple[str, ...] = ()  #: columns that say whether a grade can be changed
    locked_words: tuple[str, ...] = ()
    scale_heads: tuple[str, ...] = ()  #: columns whose presence says that words are wanted, not numbers
    below_zero: Fate = Fate.TAKEN
    above_maximum: Fate = Fate.TAKEN
    quantities: tuple[Quantity, ...] = (Quantity.POINTS,)  #: written if nothing is asked for: the first that there is
    advice: str = ""  #: what to do with the filled file


def plain(head: str) -> str:
    """A head without case, accents, blanks and signs, in any script.

    Examples
    --------
    >>> plain(" E-Mail-Adresse "), plain("Última modificación (calificación)"), plain("End-of-Line Indicator")
    ('emailadresse', 'ultimamodificacioncalificacion', 'endoflineindicator')
    """
    spread = unicodedata.normalize("NFKD", head).casefold()
    return "".join(one for one in spread if one.isalnum())


def _plain(*heads: str) -> tuple[str, ...]:
    return tuple(plain(head) for head in heads)


_NUMBERS: Final = (Quantity.POINTS, Quantity.SCALED, Quantity.PERCENT)
_ALL: Final = tuple(Quantity)


def _columns(pattern: str, quantities: Sequence[Quantity], flags: int = 0) -> dict[Quantity, re.Pattern[str]]:
    return dict.fromkeys(quantities, re.compile(pattern, re.DOTALL | flags))


_EMAIL: Final = IdColumn(
    Holds.EMAIL,
    _plain(
        "Email", "Email address", "E-Mail-Adresse", "E-mailadres", "Adresse de courriel", "Adresse e-mail", "Dirección de correo",
        "Dirección de correo electrónico", "Endereço de email", "Endereço de e-mail", "Indirizzo email", "EMAIL_ADDRESS",
    ),
)  # fmt: skip
_ID_NUMBER: Final = IdColumn(
    Holds.NUMBER,
    _plain(
        "ID number", "ID-Nummer", "Matrikelnummer", "ID-nummer", "Numéro d'identification", "Número de ID",
        "Número de identificação", "Codice identificativo", "Student number", "Studentnummer", "Student ID",
    ),
)  # fmt: skip
_USERNAME: Final = IdColumn(
    Holds.LOGIN,
    _plain("Username", "Anmeldename", "Gebruikersnaam", "Nom d'utilisateur", "Nombre de usuario", "Identificação de usuário"),
)
_LAST: Final = _plain("Last name", "Surname", "Nachname", "Achternaam", "Nom de famille", "Nom", "Apellido(s)", "Cognome")
_FIRST: Final = _plain("First name", "Vorname", "Voornaam", "Prénom", "Nombre", "Nome")
_FULL: Final = _plain("Full name", "Vollständiger Name", "Volledige naam", "Nom complet", "Nombre completo", "Nome completo")

CANVAS: Final = Dialect(
    name="canvas",
    system="Canvas",
    marks=(("student", "lastname"), ("id",), ("section",)),
    ids=(IdColumn(Holds.NUMBER, ("sisuserid",)), IdColumn(Holds.LOGIN, ("sisloginid",))),
    # columns that hold these words are passed over by the importer, whatever else stands in their heads
    columns=_columns(r"(?!.*(Current|Final) (Score|Points|Grade)|.*Override (Score|Grade|Status)).*\(\d+\)\s*", _ALL),
    column_hint="Title (12345), with the assignment's number; a column without it would make a new assignment",
    delimiters=",;",
    last_names=("lastname",),
    full_names=("student",),
    max_row=re.compile(r"\s*Points Possible\s*"),
    read_only=re.compile(r".*read\s+only.*", re.IGNORECASE),
    idle_cell=re.compile(r"\s*(Muted|Manual Posting.*)?\s*", re.IGNORECASE),
    test_students=("Student, Test", "Test Student"),
    advice="Grades, Import; Canvas shows what changes before it is saved.",
)

MOODLE_ASSIGNMENT: Final = Dialect(
    name="moodle-assignment",
    system="Moodle (assignment worksheet)",
    marks=(
        _plain(
            "Last modified (grade)", "Zuletzt geändert (Bewertung)", "Laatst gewijzigd (beoordeling)",
            "Dernière modification (note)", "Última modificación (calificación)", "Última modificação (nota)",
            "Ultima modifica (valutazione)", "Последнее изменение (оценка)", "最終更新日時 (評定)",
        ),
    ),
    ids=(_ID_NUMBER, _EMAIL, _USERNAME),
    columns=_columns(
        r"\s*(Grade|Bewertung|Cijfer|Note|Calificación|Nota|Avaliação|Valutazione|Оценка|評点)\s*", _ALL, re.IGNORECASE
    ),
    column_hint="Grade (Bewertung, Cijfer, Note, ...)",
    delimiters=",;\t:",
    last_names=_LAST,
    first_names=_FIRST,
    full_names=_FULL,
    max_heads=_plain("Maximum grade", "Bestwertung", "Maximaal cijfer", "Note maximale", "Calificación máxima", "Nota máxima"),
    locked_heads=_plain(
        "Grade can be changed", "Bewertung kann geändert werden", "Het cijfer kan gewijzigd worden",
        "La note peut être modifiée", "La calificación puede ser cambiada", "Nota pode ser alterada", "A nota pode ser alterada.",
    ),
    locked_words=("no", "nein", "nee", "non", "não"),
    scale_heads=_plain("Scale", "Skala", "Schaal", "Barème", "Escala"),
    below_zero=Fate.LOST,
    above_maximum=Fate.LOST,
    advice=(
        "Upload grading worksheet, soon: Moodle leaves out, without a word, grades that were changed there since the download."
    ),
)  # fmt: skip

MOODLE_GRADEBOOK: Final = Dialect(
    name="moodle-gradebook",
    system="Moodle (gradebook)",
    marks=(
        _plain(
            "Last downloaded from this course", "Zuletzt aus diesem Kurs geladen", "Laatst gedownload uit deze cursus",
            "Dernier téléchargement depuis ce cours", "Última descarga de este curso",
        ),
    ),
    ids=(_ID_NUMBER, _EMAIL, _USERNAME),
    # an activity's kind and name, "Assignment: Exam (Real)"; not its feedback, and not the course's total
    columns=_columns(r"(?!Feedback)[^:]+: .+", _ALL),
    column_hint="Assignment: Title (Real)",
    delimiters=",;\t:",
    last_names=_LAST,
    first_names=_FIRST,
    full_names=_FULL,
    below_zero=Fate.LOST,
    above_maximum=Fate.LOST,
    advice=(
        "Grades, Import, CSV file: map one column of the file to the students (e-mail addresses must agree in case), the grade"
        " column to its item, and nothing else. The grade then counts as overridden: the activity cannot change it any more."
    ),
)  # fmt: skip

BRIGHTSPACE: Final = Dialect(
    name="brightspace",
    system="Brightspace",
    marks=(("orgdefinedid", "username"), ("endoflineindicator",)),
    ids=(IdColumn(Holds.NUMBER, ("orgdefinedid",)), IdColumn(Holds.LOGIN, ("username",)), _EMAIL),
    columns=_columns(r".* Points Grade(\s*<Numeric\b[^>]*?MaxPoints:(?P<max>[\d.,]+)[^>]*>|\s*<[^>]*>)?\s*", _NUMBERS)
    | _columns(r".* (Grade Symbol|Text Grade)(\s*<[^>]*>)?\s*", (Quantity.GRADE,)),
    column_hint="Title Points Grade <Numeric MaxPoints:40 ...>",
    delimiters=",\t",
    below_zero=Fate.UNKNOWN,
    above_maximum=Fate.LOST,
    advice=(
        "Grades, Enter grades, Import. Columns of names and addresses are not to be imported: if they get in the way, export there"
        " without user details, and fill that."
    ),
)

BLACKBOARD: Final = Dialect(
    name="blackboard",
    system="Blackboard",
    marks=(("username", "studentid"), ("lastname",), ("availability", "lastaccess", "firstname")),
    ids=(IdColumn(Holds.NUMBER, ("studentid",)), IdColumn(Holds.LOGIN, ("username",))),
    columns=_columns(r".*\[Total Pts: (?P<max>[\d.,]+) Score\]\s*\|\s*\d+\s*", _NUMBERS)
    | _columns(r".*\[Total Pts: [^\]]* (Letter|Text)\]\s*\|\s*\d+\s*", (Quantity.GRADE,)),
    column_hint="Title [Total Pts: 40 Score] |12345; a column without the number would make a new column of text worth 0",
    delimiters="\t,",
    below_zero=Fate.UNKNOWN,
    advice="Grade Center, Work Offline, Upload; delimiter: Auto.",
)

CAMPUSONLINE: Final = Dialect(
    name="campusonline",
    system="CAMPUSonline (TUMonline, RWTHonline)",
    marks=(("registrationnumber",), ("grade", "totalpoints"), ("dbprimarykeyofcandidate", "dbprimarykeyofexam", "familynameofstudent")),
    ids=(IdColumn(Holds.NUMBER, ("registrationnumber",)),),
    columns=_columns(r"\s*GRADE\s*", (Quantity.GRADE,), re.IGNORECASE)
    | _columns(r"\s*TOTAL_POINTS\s*", _NUMBERS, re.IGNORECASE),
    column_hint="GRADE for grades, TOTAL_POINTS for points",
    decimal=",",
    delimiters=";",
    workbooks=True,
    last_names=("familynameofstudent",),
    first_names=("firstnameofstudent",),
    below_zero=Fate.UNKNOWN,
    quantities=(Quantity.GRADE, Quantity.POINTS),
    advice="Upload it where the list was downloaded; its rows are known by their DB_Primary_Key columns.",
)  # fmt: skip

TABLE: Final = Dialect(
    name="table",
    system="a table of any other system",
    marks=(),
    ids=(_ID_NUMBER, IdColumn(Holds.NUMBER, CAMPUSONLINE.ids[0].heads), IdColumn(Holds.NUMBER, ("orgdefinedid", "sisuserid")), _EMAIL),
    columns=_columns(r".*", _ALL),
    column_hint="whatever `--column` names",
    delimiters=",;\t",
    workbooks=True,
    last_names=_LAST,
    first_names=_FIRST,
    full_names=(*_FULL, *_plain("Name", "Naam", "Student", "Student name")),
    below_zero=Fate.UNKNOWN,
    above_maximum=Fate.UNKNOWN,
)  # fmt: skip

#: In the order in which a file is tried; `TABLE` fits any, and so is never recognised.
DIALECTS: Final = (CANVAS, MOODLE_ASSIGNMENT, MOODLE_GRADEBOOK, BRIGHTSPACE, BLACKBOARD, CAMPUSONLINE)
BY_NAME: Final[Mapping[str, Dialect]] = {one.name: one for one in (*DIALECTS, TABLE)} | {"tumonline": CAMPUSONLINE}


def recognise(heads: Sequence[str]) -> Dialect | None:
    """Tell whose file this is by its head row; None where it is nobody's that we know."""
    there = {plain(head) for head in heads}
    return next((one for one in DIALECTS if all(not there.isdisjoint(group) for group in one.marks)), None)
