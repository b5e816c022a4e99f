"""The configurations that the package carries, found by their names: `lora_hand` or `lora_hand.yaml`."""

import difflib
import logging
import os
from pathlib import Path

from trocr_gsa.data.names import shown

FOLDER = Path(__file__).parents[1] / "configs"
FORMER_FOLDER = "configs"  # of a clone of version 0.1.0
NEAR = 0.4  # similarity of a name that is suggested

logger = logging.getLogger(__name__)


def find_config(name: str | Path) -> Path:
    """Return the file that a name stands for.

    Args:
        name: an existing file, which always wins; or the name of a packaged configuration, with or without `.yaml`.
            `configs/NAME.yaml`, where version 0.1.0 had them, is understood and logged as a warning.

    Raises:
        ValueError: if it is neither; the message names the nearest packaged ones.
    """
    path, packaged = Path(name), _packaged()
    found = packaged.get(path.name.removesuffix(".yaml"))
    if os.path.isfile(path) or (os.path.exists(path) and not found):  # reading a folder says what is wrong with it
        return path
    if found and path.parent == Path():
        return found
    if found and path.parent.name == FORMER_FOLDER:
        logger.warning("There is no file %s: taking the packaged configuration %s.", shown(str(name)), found)
        return found
    near = difflib.get_close_matches(path.name.removesuffix(".yaml"), packaged, cutoff=NEAR)
    suggested = f"Nearest: {_listed(near)}" if near else f"There are {_listed(sorted(packaged))}"
    raise ValueError(
        f"`config`: there is no file {shown(str(name))}, nor a packaged configuration of that name. {suggested}."
    )


def _packaged() -> dict[str, Path]:
    return {path.stem: path for path in FOLDER.glob("*.yaml")}


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
