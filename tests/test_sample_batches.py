"""Every sample batch, from scan to gradebook: the one kept beside it, which in turn must agree with the truth."""

from __future__ import annotations

import csv
from fractions import Fraction
from pathlib import Path

import pytest

from scangrade.authoring.samples import RECIPES, Recipe
from scangrade.authoring.truth import load_truth, truth_answers
from scangrade.definitions.layout import load_layout
from scangrade.definitions.rubric import load_rubric
from scangrade.grade import grade
from scangrade.grades.rounding import rounded
from scangrade.grades.score import score
from scangrade.model import Verdict

REPOSITORY = Path(__file__).parents[1]
KEPT = "gradebook.csv"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_sample_yields_its_gradebook_and_no_point_in_it_is_wrong(recipe: Recipe, tmp_path: Path) -> None:
    folder = REPOSITORY / "samples" / recipe.name
    layout_path = REPOSITORY / "layouts" / f"{recipe.name}.toml"
    rubric_path = REPOSITORY / "rubrics" / f"{recipe.rubric or recipe.name}.toml"
    grade(
        [folder / "scans"],
        layout=layout_path,
        rubric=rubric_path,
        roster=folder / "roster.csv",
        out=tmp_path / "run",
        workers=1,
    )
    assert (tmp_path / "run" / "gradebook.csv").read_bytes() == (folder / KEPT).read_bytes()

    layout, _ = load_layout(layout_path)
    rubric, _ = load_rubric(rubric_path)
    assert layout is not None
    assert rubric is not None
    truth = load_truth(folder / "truth.json").booklets
    answers = truth_answers(truth, layout)
    booklet_of = {(Path(one["scan"]).name, one["scan_page"]): one["booklet"] for one in rows(tmp_path / "run" / "pages.csv")}
    by_booklet = {one["booklet"]: one for one in rows(tmp_path / "run" / "gradebook.csv") if one["booklet"]}
    assert len(by_booklet) == len(truth)
    settled = 0
    for booklet in truth:
        page = booklet.pages[0]
        row = by_booklet[booklet_of[page.scan, str(page.scan_page)]]
        if row["student_number"]:
            assert row["student_number"] == booklet.student_number
        card, _ = score(booklet.copy, answers[booklet.copy], layout, rubric, version=booklet.version or "")
        hesitant = {
            one.field for one in booklet.boxes if one.verdict is Verdict.UNSURE
        }  # what a fair person would ask about has no true points
        for question in card.questions:
            if row[question.question] == "" or question.question in hesitant:
                continue
            settled += 1
            assert question.points is not None
            assert row[question.question] == rounded(question.points, rubric.places), (booklet.copy, question.question)
        if not hesitant:
            assert Fraction(row["points_low"]) - Fraction(1, 100) <= card.high
            assert Fraction(row["points_high"]) + Fraction(1, 100) >= card.low
    # a reader that asked about everything would pass the above; the smallest sample has twenty questions, two of them made doubtful
    assert settled >= 0.8 * sum(
        question.points is not None
        for booklet in truth
        for question in score(booklet.copy, answers[booklet.copy], layout, rubric, version=booklet.version or "")[0].questions
    )
