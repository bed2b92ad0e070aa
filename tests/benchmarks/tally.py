"""What the simulated benchmark counts, and the tables made of it. Counts of batches add up, in any order, to the same."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scangrade.model import Verdict
from tests.benchmarks.bounds import lower_bound, upper_bound
from tests.benchmarks.population import Severity


class Outcome(StrEnum):
    """What became of a box."""

    RIGHT = "right"  #: clear, and decided so
    WRONG = "wrong"  #: clear, decided otherwise, nobody asked: a silent error
    FLAGGED = "flagged"  #: clear, and a person is asked
    ALONG = "flagged along"  #: clear, asked because of another mark of its question that a person should see
    SEEN = "seen"  #: a person should see it, and is asked
    SILENT = "silent"  #: a person should see it, and is not asked
    EITHER = "either"  #: asked, where asking is as good as deciding


CLEAR = (Outcome.RIGHT, Outcome.WRONG, Outcome.FLAGGED, Outcome.ALONG, Outcome.EITHER)
DOUBTFUL = (Outcome.SEEN, Outcome.SILENT)


class BoxCell(NamedTuple):
    """Boxes that are counted together."""

    severity: Severity
    form: str
    persona: str
    scanner: str
    kind: str
    truth: Verdict
    outcome: Outcome


@dataclass(frozen=True, slots=True, eq=False)
class Odd:
    """A box worth a look."""

    rank: tuple[float, ...]  #: least first
    sort: str  #: outcome, kind and verdict: not too many of one sort are kept, so that each is seen
    caption: tuple[str, str]
    line: str
    crop: NDArray[np.uint8]


#: Edges of the machine's stated probabilities.
DECIDED_EDGES = (0.0, 0.9, 0.97, 0.99, 0.997, 0.999, 0.9997, 0.9999, 1.0001)
UNSURE_EDGES = (0.0, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98, 1.0001)
#: A page is registered well where its worst box is this near, in mm.
NEAR_MM = 0.25
#: How many odd boxes are shown, and how many of one sort.
MOST_ODD = 100
MOST_OF_SORT = 8


@dataclass(slots=True)
class Tally:
    """Counts of one batch, or of many."""

    boxes: Counter[BoxCell] = field(default_factory=Counter)
    invisible: int = 0  #: boxes whose mark the scanner lost
    questions: Counter[tuple[Severity, str]] = field(default_factory=Counter)  #: clear ones, "decided" or "flagged"
    numbers: Counter[tuple[Severity, str]] = field(default_factory=Counter)  #: "right", "flagged", "wrong"
    pages: Counter[tuple[Severity, str]] = field(default_factory=Counter)  #: "read", "lost", "misplaced", or why set aside
    #: by severity, "decided" or "unsure", and bin: how many clear boxes, sum of the probabilities, how often it was so
    stated: dict[tuple[Severity, str, int], NDArray[np.float64]] = field(default_factory=dict)
    offsets: dict[Severity, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))  #: worst, median
    far: Counter[tuple[str, str]] = field(default_factory=Counter)  #: kind of mark, and "near" or "far" from its true place
    odd: list[Odd] = field(default_factory=list)
    cpu_s: float = 0.0
    cpu_read_s: float = 0.0

    def state(self, severity: Severity, what: str, probability: float, so: bool) -> None:
        """Count a probability that the machine stated, and whether what it spoke of is so."""
        edges = DECIDED_EDGES if what == "decided" else UNSURE_EDGES
        key = (severity, what, int(np.searchsorted(edges, probability, side="right")) - 1)
        self.stated[key] = self.stated.get(key, np.zeros(3)) + np.array([1.0, probability, so])

    def keep_worst(self) -> None:
        """Forget all but the worst odd boxes, in all and of each sort."""
        of_sort: Counter[str] = Counter()
        kept = []
        for one in sorted(self.odd, key=lambda one: one.rank):
            of_sort[one.sort] += 1
            if of_sort[one.sort] <= MOST_OF_SORT:
                kept.append(one)
        self.odd = kept[:MOST_ODD]

    def add(self, other: Tally) -> None:
        """Add the counts of a batch."""
        self.boxes.update(other.boxes)
        self.invisible += other.invisible
        self.questions.update(other.questions)
        self.numbers.update(other.numbers)
        self.pages.update(other.pages)
        for key, sums in other.stated.items():
            self.stated[key] = self.stated.get(key, np.zeros(3)) + sums
        for severity, values in other.offsets.items():
            self.offsets[severity] += values
        self.far.update(other.far)
        self.odd += other.odd
        self.keep_worst()
        self.cpu_s += other.cpu_s
        self.cpu_read_s += other.cpu_read_s


# --------------------------------------------------------------------------- tables


@dataclass(frozen=True, slots=True)
class Table:
    """A table as text and as data."""

    name: str
    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __str__(self) -> str:
        """Aligned, the first column to the left."""
        every = [self.header, *self.rows]
        widths = [max(len(row[column]) for row in every) for column in range(len(self.header))]
        lines = ["  ".join(_aligned(row, widths)).rstrip() for row in every]
        return "\n".join([self.title, "", lines[0], "-" * (sum(widths) + 2 * len(widths) - 2), *lines[1:]])

    def data(self) -> list[dict[str, str]]:
        """One mapping per row."""
        return [dict(zip(self.header, row, strict=True)) for row in self.rows]


def _aligned(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    for column, (cell, width) in enumerate(zip(row, widths, strict=True)):
        yield cell.ljust(width) if column == 0 else cell.rjust(width)


GROUPS: Mapping[str, tuple[Severity, ...]] = {
    "typical": tuple(one for one in Severity if one.usual),
    "hard": tuple(one for one in Severity if not one.usual),
}


def tables(tally: Tally) -> tuple[Table, ...]:
    """All tables, the one with the targets first."""
    return (
        _targets(tally),
        _by(tally, "kind", "By kind of mark", _kind),
        _by(tally, "kind_and_severity", "By kind of mark and severity", lambda one: f"{_kind(one)}, {one.severity.value}"),
        _by(tally, "severity", "By severity", lambda one: one.severity.value),
        _by(tally, "form", "By form", lambda one: one.form),
        _by(tally, "persona", "By person", lambda one: one.persona),
        _by(tally, "scanner", "By scanner", lambda one: f"{one.severity.value}: {one.scanner}"),
        _pages(tally),
        _reliability(tally),
        _registration(tally),
        _far(tally),
    )


def _kind(cell: BoxCell) -> str:
    return f"{_plain(cell.kind)}: {cell.truth.value}"


def _plain(kind: str) -> str:
    """A kind of mark for tables: what lies over marks of several kinds is counted together."""
    _, under, over = kind.partition("+")
    return f"mark under {over.partition('+')[0]}" if under else kind or "(nothing)"


def _targets(tally: Tally) -> Table:
    rows: list[tuple[str, ...]] = []

    def add(what: str, group: str, errors: int, total: int, target: float) -> None:
        met = "-" if not total else "met" if errors <= target * total else "MISSED"
        bound = upper_bound(errors, total) if total else 1.0
        share = errors / total if total else 0.0
        rows.append((what, group, str(errors), str(total), _share(share), _share(bound), _share(target), met))

    limits = {"typical": (1e-5, 0.003, 0.01, 1 / 50), "hard": (1e-4, 0.02, 1.0, 1 / 20)}
    for group, severities in GROUPS.items():
        silent, needless, of_questions, unseen = limits[group]
        found = Counter[Outcome]()
        for cell, count in tally.boxes.items():
            if cell.severity in severities:
                found[cell.outcome] += count
        clear = sum(found[one] for one in CLEAR)
        add("clear marks decided wrongly, no flag", group, found[Outcome.WRONG], clear, silent)
        add("clear marks flagged needlessly", group, found[Outcome.FLAGGED], clear, needless)
        flagged, decided = (sum(tally.questions[one, what] for one in severities) for what in ("flagged", "decided"))
        if of_questions < 1:
            add("clear questions flagged needlessly", group, flagged, flagged + decided, of_questions)
        doubtful = sum(found[one] for one in DOUBTFUL)
        add("marks a person should see, no flag", group, found[Outcome.SILENT], doubtful, unseen)
        numbers = {what: sum(tally.numbers[one, what] for one in severities) for what in ("right", "flagged", "wrong")}
        add("student numbers wrong, no flag", group, numbers["wrong"], sum(numbers.values()), 0.0)
        pages = Counter[str]()
        for (severity, what), count in tally.pages.items():
            pages[what] += count if severity in severities else 0
        add("pages lost without being named", group, pages["lost"] + pages["misplaced"], pages.total(), 0.0)
    header = ("what", "scans", "seen", "of", "share", "at most (95 %)", "target", "")
    return Table("targets", "Targets", header, tuple(rows))


def _by(tally: Tally, name: str, title: str, label: Callable[[BoxCell], str]) -> Table:
    groups: dict[str, Counter[Outcome]] = defaultdict(Counter)
    for cell, count in tally.boxes.items():
        groups[label(cell)][cell.outcome] += count
    rows = []
    for label_, found in sorted(groups.items()):
        clear, doubtful = sum(found[one] for one in CLEAR), sum(found[one] for one in DOUBTFUL)
        rows.append(
            (
                label_,
                str(clear),
                str(found[Outcome.WRONG]),
                str(found[Outcome.FLAGGED]),
                _share(found[Outcome.FLAGGED] / clear) if clear else "",
                f"{found[Outcome.ALONG]}" + (f" + {found[Outcome.EITHER]}~" if found[Outcome.EITHER] else ""),
                str(doubtful),
                str(found[Outcome.SILENT]),
                _share(found[Outcome.SILENT] / doubtful) if doubtful else "",
            )
        )
    header = ("", "clear", "silently wrong", "flagged", "share", "along", "to be seen", "not seen", "share ")
    return Table(name, title, header, tuple(rows))


def _pages(tally: Tally) -> Table:
    names = sorted({what for _, what in tally.pages}, key=lambda what: (what != "read", what))
    rows = [(one.value, *(str(tally.pages[one, what]) for what in names)) for one in Severity]
    numbers = ("right", "flagged", "wrong")
    rows = [(*row, *(str(tally.numbers[one, what]) for what in numbers)) for row, one in zip(rows, Severity, strict=True)]
    header = ("", *names, *(f"numbers {what}" for what in numbers))
    return Table("pages", "Pages and student numbers", header, tuple(rows))


def _reliability(tally: Tally) -> Table:
    rows = []
    for group, severities in GROUPS.items():
        for what, edges in (("decided", DECIDED_EDGES), ("unsure", UNSURE_EDGES)):
            for bin_, (low, high) in enumerate(pairwise(edges)):
                sums = sum((tally.stated.get((one, what, bin_), np.zeros(3)) for one in severities), start=np.zeros(3))
                count, so = int(sums[0]), round(float(sums[2]))
                if count:
                    bounds = f"{lower_bound(so, count):.5f} to {upper_bound(so, count):.5f}"
                    label = f"{group}, {what}: {low:g} to {min(high, 1):g}"
                    rows.append((label, str(count), f"{sums[1] / count:.5f}", f"{so / count:.5f}", bounds))
    header = ("stated probability", "clear boxes", "stated, mean", "observed", "each bound 95 %")
    title = "Reliability: of the verdict where decided, of being marked where unsure"
    return Table("reliability", title, header, tuple(rows))


def _registration(tally: Tally) -> Table:
    rows = []
    for severity in Severity:
        worst = np.array([one for one, _ in tally.offsets[severity]])
        middle = np.array([one for _, one in tally.offsets[severity]])
        if len(worst):
            near = float((worst <= NEAR_MM).mean())
            figures = (np.median(middle), np.median(worst), np.quantile(worst, 0.99), worst.max())
            rows.append((severity.value, str(len(worst)), f"{near:.2%}", *(f"{one:.3f}" for one in figures)))
    header = ("", "pages", f"worst box within {NEAR_MM} mm", "median box", "worst box: median", "99 of 100", "greatest")
    return Table("registration", "Registration, mm from the true place", header, tuple(rows))


def _far(tally: Tally) -> Table:
    found: Counter[tuple[str, str]] = Counter()
    for (kind, where), count in tally.far.items():
        found[_plain(kind), where] += count
    kinds = sorted({kind for kind, where in found if where == "far"}, key=lambda kind: (-found[kind, "far"], kind))
    rows = tuple((kind, str(found[kind, "far"]), str(found[kind, "far"] + found[kind, "near"])) for kind in kinds)
    return Table("far_boxes", f"Boxes found more than {NEAR_MM} mm from their place", ("", "boxes", "of"), rows)


def _share(value: float) -> str:
    return f"{value:.2%}" if value >= 0.001 else "0" if value == 0 else f"{value * 1e6:.1f} ppm"


def as_json(made: Iterable[Table], about: Mapping[str, Any]) -> dict[str, Any]:
    """The tables as data."""
    return {**about, **{one.name: one.data() for one in made}}
