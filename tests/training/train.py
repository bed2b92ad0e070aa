"""Trains the network that tells marks apart, and writes its weights where `scangrade.answers.recognise` finds them.

    pip install '.[train]'
    python -m tests.training.train FOLDER [--epochs N] [--networks N] [--output FILE]

FOLDER is what `gather.py` made. One batch in eight is kept aside; on those the temperature is set, and the evaluation printed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from scangrade.answers.empty_boxes import EmptyBoxes, Sheet, added_ink, expected, learn_empty_boxes
from scangrade.answers.judge import learn_pen
from scangrade.answers.recognise import CONTEXT, SIGHTS, Pen, context, pictures
from scangrade.model import PATCH_SIDE, Box, Convention, Readings
from scangrade.settings import DECIDE
from tests.training.classes import targets

WEIGHTS = Path(__file__).parents[2] / "scangrade" / "answers" / "marks.npz"
HELD_OUT = 8  #: one batch in so many
_PLAIN_KEPT = 0.35  # share of the untouched boxes that are learned from: they are most, and easy


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Boxes with what is known of them."""

    patches: NDArray[np.uint8]
    empty: NDArray[np.uint8]
    context: NDArray[np.float32]
    right: NDArray[np.bool_]  #: (N, len(SIGHTS))
    kinds: NDArray[np.str_]
    hard: NDArray[np.bool_]


def load(files: Sequence[Path], rng: np.random.Generator) -> Examples:
    """Read batches as a run would see them: once all booklets together, once each booklet alone, half of the boxes of each."""
    parts: list[tuple[NDArray[Any], ...]] = []
    for file in files:
        with np.load(file, allow_pickle=False) as stored:
            batch = {name: stored[name] for name in stored.files}
        sheets, rows = _sheets(batch)
        right, usable = targets(
            batch["kind"], batch["verdict"], Convention(str(batch["convention"])), bilevel=bool(batch["bilevel"])
        )
        keep = usable & ~np.isnan(batch["values"][:, 0]) & ((batch["kind"] != "") | (rng.random(len(usable)) < _PLAIN_KEPT))
        together = rng.random(len(usable)) < 0.65
        booklets = batch["booklet"]
        groups = [np.arange(len(sheets))] + [
            np.flatnonzero([booklets[row[0]] == booklet for row in rows]) for booklet in np.unique(booklets)
        ]
        for number, group in enumerate(groups):
            chosen = [sheets[index] for index in group]
            learned = learn_empty_boxes(chosen, settings=DECIDE.empty_boxes)
            seen = [expected(sheet, learned[sheet.page]) for sheet in chosen]
            pens = _pens(chosen, seen, [booklets[rows[index][0]] for index in group])
            for index, sheet, empty, pen in zip(group, chosen, seen, pens, strict=True):
                some = keep[rows[index]] & (together[rows[index]] == (number == 0))
                if some.any():
                    at = rows[index][some]
                    parts.append(
                        (
                            sheet.readings.patches[some],
                            empty.patches[some],
                            context(sheet, empty, pen)[some],
                            right[at],
                            batch["kind"][at].astype("<U32"),
                            np.full(len(at), str(batch["severity"]) in ("hard", "extreme")),
                        )
                    )
    return Examples(*(np.concatenate([part[column] for part in parts]) for column in range(6)))


def _sheets(batch: dict[str, NDArray[Any]]) -> tuple[list[Sheet], list[NDArray[np.intp]]]:
    booklet, page = batch["booklet"], batch["page"]
    starts = [0, *(np.flatnonzero((np.diff(booklet) != 0) | (np.diff(page) != 0)) + 1), len(booklet)]
    sheets, rows = [], []
    for start, end in pairwise(starts):
        at = np.arange(start, end)
        boxes = tuple(_box(batch["meta"][row].tolist(), int(page[row])) for row in at)
        blank = (
            batch["blanks"][at] if len(batch["blanks"]) == len(booklet) else np.zeros((0, PATCH_SIDE, PATCH_SIDE), np.uint8)
        )
        sheets.append(Sheet(int(page[start]), boxes, Readings(batch["values"][at], batch["patches"][at], blank)))
        rows.append(at)
    return sheets, rows


def _box(row: list[str], page: int) -> Box:
    key, text, declared, width, height, frame, field = row
    value = key.removeprefix(f"{field}/")
    return Box(
        field, value, page, 0.0, 0.0, float(width), float(height), float(frame), printed=text if declared == "True" else ""
    )


def _pens(sheets: Sequence[Sheet], empty: Sequence[EmptyBoxes], booklets: Sequence[object]) -> list[Pen]:
    pens: dict[object, Pen] = {}
    for booklet in set(booklets):
        own = [index for index, other in enumerate(booklets) if other == booklet]
        pens[booklet] = learn_pen(
            [added_ink(sheets[index].readings.patches, empty[index].patches) for index in own], settings=DECIDE
        )
    return [pens[booklet] for booklet in booklets]


