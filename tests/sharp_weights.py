"""Weights that reveal a wrong term: no zeros, and attention that selects few tokens."""

import peft
from torch import nn


def sharpened(module: nn.Module) -> nn.Module:
    """Draw all parameters at random in float64, with large queries and keys."""
    module = module.double().eval()
    for name, parameter in module.named_parameters():
        nn.init.normal_(parameter)
        if parameter.dim() == 2 and "proj" in name:
            parameter.data *= 0.8 if "q_proj" in name or "k_proj" in name else 0.4
    return module


def with_lora(module: nn.Module) -> nn.Module:
    """Add LoRA adapters with B ≠ 0 to all four projections."""
    config = peft.LoraConfig(r=2, lora_alpha=4, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"])
    adapted = peft.get_peft_model(module, config).double().eval()
    outer = [parameter for name, parameter in adapted.named_parameters() if "lora_B" in name]
    assert outer
    for parameter in outer:
        nn.init.normal_(parameter, std=0.3)
    return adapted


def sharpened_with_lora(module: nn.Module) -> nn.Module:
    """Apply `sharpened`, then `with_lora`."""
    return with_lora(sharpened(module))
