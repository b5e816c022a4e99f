"""Conversion between full tensors and the shards of FSDP, for reading, saving and loading.

What is unusual: code that reads lines or writes checkpoints never sees shards. There is an unsharded copy of a sharded
model, which gets the trained weights before lines are read or a checkpoint is written. So checkpoints do not depend on
the number of processes, and a run can continue with another number of processes.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor


def whole(tensor: Tensor) -> Tensor:
    """Return the full tensor of a sharded one; every process must call this."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def in_shards_like(tensor: Tensor, other: Tensor) -> Tensor:
    """Shard a full tensor in the same way as another tensor of its shape; every process must call this."""
    if not isinstance(other, DTensor):
        return tensor
    return distribute_tensor(tensor.to(other.device), other.device_mesh, other.placements)


def trainable_state(model: nn.Module) -> dict[str, Tensor]:
    """Return the trainable parameters by name, as full tensors."""
    return {name: whole(weight.detach()) for name, weight in model.named_parameters() if weight.requires_grad}


@torch.no_grad()
def load_trainable_state(model: nn.Module, state: dict[str, Tensor]) -> None:
    """Restore the trainable parameters.

    Raises:
        ValueError: if the trainable parameters of model and state differ.
    """
    weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    if weights.keys() != state.keys():
        odd = sorted(weights.keys() ^ state.keys())
        raise ValueError(f"`resume`: the checkpoint trains other parameters than this model, such as {odd[0]}.")
    for name, weight in weights.items():
        weight.copy_(in_shards_like(state[name], weight))


def optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Return an optimizer's state, with its moments as full tensors."""
    state = optimizer.state_dict()
    moments = {
        number: {name: whole(value) if isinstance(value, Tensor) else value for name, value in of_one.items()}
        for number, of_one in state["state"].items()
    }
    return state | {"state": moments}


def load_optimizer_state(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Restore an optimizer's state."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    moments = {
        number: {
            name: in_shards_like(value, weights[number]) if value.shape == weights[number].shape else value
            for name, value in of_one.items()
        }
        for number, of_one in state["state"].items()
    }
    optimizer.load_state_dict(state | {"state": moments})
