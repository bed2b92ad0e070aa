"""Holding layout, rubric and roster against each other: each can be right by itself, and all three still not be of one exam."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from scangrade.definitions.faults import listed, shown
from scangrade.errors import Issue, Severity, near_miss
from scangrade.model import Field, FieldKind, Layout, PageCodeKind, Policy, Question, Roster, Rubric, Student

V = TypeVar("V")

_SHOWN = 5  # students that a message names before it says how many more there are
_BY_PEOPLE = (Policy.CREDIT, Policy.OPEN)


def check(layout: Layout, rubric: Rubric, roster: Roster | None) -> tuple[Issue, ...]:
    """Every place where layout, rubric and roster do not fit together; empty where they do.

    Parameters
    ----------
    roster : Roster or None
        None where there is no class list; then nothing is asked of it, unless the versions come from it.
    """
    return (
        *(issue for question in rubric.questions for issue in _question(question, layout, rubric)),
        *_fields_without_question(layout, rubric),
        *_version_field(layout, rubric),
        *_version_code(layout, rubric),
        *_version_print(layout, rubric),
        *_permutations(layout, rubric),
        *_roster_versions(rubric, roster),
        *_number_lengths(layout, roster),
        *_handwritten_numbers(layout, roster),
    )


def _error(where: str, message: str, advice: str = "") -> Issue:
    return Issue(Severity.ERROR, where, message, advice)


def _warning(where: str, message: str, advice: str = "") -> Issue:
    return Issue(Severity.WARNING, where, message, advice)


def _in_rubric(rubric: Rubric, key: str) -> str:
    return f"rubric {rubric.name}, {key}"


def _in_layout(layout: Layout, key: str) -> str:
    return f"layout {layout.name}, {key}"


# --------------------------------------------------------------------------- questions


def _question(question: Question, layout: Layout, rubric: Rubric) -> Iterator[Issue]:
    """The question's fields are there, of the right kind, with the boxes that its key speaks of."""
    where = _in_rubric(rubric, f"questions.{question.id}")
    mine = [field for field in layout.fields if field.question == question.id]
    if question.policy is Policy.OPEN:
        boxed = [field.id for field in mine if field.boxes]
        if boxed:
            yield _warning(
                where, f"the question is open, so nobody looks at the boxes of field {listed(boxed)}.", "Is the policy right?"
            )
        return
    kind = FieldKind.CREDIT if question.policy in _BY_PEOPLE else FieldKind.CHOICE
    fields = [field for field in mine if field.kind is kind]
    if not fields:
        others = [f"{field.id} ({field.kind})" for field in mine]
        known = [field.question for field in layout.fields if field.kind is kind]
        seen = f"it has only {listed(others)}" if others else "it has none"
        yield _error(
            where,
            f"policy {question.policy} needs a {kind} field of the layout for question {shown(question.id)}; {seen}.",
            near_miss(question.id, known),
        )
    elif kind is FieldKind.CREDIT:
        yield from _credit(question, fields, where)
    elif len(fields) > 1:
        names = listed(field.id for field in fields)
        yield _error(where, f"fields {names} all answer it.", "Give each field its own question.")
    else:
        yield from _alternatives(question, fields[0], rubric)


def _alternatives(question: Question, field: Field, rubric: Rubric) -> Iterator[Issue]:
    """Key and points speak of boxes that exist, and points of all of them."""
    where = _in_rubric(rubric, f"questions.{question.id}")
    boxes = [box.value for box in field.boxes]
    for version, keys in _told_once(question.keys).items():
        of = f" of version {version}" if version else ""
        for one in sorted({letter for key in keys for letter in key} - set(boxes)):
            yield _no_box(where, f"the key{of} names", one, field, boxes)
        crowded = [key for key in keys if len(key) > 1]
        if crowded and not field.many:
            letters = listed(sorted(crowded[0]))
            yield _warning(
                where,
                f"the key{of} is {letters}, but field {shown(field.id)} takes one mark only.",
                'Should it have select = "many"?',
            )
    for version, points in _told_once(question.values).items():
        of = f" of version {version}" if version else ""
        for one in [value for value in points if value not in boxes]:
            yield _no_box(where, f"the points{of} name", one, field, boxes)
        lacking = [value for value in boxes if value not in points]
        if lacking and question.policy is not Policy.QTI:  # there a default holds
            yield _error(
                where, f"the points{of} say nothing of alternative {listed(lacking)}.", "Write 0 where a mark earns nothing."
            )
    if question.policy is Policy.SINGLE and question.wrong is None and len(boxes) < 2:
        yield _error(where, f'wrong = "formula" needs two alternatives or more; field {shown(field.id)} has {len(boxes)}.')
    if question.policy is Policy.SINGLE and field.many:
        yield _warning(
            where, f"policy single, but field {shown(field.id)} takes any number of marks.", 'Should it have select = "one"?'
        )


