"""Scans that were made to harm, or look like it: each costs a clear word, less than 1 GB of memory and 10 s, and nothing else."""

from __future__ import annotations

import functools
import io
import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name
from PIL import Image

from scangrade.model import PageSetAside, Reason
from scangrade.paper.formats import looks_like_scan
from scangrade.paper.rasterise import open_scan
from tests.test_rasterise import pdf_of

WHITE = np.full((320, 240), 255, np.uint8)
ZEROS = 250_000_000  # what a bomb unpacks to: far more than it may take


@functools.cache
def deflated(size: int, level: int = 1) -> bytes:
    """So many zeros, packed to a two hundredth without ever being there."""
    packer, packed = zlib.compressobj(level), []
    for start in range(0, size, 2**24):
        packed.append(packer.compress(bytes(min(2**24, size - start))))
    return b"".join([*packed, packer.flush()])


def packed_scan(path: Path, **changes: object) -> None:
    pdf_of(path, zlib.compress(WHITE.tobytes()), WHITE.shape, {"Filter": Name.FlateDecode}, **changes)  # type: ignore[arg-type]


def content_bomb(path: Path) -> None:
    packed_scan(path)
    with pikepdf.open(path, allow_overwriting_input=True) as pdf:
        pdf.pages[0].Contents.write(deflated(ZEROS), filter=Name.FlateDecode)
        pdf.save(path, stream_decode_level=pikepdf.StreamDecodeLevel.none)


def bomb_in_a_bomb(path: Path) -> None:
    packed_scan(path)
    with pikepdf.open(path, allow_overwriting_input=True) as pdf:
        twice = zlib.compress(deflated(ZEROS), 9)
        pdf.pages[0].Contents.write(twice, filter=Array([Name.FlateDecode, Name.FlateDecode]))
        pdf.save(path, stream_decode_level=pikepdf.StreamDecodeLevel.none)


def palette_bomb(path: Path) -> None:
    packed_scan(path)
    with pikepdf.open(path, allow_overwriting_input=True) as pdf:
        table = pikepdf.Stream(pdf, b"")
        table.write(deflated(ZEROS), filter=Name.FlateDecode)
        image = pdf.pages[0].Resources.XObject.Im0
        image.ColorSpace = Array([Name.Indexed, Name.DeviceRGB, 255, pdf.make_indirect(table)])
        pdf.save(path, stream_decode_level=pikepdf.StreamDecodeLevel.none)


def a_page_for_ever(path: Path) -> None:
    """One page, named 30,000 times."""
    packed_scan(path)
    with pikepdf.open(path, allow_overwriting_input=True) as pdf:
        kids = pdf.Root.Pages.Kids
        pdf.Root.Pages.Kids = Array([kids[0]] * 30_000)
        pdf.Root.Pages.Count = 30_000
        pdf.save(path, object_stream_mode=pikepdf.ObjectStreamMode.generate)


def endless_kids(path: Path) -> None:
    packed_scan(path)
    with pikepdf.open(path, allow_overwriting_input=True) as pdf:
        pdf.Root.Pages.Kids.append(pdf.Root.Pages)
        pdf.save(path)


def a_billion_wide(path: Path) -> None:
    packed_scan(path, size=(1_000_000_000, 1_000_000_000), before=b"0 0 9 9 re f ")


def stretched(path: Path) -> None:
    packed_scan(path, matrix="172800 0 0 23.04 0 0", size=(172800, 23.04))


def stretched_tiff(path: Path) -> None:
    Image.new("L", (700, 20_000), 255).save(path, "TIFF", compression="tiff_adobe_deflate", dpi=(20, 1200))


def deep_colours(path: Path) -> None:
    side = 10_900  # 119 million pixels of 6 bytes
    pdf_of(
        path,
        deflated(side * side * 6),
        (side, side),
        {"Filter": Name.FlateDecode, "BitsPerComponent": 16, "ColorSpace": Name.DeviceRGB},
    )


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def see_through(path: Path) -> None:
    side = 7_700  # 59 million pixels: the most that there may be
    head = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    data = deflated(side * (4 * side + 1))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head) + png_chunk(b"IDAT", data) + png_chunk(b"IEND", b""))


def many_directories(path: Path) -> None:
    """A TIFF of 300,000 pages of 6 bytes."""
    count = 300_000
    pages = b"".join(struct.pack("<HI", 0, 8 + 6 * (place + 1) if place + 1 < count else 0) for place in range(count))
    path.write_bytes(b"II*\0" + struct.pack("<I", 8) + pages)


def the_same_strip_again(path: Path) -> None:
    """A TIFF whose 100,000 strips are each the whole file."""
    count, rows = 100_000, 100_000
    at = 8 + 2 + 12 * 9 + 4
    entries = [(256, 4, 1, 8), (257, 4, 1, rows), (258, 3, 1, 1), (259, 3, 1, 5), (262, 3, 1, 1), (273, 4, count, at)]
    entries += [(277, 3, 1, 1), (278, 4, 1, 1), (279, 4, count, at + 4 * count)]
    body = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *one) for one in entries) + bytes(4)
    size = at + 8 * count + 1_000_000
    path.write_bytes(
        b"II*\0" + struct.pack("<I", 8) + body + struct.pack(f"<{count}I", *[8] * count) + struct.pack(f"<{count}I", *[size - 8] * count)
        + bytes(1_000_000)
    )  # fmt: skip


