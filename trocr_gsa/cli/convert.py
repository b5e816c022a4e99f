"""`trocr-gsa convert`: a stock TrOCR becomes a reader that works whichever way up."""

from pathlib import Path
from typing import Annotated

import typer

from . import options
from .messages import LEFT_OUT, report_left_out, silence_libraries, user_errors


@user_errors()
def convert(
    source: Annotated[str, typer.Argument(help="A stock TrOCR: a folder, or its name on the Hub.", show_default=False)],
    out: Annotated[Path, typer.Argument(help="Folder to write to.", show_default=False)],
    group: Annotated[str, typer.Option(help="Turns under which it shall read: C1 C2 C4 D1 D2 D4.")] = "C4",
    pose_layers: Annotated[
        int | None,
        typer.Option(help="Layers behind the first in which every pose is seen.", show_default="a third of all"),
    ] = None,
    teach_orientation: Annotated[
        list[str] | None,
        typer.Option(
            "--teach-orientation",
            "--calibrate",  # its name in version 0.1.0
            help="Upright lines, without texts, to learn from which way is up: files, folders or patterns.",
        ),
    ] = None,
    minutes: Annotated[float, typer.Option(min=0, help="Most time for --teach-orientation.")] = 10.0,
    device: options.Device = None,
    trust_remote_code: options.TrustRemoteCode = False,
) -> None:
    """Take over every weight of a stock TrOCR; with --teach-orientation it also learns which way up a line is."""
    from trocr_gsa.atomic import write_folder
    from trocr_gsa.checkpoints.loading import choose_device
    from trocr_gsa.data.names import check_folder
    from trocr_gsa.model.modeling_trocr_gsa import TrOCRGSAModel
    from trocr_gsa.model.processing_trocr_gsa import TrOCRGSAProcessor
    from trocr_gsa.train.teach_orientation import teach_orientation as teach

    from .inputs import find_pictures

    silence_libraries()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"`out`: {out} is there already. Choose another folder.")
    check_folder("source", source, "a stock TrOCR's folder")
    pictures = list(find_pictures(teach_orientation or []))
    place = choose_device(device)
    model = TrOCRGSAModel.from_trocr(source, group, pose_layers, trust_remote_code=trust_remote_code)
    processor = TrOCRGSAProcessor.from_trocr(source, trust_remote_code=trust_remote_code)
    problems: list[str] = []
    if pictures:
        model.to(place)  # pyright: ignore[reportArgumentType]
        result = teach(model, processor, pictures, max_minutes=minutes)
        problems = result.problems
        judged = "no picture was set aside to judge it"
        if result.accuracy is not None:
            judged = f"right on {result.accuracy:.1%} of {result.held_out} pictures set aside"
        typer.echo(f"which way up: {result.steps} steps in {result.minutes:.1f} minutes, {judged}")

    def write(folder: Path) -> None:
        model.save_pretrained(folder)
        processor.save_pretrained(folder)

    write_folder(out, write)
    typer.echo(f"{out}: group {group}, {model.encoder.config.pose_layers} layers see every pose")
    if not pictures and model.encoder.group.order > 1:
        typer.echo(
            "It cannot tell yet which way is up: give --orientation upright to `read`, or use --teach-orientation."
        )
    report_left_out(problems)
    if problems:
        raise typer.Exit(LEFT_OUT)
