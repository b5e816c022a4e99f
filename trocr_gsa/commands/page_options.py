"""What the options of `trocr-gsa read` say about pages."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class PageOptions:
    """What the options of `read` say about pages.

    Args:
        format: one of `trocr_gsa.data.pages.outputs.FORMATS`.
        output: file for all pages together; None: standard output.
        folder: for a file a page.
        suffix: of these files; None: the format's.
        overwrite: files that are there already.
        min_confidence: of a line whose text is taken over.
    """

    format: str
    output: Path | None = None
    folder: Path | None = None
    suffix: str | None = None
    overwrite: bool = False
    min_confidence: float = 0.0

    def check(self) -> None:
        """Refuse what does not go together.

        Raises:
            ValueError: if it does not.
        """
        from trocr_gsa.data.images import PICTURE_SUFFIXES
        from trocr_gsa.data.pages.outputs import FORMATS

        if self.folder is None and FORMATS[self.format].needs_folder:
            raise ValueError(f"`--format` {self.format} makes a file of every page. Add --output-dir FOLDER.")
        if self.folder is None and self.suffix:
            raise ValueError("`--suffix` is about files in --output-dir. Add --output-dir FOLDER.")
        if self.folder is None and self.output is None and self.overwrite:
            raise ValueError("`--overwrite` is about files that are there already. Add --output or --output-dir.")
        if self.folder is not None and self.output is not None:
            raise ValueError("`--output` is one file, `--output-dir` a file for every page. Give one of them.")
        if self.suffix is not None and ("/" in self.suffix or "." not in self.suffix):
            raise ValueError(f"`--suffix` must be an ending such as .read.xml, got {self.suffix}.")
        if self.suffix is not None and self.suffix.lower().endswith((*PICTURE_SUFFIXES, ".pdf")):
            raise ValueError(f"`--suffix` {self.suffix} is a picture's, and texts are written. Use .read.xml or such.")

    def refuse(self) -> None:
        """Refuse, where there are pictures of lines, what makes sense for pages alone.

        Raises:
            ValueError: if it is asked for.
        """
        from trocr_gsa.data.pages.outputs import FORMATS

        if self.folder is not None or self.min_confidence or FORMATS[self.format].needs_folder:
            raise ValueError(
                "`pictures`: there is no page (PAGE, ALTO) among them, which --output-dir, --min-confidence and the "
                "formats page, alto and hocr are for. Give a page's XML file, or a folder of them; or --segment, if "
                "these are pictures of pages."
            )

    def target(self, page: str) -> Path | None:
        """Where the file of a page goes, by the page's name; None if all go to one place."""
        from trocr_gsa.data.pages.outputs import FORMATS

        if self.folder is None:
            return None
        suffix = self.suffix or FORMATS[self.format].suffix
        name = Path(page)
        return self.folder / name.with_name(name.stem + suffix)
