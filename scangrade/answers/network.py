"""Some small convolutional networks of one shape evaluated together, with numpy alone.

Three convolutions and two dense layers each. Pictures lie innermost in memory, some hundred of them: so the windows that a kernel sees in
a row of pixels are plain matrices as they stand, or copies of long pieces, and all the work is in matrix products of a good size.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from importlib.resources import files
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

Floats = NDArray[np.float32]

_AT_ONCE: Final = 256  # pictures: few enough for a layer's row to stay in a processor's cache
_ZERO: Final = np.float32(0)


def single_thread() -> AbstractContextManager[object]:
    """Matrix products by one thread: as small as these they keep a second one busy with waiting, at twice the processor time."""
    limit: AbstractContextManager[object] = _products().limit(limits=1, user_api="blas")
    return limit


@lru_cache(maxsize=1)
def _products() -> ThreadpoolController:
    """The threads of numpy's matrix products; looked up once, since that takes longer than some hundred pictures."""
    return ThreadpoolController()


class Networks:
    """Networks that see the same pictures, and whose probabilities are averaged.

    Parameters
    ----------
    weights : sequence of mapping
        For each network: kernels `conv1`, with stride 2, `conv2`, with stride 2, `conv3`, all of (rows, columns, channels in, channels out)
        and odd sides; matrices `dense1`, of what is seen, by rows, columns and channels, and then of what else is known, and `dense2`;
        `bias1` to `bias5`; `temperature`.
    brightest : float
        Value of pictures that the networks know as 1.
    """

    def __init__(self, weights: Sequence[Mapping[str, Floats]], *, brightest: float) -> None:
        self._count = len(weights)

        def each(name: str) -> Floats:
            return np.stack([one[name] for one in weights]).astype(np.float32)

        conv1 = each("conv1")  # of all networks in one product: (networks x channels out, rows x columns x channels in, and 1)
        self._reach = conv1.shape[1] // 2
        flat = np.moveaxis(conv1, 4, 1).reshape(-1, conv1[0, ..., 0].size) / np.float32(brightest)
        self._first = np.column_stack([flat, each("bias1").ravel()])
        self._first_shape = conv1.shape[1:]
        self._second, self._third = (_by_rows(each(name)) for name in ("conv2", "conv3"))
        self._second_bias, self._third_bias = (each(name)[:, None, :, None] for name in ("bias2", "bias3"))
        self._dense1 = np.ascontiguousarray(each("dense1").transpose(0, 2, 1))
        self._dense1_bias = each("bias4")[:, :, None]
        temperature = each("temperature")[:, :, None]
        self._dense2 = each("dense2").transpose(0, 2, 1) / temperature
        self._dense2_bias = each("bias5")[:, :, None] / temperature

    @classmethod
    def stored(cls, name: str, *, brightest: float) -> Self:
        """Those whose weights are stored beside this module."""
        return cls.of((files("scangrade.answers") / name).read_bytes(), brightest=brightest)

    @classmethod
    def of(cls, content: bytes, *, brightest: float) -> Self:
        """Those whose weights a file of numpy's holds, each under its own name: "0/conv1" and so on."""
        with np.load(io.BytesIO(content), allow_pickle=False) as weights:
            names = sorted({one.partition("/")[0] for one in weights.files})
            held = [
                {one.partition("/")[2]: weights[one] for one in weights.files if one.startswith(f"{network}/")}
                for network in names
            ]
        return cls(held, brightest=brightest)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(self._dense2.shape[1])

    def __call__(self, pictures: Sequence[NDArray[np.uint8]], known: Floats) -> Floats:
        """Probabilities of classes.

        Parameters
        ----------
        pictures : sequence of (N, side, side) uint8 array
            The channels, 0 to `brightest`; the side is a multiple of 4.
        known : (N, K) float32 array

        Returns
        -------
        (N, classes) float32 array
        """
        count = len(known)
        result = np.empty((count, self.classes), np.float32)
        if not count:
            return result
        # in equal parts: the last one would cost as much as the others, however little it holds
        at_once = math.ceil(count / math.ceil(count / _AT_ONCE))
        layers = _Layers(self, pictures[0].shape[1], at_once)
        with single_thread():
            for start in range(0, count, at_once):
                some = slice(start, start + at_once)
                found = self._some([one[some] for one in pictures], known[some], layers)
                result[some] = found.T
        return result

    def _some(self, pictures: Sequence[NDArray[np.uint8]], known: Floats, layers: _Layers) -> Floats:
        count = len(known)
        for channel, picture in enumerate(pictures):
            layers.pixels[:, :, channel, :count] = picture.transpose(1, 2, 0)
        layers.known[:, :count] = known.T
        self._convolve_first(layers)
        _convolve(layers.first, self._second, self._second_bias, layers.second[:, 1:-1, 1:-1], stride=2)
        _convolve(layers.second, self._third, self._third_bias, layers.third, stride=1)
        seen = layers.third.reshape(self._count, -1, layers.third.shape[-1])
        split = seen.shape[1]
        x = self._dense1[:, :, :split] @ seen
        x += self._dense1[:, :, split:] @ layers.known
        x += self._dense1_bias
        np.maximum(x, _ZERO, out=x)
        x = self._dense2 @ x
        x += self._dense2_bias
        x = np.exp(x - x.max(axis=1, keepdims=True))
        x /= x.sum(axis=1, keepdims=True)
        return np.asarray(x.mean(axis=0)[:, :count], np.float32)

    def _convolve_first(self, layers: _Layers) -> None:
        """The first convolution, whose kernels see few channels: windows are copied, so that all rows of a kernel are one product."""
        rows, columns, channels, out = self._first_shape
        count = layers.windows.shape[0]
        windows = layers.windows[:, :-1].reshape(count, rows, columns * channels, -1)
        down, across, along, beside = layers.padded.strides
        shape = (count, rows, columns * channels, windows.shape[-1])
        product = layers.product
        for row in range(count):
            there = layers.padded[2 * row :]
            windows[...] = np.lib.stride_tricks.as_strided(there, shape, (2 * across, down, along, beside), writeable=False)
            np.matmul(self._first, layers.windows, out=product)
            for network in range(self._count):
                of_one = product[:, network * out : (network + 1) * out]
                np.maximum(of_one, _ZERO, out=layers.first[network, row + 1, 1:-1])


