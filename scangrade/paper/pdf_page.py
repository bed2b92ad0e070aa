"""Takes a scan's own image out of its PDF page, without rendering.

A scanner's page is one image drawn over the whole page. Decoding that image costs a tenth of rendering the page, and gives the
scanner's pixels instead of resampled ones. What looks like such a page is not always one: "the first image" of a page with
masks is the paper without the ink, and of a page stored in strips it is an eighth. So a page counts as one image only if its
content stream draws exactly one and nothing else that shows, and if the image uses no feature that this module does not know.
Everything else is for the renderer: `plain_image` gives None.
"""

from __future__ import annotations

import hashlib
import io
import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import pikepdf
from numpy.typing import NDArray
from PIL import Image

from scangrade.paper.fax import decode_fax
from scangrade.paper.pixels import (
    Gray,
    PageImage,
    UndecodableError,
    check_size,
    codec_complaints,
    from_bits,
    from_jpeg,
    from_pillow,
    from_rgb,
    jpeg_head,
    page_reduction,
    pillow_pixel_bytes,
    shrink,
    squared,
    stretches,
)
from scangrade.settings import RasteriseLimits

POINTS_PER_INCH = 72.0
_UNPACKED_SMALLER = frozenset(("/ASCII85Decode", "/ASCIIHexDecode", "/A85", "/AHx"))
_MOST_PALETTE_BYTES = 2**16  # 256 colours take 1 kB at most
_MOST_UNPACKED = 3000  # times that LZW can unpack to, the most of all packings
_LETTER = (0.0, 0.0, 612.0, 792.0)  # what viewers show for a page without a size
_DEEPEST = 32  # levels of a page tree or of nested forms; real ones have a handful
_SHEAR = 2e-3  # least slope at which an image counts as turned by a part of a right angle: 7 pixels over a page at 300 dpi

_Matrix = tuple[float, float, float, float, float, float]
_Rect = tuple[float, float, float, float]
_IDENTITY: _Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)

# fmt: off
_HARMLESS = frozenset((
    "w", "J", "j", "M", "d", "ri", "i", "BMC", "EMC", "MP", "DP", "BX", "EX",
    "BT", "ET", "Tc", "Tw", "Tz", "TL", "Tf", "Ts", "Td", "TD", "Tm", "T*",
    "n", "m", "l", "c", "v", "y", "h", "G", "RG", "K", "CS", "SC", "SCN",
))
# fmt: on
_SHOWS_TEXT = frozenset(("Tj", "TJ", "'", '"'))
#: What nearly all scanners write: one image, stretched over the page. It is understood at a glance, in a fifth of the time.
_ONE_IMAGE = re.compile(
    rb"[\t\n\f\r ]*q[\t\n\f\r ]+((?:[-+]?(?:\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})[\t\n\f\r ]+){6})cm"
    rb"[\t\n\f\r ]*(/[A-Za-z0-9_.+-]+)[\t\n\f\r ]+Do[\t\n\f\r ]+Q[\t\n\f\r ]*"
)
_LONGEST_GLANCE = 200  # bytes
_INVISIBLE = 3  # text rendering mode of the text that recognition lays under a scan


@dataclass(frozen=True, slots=True)
class Drawing:
    """The one image of a page, and how it is laid on it."""

    image: pikepdf.Stream
    matrix: _Matrix  #: unit square to points
    black: bool  #: the fill colour is black, which matters for a stencil


# --------------------------------------------------------------------------- the page


def inherited(page: pikepdf.Page, key: str) -> pikepdf.Object | None:
    """A page's attribute, or that of the nearest node above it in the page tree."""
    node: pikepdf.Object | None = page.obj
    for _ in range(_DEEPEST):
        if not isinstance(node, pikepdf.Dictionary):
            return None
        if key in node:
            return node[key]
        node = node.get("/Parent")
    return None


def visible_box(page: pikepdf.Page) -> _Rect:
    """Left, bottom, right and top of what a viewer shows, in the page's own units."""
    media = _rectangle(inherited(page, "/MediaBox")) or _LETTER
    crop = _rectangle(inherited(page, "/CropBox"))
    if crop is None:
        return media
    shown = (max(media[0], crop[0]), max(media[1], crop[1]), min(media[2], crop[2]), min(media[3], crop[3]))
    return shown if shown[0] < shown[2] and shown[1] < shown[3] else media


