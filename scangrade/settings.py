"""Every threshold and limit: its unit, its value, why it is so, and where the evidence is.

Grouped by the stage that takes it; each group is a frozen record so that a stage gets its numbers as one argument, and a run can
record them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RasteriseLimits:
    """What a page image may be."""

    max_pixels: int = 120_000_000
    """A4 in colour at 600 dpi has 35 million pixels, A3 at 800 dpi 118 million; more is a mistake or an attack."""

    max_bytes: int = 360_000_000
    """Of an image unpacked: A3 in colour at 800 dpi takes 354 million. More colours, or 16 bits, fit at fewer dots; with what decoding
    needs besides, a page stays below 1 GB."""

    max_content_bytes: int = 20_000_000
    """Of a PDF page's drawing instructions, or a colour table, unpacked. A scan has some hundred bytes, text laid under it 100,000; a
    thousandth of that in the file could be made to unpack to anything."""

    max_pages: int = 20_000
    """Pages of one file: a thousand booklets of 20 pages. A PDF of 1 kB can claim a billion."""

    max_jpeg_scans: int = 100
    """Passes of a progressive JPEG, of which encoders make ten; each costs as much as decoding the whole image."""

    render_dpi: float = 200.0
    """Resolution at which a page that is not one plain scanned image is rendered: enough for boxes of 2 mm."""

    render_pixels: int = 1754
    """Longer side up to which a small page is rendered finer than that, if its images are: A4 at 150 dpi. Some programs store
    pages of 72 dpi as if they were stamps."""

    render_seconds: int = 10
    """A page of 600 dpi with masks renders in 2 s; one that takes five times as long was made to."""

    least_gray_dpi: float = 150.0
    """Grey images are reduced while decoding, but not below this: boxes and 0.6 mm code modules read as well as at 300 dpi
    (5,400 boxes, 60 codes), and 75 dpi loses codes."""

    least_bilevel_dpi: float = 150.0
    """The same for one bit per pixel: 2 x 2 pixels of 300 dpi give five shades. Of 26,700 boxes of simulated scans of 300 dpi none was
    read wrongly at 200 or at 150 dpi, 123 and 124 were flagged, and they were placed twice as well (0.014 mm)."""

    least_longer_px: int = 1500
    """Longer side that a reduced page keeps: an A4 form printed on A5 is as fine as its pixels say, not as its sheet's dpi."""

    least_page_share: float = 0.9
    """Share of a PDF page's area that its one image must cover to be taken out instead of rendered."""

    least_page_mm: float = 50.0
    greatest_page_mm: float = 900.0
    """Longer side of a sheet (A8 to A1). Image files that claim another size claim a resolution made up by software, commonly 72."""


RASTERISE = RasteriseLimits()


@dataclass(frozen=True, slots=True)
class RegistrationLimits:
    """How a form may lie on a scanned page, and when its registration is believed."""

    least_scale: float = 0.5
    """Of the scale at which the page would fill the image: a small sheet on a large glass (an A5 exam on an A4 scan is 0.7)."""

    greatest_scale: float = 1.15
    """Of the same: print enlarged by 3 %, and a scan that cuts the page's margins off."""

    filling_share: float = 0.87
    usual_mm: float = 13.0
    """Least scale, as a share of that at which the page would fill the image, of a page whose marks are looked for near their usual places
    only, and how near: 5 mm of shift and two degrees of tilt take a corner 12 mm away. Any other page is looked through as a whole."""

    candidate_pixels_per_mm: float = 2.9
    """Resolution (74 dpi) to which pages may be reduced when looking for marks; what is not found so is sought at the full one."""

    ink_share_of_black: float = 0.38
    """Darkness, as a share of the page's black, from which pixels are ink when looking for marks: a rule of 0.28 mm is blurred to
    half the black at 150 dpi."""

    least_aspect: float = 0.7
    """Short over long side of a mark's bounding box; a dirty fiducial with a tail of a fifth of its size still passes."""

    least_solid_fill: float = 0.55
    """Area of a filled mark over its bounding box: 0.785 for a disc, 0.65 for a square turned by 15 degrees, less with ragged edges."""

    most_candidates: int = 200
    """Components kept per kind of mark, outermost first: bounds the work on a page full of filled boxes."""

    least_fiducials: int = 2
    """Marks that propose a placement; with two only, the printed boxes must confirm it."""

    most_pairs: int = 10
    """Pairs of marks that propose placements, the longest first: six for the usual four marks."""

    most_hypotheses: int = 40
    """Proposals per pair that are looked at, the best supported first."""

    close_mm: float = 1.5
    """Mean distance of the marks from a proposed similarity at which no other need be looked for."""

    sure_mm: float = 0.75
    """The same, at which no proposal with fewer or farther marks is its rival: tilt and stretch of a sheet feeder leave 0.3."""

    most_per_rotation: int = 3
    """Proposals per rotation that are looked at closely: the best supported one may rest on a stray dot."""

    complete_mm: float = 0.2
    """Residual of all marks up to which nothing else is looked for: a feeder leaves 0.1, a page photographed askew 2, and dots that happen
    to lie like marks 0.25 to 2.2."""

    twin_mm: float = 40.0
    """Distance between two placements of a form, both with all marks, at which they are two sheets on one image."""

    least_streak_share: float = 1.6
    """Length of a straight line, in sizes of the largest mark at the largest scale, that cannot be part of a mark."""

    vote_mm: float = 16.0
    """Distance at which a candidate supports a proposed similarity: a page stretched by a tenth in one direction."""

    least_size_ratio: float = 0.72
    greatest_size_ratio: float = 1.4
    """Size of a candidate over the mark's at the proposed scale: toner spread, thresholds and 15 degrees of tilt."""

    greatest_tilt_deg: float = 20.0
    """Beyond any sheet feeder; sheets laid on a glass by hand were seen at 17 degrees."""

    search_mm: tuple[float, ...] = (3.0, 1.0)
    """Radius in which a mark is looked for around its predicted place, first with the rough, then with the refined placement."""

    least_pixels_per_mm: float = 4.0
    most_pixels_per_mm: float = 6.0
    """Resolutions between which a mark is placed by its ideal picture: 150 dpi puts it within 0.013 mm of where 200 dpi does, in a third of
    the time."""

    template_margin_mm: float = 0.8
    """White paper around a mark that its ideal picture includes."""

    least_correlation: float = 0.6
    """Of a mark with its ideal picture; thin corners at 75 dpi reach 0.65, text and dirt stay below 0.5."""

    affine_miss_mm: float = 2.5
    """Farthest that a mark may lie from where the other marks put it by an affine map; a page photographed askew reaches 2."""

    greatest_stretch: float = 1.13
    """Ratio of the two scales of a placement that four marks agree on: renderings saved with another aspect reach a tenth."""

    greatest_stretch_of_three: float = 1.05
    """The same where only three marks were found, which agree on anything: feeding stretches by 2 %, prints fitted to paper by 3 %."""

    def greatest_line_fill(self, line_share: float) -> float:
        """Most ink over bounding box of a mark made of lines that are this share of its size wide, with toner spread and tilt."""
        return min(0.9, 0.25 + 3.2 * line_share)


REGISTRATION = RegistrationLimits()


