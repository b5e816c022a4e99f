"""Files stay small, and each imports only from its own floor or from below."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "trocr_gsa"
FLOORS = "model atomic data metrics checkpoints onnx reader equivariance evaluation train hub demo cli".split()
NEEDED_BY_TRANSFORMERS = {"torch", "transformers", "numpy", "PIL", "huggingface_hub", "safetensors"}
TRAVELS_WITH_WEIGHTS = NEEDED_BY_TRANSFORMERS | sys.stdlib_module_names
SOURCES = sorted(PACKAGE.rglob("*.py"))
FOLDERS = ("trocr_gsa", "benchmarks", "examples", "experiments", "scripts", "tests")
EVERY_FILE = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]


def imported(tree: ast.AST, package: list[str]) -> list[tuple[str, ...]]:
    """Every module that a file imports, absolute, as parts; `package` is the file's own package."""
    modules = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules += [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base = [*base, *(node.module.split(".") if node.module else [])]
            modules += [(*base, alias.name) for alias in node.names]
    return modules


def imports_of(path: Path) -> list[tuple[str, ...]]:
    package = list(path.relative_to(ROOT).parent.parts)
    return imported(ast.parse(path.read_text(encoding="utf-8")), package)


def floor(module: tuple[str, ...]) -> int | None:
    """The floor of a module of the package: its place in the list; None for the package's own front door."""
    inside = module[1:2]
    return FLOORS.index(inside[0]) if inside and inside[0] in FLOORS else None


def upward(path: Path, modules: list[tuple[str, ...]]) -> list[str]:
    own = floor(path.relative_to(ROOT).with_suffix("").parts)
    inner = [module for module in modules if module[0] == "trocr_gsa"]
    if own is None:
        return []
    return [".".join(module) for module in inner if floor(module) is None or floor(module) > own]


def named(paths: list[Path]) -> dict:
    return {"argvalues": paths, "ids": [str(path.relative_to(ROOT)) for path in paths]}


@pytest.mark.parametrize("path", **named([path for path in SOURCES if path.parent == PACKAGE]))
def test_every_module_has_a_floor(path):
    assert path.stem in {*FLOORS, "__init__", "__main__"}


def test_every_folder_has_a_floor():
    folders = {path.relative_to(PACKAGE).parts[0] for path in SOURCES if path.parent != PACKAGE}
    assert folders <= set(FLOORS)


def test_no_file_imports_from_a_floor_above_its_own():
    found = {str(path.relative_to(ROOT)): upward(path, imports_of(path)) for path in SOURCES}
    assert {path: modules for path, modules in found.items() if modules} == {}


def test_an_import_from_above_is_seen():
    """The control."""
    low = PACKAGE / "data" / "images.py"
    for line in ("from ..train import loop", "import trocr_gsa.reader", "from .. import LineReader"):
        assert upward(low, imported(ast.parse(line), ["trocr_gsa", "data"])) != []
    for line in ("from ..model import groups", "from .samples import LineSample", "import torch"):
        assert upward(low, imported(ast.parse(line), ["trocr_gsa", "data"])) == []


@pytest.mark.parametrize("path", **named(sorted((PACKAGE / "model").glob("*.py"))))
def test_what_travels_with_the_weights_imports_its_siblings_flat_and_little_else(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            assert node.level == 1, ast.unparse(node)
            assert node.module, f"`{ast.unparse(node)}`: remote code copies only files named as `from .x import y`"
            assert "." not in node.module, ast.unparse(node)
    for module in imports_of(path):
        assert module[0] in TRAVELS_WITH_WEIGHTS or module[:2] == ("trocr_gsa", "model"), ".".join(module)


def test_what_travels_with_the_weights_is_one_flat_folder():
    assert [path for path in (PACKAGE / "model").iterdir() if path.is_dir() and path.name != "__pycache__"] == []


def test_every_file_fits_in_the_head():
    lines = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in EVERY_FILE}
    assert {path: count for path, count in lines.items() if count > 500} == {}
