"""A measure of trust on the user's own scans: how often the machine is wrong where it asks nobody.

A sample of the undisputed boxes of a run is drawn, a person looks at their pictures and writes down what they hold, and from how
many were decided wrongly follows how many there can be at most among all of them.

What is audited are the verdicts in the run's `marks.csv`, since the grades that were handed out follow from these. The filled file
is only asked for the person's verdicts: which box a number stands for is found by drawing the same sample again, because
spreadsheets turn booklet 0012 into 12 and field 2.1 into a date.
"""

from __future__ import annotations

import json
import re
import tempfile
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scangrade import settings
from scangrade.answers.bounds import Stratum, overall_bound, stratum_bound
from scangrade.answers.sampling import KINDS, Mark, Sample, allot, draw
from scangrade.definitions.layout import load_layout
from scangrade.errors import ExitCode, OutputError, UsageError, near_miss
from scangrade.export.contact_sheet import Cell, draw_sheets
from scangrade.export.tables import MARKS
from scangrade.grades.cells import safe_text
from scangrade.model import MACHINE, Box, Layout, PageRead, PageSetAside, Verdict
from scangrade.opening import open_run, refuse_forgotten
from scangrade.paper.crops import Crop, crop_box
from scangrade.paper.formats import SUFFIXES
from scangrade.paper.rasterise import open_scan
from scangrade.progress import Progress, Silent
from scangrade.run.files import Table, as_csv, write_whole
from scangrade.run.filled import filled_rows
from scangrade.run.intake import find_again, lost_scans
from scangrade.run.store import STORE_NAME, Scan, Store

AUDIT_FILE: Final = "audit.csv"

_HEADER: Final = (
    "number",
    "booklet",
    "page",
    "scan",
    "scan_page",
    "field",
    "box",
    "machine_verdict",
    "person_verdict",
    "remark",
    "sample",
)
_SAME: Final = "same"
_WORDS: Final = (*(kind.value for kind in KINDS), _SAME)
_TOKEN: Final = re.compile(r"seed (\d+) size (\d+) check ([0-9a-f]{8})")


@dataclass(frozen=True, slots=True)
class Drawn:
    """A sample with its pictures, waiting for a person."""

    sample: Sample
    table: Path  #: the CSV file to fill
    sheets: tuple[Path, ...]
    bound: float  #: share of wrong boxes of which fewer there are, should none of the sample be wrong
    size_for_goal: int | None  #: least size whose bound would be below the goal, None where this sample's is


@dataclass(frozen=True, slots=True)
class Finding:
    """A box of the sample that a person read otherwise than the machine."""

    number: int
    mark: Mark
    person: Verdict
    remark: str


@dataclass(frozen=True, slots=True)
class KindResult:
    """What was found among the boxes of one kind."""

    kind: Verdict
    population: int
    drawn: int
    wrong: int
    unfilled: int  #: counted as wrong in the bound
    bound: float  #: by itself


@dataclass(frozen=True, slots=True)
class Audited:
    """What a filled sample shows."""

    sample: Sample
    wrong: tuple[Finding, ...]
    unfilled: tuple[int, ...]  #: numbers of boxes without a person's verdict
    kinds: tuple[KindResult, ...]  #: those of which there are boxes
    bound: float  #: of the share of wrong ones among all undisputed boxes; boxes not filled in count as wrong

    @property
    def exit_code(self) -> ExitCode:
        """Whether there is anything left to do for a person."""
        return ExitCode.FLAGGED if self.wrong or self.unfilled else ExitCode.DECIDED


# --------------------------------------------------------------------------- drawing a sample


