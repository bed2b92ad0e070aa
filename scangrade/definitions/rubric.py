"""Rubrics: the file that holds keys, points and policies, and how it becomes a `scangrade.model.Rubric`.

Points are taken exactly as written: 1.67 is 167/100, "4/3" is 4/3. What a reader could guess differently must be said: the floor
and the cap of points per alternative, what several marks in a single choice question earn. Everything wrong is reported in one go.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, PlainValidator, StrictBool, StrictInt, StrictStr
from pydantic import Field as Spec

from scangrade.definitions.faults import Entry, Faults, listed, shape, shown
from scangrade.definitions.source import KeyPath, Source, child, read_source
from scangrade.errors import Issue, near_miss
from scangrade.model import (
    CopyNumbers,
    Criterion,
    FieldKind,
    GuessCorrection,
    Keys,
    Layout,
    Part,
    Permutation,
    Policy,
    Question,
    RExamsRule,
    Rubric,
    Scale,
    Void,
)

# --------------------------------------------------------------------------- the file

_NUMBER = re.compile(r"[+-]?\d{1,15}(\.\d{1,15})?(/\d{1,15})?", re.ASCII)


def _exact(value: Any) -> Fraction:
    """A number exactly as written: 4, -1.67, or a fraction in quotes like "-4/3"."""
    text = str(value)
    plain = isinstance(value, int | str) and not isinstance(value, bool)
    if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) <= 15:
        return Fraction(value)
    if plain and _NUMBER.fullmatch(text) and not ("." in text and "/" in text) and not re.search(r"/0+$", text):
        return Fraction(text)
    raise ValueError(f'is {shown(value)}; it must be a number, or a fraction in quotes like "4/3".')


def _exact_or(word: str) -> PlainValidator:
    """A number, or this word for None."""

    def read(value: Any) -> Fraction | None:
        if value == word:
            return None
        try:
            return _exact(value)
        except ValueError:
            raise ValueError(f'is {shown(value)}; it must be a number or "{word}".') from None

    return PlainValidator(read, json_schema_input_type=float | str)


def _plain_id(value: str) -> str:
    """Ids and alternatives become heads of columns and parts of names."""
    if not value or value != value.strip() or not value.isprintable():
        raise ValueError(f"is {shown(value)}; it must not be empty, hold a line break, or begin or end with a blank.")
    return value


def _alternatives(value: Any) -> Any:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError(f'is {shown(value)}; it must be a list of alternatives like ["A", "C"].')
    if len(set(value)) < len(value):
        raise ValueError(f"is {shown(value)}; it names an alternative twice.")
    return frozenset(value)


def _one_key(value: Any) -> Keys | dict[str, Keys]:
    """A list of alternatives, or such a list by version."""
    if isinstance(value, Mapping):
        return {str(version): (_alternatives(one),) for version, one in value.items()}
    return (_alternatives(value),)


def _several_keys(value: Any) -> Keys | dict[str, Keys]:
    """Several lists of alternatives, each of them right, or that by version."""
    if isinstance(value, Mapping):
        return {str(version): _either(one) for version, one in value.items()}
    return _either(value)


def _either(value: Any) -> Keys:
    if not isinstance(value, list) or not value:
        raise ValueError(f'is {shown(value)}; it must be a list of keys like [["A"], ["B"]].')
    return tuple(_alternatives(one) for one in value)


def _single(value: Any) -> frozenset[str]:
    letters = value if isinstance(value, list) else [value]
    if len(letters) != 1 or not isinstance(letters[0], str):
        raise ValueError(f'is {shown(value)}; a single choice question has one right alternative, like "A".')
    return frozenset(letters)


def _single_key(value: Any) -> Keys | dict[str, Keys]:
    if isinstance(value, Mapping):
        return {str(version): (_single(one),) for version, one in value.items()}
    return (_single(value),)


def _single_keys(value: Any) -> Keys | dict[str, Keys]:
    if isinstance(value, Mapping):
        return {str(version): _single_either(one) for version, one in value.items()}
    return _single_either(value)


def _single_either(value: Any) -> Keys:
    if not isinstance(value, list) or not value:
        raise ValueError(f'is {shown(value)}; it must be a list of alternatives, each of them right, like ["A", "B"].')
    return tuple(_single(one) for one in value)


def _point_map(value: Any) -> dict[str, Fraction] | dict[str, dict[str, Fraction]]:
    """Points by alternative, or that by version."""
    if not isinstance(value, Mapping) or not value:
        raise ValueError(f"is {shown(value)}; it must give points by alternative like {{ A = 2, B = -2 }}.")
    if all(isinstance(one, Mapping) for one in value.values()):
        return {str(version): _points_of(one) for version, one in value.items()}
    return _points_of(value)


def _points_of(value: Mapping[str, Any]) -> dict[str, Fraction]:
    points = {}
    for alternative, one in value.items():
        try:
            points[str(alternative)] = _exact(one)
        except ValueError as error:
            raise ValueError(f"of alternative {shown(alternative)} {error}") from None
    return points


Points = Annotated[Fraction, PlainValidator(_exact, json_schema_input_type=float | str)]
OrNone = Annotated[Fraction | None, _exact_or("none")]
Name = Annotated[StrictStr, AfterValidator(_plain_id)]
Letters = list[str]
Key = Annotated[Any, PlainValidator(_one_key, json_schema_input_type=Letters | dict[str, Letters])]
SeveralKeys = Annotated[Any, PlainValidator(_several_keys, json_schema_input_type=list[Letters] | dict[str, list[Letters]])]
SingleKey = Annotated[Any, PlainValidator(_single_key, json_schema_input_type=str | dict[str, str])]
SingleKeys = Annotated[Any, PlainValidator(_single_keys, json_schema_input_type=Letters | dict[str, Letters])]
PointMap = Annotated[
    Any, PlainValidator(_point_map, json_schema_input_type=dict[str, float | str] | dict[str, dict[str, float | str]])
]


class _Scored(Entry):
    """What every question has."""

    points: Points
    """Most points of the question."""
    void: Literal["full", "out"] | None = None
    """Does not count any more: "full" gives everybody its points, "out" takes it out of the total."""
    bonus: StrictBool = False
    """Whether it adds points, and nothing to the total."""


class _Keyed(_Scored):
    """What questions with a key have."""

    key: Key | None = None
    """Right alternatives: a list ([] where none is right), or a list by version."""
    keys: SeveralKeys | None = None
    """Instead of key, where either of several lists is right: a list of lists, or that by version."""


class AllOrNothing(_Keyed):
    """Full points where exactly the right boxes are marked, else 0."""

    policy: Literal["all-or-nothing"]
    """Full points where exactly the right boxes are marked, else 0."""


class PerBox(_Keyed):
    """Every box in its right state, marked or empty, earns its share (AMC)."""

    policy: Literal["per-box"]
    """Every box in its right state, marked or empty, earns its share (AMC)."""


class OneDeviationHalf(_Keyed):
    """All right earns the points, exactly one wrong box half of them, else 0."""

    policy: Literal["one-deviation-half"]
    """All right earns the points, exactly one wrong box half of them, else 0."""


class NoOverSelection(_Keyed):
    """A share per right mark; 0 where more are marked than are right."""

    policy: Literal["no-over-selection"]
    """A share per right mark; 0 where more are marked than are right."""


def _negative(value: Any) -> Fraction:
    """R/exams' negative: TRUE is 1, FALSE is 0, and the sign of a number does not count."""
    if isinstance(value, bool):
        return Fraction(int(value))
    try:
        return abs(_exact(value))
    except ValueError:
        raise ValueError(f"is {shown(value)}; it must be true, false or a number.") from None


