"""The main job, with a pretended reader: what is graded, what is accounted for, what is refused."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scangrade.errors import DefinitionError, ExitCode, OutputError, UsageError
from scangrade.grade import RunSummary, grade
from scangrade.model import FlagKind
from scangrade.opening import open_run
from scangrade.run.store import Store
from tests.fake_reader import FakeReader, ReaderWithoutForm, booklet, write_exam

FILES = ("gradebook.csv", "scores.csv", "marks.csv", "flags.csv", "pages.csv")

Grade = Callable[..., RunSummary]


@pytest.fixture
def exam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """The exam's definitions; paths of scans are relative to `tmp_path`, as people give them."""
    monkeypatch.chdir(tmp_path)
    return write_exam(Path("exam"))


def scan(name: str, text: str) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def run(exam: dict[str, Path], *scans: Path, **changes: Any) -> RunSummary:
    return grade(scans, **{**exam, "out": Path("run"), "workers": 0, "reader": FakeReader, **changes})


def rows(name: str, out: str = "run") -> list[dict[str, str]]:
    with (Path(out) / name).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def contents(out: str = "run") -> dict[str, bytes]:
    return {name: (Path(out) / name).read_bytes() for name in FILES}


ANN, BO = booklet("01", "11", "AC", "B"), booklet("02", "12", "AB", "B")


def test_booklets_become_a_gradebook(exam: dict[str, Path]) -> None:
    summary = run(exam, scan("scans/room.pdf", ANN + BO))
    graded = {row["student_number"]: row for row in rows("gradebook.csv")}
    assert {number: (row["booklet"], row["points"], row["q"], row["r"]) for number, row in graded.items()} == {
        "11": ("01", "6", "4", "2"),
        "12": ("02", "2", "0", "2"),
        "13": ("", "", "", ""),
    }
    assert [graded[number]["status"] for number in ("11", "12", "13")] == ["graded", "graded", "absent"]
    assert summary.exit_code == ExitCode.DECIDED
    assert (summary.pages_in, summary.pages_read, summary.pages_set_aside) == (4, 4, 0)
    assert (summary.booklets, summary.matched, summary.students) == (2, 2, 3)
    assert [path.name for path in summary.files] == ["gradebook.csv", "scores.csv", "flags.csv", "marks.csv", "pages.csv"]
    assert not (summary.notes or summary.warnings)


def test_the_columns_of_the_contract(exam: dict[str, Path]) -> None:
    run(exam, scan("room.pdf", ANN))
    heads = {name: tuple(contents()[name].decode("utf-8-sig").split("\r\n")[0].split(",")) for name in FILES}
    assert heads["gradebook.csv"][:10] == (
        *("student_number", "last_name", "first_name", "email", "booklet"),
        *("status", "points", "max_points", "points_low", "points_high"),
    )
    assert heads["gradebook.csv"][10:12] == ("q", "r")
    assert heads["marks.csv"] == (
        *("booklet", "page", "scan", "scan_page", "field", "box"),
        *("verdict", "probability", "flagged", "decided_by"),
    )
    assert heads["flags.csv"] == ("booklet", "page", "scan", "scan_page", "kind", "field", "detail", "can_change_points")
    assert heads["pages.csv"][:8] == (
        *("scan", "scan_page", "outcome", "reason"),
        *("booklet", "page", "rotation", "residual_mm"),
    )
    assert all(content.startswith(b"\xef\xbb\xbf") for content in contents().values())


def test_every_box_has_its_row(exam: dict[str, Path]) -> None:
    run(exam, scan("room.pdf", ANN))
    marks = rows("marks.csv")
    assert len(marks) == 2 * 10 + 3 + 3
    marked = {f"{row['field']}/{row['box']}": row for row in marks if row["verdict"] == "marked"}
    assert set(marked) == {"n.1/1", "n.2/1", "q/A", "q/C", "r/B"}
    row = marked["r/B"]
    assert (row["booklet"], row["page"], row["scan"], row["scan_page"]) == ("01", "2", "room.pdf", "2")
    assert (row["flagged"], row["decided_by"]) == ("false", "machine")
    assert 0.5 < float(row["probability"]) <= 1


