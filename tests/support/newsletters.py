"""Providers of newsletters as their APIs are documented, on loopback, and a sync against them.

What all of them share is here: the key, limits, faults that are ordered, what was asked for. Each
provider's own ways are in `newsletter_providers.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from aiohttp import web

from jobs import sync_newsletter
from scheduler.job import Done, JobContext, Outcome
from scheduler.services import Services
from tests.support.jobs import MIDNIGHT, NOW, UTC_ZONE, Log, PlainDatabase, Product

KEY = "the-providers-key-us1"
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Fault:
    """What the server does instead, for calls whose method and path hold `at`."""

    at: str
    answer: web.Response | None = None
    """None cuts the connection."""
    times: int = 1
    after: int = 0
    """Calls that go well first."""
    acts: bool = False
    """Whether the call is done nevertheless: only its answer is lost."""


@dataclass
class Call:
    method: str
    path: str
    body: Any
    at: float


@dataclass
class Person:
    """A contact at the provider."""

    id: str
    email: str
    status: str
    fields: dict[str, str] = field(default_factory=dict)
    groups: set[str] = field(default_factory=set)
    changed: datetime = EPOCH


class FakeProvider:
    """The base: a server that keeps contacts and writes down what it was asked."""

    def __init__(self) -> None:
        self.people: dict[str, Person] = {}
        self.calls: list[Call] = []
        self.faults: list[Fault] = []
        self.limit_header: tuple[str, str] | None = None
        self.limit: int | None = None
        """Calls before 429, then as many again."""
        self.at_once = 0
        self.most_at_once = 0
        self.url = ""
        self.time = EPOCH
        self.ids = 0

    # What a test says of the provider.

    def has(self, email: str, status: str, **fields: str) -> Person:
        self.ids += 1
        person = Person(self.new_id(email), email, status, fields, changed=self.tick())
        self.people[email.lower()] = person
        return person

    def becomes(self, email: str, status: str) -> None:
        self.people[email].status = status
        self.people[email].changed = self.tick()

    def statuses(self) -> dict[str, str]:
        return {email: person.status for email, person in sorted(self.people.items())}

    def writes(self) -> list[Call]:
        """Calls that are to change something."""
        return [call for call in self.calls if self.is_write(call)]

    def is_write(self, call: Call) -> bool:
        return call.method != "GET"

    def forget_calls(self) -> None:
        self.calls.clear()
        self.most_at_once = 0

    # What each provider does its own way.

    def new_id(self, email: str) -> str:
        return str(10**15 + self.ids)

    def routes(self) -> Sequence[web.RouteDef]:
        raise NotImplementedError

    def is_authorised(self, request: web.Request) -> bool:
        raise NotImplementedError

    def problem(self, status: int, sentence: str) -> web.Response:
        raise NotImplementedError

    def tick(self) -> datetime:
        self.time += timedelta(seconds=1)
        return self.time

    @web.middleware
    async def around(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        body = await request.json() if request.can_read_body else None
        request["json"] = body
        path = request.path_qs
        self.calls.append(Call(request.method, path, body, asyncio.get_running_loop().time()))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await self._answer(request, handler, f"{request.method} {path}")
        finally:
            self.at_once -= 1

    async def _answer(
        self, request: web.Request, handler: Handler, line: str
    ) -> web.StreamResponse:
        for fault in self.faults:
            if fault.at not in line or fault.times == 0:
                continue
            if fault.after > 0:
                fault.after -= 1
                continue
            fault.times -= 1
            if fault.acts:
                await handler(request)
            if fault.answer is None:
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
            given = fault.answer
            return web.Response(body=given.body, status=given.status, headers=given.headers)
        if not request.path.startswith("/open/") and not self.is_authorised(request):
            return self.problem(401, "the key is not valid")
        if self.limit is not None:
            if self.limit == 0:
                self.limit = None
                answer = self.problem(429, "too many")
                answer.headers["Retry-After"] = "0"
                return answer
            self.limit -= 1
        response = await handler(request)
        if self.limit_header:
            response.headers[self.limit_header[0]] = self.limit_header[1]
        return response


@asynccontextmanager
async def serving(*providers: FakeProvider) -> AsyncIterator[None]:
    """The providers' servers, up."""
    runners = []
    try:
        for provider in providers:
            app = web.Application(middlewares=[provider.around], client_max_size=64 << 20)
            app.add_routes(provider.routes())
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            runners.append(runner)
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            provider.url = site._server.sockets[0].getsockname()  # type: ignore[union-attr]
            provider.url = f"http://127.0.0.1:{provider.url[1]}"
        yield
    finally:
        for runner in runners:
            await runner.cleanup()


