"""Trains the network that sees words beside marks, and writes its weights where `scangrade.answers.words` finds them.

    pip install '.[train]'
    python -m tests.training.words [--sheets N] [--epochs N] [--networks N] [--workers N] [--output FILE]

Small sheets are drawn, filled in and scanned; they need no registration, since it is known where their boxes are. One sheet in eight is
kept aside; on those the temperature is set, and the evaluation printed.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from scangrade.answers import words
from scangrade.answers.empty_boxes import Sheet, learn_empty_boxes
from scangrade.answers.words import CONTEXT, VIEW_SIDE, surroundings
from scangrade.authoring.form import Look
from scangrade.authoring.mishaps import Mishap
from scangrade.authoring.person import Style
from scangrade.authoring.scanner import ScannedImage
from scangrade.authoring.simulate import print_form, simulate_booklet
from scangrade.authoring.truth import BoxTruth
from scangrade.geometry import MM_PER_INCH, as_matrix, project
from scangrade.model import FEATURES, PATCH_SIDE, Box, Convention, Field, FieldKind, Layout, LayoutPage, Readings, Verdict
from scangrade.paper.patches import page_ink, thumbnails
from scangrade.settings import DECIDE, FRAMES, MEASURE
from scangrade.workers import begin_worker
from tests.benchmarks.population import Severity, draw_answers, draw_person, draw_scanner, mishaps, people
from tests.training.forms import wild_form
from tests.training.train import Net, export, temperature

WEIGHTS = Path(words.__file__).parent / "words.npz"
#: Seeds of training: the benchmark's are far above.
SEED = 300
_HELD_OUT = 8  # one sheet in so many
_BOOKLETS = (6, 13)
#: How often somebody writes beside a mark, in shares of the questions, and the kinds that its boxes then have.
_WRITTEN = {Mishap.TWO_AND_WORD: 0.09, Mishap.REMARKED: 0.05}
_WORDS = frozenset({Mishap.TWO_AND_WORD.value, Mishap.REMARKED.value})
_ODD_STYLES = (Style.PARTIAL, Style.LINE, Style.TICK, Style.CROSS, Style.FULL, Style.SCRIBBLE, Style.LOOPED, Style.ALPHA)
#: Beside questions so near to one beside which a word stands, it stands as well; mm.
_NEAR = (24.0, 14.0)


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Views of marks, those of one question after each other."""

    views: NDArray[np.uint8]  #: (N, 3, VIEW_SIDE, VIEW_SIDE)
    context: NDArray[np.float32]
    question: NDArray[np.int64]  #: of each view; they count up from 0
    written: NDArray[np.bool_]  #: whether something is written beside it, of each question
    hard: NDArray[np.bool_]  #: of each question


_NOTHING = Examples(
    np.zeros((0, 3, VIEW_SIDE, VIEW_SIDE), np.uint8),
    np.zeros((0, len(CONTEXT)), np.float32),
    np.zeros(0, np.int64),
    np.zeros(0, np.bool_),
    np.zeros(0, np.bool_),
)


def draw(number: int) -> Examples:
    """Draw one small sheet, filled in by some people and scanned, and look at its marks as the reader does.

    The sheet's boxes lie so near to each other that their pictures show most of what is between them. A question beside which nothing is
    written, but which a person must see for other reasons, is left out, and so is one between which and its neighbour a word stands.
    """
    rng = np.random.default_rng([SEED, number])
    severity = tuple(Severity)[int(rng.choice(4, p=[0.15, 0.4, 0.3, 0.15]))]
    layout, look = _sheet(rng)
    form = print_form(layout, look=look)
    scanner = replace(draw_scanner(severity, layout, rng), overscan_mm=0.0, rotations=(0,))
    boxes = layout.boxes(1)
    sheets: list[Sheet] = []
    truths: list[dict[str, BoxTruth]] = []
    for booklet in range(int(rng.integers(*_BOOKLETS))):
        persona = draw_person(people(layout.convention, severity, scanner), scanner, rng)
        persona = replace(persona, sometimes=_ODD_STYLES, sometimes_share=0.08)
        (image,), truth = simulate_booklet(
            layout,
            draw_answers(layout, "", rng),
            persona,
            scanner,
            rng,
            f"{booklet + 1:04d}",
            form=form,
            pages=(1,),
            mishaps={**mishaps(severity), **_WRITTEN},
        )
        sheets.append(Sheet(1, boxes, _measured(image, boxes, rng)))
        truths.append({f"{one.field}/{one.box}": one for one in truth.boxes})
    empty = learn_empty_boxes(sheets, settings=DECIDE.empty_boxes)[1]
    parts: list[tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int64]]] = []
    written: list[bool] = []
    for sheet, told in zip(sheets, truths, strict=True):
        truth_of = [told[box.key] for box in boxes]
        filled = {row for row, one in enumerate(truth_of) if one.verdict is not Verdict.EMPTY}
        worded = [row for row, one in enumerate(truth_of) if one.kind.partition("+")[0] in _WORDS]
        around = surroundings(sheet, empty, range(len(boxes)))
        fields: dict[str, list[int]] = {}
        for row, box in enumerate(boxes):
            fields.setdefault(box.field, []).append(row)
        for members in fields.values():
            is_written = any(row in worded for row in members)
            if not is_written and (
                any(truth_of[row].verdict is Verdict.UNSURE for row in members) or _near(boxes, members, worded)
            ):
                continue
            some = [row for row in members if row in filled]
            if some:
                view = np.stack(words.views(sheet, around, some, filled), axis=1)
                parts.append((view, words.context(sheet, some), np.full(len(some), len(written))))
                written.append(is_written)
    if not parts:
        return _NOTHING
    views, context, question = (np.concatenate(some) for some in zip(*parts, strict=True))
    return Examples(views, context, question, np.array(written), np.full(len(written), not severity.usual))


