"""Trains the network that looks at boxes first, from what the pair that tells marks apart says of them.

    pip install '.[train]'
    python -m tests.training.first_look FOLDER [--rounds N] [--epochs N] [--output FILE]

FOLDER is what `gather.py` made, and the pair that of `train.py`. One batch in eight is kept aside; the evaluation is of those.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from scangrade.answers.empty_boxes import added_ink
from scangrade.answers.first_look import CELL, FirstLook
from scangrade.answers.judge import SAME
from scangrade.answers.recognise import CONTEXT, SIGHTS, Sight, recognise
from scangrade.model import PATCH_SIDE
from tests.training.train import HELD_OUT, Examples, load, varied_pictures

WEIGHTS = Path(__file__).parents[2] / "scangrade" / "answers" / "first_look.npz"
_RATE, _SIZE = 3e-3, 512
_LEVELS = (0.9, 0.97, 0.99, 0.995, 0.998, 0.999)


class Net(nn.Module):
    """The network as torch trains it; `answers/first_look.py` is the same in numpy."""

    def __init__(self, channels: int = 24, dense: int = 64) -> None:
        super().__init__()
        self.cells = nn.Conv2d(3, channels, CELL, stride=CELL)
        self.dense1 = nn.Linear((PATCH_SIDE // CELL) ** 2 * channels + len(CONTEXT), dense)
        self.dense2 = nn.Linear(dense, len(SIGHTS))

    def forward(self, pictures: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        """Logits."""
        x = torch.relu(self.cells(pictures)).permute(0, 2, 3, 1).flatten(1)
        out: torch.Tensor = self.dense2(torch.relu(self.dense1(torch.cat([x, known], dim=1))))
        return out


@dataclass(frozen=True, slots=True, eq=False)
class Lessons:
    """Boxes varied, and what the pair says of them."""

    pictures: NDArray[np.uint8]  #: (N, 3, PATCH_SIDE, PATCH_SIDE)
    known: NDArray[np.float32]
    told: NDArray[np.float32]  #: (N, len(SIGHTS))


def lessons(examples: Examples, *, rounds: int, seed: int) -> Lessons:
    """Vary each box so many times, and ask the pair."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(seed)
    count = len(examples.patches)
    seen = np.empty((rounds * count, 3, PATCH_SIDE, PATCH_SIDE), np.uint8)
    told = np.empty((rounds * count, len(SIGHTS)), np.float32)
    for turn in range(rounds):
        for start in range(0, count, 2048):
            index = np.arange(start, min(count, start + 2048))
            here = turn * count + index
            seen[here] = np.rint(varied_pictures(examples, index, generator).numpy() * 255)
            patches, empty, added = (np.ascontiguousarray(channel) for channel in seen[here].swapaxes(0, 1))
            told[here] = recognise(patches, empty, added, examples.context[index])
        print(f"round {turn + 1} varied", flush=True)
    told /= told.sum(axis=1, keepdims=True)  # to the last bit
    return Lessons(seen, np.tile(examples.context, (rounds, 1)), told)


def train(learned_from: Lessons, *, epochs: int, seed: int) -> Net:
    """Train the network to say what the pair says."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = Net().to(memory_format=torch.channels_last)
    count = len(learned_from.told)
    optimiser = torch.optim.AdamW(net.parameters(), lr=_RATE, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=_RATE, total_steps=epochs * (count // _SIZE) + 1)
    for epoch in range(epochs):
        order, total = rng.permutation(count), 0.0
        for start in range(0, count - _SIZE + 1, _SIZE):
            index = np.sort(order[start : start + _SIZE])
            seen = torch.from_numpy(learned_from.pictures[index]).float() / 255
            found = net(seen.contiguous(memory_format=torch.channels_last), torch.from_numpy(learned_from.known[index]))
            lost = nn.functional.cross_entropy(found, torch.from_numpy(learned_from.told[index]))
            optimiser.zero_grad()
            lost.backward()
            optimiser.step()
            schedule.step()
            total += lost.item() * _SIZE
        print(f"epoch {epoch + 1}: loss {total / count:.5f}", flush=True)
    net.eval()
    return net


def export(net: Net, path: Path) -> None:
    """Write the weights for numpy."""
    arrays = {
        "cells": net.cells.weight.permute(2, 3, 1, 0),  # rows, columns, channels in, channels out
        "bias1": net.cells.bias,
        "dense1": net.dense1.weight.T,
        "bias2": net.dense1.bias,
        "dense2": net.dense2.weight.T,
        "bias3": net.dense2.bias,
    }
    np.savez_compressed(
        path, allow_pickle=False, **{k: np.ascontiguousarray(one.detach().numpy(), np.float16) for k, one in arrays.items()}
    )


def evaluate(first: FirstLook, held_out: Examples) -> None:
    """Print how often the first look is how sure, and how often the pair then says something else of the box, or is not as sure."""
    added = added_ink(held_out.patches, held_out.empty)
    seen = first(held_out.patches, held_out.empty, added, held_out.context)
    pair = recognise(held_out.patches, held_out.empty, added, held_out.context)
    same = SAME[seen.argmax(axis=1)]
    word, of_pair = np.where(same, seen, 0).sum(axis=1), np.where(same, pair, 0).sum(axis=1)
    wrong = ~(same & held_out.right).any(axis=1)
    void = seen.argmax(axis=1) == SIGHTS.index(Sight.EMPTY)
    print(f"{len(word)} boxes held out")
    for name, kind in (("empty", void), ("something", ~void)):
        for level in _LEVELS:
            some = kind & (word >= level)
            below = "  ".join(f"below {one:g}: {(of_pair[some] < one).sum()}" for one in (0.5, 0.9, 0.97))
            print(f"{name} from {level:g}: {some.sum()} of {kind.sum()}; wrong {wrong[some].sum()}; pair {below}")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=4, help="of varying the boxes")
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=WEIGHTS)
    asked = parser.parse_args()
    files = sorted(asked.folder.glob("batch-*.npz"))
    rng = np.random.default_rng(1)
    learned_from = load([one for number, one in enumerate(files) if number % HELD_OUT], rng)
    held_out = load(files[::HELD_OUT], rng)
    print(f"{len(learned_from.patches)} boxes to learn from, of {len(files)} batches", flush=True)
    told = lessons(learned_from, rounds=asked.rounds, seed=asked.seed)
    export(train(told, epochs=asked.epochs, seed=asked.seed), asked.output)
    evaluate(FirstLook.of(asked.output.read_bytes()), held_out)


if __name__ == "__main__":
    main()
