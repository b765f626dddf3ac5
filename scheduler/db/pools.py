"""The connections: a small pool for the record of runs, and one for jobs.

Every connection and every call has a timeout, so that a network that swallows packets is an error
within seconds instead of a hung daemon.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

import asyncpg

from scheduler.errors import DatabaseAwayError, DatabaseFullError

# As texts: the classes are generic in their stubs only.
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
PooledConnection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"

CONTROL_TIMEOUT = 3.0
"""Seconds for each call of the control pool: claims, heartbeats, settling, health."""
CONTROL_CONNECTIONS = 4
CLOSING = 0.3
"""Seconds to say goodbye to a server, which may not answer."""

NOTICED = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
"""A daemon that has vanished without a word is noticed by the server within half a minute, and what
it had begun undone: by default its locks would hold up for hours whoever takes over."""

# What says that the server is away, as opposed to that a statement was wrong.
AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # What asyncpg says where the server closed the connection under a call that was just sent.
    asyncpg.InternalClientError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    # It has no connection, no memory or no shared memory left for us.
    asyncpg.InsufficientResourcesError,
    # A database that is not there yet, that lets nobody in, or us not: somebody may mend it.
    asyncpg.InvalidCatalogNameError,
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.InvalidAuthorizationSpecificationError,
)

SLOW = (
    # A statement that waits for somebody's lock longer than it may.
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
)
"""What says of a short statement that it would have succeeded at another time."""

# What says that a value cannot be stored, so that trying again is of no use.
NOT_KEPT = (
    ValueError,
    TypeError,
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
)


@dataclass(frozen=True, slots=True)
class PoolUse:
    """Connections of one pool, and the callers that wait for one."""

    most: int
    used: int
    idle: int
    waiting: int

    @classmethod
    def of(cls, pool: Pool) -> PoolUse:
        idle = pool.get_idle_size()
        # asyncpg has no word for it: callers wait for a holder of a connection in this queue.
        getters = pool._queue._getters  # type: ignore[attr-defined]  # noqa: SLF001
        waiting = sum(not getter.done() for getter in getters)
        return cls(pool.get_max_size(), pool.get_size() - idle, idle, waiting)


class Pools:
    """Both pools of one database. Opening them does not connect: the server may be away."""

    def __init__(self, control: Pool, jobs: Pool) -> None:
        self._control = control
        self.jobs = jobs

    @classmethod
    async def open(cls, dsn: Callable[[], str], *, job_connections: int) -> Pools:
        """Make the pools. `dsn` is asked at each new connection: the server may move."""

        async def connect(*_: object, **options: Any) -> asyncpg.Connection[asyncpg.Record]:
            connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(dsn(), **options)
            return connection

        control = await asyncpg.create_pool(
            connect=connect,
            min_size=0,
            max_size=CONTROL_CONNECTIONS,
            timeout=CONTROL_TIMEOUT,
            command_timeout=CONTROL_TIMEOUT,
            max_inactive_connection_lifetime=0,
            init=prepare_connection,
            reset=_leave_as_is,
            server_settings={
                "application_name": "lamplighter",
                "statement_timeout": "3000",
                **NOTICED,
            },
        )
        jobs = await asyncpg.create_pool(
            connect=connect,
            min_size=0,
            max_size=job_connections,
            timeout=CONTROL_TIMEOUT,
            # Each statement carries its own, shorter bound: what is left of its run's time.
            command_timeout=24 * 3600,
            max_inactive_connection_lifetime=300,
            init=prepare_connection,
            reset=_leave_as_is,
            server_settings={"application_name": "lamplighter job", **NOTICED},
        )
        return cls(control, jobs)

    @asynccontextmanager
    async def control(self) -> AsyncIterator[PooledConnection]:
        """A connection for the daemon's own short statements.

        Raises `DatabaseAwayError` where the server is away, also in the middle, or has no time
        or room for the statement.
        """
        try:
            connection = await self._control.acquire(timeout=CONTROL_TIMEOUT)
            try:
                yield connection
            except (*AWAY, asyncio.CancelledError):
                # Given back as it is, it would wait for the server to confirm that the statement
                # is cancelled, and a server that does not answer would turn a cancellation of
                # this task into a timeout.
                _cut(connection)
                raise
            finally:
                await self._control.release(connection)
        except asyncpg.DiskFullError as error:
            raise DatabaseFullError(
                f"the disk of the database is full, make room: {describe(error)}"
            ) from error
        except AWAY as error:
            raise DatabaseAwayError(f"the database is away: {describe(error)}") from error
        except SLOW as error:
            raise DatabaseAwayError(f"the database is too slow: {describe(error)}") from error

    @property
    def use(self) -> Mapping[str, PoolUse]:
        """How busy each pool is now."""
        return {"control": PoolUse.of(self._control), "jobs": PoolUse.of(self.jobs)}

    async def warm_up(self) -> None:
        """Open what the first fire will need, so that it does not wait for it."""
        async with self.control(), self.jobs.acquire(timeout=CONTROL_TIMEOUT):
            pass

    async def close(self) -> None:
        await asyncio.gather(_close(self._control), _close(self.jobs))


async def _close(pool: Pool) -> None:
    try:
        await asyncio.wait_for(pool.close(), CLOSING)
    except (*AWAY, asyncio.CancelledError):
        pool.terminate()


def _cut(connection: PooledConnection) -> None:
    # The pool takes a lost connection back by itself; then there is nothing to cut.
    with suppress(asyncpg.InterfaceError):
        connection.terminate()


async def prepare_connection(connection: asyncpg.Connection[Any] | PooledConnection) -> None:
    """JSON columns are Python values on every connection of ours."""
    for kind in ("json", "jsonb"):
        await connection.set_type_codec(
            kind, schema="pg_catalog", encoder=to_json, decoder=json.loads
        )


async def _leave_as_is(connection: asyncpg.Connection[Any] | PooledConnection) -> None:
    """Nothing stays behind but a broken transaction, and the usual reset costs a trip."""
    if connection.is_in_transaction():
        await connection.execute("ROLLBACK")


def to_json(value: object) -> str:
    """JSON that PostgreSQL takes: no NUL in texts, no NaN, what is unknown as its text."""
    text = json.dumps(value, default=str, allow_nan=True)
    if "\\u0000" in text or "NaN" in text or "Infinity" in text:
        text = json.dumps(_clean(value), default=str, allow_nan=False)
    return text


def _clean(value: object) -> object:
    match value:
        case str():
            return value.replace("\x00", "\N{REPLACEMENT CHARACTER}")
        case float() if not math.isfinite(value):
            return str(value)
        case dict():
            return {str(_clean(key)): _clean(item) for key, item in value.items()}
        case list() | tuple():
            return [_clean(item) for item in value]
        case _:
            return value


def describe(error: BaseException) -> str:
    """An error in one line; its type where it has no text."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
