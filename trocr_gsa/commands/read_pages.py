"""The part of `trocr-gsa read` for whole pages: PAGE and ALTO files in, the same files out, read."""

import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from .choices import adapter_of_each
from .messages import LEFT_OUT, report_notes, say
from .page_inputs import PageInputs
from .processes import are_several, joined
from .segment_pages import find_lines, kept_pictures

if TYPE_CHECKING:
    from trocr_gsa.data.pages import LineReading, PageFile, PageSource, Scan
    from trocr_gsa.reader import LineReader
    from trocr_gsa.reader.pages import ReadPage


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


def read_pages(
    inputs: PageInputs,
    options: PageOptions,
    uses: Sequence[str],
    adapters: str | dict[str, str] | None,
    load: "Callable[[str | None], LineReader]",
    orientation: Any,
    beams: int,
    device: str | None,
) -> None:
    """Read pages and write them; a page whose file is there already is passed over.

    Several processes share what is left of the pages, and each answers for its own.

    Args:
        inputs: the pages; those of which there is only a picture have their lines found first.
        options: where they go, and how.
        uses: `--use`.
        adapters: by name.
        load: device → the reader, once it is known to be needed.
        orientation: prior of the lines as they lie on their pages.
        beams: texts followed side by side.
        device: to read on, as the user names it.
    """
    files = _inputs(inputs.files or (), options)
    if not files and not inputs.problems:
        raise ValueError("`pictures`: holds only what an earlier run has written. Give the pages themselves.")
    names = adapters if isinstance(adapters, dict) else ()
    chosen = adapter_of_each([str(file.path) for file in files], uses, names) if files else []
    if options.folder is None and are_several():
        raise ValueError("`--output-dir`: several processes need a file for every page. Add --output-dir FOLDER.")
    with joined(device) as processes:
        todo = [(file, name) for file, name in zip(files, chosen, strict=True) if not _is_done(file, options)]
        processes.wait()  # nobody writes a page while another still looks which are there
        left_out = 0
        if processes.is_first:
            if len(todo) < len(files):
                there = len(files) - len(todo)
                say(f"already there and left as they are: {there} pages; --overwrite reads them again")
            report_notes(inputs.notes)
            _report(inputs.problems)
            left_out = len(inputs.problems)
        own = processes.share(todo)
        left_out += _read_and_write(own, options, lambda: load(processes.device), orientation, beams)
        processes.wait()  # a process that ends with an error has the launcher end the others
    if left_out:
        raise typer.Exit(LEFT_OUT)


def _read_and_write(
    todo: "Sequence[tuple[PageFile | Scan, str | None]]",
    options: PageOptions,
    load: "Callable[[], LineReader]",
    orientation: Any,
    beams: int,
) -> int:
    """Read pages, each with its adapter, and write them; return how much was left out."""
    from trocr_gsa.atomic import open_atomically
    from trocr_gsa.data.pages.outputs import FORMATS
    from trocr_gsa.reader.pages import read_pages

    left_out = 0
    with open_atomically(options.output) if options.output else nullcontext(sys.stdout) as stream:
        if options.folder is None:
            typer.echo(FORMATS[options.format].header.decode(), file=stream, nl=False)
        if todo:
            sources = _opened([file for file, _ in todo], options)
            for page in read_pages(load(), sources, orientation, beams, [name for _, name in todo]):
                problems = _write(page, options, stream)
                left_out += len(problems)
                _report(problems)
                for note in page.notes:
                    say(f"note: {note}")
    return left_out


def _inputs(files: "Sequence[PageFile | Scan]", options: PageOptions) -> "list[PageFile | Scan]":
    """Return the pages without what an earlier run has written among them.

    Raises:
        ValueError: if two pages would be written to one file, or one over itself.
    """
    from trocr_gsa.data.pages.outputs import FORMATS

    if options.folder is None:
        return list(files)
    folder, suffix = options.folder.resolve(), options.suffix or FORMATS[options.format].suffix
    kept = kept_pictures(files, folder)
    targets: dict[Path, PageFile | Scan] = {}
    for file in files:
        path = file.path.resolve()
        is_output = path in kept or (path.is_relative_to(folder) and file.root.resolve() != folder)
        if is_output or (suffix != ".xml" and file.name.endswith(suffix)):
            continue
        target = (options.target(file.name) or path).resolve()
        if target == path:
            raise ValueError(f"`--output-dir`: {file.path} would be written over itself. Choose a folder, or --suffix.")
        if target in targets:
            both = f"{targets[target].path} and {file.path}"
            raise ValueError(f"`--output-dir`: {both} would both become {target}. Read them one after the other.")
        targets[target] = file
    return list(targets.values())


def _opened(files: "Sequence[PageFile | Scan]", options: PageOptions) -> "Iterable[PageSource]":
    """Return the pages, ready to be opened one after the other."""
    from trocr_gsa.data.pages import PageFile, Scan

    scans = [file for file in files if isinstance(file, Scan)]
    return find_lines(scans, options) if scans else [file for file in files if isinstance(file, PageFile)]


def _report(problems: Iterable[str]) -> None:
    for problem in problems:
        say(f"left out: {problem}")


def _is_done(file: "PageFile | Scan", options: PageOptions) -> bool:
    target = options.target(file.name)
    return target is not None and target.exists() and not options.overwrite


def _write(read: "ReadPage", options: PageOptions, stream: Any) -> list[str]:
    """Write what was read in a page; return what was not, a line each."""
    from trocr_gsa.atomic import write_bytes
    from trocr_gsa.data.pages import PageError
    from trocr_gsa.data.pages.listing import named_errors
    from trocr_gsa.data.pages.outputs import FORMATS

    page, format = read.page, FORMATS[options.format]
    if page is None:
        return read.problems
    if format.kind not in (None, page.kind):
        instead = f"{page.name}: is {page.kind}, which --format {options.format} does not fill in."
        return [f"{instead} Use --format {page.kind.lower()}."]
    sure, unsure = _judged(read, options.min_confidence)
    try:
        with named_errors(page.name):
            content = format.write(page, sure)
    except PageError as error:
        return [*read.problems, str(error)]
    target = options.target(read.file.name)
    if target is not None:
        write_bytes(target, format.header + content)
    else:
        typer.echo(content.decode(), file=stream, nl=False)
    return [*read.problems, *unsure]


def _judged(read: "ReadPage", least: float) -> "tuple[list[LineReading | None], list[str]]":
    """Return the readings that are sure enough, and a line for each that is not."""
    sure, unsure = list(read.readings), []
    for place, reading in enumerate(read.readings):
        if reading is not None and read.page is not None and not reading.confidence >= least:
            sure[place] = None
            name = read.page.line_name(read.page.lines[place])
            unsure.append(f"{name}: {reading.confidence:.3g} sure, less than {least:g}: {reading.text}")
    return sure, unsure