def test_every_page_is_accounted_for(exam: dict[str, Path]) -> None:
    summary = run(exam, scan("a.pdf", ANN + "blank\nraise\n"), scan("b.pdf", "locked"))
    assert (summary.pages_in, summary.pages_read, summary.pages_set_aside) == (5, 2, 3)
    pages = {(row["scan"], row["scan_page"]): row for row in rows("pages.csv")}
    assert {place: (row["outcome"], row["reason"], row["booklet"]) for place, row in pages.items()} == {
        ("a.pdf", "1"): ("read", "", "01"),
        ("a.pdf", "2"): ("read", "", "01"),
        ("a.pdf", "3"): ("set_aside", "blank", ""),
        ("a.pdf", "4"): ("set_aside", "failed", ""),
        ("b.pdf", "0"): ("set_aside", "encrypted_file", ""),
    }
    assert summary.exit_code == ExitCode.FLAGGED
    aside = {(row["scan"], row["scan_page"]) for row in rows("flags.csv") if row["kind"] == FlagKind.PAGE_SET_ASIDE}
    assert aside >= {("a.pdf", "4"), ("b.pdf", "0")}


def test_a_missing_page_leaves_points_open(exam: dict[str, Path]) -> None:
    summary = run(exam, scan("a.pdf", ANN.splitlines()[0] + "\n"))
    assert summary.flags[FlagKind.MISSING_PAGE] == 1
    (ann,) = (row for row in rows("gradebook.csv") if row["student_number"] == "11")
    assert (ann["points"], ann["points_low"], ann["points_high"]) == ("", "4", "6")


def test_the_same_scans_again_change_nothing(exam: dict[str, Path]) -> None:
    scans = [scan("a.pdf", ANN), scan("b.pdf", BO)]
    run(exam, *scans)
    before = contents()
    summary = run(exam, *scans, reader=ReaderWithoutForm)  # would fail if it were asked to read
    assert contents() == before
    assert summary.notes == ("No new scans: the run has all of these already.",)
    summary = run(exam, scan("copy of a.pdf", ANN), reader=ReaderWithoutForm)
    assert contents() == before
    assert "copy of a.pdf: the same content as a.pdf, which the run has already; nothing to add." in summary.notes


def test_scans_can_be_added(exam: dict[str, Path]) -> None:
    both = [scan("scans/1.pdf", ANN), scan("scans/2.pdf", BO)]
    run(exam, *both, out=Path("at once"))
    run(exam, both[0])
    assert len(rows("pages.csv")) == 2
    run(exam, both[1])
    assert contents() == contents("at once")