@dataclass(frozen=True, slots=True)
class FrameLimits:
    """How the printed frames of boxes are looked for."""

    least_pixels_per_mm: float = 4.0
    most_pixels_per_mm: float = 5.0
    """Resolutions between which frames are looked for: 100 dpi, at which a rule of 0.3 mm has a pixel, and 127 dpi. At 150 the median box
    of simulated scans was 0.010 instead of 0.012 mm from its place, and the farthest no nearer, for a third more time."""

    search_mm: float = 2.1
    """Radius of the search: feed distortion reaches 1 mm in the middle of a page, a form printed from another version 1.9 mm."""

    least_for_rough: float = 5.0
    """Pixels per mm from which frames are looked for at half the resolution first: coarser, a frame's rule is lost in its pixels."""

    in_place_support: float = 0.9
    in_place_score: float = 0.3
    in_place_mm: float = 0.4
    """Share of a page's frames that must be seen, their usual score, and how far the farthest may be from where the registration marks put
    it, for no other place to be looked at: on scans of feeders in order all are seen, score 0.6 to 0.8 and lie within 0.15 mm."""

    pitch_share: float = 0.42
    """Of the distance to the nearest other box, that a frame may be off: under half, so that it cannot be taken for the next one."""

    least_search_mm: float = 0.5
    """Radius of the search even where boxes touch: what a placement by fiducials leaves on an office scan."""

    outside_mm: float = 0.55
    """Width of the band outside a frame that should be paper: labels are seldom nearer."""

    inside_mm: float = 0.5
    """Width of the band inside a frame that should be paper unless there is a mark."""

    gap_mm: float = 0.1
    """Left out between frame and bands: the scanner's blur."""

    outside_weight: float = 0.65
    """Share of the outer band in a frame's contrast; the rest is the inner band, which a mark may fill."""

    sharp_mm: float = 0.45
    """Distance from a frame's best place at which its score must have dropped."""

    least_score: float = 0.09
    """Of a frame that counts as seen: thin gray frames reach 0.11, bare paper stays below 0.05."""

    clear_share: float = 0.75
    """Score, as a share of the page's usual, of a frame that is believed even where its neighbours suggest another place: boxes set
    in running text stand elsewhere in every version of a form."""

    insets_mm: tuple[float, ...] = (0.0, 0.2, 0.4)
    inset_gain: float = 1.15
    most_for_inset: int = 12
    """How far inside its layout place a frame may be printed (thick rules grow inwards), by how much that must better the score,
    and on how many boxes it is tried."""

    inset_clear: float = 0.67
    """Score without inset at which none is tried: of drawn frames of 0.2 to 0.9 mm, up to 0.4 mm inside of their places, those that an
    inset fits better reach 0.65, and those in their places 0.61 to 0.76."""

    least_sharpness: float = 0.045
    """Drop of the score around the best place: text and scribble give broad tops."""

    neighbour_mm: float = 0.8
    """Farthest that a frame may lie from where its neighbours suggest: drift between printed versions differs by field."""

    drift_scale_mm: float = 0.3
    """Distance at which a frame loses half its say in the page's common drift."""

    least_for_drift: int = 6
    """Frames needed before a drift over the page is fitted; fewer give their median."""

    neighbours: int = 7
    """Nearest frames whose median corrects the common drift."""

    least_contrast: float = 0.3
    """Least contrast of print to paper that is believed: a page without any print must not have its noise stretched to black."""


FRAMES = FrameLimits()


@dataclass(frozen=True, slots=True)
class WorkLimits:
    """How the reading of pages is dealt out to worker processes."""

    chunk_pages: int = 8
    """Pages of one task: few enough that a kill or a crash costs little, and half a second of reading, beside which handing it out is not
    felt."""

    store_after_s: float = 0.2
    """What was read is put to disk this often at most, which takes 5 to 20 ms: with ten thousand files of one page it would else take as
    long as reading them. A kill costs what was read since."""

    waiting_per_worker: int = 4
    """Tasks under way or queued per worker: no worker waits for the next, and what lies in memory stays bounded however many pages
    come in."""

    reused_block_bytes: int = 32 * 2**20
    """Largest block of memory that a worker keeps for later: a page of one byte per pixel at 600 dpi. glibc takes no more."""

    kept_memory_bytes: int = 128 * 2**20
    """Most free memory that a worker keeps: what the images of a usual page take together."""

    most_memory_bytes: int = 2 * 2**30
    """Memory that a worker, or a program that it starts, can have at all. The largest page takes half of that; what takes more was made
    to, and costs its page instead of the machine."""

    most_seconds: int = 60
    """That a worker may take for one page, on the clock. A usual page takes 0.1 s, and the slowest that there should be 10 s; a decoder
    that never ends would stop the whole batch."""


WORK = WorkLimits()


@dataclass(frozen=True, slots=True)
class ClusterPatience:
    """How long a cluster is waited for."""

    connect_s: float = 15.0
    """For the scheduler's answer: in one network it takes milliseconds, through a busy gateway seconds."""

    patience_s: float = 120.0
    """For a worker, at the beginning and when none is left: one that is started anew by its manager takes half a minute."""

    look_every_s: float = 2.0
    """How often it is looked which workers there are: it costs the scheduler a millisecond."""


CLUSTER = ClusterPatience()


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """How the run store is kept."""

    most_log_pages: int = 262_144
    """Pages of 4 kB that the write-ahead log takes before it is folded into the store while that is open: 1 GB, some 10,000 scanned pages.
    Until then the run folder can be copied at any time; a log beyond that would slow down reading, and need its room twice."""

    synced_bytes: int = 256 * 1024
    """Of a long file that is written while decisions come in: what goes to disk at a time. Beside 18 MB that were synced at once, of 150
    synced appends of 12 kB the slowest took 45 ms, beside 1 MB at a time 46 ms, beside this 12 ms, and alone 16 ms."""

    unpacked_bytes: int = 96 * 2**20
    """Pictures of pages that stay unpacked after they were looked at: those of the 8,192 boxes that are judged together, which are on 28
    to 1,200 pages of up to 300 and 70 kB."""


STORE = StoreSettings()


@dataclass(frozen=True, slots=True)
class MeasureSettings:
    """How the inside of a box is sampled."""

    finest_per_mm: float = 6.0
    finest_of_cells_per_mm: float = 8.0
    """Samples of which boxes' numbers and the pixels of kept pictures are means, at least: of boxes as many as a scan of 150 dpi has (which
    makes 7 of boxes 4 mm wide), of cells for handwritten digits more, since their strokes are half a millimetre wide."""

    inset_mm: float = 0.35
    """Margin inside the frame that is left out: blur of the frame at 150 dpi, and an error of registration of 0.15 mm."""

    inset_share: float = 0.12
    """The same as a share of the box, for boxes smaller than 3 mm."""

    outside_mm: float = 1.2
    """Width of the band around a frame in which overflow, arrows and circles are measured."""

    gap_mm: float = 0.35
    """Left out between the frame and that band."""

    far_mm: float = 0.8
    beyond_mm: float = 1.8
    beyond_ink: float = 0.4
    """Bounds of the band in which strokes that leave a box are sought, and their darkness: sloppy fills overflow by half a
    millimetre, a stroke that means something goes on."""

    floor_quantile: float = 0.4
    """Of the darkness around a box, what counts as bare paper there: labels and neighbours fill less than half of it."""

    most_floor: float = 0.08
    """Most darkness that is taken for shadow: more is ink or a stain."""

    line_mm: float = 0.5
    """Width of the band that is left out to see what a straight line through a box hides: a streak, or its own frame."""

    cell_ink: float = 0.12
    """Mean darkness from which a ninth of a box counts as holding ink: a light pencil line through it."""


