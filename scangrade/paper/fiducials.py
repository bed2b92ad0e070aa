"""Finding a form's registration marks on a scanned page, and from them how the form lies on it.

Candidates are the connected components of ink whose size and shape could be a mark; pairs of them propose a similarity, the other
marks vote for it, and each mark is then placed to a fraction of a pixel by correlation with its ideal picture. Which page it is,
and which of several symmetric placements is right, is not decided here: `placements` gives every one that the marks allow.
"""

from __future__ import annotations

import functools
import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, combinations
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from scangrade.geometry import MM_PER_INCH, local_scale, parabola_top, project, project_point
from scangrade.model import Fiducial, FiducialKind, LayoutPage
from scangrade.paper.patches import PageInk, Window, sample
from scangrade.settings import RegistrationLimits

Gray = NDArray[np.uint8]
Points = NDArray[np.float64]

_PAPER = 255  # gray value beyond the edges of the image, where marks are looked for


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """One way in which a form may lie on the page image."""

    matrix: NDArray[np.float64]  #: layout mm to image pixels, 3 x 3
    found: int  #: marks that were found where this placement says
    expected: int  #: marks that the layout has
    residual_mm: float  #: root mean square of their distances to an affine placement
    rotation: int  #: 0, 90, 180, 270: clockwise turn that brings the image upright
    alone: bool = True  #: whether no second form with all its marks lies elsewhere on the image

    def complete(self, limits: RegistrationLimits) -> bool:
        """Whether all marks were found, and fit: dots that happen to lie much like marks are no form while one of its marks is hidden."""
        return self.found == self.expected and self.residual_mm <= limits.complete_mm


@dataclass(frozen=True, slots=True, eq=False)
class _Candidates:
    """Components that may be a mark of one kind; pixels."""

    centre: Points
    size: NDArray[np.float64]

    def enlarged(self, factor: int) -> _Candidates:
        """The same in an image of which this one is a reduction."""
        return _Candidates((self.centre + 0.5) * factor - 0.5, self.size * factor)


#: Candidates by a mark's kind and size in mm.
_ByKind = dict[tuple[FiducialKind, float], _Candidates]


@dataclass(frozen=True, slots=True, eq=False)
class _Hypothesis:
    """A placement that candidates propose."""

    rotation: int
    matrix: NDArray[np.float64]  #: affine
    rank: tuple[int, float]  #: less is better: votes, negative, and the distances of the candidates together in mm
    key: tuple[int, ...]  #: rotation and candidates: who proposes the same

    def worse(self, other: _Hypothesis, limits: RegistrationLimits) -> bool:
        """Whether fewer candidates support it than another one, or farther ones. Of a form upside down, the same ones do."""
        return self.rank[0] > other.rank[0] or self.rank[1] > other.rank[1] + limits.sure_mm * (len(self.key) - 1)


def _sure(votes: int, miss_mm: float, marks: int, limits: RegistrationLimits) -> bool:
    """Whether all marks have a candidate, and close by."""
    return votes == marks and miss_mm <= limits.sure_mm * marks


def scale_range(
    shape: tuple[int, int], page: LayoutPage, dpi: float | None, limits: RegistrationLimits
) -> tuple[float, float]:
    """Least and greatest pixels per millimetre at which the form may lie in an image of this shape."""
    height, width = shape
    long, short = max(page.width_mm, page.height_mm), min(page.width_mm, page.height_mm)
    fits = min(max(height, width) / long, min(height, width) / short)
    guesses = (
        [fits] if dpi is None else [fits, min(max(dpi / MM_PER_INCH, fits * limits.least_scale), fits / limits.least_scale)]
    )
    return min(guesses) * limits.least_scale, max(guesses) * limits.greatest_scale


def placements(
    ink: PageInk, page: LayoutPage, *, dpi: float | None, limits: RegistrationLimits, upright_will_do: bool = False
) -> tuple[Placement, ...]:
    """Every way in which the page's registration marks let the form lie on the image, the best supported first.

    Parameters
    ----------
    ink : PageInk
        The page image.
    page : LayoutPage
        Its fiducials, and its size for a first idea of the scale.
    dpi : float or None
        Resolution as the file says it.
    limits : RegistrationLimits
        How far and how turned a form may lie.
    upright_will_do : bool
        Whether no other way is looked at where the form fills the image upright, with all its marks.

    Returns
    -------
    tuple of Placement
        At most one for each of the four rotations; empty where the marks were not found.

    Notes
    -----
    Consensus over pairs as in RANSAC [1]_, but exhaustive: there are few marks and few candidates.

    References
    ----------
    .. [1] M. Fischler, R. Bolles, CACM 24(6), 1981. DOI 10.1145/358669.358692
    """
    fiducials = page.fiducials
    if len(fiducials) < limits.least_fiducials:
        return ()
    scales = scale_range((ink.gray.shape[0], ink.gray.shape[1]), page, dpi, limits)
    seen = _SeenMarks()
    found = _filling(ink, page, scales, seen, limits, upright_will_do=upright_will_do)
    for candidates, thorough in () if found else _looks(ink, page, scales, limits):
        hypotheses = _hypotheses(fiducials, candidates, *scales, limits, thorough=thorough)
        found += _supported(ink, hypotheses, page, seen, limits)
        if any(one.complete(limits) for one in found):
            break
    best: dict[int, Placement] = {}
    for one in sorted(found, key=lambda one: (-one.found, one.residual_mm)):
        best.setdefault(one.rotation, one)
    most = max((one.found for one in best.values()), default=0)
    # two marks place a form almost anywhere: no match for three that agree
    return tuple(one for one in best.values() if one.found >= most - 1)


