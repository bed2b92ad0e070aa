"""Students' pages as a PDF with what was read drawn over them: one page with all points first, then the scans.

Right and wrong differ by shape as well as by colour: a tick, a cross, a dashed outline where a mark is missing. Points stand beside the
page on paper that is added, so nothing is written over what a student wrote. Scans are put under the drawing as their file holds them.
"""

from __future__ import annotations

import functools
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final

import numpy as np
import pikepdf
from numpy.typing import NDArray
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from scangrade.geometry import project
from scangrade.grades.feedback import Feedback
from scangrade.model import Shape
from scangrade.paper.original import Matrix, Original
from scangrade.settings import AnnotateSettings

_POINTS_PER_MM: Final = 72 / 25.4
_REGULAR, _BOLD = "Vera", "VeraBd"
_Colour = tuple[float, float, float]
_INK: Final = (0.13, 0.15, 0.17)
_QUIET: Final = (0.40, 0.43, 0.46)
_LINE: Final = (0.84, 0.83, 0.80)
_RIGHT: Final = (0.05, 0.45, 0.30)
_WRONG: Final = (0.76, 0.15, 0.12)
_SEEN: Final = (0.10, 0.36, 0.62)
_OPEN: Final = (0.68, 0.35, 0.0)
_OPEN_SOFT: Final = (0.99, 0.95, 0.87)
_A4: Final = (210.0, 297.0)


class Seen(StrEnum):
    """What was read in a box."""

    MARKED = "marked"
    UNDONE = "undone"
    OPEN = "open"  #: a person must still decide
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class BoxMark:
    """A box with what is drawn at it; lengths in millimetres of the layout."""

    x_mm: float  #: centre, where it was found
    y_mm: float
    width_mm: float  #: of the outside of its frame
    height_mm: float
    shape: Shape
    seen: Seen
    feedback: Feedback | None  #: None where nothing is right or wrong, as with digits


@dataclass(frozen=True, slots=True)
class Note:
    """Points of one question, beside its page."""

    question: str
    points: str  #: such as "3", or "1 to 3" while they are open
    most: str
    share: float | None  #: of the most, 0 to 1; None while they are open
    y_mm: float  #: where its answer is