def _rectangle(stored: pikepdf.Object | None) -> _Rect | None:
    if not isinstance(stored, pikepdf.Array) or len(stored) != 4:
        return None
    x0, y0, x1, y1 = (float(value) for value in stored)
    rectangle = (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
    return rectangle if rectangle[0] < rectangle[2] and rectangle[1] < rectangle[3] else None


def user_unit(page: pikepdf.Page) -> float:
    """Points per unit of the page's coordinates."""
    unit = float(page.obj.get("/UserUnit", 1))
    return unit if unit > 0 else 1.0


def quarter_turns(page: pikepdf.Page) -> int:
    """Clockwise quarter turns at which a viewer shows the page: 0 to 3."""
    turn = inherited(page, "/Rotate")
    return 0 if turn is None else round(float(turn) / 90) % 4


def shown_inches(page: pikepdf.Page) -> tuple[float, float]:
    """Width and height of the page as a viewer shows it."""
    left, bottom, right, top = visible_box(page)
    width, height = ((side * user_unit(page) / POINTS_PER_INCH) for side in (right - left, top - bottom))
    return (height, width) if quarter_turns(page) % 2 else (width, height)


def images_of(page: pikepdf.Page) -> Iterator[pikepdf.Stream]:
    """Every image that the page can draw, also within forms."""
    yield from _images(inherited(page, "/Resources"), set(), _DEEPEST)


def _images(resources: pikepdf.Object | None, seen: set[tuple[int, int]], deeper: int) -> Iterator[pikepdf.Stream]:
    for one in _x_objects(resources):
        if not isinstance(one, pikepdf.Stream) or (one.objgen in seen and one.is_indirect):
            continue
        seen.add(one.objgen)
        if one.get("/Subtype") == "/Image":
            yield one
        elif one.get("/Subtype") == "/Form" and deeper:
            yield from _images(one.get("/Resources"), seen, deeper - 1)


def _x_objects(resources: pikepdf.Object | None) -> list[pikepdf.Object]:
    table = resources.get("/XObject") if isinstance(resources, pikepdf.Dictionary) else None
    return [table[name] for name in table.keys()] if isinstance(table, pikepdf.Dictionary) else []  # noqa: SIM118


# --------------------------------------------------------------------------- what the page draws


def sole_drawing(page: pikepdf.Page, *, limits: RasteriseLimits) -> Drawing | None:
    """The image that makes up the page, None where the page is anything else than one image that covers it.

    Raises
    ------
    UndecodableError
        Where the page draws an image that the file does not hold.
    """
    resources = inherited(page, "/Resources")
    present = _x_objects(resources)
    if not isinstance(resources, pikepdf.Dictionary) or len(present) != 1 or has_annotations(page):
        return None
    contents = page.obj.get("/Contents")
    streams = list(contents) if isinstance(contents, pikepdf.Array) else [contents]
    length = sum(_unpacked(one, limits.max_content_bytes) for one in streams)
    if length > limits.max_content_bytes:
        return None
    drawing: Drawing | None
    clips: list[_Rect] = []
    glance = length <= _LONGEST_GLANCE and isinstance(contents, pikepdf.Stream) and _ONE_IMAGE.fullmatch(contents.read_bytes())
    if glance:
        drawing = _drawn(str(glance[2], "ascii"), _numbers(glance[1].split()), True, resources)
    else:
        drawing, clips = _follow(pikepdf.parse_content_stream(page), resources)
    if drawing is None:
        return None
    shown, placed = visible_box(page), _bounds(drawing.matrix)
    seen = _overlap(placed, shown)
    if _area(seen) < limits.least_page_share * _area(shown):
        return None
    slack = (1.0 - limits.least_page_share) / 10 * max(shown[2] - shown[0], shown[3] - shown[1])
    clipped = any(
        clip[0] > seen[0] + slack or clip[1] > seen[1] + slack or clip[2] < seen[2] - slack or clip[3] < seen[3] - slack
        for clip in clips
    )
    return None if clipped else drawing


def _unpacked(stream: pikepdf.Object | None, most: int) -> int:
    """How many bytes a stream holds, or no less; found without ever unpacking more than `most` of them.

    Compressed data can be made to unpack to a thousand times its size, and to a million times where it is compressed twice.
    """
    if not isinstance(stream, pikepdf.Stream):
        return 0
    raw = stream.read_raw_bytes()
    packings = [str(one) for one in _as_list(stream.get("/Filter")) if str(one) not in _UNPACKED_SMALLER]
    if not packings:
        return len(raw)
    if packings == ["/FlateDecode"] and len(_as_list(stream.get("/Filter"))) == 1:
        try:
            return len(zlib.decompressobj().decompress(raw, most + 1))
        except zlib.error:
            return len(raw)  # qpdf takes what it can, which is no more than what came before the fault
    return len(raw) * int(min(most, _MOST_UNPACKED ** len(packings)))


def has_annotations(page: pikepdf.Page) -> bool:
    """Whether the page shows annotations, such as a comment; links show nothing."""
    annotations = page.obj.get("/Annots")
    if not isinstance(annotations, pikepdf.Array):
        return False
    return any(
        not isinstance(one, pikepdf.Dictionary) or one.get("/Subtype") not in ("/Link", "/Popup") for one in annotations
    )


def _follow(
    content: Iterable[pikepdf.ContentStreamInstruction | pikepdf.ContentStreamInlineImage], resources: pikepdf.Dictionary
) -> tuple[Drawing | None, list[_Rect]]:
    """Run the content stream's graphics state; None for the drawing as soon as anything else than one image would show."""
    nothing: tuple[Drawing | None, list[_Rect]] = (None, [])
    drawn: Drawing | None = None
    clips: list[_Rect] = []
    path: list[_Rect] = []
    matrix, black, text_mode = _IDENTITY, True, 0
    stack: list[tuple[_Matrix, bool, int]] = []
    for instruction in content:
        if isinstance(instruction, pikepdf.ContentStreamInlineImage):
            return nothing
        operator, operands = str(instruction.operator), instruction.operands
        match operator:
            case "q":
                stack.append((matrix, black, text_mode))
            case "Q":
                if stack:
                    matrix, black, text_mode = stack.pop()
            case "cm":
                matrix = _concatenate(_numbers(operands), matrix)
            case "re":
                x, y, width, height = (float(value) for value in operands)
                path.append(_bounds(_concatenate((width, 0.0, 0.0, height, x, y), matrix)))
            case "W" | "W*":
                if len(path) != 1 or _slanted(matrix):
                    return nothing
                clips.append(path[0])
            case "g" | "rg":
                black = all(float(value) == 0 for value in operands)
            case "k" | "cs" | "sc" | "scn":
                black = False
            case "Tr":
                text_mode = int(operands[0])
            case "gs":
                if not _plain_state(resources, str(operands[0])):
                    return nothing
            case "BDC":
                if operands[0] == "/OC":
                    return nothing
            case "Do":
                image = _drawn(str(operands[0]), matrix, black, resources)
                if drawn is not None or image is None:
                    return nothing
                drawn = image
            case _ if operator in _SHOWS_TEXT:
                if text_mode != _INVISIBLE:
                    return nothing
            case _ if operator not in _HARMLESS:
                return nothing
        if operator == "n":
            path.clear()
        elif operator in ("m", "l", "c", "v", "y"):
            path.extend([(0.0, 0.0, 0.0, 0.0)] * 2)  # a path that is no rectangle: clipping with it is left to the renderer
    return drawn, clips


def _drawn(name: str, matrix: _Matrix, black: bool, resources: pikepdf.Dictionary) -> Drawing | None:
    """The image of a name; None where the name is that of something else."""
    image = resources["/XObject"].get(name)
    if image is None or not isinstance(image, pikepdf.Stream):
        raise UndecodableError("is not in the file")
    return Drawing(image, matrix, black) if image.get("/Subtype") == "/Image" else None


def _numbers(operands: Iterable[object]) -> _Matrix:
    a, b, c, d, e, f = (float(value) for value in operands)  # type: ignore[arg-type]
    return a, b, c, d, e, f


def _concatenate(first: _Matrix, then: _Matrix) -> _Matrix:
    a, b, c, d, e, f = first
    p, q, r, s, t, u = then
    return a * p + b * r, a * q + b * s, c * p + d * r, c * q + d * s, e * p + f * r + t, e * q + f * s + u


def _bounds(matrix: _Matrix) -> _Rect:
    a, b, c, d, e, f = matrix
    xs, ys = (e, e + a, e + c, e + a + c), (f, f + b, f + d, f + b + d)
    return min(xs), min(ys), max(xs), max(ys)


def _overlap(one: _Rect, other: _Rect) -> _Rect:
    return max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])


