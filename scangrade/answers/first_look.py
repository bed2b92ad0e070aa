"""A first look at boxes: most of them show so plainly what they show that a much smaller network can tell.

It sees what the networks of `recognise.py` see, and was trained to say what these say. One layer looks at the picture in squares, two dense
ones at all of it: a fifteenth of their multiplications. What it doubts, or what the ink contradicts, is left to them (`judge.py`).

Its weights are in `first_look.npz`; `tests/training/README.md` says how they are made.

References
----------
.. [1] G. Hinton, O. Vinyals, J. Dean, arXiv:1503.02531, 2015: a small network learns from what a large one says.
.. [2] P. Viola, M. Jones, CVPR 2001. DOI 10.1109/CVPR.2001.990517: cheap looks first, dear ones where they leave doubt.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from scangrade.answers.network import Floats, single_thread
from scangrade.model import PATCH_SIDE

#: Side of the squares in which a picture is looked at first.
CELL: Final = 4
_AT_ONCE: Final = 128  # boxes: few enough to stay in a processor's cache
_CHANNELS: Final = 3
_ACROSS: Final = PATCH_SIDE // CELL
_SQUARES: Final = _ACROSS**2
_ROW: Final = np.dtype(f"u{CELL}")  # a row of pixels of a square, which is moved as one number
_ZERO: Final = np.float32(0)


class FirstLook:
    """The small network.

    Parameters
    ----------
    weights : mapping
        `cells` of (CELL, CELL, 3, channels); matrices `dense1`, of what is seen, by rows, columns and channels of squares, and then of
        what else is known, and `dense2`; `bias1` to `bias3`.
    """

    def __init__(self, weights: Mapping[str, Floats]) -> None:
        cells, self._bias1, dense1, self._bias2, self._dense2, self._bias3 = (
            weights[name].astype(np.float32) for name in ("cells", "bias1", "dense1", "bias2", "dense2", "bias3")
        )
        of_each = cells.transpose(2, 0, 1, 3).reshape(_CHANNELS, -1, cells.shape[3]) / np.float32(255)
        self._cells = np.concatenate([of_each[0], of_each[2]])  # of the box, and of what is beyond the empty one
        self._empty = of_each[1]
        split = _SQUARES * cells.shape[3]
        self._seen, self._known = np.ascontiguousarray(dense1[:split]), np.ascontiguousarray(dense1[split:])

    @classmethod
    def of(cls, content: bytes) -> Self:
        """That whose weights a file of numpy's holds."""
        with np.load(io.BytesIO(content), allow_pickle=False) as weights:
            return cls({name: weights[name] for name in weights.files})

    def __call__(
        self,
        patches: NDArray[np.uint8],
        empty: NDArray[np.uint8],
        added: NDArray[np.uint8],
        known: Floats,
        which: NDArray[np.intp] | None = None,
    ) -> Floats:
        """Say what boxes show: as `recognise.recognise`, but of some with little confidence.

        Parameters
        ----------
        patches, added : (N, PATCH_SIDE, PATCH_SIDE) uint8 arrays
        empty : (M, PATCH_SIDE, PATCH_SIDE) uint8 array
            Boxes without marks: most booklets share them, so what the first layer makes of each is worked out once.
        known : (N, K) float32 array
        which : (N,) int array, optional
            Which of `empty` each box is; each its own where it is not given.
        """
        count = len(known)
        which = np.arange(count) if which is None else which
        result = np.empty((count, len(self._bias3)), np.float32)
        room = _Room(min(max(count, len(empty)), _AT_ONCE), self._cells.shape[1])
        with single_thread():
            printed = np.empty((len(empty), _SQUARES * self._cells.shape[1]), np.float32)
            for start in range(0, len(empty), _AT_ONCE):
                some = slice(start, start + _AT_ONCE)
                printed[some] = room.layer([empty[some]], self._empty)
            printed += np.tile(self._bias1, _SQUARES)
            for start in range(0, count, _AT_ONCE):
                some = slice(start, start + _AT_ONCE)
                seen = room.layer([patches[some], added[some]], self._cells)
                seen += np.take(printed, which[some], axis=0, out=room.printed[: len(seen)], mode="clip")
                result[some] = self._some(np.maximum(seen, _ZERO, out=seen), known[some])
        return result

    def _some(self, seen: Floats, known: Floats) -> Floats:
        x = seen @ self._seen
        x += known @ self._known
        x += self._bias2
        np.maximum(x, _ZERO, out=x)
        x = x @ self._dense2
        x += self._bias3
        x = np.exp(x - x.max(axis=1, keepdims=True))
        return np.asarray(x / x.sum(axis=1, keepdims=True), np.float32)


class _Room:
    """Room for what the layers give: the pixels of each square one after the other, moved by rows of a square, then as numbers."""

    def __init__(self, count: int, channels: int) -> None:
        most = _CHANNELS - 1  # that are seen together
        self._squares = np.empty(count * _SQUARES * most * CELL, _ROW)
        self._pixels = np.empty(count * _SQUARES * most * CELL * CELL, np.float32)
        self._seen = np.empty((count * _SQUARES, channels), np.float32)
        self.printed = np.empty((count, _SQUARES * channels), np.float32)

    def layer(self, pictures: Sequence[NDArray[np.uint8]], kernels: Floats) -> Floats:
        """What kernels, (channels x CELL x CELL, out), make of the squares of pictures, one for each channel: (N, squares x out)."""
        count, channels = len(pictures[0]), len(pictures)
        shape = (count, _ACROSS, _ACROSS, channels, CELL)
        squares = self._squares[: math.prod(shape)].reshape(shape)
        for channel, picture in enumerate(pictures):
            rows = np.ascontiguousarray(picture).view(_ROW).reshape(count, _ACROSS, CELL, _ACROSS)
            squares[:, :, :, channel] = rows.transpose(0, 1, 3, 2)
        pixels = self._pixels[: squares.size * CELL].reshape(count * _SQUARES, len(kernels))
        pixels[...] = squares.view(np.uint8).reshape(pixels.shape)
        return np.matmul(pixels, kernels, out=self._seen[: len(pixels)]).reshape(count, self.printed.shape[1])


def first_look(
    patches: NDArray[np.uint8],
    empty: NDArray[np.uint8],
    added: NDArray[np.uint8],
    known: Floats,
    which: NDArray[np.intp] | None = None,
) -> Floats:
    """Say what boxes show, at a first look: as `FirstLook`, of the stored weights."""
    return _network()(patches, empty, added, known, which)


@lru_cache(maxsize=1)
def _network() -> FirstLook:
    return FirstLook.of((files("scangrade.answers") / "first_look.npz").read_bytes())
