"""One part of a page: what it shows, or why it cannot be shown while the other parts stand."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

import asyncpg

from scheduler.db.catalog import missing
from scheduler.db.pools import AWAY, describe
from scheduler.errors import DatabaseAwayError
from scheduler.job import Connection, JobDatabase
from scheduler.sql import load_sql

sql = load_sql(__file__)

LONGEST = 2_000
"""Milliseconds of one statement."""
MOST = 300
"""Characters of what the database says."""
SLOW = (TimeoutError, asyncpg.QueryCanceledError, asyncpg.LockNotAvailableError)
Needs = Mapping[str, Sequence[str]]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Part(Generic[T]):
    """One of the three is there."""

    value: T | None = None
    missing: Sequence[str] = ()
    """The tables and columns that the database lacks for it."""
    trouble: str | None = None
    """What went wrong, in a sentence without its full stop."""

    @property
    def has_nothing(self) -> bool:
        """It could be read, and what was asked for is not there."""
        return self.value is None and not self.missing and self.trouble is None


async def read_part(
    db: JobDatabase,
    tables: Mapping[str, frozenset[str]],
    needs: Needs,
    read: Callable[[Connection], Awaitable[T]],
) -> Part[T]:
    """Read in a transaction of its own that can change nothing. Raises `DatabaseAwayError`."""
    if lacking := missing(needs, tables):
        return Part(missing=lacking)
    try:
        async with db.transaction() as connection:
            await sql.only_look(connection, milliseconds=LONGEST)
            return Part(await read(connection))
    except SLOW:
        return Part(trouble="the database did not answer in time; open the page again in a moment")
    except AWAY as error:
        raise DatabaseAwayError(f"the database is away: {describe(error)}") from error
    except asyncpg.PostgresError as error:
        return Part(trouble=f"the database says: {describe(error)[:MOST]}")
    except (ArithmeticError, TypeError, ValueError):
        # What the product wrote, and no type of ours can hold.
        return Part(trouble="a value in the table is out of any range that can be shown")


def moment(seconds: float | None) -> datetime | None:
    """Of seconds since 1970; None for a time that no calendar has, such as infinity."""
    if seconds is None or not math.isfinite(seconds):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        return None


def span(seconds: float | None) -> timedelta | None:
    """Of seconds; None for one that is endless, or negative."""
    if seconds is None or not 0 <= seconds < 1e11:
        return None
    return timedelta(seconds=seconds)
