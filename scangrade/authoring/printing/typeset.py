"""The boundary to Typst: texts are measured, and pages made, with fonts embedded.

Everything is exported by the rules of PDF/A-2b, which refuse a letter that no font has: on paper it would be an empty frame.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import typst

#: Come with Typst. What they lack is taken from the fonts of the machine.
_FONTS: Final = '("Libertinus Serif", "New Computer Modern", "DejaVu Sans Mono")'
_NO_FONT: Final = re.compile(r"the text `\"(.*?)\"` could not be displayed", re.DOTALL)


class TypesetError(ValueError):
    """Typst could not set a text; the message is for people."""


@dataclass(frozen=True, slots=True)
class Body:
    """A text to be set, in Typst's markup, and the width that it has."""

    code: str
    width_mm: float


@dataclass(frozen=True, slots=True)
class Extent:
    """How high a text is, as set into its width, and its first line alone."""

    height_mm: float
    first_mm: float


@lru_cache(maxsize=1)
def _fonts() -> typst.Fonts:
    return typst.Fonts(include_system_fonts=True, include_embedded_fonts=True)


def preamble(width_mm: float, height_mm: float, language: str, *, size_pt: float = 11) -> str:
    """How everything is set: page size, fonts, distances."""
    return (
        f"#set page(width: {width_mm:g}mm, height: {height_mm:g}mm, margin: 0mm)\n"
        f"#set text(font: {_FONTS}, size: {size_pt:g}pt, lang: {json.dumps(language)}, hyphenate: false,"
        " top-edge: 0.78em, bottom-edge: -0.24em)\n"
        "#set par(leading: 0.35em, spacing: 0.85em, justify: false)\n"
        "#set list(indent: 0.4em, spacing: 0.5em)\n#set enum(indent: 0.4em, spacing: 0.5em)\n"
        '#set raw(theme: none)\n#show raw: set text(font: "DejaVu Sans Mono", size: 1.0em)\n'
        "#let at(x, y, body) = place(top + left, dx: x * 1mm, dy: y * 1mm, body)\n"
        "#let line-of(x, y, w, h, body) = at(x, y, box(width: w * 1mm, height: h * 1mm, body))\n"
    )


def measure(bodies: Sequence[Body], head: str, root: Path) -> tuple[Extent, ...]:
    """Height of each text.

    Raises
    ------
    TypesetError
        If one of them cannot be set; `faults` says which.
    """
    if not bodies:
        return ()
    lines = [
        f"#context [#metadata((measure(block(width: {one.width_mm:g}mm)[{one.code}\n]).height / 1mm,"
        f" measure([{one.code}\n]).height / 1mm))<extent>]"
        for one in bodies
    ]
    with _told():
        compiler = typst.Compiler((head + "\n".join(lines)).encode(), root=str(root), font_paths=_fonts())
        found = json.loads(compiler.query("<extent>", field="value"))
    return tuple(Extent(float(height), float(min(first, height))) for height, first in found)


def faults(bodies: Mapping[str, Body], head: str, root: Path) -> Iterator[tuple[str, str]]:
    """Names of the texts that cannot be set, each with what is wrong."""
    for name, one in bodies.items():
        try:
            pages(f"#block(width: {one.width_mm:g}mm)[{one.code}\n]", head, root)
        except TypesetError as fault:
            yield name, str(fault)


def pages(body: str, head: str, root: Path) -> bytes:
    """A PDF. The same text gives the same bytes.

    Raises
    ------
    TypesetError
        If something in it cannot be set.
    """
    with _told():
        compiler = typst.Compiler((head + body).encode(), root=str(root), font_paths=_fonts())
        made = compiler.compile(format="pdf", pdf_standards="a-2b", timestamp=0, pdf_tags=False)
    if not isinstance(made, bytes):
        raise TypeError("Typst gave several files for one PDF")
    return made


class _told:  # noqa: N801 - reads as what it does
    """Typst's errors in our words."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, RuntimeError):  # queries raise that, compiling its child TypstError
            return
        message, hinted = getattr(error, "message", str(error)), getattr(error, "hints", ())
        no_font = _NO_FONT.search(message)
        if no_font:
            raise TypesetError(f"no font has the letters {no_font[1]!r}.") from error
        message = message.removeprefix("PDF/A-2b error: ")
        hints = f" ({'; '.join(hinted)})" if hinted else ""
        raise TypesetError(f"it cannot be set: {message}{hints}.") from error
