"""Trains the network that reads digits printed in a typeface, and writes its weights where `scangrade.paper.print_digits` finds them.

    pip install '.[train]'
    python -m tests.training.print_digits [--pages 160] [--output FILE]
    python -m tests.training.print_digits --evaluate [--pages 40]

Pages full of numbers and words in the typefaces of this machine are scanned by the simulated scanners, and pieces of print cut out as the
reader does it. Every fifth typeface is kept aside: on those the network is evaluated.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from scangrade.authoring.scanner import SCANNERS, ScannedImage, Scanner, scan_page
from scangrade.geometry import MM_PER_INCH, as_matrix
from scangrade.paper import print_digits
from scangrade.paper.print_digits import OTHER, SIDE, Network, dark_of, is_only_number, pictures_of, pieces_of, rows_of
from scangrade.paper.sticker import cut_out
from scangrade.settings import PRINTED_DIGITS, STICKER

WEIGHTS = Path(print_digits.__file__).parent / "print_digits.npz"
_DPI = 400  # of the paper that is scanned
_LEARNED_AT = 12.0  # pixels per mm: finer than it is read, so that digits touch less, and the network becomes surer
_LETTERS = "ABCDEFGHKLMNOPQRSTUVWXYZabcdefghkmnopqrstuvwxyz&#+"  # each one piece of print, mostly
_USUAL = 3  # times as often as a fax or worse
_ROWS, _COLUMNS = 34, 3  # of texts on a page


@dataclass(frozen=True)
class Text:
    """A text on a page, and where."""

    text: str
    frame: tuple[float, float, float, float]  #: left, top, right, bottom in mm


@dataclass(frozen=True)
class Sheet:
    """A scanned page of texts."""

    scan: ScannedImage
    scanner: Scanner
    texts: tuple[Text, ...]


def typefaces(*, aside: bool) -> list[Path]:
    """Fonts of this machine that have upright digits of their own, a family's at most four; every fifth family is kept aside."""
    fc_list = shutil.which("fc-list")
    if fc_list is None:
        raise SystemExit("fc-list is missing: install fontconfig")
    listed = subprocess.run([fc_list, ":scalable=true", "family", "file"], capture_output=True, text=True, check=True).stdout
    families: dict[str, list[Path]] = {}
    for line in sorted(listed.splitlines()):
        file, _, names = line.partition(": ")
        family = re.sub(
            r"^(Noto (Sans|Serif)).*", r"\1", names.split(",")[0].strip()
        )  # their digits are the same in all scripts
        if Path(file).suffix in (".ttf", ".otf") and _has_digits(Path(file)):
            families.setdefault(family, []).append(Path(file))
    chosen = []
    for number, family in enumerate(sorted(families)):
        if (number % 5 == 4) == aside:
            files = families[family]
            chosen += files[:: max(1, -(-len(files) // 4))]
    return chosen


def _has_digits(file: Path) -> bool:
    try:
        font = ImageFont.truetype(str(file), 40)
        missing = bytes(font.getmask("\uffff"))
        drawn = [bytes(font.getmask(one)) for one in "0123456789"]
        heights = [font.getmask(one).size[1] for one in "0123456789"]
    except OSError:
        return False
    # old-style digits are of several heights, and those of symbols look alike
    return len(set(drawn)) == 10 and missing not in drawn and min(heights) > 0.85 * max(heights) > 10


def sheets(pages: int, fonts: Sequence[Path], seed: int) -> Iterator[Sheet]:
    """Pages full of texts, scanned."""
    for number in range(pages):
        rng = np.random.default_rng([seed, number])
        usual = [one for one in SCANNERS if one.dpi >= 200 or one.name == "copier"]
        pool = (*SCANNERS, *usual * (_USUAL - 1))
        scanner = pool[int(rng.integers(len(pool)))]
        paper, texts = _drawn(fonts, rng)
        yield Sheet(scan_page(paper, scanner, rng, page_dpi=_DPI), scanner, texts)


def _drawn(fonts: Sequence[Path], rng: np.random.Generator) -> tuple[NDArray[np.uint8], tuple[Text, ...]]:
    scale = _DPI / MM_PER_INCH
    paper = Image.new("L", (round(210 * scale), round(297 * scale)), 255)
    pen = ImageDraw.Draw(paper)
    texts = []
    for row in range(_ROWS):
        for column in range(_COLUMNS):
            text = _text(rng)
            tall_mm = float(np.exp(rng.uniform(np.log(1.7), np.log(4.5))))  # of a digit
            font = ImageFont.truetype(str(fonts[int(rng.integers(len(fonts)))]), 100)
            font = font.font_variant(size=tall_mm * scale * 100 / max(1, font.getmask("0").size[1]))
            left, top = 12 + column * 64 + float(rng.uniform(0, 4)), 10 + row * 8.2
            x0, y0, x1, y1 = font.getbbox(text)
            wide, high = (x1 - x0) / scale, (y1 - y0) / scale
            if wide > 58 or high > 6:
                continue
            pen.text((left * scale - x0, top * scale - y0), text, font=font, fill=int(rng.integers(0, 70)))
            texts.append(Text(text, (left, top, left + wide, top + high)))
    return np.asarray(paper, dtype=np.uint8), tuple(texts)


def _text(rng: np.random.Generator) -> str:
    length = int(rng.integers(5, 11))
    if rng.random() < 0.75:
        return "".join(str(one) for one in rng.integers(0, 10, length).tolist())
    return "".join(_LETTERS[int(one)] for one in rng.integers(0, len(_LETTERS), length))


def texts_of(sheet: Sheet, rng: np.random.Generator, pixels_per_mm: float) -> Iterator[tuple[Text, NDArray[np.uint8]]]:
    """Each text upright within two degrees, as a label's print is cut out."""
    pixels, matrix = sheet.scan.pixels(), as_matrix(sheet.scan.transform)
    for one in sheet.texts:
        left, top, right, bottom = one.frame
        middle = ((left + right) / 2, (top + bottom) / 2)
        half = (right - left) / 2 + 1.5, (bottom - top) / 2 + 1.2
        turn = float(np.deg2rad(rng.normal(0, 1.0)))
        around = (-half[0], -half[1], half[0], half[1])
        cut = cut_out(pixels, matrix, around, pixels_per_mm, turn=turn, centre=middle)
        yield one, cut.pixels


def examples(pages: int, fonts: Sequence[Path], seed: int) -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
    """Pieces of print and what they are: of texts that come apart into as many pieces as they have characters."""
    seen, right = [], []
    rng = np.random.default_rng([seed, 1])
    for sheet in sheets(pages, fonts, seed):
        for text, picture in texts_of(sheet, rng, _LEARNED_AT):
            level = PRINTED_DIGITS.levels[int(rng.integers(len(PRINTED_DIGITS.levels)))]
            pieces = pieces_of(dark_of(picture, level), _LEARNED_AT)
            if len(rows_of(pieces)) == 1 and len(pieces) == len(text.text):
                seen.append(pictures_of(picture, pieces))
                right += [int(one) if one.isdigit() else OTHER for one in text.text]
    return np.concatenate(seen), np.array(right, dtype=np.intp)


def varied(pictures: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """The same pieces a little sheared, stretched, shifted, bolder or thinner, and noisier."""
    made = np.empty_like(pictures)
    for number, picture in enumerate(pictures):
        a, b, c, d = np.eye(2).ravel() + rng.normal(0, (0.06, 0.06, 0.03, 0.04))
        shift = rng.normal(0, 0.5, 2)
        middle = np.array([(SIDE - 1) / 2] * 2)
        linear = np.array([[a, b], [c, d]])
        moved = cv2.warpAffine(picture, np.column_stack([linear, middle - linear @ middle + shift]), (SIDE, SIDE))
        change = rng.random()
        if change < 0.3:
            other = cv2.dilate(moved, np.ones((2, 2))) if change < 0.15 else cv2.erode(moved, np.ones((2, 2)))
            moved = cv2.addWeighted(moved, 0.5, other, 0.5, 0)
        noisy = moved + rng.normal(0, rng.uniform(0, 12), moved.shape)
        made[number] = noisy.clip(0, 255)
    return made


def train(pictures: NDArray[np.uint8], right: NDArray[np.intp], seed: int) -> Network:
    """Fit the network."""
    from sklearn.neural_network import MLPClassifier  # noqa: PLC0415 - only here

    rng = np.random.default_rng(seed)
    seen = np.concatenate([pictures, varied(pictures, rng), varied(pictures, rng)]).reshape(-1, SIDE * SIDE)
    fitted = MLPClassifier((128, 64), alpha=1e-4, batch_size=256, max_iter=24, random_state=seed, tol=0.0, n_iter_no_change=99)
    fitted.fit(seen.astype(np.float32) / np.float32(255), np.tile(right, 3))
    return Network(
        [one.astype(np.float16).astype(np.float32) for one in fitted.coefs_],
        [one.astype(np.float32) for one in fitted.intercepts_],
    )


def evaluate(pages: int, fonts: Sequence[Path], seed: int) -> None:
    """Print how often numbers are confirmed, by scanner: themselves, with another digit, and with one or two digits less."""
    tally: dict[str, list[int]] = {}
    scale = PRINTED_DIGITS.pixels_per_mm
    rng = np.random.default_rng([seed, 1])
    for sheet in sheets(pages, fonts, seed):
        counts = tally.setdefault(sheet.scanner.name, [0] * 4)
        for text, picture in texts_of(sheet, rng, scale):
            number = text.text

            def confirmed(one: str, picture: NDArray[np.uint8] = picture) -> bool:
                return is_only_number(picture, one, scale, least_digits=STICKER.least_digits)

            if not number.isdigit():
                continue
            place, step = int(rng.integers(len(number))), int(rng.integers(1, 10))
            changed = [number[:k] + str((int(number[k]) + step) % 10) + number[k + 1 :] for k in (place, place - 1)]
            shorter = [one for one in (number[1:], number[:-1], number[2:], number[:-2]) if len(one) >= STICKER.least_digits]
            counts[0] += 1
            counts[1] += confirmed(number)
            counts[2] += any(map(confirmed, changed))
            counts[3] += any(map(confirmed, shorter))
    print("| scanner | numbers | confirmed | another one confirmed | a part of it confirmed |\n|---|---|---|---|---|")
    for name, counts in sorted(tally.items()):
        print(f"| {name} | {' | '.join(map(str, counts))} |")
    print(f"| all | {' | '.join(str(sum(one)) for one in zip(*tally.values(), strict=True))} |")


def main() -> None:
    """Train, or evaluate the weights that are there."""
    parser = argparse.ArgumentParser(prog="python -m tests.training.print_digits", description=__doc__)
    parser.add_argument("--pages", type=int, default=160, help="to draw and scan (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=700, help="(default: %(default)s)")
    parser.add_argument("--output", type=Path, default=WEIGHTS, help="file of weights (default: the program's own)")
    parser.add_argument("--evaluate", action="store_true", help="the weights that are there, on typefaces kept aside")
    options = parser.parse_args()
    if not options.evaluate:
        fonts = typefaces(aside=False)
        pictures, right = examples(options.pages, fonts, options.seed)
        print(f"{len(pictures)} pieces of {len(fonts)} typefaces; each kind: {np.bincount(right).tolist()}", flush=True)
        network = train(pictures, right, options.seed)
        network.save(options.output)
    fonts = typefaces(aside=True)
    print(f"{len(fonts)} typefaces kept aside")
    evaluate(max(1, options.pages // 4), fonts, options.seed + 1)


if __name__ == "__main__":
    main()
