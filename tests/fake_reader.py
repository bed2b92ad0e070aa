"""A reader of pretended scans, so that the running of a job can be tested without paper.

A pretended scan is a text file with one line per page: ``<page> <copy> <marked boxes>``, such as ``1 07 q/A n/7``, or one of the
words ``blank`` (set aside), ``raise`` (an unexpected exception), ``crash`` (takes the process with it).
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scangrade.errors import DefinitionError, Issue, Severity
from scangrade.model import (
    FEATURES,
    PATCH_SIDE,
    Layout,
    PageRead,
    PageResult,
    PageSetAside,
    Readings,
    Reason,
    Transform,
    no_patches,
)

EMPTY = {"frame": 0.9, "seen": 1.0, "contrast": 0.9, "scale": 5.9}
FULL = EMPTY | {
    "ink": 0.9,
    "rest": 0.9,
    "core": 0.95,
    "dark": 0.95,
    "faint": 0.97,
    "peak": 0.98,
    "least_cell": 0.85,
    "cells": 1.0,
    "diagonal": 0.05,
}
BLANK = {"blank_ink": 0.0, "blank_dark": 0.0, "blank_core": 0.0}

LAYOUT = """
format = 1
name = "mini"
title = "A small exam"
convention = "fill-wins"
pages = 2

[box]
size = 4
frame = 0.3

[page_code]
kind = "barcode"
region = [180, 8, 20, 20]
content = "{exam}/{copy}/{page}"

[[fiducials]]
kind = "square"
size = 5
at = [[12, 12], [198, 12], [12, 285], [198, 285]]

[[fields]]
id = "n"
kind = "digits"
role = "student_number"
page = 1
places = 2
place_step = [7, 0]
values = "1234567890"
origin = [60, 60]
step = [0, 7]

[[fields]]
id = "q"
kind = "choice"
select = "many"
page = 1
values = "ABC"
origin = [30, 60]
step = [0, 8]

[[fields]]
id = "r"
kind = "choice"
select = "many"
page = 2
values = "ABC"
origin = [30, 60]
step = [0, 8]
"""

RUBRIC = """
format = 1
name = "mini"
title = "A small exam"
total = 6
floor = "none"

[questions.q]
policy = "all-or-nothing"
points = 4
key = ["A", "C"]

[questions.r]
policy = "all-or-nothing"
points = 2
key = ["B"]
"""

ROSTER = "student number,last name,first name,email\n11,Ash,Ann,ann@example.org\n12,Birch,Bo,bo@example.org\n13,Cedar,Cy,cy@example.org\n"


def write_exam(folder: Path) -> dict[str, Path]:
    """Layout, rubric and roster of a small exam of two pages, as the arguments that `grade` takes."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {"layout": folder / "layout.toml", "rubric": folder / "rubric.toml", "roster": folder / "roster.csv"}
    for name, text in (("layout", LAYOUT), ("rubric", RUBRIC), ("roster", ROSTER)):
        paths[name].write_text(text, encoding="utf-8")
    return paths


def booklet(copy: str, number: str, q: str, r: str) -> str:
    """Two lines of a pretended scan: a booklet with this student number and these marks."""
    digits = " ".join(f"n.{place}/{digit}" for place, digit in enumerate(number, start=1))
    marks = " ".join(f"q/{value}" for value in q)
    more = " ".join(f"r/{value}" for value in r)
    return f"1 {copy} {digits} {marks}\n2 {copy} {more}\n"


class FakeReader:
    """Reads pretended scans."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def count(self, path: Path) -> int | PageSetAside:
        lines = path.read_text().splitlines()
        if lines == ["locked"]:
            return PageSetAside(Reason.ENCRYPTED_FILE, "The file is locked. Save it without a password.")
        if lines == ["crash on opening"]:
            os._exit(13)
        return len(lines)

    def read(self, path: Path, page: int) -> PageResult:
        line = path.read_text().splitlines()[page - 1]
        match line.split():
            case ["raise"]:
                raise RuntimeError("a fault that nobody foresaw")
            case ["crash"]:
                os._exit(13)
            case ["blank"]:
                return PageSetAside(Reason.BLANK, "nothing is on it", "blank")
            case [number, copy, *marked]:
                return self._read(int(number), copy, set(marked), hashlib.sha256(line.encode()).hexdigest())
            case _:
                return PageSetAside(Reason.UNREADABLE_PAGE, "no page")

    def close(self) -> None:
        """Nothing is kept open."""

    def _read(self, page: int, copy: str, marked: set[str], image: str) -> PageRead:
        boxes = self._layout.boxes(page)
        values = np.zeros((len(boxes), len(FEATURES)), dtype=np.float32)
        for row, box in zip(values, boxes, strict=True):
            seen = (FULL if box.key in marked else EMPTY) | BLANK
            row[:] = [seen.get(name, 0.0) for name in FEATURES]
        patches = np.stack([_patch(box.key in marked) for box in boxes]) if boxes else no_patches()
        transform = Transform((5.9, 0.0, 0.0, 0.0, 5.9, 0.0, 0.0, 0.0, 1.0))
        return PageRead(image, page, copy, "code", 0, 0.05, 150.0, transform, Readings(values, patches))


def _patch(marked: bool) -> NDArray[np.uint8]:
    """A picture of an empty or a filled box."""
    side, quarter = PATCH_SIDE, PATCH_SIDE // 4
    patch = np.zeros((side, side), np.uint8)
    patch[quarter - 1 : side - quarter + 1, quarter - 1 : side - quarter + 1] = 200
    patch[quarter : side - quarter, quarter : side - quarter] = 235 if marked else 0
    return patch


class ReaderWithoutForm:
    """Cannot be made."""

    def __init__(self, layout: Layout) -> None:
        raise DefinitionError([Issue(Severity.ERROR, "layout.toml, reference", "the blank form cannot be read.")])

    def count(self, path: Path) -> int | PageSetAside:
        raise NotImplementedError

    def read(self, path: Path, page: int) -> PageResult:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError
