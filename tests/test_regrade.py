"""Scoring again: what changes is told, what people decided stays, and a comparison touches nothing."""

from __future__ import annotations

import csv
import functools
import io
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

import pytest

from scangrade.errors import DefinitionError, ExitCode, UsageError
from scangrade.grade import grade
from scangrade.model import Entry, Topic
from scangrade.opening import open_run
from scangrade.regrade import compare_rubrics, regrade
from scangrade.run.journal import Journal
from tests.fake_reader import FakeReader, booklet, write_exam
from tests.test_cli import Run, run  # noqa: F401 - a fixture

OTHER = """
format = 1
name = "per alternative"
total = 6
[questions.q]
policy = "per-alternative"
points = 4
values = { A = 2, B = -1, C = 2 }
floor = 0
cap = 4
[questions.r]
policy = "all-or-nothing"
points = 2
key = ["C"]
"""


@pytest.fixture
def exam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """A run of three booklets, and another rubric beside it."""
    monkeypatch.chdir(tmp_path)
    paths = write_exam(Path("exam"))
    Path("exam/other.toml").write_text(OTHER)
    text = booklet("01", "11", "AC", "B") + booklet("02", "12", "AB", "B") + booklet("03", "13", "A", "C")
    Path("room.pdf").write_text(text)
    grade([Path("room.pdf")], **{**paths, "out": Path("run"), "workers": 0, "reader": FakeReader})  # type: ignore[arg-type]
    return paths


def plain(value: object) -> object:
    """The same, so that points may be compared with whole numbers."""
    return value


def points() -> dict[str, str]:
    with Path("run/gradebook.csv").open(encoding="utf-8-sig", newline="") as file:
        return {row["booklet"]: row["points"] for row in csv.DictReader(file)}


def contents() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(Path("run").glob("*.csv"))}


def decide(topic: Topic, item: str, value: str, page: int) -> None:
    """A decision about booklet 02, at its page."""
    with open_run(Path("run"), writes=()) as store:
        image = next(one.result for one in store.pages() if one.result.copy == "02" and one.result.page == page).image_sha256
        Journal(store).append([Entry(0, f"{topic}-{item}", "2026-01-01T00:00:00", "Ada", topic, image, item, value, "g")])


def test_a_corrected_key_changes_who_it_concerns(exam: dict[str, Path]) -> None:
    exam["rubric"].write_text(exam["rubric"].read_text().replace('["A", "C"]', '["A", "B"]'))
    done = regrade(Path("run"))
    assert plain([(one.booklet, one.difference) for one in done.changes]) == [("01", -4), ("02", 4)]
    assert points() == {"01": "2", "02": "6", "03": "0"}
    assert done.exit_code is ExitCode.DECIDED
    again = regrade(Path("run"))
    assert again.changes == ()
    assert any("is what it was" in note for note in again.notes)


def test_it_is_the_same_as_grading_anew(exam: dict[str, Path]) -> None:
    regrade(Path("run"), rubric=Path("exam/other.toml"))
    told = contents()
    more = {**exam, "rubric": Path("exam/other.toml"), "out": Path("anew"), "workers": 0, "reader": FakeReader}
    grade([Path("room.pdf")], **more)  # type: ignore[arg-type]
    assert {path.name: path.read_bytes() for path in sorted(Path("anew").glob("*.csv"))} == told


def test_no_box_is_decided_again(exam: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("boxes are decided again")

    monkeypatch.setattr("scangrade.conclude.decide", never)
    regrade(Path("run"), rubric=Path("exam/other.toml"))
    assert points() == {"01": "4", "02": "1", "03": "4"}


def test_a_program_that_decides_otherwise_says_so(exam: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    assert not any("decided anew" in note for note in regrade(Path("run")).notes)
    monkeypatch.setattr("scangrade.opening.__version__", "9.9")
    assert any("boxes were decided anew" in note for note in regrade(Path("run")).notes)
    assert not any("decided anew" in note for note in regrade(Path("run")).notes)


def test_decisions_stay(exam: dict[str, Path]) -> None:
    decide(Topic.MARK, "q/C", "marked", 1)  # A B C of booklet 02
    done = regrade(Path("run"), rubric=Path("exam/other.toml"))
    assert (points()["02"], done.decisions) == ("3", 1)
    decide(Topic.POINTS, "r", "3/2", 2)
    done = regrade(Path("run"))
    assert points()["02"] == "4.5"
    assert done.changes == ()  # the decision is not the rubric's doing: what was told before had been derived without it
    assert done.decisions == 2


def test_points_for_a_question_that_is_gone_are_told(exam: dict[str, Path]) -> None:
    decide(Topic.POINTS, "r", "1", 2)
    head, _, _ = exam["rubric"].read_text().partition("[questions.r]")
    exam["rubric"].write_text(head.replace("total = 6", "total = 4"))
    done = regrade(Path("run"))
    assert any("People gave points to r" in note for note in done.notes)
    assert "r: 2 to not in the rubric" in done.table.rows[0][-1]


def test_a_rubric_that_was_moved_is_taken_from_the_record(exam: dict[str, Path]) -> None:
    exam["rubric"].rename("elsewhere.toml")
    done = regrade(Path("run"))
    assert done.changes == ()
    assert any("not there any more, so the rubric as it is on record was used" in note for note in done.notes)


def test_what_a_regrade_does_not_take_up_is_told(exam: dict[str, Path]) -> None:
    exam["roster"].write_text(exam["roster"].read_text() + "14,Dogwood,Di,\n")
    exam["layout"].write_text(exam["layout"].read_text() + "# more\n")
    notes = " ".join(regrade(Path("run")).notes)
    assert "The roster exam/roster.csv has changed" in notes
    assert "The layout exam/layout.toml has changed" in notes


def test_a_faulty_rubric_changes_nothing(exam: dict[str, Path]) -> None:
    before = contents()
    Path("exam/other.toml").write_text(OTHER.replace("total = 6", "total = 7"))
    for call in (
        functools.partial(regrade, rubric=Path("exam/other.toml")),
        functools.partial(compare_rubrics, second=Path("exam/other.toml")),
    ):
        with pytest.raises(DefinitionError) as caught:
            call(Path("run"))
        assert "exam/other.toml:4, total" in str(caught.value)
    assert contents() == before
    assert regrade(Path("run")).rubric == exam["rubric"]


def test_comparing_changes_nothing(exam: dict[str, Path]) -> None:
    before = contents()
    held = compare_rubrics(Path("run"), Path("exam/other.toml"), table=Path("t.csv"), picture=Path("p.svg"))
    assert (held.first, held.second) == ("mini", "per alternative")
    assert plain([one.compared for one in held.comparison.booklets]) == [(6, 4), (2, 1), (0, 4)]
    assert contents() == before
    assert regrade(Path("run")).changes == ()
    assert ET.parse("p.svg").getroot().tag.endswith("svg")
    assert Path("t.csv").read_bytes().startswith(b"\xef\xbb\xbf")


def test_comparing_two_files_leaves_the_run_s_rubric_out(exam: dict[str, Path]) -> None:
    Path("exam/third.toml").write_text(OTHER.replace('"C"]', '"B"]'))
    held = compare_rubrics(Path("run"), Path("exam/third.toml"), first=Path("exam/other.toml"))
    assert (held.first, held.second) == ("exam/other.toml", "exam/third.toml")  # both have one name
    assert plain([one.compared for one in held.comparison.booklets]) == [(4, 6), (1, 3), (4, 2)]


def test_the_picture_is_svg(exam: dict[str, Path]) -> None:
    with pytest.raises(UsageError, match=r"p\.png: the picture is drawn as SVG"):
        compare_rubrics(Path("run"), Path("exam/other.toml"), picture=Path("p.png"))


# --------------------------------------------------------------------------- the command


def rows(text: str) -> Sequence[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_command(run: Run, exam: dict[str, Path]) -> None:  # noqa: F811 - the fixture
    done = run("regrade", "run")
    assert (done.code, done.out) == (0, "")
    assert "Booklets  3: none of them change" in done.err
    done = run("regrade", "run", "--rubric", "exam/other.toml")
    assert done.code == 0
    assert [(row["last_name"], row["points_before"], row["points_after"], row["change"]) for row in rows(done.out)] == [
        ("Ash", "6", "4", "-2"),
        ("Birch", "2", "1", "-1"),
        ("Cedar", "0", "4", "4"),
    ]
    assert "3 of them change, 1 up, 2 down, 0 in questions" in done.err
    assert "Largest   +4 points" in done.err
    done = run("regrade", "run", "--compare", exam["rubric"], "--picture", "p.svg")
    assert done.code == 0
    assert [row["difference"] for row in rows(done.out)] == ["2", "1", "-4"]
    assert "1 earn less with the second, 2 more, 0 the same" in done.err
    assert "Files     p.svg" in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nowhere"], 2, "nowhere: no run of scangrade is in there."),
        (["exam"], 2, "exam: no run of scangrade is in there."),
        (["run", "--rubric", "nowhere.toml"], 2, "nowhere.toml: no such file."),
        (["run", "--picture", "p.svg"], 2, "name the other one with --compare"),
        (["run", "--compare", "exam/layout.toml"], 2, "this is a layout, not a rubric"),
        (["run", "--compare", "exam/other.toml", "--table", "no/t.csv"], 4, "no/t.csv: cannot be written"),
    ],
)
def test_wrong_use(run: Run, exam: dict[str, Path], arguments: list[str], code: int, words: str) -> None:  # noqa: F811
    done = run("regrade", *arguments)
    assert (done.code, done.out) == (code, "")
    assert words in done.err
    assert "Traceback" not in done.err
    assert not Path("exam/run.lock").exists()


def test_flags_make_it_end_with_three(run: Run, exam: dict[str, Path]) -> None:  # noqa: F811
    open_q = (
        exam["rubric"].read_text().replace('policy = "all-or-nothing"\npoints = 2\nkey = ["B"]', 'policy = "open"\npoints = 2')
    )
    exam["rubric"].write_text(open_q)
    done = run("regrade", "run")
    assert done.code == 3
    first = rows(done.out)[0]
    assert (first["points_after"], first["low_after"], first["high_after"]) == ("", "4", "6")
