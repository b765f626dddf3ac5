"""What would the agents say of a project now? The way of a batch, with a database only read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from decimal import Decimal
from uuid import UUID, uuid4

from agents.kit.agent import Agent
from agents.kit.answer import Output
from agents.kit.asking import Asks, Ending, first_question, look_at
from agents.kit.fit import Fit, UnfitError, sift
from agents.kit.gate import Quiet, Shown
from agents.kit.llm import Question
from agents.kit.purse import spent_on
from agents.kit.spending import Look, Usage
from agents.kit.suggest import check_new
from agents.kit.team import Site, decide, last_looks
from agents.projects import Candidate, candidates, site_of
from scheduler.errors import NotFoundError
from scheduler.job import JobContext
from scheduler.policy import AgentSettings
from scheduler.sql import load_sql

sql = load_sql(__file__)


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What one agent would do."""

    agent: str
    gate: Shown | Quiet
    """What it would be shown, or why it would not be asked."""
    questions: Sequence[Question] = ()
    """Those that a model was asked; without one, the one that it would be asked first."""
    ending: Ending | None = None
    suggestions: tuple[Fit, ...] = ()
    """What would be kept."""
    rejected: tuple[tuple[str, str], ...] = ()
    """Titles of what would not, and why."""
    usage: Usage = field(default_factory=Usage)


class Overheard:
    """A model that remembers what it was asked."""

    def __init__(self, model: Asks) -> None:
        self._model = model
        self.questions: list[Question] = []

    async def ask(self, question: Question, output: type[Output], look: Look) -> Output:
        self.questions.append(question)
        return await self._model.ask(question, output, look)


async def find_project(
    ctx: JobContext, agents: Mapping[str, Agent], named: str
) -> tuple[Candidate, Site]:
    """By id or owner/name, with what is said of it to a model. Raises `NotFoundError`."""
    try:
        project = UUID(named)
    except ValueError:
        project = await _by_name(ctx, named)
    found = await candidates(ctx, agents, project, whatever=True)
    if not found:
        raise NotFoundError(f"there is no project {named}")
    return found[0], await site_of(ctx, found[0], keep=False)


async def _by_name(ctx: JobContext, named: str) -> UUID:
    async with ctx.db.transaction() as connection:
        rows = [row["id"] async for row in sql.projects_of(connection, name=named)]
    if not rows:
        raise NotFoundError(f"there is no project with the repository {named[:200]}")
    if len(rows) > 1:
        ids = ", ".join(str(row) for row in rows)
        raise NotFoundError(f"several projects have the repository {named}: give one of {ids}")
    project: UUID = rows[0]
    return project


async def left_today(ctx: JobContext, project: UUID) -> Decimal:
    """Dollars of the day's caps that batches have not spent."""
    caps, day = ctx.policy.caps, ctx.now().astimezone(UTC).date()
    async with ctx.db.transaction() as connection:
        of_all, of_project = await spent_on(connection, day, project)
    left = (
        Decimal(str(caps.daily_cost_cap_usd)) - of_all,
        Decimal(str(caps.project_daily_cost_cap_usd)) - of_project,
        Decimal(str(caps.run_cost_cap_usd)),
    )
    return max(min(left), Decimal(0))


async def rehearse(
    ctx: JobContext,
    agents: Mapping[str, Agent],
    candidate: Candidate,
    site: Site,
    model: Asks | None,
    *,
    force: bool,
) -> list[Rehearsed]:
    """Each agent, one after the other; without a model as far as the gate's first step."""
    async with ctx.db.transaction() as connection:
        looked_for = await last_looks(connection, site.project)
    rehearsed = []
    for slug, agent in agents.items():
        settings = candidate.settings[slug]
        gate = await decide(
            ctx, site.project, slug, agent, settings, looked_for.get(slug), force=force
        )
        if isinstance(gate, Quiet):
            rehearsed.append(Rehearsed(slug, gate))
        elif model is None:
            asked = first_question(agent, settings, gate, site.about)
            rehearsed.append(Rehearsed(slug, gate, (asked,)))
        else:
            rehearsed.append(await _one(ctx, slug, agent, settings, site, gate, Overheard(model)))
    return rehearsed


async def _one(
    ctx: JobContext,
    slug: str,
    agent: Agent,
    settings: AgentSettings,
    site: Site,
    shown: Shown,
    model: Overheard,
) -> Rehearsed:
    configured = ctx.services.model
    assert configured is not None  # noqa: S101 - it is open
    look = Look(site.project, settings.model or configured.name, settings.max_tokens_per_run)
    ending = await look_at(model, agent, settings, shown, site.about, look)
    kept: list[Fit] = []
    unit = uuid4()
    async with ctx.db.transaction() as connection:

        async def accept(fit: Fit) -> None:
            await check_new(connection, ctx.now(), site.project, unit, settings, fit)
            if any(one.kind == fit.kind and one.key == fit.key for one in kept):
                raise UnfitError("another of these says so")
            kept.append(fit)

        rejected = await sift(
            agent,
            settings,
            shown.items,
            ending.proposals,
            site.repository,
            ctx.policy.caps.link_hosts,
            room=settings.max_per_run,
            accept=accept,
        )
    return Rehearsed(
        slug,
        shown,
        tuple(model.questions),
        ending,
        tuple(kept),
        (*rejected, *ending.rejected),
        look.usage,
    )
