"""From arguments to a finished run: what `scripts/` and `trocr-gsa finetune` call."""

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType, set_seed
from transformers.utils import logging

from trocr_gsa.reader.precision import multiplies_in_bf16
from trocr_gsa.train.arguments import TrainingArguments
from trocr_gsa.train.build import build
from trocr_gsa.train.loop import RunState, TrainingLoop
from trocr_gsa.train.run_folder import RunFolder
from trocr_gsa.train.training_data import training_batches, validation_sets
from trocr_gsa.train.validation import Validation

from .arguments import check_places

OTHER_SHARDS = (DistributedType.DEEPSPEED, DistributedType.MEGATRON_LM)


def finetune(arguments: TrainingArguments, left_out: list[str] | None = None) -> RunState:
    """Train an adapter or a whole model as the arguments say.

    Args:
        arguments: of the run.
        left_out: takes up, a line each, the rows of the sources that cannot be used.

    Returns: where the run ended: steps, seconds, best CER. `<output>/best` holds the best checkpoint, `<output>/last`
        the last one with all that is needed to continue.

    Raises:
        ValueError: if arguments, sources or checkpoint do not fit; the message names the field.
        OSError: if a checkpoint cannot be written; the previous one is still whole.
        TrainingStoppedError: if steps cannot be taken any more, since nothing finite comes of them.
    """
    logging.disable_progress_bar()  # one bar is enough
    check_places(arguments)
    folder = RunFolder(arguments)
    accelerator = make_accelerator(arguments)
    try:
        return _run(arguments, accelerator, folder, left_out)
    finally:
        accelerator.end_training()
        AcceleratorState._reset_state(reset_partial_state=True)  # the next run may have another precision


def _run(
    arguments: TrainingArguments, accelerator: Accelerator, folder: RunFolder, left_out: list[str] | None
) -> RunState:
    set_seed(arguments.seed)
    model, reader, processor = build(arguments)
    sets = validation_sets(arguments, left_out)
    validation = Validation(processor, sets, arguments.angles) if sets else None
    accelerator.wait_for_everyone()  # every process must have looked at the folder before one writes there
    if accelerator.is_main_process:
        folder.open(arguments)
    if arguments.tensorboard:
        accelerator.init_trackers("tensorboard")
    loop = TrainingLoop(arguments, accelerator, model, reader, processor, validation, folder)
    accelerator.wait_for_everyone()  # every process must have read the state before one changes the folder
    if accelerator.is_main_process:
        folder.go_on_from(loop.state.step)
    return loop.run(training_batches(arguments, processor, reader, accelerator, loop.state.step, left_out))


def make_accelerator(arguments: TrainingArguments) -> Accelerator:
    """Return the accelerator for the arguments' device, precision and trackers.

    Raises:
        ValueError: if the launcher is to shard the model in a way that is not FSDP's second.
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
            f"`distributed_type` {sharding.value} must be MULTI_GPU, or FSDP with `fsdp_version` 2: other shards are "
            "not put together here to read the validation lines. trocr_gsa/configs/accelerate/ has files for both."
        )
    return accelerator
