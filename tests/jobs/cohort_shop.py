"""A shop with people of the test's own, its cohorts, and what a slow program makes of them."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from scheduler.sql import load_sql
from tests.support.jobs import Product

SQL = {column: load_sql(__file__, events_time=column) for column in ("timestamp", "created_at")}
KEYS = {"day": "%Y-%m-%d", "week": "%G-W%V", "month": "%Y-%m"}
GENERATION = "generation_completed"


@dataclass
class Person:
    id: UUID
    created_at: datetime | None
    tier: str = "free"
    banned: bool = False


@dataclass
class Shop:
    """Everything the cohorts look at, here and in the database alike."""

    product: Product
    people: list[Person] = field(default_factory=list)
    events: list[tuple[str, UUID | None, datetime]] = field(default_factory=list)
    invoices: list[tuple[UUID, str, int, str | None, datetime, datetime | None]] = field(
        default_factory=list
    )
    history: list[tuple[UUID, str, str | None, datetime]] = field(default_factory=list)

    @property
    def sql(self) -> Any:
        columns = self.product.tables["analytics_events"]
        return SQL["timestamp" if "timestamp" in columns else "created_at"]

    async def lay(self) -> None:
        """Put what was added since the last call into the database."""
        pool = self.product.pool
        await self.sql.add_people(
            pool,
            ids=[person.id for person in self.people],
            created_at=[person.created_at for person in self.people],
            tiers=[person.tier for person in self.people],
            banned=[person.banned for person in self.people],
        )
        await self.more_events(*self.events)
        paid = ("users", "statuses", "cents", "currencies", "invoiced", "paid")
        await self.sql.add_invoices(pool, **_columns(paid, self.invoices))
        told = ("users", "actions", "reasons", "times")
        await self.sql.add_history(pool, **_columns(told, self.history))

    async def read(self) -> None:
        """Take over what is in the database."""
        pool = self.product.pool
        self.people = [Person(*row) async for row in self.sql.people(pool)]
        self.events = [tuple(row) async for row in self.sql.events(pool)]
        self.invoices = [tuple(row) async for row in self.sql.invoices(pool)]
        self.history = [tuple(row) async for row in self.sql.history(pool)]

    async def more_events(self, *events: tuple[str, UUID | None, datetime]) -> None:
        await self.sql.add_events(
            self.product.pool, **_columns(("types", "users", "times"), events)
        )

    async def cohort(
        self,
        slug: str,
        metric: str = "retention",
        granularity: str = "week",
        cohort_type: str = "signup_date",
        *,
        filters: object = None,
        start_date: date | str | None = None,
        end_date: date | str | None = None,
        status: str | None = "published",
        stored: str = "{}",
    ) -> None:
        await self.sql.add_cohort(
            self.product.pool,
            slug=slug,
            status=status,
            cohort_type=cohort_type,
            granularity=granularity,
            metric=metric,
            filters=filters if isinstance(filters, str) else json.dumps(filters or {}),
            start_date=start_date and str(start_date),
            end_date=end_date and str(end_date),
            cohort_data=stored,
        )

    async def data(self) -> dict[str, Any]:
        """What stands in `cohort_data`, by slug."""
        rows = self.sql.cohorts(self.product.pool)
        return {row["slug"]: json.loads(row["data"]) async for row in rows}

    async def shown(self, slug: str) -> dict[str, tuple[int, list[Any]]]:
        """Size and values of each cohort of a definition."""
        data = (await self.data())[slug]
        return {key: (entry["size"], entry["periods"]) for key, entry in data.items()}


def _columns(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, list[Any]]:
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}


def randomly(shop: Shop, dice: random.Random, first: datetime, days: int, people: int) -> None:
    """Fill `shop` over the days from `first` on; many things happen close to midnight somewhere."""

    def moment() -> datetime:
        at = first + timedelta(seconds=dice.randrange(days * 86_400))
        if dice.random() < 0.3:
            hour = timedelta(minutes=30 * dice.randrange(48), microseconds=dice.choice([-1, 0, 1]))
            at = at.replace(hour=0, minute=0, second=0) + hour
        return at

    for _ in range(people):
        created_at = None if dice.random() < 0.02 else moment()
        person = Person(
            UUID(int=dice.getrandbits(128)),
            created_at,
            dice.choice(["free", "maker", "pro"]),
            dice.random() < 0.2,
        )
        shop.people.append(person)
        for _ in range(dice.choice([0, 1, 3, 12])):
            kind = dice.choice(["page_view", "user_login", GENERATION, "generation_failed"])
            shop.events.append((kind, person.id, moment()))
        for _ in range(dice.choice([0, 0, 1, 3])):
            at = moment()
            paid = None if dice.random() < 0.2 else at + timedelta(minutes=dice.randrange(2000))
            status = dice.choice(["paid", "paid", "paid", "open", "void"])
            currency = dice.choice(["usd", "usd", "USD", "eur", None])
            cents = dice.choice([0, 900, 2_900, 2_000_000_000])
            shop.invoices.append((person.id, status, cents, currency, at, paid))
        for _ in range(dice.choice([0, 0, 1, 2])):
            action = dice.choice(["created", "created", "upgraded", "canceled"])
            reason = dice.choice([None, None, "trial", "customer"])
            shop.history.append((person.id, action, reason, moment()))
    for _ in range(people):
        shop.events.append(("page_view", None, moment()))


@dataclass(frozen=True)
class Asked:
    """A cohort's definition; `chosen` says in Python whom the filters mean."""

    type: str
    granularity: str
    metric: str
    start: date | None = None
    end: date | None = None
    chosen: Callable[[Person], bool] = lambda _: True
    currency: str = "usd"
    cumulative: bool = False


