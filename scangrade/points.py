"""Points that people gave elsewhere: a CSV file taken into a run's journal, all of it or nothing.

The file is a spreadsheet with a column per question (a filled copy of gradebook.csv will do), or a list with a row per booklet and
question. Every fault is told with its line, and nothing is taken in as long as there is one. What is taken in is a decision like any
other: with who and when, never written over, undone in one step, and a disagreement where somebody else said otherwise.
"""

from __future__ import annotations

import re
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from scangrade import __version__
from scangrade.answers.decisions import fold, of_booklet
from scangrade.check import Definitions
from scangrade.derive import Results, keep_results, results_of, uncollected, write_files
from scangrade.errors import ExitCode, Issue, PointsError, Severity, UsageError, near_miss
from scangrade.export.changes import changes_table
from scangrade.grades.by_hand import criteria_value, given_points, given_words, points_in
from scangrade.grades.compare import Change, changes
from scangrade.grades.gradebook import COLUMNS, GRADE, booklet_number
from scangrade.grades.policies import criteria_points, widest
from scangrade.grades.rounding import exact, rounded
from scangrade.model import Booklet, Decisions, Entry, Policy, Question, QuestionScore, Topic, page_key
from scangrade.opening import open_graded_run, recorded_definitions
from scangrade.run.files import Table
from scangrade.run.filled import filled_table
from scangrade.run.journal import Journal

_YES: Final = frozenset({"x", "1", "true", "yes", "ja", "oui", "sim", "✓"})
_NO: Final = frozenset({"0", "false", "no", "nein", "nee", "non", "não", "-"})
_BY_PEOPLE: Final = (Policy.OPEN, Policy.CREDIT)


@dataclass(frozen=True, slots=True)
class PointsTaken:
    """What a file of points did."""

    run: Path
    file: Path
    reviewer: str
    taken: int  #: decisions added
    same: int  #: cells that say what the run has already
    changes: tuple[Change, ...]
    table: Table  #: one row per booklet that changed
    waiting: int  #: booklets whose points are not certain yet
    flags: int  #: that wait for a person
    files: tuple[Path, ...]  #: written

    @property
    def exit_code(self) -> ExitCode:
        """Whether flags wait for a person."""
        return ExitCode.FLAGGED if self.flags else ExitCode.DECIDED


@dataclass(frozen=True, slots=True)
class _Cell:
    """One statement of the file: what one question of one booklet is worth."""

    line: int
    row: Mapping[str, str]  #: `booklet` and `student_number`, as far as they are there
    question: str
    points: str = ""
    criteria: tuple[str, ...] | None = None  #: those met, where it goes by criteria
    remark: str = ""


@dataclass(frozen=True, slots=True)
class _Given:
    """A statement that is understood."""

    line: int
    booklet: str
    question: Question
    value: str  #: of the decision
    remark: str


def take_points(run: Path, file: Path, *, reviewer: str, settles: bool = False) -> PointsTaken:
    """Take points from a CSV file into a run.

    Parameters
    ----------
    run : Path
        Run folder.
    file : Path
        CSV with a head row. `booklet` or `student_number` names the booklet. Either a column per question, and `question:criterion` for
        criteria; or the columns `question`, `points` or `criteria`, and `remark`, if wanted.
    reviewer : str
        Who gave these points.
    settles : bool
        Whether they end disagreements, instead of being one more opinion.

    Raises
    ------
    PointsError
        If the file has faults; it holds all of them, and nothing was taken in.
    UsageError
        If this is no run, nothing was graded in it, another process works on it, or the file cannot be read.
    OutputError
        If the run folder cannot be written.
    """
    who = reviewer.strip()
    if not who or not who.isprintable():
        raise UsageError("The reviewer has no name. Say with `--reviewer NAME` who gave these points.")
    with open_graded_run(run) as store:
        definitions = recorded_definitions(store)
        journal = Journal(store)
        entries = journal.entries()
        with uncollected():
            before = results_of(store, definitions, entries)
            decisions = fold(entries)
            given, same = _understood(file, before, definitions, decisions)
            booklets = {one.id: one for one in before.booklets}
            cards = {one.booklet: {score.question: score for score in one.questions} for one in before.scorecards}
            group, made = uuid.uuid4().hex, datetime.now(UTC).isoformat(timespec="milliseconds")
            added = journal.append(
                [
                    _entry(
                        one, booklets[one.booklet], cards[one.booklet][one.question.id], decisions, who, group, made, settles
                    )
                    for one in given
                ]
            )
            entries = (*entries, *added)
            after = results_of(store, definitions, entries)
            files = write_files(run, after, definitions)
            keep_results(store, definitions, after, entries)
    found = changes(before.scorecards, after.scorecards, definitions.rubric, definitions.rubric)
    identities = {one.booklet: one for one in after.identities}
    return PointsTaken(
        run,
        file,
        who,
        len(added),
        same,
        found,
        changes_table(found, identities),
        sum(one.points is None for one in after.scorecards),
        len(after.flags),
        files,
    )


