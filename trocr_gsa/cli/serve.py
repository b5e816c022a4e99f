"""`trocr-gsa serve`: a web page to try a reader, or an HTTP API."""

from importlib.util import find_spec
from typing import Annotated

import typer

from . import options
from .messages import say, silence_libraries, user_errors
from .read_provenance import provenance_of

SHOWN_MIB = 30


@user_errors()
def serve(
    model: options.Model = None,
    adapter: options.Adapters = None,
    device: options.Device = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 allows the whole network.")] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Port to listen on.", show_default="first free from 7860; 8000 with --api"),
    ] = None,
    trust_remote_code: options.TrustRemoteCode = False,
    api: Annotated[bool, typer.Option("--api", help="Serve the HTTP API instead of the page.")] = False,
    max_upload: Annotated[int, typer.Option(min=1, help="With --api: largest upload, in MiB.")] = SHOWN_MIB,
    max_pixels: Annotated[int, typer.Option(min=1, help="With --api: largest picture, in million pixels.")] = 60,
    max_lines: Annotated[int, typer.Option(min=1, help="With --api: most lines of a page.")] = 500,
    max_waiting: Annotated[int, typer.Option(min=1, help="With --api: most requests at once.")] = 32,
) -> None:
    """Serve a web page that reads and rotates images, or an HTTP API, until interrupted; needs trocr-gsa[demo]."""
    silence_libraries()
    adapters = options.parse_adapters(adapter)

    def ready(address: str) -> None:
        say(f"reading at {address} (Ctrl-C ends it)")

    if not api:
        from trocr_gsa.demo import serve as show

        show(model, adapters, device, host, port, ready, trust_remote_code)
        return
    for module in ("fastapi", "uvicorn", "python_multipart"):
        if find_spec(module) is None:
            raise ValueError(f"`--api` needs {module}, which is not installed: pip install 'trocr-gsa[demo]'")
    from trocr_gsa.demo.api import serve_api
    from trocr_gsa.demo.limits import MIB, Limits
    from trocr_gsa.demo.uploads import Service
    from trocr_gsa.reader import LineReader

    limits = Limits(max_upload * MIB, max_pixels * 1_000_000, max_lines, max_waiting)
    reader = LineReader.from_pretrained(model, adapters, device, trust_remote_code=trust_remote_code)
    serve_api(Service(reader, limits, provenance_of(model, adapters, {})), host, port, ready)
