"""Exam files: questions with their alternatives, points and keys, from which booklets are printed with their layout and rubric.

What an exam file says of points is said as in a rubric, question by question, and held against the rubric's own rules, so that there
is one set of words and of faults for both. What it says of paper is little: how much room an answer has, and what may be shuffled.
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, StrictBool, StrictInt, StrictStr
from pydantic import Field as Spec

from scangrade.definitions.check import check
from scangrade.definitions.faults import Entry, Faults, shape, shown
from scangrade.definitions.layout import Name, Positive
from scangrade.definitions.rubric import rubric_of, rubric_schema
from scangrade.definitions.source import KeyPath, Source, child, read_source
from scangrade.errors import Issue, near_miss
from scangrade.model import Box, Convention, Field, FieldKind, Layout, Policy, Rubric

#: Alternatives are called by these.
LETTERS: Final = string.ascii_uppercase

_DEFAULT_SPACE_MM: Final = 40.0
_LONGEST_NAME: Final = 32  # with copy and page, a DataMatrix of 22 x 22 modules still holds it


def _as_alternative(value: Any) -> Any:
    return {"text": value} if isinstance(value, str) else value


def _short(value: str) -> str:
    if len(value) > _LONGEST_NAME or not value.isascii() or "{" in value or "}" in value:
        raise ValueError(
            f"is {shown(value)}; every page code holds it, so it may have up to {_LONGEST_NAME} characters of ASCII, no braces."
        )
    return value


def _one_word(value: str) -> str:
    if not value.isascii() or not value.isalnum():
        raise ValueError(f"is {shown(value)}; it may have letters A to Z and digits only, since page codes hold it.")
    return value


class AlternativeEntry(Entry):
    """One alternative: its text, or a table where it stays in its place."""

    text: StrictStr
    """What it says, in Markdown."""
    stays: StrictBool = False
    """Keeps its place when alternatives are shuffled, as "none of these" does."""


class QuestionPrint(Entry):
    """What of a question is printed; all other keys say what it is worth, as in a rubric."""

    id: Name | None = None
    """The question's number; default 1, 2, 3, ..."""
    text: StrictStr
    """The question, in Markdown."""
    part: StrictStr | None = None
    """Title of the part that begins with this question."""
    part_text: StrictStr = ""
    """With part: what is said under its title, in Markdown."""
    alternatives: Annotated[
        tuple[
            Annotated[AlternativeEntry, BeforeValidator(_as_alternative, json_schema_input_type=str | AlternativeEntry)], ...
        ],
        Spec(min_length=1, max_length=len(LETTERS)),
    ] = ()
    """What can be marked: texts in Markdown, called A, B, C, ... in this order; without them, the question is answered in writing."""
    select: Literal["one", "many"] | None = None
    """How many boxes may be marked; default "one" for policy single, else "many"."""
    columns: Annotated[StrictInt, Spec(ge=1, le=6)] = 1
    """In how many columns alternatives stand, row by row."""
    stays: StrictBool = False
    """Keeps its place when questions are shuffled."""
    shuffle: StrictBool = True
    """Whether its alternatives may be shuffled."""
    space: Positive = _DEFAULT_SPACE_MM
    """Height in mm of the frame to write in, without alternatives; default 40."""
    ruling: Literal["none", "lines", "squares"] = "none"
    """What is printed in that frame."""
    halves: StrictBool = False
    """Policy credit: whether there are boxes for half points."""
    corrections: Annotated[StrictInt, Spec(ge=1, le=2)] = 1
    """Policy credit: rows of boxes, one per correction."""


class StudentEntry(Entry):
    """How a booklet says whose it is."""

    digits: Annotated[StrictInt, Spec(ge=0, le=12)] = 8
    """Digits of a student number, for the grid; 0 for no grid."""
    written: StrictBool = True
    """Whether the number is also written by hand, above the grid."""
    name: StrictBool = True
    """Whether there is a frame for the name."""
    label: StrictBool = False
    """Whether there is a place for a label with a code; with a class list, the code is printed there."""


