"""auto-multiple-choice: a project's `layout.sqlite`, or `.xy` file, to a layout, its `scoring.sqlite` to a rubric.

Written after the tables' public documentation. Places are pixels at the resolution that the page says, boxes by the inside of their
frame. A sheet's number and its page's stand on every page in bits. Where questions or answers are shuffled every sheet is a form of its
own; they are imported one by one.
"""

from __future__ import annotations

import re
import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from scangrade.authoring.importers.amc_xy import XyPage, is_xy, read_xy
from scangrade.authoring.importers.converted import Converted, Data, ImportFaultsError, mm, plain, short_name, shown, total_of
from scangrade.authoring.importers.numbers import as_written, exact
from scangrade.errors import Issue, Severity

SYSTEM: Final = "auto-multiple-choice"
FRAME_MM: Final = 0.25  # of its boxes, as printed

_MAGIC = b"SQLite format 3\x00"
_TABLES = ("layout_page", "layout_mark", "layout_box", "layout_digit", "layout_question")
_NOT_SCANNED, _OVAL = 0x1, 0x10
_ANSWER = 1
_SIMPLE = 1
_SAME_PX = 1.0  # pages that differ by less are the same print
_CODE = re.compile(r"(.+?)[\[.](\d+)\]?")  # student[3]: third digit from the right
_OPTION = re.compile(r"<(seuil_up|ignore_red)>([^<]*)</")
_PAIR = re.compile(r"([a-z]+)=([^,]*)")
_KNOWN = {"b", "m", "v", "e", "mz", "haut"}

#: What columns hold: places and lengths, and numbers that tell things apart; all else is text, or nothing.
_LENGTHS: Final = frozenset(("dpi", "width", "height", "markdiameter", "x", "y", "xmin", "xmax", "ymin", "ymax"))
_NUMBERS: Final = frozenset(("student", "page", "question", "answer", "numberid", "digitid", "type"))
_FURTHEST_PX: Final = 1e5  # A0 at 1200 dpi is half of that: places beyond are no places

_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "layout_page": ("student", "page", "dpi", "width", "height", "markdiameter"),
    "layout_mark": ("student", "page", "corner", "x", "y"),
    "layout_box": ("student", "page", "question", "answer", "xmin", "xmax", "ymin", "ymax", "flags"),
    "layout_digit": ("student", "page", "numberid", "digitid", "xmin", "xmax", "ymin", "ymax"),
    "layout_question": ("question", "name"),
    "layout_char": ("question", "answer", "char"),
    "scoring_default": ("type", "strategy"),
    "scoring_main": ("student", "strategy"),
    "scoring_question": ("student", "question", "type", "indicative", "strategy"),
    "scoring_answer": ("student", "question", "answer", "correct", "strategy"),
}

#: What reading a damaged data base raises: what SQLite quotes of it in its errors may be no text.
_UNREADABLE = (sqlite3.Error, UnicodeDecodeError)

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Box:
    """A box to be marked."""

    page: int
    question: int
    answer: int
    inside: tuple[float, float, float, float]  #: left, right, top, bottom, pixels
    oval: bool
    printed: str


@dataclass(frozen=True, slots=True)
class _Sheet:
    """One sheet of the project: its pages in order, and what is on them."""

    number: int
    pages: tuple[Row, ...]
    marks: Mapping[int, tuple[tuple[float, float], ...]]
    digits: Mapping[int, tuple[Row, ...]]
    boxes: tuple[_Box, ...]

    def print(self) -> tuple[object, ...]:
        """What two sheets of the same print have in common."""
        places = tuple(
            (one.page, one.question, one.answer, *(round(side / _SAME_PX) for side in one.inside)) for one in self.boxes
        )
        return len(self.pages), places


def is_layout(file: Path) -> bool:
    """Whether a file is a data base with AMC's tables, or what LaTeX wrote for it."""
    try:
        if _is_xy(file):
            return is_xy(file.read_text(encoding="utf-8", errors="replace"))
        with file.open("rb") as start:
            if start.read(len(_MAGIC)) != _MAGIC:
                return False
        return set(_TABLES) <= _tables(file)
    except (OSError, *_UNREADABLE):
        return False


