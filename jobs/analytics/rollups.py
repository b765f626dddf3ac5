"""Up to where are the product's events rolled up, and where does a first run begin?"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

from jobs.analytics.events import event_sql
from scheduler.job import Connection
from scheduler.sql import Queries

ROLLUPS = Path(__file__).with_suffix(".sql")

Source: TypeAlias = Mapping[str, AbstractSet[str]]
"""What feeds columns of a rollup besides the events: tables, with what is read of each."""

LEDGER: Source = {"credit_transactions": {"type", "amount", "created_at"}}


def rollup_sql(owner: str, tables: Mapping[str, frozenset[str]]) -> Queries:
    """The queries of the `.sql` file beside `owner`, with those and the fragments shared here."""
    return event_sql(owner, tables, ROLLUPS)


def feeds(tables: Mapping[str, frozenset[str]], source: Source) -> bool:
    """Whether all of it is there. Columns that nothing feeds stay as they are, a new row's at 0."""
    return all(columns <= tables.get(table, frozenset()) for table, columns in source.items())


async def done_before(
    connection: Connection, sql: Queries, job: str, earliest: datetime, before: datetime
) -> datetime:
    """The job's watermark: every period before it is done, or was never the job's business.

    Where the job never ran, that is where the events begin, but not before `earliest`; `before`
    where there are none in between.
    """
    reached: datetime | None = await sql.done_before(connection, job=job)
    if reached is None:
        reached = await sql.first_event(connection, first=earliest, before=before)
    return reached or before