class RExams(_Keyed):
    """The rules of R/exams (exams_eval)."""

    policy: Literal["r-exams"]
    """The rules of R/exams (exams_eval)."""
    partial: StrictBool = True
    """Whether a part of the right alternatives earns something; default true."""
    rule: Literal["false2", "false", "true", "all", "none"] = "false2"
    """What a wrong mark costs with partial credit; default "false2"."""
    negative: Annotated[Fraction, PlainValidator(_negative, json_schema_input_type=bool | float | str)] = Fraction(0)
    """Share of the points that can be lost: false (the default) is 0, true is 1."""


def _multiple(value: Any) -> Fraction | str:
    if value in ("ask", "wrong"):
        return str(value)
    try:
        return _exact(value)
    except ValueError:
        raise ValueError(f'is {shown(value)}; it must be a number, "wrong" or "ask".') from None


Multiple = Annotated[Any, PlainValidator(_multiple, json_schema_input_type=float | str)]


class Single(_Scored):
    """One alternative is right."""

    policy: Literal["single"]
    """One alternative is right."""
    key: SingleKey | None = None
    """The right alternative, or that by version."""
    keys: SingleKeys | None = None
    """Instead of key, where either of several alternatives is right: a list, or a list by version."""
    wrong: Annotated[Fraction | None, _exact_or("formula")] = Fraction(0)
    """Points of a wrong answer, or "formula" for -points/(n - 1) of n alternatives; default 0."""
    blank: Points = Fraction(0)
    """Points of no answer; default 0."""
    multiple: Multiple = "ask"
    """Points of more than one mark, or "wrong" for those of a wrong answer, or "ask" (the default): a person decides."""


