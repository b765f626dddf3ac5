"""A product whose projects have repositories that were fetched, for agents to look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from pydantic import SecretStr

from scheduler.job import Done, Job, JobContext
from scheduler.policy import AgentCaps, AgentPolicy, Price
from scheduler.services import GitHub, Model, Services
from scheduler.sql import load_sql
from tests.support import github_shop
from tests.support.jobs import Log, Product

sql = load_sql(__file__)

NOW = datetime(2026, 1, 31, 6, 0, tzinfo=UTC)
MODEL = "double-1"
FREE = AgentPolicy(prices={MODEL: Price(input=0, output=0)})
REPOSITORY = "octocat/hello-world"
SHA = "7fd1a60b01f91b314f59955a4e4d4e80d8edf11d"


def ago(**by: float) -> datetime:
    return NOW - timedelta(**by)


@dataclass
class AgentShop:
    product: Product
    model_url: str | None = None
    """An endpoint of the tests; without it no model is configured."""
    policy: AgentPolicy = FREE
    now: datetime = NOW
    log: Log = field(default_factory=Log)
    github: GitHub = field(default_factory=GitHub)
    """Without a token nothing is fetched: what the tests put there is looked at."""
    run_id: UUID | None = None
    services: Services | None = None
    """All of them, in the place of those above."""

    async def project(self, repository: str = REPOSITORY, **columns: Any) -> UUID:
        known = {
            "status": "active",
            "enabled": True,
            "own": None,
            "use_global": True,
            "issues": True,
            "pulls": True,
            **columns,
        }
        fetched = known.pop("fetched", True)
        is_sample = known.pop("is_sample", False)
        made: UUID = await github_shop.sql.add_project(self.product.pool, repo=repository, **known)
        if fetched:
            await sql.add_repository(
                self.product.pool,
                project=made,
                full_name=repository,
                synced_at=NOW + timedelta(days=400),
                is_sample=is_sample,
            )
        return made

    async def pull(self, project: UUID, number: int = 1, **columns: Any) -> None:
        known = {
            "title": f"Change number {number}",
            "body": "What it does and why.",
            "state": "open",
            "draft": False,
            "author": "ada",
            "is_bot": False,
            "association": "CONTRIBUTOR",
            "created_at": ago(hours=3),
            "updated_at": ago(hours=2),
            "merged_at": None,
            "head_sha": f"{number:040x}",
            "files": ["src/app.py"],
            "labels": [],
        }
        await sql.put_pull(
            self.product.pool, project=project, number=number, **{**known, **columns}
        )

    async def issue(self, project: UUID, number: int = 1, **columns: Any) -> None:
        known = {
            "title": f"Trouble number {number}",
            "body": "It does not work when I press it.",
            "state": "open",
            "author": "ben",
            "is_bot": False,
            "association": "NONE",
            "created_at": ago(hours=5),
            "updated_at": ago(hours=4),
            "labels": [],
            "comments": 0,
        }
        await sql.put_issue(
            self.product.pool, project=project, number=number, **{**known, **columns}
        )

    async def comment(self, project: UUID, number: int, body: str, issue: int = 1) -> None:
        await sql.add_comment(
            self.product.pool, project=project, id=number, number=issue, body=body, at=ago(hours=1)
        )

    async def commit(self, project: UUID, sha: str = SHA, **columns: Any) -> None:
        known = {
            "author": "ada",
            "is_bot": False,
            "at": ago(hours=6),
            "message": "Mend the lamp\n\nIt flickered.",
            "files": ["src/lamp.py"],
        }
        await sql.put_commit(self.product.pool, project=project, sha=sha, **{**known, **columns})

    async def release(self, project: UUID, tag: str = "v1.0.0", **columns: Any) -> None:
        known = {
            "id": abs(hash(tag)) % 2**31,
            "name": tag,
            "body": "",
            "prerelease": False,
            "author": "ada",
            "at": ago(days=1),
        }
        await sql.put_release(self.product.pool, project=project, tag=tag, **{**known, **columns})

    async def milestone(self, project: UUID, number: int = 1, **columns: Any) -> None:
        known = {
            "title": "First light",
            "state": "closed",
            "at": ago(days=20),
            "due_on": None,
            "closed_at": ago(days=2),
            "open_issues": 0,
            "closed_issues": 4,
        }
        await sql.put_milestone(
            self.product.pool, project=project, number=number, **{**known, **columns}
        )

    async def file(self, project: UUID, path: str = "README.md", **columns: Any) -> None:
        known = {"sha": "f" * 40, "text": "# Lamp\n\nIt is good."}
        await sql.put_file(self.product.pool, project=project, path=path, **{**known, **columns})

    async def everything(self, project: UUID) -> None:
        """Something of each kind."""
        await self.pull(project, 11)
        await self.issue(project, 21, title="Button overlaps the menu", labels=["ui"])
        await self.issue(project, 22)
        await self.commit(project)
        await self.release(project)
        await self.milestone(project, 31)
        await self.file(project)

    async def set_agent(self, project: UUID, agent: str, **settings: Any) -> None:
        await sql.set_agent(
            self.product.pool, project=project, agent=agent, settings=settings, now=self.now
        )

    def context(
        self, scheduled_for: datetime | None = None, commits_left: int | None = None
    ) -> JobContext:
        made = self.product.context(
            scheduled_for or self.now, now=self.now, commits_left=commits_left, log=self.log
        )
        model = None
        if self.model_url is not None:
            model = Model(MODEL, SecretStr("key-of-tests"), self.model_url)
        return replace(
            made,
            run_id=self.run_id or uuid4(),
            services=self.services or Services(github=self.github, model=model),
            policy=self.policy,
        )

    async def run(
        self,
        job: Job[Any],
        scheduled_for: datetime | None = None,
        commits_left: int | None = None,
        **params: Any,
    ) -> dict[str, Any]:
        outcome = await job.run(
            self.context(scheduled_for, commits_left), job.params.model_validate(params)
        )
        assert isinstance(outcome, Done), outcome
        return dict(outcome.data)

    def capped(self, **caps: Any) -> None:
        self.policy = replace(self.policy, caps=AgentCaps(**caps))

    async def units(self) -> list[Mapping[str, Any]]:
        return [dict(row) async for row in sql.units(self.product.pool)]

    async def executions(self) -> list[Mapping[str, Any]]:
        return [dict(row) async for row in sql.executions(self.product.pool)]

    async def suggestions(self) -> list[Mapping[str, Any]]:
        return [dict(row) async for row in sql.suggestions(self.product.pool)]
