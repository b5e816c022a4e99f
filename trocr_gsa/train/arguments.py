"""The arguments of a training run: a flat set of keys, from a YAML file and `key=value` overrides.

What is unusual:
- keys that begin with `encoder_` or `decoder_` describe a new model, and the model's configuration checks them;
- a source can have a weight in the mixture, as `path:weight`.
"""

import math
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, Self, get_args, get_origin

import torch
from transformers import TrOCRConfig

from trocr_gsa.checkpoints.model_size import check_counts
from trocr_gsa.data.names import check_folder, shown, split_source, without_slash
from trocr_gsa.data.numbers import is_angle
from trocr_gsa.data.textfiles import read_text
from trocr_gsa.model.configuration_gsa_net import GSANetConfig
from trocr_gsa.train.packaged_configs import find_config
from trocr_gsa.train.parsing import argument, brief, coerce, is_text, read_mapping, read_overrides, refuse_unknown

ARCHITECTURE_PREFIXES = ("encoder_", "decoder_")
MAX_CHARACTERS = 100_000  # of a configuration file
FOLDERS = ("model", "pretrained_decoder", "output")
FOLDER_LISTS = ("warm_start",)
SOURCES = ("train", "first_train", "validation")
SECTIONS = {"train": "Data", "model": "Model", "max_steps": "Optimisation", "output": "Run"}  # by the first key of each


