"""Piles as people scan them: in any order, twice, upside down, with backs, separators and other exams in between; on paper, end to end."""

from __future__ import annotations

import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from scangrade.answers.decisions import fold
from scangrade.authoring.scanner import ScannedImage
from scangrade.derive import derive, results_of
from scangrade.model import Entry, PageFate, Topic
from scangrade.opening import recorded_definitions
from scangrade.run.journal import Journal
from scangrade.run.store import Store
from tests.paper_exam import (
    POINTS,
    STUDENTS,
    grade_pile,
    image_of,
    pages_of,
    paper,
    points,
    rows,
    scan,
    separator,
    turned,
)


def pile(*, copies: bool = True, seed: int = 1) -> list[ScannedImage]:
    return [page for student in STUDENTS for page in pages_of(student, copies=copies, seed=seed)]


def kinds(folder: Path) -> list[str]:
    return sorted(row["kind"] for row in rows(folder, "flags.csv"))


def test_any_order_over_several_files_with_both_versions_mixed(tmp_path: Path) -> None:
    pages = pile()
    random.Random(3).shuffle(pages)
    for name, part in (("b.pdf", pages[:3]), ("a.tif", pages[3:5]), ("c.png", pages[5:])):
        scan(tmp_path / "scans", name, part)
    summary = grade_pile(tmp_path)
    assert points(tmp_path) == POINTS
    assert not summary.flags and (summary.pages_in, summary.booklets) == (6, 3)


@pytest.mark.parametrize("copies", [True, False], ids=["copies", "order"])
def test_an_upside_down_stack(copies: bool, tmp_path: Path) -> None:
    """The whole pile turned over and fed from its end: last page first, every page on its head."""
    scan(tmp_path / "scans", "a.pdf", [turned(page) for page in reversed(pile(copies=copies))])
    summary = grade_pile(tmp_path, copies=copies)
    assert points(tmp_path) == POINTS
    assert not summary.flags
    assert {row["rotation"] for row in rows(tmp_path, "pages.csv")} == {"180"}


@pytest.mark.parametrize("copies", [True, False], ids=["copies", "order"])
def test_blank_backs(copies: bool, tmp_path: Path) -> None:
    backs = [image_of(paper(seed)) for seed in range(6)]
    pages = [side for page, back in zip(pile(copies=copies), backs, strict=True) for side in (page, back)]
    scan(tmp_path / "scans", "a.pdf", pages)
    summary = grade_pile(tmp_path, copies=copies)
    assert points(tmp_path) == POINTS
    assert not summary.flags and (summary.pages_in, summary.pages_set_aside) == (12, 6)
    assert {row["reason"] for row in rows(tmp_path, "pages.csv") if row["outcome"] == "set_aside"} == {"blank"}


@pytest.mark.parametrize("copies", [True, False], ids=["copies", "order"])
def test_separator_sheets_are_named_and_part_nothing(copies: bool, tmp_path: Path) -> None:
    pages: list[ScannedImage] = []
    for seed, student in enumerate(STUDENTS):
        pages += [*pages_of(student, copies=copies), separator(seed)]
    scan(tmp_path / "scans", "a.pdf", pages)
    summary = grade_pile(tmp_path, copies=copies)
    assert points(tmp_path) == POINTS
    assert (summary.booklets, summary.pages_set_aside) == (3, 3)
    assert kinds(tmp_path) == ["page_set_aside"] * 3


@pytest.mark.parametrize("copies", [True, False], ids=["copies", "order"])
def test_a_foreign_exam_in_the_pile(copies: bool, tmp_path: Path) -> None:
    """In the middle of a booklet."""
    foreign = pages_of(replace(STUDENTS[0], copy="09"), copies=copies, exam="other")
    pages = pile(copies=copies)
    scan(tmp_path / "scans", "a.pdf", [*pages[:3], *foreign, *pages[3:]])
    summary = grade_pile(tmp_path, copies=copies)
    assert points(tmp_path) == POINTS
    assert summary.booklets == 3
    assert {row["reason"] for row in rows(tmp_path, "pages.csv") if row["outcome"] == "set_aside"} == {"foreign"}
    assert kinds(tmp_path) == ["page_set_aside"] * 2


def test_the_same_again_is_nothing_new(tmp_path: Path) -> None:
    """A copy of the file, and the same images in another file: neither a booklet nor a page more."""
    first = scan(tmp_path / "scans", "a.pdf", pile())
    grade_pile(tmp_path)
    before = points(tmp_path)
    shutil.copy(first, tmp_path / "scans" / "copy of a.pdf")
    assert "the same content as" in grade_pile(tmp_path).notes[0]
    scan(tmp_path / "scans", "b.pdf", pile()[2:4])
    summary = grade_pile(tmp_path)
    assert points(tmp_path) == before == POINTS
    assert (summary.booklets, summary.pages_read, summary.pages_set_aside) == (3, 6, 2)
    assert {row["reason"] for row in rows(tmp_path, "pages.csv") if row["outcome"] == "set_aside"} == {"duplicate"}


# --------------------------------------------------------------------------- scanned again later


def decide(folder: Path, *decisions: tuple[Topic, str, str, str], group: str) -> None:
    """Decide about page images (their hash) as a reviewer does, and derive the run anew."""
    with Store(folder / "run") as store:
        Journal(store).append(
            [
                Entry(0, f"{group}/{number}", "", "Ada", topic, image, item, value, group, booklet="02", scangrade="0.1.0")
                for number, (topic, image, item, value) in enumerate(decisions)
            ]
        )
    grade_pile(folder)


