"""How many requests a second does `/livez` answer, beside a bare handler?"""

from __future__ import annotations

import asyncio
from statistics import median

from bench.bed import Bed
from bench.processes import Running, daemon, floor
from bench.report import Result
from bench.start import SCHEDULE

CONNECTIONS = 8
REQUEST = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


class Asker(asyncio.Protocol):
    """One kept connection: asks again as soon as it is answered. As lean as a client can be."""

    def __init__(self) -> None:
        self.answers = 0
        self._length = 0
        self._got = 0
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        if not self._got:
            if not data.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"/livez answered {data!r}")
            head, _, _ = data.partition(b"\r\n\r\n")
            size = head.lower().split(b"content-length:")[1].split(b"\r\n")[0]
            self._length = len(head) + 4 + int(size)
        self._got += len(data)
        if self._got >= self._length and self._transport is not None:
            self._got = 0
            self.answers += 1
            self._transport.write(REQUEST)


async def measure(bed: Bed) -> list[Result]:
    dsn = await bed.fresh("livez")
    seconds = 1.0 if bed.quick else 4.0
    ours, floors = [], []
    async with (
        floor(bed.home, dsn) as bare,
        daemon(bed.home, SCHEDULE, DATABASE_URL=dsn) as running,
    ):
        for _ in range(2 if bed.quick else 5):
            floors.append(await _ask(bare, seconds))
            ours.append(await _ask(running, seconds))
    rates = [median(rate for rate, _ in each) for each in (ours, floors)]
    costs = [median(cost for _, cost in each) for each in (ours, floors)]
    note = (
        f"processor time of the server for a request: {costs[0] * 1e6:.0f} µs, bare"
        f" {costs[1] * 1e6:.0f} µs (bare / ours {costs[1] / costs[0]:.2f})"
    )
    return [Result("/livez", rates[0], rates[1], "/s", budget=0.7, more_is_better=True, note=note)]


async def _ask(server: Running, seconds: float) -> tuple[float, float]:
    """Answers a second, and the server's processor seconds for each."""
    loop = asyncio.get_running_loop()
    kept = [
        await loop.create_connection(Asker, "127.0.0.1", server.port) for _ in range(CONNECTIONS)
    ]
    await asyncio.sleep(0.3)
    before, cpu, begun = sum(a.answers for _, a in kept), server.cpu_seconds, loop.time()
    await asyncio.sleep(seconds)
    answers = sum(a.answers for _, a in kept) - before
    took, cpu = loop.time() - begun, server.cpu_seconds - cpu
    for transport, _ in kept:
        transport.close()
    return answers / took, cpu / answers