def _apart_mm(one: NDArray[np.float64], other: NDArray[np.float64], page: LayoutPage) -> float:
    """Distance between the middles of a page under two placements."""
    middle = (page.width_mm / 2, page.height_mm / 2)
    return float(np.linalg.norm(project(one, [middle]) - project(other, [middle]))) / local_scale(other, *middle)


def _filling(
    ink: PageInk,
    page: LayoutPage,
    scales: tuple[float, float],
    seen: _SeenMarks,
    limits: RegistrationLimits,
    *,
    upright_will_do: bool,
) -> list[Placement]:
    """Placements of a form that fills the image and has all its marks near their usual places; empty where it is not so.

    Nearly all pages lie like that, and only a few percent of them need be looked through. A second sheet would cover marks of the first.
    """
    height, width = ink.gray.shape
    upright = (width > height) == (page.width_mm > page.height_mm)
    across, down = (page.width_mm, page.height_mm) if upright else (page.height_mm, page.width_mm)
    fills = max(width / across, height / down)
    if fills < limits.candidate_pixels_per_mm or min(width / across, height / down) < limits.filling_share * fills:
        return []
    times = _halvings(fills, limits)
    factor = 2**times
    windows = _usual_windows(page, (width // factor, height // factor), fills / factor, limits, upright=upright)
    if not windows:
        return []
    sheet = _below_each_other(ink.below_in(windows, print_level(ink, limits), times))
    inside = _candidates(sheet, page.fiducials, scales[0] / factor, scales[1] / factor, limits)
    candidates = {key: _put_back(one, windows).enlarged(factor) for key, one in inside.items()}
    middle = (page.width_mm / 2, page.height_mm / 2)

    def complete(some: Sequence[_Hypothesis]) -> list[Placement]:
        found = _supported(ink, some, page, seen, limits)
        fill = (local_scale(one.matrix, *middle) >= limits.filling_share * fills for one in found if one.found == one.expected)
        return found if any(fill) else []

    evident = complete(_evident(page, candidates, (width, height), fills, limits)) if upright_will_do else []
    if evident:
        return evident
    hypotheses = _hypotheses(page.fiducials, candidates, *scales, limits, thorough=False)
    upright = complete([one for one in hypotheses if one.rotation == 0]) if upright_will_do else []
    return upright or complete(hypotheses)


def _evident(
    page: LayoutPage, candidates: _ByKind, size: tuple[int, int], fills: float, limits: RegistrationLimits
) -> list[_Hypothesis]:
    """The upright placement, if each of at least three marks has a single candidate near its usual place, and they agree."""
    chosen: list[int] = []
    seen: list[list[float]] = []
    for one in page.fiducials:
        usual = one.x_mm / page.width_mm * size[0], one.y_mm / page.height_mm * size[1]
        pool = candidates[one.kind, one.size_mm]
        near = [k for k, place in enumerate(pool.centre.tolist()) if math.dist(place, usual) <= limits.usual_mm * fills]
        ratio = pool.size[near[0]] / (one.size_mm * fills) if near else 0.0
        if len(near) != 1 or not limits.least_size_ratio <= ratio <= limits.greatest_size_ratio:
            return []
        chosen.append(near[0])
        seen.append(pool.centre[near[0]].tolist())
    if len(chosen) < 3:
        return []
    source, target = np.array([(one.x_mm, one.y_mm) for one in page.fiducials]), np.array(seen)
    matrix = fit_affine(source, target)
    miss_mm = sum(_misses(matrix, source, target)) / fills
    rotation = upright_turn(math.degrees(math.atan2(matrix[1, 0], matrix[0, 0])))
    if rotation != 0 or not _sure(len(chosen), miss_mm, len(chosen), limits):
        return []
    return [_Hypothesis(rotation, matrix, (-len(chosen), miss_mm), (rotation, *chosen))]


@functools.lru_cache(maxsize=64)
def _usual_windows(
    page: LayoutPage, size: tuple[int, int], scale: float, limits: RegistrationLimits, *, upright: bool
) -> tuple[Window, ...]:
    """Where the marks of a form lie in an image of this width and height that it fills, either way up; windows that meet are one."""
    width, height = size
    windows: list[Window] = []
    for one in page.fiducials:
        x, y = one.x_mm / page.width_mm, one.y_mm / page.height_mm
        reach = (limits.usual_mm + 1.5 * one.size_mm) * scale
        for right, low in ((x, y), (1 - x, 1 - y)) if upright else ((1 - y, x), (y, 1 - x)):
            near = (right * width - reach, low * height - reach, right * width + reach, low * height + reach)
            x0, y0, x1, y1 = (round(value) for value in near)
            window = max(0, x0), max(0, y0), min(width, x1), min(height, y1)
            if window[0] >= window[2] or window[1] >= window[3]:
                continue  # a mark that has no place on the page
            meeting = [other for other in windows if _meet(window, other)]
            while meeting:
                windows = [other for other in windows if other not in meeting]
                every = list(zip(window, *meeting, strict=True))
                window = min(every[0]), min(every[1]), max(every[2]), max(every[3])
                meeting = [other for other in windows if _meet(window, other)]
            windows.append(window)
    return tuple(windows)


def _meet(one: Window, other: Window) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _below_each_other(pictures: Sequence[Gray]) -> Gray:
    """One picture of many, with a row of zeros after each."""
    sheet = np.zeros((sum(len(one) + 1 for one in pictures), max(one.shape[1] for one in pictures)), np.uint8)
    row = 0
    for one in pictures:
        sheet[row : row + len(one), : one.shape[1]] = one
        row += len(one) + 1
    return sheet


def _put_back(found: _Candidates, windows: Sequence[Window]) -> _Candidates:
    """What was found in windows that were put `_below_each_other`, as it lies in the image; without what their edges may have cut."""
    starts = list(accumulate((bottom - top + 1 for _, top, _, bottom in windows), initial=0))
    centres, sizes = [], []
    for (x, y), size in zip(found.centre.tolist(), found.size.tolist(), strict=True):
        which = bisect_right(starts, y) - 1
        left, top, right, bottom = windows[which]
        column, row = x + left, y + top - starts[which]
        if min(x, row - top, right - 1 - column, bottom - 1 - row) >= size:
            centres.append((column, row))
            sizes.append(size)
    return _Candidates(np.array(centres, dtype=np.float64).reshape(-1, 2), np.array(sizes, dtype=np.float64))


def _halvings(scale: float, limits: RegistrationLimits) -> int:
    """How often an image of so many pixels per mm is halved to look for marks."""
    return int(math.log2(max(1.0, scale / limits.candidate_pixels_per_mm)))


def _looks(
    ink: PageInk, page: LayoutPage, scales: tuple[float, float], limits: RegistrationLimits
) -> Iterator[tuple[_ByKind, bool]]:
    """Candidates to try, and whether to try every pair of them: the dearer each only if the ones before were not enough."""
    low, high = scales
    times = _halvings(high / limits.greatest_scale, limits)
    earlier: list[_ByKind] = []
    for halved in (times, 0) if times else (0,):
        mask, factor = ink_mask(ink.halved(halved), limits), 2**halved
        reduced = _candidates(mask, page.fiducials, low / factor, high / factor, limits)
        earlier.append({key: one.enlarged(factor) for key, one in reduced.items()})
        yield earlier[-1], False
    for candidates in earlier:
        yield candidates, True
    # dirt on the scanner's glass draws lines that may tie a mark to others; without those lines it stands alone again
    streak_px = round(limits.least_streak_share * max(one.size_mm for one in page.fiducials) * high)
    yield _candidates(_without_streaks(mask, streak_px), page.fiducials, low, high, limits), True


def _supported(
    ink: PageInk, hypotheses: Sequence[_Hypothesis], page: LayoutPage, seen: _SeenMarks, limits: RegistrationLimits
) -> list[Placement]:
    """Placements that are proposed and that hold when looked at closely; one for each rotation."""
    found: dict[int, Placement] = {}
    surest: _Hypothesis | None = None
    for one in hypotheses:
        known = found.get(one.rotation)
        if known is not None and known.complete(limits):
            if _apart_mm(one.matrix, known.matrix, page) > limits.twin_mm:
                twin = _refined(ink, one.matrix, page, seen, limits)
                if twin is not None and twin.complete(limits):
                    found[one.rotation] = replace(known, alone=False)
            continue
        if surest is not None and one.worse(surest, limits):
            continue  # it cannot rival a placement that has all marks
        placement = _refined(ink, one.matrix, page, seen, limits)
        if placement is None:
            continue
        if known is None or placement.found > known.found or placement.complete(limits):
            found[one.rotation] = placement
        if surest is None and placement.complete(limits):
            surest = one
    return list(found.values())


def ink_mask(ink: PageInk, limits: RegistrationLimits) -> Gray:
    """255 where the page is dark enough to be print, else 0."""
    return ink.below(print_level(ink, limits))


def print_level(ink: PageInk, limits: RegistrationLimits) -> float:
    """Share of the paper's brightness below which a pixel is dark enough to be print."""
    return 1.0 - limits.ink_share_of_black * ink.contrast


def _without_streaks(mask: Gray, length: int) -> Gray:
    """An ink mask without straight vertical and horizontal lines of at least so many pixels, the marks they crossed mended."""
    for shape in ((1, length), (length, 1)):
        lines = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones(shape, np.uint8))
        mask = np.asarray(cv2.subtract(mask, cv2.dilate(lines, np.ones((3, 3), np.uint8))), dtype=np.uint8)
    return np.asarray(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)), dtype=np.uint8)