def images(folder: Path, copy: str) -> dict[tuple[str, int], str]:
    """Hashes of a booklet's page images, by file and page of the form."""
    with Store(folder / "run") as store:
        return {
            (Path(one.ref.scan).name, one.result.page): one.result.image_sha256
            for one in store.pages()
            if one.result.copy == copy
        }


def answer(folder: Path, field: str, booklet: str = "02") -> set[str]:
    return {
        row["box"]
        for row in rows(folder, "marks.csv")
        if (row["booklet"], row["field"], row["verdict"]) == (booklet, field, "marked")
    }


def test_a_rescanned_booklet_waits_until_a_person_says_which_counts(tmp_path: Path) -> None:
    """What was decided at the old images, about booklet and boxes, is neither lost nor mixed up with the new ones."""
    scan(tmp_path / "scans", "a.pdf", pile())
    grade_pile(tmp_path)
    old = images(tmp_path, "02")
    decide(
        tmp_path,
        (Topic.MARK, old["a.pdf", 1], "q/B", "marked"),
        (Topic.STUDENT, old["a.pdf", 1], "", "13"),
        (Topic.POINTS, old["a.pdf", 2], "r", "1"),
        group="first",
    )
    assert answer(tmp_path, "q") == {"A", "B", "C"}
    scan(tmp_path / "scans", "b.pdf", pages_of(STUDENTS[1], seed=2))
    summary = grade_pile(tmp_path)
    assert summary.booklets == 3
    assert kinds(tmp_path).count("duplicate_page") == 2
    second = next(row for row in rows(tmp_path, "gradebook.csv") if row["booklet"] == "02")
    assert (second["points"], second["student_number"]) == ("", "13")
    assert answer(tmp_path, "q") == {"A", "B", "C"}  # the first one counts until somebody decides

    new = images(tmp_path, "02")
    decide(
        tmp_path,
        (Topic.PAGE, new["b.pdf", 1], "", PageFate.COUNTS),
        (Topic.PAGE, new["b.pdf", 2], "", PageFate.COUNTS),
        group="newer",
    )
    assert kinds(tmp_path).count("duplicate_page") == 0
    assert answer(tmp_path, "q") == {"A", "C"}  # nobody said anything about the new image's boxes
    second = next(row for row in rows(tmp_path, "gradebook.csv") if row["booklet"] == "02")
    assert (second["student_number"], second["r"]) == ("13", "1")  # about the booklet they did, and that holds

    decide(tmp_path, (Topic.PAGE, old["a.pdf", 1], "", PageFate.COUNTS), group="back")
    assert answer(tmp_path, "q") == {"A", "B", "C"}


def test_a_page_that_could_not_be_read_is_scanned_again(tmp_path: Path) -> None:
    first, second = pages_of(STUDENTS[1])
    spoilt = paper(7)
    spoilt[300:1300, 200:1000] = 40  # a hand lay on the glass
    scan(tmp_path / "scans", "a.pdf", [*pages_of(STUDENTS[0]), first, image_of(spoilt), *pages_of(STUDENTS[2])])
    grade_pile(tmp_path)
    assert points(tmp_path)["12"] == ""
    assert {"missing_page", "page_set_aside"} <= set(kinds(tmp_path))
    scan(tmp_path / "scans", "later.pdf", [second])
    grade_pile(tmp_path)
    assert points(tmp_path) == POINTS
    assert kinds(tmp_path) == ["page_set_aside"]  # which page that was, nobody can tell: a person looks at it


def test_a_page_sent_for_rescan_keeps_what_was_decided_about_its_booklet(tmp_path: Path) -> None:
    scan(tmp_path / "scans", "a.pdf", pile())
    grade_pile(tmp_path)
    old = images(tmp_path, "02")["a.pdf", 1]
    decide(tmp_path, (Topic.STUDENT, old, "", "13"), (Topic.PAGE, old, "", PageFate.RESCAN), group="rescan")
    assert "missing_page" in kinds(tmp_path)
    scan(tmp_path / "scans", "later.pdf", pages_of(STUDENTS[1], seed=5)[:1])
    grade_pile(tmp_path)
    second = next(row for row in rows(tmp_path, "gradebook.csv") if row["booklet"] == "02")
    assert second["student_number"] == "13"
    assert "missing_page" not in kinds(tmp_path)


def test_derived_anew_or_taken_from_what_was_kept_is_the_same(tmp_path: Path) -> None:
    scan(tmp_path / "scans", "a.pdf", pile())
    scan(tmp_path / "scans", "b.pdf", pages_of(STUDENTS[1], seed=2))
    grade_pile(tmp_path)
    found = images(tmp_path, "02")
    decide(
        tmp_path,
        (Topic.STUDENT, found["a.pdf", 1], "", "13"),
        (Topic.PAGE, found["b.pdf", 1], "", PageFate.COUNTS),
        group="choose",
    )
    with Store(tmp_path / "run") as store:
        definitions, entries = recorded_definitions(store), Journal(store).entries()
        kept = results_of(store, definitions, entries)
        anew = derive(store.pages(), definitions, fold(entries), store.pages_by_hand())
    assert kept.scorecards == anew.scorecards and kept.identities == anew.identities
    assert set(kept.flags) == set(anew.flags)
    assert kept.gradebook.equals(anew.gradebook)