def draw_audit(
    run: Path,
    *,
    seed: int,
    size: int | None = None,
    out: Path | None = None,
    scans: Path | None = None,
    progress: Progress | None = None,
) -> Drawn:
    """Draw a sample of a run's undisputed boxes, and write their pictures and a CSV file to fill in.

    Parameters
    ----------
    run : Path
        Run folder.
    seed : int
        The same seed draws the same sample.
    size : int, optional
        Boxes to draw; by default what the settings say.
    out : Path, optional
        Folder for the files, by default one in the run folder; made if need be.
    scans : Path, optional
        Folder in which scans are looked for by their content that are not any more where they were.
    progress : Progress, optional
        Is told how many of the pages are opened.

    Raises
    ------
    UsageError
        If this is no run, it has no undisputed box, or a scan is not found.
    OutputError
        If a file cannot be written, or the folder holds a sample already.
    """
    sample = draw(_undisputed(run), size=size or settings.AUDIT.size, seed=seed, settings=settings.AUDIT)
    folder = out or run / f"audit-{seed}"
    table = folder / AUDIT_FILE
    if table.exists():
        raise OutputError(
            f"{table}: is there already, and may hold what a person has filled in."
            " Give another folder with `--out`, or another `--seed`."
        )
    with open_run(run, writes=()) as store:
        refuse_forgotten(store)
        cells = _cells(sample, run, store, scans, progress or Silent())
    pictures = draw_sheets(
        cells,
        title=f"Undisputed boxes, drawn with seed {seed}",
        advice=(
            f"What does the box in the thin frame hold? Write it into {AUDIT_FILE} beside the number:",
            "same, if the word above the picture is right; else marked, empty or undone.",
        ),
        settings=settings.AUDIT,
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror or error}. Choose another with `--out`.") from error
    sheets = tuple(folder / f"sheet-{number}.png" for number in range(1, len(pictures) + 1))
    for path, picture in zip(sheets, pictures, strict=True):
        write_whole(path, picture)
    write_whole(table, as_csv(_table(sample)))
    bound = _bound_if_right(sample.populations, sample.drawn)
    return Drawn(sample, table, sheets, bound, _size_for_goal(sample) if bound >= settings.AUDIT.goal else None)


def _undisputed(run: Path) -> list[Mark]:
    """Boxes that the machine decided and about which nobody is asked."""
    if not (run / STORE_NAME).is_file():
        raise UsageError(f"{run}: no run of scangrade is in there. Give the folder that `scangrade grade` wrote with `--out`.")
    path = run / MARKS
    if not path.is_file():
        raise UsageError(f"{path}: not there. Run `scangrade grade` again with the same `--out` to write it.")
    columns = ("booklet", "page", "scan", "scan_page", "field", "box", "verdict", "flagged", "decided_by")
    kinds = {kind.value: kind for kind in KINDS}
    marks = []
    for line, (booklet, page, scan, scan_page, field, box, verdict, flagged, decided_by) in filled_rows(path, columns):
        if decided_by != MACHINE or flagged.casefold() != "false" or verdict not in kinds:
            continue
        if not (page.isdecimal() and scan_page.isdecimal()):
            raise UsageError(f"{path}:{line}: `{page}` and `{scan_page}` are not page numbers. {_GRADE_AGAIN}")
        marks.append(Mark(booklet, int(page), scan, int(scan_page), field, box, kinds[verdict]))
    if not marks:
        raise UsageError(f"{path}: holds no undisputed box, so there is nothing to draw from.")
    return marks


_GRADE_AGAIN: Final = "Run `scangrade grade` again with the same `--out`: it writes this file anew and reads no page twice."


def _table(sample: Sample) -> Table:
    token = f"seed {sample.seed} size {sample.size} check {sample.digest}"
    rows = tuple(
        (
            str(number),
            mark.booklet,
            str(mark.page),
            mark.scan,
            str(mark.scan_page),
            mark.field,
            mark.box,
            mark.verdict.value,
            "",
            "",
            token,
        )
        for number, mark in enumerate(sample.marks, start=1)
    )
    return Table(AUDIT_FILE, _HEADER, rows)


def _bound_if_right(populations: Mapping[Verdict, int], drawn: Mapping[Verdict, int]) -> float:
    strata = [Stratum(populations[kind], drawn[kind], 0) for kind in KINDS]
    return overall_bound(strata, confidence=settings.AUDIT.confidence)


def _size_for_goal(sample: Sample) -> int:
    total = sum(sample.populations.values())
    for size in range(sample.size - sample.size % 10 + 10, total, 10):
        drawn = allot(sample.populations, size, settings=settings.AUDIT)
        if _bound_if_right(sample.populations, drawn) < settings.AUDIT.goal:
            return size
    return total


