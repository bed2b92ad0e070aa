"""The commands: each parses, calls one function, prints, and returns an exit code.

What takes long to import is imported by the command that needs it, so that `scangrade --help` answers at once. stdout is for data,
stderr for people.
"""

from __future__ import annotations

import json
import math
import secrets
import shlex
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from scangrade import __version__
from scangrade.errors import DefinitionError, ExitCode, FaultsError, Issue, OutputError, ScangradeError, Severity, UsageError
from scangrade.settings import AUDIT

if TYPE_CHECKING:
    from fractions import Fraction

    from scangrade.annotate import Annotated
    from scangrade.audit import Audited, Drawn
    from scangrade.authoring.detect import Detected
    from scangrade.authoring.printing.booklets import Printed
    from scangrade.deliver import Exported
    from scangrade.grade import RunSummary
    from scangrade.regrade import Compared, Regraded
    from scangrade.report import Reported

Command = TypeVar("Command", bound=Callable[..., Any])

_PATH = click.Path(path_type=Path)
_VERBOSE = "scangrade.verbose"
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}
_DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t"}
_DECIMALS = {"point": ".", "comma": ","}


class _Commands(click.Group):
    """The one place that turns exceptions into text and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        _end_as_interrupted()
        try:
            code = super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except KeyboardInterrupt:
            _say("Interrupted. What was read is stored: run the same command again to go on.")
            code = ExitCode.INTERNAL
        except FaultsError as error:
            _trace(ctx)
            for issue in error.issues:
                _say(_as_line(issue))
            _say(_tally(error.issues, error.so))
            code = error.exit_code
        except ScangradeError as error:
            _trace(ctx)
            _say(f"error: {error}")
            code = error.exit_code
        except Exception:
            _say(traceback.format_exc())
            _say(
                f"This is a fault of scangrade {__version__}, not yours. What was read is stored."
                " Please report it with the lines above."
            )
            code = ExitCode.INTERNAL
        ctx.exit(int(code or ExitCode.DECIDED))


def _end_as_interrupted() -> None:
    """Have whoever ends this process (the system at its end, a closed terminal) end it as Ctrl-C does: in order, and with a word."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:  # not where `nohup` has it ignored
            signal.signal(number, _interrupt)


def _interrupt(number: int, frame: object) -> None:  # noqa: ARG001 - what handlers are called with
    raise KeyboardInterrupt


def _verbose(command: Command) -> Command:
    def note(ctx: click.Context, _: click.Parameter, value: bool) -> None:
        ctx.meta[_VERBOSE] = value or ctx.meta.get(_VERBOSE, False)

    option = click.option(
        "--verbose", is_flag=True, expose_value=False, callback=note, help="Show where in the program an error arose."
    )
    return option(command)


def _layout_option(command: Command) -> Command:
    return click.option("--layout", "-l", type=_PATH, required=True, help="Layout of the form (TOML or JSON).")(command)


def _rubric_option(command: Command) -> Command:
    return click.option("--rubric", "-r", type=_PATH, required=True, help="Keys and points (TOML or JSON).")(command)


def _roster_option(command: Command) -> Command:
    return click.option("--roster", "-c", type=_PATH, help="Class list (CSV).")(command)


def _workers_option(command: Command) -> Command:
    return click.option("--workers", "-w", type=click.IntRange(1), help="Processes that read pages [default: one per core].")(
        command
    )


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="scangrade")
@_verbose
def main() -> None:
    """Grade scanned exam booklets.

    Exit codes: 0 everything is decided; 1 a fault of scangrade, or interrupted; 2 wrong use or faulty definitions; 3 finished,
    flags wait for a person; 4 a file cannot be written.
    """


@main.command()
@click.argument("scans", nargs=-1, required=True, type=_PATH, metavar="SCAN...")
@_layout_option
@_rubric_option
@_roster_option
@click.option("--out", "-o", type=_PATH, required=True, metavar="RUN", help="Run folder: everything is written there.")
@_workers_option
@click.option("--on", default="", metavar="CLUSTER", help="Have a cluster read the pages: dask://SCHEDULER:PORT.")
@_verbose
def grade(
    scans: tuple[Path, ...], layout: Path, rubric: Path, roster: Path | None, out: Path, workers: int | None, on: str
) -> ExitCode:
    """Grade scans: PDF and TIFF files, images, or folders of them.

    Into a run folder that is there already, new scans are added; scans that it has change nothing; a run that was interrupted
    goes on where it stopped.
    """
    if on and workers is not None:
        raise UsageError(
            "--workers: counts on this machine only; with --on, all workers of the cluster are used. Give one of them."
        )
    from scangrade.grade import grade as grade_scans  # noqa: PLC0415 - see the module's docstring
    from scangrade.terminal import progress_bar  # noqa: PLC0415

    with progress_bar() as progress:
        summary = grade_scans(
            scans, layout=layout, rubric=rubric, roster=roster, out=out, workers=workers, cluster=on, progress=progress
        )
    _say(_closing(summary))
    return summary.exit_code


@main.command()
@_layout_option
@_rubric_option
@_roster_option
@_verbose
def check(layout: Path, rubric: Path, roster: Path | None) -> ExitCode:
    """Report every fault of layout, rubric and roster at once."""
    from scangrade.check import check as check_definitions  # noqa: PLC0415

    issues = check_definitions(layout, rubric, roster)
    for issue in issues:
        click.echo(_as_line(issue))
    _say(_tally(issues, DefinitionError.so))
    return ExitCode.USAGE if any(issue.severity is Severity.ERROR for issue in issues) else ExitCode.DECIDED


