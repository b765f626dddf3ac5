"""aiohttp's own server with limits that it has not: time to the full request, and connections.

A request has ten seconds from its connection (on a connection that is kept: from its first byte) to
the last byte of its body. Connections are counted; past the cap there is a small reserve that only
answers whether the daemon is alive, so that a flood does not have it restarted.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import structlog
from aiohttp import HttpVersion10, HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader

from scheduler.errors import LamplighterError
from scheduler.web.answers import HEADERS, Refusal, answer, error_body
from scheduler.web.front import MAX_BODY, Front, Handler

FRONT = web.AppKey("front", Front)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one caller may take of the server."""

    request_seconds: float = 10.0
    keepalive_seconds: float = 15.0
    connections: int = 512
    reserve: int = 32
    reserve_seconds: float = 2.0
    """Instead of `request_seconds`, so that the reserve is soon free again."""
    linger_seconds: float = 2.0
    """How long a body that nobody wants is read, so that its sender gets to see the answer."""
    closing_seconds: float = 3.0
    """How long answers may take at the stop; who waits for a run is told within a second."""


VERSIONS = frozenset({HttpVersion10, HttpVersion11})
PROBES = frozenset({"/livez", "/readyz"})

SLOW = "the request did not arrive in time"
FULL = "too many connections; try again in a moment"
MALFORMED = "this is not an HTTP request as it should be"

log = structlog.stdlib.get_logger("lamplighter.web")


class SlowRequestError(LamplighterError):
    """The body did not arrive in time."""


BY_THE_OTHER_SIDE = (
    ConnectionError,
    HttpProcessingError,
    SlowRequestError,
    web.RequestPayloadError,
)


class Request(web.Request):
    """A request whose answers do not say what made them."""

    is_malformed = False
    """The parser has let it pass, and it is answered 400 all the same."""

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        response.headers.popall("Server", None)
        await super()._prepare_hook(response)


class Connection(web.RequestHandler):
    """One connection. aiohttp's, with a deadline and a place in the count."""

    __slots__ = ("_body", "_deadline", "_in_request", "_server", "is_reserve")

    def __init__(self, server: Server, *, loop: asyncio.AbstractEventLoop, **options: Any) -> None:
        super().__init__(server, loop=loop, **options)
        self._server = server
        self._deadline: asyncio.TimerHandle | None = None
        self._body: StreamReader | None = None
        self._in_request = False
        """Whether a part of a request has come."""
        self.is_reserve = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        limits = self._server.limits
        taken = len(self._server.connections)
        if taken >= limits.connections + limits.reserve:
            socket = cast(asyncio.Transport, transport)
            socket.write(_raw("503 Service Unavailable", FULL))
            socket.close()
            return
        self.is_reserve = taken >= limits.connections
        super().connection_made(transport)
        self._arm()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        before = self._request_count
        super().data_received(data)
        if self._request_count != before and self._messages:
            message, body = self._messages[-1]
            if self._body is not None and not isinstance(message, RawRequestMessage):
                # What cannot be parsed is the rest of the body that is being read, and aiohttp
                # would only say so to whoever reads a next request: its reader would wait for ever.
                self.read_no_further()
                self._body.set_exception(web.RequestPayloadError("the body is broken"))
                self._disarm()
            elif body.is_eof():
                self._disarm()
            else:
                self._body = body
                self._arm()
                body.on_eof(self._disarm)
        elif data:
            self._in_request = True
            self._arm()

    def _arm(self) -> None:
        if self._deadline is None:
            limits = self._server.limits
            seconds = limits.reserve_seconds if self.is_reserve else limits.request_seconds
            self._deadline = self._loop.call_later(seconds, self._expire)

    def _disarm(self) -> None:
        self._body = None
        self._in_request = False
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expire(self) -> None:
        """Whatever has not come by now is not waited for any longer."""
        self._deadline = None
        if self.transport is None:
            return
        if self._body is not None and not self._body.is_eof():
            # What is left of it is not read to be thrown away either.
            self.read_no_further()
            if self._current_request is None:
                self.force_close()
            else:
                self._body.set_exception(SlowRequestError(SLOW))
        elif self._waiter is not None and not self._waiter.done():
            if self._in_request:
                self.transport.write(_raw("408 Request Timeout", SLOW))
            self.force_close()

    def read_no_further(self) -> None:
        """Close after the answer, whatever may still come."""
        self._lingering_time = 0.0

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - not repeated: it quotes what came
    ) -> web.StreamResponse:
        """Answer what could not be parsed."""
        if request.writer.output_size > 0:
            raise ConnectionError("a part of an answer has been sent already")
        log.debug("request_malformed", address=request.remote, error=type(exc).__name__)
        error = MALFORMED if status == 400 else "the daemon failed to answer this"
        return Refusal(status, error, close=True).answer()

    def log_exception(self, *_: Any, exc_info: BaseException | None = None, **__: Any) -> None:
        """What breaks below the handlers is mostly the connection, and by the other side."""
        if isinstance(exc_info, BY_THE_OTHER_SIDE):
            log.debug("connection_failed", error=repr(exc_info))
        else:
            log.error("connection_broke", exc_info=exc_info)


