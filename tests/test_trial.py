"""Trials of layouts: what makes a form unsafe is said, with what to add, and adding it makes it safe."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from scangrade.authoring.draft import layout_toml
from scangrade.authoring.form import draw_blank
from scangrade.authoring.printing.booklets import print_booklets
from scangrade.authoring.trial import check_layout
from scangrade.cli import main
from scangrade.errors import Severity
from scangrade.model import Box, Field, FieldKind, Layout, PageCode, PageCodeKind, Region
from tests.forms import form

ROOT = Path(__file__).parents[1]


def field(name: str, page: int, places: list[tuple[float, float]], *, frame: float = 0.3) -> Field:
    boxes = tuple(Box(name, "ABCDEFGHIJKLMNOP"[k], page, x, y, 4.0, 4.0, frame) for k, (x, y) in enumerate(places))
    return Field(name, FieldKind.CHOICE, page, boxes, question=name, many=True)


#: Boxes that lie on each other when the page is turned.
SYMMETRIC = [(x, y) for y in (100.0, 148.5, 197.0) for x in (60.0, 90.0, 120.0, 150.0)]
UNEVEN = [(30.0 + 9 * k, 60.0 + 23 * k) for k in range(8)]
CODE = PageCode(PageCodeKind.BARCODE, Region(0, 168, 7, 22, 22), "{exam}/{copy}/{page}", "test")


def bare(pages: int = 1) -> Layout:
    """A form without boxes."""
    return replace(form(pages=pages, questions=0), fields=())


def warnings(folder: Path, layout: Layout, *, reference: str = "") -> list[str]:
    """What is said of a layout's trials."""
    path = folder / "layout.toml"
    path.write_text(layout_toml(layout, reference=reference), encoding="utf-8")
    issues = check_layout(path)
    assert all(one.severity is Severity.WARNING for one in issues)
    return [str(one).removeprefix(f"{folder}/") for one in issues]


def test_a_page_that_looks_the_same_upside_down(tmp_path: Path) -> None:
    layout = replace(bare(), fields=(field("1", 1, SYMMETRIC),))
    found = warnings(tmp_path, layout)
    assert any("layout.toml, page 1: upside down" in one and "leave one registration mark out" in one for one in found), found
    # doing either of what is said
    three = replace(layout, pages=(replace(layout.pages[0], fiducials=layout.pages[0].fiducials[:3]),))
    for better in (three, replace(layout, page_code=CODE)):
        assert not any("upside down" in one for one in warnings(tmp_path, better))
    assert not any("upside down" in one for one in warnings(tmp_path, replace(layout, fields=(field("1", 1, UNEVEN),))))


def test_pages_that_can_be_swapped(tmp_path: Path) -> None:
    layout = replace(bare(2), fields=(field("1", 1, UNEVEN), field("2", 2, UNEVEN)))
    found = warnings(tmp_path, layout)
    assert any("page 1: in the place of page 2 in a pile, it is taken for that page" in one for one in found), found
    assert any("page 2: in the place of page 1 in a pile" in one for one in found)
    assert not any("in a pile" in one for one in warnings(tmp_path, replace(layout, page_code=CODE)))
    other = [(x + 40, y + 5) for x, y in UNEVEN]
    apart = replace(layout, fields=(field("1", 1, UNEVEN), field("2", 2, other)))
    assert not any("in a pile" in one for one in warnings(tmp_path, apart))


def test_a_page_with_too_little_to_be_found_by(tmp_path: Path) -> None:
    unmarked = replace(bare(), pages=(replace(bare().pages[0], fiducials=()),))
    few = replace(unmarked, fields=(field("1", 1, UNEVEN[:2], frame=0.0),))
    found = warnings(tmp_path, few)
    assert any("even a clean print of it (2 boxes, none of them with a frame) would be set aside" in one for one in found), (
        found
    )
    (tmp_path / "blank.pdf").write_bytes(draw_blank(few, seed=1))
    with_blank = warnings(tmp_path, few, reference="blank.pdf")
    assert not any("clean print" in one for one in with_blank), "its print places it"
    row = replace(unmarked, fields=(field("1", 1, [(30.0 + 9 * k, 100.0) for k in range(16)]),))
    assert any("would be set aside" in one for one in warnings(tmp_path, row)), "a row shifted by one box is the same row"


def test_one_mark_to_spare(tmp_path: Path) -> None:
    page = bare().pages[0]
    uneven = (*page.fiducials[:3], replace(page.fiducials[3], x_mm=170.0))  # so that it is known which way up it is
    layout = replace(bare(), pages=(replace(page, fiducials=uneven),), fields=(field("1", 1, UNEVEN[:2]),))
    told = "where one registration mark is covered, by a staple or a stamp, it would be set aside"
    assert any(told in one for one in warnings(tmp_path, layout))
    assert not any(told in one for one in warnings(tmp_path, replace(layout, page_code=CODE)))


def test_whose_booklets_are(tmp_path: Path) -> None:
    layout = replace(bare(2), fields=(field("1", 1, UNEVEN), field("2", 2, SYMMETRIC[:7])))
    found = warnings(tmp_path, layout)
    assert any("neither a number nor a label says whose a booklet is" in one for one in found)
    assert any("pages 1 and 2: nothing on it says of which copy it is" in one for one in found), found
    label = Field("label", FieldKind.STICKER, 1, region=Region(1, 100, 240, 60, 30))
    better = warnings(tmp_path, replace(layout, fields=(*layout.fields, label), page_code=CODE))
    assert better == []


def test_what_printers_leave_out(tmp_path: Path) -> None:
    layout = replace(bare(), fields=(field("1", 1, [*UNEVEN, (4.0, 150.0)]),))
    assert any(
        "1 of its boxes and marks, such as the one at (4, 150), lie less than 4 mm" in one
        for one in warnings(tmp_path, layout)
    )


@pytest.mark.parametrize("name", ["uva-deep-learning-1", "twente-deep-learning"])
def test_our_layouts_are_safe(name: str) -> None:
    assert check_layout(ROOT / "layouts" / f"{name}.toml") == ()


def test_what_we_print_is_safe(tmp_path: Path) -> None:
    print_booklets(ROOT / "samples" / "printed" / "exam.toml", output=tmp_path / "b.pdf")
    assert check_layout(tmp_path / "b-layout.toml") == ()


def test_the_command(tmp_path: Path) -> None:
    path = tmp_path / "layout.toml"
    path.write_text(layout_toml(replace(bare(), fields=(field("1", 1, SYMMETRIC),))), encoding="utf-8")
    done = CliRunner().invoke(main, ["layout", "check", str(path)])
    assert done.exit_code == 0 and "warning: " in done.stdout and "upside down" in done.stdout
    path.write_text("format = 2", encoding="utf-8")
    done = CliRunner().invoke(main, ["layout", "check", str(path)])
    assert done.exit_code == 2 and "error: " in done.stdout