class PerAlternative(_Scored):
    """The sum of the points of the marked alternatives, between a floor and a cap."""

    policy: Literal["per-alternative"]
    """The sum of the points of the marked alternatives, between a floor and a cap."""
    values: PointMap | None = None
    """Points by alternative, as written in the scheme; or that by version."""
    floor: OrNone
    """Least points of the question, or "none"."""
    cap: OrNone
    """Most points that the sum can earn, commonly the question's points; or "none"."""


class Moodle(_Scored):
    """The points times the sum of the marked alternatives' fractions, which counts from 0 to 1."""

    policy: Literal["moodle"]
    """The points times the sum of the marked alternatives' fractions, which counts from 0 to 1."""
    fractions: PointMap | None = None
    """Fraction by alternative, such as 0.5, "1/3" or -1; or that by version."""


class Qti(_Scored):
    """The sum of the marked alternatives' mapped points, between bounds (QTI mapResponse)."""

    policy: Literal["qti"]
    """The sum of the marked alternatives' mapped points, between bounds (QTI mapResponse)."""
    mapping: PointMap | None = None
    """Points by alternative; or that by version."""
    default: Points = Fraction(0)
    """Points of a mark that is not mapped; default 0."""
    lower: OrNone
    """Lower bound, or "none"."""
    upper: OrNone
    """Upper bound, or "none"."""


class Credit(_Scored):
    """Points marked by the grader in a credit column."""

    policy: Literal["credit"]
    """Points marked by the grader in a credit column."""


class CriterionEntry(Entry):
    """Something that an open answer is looked at for."""

    id: Name
    """Short name, by which people and files call it."""
    text: StrictStr = ""
    """What is looked for."""
    points: Points
    """Points that it adds, once; below 0 it takes them off."""


class Open(_Scored):
    """Points that a person gives outside of the boxes."""

    policy: Literal["open"]
    """Points that a person gives outside of the boxes."""
    criteria: tuple[CriterionEntry, ...] = ()
    """What the answer is looked at for; a person says which are met, and their points are summed."""
    floor: Points = Fraction(0)
    """Least points of the question; default 0."""


QuestionEntry = Annotated[
    AllOrNothing
    | Single
    | PerAlternative
    | PerBox
    | OneDeviationHalf
    | NoOverSelection
    | RExams
    | Moodle
    | Qti
    | Credit
    | Open,
    Discriminator("policy"),
]


class GuessEntry(Entry):
    """Takes out what blind guessing earns on average: s of n points become (s - n g) / (n - n g) n."""

    chance: Points
    """Share of the points that guessing earns, g: 1/4 with four alternatives."""
    questions: Annotated[tuple[StrictStr, ...], Spec(min_length=1)] | None = None
    """Ids of the questions concerned; default all."""


class ScaleEntry(Entry):
    """How points become a grade."""

    kind: Literal["steps", "line"]
    """steps: a grade holds from its points on; line: grades lie on straight lines between."""
    points: Annotated[tuple[Points, ...], Spec(min_length=2)]
    """Points of the grades, rising."""
    grades: Annotated[tuple[StrictStr | StrictInt | Decimal, ...], Spec(min_length=2)]
    """Grades, as many as points."""
    round_to: Points = Fraction(1, 10)
    """line: step of the grades, rounded half up; default 0.1."""


class PermutationEntry(Entry):
    """How a version is printed."""

    questions: dict[str, StrictStr] = Spec(default_factory=dict)
    """What stands where: id of the form's question = id of the rubric's question that this version prints there."""
    alternatives: dict[str, dict[str, StrictStr]] = Spec(default_factory=dict)
    """By id of the form's question: box = alternative of the rubric that this version prints there."""


class PartEntry(Entry):
    """Questions whose points are summed under a title."""

    id: Name
    """The part's id."""
    title: StrictStr = ""
    """The part's title."""
    points: Points
    """Sum of the points of its questions, without bonus."""
    questions: Annotated[tuple[StrictStr, ...], Spec(min_length=1)]
    """Ids of its questions."""


