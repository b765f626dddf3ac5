"""Does a provider that answers with garbage now and then break anything for long?

Each answer has one place in three taken away, doubled or replaced. Whatever comes of it, no error
is one of ours, nobody is subscribed again who left, and true answers put everything right.
"""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Iterator
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from aiohttp import web

from scheduler.errors import JobError
from tests.jobs.newsletter.conftest import There
from tests.support.jobs import NOW
from tests.support.newsletters import Handler, Newsletter

DAY = timedelta(days=1)
VALUES: list[Any] = [
    *(None, 5, -1, 0, "x", "", True, False, 1e308, float("nan"), 10**30),
    *("\ud800\x00", "2026-13-45", "Ann@Example.com", [], {}, [[]], [None], [5, "a"], {"a": 1}),
]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inner: Any = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    for key, each in inner:
        yield from places(each, (*path, key))


def garbled(value: Any, random: Random) -> Any:
    made = copy.deepcopy(value)
    path = random.choice(list(places(made)))
    if not path:
        return random.choice(VALUES)
    at, last = made, path[-1]
    for key in path[:-1]:
        at = at[key]
    match random.randrange(10):
        case 0 | 1:
            del at[last]
        case 2 if isinstance(at, list):
            at.append(copy.deepcopy(at[last]))
        case _:
            at[last] = random.choice(VALUES)
    return made


class Garbling:
    """Stands before a provider, until it is `off`."""

    def __init__(self, there: There, random: Random) -> None:
        self.off = False
        self._answer = there.server._answer
        self._random = random
        there.server._answer = self.answer  # type: ignore[method-assign]

    async def answer(self, request: web.Request, handler: Handler, line: str) -> web.StreamResponse:
        answer = await self._answer(request, handler, line)
        if self.off or not isinstance(answer, web.Response) or self._random.random() > 1 / 3:
            return answer
        if answer.content_type != "application/json" or not isinstance(answer.body, bytes):
            return answer
        garbage = garbled(json.loads(answer.body), self._random)
        return web.json_response(garbage, status=answer.status, headers={"Retry-After": "0"})


@pytest.mark.parametrize("seed", range(10))
async def test_garbage_breaks_nothing_for_long(here: Newsletter, there: There, seed: int) -> None:
    garbling = Garbling(there, Random(f"{there.name} {seed}"))
    for n in range(6):
        await here.add(f"reader-{n}@example.com", first_name=f"Reader {n}")
    there.server.has("reader-0@example.com", there.left)
    there.server.has("reader-1@example.com", there.subscribed)
    group = {"mailerlite": "g1", "mailchimp": "101", "brevo": "8"}[there.name]
    await here.segment("some", "reader-2@example.com", **{there.group: group})
    now = NOW
    for day in range(6):
        if day == 2:
            await here.leave("reader-4@example.com")
        try:
            async with asyncio.timeout(20):
                await here.sync(there.services, now)
        except JobError:
            pass  # the run has failed, and said so
        now += DAY
    garbling.off = True
    await here.sync(there.services, now, full=True)
    result = (await here.sync(there.services, now + DAY, full=True))[there.name]
    assert result["success"] is True
    statuses = there.server.statuses()
    assert statuses["reader-0@example.com"] == there.left
    assert statuses.get("reader-4@example.com", there.left) == there.left
    assert (await here.statuses())["reader-0@example.com"] != "active"
