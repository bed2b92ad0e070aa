"""Which undisputed boxes a person is shown: a sample at random, stratified by verdict, the same for the same seed.

Nine of ten boxes of a form are empty, so a plain sample would hardly hold a mark. Empty boxes therefore make up half of it, and the
bounds (`bounds.py`) give each kind the weight that it has among all boxes.

Boxes are ranked by a hash of the seed and of what names them, and the first ones are taken. So the sample depends on no order
and on no generator that another version of Python might change.
"""

from __future__ import annotations

import hashlib
import heapq
import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import astuple, dataclass
from typing import Final

from scangrade.model import Verdict
from scangrade.settings import AuditSettings

#: The kinds of undisputed boxes, in the order in which they are shown.
KINDS: Final = (Verdict.MARKED, Verdict.UNDONE, Verdict.EMPTY)


@dataclass(frozen=True, slots=True)
class Mark:
    """A box that the machine decided and that nobody is asked about."""

    booklet: str
    page: int  #: of the layout
    scan: str
    scan_page: int
    field: str
    box: str
    verdict: Verdict  #: one of `KINDS`


@dataclass(frozen=True, slots=True)
class Sample:
    """Boxes drawn, in the order in which they are numbered from 1, and what they were drawn from."""

    seed: int
    size: int  #: asked for; fewer are drawn where there are fewer
    marks: tuple[Mark, ...]
    populations: Mapping[Verdict, int]  #: how many boxes of each kind there are

    @property
    def drawn(self) -> Mapping[Verdict, int]:
        """How many boxes of each kind were drawn."""
        return Counter(mark.verdict for mark in self.marks)

    @property
    def digest(self) -> str:
        """Eight hexadecimal digits that tell whether a sample drawn again is the same one."""
        content = [self.seed, self.size, [self.populations[kind] for kind in KINDS], [astuple(mark) for mark in self.marks]]
        return hashlib.sha256(repr(content).encode()).hexdigest()[:8]


def allot(populations: Mapping[Verdict, int], size: int, *, settings: AuditSettings) -> dict[Verdict, int]:
    """How many boxes of each kind a sample of a size holds.

    Parameters
    ----------
    populations : mapping of Verdict to int
        How many boxes there are of each of `KINDS`.
    size : int
        Boxes wanted; all of them are taken where there are not more.
    """
    marked, undone, empty = (populations[kind] for kind in KINDS)
    held = min(marked + undone, size - min(empty, math.floor(size * settings.empty_share)))
    least = math.ceil(held * settings.least_share)
    of_undone = round(held * undone / max(marked + undone, 1))
    of_undone = min(max(of_undone, least), held - least, undone)
    of_undone = max(of_undone, held - marked)
    return {Verdict.MARKED: held - of_undone, Verdict.UNDONE: of_undone, Verdict.EMPTY: min(empty, size - held)}


def draw(marks: Collection[Mark], *, size: int, seed: int, settings: AuditSettings) -> Sample:
    """Draw a sample of undisputed boxes.

    Parameters
    ----------
    marks : collection of Mark
        All of them, in any order.
    size, seed : int
    settings : AuditSettings
        How the sample is divided between kinds.
    """
    counted = Counter(mark.verdict for mark in marks)
    populations = {kind: counted[kind] for kind in KINDS}
    chosen: list[Mark] = []
    for kind, number in allot(populations, size, settings=settings).items():
        chosen += _first(number, (mark for mark in marks if mark.verdict is kind), seed)
    return Sample(seed, size, tuple(chosen), populations)


def _first(number: int, marks: Iterable[Mark], seed: int) -> list[Mark]:
    return heapq.nsmallest(number, marks, key=lambda mark: _rank(mark, seed))


def _rank(mark: Mark, seed: int) -> bytes:
    name = repr((seed, mark.scan, mark.scan_page, mark.field, mark.box))
    return hashlib.sha256(name.encode()).digest()
