"""Layouts: every fault is reported with its line, and compact grids expand to the boxes that one would measure on the form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scangrade.definitions.layout import layout_schema, load_layout
from scangrade.definitions.source import Source, read_source
from scangrade.errors import Issue, Severity
from scangrade.model import Convention, Field, FieldKind, Layout, PageCodeKind, Shape

HEAD = """
format = 1
name = "midterm"
convention = "cross"
pages = 2
[box]
size = 4.0
[page_code]
kind = "barcode"
region = [170, 8, 20, 20]
content = "{exam}/{copy}/{page}"
[[fiducials]]
kind = "square"
size = 5
at = [[12, 12], [198, 12], [12, 285], [198, 285]]
"""

CHOICE = """
[[fields]]
id = "1a"
kind = "choice"
page = 2
select = "many"
values = "ABCD"
origin = [30, 60]
step = [0, 8]
"""


def write(tmp_path: Path, text: str, name: str = "form.toml") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def loaded(tmp_path: Path, text: str) -> Layout:
    layout, issues = load_layout(write(tmp_path, text))
    assert issues == ()
    assert layout is not None
    return layout


def faults(tmp_path: Path, text: str) -> list[str]:
    """Issues of a layout that must not load, without the folder."""
    layout, issues = load_layout(write(tmp_path, text))
    assert layout is None
    assert any(issue.severity is Severity.ERROR for issue in issues)
    return [str(issue).removeprefix(f"{tmp_path}/") for issue in issues]


def the_fault(tmp_path: Path, text: str) -> str:
    """The only issue of a layout that must not load."""
    (fault,) = faults(tmp_path, text)
    return fault


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def centres(field: Field) -> list[tuple[str, float, float]]:
    return [(box.value, round(box.x_mm, 6), round(box.y_mm, 6)) for box in field.boxes]


# --------------------------------------------------------------------------- what a layout becomes


def test_a_choice_field_has_its_boxes_down_the_page(tmp_path: Path) -> None:
    layout = loaded(tmp_path, HEAD + CHOICE)
    assert (layout.name, layout.convention, len(layout.pages)) == ("midterm", Convention.CROSS, 2)
    field = layout.field("1a")
    assert (field.kind, field.page, field.question, field.many) == (FieldKind.CHOICE, 2, "1a", True)
    assert centres(field) == [("A", 30, 60), ("B", 30, 68), ("C", 30, 76), ("D", 30, 84)]
    assert {(box.width_mm, box.height_mm, box.frame_mm, box.shape, box.printed) for box in field.boxes} == {
        (4.0, 4.0, 0.3, Shape.SQUARE, "")
    }
    assert layout.page_code is not None
    assert (layout.page_code.kind, layout.page_code.exam) == (PageCodeKind.BARCODE, "midterm")


def test_alike_fields_and_gaps(tmp_path: Path) -> None:
    text = """
[[fields]]
ids = ["1", "2", "3"]
kind = "choice"
page = 1
select = "one"
values = ["a", "b", "c"]
origin = [25, 60]
step = [8, 0]
gap = { every = 2, add = [1, 0] }
field_step = [0, 7]
field_gap = { every = 2, add = [0, 3] }
printed = true
"""
    layout = loaded(tmp_path, HEAD + text)
    assert centres(layout.field("1")) == [("a", 25, 60), ("b", 33, 60), ("c", 42, 60)]
    assert centres(layout.field("2"))[0] == ("a", 25, 67)
    assert centres(layout.field("3"))[0] == ("a", 25, 77)
    assert [box.printed for box in layout.field("3").boxes] == ["a", "b", "c"]
    assert layout.field("2").question == "2"


def test_digits_expand_to_a_field_per_column(tmp_path: Path) -> None:
    text = """
[[fields]]
id = "student_number"
kind = "digits"
role = "student_number"
page = 1
places = 3
values = "1234567890"
origin = [120, 80]
step = [0, 6]
place_step = [8, 0]
"""
    layout = loaded(tmp_path, HEAD + text)
    assert [field.id for field in layout.fields] == ["student_number.1", "student_number.2", "student_number.3"]
    last = layout.fields[2]
    assert (last.kind, last.group, last.place, last.role) == (FieldKind.DIGIT, "student_number", 3, "student_number")
    assert centres(last)[0] == ("1", 136, 80)
    assert centres(last)[9] == ("0", 136, 134)


def test_digits_box_by_box(tmp_path: Path) -> None:
    text = """
