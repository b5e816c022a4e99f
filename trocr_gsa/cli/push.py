"""`trocr-gsa push`: uploads a model or an adapter, with its card and code, to the Hub."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from . import options
from .messages import say, silence_libraries, user_errors


@user_errors()
def push(
    folder: Annotated[
        Path, typer.Argument(help="Folder of a model or adapter, such as runs/lora_hand/best.", show_default=False)
    ],
    repo_id: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="Repository on the Hub.", show_default=False)],
    data: Annotated[
        list[str] | None, typer.Option(help="A source of training data, with its licence; once for each.")
    ] = None,
    license: Annotated[str | None, typer.Option(help="Licence of the weights: apache-2.0, cc-by-4.0 …")] = None,
    language: Annotated[list[str] | None, typer.Option(help="ISO 639 code, such as de; once for each.")] = None,
    base: Annotated[str | None, typer.Option(metavar="OWNER/NAME", help="The adapter's base model on the Hub.")] = None,
    evaluation: Annotated[
        list[Path] | None, typer.Option(help="File that `trocr-gsa evaluate --json` wrote; once for each file.")
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="Create a new repository as private.")] = False,
    dry_run: Annotated[
        Path | None, typer.Option(help="Write what would be uploaded to this folder, and upload nothing.")
    ] = None,
    trust_remote_code: options.TrustRemoteCode = False,
) -> None:
    """Publish a model or an adapter on the Hub, with a model card of its measurements and the code that it needs."""
    from trocr_gsa.atomic import write_folder
    from trocr_gsa.hub import Statement, assemble, check_token, upload

    silence_libraries()
    statement = Statement(repo_id, data or (), license, language or (), base, evaluation or ())
    if dry_run is None:
        check_token()
    elif dry_run.exists() and (dry_run.is_file() or any(dry_run.iterdir())):
        raise ValueError(f"`--dry-run`: {dry_run} is not empty. Name a new folder.")
    left_out: list[str] = []
    with TemporaryDirectory() as scratch:
        target = dry_run or Path(scratch) / "folder"

        def write(new: Path) -> None:
            left_out.extend(assemble(folder, new, statement, trust_remote_code).left_out)

        write_folder(target, write)
        for line in left_out:
            say(f"not published: {line}")
        typer.echo(target if dry_run else upload(target, repo_id, private))
