"""The HTTP API: POST a picture of a line or a page, and get its text in any registered format.

What is unusual: nothing that a client sends makes a server error. What cannot be read is answered with a status of the
400s and {"error": …}, which says what was expected, what was found and what to do. There is no page with documentation,
because that of FastAPI loads scripts from other servers; /openapi.json describes everything.
"""

import mimetypes
import socket
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, File, Query, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from trocr_gsa.data.formats import FORMATS, OutputFormat
from trocr_gsa.data.provenance import own_version
from trocr_gsa.model.weight_files import is_out_of_memory

from .limits import Gate, TooMuchError
from .uploads import JSON, MOST_ALTERNATIVES, Answer, Service, Upload, Wanted

PORT = 8000
MEDIA_TYPES = {".jsonl": "application/jsonl", ".hocr": "application/xhtml+xml", ".xml": "application/xml"}
NO_MEMORY = "there is too little memory for this picture. Send a smaller one."


def _is_there(format: OutputFormat) -> bool:
    try:
        format.check_modules()
    except ValueError:
        return False
    return True


PAGE_FORMATS = [JSON, *(each.name for each in FORMATS.values() if _is_there(each))]
LINE_FORMATS = [JSON, *(each.name for each in FORMATS.values() if not each.needs_layout and each.name in PAGE_FORMATS)]

Picture = Annotated[UploadFile, File(description="the picture: PNG, JPEG, TIFF, WebP, BMP, GIF or JPEG 2000")]
LineFormat = Annotated[str, Query(description="format of the answer", json_schema_extra={"enum": LINE_FORMATS})]
PageFormat = Annotated[str, Query(description="format of the answer", json_schema_extra={"enum": PAGE_FORMATS})]
Adapter = Annotated[str | None, Query(description="name of an adapter, as /info lists them; none: the model alone")]
Orientation = Annotated[
    list[float] | None,
    Query(description="possible angles in degrees counter-clockwise, such as 0 and 180; none: any", max_length=360),
]
Words = Annotated[bool, Query(description="also give the positions of words")]
Alternatives = Annotated[
    int, Query(description=f"number of most probable texts for each line, at most {MOST_ALTERNATIVES}")
]
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": meaning,
        "content": {"application/json": {"schema": {"type": "object", "properties": {"error": {"type": "string"}}}}},
    }
    for status, meaning in {
        400: "the request is not a form that can be read",
        408: "the upload paused for too long",
        413: "the upload, the picture or the page is too large",
        422: "the request does not make sense, or the picture cannot be read",
        503: "too many requests at once; send it again later",
    }.items()
}


def _media_type(suffix: str) -> str:
    last = f".{suffix.rsplit('.', 1)[-1]}"
    return MEDIA_TYPES.get(last) or mimetypes.types_map.get(last, "application/octet-stream")


def _answers(formats: Sequence[str]) -> dict[int | str, dict[str, Any]]:
    """Return what a route answers, for the description: its media types and header, and the errors."""
    kinds = ["application/json", *(_media_type(FORMATS[name].suffix) for name in formats if name != JSON)]
    left_out = {"description": "in other formats than json: number of lines left out", "schema": {"type": "integer"}}
    content: dict[str, Any] = {kind: {} for kind in kinds}
    return ERRORS | {200: {"content": content, "headers": {"X-Left-Out": left_out}}}


def _check_format(name: str, formats: Sequence[str]) -> None:
    if name not in formats:
        hint = f" {name} is for pages: send them to /pages." if name in PAGE_FORMATS else ""
        raise ValueError(f"`format` must be one of {', '.join(formats)}, got {name!r}.{hint}")


