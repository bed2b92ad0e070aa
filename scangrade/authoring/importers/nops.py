"""R/exams: the NOPS answer sheet of an exam, and its key from a CSV file.

`exams2nops` keeps an exam in an .rds file, which only R reads. Its documented summary, as a data frame, is written to CSV by a few
lines of R, which stand in the README. The places of boxes are those of the sheet's public template, as explained in `layouts/nops.toml`.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

from scangrade.authoring.importers.converted import Converted, Data, ImportFaultsError, mm, short_name, shown, total_of
from scangrade.authoring.importers.numbers import as_written, exact
from scangrade.errors import Issue, Severity

SYSTEM: Final = "R/exams"
_COLUMNS = ("exam", "question", "type", "solution")
_CHOICES = ("schoice", "mchoice")
_LETTERS = "abcde"
_MOST_QUESTIONS = 45
_PER_COLUMN = 15
_COLUMNS_AT_MM = (27.0, 91.0, 151.0)  # centres of the first boxes
_FIRST_ROW_MM = 161.86
_REGISTRATION_MM = (135.0, 61.86)  # of seven digits
_ROW_MM, _BOX_MM = 7.0, 8.0
_NAME_MM = {7: 105, 8: 90, 9: 85, 10: 80}  # width of the boxes for names, by digits of the number right of them
_USUAL_DIGITS, _MOST_DIGITS = min(_NAME_MM), max(_NAME_MM)


@dataclass(frozen=True, slots=True)
class _Exercise:
    """A question of one exam."""

    line: int
    exam: str
    number: int
    kind: str  #: schoice, mchoice, or another one, which is answered on paper
    solution: str  #: of a choice: 1 for a right alternative, 0 for a wrong one
    points: Fraction


def is_exam(file: Path) -> bool:
    """Whether a CSV file has the columns of an exam."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            header = next(_reader(lines.readline()), [])
    except (OSError, UnicodeDecodeError):
        return False
    return set(_COLUMNS) <= {one.strip().lower() for one in header}


def convert(file: Path, *, number: str | None = None) -> Converted:
    """An exam's answer sheet and key.

    Parameters
    ----------
    file : Path
        CSV with a row per exam and question, as the README's lines of R write it; comma or semicolon.
    number : str, optional
        How many digits the registration number has, 7 to 10 (`reglength`); default 7.

    Raises
    ------
    ImportFaultsError
        With all faults of the file.
    """
    exercises, issues = _exercises(file)
    digits = _digits(number, file, issues)
    if not exercises and not issues:
        issues.append(Issue(Severity.ERROR, str(file), "there are no questions in it.", _advice()))
    by_number: dict[int, list[_Exercise]] = defaultdict(list)
    for one in exercises:
        by_number[one.number].append(one)
    issues += _checked(file, by_number)
    if issues:
        raise ImportFaultsError(issues)
    exams = list(dict.fromkeys(one.exam for one in exercises))
    name = short_name(file.stem)
    rubric = _rubric(name, exams, by_number)
    to_check = [
        "the sheet is taken for one of A4 paper, as exams2nops prints it",
        'questions are scored as nops_eval does by default, exams_eval(partial = TRUE, negative = FALSE, rule = "false2"):'
        " change `partial`, `rule`, `negative` and `wrong` in the rubric where yours are others",
    ]
    open_ones = [str(number) for number, group in sorted(by_number.items()) if group[0].kind not in _CHOICES]
    left_out = ["what the sheet says of itself (type, id, scrambling) is printed as digits, which are not read"]
    if open_ones:
        left_out.append(f"the sheet for open questions ({shown(open_ones)}): their points are given by hand")
    if len(exams) > 1:
        to_check.append(
            f"there are {len(exams)} exams ({shown(exams)}): the roster needs a column `version` with the exam of each student"
        )
    return Converted(SYSTEM, _layout(name, by_number, digits), rubric, tuple(left_out), tuple(to_check))


def _advice() -> str:
    return 'Write it in R as the README says under "Forms of other systems", with the columns exam, question, type, solution, points.'


def _reader(text: str) -> Iterator[list[str]]:
    lines = text.splitlines()
    return csv.reader(lines, delimiter=";" if lines and lines[0].count(";") > lines[0].count(",") else ",")


