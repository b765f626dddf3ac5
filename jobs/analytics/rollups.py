"""Up to where are the product's events rolled up, and where does a first run begin?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from jobs.analytics.events import event_sql
from scheduler.job import Connection
from scheduler.sql import Queries

ROLLUPS = Path(__file__).with_suffix(".sql")


def rollup_sql(owner: str, tables: Mapping[str, frozenset[str]]) -> Queries:
    """The queries of the `.sql` file beside `owner`, with those and the fragments shared here."""
    return event_sql(owner, tables, ROLLUPS)


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