class Front(Entry):
    """What the cover of a booklet says."""

    name: Annotated[Name, AfterValidator(_short)]
    """Short name of the exam; every page code holds it."""
    title: StrictStr
    """Name of the exam for people."""
    lines: tuple[StrictStr, ...] = ()
    """Lines under the title: course, date, time."""
    instructions: StrictStr = ""
    """What stands on the cover, in Markdown."""
    language: Literal["en", "nl", "de", "fr", "pt"] = "en"
    """Of the words that are printed around your own."""
    convention: Convention = Convention.ANY
    """What a cross and a complete fill mean: "fill-wins", "cross" (a fill undoes), "any" or "fill"; the cover explains it."""
    student: StudentEntry = StudentEntry()
    """How a booklet says whose it is."""


class ExamFile(Front):
    """An exam to be printed."""

    format: Literal[1]
    """Version of this format: 1."""
    formulas: Literal["tex", "typst"] = "tex"
    """How formulas between dollar signs are written."""
    paper: Literal["a4", "letter"] = "a4"
    """Size of the paper."""
    cover: StrictBool = True
    """Whether the first page is a cover; else the questions begin under the student's name."""
    duplex: StrictBool = True
    """Whether a booklet has an even number of pages, so that the next one begins on a new sheet."""
    versions: Annotated[tuple[Annotated[Name, AfterValidator(_one_word)], ...], Spec(min_length=2, max_length=26)] | None = (
        None
    )
    """Versions with other orders; the first has the order of this file."""
    seed: Annotated[StrictInt, Spec(ge=0)] = 0
    """What the orders are drawn from: the same seed gives the same orders."""
    shuffle_questions: StrictBool = True
    """Whether versions have questions in another order, within their part."""
    shuffle_alternatives: StrictBool = True
    """Whether versions have alternatives in another order."""
    questions: Annotated[tuple[QuestionPrint, ...], Spec(min_length=1)]
    """The questions in order."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it is printed."""

    id: str
    place: int  #: in the file, from 0
    text: str  #: Markdown
    points: Fraction
    policy: Policy
    part: int  #: index of its part
    bonus: bool = False
    alternatives: tuple[str, ...] = ()  #: Markdown; A, B, C, ...
    staying: frozenset[int] = frozenset()  #: alternatives that keep their places
    many: bool = False
    columns: int = 1
    stays: bool = False
    shuffles: bool = True
    space_mm: float = _DEFAULT_SPACE_MM
    ruling: str = "none"
    halves: bool = False
    corrections: int = 1


@dataclass(frozen=True, slots=True)
class PartHead:
    """What stands above the first question of a part; both empty where the exam has no parts."""

    title: str = ""
    text: str = ""  #: Markdown
    place: int = 0  #: of its first question in the file


@dataclass(frozen=True, slots=True)
class Exam:
    """An exam to be printed. `scoring` is its rubric as data, without versions."""

    file: ExamFile
    questions: tuple[Asked, ...]
    parts: tuple[PartHead, ...]
    rubric: Rubric
    scoring: Mapping[str, Any]
    source: Source = field(repr=False)

    def where(self, place: int, *keys: str | int) -> str:
        """File, line and key of something in a question."""
        return self.source.where(("questions", place, *keys))


_OF_RUBRIC: Final = ("total", "floor", "cap", "round_to", "places", "guess_correction", "scale")
_STAND_INS: Final = {"format": 1, "name": "exam", "title": "exam"}


