"""Whose booklet it is, by the student number marked in its digit grid, the label pasted on it, and what is written by hand.

A number that is certain by itself counts at once: every column of a grid is certain, or a label's code names exactly one student. For all
others the booklets are held against the whole roster together: each handwritten digit has a probability, each student at most one booklet,
and somebody who is not on the roster may have written any of them; what beats every other way by odds of 10,000 to 1 counts too.
Everything else is a flag that offers who it could be. Nothing is taken for somebody because it is near, and where two witnesses say
something else nothing is decided, since a wrong one gives somebody another person's grade. Flags about identity do not make points
blank: the booklet's points are what they are, whoever wrote it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scangrade.answers.assign import Assigned, Options, assign
from scangrade.answers.grids import OPEN, ROLE, Grid, NearNumber, NearNumbers, fault_of, fits, number_grids, read_grids
from scangrade.answers.handwriting import Written
from scangrade.answers.sticker import as_number, as_words, contradicts, printed_of, word_of
from scangrade.answers.witnesses import (
    Evidence,
    RosterNumbers,
    contradicting_pages,
    evidence_of,
    fitting,
    name_likeness,
    named,
    weigh,
)
from scangrade.model import (
    Answer,
    Booklet,
    Field,
    FieldKind,
    Flag,
    FlagKind,
    Identity,
    Layout,
    MatchStatus,
    PageRead,
    Roster,
    StickerRead,
    Student,
)
from scangrade.settings import IDENTIFY, WITNESSES, IdentifyLimits, WitnessSettings


@dataclass(frozen=True, slots=True)
class Said:
    """What witnesses beside the grid say of one booklet."""

    sticker: StickerRead | None = None  #: None where its page did not come in
    written: tuple[Written, ...] = ()  #: handwritten numbers, by page
    name: str = ""  #: as read; "" where it was not read, or nothing could be


_NOTHING_SAID = Said()

Floats = NDArray[np.float64]


def identify(
    answers: Mapping[str, Sequence[Answer]],
    layout: Layout,
    roster: Roster | None,
    *,
    said: Mapping[str, Said] | None = None,
    limits: IdentifyLimits = IDENTIFY,
    settings: WitnessSettings = WITNESSES,
) -> tuple[tuple[Identity, ...], tuple[Flag, ...]]:
    """Tell whose booklets these are.

    Parameters
    ----------
    answers : mapping of booklet id to sequence of Answer
        A field whose page did not come in has no answer.
    layout : Layout
        Its digit fields with the role "student_number" are read; several grids in a booklet must agree.
    roster : Roster or None
        Without one, handwriting settles nothing.
    said : mapping of booklet id to Said, optional
        What was read on labels and by hand.
    limits : IdentifyLimits
    settings : WitnessSettings

    Returns
    -------
    tuple of Identity
        One per booklet, in the order of `answers`.
    tuple of Flag
        One per booklet that is not certain (`UNKNOWN_STUDENT`) or that claims the same student as another (`DUPLICATE_STUDENT`).

    Notes
    -----
    A number shorter than the grid (columns empty at either end, none between) is matched when the roster has it and no longer number
    that fits the marked columns. Without a roster it is taken as it stands.
    """
    form = _Form.of(layout)
    said = said or {}
    if not form.grids and form.sticker is None and not form.written:
        return _without_grid(answers, layout)
    searches = {len(grid): NearNumbers(roster.students if roster else (), len(grid)) for grid in form.grids}
    numbers = RosterNumbers(roster.students if roster else ())
    cases = []
    for booklet, held in answers.items():
        words = said.get(booklet, _NOTHING_SAID)
        grid = read_grids(held, form.grids)
        found = _by_certain_words(booklet, grid, words, form, searches, limits, roster)
        cases.append(_held_against_handwriting(found, grid, words, form, numbers, settings))
    settled = _together(cases, numbers, settings, limits) if roster is not None and form.written else cases
    told = [_with_name(one, numbers, settings) for one in settled]
    checked, double = claimed_twice([one.identity for one in told], layout)
    return checked, (*(one.flag for one in told if one.flag), *double)


@dataclass(frozen=True, slots=True)
class _Form:
    """Where a form says whose booklet it is."""

    grids: tuple[tuple[Field, ...], ...]
    sticker: Field | None
    written: tuple[Field, ...]  #: rows of cells

    @classmethod
    def of(cls, layout: Layout) -> _Form:
        sticker = next((one for one in layout.fields if one.kind is FieldKind.STICKER), None)
        written = tuple(one for one in layout.fields if one.kind is FieldKind.HANDWRITTEN and one.role == ROLE)
        return cls(number_grids(layout), sticker, written)


@dataclass(frozen=True, slots=True)
class _Case:
    """One booklet on the way: what is known of it by itself."""

    identity: Identity
    flag: Flag | None
    words: Said
    grid: Grid | None
    evidence: Evidence  #: nothing where a witness is certain, or one contradicts another: then all together settle nothing


def _by_certain_words(
    booklet: str,
    grid: Grid | None,
    words: Said,
    form: _Form,
    searches: Mapping[int, NearNumbers],
    limits: IdentifyLimits,
    roster: Roster | None,
) -> tuple[Identity, Flag | None, bool]:
    """One booklet's student by grid and label; and, where they tell none, whether that is because they say too little."""
    flag: Flag | None
    if form.grids:
        identity, flag = _identify_one(booklet, grid, form.grids, searches, limits, listed=roster is not None)
        little = grid is None or (not grid.certain and not grid.conflict)
    else:
        identity, flag, little = Identity(booklet, MatchStatus.UNKNOWN, ""), None, True
    if form.sticker is not None:
        identity, flag = _with_sticker(identity, flag, grid, words.sticker, form.sticker, roster)
        little = little and not (words.sticker and words.sticker.codes)
    if flag is None and identity.status is MatchStatus.UNKNOWN:
        identity, flag = _by_hand_alone(booklet, words, form, roster)
    return identity, flag, little


