"""Messages about what was left out of the pages in `--output-dir`, kept in a hidden folder there.

What is unusual: a page whose file exists is not read again. Its messages are repeated from here, so that a repeated run
has the same exit code.
"""

import hashlib
import json
import os
from pathlib import Path

from trocr_gsa.atomic import write_json

FOLDER = ".left_out"


class LeftOut:
    """The messages about each page.

    Args:
        folder: the folder with the files of the pages.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, target: Path, problems: list[str]) -> None:
        """Store the messages about a page, before its file is written; without messages, forget earlier ones."""
        if problems:
            write_json(self._path(target), problems)
        else:
            self._path(target).unlink(missing_ok=True)

    def problems(self, target: Path) -> list[str]:
        """Return the messages about a page whose file exists."""
        path = self._path(target)
        try:
            return [str(problem) for problem in json.loads(path.read_bytes())]
        except FileNotFoundError:
            return []
        except (ValueError, TypeError) as error:  # the page may lack lines
            return [f"{target.name}: {path}, which holds what was left out, is damaged ({error}). Use --overwrite."]

    def _path(self, target: Path) -> Path:
        # a digest, because a name with a further ending may be too long for a file
        digest = hashlib.sha256(os.fsencode(target.relative_to(self.folder))).hexdigest()
        return self.folder / FOLDER / f"{digest[:32]}.json"
