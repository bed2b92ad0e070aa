"""Whose booklets they are, in rosters of 1,000 near numbers: how many are settled, and how many wrongly without a flag.

    python -m tests.benchmarks.identity [--writers 120] [--rounds 60]

Two steps. First, cells, grids and labels are drawn by simulated people, scanned by the benchmark's population of scanners and read by the
real reader. Then a class of 1,000 is made up as often as asked for, each of its students somebody of the first step, and every booklet says
what was really read when that person wrote such a digit, marked such a column, had such a label. What happens to a pile happens to it:
students stay away, strangers sit in, pages of two booklets change places, somebody hands in two booklets.
"""

from __future__ import annotations

import argparse
import math
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from scangrade import settings
from scangrade.answers.decide import decide
from scangrade.answers.digits import NOTHING, networks
from scangrade.answers.grids import number_grids
from scangrade.answers.handwriting import Written, read_handwriting
from scangrade.answers.identify import Said, identify
from scangrade.authoring.simulate import print_form, simulate_booklet
from scangrade.model import (
    Answer,
    Booklet,
    Box,
    Convention,
    Field,
    FieldKind,
    Layout,
    LayoutPage,
    MatchStatus,
    PageRead,
    PageRef,
    Region,
    Roster,
    ScannedPage,
    StickerCode,
    StickerRead,
    Student,
)
from scangrade.paper.rasterise import PageImage
from scangrade.paper.read import FormReader, read_page
from tests import forms, labels
from tests.benchmarks.population import Severity, draw_person, draw_scanner, people
from tests.benchmarks.sticker import SEVERITIES, pasted

#: Of a hundred piles.
_SEVERITIES: Mapping[Severity, float] = {Severity.CLEAN: 0.45, Severity.TYPICAL: 0.45, Severity.HARD: 0.1}
NUMBERLESS = "exchanged page without a number"
_ROWS, _CELLS, _PLACES = 16, 10, 8
_ABSENT, _STRANGERS, _EXCHANGED, _TWICE, _SLIPS, _LEFT_OUT = 0.1, 0.01, 0.005, 0.003, 0.003, 0.02


# --------------------------------------------------------------------------- what is read when people write and mark


@dataclass
class Seen:
    """What was read of somebody's writing and marking."""

    digits: dict[int, list[tuple[float, ...]]] = field(default_factory=lambda: defaultdict(list))  #: by digit
    columns: dict[int, list[Answer]] = field(default_factory=lambda: defaultdict(list))  #: of a grid, by the digit marked


def sheet() -> Layout:
    """A page with rows of cells, and beside them grids for a number."""
    plain = forms.form(questions=2)
    cells = tuple(
        Field(
            f"row.{row}",
            FieldKind.HANDWRITTEN,
            1,
            region=Region(1, 120.0, 38.0 + 14.5 * row, 71.0, 9.5),
            role="student_number",
            cells=tuple(
                Box(f"row.{row}", str(place + 1), 1, 124.0 + 7.0 * place, 43.0 + 14.5 * row, 6.5, 9.0, 0.25)
                for place in range(_CELLS)
            ),
        )
        for row in range(_ROWS)
    )
    grids = tuple(
        Field(
            f"grid{number}.{place + 1}",
            FieldKind.DIGIT,
            1,
            tuple(
                Box(
                    f"grid{number}.{place + 1}",
                    value,
                    1,
                    35.0 + 8 * place,
                    100.0 + 80 * number + 6.5 * row,
                    4.0,
                    4.0,
                    0.3,
                    printed=value,
                )
                for row, value in enumerate("1234567890")
            ),
            group=f"grid{number}",
            place=place + 1,
            role="student_number",
        )
        for number in range(2)
        for place in range(_PLACES)
    )
    return replace(plain, convention=Convention.FILL_WINS, fields=(*plain.fields, *cells, *grids))