class Newsletter:
    """The product's newsletter in a test, and the job that syncs it."""

    def __init__(self, shop: Product) -> None:
        self.shop = shop
        self.log = Log()

    async def add(self, email: str, status: str | None = "active", **columns: object) -> UUID:
        names = ["email", "status", *columns]
        values = [email, status, *columns.values()]
        holes = ", ".join(f"${n}" for n in range(1, len(values) + 1))
        added: UUID = await self.shop.pool.fetchval(
            f"INSERT INTO newsletter_subscribers ({', '.join(names)}) VALUES ({holes})"  # noqa: S608
            " RETURNING id",
            *values,
        )
        return added

    async def crowd(self, number: int) -> None:
        await self.shop.pool.execute(
            "INSERT INTO newsletter_subscribers (email, first_name, subscribed_at)"
            " SELECT 'crowd' || n || '@example.com', 'Name ' || n, $2::timestamptz"
            " FROM generate_series(1, $1::int) n",
            number,
            EPOCH,
        )

    async def leave(self, email: str, status: str = "unsubscribed") -> None:
        await self.shop.pool.execute(
            "UPDATE newsletter_subscribers SET status = $2 WHERE email = $1", email, status
        )

    async def segment(self, slug: str, *emails: str, **ids: str) -> None:
        column, group = next(iter(ids.items()))
        await self.shop.pool.execute(
            f"INSERT INTO newsletter_segments (name, slug, {column}) VALUES ($1, $1, $2)"  # noqa: S608
            " ON CONFLICT (slug) DO NOTHING",
            slug,
            group,
        )
        await self.shop.pool.execute(
            "DELETE FROM newsletter_segment_members m USING newsletter_segments t"
            " WHERE t.id = m.segment_id AND t.slug = $1",
            slug,
        )
        await self.shop.pool.execute(
            "INSERT INTO newsletter_segment_members (segment_id, subscriber_id)"
            " SELECT t.id, s.id FROM newsletter_segments t, newsletter_subscribers s"
            " WHERE t.slug = $1 AND s.email = ANY ($2)",
            slug,
            list(emails),
        )

    async def statuses(self) -> dict[str, str]:
        rows = await self.shop.pool.fetch(
            "SELECT email, status FROM newsletter_subscribers ORDER BY email"
        )
        return {row["email"]: row["status"] for row in rows}

    async def row(self, email: str) -> dict[str, Any]:
        row = await self.shop.pool.fetchrow(
            "SELECT * FROM newsletter_subscribers WHERE email = $1", email
        )
        assert row is not None
        return dict(row)

    async def logged(self) -> list[dict[str, Any]]:
        rows = await self.shop.pool.fetch(
            "SELECT * FROM newsletter_sync_log ORDER BY started_at, provider"
        )
        return [dict(row) for row in rows]

    async def suppressions(self) -> dict[str, tuple[str, str]]:
        rows = await self.shop.pool.fetch("SELECT * FROM lamplighter.suppressions ORDER BY email")
        return {row["email"]: (row["reason"], row["source"]) for row in rows}

    async def versions(self) -> list[tuple[Any, ...]]:
        """Which versions of which rows there are: a write of any kind makes another."""
        found: list[tuple[Any, ...]] = []
        for table in (
            "newsletter_subscribers",
            "newsletter_segments",
            "lamplighter.newsletter_contacts",
            "lamplighter.newsletter_providers",
            "lamplighter.suppressions",
        ):
            query = f"SELECT ctid, xmin FROM {table} ORDER BY ctid"  # noqa: S608
            rows = await self.shop.pool.fetch(query)
            found += [(table, *row) for row in rows]
        return found

    def context(
        self,
        services: Services,
        now: datetime = NOW,
        commits_left: int | None = None,
        run_id: UUID | None = None,
    ) -> JobContext:
        return JobContext(
            run_id=run_id or uuid4(),
            job="sync-newsletter",
            attempt=1,
            scheduled_for=MIDNIGHT,
            timezone=UTC_ZONE,
            now=lambda: now,
            db=PlainDatabase(self.shop.pool, commits_left),
            tables=self.shop.tables,
            scheduled_jobs=frozenset(),
            log=self.log,
            progress=lambda done, total: None,
            services=services,
        )

    async def outcome(
        self,
        services: Services,
        now: datetime = NOW,
        commits_left: int | None = None,
        run_id: UUID | None = None,
        **params: object,
    ) -> Outcome:
        made = sync_newsletter.job.params.model_validate(params)
        ctx = self.context(services, now, commits_left, run_id)
        return await sync_newsletter.job.run(ctx, made)

    async def sync(self, services: Services, now: datetime = NOW, **rest: Any) -> dict[str, Any]:
        """The answer's `results`."""
        outcome = await self.outcome(services, now, **rest)
        assert isinstance(outcome, Done)
        results: Any = outcome.data["results"]
        return dict(results)
