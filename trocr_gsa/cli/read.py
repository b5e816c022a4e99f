"""`trocr-gsa read`: reads the text of line images and pages."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trocr_gsa.data.formats import FORMATS, find_format

from . import options
from .inputs import PageInputs, find_page_files, find_pictures
from .messages import silence_libraries, user_errors
from .options import adapter_of_each
from .read_details import adapters_asked_also, details_for, text_identity
from .read_lines import LineJob, read_lines, weights_identity
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
            help="Images of lines, or pages (PAGE, ALTO; with --segment also images and PDFs): files, folders, or "
            "patterns such as 'scans/**/*.png'. - is one image from standard input.",
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
            help="File to write to; it appears when all is read. A run that was stopped continues.",
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
            help="Files that a named adapter reads, such as 'letters/*=fr'; if several match, the last one counts. "
            "Other files are read without an adapter. Not needed with one adapter, which reads all files.",
        ),
    ] = None,
    also: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A named adapter that reads every line too, into a second text, such as date with --adapter "
            "date=FOLDER; in text, jsonl, csv and page. The first text is the same as without.",
        ),
    ] = None,
    orientation: Annotated[
        str,
        typer.Option(help="any; upright; possible angles, 0,180; or their probabilities, 0:0.9,180:0.1."),
    ] = "any",
    device: options.Device = None,
    beams: options.Beams = 1,
    precision: options.Precision = "fp32",
    output_dir: Annotated[
        Path | None,
        typer.Option(
            help="For pages: folder for one file per page. Pages whose file exists are skipped.",
            file_okay=False,
        ),
    ] = None,
    suffix: Annotated[
        str | None, typer.Option(help="Ending of these files, such as .read.xml.", show_default="the format's")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Read again what an earlier run has read.")] = False,
    segment: Annotated[
        bool, typer.Option("--segment", help="The images show pages: find their lines first, with kraken.")
    ] = False,
    mets: Annotated[bool, typer.Option("--mets", help="List the files in --output-dir in a METS file there.")] = False,
    file_group: Annotated[
        str | None, typer.Option(help="File group of a METS file whose pages or images are read.")
    ] = None,
    min_confidence: Annotated[
        float,
        typer.Option(min=0, max=1, help="Lines below it are listed and left out; on pages they keep their old text."),
    ] = 0.0,
    alternatives: Annotated[
        int, typer.Option(min=0, help="Number of most probable texts to write for each line, in jsonl and page.")
    ] = 0,
    queue: Annotated[
        int, typer.Option(min=0, help="Number of least certain lines to write to a folder for correction.")
    ] = 0,
    queue_dir: Annotated[Path, typer.Option(help="Folder for --queue.", file_okay=False)] = Path("queue"),
    words: Annotated[
        bool,
        typer.Option(
            "--words",
            help="Write the position of each word, in jsonl and in the formats for pages; hocr and pdf always have it.",
        ),
    ] = False,
    characters: Annotated[
        bool, typer.Option("--characters", help="Write the position of each word and of each of its characters.")
    ] = False,
    language_model: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="UTF-8 text in the language and spelling of the lines, to choose among the likely texts of each.",
        ),
    ] = None,
    trust_remote_code: options.TrustRemoteCode = False,
) -> None:
    """Read images of one line each, or whole pages line by line, in any orientation, in the order given."""
    from trocr_gsa.data.images import source_name
    from trocr_gsa.reader import LineReader

    silence_libraries()
    prior = options.parse_orientation(orientation)
    options.check_parent("--output", output)
    adapters = options.parse_adapters(adapter)
    others = adapters_asked_also(also or (), adapters)
    chosen = find_format(format).with_also(others)
    places = places_for("characters" if characters else "words" if words else None, chosen)
    settings = {"orientation": orientation, "beams": beams, "precision": precision}
    if min_confidence:
        settings["least confidence"] = min_confidence
    details = details_for(chosen, alternatives, min_confidence, queue, queue_dir, others, language_model)
    learnt_from = text_identity(language_model)
    settings |= learnt_from
    made_with = provenance_of(model, adapters, settings, others)
    page_options = PageOptions(chosen, output, output_dir, suffix, overwrite, details, places, made_with, mets)
    page_options.check()

    def load(own_device: str | None) -> "LineReader":
        return LineReader.from_pretrained(model, adapters, own_device, precision, trust_remote_code)

    def identity() -> dict[str, Any]:
        return weights_identity(model, adapters) | {"precision": precision} | learnt_from

    if segment:
        pages = PageInputs(*find_scan_files(pictures, file_group))
    else:
        pages = find_page_files(pictures, chosen.kind or "PAGE", file_group)
    if pages.files is not None:
        options.check_apart("--output", output, pages.files)
        read_pages(pages, page_options, use or (), adapters, load, identity, prior, beams, device)
        return
    page_options.check_lines()
    files = list(find_pictures(pictures))
    options.check_apart("--output", output, files)
    names = details.names_for_reading(adapters)
    by_file = adapter_of_each([source_name(file) for file in files], use or (), names)
    job = LineJob(files, by_file, prior, beams, chosen, identity, load, places, details)
    read_lines(job, output, overwrite, device)
