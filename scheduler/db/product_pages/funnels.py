"""Which funnels has the product, and who got how far in one?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from scheduler.db.product_pages.odd import OddError, count, entries, parsed, share, text
from scheduler.db.product_pages.part import moment, span
from scheduler.job import Connection, Row
from scheduler.sql import load_sql

sql = load_sql(__file__)

NEEDS = {
    "analytics_funnels": (
        *("id", "status", "name", "slug", "description", "steps", "window_days", "total_entered"),
        *("total_completed", "conversion_rate", "avg_time_to_complete", "step_metrics"),
        "last_computed_at",
    )
}
MOST_BYTES = 65_536
MOST_STEPS = 50


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    people: int
    median: timedelta | None
    """Since the step before."""


@dataclass(frozen=True, slots=True)
class Funnel:
    id: UUID
    slug: str
    name: str
    description: str | None
    status: str
    entered: int
    completed: int
    conversion: float | None
    """From 0 to 1."""
    average: timedelta | None
    computed_at: datetime | None
    window_days: int = 0
    steps: Sequence[Step] = ()
    """As computed; none where it was not."""
    defined: Sequence[str] = ()
    """The names of the steps as they are defined now, as far as they can be read."""
    odd: str | None = None
    """Why what was computed cannot be read."""


async def listed(connection: Connection, after: str | None, most: int) -> list[Funnel]:
    """By slug, from after one on."""
    return [_funnel(row) async for row in sql.listed(connection, after=after, most=most)]


async def single(connection: Connection, slug: str, key: UUID | None) -> Funnel | None:
    row = await sql.single(connection, slug=slug, id=key, most_bytes=MOST_BYTES)
    if row is None:
        return None
    found = replace(_funnel(row), window_days=row["window_days"], defined=_defined(row["steps"]))
    try:
        return replace(found, steps=_steps(row))
    except OddError as error:
        return replace(found, odd=str(error))


def _funnel(row: Row) -> Funnel:
    rate = row["conversion_rate"]
    return Funnel(
        id=row["id"],
        slug=row["slug"],
        name=row["name"],
        description=row["description"],
        status=row["status"],
        entered=row["entered"],
        completed=row["completed"],
        conversion=None if rate is None or not 0 <= rate <= 100 else rate / 100,
        average=span(row["average_seconds"]),
        computed_at=moment(row["computed_at"]),
    )


def _steps(row: Row) -> list[Step]:
    if row["step_metrics"] is None and row["octets"]:
        raise OddError(f"step_metrics is longer than {MOST_BYTES:,} bytes")
    found: list[Step] = []
    for path, entry in entries("step_metrics", parsed("step_metrics", row["step_metrics"])):
        if len(found) == MOST_STEPS:
            raise OddError(f"step_metrics has over {MOST_STEPS} steps")
        median: Any = entry.get("median_seconds_from_previous")
        found.append(
            Step(
                text(f"{path}.name", entry.get("name")),
                count(f"{path}.count", entry.get("count")),
                span(None if median is None else share(f"{path}.median", median)),
            )
        )
    return found


def _defined(steps: str | None) -> list[str]:
    """What `compute-funnels` makes of it is for its run to say: here only the names, if any."""
    try:
        found = entries("steps", parsed("steps", steps))
    except OddError:
        return []
    names = (entry.get("name") or entry.get("event") for _, entry in found[:MOST_STEPS])
    return [name[:255] for name in names if isinstance(name, str)]
