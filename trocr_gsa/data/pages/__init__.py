"""Pages: PAGE XML and ALTO with their pictures, in and out."""

from .cutting import LineCut
from .images import PagePicture, fit_picture
from .listing import PageFile, find_pages, holds_pages
from .page import LineReading, Page, PageLine
from .source import PageLines, plan_cut
from .xml import PageError, XmlDocument

__all__ = [
    "LineCut",
    "LineReading",
    "Page",
    "PageError",
    "PageFile",
    "PageLine",
    "PageLines",
    "PagePicture",
    "XmlDocument",
    "find_pages",
    "fit_picture",
    "holds_pages",
    "plan_cut",
]
