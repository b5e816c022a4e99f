"""From a reader to a folder of ONNX files, checked against the reader before it is kept."""

import copy
import logging
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor
from transformers import TrOCRForCausalLM

from trocr_gsa.atomic import write_folder
from trocr_gsa.checkpoints.export_files import DECODER, ENCODER, ExportSettings
from trocr_gsa.checkpoints.results import recorded_name
from trocr_gsa.model.modeling_trocr_gsa import TrOCRGSAModel
from trocr_gsa.model.weight_files import is_out_of_memory

from .graphs import DecoderGraph, EncoderGraph, noise_letters, noise_lines
from .onnx_model import import_onnxruntime

TRACED, CHECKED = [(2, 7), (5, 3), (1, 4)], [(3, 6), (1, 1)]  # rows and columns of patches
TRACED_LETTERS, CHECKED_LETTERS = 3, 0
TOLERANCE = 1e-3  # of the largest output; what is computed otherwise than in PyTorch differs by far more


class ReaderToExport(Protocol):
    """What is exported of a LineReader, which lies above this package."""

    model: Any
    processor: Any
    merged_adapter: str | None

    @property
    def adapters(self) -> list[str]:
        """Names of adapters that are not merged."""
        ...


def export_reader(reader: ReaderToExport, folder: Path, int8: bool = False) -> float:
    """Write a reader's encoder and decoder, its processor and its configuration to a folder.

    Args:
        reader: a LineReader; its adapter, if it has one, merged.
        folder: to write to, as a whole or not at all.
        int8: round the weights of all matrix products to 8 bits: a third of the size; text may change.

    Returns: the largest difference from PyTorch on noise, relative to the largest output, before any rounding to int8.

    Raises:
        ValueError: if onnx or onnxruntime is missing, or the reader cannot be exported; the field is named.
    """
    _import_exporters()
    _refuse_what_reads_otherwise(reader)
    differences: list[float] = []

    def write(fresh: Path) -> None:
        differences.extend(_write_graphs(_on_cpu(reader.model), fresh))
        if int8:
            round_weights(fresh)
        ExportSettings(reader.merged_adapter and recorded_name(reader.merged_adapter)).write(fresh)
        reader.model.config.save_pretrained(fresh)
        reader.model.generation_config.save_pretrained(fresh)
        reader.processor.save_pretrained(fresh)
        for code in fresh.glob("*.py"):  # travels with models to the Hub, and reads no ONNX
            code.unlink()

    write_folder(folder, write)
    return max(differences)


def _refuse_what_reads_otherwise(reader: ReaderToExport) -> None:
    model: Any = reader.model
    if not isinstance(reader.model, torch.nn.Module):
        raise ValueError(f"`model`: {model.name_or_path} is an export already. Give the model that it was made from.")
    if reader.adapters:
        raise ValueError(
            f"`adapter`: one adapter can be exported, merged into the weights, got {', '.join(reader.adapters)} side "
            "by side. Export each to a folder of its own."
        )
    if not isinstance(model.decoder, TrOCRForCausalLM):
        raise ValueError(f"`decoder` must be a TrOCR's to be exported, got a {type(model.decoder).__name__}.")
    settings = model.generation_config
    # what transformers' own `generate` would do to the letters' scores; asked of it, as its settings are many
    if settings.do_sample or (asked := model._get_logits_processor(settings)):
        raise ValueError(
            f"`generation_config` asks for {'sampling' if settings.do_sample else type(asked[0]).__name__}, and an "
            "exported reader writes the likeliest letter, nothing else. Remove the setting, or read with PyTorch."
        )


def _on_cpu(model: TrOCRGSAModel) -> TrOCRGSAModel:
    """Return a copy that may be changed."""
    return cast(TrOCRGSAModel, torch.nn.Module.to(copy.deepcopy(model), "cpu").eval())