def exam_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of an exam file: what is printed, and the keys of a rubric that say what it is worth."""
    schema = ExamFile.model_json_schema()
    rubric = rubric_schema()
    schema["properties"] |= {name: rubric["properties"][name] for name in _OF_RUBRIC}
    schema["required"] = list(schema["required"])
    entry = schema["$defs"]["QuestionPrint"]
    entry["properties"] = {**entry["properties"], **_scoring_properties(rubric)}
    definitions = {**rubric["$defs"], **schema["$defs"]}
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {**head, **schema, "$defs": definitions, "title": "scangrade exam"}


def load_exam(path: Path) -> tuple[Exam | None, tuple[Issue, ...]]:
    """Read an exam file.

    Parameters
    ----------
    path : Path
        TOML, or JSON where the name ends in .json.

    Returns
    -------
    Exam, or None exactly where an error is among the issues; and all issues of the file.
    """
    source = read_source(path)
    if isinstance(source, Issue):
        return None, (source,)
    faults = Faults(source)
    if "fields" in source.data or isinstance(source.data.get("questions"), Mapping):
        what = "layout" if "fields" in source.data else "rubric"
        faults.error((), f"this is a {what}, not an exam.", "An exam has its questions as [[questions]], with their texts.")
        return None, tuple(faults.issues)
    schema = exam_schema()
    rubric_keys = _scoring_properties(rubric_schema())
    faulty = _unknown(source, rubric_keys, faults)
    source_known = source.without(faulty)
    shaped = shape(
        ExamFile,
        source_known.without(_scoring_keys(source_known)),
        faults,
        schema=schema,
        pieces=("questions",),
        stand_ins=_STAND_INS,
    )
    file = shaped.model
    places = shaped.places.get("questions", ())
    if file is None:
        return None, tuple(faults.issues)
    ids = _ids(source_known, file, places, faults)
    parts, of_part = _parts(file, places, faults)
    scoring, as_rubric = _as_rubric(source_known, file, dict(zip(ids, places, strict=True)), parts, of_part)
    rubric, found = rubric_of(as_rubric)
    faults.issues += found
    if rubric is None or faults.fatal or not shaped.complete or faulty:
        return None, tuple(faults.issues)
    questions = tuple(
        _asked(one, name, place, part, rubric, faults)
        for one, name, place, part in zip(file.questions, ids, places, of_part, strict=True)
    )
    faults.issues += _held_against_boxes(questions, file, rubric, as_rubric)
    if not questions or faults.fatal:
        return None, tuple(faults.issues)
    return Exam(file, questions, parts, rubric, scoring, source), tuple(faults.issues)


# --------------------------------------------------------------------------- keys of the print, keys of the rubric


def _scoring_properties(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Every key that some policy of a rubric's question has."""
    mapping = schema["properties"]["questions"]["additionalProperties"]["discriminator"]["mapping"]
    found: dict[str, Any] = {}
    for reference in mapping.values():
        for name, one in schema["$defs"][str(reference).rsplit("/", 1)[-1]]["properties"].items():
            found.setdefault(name, one)
    return found


def _tables(source: Source) -> list[tuple[int, Mapping[str, Any]]]:
    questions = source.data.get("questions")
    return (
        [(place, one) for place, one in enumerate(questions) if isinstance(one, Mapping)]
        if isinstance(questions, list)
        else []
    )


def _unknown(source: Source, rubric_keys: Mapping[str, Any], faults: Faults) -> set[KeyPath]:
    """Report keys that neither print nor rubric know; those of the file itself are reported by its shape."""
    known = [*QuestionPrint.model_fields, *rubric_keys]
    found: set[KeyPath] = set()
    for place, table in _tables(source):
        for key in table:
            if key not in known:
                hint = near_miss(key, [one for one in known if one not in table])
                faults.error(
                    ("questions", place, key),
                    f"unknown key `{key}`.",
                    hint or f"Keys that may stand here: {', '.join(known)}.",
                )
                found.add(("questions", place, key))
    return found


def _scoring_keys(source: Source) -> set[KeyPath]:
    """Paths of what the rubric's rules are held against."""
    inside = {
        ("questions", place, key) for place, table in _tables(source) for key in table if key not in QuestionPrint.model_fields
    }
    return {*inside, *((key,) for key in _OF_RUBRIC if key in source.data)}


