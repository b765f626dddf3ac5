"""A product with projects on a GitHub of the tests: runs the sync, and reads what it left."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import SecretStr

from agents.github.errors import GitHubError
from agents.github.session import github_session
from agents.github.store import Bounds, Project
from agents.github.sync import sync_project
from agents.github.terms import Pace
from jobs.orchestration import github_sync
from scheduler.job import Done, JobContext, Outcome
from scheduler.services import GitHub, Services
from scheduler.sql import load_sql
from tests.support.github import GitHubDouble, github_double
from tests.support.github_repository import Repository
from tests.support.jobs import Log, Product

sql = load_sql(__file__)

NOW = datetime(2026, 1, 31, 0, 0, 7, tzinfo=UTC)
TOKEN = "token-of-tests"
TABLES = (
    *("commits", "pulls", "issues", "reviews", "comments", "releases", "milestones", "labels"),
    "files",
)


@dataclass
class Shop:
    product: Product
    github: GitHubDouble
    log: Log = field(default_factory=Log)
    now: datetime = NOW
    settings: dict[str, Any] = field(default_factory=dict)
    """Of GitHub, beside its address and the token."""

    async def project(self, repository: Repository | str = "octocat/hello-world", **c: Any) -> UUID:
        name = repository if isinstance(repository, str) else repository.full_name
        columns = {
            "status": "active",
            "enabled": True,
            "own": None,
            "use_global": True,
            "issues": True,
            "pulls": True,
            **c,
        }
        made: UUID = await sql.add_project(self.product.pool, repo=name, **columns)
        return made

    def context(
        self, commits_left: int | None = None, seconds_left: float | None = None
    ) -> JobContext:
        github = GitHub(**{"api_url": self.github.url, "token": SecretStr(TOKEN), **self.settings})
        ctx = replace(
            self.product.context(self.now, now=self.now, commits_left=commits_left, log=self.log),
            services=Services(github=github),
        )
        return ctx if seconds_left is None else replace(ctx, seconds_left=lambda: seconds_left)

    async def run(
        self, *, commits_left: int | None = None, seconds_left: float | None = None, **params: Any
    ) -> Outcome:
        ctx = self.context(commits_left, seconds_left)
        return await github_sync.run(ctx, github_sync.GitHubSync.model_validate(params))

    async def sync(self, **params: Any) -> Mapping[str, Any]:
        outcome = await self.run(**params)
        assert isinstance(outcome, Done), outcome
        return outcome.data

    async def run_impatient(self, project: UUID, **params: Any) -> str:
        """One sync that tries nothing twice: `complete`, or how it ended before."""
        bounds = github_sync.GitHubSync.model_validate(params)
        ctx = self.context()
        async with github_session(ctx, Pace(tries=1)) as session:
            [row] = await self.product.pool.fetch("SELECT * FROM projects WHERE id = $1", project)
            try:
                done = await sync_project(
                    ctx,
                    session.client,
                    session.tokens,
                    Project(project, row["github_repo"]),
                    Bounds(requests=bounds.max_requests, pages=bounds.max_pages),
                )
            except GitHubError as error:
                return str(error)
        return done.paused or "complete"

    async def until_complete(self, most: int = 100, **params: Any) -> int:
        """Sync until nothing is left for later; how many runs it took."""
        for run in range(1, most + 1):
            data = await self.sync(**params)
            assert data["errors"] == []
            if not data["projectsPaused"]:
                return run
        raise AssertionError(f"not complete after {most} runs")

    async def repository(self, project: UUID) -> Mapping[str, Any]:
        row = await sql.repository(self.product.pool, project_id=project)
        return dict(row)

    async def rows(self, table: str, project: UUID) -> list[dict[str, Any]]:
        assert table in TABLES
        query = f'SELECT * FROM lamplighter."github_{table}" WHERE project_id = $1'  # noqa: S608
        found = [dict(row) for row in await self.product.pool.fetch(query, project)]
        return sorted(
            ({k: v for k, v in row.items() if k != "project_id"} for row in found), key=repr
        )

    async def everything(self, project: UUID) -> dict[str, Any]:
        """All that was read of a project's repository."""
        kept = {table: await self.rows(table, project) for table in TABLES}
        for name in ("issues", "pulls"):
            rows = getattr(sql, f"product_{name}")(self.product.pool, project_id=project)
            kept[f"product_{name}"] = [dict(row) async for row in rows]
        repository = await self.repository(project)
        kept["repository"] = [repository["head_sha"], repository["data_since"]]
        return kept

    async def versions(self) -> list[tuple[str, int, int]]:
        """Of each table how many rows there are and the transaction that wrote the last."""
        return [
            (row["name"], row["rows"], row["latest"])
            async for row in sql.versions(self.product.pool)
        ]


@asynccontextmanager
async def shop_on(product: Product, **options: Any) -> AsyncIterator[Shop]:
    async with github_double(now=lambda: NOW, **options) as github:
        yield Shop(product, github)


def ago(**by: float) -> datetime:
    return NOW.replace(second=0) - timedelta(**by)