[[fields]]
id = "n"
kind = "digits"
page = 1
boxes = [{ value = "0", at = [30, 60], place = 1 }, { value = "1", at = [30, 70], place = 1 }, { value = "0", at = [40, 60], place = 2 }]
"""
    layout = loaded(tmp_path, HEAD + text)
    assert [(field.id, centres(field)) for field in layout.fields] == [
        ("n.1", [("0", 30, 60), ("1", 30, 70)]),
        ("n.2", [("0", 40, 60)]),
    ]


def test_credit_columns_with_halves_and_two_corrections(tmp_path: Path) -> None:
    text = """
[[fields]]
id = "2.1"
kind = "credit"
page = 1
max = 2
halves = true
origin = [20, 60]
step = [0, 7]
half_offset = [6, 3]
corrections = 2
correction_step = [13, 0]
"""
    layout = loaded(tmp_path, HEAD + text)
    first, second = layout.fields
    assert (first.id, first.question, first.correction) == ("2.1/1", "2.1", 1)
    assert (second.id, second.question, second.correction) == ("2.1/2", "2.1", 2)
    assert centres(first) == [("0", 20, 60), ("0H", 26, 63), ("1", 20, 67), ("1H", 26, 70), ("2", 20, 74)]
    assert centres(second)[1] == ("0H", 39, 63)
    assert [box.printed for box in first.boxes] == ["", "H", "", "H", ""]


def test_one_correction_keeps_the_plain_id(tmp_path: Path) -> None:
    text = '[[fields]]\nid = "3a"\nkind = "credit"\npage = 1\nmax = 1\norigin = [20, 60]\nstep = [0, 7]\nprinted = true\n'
    (field,) = loaded(tmp_path, HEAD + text).fields
    assert (field.id, [box.printed for box in field.boxes]) == ("3a", ["0", "1"])


def test_regions_and_roles(tmp_path: Path) -> None:
    text = """
[[fields]]
ids = ["2a", "2b"]
kind = "text"
role = "answer"
page = 1
region = [20, 60, 100, 30]
field_step = [0, 50]
[[fields]]
id = "name"
kind = "text"
role = "name"
page = 1
region = [20, 30, 100, 10]
[[fields]]
id = "sticker"
kind = "sticker"
page = 2
region = [20, 30, 60, 30]
"""
    layout = loaded(tmp_path, HEAD + text)
    second = layout.field("2b")
    assert second.region is not None
    assert (second.question, second.region.y_mm, second.region.height_mm) == ("2b", 110, 30)
    assert (layout.field("name").question, layout.field("name").role) == ("", "name")
    assert layout.field("sticker").kind is FieldKind.STICKER


def test_bits_and_their_patterns(tmp_path: Path) -> None:
    code = '[page_code]\nkind = "bits"\nbits = [[60, 10], [66, 10]]\nsize = 3\npatterns = { 1 = "01", 2 = "10" }\n'
    layout = loaded(tmp_path, HEAD.replace(HEAD[HEAD.index("[page_code]") : HEAD.index("[[fiducials]]")], code) + CHOICE)
    assert layout.page_code is not None
    assert [(bit.x_mm, bit.width_mm) for bit in layout.page_code.bits] == [(60, 3), (66, 3)]
    assert layout.page_code.patterns == {1: "01", 2: "10"}


def test_page_of_another_size_and_fiducials_of_some_pages(tmp_path: Path) -> None:
    text = HEAD.replace("[box]", "[page_sizes]\n2 = [297, 210]\n[box]").replace("at = [[12, 12], [198, 12], [12, 285], [198, 285]]", """
