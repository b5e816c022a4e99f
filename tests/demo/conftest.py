import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest
from served_page import shown
from tiny_adapters import save_adapter
from tiny_checkpoint import draw_line, save_checkpoint

from trocr_gsa.demo import Desk
from trocr_gsa.reader import LineReader


@pytest.fixture(scope="session")
def desk_checkpoint(tmp_path_factory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("desk"), sure=True)


@pytest.fixture(scope="session")
def desk_adapters(desk_checkpoint, tmp_path_factory) -> dict[str, Path]:
    """Two adapters that change the texts of the model."""
    folder = tmp_path_factory.mktemp("adapters")
    return {name: save_adapter(desk_checkpoint, folder / name, seed=seed) for seed, name in enumerate(("fr", "de"))}


@pytest.fixture(scope="session")
def desk(desk_checkpoint, desk_adapters) -> Desk:
    return Desk(LineReader.from_pretrained(desk_checkpoint, desk_adapters, "cpu"))


@pytest.fixture(scope="session")
def address(desk_checkpoint, desk_adapters) -> Iterator[str]:
    """Address of the page of a running `trocr-gsa serve`."""
    if importlib.util.find_spec("gradio") is None:
        pytest.skip("gradio is not installed")
    adapters = [f"--adapter={name}={folder}" for name, folder in desk_adapters.items()]
    with shown("--model", desk_checkpoint, *adapters) as address:
        yield address


@pytest.fixture(scope="session")
def picture(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("picture") / "a line.png"
    draw_line("abcdef").save(path)
    return path
