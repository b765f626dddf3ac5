"""A server that one cannot rely on: stands before a good one, and spoils what passes, by lot.

Whatever protocol is spoken: it hangs, resets, answers garbage, or half of the answer, or loses it
after the work was done. What it does is drawn for each connection and each piece of a question.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

KINDS = ("hang", "reset", "garbage", "half", "lost")
AT_THE_START = ("hang", "reset", "garbage")
"""What can happen to a connection before anything was asked."""
GARBAGE = (
    b"\x00\xff\x16\x03\x01",
    b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"a": [[[',
    b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"HTTP/1.1 999 \r\n\r\n",
    b"250-\r\n" * 200,
    b"250 OK" * 500,
    b"699 \xff\xfe\r\n",
)


@dataclass
class Spoiler:
    """Listens on `port`; `chance` is how likely each piece of a question is spoiled."""

    target: int
    dice: random.Random
    chance: float = 0.0
    port: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    def draw(self, kinds: tuple[str, ...] = KINDS) -> str:
        kind = self.dice.choice(kinds) if self.dice.random() < self.chance else "pass"
        self.counts[kind] += 1
        return kind

    @property
    def spoiled(self) -> int:
        return self.counts.total() - self.counts["pass"]


@dataclass
class _Wire:
    """One connection, and what is to become of the next answer on it."""

    spoiler: Spoiler
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    answer: str = "pass"

    async def work(self) -> None:
        kind = self.spoiler.draw(AT_THE_START)
        if kind != "pass":
            await self._end(kind)
            return
        there, back = await asyncio.open_connection("127.0.0.1", self.spoiler.target)
        answers = asyncio.create_task(self._answers(there))
        questions = asyncio.create_task(self._questions(back))
        try:
            await asyncio.wait({answers, questions}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (answers, questions):
                task.cancel()
            await asyncio.gather(answers, questions, return_exceptions=True)
            back.transport.abort()

    async def _questions(self, back: asyncio.StreamWriter) -> None:
        while data := await self.reader.read(1 << 16):
            kind = self.spoiler.draw()
            if kind in {"half", "lost"}:
                self.answer = kind
            elif kind != "pass":
                await self._end(kind)
                return
            back.write(data)

    async def _answers(self, there: asyncio.StreamReader) -> None:
        while data := await there.read(1 << 16):
            if self.answer == "pass":
                self.writer.write(data)
                continue
            if self.answer == "half":
                self.writer.write(data[: len(data) // 2])
                await self.writer.drain()
            self._reset()
            return

    async def _end(self, kind: str) -> None:
        match kind:
            case "hang":
                await asyncio.Event().wait()
            case "garbage":
                self.writer.write(self.spoiler.dice.choice(GARBAGE))
                await self.writer.drain()
                self.writer.close()
            case _:
                self._reset()

    def _reset(self) -> None:
        sock: socket.socket = self.writer.get_extra_info("socket")
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@asynccontextmanager
async def spoiler_before(port: int, seed: int) -> AsyncIterator[Spoiler]:
    made = Spoiler(port, random.Random(seed))
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError):
                await _Wire(made, reader, writer).work()
        finally:
            writer.transport.abort()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(handle(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for task in [*tasks]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)
        await server.wait_closed()