@main.command()
@click.argument("folder", default="scangrade-demo", type=_PATH)
@_workers_option
@_verbose
def demo(folder: Path, workers: int | None) -> ExitCode:
    """Make sample booklets in FOLDER, grade them, and say where everything is.

    Ends with 0 even though flags wait for a person: the sample booklets are made so that some do.
    """
    from scangrade.authoring.samples import make_demo  # noqa: PLC0415
    from scangrade.grade import grade as grade_scans  # noqa: PLC0415
    from scangrade.terminal import progress_bar  # noqa: PLC0415

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder}: is there already. Give the demo a folder of its own: `scangrade demo FOLDER`.")
    made = make_demo(folder)
    scans, run = folder / "scans", folder / "run"
    files = ["--layout", made.layout, "--rubric", made.rubric, "--roster", made.roster]
    command = shlex.join(str(word) for word in ["scangrade", "grade", scans, *files, "--out", run])
    _say(f"Sample booklets are in {scans}, with their truth in {made.truth}. Grading them, as you would with\n\n  {command}\n")
    with progress_bar() as progress:
        summary = grade_scans(
            [scans],
            layout=made.layout,
            rubric=made.rubric,
            roster=made.roster,
            out=run,
            workers=workers,
            progress=progress,
        )
    _say(_closing(summary))
    return ExitCode.DECIDED


