"""From the truth of a simulated box to what the network should see in it.

Where the truth does not say what exactly was drawn (a mark of any kind with notes over it), any of several answers is right.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from scangrade.answers.recognise import SIGHTS, Sight
from scangrade.authoring.mishaps import PALE, SLASH
from scangrade.model import Convention, Verdict

_PLAIN: Mapping[str, Sight] = {
    "full": Sight.FILL,
    "sloppy": Sight.FILL,
    "undone": Sight.FILL,
    "fill-all": Sight.FILL,
    "re-marked": Sight.FILL,
    "scribble": Sight.SCRIBBLE,
    "zigzag": Sight.SCRIBBLE,
    "alpha": Sight.CROSS,
    "partial": Sight.PARTIAL,
    "cross": Sight.CROSS,
    "looped cross": Sight.CROSS,
    "small cross": Sight.CROSS,
    "tick": Sight.TICK,
    "long tail": Sight.TICK,
    "line": Sight.LINE,
    SLASH: Sight.LINE,
    "dot": Sight.DOT,
    "ring": Sight.RING,
    "strong ghost": Sight.GHOST,
    "highlighted": Sight.WASH,
    "struck": Sight.STRUCK,
}
_ANY_MARK = (Sight.FILL, Sight.SCRIBBLE, Sight.PARTIAL, Sight.CROSS, Sight.TICK)
_MARKS: Mapping[Convention, tuple[Sight, ...]] = {
    Convention.FILL_WINS: _ANY_MARK,
    Convention.ANY: _ANY_MARK,
    Convention.CROSS: (Sight.CROSS, Sight.TICK),
    Convention.FILL: (Sight.FILL, Sight.SCRIBBLE),
}


def sights(kind: str, verdict: Verdict, convention: Convention) -> tuple[Sight, ...]:
    """What may be seen in a box with this truth."""
    under = kind.partition("+")[0]
    if verdict is Verdict.EMPTY:
        return (Sight.EMPTY,)
    if under in _PLAIN:
        return (_PLAIN[under],)
    if under == "bleeding":
        return (Sight.CROSS,) if convention is Convention.CROSS else (Sight.FILL,)
    if verdict is Verdict.UNDONE:
        return (Sight.FILL,)
    if verdict is Verdict.MARKED or under == "word":
        return _MARKS[convention]
    return (Sight.STRAY, Sight.STRUCK)


def targets(
    kinds: NDArray[np.str_], verdicts: NDArray[np.str_], convention: Convention, *, bilevel: bool
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which sights are right, (N, len(SIGHTS)), and which boxes can be learned from: not those that the scanner may have lost."""
    right = np.zeros((len(kinds), len(SIGHTS)), np.bool_)
    usable = np.ones(len(kinds), np.bool_)
    for index, (kind, verdict) in enumerate(zip(kinds.tolist(), verdicts.tolist(), strict=True)):
        for sight in sights(kind, Verdict(verdict), convention):
            right[index, SIGHTS.index(sight)] = True
        usable[index] = not (bilevel and (kind.partition("+")[0] in PALE or kind.count("+") > 1))
    return right, usable
