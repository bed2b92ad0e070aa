"""Networks evaluated together give what each gives evaluated by the definition of a convolution."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from scangrade.answers.network import Floats, Networks
from scangrade.answers.pens import lower_thirds

SIDE, CHANNELS, KNOWN, CLASSES = 12, 3, 5, 4


def weights(rng: np.random.Generator) -> dict[str, Floats]:
    shapes = {
        "conv1": (5, 5, CHANNELS, 6),
        "conv2": (3, 3, 6, 8),
        "conv3": (3, 3, 8, 7),
        "dense1": ((SIDE // 4) ** 2 * 7 + KNOWN, 10),
        "dense2": (10, CLASSES),
        **{f"bias{k}": (count,) for k, count in enumerate((6, 8, 7, 10, CLASSES), start=1)},
    }
    made = {name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
    return {**made, "temperature": np.array([1.3], np.float32)}


def convolved(x: NDArray[np.float64], kernel: Floats, bias: Floats, stride: int) -> NDArray[np.float64]:
    """Of one picture (rows, columns, channels), sum by sum, with what is negative cut to 0."""
    reach, size = kernel.shape[0] // 2, kernel.shape[0]
    padded = np.pad(x, ((reach, reach), (reach, reach), (0, 0)))
    count = x.shape[0] // stride
    out = np.zeros((count, count, kernel.shape[3]))
    for row in range(count):
        for column in range(count):
            window = padded[stride * row :, stride * column :][:size, :size]
            out[row, column] = np.einsum("ijk,ijkl->l", window, kernel) + bias
    return np.maximum(out, 0)


def probabilities(w: dict[str, Floats], picture: NDArray[np.float64], known: Floats) -> NDArray[np.float64]:
    x = convolved(picture, w["conv1"], w["bias1"], 2)
    x = convolved(x, w["conv2"], w["bias2"], 2)
    x = convolved(x, w["conv3"], w["bias3"], 1)
    hidden = np.maximum(np.concatenate([x.ravel(), known]) @ w["dense1"] + w["bias4"], 0)
    raised = np.exp((hidden @ w["dense2"] + w["bias5"]) / w["temperature"])
    return np.asarray(raised / raised.sum())


@pytest.mark.parametrize("networks", [1, 3])
@pytest.mark.parametrize("count", [1, 7, 300])  # 300: more than are evaluated at once
def test_networks_give_the_mean_of_what_each_gives(networks: int, count: int) -> None:
    rng = np.random.default_rng(networks)
    every = [weights(rng) for _ in range(networks)]
    pictures = [rng.integers(0, 256, (count, SIDE, SIDE), np.uint8) for _ in range(CHANNELS)]
    known = rng.random((count, KNOWN), np.float32)
    found = Networks(every, brightest=255)(pictures, known)
    assert found.shape == (count, CLASSES)
    for k in {0, count // 2, count - 1}:
        picture = np.stack([one[k] for one in pictures], axis=2) / 255
        wanted = np.mean([probabilities(one, picture, known[k]) for one in every], axis=0)
        assert np.allclose(found[k], wanted, atol=1e-5)  # sums of 32 bits, in another order


def test_lower_thirds_are_quantiles_of_each_owner() -> None:
    rng = np.random.default_rng(5)
    values, owner = rng.random(200), rng.integers(0, 6, 200)
    owner[owner == 3] = 4
    found = lower_thirds(values, owner, 6)
    for k in (0, 1, 2, 4, 5):
        assert found[k] == pytest.approx(np.quantile(values[owner == k], 1 / 3))
    assert found[3] == 0


def test_one_thread_does_the_products_and_others_threads_stay_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second one only waits: on busy cores that was seven times the processor time."""

    def threads() -> list[int]:
        return [one.num_threads for one in ThreadpoolController().select(user_api="blas").lib_controllers]

    rng = np.random.default_rng(1)
    inside: list[list[int]] = []
    evaluate = Networks._some

    def spied(*arguments: object) -> Floats:
        inside.append(threads())
        return evaluate(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Networks, "_some", spied)
    before = threads()
    pictures = [rng.integers(0, 256, (3, SIDE, SIDE), np.uint8) for _ in range(CHANNELS)]
    Networks([weights(rng)], brightest=255)(pictures, rng.random((3, KNOWN), np.float32))
    assert {one for some in inside for one in some} <= {1}
    assert threads() == before