MEASURE = MeasureSettings()


@dataclass(frozen=True, slots=True)
class ReferenceLimits:
    """How a scan is matched with the blank form's print."""

    pixels_per_mm: float = 4.0
    """Resolution at which print is described: 100 dpi, at which letters are still letters."""

    points: int = 2500
    """Distinctive points per page: 1,500 lost one page in sixty in a comparison of methods, 4,000 cost four times as much."""

    corner_threshold: int = 15
    """Gray levels by which a corner must stand out: photocopies are faint."""

    greatest_distance: float = 64.0
    """Bits of 256 in which two descriptions of the same point differ at most."""

    least_points: int = 30
    """Points that must agree; chance agreements on an unrelated page stay below 12."""

    rough_px: float = 8.0
    """Reach of the first, robust similarity in scan pixels: it ignores perspective and stretch."""

    fine_mm: tuple[float, ...] = (2.5, 1.0, 0.6)
    """Reach within which points join the homography, step by step."""


REFERENCE = ReferenceLimits()


@dataclass(frozen=True, slots=True)
class ConstellationLimits:
    """When the pattern of a page's boxes alone is believed to place it."""

    least_boxes: int = 12
    """Fewer boxes make patterns that text imitates."""

    aspect_tolerance: float = 0.3
    size_tolerance: float = 0.12
    """Deviation of a component's shape and size from a box': print, threshold, and a few degrees of tilt."""

    most_scales: int = 3
    most_shifts: int = 6
    most_voters: int = 150
    """Bounds on the work: scales and shifts tried, and boxes that vote."""

    vote_mm: float = 2.0
    """Side of the cells in which votes for a shift are counted."""

    reach_mm: tuple[float, ...] = (2.5, 1.8, 1.2, 0.8, 0.8)
    """Distance within which a component stands for a box, fit by fit."""

    same_mm: float = 2.0
    """Placements nearer than this are the same."""

    least_share: float = 0.6
    """Of the boxes, that must lie on a component: marks and handwriting hide the others."""

    least_lead: float = 3.0
    lead_share: float = 0.02
    """Boxes, and share of them, by which the best placement must lead: a grid shifted by a row loses one row."""


CONSTELLATION = ConstellationLimits()


@dataclass(frozen=True, slots=True)
class PageLimits:
    """When a page is believed to be what it seems."""

    most_pixels_per_mm: float = 8.5
    """Pages of higher resolution are reduced to this (216 dpi): no box is read better at 300 dpi, and all cost twice the time."""

    least_support: float = 0.4
    """Share of a page's framed boxes that must be seen where the placement puts them. Right placements of the real scans at hand
    have 0.5 to 1.0, the same turned upside down 0.0 to 0.28."""

    least_support_of_blank: float = 0.9
    """Share of a page's boxes that a blank form must show, to be believed about what they look like empty."""

    least_boxes: int = 4
    """Framed boxes that a page must have for its support to tell anything."""

    rival_share: float = 0.85
    """Likeness, as a share of the best candidate's, from which another page or placement is a rival that boxes cannot rule out. A
    column of boxes found upside down on another page reached 0.5, pages with the same boxes 0.97 to 1."""

    own_boxes_seen: float = 0.6
    """Share of the boxes that only one of two similar pages has, which must be seen for that page and unseen for the other."""

    usual_shift_mm: float = 1.5
    """Distance by which all boxes of a page may lie aside together, at which a placement loses two thirds of its likeness: prints
    from another version of a form lie up to 1.9 mm aside in some fields, hardly in all."""

    sure_fiducials: int = 4
    sure_residual_mm: float = 0.4
    """Marks, and their residual, that are believed where no frames of boxes can confirm them."""

    coarse_pixels_per_mm: float = 3.2
    """Resolution (81 dpi) below which frames of 0.3 mm cannot be seen. Above it, a page whose boxes are not where the layout puts
    them was printed from another layout, whatever its page code says."""

    greatest_residual_mm: float = 1.0
    """Ninetieth percentile of the distance between frames and their smooth placement, beyond which nothing is believed."""

    blank_ink_share: float = 0.002
    """Share of dark pixels below which a page without marks is blank: dust and holes; one line of handwriting has more."""

    blank_share_of_black: float = 0.4
    """Darkness, as a share of the page's black, of those pixels: on a page without print 12 % below paper, beyond noise and beyond
    the back shining through."""

    code_margin_mm: float = 3.0
    """Added around the page code's region: errors of a placement by two marks."""

    bit_dark: float = 0.6
    bit_clear: float = 0.3
    """Ink above and below which a page code's bit is 1 and 0; between them it is not known."""

    most_unknown_bits: int = 2
    """Bits that may be unknown if the others name a single page."""


PAGE = PageLimits()


@dataclass(frozen=True, slots=True)
class HandLimits:
    """How a page is drawn to its printed boxes once a person has clicked its corners."""

    fits: int = 2
    """Times that the boxes found correct the placement: a click is up to 2 mm off, and the first fit leaves 0.2 mm."""

    reach_mm: float = 0.5
    """Distance within which boxes agree on a placement: paper bends by less between neighbours."""

    least_spread: float = 0.33
    """Extent of the boxes, both ways and as a share of the page's shorter side, from which they may correct the whole page's placement."""


HAND = HandLimits()


@dataclass(frozen=True, slots=True)
class LayoutLimits:
    """From when on a layout's author is warned that pages may not register."""

    min_fiducials: int = 3
    """Fiducials on a page without a blank reference: three points make an affine transform, and one more may be covered."""

    min_spread_mm: float = 20.0
    """Least distance of a page's fiducials from the line through the two farthest apart: below it, a tilt across that line is hardly
    seen (an error of 0.2 mm at 20 mm is one of 2.5 mm at the other end of A4)."""

    least_cell_mm: float = 3.0
    """Side of a cell for a handwritten digit, below which people write over its frame: digits in lines are 3 mm high and more."""


LAYOUT = LayoutLimits()


@dataclass(frozen=True, slots=True)
class EmptyBoxSettings:
    """From what, and how far, the look of an empty box is learned. Ink is mean darkness of a box' inside, 0 to 1."""

    quantile: float = 0.25
    """Of the darkness over booklets, or over boxes with the same letter, what counts as the form's own."""

    least_booklets: int = 4
    """From which what is printed around a box is learned from that box alone: one in four may be marked there."""

    most_booklets: int = 40
    """Looked at, evenly spread over the batch: more change nothing and cost time."""

    most_samples: int = 240
    """Boxes with the same letter looked at."""

    least_samples: int = 8
    least_fields: int = 3
    """Boxes with one letter, and fields they are in, from which their print is learned: all booklets may be marked in one field."""

    sure_samples: int = 12
    sure_fields: int = 6
    """The same of print that is beyond doubt, among `least_letters` letters."""

    most_print: float = 0.45
    """Ink that print inside a box can have; shaded boxes with a letter reach 0.37."""

    letters_differ: float = 0.12
    """Ink by which a letter may exceed the usual one: an 8 or a W has 0.1 more than a 1 or an I."""

    least_letters: int = 5
    few_differ: float = 0.04
    most_print_of_few: float = 0.2
    """Below so many different letters all may be marked more often than not: then only what the palest shows, no more than the last of
    these, is believed, and of another letter as much more as the second."""


