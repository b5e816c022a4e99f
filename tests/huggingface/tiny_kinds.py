"""One tiny untrained model of every kind, in float32."""

from collections.abc import Callable
from typing import Any

import torch
from tiny_models import LAYERS, PATCH, encoder_config, reader_config
from torch import Tensor, nn

from trocr_gsa import GSANetForImageClassification, TrOCRGSAModel

CLASSES = 3
# As converted from a ViT: no relative positions, a table of absolute ones, a class token, gates between poses
AS_TAKEN_OVER = {
    "num_frequencies": 0,
    "absolute_position": "table",
    "image_size": 4 * PATCH,
    "num_class_tokens": 1,
    "cross_pose_gate": True,
    "num_hidden_layers": 3,
}
NARROW = {"pose_hidden_size": 8, "pose_num_attention_heads": 1, "patch_embedding": "conv", "patch_margin": 1}


def classifier(**changes: Any) -> nn.Module:
    return GSANetForImageClassification(encoder_config(num_labels=CLASSES, **changes))


def reader(**changes: Any) -> nn.Module:
    return TrOCRGSAModel(reader_config(**changes))


KINDS: dict[str, Callable[[], nn.Module]] = {
    "reader": reader,
    "reader with CTC": lambda: reader(ctc_steps_per_patch=2),
    "reader of one field": lambda: reader(pose_layers=LAYERS, pose_sum="query"),
    "reader with a narrow stage": lambda: reader(**NARROW),
    "reader taken over": lambda: reader(**AS_TAKEN_OVER),
    "classifier": classifier,
    "classifier without layers across poses": lambda: classifier(pose_layers=0),
    "classifier of one field": lambda: classifier(pose_layers=LAYERS),
    "classifier taken over": lambda: classifier(**AS_TAKEN_OVER),
}


def batch(kind: str, lines: int = 2) -> dict[str, Tensor]:
    """Return images and labels for a training step of a model of that kind."""
    labels = torch.randint(CLASSES, (lines,)) if kind.startswith("classifier") else torch.randint(2, 20, (lines, 4))
    return {"pixel_values": torch.randn(lines, 1, 2 * PATCH, 3 * PATCH), "labels": labels}
