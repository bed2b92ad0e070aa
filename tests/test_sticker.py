"""Labels with a known number are pasted onto a form's first page, scanned, and must be read, matched, or asked about."""

from __future__ import annotations

import csv
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytesseract
import pytest

from scangrade.answers.identify import Said, identify, words_of_witnesses
from scangrade.authoring.form import barcode_modules
from scangrade.authoring.scanner import COPIER, COPIER_1BIT, GOOD, HARD, OFFICE, ScannedImage, Scanner, scan_page, write_scan
from scangrade.authoring.simulate import PrintedForm
from scangrade.conclude import said_of
from scangrade.definitions.layout import load_layout
from scangrade.forget import forget
from scangrade.grade import grade
from scangrade.model import (
    Answer,
    Booklet,
    FieldKind,
    Flag,
    Identity,
    MatchStatus,
    PageRead,
    Region,
    Roster,
    StickerCode,
    StickerRead,
    Student,
)
from scangrade.paper import sticker as sticker_reading
from scangrade.paper.rasterise import PageImage
from scangrade.paper.read import FormReader, read_page
from scangrade.run.store import APPLICATION_ID, MIGRATIONS, STORE_NAME, Store
from tests import labels
from tests.labels import Label
from tests.records import layout, number_answers, number_grid, region
from tests.records import read as read_record

ADA = Student("12345678", "Lovelace", "Ada")
EMMY = Student("00918273", "Noether", "Emmy")
ROSTER = Roster((ADA, EMMY, Student("87654321", "Hopper", "Grace")))

PLACE = region("sticker", FieldKind.STICKER)
GRID = number_grid()
ALONE = layout(PLACE)
BOTH = layout(*GRID, PLACE)


# --------------------------------------------------------------------------- from the paper


@pytest.fixture(scope="module")
def printed() -> PrintedForm:
    return labels.printed_form(labels.form(content="{exam}/{copy}/{page}"))


def read(printed: PrintedForm, label: Label | None, scanner: Scanner = OFFICE, seed: int = 1) -> StickerRead:
    image = labels.scanned(label, scanner, np.random.default_rng(seed), printed)
    result = read_page(PageImage(image.pixels(), image.dpi, "one"), FormReader(printed.layout), expected_page=1)
    assert isinstance(result, PageRead)
    assert result.copy == "0017"
    assert result.sticker is not None
    return result.sticker


@pytest.mark.parametrize("kind", ["DataMatrix", "QRCode", "Code128"])
@pytest.mark.parametrize("scanner", [GOOD, HARD, COPIER_1BIT], ids=lambda scanner: scanner.name)
def test_the_code_is_read_askew_and_beside_its_place(printed: PrintedForm, kind: str, scanner: Scanner) -> None:
    label = Label("12345678", "12345678", kind, turn_deg=-7.0, right_mm=-6.0, down_mm=8.0)
    assert read(printed, label, scanner).codes == (StickerCode("12345678", kind),)


@pytest.mark.parametrize("turn", [0.0, 12.0, -25.0, 90.0, 180.0])
def test_print_is_read_along_the_code(printed: PrintedForm, turn: float) -> None:
    assert read(printed, Label("00918273", "00918273", turn_deg=turn)) == StickerRead(
        (StickerCode("00918273", "DataMatrix"),), ("00918273",)
    )


def test_a_creased_label_is_read(printed: PrintedForm) -> None:
    label = Label("12345678", "12345678", creases=((0.08, 20.0, 0.2), (0.9, -10.0, 0.4)))
    assert read(printed, label).codes == (StickerCode("12345678", "DataMatrix"),)


def test_print_is_read_where_the_code_is_scribbled_over(printed: PrintedForm) -> None:
    assert read(printed, Label("12345678", "12345678", scribbled=True)) == StickerRead((), ("12345678",))


def test_a_number_beside_another_code_is_told_as_it_is(printed: PrintedForm) -> None:
    assert read(printed, Label("12345678", "87654321")) == StickerRead((StickerCode("12345678", "DataMatrix"),), ("87654321",))