class RubricFile(Entry):
    """Keys, points and policies of an exam."""

    format: Literal[1]
    """Version of this format: 1."""
    name: Name
    """Short name of the rubric."""
    title: StrictStr = ""
    """Name of the exam for people."""
    total: Points
    """Most points of the exam; must be the sum of its questions, without bonus."""
    floor: OrNone = None
    """Least points of the exam, or "none" (the default)."""
    cap: OrNone = None
    """Most points of the exam, or "none" (the default), where a bonus may go beyond the total."""
    round_to: Points | None = None
    """Step that the exam's points are rounded to once, half up, such as 0.5; by default only to places."""
    guess_correction: GuessEntry | None = None
    """Takes out what blind guessing earns on average."""
    scale: ScaleEntry | None = None
    """How points become a grade."""
    places: Annotated[StrictInt, Spec(ge=0, le=6)] = 2
    """Decimals of points in files; rounded half up."""
    versions: Annotated[tuple[Name, ...], Spec(min_length=1)] | None = None
    """Versions of the exam, where there are several."""
    version_from: StrictStr | None = None
    """With versions, where a booklet's version comes from: "mark", "code", "print", "roster", or the version that all have."""
    version_code: StrictStr | None = None
    """With version_from = "code": what the copy looks like, such as "{version}-{number}"."""
    version_copies: dict[str, tuple[StrictStr, ...]] | None = None
    """Instead of version_code: numbers of the copies by version, such as { A = ["1-100"], B = ["101-180", "200"] }."""
    permutations: dict[str, PermutationEntry] = Spec(default_factory=dict)
    """By version, how it is printed, where the order of questions or alternatives is another one."""
    parts: tuple[PartEntry, ...] = ()
    """Parts of the exam."""
    questions: Annotated[dict[Name, QuestionEntry], Spec(min_length=1)]
    """Questions by id, in the order of the gradebook's columns."""


_PIECES = ("parts", "questions")
_STAND_INS = {"format": 1, "name": "rubric", "total": 0}
_SOURCES = ("mark", "code", "print", "roster")


