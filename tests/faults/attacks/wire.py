"""HTTP as bytes: what is sent as it is written, and what comes back, taken apart strictly."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3}) [ -~]*")
HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ([ -~\t]*)")
INTERIM = 100


class GarbledError(AssertionError):
    """What the server said is not a row of whole answers."""


@dataclass(frozen=True)
class Said:
    """One answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def answers(data: bytes, *, first_has_body: bool = True) -> Iterator[Said]:
    """Every answer in `data`; the first may be to a HEAD.

    Raises `GarbledError` where it is anything else.
    """
    while data:
        head, end, data = data.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        found = STATUS_LINE.fullmatch(first)
        if not end or found is None:
            raise GarbledError(f"no answer begins so: {head[:200]!r}")
        headers: dict[str, str] = {}
        for line in lines:
            header = HEADER.fullmatch(line)
            if header is None:
                raise GarbledError(f"no header: {line[:200]!r}")
            name = header[1].decode().lower()
            if name in headers and name != "set-cookie":
                raise GarbledError(f"twice: {name}")
            headers[name] = header[2].decode()
        status = int(found[1])
        if status == INTERIM:
            continue
        length = int(headers.get("content-length", "0"))
        if not first_has_body and not data.startswith(b"{"):
            # (A HEAD that is no request at all gets its error's body.)
            length = 0
        first_has_body = True
        if "transfer-encoding" in headers or len(data) < length:
            raise GarbledError(f"an answer is cut off: {head[:200]!r} + {len(data)} bytes")
        yield Said(status, headers, data[:length])
        data = data[length:]


async def exchange(port: int, parts: list[bytes], patience: float, pause: float = 0) -> bytes:
    """Send `parts` and give everything that comes back, until the server closes, or it is quiet."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    said = b""
    try:
        for part in parts:
            writer.write(part)
            if pause:
                await asyncio.sleep(pause)
        while True:
            async with asyncio.timeout(patience):
                got = await reader.read(65536)
            if not got:
                return said
            said += got
    except (TimeoutError, ConnectionError):
        return said
    finally:
        writer.transport.abort()