@dataclass(frozen=True, slots=True)
class InkSettings:
    """Where, by ink alone, "certainly empty" ends and "certainly marked" begins. Ink is excess over an empty box, 0 to 1."""

    empty_below: float = 0.02
    """Ink of a box without print that is certainly empty: of 4,799 empty boxes of real exam scans all but 9 read below 0.015."""

    pale_below: float = 0.035
    pale_dark: float = 0.008
    """Ink, and share of dark pixels in it, of a box that is empty but for noise and the other side of the paper shining through."""

    peak_of_dot: float = 0.7
    """Darkness of the darkest twentieth of a box from which it is not empty however little ink it holds: a dot, a pen tip."""

    marked_share_of_pen: float = 0.4
    """A mark has at least this share of the ink that the writer usually leaves."""

    marked_least: float = 0.045
    marked_most: float = 0.12
    """Bounds of that: thin crosses of a ballpoint hold 0.19 and more, a pale pencil's 0.05 to 0.1."""

    empty_share_of_marked: float = 0.7
    """What is certainly empty holds less than this share of what is certainly marked."""

    marked_without_frame: float = 0.4
    """Ink that is a mark although the box' frame was not found: only a fill hides a frame."""

    usual_pen: float = 0.35
    """Ink of a usual mark, for a booklet with too few marks to tell."""

    least_mark_cells: float = 0.2
    """Share of a box' ninths that a mark touches: a dot where the pen rested touches one, a small cross two."""

    line_rest: float = 0.02
    """Ink without the darkest straight band, below which a mark is only that line: dirt on the scanner's glass gave 0 to 0.01, the
    palest marks 0.03."""

    least_pale_cells: float = 0.1
    """Share of the ninths that a pale mark touches: print shining through from the back touches none."""

    evident_ink: float = 0.045
    evident_cells: float = 0.3
    least_marks: int = 4
    """Ink, share of the box' ninths that it touches, and number of the marks from which a writer's pen is learned."""

    full_dark: float = 0.88
    full_cell: float = 0.6
    """Share of dark pixels, and darkness of the emptiest ninth as a share of the pen's, of a box that is completely filled."""

    even_cell: float = 0.7
    even_faint: float = 0.98
    """Darkness of the emptiest ninth as a share of the pen's, and share of the inside that is not white, of a box completely filled
    with a pale or coloured pen: green and red fills gave 0.75 and more, thick crosses leave white."""

    wash_dark: float = 0.1
    wash_faint: float = 0.9
    wash_ink: float = 0.33
    """Share of dark pixels, share of coloured ones and ink of what may be a highlighter: those gave 0.17 to 0.26, pale pencil fills
    0.36 and more."""

    wash_share_of_pen: float = 0.6
    """Darkness, as a share of this writer's strokes', below which something is likelier a stain."""

    cross_dark: float = 0.78
    """Share of dark pixels beyond which a cross may be meant as a fill: felt-tip crosses reach 0.75."""

    thin_dark: float = 0.6
    thin_cell: float = 0.25
    """The same two of a mark that is a cross or a tick rather than a careless fill, one of them being less."""

    least_for_labels: int = 4
    """Booklets from which what is printed beside a box is learned from that box alone."""

    fill_cell: float = 0.2
    """Darkness of a mark's emptiest ninth, as a share of its pen's, below which it is no fill: on forms where only fills count.
    Half-filled boxes gave at most 0.16, careless fills at least 0.5."""

    through_outside: float = 0.08
    through_beyond: float = 0.05
    """Ink around a box, near and farther out and over what is printed there, of a line that runs through it: arrows to another
    question gave 0.09 to 0.12 and 0.07 to 0.09, ticks with a long tail at most 0.04 and 0.07."""

    least_alike: int = 4
    """Boxes with the same print inside, needed to learn from them alone what it looks like empty."""

    empty_quantile: float = 0.2
    """Of their ink, what counts as empty: most digits and letters of a grid are not marked."""

    least_for_print: int = 8
    least_print: float = 0.04
    print_tightness: float = 0.06
    """Boxes, their ink, and the spread of it, that show print where the layout says nothing of any."""

    print_tolerance: float = 0.12
    """Ink by which one letter may exceed the usual letter: an 8 or a W has 0.1 more than a 1 or an I."""

    most_print: float = 0.45
    """Ink that print inside a box can have; shaded boxes with a letter reach 0.37."""

    weakest_print: float = 0.6
    strongest_print: float = 1.25
    """Bounds of a page's print strength against the blank form's: toner and blur. More is likelier a page full of marks."""

    print_spread: float = 0.15
    """Uncertainty of print's ink as a share of it: toner, sharpness, and letters cut by the measured area."""

    least_print_doubt: float = 0.03
    """Uncertainty of the ink of print that was seen too seldom to know it."""

    least_letters: int = 5
    letters_differ: float = 0.04
    most_print_of_few: float = 0.2
    """Different letters in boxes of one size, below which all may be marked more often than not; ink by which letters differ; and
    ink of a letter that is believed then."""

    most_doubt: float = 0.25
    """Greatest uncertainty of an empty box' ink: whatever is printed, a box that is nearly all black is marked."""

    coarse_pixels_per_mm: float = 3.2
    """Resolution (81 dpi) below which frames of 0.3 mm cannot be seen, and boxes are judged without."""


