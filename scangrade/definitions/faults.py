"""What is wrong with a definition, in people's words.

The shape of a file is described by pydantic models. Pydantic finds every fault of shape at once, but speaks to programmers;
here its findings become Issues with file, line, key, the value seen, the values allowed and the near miss. Then the faulty
pieces are taken out and the rest is given back, so that checks of meaning can go on and report in the same go.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from scangrade.definitions.source import KeyPath, Source, child
from scangrade.errors import Issue, Severity, near_miss

_SHOWN = 60  # characters of a value that a message repeats


class Entry(BaseModel):
    """A table of a definition: no key that is not known, nothing changed once read."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, defer_build=True)


M = TypeVar("M", bound=Entry)


class Faults:
    """Collects the faults of one file while it is checked."""

    def __init__(self, source: Source) -> None:
        self.issues: list[Issue] = []
        self._source = source

    def error(self, keys: KeyPath, message: str, advice: str = "") -> None:
        """The file cannot be used like this."""
        self.issues.append(Issue(Severity.ERROR, self._source.where(keys), message, advice))

    def warning(self, keys: KeyPath, message: str, advice: str = "") -> None:
        """The file can be used, but somebody should know."""
        self.issues.append(Issue(Severity.WARNING, self._source.where(keys), message, advice))

    def where(self, keys: KeyPath) -> str:
        """File, line and key of a value, for messages that name a second place."""
        return self._source.where(keys)

    @property
    def fatal(self) -> bool:
        """Whether an error is among them."""
        return any(issue.severity is Severity.ERROR for issue in self.issues)


@dataclass(frozen=True, slots=True)
class Shaped(Generic[M]):
    """A file as far as its shape is right."""

    model: M | None  #: without the pieces that are faulty; None where nothing sensible is left
    places: Mapping[str, tuple[int, ...]]  #: by list: the place in the file of each entry that is left
    complete: bool  #: nothing had to be taken out


def shape(
    model: type[M],
    source: Source,
    faults: Faults,
    *,
    schema: Mapping[str, Any],
    pieces: Sequence[str],
    stand_ins: Mapping[str, Any],
) -> Shaped[M]:
    """Hold a file against its model, report every fault, and give back what is left without the faulty pieces.

    Parameters
    ----------
    schema
        JSON Schema of `model`: the keys known at each place, for near misses.
    pieces
        Top-level lists and tables of which single entries can be left out; any other faulty key is left out whole.
    stand_ins
        For keys that a file must have and that no further check depends on: what to go on with where they are faulty.
    """
    try:
        return Shaped(model.model_validate(source.data), _places(source.data, pieces, set()), complete=True)
    except ValidationError as error:
        found = error.errors(include_url=False)
    paths = [_key_path(one["loc"], source.data) for one in found]
    meant: set[KeyPath] = set()
    for one, path in zip(found, paths, strict=True):
        if one["type"] == "extra_forbidden":
            meant.add(_unknown_key(path, faults, schema, source.data))
    for one, path in zip(found, paths, strict=True):
        if one["type"] != "extra_forbidden" and not (one["type"] == "missing" and path in meant):
            _tell(one, path, faults, schema, source.data)
    dropped = {_piece(one, path, pieces) for one, path in zip(found, paths, strict=True)}
    try:
        rest = model.model_validate({**stand_ins, **source.without(dropped).data})
    except ValidationError:
        rest = None
    return Shaped(rest, _places(source.data, pieces, dropped), complete=False)


def shown(value: Any) -> str:
    """A value as the file would hold it, cut short."""
    if isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, str):
        text = f'"{value}"'
    elif isinstance(value, Mapping):
        text = "{ " + ", ".join(f"{key} = {shown(one)}" for key, one in value.items()) + " }"
    elif isinstance(value, list | tuple):
        text = "[" + ", ".join(shown(one) for one in value) + "]"
    elif isinstance(value, Decimal | int | float):
        text = str(value)
    else:
        text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def listed(words: Iterable[str]) -> str:
    """Words one after the other: 'A, B and C'."""
    items = list(words)
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1] if items else "none"


# --------------------------------------------------------------------------- from pydantic's findings to ours

_WANTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "string_type": "text in quotes",
    "bool_type": "true or false",
    "list_type": "a list [...]",
    "tuple_type": "a list [...]",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}

_LIMITS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}


def _unknown_key(path: KeyPath, faults: Faults, schema: Mapping[str, Any], data: Mapping[str, Any]) -> KeyPath:
    """Report a key that nobody knows; gives the path of the key that was probably meant."""
    key = str(path[-1])
    known = _known(schema, path[:-1], data)
    hint = near_miss(key, [name for name in known if name not in _at(data, path[:-1])])
    faults.error(path, f"unknown key `{key}`.", hint or (f"Keys that may stand here: {', '.join(known)}." if known else ""))
    return (*path[:-1], hint.split("`")[1]) if hint else path