def _area(rect: _Rect) -> float:
    return max(0.0, rect[2] - rect[0]) * max(0.0, rect[3] - rect[1])


def _slanted(matrix: _Matrix) -> bool:
    a, b, c, d, _, _ = matrix
    straight, turned = max(abs(a), abs(d)), max(abs(b), abs(c))
    return min(straight, turned) > _SHEAR * max(straight, turned)


def _plain_state(resources: pikepdf.Dictionary, name: str) -> bool:
    states = resources.get("/ExtGState")
    state = states.get(name) if isinstance(states, pikepdf.Dictionary) else None
    if not isinstance(state, pikepdf.Dictionary):
        return False
    opaque = all(float(state.get(key, 1)) == 1 for key in ("/ca", "/CA"))
    return opaque and state.get("/SMask", "/None") == "/None" and state.get("/BM", "/Normal") in ("/Normal", "/Compatible")


# --------------------------------------------------------------------------- the image


@dataclass(frozen=True, slots=True)
class _Samples:
    """What an image's dictionary says about its samples, as far as this module knows how to take them."""

    width: int
    height: int
    bits: int
    channels: int  # per pixel as stored: 1 or 3
    filter: str
    parameters: tuple[tuple[str, int], ...]
    palette: bytes  # RGB triples; empty where there is none
    inverted: bool


