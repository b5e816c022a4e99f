"""The pages on which people correct lines and teach the reader.

What is unusual: plain forms without scripts, one line a page, so that a keyboard is enough, a phone too, and the page
works as long as the server does. Enter saves and goes to the next line.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Form, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.exceptions import HTTPException

from trocr_gsa.data.line import Line
from trocr_gsa.data.numbers import percent
from trocr_gsa.data.samples import clean_text
from trocr_gsa.evaluation.evaluate import rotate_image

from .corrections import ChangedError, LinesToCorrect, Saved
from .limits import Gate, Limits
from .teaching import LEAST_LINES, Lesson, Teacher

STYLE = Path(__file__).with_name("correct.css")
MOST_CHARACTERS = 5_000  # of a line
LIMITS = Limits(upload=100_000, waiting=64)
SAFE = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'self'; form-action 'self'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
NO_TEXT = "There is no text. If there is no writing in the picture, skip the line."


@dataclass(frozen=True)
class ShownLine:
    """A line as it is shown.

    Attributes:
        number: its place in the order of correction, counted from 1.
        name: its name.
        text: the text in the field.
        saved: as it is in the folder.
        confidence: of the reading.
        problem: what went wrong when it was saved; None: nothing.
        theirs: what another has saved meanwhile; None: nothing.
    """

    number: int
    name: str
    text: str
    saved: Saved
    confidence: float
    problem: str | None = None
    theirs: str | None = None


class Corrections:
    """The lines in the order of correction: the least certain first.

    Args:
        lines: the folder.
        readings: what was read in each line, by its name.
        teacher: that learns from corrected lines.
    """

    def __init__(self, lines: LinesToCorrect, readings: dict[str, Line], teacher: Teacher) -> None:
        self.lines, self.readings, self.teacher = lines, readings, teacher
        self.names: Sequence[str] = sorted(readings, key=lambda name: readings[name].confidence_for_sorting)
        self._read_again: dict[str, str] = {}

    def shown(self, number: int, problem: str | None = None) -> ShownLine:
        """Return a line; its text is the saved one, or what was read."""
        return self._shown(number, self.lines.saved(self.names[number - 1]), problem)

    def all_shown(self) -> list[ShownLine]:
        """Return all lines as `shown` does."""
        return [self._shown(number, saved) for number, saved in enumerate(self.lines.all_saved(self.names), 1)]

    def _shown(self, number: int, saved: Saved, problem: str | None = None) -> ShownLine:
        name = self.names[number - 1]
        text = saved.text or self.readings[name].text
        if not saved.is_corrected:
            text = self._read_again.get(name, text)
        return ShownLine(number, name, text, saved, self.readings[name].confidence, problem)

    def picture(self, number: int) -> bytes:
        """Return a line's picture as PNG, turned upright by quarter turns."""
        name, stream = self.names[number - 1], io.BytesIO()
        quarters = 90 * round(self.readings[name].orientation / 90)
        rotate_image(self.lines.picture(name), -quarters).save(stream, "PNG")
        return stream.getvalue()

    def save(self, number: int, text: str, version: str) -> None:
        """Save a corrected text; see `LinesToCorrect.save`.

        Raises:
            ValueError: also if the text is empty or too long.
        """
        name, text = self.names[number - 1], clean_text(text)
        if not text:
            raise ValueError(NO_TEXT)
        if len(text) > MOST_CHARACTERS:
            raise ValueError(f"The text has {len(text):,} characters, more than {MOST_CHARACTERS:,}.")
        self.lines.save(name, text, version, self.readings[name].orientation)

    def corrected(self) -> set[int]:
        """Return the numbers of the lines that are corrected."""
        corrected = self.lines.corrected()
        return {number for number, name in enumerate(self.names, 1) if name in corrected}

    def next_open(self, after: int) -> int | None:
        """Return the next line that is not corrected, from the beginning again after the last; None if all are."""
        order, corrected = [*range(after + 1, len(self.names) + 1), *range(1, after + 1)], self.corrected()
        return next((number for number in order if number not in corrected), None)

    def teach(self) -> None:
        """Learn from the corrected lines.

        Raises:
            ValueError: if there are too few, or the reader is learning already.
        """
        names = [self.names[number - 1] for number in sorted(self.corrected())]
        self.teacher.start([Lesson(name, self.lines.picture(name), self.lines.saved(name).text) for name in names])

    def read_again(self) -> int:
        """Read the lines that are not corrected with what was learned, and return how many that were.

        Raises:
            ValueError: if nothing was learned yet.
        """
        if self.teacher.taught is None:
            raise ValueError("The reader has not learned anything yet.")
        corrected = self.lines.corrected()
        names = [name for name in self.names if name not in corrected]
        read = self.teacher.taught.read([self.lines.picture(name) for name in names], are_cut=True)
        self._read_again = {
            name: line.text for name, line in zip(names, read, strict=True) if line.error is None and line.text
        }
        return len(names)


