"""Booklets from an exam file: typeset, numbered, in versions, with the layout and the rubric that their scans are graded with."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from scangrade.authoring.draft import layout_toml
from scangrade.authoring.form import Rect, code_rectangles, region_rect
from scangrade.authoring.importers.toml_text import as_toml
from scangrade.authoring.printing.arrange import Arrangement, Paper, arrange
from scangrade.authoring.printing.copies import Sheet, laid_over
from scangrade.authoring.printing.sheets import bodies, booklet, where_is
from scangrade.authoring.printing.students import code_beside, literal, on_unprinted, text_beside, without_letters
from scangrade.authoring.printing.typeset import Body, TypesetError, faults, measure, pages, preamble
from scangrade.authoring.printing.versions import Versions, draw_versions, permutations
from scangrade.authoring.printing.words import WORDS, Words
from scangrade.check import load_definitions
from scangrade.definitions.exam import Exam, load_exam
from scangrade.definitions.roster import load_roster
from scangrade.errors import DefinitionError, FaultsError, Issue, OutputError, Severity, UsageError
from scangrade.model import Layout, Roster, Student
from scangrade.run.files import Table, as_csv, write_whole
from scangrade.settings import PRINT, PrintSettings

_MOST_COPIES: Final = 9999


class PrintFaultsError(FaultsError):
    """Something cannot be printed."""

    so = "Nothing was printed."


@dataclass(frozen=True, slots=True)
class Copy:
    """One booklet."""

    name: str  #: as its page codes say it
    version: str  #: "" where there is one only
    student: Student | None = None  #: whose it is, if that is printed


@dataclass(frozen=True, slots=True)
class Printed:
    """What was written."""

    pdf: Path
    layout: Path
    rubric: Path | None  #: None where an existing PDF was stamped: it holds no key
    table: Path | None  #: which booklet is whose, with a class list
    copies: int
    pages: int  #: of one booklet
    versions: tuple[str, ...]
    seed: int
    ruler: bool = True  #: whether the first page shows if the printer kept the size
    notes: tuple[str, ...] = ()
    warnings: tuple[Issue, ...] = ()


def print_booklets(
    exam: Path,
    *,
    output: Path,
    roster: Path | None = None,
    copies: int | None = None,
    first: int = 1,
    seed: int | None = None,
    layout: Path | None = None,
    rubric: Path | None = None,
    force: bool = False,
    settings: PrintSettings = PRINT,
) -> Printed:
    """Typeset the booklets of an exam, and write the layout and the rubric that belong to them.

    Parameters
    ----------
    exam : Path
        Exam file.
    output : Path
        PDF to write: all booklets, one after the other.
    roster : Path, optional
        Class list: a booklet for each student, with name, number, seat and code printed on it; then ``NAME.csv`` beside the PDF
        says which is whose.
    copies : int, optional
        Booklets without a name: 1 if it is not said, 0 with a class list.
    first : int
        Number of the first booklet, where some were printed before.
    seed : int, optional
        What the orders of versions are drawn from; by default that of the exam file.
    layout, rubric : Path, optional
        Where they are written; by default ``NAME-layout.toml`` and ``NAME-rubric.toml`` beside the PDF.
    force : bool
        Whether files that are there are written over.

    Raises
    ------
    PrintFaultsError
        With all faults of the exam file, or what does not fit on its page.
    DefinitionError
        If the class list has faults.
    UsageError, OutputError
        If the number of copies makes no sense; if a file is there already or cannot be written.
    """
    layout = layout or output.with_name(f"{output.stem}-layout.toml")
    rubric = rubric or output.with_name(f"{output.stem}-rubric.toml")
    table = output.with_suffix(".csv") if roster else None
    may_be_written({output: ".pdf", layout: ".toml", rubric: ".toml"} | ({table: ".csv"} if table else {}), force=force)
    asked, found = load_exam(exam)
    if asked is None:
        raise PrintFaultsError(found)
    people = class_list(roster) if roster else None
    seed = asked.file.seed if seed is None else seed
    made = list(number_copies(asked.file.versions or (), people, copies, first))
    root = exam.resolve().parent
    versions = draw_versions(asked, seed)
    arrangement, texts, more = set_pages(asked, versions, root, with_label=people is not None, settings=settings)
    issues = [*found, *more]
    form = arrangement.layout
    heads = [printed_from(asked, made, versions, seed)]
    definitions = {
        layout: layout_toml(form, heading=[*heads, "Lengths are mm from the page's top left corner."]),
        rubric: as_toml(rubric_of_booklets(asked, versions), heads),
    }
    over, notes = _overlay(asked, arrangement, made, root, settings)
    code = "\n#pagebreak()\n".join(booklet(asked, arrangement, one, texts, settings=settings) for one in versions.values())
    base = pages(code, _head(arrangement, asked), root)
    names = list(versions)
    sheets = [
        Sheet(
            names.index(one.version) * len(form.pages) + page.number - 1,
            _black(form, page.number, one, arrangement, settings),
        )
        for one in made
        for page in form.pages
    ]
    content = laid_over(base, over, sheets, title=asked.file.title)
    issues += _proven(definitions[layout], definitions[rubric])
    for path, text in definitions.items():
        write_whole(path, text.encode())
    write_whole(output, content)
    if table:
        write_whole(table, as_csv(table_of(table.name, made)))
    return Printed(
        output,
        layout,
        rubric,
        table,
        len(made),
        len(form.pages),
        asked.file.versions or (),
        seed,
        notes=notes,
        warnings=tuple(issues),
    )


# --------------------------------------------------------------------------- what there is to print


def may_be_written(paths: Mapping[Path, str], *, force: bool) -> None:
    """Refuse names that do not end as they must, folders that are not there, and files that are.

    Raises
    ------
    UsageError, OutputError
    """
    for path, ending in paths.items():
        if path.suffix.lower() != ending:
            raise UsageError(f"{path}: what is written there is a {ending} file. Give a name that ends so.")
        if not path.parent.is_dir():
            raise OutputError(f"{path.parent}: no such folder. Make it first, or choose another place.")
        if path.exists() and not force:
            raise OutputError(f"{path} is there already. Choose another name, or write over it with --force.")
    if len({path.resolve() for path in paths}) < len(paths):
        raise UsageError("two of the files to be written have the same name. Give each its own.")


def class_list(path: Path) -> Roster:
    """The class list.

    Raises
    ------
    DefinitionError
        If it has faults.
    """
    people, issues = load_roster(path)
    if people is None:
        raise DefinitionError(issues)
    return people


def number_copies(versions: Sequence[str], people: Roster | None, spare: int | None, first: int) -> Iterator[Copy]:
    """Booklets in order: those of the class list, then those without a name; versions take turns.

    Raises
    ------
    PrintFaultsError
        If the class list names a version that the exam does not have.
    UsageError
        If there is nothing to print, or more than numbers of four digits can count.
    """
    students: list[Student | None] = [*(people.students if people else ())]
    students += [None] * ((0 if people else 1) if spare is None else spare)
    if not students:
        raise UsageError("there is nothing to print: say how many with --copies, or give a class list with --roster.")
    if first + len(students) - 1 > _MOST_COPIES:
        raise UsageError(f"booklets have numbers up to {_MOST_COPIES}; these would go up to {first + len(students) - 1}.")
    unknown = [one for one in students if one and one.version and versions and one.version not in versions]
    if unknown:
        message = f"the class list has version {unknown[0].version!r} for student {unknown[0].number}."
        raise PrintFaultsError([Issue(Severity.ERROR, "roster", message, f"The exam has {', '.join(versions)}.")])
    for place, student in enumerate(students):
        number = first + place
        turn = versions[(number - 1) % len(versions)] if versions else ""
        version = student.version if student and student.version and versions else turn
        yield Copy(f"{version}-{number:04}" if version else f"{number:04}", version, student)


def set_pages(
    exam: Exam, versions: Versions, root: Path, *, with_label: bool, settings: PrintSettings = PRINT
) -> tuple[Arrangement, Mapping[str, Body], list[Issue]]:
    """Measure all texts and place them.

    Raises
    ------
    PrintFaultsError
        With every text that cannot be set, or every place that is larger than a page.
    """
    texts, issues = bodies(exam)
    if issues:
        raise PrintFaultsError(issues)
    head = preamble(210, 297, exam.file.language)
    try:
        extents = dict(zip(texts, measure(list(texts.values()), head, root), strict=True))
        # measured texts were not exported yet: only then it shows whether there are letters for all of it
        pages("\n".join(f"#block(width: {one.width_mm:g}mm)[{one.code}\n]" for one in texts.values()), head, root)
    except TypesetError as fault:
        found = [
            Issue(Severity.ERROR, where_is(name, exam), message, _advice(message, exam))
            for name, message in faults(texts, head, root)
        ]
        raise PrintFaultsError(found or [Issue(Severity.ERROR, exam.source.name, str(fault))]) from fault
    arrangement, larger = arrange(exam, versions, extents, with_label=with_label, settings=settings)
    if arrangement is None:
        raise PrintFaultsError(larger)
    return arrangement, texts, list(larger)


def _advice(message: str, exam: Exam) -> str:
    """What to do where a text cannot be set."""
    if message.startswith("no font"):
        return "Install a font that has them, such as Noto, or write it with other letters."
    if "file not found" in message:
        return "Images are looked for in the folder of the exam file."
    if exam.file.formulas == "tex":
        return "Is a TeX command in a formula misspelled, or not known here? A dollar sign that begins no formula is written \\\\$."
    return "Is a formula faulty? A dollar sign that begins no formula is written \\\\$."


def _head(arrangement: Arrangement, exam: Exam) -> str:
    return preamble(arrangement.paper.width, arrangement.paper.height, exam.file.language)


# --------------------------------------------------------------------------- what differs between copies


def _overlay(
    exam: Exam, arrangement: Arrangement, copies: Sequence[Copy], root: Path, settings: PrintSettings
) -> tuple[bytes, tuple[str, ...]]:
    """A PDF with what is printed on each page of each copy beside its code, and notes on names that could not be printed."""
    words, head = WORDS[exam.file.language], _head(arrangement, exam)
    unnamed = without_letters([one.student for one in copies if one.student], head, root)
    made = []
    for one in copies:
        for page in arrangement.layout.pages:
            made.append(copy_text(one.name, arrangement.paper, words, settings))
            if page.number == 1 and one.student and arrangement.cover.label:
                label = region_rect(arrangement.cover.label)
                named = one.student.number not in unnamed
                made[-1] += text_beside(one.student, label, settings, named=named, seat=words.seat)
    return pages("\n#pagebreak()\n".join(made), head, root), on_unprinted(unnamed)


def copy_text(copy: str, paper: Paper, words: Words, settings: PrintSettings) -> str:
    """Typst code of the copy's number, beside the page code."""
    right = paper.width - settings.code_right_mm - 4
    told = literal(words.booklet.format(copy=copy))[1:]
    width = settings.copy_text_mm
    return f"#at({right - width:.2f}, 15)[#box(width: {width:g}mm)[#align(right)[#text(size: 11pt, weight: 600, {told})]]]"


