"""Grade scanned exam booklets: marks read, doubts flagged, a gradebook out.

What the commands do can be called from Python; each is imported when it is first used:

- `grade_scans`: scans, layout, rubric and roster in, a run folder with a gradebook out
- `check_definitions`: every fault of layout, rubric and roster
- `regrade_run`, `compare_rubrics`: a run scored again with another rubric, or with two side by side
- `take_points`: points of open questions from a CSV file
- `forget_run`: pictures and names removed from a run
- `detect_layout`: a layout drafted from the blank form, and a rubric from its key
- `preview_layout`: pictures of a layout's boxes over its form or over a scan
- `check_layout`: whether a form's pages are found, told apart, and told which way up
- `import_layout`: a layout and a rubric from another system's form
- `print_booklets`: booklets from an exam file, with their layout and rubric
- `print_onto`: booklets stamped on an exam that is a PDF already, with their layout
- `print_stickers`: sheets of labels that say whose a booklet is
- `draw_audit`, `read_audit`: boxes for a person to check, and how many of a run's can be wrong at most
- `export_grades`: a run's results as CSV or Excel, or in the file that a learning system exported
- `report_run`: a page on how questions and booklets did
- `annotate_run`: students' pages with marks and points drawn on them
- `make_demo`: sample scans with their layout, rubric and roster
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scangrade.annotate import annotate_run
    from scangrade.audit import draw_audit, read_audit
    from scangrade.authoring.detect import detect as detect_layout
    from scangrade.authoring.importers.bring import import_layout
    from scangrade.authoring.preview import preview as preview_layout
    from scangrade.authoring.printing.booklets import print_booklets
    from scangrade.authoring.printing.onto import print_onto
    from scangrade.authoring.printing.stickers import print_stickers
    from scangrade.authoring.samples import make_demo
    from scangrade.authoring.trial import check_layout
    from scangrade.check import check as check_definitions
    from scangrade.deliver import export_grades
    from scangrade.forget import forget as forget_run
    from scangrade.grade import grade as grade_scans
    from scangrade.points import take_points
    from scangrade.regrade import compare_rubrics
    from scangrade.regrade import regrade as regrade_run
    from scangrade.report import report_run

__version__ = "0.1.0"
__all__ = [
    "__version__",
    "annotate_run",
    "check_definitions",
    "check_layout",
    "compare_rubrics",
    "detect_layout",
    "draw_audit",
    "export_grades",
    "forget_run",
    "grade_scans",
    "import_layout",
    "make_demo",
    "preview_layout",
    "print_booklets",
    "print_onto",
    "print_stickers",
    "read_audit",
    "regrade_run",
    "report_run",
    "take_points",
]

#: Importing them all takes a second, which `scangrade --help` should not. A function with its module's name would be hidden by it.
_HOMES = {
    "annotate_run": ("scangrade.annotate", "annotate_run"),
    "check_definitions": ("scangrade.check", "check"),
    "check_layout": ("scangrade.authoring.trial", "check_layout"),
    "compare_rubrics": ("scangrade.regrade", "compare_rubrics"),
    "detect_layout": ("scangrade.authoring.detect", "detect"),
    "draw_audit": ("scangrade.audit", "draw_audit"),
    "export_grades": ("scangrade.deliver", "export_grades"),
    "forget_run": ("scangrade.forget", "forget"),
    "grade_scans": ("scangrade.grade", "grade"),
    "import_layout": ("scangrade.authoring.importers.bring", "import_layout"),
    "make_demo": ("scangrade.authoring.samples", "make_demo"),
    "preview_layout": ("scangrade.authoring.preview", "preview"),
    "print_booklets": ("scangrade.authoring.printing.booklets", "print_booklets"),
    "print_onto": ("scangrade.authoring.printing.onto", "print_onto"),
    "print_stickers": ("scangrade.authoring.printing.stickers", "print_stickers"),
    "read_audit": ("scangrade.audit", "read_audit"),
    "regrade_run": ("scangrade.regrade", "regrade"),
    "take_points": ("scangrade.points", "take_points"),
    "report_run": ("scangrade.report", "report_run"),
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(importlib.import_module(module), attribute)