def build_api(service: Service) -> FastAPI:
    """Return the API as an application.

    Args:
        service: that reads what is uploaded.
    """
    summary = "Reads pictures of lines and pages of text."
    api = FastAPI(title="trocr-gsa", version=own_version(), summary=summary, docs_url=None, redoc_url=None)
    api.add_middleware(Gate, limits=service.limits)
    api.add_exception_handler(RequestValidationError, _invalid)
    api.add_exception_handler(HTTPException, _http_error)
    api.add_exception_handler(ValueError, _value_error)
    api.add_exception_handler(MemoryError, _no_memory)
    api.add_exception_handler(RuntimeError, _runtime_error)
    api.add_exception_handler(Exception, _bug)

    @api.get("/info")
    def info() -> dict[str, Any]:
        """Say what this server reads with, which formats it writes, and what it refuses."""
        return {
            "version": own_version(),
            "model": service.model_name,
            "adapters": service.reader.adapters,
            "line_formats": LINE_FORMATS,
            "page_formats": PAGE_FORMATS,
            "limits": vars(service.limits),
        }

    @api.post("/lines", responses=_answers(LINE_FORMATS))
    def read_line(
        picture: Picture,
        format: LineFormat = JSON,
        adapter: Adapter = None,
        orientation: Orientation = None,
        words: Words = False,
        alternatives: Alternatives = 0,
    ) -> Response:
        """Read a picture of one line, whichever way up."""
        _check_format(format, LINE_FORMATS)
        wanted = Wanted(format, adapter, orientation or (), words, alternatives)
        return _response(service.read_line(_upload(picture), wanted))

    @api.post("/pages", responses=_answers(PAGE_FORMATS))
    def read_page(
        picture: Annotated[UploadFile, File(description="the page's picture, or a PDF")],
        layout: Annotated[
            UploadFile | None, File(description="a PAGE or ALTO file with the page's lines; none: kraken finds them")
        ] = None,
        page: Annotated[int | None, Query(description="which page of a PDF or TIFF, counted from 1")] = None,
        format: PageFormat = JSON,
        adapter: Adapter = None,
        orientation: Orientation = None,
        words: Words = False,
        alternatives: Alternatives = 0,
    ) -> Response:
        """Read a page line by line. The header X-Left-Out says how many of its lines could not be read."""
        _check_format(format, PAGE_FORMATS)
        wanted = Wanted(format, adapter, orientation or (), words, alternatives)
        described = None if layout is None else _upload(layout)
        return _response(service.read_page(_upload(picture), described, page, wanted))

    return api


def serve_app(app: Any, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve an application until it is interrupted.

    Args:
        app: an ASGI application.
        host: address to listen on.
        port: port.
        ready: function that is called with the address.

    Raises:
        OSError: if the port is in use, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as listening:
        shown = f"[{host}]" if ":" in host else host
        ready(f"http://{shown}:{listening.getsockname()[1]}/")
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=10)
        uvicorn.Server(config).run(sockets=[listening])


def _upload(file: UploadFile) -> Upload:
    return Upload(file.file.read(), file.filename)


def _response(answer: Answer) -> Response:
    if isinstance(answer.content, dict):
        return JSONResponse(answer.content)
    headers = {
        "X-Left-Out": str(len(answer.left_out)),
        "X-Content-Type-Options": "nosniff",
        "Content-Disposition": f"attachment; filename=text{answer.suffix}",  # a browser must not open it as this site's
    }
    return Response(answer.content, media_type=_media_type(answer.suffix), headers=headers)


def _error(status: int, message: str, headers: Any = None) -> JSONResponse:
    return JSONResponse({"error": message}, status, headers)


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return _error(422, " ".join(map(_problem, error.errors()[:3])))


def _problem(found: dict[str, Any]) -> str:
    place: Sequence[Any] = found["loc"]
    field = f"`{place[1]}`" if len(place) > 1 else "the request"
    if found["type"] == "missing" or found["input"] is None:
        return f"{field} is missing. Send it as a file of a form (multipart/form-data)."
    if place[0] == "body":
        return f"{field} must be a file of a form (multipart/form-data), got text."
    return f"{field}: {found['msg'][0].lower()}{found['msg'][1:]}, got {str(found['input'])[:60]!r}."


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = str(error.detail)
    if error.status_code == 404:
        message = f"there is no {request.url.path[:100]} here. /openapi.json lists what there is."
    elif error.status_code == 405:
        message = f"{request.url.path[:100]} does not take {request.method}. /openapi.json says what it takes."
    elif error.status_code == 400:
        message = "the request is not a form (multipart/form-data) that can be read. Send the picture as its file."
    return _error(error.status_code, message, error.headers)


async def _value_error(_: Request, error: Exception) -> Response:
    return _error(413 if isinstance(error, TooMuchError) else 422, str(error))


async def _no_memory(_: Request, error: Exception) -> Response:
    return _error(413, NO_MEMORY)


async def _runtime_error(request: Request, error: Exception) -> Response:
    if is_out_of_memory(error):
        return await _no_memory(request, error)
    raise error


async def _bug(_: Request, error: Exception) -> Response:
    return _error(500, "this server failed, not your request. Its log says why.")
