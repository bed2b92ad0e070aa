"""How inputs are broken: bytes as a disk or a network breaks them, text as people and programs do, PDF objects, and page images.

Every mutation depends on its input and on the random generator only, so that an input can be made again from its number.
"""

from __future__ import annotations

import io
import re
import sqlite3
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from random import Random

import cv2
import numpy as np
import pikepdf
from numpy.typing import NDArray

Mutate = Callable[[bytes, Random], bytes]

_INTEGERS = (0, 1, 2, 3, 7, 8, 16, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1)
_VALUES = (
    "0", "-1", "1", "2", "1e308", "-1e-308", "nan", "inf", "-inf", "1" * 30, "9" * 5000, "0.1", "1/3", '"1/0"', '"-4/3"', '"1e999999999"',
    '""', '" "', '"a/b"', '"\\n"', '"\\u0000"', '"\\ud800"', '"../../x"', '"=1+1"', '"{copy}"', '"{page}{page}"', '"(" ', '"A"',
    "true", "false", "null", "[]", "{}", "[[]]", "[1]", "[1, 2]", "[1, 2, 3, 4]", '["A", "A"]', "{ A = 1 }", '{"A": 1}', "1979-05-27",
    "'", '"', '"""', "[", "]", "{", "}", ",", "=", ":", "#", "\\", "\t", "\r", "\n", "\x00", "\x1b[2J", "\u202e", "é", "数", "😀", "\ufeff",
)  # fmt: skip
_TOKEN = re.compile(r'"[^"\n]*"|-?\d+(?:\.\d+)?|[A-Za-z_][\w-]*|[^\s\w]')


# --------------------------------------------------------------------------- bytes


def broken_bytes(data: bytes, rng: Random) -> bytes:
    """Cut off, flipped, overwritten, doubled, left out: one to four times."""
    held = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(held) + 1)
        length = min(rng.choice((1, 2, 4, 16, 256, 4096)), len(held) - at)
        match rng.randrange(7):
            case 0:
                del held[at:]
            case 1:
                del held[at : at + length]
            case 2:
                held[at:at] = held[at : at + length]
            case 3:
                for place in range(at, at + length):
                    held[place] ^= 1 << rng.randrange(8)
            case 4:
                width, order = rng.choice((1, 2, 4)), rng.choice(("little", "big"))
                value = rng.choice(_INTEGERS) % 256**width
                held[at : at + width] = value.to_bytes(width, "little" if order == "little" else "big")
            case 5:
                held[at : at + length] = bytes(rng.randrange(256) for _ in range(length))
            case _:
                held[at : at + length] = bytes(length)
    return bytes(held)


# --------------------------------------------------------------------------- text


def broken_text(data: bytes, rng: Random) -> bytes:
    """Lines lost, doubled, swapped; words misspelled, values of another kind; sometimes another encoding, or broken bytes."""
    text = data.decode("utf-8", errors="replace")
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        text = _one_fault(text, rng)
    encoded = text.encode("utf-8", errors="replace")
    chance = rng.random()
    if chance < 0.05:
        return broken_bytes(encoded, rng)
    if chance < 0.08:
        return text.encode(rng.choice(("utf-16", "utf-16-le", "cp1252", "utf-8-sig", "utf-32")), errors="replace")
    return encoded


def _one_fault(text: str, rng: Random) -> str:
    kind = rng.randrange(8)
    if kind < 4:
        lines = text.splitlines(keepends=True) or [""]
        at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
        if kind == 0:
            del lines[at]
        elif kind == 1:
            lines.insert(other, lines[at])
        elif kind == 2:
            lines[at], lines[other] = lines[other], lines[at]
        else:
            lines[at] = lines[at].rstrip("\n") + rng.choice(_VALUES) + rng.choice(("\n", ""))
        return "".join(lines)
    tokens = list(_TOKEN.finditer(text))
    if not tokens:
        return text + rng.choice(_VALUES)
    found = rng.choice(tokens)
    if kind == 4:
        put = rng.choice(_VALUES)
    elif kind == 5:
        put = rng.choice(tokens)[0]
    elif kind == 6:
        place = rng.randrange(len(found[0]) + 1)
        put = found[0][:place] + rng.choice(("", "x", "é", "/", " ", "0")) + found[0][place + rng.randrange(2) :]
    else:
        put = found[0] * rng.choice((2, 50))
    return text[: found.start()] + put + text[found.end() :]


# --------------------------------------------------------------------------- containers


def broken_pdf(data: bytes, rng: Random) -> bytes:
    """A PDF whose objects say something else than they should, or broken bytes."""
    if rng.random() < 0.4:
        return broken_bytes(data, rng)
    out = io.BytesIO()
    try:
        with pikepdf.open(io.BytesIO(data)) as pdf:
            for _ in range(rng.choice((1, 1, 2, 3))):
                _break_object(pdf, rng)
            pdf.save(out, compress_streams=False, stream_decode_level=pikepdf.StreamDecodeLevel.none, static_id=True)
    except (pikepdf.PdfError, ValueError, TypeError, RuntimeError, LookupError):  # not every fault can be saved
        return broken_bytes(data, rng)
    return out.getvalue()


