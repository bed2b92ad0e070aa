"""File names made from what a person wrote and from what others are called: safe on every system, and never two alike.

A name on a class list may hold anything: slashes, dots at its end, letters of any script, marks that turn the direction of writing. What
would lead out of the folder, or could not be a file's name on Linux, macOS or Windows, is replaced; letters stay as they are.
"""

from __future__ import annotations

import string
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from scangrade.errors import UsageError, near_miss

_FORBIDDEN: Final = frozenset('<>:"/\\|?*')  # on Windows; a slash also elsewhere
_JOINERS: Final = frozenset("\u200c\u200d")  # without these, words of Persian and Indic scripts fall apart
_RESERVED: Final = frozenset(
    {"con", "prn", "aux", "nul", *(f"com{digit}" for digit in "123456789"), *(f"lpt{digit}" for digit in "123456789")}
)
_STRIPPED: Final = " ._-"


@dataclass(frozen=True, slots=True)
class NameTemplate:
    """How files are named, such as ``{student_number}_{last_name}``."""

    text: str
    fields: tuple[str, ...]  #: in order

    @classmethod
    def parse(cls, text: str, known: Collection[str]) -> NameTemplate:
        """Check what a person wrote.

        Parameters
        ----------
        text : str
        known : collection of str
            Fields that may stand in braces.

        Raises
        ------
        UsageError
            If a field is not known, or braces do not fit together, or a path was meant.
        """
        listed = ", ".join(f"{{{one}}}" for one in known)
        try:
            parts = list(string.Formatter().parse(text))
        except ValueError as error:
            raise UsageError(f"name `{text}`: {error}. Fields stand in braces: {listed}.") from error
        fields = []
        for literal, field, form, conversion in parts:
            if not frozenset("/\\").isdisjoint(literal):
                raise UsageError(f"name `{text}`: a file's name has no / or \\. Choose the folder with `--out`.")
            if field is None:
                continue
            if field not in known or form or conversion:
                raise UsageError(f"name `{text}`: `{field}` is no field. {near_miss(field, known) or f'There are {listed}.'}")
            fields.append(field)
        if not fields:
            raise UsageError(f"name `{text}`: all files would be called so. Put fields in it: {listed}.")
        return cls(text, tuple(fields))

    def fill(self, values: Mapping[str, str], *, most_bytes: int) -> str:
        """A safe file name without its ending; "" where every field is empty."""
        if not any(values[one].strip() for one in self.fields):
            return ""
        return safe_name(self.text.format_map({one: values[one] for one in self.fields}), most_bytes=most_bytes)


def safe_name(text: str, *, most_bytes: int) -> str:
    """Text as a file's name without its ending: one part of a path, in letters of any script; "" where nothing is left.

    Examples
    --------
    >>> safe_name("../../etc/passwd", most_bytes=120), safe_name("O'Neil, Zoe.", most_bytes=120), safe_name("CON", most_bytes=120)
    ('etc_passwd', "O'Neil, Zoe", 'CON_')
    """
    kept = []
    for letter in unicodedata.normalize("NFC", text):
        category = unicodedata.category(letter)
        if letter in _FORBIDDEN:
            kept.append("_")
        elif category.startswith("Z"):
            kept.append(" ")
        elif not category.startswith("C") or letter in _JOINERS:
            kept.append(letter)
    name = _shortened("".join(kept).strip(_STRIPPED), most_bytes).rstrip(_STRIPPED)
    return f"{name}_" if name.partition(".")[0].casefold() in _RESERVED else name


def unique_name(name: str, taken: Collection[str], *, most_bytes: int) -> str:
    """A name, or the name with a number after it, that is none of those taken, which `name_key` made."""
    number, tried = 1, name
    while name_key(tried) in taken:
        number += 1
        tried = f"{_shortened(name, most_bytes - 6)}_{number}"
    return tried


def name_key(name: str) -> str:
    """What file systems hold alike that take upper and lower case, or composed and decomposed letters, for the same."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", name).casefold())


def _shortened(text: str, most_bytes: int) -> str:
    return text.encode("utf-8", errors="ignore")[:most_bytes].decode("utf-8", errors="ignore")