# --------------------------------------------------------------------------- pictures of the boxes


def _cells(sample: Sample, run: Path, store: Store, scans: Path | None, progress: Progress) -> list[Cell]:
    """Each box of the sample with its picture; every page is opened once."""
    facts = store.facts()
    layout = _layout(run, facts)
    boxes = {
        page.number: {(box.field, box.value): row for row, box in enumerate(layout.boxes(page.number))}
        for page in layout.pages
    }
    offsets = [json.loads(facts["features"]).index(name) for name in ("dx_mm", "dy_mm")]
    read = {
        (safe_text(page.ref.scan), page.ref.scan_page): page.result
        for page in store.pages()
        if isinstance(page.result, PageRead)
    }
    by_page: dict[tuple[str, int], list[int]] = defaultdict(list)
    for index, mark in enumerate(sample.marks):
        result = read.get((mark.scan, mark.scan_page))
        if result is None or result.page != mark.page or (mark.field, mark.box) not in boxes[mark.page]:
            raise UsageError(
                f"{run / MARKS}: box {mark.box} of {mark.field} in {mark.scan}, page {mark.scan_page}, is none of this run's."
                f" {_GRADE_AGAIN}"
            )
        by_page[mark.scan, mark.scan_page].append(index)
    places = _places(store.scans(), {name for name, _ in by_page}, scans)
    crops: dict[int, tuple[Box, Crop]] = {}
    progress.expect(len(by_page))
    for name, path in places.items():
        opened = open_scan(path)
        if isinstance(opened, PageSetAside):
            raise UsageError(f"{path}: {opened.detail}")
        with opened as scan:
            for (_, number), members in sorted(item for item in by_page.items() if item[0][0] == name):
                image = scan.page(number - 1)
                if isinstance(image, PageSetAside):
                    raise UsageError(f"{path}, page {number}: {image.detail}")
                result = read[name, number]
                for index in members:
                    mark = sample.marks[index]
                    row = boxes[mark.page][mark.field, mark.box]
                    box = layout.boxes(mark.page)[row]
                    across, down = (float(result.readings.values[row, column]) for column in offsets)
                    crop = crop_box(
                        image.pixels,
                        result.transform,
                        box,
                        offset_mm=(across, down),
                        margin_mm=settings.AUDIT.margin_mm,
                        side_px=settings.AUDIT.crop_px,
                    )
                    crops[index] = box, crop
                progress.advance(1)
    return [
        Cell(
            index + 1,
            mark.verdict.value,
            (f"{mark.field}, box {mark.box}", f"booklet {mark.booklet}, page {mark.page}"),
            crops[index][1],
            crops[index][0],
        )
        for index, mark in enumerate(sample.marks)
    ]


def _layout(run: Path, facts: Mapping[str, str]) -> Layout:
    """The layout as the run has it on record, wherever its file is now; without its blank form, which is not looked at."""
    text = facts["layout.text"].removeprefix("\ufeff")
    data = json.loads(text) if facts["layout.path"].casefold().endswith(".json") else tomllib.loads(text)
    data.pop("reference", None)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "layout.json"
        path.write_text(json.dumps(data), encoding="utf-8")
        layout, issues = load_layout(path)
    if layout is None:
        faults = "; ".join(issue.message for issue in issues)
        raise UsageError(f"{run}: was graded by scangrade {facts['scangrade']}, whose layout does not hold any more: {faults}")
    return layout


def _places(known: Iterable[Scan], wanted: set[str], folder: Path | None) -> dict[str, Path]:
    """Where each of the wanted scans lies now, by its name in `marks.csv`."""
    places, lost = find_again((scan for scan in known if safe_text(scan.name) in wanted), folder, suffixes=SUFFIXES)
    if lost:
        raise UsageError(lost_scans(lost, folder))
    return {safe_text(name): path for name, path in places.items()}


# --------------------------------------------------------------------------- reading it back