def _entry(
    one: _Given,
    booklet: Booklet,
    score: QuestionScore,
    decisions: Decisions,
    reviewer: str,
    group: str,
    made: str,
    settles: bool,
) -> Entry:
    """The decision: at the image at which one on the same matter was made before, else at the booklet's first page."""
    pages = [*booklet.pages.values(), *booklet.duplicates]
    item = one.question.id
    known = (page for page in (*pages, *booklet.superseded) if decisions.on(Topic.POINTS, page_key(page), item) is not None)
    page = next(known, pages[0])
    return Entry(
        0,
        uuid.uuid4().hex,
        made,
        reviewer,
        Topic.POINTS,
        page_key(page),
        item,
        one.value,
        group,
        one.remark,
        settles,
        exact(score.points) if score.points is not None else f"{exact(score.low)} to {exact(score.high)}",
        booklet=booklet.id,
        page=page.result.page,
        scan=page.ref.scan,
        scan_page=page.ref.scan_page,
        scangrade=__version__,
    )


# --------------------------------------------------------------------------- from the file to statements


class _Faults:
    """Collects what is wrong with the file."""

    def __init__(self, file: Path) -> None:
        self.issues: list[Issue] = []
        self._file = file

    def add(self, line: int, message: str, advice: str = "") -> None:
        self.issues.append(Issue(Severity.ERROR, f"{self._file}:{line}", message, advice))


def _understood(file: Path, results: Results, definitions: Definitions, decisions: Decisions) -> tuple[list[_Given], int]:
    """Statements that say something new, and how many say what is known already."""
    faults = _Faults(file)
    questions = {one.id: one for one in definitions.rubric.questions}
    cells = list(_cells(file, questions, faults))
    find = _Finder(results)
    booklets = {one.id: one for one in results.booklets}
    scores = {(card.booklet, one.question): one for card in results.scorecards for one in card.questions}
    versions = definitions.rubric.versions or ("",)
    given: dict[tuple[str, str], _Given] = {}
    same = 0
    found: dict[tuple[str, str], str | None] = {}
    for cell in cells:
        key = cell.row.get("booklet", ""), cell.row.get("student_number", "")
        if key not in found:
            found[key] = find.booklet(cell.line, *key, faults)
        booklet = found[key]
        value = _value(cell, questions[cell.question], versions, faults)
        if booklet is None or value is None:
            continue
        question, score = questions[cell.question], scores[booklet, cell.question]
        points = given_points(value, question)
        ruling = of_booklet(Topic.POINTS, booklets[booklet], decisions, question.id)
        places = definitions.rubric.places
        known = score.points is not None and points is not None and rounded(points, places) == rounded(score.points, places)
        if known and cell.criteria is not None:
            known = ruling is not None and ruling.last.value == value
        if known:
            same += 1
            continue
        if question.void is not None:
            faults.add(
                cell.line,
                f"question {question.id} is void in the rubric, so points for it count for nothing.",
                "Leave it blank.",
            )
        elif question.policy not in _BY_PEOPLE:
            faults.add(
                cell.line,
                f"question {question.id} is scored by its marks ({question.policy}), which give booklet {booklet} "
                + (f"{exact(score.points)} points" if score.points is not None else "no certain points yet")
                + f", not {cell.points}.",
                "Leave it as it was or blank; decide marks with `scangrade review`.",
            )
        elif not (booklets[booklet].pages or booklets[booklet].duplicates):
            faults.add(cell.line, f"booklet {booklet} has no page any more, so nothing can be decided about it.")
        else:
            other = given.get((booklet, question.id))
            if other is not None and other.value != value:
                faults.add(
                    cell.line,
                    f"booklet {booklet}, question {question.id}: {given_words(value, question)} here, but"
                    f" {given_words(other.value, question)} in line {other.line}.",
                    "Keep one of them.",
                )
            given.setdefault((booklet, question.id), _Given(cell.line, booklet, question, value, cell.remark))
    if faults.issues:
        raise PointsError(sorted(faults.issues, key=lambda issue: int(issue.where.rsplit(":", 1)[1])))
    return list(given.values()), same


