"""`trocr-gsa serve`: a web page to try a reader."""

from typing import Annotated

import typer

from . import options
from .messages import say, silence_libraries, user_errors


@user_errors()
def serve(
    model: options.Model = None,
    adapter: options.Adapters = None,
    device: options.Device = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 allows the whole network.")] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port to listen on.", show_default="first free from 7860")
    ] = None,
    trust_remote_code: options.TrustRemoteCode = False,
) -> None:
    """Serve a web page that reads and rotates line images, until interrupted; needs trocr-gsa[demo]."""
    from trocr_gsa.demo import serve as show

    silence_libraries()
    adapters = options.parse_adapters(adapter)

    def ready(address: str) -> None:
        say(f"reading at {address} (Ctrl-C ends it)")

    show(model, adapters, device, host, port, ready, trust_remote_code)
