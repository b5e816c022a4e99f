"""`precision: auto` takes half precision only where the machine gains by it."""

import pytest

from trocr_gsa.train import finetune as module
from trocr_gsa.train.arguments import TrainingArguments


@pytest.mark.parametrize(
    ("precision", "gains", "mixed"),
    [("auto", True, "bf16"), ("auto", False, "no"), ("bf16", False, "bf16"), ("fp32", True, "no")],
)
def test_halves_are_multiplied_where_told_or_where_they_gain(precision, gains, mixed, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "multiplies_in_bf16", lambda on_cpu: gains)
    arguments = TrainingArguments(train=["lines"], precision=precision, device="cpu", output=str(tmp_path))
    module.AcceleratorState._reset_state(reset_partial_state=True)  # whatever another test left
    accelerator = module.make_accelerator(arguments)
    try:
        assert accelerator.mixed_precision == mixed
    finally:
        accelerator.end_training()
        module.AcceleratorState._reset_state(reset_partial_state=True)