def plain_image(page: pikepdf.Page, *, channel: str, limits: RasteriseLimits) -> PageImage | None:
    """The page's own scanned image, decoded; None where the page must be rendered.

    Parameters
    ----------
    page : pikepdf.Page
        Of an open PDF.
    channel : {"", "red", "green", "blue"}
        Which light to look at; "" for brightness.
    limits : RasteriseLimits
        How large it may be, and how far it is reduced.

    Raises
    ------
    UndecodableError
        Where the page is one image, but its data is missing or damaged.
    TooLargeError
        Where it has more pixels than a page can have.
    """
    drawing = sole_drawing(page, limits=limits)
    if drawing is None or _slanted(drawing.matrix):
        return None
    samples = _samples(drawing)
    if samples is None:
        return None
    check_size(samples.width, samples.height, limits, pixel_bytes=samples.channels * samples.bits / 8)
    across_dpi, down_dpi = _resolution(drawing.matrix, samples, user_unit(page))
    factor = page_reduction(
        min(across_dpi, down_dpi), max(samples.width, samples.height), bilevel=samples.bits == 1, limits=limits
    )
    raw = drawing.image.read_raw_bytes()
    decoded = _decode(raw, samples, factor=factor, channel=channel, limits=limits)
    if decoded is None:
        return None
    if samples.inverted:
        decoded = cv2.bitwise_not(decoded).astype(np.uint8, copy=False)
    across_dpi, down_dpi = across_dpi / factor, down_dpi / factor
    turns = quarter_turns(page)
    upright, turned = _laid(decoded, drawing.matrix, turns)
    pixels, dpi = squared(upright, *((down_dpi, across_dpi) if turned else (across_dpi, down_dpi)), limits)
    return PageImage(np.ascontiguousarray(pixels), dpi, _digest(raw, samples, drawing.matrix, turns))


def _digest(raw: bytes, samples: _Samples, matrix: _Matrix, turns: int) -> str:
    """What a stored image is known by: its data, and how it is shown."""
    digest = hashlib.sha256(raw)
    digest.update(repr((samples, tuple(value > 0 for value in matrix[:4]), _is_turned(matrix, turns), turns)).encode())
    return digest.hexdigest()


