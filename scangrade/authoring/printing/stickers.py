"""Sheets of labels for students: a code, the number and the name, as the sticker field of a layout reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scangrade.authoring.form import Rect
from scangrade.authoring.printing.booklets import class_list, may_be_written
from scangrade.authoring.printing.copies import Sheet, laid_over
from scangrade.authoring.printing.students import code_beside, on_unprinted, text_beside, without_letters
from scangrade.authoring.printing.typeset import pages, preamble
from scangrade.errors import UsageError
from scangrade.run.files import write_whole
from scangrade.settings import PRINT, PrintSettings

_A4: Final = (210.0, 297.0)


@dataclass(frozen=True, slots=True)
class LabelPaper:
    """A4 paper of labels, in the middle of the sheet. All lengths in mm."""

    width: float
    height: float
    columns: int
    rows: int
    gap: float = 2.5  #: between columns; rows touch each other

    @property
    def labels(self) -> tuple[Rect, ...]:
        """The labels of a sheet, row by row."""
        across = self.columns * self.width + (self.columns - 1) * self.gap
        left, top = (_A4[0] - across) / 2, (_A4[1] - self.rows * self.height) / 2
        return tuple(
            Rect(x, y, x + self.width, y + self.height)
            for y in (top + row * self.height for row in range(self.rows))
            for x in (left + column * (self.width + self.gap) for column in range(self.columns))
        )


#: By the maker's numbers, which other makers name too. Sizes as printed on the packets.
PAPERS: Final[Mapping[str, LabelPaper]] = {
    "L7160": LabelPaper(63.5, 38.1, 3, 7),
    "L7159": LabelPaper(63.5, 33.9, 3, 8),
    "L7163": LabelPaper(99.1, 38.1, 2, 7),
    "L7162": LabelPaper(99.1, 33.9, 2, 8),
    "L7651": LabelPaper(38.1, 21.2, 5, 13),
    "L4732": LabelPaper(35.6, 16.9, 5, 16),
}


@dataclass(frozen=True, slots=True)
class Stickers:
    """What was written."""

    pdf: Path
    labels: int
    sheets: int
    notes: tuple[str, ...]


def print_stickers(
    roster: Path,
    *,
    output: Path,
    paper: str = "L7160",
    skip: int = 0,
    force: bool = False,
    settings: PrintSettings = PRINT,
) -> Stickers:
    """Write a PDF of labels, one for each student in the order of the class list.

    Parameters
    ----------
    roster : Path
        Class list.
    output : Path
        PDF to write.
    paper : str
        One of `PAPERS`.
    skip : int
        Labels that are missing already on the first sheet.
    force : bool
        Whether a file that is there is written over.

    Raises
    ------
    DefinitionError
        If the class list has faults.
    UsageError, OutputError
        If there is no such paper, or it has fewer labels; if the file is there or cannot be written.
    """
    sheet = PAPERS.get(paper.upper())
    if sheet is None:
        raise UsageError(f"{paper}: no such paper is known. There are {', '.join(PAPERS)}.")
    places = sheet.labels
    if not 0 <= skip < len(places):
        raise UsageError(f"a sheet of {paper} has {len(places)} labels, so {skip} of them cannot be missing.")
    may_be_written({output: ".pdf"}, force=force)
    students = class_list(roster).students
    head, root = preamble(*_A4, "en"), output.resolve().parent
    unnamed = without_letters(students, head, root)
    count = -(-(skip + len(students)) // len(places))
    texts: list[str] = [""] * count
    black: list[tuple[Rect, ...]] = [()] * count
    for place, one in enumerate(students, start=skip):
        number, label = place // len(places), places[place % len(places)]
        texts[number] += text_beside(one, label, settings, named=one.number not in unnamed) + "\n"
        black[number] += code_beside(one, label, settings)[0]
    over = pages("\n#pagebreak()\n".join(texts), head, root)
    write_whole(output, laid_over(None, over, [Sheet(-1, one) for one in black], title="Labels"))
    return Stickers(output, len(students), count, on_unprinted(unnamed))
