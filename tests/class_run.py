"""A run of a whole class, made from pretended scans: people of different ability, one question with a wrong key, some open marks."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scangrade.grade import RunSummary, grade
from tests.fake_reader import FakeReader

QUESTIONS = 20
MISKEYED = "7"
EASY, IMPOSSIBLE = "1", "20"

_LAYOUT = """
format = 1
name = "class"
title = "Statistics II, re-sit <& more>"
convention = "fill-wins"
pages = 2

[box]
size = 4
frame = 0.3

[page_code]
kind = "barcode"
region = [180, 8, 20, 20]
content = "{{exam}}/{{copy}}/{{page}}"

[[fiducials]]
kind = "square"
size = 5
at = [[12, 12], [198, 12], [12, 285], [198, 285]]

[[fields]]
id = "n"
kind = "digits"
role = "student_number"
page = 1
places = 4
place_step = [7, 0]
values = "1234567890"
origin = [30, 60]
step = [0, 7]

[[fields]]
id = "version"
kind = "version"
page = 1
values = "AB"
origin = [100, 60]
step = [8, 0]

[[fields]]
ids = [{ids}]
kind = "choice"
select = "one"
page = 2
values = "ABCD"
origin = [30, 40]
step = [8, 0]
field_step = [0, 11]
"""


def write_class(folder: Path, booklets: int, *, seed: int = 1) -> dict[str, Path]:
    """Definitions and one pretended scan of so many booklets; without any booklet, the scan is of something else."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    ids = [str(number) for number in range(1, QUESTIONS + 1)]
    right = {version: dict(zip(ids, rng.choice(list("ABCD"), QUESTIONS).tolist(), strict=True)) for version in "AB"}
    difficulty = dict(zip(ids, rng.permutation(np.linspace(-1.6, 1.6, QUESTIONS)).tolist(), strict=True))
    difficulty |= {EASY: -9.0, MISKEYED: 0.0, IMPOSSIBLE: 9.0}
    keys = {version: dict(key) for version, key in right.items()}
    keys["B"][MISKEYED] = next(one for one in "ABCD" if one != right["B"][MISKEYED])
    rubric = [
        'format = 1\nname = "class"\ntitle = "Statistics II, re-sit <& more>"',
        f'total = {2 * QUESTIONS}\nfloor = 0\nversions = ["A", "B"]\nversion_from = "mark"',
        *(
            f'[questions.{one}]\npolicy = "single"\npoints = 2\nkey = {{ A = "{keys["A"][one]}", B = "{keys["B"][one]}" }}\n'
            'wrong = "-2/3"\nblank = 0\nmultiple = "ask"'
            for one in ids
        ),
    ]
    students = [f"{1000 + number}" for number in rng.permutation(9000)[: booklets + 3].tolist()]
    lines = [] if booklets else ["blank", "blank"]
    for copy, number in enumerate(students[:booklets], start=1):
        version, ability = "AB"[copy % 2], rng.normal()
        marks = []
        for one in ids:
            knows = 1 / (1 + np.exp(-1.3 * (ability - difficulty[one])))
            if rng.random() < 0.03:
                continue
            wrong = [other for other in "ABCD" if other != right[version][one]]
            marks.append(f"{one}/{right[version][one] if rng.random() < knows else wrong[rng.integers(3)]}")
            if rng.random() < 0.002:
                marks.append(f"{one}/{wrong[0]}")  # several marks: a person is asked
        digits = " ".join(f"n.{place}/{digit}" for place, digit in enumerate(number, start=1))
        lines += [f"1 {copy:04} {digits} version/{version}", f"2 {copy:04} {' '.join(marks)}"]
    texts = {
        "layout.toml": _LAYOUT.format(ids=", ".join(f'"{one}"' for one in ids)),
        "rubric.toml": "\n\n".join(rubric),
        "roster.csv": "student_number,last_name,first_name\n" + "".join(f"{one},Name {one},Given\n" for one in students),
        "scan.pdf": "\n".join(lines) + "\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return {name: folder / name for name in texts}


def grade_class(folder: Path, booklets: int, *, seed: int = 1) -> RunSummary:
    """Grade such a class into `folder/run`."""
    files = write_class(folder, booklets, seed=seed)
    return grade(
        [files["scan.pdf"]],
        layout=files["layout.toml"],
        rubric=files["rubric.toml"],
        roster=files["roster.csv"],
        out=folder / "run",
        workers=0,
        reader=FakeReader,
    )