@pytest.mark.parametrize(
    ("said", "stands"),
    [
        ([("12345673",), ("12345678",)], "12345678"),  # misread at one size
        ([("12345673",), (), ("12845678", "12345678")], "12345678"),
        ([("12345673",), ("12345673",), ("12345673",)], "12345673"),  # another number is printed there
        ([("12345673",), (), ()], "12345673"),
        ([("87654321",)], "87654321"),  # nothing that is misread for the code's
        ([("1234567",)], "1234567"),
    ],
)
def test_print_that_is_almost_the_codes_is_read_again(
    printed: PrintedForm, said: Sequence[tuple[str, ...]], stands: str
) -> None:
    with (
        mock.patch.object(sticker_reading, "is_only_number", return_value=False),
        mock.patch.object(sticker_reading, "read_numbers", side_effect=said) as called,
    ):
        assert read(printed, Label("12345678", "12345678"), GOOD).printed == (stands,)
    assert called.call_count == len(said)


@pytest.mark.parametrize("scanner", [GOOD, OFFICE, COPIER], ids=lambda scanner: scanner.name)
def test_print_that_is_surely_the_codes_needs_no_tesseract(printed: PrintedForm, scanner: Scanner) -> None:
    with mock.patch.object(sticker_reading, "read_numbers", side_effect=AssertionError):
        for number, turn in (("12345678", 2.0), ("00918273", -8.0), ("64758931", 5.0)):
            assert read(printed, Label(number, number, turn_deg=turn), scanner).printed == (number,)


@pytest.mark.parametrize("place", range(8))
def test_another_digit_than_the_codes_is_never_taken_for_it(printed: PrintedForm, place: int) -> None:
    rng = np.random.default_rng(place)
    number = "".join(map(str, rng.integers(0, 10, 8).tolist()))
    other = number[:place] + str((int(number[place]) + int(rng.integers(1, 10))) % 10) + number[place + 1 :]
    scanner = (GOOD, OFFICE, COPIER, COPIER_1BIT)[place % 4]
    with mock.patch.object(sticker_reading, "read_numbers", return_value=()) as tesseract:
        assert read(printed, Label(number, other), scanner, seed=place).printed == ()
    tesseract.assert_called()


def test_with_a_second_number_on_it_a_label_is_read_by_tesseract(printed: PrintedForm) -> None:
    both = "12345678     87654321"
    with mock.patch.object(sticker_reading, "read_numbers", return_value=("1", "2")) as tesseract:
        assert read(printed, Label("12345678", both, width_mm=95.0)).printed == ("1", "2")
    tesseract.assert_called_once()


def test_on_an_empty_place_tesseract_is_not_called(printed: PrintedForm) -> None:
    with mock.patch.object(sticker_reading, "read_numbers", side_effect=AssertionError):
        for scanner in (GOOD, HARD, COPIER_1BIT):
            assert read(printed, None, scanner) == StickerRead()


@pytest.mark.parametrize("kind", ["DataMatrix", "QRCode"])
def test_a_small_code_alone_on_its_place_is_read(kind: str) -> None:
    scale, module = 12, 3  # a code of 4 to 6 mm is less than a two hundredth of the place and its surroundings
    page = np.full((100 * scale, 140 * scale), 250, np.uint8)
    code = np.kron(barcode_modules("12345678", kind).astype(np.uint8), np.ones((module, module), np.uint8))
    page[600 : 600 + len(code), 800 : 800 + code.shape[1]][code > 0] = 40
    found = sticker_reading.read_sticker(page, np.diag([scale, scale, 1.0]), Region(1, 20.0, 20.0, 90.0, 50.0))
    assert [one.text for one in found.codes] == ["12345678"]


def test_on_a_page_without_a_place_nothing_is_looked_for() -> None:
    form = labels.printed_form(labels.form(pages=2, content="{exam}/{copy}/{page}"))
    image = scan_page(form.page(2, "0017"), GOOD, np.random.default_rng(1), page_dpi=form.dpi)
    result = read_page(PageImage(image.pixels(), image.dpi, "two"), FormReader(form.layout), expected_page=2)
    assert isinstance(result, PageRead)
    assert (result.page, result.sticker) == (2, None)


def test_the_forms_own_code_is_not_the_labels() -> None:
    """The page code lies within the margin around the label's place here."""
    form = labels.form(content="{exam}/{copy}/{page}")
    near = Region(1, 110.0, 34.0, 80.0, 40.0)
    fields = tuple(replace(one, region=near) if one.kind is FieldKind.STICKER else one for one in form.fields)
    printed = labels.printed_form(replace(form, fields=fields))
    assert read(printed, None) == StickerRead()


