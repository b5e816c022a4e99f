"""The part of `trocr-gsa read` for whole pages: PAGE and ALTO files in, the same files out, read."""

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from .inputs import PageInputs, files_named
from .messages import LEFT_OUT, report_notes, say
from .options import adapter_of_each
from .page_parts import PageParts
from .processes import are_several, joined
from .read_details import Details, unsure
from .read_lines import LineJob
from .read_mets import list_in_mets
from .read_places import Places, as_asked

if TYPE_CHECKING:
    from trocr_gsa.data.formats import OutputFormat
    from trocr_gsa.data.line import Line
    from trocr_gsa.data.pages import PageFile, PageSource, Scan, SegmentedPage
    from trocr_gsa.data.provenance import Provenance
    from trocr_gsa.reader import LineReader
    from trocr_gsa.reader.pages import ReadPage


@dataclass(frozen=True)
class PageOptions:
    """What the options of `read` say about pages.

    Args:
        format: of the pages.
        output: file for all pages together; None: standard output.
        folder: for a file a page.
        suffix: of these files; None: the format's.
        overwrite: files that are there already.
        details: what is asked for beside the texts.
        places: what shall have its place on the page.
        made_with: the name of the adapter that reads a page → what made its text.
        mets: whether the files are listed in a METS file.
    """

    format: "OutputFormat"
    output: Path | None = None
    folder: Path | None = None
    suffix: str | None = None
    overwrite: bool = False
    details: Details = field(default_factory=Details)
    places: Places | None = None
    made_with: "Callable[[str | None], Provenance | None]" = lambda adapter: None
    mets: bool = False

    def check(self) -> None:
        """Refuse what does not go together.

        Raises:
            ValueError: if it does not.
        """
        from trocr_gsa.data.images import PICTURE_SUFFIXES

        self.format.check_modules()
        is_file = self.output is not None and (self.output.is_file() or not self.output.exists())
        if self.format.join is not None and self.folder is None and not is_file:
            raise ValueError(f"`--format` {self.format.name} makes files. Add --output FILE or --output-dir FOLDER.")
        if self.folder is None and not self.format.is_appendable:
            raise ValueError(f"`--format` {self.format.name} makes a file of every page. Add --output-dir FOLDER.")
        if self.folder is None and self.mets:
            raise ValueError("`--mets` lists the files in --output-dir. Add --output-dir FOLDER.")
        if self.folder is None and self.suffix:
            raise ValueError("`--suffix` is about files in --output-dir. Add --output-dir FOLDER.")
        if self.folder is None and self.output is None and self.overwrite:
            raise ValueError("`--overwrite` is about files that are there already. Add --output or --output-dir.")
        if self.folder is not None and self.output is not None:
            raise ValueError("`--output` is one file, `--output-dir` a file for every page. Give one of them.")
        if self.suffix is not None and ("/" in self.suffix or "." not in self.suffix):
            raise ValueError(f"`--suffix` must be an ending such as .read.xml, got {self.suffix}.")
        others = [each for each in (*PICTURE_SUFFIXES, ".pdf") if each != self.format.suffix]
        if self.suffix is not None and self.suffix.lower().endswith(tuple(others)):
            raise ValueError(f"`--suffix` {self.suffix} is a picture's, and texts are written. Use .read.xml or such.")

    def refuse(self) -> None:
        """Refuse, where there are pictures of lines, what makes sense for pages alone.

        Raises:
            ValueError: if it is asked for.
        """
        from trocr_gsa.data.formats import FORMATS

        if self.folder is not None or self.format.needs_layout:
            of_pages = ", ".join(each.name for each in FORMATS.values() if each.needs_layout)
            raise ValueError(
                "`pictures`: there is no page (PAGE, ALTO) among them, which --output-dir and the "
                f"formats {of_pages} are for. Give a page's XML file, or a folder of them; or --segment, if "
                "these are pictures of pages."
            )

    def target(self, page: str) -> Path | None:
        """Where the file of a page goes, by the page's name; None if all go to one place."""
        if self.folder is None:
            return None
        name = Path(page)
        return self.folder / name.with_name(name.stem + self.suffix_of_files)

    @property
    def suffix_of_files(self) -> str:
        """The ending of a page's file."""
        return self.suffix or self.format.suffix


