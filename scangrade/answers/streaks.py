"""Straight thin lines from edge to edge of a box' picture: dirt on the scanner's glass, which runs down a whole page.

A stroke of a pen seldom is as straight, and seldom begins as far above a box as it ends below; a line that strikes out a question does, but
runs through the boxes of that question only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scangrade.answers.empty_boxes import INSIDE, darker
from scangrade.settings import DecideSettings


def streaked(added: NDArray[np.uint8], empty: NDArray[np.uint8], *, settings: DecideSettings) -> NDArray[np.bool_]:
    """Which boxes hold nothing but an upright line from edge to edge of their pictures.

    Parameters
    ----------
    added, empty : (N, PATCH_SIDE, PATCH_SIDE) uint8 arrays
        Ink beyond the empty boxes, and these.
    settings : DecideSettings

    Returns
    -------
    (N,) bool array
    """
    dark = darker(added, settings.streak_from)
    near = _widened(dark)  # the scan may be askew
    print_ = _widened(_widened((empty >= settings.streak_clear * 255).transpose(0, 2, 1)).transpose(0, 2, 1))
    clear = ~print_  # elsewhere print hides the line, as it does in `added`
    rows = clear.sum(axis=1)
    share = (near & clear).sum(axis=1) / np.maximum(rows, 1)
    line = (share >= settings.streak_share) & (rows >= settings.streak_rows)
    line[:, : INSIDE.start - 1] = line[:, INSIDE.stop + 1 :] = False
    covered = _widened(_widened(line[:, None, :]))
    well_inside = slice(INSIDE.start + 2, INSIDE.stop - 2)
    rest = np.where(covered, 0, added)[:, well_inside, well_inside].mean(axis=(1, 2)) / 255
    thin = covered[:, 0].sum(axis=1) <= settings.streak_px
    return np.asarray(line.any(axis=1) & thin & (rest <= settings.streak_rest))


def _widened(cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Cells with their neighbours to the left and to the right."""
    wide = cells.copy()
    wide[..., 1:] |= cells[..., :-1]
    wide[..., :-1] |= cells[..., 1:]
    return wide