def read_audit(run: Path, filled: Path) -> Audited:
    """Read a filled sample back, and say what it shows.

    A box without a person's verdict counts as wrong in the bounds: those left out are often those that are hard to judge.

    Parameters
    ----------
    run : Path
        Run folder.
    filled : Path
        The sample's CSV file, as a spreadsheet saved it.

    Raises
    ------
    UsageError
        If the file has faults, each named with its line; or is not a sample of this run as it is now.
    """
    marks = _undisputed(run)
    rows = list(filled_rows(filled, ("number", "person_verdict", "remark", "sample")))
    sample = _drawn_again(marks, filled, rows)
    given, faults = _verdicts(filled, rows, sample)
    if faults:
        raise UsageError("\n".join([f"{filled}: cannot be counted as it is.", *faults]))
    unfilled = tuple(number for number, (verdict, _) in sorted(given.items()) if verdict is None)
    wrong = tuple(
        Finding(number, mark, verdict, remark)
        for number, mark in enumerate(sample.marks, start=1)
        for verdict, remark in [given[number]]
        if verdict is not None and verdict is not mark.verdict
    )
    confidence = settings.AUDIT.confidence
    kinds, strata = [], []
    for kind in KINDS:
        if not sample.populations[kind]:
            continue
        of_kind = {number for number, mark in enumerate(sample.marks, start=1) if mark.verdict is kind}
        bad, blank = sum(one.number in of_kind for one in wrong), len(of_kind.intersection(unfilled))
        stratum = Stratum(sample.populations[kind], len(of_kind), bad + blank)
        strata.append(stratum)
        bound = stratum_bound(stratum, confidence=confidence)
        kinds.append(KindResult(kind, stratum.population, stratum.checked, bad, blank, bound))
    return Audited(sample, wrong, unfilled, tuple(kinds), overall_bound(strata, confidence=confidence))


_Rows = Sequence[tuple[int, tuple[str, ...]]]


def _drawn_again(marks: Sequence[Mark], filled: Path, rows: _Rows) -> Sample:
    """The sample that a filled file belongs to."""
    tokens = {cells[3]: line for line, cells in reversed(rows)}
    if len(tokens) != 1:
        what = "holds no row" if not tokens else "mixes rows of several samples, see the column `sample`"
        raise UsageError(f"{filled}: {what}. Give one sample as `scangrade audit` wrote it.")
    ((token, line),) = tokens.items()
    told = _TOKEN.fullmatch(token)
    if told is None:
        raise UsageError(
            f"{filled}:{line}: the column `sample` holds `{token}`, not the seed and size of a sample."
            " Put back what was written there: it is the same in every row."
        )
    sample = draw(marks, size=int(told[2]), seed=int(told[1]), settings=settings.AUDIT)
    if sample.digest != told[3]:
        raise UsageError(
            f"{filled}: is a sample of another run, or this run's undisputed boxes are others since it was drawn."
            " Draw a new sample with `scangrade audit RUN`."
        )
    return sample


def _verdicts(filled: Path, rows: _Rows, sample: Sample) -> tuple[dict[int, tuple[Verdict | None, str]], list[str]]:
    """What a person says of each number, None for nothing, with the remark; and the faults of the file."""
    given: dict[int, tuple[Verdict | None, str]] = {}
    lines: dict[int, int] = {}
    faults = []
    for line, (text, word, remark, _) in rows:
        number = int(text) if text.isdecimal() else 0
        if not 1 <= number <= len(sample.marks):
            faults.append(f"{filled}:{line}: `{text}` is no number of this sample; it has 1 to {len(sample.marks)}.")
            continue
        if number in lines:
            faults.append(f"{filled}:{line}: number {number} is in line {lines[number]} already. Keep one of the two rows.")
            continue
        lines[number] = line
        said = word.casefold()
        if said and said not in _WORDS:
            hint = near_miss(said, _WORDS) or f"Write {', '.join(_WORDS[:-1])} or {_SAME}, or leave it empty."
            faults.append(f"{filled}:{line}: number {number}: `{word}` is no verdict. {hint}")
            continue
        verdict = sample.marks[number - 1].verdict if said == _SAME else Verdict(said) if said else None
        given[number] = verdict, remark
    absent = [str(number) for number in range(1, len(sample.marks) + 1) if number not in lines]
    if absent:
        faults.append(f"{filled}: the rows with these numbers are missing: {', '.join(absent)}. Put them back.")
    return given, faults
