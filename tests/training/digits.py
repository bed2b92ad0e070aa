"""Trains the network that reads handwritten digits, and writes its weights where `scangrade.answers.digits` finds them.

    pip install '.[train]'
    python -m tests.training.digits [--writers 4000] [--output FILE]
    python -m tests.training.digits --evaluate

Cells are drawn, scanned and cut as the reader does it, in one step without the page around them: by writers of
`scangrade.authoring.digits`, with the pens of `scangrade.authoring.person`. To them come scikit-learn's 1,797 real digits. One writer in
eight, and one block in five of the real digits, is kept aside; on those the temperature is set, and the evaluation printed.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from scangrade.answers import digits
from scangrade.answers.digits import NOTHING, OTHER, SYMBOLS, CellSize, look
from scangrade.authoring.digits import Hand, digit_strokes, draw_hand
from scangrade.authoring.ink import Ink, Mark, Stroke, paint
from scangrade.authoring.person import CROSSERS, FILLERS, ODD_CROSSERS, ODD_FILLERS
from scangrade.geometry import MM_PER_INCH
from scangrade.model import CELL_REACH, CELL_SIDE

WEIGHTS = Path(digits.__file__).parent / "digits.npz"
SEED = 500
_HELD_OUT = 8  # one writer in so many
_BLOCKS = 13  # of the real digits, which come writer by writer, as far as is known
_LEAST_SEEN = 0.7  # share of a writer's digits that a scan still holds
_PER_MM = 12.0  # at which paper is drawn
_REAL_TIMES = 12  # each real digit is seen so often, each time slightly other
_PENS = tuple(one.ink for one in (*FILLERS, *CROSSERS, *ODD_FILLERS, *ODD_CROSSERS))


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Cells with what is known of them."""

    features: NDArray[np.float32]
    right: NDArray[np.int64]  #: codes of `SYMBOLS`
    seen: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Scan:
    """How cells of one writer are printed and scanned."""

    size: CellSize
    frame_mm: float  #: 0 for a comb
    shade: float  #: of the print, 0 black to 1 white
    dpi: float
    blur: float  #: sigma in pixels of the scan
    noise: float
    bilevel: float  #: threshold, 0 where gray is kept
    black: float
    ink: Ink


def _draw_scan(rng: np.random.Generator) -> _Scan:
    width = rng.uniform(4.5, 8.0)
    ink = _PENS[int(rng.integers(len(_PENS)))]
    dpi = float(rng.choice([100, 150, 200, 300, 300]))
    bilevel = rng.random() < 0.3 and dpi >= 150
    return _Scan(
        CellSize(width, width * rng.uniform(1.0, 1.5)),
        0.0 if rng.random() < 0.25 else rng.uniform(0.15, 0.45),
        rng.uniform(0, 0.6),
        dpi,
        rng.uniform(0.3, 0.9),
        rng.uniform(0.5, 7),
        rng.uniform(0.45, 0.75) if bilevel else 0.0,
        rng.uniform(0, 60),
        replace(ink, width_mm=min(ink.width_mm, 1.0) * rng.uniform(0.85, 1.2)),
    )


def _paper(scan: _Scan) -> NDArray[np.uint8]:
    """A cell with its frame, drawn finely; a little more than its picture shows."""
    side_mm = CELL_REACH * max(scan.size.width_mm, scan.size.height_mm) * 1.15
    side = round(side_mm * _PER_MM)
    paper = np.full((side, side), 255, np.uint8)
    middle = side / 2
    half_x, half_y = scan.size.width_mm / 2 * _PER_MM, scan.size.height_mm / 2 * _PER_MM
    gray = 255 * scan.shade
    line = max(1, round((scan.frame_mm or 0.25) * _PER_MM))
    for step in (-1, 0, 1):
        x = middle + step * (2 * half_x + line)
        top = middle - half_y if scan.frame_mm else middle + half_y * 0.4
        left, right, bottom = x - half_x - line / 2, x + half_x + line / 2, middle + half_y + line / 2
        ends = [((left, top), (left, bottom)), ((right, top), (right, bottom)), ((left, bottom), (right, bottom))]
        ends += [((left, top - line / 2), (right, top - line / 2))] if scan.frame_mm else []
        for first, last in ends:
            cv2.line(paper, _at(first), _at(last), gray, line, cv2.LINE_AA)
    return paper


