"""A small run with something of everything that waits for a person, and what its gradebook must be afterwards."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import cv2
import numpy as np
import pikepdf

from scangrade.authoring.samples import Quirk, Recipe, make_batch
from scangrade.authoring.scanner import OFFICE
from scangrade.authoring.truth import BookletTruth, load_truth, truth_answers
from scangrade.definitions.layout import load_layout
from scangrade.definitions.rubric import load_rubric
from scangrade.geometry import as_matrix, project
from scangrade.grade import RunSummary, grade
from scangrade.grades.rounding import rounded
from scangrade.grades.score import score
from scangrade.model import PageSetAside, Verdict
from scangrade.paper.by_hand import corner_marks
from scangrade.paper.rasterise import open_scan

RECIPE = Recipe(
    "review",
    ((replace(OFFICE, dpi=150, white=266.0, noise=1.5), 5),),
    2,
    5,
    quirks={
        0: Quirk.DOUBTFUL_MARK,
        1: Quirk.DOUBTFUL_MARK,
        2: Quirk.DOUBTFUL_MARK,
        3: Quirk.DOUBTFUL_MARK,
        4: Quirk.DOUBLE_DIGIT,
    },
)

#: The page that lies in the pile as a slanting photograph: no machine places it.
PHOTO_BOOKLET, PHOTO_PAGE = 3, 3


@dataclass(frozen=True)
class ReviewRun:
    """The run, and the truth about it."""

    folder: Path
    truth: tuple[BookletTruth, ...]
    corners: tuple[tuple[float, float], ...]  #: of the photographed page, where a person would click
    summary: RunSummary

    @property
    def run(self) -> Path:
        return self.folder / "run"

    def rows(self, name: str) -> list[dict[str, str]]:
        with (self.run / name).open(encoding="utf-8-sig", newline="") as stream:
            return list(csv.DictReader(stream))

    def expected_points(self) -> dict[str, str]:
        """Total of every booklet if every box is decided as it is in truth; boxes that a fair person would hesitate about are empty."""
        layout, rubric = load_layout(self.folder / "layout.toml")[0], load_rubric(self.folder / "rubric.toml")[0]
        assert layout is not None and rubric is not None
        points = {}
        for booklet in self.truth:
            boxes = tuple(
                replace(one, verdict=Verdict.EMPTY) if one.verdict is Verdict.UNSURE else one for one in booklet.boxes
            )
            pages = {one.page: one for one in booklet.pages}
            everything = replace(booklet, boxes=boxes, pages=tuple(pages.values()))
            answers = truth_answers([everything], layout)[booklet.copy]
            card, _ = score(booklet.copy, answers, layout, rubric, version=booklet.version)
            assert card.points is not None
            points[booklet.copy] = rounded(card.points, rubric.places)
        return points


def grade_run(folder: Path) -> RunSummary:
    return grade(
        [folder / "scans"],
        layout=folder / "layout.toml",
        rubric=folder / "rubric.toml",
        roster=folder / "roster.csv",
        out=folder / "run",
        workers=1,
    )


def make_review_run(folder: Path) -> ReviewRun:
    """Booklets on scans, one page of them a slanting photograph and one page of something else; graded."""
    folder.mkdir(parents=True, exist_ok=True)
    source = resources.files("scangrade.authoring") / "demo"
    for name in ("layout.toml", "rubric.toml"):
        (folder / name).write_text((source / name).read_text(encoding="utf-8"), encoding="utf-8")
    batch = make_batch(folder, RECIPE, layout=folder / "layout.toml", rubric=folder / "rubric.toml")
    truth = load_truth(folder / "truth.json").booklets
    corners = _photograph(batch.scans[0], truth[PHOTO_BOOKLET], folder)
    _something_else(folder / "scans" / "z-other.png")
    return ReviewRun(folder, truth, corners, grade_run(folder))


def _photograph(scan: Path, booklet: BookletTruth, folder: Path) -> tuple[tuple[float, float], ...]:
    """Take one page out of the scan and put it there as a photograph, taken askew; where its marks are on it."""
    (page,) = (one for one in booklet.pages if one.page == PHOTO_PAGE)
    opened = open_scan(scan)
    assert not isinstance(opened, PageSetAside)
    with opened:
        image = opened.page(page.scan_page - 1)
    assert not isinstance(image, PageSetAside)
    height, width = image.pixels.shape
    seen = np.array([(260, 120), (width - 60, 30), (width + 130, height + 60), (30, height - 40)], dtype=np.float32)
    whole = np.array([(0, 0), (width, 0), (width, height), (0, height)], dtype=np.float32)
    askew = np.asarray(cv2.getPerspectiveTransform(whole, seen), dtype=np.float64)
    photo = cv2.warpPerspective(image.pixels, askew, (width + 180, height + 110), borderValue=(90.0,), flags=cv2.INTER_AREA)
    cv2.imwrite(str(folder / "scans" / "y-photo.png"), photo)
    with pikepdf.open(scan, allow_overwriting_input=True) as pdf:
        del pdf.pages[page.scan_page - 1]
        pdf.save(scan)
    layout, _ = load_layout(folder / "layout.toml")
    assert layout is not None
    marks = project(askew @ as_matrix(page.transform), corner_marks(layout, PHOTO_PAGE))
    return tuple((float(x), float(y)) for x, y in marks)


def _something_else(path: Path) -> None:
    picture = np.full((1754, 1240), 250, dtype=np.uint8)
    for line in range(24):
        cv2.putText(picture, "a letter that is no page of ours", (120, 200 + 55 * line), cv2.FONT_HERSHEY_SIMPLEX, 1.1, 40, 2)
    cv2.imwrite(str(path), picture)