def test_the_number_of_workers_changes_nothing(exam: dict[str, Path]) -> None:
    text = "".join(booklet(f"{number:02}", f"{10 + number}", "AC", "AB") for number in range(1, 41))
    scans = [scan("a.pdf", text), scan("b.pdf", ANN + "blank\n1 77 q/A\n"), scan("c.pdf", text[: len(text) // 2])]
    run(exam, *scans, out=Path("one"))
    run(exam, *scans, out=Path("two"), workers=2)
    assert contents("one") == contents("two")


def test_the_second_of_equal_images_is_set_aside(exam: dict[str, Path]) -> None:
    run(exam, scan("a.pdf", ANN), scan("b.pdf", BO + ANN))
    aside = [(row["scan"], row["scan_page"], row["reason"]) for row in rows("pages.csv") if row["outcome"] == "set_aside"]
    assert aside == [("b.pdf", "3", "duplicate"), ("b.pdf", "4", "duplicate")]


def test_a_folder_and_what_is_left_out_of_it(exam: dict[str, Path]) -> None:
    scan("scans/10.pdf", BO)
    scan("scans/9.pdf", ANN)
    scan("scans/notes.txt", "hello")
    summary = run(exam, Path("scans"), out=Path("scans/run"))
    assert summary.notes == ("Left out of the folders, being no scans by their names: scans/notes.txt.",)
    assert [row["scan"] for row in rows("pages.csv", "scans/run")] == ["scans/9.pdf"] * 2 + ["scans/10.pdf"] * 2


def test_another_layout_is_refused_once_pages_are_read(exam: dict[str, Path]) -> None:
    scans = [scan("a.pdf", ANN)]
    with pytest.raises(DefinitionError):
        run(exam, *scans, reader=ReaderWithoutForm)
    exam["layout"].write_text(exam["layout"].read_text() + "\n# corrected\n")
    run(exam, *scans)  # nothing had been read
    exam["layout"].write_text(exam["layout"].read_text() + "\n# corrected again\n")
    with pytest.raises(UsageError, match=r"read with another layout .* start a new run"):
        run(exam, *scans)


def test_another_rubric_scores_anew(exam: dict[str, Path]) -> None:
    scans = [scan("a.pdf", ANN + BO)]
    run(exam, *scans)
    exam["rubric"].write_text(exam["rubric"].read_text().replace('["A", "C"]', '["A", "B"]'))
    summary = run(exam, *scans, reader=ReaderWithoutForm)
    assert "The rubric is another one than before (exam/rubric.toml): all booklets are scored anew." in summary.notes
    assert [row["points"] for row in rows("gradebook.csv")] == ["2", "6", ""]


def test_a_roster_may_come_and_go(exam: dict[str, Path]) -> None:
    scans = [scan("a.pdf", ANN)]
    run(exam, *scans)
    summary = run(exam, *scans, roster=None)
    assert summary.students is None
    assert "This time there is no roster (before: exam/roster.csv): all booklets are matched anew." in summary.notes
    summary = run(exam, *scans)
    assert "This time there is a roster, exam/roster.csv: all booklets are matched anew." in summary.notes
    assert summary.matched == 1


def test_the_run_says_how_it_was_made(exam: dict[str, Path]) -> None:
    run(exam, scan("a.pdf", ANN))
    with Store(Path("run")) as store:
        facts = store.facts()
    assert facts["layout.text"] == exam["layout"].read_text()
    assert facts["rubric.path"] == "exam/rubric.toml"
    assert len(facts["roster.sha256"]) == 64
    assert '"DECIDE"' in facts["thresholds"]
    assert facts["scangrade"]


def test_an_unfinished_scan_must_be_there(exam: dict[str, Path]) -> None:
    first = scan("a.pdf", ANN)
    with pytest.raises(DefinitionError):
        run(exam, first, reader=ReaderWithoutForm)
    first.rename("moved.pdf")
    with pytest.raises(UsageError, match=r"a\.pdf: not there any more"):
        run(exam, scan("b.pdf", BO))
    run(exam, Path("moved.pdf"), Path("b.pdf"))
    assert [row["scan"] for row in rows("pages.csv")] == ["a.pdf", "a.pdf", "b.pdf", "b.pdf"]


@pytest.mark.parametrize("name", ["layout", "rubric", "roster"])
def test_a_definition_that_is_not_there(exam: dict[str, Path], name: str) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.toml: no such file"):
        run(exam, scan("a.pdf", ANN), **{name: Path("nowhere.toml")})


def test_all_faults_of_all_definitions_at_once(exam: dict[str, Path]) -> None:
    exam["layout"].write_text("colour = 'red'\n" + exam["layout"].read_text())
    exam["rubric"].write_text(exam["rubric"].read_text().replace("key =", "kye ="))
    with pytest.raises(DefinitionError) as caught:
        run(exam, scan("a.pdf", ANN))
    assert {Path(issue.where.split(":")[0]).name for issue in caught.value.issues} == {"layout.toml", "rubric.toml"}
    assert not Path("run").exists()


def test_no_scans(exam: dict[str, Path]) -> None:
    with pytest.raises(UsageError, match="no such file or folder"):
        run(exam, Path("nowhere"))
    Path("empty").mkdir()
    with pytest.raises(UsageError, match="no scan in there"):
        run(exam, Path("empty"))
    assert not Path("run").exists()


def test_a_run_folder_that_cannot_be(exam: dict[str, Path]) -> None:
    scans = [scan("a.pdf", ANN)]
    with pytest.raises(OutputError, match="cannot be made"):
        run(exam, *scans, out=scan("file", "x"))
    scan("grades/gradebook.csv", "somebody's")
    with pytest.raises(OutputError, match="would be overwritten"):
        run(exam, *scans, out=Path("grades"))
    assert Path("grades/gradebook.csv").read_text() == "somebody's"


def test_one_at_a_time(exam: dict[str, Path]) -> None:
    with open_run(Path("run"), writes=FILES), pytest.raises(UsageError, match="another scangrade is working"):
        run(exam, scan("a.pdf", ANN))