def _sheet(rng: np.random.Generator) -> tuple[Layout, Look]:
    """Rows of boxes, or columns, of a form of no system in particular."""
    wild = wild_form(rng, "words")  # for what it looks like
    box = wild.printed.boxes(1)[0]
    width, height, frame = min(box.width_mm, 5.5), min(box.height_mm, 5.5), box.frame_mm
    across = width + 2 * frame + rng.uniform(0.7, width + 0.5)
    down = height + 2 * frame + rng.uniform(0.7, height + 0.5)
    options, rows = int(rng.integers(2, 6)), int(rng.integers(4, 9))
    upright = rng.random() < 0.2  # questions are columns
    if upright:
        options, rows = rows, options
    inside = rng.random() < 0.5
    names = "ABCDEFGHIJ"
    left, top = 16.0, 14.0
    fields: dict[str, list[Box]] = {}
    for row in range(rows):
        for column in range(options):
            field, value = (str(column + 1), names[row]) if upright else (str(row + 1), names[column])
            fields.setdefault(field, []).append(
                Box(
                    field,
                    value,
                    1,
                    left + column * across,
                    top + row * down,
                    width,
                    height,
                    frame,
                    box.shape,
                    value if inside else "",
                )
            )
    convention = (Convention.CROSS, Convention.FILL_WINS)[int(rng.random() < 0.4)]
    page = LayoutPage(1, left + (options - 1) * across + 18, top + (rows - 1) * down + 16, ())
    some = tuple(
        Field(name, FieldKind.CHOICE, 1, tuple(boxes), question=name, many=rng.random() < 0.7)
        for name, boxes in fields.items()
    )
    return Layout("words", "", convention, (page,), some), wild.look


def _measured(image: ScannedImage, boxes: Sequence[Box], rng: np.random.Generator) -> Readings:
    """Pictures of boxes as the reader takes them, where they are found, up to a few hundredths of a millimetre."""
    scale = image.dpi / MM_PER_INCH
    ink = page_ink(image.pixels(), scale, least_contrast=FRAMES.least_contrast)
    matrix = as_matrix(image.transform)
    centres = np.array([(box.x_mm, box.y_mm) for box in boxes])
    to_mm = np.asarray(np.linalg.inv(matrix), np.float64)
    found = project(to_mm, image.places(centres)) + rng.normal(0, 0.025, centres.shape)
    half = boxes[0].width_mm, boxes[0].height_mm
    patches = thumbnails(ink, matrix, found, half, PATCH_SIDE, finest_per_mm=MEASURE.finest_per_mm)
    values = np.full((len(boxes), len(FEATURES)), np.nan, np.float32)
    values[:, FEATURES.index("scale")], values[:, FEATURES.index("contrast")] = scale, ink.contrast
    return Readings(values, patches)


def _near(boxes: Sequence[Box], members: Sequence[int], others: Sequence[int]) -> bool:
    return any(
        abs(boxes[one].x_mm - boxes[other].x_mm) < _NEAR[0] and abs(boxes[one].y_mm - boxes[other].y_mm) < _NEAR[1]
        for one in members
        for other in others
    )


def joined(parts: Sequence[Examples]) -> Examples:
    """Examples of several sheets."""
    starts = np.cumsum([0, *(len(one.written) for one in parts)])
    return Examples(
        np.concatenate([one.views for one in parts]),
        np.concatenate([one.context for one in parts]),
        np.concatenate([one.question + start for one, start in zip(parts, starts[:-1], strict=True)]),
        np.concatenate([one.written for one in parts]),
        np.concatenate([one.hard for one in parts]),
    )


