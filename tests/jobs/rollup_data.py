"""What do the tests of the rollups roll up? Rows of the product, chosen or at random."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any, TypeAlias
from uuid import UUID

from scheduler.sql import Queries, load_sql
from tests.support.jobs import Product

Row: TypeAlias = dict[str, Any]

SQL = {column: load_sql(__file__, events_time=column) for column in ("timestamp", "created_at")}
EVENT: Row = {
    "event_type": "page_view",
    "user_id": None,
    "metadata": {},
    "session_id": None,
    "page_url": None,
    "properties": {},
}
TYPES = (
    *("page_view", "page_view", "page_view", "api_request", "api_error", "generation_completed"),
    *("generation_failed", "profile_created", "comment_created", "report_created"),
    *("report_resolved", "user_banned", "warning_issued", "O'Neill; DROP", "user_login"),
)
NUMBERS = (0, 1, 12, 33.5, 99.99, 250, 86_400_000, 86_400_001, -1, 1e300, "NaN", "12", True, None)


def queries(shop: Product) -> Queries:
    return SQL["timestamp" if "timestamp" in shop.tables["analytics_events"] else "created_at"]


async def add_events(shop: Product, *rows: Row) -> None:
    sql = queries(shop)
    variant_a = "session_id" in shop.tables["analytics_events"]
    add = sql.add_events if variant_a else sql.add_events_b
    await add(shop.pool, rows=plain([{**EVENT, **row} for row in rows]))


async def add(shop: Product, table: str, rows: Sequence[Row]) -> None:
    await getattr(queries(shop), f"add_{table}")(shop.pool, rows=plain(rows))


def plain(rows: Sequence[Row]) -> list[Row]:
    """As JSON has it: times and keys as texts."""
    return [
        {
            name: str(value) if isinstance(value, datetime | UUID) else value
            for name, value in row.items()
        }
        for row in rows
    ]


def random_people(random: Random, count: int, first: datetime, until: datetime) -> list[Row]:
    return [
        {
            "id": UUID(int=random.getrandbits(128), version=4),
            "created_at": moment(random, first - (until - first) / 2, until),
            "tier": random.choice(["free", "maker", "pro", None]),
        }
        for _ in range(count)
    ]


def random_events(
    random: Random, count: int, people: Sequence[Row], first: datetime, until: datetime
) -> list[Row]:
    """Some crowd together, some carry nonsense, and those of two sessions belong to nobody."""
    at = first
    rows = []
    for _ in range(count):
        near = at + timedelta(minutes=random.choice([1, 7, 29, 30, 31]))
        at = near if random.random() < 0.6 and near < until else moment(random, first, until)
        user = random.choice(people)["id"] if random.random() < 0.7 else None
        metadata, properties = random_json(random), random_json(random)
        rows.append(
            {
                "event_type": random.choice(TYPES),
                "user_id": user,
                "metadata": metadata,
                "at": at,
                "session_id": random.choice([None, None, "", *"abcdefgh"]),
                "page_url": random.choice([None, *(f"/{n}" for n in range(14)), "/ü'", ""]),
                "properties": properties,
            }
        )
    return rows


def random_json(random: Random) -> object:
    if random.random() < 0.1:
        return random.choice([None, [], [1, "response_time_ms"], "response_time_ms", 7])
    names = ("response_time_ms", "confidence", "other")
    return {name: random.choice(NUMBERS) for name in names if random.random() < 0.5}


def moment(random: Random, first: datetime, until: datetime) -> datetime:
    """Sometimes on the hour exactly."""
    at = first + timedelta(seconds=random.randrange(int((until - first).total_seconds())))
    return at.replace(minute=0, second=0) if random.random() < 0.1 else at
