"""What witnesses that are not certain by themselves say of whose booklet it is, as likelihoods of every student and of a stranger.

A handwritten number is a witness on every page; a grid with an open column is one; a name is a weak one. Each cell gives a likelihood of
every digit, blunted by what even clear digits are misread; pages by one hand are not independent of each other and weigh less. Against
all students of the roster stands somebody who is not on it, whose number may well be one digit from a number that is.

Weights are natural logarithms of likelihoods against those of a digit drawn by chance.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz

from scangrade.answers.digits import DIGIT_SHARE, NOTHING, OTHER, OTHER_SHARE
from scangrade.answers.grids import EMPTY, OPEN, Grid
from scangrade.answers.handwriting import Written
from scangrade.model import Student
from scangrade.settings import WITNESSES, WitnessSettings

Floats = NDArray[np.float64]

_CODES: Final = NOTHING + 1  # the digits, and nothing


@dataclass(frozen=True, slots=True, eq=False)
class Laid:
    """A roster's numbers in rows of so many places."""

    codes: NDArray[np.intp]  #: (R, places)
    owners: NDArray[np.intp]  #: (R,): places on the roster
    neighbours: NDArray[np.intp]  #: (R,): how many other rows differ in one digit


def _neighbours(codes: NDArray[np.intp]) -> NDArray[np.intp]:
    count = np.zeros(len(codes), dtype=np.intp)
    for place in range(codes.shape[1]):
        digits = codes[:, place] != NOTHING
        masked = codes[digits].copy()
        masked[:, place] = 0
        if len(masked):
            _, group, sizes = np.unique(masked, axis=0, return_inverse=True, return_counts=True)
            count[digits] += sizes[group.ravel()] - 1
    return count


class RosterNumbers:
    """The roster's numbers laid into rows of so many places, each wherever it fits; made once for all booklets."""

    def __init__(self, students: Sequence[Student]) -> None:
        self.students = tuple(students)
        self._laid: dict[int, Laid] = {}

    def laid(self, width: int) -> Laid:
        """Numbers that are longer, or hold more than digits, are not among them."""
        if width not in self._laid:
            rows, owners = [], []
            for owner, student in enumerate(self.students):
                for row in laid_number(student.number, width):
                    rows.append(row)
                    owners.append(owner)
            codes = np.array(rows, dtype=np.intp).reshape(-1, width)
            self._laid[width] = Laid(codes, np.array(owners, dtype=np.intp), _neighbours(codes))
        return self._laid[width]


