import os

# Before any import of the Hugging Face libraries: they read these once.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
# Before any import of torch: small tensors gain nothing by threads, and tests that run side by side lose much.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch

SHARED = {"onnx_export"}  # folders whose fixtures cost more than to run their tests one after the other


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where tests run side by side, keep those of a file together, and those of some folders."""
    for item in items:
        folder = item.path.parent.name
        item.add_marker(pytest.mark.xdist_group(folder if folder in SHARED else str(item.path)))


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)
