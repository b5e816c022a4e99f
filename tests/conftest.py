import os
from typing import Any

# Set before any import of the Hugging Face libraries, which read these variables once.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
# Set before any import of torch: threads do not speed up small tensors, and slow down parallel tests.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch

SHARED = "tests/onnx_export/"  # its fixtures cost more than running its tests in one process


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """In parallel runs, keep the tests of one file together, and all tests in the folder `SHARED`."""
    from xdist.scheduler import LoadFileScheduling

    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return SHARED if nodeid.startswith(SHARED) else super()._split_scope(nodeid)

    return ByFile(config, log)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)
