"""Run a script with a sharded model on a CPU, where accelerate 1.15 ignores the FSDP settings of its file."""

import runpy
import sys
from typing import Any

from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType


def shard_on_cpu() -> None:
    """Patch accelerate in this process to use FSDP on a CPU as on a GPU."""
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
