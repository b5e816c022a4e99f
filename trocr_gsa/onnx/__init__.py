"""A reader as ONNX files, read with onnxruntime: needs the extra `onnx`."""

from .exporting import export_reader, round_weights
from .onnx_reader import OnnxLineReader, open_reader

__all__ = ["OnnxLineReader", "export_reader", "open_reader", "round_weights"]