def _as_rubric(
    source: Source, file: ExamFile, places: Mapping[str, int], parts: Sequence[PartHead], of_part: Sequence[int]
) -> tuple[dict[str, Any], Source]:
    """The rubric that an exam file holds, as data and as a source that knows the lines of the exam file."""
    tables = dict(_tables(source))
    questions: dict[str, dict[str, Any]] = {}
    lines: dict[KeyPath, int] = {}
    for name, place in places.items():
        own = {key: value for key, value in tables[place].items() if key not in QuestionPrint.model_fields}
        if "policy" not in own:
            own = {"policy": _usual_policy(tables[place]), **own}
        questions[name] = own
        for keys, line in source.lines.items():
            if keys[:2] == ("questions", place):
                lines[("questions", name, *keys[2:])] = line
    worth = {name: _points(one) for name, one in questions.items()}
    names = list(questions)
    data: dict[str, Any] = {
        "format": 1,
        "name": file.name,
        "title": file.title,
        "total": _written(sum(worth.values(), Fraction(0))),
    }
    data |= {key: source.data[key] for key in _OF_RUBRIC if key in source.data}
    if any(part.title for part in parts):
        data["parts"] = [
            {
                "id": str(number + 1),
                "title": part.title,
                "points": _written(sum((worth[name] for name in names if of_part[names.index(name)] == number), Fraction(0))),
                "questions": [name for name in names if of_part[names.index(name)] == number],
            }
            for number, part in enumerate(parts)
        ]
    data["questions"] = questions
    lines |= {keys: line for keys, line in source.lines.items() if keys and keys[0] in _OF_RUBRIC}
    return data, Source(source.name, data, lines)


def _usual_policy(table: Mapping[str, Any]) -> str:
    if not table.get("alternatives") and "key" not in table and "keys" not in table:
        return Policy.OPEN.value
    many = isinstance(table.get("key"), list) or table.get("select") == "many"
    return Policy.ALL_OR_NOTHING.value if many else Policy.SINGLE.value


def _points(question: Mapping[str, Any]) -> Fraction:
    """What a question adds to the total, 0 where that cannot be told: then its points are reported."""
    value = question.get("points")
    if question.get("bonus") is True or isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return Fraction(0)
    try:
        return Fraction(value)
    except (ValueError, ZeroDivisionError, OverflowError):
        return Fraction(0)


def _written(points: Fraction) -> int | Decimal | str:
    """Points as a rubric writes them."""
    if points.denominator == 1:
        return int(points)
    scaled = points * 10**6
    return Decimal(int(scaled)).scaleb(-6).normalize() if scaled.denominator == 1 else str(points)


# --------------------------------------------------------------------------- questions and parts


def _ids(source: Source, file: ExamFile, places: Sequence[int], faults: Faults) -> list[str]:
    tables = dict(_tables(source))
    given = [table.get("id") for table in tables.values()]
    ids: list[str] = []
    for entry, place in zip(file.questions, places, strict=True):
        name = entry.id or str(place + 1)
        if name in ids:
            own = "" if entry.id else " (it is the default of the question here)"
            faults.error(
                ("questions", place, "id"),
                f"there is a question {shown(name)} already{own}.",
                "Give every question its own id.",
            )
            name = f"{name} at place {place + 1}"
        elif entry.id is None and name in given:
            faults.error(
                ("questions", place),
                f"without an id this is question {shown(name)}, which is another one's id.",
                "Give it an id.",
            )
            name = f"{name} at place {place + 1}"
        ids.append(name)
    return ids


def _parts(file: ExamFile, places: Sequence[int], faults: Faults) -> tuple[tuple[PartHead, ...], list[int]]:
    """Heads of parts, and the part of each question."""
    heads: list[PartHead] = []
    of_part: list[int] = []
    for entry, place in zip(file.questions, places, strict=True):
        if entry.part is not None or not heads:
            heads.append(PartHead(entry.part or "", entry.part_text, place))
        if entry.part_text and entry.part is None:
            faults.error(
                ("questions", place, "part_text"), "`part_text` has no meaning without `part`.", "Add the part's title."
            )
        of_part.append(len(heads) - 1)
    if len(heads) > 1 and not heads[0].title:
        faults.error(
            ("questions", heads[0].place), "later questions begin parts, but this one is in none.", "Give it a `part` too."
        )
    return tuple(heads), of_part


