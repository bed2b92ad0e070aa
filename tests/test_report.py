"""The report: what it says of a class whose truth is known, and of runs of which there is little to say."""

from __future__ import annotations

import csv
import html
import re
from datetime import UTC, datetime
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path

import pytest

from scangrade.audit import draw_audit
from scangrade.cli import main
from scangrade.errors import ExitCode, UsageError
from scangrade.model import Policy, Rubric
from scangrade.report import Reported, points_to_pass, report_run
from tests.class_run import EASY, IMPOSSIBLE, MISKEYED, QUESTIONS, grade_class
from tests.records import question

TWELVE = Rubric("exam", "Exam", (question("1", Policy.OPEN, 12),), total=Fraction(12))
MADE = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
VOID = {"meta", "link", "br", "img"}


class Page(HTMLParser):
    """A page's text, tables and elements; fails where elements do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open and data.strip():
            self.words.append(" ".join(data.split()))

    @property
    def text(self) -> str:
        return " ".join(self.words)


def report(run: Path, **more: str) -> tuple[Reported, Page]:
    made = report_run(run, made=MADE, **more)  # type: ignore[arg-type]
    return made, Page(made.path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("class")
    grade_class(folder, 120)
    return folder / "run"


@pytest.fixture(scope="module")
def made(graded: Path) -> tuple[Reported, Page]:
    return report(graded, pass_mark="55%")


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "gradebook.csv").open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_question_with_a_wrong_key_is_named_first(made: tuple[Reported, Page]) -> None:
    found, page = made
    assert found.doubted == (MISKEYED,)
    assert page.text.index("Look at first") < page.text.index(f"Question {MISKEYED} looks miskeyed")
    assert "Version B: the key calls" in page.text and "Version A: the key calls" not in page.text


def test_its_figures_are_the_gradebook_s(graded: Path, made: tuple[Reported, Page]) -> None:
    found, page = made
    handed_in = [row for row in rows(graded) if row["booklet"]]
    # the exam's floor can make a total certain while a question is open: such a booklet does not count here
    counted = [row for row in handed_in if all(row[str(one)] for one in range(1, QUESTIONS + 1))]
    points = [Fraction(row["points"]) for row in counted]
    waiting = len(handed_in) - len(counted)
    assert waiting  # a person is asked about some
    assert (found.statistics.counted, found.statistics.left_out) == (len(points), waiting)
    scores = found.statistics.scores
    assert scores is not None
    passed = sum(one >= 22 for one in points)
    assert scores.passed == passed
    assert abs(scores.mean - sum(points, Fraction(0)) / len(points)) < Fraction(1, 200)  # the gradebook's are rounded
    assert f"{passed} of {len(points)}, from 22 points" in page.text
    assert f"{waiting} booklets are left out" in page.text
    questions = {one.question: one for one in found.statistics.questions}
    for one in (EASY, MISKEYED, IMPOSSIBLE):
        certain = [Fraction(row[one]) for row in counted]
        assert abs(questions[one].mean - sum(certain, Fraction(0)) / len(certain)) < Fraction(1, 200)
    assert len(questions) == QUESTIONS


def test_it_loads_nothing_and_names_nobody(made: tuple[Reported, Page]) -> None:
    found, page = made
    text = found.path.read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    assert not re.search(r"(?:src|href)\s*=\s*[\"'](?!#)|url\(|@import|<script", text)
    assert "Name 1" not in text and not re.search(r"\bGiven\b", text)
    assert html.unescape("Statistics II, re-sit &lt;&amp; more&gt;") in page.text
    assert "<& more>" not in text


def test_tables_have_heads_and_pictures_have_titles(made: tuple[Reported, Page]) -> None:
    _, page = made
    names = [name for name, _ in page.elements]
    assert all("scope" in attributes for name, attributes in page.elements if name == "th")
    pictures = [attributes for name, attributes in page.elements if name == "svg"]
    shown = [one for one in pictures if one.get("aria-hidden") != "true"]
    assert len(shown) == 2
    ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    assert all(one["role"] == "img" and one["aria-labelledby"] in ids for one in shown)
    links = [str(attributes["href"])[1:] for name, attributes in page.elements if name == "a"]
    assert set(links) <= ids and links
    assert names.count("h1") == 1


def test_the_same_run_gives_the_same_page(graded: Path, made: tuple[Reported, Page], tmp_path: Path) -> None:
    again = report_run(graded, out=tmp_path / "again.html", pass_mark="22", made=MADE)
    assert again.path.read_bytes() == made[0].path.read_bytes()


@pytest.mark.parametrize(
    ("booklets", "words"),
    [
        (0, "There is no booklet in this run"),
        (1, "One booklet alone has no spread"),
        (5, "5 booklets are too few to say whether a question is miskeyed: it takes 10."),
    ],
)
def test_small_classes(tmp_path: Path, booklets: int, words: str) -> None:
    grade_class(tmp_path, booklets, seed=5)
    found, page = report(tmp_path / "run", pass_mark="50%")
    assert words in page.text
    assert (found.doubted, found.exit_code) == ((), ExitCode.DECIDED)


def test_a_checked_sample_is_told(graded: Path) -> None:
    drawn = draw_audit_of(graded, 7)
    _, page = report(graded)
    assert "60 boxes drawn, none looked at yet." in page.text
    text = drawn.read_text(encoding="utf-8-sig").splitlines()
    column = text[0].split(",").index("person_verdict")
    filled = [",".join("same" if place == column else cell for place, cell in enumerate(line.split(","))) for line in text[1:]]
    drawn.write_text("\n".join([text[0], *filled]), encoding="utf-8")
    _, page = report(graded)
    assert re.search(r"60 of 60 boxes looked at \( audit-7/audit.csv \)|60 of 60 boxes looked at", page.text)
    assert "none wrong" in page.text and "fewer than" in page.text
    drawn.write_text("number,person_verdict\n", encoding="utf-8")
    _, page = report(graded)
    assert "is not counted" in page.text


def draw_audit_of(run: Path, seed: int) -> Path:
    """A sample's file without its pictures, which pretended scans do not have."""
    with pytest.raises(UsageError):
        draw_audit(run, seed=seed)
    from scangrade import settings  # noqa: PLC0415
    from scangrade.answers.sampling import draw  # noqa: PLC0415
    from scangrade.audit import _table, _undisputed  # noqa: PLC0415
    from scangrade.run.files import as_csv  # noqa: PLC0415

    folder = run / f"audit-{seed}"
    folder.mkdir()
    sample = draw(_undisputed(run), size=60, seed=seed, settings=settings.AUDIT)
    (folder / "audit.csv").write_bytes(as_csv(_table(sample)))
    return folder / "audit.csv"