def slowly(shop: Shop, asked: Asked, at: datetime, zone: ZoneInfo) -> Mapping[str, Any]:
    """Size, values and number of ended periods of each cohort, one thing after the other.

    Takes every event to be still there.
    """

    def day_of(moment: datetime) -> date:
        return moment.astimezone(zone).date()

    @cache
    def key(day: date) -> str:
        return day.strftime(KEYS[asked.granularity])

    # Every period's key in order, by walking through the days.
    today = day_of(at)
    keys: list[str] = []
    day = date(2024, 1, 1)
    while day <= today:
        if key(day) not in keys[-1:]:
            keys.append(key(day))
        day += timedelta(days=1)
    last = min(asked.end or today, today)
    until = keys.index(key(last)) + 1
    first = until - 12 if asked.start is None else keys.index(key(asked.start))

    joined: dict[UUID, datetime] = {}
    for person in shop.people:
        if not asked.chosen(person):
            continue
        match asked.type:
            case "first_purchase":
                moments = [
                    paid or invoiced
                    for user, status, cents, _, invoiced, paid in shop.invoices
                    if user == person.id and status == "paid" and cents > 0
                ]
            case "subscription_start":
                moments = [
                    moment
                    for user, action, reason, moment in shop.history
                    if user == person.id and action == "created" and reason != "trial"
                ]
            case _:
                moments = [person.created_at] if person.created_at else []
        if moments and min(moments) < at:
            joined[person.id] = min(moments)

    doings: dict[str, list[tuple[str, UUID | None]]] = defaultdict(list)
    for kind, user, moment in shop.events:
        doings[key(day_of(moment))].append((kind, user))
    payments: dict[str, list[tuple[UUID, int]]] = defaultdict(list)
    for payer, status, cents, currency, invoiced, paid in shop.invoices:
        if status == "paid" and (currency or "usd").lower() == asked.currency:
            payments[key(day_of(paid or invoiced))].append((payer, cents))
    result: dict[str, Any] = {}
    for number, cohort in enumerate(keys):
        members = {user for user, moment in joined.items() if key(day_of(moment)) == cohort}
        if not members or not first <= number < until:
            continue
        values: list[float | int | None] = []
        followed = keys[number : first + 400]
        total = 0
        for place, period in enumerate(followed):
            events = [(kind, user) for kind, user in doings[period] if user in members]
            active = {user for _, user in events}
            cents = sum(cents for payer, cents in payments[period] if payer in members)
            total += cents
            if asked.metric == "retention" and place == 0:
                values.append(100)
            elif period == key(today):
                values.append(None)
            elif asked.metric == "retention":
                values.append(round(100 * len(active) / len(members), 2))
            elif asked.metric == "revenue":
                values.append(total if asked.cumulative else cents)
            elif asked.metric == "generations":
                values.append(sum(kind == GENERATION for kind, _ in events))
            else:
                values.append(round(len(events) / len(active), 2) if active else 0)
        complete = sum(period != key(today) for period in followed)
        result[cohort] = {"size": len(members), "periods": values, "complete": complete}
    return result


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)
