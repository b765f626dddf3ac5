"""How is one request made, and its answer read, so that neither can do harm?

Redirects are answers, certificates are verified, no proxy of the environment is used, and of an
answer a bounded part is read, packed or not.
"""

from __future__ import annotations

import os
import ssl
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from scheduler.errors import JobError

if TYPE_CHECKING:
    from aiohttp import ClientResponse

CONNECT_SECONDS = 10.0
"""For the name, the connection and TLS."""
MOST_READ = 1024 * 1024
"""Bytes of an answer; what comes after is not waited for."""


class CallError(JobError):
    """There is no answer, or no whole one. The text holds nothing that was sent."""

    def __init__(self, what: str, *, sent: bool = True) -> None:
        super().__init__(what)
        self.sent = sent
        """Whether the other side may have got the request."""


@dataclass(frozen=True, slots=True)
class Request:
    """Ready to be sent; `repr` shows nothing of it."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None

    def __repr__(self) -> str:
        return f"Request({self.method})"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    raw: bytes
    """As it came, cut off after `MOST_READ`."""
    body: bytes | None
    """Unpacked, up to `MOST_READ` too; None where it is packed in a way that is not read."""
    is_whole: bool
    seconds: float


async def send(request: Request, seconds: float, tls: ssl.SSLContext | None = None) -> Answer:
    """Raises `CallError`."""
    import aiohttp
    from yarl import URL

    began = monotonic()
    status: int | None = None
    try:
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=tls or True, force_close=True),
                timeout=aiohttp.ClientTimeout(
                    total=seconds, sock_connect=min(CONNECT_SECONDS, seconds)
                ),
                trust_env=False,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            ) as session,
            session.request(
                request.method,
                URL(request.url, encoded=True),
                headers=request.headers,
                data=request.body,
                allow_redirects=False,
            ) as response,
        ):
            status = response.status
            raw, is_whole = await _read(response)
            headers = {name.lower(): value for name, value in response.headers.items()}
    except aiohttp.ConnectionTimeoutError:
        raise CallError("no connection within its time", sent=False) from None
    except TimeoutError:
        if status is not None:
            raise CallError(f"answered {status}, but not to its end in {seconds:g} s") from None
        raise CallError(f"did not answer within {seconds:g} s") from None
    except aiohttp.ClientConnectorError as error:
        raise CallError(f"no connection: {_why(error)}", sent=False) from None
    except aiohttp.InvalidURL:
        raise CallError("the address, with its variables, is none", sent=False) from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        if status is not None:
            raise CallError(f"answered {status}, but the answer broke off") from None
        raise CallError(_lost(error)) from None
    body, unpacked_whole = _unpacked(headers.get("content-encoding", ""), raw)
    return Answer(status, headers, raw, body, is_whole and unpacked_whole, monotonic() - began)


def _why(error: Exception) -> str:
    """Without the address, which may hold a variable."""
    from aiohttp import ClientConnectorCertificateError, ClientConnectorDNSError
    from aiohttp import ClientConnectorError as ConnectorError

    if isinstance(error, ClientConnectorCertificateError):
        found = error.certificate_error
        said = getattr(found, "verify_message", "") or type(found).__name__
        return f"its certificate is not accepted ({said})"
    if isinstance(error, ClientConnectorDNSError):
        return "its name leads to no address"
    cause = error.os_error if isinstance(error, ConnectorError) else None
    if isinstance(cause, ssl.SSLError):
        return f"TLS failed ({(cause.reason or 'no reason is given').replace('_', ' ').lower()})"
    return os.strerror(cause.errno).lower() if cause and cause.errno else "refused"


def _lost(error: Exception) -> str:
    from aiohttp import (
        ClientOSError,
        ClientPayloadError,
        ClientResponseError,
        ServerDisconnectedError,
    )

    if isinstance(error, ClientResponseError | ClientPayloadError):
        return "what came back is no HTTP"
    if isinstance(error, ServerDisconnectedError | ConnectionError | ClientOSError):
        return "the connection was closed before an answer came"
    return f"the request failed ({type(error).__name__})"


async def _read(response: ClientResponse) -> tuple[bytes, bool]:
    parts, left = list[bytes](), MOST_READ
    while left > 0:
        part = await response.content.read(left)
        if not part:
            return b"".join(parts), True
        parts.append(part)
        left -= len(part)
    is_whole = not await response.content.read(1)
    return b"".join(parts), is_whole


def _unpacked(encoding: str, raw: bytes) -> tuple[bytes | None, bool]:
    """And whether that is all of it. It was asked for plain; some send it packed all the same."""
    encoding = encoding.strip().lower()
    if encoding in {"", "identity"}:
        return raw, True
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        return None, False
    unpacking = zlib.decompressobj(wbits=47)  # gzip or zlib, whichever it says that it is
    try:
        body = unpacking.decompress(raw, MOST_READ)
    except zlib.error:
        return None, False
    return body, unpacking.eof
