"""One run of a real job in its small shop, through a proxy, tried until it has ended."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from time import monotonic
from typing import Any

import asyncpg
import pytest

import agents.publish
from scheduler.app import all_jobs
from scheduler.db.pools import Pools
from scheduler.entry import Entry, Retry
from scheduler.errors import DatabaseAwayError
from scheduler.running import runner
from scheduler.running.registry import JobType
from scheduler.sql import load_sql
from tests.faults.invariants import violations_on
from tests.faults.outside import Outside
from tests.faults.proxy import Message, Proxy, proxy_to
from tests.faults.shops import Shop
from tests.faults.state import Rows, State, differences, ids_of, quoted, read_rows
from tests.support import databases
from tests.support.jobs import product
from tests.support.machine import Machine, ManualTime, connect, machine
from tests.support.postgres import Postgres

sql = load_sql(__file__)

TRIES = 40
PATIENCE = 60.0
KEPT = "kept"
"""The schema where a stocked database keeps what it was stocked with."""

jobs: Callable[[], Mapping[str, JobType]] = cache(all_jobs)


@contextmanager
def quick() -> Iterator[None]:
    """Leases and waits so short that a trial takes no longer than its work."""
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(runner, "HEARTBEAT", 0.4)
        changed.setattr(runner, "LEASE", 4.0)
        changed.setattr(runner, "RESCUE_EVERY", 0.4)
        changed.setattr(runner, "POLL", 0.2)
        changed.setattr(agents.publish, "LAG", timedelta(seconds=0.1))
        yield


@dataclass(frozen=True)
class Stocked:
    """A shop as a template database, and what is in it."""

    shop: Shop
    template: str
    params: Mapping[str, Any]
    rows: Rows
    known: frozenset[str]

    @property
    def state(self) -> State:
        return self.rows.masked(self.known)


@asynccontextmanager
async def stocked(postgres: Postgres, shop: Shop) -> AsyncIterator[Stocked]:
    template = await postgres.create(await postgres.template("product_a", databases.product_a))
    try:
        dsn = postgres.dsn(template)
        async with product(dsn) as made:
            params = {**shop.params, **(await shop.seed(made) or {})}
        async with connect(dsn) as connection:
            rows = await read_rows(connection)
            await connection.execute(f"CREATE SCHEMA {KEPT}")
            for table in _with_rows(rows):
                await connection.execute(f"CREATE TABLE {_copy(table)} AS TABLE {quoted(table)}")
        yield Stocked(shop, template, params, rows, ids_of(rows.rows))
    finally:
        await postgres.drop(template)


def _with_rows(rows: Rows) -> list[str]:
    return [table for table, there in rows.rows.items() if there]


def _copy(table: str) -> str:
    return f'{KEPT}."{table}"'


@dataclass
class Place:
    """A database of a shop in which one trial after the other is made, and a connection to it."""

    dsn: str
    stock: Stocked
    past: asyncpg.Connection[Any]
    used: Rows = field(init=False)
    """What there was after the last trial."""

    def __post_init__(self) -> None:
        self.used = self.stock.rows

    async def clear(self) -> None:
        """Make it as it was stocked: nobody connected, and the same rows in every table."""
        while await sql.end_others(self.past):
            await asyncio.sleep(0.01)
        self.used = await read_rows(self.past)
        changed = [
            table for table, there in self.used.rows.items() if there != self.stock.rows.rows[table]
        ]
        async with self.past.transaction():
            # Neither triggers nor foreign keys: the rows are those that there were.
            await self.past.execute("SET LOCAL session_replication_role = replica")
            for table in changed:
                await self.past.execute(f"DELETE FROM {quoted(table)}")  # noqa: S608
            for table in set(changed) & {*_with_rows(self.stock.rows)}:
                await self.past.execute(
                    f"INSERT INTO {quoted(table)} OVERRIDING SYSTEM VALUE TABLE {_copy(table)}"
                )


@asynccontextmanager
async def place_of(postgres: Postgres, stock: Stocked) -> AsyncIterator[Place]:
    name = await postgres.create(stock.template)
    try:
        async with connect(postgres.dsn(name)) as past:
            yield Place(postgres.dsn(name), stock, past)
    finally:
        await postgres.drop(name)


@dataclass(frozen=True)
class Played:
    """What one trial came to."""

    status: str
    error: str | None
    state: State
    told: Any
    wrong: list[str]
    """Broken invariants, and what was written twice outside."""
    messages: list[Message]
    """That had come by when the run had ended."""
    cuts: int
    attempts: int
    seconds: float

    def differs_from(self, clean: Played) -> list[str]:
        found = [*self.wrong, *differences(clean.state, self.state)]
        if self.status != clean.status:
            found.append(f"{self.status}: {self.error}")
        if self.told != clean.told:
            found.append(f"outside: {self.told} and not {clean.told}")
        return found


Harm = Callable[[Proxy, Outside], None]


def none(_proxy: Proxy, _outside: Outside) -> None:
    """No harm."""


async def play(place: Place, harm: Harm = none) -> Played:
    """Run the job once through the proxy; `harm` is done before."""
    stock = place.stock
    shop = stock.shop
    began = monotonic()
    await place.clear()
    async with proxy_to(place.dsn) as (proxy, through), shop.outside() as outside:
        harm(proxy, outside)
        async with machine(
            through,
            types={shop.job: jobs()[shop.job]},
            entries=[entry_of(stock)],
            now=ManualTime(shop.now),
            services=outside.services,
            agents=shop.agents,
        ) as one:
            status, error, attempts = await _through(one, place.past, shop)
            messages, cuts = list(proxy.log), proxy.cuts
        return Played(
            status,
            error,
            (await read_rows(place.past)).masked(stock.known),
            json.loads(json.dumps(outside.told())),
            [*await violations_on(place.past), *outside.doubled()],
            messages,
            cuts,
            attempts,
            monotonic() - began,
        )


def entry_of(
    stock: Stocked, tries: int = TRIES, timeout: timedelta = timedelta(minutes=10)
) -> Entry:
    """The job's entry, whose runs are attempted again at once."""
    kind = jobs()[stock.shop.job]
    return Entry(
        name=stock.shop.job,
        job=stock.shop.job,
        cron="* * * * *",
        params=kind.job.params.model_validate(stock.params),
        timeout=timeout,
        retry=Retry(attempts=tries, backoff=timedelta(0), max_backoff=timedelta(0)),
    )


async def opening(place: Place) -> int:
    """How many messages it takes to open a connection, before it is used."""
    async with proxy_to(place.dsn) as (proxy, through):
        pools = await Pools.open(lambda: through, job_connections=1)
        await pools.warm_up()
        await pools.close()
        counts = Counter(one.wire for one in proxy.log if one.what != ">X")
    [count] = {*counts.values()}
    return count


async def _through(
    one: Machine, past: asyncpg.Connection[Any], shop: Shop
) -> tuple[str, str | None, int]:
    """Fire as the clock does, until it is in the record; then wait for the end, past the proxy."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await one.on_clock(shop.at, shop.job)
                break
            except DatabaseAwayError:
                await asyncio.sleep(0.01)
        while True:
            row = await sql.ended(past, job=shop.job, at=shop.at)
            if row is not None and not one.runner.running:
                return row["status"], row["error_message"], row["attempt"]
            await asyncio.sleep(0.01)
