"""Files that people write (TOML) and programs write (JSON): reading them, and telling where in them a fault lies.

A parser gives the data and forgets the lines. A lecturer needs the line. So the text, once its parser has accepted it, is
walked a second time by a scanner that knows just enough of both grammars to note on which line every key and every list entry begins.
Numbers with a decimal point come out as `Decimal`: -1.67 points are exactly that.
"""

from __future__ import annotations

import json
import re
import tomllib
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from scangrade.errors import Issue, Severity

#: Way from the root of a file to a value: keys of tables, and places in lists counted from 0.
KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """A file that was read: its data, and where everything stands."""

    name: str  #: the file as the user named it
    data: Mapping[str, Any]
    lines: Mapping[KeyPath, int] = field(default_factory=dict)

    def where(self, keys: KeyPath = ()) -> str:
        """File, line and key of a value: 'midterm.toml:12, questions.1a.key'; the nearest line above where it has none."""
        known = keys
        while known and known not in self.lines:
            known = known[:-1]
        place = f"{self.name}:{self.lines[known]}" if known in self.lines else self.name
        label = self._label(keys)
        return f"{place}, {label}" if label else place

    def without(self, dropped: Collection[KeyPath]) -> Source:
        """The same file, some of its tables or list entries left out."""

        def rebuilt(node: Any, path: KeyPath) -> Any:
            if isinstance(node, Mapping):
                return {key: rebuilt(one, (*path, key)) for key, one in node.items() if (*path, key) not in dropped}
            if isinstance(node, list):
                return [rebuilt(one, (*path, place)) for place, one in enumerate(node) if (*path, place) not in dropped]
            return node

        return replace(self, data=rebuilt(self.data, ()))

    def _label(self, keys: KeyPath) -> str:
        """Keys with dots between them; a list entry by its own id where it has one, else by its number counted from 1."""
        label, node = "", self.data
        for key in keys:
            node = child(node, key)
            if isinstance(key, str):
                label += f".{key}" if label else key
            elif isinstance(node, Mapping) and isinstance(node.get("id"), str):
                label += f".{node['id']}"
            else:
                label += f"[{key + 1}]"
        return label


