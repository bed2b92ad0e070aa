"""Scanners: what becomes of a page on its way into a file.

The paper lies askew, is fed unevenly, is a little too large or too small because the printer scaled it; the lamp is brighter on
one side, dust on the glass draws lines down the page, the sensor adds noise, the firmware stretches the contrast and the file
format throws details away. Each `Scanner` says how bad it can get; the generator draws how bad it is for one page. The true
place of the page on the picture is kept, as a homography from layout millimetres to pixels (OpenCV's: the centre of the top left
pixel is (0, 0)); the uneven feed is not in it, which is what a reader's local refinement is for.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import cv2
import numpy as np
import pikepdf
from numpy.typing import NDArray
from PIL import Image

from scangrade.authoring.ink import Ink, Picture
from scangrade.geometry import MM_PER_INCH, as_matrix, as_transform, project
from scangrade.model import Transform


class Mode(StrEnum):
    """What a scanner stores of a page."""

    GRAY = "gray"
    COLOUR = "colour"
    BILEVEL = "bilevel"


class Encoding(StrEnum):
    """How a page image is stored."""

    JPEG = "jpeg"
    G4 = "g4"  #: CCITT group 4, black and white
    PNG = "png"


@dataclass(frozen=True, slots=True)
class Streak:
    """Dirt on the glass over which the paper is drawn: a line down every page at the same place."""

    at_mm: float  #: from the left edge of the picture, as scanned
    width_mm: float
    shade: float  #: brightness of white paper under it, 0 to 1


@dataclass(frozen=True, slots=True)
class Scanner:
    """How a scanner works and how far off it can be. Values of ± are the largest that a page meets."""

    name: str
    dpi: int = 300
    mode: Mode = Mode.GRAY
    skew_deg: float = 0.6  #: ±
    shift_mm: float = 1.5  #: ±
    scale: tuple[float, float] = (0.99, 1.01)  #: least and largest size of the print, 1 is true
    wobble_mm: float = 0.0  #: ± how far the feed leaves the straight line
    rotations: tuple[int, ...] = (0,)  #: clockwise turns of the stored image, one of which a page has
    blur_px: float = 0.5  #: sigma of the optics, in pixels of the scan
    noise: float = 2.5  #: sigma in gray levels
    black: float = 12.0  #: gray level of black print
    white: float = 258.0  #: gray level of paper; above 255 the scanner clips paper to pure white
    gamma: float = 1.0  #: above 1 darkens
    uneven: float = 0.0  #: share of light lost in the darkest part of the page
    streaks: int = 0  #: most lines down the page
    dust: int = 3  #: most specks
    overscan_mm: float = 0.0  #: width of the backing seen around the page
    backing: int = 255  #: its gray level
    bleed: float = 0.0  #: share of the back of the sheet that shines through
    threshold: int = 150  #: bilevel: darker is black
    jpeg_quality: int = 85
    glass: tuple[Streak, ...] = ()  #: dirt that stays where it is, page after page


GOOD = Scanner("good", skew_deg=0.2, shift_mm=0.6, scale=(0.998, 1.002), blur_px=0.4, noise=1.5, dust=0)
OFFICE = Scanner("office", skew_deg=0.8, wobble_mm=0.08, uneven=0.04)
FAX = Scanner(
    "fax",
    dpi=200,
    mode=Mode.BILEVEL,
    skew_deg=1.2,
    shift_mm=3,
    scale=(0.97, 1.02),
    wobble_mm=0.15,
    noise=7,
    blur_px=0.6,
    dust=12,
    threshold=180,
)
COLOUR300 = Scanner("colour300", mode=Mode.COLOUR, skew_deg=0.7, wobble_mm=0.05, uneven=0.05, white=252, noise=3)
HARD = Scanner(
    "hard",
    dpi=150,
    skew_deg=3.0,
    shift_mm=6,
    scale=(0.95, 1.02),
    wobble_mm=0.25,
    rotations=(0, 180),
    blur_px=0.8,
    noise=6,
    black=70,
    white=225,
    gamma=1.2,
    uneven=0.15,
    streaks=3,
    dust=40,
    overscan_mm=4,
    backing=25,
    bleed=0.06,
    jpeg_quality=60,
)
EXTREME = Scanner(
    "extreme",
    skew_deg=5.0,
    shift_mm=10,
    scale=(0.94, 1.03),
    wobble_mm=0.3,
    rotations=(0, 90, 180, 270),
    overscan_mm=12,
    dust=20,
)
#: For samples that must stay small: paper clipped to white, little noise.
COPIER = Scanner("copier", dpi=150, skew_deg=0.7, wobble_mm=0.08, noise=1.2, white=272, jpeg_quality=55, dust=6)
COPIER_1BIT = Scanner(
    "copier 1-bit", dpi=200, mode=Mode.BILEVEL, skew_deg=0.7, wobble_mm=0.08, noise=3, white=262, dust=6, threshold=165
)

SCANNERS: tuple[Scanner, ...] = (GOOD, OFFICE, FAX, COLOUR300, HARD, EXTREME, COPIER, COPIER_1BIT)


@dataclass(frozen=True, slots=True)
class ScannedImage:
    """A page image as a scanner stores it."""

    data: bytes  #: JPEG or PNG file; for `G4` the bare code stream
    encoding: Encoding
    width: int
    height: int
    channels: int  #: 1 or 3
    dpi: int
    transform: Transform  #: layout mm to pixels, wobble left out
    rotation: int  #: clockwise turn that brings the image upright
    wander_mm: NDArray[np.float64] | None = None  #: (2, lines) how far the feed was off, x and y, line by line as scanned

    def places(self, points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where points of the layout, (N, 2) mm, really are on the image, in pixels: the transform, and the uneven feed."""
        matrix = as_matrix(self.transform)
        if self.wander_mm is None:
            return project(matrix, points_mm)
        as_fed = self._as_fed()
        at = project(as_fed, points_mm)[:, 1]
        for _ in range(3):  # which line a point falls on depends, ever so little, on how far it is off
            line = np.clip(np.rint(at).astype(int), 0, self.wander_mm.shape[1] - 1)
            moved = points_mm - self.wander_mm[:, line].T
            at = project(as_fed, moved)[:, 1]
        return project(matrix, moved)

    def across_mm(self, points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """How far from the left edge points of the layout, (N, 2) mm, passed over the scanner's glass; uneven feed left out."""
        return project(self._as_fed(), points_mm)[:, 0] * MM_PER_INCH / self.dpi

    def _as_fed(self) -> NDArray[np.float64]:
        """Layout mm to pixels of the picture before it was turned."""
        turned = (360 - self.rotation) % 360
        width, height = (self.height, self.width) if turned in (90, 270) else (self.width, self.height)
        return np.linalg.inv(_turn_matrix(turned, width, height)) @ as_matrix(self.transform)

    def pixels(self) -> Picture:
        """The image decoded to gray, (H, W) uint8."""
        if self.encoding is Encoding.G4:
            with Image.open(io.BytesIO(_tiff_of(self))) as image:
                return np.asarray(image.convert("L"), dtype=np.uint8)
        return np.asarray(cv2.imdecode(np.frombuffer(self.data, np.uint8), cv2.IMREAD_GRAYSCALE), dtype=np.uint8)


def shows(ink: Ink, scanner: Scanner) -> bool:
    """Whether a scanner keeps the strokes of a pen: a black and white one loses what is paler than its threshold.

    Nobody, person or program, can read a mark that is not on the scan, so no truth can hold for it.
    """
    if scanner.mode is not Mode.BILEVEL:
        return True
    red, green, blue = ink.colour
    density = ink.opacity * (1 - ink.grain / 2)
    seen = (1 - density) + density * (0.299 * red + 0.587 * green + 0.114 * blue) / 255
    level = scanner.black + (scanner.white - scanner.black) * seen**scanner.gamma
    return bool(level < scanner.threshold - 3 * scanner.noise - 10)


def scan_page(
    page: Picture, scanner: Scanner, rng: np.random.Generator, *, page_dpi: float, back: Picture | None = None
) -> ScannedImage:
    """Scan a page.

    Parameters
    ----------
    page : (H, W) or (H, W, 3) uint8 array
        The paper: gray or RGB, with the page's top left corner in the top left pixel.
    scanner : Scanner
    rng : Generator
    page_dpi : float
        Resolution of `page`.
    back : array, optional
        The sheet's other side, where the scanner lets it shine through.

    Returns
    -------
    ScannedImage
    """
    if page.ndim == 3 and scanner.mode is not Mode.COLOUR:
        page = np.asarray(cv2.cvtColor(page, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    if back is not None and scanner.bleed > 0:
        page = _bleed(page, back, scanner.bleed)
    image, matrix, wander = _lay(page, scanner, rng, page_dpi)
    image = _tone(image, scanner, rng)
    turned = int(scanner.rotations[int(rng.integers(len(scanner.rotations)))])
    image, matrix = _turn(image, matrix, turned)
    encoding, data = _encode(image, scanner)
    height, width = image.shape[:2]
    channels = image.shape[2] if image.ndim == 3 else 1
    upright = (360 - turned) % 360
    return ScannedImage(data, encoding, width, height, channels, scanner.dpi, as_transform(matrix), upright, wander)


def write_scan(pages: Sequence[ScannedImage], path: Path) -> tuple[Path, ...]:
    """Write page images into one file, or one file per page where the format holds only one.

    The suffix decides: ``.pdf`` holds the images as they were encoded, exactly one per page; ``.tif`` and ``.tiff`` hold them all
    (group 4 for bilevel, else deflate); ``.jpg``, ``.jpeg`` and ``.png`` hold one each, numbered ``name-1.jpg`` where there are more.

    Returns
    -------
    tuple of Path
        The files written.

    Raises
    ------
    ValueError
        If there is no page, or the suffix is none of these.
    """
    if not pages:
        raise ValueError(f"{path.name}: no page to write")
    match path.suffix.lower():
        case ".pdf":
            _write_pdf(pages, path)
            return (path,)
        case ".tif" | ".tiff":
            _write_tiff(pages, path)
            return (path,)
        case ".jpg" | ".jpeg" | ".png":
            names = [path] if len(pages) == 1 else [path.with_stem(f"{path.stem}-{n}") for n in range(1, len(pages) + 1)]
            for name, page in zip(names, pages, strict=True):
                _write_image(page, name)
            return tuple(names)
        case other:
            raise ValueError(f"{path.name}: cannot write scans as `{other}`; use .pdf, .tif, .jpg or .png")


# --------------------------------------------------------------------------- geometry


def _lay(
    page: Picture, scanner: Scanner, rng: np.random.Generator, page_dpi: float
) -> tuple[Picture, NDArray[np.float64], NDArray[np.float64] | None]:
    """Put the page on the glass: the picture at scan resolution, layout mm to its pixels, and how far the feed was off."""
    height_mm, width_mm = page.shape[0] / page_dpi * MM_PER_INCH, page.shape[1] / page_dpi * MM_PER_INCH
    if scanner.dpi < page_dpi:  # average down first, else thin lines come and go
        factor = scanner.dpi / page_dpi
        size = (round(page.shape[1] * factor), round(page.shape[0] * factor))
        scale_x, scale_y = size[0] / page.shape[1], size[1] / page.shape[0]
        page = np.asarray(cv2.resize(page, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    else:
        scale_x = scale_y = 1.0
    per_mm = page_dpi / MM_PER_INCH
    to_source = np.array([[per_mm * scale_x, 0, -0.5], [0, per_mm * scale_y, -0.5], [0, 0, 1.0]])

    turn = np.deg2rad(rng.uniform(-scanner.skew_deg, scanner.skew_deg))
    size_factor = rng.uniform(*scanner.scale)
    shift = rng.uniform(-scanner.shift_mm, scanner.shift_mm, 2)
    cos, sin = np.cos(turn) * size_factor, np.sin(turn) * size_factor
    middle = np.array([width_mm, height_mm]) / 2
    place = np.eye(3)
    place[:2, :2] = [[cos, -sin], [sin, cos]]
    place[:2, 2] = middle + shift + scanner.overscan_mm - place[:2, :2] @ middle
    out_per_mm = scanner.dpi / MM_PER_INCH
    to_pixels = np.array([[out_per_mm, 0, -0.5], [0, out_per_mm, -0.5], [0, 0, 1.0]])
    matrix = to_pixels @ place
    width = round((width_mm + 2 * scanner.overscan_mm) * out_per_mm)
    height = round((height_mm + 2 * scanner.overscan_mm) * out_per_mm)

    back = (to_source @ np.linalg.inv(matrix))[:2]
    border = (scanner.backing,) * 3
    if scanner.wobble_mm <= 0:
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        image = cv2.warpAffine(page, back, (width, height), flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=border)
        return np.asarray(image, dtype=np.uint8), matrix, None
    rows = np.arange(height, dtype=np.float32)
    columns = np.arange(width, dtype=np.float32)
    wander = np.stack([_wander(np.arange(height) / out_per_mm, scanner.wobble_mm, rng) for _ in range(2)])
    off_x, off_y = (off * out_per_mm for off in wander)
    maps = [
        np.add.outer((line[1] * rows + line[2] + off).astype(np.float32), (line[0] * columns).astype(np.float32))
        for line, off in zip(back, (off_x, off_y), strict=True)
    ]
    image = cv2.remap(page, maps[0], maps[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=border)
    return np.asarray(image, dtype=np.uint8), matrix, wander


def _wander(y_mm: NDArray[np.float64], most_mm: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """How far the feed is off at each line: slow waves, at most `most_mm`."""
    waves = rng.uniform((60, 25), (220, 60))
    heights = np.array([0.65, 0.35]) * rng.uniform(0.4, 1.0) * most_mm
    out: NDArray[np.float64] = sum(
        (
            height * np.sin(2 * np.pi * y_mm / wave + rng.uniform(0, 2 * np.pi))
            for height, wave in zip(heights, waves, strict=True)
        ),
        start=np.zeros(len(y_mm)),
    )
    return out


_ROTATE_CODES = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


def _turn(image: Picture, matrix: NDArray[np.float64], turned: int) -> tuple[Picture, NDArray[np.float64]]:
    """Turn the picture clockwise by 0, 90, 180 or 270 degrees."""
    height, width = image.shape[:2]
    move = _turn_matrix(turned, width, height)
    if turned == 0:
        return image, matrix
    return np.asarray(cv2.rotate(image, _ROTATE_CODES[turned]), dtype=np.uint8), move @ matrix


def _turn_matrix(turned: int, width: int, height: int) -> NDArray[np.float64]:
    """Pixels of a picture of this size to those after a clockwise turn."""
    match turned:
        case 0:
            rows = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
        case 90:
            rows = [[0, -1, height - 1], [1, 0, 0], [0, 0, 1]]
        case 180:
            rows = [[-1, 0, width - 1], [0, -1, height - 1], [0, 0, 1]]
        case 270:
            rows = [[0, 1, 0], [-1, 0, width - 1], [0, 0, 1]]
        case other:
            raise ValueError(f"a page turns by 0, 90, 180 or 270 degrees, not {other}")
    return np.array(rows, dtype=np.float64)


# --------------------------------------------------------------------------- light


def _bleed(page: Picture, back: Picture, share: float) -> Picture:
    """The back of the sheet, mirrored and soft, shining through."""
    if back.ndim == 3:
        back = np.asarray(cv2.cvtColor(back, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    small = cv2.resize(back[:, ::-1], (page.shape[1] // 4, page.shape[0] // 4), interpolation=cv2.INTER_AREA)
    soft = cv2.resize(small, (page.shape[1], page.shape[0]), interpolation=cv2.INTER_LINEAR)
    pale = cv2.convertScaleAbs(soft, alpha=share, beta=255 * (1 - share))
    if page.ndim == 3:
        pale = cv2.cvtColor(pale, cv2.COLOR_GRAY2RGB)
    return np.asarray(cv2.multiply(page, pale, scale=1 / 255), dtype=np.uint8)


def _tone(image: Picture, scanner: Scanner, rng: np.random.Generator) -> Picture:
    """Optics, light, dirt, sensor and firmware."""
    height, width = image.shape[:2]
    if scanner.blur_px > 0:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), scanner.blur_px), dtype=np.uint8)
    _dirty(image, scanner, rng)
    for streak in scanner.glass:
        _draw_streak(image, streak, scanner.dpi / MM_PER_INCH)
    levels = np.arange(256) / 255
    table = scanner.black + (scanner.white - scanner.black) * levels**scanner.gamma
    image = np.asarray(cv2.LUT(image, np.clip(np.rint(table), 0, 255).astype(np.uint8)), dtype=np.uint8)
    if scanner.uneven > 0:
        light = cv2.resize(rng.uniform(0, 1, (4, 3)).astype(np.float32), (64, 64), interpolation=cv2.INTER_CUBIC)
        light = (light - light.min()) / (light.max() - light.min())
        coarse = np.rint(255 * (1 - scanner.uneven * light)).astype(np.uint8)
        gain = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
        if image.ndim == 3:
            gain = cv2.cvtColor(gain, cv2.COLOR_GRAY2RGB)
        image = np.asarray(cv2.multiply(image, gain, scale=1 / 255), dtype=np.uint8)
    if scanner.noise > 0:
        image = np.asarray(cv2.add(image, _noise(image.shape, scanner.noise, rng), dtype=cv2.CV_8U), dtype=np.uint8)
    return image


def _noise(shape: tuple[int, ...], sigma: float, rng: np.random.Generator) -> NDArray[np.int16]:
    """Sensor noise: a large tile repeated, since the page must not cost more than the rest of the scan."""
    side = 701  # no multiple of anything on a form
    tile = np.rint(rng.standard_normal((side, side, *shape[2:]), dtype=np.float32) * sigma).astype(np.int16)
    down, across = -(-shape[0] // side), -(-shape[1] // side)
    row = np.concatenate([tile] * across, axis=1)[:, : shape[1]]
    return np.concatenate([row] * down)[: shape[0]]


def _dirty(image: Picture, scanner: Scanner, rng: np.random.Generator) -> None:
    """Specks of dust and lines down the page, in place."""
    height, width = image.shape[:2]
    for _ in range(int(rng.integers(0, scanner.streaks + 1))):
        x, wide = int(rng.integers(0, width)), int(rng.integers(1, 3))
        shade = rng.uniform(0.55, 0.9) if rng.random() < 0.7 else 1.2
        line = image[:, x : x + wide]
        line[:] = np.clip(line * shade, 0, 255).astype(np.uint8)
    for _ in range(int(rng.integers(0, scanner.dust + 1))):
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        radius = scanner.dpi / MM_PER_INCH * float(rng.uniform(0.05, 0.25))
        axes = (max(1, round(radius)), max(1, round(radius * rng.uniform(0.4, 1.0))))
        shade = int(rng.integers(40, 190))
        cv2.ellipse(image, (x, y), axes, float(rng.uniform(0, 180)), 0, 360, (shade,) * 3, -1, cv2.LINE_AA)


def _draw_streak(image: Picture, streak: Streak, per_mm: float) -> None:
    """Darken the columns under a streak, its edges by the share of the pixel that they cover."""
    left, right = (streak.at_mm - streak.width_mm / 2) * per_mm, (streak.at_mm + streak.width_mm / 2) * per_mm
    for column in range(max(0, int(left)), min(image.shape[1], int(np.ceil(right)))):
        share = max(0.0, min(column + 1, right) - max(column, left))
        image[:, column] = np.rint(image[:, column] * (1 - share * (1 - streak.shade))).astype(np.uint8)


# --------------------------------------------------------------------------- files


def _encode(image: Picture, scanner: Scanner) -> tuple[Encoding, bytes]:
    if scanner.mode is Mode.BILEVEL:
        return Encoding.G4, _g4(image < scanner.threshold)
    buffer = io.BytesIO()
    picture = Image.fromarray(image)
    picture.save(buffer, "JPEG", quality=scanner.jpeg_quality, dpi=(scanner.dpi, scanner.dpi))
    return Encoding.JPEG, buffer.getvalue()


_STRIP_OFFSETS, _STRIP_SIZES = 273, 279  # TIFF tags


def _g4(ink: NDArray[np.bool_]) -> bytes:
    """Group 4 code stream of a black and white picture: the one strip of a TIFF."""
    buffer = io.BytesIO()
    # group 4 codes the ones of the picture as black runs
    Image.fromarray(ink).save(buffer, "TIFF", compression="group4", strip_size=ink.size)
    with Image.open(buffer) as written:
        tags = written.tag_v2  # type: ignore[attr-defined]
        offsets, sizes = tags[_STRIP_OFFSETS], tags[_STRIP_SIZES]
    if len(offsets) != 1:
        raise RuntimeError(f"group 4 picture came in {len(offsets)} strips, one is needed")
    return buffer.getvalue()[offsets[0] : offsets[0] + sizes[0]]


def _tiff_of(page: ScannedImage) -> bytes:
    """A TIFF around a group 4 code stream."""
    short, long = 3, 4
    entries = [
        (256, long, page.width),
        (257, long, page.height),
        (258, short, 1),  # bits per sample
        (259, short, 4),  # compression: group 4
        (262, short, 0),  # photometric interpretation: 0 is white
        (_STRIP_OFFSETS, long, 8 + 2 + 12 * 8 + 4),
        (278, long, page.height),  # rows per strip
        (_STRIP_SIZES, long, len(page.data)),
    ]
    head = b"II*\0" + (8).to_bytes(4, "little") + len(entries).to_bytes(2, "little")
    body = b"".join(
        tag.to_bytes(2, "little") + kind.to_bytes(2, "little") + (1).to_bytes(4, "little") + value.to_bytes(4, "little")
        for tag, kind, value in entries
    )
    return head + body + (0).to_bytes(4, "little") + page.data


def _write_pdf(pages: Sequence[ScannedImage], path: Path) -> None:
    with pikepdf.new() as pdf:
        for page in pages:
            if page.encoding is Encoding.PNG:
                raise ValueError(f"{path.name}: a PNG page cannot be put into a PDF as it is")
            image = pikepdf.Stream(pdf, page.data)
            image.Type, image.Subtype = pikepdf.Name.XObject, pikepdf.Name.Image
            image.Width, image.Height = page.width, page.height
            if page.encoding is Encoding.G4:
                image.ColorSpace, image.BitsPerComponent = pikepdf.Name.DeviceGray, 1
                image.Filter = pikepdf.Name.CCITTFaxDecode
                image.DecodeParms = pikepdf.Dictionary(K=-1, Columns=page.width, Rows=page.height)
            else:
                image.ColorSpace = pikepdf.Name.DeviceRGB if page.channels == 3 else pikepdf.Name.DeviceGray
                image.BitsPerComponent, image.Filter = 8, pikepdf.Name.DCTDecode
            width, height = (round(side / page.dpi * 72, 3) for side in (page.width, page.height))
            sheet = pdf.add_blank_page(page_size=(width, height))
            sheet.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(Im0=image))
            sheet.Contents = pikepdf.Stream(pdf, f"q {width} 0 0 {height} 0 0 cm /Im0 Do Q".encode())
        pdf.save(path, deterministic_id=True)


def _picture_of(page: ScannedImage) -> Image.Image:
    data = _tiff_of(page) if page.encoding is Encoding.G4 else page.data
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return image.copy()


def _write_tiff(pages: Sequence[ScannedImage], path: Path) -> None:
    bilevel = all(page.encoding is Encoding.G4 for page in pages)
    first, *rest = [_picture_of(page) for page in pages]
    compression = "group4" if bilevel else "tiff_deflate"
    first.save(path, "TIFF", save_all=True, append_images=rest, compression=compression, dpi=(pages[0].dpi, pages[0].dpi))


def _write_image(page: ScannedImage, path: Path) -> None:
    if page.encoding is Encoding.JPEG and path.suffix.lower() != ".png":
        path.write_bytes(page.data)
        return
    picture = _picture_of(page)
    if path.suffix.lower() == ".png":
        picture.save(path, "PNG", dpi=(page.dpi, page.dpi))
    else:
        picture.convert("L").save(path, "JPEG", quality=90, dpi=(page.dpi, page.dpi))
