"""Numbers are printed, blurred and turned here, and must be read as they are, or not surely; `tests/training` evaluates more typefaces."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from scangrade.paper.print_digits import OTHER, SIDE, Network, lines_of, read_printed_numbers
from scangrade.paper.sticker import dark_of
from scangrade.settings import PRINTED_DIGITS

Pixels = NDArray[np.uint8]
SCALE = 12.0


def printed(text: str, *, tall_mm: float = 3.0, turn_deg: float = 0.0, blur: float = 1.0, seed: int = 0) -> Pixels:
    """A text on white paper, as a label's print is cut out of a scan; in Pillow's own typeface, of which nothing was learned."""
    rng = np.random.default_rng(seed)
    picture = Image.new("L", (800, 160), 245)
    font = ImageFont.load_default(tall_mm * SCALE / 0.7)
    ImageDraw.Draw(picture).text((60, 40), text, fill=25, font=font)
    turn = cv2.getRotationMatrix2D((300, 80), turn_deg, 1.0)
    turned = cv2.warpAffine(np.asarray(picture), turn, (800, 160), borderValue=(245.0,))
    seen = cv2.GaussianBlur(turned, (0, 0), blur) + rng.normal(0, 4, turned.shape)
    return np.asarray(np.clip(seen, 0, 255), dtype=np.uint8)


def numbers(picture: Pixels) -> list[str]:
    """What is surely read, of at least five digits."""
    read = read_printed_numbers(picture, dark_of(picture), SCALE, least_digits=5)
    return [one.text for one in read if one.probability >= PRINTED_DIGITS.sure]


@pytest.mark.parametrize("tall_mm", [1.8, 3.0, 4.5])
@pytest.mark.parametrize("turn_deg", [-3.0, 0.0, 3.0])
def test_numbers_are_read_as_they_are_or_not_surely(tall_mm: float, turn_deg: float) -> None:
    rng = np.random.default_rng(round(10 * tall_mm + turn_deg))
    wanted = ["".join(map(str, rng.integers(0, 10, 8).tolist())) for _ in range(20)]
    read = [numbers(printed(one, tall_mm=tall_mm, turn_deg=turn_deg, seed=k)) for k, one in enumerate(wanted)]
    # where digits touch, as these do at 1.8 mm, the rest is a shorter number
    assert all(one == number or len(one) < 8 for found, number in zip(read, wanted, strict=True) for one in found)
    assert sum([number] == found for found, number in zip(read, wanted, strict=True)) >= (18 if tall_mm > 2 else 0)


def test_words_are_no_numbers() -> None:
    for text in ("Wintersemester", "Examination Hall", "BOSSZIOLGE", "Umbra signum"):
        assert numbers(printed(text)) == []


def test_what_stands_apart_is_not_one_number() -> None:
    assert numbers(printed("12345    67890")) == ["12345", "67890"]
    low, high = printed("123456"), printed("987650")
    assert numbers(np.vstack([high, low])) == ["987650", "123456"]


def test_nothing_is_read_on_empty_paper() -> None:
    empty = np.full((100, 300), 240, np.uint8)
    assert read_printed_numbers(empty, dark_of(empty), SCALE, least_digits=1) == ()
    lines, pictures = lines_of(empty, dark_of(empty), SCALE, least_pieces=1)
    assert lines == [] and pictures.shape == (0, SIDE, SIDE)


def test_weights_come_back_as_they_were_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    shapes = ((SIDE * SIDE, 6), (6, OTHER + 1))
    weights = [rng.normal(0, 0.1, shape).astype(np.float16).astype(np.float32) for shape in shapes]
    network = Network(weights, [rng.normal(0, 0.1, shape[1]).astype(np.float32) for shape in shapes])
    network.save(tmp_path / "weights.npz")
    pictures = rng.integers(0, 255, (4, SIDE, SIDE)).astype(np.uint8)
    again = Network.of((tmp_path / "weights.npz").read_bytes())(pictures)
    assert np.array_equal(again, network(pictures))
    assert np.allclose(again.sum(axis=1), 1, atol=1e-5)
