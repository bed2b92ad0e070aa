"""Cells with digits in them, drawn, scanned and cut as the reader does it, in one step without the page around them.

Writers are those of `scangrade.authoring.digits`, with the pens of `scangrade.authoring.person`; two in five write digits that real people
wrote (`real_digits.py`). One writer in eight is kept aside, and writes real digits that no other does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from scangrade.answers.digits import DIGIT_SHARE, NOTHING, OTHER, OTHER_SHARE, CellSize, Looked, look, of_paper
from scangrade.answers.empty_boxes import added_ink
from scangrade.answers.network import Networks
from scangrade.authoring.digits import Hand, digit_strokes, draw_hand
from scangrade.authoring.ink import Ink, Mark, Stroke, paint
from scangrade.authoring.person import CROSSERS, FILLERS, ODD_CROSSERS, ODD_FILLERS
from scangrade.geometry import MM_PER_INCH
from scangrade.model import CELL_REACH, CELL_SIDE
from tests.training.real_digits import Picture, mnist_digits, sklearn_digits

SEED = 500
_HELD_OUT = 8  # one writer in so many
_LEAST_SEEN = 0.7  # share of a writer's digits that a scan still holds
_RISING = 0.03  # sigma, of the line that digits are written on, per width
_PER_MM = 12.0  # at which paper is drawn
_PENS = tuple(one.ink for one in (*FILLERS, *CROSSERS, *ODD_FILLERS, *ODD_CROSSERS))


@dataclass(frozen=True, slots=True)
class _Scan:
    """How cells of one writer are printed and scanned."""

    size: CellSize
    frame_mm: float  #: 0 for a comb
    shade: float  #: of the print, 0 black to 1 white
    dpi: float
    blur: float  #: sigma in pixels of the scan
    noise: float
    bilevel: float  #: threshold, 0 where gray is kept
    black: float
    ink: Ink


def _draw_scan(rng: np.random.Generator) -> _Scan:
    width = rng.uniform(4.5, 8.0)
    ink = _PENS[int(rng.integers(len(_PENS)))]
    dpi = float(rng.choice([100, 150, 200, 300, 300]))
    bilevel = rng.random() < 0.3 and dpi >= 150
    return _Scan(
        CellSize(width, width * rng.uniform(1.0, 1.5)),
        0.0 if rng.random() < 0.25 else rng.uniform(0.15, 0.45),
        rng.uniform(0, 0.6),
        dpi,
        rng.uniform(0.3, 0.9),
        rng.uniform(0.5, 7),
        rng.uniform(0.45, 0.75) if bilevel else 0.0,
        rng.uniform(0, 60),
        replace(ink, width_mm=min(ink.width_mm, 1.0) * rng.uniform(0.85, 1.2)),
    )


def _paper(scan: _Scan) -> NDArray[np.uint8]:
    """A cell with its frame, drawn finely; a little more than its picture shows."""
    side_mm = CELL_REACH * max(scan.size.width_mm, scan.size.height_mm) * 1.15
    side = round(side_mm * _PER_MM)
    paper = np.full((side, side), 255, np.uint8)
    middle = side / 2
    half_x, half_y = scan.size.width_mm / 2 * _PER_MM, scan.size.height_mm / 2 * _PER_MM
    gray = 255 * scan.shade
    line = max(1, round((scan.frame_mm or 0.25) * _PER_MM))
    for step in (-1, 0, 1):
        x = middle + step * (2 * half_x + line)
        top = middle - half_y if scan.frame_mm else middle + half_y * 0.4
        left, right, bottom = x - half_x - line / 2, x + half_x + line / 2, middle + half_y + line / 2
        ends = [((left, top), (left, bottom)), ((right, top), (right, bottom)), ((left, bottom), (right, bottom))]
        ends += [((left, top - line / 2), (right, top - line / 2))] if scan.frame_mm else []
        for first, last in ends:
            cv2.line(paper, _at(first), _at(last), gray, line, cv2.LINE_AA)
    return paper


def _at(point: tuple[float, float]) -> tuple[int, int]:
    return round(point[0]), round(point[1])


def _scanned(paper: NDArray[np.uint8], scan: _Scan, rng: np.random.Generator, *, off_mm: float) -> NDArray[np.uint8]:
    """The cell's picture as the reader cuts it out of a scan, that far off its place (sigma)."""
    factor = scan.dpi / MM_PER_INCH / _PER_MM
    shift = rng.uniform(0, 1, 2)
    coarse = cv2.warpAffine(
        cv2.GaussianBlur(paper, (0, 0), max(0.3, 0.4 / factor)),
        np.array([[factor, 0, shift[0]], [0, factor, shift[1]]]),
        (int(paper.shape[1] * factor) + 2, int(paper.shape[0] * factor) + 2),
        borderValue=255.0,
    ).astype(np.float32)
    gray = scan.black + coarse * (255 - scan.black) / 255
    gray = cv2.GaussianBlur(gray, (0, 0), scan.blur) + rng.normal(0, scan.noise, gray.shape)
    darkness = 1 - np.clip(gray, 0, 255) / 255
    darkness = (darkness > 1 - scan.bilevel).astype(np.float64) if scan.bilevel else darkness / (1 - scan.black / 255)
    side_mm = CELL_REACH * max(scan.size.width_mm, scan.size.height_mm)
    finer = 3
    count = CELL_SIDE * finer
    at = ((np.arange(count) + 0.5) / count - 0.5) * side_mm * scan.dpi / MM_PER_INCH
    middle = (
        np.array([paper.shape[1], paper.shape[0]]) / 2 * factor + shift + rng.normal(0, off_mm, 2) * scan.dpi / MM_PER_INCH
    )
    map_x, map_y = np.meshgrid(at + middle[0], at + middle[1])
    fine = cv2.remap(darkness.astype(np.float32), map_x.astype(np.float32), map_y.astype(np.float32), cv2.INTER_LINEAR)
    small = cv2.resize(fine, (CELL_SIDE, CELL_SIDE), interpolation=cv2.INTER_AREA)
    return np.rint(np.clip(small, 0, 1) * 255).astype(np.uint8)