def _exercises(file: Path) -> tuple[list[_Exercise], list[Issue]]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        return [], [Issue(Severity.ERROR, str(file), f"cannot be read: {error.strerror or error}.", "Check the path.")]
    except UnicodeDecodeError:
        advice = _advice() if file.suffix.lower() == ".rds" else "Save it as CSV with the encoding UTF-8."
        return [], [Issue(Severity.ERROR, str(file), "is not a CSV file.", advice)]
    try:
        rows = list(_reader(text))
    except csv.Error as error:
        return [], [Issue(Severity.ERROR, str(file), f"is not a CSV file: {error}.", _advice())]
    header = [one.strip().lower() for one in rows[0]] if rows else []
    missing = [one for one in _COLUMNS if one not in header]
    if missing:
        return [], [Issue(Severity.ERROR, f"{file}:1", f"there is no column {shown(missing)}.", _advice())]
    found: list[_Exercise] = []
    issues: list[Issue] = []
    for line, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        cells = dict.fromkeys(header, "") | dict(
            zip(header, (cell.strip() for cell in row), strict=False)
        )  # a row may end early
        fault = _fault(cells)
        if fault:
            issues.append(Issue(Severity.ERROR, f"{file}:{line}", *fault))
            continue
        found.append(
            _Exercise(
                line,
                cells["exam"],
                int(cells["question"]),
                cells["type"],
                cells["solution"],
                exact(cells.get("points") or "1"),
            )
        )
    return found, issues


def _fault(cells: Mapping[str, str]) -> tuple[str, str] | None:
    """What is wrong with a row, and what to do."""
    number, kind, solution = cells.get("question", ""), cells.get("type", ""), cells.get("solution", "")
    if not cells.get("exam"):
        return "the exam's id is missing.", "Give each row the name of its exam."
    if not re.fullmatch(r"[1-9]\d{0,2}", number, re.ASCII):
        return f'the question is "{number}"; it must be a number from 1.', ""
    if int(number) > _MOST_QUESTIONS:
        return f"question {number}: the sheet has room for {_MOST_QUESTIONS} questions.", ""
    if not kind:
        return "the type of the question is missing.", "Give schoice, mchoice, num or string, as exams2nops has it."
    if kind in _CHOICES and not re.fullmatch(r"[01]{2,5}", solution, re.ASCII):
        advice = "Spreadsheets drop zeros in front: have the column as text, or write the file in R."
        return f'question {number}: the solution is "{solution}"; it must be 2 to 5 of 0 and 1, one per alternative.', advice
    if kind == "schoice" and solution.count("1") != 1:
        return f'question {number} is single choice with the solution "{solution}"; exactly one alternative must be right.', ""
    try:
        points = exact(cells.get("points") or "1")
    except ValueError:
        return f'question {number}: the points are "{cells.get("points")}".', "They must be a number."
    return (f"question {number}: {cells.get('points')} points.", "Points must be more than 0.") if points <= 0 else None


def _digits(number: str | None, file: Path, issues: list[Issue]) -> int:
    if number is None:
        return _USUAL_DIGITS
    if not re.fullmatch(r"\d{1,2}", number, re.ASCII) or not _USUAL_DIGITS <= int(number) <= _MOST_DIGITS:
        advice = f"Give the length of the registration number (reglength): {_USUAL_DIGITS} to {_MOST_DIGITS}."
        issues.append(Issue(Severity.ERROR, str(file), f'the student number is "{number}".', advice))
        return _USUAL_DIGITS
    return int(number)


def _checked(file: Path, by_number: Mapping[int, Sequence[_Exercise]]) -> Iterator[Issue]:
    """Exams that do not fit on one sheet, or not with each other."""
    exams = {one.exam for group in by_number.values() for one in group}
    for number in range(1, max(by_number, default=0) + 1):
        group = by_number.get(number, [])
        seen = [one.exam for one in group]
        for one in group:
            if seen.count(one.exam) > 1:
                yield Issue(
                    Severity.ERROR,
                    f"{file}:{one.line}",
                    f"question {number} of exam {one.exam} is there twice.",
                    "Leave one out.",
                )
        missing = sorted(exams - set(seen))
        if missing:
            yield Issue(
                Severity.ERROR,
                str(file),
                f"question {number} of exam {shown(missing)} is missing.",
                "Give every exam the same questions.",
            )
        for what, values in (("types", {one.kind for one in group}), ("points", {one.points for one in group})):
            if len(values) > 1:
                yield Issue(
                    Severity.ERROR,
                    f"{file}:{group[0].line}",
                    f"question {number} has different {what} in different exams.",
                    "Import them one by one.",
                )
        if len({len(one.solution) for one in group if one.kind in _CHOICES}) > 1:
            yield Issue(
                Severity.ERROR,
                f"{file}:{group[0].line}",
                f"question {number} has more alternatives in some exams.",
                "Import them one by one.",
            )


