"""Booklets that we print: what stands on paper is what the layout says, and print, scan, grade is one loop."""

from __future__ import annotations

import csv
import io
import random
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pdfplumber
import pikepdf
import pytest
from pdf2image import convert_from_path

from scangrade.authoring.person import CROSSERS
from scangrade.authoring.printing.booklets import PrintFaultsError, print_booklets
from scangrade.authoring.printing.markdown import MarkdownError, as_typst
from scangrade.authoring.scanner import OFFICE, ScannedImage, write_scan
from scangrade.authoring.simulate import PrintedForm, simulate_booklet
from scangrade.check import load_definitions
from scangrade.definitions.exam import load_exam
from scangrade.errors import OutputError, Severity, UsageError
from scangrade.geometry import MM_PER_INCH
from scangrade.grade import grade
from scangrade.model import FieldKind, Layout, Rubric
from scangrade.paper.page_code import read_barcode

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "samples" / "printed" / "exam.toml"
_MM = MM_PER_INCH / 72

QUIZ = """
format = 1
name = "quiz"
title = "Quiz"
convention = "cross"
versions = ["A", "B", "C"]
seed = 5

[student]
digits = 6

[[questions]]
part = "One"
text = "first"
alternatives = ["a", "b", "c"]
points = 1
key = "A"

[[questions]]
text = "second, which is so long that it needs more than one line of the page: lorem arbor velit mundi petra sonus gradus tempus"
alternatives = ["a", "b", "c which is so long that it needs more than one line of the page: lorem arbor velit mundi petra sonus, gradus"]
points = 2
key = "B"

[[questions]]
text = "third"
alternatives = ["a", "b", { text = "none", stays = true }]
points = 4
key = "C"

[[questions]]
part = "Many"
text = "fourth"
alternatives = ["a", "b", "c", "d", "e"]
points = 8
key = ["A", "C"]

[[questions]]
text = "fifth"
alternatives = ["a", "b", "c", "d", "e"]
points = 16
key = ["B"]

[[questions]]
part = "Open"
text = "sixth"
policy = "credit"
points = 3
halves = true
corrections = 2
space = 50
"""


def write(folder: Path, text: str = QUIZ, name: str = "exam.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def definitions(folder: Path) -> tuple[Layout, Rubric]:
    found = load_definitions(folder / "b-layout.toml", folder / "b-rubric.toml")
    return found.layout, found.rubric


def faults(folder: Path, text: str) -> list[str]:
    with pytest.raises(PrintFaultsError) as caught:
        print_booklets(write(folder, text), output=folder / "b.pdf")
    assert not (folder / "b.pdf").exists() and not (folder / "b-layout.toml").exists()
    return [str(one).removeprefix(f"{folder}/") for one in caught.value.issues if one.severity is Severity.ERROR]


def scanned(
    folder: Path, wanted: Mapping[str, Mapping[str, frozenset[str]]], numbers: Mapping[str, str], copies: list[str]
) -> Path:
    """Fill the printed booklets: `wanted` has, by copy and question of the exam file, the alternatives that somebody means."""
    layout, rubric = definitions(folder)
    bare = replace(layout, page_code=None)  # the codes are on the paper
    paper = [np.asarray(page, dtype=np.uint8) for page in convert_from_path(folder / "b.pdf", dpi=200, grayscale=True)]
    rng = np.random.default_rng(4)
    stack: list[ScannedImage] = []
    for index, copy in enumerate(copies):
        form = PrintedForm(bare, tuple(paper[index * len(layout.pages) : (index + 1) * len(layout.pages)]), 200)
        permutation = rubric.permutations.get(copy[0])
        answers: dict[str, frozenset[str]] = {}
        for one in layout.fields:
            if one.kind is FieldKind.DIGIT:
                number = numbers.get(copy, "")
                answers[one.id] = frozenset(number[one.place - 1 : one.place])
            elif one.kind is FieldKind.CREDIT:
                answers[one.id] = wanted[copy][one.question]
            elif one.kind is FieldKind.CHOICE:
                meant = permutation.questions.get(one.question, one.question) if permutation else one.question
                there = permutation.alternatives.get(one.question, {}) if permutation else {}
                answers[one.id] = frozenset(
                    box.value for box in one.boxes if there.get(box.value, box.value) in wanted[copy][meant]
                )
        person = replace(CROSSERS[0], mistakes=0.0, specks=0.0)
        texts = {"student_number_written": numbers.get(copy, "")}
        images, _ = simulate_booklet(bare, answers, person, replace(OFFICE, dpi=200), rng, copy, form=form, texts=texts)
        stack += images
    write_scan(stack, folder / "scan.pdf")
    return folder / "scan.pdf"


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))