def _is_turned(matrix: _Matrix, turns: int) -> bool:
    """Whether stored rows show as columns."""
    return (abs(matrix[1]) > abs(matrix[0])) != bool(turns % 2)


@dataclass(frozen=True, slots=True)
class Placed:
    """How the pixels that `plain_image` gives lie on their page; found without decoding any."""

    drawing: Drawing
    rectangle: _Rect  #: that the image covers, in the page's units
    width_px: float
    height_px: float
    sha256: str  #: as of `PageImage`


def placed_image(page: pikepdf.Page, *, limits: RasteriseLimits) -> Placed | None:
    """Where the page's own image lies; None where the page must be rendered.

    Raises
    ------
    UndecodableError
        Where the page draws an image that the file does not hold.
    """
    drawing = sole_drawing(page, limits=limits)
    if drawing is None or _slanted(drawing.matrix):
        return None
    samples = _samples(drawing)
    if samples is None:
        return None
    across_dpi, down_dpi = _resolution(drawing.matrix, samples, user_unit(page))
    longer = max(samples.width, samples.height)
    factor = page_reduction(min(across_dpi, down_dpi), longer, bilevel=samples.bits == 1, limits=limits)
    turns = quarter_turns(page)
    across, down = stretches(across_dpi, down_dpi)
    width, height = samples.width * across / factor, samples.height * down / factor
    if _is_turned(drawing.matrix, turns):
        width, height = height, width
    digest = _digest(drawing.image.read_raw_bytes(), samples, drawing.matrix, turns)
    return Placed(drawing, _bounds(drawing.matrix), width, height, digest)


def _resolution(matrix: _Matrix, samples: _Samples, unit: float) -> tuple[float, float]:
    """Samples per inch along the stored rows and columns."""
    a, b, c, d, _, _ = matrix
    inches = [(x * x + y * y) ** 0.5 * unit / POINTS_PER_INCH for x, y in ((a, b), (c, d))]
    return samples.width / inches[0], samples.height / inches[1]


def _laid(pixels: Gray, matrix: _Matrix, turns: int) -> tuple[Gray, bool]:
    """Turn and mirror the stored pixels as the page shows them; also says whether rows became columns.

    The matrix maps a unit square whose y points up, while stored rows run down: along the stored rows one moves by (a, b)
    points, along the stored columns by (-c, -d).
    """
    a, b, c, d, _, _ = matrix
    turned = abs(b) > abs(a)
    if turned:
        pixels = cv2.transpose(pixels).astype(np.uint8, copy=False)
        mirror_across, mirror_down = c > 0, b > 0
    else:
        mirror_across, mirror_down = a < 0, d < 0
    if mirror_across or mirror_down:
        pixels = cv2.flip(pixels, -1 if mirror_across and mirror_down else int(mirror_across)).astype(np.uint8, copy=False)
    rotations = {1: cv2.ROTATE_90_CLOCKWISE, 2: cv2.ROTATE_180, 3: cv2.ROTATE_90_COUNTERCLOCKWISE}
    if turns:
        pixels = cv2.rotate(pixels, rotations[turns]).astype(np.uint8, copy=False)
    return pixels, turned != bool(turns % 2)


def _samples(drawing: Drawing) -> _Samples | None:
    image = drawing.image
    if any(key in image for key in ("/SMask", "/Mask", "/OC", "/F", "/Alternates")) or int(image.get("/SMaskInData", 0)):
        return None
    filters = _as_list(image.get("/Filter"))
    parameters = _as_list(image.get("/DecodeParms"))
    if len(filters) != 1 or len(parameters) > 1:
        return None
    stencil = bool(image.get("/ImageMask", False))
    if stencil and not drawing.black:
        return None
    bits = 1 if stencil or filters[0] == "/CCITTFaxDecode" else int(image.get("/BitsPerComponent", 8))
    space = (1, b"") if stencil else _color_space(image.get("/ColorSpace"), optional=filters[0] == "/JPXDecode")
    width, height = int(image.get("/Width", 0)), int(image.get("/Height", 0))
    if space is None or width <= 0 or height <= 0:
        return None
    channels, palette = space
    decode = [float(value) for value in _as_list(image.get("/Decode"))]
    plain = [0.0, float(2**bits - 1)] if palette else [0.0, 1.0] * channels
    inverted = decode == [1.0, 0.0] and channels == 1 and not palette
    if decode and decode != plain and not inverted:
        return None
    given = parameters[0] if parameters and isinstance(parameters[0], pikepdf.Dictionary) else None
    stated = () if given is None else tuple(sorted((key, int(given[key])) for key in given.keys()))  # noqa: SIM118
    return _Samples(width, height, bits, channels, str(filters[0]), stated, palette, inverted)


