"""Points as text: exactly for people who check a rule, and rounded once for files.

Inside, points are fractions. Rounding is half up: a half goes away from zero, as on paper and in spreadsheets, so that 1.005 becomes
1.01 and -1.005 becomes -1.01.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from fractions import Fraction


def rounded(points: Fraction, places: int) -> str:
    """Points with at most so many decimals, half up, no zeros at the end: "4", "3.5", "-1.67", never "-0".

    Examples
    --------
    >>> rounded(Fraction("1.005"), 2), rounded(Fraction(7, 2), 2), rounded(Fraction(-1, 300), 2)
    ('1.01', '3.5', '0')
    """
    if points.denominator == 1:  # nearly all are whole
        return str(points.numerator)
    scale: int = 10**places
    units = (2 * abs(points.numerator) * scale + points.denominator) // (2 * points.denominator)
    whole, rest = divmod(units, scale)
    decimals = f"{rest:0{places}d}".rstrip("0") if places else ""
    sign = "-" if points.numerator < 0 and units else ""
    return f"{sign}{whole}.{decimals}" if decimals else f"{sign}{whole}"


def summed(points: Iterable[Fraction]) -> Fraction:
    """The sum of points; over one denominator, since adding fractions one by one reduces each sum.

    Examples
    --------
    >>> summed([Fraction(1, 2), Fraction(1, 3), Fraction(2)]), summed([])
    (Fraction(17, 6), Fraction(0, 1))
    """
    parts = [one.as_integer_ratio() for one in points]
    common = math.lcm(*[below for _, below in parts])
    if common == 1:  # nearly always
        return Fraction(sum([above for above, _ in parts]))
    return Fraction(sum(above * (common // below) for above, below in parts), common)


def extremes(points: Sequence[Fraction]) -> tuple[Fraction, Fraction]:
    """The least and the most of some points; whole ones are compared as such, since comparing fractions takes ten times as long.

    Examples
    --------
    >>> extremes([Fraction(2), Fraction(-1), Fraction(1, 2)])
    (Fraction(-1, 1), Fraction(2, 1))
    """
    if all(one.denominator == 1 for one in points):
        return min(points, key=_above), max(points, key=_above)
    return min(points), max(points)


_above = operator.attrgetter("numerator")


def to_step(points: Fraction, step: Fraction) -> Fraction:
    """The nearest multiple of a step above 0; from the middle, away from zero.

    Examples
    --------
    >>> [str(to_step(Fraction(one), Fraction("0.5"))) for one in ("7.25", "7.24", "-7.25")]
    ['15/2', '7', '-15/2']
    """
    one = points.denominator * step.numerator  # a step, where all is counted in the same parts
    units = (2 * abs(points.numerator) * step.denominator + one) // (2 * one)
    return Fraction((units if points.numerator >= 0 else -units) * step.numerator, step.denominator)


def exact(points: Fraction) -> str:
    """Points as they are: a decimal number where they are one, else a fraction.

    Examples
    --------
    >>> exact(Fraction("-1.67")), exact(Fraction(-4, 3)), exact(Fraction(4))
    ('-1.67', '-4/3', '4')
    """
    rest = points.denominator
    decimals = 0
    for factor in (2, 5):
        count = 0
        while rest % factor == 0:
            rest //= factor
            count += 1
        decimals = max(decimals, count)
    return rounded(points, decimals) if rest == 1 else str(points)
