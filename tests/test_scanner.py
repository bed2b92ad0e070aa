from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import cast

import numpy as np
import pikepdf
import pytest
from numpy.typing import NDArray
from pdf2image import convert_from_path
from PIL import Image

from scangrade.authoring.ink import Ink
from scangrade.authoring.person import PENCIL_LIGHT
from scangrade.authoring.scanner import (
    COLOUR300,
    EXTREME,
    FAX,
    GOOD,
    HARD,
    OFFICE,
    SCANNERS,
    Encoding,
    Mode,
    Scanner,
    scan_page,
    shows,
    write_scan,
)
from scangrade.geometry import as_matrix, project

PAGE_DPI = 300
PER_MM = PAGE_DPI / 25.4
DISCS = np.array([(15.0, 15.0), (85.0, 20.0), (20.0, 130.0), (80.0, 125.0), (50.0, 70.0)])
WIDTH_MM, HEIGHT_MM = 100.0, 145.0


@cache
def paper() -> NDArray[np.uint8]:
    """An A6 page with five discs of 6 mm."""
    page = np.full((round(HEIGHT_MM * PER_MM), round(WIDTH_MM * PER_MM)), 255, np.uint8)
    y, x = np.mgrid[: page.shape[0], : page.shape[1]]
    for centre in DISCS:
        page[np.hypot((x + 0.5) / PER_MM - centre[0], (y + 0.5) / PER_MM - centre[1]) < 3] = 0
    return page


def dark_centre(image: NDArray[np.uint8], near: NDArray[np.float64], reach: float) -> NDArray[np.float64]:
    """Centroid of what is dark around a place."""
    left, top = (np.floor(near - reach)).astype(int)
    window = image[max(top, 0) : int(near[1] + reach), max(left, 0) : int(near[0] + reach)].astype(float)
    weight = np.clip(window.max() - 30 - window, 0, None)
    y, x = np.mgrid[: window.shape[0], : window.shape[1]]
    found: NDArray[np.float64] = np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum()
    shifted: NDArray[np.float64] = found + np.array([max(left, 0), max(top, 0)])
    return shifted


@pytest.mark.parametrize("scanner", SCANNERS, ids=lambda scanner: scanner.name)
def test_the_true_transform_finds_the_marks_on_the_scan(scanner: Scanner) -> None:
    clean = replace(scanner, dust=0, streaks=0, uneven=0.0, wobble_mm=0.0, bleed=0.0)
    for seed in range(2):
        scan = scan_page(paper(), clean, np.random.default_rng(seed), page_dpi=PAGE_DPI)
        image = scan.pixels()
        assert image.shape == (scan.height, scan.width)
        per_mm = scan.dpi / 25.4
        for place in project(as_matrix(scan.transform), DISCS):
            found = dark_centre(image, place, 4 * per_mm)
            assert np.abs(found - place).max() / per_mm < 0.03  # mm


def test_wobble_moves_marks_no_further_than_it_says() -> None:
    scanner = replace(GOOD, wobble_mm=0.4, noise=0)
    moved = []
    for seed in range(6):
        scan = scan_page(paper(), scanner, np.random.default_rng(seed), page_dpi=PAGE_DPI)
        places = project(as_matrix(scan.transform), DISCS)
        moved += [np.abs(dark_centre(scan.pixels(), place, 50) - place).max() / PER_MM for place in places]
    assert max(moved) < 0.45
    assert max(moved) > 0.05


