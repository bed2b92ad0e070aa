"""A small graded run whose students are those of the files in `tests/resources/gradebooks`, without any paper."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scangrade.grade import grade
from tests.fake_reader import LAYOUT, FakeReader

GRADEBOOKS = Path(__file__).parent / "resources" / "gradebooks"

RUBRIC = """
format = 1
name = "mini"
title = "Mid-term"
total = 6
floor = "none"

[questions.q]
policy = "per-alternative"
points = 4
values = { A = 2.5, B = -1.5, C = 1.5 }
floor = "none"
cap = "none"

[questions.r]
policy = "all-or-nothing"
points = 2
key = ["B"]
"""

ROSTER = """student number,last name,first name,email
0012345,Moorland,Ada,amoorland@students.example.org
0067890,Øverås,Søren Åge,soverås@students.example.org
1000001,李,小龙,xli@students.example.org
1000002,Groß-Müller,Jürgen,jgross@students.example.org
1000003,van der Weide,Willem,wweide@students.example.org
1000004,O'Brian,"Zoë, Ann",zobrian@students.example.org
1000005,Котова,Анна,akotova@students.example.org
"""


@dataclass(frozen=True)
class Booklet:
    """One booklet, by its marks; without `r` its second page is missing, so that its points are open."""

    number: str
    q: str
    r: str | None


#: Points 6, 2.5, 3.5, 3, 0; 1000003 handed in nothing; one of the last booklet's pages is missing.
BOOKLETS = (
    Booklet("0012345", "AC", "B"),
    Booklet("0067890", "A", ""),
    Booklet("1000001", "C", "B"),
    Booklet("1000002", "AB", "B"),
    Booklet("1000004", "", ""),
)
OPEN = Booklet("1000005", "A", None)
POINTS = {"0012345": "6", "0067890": "2.5", "1000001": "3.5", "1000002": "3", "1000004": "0"}


def make_run(
    folder: Path, booklets: tuple[Booklet, ...] = BOOKLETS, roster: str | None = ROSTER, rubric: str = RUBRIC
) -> Path:
    """Grade such booklets; the run folder."""
    folder.mkdir(parents=True, exist_ok=True)
    scan = []
    for copy, one in enumerate(booklets, start=1):
        digits = " ".join(f"n.{place}/{digit}" for place, digit in enumerate(one.number, start=1))
        scan.append(f"1 {copy:02} {digits} {' '.join(f'q/{box}' for box in one.q)}")
        if one.r is not None:
            scan.append(f"2 {copy:02} {' '.join(f'r/{box}' for box in one.r)}")
    texts = {"layout.toml": LAYOUT.replace("places = 2", "places = 7"), "rubric.toml": rubric, "roster.csv": roster or ""}
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "scan.pdf").write_text("\n".join(scan) + "\n", encoding="utf-8")
    grade(
        [folder / "scan.pdf"],
        layout=folder / "layout.toml",
        rubric=folder / "rubric.toml",
        roster=folder / "roster.csv" if roster is not None else None,
        out=folder / "run",
        workers=0,
        reader=FakeReader,
    )
    return folder / "run"
