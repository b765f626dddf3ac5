"""What the database knows that metrics tell: of all processes together, as it is now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from scheduler.db.catalog import missing
from scheduler.db.pools import Pools
from scheduler.db.product_pages.queue import NEEDS, Waiting, waiting
from scheduler.sql import load_sql

sql = load_sql(__file__)

COUNTED = 10_000
"""More than that is not counted."""
MOST_TOKENS = 200
MOST_CONDITIONS = 50
ALL_PROJECTS = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Quota:
    token_hash: str
    limit: int
    remaining: int


@dataclass(frozen=True, slots=True)
class Spent:
    """Today (UTC), of all projects."""

    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class Gauges:
    """One reading."""

    open_runs: Mapping[str, int]
    """By status."""
    waiting: int
    """Runs that could begin."""
    oldest: float
    """Seconds that the first of them has waited."""
    suggestions: Mapping[str, int]
    quotas: Sequence[Quota]
    spent: Spent
    conditions: Sequence[str]
    outbox: Mapping[str, Waiting] = field(default_factory=dict)
    """Messages by what they wait for; nothing where this daemon does not send them."""


class GaugeStore:
    """Reads through the control pool, within its timeouts."""

    def __init__(self, pools: Pools) -> None:
        self._pools = pools

    async def read(self, now: datetime) -> Gauges:
        """Everything but the outbox. Raises `DatabaseAwayError`."""
        async with self._pools.control() as connection:
            rows = [row async for row in sql.open_runs(connection, now=now, most=COUNTED)]
            found = sql.suggestions(connection, now=now, most=COUNTED)
            suggestions = {row["status"]: row["suggestions"] async for row in found}
            quotas = [
                Quota(**row) async for row in sql.quotas(connection, now=now, most=MOST_TOKENS)
            ]
            spent = await sql.spending(
                connection, day=now.astimezone(UTC).date(), project=ALL_PROJECTS
            )
            named = sql.conditions(connection, most=MOST_CONDITIONS)
            conditions = [row["name"] async for row in named]
        return Gauges(
            open_runs={row["status"]: row["runs"] for row in rows},
            waiting=sum(row["waiting"] for row in rows),
            oldest=max((row["oldest"] or 0.0 for row in rows), default=0.0),
            suggestions=suggestions,
            quotas=quotas,
            spent=Spent(spent["tokens_in"], spent["tokens_out"], spent["cost_usd"])
            if spent
            else Spent(),
            conditions=conditions,
        )

    async def outbox(
        self, tables: Mapping[str, frozenset[str]], now: datetime
    ) -> Mapping[str, Waiting]:
        """Messages by what they wait for; nothing where the product has no queue of that form.

        Raises `DatabaseAwayError`.
        """
        if missing(NEEDS, tables):
            return {}
        async with self._pools.control() as connection:
            return await waiting(connection, tables, now)
