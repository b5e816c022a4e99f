"""`trocr-gsa convert`: turns a stock TrOCR into an equivariant reader."""

from pathlib import Path
from typing import Annotated

import typer

from . import options
from .messages import LEFT_OUT, interruptible, report_left_out, silence_libraries, user_errors
from .progress import progress


@user_errors()
def convert(
    source: Annotated[str, typer.Argument(help="A stock TrOCR: a folder, or its name on the Hub.", show_default=False)],
    out: Annotated[Path, typer.Argument(help="Folder to write to.", show_default=False)],
    group: Annotated[str, typer.Option(help="Symmetry group of the new reader: C1 C2 C4 D1 D2 D4.")] = "C4",
    pose_layers: Annotated[
        int | None,
        typer.Option(help="Layers after the first that compute all poses.", show_default="a third of all"),
    ] = None,
    teach_orientation: Annotated[
        list[str] | None,
        typer.Option(
            "--teach-orientation",
            "--calibrate",  # its name in version 0.1.0
            help="Upright line images, without texts, to train the pose head: files, folders or patterns.",
        ),
    ] = None,
    minutes: Annotated[float, typer.Option(min=0, help="Maximum time for --teach-orientation.")] = 10.0,
    device: options.Device = None,
    trust_remote_code: options.TrustRemoteCode = False,
) -> None:
    """Take over every weight of a stock TrOCR; with --teach-orientation it also learns to find orientations."""
    from trocr_gsa.atomic import write_folder
    from trocr_gsa.checkpoints.loading import choose_device
    from trocr_gsa.data.names import check_folder
    from trocr_gsa.model.modeling_trocr_gsa import TrOCRGSAModel
    from trocr_gsa.model.processing_trocr_gsa import TrOCRGSAProcessor
    from trocr_gsa.train.teach_orientation import teach_orientation as teach

    from .inputs import find_pictures

    silence_libraries()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"`out`: {out} already exists. Choose another folder.")
    check_folder("source", source, "a stock TrOCR's folder")
    pictures = list(find_pictures(teach_orientation or []))
    chosen_device = choose_device(device)
    model = TrOCRGSAModel.from_trocr(source, group, pose_layers, trust_remote_code=trust_remote_code)
    processor = TrOCRGSAProcessor.from_trocr(source, trust_remote_code=trust_remote_code)
    problems: list[str] = []
    if pictures:
        model.to(chosen_device)  # pyright: ignore[reportArgumentType]
        with interruptible(f"{out} was not written. The same command starts again; --minutes limits its time."):
            with progress("teaching the orientation", 1, unit="") as meter:
                result = teach(model, processor, pictures, max_minutes=minutes, show=meter.update)
        problems = result.problems
        accuracy = "not measured, as there are too few images to hold some out"
        if result.accuracy is not None:
            accuracy = f"correct for {result.accuracy:.1%} of {result.held_out} held-out images"
        typer.echo(f"orientation: {accuracy}; {result.steps} steps in {result.minutes:.1f} minutes")

    def write(folder: Path) -> None:
        model.save_pretrained(folder)
        processor.save_pretrained(folder)

    write_folder(out, write)
    typer.echo(f"{out}: group {group}, {model.encoder.config.pose_layers} layers compute all poses")
    if not pictures and model.encoder.group.order > 1:
        typer.echo("It cannot find orientations yet: give --orientation upright to `read`, or use --teach-orientation.")
    report_left_out(problems)
    if problems:
        raise typer.Exit(LEFT_OUT)