@dataclass(frozen=True, slots=True)
class DecideSettings:
    """Where "certainly empty" ends and "certainly marked" begins. Ink is mean darkness beyond the empty box', 0 to 1."""

    marked_from: float = 0.95
    unmarked_from: float = 0.97
    """The network's probability of a mark, and of an empty or undone box, from which nobody is asked; the former never where the ink
    says that there is none. Of 1,400 boxes kept aside in training of which the ink alone could not tell, none was wrong above 0.97."""

    marked_if_agreed: float = 0.9
    unmarked_if_agreed: float = 0.9
    """The same where the ink says so as well: above, 9 of 46,000 boxes kept aside were wrong, all of them among the eightfold
    mishaps of training and on black and white scans at 72 to 200 dpi."""

    first_look_from: float = 0.99
    """Probability at a first look from which a box in which the ink says the same is not looked at closer: that settles 94 of 100 simulated
    boxes that are not plainly empty. A closer look would ask a person about 6 of 158,000 so settled, and take none for something else."""

    most_certain: float = 0.9999
    """Probability that is never exceeded: the network has seen some hundred thousand boxes, not some million."""

    plain_ink: float = 0.01
    plain_below: float = 0.1
    """Mean darkness inside, and greatest anywhere in a patch, beyond the empty box', up to which the network is not asked."""

    unmarked_if_alike: float = 0.5
    unmarked_if_surely_alike: float = 0.1
    """The network's probability of an empty box where the ink says so, and the box looks much like the empty one; the latter where
    what that looks like is beyond doubt. The network is easily misled by black letters in forms unlike those it was trained on. Of 41,000
    such boxes kept aside in training 3 were marked, by pale lines on hard scans."""

    alike_inside: float = 0.25
    """Greatest darkness inside, beyond the empty box', of what looks much like it."""

    alike_around: float = 0.02
    alike_dark: float = 0.35
    """Share of the surroundings, and from which darkness on, that may be darker than the empty box'; a ring darkens a twentieth."""

    strong_share_of_pen: float = 0.35
    """Marks paler than this share of the writer's usual one may be erased."""

    strong_share_of_field: float = 0.4
    """The same against the darkest mark of the question: of 1,577 further marks beside one on simulated scans none was paler."""

    streak_from: float = 0.12
    streak_clear: float = 0.15
    """Darkness of a line that dirt on the scanner's glass leaves, and darkness up to which the form itself has nothing there."""

    streak_share: float = 0.9
    streak_rows: int = 10
    """Share of the rows without print of a box' picture that such a line must be in, and how many they must be."""

    streak_px: int = 9
    streak_rest: float = 0.012
    """Width of such a line in pixels of the picture, two on either side for its blur, and ink inside the box beside it."""

    streak_fields: int = 3
    """Questions of a booklet that such lines run through at least: a line through one question strikes it out. Of 87 boxes with such
    a line, from training, that the ink left open and the network thought empty at 0.9 to 0.97, none was marked, and 6 were struck out."""

    neighbours: int = 40
    """Booklets from which it is learned what empty boxes look like, when another image of a page counts than the machine took: their
    10,000 boxes are decided within half a second, and hold each letter hundreds of times."""

    most_for_trust: int = 24
    most_boxes_for_trust: int = 2000
    least_for_trust: int = 8
    """Sheets and boxes at most, and boxes with one print at least, from which it is learned how sure the network is of a form's
    empty boxes."""

    least_trust: float = 0.5
    """Usual probability below which most boxes of a print may be marked, or the network is of no use there: nothing is taken off then."""

    evident_ink: float = 0.045
    least_marks: int = 4
    """Ink and number of the marks from which a writer's pen is learned."""

    least_for_print_map: int = 4
    most_for_print_map: int = 24
    """Booklets from which what is printed on a page is learned, and how many are looked at."""

    print_quantile: float = 0.4
    """Of a square millimetre's darkness over booklets, what the form itself has there: print is on all of them, writing at one place on
    few."""

    print_cell: float = 0.2
    written_cell: float = 0.4
    """Darkness of a square millimetre that is print, on most booklets; and of one that is written on, on this one: a thin pencil."""

    spill_mm: float = 2.5
    """Reach of marks beyond their box that means nothing: crosses and ticks overshoot by 1 to 2 mm."""

    empty_spill_mm: float = 0.5
    """The same of an empty box: its frame may be off by a fraction of a cell."""

    word_mm2: float = 0.06
    """Ink around a box of a question from which on it is looked whether it is a word: of words in narrow rows the box' own picture often
    shows no more than that."""

    word_from: float = 0.8
    """Probability from which on a word is seen beside a mark on a dense sheet: so probable are 30 of 35 words on simulated scans; of
    questions without one, one of 4,666 on usual scans, and 38 of 4,320 on hard ones."""

    streak_mm: int = 20
    """Length of an upright line (a third of a level one's) that nobody wrote: words are less high, arrows shorter."""

    beside_mm: float = 13.0
    above_mm: float = 3.5
    """How far from the boxes of a question a word or an arrow is looked for: to the sides, and above and below, where the next
    question begins."""

    empty_boxes: EmptyBoxSettings = EmptyBoxSettings()
    ink: InkSettings = InkSettings()

    beside_cells: int = 7
    """Written square millimetres that may be a word: "A" has 8, a word 15 and more, a hair 3 to 6."""


DECIDE = DecideSettings()


@dataclass(frozen=True, slots=True)
class PageCodeReading:
    """How hard a page code is tried to be read."""

    least_contrast: int = 40
    """Grey levels between the darkest and the lightest pixel of the window, below which nothing is printed there: faint print
    has 80, paper alone 25."""

    enlargements: tuple[int, ...] = (2, 3)
    """Modules of 0.4 mm are 1.6 pixels wide at 100 dpi, too few for a decoder that samples; enlarged smoothly they read."""

    smoothing_px: float = 0.6
    """Blur, in pixels of the scan, against the salt and pepper of one-bit scans: a third of a module at 100 dpi."""


PAGE_CODE_READING = PageCodeReading()


@dataclass(frozen=True, slots=True)
class StickerReading:
    """How a pasted label is read."""

    margin_mm: float = 15.0
    """Around the place that the form has for it: labels are pasted askew, and beside their place."""

    dense_mm: float = 6.0
    least_dense: float = 0.3
    """Side of a window, and the share of it that is dark, from which something is taken for a code that is hard to read: half of a
    code is black in any such window, a fifth of large print. Eight codes of 120 simulated labels could not be read at once; all had 0.6 or
    more, and an empty place with the form's own print 0.29."""

    pixels_per_mm: float = 12.0
    """At which print is read, and codes are tried again (305 dpi): Tesseract is made for print of 20 to 40 pixels a line."""

    smoothing_px: float = 1.2
    """Blur before the last try, in pixels of the above, against the salt and pepper of one-bit scans."""

    beside_mm: float = 50.0
    above_mm: float = 22.0
    """How far from the middle of its code a label's print is looked for, along and across: labels of 100 x 44 mm."""

    largest_print_mm: float = 7.0
    """Of a digit: what is larger is a bar of a code, a line, or the label's edge."""

    timeout_s: float = 10.0
    """For one call of Tesseract, which takes 0.2 s."""

    least_confidence: float = 50.0
    """Of 100, as Tesseract gives it for a word: what it makes of pictures and lines has less, printed numbers have 80 and more."""

    least_confidence_of_print: float = 80.0
    again_pixels_per_mm: float = 8.0
    """The same for a word of a printed version, and the size at which it is read a second time: what Tesseract takes for another letter at
    one size it mostly takes for a third at the other."""

    again_pixels_per_mm_of_print: tuple[float, ...] = (8.0, 16.0)
    most_misread_digits: int = 2
    """Sizes at which a label's print is read again where it differs from its code's number in so many digits at most: Tesseract takes
    one digit of a clear label in a hundred for another, and reads it rightly at another size."""

    least_confidence_of_name: float = 30.0
    """The same for a word of a name: block letters by hand have 30 to 90. What is misread is like nobody's name."""

    least_contrast: int = 40
    """Grey levels between the darkest and the lightest pixel of a region, below which nothing is written there."""

    least_digits: int = 5
    """Of a number printed on a label, or within a longer text of a code: fewer are dates, rooms and seats."""


STICKER = StickerReading()