def laid_number(number: str, width: int) -> list[tuple[int, ...]]:
    """The codes of a number in a row of places, at every offset at which it fits; none where it does not."""
    if not (number.isascii() and number.isdigit()):
        return []
    digits = tuple(map(int, number))
    return [
        (*[NOTHING] * offset, *digits, *[NOTHING] * (width - offset - len(digits)))
        for offset in range(width - len(digits) + 1)
    ]


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What is held against the roster: weights of the codes of every place, by how many places a row has."""

    tables: tuple[Floats, ...]  #: (places, _CODES) each, of different numbers of places

    @property
    def speaks(self) -> bool:
        """Whether there is anything."""
        return bool(self.tables)


def page_weights(written: Written, settings: WitnessSettings = WITNESSES) -> Floats:
    """Weights of the codes of every cell, by one page alone; (cells, _CODES).

    Something that is no digit may stand for any; it is rarer in cells for numbers than among those that the network learned from.
    """
    cells = np.array(written.cells)
    known = (1 - settings.odd) * cells[:, :_CODES] / DIGIT_SHARE + settings.odd * cells[:, OTHER:] / OTHER_SHARE
    known /= known.sum(axis=1, keepdims=True)
    blunted = (1 - settings.gross_error) * known + settings.gross_error / _CODES
    return np.asarray(np.log(blunted * _CODES))


def evidence_of(written: Sequence[Written], grid: Grid | None, settings: WitnessSettings = WITNESSES) -> Evidence:
    """All that the pages of a booklet say; pages on which nothing is written say nothing. A grid alone is no evidence of this kind."""
    told = [one for one in written if not one.blank]
    if not told:
        return Evidence(())
    share = 1 / (1 + (len(told) - 1) * settings.alike)
    tables: dict[int, Floats] = {}
    for one in told:
        width = len(one.cells)
        tables[width] = tables.get(width, np.zeros((width, _CODES))) + share * page_weights(one, settings)
    if grid is not None and grid.inner and not grid.conflict:
        width = len(grid.columns)
        tables[width] = tables.get(width, np.zeros((width, _CODES))) + _grid_weights(grid, settings)
    return Evidence(tuple(tables.values()))


def _grid_weights(grid: Grid, settings: WitnessSettings) -> Floats:
    """A column that is certain says its digit; one that is open or was left empty says nothing."""
    table = np.zeros((len(grid.columns), _CODES))
    for place, code in enumerate(grid.columns):
        if code not in (EMPTY, OPEN):
            table[place] = np.log(settings.grid_error)
            table[place, code] = np.log((1 - settings.grid_error) * _CODES)
    return table


def weigh(evidence: Evidence, numbers: RosterNumbers, settings: WitnessSettings = WITNESSES) -> tuple[Floats, float]:
    """How likely the evidence is for each student, and for somebody who is not on the roster.

    Returns
    -------
    (M,) float array
        In the order of the roster; -inf for a student whose number fits no row.
    float
        For a stranger. Priors are in all of them.
    """
    count = len(numbers.students)
    students = np.zeros(count)
    strangers = np.zeros(3)  # with a number one digit from one of the roster, made like those, any
    for table in evidence.tables:
        laid = numbers.laid(len(table))
        of_rows = table[np.arange(len(table)), laid.codes].sum(axis=1)
        best = np.full(count, -np.inf)
        np.maximum.at(best, laid.owners, of_rows)
        students += best
        strangers += _strangers(table, laid, of_rows)
    prior = np.log((1 - settings.strangers) / max(count, 1))
    return students + prior, float(np.log(settings.strangers / 3) + _log_sum(strangers))


def _strangers(table: Floats, laid: Laid, of_rows: Floats) -> Floats:
    """Logarithms of the likelihood of three kinds of numbers that are not on the roster."""
    codes, places = laid.codes, np.arange(len(table))
    uniform = float(_log_sum(table, axis=1).sum() - len(table) * np.log(_CODES))
    if not len(codes):
        return np.full(3, uniform)
    counts = np.full(table.shape, 0.5)
    for place in places:
        counts[place] += np.bincount(codes[:, place], minlength=_CODES)
    shares = np.log(counts / counts.sum(axis=1, keepdims=True))
    alike = float(_log_sum(table + shares, axis=1).sum())
    # a stranger has none of the numbers that are on the roster
    listed = float(_log_sum(of_rows + shares[places, codes].sum(axis=1)))
    alike += _log_without(min(listed - alike, 0.0))
    listed = float(_log_sum(of_rows)) - len(table) * float(np.log(_CODES))
    uniform += _log_without(min(listed - uniform, 0.0))
    digits = _log_sum(table[:, :NOTHING], axis=1)
    own = table[places, codes]
    # one place with another digit: its likelihood in the place of the right one's
    changed = np.maximum(np.exp(digits[None, :] - own) - 1.0, 1e-12) / (NOTHING - 1)
    changed[codes == NOTHING] = 0.0
    near = float(_log_sum(of_rows + np.log(np.maximum(changed.sum(axis=1), 1e-300))))
    if laid.neighbours.any():  # a number on the roster may be one digit from another
        known = laid.neighbours > 0
        listed = float(_log_sum(of_rows[known] + np.log(laid.neighbours[known] / (NOTHING - 1))))
        near += _log_without(min(listed - near, 0.0))
    near -= float(np.log(len(codes) * len(table)))
    return np.array([near, alike, uniform])


def _log_sum(values: Floats, axis: int | None = None) -> Floats:
    top = values.max(axis=axis, keepdims=True)
    total = top + np.log(np.exp(values - top).sum(axis=axis, keepdims=True))
    return np.asarray(total.squeeze(axis) if axis is not None else total.reshape(()))


def _log_without(share: float) -> float:
    """log(1 - exp(share)), for a share whose logarithm is 0 or less."""
    return float(np.log(max(-np.expm1(share), 1e-12)))


# --------------------------------------------------------------------------- pages against each other


def contradicting_pages(
    written: Sequence[Written], number: str, numbers: RosterNumbers, settings: WitnessSettings = WITNESSES
) -> tuple[Written, ...]:
    """Pages that say by themselves that they are not of the booklet of this number, as where pages of two booklets were exchanged.

    Parameters
    ----------
    written : sequence of Written
    number : str
        The student's, by all witnesses together or by another one.
    numbers : RosterNumbers
    """
    found = []
    for one in written:
        if one.blank:
            continue
        table = page_weights(one, settings)
        places = np.arange(len(table))
        rows = laid_number(number, len(table))
        if not rows:
            continue  # a number that cannot be written there
        laid = numbers.laid(len(table))
        others = np.array([student.number != number for student in numbers.students], dtype=np.bool_)[laid.owners]
        of_rows = table[places, laid.codes].sum(axis=1)
        best = float(of_rows[others].max()) if others.any() else -np.inf
        own = [float(table[places, list(row)].sum()) for row in rows]
        free = min(_free(table, row) - ahead for row, ahead in zip(rows, own, strict=True))
        if best - max(own) >= settings.page_other or free >= settings.page_free:
            found.append(one)
    return tuple(found)


def _free(table: Floats, row: Sequence[int]) -> float:
    """Weight of the likeliest number at all with as many digits: strokes that a scan lost speak for no other one."""
    return float(sum(weights[: NOTHING if code != NOTHING else None].max() for weights, code in zip(table, row, strict=True)))


def fitting(written: Sequence[Written], number: str, settings: WitnessSettings = WITNESSES) -> str:
    """How a number compares to what is written by hand, for people; "" where nothing is written, or it cannot stand there."""
    told = [one for one in written if not one.blank]
    odd: dict[int, set[str]] = defaultdict(set)
    fits = False
    for one in told:
        table = page_weights(one, settings)
        places = np.arange(len(table))
        rows = laid_number(number, len(table))
        if not rows:
            continue
        fits = True
        row = max(rows, key=lambda codes: float(table[places, list(codes)].sum()))
        start = next(place for place, code in enumerate(row) if code != NOTHING)
        for place, code in enumerate(row):
            best = int(np.argmax(one.cells[place]))
            if best != code and one.cells[place][best] > 2 * one.cells[place][code]:
                said = str(best) if best < NOTHING else "nothing" if best == NOTHING else "no digit"
                odd[place - start + 1].add(said)
    if not fits:
        return ""
    if not odd:
        return "every handwritten digit fits"
    listed = [f"digit {place} looks like {' or '.join(sorted(looks))}" for place, looks in sorted(odd.items())]
    return "by hand, " + ", ".join(listed[:3]) + (f" and {len(listed) - 3} more differ" if len(listed) > 3 else "")


# --------------------------------------------------------------------------- names


def name_likeness(read: str, students: Sequence[Student]) -> Floats:
    """How like the words that were read each student's name is, 0 to 100: every part of the name against the word that is most like it.

    Other words, such as the form's own "name", do not count against anybody. All 0 where nothing was read.
    """
    words = [one for one in plain_name(read).split() if len(one) > 1]
    likeness = np.zeros(len(students))
    if not words:
        return likeness
    best: dict[str, float] = {}
    for index, student in enumerate(students):
        parts = [one for one in plain_name(f"{student.last_name} {student.first_name}").split() if len(one) > 1]
        for part in parts:
            if part not in best:
                best[part] = max(fuzz.ratio(part, word) for word in words)
        if parts:
            likeness[index] = sum(len(part) * best[part] for part in parts) / sum(map(len, parts))
    return likeness


def named(read: str, students: Sequence[Student], settings: WitnessSettings = WITNESSES) -> int | None:
    """The place on the roster of the one student whose name is read clearly; None where it is nobody's, or could be several people's."""
    likeness = name_likeness(read, students)
    if not len(likeness):
        return None
    best = int(likeness.argmax())
    second = float(np.partition(likeness, -2)[-2]) if len(likeness) > 1 else 0.0
    clear = likeness[best] >= settings.name_alike and likeness[best] - second >= settings.name_ahead
    return best if clear else None


def without_form_words(names: Mapping[str, str], settings: WitnessSettings = WITNESSES) -> dict[str, str]:
    """Names as read, without words that most of them have: those are the form's own, such as "name"."""
    told = [set(plain_name(one).split()) for one in names.values() if one]
    counts = Counter(word for words in told for word in words)
    often = max(settings.name_least, settings.name_often * len(told))
    own = {word for word, count in counts.items() if count >= often}
    return {
        key: " ".join(word for word in text.split() if not own.issuperset(plain_name(word).split()))
        for key, text in names.items()
    }


def plain_name(text: str) -> str:
    """Letters only, without case and accents, as print and OCR spell them alike."""
    spread = unicodedata.normalize("NFKD", text.casefold().replace("ß", "ss").replace("ł", "l").replace("ø", "o"))
    letters = "".join(one if one.isalpha() else " " for one in spread if not unicodedata.combining(one))
    return " ".join(letters.split())
