"""Which boxes a first look settles, and that it says of them what the networks say that look closer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from scangrade.answers import judge
from scangrade.answers.decide import decide
from scangrade.answers.empty_boxes import Sheet, added_ink, learn_empty_boxes
from scangrade.answers.first_look import CELL, FirstLook, first_look
from scangrade.answers.judge import learn_pen
from scangrade.answers.network import Floats
from scangrade.answers.recognise import CONTEXT, SIGHTS, Sight, context, recognise
from scangrade.authoring.person import Style
from scangrade.model import PATCH_SIDE, Booklet, PageRead, Verdict, no_patches
from scangrade.settings import DECIDE
from tests.drawn import a_layout, a_page

LAYOUT = a_layout(questions=8)
MARKS = {f"{q}/{'ABCD'[q % 4]}": Style.CROSS if q % 2 else Style.FULL for q in range(1, 9)}
EVERY_BOX = replace(DECIDE, plain_ink=-1.0)  #: none is passed over for holding nothing


def words(count: int, **probabilities: float) -> Floats:
    seen = np.zeros((count, len(SIGHTS)), np.float32)
    for sight, probability in probabilities.items():
        seen[:, SIGHTS.index(Sight(sight))] = probability
    return seen


def asked(monkeypatch: pytest.MonkeyPatch, first: Floats) -> tuple[int, set[Verdict]]:
    """How many boxes of a marked page are looked at closer, which is then said to show a cross; and the verdicts."""
    counted: list[int] = []

    def closer(patches: NDArray[np.uint8], *_: object) -> Floats:
        counted.append(len(patches))
        return words(len(patches), cross=1)

    monkeypatch.setattr(judge, "recognise", closer)
    monkeypatch.setattr(judge, "first_look", lambda patches, *_: np.tile(first, (len(patches), 1)))
    answers = decide([Booklet("1", {1: a_page(LAYOUT, MARKS)})], LAYOUT, settings=EVERY_BOX)["1"]
    return sum(counted), {one.verdict for answer in answers for one in answer.verdicts}


def test_what_the_first_look_doubts_is_left_to_a_closer_one(monkeypatch: pytest.MonkeyPatch) -> None:
    count, _ = asked(monkeypatch, words(1, cross=DECIDE.first_look_from - 0.01, stray=0.01))
    assert count == len(LAYOUT.boxes(1))


def test_sure_marks_are_settled_at_the_first_look_where_the_ink_says_so_too(monkeypatch: pytest.MonkeyPatch) -> None:
    count, verdicts = asked(monkeypatch, words(1, cross=0.6, tick=0.4))  # which of the two makes no difference
    assert count == len(LAYOUT.boxes(1)) - len(MARKS)  # in the others there is no ink
    assert Verdict.MARKED in verdicts


def test_sure_empty_boxes_are_settled_at_the_first_look_where_the_ink_says_so_too(monkeypatch: pytest.MonkeyPatch) -> None:
    count, verdicts = asked(monkeypatch, words(1, empty=1))
    assert count == len(MARKS)
    assert verdicts == {Verdict.EMPTY, Verdict.MARKED}


def test_a_sure_sight_that_is_a_persons_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    count, _ = asked(monkeypatch, words(1, stray=1))
    assert count == len(LAYOUT.boxes(1))


def looked_at(seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8], Floats]:
    page = a_page(LAYOUT, MARKS, seed=seed)
    assert isinstance(page.result, PageRead)
    sheet = Sheet(1, LAYOUT.boxes(1), page.result.readings)
    empty = learn_empty_boxes([sheet], settings=DECIDE.empty_boxes)[1]
    added = added_ink(sheet.readings.patches, empty.patches)
    known = context(sheet, empty, learn_pen([added], settings=DECIDE))
    return sheet.readings.patches, empty.patches, added, known


@pytest.mark.parametrize("seed", range(3))
def test_both_looks_see_the_same_in_plain_boxes(seed: int) -> None:
    boxes = looked_at(seed)
    first, closer = first_look(*boxes), recognise(*boxes)
    assert np.array_equal(first.argmax(axis=1), closer.argmax(axis=1))
    sure = first.max(axis=1) >= DECIDE.first_look_from
    assert sure.mean() > 0.5
    assert np.take_along_axis(closer, first.argmax(axis=1)[:, None], axis=1)[sure].min() > 0.9


@pytest.mark.parametrize("count", [0, 1, 130])
def test_numpy_computes_the_network_as_it_is_described(count: int) -> None:
    rng = np.random.default_rng(3)
    squares = (PATCH_SIDE // CELL) ** 2
    shapes = {
        "cells": (CELL, CELL, 3, 5),
        "bias1": (5,),
        "dense1": (squares * 5 + len(CONTEXT), 7),
        "bias2": (7,),
        "dense2": (7, len(SIGHTS)),
        "bias3": (len(SIGHTS),),
    }
    weights = {name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
    pictures = [no_patches(count) + rng.integers(0, 256, (count, PATCH_SIDE, PATCH_SIDE), np.uint8) for _ in range(3)]
    known = rng.random((count, len(CONTEXT)), np.float32)
    found = FirstLook(weights)(pictures[0], pictures[1], pictures[2], known)
    for k in range(count):
        seen = np.stack([one[k] for one in pictures], axis=2) / 255
        cells = [
            np.tensordot(seen[row : row + CELL, column : column + CELL], weights["cells"], 3) + weights["bias1"]
            for row in range(0, PATCH_SIDE, CELL)
            for column in range(0, PATCH_SIDE, CELL)
        ]
        x = np.concatenate([np.maximum(np.concatenate(cells), 0), known[k]])
        logits = np.maximum(x @ weights["dense1"] + weights["bias2"], 0) @ weights["dense2"] + weights["bias3"]
        assert np.allclose(found[k], np.exp(logits) / np.exp(logits).sum(), atol=1e-4)
    assert found.shape == (count, len(SIGHTS))


def test_boxes_that_share_an_empty_one_are_seen_as_if_each_had_its_own() -> None:
    rng = np.random.default_rng(4)
    patches, added = (rng.integers(0, 256, (300, PATCH_SIDE, PATCH_SIDE), np.uint8) for _ in range(2))
    empty, which = rng.integers(0, 256, (7, PATCH_SIDE, PATCH_SIDE), np.uint8), rng.integers(0, 7, 300)
    known = rng.random((300, len(CONTEXT)), np.float32)
    shared, own = first_look(patches, empty, added, known, which), first_look(patches, empty[which], added, known)
    assert np.allclose(shared, own, atol=1e-5)
