"""What the bubbles of a sheet look like on paper, measured on its scans.

The templates of bubble sheets give a rectangle around each bubble, sometimes wide, sometimes beside it. A layout needs the clear
inside of what is printed. Whoever makes a layout would measure that on the form; here it is measured on the corpus' scans: most
bubbles are empty, so the median of all of them, laid on each other, is an empty bubble.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from scangrade.authoring.printed_boxes import MOST_BOXES, SAMPLES, PrintedBox, as_light, common_outline, sample_grid
from scangrade.model import PageSetAside
from scangrade.paper.rasterise import open_scan

_MOST_PAGES = 4


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
    return common_outline(patches)


def _patches(scan: Path, page: dict[str, Any], fields: list[dict[str, Any]]) -> Iterator[NDArray[np.float32]]:
    found = _page(scan, page.get("scan_page", 1) - 1)
    matrix = None if found is None else _homography(scan, page, found[0].shape)
    if found is None or matrix is None:
        return
    bubbles = [bubble for one in fields for bubble in one["bubbles"]]
    grid = sample_grid()
    for bubble in bubbles[:: max(1, len(bubbles) // MOST_BOXES)]:
        x, y = np.meshgrid(bubble["x"] + grid * bubble["w"], bubble["y"] + grid * bubble["h"])
        mapped = cv2.perspectiveTransform(np.stack([x, y], axis=-1).reshape(-1, 1, 2), matrix).reshape(2 * SAMPLES, -1, 2)
        patch = cv2.remap(
            found[0], mapped[..., 0].astype(np.float32), mapped[..., 1].astype(np.float32), cv2.INTER_LINEAR, borderValue=255
        )
        yield as_light(np.asarray(patch, dtype=np.uint8))