def find_scan_files(words: Sequence[str], group: str | None = None) -> "tuple[list[Scan], list[str]]":
    """Return the pages that the words mean, and of PDFs that cannot be opened what is wrong.

    PAGE and ALTO files that lie in a folder are left alone: the lines are found anew.

    Raises:
        ValueError: if a word means a PAGE or ALTO file itself, or a folder without pictures.
    """
    from trocr_gsa.data.pages import PageError, find_scans
    from trocr_gsa.data.pages.iiif import find_canvases, is_manifest, is_remote
    from trocr_gsa.data.pages.mets import is_mets, scans_in_mets
    from trocr_gsa.data.pages.page_files import XML_SUFFIXES

    scans: list[Scan] = []
    problems: list[str] = []
    for word in words:
        found = 0
        for name in [word] if is_remote(word) else files_named(word):
            if name.lower().endswith(XML_SUFFIXES) and not is_mets(Path(name)):
                raise ValueError(
                    f"`--segment` finds the lines of pictures and PDFs, and {name} says where its lines are. Read it "
                    "without --segment, or name its picture."
                )
            try:
                if is_manifest(name):
                    some, wrong = find_canvases(name)
                elif Path(name).is_file() and is_mets(Path(name)):
                    some, wrong = scans_in_mets(Path(name), group)
                else:
                    some, wrong = find_scans(Path(name))
            except PageError as error:
                some, wrong = [], [str(error)]
            scans += some
            problems += wrong
            found += len(some) + len(wrong)
        if not found:
            raise ValueError(f"`pictures`: {word} holds no picture and no PDF. Give files, folders, or patterns.")
    return scans, problems


def find_lines(scans: "Sequence[Scan]", options: "PageOptions") -> "Iterator[SegmentedPage]":
    """Return the pages with their lines, which are found while they are asked for.

    Raises:
        ValueError: if kraken is not installed.
    """
    from trocr_gsa.data.pages import KrakenSegmenter, segmented_pages

    keep = options.folder if options.format.needs_layout and not options.format.holds_pictures else None
    return segmented_pages(scans, KrakenSegmenter.find(), options.format.kind or "PAGE", keep)


def kept_pictures(files: "Sequence[PageFile | Scan]", folder: Path) -> set[Path]:
    """Return where the pictures of PDF pages would be kept in a folder."""
    from trocr_gsa.data.pages import Scan

    return {(folder / file.name).resolve() for file in files if isinstance(file, Scan) and not file.is_file}


def read_pages(
    inputs: PageInputs,
    options: PageOptions,
    uses: Sequence[str],
    adapters: str | dict[str, str] | None,
    load: "Callable[[str | None], LineReader]",
    asked: Callable[[], dict[str, Any]],
    orientation: Any,
    beams: int,
    device: str | None,
) -> None:
    """Read pages and write them; a page that was read before is passed over.

    Several processes share what is left of the pages, and each answers for its own.

    Args:
        inputs: the pages; those of which there is only a picture have their lines found first.
        options: where they go, and how.
        uses: `--use`.
        adapters: by name.
        load: device → the reader, once it is known to be needed.
        asked: () → what else tells one run from another, by the names of the options.
        orientation: prior of the lines as they lie on their pages.
        beams: texts followed side by side.
        device: to read on, as the user names it.

    Raises:
        ValueError: if the options do not go together, or `--output` was begun by another run.
    """
    files = _inputs(inputs.files or (), options)
    if not files and not inputs.problems:
        raise ValueError("`pictures`: holds only what an earlier run has written. Give the pages themselves.")
    names = adapters if isinstance(adapters, dict) else ()
    chosen = adapter_of_each([str(file.path) for file in files], uses, names) if files else []
    if options.folder is None and are_several():
        raise ValueError("`--output-dir`: several processes need a file for every page. Add --output-dir FOLDER.")
    parts = None
    if options.output is not None and (options.output.is_file() or not options.output.exists()):
        paths = [getattr(file, "url", str(file.path)) for file in files]
        job = LineJob(paths, chosen, orientation, beams, options.format, asked, load, options.places, options.details)
        run = job.run() | {"min confidence": options.details.min_confidence}
        parts = PageParts(options.output, run, options.format.join)
        parts.begin(options.overwrite)
    with joined(device) as processes:
        waiting = [PageToRead(place, *pair) for place, pair in enumerate(zip(files, chosen, strict=True))]
        todo = [page for page in waiting if not _is_done(page, options, parts)]
        processes.wait()  # nobody writes a page while another still looks which are there
        left_out = 0
        if processes.is_first:
            _remove_leftovers(todo, options)
            left_out = _report_before(inputs, waiting, todo, parts)
        own = processes.share(todo)
        left_out += _read_and_write(own, options, parts, lambda: load(processes.device), orientation, beams)
        processes.wait()  # a process that ends with an error has the launcher end the others
    if parts is not None:
        parts.merge(options.format.page_header, len(files))
    made = options.made_with(None)
    if options.mets and options.folder is not None and made is not None and processes.is_first:
        list_in_mets(files, options.folder, options.target, made)
    left_out += options.details.write_queue()
    if left_out:
        raise typer.Exit(LEFT_OUT)


@dataclass(frozen=True)
class PageToRead:
    """A page, its place among all that were given, and the adapter that reads it, or None."""

    place: int
    file: "PageFile | Scan"
    adapter: str | None


def _remove_leftovers(todo: Sequence[PageToRead], options: PageOptions) -> None:
    """Remove what a killed run had begun to write where pages will be written."""
    from trocr_gsa.atomic import remove_leftovers

    targets = (options.target(page.file.name) for page in todo)
    for folder in {target.parent for target in targets if target is not None}:
        remove_leftovers(folder)


