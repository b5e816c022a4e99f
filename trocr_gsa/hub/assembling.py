"""Assembles the folder that is uploaded to the Hub.

What is unusual: weights are copied byte by byte, so that adapters still recognise them by their SHA-256. All other
files are written again, without information about the author's machine.
"""

import math
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from safetensors import safe_open
from transformers.dynamic_module_utils import custom_object_save

from trocr_gsa.atomic import write_json
from trocr_gsa.checkpoints.models import PACKAGED_CHECKPOINT
from trocr_gsa.checkpoints.results import ADAPTER_CONFIG, Results
from trocr_gsa.data.names import split_source
from trocr_gsa.equivariance import report
from trocr_gsa.model.modeling_trocr_gsa import TrOCRGSAModel
from trocr_gsa.model.processing_trocr_gsa import TrOCRGSAProcessor
from trocr_gsa.reader import load_reader

from .card import CardContents, write_card
from .folder import CARD, MODEL_CONFIG, Source
from .measurements import read_measurements
from .statement import Statement, is_hub_id, public_name


@dataclass(frozen=True)
class Assembled:
    """The result of assembling a folder.

    Attributes:
        kind: "model" or "adapter".
        left_out: one message per file that is not published, with the reason.
    """

    kind: Literal["model", "adapter"]
    left_out: list[str]


def assemble(folder: Path, target: Path, statement: Statement, trust_remote_code: bool = False) -> Assembled:
    """Write the folder for the upload: weights, configuration, code, model card.

    This also measures the equivariance of the model, or of the adapter with its base model.

    Args:
        folder: folder of a model or an adapter.
        target: an empty folder.
        statement: the author's statements.
        trust_remote_code: run Python code that comes with the model, if its processor needs it.

    Raises:
        ValueError: if the folder has neither model nor adapter, only pickled weights, an adapter whose base model is
            not on the Hub, or a model that cannot be loaded; or if an evaluation belongs to another model.
    """
    source = Source.open(folder)
    results = Results.read(str(folder))
    base = _base_of_adapter(source, statement) if source.kind == "adapter" else _base_of_model(results, statement)
    measurements = read_measurements(source, results, statement.evaluations)
    published = results and _without_paths(results, base)
    reader, processor = _load(source, base, trust_remote_code)
    for name in source.weights:
        shutil.copyfile(folder / name, target / name)
    if source.kind == "adapter":
        write_json(target / ADAPTER_CONFIG, source.config | {"base_model_name_or_path": base}, sort_keys=True)
    else:
        _write_configuration(source, target, reader, processor)
    if published:
        published.write(target)
    parameters = _count_parameters([target / name for name in source.weights if name.endswith(".safetensors")])
    contents = CardContents(statement, source, reader, parameters, base, published, measurements, report(reader))
    write_card(contents).save(target / CARD)
    return Assembled(source.kind, source.left_out(target))


def _load(source: Source, base: str | None, trust: bool) -> tuple[Any, Any]:
    """Load the model, or the adapter with its base model, which is loaded from a local folder if it still exists."""
    if source.kind == "model":
        return load_reader(source.path, device="cpu", trust_remote_code=trust)
    named = source.config.get("base_model_name_or_path")
    return load_reader(named if named and Path(named).is_dir() else base, source.path, "cpu", trust)


def _base_of_adapter(source: Source, statement: Statement) -> str:
    """Return the name of the base model on the Hub; with a local path the adapter would work on one machine only."""
    named = source.config.get("base_model_name_or_path")
    if statement.base is not None:
        return statement.base
    if named and is_hub_id(named):
        return named
    raise ValueError(
        f"`base`: the adapter in {source.path} was trained on {named or 'a model that it does not name'}, which other "
        "people cannot load. Push that model, then give its name: --base OWNER/NAME."
    )


def _base_of_model(results: Results | None, statement: Statement) -> str | None:
    named = statement.base or (results and results.base)
    if not named:
        return None
    if Path(named).absolute() == PACKAGED_CHECKPOINT:
        return "the reader packaged with trocr-gsa"
    return public_name(named)


def _without_paths(results: Results, base: str | None) -> Results:
    return replace(
        results,
        base=base,
        train=[public_name(split_source(word)[0]) for word in results.train],
        settings={key: value for key, value in results.settings.items() if not _names_a_folder(value)},
        rows=[replace(row, name=public_name(row.name)) for row in results.rows],
    )


def _names_a_folder(value: Any) -> bool:
    """Whether a setting is, or contains, a path on the author's machine."""
    words = [word for word in (value if isinstance(value, list) else [value]) if isinstance(word, str)]
    return any(("/" in word or Path(word).exists()) and not is_hub_id(word) for word in words)


def _write_configuration(source: Source, target: Path, model: TrOCRGSAModel, processor: TrOCRGSAProcessor) -> None:
    """Write configuration, processor, and the code of both."""
    config = dict(source.config)
    for part in (model, model.config):
        custom_object_save(part, target, config=config)
    write_json(target / MODEL_CONFIG, config, sort_keys=True)
    model.generation_config.save_pretrained(target)
    processor.save_pretrained(target)


def _count_parameters(files: list[Path]) -> int:
    total = 0
    for file in files:
        with safe_open(file, framework="pt") as tensors:
            total += sum(math.prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())
    return total
