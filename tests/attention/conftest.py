from collections.abc import Callable

import pytest
import torch
from sharp_weights import sharpened, sharpened_with_lora
from torch import Tensor, nn


@pytest.fixture(params=[sharpened, sharpened_with_lora])
def prepare(request) -> Callable[[nn.Module], nn.Module]:
    return request.param


@pytest.fixture
def scattered() -> Tensor:
    """Three positions that are not on a grid and not symmetric."""
    return torch.tensor([[0.0, 0.0], [1.3, 0.4], [-0.7, 2.1]], dtype=torch.float64)