at = [[12, 12], [198, 12], [12, 285]]
pages = [1]
[[fiducials]]
kind = "corner"
size = 8
line = 1
at = [[10, 10, 0], [287, 10, 90], [287, 200, 180]]
pages = [2]""")  # fmt: skip
    layout = loaded(tmp_path, text + CHOICE)
    assert (layout.page(2).width_mm, layout.page(2).height_mm) == (297, 210)
    assert [mark.turn_deg for mark in layout.page(2).fiducials] == [0, 90, 180]
    assert len(layout.page(1).fiducials) == 3


def test_neighbours_may_share_a_frame(tmp_path: Path) -> None:
    assert loaded(tmp_path, HEAD + CHOICE.replace("step = [0, 8]", "step = [0, 4.3]")).field("1a").boxes


def test_json_and_toml_mean_the_same(tmp_path: Path) -> None:
    source = read_source(write(tmp_path, HEAD + CHOICE))
    assert isinstance(source, Source)
    as_json = write(tmp_path, json.dumps(source.data, default=float, indent=1), "form.json")
    assert load_layout(as_json) == load_layout(tmp_path / "form.toml")


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "form.toml"
    path.write_text(HEAD + CHOICE, encoding="utf-8-sig")
    assert load_layout(path)[1] == ()


# --------------------------------------------------------------------------- faults, one each


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('select = "many"', 'slect = "many"', "fields.1a.slect: unknown key `slect`. Did you mean `select`?"),
        ('select = "many"', "", "`select` is missing. Add it: Whether one alternative"),
        ('select = "many"', 'select = "mnay"', '`select` is "mnay"; it must be "one" or "many". Did you mean `many`?'),
        ('kind = "choice"', 'kind = "choise"', '`kind` is "choise"; it must be'),
        ('kind = "choice"', "", "`kind` is missing. Add it:"),
        ('"cross"', '"crss"', '`convention` is "crss"; it must be "fill-wins", "cross", "any" or "fill". Did you mean `cross`?'),
        ("pages = 2", "pages = 2.5", "pages: `pages` is 2.5; it must be a whole number."),
        ("pages = 2", "pages = 0", "pages: `pages` is 0; it must be at least 1."),
        ("format = 1", "format = 2", "format: `format` is 2; it must be 1."),
        ("page = 2", "page = 3", "there is no page 3; the booklet has pages 1 to 2."),
        ("page = 2", 'page = "2"', '`page` is "2"; it must be a whole number.'),
        ("origin = [30, 60]", "origin = [30]", "fields.1a.origin: [30] has too few entries."),
        ("origin = [30, 60]", "origin = [30, 60, 1]", "`origin` has 3 entries; it may have at most 2."),
        ("origin = [30, 60]", 'origin = [30, "x"]', 'fields.1a.origin[2]: the entry is "x"; it must be a number.'),
        ("origin = [30, 60]", "origin = [30, inf]", "it must be a finite number."),
        ("origin = [30, 60]", "", "`origin` is missing."),
        ("step = [0, 8]", "", "`step` is missing."),
        ("step = [0, 8]", "step = [0, 3]", 'box "B" at (30, 63) of field "1a" overlaps box "A" at (30, 60) (3 such pairs).'),
        ("origin = [30, 60]", "origin = [1, 60]", 'box "A" at (1, 60), and 3 more of field "1a": not on page 2, which is 210 x 297 mm.'),
        ("origin = [30, 60]", "origin = [12, 277]", "field \"1a\" lies on the square at (12, 285)."),
        ('values = "ABCD"', 'values = "ABCA"', 'the value "A" is there 2 times.'),
        ('values = "ABCD"', 'values = ["A/B", "C"]', "it must not be empty, hold a slash"),
        ('values = "ABCD"', "", "`values` is missing."),
        ("step = [0, 8]", "step = [0, 8]\nprinted = [\"A\"]", "`printed` has 1 texts for 4 boxes."),
        ("step = [0, 8]", "step = [0, 8]\nprinted = 3", "`printed` is 3; it must be true, false or a list of texts."),
        ("step = [0, 8]", 'step = [0, 8]\nboxes = [{ value = "A", at = [1, 2] }]', "has no meaning beside `boxes`."),
        ("step = [0, 8]", "step = [0, 8]\nfield_step = [1, 2]", "`field_step` has no meaning without `ids`."),
        ('id = "1a"', 'ids = ["1a", "1b"]', "`field_step` is missing."),
        ("size = 4.0", "size = 0", "size[1]: the entry is 0; it must be more than 0."),
        ("size = 4.0", "", "the boxes have no `size`. Give it here, or for all boxes in [box]."),
        ("{page}", "{pge}", "unknown placeholder {pge}. Did you mean `page`?"),
        ("/{page}", "", "does not tell the 2 pages of the booklet apart. Add {page} to it."),
        ("/{page}", "{page}", "{copy} and {page} stand side by side"),
        ("{page}", "{page}/{page}", "{page} is there 2 times"),
        ("{page}", "{page}}", "has a brace without its partner."),
        ("region = [170, 8, 20, 20]", "region = [170, 8, 50, 20]", "the page code's region is not on page 1"),
        ('kind = "square"', 'kind = "ring"', "`line` is missing: a ring is drawn with a stroke."),
        ("size = 5", "size = 5\nline = 1", "a square is filled and has no `line`."),
        ('kind = "square"\nsize = 5', 'kind = "corner"\nsize = 5\nline = 1', "does not say how the corner is turned."),
        ("[12, 12],", "[1, 12],", "the square at (1, 12) is not on page 1"),
        ("size = 5", "size = 5\npages = [1, 2, 9]", "fiducials[1].pages: there is no page 9; the booklet has pages 1 to 2."),
        ("[box]", "[page_sizes]\n7 = [100, 100]\n[box]", 'there is no page "7"; the booklet has pages 1 to 2.'),
        ("pages = 2", 'pages = 2\nreference = "blank.pdf"', "there is no file"),
        ('name = "midterm"', "", "name: `name` is missing. Add it: Short name of the form"),
    ],
)  # fmt: skip
def test_a_fault_is_named(tmp_path: Path, old: str, new: str, expected: str) -> None:
    text = HEAD + CHOICE
    assert old in text
    found = faults(tmp_path, text.replace(old, new, 1))
    assert any(expected in fault for fault in found), found


def test_a_fault_says_its_line(tmp_path: Path) -> None:
    text = HEAD + CHOICE.replace("origin", "orign")
    first, second = faults(tmp_path, text), line_of(text, "orign")
    assert first[0] == f"form.toml:{second}, fields.1a.orign: unknown key `orign`. Did you mean `origin`?"


def test_all_faults_are_reported_at_once_those_of_shape_and_those_of_meaning(tmp_path: Path) -> None:
    text = (HEAD + CHOICE).replace('"cross"', '"crss"') + CHOICE.replace("[30, 60]", "[60, 62]")
    text += CHOICE.replace('"1a"', '"1b"').replace("page = 2", "page = 0")
    text += CHOICE.replace('"1a"', '"1c"').replace("ABCD", "ABCC").replace("[30, 60]", "[60, 60]")
    found = faults(tmp_path, text)
    assert len(found) == 5, found
    for part in ('"crss"', "`1a` is already taken by", "`page` is 0", '"C" is there 2 times', "overlaps"):
        assert sum(part in fault for fault in found) == 1, part


def test_ids_used_twice_name_both_places(tmp_path: Path) -> None:
    text = HEAD + CHOICE + CHOICE.replace("[30, 60]", "[60, 60]")
    assert f"is already taken by {tmp_path}/form.toml:{line_of(text, '[[fields]]')}, fields.1a." in the_fault(tmp_path, text)


def test_boxes_of_two_fields_on_each_other(tmp_path: Path) -> None:
    text = HEAD + CHOICE + CHOICE.replace('"1a"', '"1b"').replace("[30, 60]", "[32, 66]")
    fault = the_fault(tmp_path, text)
    assert 'box "A" at (32, 66) of field "1b" overlaps box "B" at (30, 68) of field "1a" (3 such pairs)' in fault


def test_bit_patterns(tmp_path: Path) -> None:
    code = '[page_code]\nkind = "bits"\nbits = [[60, 10], [66, 10]]\nsize = 3\npatterns = { 1 = "011", 3 = "10", 2 = "0x" }\n'
    text = HEAD.replace(HEAD[HEAD.index("[page_code]") : HEAD.index("[[fiducials]]")], code) + CHOICE
    found = faults(tmp_path, text)
    for part in ('"011" is 3 long, but there are 2 bits.', 'there is no page "3"', '"0x" may hold 0 and 1 only.'):
        assert any(part in fault for fault in found), part
    same = text.replace('1 = "011", 3 = "10", 2 = "0x"', '1 = "01", 2 = "01"')
    assert "page 2 has the same pattern as page 1." in the_fault(tmp_path, same)
    lacking = text.replace('1 = "011", 3 = "10", 2 = "0x"', '1 = "01"')
    assert "there is no pattern for page 2." in the_fault(tmp_path, lacking)


def test_credit_boxes_that_lack_a_number(tmp_path: Path) -> None:
    text = '[[fields]]\nid = "2"\nkind = "credit"\npage = 1\nmax = 1\nhalves = true\n' + (
        'boxes = [{ value = "0", at = [20, 60] }, { value = "1", at = [20, 70] }]\n'
    )
    assert "correction 1 has the boxes 0 and 1; it needs 0, 0H and 1." in the_fault(tmp_path, HEAD + text)


@pytest.mark.parametrize(("key", "kind"), [("places", "digits"), ("max", "credit")])
def test_a_size_that_no_page_can_hold_is_refused_before_it_is_expanded(tmp_path: Path, key: str, kind: str) -> None:
    text = f'[[fields]]\nid = "n"\nkind = "{kind}"\npage = 1\n{key} = 1000000000000\norigin = [20, 60]\nstep = [0, 7]\n'
    assert f"`{key}` is 1000000000000; it must be at most 99." in the_fault(tmp_path, HEAD + text)


# --------------------------------------------------------------------------- warnings


def warnings(tmp_path: Path, text: str) -> list[str]:
    layout, issues = load_layout(write(tmp_path, text))
    assert layout is not None
    assert all(issue.severity is Severity.WARNING for issue in issues)
    return [str(issue) for issue in issues]


def test_too_few_fiducials_are_a_warning_unless_there_is_a_reference(tmp_path: Path) -> None:
    text = HEAD.replace("[[12, 12], [198, 12], [12, 285], [198, 285]]", "[[12, 12], [198, 12]]") + CHOICE
    (warning,) = warnings(tmp_path, text)
    assert "pages 1 and 2: 2 fiducials; 3 are needed to place a page." in warning
    (tmp_path / "blank.pdf").write_bytes(b"%PDF")
    layout, issues = load_layout(write(tmp_path, text.replace("pages = 2", 'pages = 2\nreference = "blank.pdf"')))
    assert issues == ()
    assert layout is not None
    assert layout.reference == tmp_path / "blank.pdf"


def test_fiducials_on_one_line(tmp_path: Path) -> None:
    text = HEAD.replace("[[12, 12], [198, 12], [12, 285], [198, 285]]", "[[12, 12], [100, 13], [198, 12]]") + CHOICE
    (warning,) = warnings(tmp_path, text)
    assert "the fiducials lie (almost) on one line." in warning


def test_pages_that_nothing_tells_apart(tmp_path: Path) -> None:
    text = HEAD.replace(HEAD[HEAD.index("[page_code]") : HEAD.index("[[fiducials]]")], "") + CHOICE
    (warning,) = warnings(tmp_path, text)
    assert "nothing on a page says which one it is" in warning


def test_a_page_code_over_boxes(tmp_path: Path) -> None:
    (warning,) = warnings(tmp_path, HEAD.replace("[170, 8, 20, 20]", "[20, 50, 20, 20]") + CHOICE)
    assert "the page code's region on page 2 covers boxes of 1a." in warning


# --------------------------------------------------------------------------- files that are no layout at all


@pytest.mark.parametrize(
    ("content", "line", "expected"),
    [
        (b'name = "x\nformat = 1\n', 1, "is not valid TOML at column"),
        (b"a = 1\nb = 2\na = 3\n", 3, "is not valid TOML"),
        (b'format = 1\nname = "M\xfcnchen"\n', 2, "is not UTF-8 text (byte 0xfc). Save the file with the encoding UTF-8."),
    ],
)
def test_text_that_cannot_be_read(tmp_path: Path, content: bytes, line: int, expected: str) -> None:
    path = tmp_path / "form.toml"
    path.write_bytes(content)
    layout, (issue,) = load_layout(path)
    assert layout is None
    assert issue.where == f"{path}:{line}"
    assert expected in str(issue)


def test_json_faults(tmp_path: Path) -> None:
    for text, expected in [
        ('{\n "format": 1,\n}', "form.json:3: is not valid JSON"),
        ('{"pages": 1, "pages": 2}', "the key `pages` is given twice"),
        ("[1]", "the file must hold one object"),
        ("[" * 100_000, "nested too deep"),
    ]:
        layout, (issue,) = load_layout(write(tmp_path, text, "form.json"))
        assert layout is None
        assert expected in str(issue)


def test_a_missing_file(tmp_path: Path) -> None:
    layout, (issue,) = load_layout(tmp_path / "nowhere.toml")
    assert layout is None
    assert "cannot be read: No such file or directory." in str(issue)


# --------------------------------------------------------------------------- lines


def test_lines_of_all_ways_to_write_a_key(tmp_path: Path) -> None:
    text = '''# a = 0
a = """
x = 1
""" # comment
"b.c".d = 'y # = ['
[e]
f = [ # first
  1,
  { g = 2, h = [3,
    4] },
]
[[i]]
j = 1
[[i]]
j = 2
[i.k]
l = 1979-05-27 07:32:00
[[i.m]]
n = """a"\\""""
[[i.m]]
n = """b"""
'''
    source = read_source(write(tmp_path, text))
    assert isinstance(source, Source)
    lines = source.lines
    expected: dict[tuple[str | int, ...], int] = {
        ("a",): 2, ("b.c", "d"): 5, ("e",): 6, ("e", "f"): 7, ("e", "f", 0): 8, ("e", "f", 1, "h"): 9, ("e", "f", 1, "h", 1): 10,
        ("i", 0, "j"): 13, ("i", 1, "j"): 15, ("i", 1, "k", "l"): 17, ("i", 1, "m", 0, "n"): 19, ("i", 1, "m", 1, "n"): 21,
    }  # fmt: skip
    assert {keys: lines[keys] for keys in expected} == expected


values = st.recursive(
    st.integers() | st.text(max_size=8) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


def paths(node: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    below = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path] + [one for key, child in below for one in paths(child, (*path, key))]


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.text(max_size=5), values, max_size=3))
def test_every_key_of_a_json_file_has_its_line(tmp_path_factory: pytest.TempPathFactory, data: dict[str, Any]) -> None:
    path = tmp_path_factory.mktemp("json") / "form.json"
    text = json.dumps(data, indent=1)
    path.write_text(text, encoding="utf-8")
    source = read_source(path)
    assert isinstance(source, Source)
    known = text.split("\n")
    for keys in paths(data)[1:]:
        if isinstance(keys[-1], str):
            assert known[source.lines[keys] - 1].lstrip().startswith(json.dumps(keys[-1]) + ":")
        else:
            assert keys in source.lines


# --------------------------------------------------------------------------- what comes with the project

LAYOUTS = sorted((Path(__file__).parents[1] / "layouts").glob("*.toml"))


@pytest.mark.parametrize("path", LAYOUTS, ids=lambda path: path.stem)
def test_a_layout_of_ours_has_no_fault(path: Path) -> None:
    layout, issues = load_layout(path)
    assert [str(issue) for issue in issues] == []
    assert layout is not None
    assert layout.name == path.stem
    source = read_source(path)
    assert not isinstance(source, Issue)
    for keys in paths(source.data)[1:]:
        if isinstance(keys[-1], str):
            assert keys[-1] in path.read_text(encoding="utf-8").split("\n")[source.lines[keys] - 1]


@pytest.mark.parametrize("path", [path for path in LAYOUTS if path.stem != "nops"], ids=lambda path: path.stem)
def test_boxes_of_our_forms_stay_clear_of_the_edges(path: Path) -> None:
    layout, _ = load_layout(path)
    assert layout is not None
    for page in layout.pages:
        for box in layout.boxes(page.number):
            assert box.x_mm - box.width_mm / 2 >= 12
            assert box.x_mm + box.width_mm / 2 <= page.width_mm - 12
            assert box.y_mm - box.height_mm / 2 >= 12
            assert box.y_mm + box.height_mm / 2 <= page.height_mm - 12


def test_nops_has_the_geometry_of_its_template() -> None:
    layout, _ = load_layout(LAYOUTS[0].with_name("nops.toml"))
    assert layout is not None
    assert len(layout.boxes(1)) == 7 * 10 + 45 * 5
    inside = {box.key: (box.x_mm - box.width_mm / 2, box.y_mm - box.height_mm / 2) for box in layout.boxes(1)}
    for key, corner in {
        "1/a": (25, 160), "16/a": (89, 160), "31/a": (149, 160), "1/e": (57, 160), "5/a": (25, 188), "6/a": (25, 198),
        "11/a": (25, 236), "45/e": (181, 264), "registration_number.1/0": (133, 60), "registration_number.7/9": (181, 123),
    }.items():  # fmt: skip
        assert inside[key] == pytest.approx(corner, abs=0.15), key  # 0.14: LaTeX begins the inside half a rule above


def test_the_schema_describes_every_key() -> None:
    schema = layout_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for table in (schema, *schema["$defs"].values()):
        for name, one in table.get("properties", {}).items():
            assert one.get("description"), name


# --------------------------------------------------------------------------- handwritten numbers

HANDWRITTEN = """
[[fields]]
id = "number"
kind = "handwritten"
role = "student_number"
pages = [1, 2]
places = 6
origin = [30, 40]
place_step = [7, 0]
gap = { every = 3, add = [2, 0] }
size = [6, 8]
"""


def test_handwritten_numbers_have_a_row_of_cells_on_each_page(tmp_path: Path) -> None:
    layout = loaded(tmp_path, HEAD + HANDWRITTEN)
    assert [(one.id, one.kind, one.page, one.role) for one in layout.fields] == [
        ("number.1", FieldKind.HANDWRITTEN, 1, "student_number"),
        ("number.2", FieldKind.HANDWRITTEN, 2, "student_number"),
    ]
    cells = layout.fields[1].cells
    assert [cell.x_mm for cell in cells] == [30, 37, 44, 53, 60, 67]
    assert {(cell.page, cell.y_mm, cell.width_mm, cell.height_mm, cell.frame_mm) for cell in cells} == {(2, 40, 6, 8, 0.3)}
    assert layout.cells(2) == cells and layout.boxes(2) == ()
    region = layout.fields[1].region
    assert region is not None
    assert (region.x_mm, region.y_mm) == pytest.approx((26.7, 35.7))
    assert (region.width_mm, region.height_mm) == pytest.approx((43.6, 8.6))


def test_a_comb_has_no_frames_and_one_page_keeps_the_plain_id(tmp_path: Path) -> None:
    text = HANDWRITTEN.replace("pages = [1, 2]", "page = 2\ncomb = true")
    (field,) = loaded(tmp_path, HEAD + text).fields
    assert field.id == "number"
    assert {cell.frame_mm for cell in field.cells} == {0}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("pages = [1, 2]", "", "one of `page` and `pages` is needed"),
        ("pages = [1, 2]", "page = 1\npages = [1, 2]", "one of `page` and `pages` is needed"),
        ("pages = [1, 2]", "pages = [1, 3]", "there is no page 3"),
        ("pages = [1, 2]", "pages = [1, 1]", "the field id `number.1` is there 2 times"),
        ("pages = [1, 2]", "page = 5", "there is no page 5"),
        ("place_step = [7, 0]", "place_step = [5, 0]", "overlaps"),
        ("origin = [30, 40]", "origin = [180, 40]", "not on"),
        ("origin = [30, 40]", "origin = [14, 14]", "lies on the square"),
        ("size = [6, 8]", 'size = [6, 8]\nshape = "circle"', "cells are rectangles"),
        ('role = "student_number"', 'role = "name"', "role"),
        ("places = 6", "places = 1", "places"),
    ],
)
def test_a_fault_of_a_handwritten_number_is_named(tmp_path: Path, old: str, new: str, expected: str) -> None:
    found = faults(tmp_path, HEAD + HANDWRITTEN.replace(old, new))
    assert any(expected in one for one in found), found


def test_small_cells_are_a_warning(tmp_path: Path) -> None:
    layout, (issue,) = load_layout(write(tmp_path, HEAD + HANDWRITTEN.replace("size = [6, 8]", "size = 2")))
    assert layout is not None
    assert issue.severity is Severity.WARNING and "cells of 2 x 2 mm are small" in issue.message


def test_cells_need_a_size(tmp_path: Path) -> None:
    head = HEAD.replace("[box]\nsize = 4.0\n", "")
    assert any("the cells have no `size`" in one for one in faults(tmp_path, head + HANDWRITTEN.replace("size = [6, 8]", "")))


def test_cells_may_not_lie_on_boxes(tmp_path: Path) -> None:
    text = HEAD + CHOICE.replace("origin = [30, 60]", "origin = [44, 44]") + HANDWRITTEN
    assert any("overlaps" in one and '"number.2"' in one for one in faults(tmp_path, text))
