"""Exports a reader to a folder of ONNX files, after comparing their outputs with the reader's."""

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
from trocr_gsa.model.processing_trocr_gsa import TrOCRGSAProcessor
from trocr_gsa.model.weight_files import is_out_of_memory

from .graphs import DecoderGraph, EncoderGraph, noise_lines, noise_tokens
from .onnx_model import import_onnxruntime

TRACED, CHECKED = [(2, 7), (5, 3), (1, 4)], [(3, 6), (1, 1)]  # rows and columns of patches
TRACED_TOKENS, CHECKED_TOKENS = 3, 0  # tokens before the current one
TOLERANCE = 1e-3  # of the largest output; a graph that computes something else differs by much more


class ReaderToExport(Protocol):
    """The parts of a LineReader that are exported; this package cannot import LineReader itself."""

    model: Any
    processor: TrOCRGSAProcessor
    merged_adapter: str | None

    @property
    def adapters(self) -> list[str]:
        """Names of adapters that are not merged."""
        ...


def export_reader(reader: ReaderToExport, folder: Path, int8: bool = False) -> float:
    """Write a reader's encoder and decoder, its processor and its configuration to a folder.

    Args:
        reader: a LineReader; its adapter, if it has one, must be merged.
        folder: output folder, which appears only if it is complete.
        int8: round the weights of all matrix products to 8 bits: a third of the size, but texts may change.

    Returns: the largest difference from PyTorch on random inputs, relative to the largest output, before rounding to
        int8.

    Raises:
        ValueError: if onnx or onnxruntime is missing, or the reader cannot be exported; the field is named.
    """
    _import_exporters()
    _check_exportable(reader)
    differences: list[float] = []

    def write(fresh: Path) -> None:
        differences.extend(_write_graphs(_on_cpu(reader.model), fresh))
        if int8:
            round_weights(fresh)
        ExportSettings(reader.merged_adapter and recorded_name(reader.merged_adapter)).write(fresh)
        reader.model.config.save_pretrained(fresh)
        reader.model.generation_config.save_pretrained(fresh)
        reader.processor.save_pretrained(fresh)
        for code in fresh.glob("*.py"):  # the code for the Hub, which cannot read ONNX
            code.unlink()

    write_folder(folder, write)
    return max(differences)


def _check_exportable(reader: ReaderToExport) -> None:
    model: Any = reader.model
    if not isinstance(reader.model, torch.nn.Module):
        raise ValueError(f"`model`: {model.name_or_path} is already an export. Give the model from which it was made.")
    if reader.adapters:
        raise ValueError(
            f"`adapter`: only one adapter can be exported, merged into the weights, got {', '.join(reader.adapters)}. "
            "Export each to its own folder."
        )
    if not isinstance(model.decoder, TrOCRForCausalLM):
        raise ValueError(f"`decoder` must be a TrOCR's to be exported, got a {type(model.decoder).__name__}.")
    settings = model.generation_config
    # the processors that transformers' own `generate` would apply for these settings
    if settings.do_sample or (processors := model._get_logits_processor(settings)):
        raise ValueError(
            f"`generation_config` asks for {'sampling' if settings.do_sample else type(processors[0]).__name__}, but "
            "an exported reader only supports greedy decoding. Remove the setting, or read with PyTorch."
        )


def _on_cpu(model: TrOCRGSAModel) -> TrOCRGSAModel:
    """Return a copy on the CPU that may be changed."""
    return cast(TrOCRGSAModel, torch.nn.Module.to(copy.deepcopy(model), "cpu").eval())


@torch.no_grad()
def _write_graphs(model: TrOCRGSAModel, folder: Path) -> Iterator[float]:
    """Write both graphs; yield the difference of each from PyTorch."""
    encoder, decoder = EncoderGraph(model), DecoderGraph(model)
    line, patch, token, letter = (torch.export.Dim(name) for name in ("line", "patch", "token", "letter"))
    inputs = noise_lines(model, TRACED)
    encoded = encoder(*inputs)  # also fills cached tables, which must not happen while tracing
    _write_graph(encoder, inputs, ({0: line, 1: patch}, {0: line, 1: patch}, {0: line}, {0: line}), folder / ENCODER)
    letters = noise_tokens(model, encoded, TRACED_TOKENS)
    past, cross = ([{0: line, 2: length}] * 2 * decoder.layers for length in (letter, token))
    _write_graph(decoder, letters, ({0: line}, {0: line, 1: token}, past, cross), folder / DECODER)
    inputs = noise_lines(model, CHECKED)
    encoded = encoder(*inputs)
    yield _difference(folder / ENCODER, inputs, encoded)
    letters = noise_tokens(model, encoded, CHECKED_TOKENS)
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
            f"`model` cannot be exported: PyTorch cannot convert its {path.stem} to ONNX: {str(error)[:300]} "
            "Read it with PyTorch."
        ) from error


def _stable_sort(values: Any, stable: bool | None = None, dim: int = -1, descending: bool = False) -> Any:
    """Translate a stable sort to ONNX: TopK is defined to put the first of equal values first."""
    from onnxscript import opset18 as op

    size: Any = op.Shape(values, start=dim, end=dim + 1)
    return op.TopK(values, size, axis=dim, largest=int(descending), sorted=1)


def _difference(path: Path, inputs: Sequence[Any], wanted: Sequence[Tensor]) -> float:
    """Return max |onnxruntime − PyTorch| / max |PyTorch| over all outputs.

    Raises:
        ValueError: if it is so large that the graph must compute something else.
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
            raise ValueError(f"export needs {name}, which is not installed: pip install 'trocr-gsa[onnx]'") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Context manager that hides the exporters' warnings, which do not concern the user."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
