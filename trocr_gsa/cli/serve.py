"""`trocr-gsa serve`: a web page to try a reader, an HTTP API, or pages to correct lines and to teach the reader."""

import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import options
from .messages import report_left_out, say, silence_libraries, user_errors
from .read_provenance import provenance_of

if TYPE_CHECKING:
    from trocr_gsa.reader import LineReader

UPLOAD, PIXELS, LINES, WAITING = 30, 60, 500, 32  # default limits of the HTTP API; MiB, million pixels


@user_errors()
def serve(
    model: options.Model = None,
    adapter: options.Adapters = None,
    device: options.Device = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 allows the whole network.")] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65535,
            help="Port to listen on.",
            show_default="first free from 7860; 8000 with --api and --correct",
        ),
    ] = None,
    trust_remote_code: options.TrustRemoteCode = False,
    api: Annotated[bool, typer.Option("--api", help="Serve the HTTP API instead of the page.")] = False,
    correct: Annotated[
        Path | None,
        typer.Option(
            help="Folder of lines, or of PAGE or ALTO files: serve pages to correct its texts and to learn from them.",
            file_okay=False,
        ),
    ] = None,
    learned: Annotated[
        Path | None,
        typer.Option(help="With --correct: folder for adapters.", file_okay=False, show_default="FOLDER-learned"),
    ] = None,
    max_upload: Annotated[int, typer.Option(min=1, help="With --api: largest upload, in MiB.")] = UPLOAD,
    max_pixels: Annotated[int, typer.Option(min=1, help="With --api: largest picture, in million pixels.")] = PIXELS,
    max_lines: Annotated[int, typer.Option(min=1, help="With --api: most lines of a page.")] = LINES,
    max_waiting: Annotated[int, typer.Option(min=1, help="With --api: most requests at once.")] = WAITING,
) -> None:
    """Serve a web page that reads and rotates images, an HTTP API (--api), or pages to correct lines (--correct).

    Needs trocr-gsa[demo].
    """
    silence_libraries()
    if learned is not None and correct is None:
        raise ValueError("`--learned` is a folder for the adapters of --correct. Add --correct, or leave it out.")
    if (max_upload, max_pixels, max_lines, max_waiting) != (UPLOAD, PIXELS, LINES, WAITING) and not api:
        raise ValueError("`--max-…` options are limits of the HTTP API. Add --api, or leave them out.")
    adapters = options.parse_adapters(adapter)

    def ready(address: str) -> None:
        say(f"reading at {address} (Ctrl-C ends it)")

    def load(own_adapters: Any) -> "LineReader":
        from trocr_gsa.reader import LineReader

        return LineReader.from_pretrained(model, own_adapters, device, trust_remote_code=trust_remote_code)

    if not api and correct is None:
        from trocr_gsa.demo import serve as show

        show(model, adapters, device, host, port, ready, trust_remote_code)
        return
    if api and correct is not None:
        raise ValueError("`--api` and `--correct` are two servers. Start one of them, or each on its own --port.")
    for module in ("fastapi", "uvicorn", "python_multipart"):
        if find_spec(module) is None:
            raise ValueError(f"this server needs {module}, which is not installed: pip install 'trocr-gsa[demo]'")
    if correct is not None:
        settings = {name: value for name, value in (("model", model), ("device", _kind(device))) if value is not None}
        _serve_corrections(correct, learned, adapters, load, settings, lambda app: _listen(app, host, port, ready))
        return
    from trocr_gsa.demo.api import build_api
    from trocr_gsa.demo.limits import MIB, Limits
    from trocr_gsa.demo.uploads import Service

    limits = Limits(max_upload * MIB, max_pixels * 1_000_000, max_lines, max_waiting)
    service = Service(load(adapters), limits, provenance_of(model, adapters, {}))
    _listen(build_api(service), host, port, ready)


def _serve_corrections(
    folder: Path,
    learned: Path | None,
    adapter: str | dict[str, str] | None,
    load: "Callable[[Any], LineReader]",
    settings: dict[str, str],
    listen: Callable[[Any], None],
) -> None:
    """Read the lines of a folder, and serve the pages to correct them.

    Raises:
        ValueError: if there is no line, or several adapters are named.
    """
    from trocr_gsa.demo.correct_page import Corrections, build_correct_page
    from trocr_gsa.demo.corrections import open_lines
    from trocr_gsa.demo.teaching import Teacher

    if isinstance(adapter, dict):
        raise ValueError("`--adapter`: with --correct, one adapter reads all lines. Give its folder alone.")
    reader = load(adapter)
    with tempfile.TemporaryDirectory(prefix="trocr-gsa-") as pictures:
        lines, readings, problems = open_lines(folder, Path(pictures), reader)
        report_left_out(problems)
        output = learned or folder.resolve().with_name(f"{folder.resolve().name}-learned")
        teacher = Teacher(reader, lambda path: load(str(path)), output, settings)
        try:
            listen(build_correct_page(Corrections(lines, readings, teacher)))
        finally:
            teacher.stop()


def _listen(app: Any, host: str, port: int | None, ready: Callable[[str], None]) -> None:
    from trocr_gsa.demo.api import PORT, serve_app

    serve_app(app, host, PORT if port is None else port, ready)


def _kind(device: str | None) -> str | None:
    """Return the kind of a device, such as cuda of cuda:1: a training takes no other."""
    return None if device is None else device.partition(":")[0]
