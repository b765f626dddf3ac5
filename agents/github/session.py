"""What the syncs of one run share: a client, the tokens, and what is left of their quota."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from agents.github.client import GitHubClient
from agents.github.limits import AT_MOST, Limits
from agents.github.terms import Pace
from agents.github.tokens import Tokens
from scheduler.condition import clear_condition, set_condition
from scheduler.job import JobContext
from scheduler.sql import load_sql

sql = load_sql(__file__)

CONDITION = "github"
KEEP_QUOTA = timedelta(days=1)
"""Past its reset: tokens that are no longer used go."""


@dataclass(frozen=True, slots=True)
class Session:
    client: GitHubClient
    tokens: Tokens


@asynccontextmanager
async def github_session(ctx: JobContext, pace: Pace) -> AsyncIterator[Session]:
    """For one run. A limit that another run has met holds here too."""
    github = ctx.services.github
    async with GitHubClient(github, ctx.log, pace, ctx.services.meter) as client:
        async with ctx.db.transaction() as connection:
            async for row in sql.spent_quota(connection, now=ctx.now()):
                wait = (row["reset_at"] - ctx.now()).total_seconds()
                client.limits[row["token_hash"]] = Limits(pace.clock() + min(wait, AT_MOST))
        yield Session(client, Tokens(github, client, ctx.now))
        await _keep(ctx, client)


async def _keep(ctx: JobContext, client: GitHubClient) -> None:
    """The quota that was seen last, and whether it holds up the work."""
    now = ctx.now()
    held = [limits.free_at - client.pace.clock() for limits in client.limits.values()]
    wait = max(held, default=0.0)
    async with ctx.db.transaction() as connection:
        for token_hash, limits in sorted(client.limits.items()):
            for quota in limits.quotas.values():
                await sql.set_quota(
                    connection,
                    token_hash=token_hash,
                    resource=quota.resource,
                    limit=quota.limit,
                    remaining=quota.remaining,
                    # By our own clock, and never trusted for longer than a limit lasts.
                    reset_at=min(quota.reset_at, now + timedelta(seconds=AT_MOST)),
                    now=now,
                )
        await sql.forget_old_quota(connection, before=now - KEEP_QUOTA)
        if wait > 0:
            until = now + timedelta(seconds=wait)
            await set_condition(
                connection,
                CONDITION,
                f"the limit of requests of a token is reached until {until:%H:%M} UTC",
                now,
            )
        else:
            await clear_condition(connection, CONDITION)
