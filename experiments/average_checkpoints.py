"""Average the weights of a checkpoint before and after fine-tuning, to read new lines and forget less.

    python -m experiments average_checkpoints before/ after/ averaged/ --share 0.5

θ = (1 − share) · θ_before + share · θ_after. Equivariance holds for any weights, so for these, too. Choose the
share with `trocr-gsa evaluate` on validation lines of both kinds. Source: Wortsman et al. 2022 (2109.01903), §2.
"""

import argparse
from pathlib import Path

import torch
from transformers import AutoProcessor

from trocr_gsa import TrOCRGSAModel


def average(before: Path, after: Path, share: float, target: Path) -> None:
    """Write the weighted mean of two checkpoints to `target`, with the processor of the second.

    Args:
        before: folder of a checkpoint.
        after: folder of another checkpoint with the same shapes.
        share: weight of the second checkpoint, in [0, 1].
        target: folder to write to.

    Raises:
        ValueError: if the share is out of range, or the shapes differ.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"`share` must be between 0 and 1, got {share}.")
    model, other = (TrOCRGSAModel.from_pretrained(path, dtype=torch.float32) for path in (after, before))
    weights, known = model.state_dict(), other.state_dict()
    shapes = [{name: tuple(weight.shape) for name, weight in part.items()} for part in (known, weights)]
    if shapes[0] != shapes[1]:
        name = min(name for name, _ in shapes[0].items() ^ shapes[1].items())
        found = (shape.get(name, "none") for shape in shapes)
        raise ValueError("`after` must have the shapes of `before`: {} is {} and {}.".format(name, *found))
    model.load_state_dict({name: torch.lerp(known[name], weight, share) for name, weight in weights.items()})
    model.save_pretrained(target)
    AutoProcessor.from_pretrained(after).save_pretrained(target)


def main() -> None:
    """Parse the command line, and average the checkpoints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path, help="folder of a checkpoint")
    parser.add_argument("after", type=Path, help="folder of the fine-tuned checkpoint")
    parser.add_argument("target", type=Path, help="folder to write to")
    parser.add_argument("--share", type=float, default=0.5, help="weight of the second checkpoint, in [0, 1]")
    arguments = parser.parse_args()
    average(arguments.before, arguments.after, arguments.share, arguments.target)
