"""Which page of the form is this, and how does it lie: by page code, else by content, else by order.

Registration marks usually allow two placements, right way up and upside down, and are alike on every page. What settles it is the
page code, read where each placement says it must be; where there is none, the printed boxes that each page would have.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scangrade.geometry import local_scale, median, project
from scangrade.model import FEATURES, Layout, LayoutPage, PageCode, PageCodeKind, Reason
from scangrade.paper.constellation import place_by_boxes
from scangrade.paper.fiducials import Placement, ink_mask, placements, scale_range
from scangrade.paper.frames import Frames, find_frames, sampling
from scangrade.paper.measure import measure
from scangrade.paper.page_code import match_content, read_barcode
from scangrade.paper.patches import PageBoxes, PageInk
from scangrade.paper.reference import Print, find_print, place_by_print
from scangrade.settings import CONSTELLATION, FRAMES, MEASURE, REFERENCE, REGISTRATION, PageLimits, RegistrationLimits


@dataclass(frozen=True, slots=True, eq=False)
class Located:
    """A page that is known, and where its boxes are."""

    page: int
    copy: str
    source: str  #: "code", "content" or "order"
    placement: Placement
    frames: Frames
    pixels_per_mm: float


@dataclass(frozen=True, slots=True)
class Unlocated:
    """Why a page could not be told or laid under its form."""

    reason: Reason
    detail: str
    copy: str = ""
    page: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class BlankPage:
    """A page of the blank form, as far as locating needs it."""

    print: Print
    pixels_per_mm: tuple[float, float]


@dataclass(frozen=True, eq=False)
class KnownForm:
    """A layout with what is prepared once to locate any number of its pages."""

    layout: Layout
    boxes: Mapping[int, PageBoxes]  #: by page number
    blanks: Mapping[int, BlankPage]  #: the blank form's pages, empty where the layout has none

    @functools.cached_property
    def alike(self) -> tuple[tuple[LayoutPage, ...], ...]:
        """Pages with the same registration marks together."""
        alike: dict[tuple[object, ...], list[LayoutPage]] = {}
        for page in self.layout.pages:
            alike.setdefault((page.fiducials, page.width_mm, page.height_mm), []).append(page)
        return tuple(map(tuple, alike.values()))

    @functools.cached_property
    def bits(self) -> PageBoxes:
        """The boxes of the page code, where it is made of such."""
        return PageBoxes(self.layout.page_code.bits if self.layout.page_code is not None else ())


@dataclass(frozen=True, slots=True, eq=False)
class _Candidate:
    """A page under a placement."""

    page: int
    placement: Placement
    copy: str = ""
    by_code: bool = False


def locate(
    ink: PageInk,
    form: KnownForm,
    *,
    dpi: float | None,
    expected_page: int,
    limits: PageLimits,
) -> Located | Unlocated:
    """Find out which page of the layout an image shows, and where its boxes are.

    Parameters
    ----------
    ink : PageInk
        The page image.
    form : KnownForm
    dpi : float or None
        Resolution of the image as its file says it.
    expected_page : int
        The page that this would be if all scans were complete and in order: decides only between pages that look alike.
    limits : PageLimits

    Returns
    -------
    Located or Unlocated
    """
    marked, found = _located(ink, form, dpi, expected_page, limits)
    if not isinstance(found, Unlocated) or found.reason is not Reason.NOT_REGISTERED or not marked:
        return found
    # Letters and dust may look like all the marks of a small sheet, while one of a sheet that fills the image is hidden.
    filling = replace(REGISTRATION, least_scale=REGISTRATION.filling_share)
    candidates = _placed_by_marks(ink, form, dpi, limits=filling) if all(one.placement.alone for one in marked) else []
    again = _told(ink, form, candidates, expected_page, limits) if candidates else found
    return again if isinstance(again, Located) else found


def _located(
    ink: PageInk, form: KnownForm, dpi: float | None, expected_page: int, limits: PageLimits
) -> tuple[list[_Candidate], Located | Unlocated]:
    """What registration marks allow, if they were found, and what comes of that, or of print or boxes."""
    code = form.layout.page_code
    by_upright = code is not None and code.kind is PageCodeKind.BARCODE
    marked = _placed_by_marks(ink, form, dpi, upright_will_do=by_upright)
    if by_upright and marked:
        # nearly all pages lie upright, and their code says so: of these the other ways to lie need not be looked at
        found = _told(ink, form, marked, expected_page, limits)
        if (isinstance(found, Located) and found.source == "code") or any(one.placement.rotation for one in marked):
            return marked, found
        marked = _placed_by_marks(ink, form, dpi)
    candidates = marked or _placed_by_print(ink, form, dpi) or _placed_by_boxes(ink, form, dpi)
    return marked, _told(ink, form, candidates, expected_page, limits) if candidates else _unplaced(form.layout)


def _told(
    ink: PageInk, form: KnownForm, candidates: Sequence[_Candidate], expected_page: int, limits: PageLimits
) -> Located | Unlocated:
    """Which of the pages that a placement was found for it is, at least one."""
    layout = form.layout
    if not all(one.placement.alone for one in candidates):
        return Unlocated(Reason.NOT_REGISTERED, "more than one sheet is on this image: scan each page on its own")
    if layout.page_code is not None:
        coded, seen = _by_code(ink, form, layout.page_code, candidates, limits)
        if coded:
            candidates = coded
        elif isinstance(seen, Unlocated):
            return seen
    examined = [_examine(ink, layout.page(one.page), form.boxes[one.page], one) for one in candidates]
    chosen = _choose(examined, layout, expected_page, limits)
    if isinstance(chosen, Located) and chosen.source != "code" and _says_copy(layout.page_code):
        # whose page it is only the code can say: its place in the pile is no evidence when pages come in any order
        detail = f"its page code cannot be read, so its booklet is not known; by its print it may be page {chosen.page}"
        return Unlocated(Reason.UNKNOWN_PAGE, detail, page=chosen.page)
    if isinstance(chosen, Located) and chosen.source == "order" and layout.page_code is not None:
        detail = f"its page code cannot be read, and its print does not tell it from other pages; it may be page {chosen.page}"
        return Unlocated(Reason.UNKNOWN_PAGE, detail, page=chosen.page)
    return chosen


def _says_copy(code: PageCode | None) -> bool:
    return code is not None and code.kind is PageCodeKind.BARCODE and "{copy}" in code.content


def _placed_by_marks(
    ink: PageInk,
    form: KnownForm,
    dpi: float | None,
    *,
    upright_will_do: bool = False,
    limits: RegistrationLimits = REGISTRATION,
) -> list[_Candidate]:
    """Every page under every placement that its registration marks allow; `upright_will_do` as for `placements`."""
    found: list[_Candidate] = []
    for pages in form.alike:
        for placement in placements(ink, pages[0], dpi=dpi, limits=limits, upright_will_do=upright_will_do):
            found.extend(_Candidate(page.number, placement) for page in pages)
    most = max((one.placement.found for one in found), default=0)
    return [one for one in found if one.placement.found >= most - 1]


def _placed_by_print(ink: PageInk, form: KnownForm, dpi: float | None) -> list[_Candidate]:
    """The page whose print agrees best, and any other that agrees nearly as well."""
    if not form.blanks:
        return []
    page = form.layout.pages[0]
    guess = max(ink.gray.shape) / max(page.width_mm, page.height_mm)
    scan = find_print(ink.gray, guess if dpi is None else dpi / 25.4, limits=REFERENCE)
    found = []
    for number, blank in form.blanks.items():
        placement = place_by_print(blank.print, blank.pixels_per_mm, scan, limits=REFERENCE)
        if placement is not None:
            found.append(_Candidate(number, placement))
    most = max((one.placement.found for one in found), default=0)
    return [one for one in found if one.placement.found >= most / 2]


def _placed_by_boxes(ink: PageInk, form: KnownForm, dpi: float | None) -> list[_Candidate]:
    """The pages whose pattern of boxes lies on this image, for forms that have nothing else to be found by."""
    layout = form.layout
    if layout.reference is not None or any(page.fiducials for page in layout.pages):
        return []
    mask = ink_mask(ink, REGISTRATION)
    found = []
    for page in layout.pages:
        scales = scale_range((mask.shape[0], mask.shape[1]), page, dpi, REGISTRATION)
        placement = place_by_boxes(mask, form.boxes[page.number], scales, limits=CONSTELLATION)
        if placement is not None:
            found.append(_Candidate(page.number, placement))
    return found


def _unplaced(layout: Layout) -> Unlocated:
    if any(page.fiducials for page in layout.pages):
        what = "the form's registration marks were not found on it"
    elif layout.reference is not None:
        what = "its print does not agree with the blank form"
    else:
        what = "the pattern of its boxes was not found, or fits in more than one way"
    return Unlocated(Reason.NOT_REGISTERED, what)


def _by_code(
    ink: PageInk, form: KnownForm, code: PageCode, candidates: Sequence[_Candidate], limits: PageLimits
) -> tuple[list[_Candidate], Unlocated | None]:
    """The candidates that the page code confirms; or, where it was read and says otherwise, what it says."""
    # the code lies in the same place on every page, so each placement is read once
    placements = {id(one.placement): one.placement for one in candidates}
    said: dict[int, list[tuple[int, str, str]]] = {key: [] for key in placements}
    for hard in (False, True):  # upside down there is no code: nothing is tried hard as long as an easy one may settle it
        for key, placement in placements.items():
            if all(strange for _, _, strange in said[key]):
                said[key] = _read_code(ink, form, code, placement, limits, hard=hard)
        confirmed = [
            _Candidate(one.page, one.placement, copy, by_code=True)
            for one in candidates
            for page, copy, strange in said[id(one.placement)]
            if page == one.page and not strange
        ]
        if confirmed or code.kind is PageCodeKind.BITS:
            break
    foreign = [strange for texts in said.values() for _, _, strange in texts if strange]
    return confirmed, Unlocated(Reason.FOREIGN, foreign[-1]) if foreign else None


def _read_code(
    ink: PageInk, form: KnownForm, code: PageCode, placement: Placement, limits: PageLimits, *, hard: bool
) -> list[tuple[int, str, str]]:
    """What the page code says under a placement: page, copy, and, if it is not of this layout, what it is."""
    if code.kind is PageCodeKind.BITS:
        return _read_bits(ink, form.bits, code, placement, limits)
    region = code.region
    if region is None:
        return []
    margin = limits.code_margin_mm
    left, top = region.x_mm - margin, region.y_mm - margin
    right, bottom = region.x_mm + region.width_mm + margin, region.y_mm + region.height_mm + margin
    corners = project(placement.matrix, [(left, top), (right, top), (right, bottom), (left, bottom)])
    x0, y0 = np.floor(corners.min(axis=0)).astype(int)
    x1, y1 = np.ceil(corners.max(axis=0)).astype(int)
    height, width = ink.gray.shape
    x0, y0, x1, y1 = max(0, int(x0)), max(0, int(y0)), min(width, int(x1)), min(height, int(y1))
    if x1 - x0 < 8 or y1 - y0 < 8:
        return []
    read = []
    for text in read_barcode(ink.gray, box=(x0, y0, x1, y1), hard=hard):
        identity = match_content(text, code, pages=len(form.layout.pages))
        if identity is None:
            read.append((0, "", f'its page code says "{text}", which is not of the layout {form.layout.name}'))
        else:
            read.append((identity.page, identity.copy, ""))
    return read


def _read_bits(
    ink: PageInk, places: PageBoxes, code: PageCode, placement: Placement, limits: PageLimits
) -> list[tuple[int, str, str]]:
    scale = local_scale(placement.matrix, places[0].x_mm, places[0].y_mm)
    frames = find_frames(ink, placement.matrix, places, pixels_per_mm=sampling(scale, FRAMES), limits=FRAMES)
    readings = measure(ink, placement.matrix, places, frames, None, pixels_per_mm=scale, settings=MEASURE)
    darkness = readings.values[:, FEATURES.index("ink")]
    if np.isnan(darkness).any():
        return []
    known = (darkness >= limits.bit_dark) | (darkness <= limits.bit_clear)
    bits = darkness >= limits.bit_dark
    if (~known).sum() > limits.most_unknown_bits:
        return []
    fits = []
    for page, pattern in code.patterns.items():
        want = np.array([one == "1" for one in pattern])
        if bool((want == bits)[known].all()):
            fits.append(page)
    if len(fits) == 1:
        return [(fits[0], "", "")]
    if not fits and known.all() and bits.any():
        seen = "".join("1" if bit else "0" for bit in bits)
        return [(0, "", f"its page code reads {seen}, which is not of the layout")]
    return []


@dataclass(frozen=True, slots=True, eq=False)
class _Examined:
    """A candidate with what its boxes say."""

    candidate: _Candidate
    boxes: PageBoxes
    frames: Frames
    pixels_per_mm: float

    def likeness(self, limits: PageLimits) -> float:
        """How well the boxes confirm the candidate: the share of frames seen, how clearly, and how near to their place.

        Boxes that all lie two millimetres aside are likelier another page's, or this page's the other way up.
        """
        shift = np.linalg.norm(median(self.frames.offset_mm)) / limits.usual_shift_mm
        usual = float(median(self.frames.score[np.isfinite(self.frames.score)]))
        return self.frames.support * usual * float(np.exp(-(shift**2)))

    @property
    def framed(self) -> int:
        """Number of boxes whose frames can confirm the placement."""
        return int(np.isfinite(self.frames.score).sum())


def _examine(ink: PageInk, page: LayoutPage, boxes: PageBoxes, candidate: _Candidate) -> _Examined:
    matrix: NDArray[np.float64] = candidate.placement.matrix
    scale = local_scale(matrix, page.width_mm / 2, page.height_mm / 2)
    frames = find_frames(ink, matrix, boxes, pixels_per_mm=sampling(scale, FRAMES), limits=FRAMES)
    return _Examined(candidate, boxes, frames, scale)


def _choose(examined: Sequence[_Examined], layout: Layout, expected_page: int, limits: PageLimits) -> Located | Unlocated:
    """The candidate that its boxes confirm, if no other is confirmed nearly as well."""
    believed = [one for one in examined if _confirmed(one, limits)]
    pages = {one.candidate.page for one in examined}
    if not believed:
        best = max(examined, key=lambda one: np.nan_to_num(one.frames.support, nan=-1.0))
        copy, page = (best.candidate.copy, best.candidate.page) if best.candidate.by_code or len(pages) == 1 else ("", 0)
        if best.framed and best.frames.support >= limits.least_support:
            detail = (
                f"its boxes lie {best.frames.residual_mm:.1f} mm from where the layout puts them, each in its own direction"
                f" (at most {limits.greatest_residual_mm:g} mm)"
            )
        elif best.framed:
            detail = (
                f"only {round(best.frames.support * best.framed)} of {best.framed} boxes were found where the layout puts them"
                f" (least share {limits.least_support:g})"
            )
        else:
            detail = (
                f"only {best.candidate.placement.found} of {best.candidate.placement.expected} registration marks were found"
            )
        return Unlocated(Reason.NOT_REGISTERED, detail, copy, page)
    with_boxes = [one for one in believed if one.framed >= limits.least_boxes]
    if len(with_boxes) == 1:
        near = with_boxes
    elif with_boxes:
        top = max(one.likeness(limits) for one in with_boxes)
        near = [one for one in with_boxes if one.likeness(limits) >= limits.rival_share * top]
        near = [one for one in near if not any(_contradicts(other, one, limits) for other in near)]
    else:
        near = believed
    by_content = bool(with_boxes) and len({one.candidate.page for one in near}) == 1
    near = _of_expected_page(near, expected_page)
    rotations = {one.candidate.placement.rotation for one in near}
    if len(near) > 1 and len(rotations) > 1 and not any(one.boxes for one in near):
        # nothing on the page is measured, so that either way up will do; the better supported comes first
        near = near[:1]
    if len(near) > 1 and len({one.candidate.page for one in near}) == 1:
        detail = f"page {near[0].candidate.page} fits either way up: give the form a mark or a page code that is not symmetric"
        return Unlocated(Reason.UNKNOWN_PAGE, detail, page=near[0].candidate.page)
    if len(near) != 1:
        return Unlocated(
            Reason.UNKNOWN_PAGE, f"it may be page {' or '.join(sorted({str(one.candidate.page) for one in near}))}"
        )
    chosen = near[0]
    if chosen.candidate.by_code:
        source = "code"
    elif len(layout.pages) == 1 or by_content:
        source = "content"
    else:
        source = "order"
    return Located(
        chosen.candidate.page, chosen.candidate.copy, source, chosen.candidate.placement, chosen.frames, chosen.pixels_per_mm
    )


def _contradicts(other: _Examined, one: _Examined, limits: PageLimits) -> bool:
    """Whether the boxes that only one of two pages has say that it is the other."""
    if other.candidate.page == one.candidate.page:
        return False
    mine, others = _own_boxes_seen(one, other), _own_boxes_seen(other, one)
    if np.isnan(mine):
        return bool(others >= limits.own_boxes_seen)
    if np.isnan(others):
        return bool(mine <= 1 - limits.own_boxes_seen)
    return bool(others - mine >= 2 * limits.own_boxes_seen - 1)


def _own_boxes_seen(one: _Examined, other: _Examined) -> float:
    """Share of the frames seen among the boxes that only the first of two pages has; NaN where it has none of its own."""
    if not one.boxes or not other.boxes:
        return math.nan
    places, there = one.boxes.centres, other.boxes.centres
    own = np.linalg.norm(places[:, None] - there[None], axis=2).min(axis=1) > 1.0
    own &= np.isfinite(one.frames.score)
    return float(one.frames.seen[own].mean()) if own.any() else math.nan


def _of_expected_page(near: list[_Examined], expected_page: int) -> list[_Examined]:
    expected = [one for one in near if one.candidate.page == expected_page]
    return expected or near


def _confirmed(one: _Examined, limits: PageLimits) -> bool:
    """Whether boxes, or marks and page code together, confirm a placement."""
    placement, frames = one.candidate.placement, one.frames
    by_marks = placement.found >= limits.sure_fiducials and placement.residual_mm <= limits.sure_residual_mm
    if one.framed >= limits.least_boxes:
        by_boxes = frames.support >= limits.least_support and frames.residual_mm <= limits.greatest_residual_mm
        coarse = one.pixels_per_mm < limits.coarse_pixels_per_mm  # frames cannot be seen
        return by_boxes or (one.candidate.by_code and by_marks and coarse)
    return by_marks or (one.candidate.by_code and placement.found >= 3)