def _candidates(mask: Gray, fiducials: Sequence[Fiducial], low: float, high: float, limits: RegistrationLimits) -> _ByKind:
    labels, stats, centroids = _components(mask)
    # a page that is ink all over has a background of no pixel
    width = np.maximum(stats[:, cv2.CC_STAT_WIDTH], 1).astype(np.float64)
    height = np.maximum(stats[:, cv2.CC_STAT_HEIGHT], 1).astype(np.float64)
    fill = stats[:, cv2.CC_STAT_AREA] / (width * height)
    aspect = np.minimum(width, height) / np.maximum(width, height)
    size = np.maximum(width, height)
    found: _ByKind = {}
    for kind, size_mm in {(one.kind, one.size_mm) for one in fiducials}:
        line = max(one.line_mm for one in fiducials if one.kind is kind)
        near = (size >= 0.75 * size_mm * low) & (size <= 1.4 * size_mm * high) & (aspect >= limits.least_aspect)
        near[0] = False  # label 0 is the background
        if kind in (FiducialKind.SQUARE, FiducialKind.CIRCLE):
            near &= fill >= limits.least_solid_fill
        else:
            near &= fill <= limits.greatest_line_fill(line / size_mm)
        chosen = np.flatnonzero(near)
        centres = centroids[chosen].astype(np.float64)
        sizes = size[chosen]
        if kind in (FiducialKind.RING, FiducialKind.PLUS):
            # the centre of the bounding box: touching dirt moves a centroid more than it moves the outline
            left, top = stats[chosen, cv2.CC_STAT_LEFT], stats[chosen, cv2.CC_STAT_TOP]
            centres = np.column_stack([left + (width[chosen] - 1) / 2, top + (height[chosen] - 1) / 2])
            off = np.abs(centres - centroids[chosen]).max(axis=1, initial=0.0)
            keep = off <= 0.12 * sizes
            centres, sizes = centres[keep], sizes[keep]
        elif kind is FiducialKind.CORNER:
            elbows = [_elbow(labels, stats[label], int(label)) for label in chosen]
            centres = np.array([one for one in elbows if one is not None], dtype=np.float64).reshape(-1, 2)
            sizes = np.array([value for one, value in zip(elbows, sizes, strict=True) if one is not None])
        if len(centres) > limits.most_candidates:
            # the outermost ones: registration marks frame a page, print fills it
            middle = np.array([mask.shape[1] / 2, mask.shape[0] / 2])
            order = np.argsort(-np.abs((centres - middle) / middle).sum(axis=1))[: limits.most_candidates]
            centres, sizes = centres[order], sizes[order]
        found[kind, size_mm] = _Candidates(centres, sizes)
    return found


