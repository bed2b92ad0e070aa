"""auto-multiple-choice: the `.xy` file that LaTeX writes beside the subject, from which AMC makes its `layout.sqlite`.

Written after the macros that write it: a line per page with its size, then a line for each corner of everything that AMC has to find
on it, in TeX's units from the page's lower left corner. Read into the rows that the data base would hold.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

DPI: Final = 300.0  # of the pixels that rows are in, as AMC has them

_PER_INCH: Final = {"in": 1.0, "cm": 2.54, "mm": 25.4, "pt": 72.27, "bp": 72.0, "sp": 65536 * 72.27}
_FURTHEST_IN: Final = 100.0  # A0 is half of that
_LENGTH = re.compile(r"([+-]?\d*\.?\d*)([a-z]+)")
_PAGE = re.compile(r"\\page\{(\d+)/(\d+)/(\d+)\}\{([^}]*)\}\{([^}]*)\}(?:\{([^}]*)\}\{([^}]*)\})?")
_CORNER = re.compile(r"\\tracepos\{(?:\d+/\d+:)?(.+?)\}\{([^}]*)\}\{([^}]*)\}(?:\{([a-z]*)\})?")
_CHARACTER = re.compile(r"\\boxchar\{(?:\d+/\d+:)?(.+?)\}\{(.*)\}")
_QUESTION = re.compile(r"\\question\{(\d+)\}\{(.*)\}")
_NOT_SCANNED = re.compile(r"\\dontscan\{(\d+),(\d+)\}")
_BOX = re.compile(r"case:(.*):(\d+),(-?\d+)")
_DIGIT = re.compile(r"chiffre:(\d+),(\d+)")
_MARKS: Final = ("positionHG", "positionHD", "positionBD", "positionBG")


@dataclass(slots=True)
class _Thing:
    """Something on a page, by its corners in inches from the lower left."""

    xs: list[float] = field(default_factory=list)
    ys: list[float] = field(default_factory=list)
    oval: bool = False
    printed: str = ""


@dataclass(slots=True)
class XyPage:
    """A page: its row, and what is on it. Pixels from its upper left corner."""

    student: int
    page: int
    row: Mapping[str, Any]
    marks: tuple[tuple[float, float], ...] = ()
    digits: tuple[Mapping[str, Any], ...] = ()
    boxes: tuple[Mapping[str, Any], ...] = ()  #: question, answer, xmin, xmax, ymin, ymax, oval, char


@dataclass(frozen=True, slots=True)
class XyFile:
    """What a `.xy` file says."""

    pages: tuple[XyPage, ...]
    names: Mapping[int, str]  #: of questions


def is_xy(text: str) -> bool:
    """Whether a text is such a file."""
    return _PAGE.search(text) is not None and "\\tracepos{" in text


def read_xy(path: Path) -> XyFile:
    """Read a `.xy` file.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If a length in it is none; the message has the line.
    """
    names: dict[int, str] = {}
    hidden: set[tuple[int, int]] = set()
    found: list[tuple[re.Match[str], dict[str, _Thing]]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        if match := _PAGE.match(line):
            found.append((match, defaultdict(_Thing)))
        elif match := _QUESTION.match(line):
            names[int(match[1])] = match[2]
        elif match := _NOT_SCANNED.match(line):
            hidden.add((int(match[1]), int(match[2])))
        elif found and (match := _CORNER.match(line)):
            thing = found[-1][1][match[1]]
            for held, length in ((thing.xs, match[2]), (thing.ys, match[3])):
                value = _inches(length, number)
                if value:  # LaTeX writes 0 where it does not know yet
                    held.append(value)
            thing.oval = thing.oval or match[4] == "oval"
        elif found and (match := _CHARACTER.match(line)):
            found[-1][1][match[1]].printed = match[2]
    pages = []
    for match, things in found:
        page = _page(match, things, hidden)
        pages.append(page)
        for name in things:
            box = _BOX.fullmatch(name)
            if box and box[1]:
                names.setdefault(int(box[2]), box[1])
    return XyFile(tuple(pages), names)


def _inches(text: str, line: int) -> float:
    match = _LENGTH.fullmatch(text.strip())
    if not match or match[2] not in _PER_INCH or not re.search(r"\d", match[1]):
        raise ValueError(f"line {line}: {text!r} is no length")
    inches = float(match[1]) / _PER_INCH[match[2]]
    if abs(inches) > _FURTHEST_IN:
        raise ValueError(f"line {line}: {text!r} is farther than any page goes")
    return inches


def _page(match: re.Match[str], things: Mapping[str, _Thing], hidden: set[tuple[int, int]]) -> XyPage:
    student, page = int(match[1]), int(match[2])
    width, height = (_inches(match[place], 0) for place in (4, 5))
    top = _inches(match[7], 0) if re.search("[1-9]", match[7] or "") else height

    def sides(thing: _Thing) -> dict[str, float]:
        return {
            "xmin": min(thing.xs) * DPI,
            "xmax": max(thing.xs) * DPI,
            "ymin": (top - max(thing.ys)) * DPI,
            "ymax": (top - min(thing.ys)) * DPI,
        }

    known = {name: thing for name, thing in things.items() if thing.xs and thing.ys}
    marks = [sides(known[name]) for name in _MARKS if name in known]
    diameters = [one[high] - one[low] for one in marks for low, high in (("xmin", "xmax"), ("ymin", "ymax"))]
    row = {
        "student": student,
        "page": page,
        "dpi": DPI,
        "width": width * DPI,
        "height": height * DPI,
        "markdiameter": sum(diameters) / len(diameters) if diameters else 0.0,
    }
    digits: list[dict[str, Any]] = []
    boxes: list[dict[str, Any]] = []
    for name, thing in known.items():
        if digit := _DIGIT.fullmatch(name):
            digits.append({"numberid": int(digit[1]), "digitid": int(digit[2]), **sides(thing)})
        elif (box := _BOX.fullmatch(name)) and (student, int(box[2])) not in hidden:
            place = {"question": int(box[2]), "answer": int(box[3]), **sides(thing)}
            boxes.append({**place, "oval": thing.oval, "char": thing.printed})
    return XyPage(
        student,
        page,
        row,
        tuple(((one["xmin"] + one["xmax"]) / 2, (one["ymin"] + one["ymax"]) / 2) for one in marks),
        _ordered(digits, "numberid", "digitid"),
        _ordered(boxes, "question", "answer"),
    )


def _ordered(rows: Sequence[Mapping[str, Any]], *keys: str) -> tuple[Mapping[str, Any], ...]:
    return tuple(sorted(rows, key=lambda one: tuple(one[key] for key in keys)))
