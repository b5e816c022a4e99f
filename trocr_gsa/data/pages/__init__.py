"""Pages: reading and writing PAGE XML and ALTO files with their images; segmenting images and PDFs without layout."""

from .cutting import LineCut
from .kraken import KrakenSegmenter
from .page import Page, PageLine
from .page_files import PageFile, PageSource, find_pages, holds_pages, holds_xml, one_of_each
from .page_lines import PageLines, plan_cut, plan_cuts
from .page_pictures import PagePicture, fit_picture
from .scans import Scan, find_scans
from .segmenting import SegmentedPage, Segmenter, segmented_pages
from .xml_files import PageError, XmlDocument

__all__ = [
    "KrakenSegmenter",
    "LineCut",
    "Page",
    "PageError",
    "PageFile",
    "PageLine",
    "PageLines",
    "PagePicture",
    "PageSource",
    "Scan",
    "SegmentedPage",
    "Segmenter",
    "XmlDocument",
    "find_pages",
    "find_scans",
    "fit_picture",
    "holds_pages",
    "holds_xml",
    "one_of_each",
    "plan_cut",
    "plan_cuts",
    "segmented_pages",
]
