"""Runs the queue's job and kills itself, hard, at the step that it was told.

For each line `STEP` on standard input it forks: the child runs the job and dies at its STEP-th step
(or ends, where there are not so many), the parent says which on standard output. Its arguments are
the database and the mail server. A step is what the world can see: a transaction begun, a commit,
something written to the server, an answer of the server read.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiosmtplib.protocol as smtp_protocol
import jinja2.sandbox  # noqa: F401 - so that no child has to

from scheduler.job import Connection
from scheduler.services import Mail
from tests.support.jobs import PlainDatabase, product
from tests.support.mail import Post


class Steps:
    def __init__(self, last: int) -> None:
        self._last = last
        self.done = 0

    def step(self) -> None:
        self.done += 1
        if self.done == self._last:
            os.kill(os.getpid(), signal.SIGKILL)


class SteppingDatabase(PlainDatabase):
    def __init__(self, pool: Any, step: Callable[[], None]) -> None:
        super().__init__(pool, None)
        self._step = step

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        async with super().transaction() as connection:
            self._step()
            yield connection
            self._step()
        self._step()


async def send(dsn: str, url: str, steps: Steps) -> None:
    protocol: Any = smtp_protocol.SMTPProtocol
    write, read = protocol.write, protocol.read_response

    def stepping_write(self: Any, data: bytes) -> None:
        write(self, data)
        steps.step()

    async def stepping_read(self: Any, timeout: float | None = None) -> Any:
        response = await read(self, timeout)
        steps.step()
        return response

    protocol.write, protocol.read_response = stepping_write, stepping_read
    async with product(dsn) as shop:
        post = Post(shop, Mail())
        post.by_smtp(url)
        await post.run(database=SteppingDatabase(shop.pool, steps.step), connections=2)


def main(dsn: str, url: str) -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            steps = Steps(int(line))
            asyncio.run(send(dsn, url, steps))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        sys.stdout.write("killed\n" if os.WIFSIGNALED(status) else f"ended {status}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