def _told_once(by_version: Mapping[str, V]) -> Mapping[str, V]:
    """What is the same in all versions once, as of no version in particular: most likely it was written once."""
    values = list(by_version.values())
    return {"": values[0]} if len(values) > 1 and all(one == values[0] for one in values) else by_version


def _no_box(where: str, what: str, letter: str, field: Field, boxes: Sequence[str]) -> Issue:
    same = [box for box in boxes if box.casefold() == letter.casefold()]  # a for A: no near miss by spelling
    hint = near_miss(letter, boxes) or (f"Did you mean `{same[0]}`?" if same else "")
    return _error(where, f"{what} {shown(letter)}; field {shown(field.id)} has the boxes {listed(boxes)}.", hint)


def _credit(question: Question, fields: Sequence[Field], where: str) -> Iterator[Issue]:
    """The boxes go as far as the points."""
    for field in fields:
        most = max(int(box.value) for box in field.boxes if box.value.isdigit())
        if most > question.points:
            yield _error(
                where,
                f"the question has {question.points} points, but field {shown(field.id)} goes up to {most}.",
                "Correct one.",
            )
        elif most < question.points:
            yield _warning(
                where,
                f"the question has {question.points} points, but field {shown(field.id)} goes up to {most} only.",
                "Nobody can get full points.",
            )


def _fields_without_question(layout: Layout, rubric: Rubric) -> Iterator[Issue]:
    known = [question.id for question in rubric.questions]
    for kind in (FieldKind.CHOICE, FieldKind.CREDIT, FieldKind.TEXT):
        lost = list(dict.fromkeys(field.question for field in layout.fields if field.kind is kind and field.question))
        lost = [name for name in lost if name not in known]
        if lost:
            many = "s" if len(lost) > 1 else ""
            yield _warning(
                _in_layout(layout, "fields"),
                f"the rubric has no question for the {kind} field{many} of {listed(lost)}, so what is there earns nothing.",
                near_miss(lost[0], [name for name in known if not any(field.question == name for field in layout.fields)]),
            )


# --------------------------------------------------------------------------- versions


def _version_field(layout: Layout, rubric: Rubric) -> Iterator[Issue]:
    fields = [field for field in layout.fields if field.kind is FieldKind.VERSION]
    if rubric.version_from != "mark":
        if fields:
            reason = f'takes the version from "{rubric.version_from}"' if rubric.versions else "has no versions"
            yield _warning(
                _in_layout(layout, f"fields.{fields[0].id}"), f"nobody looks at the version boxes: the rubric {reason}."
            )
        return
    where = _in_rubric(rubric, "version_from")
    if not fields:
        yield _error(
            where,
            "versions come from a mark, but the layout has no version field.",
            'Add one, or use version_from = "roster".',
        )
        return
    boxes = [box.value for box in fields[0].boxes]
    if set(boxes) != set(rubric.versions):
        yield _error(
            where,
            f"the versions are {listed(rubric.versions)}, but the layout's version boxes are {listed(boxes)}.",
            "Make them the same.",
        )


def _version_print(layout: Layout, rubric: Rubric) -> Iterator[Issue]:
    fields = [field for field in layout.fields if field.role == "version"]
    if rubric.version_from != "print":
        if fields:
            yield _warning(
                _in_layout(layout, f"fields.{fields[0].id}"),
                "nobody looks at the printed version: the rubric"
                f" {f'takes it from {rubric.version_from!r}' if rubric.versions else 'has no versions'}.",
                'Set version_from = "print", or take the field out: reading it takes half a second a booklet.',
            )
        return
    where = _in_rubric(rubric, "version_from")
    if not fields:
        yield _error(
            where,
            "versions come from what is printed, but the layout does not say where.",
            'Add a field of kind "text" with role = "version" around it.',
        )
    short = [one for one in rubric.versions if len(one) == 1]
    if short:
        yield _warning(
            where,
            f"{listed(short)} can be misread in print, as one letter for another.",
            "Versions of several letters, such as red and blue, cannot.",
        )