def read_source(path: Path) -> Source | Issue:
    """Read a definition: JSON where the name ends in .json, else TOML.

    Parameters
    ----------
    path : Path
        UTF-8, with or without byte order mark.

    Returns
    -------
    Source, or the Issue that says why the file cannot be used: missing, not UTF-8, or a fault of syntax with its line.
    """
    name = str(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        return Issue(
            Severity.ERROR, name, f"cannot be read: {error.strerror or error}.", "Check the path and its permissions."
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return Issue(
            Severity.ERROR,
            f"{name}:{line}",
            f"is not UTF-8 text (byte 0x{raw[error.start]:02x}).",
            "Save the file with the encoding UTF-8.",
        )
    is_json = path.suffix.lower() == ".json"
    try:
        source = _json_source(name, text) if is_json else _toml_source(name, text)
        broken = next(_halves(source.data, ()), None)
        if broken is None:
            return source
        return Issue(
            Severity.ERROR,
            source.where(broken),
            "holds half of a character (a single `\\ud800` to `\\udfff`), which is none.",
            "Write the character itself.",
        )
    except json.JSONDecodeError as error:
        return Issue(Severity.ERROR, f"{name}:{error.lineno}", f"is not valid JSON: {error.msg}.")
    except RecursionError:
        return Issue(Severity.ERROR, name, "has tables or lists nested too deep to be read.", "Write it with fewer levels.")
    except ValueError as error:  # tomllib.TOMLDecodeError is one; so is a number of thousands of digits
        return _syntax_issue(name, str(error), "JSON" if is_json else "TOML")


def _toml_source(name: str, text: str) -> Source:
    return Source(name, tomllib.loads(text, parse_float=Decimal), _toml_lines(text))


def _json_source(name: str, text: str) -> Source:
    data = json.loads(text, parse_float=Decimal, parse_constant=Decimal, object_pairs_hook=_unique_keys)
    if not isinstance(data, dict):
        raise ValueError("the file must hold one object { ... }")
    return Source(name, data, _json_lines(text))


def _halves(node: Any, path: KeyPath) -> Iterator[KeyPath]:
    """Places of texts with one half of a surrogate pair: JSON lets them through, and no file or data base can hold them."""
    if isinstance(node, str):
        if _HALF.search(node):
            yield path
    elif isinstance(node, Mapping):
        for key, value in node.items():
            if _HALF.search(key):
                yield path
            yield from _halves(value, (*path, key))
    elif isinstance(node, list):
        for place, value in enumerate(node):
            yield from _halves(value, (*path, place))


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON lets a later key silently replace an earlier one; a definition must not."""
    table = dict(pairs)
    if len(table) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key `{twice}` is given twice")
    return table


def _syntax_issue(name: str, message: str, language: str) -> Issue:
    """Fault of syntax; the parser says the line at the end of its message."""
    place = re.search(r" \(at line (\d+), column (\d+)\)$", message)
    if place is None:
        return Issue(Severity.ERROR, name, f"is not valid {language}: {message}.")
    return Issue(
        Severity.ERROR,
        f"{name}:{place[1]}",
        f"is not valid {language} at column {place[2]}: {message[: place.start()]}.",
    )


def child(node: Any, key: str | int) -> Any:
    """The value one step down, None where there is none."""
    if isinstance(node, Mapping):
        return node.get(key)
    if isinstance(node, list) and isinstance(key, int) and key < len(node):
        return node[key]
    return None


def _toml_lines(text: str) -> dict[KeyPath, int]:
    scanner = _Scanner(text, assigns="=", decode=lambda quoted: str(tomllib.loads(f"k = {quoted}")["k"]))
    entries: dict[KeyPath, int] = {}  # array of tables -> place of its latest entry

    def resolve(keys: KeyPath) -> KeyPath:
        path: KeyPath = ()
        for key in keys:
            path += (key,)
            if path in entries:
                path += (entries[path],)
        return path

    table: KeyPath = ()
    while scanner.skip_blank():
        line = scanner.line
        if scanner.take("[["):
            keys = scanner.keys()
            scanner.take("]]")
            array = (*resolve(keys[:-1]), keys[-1])
            entries[array] = entries.get(array, -1) + 1
            table = (*array, entries[array])
            scanner.note(table, line)
        elif scanner.take("["):
            table = resolve(scanner.keys())
            scanner.take("]")
            scanner.note(table, line)
        else:
            scanner.pair(table)
    return scanner.lines


def _json_lines(text: str) -> dict[KeyPath, int]:
    scanner = _Scanner(text, assigns=":", decode=lambda quoted: str(json.loads(quoted)))
    scanner.value(())
    return scanner.lines


_HALF = re.compile("[\ud800-\udfff]")
_BLANK = re.compile(r"(?:[\s,]|#[^\n]*)*")  # commas too: between entries they say nothing that the brackets do not
_STRING = re.compile(r'"""(?:\\.|[^\\])*?"""(?!")|\'\'\'.*?\'\'\'(?!\')|"(?:\\.|[^"\\])*"|\'[^\']*\'', re.DOTALL)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}#\n]+")


class _Scanner:
    """Walks a text that its parser has accepted, and notes the line on which each key and list entry begins."""

    def __init__(self, text: str, *, assigns: str, decode: Callable[[str], str]) -> None:
        self.lines: dict[KeyPath, int] = {}
        self._text = text
        self._at = 0
        self._assigns = assigns
        self._decode = decode
        self._line_ends = [match.start() for match in re.finditer("\n", text)]

    @property
    def line(self) -> int:
        """Line of the next character, from 1."""
        return bisect_right(self._line_ends, self._at - 1) + 1

    def note(self, keys: KeyPath, line: int) -> None:
        """Note a line for a path, and for the tables above it that were never named on their own."""
        for depth in range(1, len(keys) + 1):
            self.lines.setdefault(keys[:depth], line)

    def skip_blank(self) -> bool:
        """Go to the next thing that says something; False at the end of the text."""
        match = _BLANK.match(self._text, self._at)
        self._at = match.end() if match else self._at
        return self._at < len(self._text)

    def take(self, mark: str) -> bool:
        """Step over this mark if it comes next."""
        self.skip_blank()
        if not self._text.startswith(mark, self._at):
            return False
        self._at += len(mark)
        return True

    def keys(self) -> KeyPath:
        """A key, or several with dots between them."""
        found: list[str] = []
        while True:
            self.skip_blank()
            if quoted := self._match(_STRING):
                found.append(self._decode(quoted))
            else:
                found.append(self._match(_BARE_KEY))
            if not self.take("."):
                return tuple(found)

    def pair(self, table: KeyPath) -> None:
        """A key and its value."""
        self.skip_blank()
        line = self.line
        path = table + self.keys()
        self.note(path, line)
        self.take(self._assigns)
        self.value(path)

    def value(self, path: KeyPath) -> None:
        """A value with all that is in it."""
        self.skip_blank()
        self.note(path, self.line)
        if self.take("["):
            place = 0
            while not self.take("]"):
                self.value((*path, place))
                place += 1
        elif self.take("{"):
            while not self.take("}"):
                self.pair(path)
        elif not self._match(_STRING):
            self._match(_SCALAR)

    def _match(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            return ""
        self._at = match.end()
        return match[0]