_Write = Callable[[str, int], Mark]  # a digit into the cell in the middle, or so many beside it


def _room(scan: _Scan, rng: np.random.Generator, beside: int) -> NDArray[np.float64]:
    """Where the middle of a digit comes to lie on the paper, in mm."""
    size = scan.size
    middle = _middle_mm(size) + rng.normal(0, 0.06, 2) * (size.width_mm, size.height_mm)
    middle[0] += beside * (size.width_mm + (scan.frame_mm or 0.0))
    return middle


def _middle_mm(size: CellSize) -> NDArray[np.float64]:
    return np.full(2, CELL_REACH * max(size.width_mm, size.height_mm) * 1.15 / 2)


def _height_mm(share: float, size: CellSize, rng: np.random.Generator) -> float:
    return min(share * size.height_mm, 1.25 * size.width_mm) * (1 + float(rng.normal(0, 0.04)))


def _by_strokes(hand: Hand, scan: _Scan, rng: np.random.Generator) -> _Write:
    """A writer who is drawn."""

    def write(digit: str, beside: int) -> Mark:
        height, middle = _height_mm(hand.height, scan.size, rng), _room(scan, rng, beside)
        strokes = tuple(Stroke(one * height + middle, scan.ink.width_mm) for one in digit_strokes(digit, hand, rng))
        return Mark(1, "digit", scan.ink, strokes)

    return write


def _by_people(pool: Mapping[int, Sequence[Picture]], hand: Hand, scan: _Scan, rng: np.random.Generator) -> _Write:
    """Somebody who writes digits of a pool, in one size, slant, width and thickness, none of them twice the same."""
    slant, stretch, edge = rng.normal(0, 0.1), rng.uniform(0.8, 1.2), rng.uniform(0.35, 0.6)

    def write(digit: str, beside: int) -> Mark:
        some = pool[int(digit)]
        outlines = _outlines(_bent(some[int(rng.integers(len(some)))], rng), edge)
        height = _height_mm(hand.height, scan.size, rng)
        height *= min(1.0, 1.1 * scan.size.width_mm / max(height * np.ptp(np.concatenate(outlines)[:, 0]), 1e-6))
        linear = height * np.array([[stretch * (1 + rng.normal(0, 0.05)), -slant - rng.normal(0, 0.03)], [0, 1]])
        middle = _room(scan, rng, beside)
        return Mark(1, "digit", scan.ink, shapes=tuple(one @ linear.T + middle for one in outlines))

    return write