def _as_list(stored: pikepdf.Object | None) -> list[pikepdf.Object]:
    if stored is None:
        return []
    return list(stored) if isinstance(stored, pikepdf.Array) else [stored]


def _color_space(stored: pikepdf.Object | None, *, optional: bool) -> tuple[int, bytes] | None:
    """Channels per stored pixel and the palette; None for what the renderer must do (CMYK, spot colours)."""
    if stored is None:
        return (1, b"") if optional else None  # JPEG 2000 brings its own
    if isinstance(stored, pikepdf.Array) and len(stored):
        name = str(stored[0])
        if name == "/Indexed" and len(stored) == 4:
            return _indexed(stored)
        if name == "/ICCBased":
            channels = int(stored[1].get("/N", 0))
            return (channels, b"") if channels in (1, 3) else None
        return {"/CalGray": (1, b""), "/CalRGB": (3, b"")}.get(name)
    return {"/DeviceGray": (1, b""), "/DeviceRGB": (3, b"")}.get(str(stored))


def _indexed(stored: pikepdf.Array) -> tuple[int, bytes] | None:
    base = _color_space(stored[1], optional=False)
    if base is None or base[1] or _unpacked(stored[3], _MOST_PALETTE_BYTES) > _MOST_PALETTE_BYTES:
        return None
    table = stored[3].read_bytes() if isinstance(stored[3], pikepdf.Stream) else bytes(stored[3])
    entries = (int(stored[2]) + 1) * base[0]
    if not 0 < entries <= len(table):
        return None
    table = table[:entries]
    return 1, table if base[0] == 3 else bytes(value for gray in table for value in (gray, gray, gray))


def _decode(raw: bytes, samples: _Samples, *, factor: int, channel: str, limits: RasteriseLimits) -> Gray | None:
    if not raw:
        raise UndecodableError("is empty")
    match samples.filter:
        case "/DCTDecode":
            return _decode_jpeg(raw, samples, factor=factor, channel=channel, limits=limits)
        case "/JPXDecode":
            return _decode_jpeg2000(raw, factor=factor, channel=channel, limits=limits)
        case "/CCITTFaxDecode":
            return _decode_fax(raw, samples, factor=factor, channel=channel)
        case "/FlateDecode":
            return _decode_flate(raw, samples, factor=factor, channel=channel)
        case _:
            return None


def _decode_jpeg(raw: bytes, samples: _Samples, *, factor: int, channel: str, limits: RasteriseLimits) -> Gray | None:
    head = jpeg_head(raw)
    if head is None or head.bits != 8 or head.channels not in (1, 3, 4) or 0 in (head.width, head.height):
        raise UndecodableError("is not the JPEG that it should be")
    check_size(head.width, head.height, limits)
    stored = head.width, head.height, head.channels
    if stored != (samples.width, samples.height, samples.channels) or samples.palette or samples.parameters:
        return None
    return from_jpeg(raw, factor=factor, channel=channel, exif=False, most_scans=limits.max_jpeg_scans, head=head)


def _decode_jpeg2000(raw: bytes, *, factor: int, channel: str, limits: RasteriseLimits) -> Gray | None:
    try:
        image = Image.open(io.BytesIO(raw), formats=["JPEG2000"])
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UndecodableError("is not the JPEG 2000 that it should be") from error
    with image:
        check_size(*image.size, limits, pixel_bytes=pillow_pixel_bytes(image.mode))
        if image.mode not in ("L", "RGB"):
            return None
        image.reduce = factor.bit_length() - 1  # type: ignore[method-assign,assignment]
        return from_pillow(image, channel=channel)


