"""What a box' picture shows: a small convolutional network, trained on simulated scans of forms of no system in particular.

It sees a box with its surroundings, beside the same box as it looks when empty, and knows a few numbers: the box' size, the scan's
sharpness and contrast, how dark this writer's pen is. It says how probable it is that a box holds nothing, a fill, a cross, a tick, a
line that runs through, and so on. It does not know what a form's convention makes of that, so one network serves all forms.

The network's weights are in `marks.npz`; `tests/training/README.md` says how they are made, and from what. It is evaluated with numpy
alone (`network.py`): the same numbers on every machine up to rounding, and no framework to install.

References
----------
.. [1] Y. LeCun et al., Proc. IEEE 86(11), 1998. DOI 10.1109/5.726791: convolution, and learned features of handwritten marks.
.. [2] C. Guo et al., ICML 2017, arXiv:1706.04599: temperature scaling, by which the probabilities are calibrated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scangrade.answers.empty_boxes import EmptyBoxes, Sheet
from scangrade.answers.network import Floats, Networks
from scangrade.model import FEATURES


class Sight(StrEnum):
    """What a box holds, whatever that means on a form."""

    EMPTY = "empty"  #: nothing that was meant to be there: paper, print, what was erased or covered, shadow, dirt, a brush of a line
    FILL = "fill"  #: the whole box
    SCRIBBLE = "scribble"  #: loops over most of it
    PARTIAL = "partial"  #: about half of it
    CROSS = "cross"
    TICK = "tick"
    LINE = "line"  #: one stroke
    DOT = "dot"
    RING = "ring"  #: around the box
    GHOST = "ghost"  #: a mark that was rubbed out, and is still plain to see
    STRAY = "stray"  #: handwriting, a doodle, the tail of another mark, over whatever else is there
    STRUCK = "struck"  #: a fill with strokes over it that leave the box
    WASH = "wash"  #: coloured with a highlighter


SIGHTS: Final = tuple(Sight)

#: What the network knows beside the pictures, in order.
CONTEXT: Final = (
    "log_width",
    "log_height",
    "frame_share",
    "scale",
    "contrast",
    "inside_known",
    "around_known",
    "pen_ink",
    "pen_peak",
    "pen_known",
    "seen",
    "peak",
    "dark",
    "faint",
    "least_cell",
    "rest",
)


@dataclass(frozen=True, slots=True)
class Pen:
    """How dark a writer's marks are: the lower third of those that are evident, 0 to 1; all 0 where too few tell."""

    ink: float = 0.0  #: mean darkness that a mark adds to a box
    peak: float = 0.0  #: of the strokes


NO_PEN: Final = Pen()


def context(sheet: Sheet, empty: EmptyBoxes, pen: Pen) -> Floats:
    """What the network knows of each box of a sheet beside its pictures.

    Returns
    -------
    (N, len(CONTEXT)) float32 array
    """
    return contexts([sheet], [empty], [pen])


def contexts(sheets: Sequence[Sheet], empties: Sequence[EmptyBoxes], pens: Sequence[Pen]) -> Floats:
    """The same of the boxes of several sheets, one after the other; each with its own writer's pen."""
    of_page: dict[int, NDArray[np.float64]] = {}
    for sheet in sheets:
        if sheet.page not in of_page:
            of_page[sheet.page] = np.array([(box.width_mm, box.height_mm, box.frame_mm) for box in sheet.boxes])
    width, height, frame = np.concatenate([of_page[sheet.page] for sheet in sheets]).T
    values = np.concatenate([sheet.readings.values for sheet in sheets])
    column = {name: values[:, FEATURES.index(name)] for name in FEATURES}
    pen_ink, pen_peak = np.repeat([(pen.ink, pen.peak) for pen in pens], [len(sheet.boxes) for sheet in sheets], axis=0).T
    columns = [
        np.log(width / 4),
        np.log(height / 4),
        frame / np.minimum(width, height),
        np.minimum(column["scale"] / 6, 2),
        column["contrast"],
        np.concatenate([one.inside_known for one in empties]),
        np.concatenate([one.around_known for one in empties]),
        pen_ink,
        pen_peak,
        pen_peak > 0,
        column["seen"],
        *(column[name] for name in ("peak", "dark", "faint", "least_cell", "rest")),
    ]
    return np.nan_to_num(np.column_stack(columns).astype(np.float32))


def recognise(patches: NDArray[np.uint8], empty: NDArray[np.uint8], added: NDArray[np.uint8], known: Floats) -> Floats:
    """Say what boxes show.

    Parameters
    ----------
    patches : (N, PATCH_SIDE, PATCH_SIDE) uint8 array
        The boxes.
    empty : (N, PATCH_SIDE, PATCH_SIDE) uint8 array
        The same boxes without marks.
    added : (N, PATCH_SIDE, PATCH_SIDE) uint8 array
        Ink beyond that, as `empty_boxes.added_ink` gives it.
    known : (N, len(CONTEXT)) float32 array
        As `context` gives it.

    Returns
    -------
    (N, len(SIGHTS)) float32 array
        Calibrated probabilities, one row per box, in the order of `SIGHTS`.
    """
    return _networks()((patches, empty, added), known)


def pictures(patches: NDArray[np.uint8], empty: NDArray[np.uint8], added: NDArray[np.uint8]) -> Floats:
    """What the network looks at: the box, the empty box, and what is beyond it; (N, PATCH_SIDE, PATCH_SIDE, 3), 0 to 1."""
    return np.stack([patches, empty, added], axis=3).astype(np.float32) / np.float32(255)


@lru_cache(maxsize=1)
def _networks() -> Networks:
    return Networks.stored("marks.npz", brightest=255)
