import os
from typing import Any

# Before any import of the Hugging Face libraries: they read these once.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
# Before any import of torch: small tensors gain nothing by threads, and tests that run side by side lose much.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch

SHARED = "tests/onnx_export/"  # its fixtures cost more than to run its tests one after the other


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Where tests run side by side, keep those of a file together, and those of one folder."""
    from xdist.scheduler import LoadFileScheduling

    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return SHARED if nodeid.startswith(SHARED) else super()._split_scope(nodeid)

    return ByFile(config, log)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)
