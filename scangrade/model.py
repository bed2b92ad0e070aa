"""The vocabulary: frozen records that travel between the stages.

Every stage takes some of these records and gives back others; none of them touches a file, a clock or the network. Lengths are
millimetres from the page's top left corner (x to the right, y down), angles are degrees clockwise, points are exact
`fractions.Fraction`. A box or a fiducial is placed by its centre, a region by its top left corner.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

# --------------------------------------------------------------------------- layout


class Convention(StrEnum):
    """What a cross and a complete fill mean on a form."""

    FILL_WINS = "fill-wins"  #: fills are marks; crosses count only where the question holds no fill (ANS)
    CROSS = "cross"  #: any mark selects; a completely filled box is an undone cross (TUMexam, NOPS)
    ANY = "any"  #: a cross and a fill both select (AMC)
    FILL = "fill"  #: only fills select; a cross is an incomplete mark and doubtful (bubble sheets)


class FieldKind(StrEnum):
    """What a field is for."""

    CHOICE = "choice"  #: alternatives of a question
    DIGIT = "digit"  #: one column of a digit grid
    CREDIT = "credit"  #: a grader's points for an open question: 0, 1, 2, ... and half points
    VERSION = "version"  #: which version of the exam this booklet is
    STICKER = "sticker"  #: where a label with a code is pasted
    HANDWRITTEN = "handwritten"  #: a number written by hand, a digit in each cell
    TEXT = "text"  #: handwriting: a name, a number, an answer


class Shape(StrEnum):
    """Outline of a box."""

    SQUARE = "square"
    CIRCLE = "circle"


class FiducialKind(StrEnum):
    """Registration mark printed on the form."""

    SQUARE = "square"  #: filled square
    CIRCLE = "circle"  #: filled disc
    RING = "ring"  #: circle line
    CORNER = "corner"  #: two arms that meet in a right angle (an L); placed by the outer corner of the angle
    PLUS = "plus"  #: two crossing arms


class PageCodeKind(StrEnum):
    """How a page says which one it is."""

    BARCODE = "barcode"  #: DataMatrix, QR or Code 128
    BITS = "bits"  #: a row of printed boxes, filled for 1


@dataclass(frozen=True, slots=True)
class Box:
    """One place to mark. `width_mm` and `height_mm` are the clear inside of the printed frame."""

    field: str
    value: str  #: "A", "7", "2H": unique within its field
    page: int
    x_mm: float  #: centre
    y_mm: float  #: centre
    width_mm: float
    height_mm: float
    frame_mm: float  #: width of the printed rule around the inside; 0 where none is printed
    shape: Shape = Shape.SQUARE
    printed: str = ""  #: what the form prints inside the box, "" for nothing

    def __post_init__(self) -> None:
        if self.width_mm <= 0 or self.height_mm <= 0 or self.frame_mm < 0:
            raise ValueError(f"box {self.field}/{self.value}: {self.width_mm} x {self.height_mm} mm, frame {self.frame_mm} mm")

    @property
    def key(self) -> str:
        """Name that is unique in a layout."""
        return f"{self.field}/{self.value}"


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of a page, placed by its top left corner."""

    page: int
    x_mm: float
    y_mm: float
    width_mm: float
    height_mm: float

    @property
    def edges(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom, in mm."""
        return self.x_mm, self.y_mm, self.x_mm + self.width_mm, self.y_mm + self.height_mm


@dataclass(frozen=True, slots=True)
class Field:
    """A group of boxes read together, or a region that holds writing or a sticker."""

    id: str
    kind: FieldKind
    page: int
    boxes: tuple[Box, ...] = ()
    region: Region | None = None
    question: str = ""  #: id of the rubric's question that this field answers (choice, credit, text)
    many: bool = False  #: choice: more than one box may be marked
    group: str = ""  #: digit: the grid that this column belongs to
    place: int = 0  #: digit: the column's place in the number, 1 is the leftmost
    correction: int = 1  #: credit: 1 first, 2 second correction
    role: str = ""  #: digit, handwritten and text: "student_number", "name", ""
    cells: tuple[Box, ...] = ()  #: handwritten: places of the digits, leftmost first; nothing is marked in them


@dataclass(frozen=True, slots=True)
class Fiducial:
    """A registration mark, placed by its centre (`CORNER`: by the outer corner of its right angle)."""

    kind: FiducialKind
    x_mm: float
    y_mm: float
    size_mm: float  #: side of the square, outer diameter, full length of a plus' arms or of a corner's arm
    line_mm: float = 0.0  #: stroke width of ring, corner and plus
    turn_deg: int = 0  #: corner: 0 has its arms to the right and down (a top left corner), then clockwise 90, 180, 270


@dataclass(frozen=True, slots=True)
class PageCode:
    """Where a page says which one it is, and how to read that.

    A barcode's text is matched with `content`, literal text with the placeholders ``{exam}``, ``{copy}`` and ``{page}``.
    Bits are matched with `patterns`, page number to a string of 0 and 1 in the order of `bits`; all of them are read together,
    so a page of another form matches none.
    """

    kind: PageCodeKind
    region: Region | None = None  #: barcode; `page` is 0: the same place on every page
    content: str = ""
    exam: str = ""  #: what ``{exam}`` must be; "" accepts any
    bits: tuple[Box, ...] = ()
    patterns: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LayoutPage:
    """One page of a booklet."""

    number: int  #: from 1
    width_mm: float
    height_mm: float
    fiducials: tuple[Fiducial, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """The definition of a form."""

    name: str
    title: str
    convention: Convention
    pages: tuple[LayoutPage, ...]
    fields: tuple[Field, ...]
    page_code: PageCode | None = None
    reference: Path | None = None  #: blank form, PDF or image, one page per page of the booklet
    dropout: str = ""  #: "red", "green" or "blue": print and ink of this colour is not seen; "" sees every colour

    def page(self, number: int) -> LayoutPage:
        """The page with this number, counted from 1."""
        return self.pages[number - 1]

    def field(self, field_id: str) -> Field:
        """The field with this id; KeyError where there is none."""
        for one in self.fields:
            if one.id == field_id:
                return one
        raise KeyError(field_id)

    def boxes(self, page: int) -> tuple[Box, ...]:
        """Boxes of a page in layout order: the order in which a page's readings are stored."""
        return tuple(box for one in self.fields for box in one.boxes if box.page == page)

    def cells(self, page: int) -> tuple[Box, ...]:
        """Cells for handwritten digits of a page in layout order: the order in which their pictures are stored."""
        return tuple(cell for one in self.fields for cell in one.cells if cell.page == page)


# --------------------------------------------------------------------------- rubric

#: Alternatives that are right together; several of them where either is right.
Keys = tuple[frozenset[str], ...]


class Policy(StrEnum):
    """How marks become points."""

    ALL_OR_NOTHING = "all-or-nothing"
    PER_ALTERNATIVE = "per-alternative"
    SINGLE = "single"
    PER_BOX = "per-box"  #: every box in its right state earns its share (AMC)
    ONE_DEVIATION_HALF = "one-deviation-half"  #: half the points where one box is wrong
    NO_OVER_SELECTION = "no-over-selection"  #: a share per right mark, nothing where more are marked than are right
    R_EXAMS = "r-exams"  #: the rules of R/exams
    MOODLE = "moodle"  #: the sum of fractions, between 0 and 1
    QTI = "qti"  #: the sum of mapped points, with a default and bounds
    CREDIT = "credit"  #: points marked by the grader in a credit column
    OPEN = "open"  #: points given by a person outside the boxes


class Void(StrEnum):
    """What becomes of a question that does not count."""

    FULL = "full"  #: everybody has its points
    OUT = "out"  #: nobody has points for it, and it is taken out of the maximum


class RExamsRule(StrEnum):
    """What a wrong mark costs with partial credit in R/exams, of nc right and nw wrong alternatives."""

    FALSE2 = "false2"  #: 1/max(nw, 2)
    FALSE = "false"  #: 1/nw
    TRUE = "true"  #: 1/nc
    ALL = "all"  #: everything
    NONE = "none"  #: nothing


@dataclass(frozen=True, slots=True)
class Criterion:
    """Something that an open answer is looked at for: its points are added once, or taken off where they are below 0."""

    id: str
    text: str
    points: Fraction


@dataclass(frozen=True, slots=True)
class Question:
    """How one question is scored."""

    id: str
    policy: Policy
    points: Fraction  #: maximum
    keys: Mapping[str, Keys] = field(default_factory=dict)  #: by version; "" where there are no versions
    values: Mapping[str, Mapping[str, Fraction]] = field(
        default_factory=dict
    )  #: per-alternative, moodle (fractions of `points`), qti: by version, then alternative
    floor: Fraction | None = None  #: least points of the question, None for no floor
    cap: Fraction | None = None  #: most points of the question, None for no cap
    wrong: Fraction | None = Fraction(0)  #: single: points of a wrong answer, None for -points/(n - 1) of n alternatives
    blank: Fraction = Fraction(0)  #: single: points of no answer
    multiple: Fraction | None = None  #: single: points of more than one mark, None asks a person
    multiple_is_wrong: bool = False  #: single: more than one mark is a wrong answer
    default: Fraction = Fraction(0)  #: qti: points of a mark without a value
    partial: bool = True  #: r-exams: whether a part of the right alternatives earns something
    rule: RExamsRule = RExamsRule.FALSE2  #: r-exams, with partial credit
    negative: Fraction = Fraction(0)  #: r-exams: share of the points that can be lost, 0 or more
    criteria: tuple[Criterion, ...] = ()  #: open
    alternatives: tuple[str, ...] = ()  #: values of its boxes, once the layout is known (`with_alternatives`)
    void: Void | None = None  #: None where it counts
    bonus: bool = False  #: adds points, and nothing to the maximum

    @property
    def maximum(self) -> Fraction:
        """What it adds to the maximum of the exam."""
        return Fraction(0) if self.bonus or self.void is Void.OUT else self.points


@dataclass(frozen=True, slots=True)
class Part:
    """Questions whose points are summed under a title."""

    id: str
    title: str
    points: Fraction
    questions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GuessCorrection:
    """Takes out what blind guessing earns on average: s of n points become (s - n g) / (n - n g) n."""

    chance: Fraction  #: g: share of the points that guessing earns, at least 0 and below 1
    questions: tuple[str, ...]  #: ids of those concerned


@dataclass(frozen=True, slots=True)
class Scale:
    """How points become a grade. `points` rise; there are as many of them as grades."""

    points: tuple[Fraction, ...]
    grades: tuple[str, ...]  #: steps: the grade from these points on; line: the grade at these points, a number
    line: bool  #: whether grades lie on straight lines between, or in steps
    round_to: Fraction = Fraction(1, 10)  #: line: step of the grades, half up


@dataclass(frozen=True, slots=True)
class Permutation:
    """How a version is printed: where its questions stand, and what its boxes mean."""

    questions: Mapping[str, str] = field(default_factory=dict)  #: question of the form's fields -> question of the rubric
    alternatives: Mapping[str, Mapping[str, str]] = field(
        default_factory=dict
    )  #: question of the form's fields -> box -> alternative of the rubric


@dataclass(frozen=True, slots=True)
class CopyNumbers:
    """Which copies are which version: by a pattern of what the page code says, or by numbers."""

    pattern: str = ""  #: such as "{version}-{number}"; "" where numbers say it
    ranges: Mapping[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)  #: by version, first and last


@dataclass(frozen=True, slots=True)
class Rubric:
    """Keys, points and policies of an exam."""

    name: str
    title: str
    questions: tuple[Question, ...]
    parts: tuple[Part, ...] = ()
    versions: tuple[str, ...] = ()
    version_from: str = ""  #: "mark", "code", "roster", or a version that holds for every booklet; "" without versions
    total: Fraction = Fraction(0)  #: maximum of the exam, without bonus and without questions that were taken out
    floor: Fraction | None = None  #: least points of the exam, None for no floor
    places: int = 2  #: decimals of points in files, rounded half up once
    cap: Fraction | None = None  #: most points of the exam, None for no cap
    round_to: Fraction | None = None  #: step that the exam's points are rounded to, half up; None for `places` only
    guess: GuessCorrection | None = None
    scale: Scale | None = None
    copies: CopyNumbers | None = None  #: for versions from the code
    permutations: Mapping[str, Permutation] = field(default_factory=dict)  #: by version

    def question(self, question_id: str) -> Question:
        """The question with this id; KeyError where there is none."""
        for one in self.questions:
            if one.id == question_id:
                return one
        raise KeyError(question_id)


# --------------------------------------------------------------------------- roster


@dataclass(frozen=True, slots=True)
class Student:
    """One person of the class list."""

    number: str  #: as written, leading zeros kept
    last_name: str = ""
    first_name: str = ""
    email: str = ""
    version: str = ""
    seat: str = ""  #: where they sit; printed on their booklet


@dataclass(frozen=True, slots=True)
class Roster:
    """The class list, in its own order."""

    students: tuple[Student, ...] = ()


# --------------------------------------------------------------------------- pages


class Outcome(StrEnum):
    """What became of a page that went in."""

    READ = "read"
    SET_ASIDE = "set_aside"


class Reason(StrEnum):
    """Why a page (or a whole file) was set aside."""

    UNREADABLE_FILE = "unreadable_file"  #: damaged, or not a scan at all
    ENCRYPTED_FILE = "encrypted_file"
    EMPTY_FILE = "empty_file"  #: no page in it
    UNREADABLE_PAGE = "unreadable_page"  #: this page's image is damaged or missing
    TOO_LARGE = "too_large"  #: more pixels than a page can have
    BLANK = "blank"  #: nothing on it
    NOT_REGISTERED = "not_registered"  #: the layout could not be laid over it with confidence
    FOREIGN = "foreign"  #: its page code, or its content, is not of this layout
    UNKNOWN_PAGE = "unknown_page"  #: which page of the booklet it is could not be told
    DUPLICATE = "duplicate"  #: the same image was read already
    FAILED = "failed"  #: reading it crashed twice


@dataclass(frozen=True, slots=True)
class Transform:
    """Maps layout millimetres to image pixels: a 3 x 3 homography in row order, over the image as stored."""

    matrix: tuple[float, ...]  # nine numbers

    def __post_init__(self) -> None:
        if len(self.matrix) != 9:
            raise ValueError(f"a homography has 9 numbers, not {len(self.matrix)}")


#: What is measured in a box: the columns of `Readings.values`.
FEATURES: Final = (
    "ink",  # mean darkness inside the frame
    "core",  # mean darkness in the middle quarter of the area
    "dark",  # share of the inside that is darker than half the black
    "faint",  # share of the inside that is darker than a sixth of the black
    "peak",  # darkness that a twentieth of the inside exceeds: how strong the pen is
    "least_cell",  # mean darkness of the emptiest of nine parts of the inside: high only for a fill
    "cells",  # share of the nine parts that hold ink
    "rest",  # mean darkness without the darkest straight upright or level band: next to nothing for a scanner's streak
    "diagonal",  # darkness along the two diagonals less that beside them: high for a cross
    "outside",  # mean darkness of the band around the frame
    "beyond",  # share of dark pixels in the band farther out: arrows, words, and strokes that reach out; labels as well
    "frame",  # contrast of the printed frame, 0 where it was not seen
    "dx_mm",  # how far from its layout place the box was found
    "dy_mm",
    "seen",  # 1 where the frame was found where its neighbours suggest
    "contrast",  # of the page's black to its paper
    "scale",  # pixels per millimetre of the scan
    "blank_ink",  # the same as `ink` and so on, of the blank form; NaN where the layout has none
    "blank_dark",
    "blank_core",
)


#: Rows and columns of a box' patch; the inside of its frame is the middle half of them, so that as much is seen around it.
PATCH_SIDE: Final = 28


#: Rows and columns of the picture of a cell for a handwritten digit.
CELL_SIDE: Final = 32

#: Length that such a picture shows, of the longer side of its cell: digits do not always stay within.
CELL_REACH: Final = 1.3


def no_cells(count: int = 0) -> NDArray[np.uint8]:
    """Pictures of `count` cells of which nothing was seen."""
    return np.zeros((count, CELL_SIDE, CELL_SIDE), np.uint8)


def no_patches(count: int = 0) -> NDArray[np.uint8]:
    """Patches of `count` boxes of which nothing was seen."""
    return np.zeros((count, PATCH_SIDE, PATCH_SIDE), np.uint8)


def no_map() -> NDArray[np.uint8]:
    """The map of a page of which nothing was seen."""
    return np.zeros((0, 0), np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """What was measured in the boxes of one page; no verdict.

    `values` has one row per box, in the order of `Layout.boxes(page)`, and one column per name in `FEATURES`; a row of NaN where
    the box leaves the image. `patches` has one small picture per box and its surroundings: darkness from 0, the paper, to 255, the
    page's black. `blank` has the same of the blank form, or no row at all where the layout has none; where the blank form tells
    nothing of a box its `blank_ink` is NaN.

    `ink_map` has a cell per square millimetre of the page, upright: the darkness of its darkest place, as in patches. It shows
    what was written beside boxes. `blank_map` is that of the blank form, empty where there is none.

    `cells` has one picture per cell for a handwritten digit, in the order of `Layout.cells(page)`: darkness as in patches, over a square
    around the cell's middle whose side is `CELL_REACH` times the cell's longer one. `blank_cells` has the same of the blank form, or
    no picture where the layout has none.
    """

    values: NDArray[np.float32]
    patches: NDArray[np.uint8] = field(default_factory=no_patches)
    blank: NDArray[np.uint8] = field(default_factory=no_patches)
    ink_map: NDArray[np.uint8] = field(default_factory=no_map)
    blank_map: NDArray[np.uint8] = field(default_factory=no_map)
    cells: NDArray[np.uint8] = field(default_factory=no_cells)
    blank_cells: NDArray[np.uint8] = field(default_factory=no_cells)


@dataclass(frozen=True, slots=True)
class StickerCode:
    """A code on a pasted label."""

    text: str
    format: str  #: "DataMatrix", "QRCode" or "Code128"


@dataclass(frozen=True, slots=True)
class StickerRead:
    """What was read on a pasted label, or beside it; nothing where nothing could be read. Whose number it is, is not said here."""

    codes: tuple[StickerCode, ...] = ()
    printed: tuple[str, ...] = ()  #: numbers printed on it, digits only


@dataclass(frozen=True, slots=True)
class PageRead:
    """A page whose boxes were measured."""

    image_sha256: str
    page: int  #: page of the layout
    copy: str  #: the booklet's number as its page code says it, "" where it says none
    page_source: str  #: "code", "content" or "order"
    rotation: int  #: 0, 90, 180, 270: clockwise turn that brings the stored image upright
    residual_mm: float
    dpi: float  #: resolution of the stored image as found by registration
    transform: Transform
    readings: Readings
    sticker: StickerRead | None = None  #: None where the page has no place for one, or none was looked for
    prints: Mapping[str, str] = field(default_factory=dict)  #: by field: what is printed where the layout has a version


@dataclass(frozen=True, slots=True)
class PageSetAside:
    """A page that was not read, and why."""

    reason: Reason
    detail: str
    image_sha256: str = ""
    copy: str = ""  #: as far as its page code could be read
    page: int = 0


PageResult = PageRead | PageSetAside


@dataclass(frozen=True, slots=True)
class PageRef:
    """Where a page image lies: the scan's name as the user knows it, and the page in it, counted from 1 (0: the whole file)."""

    scan: str
    scan_page: int
    scan_order: int  #: order in which the scans came in, from 0


@dataclass(frozen=True, slots=True)
class ScannedPage:
    """A page that went in, with its result."""

    ref: PageRef
    result: PageResult


# --------------------------------------------------------------------------- answers


class Verdict(StrEnum):
    """What a box holds."""

    EMPTY = "empty"
    MARKED = "marked"
    UNDONE = "undone"
    UNSURE = "unsure"


MACHINE = "machine"


@dataclass(frozen=True, slots=True)
class BoxVerdict:
    """The verdict on one box."""

    field: str
    box: str  #: the box' value
    verdict: Verdict
    probability: float  #: of the verdict; of being marked where the verdict is `UNSURE`
    decided_by: str = MACHINE


@dataclass(frozen=True, slots=True)
class Answer:
    """What a field holds, box by box in layout order."""

    field: str
    verdicts: tuple[BoxVerdict, ...]
    doubt: str = ""  #: why a person must look at the field as a whole, "" where nobody need

    @property
    def marked(self) -> frozenset[str]:
        """Values of the boxes that are marked."""
        return frozenset([one.box for one in self.verdicts if one.verdict is Verdict.MARKED])

    @property
    def open(self) -> frozenset[str]:
        """Values of the boxes about which a person must decide: those unsure, or all where the field is doubted as a whole."""
        if self.doubt:
            return frozenset([one.box for one in self.verdicts])
        return frozenset([one.box for one in self.verdicts if one.verdict is Verdict.UNSURE])


class FlagKind(StrEnum):
    """What a person must look at."""

    PAGE_SET_ASIDE = "page_set_aside"
    MISSING_PAGE = "missing_page"
    DUPLICATE_PAGE = "duplicate_page"
    PAGE_ORDER = "page_order"  #: pages were put together by their order, and the order is odd
    UNKNOWN_STUDENT = "unknown_student"  #: the number is not certain, or nobody has it
    DUPLICATE_STUDENT = "duplicate_student"
    UNKNOWN_VERSION = "unknown_version"
    UNSURE_MARK = "unsure_mark"
    DOUBTFUL_ANSWER = "doubtful_answer"  #: marks are clear, what they mean is not
    CREDIT = "credit"  #: a grader's credit is missing, contradictory, or differs between corrections
    OPEN_POINTS = "open_points"  #: points that a person gives are not in yet
    DISAGREEMENT = "disagreement"  #: two reviewers decided differently


@dataclass(frozen=True, slots=True)
class Flag:
    """Something a person must look at."""

    kind: FlagKind
    detail: str
    booklet: str = ""
    page: int = 0  #: page of the layout, 0 for none
    ref: PageRef | None = None
    field: str = ""
    can_change_points: bool = True


@dataclass(frozen=True, slots=True)
class Booklet:
    """The pages of one student. `pages` maps a layout page number to the page image that counts for it."""

    id: str
    pages: Mapping[int, ScannedPage]
    duplicates: tuple[ScannedPage, ...] = ()  #: further images of a page already there
    missing: tuple[int, ...] = ()  #: pages with boxes that did not come in, and all others
    #: images that people put others in the place of: what was decided at them about the booklet holds
    superseded: tuple[ScannedPage, ...] = ()


class MatchStatus(StrEnum):
    """How sure it is whose booklet this is."""

    MATCHED = "matched"
    UNKNOWN = "unknown"  #: flagged: nobody, or not certain who
    DUPLICATE = "duplicate"  #: flagged: another booklet claims the same student
    NO_ROSTER = "no_roster"  #: the number is certain, but there is no roster to hold it against


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose booklet it is."""

    booklet: str
    status: MatchStatus
    number: str  #: as read; "?" for an open digit, "" where nothing was read
    student: Student | None = None  #: only when `MATCHED` or `DUPLICATE`
    candidates: tuple[Student, ...] = ()  #: best first, for the person who decides


# --------------------------------------------------------------------------- grades


@dataclass(frozen=True, slots=True)
class QuestionScore:
    """Points of one question of one booklet."""

    question: str
    points: Fraction | None  #: None while an open flag can change it
    low: Fraction
    high: Fraction
    rule: str  #: the policy and what it saw, for people: "all-or-nothing: marked A C, key A C"


@dataclass(frozen=True, slots=True)
class Scorecard:
    """Points per question of one booklet."""

    booklet: str
    version: str  #: "" where the exam has none or it is not known
    questions: tuple[QuestionScore, ...]
    points: Fraction | None
    low: Fraction
    high: Fraction


# --------------------------------------------------------------------------- decisions


class Topic(StrEnum):
    """What a decision is about, and so what its `image`, `item` and `value` mean."""

    MARK = "mark"  #: a box (field/box) of a page image: "marked", "empty" or "undone"
    STUDENT = "student"  #: whose booklet the image is part of: a student number, or `NOBODY`
    VERSION = "version"  #: of the booklet that the image is part of: one of the rubric's versions
    POINTS = "points"  #: of a question (item) of that booklet: a fraction, or "criteria" and the ids of those met
    PAGE = "page"  #: what becomes of a page image: a `PageFate`, for `PLACED` with page and booklet after it
    FLAG = "flag"  #: a flag (item, see `flag_key`) that was looked at: "seen"
    SAMPLE = "sample"  #: a random sample that was drawn; value: JSON
    CHECK = "check"  #: what a person saw in a box of the sample
    UNDO = "undo"  #: takes a group of decisions (item) back
    REDO = "redo"  #: takes an undo (its group is the item) back


class PageFate(StrEnum):
    """What a person can decide about a page image."""

    BLANK = "blank"  #: nothing of ours is on it
    FOREIGN = "foreign"  #: not of this exam
    RESCAN = "rescan"  #: it is to be scanned again; stays flagged until then
    PLACED = "placed"  #: it is this page of this booklet: "placed 3 0012"
    COUNTS = "counts"  #: of several images of a page, the one that counts


NOBODY: Final = "nobody"  #: instead of a student number: on the class list there is nobody whose booklet it is


@dataclass(frozen=True, slots=True)
class Entry:
    """One decision as it stands in the journal, with what the machine had said at that moment."""

    seq: int  #: order in the journal, from 1
    id: str  #: given by who sends it, so that one sent twice counts once
    made: str  #: time, UTC, ISO 8601
    reviewer: str
    topic: Topic
    image: str  #: `page_key` of the page image
    item: str
    value: str
    group: str  #: decisions made by one keystroke, undone together
    remark: str = ""
    settles: bool = False  #: made in sight of a disagreement, to end it
    machine: str = ""  #: what the machine had said
    probability: float | None = None
    booklet: str = ""
    page: int = 0
    scan: str = ""
    scan_page: int = 0
    scangrade: str = ""  #: version of the program


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one reviewer says on a matter, as far as it was not taken back."""

    value: str
    reviewer: str
    seq: int
    id: str
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What people say on a matter: one opinion per reviewer, the newest last."""

    opinions: tuple[Opinion, ...]  #: at least one

    @property
    def disputed(self) -> bool:
        """Whether reviewers disagree, so that nothing is decided."""
        return len({one.value for one in self.opinions}) > 1

    @property
    def last(self) -> Opinion:
        """The newest opinion."""
        return self.opinions[-1]


@dataclass(frozen=True, slots=True)
class Decisions:
    """All that people decided and did not take back, by topic, image and item."""

    rulings: Mapping[tuple[Topic, str, str], Ruling] = field(default_factory=dict)

    def on(self, topic: Topic, image: str, item: str = "") -> Ruling | None:
        """The ruling on a matter, None where nobody decided."""
        return self.rulings.get((topic, image, item))


NOTHING_DECIDED: Final = Decisions()


def page_key(page: ScannedPage) -> str:
    """What decisions know a page image by: its content, or its place in the scan where its content could not be read."""
    return page.result.image_sha256 or f"{page.ref.scan}#{page.ref.scan_page}"


def flag_key(flag: Flag) -> str:
    """What decisions know a flag by."""
    place = (flag.ref.scan, flag.ref.scan_page) if flag.ref else ("", 0)
    return "|".join(str(part) for part in (flag.kind, flag.booklet, flag.page, flag.field, *place))
