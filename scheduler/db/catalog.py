"""Which tables and columns the product's database has, as the daemon's role sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import monotonic

from scheduler.db.pools import Pools
from scheduler.sql import load_sql

sql = load_sql(__file__)

FRESH = 60.0
"""Seconds for which what was read is believed."""


class Catalog:
    """The visible tables with their columns, read at most once a minute.

    Raises `DatabaseAwayError` where PostgreSQL cannot be reached.
    """

    def __init__(self, pools: Pools) -> None:
        self._pools = pools
        self._tables: Mapping[str, frozenset[str]] = {}
        self._read_at = float("-inf")

    async def tables(self) -> Mapping[str, frozenset[str]]:
        if monotonic() - self._read_at > FRESH:
            async with self._pools.control() as connection:
                rows = sql.visible_columns(connection)
                self._tables = {row["table"]: frozenset(row["columns"]) async for row in rows}
            self._read_at = monotonic()
        return self._tables

    def forget(self) -> None:
        """Read anew next time: something turned out to be missing."""
        self._read_at = float("-inf")


def missing(needs: Mapping[str, Sequence[str]], tables: Mapping[str, frozenset[str]]) -> list[str]:
    """What of `needs` the database lacks, in words: `app_users`, `app_users.credits_reset_at`."""
    lacking: list[str] = []
    for table, columns in needs.items():
        if table not in tables:
            lacking.append(table)
        else:
            lacking.extend(f"{table}.{column}" for column in columns if column not in tables[table])
    return lacking
