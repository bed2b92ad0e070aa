"""What is fuzzed: each target takes the bytes of one file, as a person would hand it in, and may answer with a fault of ours only.

A target never catches what it should not: whatever else it raises is a traceback for a user, and so a finding.
"""

from __future__ import annotations

import functools
import io
import json
import shutil
import tomllib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

import cv2
import numpy as np
import pikepdf
from PIL import Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from scangrade.authoring.detect import detect
from scangrade.authoring.importers.bring import import_layout
from scangrade.authoring.scanner import OFFICE
from scangrade.definitions.check import check
from scangrade.definitions.layout import load_layout
from scangrade.definitions.roster import load_roster
from scangrade.definitions.rubric import load_rubric, with_alternatives
from scangrade.errors import Issue, ScangradeError
from scangrade.export.dialects import TABLE, recognise
from scangrade.export.fill import ExamPoints, FillOptions, fill
from scangrade.export.foreign_file import read_foreign
from scangrade.export.results import Result, results_of
from scangrade.graded import graded_run
from scangrade.grades.total import shown_points
from scangrade.model import Layout, PageSetAside, Rubric
from scangrade.paper.rasterise import PageImage, open_scan
from scangrade.paper.read import FormReader, read_page
from scangrade.run.filled import filled_table
from tests.export_run import GRADEBOOKS, make_run
from tests.forms import form, scan
from tests.fuzz.mutations import (
    Mutate,
    broken_archive,
    broken_bytes,
    broken_database,
    broken_page,
    broken_pdf,
    broken_text,
)
from tests.test_importers import amc_project

ROOT = Path(__file__).parents[2]
IMPORTERS = ROOT / "tests" / "resources" / "importers"


@dataclass(frozen=True, slots=True)
class Target:
    """One kind of file, and what is done with it."""

    name: str
    #: valid files: content and the ending of the name; made in a folder that stays while the target is used
    seeds: Callable[[Path], list[tuple[bytes, str]]]
    mutate: Mutate
    #: content, ending, a folder of its own to work in
    take: Callable[[bytes, str, Path], None]
    share: int  #: of a hundred inputs of a campaign


# --------------------------------------------------------------------------- definitions


def _layouts(_: Path) -> list[tuple[bytes, str]]:
    return _definitions("layouts")


def _rubrics(_: Path) -> list[tuple[bytes, str]]:
    return _definitions("rubrics")


def _definitions(folder: str) -> list[tuple[bytes, str]]:
    """As TOML, and the first of them as JSON."""
    made = [(path.read_bytes(), ".toml") for path in sorted((ROOT / folder).glob("*.toml"))]
    return [*made, (json.dumps(tomllib.loads(made[0][0].decode()), indent=1).encode(), ".json")]


@functools.cache
def _known() -> tuple[Layout, Rubric]:
    layout, _ = load_layout(ROOT / "layouts" / "uva-deep-learning-1.toml")
    rubric, _ = load_rubric(ROOT / "rubrics" / "uva-all-or-nothing.toml")
    assert layout is not None and rubric is not None
    return layout, rubric


def _take_layout(content: bytes, suffix: str, folder: Path) -> None:
    path = folder / f"layout{suffix}"
    path.write_bytes(content)
    layout, issues = load_layout(path)
    _told(issues)
    if layout is not None:
        _told(check(layout, _known()[1], None))
        with_alternatives(_known()[1], layout)


def _take_rubric(content: bytes, suffix: str, folder: Path) -> None:
    path = folder / f"rubric{suffix}"
    path.write_bytes(content)
    rubric, issues = load_rubric(path)
    _told(issues)
    if rubric is not None:
        _told(check(_known()[0], rubric, None))
        with_alternatives(rubric, _known()[0])


def _told(issues: Sequence[Issue]) -> None:
    """As the commands print them."""
    for issue in issues:
        str(issue).encode()


def _rosters(_: Path) -> list[tuple[bytes, str]]:
    made = [path.read_bytes() for path in sorted((ROOT / "samples").glob("*/roster.csv"))]
    made += [
        "Matrikelnummer;Nachname;Vorname\r\n0123;Müller;Zoë\r\n".encode("cp1252"),
        'sep=;\nStudent ID;Name;Version\n01;"Moorland, Ada";A\n'.encode("utf-16"),
    ]
    return [(one, ".csv") for one in made]


def _take_roster(content: bytes, suffix: str, folder: Path) -> None:
    path = folder / f"roster{suffix}"
    path.write_bytes(content)
    roster, issues = load_roster(path)
    _told(issues)
    if roster is not None:
        _told(check(*_known(), roster))


# --------------------------------------------------------------------------- other systems' files


def _gradebooks(_: Path) -> list[tuple[bytes, str]]:
    return [(path.read_bytes(), path.suffix) for path in sorted(GRADEBOOKS.iterdir()) if path.suffix in (".csv", ".xls")]


def _workbooks(_: Path) -> list[tuple[bytes, str]]:
    return [(path.read_bytes(), path.suffix) for path in sorted(GRADEBOOKS.glob("*.xlsx"))]


