"""The rows of the CSV files."""

from __future__ import annotations

import numpy as np
import pytest

from scangrade.export.tables import flags_table, marks_table, pages_table
from scangrade.model import (
    Answer,
    Booklet,
    Box,
    BoxVerdict,
    Convention,
    Field,
    FieldKind,
    Flag,
    FlagKind,
    Layout,
    LayoutPage,
    PageRead,
    PageRef,
    PageSetAside,
    Readings,
    Reason,
    ScannedPage,
    Transform,
    Verdict,
)

IDENTITY = Transform((1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))


def page(scan: str, scan_page: int, number: int) -> ScannedPage:
    readings = Readings(np.zeros((0, 3), dtype=np.float32))
    read = PageRead("sha", number, "7", "code", 90, 0.05149, 199.96, IDENTITY, readings)
    return ScannedPage(PageRef(scan, scan_page, 0), read)


def field(name: str, number: int, kind: FieldKind = FieldKind.CHOICE, group: str = "") -> Field:
    boxes = tuple(Box(name, value, number, 10, 10, 4, 4, 0.3) for value in "AB")
    return Field(name, kind, number, boxes, group=group)


def answer(name: str, a: Verdict, b: Verdict, doubt: str = "") -> Answer:
    return Answer(name, (BoxVerdict(name, "A", a, 0.98765), BoxVerdict(name, "B", b, 1.0, "Ann")), doubt)


LAYOUT = Layout(
    "x",
    "X",
    Convention.ANY,
    (LayoutPage(1, 210, 297, ()), LayoutPage(2, 210, 297, ())),
    (field("q", 1), field("n.1", 1, FieldKind.DIGIT, "n"), field("r", 2)),
)
FIRST, SECOND, SPARE = page("=a.pdf", 1, 1), page("=a.pdf", 2, 2), page("=a.pdf", 9, 2)
BOOKLET = Booklet("7", {1: FIRST, 2: SECOND}, (SPARE,))
ANSWERS = {
    "7": (
        answer("q", Verdict.MARKED, Verdict.UNSURE),
        answer("n.1", Verdict.EMPTY, Verdict.MARKED),
        answer("r", Verdict.MARKED, Verdict.UNDONE),
    )
}


def flagged(*flags: Flag) -> set[str]:
    table = marks_table([BOOKLET], ANSWERS, flags, LAYOUT)
    return {f"{row[4]}/{row[5]}" for row in table.rows if row[8] == "true"}


def test_marks() -> None:
    table = marks_table([BOOKLET], ANSWERS, [], LAYOUT)
    assert [row[4:8] for row in table.rows] == [
        ("q", "A", "marked", "0.9877"),
        ("q", "B", "unsure", "1.0000"),
        ("n.1", "A", "empty", "0.9877"),
        ("n.1", "B", "marked", "1.0000"),
        ("r", "A", "marked", "0.9877"),
        ("r", "B", "undone", "1.0000"),
    ]
    assert table.rows[4] == ("7", "2", "'=a.pdf", "2", "r", "A", "marked", "0.9877", "false", "machine")
    assert {row[9] for row in table.rows} == {"machine", "Ann"}


@pytest.mark.parametrize(
    ("flag", "more"),
    [
        (Flag(FlagKind.UNSURE_MARK, "", "7", 1, field="q"), set()),
        (Flag(FlagKind.DOUBTFUL_ANSWER, "", "7", 1, field="q"), {"q/A"}),
        (Flag(FlagKind.UNKNOWN_STUDENT, "", "7", 1, field="n"), {"n.1/A", "n.1/B"}),
        (Flag(FlagKind.DUPLICATE_PAGE, "", "7", 2), {"r/A", "r/B"}),
        (Flag(FlagKind.PAGE_ORDER, "", "7"), {"q/A", "n.1/A", "n.1/B", "r/A", "r/B"}),
        (Flag(FlagKind.PAGE_ORDER, "", "7", 2, can_change_points=False), set()),
        (Flag(FlagKind.MISSING_PAGE, "", "7", 2), set()),
        (Flag(FlagKind.DOUBTFUL_ANSWER, "", "8", 1, field="q"), set()),
    ],
)
def test_a_box_is_flagged_where_a_person_is_asked_about_it(flag: Flag, more: set[str]) -> None:
    assert flagged(flag) == {"q/B"} | more


def test_flags_that_can_change_points_come_first() -> None:
    flags = [
        Flag(FlagKind.MISSING_PAGE, "page 3", "7", 3, can_change_points=False),
        Flag(FlagKind.PAGE_SET_ASIDE, "=file", ref=PageRef("b.pdf", 0, 1)),
        Flag(FlagKind.CREDIT, "which?", "7", 2, SECOND.ref, "r"),
    ]
    assert flags_table(flags).rows == (
        ("", "", "b.pdf", "0", "page_set_aside", "", "'=file", "true"),
        ("7", "2", "'=a.pdf", "2", "credit", "r", "which?", "true"),
        ("7", "3", "", "", "missing_page", "", "page 3", "false"),
    )


def test_pages() -> None:
    aside = ScannedPage(PageRef("b.pdf", 3, 1), PageSetAside(Reason.FOREIGN, "of exam Y", "sha", "12", 4))
    file = ScannedPage(PageRef("c.pdf", 0, 2), PageSetAside(Reason.ENCRYPTED_FILE, "locked"))
    assert pages_table([FIRST, SPARE, aside, file], [BOOKLET]).rows == (
        ("'=a.pdf", "1", "read", "", "7", "1", "90", "0.051", "7", "code", "200.0", ""),
        ("'=a.pdf", "9", "read", "", "7", "2", "90", "0.051", "7", "code", "200.0", ""),
        ("b.pdf", "3", "set_aside", "foreign", "", "4", "", "", "12", "", "", "of exam Y"),
        ("c.pdf", "0", "set_aside", "encrypted_file", "", "", "", "", "", "", "", "locked"),
    )
