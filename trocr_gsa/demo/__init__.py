"""A web page for trying the reader; needs the extra `demo`."""

from .desk import Desk
from .web_page import build_page, serve

__all__ = ["Desk", "build_page", "serve"]
