"""`trocr-gsa export`: writes a model, with its adapter, as ONNX files."""

from pathlib import Path
from typing import Annotated

import typer

from . import options
from .messages import silence_libraries, user_errors


@user_errors()
def export(
    model: Annotated[str, typer.Argument(help="A checkpoint's folder or Hub id.", show_default=False)],
    out: Annotated[Path, typer.Argument(help="Folder to write to.", show_default=False)],
    adapter: options.Adapter = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="Round the weights to 8 bits: smaller files; some texts may change.")
    ] = False,
    trust_remote_code: options.TrustRemoteCode = False,
) -> None:
    """Write encoder and decoder for onnxruntime, to read with `read --model OUT`; needs trocr-gsa[onnx]."""
    from trocr_gsa.onnx import export_reader
    from trocr_gsa.reader import LineReader

    silence_libraries()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"`out`: {out} already exists. Choose another folder.")
    reader = LineReader.from_pretrained(model, adapter, "cpu", trust_remote_code=trust_remote_code)
    difference = export_reader(reader, out, int8)
    size = sum(path.stat().st_size for path in out.glob("*.onnx*")) / 1e6
    rounded = ", before rounding to 8 bits" if int8 else ""
    typer.echo(f"{out}: {size:.1f} MB, differs from PyTorch by at most {difference:.0e} of the largest value{rounded}")