def build_correct_page(corrections: Corrections) -> FastAPI:
    """Return the pages as an application.

    Args:
        corrections: the lines.
    """
    app = FastAPI(title="Correct and teach", openapi_url=None)
    app.add_middleware(Gate, limits=LIMITS)
    app.add_exception_handler(RequestValidationError, _bad_form)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(ValueError, _value_error)
    _add_lines(app, corrections)
    _add_learning(app, corrections)
    return app


def _add_lines(app: FastAPI, corrections: Corrections) -> None:
    """Add the pages of lines."""
    count = len(corrections.names)

    def check(number: int) -> None:
        if not 1 <= number <= count:
            raise HTTPException(404, f"There is no line {number}; the last one is {count}.")

    @app.get("/")
    def start() -> Response:
        number = corrections.next_open(0)
        return _see("/learn" if number is None else f"/lines/{number}")

    @app.get("/style.css")
    def style() -> Response:
        return FileResponse(STYLE, media_type="text/css")

    @app.get("/lines")
    def every_line() -> Response:
        lines = corrections.all_shown()
        return _page("list", lines=lines, done=sum(line.saved.is_corrected for line in lines), count=count)

    @app.get("/lines/{number}")
    def line(number: int) -> Response:
        check(number)
        return _line(corrections, corrections.shown(number))

    @app.get("/lines/{number}/picture")
    def picture(number: int) -> Response:
        check(number)
        return Response(corrections.picture(number), media_type="image/png", headers=SAFE)

    @app.post("/lines/{number}")
    def save(
        request: Request, number: int, text: Annotated[str, Form()] = "", version: Annotated[str, Form()] = ""
    ) -> Response:
        _check_origin(request)
        check(number)
        return _save(corrections, number, text, version)


def _add_learning(app: FastAPI, corrections: Corrections) -> None:
    """Add the pages about learning."""

    @app.get("/learn")
    def learn() -> Response:
        done = len(corrections.corrected())
        count = len(corrections.names)
        return _page("learn", progress=corrections.teacher.progress, done=done, count=count, least=LEAST_LINES)

    @app.post("/learn")
    def begin(request: Request) -> Response:
        _check_origin(request)
        corrections.teach()
        return _see("/learn")

    @app.post("/read-again")
    def read_again(request: Request) -> Response:
        _check_origin(request)
        corrections.read_again()
        return _see("/")


_templates = Environment(
    loader=PackageLoader("trocr_gsa.demo", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
_templates.filters["percent"] = percent


def _page(view: str, status: int = 200, **values: Any) -> HTMLResponse:
    text = _templates.get_template("correct.html.jinja").render(view=view, **values)
    return HTMLResponse(text, status, SAFE)


def _line(corrections: Corrections, line: ShownLine, status: int = 200) -> HTMLResponse:
    done = len(corrections.corrected())
    return _page("line", status, line=line, done=done, count=len(corrections.names), least=LEAST_LINES)


def _save(corrections: Corrections, number: int, text: str, version: str) -> Response:
    """Save a text and go to the next line, or show the line again with the text and what is wrong."""
    try:
        corrections.save(number, text, version)
    except ChangedError as error:
        now = replace(corrections.shown(number), text=text, saved=error.saved, theirs=error.saved.text)
        return _line(corrections, now, 409)
    except (ValueError, OSError) as error:
        now = corrections.shown(number, str(error))
        return _line(corrections, replace(now, text=text, saved=replace(now.saved, version=version)), 422)
    following = corrections.next_open(number)
    return _see("/learn" if following is None else f"/lines/{following}")


def _see(place: str) -> RedirectResponse:
    return RedirectResponse(place, 303)


def _check_origin(request: Request) -> None:
    """Refuse forms that pages of other servers send: a browser says whose page it was.

    Raises:
        HTTPException: if it was another's.
    """
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise HTTPException(403, "This form was sent by another site's page. Open this server's own page.")


async def _bad_form(_: Request, error: Exception) -> Response:
    return _page("problem", 422, problem="The form could not be read. Open the line again.")


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    known = {404: "There is no such page.", 405: "This page does not take that."}
    detail = str(error.detail) if error.detail not in ("Not Found", "Method Not Allowed") else known[error.status_code]
    return _page("problem", error.status_code, problem=detail)


async def _value_error(_: Request, error: Exception) -> Response:
    return _page("problem", 422, problem=str(error))
