"""Feedback for students: every booklet as a PDF with marks, points and what was right drawn on it, and a table for mail merge.

One booklet at a time is in memory, and a fault of one costs only that one. Whose points are open, and whose booklet it is not certain, is
said: such a file says PROVISIONAL, or is left out, and a booklet without a certain student never carries anybody's name.
"""

from __future__ import annotations

import csv
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np
import pikepdf
from numpy.typing import NDArray

from scangrade import settings
from scangrade.check import Definitions
from scangrade.errors import ExitCode, OutputError, UsageError
from scangrade.export.names import NameTemplate, name_key, safe_name, unique_name
from scangrade.export.overlay import AnnotatedPage, BoxMark, Note, Overlay, Row, Seen, Summary, can_write
from scangrade.geometry import as_matrix, project
from scangrade.graded import Graded, graded_run
from scangrade.grades.cells import safe_text
from scangrade.grades.feedback import Answered, Feedback, answered, feedback
from scangrade.grades.policies import SUMMED, in_order, keys_of, values_of
from scangrade.grades.rounding import exact, rounded
from scangrade.grades.score import part_totals
from scangrade.grades.total import grade_of, shown_points
from scangrade.grades.version import printed_as
from scangrade.model import (
    FEATURES,
    Answer,
    Field,
    FieldKind,
    MatchStatus,
    PageRead,
    Policy,
    Question,
    QuestionScore,
    Rubric,
    Student,
    Verdict,
    Void,
)
from scangrade.opening import refuse_forgotten
from scangrade.paper.formats import SUFFIXES
from scangrade.paper.original import NoOriginal, OriginalScan
from scangrade.progress import Progress, Silent
from scangrade.run.files import Table, as_csv, write_whole
from scangrade.run.intake import find_again, lost_scans
from scangrade.standing import Concluded

FEEDBACK_FILE: Final = "feedback.csv"
NAME: Final = "{student_number}_{last_name}"
ANONYMOUS_NAME: Final = "{booklet}"

_FIELDS: Final = ("student_number", "last_name", "first_name", "email", "booklet", "version", "points")
_NAMING: Final = frozenset({"student_number", "last_name", "first_name", "email"})
_OFFSETS: Final = FEATURES.index("dx_mm"), FEATURES.index("dy_mm")
_SEEN: Final = {
    Verdict.MARKED: Seen.MARKED,
    Verdict.UNDONE: Seen.UNDONE,
    Verdict.UNSURE: Seen.OPEN,
    Verdict.EMPTY: Seen.NOTHING,
}

#: What broken scans make the libraries raise that take them apart.
_MALFORMED: Final = (
    pikepdf.PdfError,
    OSError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)


class OpenPoints(StrEnum):
    """What becomes of a booklet whose points are not certain."""

    PROVISIONAL = "provisional"  #: its PDF is made, and says so
    LEAVE_OUT = "leave-out"


class FileStatus(StrEnum):
    """What a row of the table says of a booklet's PDF."""

    FINAL = "final"
    PROVISIONAL = "provisional"  #: made, while points are open
    LEFT_OUT = "left_out"  #: not made, since points are open
    FAILED = "failed"  #: not made, since a page cannot be shown


@dataclass(frozen=True, slots=True)
class Made:
    """What was made of one booklet."""

    booklet: str
    who: str  #: the student's name and number, or the booklet, for people
    status: FileStatus
    identified: bool  #: whether it is certain whose it is
    file: str  #: "" where there is none
    detail: str  #: why it is not final


@dataclass(frozen=True, slots=True)
class Annotated:
    """What was made of a run."""

    folder: Path
    table: Path
    booklets: tuple[Made, ...]
    leftovers: tuple[str, ...]  #: files of the time before that were not made again
    lost: str  #: which scans were not found, and what to do; "" where all were

    @property
    def exit_code(self) -> ExitCode:
        """Whether anything is left to do for a person."""
        final = all(one.status is FileStatus.FINAL and one.identified for one in self.booklets)
        return ExitCode.DECIDED if final else ExitCode.FLAGGED


