"""Rubrics: the file that holds keys, points and policies, and how it becomes a `scangrade.model.Rubric`.

Points are taken exactly as written: 1.67 is 167/100, "4/3" is 4/3. What a reader could guess differently must be said: the floor
and the cap of points per alternative, what several marks in a single choice question earn. Everything wrong is reported in one go.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, PlainValidator, StrictInt, StrictStr
from pydantic import Field as Spec

from scangrade.definitions.faults import Entry, Faults, listed, shape, shown
from scangrade.definitions.source import KeyPath, Source, child, read_source
from scangrade.errors import Issue, near_miss
from scangrade.model import Keys, Part, Policy, Question, Rubric

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


class AllOrNothing(_Scored):
    """Full points where exactly the right boxes are marked, else 0."""

    policy: Literal["all-or-nothing"]
    """Full points where exactly the right boxes are marked, else 0."""
    key: Key | None = None
    """Right alternatives: a list ([] where none is right), or a list by version."""
    keys: SeveralKeys | None = None
    """Instead of key, where either of several lists is right: a list of lists, or that by version."""


class Single(_Scored):
    """One alternative is right."""

    policy: Literal["single"]
    """One alternative is right."""
    key: SingleKey | None = None
    """The right alternative, or that by version."""
    keys: SingleKeys | None = None
    """Instead of key, where either of several alternatives is right: a list, or a list by version."""
    wrong: Points = Fraction(0)
    """Points of a wrong answer; default 0."""
    blank: Points = Fraction(0)
    """Points of no answer; default 0."""
    multiple: Annotated[Fraction | None, _exact_or("ask")] = None
    """Points of more than one mark, or "ask" (the default): a person decides."""


class PerAlternative(_Scored):
    """The sum of the points of the marked alternatives, between a floor and a cap."""

    policy: Literal["per-alternative"]
    """The sum of the points of the marked alternatives, between a floor and a cap."""
    values: PointMap
    """Points by alternative, as written in the scheme; or that by version."""
    floor: OrNone
    """Least points of the question, or "none"."""
    cap: OrNone
    """Most points that the sum can earn, commonly the question's points; or "none"."""


class Credit(_Scored):
    """Points marked by the grader in a credit column."""

    policy: Literal["credit"]
    """Points marked by the grader in a credit column."""


class Open(_Scored):
    """Points that a person gives outside of the boxes."""

    policy: Literal["open"]
    """Points that a person gives outside of the boxes."""


QuestionEntry = Annotated[AllOrNothing | Single | PerAlternative | Credit | Open, Discriminator("policy")]


class PartEntry(Entry):
    """Questions whose points are summed under a title."""

    id: Name
    """The part's id."""
    title: StrictStr = ""
    """The part's title."""
    points: Points
    """Sum of the points of its questions."""
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
    """Most points of the exam; must be the sum of its questions."""
    floor: OrNone = None
    """Least points of the exam, or "none" (the default)."""
    places: Annotated[StrictInt, Spec(ge=0, le=6)] = 2
    """Decimals of points in files; rounded half up."""
    versions: Annotated[tuple[Name, ...], Spec(min_length=1)] | None = None
    """Versions of the exam, where there are several."""
    version_from: StrictStr | None = None
    """With versions, where a booklet's version comes from: "mark", "roster", or the version that all have."""
    parts: tuple[PartEntry, ...] = ()
    """Parts of the exam."""
    questions: Annotated[dict[Name, QuestionEntry], Spec(min_length=1)]
    """Questions by id, in the order of the gradebook's columns."""


_PIECES = ("parts", "questions")
_STAND_INS = {"format": 1, "name": "rubric", "total": 0}
_SOURCES = ("mark", "roster")


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
        total=file.total,
        floor=file.floor,
        places=file.places,
    )
    return (None if faults.fatal else rubric), tuple(faults.issues)


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
        faults.error(("version_from",), "`version_from` is missing.", 'Add "mark", "roster", or the version of all booklets.')
    elif file.version_from is not None and file.version_from not in (*_SOURCES, *versions):
        allowed = ", ".join(f'"{one}"' for one in (*_SOURCES, *versions))
        hint = near_miss(file.version_from, (*_SOURCES, *versions))
        faults.error(("version_from",), f"`version_from` is {shown(file.version_from)}; it must be one of {allowed}.", hint)
    return tuple(dict.fromkeys(versions))


def _question(name: str, entry: QuestionEntry, versions: Sequence[str], faults: Faults) -> Question:
    at: KeyPath = ("questions", name)
    if entry.points < 0:
        faults.error((*at, "points"), f"`points` is {_text(entry.points)}; it must be at least 0.")
    policy = Policy(entry.policy)
    if isinstance(entry, AllOrNothing):
        return Question(name, policy, entry.points, keys=_keys(name, entry, versions, faults))
    if isinstance(entry, Single):
        for key, points in (("wrong", entry.wrong), ("blank", entry.blank), ("multiple", entry.multiple)):
            if points is not None and points > entry.points:
                faults.error(
                    (*at, key), f"`{key}` earns {_text(points)}, more than the question's {_text(entry.points)} points."
                )
        keys = _keys(name, entry, versions, faults)
        return Question(name, policy, entry.points, keys=keys, wrong=entry.wrong, blank=entry.blank, multiple=entry.multiple)
    if isinstance(entry, PerAlternative):
        values = _by_version(entry.values, (*at, "values"), versions, faults, nested=_is_nested(entry.values))
        _check_limits(entry, values, at, faults)
        return Question(name, policy, entry.points, values=values, floor=entry.floor, cap=entry.cap)
    return Question(name, policy, entry.points)


def _keys(name: str, entry: AllOrNothing | Single, versions: Sequence[str], faults: Faults) -> dict[str, Keys]:
    at: KeyPath = ("questions", name)
    if entry.key is not None and entry.keys is not None:
        faults.error((*at, "keys"), "there are both `key` and `keys`.", "Keep one of them.")
    given = "keys" if entry.keys is not None else "key"
    value = entry.keys if entry.keys is not None else entry.key
    if value is None:
        faults.error(at, f"question {shown(name)} has no key.", "Add `key`, or give it the policy open until there is one.")
        return {}
    return _by_version(value, (*at, given), versions, faults, nested=isinstance(value, Mapping))


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
        faults.error(keys, f"there is nothing for version {listed(lacking)}.", "Give one for every version.")
    return {version: value[version] for version in versions if version in value}


def _check_limits(entry: PerAlternative, values: Mapping[str, Mapping[str, Fraction]], at: KeyPath, faults: Faults) -> None:
    if entry.cap is not None and entry.cap > entry.points:
        faults.error((*at, "cap"), f"`cap` is {_text(entry.cap)}, above the question's {_text(entry.points)} points.")
    if entry.cap is not None and entry.floor is not None and entry.floor > entry.cap:
        faults.error((*at, "floor"), f"`floor` is {_text(entry.floor)}, above the cap {_text(entry.cap)}.")
    for version, points in values.items():
        most = sum((one for one in points.values() if one > 0), Fraction(0))
        of = f" in version {version}" if version else ""
        if most < entry.points:
            faults.warning(
                (*at, "values"), f"at most {_text(most)} of the question's {_text(entry.points)} points can be earned{of}."
            )
        elif entry.cap is None and most > entry.points:
            faults.error(
                (*at, "cap"),
                f"the alternatives earn up to {_text(most)}{of}, more than the question's {_text(entry.points)} points.",
                f"Set cap = {_text(entry.points)}.",
            )


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
            got = _sum(file.questions[name].points for name in part.questions)
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
    got = _sum(entry.points for entry in file.questions.values())
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
