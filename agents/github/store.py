"""Where does one project's reading stand, and how does a page of it become rows.

A page and the cursor behind it are one transaction: a run that is killed at any instant is gone on
with from the last page that is whole.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from agents.github.client import GitHubClient
from agents.github.errors import GitHubError, RefusedError, SpentError
from agents.github.product import ProductTables
from agents.github.rows import Row
from agents.github.terms import Answer, Budget, Credential
from scheduler.job import Connection, JobContext
from scheduler.sql import load_sql

sql = load_sql(__file__)

T = TypeVar("T")

PROJECT_COLUMNS = (
    *("id", "status", "github_repo", "github_sync_enabled", "github_pat_encrypted"),
    *("use_global_pat", "github_sync_issues", "github_sync_prs"),
)
"""Of the product's `projects`, without which nothing can be read."""


@dataclass(frozen=True, slots=True)
class Project:
    """A project as the product has it."""

    id: UUID
    full_name: str
    """owner/name."""
    own_token: str | None = None
    """Encrypted."""
    use_global_token: bool = True
    issues: bool = True
    pulls: bool = True


def project_of(row: Mapping[str, Any]) -> Project:
    """Of a row of `projects` with these columns, the switches never NULL."""
    return Project(
        row["id"],
        row["github_repo"] or "",
        row["github_pat_encrypted"],
        row["use_global_pat"],
        row["github_sync_issues"],
        row["github_sync_prs"],
    )


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much one sync of one project may do."""

    backfill: timedelta = timedelta(days=90)
    requests: int = 1_000
    pages: int = 100
    """Of each list."""
    commit_details: int = 100


@dataclass
class Page:
    """One open transaction."""

    connection: Connection
    project_id: UUID
    changed: int = 0
    """Rows that are not as before."""

    async def put(self, query: Callable[..., Any], **values: object) -> int:
        count: int = await query(self.connection, project_id=self.project_id, **values)
        self.changed += count
        return count

    async def put_issues(self, rows: list[Row]) -> int:
        return await self.put(sql.put_issues, rows=rows)

    async def put_pulls(self, rows: list[Row]) -> int:
        return await self.put(sql.put_pulls, rows=rows)


@dataclass
class Reading:
    """One sync of one project, while it goes on."""

    ctx: JobContext
    client: GitHubClient
    project: Project
    bounds: Bounds
    budget: Budget
    credential: Credential
    product: ProductTables
    at: str
    """Of the API, with the repository: `/repos/owner/name`."""
    cursors: dict[str, Any]
    since: str
    """How far back data goes, as GitHub writes times."""
    head_sha: str | None
    default_branch: str = "HEAD"
    open_issues: int | None = None
    etags: dict[str, str] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    """Paths that were asked with a tag, or have got one."""
    changed: int = 0

    @property
    def now(self) -> datetime:
        return self.product.now

    async def get(self, path: str, *, conditional: bool = False) -> Answer:
        etag = None
        if conditional:
            self.asked.add(path)
            etag = self.etags.get(path)
        try:
            return await self.client.read(path, self.credential, self.budget, etag)
        except RefusedError as error:
            if error.status == 401:  # of whatever
                raise
            what = path.removeprefix(self.at).partition("?")[0]
            raise RefusedError(error.status, f"{error} ({what})") from None

    @asynccontextmanager
    async def page(
        self, path: str | None = None, answer: Answer | None = None
    ) -> AsyncIterator[Page]:
        """A transaction that keeps the cursors too, and that `answer` to `path` is in the rows."""
        async with self.ctx.db.transaction() as connection:
            page = Page(connection, self.project.id)
            yield page
            await sql.set_cursors(
                connection,
                project_id=self.project.id,
                cursors=self.cursors,
                changed=page.changed > 0,
            )
            if path is not None and answer is not None and answer.etag:
                self.asked.add(path)
                await sql.set_etag(
                    connection,
                    project_id=self.project.id,
                    token_hash=self.credential.hash,
                    url=path,
                    etag=answer.etag,
                )
        self.changed += page.changed

    def pages(self, what: str) -> range:
        """Counts the pages of one list; raises `SpentError` past the last that may be read."""
        return _Pages(what, self.bounds.pages)  # type: ignore[return-value]


class _Pages:
    def __init__(self, what: str, most: int) -> None:
        self._what = what
        self._most = most

    def __iter__(self) -> Any:
        yield from range(self._most)
        raise SpentError(f"this run's pages of {self._what} are used up")


async def forget_project(ctx: JobContext, project_id: UUID) -> None:
    """All that was read for a project that there is no longer."""
    async with ctx.db.transaction() as connection:
        await sql.forget_data(connection, project_id=project_id)
        await sql.forget_repository(connection, project_id=project_id)


def parsed(what: str, parse: Callable[[Any], Row], items: Iterable[Any]) -> list[Row]:
    """Raises `GitHubError` where the answer is not as GitHub's documentation has it."""
    try:
        return [parse(item) for item in items]
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise GitHubError(
            f"GitHub's {what} are not as documented ({type(error).__name__})"
        ) from None
