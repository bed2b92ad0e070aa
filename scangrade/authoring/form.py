"""Draws a layout as a blank form: the vector PDF that would be printed and handed out.

The demo, the samples, the tests and the benchmarks need forms whose truth is known to the hundredth of a millimetre, so the
form is drawn from the same `Layout` that the grader reads with. Only what a layout says is drawn at its place; everything else
(titles, captions, sentences of no meaning) is put where nothing else stands, so that a page looks like an exam page and the
reader has print around its boxes to cope with. Exam questions proper are none of this module's business.
"""

from __future__ import annotations

import io
import math
import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache
from typing import cast

import numpy as np
import zxingcpp
from numpy.typing import NDArray
from pdf2image import convert_from_bytes
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from scangrade.geometry import MM_PER_INCH
from scangrade.model import (
    Box,
    Fiducial,
    FiducialKind,
    Field,
    FieldKind,
    Layout,
    LayoutPage,
    PageCode,
    PageCodeKind,
    Region,
    Shape,
)

#: Bitstream Vera comes with reportlab and is embedded, so that a form looks the same on every machine.
_REGULAR = "Vera"
_BOLD = "VeraBd"
_MM_PER_POINT = MM_PER_INCH / 72

_INK = (0.0, 0.0, 0.0)
_FRAME = (0.3, 0.3, 0.3)
_COMB_MM = 0.25  # width of a comb's lines
_DROPOUT = {"red": (1.0, 0.45, 0.4), "green": (0.35, 0.8, 0.4), "blue": (0.4, 0.55, 1.0)}

#: A page with more boxes than this is an answer sheet; those carry no sentences.
_SHEET_BOXES = 60

#: Sentences need a line of this length; shorter ones would be squeezed in between.
_LINE_MM = 85.0

#: Below this, a page without boxes and answer frames is left free to write on.
FREE_TOP_MM = 95.0

