"""Stages: a run reads the first stage's sources for its first steps, then the others, also when it was interrupted."""

from itertools import islice

import pytest
from accelerate import Accelerator

from trocr_gsa.train.arguments import TrainingArguments
from trocr_gsa.train.finetune import finetune
from trocr_gsa.train.training_data import training_batches

FIRST_STEPS = 3


def texts(tiny, source, step=0, count=8, **values) -> list[list[str]]:
    """The texts of the batches that a run takes from `step` on."""
    reader, processor = tiny
    arguments = TrainingArguments.from_dict(
        {"train": source, "first_train": f"{source}/validation", "first_steps": FIRST_STEPS, "batch_patches": 20}
        | values
    )
    batches = training_batches(arguments, processor, reader, Accelerator(cpu=True), step)
    labels = [batch["labels"].masked_fill(batch["labels"] < 0, 0) for batch in islice(batches, count)]
    return [processor.batch_decode(each, skip_special_tokens=True) for each in labels]


def test_the_first_steps_read_the_first_sources_and_the_rest_the_others(tiny, source, lines):
    easy = {line.text for line in lines[:3]}
    read = texts(tiny, source)
    assert all(set(batch) <= easy for batch in read[:FIRST_STEPS])
    assert not all(set(batch) <= easy for batch in read[FIRST_STEPS:])


@pytest.mark.parametrize("accumulation", [1, 2])
def test_an_interrupted_run_goes_on_with_the_same_batches(tiny, source, accumulation):
    whole = texts(tiny, source, count=8 * accumulation, gradient_accumulation=accumulation)
    for step in (1, FIRST_STEPS, FIRST_STEPS + 2):
        rest = texts(tiny, source, step, (8 - step) * accumulation, gradient_accumulation=accumulation)
        assert rest == whole[step * accumulation :]


def test_a_stage_without_steps_or_without_sources_is_refused():
    for half in ({"first_train": ["print"]}, {"first_steps": 10}):
        with pytest.raises(ValueError, match="`first_train` and `first_steps` describe one stage together"):
            TrainingArguments(train=["lines"], **half)


def test_a_missing_source_of_the_first_stage_is_named_at_once(tmp_path, source, checkpoint):
    values = {"train": source, "first_train": "nowhere/", "first_steps": 1, "model": checkpoint}
    with pytest.raises(ValueError, match="`first_train`"):
        finetune(TrainingArguments.from_dict(values | {"output": str(tmp_path / "run")}))
