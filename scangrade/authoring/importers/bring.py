"""Another system's form becomes a layout and a rubric: recognised, converted, measured on a scan, proven, written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import wrap
from typing import Final, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from scangrade.authoring.importers import amc, nops, omrchecker
from scangrade.authoring.importers.converted import Converted, Data, ImportFaultsError, mm
from scangrade.authoring.importers.systems import System
from scangrade.authoring.importers.toml_text import as_toml
from scangrade.authoring.printed_boxes import MOST_BOXES, PrintedBox, as_light, common_outline, ink_inside, sample_grid
from scangrade.definitions.layout import load_layout
from scangrade.definitions.rubric import load_rubric
from scangrade.definitions.source import Source, read_source
from scangrade.errors import Issue, OutputError, Severity, UsageError
from scangrade.geometry import as_matrix
from scangrade.model import Box, Layout, LayoutPage, PageRead, PageSetAside
from scangrade.paper.rasterise import open_scan
from scangrade.paper.read import FormReader, read_page
from scangrade.run.files import write_whole

_COMMENT: Final = 120  # characters of a line
_BEFORE_REFERENCE: Final = ("format", "name", "title", "convention", "pages", "page_size")
_PROPORTIONS: Final = 0.02  # by which an image's may differ from the page's, to show it from edge to edge
_STRAIGHT_MM: Final = 1.0  # blank forms are followed by their print, which a frame half a millimetre off does not hinder
_MARKED: Final = 0.12  # darkness by which a marked box exceeds the usual ones; printed letters differ by less
_SAME: Final = 0.02  # of a box: a measured place that differs by less is the template's


@dataclass(frozen=True, slots=True)
class Imported:
    """What was written, and what a person should know."""

    layout: Path
    rubric: Path | None
    system: str
    left_out: tuple[str, ...]
    to_check: tuple[str, ...]
    warnings: tuple[Issue, ...]  #: of the definitions as written


def import_layout(
    file: Path,
    *,
    output: Path,
    system: System | None = None,
    rubric: Path | None = None,
    image: Path | None = None,
    page_mm: tuple[float, float] | None = None,
    student_number: str | None = None,
    sheet: int | None = None,
    force: bool = False,
) -> Imported:
    """Write a layout, and a rubric if wanted, from another system's file.

    Parameters
    ----------
    file : Path
        OMRChecker's ``template.json``, with ``evaluation.json`` beside it if there are answers; AMC's ``layout.sqlite``, with
        ``scoring.sqlite`` beside it; or the CSV of an R/exams exam.
    output : Path
        Layout to write, TOML.
    system : {"omrchecker", "amc", "nops"}, optional
        Where the file is from; by default what it looks like.
    rubric : Path, optional
        Rubric to write, TOML.
    image : Path, optional
        A blank form or some filled sheet: what its boxes look like is measured on it.
    page_mm : (float, float), optional
        Width and height of the page.
    student_number : str, optional
        What the file calls the student number (OMRChecker, AMC), or how many digits it has (R/exams).
    sheet : int, optional
        AMC: the sheet, where sheets are not printed alike.
    force : bool
        Whether files that are there are written over.

    Raises
    ------
    ImportFaultsError
        With all faults of the file.
    UsageError
        If it cannot be told which system the file is of, or the image cannot be used.
    OutputError
        If a file is there already, or cannot be written.
    """
    for path in (output, rubric):
        if path is not None:
            _may_be_written(path, force=force)
    converted = _converted(file, system, page_mm, student_number, sheet)
    converted = _with_reference(converted, file.parent, output.parent)
    if image is not None:
        converted = _measured(converted, image, output.parent)
    warnings = _proven(converted, file, output.parent)
    write_whole(output, as_toml(converted.layout, _head(converted, file)).encode())
    if rubric is not None and converted.rubric is not None:
        write_whole(rubric, as_toml(converted.rubric, _head(converted, file)).encode())
    return Imported(
        output,
        rubric if converted.rubric is not None else None,
        converted.system,
        converted.left_out,
        converted.to_check,
        warnings,
    )


def _may_be_written(path: Path, *, force: bool) -> None:
    if path.suffix.lower() != ".toml":
        raise UsageError(f"{path}: layouts and rubrics are written as TOML. Give a name that ends in .toml.")
    if not path.parent.is_dir():
        raise OutputError(f"{path.parent}: no such folder. Make it first, or choose another place.")
    if path.exists() and not force:
        raise OutputError(f"{path} is there already. Choose another name, or write over it with --force.")


def _converted(
    file: Path, system: System | None, page_mm: tuple[float, float] | None, number: str | None, sheet: int | None
) -> Converted:
    known = system or _recognised(file)
    if known == "amc":
        return amc.convert(file, sheet=sheet, number=number)
    if known == "nops":
        return nops.convert(file, number=number)
    source = _source(file)
    evaluation = omrchecker.evaluation_beside(file)
    if isinstance(evaluation, Issue):
        raise ImportFaultsError([evaluation])
    return omrchecker.convert(source, page_mm=page_mm, evaluation=evaluation, number=number)


def _recognised(file: Path) -> System:
    if file.suffix.lower() == ".json" and omrchecker.is_template(_source(file)):
        return "omrchecker"
    if file.suffix.lower() == ".csv" and nops.is_exam(file):
        return "nops"
    if amc.is_layout(file):
        return "amc"
    raise UsageError(
        f"{file}: it cannot be told which system this is from. Say so with --from: {', '.join(get_args(System))}."
    )


def _source(file: Path) -> Source:
    source = read_source(file)
    if isinstance(source, Issue):
        raise ImportFaultsError([source])
    return source


def _with_reference(converted: Converted, of: Path, seen_from: Path) -> Converted:
    """The blank form's path as seen from the folder of the layout."""
    reference = converted.layout.get("reference")
    if reference is None:
        return converted
    path = Path(os.path.relpath(of / reference, seen_from)).as_posix()
    return replace(converted, layout={**converted.layout, "reference": path})