@dataclass(frozen=True, slots=True)
class PrintedDigitSettings:
    """How print is taken apart into digits."""

    least_height_mm: float = 0.8
    greatest_height_mm: float = 7.5
    greatest_width: float = 1.1
    """Of a piece of print that may be a digit, or several that touch; the last as a share of its height, for one digit. Digits of 4 to 25
    points."""

    least_whole: float = 0.85
    """Height of a piece, as a share of what is there at the faintest level, below which it is a broken part, which looks like anything."""

    digit_width: float = 0.55
    """Of a digit, as a share of its height: of pieces that are wider, or too pale to be read, as many digits are feared as have room."""

    most_uneven: float = 1.15
    """Of the heights of what cannot be read but may be a number: letters that touch or are broken are of several heights, digits are
    not."""

    least_fill: float = 0.3
    """Share of its rectangle that a wide piece fills, below which it is a rule, a little askew: print that touches fills more."""

    greatest_gap: float = 1.5
    least_overlap: float = 0.5
    """Between pieces that may be digits of one number, and how far they stand beside each other, as shares of their height: letterspaced
    digits are a digit apart."""

    levels: tuple[float, ...] = (0.5, 0.65, 0.35)
    levels_of_others: int = 2
    faintest: float = 0.85
    """Between black and paper, as shares, below which a pixel is print. A number is read at any of the levels: bold digits touch at the
    higher ones, thin strokes fall apart at the lower ones. At the first of them, so many, nothing else may be a number; and whatever is
    there at the faintest, but not at those, counts too."""

    paper_quantile: float = 0.95
    """Of the pixels around a piece, which tells how bright its paper is: a digit fills half of its rectangle."""

    sure: float = 0.98
    surely_other: float = 0.9
    """Probability of the least certain digit from which a number is taken to be read, and of a piece that it is no digit, from which it
    ends a number. Of 3,866 numbers in typefaces of which nothing was learned, 84 % are confirmed (92 % on gray scans of 200 dpi and
    more), none as one with another digit, ten as one without the first or last digits."""

    most_pieces: int = 400
    """On a label, above which nothing is told: one full of print has 200, and patterns can be made of thousands."""

    pixels_per_mm: float = 8.0
    """At which print is taken apart (203 dpi): the network sees digits 18 pixels high, which 2.3 mm have here, and at Tesseract's 12 pixels
    per mm all takes twice as long."""


PRINTED_DIGITS = PrintedDigitSettings()


@dataclass(frozen=True, slots=True)
class IdentifyLimits:
    """Which students are offered for a number that is not certain."""

    most_candidates: int = 3
    """Students named in a flag: more are searched for by name."""

    farthest: int = 3
    """Columns in which an offered student's number may differ. Among 1,000 random numbers of 8 digits one lies this near to another
    number by chance in one search of three, within two columns in one of fifty: farther ones would only mislead."""


IDENTIFY = IdentifyLimits()


@dataclass(frozen=True, slots=True)
class HandwritingSettings:
    """How handwritten digits are read, before anything is decided."""

    quantile: float = 0.2
    """Of the cells of a form, pixel by pixel, that shows what is printed: no place of a cell has ink in half of all digits."""

    least_cells: int = 24
    """From which on the print of cells is learned from them; with fewer their frame is taken from the layout."""

    most_cells: int = 2000
    """Of which it is learned: more change nothing."""

    shown: float = 0.9
    """Probability of a digit from which it is told as read; below it stands a question mark."""


HANDWRITING = HandwritingSettings()


@dataclass(frozen=True, slots=True)
class WitnessSettings:
    """What witnesses that are not certain by themselves weigh, and when all of them together are enough. Weights are natural logarithms."""

    enough: float = 9.21
    """Least margin to the second best assignment of all booklets for a student without a flag: odds of 10,000 to 1."""

    gross_error: float = 5e-4
    """Share of the clearest digits that are read wrongly all the same, spread over all others. So one cell never weighs more than 10.
    Of 2,407 held-out digits of which the network is surer than 0.9999 none is wrong (tests/training/README.md), but people write
    wrong digits too."""

    odd: float = 0.02
    """Share of the cells with something in them that hold no plain digit: crossed out, written over. Of 59 in public scans none did; what
    the network learned from has four times as many, lest it miss them."""

    alike: float = 0.5
    """How much of what is wrong with a digit on one page is wrong on the next: a writer's 1 that looks like a 7 does so everywhere. n pages
    weigh as n / (1 + (n - 1) x this) independent ones."""

    strangers: float = 0.01
    """Share of booklets by somebody who is not on the roster: guests, late enrolments. A third of them have a number one digit from one on
    the roster, a third one that is made like those, and a third any number."""

    again: float = 0.002
    """Share of booklets that are a second one of somebody: all that the argument of who is left can weigh (6.2)."""

    grid_error: float = 1e-3
    """Of a certain column of a grid: people mark the wrong row more often than boxes are misread."""

    name: float = 3.0
    """Weight of a name that is read clearly as that of one student: 20 to 1, since it is read badly where it is read at all."""

    name_alike: float = 85.0
    name_ahead: float = 10.0
    """Likeness (of 100) of the name as read to a student's, and how far it is ahead of all others, from which it is that name."""

    name_often: float = 0.6
    name_least: int = 3
    """Share of all names that were read, and least number of them, that have a word, from which it is printed on the form: no class has one
    first name in common."""

    page_other: float = 6.9
    """Odds (1,000 to 1) by which one page speaks for another student of the roster, from which it contradicts."""

    page_free: float = 13.8
    """Odds (1,000,000 to 1) by which one page speaks for some other number at all, from which it contradicts: two digits at least."""

    rival: float = 3.0
    """By how much (20 to 1) a booklet must be likelier somebody's who has another one, for that one to be doubted too."""

    reach: float = 18.0
    """How far below a booklet's likeliest student others are looked at: `enough`, and what `again` can bring, and a little."""


WITNESSES = WitnessSettings()


@dataclass(frozen=True, slots=True)
class ScoreLimits:
    """How far scoring looks into what open boxes can still become."""

    most_open_boxes: int = 12
    """Open boxes of one question up to which every outcome is scored (4,096 of them); beyond it the question's whole range counts."""


SCORE = ScoreLimits()


@dataclass(frozen=True, slots=True)
class StatisticsSettings:
    """How an exam's questions are judged by its booklets."""

    group_share: float = 0.27
    """Share of all booklets in the upper and in the lower group: the one at which their difference is told most surely where points
    are distributed normally (Kelley 1939, DOI 10.1037/h0057123)."""

    least_for_groups: int = 10
    """Booklets below which no groups are made: three in each would say more of three people than of a question."""

    least_certain_share: float = 0.5
    """Share of booklets that must have certain points for a question to be looked at: one whose points are still being given would
    otherwise leave out most booklets."""

    suspicion_z: float = 2.326
    """Standard errors by which a correlation must differ from 0 before a key is doubted: one alternative in a hundred would by chance,
    and of those that the key rightly calls wrong hardly any, since better booklets mark them less."""

    weak_correlation: float = 0.0
    """Correlation with all other questions below which a question is named, since who knows more earns less in it."""

    most_bins: int = 25
    """Bars of the distribution: those of an exam of 100 points are 5 wide, of 24 points 1."""


