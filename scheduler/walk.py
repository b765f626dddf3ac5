"""How does a job change many rows: by key, a stretch at a time, and nobody is left out unsaid.

Each stretch is one transaction and one statement. Rows that the product has locked are passed over
and met again at the end; a row that cannot be written is found, set aside and named.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

import asyncpg
from pydantic import JsonValue

from scheduler.errors import JobError
from scheduler.job import Connection, JobContext, Row
from scheduler.sql import Queries
from scheduler.transaction import limit_lock_wait

STRETCH = 1_000
"""Rows a transaction: some 20 ms, so that nobody who spends meanwhile waits for longer."""
ONE_WAIT = 5.0
"""Seconds to wait for one row before looking again who else has become free."""
MOST_REFUSED = 100
"""Above this many rows that cannot be written, it is not the rows."""

FIRST_KEY = UUID(int=0)
LAST_KEY = UUID(int=2**128 - 1)

# What the database says of one row's content, as opposed to of the statement or the server.
REFUSED = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.PLPGSQLError,
    asyncpg.TriggeredActionError,
    asyncpg.WithCheckOptionViolationError,
)


@dataclass(frozen=True, slots=True)
class Left:
    """Who is still due at the end."""

    refused: Mapping[UUID, str]
    """Rows that the database would not let change, with what it said."""
    locked: int
    """Rows that another transaction kept locked all the while."""

    @property
    def users(self) -> int:
        return len(self.refused) + self.locked

    def details(self) -> list[JsonValue]:
        """The same as entries of `errorDetails`."""
        details: list[JsonValue] = [
            {"userId": str(key), "message": message} for key, message in self.refused.items()
        ]
        if self.locked:
            message = "locked by other transactions all the while; left for the next run"
            details.append({"users": self.locked, "message": message})
        return details


@dataclass(frozen=True, slots=True)
class _Stretch:
    first: UUID
    through: UUID
    rows: int
    """Due rows from the beginning of the walk to the end of this stretch."""


class Walk:
    """One walk over the rows that are due, keyed by UUID. The job's `.sql` file holds its steps:

    - `stretches`: of the due rows in `:first` .. `:through`, the key of each `:size`-th and of the
      last, as `through`, with how many there are up to it, as `rows`; by key;
    - `change^`: changes the due rows in `:first` .. `:through` and answers with counts; it locks
      them by key, passes over locked ones, and asks again under the lock whether they are due;
    - `lock_first$`: locks the first due row, waiting for it, and gives its key.

    Due is who meets the job's condition and is not in `:refused`. `count` takes an answer of
    `change` and says how many rows it changed.
    """

    def __init__(
        self,
        ctx: JobContext,
        steps: Queries,
        parameters: Mapping[str, object],
        count: Callable[[Row], int],
        size: int = STRETCH,
    ) -> None:
        self._ctx = ctx
        self._sql = steps
        self._parameters = parameters
        self._count = count
        self._size = size
        self._refused: dict[UUID, str] = {}
        self._done = 0
        self._total = 0

    async def go(self, lock_wait: float) -> Left:
        """Change everyone who is due; wait up to `lock_wait` seconds for those who are locked.

        Raises `JobError` where so many rows are refused that it cannot be the rows.
        """
        due = await self._stretches(FIRST_KEY, LAST_KEY, self._size)
        self._total = _rows(due)
        await self._change_all(due, self._size)
        clock = asyncio.get_running_loop().time
        give_up = clock() + lock_wait
        due = await self._stretches(FIRST_KEY, LAST_KEY, self._size)
        while due and (seconds := give_up - clock()) > 0:
            done = self._done
            waited_in_vain = not await self._wait_for_first(min(seconds, ONE_WAIT))
            await self._change_all(due, self._size)
            still = await self._stretches(FIRST_KEY, LAST_KEY, self._size)
            if self._done == done and _rows(still) >= _rows(due) and not waited_in_vain:
                break  # nobody locks them, and yet they do not change: no use to go round again
            due = still
        return Left(self._refused, _rows(due))

    def everywhere(self) -> dict[str, object]:
        """The parameters of a query over all keys, for a job's own question about who is due."""
        return self._bound(FIRST_KEY, LAST_KEY)

    async def _stretches(self, first: UUID, through: UUID, size: int) -> list[_Stretch]:
        stretches: list[_Stretch] = []
        before = 0
        async with self._ctx.db.transaction() as connection:
            rows = self._sql.stretches(connection, **self._bound(first, through), size=size)
            async for row in rows:
                alone = row["rows"] - before == 1
                stretches.append(
                    _Stretch(row["through"] if alone else first, row["through"], row["rows"])
                )
                before = row["rows"]
                first = UUID(int=min(row["through"].int + 1, LAST_KEY.int))
        return stretches

    async def _change_all(self, stretches: list[_Stretch], size: int) -> None:
        for stretch in stretches:
            try:
                async with self._ctx.db.transaction() as connection:
                    row = await self._change(connection, stretch.first, stretch.through)
                self._done += self._count(row)
            except REFUSED as error:
                if stretch.first == stretch.through:
                    self._set_aside(stretch.through, error)
                else:
                    # Somebody in here: look more closely, so that only that row stays behind.
                    finer = max(size // 10, 1)
                    parts = await self._stretches(stretch.first, stretch.through, finer)
                    await self._change_all(parts, finer)
            self._ctx.progress(self._done, max(self._done, self._total))

    async def _change(self, connection: Connection, first: UUID, through: UUID) -> Row:
        row: Row = await self._sql.change(connection, **self._bound(first, through))
        return row

    async def _wait_for_first(self, seconds: float) -> bool:
        """Wait for the first who is due and change that row; False where it was not set free."""
        row = None
        try:
            async with self._ctx.db.transaction() as connection:
                await limit_lock_wait(connection, seconds)
                key = await self._sql.lock_first(connection, **self.everywhere())
                if key is not None:
                    row = await self._change(connection, key, key)
            if row is not None:
                self._done += self._count(row)
        except asyncpg.LockNotAvailableError:
            return False
        except REFUSED as error:
            self._ctx.log.debug("row_refused", error=str(error))  # the walk that follows finds it
        return True

    def _set_aside(self, key: UUID, error: asyncpg.PostgresError) -> None:
        if len(self._refused) >= MOST_REFUSED:
            raise JobError(
                f"the database refused more than {MOST_REFUSED} rows, the last one with: {error}"
            ) from error
        self._refused[key] = str(error)
        self._ctx.log.warning("row_refused", id=str(key), error=str(error))

    def _bound(self, first: UUID, through: UUID) -> dict[str, object]:
        return {
            **self._parameters,
            "first": first,
            "through": through,
            "refused": list(self._refused),
        }


def _rows(stretches: list[_Stretch]) -> int:
    return stretches[-1].rows if stretches else 0