@torch.no_grad()
def _write_graphs(model: TrOCRGSAModel, folder: Path) -> Iterator[float]:
    """Write both graphs; yield how far each is from PyTorch."""
    encoder, decoder = EncoderGraph(model), DecoderGraph(model)
    line, patch, token, letter = (torch.export.Dim(name) for name in ("line", "patch", "token", "letter"))
    inputs = noise_lines(model, TRACED)
    encoded = encoder(*inputs)  # also fills the tables that are kept: tracing must not be the first to
    _write_graph(encoder, inputs, ({0: line, 1: patch}, {0: line, 1: patch}, {0: line}, {0: line}), folder / ENCODER)
    letters = noise_letters(model, encoded, TRACED_LETTERS)
    past, cross = ([{0: line, 2: length}] * 2 * decoder.layers for length in (letter, token))
    _write_graph(decoder, letters, ({0: line}, {0: line, 1: token}, past, cross), folder / DECODER)
    inputs = noise_lines(model, CHECKED)
    encoded = encoder(*inputs)
    yield _difference(folder / ENCODER, inputs, encoded)
    letters = noise_letters(model, encoded, CHECKED_LETTERS)
    yield _difference(folder / DECODER, letters, decoder(*letters))


def _write_graph(graph: EncoderGraph | DecoderGraph, inputs: tuple, axes: tuple, path: Path) -> None:
    try:
        with _quiet():
            program = torch.export.export(
                graph, inputs, dynamic_shapes=axes, prefer_deferred_runtime_asserts_over_guards=True
            )
            written: Any = torch.onnx.export(
                program,
                output_names=graph.output_names,
                custom_translation_table={torch.ops.aten.sort.stable: _stable_sort},
                verbose=False,
            )
            written.save(path)
    except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
        if is_out_of_memory(error):
            raise
        raise ValueError(
            f"`model` cannot be exported: PyTorch found no ONNX for its {path.stem}: {str(error)[:300]} "
            "Read it with PyTorch."
        ) from error


def _stable_sort(values: Any, stable: bool | None = None, dim: int = -1, descending: bool = False) -> Any:
    """Sort as ONNX does: of equal values TopK takes the first one first, by definition."""
    from onnxscript import opset18 as op

    size: Any = op.Shape(values, start=dim, end=dim + 1)
    return op.TopK(values, size, axis=dim, largest=int(descending), sorted=1)


def _difference(path: Path, inputs: Sequence[Any], wanted: Sequence[Tensor]) -> float:
    """Return max |onnxruntime − PyTorch| / max |PyTorch| over all outputs.

    Raises:
        ValueError: if it is so large that the graph computes something else.
    """
    session = import_onnxruntime().InferenceSession(path, providers=["CPUExecutionProvider"])
    flat = [tensor for part in inputs for tensor in (part if isinstance(part, list) else [part])]
    names = [each.name for each in session.get_inputs()]
    found = session.run(None, {name: tensor.numpy() for name, tensor in zip(names, flat, strict=True)})
    largest = 0.0
    for name, a, b in zip((each.name for each in session.get_outputs()), found, wanted, strict=True):
        same_shape = a.shape == tuple(b.shape)
        off = np.abs(a - b.numpy()).max() / max(np.abs(b.numpy()).max(), 1e-6) if same_shape else np.inf
        if not off <= TOLERANCE:
            raise ValueError(
                f"`model` cannot be exported: `{name}` of {path.name} differs from PyTorch's by {off:.1g} of its "
                "largest value. Read it with PyTorch."
            )
        largest = max(largest, float(off))
    return largest


def round_weights(folder: Path) -> None:
    """Round the weights of all matrix products of an export to 8 bits, in place.

    Raises:
        ValueError: if onnxruntime is missing.
    """
    import_onnxruntime()
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as scratch, _quiet():
        for name in (ENCODER, DECODER):
            rounded = Path(scratch) / name
            quantize_dynamic(folder / name, rounded, weight_type=QuantType.QInt8)
            shutil.move(rounded, folder / name)


def _import_exporters() -> None:
    for name in ("onnx", "onnxruntime", "onnxscript"):
        try:
            import_module(name)
        except ImportError as error:
            raise ValueError(f"exporting needs {name}, which is not here: pip install 'trocr-gsa[onnx]'") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporters' remarks on names and on operators of other packages off the screen."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