def _black(form: Layout, page: int, copy: Copy, arrangement: Arrangement, settings: PrintSettings) -> tuple[Rect, ...]:
    code = code_rectangles(form, page, copy.name)
    label = arrangement.cover.label
    if page > 1 or copy.student is None or label is None:
        return code
    return (*code, *code_beside(copy.student, region_rect(label), settings)[0])


# --------------------------------------------------------------------------- definitions


def printed_from(exam: Exam, copies: Sequence[Copy], versions: Versions, seed: int) -> str:
    """Where a definition comes from, for its first line."""
    what = (
        f"Of booklets {copies[0].name} to {copies[-1].name}, printed"
        if len(copies) > 1
        else f"Of booklet {copies[0].name}, printed"
    )
    drawn = f"; versions {', '.join(versions)}, drawn with seed {seed}" if len(versions) > 1 else ""
    return f"{what} from {Path(exam.source.name).name} by `scangrade layout print`{drawn}."


def rubric_of_booklets(exam: Exam, versions: Versions) -> dict[str, Any]:
    """The exam's rubric, with its versions."""
    data = dict(exam.scoring)
    if not exam.file.versions:
        return data
    questions = data.pop("questions")
    parts = {"parts": data.pop("parts")} if "parts" in data else {}
    data |= {"versions": list(exam.file.versions), "version_from": "code", "version_code": "{version}-{number}", **parts}
    return {**data, "questions": questions, "permutations": permutations(versions)}


def _proven(layout: str, rubric: str) -> list[Issue]:
    """Warnings of the definitions, as they will be written."""
    with tempfile.TemporaryDirectory(prefix="scangrade-print-") as scratch:
        paths = Path(scratch) / "layout.toml", Path(scratch) / "rubric.toml"
        for path, text in zip(paths, (layout, rubric), strict=True):
            path.write_text(text, encoding="utf-8")
        return [replace(one, where=one.where.replace(f"{scratch}/", "")) for one in load_definitions(*paths).warnings]


def table_of(name: str, copies: Sequence[Copy]) -> Table:
    """Which booklet is whose."""
    rows = []
    for one in copies:
        student = one.student or Student("")
        rows.append((one.name, one.version, student.number, student.last_name, student.first_name, student.seat))
    return Table(name, ("booklet", "version", "student_number", "last_name", "first_name", "seat"), tuple(rows))