def convert(file: Path, *, sheet: int | None = None, number: str | None = None) -> Converted:
    """A sheet of a project, with its scoring.

    Parameters
    ----------
    file : Path
        `layout.sqlite`, in the project's folder `data`; or the `.xy` file that LaTeX wrote beside the subject, in the project's folder.
    sheet : int, optional
        Number of the sheet (AMC's student number), where sheets differ.
    number : str, optional
        Name of the code that is the student number; by default the only one.

    Raises
    ------
    ImportFaultsError
        If the file cannot be read, is of no finished project, or its sheets differ and none is chosen.
    """
    sheets, names = _from_xy(file) if _is_xy(file) else _from_base(file)
    chosen = _chosen(file, sheets, sheet)
    alike = [one.number for one in sheets if one.print() == chosen.print()]
    name = short_name(_project(file))
    codes, to_check = _codes(file, chosen, names, number)
    scoring = _scoring(file, chosen.number)
    options = _options(file)
    layout: Data = {
        "format": 1,
        "name": name,
        "title": f"{name}, from auto-multiple-choice",
        "convention": "cross" if _fill_cancels(options) else "any",
        "pages": len(chosen.pages),
        "page_size": _size(chosen.pages[0]),
        "box": {"size": 4.0, "frame": FRAME_MM},
    }
    if options.get("ignore_red", "0") not in ("", "0"):
        layout["dropout"] = "red"
    others = {str(at): _size(page) for at, page in enumerate(chosen.pages, start=1) if _size(page) != layout["page_size"]}
    if others:
        layout["page_sizes"] = others
    bits = _bits(chosen, with_sheet=len(sheets) == 1 or len(alike) < len(sheets))
    if bits:
        layout["page_code"] = bits
    layout["fiducials"] = [_fiducials(chosen, at) for at in range(1, len(chosen.pages) + 1)]
    layout["fields"], split = _fields(chosen, names, codes, scoring)
    if "seuil_up" not in options:
        to_check.append(
            'a box filled completely counts as marked; if it cancels a mark in your project, write convention = "cross"'
        )
    if split:
        to_check.append(f"{shown(split)} go on over the page: fields of their own, whose points are to be set in the rubric")
    left_out = ["thresholds of darkness: marks are recognised by their look"]
    if not bits and len(chosen.pages) > 1:
        left_out.append("the numbers of pages, which are not printed as bits")
    rubric = None
    if scoring is None:
        left_out.append("scoring: there is no scoring.sqlite beside the layout, so there is no rubric")
    else:
        rubric = _rubric(name, layout["fields"], scoring, names, to_check)
    return Converted(SYSTEM, layout, rubric, tuple(left_out), tuple(to_check))


def _from_base(file: Path) -> tuple[list[_Sheet], dict[int, str]]:
    """Sheets of the data base, and names of questions."""
    try:
        tables = _tables(file)
        missing = [one for one in _TABLES if one not in tables]
        if missing:
            raise _fault(file, f"has no table {shown(missing)}.", "Give the `data/layout.sqlite` of a project.")
        with closing(_connected(file)) as base:
            sheets = _sheets(file, base, tables)
            names = {row["question"]: str(row["name"]) for row in _rows(file, base, "layout_question")}
    except _UNREADABLE as error:
        raise _fault(
            file, f"cannot be read as AMC's layout: {error}.", "Give the `data/layout.sqlite` of a project."
        ) from None
    return sheets, names


def _is_xy(file: Path) -> bool:
    return file.suffix.lower() == ".xy"


def _from_xy(file: Path) -> tuple[list[_Sheet], dict[int, str]]:
    """The same of what LaTeX wrote."""
    try:
        read = read_xy(file)
    except OSError as error:
        raise _fault(file, f"cannot be read: {error.strerror or error}.", "Check the path and its permissions.") from None
    except ValueError as error:
        raise _fault(file, f"cannot be read as AMC's .xy file: {error}.", "Let LaTeX write it again.") from None
    sheets: dict[int, list[XyPage]] = defaultdict(list)
    for page in read.pages:
        if page.marks:
            sheets[page.student].append(page)
    found = []
    for number, pages in sheets.items():
        boxes = tuple(
            _Box(
                page.page,
                one["question"],
                one["answer"],
                (one["xmin"], one["xmax"], one["ymin"], one["ymax"]),
                one["oval"],
                one["char"],
            )
            for page in pages
            for one in page.boxes
        )
        digits = {page.page: tuple(one for one in page.digits if one["numberid"] in (1, 2)) for page in pages}
        found.append(
            _Sheet(number, tuple(page.row for page in pages), {page.page: page.marks for page in pages}, digits, boxes)
        )
    return [one for one in found if one.pages and one.boxes], dict(read.names)