@dataclass(kw_only=True)
class TrainingArguments:
    """All settings of a training run. `finetune --help` lists them; `trocr_gsa/configs/` has tested configurations.

    Example:
        >>> arguments = TrainingArguments(train=["my_lines/:2"], validation=["other_lines/"], rank=16)
        >>> arguments.rank, arguments.method
        (16, 'lora')

    Raises:
        ValueError: if a value is out of range or two values contradict each other; the message names the field.
    """

    # Data
    train: list[str] = argument(list, "sources to learn from: path, or path:weight")
    first_train: list[str] = argument(
        list, "sources of a first stage, which a new model reads before those of `train`: easy ones, such as print"
    )
    first_steps: int = argument(0, "optimizer steps of the first stage", 0)
    mixture_power: float | None = argument(
        None,
        "sources are sampled in proportion to their size to this power: 1 by size, 0.5 by its square root, 0 equally; "
        "weights of sources are additional factors. Unset: by size if no source has a weight, else by the weights only",
        0,
        1,
    )
    train_lines: int | None = argument(None, "learn from at most this many lines of each training source", 1)
    validation: list[str] = argument(list, "sources for choosing the best checkpoint")
    validation_lines: int | None = argument(None, "read at most this many lines of each validation source", 1)
    angles: list[float] = argument(lambda: [0.0], "degrees by which validation lines are rotated before they are read")
    image_column: str = argument("image", "column of the images in data sets")
    text_column: str = argument("text", "column of the texts in data sets")
    normalize: Literal["none", "policy", "letters"] | None = argument(
        None, "normalization of the texts of lines before training and scoring (docs/transcription.md). Unset: none"
    )
    augment: bool = argument(False, "augment the lines: random surroundings, shape, ink and noise in every epoch")
    augment_share: float = argument(1.0, "share of the lines that `augment` changes; others are read as they are", 0, 1)
    batch_patches: int = argument(4096, "patches in one process's batch, padding included", 1, 10**8)
    num_workers: int = argument(0, "processes that prepare batches", 0, 512)

    # Model
    model: str | None = argument(
        None, "folder or Hub id to start from. Unset: the packaged checkpoint, or a new model from encoder_* keys"
    )
    warm_start: list[str] = argument(
        list, "folders from which a new model takes all weights of the same name and shape; later ones win"
    )
    pretrained_decoder: str | None = argument(None, "folder or Hub id of a TrOCR whose decoder the new model takes")
    method: Literal["lora", "full"] = argument("lora", "train an adapter, or all weights")
    targets: Literal["encoder", "decoder", "both", "behind_pose"] = argument(
        "both", "the parts that are trained; behind_pose: both, without the layers that process every pose"
    )
    projections: Literal["qv", "qkvo", "all"] = argument(
        "qkvo", "attention projections that get an adapter; all: the layers of the MLPs too"
    )
    rank: int = argument(8, "rank of the adapter; a higher rank fits more and forgets more", 1, 4096)
    alpha: float | None = argument(None, "the adapter's scale is alpha / rank. Unset: 2 · rank", 0)
    lora_dropout: float = argument(0.0, "dropout of the adapter's inputs", 0, 1)
    rslora: bool = argument(False, "scale by alpha / sqrt(rank), which keeps high ranks stable")
    dora: bool = argument(False, "learn magnitude and direction of the weights separately (DoRA)")
    train_pose: bool = argument(False, "with an adapter, also train the pose head and the gates between poses")
    attn_implementation: Literal["sdpa", "eager"] = argument("sdpa", "implementation of the encoder's attention")
    gradient_checkpointing: bool = argument(False, "use less memory, but a third more time")
    line_height: int = argument(48, "line height of a new model, in pixels", 1, 4096)
    max_patches: int = argument(768, "maximum number of patches of a line, for a new model", 1, 10**6)
    ctc_steps_per_patch: int = argument(4, "CTC frames per patch of a new model; 0: no CTC head", 0, 256)
    architecture: dict[str, Any] = argument(dict, "the encoder_* and decoder_* keys, which describe a new model")

    # Optimisation
    max_steps: int | None = argument(1000, "maximum number of optimizer steps", 1)
    max_minutes: float | None = argument(None, "maximum duration in minutes, at which the schedule ends too")
    warmup_steps: int = argument(20, "steps over which the learning rate rises", 0)
    cooldown: float = argument(
        1.0, "last share of the run, over which the learning rate falls to 0; below 1 a run can be extended", 0.001, 1
    )
    learning_rate: float = argument(1e-3, "peak learning rate of AdamW", 0)
    weight_decay: float = argument(0.0, "weight decay of AdamW", 0)
    adam_beta2: float = argument(0.98, "beta2 of AdamW", 0, 1)
    clip_norm: float = argument(1.0, "maximum norm of the gradient", 0)
    gradient_accumulation: int = argument(1, "batches per optimizer step", 1, 10**6)
    label_smoothing: float = argument(0.0, "label smoothing of the decoder's loss", 0, 1)
    ctc_loss_weight: float | None = argument(None, "weight of the CTC loss. Unset: as in the model's config", 0)
    pose_loss_weight: float | None = argument(None, "weight of the pose loss. Unset: as in the model's config", 0)
    input_noise: float = argument(0.0, "share of the decoder's input tokens that are replaced at random", 0, 1)
    ema: float = argument(0.0, "decay of the averaged weights that are evaluated and saved; 0: no average", 0, 1)
    precision: Literal["auto", "fp32", "bf16"] = argument("fp32", "auto: bf16 if the hardware multiplies fast in it")
    device: Literal["auto", "cpu", "cuda"] = argument("auto", "device for training")
    seed: int = argument(0, "random seed", 0, 2**32 - 1)

    # Run
    output: str = argument("runs/latest", "folder of the run: best/, last/, log.jsonl, config.yaml")
    resume: bool = argument(False, "continue the run in `output` exactly where it stopped")
    eval_every: int = argument(200, "steps between two evaluations, each followed by a checkpoint", 1)
    save_minutes: float | None = argument(None, "also save after this many minutes, without evaluation", 0)
    patience: int | None = argument(None, "evaluations without a better CER after which the run stops", 1)
    log_every: int = argument(20, "steps between two lines of log.jsonl", 1)
    tensorboard: bool = argument(False, "also write TensorBoard events")
    trust_remote_code: bool = argument(False, "run Python code that comes with the model, if its processor needs it")

    def __post_init__(self) -> None:
        """Check every value, and combinations of values."""
        for key, value in plain_places(vars(self)).items():
            setattr(self, key, value)
        check_arguments(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build from plain values, as in a YAML file, each converted to its field's type."""
        plain = {key: value for key, value in values.items() if not _is_architecture(key)}
        architecture = _architecture(plain.pop("architecture", None))
        architecture |= _architecture({key: value for key, value in values.items() if _is_architecture(key)})
        kinds = _kinds()
        refuse_unknown(plain, set(kinds))
        coerced = {key: coerce(key, value, kinds[key]) for key, value in plain.items()}
        return cls(architecture=architecture, **coerced)

    @classmethod
    def from_command_line(cls, words: list[str]) -> Self:
        """Read `[config] key=value … [--resume] [--max-minutes 5]`; later values win.

        Raises:
            ValueError: if the file is not a mapping, a key is unknown (a similar one is named), or a value is wrong.
        """
        values: dict[str, Any] = {}
        if words and not words[0].startswith("--") and "=" not in words[0]:
            values |= read_config(words[0])
            words = words[1:]
        return cls.from_dict(values | read_overrides(words, _kinds()))

    def to_dict(self) -> dict[str, Any]:
        """Return the flat keys, for `from_dict`."""
        values = asdict(self)
        return values | values.pop("architecture")


def describe_arguments() -> dict[str, list[tuple[str, str, str]]]:
    """Return every key of a run by its section, each as key, default and help text."""
    sections: dict[str, list[tuple[str, str, str]]] = {}
    for spec in fields(TrainingArguments):
        if spec.name in SECTIONS:
            rows = sections[SECTIONS[spec.name]] = []
        default = spec.default if spec.default_factory is MISSING else spec.default_factory()
        kinds = [kind for kind in (spec.type, *get_args(spec.type)) if get_origin(kind) is Literal]
        words = [word for kind in kinds for word in get_args(kind)]
        choices = f" One of {', '.join(words)}." if words else ""
        shown_default = "" if default in (None, [], {}) else str(default)
        shown_default = shown_default.lower() if isinstance(default, bool) else shown_default
        rows.append((spec.name, shown_default, f"{spec.metadata['help']}.{choices}"))
    return sections


def read_config(path: str | Path) -> dict[str, Any]:
    """Read a YAML mapping of keys; paths and words are taken literally.

    Args:
        path: a file, or the name of a packaged configuration (`find_config`).

    Raises:
        ValueError: if the file is missing, unreadable as YAML, or not a mapping.
    """
    name, file, kinds = shown(str(path)), find_config(path), _kinds()
    try:
        content = read_text(file, MAX_CHARACTERS)
        values = read_mapping(content, lambda key: is_text(kinds.get(key)))
    except OSError as error:
        raise ValueError(f"`config`: {name} cannot be read ({error.strerror or error}).") from error
    except ValueError as error:
        raise ValueError(f"`config`: {name} {error}") from error
    return values | plain_places(values)


def _kinds() -> dict[str, Any]:
    """Return the annotated type of every key except those of the architecture."""
    return {spec.name: spec.type for spec in fields(TrainingArguments) if spec.name != "architecture"}


def _architecture(values: Any) -> dict[str, Any]:
    """Return the keys of a new model, after checking that their values are plain.

    Raises:
        ValueError: if they are not.
    """
    if not isinstance(values or {}, dict):
        raise ValueError(f"`architecture` must hold encoder_* and decoder_* keys, got {brief(values)}.")
    for key, value in (values or {}).items():
        if value is not None and not isinstance(value, (bool, int, float, str)):
            raise ValueError(f"`{key}` must be a number, a word, or true or false, got {brief(value)}.")
    return dict(values or {})


def _is_architecture(key: Any) -> bool:
    return isinstance(key, str) and key.startswith(ARCHITECTURE_PREFIXES)


def check_arguments(arguments: "TrainingArguments") -> None:
    """Raise ValueError for the first invalid value or combination."""
    _check_bounds(arguments)
    _check_sources(arguments)
    _check_schedule(arguments)
    _check_device(arguments)
    _check_new_model(arguments)


def _check_bounds(arguments: "TrainingArguments") -> None:
    for spec in fields(arguments):
        value = getattr(arguments, spec.name)
        low, high = spec.metadata.get("low"), spec.metadata.get("high")
        if value is None or not isinstance(value, (int, float)):
            continue
        if not math.isfinite(value):
            raise ValueError(f"`{spec.name}` must be a finite number, got {value}.")
        if low is not None and not value >= low:
            raise ValueError(f"`{spec.name}` must be at least {low}, got {value}.")
        if high is not None and not value <= high:
            raise ValueError(f"`{spec.name}` must be at most {high}, got {value}.")


def _check_sources(arguments: "TrainingArguments") -> None:
    if not arguments.train:
        raise ValueError("`train` must name at least one source of lines, such as train=my_lines/.")
    for key in SOURCES:
        for source in getattr(arguments, key):
            split_source(source)
    if bool(arguments.first_train) != bool(arguments.first_steps):
        raise ValueError(
            "`first_train` and `first_steps` describe one stage together: give both or neither, got "
            f"{len(arguments.first_train)} sources and {arguments.first_steps} steps."
        )
    if arguments.patience is not None and not arguments.validation:
        raise ValueError("`patience` needs lines to validate on: set `validation`, or leave `patience` out.")
    if arguments.augment_share < 1 and not arguments.augment:
        raise ValueError(f"`augment_share` = {arguments.augment_share} needs `augment: true`.")
    if not all(map(is_angle, arguments.angles)):
        raise ValueError(f"`angles` must be degrees from -360 to 360, got {arguments.angles}.")
    if arguments.validation and not arguments.angles:
        raise ValueError("`angles` must name at least one angle in degrees, such as angles=[0].")


def _check_schedule(arguments: "TrainingArguments") -> None:
    if arguments.max_steps is None and arguments.max_minutes is None:
        raise ValueError("`max_steps` or `max_minutes` must be set: one of them ends the run.")
    if arguments.max_minutes is not None and not arguments.max_minutes > 0:
        raise ValueError(
            f"`max_minutes` must be greater than 0, got {arguments.max_minutes}. For no limit, leave it out."
        )
    if arguments.ema == 1 or arguments.adam_beta2 == 1:
        name = "ema" if arguments.ema == 1 else "adam_beta2"
        raise ValueError(f"`{name}` must be below 1, got 1: the average would never move.")


def _check_device(arguments: "TrainingArguments") -> None:
    if arguments.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("`device` is cuda, but torch sees no CUDA device here. Use device=cpu or device=auto.")


def _check_new_model(arguments: "TrainingArguments") -> None:
    if not arguments.architecture:
        if arguments.warm_start:
            raise ValueError("`warm_start` needs a new model: give `encoder_*` keys, or start from `model`.")
        if arguments.pretrained_decoder is not None:
            raise ValueError(
                f"`pretrained_decoder` = {arguments.pretrained_decoder} needs a new encoder: give `encoder_*` "
                "keys, or take the whole model over with `trocr-gsa convert`."
            )
        return
    fixed = [key for key in arguments.architecture if key.startswith("decoder_")]
    if arguments.pretrained_decoder is not None and fixed:
        raise ValueError(
            f"`pretrained_decoder` = {arguments.pretrained_decoder} already fixes `{fixed[0]}`: give one or the other."
        )
    if arguments.model is not None:
        key = next(iter(arguments.architecture))
        raise ValueError(f"`model` = {arguments.model} already fixes `{key}`: give one or the other.")
    if arguments.targets == "behind_pose":
        raise ValueError("`targets` cannot be behind_pose for a new model: its first layers would stay random.")
    if arguments.method != "full":
        raise ValueError("`method` must be full for a new model: an adapter needs trained weights beneath it.")
    refuse_unknown(arguments.architecture, architecture_keys())
    check_counts(arguments.architecture)


def architecture_keys() -> set[str]:
    """Return the keys that describe a new model: every setting of the encoder and the decoder, with its prefix."""
    encoder = {f"encoder_{spec.name}" for spec in fields(GSANetConfig)}
    decoder = {f"decoder_{spec.name.removeprefix('decoder_')}" for spec in fields(TrOCRConfig)}
    return encoder | decoder


def split_architecture(architecture: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the settings of the encoder and those of the decoder, by the names in their configurations."""
    encoder = {key.removeprefix("encoder_"): value for key, value in architecture.items() if key.startswith("encoder_")}
    named_with_prefix = {spec.name for spec in fields(TrOCRConfig) if spec.name.startswith("decoder_")}
    decoder = {
        key if key in named_with_prefix else key.removeprefix("decoder_"): value
        for key, value in architecture.items()
        if key.startswith("decoder_")
    }
    return encoder, decoder


def plain_places(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that are names of folders, in a normal form without trailing slashes."""
    plain: dict[str, Any] = {}
    for key in FOLDERS:
        if isinstance(values.get(key), str):
            plain[key] = without_slash(values[key])
    for key in (*FOLDER_LISTS, *SOURCES):
        if isinstance(values.get(key), list):
            plainly = _plain_source if key in SOURCES else without_slash
            plain[key] = [plainly(word) if isinstance(word, str) else word for word in values[key]]
    return plain


def _plain_source(source: str) -> str:
    path, weight = split_source(source)
    return without_slash(path) if weight is None else without_slash(path) + source[len(path) :]


def check_places(arguments: "TrainingArguments") -> None:
    """Check that all folders exist.

    Raises:
        ValueError: for the first one that does not exist; the message names the field.
    """
    from trocr_gsa.data.sources import check_source  # imports pyarrow, which is only needed for training

    for key in SOURCES:
        for source in getattr(arguments, key):
            try:
                check_source(split_source(source)[0], key)
            except ValueError:  # what looks like a weight may be part of the name, as in 12:30
                check_source(source, key)
    for key in ("model", "pretrained_decoder"):
        check_folder(key, getattr(arguments, key), "a checkpoint's folder")
    for key in FOLDER_LISTS:
        for word in getattr(arguments, key):
            check_folder(key, Path(word), "a checkpoint's folder")
