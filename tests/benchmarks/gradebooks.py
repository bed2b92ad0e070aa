"""Grades the sample batches from scan to gradebook, and holds each against the gradebook that is kept beside it."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from scangrade.authoring.samples import RECIPES
from scangrade.export.tables import GRADEBOOK
from scangrade.grade import grade

KEPT = "*gradebook*.csv"


def compare_sample(folder: Path, definitions: Path, out: Path) -> Iterator[str]:
    """Grade a batch and say, line by line, where its gradebook differs from the kept one.

    Parameters
    ----------
    folder : Path
        One of `samples/`, with `scans/`, `roster.csv` and a kept gradebook.
    definitions : Path
        Folder that holds `layouts/` and `rubrics/`.
    out : Path
        Run folder to make.

    """
    kept = next(iter(sorted(folder.rglob(KEPT))), None)
    recipe = next((one for one in RECIPES if one.name == folder.name), None)
    if kept is None or recipe is None:
        yield f"{folder.name}: no gradebook is kept to compare with"
        return
    grade(
        [folder / "scans"],
        layout=definitions / "layouts" / f"{recipe.name}.toml",
        rubric=definitions / "rubrics" / f"{recipe.rubric or recipe.name}.toml",
        roster=folder / "roster.csv",
        out=out,
    )
    wanted, found = _rows(kept), _rows(out / GRADEBOOK)
    if len(wanted) != len(found):
        yield f"{folder.name}: {len(found)} rows, kept are {len(wanted)}"
    for want, have in zip(wanted, found, strict=False):
        for column in want.keys() | have.keys():
            if want.get(column) != have.get(column):
                who = want.get("student_number") or want.get("booklet")
                yield f"{folder.name}, {who}, {column}: {have.get(column)!r}, kept is {want.get(column)!r}"


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))
