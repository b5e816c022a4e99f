"""Adapters of the tiny reader that change its texts."""

import json
from pathlib import Path

import peft
import torch

from trocr_gsa.checkpoints.models import load_model
from trocr_gsa.train.lora import lora_config


def save_adapter(
    checkpoint: Path, folder: Path, named: bool = True, seed: int = 0, changes: dict | None = None, **options: object
) -> Path:
    """Save an adapter without zeros; `options` are for `lora_config`, `changes` are fields of PEFT's configuration."""
    model, _ = load_model(str(checkpoint))
    config = lora_config(model=model, **options)  # pyright: ignore[reportArgumentType]
    for name, value in (changes or {}).items():
        setattr(config, name, value)
    adapted = peft.get_peft_model(model, config)
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_B" in name or "lora_magnitude" in name or "modules_to_save" in name:
                weight.normal_()
    adapted.save_pretrained(str(folder), save_embedding_layers=False)
    if not named:
        path = folder / "adapter_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"base_model_name_or_path": None}))
    return folder
