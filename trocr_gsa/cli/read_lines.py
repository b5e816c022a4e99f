"""The part of `trocr-gsa read` for line images: prints lines at once, or writes them to a file by way of parts."""

import hashlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from .messages import ESCAPE, LEFT_OUT, interruptible, remark, report_notes, say
from .processes import Processes, are_several, join_processes
from .progress import Meter, progress
from .read_details import Details, unsure
from .read_places import Places, with_places

if TYPE_CHECKING:
    from PIL import Image

    from trocr_gsa.data.formats import OutputFormat
    from trocr_gsa.data.frames import PicturePage
    from trocr_gsa.reader import Line, LineReader

WINDOW = 256  # files between two outputs; inside a window, lines of similar length are read together


@dataclass(frozen=True)
class LineJob:
    """Line images to read, and the settings.

    Args:
        files: images of one line each.
        adapters: one for each file; None: the model alone.
        orientation: prior, as in `LineReader.read`.
        beams: number of beams.
        format: of the output.
        identity: returns further settings that distinguish this run from others, by the names of the options.
        load: loads the reader onto a device; called only if something is to be read.
        places: whether the output includes positions.
        details: alternatives, minimum confidence and correction queue.
    """

    files: "Sequence[str | PicturePage | dict[str, Any]]"
    adapters: Sequence[str | None]
    orientation: Any
    beams: int
    format: "OutputFormat"
    identity: Callable[[], dict[str, Any]]
    load: "Callable[[str | None], LineReader]"
    places: Places | None = None
    details: Details = field(default_factory=Details)

    def run(self) -> dict[str, Any]:
        """Return the settings that identify a run, so that it can be resumed."""
        names = "\0".join(map(str, self.files)).encode(errors="surrogateescape")
        pictures = f"{len(self.files)} with SHA-256 {hashlib.sha256(names).hexdigest()[:16]}"
        read_by = sorted({str(name) for name in self.adapters})
        shares = hashlib.sha256("\0".join(map(str, self.adapters)).encode()).hexdigest()[:16]
        where = {} if self.places is None else {"places": self.places}
        if self.details.alternatives:
            where = where | {"alternatives": self.details.alternatives}
        if self.details.also:
            where = where | {"also": list(self.details.also)}
        return (
            {
                "pictures": pictures,
                "adapters of the pictures": f"{', '.join(read_by)} with SHA-256 {shares}",
                "orientation": self.orientation
                if isinstance(self.orientation, str)
                else list(self.orientation.items()),
                "beams": self.beams,
                "format": self.format.name,
            }
            | where
            | self.identity()
        )


def read_lines(job: LineJob, output: Path | None, overwrite: bool, device: str | None) -> None:
    """Read line images, shared among the processes, and write the lines in the order given.

    Raises:
        ValueError: if several processes have no file to write to, or the file belongs to another run.
    """
    if output is not None and (output.is_file() or not output.exists()):
        with join_processes(device) as processes:
            left_out = _read_to_file(job, output, overwrite, processes)
    elif are_several():
        raise ValueError("`--output`: several processes would mix their lines. Add --output FILE.")
    else:
        left_out = _read_to_stream(job, output, device)
    if left_out:
        raise typer.Exit(LEFT_OUT)


def _read_to_stream(job: LineJob, output: Path | None, device: str | None) -> int:
    """Read and write each window of lines; return the number of lines left out."""
    reader = job.load(device)
    with output.open("w", encoding="utf-8", errors=ESCAPE) if output else nullcontext(sys.stdout) as stream:
        written = LineOutput(job, stream)
        kept = "what was printed so far is complete. Name a file with --output, and a stopped run continues."
        prints_results = stream is sys.stdout
        with interruptible(kept), progress("reading", len(job.files), prints_results=prints_results) as meter:
            for lines in _windows(job, reader, range(len(job.files)), meter):
                for line in lines.values():
                    written.add(line)
    return written.left_out + job.details.write_queue()


