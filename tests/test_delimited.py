"""Files of delimited text: what is read, and that nothing but the values changes."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scangrade.errors import UsageError
from scangrade.export.delimited import DelimitedText, read_delimited
from scangrade.export.foreign import Written, as_number

HEADS = ("Student", "ID", "Exam (1)")


def read(raw: bytes) -> DelimitedText:
    return read_delimited(raw, "file.csv", known=lambda heads: "Student" in heads)


def number(text: str) -> Written:
    return Written(text, is_number=True)


@pytest.mark.parametrize(
    ("encoding", "bom", "told"),
    [
        ("utf-8", b"", "UTF-8"),
        ("utf-8", b"\xef\xbb\xbf", "UTF-8"),
        ("utf-16-le", b"\xff\xfe", "UTF-16"),
        ("utf-16-be", b"\xfe\xff", "UTF-16"),
        ("utf-16-le", b"", "UTF-16"),
        ("cp1252", b"", "Windows-1252"),
    ],
)
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_only_the_value_changes(encoding: str, bom: bytes, told: str, end: str, delimiter: str) -> None:
    name = f'"Groß{delimiter} Zoë ""Z"""'
    lines = [delimiter.join(HEADS), delimiter.join([name, "0012", ""]), "", delimiter.join(["Ada", "0013", '"7.5"'])]
    text = end.join(lines) + end
    file = read(bom + text.encode(encoding))
    assert file.kind.startswith(told) and file.delimiter == delimiter
    assert [row.line for row in file.rows] == [1, 2, 4]
    assert file.rows[1].cells == (f'Groß{delimiter} Zoë "Z"', "0012", "")
    filled = file.filled({(1, 2): number("8.25"), (2, 2): number("9")}, decimal=".")
    assert filled == bom + text.replace(f"0012{delimiter}", f"0012{delimiter}8.25").replace('"7.5"', '"9"').encode(encoding)
    assert file.filled({}, decimal=".") == bom + text.encode(encoding)


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0\ufeff"), max_size=6)


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=6), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_what_a_csv_writer_writes_is_read_and_given_back(rows: list[tuple[str, str, str]], quoting: int) -> None:
    """As Python's own csv module sees it: every cell but the filled one is the same afterwards."""
    out = io.StringIO(newline="")
    csv.writer(out, quoting=quoting, lineterminator="\r\n").writerows([HEADS, *rows])  # type: ignore[arg-type]
    file = read(out.getvalue().encode())
    full = [row for row in csv.reader(io.StringIO(out.getvalue(), newline="")) if any(cell.strip() for cell in row)]
    assert [list(row.cells) for row in file.rows] == full
    values = {(index, 2): number("1.5") for index in range(1, len(file.rows))}
    text = file.filled(values, decimal=",").decode()
    expected = [full[0], *([*row[:2], "1,5"] for row in full[1:])]
    again = [row for row in csv.reader(io.StringIO(text, newline="")) if any(cell.strip() for cell in row)]
    assert again == expected


def test_a_decimal_comma_in_a_comma_file_is_quoted() -> None:
    assert read(b"Student,ID\na,\n").filled({(1, 1): number("2.5")}, decimal=",") == b'Student,ID\na,"2,5"\n'


def test_where_all_fields_are_quoted_an_empty_one_becomes_so() -> None:
    assert read(b'"Student","ID"\n"a",\n').filled({(1, 1): number("2")}, decimal=".") == b'"Student","ID"\n"a","2"\n'


def test_the_known_heads_decide_between_delimiters() -> None:
    file = read_delimited(b"a;b;c,x,y,z,w\n1;2;3,,,,\n", "f.csv", known=lambda heads: "b" in heads)
    assert file.delimiter == ";"


def test_heads_below_a_title_and_a_line_for_spreadsheets() -> None:
    file = read(b"sep=;\r\nCourse;Introduction\r\n\r\nStudent;ID\r\nAda;7\r\n")
    assert [(row.line, row.cells) for row in file.rows] == [(4, ("Student", "ID")), (5, ("Ada", "7"))]
    assert file.filled({(1, 1): number("8")}, decimal=".").endswith(b"Ada;8\r\n")


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b'Student,ID\nAda,"7\nBo,8\n', "file.csv:2: the quotes do not fit together"),
        (b'Student,ID\nAda,"7"x\n', "file.csv:2: the quotes do not fit together"),
        (b"\xff\xfeS\x00t\x00x", "begins like UTF-16, but is damaged"),
        (b"%PDF-1.7\0\1\2", "is no table of text"),
    ],
)
def test_what_is_no_table(raw: bytes, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read(raw)


def test_a_word_that_the_encoding_lacks() -> None:
    with pytest.raises(UsageError, match=r"is in Windows-1252, which has no '→'"):
        read("Student,ID\nZoë,\n".encode("cp1252")).filled({(1, 1): Written("→", is_number=False)}, decimal=".")


@pytest.mark.parametrize(
    ("cell", "value"), [("12,50", "12.50"), (" -3 ", "-3"), ("1.000,5", None), ("EX", None), ("", None), ("1e3", None)]
)
def test_numbers(cell: str, value: str | None) -> None:
    assert as_number(cell) == value
