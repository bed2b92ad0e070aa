"""Trains the networks that read handwritten digits, and writes their weights where `scangrade.answers.digits` finds them.

    pip install '.[train]'
    python -m tests.training.digits [--writers 3600] [--networks 1] [--epochs 12] [--output FILE]
    python -m tests.training.digits --evaluate

On the writers who are kept aside (`cells.py`) the temperature is set, and the evaluation printed.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from scangrade.answers import digits
from scangrade.answers.digits import NOTHING, SHAPES, SIDE, SYMBOLS
from scangrade.answers.network import Networks
from tests.training.cells import Examples, aside, draw_cells, drifting, examples_of, pool_of, probabilities
from tests.training.train import Net, export, fit

WEIGHTS = Path(digits.__file__).parent / "digits.npz"
_CHANNELS, _DENSE = (20, 40, 48), 96  # of the networks


def _batch(examples: Examples, index: NDArray[np.intp]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pictures, shapes and what is right, for torch."""
    pictures = np.stack([one[index] for one in examples.looked.pictures], axis=1)
    seen = torch.from_numpy(pictures.astype(np.float32) / np.float32(255))
    return seen, torch.from_numpy(examples.looked.shapes[index]), torch.from_numpy(examples.right[index])


def _varied(pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """The same cells turned, sheared, stretched, shifted and bent, paler or darker, bolder, blurred, noisier."""
    count, side = len(pictures), pictures.shape[-1]

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(count, *shape, generator=generator)

    linear = torch.eye(2) + normal(2, 2) * torch.tensor([[0.06, 0.06], [0.04, 0.06]])
    place = torch.cat([linear, normal(2, 1) * 0.04], dim=2)
    grid = nn.functional.affine_grid(place, [count, 1, side, side], align_corners=False)
    bend = nn.functional.interpolate(normal(2, 5, 5) * 0.035, size=(side, side), mode="bilinear", align_corners=True)
    varied = nn.functional.grid_sample(pictures, grid + bend.permute(0, 2, 3, 1), align_corners=False)
    for change in (nn.AvgPool2d(3, 1, 1), nn.MaxPool2d(3, 1, 1)):
        some = torch.rand(count, generator=generator) < 0.15
        share = torch.rand(int(some.sum()), 1, 1, 1, generator=generator) * 0.7
        varied[some] = varied[some] + share * (change(varied[some]) - varied[some])
    varied = varied * (1 + 0.1 * normal(1, 1, 1))
    noise = torch.rand(count, 1, 1, 1, generator=generator) * 0.04
    return (varied + noise * torch.randn(varied.shape, generator=generator)).clamp(0, 1)


def train(sets: Sequence[Examples], *, epochs: int, seed: int) -> Net:
    """Train one network: first on digits in their places, then, for half as long each time, on sets of those that drift."""
    torch.manual_seed(seed)
    net = Net(_CHANNELS, _DENSE, side=SIDE, known=SHAPES, classes=len(SYMBOLS))
    plain, *drifts = sets
    _learn(net, plain, epochs=epochs, seed=seed, rate=3e-3)
    for one in drifts:
        torch.manual_seed(seed)
        net.train()
        _learn(net, one, epochs=epochs // 2, seed=seed, rate=1.5e-3)
    return net


def _learn(net: Net, examples: Examples, *, epochs: int, seed: int, rate: float) -> None:
    """Train a network on cells in which something is seen."""
    generator = torch.Generator().manual_seed(seed)
    seen = np.flatnonzero(examples.looked.seen)

    def loss(index: NDArray[np.intp]) -> torch.Tensor:
        pictures, shapes, right = _batch(examples, seen[index])
        varied = _varied(pictures, generator).contiguous(memory_format=torch.channels_last)
        return nn.functional.cross_entropy(net(varied, shapes), right)

    fit(net, loss, len(seen), epochs=epochs, seed=seed, rate=rate)


def logits(net: Net, examples: Examples) -> torch.Tensor:
    """Of all cells in which something is seen."""
    index = np.flatnonzero(examples.looked.seen)
    with torch.no_grad():
        return torch.cat([net(*_batch(examples, index[start : start + 4096])[:2]) for start in range(0, len(index), 4096)])


def temperature(nets: Sequence[Net], held_out: Sequence[Examples]) -> float:
    """By which logits are divided so that the mean of all networks' probabilities holds on writers that were not trained on.

    Each source weighs the same.
    """
    found = [torch.stack([logits(net, one) for net in nets]) for one in held_out]
    right = [torch.from_numpy(one.right[one.looked.seen]) for one in held_out]

    def loss(heat: float) -> float:
        return sum(
            float(nn.functional.nll_loss(torch.softmax(one / heat, dim=2).mean(dim=0).clamp_min(1e-9).log(), truth))
            for one, truth in zip(found, right, strict=True)
        )

    return float(min(np.linspace(0.6, 3.0, 97), key=loss))


def evaluate(name: str, found: NDArray[np.float32], right: NDArray[np.int64]) -> None:
    """Print how many are read rightly, how sure the networks are, and whether that is true."""
    best = found.argmax(axis=1)
    sure = found.max(axis=1)
    digit = right < NOTHING
    wrong = best != right
    print(f"\n{name}: {len(found)} cells, {wrong[digit].mean():.2%} of the digits taken for something else")
    print("| said probability | cells | mean of it | right | wrong |\n|---|---|---|---|---|")
    for low, high in pairwise((0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 1.01)):
        some = (sure >= low) & (sure < high)
        if some.any():
            shares = f"{sure[some].mean():.5f} | {1 - wrong[some].mean():.5f} | {wrong[some].sum()}"
            print(f"| {low:g} to {min(high, 1):g} | {some.sum()} | {shares} |")
    pairs = sorted(
        ((int(((right == a) & (best == b)).sum()), a, b) for a in range(12) for b in range(12) if a != b), reverse=True
    )
    print("most often: " + ", ".join(f"{SYMBOLS[a]} as {SYMBOLS[b]} {count}" for count, a, b in pairs[:8] if count))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--writers", type=int, default=3600)
    parser.add_argument("--networks", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--evaluate", action="store_true", help="evaluate the weights that are there, and train nothing")
    parser.add_argument("--output", type=Path, default=WEIGHTS)
    asked = parser.parse_args()
    kept = [one for one in range(asked.writers) if aside(one)]
    held_out = {
        name: examples_of(
            drifting(draw_cells(one, pool=pool_of(one)), one) for one in kept if (pool_of(one) is not None) == real
        )
        for name, real in (("drawn digits of other writers", False), ("real digits", True))
    }
    if not asked.evaluate:
        writers = [one for one in range(asked.writers) if not aside(one)]
        drawn = [draw_cells(one, pool=pool_of(one)) for one in writers]
        sets = [examples_of(drawn)]
        for time in (1, 2):
            sets.append(examples_of(drifting(cells, one, time=time) for one, cells in zip(writers, drawn, strict=True)))
        print(f"{len(sets[0].right)} cells to learn from", flush=True)
        nets = [train(sets, epochs=asked.epochs, seed=seed) for seed in range(asked.networks)]
        heat = temperature(nets, list(held_out.values()))
        print(f"temperature {heat:.2f}", flush=True)
        export(nets, [heat] * len(nets), asked.output)
    networks = Networks.of(asked.output.read_bytes(), brightest=255)
    for name, examples in held_out.items():
        evaluate(name, probabilities(examples, networks), examples.right)


if __name__ == "__main__":
    main()