# --------------------------------------------------------------------------- the loop


@pytest.mark.slow
def test_print_scan_grade_is_one_loop(tmp_path: Path) -> None:
    """Versions are shuffled; what somebody meant by their crosses comes back as points, whatever stood where."""
    made = print_booklets(write(tmp_path), output=tmp_path / "b.pdf", copies=6)
    copies = ["A-0001", "B-0002", "C-0003", "A-0004", "B-0005", "C-0006"]
    keys = {"1": ({"A"}, 1), "2": ({"B"}, 2), "3": ({"C"}, 4), "4": ({"A", "C"}, 8), "5": ({"B"}, 16)}
    rng = random.Random(1)
    wanted: dict[str, dict[str, frozenset[str]]] = {}
    truth: dict[str, dict[str, float]] = {}
    for copy in copies:
        wanted[copy], truth[copy] = {}, {}
        for question, (key, points) in keys.items():
            right = rng.random() < 0.6
            wrong = {"B"} if question in "13" else {"A"} if question == "2" else {"A", "B", "E"}
            wanted[copy][question] = frozenset(key if right else wrong)
            truth[copy][question] = points if right else 0
        credit = rng.choice([("2", 2.0), ("2 2H", 2.5), ("0", 0.0), ("3", 3.0)])
        wanted[copy]["6"], truth[copy]["6"] = frozenset(credit[0].split()), credit[1]
    numbers = {copy: f"{100000 + index * 1111}" for index, copy in enumerate(copies)}
    scan = scanned(tmp_path, wanted, numbers, copies)
    grade([scan], layout=made.layout, rubric=tmp_path / "b-rubric.toml", out=tmp_path / "run", workers=1)
    graded = {row["booklet"]: row for row in rows(tmp_path / "run" / "gradebook.csv")}
    assert set(graded) == set(copies)
    for copy in copies:
        assert {one: float(graded[copy][one]) for one in truth[copy]} == truth[copy], copy
        assert graded[copy]["student_number"] == numbers[copy]
    assert rows(tmp_path / "run" / "flags.csv") == []
    _, rubric = definitions(tmp_path)
    assert len({str(rubric.permutations[version]) for version in "BC"}) == 2, "the test has shuffled versions"
    assert rubric.permutations["B"].questions or rubric.permutations["C"].questions


