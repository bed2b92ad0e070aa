"""File names from names of people: safe everywhere, and never two alike."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scangrade.errors import UsageError
from scangrade.export.names import NameTemplate, name_key, safe_name, unique_name

FIELDS = ("student_number", "last_name", "booklet")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("12345_Müller", "12345_Müller"),
        ("1_Βασιλείου", "1_Βασιλείου"),
        ("1_王小明", "1_王小明"),
        ("1_نیما‌زاده", "1_نیما‌زاده"),  # with a joiner, without which the word falls apart
        ("../../etc/passwd", "etc_passwd"),
        ("..", ""),
        ("a\\b:c*d?e", "a_b_c_d_e"),
        ("\u202eevil\u202c", "evil"),
        ("new\nline\ttab\0nul", "newlinetabnul"),
        ("non\u00a0breaking", "non breaking"),
        (".hidden", "hidden"),
        ("ends. ", "ends"),
        ("1_", "1"),
        ("con", "con_"),
        ("LPT1.x", "LPT1.x_"),
        ("  ", ""),
    ],
)
def test_safe_names(text: str, name: str) -> None:
    assert safe_name(text, most_bytes=120) == name


@given(st.text(max_size=300))
def test_any_text_is_one_part_of_a_path(text: str) -> None:
    name = safe_name(text, most_bytes=120)
    assert len(name.encode()) <= 121
    if name:
        assert Path(name).name == name and (Path("folder") / f"{name}.pdf").parent == Path("folder")
        assert not any(unicodedata.category(one) == "Cc" for one in name)
        assert name[0] not in ". " and name[-1] not in ". "


@given(st.lists(st.text(alphabet="aAäÄ\u0308ßS", min_size=1, max_size=3), max_size=30))
def test_names_are_different_where_case_and_composition_are_not_told_apart(texts: list[str]) -> None:
    taken: set[str] = set()
    for text in texts:
        name = unique_name(safe_name(text, most_bytes=120) or "x", taken, most_bytes=120)
        assert name_key(name) not in taken
        taken.add(name_key(name))


def test_long_names_stay_different_within_the_limit() -> None:
    taken: set[str] = set()
    for _ in range(12):
        name = unique_name(safe_name("ж" * 200, most_bytes=120), taken, most_bytes=120)
        assert len(name.encode()) <= 120
        taken.add(name_key(name))
    assert len(taken) == 12


def test_a_template() -> None:
    template = NameTemplate.parse("{student_number} {last_name}!", FIELDS)
    values = {"student_number": "0123", "last_name": "O'Neil/../x", "booklet": "7"}
    assert template.fill(values, most_bytes=120) == "0123 O'Neil_.._x!"
    assert template.fill(dict.fromkeys(FIELDS, " "), most_bytes=120) == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{student_numbr}", "Did you mean `student_number`"),
        ("{booklet.__class__}", "is no field"),
        ("{booklet!r}", "is no field"),
        ("{booklet:>9}", "is no field"),
        ("{}", "is no field"),
        ("{booklet", "Fields stand in braces"),
        ("all/{booklet}", "has no / or"),
        ("..\\{booklet}", "has no / or"),
        ("same", "all files would be called so"),
    ],
)
def test_no_template(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        NameTemplate.parse(text, FIELDS)