def _by_hand_alone(booklet: str, words: Said, form: _Form, roster: Roster | None) -> tuple[Identity, Flag]:
    """A form whose number is written by hand only, before all booklets are held against the roster."""
    first = form.written[0]
    told = [one for one in words.written if not one.blank]
    number = _read_by_hand(told)
    pages = {one.page for one in words.written}
    if told:
        detail = f"the number written by hand is read as {_by_pages(told)}."
        detail += "" if roster else " Read it on the page and enter it: without a class list handwriting is not relied on."
    elif not pages:
        detail = f"the page with the student number (page {first.page}) is missing. Find out whose booklet it is by its other pages."
    else:
        detail = (
            f"no number is written on page {', '.join(map(str, sorted(pages)))}. Look at the name and say whose booklet it is."
        )
    page = told[0] if told else None
    place = next((one for one in form.written if page and one.id == page.field), first)
    return Identity(booklet, MatchStatus.UNKNOWN, number), _unknown(booklet, detail, place.page, place.id)


def _held_against_handwriting(
    found: tuple[Identity, Flag | None, bool],
    grid: Grid | None,
    words: Said,
    form: _Form,
    numbers: RosterNumbers,
    settings: WitnessSettings,
) -> _Case:
    """A student by certain words stays only where no handwritten number says something else."""
    identity, flag, little = found
    evidence = evidence_of(words.written, grid, settings) if little and flag is not None else Evidence(())
    if flag is None:
        other = contradicting_pages(words.written, identity.number, numbers, settings)
        if other:
            whose = _person(identity.student) if identity.student else identity.number
            by = "the sticker" if form.sticker is not None and words.sticker and words.sticker.codes else "the grid"
            detail = f"{by} says {whose}, but the number written by hand is read as {_by_pages(other)}. Look at both and say"
            detail += " whose booklet it is."
            written = {one.number() for one in other}
            meant = [one for one in numbers.students if one.number in written]
            candidates = tuple(dict.fromkeys(one for one in (identity.student, *meant) if one is not None))
            unknown = Identity(identity.booklet, MatchStatus.UNKNOWN, identity.number, candidates=candidates)
            return _Case(unknown, _unknown(identity.booklet, detail, other[0].page, other[0].field), words, grid, evidence)
    return _Case(identity, flag, words, grid, evidence)