def _asked(entry: QuestionPrint, name: str, place: int, part: int, rubric: Rubric, faults: Faults) -> Asked:
    question = rubric.question(name)
    at: KeyPath = ("questions", place)
    written = question.policy in (Policy.OPEN, Policy.CREDIT)
    given = entry.model_fields_set
    if written and entry.alternatives:
        faults.error(
            (*at, "alternatives"),
            f"a question with policy {question.policy} has none.",
            "Choose another policy, or take them out.",
        )
    if not written and not entry.alternatives:
        faults.error(
            (*at, "alternatives"),
            f"`alternatives` is missing: policy {question.policy} needs boxes to mark.",
            "Add the texts.",
        )
    for key in ("select", "columns", "shuffle") if written else ("space", "ruling"):
        if key in given:
            faults.error(
                (*at, key), f"`{key}` has no meaning {'without' if written else 'with'} alternatives.", "Leave it out."
            )
    for key in ("halves", "corrections"):
        if key in given and question.policy is not Policy.CREDIT:
            faults.error(
                (*at, key), f"`{key}` has no meaning without policy credit.", 'Leave it out, or set policy = "credit".'
            )
    if question.policy is Policy.CREDIT and (question.points.denominator != 1 or question.points < 1):
        faults.error(
            (*at, "points"),
            f"a credit row goes up to whole points, not to {question.points}.",
            'Change them, or the policy to "open".',
        )
    for number, one in enumerate(entry.alternatives):
        if not one.text.strip():
            faults.error((*at, "alternatives", number), f"alternative {LETTERS[number]} is empty.", "Give it a text.")
    if not entry.text.strip():
        faults.error((*at, "text"), "the question is empty.", "Give it a text.")
    return Asked(
        name,
        place,
        entry.text,
        question.points,
        question.policy,
        part,
        question.bonus,
        tuple(one.text for one in entry.alternatives),
        frozenset(number for number, one in enumerate(entry.alternatives) if one.stays),
        entry.select == "many" if entry.select else question.policy is not Policy.SINGLE,
        entry.columns,
        entry.stays,
        entry.shuffle,
        entry.space,
        entry.ruling,
        entry.halves,
        entry.corrections,
    )


def _held_against_boxes(questions: Sequence[Asked], file: ExamFile, rubric: Rubric, as_rubric: Source) -> list[Issue]:
    """Whether keys and points speak of alternatives that there are: the check of layout and rubric, before there is a layout."""
    fields = []
    for one in questions:
        if one.alternatives:
            boxes = tuple(Box(one.id, value, 1, 0.0, 0.0, 1.0, 1.0, 0.0) for value in LETTERS[: len(one.alternatives)])
            fields.append(Field(one.id, FieldKind.CHOICE, 1, boxes, question=one.id, many=one.many))
    marked = tuple(
        rubric.question(one.id) for one in questions if one.alternatives
    )  # all others have the boxes that they need
    layout = Layout(file.name, file.title, file.convention, (), tuple(fields))
    found = check(layout, replace(rubric, questions=marked), None)
    return [_located(issue, rubric, as_rubric) for issue in found]


def _located(issue: Issue, rubric: Rubric, as_rubric: Source) -> Issue:
    """The same issue with the line of the exam file."""
    prefix = f"rubric {rubric.name}, questions."
    name = issue.where.removeprefix(prefix)
    where = (
        as_rubric.where(("questions", name))
        if issue.where.startswith(prefix) and child(as_rubric.data["questions"], name)
        else issue.where
    )
    message = issue.message.replace(f"field {shown(name)} has the boxes", "there are the alternatives")
    return Issue(issue.severity, where, message, issue.advice)