def _cells(file: Path, questions: Mapping[str, Question], faults: _Faults) -> Iterator[_Cell]:
    rows = filled_table(file)
    line, heads = next(rows)
    names = [head.casefold() for head in heads]
    persons = [name for name in ("booklet", "student_number") if name in names]
    if not persons:
        raise UsageError(
            f"{file}:{line}: no column says whose points these are; the first row holds {', '.join(heads[:12])}."
            " Call one `booklet` or `student_number`."
        )
    twice = sorted({head for head in heads if head and heads.count(head) > 1})
    if twice:
        raise UsageError(f"{file}:{line}: there are two columns `{twice[0]}`. Keep one of them.")
    if "question" in names and "question" not in questions:
        yield from _long(file, line, names, rows, questions, faults)
    else:
        yield from _wide(line, heads, rows, questions, faults)


def _long(
    file: Path,
    head_line: int,
    names: Sequence[str],
    rows: Iterator[tuple[int, tuple[str, ...]]],
    questions: Mapping[str, Question],
    faults: _Faults,
) -> Iterator[_Cell]:
    """A row per booklet and question."""
    if "points" not in names and "criteria" not in names:
        raise UsageError(f"{file}:{head_line}: there is neither a column `points` nor `criteria`. Add one of them.")
    for line, cells in rows:
        row = dict(zip(names, cells, strict=False))
        name, points, met = (row.get(one, "") for one in ("question", "points", "criteria"))
        if name not in questions:
            faults.add(line, f"there is no question `{name}`.", near_miss(name, questions))
        elif points and met:
            faults.add(line, f"question {name} has both points and criteria.", "Keep one of them.")
        elif points or met:
            named = tuple(one for one in re.split(r"[\s,;]+", met) if one and one not in _NO) if met else None
            yield _Cell(line, row, name, points, named, row.get("remark", ""))


def _wide(
    head_line: int,
    heads: Sequence[str],
    rows: Iterator[tuple[int, tuple[str, ...]]],
    questions: Mapping[str, Question],
    faults: _Faults,
) -> Iterator[_Cell]:
    """A row per booklet, a column per question, or per question and criterion."""
    of_points: dict[int, str] = {}
    of_criteria: dict[int, tuple[str, str]] = {}
    for place, head in enumerate(heads):
        name = head.removeprefix("question:")
        question, _, criterion = head.rpartition(":")
        if head.casefold() in (*COLUMNS, GRADE, "") or head.startswith("part:"):
            continue
        if name in questions:
            of_points[place] = name
        elif question in questions:
            known = [one.id for one in questions[question].criteria]
            if criterion in known:
                of_criteria[place] = (question, criterion)
            else:
                hint = near_miss(criterion, known) or (f"It has {', '.join(known)}." if known else "It has none.")
                faults.add(head_line, f"question {question} has no criterion `{criterion}`.", hint)
        else:
            faults.add(
                head_line,
                f"the column `{head}` is no question of the rubric.",
                near_miss(head, questions) or "Take the column out.",
            )
    for line, cells in rows:
        row = {head.casefold(): cell for head, cell in zip(heads, cells, strict=False)}
        held = {place: cell for place, cell in enumerate(cells) if cell}
        met: dict[str, list[str]] = defaultdict(list)
        for place, (question, criterion) in of_criteria.items():
            cell = held.get(place, "").casefold()
            if cell in _YES:
                met[question].append(criterion)
            elif cell in _NO:
                met[question] += []
            elif cell:
                faults.add(
                    line, f"column `{heads[place]}` holds `{held[place]}`.", "Write x where the criterion is met, 0 where not."
                )
        for place, question in of_points.items():
            if place not in held:
                continue
            if question in met:
                faults.add(line, f"question {question} has both points and criteria.", "Keep one of them.")
            else:
                yield _Cell(line, row, question, held[place])
        for question, names in met.items():
            yield _Cell(line, row, question, criteria=tuple(names))