class Server(web.Server):
    """Makes connections, and requests with a bounded body."""

    def __init__(self, handler: Handler, limits: Limits) -> None:
        super().__init__(
            handler,
            request_factory=self._request,
            keepalive_timeout=limits.keepalive_seconds,
            lingering_time=limits.linger_seconds,
            access_log=None,
            # A compressed body is refused; nothing is unpacked to find that out.
            auto_decompress=False,
        )
        self.limits = limits

    def __call__(self) -> Connection:
        return Connection(self, loop=self._loop, **self._kwargs)

    def _request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> Request:
        is_other = message.version not in VERSIONS
        if is_other:
            # It is answered in a version that is spoken here.
            message = message._replace(version=HttpVersion10)
        made = Request(
            message, payload, protocol, writer, task, self._loop, client_max_size=MAX_BODY
        )
        made.is_malformed = is_other or _has_two_ends(message)
        return made


def _has_two_ends(message: RawRequestMessage) -> bool:
    """Whether two readers may see its body end at two places; nothing behind it can be trusted."""
    # (What could not be parsed comes with a plain dict of no headers.)
    if "Transfer-Encoding" not in message.headers:
        return False
    encodings = message.headers.getall("Transfer-Encoding")
    is_chunked = len(encodings) == 1 and encodings[0].lower() == "chunked"
    return not is_chunked or "Content-Length" in message.headers


class _Runner(web.AppRunner):
    """Runs an application behind its `Front`, on our server."""

    __slots__ = ("_limits",)

    def __init__(self, app: web.Application, limits: Limits) -> None:
        super().__init__(app, shutdown_timeout=limits.closing_seconds)
        self._limits = limits

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        front = self.app[FRONT]
        route: Handler = made.request_handler

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            connection = request.protocol
            if isinstance(request, Request) and request.is_malformed:
                if isinstance(connection, Connection):
                    connection.read_no_further()
                return Refusal(400, MALFORMED, close=True).answer()
            if isinstance(connection, Connection) and connection.is_reserve:
                return await _handle_in_reserve(request)
            return await front.answer(request, route)

        async def _handle_in_reserve(request: web.BaseRequest) -> web.StreamResponse:
            if request.path in PROBES:
                response = await front.answer(request, route)
            else:
                response = answer(error_body(FULL), status=503, headers={"Retry-After": "5"})
            response.force_close()
            return response

        return Server(handle, self._limits)


@asynccontextmanager
async def serving(
    app: web.Application, host: str, port: int, limits: Limits = Limits()
) -> AsyncIterator[int]:
    """Answer requests until the context is left; gives the port (where 0 was asked: the free one).

    Raises `LamplighterError` where the address cannot be listened on.
    """
    runner = _Runner(app, limits)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=limits.connections)
        try:
            await site.start()
        except OSError as error:
            raise LamplighterError(
                f"cannot listen on {host}:{port} (HOST and PORT): {error.strerror or error}"
            ) from error
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def _raw(status: str, error: str) -> bytes:
    """An answer for a connection that aiohttp has no request of."""
    body = json.dumps(error_body(error)).encode()
    headers = {**HEADERS, "Content-Length": str(len(body)), "Connection": "close"}
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body