def _varied(views: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """The same views mirrored, turned, shifted, paler and darker."""
    for axis in (2, 3):
        chosen = torch.rand(len(views), generator=generator) < 0.5
        views[chosen] = torch.flip(views[chosen], (axis,))
    chosen = torch.rand(len(views), generator=generator) < 0.25
    views[chosen] = views[chosen].transpose(2, 3)
    chosen = torch.rand(len(views), generator=generator) < 0.5
    step = tuple(torch.randint(-2, 3, (2,), generator=generator).tolist())
    views[chosen] = torch.roll(views[chosen], step, (2, 3))
    gain = 1 + 0.15 * torch.randn(len(views), 1, 1, generator=generator)
    views[:, 0] = (views[:, 0] * gain).clamp(0, 1)
    noise = torch.rand(len(views), 1, 1, generator=generator) * 0.04
    views[:, 0] = (views[:, 0] + noise * torch.randn(views[:, 0].shape, generator=generator)).clamp(0, 1)
    return views


def train(examples: Examples, *, epochs: int, seed: int, rate: float = 2e-3, size: int = 256) -> Net:
    """Train one network."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = Net((12, 24, 16), 48, side=VIEW_SIDE, known=len(CONTEXT), classes=2, drop=0.3)
    net.to(memory_format=torch.channels_last)
    first = np.searchsorted(examples.question, np.arange(len(examples.written) + 1))
    steps = epochs * (len(examples.written) // size)
    optimiser = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=rate, total_steps=steps + 1)
    for epoch in range(epochs):
        order, total = rng.permutation(len(examples.written)), 0.0
        for start in range(0, len(order) - size + 1, size):
            some = order[start : start + size]
            index = np.concatenate([np.arange(first[one], first[one + 1]) for one in some])
            whose = np.repeat(np.arange(size), first[some + 1] - first[some])
            seen = torch.from_numpy(examples.views[index]).float() / 255
            varied = _varied(seen, generator).contiguous(memory_format=torch.channels_last)
            found = net(varied, torch.from_numpy(examples.context[index]))
            loss = nn.functional.cross_entropy(
                _of_questions(found, whose, size), torch.from_numpy(examples.written[some]).long()
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item() * size
        print(f"network {seed}, epoch {epoch + 1}: loss {total / len(order):.5f}", flush=True)
    net.eval()
    return net


def _of_questions(found: torch.Tensor, whose: NDArray[np.int64], questions: int) -> torch.Tensor:
    """Logits of questions: those of the view beside which a word is most probable."""
    margin = found[:, 1] - found[:, 0]
    most = torch.full((questions,), -torch.inf).scatter_reduce(0, torch.from_numpy(whose), margin, "amax")
    return torch.stack([torch.zeros_like(most), most], dim=1)


def margins(net: Net, examples: Examples) -> torch.Tensor:
    """Logits of all questions, (questions, 2)."""
    with torch.no_grad():
        found = []
        for start in range(0, len(examples.views), 1024):
            some = slice(start, start + 1024)
            found.append(net(torch.from_numpy(examples.views[some]).float() / 255, torch.from_numpy(examples.context[some])))
        return _of_questions(torch.cat(found), examples.question, len(examples.written))


def evaluate(probability: NDArray[np.float32], held_out: Examples) -> None:
    """Print how many words are seen, and how often one is seen where there is none."""
    for hard in (False, True):
        some = held_out.hard == hard
        with_word, without = probability[some & held_out.written], probability[some & ~held_out.written]
        print(f"{'hard' if hard else 'usual'}: {len(with_word)} questions with words, {len(without)} without")
        for level in (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99):
            seen, taken = (with_word >= level).mean(), (without >= level).mean()
            print(f"  from {level:g}: {seen:7.2%} of words seen, {taken:8.3%} of others taken for one")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sheets", type=int, default=1600)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--networks", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--output", type=Path, default=WEIGHTS)
    asked = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(asked.workers, mp_context=context, initializer=begin_worker) as pool:
        drawn = list(pool.map(draw, range(asked.sheets), chunksize=4))
    learned_from = joined([one for number, one in enumerate(drawn) if number % _HELD_OUT])
    held_out = joined(drawn[::_HELD_OUT])
    print(
        f"{len(learned_from.written)} questions to learn from, beside {learned_from.written.sum()} of them words", flush=True
    )
    right = torch.from_numpy(np.column_stack([~held_out.written, held_out.written]))
    nets, heats, total = [], [], np.zeros(len(held_out.written), np.float32)
    for seed in range(asked.networks):
        net = train(learned_from, epochs=asked.epochs, seed=seed)
        found = margins(net, held_out)
        heat = temperature(found, right)
        print(f"network {seed}: temperature {heat:.2f}", flush=True)
        nets.append(net)
        heats.append(heat)
        total += torch.softmax(found / heat, dim=1)[:, 1].numpy()
    evaluate(np.asarray(total / len(nets), np.float32), held_out)
    export(nets, heats, asked.output)


if __name__ == "__main__":
    main()
