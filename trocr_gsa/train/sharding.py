"""Conversion between full tensors and the shards of FSDP, for reading, saving and loading.

What is unusual: code that reads lines or writes checkpoints never sees shards. There is an unsharded copy of a sharded
model, which gets the trained weights before lines are read or a checkpoint is written. So checkpoints do not depend on
the number of processes, and a run can continue with another number of processes.
"""

from typing import Any

import torch
from torch import Size, Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

MOMENTS = ("exp_avg", "exp_avg_sq")


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
        ValueError: if the trainable parameters of model and state differ, in their names or shapes.
    """
    weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    if weights.keys() != state.keys():
        odd = sorted(weights.keys() ^ state.keys())
        raise ValueError(f"`resume`: the checkpoint trains other parameters than this model, such as {odd[0]}.")
    for name, weight in weights.items():
        check_shape(state[name], weight.shape, name)
        weight.copy_(in_shards_like(state[name], weight))


def check_shape(saved: Tensor, shape: Size, name: str) -> None:
    """Check the shape of a saved tensor; torch would repeat smaller ones, and AdamW read beyond their ends.

    Raises:
        ValueError: if it has another.
    """
    if saved.shape != shape:
        raise ValueError(f"`resume`: the checkpoint has {name} of shape {tuple(saved.shape)}, expected {tuple(shape)}.")


def optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Return an optimizer's state, with its moments as full tensors."""
    state = optimizer.state_dict()
    moments = {
        number: {name: whole(value) if isinstance(value, Tensor) else value for name, value in of_one.items()}
        for number, of_one in state["state"].items()
    }
    return state | {"state": moments}


def load_optimizer_state(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Restore the state of AdamW.

    Raises:
        ValueError: if it is the state of an optimizer of other parameters.
    """
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    counts = [len(group["params"]) for group in optimizer.param_groups]
    if [len(group["params"]) for group in state["param_groups"]] != counts:
        raise ValueError("`resume`: the checkpoint has the optimizer of other parameters than this model's.")
    for number, of_one in state["state"].items():
        for name in MOMENTS:
            check_shape(of_one[name], weights[number].shape, f"the moment {name}")
    moments = {
        number: {
            name: in_shards_like(value, weights[number]) if value.shape == weights[number].shape else value
            for name, value in of_one.items()
        }
        for number, of_one in state["state"].items()
    }
    optimizer.load_state_dict(state | {"state": moments})
