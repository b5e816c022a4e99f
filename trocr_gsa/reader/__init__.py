"""Reading lines: pictures in, text, confidence and orientation out."""

from .attention_maps import LetterPlaces, letter_places
from .line import Line
from .line_reader import LineReader
from .listing import ListedAdapter, list_adapters
from .loading import load_reader

__all__ = ["LetterPlaces", "Line", "LineReader", "ListedAdapter", "letter_places", "list_adapters", "load_reader"]