def _with_name(case: _Case, numbers: RosterNumbers, settings: WitnessSettings) -> _Case:
    """A booklet that waits for a person, with the student first whose name is read on it; a name settles nothing."""
    meant = named(case.words.name, numbers.students, settings) if case.flag and case.words.name else None
    if meant is None or case.flag is None:
        return case
    student = numbers.students[meant]
    candidates = tuple(dict.fromkeys([student, *case.identity.candidates]))
    detail = f"{case.flag.detail} The name is read as {case.words.name!r}: {_person(student)}."
    return replace(case, identity=replace(case.identity, candidates=candidates), flag=replace(case.flag, detail=detail))


# --------------------------------------------------------------------------- all booklets together


def _together(
    cases: Sequence[_Case], numbers: RosterNumbers, settings: WitnessSettings, limits: IdentifyLimits
) -> list[_Case]:
    """Settle booklets by all that witnesses say and by who is left, where that is overwhelming; say of the others who it could be."""
    weights = {index: _weights(one, numbers, settings) for index, one in enumerate(cases) if one.evidence.speaks}
    if not weights:
        return list(cases)
    wanted = {column for one, _ in weights.values() for column in np.flatnonzero(one >= one.max() - settings.reach).tolist()}
    place = {student: column for column, student in enumerate(numbers.students)}
    rows: list[Options] = []
    order: list[int] = []
    again = float(np.log(settings.again))
    for index, case in enumerate(cases):
        if index in weights:
            students, stranger = weights[index]
            best = float(students.max())
            near = np.flatnonzero(np.isfinite(students) & (students >= best - settings.reach)).tolist()
            rows.append(Options({column: float(students[column]) for column in near}, stranger, best + again))
        elif case.identity.student is not None and place[case.identity.student] in wanted:
            # of two booklets that are somebody's by equal right, the certain one is theirs and the other a second one
            rows.append(Options({place[case.identity.student]: 0.0}, -2 * settings.reach, again - 0.1))
        else:
            continue
        order.append(index)
    given = dict(zip(order, assign(rows, enough=3 * settings.enough), strict=True))
    owners = {one.column: index for index, one in given.items() if one.column is not None}
    claimed = set()  # students whom a booklet looks like that was not given to them
    for index, (students, stranger) in weights.items():
        column, best = given[index].column, int(students.argmax())
        instead = stranger if column is None else float(students[column])
        if column != best and students[best] - instead > settings.rival:
            claimed.add(best)
    settled = list(cases)
    for index, (students, stranger) in weights.items():
        settled[index] = _concluded(
            cases[index], given[index], students, stranger, owners, claimed, cases, numbers, settings, limits
        )
    return settled


def _weights(case: _Case, numbers: RosterNumbers, settings: WitnessSettings) -> tuple[Floats, float]:
    """Of all students and of a stranger, a clear name among what is weighed."""
    students, stranger = weigh(case.evidence, numbers, settings)
    meant = named(case.words.name, numbers.students, settings) if case.words.name else None
    if meant is not None:
        students[meant] += settings.name
    return students, stranger


