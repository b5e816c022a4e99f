"""Limits of the HTTP API, and a gate that keeps requests beyond them out before they cost anything.

What is unusual: the gate stands in front of the framework, because that stores a whole upload before it calls any code.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

OVERHEAD = 100_000  # bytes of a request beside its files
MIB = 1024 * 1024
RETRY_SECONDS = 5


@dataclass(frozen=True)
class Limits:
    """What the API takes.

    Args:
        upload: bytes of all files of a request.
        pixels: of a picture, or of a page's picture.
        lines: of a page.
        waiting: requests at once, the ones that are being read included.
        seconds: that may pass between two parts of an upload.

    Raises:
        ValueError: if one is not positive.
    """

    upload: int = 30 * MIB
    pixels: int = 60_000_000
    lines: int = 500
    waiting: int = 32
    seconds: float = 30.0

    def __post_init__(self) -> None:
        """Check the values."""
        for name, value in vars(self).items():
            if not value > 0:
                raise ValueError(f"`{name}` must be more than 0, got {value}.")

    def check_pixels(self, size: tuple[int, int], name: str) -> None:
        """Refuse a picture that is too large.

        Raises:
            TooMuchError: if it is.
        """
        width, height = size
        if width * height > self.pixels:
            raise TooMuchError(
                f"{name}: {width} × {height} pixels are more than {self.pixels:,}. Make the picture smaller, or cut it."
            )

    def check_lines(self, count: int, name: str) -> None:
        """Refuse a page that has too many lines.

        Raises:
            TooMuchError: if it has.
        """
        if count > self.lines:
            raise TooMuchError(f"{name}: {count:,} lines are more than {self.lines:,}. Split the page.")


class TooMuchError(ValueError):
    """A request that is larger than the limits allow; the message says which limit."""


class Gate:
    """ASGI middleware that refuses what is too large, too slow, or one too many.

    Args:
        app: the application behind it.
        limits: of a request.
    """

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self.app, self.limits = app, limits
        self.inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with an error."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
        elif (length := _announced(scope)) is not None and length > self.limits.upload + OVERHEAD:
            await _refusal(413, self._too_large())(scope, receive, send)
        elif self.inside >= self.limits.waiting:
            message = f"{self.inside} requests are being read or wait. Send this one again in {RETRY_SECONDS} s."
            await _refusal(503, message, {"Retry-After": str(RETRY_SECONDS)})(scope, receive, send)
        else:
            self.inside += 1
            try:
                await self.app(scope, self._counted(receive), send)
            finally:
                self.inside -= 1

    def _counted(self, receive: Receive) -> Receive:
        """Return `receive` with an error for uploads that are too large or too slow."""
        received, is_complete = 0, False

        async def counted() -> Message:
            nonlocal received, is_complete
            if is_complete:  # what follows is only whether the client is still there
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), self.limits.seconds)
            except TimeoutError as error:
                raise HTTPException(408, f"the upload paused for {self.limits.seconds:g} s. Send it again.") from error
            received += len(message.get("body", b""))
            is_complete = not message.get("more_body", False)
            if received > self.limits.upload + OVERHEAD:
                raise HTTPException(413, self._too_large())
            return message

        return counted

    def _too_large(self) -> str:
        return f"the upload is larger than {self.limits.upload / MIB:g} MiB. Send a smaller picture."


def _announced(scope: Scope) -> int | None:
    """Return the length that a request announces; None if it announces none."""
    given = dict(scope["headers"]).get(b"content-length", b"")
    return int(given) if given.isdigit() else None


def _refusal(status: int, message: str, headers: dict[str, Any] | None = None) -> JSONResponse:
    # the rest of the upload is not read, so the connection cannot be used again
    return JSONResponse({"error": message}, status, {"Connection": "close"} | (headers or {}))
