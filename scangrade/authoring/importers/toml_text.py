"""Definitions as TOML that people like to read and change. Python reads TOML but does not write it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

_LINE = 128  # characters; a longer list is written over several lines


def as_toml(data: Mapping[str, Any], comments: Iterable[str] = ()) -> str:
    """A definition as TOML.

    Parameters
    ----------
    data
        Texts, numbers, truth values, lists and tables. Lists of tables become ``[[sections]]`` at the top, and braces deeper down.
    comments
        Lines at the top of the file, without ``#``.
    """
    lines = [f"# {line}".rstrip() for line in comments]
    plain = {key: value for key, value in data.items() if not _is_section(value)}
    if lines:
        lines.append("")
    lines += _assignments(plain)
    for key, value in data.items():
        if key in plain:
            continue
        for header, table in _sections(key, value):
            lines += ["", header, *_assignments(table)]
    return "\n".join(lines) + "\n"


def _is_section(value: Any) -> bool:
    if isinstance(value, Mapping):
        return True
    return isinstance(value, Sequence) and not isinstance(value, str) and bool(value) and isinstance(value[0], Mapping)


def _sections(key: str, value: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if not isinstance(value, Mapping):
        yield from ((f"[[{_key(key)}]]", one) for one in value)
    elif value and all(isinstance(one, Mapping) for one in value.values()):
        yield from ((f"[{_key(key)}.{_key(name)}]", one) for name, one in value.items())
    else:
        yield f"[{_key(key)}]", value


def _assignments(table: Mapping[str, Any]) -> list[str]:
    return [line for key, value in table.items() for line in _assignment(key, value)]


def _assignment(key: str, value: Any) -> list[str]:
    line = f"{_key(key)} = {_value(value)}"
    if len(line) > _LINE and isinstance(value, Mapping) and all(isinstance(one, Mapping) for one in value.values()):
        return [f"{_key(key)}.{_key(name)} = {_value(one)}" for name, one in value.items()]
    if len(line) <= _LINE or not isinstance(value, list | tuple):
        return [line]
    rows: list[str] = []
    for one in value:
        text = _value(one) + ","
        if rows and not isinstance(one, Mapping) and len(rows[-1]) + len(text) < _LINE:
            rows[-1] += f" {text}"
        else:
            rows.append(f"    {text}")
    return [f"{_key(key)} = [", *rows, "]"]


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name, re.ASCII) else _text(name)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, int | float):
        return f"{value:.10g}" if isinstance(value, float) else str(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {_value(one)}" for key, one in value.items()) + " }"
    return "[" + ", ".join(_value(one) for one in value) + "]"


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # a basic string of TOML escapes as JSON does
