"""What do the tests of the rollups roll up? Rows of the product, chosen or at random."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any, TypeAlias
from uuid import UUID

from jobs.analytics.rollups import rollup_sql
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
            "created_at": moment(random, first - (until - first) / 2, until)
            if random.random() < 0.95
            else None,
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
    return max(at.replace(minute=0, second=0), first) if random.random() < 0.1 else at


def random_ledger(
    random: Random, count: int, people: Sequence[Row], first: datetime, until: datetime
) -> list[Row]:
    return [
        {
            "user_id": random.choice(people)["id"],
            "type": random.choice(["generation", "generation", "purchase"]),
            "amount": random.choice([-5, -1, 0, 3]),
            "at": moment(random, first, until),
        }
        for _ in range(count)
    ]


def random_history(
    random: Random, count: int, people: Sequence[Row], first: datetime, until: datetime
) -> list[Row]:
    """No two rows of one person at one moment: which of them came last is anybody's guess."""
    actions = ("created", "canceled", "expired", "reactivated", "upgraded", "downgraded", "renewed")
    taken: set[tuple[UUID, datetime]] = set()
    rows = []
    for _ in range(count):
        user, at = random.choice(people)["id"], moment(random, first, until)
        if (user, at) in taken:
            continue
        taken.add((user, at))
        rows.append(
            {
                "user_id": user,
                "action": random.choice(actions),
                "to_tier": random.choice(["maker", "pro", "unlimited", None]),
                "invoice": f"in_{random.randrange(400)}" if random.random() < 0.2 else None,
                "reason": random.choice(["trial", "customer", None]),
                "at": at,
            }
        )
    return rows


def random_invoices(
    random: Random, count: int, people: Sequence[Row], first: datetime, until: datetime
) -> list[Row]:
    lengths = [timedelta(), timedelta(days=30), timedelta(days=299, hours=23), timedelta(days=300)]
    rows = []
    for number in range(count):
        # Of odd seconds, so that no two of one person were paid at one moment.
        at = moment(random, first, until).replace(second=0) + timedelta(microseconds=number)
        begins = random.choice([at, at - timedelta(minutes=2), at - timedelta(days=3), None])
        length = random.choice([*lengths, timedelta(days=365), timedelta(days=2)])
        rows.append(
            {
                "user_id": random.choice(people)["id"],
                "invoice": f"in_{number}",
                "status": random.choice(["paid", "paid", "paid", "open", "void"]),
                "cents": random.choice([0, 999, 2900, 9999, 100_000, -500]),
                "currency": random.choice(["usd", "usd", "usd", "USD", "eur", None]),
                "period_start": begins,
                "period_end": begins and begins + length,
                "invoice_date": at,
                "paid_at": random.choice([at, at, None]),
            }
        )
    return rows


def random_readers(random: Random, count: int, first: datetime, until: datetime) -> list[Row]:
    return [
        {
            "subscribed_at": moment(random, first, until),
            "unsubscribed_at": random.choice([None, None, moment(random, first, until)]),
        }
        for _ in range(count)
    ]


def random_mail(random: Random, count: int, first: datetime, until: datetime) -> list[Row]:
    types = ("sent", "delivered", "opened", "clicked", "bounced")
    return [
        {"event_type": random.choice(types), "at": moment(random, first, until)}
        for _ in range(count)
    ]


async def rows_read(shop: Product, owner: str, name: str, parameters: Row, table: str) -> int:
    """How many rows of `table` a query of the `.sql` file beside `owner` looks at."""
    sql: Any = rollup_sql(owner, shop.tables)
    values = [parameters[key] for key in sql.driver_adapter.var_sorted[name]]
    text = "EXPLAIN (ANALYZE, FORMAT JSON) " + getattr(sql, name).sql
    async with shop.pool.acquire() as connection:
        await connection.execute("ANALYZE")
        transaction = connection.transaction()
        await transaction.start()
        plan = await connection.fetchval(text, *values)
        await transaction.rollback()
    return sum(
        int((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])
        for node in nodes(plan[0]["Plan"])
        if node.get("Relation Name") == table
    )


def nodes(plan: Row) -> Iterator[Row]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)