def _decode_fax(raw: bytes, samples: _Samples, *, factor: int, channel: str) -> Gray | None:
    stated = dict(samples.parameters)
    if not stated.keys() <= {"/K", "/Columns", "/Rows", "/BlackIs1", "/EndOfBlock", "/EndOfLine", "/DamagedRowsBeforeError"}:
        return None
    if stated.get("/Columns", 1728) != samples.width or stated.get("/Rows", samples.height) not in (0, samples.height):
        return None
    k = stated.get("/K", 0)
    if k >= 0 and not stated.get("/EndOfLine", 0):
        return None  # rows without an end mark have no counterpart among a TIFF's ways of group 3
    bits = decode_fax(raw, samples.width, samples.height, k=k)
    turned = bool(stated.get("/BlackIs1", 0))
    if samples.palette:
        white = np.unpackbits(bits, axis=1, count=samples.width) == 0
        return shrink(_through_palette(white ^ turned, samples.palette, channel), factor)
    gray = from_bits(bits, samples.width, factor=factor)
    return cv2.bitwise_not(gray).astype(np.uint8, copy=False) if turned else gray


def _decode_flate(raw: bytes, samples: _Samples, *, factor: int, channel: str) -> Gray | None:
    stated = dict(samples.parameters)
    predictor = stated.get("/Predictor", 1)
    if samples.bits not in (1, 8, 16) or (samples.palette and samples.bits == 16):
        return None
    if predictor >= 10:
        shape = (stated.get("/Colors", 1), stated.get("/BitsPerComponent", 8), stated.get("/Columns", 1))
        if shape != (samples.channels, samples.bits, samples.width):
            return None
        rows = _unfiltered(raw, samples)
    elif predictor == 1:
        rows = _inflated(raw, samples)
    else:
        return None
    if samples.channels == 3:
        if samples.bits == 1:
            return None
        return shrink(from_rgb(rows, channel=channel), factor)
    if samples.palette:
        return shrink(_through_palette(rows, samples.palette, channel), factor)
    return shrink(rows * np.uint8(255) if samples.bits == 1 else rows, factor)


def _inflated(raw: bytes, samples: _Samples) -> NDArray[np.uint8]:
    """Stored values, (H, W) or (H, W, 3): 0 and 1 for one bit, the high byte for 16; never inflates more than these."""
    stride = (samples.width * samples.channels * samples.bits + 7) // 8
    try:
        data = zlib.decompressobj().decompress(raw, stride * samples.height)
    except zlib.error as error:
        raise UndecodableError(f"is damaged ({error})") from error
    if len(data) < stride * samples.height:
        raise UndecodableError("is broken off")
    rows = np.frombuffer(data, np.uint8).reshape(samples.height, stride)
    if samples.bits == 1:
        return np.unpackbits(rows, axis=1, count=samples.width * samples.channels)
    if samples.bits == 16:
        rows = np.ascontiguousarray(rows[:, ::2])
    return rows.reshape(samples.height, samples.width, 3) if samples.channels == 3 else rows


def _unfiltered(raw: bytes, samples: _Samples) -> NDArray[np.uint8]:
    """As `_inflated` for data with PNG's row filters, which is what a PNG file holds: so a PNG decoder does it."""
    kind = 2 if samples.channels == 3 else 0
    header = struct.pack(">IIBBBBB", samples.width, samples.height, samples.bits, kind, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in ((b"IHDR", header), (b"IDAT", raw), (b"IEND", b""))
    )
    with codec_complaints() as complaints:
        decoded = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR_RGB if kind else cv2.IMREAD_GRAYSCALE)
    if decoded is None or complaints.damage:
        raise UndecodableError("is damaged or broken off")
    rows = decoded.astype(np.uint8, copy=False)
    return rows // np.uint8(255) if samples.bits == 1 else rows


def _through_palette(indices: NDArray[np.uint8] | NDArray[np.bool_], palette: bytes, channel: str) -> Gray:
    colors = np.zeros((1, 256, 3), np.uint8)
    known = np.frombuffer(palette, np.uint8).reshape(-1, 3)[:256]
    colors[0, : len(known)] = known
    colors[0, len(known) :] = known[-1]
    table: NDArray[np.uint8] = from_rgb(colors, channel=channel)[0]
    return table[indices.view(np.uint8)]
