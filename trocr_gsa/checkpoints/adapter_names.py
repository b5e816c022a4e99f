"""Names that adapters can have."""

import re

from torch import nn

BASE = "__base__"  # PEFT's word for no adapter


def check_name(name: str) -> None:
    """Refuse a name that PEFT could not store an adapter under, or would confuse with its own.

    Raises:
        ValueError: if it is one.
    """
    taken = name == BASE or name in "lora_" or hasattr(nn.ModuleDict(), name)
    if not re.fullmatch(r"[\w-]+", name) or taken:
        raise ValueError(
            f"`adapter`: an adapter cannot be named {name!r}. Names are letters, digits, - and _, and none that torch "
            "or PEFT use themselves."
        )