@pytest.mark.parametrize(("written", "points"), [("5.5", "5.5"), ("55%", "6.6"), (" 12 ", "12"), ("0", "0"), ("1/3", "1/3")])
def test_a_pass_mark(written: str, points: str) -> None:
    assert points_to_pass(written, TWELVE) == Fraction(points)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("half", "neither points, such as 5.5, nor a share"),
        ("13", "the exam has 12 points"),
        ("-1", "the exam has 12"),
        ("1/0", "neither"),
    ],
)
def test_no_pass_mark(written: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        points_to_pass(written, TWELVE)


def test_the_command(graded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main.main([str(one) for one in arguments])
        assert isinstance(stop.value.code, int)
        return stop.value.code, *capsys.readouterr()

    page = tmp_path / "page.html"
    code, out, err = call("report", graded, "--out", page, "--pass-mark", "55%")
    assert (code, out) == (3, f"{page}\n")
    assert f"Miskeyed? {MISKEYED}: the report says why" in err and "left out" in err
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    code, out, err = call("report", tmp_path)
    assert (code, out) == (2, "")
    assert "no run of scangrade is in there" in err
    code, out, err = call("report", graded, "--out", tmp_path / "nowhere" / "page.html")
    assert (code, out) == (4, "")
    code, out, err = call("report", graded, "--pass-mark", "a lot")
    assert code == 2 and "pass mark `a lot`" in err