class _Layers:
    """Room for what the layers give, with a rim of zeros where the next one looks beyond the picture."""

    def __init__(self, networks: Networks, side: int, at_once: int) -> None:
        rows, columns, channels, first = networks._first_shape
        count, reach = networks._count, networks._reach
        half, quarter = side // 2, side // 4
        self.padded = np.zeros((side + 2 * reach, side + 2 * reach, channels, at_once), np.float32)
        self.pixels = self.padded[reach:-reach, reach:-reach]
        self.windows = np.ones((half, rows * columns * channels + 1, at_once), np.float32)  # the last row meets the bias
        self.product = np.empty((half, count * first, at_once), np.float32)
        self.first = np.zeros((count, half + 2, half + 2, first, at_once), np.float32)
        self.second = np.zeros((count, quarter + 2, quarter + 2, networks._second_bias.shape[2], at_once), np.float32)
        self.third = np.empty((count, quarter, quarter, networks._third_bias.shape[2], at_once), np.float32)
        self.known = np.zeros((networks._dense1.shape[2] - self.third[0, ..., 0].size, at_once), np.float32)


def _by_rows(kernels: Floats) -> Floats:
    """(networks, rows, columns, in, out) as one matrix for each row: (rows, networks, 1, out, columns x in)."""
    networks, rows, columns, channels, out = kernels.shape
    return np.ascontiguousarray(kernels.reshape(networks, rows, 1, columns * channels, out).transpose(1, 0, 2, 4, 3))


def _convolve(x: Floats, kernels: Floats, bias: Floats, out: Floats, *, stride: int) -> None:
    """Convolve (networks, H, W, channels, N), rim included, with kernels `_by_rows`, and cut what is negative to 0."""
    networks, _, _, channels, count = x.shape
    width = kernels.shape[4] // channels
    place, across, along, beside = x.strides[0], x.strides[2], x.strides[3], x.strides[4]
    shape = (networks, out.shape[2], width * channels, count)
    total, part = (np.empty((networks, out.shape[2], out.shape[3], count), np.float32) for _ in range(2))
    for row in range(out.shape[1]):
        for k, kernel in enumerate(kernels):
            windows = np.lib.stride_tricks.as_strided(
                x[:, stride * row + k], shape, (place, stride * across, along, beside), writeable=False
            )
            np.matmul(kernel, windows, out=part if k else total)
            if k:
                np.add(total, part, out=total)
        np.add(total, bias, out=total)
        np.maximum(total, _ZERO, out=out[:, row])