STATISTICS = StatisticsSettings()


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """What the report shows."""

    most_scans: int = 40
    """Scan files listed one by one, those with the greatest residuals: a page of paper; `pages.csv` has all."""


REPORT = ReportSettings()


@dataclass(frozen=True, slots=True)
class AnnotateSettings:
    """How students' pages are given back."""

    margin_mm: float = 38.0
    head_mm: float = 13.0
    """Paper added beside and above a page, for points and for whose it is: nothing is written over what a student wrote."""

    sign: float = 0.62
    """Size of a tick or a cross over the box' side."""

    beyond_mm: float = 0.5
    """Distance of an outline from the outside of the box' frame."""

    note_mm: float = 6.0
    least_note_mm: float = 2.6
    """Height of a line of points beside the page, and the least to which it shrinks where a page has many questions."""

    jpeg_quality: int = 85
    """Of pages that are stored anew since something is concealed: a second JPEG of a scan that shows no difference on paper."""

    conceal_mm: float = 2.0
    """Surroundings of a name or a number that are concealed with it: letters reach over their lines."""

    open_scans: int = 4
    """Scan files held open: booklets lie in them one after the other, pages scanned later in another one."""

    most_name_bytes: int = 120
    """Length of a file name without its ending: file systems take 255 bytes, and archives and folders want some of them."""


ANNOTATE = AnnotateSettings()


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """How many undisputed boxes a person is shown, of which kind, and how their pictures look."""

    size: int = 60
    """Boxes of a sample, unless another number is asked for: they are looked through in five minutes."""

    confidence: float = 0.95
    """Probability with which a bound holds, whatever the truth is."""

    empty_share: float = 0.5
    """Share of the sample that is drawn from the boxes decided empty. They are nine of ten boxes of a form, and without this rule a
    sample of 60 would hold six marks."""

    least_share: float = 0.2
    """Of the rest, the least share for marked and for undone boxes each, where there are so many: undone ones are rare."""

    goal: float = 0.05
    """Share of wrong boxes for which the sample that would show it is named beforehand."""

    margin_mm: float = 5.0
    """Surroundings shown on each side of a box: a neighbour, and strokes that reach beyond."""

    outline_mm: float = 0.5
    """How far outside of a box' frame the line around it is drawn, so that it hides nothing of the mark."""

    columns: int = 4
    rows: int = 5
    """Boxes across and down a sheet, which is A4 in portrait at 150 dpi."""

    crop_px: int = 210
    """Side of a box' picture on the sheet: four of them and their spaces make its width."""


AUDIT = AuditSettings()


@dataclass(frozen=True, slots=True)
class ReviewSettings:
    """How decisions by people are asked for, shown and kept."""

    booklets_in_memory: int = 200
    """Booklets held with all their boxes: those that a reviewer comes back to. One takes half a megabyte, and 2 ms to load again."""

    most_body_bytes: int = 64 * 1024
    """Length of a request: a range of 1,000 boxes takes 50 kB."""

    most_boxes: int = 400
    """Boxes of one grid: as many as the eye looks over in ten minutes; more come on the next one."""

    answers_of_page: int = 20
    """Answers of one open question on a page: as many pictures of half a page as a browser holds with ease."""

    most_listed: int = 200
    """Rows of a list: as many as somebody scrolls through before filtering."""

    longest_pause_s: float = 60.0
    """Time after wrong passwords until the next one is looked at, which doubles up to this: 1,440 guesses a day."""

    least_password: int = 10
    """Characters of a password for use beyond this machine."""

    crop_margin_mm: float = 3.5
    crop_px: int = 120
    """Surroundings and side of a box' picture in the grid: the neighbouring box is seen, and twelve fit across a laptop's screen."""

    strip_pixels_per_mm: float = 8.0
    strip_px: int = 1600
    strip_margin_mm: float = 8.0
    """Resolution, greatest side and surroundings of a question's picture."""

    strip_least_mm: float = 56.0
    """Least height of a question's picture: arrows and words that say which mark is meant stand up to 20 mm away."""

    region_margin_mm: float = 2.0
    """Surroundings of a place for writing: descenders and what was written past its frame."""

    page_px: int = 2200
    """Longer side of a whole page's picture: 190 dpi, at which a pencil dot is four pixels wide."""

    picture_processes: int = 2
    """Processes that cut pictures: one for what is looked at, one for what comes next."""

    picture_niceness: int = 10
    """How far they stand back behind the server and the browser, 0 to 19: the first pictures of boxes are there without them."""

    quiet_s: float = 1.0
    """How long nothing was asked before pictures are cut ahead: a page is loaded, and looked at, in that time."""

    seconds: Mapping[str, float] = field(
        default_factory=lambda: {
            "unsure_mark": 2.0,
            "doubtful_answer": 6.0,
            "credit": 6.0,
            "disagreement": 10.0,
            "unknown_version": 6.0,
            "unknown_student": 12.0,
            "duplicate_student": 15.0,
            "open_points": 30.0,
            "page_set_aside": 20.0,
            "missing_page": 20.0,
            "duplicate_page": 10.0,
            "page_order": 15.0,
        }
    )
    """What an item takes until the reviewer's own pace is known."""

    longest_thought_s: float = 60.0
    least_for_pace: int = 8
    """Longest time between two decisions that is no break, and decisions from which a reviewer's own pace is told."""

    write_after_s: float = 0.3
    write_within_s: float = 2.0
    """Quiet time after which the run's files are written, and the longest they may lag behind decisions that keep coming."""

    write_rest: float = 4.0
    write_latest_s: float = 10.0
    """How many times as long as it takes there may be no writing while decisions keep coming, and the longest such time: a run of 5,000
    pages is written in half a second of processor time, which a reviewer's decisions should not meet each time."""

    switch_s: float = 0.0005
    """Time after which the thread that writes files lets the one go on that takes decisions: Python's own 0.005 s adds up to a
    tenth of a second while a large gradebook is made."""

    at_once: int = 12
    """Booklets that are concluded before a decision is acknowledged; of more (a range) the rest follow right after."""

    kept_at_once: int = 20
    loaded_at_once: int = 20
    """Booklets whose results are kept, or loaded, between two decisions: 2 to 5 ms. The scorecards of 1,308 booklets at once took 0.3 s."""

    give_way_s: float = 0.05
    """How long nothing was asked before what every writing of files needs is made ready: the requests of a page that loads come closer."""

    trail_rows: int = 100
    """Decisions on one page of the trail."""


REVIEW = ReviewSettings()


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """How other systems' files are taken, and how much is said about them."""

    head_rows: int = 20
    """Rows among which the heads are looked for: OSIRIS has them in the eighth, after the course and the exam."""

    most_workbook_bytes: int = 60 * 1024 * 1024
    """Size of a workbook unpacked: a sheet of 5,000 students and 100 columns takes 30 MB; parsed, it takes ten times as much."""

    most_workbook_cells: int = 5_000_000
    """Cells of a sheet, each row counted up to its last one: 5,000 students and 1,000 columns. One cell far to the right in every row of a
    small file would take all memory."""

    most_named: int = 30
    """Students named for one reason before only their number is said: what fits on a screen."""

    near_number: int = 2
    """Letters by which a number on the other system's file may differ from that of a student who is not on it, to be named as perhaps
    meant: two digits interchanged are two."""


