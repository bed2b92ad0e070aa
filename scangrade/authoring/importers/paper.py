"""From the pixels of a template, which has no size, to millimetres of paper."""

from __future__ import annotations

from dataclasses import dataclass

from scangrade.authoring.importers.converted import mm

A4_MM = (210.0, 297.0)
LETTER_MM = (215.9, 279.4)
_PAPERS = {"A4": A4_MM, "A4 landscape": A4_MM[::-1], "Letter": LETTER_MM, "Letter landscape": LETTER_MM[::-1]}

_ASPECT_TOLERANCE = 0.02  # templates are made by eye and in round pixels
_LARGEST_BUBBLE_MM = 8.0  # a template with larger ones is of a part of a page
_MARGIN_MM = 15.0  # of paper beyond the centres of corner marks, where nothing says how much


@dataclass(frozen=True, slots=True)
class Paper:
    """Where a template lies on its page."""

    across: float  #: mm per pixel
    down: float
    left_mm: float  #: of the template's left edge
    top_mm: float
    width_mm: float  #: of the page
    height_mm: float
    assumed: str = ""  #: what nobody said, for people

    def at(self, x: float, y: float) -> list[float]:
        """A place in the template as [x, y] in mm of the page."""
        return [mm(self.left_mm + x * self.across), mm(self.top_mm + y * self.down)]


def whole_page(width: float, height: float, size_mm: tuple[float, float] | None, bubble_px: float) -> Paper:
    """The template's edges are the page's.

    Parameters
    ----------
    width, height : float
        Of the template in pixels.
    size_mm : (float, float), optional
        Of the page, where somebody said it.
    bubble_px : float
        Height of a usual bubble.
    """
    if size_mm is not None:
        return Paper(size_mm[0] / width, size_mm[1] / height, 0.0, 0.0, *size_mm)
    for name, (across_mm, down_mm) in _PAPERS.items():
        if abs(width / height / (across_mm / down_mm) - 1) < _ASPECT_TOLERANCE:
            note = f"the page is taken for {name}, whose proportions it has; if it is another paper, say so with --page-size"
            return Paper(across_mm / width, down_mm / height, 0.0, 0.0, across_mm, down_mm, note)
    scale = min(A4_MM[0] / width, _LARGEST_BUBBLE_MM / bubble_px)
    size = (mm(width * scale), mm(height * scale))
    note = (
        f"the template has the proportions of no usual paper, so its size is a guess: {size[0]:g} x {size[1]:g} mm;"
        " measure the part of the sheet that the template covers, and give it with --page-size"
    )
    return Paper(scale, scale, 0.0, 0.0, *size, note)


def between_marks(width: float, height: float, size_mm: tuple[float, float] | None) -> Paper:
    """The template's corners are the centres of corner marks, some way inside of the page."""
    usual = [size for size in _PAPERS.values() if (size[0] > size[1]) == (width > height)]
    sizes = usual if size_mm is None else [size_mm]
    fits = []
    for size in sizes:  # margins that are alike on all sides
        scale = (size[1] - size[0]) / (height - width) if abs(height - width) >= 1 else 0.0
        margin = (size[0] - scale * width) / 2
        if scale > 0 and 0 < margin <= 2 * _MARGIN_MM:
            fits.append((scale, size))
    scale, size = (
        fits[0] if fits else (min((s - 2 * _MARGIN_MM) / t for s, t in zip(sizes[0], (width, height), strict=True)), sizes[0])
    )
    left, top = (size[0] - width * scale) / 2, (size[1] - height * scale) / 2
    if not fits and size_mm is None:
        left = top = _MARGIN_MM
        size = (mm(width * scale + 2 * left), mm(height * scale + 2 * top))
    note = (
        f"the template ends at the corner marks and does not say how far they are apart: {width * scale:.0f} x {height * scale:.0f} mm"
        f" on a page of {size[0]:g} x {size[1]:g} mm is a guess; measure a box, and if it is more than a tenth off, give --page-size"
    )
    return Paper(scale, scale, left, top, *size, note)
