"""An exported reader with the interface of a model for reading (`trocr_gsa.reader.backend.Backend`).

What is unusual: encoder and decoder run in onnxruntime, and keys and values stay there between tokens. The rest is the
same PyTorch code as for other readers: image preparation, CTC scores, confidence.
"""

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from transformers import AutoProcessor, GenerationConfig
from transformers.utils.generic import ModelOutput

from trocr_gsa.checkpoints.export_files import DECODER, ENCODER, ExportSettings
from trocr_gsa.model.configuration_trocr_gsa import TrOCRGSAConfig
from trocr_gsa.model.ctc_prefix import CTCPrefixLogitsProcessor
from trocr_gsa.model.groups import PointGroup
from trocr_gsa.model.orientation import Orientation, orientation_bias
from trocr_gsa.model.patches import as_patches
from trocr_gsa.model.processing_trocr_gsa import TrOCRGSAProcessor
from trocr_gsa.model.weight_files import PointerError, is_out_of_memory, one_line_errors, refuse_pointer


@dataclass
class OnnxEncoded(ModelOutput):
    """The output of the encoder's graph, which is also the input of the decoder's graph.

    Attributes:
        attention_mask: (batch, token), added to attention logits.
        pose_logits: (batch, pose), log p(h), prior included.
        pose: (batch,) long.
        ctc_logits: (batch, frame, vocab); None without a CTC head.
        ctc_lengths: (batch,) long, frames of each line.
        cross: keys and values by the names of the decoder's inputs, as values of onnxruntime.
    """

    attention_mask: Tensor | None = None
    pose_logits: Tensor | None = None
    pose: Tensor | None = None
    ctc_logits: Tensor | None = None
    ctc_lengths: Tensor | None = None
    cross: dict[str, Any] | None = None


