"""The product's database for somebody who only looks: nothing can be changed through it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from scheduler.job import Connection


class ReadOnlyDatabase:
    """A `JobDatabase` on one connection, whose timeouts hold; every transaction is read only."""

    def __init__(self, connection: asyncpg.Connection[Any]) -> None:
        self._connection = connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        async with self._connection.transaction(readonly=True):
            yield self._connection
