"""Numbers in files: small ones can be told apart, and none is NaN."""

import ast
import json
import math
from pathlib import Path

import pytest

from trocr_gsa.data.numbers import confidence_fields, csv_row, geometric_mean, significant, to_json

ROOT = Path(__file__).parents[2]
FOLDERS = ("trocr_gsa", "benchmarks", "experiments", "scripts")
SOURCES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]


def test_small_confidences_keep_their_order():
    values = [3.1e-14, 3.2e-14, 1.5e-9, 2e-5, 0.00004, 0.123456, 0.999991, 1.0]
    written = [float(significant(value)) for value in values]
    assert written == sorted(set(written))
    assert written == pytest.approx(values, rel=1e-5)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_null(number):
    found = to_json({"a": number, "b": [number, 1.5, {"c": (number,)}], "d": "NaN"})
    assert json.loads(found, parse_constant=pytest.fail) == {"a": None, "b": [None, 1.5, {"c": [None]}], "d": "NaN"}


def test_a_mean_of_nothing_is_what_it_is_said_to_be():
    assert geometric_mean((), 0.3) == 0.3
    assert geometric_mean((0.5, 0.125), 0.3) == pytest.approx(0.25)
    assert geometric_mean((0.5, 0.0), 0.3) == 0.0


def test_confidences_are_told_by_line_by_mean_and_by_character():
    found = confidence_fields(1.23456789e-9, (0.5, 0.123456))
    assert found == {
        "confidence": 1.23457e-9, "character_confidence": 0.248495, "character_confidences": [0.5, 0.1235],
    }  # fmt: skip
    assert csv_row(found) == [1.23457e-9, 0.248495, "0.5 0.1235"]


def written_without_care(tree: ast.AST) -> list[int]:
    """The lines that write JSON in which there could be a NaN."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    return [
        call.lineno
        for call in calls
        if ast.unparse(call.func) in ("json.dumps", "json.dump")
        and not any(keyword.arg == "allow_nan" for keyword in call.keywords)
    ]


def test_no_file_writes_json_that_could_hold_a_nan():
    found = {str(path): written_without_care(ast.parse(path.read_text(encoding="utf-8"))) for path in SOURCES}
    careless = {path: lines for path, lines in found.items() if lines}
    assert careless == {}, "write to_json of trocr_gsa.data.numbers, or allow_nan=False"


def test_json_written_without_care_is_seen():
    """The control."""
    assert written_without_care(ast.parse("x\njson.dumps(values, indent=2)")) == [2]
