"""Long files brought up to date: some rows replaced, all others as they were."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from scangrade.errors import OutputError
from scangrade.run.files import Table, as_csv
from scangrade.run.splice import SplicedFile

HEADER = ("booklet", "x")


def written(path: Path, *rows: tuple[str, ...]) -> SplicedFile:
    path.write_bytes(as_csv(Table(path.name, HEADER, rows)))
    return SplicedFile(path, columns=1)


def expected(*rows: tuple[str, ...]) -> bytes:
    return as_csv(Table("t.csv", HEADER, rows))


def test_rows_are_replaced_in_their_place(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    file = written(path, ("1", "a"), ("1", "b"), ('2,"', "c"), ("3", "d"))
    file.replace({})
    assert path.read_bytes() == expected(("1", "a"), ("1", "b"), ('2,"', "c"), ("3", "d"))
    file.replace({('2,"',): [('2,"', "new")], ("1",): [], ("4",): [("4", "last")]})
    assert path.read_bytes() == expected(('2,"', "new"), ("3", "d"), ("4", "last"))
    file.replace({("3",): [("3", "x"), ("3", "y")]})
    assert path.read_bytes() == expected(('2,"', "new"), ("3", "x"), ("3", "y"), ("4", "last"))


def test_keys_of_two_columns(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(as_csv(Table("t.csv", ("scan", "page", "x"), (("a", "1", "u"), ("a", "12", "v"), ('"a,', "1", "w")))))
    SplicedFile(path, columns=2).replace({("a", "1"): [("a", "1", "new")], ('"a,', "1"): [('"a,', "1", "newer")]})
    rows = (("a", "1", "new"), ("a", "12", "v"), ('"a,', "1", "newer"))
    assert path.read_bytes() == as_csv(Table("t.csv", ("scan", "page", "x"), rows))


def test_many_replacements_give_what_writing_anew_gives(tmp_path: Path) -> None:
    path, random_ = tmp_path / "t.csv", random.Random(5)
    keys = [f"{number}{random_.choice(['', ',', chr(34), ' '])}" for number in range(30)]
    held = {key: [(key, f"{one}") for one in range(random_.randrange(1, 4))] for key in keys}
    file = written(path, *(row for rows in held.values() for row in rows))
    for number in range(40):
        some = random_.sample(keys, random_.randrange(1, 5))
        rows = {key: [(key, f"{number}/{one}") for one in range(random_.randrange(4))] for key in some}
        file.replace({(key,): new for key, new in rows.items()})
        for key, new in rows.items():
            if new:
                held[key] = new
            else:
                held.pop(key, None)  # given rows again, they come last
        assert path.read_bytes() == expected(*(row for rows in held.values() for row in rows))


def test_what_another_program_wrote_meanwhile_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    file = written(path, ("1", "a"), ("2", "b"))
    file.replace({("1",): [("1", "new")]})
    path.write_bytes(expected(("1", "longer than before"), ("2", "b"), ("3", "added by hand")))
    file.replace({("2",): [("2", "new")]})
    assert path.read_bytes() == expected(("1", "longer than before"), ("2", "new"), ("3", "added by hand"))


@pytest.mark.parametrize("content", [b"booklet;x\r\n1;a\r\n", b"booklet,x\r\n1,a", b"no line"])
def test_a_file_that_is_none_of_ours_any_more_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(OutputError, match="Another program"):
        SplicedFile(path, columns=1).replace({("1",): [("1", "new")]})
    assert path.read_bytes() == content