def rubric_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a rubric file."""
    schema = RubricFile.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "scangrade rubric"}


def load_rubric(path: Path) -> tuple[Rubric | None, tuple[Issue, ...]]:
    """Read a rubric.

    Parameters
    ----------
    path : Path
        TOML, or JSON where the name ends in .json.

    Returns
    -------
    Rubric, or None exactly where an error is among the issues; and all issues of the file.
    """
    source = read_source(path)
    if isinstance(source, Issue):
        return None, (source,)
    return rubric_of(source)


def rubric_of(source: Source) -> tuple[Rubric | None, tuple[Issue, ...]]:
    """A rubric from what was read already: see `load_rubric`. Exam files hold one among other things."""
    faults = Faults(source)
    if "fields" in source.data and "questions" not in source.data:
        faults.error((), "this is a layout, not a rubric.", "Give the rubric with `--rubric`, and this file with `--layout`.")
        return None, tuple(faults.issues)
    unquoted = _unquoted_ids(source, faults)
    shaped = shape(RubricFile, source.without(unquoted), faults, schema=rubric_schema(), pieces=_PIECES, stand_ins=_STAND_INS)
    if shaped.model is None:
        return None, tuple(faults.issues)
    file = shaped.model
    versions = _versions(file, faults)
    questions = tuple(_question(name, entry, versions, faults) for name, entry in file.questions.items())
    _check_parts(file, source, shaped.places.get("parts", ()), faults)
    complete = shaped.complete and not unquoted
    if complete:
        _check_sums(file, faults)
    rubric = Rubric(
        name=file.name,
        title=file.title,
        questions=questions,
        parts=tuple(Part(part.id, part.title, part.points, part.questions) for part in file.parts),
        versions=versions,
        version_from=file.version_from or "",
        total=file.total - _sum(one.points for one in questions if one.void is Void.OUT and not one.bonus),
        floor=file.floor,
        places=file.places,
        cap=file.cap,
        round_to=file.round_to,
        guess=_guess(file, source, faults),
        scale=_scale(file, faults),
        copies=_copies(file, versions, faults),
        permutations=_permutations(file, source, versions, faults),
    )
    return (None if faults.fatal else rubric), tuple(faults.issues)


def with_alternatives(rubric: Rubric, layout: Layout) -> Rubric:
    """The same rubric, its questions with the boxes of their fields: some policies count those that are not in the key."""
    boxes = {one.question: tuple(box.value for box in one.boxes) for one in layout.fields if one.kind is FieldKind.CHOICE}
    return replace(rubric, questions=tuple(replace(one, alternatives=boxes.get(one.id, ())) for one in rubric.questions))


def _unquoted_ids(source: Source, faults: Faults) -> frozenset[KeyPath]:
    """[questions.2.1] is question 1 inside of a table 2: TOML takes the dot for a step where it is not in quotes."""
    found = set()
    questions = source.data.get("questions")
    for outer, table in questions.items() if isinstance(questions, Mapping) else ():
        if (
            isinstance(table, Mapping)
            and table
            and all(isinstance(one, Mapping) and "policy" in one for one in table.values())
        ):
            for inner in table:
                faults.error(
                    ("questions", outer, inner),
                    f"the dot in `{outer}.{inner}` splits it in two.",
                    f'Put the id in quotes: [questions."{outer}.{inner}"].',
                )
            found.add(("questions", outer))
    return frozenset(found)


# --------------------------------------------------------------------------- versions and keys


def _versions(file: RubricFile, faults: Faults) -> tuple[str, ...]:
    versions = file.versions or ()
    for version in dict.fromkeys(versions):
        if versions.count(version) > 1:
            faults.error(("versions",), f"version {shown(version)} is there {versions.count(version)} times.")
        if version in _SOURCES:
            faults.error(("versions",), f'a version cannot be called "{version}": `version_from` means something else by it.')
    if file.versions is None and file.version_from is not None:
        faults.error(("version_from",), "there are no `versions`.", 'Add them: versions = ["A", "B"].')
    elif file.versions is not None and file.version_from is None:
        faults.error(
            ("version_from",),
            "`version_from` is missing.",
            'Add "mark", "code", "print", "roster", or the version of all booklets.',
        )
    elif file.version_from is not None and file.version_from not in (*_SOURCES, *versions):
        allowed = ", ".join(f'"{one}"' for one in (*_SOURCES, *versions))
        hint = near_miss(file.version_from, (*_SOURCES, *versions))
        faults.error(("version_from",), f"`version_from` is {shown(file.version_from)}; it must be one of {allowed}.", hint)
    return tuple(dict.fromkeys(versions))


def _question(name: str, entry: QuestionEntry, versions: Sequence[str], faults: Faults) -> Question:
    at: KeyPath = ("questions", name)
    if entry.points < 0:
        faults.error((*at, "points"), f"`points` is {_text(entry.points)}; it must be at least 0.")
    common = {"void": Void(entry.void) if entry.void else None, "bonus": entry.bonus}
    question = Question(name, Policy(entry.policy), entry.points, **common)  # type: ignore[arg-type]
    if isinstance(entry, RExams):
        if entry.partial and frozenset() in _all_keys(entry):
            faults.warning(
                (*at, "partial"),
                "R/exams gives partial credit for right alternatives only, so nothing can be earned where none is right.",
                "Set partial = false.",
            )
        more = {"partial": entry.partial, "rule": RExamsRule(entry.rule), "negative": entry.negative}
        return replace(question, keys=_keys(name, entry, versions, faults), **more)  # type: ignore[arg-type]
    if isinstance(entry, _Keyed):
        return replace(question, keys=_keys(name, entry, versions, faults))
    if isinstance(entry, Single):
        return _single_question(question, entry, versions, faults)
    if isinstance(entry, PerAlternative):
        values = _values(entry, name, "values", entry.values, versions, faults)
        _check_limits(entry.points, values, at, faults, floor=("floor", entry.floor), cap=("cap", entry.cap))
        return replace(question, values=values, floor=entry.floor, cap=entry.cap)
    if isinstance(entry, Moodle):
        values = _values(entry, name, "fractions", entry.fractions, versions, faults)
        _check_fractions(values, at, faults)
        return replace(question, values=values)
    if isinstance(entry, Qti):
        values = _values(entry, name, "mapping", entry.mapping, versions, faults)
        limits = {"floor": ("lower", entry.lower), "cap": ("upper", entry.upper)}
        _check_limits(entry.points, values, at, faults, **limits, values_key="mapping", more=entry.default > 0)
        return replace(question, values=values, floor=entry.lower, cap=entry.upper, default=entry.default)
    if isinstance(entry, Open):
        return _open_question(question, entry, faults)
    return question


def _single_question(question: Question, entry: Single, versions: Sequence[str], faults: Faults) -> Question:
    at: KeyPath = ("questions", question.id)
    multiple = entry.multiple if isinstance(entry.multiple, Fraction) else None
    for key, points in (("wrong", entry.wrong), ("blank", entry.blank), ("multiple", multiple)):
        if points is not None and points > entry.points:
            faults.error((*at, key), f"`{key}` earns {_text(points)}, more than the question's {_text(entry.points)} points.")
    return replace(
        question,
        keys=_keys(question.id, entry, versions, faults),
        wrong=entry.wrong,
        blank=entry.blank,
        multiple=multiple,
        multiple_is_wrong=entry.multiple == "wrong",
    )


def _open_question(question: Question, entry: Open, faults: Faults) -> Question:
    """Criteria have ids of their own, and can earn the points."""
    at: KeyPath = ("questions", question.id)
    seen: set[str] = set()
    for place, one in enumerate(entry.criteria):
        if one.id in seen:
            faults.error(
                (*at, "criteria", place, "id"), f"there is a criterion {shown(one.id)} already.", "Give each its own id."
            )
        if re.search(r"[\s,;:]", one.id):
            faults.error(
                (*at, "criteria", place, "id"),
                f"a criterion cannot be called {shown(one.id)}: blanks, commas and colons separate criteria in files.",
            )
        seen.add(one.id)
    if entry.floor > entry.points:
        faults.error((*at, "floor"), f"`floor` is {_text(entry.floor)}, above the question's {_text(entry.points)} points.")
    most = _sum(one.points for one in entry.criteria if one.points > 0)
    if entry.criteria and most < entry.points:
        faults.warning(
            (*at, "criteria"), f"at most {_text(most)} of the question's {_text(entry.points)} points can be earned by them."
        )
    criteria = tuple(Criterion(one.id, one.text, one.points) for one in entry.criteria)
    return replace(question, criteria=criteria, floor=entry.floor)


def _all_keys(entry: _Keyed) -> list[frozenset[str]]:
    value = entry.keys if entry.keys is not None else entry.key
    by_version = value.values() if isinstance(value, Mapping) else [value or ()]
    return [key for keys in by_version for key in keys]


def _keys(name: str, entry: _Keyed | Single, versions: Sequence[str], faults: Faults) -> dict[str, Keys]:
    at: KeyPath = ("questions", name)
    if entry.key is not None and entry.keys is not None:
        faults.error((*at, "keys"), "there are both `key` and `keys`.", "Keep one of them.")
    given = "keys" if entry.keys is not None else "key"
    value = entry.keys if entry.keys is not None else entry.key
    if value is None:
        _waits(at, f"question {shown(name)} has no `key` yet", entry, faults)
        return {}
    return _by_version(value, (*at, given), versions, faults, nested=isinstance(value, Mapping))


def _waits(at: KeyPath, what: str, entry: _Scored, faults: Faults) -> None:
    """A question without a key is graded later; nobody must overlook that."""
    if entry.void is None:
        faults.warning(at, f"{what}: booklets are read, and their points wait until it is there.")


def _values(
    entry: _Scored, name: str, key: str, value: Any, versions: Sequence[str], faults: Faults
) -> dict[str, Mapping[str, Fraction]]:
    """Points by alternative, by version."""
    at: KeyPath = ("questions", name)
    if value is None:
        _waits(at, f"question {shown(name)} has no `{key}` yet", entry, faults)
        return {}
    return _by_version(value, (*at, key), versions, faults, nested=_is_nested(value))


def _is_nested(values: Mapping[str, Any]) -> bool:
    return all(isinstance(one, Mapping) for one in values.values())


def _by_version(value: Any, keys: KeyPath, versions: Sequence[str], faults: Faults, *, nested: bool) -> dict[str, Any]:
    """A key or point map for every version; one that is given once holds for all of them."""
    if not nested:
        return dict.fromkeys(versions or ("",), value)
    if not versions:
        faults.error(keys, "it is given by version, but the exam has no `versions`.", 'Add versions = ["A", "B"].')
    for version in value:
        if versions and version not in versions:
            hint = near_miss(version, versions) or f"There are {listed(versions)}."
            faults.error((*keys, version), f"unknown version {shown(version)}.", hint)
    lacking = [version for version in versions if version not in value]
    if lacking:
        faults.warning(
            keys,
            f"there is nothing for version {listed(lacking)} yet: booklets are read, and their points wait until it is there.",
        )
    return {version: value[version] for version in versions if version in value}


def _check_limits(
    points: Fraction,
    values: Mapping[str, Mapping[str, Fraction]],
    at: KeyPath,
    faults: Faults,
    *,
    floor: tuple[str, Fraction | None],
    cap: tuple[str, Fraction | None],
    values_key: str = "values",
    more: bool = False,
) -> None:
    """Least and most of a sum fit each other and the points; `more`: marks without a value add something too."""
    (low_key, low), (high_key, high) = floor, cap
    if high is not None and high > points:
        faults.error((*at, high_key), f"`{high_key}` is {_text(high)}, above the question's {_text(points)} points.")
    if high is not None and low is not None and low > high:
        faults.error((*at, low_key), f"`{low_key}` is {_text(low)}, above the {high_key} {_text(high)}.")
    for version, held in values.items():
        most = sum((one for one in held.values() if one > 0), Fraction(0))
        of = f" in version {version}" if version else ""
        if most < points and not more:
            faults.warning(
                (*at, values_key), f"at most {_text(most)} of the question's {_text(points)} points can be earned{of}."
            )
        elif high is None and most > points:
            faults.error(
                (*at, high_key),
                f"the alternatives earn up to {_text(most)}{of}, more than the question's {_text(points)} points.",
                f"Set {high_key} = {_text(points)}.",
            )


def _check_fractions(values: Mapping[str, Mapping[str, Fraction]], at: KeyPath, faults: Faults) -> None:
    for version, held in values.items():
        most = sum((one for one in held.values() if one > 0), Fraction(0))
        of = f" in version {version}" if version else ""
        if most < 1:
            faults.warning(
                (*at, "fractions"), f"the fractions add up to {_text(most)} at most{of}, so nobody can get full points."
            )
        wide = [name for name, one in held.items() if abs(one) > 1]
        if wide:
            faults.error(
                (*at, "fractions"),
                f"the fraction of {listed(wide)} is not between -1 and 1{of}.",
                "Fractions are parts of the points: write 50 % as 0.5.",
            )


# --------------------------------------------------------------------------- versions on paper


def _copies(file: RubricFile, versions: Sequence[str], faults: Faults) -> CopyNumbers | None:
    """Which copies are which version."""
    given = [name for name in ("version_code", "version_copies") if getattr(file, name) is not None]
    if file.version_from != "code":
        for name in given:
            faults.error((name,), f'`{name}` is only for version_from = "code".', "Set that, or take it out.")
        return None
    if len(given) != 1:
        problem = (
            "there are both `version_code` and `version_copies`." if given else "it is not said how a copy tells its version."
        )
        faults.error(
            (given[0],) if given else ("version_from",),
            problem,
            'Add version_code = "{version}-{number}", or version_copies = { A = ["1-100"], B = ["101-200"] }; one of them.',
        )
        return None
    if file.version_code is not None:
        if file.version_code.count("{version}") != 1:
            faults.error(
                ("version_code",), f'`version_code` is {shown(file.version_code)}; it must have "{{version}}" in it, once.'
            )
            return None
        return CopyNumbers(pattern=file.version_code)
    ranges: dict[str, tuple[tuple[int, int], ...]] = {}
    taken: list[tuple[int, int, str]] = []
    for version, written in (file.version_copies or {}).items():
        at: KeyPath = ("version_copies", version)
        if version not in versions:
            faults.error(
                at, f"unknown version {shown(version)}.", near_miss(version, versions) or f"There are {listed(versions)}."
            )
        held = []
        for place, text in enumerate(written):
            match = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", text, re.ASCII)
            first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
            if first > last:
                faults.error((*at, place), f'is {shown(text)}; it must be a number or a range like "1-100".')
                continue
            other = next((one for low, high, one in taken if first <= high and low <= last), None)
            if other is not None:
                faults.error((*at, place), f"{text} has copies in it that are version {shown(other)} already.")
            taken.append((first, last, version))
            held.append((first, last))
        ranges[version] = tuple(held)
    for version in versions:
        if version not in ranges:
            faults.error(
                ("version_copies",), f"there are no copies of version {shown(version)}.", "Give them for every version."
            )
    return CopyNumbers(ranges=ranges)


def _permutations(file: RubricFile, source: Source, versions: Sequence[str], faults: Faults) -> dict[str, Permutation]:
    """A permutation takes every question, and every alternative, to another one and none twice."""
    written = list(child(source.data, "questions") or {})
    found = {}
    for version, entry in file.permutations.items():
        at: KeyPath = ("permutations", version)
        if version not in versions:
            faults.error(
                at, f"unknown version {shown(version)}.", near_miss(version, versions) or f"There are {listed(versions)}."
            )
        for place, name in entry.questions.items():
            for one in (place, name):
                if one not in written:
                    faults.error((*at, "questions", place), f"there is no question {shown(one)}.", near_miss(one, written))
        if sorted(entry.questions) != sorted(entry.questions.values()):
            twice = [one for one in entry.questions.values() if list(entry.questions.values()).count(one) > 1]
            lost = sorted(set(entry.questions) - set(entry.questions.values()))
            what = f"{listed(dict.fromkeys(twice))} stands in two places" if twice else f"{listed(lost)} stands nowhere"
            faults.error(
                (*at, "questions"),
                f"{what} in version {shown(version)}.",
                "Name every question that moves once on either side.",
            )
        for place, boxes in entry.alternatives.items():
            if place not in written:
                faults.error((*at, "alternatives", place), f"there is no question {shown(place)}.", near_miss(place, written))
            if len(set(boxes.values())) < len(boxes):
                faults.error((*at, "alternatives", place), "two boxes are the same alternative.", "Each is another one.")
        found[version] = Permutation(entry.questions, entry.alternatives)
    return found


# --------------------------------------------------------------------------- guessing, rounding and grades


def _guess(file: RubricFile, source: Source, faults: Faults) -> GuessCorrection | None:
    entry = file.guess_correction
    if entry is None:
        return None
    if not 0 <= entry.chance < 1:
        faults.error(("guess_correction", "chance"), f"`chance` is {_text(entry.chance)}; it must be at least 0 and below 1.")
        return None
    written = list(child(source.data, "questions") or {})
    for place, name in enumerate(entry.questions or ()):
        if name not in written:
            faults.error(
                ("guess_correction", "questions", place), f"there is no question {shown(name)}.", near_miss(name, written)
            )
    return GuessCorrection(entry.chance, entry.questions or tuple(written))


def _scale(file: RubricFile, faults: Faults) -> Scale | None:
    entry = file.scale
    if file.round_to is not None and not _is_step(file.round_to):
        faults.error(("round_to",), f"`round_to` is {_text(file.round_to)}; it must be a decimal number above 0, such as 0.5.")
    if entry is None:
        return None
    at: KeyPath = ("scale",)
    if len(entry.points) != len(entry.grades):
        faults.error(
            (*at, "grades"), f"there are {len(entry.grades)} grades and {len(entry.points)} points.", "Give as many of each."
        )
    if any(after <= before for before, after in pairwise(entry.points)):
        faults.error((*at, "points"), "the points do not rise.", "Begin with the least.")
    if entry.kind == "line":
        words = [one for one in entry.grades if not _NUMBER.fullmatch(str(one))]
        if words:
            faults.error(
                (*at, "grades"), f"{shown(words[0])} is no number, and grades on a line are numbers.", 'Use kind = "steps".'
            )
        if not _is_step(entry.round_to):
            faults.error(
                (*at, "round_to"), f"`round_to` is {_text(entry.round_to)}; it must be a decimal number above 0, such as 0.1."
            )
    elif "round_to" in entry.model_fields_set:
        faults.error((*at, "round_to"), "grades in steps are not rounded.", 'Take `round_to` out, or use kind = "line".')
    return Scale(entry.points, tuple(str(one) for one in entry.grades), entry.kind == "line", entry.round_to)


def _is_step(step: Fraction) -> bool:
    """Whether multiples of it can be written as decimal numbers."""
    return step > 0 and 10**15 % step.denominator == 0


# --------------------------------------------------------------------------- parts and sums


def _check_parts(file: RubricFile, source: Source, places: Sequence[int], faults: Faults) -> None:
    """Parts name questions that exist, each in one part, and their points are the sum of their questions' points."""
    written = list(child(source.data, "questions") or {})  # those with faults are named all the same
    owner: dict[str, str] = {}
    seen: set[str] = set()
    for place, part in zip(places, file.parts, strict=True):
        at: KeyPath = ("parts", place)
        if part.id in seen:
            faults.error((*at, "id"), f"there is a part {shown(part.id)} already.", "Give every part its own id.")
        seen.add(part.id)
        for number, name in enumerate(part.questions):
            if name not in written:
                faults.error((*at, "questions", number), f"there is no question {shown(name)}.", near_miss(name, written))
            if name in owner:
                faults.error((*at, "questions", number), f"question {shown(name)} is in part {shown(owner[name])} already.")
            owner.setdefault(name, part.id)
        if all(name in file.questions for name in part.questions):
            got = _sum(file.questions[name].points for name in part.questions if not file.questions[name].bonus)
            if got != part.points:
                faults.error(
                    (*at, "points"),
                    f"`points` is {_text(part.points)}, but its questions add up to {_text(got)}.",
                    "Correct the part or its questions.",
                )
    left = [name for name in file.questions if name not in owner]
    if file.parts and left:
        faults.warning(("parts",), f"no part has {_named(left)}.")


def _check_sums(file: RubricFile, faults: Faults) -> None:
    got = _sum(entry.points for entry in file.questions.values() if not entry.bonus)
    if file.cap is not None and file.floor is not None and file.floor > file.cap:
        faults.error(("floor",), f"`floor` is {_text(file.floor)}, above the cap {_text(file.cap)}.")
    if got != file.total:
        faults.error(
            ("total",), f"`total` is {_text(file.total)}, but the questions add up to {_text(got)}.", "Correct one of them."
        )
    if file.floor is not None and file.floor > file.total:
        faults.error(("floor",), f"`floor` is {_text(file.floor)}, above the total {_text(file.total)}.")


def _named(questions: Sequence[str]) -> str:
    return f"question{'s' if len(questions) > 1 else ''} {listed(questions)}"


def _sum(points: Iterable[Fraction]) -> Fraction:
    return sum(points, Fraction(0))


def _text(points: Fraction) -> str:
    """A number as people write it: decimals where they are exact, else a fraction."""
    scaled = points * 10**6
    if scaled.denominator != 1:
        return str(points)
    return f"{Decimal(int(scaled)).scaleb(-6).normalize():f}"
