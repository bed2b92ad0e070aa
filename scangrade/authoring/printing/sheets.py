"""The pages of a booklet as Typst code: what all copies of a version have in common."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction

from scangrade.authoring.printing.arrange import Arrangement, Cover, Paper, Slot, alternative_width, paper_of, stem_width
from scangrade.authoring.printing.markdown import MarkdownError, as_typst
from scangrade.authoring.printing.typeset import Body
from scangrade.authoring.printing.versions import Placed
from scangrade.authoring.printing.words import WORDS, Words
from scangrade.definitions.exam import LETTERS, Asked, Exam, Front
from scangrade.errors import Issue, Severity
from scangrade.model import Box, Fiducial, Field, Region
from scangrade.settings import PRINT, PrintSettings

_QUIET = "luma(90)"
_LINE = "luma(110)"
_SAMPLE = {
    "[cross]": "line(start: (0.6mm, 0.6mm), end: (3.4mm, 3.4mm), stroke: 0.5mm)"
    " #place(top + left, line(start: (3.4mm, 0.6mm), end: (0.6mm, 3.4mm), stroke: 0.5mm))",
    "[fill]": "rect(width: 4mm, height: 4mm, fill: black)",
}


def bodies(exam: Exam) -> tuple[dict[str, Body], tuple[Issue, ...]]:
    """All texts of an exam by name (see `arrange.arrange`), and what cannot be printed of them."""
    paper, words = paper_of(exam), WORDS[exam.file.language]
    found: dict[str, Body] = {}
    issues: list[Issue] = []

    def add(name: str, where: str, text: str, width: float, frame: str = "{}") -> None:
        try:
            code = as_typst(text, formulas=exam.file.formulas, language=exam.file.language)
        except MarkdownError as fault:
            issues.append(Issue(Severity.ERROR, where, str(fault)))
            code = ""
        found[name] = Body(frame.replace("{}", code), width)

    top = exam.source.where
    marks = any(one.alternatives for one in exam.questions) or exam.file.student.digits > 0
    found |= front_bodies(exam.file, paper, marks=marks)
    add("instructions", top(("instructions",)), exam.file.instructions, paper.across)
    for number, part in enumerate(exam.parts):
        hint = _hint_of_part(number, exam, words)
        told = f"#text(size: 10pt, fill: {_QUIET}, {_string(hint)})" if hint else ""
        head = f"#text(size: 14pt, weight: 600, {_string(part.title)})"
        where = exam.where(part.place, "part_text")
        add(
            f"part/{number}",
            where,
            part.text,
            paper.across,
            "\n\n".join(one for one in (head, "{}" if part.text else "", told) if one),
        )
    for one in exam.questions:
        hint = "" if _hint_of_part(one.part, exam, words) else _hint(one, words)
        told = f" #text(size: 10pt, fill: {_QUIET}, {_string(hint)})" if hint else ""
        add(f"stem/{one.id}", exam.where(one.place, "text"), one.text, stem_width(paper), "{}" + told)
        for number, text in enumerate(one.alternatives):
            where = exam.where(one.place, "alternatives", number)
            add(f"alternative/{one.id}/{number}", where, text, alternative_width(paper, one.columns))
    return found, tuple(issues)


def where_is(name: str, exam: Exam) -> str:
    """File, line and key of a text, from its name."""
    kind, _, rest = name.partition("/")
    places = {one.id: one.place for one in exam.questions}
    match kind:
        case "stem":
            return exam.where(places[rest], "text")
        case "alternative":
            question, _, number = rest.rpartition("/")
            return exam.where(places[question], "alternatives", int(number))
        case "part":
            return exam.where(exam.parts[int(rest)].place, "part")
        case "marking":
            return exam.source.where(("convention",))
        case _:
            return exam.source.where((kind,))


def _hint(one: Asked, words: Words) -> str:
    return "" if not one.alternatives else words.many if one.many else words.one


def _hint_of_part(part: int, exam: Exam, words: Words) -> str:
    """What holds for all questions of a part with a title, "" where they differ."""
    hints = {_hint(one, words) for one in exam.questions if one.part == part}
    return hints.pop() if len(hints) == 1 and exam.parts[part].title else ""


def front_bodies(front: Front, paper: Paper, *, marks: bool = True) -> dict[str, Body]:
    """Texts of the first page: all that are no Markdown. `marks`: whether there is something to mark."""
    words = WORDS[front.language]
    lines = "#linebreak();".join(f"#{_string(line)};" for line in front.lines)
    codes = {
        "title": f"#text(size: 21pt, weight: 600, {_string(front.title)})",
        "lines": f"#text(size: 11.5pt, fill: {_QUIET})[{lines}]",
        "marking": _marking(front, words) if marks else "",
    }
    return {name: Body(code, paper.across) for name, code in codes.items()}


def _marking(front: Front, words: Words) -> str:
    """How to mark, with small pictures of it."""
    told = []
    number = f" {words.number_help}" if front.student.digits and front.student.written else ""
    for piece in re.split(r"(\[[a-z]+\])", words.marking[front.convention] + number):
        sample = _SAMPLE.get(piece)
        if sample:
            told.append(f"#box(baseline: 0.7mm, width: 4mm, height: 4mm, stroke: 0.3mm)[#{sample}];#h(0.4mm)")
        elif piece:
            told.append(f"#{_string(piece)};")
    return "".join(told)


def _string(text: str) -> str:
    plain = "".join(character if character.isprintable() else " " for character in text)
    return json.dumps(plain, ensure_ascii=False)


def points_text(points: Fraction, *, bonus: bool, words: Words) -> str:
    """What stands beside a question."""
    number = f"{float(points):g}" if (points * 1000).denominator == 1 else str(points)
    text = (words.point if points == 1 else words.points).format(points=number)
    return f"{text}, {words.bonus}" if bonus else text


# --------------------------------------------------------------------------- pages


def booklet(
    exam: Exam,
    arrangement: Arrangement,
    placed: Mapping[str, Placed],
    texts: Mapping[str, Body],
    *,
    settings: PrintSettings = PRINT,
) -> str:
    """Typst code of all pages of a version."""
    words, paper = WORDS[exam.file.language], arrangement.paper
    pages = len(arrangement.layout.pages)
    made = []
    for page in range(1, pages + 1):
        things = list(_frame(exam, arrangement, page, words, settings))
        if page == 1:
            things += front_page(exam.file, arrangement.cover, paper, texts, settings=settings)
        for slot in arrangement.slots:
            if slot.page == page:
                things += _question(exam, slot, placed[slot.place], texts, paper, words, settings)
        things += drawn_boxes(one for one in arrangement.layout.fields if one.page == page)
        if page in arrangement.free:
            things.append(free_page(paper, words))
        made.append("\n".join(things))
    return "\n#pagebreak()\n".join(made)


def free_page(paper: Paper, words: Words) -> str:
    """Typst code of a page with nothing to answer."""
    return _at(paper.left, paper.top, _block(paper.across, f"#text(fill: {_QUIET}, {_string(words.free)})"))


def _at(x: float, y: float, code: str) -> str:
    return f"#at({x:.3f}, {y:.3f})[{code}]"


def _block(width: float, code: str) -> str:
    return f"#block(width: {width:.3f}mm)[{code}\n]"


def _quiet(text: str, *, size: float = 9) -> str:
    return f"#text(size: {size:g}pt, fill: {_QUIET}, {_string(text)})"


def rectangle(x: float, y: float, width: float, height: float, look: str) -> str:
    """A rectangle by its top left corner, in mm."""
    return _at(x, y, f"#rect(width: {width:.3f}mm, height: {height:.3f}mm, {look})")


def drawn_marks(marks: Iterable[Fiducial]) -> Iterator[str]:
    """Typst code of registration marks: filled squares."""
    for mark in marks:
        side = mark.size_mm
        yield rectangle(mark.x_mm - side / 2, mark.y_mm - side / 2, side, side, "fill: black")


def _frame(exam: Exam, arrangement: Arrangement, page: int, words: Words, settings: PrintSettings) -> Iterator[str]:
    """Registration marks, the running head and the page number."""
    paper = arrangement.paper
    yield from drawn_marks(arrangement.layout.page(page).fiducials)
    head = exam.file.title if page > 1 else ""
    right = paper.width - settings.code_right_mm - 4
    told = words.page.format(page=page, pages=len(arrangement.layout.pages))
    if head:
        yield _at(paper.left, 10, f"#box(width: {right - paper.left - 45:.1f}mm, height: 5mm, clip: true)[{_quiet(head)}]")
    yield _at(right - 45, 10, f"#box(width: 45mm)[#align(right)[{_quiet(told)}]]")


def front_page(
    front: Front, cover: Cover, paper: Paper, texts: Mapping[str, Body], *, settings: PrintSettings = PRINT
) -> Iterator[str]:
    """Typst code of what stands on the first page, boxes left out."""
    words = WORDS[front.language]
    yield _at(paper.left, cover.title, _block(paper.across, texts["title"].code))
    if front.lines:
        yield _at(paper.left, cover.lines, _block(paper.across, texts["lines"].code))
    for region, caption in ((cover.name, words.name), (cover.label, words.label)):
        if region is not None:
            yield _at(region.x_mm, region.y_mm - settings.caption_mm, _quiet(caption))
            dash = '"dashed"' if region is cover.label else '"solid"'
            yield _region(region, f"(thickness: {settings.frame_line_mm}mm, paint: {_LINE}, dash: {dash})")
    if cover.number is not None:
        yield number_caption(*cover.number, words)
    if cover.written is not None:
        yield _region(cover.written, f"{settings.frame_line_mm}mm + {_LINE}")
    for top, name in ((cover.marking, "marking"), (cover.instructions, "instructions")):
        yield _at(paper.left, top, _block(paper.across, texts[name].code))
    yield from ruler(paper, words, settings)


def number_caption(x: float, y: float, words: Words) -> str:
    """Typst code of what stands above the place of a student number."""
    return _at(x, y, _quiet(words.number))


def drawn_boxes(fields: Iterable[Field]) -> Iterator[str]:
    """Typst code of the boxes to mark and the cells to write in of some fields."""
    for one in fields:
        yield from (drawn_box(box) for box in (*one.boxes, *one.cells))


def ruler(paper: Paper, words: Words, settings: PrintSettings = PRINT) -> Iterator[str]:
    """A ruler between the lower registration marks: on paper it shows whether the printer kept the size."""
    length = settings.ruler_mm
    left, y = (paper.width - length) / 2, paper.height - settings.mark_inset_mm - 1
    yield _at(left, y, f"#line(length: {length:g}mm, stroke: 0.15mm)")
    for tick in range(int(length) // 10 + 1):
        high = 2.2 if tick % 5 == 0 else 1.4
        yield _at(left + 10 * tick, y - high, f"#line(angle: 90deg, length: {high}mm, stroke: 0.15mm)")
    told = words.ruler.format(length=f"{length:g}")
    yield _at(left, y + 0.8, f"#box(width: {length:g}mm)[#align(center)[{_quiet(told, size=7.5)}]]")


def _region(region: Region, stroke: str) -> str:
    return rectangle(region.x_mm, region.y_mm, region.width_mm, region.height_mm, f"stroke: {stroke}")


def _question(
    exam: Exam, slot: Slot, placed: Placed, texts: Mapping[str, Body], paper: Paper, words: Words, settings: PrintSettings
) -> Iterator[str]:
    one = placed.question
    there = next(each for each in exam.questions if each.id == slot.place)
    if slot.head is not None:
        yield _at(paper.left, slot.head, _block(paper.across, texts[f"part/{there.part}"].code))
    yield _at(paper.left, slot.stem, f"#text(weight: 600, {_string(slot.place)})")
    body = texts[f"stem/{one.id}"]
    yield _at(paper.left + settings.number_mm, slot.stem, _block(body.width_mm, body.code))
    told = points_text(one.points, bonus=one.bonus, words=words)
    width = settings.points_mm
    yield _at(paper.right - width, slot.stem, f"#box(width: {width:g}mm)[#align(right)[{_quiet(told, size=10)}]]")
    for (x, y), (box, number) in zip(slot.rows, enumerate(placed.order), strict=True):
        body = texts[f"alternative/{one.id}/{number}"]
        yield _at(
            x - settings.alternative_mm + settings.box_mm + 2 * settings.frame_mm + 1.6, y, _quiet(LETTERS[box], size=10)
        )
        yield _at(x, y, _block(body.width_mm, body.code))
    if slot.credit is not None:
        yield _at(paper.left + settings.number_mm, slot.credit, _quiet(words.credit))
        for row in range(there.corrections if there.corrections > 1 else 0):
            y = slot.credit + settings.caption_mm + row * settings.row_mm
            yield _at(paper.left + settings.number_mm, y, _quiet(words.correction[row]))
    if slot.frame is not None:
        yield _region(slot.frame, f"{settings.frame_line_mm}mm + {_LINE}")
        yield from _ruling(slot.frame, there.ruling, settings)


def _ruling(frame: Region, ruling: str, settings: PrintSettings) -> Iterator[str]:
    light = "stroke: 0.1mm + luma(190)"
    if ruling == "none":
        return
    step = settings.ruling_mm if ruling == "lines" else 5.0
    for number in range(1, int((frame.height_mm - 1) / step) + 1):
        yield _at(frame.x_mm, frame.y_mm + number * step, f"#line(length: {frame.width_mm:g}mm, {light})")
    if ruling == "squares":
        for number in range(1, int((frame.width_mm - 0.5) / step) + 1):
            yield _at(frame.x_mm + number * step, frame.y_mm, f"#line(angle: 90deg, length: {frame.height_mm:g}mm, {light})")


def drawn_box(box: Box) -> str:
    """A box: its inside is clear, its frame lies around that."""
    width, height = box.width_mm + box.frame_mm, box.height_mm + box.frame_mm
    drawn = rectangle(box.x_mm - width / 2, box.y_mm - height / 2, width, height, f"stroke: {box.frame_mm:g}mm")
    if not box.printed:
        return drawn
    edges = 'top-edge: "cap-height", bottom-edge: "baseline"'
    inner = f"#align(center + horizon)[#text(size: 8pt, fill: {_QUIET}, {edges}, {_string(box.printed)})]"
    return (
        drawn
        + "\n"
        + _at(
            box.x_mm - box.width_mm / 2,
            box.y_mm - box.height_mm / 2,
            f"#box(width: {box.width_mm:g}mm, height: {box.height_mm:g}mm)[{inner}]",
        )
    )