def _tell(one: Mapping[str, Any], path: KeyPath, faults: Faults, schema: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    """Report any other finding."""
    kind, context, value = str(one["type"]), one.get("ctx", {}), one.get("input")
    name = str(path[-1]) if path and isinstance(path[-1], str) else "the entry"
    label = f"`{name}`" if name != "the entry" else name
    if kind == "missing" and path and isinstance(path[-1], int):
        faults.error(path[:-1], f"{shown(_at(data, path[:-1]))} has too few entries.")
    elif kind == "missing":
        meaning = _known(schema, path[:-1], data).get(name, "")
        faults.error(path, f"{label} is missing.", f"Add it: {meaning}" if meaning else "")
    elif kind == "union_tag_not_found":
        tag = str(context["discriminator"]).strip("'")
        faults.error(path, f"`{tag}` is missing.", f"Add it: {_choices(_tags(schema, path, data))}.")
    elif kind == "union_tag_invalid":
        tag = str(context["discriminator"]).strip("'")
        _not_one_of((*path, tag), tag, str(context["tag"]), _tags(schema, path, data), faults)
    elif kind in ("literal_error", "enum"):
        quoted = re.findall(r"'([^']*)'", str(context["expected"]))
        if quoted:
            _not_one_of(path, name, value, quoted, faults)
        else:
            faults.error(path, f"{label} is {shown(value)}; it must be {context['expected']}.")
    elif kind in _LIMITS:
        words, limit = _LIMITS[kind]
        faults.error(path, f"{label} is {shown(value)}; it must be {words} {context[limit]:g}.")
    elif kind == "too_short":
        if len(value or ()) < context["min_length"]:  # else it counts faulty entries out, which are reported by themselves
            faults.error(path, f"{label} has {_count(len(value or ()))}; it needs at least {context['min_length']}.")
    elif kind == "too_long":
        faults.error(path, f"{label} has {_count(len(value or ()))}; it may have at most {context['max_length']}.")
    elif kind == "string_too_short":
        faults.error(path, f"{label} is empty; it must say something.")
    elif kind == "value_error":
        faults.error(path, f"{label} {context['error']}")
    else:
        faults.error(path, f"{label} is {shown(value)}; it must be {_WANTED.get(kind, str(one['msg']))}.")


def _not_one_of(path: KeyPath, name: str, value: Any, allowed: Sequence[str], faults: Faults) -> None:
    hint = near_miss(value, allowed) if isinstance(value, str) else ""
    faults.error(path, f"`{name}` is {shown(value)}; it must be {_choices(allowed)}.", hint)


def _choices(words: Sequence[str]) -> str:
    quoted = [f'"{word}"' for word in words]
    return quoted[0] if len(quoted) == 1 else ", ".join(quoted[:-1]) + " or " + quoted[-1]


def _count(number: int) -> str:
    return "1 entry" if number == 1 else f"{number} entries"


def _key_path(loc: Sequence[str | int], data: Mapping[str, Any]) -> KeyPath:
    """Pydantic puts the kind of a table into the way to its keys; the file has no such step."""
    path: KeyPath = ()
    node: Any = data
    fresh = False  # just arrived at a table whose kind may come next
    for part in loc:
        if part == "[key]":  # pydantic's word for a fault of the key itself
            continue
        if fresh and isinstance(node, Mapping) and part in (node.get("kind"), node.get("policy")):
            fresh = False
            continue
        path, node, fresh = (*path, part), child(node, part), True
    return path


def _at(data: Mapping[str, Any], path: KeyPath) -> Any:
    """What stands at a path; an empty table where nothing does."""
    node: Any = data
    for part in path:
        node = child(node, part)
    return {} if node is None else node


# --------------------------------------------------------------------------- what is known at a place


def _node(schema: Mapping[str, Any], path: KeyPath, data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of the schema that describes a place of the file; a kind is chosen as the file says."""
    node: Mapping[str, Any] = _resolved(schema, schema, data)
    here: Any = data
    for part in path:
        here = child(here, part)
        below = (
            node.get("items")
            if isinstance(part, int)
            else node.get("properties", {}).get(part, node.get("additionalProperties"))
        )
        if not isinstance(below, Mapping):
            return {}
        node = _resolved(schema, below, here)
    return node


def _resolved(schema: Mapping[str, Any], node: Mapping[str, Any], here: Any) -> Mapping[str, Any]:
    """Follow references, the kind that the file says, and the table among the forms that a value may have."""
    if "$ref" in node:
        return _resolved(schema, schema["$defs"][str(node["$ref"]).rsplit("/", 1)[-1]], here)
    if "discriminator" in node:
        rule = node["discriminator"]
        kind = here.get(rule["propertyName"]) if isinstance(here, Mapping) else None
        target = rule["mapping"].get(kind) if isinstance(kind, str) else None
        return _resolved(schema, {"$ref": target}, here) if target else node
    for form in node.get("anyOf", ()):
        inner = _resolved(schema, form, here)
        if "properties" in inner or "items" in inner or "discriminator" in inner:
            return inner
    return node


def _known(schema: Mapping[str, Any], path: KeyPath, data: Mapping[str, Any]) -> dict[str, str]:
    """Keys that may stand at a place, with their meaning."""
    properties = _node(schema, path, data).get("properties", {})
    return {name: str(one.get("description", "")).replace("\n", " ") for name, one in properties.items()}


def _tags(schema: Mapping[str, Any], path: KeyPath, data: Mapping[str, Any]) -> list[str]:
    """Kinds that a table may be of."""
    rule = _node(schema, path, data).get("discriminator", {})
    return list(rule.get("mapping", {}))


# --------------------------------------------------------------------------- what is left


def _piece(one: Mapping[str, Any], path: KeyPath, pieces: Sequence[str]) -> KeyPath:
    """What must be taken out because of a finding."""
    if one["type"] == "extra_forbidden":
        return path
    return path[:2] if path and path[0] in pieces else path[:1]


def _places(data: Mapping[str, Any], pieces: Sequence[str], dropped: set[KeyPath]) -> dict[str, tuple[int, ...]]:
    lists = {name: data[name] for name in pieces if isinstance(data.get(name), list)}
    return {
        name: tuple(place for place in range(len(entries)) if (name, place) not in dropped) for name, entries in lists.items()
    }