_WORDS = (
    "lorem", "arbor", "velit", "mundi", "petra", "sonus", "gradus", "tempus", "vestis", "color", "nodus", "ventus",
    "forma", "limes", "radix", "porta", "signum", "campus", "fluctus", "ordo", "ratio", "modus", "silva", "terra",
    "ignis", "umbra", "via", "pons", "mensa", "liber", "charta", "penna", "stella", "vox", "nomen", "pars", "summa",
    "genus", "locus", "causa", "quies", "iter", "manus", "caput", "corpus", "mens", "vis", "lex", "pax", "rex", "dux",
    "fons", "mons", "gens", "ars", "urbs", "nox", "sal", "sol",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Look:
    """How a form's boxes are printed: what a layout does not say, and differs from one system's forms to the next's.

    Gray levels are 0 for black to 1 for white. A dropout colour of the layout replaces those of frames and letters.
    """

    frame: float = 0.0
    letter: float = 0.35  #: of what is printed inside boxes: there, but mostly paler than a pen
    letter_share: float = 0.62  #: size of the letters, as a share of the box' height
    font: str = _REGULAR  #: of the letters inside: one of reportlab's own, or Vera
    shade: float = 1.0  #: of the box' inside
    ground: float = 1.0  #: of the area around the boxes of a field


_PLAIN = Look()


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle of a page in mm from its top left corner; `right` and `bottom` lie outside."""

    left: float
    top: float
    right: float
    bottom: float

    def grown(self, by: float) -> Rect:
        """The rectangle with a margin of `by` mm added on every side."""
        return Rect(self.left - by, self.top - by, self.right + by, self.bottom + by)

    def overlaps(self, other: Rect) -> bool:
        """Whether the two share more than an edge."""
        return self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom


def draw_booklet(
    layout: Layout, *, copy: str = "", seed: int = 0, points: Mapping[str, Fraction] | None = None, look: Look = _PLAIN
) -> bytes:
    """Draw the blank booklet of a layout.

    Parameters
    ----------
    layout : Layout
    copy : str
        Number of the booklet, for the page codes that hold one.
    seed : int
        Chooses the sentences; the same input gives the same bytes.
    points : mapping of question id to Fraction, optional
        Points to print beside the question ids.
    look : Look
        How boxes are printed.

    Returns
    -------
    bytes
        A PDF with one page per page of the layout, lines and letters as vectors, fonts embedded.
    """
    for name in (_REGULAR, _BOLD):
        pdfmetrics.registerFont(TTFont(name, f"{name}.ttf"))
    buffer = io.BytesIO()
    canvas = Canvas(buffer, invariant=1, pageCompression=1)
    canvas.setTitle(layout.title)
    canvas.setCreator("scangrade")
    for page in layout.pages:
        canvas.setPageSize((page.width_mm * mm, page.height_mm * mm))
        _Sheet(canvas, layout, page, random.Random(f"{seed}/{page.number}"), points or {}, look).draw(copy)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def draw_blank(layout: Layout, *, seed: int = 0, look: Look = _PLAIN) -> bytes:
    """Draw the booklet without page codes, bits included: what all copies have in common, as a registration reference."""
    return draw_booklet(_without_code(layout), seed=seed, look=look)


def rasterise_blank(
    layout: Layout, *, dpi: float, seed: int = 0, points: Mapping[str, Fraction] | None = None, look: Look = _PLAIN
) -> tuple[NDArray[np.uint8], ...]:
    """The booklet without page codes as pictures; `stamp_code` adds a copy's codes without rasterising anew.

    Returns
    -------
    tuple of (H, W) uint8 arrays
        One per page, gray; (H, W, 3) RGB where the layout prints in a dropout colour.
    """
    data = draw_booklet(_without_code(layout), seed=seed, points=points, look=look)
    # pdf2image passes the resolution on as text, so parts of a dot are fine, whatever its signature says
    images = convert_from_bytes(data, dpi=cast(int, dpi), grayscale=not layout.dropout)
    return tuple(np.array(image, dtype=np.uint8) for image in images)


def code_rectangles(layout: Layout, page: int, copy: str = "") -> tuple[Rect, ...]:
    """The black rectangles of a page's code: modules of a barcode, or the insides of the boxes that stand for 1.

    Raises
    ------
    ValueError
        If the layout has bits but no pattern for this page, or a region too small for a code.
    """
    code = layout.page_code
    if code is None:
        return ()
    if code.kind is PageCodeKind.BITS:
        if page not in code.patterns:
            raise ValueError(f"layout {layout.name}: no bits pattern for page {page}")
        return tuple(
            Rect(
                bit.x_mm - bit.width_mm / 2,
                bit.y_mm - bit.height_mm / 2,
                bit.x_mm + bit.width_mm / 2,
                bit.y_mm + bit.height_mm / 2,
            )
            for bit, on in zip(code.bits, code.patterns[page], strict=True)
            if on == "1"
        )
    return _barcode_rectangles(code, code_text(code, layout, page, copy))


def code_text(code: PageCode, layout: Layout, page: int, copy: str = "") -> str:
    """What the barcode of a page says."""
    return code.content.replace("{exam}", code.exam or layout.name).replace("{copy}", copy).replace("{page}", str(page))


def barcode_modules(text: str, kind: str = "DataMatrix") -> NDArray[np.bool_]:
    """Modules of a barcode without quiet zone, True for black; a linear code has one row."""
    square = {"force_square": True} if kind == "DataMatrix" else {}
    barcode = zxingcpp.create_barcode(text, zxingcpp.barcode_format_from_str(kind), **square)
    image = np.asarray(barcode.to_image(scale=1, add_hrt=False, add_quiet_zones=False)) == 0
    return np.asarray(image[:1] if kind == "Code128" else image, dtype=np.bool_)


def barcode_kind(code: PageCode) -> str:
    """Which barcode a region's shape asks for: a strip at least three times as wide as high holds a linear one."""
    region = code.region
    return "Code128" if region is not None and region.width_mm >= 3 * region.height_mm else "DataMatrix"


def runs(modules: NDArray[np.bool_]) -> Iterator[tuple[int, int, int]]:
    """Row, first column and end column of each horizontal run of black modules."""
    for row, line in enumerate(modules):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], line.astype(np.int8), [0]])))
        for first, end in zip(edges[::2], edges[1::2], strict=True):
            yield row, int(first), int(end)


def region_rect(region: Region) -> Rect:
    """The rectangle of a region."""
    return Rect(*region.edges)


def frame_rect(box: Box) -> Rect:
    """The rectangle around a box' printed frame."""
    half_width, half_height = box.width_mm / 2 + box.frame_mm, box.height_mm / 2 + box.frame_mm
    return Rect(box.x_mm - half_width, box.y_mm - half_height, box.x_mm + half_width, box.y_mm + half_height)