@pytest.mark.slow
def test_booklets_of_a_class_list_know_whose_they_are(tmp_path: Path) -> None:
    """Nobody marks a number: the label's code says it."""
    roster = tmp_path / "class.csv"
    students = [("100001", "Łąkowska", "Zoë", "A-1"), ("100002", "أحمد", "محمد", ""), ("100003", "שלום", "דוד", "B-3")]
    lines = ["student_number,last_name,first_name,seat", *(",".join(one) for one in students)]
    roster.write_text("\n".join(lines), encoding="utf-8")
    made = print_booklets(write(tmp_path), output=tmp_path / "b.pdf", roster=roster, copies=1)
    written = definitions(tmp_path)[0].field("student_number_written")
    assert len(written.cells) == 6, "the number by hand is read as well"
    assert made.copies == 4 and made.table is not None
    copies = ["A-0001", "B-0002", "C-0003", "A-0004"]
    wanted = {copy: {**{one: frozenset({"A"}) for one in "12345"}, "6": frozenset({"1"})} for copy in copies}
    scan = scanned(tmp_path, wanted, {"A-0004": "100003"}, copies)
    grade([scan], layout=made.layout, rubric=tmp_path / "b-rubric.toml", roster=roster, out=tmp_path / "run", workers=1)
    graded = {row["booklet"]: row["last_name"] for row in rows(tmp_path / "run" / "gradebook.csv")}
    assert graded["A-0001"] == "Łąkowska" and graded["B-0002"] == "أحمد"
    table = rows(made.table)
    assert [row["booklet"] for row in table] == copies
    assert [row["student_number"] for row in table] == ["100001", "100002", "100003", ""]
    kinds = {row["kind"] for row in rows(tmp_path / "run" / "flags.csv")}
    assert kinds == {"duplicate_student"}, "the spare booklet was given the number of somebody who has one"


# --------------------------------------------------------------------------- paper


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("printed")
    print_booklets(SAMPLE, output=folder / "b.pdf", copies=2)
    return folder


def test_every_box_is_printed_where_the_layout_has_it(sample: Path) -> None:
    layout, _ = definitions(sample)
    count = len(layout.pages)
    with pdfplumber.open(sample / "b.pdf") as pdf:
        assert len(pdf.pages) == 2 * count
        for number, page in enumerate(pdf.pages):
            printed = [
                ((one["x0"] + one["x1"]) / 2 * _MM, (one["top"] + one["bottom"]) / 2 * _MM, one["width"] * _MM)
                for one in page.rects
            ]
            for box in layout.boxes(number % count + 1):
                near = min(printed, key=lambda one: abs(one[0] - box.x_mm) + abs(one[1] - box.y_mm))
                # the layout is written to 0.01 mm
                assert abs(near[0] - box.x_mm) < 0.012 and abs(near[1] - box.y_mm) < 0.012, box.key
                assert near[2] == pytest.approx(box.width_mm + box.frame_mm, abs=0.012)
            for mark in layout.page(number % count + 1).fiducials:
                assert any(
                    abs(x - mark.x_mm) + abs(y - mark.y_mm) < 0.01 and width == pytest.approx(mark.size_mm, abs=0.01)
                    for x, y, width in printed
                )


def test_every_page_says_which_it_is(sample: Path) -> None:
    for number, page in enumerate(convert_from_path(sample / "b.pdf", dpi=150, grayscale=True)):
        copy = "A-0001" if number < 4 else "B-0002"
        size = round(22 * 150 / MM_PER_INCH)
        left, top = round(168 * 150 / MM_PER_INCH), round(7 * 150 / MM_PER_INCH)
        assert read_barcode(np.asarray(page, dtype=np.uint8), box=(left, top, left + size, top + size)) == (
            f"ai-1/{copy}/{number % 4 + 1}",
        )


def test_the_pdf_is_valid_and_its_fonts_are_embedded(sample: Path) -> None:
    with pikepdf.open(sample / "b.pdf") as pdf:
        assert pdf.check_pdf_syntax() == []
        fonts = [one for one in pdf.objects if isinstance(one, pikepdf.Dictionary) and one.get("/Type") == "/FontDescriptor"]
        assert fonts
        for one in fonts:
            assert any(key in one for key in ("/FontFile", "/FontFile2", "/FontFile3")), one.get("/FontName")
        used = [one for one in pdf.objects if isinstance(one, pikepdf.Dictionary) and one.get("/Type") == "/Font"]
        simple = [one for one in used if one.get("/Subtype") not in ("/Type0", "/Type3") and "/FontDescriptor" not in one]
        assert simple == [], "one of the 14 standard fonts, which are not embedded"
        assert pdf.docinfo.get("/Title") == "Introduction to Artificial Intelligence" or "Introduction" in str(
            pdf.open_metadata().get("dc:title")
        )


