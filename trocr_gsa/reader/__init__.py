"""Reading lines: pictures in, text, confidence and orientation out."""

from .line_reader import Line, LineReader
from .listing import ListedAdapter, list_adapters
from .loading import load_reader

__all__ = ["Line", "LineReader", "ListedAdapter", "list_adapters", "load_reader"]
