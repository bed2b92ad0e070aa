"""What the bubbles of a sheet look like on paper, measured on its scans.

The templates of bubble sheets give a rectangle around each bubble, sometimes wide, sometimes beside it. A layout needs the clear
inside of what is printed. Whoever makes a layout would measure that on the form; here it is measured on the corpus' scans: most
bubbles are empty, so the median of all of them, laid on each other, is an empty bubble.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from scangrade.model import PageSetAside
from scangrade.paper.rasterise import open_scan

_SAMPLES = 48  # per rectangle's side, and half as many around it on each side
_PRINT_INK = 0.06  # of the middle of an empty bubble; letters have 0.15 and more, paper 0.03
_MOST_PAGES = 4
_MOST_BUBBLES = 150
_FARTHEST = 0.3  # from the template's place, in rectangles; beyond lies the neighbour
_LEAST_LIKENESS = 0.5  # of the median bubble with an outline; brackets and shaded patches without an outline stay below


@dataclass(frozen=True, slots=True)
class PrintedBox:
    """A printed outline, in shares of the template's rectangle."""

    shape: Literal["circle", "square"]
    inside: float
    frame: float  #: 0 where no outline is printed
    right: float = 0.0  #: from the rectangle's centre
    below: float = 0.0
    filled_in: bool = False  #: something is printed inside, commonly the value


@dataclass(frozen=True, slots=True)
class TemplateScale:
    """Scan pixels per template pixel, and what resolution the scan claims."""

    across: float
    down: float
    dpi: float | None

    @property
    def across_mm(self) -> float:
        """Millimetres per template pixel, if the claim is true."""
        return self.across / (self.dpi or 1.0) * 25.4


def _page(scan: Path, index: int) -> tuple[NDArray[np.uint8], float | None] | None:
    opened = open_scan(scan)
    if isinstance(opened, PageSetAside):
        return None
    with opened as pages:
        page = pages.page(index) if index < pages.page_count else None
    return None if page is None or isinstance(page, PageSetAside) else (page.pixels, page.dpi)


def _homography(scan: Path, page: dict[str, Any], shape: tuple[int, int]) -> NDArray[np.float64] | None:
    """Template to the pixels of the decoded page, which may be reduced against those of the file."""
    given = page.get("template_to_scan_homography")
    if given is None:
        return None
    stored = cv2.imread(str(scan), cv2.IMREAD_GRAYSCALE)
    if stored is None:
        return None
    shrink = np.diag([shape[1] / stored.shape[1], shape[0] / stored.shape[0], 1.0])
    return np.asarray(shrink @ np.asarray(given, dtype=np.float64))


def template_scale(scan: Path, page: dict[str, Any]) -> TemplateScale | None:
    """How large the template is in a scan, None where the case does not tell."""
    found = _page(scan, page.get("scan_page", 1) - 1)
    matrix = None if found is None else _homography(scan, page, found[0].shape)
    if found is None or matrix is None:
        return None
    lengths = np.hypot(*matrix[:2, :2]) / abs(matrix[2, 2])
    return TemplateScale(float(lengths[0]), float(lengths[1]), found[1])


def measure_printed_boxes(folder: Path, data: dict[str, Any]) -> PrintedBox:
    """The outline that the case's bubbles have in common; where none is seen, the rectangle itself."""
    patches = [
        patch
        for page in [one for one in data.get("pages", ()) if one.get("expect", "read") == "read"][:_MOST_PAGES]
        for patch in _patches(folder / "scans" / page["scan"], page, data["layout"]["fields"])
    ]
    nothing = PrintedBox("square", 1.0, 0.0)
    if not patches:
        return nothing
    ink = (1.0 - np.median(np.stack(patches), axis=0)).astype(np.float32)
    best, best_likeness = nothing, _LEAST_LIKENESS
    shapes: tuple[Literal["circle", "square"], ...] = ("circle", "square")
    for shape in shapes:
        for half in np.arange(0.36, 0.62, 0.02):
            for frame in (0.03, 0.05, 0.08, 0.11, 0.14):
                outline = _outline(shape, half, frame)
                likeness = cv2.matchTemplate(_near(ink, outline), outline, cv2.TM_CCOEFF_NORMED)
                _, greatest, _, at = cv2.minMaxLoc(likeness)
                if greatest > best_likeness:
                    shift = [at[axis] / _SAMPLES - (likeness.shape[1 - axis] - 1) / 2 / _SAMPLES for axis in (0, 1)]
                    best_likeness = greatest
                    best = PrintedBox(shape, float(2 * (half - frame)), frame, *shift)
    return replace(best, filled_in=_ink_inside(patches, best) > _PRINT_INK)


def _ink_inside(patches: Sequence[NDArray[np.float32]], box: PrintedBox) -> float:
    """Median darkness in the middle of the bubbles: most are empty, so what is there is print, though not the same in all."""
    half = box.inside * _SAMPLES * 0.35
    x, y = (_SAMPLES * (1 + shift) for shift in (box.right, box.below))
    middle = (slice(round(y - half), round(y + half)), slice(round(x - half), round(x + half)))
    return float(np.median([1.0 - patch[middle].mean() for patch in patches]))


def _near(ink: NDArray[np.float32], outline: NDArray[np.float32]) -> NDArray[np.float32]:
    """The part of the median bubble within which the outline may lie."""
    slack = round(_FARTHEST * _SAMPLES)
    height, width = (min(side + 2 * slack, whole) for side, whole in zip(outline.shape, ink.shape, strict=True))
    top, left = (ink.shape[0] - height) // 2, (ink.shape[1] - width) // 2
    return np.ascontiguousarray(ink[top : top + height, left : left + width])


def _patches(scan: Path, page: dict[str, Any], fields: list[dict[str, Any]]) -> Iterator[NDArray[np.float32]]:
    found = _page(scan, page.get("scan_page", 1) - 1)
    matrix = None if found is None else _homography(scan, page, found[0].shape)
    if found is None or matrix is None:
        return
    bubbles = [bubble for one in fields for bubble in one["bubbles"]]
    grid = (np.arange(2 * _SAMPLES) + 0.5) / _SAMPLES - 0.5
    for bubble in bubbles[:: max(1, len(bubbles) // _MOST_BUBBLES)]:
        x, y = np.meshgrid(bubble["x"] + grid * bubble["w"], bubble["y"] + grid * bubble["h"])
        mapped = cv2.perspectiveTransform(np.stack([x, y], axis=-1).reshape(-1, 1, 2), matrix).reshape(2 * _SAMPLES, -1, 2)
        patch = cv2.remap(
            found[0], mapped[..., 0].astype(np.float32), mapped[..., 1].astype(np.float32), cv2.INTER_LINEAR, borderValue=255
        )
        yield (patch.astype(np.float32) / max(1.0, float(np.percentile(patch, 90)))).clip(0, 1)


def _outline(shape: Literal["circle", "square"], half: float, frame: float) -> NDArray[np.float32]:
    """An ideal outline with a little paper around it, `half` to its outer edge."""
    reach = round((half + 0.08) * _SAMPLES)
    axis = (np.arange(2 * reach) + 0.5 - reach) / _SAMPLES
    x, y = np.meshgrid(axis, axis)
    out = np.hypot(x, y) if shape == "circle" else np.maximum(np.abs(x), np.abs(y))
    drawn = ((out <= half) & (out >= half - frame)).astype(np.float32)
    return cv2.GaussianBlur(drawn, (0, 0), 1.0).astype(np.float32, copy=False)