def _head(converted: Converted, file: Path) -> Iterator[str]:
    yield f"From {file.name} of {converted.system}, by `scangrade layout import`. Lengths are mm from the page's top left corner."
    for heading, notes in (("To check:", converted.to_check), ("Left out:", converted.left_out)):
        if notes:
            yield from ("", heading)
        for note in notes:
            yield from wrap(note, _COMMENT, initial_indent="- ", subsequent_indent="  ")


# --------------------------------------------------------------------------- proof


def _proven(converted: Converted, file: Path, folder: Path) -> tuple[Issue, ...]:
    """Load what will be written; faults then are those of the imported file. The layout's warnings are given back."""
    with tempfile.TemporaryDirectory(prefix="scangrade-import-") as scratch:
        _, issues = load_layout(_written(converted.layout, Path(scratch), folder))
        of_rubric: tuple[Issue, ...] = ()
        if converted.rubric is not None:
            rubric = Path(scratch) / "rubric.toml"
            rubric.write_text(as_toml(converted.rubric), encoding="utf-8")
            _, of_rubric = load_rubric(rubric)
    told = [
        replace(one, where=f"{file}, as {kind}{_key(one.where)}")
        for kind, found in (("layout", issues), ("rubric", of_rubric))
        for one in found
        if kind == "layout" or one.severity is Severity.ERROR  # that keys are missing is among what is to be checked
    ]
    if any(one.severity is Severity.ERROR for one in told):
        raise ImportFaultsError(told)
    return tuple(told)


def _key(where: str) -> str:
    """What stands behind file and line."""
    _, comma, key = where.partition(", ")
    return comma + key


def _written(layout: Data, scratch: Path, folder: Path) -> Path:
    path = scratch / "layout.toml"
    if "reference" in layout:
        layout = {**layout, "reference": str((folder / layout["reference"]).resolve())}
    path.write_text(as_toml(layout), encoding="utf-8")
    return path


# --------------------------------------------------------------------------- print


@dataclass(frozen=True, slots=True)
class _Seen:
    """A page of the image as laid under the layout."""

    patches: tuple[NDArray[np.float32], ...]  #: boxes and their surroundings
    straight: bool  #: the image's edges are the page's, so that it can stand for the form


def _measured(converted: Converted, image: Path, folder: Path) -> Converted:
    """The layout with boxes as they are printed on a sheet, and with the sheet as blank form where it is one and none is known."""
    with tempfile.TemporaryDirectory(prefix="scangrade-import-") as scratch:
        layout, _ = load_layout(_written(converted.layout, Path(scratch), folder))
    if layout is None:
        return converted  # the proof tells what is wrong
    seen = list(_pages(layout, image))
    patches = [patch for one in seen for patch in one.patches]
    printed = common_outline(patches)
    if printed.frame == 0:
        what = "no outline that its boxes have in common is seen" if patches else "it could not be laid under the layout"
        note = f"nothing was learned of the boxes' looks from {image.name}: {what}; they are as the template says"
        return replace(converted, to_check=(*converted.to_check, note))
    data = _as_printed(converted.layout, layout, printed)
    needs_blank = layout.reference is None and not any(page.fiducials for page in layout.pages)
    if needs_blank and len(seen) == len(layout.pages) and all(one.straight for one in seen) and _all_empty(patches, printed):
        rest = {key: value for key, value in data.items() if key not in _BEFORE_REFERENCE}
        first: Data = {key: data[key] for key in _BEFORE_REFERENCE if key in data}
        data = {**first, "reference": Path(os.path.relpath(image, folder)).as_posix(), **rest}
        note = f"{image.name} is taken for the blank form, which it looks like: pages are laid by its print"
        return replace(converted, layout=data, to_check=(*converted.to_check, note))
    return replace(converted, layout=data)


def _all_empty(patches: Sequence[NDArray[np.float32]], printed: PrintedBox) -> bool:
    """Whether no box is darker inside than what is usual on this sheet."""
    ink = ink_inside(patches, printed)
    return max(ink) - float(np.median(ink)) < _MARKED


