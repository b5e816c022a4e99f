"""Publishing on the Hub: the published folder, its model card, and the upload."""

from .assembling import Assembled, assemble
from .statement import Statement
from .uploading import check_token, upload

__all__ = ["Assembled", "Statement", "assemble", "check_token", "upload"]