def _concluded(
    case: _Case,
    given: Assigned,
    students: Floats,
    stranger: float,
    owners: Mapping[int, int],
    claimed: AbstractSet[int],
    cases: Sequence[_Case],
    numbers: RosterNumbers,
    settings: WitnessSettings,
    limits: IdentifyLimits,
) -> _Case:
    """One booklet, after all were assigned."""
    booklet, words = case.identity.booklet, case.words
    column, best = given.column, int(students.argmax())
    if column is not None and given.margin >= settings.enough and column not in claimed:
        student = numbers.students[column]
        fault = _against(student, words, numbers, settings)
        if not fault:
            return replace(case, identity=Identity(booklet, MatchStatus.MATCHED, student.number, student), flag=None)
    elif best in owners and column != best:
        fault = f"it looks like {_person(numbers.students[best])}'s, as booklet {cases[owners[best]].identity.booklet} does"
    elif column is not None and column in claimed:
        fault = f"it looks like {_person(numbers.students[column])}'s, as another booklet does"
    elif stranger - students[best] > settings.enough:
        fault = "nobody on the roster has a number like it"
    elif column is None:
        fault = "it may well be somebody's who is not on the roster"
    else:
        fault = "more than one reading is possible"
    likely = np.argsort(-students, kind="stable")[: limits.most_candidates].tolist()
    least = max(students[best], stranger) - settings.reach
    likely = [one for one in likely if np.isfinite(students[one]) and students[one] >= least]
    if column in likely:
        likely.sort(key=lambda one: one != column)
    ranked = [numbers.students[one] for one in likely]
    told = [one for one in words.written if not one.blank]
    detail = f"the number written by hand is read as {_by_pages(told)}: {fault}."
    if case.grid is not None and case.grid.inner:
        detail = f"the grid has {case.grid.number} ({fault_of(case.grid)}); {detail}"
    if words.sticker is not None and words.sticker.printed:
        detail += f" The sticker has the number {' and '.join(words.sticker.printed)} printed on it."
    if ranked:
        detail += f" It could be {'; '.join(f'{_person(one)} ({_reason(one, words)})' for one in ranked)}."
    number = case.identity.number if case.grid is not None and case.grid.inner else _read_by_hand(told)
    candidates = tuple(dict.fromkeys([*ranked, *case.identity.candidates]))
    identity = Identity(booklet, MatchStatus.UNKNOWN, number, candidates=candidates)
    flag = _unknown(booklet, f"{detail} Say whose booklet it is.", told[0].page, told[0].field)
    return replace(case, identity=identity, flag=flag)


def _against(student: Student, words: Said, numbers: RosterNumbers, settings: WitnessSettings) -> str:
    """What a single witness says against a student whom all together name, "" where none does."""
    whose = f"it looks like {_person(student)}'s, but"
    other = contradicting_pages(words.written, student.number, numbers, settings)
    if other:
        return f"{whose} the number on {_pages(other)} is read as {_by_pages(other)}"
    meant = named(words.name, numbers.students, settings) if words.name else None
    if meant is not None and numbers.students[meant] != student:
        return f"{whose} the name is read as {words.name!r}"
    printed = contradicts(words.sticker.printed, student.number, Roster(numbers.students)) if words.sticker else ""
    return f"{whose} the number {printed} is printed on the sticker" if printed else ""


def _reason(student: Student, words: Said) -> str:
    """Why somebody is offered."""
    reasons = [fitting(words.written, student.number)]
    likeness = float(name_likeness(words.name, [student])[0]) if words.name else 0.0
    if likeness >= WITNESSES.name_alike:
        reasons.append(f"the name is read as {words.name!r}")
    return "; ".join(one for one in reasons if one) or "near"


def reasons_of(identity: Identity, words: Said) -> dict[str, str]:
    """Why each candidate of a booklet is one, by student number, for people; empty where nothing is written by hand."""
    if not any(not one.blank for one in words.written) and not words.name:
        return {}
    return {one.number: _reason(one, words) for one in identity.candidates}


def _read_by_hand(told: Sequence[Written]) -> str:
    """The number as most pages have it."""
    read = [one.number() for one in told]
    return max(read, key=lambda one: (read.count(one), -one.count("?")), default="").replace("_", "?")


