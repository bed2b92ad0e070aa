"""What each box of a form looks like when nobody marked it, as a picture: learned from the batch, or told by the blank form.

A mark is what is there and does not belong to the form. Frames, letters inside boxes, labels and sentences beside them do belong, and
are on every booklet; marks are on some. So a low quantile over booklets shows the form, as long as no box is marked by nearly all.
That happens (everybody has version A, everybody knew the answer), and then a mark would pass for print: what one letter seems to hold
when empty is believed only where the same letter in other fields, and other letters, agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from scangrade.model import FEATURES, PATCH_SIDE, Box, Readings, Shape
from scangrade.settings import EmptyBoxSettings

T = TypeVar("T")
Pictures = NDArray[np.uint8]

_THIN_LINE = 0.8  # darkness, of the page's black, that scanners leave of a thin black line

#: The inside of a box' frame in its patch, a pixel more on each side for the frame's blur.
INSIDE = slice(PATCH_SIDE // 4, PATCH_SIDE - PATCH_SIDE // 4)


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """The readings of one page image."""

    page: int
    boxes: tuple[Box, ...]
    readings: Readings

    def feature(self, name: str) -> NDArray[np.float64]:
        """A column of the measured numbers."""
        return self.readings.values[:, FEATURES.index(name)].astype(np.float64)


@dataclass(frozen=True, eq=False)
class EmptyBoxes:
    """The boxes of a page as they are when empty, in layout order.

    Attributes
    ----------
    patches : (N, PATCH_SIDE, PATCH_SIDE) uint8 array
        As `Readings.patches`.
    inside_known : (N,) bool array
        Whether what is printed inside is known, rather than what all boxes of that size have in common.
    inside_sure : (N,) bool array
        Whether that was seen so often, in so many fields and beside so many other letters, that no habit of marking can pass for it.
    around_known : (N,) bool array
        Whether what is printed around that very box is known.
    """

    patches: Pictures
    inside_known: NDArray[np.bool_]
    inside_sure: NDArray[np.bool_]
    around_known: NDArray[np.bool_]

    @cached_property
    def print_(self) -> Pictures:
        """Where there may be print, and how dark: of `patches`, as `widened`; asked of the same boxes for sheet after sheet."""
        return widened(self.patches)


#: Text, whether the layout says that it is printed, and the box' size.
PrintKey = tuple[str, bool, float, float]


def print_key(box: Box) -> PrintKey:
    """What boxes must share to hold the same print."""
    return box.printed or box.value, bool(box.printed), round(box.width_mm, 1), round(box.height_mm, 1)


def learn_empty_boxes(sheets: Sequence[Sheet], *, settings: EmptyBoxSettings) -> Mapping[int, EmptyBoxes]:
    """Learn what boxes look like when empty.

    Parameters
    ----------
    sheets : sequence of Sheet
        Pages of any number of booklets of one form.
    settings : EmptyBoxSettings

    Returns
    -------
    mapping of page number to EmptyBoxes
        For the pages that are among the sheets.
    """
    by_page: dict[int, list[Sheet]] = {}
    for sheet in sheets:
        if len(sheet.boxes):
            by_page.setdefault(sheet.page, []).append(sheet)
    some = {page: _spread(found, settings.most_booklets) for page, found in by_page.items()}
    stacks = {page: np.stack([sheet.readings.patches for sheet in found]) for page, found in some.items()}
    print_inside = _learn_inside(some, stacks, settings)
    learned = {}
    for page, found in some.items():
        boxes = found[0].boxes
        letters = [print_inside[print_key(box)] for box in boxes]
        patches = np.stack([one.patch for one in letters])
        known = np.array([one.trusted for one in letters])
        around = len(found) >= settings.least_booklets
        if around:
            own = low_quantile(stacks[page], settings.quantile)
            own[:, INSIDE, INSIDE] = patches[:, INSIDE, INSIDE]
            patches = own
        sure = np.array([one.sure for one in letters])
        learned[page] = EmptyBoxes(patches, known, sure, np.full(len(boxes), around))
    return learned


def expected(sheet: Sheet, learned: EmptyBoxes) -> EmptyBoxes:
    """What the boxes of one sheet would look like empty: as learned, but inside as the blank form shows it where that is given."""
    blank = sheet.readings.blank
    if not len(blank):
        return learned
    told = np.isfinite(sheet.feature("blank_ink"))
    patches = learned.patches.copy()
    patches[told, INSIDE, INSIDE] = blank[told, INSIDE, INSIDE]
    unseen = told & ~learned.around_known
    patches[unseen] = blank[unseen]
    return EmptyBoxes(patches, learned.inside_known | told, learned.inside_sure | told, learned.around_known | told)


def added_ink(patches: Pictures, empty: Pictures) -> Pictures:
    """Darkness beyond that of the empty box, where the form's own print may be a pixel off its place.

    Parameters
    ----------
    patches, empty : (N, PATCH_SIDE, PATCH_SIDE) uint8 arrays
        Boxes, and the same boxes when empty; or one empty one for all of them.

    Returns
    -------
    (N, PATCH_SIDE, PATCH_SIDE) uint8 array
        0 where a box is no darker than its empty self.
    """
    added = np.empty(patches.shape, np.uint8)
    take_off(patches, np.broadcast_to(widened(empty), patches.shape), added)
    return added


def take_off(patches: Pictures, print_: Pictures, out: Pictures) -> None:
    """Put into `out`, of the same shape, what is darker than print."""
    if len(patches):
        cv2.subtract(_flat(patches), _flat(print_), dst=_flat(out))  # stops at 0


def widened(pictures: Pictures) -> Pictures:
    """Pictures in which each pixel is as dark as the darkest of those around it."""
    if not len(pictures):
        return pictures
    rows = cv2.dilate(pictures.reshape(-1, pictures.shape[2]), np.ones((1, 3), np.uint8))
    across = np.asarray(rows, np.uint8).reshape(pictures.shape)
    wide = across.copy()
    np.maximum(wide[:, 1:], across[:, :-1], out=wide[:, 1:])
    np.maximum(wide[:, :-1], across[:, 1:], out=wide[:, :-1])
    return wide


def _flat(pictures: Pictures) -> Pictures:
    return pictures.reshape(len(pictures), -1)


def darker(pictures: Pictures, darkness: float) -> NDArray[np.bool_]:
    """Which pixels are darker than so much, 0 to 1."""
    return pictures > np.uint8(darkness * 255)  # against a number with a fraction they would be made such numbers first


def low_quantile(stack: Pictures, quantile: float) -> Pictures:
    """The quantile of each pixel over the first axis, of the pictures that are there: the lower one where it lies between two.

    Bit by bit, the highest first, for all pixels at once: a fifth of the time that sorting by parts takes for each.

    Examples
    --------
    >>> low_quantile(np.array([[9, 40], [7, 200], [8, 0]], np.uint8), 0.5)
    array([ 8, 40], dtype=uint8)
    """
    rank = int(quantile * (len(stack) - 1))
    found = np.zeros(stack.shape[1:], np.uint8)
    counts = np.min_scalar_type(len(stack))
    for bit in (128, 64, 32, 16, 8, 4, 2, 1):
        higher = found | np.uint8(bit)
        below = (stack < higher).view(np.uint8).sum(axis=0, dtype=counts)
        np.copyto(found, higher, where=below <= rank)  # no more than so many are darker: it is as dark as this at least
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Inside:
    patch: Pictures
    trusted: bool
    sure: bool = False


def _learn_inside(
    sheets: Mapping[int, Sequence[Sheet]], stacks: Mapping[int, Pictures], settings: EmptyBoxSettings
) -> dict[PrintKey, _Inside]:
    """The empty patch of every letter in boxes of every size, held against the other letters of that size."""
    places: dict[PrintKey, list[tuple[int, int]]] = {}
    fields: dict[PrintKey, set[str]] = {}
    for page, found in sheets.items():
        for row, box in enumerate(found[0].boxes):
            places.setdefault(print_key(box), []).append((page, row))
            fields.setdefault(print_key(box), set()).add(box.field)
    result: dict[PrintKey, _Inside] = {}
    for kind in {key[1:] for key in places}:
        keys = [key for key in places if key[1:] == kind]
        samples = {key: _samples(places[key], stacks, settings.most_samples) for key in keys}
        lows = {key: low_quantile(found, settings.quantile) for key, found in samples.items()}
        inks = {key: _inner_ink(low) for key, low in lows.items()}
        together = np.concatenate(list(samples.values()))
        usual = min(float(np.median(list(inks.values()))), settings.most_print)
        least = min(*inks.values(), settings.most_print_of_few)
        for key in keys:
            ink = inks[key]
            enough = len(samples[key]) >= settings.least_samples and len(fields[key]) >= settings.least_fields
            most = usual + settings.letters_differ if len(keys) >= settings.least_letters else least + settings.few_differ
            trusted = enough and ink <= min(most, settings.most_print)
            if trusted:
                often = len(samples[key]) >= settings.sure_samples and len(fields[key]) >= settings.sure_fields
                result[key] = _Inside(lows[key], True, often and len(keys) >= settings.least_letters)
                continue
            page, row = places[key][0]
            frame = _frame(sheets[page][0].boxes[row])
            if len(together) >= settings.least_samples:
                common = low_quantile(together, settings.quantile)
                common[INSIDE, INSIDE] = frame[INSIDE, INSIDE]
                frame = common
            result[key] = _Inside(frame, False)
    return result


def _frame(box: Box) -> Pictures:
    """The frame of a box as its layout describes it, on white paper; as dark as scanners leave thin black lines."""
    side, finer = PATCH_SIDE, 4
    at = np.abs((np.arange(side * finer) + 0.5) / (side * finer) * 2 - 1)
    x_mm, y_mm = at[None, :] * box.width_mm, at[:, None] * box.height_mm
    a, b = box.width_mm / 2, box.height_mm / 2
    round_ = box.shape is Shape.CIRCLE
    beyond = (np.hypot(x_mm / a, y_mm / b) - 1) * min(a, b) if round_ else np.maximum(x_mm - a, y_mm - b)
    line = (beyond >= 0) & (beyond <= box.frame_mm)
    cells = line.reshape(side, finer, side, finer).mean(axis=(1, 3))
    return np.asarray(np.rint(cells * _THIN_LINE * 255), dtype=np.uint8)


def _inner_ink(patch: Pictures) -> float:
    """Mean darkness of the middle of a patch, well within the frame, 0 to 1."""
    inner = slice(INSIDE.start + 2, INSIDE.stop - 2)
    return float(patch[inner, inner].mean()) / 255


def _samples(places: Sequence[tuple[int, int]], stacks: Mapping[int, Pictures], most: int) -> Pictures:
    """Patches of the boxes at these places, of as many booklets as keep their number in bounds."""
    of_each = max(1, most // len(places))
    found = []
    for page, row in _spread(places, most):
        booklets = len(stacks[page])
        some = np.arange(booklets) if booklets <= of_each else np.linspace(0, booklets - 1, of_each).astype(int)
        found.append(stacks[page][some, row])
    return np.concatenate(found)


def _spread(items: Sequence[T], most: int) -> Sequence[T]:
    """At most so many of the items, evenly spread."""
    if len(items) <= most:
        return items
    return [items[int(index)] for index in np.linspace(0, len(items) - 1, most)]
