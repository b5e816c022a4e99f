"""Weights that lie in shards on several processes: put together to be read with and saved, and taken apart again.

What is unusual: whatever reads or writes sees no shard. Beside a model that FSDP has cut stands a whole copy of it, and
takes over the trained weights before lines are read or a checkpoint is written; so checkpoints are the same however
many processes wrote them, and a run goes on with another number of them.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor


def whole(tensor: Tensor) -> Tensor:
    """Return a tensor without shards; every process has to ask."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def in_shards_like(tensor: Tensor, other: Tensor) -> Tensor:
    """Cut a whole tensor as another of its shape is cut; every process has to."""
    if not isinstance(other, DTensor):
        return tensor
    return distribute_tensor(tensor.to(other.device), other.device_mesh, other.placements)


def trainable_state(model: nn.Module) -> dict[str, Tensor]:
    """Return the trainable parameters by name, whole."""
    return {name: whole(weight.detach()) for name, weight in model.named_parameters() if weight.requires_grad}


@torch.no_grad()
def load_trainable_state(model: nn.Module, state: dict[str, Tensor]) -> None:
    """Put trainable parameters back.

    Raises:
        ValueError: if the model has other trainable parameters than the state.
    """
    weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    if weights.keys() != state.keys():
        odd = sorted(weights.keys() ^ state.keys())
        raise ValueError(f"`resume`: the checkpoint trains other parameters than this model, such as {odd[0]}.")
    for name, weight in weights.items():
        weight.copy_(in_shards_like(state[name], weight))


def optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Return an optimizer's state, its moments whole."""
    state = optimizer.state_dict()
    moments = {
        number: {name: whole(value) if isinstance(value, Tensor) else value for name, value in of_one.items()}
        for number, of_one in state["state"].items()
    }
    return state | {"state": moments}


def load_optimizer_state(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Put an optimizer's state back."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    moments = {
        number: {
            name: in_shards_like(value, weights[number]) if value.shape == weights[number].shape else value
            for name, value in of_one.items()
        }
        for number, of_one in state["state"].items()
    }
    optimizer.load_state_dict(state | {"state": moments})