def fiducial_polygons(fiducial: Fiducial) -> tuple[tuple[tuple[float, float], ...], ...]:
    """Outlines in mm of a fiducial made of straight edges; () for the round ones."""
    x, y, size, line = fiducial.x_mm, fiducial.y_mm, fiducial.size_mm, fiducial.line_mm
    match fiducial.kind:
        case FiducialKind.SQUARE:
            return (_box_outline(x - size / 2, y - size / 2, size, size),)
        case FiducialKind.PLUS:
            return (
                _box_outline(x - size / 2, y - line / 2, size, line),
                _box_outline(x - line / 2, y - size / 2, line, size),
            )
        case FiducialKind.CORNER:
            shape = ((0.0, 0.0), (size, 0.0), (size, line), (line, line), (line, size), (0.0, size))
            turn = math.radians(fiducial.turn_deg)
            cos, sin = round(math.cos(turn)), round(math.sin(turn))
            # y runs down, so this matrix turns clockwise
            return (tuple((x + cos * dx - sin * dy, y + sin * dx + cos * dy) for dx, dy in shape),)
        case FiducialKind.CIRCLE | FiducialKind.RING:
            return ()


def _box_outline(left: float, top: float, width: float, height: float) -> tuple[tuple[float, float], ...]:
    return ((left, top), (left + width, top), (left + width, top + height), (left, top + height))


def _without_code(layout: Layout) -> Layout:
    code = layout.page_code
    if code is None:
        return layout
    if code.kind is PageCodeKind.BARCODE:
        return replace(layout, page_code=None)
    return replace(layout, page_code=replace(code, patterns={page.number: "0" * len(code.bits) for page in layout.pages}))


@lru_cache(maxsize=64)
def _encoded(text: str, kind: str) -> tuple[tuple[tuple[int, int, int], ...], int, int]:
    modules = barcode_modules(text, kind)
    return tuple(runs(modules)), modules.shape[0], modules.shape[1]


def _barcode_rectangles(code: PageCode, text: str) -> tuple[Rect, ...]:
    region = code.region
    if region is None:
        raise ValueError("a barcode page code needs a region")
    kind = barcode_kind(code)
    black, rows, columns = _encoded(text, kind)
    if kind == "Code128":
        module = region.width_mm / (columns + 20)  # ten modules of quiet zone on either side, as the symbology asks
        height = region.height_mm * 0.7
    else:
        module = min(0.8, min(region.width_mm, region.height_mm) / (max(rows, columns) + 4))
        height = module
    left = region.x_mm + (region.width_mm - module * columns) / 2
    top = region.y_mm + (region.height_mm - height * rows) / 2
    return tuple(
        Rect(left + first * module, top + row * height, left + end * module, top + (row + 1) * height)
        for row, first, end in black
    )


def _caption(one: Field) -> str:
    if one.kind is FieldKind.STICKER:
        return "Put your sticker here"
    if one.role == "student_number":
        return "Student number"
    return "Surname, first name" if one.id == "name" else one.id.replace("_", " ").capitalize()


