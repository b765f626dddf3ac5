"""Publishes a suggestion and kills itself, hard, at the step that it was told.

For each line `STEP PROJECT SUGGESTION` on standard input it forks: the child publishes and dies at
its STEP-th step (or ends, where there are not so many), the parent says which on standard output.
Its arguments are the database and GitHub's address. A step is what the world can see: a
transaction begun, a commit, a request on its way, an answer that has come.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

import gidgethub.sansio  # noqa: F401 - so that no child has to
from aiohttp import ClientRequest
from pydantic import SecretStr

from agents.github.terms import Pace
from agents.publish import publish
from scheduler.job import Connection
from scheduler.services import GitHub, Services
from tests.support.agents import Bench
from tests.support.jobs import PlainDatabase, product

left = [0]


def step() -> None:
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)


class SteppingDatabase(PlainDatabase):
    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        async with super().transaction() as connection:
            step()
            yield connection
            step()
        step()


async def no_wait(_: float) -> None:
    await asyncio.sleep(0)


async def run(dsn: str, url: str, project: str, suggestion: str) -> None:
    request: Any = ClientRequest
    send = request.send

    async def stepping_send(self: Any, connection: Any) -> Any:
        step()
        response = await send(self, connection)
        step()
        start = response.start

        async def stepping_start(connection: Any) -> Any:
            started = await start(connection)
            step()
            return started

        response.start = stepping_start
        return response

    request.send = stepping_send
    async with product(dsn) as shop:
        bench = Bench(shop, UUID(project))
        bench.services = Services(github=GitHub(api_url=url, token=SecretStr("token-of-tests")))
        ctx = replace(bench.context(), db=SteppingDatabase(shop.pool, None))
        await publish(ctx, UUID(suggestion), Pace(sleep=no_wait))


def main(dsn: str, url: str) -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            count, project, suggestion = line.split()
            left[0] = int(count)
            asyncio.run(run(dsn, url, project, suggestion))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        sys.stdout.write("killed\n" if os.WIFSIGNALED(status) else f"ended {status}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
