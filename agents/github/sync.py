"""Bring one project's repository into our tables: what is new since last time, and no more.

The steps stand in an order that makes the rows the same however often the work is interrupted: what
a step needs is whole before it begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from agents.github import rows
from agents.github.client import GitHubClient
from agents.github.details import read_details
from agents.github.errors import GitHubError, PausedError, RefusedError
from agents.github.files import read_files
from agents.github.gone import find_gone
from agents.github.history import read_commits, read_lines, tie
from agents.github.lists import read_comments, read_issues, read_lists, read_open, read_pulls
from agents.github.names import is_name, name_of, shown
from agents.github.product import ProductTables
from agents.github.store import Bounds, Project, Reading, sql
from agents.github.terms import Answer, Budget, Credential
from agents.github.tokens import Tokens
from scheduler.job import JobContext, Row

MOST_ERROR = 500
# What one project's data can bring about, unforeseen; what else goes wrong, does so for all.
UNFORESEEN = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class Synced:
    """One sync that did not fail."""

    requests: int
    unchanged: int
    """Of them, answered 304."""
    changed: int
    """Rows."""
    paused: str | None = None
    """Why the rest is left to a later run."""


async def sync_project(
    ctx: JobContext, client: GitHubClient, tokens: Tokens, project: Project, bounds: Bounds
) -> Synced:
    """Raises `GitHubError`, once it is noted for the project; `PausedError` does not get out."""
    now = ctx.now()
    try:
        with _foreseen():
            return await _sync(ctx, client, tokens, project, bounds)
    except GitHubError as error:
        await _fail(ctx, project, error, now)
        raise


@contextmanager
def _foreseen() -> Iterator[None]:
    try:
        yield
    except asyncpg.ForeignKeyViolationError:  # the product's tables hang on it
        raise GitHubError("the project was deleted while its repository was read") from None
    except UNFORESEEN as error:
        what = type(error).__name__
        raise GitHubError(f"what GitHub answered cannot be kept ({what})") from error


async def _sync(
    ctx: JobContext, client: GitHubClient, tokens: Tokens, project: Project, bounds: Bounds
) -> Synced:
    budget = Budget(bounds.requests)
    name = name_of(project.full_name, ctx.services.github.api_url)
    try:
        reading = await _begin(ctx, client, tokens, project, name, bounds, budget)
    except PausedError as error:
        return Synced(budget.made, budget.unchanged, 0, str(error))
    paused = None
    try:
        await _read_all(reading)
    except PausedError as error:
        paused = str(error)
        async with ctx.db.transaction() as connection:
            await sql.end_partial(connection, project_id=project.id)
    else:
        await _complete(reading)
    return Synced(budget.made, budget.unchanged, reading.changed, paused)


async def _read_all(r: Reading) -> None:
    if r.project.issues:
        await read_issues(r)
        await read_open(r)
    if r.project.pulls:
        await read_pulls(r)
    await read_lists(r)
    await read_commits(r)
    await tie(r)
    await read_files(r)
    if r.project.issues:
        await read_comments(r, "comments", "issues/comments", "conversation")
    if r.project.pulls:
        await read_comments(r, "review_comments", "pulls/comments", "review")
        await read_details(r)
        await tie(r)
    await read_lines(r)
    await find_gone(r)


async def _begin(
    ctx: JobContext,
    client: GitHubClient,
    tokens: Tokens,
    project: Project,
    name: str,
    bounds: Bounds,
    budget: Budget,
) -> Reading:
    """Ask for the repository itself; raises `GitHubError`."""
    now = ctx.now()
    async with ctx.db.transaction() as connection:
        stored = await sql.repository(connection, project_id=project.id)
    where = name
    if stored is not None and stored["moved_to"] and stored["full_name"] == name:
        where = stored["moved_to"]
    credential, installation = await tokens.of(
        project.own_token,
        use_global=project.use_global_token,
        full_name=where,
        installation=stored["installation_id"] if stored is not None else None,
    )
    async with ctx.db.transaction() as connection:
        found = sql.etags(connection, project_id=project.id, token_hash=credential.hash)
        etags = {row["url"]: row["etag"] async for row in found}
    product = ProductTables(ctx.tables, project.id, now)
    path = f"/repos/{where}"
    try:
        answer = await client.read(path, credential, budget, etags.get(path))
    except RefusedError as error:
        if error.status != 404 or where == name:
            raise
        # Where it was moved to there is none any more; under its own name there may be one again.
        path = f"/repos/{name}"
        answer = await client.read(path, credential, budget)
    if not answer.unchanged:
        since = _since(stored, now, bounds)
        stored = await _keep(product, ctx, name, answer, credential, path, since, installation)
        if not stored["cursors"]:
            etags = {}  # nothing is read yet, or not of this repository
    assert stored is not None  # noqa: S101 - a tag is sent only for what is stored
    reading = Reading(
        ctx,
        client,
        project,
        bounds,
        budget,
        credential,
        product,
        at=f"/repos/{stored['moved_to'] or name}",
        cursors=dict(stored["cursors"]),
        since=_github_time(stored["data_since"]),
        head_sha=stored["head_sha"],
        default_branch=stored["default_branch"] or "HEAD",
        open_issues=stored["open_issues"],
        etags=etags,
    )
    reading.asked.add(path)
    return reading


async def _keep(
    product: ProductTables,
    ctx: JobContext,
    name: str,
    answer: Answer,
    credential: Credential,
    path: str,
    since: datetime,
    installation: int | None,
) -> Row:
    """Note what the repository is; what was read of another one is forgotten."""
    try:
        values: dict[str, Any] = {
            "github_id": int(answer.data["id"]),
            "moved_to": _moved(str(answer.data["full_name"]), name),
            "description": rows.clean(answer.data.get("description"), 1000),
            "html_url": rows.clean(answer.data.get("html_url"), rows.URL),
            "default_branch": rows.clean(answer.data["default_branch"], rows.NAME),
            "open_issues": int(answer.data.get("open_issues_count") or 0),
        }
    except (KeyError, TypeError, ValueError):
        raise GitHubError("GitHub's repository is not as documented") from None
    project_id = product.project_id
    async with ctx.db.transaction() as connection:
        await sql.begin_repository(connection, project_id=project_id, full_name=name)
        before = await sql.repository(connection, project_id=project_id)
        if before["github_id"] not in {None, values["github_id"]}:
            await sql.forget_data(connection, project_id=project_id)
            await product.forget(connection)
        await sql.set_repository(connection, project_id=project_id, data_since=since, **values)
        await sql.set_installation(connection, project_id=project_id, installation_id=installation)
        if answer.etag and not answer.moved:
            await sql.set_etag(
                connection,
                project_id=project_id,
                token_hash=credential.hash,
                url=path,
                etag=answer.etag,
            )
        kept: Row = await sql.repository(connection, project_id=project_id)
    if values["moved_to"]:
        ctx.log.info("github_repository_moved", project=str(project_id), to=values["moved_to"])
    return kept


async def _complete(r: Reading) -> None:
    async with r.ctx.db.transaction() as connection:
        await sql.forget_other_etags(
            connection,
            project_id=r.project.id,
            token_hash=r.credential.hash,
            urls=sorted(r.asked),
        )
        await sql.end_complete(connection, project_id=r.project.id, now=r.now)
        await r.product.set_synced(connection)


async def _fail(ctx: JobContext, project: Project, error: GitHubError, now: datetime) -> None:
    async with ctx.db.transaction() as connection:
        await sql.end_failed(
            connection,
            project_id=project.id,
            full_name=shown(project.full_name),
            error=str(error)[:MOST_ERROR],
            now=now,
        )


def _moved(now_at: str, name: str) -> str | None:
    if now_at.lower() == name.lower() or not is_name(now_at):
        return None
    return now_at


def _since(stored: Row | None, now: datetime, bounds: Bounds) -> datetime:
    since: datetime | None = stored["data_since"] if stored is not None else None
    return since or (now - max(bounds.backfill, timedelta(days=1))).replace(microsecond=0)


def _github_time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