EXPORT = ExportSettings()


@dataclass(frozen=True, slots=True)
class DetectSettings:
    """What counts as a box, a frame or a registration mark on a blank form, and what belongs together."""

    least_cells: int = 5
    least_cell_width_mm: float = 4.5
    least_cell_height_mm: float = 5.5
    """Cells of a row for a number by hand, and their least size: boxes to be marked have 3 to 5 mm, and stand apart."""

    most_cell_gap_mm: float = 2.5
    """Between the insides of two cells: they share a line, or stand as close as the columns of a digit grid below them."""

    dpi: float = 300.0
    """Resolution at which a page is looked at: the line of a ballot box of 10 pt is 2 pixels wide there, and places are good to 0.1 mm."""

    least_box_mm: float = 2.0
    greatest_box_mm: float = 9.0
    """Inside of a box: smaller ones cannot be marked by hand; larger ones are frames."""

    least_frame_mm: tuple[float, float] = (12.0, 5.5)
    """Width and height from which on a rectangle is taken as a place to write: a line of handwriting."""

    most_frame_words: int = 15
    """Printed words in a rectangle from which on it is no place to write; a caption and instructions have fewer."""

    least_square_fill: float = 0.93
    """Share of its bounding rectangle that a seen hole fills to be a square: a circle has 0.79, rounded corners of a fifth 0.97."""

    alike_mm: float = 0.2
    """Difference in size up to which two boxes are of one kind: three pixels at 300 dpi, on both sides together."""

    least_alike: int = 3
    """Seen outlines of one size and shape from which on they are taken for boxes: a heading has one or two letters O."""

    least_mark_mm: float = 2.5
    greatest_mark_mm: float = 12.0
    least_ring_line_mm: float = 0.5
    """Size of registration marks; a thinner ring is a box to mark."""

    mark_zone_mm: float = 35.0
    least_marks: int = 3
    greatest_marks: int = 12
    """How far from a page's edge registration marks stand, and how many of one kind there are: more are a pattern."""

    line_mm: float = 0.4
    """Distance up to which boxes stand in one row or column."""

    regular_mm: float = 0.05
    regular_seen_mm: float = 0.12
    """Deviation up to which boxes are written as a regular grid, of vectors and of a picture; what a reading allows is many times that."""

    row_step_mm: float = 30.0
    column_step_mm: float = 40.0
    """Greatest distance of two alternatives beside, and below each other: a word fits between, and a paragraph."""

    picture_gap: float = 2.2
    """In a picture without text, how many times the usual distance divides two questions."""

    least_word_confidence: float = 40.0
    reading_timeout_s: float = 60.0
    """What Tesseract must think of a word on a scanned form, of 100, and how long it may take for a page; a person looks at the draft."""

    least_bits: int = 3
    """Boxes in a row from which on they are taken for bits, where some are filled and some are not: how to mark is shown in two."""

    label_mm: float = 7.0
    """Distance from a box' edge within which its letter or number stands."""

    question_mm: float = 70.0
    """Distance within which the label of a question is looked for: its text may stand between."""

    key_ink: float = 0.10
    key_doubt: float = 0.02
    """Share of a box' inside that is darker in the key than in the blank form where it is marked there: a thin cross in a box of 4 mm
    covers 0.15, and the same page drawn twice differs by less than 0.01. What lies between the two is left to a person."""


DETECT = DetectSettings()


@dataclass(frozen=True, slots=True)
class PrintSettings:
    """Where things stand on the booklets that we print. All lengths in mm; the places are those of the forms in `layouts/`."""

    mark_mm: float = 5.0
    mark_inset_mm: float = 12.0
    """Side of the registration marks, and how far their centres are from the paper's edges: printers leave 5 mm free, scanners cut 3."""

    code_mm: float = 22.0
    code_top_mm: float = 7.0
    code_right_mm: float = 42.0
    """Size of the page code's region, and where it begins from the top and from the right edge: beside the upper right mark."""

    least_module_mm: float = 0.5
    """Smallest module of a page code: 6 pixels at 300 dpi, 3 at 150. Longer exam names would make it smaller."""

    left_mm: float = 20.0
    top_mm: float = 34.0
    bottom_mm: float = 22.0
    """Margins of what is printed; left and right are alike. The registration marks lie outside of it."""

    box_mm: float = 4.0
    frame_mm: float = 0.3
    """Inside of a box, and its frame: those on which reading was measured."""

    number_mm: float = 11.0
    points_mm: float = 18.0
    """Width of the columns for a question's number, on the left, and for its points, on the right."""

    alternative_mm: float = 11.0
    """From the left edge of an alternative's box to its text."""

    row_mm: float = 7.0
    """Least distance of two alternatives: frames stand 2.4 mm apart, so that a mark that goes astray is seen to."""

    question_gap_mm: float = 7.0
    text_gap_mm: float = 2.5
    """Between questions, and between the parts of one."""

    digit_step_mm: tuple[float, float] = (7.5, 6.5)
    """Between columns and rows of the grid for student numbers."""

    cell_mm: tuple[float, float] = (6.5, 8.0)
    cell_frame_mm: float = 0.2
    """Inside and frame of the cells for a number by hand, over the columns of the grid: those that are read best."""

    credit_step_mm: float = 12.0
    least_credit_step_mm: float = 10.0
    """Between whole points of a credit row, half of it to the H; less makes the frames touch."""

    caption_mm: float = 5.0
    """Room for the small print above a frame or a row of boxes."""

    frame_line_mm: float = 0.2
    """Rules of frames to write in."""

    ruling_mm: float = 8.0
    """Distance of ruled lines; squares have 5."""

    ruler_mm: float = 100.0
    """Length of the ruler on the cover, which shows whether a printer scaled the page."""

    copy_text_mm: float = 35.0
    """Room for the copy's number beside the page code."""

    clear_mm: float = 2.0
    """What must be free of print around a registration mark that is stamped on pages."""

    scales: tuple[float, ...] = (1.0, 0.97, 0.94, 0.91, 0.88, 0.85, 0.82, 0.8)
    """Sizes of pages that are stamped on, the first at which marks and codes lie on nothing: 11 points are 8.8 at the smallest."""

    label_mm: tuple[float, float] = (82.0, 32.0)
    """Place of the label with the student's code: the common labels of 63.5 x 38.1 mm and smaller stick out little."""

    label_module_mm: float = 0.9
    """Largest module of a label's code: 11 pixels at 300 dpi, 5 at 150."""

    label_pad_mm: float = 3.0
    """From a label's edge to what is printed on it: printers and hands are off by 2."""

    small_label_mm: float = 50.0
    """Labels less wide than this have smaller letters: eight digits of 10 points are 17 mm wide."""


PRINT = PrintSettings()


@dataclass(frozen=True, slots=True)
class TrialSettings:
    """How a layout is tried before it is printed."""

    dpi: int = 150
    """Resolution of the pretended scans, the least that is advised."""

    edge_mm: float = 4.0
    """Margin that office printers leave white, and scanners cut."""

    alike: float = 0.5
    """Share of two pages' boxes in the same places from which on it is tried whether one is taken for the other."""


TRIAL = TrialSettings()
