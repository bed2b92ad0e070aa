"""Whole batches with known truth: one per form for `samples/`, and the one of `scangrade demo`.

A batch is what a lecturer has after an exam: some scans, a class list, and a few things gone wrong. Names and numbers are
invented. What is made depends on the recipe and its seed only.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from importlib import resources
from pathlib import Path

import numpy as np

from scangrade.authoring.person import Persona, Style, personas_for
from scangrade.authoring.scanner import COPIER, COPIER_1BIT, OFFICE, ScannedImage, Scanner, shows, write_scan
from scangrade.authoring.simulate import PrintedForm, placed, print_form, simulate_booklet
from scangrade.authoring.truth import BatchTruth, BookletTruth
from scangrade.definitions.layout import load_layout
from scangrade.definitions.rubric import load_rubric
from scangrade.errors import DefinitionError, OutputError
from scangrade.grades.policies import SUMMED
from scangrade.model import Field, FieldKind, Layout, Question, Rubric, Student


class Quirk(StrEnum):
    """Something that goes wrong with one booklet."""

    MISSING_PAGE = "missing page"  #: the last page with boxes is not scanned
    DOUBLE_DIGIT = "double digit"  #: two boxes of one column of the student number are marked, and it is not written by hand
    DOUBTFUL_MARK = "doubtful mark"  #: one question is answered with a dot
    SHUFFLED = "shuffled"  #: pages were scanned in reverse


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a batch is made."""

    name: str
    scans: tuple[tuple[Scanner, int], ...]  #: one file per scanner, with so many booklets
    absent: int  #: students of the class list without a booklet
    seed: int
    rubric: str = ""  #: its file's name without ending; by default that of the layout
    quirks: Mapping[int, Quirk] | None = None  #: by booklet, from 0


_SMALL_JPEG = replace(COPIER, name="copier 150 dpi", jpeg_quality=40)
_PALE_1BIT = replace(COPIER_1BIT, name="copier 1-bit 200 dpi")
_SKEWED_1BIT = replace(
    COPIER_1BIT, name="skewed 1-bit 200 dpi", skew_deg=2.5, shift_mm=4, scale=(0.96, 1.01), rotations=(0, 180)
)
_GRAY200 = replace(COPIER, name="copier 200 dpi", dpi=200, jpeg_quality=45, uneven=0.04)

#: One batch per form of `layouts/`.
RECIPES: tuple[Recipe, ...] = (
    Recipe(
        "uva-deep-learning-1",
        ((_PALE_1BIT, 3), (_SKEWED_1BIT, 1), (_SMALL_JPEG, 1)),
        2,
        11,
        "uva-all-or-nothing",
        {1: Quirk.DOUBTFUL_MARK, 3: Quirk.SHUFFLED},
    ),
    Recipe("ist-deep-learning", ((_PALE_1BIT, 2), (_SMALL_JPEG, 2)), 2, 12, quirks={0: Quirk.DOUBTFUL_MARK}),
    Recipe("tum-introduction-to-deep-learning", ((_PALE_1BIT, 3), (_SKEWED_1BIT, 1)), 2, 13),
    Recipe("twente-deep-learning", ((_SMALL_JPEG, 2), (_PALE_1BIT, 3)), 1, 14, quirks={4: Quirk.DOUBLE_DIGIT}),
    Recipe("nops", ((_GRAY200, 4), (_SKEWED_1BIT, 2)), 3, 15, quirks={2: Quirk.DOUBTFUL_MARK}),
)

_DEMO = Recipe(
    "demo",
    ((replace(OFFICE, dpi=200, white=266.0, noise=1.5), 4), (_SKEWED_1BIT, 2)),
    2,
    5,
    quirks={1: Quirk.DOUBTFUL_MARK, 3: Quirk.MISSING_PAGE, 4: Quirk.DOUBLE_DIGIT},
)