class OnnxGraph:
    """A graph in onnxruntime, with the same number of threads as torch.

    Args:
        path: path of an ONNX file.

    Raises:
        ValueError: if onnxruntime is missing, or the file cannot be loaded.
    """

    def __init__(self, path: Path) -> None:
        self.runtime = import_onnxruntime()
        options = self.runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        # torch runs on the same cores between two tokens, so onnxruntime must not keep them busy
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            refuse_pointer(path, "path")
            self.session = self.runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except PointerError:
            raise
        except Exception as error:  # onnxruntime's errors have no common base class
            if is_out_of_memory(error):
                raise
            raise ValueError(f"`path`: {path} cannot be loaded: {str(error)[:200]} Export again.") from error
        self.inputs = {each.name: each for each in self.session.get_inputs()}
        self.outputs = [each.name for each in self.session.get_outputs()]

    def value(self, tensor: Tensor) -> Any:
        """Convert a tensor to a value of onnxruntime."""
        return self.runtime.OrtValue.ortvalue_from_numpy(tensor.contiguous().numpy())

    def __call__(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Compute all outputs from values of onnxruntime."""
        return dict(zip(self.outputs, self.session.run_with_ort_values(self.outputs, inputs), strict=True))


class OnnxEncoder:
    """The encoder's graph, with the interface of a GSANetModel.

    Args:
        config: configuration of the reader.
        graph: graph of its encoder.
    """

    def __init__(self, config: TrOCRGSAConfig, graph: OnnxGraph) -> None:
        self.config: Any = config.encoder
        self.group = PointGroup.from_name(self.config.group)
        self.graph = graph

    def __call__(
        self,
        pixel_values: Tensor,
        pixel_attention_mask: Tensor | None = None,
        spatial_shapes: Tensor | None = None,
        pose_bias: Tensor | None = None,
        only_pose: int | None = None,
    ) -> OnnxEncoded:
        """Encode lines, with the arguments of a GSANetModel."""
        pixel_values, pixel_attention_mask, spatial_shapes = as_patches(
            pixel_values, pixel_attention_mask, spatial_shapes, self.config.num_channels, self.config.patch_size
        )
        bias = torch.zeros(()) if pose_bias is None else pose_bias.float()
        if only_pose is not None:
            bias = (torch.arange(self.group.order) == only_pose).float().log()
        tensors = {
            "pixel_values": pixel_values.float(),
            "pixel_attention_mask": pixel_attention_mask,
            "spatial_shapes": spatial_shapes,
            "pose_bias": bias.expand(len(pixel_values), self.group.order),
        }
        found = self.graph({name: self.graph.value(tensor) for name, tensor in tensors.items()})
        cross = {name: found.pop(name) for name in self.graph.outputs if name.startswith("cross")}
        small = {name: torch.from_numpy(value.numpy()) for name, value in found.items()}
        return OnnxEncoded(**small, cross=cross)


class OnnxModel:
    """An exported reader: encodes and decodes like a TrOCRGSAModel, with greedy decoding.

    Args:
        folder: a folder written by `trocr-gsa export`.

    Raises:
        ValueError: if onnxruntime is missing, a file cannot be loaded, or weights are NaN.
    """

    ctc_head = None  # it is part of the encoder's graph
    device = torch.device("cpu")

    def __init__(self, folder: Path) -> None:
        self.name_or_path = str(folder)
        with one_line_errors(folder, "path"):
            self.config: Any = TrOCRGSAConfig.from_pretrained(folder)
            self.generation_config = GenerationConfig.from_pretrained(folder)
        self.encoder = OnnxEncoder(self.config, OnnxGraph(folder / ENCODER))
        self.decoder = OnnxGraph(folder / DECODER)
        with one_line_errors(folder, "path"):
            self._refuse_not_finite(folder)

    def encode(self, pixel_values: Tensor, orientation: Orientation = "any", **inputs: Any) -> OnnxEncoded:
        """Run the encoder with a prior over poses, with the arguments of TrOCRGSAModel."""
        return self.encoder(pixel_values, **inputs, pose_bias=orientation_bias(orientation, self.encoder.group))

    def generate(self, encoder_outputs: OnnxEncoded, max_length: int, num_beams: int = 1, **_: Any) -> SimpleNamespace:
        """Decode greedily with decoder and CTC head, until every line has ended.

        Args:
            encoder_outputs: output of `encode`.
            max_length: maximum number of tokens, including the start token.
            num_beams: must be 1.

        Returns: sequences (batch, token) long, and scores, a tuple of (batch, vocab), as transformers' `generate`.

        Raises:
            ValueError: if `num_beams` is more than 1.
        """
        if num_beams != 1:
            raise ValueError(f"`num_beams` must be 1, got {num_beams}: an exported reader only has greedy decoding.")
        ids: Any = self.generation_config
        weigh = self._ctc_processor(encoder_outputs)
        lines = len(encoder_outputs["pose"])
        sequences = torch.full((lines, 1), ids.decoder_start_token_id)
        fixed = {"attention_mask": self.decoder.value(encoder_outputs["attention_mask"]), **encoder_outputs["cross"]}
        past = {name: self.decoder.value(_empty_cache(each.shape, lines)) for name, each in self._past_inputs.items()}
        reading = torch.ones(lines, dtype=torch.bool)
        scores = []
        while sequences.shape[1] < max_length and reading.any():
            found = self.decoder({"input_ids": self.decoder.value(sequences[:, -1:])} | fixed | past)
            past = {name: found[name.replace("past", "present")] for name in past}
            logits = torch.from_numpy(found["logits"].numpy())
            scores.append(logits if weigh is None else weigh(sequences, logits))
            letter = scores[-1].argmax(-1).where(reading, ids.pad_token_id)
            sequences = torch.cat((sequences, letter[:, None]), dim=1)
            reading &= letter != ids.eos_token_id
        return SimpleNamespace(sequences=sequences, scores=tuple(scores))

    def compute_transition_scores(self, sequences: Tensor, scores: tuple[Tensor, ...], *_: Any, **__: Any) -> Tensor:
        """Return log p of every token that was written, (batch, token)."""
        log_p = torch.stack(scores, dim=1).log_softmax(-1)
        return log_p.gather(2, sequences[:, 1:, None])[..., 0]

    def _refuse_not_finite(self, folder: Path) -> None:
        """Read a synthetic line, and check that the outputs are not NaN; the weights in a graph cannot be checked."""
        side = self.config.encoder.patch_size
        picture = torch.linspace(-1, 1, self.config.encoder.num_channels * 3 * side**2)
        encoded = self.encode(picture.view(1, -1, side, 3 * side))
        scores = self.generate(encoded, max_length=3).scores
        for outputs in ([encoded["pose_logits"]], [encoded["ctc_logits"]], scores):
            if any(each is not None and each.isnan().any() for each in outputs):
                raise ValueError(
                    f"`path`: the weights in {folder} are not finite (NaN): they are damaged, or the training failed. "
                    "Export again, from an earlier checkpoint."
                )

    @property
    def _past_inputs(self) -> dict[str, Any]:
        return {name: each for name, each in self.decoder.inputs.items() if name.startswith("past")}

    def _ctc_processor(self, encoded: OnnxEncoded) -> CTCPrefixLogitsProcessor | None:
        weight = self.config.ctc_decoding_weight
        if encoded.ctc_logits is None or encoded.ctc_lengths is None or weight == 0:
            return None
        blank, eos = self.config.pad_token_id, self.config.eos_token_id
        return CTCPrefixLogitsProcessor(encoded.ctc_logits, encoded.ctc_lengths, blank, eos, weight)


def load_export(folder: Path, trust_remote_code: bool = False) -> tuple[OnnxModel, TrOCRGSAProcessor, str | None]:
    """Load an export of `trocr-gsa export`.

    Args:
        folder: folder of the export.
        trust_remote_code: run Python code that comes with the export, if its processor needs it.

    Returns: the model, its processor, and the name of the adapter that is merged into its weights, or None.

    Raises:
        ValueError: if onnxruntime is missing, or the folder is not a complete export.
    """
    settings = ExportSettings.read(folder)
    model = OnnxModel(folder)
    with one_line_errors(folder, "path"):
        processor = AutoProcessor.from_pretrained(folder, trust_remote_code=trust_remote_code)
    return model, processor, settings.adapter


def _empty_cache(shape: list, lines: int) -> Tensor:
    """Return keys or values of zero tokens, for an input (batch, head, token, d)."""
    return torch.zeros(lines, shape[1], 0, shape[3])


def import_onnxruntime() -> ModuleType:
    """Return onnxruntime.

    Raises:
        ValueError: if it is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise ValueError(
            "an exported reader needs onnxruntime, which is not installed: pip install 'trocr-gsa[onnx]'"
        ) from error
    return onnxruntime