def _value(cell: _Cell, question: Question, versions: Sequence[str], faults: _Faults) -> str | None:
    """The value of a decision, None where the cell is at fault."""
    if cell.criteria is not None:
        known = [one.id for one in question.criteria]
        for one in cell.criteria:
            if one not in known:
                hint = near_miss(one, known) or (f"It has {', '.join(known)}." if known else "It has none.")
                faults.add(cell.line, f"question {question.id} has no criterion `{one}`.", hint)
                return None
        return criteria_value(question, cell.criteria) if criteria_points(question, cell.criteria) is not None else None
    points = points_in(cell.points)
    if points is None:
        faults.add(cell.line, f"question {question.id}: `{cell.points}` is no number of points.", "Write 3.5 or 7/2.")
        return None
    bounds = [widest(question, one) for one in versions]
    low, high = min(one for one, _ in bounds), max(one for _, one in bounds)
    if question.policy in _BY_PEOPLE and question.void is None and not low <= points <= high:
        faults.add(
            cell.line,
            f"question {question.id} is worth {exact(low)} to {exact(high)} points, not {cell.points}.",
            "Correct the cell, or the rubric if that is wrong.",
        )
        return None
    return str(points)


# --------------------------------------------------------------------------- whose points they are


class _Finder:
    """Finds the booklet that a row is about. Spreadsheets take zeros off the front of numbers, so these may lack."""

    def __init__(self, results: Results) -> None:
        self._number = {one.booklet: booklet_number(one) for one in results.identities}
        self._by_student: dict[str, list[str]] = defaultdict(list)
        for booklet, number in self._number.items():
            if number:
                self._by_student[number].append(booklet)

    def booklet(self, line: int, booklet: str, student: str, faults: _Faults) -> str | None:
        """The booklet, None where the row is at fault."""
        if booklet:
            found = _unique(booklet.removeprefix("'"), self._number)
            if found is None:
                faults.add(line, f"there is no booklet `{booklet}`.", near_miss(booklet, self._number))
            elif student and (own := self._number[found]) and own.lstrip("0") != student.removeprefix("'").lstrip("0"):
                faults.add(line, f"booklet {found} is of student {own}, not {student}.", "Correct one of them.")
                return None
            return found
        if not student:
            faults.add(line, "it is not said whose points these are.", "Give the booklet or the student number.")
            return None
        number = _unique(student.removeprefix("'"), self._by_student)
        if number is None:
            faults.add(
                line,
                f"no booklet is certain to be of student `{student}`.",
                "Give the booklet, or decide whose it is in the review.",
            )
            return None
        if len(self._by_student[number]) > 1:
            of = ", ".join(self._by_student[number])
            faults.add(line, f"student {number} has more than one booklet: {of}.", "Give the booklet.")
            return None
        return self._by_student[number][0]


def _unique(word: str, known: Mapping[str, object]) -> str | None:
    """The word itself if it is known, else the only one that it becomes with zeros before it."""
    if word in known:
        return word
    alike = [one for one in known if one.lstrip("0") == word.lstrip("0") and word]
    return alike[0] if len(alike) == 1 else None
