"""A server on loopback that answers every request with the bytes that a test gave it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Heard:
    """One request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


Speak = Callable[[asyncio.StreamWriter, Heard], Awaitable[None]]


@dataclass
class Told:
    """What the server heard, and where it is."""

    url: str = ""
    heard: list[Heard] = field(default_factory=list)


def saying(status: str, body: bytes | str = b"", *headers: str) -> Speak:
    """An answer with its length."""
    content = body.encode() if isinstance(body, str) else body

    async def speak(writer: asyncio.StreamWriter, heard: Heard) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(content)}", *headers, "", ""]
        writer.write("\r\n".join(lines).encode() + (b"" if heard.method == "HEAD" else content))

    return speak


@asynccontextmanager
async def answering(speak: Speak, tls: ssl.SSLContext | None = None) -> AsyncIterator[Told]:
    told = Told()
    talks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        try:
            heard = await _hear(reader)
            told.heard.append(heard)
            await speak(writer, heard)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            return  # the caller left
        finally:
            talks.discard(task)
            writer.close()
            with suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    told.url = f"{'https' if tls else 'http'}://localhost:{port}"
    try:
        yield told
    finally:
        server.close()
        for task in list(talks):
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


async def _hear(reader: asyncio.StreamReader) -> Heard:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().split("\r\n")
    method, target, _ = first.split(" ")
    pairs = (line.split(":", 1) for line in lines)
    headers = {name.lower(): value.strip() for name, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Heard(method, target, headers, body)
