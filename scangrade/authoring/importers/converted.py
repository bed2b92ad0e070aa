"""What every importer gives back, and the few rules that all of them share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from scangrade.authoring.importers.numbers import as_written, exact
from scangrade.errors import FaultsError

#: Tables, lists, texts and numbers of a definition, in the order in which they are to be written.
Data = dict[str, Any]


class ImportFaultsError(FaultsError):
    """A file of another system cannot be imported."""

    so = "Nothing was written."


@dataclass(frozen=True, slots=True)
class Converted:
    """Another system's form in our words."""

    system: str  #: for people
    layout: Data  #: what a layout file holds
    rubric: Data | None  #: what a rubric file holds; None where the system's files say nothing of points
    left_out: tuple[str, ...] = ()  #: what has no counterpart, for people
    to_check: tuple[str, ...] = ()  #: what was assumed, for people


def plain(name: str) -> str:
    """A name that is legal as the id of a field or the value of a box: printable, no slash, no blank at its ends."""
    printable = "".join(character if character.isprintable() else " " for character in name)
    return re.sub(r"\s*/\s*", "-", printable).strip() or "unnamed"


def mm(length: float) -> float:
    """A length as it is written: to a micrometre."""
    return round(length, 3) + 0.0


def short_name(text: str) -> str:
    """A short name for a form or rubric, from a title or the name of a file."""
    return plain(text).lower().replace(" ", "-")


def total_of(questions: Mapping[str, Data]) -> Any:
    """Sum of the questions' points, as a rubric writes numbers."""
    return as_written(sum((exact(one["points"]) for one in questions.values() if not one.get("bonus")), start=exact(0)))


def shown(words: Iterable[str], most: int = 6) -> str:
    """The first of some words, and how many more there are."""
    items = list(words)
    return ", ".join(items[:most]) + (f" and {len(items) - most} more" if len(items) > most else "")
