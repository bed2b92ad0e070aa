"""Fax data: the same pixels with libtiff called directly as through Pillow, and nothing damaged taken for whole."""

from __future__ import annotations

import ctypes
import io
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from scangrade.model import PageSetAside
from scangrade.paper import fax
from scangrade.paper.fax import Bits, decode_fax
from scangrade.paper.pixels import UndecodableError, from_bits, shrink
from scangrade.paper.rasterise import PageImage, ScanFile, open_scan
from scangrade.settings import RasteriseLimits

Ink = NDArray[np.uint8]  # (H, W): 1 is ink

END = "000000000001" * 2
SIZES = [(1, 1), (3, 7), (64, 96), (131, 257), (250, 201)]
REDUCING = RasteriseLimits(least_longer_px=50)
DIRECT = pytest.mark.skipif(fax._libtiff() is None, reason="libtiff is built into this Pillow")


def page(kind: str, shape: tuple[int, int]) -> Ink:
    rng = np.random.default_rng(sum(shape))
    if kind == "noise":
        return rng.integers(0, 2, shape).astype(np.uint8)
    ink = np.full(shape, kind == "black", np.uint8)
    if kind == "shapes":
        for top, left in rng.integers(0, shape, (12, 2)):
            ink[top : top + shape[0] // 6, left : left + shape[1] // 5] ^= 1
    return ink


def encoded(ink: Ink, compression: str = "group4", *, two_dimensional: bool = False) -> bytes:
    stream = io.BytesIO()
    tags = {278: len(ink), 292: int(two_dimensional)}
    Image.fromarray(ink == 1).save(stream, "TIFF", compression=compression, tiffinfo=tags)
    with Image.open(io.BytesIO(stream.getvalue())) as tiff:
        stored = tiff.tag_v2  # type: ignore[attr-defined]
        return stream.getvalue()[stored[273][0] : stored[273][0] + stored[279][0]]


def without_end(data: bytes) -> bytes:
    """Group 4 data as many scanners store it: without the code that says that it ends here."""
    digits = f"{int.from_bytes(data, 'big'):0{8 * len(data)}b}"
    rest = digits[: digits.rindex(END)]
    rest += "0" * (-len(rest) % 8)
    return bytes(int(rest[place : place + 8], 2) for place in range(0, len(rest), 8))


@pytest.fixture(params=["direct", "through Pillow"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "through Pillow":
        monkeypatch.setattr(fax, "_libtiff", lambda: None)
    elif fax._libtiff() is None:
        pytest.skip("libtiff is built into this Pillow")
    return str(request.param)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere Pillow may be built otherwise")
def test_the_fast_way_is_there() -> None:
    assert fax._libtiff() is not None


@pytest.mark.parametrize("kind", ["white", "black", "noise", "shapes"])
@pytest.mark.parametrize("shape", SIZES, ids=str)
def test_every_pixel_comes_back(kind: str, shape: tuple[int, int], way: str) -> None:
    ink = page(kind, shape)
    data = encoded(ink)
    for stored in (data, without_end(data)):
        assert np.array_equal(decode_fax(stored, shape[1], shape[0], k=-1), np.packbits(ink, axis=1))


@pytest.mark.parametrize("kind", ["white", "black", "noise", "shapes"])
@pytest.mark.parametrize("k", [0, 4])
def test_group_3(k: int, kind: str, way: str) -> None:
    ink = page(kind, (131, 257))
    data = encoded(ink, "group3", two_dimensional=k > 0)
    assert np.array_equal(decode_fax(data, 257, 131, k=k), np.packbits(ink, axis=1))


@pytest.mark.parametrize("factor", range(1, 7))
@pytest.mark.parametrize("shape", SIZES, ids=str)
def test_bits_are_averaged_as_bytes_are(shape: tuple[int, int], factor: int) -> None:
    for kind in ("white", "black", "noise", "shapes"):
        ink = page(kind, shape)
        gray = from_bits(np.packbits(ink, axis=1), shape[1], factor=factor)
        assert np.array_equal(gray, shrink(np.where(ink, 0, 255).astype(np.uint8), factor))


# --------------------------------------------------------------------------- damage


@pytest.mark.parametrize("kind", ["white", "noise", "shapes"])
def test_data_that_breaks_off_is_told(kind: str, way: str) -> None:
    ink = page(kind, (64, 96))
    data = without_end(encoded(ink))
    for length in range(1, len(data) - fax._PADDING):
        with pytest.raises(UndecodableError, match=r"broken off|damaged|cannot be decoded"):
            decode_fax(data[:length], 96, 64, k=-1)


@DIRECT
def test_missing_rows_are_told_though_the_data_says_that_it_is_whole() -> None:
    data = encoded(page("shapes", (60, 96)))
    with pytest.raises(UndecodableError, match="another width"):
        decode_fax(data, 96, 64, k=-1)
    with pytest.raises(UndecodableError, match="damaged"):
        decode_fax(encoded(page("shapes", (60, 96)), "group3"), 96, 64, k=0)


@DIRECT
@pytest.mark.parametrize(("k", "compression"), [(-1, "group4"), (0, "group3")])
def test_damage_that_pillow_tells_is_told(k: int, compression: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    ink = page("shapes", (64, 96))
    data = encoded(ink, compression)
    library, told, more = fax._libtiff(), 0, 0
    for _ in range(150):
        harmed = bytearray(data)
        place = rng.integers(len(harmed))
        harmed[place : place + 3] = rng.bytes(len(harmed[place : place + 3]))
        directly = _decoded(monkeypatch, lambda: library, bytes(harmed), k)
        through_pillow = _decoded(monkeypatch, lambda: None, bytes(harmed), k)
        if isinstance(through_pillow, str):
            told += 1
            assert isinstance(directly, str)
        elif isinstance(directly, str):
            more += 1
        else:
            assert np.array_equal(directly, through_pillow)
    assert told > 5 and more > 5


def _decoded(monkeypatch: pytest.MonkeyPatch, library: Callable[[], ctypes.CDLL | None], data: bytes, k: int) -> Bits | str:
    monkeypatch.setattr(fax, "_libtiff", library)
    try:
        return decode_fax(data, 96, 64, k=k)
    except UndecodableError as fault:
        return str(fault)


def test_nothing_stays_open_and_nothing_is_said(way: str, capfd: pytest.CaptureFixture[str]) -> None:
    before = len(list(_descriptors()))
    data = encoded(page("shapes", (64, 96)))
    decode_fax(data, 96, 64, k=-1)
    with pytest.raises(UndecodableError):
        decode_fax(data[: len(data) // 2] + bytes(8), 96, 64, k=-1)
    assert len(list(_descriptors())) == before
    assert capfd.readouterr().err == ""


def _descriptors() -> Iterator[int]:
    for number in range(256):
        try:
            os.fstat(number)
        except OSError:
            continue
        yield number


# --------------------------------------------------------------------------- where there is no libtiff to call


class _Lacking:
    """A library that has other symbols."""


@pytest.mark.parametrize("found", ["nothing", "another library"])
def test_without_the_library_pillow_decodes(found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> _Lacking:
        if found == "nothing":
            raise OSError(f"{name}: cannot be opened")
        return _Lacking()

    monkeypatch.setattr(ctypes, "CDLL", load)
    without = fax._libtiff.__wrapped__()
    assert without is None
    monkeypatch.setattr(fax, "_libtiff", lambda: without)
    ink = page("shapes", (64, 96))
    assert np.array_equal(decode_fax(encoded(ink), 96, 64, k=-1), np.packbits(ink, axis=1))


# --------------------------------------------------------------------------- TIFF files


def read(path: Path, indices: list[int], limits: RasteriseLimits = REDUCING) -> list[PageImage | PageSetAside]:
    scan = open_scan(path, limits=limits)
    assert isinstance(scan, ScanFile), scan
    with scan:
        return [scan.page(index) for index in indices]


@DIRECT
@pytest.mark.parametrize("photometric", [0, 1])
@pytest.mark.parametrize("rows", [1, 50, 251, 1000])
def test_tiff_pages_are_the_same_as_through_pillow(
    rows: int, photometric: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [Image.fromarray(page(kind, (251, 197)) == 0) for kind in ("shapes", "noise", "white")]
    images.insert(1, images[0].convert("L"))
    first, *others = images
    tags = {262: photometric, 278: rows}
    for image in others:
        image.encoderinfo = {"compression": "group4" if image.mode == "1" else "raw"}
    first.save(tmp_path / "scan.tif", save_all=True, append_images=others, compression="group4", tiffinfo=tags, dpi=(300, 300))
    order = [0, 2, 1, 3, 0, 1, 2]
    directly = read(tmp_path / "scan.tif", order)
    monkeypatch.setattr(fax, "_libtiff", lambda: None)
    through_pillow = read(tmp_path / "scan.tif", order)
    for one, other in zip(directly, through_pillow, strict=True):
        assert isinstance(one, PageImage) and isinstance(other, PageImage)
        assert (one.dpi, one.sha256) == (other.dpi, other.sha256)
        assert np.array_equal(one.pixels, other.pixels)


@DIRECT
def test_a_tiff_strip_that_breaks_off_is_told(tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    Image.fromarray(page("shapes", (250, 200)) == 0).save(path, compression="group4", tiffinfo={278: 100})
    with Image.open(path) as tiff:
        stored = tiff.tag_v2  # type: ignore[attr-defined]
        start, length = stored[273][1], stored[279][1]
    data = path.read_bytes()
    path.write_bytes(data[: start + length // 2] + bytes(length - length // 2) + data[start + length :])
    (found,) = read(path, [0])
    assert isinstance(found, PageSetAside)
    assert "damaged" in found.detail or "broken off" in found.detail
