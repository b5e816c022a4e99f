"""The example of docs/own_group.md runs as it stands."""

import re
from pathlib import Path

import pytest

from trocr_gsa.model import groups

PAGE = Path(__file__).parents[2] / "docs" / "own_group.md"


def test_the_example_runs_and_its_encoder_is_equivariant(monkeypatch):
    monkeypatch.setattr(groups, "_registered", {})
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, object] = {}
    exec(program, names)
    names["group"] = groups.PointGroup.from_name("D1")  # the control: the other mirror
    with pytest.raises(AssertionError, match="is not equivariant under D1"):
        exec(program[program.index("with torch.no_grad") :], names)
