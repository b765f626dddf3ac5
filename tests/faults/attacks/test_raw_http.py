"""Does the server stay in step, and alive, whatever bytes a connection sends?"""

from __future__ import annotations

import asyncio
import json
from time import monotonic

import aiohttp
import pytest

from tests.faults.attacks.malformed import Trial, trial
from tests.faults.attacks.target import GROWTH, MAY_BE_SAID, Target, changed, contents
from tests.faults.attacks.wire import Said, answers, exchange
from tests.faults.conftest import FULL, Report, trials

AT_ONCE = 20
PATIENCE = 30.0
SOON = 0.4
"""Seconds of quiet after which a server that may wait for more is left alone."""

pytestmark = pytest.mark.timeout(1800)


def told(said: Said) -> str:
    """Which request an answer is to: its path stands in it."""
    text = said.body.decode(errors="replace")
    found = [name for name in "abs" if f"/nowhere/{name}-" in text]
    return found[0] if found else "a"


def broken(n: int, tried: Trial, data: bytes) -> list[str]:
    """What must not be in what came back."""
    try:
        found = list(answers(data, first_has_body=not tried.parts[0].startswith(b"HEAD ")))
    except AssertionError as error:
        return [str(error)]
    wrong = [f"answered {one.status}" for one in found if one.status >= 500]
    wrong = [one for one in wrong if int(one.split()[1]) not in MAY_BE_SAID]
    order = [told(one) for one in found]
    if tried.kind == "bombs" and order and order[0] == "a":
        # A row of requests is answered in a row.
        order = ["a", *[one for one in order if one != "a"]]
    if tried.kind in {"scrambled", "noise"} and order == ["a", "a"]:
        # Its body was made shorter than it says: the rest of `b` is then no request.
        order = ["a"]
    if order not in ([], ["a"], ["a", "b"], ["b"]):
        wrong.append(f"out of step: {order}")
    if tried.hides and order == ["b"]:
        wrong.append("the attack was not answered, what follows it was")
    if not found and not tried.may_wait:
        wrong.append("never answered")
    for one in found:
        if one.status >= 400 and one.headers.get("content-type", "").startswith("application/json"):
            body = json.loads(one.body) if one.body else {"success": False}
            if body.get("success") is not False and "status" not in body:
                wrong.append(f"an error in another form: {one.body[:100]!r}")
    return wrong


async def test_malformed_requests(target: Target, report: Report) -> None:
    count = trials(10_000, 300)
    report.of(
        "malformed HTTP requests: smuggling, odd framing, bombs, noise",
        count,
        "no 5xx but 503/504, no answer out of step, others answered meanwhile, "
        f"under {GROWTH:.0f} MB more memory, no effect",
    )
    before = await contents(target.dsn)
    await asyncio.gather(*(one(target, n) for n in range(100_000, 100_060)))
    memory = target.megabytes
    numbers = iter(range(count))
    found: list[str] = []
    answered: dict[str, int] = {}

    async def attacker() -> None:
        for n in numbers:
            tried, data = await one(target, n)
            found.extend(f"{n} {tried.kind}: {wrong}" for wrong in broken(n, tried, data))
            answered[tried.kind] = answered.get(tried.kind, 0) + bool(data)

    ended = asyncio.Event()
    watcher = asyncio.create_task(well_formed(target, ended))
    await asyncio.gather(*(attacker() for _ in range(AT_ONCE)))
    ended.set()
    waits = await watcher
    grown = target.megabytes - memory
    report.seconds("a good request meanwhile", waits)
    report.figures["memory"] = f"{grown:+.1f} MB"
    assert not found, "\n".join(found[:40])
    assert len(answered) >= 8, answered
    assert max(waits) < (5 if FULL else 30)
    assert grown < GROWTH
    assert changed(before, await contents(target.dsn)) == []


async def one(target: Target, n: int) -> tuple[Trial, bytes]:
    tried = trial(n)
    patience = SOON if tried.may_wait else PATIENCE
    return tried, await exchange(target.port, tried.parts, patience)


async def well_formed(target: Target, ended: asyncio.Event) -> list[float]:
    """How long a good request takes while others are bad, on one connection that is kept."""
    waits: list[float] = []
    connector = aiohttp.TCPConnector(limit=1)
    async with aiohttp.ClientSession(connector=connector) as session:
        while not ended.is_set() or not waits:
            started = monotonic()
            name = f"/nowhere/{len(waits)}"
            async with session.get(target.url + name) as response:
                body = await response.json()
            assert (response.status, body["error"]) == (404, f"there is nothing at {name}")
            waits.append(monotonic() - started)
            await asyncio.sleep(0.05)
    return waits
