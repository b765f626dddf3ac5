"""Does the daemon say that it lives while hundreds hold connections and say next to nothing?"""

from __future__ import annotations

import asyncio
from time import monotonic

import pytest

from scheduler.web.server import Limits
from tests.faults.attacks.malformed import SECRET
from tests.faults.attacks.target import GROWTH, Target, changed, contents
from tests.faults.attacks.wire import answers, exchange
from tests.faults.conftest import FULL, Report, trials

LIVEZ = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
SLOW = [
    b"",
    b"GET /livez HTTP/1.1\r\nX: ",
    b"POST /api/v1/workers/cleanup HTTP/1.1\r\nHost: x\r\n"
    + SECRET
    + b"Content-Length: 60000\r\n\r\n",
    b"POST /api/v1/workers/cleanup HTTP/1.1\r\nHost: x\r\n"
    + SECRET
    + b"Transfer-Encoding: chunked\r\n\r\n4\r\n",
    b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n",
    b"G",
]

pytestmark = pytest.mark.timeout(300)


async def test_slow_connections(target: Target, report: Report) -> None:
    count = trials(500, 60)
    report.of(
        "slow connections: headers and bodies that trickle",
        count,
        "/livez answers within 1 s, each is given up in time, no effect",
    )
    before, memory = await contents(target.dsn), target.megabytes
    held = [asyncio.create_task(trickle(target, SLOW[n % len(SLOW)])) for n in range(count)]
    waits = []
    for _ in range(trials(40, 10)):
        started = monotonic()
        [said] = answers(await exchange(target.port, [LIVEZ], 30))
        assert said.status == 200
        waits.append(monotonic() - started)
        await asyncio.sleep(0.1)
    peak = target.megabytes - memory
    report.seconds("/livez", waits)
    report.figures["memory while they were held"] = f"{peak:+.1f} MB"
    assert max(waits) < (1 if FULL else 20)
    assert peak < GROWTH
    if not FULL:
        # That each is given up after ten seconds is what test_server shows with shorter ones.
        for one in held:
            one.cancel()
        await asyncio.gather(*held, return_exceptions=True)
    else:
        kept = await asyncio.gather(*held)
        report.seconds("given up after", kept)
        limits = Limits()
        assert max(kept) < limits.request_seconds + limits.linger_seconds + 3
    assert changed(before, await contents(target.dsn)) == []


async def trickle(target: Target, begin: bytes) -> float:
    """A byte every half second until the server has enough; how long that took."""
    started = monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
    writer.write(begin)
    ended = asyncio.create_task(reader.read())
    try:
        while not ended.done():
            if begin:
                writer.write(b"x")
            await asyncio.wait([ended], timeout=0.5)
        return monotonic() - started
    finally:
        ended.cancel()
        writer.transport.abort()
