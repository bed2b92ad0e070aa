"""The tables that become `gradebook.csv`, `scores.csv`, `marks.csv`, `flags.csv` and `pages.csv`.

Programs rely on these files: the columns that the contract names come first and keep their names; further ones follow.
Cells that hold words from outside, such as file names, are made harmless for spreadsheets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from scangrade.grades.cells import safe_text
from scangrade.grades.gradebook import booklet_number
from scangrade.grades.rounding import rounded
from scangrade.grades.score import MadeTotals, doubtful_pages, part_totals
from scangrade.grades.total import shown_points, total_rule
from scangrade.model import Answer, Booklet, Flag, FlagKind, Identity, Layout, PageRead, Rubric, ScannedPage, Scorecard
from scangrade.run.files import Table

if TYPE_CHECKING:
    import pandas as pd

GRADEBOOK: Final = "gradebook.csv"
SCORES: Final = "scores.csv"
MARKS: Final = "marks.csv"
FLAGS: Final = "flags.csv"
PAGES: Final = "pages.csv"


def gradebook_table(gradebook: pd.DataFrame) -> Table:
    """The gradebook as it is: its cells are text already, made harmless where they need be."""
    rows = tuple(tuple(str(cell) for cell in row) for row in gradebook.itertuples(index=False, name=None))
    return Table(GRADEBOOK, tuple(str(name) for name in gradebook.columns), rows)


def scores_table(cards: Sequence[Scorecard], identities: Sequence[Identity], rubric: Rubric) -> Table:
    """How every number of the gradebook came: a row per question, part and exam of every booklet, with the rule that gave its points.

    Parameters
    ----------
    cards : sequence of Scorecard
    identities : sequence of Identity
        One per scorecard, in any order.
    rubric : Rubric
    """
    numbers = {one.booklet: booklet_number(one) for one in identities}
    questions = {one.id: one for one in rubric.questions}
    parts = {one.id: sum((questions[name].maximum for name in one.questions), Fraction(0)) for one in rubric.parts}

    def worth(*points: Fraction | None) -> tuple[str, ...]:
        return tuple("" if one is None else rounded(one, rubric.places) for one in points)

    rows = []
    totals: MadeTotals = {}
    for card in cards:
        who = safe_text(card.booklet), safe_text(numbers[card.booklet])
        for one in card.questions:
            points = worth(one.points, questions[one.question].maximum, one.low, one.high)
            rows.append((*who, "question", one.question, *points, safe_text(one.rule)))
        for total in part_totals(card, rubric, totals):
            points = worth(total.points, parts[total.part], total.low, total.high)
            rows.append((*who, "part", total.part, *points, "sum of its questions"))
        exam = ("" if one is None else shown_points(one, rubric) for one in (card.points, rubric.total, card.low, card.high))
        rows.append((*who, "exam", "", *exam, total_rule(card, rubric)))
    header = ("booklet", "student_number", "of", "id", "points", "max_points", "points_low", "points_high", "rule")
    return Table(SCORES, header, tuple(rows))


def marks_table(
    booklets: Sequence[Booklet], answers: Mapping[str, tuple[Answer, ...]], flags: Sequence[Flag], layout: Layout
) -> Table:
    """One row per box of every answer, in the order of booklets and of the layout.

    A box is flagged where a person is asked about it: about itself, about its whole field or digit grid, or about which image of
    its page counts.
    """
    fields = {one.id: one for one in layout.fields}
    asked = {(flag.booklet, flag.field) for flag in flags if flag.field and flag.kind is not FlagKind.UNSURE_MARK}
    doubtful = doubtful_pages(flags)
    rows = []
    # the longest of the tables, a row for every box of the run; but most booklets have many of the very same answers
    said: dict[int, tuple[list[tuple[str, ...]], ...]] = {}
    for booklet in booklets:
        for answer in answers[booklet.id]:
            field = fields[answer.field]
            page = booklet.pages[field.page]
            whole = not asked.isdisjoint({(booklet.id, field.id), (booklet.id, field.group)})
            whole |= not doubtful.get(booklet.id, frozenset()).isdisjoint({0, field.page})
            place = (safe_text(booklet.id), str(field.page), safe_text(page.ref.scan), str(page.ref.scan_page))
            told = said.get(id(answer))
            if told is None:
                told = said[id(answer)] = tuple(_verdicts_told(answer, whole=one) for one in (False, True))
            rows += [(*place, *one) for one in told[whole]]
    header = ("booklet", "page", "scan", "scan_page", "field", "box", "verdict", "probability", "flagged", "decided_by")
    return Table(MARKS, header, tuple(rows))


def _verdicts_told(answer: Answer, *, whole: bool) -> list[tuple[str, ...]]:
    """What the table says of each box of an answer; `whole` where a person is asked about all of them."""
    open_boxes = answer.open
    return [
        (
            one.field,
            one.box,
            one.verdict.value,
            f"{one.probability:.4f}",
            _yes_no(whole or one.box in open_boxes),
            safe_text(one.decided_by),
        )
        for one in answer.verdicts
    ]


def flags_table(flags: Sequence[Flag], made: dict[Flag, tuple[str, ...]] | None = None) -> Table:
    """One row per open flag, those that can change points first.

    Parameters
    ----------
    flags : sequence of Flag
    made : dict of Flag to row, optional
        Rows that were made before, which are taken over; it is left with those of these flags. In a large run hardly any flag changes
        with a decision.
    """
    known = {} if made is None else made
    rows = {flag: known.get(flag) or _flag_row(flag) for flag in flags}
    if made is not None:
        made.clear()
        made.update(rows)
    header = ("booklet", "page", "scan", "scan_page", "kind", "field", "detail", "can_change_points")
    return Table(FLAGS, header, tuple(rows[flag] for flag in sorted(flags, key=lambda flag: not flag.can_change_points)))


def _flag_row(flag: Flag) -> tuple[str, ...]:
    ref = flag.ref
    return (
        safe_text(flag.booklet),
        _number(flag.page),
        safe_text(ref.scan) if ref else "",
        str(ref.scan_page) if ref else "",
        flag.kind.value,
        flag.field,
        safe_text(flag.detail),
        _yes_no(flag.can_change_points),
    )


def pages_table(pages: Sequence[ScannedPage], booklets: Sequence[Booklet]) -> Table:
    """One row per page that went in, in scan order; a file that was set aside as a whole is one row with `scan_page` 0.

    A page that a person laid under its form counts as read.
    """
    owner = {page.ref: booklet.id for booklet in booklets for page in (*booklet.pages.values(), *booklet.duplicates)}
    held = {page.ref: page.result for booklet in booklets for page in (*booklet.pages.values(), *booklet.duplicates)}
    rows = []
    for page in pages:
        result = held.get(page.ref, page.result)
        place = (safe_text(page.ref.scan), str(page.ref.scan_page))
        booklet = safe_text(owner.get(page.ref, ""))
        copy = safe_text(result.copy)
        if isinstance(result, PageRead):
            measured = (str(result.rotation), f"{result.residual_mm:.3f}")
            more = (copy, result.page_source, f"{result.dpi:.1f}", "")
            row = (*place, "read", "", booklet, _number(result.page), *measured, *more)
        else:
            more = (copy, "", "", safe_text(result.detail))
            row = (*place, "set_aside", result.reason.value, booklet, _number(result.page), "", "", *more)
        rows.append(row)
    contract = ("scan", "scan_page", "outcome", "reason", "booklet", "page", "rotation", "residual_mm")
    return Table(PAGES, (*contract, "copy", "page_source", "dpi", "detail"), tuple(rows))


def _number(value: int) -> str:
    """A number that counts from 1; 0 is none."""
    return str(value) if value else ""


def _yes_no(value: bool) -> str:
    return "true" if value else "false"
