"""Runs a script with its model in shards on a CPU, where accelerate 1.15 passes over what a file says of FSDP."""

import runpy
import sys
from typing import Any

from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType


def shard_on_cpu() -> None:
    """Have accelerate do as on a GPU, in this process."""
    begin = AcceleratorState.__init__

    def begin_in_shards(self: AcceleratorState, *words: Any, **named: Any) -> None:
        begin(self, *words, **named)
        if named.get("fsdp_plugin") is not None:
            self.distributed_type, self.fsdp_plugin = DistributedType.FSDP, named["fsdp_plugin"]

    AcceleratorState.__init__ = begin_in_shards


if __name__ == "__main__":
    shard_on_cpu()
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")