def _components(mask: Gray) -> tuple[NDArray[np.integer[Any]], NDArray[np.int32], Points]:
    """Labels, statistics and centroids of the connected components of ink."""
    try:  # labels of 16 bits cost a third
        _, labels, stats, centroids = cv2.connectedComponentsWithStats(mask, connectivity=8, ltype=cv2.CV_16U)
    except cv2.error:  # more than 65,535 components: a page of noise
        _, labels, stats, centroids = cv2.connectedComponentsWithStats(mask, connectivity=8, ltype=cv2.CV_32S)
    whole: NDArray[np.integer[Any]] = np.asarray(labels)
    return whole, np.asarray(stats, dtype=np.int32), np.asarray(centroids, dtype=np.float64)


def _elbow(labels: NDArray[np.integer[Any]], stat: NDArray[np.int32], label: int) -> tuple[float, float] | None:
    """The outer corner of an L-shaped component: the outline's point farthest from the line between its tips."""
    left, top, width, height = stat[:4].tolist()
    own = (labels[top : top + height, left : left + width] == label).astype(np.uint8)
    hull = cv2.convexHull(cv2.findNonZero(own)).reshape(-1, 2).tolist()
    if len(hull) < 3:
        return None
    # point by point: an outline has a dozen
    gap, (x0, y0), (x1, y1) = max((math.dist(one, other), one, other) for one, other in combinations(hull, 2))
    away, (x, y) = max((abs((x - x0) * (y1 - y0) - (y - y0) * (x1 - x0)) / gap, (x, y)) for x, y in hull)
    if away < 0.35 * gap:  # half the hypotenuse for two equal arms
        return None
    return float(x + left), float(y + top)