_FINE = 64  # pixels of a real digit's height, at which it is bent and outlined


def _bent(picture: Picture, rng: np.random.Generator) -> Picture:
    """A real digit in fine pixels, bent a little, as the same hand would write it another time."""
    width = max(round(_FINE / picture.shape[0] * picture.shape[1]), 8)
    fine = cv2.resize(picture, (width, _FINE), interpolation=cv2.INTER_CUBIC)
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(_FINE, dtype=np.float32))
    off = rng.normal(0, 0.03 * _FINE, (2, 4, 4)).astype(np.float32)
    dx, dy = (cv2.resize(one, (width, _FINE), interpolation=cv2.INTER_CUBIC) for one in off)
    return np.asarray(cv2.remap(fine, x + dx, y + dy, cv2.INTER_LINEAR), np.float32)


def _outlines(picture: Picture, edge: float) -> list[NDArray[np.float64]]:
    """Outlines of what is darker than this share of the darkest, in units of the picture's height around its middle.

    Holes are joined to their outline by a cut without width, so that each can be filled by itself.
    """
    dark = (picture > edge * picture.max()).astype(np.uint8)
    found, (tree,) = cv2.findContours(dark, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    outer = {number: one[:, 0].astype(np.float64) for number, one in enumerate(found) if tree[number][3] < 0}
    for number, one in enumerate(found):
        if tree[number][3] >= 0 and len(one) > 2:
            hole, around = one[:, 0].astype(np.float64), outer[tree[number][3]]
            at = int(np.linalg.norm(around - hole[0], axis=1).argmin())
            outer[tree[number][3]] = np.concatenate([around[: at + 1], hole, hole[:1], around[at:]])
    middle = np.array([picture.shape[1] - 1, picture.shape[0] - 1]) / 2
    return [(one - middle) / picture.shape[0] for one in outer.values() if len(one) > 2]


def _odd(write: _Write, scan: _Scan, rng: np.random.Generator) -> list[Mark]:
    """Something that is no digit: two over each other, one crossed out, a scribble, a dash."""
    half = np.array([scan.size.width_mm, scan.size.height_mm]) / 2

    def line(points: Sequence[tuple[float, float]]) -> Stroke:
        at = np.array(points) + rng.normal(0, 0.08, (len(points), 2))
        return Stroke(np.repeat(at * half * 0.8 + _middle_mm(scan.size), 2, axis=0), scan.ink.width_mm)

    first, second = rng.choice(10, 2, replace=False).astype(str)
    match int(rng.integers(4)):
        case 0:
            return [write(first, 0), write(second, 0)]
        case 1:
            strokes = (line([(-0.9, -0.8), (0.9, 0.8)]), line([(-0.9, 0.8), (0.9, -0.8)]))
            return [write(first, 0), Mark(1, "struck", scan.ink, strokes[: int(rng.integers(1, 3))])]
        case 2:
            points = [(x, (-1) ** k * rng.uniform(0.4, 1)) for k, x in enumerate(np.linspace(-0.9, 0.9, 12).tolist())]
            return [Mark(1, "scribble", scan.ink, (line(points), line([(y, x) for x, y in points])))]
        case _:
            return [Mark(1, "dash", scan.ink, (line([(-0.6, 0.0), (0.6, 0.0)]),))]


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """One writer's cells, as cut out of a scan."""

    pictures: NDArray[np.uint8]
    empty: NDArray[np.uint8]  #: (1, CELL_SIDE, CELL_SIDE)
    size: CellSize
    right: NDArray[np.int64]  #: codes of `SYMBOLS`


def draw_cells(writer: int, *, each: int = 40, pool: Mapping[int, Sequence[Picture]] | None = None) -> Cells:
    """So many cells of a writer, given by their number; in the shapes of real digits where there is a pool of them."""
    rng = np.random.default_rng((SEED, writer))
    scan = _draw_scan(rng)
    hand = draw_hand(rng, care=float(rng.uniform(0.1, 1)))
    write = _by_strokes(hand, scan, rng) if pool is None else _by_people(pool, hand, scan, rng)
    paper = _paper(scan)
    cells, right = [], []
    for _ in range(each):
        shares = [10 * DIGIT_SHARE, 1 - 10 * DIGIT_SHARE - OTHER_SHARE, OTHER_SHARE]
        code = int(rng.choice([int(rng.integers(10)), NOTHING, OTHER], p=shares))
        marks = _odd(write, scan, rng) if code == OTHER else []
        marks += [write(str(code), 0)] if code < NOTHING else []
        marks += [write(str(int(rng.integers(10))), beside) for beside in (-1, 1) if rng.random() < 0.75]
        written = paper.copy()
        paint(written, marks, dpi=_PER_MM * MM_PER_INCH, rng=rng)
        cells.append(_scanned(written, scan, rng, off_mm=0.12))
        right.append(code)
    empty = _scanned(paper, replace(scan, noise=min(scan.noise, 2.0)), rng, off_mm=0.05)
    return Cells(np.stack(cells), empty[None], scan.size, np.array(right))


def drifting(cells: Cells, writer: int, *, time: int = 1) -> Cells:
    """The same cells where the line that they are written on rises or falls, so that digits stand too high or too low, cut off at worst.

    How far is drawn as `authoring.digits` does it for a row of ten cells, and anew each time; what is printed stays.
    """
    rng = np.random.default_rng((SEED, writer, time))
    added = added_ink(cells.pictures, cells.empty)
    row_mm = 10 * cells.size.width_mm
    per_mm = 2 * cells.size.half_px[0] / cells.size.width_mm
    steps = np.rint(rng.normal(0, _RISING) * row_mm * rng.uniform(0, 1, len(added)) * per_mm).astype(int).tolist()
    moved = np.zeros_like(added)
    for index, step in enumerate(steps):
        if abs(step) < CELL_SIDE:
            moved[index, max(step, 0) : CELL_SIDE + min(step, 0)] = added[index, max(-step, 0) : CELL_SIDE - max(step, 0)]
    return replace(cells, pictures=np.maximum(cells.pictures - added, moved))


def aside(writer: int) -> bool:
    """Whether nothing is learned from a writer."""
    return writer % _HELD_OUT == 0


def pool_of(writer: int) -> Mapping[int, Sequence[Picture]] | None:
    """The real digits that a writer writes; None for one who is drawn."""
    number = writer // _HELD_OUT + writer % _HELD_OUT
    if number % 5 > 1:
        return None
    source = sklearn_digits() if number % 20 < 2 else mnist_digits()
    return source.aside if aside(writer) else source.learned


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Cells as the networks see them, with what is known of them."""

    looked: Looked
    right: NDArray[np.int64]  #: codes of `SYMBOLS`
    writers: NDArray[np.int64]  #: whose they are, by place


def examples_of(drawn: Iterable[Cells]) -> Examples:
    """Cells of writers, but of those whose digits a scan lost: a black and white one of a pale pen, which nobody can read."""
    parts, right, writers = [], [], []
    for writer, one in enumerate(drawn):
        looked = look(one.pictures, one.empty, one.size)
        if looked.seen[one.right < NOTHING].mean() >= _LEAST_SEEN:
            parts.append(looked)
            right.append(one.right)
            writers.append(np.full(len(one.right), writer))
    seen, shapes = np.concatenate([one.seen for one in parts]), np.concatenate([one.shapes for one in parts])
    first, second, third = (np.concatenate([one.pictures[channel] for one in parts]) for channel in range(3))
    return Examples(Looked(seen, (first, second, third), shapes), np.concatenate(right), np.concatenate(writers))


def probabilities(examples: Examples, networks: Networks) -> NDArray[np.float32]:
    """As `scangrade.answers.digits` finds them."""
    looked = examples.looked
    found = of_paper(len(examples.right))
    found[looked.seen] = networks([one[looked.seen] for one in looked.pictures], looked.shapes[looked.seen])
    return found
