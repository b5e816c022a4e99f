"""Writes the model card: the author's statements, the measurements, and what was not stated or measured."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from huggingface_hub import ModelCard, ModelCardData
from peft import PeftModel

from trocr_gsa.checkpoints.lora_targets import TARGETS, target_pattern
from trocr_gsa.checkpoints.results import Results
from trocr_gsa.equivariance import Check
from trocr_gsa.model.modeling_trocr_gsa import TrOCRGSAModel

from .folder import Source
from .measurements import TASK, Measurement
from .statement import Statement, is_hub_id

TAGS = ("ocr", "htr", "trocr", "trocr-gsa", "equivariance")
HALVES = {
    "encoder": "the encoder",
    "decoder": "the decoder",
    "both": "encoder and decoder",
    "behind_pose": "the encoder's layers after the choice of the pose, and of the decoder",
}
PROJECTIONS = {
    "qv": "query and value projections",
    "qkvo": "every attention projection",
    "all": "every attention projection and both layers of every MLP",
}
PRESETS = {
    target_pattern(half, name): f"{words} of {HALVES[half]}" for half in TARGETS for name, words in PROJECTIONS.items()
}


@dataclass(frozen=True)
class CardContents:
    """The data for a model card.

    Attributes:
        statement: the author's statements.
        source: the folder.
        reader: the model, or the adapter with its base model.
        parameters: number of published parameters.
        base: name of the model from which training started, a Hub id or a description; None: random initialization, or
            unknown.
        results: results.json of the training, if it exists.
        measurements: error rates.
        checks: measurements of the equivariance.
    """

    statement: Statement
    source: Source
    reader: TrOCRGSAModel | PeftModel
    parameters: int
    base: str | None
    results: Results | None
    measurements: Sequence[Measurement]
    checks: Sequence[Check]


def write_card(contents: CardContents) -> ModelCard:
    """Return the card, metadata and text."""
    sections = {
        "How to load it": _loading(contents),
        "What it is": _adapter(contents) if contents.source.kind == "adapter" else _model(contents),
        "Data": _data(contents),
        "Training": _training(contents.results),
        "How well it reads": _accuracy(contents.measurements),
        "How exactly it is equivariant": _equivariance(contents),
        "Licence": contents.statement.license or "Not stated. Ask its author before you use it.",
    }
    text = "\n\n".join(f"## {title}\n\n{body}" for title, body in sections.items())
    name = contents.statement.repo_id.split("/")[1]
    return ModelCard(f"---\n{_metadata(contents).to_yaml()}\n---\n\n# {name}\n\n{_summary(contents)}\n\n{text}\n")


def _metadata(contents: CardContents) -> ModelCardData:
    statement, is_adapter = contents.statement, contents.source.kind == "adapter"
    base = contents.base if contents.base and is_hub_id(contents.base) else None
    results = [result for measured in contents.measurements for result in measured.to_eval_results()]
    return ModelCardData(
        language=list(statement.languages) or None,
        license=statement.license,
        library_name="peft" if is_adapter else "transformers",
        pipeline_tag=TASK,
        base_model=base,
        base_model_relation=("adapter" if is_adapter else "finetune") if base else None,
        tags=[*TAGS, "lora"] if is_adapter else list(TAGS),
        metrics=["cer", "wer"] if results else None,
        model_name=statement.repo_id.split("/")[1] if results else None,
        eval_results=results or None,
    )


def _summary(contents: CardContents) -> str:
    what = f"A LoRA adapter for `{contents.base}`." if contents.source.kind == "adapter" else "A TrOCR."
    group = contents.reader.encoder.group
    if group.order == 1:
        return f"{what} It reads single upright lines of text."
    turns = ", ".join(f"{angle:g}°" for angle in sorted({angle for angle in group.angles if angle % 90 == 0}))
    mirrored = ", mirrored or not" if group.has_mirrors else ""
    return (
        f"{what} It reads single lines of text, the same turned by {turns}{mirrored}: its encoder is a group "
        f"self-attention network, equivariant under {group.name} whatever its weights are."
    )


def _loading(contents: CardContents) -> str:
    name, base = contents.statement.repo_id, contents.base
    if contents.source.kind == "adapter":
        return (
            "```python\nfrom trocr_gsa import LineReader\n\n"
            f'reader = LineReader.from_pretrained("{base}", adapter="{name}")\n'
            'print(reader.read(["line.png"])[0].text)\n```\n\n'
            "Without `trocr_gsa`, with the code that is published with the base model:\n\n"
            "```python\nfrom peft import PeftModel\nfrom transformers import AutoModelForImageTextToText\n\n"
            f'model = AutoModelForImageTextToText.from_pretrained("{base}", trust_remote_code=True)\n'
            f'model = PeftModel.from_pretrained(model, "{name}")\n```'
        )
    return (
        "```python\nfrom trocr_gsa import LineReader\n\n"
        f'reader = LineReader.from_pretrained("{name}")\n'
        'print(reader.read(["line.png"])[0].text)\n```\n\n'
        "Without `trocr_gsa`, with the code that is published with the weights:\n\n"
        "```python\nfrom PIL import Image\nfrom transformers import AutoModelForImageTextToText, AutoProcessor\n\n"
        f'model = AutoModelForImageTextToText.from_pretrained("{name}", trust_remote_code=True)\n'
        f'processor = AutoProcessor.from_pretrained("{name}", trust_remote_code=True)\n'
        'letters = model.generate(**processor(images=[Image.open("line.png")]))\n'
        "print(processor.batch_decode(letters, skip_special_tokens=True)[0])\n```"
    )


def _model(contents: CardContents) -> str:
    encoder, decoder = contents.reader.encoder.config, contents.reader.decoder.config
    return _table(
        {
            "parameters": f"{contents.parameters:,}",
            "group": encoder.group,
            "encoder": f"{encoder.num_hidden_layers} layers after the lifting layer, {encoder.pose_layers} of them "
            f"across poses; {encoder.hidden_size} wide, {encoder.num_attention_heads} heads, patches of "
            f"{encoder.patch_size} pixels, {encoder.num_channels} channels",
            "decoder": f"{decoder.num_hidden_layers} layers, {decoder.hidden_size} wide, {decoder.vocab_size:,} tokens",
            "started from": f"`{contents.base}`" if contents.base else None,
        }
    )


def _adapter(contents: CardContents) -> str:
    config = contents.source.config
    targets: Any = config.get("target_modules")
    words = PRESETS.get(targets) if isinstance(targets, str) else None
    named = ", ".join(sorted(targets)) if isinstance(targets, list) else targets
    return _table(
        {
            "base": f"`{contents.base}`",
            "parameters": f"{contents.parameters:,}",
            "method": " ".join(
                [str(config.get("peft_type")), *(name for name in ("rslora", "dora") if config.get(f"use_{name}"))]
            ),
            "rank": config.get("r"),
            "alpha": config.get("lora_alpha"),
            "dropout": config.get("lora_dropout"),
            "targets": words or f"`{named}`",
        }
    )


def _data(contents: CardContents) -> str:
    if contents.statement.data:
        return "\n".join(f"- {phrase}" for phrase in contents.statement.data)
    if contents.results and contents.results.train:
        names = ", ".join(f"`{name}`" for name in contents.results.train)
        return f"Sources named {names}. Their content and licences were not stated."
    return "Not stated."


def _training(results: Results | None) -> str:
    if results is None:
        return "Not recorded."
    rate = results.settings.get("learning_rate")
    learning = f", learning rate {rate:g}" if isinstance(rate, int | float) else ""
    return f"{results.steps:,} steps in {results.minutes:.1f} minutes{learning}. The settings are in `results.json`."


def _accuracy(measurements: Sequence[Measurement]) -> str:
    if not measurements:
        return "Not measured."
    tables = "\n\n".join(measured.to_markdown() for measured in measurements)
    return f"{tables}\n\nIntervals resample documents, or lines where a set is one document. Nothing else was measured."


def _equivariance(contents: CardContents) -> str:
    group = contents.reader.encoder.group
    if not contents.checks:
        return f"Group {group.name} has no rotations or mirrors to be equivariant under."
    double, single = (
        _bound([getattr(check, f"error_{dtype}") for check in contents.checks]) for dtype in ("float64", "float32")
    )
    broken = sorted({check.claim for check in contents.checks if not check.holds})
    verdict = f"Broken: {'; '.join(broken)}." if broken else "These are rounding errors: every claim holds."
    subject = "adapter and base together" if contents.source.kind == "adapter" else "it"
    return (
        f"Largest error when a random image, or a layer's input, is transformed by any element of {group.name}, "
        f"relative to the largest output; measured on {subject} when this card was written: {double} in float64, "
        f"{single} in float32. {verdict}"
    )


def _bound(errors: Sequence[float]) -> str:
    """Return the smallest power of ten that is an upper bound of the errors."""
    if not all(map(math.isfinite, errors)):
        return "not finite"
    worst = max(errors)
    return f"at most {10.0 ** math.ceil(math.log10(worst)):.0e}" if worst else "0"


def _table(rows: dict[str, Any]) -> str:
    lines = [f"| {name} | {value} |" for name, value in rows.items() if value is not None]
    return "\n".join(["| | |", "| --- | --- |", *lines])