@functools.cache
def _class() -> tuple[tuple[Result, ...], ExamPoints]:
    import tempfile  # noqa: PLC0415 - only this target needs a run

    with tempfile.TemporaryDirectory() as folder, graded_run(make_run(Path(folder)), say=lambda _: None) as graded:
        standing, definitions = graded.standing, graded.definitions
        results = results_of(
            standing.cards(), list(standing.identities.values()), definitions.roster, standing.flags(), grade_of=None
        )
        rubric = definitions.rubric
    return results, ExamPoints(rubric.total, rubric.places, functools.partial(shown_points, rubric=rubric), has_grades=False)


def _take_gradebook(content: bytes, suffix: str, folder: Path) -> None:
    path = folder / f"gradebook{suffix}"
    path.write_bytes(content)
    results, exam = _class()
    with suppress(ScangradeError):
        foreign = read_foreign(path)
        filled = fill(foreign, recognise(foreign.rows[0].cells) or TABLE, results, exam, FillOptions())
        foreign.filled(filled.values, decimal=filled.decimal)


def _points(_: Path) -> list[tuple[bytes, str]]:
    return [
        (b"student_number,3b,4a\n01234567,3.5,7/2\n17976888,,\n", ".csv"),
        ('\ufeffbooklet;question;points;remark\r\n0001;3b;3,5;"gut; knapp"\r\n'.encode(), ".csv"),
        (b"booklet\t3b:idea\t3b:proof\n0001\tx\t0\n", ".csv"),
    ]


def _take_points(content: bytes, suffix: str, folder: Path) -> None:
    path = folder / f"points{suffix}"
    path.write_bytes(content)
    with suppress(ScangradeError):
        list(filled_table(path))


# --------------------------------------------------------------------------- importers


def _templates(_: Path) -> list[tuple[bytes, str]]:
    return [((IMPORTERS / "template.json").read_bytes(), ".json")]


def _exams(_: Path) -> list[tuple[bytes, str]]:
    return [((IMPORTERS / "exam.csv").read_bytes(), ".csv")]


def _databases(folder: Path) -> list[tuple[bytes, str]]:
    (folder / "amc").mkdir()
    return [(amc_project(folder / "amc", form(questions=3)).read_bytes(), ".sqlite")]


def _take_template(content: bytes, suffix: str, folder: Path) -> None:
    shutil.copy(IMPORTERS / "evaluation.json", folder)
    _import(content, "template.json", folder)


def _take_evaluation(content: bytes, suffix: str, folder: Path) -> None:
    (folder / "evaluation.json").write_bytes(content)
    _import((IMPORTERS / "template.json").read_bytes(), "template.json", folder)


def _evaluations(_: Path) -> list[tuple[bytes, str]]:
    return [((IMPORTERS / "evaluation.json").read_bytes(), ".json")]


def _take_exam(content: bytes, suffix: str, folder: Path) -> None:
    _import(content, "exam.csv", folder)


def _take_database(content: bytes, suffix: str, folder: Path) -> None:
    _import(content, "layout.sqlite", folder)


def _import(content: bytes, name: str, folder: Path) -> None:
    (folder / name).write_bytes(content)
    with suppress(ScangradeError):
        import_layout(folder / name, output=folder / "made.toml", rubric=folder / "made-rubric.toml")


# --------------------------------------------------------------------------- scans


def _picture() -> np.ndarray:
    rng = np.random.default_rng(5)
    picture = np.full((420, 300), 255, np.uint8)
    for _ in range(40):
        x, y = (int(one) for one in rng.integers((0, 0), (280, 400)))
        cv2.rectangle(picture, (x, y), (x + 12, y + 12), 0, 2)
    return picture


def _images(_: Path) -> list[tuple[bytes, str]]:
    gray = Image.fromarray(_picture())
    made = []
    for mode, kind, options in (
        ("L", "JPEG", {"dpi": (300, 300), "quality": 60}),
        ("RGB", "JPEG", {"progressive": True}),
        ("CMYK", "JPEG", {}),
        ("L", "PNG", {"dpi": (300, 300)}),
        ("RGBA", "PNG", {}),
        ("P", "PNG", {}),
        ("I;16", "PNG", {}),
        ("1", "PNG", {}),
        ("L", "BMP", {}),
        ("RGB", "WEBP", {"quality": 30}),
        ("1", "TIFF", {"compression": "group4", "dpi": (200, 200)}),
        ("L", "TIFF", {"compression": "tiff_lzw"}),
        ("RGB", "TIFF", {"compression": "jpeg"}),
        ("L", "TIFF", {}),
        ("RGB", "JPEG2000", {}),
    ):
        image = gray.convert("L").convert(mode) if mode != "I;16" else Image.fromarray(_picture().astype(np.uint16) * 200)
        out = io.BytesIO()
        image.save(out, kind, **options)
        made.append((out.getvalue(), f".{kind.lower()}"))
    out = io.BytesIO()
    gray.convert("1").save(out, "TIFF", compression="group4", save_all=True, append_images=[gray.convert("1")] * 2)
    made.append((out.getvalue(), ".tiff"))
    return [one for one in made if one[1] != ".jpeg2000"]