@pytest.mark.parametrize(
    "trouble",
    [pytesseract.TesseractNotFoundError(), RuntimeError("Tesseract process timeout"), pytesseract.TesseractError(1, "x")],
)
def test_without_tesseract_the_code_is_read_all_the_same(printed: PrintedForm, trouble: Exception) -> None:
    with mock.patch.object(pytesseract, "image_to_data", side_effect=trouble):
        assert read(printed, Label("12345678", "87654321")) == StickerRead((StickerCode("12345678", "DataMatrix"),))


# --------------------------------------------------------------------------- whose it is


def sticker(code: str = "", *printed: str) -> StickerRead:
    return StickerRead((StickerCode(code, "DataMatrix"),) if code else (), printed)


def one(read: StickerRead | None, marked: str = "", roster: Roster | None = ROSTER) -> tuple[Identity, tuple[Flag, ...]]:
    """Who it is by a label, and by a grid where `marked` says how it is marked."""
    form = BOTH if marked else ALONE
    answers: Sequence[Answer] = number_answers(GRID, marked) if marked else ()
    (identity,), flags = identify({"b1": answers}, form, roster, said={"b1": Said(read)})
    return identity, flags


@pytest.mark.parametrize(
    ("read", "marked"),
    [
        (sticker("12345678"), ""),
        (sticker("12345678", "12345678"), ""),
        (sticker(" 12345678 "), ""),
        (sticker("I2DL/12345678/S24"), ""),  # a number within a text
        (sticker("12345678", "123456"), ""),  # part of a number contradicts nothing
        (sticker("12345678", "12345678", "26072024"), ""),  # a date beside it
        (sticker("12345678"), "________"),
        (sticker("12345678"), "123?56_8"),
        (sticker("12345678"), "12345678"),
        (sticker("", "12345678"), "12345678"),
        (sticker(), "12345678"),
        (None, "12345678"),
    ],
)
def test_witnesses_that_agree_settle_it(read: StickerRead | None, marked: str) -> None:
    identity, flags = one(read, marked)
    assert identity == Identity("b1", MatchStatus.MATCHED, ADA.number, ADA)
    assert not flags


@pytest.mark.parametrize(
    ("read", "marked", "said", "named"),
    [
        (sticker("12345678", "00918273"), "", ["says 12345678", "Ada", "printed on it is 00918273"], (ADA, EMMY)),
        (sticker("12345678", "12345679"), "", ["says 12345678", "printed on it is 12345679"], (ADA,)),
        (sticker("12345678"), "00918273", ["says 12345678", "the grid has 00918273: Noether"], (ADA, EMMY)),
        (sticker("12345678"), "1?345679", ["says 12345678", "the grid has 1?345679"], (ADA,)),
        (sticker("", "00918273"), "12345678", ["printed on it is 00918273", "the grid has 12345678"], (ADA, EMMY)),
        (sticker("99999999"), "", ["says 99999999", "nobody on the roster"], ()),
        (sticker("99999999"), "12345678", ["nobody on the roster", "the grid has 12345678"], (ADA,)),
        (sticker("12345678 00918273"), "", ["several students"], (ADA, EMMY)),
        (sticker("918273"), "", ["zeros at the start"], (EMMY,)),
        (sticker("912345678"), "", ["nobody"], ()),  # a longer number is another number
        (sticker("", "12345678"), "", ["could not be read", "printed on it: 12345678"], (ADA,)),
        (sticker(), "", ["the sticker could not be read"], ()),
        (None, "", ["was not read, or the page is missing"], ()),
    ],
)
def test_whatever_is_not_certain_is_asked(
    read: StickerRead | None, marked: str, said: Sequence[str], named: tuple[Student, ...]
) -> None:
    identity, (flag,) = one(read, marked)
    assert (identity.status, identity.student) == (MatchStatus.UNKNOWN, None)
    assert set(identity.candidates) == set(named)
    assert (flag.page, flag.field) == (1, "sticker")
    for words in said:
        assert words in flag.detail


def test_a_second_code_that_names_nobody_is_asked_about() -> None:
    both = StickerRead((StickerCode("12345678", "DataMatrix"), StickerCode("99999999", "Code128")))
    identity, (flag,) = one(both)
    assert identity.status is MatchStatus.UNKNOWN
    assert "nobody on the roster has 99999999" in flag.detail