def seen_of_people(count: int, *, seed: int) -> list[Seen]:
    """Let people fill in the sheet and read it; those whose page is set aside are left out."""
    layout = sheet()
    printed, reader = print_form(layout), FormReader(layout)
    rng = np.random.default_rng(seed)
    found = []
    for batch in range(-(-count // 12)):  # a batch goes through one scanner, and its empty boxes are learned together
        severity = list(_SEVERITIES)[int(rng.choice(len(_SEVERITIES), p=list(_SEVERITIES.values())))]
        scanner = draw_scanner(severity, layout, rng)
        some = people(layout.convention, severity, scanner)
        booklets, truths = [], []
        for index in range(12):
            texts = {one.id: "".join(map(str, rng.integers(0, 10, _CELLS))) for one in layout.fields if one.cells}
            marked = {one.id: str(int(rng.integers(10))) for one in layout.fields if one.kind is FieldKind.DIGIT}
            images, _ = simulate_booklet(
                layout,
                {name: frozenset({value}) for name, value in marked.items()},
                draw_person(some, scanner, rng),
                scanner,
                rng,
                form=printed,
                texts=texts,
            )
            result = read_page(PageImage(images[0].pixels(), images[0].dpi, f"{batch}/{index}"), reader, expected_page=1)
            if isinstance(result, PageRead):
                page = ScannedPage(PageRef(f"{batch}.pdf", index + 1, batch), result)
                booklets.append(Booklet(f"{batch}/{index}", {1: page}))
                truths.append((texts, marked))
        written = read_handwriting(booklets, layout)
        answers = decide(booklets, layout, settings=settings.DECIDE)
        for booklet, (texts, marked) in zip(booklets, truths, strict=True):
            one = Seen()
            for row in written[booklet.id]:
                for digit, cell in zip(texts[row.field], row.cells, strict=True):
                    one.digits[int(digit)].append(cell)
            for answer in answers[booklet.id]:
                if answer.field in marked:
                    one.columns[int(marked[answer.field])].append(answer)
            found.append(one)
    return found


def seen_of_real_digits(count: int) -> list[Seen]:
    """What is read of digits that real people wrote, none of which was learned from; needs the extra `train`.

    Each writer's are of many people, drawn and scanned as in training.
    """
    from tests.training import cells  # noqa: PLC0415 - everything else here goes without that extra

    pools = (cells.pool_of(writer) for writer in range(0, 10**6, 8))
    real = (pool for pool in pools if pool is not None)
    examples = cells.examples_of(
        cells.draw_cells(10**6 + number, each=160, pool=pool) for number, pool in zip(range(count), real, strict=False)
    )
    found: dict[int, Seen] = defaultdict(Seen)
    told = cells.probabilities(examples, networks()).astype(float).tolist()
    for writer, digit, cell in zip(examples.writers.tolist(), examples.right.tolist(), told, strict=True):
        if digit < NOTHING:
            found[writer].digits[digit].append(tuple(cell))
    return [one for one in found.values() if len(one.digits) == NOTHING]


def stickers_seen(count: int, *, seed: int) -> list[tuple[str, StickerRead]]:
    """Labels of known numbers as they were read."""
    printed, rng = labels.printed_form(labels.form()), np.random.default_rng(seed)
    reader = FormReader(printed.layout)
    found = []
    for index in range(count):
        severity = SEVERITIES[0] if index % 2 else SEVERITIES[1]
        number = f"{int(rng.integers(10**8)):08d}"
        label = pasted(severity, number, ("DataMatrix", "QRCode", "Code128")[index % 3], rng)
        image = labels.scanned(label, severity.scanners[index % len(severity.scanners)], rng, printed)
        result = read_page(PageImage(image.pixels(), image.dpi, "cover"), reader, expected_page=1)
        if isinstance(result, PageRead):
            found.append((number, result.sticker or StickerRead()))
    return found


# --------------------------------------------------------------------------- classes of near numbers


def near_numbers(count: int, rng: np.random.Generator) -> list[str]:
    """Numbers of eight digits: most in sequences, then some one digit from another, some with two digits exchanged, some at random."""
    numbers: dict[str, None] = {}
    while len(numbers) < 0.6 * count:
        start = int(rng.integers(10_000_000, 30_000_000))
        numbers |= dict.fromkeys(f"{start + step:08d}" for step in range(100))
    while len(numbers) < count:
        known = list(numbers)
        base = list(known[int(rng.integers(len(known)))])
        match int(rng.integers(4)):
            case 0 | 1:
                base[int(rng.integers(_PLACES))] = str(int(rng.integers(10)))
            case 2:
                at = int(rng.integers(_PLACES - 1))
                base[at], base[at + 1] = base[at + 1], base[at]
            case _:
                base = list(f"{int(rng.integers(10**8)):08d}")
        numbers["".join(base)] = None
    return list(numbers)[:count]


@dataclass(frozen=True)
class Kind:
    """How a form asks who somebody is."""

    name: str
    pages: int  #: with the number by hand
    grid: bool = False
    sticker: bool = False
    goal: float = 0.0  #: share of the booklets that are to be settled without a person


KINDS = (
    Kind("by hand on nine pages (IST)", 9, goal=0.85),
    Kind("by hand on one page", 1, goal=0.85),
    Kind("grid", 0, grid=True, goal=0.97),
    Kind("grid and the number above it by hand (UvA)", 1, grid=True, goal=0.97),
    Kind("sticker (TUM)", 0, sticker=True, goal=0.99),
)


def form_of(kind: Kind) -> Layout:
    """A layout that asks so."""
    fields: list[Field] = []
    for page in range(1, kind.pages + 1):
        name = f"number.{page}"
        cells = tuple(Box(name, str(place + 1), page, 20.0 + 7 * place, 20.0, 6.5, 9.0, 0.25) for place in range(_PLACES))
        region = Region(page, 16.0, 15.0, 60.0, 10.0)
        fields.append(Field(name, FieldKind.HANDWRITTEN, page, region=region, role="student_number", cells=cells))
    if kind.grid:
        fields += [replace(one, role="student_number") for one in sheet().fields if one.group == "grid0"]
    if kind.sticker:
        fields.append(Field("sticker", FieldKind.STICKER, 1, region=labels.PLACE))
    pages = tuple(LayoutPage(number, 210, 297, ()) for number in range(1, max(kind.pages, 1) + 1))
    return Layout("exam", "Exam", Convention.ANY, pages, tuple(fields))


@dataclass
class Paper:
    """One booklet of a pile."""

    number: str  #: of who wrote it
    odd: str  #: what happened to it, "" for nothing
    said: Said
    answers: tuple[Answer, ...]


def make_pile(
    kind: Kind,
    numbers: Sequence[str],
    seen: Sequence[Seen],
    stickers: Sequence[tuple[str, StickerRead]],
    layout: Layout,
    rng: np.random.Generator,
) -> list[Paper]:
    """The booklets of a class, some students absent, some strangers among them."""
    columns = [one for grid in number_grids(layout) for one in grid]
    everybody = {digit: [answer for one in seen for answer in one.columns[digit]] for digit in range(10)}

    def written_by(number: str, who: Seen, pages: Sequence[int]) -> tuple[tuple[Written, ...], bool]:
        rows, slipped = [], False
        blank = tuple(float(code == NOTHING) for code in range(NOTHING + 2))
        for page in pages:
            slip = int(rng.integers(_PLACES)) if rng.random() < _SLIPS else -1
            slipped = slipped or slip >= 0
            left_out = kind.pages > 1 and rng.random() < _LEFT_OUT
            cells = []
            for place, digit in enumerate(number):
                code = int(rng.integers(10)) if place == slip else int(digit)
                some = who.digits[code]
                cells.append(blank if left_out else some[int(rng.integers(len(some)))])
            rows.append(Written(f"number.{page}", page, tuple(cells)))
        return tuple(rows), slipped

    def paper(number: str, odd: str = "") -> Paper:
        who = seen[int(rng.integers(len(seen)))]
        sticker = None
        if kind.sticker:
            of, read = stickers[int(rng.integers(len(stickers)))]
            sticker = StickerRead(
                tuple(StickerCode(one.text.replace(of, number), one.format) for one in read.codes),
                tuple(one.replace(of, number) for one in read.printed),
            )
        answers = []
        for column, digit in zip(columns, number, strict=False):
            some = who.columns[int(digit)] or everybody[int(digit)]  # somebody else's where they marked none
            drawn = some[int(rng.integers(len(some)))]
            verdicts = tuple(replace(one, field=column.id) for one in drawn.verdicts)
            answers.append(Answer(column.id, verdicts, drawn.doubt))
        rows, slipped = written_by(number, who, range(1, kind.pages + 1))
        return Paper(number, odd or ("digit written wrongly" if slipped else ""), Said(sticker, rows), tuple(answers))

    present = [one for one in numbers if rng.random() >= _ABSENT]
    pile = [paper(one) for one in present]
    for _ in range(rng.binomial(len(present), _STRANGERS)):
        number = near_numbers(1, rng)[0]
        if rng.random() < 0.5:  # one digit from somebody who is on the list
            base = list(numbers[int(rng.integers(len(numbers)))])
            base[int(rng.integers(_PLACES))] = str(int(rng.integers(10)))
            number = "".join(base)
        if number not in set(numbers):
            pile.append(paper(number, "stranger"))
    for _ in range(rng.binomial(len(present), _TWICE)):
        pile.append(paper(present[int(rng.integers(len(present)))], "second booklet"))
    order = rng.permutation(len(pile)).tolist()
    pile = [pile[one] for one in order]
    if kind.pages > 1:
        for _ in range(rng.binomial(len(present), _EXCHANGED)):
            first = int(rng.integers(len(pile) - 1))
            page = int(rng.integers(kind.pages))
            one, other = pile[first], pile[first + 1]
            rows = list(one.said.written), list(other.said.written)
            rows[0][page], rows[1][page] = rows[1][page], rows[0][page]
            for changed, row in ((one, rows[0]), (other, rows[1])):
                changed.said = replace(changed.said, written=tuple(row))
                changed.odd = NUMBERLESS if row[page].blank else "exchanged page"
    return pile


def measure(
    kind: Kind, rounds: int, seen: Sequence[Seen], stickers: Sequence[tuple[str, StickerRead]], *, seed: int
) -> Counter[str]:
    """Identify the booklets of so many classes; what became of them."""
    layout = form_of(kind)
    tally: Counter[str] = Counter()
    for number in range(rounds):
        rng = np.random.default_rng((seed, number))
        numbers = near_numbers(1000, rng)
        roster = Roster(tuple(Student(one) for one in numbers))
        pile = make_pile(kind, numbers, seen, stickers, layout, rng)
        names = [f"b{index}" for index in range(len(pile))]
        before = time.process_time()
        identities, _ = identify(
            {name: one.answers for name, one in zip(names, pile, strict=True)},
            layout,
            roster,
            said={name: one.said for name, one in zip(names, pile, strict=True)},
        )
        tally["ms"] += round(1000 * (time.process_time() - before))
        for one, found in zip(pile, identities, strict=True):
            settled = found.status is MatchStatus.MATCHED
            # a page of somebody else must be noticed, unless nothing is written on it that could tell
            right = settled and found.number == one.number and one.odd != "exchanged page"
            tally["numberless"] += settled and one.odd == NUMBERLESS
            tally["booklets"] += 1
            tally["right" if right else "wrong" if settled else "flagged"] += 1
            if settled and not right:
                tally[f"wrong: {one.odd or 'as usual'}"] += 1
            if not settled and one.odd == "":
                tally["flagged as usual"] += 1
                tally["first offered"] += bool(found.candidates) and found.candidates[0].number == one.number
                tally["offered"] += any(student.number == one.number for student in found.candidates)
            tally["as usual"] += one.odd == ""
    return tally


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.identity", description=__doc__.split("\n")[0])
    parser.add_argument("--writers", type=int, default=120)
    parser.add_argument("--labels", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=60, help="classes of 1,000 for each kind of form")
    parser.add_argument("--only", help="kinds whose name holds this")
    parser.add_argument("--seed", type=int, default=9_000_001)
    parser.add_argument("--real", action="store_true", help="digits by real people, as far as packages carry some; no grids")
    asked = parser.parse_args()
    seen = seen_of_real_digits(asked.writers) if asked.real else seen_of_people(asked.writers, seed=asked.seed)
    cells = [(digit, cell) for one in seen for digit, some in one.digits.items() for cell in some]
    wrong = sum(int(np.argmax(cell)) != digit for digit, cell in cells)
    sure = [(digit, cell) for digit, cell in cells if max(cell) > 0.999]
    wrong_sure = sum(int(np.argmax(cell)) != digit for digit, cell in sure)
    columns = sum(len(some) for one in seen for some in one.columns.values())
    print(f"{len(seen)} people; {len(cells)} digits by hand, {wrong} taken for something else; {len(sure)} of them surer than")
    print(f"0.999, {wrong_sure} of those wrong; {columns} columns of grids", flush=True)
    stickers = (
        stickers_seen(asked.labels, seed=asked.seed) if not asked.real and (not asked.only or "sticker" in asked.only) else []
    )
    head = (
        "form | booklets | settled | goal | wrong without a flag | at most, in 10,000 (95 %) | foreign page without a number"
    )
    print(f"\n| {head} | flagged: right one first | CPU |")
    print("|---|---|---|---|---|---|---|---|---|")
    for kind in KINDS:
        if (asked.only and asked.only not in kind.name) or (asked.real and (kind.grid or kind.sticker)):
            continue
        tally = measure(kind, asked.rounds, seen, stickers, seed=asked.seed)
        count, wrong = tally["booklets"], tally["wrong"]
        bound = upper_bound(wrong) / count * 10_000
        offered = f"{tally['first offered']} of {tally['flagged as usual']}"
        causes = ", ".join(f"{name.removeprefix('wrong: ')} {n}" for name, n in tally.items() if name.startswith("wrong: "))
        print(
            f"| {kind.name} | {count} | {tally['right'] / count:.2%} | {kind.goal:.0%} | {wrong}{f' ({causes})' if causes else ''} |"
            f" {bound:.2f} | {tally['numberless']} | {offered} | {tally['ms'] / asked.rounds / 1000:.1f} s |",
            flush=True,
        )


def upper_bound(events: int, confidence: float = 0.95) -> float:
    """Largest mean of a Poisson count that is not ruled out by so many events."""
    low, high = float(events), 10.0 + 3 * events

    def below(mean: float) -> float:
        return sum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(events + 1))

    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) > 1 - confidence else (low, middle)
    return high


if __name__ == "__main__":
    main()
