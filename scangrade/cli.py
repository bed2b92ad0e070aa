"""The commands: each parses, calls one function, prints, and returns an exit code.

What takes long to import is imported by the command that needs it, so that `scangrade --help` answers at once. stdout is for data,
stderr for people.
"""

from __future__ import annotations

import json
import shlex
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from scangrade import __version__
from scangrade.errors import DefinitionError, ExitCode, Issue, OutputError, ScangradeError, Severity

if TYPE_CHECKING:
    from scangrade.grade import RunSummary

Command = TypeVar("Command", bound=Callable[..., Any])

_PATH = click.Path(path_type=Path)
_VERBOSE = "scangrade.verbose"


class _Commands(click.Group):
    """The one place that turns exceptions into text and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            code = super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except KeyboardInterrupt:
            _say("Interrupted. What was read is stored: run the same command again to go on.")
            code = ExitCode.INTERNAL
        except DefinitionError as error:
            _trace(ctx)
            for issue in error.issues:
                _say(_as_line(issue))
            _say(_tally(error.issues))
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
@_verbose
def grade(
    scans: tuple[Path, ...], layout: Path, rubric: Path, roster: Path | None, out: Path, workers: int | None
) -> ExitCode:
    """Grade scans: PDF and TIFF files, images, or folders of them.

    Into a run folder that is there already, new scans are added; scans that it has change nothing; a run that was interrupted
    goes on where it stopped.
    """
    from scangrade.grade import grade as grade_scans  # noqa: PLC0415 - see the module's docstring
    from scangrade.terminal import progress_bar  # noqa: PLC0415

    with progress_bar() as progress:
        summary = grade_scans(scans, layout=layout, rubric=rubric, roster=roster, out=out, workers=workers, progress=progress)
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
    _say(_tally(issues))
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


@main.group()
def layout() -> None:
    """See a layout, and what a layout file may hold."""


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


@layout.command()
@click.option("--rubric", is_flag=True, help="The schema of rubric files instead.")
@_verbose
def schema(rubric: bool) -> ExitCode:
    """Print the JSON Schema of layout files."""
    if rubric:
        from scangrade.definitions.rubric import rubric_schema as schema_of  # noqa: PLC0415
    else:
        from scangrade.definitions.layout import layout_schema as schema_of  # noqa: PLC0415
    click.echo(json.dumps(schema_of(), indent=2))
    return ExitCode.DECIDED


# --------------------------------------------------------------------------- words for people


def _say(text: str) -> None:
    click.echo(text, err=True)


def _trace(ctx: click.Context) -> None:
    if ctx.meta.get(_VERBOSE):
        _say(traceback.format_exc())


def _as_line(issue: Issue) -> str:
    return f"{issue.severity}: {issue}"


def _tally(issues: tuple[Issue, ...]) -> str:
    errors = sum(issue.severity is Severity.ERROR for issue in issues)
    warnings = len(issues) - errors
    if not issues:
        return "No faults."
    return f"{_count(errors, 'error')}, {_count(warnings, 'warning')}." + (
        " Nothing can be graded with these." if errors else ""
    )


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
    return f"Next: look at {summary.run / 'flags.csv'}" if summary.flags else f"Next: open {summary.run / 'gradebook.csv'}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
