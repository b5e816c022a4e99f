"""The comparisons of attention.py: each contest builds two actions on the same inputs, ours and a peer's."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import ViTConfig, ViTModel

from benchmarks.literal_attention import LiteralGroupAttention
from trocr_gsa.checkpoints.models import PACKAGED_CHECKPOINT
from trocr_gsa.model import attention_kernels
from trocr_gsa.model.attention import GroupSelfAttention, LiftingSelfAttention
from trocr_gsa.model.configuration_gsa_net import GSANetConfig
from trocr_gsa.model.encoding import grid_positions
from trocr_gsa.model.groups import PointGroup
from trocr_gsa.model.modeling_gsa_net import GSANetModel

GROUP = PointGroup.from_name("C4")
FORWARD, TRAINING = "forward", "forward and backward"
FITS = 24  # largest side in patches for which the memory of the literal sum is measured


Action = Callable[[], object]


@dataclass(frozen=True)
class Contest:
    """A comparison of two actions.

    Attributes:
        measured: name of our side.
        peer: name of the peer.
        size: patches, hidden size, heads and batch size, in words.
        passes: `FORWARD` or `TRAINING`.
        build: builds both actions for a kernel: (ours, the peer's).
        kernel: "sdpa" or "eager".
        target: target for the ratio of the times.
        timed: whether time is measured, too; memory always is.
        peer_fits: whether the peer fits into memory.
    """

    measured: str
    peer: str
    size: str
    passes: str
    build: Callable[[str], tuple[Action, Action]]
    kernel: str = "sdpa"
    target: str = ""
    timed: bool = True
    peer_fits: bool = True


class PlainSelfAttention(nn.Module):
    """Self-attention as in a ViT: four linear layers and softmax(q kᵀ) v."""

    def __init__(self, hidden_size: int, num_heads: int, kernel: str) -> None:
        super().__init__()
        self.num_heads, self.kernel = num_heads, kernel
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (nn.Linear(hidden_size, hidden_size) for _ in range(4))

    def forward(self, features: Tensor) -> Tensor:
        """Attend: (batch, token, hidden) to (batch, token, hidden)."""
        projections = (self.q_proj, self.k_proj, self.v_proj)
        query, key, value = (p(features).unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for p in projections)
        if self.kernel == "eager":
            out = (query * query.shape[-1] ** -0.5 @ key.mT).softmax(-1) @ value
        else:
            out = F.scaled_dot_product_attention(query, key, value)
        return self.o_proj(out.transpose(1, 2).flatten(-2))


def packaged_encoder() -> dict[str, Any]:
    """Return the encoder configuration of the packaged reader."""
    return json.loads((PACKAGED_CHECKPOINT / "config.json").read_text(encoding="utf-8"))["encoder"]


def run(module: Callable[..., Any], passes: str, *inputs: Tensor) -> Callable[[], object]:
    """Return an action that runs a module once."""

    def forward() -> object:
        with torch.no_grad():
            return module(*inputs)

    def training() -> None:
        out = module(*inputs)
        (out if isinstance(out, Tensor) else out.last_hidden_state).sum().backward()

    return forward if passes == FORWARD else training


def group_layer(hidden: int, heads: int, kernel: str = "sdpa", pose_sum: str = "none") -> GroupSelfAttention:
    """Return a group attention layer with the same number of frequencies as the packaged reader."""
    frequencies = packaged_encoder()["num_frequencies"]
    return GroupSelfAttention(GROUP, hidden, heads, pose_sum, frequencies, attn_implementation=kernel)


def layers(device: str) -> Iterator[Contest]:
    """Yield contests of group attention and plain attention."""
    for hidden, heads in ((192, 4), (768, 12)):
        for rows, columns, batch in ((4, 32, 4 * 192 // hidden), (24, 24, 1)):
            for kernel in ("sdpa", "eager"):

                def build(kernel, hidden=hidden, heads=heads, rows=rows, columns=columns, batch=batch):
                    ours, plain = group_layer(hidden, heads, kernel), PlainSelfAttention(hidden, heads, kernel)
                    ours, plain = ours.to(device), plain.to(device)
                    features = torch.randn(batch, GROUP.order, rows * columns, hidden, device=device)
                    positions = grid_positions(rows, columns, torch.device(device))
                    return run(ours, TRAINING, features, positions), run(plain, TRAINING, features.flatten(1, 2))

                size = f"{rows}×{columns} patches, {hidden} wide, {heads} heads, batch {batch}"
                yield Contest(f"layer, {kernel}", "plain attention", size, TRAINING, build, kernel, "≤ 1.2")


def literals(device: str) -> Iterator[Contest]:
    """Yield contests of group attention and the literal sums."""
    for ours, theirs, target in (("none", "none", "≥ 50 ×"), ("query", "query", ""), ("none", "query", "")):

        def build(kernel, ours=ours, theirs=theirs, side=20):
            layer = group_layer(192, 4, kernel, ours).to(device)
            peer = group_layer(192, 4, kernel, theirs).to(device)
            peer.load_state_dict(layer.state_dict())
            positions = grid_positions(side, side, torch.device(device))
            features = torch.randn(1, GROUP.order, side * side, 192, device=device)
            return run(layer, FORWARD, features, positions), run(
                LiteralGroupAttention(peer, positions), FORWARD, features
            )

        yield Contest(f"layer, {ours}", f"literal {theirs}", "20×20 patches, 192 wide", FORWARD, build, "sdpa", target)


def memories(device: str) -> Iterator[Contest]:
    """Yield contests for the memory of the layer on squares of patches, and of the literal sum while it fits."""
    for side in (10, 16, 20, 24, 32, 48, 64):

        def build(kernel, side=side):
            layer, positions = group_layer(192, 4, kernel).to(device), grid_positions(side, side, torch.device(device))
            features = torch.randn(1, GROUP.order, side * side, 192, device=device)
            literal = LiteralGroupAttention(layer, positions if side <= FITS else positions[:1])
            return run(layer, FORWARD, features, positions), run(literal, FORWARD, features)

        size = f"{side}×{side} patches, 192 wide"
        yield Contest("layer", "literal none", size, FORWARD, build, timed=False, peer_fits=side <= FITS)


def encoders(device: str) -> Iterator[Contest]:
    """Yield contests of the packaged encoder and a ViT."""
    ours_config = packaged_encoder()
    for passes in (FORWARD, TRAINING):

        def build(kernel, passes=passes, rows=3, columns=50, batch=4):
            ours: Any = GSANetModel(GSANetConfig(**ours_config))
            same = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act")
            height, width = rows * ours_config["patch_size"], columns * ours_config["patch_size"]
            config = ViTConfig(
                **{key: ours_config[key] for key in (*same, "num_channels", "patch_size")}, image_size=(height, width),
                hidden_dropout_prob=0.0,
            )  # fmt: skip
            vit: Any = ViTModel(config, add_pooling_layer=False)
            for model in (ours, vit):
                model.to(device).set_attn_implementation(kernel)
            pixels = torch.randn(batch, ours_config["num_channels"], height, width, device=device)
            return run(ours, passes, pixels), run(vit, passes, pixels)

        size = f"3×50 patches, {ours_config['hidden_size']} wide, batch 4"
        yield Contest(f"encoder, K = {ours_config['pose_layers']}", "ViT", size, passes, build, "sdpa", "≤ 1.5")


def kernels(device: str) -> Iterator[Contest]:
    """Yield contests of the kernel that "sdpa" chooses by size, with the fused kernel and with two products."""
    for patches, batch in ((24, 28), (100, 7), (400, 1), (1600, 1)):
        for passes in (FORWARD, TRAINING):
            for peer, most in (("the fused kernel", 0), ("two products", None)):

                def build(kernel, patches=patches, batch=batch, passes=passes, most=most):
                    group, frequencies = PointGroup.from_name("C1"), packaged_encoder()["num_frequencies"]
                    ours, theirs = (
                        LiftingSelfAttention(group, 192, 4, frequencies, attn_implementation=name).to(device)
                        for name in (kernel, kernel if most == 0 else "eager")
                    )
                    inputs = (torch.randn(batch, patches, 192, device=device), grid_positions(2, patches // 2))
                    peer = run(theirs, passes, *inputs)
                    return run(ours, passes, *inputs), peer if most is None else _with_scores(most, peer)

                size = f"{patches} patches, 192 wide, 4 heads, batch {batch}"
                yield Contest("kernel by size", peer, size, passes, build)


def _with_scores(most: int, action: Action) -> Action:
    """Return an action for which "sdpa" computes two products only below so many scores."""

    def limited() -> object:
        with patch.object(attention_kernels, "MOST_SCORES", most):
            return action()

    return limited


PARTS = {"kernel": kernels, "layer": layers, "literal": literals, "memory": memories, "encoder": encoders}
