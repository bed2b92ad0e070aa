"""Numbered copies: what differs from copy to copy is laid over the pages that all have in common.

The common pages go into the PDF once, however many copies there are.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import pikepdf

from scangrade.authoring.form import Rect
from scangrade.geometry import MM_PER_INCH

_POINTS_PER_MM = 72 / MM_PER_INCH


@dataclass(frozen=True, slots=True)
class Sheet:
    """One page of a copy."""

    base: int  #: which of the common pages lies below, from 0; -1 for none
    black: tuple[Rect, ...] = ()  #: what is filled with black: modules of codes


def laid_over(base: bytes | None, over: bytes, sheets: Sequence[Sheet], *, title: str, scale: float = 1.0) -> bytes:
    """A PDF of many pages, each of them a page of `over` on a page of `base`.

    Parameters
    ----------
    base : bytes or None
        PDF of the pages that many sheets have in common.
    over : bytes
        PDF with a page per sheet.
    sheets : sequence of Sheet
    title : str
        What viewers call the file.
    scale : float
        Size of the common pages on the sheets, which they lie in the middle of; 1 as they are.
    """
    with pikepdf.open(io.BytesIO(over)) as out:
        common = _common(base, out)
        for page, sheet in zip(out.pages, sheets, strict=True):
            left, bottom, right, top = (float(number) for number in page.mediabox)
            if sheet.base >= 0:
                across, down = (right - left) * (1 - scale) / 2, (top - bottom) * (1 - scale) / 2
                area = pikepdf.Rectangle(left + across, bottom + down, right - across, top - down)
                form, name = common[sheet.base], pikepdf.Name(f"/Common{sheet.base}")
                page.add_resource(form, pikepdf.Name.XObject, name)  # by its number, since pages may share their resources
                page.contents_add(page.calc_form_xobject_placement(form, name, area, allow_expand=True), prepend=True)
            if sheet.black:
                page.contents_add(_filled(sheet.black, top).encode())
        with out.open_metadata(set_pikepdf_as_editor=False) as metadata:
            metadata["dc:title"] = title
            metadata["xmp:CreatorTool"] = "scangrade"
        buffer = io.BytesIO()
        out.save(buffer, deterministic_id=True, object_stream_mode=pikepdf.ObjectStreamMode.generate)
    return buffer.getvalue()


def _common(base: bytes | None, out: pikepdf.Pdf) -> list[pikepdf.Object]:
    """The common pages as drawings that pages can show."""
    if base is None:
        return []
    with pikepdf.open(io.BytesIO(base)) as source:
        return [out.copy_foreign(page.as_form_xobject()) for page in source.pages]


def _filled(black: Sequence[Rect], top: float) -> str:
    """Rectangles in mm from the page's top left corner as drawing commands."""
    drawn = ""
    for one in black:
        left, bottom = one.left * _POINTS_PER_MM, top - one.bottom * _POINTS_PER_MM
        width, height = (one.right - one.left) * _POINTS_PER_MM, (one.bottom - one.top) * _POINTS_PER_MM
        drawn += f"{left:.3f} {bottom:.3f} {width:.3f} {height:.3f} re\n"
    return f"q 0 g\n{drawn}f Q\n"