_LAST_NAMES = (
    "Abendrot", "Birkmoor", "Castellar", "Dunewood", "Elderfen", "Fontanelle", "Grauwacke", "Heidekraut", "Iselmar",
    "Juniper", "Kestrelli", "Lindwurm", "Moorland", "Nebelhorn", "Oldenmark", "Pinienhain", "Quellgrund", "Rosendorn",
    "Silverbeck", "Tannwald", "Ulmenhof", "Violander", "Wintergreen", "Ypsilander", "Zedernholz", "van der Weide",
    "de la Rivière", "Łąkowska", "Çelebiöz", "Øksenvad",
)  # fmt: skip
_FIRST_NAMES = (
    "Ada", "Bruno", "Carla", "Dario", "Edda", "Felix", "Greta", "Hugo", "Ines", "Jonas", "Klara", "Luca", "Mira",
    "Nils", "Olga", "Paul", "Quirin", "Rosa", "Sven", "Tilda", "Ugo", "Vera", "Willem", "Xenia", "Yara", "Zoë",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Batch:
    """The files of a batch."""

    layout: Path
    rubric: Path
    roster: Path
    truth: Path
    scans: tuple[Path, ...]


def make_samples(
    folder: Path, which: Sequence[str] | None = None, *, layouts: Path = Path("layouts"), rubrics: Path = Path("rubrics")
) -> tuple[Batch, ...]:
    """Make the sample batches, a folder each.

    Parameters
    ----------
    folder : Path
        Where the batches' folders go, and, where all are made, a README.md that lists them; files of the same names are replaced.
    which : sequence of str, optional
        Names of recipes; all of them by default.
    layouts, rubrics : Path
        Folders of the definitions.

    Returns
    -------
    tuple of Batch

    Raises
    ------
    DefinitionError
        If a layout or a rubric cannot be used.
    ValueError
        If `which` names no recipe.
    """
    names = [recipe.name for recipe in RECIPES]
    unknown = set(which or ()) - set(names)
    if unknown:
        raise ValueError(f"no sample is called {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    if which is None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "README.md").write_text(_readme(), encoding="utf-8")
    return tuple(
        make_batch(
            folder / recipe.name,
            recipe,
            layout=layouts / f"{recipe.name}.toml",
            rubric=rubrics / f"{recipe.rubric or recipe.name}.toml",
        )
        for recipe in RECIPES
        if which is None or recipe.name in which
    )


def _readme() -> str:
    rows = []
    for recipe in RECIPES:
        scans = "; ".join(f"{number} x {scanner.name}" for scanner, number in recipe.scans)
        odd = "; ".join(f"booklet {index + 1:04d}: {quirk.value}" for index, quirk in sorted((recipe.quirks or {}).items()))
        rubric = recipe.rubric or recipe.name
        rows.append(
            f"| `{recipe.name}` | `rubrics/{rubric}.toml` | {scans} | {recipe.absent} | {odd or '-'} | {recipe.seed} |"
        )
    return (
        "# Sample batches\n\n"
        "One small scanned batch per form, made by `scangrade.authoring.samples.make_samples`: forms drawn, filled and scanned by\n"
        "programs. Names, numbers and handwriting are invented. The layout is the one of the same name in `layouts/`.\n\n"
        "- `scans/*.pdf`: what a scanner would deliver, one image per page\n"
        "- `roster.csv`: the class list; some of its students were absent\n"
        "- `gradebook.csv`: what `scangrade grade` makes of it; a test holds it against the truth\n"
        "- `truth.json`: what is really on each page, box by box, and where the page lies on its image\n\n"
        "| folder | rubric | booklets x scanner, one file each | absent | made to go wrong | seed |\n"
        "|---|---|---|---|---|---|\n" + "\n".join(rows) + "\n\n"
        "`printed/exam.toml` is an exam file, written for this repository, from which `scangrade layout print` makes booklets.\n"
    )


def make_demo(folder: Path) -> Batch:
    """Make the demo: layout, rubric, class list and scans of six booklets, with a few things for a person to decide.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    source = resources.files("scangrade.authoring") / "demo"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("layout.toml", "rubric.toml"):
            (folder / name).write_text((source / name).read_text(encoding="utf-8"), encoding="utf-8")
        return make_batch(folder, _DEMO, layout=folder / "layout.toml", rubric=folder / "rubric.toml")
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be written: {error.strerror or error}. Choose another folder: `scangrade demo FOLDER`."
        ) from error


def make_batch(folder: Path, recipe: Recipe, *, layout: Path, rubric: Path) -> Batch:
    """Make one batch: `scans/*.pdf`, `roster.csv` and `truth.json` in `folder`."""
    form, key = _definitions(layout, rubric)
    rng = np.random.default_rng(recipe.seed)
    count = sum(number for _, number in recipe.scans)
    students = _students(count + recipe.absent, form, key, rng)
    present = rng.permutation(len(students))[:count].tolist()
    printed = print_form(form, seed=recipe.seed, points={one.id: one.points for one in key.questions})
    start = int(rng.integers(100))
    (folder / "scans").mkdir(parents=True, exist_ok=True)
    booklets: list[BookletTruth] = []
    scans: list[Path] = []
    scanners = [(file, scanner) for file, (scanner, number) in enumerate(recipe.scans) for _ in range(number)]
    stack: list[ScannedImage] = []
    for index, ((file, scanner), who) in enumerate(zip(scanners, present, strict=True)):
        quirk = (recipe.quirks or {}).get(index)
        people = [one for one in personas_for(form.convention) if shows(one.ink, scanner)]
        images, truth = _booklet(
            printed, key, students[who], people[(start + index) % len(people)], scanner, index, quirk, rng
        )
        path = folder / "scans" / f"batch-{file + 1}.pdf"
        booklets.append(placed(truth, path.name, range(len(stack) + 1, len(stack) + len(images) + 1)))
        stack += images
        if index == count - 1 or scanners[index + 1][0] != file:
            scans += write_scan(stack, path)
            stack = []
    roster = folder / "roster.csv"
    roster.write_text(_roster_csv(students), encoding="utf-8", newline="")
    truth_file = folder / "truth.json"
    truth_file.write_text(BatchTruth(form.name, tuple(booklets)).to_json(), encoding="utf-8")
    return Batch(layout, rubric, roster, truth_file, tuple(scans))


def _definitions(layout: Path, rubric: Path) -> tuple[Layout, Rubric]:
    form, layout_issues = load_layout(layout)
    key, rubric_issues = load_rubric(rubric)
    if form is None or key is None:
        raise DefinitionError((*layout_issues, *rubric_issues))
    return form, key


# --------------------------------------------------------------------------- people


def _students(count: int, layout: Layout, rubric: Rubric, rng: np.random.Generator) -> list[Student]:
    """A class list in the order of last names."""
    places = sum(one.kind is FieldKind.DIGIT and one.role == "student_number" for one in layout.fields) or 8
    lasts = sorted(str(name) for name in rng.choice(_LAST_NAMES, count, replace=False))
    firsts = [str(name) for name in rng.choice(_FIRST_NAMES, count, replace=False)]
    numbers: set[str] = set()
    while len(numbers) < count:
        numbers.add(f"1{int(rng.integers(10 ** (places - 1))):0{places - 1}d}")
    versions = rubric.versions if rubric.version_from in ("mark", "roster") else ()
    order = rng.permutation(sorted(numbers)).tolist()
    return [
        Student(
            number,
            last,
            first,
            f"{first.lower()}.{number}@students.example.org",
            str(versions[int(rng.integers(len(versions)))]) if versions else "",
        )
        for number, last, first in zip(order, lasts, firsts, strict=True)
    ]


def _roster_csv(students: Sequence[Student]) -> str:
    with_version = any(one.version for one in students)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["student_number", "last_name", "first_name", "email", *(["version"] if with_version else [])])
    for one in students:
        writer.writerow([one.number, one.last_name, one.first_name, one.email, *([one.version] if with_version else [])])
    return buffer.getvalue()


# --------------------------------------------------------------------------- answers


def _booklet(
    form: PrintedForm,
    rubric: Rubric,
    student: Student,
    persona: Persona,
    scanner: Scanner,
    index: int,
    quirk: Quirk | None,
    rng: np.random.Generator,
) -> tuple[tuple[ScannedImage, ...], BookletTruth]:
    layout = form.layout
    answers = draw_answers(layout, rubric, student, rng)
    styles: dict[str, Style] = {}
    skip: set[int] = set()
    match quirk:
        case Quirk.MISSING_PAGE:
            skip = {max(one.page for one in layout.fields if one.boxes)}
        case Quirk.DOUBLE_DIGIT:
            column = next(one for one in reversed(layout.fields) if one.kind is FieldKind.DIGIT)
            answers[column.id] |= {next(box.value for box in column.boxes if box.value not in answers[column.id])}
        case Quirk.DOUBTFUL_MARK:
            # an answered question from the middle of the exam
            answered = [one.id for one in layout.fields if one.kind is FieldKind.CHOICE and answers[one.id]]
            styles[answered[len(answered) // 2]] = Style.DOT
        case Quirk.SHUFFLED | None:
            pass
    texts = {}
    for one in layout.fields:
        if one.role == "student_number" and one.kind in (FieldKind.TEXT, FieldKind.HANDWRITTEN):
            forgotten = quirk is Quirk.DOUBLE_DIGIT and one.kind is FieldKind.HANDWRITTEN
            texts[one.id] = "" if forgotten else student.number
        elif one.role == "name" or one.id == "signature":
            texts[one.id] = f"{student.last_name} {student.first_name}"
    stickers = {one.id: student.number for one in layout.fields if one.kind is FieldKind.STICKER}
    images, truth = simulate_booklet(
        layout,
        answers,
        persona,
        scanner,
        rng,
        f"{index + 1:04d}",
        form=form,
        texts=texts,
        stickers=stickers,
        styles=styles,
        student_number=student.number,
        skip=skip,
    )
    if quirk is Quirk.SHUFFLED:
        return images[::-1], replace(truth, pages=truth.pages[::-1])
    return images, truth


def draw_answers(
    layout: Layout, rubric: Rubric, student: Student, rng: np.random.Generator, *, ability: float = 0.7
) -> dict[str, frozenset[str]]:
    """What a student marks, and what the grader marks for them.

    Parameters
    ----------
    layout, rubric, student
    rng : Generator
    ability : float
        Probability that a choice question is answered rightly, 0 to 1; the rest is guessed, now and then left blank.

    Returns
    -------
    mapping of field id to box values
        For every field with boxes.
    """
    questions = {one.id: one for one in rubric.questions}
    version = student.version or (rubric.versions[0] if rubric.versions else "")
    answers: dict[str, frozenset[str]] = {}
    credits_given: dict[str, frozenset[str]] = {}
    for one in layout.fields:
        match one.kind:
            case FieldKind.CHOICE:
                answers[one.id] = _choose(one, questions.get(one.question), version, rng, ability)
            case FieldKind.DIGIT:
                known = one.role == "student_number" and one.place <= len(student.number)
                answers[one.id] = frozenset({student.number[one.place - 1]}) if known else frozenset()
            case FieldKind.VERSION:
                answers[one.id] = frozenset({version}) if version else frozenset()
            case FieldKind.CREDIT:
                if one.question not in credits_given:
                    question = questions.get(one.question)
                    most = question.points if question is not None else Fraction(len(one.boxes))
                    credits_given[one.question] = _credit(one, most, rng)
                # a second correction marks what it agrees with, or nothing where it was not made
                again = one.correction == 1 or rng.random() < 0.5
                answers[one.id] = credits_given[one.question] if again else frozenset()
            case FieldKind.STICKER | FieldKind.HANDWRITTEN | FieldKind.TEXT:
                pass
    return answers


def _choose(one: Field, question: Question | None, version: str, rng: np.random.Generator, ability: float) -> frozenset[str]:
    values = [box.value for box in one.boxes]
    right = _right(question, version)
    if right is not None and rng.random() < ability:
        return right
    if rng.random() < 0.08:
        return frozenset()
    if one.many:
        return frozenset(value for value in values if rng.random() < 0.4)
    return frozenset({values[int(rng.integers(len(values)))]})


def _right(question: Question | None, version: str) -> frozenset[str] | None:
    """The best answer, None where the rubric has none."""
    if question is None:
        return None
    if question.policy in SUMMED:
        points = question.values.get(version, question.values.get("", {}))
        return frozenset(value for value, worth in points.items() if worth > 0)
    keys = question.keys.get(version, question.keys.get("", ()))
    return keys[0] if keys else None


def _credit(one: Field, most: Fraction, rng: np.random.Generator) -> frozenset[str]:
    """Boxes for some credit up to `most`: a number, and the half box that follows it for half a point more."""
    values = {box.value for box in one.boxes}
    whole = [value for value in values if value.isdigit() and int(value) <= most]
    number = sorted(whole, key=int)[int(len(whole) * rng.beta(2.2, 1.2) * 0.999)]
    half = f"{number}H"
    if half in values and int(number) + Fraction(1, 2) <= most and rng.random() < 0.3:
        return frozenset({number, half})
    return frozenset({number})
