"""From a run to a file for others: our own CSV and Excel files, and the files of learning systems, filled.

Nothing is read or decided anew; what the run holds, with all decisions so far, is rounded once and written. A file is written whole or
not at all, and never in the place of one that is there unless that is said.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scangrade import __version__
from scangrade.check import Definitions
from scangrade.errors import ExitCode, Issue, OutputError, UsageError, near_miss
from scangrade.export.dialects import BY_NAME, DIALECTS, TABLE, Dialect, recognise
from scangrade.export.excel import excel_workbook
from scangrade.export.fill import UNDECIDED, WAITING, ExamPoints, Filled, FillOptions, fill
from scangrade.export.foreign import Foreign, as_number
from scangrade.export.foreign_file import read_foreign
from scangrade.export.own import AnsweredBooklet, CsvStyle, long_table, typed_csv, wide_table
from scangrade.export.results import GradeOf, Result, results_of
from scangrade.export.tables import FLAGS, GRADEBOOK, MARKS, PAGES, SCORES
from scangrade.graded import graded_run
from scangrade.grades.gradebook import Status, gradebook
from scangrade.grades.rounding import exact
from scangrade.grades.total import grade_of, shown_points
from scangrade.model import Rubric
from scangrade.run.files import write_whole
from scangrade.run.lock import LOCK_NAME
from scangrade.run.store import STORE_NAME
from scangrade.standing import Standing

AUTO: Final = "auto"
CSV, CSV_LONG, EXCEL = "csv", "csv-long", "excel"

#: Files that we make ourselves.
OWN: Final = (CSV, CSV_LONG, EXCEL)

#: All that ``--format`` takes.
FORMATS: Final = (*OWN, AUTO, *BY_NAME)

_RUN_FILES: Final = (GRADEBOOK, SCORES, MARKS, FLAGS, PAGES, STORE_NAME, LOCK_NAME)


@dataclass(frozen=True, slots=True)
class Exported:
    """What was made, and what became of everybody."""

    out: Path | None  #: None for standard output
    content: bytes
    written: bool  #: whether the file was made; where not, too many wait (`only_decided`)
    results: tuple[Result, ...]
    issues: tuple[Issue, ...]
    dialect: Dialect | None = None  #: None for our own files
    foreign: Foreign | None = None
    filled: Filled | None = None

    @property
    def exit_code(self) -> ExitCode:
        """Whether anything waits for a person."""
        if self.filled is not None:
            waits = self.filled.count(*WAITING) > 0
        else:
            waits = any(one.status not in (Status.GRADED, Status.ABSENT) for one in self.results)
        return ExitCode.FLAGGED if waits or not self.written else ExitCode.DECIDED


def export_grades(
    run: Path,
    *,
    format: str,
    out: Path | None,
    fill_file: Path | None = None,
    options: FillOptions | None = None,
    style: CsvStyle | None = None,
    only_decided: bool = False,
    force: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Exported:
    """Write a run's results for others.

    Parameters
    ----------
    run : Path
        Run folder.
    format : str
        One of `FORMATS`.
    out : Path or None
        File to write; None makes the content only.
    fill_file : Path, optional
        File that a learning system exported, to be filled; needed for all formats but our own.
    options : FillOptions, optional
        For filling.
    style : CsvStyle, optional
        For our own CSV files.
    only_decided : bool
        Fill also if some students wait for a decision, whose rows are then left as they are. Without it nothing is written then.
    force : bool
        Write over a file that is there.
    say : callable
        Is told what people should read while they wait.

    Raises
    ------
    UsageError
        If this is no run, another program holds it, or the file cannot be filled as it is asked for.
    OutputError
        If the file is there already or cannot be written.
    """
    _check_use(format, fill_file, options, style, only_decided)
    if out is not None:
        _check_out(out, run, format, fill_file, force)
    foreign, dialect = None, None
    if fill_file is not None:
        foreign = read_foreign(fill_file, column=options.column if options else "")
        dialect = _dialect_of(foreign, format)
    with graded_run(run, say=say) as graded:
        standing, definitions = graded.standing, graded.definitions
        made = _make(format, run, standing, definitions, foreign, dialect, options or FillOptions(), style or CsvStyle())
    content, results, issues, filled = made
    written = filled is None or only_decided or not filled.count(*UNDECIDED)
    if written and out is not None:
        write_whole(out, content)
    return Exported(out, content if written else b"", written, results, issues, dialect, foreign, filled)


# --------------------------------------------------------------------------- what is asked for


def _check_use(
    format: str, fill_file: Path | None, options: FillOptions | None, style: CsvStyle | None, only_decided: bool
) -> None:
    if format not in FORMATS:
        raise UsageError(
            f"--format {format}: there is no such format. {near_miss(format, FORMATS)} There are {', '.join(FORMATS)}."
        )
    if format in OWN:
        if fill_file is not None:
            raise UsageError(f"--format {format} makes a file of its own. To fill {fill_file}, use `--format auto`.")
        if only_decided or (options is not None and options != FillOptions()):
            raise UsageError(f"--format {format} writes all booklets; those options are for filling a file with `--fill`.")
        if format == EXCEL and style is not None:
            raise UsageError("--format excel: a workbook has no delimiter, decimal sign or encoding of its own.")
        return
    if fill_file is None:
        system = BY_NAME[format].system if format in BY_NAME else "the learning system"
        raise UsageError(
            f"--format {format}: give the file that {system} exported with `--fill FILE`. It is filled rather than made, since it"
            " holds ids that only that system knows."
        )
    if style is not None:
        raise UsageError("--fill: the file keeps its own delimiter and encoding. Only `--decimal` can be chosen.")


def _check_out(out: Path, run: Path, format: str, fill_file: Path | None, force: bool) -> None:
    if out.is_dir():
        raise OutputError(f"{out}: is a folder. Give a file with `-o`.")
    if out.exists() and not out.is_file():
        raise OutputError(f"{out}: is no file that can be replaced. Give another one with `-o`, or - for standard output.")
    if not out.parent.is_dir():
        raise OutputError(f"{out.parent}: there is no such folder. Make it, or give another file with `-o`.")
    if out.resolve().parent == run.resolve() and (out.name in _RUN_FILES or out.name.startswith(STORE_NAME)):
        raise OutputError(f"{out}: is one of the run's own files. Give another file with `-o`.")
    if fill_file is None and (out.suffix.lower() == ".xlsx") != (format == EXCEL):
        wanted = ".xlsx" if format == EXCEL else ".csv"
        raise UsageError(f"-o {out}: spreadsheets would not open it under this name; --format {format} makes a {wanted} file.")
    if fill_file is not None and fill_file.suffix.lower() != out.suffix.lower():
        raise UsageError(f"-o {out}: is not the kind of file that {fill_file} is. Let it end in {fill_file.suffix} as well.")
    if out.exists() and not force:
        what = (
            "is the file to be filled"
            if fill_file is not None and out.resolve() == fill_file.resolve()
            else "is there already"
        )
        raise OutputError(f"{out}: {what}. Give another file with `-o`, or write over it with `--force`.")


def _dialect_of(foreign: Foreign, format: str) -> Dialect:
    found = recognise(foreign.rows[0].cells)
    if format == AUTO:
        if found is None:
            names = ", ".join(one.name for one in DIALECTS)
            heads = ", ".join(head for head in foreign.rows[0].cells[:8] if head.strip())
            raise UsageError(
                f"{foreign.name}: is no file that we know; its heads are {heads}. Say with `--format` what it is ({names}), or use"
                f" `--format {TABLE.name}` with `--column` and `--match`."
            )
        return _taken(foreign, found)
    dialect = BY_NAME[format]
    if found is not None and found is not dialect and dialect is not TABLE:
        raise UsageError(
            f"{foreign.name}: looks like a file of {found.system}. Use `--format {found.name}`, or `--format auto`."
        )
    return _taken(foreign, dialect)


def _taken(foreign: Foreign, dialect: Dialect) -> Dialect:
    if not foreign.delimiter and not dialect.workbooks:
        raise UsageError(
            f"{foreign.name}: is an Excel workbook, which {dialect.system} does not take back. Export it again as CSV, and fill that."
        )
    return dialect


# --------------------------------------------------------------------------- from the run


def _make(
    format: str,
    run: Path,
    standing: Standing,
    definitions: Definitions,
    foreign: Foreign | None,
    dialect: Dialect | None,
    options: FillOptions,
    style: CsvStyle,
) -> tuple[bytes, tuple[Result, ...], tuple[Issue, ...], Filled | None]:
    rubric, roster = definitions.rubric, definitions.roster
    cards, identities = standing.cards(), list(standing.identities.values())
    results = results_of(cards, identities, roster, standing.flags(), grade_of=_scale_of(rubric))
    if foreign is not None and dialect is not None:
        shown = functools.partial(shown_points, rubric=rubric)
        exam = ExamPoints(rubric.total, rubric.places, shown, has_grades=rubric.scale is not None)
        filled = fill(foreign, dialect, results, exam, options)
        return foreign.filled(filled.values, decimal=filled.decimal), results, (), filled
    frame, issues = gradebook(cards, identities, rubric, roster)
    numbers = rubric.scale is not None and all(as_number(one) is not None for one in rubric.scale.grades)
    if format == CSV_LONG:
        return typed_csv(long_table(_answered(standing, results), definitions.layout, rubric), style), results, issues, None
    if format == CSV:
        return typed_csv(wide_table(frame, grades_are_numbers=numbers), style), results, issues, None
    tables = (
        wide_table(frame, grades_are_numbers=numbers),
        long_table(_answered(standing, results), definitions.layout, rubric),
    )
    return excel_workbook(tables, _about(run, definitions, results)), results, issues, None


def _scale_of(rubric: Rubric) -> GradeOf | None:
    return functools.partial(grade_of, rubric=rubric) if rubric.scale is not None else None


def _answered(standing: Standing, results: Sequence[Result]) -> Iterator[AnsweredBooklet]:
    for result in results:
        if result.booklet:
            known = standing.booklet(result.booklet)
            yield AnsweredBooklet(result, known.card, known.read.answers, known.laid.answers)


def _step(rubric: Rubric) -> str:
    return f"steps of {exact(rubric.round_to)}" if rubric.round_to else f"{rubric.places} decimals"


def _about(run: Path, definitions: Definitions, results: Sequence[Result]) -> list[tuple[str, str]]:
    rubric = definitions.rubric
    counts = [(status.value, sum(one.status is status for one in results)) for status in Status]
    return [
        ("Exam", rubric.title),
        ("Run", str(run)),
        ("Points", f"at most {shown_points(rubric.total, rubric)}; rounded half up, once, to {_step(rubric)}"),
        ("Students and booklets", ", ".join(f"{count} {status}" for status, count in counts if count)),
        ("Blank points", "wait for a person's decision; points_low and points_high say what they can become"),
        ("A question mark", "after a mark: whether it is one is not decided yet"),
        ("Made by", f"scangrade {__version__}"),
    ]