def test_a_code_is_never_taken_for_a_number_that_two_students_have() -> None:
    identity, (flag,) = one(sticker("12345678"), roster=Roster((ADA, Student("12345678", "Other"))))
    assert identity.status is MatchStatus.UNKNOWN
    assert "several students" in flag.detail


def test_without_a_roster_the_code_stands_as_it_is() -> None:
    assert one(sticker("12345678"), roster=None)[0] == Identity("b1", MatchStatus.NO_ROSTER, "12345678")
    assert one(sticker("S24/12345678"), roster=None)[0].number == "12345678"
    assert one(sticker("12345678", "12345679"), roster=None)[0].status is MatchStatus.UNKNOWN
    assert one(sticker("https://example.org"), roster=None)[0].status is MatchStatus.UNKNOWN


def test_a_code_with_anything_in_it_is_told_in_short() -> None:
    identity, (flag,) = one(sticker("=HYPERLINK(1)\n\x00" + "x" * 3000))
    assert (identity.status, identity.number) == (MatchStatus.UNKNOWN, "")
    assert flag.detail.isprintable()
    assert len(flag.detail) < 250
    assert one(sticker("7" * 3000), roster=None)[0].status is MatchStatus.UNKNOWN


def test_two_booklets_with_one_sticker_are_both_flagged() -> None:
    held = {"b1": sticker("12345678"), "b2": sticker("12345678"), "b3": sticker("87654321")}
    identities, flags = identify(dict.fromkeys(held, ()), ALONE, ROSTER, said={key: Said(one) for key, one in held.items()})
    assert [found.status for found in identities] == [MatchStatus.DUPLICATE, MatchStatus.DUPLICATE, MatchStatus.MATCHED]
    assert [(flag.booklet, flag.page, flag.field) for flag in flags] == [("b1", 1, "sticker"), ("b2", 1, "sticker")]
    assert "by what was read on them" in flags[0].detail


def test_each_witness_has_its_word() -> None:
    cover = read_record(1, "0017", at=1)
    assert isinstance(cover.result, PageRead)
    labelled = replace(cover, result=replace(cover.result, sticker=sticker("12345678", "00918273")))
    booklet = Booklet("b1", {1: labelled})
    said = words_of_witnesses(booklet, number_answers(GRID, "1234567?"), BOTH, ROSTER, said_of(booklet, ()))
    assert [(one.witness, one.word) for one in said] == [
        ("Grid", "1234567?"),
        ("Sticker's code", "12345678 (DataMatrix): Lovelace, Ada"),
        ("Printed on the sticker", "00918273: Noether, Emmy"),
        ("Page codes", "copy 0017"),
    ]
    silent = words_of_witnesses(Booklet("b1", {}), (), BOTH, ROSTER)
    assert [one.word for one in silent] == ["its page is missing", "not read", "not read"]


# --------------------------------------------------------------------------- in the run


def test_a_sticker_is_stored_and_older_runs_open(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / STORE_NAME)) as older:
        for statement in (statement for step in MIGRATIONS[:3] for statement in step):
            older.execute(statement)
        older.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        older.execute("PRAGMA user_version = 3")
        older.commit()
    with Store(tmp_path) as store:
        columns = {name for _, name, *_ in store.query("PRAGMA table_info(pages)")}
    assert "sticker" in columns


LAYOUT = """
format = 1
name = "stickered"
title = "Stickered exam"
convention = "any"
pages = 2
page_size = [210, 297]

[box]
size = 4.0
frame = 0.3

[page_code]
kind = "barcode"
region = [90, 8, 30, 20]
content = "{exam}/{copy}/{page}"
exam = "test"

[[fiducials]]
kind = "square"
size = 5
at = [[12, 12], [198, 12], [12, 285], [198, 285]]

[[fields]]
id = "sticker"
kind = "sticker"
page = 1
region = [110, 70, 80, 40]
"""
QUESTIONS = """
[[fields]]
ids = [{ids}]
kind = "choice"
page = {page}
select = "many"
values = "ABCD"
origin = [40, 70]
step = [9, 0]
field_step = [0, 14]
"""
RUBRIC = """
format = 1
name = "stickered"
title = "Stickered exam"
total = 12
"""
QUESTION = """
[questions."{id}"]
policy = "all-or-nothing"
points = 1
key = []
"""

