"""The files of an exported folder, and how it is recognised."""

from dataclasses import asdict, dataclass
from pathlib import Path

from trocr_gsa.atomic import write_json
from trocr_gsa.model.weight_files import read_json

from .typed_fields import check_types

ENCODER, DECODER, SETTINGS = "encoder.onnx", "decoder.onnx", "export.json"
FORMAT = 1
NEEDED = (ENCODER, DECODER, "config.json", "generation_config.json", "processor_config.json")


@dataclass(frozen=True)
class ExportSettings:
    """Settings of an exported reader that are not in its configuration.

    Attributes:
        adapter: name of the adapter that is merged into its weights, or None.
        format: version of the folder's format; another version is an error.
    """

    adapter: str | None = None
    format: int = FORMAT

    def write(self, folder: Path) -> None:
        """Write the settings into a folder."""
        write_json(folder / SETTINGS, asdict(self))

    @classmethod
    def read(cls, folder: Path) -> "ExportSettings":
        """Read the settings from a folder.

        Raises:
            ValueError: if it is not an export, a file is missing, or the export has another format.
        """
        if not is_export(folder):
            raise ValueError(f"`path`: {folder} holds no {SETTINGS}. Give a folder that `trocr-gsa export` wrote.")
        for name in NEEDED:
            if not (folder / name).is_file():
                raise ValueError(f"`path`: {name} is missing in {folder}. An export needs all its files; export again.")
        for name in (SETTINGS, *NEEDED[2:]):
            read_json(folder / name, "path")  # if one is damaged, transformers silently uses its own defaults
        settings = read_json(folder / SETTINGS, "path")
        if settings.get("format") != FORMAT:
            raise ValueError(
                f"`path`: {folder} is an export of format {settings.get('format')!r}, but this version reads {FORMAT}. "
                "Export again."
            )
        check_types(cls, settings, folder / SETTINGS, "path")
        try:
            return cls(**settings)
        except TypeError as error:
            raise ValueError(f"`path`: {folder / SETTINGS} is not valid ({error}). Export again.") from error


def is_export(path: str | Path | None) -> bool:
    """Whether `trocr-gsa export` wrote this folder."""
    return path is not None and (Path(path) / SETTINGS).is_file()