def _at(point: tuple[float, float]) -> tuple[int, int]:
    return round(point[0]), round(point[1])


def _scanned(paper: NDArray[np.uint8], scan: _Scan, rng: np.random.Generator, *, off_mm: float) -> NDArray[np.uint8]:
    """The cell's picture as the reader cuts it out of a scan, that far off its place (sigma)."""
    factor = scan.dpi / MM_PER_INCH / _PER_MM
    shift = rng.uniform(0, 1, 2)
    coarse = cv2.warpAffine(
        cv2.GaussianBlur(paper, (0, 0), max(0.3, 0.4 / factor)),
        np.array([[factor, 0, shift[0]], [0, factor, shift[1]]]),
        (int(paper.shape[1] * factor) + 2, int(paper.shape[0] * factor) + 2),
        borderValue=255.0,
    ).astype(np.float32)
    gray = scan.black + coarse * (255 - scan.black) / 255
    gray = cv2.GaussianBlur(gray, (0, 0), scan.blur) + rng.normal(0, scan.noise, gray.shape)
    darkness = 1 - np.clip(gray, 0, 255) / 255
    darkness = (darkness > 1 - scan.bilevel).astype(np.float64) if scan.bilevel else darkness / (1 - scan.black / 255)
    side_mm = CELL_REACH * max(scan.size.width_mm, scan.size.height_mm)
    finer = 3
    count = CELL_SIDE * finer
    at = ((np.arange(count) + 0.5) / count - 0.5) * side_mm * scan.dpi / MM_PER_INCH
    middle = (
        np.array([paper.shape[1], paper.shape[0]]) / 2 * factor + shift + rng.normal(0, off_mm, 2) * scan.dpi / MM_PER_INCH
    )
    map_x, map_y = np.meshgrid(at + middle[0], at + middle[1])
    fine = cv2.remap(darkness.astype(np.float32), map_x.astype(np.float32), map_y.astype(np.float32), cv2.INTER_LINEAR)
    small = cv2.resize(fine, (CELL_SIDE, CELL_SIDE), interpolation=cv2.INTER_AREA)
    return np.rint(np.clip(small, 0, 1) * 255).astype(np.uint8)


def _digit(digit: str, hand: Hand, scan: _Scan, rng: np.random.Generator, *, beside: int = 0) -> Mark:
    size = scan.size
    side_mm = CELL_REACH * max(size.width_mm, size.height_mm) * 1.15
    height = min(hand.height * size.height_mm, 1.25 * size.width_mm) * (1 + rng.normal(0, 0.04))
    middle = side_mm / 2 + rng.normal(0, 0.06, 2) * (size.width_mm, size.height_mm)
    middle[0] += beside * (size.width_mm + (scan.frame_mm or 0.0))
    strokes = tuple(Stroke(one * height + middle, scan.ink.width_mm) for one in digit_strokes(digit, hand, rng))
    return Mark(1, "digit", scan.ink, strokes)


def _odd(hand: Hand, scan: _Scan, rng: np.random.Generator) -> list[Mark]:
    """Something that is no digit: two over each other, one crossed out, a scribble, a dash."""
    size = scan.size
    middle = np.full(2, CELL_REACH * max(size.width_mm, size.height_mm) * 1.15 / 2)
    half = np.array([size.width_mm, size.height_mm]) / 2

    def line(points: Sequence[tuple[float, float]]) -> Stroke:
        at = np.array(points) + rng.normal(0, 0.08, (len(points), 2))
        return Stroke(np.repeat(at * half * 0.8 + middle, 2, axis=0), scan.ink.width_mm)

    first, second = rng.choice(10, 2, replace=False).astype(str)
    match int(rng.integers(4)):
        case 0:
            return [_digit(first, hand, scan, rng), _digit(second, hand, scan, rng)]
        case 1:
            strokes = (line([(-0.9, -0.8), (0.9, 0.8)]), line([(-0.9, 0.8), (0.9, -0.8)]))
            return [_digit(first, hand, scan, rng), Mark(1, "struck", scan.ink, strokes[: int(rng.integers(1, 3))])]
        case 2:
            points = [(x, (-1) ** k * rng.uniform(0.4, 1)) for k, x in enumerate(np.linspace(-0.9, 0.9, 12).tolist())]
            return [Mark(1, "scribble", scan.ink, (line(points), line([(y, x) for x, y in points])))]
        case _:
            return [Mark(1, "dash", scan.ink, (line([(-0.6, 0.0), (0.6, 0.0)]),))]