def _version_code(layout: Layout, rubric: Rubric) -> Iterator[Issue]:
    if rubric.version_from != "code":
        return
    code = layout.page_code
    if code is None or code.kind is not PageCodeKind.BARCODE or "{copy}" not in code.content:
        yield _error(
            _in_rubric(rubric, "version_from"),
            "versions come from the page code, but the layout's says no copy.",
            'It needs {copy} in its content, as in "{exam}/{copy}/{page}".',
        )


def _permutations(layout: Layout, rubric: Rubric) -> Iterator[Issue]:
    """Where a version prints a question elsewhere, there are the boxes for it, and each box is one of its alternatives."""
    fields = {one.question: one for one in layout.fields if one.kind in (FieldKind.CHOICE, FieldKind.CREDIT)}
    for version, permutation in rubric.permutations.items():
        for place in dict.fromkeys([*permutation.questions, *permutation.alternatives]):
            meant = permutation.questions.get(place, place)
            where = _in_rubric(rubric, f"permutations.{version}")
            here, own = fields.get(place), fields.get(meant)
            if here is None or own is None:
                if here is not own:
                    bare = place if here is None else meant
                    yield _error(
                        where,
                        f"version {version} prints question {shown(meant)} as {shown(place)}, but {shown(bare)} has no boxes.",
                    )
                continue
            boxes, alternatives = [[box.value for box in one.boxes] for one in (here, own)]
            told = permutation.alternatives.get(place, {box: box for box in boxes})
            if here.kind is not own.kind or sorted(told) != sorted(boxes) or sorted(told.values()) != sorted(alternatives):
                yield _error(
                    where,
                    f"version {version} prints question {shown(meant)} as {shown(place)}, whose boxes are {listed(boxes)}; its alternatives"
                    f" are {listed(alternatives)}, and it is not said which box is which.",
                    "Name every box under alternatives, once on either side.",
                )


def _roster_versions(rubric: Rubric, roster: Roster | None) -> Iterator[Issue]:
    if not rubric.versions or rubric.version_from != "roster":
        return
    where = _in_rubric(rubric, "version_from")
    if roster is None:
        yield _error(where, "versions come from the roster, but there is none.", "Give the class list with --roster.")
        return
    unknown = [student for student in roster.students if student.version and student.version not in rubric.versions]
    for version in dict.fromkeys(student.version for student in unknown):
        who = _who(student for student in unknown if student.version == version)
        hint = near_miss(version, rubric.versions) or f"The versions are {listed(rubric.versions)}."
        yield _error("roster", f"unknown version {shown(version)} of {who}.", hint)
    without = [student for student in roster.students if not student.version]
    if without:
        yield _warning("roster", f"no version is given for {_who(without)}; their booklets will be flagged.")


# --------------------------------------------------------------------------- student numbers


def _number_lengths(layout: Layout, roster: Roster | None) -> Iterator[Issue]:
    """Numbers that cannot be marked in the grid."""
    places = sum(field.kind is FieldKind.DIGIT and field.role == "student_number" for field in layout.fields)
    if roster is None or not places:
        return
    odd = [student for student in roster.students if not (student.number.isdigit() and len(student.number) == places)]
    if odd:
        yield _warning(
            "roster",
            f"the grid of the layout has {places} digits; another form has the number of {_who(odd)}.",
            "Booklets of these students cannot be matched by their grid alone.",
        )


def _handwritten_numbers(layout: Layout, roster: Roster | None) -> Iterator[Issue]:
    """Numbers that cannot be written into the cells; and cells of which nothing can be made without a roster."""
    fields = [field for field in layout.fields if field.kind is FieldKind.HANDWRITTEN and field.role == "student_number"]
    if not fields:
        return
    if roster is None:
        other = any(field.kind in (FieldKind.DIGIT, FieldKind.STICKER) for field in layout.fields)
        if not other:
            yield _warning(
                _in_layout(layout, f"fields.{fields[0].id}"),
                "handwritten numbers are held against the roster, and there is none.",
                "Give the class list with --roster; else a person says of every booklet whose it is.",
            )
        return
    places = max(len(field.cells) for field in fields)
    odd = [one for one in roster.students if not (one.number.isascii() and one.number.isdigit() and len(one.number) <= places)]
    if odd:
        yield _warning(
            "roster",
            f"the layout has {places} cells for a number of digits by hand; another form has the number of {_who(odd)}.",
            "Booklets of these students cannot be matched by what is written there.",
        )


def _who(students: Iterable[Student]) -> str:
    numbers = [student.number for student in students]
    if len(numbers) > _SHOWN:
        return f"{', '.join(numbers[:_SHOWN])} and {len(numbers) - _SHOWN} more"
    return listed(numbers)
