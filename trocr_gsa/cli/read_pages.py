"""The part of `trocr-gsa read` for whole pages: PAGE and ALTO files, or segmented images, are read and written."""

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from .inputs import STANDARD_INPUT, PageInputs, check_targets, files_named, unread_in
from .left_out import LeftOut
from .messages import LEFT_OUT, interruptible, remark, report_notes, say
from .options import adapter_of_each
from .page_parts import PageParts
from .processes import are_several, join_processes
from .progress import Meter, progress
from .read_details import Details, unsure
from .read_lines import LineJob
from .read_mets import list_in_mets
from .read_places import Places, with_places

if TYPE_CHECKING:
    from trocr_gsa.data.formats import OutputFormat
    from trocr_gsa.data.line import Line
    from trocr_gsa.data.pages import PageFile, PageSource, Scan, SegmentedPage
    from trocr_gsa.data.provenance import Provenance
    from trocr_gsa.reader import LineReader
    from trocr_gsa.reader.pages import ReadPage


@dataclass(frozen=True)
class PageOptions:
    """Options of `read` for pages.

    Args:
        format: of the output.
        output: one file for all pages; None: standard output.
        folder: for one file per page.
        suffix: of these files; None: the format's.
        overwrite: whether existing files are replaced.
        details: alternatives, minimum confidence and correction queue.
        places: whether the output includes positions.
        made_with: returns the provenance of a text from the name of its adapter.
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
        """Check that the options go together.

        Raises:
            ValueError: if they do not.
        """
        from trocr_gsa.data.images import PICTURE_SUFFIXES

        self.format.check_modules()
        is_file = self.output is not None and (self.output.is_file() or not self.output.exists())
        if self.format.join is not None and self.folder is None and not is_file:
            raise ValueError(f"`--format` {self.format.name} needs a file. Add --output FILE or --output-dir FOLDER.")
        if self.folder is None and not self.format.is_appendable:
            raise ValueError(f"`--format` {self.format.name} needs one file per page. Add --output-dir FOLDER.")
        if self.folder is None and self.mets:
            raise ValueError("`--mets` lists the files in --output-dir. Add --output-dir FOLDER.")
        if self.folder is None and self.suffix:
            raise ValueError("`--suffix` applies to files in --output-dir. Add --output-dir FOLDER.")
        if self.folder is None and self.output is None and self.overwrite:
            raise ValueError("`--overwrite` applies to existing files. Add --output or --output-dir.")
        if self.folder is not None and self.output is not None:
            raise ValueError("`--output` is one file, `--output-dir` one file per page. Give one of them.")
        if self.suffix is not None and ("/" in self.suffix or "." not in self.suffix):
            raise ValueError(f"`--suffix` must be an ending such as .read.xml, got {self.suffix}.")
        others = [each for each in (*PICTURE_SUFFIXES, ".pdf") if each != self.format.suffix]
        if self.suffix is not None and self.suffix.lower().endswith(tuple(others)):
            raise ValueError(
                f"`--suffix` {self.suffix} is a picture's, but the files contain text. Use an ending such as .read.xml."
            )

    def check_lines(self) -> None:
        """Check the options for line images: some are for pages only.

        Raises:
            ValueError: if one of these is used.
        """
        from trocr_gsa.data.formats import FORMATS

        if self.folder is not None or self.format.needs_layout:
            of_pages = ", ".join(each.name for each in FORMATS.values() if each.needs_layout)
            raise ValueError(
                f"`pictures`: there is no page (PAGE, ALTO) among them, but --output-dir and the formats {of_pages} "
                "are for pages. Give a page's XML file, or a folder of them; or add --segment, if the pictures show "
                "pages."
            )

    def target(self, page: str) -> Path | None:
        """Return the path of a page's file, from the page's name; None if all pages go to one file."""
        if self.folder is None:
            return None
        return self.folder / _beside(page, self.suffix_of_files)

    @property
    def suffix_of_files(self) -> str:
        """The ending of the files of pages."""
        return self.suffix or self.format.suffix


def find_scan_files(words: Sequence[str], group: str | None = None) -> "tuple[list[Scan], list[str]]":
    """Return the page images that the arguments name, and messages about inputs that cannot be opened.

    PAGE and ALTO files in a folder are ignored: the lines are found again.

    Raises:
        ValueError: if an argument names a PAGE or ALTO file, or a folder without images.
    """
    from trocr_gsa.data.pages import PageError, find_scans
    from trocr_gsa.data.pages.iiif import find_canvases, is_manifest, is_remote
    from trocr_gsa.data.pages.mets import is_mets, scans_in_mets
    from trocr_gsa.data.pages.page_files import XML_SUFFIXES

    scans: list[Scan] = []
    problems: list[str] = []
    for word in words:
        found = 0
        if word == STANDARD_INPUT:
            raise ValueError("`pictures`: - is the image of one line, but `--segment` reads pages. Give a file.")
        for name in [word] if is_remote(word) else files_named(word):
            if name.lower().endswith(XML_SUFFIXES) and not is_mets(Path(name)):
                raise ValueError(
                    f"`--segment` finds the lines of pictures and PDFs, but {name} says where its lines are. Read it "
                    "without --segment, or give its picture."
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
        report_notes(unread_in(Path(word)))
        if not found:
            raise ValueError(f"`pictures`: {word} contains no picture and no PDF. Give files, folders, or patterns.")
    return scans, problems


def find_lines(scans: "Sequence[Scan]", options: "PageOptions") -> "Iterator[SegmentedPage]":
    """Yield the pages with their lines; a page is segmented when it is requested.

    Raises:
        ValueError: if kraken is not installed.
    """
    from trocr_gsa.data.pages import KrakenSegmenter, segmented_pages

    keep = options.folder if options.format.needs_layout and not options.format.holds_pictures else None
    return segmented_pages(scans, KrakenSegmenter.find(), options.format.kind or "PAGE", keep)


def kept_pictures(files: "Sequence[PageFile | Scan]", folder: Path) -> set[Path]:
    """Return the paths under which the images of PDF pages would be kept in a folder."""
    from trocr_gsa.data.pages import Scan

    return {(folder / file.name).resolve() for file in files if isinstance(file, Scan) and not file.is_file}


def read_pages(
    inputs: PageInputs,
    options: PageOptions,
    uses: Sequence[str],
    adapters: str | dict[str, str] | None,
    load: "Callable[[str | None], LineReader]",
    identity: Callable[[], dict[str, Any]],
    orientation: Any,
    beams: int,
    device: str | None,
) -> None:
    """Read pages and write them; a page that was read before is skipped.

    Several processes share the remaining pages, and each reports problems with its own.

    Args:
        inputs: the pages; images without lines are segmented first.
        options: of the output.
        uses: values of `--use`.
        adapters: one, or several by name.
        load: loads the reader onto a device; called only if something is to be read.
        identity: returns further settings that distinguish this run from others, by the names of the options.
        orientation: prior of the lines' orientation on their pages.
        beams: number of beams.
        device: as the user names it.

    Raises:
        ValueError: if the options do not go together, or `--output` belongs to another run.
    """
    files = _inputs(inputs.files or (), options)
    if not files and not inputs.problems:
        raise ValueError("`pictures`: there is only the output of an earlier run. Give the pages themselves.")
    names = options.details.names_for_reading(adapters)
    chosen = adapter_of_each([str(file.path) for file in files], uses, names) if files else []
    if options.folder is None and are_several():
        raise ValueError("`--output-dir`: several processes need one file per page. Add --output-dir FOLDER.")
    parts = None
    if options.output is not None and (options.output.is_file() or not options.output.exists()):
        paths = [getattr(file, "url", str(file.path)) for file in files]
        format, places, details = options.format, options.places, options.details
        job = LineJob(paths, chosen, orientation, beams, format, identity, load, places, details)
        run = job.run() | {"min confidence": options.details.min_confidence}
        parts = PageParts(options.output, run, options.format.join)
        parts.begin(options.overwrite)
    with join_processes(device) as processes:
        waiting = [PageToRead(place, *pair) for place, pair in enumerate(zip(files, chosen, strict=True))]
        todo = [page for page in waiting if not _is_done(page, options, parts)]
        processes.wait()  # no process writes a page while another still lists them
        left_out = 0
        if processes.is_first:
            _remove_leftovers(todo, options)
            left_out = _report_before(inputs, waiting, todo, options, parts)
        own = processes.share(todo)
        prints_results = options.folder is None and options.output is None
        shown = progress("reading", len(own), "pages", processes.is_first, prints_results)
        with interruptible(_kept(options, parts)), shown as meter:
            left_out += _read_and_write(own, options, parts, lambda: load(processes.device), orientation, beams, meter)
        processes.wait()  # if a process ends with an error, the launcher ends the others
    if parts is not None:
        with interruptible(_kept(options, parts)):
            parts.merge(options.format.page_header, len(files))
    made = options.made_with(None)
    if options.mets and options.folder is not None and made is not None and processes.is_first:
        list_in_mets(files, options.folder, options.target, made)
    left_out += options.details.write_queue()
    if left_out:
        raise typer.Exit(LEFT_OUT)


def _kept(options: PageOptions, parts: PageParts | None) -> str:
    """Return what is kept if Ctrl-C is pressed."""
    folder = options.folder if parts is None else parts.folder
    if folder is None:
        return "what was printed so far is complete. With --output or --output-dir, a stopped run continues."
    return f"the finished pages are in {folder}. The same command continues."


@dataclass(frozen=True)
class PageToRead:
    """A page, its index among all pages, and the adapter that reads it, or None."""

    place: int
    file: "PageFile | Scan"
    adapter: str | None


def _remove_leftovers(todo: Sequence[PageToRead], options: PageOptions) -> None:
    """Remove incomplete files of a killed run from the output folders."""
    from trocr_gsa.atomic import remove_leftovers

    targets = (options.target(page.file.name) for page in todo)
    for folder in {target.parent for target in targets if target is not None}:
        remove_leftovers(folder)


def _report_before(
    inputs: PageInputs,
    waiting: Sequence[PageToRead],
    todo: Sequence[PageToRead],
    options: PageOptions,
    parts: PageParts | None,
) -> int:
    """Report what is known before a page is read; return the number of problems."""
    if len(todo) < len(waiting):
        there = len(waiting) - len(todo)
        remark(f"already there and left as they are: {there} pages; --overwrite reads them again")
    report_notes(inputs.notes)
    problems = list(inputs.problems)
    unread = {page.place for page in todo}
    for page in waiting:
        if page.place not in unread:
            problems += _problems_before(page, options, parts)
    _report(problems)
    return len(problems)


def _problems_before(page: PageToRead, options: PageOptions, parts: PageParts | None) -> list[str]:
    """Return the messages of the run that has read a page."""
    if parts is not None:
        return parts.problems(page.place)
    target = options.target(page.file.name)
    return [] if target is None or options.folder is None else LeftOut(options.folder).problems(target)


def _read_and_write(
    todo: Sequence[PageToRead],
    options: PageOptions,
    parts: PageParts | None,
    load: "Callable[[], LineReader]",
    orientation: Any,
    beams: int,
    meter: Meter,
) -> int:
    """Read pages, each with its adapter, and write them; return the number of problems."""
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
            wanted = (with_words, options.details.alternatives, options.details.offer)
            count_lines = partial(meter.update, None)
            details = options.details
            pages = read_pages(
                reader,
                sources,
                orientation,
                beams,
                adapters,
                *wanted,
                advance=count_lines,
                also=details.also,
                language_model=details.language_model,
            )
        for page in pages:
            while opened[0][1] is not page.file:  # not a page, but a file that accompanies pages
                opened.popleft()
            requested, _ = opened.popleft()
            content, problems = _as_written(page, options, requested.adapter)
            target = options.target(page.file.name)
            if content is None:
                pass
            elif target is not None and options.folder is not None:
                LeftOut(options.folder).keep(target, problems)
                write_bytes(target, header.encode() + content)
            elif parts is not None:
                parts.add(requested.place, content, problems)
            else:
                typer.echo(content.decode(), file=stream, nl=False)
            meter.update(meter.done + 1)
            left_out += len(problems)
            _report(problems)
            report_notes(page.notes)
    return left_out


def _inputs(files: "Sequence[PageFile | Scan]", options: PageOptions) -> "list[PageFile | Scan]":
    """Return the pages without the files that an earlier run has written beside them.

    Raises:
        ValueError: if two pages would be written to one file, or a page would replace itself.
    """
    if options.folder is None:
        return list(files)
    folder, suffix = options.folder.resolve(), options.suffix_of_files
    if options.format.holds_pictures and any(file.root.resolve() == folder for file in files):
        raise ValueError(
            f"`--output-dir`: {options.folder} is the folder of the pages. Choose another folder for PDFs."
        )
    kept = kept_pictures(files, folder)
    beside = {name for file in files if (name := _beside(file.name, suffix)) != file.name}
    targets: list[tuple[PageFile | Scan, Path]] = []
    for file in files:
        path = file.path.resolve()
        is_output = path in kept or (path.is_relative_to(folder) and file.root.resolve() != folder)
        if is_output or (suffix != ".xml" and file.name in beside):
            continue
        target = (options.target(file.name) or path).resolve()
        if target == path:
            raise ValueError(f"`--output-dir`: {file.path} would be overwritten. Choose another folder, or --suffix.")
        targets.append((file, target))
    check_targets(targets, "--output-dir")
    return [file for file, _ in targets]


def _beside(page: str, suffix: str) -> str:
    """Return the name that an earlier run has given to a page's file beside the page."""
    return str(Path(page).with_name(Path(page).stem + suffix))


