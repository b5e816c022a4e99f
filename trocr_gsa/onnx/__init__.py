"""Export of a reader to ONNX, and reading with onnxruntime; needs the extra `onnx`."""

from .exporting import export_reader, round_weights
from .onnx_model import OnnxModel, load_export

__all__ = ["OnnxModel", "export_reader", "load_export", "round_weights"]