def _pdfs(folder: Path) -> list[tuple[bytes, str]]:
    gray = Image.fromarray(_picture())
    made = []
    for mode in ("L", "RGB", "1"):
        out = io.BytesIO()
        gray.convert(mode).save(out, "PDF", resolution=150, save_all=True, append_images=[gray.convert(mode)])
        made.append((out.getvalue(), ".pdf"))
    for filtered in (
        {"Filter": "/FlateDecode", "ColorSpace": "/DeviceGray", "BitsPerComponent": 8},
        {"Filter": "/FlateDecode", "ColorSpace": "indexed", "BitsPerComponent": 8},
    ):
        made.append((_flate_pdf(_picture(), filtered), ".pdf"))
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=(300, 420), invariant=1)
    canvas.drawString(30, 380, "Question 1a")
    canvas.rect(40, 300, 12, 12)
    canvas.drawImage(ImageReader(gray.resize((60, 60))), 100, 100)
    canvas.showPage()
    canvas.save()
    made.append((out.getvalue(), ".pdf"))
    return made


def _flate_pdf(picture: np.ndarray, stored: dict[str, object]) -> bytes:
    import zlib  # noqa: PLC0415

    pdf = pikepdf.new()
    image = pikepdf.Stream(pdf, zlib.compress(picture.tobytes()))
    height, width = picture.shape
    image.Type, image.Subtype, image.Width, image.Height = pikepdf.Name.XObject, pikepdf.Name.Image, width, height
    image.Filter, image.BitsPerComponent = pikepdf.Name.FlateDecode, 8
    if stored["ColorSpace"] == "indexed":
        palette = bytes(value for gray in range(256) for value in (gray, gray, gray))
        image.ColorSpace = pikepdf.Array([pikepdf.Name.Indexed, pikepdf.Name.DeviceRGB, 255, pikepdf.String(palette)])
    else:
        image.ColorSpace = pikepdf.Name.DeviceGray
    page = pdf.add_blank_page(page_size=(width, height))
    page.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(Im=pdf.make_indirect(image)))
    page.Contents = pikepdf.Stream(pdf, f"q {width} 0 0 {height} 0 0 cm /Im Do Q".encode())
    out = io.BytesIO()
    pdf.save(out, static_id=True)
    return out.getvalue()


def _take_scan(content: bytes, suffix: str, folder: Path) -> None:
    path = folder / f"scan{suffix}"
    path.write_bytes(content)
    opened = open_scan(path)
    if isinstance(opened, PageSetAside):
        return
    with opened:
        for index in range(min(opened.page_count, 3)):
            for channel in ("", "red")[: 1 + (len(content) % 5 == 0)]:
                image = opened.page(index, channel=channel)
                if isinstance(image, PageImage):
                    assert image.pixels.dtype == np.uint8 and image.pixels.ndim == 2 and image.pixels.size


def _take_blank_form(content: bytes, suffix: str, folder: Path) -> None:
    path = folder / f"blank{suffix}"
    path.write_bytes(content)
    with suppress(ScangradeError):
        detect(path, output=folder / "layout.toml")


# --------------------------------------------------------------------------- pages


@functools.cache
def _form() -> Layout:
    return form(content="{exam}/{copy}/{page}", questions=4)


@functools.cache
def _reader() -> FormReader:
    return FormReader(_form())


def _pages(_: Path) -> list[tuple[bytes, str]]:
    images, _truth = scan(_form(), {}, OFFICE, seed=3)
    small = [cv2.resize(one.pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for one in images]
    return [(cv2.imencode(".png", one)[1].tobytes(), ".png") for one in small]


def _broken_scan(data: bytes, rng: Random) -> bytes:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    return bytes(cv2.imencode(".png", broken_page(np.asarray(pixels, np.uint8), rng))[1].tobytes())


def _take_page(content: bytes, suffix: str, folder: Path) -> None:
    path = folder / f"page{suffix}"
    path.write_bytes(content)
    opened = open_scan(path)
    if isinstance(opened, PageSetAside):
        return
    with opened:
        image = opened.page(0)
    if isinstance(image, PageImage):
        read_page(image, _reader(), expected_page=1)


TARGETS = (
    Target("layout", _layouts, broken_text, _take_layout, 14),
    Target("rubric", _rubrics, broken_text, _take_rubric, 14),
    Target("roster", _rosters, broken_text, _take_roster, 14),
    Target("gradebook", _gradebooks, broken_text, _take_gradebook, 12),
    Target("workbook", _workbooks, broken_archive, _take_gradebook, 4),
    Target("points", _points, broken_text, _take_points, 4),
    Target("omrchecker", _templates, broken_text, _take_template, 4),
    Target("evaluation", _evaluations, broken_text, _take_evaluation, 4),
    Target("amc", _databases, broken_database, _take_database, 3),
    Target("nops", _exams, broken_text, _take_exam, 4),
    Target("image", _images, broken_bytes, _take_scan, 10),
    Target("pdf", _pdfs, broken_pdf, _take_scan, 8),
    Target("blank form", _pdfs, broken_pdf, _take_blank_form, 1),
    Target("page", _pages, _broken_scan, _take_page, 4),
)