def _hypotheses(
    fiducials: Sequence[Fiducial],
    candidates: _ByKind,
    low: float,
    high: float,
    limits: RegistrationLimits,
    *,
    thorough: bool,
) -> list[_Hypothesis]:
    """Affine maps that a pair of candidates proposes and others support, best first, some for each rotation.

    If not `thorough`, only those that have all marks close by.
    """
    best: dict[tuple[int, ...], _Hypothesis] = {}
    places = np.array([(one.x_mm, one.y_mm) for one in fiducials])
    pools = [candidates[one.kind, one.size_mm] for one in fiducials]
    pairs = sorted(
        combinations(range(len(fiducials)), 2), key=lambda ij: -float(np.linalg.norm(places[ij[0]] - places[ij[1]]))
    )
    close = limits.close_mm * len(fiducials)
    for i, j in pairs[: limits.most_pairs]:
        similarities = _pair_similarities(fiducials, pools, (i, j), (low, high), limits)
        if not len(similarities):
            continue
        if not thorough and len(similarities) > limits.most_hypotheses:
            similarities = similarities[_rough_miss(similarities, places, pools) <= limits.sure_mm * len(fiducials)]
        for one in _voted(similarities, fiducials, pools, limits, thorough=thorough):
            if one.key not in best or one.rank < best[one.key].rank:
                best[one.key] = one
        if any(-one.rank[0] == len(fiducials) and one.rank[1] <= close for one in best.values()):
            break  # all marks agree on what this pair proposes: other pairs would only propose it again
        if not thorough:
            break  # any pair would propose what has all marks close by
    kept: dict[int, int] = {}
    hypotheses = []
    for one in sorted(best.values(), key=lambda one: one.rank):
        kept[one.rotation] = kept.get(one.rotation, 0) + 1
        if kept[one.rotation] <= limits.most_per_rotation:
            hypotheses.append(one)
    return hypotheses


def _pair_similarities(
    fiducials: Sequence[Fiducial],
    pools: Sequence[_Candidates],
    pair: tuple[int, int],
    scales: tuple[float, float],
    limits: RegistrationLimits,
) -> NDArray[np.complex128]:
    """Similarities, z -> m z + c as rows (m, c), that take a pair of marks to candidates that may be they."""
    i, j = pair
    first, second = (complex(fiducials[k].x_mm, fiducials[k].y_mm) for k in pair)
    zi, zj = (pools[k].centre[:, 0] + 1j * pools[k].centre[:, 1] for k in pair)
    turn = (zj[None, :] - zi[:, None]) / (second - first)  # scale and rotation as one complex number
    scale = np.sqrt(turn.real**2 + turn.imag**2)
    fits = (scale >= scales[0]) & (scale <= scales[1])
    for k, axis in ((i, 1), (j, 0)):
        ratio = np.expand_dims(pools[k].size / fiducials[k].size_mm, axis)
        fits &= (ratio >= limits.least_size_ratio * scale) & (ratio <= limits.greatest_size_ratio * scale)
    across, down = np.abs(turn.real), np.abs(turn.imag)
    fits &= np.minimum(across, down) <= math.tan(math.radians(limits.greatest_tilt_deg)) * np.maximum(across, down)
    a_index, b_index = np.nonzero(fits)
    m = turn[a_index, b_index]
    return np.column_stack([m, zi[a_index] - m * first])


def _rough_miss(
    similarities: NDArray[np.complex128], places: Points, pools: Sequence[_Candidates], *, cells: int = 128
) -> NDArray[np.float64]:
    """Lower bound, mm, of the distances together from where each similarity puts the marks to the nearest candidates."""
    m, c = similarities[:, 0], similarities[:, 1]
    every = np.concatenate([pool.centre for pool in pools])
    side = float(every.max(initial=1.0)) / cells  # pixels of a cell
    maps: dict[int, NDArray[np.float32]] = {}
    miss = np.zeros(len(m))
    for (x, y), pool in zip(places, pools, strict=True):
        if id(pool) not in maps:
            free = np.ones((cells + 1, cells + 1), np.uint8)
            at = np.floor(pool.centre / side).astype(int)
            free[at[:, 1], at[:, 0]] = 0
            maps[id(pool)] = np.asarray(cv2.distanceTransform(free, cv2.DIST_L2, cv2.DIST_MASK_5), dtype=np.float32)
        want = m * complex(x, y) + c
        column = np.clip(np.floor(want.real / side), 0, cells).astype(int)
        row = np.clip(np.floor(want.imag / side), 0, cells).astype(int)
        # two points of two cells may each lie anywhere in theirs: up to a diagonal nearer than the cells' centres
        miss += np.maximum(maps[id(pool)][row, column] - math.sqrt(2), 0.0) * side
    return np.asarray(miss / np.abs(m), dtype=np.float64)