@dataclass(slots=True)
class _Sheet:
    """Draws one page; `taken` is where nothing more may be put."""

    canvas: Canvas
    layout: Layout
    page: LayoutPage
    random: random.Random
    points: Mapping[str, Fraction]
    look: Look
    taken: list[Rect] = field(default_factory=list)
    reserved: list[Rect] = field(default_factory=list)  #: where labels may stand, but no sentences

    def draw(self, copy: str) -> None:
        fields = [one for one in self.layout.fields if one.page == self.page.number]
        boxes = self.layout.boxes(self.page.number)
        for fiducial in self.page.fiducials:
            self._fiducial(fiducial)
        self._code(copy)
        if self.look.ground < 1:
            for one in fields:
                self._ground(one)
        for box in boxes:
            self._box(box)
        questions = {one.question for one in fields if one.boxes}
        for one in fields:
            self._region(one, questions)
        for one in fields:
            if one.boxes:
                self._labels(one, boxes)
        self._title()
        if len(boxes) <= _SHEET_BOXES:
            self._sentences(boxes)

    # -- what the layout says

    def _fiducial(self, fiducial: Fiducial) -> None:
        self._colour(_INK)
        outlines = fiducial_polygons(fiducial)
        for outline in outlines:
            self._polygon(outline)
        if not outlines:
            x, y, radius = fiducial.x_mm, fiducial.y_mm, fiducial.size_mm / 2
            if fiducial.kind is FiducialKind.RING:
                self._circle(x, y, radius - fiducial.line_mm / 2, radius - fiducial.line_mm / 2, line=fiducial.line_mm)
            else:
                self._circle(x, y, radius, radius, line=None)
        reach = fiducial.size_mm if fiducial.kind is FiducialKind.CORNER else fiducial.size_mm / 2
        self.taken.append(
            Rect(fiducial.x_mm - reach, fiducial.y_mm - reach, fiducial.x_mm + reach, fiducial.y_mm + reach).grown(2.0)
        )

    def _code(self, copy: str) -> None:
        code = self.layout.page_code
        if code is None:
            return
        self._colour(_INK)
        for rect in code_rectangles(self.layout, self.page.number, copy):
            self._polygon(_box_outline(rect.left, rect.top, rect.right - rect.left, rect.bottom - rect.top))
        for bit in code.bits:
            self._frame(bit)
        if code.region is not None:
            region = code.region
            self.taken.append(region_rect(region).grown(1.0))

    def _ground(self, one: Field) -> None:
        rects = [frame_rect(box) for box in one.boxes]
        if rects:
            self._colour((self.look.ground,) * 3)
            left, top = min(rect.left for rect in rects) - 2.5, min(rect.top for rect in rects) - 1.5
            right, bottom = max(rect.right for rect in rects) + 2.5, max(rect.bottom for rect in rects) + 1.5
            self._polygon(_box_outline(left, top, right - left, bottom - top))

    def _box(self, box: Box) -> None:
        look = self.look
        if look.shade < 1 or look.ground < 1:
            self._colour((look.shade,) * 3)
            if box.shape is Shape.CIRCLE:
                self._circle(box.x_mm, box.y_mm, box.width_mm / 2, box.height_mm / 2, line=None)
            else:
                left, top = box.x_mm - box.width_mm / 2, box.y_mm - box.height_mm / 2
                self._polygon(_box_outline(left, top, box.width_mm, box.height_mm))
        self._colour(_DROPOUT.get(self.layout.dropout, (look.frame,) * 3))
        self._frame(box)
        if box.printed:
            self._colour(_DROPOUT.get(self.layout.dropout, (look.letter,) * 3))
            share = look.letter_share
            size = min(box.height_mm * share, box.width_mm * 0.9 / max(1, len(box.printed)) * 1.3) / _MM_PER_POINT
            width = pdfmetrics.stringWidth(box.printed, look.font, size) * _MM_PER_POINT
            self._text(box.x_mm - width / 2, box.y_mm + size * _MM_PER_POINT * 0.365, box.printed, size, look.font)

    def _frame(self, box: Box) -> None:
        self.taken.append(frame_rect(box).grown(0.6))
        if box.frame_mm <= 0:
            return
        width, height, line = box.width_mm + box.frame_mm, box.height_mm + box.frame_mm, box.frame_mm
        if box.shape is Shape.CIRCLE:
            self._circle(box.x_mm, box.y_mm, width / 2, height / 2, line=line)
        else:
            self._rectangle(
                Rect(box.x_mm - width / 2, box.y_mm - height / 2, box.x_mm + width / 2, box.y_mm + height / 2), line
            )

    def _region(self, one: Field, questions: Collection[str]) -> None:
        region = one.region
        if region is None:
            return
        rect = region_rect(region)
        if one.cells:
            self._cells(one, rect)
            return
        self._colour(_FRAME)
        self._rectangle(rect, 0.25)
        self._colour(_INK)
        if one.role != "answer":
            caption = _caption(one)
            if pdfmetrics.stringWidth(caption, _REGULAR, 6.5) * _MM_PER_POINT < region.width_mm - 2:
                self._text(rect.left + 1.2, rect.top + 3.0, caption, 6.5)
        elif one.question not in questions:
            self._put_text(rect.left, rect.top - 1.6, self._heading(one.question), 8.5, _BOLD)
        self.taken.append(rect.grown(1.5))

    def _cells(self, one: Field, rect: Rect) -> None:
        """A frame around each cell; where they have none, a comb: a line below, and short strokes up between the digits."""
        self._colour(_FRAME)
        for cell in one.cells:
            self._frame(cell)
            if cell.frame_mm == 0:
                around = frame_rect(cell)
                self._polygon(_box_outline(around.left, around.bottom, around.right - around.left, _COMB_MM))
                for x in (around.left, around.right):
                    self._polygon(
                        _box_outline(x - _COMB_MM / 2, around.bottom - 0.3 * cell.height_mm, _COMB_MM, 0.3 * cell.height_mm)
                    )
        self._colour(_INK)
        caption = _caption(one)
        size = 6.5
        width = pdfmetrics.stringWidth(caption, _REGULAR, size) * _MM_PER_POINT
        if not self._put_text(rect.left, rect.top - 2.0, caption, size):
            self._put_text(rect.left - width - 2.0, rect.bottom - 2.0, caption, size)
        self.taken.append(rect.grown(1.5))

    # -- what is put where there is room

    def _heading(self, question: str) -> str:
        points = self.points.get(question)
        if points is None:
            return question
        return f"{question} ({float(points):g} point{'' if points == 1 else 's'})"

    def _labels(self, one: Field, boxes: Sequence[Box]) -> None:
        first = one.boxes[0]
        frame = frame_rect(first)
        upright = len(one.boxes) > 1 and abs(one.boxes[1].y_mm - first.y_mm) > abs(one.boxes[1].x_mm - first.x_mm)
        self._colour(_INK)
        if one.kind is FieldKind.DIGIT:
            if one.place == 1:
                for box in one.boxes:
                    if not box.printed:
                        self._left_of(box, box.value, 7.5)
            return
        for index, box in enumerate(one.boxes):
            if box.printed:
                continue
            if upright:
                self._beside(box, box.value, sentence=one.kind is FieldKind.CHOICE and len(boxes) <= _SHEET_BOXES)
            elif not self._headed(box, boxes) and not self._above(box, box.value) and index > 0:
                self._left_of(box, box.value, 6.5)
        name = one.question or one.id
        heading = self._heading(name) if len(boxes) <= _SHEET_BOXES or one.kind is FieldKind.CREDIT else name
        if one.kind is FieldKind.VERSION:
            heading = "Version"
        if one.kind is FieldKind.CREDIT and one.correction > 1:
            return
        if one.kind in (FieldKind.CHOICE, FieldKind.CREDIT) and len(boxes) <= _SHEET_BOXES:
            # no sentence runs on beside the heading of a question, nor behind a row of boxes
            strip = Rect(max(box.x_mm for box in one.boxes) + 2, frame.top - 4.8, self.page.width_mm - 15, frame.top + 1)
            self.reserved.append(strip if upright else replace(strip, bottom=frame.bottom + 2))
        if upright and self._put_text(frame.left, frame.top - 1.6, heading, 8.5, _BOLD):
            return
        width = pdfmetrics.stringWidth(heading, _BOLD, 8.5) * _MM_PER_POINT
        if not self._put_text(frame.left - width - 2.0, first.y_mm + 1.1, heading, 8.5, _BOLD):
            self._put_text(frame.left, frame.top - 4.2, heading, 8.5, _BOLD)

    @staticmethod
    def _headed(box: Box, boxes: Sequence[Box]) -> bool:
        """Whether a box of the same value stands close above, so that its letter heads this one too."""
        return any(
            other.value == box.value and abs(other.x_mm - box.x_mm) < 1.0 and 0 < box.y_mm - other.y_mm < 2 * box.height_mm
            for other in boxes
        )

    def _above(self, box: Box, text: str) -> bool:
        frame = frame_rect(box)
        width = pdfmetrics.stringWidth(text, _REGULAR, 6.5) * _MM_PER_POINT
        return self._put_text(box.x_mm - width / 2, frame.top - 1.3, text, 6.5)

    def _left_of(self, box: Box, text: str, size: float) -> None:
        width = pdfmetrics.stringWidth(text, _REGULAR, size) * _MM_PER_POINT
        self._put_text(frame_rect(box).left - width - 0.9, box.y_mm + size * _MM_PER_POINT * 0.36, text, size)

    def _beside(self, box: Box, text: str, *, sentence: bool) -> None:
        x, y = frame_rect(box).right + 1.4, box.y_mm + 1.1
        if not self._put_text(x, y, text, 8) or not sentence:
            return
        room = self._free(y - 3.2, y + 1.2, x + 4.5, self.page.width_mm - 15.0)
        if room and room[0][0] < x + 5.5:
            self._line(x + 5.0, y, min(room[0][1], x + self.random.uniform(60, 140)), 8.5, last=True)
            # the rest of the line stays white, as it does in a list of alternatives
            self.reserved.append(Rect(x, y - 4.5, room[0][1], y + 3.0))

    def _title(self) -> None:
        self._colour(_INK)
        self._put_text(
            self.page.width_mm / 2 - 4, self.page.height_mm - 8, f"{self.page.number} / {len(self.layout.pages)}", 8
        )
        size = 13 if self.page.number == 1 else 11
        for y in (12.0, 17.0, 22.0, 27.0):
            for x in (28.0, 45.0, 60.0):
                if self._put_text(x, y, self.layout.title, size, _BOLD):
                    return

    def _sentences(self, boxes: Sequence[Box]) -> None:
        """Fill what is left with short paragraphs; a page for answers has them only at its top."""
        self._colour(_INK)
        y, bottom = 32.0, self.page.height_mm - 22.0
        if not boxes:
            bottom = min(bottom, FREE_TOP_MM - 5)
        lines = 0
        while y < bottom:
            if lines == 0:
                lines = self.random.randint(2, 5)
                y += self.random.uniform(2.0, 14.0)
            lines -= 1
            room = self._free(y - 3.6, y + 1.6, 20.0, self.page.width_mm - 20.0)
            left, right = max(room, key=lambda one: one[1] - one[0], default=(0.0, 0.0))
            if right - left > _LINE_MM:
                self._line(left + 1.0, y, right - 1.0, 9, last=lines == 0)
            y += 4.6

    def _line(self, x: float, y: float, right: float, size: float, *, last: bool) -> None:
        words: list[str] = []
        room = right - x if not last else (right - x) * self.random.uniform(0.4, 0.95)
        while True:
            word = self.random.choice(_WORDS)
            candidate = " ".join([*words, word if words else word.capitalize()])
            if pdfmetrics.stringWidth(candidate + ".", _REGULAR, size) * _MM_PER_POINT > room:
                break
            words = candidate.split(" ")
        if words:
            self._put_text(x, y, " ".join(words) + ("." if last else ""), size)

    def _free(self, top: float, bottom: float, left: float, right: float) -> list[tuple[float, float]]:
        """Stretches of a strip where nothing stands, from left to right."""
        blocks = sorted((one.left, one.right) for one in self.taken + self.reserved if one.top < bottom and top < one.bottom)
        out: list[tuple[float, float]] = []
        x = left
        for start, end in blocks:
            if start > x:
                out.append((x, min(start, right)))
            x = max(x, end)
            if x >= right:
                return out
        out.append((x, right))
        return out

    # -- ink

    def _put_text(self, x: float, baseline: float, text: str, size: float, font: str = _REGULAR) -> bool:
        """Write where there is room; says whether there was."""
        height = size * _MM_PER_POINT
        width = pdfmetrics.stringWidth(text, font, size) * _MM_PER_POINT
        rect = Rect(x, baseline - 0.76 * height, x + width, baseline + 0.24 * height)
        inside = rect.left >= 4 and rect.right <= self.page.width_mm - 4 and rect.top >= 4
        if not inside or any(rect.overlaps(one) for one in self.taken):
            return False
        self._text(x, baseline, text, size, font)
        self.taken.append(rect)
        return True

    def _text(self, x: float, baseline: float, text: str, size: float, font: str = _REGULAR) -> None:
        self.canvas.setFont(font, size)
        self.canvas.drawString(x * mm, (self.page.height_mm - baseline) * mm, text)

    def _colour(self, rgb: tuple[float, float, float]) -> None:
        self.canvas.setFillColorRGB(*rgb)
        self.canvas.setStrokeColorRGB(*rgb)

    def _polygon(self, outline: Sequence[tuple[float, float]]) -> None:
        path = self.canvas.beginPath()
        for index, (x, y) in enumerate(outline):
            (path.moveTo if index == 0 else path.lineTo)(x * mm, (self.page.height_mm - y) * mm)
        path.close()
        self.canvas.drawPath(path, stroke=0, fill=1)

    def _rectangle(self, rect: Rect, line: float) -> None:
        self.canvas.setLineWidth(line * mm)
        height = (rect.bottom - rect.top) * mm
        self.canvas.rect(rect.left * mm, (self.page.height_mm - rect.bottom) * mm, (rect.right - rect.left) * mm, height)

    def _circle(self, x: float, y: float, radius_x: float, radius_y: float, *, line: float | None) -> None:
        middle = self.page.height_mm - y
        if line is not None:
            self.canvas.setLineWidth(line * mm)
        self.canvas.ellipse(
            (x - radius_x) * mm,
            (middle - radius_y) * mm,
            (x + radius_x) * mm,
            (middle + radius_y) * mm,
            stroke=int(line is not None),
            fill=int(line is None),
        )