def _fault(file: Path, message: str, advice: str = "") -> ImportFaultsError:
    return ImportFaultsError([Issue(Severity.ERROR, str(file), message, advice)])


def _options(file: Path) -> dict[str, str]:
    """What the project's options, beside its folder `data`, say of reading marks; empty where there are none."""
    path = _folder(file) / "options.xml"
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    return {match[1]: match[2].strip() for match in _OPTION.finditer(text)}


def _fill_cancels(options: Mapping[str, str]) -> bool:
    """Whether boxes above a darkness, less than black all over, do not count as marked."""
    try:
        return exact(options.get("seuil_up", "1")) < 1
    except ValueError:
        return False


def _project(file: Path) -> str:
    return _folder(file).name


def _folder(file: Path) -> Path:
    """The project's folder."""
    folder = file.resolve().parent
    return folder.parent if folder.name == "data" else folder


# --------------------------------------------------------------------------- the data base


def _connected(file: Path) -> sqlite3.Connection:
    base = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)
    base.row_factory = sqlite3.Row
    base.text_factory = lambda held: held.decode("utf-8", "replace")  # a damaged text is no reason to end
    return base


def _tables(file: Path) -> set[str]:
    with closing(_connected(file)) as base:
        return {str(row["name"]) for row in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _rows(file: Path, base: sqlite3.Connection, table: str, order: str = "") -> list[Row]:
    """Rows of a table, every cell of the kind that it must be: SQLite keeps any value in any column.

    Parameters
    ----------
    file : Path
        For messages.
    base : Connection
    table : str
    order : str
        Columns to sort by.

    Raises
    ------
    ImportFaultsError
        If a column is missing, or a cell holds something else than a number where there must be one.
    """
    cursor = base.execute(f"SELECT * FROM {table}" + (f" ORDER BY {order}" if order else ""))
    lacking = [one for one in _NEEDED[table] if one not in {column[0] for column in cursor.description}]
    if lacking:
        raise _fault(file, f"its table {table} has no column {shown(lacking)}.", "Let AMC make it again.")
    rows: list[Row] = []
    for place, held in enumerate(cursor, start=1):
        row = dict(held)
        for column, value in row.items():
            whole = column in _NUMBERS and not isinstance(value, int)
            length = column in _LENGTHS and not (
                (isinstance(value, int | float) and abs(value) < _FURTHEST_PX) or (column == "dpi" and value is None)
            )
            if whole or length:
                what = f"its table {table} holds {value!r:.40} as {column}, in row {place}: that is no "
                raise _fault(file, what + ("number." if whole else "place on paper."), "Let AMC make it again.")
        rows.append(row)
    return rows


def _sheets(file: Path, base: sqlite3.Connection, tables: set[str]) -> list[_Sheet]:
    pages: dict[int, list[Row]] = defaultdict(list)
    for row in _rows(file, base, "layout_page", "student, page"):
        pages[row["student"]].append(row)
    marks: dict[tuple[int, int], list[tuple[float, float]]] = defaultdict(list)
    for row in _rows(file, base, "layout_mark", "student, page, corner"):
        marks[row["student"], row["page"]].append((row["x"], row["y"]))
    digits: dict[tuple[int, int], list[Row]] = defaultdict(list)
    for row in _rows(file, base, "layout_digit", "student, page, numberid, digitid"):
        if row["numberid"] in (1, 2):
            digits[row["student"], row["page"]].append(row)
    printed: dict[tuple[int, int], str] = {}
    if "layout_char" in tables:
        printed = {(row["question"], row["answer"]): str(row["char"] or "") for row in _rows(file, base, "layout_char")}
    boxes: dict[int, list[_Box]] = defaultdict(list)
    for row in _rows(file, base, "layout_box", "student, page, question, answer"):
        flags = row["flags"] if isinstance(row["flags"], int) else 0
        if flags & _NOT_SCANNED or row.get("role", _ANSWER) != _ANSWER:
            continue
        text = row.get("char") or printed.get((row["question"], row["answer"]), "")
        inside = (row["xmin"], row["xmax"], row["ymin"], row["ymax"])
        boxes[row["student"]].append(_Box(row["page"], row["question"], row["answer"], inside, bool(flags & _OVAL), str(text)))
    found = []
    for student, all_pages in pages.items():
        own = [page for page in all_pages if marks[student, page["page"]]]
        found.append(
            _Sheet(
                student,
                tuple(own),
                {page["page"]: tuple(marks[student, page["page"]]) for page in own},
                {page["page"]: tuple(digits[student, page["page"]]) for page in own},
                tuple(boxes[student]),
            )
        )
    return [one for one in found if one.pages and one.boxes]


def _chosen(file: Path, sheets: Sequence[_Sheet], wanted: int | None) -> _Sheet:
    if not sheets:
        raise _fault(file, "has no sheet with boxes.", "Let AMC prepare the layout (detect it) first.")
    numbers = shown(str(one.number) for one in sheets)
    if wanted is not None:
        found = next((one for one in sheets if one.number == wanted), None)
        if found is None:
            raise _fault(file, f"there is no sheet {wanted}.", f"There are {numbers}.")
        return found
    if len({one.print() for one in sheets}) > 1:
        advice = "Import them one by one with --sheet, and grade the scans of each with its own layout."
        raise _fault(file, f"its sheets ({numbers}) are not printed alike: questions or answers are shuffled.", advice)
    return sheets[0]


# --------------------------------------------------------------------------- layout


def _scale(page: Row) -> float:
    """Millimetres per pixel."""
    return 25.4 / float(page["dpi"] or 300)


def _size(page: Row) -> list[float]:
    return [mm(page["width"] * _scale(page)), mm(page["height"] * _scale(page))]


def _fiducials(sheet: _Sheet, at: int) -> Data:
    page = sheet.pages[at - 1]
    scale = _scale(page)
    places = [[mm(x * scale), mm(y * scale)] for x, y in sheet.marks[page["page"]]]
    return {"kind": "circle", "size": mm(page["markdiameter"] * scale), "at": places, "pages": [at]}


def _centre(inside: Sequence[float], scale: float) -> list[float]:
    left, right, top, bottom = inside
    return [mm((left + right) / 2 * scale), mm((top + bottom) / 2 * scale)]


def _bits(sheet: _Sheet, *, with_sheet: bool) -> Data | None:
    """The page's number in bits, with the sheet's where only this sheet is meant; None where pages differ in where it stands."""
    wanted = (1, 2) if with_sheet else (2,)
    rows = [[row for row in sheet.digits[page["page"]] if row["numberid"] in wanted] for page in sheet.pages]
    order = [(row["numberid"], row["digitid"]) for row in rows[0]]
    if not order or any([(row["numberid"], row["digitid"]) for row in one] != order for one in rows):
        return None
    scale = _scale(sheet.pages[0])
    counts = [sum(number == each for each, _ in order) for number in wanted]
    patterns = {}
    for at, page in enumerate(sheet.pages, start=1):
        numbers = (sheet.number, page["page"]) if with_sheet else (page["page"],)
        pattern = "".join(f"{number:0{count}b}" for number, count in zip(numbers, counts, strict=True) if count)
        if len(pattern) != len(order):
            return None
        patterns[str(at)] = pattern
    sides = [(row["xmin"], row["xmax"], row["ymin"], row["ymax"]) for row in rows[0]]
    left, right, top, bottom = sides[0]
    return {
        "kind": "bits",
        "size": [mm((right - left) * scale), mm((bottom - top) * scale)],
        "frame": FRAME_MM,
        "bits": [_centre(one, scale) for one in sides],
        "patterns": patterns,
    }


def _codes(
    file: Path, sheet: _Sheet, names: Mapping[int, str], wanted: str | None
) -> tuple[dict[int, tuple[str, int]], list[str]]:
    """Questions that are digits of the student number, with its name and their place from the left; and what to check of it."""
    groups: dict[str, dict[int, int]] = defaultdict(dict)
    printed: dict[int, list[str]] = defaultdict(list)
    for box in sheet.boxes:
        printed[box.question].append(box.printed)
    for question in printed:
        match = _CODE.fullmatch(names.get(question, ""))
        if match:
            groups[match[1]][int(match[2])] = question
    numeric = {
        name: places
        for name, places in groups.items()
        if sorted(places) == list(range(1, len(places) + 1))
        and all(_are_digits(printed[question]) for question in places.values())
    }
    if wanted is not None and wanted not in numeric:
        raise _fault(file, f'no code of digits is called "{wanted}".', f"There are: {shown(numeric) or 'none'}.")
    name = wanted or (next(iter(numeric)) if len(numeric) == 1 else "")
    if not name:
        which = f"codes of digits are {shown(numeric)}: name the right one" if numeric else "if there is one, name it"
        return {}, [f"no student number was seen; {which} with --student-number"]
    places = numeric[name]
    return {question: (name, len(places) + 1 - place) for place, question in places.items()}, [
        f"{name} is taken for the student number, of {len(places)} digits"
    ]


def _are_digits(printed: Sequence[str]) -> bool:
    """Whether boxes stand for digits: by what is printed in them, or ten of them with nothing in."""
    return all(re.fullmatch(r"\d", one, re.ASCII) for one in printed) or (len(printed) == 10 and not any(printed))


def _fields(
    sheet: _Sheet, names: Mapping[int, str], codes: Mapping[int, tuple[str, int]], scoring: _Scoring | None
) -> tuple[list[Data], list[str]]:
    at = {page["page"]: place for place, page in enumerate(sheet.pages, start=1)}
    scales = {page["page"]: _scale(page) for page in sheet.pages}
    by_field: dict[tuple[int, int], list[_Box]] = defaultdict(list)
    for box in sheet.boxes:
        if box.page in at:
            by_field[box.question, at[box.page]].append(box)
    number: list[Data] = []
    fields: list[Data] = []
    pages = [question for question, _ in by_field]
    split = []
    for (question, page), boxes in by_field.items():
        places = [_place(box, scales[box.page]) for box in boxes]
        if question in codes:
            number += [
                {"value": box.printed or str(box.answer - 1), "place": codes[question][1], **place}
                for box, place in zip(boxes, places, strict=True)
            ]
            page_of_number = page
            continue
        name = plain(names.get(question, f"question {question}"))
        if pages.count(question) > 1:
            split.append(name)
            name = f"{name}@{page}"
        one = scoring is not None and question in scoring.questions and scoring.questions[question].simple
        entry: Data = {"id": name, "kind": "choice", "select": "one" if one else "many", "page": page}
        entry["boxes"] = [{"value": str(box.answer), **place} for box, place in zip(boxes, places, strict=True)]
        fields.append(entry)
    if number:
        (name, _), *_ = codes.values()
        number.sort(key=lambda one: one["place"])
        fields.insert(
            0, {"id": plain(name), "kind": "digits", "role": "student_number", "page": page_of_number, "boxes": number}
        )
    return fields, sorted(set(split))


def _place(box: _Box, scale: float) -> Data:
    left, right, top, bottom = box.inside
    place: Data = {"at": _centre(box.inside, scale), "size": [mm((right - left) * scale), mm((bottom - top) * scale)]}
    if box.oval:
        place["shape"] = "circle"
    if box.printed:
        place["printed"] = box.printed
    return place


# --------------------------------------------------------------------------- rubric


@dataclass(frozen=True, slots=True)
class _Question:
    """How a question is scored."""

    simple: bool
    indicative: bool
    strategy: str  #: the default's, then its own
    correct: tuple[str, ...]
    own: Mapping[str, str]  #: strategy by answer


@dataclass(frozen=True, slots=True)
class _Scoring:
    """How a sheet is scored."""

    main: str
    questions: Mapping[int, _Question]


def _scoring(layout: Path, sheet: int) -> _Scoring | None:
    file = layout.parent / "data" / "scoring.sqlite" if _is_xy(layout) else layout.with_name("scoring.sqlite")
    if not file.is_file():
        return None
    try:
        missing = {one for one in _NEEDED if one.startswith("scoring_")} - _tables(file)
        if missing:
            raise _fault(file, f"has no table {shown(sorted(missing))}.", "Let AMC make the scoring data again.")
        with closing(_connected(file)) as base:
            defaults = {row["type"]: str(row["strategy"] or "") for row in _rows(file, base, "scoring_default")}
            main = ",".join(
                str(row["strategy"] or "") for row in _rows(file, base, "scoring_main") if row["student"] in (sheet, -1)
            )
            answers: dict[int, list[Row]] = defaultdict(list)
            for row in _rows(file, base, "scoring_answer", "question, answer"):
                if row["student"] == sheet:
                    answers[row["question"]].append(row)
            questions = {}
            for row in _rows(file, base, "scoring_question", "question"):
                if row["student"] != sheet:
                    continue
                own = answers[row["question"]]
                questions[row["question"]] = _Question(
                    row["type"] == _SIMPLE,
                    bool(row["indicative"]),
                    ",".join(filter(None, (defaults.get(row["type"], ""), str(row["strategy"] or "")))),
                    tuple(str(one["answer"]) for one in own if one["correct"]),
                    {str(one["answer"]): text for one in own if (text := str(one["strategy"] or "").strip(", "))},
                )
    except _UNREADABLE as error:
        raise _fault(file, f"cannot be read as AMC's scoring: {error}.", "Let AMC make the scoring data again.") from None
    return _Scoring(main.strip(","), questions)


def _rubric(
    name: str, fields: Sequence[Data], scoring: _Scoring, names: Mapping[int, str], to_check: list[str]
) -> Data | None:
    entries = {one["id"]: one for one in fields if one["kind"] == "choice"}
    questions: Data = {}
    for question, scored in scoring.questions.items():
        field = plain(names.get(question, f"question {question}"))
        if field in entries and not scored.indicative:
            questions[field] = _scored(field, scored, [box["value"] for box in entries[field]["boxes"]], to_check)
    if scoring.main:
        to_check.append(f'the exam\'s own strategy "{scoring.main}" is left out')
    if not questions:
        return None
    return {
        "format": 1,
        "name": name,
        "title": f"{name}, from auto-multiple-choice",
        "total": total_of(questions),
        "questions": questions,
    }


def _scored(name: str, question: _Question, boxes: Sequence[str], to_check: list[str]) -> Data:
    given: dict[str, Fraction] = {}
    strange = []
    for key, value in _PAIR.findall(question.strategy):
        try:
            given[key] = exact(value)
        except ValueError:
            strange.append(f"{key}={value}")
    strange += [key for key in given if key not in _KNOWN]
    if strange or "formula" in question.strategy or (question.simple and {"mz", "haut"} & set(given)):
        to_check.append(
            f"{name}: its strategy ({question.strategy[:60]}) has no counterpart, or none that is known; set its points"
        )
        return {"policy": "single" if question.simple else "all-or-nothing", "points": 1}
    right, none = given.get("b", Fraction(1)), Fraction(0)
    wrong, blank = given.get("m", none), given.get("v", none)
    if question.own and question.simple:
        return _by_answer(name, question, boxes, (right, wrong, blank), to_check)
    if question.own:
        to_check.append(f"{name}: points of single answers ({shown(question.own.values())}) are left out")
    if question.simple and len(question.correct) == 1:
        first: Data = {"policy": "single", "points": as_written(right), "key": question.correct[0]}
        return {
            **first,
            "wrong": as_written(wrong),
            "blank": as_written(blank),
            "multiple": as_written(given.get("e", none)),
        }
    key = {"key": list(question.correct)}
    if "mz" in given:
        return {"policy": "all-or-nothing", "points": as_written(given["mz"]), **key}
    if wrong or blank or question.simple:
        to_check.append(
            f"{name}: m={as_written(wrong)}, v={as_written(blank)} and e are left out; see its policy in the rubric"
        )
    if question.simple:
        return {"policy": "all-or-nothing", "points": as_written(right), **key}
    points = given.get("haut", right * len(boxes))
    if "haut" in given:
        to_check.append(
            f"{name}: haut={as_written(points)} lowers all points so that {as_written(points)} is the most; here each box earns a share"
        )
    return {"policy": "per-box", "points": as_written(points), **key}


def _by_answer(
    name: str, question: _Question, boxes: Sequence[str], points: tuple[Fraction, Fraction, Fraction], to_check: list[str]
) -> Data:
    """A question whose answers have points of their own."""
    right, wrong, blank = points
    values: dict[str, Fraction] = {}
    for answer in boxes:
        text = question.own.get(answer, "")
        usual = right if answer in question.correct else wrong
        try:
            values[answer] = exact(text.removeprefix("b=").removeprefix("m=")) if text else usual
        except ValueError:
            to_check.append(f"{name}: the strategy {text} of answer {answer} is left out")
            values[answer] = usual
    best = max(values.values())
    if blank:
        to_check.append(f"{name}: {as_written(blank)} for no mark is left out")
    written: dict[str, Any] = {answer: as_written(value) for answer, value in values.items()}
    return {
        "policy": "per-alternative",
        "points": as_written(best),
        "values": written,
        "floor": "none",
        "cap": as_written(best),
    }