def draw_writers(writers: Sequence[int], *, each: int = 40) -> Examples:
    """Cells of writers, given by their number, `each` of every one."""
    parts = []
    for writer in writers:
        rng = np.random.default_rng((SEED, writer))
        scan = _draw_scan(rng)
        hand = draw_hand(rng, care=float(rng.uniform(0.1, 1)))
        paper = _paper(scan)
        cells, right = [], []
        for _ in range(each):
            code = int(rng.choice([int(rng.integers(10)), NOTHING, OTHER], p=[0.86, 0.06, 0.08]))
            marks = _odd(hand, scan, rng) if code == OTHER else []
            marks += [_digit(str(code), hand, scan, rng)] if code < NOTHING else []
            for beside in (-1, 1):
                if rng.random() < 0.75:
                    marks.append(_digit(str(int(rng.integers(10))), hand, scan, rng, beside=beside))
            written = paper.copy()
            paint(written, marks, dpi=_PER_MM * MM_PER_INCH, rng=rng)
            cells.append(_scanned(written, scan, rng, off_mm=0.12))
            right.append(code)
        empty = _scanned(paper, replace(scan, noise=min(scan.noise, 2.0)), rng, off_mm=0.05)
        seen, features = look(np.stack(cells), np.repeat(empty[None], each, axis=0), scan.size)
        codes = np.array(right)
        if seen[codes < NOTHING].mean() >= _LEAST_SEEN:  # else a black and white scan of a pale pen: nobody can read it
            parts.append((features, codes, seen))
    return Examples(*(np.concatenate([part[column] for part in parts]) for column in range(3)))


def real_digits(blocks: Sequence[int], *, times: int, seed: int = 0) -> Examples:
    """Scikit-learn's digits as pictures of cells, `times` slightly different ones of each."""
    from sklearn.datasets import load_digits  # noqa: PLC0415 - who has no scikit-learn can still import this module

    stored = load_digits()
    block = np.arange(len(stored.target)) * _BLOCKS // len(stored.target)
    rng = np.random.default_rng((SEED, seed))
    size = CellSize(6.0, 8.0)
    cells, right = [], []
    for picture, digit in zip(stored.images[np.isin(block, blocks)], stored.target[np.isin(block, blocks)], strict=True):
        fine = cv2.GaussianBlur(
            cv2.resize(picture.astype(np.float32) / 16, (64, 64), interpolation=cv2.INTER_CUBIC), (0, 0), 2
        )
        for _ in range(times):
            height, width = rng.uniform(13, 21), rng.uniform(9, 17)
            turn, slant = (rng.normal(0, 0.05), rng.normal(0, 0.08)) if times > 1 else (0.0, 0.0)
            linear = np.array([[width / 64, -slant * height / 64], [turn * width / 64, height / 64]])
            offset = CELL_SIDE / 2 + rng.normal(0, 0.7, 2) - linear @ (32, 32)
            cell = cv2.warpAffine(fine, np.column_stack([linear, offset]), (CELL_SIDE, CELL_SIDE), flags=cv2.INTER_AREA)
            cell = np.clip(cell * rng.uniform(1.0, 1.6), 0, 1) * rng.uniform(0.6, 1) + rng.normal(0, 0.02, cell.shape)
            cells.append(np.rint(np.clip(cell, 0, 1) * 255).astype(np.uint8))
            right.append(int(digit))
    seen, features = look(np.stack(cells), np.zeros((len(cells), CELL_SIDE, CELL_SIDE), np.uint8), size)
    return Examples(features, np.array(right), seen)


def train(examples: Sequence[Examples], *, seed: int) -> dict[str, NDArray[np.float32]]:
    """Train one network; its weights, for numpy."""
    from sklearn.neural_network import MLPClassifier  # noqa: PLC0415

    features = np.concatenate([one.features[one.seen] for one in examples])
    right = np.concatenate([one.right[one.seen] for one in examples])
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-3
    network = MLPClassifier(
        (160, 80),
        alpha=3e-4,
        batch_size=256,
        learning_rate_init=1e-3,
        early_stopping=True,
        validation_fraction=0.05,
        n_iter_no_change=4,
        max_iter=40,
        random_state=seed,
    ).fit((features - mean) / spread, right)
    assert list(network.classes_) == list(range(len(SYMBOLS)))
    weights = {f"weights{layer}": one for layer, one in enumerate(network.coefs_)}
    biases = {f"bias{layer}": one for layer, one in enumerate(network.intercepts_)}
    made: dict[str, Any] = {"mean": mean, "spread": spread, "temperature": np.array(1.0), **weights, **biases}
    return {name: np.asarray(value, np.float32) for name, value in made.items()}