@pytest.mark.parametrize("turned", [0, 90, 180, 270])
def test_rotation_is_the_turn_back_upright(turned: int) -> None:
    scanner = replace(GOOD, rotations=(turned,), shift_mm=0, skew_deg=0, scale=(1, 1), noise=0)
    scan = scan_page(paper(), scanner, np.random.default_rng(0), page_dpi=PAGE_DPI)
    upright = np.rot90(scan.pixels(), -scan.rotation // 90)
    assert np.abs(upright.astype(int) - paper()).mean() < 1.0


def test_skew_shift_and_scale_stay_within_the_profile() -> None:
    corners = np.array([(0, 0), (WIDTH_MM, 0), (0, HEIGHT_MM)])
    for seed in range(8):
        scan = scan_page(
            paper(), replace(EXTREME, rotations=(0,), dpi=75, wobble_mm=0), np.random.default_rng(seed), page_dpi=PAGE_DPI
        )
        origin, right, _ = project(as_matrix(scan.transform), corners)
        across = right - origin
        assert abs(np.degrees(np.arctan2(across[1], across[0]))) <= 5.0
        assert 0.94 <= np.hypot(*across) / (WIDTH_MM * 75 / 25.4) <= 1.03
        middle = project(as_matrix(scan.transform), [(WIDTH_MM / 2, HEIGHT_MM / 2)])[0] / (75 / 25.4)
        assert np.abs(middle - np.array([WIDTH_MM / 2, HEIGHT_MM / 2]) - EXTREME.overscan_mm).max() <= 10.1


def test_same_seed_same_scan() -> None:
    one, other = (scan_page(paper(), HARD, np.random.default_rng(5), page_dpi=PAGE_DPI) for _ in range(2))
    assert one.data == other.data
    assert one.data != scan_page(paper(), HARD, np.random.default_rng(6), page_dpi=PAGE_DPI).data


def test_black_backing_is_seen_around_the_page() -> None:
    scan = scan_page(paper(), replace(HARD, dust=0, streaks=0), np.random.default_rng(1), page_dpi=PAGE_DPI)
    image = scan.pixels()
    assert image[:8].mean() < 120 < image[image.shape[0] // 2, image.shape[1] // 4 : image.shape[1] // 3].mean()


def test_the_back_shines_through_mirrored() -> None:
    blank = np.full_like(paper(), 255)
    scanner = replace(GOOD, bleed=0.2, noise=0, white=255, shift_mm=0, skew_deg=0, scale=(1, 1))
    scan = scan_page(blank, scanner, np.random.default_rng(1), page_dpi=PAGE_DPI, back=paper())
    image = scan.pixels()
    x, y = DISCS[0]
    assert image[round(y * PER_MM), round((WIDTH_MM - x) * PER_MM)] == pytest.approx(255 * 0.8, abs=15)
    assert image[round(y * PER_MM), round(x * PER_MM)] > 245


def test_a_pale_pencil_is_lost_in_black_and_white_only() -> None:
    faint = Ink((170, 170, 170), 0.5, 0.6, 0.4)
    assert shows(faint, OFFICE) and not shows(faint, FAX)
    page = np.full((300, 300), round(255 * (1 - 0.6 * 0.8) + 170 * 0.6 * 0.8), np.uint8)
    assert scan_page(page, replace(FAX, dust=0), np.random.default_rng(0), page_dpi=PAGE_DPI).pixels().mean() > 250
    assert shows(PENCIL_LIGHT, OFFICE)


# --------------------------------------------------------------------------- files


def three(scanner: Scanner) -> list[NDArray[np.uint8]]:
    return [np.ascontiguousarray(np.roll(paper(), 40 * index)) for index in range(3)]


@pytest.mark.parametrize("scanner", [GOOD, FAX, COLOUR300], ids=lambda scanner: scanner.name)
def test_a_pdf_page_is_exactly_the_stored_image(scanner: Scanner, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    scans = [scan_page(page, scanner, rng, page_dpi=PAGE_DPI) for page in three(scanner)]
    (path,) = write_scan(scans, tmp_path / "batch.pdf")
    with pikepdf.open(path) as pdf:
        assert len(pdf.pages) == 3
        for page, scan in zip(pdf.pages, scans, strict=True):
            (image,) = page.Resources.XObject.values()
            assert bytes(image.read_raw_bytes()) == scan.data
            assert (int(image.Width), int(image.Height)) == (scan.width, scan.height)
            assert float(page.mediabox[2]) == pytest.approx(scan.width / scan.dpi * 72, abs=0.01)
            if scanner.mode is not Mode.COLOUR:
                decoded = np.asarray(pikepdf.PdfImage(cast(pikepdf.Stream, image)).as_pil_image().convert("L"))
                assert (decoded == scan.pixels()).mean() > 0.999
    rendered = np.asarray(convert_from_path(path, dpi=50, grayscale=True)[0])
    assert rendered.mean() > 200  # black on white, not the other way round


def test_bilevel_is_black_and_white_with_ink_black() -> None:
    scan = scan_page(paper(), FAX, np.random.default_rng(1), page_dpi=PAGE_DPI)
    assert scan.encoding is Encoding.G4
    image = scan.pixels()
    assert set(np.unique(image).tolist()) == {0, 255}
    place = project(as_matrix(scan.transform), DISCS[:1])[0].round().astype(int)
    assert image[place[1], place[0]] == 0


@pytest.mark.parametrize("scanner", [GOOD, FAX], ids=lambda scanner: scanner.name)
def test_a_tiff_holds_all_pages(scanner: Scanner, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    scans = [scan_page(page, scanner, rng, page_dpi=PAGE_DPI) for page in three(scanner)]
    (path,) = write_scan(scans, tmp_path / "batch.tif")
    with Image.open(path) as image:
        assert getattr(image, "n_frames", 1) == 3
        assert image.info["dpi"][0] == pytest.approx(scanner.dpi)
        for index, scan in enumerate(scans):
            image.seek(index)
            assert (np.asarray(image.convert("L")) == scan.pixels()).mean() > 0.999


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_single_image_formats_get_a_file_per_page(suffix: str, tmp_path: Path) -> None:
    scans = [scan_page(paper(), scanner, np.random.default_rng(3), page_dpi=PAGE_DPI) for scanner in (GOOD, FAX)]
    paths = write_scan(scans, tmp_path / f"page{suffix}")
    assert [path.name for path in paths] == [f"page-1{suffix}", f"page-2{suffix}"]
    for path, scan in zip(paths, scans, strict=True):
        with Image.open(path) as image:
            assert image.size == (scan.width, scan.height)
            assert image.info["dpi"][0] == pytest.approx(scan.dpi, abs=0.1)
    assert write_scan(scans[:1], tmp_path / f"one{suffix}") == (tmp_path / f"one{suffix}",)


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    scan = scan_page(paper(), GOOD, np.random.default_rng(3), page_dpi=PAGE_DPI)
    with pytest.raises(ValueError, match="no page"):
        write_scan([], tmp_path / "x.pdf")
    with pytest.raises(ValueError, match=r"\.gif"):
        write_scan([scan], tmp_path / "x.gif")
