"""A reader with a few thousand random weights, saved as a checkpoint, and line images for it."""

from pathlib import Path

import torch
from PIL import Image, ImageDraw

from trocr_gsa.train.arguments import TrainingArguments
from trocr_gsa.train.build import new_model

SIZES = {
    "encoder_hidden_size": 32,
    "encoder_num_hidden_layers": 2,
    "encoder_pose_layers": 1,
    "encoder_num_attention_heads": 2,
    "encoder_intermediate_size": 32,
    "encoder_patch_size": 8,
    "encoder_num_frequencies": 2,
    "decoder_d_model": 32,
    "decoder_layers": 1,
    "decoder_attention_heads": 2,
    "decoder_ffn_dim": 32,
    "decoder_max_position_embeddings": 16,
    "decoder_dropout": 0.0,
    "line_height": 16,
    "max_patches": 64,
    "ctc_steps_per_patch": 0,
}
# Settings for a narrow pose stage, and for a second embedding of patches with a margin at the chosen pose
NARROW = {
    "encoder_pose_hidden_size": 16,
    "encoder_pose_num_attention_heads": 1,
    "encoder_patch_embedding": "conv",
    "encoder_patch_margin": 2,
}


def save_checkpoint(folder: Path, dtype: torch.dtype = torch.float32, sure: bool = False, **sizes: object) -> Path:
    """Save an untrained reader, determined by `sizes`, which are keys of a training configuration.

    An untrained pose head doubts every pose, so a line is encoded once per rotation of the group. A reader that is
    `sure` scores poses so differently that it encodes nearly every line once, which costs less.
    """
    torch.manual_seed(0)
    arguments = TrainingArguments.from_dict(SIZES | {"train": "lines", "method": "full"} | sizes)
    model, processor = new_model(arguments)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1:  # larger weights than in a new model, so that different lines give different texts
                weight.mul_(100 if "encoder_attn" in name else 3)
        if sure:
            model.encoder.pose_head.score.weight.mul_(1000)
    model.to(dtype).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def draw_line(text: str, width: int = 64) -> Image.Image:
    """Draw upright text with Pillow's builtin font."""
    image = Image.new("L", (width, 20), 230)
    ImageDraw.Draw(image).text((2, 4), text, fill=20)
    return image
