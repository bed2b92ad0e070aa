"""Tries a layout before it is printed by hundreds: whether its pages are found, told apart, and told which way up.

Nothing of this is guessed from the layout alone. Every page is drawn, and given to the reader as scans would be: as it is, upside
down, in another page's place, and with each registration mark covered. What the reader cannot tell then, it can tell on no scan.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from scangrade.authoring.form import rasterise_blank
from scangrade.authoring.preview import pages_of
from scangrade.authoring.simulate import PrintedForm
from scangrade.definitions.faults import listed
from scangrade.definitions.layout import load_layout
from scangrade.errors import DefinitionError, Issue, Severity, UsageError
from scangrade.geometry import MM_PER_INCH
from scangrade.model import Box, Fiducial, FieldKind, Layout, LayoutPage, PageResult, PageSetAside, Reason
from scangrade.paper.rasterise import PageImage
from scangrade.paper.read import FormReader, read_page
from scangrade.settings import TRIAL, TrialSettings

_MARKS = (
    "Add four registration marks ([[fiducials]]), or give the blank form as `reference`;"
    " `scangrade layout print FORM.pdf` stamps marks and codes on a form."
)
_UPRIGHT = "Make it look different when turned: leave one registration mark out, or move one by 15 mm along the edge; or add a [page_code]."
_APART = "Add a [page_code] that says {page}; `scangrade layout print FORM.pdf` stamps one on a form."
_SPARE = "Add a [page_code], or one more registration mark, so that one may be lost."
_COPY = "Let the page code say {copy} too, or put the student number on every page."
_WHOSE = 'Add a grid (kind = "digits"), cells for a number by hand (kind = "handwritten") or a place for a label (kind = "sticker").'

_COPY_TRIED = "0001"


def check_layout(path: Path, *, settings: TrialSettings = TRIAL) -> tuple[Issue, ...]:
    """Everything that is wrong with a layout, or makes its form unsafe to read.

    Parameters
    ----------
    path : Path
        Layout file.

    Returns
    -------
    tuple of Issue
        Faults of the file, and a warning for each way in which its pages can get lost, with what to add; empty where it is safe.
    """
    layout, issues = load_layout(path)
    if layout is None:
        return issues
    try:
        form = FormReader(layout)
        pictures = _pictures(layout, settings)
    except DefinitionError as error:
        return (*issues, *error.issues)
    except UsageError as error:
        return (*issues, Issue(Severity.ERROR, str(path), str(error)))
    name = str(path)
    found = [
        *_on_trial(layout, form, pictures, settings),
        *_whose(layout),
        *(f for page in layout.pages for f in _at_the_edge(layout, page, settings)),
    ]
    told: dict[tuple[str, str], list[int]] = defaultdict(list)
    for page, message, advice in found:
        told[message, advice].append(page)
    return (
        *issues,
        *(
            Issue(Severity.WARNING, f"{name}, {_named(pages)}" if all(pages) else name, f"{message}.", advice)
            for (message, advice), pages in told.items()
        ),
    )


_Seen = Callable[[NDArray[np.uint8], int], PageResult]  # what the reader makes of a scan, where it expects some page
_Found = tuple[int, str, str]  # page (0 for none), what is wrong, what to do


def _named(pages: Sequence[int]) -> str:
    return f"page{'s' if len(pages) > 1 else ''} {listed(str(page) for page in pages)}"


# --------------------------------------------------------------------------- trials


def _pictures(layout: Layout, settings: TrialSettings) -> PrintedForm:
    """The form's pages: those of the blank form, or else drawn from the layout."""
    if layout.reference is None:
        return PrintedForm(layout, _gray(rasterise_blank(layout, dpi=settings.dpi)), settings.dpi)
    given = pages_of(layout.reference, layout, list(layout.pages))
    pages = []
    for page in layout.pages:
        size = (round(page.width_mm * settings.dpi / MM_PER_INCH), round(page.height_mm * settings.dpi / MM_PER_INCH))
        picture = np.asarray(cv2.resize(given[page.number], size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        code = layout.page_code.region if layout.page_code else None
        if code is not None:  # that of the blank form would lie below the one that is tried
            _whiten(picture, code.edges, settings)
        pages.append(picture)
    return PrintedForm(layout, tuple(pages), settings.dpi)


def _gray(pages: Sequence[NDArray[np.uint8]]) -> tuple[NDArray[np.uint8], ...]:
    return tuple(np.asarray(cv2.cvtColor(one, cv2.COLOR_RGB2GRAY), dtype=np.uint8) if one.ndim == 3 else one for one in pages)


def _whiten(picture: NDArray[np.uint8], area: tuple[float, float, float, float], settings: TrialSettings) -> None:
    left, top, right, bottom = (round(side * settings.dpi / MM_PER_INCH) for side in area)
    picture[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = 255


def _on_trial(layout: Layout, form: FormReader, printed: PrintedForm, settings: TrialSettings) -> Iterator[_Found]:
    def seen(scan: NDArray[np.uint8], expected: int) -> PageResult:
        image = PageImage(np.ascontiguousarray(scan), float(settings.dpi), "trial")
        return read_page(image, form, expected_page=expected)

    for page in layout.pages:
        boxes = layout.boxes(page.number)
        if not boxes:
            continue  # nothing is read there
        picture = printed.page(page.number, _COPY_TRIED)
        upright = seen(picture, page.number)
        if isinstance(upright, PageSetAside) or upright.page != page.number:
            yield page.number, *_not_found(upright, page.number, boxes)
            continue
        turned = seen(picture[::-1, ::-1], page.number)
        if isinstance(turned, PageSetAside):
            yield page.number, f"upside down, it would be set aside: {turned.detail}", _UPRIGHT
        elif turned.rotation != 180:
            yield page.number, "upside down, it is read as if it stood upright", _UPRIGHT
        for other in layout.pages:
            if other.number != page.number and _alike(boxes, layout.boxes(other.number)) >= settings.alike:
                swapped = seen(picture, other.number)
                if not isinstance(swapped, PageSetAside) and swapped.page != page.number:
                    what = f"in the place of page {other.number} in a pile, it is taken for that page: only their order tells them apart"
                    yield page.number, what, _APART
        lost = _lost_without(page, picture, seen, settings)
        if lost:
            yield page.number, f"where one registration mark is covered, by a staple or a stamp, {lost}", _SPARE


def _not_found(result: PageResult, page: int, boxes: Sequence[Box]) -> tuple[str, str]:
    """What is wrong with a page of which not even a clean print is read, and what to do."""
    framed = sum(box.frame_mm > 0 for box in boxes)
    what = f"{len(boxes)} box{'es' if len(boxes) > 1 else ''}, {framed or 'none'} of them with a frame"
    if not isinstance(result, PageSetAside):
        return f"even a clean print of it ({what}) is taken for page {result.page}", _APART
    if result.reason is Reason.UNKNOWN_PAGE and result.page == page:
        return "upside down it looks the same, so that even a clean print of it would be set aside", _UPRIGHT
    advice = _APART if result.reason is Reason.UNKNOWN_PAGE else _MARKS
    return f"even a clean print of it ({what}) would be set aside: {result.detail}", advice


def _alike(boxes: Sequence[Box], others: Sequence[Box]) -> float:
    """Share of boxes that have one of the other page's in their place, of the page that has more."""
    if not boxes or not others:
        return 0.0
    places = np.array([(box.x_mm, box.y_mm) for box in boxes])
    there = np.array([(box.x_mm, box.y_mm) for box in others])
    near = np.linalg.norm(places[:, None] - there[None], axis=2).min(axis=1) < 1.0
    return float(near.sum()) / max(len(boxes), len(others))


def _lost_without(page: LayoutPage, picture: NDArray[np.uint8], seen: _Seen, settings: TrialSettings) -> str:
    """What becomes of the page without one of its registration marks; "" where it is read whichever is missing."""
    for mark in page.fiducials:
        covered = picture.copy()
        _whiten(covered, _around(mark), settings)
        result = seen(covered, page.number)
        if isinstance(result, PageSetAside):
            return f"it would be set aside: {result.detail}"
        if result.page != page.number or result.rotation != 0:
            return f"it would be taken for page {result.page}, turned by {result.rotation} degrees"
    return ""


def _around(mark: Fiducial) -> tuple[float, float, float, float]:
    reach = mark.size_mm + 1.0  # a corner is placed by its outer corner
    return mark.x_mm - reach, mark.y_mm - reach, mark.x_mm + reach, mark.y_mm + reach


# --------------------------------------------------------------------------- what trials do not show


def _whose(layout: Layout) -> Iterator[_Found]:
    """Whether booklets hold together, and say whose they are."""
    kinds = {one.kind for one in layout.fields}
    numbers = (FieldKind.DIGIT, FieldKind.HANDWRITTEN)
    numbered = {one.page for one in layout.fields if one.kind in numbers and one.role == "student_number"}
    if not numbered and FieldKind.STICKER not in kinds:
        yield 0, "neither a number nor a label says whose a booklet is: a person must say it for each of them", _WHOSE
    code = layout.page_code
    says_copy = code is not None and "{copy}" in code.content
    if len(layout.pages) > 1 and not says_copy:
        for page in layout.pages:
            if page.number not in numbered and layout.boxes(page.number):
                yield (
                    page.number,
                    "nothing on it says of which copy it is: booklets are put together by the order of the pile",
                    _COPY,
                )


def _at_the_edge(layout: Layout, page: LayoutPage, settings: TrialSettings) -> Iterator[_Found]:
    """What office printers may leave out."""
    edge = settings.edge_mm
    places = [
        *(
            (box.x_mm, box.y_mm, box.width_mm / 2 + box.frame_mm, box.height_mm / 2 + box.frame_mm)
            for box in layout.boxes(page.number)
        ),
        *((mark.x_mm, mark.y_mm, mark.size_mm / 2, mark.size_mm / 2) for mark in page.fiducials),
    ]
    near = [
        (x, y)
        for x, y, across, down in places
        if x - across < edge or y - down < edge or x + across > page.width_mm - edge or y + down > page.height_mm - edge
    ]
    if near:
        x, y = near[0]
        what = f"{len(near)} of its boxes and marks, such as the one at ({x:.0f}, {y:.0f}), lie less than {edge:g} mm from the edge"
        yield page.number, what, "Move them: printers leave such a margin white, and scanners cut it."
