"""`trocr-gsa read`: text out of pictures."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trocr_gsa.data.formats import FORMATS, find_format

from . import options
from .inputs import PageInputs, find_page_files, find_pictures
from .messages import silence_libraries, user_errors
from .options import adapter_of_each
from .read_details import details_for
from .read_lines import LineJob, read_lines, weights_asked_for
from .read_pages import PageOptions, find_scan_files, read_pages
from .read_places import places_for
from .read_provenance import provenance_of

if TYPE_CHECKING:
    from trocr_gsa.reader import LineReader


@user_errors()
def read(
    pictures: Annotated[
        list[str],
        typer.Argument(
            help="Pictures of lines, or pages (PAGE, ALTO; with --segment also pictures and PDFs): files, folders, "
            "patterns such as 'scans/**/*.png'.",
            show_default=False,
        ),
    ],
    format: Annotated[
        str,
        typer.Option(
            metavar=f"[{'|'.join(FORMATS)}]",
            help="; ".join(f"{each.name}: {each.summary}" for each in FORMATS.values()) + ".",
        ),
    ] = "text",
    output: Annotated[
        Path | None,
        typer.Option(
            help="File to write to; it appears when all is read, and a run that was stopped goes on.",
            dir_okay=False,
            show_default="standard output",
        ),
    ] = None,
    model: options.Model = None,
    adapter: options.Adapters = None,
    use: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN=NAME",
            help="Files that a named adapter reads, such as 'letters/*=fr'; of several that match, the last. Other "
            "files are read without. Not needed with one adapter: it reads all.",
        ),
    ] = None,
    orientation: Annotated[
        str,
        typer.Option(help="any; upright; the angles that occur, 0,180; with their odds, 0:0.9,180:0.1."),
    ] = "any",
    device: options.Device = None,
    beams: options.Beams = 1,
    precision: options.Precision = "fp32",
    output_dir: Annotated[
        Path | None,
        typer.Option(
            help="Of pages: folder for a file a page. Pages that have theirs already are passed over.",
            file_okay=False,
        ),
    ] = None,
    suffix: Annotated[
        str | None, typer.Option(help="Ending of these files, such as .read.xml.", show_default="the format's")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Read again what was read before.")] = False,
    segment: Annotated[
        bool, typer.Option("--segment", help="Pictures are of pages: find their lines first, with kraken.")
    ] = False,
    mets: Annotated[bool, typer.Option("--mets", help="List the files in --output-dir in a METS file there.")] = False,
    file_group: Annotated[
        str | None, typer.Option(help="Of a METS file, the group whose pages or images are read.")
    ] = None,
    min_confidence: Annotated[
        float,
        typer.Option(min=0, max=1, help="Lines less sure are listed and left out; those of pages keep their text."),
    ] = 0.0,
    alternatives: Annotated[
        int, typer.Option(min=0, help="The most probable texts of each line, so many, in jsonl and page.")
    ] = 0,
    queue: Annotated[
        int, typer.Option(min=0, help="Write so many of the least certain lines into a folder, to be corrected.")
    ] = 0,
    queue_dir: Annotated[Path, typer.Option(help="That folder.", file_okay=False)] = Path("queue"),
    words: Annotated[
        bool, typer.Option("--words", help="Say where each word is, in jsonl and in the formats for pages.")
    ] = False,
    characters: Annotated[
        bool, typer.Option("--characters", help="Say where each word and each of its characters is.")
    ] = False,
    trust_remote_code: options.TrustRemoteCode = False,
) -> None:
    """Read pictures of one line each, or whole pages line by line, whichever way up, in the order given."""
    from trocr_gsa.reader import LineReader

    silence_libraries()
    prior = options.parse_orientation(orientation)
    options.check_parent("--output", output)
    adapters = options.parse_adapters(adapter)
    chosen = find_format(format)
    places = places_for("characters" if characters else "words" if words else None, chosen)
    settings = {"orientation": orientation, "beams": beams, "precision": precision}
    if min_confidence:
        settings["least confidence"] = min_confidence
    made_with = provenance_of(model, adapters, settings)
    details = details_for(chosen, alternatives, min_confidence, queue, queue_dir)
    page_options = PageOptions(chosen, output, output_dir, suffix, overwrite, details, places, made_with, mets)
    page_options.check()

    def load(own: str | None) -> "LineReader":
        return LineReader.from_pretrained(model, adapters, own, precision, trust_remote_code)

    def asked() -> dict[str, Any]:
        return weights_asked_for(model, adapters) | {"precision": precision}

    if segment:
        pages = PageInputs(*find_scan_files(pictures, file_group))
    else:
        pages = find_page_files(pictures, chosen.kind or "PAGE", file_group)
    if pages.files is not None:
        read_pages(pages, page_options, use or (), adapters, load, asked, prior, beams, device)
        return
    page_options.refuse()
    files = list(find_pictures(pictures))
    by_file = adapter_of_each([str(file) for file in files], use or (), adapters if isinstance(adapters, dict) else ())
    job = LineJob(files, by_file, prior, beams, chosen, asked, load, places, details)
    read_lines(job, output, overwrite, device)
