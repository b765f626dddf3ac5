"""How do the agents go over one project: gate, scores, proposals, each agent by itself.

What an agent made of it, what it has read, and what is kept of its proposals are one transaction: a
run that is killed at any instant asks again only for the agent that it was killed in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from pydantic import JsonValue

from agents.kit.agent import Agent, Item
from agents.kit.asking import Asks, Ending, look_at
from agents.kit.gate import Memory, Quiet, Shown, first_step
from agents.kit.items import read_items
from agents.kit.spending import Look
from agents.kit.suggest import cooling_refs, keep
from scheduler.job import Connection, JobContext
from scheduler.policy import AgentSettings
from scheduler.sql import load_sql

sql = load_sql(__file__)

NO_MODEL = "llm not configured"
ENDED = frozenset({"skipped", "silent", "suggested"})
"""How a look ends that is not made again."""


@dataclass(frozen=True, slots=True)
class Site:
    """The project that the agents look at, and what is said of it to a model."""

    project: UUID
    repository: str
    about: str


@dataclass
class Result:
    """What the agents made of a project."""

    suggested: int = 0
    """Agents that had something to say."""
    silent: int = 0
    skipped: int = 0
    failed: int = 0
    suggestions: int = 0
    capped: dict[str, list[str]] = field(default_factory=dict)
    """By cap: what it says, once for each agent that it left out."""
    errors: dict[str, str] = field(default_factory=dict)
    """By agent."""
    reasons: dict[str, str] = field(default_factory=dict)
    """Why an agent said nothing, by agent."""
    skips: Counter[str] = field(default_factory=Counter)
    """How many were skipped for which reason, all of them in our own words."""

    def count(self, slug: str, status: str, suggestions: int, reason: str | None) -> None:
        if reason is not None:
            self.reasons[slug] = reason
        match status:
            case "suggested":
                self.suggested += 1
            case "silent":
                self.silent += 1
            case "skipped":
                self.skipped += 1
                self.skips[reason or "no reason is on record"] += 1
            case _:
                self.failed += 1
        self.suggestions += suggestions


class Team:
    """The agents at work on one project, for one unit."""

    def __init__(
        self,
        ctx: JobContext,
        unit: UUID,
        site: Site,
        agents: Mapping[str, Agent],
        settings: Mapping[str, AgentSettings],
        model: Asks | None,
        *,
        force: bool,
        before_asking: Callable[[], Awaitable[None]],
    ) -> None:
        self._ctx = ctx
        self._unit = unit
        self._site = site
        self._agents = agents
        self._settings = settings
        self._model = model
        self._force = force
        self._before_asking = before_asking
        self._asked = False
        self.result = Result()

    async def work(self) -> Result:
        """Every agent, one after the other. What goes wrong with one does not stop the others.

        Those that an earlier attempt at the unit came to an end with are not asked again; those
        that it failed with are, for they were due then.
        """
        async with self._ctx.db.transaction() as connection:
            looked_for = await last_looks(connection, self._site.project)
            made = {row["agent"]: row async for row in sql.made_of(connection, unit=self._unit)}
        for slug, agent in self._agents.items():
            row = made.get(slug)
            if row is not None and row["status"] in ENDED:
                self.result.count(slug, row["status"], row["suggestions"], row["reason"])
            else:
                force = self._force or row is not None
                await self._one(slug, agent, looked_for.get(slug), force=force)
        return self.result

    async def _one(
        self, slug: str, agent: Agent, looked_for: datetime | None, *, force: bool
    ) -> None:
        settings = self._settings[slug]
        found = await decide(
            self._ctx, self._site.project, slug, agent, settings, looked_for, force=force
        )
        if isinstance(found, Quiet):
            await self._skip(slug, found.reason)
            return
        configured = self._ctx.services.model
        if self._model is None or configured is None:
            await self._skip(slug, NO_MODEL)
            return
        if not self._asked:
            self._asked = True
            await self._before_asking()
        look = Look(
            self._site.project,
            settings.model or configured.name,
            settings.max_tokens_per_run,
            slug,
        )
        async with self._ctx.db.transaction() as connection:
            await sql.begin(
                connection,
                unit=self._unit,
                agent=slug,
                model=look.model,
                items=len(found.items),
                now=self._ctx.now(),
            )
        ending = await look_at(self._model, agent, settings, found, self._site.about, look)
        if ending.cap is not None and ending.reason is not None:
            self.result.capped.setdefault(ending.cap, []).append(ending.reason)
        if ending.reason is not None and ending.status == "failed":
            self.result.errors[slug] = ending.reason
        await self._end(slug, agent, settings, found, look, ending)

    async def _end(
        self,
        slug: str,
        agent: Agent,
        settings: AgentSettings,
        shown: Shown,
        look: Look,
        ending: Ending,
    ) -> None:
        ctx, site = self._ctx, self._site
        status, reason, suggestions = ending.status, ending.reason, 0
        rejected: list[JsonValue] = []
        async with ctx.db.transaction() as connection:
            if ending.status == "suggested" and ending.scores is not None:
                kept = await keep(
                    ctx,
                    connection,
                    slug,
                    agent,
                    project=site.project,
                    unit=self._unit,
                    settings=settings,
                    items=shown.items,
                    scores=ending.scores.as_json(),
                    proposals=ending.proposals,
                    repository=site.repository,
                )
                suggestions = len(kept.suggestions)
                rejected = [
                    {"title": title, "reason": why}
                    for title, why in (*kept.rejected, *ending.rejected)
                ]
                if not suggestions:
                    status, reason = "silent", "none of its proposals was kept"
            if ending.has_read:
                await self._remember(
                    connection, slug, [item for item in shown.items if item.ref in shown.unseen]
                )
            # Where a cap let it ask nothing, or nobody answered, it is still due.
            if not ending.unreachable and (ending.cap is None or look.usage.calls):
                await sql.looked(
                    connection, project=site.project, agent=slug, scheduled_for=ctx.scheduled_for
                )
            await sql.finish(
                connection,
                unit=self._unit,
                agent=slug,
                status=status,
                reason=reason,
                scores=None if ending.scores is None else ending.scores.as_json(),
                rejected=rejected,
                suggestions=suggestions,
                calls=look.usage.calls,
                tokens_in=look.usage.tokens_in,
                tokens_out=look.usage.tokens_out,
                cost_usd=look.usage.cost_usd,
                now=ctx.now(),
            )
        ctx.log.info(
            "agent_looked",
            project=str(site.project),
            agent=slug,
            status=status,
            suggestions=suggestions,
            calls=look.usage.calls,
        )
        self.result.count(slug, status, suggestions, reason)

    async def _remember(self, connection: Connection, slug: str, items: Sequence[Item]) -> None:
        await sql.remember(
            connection,
            project=self._site.project,
            agent=slug,
            refs=[item.ref for item in items],
            versions=[item.version for item in items],
            now=self._ctx.now(),
        )

    async def _skip(self, slug: str, reason: str) -> None:
        async with self._ctx.db.transaction() as connection:
            await sql.skip(
                connection, unit=self._unit, agent=slug, reason=reason, now=self._ctx.now()
            )
        self.result.count(slug, "skipped", 0, reason)


async def decide(
    ctx: JobContext,
    project: UUID,
    slug: str,
    agent: Agent,
    settings: AgentSettings,
    looked_for: datetime | None,
    *,
    force: bool,
) -> Shown | Quiet:
    """The gate's first step, on what is known of the project."""
    # What ends it for sure is asked first, before anything is read.
    empty = first_step(agent, settings, Memory(looked_for), (), ctx.scheduled_for, force=force)
    if isinstance(empty, Quiet) and empty.whatever_there_is:
        return empty
    async with ctx.db.transaction() as connection:
        items = await read_items(
            connection, project, agent, ctx.scheduled_for, ctx.policy.caps.min_association
        )
        refs = [item.ref for item in items]
        read = sql.read(connection, project=project, agent=slug, refs=refs)
        memory = Memory(
            looked_for,
            {row["ref"]: row["version"] async for row in read},
            await cooling_refs(
                connection,
                project,
                slug,
                ctx.scheduled_for - timedelta(hours=settings.cooldown_hours),
            ),
        )
    return first_step(agent, settings, memory, items, ctx.scheduled_for, force=force)


async def made_of(ctx: JobContext, unit: UUID) -> Result:
    """What the agents have made of a unit before."""
    result = Result()
    async with ctx.db.transaction() as connection:
        async for row in sql.made_of(connection, unit=unit):
            result.count(row["agent"], row["status"], row["suggestions"], row["reason"])
    return result


async def last_looks(connection: Connection, project: UUID) -> dict[str, datetime]:
    """For which batch each agent has last asked a model."""
    looks = sql.looks(connection, project=project)
    return {row["agent"]: row["looked_for"] async for row in looks}
