"""Runs a training from its arguments; called by `trocr-gsa finetune` and `scripts/`."""

from collections.abc import Mapping

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType, set_seed
from transformers.utils import logging

from trocr_gsa.data.samples import LineDataset
from trocr_gsa.reader.precision import multiplies_in_bf16
from trocr_gsa.train.arguments import TrainingArguments
from trocr_gsa.train.build import build
from trocr_gsa.train.ground_truth import check_ground_truth
from trocr_gsa.train.loop import RunState, TrainingLoop
from trocr_gsa.train.run_folder import RunFolder
from trocr_gsa.train.training_data import training_batches, validation_sets
from trocr_gsa.train.validation import Validation
from trocr_gsa.train.watcher import TrainingWatcher

from .arguments import check_places

OTHER_SHARDS = (DistributedType.DEEPSPEED, DistributedType.MEGATRON_LM)


def finetune(
    arguments: TrainingArguments, left_out: list[str] | None = None, watcher: TrainingWatcher | None = None
) -> RunState:
    """Train an adapter or a whole model.

    Args:
        arguments: arguments of the run.
        left_out: a list to which messages about unusable rows of the sources are appended.
        watcher: is told about the training lines before the first step, and about the progress; None: nobody is.

    Returns: the state at the end of the run: steps, seconds, best CER. `<output>/best` has the best checkpoint, and
        `<output>/last` the last one with everything needed to continue.

    Raises:
        ValueError: if arguments, sources or checkpoint are not valid; the message names the field.
        OSError: if a checkpoint cannot be written; the previous one is still complete.
        TrainingStoppedError: if the training diverged, so that losses or gradients are no longer finite.
    """
    logging.disable_progress_bar()  # only the progress bar of the training is shown
    check_places(arguments)
    folder = RunFolder(arguments)
    accelerator = make_accelerator(arguments)
    try:
        return _run(arguments, accelerator, folder, left_out, watcher)
    finally:
        accelerator.end_training()
        AcceleratorState._reset_state(reset_partial_state=True)  # the next run may use another precision


def _run(
    arguments: TrainingArguments,
    accelerator: Accelerator,
    folder: RunFolder,
    left_out: list[str] | None,
    watcher: TrainingWatcher | None,
) -> RunState:
    set_seed(arguments.seed)
    model, reader, processor = build(arguments)
    sets = validation_sets(arguments, left_out)
    validation = Validation(processor, sets, arguments.angles) if sets else None
    accelerator.wait_for_everyone()  # every process must have checked the folder before one writes there
    if accelerator.is_main_process:
        folder.open(arguments)
    if arguments.tensorboard:
        accelerator.init_trackers("tensorboard")
    loop = TrainingLoop(arguments, accelerator, model, reader, processor, validation, folder, watcher)
    accelerator.wait_for_everyone()  # every process must have read the state before one changes the folder
    if accelerator.is_main_process:
        folder.rewind(loop.state.step)

    def check(sources: Mapping[str, LineDataset]) -> None:
        if watcher is not None and accelerator.is_main_process and not arguments.resume:
            known = None if arguments.architecture else loop.reader
            for finding in check_ground_truth(sources, sets, known, processor):
                watcher.note(finding)
        accelerator.wait_for_everyone()

    return loop.run(training_batches(arguments, processor, reader, accelerator, loop.state.step, left_out, check))


def make_accelerator(arguments: TrainingArguments) -> Accelerator:
    """Return the accelerator for the arguments' device, precision and trackers.

    Raises:
        ValueError: if the launcher shards the model in another way than FSDP version 2.
    """
    on_cpu = arguments.device == "cpu" or not torch.cuda.is_available()
    half = multiplies_in_bf16(on_cpu) if arguments.precision == "auto" else arguments.precision == "bf16"
    accelerator = Accelerator(
        cpu=on_cpu,
        mixed_precision="bf16" if half else "no",
        log_with="tensorboard" if arguments.tensorboard else None,
        project_dir=arguments.output,
    )
    sharding = accelerator.distributed_type
    if sharding in OTHER_SHARDS or (sharding == DistributedType.FSDP and not accelerator.is_fsdp2):
        raise ValueError(
            f"`distributed_type` {sharding.value} must be MULTI_GPU, or FSDP with `fsdp_version` 2, because other "
            "shards cannot be assembled for validation. trocr_gsa/configs/accelerate/ has files for both."
        )
    return accelerator
