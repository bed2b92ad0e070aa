"""Handwritten numbers as the network would read them, made from the number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scangrade.answers.digits import NOTHING, OTHER, SYMBOLS
from scangrade.answers.handwriting import Written
from scangrade.model import Box, Field, FieldKind, Region

SURE = 0.9995


def cell(symbol: str, sure: float = SURE) -> tuple[float, ...]:
    """What is told of one cell: a digit, "_" for nothing, "?" for no digit at all, or two digits of which each is as likely."""
    codes = [{"_": NOTHING, "?": OTHER}.get(one) or int(one) for one in symbol]
    rest = (1 - sure) / (len(SYMBOLS) - len(codes))
    return tuple(sure / len(codes) if code in codes else rest for code in range(len(SYMBOLS)))


def written(number: Sequence[str], page: int = 1, sure: float = SURE, *, weaker: Mapping[int, float] | None = None) -> Written:
    """A row of cells; `weaker` makes single places (from 1) less sure."""
    cells = tuple(cell(one, (weaker or {}).get(place, sure)) for place, one in enumerate(number, start=1))
    return Written(f"number.{page}", page, cells)


def number_cells(places: int = 8, page: int = 1) -> Field:
    """A field for a handwritten number."""
    name = f"number.{page}"
    cells = tuple(Box(name, str(place + 1), page, 30.0 + 7 * place, 42.0, 6.5, 9.0, 0.25) for place in range(places))
    region = Region(page, 26.0, 37.0, 7.0 * places, 10.0)
    return Field(name, FieldKind.HANDWRITTEN, page, region=region, role="student_number", cells=cells)
