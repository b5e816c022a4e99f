"""The evaluation report: a single HTML file without scripts, which needs no network."""

from .aligned import SetReading
from .html import About, write_report

__all__ = ["About", "SetReading", "write_report"]