class Net(nn.Module):
    """The network as torch trains it; `answers/network.py` is the same in numpy."""

    def __init__(
        self,
        channels: tuple[int, int, int] = (16, 32, 32),
        dense: int = 64,
        *,
        side: int = PATCH_SIDE,
        known: int = len(CONTEXT),
        classes: int = len(SIGHTS),
        drop: float = 0.2,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, channels[0], 5, stride=2, padding=2)
        self.conv2 = nn.Conv2d(channels[0], channels[1], 3, stride=2, padding=1)
        self.conv3 = nn.Conv2d(channels[1], channels[2], 3, padding=1)
        self.dense1 = nn.Linear((side // 4) ** 2 * channels[2] + known, dense)
        self.dense2 = nn.Linear(dense, classes)
        self.drop = nn.Dropout(drop)

    def forward(self, pictures: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        """Logits."""
        x = torch.relu(self.conv1(pictures))
        x = torch.relu(self.conv2(x))
        x = torch.relu(self.conv3(x))
        x = torch.cat([x.permute(0, 2, 3, 1).flatten(1), known], dim=1)
        out: torch.Tensor = self.dense2(self.drop(torch.relu(self.dense1(x))))
        return out


def _batch(examples: Examples, index: NDArray[np.intp]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    patches, empty = examples.patches[index], examples.empty[index]
    seen = pictures(patches, empty, added_ink(patches, empty)).transpose(0, 3, 1, 2)
    return torch.from_numpy(seen), torch.from_numpy(examples.context[index]), torch.from_numpy(examples.right[index])


def _varied(pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """The same boxes mirrored, shifted, paler, darker, bolder, blurred, noisier; the empty ones not quite as learned, as in small runs."""
    count = len(pictures)

    def some(share: float) -> torch.Tensor:
        return torch.rand(count, generator=generator) < share

    def gain(spread: float) -> torch.Tensor:
        return (1 + spread * torch.randn(count, 1, 1, generator=generator)).clamp(0.7, 1.3)

    def step() -> tuple[int, int]:
        return tuple(torch.randint(-1, 2, (2,), generator=generator).tolist())

    for axis in (2, 3):
        chosen = some(0.5)
        pictures[chosen] = torch.flip(pictures[chosen], (axis,))
    chosen = some(0.3)
    pictures[chosen] = torch.roll(pictures[chosen], step(), (2, 3))
    light = gain(0.12)
    patch, empty = pictures[:, 0] * light, pictures[:, 1] * light
    chosen = some(0.5)
    empty[chosen] = (empty * gain(0.12))[chosen]
    chosen = some(0.3)
    empty[chosen] = (empty[chosen] + torch.roll(empty[chosen], step(), (1, 2))) / 2
    for one in (patch, empty):
        chosen = some(0.12)
        one[chosen] = torch.nn.functional.avg_pool2d(one[chosen], 3, 1, 1)
    for one in (patch, empty):  # toner, and thresholds of black and white scanners, make print bolder than elsewhere
        chosen = some(0.15)
        bold = torch.rand(int(chosen.sum()), 1, 1, generator=generator) * 0.6
        one[chosen] = one[chosen] + bold * (torch.nn.functional.max_pool2d(one[chosen], 3, 1, 1) - one[chosen])
    chosen = some(0.15)  # dithered paper
    size = (int(chosen.sum()), *patch.shape[1:])
    specks = torch.rand(size, generator=generator) < 0.15 * torch.rand((size[0], 1, 1), generator=generator)
    patch[chosen] = torch.maximum(patch[chosen], specks * 0.35 * torch.rand(size, generator=generator))
    noise = torch.rand(count, 1, 1, generator=generator) * 0.04
    patch = (patch + noise * torch.randn(patch.shape, generator=generator)).clamp(0, 1)
    empty = empty.clamp(0, 1)
    added = torch.relu(patch - torch.nn.functional.max_pool2d(empty, 3, 1, 1))  # as `empty_boxes.added_ink`
    return torch.stack([patch, empty, added], dim=1)


def varied_pictures(examples: Examples, index: NDArray[np.intp], generator: torch.Generator) -> torch.Tensor:
    """What the network sees of some boxes while it learns, (N, 3, PATCH_SIDE, PATCH_SIDE)."""
    return _varied(_batch(examples, index)[0], generator)


def train(examples: Examples, *, epochs: int, seed: int) -> Net:
    """Train one network."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    net = Net()

    def loss(index: NDArray[np.intp]) -> torch.Tensor:
        seen, known, right = _batch(examples, index)
        varied = _varied(seen, generator).contiguous(memory_format=torch.channels_last)
        return _loss(net(varied, known), right)

    fit(net, loss, len(examples.right), epochs=epochs, seed=seed)
    return net


def fit(
    net: Net,
    loss: Callable[[NDArray[np.intp]], torch.Tensor],
    count: int,
    *,
    epochs: int,
    seed: int,
    rate: float = 3e-3,
    size: int = 512,
) -> None:
    """Train a network on so many examples, some of which `loss` is told by their places."""
    torch.set_num_threads(1)  # pictures are small: more threads wait for each other
    rng = np.random.default_rng(seed)
    net.to(memory_format=torch.channels_last)
    steps = epochs * (count // size)
    optimiser = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=rate, total_steps=steps + 1)
    for epoch in range(epochs):
        order, total = rng.permutation(count), 0.0
        for start in range(0, len(order) - size + 1, size):
            lost = loss(order[start : start + size])
            optimiser.zero_grad()
            lost.backward()
            optimiser.step()
            schedule.step()
            total += lost.item() * size
        print(f"network {seed}, epoch {epoch + 1}: loss {total / len(order):.5f}", flush=True)
    net.eval()


def _loss(logits: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Minus the log-probability of any right answer."""
    log = torch.log_softmax(logits, dim=1)
    return -torch.logsumexp(log.masked_fill(~right, -torch.inf), dim=1).mean()


def logits(net: Net, examples: Examples) -> torch.Tensor:
    """Of all examples."""
    with torch.no_grad():
        index = np.arange(len(examples.right))
        return torch.cat([net(*_batch(examples, index[start : start + 4096])[:2]) for start in range(0, len(index), 4096)])


def temperature(found: torch.Tensor, right: torch.Tensor) -> float:
    """By which logits are divided so that probabilities hold on boxes that were not trained on."""
    tried = np.linspace(0.6, 3.0, 97)
    return float(min(tried, key=lambda one: float(_loss(found / one, right))))


def export(nets: Sequence[Net], temperatures: Sequence[float], path: Path) -> None:
    """Write the weights for numpy."""
    arrays: dict[str, NDArray[np.float16]] = {}
    for number, (net, heat) in enumerate(zip(nets, temperatures, strict=True)):
        for layer in (1, 2, 3):
            conv = getattr(net, f"conv{layer}")
            arrays[f"{number}/conv{layer}"] = conv.weight.detach().permute(2, 3, 1, 0).numpy()
            arrays[f"{number}/bias{layer}"] = conv.bias.detach().numpy()
        for layer in (1, 2):
            dense = getattr(net, f"dense{layer}")
            arrays[f"{number}/dense{layer}"] = dense.weight.detach().T.numpy()
            arrays[f"{number}/bias{layer + 3}"] = dense.bias.detach().numpy()
        arrays[f"{number}/temperature"] = np.array(heat)
    np.savez_compressed(
        path, allow_pickle=False, **{name: np.ascontiguousarray(array, np.float16) for name, array in arrays.items()}
    )


def evaluate(probabilities: NDArray[np.float32], held_out: Examples) -> None:
    """Print how often a box is taken for something else, and how sure the network then is."""
    right = np.where(held_out.right, probabilities, 0).sum(axis=1)
    empty = held_out.right[:, 0]
    print(f"{len(right)} boxes held out; taken for something else: {(right < 0.5).mean():.3%}")
    for hard in (False, True):
        for name, some, seen in (
            ("empty, seen as something", empty, 1 - probabilities[:, 0]),
            ("something, seen as empty", ~empty, probabilities[:, 0]),
        ):
            chosen = some & (held_out.hard == hard)
            levels = "  ".join(
                f">{level:g}: {(seen[chosen] > level).mean():.3%}" for level in (0.01, 0.1, 0.5, 0.9, 0.99, 0.999)
            )
            print(f"{'hard' if hard else 'usual'}, {name} ({chosen.sum()}): {levels}")
    for kind in np.unique(held_out.kinds):
        some = held_out.kinds == kind
        if some.sum() >= 20:
            best = np.bincount(probabilities[some].argmax(axis=1), minlength=len(SIGHTS))
            words = ", ".join(
                f"{SIGHTS[one].value} {best[one] / some.sum():.1%}" for one in best.argsort()[::-1][:4] if best[one]
            )
            print(f"  {kind or '(nothing)'} ({some.sum()}): {words}")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--networks", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0, help="of the first network")
    parser.add_argument("--output", type=Path, default=WEIGHTS)
    asked = parser.parse_args()
    files = sorted(asked.folder.glob("batch-*.npz"))
    rng = np.random.default_rng(1)
    learned_from = load([one for number, one in enumerate(files) if number % HELD_OUT], rng)
    held_out = load(files[::HELD_OUT], rng)
    print(f"{len(learned_from.right)} boxes to learn from, of {len(files)} batches", flush=True)
    right = torch.from_numpy(held_out.right)
    nets, heats, sums = [], [], np.zeros(held_out.right.shape, np.float32)
    for seed in range(asked.seed, asked.seed + asked.networks):
        net = train(learned_from, epochs=asked.epochs, seed=seed)
        found = logits(net, held_out)
        heat = temperature(found, right)
        print(f"network {seed}: loss held out {float(_loss(found / heat, right)):.5f}, temperature {heat:.2f}", flush=True)
        nets.append(net)
        heats.append(heat)
        sums += torch.softmax(found / heat, dim=1).numpy()
    evaluate(np.asarray(sums / len(nets), np.float32), held_out)
    export(nets, heats, asked.output)


if __name__ == "__main__":
    main()
