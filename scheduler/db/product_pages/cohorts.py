"""Which cohorts has the product, and what became of the people in one?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from scheduler.db.product_pages.odd import OddError, count, kind, parsed, share
from scheduler.db.product_pages.part import moment
from scheduler.job import Connection, Row
from scheduler.sql import load_sql

sql = load_sql(__file__)

NEEDS = {
    "analytics_cohorts": (
        *("id", "status", "name", "slug", "description", "cohort_type", "granularity", "metric"),
        *("cohort_data", "last_computed_at"),
    )
}
MOST_BYTES = 65_536
"""Of one cohort of the matrix; 400 periods with what they were made of need a tenth of it."""


@dataclass(frozen=True, slots=True)
class Cohort:
    id: UUID
    slug: str
    name: str
    description: str | None
    status: str
    type: str
    granularity: str
    metric: str
    computed_at: datetime | None
    odd: str | None = None
    """Why nothing that was computed can be read."""


@dataclass(frozen=True, slots=True)
class Group:
    """Those who came in one day, week or month."""

    key: str
    size: int | None
    values: Sequence[float | None]
    """By period from their own on; None is not known."""
    complete: int
    """So many of the periods are over."""
    odd: str | None = None


async def listed(connection: Connection, after: str | None, most: int) -> list[Cohort]:
    """By slug, from after one on."""
    return [_cohort(row) async for row in sql.listed(connection, after=after, most=most)]


async def single(connection: Connection, slug: str, key: UUID | None) -> Cohort | None:
    row = await sql.single(connection, slug=slug, id=key)
    if row is None:
        return None
    is_odd = row["kind"] not in {None, "object", "null"}
    return _cohort(row, f"cohort_data is of type {row['kind']}, not an object" if is_odd else None)


async def groups(
    connection: Connection, cohort: UUID, before: str | None, most: int
) -> list[Group]:
    """The newest before a key, newest first."""
    rows = sql.rows(connection, id=cohort, before=before, most=most, most_bytes=MOST_BYTES)
    return [_group(row["key"], row["entry"]) async for row in rows]


def _cohort(row: Row, odd: str | None = None) -> Cohort:
    return Cohort(
        id=row["id"],
        slug=row["slug"],
        name=row["name"],
        description=row["description"],
        status=row["status"],
        type=row["cohort_type"],
        granularity=row["granularity"],
        metric=row["metric"],
        computed_at=moment(row["computed_at"]),
        odd=odd,
    )


def _group(key: str, entry: str | None) -> Group:
    try:
        return _read(key, entry)
    except OddError as error:
        return Group(key[:40], None, (), 0, str(error))


def _read(key: str, entry: str | None) -> Group:
    if entry is None:
        raise OddError(f"is longer than {MOST_BYTES:,} bytes")
    found = parsed("it", entry)
    if not isinstance(found, dict):
        raise OddError(f"is {kind(found)}, not an object")
    periods = found.get("periods")
    if not isinstance(periods, list):
        raise OddError(f"periods is {kind(periods)}, not a list")
    values = [
        None if value is None else share(f"periods[{n}]", value) for n, value in enumerate(periods)
    ]
    complete = found.get("complete")
    return Group(
        key[:40],
        count("size", found.get("size")),
        values,
        len(values) if complete is None else count("complete", complete),
    )