def _by_pages(told: Sequence[Written]) -> str:
    """What was read, with the pages where it stands if they differ."""
    pages: dict[str, list[int]] = defaultdict(list)
    for one in told:
        pages[one.number()].append(one.page)
    if len(pages) == 1:
        return next(iter(pages))
    return ", ".join(f"{number} on page {', '.join(map(str, held))}" for number, held in pages.items())


def _pages(told: Sequence[Written]) -> str:
    return f"page {', '.join(str(one.page) for one in told)}"


# --------------------------------------------------------------------------- certain words


def _identify_one(
    booklet: str,
    grid: Grid | None,
    grids: Sequence[Sequence[Field]],
    searches: Mapping[int, NearNumbers],
    limits: IdentifyLimits,
    *,
    listed: bool,
) -> tuple[Identity, Flag | None]:
    """One booklet's student, as far as it alone tells."""
    first = grids[0][0]
    if grid is None:
        detail = f"the page with the student number (page {first.page}) is missing. Find out whose booklet it is by its other pages."
        return Identity(booklet, MatchStatus.UNKNOWN, ""), _unknown(booklet, detail, first.page, first.group)
    if grid.certain and not listed:
        return Identity(booklet, MatchStatus.NO_ROSTER, grid.number), None
    search = searches[len(grid.columns)]
    fault = fault_of(grid)
    if not fault:
        exact = search.exact(grid.number)
        longer = search.longer(grid) if grid.short else ()
        if len(exact) == 1 and not longer:
            return Identity(booklet, MatchStatus.MATCHED, grid.number, exact[0]), None
        fault = "longer numbers of the roster fit as well" if exact and longer else "nobody on the roster has it"
        fault = fault if len(exact) < 2 else "several students of the roster have it"
    near = search.near(grid, limits)
    open_fields = [field for field, one in zip(grid.fields, grid.columns, strict=True) if one == OPEN]
    where = open_fields[0].id if len(open_fields) == 1 else first.group
    advice = _offer(near, search) if listed else "Read the number on the page and enter it."
    number = f"student number {grid.number}" if grid.number else "student number"
    identity = Identity(booklet, MatchStatus.UNKNOWN, grid.number, candidates=tuple(one.student for one in near))
    return identity, _unknown(booklet, f"{number}: {fault}. {advice}", grid.fields[0].page, where)


def _with_sticker(
    identity: Identity, flag: Flag | None, grid: Grid | None, sticker: StickerRead | None, place: Field, roster: Roster | None
) -> tuple[Identity, Flag | None]:
    """One booklet's student by its label and what the grid alone tells; a form without a grid brings no flag."""
    booklet = identity.booklet
    read = sticker or StickerRead()
    word = word_of(read, roster)
    by_grid = identity.number if identity.status is not MatchStatus.UNKNOWN else ""
    number = word.number or by_grid
    other = contradicts(read.printed, number, roster) if number else ""
    same = not word.number or (fits(grid, word.number) and by_grid in ("", word.number))
    if same and not word.fault and not other:
        if by_grid:
            return identity, None
        if word.number:
            status = MatchStatus.MATCHED if word.student else MatchStatus.NO_ROSTER
            return Identity(booklet, status, word.number, word.student), None
    code, printed = as_words(read)
    named = [word.student, *word.candidates, identity.student, *printed_of(read.printed, roster), *identity.candidates]
    candidates = tuple(dict.fromkeys(one for one in named if one is not None))
    if not code and not other:
        if flag is not None:
            return replace(identity, candidates=candidates), _also_printed(flag, printed)
        return _unread_sticker(booklet, sticker, printed, candidates, place)
    said = (
        [f"the sticker's code says {code}" + (f", which {word.fault}" if word.fault else _name_of(word.student))]
        if code
        else []
    )
    said += [f"the number printed on it is {printed}"] if printed else []
    if grid is not None and grid.inner:
        said.append(f"the grid has {grid.number}{f' ({grid.conflict})' if grid.conflict else ''}{_name_of(identity.student)}")
    likely = candidates[: IDENTIFY.most_candidates]
    offer = f"It could be {'; '.join(_person(one) for one in likely)}. " if likely else ""
    detail = f"{', '.join(said)}. {offer}Look at the sticker on page {place.page} and say whose booklet it is."
    read_as = word.number or (as_number(read.codes[0].text) if read.codes else "") or identity.number
    unknown = Identity(booklet, MatchStatus.UNKNOWN, read_as, candidates=candidates)
    return unknown, _unknown(booklet, detail, place.page, place.id)


