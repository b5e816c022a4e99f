"""Reading lines: pictures in, text, confidence and orientation out."""

from trocr_gsa.checkpoints.adapter_listing import ListedAdapter, list_adapters
from trocr_gsa.checkpoints.loading import load_reader
from trocr_gsa.data.line import Line

from .letter_places import LetterPlaces, letter_places
from .line_reader import LineReader

__all__ = ["LetterPlaces", "Line", "LineReader", "ListedAdapter", "letter_places", "list_adapters", "load_reader"]
