"""A TCP proxy in front of PostgreSQL that can be told to cut, to swallow, and to hold.

It counts the messages of PostgreSQL's protocol in both directions, so that "cut at message k" is
the same place in every run.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit


@dataclass(frozen=True)
class Message:
    """One that came by."""

    wire: int
    """Which connection's, from 0."""
    place: int
    """Which of that connection's, from 1."""
    what: str
    """`>Q` is a client's, `<C` the server's; with the text of commands and of their ends."""


@dataclass
class Wire:
    """One connection that passes through."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    number: int = 0
    count: int = 0

    def cut(self) -> None:
        """As if the network went away with a reset."""
        for writer in (self.client, self.server):
            if (transport := writer.transport) is not None:
                transport.abort()


@dataclass
class Proxy:
    """Where it listens: `host`, `port`; what it does is changed while it runs."""

    host: str
    port: int = 0
    cut_at: int | None = None
    """The message, counted over all connections from 1, at which the connection is cut: a client's
    is not passed on, nor is an answer of the server's, which has then done what it answers to."""
    cut_on: tuple[str, int] | None = None
    """The same, at the nth of the messages that begin so (see `Message.what`)."""
    count: int = 0
    """Messages that came by."""
    swallowing: bool = False
    """A black hole: nothing passes, nobody is told, not even that the other side has gone."""
    refusing: bool = False
    """New connections are reset."""
    cuts: int = 0
    log: list[Message] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)
    opened: int = 0

    async def passable(self) -> None:
        while self.swallowing:
            await asyncio.sleep(0.02)

    def cut_all(self) -> None:
        for wire in [*self.wires]:
            wire.cut()

    def note(self, wire: Wire, what: str) -> bool:
        """Count a message; whether the connection was cut for it."""
        self.count += 1
        wire.count += 1
        self.log.append(Message(wire.number, wire.count, what))
        if not self._is_it(what):
            return False
        self.cuts += 1
        wire.cut()
        return True

    def _is_it(self, what: str) -> bool:
        if self.cut_at is not None:
            return self.count == self.cut_at
        if self.cut_on is None or not what.startswith(self.cut_on[0]):
            return False
        name, left = self.cut_on
        self.cut_on = (name, left - 1)
        return left == 1


def _name(head: bytes, body: bytes) -> str:
    """A message's type, and of a simple query and the end of a command its text."""
    if len(head) < 5:
        return "startup " + body[4:].decode("utf-8", "replace").replace("\0", " ")
    kind = chr(head[0])
    return f"{kind} {body[:-1].decode('utf-8', 'replace')}" if kind in "QC" else kind


async def _pump(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    proxy: Proxy,
    wire: Wire,
    way: str,
) -> None:
    """Pass whole messages: a type (but for a client's first), a length, a body."""
    has_type = way == "<"
    while True:
        head = await reader.readexactly(5 if has_type else 4)
        length = int.from_bytes(head[-4:], "big")
        body = await reader.readexactly(length - 4)
        has_type = True
        await proxy.passable()
        if proxy.note(wire, way + _name(head, body)):
            return
        writer.write(head + body)
        await writer.drain()


@asynccontextmanager
async def proxy_to(dsn: str) -> AsyncIterator[tuple[Proxy, str]]:
    """A proxy in front of the server of `dsn`, and the DSN that leads through it. Without TLS."""
    parts = urlsplit(dsn)
    query = parse_qs(parts.query)
    made = Proxy("127.0.0.1")
    tasks: set[asyncio.Task[object]] = set()

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host = query["host"][0] if "host" in query else parts.hostname or "127.0.0.1"
        port = int(query["port"][0]) if "port" in query else parts.port or 5432
        if host.startswith("/"):
            return await asyncio.open_unix_connection(str(Path(host) / f".s.PGSQL.{port}"))
        return await asyncio.open_connection(host, port)

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(handle(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back: asyncio.StreamWriter | None = None
        ways: list[asyncio.Task[None]] = []
        try:
            if made.refusing:
                return
            await made.passable()
            there, back = await connect()
            wire = Wire(writer, back, made.opened)
            made.opened += 1
            made.wires.append(wire)
            ways = [
                asyncio.create_task(_pump(reader, back, made, wire, ">")),
                asyncio.create_task(_pump(there, writer, made, wire, "<")),
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            # What one side has done about it reaches the other when the network is back.
            await made.passable()
            made.wires.remove(wire)
        finally:
            for one in (writer, back):
                if one is not None:
                    one.transport.abort()
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    server = await asyncio.start_server(accept, made.host, 0)
    made.port = server.sockets[0].getsockname()[1]
    user = quote(parts.username or query.get("user", ["postgres"])[0])
    password = f":{parts.password}" if parts.password else ""
    through = f"postgresql://{user}{password}@{made.host}:{made.port}{parts.path}?sslmode=disable"
    try:
        yield made, through
    finally:
        server.close()
        for task in [*tasks]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # Aborted transports are closed in the loop's next round.
        await asyncio.sleep(0)
        with suppress(TimeoutError):
            await asyncio.wait_for(server.wait_closed(), 5)
