"""Which segments has the product, how large are they, and when was that computed?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from scheduler.db.product_pages.part import moment
from scheduler.job import Connection
from scheduler.sql import load_sql

sql = load_sql(__file__)

NEEDS = {
    "newsletter_segments": (
        *("slug", "name", "description", "status", "is_dynamic", "subscriber_count", "criteria"),
        "last_computed_at",
    )
}


@dataclass(frozen=True, slots=True)
class Segment:
    slug: str
    name: str
    description: str | None
    status: str
    is_dynamic: bool
    members: int
    """As last computed: nobody is counted for a page."""
    criteria: str
    computed_at: datetime | None


async def listed(connection: Connection, after: str | None, most: int) -> list[Segment]:
    """By slug, from after one on."""
    rows = sql.listed(connection, after=after, most=most)
    return [Segment(**{**row, "computed_at": moment(row["computed_at"])}) async for row in rows]