def annotate_run(
    run: Path,
    *,
    out: Path,
    name: str | None = None,
    anonymous: bool = False,
    with_key: bool = True,
    open_points: OpenPoints = OpenPoints.PROVISIONAL,
    scans: Path | None = None,
    force: bool = False,
    progress: Progress | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Annotated:
    """Make a PDF of every booklet, and `feedback.csv` with a row per booklet.

    Parameters
    ----------
    run : Path
        Run folder.
    out : Path
        Folder for the files; made if need be.
    name : str, optional
        How files are named, with fields in braces; by default by student number and last name, or, if anonymous, by booklet.
    anonymous : bool
        No student is named, and the fields of the form that hold names and numbers are concealed.
    with_key : bool
        Show what is right.
    open_points : OpenPoints
    scans : Path, optional
        Folder in which scans are looked for by their content that are not any more where they were.
    force : bool
        Write into a folder that holds files already, and over those of the same name.
    progress : Progress, optional
        Is told how many of the pages are drawn.
    say : callable
        Is told what people should read while they wait.

    Raises
    ------
    UsageError
        If this is no run, its pictures were removed, the name is no template, or none of the scans is found.
    OutputError
        If a file cannot be written, or the folder holds files already.
    """
    template = _template(name, anonymous=anonymous)
    before = _files_there(out, force=force)
    with graded_run(run, say=say) as graded:
        refuse_forgotten(graded.store)
        places, lost = find_again(graded.store.scans(), scans, suffixes=SUFFIXES)
        if lost and not places:
            raise UsageError(lost_scans(lost, scans))
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{out}: cannot be made: {error.strerror or error}. Choose another with `--out`.") from error
        style = _Style(anonymous, with_key)
        with _sources(places, graded.definitions.layout.dropout) as source_of:
            job = _Job(graded, out, template, style, open_points, source_of)
            made, rows = job.all_booklets(progress or Silent())
        table = out / FEEDBACK_FILE
        write_whole(table, as_csv(Table(FEEDBACK_FILE, job.header(), tuple(rows))))
    files = {one.file for one in made}
    leftovers = tuple(sorted(one for one in before if one not in files and (out / one).is_file()))
    return Annotated(out, table, tuple(made), leftovers, lost_scans(lost, scans) if lost else "")


def _template(name: str | None, *, anonymous: bool) -> NameTemplate:
    if not anonymous:
        return NameTemplate.parse(NAME if name is None else name, _FIELDS)
    template = NameTemplate.parse(ANONYMOUS_NAME if name is None else name, _FIELDS)
    telling = [one for one in template.fields if one in _NAMING]
    if telling:
        raise UsageError(f"name `{name}`: {{{telling[0]}}} tells who it is, and `--anonymous` was asked for. Use {{booklet}}.")
    return template


def _files_there(out: Path, *, force: bool) -> frozenset[str]:
    """Files that an earlier call made there."""
    if out.exists() and not out.is_dir():
        raise OutputError(f"{out}: is a file. Choose a folder with `--out`.")
    if not out.is_dir() or not any(out.iterdir()):
        return frozenset()
    if not force:
        raise OutputError(
            f"{out}: holds files already. Choose another folder with `--out`, or write over them with `--force`."
        )
    table = out / FEEDBACK_FILE
    if not table.is_file():
        return frozenset()
    with table.open(encoding="utf-8-sig", newline="", errors="replace") as stream:
        named = {row.get("file") or "" for row in csv.DictReader(stream)}
    return frozenset(one for one in named if one and Path(one).name == one)


@contextmanager
def _sources(places: Mapping[str, Path], channel: str) -> Iterator[Callable[[str], OriginalScan | NoOriginal]]:
    """Scan files by their names, the last few of them kept open."""
    held: OrderedDict[str, OriginalScan] = OrderedDict()

    def source(name: str) -> OriginalScan | NoOriginal:
        if name not in places:
            return NoOriginal("its scan is not there any more, or changed")
        if name not in held:
            held[name] = OriginalScan(places[name], channel=channel)
            while len(held) > settings.ANNOTATE.open_scans:
                held.popitem(last=False)[1].close()
        held.move_to_end(name)
        return held[name]

    try:
        yield source
    finally:
        for one in held.values():
            one.close()


@dataclass(frozen=True, slots=True)
class _Style:
    anonymous: bool
    with_key: bool


class _FailedError(Exception):
    """A booklet's PDF cannot be made; the message says why."""


class _Job:
    """Makes the PDFs of a run, one after the other."""

    def __init__(
        self,
        graded: Graded,
        out: Path,
        template: NameTemplate,
        style: _Style,
        open_points: OpenPoints,
        source_of: Callable[[str], OriginalScan | NoOriginal],
    ) -> None:
        self._standing = graded.standing
        self._definitions = graded.definitions
        self._out = out
        self._template = template
        self._style = style
        self._open_points = open_points
        self._source_of = source_of
        self._taken = {name_key(Path(FEEDBACK_FILE).stem)}

    def header(self) -> tuple[str, ...]:
        """Columns of the table."""
        person = () if self._style.anonymous else ("student_number", "last_name", "first_name", "email")
        questions = tuple(f"question:{one.id}" for one in self._definitions.rubric.questions)
        return (
            *person,
            "booklet",
            "status",
            "points",
            "max_points",
            "points_low",
            "points_high",
            "file",
            "detail",
            *questions,
        )

    def all_booklets(self, progress: Progress) -> tuple[list[Made], list[tuple[str, ...]]]:
        """Make the PDF of every booklet; return what became of them, and the rows of the table."""
        progress.expect(len(self._standing.booklets))
        made, rows = [], []
        for concluded in self._standing.each():
            one = self._booklet(concluded)
            made.append(one)
            rows.append(self._row(concluded, one))
            progress.advance(1)
        return made, rows

    # ----------------------------------------------------------------- one booklet

    def _booklet(self, concluded: Concluded) -> Made:
        booklet, card = concluded.laid.booklet, concluded.card
        student = self._student(concluded)
        who = f"booklet {booklet.id}"
        if student is not None and not self._style.anonymous:
            who = f"{student.number} {', '.join(filter(None, (student.last_name, student.first_name)))}".strip()
        made = Made(booklet.id, who, FileStatus.FINAL, student is not None, "", "")
        if student is None:
            made = replace(made, detail="it is not certain whose booklet it is")
        if card.points is None:
            waiting = [one.question for one in card.questions if one.points is None]
            detail = f"points are open in question{'s' if len(waiting) > 1 else ''} {', '.join(waiting)}"
            made = replace(made, detail=f"{made.detail}; {detail}" if made.detail else detail, status=FileStatus.PROVISIONAL)
            if self._open_points is OpenPoints.LEAVE_OUT:
                return replace(made, status=FileStatus.LEFT_OUT)
        try:
            content = self._pdf(concluded, student)
        except _FailedError as error:
            return replace(made, status=FileStatus.FAILED, detail=str(error))
        except _MALFORMED as error:
            return replace(made, status=FileStatus.FAILED, detail=f"it cannot be drawn: {type(error).__name__}: {error}")
        file = f"{self._name(concluded, student)}.pdf"
        write_whole(self._out / file, content)
        return replace(made, file=file)

    def _student(self, concluded: Concluded) -> Student | None:
        """Whose booklet it is, only where that is certain."""
        match concluded.identity.status:
            case MatchStatus.MATCHED:
                return concluded.identity.student
            case MatchStatus.NO_ROSTER:
                return Student(concluded.identity.number)
            case MatchStatus.UNKNOWN | MatchStatus.DUPLICATE:
                return None

    def _name(self, concluded: Concluded, student: Student | None) -> str:
        most = settings.ANNOTATE.most_name_bytes
        booklet, card = concluded.laid.booklet.id, concluded.card
        name = ""
        if student is not None or self._style.anonymous:
            values = {
                "student_number": student.number if student else "",
                "last_name": student.last_name if student else "",
                "first_name": student.first_name if student else "",
                "email": student.email if student else "",
                "booklet": booklet,
                "version": card.version,
                "points": "" if card.points is None else shown_points(card.points, self._definitions.rubric),
            }
            name = self._template.fill(values, most_bytes=most)
        if not name:
            name = safe_name(f"{'booklet' if student else 'unidentified'}-{booklet}", most_bytes=most)
        name = unique_name(name, self._taken, most_bytes=most)
        self._taken.add(name_key(name))
        return name

    def _row(self, concluded: Concluded, made: Made) -> tuple[str, ...]:
        card, rubric = concluded.card, self._definitions.rubric
        student = self._student(concluded)
        shown = student or Student("")
        person = () if self._style.anonymous else (shown.number, shown.last_name, shown.first_name, shown.email)
        points = [card.points, rubric.total, card.low, card.high]
        return (
            *map(safe_text, person),
            safe_text(concluded.laid.booklet.id),
            made.status.value,
            *("" if one is None else shown_points(one, rubric) for one in points),
            safe_text(made.file),
            safe_text(made.detail),
            *("" if one.points is None else rounded(one.points, rubric.places) for one in card.questions),
        )

    def _pdf(self, concluded: Concluded, student: Student | None) -> bytes:
        booklet = concluded.laid.booklet
        numbers = sorted(booklet.pages)
        if not numbers:
            raise _FailedError("it has no page")
        pages = [_annotated(concluded, number, self._definitions, with_key=self._style.with_key) for number in numbers]
        overlay = Overlay(_summary(concluded, student, self._definitions, self._style), pages, settings.ANNOTATE)
        for place, number in enumerate(numbers):
            page = booklet.pages[number]
            result = page.result
            assert isinstance(result, PageRead)
            source = self._source_of(page.ref.scan)
            where = f"page {number} ({page.ref.scan}, page {page.ref.scan_page})"
            if isinstance(source, NoOriginal):
                raise _FailedError(f"{where}: {source.detail}")
            conceal = _concealed(self._definitions, number, result) if self._style.anonymous else ()
            original = source.page(page.ref.scan_page - 1, overlay.pdf, sha256=result.image_sha256, conceal=conceal)
            if isinstance(original, NoOriginal):
                raise _FailedError(f"{where}: {original.detail}")
            overlay.lay_under(place, original)
        return overlay.finished()


# --------------------------------------------------------------------------- what is drawn


def _annotated(concluded: Concluded, number: int, definitions: Definitions, *, with_key: bool) -> AnnotatedPage:
    layout, page = definitions.layout, concluded.laid.booklet.pages[number]
    result = page.result
    assert isinstance(result, PageRead)
    answers = {one.field: one for one in concluded.laid.answers}
    told = _feedback(concluded, definitions) if with_key else {}
    rows = {box.key: row for row, box in enumerate(layout.boxes(number))}
    marks: list[BoxMark] = []
    for field in layout.fields:
        answer = answers.get(field.id)
        if field.page != number or answer is None:
            continue
        marks += _marks(field, answer, result, rows, told.get(field.id, {}))
    size = layout.page(number)
    notes = _notes(concluded, number, definitions)
    return AnnotatedPage(number, size.width_mm, size.height_mm, as_matrix(result.transform), tuple(marks), notes)


def _marks(
    field: Field, answer: Answer, page: PageRead, rows: Mapping[str, int], told: Mapping[str, Feedback]
) -> Iterator[BoxMark]:
    verdicts = {one.box: one.verdict for one in answer.verdicts}
    for box in field.boxes:
        seen = Seen.OPEN if box.value in answer.open else _SEEN[verdicts[box.value]]
        feedback_ = told.get(box.value)
        if seen is Seen.NOTHING and feedback_ is not Feedback.MISSED:
            continue
        across, down = (float(page.readings.values[rows[box.key], column]) for column in _OFFSETS)
        x, y = (at + (off if np.isfinite(off) else 0.0) for at, off in ((box.x_mm, across), (box.y_mm, down)))
        frame = 2 * box.frame_mm
        yield BoxMark(x, y, box.width_mm + frame, box.height_mm + frame, box.shape, seen, feedback_)


def _feedback(concluded: Concluded, definitions: Definitions) -> Mapping[str, Mapping[str, Feedback]]:
    """By field, what is said of each of its boxes."""
    version = _version(concluded, definitions)
    scores = {one.question: one for one in concluded.card.questions}
    found_answers = _answered(concluded, definitions)
    told: dict[str, dict[str, Feedback]] = {}
    for question in definitions.rubric.questions:
        one = found_answers.get(question.id)
        if one is None or _by_hand(scores[question.id]):
            continue
        found = feedback(question, version, one.marked, one.open, one.alternatives)
        for field in one.fields:
            told[field.id] = {box.value: found[one.meant.get(box.value, box.value)] for box in field.boxes}
    return told


def _version(concluded: Concluded, definitions: Definitions) -> str | None:
    return concluded.card.version if concluded.card.version or not definitions.rubric.versions else None


def _answered(concluded: Concluded, definitions: Definitions) -> Mapping[str, Answered]:
    version = _version(concluded, definitions)
    return answered(concluded.laid.answers, version, definitions.layout, definitions.rubric)


def _by_hand(score: QuestionScore) -> bool:
    return score.rule.startswith("by hand: ")


def _notes(concluded: Concluded, number: int, definitions: Definitions) -> tuple[Note, ...]:
    """Points of the questions whose answers begin on this page, in the rubric's order."""
    begins: dict[str, tuple[int, float]] = {}
    for field in definitions.layout.fields:
        top = min((box.y_mm for box in field.boxes), default=None)
        if top is None and field.region is not None:
            top = field.region.y_mm + 3
        if field.question and top is not None:
            place = (field.page, top)
            begins[field.question] = min(begins.get(field.question, place), place)
    rubric, version = definitions.rubric, _version(concluded, definitions) or ""
    notes = []
    for question, score in zip(rubric.questions, concluded.card.questions, strict=True):
        page, y = begins.get(printed_as(question.id, version, rubric)[0], (0, 0.0))
        if page == number:
            points, most, share = _points(question, score, definitions)
            notes.append(Note(question.id, points, most, share, y))
    return tuple(notes)


def _points(question: Question, score: QuestionScore, definitions: Definitions) -> tuple[str, str, float | None]:
    places = definitions.rubric.places
    most = rounded(Fraction(0) if question.void is Void.OUT else question.points, places)
    if score.points is None:
        return _range(score.low, score.high, places), most, None
    counts = question.points and question.void is not Void.OUT
    share = float(score.points / question.points) if counts else float(score.points >= 0)
    return rounded(score.points, places), most, share


def _range(low: Fraction, high: Fraction, places: int) -> str:
    return f"{rounded(low, places)} to {rounded(high, places)}"


def _exam_range(low: Fraction, high: Fraction, rubric: Rubric) -> str:
    return f"{shown_points(low, rubric)} to {shown_points(high, rubric)}"


def _summary(concluded: Concluded, student: Student | None, definitions: Definitions, style: _Style) -> Summary:
    card, rubric, booklet = concluded.card, definitions.rubric, concluded.laid.booklet
    places = rubric.places
    waiting = [one.question for one in card.questions if one.points is None]
    provisional = (
        ""
        if card.points is not None
        else f"A person has yet to decide on question{'s' if len(waiting) > 1 else ''} {', '.join(waiting)};"
        f" the points can become {_exam_range(card.low, card.high, rubric)}."
    )
    answers = _answered(concluded, definitions)
    rows = []
    for question, score in zip(rubric.questions, card.questions, strict=True):
        points, most, share = _points(question, score, definitions)
        if _by_hand(score):
            words = "points given by a person"
        elif question.id in answers:
            one = answers[question.id]
            words = _listed(one.marked, one.alternatives)
            if one.open:
                words = f"{words}; open: {_listed(one.open, one.alternatives)}"
        else:
            words = "points marked by the grader" if question.policy is Policy.CREDIT else ""
        known = card.version or not rubric.versions
        right = _right(question, card.version) if known or question.void else ""
        label = f"{question.id} (bonus)" if question.bonus else question.id
        rows.append(Row(label, points, most, share, words, right))
    parts = [
        (
            one.title,
            _range(total.low, total.high, places) if total.points is None else rounded(total.points, places),
            rounded(one.points, places),
        )
        for one, total in zip(rubric.parts, part_totals(card, rubric), strict=True)
    ]
    missing = [one.number for one in definitions.layout.pages if one.number not in booklet.pages]
    boxed = {field.page for field in definitions.layout.fields}
    grade = grade_of(card.points, rubric) if card.points is not None else ""
    remarks = [f"Grade {grade}"] if grade else []
    remarks += [f"Page {one} is missing from the scans." for one in missing if one in boxed]
    return Summary(
        rubric.title,
        () if style.anonymous else _who(student),
        booklet.id,
        card.version,
        _exam_range(card.low, card.high, rubric) if card.points is None else shown_points(card.points, rubric),
        shown_points(rubric.total, rubric),
        provisional,
        tuple(rows),
        tuple(parts),
        tuple(remarks),
        style.with_key,
    )


def _who(student: Student | None) -> tuple[str, ...]:
    """Lines that name a student; a name in letters that the font lacks is left out rather than mangled."""
    if student is None:
        return ("Student not certain",)
    name = ", ".join(filter(None, (student.last_name, student.first_name)))
    number = f"Student number {student.number}" if student.number else ""
    lines = tuple(filter(None, (name if can_write(name) else "", number)))
    return lines or ("Student not certain",)


def _listed(marked: Collection[str], alternatives: Sequence[str]) -> str:
    return ", ".join(one for one in alternatives if one in marked) or "nothing"


def _right(question: Question, version: str) -> str:
    """What earns points, in words."""
    if question.void is not None:
        return "every answer has full points" if question.void is Void.FULL else "does not count"
    if question.policy in SUMMED:
        values = values_of(question, version)
        return ", ".join(f"{one} {'+' if values[one] > 0 else ''}{exact(values[one])}" for one in in_order(values))
    return " or ".join(", ".join(in_order(key)) or "nothing" for key in keys_of(question, version))


def _concealed(definitions: Definitions, number: int, page: PageRead) -> tuple[NDArray[np.float64], ...]:
    """Where a page names its student, in pixels: names, numbers, stickers."""
    found = []
    beyond = settings.ANNOTATE.conceal_mm
    for field in definitions.layout.fields:
        if field.page != number or not _names(field):
            continue
        boxes = [
            (
                box.x_mm - box.width_mm / 2,
                box.y_mm - box.height_mm / 2,
                box.x_mm + box.width_mm / 2,
                box.y_mm + box.height_mm / 2,
            )
            for box in field.boxes
        ]
        if field.region is not None:
            boxes.append(field.region.edges)
        left, top = min(box[0] for box in boxes) - beyond, min(box[1] for box in boxes) - beyond
        right, bottom = max(box[2] for box in boxes) + beyond, max(box[3] for box in boxes) + beyond
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        found.append(project(as_matrix(page.transform), corners))
    return tuple(found)


def _names(field: Field) -> bool:
    return field.kind is FieldKind.STICKER or field.role in ("name", "student_number")