def _sources(todo: Sequence[PageToRead], options: PageOptions) -> "Iterable[PageSource]":
    """Return the pages; images are segmented when they are requested."""
    from trocr_gsa.data.pages import PageFile, Scan

    scans = [page.file for page in todo if isinstance(page.file, Scan)]
    return find_lines(scans, options) if scans else [page.file for page in todo if isinstance(page.file, PageFile)]


def _in_turn(
    todo: Sequence[PageToRead], sources: "Iterable[PageSource]", opened: "deque[tuple[PageToRead, PageSource]]"
) -> "Iterator[PageSource]":
    """Yield pages, and append each to `opened` when it is requested."""
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
    """Return the content of a page's file, None if the page cannot be used, and messages about what was left out."""
    from trocr_gsa.data.pages import PageError
    from trocr_gsa.data.pages.conversion import filled_in

    if read.page is None:
        return None, read.problems
    confident, rejected = _split_by_confidence(read, options.details.min_confidence)
    lines = [None if line is None else with_places(line, options.places) for line in confident]
    try:
        content, notes = filled_in(read.page, lines, options.format, options.made_with(adapter))
    except PageError as error:
        return None, [*read.problems, str(error)]
    read.notes.extend(notes)
    return content, [*read.problems, *rejected]


def _split_by_confidence(read: "ReadPage", least: float) -> "tuple[list[Line | None], list[str]]":
    """Return the readings with None for those below a confidence, and a message for each of these."""
    confident, problems = list(read.readings), []
    for place, reading in enumerate(read.readings):
        if reading is not None and read.page is not None and not reading.has_confidence(least):
            confident[place] = None
            problems.append(f"{read.page.line_name(read.page.lines[place])}: {unsure(reading, least)}")
    return confident, problems