def test_the_ruler_is_as_long_as_it_says(sample: Path) -> None:
    with pdfplumber.open(sample / "b.pdf") as pdf:
        page = pdf.pages[0]
        assert "100 mm" in (page.extract_text() or "")
        across = [(one["x1"] - one["x0"]) * _MM for one in page.lines if abs(one["top"] - one["bottom"]) < 0.1]
        assert any(length == pytest.approx(100, abs=0.01) for length in across)


def test_common_pages_are_in_the_file_once(tmp_path: Path) -> None:
    few = print_booklets(write(tmp_path), output=tmp_path / "b.pdf", copies=3)
    size = few.pdf.stat().st_size
    print_booklets(write(tmp_path), output=tmp_path / "b.pdf", copies=60, force=True)
    # a page of its own has a code of some 100 rectangles, which is 0.5 kB; the exam's text is 5 kB and fonts are 50 kB
    assert tmp_path.joinpath("b.pdf").stat().st_size < size + 57 * few.pages * 1500


def test_the_same_seed_prints_the_same_bytes(tmp_path: Path) -> None:
    made = [
        print_booklets(write(tmp_path), output=tmp_path / f"{name}.pdf", seed=seed, force=True)
        for name, seed in (("a", 5), ("b", 5), ("c", 6))
    ]
    bytes_ = [one.pdf.read_bytes() for one in made]
    assert bytes_[0] == bytes_[1]
    assert made[2].seed == 6
    assert "seed 6" in (tmp_path / "c-rubric.toml").read_text(encoding="utf-8")


def test_orders_keep_to_what_is_said(tmp_path: Path) -> None:
    for seed in range(20):
        print_booklets(write(tmp_path), output=tmp_path / "b.pdf", seed=seed, force=True)
        _, rubric = definitions(tmp_path)
        assert "A" not in rubric.permutations, "the first version has the order of the file"
        for permutation in rubric.permutations.values():
            assert set(permutation.questions) <= {"1", "2", "3"} or set(permutation.questions) <= {"1", "2", "3", "4", "5"}
            for place, question in permutation.questions.items():
                assert (place in "123") == (question in "123"), "within its part"
            for place, boxes in permutation.alternatives.items():
                if permutation.questions.get(place, place) == "3":
                    assert boxes["C"] == "C", "none of these stays last"


def test_a_question_is_never_split(tmp_path: Path) -> None:
    rng = random.Random(2)
    words = ["lorem", "arbor", "velit", "mundi", "petra"]
    parts = ['format = 1\nname = "long"\ntitle = "Long"\n']
    for number in range(40):
        count = number % 26 + 1
        text = " ".join(rng.choice(words) for _ in range(rng.randint(5, 120)))
        alternatives = ", ".join(
            '"' + " ".join(rng.choice(words) for _ in range(rng.randint(1, 30 if count < 8 else 4))) + '"'
            for _ in range(count)
        )
        parts.append(f'[[questions]]\ntext = "{text}"\nalternatives = [{alternatives}]\npoints = 1\nkey = ["A"]\n')
    print_booklets(write(tmp_path, "\n".join(parts)), output=tmp_path / "b.pdf")
    layout, _ = definitions(tmp_path)
    choices = [one for one in layout.fields if one.kind is FieldKind.CHOICE]
    assert [len(one.boxes) for one in choices] == [number % 26 + 1 for number in range(40)]
    assert len({one.page for one in choices}) > 10
    with pdfplumber.open(tmp_path / "b.pdf") as pdf:
        for one in choices:
            assert {box.page for box in one.boxes} == {one.page}
            assert max(box.y_mm for box in one.boxes) < 297 - 22
            labels = [
                word for word in pdf.pages[one.page - 1].extract_words() if word["text"] == one.id and word["x0"] * _MM < 22
            ]
            assert len(labels) == 1, "its number stands on the page of its boxes"
            assert labels[0]["top"] * _MM < min(box.y_mm for box in one.boxes)