def _voted(
    similarities: NDArray[np.complex128],
    fiducials: Sequence[Fiducial],
    pools: Sequence[_Candidates],
    limits: RegistrationLimits,
    *,
    thorough: bool,
) -> list[_Hypothesis]:
    """The similarities that most marks vote for, each fitted to the candidates that stand for the marks.

    If not `thorough`, only those that all marks vote for from close by.
    """
    m, c = similarities[:, 0], similarities[:, 1]
    scale = np.abs(m)
    votes = np.zeros(len(m), dtype=np.int64)
    misses = np.zeros(len(m))
    chosen = np.full((len(m), len(fiducials)), -1)  # candidate that stands for each mark, -1 for none
    for column, (fiducial, pool) in enumerate(zip(fiducials, pools, strict=True)):
        if not len(pool.centre):
            misses += limits.vote_mm
            continue
        want = m * complex(fiducial.x_mm, fiducial.y_mm) + c
        across = (want.real[:, None] - pool.centre[None, :, 0]).astype(np.float32)
        down = (want.imag[:, None] - pool.centre[None, :, 1]).astype(np.float32)
        squares = across * across + down * down
        ratio = pool.size[None, :] / (fiducial.size_mm * scale)[:, None]
        squares[(ratio < limits.least_size_ratio) | (ratio > limits.greatest_size_ratio)] = np.inf
        which = squares.argmin(axis=1)
        nearest = np.sqrt(squares[np.arange(len(m)), which]) / scale
        votes += nearest <= limits.vote_mm
        misses += np.minimum(nearest, limits.vote_mm)
        chosen[:, column] = np.where(nearest <= limits.vote_mm, which, -1)
    places = np.array([(one.x_mm, one.y_mm) for one in fiducials])
    found = []
    for k in np.lexsort((misses, -votes))[: limits.most_hypotheses].tolist():
        if votes[k] < limits.least_fiducials or not (thorough or _sure(int(votes[k]), float(misses[k]), len(places), limits)):
            break
        voters = np.flatnonzero(chosen[k] >= 0)
        seen = np.array([pools[v].centre[chosen[k, v]] for v in voters.tolist()])
        rotation = upright_turn(float(np.degrees(np.angle(m[k]))))
        found.append(
            _Hypothesis(
                rotation,
                fit_affine(places[voters], seen),
                (-int(votes[k]), float(misses[k])),
                (rotation, *chosen[k].tolist()),
            )
        )
    return found


def upright_turn(tilt_deg: float) -> int:
    """Clockwise turn that brings an image upright whose form is turned clockwise by so much."""
    return (-round(tilt_deg / 90) * 90) % 360


@functools.lru_cache(maxsize=128)
def ideal(
    kind: FiducialKind, size_mm: float, line_mm: float, turn_deg: int, *, scale: float, margin_mm: float
) -> NDArray[np.float32]:
    """A mark as it is printed: darkness 0 to 1, `scale` pixels per mm, its body's centre in the middle, `margin_mm` of paper around."""
    fine = 4
    side = 2 * _ideal_half(size_mm, margin_mm, scale) + 1
    step = 1 / (scale * fine)
    axis = (np.arange(side * fine) - (side * fine - 1) / 2) * step
    x, y = np.meshgrid(axis, axis)
    half, line = size_mm / 2, line_mm / 2
    match kind:
        case FiducialKind.SQUARE:
            inside = np.maximum(np.abs(x), np.abs(y)) <= half
        case FiducialKind.CIRCLE:
            inside = np.hypot(x, y) <= half
        case FiducialKind.RING:
            inside = np.abs(np.hypot(x, y) - half + line) <= line
        case FiducialKind.PLUS:
            inside = ((np.abs(x) <= line) & (np.abs(y) <= half)) | ((np.abs(y) <= line) & (np.abs(x) <= half))
        case FiducialKind.CORNER:
            u, v = _turned(x, y, -turn_deg)
            arm = (np.maximum(np.abs(u), np.abs(v)) <= half) & ((u <= -half + 2 * line) | (v <= -half + 2 * line))
            inside = arm
    picture = inside.astype(np.float32).reshape(side, fine, side, fine).mean(axis=(1, 3))
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), max(0.5, 0.1 * scale)), dtype=np.float32)


def _ideal_half(size_mm: float, margin_mm: float, scale: float) -> int:
    """Pixels from the middle of a mark's ideal picture to its sides."""
    return math.ceil((size_mm / 2 + margin_mm) * scale)