def _also_printed(flag: Flag, printed: str) -> Flag:
    """A grid's flag with the only word of a label whose code could not be read."""
    return replace(flag, detail=f"{flag.detail} The sticker has the number {printed} printed on it.") if printed else flag


def _unread_sticker(
    booklet: str, sticker: StickerRead | None, printed: str, candidates: tuple[Student, ...], place: Field
) -> tuple[Identity, Flag]:
    """A form without a grid, and a label without a code that could be read."""
    if sticker is None:
        detail = f"the sticker on page {place.page} was not read, or the page is missing: say whose booklet it is."
    elif printed:
        whose = f", which is {'; '.join(_person(one) for one in candidates)}" if candidates else ""
        detail = f"the code on the sticker could not be read, only the number printed on it: {printed}{whose}."
        detail += f" Look at the sticker on page {place.page} and say whose booklet it is."
    else:
        detail = f"the sticker could not be read; look at the sticker on page {place.page} and say whose booklet it is."
    number = sticker.printed[0] if sticker and sticker.printed else ""
    return Identity(booklet, MatchStatus.UNKNOWN, number, candidates=candidates), _unknown(
        booklet, detail, place.page, place.id
    )


def _name_of(student: Student | None) -> str:
    name = ", ".join(part for part in (student.last_name, student.first_name) if part) if student else ""
    return f": {name}" if name else ""


def _offer(near: Sequence[NearNumber], search: NearNumbers) -> str:
    if not near:
        return "Nobody on the roster has a number like it. Find out whose booklet it is by the name on it."
    if near[0].distance <= 1 and (len(near) == 1 or near[1].distance > 1):
        return f"Only {_person(near[0].student)} comes near ({search.reason(near[0])}). Confirm it, or say who it is."
    return f"It could be {'; '.join(f'{_person(one.student)} ({search.reason(one)})' for one in near)}. Say who it is."


def _person(student: Student) -> str:
    name = ", ".join(part for part in (student.last_name, student.first_name) if part)
    return f"{student.number} {name}".rstrip()


def _unknown(booklet: str, detail: str, page: int, field: str) -> Flag:
    return Flag(FlagKind.UNKNOWN_STUDENT, detail, booklet, page, field=field)


def claimed_twice(identities: Sequence[Identity], layout: Layout) -> tuple[tuple[Identity, ...], tuple[Flag, ...]]:
    """Booklets whose number another booklet has too: both are flagged, neither is preferred.

    Parameters
    ----------
    identities : sequence of Identity
        Each as its booklet alone tells: none is `DUPLICATE`.
    layout : Layout

    Returns
    -------
    tuple of Identity
        In the same order.
    tuple of Flag
        One of `FlagKind.DUPLICATE_STUDENT` per booklet concerned.
    """
    first = next(iter(number_grids(layout)), (None,))[0]
    first = first or next((one for one in layout.fields if one.kind is FieldKind.STICKER), None)
    page, group = (first.page, first.group or first.id) if first else (0, "")
    stuck = any(one.kind is FieldKind.STICKER for one in layout.fields)
    claims: dict[str, list[str]] = defaultdict(list)
    sure = (MatchStatus.MATCHED, MatchStatus.NO_ROSTER)
    for one in identities:
        if one.status in sure and one.number:
            claims[one.number].append(one.booklet)
    checked, flags = [], []
    for one in identities:
        claimed = claims[one.number] if one.status in sure and one.number else []
        others = [other for other in claimed if other != one.booklet]
        checked.append(replace(one, status=MatchStatus.DUPLICATE) if others else one)
        if others:
            whose = _person(one.student) if one.student else one.number
            detail = (
                f"student number {one.number}: {', '.join(others)} and this booklet are both "
                + (f"{whose}'s by what was read on them." if stuck else f"marked as {whose}'s.")
                + " Look at the names on them and say whose each is."
            )
            flags.append(Flag(FlagKind.DUPLICATE_STUDENT, detail, one.booklet, page, field=group))
    return tuple(checked), tuple(flags)


