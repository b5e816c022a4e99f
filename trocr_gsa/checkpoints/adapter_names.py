"""Checks names of adapters."""

import re

from torch import nn

BASE = "__base__"  # PEFT's name for no adapter


def check_name(name: str) -> None:
    """Check that PEFT can store an adapter under this name, and does not use it for something else.

    Raises:
        ValueError: if the name cannot be used.
    """
    is_reserved = name == BASE or name in "lora_" or hasattr(nn.ModuleDict(), name)
    if not re.fullmatch(r"[\w-]+", name) or is_reserved:
        raise ValueError(
            f"`adapter`: an adapter cannot be named {name!r}. Use letters, digits, - and _, and not a name that torch "
            "or PEFT use themselves."
        )
