"""Points as other systems write them, exactly: 3, "0.5", "-1/3"."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

#: What is no longer than points are: a few letters such as 1e999999999 would else take all time and memory.
_NUMBER: Final = re.compile(r"[+-]?(\d{1,15}(\.\d{0,20})?|\.\d{1,20})(/\d{1,15}|e[+-]?\d{1,2})?", re.ASCII | re.IGNORECASE)


def exact(value: Any) -> Fraction:
    """A number exactly as written.

    Raises
    ------
    ValueError
        If it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal | Fraction):
        raise ValueError("is not a number")
    text = str(value).replace(",", ".").strip()
    if not _NUMBER.fullmatch(text):
        raise ValueError("is not a number")
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise ValueError("is not a number") from None


def as_written(value: Fraction) -> int | float | str:
    """A number as a rubric holds it: whole, with a decimal point where that is exact, else a fraction in quotes."""
    if value.denominator == 1:
        return value.numerator
    decimal = round(float(value), 6)
    return decimal if Fraction(str(decimal)) == value else f"{value.numerator}/{value.denominator}"