# --------------------------------------------------------------------------- layout


def _layout(name: str, by_number: Mapping[int, Sequence[_Exercise]], digits: int) -> Data:
    left = _REGISTRATION_MM[0] - _BOX_MM * (digits - _USUAL_DIGITS)
    width = _NAME_MM[digits]
    fields: list[Data] = [
        {
            "ids": ["family_name", "given_name"],
            "kind": "text",
            "role": "name",
            "page": 1,
            "region": [20, 49, width, 12],
            "field_step": [0, 12],
        },
        {"id": "signature", "kind": "text", "page": 1, "region": [20, 73, width, 19]},
        {
            "id": "registration_number_written",
            "kind": "text",
            "role": "student_number",
            "page": 1,
            "region": [left - 4, 49, _BOX_MM * digits, 8],
        },
        {
            "id": "registration_number",
            "kind": "digits",
            "role": "student_number",
            "page": 1,
            "places": digits,
            "values": "0123456789",
            "origin": [left, _REGISTRATION_MM[1]],
            "step": [0, _ROW_MM],
            "place_step": [_BOX_MM, 0],
        },
    ]
    waiting: list[int] = []
    for number in sorted(number for number, group in by_number.items() if group[0].kind in _CHOICES):
        if waiting and _look(by_number, number) != _look(by_number, waiting[0]):
            fields.append(_questions(by_number, waiting))
            waiting = []
        waiting.append(number)
    if waiting:
        fields.append(_questions(by_number, waiting))
    return {
        "format": 1,
        "name": name,
        "title": f"{name}, R/exams NOPS answer sheet",
        "convention": "cross",
        "pages": 1,
        "page_size": [210, 297],
        "box": {"size": 4.0, "frame": 0.28},
        "fiducials": [{"kind": "plus", "size": 5, "line": 0.28, "at": [[30, 20], [160, 20], [20, 277], [190, 277]]}],
        "fields": fields,
    }


def _look(by_number: Mapping[int, Sequence[_Exercise]], number: int) -> tuple[object, ...]:
    """What questions of one entry have in common: a block of five, the kind, the alternatives."""
    one = by_number[number][0]
    return (number - 1) // 5, one.kind, len(one.solution)


def _questions(by_number: Mapping[int, Sequence[_Exercise]], numbers: Sequence[int]) -> Data:
    first = numbers[0] - 1
    column, row = divmod(first, _PER_COLUMN)
    one = by_number[numbers[0]][0]
    entry: Data = {"ids": [str(number) for number in numbers], "kind": "choice", "page": 1}
    entry["select"] = "one" if one.kind == "schoice" else "many"
    entry["values"] = _LETTERS[: len(one.solution)]
    entry["origin"] = [_COLUMNS_AT_MM[column], mm(_FIRST_ROW_MM + _ROW_MM * row + 3.0 * (row // 5))]
    return entry | {"step": [_BOX_MM, 0], "field_step": [0, _ROW_MM]}


# --------------------------------------------------------------------------- rubric


def _rubric(name: str, exams: Sequence[str], by_number: Mapping[int, Sequence[_Exercise]]) -> Data:
    rubric: Data = {"format": 1, "name": name, "title": f"{name}, R/exams"}
    questions: Data = {str(number): _scored(by_number[number]) for number in sorted(by_number)}
    rubric["total"] = total_of(questions)
    rubric["floor"] = 0
    if len(exams) > 1:
        rubric |= {"versions": list(exams), "version_from": "roster"}
    rubric["questions"] = questions
    return rubric


def _scored(group: Sequence[_Exercise]) -> Data:
    one = group[0]
    if one.kind not in _CHOICES:
        return {"policy": "open", "points": as_written(one.points)}
    keys = {
        each.exam: [letter for letter, right in zip(_LETTERS, each.solution, strict=False) if right == "1"] for each in group
    }
    single = one.kind == "schoice"
    written = {exam: key[0] if single else key for exam, key in keys.items()}
    entry: Data = {"policy": "single" if single else "r-exams", "points": as_written(one.points)}
    entry["key"] = written if len(group) > 1 and len({str(key) for key in written.values()}) > 1 else written[one.exam]
    if single:
        return entry | {"wrong": 0, "blank": 0, "multiple": "wrong"}
    partial = all(keys.values())  # it is credit for right alternatives, so that nothing could be earned where none is right
    return entry | {"partial": partial, "rule": "false2", "negative": False}