def _read_to_file(job: LineJob, output: Path, overwrite: bool, processes: Processes) -> int:
    """Read the images that no part has yet, and merge the parts; return the number of lines left out.

    Only the first process counts them, for all processes.
    """
    from trocr_gsa.reader.parts import Parts

    parts = Parts(output, job.run(), len(job.files))
    if processes.is_first:
        parts.begin(overwrite)
    processes.wait()
    parts.look()
    processes.wait()  # no process starts a part while another still lists the parts
    missing = parts.missing()
    if processes.is_first and len(missing) < len(job.files):
        remark(f"read before and kept: {len(job.files) - len(missing)} pictures; --overwrite reads them again")
    if own := processes.share(missing):
        with parts.kept_if_used():
            reader = job.load(processes.device)
        kept = f"the lines that were read are in {parts.folder}. The same command continues."
        with interruptible(kept), parts.writer() as add:
            with progress("reading", len(own), is_first=processes.is_first) as meter:
                for lines in _windows(job, reader, own, meter):
                    add(lines)
    processes.wait()
    if not processes.is_first:
        return 0
    parts.look()
    outputs: list[LineOutput] = []

    def open_output(stream: Any) -> "Callable[[Line], object]":
        outputs.append(LineOutput(job, stream))
        return outputs[0].add

    parts.merge(open_output)
    return len(parts.problems) + outputs[0].left_out + job.details.write_queue()


def _windows(job: LineJob, reader: "LineReader", places: Sequence[int], meter: Meter) -> "Iterator[dict[int, Line]]":
    """Yield the lines of the images at some indices, window by window, and report images that cannot be read."""
    for start in range(0, len(places), WINDOW):
        window = places[start : start + WINDOW]
        files, adapters = [job.files[place] for place in window], [job.adapters[place] for place in window]
        lines = reader.read(
            files,
            job.orientation,
            job.beams,
            adapter=adapters,
            with_words=job.places is not None,
            alternatives=job.details.alternatives,
            advance=meter.advance,
            also=job.details.also,
            language_model=job.details.language_model,
        )
        for line in lines:
            if line.error is not None:
                say(f"left out: {line.error}")
            elif line.note is not None:
                report_notes([f"{line.source}: {line.note}"])
        yield dict(zip(window, (with_places(line, job.places) for line in lines), strict=True))


def weights_identity(model: str | None, adapters: str | dict[str, str] | None) -> dict[str, Any]:
    """Return the names of model and adapters with digests of their weights, as weights may change under one name.

    Raises:
        ValueError: if an adapter's folder does not exist.
    """
    from trocr_gsa.checkpoints.loading import find_adapter
    from trocr_gsa.checkpoints.models import PACKAGED_CHECKPOINT

    named = {"": adapters} if isinstance(adapters, str) else adapters or {}
    return {
        "model": [model, _weights_of(PACKAGED_CHECKPOINT if model is None else model)],
        "adapter": [[name, source, _weights_of(find_adapter(source))] for name, source in named.items()],
    }


def _weights_of(source: str | Path) -> str | None:
    """Return the beginning of the weights' checksum; None if they are not on this machine."""
    from trocr_gsa.checkpoints.weights_digest import weights_digest

    found = weights_digest(source)
    return found and found[:16]


class LineOutput:
    """Writes lines in a format, after its header.

    Args:
        job: settings.
        stream: to write to.

    Attributes:
        left_out: number of lines that were not written.

    Raises:
        ValueError: if the format is for pages only.
    """

    def __init__(self, job: LineJob, stream: Any) -> None:
        from trocr_gsa.data.images import source_name

        self.job, self.stream, self.left_out = job, stream, 0
        self._write_line = job.format.line_writer()
        self._files = {source_name(file): file for file in job.files} if job.details.queue else {}
        typer.echo(job.format.line_header, file=stream, nl=False)

    def add(self, line: "Line") -> None:
        """Write a line if its confidence suffices, and offer it to the correction queue."""
        if line.error is not None:
            self.left_out += 1
            return
        queue, least = self.job.details.queue, self.job.details.min_confidence
        if queue is not None:
            queue.add(line, partial(_load, self._files[line.source], line.source))
        if not line.has_confidence(least):
            say(f"left out: {line.source}: {unsure(line, least)}")
            self.left_out += 1
            return
        typer.echo(self._write_line(line), file=self.stream, nl=False)


def _load(file: "str | PicturePage | dict[str, Any]", name: str) -> "Image.Image":
    from trocr_gsa.data.images import load_image

    return load_image(file, name)
