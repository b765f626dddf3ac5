"""What do tests of suggestions need: an agent, things of a repository, and a look that proposes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID, uuid4

from agents.kit.agent import Action, Agent, Item, Kind, Proposal, Source
from agents.kit.suggest import Kept, keep
from scheduler.job import JobContext
from scheduler.policy import AgentPolicy, AgentSettings, AutonomousMode, AutoPublish
from scheduler.services import Services
from tests.support.jobs import Product, product

NOW = datetime(2026, 1, 31, 0, 0, 7, tzinfo=UTC)
REPOSITORY = "octocat/hello-world"

T = TypeVar("T")

AGENT = Agent(
    task="Looks at everything, and has something to say of each kind.",
    reads=frozenset(Source),
    concerns=lambda item, now: True,
    prompt="Say what is worth a maintainer's time.",
    proposal=Proposal,
    kinds={
        "pr_review": Kind("Review of a pull request", Action.REVIEW, Source.PULLS),
        "answer": Kind("Answer to an issue", Action.COMMENT, Source.ISSUES),
        "report": Kind("Report", Action.ISSUE),
        "release_notes": Kind("Release notes", Action.DRAFT_RELEASE),
        "chore": Kind("Something to do", Action.TODO),
    },
)
AGENTS: Mapping[str, Agent] = {"tester": AGENT, "other": AGENT}


def item(ref: str, version: str = "1", **values: Any) -> Item:
    source, _, key = ref.partition(":")
    return replace(
        Item(
            source=Source(source),
            key=key,
            version=version,
            title=f"What {ref} is called",
            text="",
            url=f"https://github.com/{REPOSITORY}/{source}/{key}",
            at=NOW,
            author="octocat",
            association="OWNER",
        ),
        **values,
    )


def proposal(
    title: str,
    *evidence: str,
    kind: str = "report",
    body: str | None = None,
    confidence: float = 0.8,
) -> Proposal:
    return Proposal(
        kind=kind,
        title=title,
        body=body or f"{title}: this is why, and what would be better.",
        evidence=list(evidence),
        confidence=confidence,
    )


@dataclass
class Bench:
    """One project and its agents."""

    product: Product
    project: UUID
    policy: AgentPolicy = field(default_factory=AgentPolicy)
    settings: AgentSettings = field(default_factory=AgentSettings)
    now: datetime = NOW
    services: Services = field(default_factory=Services)

    def context(self, **options: Any) -> JobContext:
        ctx = self.product.context(self.now, now=self.now, **options)
        return replace(ctx, policy=self.policy, services=self.services)

    async def call(self, work: Callable[..., Awaitable[T]], *args: Any, **options: Any) -> T:
        """`work` in a transaction of its own, now."""
        async with self.context().db.transaction() as connection:
            return await work(connection, *args, now=self.now, **options)

    def auto(self, **values: Any) -> None:
        """Publish without approval, within these bounds."""
        self.policy = AgentPolicy(auto_publish=AutoPublish(enabled=True, **values))
        self.settings = AgentSettings(autonomous_mode=AutonomousMode.AUTO_PUBLISH, max_per_run=20)

    async def keep(
        self,
        *proposals: Proposal,
        items: Sequence[Item] | None = None,
        agent: str = "tester",
        unit: UUID | None = None,
        **settings: Any,
    ) -> Kept:
        """One look. Without `items`, all that the proposals name is there."""
        there = items
        if there is None:
            refs = dict.fromkeys(ref for one in proposals for ref in one.evidence)
            there = [item(ref) for ref in refs]
        ctx = self.context()
        async with ctx.db.transaction() as connection:
            return await keep(
                ctx,
                connection,
                agent,
                AGENT,
                project=self.project,
                unit=unit or uuid4(),
                settings=self.settings.model_copy(update=settings),
                items=there,
                scores={"relevance": {"score": 0.9, "evidence": "It is."}},
                proposals=proposals,
                repository=REPOSITORY,
            )

    async def one(self, title: str = "The parser has no tests", *evidence: str, **o: Any) -> UUID:
        """Keep one suggestion; its id."""
        settings = {name: o.pop(name) for name in list(o) if name in AgentSettings.model_fields}
        kept = await self.keep(proposal(title, *(evidence or ("pull:12",)), **o), **settings)
        [made] = kept.suggestions
        return made

    async def row(self, suggestion: UUID) -> dict[str, Any]:
        row = await self.product.pool.fetchrow(
            "SELECT * FROM lamplighter.suggestions WHERE id = $1", suggestion
        )
        assert row is not None
        return dict(row)

    async def rows(self) -> list[dict[str, Any]]:
        found = await self.product.pool.fetch("SELECT * FROM lamplighter.suggestions ORDER BY seq")
        return [dict(row) for row in found]

    async def events(self, suggestion: UUID) -> list[tuple[str, str, str | None]]:
        rows = await self.product.pool.fetch(
            "SELECT action, by, reason FROM lamplighter.suggestion_events"
            " WHERE suggestion_id = $1 ORDER BY id",
            suggestion,
        )
        return [(row["action"], row["by"], row["reason"]) for row in rows]


@asynccontextmanager
async def bench_on(dsn: str) -> AsyncIterator[Bench]:
    """A project with agents on the database at `dsn`."""
    async with product(dsn) as made:
        project = await made.pool.fetchval(
            "INSERT INTO projects (name, github_repo) VALUES ('Lantern', $1) RETURNING id",
            REPOSITORY,
        )
        yield Bench(made, project)