@dataclass(frozen=True, slots=True, eq=False)
class AnnotatedPage:
    """One page of a booklet."""

    number: int
    width_mm: float
    height_mm: float
    to_pixels: NDArray[np.float64]  #: (3, 3) homography from millimetres of the layout to pixels of the page image
    marks: tuple[BoxMark, ...]
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One question on the first page."""

    question: str
    points: str
    most: str
    share: float | None
    marked: str  #: in words
    right: str  #: in words, "" where it is not told


@dataclass(frozen=True, slots=True)
class Summary:
    """What stands on the first page, and above every other one."""

    title: str  #: of the exam
    who: tuple[str, ...]  #: lines that say whose booklet it is; none where nobody shall be named
    booklet: str
    version: str
    points: str
    most: str
    provisional: str  #: why points are not final, in words; "" where they are
    rows: tuple[Row, ...]
    parts: tuple[tuple[str, str, str], ...]  #: title, points, most
    remarks: tuple[str, ...]  #: what else the student should know, such as a page that is missing
    with_key: bool


class Overlay:
    """Makes the PDF of one booklet.

    Parameters
    ----------
    summary : Summary
    pages : sequence of AnnotatedPage
    settings : AnnotateSettings
    """

    def __init__(self, summary: Summary, pages: Sequence[AnnotatedPage], settings: AnnotateSettings) -> None:
        self._summary = summary
        self._pages = tuple(pages)
        self._settings = settings
        self._first_page = 0
        self.pdf = pikepdf.open(io.BytesIO(self._drawn()))

    def lay_under(self, place: int, original: Original) -> None:
        """Put a scan under the page with this place among those given, upright and straight, and cut to the form's page."""
        page, onto = self._pages[place], self.pdf.pages[self._first_page + place]
        name = onto.add_resource(original.drawn, pikepdf.Name.XObject, pikepdf.Name("/Scan"))
        matrix = self._placing(page) @ original.to_pixels
        numbers = " ".join(f"{value:.6f}" for value in (*matrix[:2, 0], *matrix[:2, 1], *matrix[:2, 2]))
        width, height = page.width_mm * _POINTS_PER_MM, page.height_mm * _POINTS_PER_MM
        under = f"q 0 0 {width:.3f} {height:.3f} re W n 0 g {numbers} cm {name} Do Q\n"
        onto.contents_add(under.encode("ascii"), prepend=True)

    def finished(self) -> bytes:
        """The file; whatever was laid under must still be open."""
        title = " - ".join([self._summary.title, *self._summary.who[:1], f"booklet {self._summary.booklet}"])
        with self.pdf.open_metadata(set_pikepdf_as_editor=False) as metadata:
            metadata["dc:title"] = title
        self.pdf.docinfo["/Title"] = title
        out = io.BytesIO()
        self.pdf.save(out, deterministic_id=True)
        self.pdf.close()
        return out.getvalue()

    # ----------------------------------------------------------------- geometry

    def _placing(self, page: AnnotatedPage) -> Matrix:
        """From pixels of the scan to the PDF's points: the straightest way to lay a picture under the form's millimetres."""
        corners = [(0, 0), (page.width_mm, 0), (page.width_mm, page.height_mm), (0, page.height_mm)]
        pixels = project(page.to_pixels, corners)
        known = np.column_stack([pixels, np.ones(4)])
        solved, *_ = np.linalg.lstsq(known, np.asarray(corners, dtype=np.float64), rcond=None)
        to_mm = np.vstack([solved.T, [0, 0, 1]])
        k = _POINTS_PER_MM
        made: Matrix = np.array([[k, 0, 0], [0, -k, page.height_mm * k], [0, 0, 1]]) @ to_mm
        return made

    def _corners(self, page: AnnotatedPage, mark: BoxMark, beyond_mm: float) -> NDArray[np.float64]:
        """Corners of a box' outline in points, from its top left clockwise, exactly where the scan shows them."""
        across, down = mark.width_mm / 2 + beyond_mm, mark.height_mm / 2 + beyond_mm
        points = [(mark.x_mm + x * across, mark.y_mm + y * down) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
        return project(self._placing(page) @ page.to_pixels, points)

    # ----------------------------------------------------------------- drawing

    def _drawn(self) -> bytes:
        _letters()
        out = io.BytesIO()
        canvas = Canvas(out, pageCompression=1, invariant=1)
        self._first_page = _Front(canvas, self._summary).draw()
        for page in self._pages:
            self._draw_page(canvas, page)
        canvas.save()
        return out.getvalue()

    def _draw_page(self, canvas: Canvas, page: AnnotatedPage) -> None:
        k, settings = _POINTS_PER_MM, self._settings
        width, height = page.width_mm * k, page.height_mm * k
        whole = (width + settings.margin_mm * k, height + settings.head_mm * k)
        canvas.setPageSize(whole)
        canvas.setStrokeColorRGB(*_LINE)
        canvas.setLineWidth(0.6)
        canvas.line(0, height, whole[0], height)
        canvas.line(width, 0, width, height)
        self._head(canvas, page, height, whole)
        for mark in page.marks:
            self._draw_mark(canvas, page, mark)
        self._draw_notes(canvas, page)
        canvas.showPage()

    def _head(self, canvas: Canvas, page: AnnotatedPage, height: float, whole: tuple[float, float]) -> None:
        summary, k = self._summary, _POINTS_PER_MM
        middle = height + self._settings.head_mm * k / 2
        left = ", ".join([*summary.who[:1], f"booklet {summary.booklet}", f"page {page.number}"])
        _text(canvas, 5 * k, middle - 3, left, 9, _INK, most=whole[0] * 0.55)
        right = f"{summary.points} of {summary.most} points"
        if summary.provisional:
            right = f"PROVISIONAL  {right}"
        _text(canvas, whole[0] - 5 * k, middle - 3.5, right, 10, _OPEN if summary.provisional else _INK, bold=True, anchor=1.0)

    def _draw_mark(self, canvas: Canvas, page: AnnotatedPage, mark: BoxMark) -> None:
        corners = self._corners(page, mark, self._settings.beyond_mm)
        side = float(np.linalg.norm(corners[1] - corners[0]) + np.linalg.norm(corners[3] - corners[0])) / 2
        if mark.seen is Seen.MARKED:
            _outline(canvas, corners, mark.shape, _SEEN, 1.1)
        elif mark.seen is Seen.UNDONE:
            _outline(canvas, corners, mark.shape, _QUIET, 0.9, dash=(0.9, 1.8))
        elif mark.seen is Seen.OPEN:
            _outline(canvas, corners, mark.shape, _OPEN, 1.2, dash=(4, 1.6, 1, 1.6))
        if mark.feedback is Feedback.MISSED:
            outer = self._corners(page, mark, self._settings.beyond_mm + (0.5 if mark.seen is not Seen.NOTHING else 0))
            _outline(canvas, outer, mark.shape, _RIGHT, 1.4, dash=(3.2, 2.2))
        at, size = corners[1], side * self._settings.sign
        if mark.seen is Seen.OPEN:
            _sign(canvas, "?", at, size)
        elif mark.feedback is Feedback.RIGHT:
            _sign(canvas, "tick", at, size)
        elif mark.feedback is Feedback.WRONG:
            _sign(canvas, "cross", at, size)

    def _draw_notes(self, canvas: Canvas, page: AnnotatedPage) -> None:
        """Points beside the page at the height of their answers, moved apart where these lie too close together."""
        k, settings = _POINTS_PER_MM, self._settings
        pitch = min(settings.note_mm, (page.height_mm - 8) / max(1, len(page.notes)))
        pitch = max(pitch, settings.least_note_mm)
        size = min(9.5, pitch * k * 0.62)
        left, right = (page.width_mm + 3) * k, (page.width_mm + settings.margin_mm - 4) * k
        wanted = [one.y_mm for one in page.notes]
        if any(after - before < pitch / 2 for before, after in pairwise(wanted)):
            wanted = [min(wanted)] * len(wanted)  # questions side by side: in their order, as near as can be
        for note, y_mm in zip(page.notes, _apart(wanted, pitch, page.height_mm - 4), strict=True):
            y = (page.height_mm - y_mm) * k - size * 0.36
            colour = _colour_of(note.share)
            _result(canvas, left + size * 0.35, y + size * 0.36, size * 0.8, note.share)
            _text(canvas, left + size * 1.2, y, note.question, size, _QUIET, most=(right - left) * 0.3)
            _text(
                canvas,
                right,
                y,
                f"{note.points} / {note.most}",
                size,
                colour,
                bold=True,
                anchor=1.0,
                most=(right - left) * 0.55,
            )


def _apart(wanted: Sequence[float], pitch: float, bottom: float) -> list[float]:
    """Heights as near to those wanted, which are in order, as a distance between them allows."""
    placed: list[float] = []
    for one in wanted:
        placed.append(max(one, placed[-1] + pitch) if placed else one)
    for place in range(len(placed) - 1, -1, -1):
        limit = bottom if place == len(placed) - 1 else placed[place + 1] - pitch
        placed[place] = min(placed[place], limit)
    return placed


# --------------------------------------------------------------------------- the first page


class _Front:
    """Points of all questions, on as many pages as they take."""

    def __init__(self, canvas: Canvas, summary: Summary) -> None:
        self._canvas = canvas
        self._summary = summary
        self._y = 0.0
        self._pages = 0

    def draw(self) -> int:
        """Draw them; return how many pages they are."""
        summary = self._summary
        self._new_page()
        self._say(summary.title, 16, bold=True, after=2)
        for line in summary.who:
            self._say(line, 11, after=0.5)
        version = f", version {summary.version}" if summary.version else ""
        self._say(f"Booklet {summary.booklet}{version}", 10, colour=_QUIET, after=7)
        colour = _OPEN if summary.provisional else _INK
        self._say(f"{summary.points} of {summary.most} points", 22, bold=True, colour=colour, after=2)
        if summary.provisional:
            self._box(f"PROVISIONAL. {summary.provisional}")
        for line in summary.remarks:
            self._paragraph(line, 10, _INK)
        for title, points, most in summary.parts:
            self._say(f"{title}: {points} of {most}", 10, colour=_QUIET, after=0.5)
        self._y -= 4
        self._heads()
        for row in summary.rows:
            if self._y < 46:
                self._canvas.showPage()
                self._new_page()
                self._heads()
            self._row(row)
        self._legend()
        self._canvas.showPage()
        return self._pages

    def _new_page(self) -> None:
        self._canvas.setPageSize((_A4[0] * _POINTS_PER_MM, _A4[1] * _POINTS_PER_MM))
        self._pages += 1
        self._y = _A4[1] - 22

    def _say(self, text: str, size: float, *, bold: bool = False, colour: _Colour = _INK, after: float) -> None:
        self._y -= size * 0.42
        most = (_A4[0] - 40) * _POINTS_PER_MM
        _text(self._canvas, 20 * _POINTS_PER_MM, self._y * _POINTS_PER_MM, text, size, colour, bold=bold, most=most)
        self._y -= after + 1

    def _paragraph(self, text: str, size: float, colour: _Colour) -> None:
        for line in _wrapped(text, size, (_A4[0] - 46) * _POINTS_PER_MM):
            self._say(line, size, colour=colour, after=0.2)
        self._y -= 1.5

    def _box(self, text: str) -> None:
        k = _POINTS_PER_MM
        lines = _wrapped(text, 9.5, (_A4[0] - 48) * k)
        height = len(lines) * 4.6 + 4
        self._canvas.setFillColorRGB(*_OPEN_SOFT)
        self._canvas.setStrokeColorRGB(*_OPEN)
        self._canvas.setLineWidth(0.8)
        self._canvas.roundRect(20 * k, (self._y - height) * k, (_A4[0] - 40) * k, height * k, 4, stroke=1, fill=1)
        for number, line in enumerate(lines, start=1):
            _text(self._canvas, 24 * k, (self._y - 0.6 - number * 4.6) * k, line, 9.5, _INK)
        self._y -= height + 4

    def _heads(self) -> None:
        k = _POINTS_PER_MM
        self._y -= 5
        for x, text, anchor in self._columns():
            _text(self._canvas, x * k, self._y * k, text, 8.5, _QUIET, anchor=anchor)
        self._y -= 1.6
        self._rule(_QUIET)

    def _columns(self) -> list[tuple[float, str, float]]:
        heads = [(26.0, "Question", 0.0), (72.0, "Points", 1.0), (84.0, "of", 1.0), (92.0, "Marked", 0.0)]
        return [*heads, (124.0, "Right", 0.0)] if self._summary.with_key else heads

    def _row(self, row: Row) -> None:
        k = _POINTS_PER_MM
        self._y -= 4.4
        y = self._y * k
        _result(self._canvas, 22 * k, y + 3, 7.5, row.share)
        wide = 30.0 if self._summary.with_key and row.right else 98.0
        cells = [
            (26.0, row.question, 0.0, _INK, False, 30.0),
            (72.0, row.points, 1.0, _colour_of(row.share), True, 32.0),
            (84.0, row.most, 1.0, _INK, False, 11.0),
            (92.0, row.marked, 0.0, _INK, False, wide),
            *([(124.0, row.right, 0.0, _INK, False, 66.0)] if self._summary.with_key else []),
        ]
        for x, text, anchor, colour, bold, most in cells:
            _text(self._canvas, x * k, y, text, 9.5, colour, bold=bold, anchor=anchor, most=most * k)
        self._y -= 1.7
        self._rule(_LINE)

    def _rule(self, colour: _Colour) -> None:
        k = _POINTS_PER_MM
        self._canvas.setStrokeColorRGB(*colour)
        self._canvas.setLineWidth(0.5)
        self._canvas.line(20 * k, self._y * k, (_A4[0] - 20) * k, self._y * k)

    def _legend(self) -> None:
        """What the signs on the pages mean."""
        k, canvas = _POINTS_PER_MM, self._canvas
        box = np.array([(0.0, 8.0), (8.0, 8.0), (8.0, 0.0), (0.0, 0.0)])
        told = [("read as a mark", _SEEN, (), ""), ("read as taken back", _QUIET, (0.9, 1.8), "")]
        if self._summary.with_key:
            told += [("right", _SEEN, (), "tick"), ("wrong", _SEEN, (), "cross")]
            told.append(("should have been marked", _RIGHT, (3.2, 2.2), ""))
        told.append(("not decided yet", _OPEN, (4, 1.6, 1, 1.6), "?"))
        for number, (words, colour, dash, sign) in enumerate(told):
            x, y = (20 + 58 * (number % 3)) * k, (24 - 8 * (number // 3)) * k
            corners = box + np.array([x, y])
            _outline(canvas, corners, Shape.SQUARE, colour, 1.1, dash=dash)
            if sign:
                _sign(canvas, sign, corners[1], 6.5)
            _text(canvas, x + 16, y + 1, words, 8.5, _QUIET)


# --------------------------------------------------------------------------- strokes


def _outline(
    canvas: Canvas, corners: NDArray[np.float64], shape: Shape, colour: _Colour, width: float, *, dash: Sequence[float] = ()
) -> None:
    """A line around a box, on a pale one so that it shows on dark print as well."""
    path = canvas.beginPath()
    if shape is Shape.CIRCLE:
        middle = corners.mean(axis=0)
        across, down = (corners[1] - corners[0]) / 2, (corners[2] - corners[1]) / 2
        for step in range(33):
            turn = 2 * math.pi * step / 32
            x, y = middle + across * math.cos(turn) + down * math.sin(turn)
            (path.moveTo if step == 0 else path.lineTo)(x, y)
    else:
        path.moveTo(*corners[0])
        for corner in corners[1:]:
            path.lineTo(*corner)
    path.close()
    canvas.saveState()
    canvas.setDash([])
    canvas.setStrokeColorRGB(1, 1, 1)
    canvas.setLineWidth(width + 1)
    canvas.drawPath(path)
    canvas.setDash(list(dash))
    canvas.setStrokeColorRGB(*colour)
    canvas.setLineWidth(width)
    canvas.drawPath(path)
    canvas.restoreState()


_TICK: Final = ((-0.45, 0.02), (-0.12, -0.36), (0.48, 0.46))
_CROSS: Final = (((-0.38, -0.38), (0.38, 0.38)), ((-0.38, 0.38), (0.38, -0.38)))


def _sign(canvas: Canvas, sign: str, at: NDArray[np.float64], size: float) -> None:
    """A tick, a cross or a question mark around a point, with a pale edge."""
    if sign == "?":
        canvas.saveState()
        canvas.setFillColorRGB(1, 1, 1)
        canvas.circle(*at, size * 0.62, stroke=0, fill=1)
        canvas.restoreState()
        _text(canvas, float(at[0]), float(at[1]) - size * 0.42, "?", size * 1.15, _OPEN, bold=True, anchor=0.5)
        return
    strokes = [_TICK] if sign == "tick" else [*_CROSS]
    colour = _RIGHT if sign == "tick" else _WRONG
    canvas.saveState()
    canvas.setLineCap(1)
    canvas.setLineJoin(1)
    for pen, width in (((1.0, 1.0, 1.0), size * 0.42), (colour, size * 0.2)):
        canvas.setStrokeColorRGB(*pen)
        canvas.setLineWidth(width)
        for stroke in strokes:
            path = canvas.beginPath()
            for number, (x, y) in enumerate(stroke):
                (path.lineTo if number else path.moveTo)(at[0] + x * size, at[1] + y * size)
            canvas.drawPath(path)
    canvas.restoreState()


def _result(canvas: Canvas, x: float, y: float, size: float, share: float | None) -> None:
    """What a question's points amount to: a tick for all, a cross for none, a bar for a part, a question mark while they are open."""
    at = np.array([x, y])
    if share is None:
        _sign(canvas, "?", at, size * 0.9)
    elif share >= 1:
        _sign(canvas, "tick", at, size)
    elif share <= 0:
        _sign(canvas, "cross", at, size * 0.9)
    else:
        canvas.saveState()
        canvas.setLineCap(1)
        canvas.setStrokeColorRGB(*_INK)
        canvas.setLineWidth(size * 0.2)
        canvas.line(x - size * 0.35, y, x + size * 0.35, y)
        canvas.restoreState()


def _colour_of(share: float | None) -> _Colour:
    if share is None:
        return _OPEN
    return _RIGHT if share >= 1 else _WRONG if share <= 0 else _INK


# --------------------------------------------------------------------------- letters


@functools.cache
def _letters() -> frozenset[str]:
    """Letters of the fonts that come along, which are registered by the way: those of Western and Central Europe."""
    for name in (_REGULAR, _BOLD):
        pdfmetrics.registerFont(TTFont(name, f"{name}.ttf"))
    return frozenset(map(chr, pdfmetrics.getFont(_REGULAR).face.charToGlyph))


def can_write(text: str) -> bool:
    """Whether the fonts have all letters of a text."""
    return _letters().issuperset(text)


def _text(
    canvas: Canvas,
    x: float,
    y: float,
    text: str,
    size: float,
    colour: _Colour,
    *,
    bold: bool = False,
    anchor: float = 0.0,
    most: float = math.inf,
    whole: bool = False,
) -> None:
    """Write a line, where it would be wider than allowed smaller and then, if it need not stay whole, cut.

    `anchor` is 0 where x is its left end, 1 where it is its right one.
    """
    font = _BOLD if bold else _REGULAR
    shown = text if can_write(text) else "".join(letter if letter in _letters() else "?" for letter in text)
    wide = pdfmetrics.stringWidth(shown, font, size)
    if wide > most:
        size *= most / wide if whole else max(0.7, most / wide)
        while not whole and len(shown) > 1 and pdfmetrics.stringWidth(f"{shown}...", font, size) > most:
            shown = shown[:-1]
            if pdfmetrics.stringWidth(f"{shown}...", font, size) <= most:
                shown = f"{shown}..."
                break
    canvas.setFont(font, size)
    canvas.setFillColorRGB(*colour)
    canvas.drawString(x - anchor * pdfmetrics.stringWidth(shown, font, size), y, shown)


def _wrapped(text: str, size: float, most: float) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and pdfmetrics.stringWidth(longer, _REGULAR, size) > most:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
