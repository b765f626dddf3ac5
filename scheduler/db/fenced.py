"""Transactions as a run may use them: bounded by its time, committed only while it owns its run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import Any
from uuid import UUID

import asyncpg

from scheduler.db.pools import CONTROL_TIMEOUT, Pool, PooledConnection
from scheduler.errors import LeaseLostError
from scheduler.job import Row

LEASE_LOST = "LP001"
"""The SQLSTATE that `lamplighter.hold_lease` raises."""
AT_ONCE = 8
"""Transactions that one run has open at a time: the others wait, and other runs find room."""
CLIENT_GRACE = 2.0
"""Seconds past the server's own statement timeout after which the network is given up."""


class BoundedDatabase:
    """A `JobDatabase` until `deadline`, on the monotonic clock."""

    def __init__(self, pool: Pool, deadline: float, commit: str = "COMMIT") -> None:
        self._pool = pool
        self._commit = commit
        self._deadline = deadline
        self._room = asyncio.Semaphore(AT_ONCE)
        self._inside: set[asyncio.Task[Any] | None] = set()

    def _left(self) -> float:
        left = self._deadline - monotonic()
        if left <= 0:
            raise TimeoutError("the run's time is over")
        return left

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[BoundedConnection]:
        """Waits where this run has many open already."""
        task = asyncio.current_task()
        if task in self._inside:
            # With all of them waiting for a second one, none would ever end.
            raise RuntimeError("a transaction was opened inside of another")
        async with asyncio.timeout(self._left()):
            await self._room.acquire()
        self._inside.add(task)
        try:
            async with self._transaction() as connection:
                yield connection
        finally:
            self._inside.discard(task)
            self._room.release()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[BoundedConnection]:
        left = self._left()
        connection = await self._pool.acquire(timeout=left)
        clean = False
        try:
            # One round trip to begin and one to commit, as plain BEGIN and COMMIT would take.
            await connection.execute(
                f"BEGIN; SET LOCAL statement_timeout = {int(left * 1000) + 1}; "
                f"SET LOCAL idle_in_transaction_session_timeout = {int(left * 1000) + 1000}",
                timeout=min(left, CONTROL_TIMEOUT) + CLIENT_GRACE,
            )
            yield BoundedConnection(connection, self._deadline)
            try:
                await connection.execute(self._commit, timeout=self._left() + CLIENT_GRACE)
            except asyncpg.PostgresError as error:
                if error.sqlstate == LEASE_LOST:
                    raise LeaseLostError(str(error)) from error
                raise
            clean = True
        finally:
            if not clean:
                await self._roll_back(connection)
            await self._pool.release(connection)

    async def _roll_back(self, connection: PooledConnection) -> None:
        """Undo, without waiting for a server that does not answer."""
        try:
            if not connection.is_closed():
                await asyncio.wait_for(connection.execute("ROLLBACK"), CONTROL_TIMEOUT)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            # The pool takes a lost connection back by itself; then there is nothing to cut.
            with suppress(asyncpg.InterfaceError):
                connection.terminate()


class FencedDatabase(BoundedDatabase):
    """The `JobDatabase` of one attempt: commits only while the attempt owns its run."""

    def __init__(self, pool: Pool, run_id: UUID, attempt: int, deadline: float) -> None:
        lease = f"SELECT lamplighter.hold_lease('{run_id}', {attempt:d}); COMMIT"
        super().__init__(pool, deadline, lease)


class BoundedConnection:
    """A connection whose every call ends with the run's time."""

    __slots__ = ("_connection", "_deadline")

    def __init__(self, connection: PooledConnection, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline

    def _timeout(self) -> float:
        return max(self._deadline - monotonic(), 0) + CLIENT_GRACE

    async def execute(self, query: str, *args: object) -> str:
        return await self._connection.execute(query, *args, timeout=self._timeout())

    async def fetch(self, query: str, *args: object) -> Sequence[Row]:
        return await self._connection.fetch(query, *args, timeout=self._timeout())

    async def fetchrow(self, query: str, *args: object) -> Row | None:
        return await self._connection.fetchrow(query, *args, timeout=self._timeout())

    async def fetchval(self, query: str, *args: object) -> Any:
        return await self._connection.fetchval(query, *args, timeout=self._timeout())
