"""A picture of one exam under two rubrics, as SVG: every booklet as a point, and what each question earns on average.

SVG is text that every browser shows and every word processor takes. The colours are safe for people who do not tell red from green
(Okabe and Ito), and shape and place say the same as they do.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Final
from xml.sax.saxutils import escape

from scangrade.grades.compare import Comparison
from scangrade.grades.rounding import rounded

_FIRST: Final = "#0072b2"
_SECOND: Final = "#d55e00"
_INK: Final = "#222222"
_FAINT: Final = "#e3e3e3"
_GREY: Final = "#8a8a8a"

_SIDE: Final = 400  # of the field of booklets, in pixels as all lengths here
_LEFT: Final = 78
_TOP: Final = 128
_GAP: Final = 64
_BARS: Final = 300  # width of the field of questions
_ROW: Final = 26
_LEAST_ROW: Final = 11  # so that labels can still be read; the picture grows then
_MARGIN: Final = 40
_DOT: Final = 4.0  # radius of one booklet's dot, where there are few
_LEAST_DOT: Final = 2.2
_LARGEST_DOT: Final = 12.0
_BOTTOM: Final = 74


def comparison_picture(comparison: Comparison, *, first: str, second: str) -> str:
    """Draw a comparison.

    Parameters
    ----------
    comparison : Comparison
    first, second : str
        What the rubrics are called, each another word.

    Returns
    -------
    str
        An SVG document.
    """
    count = max(1, len(comparison.questions))
    row = max(_LEAST_ROW, min(_ROW, _SIDE // count))
    label = 8 + 7 * max([4, *(len(one.question) for one in comparison.questions)])
    bars_left = _LEFT + _SIDE + _GAP + label
    width = bars_left + _BARS + _MARGIN
    height = _TOP + max(_SIDE, row * count) + _BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        ' font-family="Helvetica, Arial, sans-serif" role="img">',
        f"<title>{escape(_title(comparison))}</title>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
        _text(_MARGIN - 12, 40, _title(comparison), size=20, weight="bold"),
        *(_text(_MARGIN - 12, 64 + 18 * place, line, size=13, fill="#555555") for place, line in enumerate(_said(comparison))),
        *_booklets(comparison, first, second),
        *_questions(comparison, bars_left, row, first, second),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _title(comparison: Comparison) -> str:
    return comparison.first.title or comparison.first.name


def _said(comparison: Comparison) -> tuple[str, ...]:
    """What the picture shows, in two lines."""
    known = [one.compared for one in comparison.booklets if one.compared is not None]
    more = sum(second > first for first, second in known)
    less = sum(second < first for first, second in known)
    open_ones = len(comparison.booklets) - len(known)
    lines = [
        f"{_count(len(known), 'booklet')}: {less} earn less with the second rubric, {more} more, {len(known) - less - more} the same"
        + (f"; {open_ones} not certain, and not shown" if open_ones else "")
        + "."
    ]
    if comparison.left_out:
        names = ", ".join(comparison.left_out[:12]) + (" and others" if len(comparison.left_out) > 12 else "")
        lines.append(f"Sums of {_count(len(comparison.questions), 'question')}; without {names}, whose points are not in yet.")
    return tuple(lines)


# --------------------------------------------------------------------------- booklets


def _booklets(comparison: Comparison, first: str, second: str) -> Iterator[str]:
    """Every booklet as a point: points under the first rubric to the right, under the second upwards."""
    known = [one.compared for one in comparison.booklets if one.compared is not None]
    total = sum((one.most for one in comparison.questions), Fraction(0))
    most = max([Fraction(1), total, *(point for pair in known for point in pair)])
    least = min([Fraction(0), *(point for pair in known for point in pair)])
    ticks = _ticks(float(least), float(most))
    low, high = min(ticks[0], float(least)), max(ticks[-1], float(most))

    def across(value: float) -> float:
        return _LEFT + _SIDE * (value - low) / (high - low)

    def up(value: float) -> float:
        return _TOP + _SIDE * (high - value) / (high - low)

    yield _text(_LEFT, _TOP - 16, "Each booklet's points", size=14, weight="bold")
    for tick in ticks:
        yield _line(across(tick), _TOP, across(tick), _TOP + _SIDE, _FAINT)
        yield _line(_LEFT, up(tick), _LEFT + _SIDE, up(tick), _FAINT)
        yield _text(across(tick), _TOP + _SIDE + 18, f"{tick:g}", anchor="middle", size=12)
        yield _text(_LEFT - 8, up(tick) + 4, f"{tick:g}", anchor="end", size=12)
    yield _line(across(low), up(low), across(high), up(high), _GREY, dash="5 4")
    yield _text(across(high) - 10, up(high) + 30, "same points", anchor="end", size=11, fill=_GREY)
    yield _text(_LEFT + 10, _TOP + 20, "more with the second", size=11, fill=_SECOND)
    yield _text(_LEFT + _SIDE - 10, _TOP + _SIDE - 12, "more with the first", anchor="end", size=11, fill=_FIRST)
    counts = Counter(known)
    unit = min(_DOT, _LARGEST_DOT / math.sqrt(max(counts.values(), default=1)))  # radius of a dot for one booklet
    for (here, there), count in sorted(counts.items(), key=lambda item: -item[1]):
        fill = _GREY if here == there else _SECOND if there > here else _FIRST
        radius = max(_LEAST_DOT, unit * math.sqrt(count))
        word = f"{rounded(here, 2)} with {first}, {rounded(there, 2)} with {second}: {_count(count, 'booklet')}"
        yield (
            f'<circle cx="{across(float(here)):.1f}" cy="{up(float(there)):.1f}" r="{radius:.1f}" fill="{fill}"'
            f' fill-opacity="0.6" stroke="white" stroke-width="0.8"><title>{escape(word)}</title></circle>'
        )
    yield _text(_LEFT + _SIDE / 2, _TOP + _SIDE + 42, f"first: {first}", anchor="middle", size=13, fill=_FIRST, weight="bold")
    middle = _TOP + _SIDE / 2
    yield (
        f'<text transform="translate({_LEFT - 46} {middle:.1f}) rotate(-90)" text-anchor="middle" font-size="13"'
        f' font-weight="bold" fill="{_SECOND}">{escape(f"second: {second}")}</text>'
    )
    yield _text(_LEFT, _TOP + _SIDE + 62, "The larger a dot, the more booklets it stands for.", size=11, fill=_GREY)


# --------------------------------------------------------------------------- questions


def _questions(comparison: Comparison, left: float, row: int, first: str, second: str) -> Iterator[str]:
    """Every question as a line from what it earns under the first rubric to what under the second, in shares of its points."""
    bottom = _TOP + row * max(1, len(comparison.questions))
    shares = [(float(one.first / one.most), float(one.second / one.most)) for one in comparison.questions if one.most]
    low = min([0.0, *(value for pair in shares for value in pair)])
    low = math.floor(low * 4) / 4

    def across(share: float) -> float:
        return left + _BARS * (share - low) / (1 - low)

    yield _text(left, _TOP - 16, "What each question earns on average", size=14, weight="bold")
    for tick in (low + step * 0.25 for step in range(round((1 - low) * 4) + 1)):
        yield _line(across(tick), _TOP, across(tick), bottom, _FAINT)
        yield _text(across(tick), bottom + 18, f"{tick * 100:.0f} %", anchor="middle", size=12)
    size = min(12, row)
    for place, one in enumerate(comparison.questions):
        y = _TOP + row * (place + 0.5)
        yield _text(left - 10, y + size / 3, one.question, anchor="end", size=size)
        if not one.most:
            continue
        here, there = across(float(one.first / one.most)), across(float(one.second / one.most))
        word = f"{one.question}: {rounded(one.first, 2)} with {first}, {rounded(one.second, 2)} with {second}, of {rounded(one.most, 2)}"
        radius = min(5.0, row / 3)
        yield f"<g><title>{escape(word)}</title>"
        yield _line(here, y, there, y, _GREY, width=2)
        yield f'<circle cx="{here:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{_FIRST}"/>'
        yield (
            f'<rect x="{there - radius:.1f}" y="{y - radius:.1f}" width="{2 * radius:.1f}" height="{2 * radius:.1f}"'
            f' transform="rotate(45 {there:.1f} {y:.1f})" fill="{_SECOND}"/>'
        )
        yield "</g>"
    y = bottom + 42
    yield f'<circle cx="{left + 5:.1f}" cy="{y - 4:.1f}" r="5" fill="{_FIRST}"/>' + _text(
        left + 16, y, f"first: {first}", size=12
    )
    yield (
        f'<rect x="{left:.1f}" y="{y + 11:.1f}" width="9" height="9" transform="rotate(45 {left + 4.5:.1f} {y + 15.5:.1f})"'
        f' fill="{_SECOND}"/>'
    ) + _text(left + 16, y + 20, f"second: {second}", size=12)


# --------------------------------------------------------------------------- pieces


def _ticks(low: float, high: float) -> Sequence[float]:
    """Round numbers from below the lowest to above the highest value, about five of them."""
    step = 10 ** math.floor(math.log10(max(high - low, 1e-9) / 4))
    step = next(factor * step for factor in (1, 2, 2.5, 5, 10) if (high - low) / (factor * step) <= 6)
    return [number * step for number in range(math.floor(low / step), math.ceil(high / step) + 1)]


def _text(
    x: float, y: float, words: str, *, size: int, anchor: str = "start", fill: str = _INK, weight: str = "normal"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{fill}"'
        f' font-weight="{weight}">{escape(words)}</text>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, stroke: str, *, width: float = 1, dash: str = "") -> str:
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}" stroke-width="{width:g}"{dashed}/>'
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
