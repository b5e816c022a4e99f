"""LoRA on the linear layers of encoder and decoder; by default on all projections of their attention.

Adapters keep the symmetry exactly: a linear layer applies the same function to every (position, pose), and so does its
low-rank update. The encoder's key projection also projects the relative encoding, so the update acts on it too. Source:
Hu et al., 2106.09685; Schreiber 2023, eq. 10.
"""

from typing import TYPE_CHECKING, Any, Literal

from torch import nn

if TYPE_CHECKING:
    from peft import LoraConfig
from trocr_gsa.checkpoints.lora_targets import ENCODER_LAYERS, TARGETS, target_pattern

POSE_MODULES = ["pose_head", "gate"]  # modules that are untrained in a model taken over from a stock TrOCR


def lora_config(
    targets: Literal["encoder", "decoder", "both", "behind_pose"] = "both",
    rank: int = 8,
    alpha: float | None = None,
    dropout: float = 0.0,
    use_rslora: bool = False,
    use_dora: bool = False,
    model: nn.Module | None = None,
    train_pose: bool = False,
    projections: Literal["qv", "qkvo", "all"] = "qkvo",
) -> "LoraConfig":
    """Return the adapter ΔW = (alpha / rank) · B A on linear layers of the encoder, the decoder or both.

    Args:
        targets: the parts that get an adapter; `"behind_pose"`: both, without the encoder's layers that work on every
            pose; a step then takes about three quarters of the time.
        rank: inner size of B A, at least 1.
        alpha: scale before the division by `rank` (by its square root with `use_rslora`); None: 2 · rank.
        dropout: probability in [0, 1) with which an input of the adapter is dropped.
        use_rslora: scale by alpha / √rank.
        use_dora: learn magnitude and direction of the weights separately.
        model: if given, its name is stored in the adapter as the base model.
        train_pose: also train all weights of the pose head and the gates between poses; the adapter contains them.
        projections: the layers that get an adapter: query and value of every attention layer (`"qv"`), also key and
            output (`"qkvo"`), or also both layers of every MLP (`"all"`).

    Returns: a `peft.LoraConfig` for `get_peft_model`; it has no task type, because PEFT has none for image to text.

    Raises:
        ValueError: if `targets` or `projections` is none of the presets, `rank` is below 1, or `dropout` is outside
            [0, 1).
    """
    from peft import LoraConfig  # imported here because reading does not need it

    if targets not in TARGETS:
        raise ValueError(f"`targets` must be one of {', '.join(TARGETS)}, got {targets!r}.")
    if projections not in ENCODER_LAYERS:
        raise ValueError(f"`projections` must be one of {', '.join(ENCODER_LAYERS)}, got {projections!r}.")
    if rank < 1:
        raise ValueError(f"`rank` must be at least 1, got {rank}. Common choices are 4 to 64.")
    if not 0 <= dropout < 1:
        raise ValueError(f"`dropout` must lie in [0, 1), got {dropout}.")
    options: dict[str, Any] = {"use_rslora": use_rslora, "use_dora": use_dora, "bias": "none"}
    return LoraConfig(
        r=rank,
        lora_alpha=2 * rank if alpha is None else alpha,  # pyright: ignore[reportArgumentType]
        lora_dropout=dropout,
        target_modules=target_pattern(targets, projections),
        modules_to_save=POSE_MODULES if train_pose else None,
        base_model_name_or_path=getattr(model, "name_or_path", None) or None,
        **options,
    )