def endless_passes(path: Path) -> None:
    """A progressive JPEG that goes over the whole picture again and again."""
    out = io.BytesIO()
    Image.new("L", (6000, 6000), 200).save(out, "JPEG", progressive=True)
    data = out.getvalue()
    last = data.rindex(b"\xff\xda")
    path.write_bytes(data[:-2] + data[last:-2] * 3000 + b"\xff\xd9")


def passes_after_the_last(path: Path) -> None:
    """A JPEG whose head says that one pass is all, and more of them, behind bytes that fill up."""
    out = io.BytesIO()
    Image.new("L", (3000, 3000), 200).save(out, "JPEG")
    data = out.getvalue()
    last = data.rindex(b"\xff\xda")
    path.write_bytes(data[:last] + b"\xff\xff" + data[last:-2] + data[last:-2] * 110 + b"\xff\xd9")


#: Reasons that will do; none where the page may as well be read.
BOMBS: dict[Callable[[Path], None], tuple[Reason, ...]] = {
    content_bomb: (),
    bomb_in_a_bomb: (),
    palette_bomb: (),
    a_page_for_ever: (Reason.TOO_LARGE,),
    endless_kids: (Reason.UNREADABLE_FILE,),
    a_billion_wide: (Reason.UNREADABLE_PAGE,),
    stretched: (Reason.TOO_LARGE,),
    stretched_tiff: (Reason.TOO_LARGE,),
    deep_colours: (Reason.TOO_LARGE,),
    see_through: (),
    many_directories: (Reason.TOO_LARGE,),
    the_same_strip_again: (Reason.UNREADABLE_PAGE,),
    endless_passes: (Reason.UNREADABLE_PAGE,),
    passes_after_the_last: (),
}

_OPEN = """
import json, resource, sys, time
from pathlib import Path
from scangrade.model import PageSetAside
from scangrade.paper.rasterise import open_scan
from scangrade.workers import _limit_memory
_limit_memory()
def used():
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(resource.getrusage(one).ru_utime + resource.getrusage(one).ru_stime for one in who)
before = used()
scan = open_scan(Path(sys.argv[1]))
page = scan
if not isinstance(scan, PageSetAside):
    with scan:
        page = scan.page(0)
aside = isinstance(page, PageSetAside)
status = Path("/proc/self/status").read_text()  # ru_maxrss begins with that of the process that started this one
peaks = [int(status.split("VmHWM:")[1].split()[0]) * 1024, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024]
print(json.dumps([page.reason if aside else "", page.detail if aside else "", max(peaks), used() - before]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is measured and limited as Linux does")
@pytest.mark.parametrize("make", BOMBS, ids=lambda make: make.__name__)
def test_a_bomb_costs_its_page_only(make: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "scan"
    make(path)
    assert path.stat().st_size < 20_000_000
    done = subprocess.run([sys.executable, "-c", _OPEN, str(path)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    reason, detail, peak, took_s = json.loads(done.stdout)
    assert not BOMBS[make] or reason in BOMBS[make], (reason, detail)
    assert not reason or detail.endswith(".")
    assert peak < (230_000_000 if "bomb" in make.__name__ else 10**9)  # what is never unpacked takes nothing
    assert took_s < 10
    assert done.stderr == ""


@pytest.mark.parametrize("size", [(1, 1), (1, 30_000), (30_000, 1), (3, 3)])
def test_absurd_sizes_are_pages_like_any_other(size: tuple[int, int], tmp_path: Path) -> None:
    Image.new("L", size, 255).save(tmp_path / "scan.png")
    opened = open_scan(tmp_path / "scan.png")
    assert not isinstance(opened, PageSetAside)
    with opened:
        page = opened.page(0)
    assert not isinstance(page, PageSetAside) and page.pixels.shape == size[::-1]


def test_what_a_scan_looks_like_inside(tmp_path: Path) -> None:
    packed_scan(tmp_path / "scan.dat")
    (tmp_path / "notes.pdf").write_text("no scan")
    assert looks_like_scan(tmp_path / "scan.dat")
    assert not looks_like_scan(tmp_path / "notes.pdf")
    assert not looks_like_scan(tmp_path / "absent")


def test_a_page_tree_that_holds_itself_is_left_alone(tmp_path: Path) -> None:
    with pikepdf.new() as pdf:
        pdf.Root.Pages.Kids = Array([Dictionary(Type=Name.Pages, Kids=Array([]), Count=0)])
        pdf.save(tmp_path / "scan.pdf")
    found = open_scan(tmp_path / "scan.pdf")
    assert isinstance(found, PageSetAside)
