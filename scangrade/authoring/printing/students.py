"""What says whose a booklet is: a code with the student number, and number, name and seat for people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from scangrade.authoring.form import Rect, barcode_modules, runs
from scangrade.authoring.printing.typeset import Body, faults
from scangrade.model import Student
from scangrade.settings import PrintSettings


def code_beside(student: Student, label: Rect, settings: PrintSettings) -> tuple[tuple[Rect, ...], float]:
    """The modules of a student's code on a label, in the middle of its height, and where it ends on the right."""
    modules = barcode_modules(student.number)
    pad = settings.label_pad_mm
    side = min(settings.label_module_mm, (label.bottom - label.top - 2 * pad) / len(modules))
    left, top = label.left + pad, (label.top + label.bottom - side * len(modules)) / 2
    black = tuple(
        Rect(left + first * side, top + row * side, left + end * side, top + (row + 1) * side)
        for row, first, end in runs(modules)
    )
    return black, left + side * modules.shape[1]


def text_beside(student: Student, label: Rect, settings: PrintSettings, *, named: bool, seat: str = "{seat}") -> str:
    """Typst code of what stands beside a student's code; without the name where it cannot be printed."""
    _, right = code_beside(student, label, settings)
    small = label.right - label.left < settings.small_label_mm
    gap = settings.label_pad_mm * (0.7 if small else 1.3)
    lines = [f"#text(size: {10 if small else 14}pt, weight: 600, {_quoted(student.number)})"]
    if named:
        told = [name_of(student), seat.format(seat=student.seat) if student.seat else ""]
        # what does not fit below is cut off, so on small labels the name comes last
        lines += [f"{literal(one)};" for one in (reversed(told) if small else told) if one]
    width, height = label.right - right - gap - settings.label_pad_mm * 0.5, label.bottom - label.top
    body = f"#text(size: {7.5 if small else 11}pt)[{'#linebreak();'.join(lines)}]"
    return (
        f"#at({right + gap:.2f}, {label.top + 1:.2f})[#context {{ let told = block(width: {width:.2f}mm)[{body}]\n"
        f"let high = measure(told).height > {height - 2:.2f}mm\n"
        f"box(width: {width:.2f}mm, height: {height - 2:.2f}mm, clip: true, align(if high {{ top }} else {{ horizon }}, told)) }}]"
    )


def name_of(student: Student) -> str:
    """A student's name for people, in the order of class lists."""
    return ", ".join(part for part in (student.last_name, student.first_name) if part)


def literal(text: str) -> str:
    """Typst code of a text as it stands."""
    return f"#{_quoted(text)}"


def _quoted(text: str) -> str:
    return json.dumps("".join(character if character.isprintable() else " " for character in text), ensure_ascii=False)


def without_letters(students: Sequence[Student], head: str, root: Path) -> frozenset[str]:
    """Numbers of those whose name or seat has letters that no font has."""
    names: Mapping[str, Body] = {one.number: Body(literal(f"{name_of(one)} {one.seat}"), 80.0) for one in students}
    try:
        next(faults({"": Body("\n\n".join(one.code + ";" for one in names.values()), 80.0)}, head, root))
    except StopIteration:
        return frozenset()
    return frozenset(number for number, _ in faults(names, head, root))


def on_unprinted(numbers: frozenset[str]) -> tuple[str, ...]:
    """What is said of names that could not be printed."""
    if not numbers:
        return ()
    shown = ", ".join(sorted(numbers)[:5]) + (f" and {len(numbers) - 5} more" if len(numbers) > 5 else "")
    return (
        f"no font on this machine has all letters of the name of {shown}: only the number is printed there."
        " Install a font that has them, such as Noto, and print again.",
    )