def probabilities(networks: Sequence[Mapping[str, NDArray[np.float32]]], examples: Examples) -> NDArray[np.float32]:
    """As `scangrade.answers.digits` finds them."""
    total = digits.of_paper(len(examples.right))
    total[examples.seen] = digits.evaluate(examples.features[examples.seen], networks)
    return total


def temperature(network: Mapping[str, NDArray[np.float32]], held_out: Sequence[Examples]) -> float:
    """By which the logits are divided so that probabilities hold on writers that were not trained on: each source weighs the same."""

    def loss(heat: float) -> float:
        heated = {**network, "temperature": np.array(heat, np.float32)}
        found = [np.log(np.maximum(_of_right(probabilities([heated], one), one), 1e-9)).mean() for one in held_out]
        return -float(np.mean(found))

    return float(min(np.linspace(0.6, 3.0, 49), key=loss))


def _of_right(found: NDArray[np.float32], examples: Examples) -> NDArray[np.float32]:
    return found[np.arange(len(found)), examples.right]


def evaluate(name: str, found: NDArray[np.float32], examples: Examples) -> None:
    """Print how many are read rightly, how sure the network is, and whether that is true."""
    best = found.argmax(axis=1)
    sure = found.max(axis=1)
    digit = examples.right < NOTHING
    wrong = best != examples.right
    print(f"\n{name}: {len(found)} cells, {wrong[digit].mean():.2%} of the digits taken for something else")
    print("| said probability | cells | mean of it | right |\n|---|---|---|---|")
    for low, high in ((0, 0.5), (0.5, 0.9), (0.9, 0.99), (0.99, 0.999), (0.999, 0.9999), (0.9999, 1.01)):
        some = (sure >= low) & (sure < high)
        if some.any():
            print(f"| {low:g} to {min(high, 1):g} | {some.sum()} | {sure[some].mean():.4f} | {1 - wrong[some].mean():.4f} |")
    pairs = sorted(
        ((int(((examples.right == a) & (best == b)).sum()), a, b) for a in range(12) for b in range(12) if a != b),
        reverse=True,
    )
    print("most often: " + ", ".join(f"{SYMBOLS[a]} as {SYMBOLS[b]} {count}" for count, a, b in pairs[:8] if count))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--writers", type=int, default=4000)
    parser.add_argument("--networks", type=int, default=2)
    parser.add_argument("--without-real", action="store_true", help="learn from drawn digits only, to see how real those are")
    parser.add_argument("--evaluate", action="store_true", help="evaluate the weights that are there, and train nothing")
    parser.add_argument("--output", type=Path, default=WEIGHTS)
    asked = parser.parse_args()
    aside = [block for block in range(_BLOCKS) if block % 5 == 0]
    held_out = {
        "drawn digits of other writers": draw_writers(range(0, asked.writers, _HELD_OUT)),
        "real digits": real_digits(aside, times=1),
    }
    if asked.evaluate:
        networks = digits.networks()
    else:
        learned_from = [draw_writers([one for one in range(asked.writers) if one % _HELD_OUT])]
        if not asked.without_real:
            learned_from.append(real_digits([one for one in range(_BLOCKS) if one not in aside], times=_REAL_TIMES))
        print(f"{sum(len(one.right) for one in learned_from)} cells to learn from", flush=True)
        networks = []
        for seed in range(asked.networks):
            network = train(learned_from, seed=seed)
            network["temperature"] = np.array(temperature(network, list(held_out.values())), np.float32)
            print(f"network {seed}: temperature {float(network['temperature']):.2f}", flush=True)
            networks.append(network)
        arrays = {f"{number}/{name}": array for number, one in enumerate(networks) for name, array in one.items()}
        np.savez_compressed(
            asked.output, allow_pickle=False, **{name: array.astype(np.float16) for name, array in arrays.items()}
        )
    for name, examples in held_out.items():
        evaluate(name, probabilities(networks, examples), examples)


if __name__ == "__main__":
    main()
