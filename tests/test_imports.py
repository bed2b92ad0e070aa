"""Imports go downwards only, and a stage package imports no other stage package."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import scangrade

PACKAGE = Path(scangrade.__file__).parent

STAGES = {"definitions", "paper", "answers", "grades", "run"}

#: A module or package may import from lower lines, and within its own package; from its own line only where it stands alone there.
LAYERS: list[set[str]] = [
    {"__init__"},  # lazily: it names the public functions
    {"__main__"},
    {"cli"},
    {"terminal"},
    {"review", "regrade", "points", "forget", "report", "annotate", "deliver"},
    {"graded"},
    {"grade", "audit", "authoring"},
    {"derive"},
    {"standing"},
    {"conclude"},
    {"reading", "opening", "export"},
    {"cluster"},
    {"check", "workers", "progress"},
    STAGES,
    {"geometry", "remote"},
    {"settings", "errors", "model"},
]
LEVEL = {name: -level for level, names in enumerate(LAYERS) for name in names}


def layer_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(source: str) -> Iterator[str]:
    """Layers that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "scangrade":
            parts = node.module.split(".")[1:]
            yield from [parts[0]] if parts else [alias.name for alias in node.names if alias.name != "__version__"]
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("scangrade."):
                    yield alias.name.split(".")[1]


def upwards(layer: str, source: str) -> list[str]:
    """Imports that do not go downwards."""
    return [other for other in imported(source) if other != layer and LEVEL[other] >= LEVEL[layer]]


def test_every_module_has_its_layer() -> None:
    assert {layer_of(path) for path in PACKAGE.rglob("*.py")} == set(LEVEL)


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_go_downwards(path: Path) -> None:
    assert upwards(layer_of(path), path.read_text(encoding="utf-8")) == []


def test_an_import_upwards_is_found() -> None:
    assert upwards("paper", "from scangrade.answers.decide import decide") == ["answers"]
    assert upwards("model", "def f():\n    import scangrade.cli") == ["cli"]
    assert upwards("grade", "from scangrade import settings, cli") == ["cli"]
    assert upwards("paper", "from scangrade.paper.read import read_page\nfrom scangrade import __version__") == []


def test_the_command_line_starts_light() -> None:
    code = "import sys, scangrade.cli; print([name for name in ('cv2', 'numpy', 'pandas', 'rich') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