def _break_object(pdf: pikepdf.Pdf, rng: Random) -> None:
    dictionaries = [one for one in pdf.objects if isinstance(one, pikepdf.Dictionary | pikepdf.Stream)]
    holder = rng.choice(dictionaries)
    keys = sorted(holder.keys())
    if isinstance(holder, pikepdf.Stream) and rng.random() < 0.5:
        holder.write(broken_bytes(holder.read_raw_bytes() or b"q", rng), filter=holder.get("/Filter"))  # type: ignore[arg-type]
        return
    if not keys:
        return
    key = rng.choice(keys)
    values: tuple[object, ...] = (
        0, -1, 1, 2, 7, 16, 300, 70000, 2**31 - 1, 1e30, -0.5, True, None,
        pikepdf.Name("/DeviceCMYK"), pikepdf.Name("/FlateDecode"), pikepdf.Name("/Page"), pikepdf.String("x"),
        pikepdf.Array([]), pikepdf.Array([0, 0, 1, 1]), pikepdf.Array([0, 0, 1e9, 1e9]), pikepdf.Array([1, 0]),
        pikepdf.Dictionary(), rng.choice(dictionaries),
    )  # fmt: skip
    value = rng.choice(values)
    if value is None:
        del holder[key]
    else:
        holder[key] = value


def broken_archive(data: bytes, rng: Random) -> bytes:
    """A workbook one of whose parts is broken, or broken bytes."""
    if rng.random() < 0.3:
        return broken_bytes(data, rng)
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(out, "w") as made:
        names = archive.namelist()
        chosen, fate = rng.choice(names), rng.random()
        for name in names:
            content = archive.read(name)
            if name == chosen and fate < 0.1:
                continue
            made.writestr(zipfile.ZipInfo(name), broken_text(content, rng) if name == chosen else content)
    return out.getvalue()


def broken_database(data: bytes, rng: Random) -> bytes:
    """An SQLite file with a cell of another kind, a row or a table less, or broken bytes."""
    if rng.random() < 0.3:
        return broken_bytes(data, rng)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "base.sqlite"
        path.write_bytes(data)
        with closing(sqlite3.connect(path)) as base, suppress(sqlite3.Error):
            tables = [name for (name,) in base.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]
            table = rng.choice(tables)
            columns = [row[1] for row in base.execute(f'PRAGMA table_info("{table}")')]
            (count,) = base.execute(f'SELECT count(*) FROM "{table}"').fetchone()
            place, column = rng.randrange(max(1, count)), rng.choice(columns)
            row = f'rowid = (SELECT rowid FROM "{table}" LIMIT 1 OFFSET {place})'
            match rng.randrange(5):
                case 0:
                    base.execute(f'DELETE FROM "{table}" WHERE {row}')
                case 1:
                    base.execute(f'DROP TABLE "{table}"')
                case 2:
                    base.execute(f'ALTER TABLE "{table}" DROP COLUMN "{column}"')
                case _:
                    value = rng.choice((None, "", "x", "1e999", -1, 0, 1e300, 2**62, b"\xff\x00", "a/b", "\n"))
                    base.execute(f'UPDATE "{table}" SET "{column}" = ? WHERE {row}', (value,))
            base.commit()
        return path.read_bytes()


# --------------------------------------------------------------------------- page images


def broken_page(pixels: NDArray[np.uint8], rng: Random) -> NDArray[np.uint8]:
    """A page as scanners, copiers and accidents leave it, and far beyond: turned, cut, torn, stretched, covered, inverted, tiny."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        height, width = pixels.shape
        top, left = rng.randrange(height), rng.randrange(width)
        bottom, right = rng.randrange(top, height) + 1, rng.randrange(left, width) + 1
        match rng.randrange(12):
            case 0:
                pixels = pixels[top:bottom, left:right]
            case 1:
                matrix = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(-180, 180), rng.uniform(0.3, 1.6))
                pixels = cv2.warpAffine(pixels, matrix, (width, height), borderValue=(255,)).astype(np.uint8)
            case 2:
                size = max(1, round(width * 2 ** rng.uniform(-4, 1))), max(1, round(height * 2 ** rng.uniform(-4, 1)))
                pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
            case 3:
                pixels = pixels.copy()
                pixels[top:bottom, left:right] = rng.choice((0, 128, 255))
            case 4:
                pixels = (255 - pixels).astype(np.uint8)
            case 5:
                noise = np.random.default_rng(rng.randrange(2**32)).normal(0, rng.uniform(5, 120), pixels.shape)
                pixels = np.clip(pixels + noise, 0, 255).astype(np.uint8)
            case 6:
                pixels = np.roll(pixels, (top, left), (0, 1))
            case 7:
                pixels = np.ascontiguousarray(np.rot90(pixels, rng.randrange(4))[:, :: rng.choice((1, -1))])
            case 8:
                pixels = np.where(pixels > rng.randrange(256), 255, 0).astype(np.uint8)
            case 9:
                pixels = np.vstack([pixels[bottom - 1 :], pixels[: bottom - 1]])
            case 10:
                corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
                moved = corners + np.array([[rng.uniform(-0.2, 0.2) * side for side in (width, height)] for _ in range(4)])
                matrix = cv2.getPerspectiveTransform(corners, moved.astype(np.float32))
                pixels = cv2.warpPerspective(pixels, matrix, (width, height), borderValue=(255,)).astype(np.uint8)
            case _:
                pixels = (pixels * rng.uniform(0.02, 1)).astype(np.uint8)
    return pixels