def test_a_version_with_longer_questions_has_the_same_boxes(tmp_path: Path) -> None:
    """Text of no version reaches into the next row: each place has the room of its longest question."""
    print_booklets(write(tmp_path), output=tmp_path / "b.pdf", copies=3)
    layout, _ = definitions(tmp_path)
    with pdfplumber.open(tmp_path / "b.pdf") as pdf:
        for number, page in enumerate(pdf.pages):
            boxes = [
                one for one in layout.boxes(number % len(layout.pages) + 1) if layout.field(one.field).kind is FieldKind.CHOICE
            ]
            for word in page.extract_words():
                middle = (word["top"] + word["bottom"]) / 2 * _MM
                for box in boxes:
                    inside = word["x1"] * _MM > box.x_mm - 2.3 and word["x0"] * _MM < box.x_mm + 2.3
                    assert not (inside and abs(middle - box.y_mm) < 3.5), (word["text"], box.key)


def test_paper_language_and_pages(tmp_path: Path) -> None:
    text = QUIZ.replace('title = "Quiz"', 'title = "Quiz"\npaper = "letter"\nlanguage = "de"\ncover = false\nduplex = false')
    made = print_booklets(write(tmp_path, text), output=tmp_path / "b.pdf")
    layout, _ = definitions(tmp_path)
    assert (layout.page(1).width_mm, layout.page(1).height_mm) == (215.9, 279.4)
    assert any(one.kind is FieldKind.CHOICE and one.page == 1 for one in layout.fields), (
        "without a cover, questions begin at once"
    )
    assert made.pages == 3, "an odd number, since no booklet begins on a back"
    with pdfplumber.open(made.pdf) as pdf:
        assert "Matrikelnummer" in (pdf.pages[0].extract_text() or "")


# --------------------------------------------------------------------------- names


def test_names_without_a_font_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import typst  # noqa: PLC0415

    from scangrade.authoring.printing import typeset  # noqa: PLC0415

    monkeypatch.setattr(typeset, "_fonts", lambda: typst.Fonts(include_system_fonts=False, include_embedded_fonts=True))
    roster = tmp_path / "class.csv"
    roster.write_text("student_number,last_name,first_name\n100001,李,明\n100002,Moorland,Ada\n", encoding="utf-8")
    made = print_booklets(write(tmp_path), output=tmp_path / "b.pdf", roster=roster)
    assert len(made.notes) == 1 and "100001" in made.notes[0] and "100002" not in made.notes[0]
    with pdfplumber.open(made.pdf) as pdf:
        first, second = (pdf.pages[place].extract_text() or "" for place in (0, made.pages))
    assert "100001" in first and "Moorland, Ada" in second


# --------------------------------------------------------------------------- faults


_CHANGES: list[tuple[str, str, str]] = [
    ('key = "A"', 'key = "D"', 'exam.toml:12, questions.1: the key names "D"; there are the alternatives A, B and C.'),
    ("alternatives = [", "alternativs = [", "exam.toml:15, questions[1].alternativs: unknown key `alternativs`. Did you mean"),
    ("points = 1\n", 'points = "much"\n', 'exam.toml:16, questions.1.points: `points` is "much"; it must be a number, or a'),
    ("points = 3\n", "points = 2.5\n", "exam.toml:48, questions[6].points: a credit row goes up to whole points, not to 5/2."),
    ("space = 50", "space = 500", "exam.toml:44, questions[6]: question 6 is"),
    ('"first"', '"first $\\\\foo{x}$"', "exam.toml:14, questions[1].text: it cannot be set: unknown variable"),
    ('"first"', '"<b>first</b>"', "exam.toml:14, questions[1].text: HTML is not printed: '<b>'."),
    ('"first"', '"![](../x.png)"', "exam.toml:14, questions[1].text: the image '../x.png' is not in the folder"),
    ('"first"', '"![](x.png)"', "exam.toml:14, questions[1].text: it cannot be set: file not found"),
    ('text = "first"', 'id = "2"', 'questions[2]: without an id this is question "2", which is another one\'s id.'),
    ('part = "One"\n', "", "exam.toml:12, questions[1]: later questions begin parts, but this one is in none."),
    ('"quiz"', '"a name that is far too long for a code of ours"', "exam.toml:3, name: `name` is"),
    ('"B", "C"]\nseed', '"B-1"]\nseed', 'exam.toml:6, versions[2]: the entry is "B-1"; it may have letters A to Z and'),
    ("halves = true", "columns = 2", "questions[6].columns: `columns` has no meaning without alternatives."),
    ('"none"', '""', "alternative C is empty"),
]