def _turned(x: NDArray[np.float64], y: NDArray[np.float64], degrees: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return cos * x - sin * y, sin * x + cos * y


def body_centre(fiducial: Fiducial) -> tuple[float, float]:
    """Middle of the square that a mark fills, in layout mm: for a corner that is not where it is placed by."""
    if fiducial.kind is not FiducialKind.CORNER:
        return fiducial.x_mm, fiducial.y_mm
    half = fiducial.size_mm / 2
    dx, dy = _turned(np.array(half), np.array(half), fiducial.turn_deg)
    return fiducial.x_mm + float(dx), fiducial.y_mm + float(dy)


#: Kind, size and line width of a mark, and by how much it is turned on the image.
_Look = tuple[FiducialKind, float, float, int]


class _SeenMarks:
    """Where marks were found on an image so far: upside down, a form's marks lie where others of the same look lie upright."""

    def __init__(self) -> None:
        self._places: dict[_Look, list[tuple[float, float]]] = {}

    def near(self, look: _Look, at: tuple[float, float], reach_px: float) -> tuple[float, float] | None:
        """A mark of this look that was found within reach of a place in the image."""
        for x, y in self._places.get(look, ()):
            if math.hypot(x - at[0], y - at[1]) <= reach_px:
                return x, y
        return None

    def add(self, look: _Look, at: tuple[float, float]) -> None:
        self._places.setdefault(look, []).append(at)


def _refined(
    ink: PageInk, matrix: NDArray[np.float64], page: LayoutPage, seen_marks: _SeenMarks, limits: RegistrationLimits
) -> Placement | None:
    """A placement whose marks were each found by correlation, or None where too few were."""
    # Where all marks were candidates, they are within the smallest radius already. A mark that dirt has moved or hidden is not.
    near = min(limits.search_mm)
    quick = _search(ink, matrix, page, near, seen_marks, limits)
    if len(quick[0]) == len(page.fiducials):
        fit = _fit(*quick, limits)
        if fit is not None and fit.used.all():
            return _placement(fit, page)
    fit = None
    for search_mm in limits.search_mm:
        found = _search(ink, matrix, page, search_mm, seen_marks, limits)
        if len(found[0]) < limits.least_fiducials:
            return None
        fit = _fit(*found, limits)
        if fit is None:
            return None
        matrix = fit.matrix
    return None if fit is None else _placement(fit, page)


def _search(
    ink: PageInk,
    matrix: NDArray[np.float64],
    page: LayoutPage,
    search_mm: float,
    seen_marks: _SeenMarks,
    limits: RegistrationLimits,
) -> tuple[Points, Points]:
    """The marks that lie within `search_mm` of where `matrix` puts them: body centres in layout mm, and in pixels."""
    scale = local_scale(matrix, page.width_mm / 2, page.height_mm / 2)
    upright = upright_turn(math.degrees(math.atan2(matrix[1, 0], matrix[0, 0])))
    bodies = [body_centre(one) for one in page.fiducials]
    places: list[tuple[float, float] | None] = [None] * len(bodies)
    wanted: dict[float, dict[_Look, list[int]]] = {}  # marks by their size and look: those of a size are sampled together
    for k, (one, body) in enumerate(zip(page.fiducials, bodies, strict=True)):
        turn = (one.turn_deg - upright) % 360 if one.kind is FiducialKind.CORNER else 0
        look = one.kind, one.size_mm, one.line_mm, turn
        places[k] = seen_marks.near(look, project_point(matrix, *body), min(limits.search_mm) * scale)
        if places[k] is None:
            wanted.setdefault(one.size_mm, {}).setdefault(look, []).append(k)
    # in steps, so that all pages of a batch share a few ideal pictures
    quality = round(min(max(scale, limits.least_pixels_per_mm), limits.most_pixels_per_mm) * 2) / 2
    for size_mm, looks in wanted.items():
        members = [k for some in looks.values() for k in some]
        half = _ideal_half(size_mm, limits.template_margin_mm, quality) + math.ceil(search_mm * quality)
        axis = np.arange(-half, half + 1) / quality
        samples = sample(ink, matrix, np.array([bodies[k] for k in members]), axis, axis, around=_PAPER)
        dark = cv2.bitwise_not(samples.pixels.reshape(-1, len(axis))).astype(np.float32)
        first = 0
        for look, some in looks.items():
            # the pictures below each other: what lies across two of them is left out
            stack = dark[first * len(axis) : (first + len(some)) * len(axis)]
            first += len(some)
            mark = page.fiducials[some[0]]
            template = ideal(*look[:3], mark.turn_deg, scale=quality, margin_mm=limits.template_margin_mm)
            match = np.asarray(cv2.matchTemplate(stack, template, cv2.TM_CCOEFF_NORMED), np.float32)
            for row, k in zip(range(0, len(stack), len(axis)), some, strict=True):
                moved = _best_match(match[row : row + match.shape[1]], limits)
                if moved is not None:
                    (x_mm, y_mm), (dx, dy) = bodies[k], moved
                    place = project_point(matrix, x_mm + dx / quality, y_mm + dy / quality)
                    seen_marks.add(look, place)
                    places[k] = place
    found = [(body, place) for body, place in zip(bodies, places, strict=True) if place is not None]
    return np.array([body for body, _ in found]).reshape(-1, 2), np.array([place for _, place in found]).reshape(-1, 2)


def _best_match(match: NDArray[np.float32], limits: RegistrationLimits) -> tuple[float, float] | None:
    """How far right and down of the middle of a square of correlations the greatest is; None where that is too small."""
    row, column = divmod(int(match.argmax()), match.shape[1])
    if match[row, column] < limits.least_correlation:
        return None
    middle = (match.shape[1] - 1) / 2
    return column + parabola_top(match[row], column) - middle, row + parabola_top(match[:, column], row) - middle


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """How marks lie together."""

    matrix: NDArray[np.float64]  #: layout mm to image pixels
    used: NDArray[np.bool_]  #: which of the marks: the others contradict them
    misses: list[float]  #: pixels between those and where an affine map puts them


def _placement(fit: _Fit, page: LayoutPage) -> Placement:
    matrix = fit.matrix
    scale = local_scale(matrix, page.width_mm / 2, page.height_mm / 2)
    residual = math.sqrt(sum(one * one for one in fit.misses) / len(fit.misses)) / scale
    tilt = math.degrees(math.atan2(matrix[1, 0], matrix[0, 0]))
    return Placement(matrix, len(fit.misses), len(page.fiducials), residual, upright_turn(tilt))


def _fit(source: Points, target: Points, limits: RegistrationLimits) -> _Fit | None:
    """Homography (affine from three marks) without the marks that contradict the others; None where they all do."""
    used = np.ones(len(source), dtype=np.bool_)
    while True:
        mine, theirs = source[used], target[used]
        affine = fit_affine(mine, theirs)
        scale = math.sqrt(abs(_area_scale(affine)))
        if not _plausible(affine, limits.greatest_stretch if len(mine) > 3 else limits.greatest_stretch_of_three):
            return None
        misses = _misses(affine, mine, theirs)
        if max(misses) <= limits.affine_miss_mm * max(scale, 1e-9):
            break
        if len(mine) <= max(3, limits.least_fiducials):
            return None
        left_out = [(_worst_without(source, target, used, int(k), scale), int(k)) for k in np.flatnonzero(used)]
        used[min(left_out)[1]] = False
    if len(mine) < 4:
        return _Fit(affine, used, misses)
    homography, _ = cv2.findHomography(mine, theirs, 0)
    if homography is None:
        return None
    return _Fit(np.asarray(homography, dtype=np.float64), used, misses)


def _worst_without(source: Points, target: Points, used: NDArray[np.bool_], k: int, scale: float) -> float:
    rest = used.copy()
    rest[k] = False
    affine = fit_affine(source[rest], target[rest])
    return max(_misses(affine, source[rest], target[rest])) / max(scale, 1e-9)


def fit_affine(source: Points, target: Points) -> NDArray[np.float64]:
    """Least squares affine map; a similarity from two points."""
    if len(source) == 2:
        turn = complex(*(target[1] - target[0])) / complex(*(source[1] - source[0]))
        start = complex(*target[0]) - turn * complex(*source[0])
        return np.array([[turn.real, -turn.imag, start.real], [turn.imag, turn.real, start.imag], [0, 0, 1]])
    # number by number: four marks are fitted a dozen times for each page, and arrays of four cost ten times as much
    count = len(source)
    places, seen = source.tolist(), target.tolist()
    mx, my = (sum(one[axis] for one in places) / count for axis in (0, 1))
    mu, mv = (sum(one[axis] for one in seen) / count for axis in (0, 1))
    around = [(x - mx, y - my, u - mu, v - mv) for (x, y), (u, v) in zip(places, seen, strict=True)]
    xx, xy, yy = sum(x * x for x, *_ in around), sum(x * y for x, y, *_ in around), sum(y * y for _, y, *_ in around)
    xu, yu = sum(x * u for x, _, u, _ in around), sum(y * u for _, y, u, _ in around)
    xv, yv = sum(x * v for x, _, _, v in around), sum(y * v for _, y, _, v in around)
    determinant = xx * yy - xy * xy
    if determinant <= 1e-9 * xx * yy:  # along one line
        (a, b), (c, d) = np.linalg.lstsq(source - (mx, my), target - (mu, mv), rcond=None)[0].T.tolist()
    else:
        a, b = (yy * xu - xy * yu) / determinant, (xx * yu - xy * xu) / determinant
        c, d = (yy * xv - xy * yv) / determinant, (xx * yv - xy * xv) / determinant
    return np.array([[a, b, mu - a * mx - b * my], [c, d, mv - c * mx - d * my], [0, 0, 1]])


def _misses(matrix: NDArray[np.float64], source: Points, target: Points) -> list[float]:
    """Distances in pixels of a few marks from where a map puts them."""
    return [
        math.dist(project_point(matrix, x, y), seen) for (x, y), seen in zip(source.tolist(), target.tolist(), strict=True)
    ]


def _area_scale(affine: NDArray[np.float64]) -> float:
    """By how much an affine map enlarges areas; negative where it mirrors."""
    (a, b, _), (c, d, _), _ = affine.tolist()
    return float(a * d - b * c)


def _plausible(affine: NDArray[np.float64], greatest_stretch: float) -> bool:
    """Whether an affine map is what a sheet in a scanner can undergo: no mirror, nearly no shear, nearly equal scales."""
    if _area_scale(affine) <= 0:
        return False
    (a, b, _), (c, d, _), _ = affine.tolist()
    turned, sheared = (
        math.hypot(a + d, c - b),
        math.hypot(a - d, c + b),
    )  # twice the mean of the two scales, and their difference
    return turned + sheared <= greatest_stretch * (turned - sheared)
