"""How does a test of funnels get its events and funnels, and what did the job make of them?"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from scheduler.sql import load_sql
from tests.support.jobs import MIDNIGHT, Product

sql = load_sql(__file__)

LOOKBACK = timedelta(days=30)
A_DAY = timedelta(days=1)
AN_HOUR = timedelta(hours=1)
A_MOMENT = timedelta(microseconds=1)
BEGIN = MIDNIGHT - LOOKBACK
"""Where chains may begin at the earliest."""
UNTOUCHED: Mapping[str, Any] = {
    "total_entered": 0,
    "total_completed": 0,
    "conversion_rate": None,
    "avg_time_to_complete": None,
    "step_metrics": [],
    "last_computed_at": None,
}


@dataclass(frozen=True)
class Event:
    event: str
    at: datetime
    user: UUID | None = None
    session: str | None = None
    metadata: object = None
    properties: object = None
    id: UUID = field(default_factory=uuid4)

    @property
    def person(self) -> UUID | str | None:
        # A session without a name is nobody.
        return (self.session or None) if self.user is None else self.user


async def add_events(shop: Product, events: Sequence[Event]) -> None:
    await sql.add_people(
        shop.pool, ids=list({e.user for e in events if e.user} - await _users(shop))
    )
    columns: dict[str, object] = {
        "ids": [e.id for e in events],
        "events": [e.event for e in events],
        "users": [e.user for e in events],
        "times": [e.at for e in events],
        "metadata": [None if e.metadata is None else json.dumps(e.metadata) for e in events],
    }
    if "session_id" not in shop.tables["analytics_events"]:
        await sql.add_lean_events(shop.pool, **columns)
        return
    properties = [None if e.properties is None else json.dumps(e.properties) for e in events]
    sessions = [e.session for e in events]
    await sql.add_events(shop.pool, **columns, sessions=sessions, properties=properties)


async def _users(shop: Product) -> set[UUID]:
    return set(await shop.users())


def steps_of(*events: str | Mapping[str, object]) -> list[Mapping[str, object]]:
    return [{"event": e} if isinstance(e, str) else e for e in events]


async def add_funnel(
    shop: Product,
    slug: str,
    steps: object,
    window_days: int | None = 30,
    status: str | None = "published",
) -> UUID:
    key: UUID = await sql.add_funnel(
        shop.pool, slug=slug, steps=json.dumps(steps), window_days=window_days, status=status
    )
    return key


async def funnels(shop: Product) -> dict[str, Mapping[str, Any]]:
    return {row["slug"]: dict(row) async for row in sql.funnels(shop.pool)}


async def progress(shop: Product) -> list[dict[str, Any]]:
    return [dict(row) async for row in sql.progress(shop.pool)]


def random_events(dice: random.Random, number: int) -> list[Event]:
    """Of so many people: on a coarse clock, so that many events share an instant; some just at and
    beyond the ends of what counts."""
    events: list[Event] = []
    edges = [MIDNIGHT - 20 * A_DAY, BEGIN, MIDNIGHT]
    for n in range(number):
        user = uuid4() if dice.random() < 0.6 else None
        session = None if user and dice.random() < 0.5 else f"session '{n}' {{"
        for _ in range(dice.randrange(16)):
            at = MIDNIGHT - dice.randrange(22 * 12) * 2 * AN_HOUR
            if dice.random() < 0.05:
                at = dice.choice(edges) + dice.choice([-A_MOMENT, timedelta(0), A_MOMENT])
            metadata, properties = (
                dice.choice([None, {}, {"plan": dice.choice(["x", "y", 1, True, None])}, ["plan"]])
                for _ in range(2)
            )
            nobody = dice.random() < 0.02
            events.append(
                Event(
                    dice.choice("aaabbccdef"),
                    at,
                    None if nobody else user,
                    dice.choice([None, ""]) if nobody else session,
                    metadata,
                    properties,
                    UUID(int=dice.getrandbits(128)),
                )
            )
    return events


def random_steps(dice: random.Random) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = []
    for n in range(dice.choice([2, 2, 3, 3, 4, 4, 5, 6])):
        step: dict[str, Any] = {"event": dice.choice("abcdef" if dice.random() < 0.7 else "a")}
        if dice.random() < 0.5:
            step["name"] = f"Step {n} {{{{ '"
        if dice.random() < 0.3:
            step["where"] = {"plan": dice.choice(["x", "y", 1, True, None])}
        steps.append(step)
    return steps