def _pages(layout: Layout, image: Path) -> Iterator[_Seen]:
    """Pages of the image that could be laid under the layout: as scans are, or as they stand where they are cut like the template."""
    opened = open_scan(image)
    if isinstance(opened, PageSetAside):
        raise UsageError(f"{image}: {opened.detail}")
    form = FormReader(layout)
    with opened as scan:
        for number in range(scan.page_count):
            page = scan.page(number, channel=layout.dropout)
            if isinstance(page, PageSetAside):
                continue
            expected = number % len(layout.pages) + 1
            as_it_is = _as_it_is(page.pixels, layout.page(expected))
            read = read_page(page, form, expected_page=expected)
            if isinstance(read, PageRead):
                matrix, at = as_matrix(read.transform), read.page
            elif as_it_is is not None:
                matrix, at = as_it_is, expected
            else:
                continue
            straight = as_it_is is not None and _shift_mm(matrix, as_it_is, layout.page(at)) < _STRAIGHT_MM
            boxes = layout.boxes(at)[:: max(1, len(layout.boxes(at)) // MOST_BOXES)]
            yield _Seen(tuple(_patch(page.pixels, matrix, box) for box in boxes), straight)


def _as_it_is(pixels: NDArray[np.uint8], page: LayoutPage) -> NDArray[np.float64] | None:
    """Layout mm to pixels of an image that shows the page from edge to edge; None where its proportions are others."""
    across, down = pixels.shape[1] / page.width_mm, pixels.shape[0] / page.height_mm
    if abs(across / down - 1) > _PROPORTIONS:
        return None
    return np.array([[across, 0, -0.5], [0, down, -0.5], [0, 0, 1]])


def _shift_mm(first: NDArray[np.float64], second: NDArray[np.float64], page: LayoutPage) -> float:
    """How far two placements are apart at the corners of a page, at most."""
    width, height = page.width_mm, page.height_mm
    corners = np.array([[(0, 0), (width, 0), (width, height), (0, height)]], dtype=np.float64)
    back = cv2.perspectiveTransform(cv2.perspectiveTransform(corners, first), np.linalg.inv(second))
    return float(np.abs(back - corners).max())


def _patch(pixels: NDArray[np.uint8], matrix: NDArray[np.float64], box: Box) -> NDArray[np.float32]:
    grid = sample_grid() - 0.5
    width, height = box.width_mm + 2 * box.frame_mm, box.height_mm + 2 * box.frame_mm
    x, y = np.meshgrid(box.x_mm + grid * width, box.y_mm + grid * height)
    places = cv2.perspectiveTransform(np.stack([x, y], axis=-1).reshape(-1, 1, 2), matrix).reshape(*x.shape, 2)
    across, down = places[..., 0].astype(np.float32), places[..., 1].astype(np.float32)
    return as_light(np.asarray(cv2.remap(pixels, across, down, cv2.INTER_LINEAR, borderValue=(255.0,)), dtype=np.uint8))


def _as_printed(data: Data, layout: Layout, printed: PrintedBox) -> Data:
    """The layout's data with the measured outline: its size, its frame, its shape, and its place beside the template's."""
    box = next(box for field in layout.fields for box in field.boxes)
    width, height = box.width_mm + 2 * box.frame_mm, box.height_mm + 2 * box.frame_mm
    shift = (
        (printed.right * width, printed.below * height) if max(abs(printed.right), abs(printed.below)) > _SAME else (0.0, 0.0)
    )
    scale = (printed.inside * width / box.width_mm, printed.inside * height / box.height_mm)
    style = {
        **data["box"],
        "size": _scaled(data["box"]["size"], scale),
        "frame": mm(printed.frame * height),
        "shape": printed.shape,
    }
    fields = []
    for one in data["fields"]:
        entry = dict(one)
        if "origin" in entry:
            entry["origin"] = _shifted(entry["origin"], shift)
        if "size" in entry:
            entry["size"] = _scaled(entry["size"], scale)
        if "boxes" in entry:
            entry["boxes"] = [
                {**each, "at": _shifted(each["at"], shift)}
                | ({"size": _scaled(each["size"], scale)} if "size" in each else {})
                for each in entry["boxes"]
            ]
        if printed.filled_in and "boxes" not in entry:
            entry["printed"] = True
        elif printed.filled_in:
            entry["boxes"] = [{**each, "printed": each["value"].rpartition(".")[2]} for each in entry["boxes"]]
        fields.append(entry)
    return {**data, "box": style, "fields": fields}


def _scaled(size: Sequence[float], scale: tuple[float, float]) -> list[float]:
    return [mm(size[0] * scale[0]), mm(size[1] * scale[1])]


def _shifted(at: Sequence[float], shift: tuple[float, float]) -> list[float]:
    return [mm(at[0] + shift[0]), mm(at[1] + shift[1])]
