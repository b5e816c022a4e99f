"""Reading lines: pictures in, text, confidence and orientation out."""

from .line_reader import Line, LineReader
from .loading import load_reader

__all__ = ["Line", "LineReader", "load_reader"]