def _without_grid(answers: Iterable[str], layout: Layout) -> tuple[tuple[Identity, ...], tuple[Flag, ...]]:
    """A form that identifies its student by handwriting, or not at all."""
    where = next((one for one in layout.fields if one.kind is FieldKind.TEXT and one.role in (ROLE, "name")), None)
    detail = "the form has no grid for the student number"
    if where is not None:
        detail += f"; look at the handwriting on page {where.page}"
    page, field = (where.page, where.id) if where else (0, "")
    identities = tuple(Identity(booklet, MatchStatus.UNKNOWN, "") for booklet in answers)
    return identities, tuple(
        _unknown(one.booklet, f"{detail} and say whose booklet it is.", page, field) for one in identities
    )


@dataclass(frozen=True, slots=True)
class Testimony:
    """What one witness says about whose booklet it is, for people."""

    witness: str
    word: str


def words_of_witnesses(
    booklet: Booklet, answers: Sequence[Answer], layout: Layout, roster: Roster | None, said: Said = _NOTHING_SAID
) -> tuple[Testimony, ...]:
    """What grid, label, handwriting, name and page codes say of a booklet, each by itself; one that the form does not have is not named.

    Parameters
    ----------
    booklet : Booklet
    answers : sequence of Answer
    layout : Layout
    roster : Roster or None
    said : Said
    """
    words = []
    form = _Form.of(layout)
    if form.grids:
        grid = read_grids(answers, form.grids)
        word = "its page is missing" if grid is None else grid.conflict or grid.number or "nothing is marked"
        words.append(Testimony("Grid", word + (_whose(grid.number, roster) if grid and grid.certain else "")))
    if form.sticker is not None:
        sticker = said.sticker or StickerRead()
        code, printed = as_words(sticker)
        by_code = word_of(sticker, roster)
        whose = _name_of(by_code.student) or (f", which {by_code.fault}" if by_code.fault else "")
        words.append(Testimony("Sticker's code", f"{code}{whose}" if code else "not read"))
        words.append(Testimony("Printed on the sticker", printed + _whose(printed, roster) if printed else "not read"))
    if form.written:
        told = [one for one in said.written if not one.blank]
        number = _read_by_hand(told)
        clear = len({one.number() for one in told}) == 1 and "?" not in number
        words.append(Testimony("By hand", _by_pages(told) + (_whose(number, roster) if clear else "") if told else "nothing"))
    if said.name:
        meant = named(said.name, roster.students) if roster else None
        whose = f": {_person(roster.students[meant])}" if roster and meant is not None else ""
        words.append(Testimony("Name, as read", said.name + whose))
    copies = sorted({page.result.copy for page in booklet.pages.values() if isinstance(page.result, PageRead)} - {""})
    if copies:
        words.append(Testimony("Page codes", f"copy {', '.join(copies)}"))
    return tuple(words)


def _whose(number: str, roster: Roster | None) -> str:
    """The name of the student with this number, as it follows the number; that there is none, if so."""
    if roster is None:
        return ""
    found = [one for one in roster.students if one.number == number]
    return _name_of(found[0]) if len(found) == 1 else ", which nobody on the roster has" if not found else ""
