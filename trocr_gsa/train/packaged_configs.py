"""Finds the configurations in the package by their names: `lora_hand` or `lora_hand.yaml`."""

import difflib
import logging
import os
from pathlib import Path

from trocr_gsa.data.names import shown

FOLDER = Path(__file__).parents[1] / "configs"
FORMER_FOLDER = "configs"  # in a clone of version 0.1.0
MIN_SIMILARITY = 0.4  # of a name that is suggested

logger = logging.getLogger(__name__)


def find_config(name: str | Path) -> Path:
    """Return the file of a configuration.

    Args:
        name: an existing file, which has priority; or the name of a packaged configuration, with or without `.yaml`.
            `configs/NAME.yaml`, as in version 0.1.0, is accepted with a warning in the log.

    Raises:
        ValueError: if it is neither; the message names similar packaged configurations.
    """
    path, packaged = Path(name), _packaged()
    found = packaged.get(path.name.removesuffix(".yaml"))
    if os.path.isfile(path) or (os.path.exists(path) and not found):  # for a folder, reading raises the error
        return path
    if found and path.parent == Path():
        return found
    if found and path.parent.name == FORMER_FOLDER:
        logger.warning("There is no file %s: using the packaged configuration %s.", shown(str(name)), found)
        return found
    near = difflib.get_close_matches(path.name.removesuffix(".yaml"), packaged, cutoff=MIN_SIMILARITY)
    suggested = f"Similar names: {_listed(near)}" if near else f"There are {_listed(sorted(packaged))}"
    raise ValueError(
        f"`config`: there is no file {shown(str(name))}, nor a packaged configuration with this name. {suggested}."
    )


def _packaged() -> dict[str, Path]:
    return {path.stem: path for path in FOLDER.glob("*.yaml")}


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
