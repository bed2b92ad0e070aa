"""Numbers are printed, blurred and turned here, and must be confirmed as they are, and as nothing else."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from scangrade.paper.print_digits import OTHER, SIDE, Network, dark_of, is_only_number, percentiles, pictures_of, pieces_of
from scangrade.settings import PRINTED_DIGITS

Pixels = NDArray[np.uint8]
SCALE = 8.0


def printed(*texts: tuple[str, float, int], turn_deg: float = 0.0, spaced: float = 0.0, seed: int = 0) -> Pixels:
    """Texts below each other, each with its height in mm and its gray, as a label's print is cut out of a scan.

    In Pillow's own typeface, of which nothing was learned; `spaced` times their height apart.
    """
    rng = np.random.default_rng(seed)
    picture = Image.new("L", (640, 60 + 60 * len(texts)), 245)
    pen = ImageDraw.Draw(picture)
    for row, (text, tall_mm, gray) in enumerate(texts):
        font = ImageFont.load_default(tall_mm * SCALE / 0.7)
        x = 40.0
        for letter in text if spaced else [text]:
            pen.text((x, 30 + 60 * row), letter, fill=gray, font=font)
            x += pen.textlength(letter, font=font) + spaced * tall_mm * SCALE
    turn = cv2.getRotationMatrix2D((200, 60), turn_deg, 1.0)
    turned = cv2.warpAffine(np.asarray(picture), turn, picture.size, borderValue=(245.0,))
    seen = cv2.GaussianBlur(turned, (0, 0), 0.7) + rng.normal(0, 4, turned.shape)
    return np.asarray(np.clip(seen, 0, 255), dtype=np.uint8)


def confirmed(picture: Pixels, number: str) -> bool:
    return is_only_number(picture, number, SCALE, least_digits=5)


def drawn(count: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return ["".join(map(str, rng.integers(0, 10, 8).tolist())) for _ in range(count)]


@pytest.mark.parametrize("tall_mm", [2.5, 3.0, 4.5])
@pytest.mark.parametrize("turn_deg", [-3.0, 0.0, 3.0])
def test_a_number_is_confirmed_and_nothing_like_it(tall_mm: float, turn_deg: float) -> None:
    numbers = drawn(20, round(10 * tall_mm + turn_deg))
    right = 0
    for k, number in enumerate(numbers):
        picture = printed((number, tall_mm, 25), turn_deg=turn_deg, seed=k)
        right += confirmed(picture, number)
        place = k % 8
        others = [number[:place] + str(digit) + number[place + 1 :] for digit in range(10) if str(digit) != number[place]]
        assert not any(confirmed(picture, one) for one in (*others, number[1:], number[:-1], "1" + number, number + "1"))
    assert right >= 16  # a digit that touches its neighbour is left to somebody else


@pytest.mark.parametrize(
    ("second", "spaced"),
    [
        (("67746622", 3.0, 25), 0.0),
        (("67746622", 2.5, 120), 0.0),  # grey
        (("67746622", 2.5, 185), 0.0),  # pale
        (("67746622", 1.6, 25), 0.0),
        (("67746622", 1.25, 25), 0.0),  # small
        (("67 74 66 22", 2.5, 25), 0.0),  # in groups
    ],
)
def test_with_a_second_number_nothing_is_confirmed(second: tuple[str, float, int], spaced: float) -> None:
    for k, number in enumerate(drawn(10, 5)):
        assert not confirmed(printed((number, 3.0, 25), second, spaced=spaced, seed=k), number)


def test_digits_that_touch_are_digits_all_the_same() -> None:
    for k, number in enumerate(drawn(10, 6)):
        assert not confirmed(printed((number, 3.0, 25), ("67746622", 2.5, 25), spaced=-0.12, seed=k), number)
    assert not confirmed(printed(("67746622", 3.0, 25), spaced=0.9), "12345678")  # letterspaced


def test_words_beside_a_number_do_no_harm() -> None:
    numbers = drawn(10, 7)
    words = (("Winter term", 2.0, 25), ("Examination hall, seat 14", 2.0, 25))
    assert sum(confirmed(printed((one, 3.0, 25), *words, seed=k), one) for k, one in enumerate(numbers)) >= 8
    assert not confirmed(printed(*words), "12345678")


def test_odd_pictures_are_nothing() -> None:
    rng = np.random.default_rng(1)
    shapes = ((0, 0), (1, 1), (1, 50), (50, 1), (200, 300))
    odd = [np.full(shape, gray, np.uint8) for shape in shapes for gray in (0, 255)]
    assert not any(confirmed(one, "12345678") for one in (*odd, rng.integers(0, 255, (200, 300)).astype(np.uint8)))


def test_a_pattern_of_thousands_of_pieces_is_not_looked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    pattern = np.full((360, 800), 250, np.uint8)
    for row in range(0, 350, 14):
        pattern[row : row + 10, row % 28 // 14 :: 5] = 10
    assert len(pieces_of(dark_of(pattern), SCALE)) > PRINTED_DIGITS.most_pieces
    monkeypatch.setattr("scangrade.paper.print_digits.rows_of", None)
    assert not confirmed(pattern, "12345678")


def test_pictures_show_a_piece_alone() -> None:
    picture = printed(("17171717", 4.5, 25), spaced=0.2)
    pieces = pieces_of(dark_of(picture), SCALE)
    seen = pictures_of(picture, pieces)
    assert seen.shape == (8, SIDE, SIDE) and seen.max() > 200
    assert seen[0, :, :3].max() == 0 and seen[0, :, -3:].max() == 0  # the one is narrow, and nothing of the seven is seen


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


@pytest.mark.parametrize("seed", range(4))
def test_percentiles_are_those_of_numpy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (int(rng.integers(1, 40)), int(rng.integers(1, 40)))).astype(np.uint8)
    assert percentiles(pixels, (0.5, 30, 75, 100)) == pytest.approx(np.percentile(pixels, (0.5, 30, 75, 100)))
