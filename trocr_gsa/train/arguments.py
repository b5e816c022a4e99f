"""What a training run is told: one flat set of keys, from a YAML file and `key=value` overrides.

What is unusual:
- keys that begin with `encoder_` or `decoder_` describe a new model and are checked by the model's own configuration;
- sources carry their weight in a mixture as `path:weight`.
"""

import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Self

import torch
from transformers import TrOCRConfig

from trocr_gsa.checkpoints.model_size import check_counts
from trocr_gsa.data.names import check_folder, shown, without_slash
from trocr_gsa.data.textfiles import read_text
from trocr_gsa.model.configuration_gsa_net import GSANetConfig
from trocr_gsa.train.packaged_configs import find_config
from trocr_gsa.train.parsing import bounded, brief, coerce, is_text, read_mapping, read_overrides, refuse_unknown

ARCHITECTURE_PREFIXES = ("encoder_", "decoder_")
MOST_LETTERS = 100_000  # of a configuration
FOLDERS = ("model", "pretrained_decoder", "output")
FOLDER_LISTS = ("warm_start",)
SOURCES = ("train", "validation")


@dataclass(kw_only=True)
class TrainingArguments:
    """Every dial of a run; `trocr_gsa/configs/` holds sensible settings of them.

    Raises:
        ValueError: if a value is out of range or two values contradict each other; the message names the field.
    """

    # Data
    train: list[str] = field(default_factory=list)  # sources to learn from, each `path` or `path:weight`
    # sources are mixed by their length to this power: 1 by length, 0.5 by its root, 0 all alike; a source's own weight
    # is a factor beside it. Nothing: by length where no source has a weight, else by the weights alone
    mixture_power: float | None = bounded(None, 0, 1)
    train_lines: int | None = bounded(None, 1)  # learn from at most this many of each training source
    validation: list[str] = field(default_factory=list)  # sources to choose the best checkpoint by
    validation_lines: int | None = bounded(None, 1)  # read at most this many of each validation source
    angles: list[float] = field(default_factory=lambda: [0.0])  # degrees at which validation lines are read
    image_column: str = "image"
    text_column: str = "text"
    # what texts are made into before they are learned and judged by: docs/transcription.md; nothing: as they are
    normalize: Literal["none", "policy", "letters"] | None = None
    augment: bool = False  # what is around lines, and light affine, ink and noise changes, drawn anew in every epoch
    batch_patches: int = bounded(4096, 1, 10**8)  # patches in one process's batch, padding included
    num_workers: int = bounded(0, 0, 512)  # processes that prepare batches

    # Model
    model: str | None = None  # folder or Hub id; nothing: the packaged checkpoint, or a new model from encoder_* keys
    # of a new model: folders whose weights it takes where name and shape agree; later ones win
    warm_start: list[str] = field(default_factory=list)
    pretrained_decoder: str | None = None  # folder or Hub id of a TrOCR whose decoder a new encoder gets
    method: Literal["lora", "full"] = "lora"
    # the halves that learn: as adapters, or whole; behind_pose: both without the layers that work on every pose
    targets: Literal["encoder", "decoder", "both", "behind_pose"] = "both"
    projections: Literal["qv", "qkvo", "all"] = "qkvo"  # that get an adapter: of attention; all: and the MLPs' layers
    rank: int = bounded(8, 1, 4096)  # higher fits more and forgets more
    alpha: float | None = bounded(None, 0)  # the adapter's scale is alpha / rank; nothing: 2 · rank
    lora_dropout: float = bounded(0.0, 0, 1)
    rslora: bool = False  # scale by alpha / sqrt(rank): keeps high ranks stable
    dora: bool = False  # learn magnitude and direction apart
    train_pose: bool = False  # with an adapter, also the pose head and the gates between poses, whole
    attn_implementation: Literal["sdpa", "eager"] = "sdpa"  # the encoder's attention
    gradient_checkpointing: bool = False  # less memory, a third more time
    line_height: int = bounded(48, 1, 4096)  # of a new model, in pixels
    max_patches: int = bounded(768, 1, 10**6)  # of a new model, a line
    ctc_steps_per_patch: int = bounded(4, 0, 256)  # of a new model; 0: no CTC head
    architecture: dict[str, Any] = field(default_factory=dict)  # collects the encoder_* and decoder_* keys

    # Optimisation
    max_steps: int | None = bounded(1000, 1)
    max_minutes: float | None = bounded(None, 0)  # ends the run, and its learning-rate schedule, at this time
    warmup_steps: int = bounded(20, 0)
    # share of the run, at its end, over which the learning rate falls to 0; below 1 a run can be given more time later
    cooldown: float = bounded(1.0, 0.001, 1)
    learning_rate: float = bounded(1e-3, 0)
    weight_decay: float = bounded(0.0, 0)
    adam_beta2: float = bounded(0.98, 0, 1)
    clip_norm: float = bounded(1.0, 0)
    gradient_accumulation: int = bounded(1, 1, 10**6)
    label_smoothing: float = bounded(0.0, 0, 1)
    ctc_loss_weight: float | None = bounded(None, 0)  # nothing: what the model was configured with
    pose_loss_weight: float | None = bounded(None, 0)  # nothing: what the model was configured with
    input_noise: float = bounded(0.0, 0, 1)  # fraction of the decoder's inputs replaced at random
    ema: float = bounded(0.0, 0, 1)  # decay of the averaged weights that are evaluated and saved; 0: none
    precision: Literal["auto", "fp32", "bf16"] = "fp32"  # auto: bf16 where the machine multiplies in it
    device: Literal["auto", "cpu", "cuda"] = "auto"
    seed: int = bounded(0, 0, 2**32 - 1)

    # Run
    output: str = "runs/latest"
    resume: bool = False  # continue the run in `output` exactly where it stopped
    eval_every: int = bounded(200, 1)  # steps between two evaluations, each followed by a checkpoint
    save_minutes: float | None = bounded(None, 0)  # also save this often, without evaluating
    patience: int | None = bounded(None, 1)  # evaluations without a better CER before the run stops
    log_every: int = bounded(20, 1)
    tensorboard: bool = False
    trust_remote_code: bool = False  # run Python code that comes with the model, where its processor needs it

    def __post_init__(self) -> None:
        """Check every value, on its own and beside the others."""
        for key, value in plain_places(vars(self)).items():
            setattr(self, key, value)
        check_arguments(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build from plain values, as YAML gives them, each converted to its field's type."""
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
            ValueError: if the file is no mapping, a key is unknown (the nearest known one is named) or a value wrong.
        """
        values: dict[str, Any] = {}
        if words and not words[0].startswith("--") and "=" not in words[0]:
            values |= read_config(words[0])
            words = words[1:]
        return cls.from_dict(values | read_overrides(words, _kinds()))

    def to_dict(self) -> dict[str, Any]:
        """Return the flat keys that `from_dict` reads back."""
        values = asdict(self)
        return values | values.pop("architecture")


def read_config(path: str | Path) -> dict[str, Any]:
    """Read one YAML mapping of keys; paths and words are taken as they are written.

    Args:
        path: a file, or the name of a packaged configuration (`find_config`).

    Raises:
        ValueError: if the file is missing, unreadable as YAML, or not a mapping.
    """
    name, file, kinds = shown(str(path)), find_config(path), _kinds()
    try:
        content = read_text(file, MOST_LETTERS)
        values = read_mapping(content, lambda key: is_text(kinds.get(key)))
    except OSError as error:
        raise ValueError(f"`config`: {name} cannot be read ({error.strerror or error}).") from error
    except ValueError as error:
        raise ValueError(f"`config`: {name} {error}") from error
    return values | plain_places(values)


def _kinds() -> dict[str, Any]:
    """Return the annotated type of every key but those of the architecture."""
    return {spec.name: spec.type for spec in fields(TrainingArguments) if spec.name != "architecture"}


def _architecture(values: Any) -> dict[str, Any]:
    """Return the keys of a new model, once they are known to be plain values.

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
    """Raise ValueError for the first impossible value or combination."""
    _check_bounds(arguments)
    _check_sources(arguments)
    _check_schedule(arguments)
    _check_device(arguments)
    _check_new_model(arguments)


def split_source(source: str) -> tuple[str, float | None]:
    """Split `path:weight` into path and weight; without a weight, or where a folder is called so, it is None.

    Raises:
        ValueError: if the weight is not positive.
    """
    if os.path.exists(source):  # a folder may be called 12:30
        return source, None
    path, _, word = source.rpartition(":")
    try:
        weight = float(word)
    except ValueError:
        return source, None
    if not path:
        return source, None
    if not 0 < weight < float("inf"):
        raise ValueError(f"`train`: the weight of {path} must be positive, got {word}.")
    return path, weight


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
    for source in [*arguments.train, *arguments.validation]:
        split_source(source)
    if arguments.patience is not None and not arguments.validation:
        raise ValueError("`patience` needs lines to validate on: set `validation`, or leave `patience` out.")
    if not all(map(math.isfinite, arguments.angles)):
        raise ValueError(f"`angles` must be finite numbers, in degrees, got {arguments.angles}.")
    if arguments.validation and not arguments.angles:
        raise ValueError("`angles` must name at least one angle in degrees, such as angles=[0].")


def _check_schedule(arguments: "TrainingArguments") -> None:
    if arguments.max_steps is None and arguments.max_minutes is None:
        raise ValueError("`max_steps` or `max_minutes` must be set: one of them ends the run.")
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
    """Return the keys that describe a new model: every setting of the encoder and the decoder, prefixed once."""
    encoder = {f"encoder_{spec.name}" for spec in fields(GSANetConfig)}
    decoder = {f"decoder_{spec.name.removeprefix('decoder_')}" for spec in fields(TrOCRConfig)}
    return encoder | decoder


def split_architecture(architecture: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the settings of the encoder and those of the decoder, named as their configurations name them."""
    encoder = {key.removeprefix("encoder_"): value for key, value in architecture.items() if key.startswith("encoder_")}
    named_with_prefix = {spec.name for spec in fields(TrOCRConfig) if spec.name.startswith("decoder_")}
    decoder = {
        key if key in named_with_prefix else key.removeprefix("decoder_"): value
        for key, value in architecture.items()
        if key.startswith("decoder_")
    }
    return encoder, decoder


def plain_places(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that name folders, each by one name."""
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
    """Refuse folders that are not there.

    Raises:
        ValueError: for the first; the message names the field.
    """
    from trocr_gsa.data.sources import check_source  # whoever reads needs no tables

    for key in SOURCES:
        for source in getattr(arguments, key):
            try:
                check_source(split_source(source)[0], key)
            except ValueError:  # what looks like a weight may be part of the name: 12:30
                check_source(source, key)
    for key in ("model", "pretrained_decoder"):
        check_folder(key, getattr(arguments, key), "a checkpoint's folder")
    for key in FOLDER_LISTS:
        for word in getattr(arguments, key):
            check_folder(key, Path(word), "a checkpoint's folder")