@pytest.mark.parametrize(("there", "instead", "told"), _CHANGES)
def test_faults_are_told_with_their_place(tmp_path: Path, there: str, instead: str, told: str) -> None:
    assert there in QUIZ
    found = faults(tmp_path, QUIZ.replace(there, instead, 1))
    assert any(told in one for one in found), found


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    text = (
        QUIZ.replace('key = "A"', 'kye = "A"')
        .replace("points = 8", 'points = "x"')
        .replace('convention = "cross"', 'convention = "crss"')
    )
    assert len(faults(tmp_path, text)) == 3


def test_a_layout_or_rubric_is_no_exam(tmp_path: Path) -> None:
    assert "this is a layout" in faults(tmp_path, (ROOT / "layouts" / "nops.toml").read_text(encoding="utf-8"))[0]
    assert "this is a rubric" in faults(tmp_path, (ROOT / "rubrics" / "nops.toml").read_text(encoding="utf-8"))[0]


def test_files_that_are_there_stay(tmp_path: Path) -> None:
    exam = write(tmp_path)
    (tmp_path / "b-rubric.toml").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match=r"b-rubric\.toml is there already"):
        print_booklets(exam, output=tmp_path / "b.pdf")
    assert not (tmp_path / "b.pdf").exists()
    with pytest.raises(UsageError, match="go up to 10000"):
        print_booklets(exam, output=tmp_path / "b.pdf", first=9999, copies=2, force=True)
    with pytest.raises(UsageError, match="nothing to print"):
        print_booklets(exam, output=tmp_path / "b.pdf", copies=0, force=True)
    assert (tmp_path / "b-rubric.toml").read_text(encoding="utf-8") == "mine"


def test_numbers_go_on(tmp_path: Path) -> None:
    print_booklets(write(tmp_path), output=tmp_path / "b.pdf", copies=2, first=41)
    with pdfplumber.open(tmp_path / "b.pdf") as pdf:
        texts = " ".join(page.extract_text() or "" for page in pdf.pages)
    assert set(re.findall(r"Booklet (\S+)", texts)) == {"B-0041", "C-0042"}, "version by number, whatever was printed before"


def test_the_sample_has_no_fault() -> None:
    exam, issues = load_exam(SAMPLE)
    assert exam is not None and issues == ()


# --------------------------------------------------------------------------- Markdown


def test_markdown_is_not_taken_for_typst() -> None:
    assert as_typst('#set *x* @y $5 and $6 \\$ "q" (c)') == '#"#set ";#emph[#"x";];#" @y $5 and $6 $ “q” (c)";'
    assert as_typst("'y'", language="de") == '#"\u201ay\u2018";'
    assert as_typst(r"$\frac{a}{b}$") == "$a/b$"
    assert as_typst("$a/b$", formulas="typst") == "$a/b$"
    assert as_typst("![](a.png){width=40mm}") == '#box(image("/a.png", width: 40mm));'
    for bad in ("![](https://x.org/a.png)", "![](a.png){width=red}", "a <i>b</i>", "<div>\nx\n</div>"):
        with pytest.raises(MarkdownError):
            as_typst(bad)
