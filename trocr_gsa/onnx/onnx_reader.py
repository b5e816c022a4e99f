"""From pictures of lines to text with onnxruntime."""

from pathlib import Path
from typing import Any, Self, cast

from transformers import AutoProcessor

from trocr_gsa.checkpoints.loading import Adapters
from trocr_gsa.model.modeling_trocr_gsa import Orientation
from trocr_gsa.model.weight_files import one_line_errors
from trocr_gsa.reader import LetterPlaces, LineReader
from trocr_gsa.reader.pictures import Picture
from trocr_gsa.reader.precision import Precision

from .export_files import ExportSettings, is_export
from .onnx_model import OnnxModel


class OnnxLineReader(LineReader):
    """A LineReader whose encoder and decoder run in onnxruntime: the same pictures, the same lines, no beams.

    The second look at lines whose orientation is in doubt, the CTC head's say and the confidence are the same code.
    """

    @classmethod
    def from_pretrained(
        cls,
        path: str | Path | None = None,
        adapter: Adapters | None = None,
        device: str | None = None,
        precision: Precision = "fp32",
        trust_remote_code: bool = False,
    ) -> Self:
        """Load a reader that `trocr-gsa export` wrote.

        Args:
            path: its folder.
            adapter: None: it is in the weights, or it is not there.
            device: "cpu" or None.
            precision: "fp32": an export has the one that it was written with.
            trust_remote_code: run Python code that comes with the export, where its processor needs it.

        Raises:
            ValueError: if onnxruntime is missing, the folder is no export or not a whole one, or something else is
                asked for than what was exported.
        """
        if path is None:
            raise ValueError("`path` must be a folder that `trocr-gsa export` wrote, got None.")
        if adapter is not None:
            raise ValueError(f"`adapter`: {path} is an export. Merge the adapter when exporting: export --adapter.")
        if device not in (None, "cpu"):
            raise ValueError(f"`device` must be cpu for an export, got {device}. Read the model itself there.")
        if precision != "fp32":
            raise ValueError(f"`precision`: {path} is an export, got {precision}. Round it when exporting: --int8.")
        folder = Path(path)
        settings = ExportSettings.read(folder)
        model = OnnxModel(folder)
        with one_line_errors(folder, "path"):
            processor = AutoProcessor.from_pretrained(folder, trust_remote_code=trust_remote_code)
        return cls(cast(Any, model), processor, settings.adapter)

    def letter_places(
        self, image: Picture, text: str, orientation: Orientation = "any", adapter: str | None = None
    ) -> LetterPlaces:
        """Refuse: an export keeps no attention maps.

        Raises:
            ValueError: always.
        """
        raise ValueError("an exported reader does not tell where letters are. Load the model itself with LineReader.")


def open_reader(
    path: str | Path | None = None,
    adapter: Adapters | None = None,
    device: str | None = None,
    precision: Precision = "fp32",
    trust_remote_code: bool = False,
) -> LineReader:
    """Load a checkpoint, or what `trocr-gsa export` made of one; which of them is seen by the folder's files.

    Args: as `LineReader.from_pretrained`.

    Raises:
        ValueError: as `LineReader.from_pretrained` and `OnnxLineReader.from_pretrained`.
    """
    return (OnnxLineReader if is_export(path) else LineReader).from_pretrained(
        path, adapter, device, precision, trust_remote_code
    )