#: By copy: the label on its cover.
BOOKLETS = {
    "0015": Label("12345678", "12345678", turn_deg=5.0),
    "0016": Label("87654321", "00918273"),  # the number beside the code is another one
    "0017": Label("11112222", "", scribbled=True),  # nothing can be read
    "0018": Label("99999999", "99999999", "QRCode"),  # nobody
    "0019": Label("33334444", "33334444", "Code128", turn_deg=-4.0, right_mm=-8.0),
}


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of five booklets, whose pages were scanned in no order."""
    folder = tmp_path_factory.mktemp("stickers")
    names = [f"{page}.{number}" for page in (1, 2) for number in range(1, 7)]
    fields = [QUESTIONS.format(page=page, ids=", ".join(f'"{page}.{one}"' for one in range(1, 7))) for page in (1, 2)]
    (folder / "layout.toml").write_text(LAYOUT + "".join(fields), encoding="utf-8")
    (folder / "rubric.toml").write_text(RUBRIC + "".join(QUESTION.format(id=one) for one in names), encoding="utf-8")
    people = [ADA, EMMY, Student("87654321", "Hopper", "Grace"), Student("11112222", "Kim"), Student("33334444", "Liu")]
    lines = [f"{one.number},{one.last_name},{one.first_name}" for one in people]
    (folder / "roster.csv").write_text("\n".join(["student_number,last_name,first_name", *lines]), encoding="utf-8")
    form, faults = load_layout(folder / "layout.toml")
    assert form is not None, faults
    printed = labels.printed_form(form)
    rng = np.random.default_rng(7)
    pages: list[ScannedImage] = []
    for copy, label in BOOKLETS.items():
        pages.append(labels.scanned(label, OFFICE, rng, printed, copy))
        pages.append(scan_page(printed.page(2, copy), OFFICE, rng, page_dpi=printed.dpi))
    write_scan([pages[index] for index in rng.permutation(len(pages))], folder / "pile.pdf")
    grade(
        [folder / "pile.pdf"],
        layout=folder / "layout.toml",
        rubric=folder / "rubric.toml",
        roster=folder / "roster.csv",
        out=folder / "run",
        workers=0,
    )
    return folder / "run"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def test_from_scan_to_gradebook(graded: Path) -> None:
    given = {one["booklet"]: one["student_number"] for one in rows(graded / "gradebook.csv") if one["booklet"]}
    assert given == {"0015": "12345678", "0016": "", "0017": "", "0018": "", "0019": "33334444"}
    flags = {one["booklet"]: one for one in rows(graded / "flags.csv") if one["kind"] == "unknown_student"}
    assert set(flags) == {"0016", "0017", "0018"}
    assert "says 87654321 (DataMatrix): Hopper, Grace, the number printed on it is 00918273" in flags["0016"]["detail"]
    assert "could not be read" in flags["0017"]["detail"]
    assert "99999999 (QRCode), which is of nobody on the roster" in flags["0018"]["detail"]


def test_a_booklet_keeps_together_by_its_page_codes_without_its_sticker(graded: Path) -> None:
    held = {(one["booklet"], one["page"]) for one in rows(graded / "pages.csv")}
    assert held == {(copy, page) for copy in BOOKLETS for page in "12"}


def test_what_was_read_comes_back_from_the_store(graded: Path) -> None:
    with Store(graded) as store:
        for readings in (True, False):
            pages = [page.result for page in store.pages(readings=readings) if isinstance(page.result, PageRead)]
            by_copy = {page.copy: page.sticker for page in pages if page.page == 1}
            assert by_copy["0015"] == StickerRead((StickerCode("12345678", "DataMatrix"),), ("12345678",))
            assert by_copy["0017"] == StickerRead()
            assert all(page.sticker is None for page in pages if page.page == 2)


def test_forgetting_numbers_takes_them_out_of_the_labels(graded: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(graded, run)
    forget(run, numbers=True)
    with Store(run) as store:
        assert all(page.result.sticker is None for page in store.pages() if isinstance(page.result, PageRead))
    held = b"".join(path.read_bytes() for path in run.iterdir() if path.is_file())
    assert not [number for number in ("12345678", "33334444", "99999999", "00918273") if number.encode() in held]