def _report_before(
    inputs: PageInputs, waiting: Sequence[PageToRead], todo: Sequence[PageToRead], parts: PageParts | None
) -> int:
    """Say what is known before a page is read; return how much was left out."""
    if len(todo) < len(waiting):
        there = len(waiting) - len(todo)
        say(f"already there and left as they are: {there} pages; --overwrite reads them again")
    report_notes(inputs.notes)
    problems = list(inputs.problems)
    if parts is not None:
        done = {page.place for page in waiting} - {page.place for page in todo}
        problems += [problem for place in sorted(done) for problem in parts.problems(place)]
    _report(problems)
    return len(problems)


def _read_and_write(
    todo: Sequence[PageToRead],
    options: PageOptions,
    parts: PageParts | None,
    load: "Callable[[], LineReader]",
    orientation: Any,
    beams: int,
) -> int:
    """Read pages, each with its adapter, and write them; return how much was left out."""
    from trocr_gsa.atomic import open_atomically, write_bytes
    from trocr_gsa.reader.pages import read_pages

    left_out, header = 0, options.format.page_header
    pipe = options.output if parts is None else None
    with open_atomically(pipe) if pipe else nullcontext(sys.stdout) as stream:
        if options.folder is None and parts is None:
            typer.echo(header, file=stream, nl=False)
        opened: deque[tuple[PageToRead, PageSource]] = deque()
        sources = _in_turn(todo, _sources(todo, options), opened)
        pages = ()
        if todo:
            reader, adapters = load(), [page.adapter for page in todo]
            with_words = options.places is not None or (options.format.wants_words and reader.can_place_words)
            details = options.details
            pages = read_pages(
                reader, sources, orientation, beams, adapters, with_words, details.alternatives, details.see
            )
        for page in pages:
            while opened[0][1] is not page.file:  # no page, but something that lies beside pages
                opened.popleft()
            asked, _ = opened.popleft()
            content, problems = _as_written(page, options, asked.adapter)
            target = options.target(page.file.name)
            if content is None:
                pass
            elif target is not None:
                write_bytes(target, header.encode() + content)
            elif parts is not None:
                parts.add(asked.place, content, problems)
            else:
                typer.echo(content.decode(), file=stream, nl=False)
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
    if options.folder is None:
        return list(files)
    folder, suffix = options.folder.resolve(), options.suffix_of_files
    if options.format.holds_pictures and any(file.root.resolve() == folder for file in files):
        raise ValueError(
            f"`--output-dir`: {options.folder} holds the pages themselves. Choose another folder for PDFs."
        )
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


def _sources(todo: Sequence[PageToRead], options: PageOptions) -> "Iterable[PageSource]":
    """Return the pages, ready to be opened one after the other."""
    from trocr_gsa.data.pages import PageFile, Scan

    scans = [page.file for page in todo if isinstance(page.file, Scan)]
    return find_lines(scans, options) if scans else [page.file for page in todo if isinstance(page.file, PageFile)]


def _in_turn(
    todo: Sequence[PageToRead], sources: "Iterable[PageSource]", opened: "deque[tuple[PageToRead, PageSource]]"
) -> "Iterator[PageSource]":
    """Yield pages, and note each as it is asked for."""
    for page, source in zip(todo, sources, strict=True):
        opened.append((page, source))
        yield source


def _report(problems: Iterable[str]) -> None:
    for problem in problems:
        say(f"left out: {problem}")


def _is_done(page: PageToRead, options: PageOptions, parts: PageParts | None) -> bool:
    if parts is not None:
        return parts.holds(page.place)
    target = options.target(page.file.name)
    return target is not None and target.exists() and not options.overwrite


def _as_written(read: "ReadPage", options: PageOptions, adapter: str | None) -> tuple[bytes | None, list[str]]:
    """Return what is to be written of a page, None if it could not be used, and what was left out, a line each."""
    from trocr_gsa.data.formats import FORMATS
    from trocr_gsa.data.pages import PageError
    from trocr_gsa.data.pages.page_files import named_errors

    page, format = read.page, options.format
    if page is None:
        return None, read.problems
    if format.kind not in (None, page.kind):
        fitting = next(name for name, each in FORMATS.items() if each.kind == page.kind)
        instead = f"which --format {format.name} does not fill in. Use --format {fitting}."
        return None, [f"{page.name}: is {page.kind}, {instead}"]
    sure, too_unsure = _judged(read, options.details.min_confidence)
    sure = [None if line is None else as_asked(line, options.places) for line in sure]
    try:
        with named_errors(page.name):
            content = format.write_page(page, sure, options.made_with(adapter))
    except PageError as error:
        return None, [*read.problems, str(error)]
    return content, [*read.problems, *too_unsure]


def _judged(read: "ReadPage", least: float) -> "tuple[list[Line | None], list[str]]":
    """Return the readings that are sure enough, and a line for each that is not."""
    sure, problems = list(read.readings), []
    for place, reading in enumerate(read.readings):
        if reading is not None and read.page is not None and not reading.confidence >= least:
            sure[place] = None
            problems.append(f"{read.page.line_name(read.page.lines[place])}: {unsure(reading, least)}")
    return sure, problems