@main.command()
@click.argument("run", type=_PATH)
@click.option(
    "--format",
    "-f",
    "format_",
    required=True,
    metavar="NAME",
    help="csv, csv-long or excel; or, with --fill: auto, canvas, moodle-assignment, moodle-gradebook, brightspace, blackboard,"
    " campusonline (tumonline), table.",
)
@click.option("--fill", type=_PATH, metavar="FILE", help="File that the learning system exported; it is read only.")
@click.option("--output", "-o", type=_PATH, required=True, metavar="FILE", help="File to write; - for standard output.")
@click.option(
    "--value", type=click.Choice(["points", "scaled", "percent", "grade"]), help="What to fill in [default: points]."
)
@click.option("--column", default="", metavar="HEAD", help="Column to fill: its head, or a part that no other head has.")
@click.option("--match", default="", metavar="HEAD", help="Column that tells students apart, where it is not a usual one.")
@click.option("--only-decided", is_flag=True, help="Fill although some wait for a decision; they are left as they are.")
@click.option("--replace", is_flag=True, help="Write over other values in the column.")
@click.option("--clamp", is_flag=True, help="Where the system drops points out of its range: write 0 or the maximum.")
@click.option("--trust-numbers", is_flag=True, help="Fill also where the name beside the number is another one.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@click.option("--delimiter", type=click.Choice(list(_DELIMITERS)), help="Of our CSV files [default: comma].")
@click.option("--decimal", type=click.Choice(list(_DECIMALS)), help="Decimal sign [default: point, or as in the filled file].")
@click.option(
    "--encoding",
    type=click.Choice(["utf-8-bom", "utf-8", "utf-16", "windows-1252"]),
    help="Of our CSV files [default: utf-8-bom].",
)
@_verbose
def export(
    run: Path,
    format_: str,
    fill: Path | None,
    output: Path,
    value: str | None,
    column: str,
    match: str,
    only_decided: bool,
    replace: bool,
    clamp: bool,
    trust_numbers: bool,
    force: bool,
    delimiter: str | None,
    decimal: str | None,
    encoding: str | None,
) -> ExitCode:
    """Write the gradebook for others: as CSV or Excel, or into the file that a learning system exported.

    A filled file keeps its header, order, encoding and all other cells. Who could not be filled in is named. Ends with 3 if
    anything waits for a person; while points are not decided, nothing is filled without --only-decided.
    """
    from scangrade.deliver import OWN, export_grades  # noqa: PLC0415 - see the module's docstring
    from scangrade.export.dialects import Quantity  # noqa: PLC0415
    from scangrade.export.fill import FillOptions  # noqa: PLC0415
    from scangrade.export.own import CsvStyle  # noqa: PLC0415

    own = format_ in OWN
    sign = _DECIMALS[decimal] if decimal else ""
    quantity = Quantity(value) if value else None
    options = FillOptions(quantity, column, match, "" if own else sign, replace, clamp, trust_numbers)
    style = None
    if delimiter or encoding or (own and decimal):
        separator = _DELIMITERS[delimiter or ("semicolon" if decimal == "comma" else "comma")]
        style = CsvStyle(separator, sign or ".", encoding or "utf-8-bom")
    to_stdout = str(output) == "-"
    made = export_grades(
        run,
        format=format_,
        out=None if to_stdout else output,
        fill_file=fill,
        options=options,
        style=style,
        only_decided=only_decided,
        force=force,
        say=_say,
    )
    if to_stdout:
        click.echo(made.content, nl=False)
    _say(_exported(made, run))
    return made.exit_code


@main.command()
@click.argument("run", type=_PATH)
@click.option("--size", type=click.IntRange(1), help=f"Boxes to draw [default: {AUDIT.size}].")
@click.option("--seed", type=click.IntRange(0), help="The same seed draws the same boxes [default: any].")
@click.option("--out", "-o", type=_PATH, metavar="FOLDER", help="Where to write [default: a folder in RUN].")
@click.option("--scans", type=_PATH, metavar="FOLDER", help="Where to look for scans that were moved.")
@click.option("--result", type=_PATH, metavar="FILE", help="The audit.csv filled in: say what it shows.")
@_verbose
def audit(
    run: Path, size: int | None, seed: int | None, out: Path | None, scans: Path | None, result: Path | None
) -> ExitCode:
    """Measure how often boxes were decided wrongly without a flag.

    Draws some of them at random, and writes their pictures and a file to fill in; with --result, reads that file back and says
    how many of all of them can be wrong at most. Ends with 3 if some are wrong or not filled in.
    """
    from scangrade.audit import draw_audit, read_audit  # noqa: PLC0415
    from scangrade.terminal import progress_bar  # noqa: PLC0415

    if result is not None:
        if any(option is not None for option in (size, seed, out, scans)):
            raise click.UsageError("--result reads a sample back; the other options are for drawing one.")
        found = read_audit(run, result)
        click.echo(_audited(found))
        return found.exit_code
    with progress_bar() as progress:
        made = draw_audit(
            run,
            seed=secrets.randbelow(1_000_000) if seed is None else seed,
            size=size,
            out=out,
            scans=scans,
            progress=progress,
        )
    for path in (*made.sheets, made.table):
        click.echo(path)
    _say(_drawn(made, run))
    return ExitCode.DECIDED


@main.command()
@click.argument("run", type=_PATH)
@click.option("--port", "-p", type=click.IntRange(1, 65535), help="Port [default: one that the run has every time, if free].")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address in a network; needs a password.")
@click.option("--password-file", type=_PATH, metavar="FILE", help="File whose first line is the password.")
@click.option("--no-browser", is_flag=True, help="Print the link only.")
@_verbose
def review(run: Path, port: int | None, host: str, password_file: Path | None, no_browser: bool) -> ExitCode:
    """Decide flags in the browser, from the keyboard.

    Prints a link that works once, and serves it to this machine until Ctrl-C. Every decision is on disk when it shows as saved;
    gradebook.csv and the other files follow at once.
    """
    from scangrade.review.serve import review as serve_review  # noqa: PLC0415

    password = _first_line(password_file) if password_file else ""
    serve_review(run, host=host, port=port, password=password, browser=not no_browser, say=_say)
    return ExitCode.DECIDED


@main.command()
@click.argument("run", type=_PATH)
@click.option(
    "--rubric", "-r", type=_PATH, help="Keys and points that hold from now on [default: the run's file as it is now]."
)
@click.option("--compare", type=_PATH, metavar="RUBRIC", help="Score with this one beside it, and change nothing.")
@click.option("--table", type=_PATH, metavar="FILE.csv", help="With --compare: write the table there instead of printing it.")
@click.option("--picture", type=_PATH, metavar="FILE.svg", help="With --compare: draw it as well.")
@_verbose
def regrade(run: Path, rubric: Path | None, compare: Path | None, table: Path | None, picture: Path | None) -> ExitCode:
    """Score again from the stored readings, with a corrected rubric or another one.

    Takes seconds, reads no page, keeps every decision, and prints who changes and by how much (CSV). With --compare the run stays
    as it is, and a row per booklet is printed with its points under both rubrics.
    """
    from scangrade.regrade import compare_rubrics  # noqa: PLC0415 - see the module's docstring
    from scangrade.regrade import regrade as score_again  # noqa: PLC0415
    from scangrade.run.files import csv_text  # noqa: PLC0415

    if compare is None:
        if table is not None or picture is not None:
            raise click.UsageError("--table and --picture show two rubrics side by side; name the other one with --compare.")
        done = score_again(run, rubric=rubric)
        if done.changes:
            click.echo(csv_text(done.table), nl=False)
        _say(_regraded(done))
        return done.exit_code
    held = compare_rubrics(run, compare, first=rubric, table=table, picture=picture)
    if table is None:
        click.echo(csv_text(held.table), nl=False)
    _say(_compared(held))
    return held.exit_code


@main.command()
@click.argument("run", type=_PATH)
@click.argument("file", type=_PATH, metavar="FILE.csv")
@click.option("--reviewer", required=True, metavar="NAME", help="Who gave these points: stands beside each of them.")
@click.option("--settle", is_flag=True, help="End disagreements with these, instead of adding one more opinion.")
@_verbose
def points(run: Path, file: Path, reviewer: str, settle: bool) -> ExitCode:
    """Take points of open questions from a CSV file: all of it, or nothing where it has a fault.

    A column per question (a filled copy of gradebook.csv will do), or rows with question and points or criteria. Prints who changes
    and by how much (CSV).
    """
    from scangrade.points import take_points  # noqa: PLC0415 - see the module's docstring
    from scangrade.run.files import csv_text  # noqa: PLC0415

    done = take_points(run, file, reviewer=reviewer, settles=settle)
    if done.changes:
        click.echo(csv_text(done.table), nl=False)
    lines = [
        f"Taken     {done.taken} from {done.file}, as given by {done.reviewer}",
        *([f"Known     {done.same} were in the run already"] if done.same else []),
        f"Booklets  {len(done.changes) or 'none'} changed; of {_count(done.waiting, 'booklet')} the points are not certain yet",
        f"Flags     {done.flags} for a person to look at",
        *(f"{'Files' if index == 0 else '':10}{path}" for index, path in enumerate(done.files)),
    ]
    _say("\n".join(["", *lines]))
    return done.exit_code


@main.command()
@click.argument("run", type=_PATH)
@click.option("--numbers", is_flag=True, help="Remove student numbers and remarks too: grades then stand by booklet only.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_verbose
def forget(run: Path, numbers: bool, yes: bool) -> ExitCode:
    """Remove pictures and names from a run, and keep its grades.

    Cannot be undone: afterwards a run can be scored again, but not be reviewed, and no scans can be added.
    """
    from scangrade.forget import forget as remove_names  # noqa: PLC0415 - see the module's docstring

    if not yes:
        what = "pictures, names, student numbers and remarks" if numbers else "pictures and names"
        if not sys.stdin.isatty():
            raise click.UsageError(f"This removes {what} from {run} for ever. Add --yes if that is meant.")
        if not click.confirm(f"Remove {what} from {run} for ever?", err=True):
            _say("Nothing was changed.")
            return ExitCode.DECIDED
    done = remove_names(run, numbers=numbers)
    lines = [
        f"Removed   {'pictures, names, student numbers and remarks' if done.numbers else 'pictures and names'} from {done.run}",
        *(f"          {path}" for path in done.removed),
        f"Kept      points and verdicts of {_count(done.booklets, 'booklet')}"
        + ("" if done.numbers else ", by student number")
        + "; decisions, with who made them",
        f"Scans     lie where you put them, and were not touched; booklets may be called by their names: {', '.join(done.scans[:5])}"
        + (f" and {len(done.scans) - 5} more" if len(done.scans) > 5 else ""),
        *([f"Look at   {', '.join(map(str, done.left))}: not written by grading, so left alone"] if done.left else []),
    ]
    _say("\n".join(["", *lines]))
    return ExitCode.DECIDED


@main.command()
@click.argument("run", type=_PATH)
@click.option("--out", "-o", type=_PATH, metavar="FILE", help="Where to write [default: report.html in RUN].")
@click.option("--pass-mark", metavar="POINTS", help="Points with which the exam is passed, or a share of all such as 55%.")
@_verbose
def report(run: Path, out: Path | None, pass_mark: str | None) -> ExitCode:
    """Write one HTML page on a run: points, questions, alternatives, and how well it was read.

    It stands by itself: it loads nothing and names no student. Ends with 3 if booklets are left out because their points are open.
    """
    from scangrade.report import report_run  # noqa: PLC0415

    made = report_run(run, out=out, pass_mark=pass_mark, made=datetime.now().astimezone(), say=_say)
    click.echo(made.path)
    _say(_reported(made))
    return made.exit_code


@main.command()
@click.argument("run", type=_PATH)
@click.option(
    "--out", "-o", type=_PATH, required=True, metavar="FOLDER", help="Where to write: a PDF per booklet, feedback.csv."
)
@click.option("--name", help="How files are named, such as '{student_number}_{last_name}' (the default).")
@click.option("--anonymous", is_flag=True, help="Name nobody, and conceal names and numbers on the pages.")
@click.option("--without-key", is_flag=True, help="Show marks and points, but not what is right.")
@click.option(
    "--open",
    "open_points",
    type=click.Choice(["provisional", "leave-out"]),
    default="provisional",
    show_default=True,
    help="Booklets whose points are open: make them and say so, or not.",
)
@click.option("--scans", type=_PATH, metavar="FOLDER", help="Where to look for scans that were moved.")
@click.option("--force", is_flag=True, help="Write into a folder that holds files already.")
@_verbose
def annotate(
    run: Path,
    out: Path,
    name: str | None,
    anonymous: bool,
    without_key: bool,
    open_points: str,
    scans: Path | None,
    force: bool,
) -> ExitCode:
    """Give students their pages back: marks as read, right and wrong, and points drawn on them.

    Writes a PDF per booklet, and feedback.csv for mail merge. Ends with 3 if points are open, or if a booklet has no certain student
    or could not be drawn: who that is, is said.
    """
    from scangrade.annotate import OpenPoints, annotate_run  # noqa: PLC0415
    from scangrade.terminal import progress_bar  # noqa: PLC0415

    with progress_bar() as progress:
        made = annotate_run(
            run,
            out=out,
            name=name,
            anonymous=anonymous,
            with_key=not without_key,
            open_points=OpenPoints(open_points),
            scans=scans,
            force=force,
            progress=progress,
            say=_say,
        )
    click.echo(made.table)
    _say(_given_back(made))
    return made.exit_code


@main.group()
def layout() -> None:
    """Draft a layout, take one over from another system, see one, and what a layout file may hold."""


@layout.command()
@click.argument("layout", type=_PATH)
@click.argument("scan", type=_PATH, required=False)
@click.option("--output", "-o", type=_PATH, required=True, metavar="PICTURE.png", help="Picture; of several pages, one each.")
@click.option("--page", type=click.IntRange(1), help="Only this page, of the scan or else of the layout, counted from 1.")
@_verbose
def preview(layout: Path, scan: Path | None, output: Path, page: int | None) -> ExitCode:
    """Draw the boxes of LAYOUT over its form, or over SCAN as registered, to see that they sit right."""
    from scangrade.authoring.preview import preview as preview_layout  # noqa: PLC0415

    made = preview_layout(layout, scan, output=output, page=page)
    for picture in made.pictures:
        click.echo(picture)
    for note in made.notes:
        _say(note)
    return ExitCode.DECIDED


@layout.command("check")
@click.argument("layout", type=_PATH)
@_verbose
def check_(layout: Path) -> ExitCode:
    """Try a LAYOUT before its form is printed: whether pages are found, told apart, and told which way up.

    Every page is drawn and given to the reader: as it is, upside down, in another page's place, with a mark covered. What makes
    it unsafe is listed, with what to add.
    """
    from scangrade.authoring.trial import check_layout  # noqa: PLC0415

    issues = check_layout(layout)
    for issue in issues:
        click.echo(_as_line(issue))
    _say(
        _tally(issues, DefinitionError.so) if issues else "No faults: its pages are found, told apart, and told which way up."
    )
    return ExitCode.USAGE if any(issue.severity is Severity.ERROR for issue in issues) else ExitCode.DECIDED


@layout.command("import")
@click.argument("file", type=_PATH)
@click.option(
    "--from",
    "system",
    type=click.Choice(["omrchecker", "amc", "nops"]),
    help="Where FILE is from [default: what it looks like].",
)
@click.option("--output", "-o", type=_PATH, required=True, metavar="LAYOUT.toml", help="Layout to write.")
@click.option("--rubric", "-r", type=_PATH, metavar="RUBRIC.toml", help="Rubric to write too.")
@click.option("--image", type=_PATH, help="A blank form or a filled sheet, on which it is measured what the boxes look like.")
@click.option("--page-size", metavar="WIDTHxHEIGHT", help="Size of the page in mm, such as 210x297.")
@click.option("--student-number", metavar="WHICH", help="What FILE calls the student number. R/exams: how many digits it has.")
@click.option("--sheet", type=click.IntRange(1), help="AMC: number of the sheet, where they are not printed alike.")
@click.option("--force", is_flag=True, help="Write over files that are there.")
@_verbose
def import_(
    file: Path,
    system: Literal["omrchecker", "amc", "nops"] | None,
    output: Path,
    rubric: Path | None,
    image: Path | None,
    page_size: str | None,
    student_number: str | None,
    sheet: int | None,
    force: bool,
) -> ExitCode:
    """Make a layout, and a rubric, from another system's FILE.

    OMRChecker: template.json, with evaluation.json beside it. AMC: data/layout.sqlite of a project, or its .xy file. R/exams NOPS:
    a CSV file of the exam; the README says how R writes it.
    """
    from scangrade.authoring.importers.bring import import_layout  # noqa: PLC0415

    made = import_layout(
        file,
        output=output,
        system=system,
        rubric=rubric,
        image=image,
        page_mm=None if page_size is None else _millimetres(page_size),
        student_number=student_number,
        sheet=sheet,
        force=force,
    )
    for path in (made.layout, made.rubric):
        if path is not None:
            click.echo(path)
    for issue in made.warnings:
        _say(_as_line(issue))
    for heading, notes in (("Left out", made.left_out), ("To check", made.to_check)):
        if notes:
            _say("\n".join([f"{heading}:", *(f"  - {note}" for note in notes)]))
    look = shlex.join(["scangrade", "layout", "preview", str(made.layout)])
    _say(f"Next: see on a scan whether the boxes sit right: {look} SCAN -o boxes.png")
    return ExitCode.DECIDED


@contextmanager
def _print_extra() -> Iterator[None]:
    """Says how to install what only printing needs."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("scangrade"):
            raise
        raise UsageError(f"printing needs {error.name}, which is not installed: pip install 'scangrade[print]'.") from error


def _millimetres(text: str) -> tuple[float, float]:
    width, cross, height = text.lower().partition("x")
    try:
        size = float(width), float(height)
    except ValueError:
        size = 0.0, 0.0
    if not cross or not all(10 <= side <= 2000 for side in size):
        raise click.BadParameter(f"{text!r} is no size of a page in mm; it must be like 210x297.", param_hint="--page-size")
    return size


@layout.command()
@click.argument("blank", type=_PATH)
@click.option(
    "--output", "-o", type=_PATH, required=True, metavar="LAYOUT.toml", help="Layout to write; pictures go beside it."
)
@click.option("--key", type=_PATH, metavar="KEY.pdf", help="The same form with the right boxes marked: drafts a rubric too.")
@click.option("--rubric", type=_PATH, metavar="RUBRIC.toml", help="With a key [default: rubric.toml beside the layout].")
@click.option("--force", is_flag=True, help="Write over files that are there.")
@_verbose
def detect(blank: Path, output: Path, key: Path | None, rubric: Path | None, force: bool) -> ExitCode:
    """Draft a layout from the BLANK form (PDF or image): boxes, questions, digit grids, credits, registration marks, page code.

    Writes a picture of each page with its boxes, and says what it was not sure of.
    """
    from scangrade.authoring.detect import detect as detect_layout  # noqa: PLC0415

    made = detect_layout(blank, output=output, key=key, rubric=rubric, force=force)
    for path in (made.path, *([made.rubric] if made.rubric else []), *made.pictures):
        click.echo(path)
    _say(_drafted(made))
    return ExitCode.DECIDED


@layout.command("print")
@click.argument("exam", type=_PATH, metavar="EXAM.toml|EXAM.pdf")
@click.option("--output", "-o", type=_PATH, required=True, metavar="BOOKLETS.pdf", help="PDF to write: all booklets.")
@_roster_option
@click.option("--copies", "-n", type=click.IntRange(0), help="Booklets without a name [default: 1; with a class list 0].")
@click.option("--first", type=click.IntRange(1), default=1, show_default=True, help="Number of the first booklet.")
@click.option("--seed", type=click.IntRange(0), help="What versions are drawn from [default: the exam file's].")
@click.option("--layout", "-l", type=_PATH, metavar="LAYOUT.toml", help="Layout to write [default: BOOKLETS-layout.toml].")
@click.option("--rubric", "-r", type=_PATH, metavar="RUBRIC.toml", help="Rubric to write [default: BOOKLETS-rubric.toml].")
@click.option(
    "--digits", type=click.IntRange(0, 12), help="Onto a PDF: digits of a student number; 0 for no grid [default: 8]."
)
@click.option("--number-at", metavar="X,Y", help="Onto a PDF: left and top of that grid in mm [default: where there is room].")
@click.option(
    "--convention",
    type=click.Choice(["fill-wins", "cross", "any", "fill"]),
    help="Onto a PDF: what a cross and a fill mean [default: any].",
)
@click.option(
    "--language", type=click.Choice(["en", "nl", "de", "fr", "pt"]), help="Onto a PDF: of the words that are stamped."
)
@click.option("--force", is_flag=True, help="Write over files that are there.")
@_verbose
def print_(
    exam: Path,
    output: Path,
    roster: Path | None,
    copies: int | None,
    first: int,
    seed: int | None,
    layout: Path | None,
    rubric: Path | None,
    digits: int | None,
    number_at: str | None,
    convention: str | None,
    language: str | None,
    force: bool,
) -> ExitCode:
    """Print numbered booklets, with the layout and the rubric that their scans are graded with.

    From an exam file (TOML), questions are typeset, in versions if wanted. Onto an exam that is a PDF already, registration marks, page
    codes and a grid for the student number are stamped; its boxes are found, and a rubric you write.
    """
    from scangrade.model import Convention  # noqa: PLC0415 - it loads numpy

    with _print_extra():
        from scangrade.authoring.printing.booklets import print_booklets  # noqa: PLC0415
        from scangrade.authoring.printing.onto import print_onto  # noqa: PLC0415

    stamping = {"--digits": digits, "--number-at": number_at, "--convention": convention, "--language": language}
    setting = {"--seed": seed, "--rubric": rubric}
    is_pdf = exam.suffix.lower() == ".pdf"
    odd = [name for name, value in (setting if is_pdf else stamping).items() if value is not None]
    if odd:
        where = "an exam that is a PDF has no versions and no key" if is_pdf else "an exam file says this itself"
        raise click.UsageError(f"{odd[0]}: {where}.")
    if is_pdf:
        made = print_onto(
            exam,
            output=output,
            roster=roster,
            copies=copies,
            first=first,
            digits=8 if digits is None else digits,
            number_at=None if number_at is None else _place(number_at),
            convention=Convention(convention or "any"),
            language=language or "en",
            layout=layout,
            force=force,
        )
    else:
        made = print_booklets(
            exam,
            output=output,
            roster=roster,
            copies=copies,
            first=first,
            seed=seed,
            layout=layout,
            rubric=rubric,
            force=force,
        )
    for path in (made.pdf, made.layout, made.rubric, made.table):
        if path is not None:
            click.echo(path)
    _say(_printed(made))
    return ExitCode.DECIDED


def _place(text: str) -> tuple[float, float]:
    try:
        across, down = (float(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter(f"{text!r} is no place in mm; it must be like 120,60.", param_hint="--number-at") from None
    return across, down


@layout.command()
@click.argument("roster", type=_PATH, metavar="ROSTER.csv")
@click.option("--output", "-o", type=_PATH, required=True, metavar="LABELS.pdf", help="PDF to write.")
@click.option("--paper", default="L7160", show_default=True, help="Label paper: L7160, L7159, L7163, L7162, L7651 or L4732.")
@click.option("--skip", type=click.IntRange(0), default=0, help="Labels that are missing already on the first sheet.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@_verbose
def stickers(roster: Path, output: Path, paper: str, skip: int, force: bool) -> ExitCode:
    """Print sheets of labels: code, number and name of each student, for forms with a place for a sticker."""
    with _print_extra():
        from scangrade.authoring.printing.stickers import print_stickers  # noqa: PLC0415

    made = print_stickers(roster, output=output, paper=paper, skip=skip, force=force)
    click.echo(made.pdf)
    for note in made.notes:
        _say(f"note: {note}")
    _say(f"Labels    {made.labels} on {_count(made.sheets, 'sheet')} of {paper}; print at 100 %, not fitted to the page")
    return ExitCode.DECIDED


@layout.command()
@click.option("--rubric", is_flag=True, help="The schema of rubric files instead.")
@click.option("--exam", is_flag=True, help="The schema of exam files instead.")
@_verbose
def schema(rubric: bool, exam: bool) -> ExitCode:
    """Print the JSON Schema of layout files."""
    if rubric and exam:
        raise click.UsageError("one schema at a time: --rubric or --exam.")
    if exam:
        from scangrade.definitions.exam import exam_schema as schema_of  # noqa: PLC0415
    elif rubric:
        from scangrade.definitions.rubric import rubric_schema as schema_of  # noqa: PLC0415
    else:
        from scangrade.definitions.layout import layout_schema as schema_of  # noqa: PLC0415
    click.echo(json.dumps(schema_of(), indent=2))
    return ExitCode.DECIDED


# --------------------------------------------------------------------------- words for people


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{path}: the password cannot be read: {error}.") from error


def _say(text: str) -> None:
    # names of files and words in them may hold what a terminal would obey, and bytes that are no characters
    click.echo(text.translate(_CONTROLS).encode(errors="backslashreplace").decode(), err=True)


def _trace(ctx: click.Context) -> None:
    if ctx.meta.get(_VERBOSE):
        _say(traceback.format_exc())


def _as_line(issue: Issue) -> str:
    return f"{issue.severity}: {issue}"


def _tally(issues: tuple[Issue, ...], so: str) -> str:
    errors = sum(issue.severity is Severity.ERROR for issue in issues)
    warnings = len(issues) - errors
    if not issues:
        return "No faults."
    return f"{_count(errors, 'error')}, {_count(warnings, 'warning')}." + (f" {so}" if errors else "")


def _drafted(made: Detected) -> str:
    """What was found, and what to look at."""
    form = made.layout
    marks = sum(len(page.fiducials) for page in form.pages)
    kinds = [
        f"{len(names)} {name}"
        for name, names in (
            ("questions with boxes", {one.id for one in form.fields if one.kind == "choice"}),
            ("numbers", {one.group for one in form.fields if one.group}),
            ("credits", {one.question for one in form.fields if one.kind == "credit"}),
            ("frames to write in", {one.id for one in form.fields if one.region is not None}),
        )
        if names
    ]
    lines = [
        *(f"note: {note}" for note in made.notes),
        "",
        f"Pages     {len(form.pages)}, with {_count(marks, 'registration mark')}"
        + (f" and a code {form.page_code.content}" if form.page_code else ""),
        f"Boxes     {sum(len(one.boxes) for one in form.fields)}: {', '.join(kinds)}",
        "",
        f"Next: look at the pictures, correct {made.path}, then"
        f" {shlex.join(['scangrade', 'layout', 'preview', str(made.path), 'SCAN', '--output', 'boxes.png'])}",
    ]
    return "\n".join(lines)


def _printed(made: Printed) -> str:
    """What was printed, and how to go on."""
    versions = f", versions {', '.join(made.versions)} drawn with seed {made.seed}" if made.versions else ""
    files = ["--layout", made.layout, "--rubric", made.rubric or "RUBRIC.toml"]
    grading = shlex.join(str(word) for word in ["scangrade", "grade", "SCANS", *files, "--out", "RUN"])
    look = shlex.join(["scangrade", "layout", "preview", str(made.layout), str(made.pdf), "--output", "boxes.png"])
    first = f"see whether all boxes were found: {look}\n      " if made.rubric is None else ""
    return "\n".join(
        [
            *(_as_line(issue) for issue in made.warnings),
            *(f"note: {note}" for note in made.notes),
            "",
            f"Booklets  {made.copies} of {_count(made.pages, 'page')}{versions}",
            "Printer   at 100 %, not fitted to the page"
            + (": the ruler on the first page shows whether it did" if made.ruler else ""),
            "",
            f"Next: {first}print {made.pdf}; when it is scanned, {grading}",
        ]
    )


def _exported(made: Exported, run: Path) -> str:
    """What was written, and what became of everybody."""
    from scangrade.export.account import account, waiting  # noqa: PLC0415 - see the module's docstring

    lines = [_as_line(issue) for issue in made.issues]
    if made.filled is not None and made.dialect is not None and made.foreign is not None:
        lines += [f"note: {note}" for note in made.filled.notes]
        lines += [
            "",
            f"File      {made.foreign.name}: {made.dialect.system}; {made.foreign.kind}",
            *account(made.filled, written=made.written),
        ]
    else:
        lines += ["", *waiting(made.results)]
    review = shlex.join(["scangrade", "review", str(run)])
    if not made.written:
        lines += [
            "",
            "Nothing was written: some are not decided yet, and a gradebook with holes is easily taken for a whole one.",
            f"Next: {review}; or fill in the others with --only-decided",
        ]
        return "\n".join(lines)
    lines += [f"Written   {made.out or 'to standard output'}"]
    if made.dialect is not None and made.dialect.advice:
        lines += ["", f"Next: {made.dialect.advice}"]
    return "\n".join(lines)


def _closing(summary: RunSummary) -> str:
    """What happened, in one block."""
    wait = sum(summary.flags.values())
    of_whom = f"{summary.matched} of them matched to a student ({summary.students} on the roster)"
    lines = [
        *(_as_line(issue) for issue in summary.warnings),
        *(f"note: {note}" for note in summary.notes),
        "",
        f"Pages     {summary.pages_in} in = {summary.pages_read} read + {summary.pages_set_aside} set aside",
        f"Booklets  {summary.booklets}, " + ("no roster to match them with" if summary.students is None else of_whom),
        f"Flags     {wait} for a person to look at" + (":" if wait else ""),
        *(f"          {count:5} {kind.value.replace('_', ' ')}" for kind, count in summary.flags.items()),
        *(f"{'Files' if index == 0 else '':10}{path}" for index, path in enumerate(summary.files)),
        "",
        _next(summary),
    ]
    return "\n".join(lines)


def _next(summary: RunSummary) -> str:
    """What to do now."""
    if not summary.pages_read:
        return (
            f"No page could be read; {summary.run / 'pages.csv'} says why. Are these scans of this form?"
            "\nNext: scangrade layout preview LAYOUT SCAN --output boxes.png"
        )
    return (
        f"Next: {shlex.join(['scangrade', 'review', str(summary.run)])}"
        if summary.flags
        else f"Next: open {summary.run / 'gradebook.csv'}"
    )


def _regraded(done: Regraded) -> str:
    """Who changes, in one block."""
    differences = [one.difference for one in done.changes if one.difference is not None]
    up, down = sum(one > 0 for one in differences), sum(one < 0 for one in differences)
    rest = len(done.changes) - up - down
    lines = [
        *(_as_line(issue) for issue in done.warnings),
        *(f"note: {note}" for note in done.notes),
        "",
        f"Rubric    {done.rubric}",
        f"Booklets  {done.booklets}: {len(done.changes) or 'none'} of them change"
        + (f", {up} up, {down} down, {rest} in questions, grade or what they can become" if done.changes else ""),
        *([f"Largest   {_signed(max(differences, key=abs))} points"] if differences else []),
        f"Decisions {done.decisions} of people, all kept",
        f"Flags     {done.flags} for a person to look at",
        *(f"{'Files' if index == 0 else '':10}{path}" for index, path in enumerate(done.files)),
    ]
    return "\n".join(lines)


def _signed(points: Fraction) -> str:
    from scangrade.grades.rounding import exact  # noqa: PLC0415

    return f"{'+' if points > 0 else ''}{exact(points)}"


def _compared(held: Compared) -> str:
    """Two rubrics side by side, in one block."""
    comparison = held.comparison
    known = [one.difference for one in comparison.booklets if one.difference is not None]
    up, down = sum(one > 0 for one in known), sum(one < 0 for one in known)
    open_ones = len(comparison.booklets) - len(known)
    lines = [
        *(_as_line(issue) for issue in held.warnings),
        "",
        f"First     {held.first}",
        f"Second    {held.second}",
        f"Booklets  {len(comparison.booklets)}: {down} earn less with the second, {up} more, {len(known) - up - down} the same"
        + (f", {open_ones} not certain" if open_ones else ""),
        f"Compared  {_count(len(comparison.questions), 'question')}"
        + (
            f"; without {', '.join(comparison.left_out)}, whose points are certain in no booklet"
            if comparison.left_out
            else ""
        ),
    ]
    if known:
        lines.append(f"On average {float(sum(known) / len(known)):+.2f} points with the second")
    lines += [f"{'Files' if index == 0 else '':10}{path}" for index, path in enumerate(held.files)]
    return "\n".join([*lines, "", "Nothing in the run was changed."])


def _reported(made: Reported) -> str:
    """What stands out, and what is missing."""
    found = made.statistics
    lines = ["", f"Booklets  {found.counted} of {found.booklets} counted"]
    if found.left_out:
        lines[-1] += f"; {found.left_out} left out, since their points are open"
    if found.waiting and found.booklets:
        lines.append(f"Left out  questions without certain points in most booklets: {', '.join(found.waiting)}")
    if made.doubted:
        lines.append(f"Miskeyed? {', '.join(made.doubted)}: the report says why")
    lines.append(f"Flags     {made.waiting} for a person to look at")
    return "\n".join(lines)


def _given_back(made: Annotated) -> str:
    """How many files were made, and who is to be looked at before they are sent."""
    files = sum(bool(one.file) for one in made.booklets)
    lines = ["", f"Booklets  {len(made.booklets)}: {_count(files, 'PDF')} in {made.folder}"]
    heads = {"provisional": "Open     ", "left_out": "Left out ", "failed": "Failed   "}
    for status, head in heads.items():
        lines += [f"{head} {one.who}: {one.detail}" for one in made.booklets if one.status == status]
    lines += [
        f"Unknown   {one.who}: {one.detail}; {one.file}"
        for one in made.booklets
        if not one.identified and one.status == "final"
    ]
    if made.leftovers:
        lines.append(f"Left over from before, and not made anew: {', '.join(made.leftovers)}. Delete what is not to be sent.")
    if made.lost:
        lines.append(f"Scans     {made.lost}")
    return "\n".join(lines)


def _drawn(made: Drawn, run: Path) -> str:
    """What to do with a sample, and what it can show."""
    sample = made.sample
    kinds = ", ".join(f"{sample.drawn[kind]} of {count:,} {kind}" for kind, count in sample.populations.items() if count)
    total = sum(sample.populations.values())
    goal = f"; with --size {made.size_for_goal}, {_fewer_than(AUDIT.goal)}" if made.size_for_goal else ""
    command = shlex.join(["scangrade", "audit", str(run), "--result", str(made.table)])
    return "\n".join(
        [
            "",
            f"Drawn     {len(sample.marks)} of {total:,} boxes decided without a flag, with seed {sample.seed}: {kinds}",
            f"To do     look at the pictures; in {made.table.name}, column person_verdict, write same, marked, empty or undone",
            f"Shows     should none be wrong: {_fewer_than(made.bound)} of all {total:,} are{goal}",
            "",
            f"Next: {command}",
        ]
    )


def _audited(found: Audited) -> str:
    """What a filled sample shows, in plain words."""
    size, blank = len(found.sample.marks), len(found.unfilled)
    if blank == size:
        return f"None of the {size} boxes is filled in yet: write same, marked, empty or undone in the column person_verdict."
    lines = [f"Checked {size - blank} of {size} boxes: {len(found.wrong) or 'none'} wrong."]
    for one in found.wrong:
        mark, remark = one.mark, f" ({one.remark})" if one.remark else ""
        lines += [
            f"  number {one.number}: booklet {mark.booklet}, page {mark.page}, field {mark.field}, box {mark.box}:"
            f" decided {mark.verdict}, is {one.person}{remark}; {mark.scan}, page {mark.scan_page}"
        ]
    if blank:
        lines += [f"  not filled in, and counted as wrong below: {', '.join(str(number) for number in found.unfilled)}"]
    total = sum(one.population for one in found.kinds)
    sure = f"{AUDIT.confidence * 100:g} % confidence"
    lines += ["", f"Of all {total:,} boxes decided without a flag, {_fewer_than(found.bound)} are wrong, with {sure}."]
    for kind in found.kinds:
        shown, open_ones = f"of {kind.population:,} {kind.kind}:", f", {kind.unfilled} not filled in" if kind.unfilled else ""
        checked = f"  {shown:20} {kind.wrong} of {kind.drawn} wrong{open_ones}"
        lines += [checked + ("; these are all" if kind.drawn == kind.population else f": {_fewer_than(kind.bound)}")]
    seldom = round(1 / (1 - AUDIT.confidence))
    lines += [
        "",
        f"How to read this: if it were more, a sample this good would be drawn less than once in {seldom} times. The first line"
        " weighs\neach kind by how many there are; each further line holds by itself. It is about the boxes of this run only.",
    ]
    return "\n".join(lines)


def _fewer_than(share: float) -> str:
    """A bound as people say it, rounded up so that it stays one."""
    places = 1 if share >= 0.01 else 2
    shown = math.ceil(share * 100 * 10**places - 1e-9) / 10**places
    return f"fewer than {shown:g} in 100" if 0 < share < 1 else "none" if share <= 0 else "nobody knows how many"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
